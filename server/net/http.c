/* One HTTP/1.1 exchange, on a connection that may have carried others before and may carry more. */
#include <stdio.h>
#include <string.h>

#include "link-internal.h"

enum { TURN_BYTES = 4 << 20 /* written at most before others have their turn */ };

struct net_http {
    struct net_link link;
    char method[16];
    struct buf body; /* of the request; kept until the answer begins if it may be asked again */
    size_t sent;
    bool has_body;
    bool reused;  /* the connection is not new: it may be dead already */
    bool answers; /* a byte of the answer has come */
    struct net_body answer;
    struct net_http_handlers handlers;
    void *user;
};

static struct net_http *from_link(struct net_link *link)
{
    return container_of(link, struct net_http, link);
}

/* -- The request */

static void on_start(struct net_link *link)
{
    struct net_http *http = from_link(link);
    struct net_stream *stream = net_idle_take(link->net, link);
    http->reused = stream != NULL;
    if (stream)
        net_link_adopt(link, stream);
    else
        net_link_connect(link);
}

static bool wants_length(const struct net_http *http)
{
    return http->has_body || strcmp(http->method, "POST") == 0 ||
           strcmp(http->method, "PUT") == 0 || strcmp(http->method, "PATCH") == 0;
}

static struct str next_piece(const struct net_http *http)
{
    return str_slice(buf_str(&http->body), http->sent, http->sent + NET_FRAME_BYTES);
}

static bool is_sent(const struct net_http *http)
{
    return http->sent == http->body.len && net_stream_unsent(http->link.stream) == 0;
}

static void write_body(struct net_http *http)
{
    struct net_stream *stream = http->link.stream;
    size_t before = http->sent;
    while (http->sent < http->body.len && net_stream_unsent(stream) == 0) {
        struct str piece = next_piece(http);
        if (http->sent - before > TURN_BYTES) {
            net_stream_yield(stream);
            return;
        }
        http->sent += piece.len;
        net_stream_write(stream, piece, (struct str){0});
    }
}

static void on_connected(struct net_link *link)
{
    struct net_http *http = from_link(link);
    struct buf head = {0};
    net_link_append_request(link, http->method, &head);
    if (wants_length(http))
        buf_append_fmt(&head, "content-length: %zu\r\n", http->body.len);
    if (http->has_body && !net_link_has_header(link, "content-type"))
        buf_append_c(&head, "content-type: application/json\r\n");
    buf_append_c(&head, "\r\n");
    net_link_set_asking(link);
    loop_timer_stop(link->deadline); /* how long the answer takes is not ours to say */
    struct str piece = next_piece(http);
    http->sent = piece.len;
    net_stream_write(link->stream, buf_str(&head), piece);
    explicit_bzero(head.ptr, head.len); /* it holds the key */
    buf_finish(&head);
    write_body(http);
}

static void on_drain(struct net_link *link)
{
    write_body(from_link(link));
}

/* -- The end */

static void end_complete(struct net_http *http, struct str rest)
{
    struct net_link *link = &http->link;
    if (is_sent(http) && net_idle_may_keep(link, &http->answer, rest))
        net_idle_put(link->net, link, link->stream);
    else
        net_stream_leave(link->stream);
    link->stream = NULL;
    net_link_note(link, STATUS_OK, "complete");
    net_link_end(link);
}

static void end_bad(struct net_http *http, const char *problem)
{
    net_link_note(&http->link, STATUS_PROTOCOL, "%s does not speak HTTP as it should: %s",
                  http->link.url.host, problem);
    net_link_end(&http->link);
}

/* A connection that was kept may have been closed by the server while our request was on its way.
 * Not a byte has come, so the request is made once more, on a new one. */
static bool ask_again(struct net_http *http, const struct net_ending *ending)
{
    if (!http->reused || http->answers || ending->text[0])
        return false;
    http->reused = false;
    http->sent = 0;
    net_stream_free(http->link.stream);
    http->link.stream = NULL;
    net_link_connect(&http->link);
    return true;
}

