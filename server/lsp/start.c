/* Starting a turn, whoever asks for it: the place it is about, trust, the answer. */
#include "lsp-internal.h"

/* -- Starting a turn
 * ------------------------------------------------------------------------------------ */

struct turn_start {
    struct lsp_server *server;
    struct buf prompt, thread_id, root, mode, source;
    VEC(struct input_part) parts;
    bool show_transcript, is_rich, is_steering;
    char turn_id[ID_BYTES];
    bool queued;
};

static void start_free(struct turn_start *start)
{
    buf_finish(&start->prompt);
    buf_finish(&start->thread_id);
    buf_finish(&start->mode);
    buf_finish(&start->source);
    buf_finish(&start->root);
    for (size_t i = 0; i < start->parts.len; i++)
        inputs_finish(&start->parts.ptr[i]);
    vec_finish(&start->parts);
    mem_free(start);
}

static enum status say(struct agent_thread *thread, struct turn_start *start, struct err *err)
{
    VEC(struct agent_context) contexts = {0};
    for (size_t i = 0; i < start->parts.len; i++)
        vec_push(&contexts, ((struct agent_context){.label = start->parts.ptr[i].label.ptr,
                                                    .text = buf_str(&start->parts.ptr[i].text)}));
    struct agent_input input = {.prompt = buf_str(&start->prompt),
                                .contexts = contexts.ptr,
                                .context_count = contexts.len,
                                .source = buf_str(&start->source),
                                .mode = buf_str(&start->mode)};
    enum status status =
        start->is_steering ? agent_turn_steer(thread, str_from(start->turn_id), &input, err)
                           : agent_turn_start(thread, &input, start->turn_id, &start->queued, err);
    vec_finish(&contexts);
    return status;
}

static enum status start_turn(struct turn_start *start, struct err *err)
{
    struct lsp_server *server = start->server;
    struct agent *agent = server_agent(server, err);
    if (!agent)
        return STATUS_IO;
    struct agent_thread *thread =
        threads_pick(server, agent, buf_str(&start->thread_id), buf_str(&start->root), err);
    if (!thread)
        return STATUS_NOT_FOUND;
    buf_clear(&start->thread_id);
    buf_append_c(&start->thread_id, agent_thread_id(thread));
    enum status status = say(thread, start, err);
    if (status == STATUS_OK && start->show_transcript && !server->client.rich)
        transcript_show(server, start->thread_id.ptr, false);
    return status;
}

/* The answer to the trust question: the request was answered long ago. */
static void on_trust(void *user, bool yes)
{
    struct turn_start *start = user;
    struct err err = {0};
    if (!yes)
        server_show_message(
            start->server, 2,
            "Lanebridge did nothing: the folder is not trusted. Ask again to decide anew.");
    else if (start_turn(start, &err) < 0)
        server_show_message(start->server, 1, "Lanebridge: %s", err.text);
    start_free(start);
}

static void on_trust_dropped(void *user)
{
    start_free(user);
}

static void answer_started(struct lsp_server *server, struct str id, const struct turn_start *start)
{
    struct buf result = {0};
    struct json_writer w;
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_field_str(&w, "threadId", buf_str(&start->thread_id));
    if (start->is_rich) {
        json_write_key(&w, "turn");
        json_write_begin_object(&w);
        json_write_field_c(&w, "id", start->turn_id);
        json_write_end_object(&w);
    } else {
        json_write_field_c(&w, "turnId", start->turn_id);
    }
    if (start->queued)
        json_write_field_bool(&w, "queued", true);
    json_write_end_object(&w);
    jsonrpc_respond(server->peer, id, buf_str(&result));
    buf_finish(&result);
}

void turn_answer_started(struct lsp_server *server, const struct jsonrpc_message *message,
                         const char *thread_id, const char *turn_id, bool queued)
{
    struct turn_start start = {.is_rich = true, .queued = queued};
    buf_append_c(&start.thread_id, thread_id);
    memcpy(start.turn_id, turn_id, strnlen(turn_id, ID_BYTES - 1));
    answer_started(server, message->id, &start);
    buf_finish(&start.thread_id);
}

/* The document the wish names, or the one used last. */
const struct document *turn_wished_document(struct lsp_server *server, struct str uri)
{
    if (uri.len > 0)
        return document_find_uri(server->env.documents, uri);
    const struct document *last = NULL, *one;
    for (size_t i = 0; (one = document_at(server->env.documents, i)); i++)
        if (one->path[0] && transcript_thread_of(server, str_from(one->path)).len == 0 &&
            (!last || one->sequence > last->sequence))
            last = one;
    return last;
}

static enum status add_context(struct turn_start *start, const struct turn_wish *wish,
                               const struct document *document, struct err *err)
{
    struct input_part part = {0};
    size_t from, to;
    enum status status = STATUS_OK;
    if (!document)
        return STATUS_OK;
    struct str shown = document->path[0] ? convert_display(start->server, str_from(document->path))
                                         : str_from(document->uri);
    if (!json_is(wish->range, JSON_OBJECT) || !document->text) {
        buf_append_c(&part.label, "editor");
        buf_append_fmt(&part.text, "active file: " STR_FMT, STR_ARG(shown));
    } else {
        status = inputs_check(start->server, document->path, err);
        if (status == STATUS_OK)
            status = convert_range(start->server, document->text, wish->range, &from, &to, err);
        if (status < 0)
            return status;
        buf_append_fmt(&part.label, "selection of " STR_FMT ", lines %zu-%zu", STR_ARG(shown),
                       text_line_of(document->text, from) + 1,
                       text_line_of(document->text, to) + 1);
        buf_append(&part.text, str_slice(text_bytes(document->text), from, to));
    }
    vec_push(&start->parts, part);
    return STATUS_OK;
}

