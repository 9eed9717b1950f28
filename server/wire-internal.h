/* Inside of the wire: wire.c has its connections, wire_key.c the key that they need, wire_env.c
 * clocks and timers. */
#ifndef LANEBRIDGE_WIRE_INTERNAL_H
#define LANEBRIDGE_WIRE_INTERNAL_H

#include "target-internal.h"

struct link;
struct links {
    struct link **ptr;
    size_t len, cap;
};

struct wire {
    struct loop *loop;
    struct net *net;
    const struct config *config;
    const struct config_env *env;
    const struct responses *responses;
    struct buf key;
    struct replay_child *replay;
    struct links waiting;    /* for the replay endpoint to be ready */
    struct key_run *key_run; /* one at a time: a person may have to unlock something for it */
    struct wire_asker asker;
    bool is_asking, is_asked; /* the key is what the person gave */
    struct links wanting;     /* its key */
    struct links lingering;   /* let go of after the last event: their connection will be free */
    struct links behind;      /* wait for that */
    bool replay_ready;
};

struct link {
    struct transport transport; /* first: a transport is its link */
    struct wire *wire;
    enum transport_kind kind;
    struct transport_handlers handlers;
    void *user;
    struct loop_timer *later; /* what must not happen before open() has returned */
    struct net_ws *ws;
    struct net_http *http;
    struct net_sse *sse;
    struct buf body;   /* of an HTTP exchange that cannot begin yet */
    struct buf answer; /* one that is no event stream: an error, or all of a compaction */
    bool key_retried, answered, is_over, waited; /* of an HTTP exchange */
    bool asks;                                   /* the person, for the key */
    unsigned key_asks;
    int http_status;
    int64_t retry_after_ms; /* told with the status; -1: not told */
    bool opened, is_cut; /* is_cut: not all of the answer was kept */
    struct err failure;
};

struct transport *wire_open(void *user, enum transport_kind kind,
                            const struct transport_handlers *handlers, void *handlers_user,
                            struct err *err);
/* on_closed on the next loop turn: nothing calls back before open() or send() has returned. */
void link_fail_later(struct link *link, enum status status, const char *text);
void link_open(struct link *link);

/* -- wire_key.c */
/* Is nothing else left that could give a key? */
bool wire_can_ask(const struct wire *wire);
void wire_forget_key(struct wire *wire);
/* Opens it, once the key is there. */
void link_connect(struct link *link);
bool link_may_retry_key(const struct link *link);
/* True: another key is being had, and the link opens again with it. */
bool link_retries_key(struct link *link, int http_status);

#endif
