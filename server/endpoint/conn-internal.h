/* What conn.c and conn_cache.c share: a connection and its lanes. */
#ifndef LANEBRIDGE_ENDPOINT_CONN_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_CONN_INTERNAL_H

#include "saves-internal.h"

struct lane {
    struct conn *conn;
    struct str name; /* empty: the default lane */
    char *name_bytes;
    struct answer *answer; /* what runs; NULL: idle */
    struct record *latest; /* what can be continued from fast; gone while its successor runs */
    uint64_t used_ms;      /* when it came to be there */
};

struct waiting {
    struct lane *lane;
    struct request request; /* owned */
};

struct conn {
    struct endpoint *endpoint;
    struct saves saves;
    struct net_server_conn *socket;
    VEC(struct lane *) lanes; /* the first is the default lane */
    VEC(struct waiting) queue;
    size_t queue_bytes, active;
    struct loop_timer *pump_timer, *age_timer, *idle_timer;
    uint64_t heard_ms; /* when the last message came or the last response ended */
    bool leaving;
};

/* The lane that holds that response; NULL. */
struct lane *lane_find_cached(const struct conn *conn, struct str id);
/* Borrowed: from a lane, or the store. */
struct record *lane_find_parent(const struct conn *conn, struct str id);
/* The same, for a request on `lane` that goes on from it: it is counted. */
struct record *lane_take_parent(const struct lane *lane, struct str id);
void lane_forget_latest(struct lane *lane);

#endif
