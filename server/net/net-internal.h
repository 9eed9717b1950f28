/* The inside of net. One callback of the library feeds everything; objects are reached through
 * handles, not pointers, because the library may speak of a connection after we let go of it. */
#ifndef LANEBRIDGE_NET_INTERNAL_H
#define LANEBRIDGE_NET_INTERNAL_H

#include <libwebsockets.h>
#include <uv.h>

#include <lanebridge/net.h>

enum {
    NET_ADDRESSES_COUNT = 8, /* of one name; more are not tried */
    NET_ADDRESS_BYTES = 64,
    NET_READ_BYTES = 64 * 1024, /* a bigger piece costs memory, a smaller one calls */
    NET_HEADER_BYTES = 16384,   /* of an answer: content networks come near lws' default of 4096 */
    NET_FRAME_BYTES = 1 << 20,  /* a message up to this is one frame; some servers dislike more */
    NET_FRAGMENT_BYTES = 64 * 1024,
    NET_REASON_BYTES = 124,    /* of a close frame: 123 and the NUL */
    NET_CLOSE_FLUSH_MS = 5000, /* a peer that does not read may hold up a close this long */
};

/* -- One socket of the library and who it belongs to
 * ----------------------------------------------- */

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

/* -- net
 * --------------------------------------------------------------------------------------------- */

/* Two contexts, because TLS costs: the system's store is loaded only when wss or https is used. */
enum net_side { NET_PLAIN, NET_TLS, NET_SIDE_COUNT };

struct net_slot {
    struct net_sock *sock;
    uint32_t generation;
};

/* problem: NULL when the store is there. */
typedef void net_store_fn(void *user, const struct err *problem);
struct net_store_waiter {
    net_store_fn *done;
    void *user;
};
struct net_store {
    SSL_CTX *ctx; /* ours: the library borrows it */
    bool loading;
    VEC(struct net_store_waiter) waiters;
};

struct net {
    struct loop *loop;
    char *ca_file, *client_cert, *client_key;
    uint64_t connect_ms;
    struct net_store store;
    struct lws_context *contexts[NET_SIDE_COUNT]; /* the library nulls them when destroyed */
    struct lws_vhost *clients[NET_SIDE_COUNT];
    VEC(struct net_slot) slots;
    VEC(uintptr_t) kills; /* handles of sockets to close once the library is not on the stack */
    VEC(struct lws_vhost *) dead_vhosts;
    bool sweep_pending;
    int depth;            /* inside how many callbacks of the library */
    size_t resolve_count; /* still in the pool, cancelled ones too */
    size_t object_count;  /* clients and servers not freed yet */
};

/* True: it is there. False: done comes, unless forgotten before. */
bool net_store_want(struct net *net, net_store_fn *done, void *user);
void net_store_forget(struct net *net, void *user);
void net_store_finish(struct net *net);

/* NULL and err set: the library cannot be set up, and what to do. The TLS side needs the store. */
struct lws_context *net_context(struct net *net, enum net_side side, struct err *err);
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

/* server.c: events of an accepted socket that belongs to nobody yet. */
int net_server_on_event(struct lws *wsi, enum lws_callback_reasons reason, void *in, size_t len);

/* -- Names
 * -------------------------------------------------------------------------------------------- */

struct net_addresses {
    char list[NET_ADDRESSES_COUNT][NET_ADDRESS_BYTES];
    size_t count;
};
struct net_resolve;
/* addresses: NULL when it failed; problem then says why. */
typedef void net_resolve_fn(void *user, const struct net_addresses *addresses, const char *problem);

/* Numeric addresses and localhost need no resolver. */
bool net_resolve_fast(const char *host, struct net_addresses *ret_addresses);
struct net_resolve *net_resolve_start(struct net *net, const char *host, net_resolve_fn *done,
                                      void *user);
void net_resolve_cancel(struct net_resolve *resolve);

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
struct net_violation {
    unsigned close_code;
    enum status status;
    char text[NET_REASON_BYTES];
};

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

/* -- Client connections
 * ------------------------------------------------------------------------------------ */

enum net_link_state { LINK_FINDING, LINK_CONNECTING, LINK_OPEN, LINK_ENDED };
struct net_path;
struct net_link;
struct net_link_ops {
    const char *kind; /* for texts: "WebSocket", "HTTP" */
    void (*prepare)(struct net_link *link, struct lws_client_connect_info *info);
    /* Events the common part has not dealt with. */
    int (*on_event)(struct net_link *link, enum lws_callback_reasons reason, void *in, size_t len);
    void (*on_closed)(struct net_link *link); /* tells the owner; the last thing done */
    void (*release)(struct net_link *link);   /* frees the memory */
};
struct net_link {
    struct net_sock sock;
    struct net *net;
    const struct net_link_ops *ops;
    enum net_link_state state;
    struct net_url url;
    char *unix_path, *proxy;
    VEC(struct net_header) headers; /* owned copies */
    struct net_path *path;          /* while it is being found */
    int fd;                         /* connected, not yet the library's; else -1 */
    bool wants_store;
    struct loop_timer *deadline, *start;
    bool starting;  /* inside the library's connect: tell the owner nothing yet */
    bool requested; /* our request went out */
    bool freed;
    struct net_close close;
};

enum status net_link_init(struct net_link *link, struct net *net, const struct net_target *target,
                          const struct net_link_ops *ops, struct err *err);
void net_link_free(struct net_link *link, unsigned code, const char *reason);
void net_link_finish(struct net_link *link); /* what release does first */
/* Notes the reason unless one is known already. */
__attribute__((format(printf, 3, 4))) void net_link_note(struct net_link *link, enum status status,
                                                         const char *format, ...);
void net_link_set_open(struct net_link *link);
/* Tells the owner, once; drops the connection if there is one. The last thing a function does. */
void net_link_end(struct net_link *link, unsigned code);
/* A fatal alert came from the server. */
void net_link_on_alert(struct net_link *link, int alert);
/* Reads status, retry-after and x-request-id of the answer. */
void net_link_read_answer(struct net_link *link);

/* -- TLS
 * ------------------------------------------------------------------------------------------------------
 */

/* One sentence on why the verifier refused, with what to do. */
void net_tls_explain(int verify_error, const char *host, char *ret_text, size_t size);
void net_tls_explain_alert(int alert, const char *host, char *ret_text, size_t size);
/* The server on the other side of this connection sent a fatal alert. */
void net_on_alert(struct net *net, const SSL *ssl, int alert);

#endif
