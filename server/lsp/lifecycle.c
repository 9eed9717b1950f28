/* initialize … exit, settings, folders. */
#include "lsp-internal.h"

#include <errno.h>
#include <signal.h>

enum { PARENT_CHECK_MS = 3000 };

/* -- initialize -------------------------------------------------------------------------------- */

static void choose_encoding(struct lsp_server *server, const struct json_value *capabilities)
{
    static const enum position_encoding preferred[] = {POSITION_UTF8, POSITION_UTF32,
                                                       POSITION_UTF16};
    const struct json_value *offered = json_at(capabilities, "general", "positionEncodings", NULL);
    for (size_t i = 0; i < array_count(preferred); i++)
        for (const struct json_value *one = json_first(offered); one; one = json_next(one))
            if (str_eq_c(json_str(one), position_encoding_name(preferred[i]))) {
                server->encoding = preferred[i];
                return;
            }
    server->encoding = POSITION_UTF16;
}

static void add_folder(struct lsp_server *server, struct str uri, struct str name)
{
    struct buf path = {0};
    struct err err = {0};
    enum status status = uri_to_path(uri, &path, &err);
    if (status == STATUS_OK)
        status = workspace_add_root(server->env.workspace, buf_str(&path), name, &err);
    if (status < 0 && status != STATUS_EXISTS)
        log_line(LOG_WARN, "folder not opened uri=" STR_FMT " why=\"%s\"", STR_ARG(uri), err.text);
    buf_finish(&path);
}

/* Helix names a folder that has no mark of a project (.git, …) by the old rootPath alone. */
static void add_folders(struct lsp_server *server, const struct json_value *params)
{
    const struct json_value *folders = json_get(params, "workspaceFolders");
    struct str uri = json_get_str(params, "rootUri"), path = json_get_str(params, "rootPath");
    for (const struct json_value *one = json_first(folders); one; one = json_next(one))
        add_folder(server, json_get_str(one, "uri"), json_get_str(one, "name"));
    if (json_first(folders))
        return;
    if (uri.len > 0) {
        add_folder(server, uri, STR(""));
    } else if (str_starts_with(path, STR("/"))) {
        struct buf made = {0};
        uri_append_file(&made, path);
        add_folder(server, buf_str(&made), STR(""));
        buf_finish(&made);
    }
}

static void tell_warnings(struct lsp_server *server, struct str warnings)
{
    struct str line;
    while (str_next(&warnings, '\n', &line))
        if (line.len > 0)
            server_show_message(server, 2, "Lanebridge settings: " STR_FMT, STR_ARG(line));
}

static void take_settings(struct lsp_server *server, enum lsp_settings_source source,
                          const struct json_value *settings)
{
    struct buf warnings = {0};
    server->env.settings(server->env.user, source, settings, &warnings);
    tell_warnings(server, buf_str(&warnings));
    buf_finish(&warnings);
}

void lifecycle_take_news(struct lsp_server *server)
{
    struct buf warnings = {0};
    bool is_waited_for = server->inline_open || server->model_wishes.len > 0;
    if (!server->env.refresh || is_waited_for || server->state != LSP_RUNNING)
        return;
    if (server->env.refresh(server->env.user, &warnings)) {
        server->agent = NULL;
        server->review_looked = false;
        memcpy(server->carried_thread, server->last_thread, ID_BYTES);
    }
    tell_warnings(server, buf_str(&warnings));
    buf_finish(&warnings);
}

static void on_parent_check(void *user)
{
    struct lsp_server *server = user;
    if (kill((pid_t)server->parent_pid, 0) == 0 || errno != ESRCH)
        return;
    log_line(LOG_WARN, "the editor is gone pid=%lld", (long long)server->parent_pid);
    server_end(server, 1);
}

static void watch_parent(struct lsp_server *server, const struct json_value *params)
{
    server->parent_pid = json_get_int(params, "processId", 0);
    if (server->parent_pid <= 0)
        return;
    server->parent_timer = loop_timer_new(server->env.loop, on_parent_check, server);
    loop_timer_start(server->parent_timer, PARENT_CHECK_MS, PARENT_CHECK_MS);
}

static void handle_initialize(struct lsp_server *server, const struct jsonrpc_message *message)
{
    const struct json_value *params = message->params;
    if (!json_is(params, JSON_OBJECT)) {
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_INVALID_PARAMS,
                              "\"initialize\" needs an object as params");
        return;
    }
    quirks_read(&server->client, params);
    host_init_ops(server);
    choose_encoding(server, json_get(params, "capabilities"));
    add_folders(server, params);
    watch_parent(server, params);
    server->state = LSP_RUNNING;

    struct buf result = {0};
    lifecycle_append_capabilities(server, &result);
    jsonrpc_respond(server->peer, message->id, buf_str(&result));
    buf_finish(&result);

    /* Also without options: the settings of the user's file have their say here. */
    const struct json_value *options = json_get(params, "initializationOptions");
    server->trusted = json_get_bool(options, "trusted", false);
    take_settings(server, LSP_SETTINGS_INIT, options);
}

/* -- initialized, shutdown --------------------------------------------------------------------- */

static void on_configuration(void *user, const struct jsonrpc_answer *answer)
{
    struct lsp_server *server = user;
    const struct json_value *settings = json_first(answer->result);
    if (answer->status == STATUS_OK && json_is(settings, JSON_OBJECT))
        take_settings(server, LSP_SETTINGS_WORKSPACE, settings);
}

static void ask_configuration(struct lsp_server *server)
{
    if (server->client.configuration)
        jsonrpc_request(server->peer, "workspace/configuration",
                        STR("{\"items\":[{\"section\":\"lanebridge\"}]}"), on_configuration,
                        server);
}

