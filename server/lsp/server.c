#include "lsp-internal.h"

/* -- Dispatch ---------------------------------------------------------------------------------- */

static const struct lsp_method *const requests[] = {
    lifecycle_requests,  command_requests, rich_requests,    review_requests,  modes_requests,
    queue_requests,      inline_requests,  prompts_requests, catalog_requests, audit_requests,
    completion_requests, accept_requests,  commit_requests};
/* Of requests that are not answered at once: true, it was that one, and it is no more. */
static bool (*const cancels[])(struct lsp_server *server,
                               struct str id) = {inline_cancel, commit_cancel, turn_cancel_request};

static void handle_cancel(struct lsp_server *server, const struct jsonrpc_message *message)
{
    const struct json_value *id = json_get(message->params, "id");
    struct buf raw = {0}; /* as the peer keeps it */
    struct json_writer w;
    json_writer_init(&w, &raw);
    if (json_is(id, JSON_STRING))
        json_write_str(&w, json_str(id));
    else
        json_write_int(&w, json_int(id, -1));
    for (size_t i = 0; i < array_count(cancels); i++)
        if (cancels[i](server, buf_str(&raw))) {
            jsonrpc_respond_error(server->peer, buf_str(&raw), JSONRPC_REQUEST_CANCELLED,
                                  "cancelled");
            break;
        }
    buf_finish(&raw);
}

static const struct lsp_method cancel_notifications[] = {
    {"$/cancelRequest", handle_cancel},
    {NULL, NULL},
};

static const struct lsp_method *const notifications[] = {
    lifecycle_notifications, sync_notifications, progress_notifications, cancel_notifications};

static lsp_method_fn *method_find(const struct lsp_method *const *tables, size_t count,
                                  struct str name)
{
    for (size_t i = 0; i < count; i++)
        for (const struct lsp_method *method = tables[i]; method->name; method++)
            if (str_eq_c(name, method->name))
                return method->handle;
    return NULL;
}

static void on_request(void *user, const struct jsonrpc_message *message)
{
    struct lsp_server *server = user;
    bool is_initialize = str_eq_c(message->method, "initialize");
    if (server->state == LSP_NEW && !is_initialize) {
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_SERVER_NOT_INITIALIZED,
                              "\"" STR_FMT "\" came before \"initialize\"",
                              STR_ARG(message->method));
        return;
    }
    if (server->state >= LSP_SHUT_DOWN || (server->state == LSP_RUNNING && is_initialize)) {
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_INVALID_REQUEST,
                              "\"" STR_FMT "\" came %s", STR_ARG(message->method),
                              is_initialize ? "a second time" : "after \"shutdown\"");
        return;
    }
    lsp_method_fn *handle = method_find(requests, array_count(requests), message->method);
    if (str_starts_with(message->method, STR("lanebridge/")) ||
        str_eq_c(message->method, "workspace/executeCommand"))
        lifecycle_take_news(server); /* before anything holds what goes with it */
    if (handle)
        handle(server, message);
    else
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_METHOD_NOT_FOUND,
                              "lanebridge has no method \"" STR_FMT "\"", STR_ARG(message->method));
}

static void on_notification(void *user, const struct jsonrpc_message *message)
{
    struct lsp_server *server = user;
    if (str_eq_c(message->method, "exit")) {
        server_end(server, server->state == LSP_SHUT_DOWN ? 0 : 1);
        return;
    }
    if (server->state != LSP_RUNNING)
        return;
    lsp_method_fn *handle = method_find(notifications, array_count(notifications), message->method);
    if (handle)
        handle(server, message);
}

/* A message too large or with NUL in it: if it was a document's text, the document is open but its
 * text is not known to us, and tools refuse it until it is closed. */
static void on_unreadable(void *user, struct str method, struct str uri, const struct err *err)
{
    struct lsp_server *server = user;
    log_line(LOG_WARN, "unreadable message method=" STR_FMT " why=\"%s\"", STR_ARG(method),
             err->text);
    if (uri.len == 0 || server->state != LSP_RUNNING)
        return;
    struct buf path = {0};
    uint64_t device = 0, inode = 0;
    convert_uri(uri, &path, &device, &inode, NULL);
    if (str_eq_c(method, "textDocument/didOpen"))
        document_open(server->env.documents, uri, buf_str(&path), device, inode, STR(""), 0, NULL,
                      str_from(err->text));
    else if (str_eq_c(method, "textDocument/didChange"))
        document_lose_text(server->env.documents, uri, str_from(err->text));
    buf_finish(&path);
}

static void on_closed(void *user, enum status status)
{
    struct lsp_server *server = user;
    server->client_gone = true;
    if (status < 0 && status != STATUS_CLOSED)
        log_line(LOG_ERROR, "editor stream status=%s", status_name(status));
    server_end(server, server->state == LSP_SHUT_DOWN ? 0 : 1);
}

