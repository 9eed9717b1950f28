/* The seam mcp_http over net: one exchange with a server of the Model Context Protocol. */
#include <stdio.h>
#include <string.h>

#include "app.h"

enum { HEADERS_COUNT = 64 };

struct mcp_http_exchange {
    struct mcp_http_handlers handlers;
    void *user;
    struct net_http *http;
    struct net_sse *events;
    struct buf body;
    bool is_cut, is_freed, is_told; /* is_told: one of its callbacks is under way */
};

struct mcp_wire {
    struct mcp_http http;
    struct net *net;
    const struct config *config;
};

static void release(struct mcp_http_exchange *exchange)
{
    net_http_free(exchange->http);
    net_sse_free(exchange->events);
    buf_finish(&exchange->body);
    mem_free(exchange);
}

static void exchange_close(struct mcp_http_exchange *exchange)
{
    exchange->is_freed = true;
    if (!exchange->is_told)
        release(exchange);
}

/* Whoever was told may have closed it. */
static void end_telling(struct mcp_http_exchange *exchange)
{
    exchange->is_told = false;
    if (exchange->is_freed)
        release(exchange);
}

static void on_event(void *user, struct str event, struct str data)
{
    struct mcp_http_exchange *exchange = user;
    (void)event;
    if (!exchange->is_freed && data.len > 0)
        exchange->handlers.on_message(exchange->user, data);
}

static void on_head(void *user, int status, struct str content_type)
{
    struct mcp_http_exchange *exchange = user;
    if (str_starts_with(content_type, STR("text/event-stream")))
        exchange->events = net_sse_new(LIMIT_MCP_MESSAGE_BYTES, on_event, exchange);
    exchange->handlers.on_head(exchange->user, status,
                               net_http_header(exchange->http, "mcp-session-id"));
}

static void on_body(void *user, struct str bytes)
{
    struct mcp_http_exchange *exchange = user;
    if (exchange->events) {
        exchange->is_told = true;
        enum status status = net_sse_push(exchange->events, bytes);
        exchange->is_cut |= status == STATUS_LIMIT;
        end_telling(exchange);
    } else if (exchange->body.len + bytes.len <= LIMIT_MCP_MESSAGE_BYTES) {
        buf_append(&exchange->body, bytes);
    } else {
        exchange->is_cut = true;
    }
}

static void on_closed(void *user, const struct net_close *closed)
{
    struct mcp_http_exchange *exchange = user;
    struct mcp_http_end end = {.status = closed->status};
    memcpy(end.text, closed->text, sizeof(end.text));
    exchange->is_told = true;
    if (exchange->is_cut) {
        end.status = STATUS_LIMIT;
        snprintf(end.text, sizeof(end.text),
                 "it sent a message of over %zu MiB, which was not read",
                 LIMIT_MCP_MESSAGE_BYTES / MIB);
    } else if (exchange->body.len > 0 && closed->status == STATUS_OK) {
        exchange->handlers.on_message(exchange->user, buf_str(&exchange->body));
    }
    if (!exchange->is_freed)
        exchange->handlers.on_end(exchange->user, &end);
    end_telling(exchange);
}

/* "name: value" lines as pairs; `texts` owns them. */
static void split_headers(const struct mcp_http_request *request, struct net_header *headers,
                          char **texts)
{
    for (size_t i = 0; i < request->header_count; i++) {
        texts[i] = mem_dup_c(request->headers[i]);
        char *colon = strstr(texts[i], ": ");
        *colon = '\0';
        headers[i] = (struct net_header){texts[i], colon + 2};
    }
}

static struct mcp_http_exchange *exchange_open(void *user, const struct mcp_http_request *request,
                                               const struct mcp_http_handlers *handlers,
                                               void *handlers_user, struct err *err)
{
    static const struct net_http_handlers ours = {
        .on_head = on_head, .on_body = on_body, .on_closed = on_closed};
    struct mcp_wire *wire = user;
    struct net_target target = {.proxy = wire->config->endpoint_proxy};
    struct net_header headers[HEADERS_COUNT];
    char *texts[HEADERS_COUNT];
    if (request->header_count > HEADERS_COUNT) {
        err_set(err, STATUS_LIMIT, "there are more than %d headers", HEADERS_COUNT);
        return NULL;
    }
    if (net_url_parse(str_from(request->url), &target.url, err) < 0)
        return NULL;
    if (target.url.websocket) {
        err_set(err, STATUS_INVALID,
                "its \"url\" must begin with https:// (or http:// for this "
                "machine)");
        return NULL;
    }
    split_headers(request, headers, texts);
    target.headers = headers;
    target.header_count = request->header_count;
    struct mcp_http_exchange *exchange = mem_new(struct mcp_http_exchange);
    exchange->handlers = *handlers;
    exchange->user = handlers_user;
    exchange->http =
        net_http_open(wire->net, request->method, &target, request->body, &ours, exchange, err);
    for (size_t i = 0; i < request->header_count; i++) {
        explicit_bzero((char *)headers[i].value, strlen(headers[i].value));
        mem_free(texts[i]);
    }
    if (exchange->http)
        return exchange;
    mem_free(exchange);
    return NULL;
}

struct mcp_wire *mcp_wire_new(struct net *net, const struct config *config)
{
    struct mcp_wire *wire = mem_new(struct mcp_wire);
    wire->net = net;
    wire->config = config;
    wire->http = (struct mcp_http){.user = wire, .open = exchange_open, .close = exchange_close};
    return wire;
}

const struct mcp_http *mcp_wire_http(const struct mcp_wire *wire)
{
    return &wire->http;
}

void mcp_wire_free(struct mcp_wire *wire)
{
    mem_free(wire);
}