/* Of transcripts alone: nobody else is to be asked at every "@". */
static void register_completion(struct lsp_server *server)
{
    if (server->client.registers_completion)
        jsonrpc_request(
            server->peer, "client/registerCapability",
            STR("{\"registrations\":[{\"id\":\"lanebridge-completion\",\"method\":"
                "\"textDocument/completion\",\"registerOptions\":{\"documentSelector\":["
                "{\"scheme\":\"file\",\"pattern\":\"**/threads/thread-*.md\"}],"
                "\"triggerCharacters\":[\"@\",\"/\"]}}]}"),
            server_ignore_answer, server);
}

static void handle_initialized(struct lsp_server *server, const struct jsonrpc_message *message)
{
    (void)message;
    ask_configuration(server);
    register_completion(server);
    if (server->client.register_configuration)
        jsonrpc_request(server->peer, "client/registerCapability",
                        STR("{\"registrations\":[{\"id\":\"lanebridge-configuration\",\"method\":"
                            "\"workspace/didChangeConfiguration\",\"registerOptions\":{\"section\":"
                            "\"lanebridge\"}}]}"),
                        server_ignore_answer, server);
}

static void handle_shutdown(struct lsp_server *server, const struct jsonrpc_message *message)
{
    server->state = LSP_SHUT_DOWN;
    jsonrpc_peer_stop_asking(server->peer);
    jsonrpc_respond(server->peer, message->id, STR(""));
}

static void handle_configuration_changed(struct lsp_server *server,
                                         const struct jsonrpc_message *message)
{
    const struct json_value *settings = json_at(message->params, "settings", "lanebridge", NULL);
    lifecycle_take_news(server);
    if (json_is(settings, JSON_OBJECT))
        take_settings(server, LSP_SETTINGS_WORKSPACE, settings);
    else
        ask_configuration(server);
}

static void handle_folders_changed(struct lsp_server *server, const struct jsonrpc_message *message)
{
    const struct json_value *event = json_get(message->params, "event");
    for (const struct json_value *one = json_first(json_get(event, "removed")); one;
         one = json_next(one)) {
        struct buf path = {0};
        if (uri_to_path(json_get_str(one, "uri"), &path, NULL) == STATUS_OK)
            workspace_remove_root(server->env.workspace, buf_str(&path));
        buf_finish(&path);
    }
    for (const struct json_value *one = json_first(json_get(event, "added")); one;
         one = json_next(one))
        add_folder(server, json_get_str(one, "uri"), json_get_str(one, "name"));
    if (server->agent) /* else before the first prompt nothing is written */
        server_repair(server);
}

static void handle_nothing(struct lsp_server *server, const struct jsonrpc_message *message)
{
    (void)server;
    (void)message;
}

const struct lsp_method lifecycle_requests[] = {
    {"initialize", handle_initialize},
    {"shutdown", handle_shutdown},
    {NULL, NULL},
};

const struct lsp_method lifecycle_notifications[] = {
    {"initialized", handle_initialized},
    {"workspace/didChangeConfiguration", handle_configuration_changed},
    {"workspace/didChangeWorkspaceFolders", handle_folders_changed},
    {"$/setTrace", handle_nothing},
    {NULL, NULL},
};

/* -- What we can do ---------------------------------------------------------------------------- */

void lifecycle_append_capabilities(const struct lsp_server *server, struct buf *json)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_key(&w, "capabilities");
    json_write_begin_object(&w);
    json_write_field_c(&w, "positionEncoding", position_encoding_name(server->encoding));
    json_write_field_raw(&w, "textDocumentSync",
                         STR("{\"openClose\":true,\"change\":2,\"save\":{\"includeText\":false}}"));
    json_write_field_raw(
        &w, "executeCommandProvider",
        STR("{\"commands\":[\"lanebridge.acceptAll\",\"lanebridge.acceptHunk\","
            "\"lanebridge.ask\",\"lanebridge.compact\",\"lanebridge.edit\","
            "\"lanebridge.explain\",\"lanebridge.review\",\"lanebridge.commitMessage\","
            "\"lanebridge.fix\",\"lanebridge.interrupt\",\"lanebridge.newThread\","
            "\"lanebridge.openTranscript\",\"lanebridge.preview\",\"lanebridge.rejectAll\","
            "\"lanebridge.rejectHunk\","
            "\"lanebridge.status\",\"lanebridge.takeOver\",\"lanebridge.undoTurn\"],"
            "\"workDoneProgress\":true}"));
    json_write_field_raw(&w, "codeActionProvider",
                         STR("{\"codeActionKinds\":[\"quickfix\",\"refactor\"]}"));
    json_write_field_raw(&w, "codeLensProvider", STR("{}"));
    if (!server->client.registers_completion)
        json_write_field_raw(&w, "completionProvider",
                             STR("{\"triggerCharacters\":[\"@\",\"/\"]}"));
    if (server->client.inline_completion)
        json_write_field_bool(&w, "inlineCompletionProvider", true);
    json_write_field_raw(
        &w, "workspace",
        STR("{\"workspaceFolders\":{\"supported\":true,\"changeNotifications\":true}}"));
    json_write_field_raw(&w, "experimental", STR("{\"lanebridge\":{\"version\":1}}"));
    json_write_end_object(&w);
    json_write_key(&w, "serverInfo");
    json_write_begin_object(&w);
    json_write_field_c(&w, "name", "lanebridge");
    json_write_field_c(&w, "version", LANEBRIDGE_VERSION);
    json_write_end_object(&w);
    json_write_end_object(&w);
}
