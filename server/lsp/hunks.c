/* Pending hunks by place, for clients that show nothing of them by themselves: code actions at a
 * hunk, one line of lenses a file, and the commands behind both. */
#include "review-internal.h"

/* The hunks of one file, and which of them are at the lines asked for. */
struct place {
    size_t first, last; /* lines of the text as it is */
    VEC(unsigned) here; /* ids */
    VEC(unsigned) all;
    size_t line; /* of the first hunk */
};

static void place_finish(struct place *place)
{
    vec_finish(&place->here);
    vec_finish(&place->all);
}

/* Lines that went away leave a seam: the lines at its sides stand for it. */
static bool is_here(const struct place *place, const struct tools_hunk *hunk)
{
    size_t end = hunk->line + hunk->count;
    if (hunk->kind != TOOLS_HUNK_LINES)
        return true;
    if (hunk->count == 0)
        return place->first <= end && end <= place->last + 1;
    return hunk->line <= place->last && place->first < end;
}

static void look_at_file(void *user, const struct tools_review_file *file)
{
    struct place *place = user;
    for (size_t i = 0; i < file->count; i++) {
        const struct tools_hunk *hunk = &file->hunks[i];
        if (place->all.len == 0)
            place->line = hunk->line;
        vec_push(&place->all, hunk->id);
        if (is_here(place, hunk))
            vec_push(&place->here, hunk->id);
    }
}

static void append_path(const struct lsp_server *server, struct str uri, struct buf *path)
{
    const struct document *document = document_find_uri(server->env.documents, uri);
    uint64_t device, inode;
    if (document)
        buf_append_c(path, document->path);
    else
        (void)convert_uri(uri, path, &device, &inode, NULL);
}

static void look(struct lsp_server *server, struct str path, struct place *place)
{
    struct agent *agent = path.len > 0 ? review_agent(server) : NULL;
    struct tools_review_filter filter = {.path = path};
    if (agent)
        agent_review_each(agent, &filter, look_at_file, place);
}

/* -- Code actions ----------------------------------------------------------------------------- */

static const struct {
    const char *one, *many, *all; /* titles */
    const char *command, *command_all;
} verbs[] = {
    [TOOLS_ACCEPT] = {"Accept this change", "Accept these %zu changes",
                      "Accept all %zu changes in this file", "lanebridge.acceptHunk",
                      "lanebridge.acceptAll"},
    [TOOLS_REJECT] = {"Reject this change", "Reject these %zu changes",
                      "Reject all %zu changes in this file", "lanebridge.rejectHunk",
                      "lanebridge.rejectAll"},
};

static void write_command(struct json_writer *w, struct str title, const char *command,
                          struct str uri, const unsigned *ids, size_t count)
{
    json_write_begin_object(w);
    json_write_field_str(w, "title", title);
    json_write_field_c(w, "command", command);
    json_write_key(w, "arguments");
    json_write_begin_array(w);
    json_write_begin_object(w);
    json_write_field_str(w, "uri", uri);
    if (ids) {
        json_write_key(w, "hunks");
        json_write_begin_array(w);
        for (size_t i = 0; i < count; i++)
            json_write_int(w, ids[i]);
        json_write_end_array(w);
    }
    json_write_end_object(w);
    json_write_end_array(w);
    json_write_end_object(w);
}

static void write_action(struct json_writer *w, struct str title, const char *command,
                         struct str uri, const unsigned *ids, size_t count)
{
    json_write_begin_object(w);
    json_write_field_str(w, "title", title);
    json_write_field_c(w, "kind", "quickfix");
    json_write_key(w, "command");
    write_command(w, title, command, uri, ids, count);
    json_write_end_object(w);
}

