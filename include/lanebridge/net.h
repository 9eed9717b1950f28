/* net: real sockets. WebSocket and HTTP/SSE clients of our own, on libuv and OpenSSL, and a server for
 * both by libwebsockets, behind an interface that shows none of them.
 *
 * Invariants: nothing blocks the loop, and no turn of it reads more than 64 KiB of one connection;
 * plain ws:/http: goes to loopback alone; TLS is 1.2 or newer and always verified against the exact
 * host; redirects are answers like others, never followed; every object ends in one on_closed; a
 * *_free may be called in any callback, and nothing is called afterwards.
 * Why our own: docs/decisions/0010-own-wire.md. The server's library: 0003-libwebsockets.md;
 * where its libuv plugin is not, it runs on a thread of its own, and callbacks come on the loop's thread
 * all the same: 0012-server-on-a-thread.md. */
#ifndef LANEBRIDGE_NET_H
#define LANEBRIDGE_NET_H

#include <lanebridge/base.h>
#include <lanebridge/loop.h>

struct net;

struct net_options {
    const char *ca_file;        /* added to the system's store; NULL for none */
    const char *client_cert;    /* PEM, NULL for none */
    const char *client_key;
    uint64_t connect_ms;        /* deadline of resolve + connect + TLS + upgrade; 0: 10,000 */
};
/* Cheap: the server's library is set up at the first listen, trust is read (in the pool) at the first
 * wss or https. */
struct net *net_new(struct loop *loop, const struct net_options *options, struct err *err);
/* Needs all its objects freed; runs the loop until everything has let go, so not from within a
 * callback. For the end of the process where there was a server: its library closes a descriptor twice
 * here. */
void net_free(struct net *net);

/* -- URLs -------------------------------------------------------------------------------------------- */

struct net_url {
    bool tls, websocket;
    char host[256];      /* without brackets */
    unsigned port;
    char path[1024];     /* with query, at least "/" */
};
/* ws, wss, http, https. Errors: STATUS_INVALID (syntax, userinfo, fragment), STATUS_DENIED for plain
 * schemes to a host that is not localhost, 127.0.0.0/8 or ::1: "use wss://". */
enum status net_url_parse(struct str text, struct net_url *ret_url, struct err *err);

struct net_header {
    const char *name;    /* lower case, no colon */
    const char *value;   /* no CR, LF or NUL: refused */
};
struct net_target {
    struct net_url url;
    const struct net_header *headers;
    size_t header_count;
    const char *proxy;           /* "http://[user:password@]host:port" or "socks5h://…"; "none"; NULL:
                                    as https_proxy, all_proxy and no_proxy say */
    const char *unix_path;       /* if set: connect there instead; url still names host and path */
    size_t max_message_bytes;    /* of a WebSocket message, inflated; 0: LIMIT_EVENT_BYTES */
    bool deflate;                /* offer permessage-deflate for a WebSocket's messages */
};

/* Why it ended. text says what happened and what to do; TLS failures carry the verifier's reason and
 * are STATUS_DENIED. close_code is the server's, or ours when we refused a message (1003, 1007, 1009);
 * 1005 is a close frame without a code, 0 no close frame (RST, EOF). */
struct net_close {
    enum status status;
    bool was_open;
    int http_status;
    unsigned close_code;
    int64_t retry_after_ms;      /* -1: not told */
    char request_id[128];
    char text[512];
};
/* What an HTTP status above 100 means where an upgrade or events were asked for, with what the server
 * told along. STATUS_OK: nothing is to be said of it, and `ret_text` is as it was. */
enum status net_close_describe(const struct net_close *close, char *ret_text, size_t size);

/* -- Explaining -------------------------------------------------------------------------------------- */

/* Everything under this heading is for who explains connections to people. */

