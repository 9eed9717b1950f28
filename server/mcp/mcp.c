/* The servers together: started when they are needed, waited for, and what they offer as one list.
 */
#include <stdlib.h>
#include <string.h>

#include "mcp-internal.h"

const struct mcp_deadlines mcp_deadlines_default = {
    .start = LIMIT_MCP_START_MS,
    .wait = LIMIT_MCP_WAIT_MS,
    .call = LIMIT_MCP_CALL_MS,
    .backoff = 1000,
    .again = 10000,
    .stop = LIMIT_MCP_STOP_MS,
};

/* -- Waiting --------------------------------------------------------------------------------- */

static bool is_awaited(const struct server *server)
{
    bool is_starting = server->state == MCP_STARTING || server->state == MCP_LISTING;
    return is_starting && !server->has_tools && !server->was_awaited;
}

static bool is_anyone_awaited(const struct mcp *mcp)
{
    for (size_t i = 0; i < mcp->servers.len; i++)
        if (is_awaited(mcp->servers.ptr[i]))
            return true;
    return false;
}

bool mcp_is_settled(const struct mcp *mcp)
{
    for (size_t i = 0; i < mcp->servers.len; i++) {
        const struct server *server = mcp->servers.ptr[i];
        if (is_awaited(server) || (server->state == MCP_OFF && !server_is_off(server)))
            return false;
    }
    return true;
}

/* Whoever is told may wait again, or drop another one. */
static void tell_waiters(struct mcp *mcp)
{
    size_t count = mcp->waiters.len;
    loop_timer_stop(mcp->wait_timer);
    while (count-- > 0 && mcp->waiters.len > 0) {
        struct mcp_waiter waiter = mcp->waiters.ptr[0];
        vec_remove(&mcp->waiters, 0);
        waiter.on_ready(waiter.user);
    }
}

static void on_wait_timer(void *user)
{
    struct mcp *mcp = user;
    for (size_t i = 0; i < mcp->servers.len; i++)
        if (is_awaited(mcp->servers.ptr[i]))
            mcp->servers.ptr[i]->was_awaited = mcp->servers.ptr[i]->is_news = true;
    tell_waiters(mcp);
}

void mcp_append_awaited(const struct mcp *mcp, struct buf *names)
{
    const char *comma = "";
    for (size_t i = 0; i < mcp->servers.len; i++)
        if (is_awaited(mcp->servers.ptr[i])) {
            buf_append_fmt(names, "%s%s", comma, mcp->servers.ptr[i]->definition.name);
            comma = ", ";
        }
}

void mcp_append_news(struct mcp *mcp, struct buf *text)
{
    for (size_t i = 0; i < mcp->servers.len; i++) {
        struct server *server = mcp->servers.ptr[i];
        if (!server->is_news)
            continue;
        server->is_news = false;
        if (server->state == MCP_FAILED)
            buf_append_fmt(text, "The MCP server %s cannot be used: %s\n", server->definition.name,
                           server->detail.ptr);
        else if (!server->has_tools)
            buf_append_fmt(text,
                           "The MCP server %s is still starting: its tools come with the next "
                           "thread.\n",
                           server->definition.name);
    }
}

void mcp_on_changed(struct mcp *mcp)
{
    if (mcp->waiters.len > 0 && !is_anyone_awaited(mcp))
        tell_waiters(mcp);
}

static bool wants_start(const struct server *server)
{
    const struct mcp *mcp = server->mcp;
    uint64_t since = loop_now_ms(mcp->env.loop) - server->failed_ms;
    if (server->state == MCP_FAILED)
        return since >= mcp->deadlines.again;
    return server->state == MCP_OFF && !server_is_off(server);
}

bool mcp_prepare(struct mcp *mcp, void (*on_ready)(void *user), void *user)
{
    for (size_t i = 0; i < mcp->servers.len; i++) {
        struct server *server = mcp->servers.ptr[i];
        if (wants_start(server)) {
            server->failures = 0;
            server_start(server);
        } else {
            session_tell_roots(server);
        }
    }
    if (!is_anyone_awaited(mcp))
        return false;
    vec_push(&mcp->waiters, ((struct mcp_waiter){on_ready, user}));
    if (!loop_timer_is_active(mcp->wait_timer))
        loop_timer_start(mcp->wait_timer, mcp->deadlines.wait, 0);
    return true;
}

void mcp_prepare_drop(struct mcp *mcp, void *user)
{
    for (size_t i = mcp->waiters.len; i > 0; i--)
        if (mcp->waiters.ptr[i - 1].user == user)
            vec_remove(&mcp->waiters, i - 1);
}

/* -- What there is --------------------------------------------------------------------------- */

