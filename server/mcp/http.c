/* A link by streamable HTTP: each message is a POST of its own, whose answer is a body or a stream
 * of events; one more stream, by GET, brings what the server says by itself, where it offers that.
 * Source: modelcontextprotocol.io, revision 2025-11-25, "Transports". */
#include <stdio.h>
#include <string.h>

#include "mcp-internal.h"

enum { LISTEN_AGAIN_MS = 5000, LISTEN_TRIES_COUNT = 3, QUEUED_COUNT = 8, EXCHANGES_COUNT = 64 };

struct http_link;
struct exchange {
    struct http_link *link;
    struct mcp_http_exchange *http;
    int64_t id;     /* of the request it carries; 0: none */
    bool is_stream; /* the GET */
    bool is_delete;
    bool had_session;
    bool is_expired; /* the session is over, and the message was not taken */
    int status;
};

struct http_link {
    struct link link; /* first */
    struct texts headers;
    VEC(struct exchange *) exchanges;
    struct buf session, version;
    struct loop_timer *listen_timer;
    unsigned listen_failures;
    bool is_stopping;
    bool has_opened;          /* "initialized" was sent … */
    struct exchange *opening; /* … and is under way: some servers take nothing else before it */
    struct queued {
        struct buf message;
        int64_t id;
    } queued[QUEUED_COUNT];
    size_t queued_count;
};

static const struct mcp_http *http_of(const struct http_link *link)
{
    return link->link.server->mcp->env.http;
}

static void drop(struct exchange *exchange)
{
    struct http_link *link = exchange->link;
    for (size_t i = 0; i < link->exchanges.len; i++)
        if (link->exchanges.ptr[i] == exchange) {
            vec_remove(&link->exchanges, i);
            break;
        }
    if (link->opening == exchange)
        link->opening = NULL;
    http_of(link)->close(exchange->http);
    mem_free(exchange);
}

/* -- What comes ------------------------------------------------------------------------------ */

static bool is_session(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || (unsigned char)text.ptr[i] >= 0x7F)
            return false;
    return text.len > 0 && text.len <= 1024;
}

static void on_head(void *user, int status, struct str session)
{
    struct exchange *exchange = user;
    struct http_link *link = exchange->link;
    exchange->status = status;
    exchange->is_expired = status == 404 && exchange->had_session;
    bool is_handshake = link->version.len == 0 && status / 100 == 2;
    if (is_handshake && is_session(session) && link->session.len == 0)
        buf_append(&link->session, session);
}

/* The body of a refusal may be a JSON-RPC error; it is worth no more than the status otherwise. A
 * session that is over is a 404; the reference servers of 2026 say it with a 400 and in words. */
static void on_message(void *user, struct str message)
{
    struct exchange *exchange = user;
    exchange->is_expired |= exchange->had_session && exchange->status == 400 &&
                            str_find(message, STR("ession"), 0) != STR_NONE;
    bool is_worth_it = exchange->status / 100 == 2 || str_starts_with(message, STR("{\"jsonrpc\""));
    if (is_worth_it && !exchange->is_expired)
        session_on_message(exchange->link->link.server, message);
}

static void append_refusal(struct buf *text, int status)
{
    static const struct {
        int status;
        const char *text;
    } hints[] = {
        {401, "it wants a token, or refuses the one it got: give one by \"tokenEnv\" or "
              "\"tokenCommand\" (signing in with OAuth is not built)"},
        {403, "it refuses the token, or us: check what the token may do"},
        {404, "there is no MCP server at this path: check \"url\""},
        {405, "it does not take POST there: check \"url\" (servers of the old HTTP+SSE kind are "
              "not supported)"},
        {406, "it does not offer streamable HTTP there: check \"url\""},
    };
    buf_append_fmt(text, "HTTP %d", status);
    for (size_t i = 0; i < array_count(hints); i++)
        if (hints[i].status == status)
            buf_append_fmt(text, ": %s", hints[i].text);
    if (status / 100 == 3)
        buf_append_c(text, ": redirects are not followed; put the right address into \"url\"");
}

static void listen_later(struct http_link *link)
{
    if (link->listen_failures++ < LISTEN_TRIES_COUNT)
        loop_timer_start(link->listen_timer, LISTEN_AGAIN_MS, 0);
}

