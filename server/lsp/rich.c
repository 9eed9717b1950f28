/* The rich layer: lanebridge/… requests, and notifications with coalesced deltas. Shapes:
 * docs/schema/v1. */
#include "lsp-internal.h"

enum { DELTA_MS = 16, DELTA_BYTES = 64 * 1024, CONNECTION_MS = 16 };

/* -- Notifications ----------------------------------------------------------------------------- */

struct pending_delta {
    char thread_id[ID_BYTES], turn_id[ID_BYTES];
    struct buf item_id, text;
    enum agent_item_type type;
};

static void write_ids(struct json_writer *w, const char *thread_id, const char *turn_id,
                      const char *item_id)
{
    json_write_field_c(w, "threadId", thread_id);
    if (turn_id[0])
        json_write_field_c(w, "turnId", turn_id);
    if (item_id[0])
        json_write_field_c(w, "itemId", item_id);
}

static void delta_free(struct pending_delta *delta)
{
    buf_finish(&delta->item_id);
    buf_finish(&delta->text);
    mem_free(delta);
}

static void send_delta(struct lsp_server *server, struct pending_delta *delta)
{
    struct buf params = {0};
    struct json_writer w;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    write_ids(&w, delta->thread_id, delta->turn_id, delta->item_id.ptr);
    json_write_field_c(&w, "type", agent_item_type_name(delta->type));
    json_write_field_str(&w, "delta", buf_str(&delta->text));
    json_write_end_object(&w);
    jsonrpc_notify(server->peer, "lanebridge/item/delta", buf_str(&params));
    buf_finish(&params);
    buf_clear(&delta->text);
}

static void flush_deltas(struct lsp_server *server)
{
    for (size_t i = 0; i < server->deltas.len; i++)
        if (server->deltas.ptr[i]->text.len > 0)
            send_delta(server, server->deltas.ptr[i]);
}

/* What had nothing to say since the last time is forgotten: its next words go out at once again. */
static void on_delta_time(void *user)
{
    struct lsp_server *server = user;
    for (size_t i = server->deltas.len; i-- > 0;) {
        if (server->deltas.ptr[i]->text.len > 0)
            continue;
        delta_free(server->deltas.ptr[i]);
        vec_remove(&server->deltas, i);
    }
    flush_deltas(server);
    if (server->deltas.len > 0)
        loop_timer_start(server->delta_timer, DELTA_MS, 0);
}

/* The first words of an item go out at once, what follows is gathered. */
static void push_delta(struct lsp_server *server, const struct agent_event *event)
{
    struct pending_delta *delta = NULL;
    for (size_t i = 0; i < server->deltas.len && !delta; i++)
        if (str_eq_c(buf_str(&server->deltas.ptr[i]->item_id), event->item_id) &&
            strcmp(server->deltas.ptr[i]->thread_id, event->thread_id) == 0)
            delta = server->deltas.ptr[i];
    bool is_new = !delta;
    if (is_new) {
        delta = mem_new(struct pending_delta);
        memcpy(delta->thread_id, event->thread_id, strnlen(event->thread_id, ID_BYTES - 1));
        memcpy(delta->turn_id, event->turn_id, strnlen(event->turn_id, ID_BYTES - 1));
        buf_append_c(&delta->item_id, event->item_id);
        delta->type = event->item_type;
        vec_push(&server->deltas, delta);
    }
    buf_append(&delta->text, event->text);
    if (!server->delta_timer)
        server->delta_timer = loop_timer_new(server->env.loop, on_delta_time, server);
    if (is_new || delta->text.len > DELTA_BYTES)
        flush_deltas(server);
    if (!loop_timer_is_active(server->delta_timer))
        loop_timer_start(server->delta_timer, DELTA_MS, 0);
}

void rich_free(struct lsp_server *server)
{
    for (size_t i = 0; i < server->deltas.len; i++)
        delta_free(server->deltas.ptr[i]);
    vec_finish(&server->deltas);
    loop_timer_free(server->delta_timer);
    loop_timer_free(server->connection_timer);
}