static int compare_tools(const void *a, const void *b)
{
    const struct mcp_tool *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static size_t tool_bytes(const struct mcp_tool *tool)
{
    return strlen(tool->name) + strlen(tool->description) + strlen(tool->schema);
}

void mcp_make_index(struct mcp *mcp)
{
    size_t bytes = 0;
    vec_clear(&mcp->index);
    for (size_t i = 0; i < mcp->servers.len; i++) {
        struct tool_list *list = &mcp->servers.ptr[i]->tools;
        for (size_t k = 0; k < list->len; k++) {
            bytes += tool_bytes(&list->ptr[k]);
            if (mcp->index.len < LIMIT_MCP_TOOLS_COUNT && bytes <= LIMIT_MCP_TOOLS_BYTES)
                vec_push(&mcp->index, &list->ptr[k]);
        }
    }
    if (mcp->index.len > 0)
        qsort(mcp->index.ptr, mcp->index.len, sizeof(*mcp->index.ptr), compare_tools);
}

size_t mcp_tool_count(const struct mcp *mcp)
{
    return mcp->index.len;
}

const struct mcp_tool *mcp_tool_at(const struct mcp *mcp, size_t index)
{
    return mcp->index.ptr[index];
}

const struct mcp_tool *mcp_tool_find(const struct mcp *mcp, struct str name)
{
    for (size_t i = 0; i < mcp->index.len; i++)
        if (str_eq_c(name, mcp->index.ptr[i]->name))
            return mcp->index.ptr[i];
    return NULL;
}

size_t mcp_server_count(const struct mcp *mcp)
{
    return mcp->servers.len;
}

/* Of one server, those that found room among all. */
static size_t count_offered(const struct mcp *mcp, const struct server *server)
{
    size_t count = 0;
    for (size_t i = 0; i < mcp->index.len; i++)
        count += strcmp(mcp->index.ptr[i]->server, server->definition.name) == 0;
    return count;
}

void mcp_server_status(const struct mcp *mcp, size_t index, struct mcp_status *ret_status)
{
    const struct server *server = mcp->servers.ptr[index];
    size_t offered = count_offered(mcp, server), crowded = server->tools.len - offered;
    const char *why = server->tools.why;
    if (crowded > 0 && !why[0])
        why = "all servers together have too many: name those you want in \"tools\"";
    *ret_status = (struct mcp_status){
        .name = server->definition.name,
        .state = server->state,
        .is_http = server->definition.url != NULL,
        .tools = offered,
        .left_out = server->tools.left_out + crowded,
        .restarts = server->restarts,
        .detail = server_is_off(server) ? "turned off in mcp.servers"
                  : server->detail.ptr  ? server->detail.ptr
                                        : "",
        .left_out_why = why,
    };
}

/* -- Stopping -------------------------------------------------------------------------------- */

static size_t count_links(const struct mcp *mcp)
{
    size_t count = 0;
    for (size_t i = 0; i < mcp->servers.len; i++)
        count += mcp->servers.ptr[i]->link != NULL;
    return count;
}

static void end_stop(struct mcp *mcp)
{
    void (*on_stopped)(void *user) = mcp->on_stopped;
    loop_timer_stop(mcp->stop_timer);
    mcp->on_stopped = NULL;
    if (on_stopped)
        on_stopped(mcp->stop_user);
}

void mcp_on_server_stopped(struct mcp *mcp)
{
    if (count_links(mcp) == 0)
        end_stop(mcp);
}

static void on_stop_timer(void *user)
{
    struct mcp *mcp = user;
    if (mcp->has_urged) {
        end_stop(mcp);
        return;
    }
    mcp->has_urged = true;
    for (size_t i = 0; i < mcp->servers.len; i++)
        if (mcp->servers.ptr[i]->link)
            mcp->servers.ptr[i]->link->ops->urge(mcp->servers.ptr[i]->link);
    loop_timer_start(mcp->stop_timer, mcp->deadlines.stop / 2, 0);
}

bool mcp_stop(struct mcp *mcp, void (*on_stopped)(void *user), void *user)
{
    mcp->is_stopping = true;
    for (size_t i = 0; i < mcp->servers.len; i++) {
        struct server *server = mcp->servers.ptr[i];
        loop_timer_stop(server->timer);
        if (server->link && !server->link->ops->stop(server->link))
            server_drop_link(server);
    }
    if (count_links(mcp) == 0)
        return false;
    mcp->on_stopped = on_stopped;
    mcp->stop_user = user;
    loop_timer_start(mcp->stop_timer, mcp->deadlines.stop / 2, 0);
    return true;
}

/* -- Life ------------------------------------------------------------------------------------ */

static void add_server(void *user, struct definition *definition)
{
    struct mcp *mcp = user;
    vec_push(&mcp->servers, server_new(mcp, definition));
}

struct mcp *mcp_new(const struct mcp_env *env, struct str servers)
{
    struct mcp *mcp = mem_new(struct mcp);
    mcp->env = *env;
    mcp->deadlines = env->deadlines ? *env->deadlines : mcp_deadlines_default;
    mcp->home = mem_dup_c(env->home);
    mcp->wait_timer = loop_timer_new(env->loop, on_wait_timer, mcp);
    mcp->stop_timer = loop_timer_new(env->loop, on_stop_timer, mcp);
    settings_each(servers, add_server, mcp, NULL);
    return mcp;
}

void mcp_free(struct mcp *mcp)
{
    if (!mcp)
        return;
    for (size_t i = 0; i < mcp->servers.len; i++)
        server_free(mcp->servers.ptr[i]);
    vec_finish(&mcp->servers);
    vec_finish(&mcp->index);
    vec_finish(&mcp->waiters);
    loop_timer_free(mcp->wait_timer);
    loop_timer_free(mcp->stop_timer);
    mem_free(mcp->home);
    mem_free(mcp);
}
