/* A thread at work: its events written down, and a host that takes every edit, or holds it. */
#ifndef TEST_AGENT_DESK_H
#define TEST_AGENT_DESK_H

#include "world.h"

struct desk_apply;
struct desk {
    struct world w;
    struct agent_thread *thread;
    struct host host;
    bool holds; /* edits are not answered; questions never are */
    unsigned applies, asks, drops;
    VEC(struct desk_apply *) pending;
    struct buf log; /* "+type" started, "type=text" completed, "~type=text" delta, … */
    unsigned events, ends;
    struct agent_event last_end;         /* its numbers; texts are not kept */
    void (*on_event)(struct desk *desk); /* optional, in the middle of the event */
    unsigned stop_at;
};
void desk_init(struct desk *desk);
void desk_finish(struct desk *desk);
void desk_agent(struct desk *desk); /* a new one, as in a new process */
/* ret_turn_id may be NULL; answers whether it was queued. */
bool desk_prompt(struct desk *desk, const char *prompt, char *ret_turn_id);
void desk_idle(struct desk *desk);                             /* runs until the thread is */
void desk_ask(struct desk *desk, const char *prompt);          /* both */
void desk_assert_log(struct desk *desk, const char *expected); /* and clears it */
void desk_release(struct desk *desk); /* answers the edits that were held: applied */
void desk_waiting(struct desk *desk); /* runs until the model waits */

#endif