/* What a connection met on its way. Texts are empty, numbers 0, for what it did not come to. */
enum { NET_CHAIN_COUNT = 6 };    /* certificates shown; chains are seldom longer than 4 */
struct net_certificate {
    char subject[128], issuer[128];
    int64_t from_s, until_s;     /* since 1970 */
};
struct net_way {
    uint64_t begun_ns;           /* on time_mono_ns */
    bool connected;              /* through the proxy, where there is one … */
    uint64_t connected_ms;       /* … and so long after it began; TLS comes after that */
    bool secured;                /* TLS is up, and the certificate good */
    char address[64];            /* of the other end of the socket: "192.0.2.1", a proxy's as well */
    char protocol[16], cipher[48];
    struct net_certificate chain[NET_CHAIN_COUNT];    /* the server's own first */
    size_t chain_count;
    int http_status;             /* the answer's, never a proxy's */
    char server[96], via[96], request_id[128], date[48];    /* its headers */
};
/* From now on each new connection of a client writes into it, and begins with clearing it; NULL: no
 * longer. Borrowed. */
void net_set_way(struct net *net, struct net_way *way);
/* Which authorities are trusted, as a list of where they come from. */
void net_trust_describe(const struct net *net, struct buf *text);

/* Which way a connection to `url` would take. */
struct net_proxy_facts {
    bool used, is_socks, has_user;
    char host[256];      /* without brackets */
    unsigned port;
    char why[160];       /* "https_proxy is set", "no_proxy excepts the host"; never a value */
};
/* setting: as net_target.proxy. Errors: STATUS_INVALID: the setting or variable is no proxy; it is
 * named, and its value never shown. */
enum status net_proxy_describe(const struct net_url *url, const char *setting,
                               struct net_proxy_facts *ret_facts, struct err *err);

/* -- WebSocket client ---------------------------------------------------------------------------------- */

struct net_ws;
struct net_ws_handlers {
    void (*on_open)(void *user);
    void (*on_message)(void *user, struct str text);    /* whole, valid UTF-8, within the cap */
    void (*on_alive)(void *user);       /* something came, pongs too; before its messages, once a read */
    void (*on_closed)(void *user, const struct net_close *close);
};
/* Errors at once: bad headers. Everything else comes by on_closed. */
struct net_ws *net_ws_open(struct net *net, const struct net_target *target,
                           const struct net_ws_handlers *handlers, void *user, struct err *err);
/* Takes the bytes. STATUS_LIMIT above LIMIT_WS_QUEUE_BYTES waiting; may be called before on_open. */
enum status net_ws_send(struct net_ws *ws, struct buf *message);
void net_ws_ping(struct net_ws *ws);
/* Sends a close frame if open (code 0: none) and drops what is queued; no callback afterwards. Behind
 * the caller's back the frame leaves and the server's end is awaited, 2 s at most. */
void net_ws_free(struct net_ws *ws, unsigned code, const char *reason);

/* -- HTTP client: one exchange --------------------------------------------------------------------------- */

struct net_http;
struct net_http_handlers {
    void (*on_head)(void *user, int status, struct str content_type);
    void (*on_body)(void *user, struct str bytes);      /* decoded, torn anywhere */
    void (*on_closed)(void *user, const struct net_close *close);   /* STATUS_OK: body complete */
};
/* body: taken; NULL for none. content-type of a body is application/json unless given. connect_ms ends
 * when the request is on its way: how long the answer takes is the owner's to watch. Any HTTP status is
 * an answer and ends in STATUS_OK, redirects too. A connection to the same target is used again for half
 * a minute; one that turns out to be dead before a byte of the answer costs one more attempt. */
struct net_http *net_http_open(struct net *net, const char *method, const struct net_target *target,
                               struct buf *body, const struct net_http_handlers *handlers, void *user,
                               struct err *err);
void net_http_free(struct net_http *http);
/* A header of the answer, from on_head until on_closed; empty if absent. name in lower case. */
struct str net_http_header(const struct net_http *http, const char *name);

/* -- Server-sent events: pure ------------------------------------------------------------------------------ */