/* What was given along; the first file of it says in which folder the turn is. */
static enum status add_parts(struct turn_start *start, const struct json_value *input,
                             struct str *ret_path, struct err *err)
{
    const struct json_value *one = json_first(input);
    for (; one; one = json_next(one)) {
        struct input_part part;
        enum status status = inputs_read(start->server, one, &part, err);
        if (status == STATUS_OK && part.label.len > 0)
            vec_push(&start->parts, part);
        else
            inputs_finish(&part);
        if (status < 0)
            return status;
        if (part.label.len > 0 && part.path.len > 0 && ret_path->len == 0)
            *ret_path = buf_str(&part.path);
    }
    return STATUS_OK;
}

static void set_root(struct turn_start *start, struct str path)
{
    const struct workspace_root *root = convert_root_of(start->server, path);
    if (root)
        buf_append_c(&start->root, root->path);
}

static enum status prepare(struct turn_start *start, const struct turn_wish *wish, struct err *err)
{
    if (wish->instruction)
        buf_append_fmt(&start->prompt, "%s\n", wish->instruction);
    prompts_expand(start->server, wish->prompt, &start->prompt);
    buf_append(&start->thread_id, wish->thread_id);
    buf_append(&start->mode, wish->mode);
    if (json_is(wish->input, JSON_ARRAY))
        json_append(&start->source, wish->input);
    start->show_transcript = wish->show_transcript;
    start->is_rich = wish->is_rich;
    if (str_trim(buf_str(&start->prompt)).len == 0)
        return err_set(err, STATUS_INVALID, "the prompt is empty: write what should be done");
    struct str path = STR("");
    enum status status = add_parts(start, wish->input, &path, err);
    if (status < 0 || path.len > 0) {
        set_root(start, path);
        return status;
    }
    bool needs_none = start->is_steering && wish->uri.len == 0; /* the turn knows where it is */
    const struct document *document =
        needs_none ? NULL : turn_wished_document(start->server, wish->uri);
    if (wish->uri.len > 0 && !document)
        return err_set(err, STATUS_NOT_FOUND, STR_FMT " is not open in the editor",
                       STR_ARG(wish->uri));
    set_root(start, document ? str_from(document->path) : STR(""));
    return add_context(start, wish, document, err);
}

static void refuse(struct lsp_server *server, const struct jsonrpc_message *message,
                   enum status status, const struct err *err)
{
    jsonrpc_respond_error(server->peer, message->id,
                          status == STATUS_INVALID ? JSONRPC_INVALID_PARAMS
                                                   : JSONRPC_REQUEST_FAILED,
                          "%s", err->text);
}

void turn_request(struct lsp_server *server, const struct jsonrpc_message *message,
                  const struct turn_wish *wish)
{
    struct turn_start *start = mem_new(struct turn_start);
    struct err err = {0};
    start->server = server;
    enum status status = prepare(start, wish, &err);
    if (status == STATUS_OK && !trust_is_given(server, buf_str(&start->root))) {
        jsonrpc_respond(server->peer, message->id, STR("{\"pending\":\"trust\"}"));
        trust_need(server, buf_str(&start->root), on_trust, on_trust_dropped, start);
        return;
    }
    if (status == STATUS_OK)
        status = start_turn(start, &err);
    if (status == STATUS_OK)
        answer_started(server, message->id, start);
    else
        refuse(server, message, status, &err);
    start_free(start);
}

void turn_steer_request(struct lsp_server *server, const struct jsonrpc_message *message,
                        const struct turn_wish *wish, struct str turn_id)
{
    struct turn_start *start = mem_new(struct turn_start);
    struct err err = {0};
    start->server = server;
    start->is_steering = true;
    struct agent_thread *thread =
        server->agent ? agent_thread_find(server->agent, wish->thread_id) : NULL;
    enum status status = STATUS_OK;
    if (!thread)
        status = err_set(&err, STATUS_NOT_FOUND, "there is no open thread " STR_FMT,
                         STR_ARG(wish->thread_id));
    if (status == STATUS_OK && turn_id.len >= ID_BYTES)
        status = err_set(&err, STATUS_NOT_FOUND, "there is no such turn");
    if (status == STATUS_OK)
        status = prepare(start, wish, &err);
    if (status == STATUS_OK) {
        if (turn_id.len > 0)
            memcpy(start->turn_id, turn_id.ptr, turn_id.len);
        status = say(thread, start, &err);
    }
    if (status == STATUS_OK)
        jsonrpc_respond(server->peer, message->id, STR("{}"));
    else
        refuse(server, message, status, &err);
    start_free(start);
}

void turn_compact_request(struct lsp_server *server, const struct jsonrpc_message *message,
                          struct agent_thread *thread, bool is_rich)
{
    struct turn_start *start = mem_new(struct turn_start);
    struct err err = {0};
    start->is_rich = is_rich;
    buf_append_c(&start->thread_id, agent_thread_id(thread));
    enum status status = agent_thread_compact(thread, start->turn_id, &start->queued, &err);
    if (status == STATUS_OK)
        answer_started(server, message->id, start);
    else
        refuse(server, message, status, &err);
    start_free(start);
}
