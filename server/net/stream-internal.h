/* A connection as bytes in and out: found by path.c, plain or with TLS, read into one buffer that
 * all streams share, written at once as far as the socket takes it. */
#ifndef LANEBRIDGE_NET_STREAM_INTERNAL_H
#define LANEBRIDGE_NET_STREAM_INTERNAL_H

#include "net-internal.h"

/* text is empty for an end without a reason (closed or reset by the other side). */
struct net_ending {
    enum status status;
    int http_status; /* a proxy's refusal */
    bool orderly;    /* the other side said that this is all; never a reset, never TLS cut short */
    char text[512];
};
struct net_stream_handlers {
    void (*on_open)(void *user);
    void (*on_bytes)(void *user, struct str bytes); /* taken whole; borrowed for the call */
    void (*on_drain)(void *user);                   /* nothing waits to be written any more */
    /* Once, and the last; the stream is still its owner's to free. */
    void (*on_end)(void *user, const struct net_ending *ending);
};

struct net_stream;
/* Borrows unix_path and proxy for the call. NULL and err set: it cannot even begin. Nothing is
 * called before this has returned. */
struct net_stream *net_stream_open(struct net *net, const struct net_url *url,
                                   const char *unix_path, const char *proxy,
                                   const struct net_stream_handlers *handlers, void *user,
                                   struct err *err);
/* An open stream goes to another owner. */
void net_stream_give(struct net_stream *stream, const struct net_stream_handlers *handlers,
                     void *user);
/* Takes both parts, writes what can leave and keeps a copy of the rest. The owner bounds it: one
 * message at a time, the next when nothing is unsent. */
void net_stream_write(struct net_stream *stream, struct str head, struct str body);
size_t net_stream_unsent(const struct net_stream *stream);
/* on_drain comes when the socket takes bytes again, though nothing was unsent: for who has written
 * enough for one turn. */
void net_stream_yield(struct net_stream *stream);
/* While it does not keep the loop running. */
void net_stream_set_idle(struct net_stream *stream, bool idle);
/* Drops everything. */
void net_stream_free(struct net_stream *stream);
/* Frees it too, but what is unsent leaves first, and the other side is given time to end, so that
 * it reads our last words. */
void net_stream_leave(struct net_stream *stream);
void net_streams_finish(struct net *net);

/* What is being waited for while it is not open, for the text of a deadline. */
const char *net_stream_phase(const struct net_stream *stream);

/* -- TLS of a stream: tls.c */

struct net_tls {
    SSL *ssl; /* NULL: plain */
    struct net *net;
    const struct net_url *url;
    struct net_ending *ending; /* filled when the server sends a fatal alert */
};
enum net_tls_result { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_CLOSED, TLS_FAILED };
/* The other members are set. False: OpenSSL would not. */
bool net_tls_start(struct net_tls *tls, int fd);
enum net_tls_result net_tls_shake(struct net_tls *tls);
/* One record. ret_got, ret_put: 0 unless DONE. */
enum net_tls_result net_tls_read(struct net_tls *tls, char *bytes, size_t size, size_t *ret_got);
enum net_tls_result net_tls_write(struct net_tls *tls, struct str bytes, size_t *ret_put);
/* Why a handshake failed: fills the ending, unless an alert has. */
void net_tls_explain_failure(struct net_tls *tls);
void net_tls_free(struct net_tls *tls);
/* For store.c: what every connection's context needs. */
void net_tls_prepare(SSL_CTX *ctx);
void net_tls_finish(struct net *net);

#endif
