/* A model by script, behind a transport without sockets: each request is answered by the next step,
 * one line an event and a loop turn. It keeps what every response holds, puts each request together
 * with its chain, and refuses what a real endpoint refuses: a call without exactly one output, an
 * output without its call, a reasoning item that nothing follows.
 *
 * Lines of a step (' stands for "):
 *   say TEXT           a message: added, delta, done
 *   partial TEXT       a message that is never done
 *   think TEXT         a reasoning item
 *   call ID NAME JSON  a function call
 *   done               response.completed      failed TEXT   response.failed
 *   incomplete WHY     response.incomplete     break         the connection is lost
 *   wait               goes on after model_go()
 *   cut                response.incomplete, reason "steered", if somebody has steered and no call
 * is open; else nothing long               response.failed, context_length_exceeded compaction a
 * compaction item A response that was steered is followed by its successor, which plays the next
 * step, or by response.steer.pending if it has calls. */
#ifndef TEST_AGENT_MODEL_H
#define TEST_AGENT_MODEL_H

#include <lanebridge/json.h>
#include <lanebridge/loop.h>
#include <lanebridge/responses.h>

struct model_wire;
struct model_answer;
/* For conversations side by side: a request that has `part` plays that step, the first that fits.
 */
struct model_route {
    const char *part, *step;
};
struct model {
    struct loop *loop;
    const char *const *steps; /* ended by NULL; the last one is used again when they run out */
    size_t step;
    const struct model_route *routes; /* ended by {NULL}; looked at first; or NULL */
    bool refuses;                     /* connections fail */
    bool waits_for_warm_up;           /* a warm-up is answered by model_go */
    VEC(struct model_wire *) wires;
    VEC(struct model_answer *) answers;
    VEC(char *) frames; /* requests as they came, warm-ups not */
    unsigned warm_ups, opens;
    bool steers;         /* else response.steer is refused */
    VEC(char *) steered; /* response.steer as they came */
    const char
        *compacts; /* POST …/compact: NULL: there is none; "ok", "hang", or an error's code */
    VEC(char *) bodies;  /* of those */
    int64_t used_tokens; /* input_tokens of every response; 0: 10 */
    size_t lines,
        break_at; /* lines played so far; before that one the connection breaks; 0: none */
    void (*on_line)(void *user, const char *line); /* optional: before a line is played */
    void *user;
};
void model_init(struct model *model, struct loop *loop);
void model_finish(struct model *model); /* after responses_free */
void model_script(struct model *model, const char *const *steps);
struct transport_env model_env(struct model *model);
void model_go(struct model *model);
bool model_is_waiting(const struct model *model);
/* The items the last request amounted to, with its chain, as one text: a line each. */
void model_context(const struct model *model, struct buf *text);

#endif
