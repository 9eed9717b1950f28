/* What the WebSocket and the HTTP client have in common: a target, a stream to it, a request with
 * headers, a deadline until there is an answer, and one ending that is told once. */
#ifndef LANEBRIDGE_NET_LINK_INTERNAL_H
#define LANEBRIDGE_NET_LINK_INTERNAL_H

#include "codec-internal.h"
#include "stream-internal.h"

enum net_link_state { LINK_CONNECTING, LINK_ASKING, LINK_OPEN, LINK_ENDED };
struct net_link;
struct net_link_ops {
    void (*on_start)(struct net_link *link);     /* a turn after the opening: connect */
    void (*on_connected)(struct net_link *link); /* say what is wanted */
    void (*on_bytes)(struct net_link *link, struct str bytes);
    void (*on_drain)(struct net_link *link);
    void (*on_lost)(struct net_link *link, const struct net_ending *ending);
    void (*on_closed)(struct net_link *link); /* tells the owner; the last thing done */
    void (*release)(struct net_link *link);   /* frees the memory */
};
struct net_link {
    struct net *net;
    const struct net_link_ops *ops;
    enum net_link_state state;
    struct net_url url;
    char *unix_path, *proxy;
    VEC(struct net_header) headers; /* owned copies */
    struct net_stream *stream;
    struct loop_timer *deadline, *start;
    struct net_head head; /* of the answer */
    bool freed;
    struct net_close close;
};

enum status net_link_init(struct net_link *link, struct net *net, const struct net_target *target,
                          const struct net_link_ops *ops, struct err *err);
void net_link_free(struct net_link *link);
void net_link_finish(struct net_link *link); /* what release does first */
void net_link_connect(struct net_link *link);
/* A connection that is there already; on_connected follows at once. */
void net_link_adopt(struct net_link *link, struct net_stream *stream);

/* "METHOD path HTTP/1.1", host and the target's headers; without the empty line at the end. */
void net_link_append_request(const struct net_link *link, const char *method, struct buf *out);
bool net_link_has_header(const struct net_link *link, const char *name);
void net_link_set_asking(struct net_link *link);
/* Reads on the answer's head: status, retry-after and x-request-id go into close. BAD: it has
 * ended. */
enum net_head_result net_link_read_head(struct net_link *link, struct str *bytes);
void net_link_set_open(struct net_link *link);

/* Notes the reason unless one is known already. */
__attribute__((format(printf, 3, 4))) void net_link_note(struct net_link *link, enum status status,
                                                         const char *format, ...);
/* The answer was no upgrade. */
void net_link_note_refusal(struct net_link *link);
/* Why the connection never came to be, or that it was lost before an answer came. */
void net_link_note_lost(struct net_link *link, const struct net_ending *ending);
/* Tells the owner, once; drops the connection if there is one. The last thing a function does. */
void net_link_end(struct net_link *link);

/* -- Connections between exchanges: idle.c */

/* NULL: there is none to this target. */
struct net_stream *net_idle_take(struct net *net, const struct net_link *link);
/* Whether the connection goes on behind an answer that has ended; rest: what came behind it. */
bool net_idle_may_keep(const struct net_link *link, const struct net_body *answer, struct str rest);
/* Takes the stream, for as long as the answer's head says, or as usual. */
void net_idle_put(struct net *net, const struct net_link *link, struct net_stream *stream);
void net_idle_finish(struct net *net);

#endif
