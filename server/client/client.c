#include "client-internal.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

/* -- Lifecycle messages ------------------------------------------------------------------------ */

static void write_folders(struct json_writer *w, const struct client_options *options)
{
    json_write_key(w, "workspaceFolders");
    json_write_begin_array(w);
    for (size_t i = 0; i < options->root_count; i++) {
        struct buf uri = {0};
        uri_append_file(&uri, str_from(options->roots[i]));
        json_write_begin_object(w);
        json_write_field_str(w, "uri", buf_str(&uri));
        json_write_field_str(w, "name", path_name(str_from(options->roots[i])));
        json_write_end_object(w);
        buf_finish(&uri);
    }
    json_write_end_array(w);
}

static void write_encodings(struct json_writer *w, const char *encodings)
{
    json_write_key(w, "general");
    json_write_begin_object(w);
    json_write_key(w, "positionEncodings");
    json_write_begin_array(w);
    struct str rest = str_from(encodings ? encodings : "utf-8"), name;
    while (str_next(&rest, ',', &name))
        json_write_str(w, name);
    json_write_end_array(w);
    json_write_end_object(w);
}

static void write_workspace(struct json_writer *w, const struct client_quirks *quirks)
{
    json_write_key(w, "workspace");
    json_write_begin_object(w);
    json_write_field_bool(w, "applyEdit", true);
    json_write_field_bool(w, "workspaceFolders", true);
    json_write_field_raw(w, "codeLens", STR("{\"refreshSupport\":true}"));
    json_write_key(w, "workspaceEdit");
    json_write_begin_object(w);
    json_write_field_bool(w, "documentChanges", !quirks->no_document_changes);
    if (!quirks->no_resource_operations)
        json_write_field_raw(w, "resourceOperations", STR("[\"create\",\"rename\",\"delete\"]"));
    json_write_end_object(w);
    json_write_end_object(w);
}

static void write_rich(struct json_writer *w, const char *offers)
{
    struct str rest = str_from(offers), name;
    json_write_key(w, "experimental");
    json_write_begin_object(w);
    json_write_key(w, "lanebridge");
    json_write_begin_object(w);
    json_write_field_int(w, "version", 1);
    json_write_field_bool(w, "approvals", true);
    json_write_field_bool(w, "questions", true);
    json_write_field_bool(w, "save", true);
    while (rest.len > 0 && str_next(&rest, ',', &name)) {
        json_write_key_str(w, name);
        json_write_bool(w, true);
    }
    json_write_end_object(w);
    json_write_end_object(w);
}

static void append_initialize(struct buf *params, const struct client_options *options)
{
    struct json_writer w;
    json_writer_init(&w, params);
    json_write_begin_object(&w);
    json_write_field_int(&w, "processId", getpid());
    json_write_key(&w, "clientInfo");
    json_write_begin_object(&w);
    json_write_field_c(&w, "name", options->name ? options->name : "lanebridge-client");
    json_write_end_object(&w);
    json_write_field_raw(&w, "rootUri", STR("null"));
    write_folders(&w, options);
    json_write_key(&w, "capabilities");
    json_write_begin_object(&w);
    write_encodings(&w, options->encodings);
    write_workspace(&w, &options->quirks);
    json_write_field_raw(
        &w, "window",
        STR("{\"workDoneProgress\":true,\"showDocument\":{\"support\":true},"
            "\"showMessage\":{\"messageActionItem\":{\"additionalPropertiesSupport\":false}}}"));
    json_write_field_raw(&w, "textDocument", STR("{\"synchronization\":{\"didSave\":true}}"));
    if (options->rich)
        write_rich(&w, options->offers);
    json_write_end_object(&w);
    if (options->initialization_options.len > 0)
        json_write_field_raw(&w, "initializationOptions", options->initialization_options);
    json_write_end_object(&w);
}

static void on_initialized(void *user, const struct jsonrpc_answer *answer)
{
    struct client *client = user;
    if (answer->status != STATUS_OK || client->state != CLIENT_STARTING) {
        log_line(LOG_ERROR, "client initialize failed why=\"" STR_FMT "\"",
                 STR_ARG(answer->error_text));
        return;
    }
    /* The answer is borrowed: keep a copy of what the server can do. */
    struct buf json = {0};
    const struct json_value *capabilities = json_get(answer->result, "capabilities");
    json_append(&json, capabilities);
    json_parse(buf_str(&json), &client->capabilities, NULL);
    buf_finish(&json);
    if (!position_encoding_parse(json_get_str(capabilities, "positionEncoding"), &client->encoding))
        client->encoding = POSITION_UTF16;
    client->state = CLIENT_READY;
    jsonrpc_notify(client->peer, "initialized", STR("{}"));
    if (client->handlers.on_ready)
        client->handlers.on_ready(client->user);
}

static void on_shutdown_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct client *client = user;
    if (answer->status != STATUS_CLOSED)
        jsonrpc_notify(client->peer, "exit", STR(""));
}

void client_stop(struct client *client)
{
    if (client->state >= CLIENT_STOPPING)
        return;
    client->state = CLIENT_STOPPING;
    jsonrpc_request(client->peer, "shutdown", STR(""), on_shutdown_answer, client);
}