static void on_stream_end(struct http_link *link, int status)
{
    if (status / 100 == 2)
        link->listen_failures = 0; /* it was there; servers let go of idle ones */
    if (status / 100 != 4)
        listen_later(link);
}

static void on_request_end(struct http_link *link, const struct exchange *exchange,
                           const struct mcp_http_end *end)
{
    struct server *server = link->link.server;
    struct buf text = {0};
    if (end->status < 0)
        buf_append_c(&text, end->text);
    else if (exchange->status / 100 != 2)
        append_refusal(&text, exchange->status);
    else
        buf_append_c(&text, "the stream ended before it");
    session_on_failed(server, exchange->id, text.ptr);
    buf_finish(&text);
}

static void send_queued(struct http_link *link);

static void on_end(void *user, const struct mcp_http_end *end)
{
    struct exchange copy = *(struct exchange *)user;
    struct http_link *link = copy.link;
    struct server *server = link->link.server;
    drop(user);
    send_queued(link);
    if (copy.is_delete)
        session_on_closed(server, true, "it was ended");
    else if (copy.is_stream)
        on_stream_end(link, copy.status);
    else if (copy.is_expired && !link->is_stopping)
        session_on_expired(server, copy.id);
    else if (copy.id != 0) /* if its answer came, nobody has that id any more */
        on_request_end(link, &copy, end);
}

/* -- What goes ------------------------------------------------------------------------------- */

static void push_header(struct texts *headers, const char *name, struct str value)
{
    struct buf line = {0};
    buf_append_fmt(&line, "%s: " STR_FMT, name, STR_ARG(value));
    vec_push(headers, buf_take(&line));
}

static void make_headers(struct http_link *link, bool is_stream, struct texts *headers)
{
    const struct server *server = link->link.server;
    for (size_t i = 0; i < server->definition.headers.len; i++)
        vec_push(headers, mem_dup_c(server->definition.headers.ptr[i]));
    push_header(headers, "accept",
                is_stream ? STR("text/event-stream") : STR("application/json, text/event-stream"));
    if (link->version.len > 0)
        push_header(headers, "mcp-protocol-version", buf_str(&link->version));
    if (link->session.len > 0)
        push_header(headers, "mcp-session-id", buf_str(&link->session));
    if (server->token.len > 0) {
        struct buf value = {0};
        buf_append_fmt(&value, "Bearer " STR_FMT, STR_ARG(buf_str(&server->token)));
        push_header(headers, "authorization", buf_str(&value));
        explicit_bzero(value.ptr, value.len);
        buf_finish(&value);
    }
}

static struct exchange *open_exchange(struct http_link *link, const char *method, struct buf *body,
                                      struct err *err)
{
    static const struct mcp_http_handlers handlers = {on_head, on_message, on_end};
    struct exchange *exchange = mem_new(struct exchange);
    struct texts headers = {0};
    exchange->link = link;
    exchange->is_stream = strcmp(method, "GET") == 0;
    exchange->is_delete = strcmp(method, "DELETE") == 0;
    exchange->had_session = link->session.len > 0;
    make_headers(link, exchange->is_stream, &headers);
    struct mcp_http_request request = {
        .method = method,
        .url = link->link.server->definition.url,
        .headers = (const char *const *)headers.ptr,
        .header_count = headers.len,
        .body = body,
    };
    exchange->http = http_of(link)->open(http_of(link)->user, &request, &handlers, exchange, err);
    for (size_t i = 0; i < headers.len; i++)
        explicit_bzero(headers.ptr[i], strlen(headers.ptr[i]));
    texts_finish(&headers);
    if (!exchange->http) {
        mem_free(exchange);
        return NULL;
    }
    vec_push(&link->exchanges, exchange);
    return exchange;
}

/* What cannot even be opened was refused at the first one already: the same URL, the same headers.
 */
/* A server that never ends the streams of what it has answered. */
static void make_room(struct http_link *link)
{
    for (size_t i = 0; link->exchanges.len >= EXCHANGES_COUNT && i < link->exchanges.len; i++) {
        struct exchange *exchange = link->exchanges.ptr[i];
        if (!exchange->is_stream && !invocation_find(link->link.server, exchange->id))
            drop(exchange);
    }
}

