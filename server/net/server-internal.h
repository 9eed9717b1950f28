/* The server's half: accepted sockets, which are WebSockets or HTTP requests. */
#ifndef LANEBRIDGE_NET_SERVER_INTERNAL_H
#define LANEBRIDGE_NET_SERVER_INTERNAL_H

#include <libwebsockets.h>

#include "codec-internal.h"
#include "net-internal.h"

/* -- One socket of the library and who it belongs to. One callback of the library feeds everything;
 * objects are reached through handles, not pointers, because the library may speak of a connection
 * after we let go of it. */

struct net_sock;
struct net_sock_ops {
    /* Returns what the library's callback returns: 0, or -1 to drop the connection. */
    int (*on_event)(struct net_sock *sock, enum lws_callback_reasons reason, void *in, size_t len);
    /* The library has let go; sock->wsi is NULL. Comes once, and after any other event. */
    void (*on_gone)(struct net_sock *sock);
};
struct net_sock {
    struct net *net;
    const struct net_sock_ops *ops;
    struct lws *wsi;
    uintptr_t handle; /* 0: not registered */
    bool closing;     /* the library is closing it already */
    unsigned kill_code;
    char kill_reason[NET_REASON_BYTES];
};

/* -- The library: made at the first server */

struct net_slot {
    struct net_sock *sock;
    uint32_t generation;
};
struct net_library {
    struct lws_context *context; /* the library nulls it when destroyed */
    VEC(struct net_slot) slots;
    VEC(uintptr_t) kills; /* handles of sockets to close once the library is not on the stack */
    VEC(struct lws_vhost *) dead_vhosts;
    bool sweep_pending;
    int depth; /* inside how many callbacks of the library */
};

/* NULL and err set: the library cannot be set up, and what to do. */
struct lws_context *net_context(struct net *net, struct err *err);
/* After every call that may start one of the library's timers from outside its callbacks: those
 * timers are armed only from within its own service. */
void net_poke(struct lws_context *context);
void net_sock_register(struct net *net, struct net_sock *sock, const struct net_sock_ops *ops);
void net_sock_unregister(struct net_sock *sock);
/* Closes at the end of this turn of the loop, outside of every callback of the library; with a
 * close frame if code is not 0 (an open WebSocket only). on_gone comes later, if still registered.
 */
void net_sock_kill(struct net_sock *sock, unsigned code, const char *reason);
void net_vhost_kill(struct net *net, struct lws_vhost *vhost);

extern const struct lws_protocols net_protocols[];

/* -- Hang-ups
 * --------------------------------------------------------------------------------------------- */

struct net_hangup;
/* Calls once when the peer of fd (borrowed) has closed; NULL when out of descriptors. */
struct net_hangup *net_hangup_start(struct net *net, int fd, void (*on_hangup)(void *user),
                                    void *user);
void net_hangup_stop(struct net_hangup *hangup);

/* -- Messages on an open WebSocket, either side
 * ----------------------------------------------------------- */

struct net_frame;
struct net_frames {
    struct net_frame *first, *last;
    size_t queued; /* bytes of messages not handed to the library yet */
    bool ping;
    struct buf incoming;
    bool in_message, binary;
    size_t max;
};
enum net_received { NET_RECEIVED_PART, NET_RECEIVED_MESSAGE, NET_RECEIVED_BAD };

void net_frames_finish(struct net_frames *frames);
/* Takes the message. wsi is NULL while not open; else what can leave at once leaves at once. */
enum status net_frames_push(struct net_frames *frames, struct lws *wsi, struct buf *message);
void net_frames_ping(struct net_frames *frames, struct lws *wsi);
/* On WRITEABLE. False: the connection is broken. */
bool net_frames_flush(struct net_frames *frames, struct lws *wsi);
/* ret_message is borrowed until the next call; after a violation nothing more may be received. */
enum net_received net_frames_receive(struct net_frames *frames, struct lws *wsi, const void *in,
                                     size_t len, struct str *ret_message,
                                     struct net_violation *ret_violation);

/* -- Servers */

/* Events of an accepted socket that belongs to nobody yet. */
int net_server_on_event(struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t len);

struct net_accepted;
struct net_server {
    struct net *net;
    struct lws_vhost *vhost;
    struct net_server_handlers handlers;
    void *user;
    size_t max_message_bytes, max_incoming_bytes;
    size_t incoming_bytes; /* held by messages and bodies that are not whole yet, or not answered */
    char *unix_path;
    char name[32]; /* of the vhost, which keeps the pointer */
    struct net_accepted *first;
    bool freed; /* by its owner; the memory lives until the library lets go of the vhost */
};

struct net_accepted {
    struct net_sock sock;
    struct net_server *server; /* NULL once the server is freed: nobody to call any more */
    size_t incoming_bytes;
    struct net_accepted *previous, *next;
};

void net_accepted_init(struct net_accepted *accepted, struct net_server *server, struct lws *wsi,
                       const struct net_sock_ops *ops);
void net_accepted_finish(struct net_accepted *accepted);
/* Sets what this socket counts for in the sum of what comes in. False: it is too much. */
bool net_accepted_count(struct net_accepted *accepted, size_t bytes);

/* What a request says, copied out of the library's buffers; the strings live in `text`. */
struct net_request_head {
    struct net_request_info info;
    struct buf text;
    int64_t body_bytes; /* -1: not told */
    bool chunked, old, close, is_head;
};
void net_request_head_read(struct net_request_head *head, struct lws *wsi);
void net_request_head_finish(struct net_request_head *head);

/* Writes a small final answer at once, from inside a callback; the connection must then end. */
void net_request_refuse(struct net_server *server, struct lws *wsi, int status, const char *text);

int net_request_on_http(struct net_server *server, struct lws *wsi);
int net_conn_on_established(struct net_server *server, struct lws *wsi);

#endif
