/* The parts of `lanebridge doctor`. A check is a row of the table in doctor.c: it looks at one
 * thing and writes one line. It may run the loop, with a deadline (doctor_wait), and leaves what
 * later checks need in struct doctor; whether those run at all is the table's business (`needs`).
 */
#ifndef LANEBRIDGE_DOCTOR_INTERNAL_H
#define LANEBRIDGE_DOCTOR_INTERNAL_H

#include <lanebridge/memory.h>

#include "../target-internal.h"
#include "cli.h"

enum doctor_outcome { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL, DOCTOR_SKIP, DOCTOR_OUTCOME_COUNT };

/* The worst outcome told counts; sentences are joined. */
struct doctor_line {
    enum doctor_outcome outcome;
    const char *because; /* of SKIP: the check that failed first */
    struct buf found;    /* what there is */
    struct buf fix;      /* what to do */
    struct buf facts;    /* a JSON object, for programs; finished by the runner */
    struct json_writer w;
    uint64_t elapsed_ms;
};

struct doctor;
struct doctor_check {
    const char *name;
    const char *needs; /* a check above it, or NULL */
    void (*run)(struct doctor *doctor, struct doctor_line *line);
};
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_check_count;

/* What a probe got back. */
enum doctor_answer_kind {
    ANSWER_NONE,      /* nothing in time, or the connection is lost: text says which */
    ANSWER_COMPLETED, /* a warm-up that is one */
    ANSWER_STARTED,   /* the endpoint began to generate */
    ANSWER_REFUSED,   /* an error: code, param and text */
    ANSWER_STEER,     /* one of the steering events; code if it failed */
};
struct doctor_answer {
    enum doctor_answer_kind kind;
    char code[64], param[96], text[400];
    bool names_lane; /* the events carried a stream_id */
    uint64_t ns;
};

struct doctor_socket {
    struct net_ws *ws;
    bool opened, closed, decided; /* decided: one of the two, or both */
    bool waiting, settled;
    bool until_started; /* the first sign that the request was taken is enough */
    uint64_t sent_ns;
    struct doctor_answer answer;
    struct net_close close;
};

struct doctor {
    struct loop *loop;
    struct loop_timer *timer;
    bool timer_fired;
    uint64_t began_ns;
    struct responses_deadlines deadlines;

    struct config_env env;
    struct config *config;
    struct net *net;
    struct workspace *workspace;
    struct policy *policy;
    struct memory *memory;
    struct replay_child *replay;
    bool mcp_is_ready;

    struct buf key;
    struct net_way way; /* the first connection's, which the lines of the way are about */
    struct net_url url; /* of replay: what its socket stands for */
    struct net_proxy_facts proxy;
    const struct responses_profile *profile;
    struct responses_learned known;
    bool lookup_hangs; /* a thread of the pool is still at it */
    struct doctor_socket socket;
    bool has_warm_up;
    struct doctor_line *lines; /* one a check, in the table's order */
};

/* -- Telling -- */

void doctor_ok(struct doctor_line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* fix: what to do about it. */
void doctor_warn(struct doctor_line *line, const char *fix, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_fail(struct doctor_line *line, const char *fix, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Splits "what is wrong; what to do", the form of our own messages. */
void doctor_tell_error(struct doctor_line *line, enum doctor_outcome outcome, const char *text,
                       const char *otherwise);

/* -- doctor_print.c -- */

void doctor_print_line(const struct doctor_check *check, const struct doctor_line *line);
void doctor_print_sum(const struct doctor *doctor, bool json);

/* -- Waiting -- */

/* Runs the loop until *done; false when ms are over first, or the whole has lasted too long. */
bool doctor_wait(struct doctor *doctor, const bool *done, uint64_t ms);
uint64_t doctor_elapsed_ms(const struct doctor *doctor);

/* -- The checks -- */

void doctor_check_versions(struct doctor *doctor, struct doctor_line *line);
void doctor_check_system(struct doctor *doctor, struct doctor_line *line);
void doctor_check_config(struct doctor *doctor, struct doctor_line *line);
void doctor_check_state(struct doctor *doctor, struct doctor_line *line);
void doctor_check_journal(struct doctor *doctor, struct doctor_line *line);
void doctor_check_sandbox(struct doctor *doctor, struct doctor_line *line);
void doctor_check_mcp(struct doctor *doctor, struct doctor_line *line);
void doctor_check_endpoint(struct doctor *doctor, struct doctor_line *line);
void doctor_check_key(struct doctor *doctor, struct doctor_line *line);
void doctor_check_proxy(struct doctor *doctor, struct doctor_line *line);
void doctor_check_dns(struct doctor *doctor, struct doctor_line *line);
void doctor_check_connect(struct doctor *doctor, struct doctor_line *line);
void doctor_check_tls(struct doctor *doctor, struct doctor_line *line);
void doctor_check_upgrade(struct doctor *doctor, struct doctor_line *line);
void doctor_check_http(struct doctor *doctor, struct doctor_line *line);
void doctor_check_generate(struct doctor *doctor, struct doctor_line *line);
void doctor_check_lanes(struct doctor *doctor, struct doctor_line *line);
void doctor_check_additional_tools(struct doctor *doctor, struct doctor_line *line);
void doctor_check_context_management(struct doctor *doctor, struct doctor_line *line);
void doctor_check_steer(struct doctor *doctor, struct doctor_line *line);
void doctor_check_cancel(struct doctor *doctor, struct doctor_line *line);
void doctor_check_latency(struct doctor *doctor, struct doctor_line *line);

/* -- doctor_socket.c -- */

/* The target of one connection; false and told on the line. Finished by the caller. */
bool doctor_target(struct doctor *doctor, struct target *target, enum transport_kind kind,
                   struct doctor_line *line);
/* Opens unless it is open; false: socket.close says why. */
bool doctor_socket_open(struct doctor *doctor, struct doctor_line *line);
/* The first time, watching the way. False: it could not even be tried; the line says why. */
bool doctor_socket_try(struct doctor *doctor, struct net_way *way, struct doctor_line *line);
void doctor_socket_close(struct doctor *doctor);
/* Sends a frame and waits for what decides. The frame is taken. */
const struct doctor_answer *doctor_socket_ask(struct doctor *doctor, struct buf *frame,
                                              bool until_started);

#endif
