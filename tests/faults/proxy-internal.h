/* Inside of the proxy: its links, pumped by pump.c on the one thread of proxy.c; what goes wrong on
 * them is wrong.c's. All of it is called with the proxy's mutex held. */
#ifndef LANEBRIDGE_FAULTS_PROXY_INTERNAL_H
#define LANEBRIDGE_FAULTS_PROXY_INTERNAL_H

#include <pthread.h>

#include "proxy.h"
#include "units.h"

struct pump { /* one direction of a link */
    struct units units;
    struct buf in, out;
    bool ended, shut;    /* end of data: come, passed on */
    bool muted, stalled; /* what comes is thrown away; its end as well */
    size_t raw_left;     /* of a unit whose front is out already */
    uint64_t held_until; /* ms; 0: not held */
    bool is_kept;        /* until it is released */
    uint64_t comment_at; /* ms: the next comment, while held */
    unsigned held_units;
    size_t drip;
    enum fault_kind then; /* once `out` is written */
};
struct link {
    int fd[DIRECTION_COUNT]; /* by where it leads */
    struct pump pump[DIRECTION_COUNT];
    bool is_deaf, is_over;
};
struct proxy {
    struct fault fault;
    unsigned server_port, port;
    int listener, wake[2];
    pthread_t thread;
    pthread_mutex_t mutex; /* held by the thread but while it waits */
    bool is_calm, is_over;
    bool is_blocking; /* upgrades */
    bool is_holding;
    struct proxy_counts counts;
    VEC(struct link *) links;
};

static inline uint64_t now_ms(void)
{
    return time_mono_ns() / 1000000;
}

/* -- pump.c: what goes through */

/* Between two connected sockets. */
struct link *link_new(int client, int server);
void link_free(struct link *link);
/* Both sockets are closed; it is freed later. */
void link_end(struct link *link, bool with_reset);
void link_reset_client(struct link *link);
/* What has come is read, and goes on as far as it may. */
void link_read(struct link *link, enum direction direction);
void link_advance(struct proxy *proxy, struct link *link, enum direction direction);

/* -- wrong.c: what goes wrong */

/* From the first byte on, and not at a unit. */
bool wrong_from_the_start(const struct fault *fault);
/* The unit is the one that the fault waits for. */
bool wrong_is_due(const struct proxy *proxy, enum direction direction, unsigned index);
/* At the unit, which is the front of `in`; what of it may pass is moved to `out`. */
void wrong_fire(struct proxy *proxy, struct pump *pump, const struct unit *unit);
/* What was to happen once everything before it is written. */
void wrong_go_through_with(struct proxy *proxy, struct link *link, enum direction direction);
/* What stands for an upgrade while upgrades are blocked; false: it goes through. */
bool wrong_block_upgrade(struct proxy *proxy, struct link *link);
/* The proxy answers by itself, with this status. */
void wrong_answer(struct link *link, unsigned status);
/* ": keep-alive", as servers and gateways send it while they have nothing to say. */
void wrong_comment(struct pump *pump);

#endif
