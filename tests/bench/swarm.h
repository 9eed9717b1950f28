/* Many WebSocket clients in one thread, on epoll and nothing else: what loads the endpoint must not
 * be what is measured. For load.c and ../faults/kill.c. */
#ifndef TESTS_BENCH_SWARM_H
#define TESTS_BENCH_SWARM_H

#include <stdbool.h>
#include <sys/types.h>

#include <lanebridge/base.h>

struct swarm;
struct swarm_conn;
struct swarm_handlers {
    void (*on_open)(void *user, struct swarm_conn *conn);
    void (*on_message)(void *user, struct swarm_conn *conn, struct str text);
    void (*on_closed)(void *user, struct swarm_conn *conn); /* conn is dead afterwards */
};
struct swarm *swarm_new(const struct swarm_handlers *handlers, void *user);
void swarm_free(struct swarm *swarm);
/* tag: for the caller. */
void swarm_connect(struct swarm *swarm, unsigned port, size_t tag);
size_t swarm_tag(const struct swarm_conn *conn);
size_t swarm_count(const struct swarm *swarm); /* connections that are there */
void swarm_send(struct swarm_conn *conn, struct str text);
/* One round: what is ready within that time. */
void swarm_run(struct swarm *swarm, int wait_ms);

/* -- The endpoint under load ------------------------------------------------------------------ */

struct served {
    pid_t pid;
    int out;
    unsigned port;
};
/* Starts it and waits for its URL; arguments end with NULL. */
void served_start(struct served *served, const char *program, const char *const *arguments);
void served_kill(struct served *served, int signal); /* and waits for its end */
/* Seconds of CPU so far, and KiB of memory now. */
double served_cpu(const struct served *served);
long served_rss(const struct served *served);
/* One request on a connection of its own; the status, or 0. body is appended. */
int served_ask(unsigned port, const char *method, const char *path, struct buf *body);

#endif
