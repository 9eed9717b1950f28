/* transport: what the Responses client needs of the outside world, as tables of functions, so that
 * it can be run on real sockets, on HTTP, and in tests on nothing at all. No code of its own.
 *
 * Invariants for who implements it: no callback before the call that caused it has returned; after
 * close() no callback at all; messages arrive whole and in order. */
#ifndef LANEBRIDGE_TRANSPORT_H
#define LANEBRIDGE_TRANSPORT_H

#include <lanebridge/base.h>

/* WEBSOCKET: a connection that carries many requests. HTTP: one POST and its event stream; the first
 * message sent is the body, the end of the stream is a close with STATUS_OK. COMPACT: one POST to the
 * endpoint's path with "/compact" behind it; its whole answer is the one message that comes. */
enum transport_kind { TRANSPORT_WEBSOCKET, TRANSPORT_HTTP, TRANSPORT_COMPACT };

/* Why a connection ended or never came to be. */
struct transport_close {
    enum status status;        /* OK: orderly; TIMEOUT, IO, AUTH, PROTOCOL, LIMIT, CLOSED */
    bool was_open;             /* false: the connect itself failed */
    int http_status;           /* answer to the upgrade or POST, 0 if none */
    unsigned close_code;       /* WebSocket close code, 0 if there was no close frame (RST, EOF) */
    int64_t retry_after_ms;    /* -1 if not told */
    bool no_key;               /* there is none to connect with: `text` says what to do */
    char request_id[128];      /* "x-request-id", or empty */
    char text[512];            /* what happened and what to do, in the user's words */
};

struct transport_handlers {
    void (*on_open)(void *user);
    /* One whole server event, borrowed. */
    void (*on_message)(void *user, struct str message);
    /* Any sign of life, pongs included, at most once per loop turn; and when it no longer prepares. */
    void (*on_alive)(void *user);
    /* Last callback; the transport must still be closed (freed) by its owner. */
    void (*on_closed)(void *user, const struct transport_close *close);
};

struct transport_counters {
    uint64_t frames_sent, frames_received, bytes_sent, bytes_received;   /* payload bytes */
};

struct transport;
struct transport_ops {
    /* Takes the bytes (left empty). STATUS_LIMIT when too much waits already, STATUS_CLOSED. */
    enum status (*send)(struct transport *transport, struct buf *message);
    void (*ping)(struct transport *transport);
    void (*close)(struct transport *transport, unsigned code, const char *reason);  /* and frees */
};
struct transport {
    const struct transport_ops *ops;
    struct transport_counters counters;
    bool prepares;    /* waits for something on this machine (the key's command): not yet connecting */
    bool asks;        /* prepares, and it is a person who is waited for */
};

struct transport_timer;
struct transport_env {
    void *user;
    /* NULL and err set if it cannot even be tried (bad URL, missing key). */
    struct transport *(*open)(void *user, enum transport_kind kind,
                              const struct transport_handlers *handlers, void *handlers_user,
                              struct err *err);
    uint64_t (*now_ms)(void *user);
    /* For how long this machine has slept, which now_ms does not count; optional. */
    uint64_t (*slept_ms)(void *user);
    uint32_t (*random)(void *user);     /* for jitter alone */
    struct transport_timer *(*timer_new)(void *user, void (*on_fire)(void *fire_user),
                                         void *fire_user);
    void (*timer_start)(struct transport_timer *timer, uint64_t after_ms);
    void (*timer_stop)(struct transport_timer *timer);
    void (*timer_free)(struct transport_timer *timer);
};

#endif