/* -- The process ------------------------------------------------------------------------------- */

static void on_process_exit(void *user, int exit_code, int signal)
{
    struct client *client = user;
    client->state = CLIENT_GONE;
    if (client->handlers.on_exit)
        client->handlers.on_exit(client->user, exit_code, signal);
}

static void on_peer_closed(void *user, enum status status)
{
    (void)user;
    (void)status; /* the process's exit tells more, and comes too */
}

static void on_stderr(void *user, struct str bytes)
{
    (void)user;
    (void)bytes;
}

static void on_traffic(void *user, bool outgoing, struct str body)
{
    struct client *client = user;
    if (client->handlers.on_traffic)
        client->handlers.on_traffic(client->user, outgoing, body);
}

static enum status start(struct client *client, const struct client_options *options,
                         struct err *err)
{
    static const struct loop_process_handlers process_handlers = {.on_stderr = on_stderr,
                                                                  .on_exit = on_process_exit};
    static const struct jsonrpc_handlers peer_handlers = {.on_request = serve_request,
                                                          .on_notification = serve_notification,
                                                          .on_closed = on_peer_closed,
                                                          .on_traffic = on_traffic};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(err, STATUS_IO, "cannot make a socket pair for the server");
    const struct loop_process_fd fds[] = {{0, ends[1]}, {1, ends[1]}};
    struct loop_process_options process_options = {
        .argv = options->argv,
        .env = options->env ? options->env : environ,
        .cwd = options->cwd,
        .inherit_stderr = options->inherit_stderr,
        .fds = fds,
        .fd_count = array_count(fds),
    };
    client->process =
        loop_process_new(client->loop, &process_options, &process_handlers, client, err);
    close(ends[1]);
    if (client->process)
        client->peer =
            jsonrpc_peer_new(client->loop, ends[0], ends[0], &peer_handlers, client, err);
    close(ends[0]);
    return client->peer ? STATUS_OK : STATUS_IO;
}

struct client *client_new(struct loop *loop, const struct client_options *options,
                          const struct client_handlers *handlers, void *user, struct err *err)
{
    struct client *client = mem_new(struct client);
    client->loop = loop;
    client->handlers = *handlers;
    client->user = user;
    client->quirks = options->quirks;
    client->rich = options->rich;
    client->encoding = POSITION_UTF16;
    if (start(client, options, err) < 0) {
        client_free(client);
        return NULL;
    }
    jsonrpc_peer_start(client->peer);
    struct buf params = {0};
    append_initialize(&params, options);
    jsonrpc_request(client->peer, "initialize", buf_str(&params), on_initialized, client);
    buf_finish(&params);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    jsonrpc_peer_free(client->peer);
    loop_process_free(client->process);
    for (size_t i = 0; i < client->buffers.len; i++)
        buffer_free(client->buffers.ptr[i]);
    vec_finish(&client->buffers);
    vec_finish(&client->held);
    for (size_t i = 0; i < client->questions.len; i++)
        held_question_finish(&client->questions.ptr[i]);
    vec_finish(&client->questions);
    json_free(client->capabilities);
    mem_free(client);
}

pid_t client_pid(const struct client *client)
{
    return loop_process_pid(client->process);
}

/* -- Messages
 * ------------------------------------------------------------------------------------------------
 */

int64_t client_request(struct client *client, const char *method, struct str params,
                       jsonrpc_answer_fn *on_answer, void *user)
{
    return jsonrpc_request(client->peer, method, params, on_answer, user);
}

int64_t client_start_turn(struct client *client, const char *prompt, jsonrpc_answer_fn *on_answer,
                          void *user)
{
    struct buf params = {0};
    struct json_writer w;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_key(&w, "input");
    json_write_begin_array(&w);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "text");
    json_write_field_c(&w, "text", prompt);
    json_write_end_object(&w);
    json_write_end_array(&w);
    json_write_end_object(&w);
    int64_t id = client_request(client, "lanebridge/turn/start", buf_str(&params), on_answer, user);
    buf_finish(&params);
    return id;
}

void client_tell(struct client *client, const char *method, struct str params)
{
    if (!client->holding) {
        jsonrpc_notify(client->peer, method, params);
        return;
    }
    struct held_message message = {.method = method};
    buf_append(&message.params, params);
    vec_push(&client->held, message);
}

void client_release_held(struct client *client)
{
    client->holding = false;
    for (size_t i = 0; i < client->held.len; i++) {
        jsonrpc_notify(client->peer, client->held.ptr[i].method,
                       buf_str(&client->held.ptr[i].params));
        buf_finish(&client->held.ptr[i].params);
    }
    vec_clear(&client->held);
}

void client_notify(struct client *client, const char *method, struct str params)
{
    jsonrpc_notify(client->peer, method, params);
}

void client_cancel(struct client *client, int64_t id)
{
    struct buf params = {0};
    buf_append_fmt(&params, "{\"id\":%lld}", (long long)id);
    jsonrpc_notify(client->peer, "$/cancelRequest", buf_str(&params));
    buf_finish(&params);
}

void client_write_raw(struct client *client, struct str bytes)
{
    jsonrpc_write_raw(client->peer, bytes);
}

const struct json_value *client_server_capabilities(const struct client *client)
{
    return client->capabilities;
}
