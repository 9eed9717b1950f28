/* One server's states. What failed to start is tried again with the next prompt; what ended after
 * it had run is started again by itself, a few times, each time later. */
#include <stdarg.h>
#include <stdlib.h>

#include "mcp-internal.h"

static const unsigned moves[] = {
    [MCP_OFF] = 1u << MCP_STARTING,
    [MCP_STARTING] = 1u << MCP_LISTING | 1u << MCP_WAITING | 1u << MCP_FAILED,
    [MCP_LISTING] = 1u << MCP_READY | 1u << MCP_STARTING | 1u << MCP_WAITING | 1u << MCP_FAILED,
    [MCP_READY] = 1u << MCP_STARTING | 1u << MCP_WAITING | 1u << MCP_FAILED,
    [MCP_WAITING] = 1u << MCP_STARTING | 1u << MCP_FAILED,
    [MCP_FAILED] = 1u << MCP_STARTING,
};

static const char *const names[] = {
    [MCP_OFF] = "notStarted", [MCP_STARTING] = "starting",  [MCP_LISTING] = "listing",
    [MCP_READY] = "ready",    [MCP_WAITING] = "restarting", [MCP_FAILED] = "failed",
};

const char *mcp_state_name(enum mcp_state state)
{
    return names[state];
}

void server_set_state(struct server *server, enum mcp_state state)
{
    if (!(moves[server->state] & 1u << state))
        abort();
    server->state = state;
    log_line(LOG_INFO, "mcp_state server=%s state=%s", server->definition.name, names[state]);
}

bool server_is_off(const struct server *server)
{
    return server->definition.is_off;
}

void tool_list_finish(struct tool_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        tool_finish(&list->ptr[i]);
    vec_finish(list);
    list->left_out = 0;
    list->why[0] = '\0';
}

void server_drop_link(struct server *server)
{
    struct link *link = server->link;
    server->link = NULL;
    server->asked_id = 0;
    if (link)
        link->ops->free(link);
}

/* -- Failing --------------------------------------------------------------------------------- */

static uint64_t backoff_ms(const struct server *server)
{
    return server->mcp->deadlines.backoff << (server->failures - 1);
}

void server_fail(struct server *server, bool hopeless, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_clear(&server->detail);
    struct buf raw = {0};
    buf_append_vfmt(&raw, format, args);
    utf8_append_printable(&server->detail, buf_str(&raw));
    buf_finish(&raw);
    va_end(args);
    log_line(LOG_WARN, "mcp_failed server=%s why=\"%s\"", server->definition.name,
             server->detail.ptr);
    server_drop_link(server);
    token_run_free(server->token_run);
    server->token_run = NULL;
    server->failed_ms = loop_now_ms(server->mcp->env.loop);
    server->failures++;
    server->was_awaited = true;
    server->is_news = true;
    bool is_over = hopeless || !server->was_ready || server->failures > LIMIT_MCP_RESTARTS_COUNT;
    server_set_state(server, is_over ? MCP_FAILED : MCP_WAITING);
    if (is_over)
        loop_timer_stop(server->timer);
    else
        loop_timer_start(server->timer, backoff_ms(server), 0);
    invocations_fail(server, is_over, server->detail.ptr);
    mcp_on_changed(server->mcp);
}

/* -- Starting -------------------------------------------------------------------------------- */

static uint64_t start_ms(const struct server *server)
{
    return server->definition.start_ms ? server->definition.start_ms : server->mcp->deadlines.start;
}

static void open_link(struct server *server)
{
    struct err err = {0};
    server->link =
        server->definition.url ? link_http_open(server, &err) : link_stdio_open(server, &err);
    if (server->link)
        session_begin(server);
    else
        server_fail(server, true, "%s", err.text);
}

static void on_token(void *user, struct buf *token, const char *why)
{
    struct server *server = user;
    token_run_free(server->token_run);
    server->token_run = NULL;
    if (!token) {
        server_fail(server, true, "%s", why);
        return;
    }
    buf_move(&server->token, token);
    if (server->mcp->env.on_secret)
        server->mcp->env.on_secret(server->mcp->env.user, buf_str(&server->token));
    open_link(server);
}

/* Nothing is told before server_start has returned: what fails at once fails by the timer. */
static void begin(struct server *server)
{
    struct err err = {0};
    if (server->definition.token_command.len == 0) {
        open_link(server);
        return;
    }
    server->token_run = token_run_start(server, on_token, server, &err);
    if (!server->token_run)
        server_fail(server, true, "%s", err.text);
}

static void on_timer(void *user)
{
    struct server *server = user;
    bool has_begun = server->link || server->token_run;
    if (server->state == MCP_WAITING) {
        server->restarts++;
        server_start(server);
    } else if (server->state == MCP_READY) {
        session_on_list_timer(server);
    } else if (!has_begun) {
        loop_timer_start(server->timer, start_ms(server), 0);
        begin(server);
    } else {
        server_fail(server, false,
                    "it did not answer within %llu s: try it by hand, or give it more with "
                    "\"startSeconds\"",
                    (unsigned long long)(start_ms(server) + 999) / 1000);
    }
}

void server_start(struct server *server)
{
    server_drop_link(server);
    server_set_state(server, MCP_STARTING);
    loop_timer_start(server->timer, 0, 0);
}

void server_on_ready(struct server *server)
{
    struct tool_list *list = &server->tools;
    tool_list_finish(list);
    *list = server->listing;
    server->listing = (struct tool_list){0};
    server->has_tools = server->was_ready = true;
    server->is_news = false;
    loop_timer_stop(server->timer);
    if (server->state != MCP_READY)
        server_set_state(server, MCP_READY);
    mcp_make_index(server->mcp);
    invocations_send(server);
    if (server->list_again)
        session_list_again(server);
    mcp_on_changed(server->mcp);
}

/* -- Life ------------------------------------------------------------------------------------ */

struct server *server_new(struct mcp *mcp, struct definition *definition)
{
    struct server *server = mem_new(struct server);
    server->mcp = mcp;
    server->definition = *definition;
    *definition = (struct definition){0};
    server->timer = loop_timer_new(mcp->env.loop, on_timer, server);
    return server;
}

void server_free(struct server *server)
{
    server_drop_link(server);
    token_run_free(server->token_run);
    while (server->calls.len > 0)
        mcp_call_cancel(server->calls.ptr[0]);
    vec_finish(&server->calls);
    loop_timer_free(server->timer);
    tool_list_finish(&server->tools);
    tool_list_finish(&server->listing);
    definition_finish(&server->definition);
    if (server->token.ptr)
        explicit_bzero(server->token.ptr, server->token.len);
    buf_finish(&server->token);
    buf_finish(&server->version);
    buf_finish(&server->detail);
    buf_finish(&server->roots);
    mem_free(server);
}
