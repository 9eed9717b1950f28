/* The server's half: accepted sockets, which are WebSockets or HTTP requests.
 *
 * Two sides. The far side is where the library runs: its callbacks, and everything that calls it.
 * The near side is the loop: what owners hold (struct net_server_conn, struct net_server_request)
 * and their handlers. They speak by notes alone (bridge.c) and share nothing else but what is
 * marked so. With the library's libuv plugin both sides are the loop's thread and a note is a call;
 * without it the far side is a thread of its own and a note waits in a queue. Order is kept in both
 * directions.
 *
 * A near object is made by the far side when there is something to own, and freed by the last note
 * about it, which the far side sends exactly once. It names its socket by handle, so that a note to
 * one that has gone meanwhile finds nothing. */
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

/* -- Notes */

struct net_note {
    void (*run)(struct net_note *note);
    struct net *net;
    void *target;     /* near: the object; far: the server, or NULL */
    uintptr_t handle; /* to the far side: the socket */
    struct str text;  /* to the near side; borrowed */
    struct buf bytes; /* freed afterwards, unless taken */
    unsigned code;
    bool flag;
    int fd; /* handed over */
    void *data;
    struct net_note *next; /* in a queue */
};
/* Takes the bytes. From the near side; comes to pass on the far one. */
void net_tell_far(struct net *net, struct net_note *note);
/* The same the other way. May wait while the loop is behind with more than NET_EVENTS_BYTES. */
void net_tell_near(struct net *net, struct net_note *note);
/* Return when the note was run; its bytes stay the caller's. What is answered while the near side
 * waits are questions alone. */
void net_ask_near(struct net *net, struct net_note *note);
void net_call_far(struct net *net, struct net_note *note);

/* -- The library: made at the first server */

struct net_slot {
    struct net_sock *sock;
    uint32_t generation;
};
struct net_bridge;
struct net_library {
    struct net_bridge *bridge; /* NULL: both sides are one */
    unsigned server_count;     /* near */
    struct lws_context
        *context; /* the library nulls it when destroyed; all below is the far side's */
    VEC(struct net_slot) slots;
    VEC(uintptr_t) kills; /* handles of sockets to close once the library is not on the stack */
    VEC(struct lws_vhost *) dead_vhosts;
    bool sweep_pending;
    int depth; /* inside how many callbacks of the library */
};

/* The far side gets a thread, which serves the context. False: there is none to be had. */
bool net_bridge_start(struct net *net);
/* The thread ends everything of the library; then the last notes are run. */
void net_bridge_finish(struct net *net);
/* While nobody is served the loop need not run on. */
void net_bridge_set_idle(struct net *net, bool idle);

/* The far side: closes what was to be closed; the library is not on the stack. */
void net_library_sweep(struct net *net);
bool net_library_has_socks(const struct net *net);
/* The far side: NULL when it has gone, or is of another kind (ops NULL: of any). */
struct net_sock *net_sock_find(struct net *net, uintptr_t handle, const struct net_sock_ops *ops);
/* The near side: KILL in a note. */
void net_tell_kill(struct net *net, uintptr_t handle, unsigned code, const char *reason);

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

/* -- Hang-ups ---------------------------------------------------------------------------------- */

struct net_hangup;
/* On the near side. Calls once when the peer of fd has closed. Takes fd, a duplicate of the
 * library's; NULL when it cannot be watched. */
struct net_hangup *net_hangup_start(struct net *net, int fd, void (*on_hangup)(void *user),
                                    void *user);
void net_hangup_stop(struct net_hangup *hangup);

/* -- Messages on an open WebSocket, either side ------------------------------------------------ */

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
struct net_owned;
struct net_server {
    struct net *net;
    struct net_server_handlers handlers;
    void *user;
    size_t max_message_bytes, max_incoming_bytes;
    char *unix_path;
    unsigned port;
    char name[32]; /* of the vhost, which keeps the pointer */
    /* Near: freed by its owner; the memory lives until the library lets go of the vhost. */
    bool freed;
    struct net_owned *owned;
    /* Far */
    bool ended;
    size_t incoming_bytes; /* held by messages and bodies that are not whole yet, or not answered */
    struct lws_vhost *vhost;
    struct net_accepted *first;
};

/* What an owner holds: near. */
struct net_owned {
    struct net *net;
    struct net_server *server; /* NULL once the server is freed: nobody to call any more */
    uintptr_t handle;
    struct net_owned *previous, *next;
};
/* False: the server was freed meanwhile. */
bool net_owned_init(struct net_owned *owned, struct net_server *server);
void net_owned_finish(struct net_owned *owned);

/* Its other half: far. */
struct net_accepted {
    struct net_sock sock;
    struct net_server *server; /* NULL once the server is freed */
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

/* What the server's owner says to a refusal; else a body of our own. Near; gives seconds to wait,
 * or 0. */
unsigned net_refusal_append(const struct net_server *server, int status, const char *text,
                            struct buf *body);
/* Writes a small final answer at once, from inside a callback; the connection must then end. */
void net_request_refuse(struct lws *wsi, int status, unsigned wait_s, struct str body);

/* Asks the owner (refusal 0), or only what to say to a refusal that is certain; true: it was
 * refused, and answered. */
bool net_server_refuses(struct net_server *server, struct lws *wsi,
                        const struct net_request_info *info, int refusal, const char *text);

int net_request_on_http(struct net_server *server, struct lws *wsi);
/* The far side: an upgrade was accepted. */
int net_conn_on_established(struct net_server *server, struct lws *wsi);

#endif
