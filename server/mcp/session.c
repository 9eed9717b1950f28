/* What is said with a server: the handshake, its list of tools, and what it asks of us. */
#include <stdio.h>

#include "mcp-internal.h"

/* Newest first. What servers of other revisions do differently does not matter for tools. */
static const char *const versions[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};

enum { METHOD_NOT_FOUND = -32601, RELIST_MS = 200 };

int64_t session_next_id(struct server *server)
{
    return ++server->mcp->last_id;
}

void session_append_head(struct buf *json, int64_t id, const char *method)
{
    buf_append_c(json, "{\"jsonrpc\":\"2.0\",");
    if (id > 0)
        buf_append_fmt(json, "\"id\":%lld,", (long long)id);
    buf_append_fmt(json, "\"method\":\"%s\",\"params\":", method);
}

static void send_json(struct server *server, struct buf *json, int64_t id)
{
    server->link->ops->send(server->link, json, id);
    buf_finish(json);
}

static void notify(struct server *server, const char *method)
{
    struct buf json = {0};
    session_append_head(&json, 0, method);
    buf_append_c(&json, "{}}");
    send_json(server, &json, 0);
}

/* -- The handshake --------------------------------------------------------------------------- */

void session_begin(struct server *server)
{
    struct buf json = {0};
    server->asked_id = session_next_id(server);
    session_append_head(&json, server->asked_id, "initialize");
    buf_append_fmt(&json,
                   "{\"protocolVersion\":\"%s\",\"capabilities\":{\"roots\":{\"listChanged\":true}}"
                   ",\"clientInfo\":{\"name\":\"lanebridge\",\"version\":\"%s\"}}}",
                   versions[0], LANEBRIDGE_VERSION);
    send_json(server, &json, server->asked_id);
}

static bool agree(struct server *server, struct str version)
{
    buf_clear(&server->version);
    for (size_t i = 0; i < array_count(versions); i++)
        if (str_eq_c(version, versions[i]))
            buf_append(&server->version, version);
    return server->version.len > 0;
}

static void ask_for_tools(struct server *server, struct str cursor)
{
    struct buf json = {0};
    server->asked_id = session_next_id(server);
    session_append_head(&json, server->asked_id, "tools/list");
    if (cursor.len > 0) {
        buf_append_c(&json, "{\"cursor\":");
        json_append_quoted(&json, cursor);
        buf_append_c(&json, "}}");
    } else {
        buf_append_c(&json, "{}}");
    }
    send_json(server, &json, server->asked_id);
}

static void list_from_start(struct server *server)
{
    tool_list_finish(&server->listing);
    server->pages = 0;
    server->list_again = false;
    ask_for_tools(server, STR(""));
}

/* A server may say so with every list it gives: not more often than this. */
void session_list_again(struct server *server)
{
    server->list_again = true;
    if (server->asked_id == 0 && server->state == MCP_READY)
        loop_timer_start(server->timer, RELIST_MS, 0);
}

void session_on_list_timer(struct server *server)
{
    server->asked_id = 0; /* of a list that takes too long: the one it had is good enough */
    tool_list_finish(&server->listing);
    if (!server->list_again)
        return;
    loop_timer_start(server->timer, server->mcp->deadlines.start, 0);
    list_from_start(server);
}

static void remember_who(struct server *server, const struct json_value *result)
{
    const struct json_value *info = json_get(result, "serverInfo");
    struct str name = json_get_str(info, "name"), version = json_get_str(info, "version");
    struct buf raw = {0};
    buf_append_fmt(&raw, STR_FMT " " STR_FMT, STR_ARG(str_slice(name, 0, 80)),
                   STR_ARG(str_slice(version, 0, 40)));
    buf_clear(&server->detail);
    utf8_append_printable(&server->detail, str_trim(buf_str(&raw)));
    buf_finish(&raw);
}

static void on_initialized(struct server *server, const struct json_value *result)
{
    struct str version = json_get_str(result, "protocolVersion");
    if (!agree(server, version)) {
        server_fail(server, true,
                    "it speaks revision \"%.40s\" of the protocol, which is not known here: use "
                    "another version of it",
                    version.len > 0 ? version.ptr : "(none)");
        return;
    }
    remember_who(server, result);
    server->link->ops->agreed(server->link, server->version.ptr);
    server_set_state(server, MCP_LISTING);
    notify(server, "notifications/initialized");
    if (json_is(json_at(result, "capabilities", "tools", NULL), JSON_OBJECT)) {
        list_from_start(server);
    } else {
        server->asked_id = 0;
        server_on_ready(server);
    }
}

/* -- Tools ----------------------------------------------------------------------------------- */

static bool is_listed(const struct tool_list *list, const struct mcp_tool *tool)
{
    for (size_t i = 0; i < list->len; i++)
        if (str_eq_c(str_from(list->ptr[i].name), tool->name))
            return true;
    return false;
}

static void leave_out(struct tool_list *list, const char *why)
{
    if (list->left_out++ == 0)
        snprintf(list->why, sizeof(list->why), "%.*s", (int)sizeof(list->why) - 1, why);
}