static void append_title(struct buf *title, const char *one, const char *many, size_t count)
{
    struct str format = str_from(count == 1 && one ? one : many);
    size_t at = str_find(format, STR("%zu"), 0);
    if (at == STR_NONE) {
        buf_append(title, format);
        return;
    }
    buf_append(title, str_slice(format, 0, at));
    buf_append_fmt(title, "%zu", count);
    buf_append(title, str_skip(format, at + 3));
}

static void write_actions(struct json_writer *w, const struct place *place, struct str uri)
{
    for (size_t i = 0; i < array_count(verbs); i++) {
        struct buf title = {0};
        append_title(&title, verbs[i].one, verbs[i].many, place->here.len);
        write_action(w, buf_str(&title), verbs[i].command, uri, place->here.ptr, place->here.len);
        buf_finish(&title);
    }
    for (size_t i = 0; i < array_count(verbs) && place->all.len > place->here.len; i++) {
        struct buf title = {0};
        append_title(&title, NULL, verbs[i].all, place->all.len);
        write_action(w, buf_str(&title), verbs[i].command_all, uri, NULL, 0);
        buf_finish(&title);
    }
}

/* What kinds the client asks for; none named: all. */
static bool wants_kind(const struct json_value *params)
{
    const struct json_value *only = json_first(json_at(params, "context", "only", NULL));
    if (!only)
        return true;
    for (; only; only = json_next(only))
        if (json_str(only).len == 0 || str_eq_c(json_str(only), "quickfix"))
            return true;
    return false;
}

static bool wants_actions(const struct lsp_server *server, const struct json_value *params)
{
    enum lsp_code_actions setting =
        server->env.code_actions ? server->env.code_actions(server->env.user) : LSP_ACTIONS_ON;
    const struct json_value *start = json_at(params, "range", "start", NULL);
    const struct json_value *end = json_at(params, "range", "end", NULL);
    bool is_empty = json_get_int(start, "line", 0) == json_get_int(end, "line", 0) &&
                    json_get_int(start, "character", 0) == json_get_int(end, "character", 0);
    return !server->client.rich_review && setting != LSP_ACTIONS_OFF && wants_kind(params) &&
           (setting == LSP_ACTIONS_ON || !is_empty);
}

static size_t line_of(const struct json_value *position)
{
    int64_t line = json_get_int(position, "line", 0);
    return line < 0 ? 0 : (size_t)line;
}

static void read_lines(const struct json_value *range, struct place *place)
{
    const struct json_value *end = json_get(range, "end");
    place->first = line_of(json_get(range, "start"));
    place->last = line_of(end);
    /* a selection of whole lines ends at the start of the next */
    if (place->last > place->first && json_get_int(end, "character", 0) == 0)
        place->last--;
}

void hunks_handle_code_action(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct place place = {0};
    struct buf json = {0}, path = {0};
    struct json_writer w;
    struct str uri = json_get_str(json_get(message->params, "textDocument"), "uri");
    read_lines(json_get(message->params, "range"), &place);
    append_path(server, uri, &path);
    if (wants_actions(server, message->params))
        look(server, buf_str(&path), &place);
    json_writer_init(&w, &json);
    json_write_begin_array(&w);
    if (place.here.len > 0)
        write_actions(&w, &place, uri);
    actions_append(server, message->params, &w);
    json_write_end_array(&w);
    jsonrpc_respond(server->peer, message->id, buf_str(&json));
    buf_finish(&json);
    buf_finish(&path);
    place_finish(&place);
}

/* -- Lenses ----------------------------------------------------------------------------------- */

static void write_lens(struct json_writer *w, const struct place *place, struct str uri,
                       const char *title, const char *command)
{
    json_write_begin_object(w);
    json_write_key(w, "range");
    json_write_begin_object(w);
    for (unsigned i = 0; i < 2; i++) {
        json_write_key(w, i == 0 ? "start" : "end");
        json_write_begin_object(w);
        json_write_field_int(w, "line", (int64_t)place->line);
        json_write_field_int(w, "character", 0);
        json_write_end_object(w);
    }
    json_write_end_object(w);
    json_write_key(w, "command");
    write_command(w, str_from(title), command, uri, NULL, 0);
    json_write_end_object(w);
}

