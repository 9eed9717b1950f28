/* A loop and a net, and handlers that write down what was called. */
#ifndef TESTS_NET_HELPER_H
#define TESTS_NET_HELPER_H

#include <criterion/criterion.h>

#include <lanebridge/net.h>

/* -- A loop that gives up, so that a test that waits for nothing fails with a sentence ----------
 */

enum { PATIENCE_MS = 50000 }; /* the machine may be busy; a test's own limit is 60 s */

struct world {
    struct loop *loop;
    struct net *net;
    struct loop_timer *guard, *tick;
};
void world_start(struct world *world, const struct net_options *options);
/* Runs until *done; false when the guard fired first. */
void world_run_until(struct world *world, const bool *done, const char *what);
void world_run_ms(struct world *world, uint64_t ms); /* only to show that nothing comes */
void world_end(struct world *world);

/* -- A WebSocket client that records ----------------------------------------------------------- */

enum free_at { FREE_NEVER, FREE_IN_OPEN, FREE_IN_MESSAGE, FREE_IN_ALIVE, FREE_IN_CLOSED };
struct client {
    struct world *world;
    struct net_ws *ws;
    enum free_at free_at;
    unsigned free_code;
    bool opened, closed, freed;
    bool stop_on_message;
    unsigned messages, alives;
    struct buf last, log; /* the last message; all, each with a "|" after it */
    size_t echo_left;     /* messages to send back */
    struct net_close close;
    bool got; /* set by every message; tests clear it */
};
void client_open(struct client *client, struct world *world, const char *url,
                 const struct net_header *headers, size_t header_count);
void client_open_target(struct client *client, struct world *world,
                        const struct net_target *target);
void client_send(struct client *client, const char *text);
void client_end(struct client *client);

/* -- A server that echoes ---------------------------------------------------------------------- */

struct conn {
    struct echo *echo;
    struct net_server_conn *conn;
    bool dead;
};
struct echo {
    struct world *world;
    struct net_server *server;
    struct conn conns[64];
    size_t conn_count, closed_count;
    bool any_closed;
    int refuse_with; /* answer upgrades with this status */
    char host[64], origin[64], path[64], query[64], authorization[64];
    unsigned messages;
    struct buf last, log;
    bool got, mute;
    size_t max;
    void (*on_message)(struct conn *conn, struct str text);
    void (*on_request)(struct echo *echo, struct net_server_request *request,
                       const struct net_request_info *info);
    struct net_server_request *held;
    bool request_came, request_gone;
};
void echo_start(struct echo *echo, struct world *world);
void echo_start_unix(struct echo *echo, struct world *world, const char *path);
void echo_end(struct echo *echo);
const char *echo_url(const struct echo *echo, const char *scheme, const char *path); /* static */

#endif
