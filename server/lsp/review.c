/* What waits for the person's decision: listed, decided on by lanebridge/changes/… and by commands.
 * How it is shown to clients that know nothing of it: hunks.c. */
#include "review-internal.h"

enum { REFRESH_MS = 100 };

struct agent *review_agent(struct lsp_server *server)
{
    if (server->agent || server->review_looked)
        return server->agent;
    server->review_looked = true; /* what waits from an earlier time is worth opening the journal */
    if (server->env.review_waits && server->env.review_waits(server->env.user))
        return server_agent(server, NULL);
    return NULL;
}

/* -- Listing ---------------------------------------------------------------------------------- */

static void write_lines(struct json_writer *w, const char *key, struct str text)
{
    struct text *lines = text_new(text);
    size_t count = text_line_count(lines);
    if (text_line_start(lines, count - 1) == text_len(lines))
        count--;
    json_write_key(w, key);
    json_write_begin_array(w);
    for (size_t i = 0; i < count; i++)
        json_write_str(w, text_line_content(lines, i));
    json_write_end_array(w);
    text_unref(lines);
}

static const char *const kinds[] = {
    [TOOLS_HUNK_LINES] = "lines",
    [TOOLS_HUNK_CREATE] = "create",
    [TOOLS_HUNK_DELETE] = "delete",
    [TOOLS_HUNK_MOVE] = "move",
};

static void write_hunk(struct json_writer *w, const struct tools_hunk *hunk)
{
    json_write_begin_object(w);
    json_write_field_int(w, "index", hunk->id);
    json_write_field_c(w, "kind", kinds[hunk->kind]);
    json_write_field_c(w, "state", "pending");
    json_write_field_int(w, "oldStart", (int64_t)hunk->old_line + 1);
    json_write_field_int(w, "newStart", (int64_t)hunk->new_line + 1);
    write_lines(w, "old", hunk->old_lines);
    write_lines(w, "new", hunk->new_lines);
    json_write_end_object(w);
}

static void write_uri(const struct lsp_server *server, struct json_writer *w, const char *key,
                      const char *path)
{
    const struct document *document = document_find_path(server->env.documents, str_from(path));
    struct buf uri = {0};
    if (document)
        buf_append_c(&uri, document->uri);
    else
        uri_append_file(&uri, str_from(path));
    json_write_field_str(w, key, buf_str(&uri));
    buf_finish(&uri);
}

/* One turn's hunks of a file. */
static void write_change(const struct lsp_server *server, struct json_writer *w,
                         const struct tools_review_file *file, const struct tools_hunk *first)
{
    const char *kind = first->kind == TOOLS_HUNK_LINES ? "update" : kinds[first->kind];
    json_write_begin_object(w);
    json_write_field_c(w, "threadId", first->thread_id);
    json_write_field_c(w, "turnId", first->turn_id);
    json_write_field_c(w, "path", file->display);
    write_uri(server, w, "uri", file->old_path ? file->old_path : file->path);
    if (file->old_path)
        write_uri(server, w, "newUri", file->path);
    json_write_field_c(w, "kind", kind);
    json_write_field_bool(w, "applied", !file->proposed_by);
    json_write_key(w, "hunks");
    json_write_begin_array(w);
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->hunks[i].turn_id, first->turn_id) == 0)
            write_hunk(w, &file->hunks[i]);
    json_write_end_array(w);
    json_write_end_object(w);
}

struct listing {
    struct lsp_server *server;
    struct json_writer *w;
};

static bool is_first_of_turn(const struct tools_review_file *file, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(file->hunks[i].turn_id, file->hunks[index].turn_id) == 0)
            return false;
    return true;
}

static void list_file(void *user, const struct tools_review_file *file)
{
    struct listing *listing = user;
    for (size_t i = 0; i < file->count; i++)
        if (is_first_of_turn(file, i))
            write_change(listing->server, listing->w, file, &file->hunks[i]);
}

static void respond_list(struct lsp_server *server, struct str id,
                         const struct tools_review_filter *filter)
{
    struct buf json = {0};
    struct json_writer w;
    struct listing listing = {server, &w};
    struct agent *agent = review_agent(server);
    json_writer_init(&w, &json);
    json_write_begin_object(&w);
    json_write_key(&w, "changes");
    json_write_begin_array(&w);
    if (agent)
        agent_review_each(agent, filter, list_file, &listing);
    json_write_end_array(&w);
    json_write_end_object(&w);
    jsonrpc_respond(server->peer, id, buf_str(&json));
    buf_finish(&json);
}

static struct tools_review_filter read_filter(const struct json_value *params)
{
    return (struct tools_review_filter){
        .thread_id = json_get_str(params, "threadId"),
        .turn_id = json_get_str(params, "turnId"),
        .path = json_get_str(params, "path"),
    };
}

static void handle_list(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct tools_review_filter filter = read_filter(message->params);
    respond_list(server, message->id, &filter);
}

/* -- Deciding --------------------------------------------------------------------------------- */

struct decide_request {
    struct lsp_server *server;
    struct buf id, thread_id, turn_id, path;
    bool is_rich; /* answered with what is left */
};

static void request_free(struct decide_request *request)
{
    buf_finish(&request->id);
    buf_finish(&request->thread_id);
    buf_finish(&request->turn_id);
    buf_finish(&request->path);
    mem_free(request);
}