void rich_write_usage(struct json_writer *w, const char *key, const struct responses_usage *usage,
                      const struct agent_cost *cost)
{
    json_write_key(w, key);
    json_write_begin_object(w);
    json_write_field_int(w, "inputTokens", usage->input_tokens);
    json_write_field_int(w, "cachedTokens", usage->cached_tokens);
    json_write_field_int(w, "outputTokens", usage->output_tokens);
    json_write_field_int(w, "reasoningTokens", usage->reasoning_tokens);
    if (cost->currency[0]) {
        json_write_key(w, "cost");
        json_write_begin_object(w);
        json_write_key(w, "amount");
        json_write_double(w, cost->amount);
        json_write_field_c(w, "currency", cost->currency);
        json_write_end_object(w);
    }
    json_write_end_object(w);
}

static void write_timing(struct json_writer *w, const struct agent_timing *timing)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"totalMs", timing->total_ms},
        {"modelMs", timing->model_ms},
        {"firstOutputMs", timing->first_output_ms},
        {"toolsMs", timing->tools_ms},
        {"waitingMs", timing->waiting_ms},
        {"steps", timing->steps},
        {"calls", timing->calls},
        {"bytesSent", timing->bytes_sent},
        {"bytesReceived", timing->bytes_received},
        {"framesSent", timing->frames_sent},
        {"framesReceived", timing->frames_received},
        {"fullInputs", timing->full_inputs},
        {"retries", timing->retries},
    };
    json_write_key(w, "timing");
    json_write_begin_object(w);
    for (size_t i = 0; i < array_count(rows); i++)
        json_write_field_int(w, rows[i].name, (int64_t)rows[i].value);
    json_write_end_object(w);
}

static void write_thread(struct json_writer *w, const struct agent_event *event)
{
    json_write_field_str(w, "title", event->text);
    json_write_field_str(w, "model", event->name);
    json_write_field_str(w, "effort", event->effort);
    json_write_field_c(w, "mode", event->mode);
}