struct net_sse;
typedef void net_sse_fn(void *user, struct str event, struct str data);
struct net_sse *net_sse_new(size_t max_event_bytes, net_sse_fn *on_event, void *user);
void net_sse_free(struct net_sse *sse);
/* STATUS_LIMIT when an event exceeds the maximum; it stays failed. STATUS_CLOSED when it was freed by
 * its own callback. Source: WHATWG HTML, "Server-sent events". */
enum status net_sse_push(struct net_sse *sse, struct str bytes);

/* -- Server ---------------------------------------------------------------------------------------------------- */

struct net_server;
struct net_server_conn;      /* a WebSocket that came in */
struct net_server_request;   /* an HTTP request that came in, body complete */

struct net_request_info {
    struct str method, path, query;
    struct str authorization, content_type, host, origin;    /* empty if absent */
    struct str body;
};
struct net_server_handlers {
    /* Decide about an upgrade: 0 accepts, else the HTTP status to refuse with. Makes and frees no
     * server meanwhile, nor does on_refuse: they may be asked while net_server_new waits. */
    int (*on_upgrade)(void *user, const struct net_request_info *info);
    /* Returns what is passed as conn_user from then on. */
    void *(*on_conn)(void *user, struct net_server_conn *conn);
    void (*on_message)(void *conn_user, struct str text);
    void (*on_conn_closed)(void *conn_user);    /* conn is dead afterwards, frees itself */
    void (*on_request)(void *user, struct net_server_request *request,
                       const struct net_request_info *info);
    /* The client went away before net_request_reply or _end; request is dead afterwards. NULL: not
     * asked for. */
    void (*on_request_closed)(void *request_user);
    /* What is said to who is refused before there is a request (an upgrade, 411, 413, 429, 501): its
     * JSON body; returns the seconds of a retry-after, 0 for none. NULL: a plain body. */
    unsigned (*on_refuse)(void *user, int status, struct buf *body);
};
struct net_server_options {
    const char *address;          /* numeric, e.g. "127.0.0.1" */
    unsigned port;                /* 0 picks one */
    const char *unix_path;        /* instead of address and port; file made 0600 */
    size_t max_message_bytes;     /* 0: LIMIT_HTTP_BODY_BYTES; over it: close 1009, or 413 */
    size_t max_incoming_bytes;    /* of all messages and bodies that are on their way in, 0: no limit;
                                     over it: close 1013, or 429 */
};
struct net_server *net_server_new(struct net *net, const struct net_server_options *options,
                                  const struct net_server_handlers *handlers, void *user,
                                  struct err *err);
unsigned net_server_port(const struct net_server *server);
void net_server_free(struct net_server *server);    /* drops all connections; no callbacks */

enum status net_server_send(struct net_server_conn *conn, struct buf *message);    /* takes */
size_t net_server_queued(const struct net_server_conn *conn);                      /* bytes unsent */
/* Sends what is queued, then a close frame; a peer that does not read is dropped after 5 s. code 0:
 * drops TCP at once, without one (a fault). on_conn_closed comes later, as in every ending. */
void net_server_close(struct net_server_conn *conn, unsigned code, const char *reason);

void net_request_set_user(struct net_server_request *request, void *request_user);
/* One whole answer; the request is dead afterwards. extra_headers may be NULL. */
void net_request_reply(struct net_server_request *request, int status, const char *content_type,
                       const struct net_header *extra_headers, size_t header_count, struct str body);
/* Or a stream: begin, any number of writes, end. end(abort = true) drops the connection. */
void net_request_begin(struct net_server_request *request, int status, const char *content_type,
                       const struct net_header *extra_headers, size_t header_count);
enum status net_request_write(struct net_server_request *request, struct buf *bytes);
size_t net_request_queued(const struct net_server_request *request); /* bytes unsent */
void net_request_end(struct net_server_request *request, bool abort);

#endif
