/* The outside world of a Responses client, without sockets and without a clock: transports whose
 * other end is the test, timers that fire when the test says that time has passed, and a caller
 * that writes down everything it is told. */
#ifndef TEST_RESPONSES_FAKE_H
#define TEST_RESPONSES_FAKE_H

#include <criterion/criterion.h>
#include <lanebridge/responses.h>

struct fake;
struct fake_wire {
    struct transport transport;
    struct fake *fake;
    enum transport_kind kind;
    const struct transport_handlers *handlers;
    void *user;
    VEC(char *) sent;
    unsigned pings, close_code;
    bool is_closed; /* by the client */
};
struct transport_timer {
    struct fake *fake;
    void (*on_fire)(void *user);
    void *user;
    uint64_t due; /* 0: not set */
};
struct fake {
    uint64_t now, slept;
    VEC(struct fake_wire *) wires; /* all that were ever opened */
    VEC(struct transport_timer *) timers;
    enum status refuse_open; /* what open answers, if not OK */
    enum status refuse_send;
    bool prepares; /* what is opened from now on */
    struct responses *client;
    struct buf states; /* "connecting ready …" as told */
    unsigned rotations;
};

/* A fast set of deadlines: connect 100, answer 60, proof 250, http_stream 1000, http_quiet 2000,
 * first_event 300, silence 200, pong 100, thinking 5000, drain 1000, waits of 10, 20, 40, 80 (half
 * of what the jitter may add up to), attempts 3. */
extern const struct responses_deadlines fake_deadlines;

void fake_start(struct fake *fake, const char *profile, enum responses_transport_choice choice,
                bool store);
void fake_start_with(struct fake *fake, const struct responses_profile *profile,
                     enum responses_transport_choice choice, bool store);
void fake_start_options(struct fake *fake, const struct responses_options *options);
/* Frees the client and checks that nothing is left open. */
void fake_stop(struct fake *fake);
void fake_advance(struct fake *fake, uint64_t ms); /* fires what falls due, in order */
void fake_settle(struct fake *fake);               /* one loop turn */

struct fake_wire *fake_wire(struct fake *fake, size_t index);
struct fake_wire *fake_last(struct fake *fake);
size_t fake_open_count(const struct fake *fake); /* wires the client has not closed */
void fake_accept(struct fake_wire *wire);
/* `'` stands for `"`, so that events stay readable. */
void fake_event(struct fake_wire *wire, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void fake_message(struct fake_wire *wire, struct str message);
void fake_alive(struct fake_wire *wire);
void fake_drop(struct fake_wire *wire); /* RST */
void fake_close(struct fake_wire *wire, unsigned code, enum status status);
void fake_refuse(struct fake_wire *wire, int http_status, int64_t retry_after_ms);
const char *fake_sent(const struct fake_wire *wire, size_t index);
const char *fake_last_sent(const struct fake_wire *wire);
void fake_assert_sent(const struct fake_wire *wire, size_t index, const char *needle);
void fake_assert_not_sent(const struct fake_wire *wire, size_t index, const char *needle);
/* The lane of a frame, "" for none. */
struct str fake_lane_of(const char *frame);
struct responses_status fake_status(const struct fake *fake);

/* -- A caller: one conversation -------------------------------------------------------------- */

struct caller {
    struct fake *fake;
    struct responses_chain *chain;
    struct response *response;
    VEC(char *) history;
    uint64_t generation;
    struct responses_request request; /* what is asked each time, to be changed by tests */
    struct buf log;                   /* "started r1; delta 0 hel; item 0 message m1; …" */
    struct responses_result result;   /* of the last end */
    unsigned ends, retries;
    char last_type[32], last_call_id[32], last_name[32], last_arguments[32];
    bool adopts; /* done items go into the history */
    const char *given;
};
enum status caller_steer(struct caller *caller, const char *item); /* JSON, must stay */
void caller_start(struct caller *caller, struct fake *fake, enum responses_priority priority);
void caller_finish(struct caller *caller);
void caller_push(struct caller *caller, const char *item); /* `'` for `"` */
void caller_say(struct caller *caller, const char *text);  /* a user message */
bool caller_create(struct caller *caller);
void caller_interrupt(struct caller *caller);
void caller_assert_log(struct caller *caller, const char *expected); /* and clears it */
void caller_assert_ended(const struct caller *caller, enum responses_end end);

/* The usual run of events of one lane: "l0", response id, and one message with that text. */
void fake_created(struct fake_wire *wire, const char *lane, const char *id);
void fake_item(struct fake_wire *wire, const char *lane, const char *item_id, const char *text);
void fake_completed(struct fake_wire *wire, const char *lane, const char *id);
void fake_answer(struct fake_wire *wire, const char *lane, const char *id, const char *text);

/* -- A caller whose first request is on the wire ------------------------------------------------
 */
struct asked {
    struct fake fake;
    struct caller caller;
    struct fake_wire *wire;
};
void asked_create(struct asked *asked, const char *profile, enum responses_transport_choice choice);
void asked_start(struct asked *asked); /* openai, and the connection is open */
void asked_stop(struct asked *asked);

/* -- Many callers on one client -----------------------------------------------------------------
 */

enum { MANY = 34, LANE_BYTES = 16 };

struct crowd {
    struct fake fake;
    struct caller callers[MANY];
    size_t count;
};
/* Each asks "question N." when it is told to. */
void crowd_start(struct crowd *crowd, const char *profile, size_t count,
                 enum responses_priority priority);
void crowd_stop(struct crowd *crowd);
/* The lane of the frame that asks `text`; the latest one. */
const char *lane_asking(struct fake_wire *wire, const char *text, char lane[LANE_BYTES]);
/* Answers the question that this one asked last. */
void answer_caller(struct crowd *crowd, struct fake_wire *wire, size_t index, int round);

#endif