/* What the person can do about it, for a plugin to offer. */
static void write_code(struct json_writer *w, const char *code)
{
    static const struct {
        const char *id, *title;
    } ways[] = {
        {"enterKey", "Enter an API key"},
        {"localModel", "Use a model on this machine"},
        {"replayDemo", "Try a recording, without a model"},
    };
    json_write_field_c(w, "code", code);
    json_write_key(w, "choices");
    json_write_begin_array(w);
    for (size_t i = 0; i < array_count(ways); i++) {
        json_write_begin_object(w);
        json_write_field_c(w, "id", ways[i].id);
        json_write_field_c(w, "title", ways[i].title);
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

static void write_turn_end(struct json_writer *w, const struct agent_event *event)
{
    json_write_field_c(w, "status", agent_turn_status_name(event->status));
    rich_write_usage(w, "usage", &event->usage, &event->cost);
    write_timing(w, &event->timing);
    if (event->status == TURN_FAILED)
        json_write_field_str(w, "error", event->text);
    if (event->status == TURN_FAILED && event->code)
        write_code(w, event->code);
}

/* For people, who judge by it. */
static void write_visible(struct json_writer *w, const char *key, struct str text)
{
    struct buf shown = {0};
    utf8_append_visible(&shown, text);
    json_write_field_str(w, key, buf_str(&shown));
    buf_finish(&shown);
}

void rich_write_item(struct json_writer *w, const struct agent_event *event)
{
    json_write_begin_object(w);
    json_write_field_c(w, "id", event->item_id);
    json_write_field_c(w, "type", agent_item_type_name(event->item_type));
    if (event->parent_item_id)
        json_write_field_c(w, "parentItemId", event->parent_item_id);
    if (event->text.len > 0)
        json_write_field_str(w, "text", event->text);
    if (event->is_void)
        json_write_field_bool(w, "void", true);
    if (event->name.len > 0) {
        json_write_field_str(w, "tool", event->name);
        write_visible(w, "title", event->title);
    }
    if (event->type == AGENT_ITEM_COMPLETED && event->name.len > 0) {
        json_write_field_bool(w, "ok", event->ok);
        json_write_field_str(w, "output", event->output);
        json_write_field_int(w, "ranMs", (int64_t)event->ran_ms);
        json_write_field_int(w, "waitedMs", (int64_t)event->waited_ms);
        json_write_field_int(w, "exitCode", event->exit_code);
        if (event->diff.len > 0)
            write_visible(w, "diff", event->diff);
    }
    json_write_end_object(w);
}

static void write_item(struct json_writer *w, const struct agent_event *event)
{
    json_write_key(w, "item");
    rich_write_item(w, event);
}

static void write_notice(struct json_writer *w, const struct agent_event *event)
{
    json_write_field_str(w, "text", event->text);
}

static void write_start(struct json_writer *w, const struct agent_event *event)
{
    json_write_field_str(w, "text", event->text);
    json_write_field_c(w, "mode", event->mode);
}

static void write_connection(struct json_writer *w, const struct agent_event *event)
{
    const struct responses_status *status = event->connection;
    json_write_field_c(w, "state", responses_state_name(status->state));
    json_write_field_c(w, "transport", status->transport == TRANSPORT_HTTP ? "http" : "websocket");
    json_write_field_int(w, "sockets", status->sockets);
    json_write_field_int(w, "lanes", status->lanes_active);
    json_write_field_int(w, "since", (int64_t)status->since_ms);
    json_write_field_c(w, "detail", status->detail);
    json_write_field_int(w, "abandonedTokens", (int64_t)status->abandoned_tokens);
}

static const struct {
    const char *method;
    void (*write)(struct json_writer *w, const struct agent_event *event);
} notifications[] = {
    [AGENT_THREAD_UPDATED] = {"lanebridge/thread/updated", write_thread},
    [AGENT_TURN_QUEUED] = {"lanebridge/queue/updated", NULL},
    [AGENT_TURN_STARTED] = {"lanebridge/turn/started", write_start},
    [AGENT_TURN_COMPLETED] = {"lanebridge/turn/completed", write_turn_end},
    [AGENT_ITEM_STARTED] = {"lanebridge/item/started", write_item},
    [AGENT_ITEM_COMPLETED] = {"lanebridge/item/completed", write_item},
    [AGENT_NOTICE] = {"lanebridge/turn/notice", write_notice},
    [AGENT_CONNECTION] = {"lanebridge/connection/updated", write_connection},
};

static void notify(struct lsp_server *server, const struct agent_event *event)
{
    struct buf params = {0};
    struct json_writer w;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    if (event->thread_id[0])
        write_ids(&w, event->thread_id, event->turn_id, "");
    if (event->type == AGENT_TURN_QUEUED)
        queue_write(&w, agent_thread_find(server->agent, str_from(event->thread_id)));
    else
        notifications[event->type].write(&w, event);
    json_write_end_object(&w);
    jsonrpc_notify(server->peer, notifications[event->type].method, buf_str(&params));
    buf_finish(&params);
}

/* What has changed since the last time, if it was not for a moment only. */
static void tell_connection(struct lsp_server *server)
{
    const struct responses_status *now = &server->connection, *told = &server->told_connection;
    struct agent_event event = {.type = AGENT_CONNECTION, .thread_id = "", .connection = now};
    server->connection_waits = false;
    if (now->state == told->state && now->transport == told->transport &&
        strcmp(now->detail, told->detail) == 0)
        return;
    server->told_connection = *now;
    notify(server, &event);
    loop_timer_start(server->connection_timer, CONNECTION_MS, 0);
}

static void on_connection_time(void *user)
{
    struct lsp_server *server = user;
    if (server->connection_waits)
        tell_connection(server);
}

/* A step of a turn goes through three states, and may take less than a millisecond. */
static void push_connection(struct lsp_server *server, const struct agent_event *event)
{
    server->connection = *event->connection;
    server->connection_waits = true;
    if (!server->connection_timer)
        server->connection_timer = loop_timer_new(server->env.loop, on_connection_time, server);
    if (!loop_timer_is_active(server->connection_timer))
        tell_connection(server);
}

void rich_on_event(struct lsp_server *server, const struct agent_event *event)
{
    if (event->type == AGENT_ITEM_DELTA) {
        push_delta(server, event);
    } else if (event->type == AGENT_CONNECTION) {
        push_connection(server, event);
    } else {
        flush_deltas(server); /* never reordered across items */
        notify(server, event);
    }
}

/* -- Requests
 * --------------------------------------------------------------------------------------------------
 */

void rich_fail(struct lsp_server *server, const struct jsonrpc_message *message,
               const struct err *err)
{
    int code = err->status == STATUS_INVALID ? JSONRPC_INVALID_PARAMS : JSONRPC_REQUEST_FAILED;
    jsonrpc_respond_error(server->peer, message->id, code, "%s", err->text);
}

void rich_respond_thread(struct lsp_server *server, const struct jsonrpc_message *message,
                         struct str thread_id, const char *turn_id)
{
    struct buf result = {0};
    struct err err = {0};
    struct json_writer w;
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_key(&w, "thread");
    enum status status = catalog_write_by_id(server, server->agent, &w, thread_id, &err);
    if (turn_id[0]) {
        json_write_key(&w, "turn");
        json_write_begin_object(&w);
        json_write_field_c(&w, "id", turn_id);
        json_write_end_object(&w);
    }
    json_write_end_object(&w);
    if (status == STATUS_OK)
        jsonrpc_respond(server->peer, message->id, buf_str(&result));
    else
        rich_fail(server, message, &err);
    buf_finish(&result);
}

static void respond_thread(struct lsp_server *server, const struct jsonrpc_message *message,
                           const struct agent_thread *thread, const char *turn_id)
{
    rich_respond_thread(server, message, str_from(agent_thread_id(thread)), turn_id);
}

static void handle_thread_start(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct buf folder = {0};
    struct str uri = json_get_str(message->params, "folder");
    if (uri.len > 0 && uri_to_path(uri, &folder, &err) < 0) {
        rich_fail(server, message, &err);
        buf_finish(&folder);
        return;
    }
    const struct workspace_root *root = convert_root_of(server, buf_str(&folder));
    struct agent *agent = server_agent(server, &err);
    struct agent_thread *thread =
        agent ? threads_start(server, agent, root ? str_from(root->path) : STR(""), &err) : NULL;
    if (thread && modes_choose(server, agent_thread_id(thread), message->params, &err) < 0)
        thread = NULL;
    if (thread)
        respond_thread(server, message, thread, "");
    else
        rich_fail(server, message, &err);
    buf_finish(&folder);
}

static void handle_thread_resume(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    char turn_id[ID_BYTES] = "";
    bool queued;
    struct agent *agent = server_agent(server, &err);
    struct agent_thread *thread =
        agent ? agent_thread_resume(agent, json_get_str(message->params, "threadId"), &err) : NULL;
    bool goes_on = json_get_bool(message->params, "continue", false);
    if (thread && goes_on && agent_thread_continue(thread, turn_id, &queued, &err) < 0)
        thread = NULL;
    if (thread)
        respond_thread(server, message, thread, turn_id);
    else
        rich_fail(server, message, &err);
}

static void handle_thread_take_over(struct lsp_server *server,
                                    const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct str id = json_get_str(message->params, "threadId");
    struct agent *agent = server_agent(server, &err);
    struct agent_thread *thread = agent ? agent_thread_take_over(agent, id, &err) : NULL;
    if (thread)
        respond_thread(server, message, thread, "");
    else
        rich_fail(server, message, &err);
}

static void handle_thread_fork(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct agent *agent = server_agent(server, &err);
    struct agent_thread *thread =
        agent ? agent_thread_fork(agent, json_get_str(message->params, "threadId"),
                                  json_get_str(message->params, "turnId"), &err)
              : NULL;
    if (thread)
        respond_thread(server, message, thread, "");
    else
        rich_fail(server, message, &err);
}

static void handle_thread_compact(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct agent *agent = server_agent(server, &err);
    struct agent_thread *thread =
        agent ? agent_thread_resume(agent, json_get_str(message->params, "threadId"), &err) : NULL;
    if (thread)
        turn_compact_request(server, message, thread, true);
    else
        rich_fail(server, message, &err);
}

/* The parts of an input; their texts go to `prompt`. */
static struct turn_wish read_input(const struct jsonrpc_message *message, struct buf *prompt)
{
    struct turn_wish wish = {.thread_id = json_get_str(message->params, "threadId"),
                             .input = json_get(message->params, "input"),
                             .mode = json_get_str(message->params, "mode"),
                             .is_rich = true};
    const struct json_value *part = json_first(wish.input);
    for (; part; part = json_next(part)) {
        struct str type = json_get_str(part, "type");
        if (str_eq_c(type, "text")) {
            if (prompt->len > 0)
                buf_append_c(prompt, "\n\n");
            buf_append(prompt, json_get_str(part, "text"));
        }
    }
    wish.prompt = buf_str(prompt);
    return wish;
}

static void handle_turn_start(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct buf prompt = {0};
    struct turn_wish wish = read_input(message, &prompt);
    turn_request(server, message, &wish);
    buf_finish(&prompt);
}

static void handle_preview(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct buf prompt = {0};
    struct turn_wish wish = read_input(message, &prompt);
    turn_preview_request(server, message, &wish);
    buf_finish(&prompt);
}

static void handle_turn_interrupt(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct str id = json_get_str(message->params, "threadId");
    struct agent_thread *thread = server->agent ? agent_thread_find(server->agent, id) : NULL;
    struct str turn_id = json_get_str(message->params, "turnId");
    if (!thread)
        err_set(&err, STATUS_NOT_FOUND, "there is no open thread " STR_FMT, STR_ARG(id));
    bool is_stopped = thread && agent_turn_interrupt(thread, turn_id, &err) == STATUS_OK;
    if (!is_stopped && !(turn_id.len == 0 && turn_stop_pending(server, id)))
        rich_fail(server, message, &err);
    else
        jsonrpc_respond(server->peer, message->id, STR("{}"));
}

static void handle_turn_steer(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct buf prompt = {0};
    struct turn_wish wish = read_input(message, &prompt);
    turn_steer_request(server, message, &wish, json_get_str(message->params, "expectedTurnId"));
    buf_finish(&prompt);
}

static void turn_back(struct lsp_server *server, const struct jsonrpc_message *message,
                      enum tools_undo_way way)
{
    struct err err = {0};
    struct agent *agent = server_agent(server, &err);
    struct agent_thread *thread =
        agent ? agent_thread_resume(agent, json_get_str(message->params, "threadId"), &err) : NULL;
    if (!thread || undo_start(server, message->id, thread, json_get_str(message->params, "turnId"),
                              way, &err) < 0)
        rich_fail(server, message, &err);
}

static void handle_turn_undo(struct lsp_server *server, const struct jsonrpc_message *message)
{
    turn_back(server, message, TOOLS_UNDO);
}

static void handle_turn_redo(struct lsp_server *server, const struct jsonrpc_message *message)
{
    turn_back(server, message, TOOLS_REDO);
}

static void handle_status(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct buf json = {0};
    server->env.status(server->env.user, &json);
    jsonrpc_respond(server->peer, message->id, buf_str(&json));
    buf_finish(&json);
}

const struct lsp_method rich_requests[] = {
    {"lanebridge/thread/start", handle_thread_start},
    {"lanebridge/thread/resume", handle_thread_resume},
    {"lanebridge/thread/fork", handle_thread_fork},
    {"lanebridge/thread/takeOver", handle_thread_take_over},
    {"lanebridge/thread/compact", handle_thread_compact},
    {"lanebridge/turn/start", handle_turn_start},
    {"lanebridge/context/preview", handle_preview},
    {"lanebridge/turn/steer", handle_turn_steer},
    {"lanebridge/turn/interrupt", handle_turn_interrupt},
    {"lanebridge/turn/undo", handle_turn_undo},
    {"lanebridge/turn/redo", handle_turn_redo},
    {"lanebridge/status/get", handle_status},
    {NULL, NULL},
};