static void take_tool(struct server *server, const struct json_value *value)
{
    struct tool_list *list = &server->listing;
    struct mcp_tool tool;
    struct err err = {0};
    enum status status = tool_read(value, &server->definition, &tool, &err);
    if (status == STATUS_NOT_FOUND)
        return;
    if (status < 0) {
        leave_out(list, err.text);
    } else if (is_listed(list, &tool)) {
        leave_out(list, "a name is listed twice");
        tool_finish(&tool);
    } else if (list->len >= LIMIT_MCP_TOOLS_COUNT) {
        leave_out(list, "there are too many tools: name those you want in \"tools\"");
        tool_finish(&tool);
    } else {
        vec_push(list, tool);
    }
}

static void on_listed(struct server *server, const struct json_value *result)
{
    const struct json_value *tools = json_get(result, "tools");
    const struct json_value *one = json_is(tools, JSON_ARRAY) ? json_first(tools) : NULL;
    struct str cursor = json_get_str(result, "nextCursor");
    for (; one; one = json_next(one))
        take_tool(server, one);
    if (cursor.len > 0 && ++server->pages < LIMIT_MCP_PAGES_COUNT)
        ask_for_tools(server, cursor);
    else
        server_on_ready(server);
}

/* -- Answers --------------------------------------------------------------------------------- */

static void on_answer(struct server *server, const struct message *message)
{
    struct mcp_call *call = invocation_find(server, message->number);
    if (message->number == server->asked_id && server->asked_id != 0) {
        server->asked_id = 0;
        (server->state == MCP_STARTING ? on_initialized : on_listed)(server, message->result);
    } else if (call) {
        struct answer answer = {0};
        bool ok = answer_read(message->result, &answer);
        server->failures = 0; /* it works */
        invocation_answer(call, ok, &answer);
        answer_finish(&answer);
    }
}

static void on_handshake_refused(struct server *server, struct str text)
{
    const char *what = server->state == MCP_STARTING ? "initialize" : "tools/list";
    if (server->state == MCP_READY) {
        loop_timer_stop(server->timer); /* the list it had is good enough */
        tool_list_finish(&server->listing);
    } else {
        server_fail(server, true, "it refused %s: %.*s", what, (int)str_slice(text, 0, 300).len,
                    text.len > 0 ? text.ptr : "");
    }
}

static void on_error(struct server *server, const struct message *message)
{
    struct mcp_call *call = invocation_find(server, message->number);
    if (message->number == server->asked_id && server->asked_id != 0) {
        server->asked_id = 0;
        on_handshake_refused(server, message->text);
    } else if (call) {
        struct buf text = {0};
        buf_append_fmt(&text, "The MCP server %s refused the call: " STR_FMT " (code %lld)",
                       server->definition.name, STR_ARG(message->text), (long long)message->code);
        server->failures = 0;
        invocation_end(call, false, buf_str(&text));
        buf_finish(&text);
    }
}

/* -- What it asks of us ---------------------------------------------------------------------- */

static void append_roots(struct server *server, struct buf *json)
{
    const struct mcp_env *env = &server->mcp->env;
    if (env->append_roots)
        env->append_roots(env->user, json);
    else
        buf_append_c(json, "[]");
}

static void answer_ping(struct server *server, struct buf *json)
{
    (void)server;
    buf_append_c(json, "\"result\":{}}");
}

static void answer_roots(struct server *server, struct buf *json)
{
    buf_clear(&server->roots);
    append_roots(server, &server->roots);
    buf_append_c(json, "\"result\":{\"roots\":");
    buf_append(json, buf_str(&server->roots));
    buf_append_c(json, "}}");
}

static const struct {
    const char *method;
    void (*answer)(struct server *server, struct buf *json);
} requests[] = {
    {"ping", answer_ping},
    {"roots/list", answer_roots},
};

static void on_request(struct server *server, const struct message *message)
{
    struct buf json = {0};
    buf_append_c(&json, "{\"jsonrpc\":\"2.0\",\"id\":");
    json_append(&json, message->id);
    buf_append_byte(&json, ',');
    size_t start = json.len;
    for (size_t i = 0; i < array_count(requests); i++)
        if (str_eq_c(message->method, requests[i].method))
            requests[i].answer(server, &json);
    if (json.len == start) {
        struct buf text = {0};
        buf_append_fmt(&text,
                       "Lanebridge does not offer " STR_FMT ": it gives servers its folders, and "
                       "calls their tools",
                       STR_ARG(str_slice(message->method, 0, 80)));
        buf_append_fmt(&json, "\"error\":{\"code\":%d,\"message\":", METHOD_NOT_FOUND);
        json_append_quoted(&json, buf_str(&text));
        buf_append_c(&json, "}}");
        buf_finish(&text);
    }
    send_json(server, &json, 0);
}

