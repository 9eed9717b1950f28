/* The other end, made by hand and in a thread of its own, so that bytes can be torn and rules
 * broken. Scripts must not use Criterion's assertions: they write down what they saw. */
#ifndef TESTS_NET_PEER_H
#define TESTS_NET_PEER_H

#include <pthread.h>
#include <stdatomic.h>

#include "helper.h"

struct ssl_st;
struct ssl_ctx_st;

struct peer {
    void (*script)(struct peer *peer);
    size_t piece;      /* bytes a write, 0: all at once */
    bool six;          /* listens on ::1 */
    const char *text;  /* for the script */
    const char *extra; /* headers of the answer to an upgrade */
    size_t number;
    /* What the script saw. */
    struct buf request, seen;
    unsigned close_code, pongs, pings;
    int connections;
    /* Inside. */
    struct ssl_ctx_st *tls;
    struct ssl_st *ssl;
    int fd, listen_fd;
    unsigned port;
    bool connects;
    pthread_t thread;
    _Atomic bool stop;
    bool done; /* the script has returned */
};

void peer_listen(struct peer *peer, void (*script)(struct peer *peer));
void peer_listen_tls(struct peer *peer, void (*script)(struct peer *peer), const char *cert,
                     const char *key);
void peer_connect(struct peer *peer, unsigned port, void (*script)(struct peer *peer));
bool peer_has_six(void);                                /* this machine has ::1 */
void peer_wait(struct peer *peer, struct world *world); /* runs the loop until the script is done */
void peer_end(struct peer *peer);
const char *peer_url(const struct peer *peer, const char *scheme, const char *host,
                     const char *path);
/* Opens a connection to it. */
void peer_open(struct client *client, struct world *world, struct peer *peer);
/* Listens at 127.0.0.N, without a script; a hole's queue is full, so that connecting to it hangs.
 */
int listen_at(const char *address, unsigned *port, bool hole);

/* In scripts. False when the connection is gone. */
bool peer_read(struct peer *peer, void *out, size_t len);
bool peer_write(struct peer *peer, const void *bytes, size_t len);
bool peer_puts(struct peer *peer, const char *text);
bool peer_read_head(struct peer *peer);   /* into request, up to the empty line */
size_t peer_read_rest(struct peer *peer); /* into seen, up to the end */
void peer_reset(struct peer *peer);       /* RST */
bool peer_take_upgrade(struct peer *peer, struct buf *answer); /* as a server; answer: to be sent */
bool peer_accept_upgrade(struct peer *peer);                   /* and sent */
bool peer_ask_upgrade(struct peer *peer);                      /* as a client */
bool peer_frame(struct peer *peer, unsigned first_byte, const void *bytes, size_t len);
/* Reads frames up to a whole message (into seen), a close (close_code) or the end (false). */
bool peer_read_message(struct peer *peer);

#endif