void hunks_handle_code_lens(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct place place = {0};
    struct buf json = {0}, path = {0}, title = {0};
    struct json_writer w;
    struct str uri = json_get_str(json_get(message->params, "textDocument"), "uri");
    append_path(server, uri, &path);
    if (!server->client.rich_review)
        look(server, buf_str(&path), &place);
    json_writer_init(&w, &json);
    json_write_begin_array(&w);
    if (place.all.len > 0) {
        append_title(&title, "1 change waits: accept it", "%zu changes wait: accept all",
                     place.all.len);
        write_lens(&w, &place, uri, title.ptr, "lanebridge.acceptAll");
        write_lens(&w, &place, uri, place.all.len == 1 ? "reject it" : "reject all",
                   "lanebridge.rejectAll");
    }
    takeover_append_lens(server, buf_str(&path), &w);
    json_write_end_array(&w);
    jsonrpc_respond(server->peer, message->id, buf_str(&json));
    buf_finish(&json);
    buf_finish(&path);
    buf_finish(&title);
    place_finish(&place);
}

/* -- Commands --------------------------------------------------------------------------------- */

/* The hunks named, or those at the place named. */
static void read_hunks(struct lsp_server *server, const struct json_value *argument,
                       struct str path, struct place *place)
{
    const struct json_value *one = json_get(argument, "hunk");
    const struct json_value *list = json_first(json_get(argument, "hunks"));
    const struct json_value *position = json_get(argument, "position");
    if (json_is(one, JSON_NUMBER))
        vec_push(&place->here, (unsigned)(json_int(one, 0) & UINT32_MAX));
    for (; list; list = json_next(list))
        vec_push(&place->here, (unsigned)(json_int(list, 0) & UINT32_MAX));
    if (place->here.len > 0)
        return;
    if (json_is(json_get(argument, "range"), JSON_OBJECT))
        read_lines(json_get(argument, "range"), place);
    else if (json_is(position, JSON_OBJECT))
        place->first = place->last = line_of(position);
    else
        return;
    look(server, path, place);
}

void review_hunk_command(struct lsp_server *server, struct str id,
                         const struct json_value *argument, enum tools_verdict verdict)
{
    struct place place = {0};
    struct buf path = {0};
    append_path(server, json_get_str(argument, "uri"), &path);
    read_hunks(server, argument, buf_str(&path), &place);
    struct tools_decision decision = {
        .verdict = verdict,
        .filter = {.thread_id = json_get_str(argument, "threadId"),
                   .turn_id = json_get_str(argument, "turnId"),
                   .path = buf_str(&path)},
        .hunks = place.here.ptr,
        .hunk_count = place.here.len,
    };
    if (path.len == 0)
        jsonrpc_respond_error(server->peer, id, JSONRPC_INVALID_PARAMS,
                              "say which file is meant: \"uri\", and the place: \"range\" or "
                              "\"position\"");
    else if (place.here.len == 0)
        jsonrpc_respond_error(server->peer, id, JSONRPC_REQUEST_FAILED,
                              "no change waits for a decision at this place");
    else
        review_decide(server, id, &decision, false);
    buf_finish(&path);
    place_finish(&place);
}

void review_all_command(struct lsp_server *server, struct str id, const struct json_value *argument,
                        enum tools_verdict verdict)
{
    struct buf path = {0};
    struct str uri = json_get_str(argument, "uri");
    if (uri.len > 0)
        append_path(server, uri, &path);
    struct tools_decision decision = {
        .verdict = verdict,
        .filter = {.thread_id = json_get_str(argument, "threadId"),
                   .turn_id = json_get_str(argument, "turnId"),
                   .path = buf_str(&path)},
    };
    review_decide(server, id, &decision, false);
    buf_finish(&path);
}