/* What a turn may wait for; not what only shows something. */
static void on_round_trip(void *user, const char *method, uint64_t asked_ms)
{
    static const char *const waited_for[] = {"lanebridge/", "workspace/applyEdit",
                                             "window/showMessageRequest"};
    struct lsp_server *server = user;
    for (size_t i = 0; server->agent && i < array_count(waited_for); i++)
        if (str_starts_with(str_from(method), str_from(waited_for[i])))
            agent_note_editor(server->agent, method, asked_ms, loop_now_ms(server->env.loop));
}

static void leave(void *user)
{
    struct lsp_server *server = user;
    if (server->has_left)
        return;
    loop_timer_stop(server->leave_timer);
    server->has_left = true;
    server->env.on_exit(server->env.user, server->exit_code);
}

/* What was answered is written first, as far as somebody reads it: a client may ask, say "exit" in
 * the same breath, and read afterwards. */
void server_end(struct lsp_server *server, int code)
{
    if (server->state == LSP_ENDED)
        return;
    server->state = LSP_ENDED;
    server->exit_code = code;
    server->leave_timer = loop_timer_new(server->env.loop, leave, server);
    loop_timer_start(server->leave_timer, LIMIT_LSP_LEAVE_MS, 0);
    jsonrpc_flush(server->peer, leave, server);
}

/* -- Messages to the person -------------------------------------------------------------------- */

static void send_message(struct lsp_server *server, const char *method, int type,
                         const char *format, va_list args) __attribute__((format(printf, 4, 0)));
static void send_message(struct lsp_server *server, const char *method, int type,
                         const char *format, va_list args)
{
    struct buf text = {0}, params = {0};
    struct json_writer w;
    buf_append_vfmt(&text, format, args);
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_field_int(&w, "type", type);
    json_write_field_str(&w, "message", buf_str(&text));
    json_write_end_object(&w);
    jsonrpc_notify(server->peer, method, buf_str(&params));
    buf_finish(&text);
    buf_finish(&params);
}

void server_show_message(struct lsp_server *server, int type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_message(server, "window/showMessage", type, format, args);
    va_end(args);
}

void server_log_message(struct lsp_server *server, int type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_message(server, "window/logMessage", type, format, args);
    va_end(args);
}

void server_ignore_answer(void *user, const struct jsonrpc_answer *answer)
{
    (void)user;
    (void)answer;
}

void server_repair(struct lsp_server *server)
{
    struct buf report = {0};
    workspace_repair(server->env.workspace, &report);
    struct str rest = buf_str(&report), line;
    while (str_next(&rest, '\n', &line))
        if (line.len > 0)
            server_show_message(server, 2, STR_FMT, STR_ARG(line));
    buf_finish(&report);
}

struct agent *server_agent(struct lsp_server *server, struct err *err)
{
    if (server->agent)
        return server->agent;
    server->agent =
        server->env.agent(server->env.user, &server->host, threads_on_event, server, err);
    if (server->agent)
        server_repair(server);
    return server->agent;
}

/* -- The object -------------------------------------------------------------------------------- */

struct lsp_server *lsp_server_new(const struct lsp_env *env, int read_fd, int write_fd,
                                  struct err *err)
{
    static const struct jsonrpc_handlers handlers = {.on_request = on_request,
                                                     .on_notification = on_notification,
                                                     .on_unreadable = on_unreadable,
                                                     .on_closed = on_closed,
                                                     .on_round_trip = on_round_trip};
    struct lsp_server *server = mem_new(struct lsp_server);
    server->env = *env;
    server->encoding = POSITION_UTF16;
    server->apply_waits = &apply_waits_default;
    host_init_ops(server);
    server->host = (struct host){.ops = &server->host_ops, .host = server};
    server->peer = jsonrpc_peer_new(env->loop, read_fd, write_fd, &handlers, server, err);
    if (server->peer)
        return server;
    lsp_server_free(server);
    return NULL;
}

void lsp_server_start(struct lsp_server *server)
{
    jsonrpc_peer_start(server->peer);
}

void lsp_server_free(struct lsp_server *server)
{
    if (!server)
        return;
    inline_free(server);
    commits_finish(server);
    completion_finish(server);
    applies_free(server);
    gathers_free(server);
    trust_free(server);
    starts_finish(server);
    askings_free(server);
    accept_free(server);
    modes_free(server);
    rich_free(server);
    review_free(server);
    progress_free(server);
    transcripts_free(server);
    loop_timer_free(server->parent_timer);
    loop_timer_free(server->leave_timer);
    jsonrpc_peer_free(server->peer);
    mem_free(server);
}
