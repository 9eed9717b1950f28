/* The way to the server: from a URL to a connected socket, by name, address and proxy, without the
 * library. What comes out is handed to it by link.c. */
#ifndef LANEBRIDGE_NET_PATH_INTERNAL_H
#define LANEBRIDGE_NET_PATH_INTERNAL_H

#include "net-internal.h"

/* -- Readiness of a descriptor, which stays the caller's */

struct net_watch;
/* events: UV_READABLE, UV_WRITABLE, UV_DISCONNECT. NULL when the loop cannot watch it. Calls until
 * stopped; may be stopped from its own callback. */
struct net_watch *net_watch_start(struct net *net, int fd, int events, void (*on_ready)(void *user),
                                  void *user);
void net_watch_stop(struct net_watch *watch);

/* -- Several addresses, the first that answers wins (RFC 8305) */

struct net_race;
/* fd: connected, and handed over; or -1, and problem says why. */
typedef void net_race_fn(void *user, int fd, const char *problem);
struct net_race *net_race_start(struct net *net, const struct net_addresses *addresses,
                                unsigned port, net_race_fn *done, void *user);
void net_race_cancel(struct net_race *race);

/* -- Proxies: pure */

enum net_proxy_kind { PROXY_NONE, PROXY_HTTP, PROXY_SOCKS };
struct net_proxy {
    enum net_proxy_kind kind;
    char host[256];
    unsigned port;
    bool has_user;
    char user[256], password[256]; /* as they are sent, not percent-encoded */
    const char *source;            /* for texts: the setting or the variable that named it */
};
/* setting: NULL or "" for what the environment says, "none" for no proxy. Errors: STATUS_INVALID,
 * with the name of the setting or variable and never its value, which may hold a password. */
enum status net_proxy_choose(const struct net_url *url, const char *setting,
                             const char *(*get)(const char *name), struct net_proxy *ret_proxy,
                             struct err *err);

/* -- Talking a proxy into connecting us */

struct net_talk;
/* ok: fd (the caller's all the time) now leads to the target. Else status and text; http_status is
 * the proxy's, 0 if it gave none. */
typedef void net_talk_fn(void *user, const struct err *problem, int http_status);
struct net_talk *net_talk_start(struct net *net, int fd, const struct net_proxy *proxy,
                                const char *host, unsigned port, net_talk_fn *done, void *user);
void net_talk_cancel(struct net_talk *talk);

/* -- All of it */

struct net_path;
/* fd: connected, and handed over; or -1 with the problem. */
typedef void net_path_fn(void *user, int fd, const struct err *problem, int http_status);
/* proxy: as of net_target. NULL and err set: it cannot even begin. */
struct net_path *net_path_start(struct net *net, const struct net_url *url, const char *proxy,
                                net_path_fn *done, void *user, struct err *err);
void net_path_cancel(struct net_path *path);
/* What is being waited for, for the text of a deadline. */
const char *net_path_phase(const struct net_path *path);

#endif
