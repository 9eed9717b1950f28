/* Calls of tools: sent once, when the server is ready, and ended once. */
#include <stdio.h>

#include "mcp-internal.h"

struct mcp_call *invocation_find(struct server *server, int64_t id)
{
    for (size_t i = 0; i < server->calls.len && id > 0; i++)
        if (server->calls.ptr[i]->id == id)
            return server->calls.ptr[i];
    return NULL;
}

static void free_call(struct mcp_call *call)
{
    struct server *server = call->server;
    for (size_t i = 0; server && i < server->calls.len; i++)
        if (server->calls.ptr[i] == call) {
            vec_remove(&server->calls, i);
            break;
        }
    loop_timer_free(call->timer);
    buf_finish(&call->arguments);
    buf_finish(&call->failure);
    mem_free(call->own_name);
    mem_free(call);
}

static void tell(struct mcp_call *call, const struct mcp_result *result)
{
    struct mcp_call_handlers handlers = call->handlers;
    void *user = call->user;
    free_call(call);
    handlers.on_done(user, result);
}

void invocation_end(struct mcp_call *call, bool ok, struct str text)
{
    tell(call, &(struct mcp_result){.ok = ok, .text = text});
}

void invocation_answer(struct mcp_call *call, bool ok, const struct answer *answer)
{
    VEC(struct str) images = {0};
    for (size_t i = 0; i < answer->images.len; i++)
        vec_push(&images, buf_str(&answer->images.ptr[i]));
    tell(call, &(struct mcp_result){.ok = ok,
                                    .text = buf_str(&answer->text),
                                    .images = images.ptr,
                                    .image_count = images.len});
    vec_finish(&images);
}

/* -- Sending --------------------------------------------------------------------------------- */

void invocation_send(struct mcp_call *call)
{
    struct server *server = call->server;
    struct buf json = {0};
    call->id = session_next_id(server);
    session_append_head(&json, call->id, "tools/call");
    buf_append_c(&json, "{\"name\":");
    json_append_quoted(&json, str_from(call->own_name));
    buf_append_fmt(&json, ",\"arguments\":" STR_FMT ",\"_meta\":{\"progressToken\":%lld}}}",
                   STR_ARG(buf_str(&call->arguments)), (long long)call->id);
    server->link->ops->send(server->link, &json, call->id);
    buf_finish(&json);
}

void invocations_send(struct server *server)
{
    for (size_t i = 0; i < server->calls.len; i++)
        if (server->calls.ptr[i]->id == 0)
            invocation_send(server->calls.ptr[i]);
}

/* -- Failing --------------------------------------------------------------------------------- */

static void fail_one(struct mcp_call *call, const char *why)
{
    struct buf text = {0};
    if (call->id != 0)
        buf_append_fmt(&text,
                       "The MCP server %s failed while the tool ran: %s. Whether the tool took "
                       "effect is not known, and it was not called again.",
                       call->server->definition.name, why);
    else
        buf_append_fmt(&text, "The tool was not called: the MCP server %s does not run: %s",
                       call->server->definition.name, why);
    invocation_end(call, false, buf_str(&text));
    buf_finish(&text);
}

/* Whoever is told may start or cancel others: looks anew each time. */
void invocations_fail(struct server *server, bool all, const char *why)
{
    char *copy = mem_dup_c(why);
    for (size_t i = 0; i < server->calls.len;) {
        struct mcp_call *call = server->calls.ptr[i];
        if (!all && call->id == 0) {
            i++;
            continue;
        }
        fail_one(call, copy);
        i = 0;
    }
    mem_free(copy);
}

static void tell_cancelled(struct mcp_call *call, const char *reason)
{
    struct server *server = call->server;
    struct buf json = {0};
    if (!server || !server->link || call->id == 0)
        return;
    session_append_head(&json, 0, "notifications/cancelled");
    buf_append_fmt(&json, "{\"requestId\":%lld,\"reason\":\"%s\"}}", (long long)call->id, reason);
    server->link->ops->send(server->link, &json, 0);
    server->link->ops->forget(server->link, call->id);
    buf_finish(&json);
}

static uint64_t call_ms(const struct mcp_call *call)
{
    uint64_t own = call->server ? call->server->definition.call_ms : 0;
    return own ? own : call->mcp->deadlines.call;
}

static void on_timer(void *user)
{
    struct mcp_call *call = user;
    struct buf text = {0};
    if (call->failure.len > 0) {
        buf_move(&text, &call->failure);
    } else {
        tell_cancelled(call, "it took too long");
        buf_append_fmt(&text,
                       "The MCP server %s gave no answer within %llu s, and was told to stop. "
                       "Whether the tool took effect is not known. The user can allow more with "
                       "\"callSeconds\" in mcp.servers.",
                       call->server->definition.name,
                       (unsigned long long)(call_ms(call) + 999) / 1000);
    }
    invocation_end(call, false, buf_str(&text));
    buf_finish(&text);
}

/* -- The door -------------------------------------------------------------------------------- */

static struct server *server_of(struct mcp *mcp, const struct mcp_tool *tool)
{
    for (size_t i = 0; tool && i < mcp->servers.len; i++)
        if (str_eq_c(str_from(tool->server), mcp->servers.ptr[i]->definition.name))
            return mcp->servers.ptr[i];
    return NULL;
}

struct mcp_call *mcp_call_start(struct mcp *mcp, struct str name, struct str arguments,
                                const struct mcp_call_handlers *handlers, void *user)
{
    const struct mcp_tool *tool = mcp_tool_find(mcp, name);
    struct mcp_call *call = mem_new(struct mcp_call);
    call->mcp = mcp;
    call->server = server_of(mcp, tool);
    call->handlers = *handlers;
    call->user = user;
    call->timer = loop_timer_new(mcp->env.loop, on_timer, call);
    if (!call->server) {
        buf_append_fmt(&call->failure,
                       "There is no tool \"" STR_FMT "\" any more: its MCP server took it back.",
                       STR_ARG(str_slice(name, 0, 100)));
        loop_timer_start(call->timer, 0, 0);
        return call;
    }
    call->own_name = mem_dup_c(tool->own_name);
    buf_append(&call->arguments, arguments);
    vec_push(&call->server->calls, call);
    loop_timer_start(call->timer, call_ms(call), 0);
    if (call->server->state == MCP_READY)
        invocation_send(call);
    else if (call->server->state == MCP_OFF || call->server->state == MCP_FAILED)
        server_start(call->server);
    return call;
}

void mcp_call_cancel(struct mcp_call *call)
{
    tell_cancelled(call, "the user cancelled it");
    free_call(call);
}