static void on_lost(struct net_link *link, const struct net_ending *ending)
{
    struct net_http *http = from_link(link);
    if (ask_again(http, ending))
        return;
    if (link->state == LINK_OPEN && http->answer.kind == BODY_TO_END && ending->orderly) {
        end_complete(http, (struct str){0});
        return;
    }
    if (link->state == LINK_CONNECTING || ending->text[0])
        net_link_note_lost(link, ending);
    net_link_note(link, STATUS_CLOSED,
                  "the connection to %s was lost before the answer was complete", link->url.host);
    net_link_end(link);
}

/* -- The answer */

/* False: it is not there yet, or all is over. */
static bool read_head(struct net_http *http, struct str *bytes)
{
    struct net_link *link = &http->link;
    const char *problem = NULL;
    while (link->state == LINK_ASKING) {
        if (net_link_read_head(link, bytes) != NET_HEAD_DONE)
            return false;
        if (link->head.status == 101) {
            end_bad(http, "it changes to another protocol, which was not asked for");
            return false;
        }
        if (link->head.status >= 200)
            break;
        net_head_clear(&link->head); /* "Continue", "Early Hints" */
    }
    if (!net_body_init(&http->answer, &link->head, strcmp(http->method, "HEAD") == 0, &problem)) {
        end_bad(http, problem);
        return false;
    }
    net_link_set_open(link);
    http->handlers.on_head(http->user, link->head.status,
                           net_head_get(&link->head, "content-type"));
    return link->state == LINK_OPEN;
}

static void read_body(struct net_http *http, struct str bytes)
{
    struct str piece;
    while (http->link.state == LINK_OPEN) {
        switch (net_body_next(&http->answer, &bytes, &piece)) {
        case NET_BODY_MORE:
            return;
        case NET_BODY_PIECE:
            http->handlers.on_body(http->user, piece);
            break;
        case NET_BODY_END:
            end_complete(http, bytes);
            return;
        case NET_BODY_BAD:
            end_bad(http, "a chunk of its answer is none");
            return;
        }
    }
}

static void on_bytes(struct net_link *link, struct str bytes)
{
    struct net_http *http = from_link(link);
    http->answers = true;
    if (link->state == LINK_ASKING && !read_head(http, &bytes))
        return;
    read_body(http, bytes);
}

/* -- Life */

static void on_closed(struct net_link *link)
{
    struct net_http *http = from_link(link);
    http->handlers.on_closed(http->user, &link->close);
}

static void release(struct net_link *link)
{
    struct net_http *http = from_link(link);
    net_link_finish(link);
    buf_finish(&http->body);
    mem_free(http);
}

static const struct net_link_ops ops = {
    .on_start = on_start,
    .on_connected = on_connected,
    .on_bytes = on_bytes,
    .on_drain = on_drain,
    .on_lost = on_lost,
    .on_closed = on_closed,
    .release = release,
};

struct net_http *net_http_open(struct net *net, const char *method, const struct net_target *target,
                               struct buf *body, const struct net_http_handlers *handlers,
                               void *user, struct err *err)
{
    if (body && body->len > LIMIT_HTTP_BODY_BYTES) {
        err_set(err, STATUS_LIMIT, "a request body of %zu bytes is larger than the limit",
                body->len);
        return NULL;
    }
    struct net_http *http = mem_new(struct net_http);
    if (net_link_init(&http->link, net, target, &ops, err) < 0) {
        mem_free(http);
        return NULL;
    }
    snprintf(http->method, sizeof(http->method), "%s", method);
    http->has_body = body != NULL;
    if (body)
        buf_move(&http->body, body);
    http->handlers = *handlers;
    http->user = user;
    return http;
}

void net_http_free(struct net_http *http)
{
    if (http)
        net_link_free(&http->link);
}

struct str net_http_header(const struct net_http *http, const char *name)
{
    return net_head_get(&http->link.head, name);
}
