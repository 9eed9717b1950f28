/* $/progress: one server-created token per turn; at most 4 reports a second, 80 characters each. */
#include "lsp-internal.h"

enum { REPORT_MS = 250, REPORT_CHARACTERS = 80 };

struct turn_view {
    struct lsp_server *server;
    char turn_id[ID_BYTES], thread_id[ID_BYTES];
    char token[ID_BYTES];
    struct buf title, pending;
    uint64_t reported_ms;
    struct loop_timer *timer;
};

static struct turn_view *view_find(struct lsp_server *server, const char *turn_id)
{
    for (size_t i = 0; i < server->turns.len; i++)
        if (strcmp(server->turns.ptr[i]->turn_id, turn_id) == 0)
            return server->turns.ptr[i];
    return NULL;
}

static void view_free(struct turn_view *view)
{
    struct lsp_server *server = view->server;
    for (size_t i = 0; i < server->turns.len; i++)
        if (server->turns.ptr[i] == view) {
            vec_remove(&server->turns, i);
            break;
        }
    loop_timer_free(view->timer);
    buf_finish(&view->title);
    buf_finish(&view->pending);
    mem_free(view);
}

void progress_free(struct lsp_server *server)
{
    while (server->turns.len > 0)
        view_free(vec_last(&server->turns));
    vec_finish(&server->turns);
}

static void send(struct lsp_server *server, struct str token_json, const char *kind,
                 const char *title, struct str message)
{
    struct buf params = {0};
    struct json_writer w;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_field_raw(&w, "token", token_json);
    json_write_key(&w, "value");
    json_write_begin_object(&w);
    json_write_field_c(&w, "kind", kind);
    if (title) {
        json_write_field_c(&w, "title", title);
        json_write_field_bool(&w, "cancellable", true);
    }
    if (message.len > 0)
        json_write_field_str(&w, "message", message);
    json_write_end_object(&w);
    json_write_end_object(&w);
    jsonrpc_notify(server->peer, "$/progress", buf_str(&params));
    buf_finish(&params);
}

static void send_view(struct turn_view *view, const char *kind, const char *title,
                      struct str message)
{
    struct buf token = {0};
    json_append_quoted(&token, str_from(view->token));
    send(view->server, buf_str(&token), kind, title, message);
    buf_finish(&token);
    view->reported_ms = loop_now_ms(view->server->env.loop);
}

static void on_report_time(void *user)
{
    struct turn_view *view = user;
    if (view->pending.len > 0)
        send_view(view, "report", NULL, buf_str(&view->pending));
    buf_clear(&view->pending);
}

void progress_begin(struct lsp_server *server, const struct agent_event *event)
{
    if (!server->client.progress)
        return;
    struct turn_view *view = mem_new(struct turn_view);
    struct buf params = {0};
    view->server = server;
    memcpy(view->turn_id, event->turn_id, strnlen(event->turn_id, ID_BYTES - 1));
    memcpy(view->thread_id, event->thread_id, strnlen(event->thread_id, ID_BYTES - 1));
    id_make("progress", view->token);
    view->timer = loop_timer_new(server->env.loop, on_report_time, view);
    vec_push(&server->turns, view);
    buf_append_fmt(&params, "{\"token\":\"%s\"}", view->token);
    /* begin follows at once: messages stay in order, so the client knows the token by then. */
    jsonrpc_request(server->peer, "window/workDoneProgress/create", buf_str(&params),
                    server_ignore_answer, server);
    buf_append_fmt(&view->title, "Lanebridge: " STR_FMT, STR_ARG(event->text));
    send_view(view, "begin", view->title.ptr, STR(""));
    buf_finish(&params);
}

/* Where the first `count` characters end. */
static size_t end_of_characters(struct str text, size_t count)
{
    size_t at = 0;
    for (uint32_t code; count > 0 && at < text.len; count--)
        at += utf8_decode(str_skip(text, at), &code);
    return at;
}

/* A line of a report: no line breaks, and it shows that it goes on. */
static void set_pending(struct turn_view *view, struct str text)
{
    struct buf *line = &view->pending;
    buf_clear(line);
    size_t end = str_find_byte(text, '\n', 0);
    utf8_append_printable(line, end == STR_NONE ? text : str_slice(text, 0, end));
    if (end_of_characters(buf_str(line), REPORT_CHARACTERS) == line->len)
        return;
    line->len = end_of_characters(buf_str(line), REPORT_CHARACTERS - 1);
    buf_append_c(line, "…");
}

void progress_report(struct lsp_server *server, const char *turn_id, struct str text)
{
    struct turn_view *view = view_find(server, turn_id);
    if (!view)
        return;
    set_pending(view, text);
    uint64_t since = loop_now_ms(server->env.loop) - view->reported_ms;
    if (since >= REPORT_MS)
        on_report_time(view);
    else if (!loop_timer_is_active(view->timer))
        loop_timer_start(view->timer, REPORT_MS - since, 0);
}

void progress_end(struct lsp_server *server, const struct agent_event *event)
{
    struct turn_view *view = view_find(server, event->turn_id);
    if (!view)
        return;
    struct buf message = {0};
    buf_append_c(&message, agent_turn_status_name(event->status));
    if (event->status == TURN_FAILED)
        buf_append_fmt(&message, ": " STR_FMT, STR_ARG(event->text));
    set_pending(view, buf_str(&message));
    send_view(view, "end", NULL, buf_str(&view->pending));
    buf_finish(&message);
    view_free(view);
}

void progress_answer_token(struct lsp_server *server, const struct json_value *params)
{
    const struct json_value *token = json_get(params, "workDoneToken");
    if (!json_is(token, JSON_STRING) && !json_is(token, JSON_NUMBER))
        return;
    struct buf json = {0};
    json_append(&json, token);
    send(server, buf_str(&json), "begin", "Lanebridge", STR(""));
    send(server, buf_str(&json), "end", NULL, STR("turn started"));
    buf_finish(&json);
}

static void handle_cancel(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct str token = json_get_str(message->params, "token");
    for (size_t i = 0; i < server->turns.len; i++) {
        struct turn_view *view = server->turns.ptr[i];
        if (!str_eq_c(token, view->token) || !server->agent)
            continue;
        struct agent_thread *thread = agent_thread_find(server->agent, str_from(view->thread_id));
        if (thread)
            agent_turn_interrupt(thread, str_from(view->turn_id), NULL);
        return;
    }
}

const struct lsp_method progress_notifications[] = {
    {"window/workDoneProgress/cancel", handle_cancel},
    {NULL, NULL},
};
