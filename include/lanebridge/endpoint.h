/* endpoint: the other end of the wire: a local Responses endpoint, WebSocket at /v1/responses with
 * lanes and the connection-local cache, POST with server-sent events, and engines that stand in for
 * the model. Says in every answer's `model` and metadata what it is.
 *
 * Invariants: requests of a lane run first in first out, lanes run side by side; the cache follows the
 * documented eviction rules; errors are the documented ones to the letter; a request body, a lane
 * count and a queue are bounded. The replay format is described in docs/PROTOCOL.md. */
#ifndef LANEBRIDGE_ENDPOINT_H
#define LANEBRIDGE_ENDPOINT_H

#include <lanebridge/base.h>
#include <lanebridge/loop.h>
#include <lanebridge/net.h>

struct endpoint;

/* What the connection's cache saves. Without it, its work is done anew for the whole conversation at
 * every step, as by a server that knows nothing: for measuring. */
enum endpoint_saving {
    ENDPOINT_TOKENS,         /* what was rendered is not rendered again */
    ENDPOINT_VALIDATION,     /* what was checked is not checked again */
    ENDPOINT_ROUTING,        /* who asks, and which model answers */
    ENDPOINT_BOOKKEEPING,    /* written after the terminal event, not before it */
    ENDPOINT_RESPONSE_CACHE, /* the last response of each lane is in memory */
    ENDPOINT_SAVING_COUNT,
};
/* "tokens", "validation", … */
const char *endpoint_saving_name(enum endpoint_saving saving);

/* 0: the default of limits.h, which is also the most for lanes. */
struct endpoint_limits {
    uint64_t memory_bytes;       /* of conversations, cached or stored; then the oldest are let go */
    uint64_t store_bytes;        /* of the store's file; the oldest responses go first */
    uint64_t connections;        /* WebSockets */
    uint64_t lanes;              /* responses that run on one connection at a time */
    uint64_t requests;           /* running and waiting, of all connections and over HTTP */
    uint64_t idle_ms;            /* a connection without a request is closed; 0: never for that */
};
struct endpoint_options {
    const char *address;         /* NULL: 127.0.0.1; others need a token */
    unsigned port;               /* 0 picks one */
    const char *unix_path;       /* instead of address and port */
    struct str replay;           /* text of a replay file; empty: built-in rules */
    const char *replay_name;     /* for messages */
    const char *upstream_url;    /* instead of a replay: an OpenAI-compatible server, http(s)://… */
    const char *upstream_key;    /* its bearer token; NULL: none */
    const char *upstream_model;  /* asked for whatever the client names; NULL: the client's */
    const char *upstream_api;    /* "responses", "chat", "auto"; NULL: auto */
    const char *token;           /* NULL: none needed (loopback) */
    bool without_lanes;          /* rejects stream_id as endpoints without lanes do */
    bool without_warm_up;        /* rejects generate */
    bool without_additional_tools;   /* rejects tools as an input item */
    bool without_compact;        /* has no /v1/responses/compact */
    bool without_context_management;   /* rejects context_management */
    bool without_steering;       /* answers response.steer with steering_not_supported */
    uint64_t age_limit_ms;       /* 0: 60 minutes */
    struct str vocab;            /* ranks, for counting tokens; empty: estimated by bytes */
    const char *vocab_name;      /* for messages */
    const char *check_command;   /* asked about new input; NULL: none. docs/PROTOCOL.md */
    bool prototype_append;       /* a response stands still for its calls; response.append goes on */
    unsigned without;            /* bits: 1 << ENDPOINT_TOKENS and so on */
    const char *store_path;      /* SQLite; NULL: stored responses live in memory, as long as this */
    struct endpoint_limits limits;
    /* Optional: every frame or body, for transcripts. */
    void (*on_traffic)(void *user, bool outgoing, struct str text);
    void *user;
};
/* Errors: STATUS_INVALID naming the replay file's line and what is wrong there; STATUS_IO (port). */
struct endpoint *endpoint_new(struct loop *loop, struct net *net, const struct endpoint_options *options,
                              struct err *err);
unsigned endpoint_port(const struct endpoint *endpoint);
void endpoint_free(struct endpoint *endpoint);

#endif