static void respond_left(struct decide_request *request)
{
    struct tools_review_filter filter = {
        .thread_id = buf_str(&request->thread_id),
        .turn_id = buf_str(&request->turn_id),
        .path = buf_str(&request->path),
    };
    respond_list(request->server, buf_str(&request->id), &filter);
}

static void on_decided(void *user, const struct tools_decided *decided)
{
    struct decide_request *request = user;
    struct lsp_server *server = request->server;
    if (decided->status != STATUS_OK) {
        jsonrpc_respond_error(server->peer, buf_str(&request->id), JSONRPC_REQUEST_FAILED,
                              "nothing was changed: " STR_FMT, STR_ARG(decided->why));
    } else {
        if (decided->why.len > 0)
            server_show_message(server, 2, "Lanebridge: " STR_FMT, STR_ARG(decided->why));
        if (request->is_rich)
            respond_left(request);
        else
            jsonrpc_respond(server->peer, buf_str(&request->id), STR("{}"));
    }
    request_free(request);
}

void review_decide(struct lsp_server *server, struct str id, const struct tools_decision *decision,
                   bool is_rich)
{
    struct err err = {0};
    struct agent *agent = review_agent(server);
    struct decide_request *request = mem_new(struct decide_request);
    *request = (struct decide_request){.server = server, .is_rich = is_rich};
    buf_append(&request->id, id);
    buf_append(&request->thread_id, decision->filter.thread_id);
    buf_append(&request->turn_id, decision->filter.turn_id);
    buf_append(&request->path, decision->filter.path);
    enum status status = agent ? agent_review_decide(agent, decision, on_decided, request, &err)
                               : err_set(&err, STATUS_NOT_FOUND, "no change waits for a decision");
    if (status == STATUS_OK)
        return;
    jsonrpc_respond_error(
        server->peer, id,
        status == STATUS_INVALID ? JSONRPC_INVALID_PARAMS : JSONRPC_REQUEST_FAILED, "%s", err.text);
    request_free(request);
}

static void decide(struct lsp_server *server, const struct jsonrpc_message *message,
                   enum tools_verdict verdict)
{
    const struct json_value *index = json_get(message->params, "hunk");
    unsigned hunk = (unsigned)(json_int(index, 0) & UINT32_MAX);
    struct tools_decision decision = {
        .verdict = verdict,
        .filter = read_filter(message->params),
        .hunks = &hunk,
        .hunk_count = json_is(index, JSON_NUMBER),
        .text = json_get_str(message->params, "text"),
    };
    if (decision.hunk_count > 0 && decision.filter.path.len == 0)
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_INVALID_PARAMS,
                              "a \"hunk\" needs the \"path\" it is in");
    else if (verdict == TOOLS_AMEND &&
             (decision.hunk_count == 0 || !json_is(json_get(message->params, "text"), JSON_STRING)))
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_INVALID_PARAMS,
                              "amending needs \"path\", \"hunk\" and \"text\"");
    else
        review_decide(server, message->id, &decision, true);
}

static void handle_accept(struct lsp_server *server, const struct jsonrpc_message *message)
{
    decide(server, message, TOOLS_ACCEPT);
}

static void handle_reject(struct lsp_server *server, const struct jsonrpc_message *message)
{
    decide(server, message, TOOLS_REJECT);
}

static void handle_amend(struct lsp_server *server, const struct jsonrpc_message *message)
{
    decide(server, message, TOOLS_AMEND);
}

const struct lsp_method review_requests[] = {
    {"lanebridge/changes/list", handle_list},
    {"lanebridge/changes/accept", handle_accept},
    {"lanebridge/changes/reject", handle_reject},
    {"lanebridge/changes/amend", handle_amend},
    {"textDocument/codeAction", hunks_handle_code_action},
    {"textDocument/codeLens", hunks_handle_code_lens},
    {NULL, NULL},
};

/* -- News ------------------------------------------------------------------------------------- */

static void on_refresh_time(void *user)
{
    struct lsp_server *server = user;
    jsonrpc_request(server->peer, "workspace/codeLens/refresh", STR(""), server_ignore_answer,
                    server);
}

void review_refresh_lenses(struct lsp_server *server)
{
    if (!server->client.refreshes_lenses || server->client.rich_review)
        return;
    if (!server->refresh_timer)
        server->refresh_timer = loop_timer_new(server->env.loop, on_refresh_time, server);
    if (!loop_timer_is_active(server->refresh_timer))
        loop_timer_start(server->refresh_timer, REFRESH_MS, 0);
}

void review_on_event(struct lsp_server *server, const struct agent_event *event)
{
    if (event->text.len > 0)
        server_show_message(server, 3, "Lanebridge: " STR_FMT, STR_ARG(event->text));
    review_refresh_lenses(server);
    if (!server->client.rich || !event->turn_id[0])
        return;
    struct buf params = {0};
    struct json_writer w;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_field_c(&w, "threadId", event->thread_id);
    json_write_field_c(&w, "turnId", event->turn_id);
    json_write_field_int(&w, "pending", (int64_t)event->pending);
    json_write_end_object(&w);
    jsonrpc_notify(server->peer, "lanebridge/changes/updated", buf_str(&params));
    buf_finish(&params);
}

void review_free(struct lsp_server *server)
{
    loop_timer_free(server->refresh_timer);
}