static void send_now(struct http_link *link, struct buf *message, int64_t id)
{
    make_room(link);
    struct exchange *exchange = open_exchange(link, "POST", message, NULL);
    if (exchange)
        exchange->id = id;
    if (id == 0 && !link->has_opened && link->version.len > 0) {
        link->has_opened = true;
        link->opening = exchange;
    }
}

static void send_queued(struct http_link *link)
{
    for (size_t i = 0; i < link->queued_count && !link->opening; i++) {
        send_now(link, &link->queued[i].message, link->queued[i].id);
        buf_finish(&link->queued[i].message);
    }
    if (!link->opening)
        link->queued_count = 0;
}

static void http_send(struct link *base, struct buf *message, int64_t id)
{
    struct http_link *link = (struct http_link *)base;
    if (!link->opening || link->queued_count == QUEUED_COUNT) {
        send_now(link, message, id);
        return;
    }
    struct queued *queued = &link->queued[link->queued_count++];
    *queued = (struct queued){.id = id};
    buf_move(&queued->message, message);
}

static void http_forget(struct link *base, int64_t id)
{
    struct http_link *link = (struct http_link *)base;
    for (size_t i = 0; i < link->exchanges.len; i++)
        if (link->exchanges.ptr[i]->id == id) {
            drop(link->exchanges.ptr[i]);
            return;
        }
}

static void start_listening(void *user)
{
    struct http_link *link = user;
    open_exchange(link, "GET", NULL, NULL);
}

static void http_agreed(struct link *base, const char *version)
{
    struct http_link *link = (struct http_link *)base;
    buf_clear(&link->version);
    buf_append_c(&link->version, version);
    loop_timer_start(link->listen_timer, 0, 0);
}

static bool http_stop(struct link *base)
{
    struct http_link *link = (struct http_link *)base;
    loop_timer_stop(link->listen_timer);
    link->is_stopping = true;
    while (link->exchanges.len > 0)
        drop(link->exchanges.ptr[0]);
    return link->session.len > 0 && open_exchange(link, "DELETE", NULL, NULL);
}

static void http_urge(struct link *link)
{
    (void)link;
}

static void http_free(struct link *base)
{
    struct http_link *link = (struct http_link *)base;
    while (link->exchanges.len > 0)
        drop(link->exchanges.ptr[0]);
    vec_finish(&link->exchanges);
    for (size_t i = 0; i < link->queued_count; i++)
        buf_finish(&link->queued[i].message);
    loop_timer_free(link->listen_timer);
    buf_finish(&link->session);
    buf_finish(&link->version);
    mem_free(link);
}

static const struct link_ops http_ops = {.send = http_send,
                                         .forget = http_forget,
                                         .agreed = http_agreed,
                                         .stop = http_stop,
                                         .urge = http_urge,
                                         .free = http_free};

/* -- Opening --------------------------------------------------------------------------------- */

static enum status take_token(struct server *server, struct err *err)
{
    const char *name = server->definition.token_env;
    if (!name)
        return STATUS_OK;
    struct str token = str_trim(str_from(server->mcp->env.get(name)));
    if (token.len == 0)
        return err_set(err, STATUS_AUTH,
                       "there is no token: set %s in the environment of the editor, or name "
                       "another variable in \"tokenEnv\"",
                       name);
    buf_clear(&server->token);
    buf_append(&server->token, token);
    if (server->mcp->env.on_secret)
        server->mcp->env.on_secret(server->mcp->env.user, token);
    return STATUS_OK;
}

/* Tries what every exchange will be: a URL or header that is refused is told here. */
static enum status check(struct http_link *link, struct err *err)
{
    struct exchange *probe = open_exchange(link, "POST", NULL, err);
    if (!probe)
        return STATUS_INVALID;
    drop(probe);
    return STATUS_OK;
}

struct link *link_http_open(struct server *server, struct err *err)
{
    if (!server->mcp->env.http) {
        err_set(err, STATUS_UNSUPPORTED, "servers by URL are not possible here");
        return NULL;
    }
    if (take_token(server, err) < 0)
        return NULL;
    struct http_link *link = mem_new(struct http_link);
    link->link = (struct link){&http_ops, server};
    link->listen_timer = loop_timer_new(server->mcp->env.loop, start_listening, link);
    if (check(link, err) < 0) {
        http_free(&link->link);
        return NULL;
    }
    return &link->link;
}
