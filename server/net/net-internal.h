/* What all of net shares: the object itself, names, trust, randomness. */
#ifndef LANEBRIDGE_NET_INTERNAL_H
#define LANEBRIDGE_NET_INTERNAL_H

#include <openssl/ssl.h>
#include <uv.h>

#include <lanebridge/net.h>

enum {
    NET_ADDRESSES_COUNT = 8, /* of one name; more are not tried */
    NET_ADDRESS_BYTES = 64,
    NET_READ_BYTES =
        64 * 1024, /* of one turn: a bigger piece makes others wait, a smaller one calls */
    NET_HEADER_BYTES = 16384,  /* of an answer: content networks come near 4096 */
    NET_FRAME_BYTES = 1 << 20, /* a message up to this is one frame; some servers dislike more */
    NET_FRAGMENT_BYTES = 64 * 1024,
    NET_REASON_BYTES = 124,     /* of a close frame: 123 and the NUL */
    NET_CLOSE_FLUSH_MS = 5000,  /* a peer that does not read may hold up a close this long */
    NET_EVENTS_BYTES = 8 << 20, /* may wait for the loop before the server's thread waits for it */
    NET_RANDOM_BYTES = 256,     /* of one getrandom: masks of 64 frames */
    NET_SESSIONS_COUNT = 8,     /* hosts whose TLS session is remembered */
};

/* problem: NULL when the store is there. */
typedef void net_store_fn(void *user, const struct err *problem);
struct net_store_waiter {
    net_store_fn *done;
    void *user;
};
struct net_store {
    SSL_CTX *ctx;
    bool loading;
    VEC(struct net_store_waiter) waiters;
};

/* A TLS session to take up again, by host and port. */
struct net_session {
    char host[256];
    unsigned port;
    SSL_SESSION *session;
};

struct net_stream;
struct net_library;
struct net_idle;
struct net {
    struct loop *loop;
    char *ca_file, *client_cert, *client_key;
    uint64_t connect_ms;
    struct net_store store;
    struct net_session sessions[NET_SESSIONS_COUNT];
    size_t next_session;
    char *input; /* NET_READ_BYTES, of whichever stream is being read; NULL before the first */
    unsigned char random[NET_RANDOM_BYTES];
    size_t random_left;
    VEC(struct net_stream *) leaving; /* given up by their owners, saying their last words */
    VEC(struct net_idle *) idle;      /* kept for the next HTTP exchange */
    struct net_library *library;      /* the server's half; NULL before the first server */
    struct net_way *way;              /* the owner's; NULL: nobody wants to know */
    size_t resolve_count;             /* still in the pool, cancelled ones too */
    size_t release_count;             /* freed clients whose memory goes when the loop turns */
    size_t object_count;              /* clients and servers not freed yet */
};

/* True: it is there. False: done comes, unless forgotten before. */
bool net_store_want(struct net *net, net_store_fn *done, void *user);
void net_store_forget(struct net *net, void *user);
void net_store_finish(struct net *net);

void net_random(struct net *net, unsigned char *ret_bytes, size_t len);
/* Ends its connections, waiting a little for last words, and lets go of it. */
void net_library_free(struct net *net);

/* -- What a connection met: describe.c. Each does nothing where nobody wants to know. */

struct net_head;
void net_way_begin(struct net *net);
void net_way_connected(struct net *net, int fd);
void net_way_shaken(struct net *net, const SSL *ssl, bool good);
void net_way_answered(struct net *net, const struct net_head *head);

/* -- Names */

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

#endif