void session_tell_roots(struct server *server)
{
    struct buf now = {0};
    append_roots(server, &now);
    bool was_told = server->roots.len > 0;
    if (server->state == MCP_READY && was_told && !str_eq(buf_str(&now), buf_str(&server->roots))) {
        buf_clear(&server->roots);
        buf_append(&server->roots, buf_str(&now));
        notify(server, "notifications/roots/list_changed");
    }
    buf_finish(&now);
}

/* -- What it tells --------------------------------------------------------------------------- */

static void on_progress(struct server *server, const struct json_value *params)
{
    struct mcp_call *call = invocation_find(server, json_get_int(params, "progressToken", -1));
    struct str text = json_get_str(params, "message");
    if (!call || !call->handlers.on_progress)
        return;
    struct buf line = {0};
    double done = json_number(json_get(params, "progress"), 0);
    double total = json_number(json_get(params, "total"), 0);
    buf_append(&line, str_slice(text, 0, utf8_floor(text, 500)));
    if (total > 0)
        buf_append_fmt(&line, "%s%g of %g", line.len > 0 ? ": " : "", done, total);
    else if (line.len == 0)
        buf_append_fmt(&line, "%g", done);
    buf_append_byte(&line, '\n');
    call->handlers.on_progress(call->user, buf_str(&line));
    buf_finish(&line);
}

static void on_log(struct server *server, const struct json_value *params)
{
    struct buf data = {0};
    if (log_get_level() < LOG_DEBUG)
        return;
    if (json_get(params, "data"))
        json_append(&data, json_get(params, "data"));
    log_line(LOG_DEBUG, "mcp_says server=%s data=" STR_FMT, server->definition.name,
             STR_ARG(str_slice(buf_str(&data), 0, 500)));
    buf_finish(&data);
}

static void on_list_changed(struct server *server, const struct json_value *params)
{
    (void)params;
    if (server->state == MCP_READY || server->state == MCP_LISTING)
        session_list_again(server);
}

static const struct {
    const char *method;
    void (*handle)(struct server *server, const struct json_value *params);
} notifications[] = {
    {"notifications/progress", on_progress},
    {"notifications/message", on_log},
    {"notifications/tools/list_changed", on_list_changed},
};

static void on_notification(struct server *server, const struct message *message)
{
    for (size_t i = 0; i < array_count(notifications); i++)
        if (str_eq_c(message->method, notifications[i].method))
            notifications[i].handle(server, message->params);
}

/* -- From the link --------------------------------------------------------------------------- */

struct hearing {
    struct server *server;
    const struct link *link;
};

static bool hear(void *user, const struct message *message)
{
    static void (*const handle[])(struct server *, const struct message *) = {
        [MESSAGE_ANSWER] = on_answer,
        [MESSAGE_ERROR] = on_error,
        [MESSAGE_REQUEST] = on_request,
        [MESSAGE_NOTIFICATION] = on_notification,
    };
    struct hearing *hearing = user;
    handle[message->kind](hearing->server, message);
    return hearing->server->link == hearing->link;
}

bool session_on_message(struct server *server, struct str text)
{
    struct hearing hearing = {server, server->link};
    if (message_each(text, hear, &hearing) == 0 && server->rubbish++ == 0)
        log_line(LOG_WARN, "mcp_no_message server=%s text=\"" STR_FMT "\"", server->definition.name,
                 STR_ARG(str_slice(text, 0, 80)));
    return server->link == hearing.link;
}

void session_on_failed(struct server *server, int64_t id, const char *text)
{
    struct mcp_call *call = invocation_find(server, id);
    if (id != 0 && id == server->asked_id && server->state == MCP_READY) {
        server->asked_id = 0;
        on_handshake_refused(server, str_from(text));
    } else if (id != 0 && id == server->asked_id) {
        server_fail(server, false, "%s", text);
    } else if (call) {
        struct buf said = {0};
        buf_append_fmt(&said,
                       "The MCP server %s gave no answer: %s. Whether the tool took effect is not "
                       "known.",
                       server->definition.name, text);
        invocation_end(call, false, buf_str(&said));
        buf_finish(&said);
    }
}

/* The call was refused for it, so it did not run: with a new session it is sent once more. */
void session_on_expired(struct server *server, int64_t id)
{
    struct mcp_call *call = invocation_find(server, id);
    if (server->state != MCP_READY) {
        server_fail(server, false, "it ended its session while it was being begun");
        return;
    }
    if (call && !call->was_resent) {
        call->was_resent = true;
        call->id = 0;
    }
    invocations_fail(server, false, "its session ended");
    server->restarts++;
    server_start(server);
}

void session_on_oversize(struct server *server)
{
    char why[160];
    snprintf(why, sizeof(why), "it sent a message of over %zu MiB, which was not read",
             LIMIT_MCP_MESSAGE_BYTES / MIB);
    if (server->state == MCP_READY)
        invocations_fail(server, false, why);
    else
        server_fail(server, true, "%s", why);
}

void session_on_closed(struct server *server, bool hopeless, const char *text)
{
    if (server->mcp->is_stopping) {
        server_drop_link(server);
        mcp_on_server_stopped(server->mcp);
        return;
    }
    server_fail(server, hopeless, "%s", text);
}
