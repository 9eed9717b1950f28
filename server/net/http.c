#include <stdio.h>
#include <string.h>

#include "net-internal.h"

struct net_http {
    struct net_link link;
    char method[16];
    struct buf body; /* LWS_PRE bytes of room, then the body */
    size_t sent;
    bool has_body, has_type;
    bool framed; /* the answer says where it ends: an end before that is a loss */
    bool reading, completed;
    struct net_http_handlers handlers;
    void *user;
    unsigned char *input; /* where the library decodes to */
};

static struct net_http *from_link(struct net_link *link)
{
    return container_of(link, struct net_http, link);
}

static int add_header(struct net_http *http, const char *name, const char *value,
                      unsigned char **position, unsigned char *end)
{
    return lws_add_http_header_by_name(http->link.sock.wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), position,
                                       end);
}

static int handle_request_headers(struct net_http *http, void *in, size_t len)
{
    unsigned char **position = in, *end = *position + len;
    char length[32];
    loop_timer_stop(http->link.deadline); /* how long the answer takes is not ours to say */
    if (!http->has_body)
        return 0;
    snprintf(length, sizeof(length), "%zu", http->body.len - LWS_PRE);
    if (add_header(http, "content-length:", length, position, end))
        return -1;
    if (!http->has_type && add_header(http, "content-type:", "application/json", position, end))
        return -1;
    if (http->body.len > LWS_PRE) {
        lws_client_http_body_pending(http->link.sock.wsi, 1);
        lws_callback_on_writable(http->link.sock.wsi);
    }
    return 0;
}

static int handle_writable(struct net_http *http)
{
    struct lws *wsi = http->link.sock.wsi;
    size_t rest = http->has_body ? http->body.len - LWS_PRE - http->sent : 0;
    if (rest == 0)
        return 0;
    size_t size = rest > NET_FRAGMENT_BYTES ? NET_FRAGMENT_BYTES : rest;
    unsigned char *start = (unsigned char *)http->body.ptr + LWS_PRE + http->sent;
    bool last = size == rest;
    if (last)
        lws_client_http_body_pending(wsi, 0);
    if (lws_write(wsi, start, size, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)size)
        return -1;
    http->sent += size;
    if (last)
        buf_finish(&http->body), http->has_body = false;
    else
        lws_callback_on_writable(wsi);
    return 0;
}

static int handle_head(struct net_http *http)
{
    struct lws *wsi = http->link.sock.wsi;
    char type[256];
    net_link_read_answer(&http->link);
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    http->framed = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 ||
                   lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    if (lws_hdr_copy(wsi, type, sizeof(type), WSI_TOKEN_HTTP_CONTENT_TYPE) <= 0)
        type[0] = '\0';
    net_link_set_open(&http->link);
    http->handlers.on_head(http->user, http->link.close.http_status, str_from(type));
    return 0;
}

static void end_complete(struct net_http *http)
{
    net_link_note(&http->link, STATUS_OK, "complete");
    net_link_end(&http->link, 0);
}

static void end_lost(struct net_http *http)
{
    net_link_note(&http->link, STATUS_CLOSED,
                  "the connection to %s was lost before the answer was complete",
                  http->link.url.host);
    net_link_end(&http->link, 0);
}

/* The library insists on being read from when it says so, or it asks again at once. It calls a body
 * in chunks complete also when the connection ends in the middle; that case is told from the other
 * by what the read returns. */
static int handle_readable(struct net_http *http)
{
    char *start = (char *)http->input + LWS_PRE;
    int size = NET_READ_BYTES;
    http->reading = true;
    bool failed = lws_http_client_read(http->link.sock.wsi, &start, &size) < 0;
    http->reading = false;
    if (http->completed && failed && http->framed)
        end_lost(http);
    else if (http->completed)
        end_complete(http);
    return failed ? -1 : 0;
}

static int handle_complete(struct net_http *http)
{
    http->completed = true;
    if (!http->reading)
        end_complete(http);
    return 0;
}

static int handle_closed(struct net_http *http)
{
    if (http->link.state == LINK_OPEN && !http->framed)
        end_complete(http);
    else
        end_lost(http);
    return 0;
}

static int on_event(struct net_link *link, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct net_http *http = from_link(link);
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return handle_request_headers(http, in, len);
    case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
        return handle_writable(http);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return handle_head(http);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return handle_readable(http);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        if (len)
            http->handlers.on_body(http->user, (struct str){in, len});
        return 0;
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        return handle_complete(http);
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        return handle_closed(http);
    default:
        return 0;
    }
}

static void prepare(struct net_link *link, struct lws_client_connect_info *info)
{
    info->method = from_link(link)->method;
}

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
    mem_free(http->input);
    mem_free(http);
}

static const struct net_link_ops ops = {
    .kind = "HTTP",
    .prepare = prepare,
    .on_event = on_event,
    .on_closed = on_closed,
    .release = release,
};

static void take_body(struct net_http *http, struct buf *body)
{
    size_t len = body->len;
    buf_reserve(body, LWS_PRE);
    memmove(body->ptr + LWS_PRE, body->ptr, len);
    body->len += LWS_PRE;
    buf_move(&http->body, body);
    http->has_body = true;
}

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
    for (size_t i = 0; i < target->header_count; i++) {
        if (strcmp(target->headers[i].name, "content-type") == 0)
            http->has_type = true;
    }
    if (body)
        take_body(http, body);
    http->handlers = *handlers;
    http->user = user;
    http->input = mem_alloc(LWS_PRE + NET_READ_BYTES);
    return http;
}

void net_http_free(struct net_http *http)
{
    if (http)
        net_link_free(&http->link, 0, NULL);
}
