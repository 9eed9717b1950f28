/* Starting a turn, whoever asks for it: what goes along, the place it is about, trust, the answer.
 */
#include "start-internal.h"

/* -- Life -------------------------------------------------------------------------------------- */

static struct turn_start *start_new(struct lsp_server *server,
                                    const struct jsonrpc_message *message,
                                    const struct turn_wish *wish)
{
    struct turn_start *start = mem_new(struct turn_start);
    start->server = server;
    vec_push(&server->starts, start);
    buf_append(&start->request_id, message->id);
    if (!wish)
        return start;
    buf_append(&start->uri, wish->uri);
    buf_append(&start->thread_id, wish->thread_id);
    buf_append(&start->mode, wish->mode);
    buf_append(&start->root, wish->root);
    if (json_is(wish->input, JSON_ARRAY))
        json_append(&start->source, wish->input);
    start->show_transcript = wish->show_transcript;
    start->is_rich = wish->is_rich;
    return start;
}

static void start_free(struct turn_start *start)
{
    struct lsp_server *server = start->server;
    for (size_t i = 0; i < server->starts.len; i++)
        if (server->starts.ptr[i] == start)
            vec_remove(&server->starts, i--);
    buf_finish(&start->request_id);
    buf_finish(&start->prompt);
    buf_finish(&start->thread_id);
    buf_finish(&start->mode);
    buf_finish(&start->source);
    buf_finish(&start->root);
    buf_finish(&start->uri);
    inputs_finish(&start->parts);
    surroundings_finish(&start->surroundings);
    mem_free(start);
}

static void drop(void *user)
{
    start_free(user);
}

void start_take_input(const struct turn_start *start, struct start_input *ret_input)
{
    struct start_input input = {0};
    for (size_t i = 0; i < start->parts.list.len; i++) {
        const struct input_part *part = &start->parts.list.ptr[i];
        if (part->is_left_out)
            continue;
        vec_push(&input.contexts, ((struct agent_context){.label = part->label.ptr,
                                                          .text = buf_str(&part->text),
                                                          .image = buf_str(&part->image),
                                                          .path = part->path.ptr}));
    }
    input.input = (struct agent_input){.prompt = buf_str(&start->prompt),
                                       .contexts = input.contexts.ptr,
                                       .context_count = input.contexts.len,
                                       .source = buf_str(&start->source),
                                       .mode = buf_str(&start->mode)};
    *ret_input = input;
}

/* -- Starting ---------------------------------------------------------------------------------- */

static enum status say(struct agent_thread *thread, struct turn_start *start, struct err *err)
{
    struct start_input input;
    start_take_input(start, &input);
    enum status status =
        start->kind == START_STEER
            ? agent_turn_steer(thread, str_from(start->turn_id), &input.input, err)
            : agent_turn_start(thread, &input.input, start->turn_id, &start->queued, err);
    vec_finish(&input.contexts);
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
    if (start->is_stopped)
        log_line(LOG_INFO, "prompt stopped before it began");
    else if (!yes)
        server_show_message(
            start->server, 2,
            "Lanebridge did nothing: the folder is not trusted. Ask again to decide anew.");
    else if (start_turn(start, &err) < 0)
        server_show_message(start->server, 1, "Lanebridge: %s", err.text);
    start_free(start);
}

static void answer_started(const struct turn_start *start)
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
    jsonrpc_respond(start->server->peer, buf_str(&start->request_id), buf_str(&result));
    buf_finish(&result);
}

void turn_answer_started(struct lsp_server *server, const struct jsonrpc_message *message,
                         const char *thread_id, const char *turn_id, bool queued)
{
    struct turn_start start = {.server = server, .is_rich = true, .queued = queued};
    buf_append(&start.request_id, message->id);
    buf_append_c(&start.thread_id, thread_id);
    memcpy(start.turn_id, turn_id, strnlen(turn_id, ID_BYTES - 1));
    answer_started(&start);
    buf_finish(&start.request_id);
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

/* A place of a document that a command named. */
static enum status add_selection(struct turn_start *start, const struct document *document,
                                 const struct json_value *range, struct err *err)
{
    struct input_part part = {0};
    size_t from, to;
    struct str shown = document->path[0] ? convert_display(start->server, str_from(document->path))
                                         : str_from(document->uri);
    enum status status = inputs_check(start->server, document->path, err);
    if (status == STATUS_OK)
        status = convert_range(start->server, document->text, range, &from, &to, err);
    if (status < 0)
        return status;
    buf_append_fmt(&part.label, "selection of " STR_FMT ", lines %zu-%zu", STR_ARG(shown),
                   text_line_of(document->text, from) + 1, text_line_of(document->text, to) + 1);
    buf_append(&part.text, str_slice(text_bytes(document->text), from, to));
    buf_append_c(&part.path, document->path);
    start->has_selection = true;
    inputs_push(&start->parts, &part);
    return STATUS_OK;
}

static enum status add_place(struct turn_start *start, const struct turn_wish *wish,
                             struct err *err)
{
    if (start->kind == START_STEER && wish->uri.len == 0)
        return STATUS_OK; /* the turn knows where it is */
    const struct document *document = turn_wished_document(start->server, wish->uri);
    if (wish->uri.len > 0 && !document)
        return err_set(err, STATUS_NOT_FOUND, STR_FMT " is not open in the editor",
                       STR_ARG(wish->uri));
    if (document && json_is(wish->range, JSON_OBJECT) && document->text)
        return add_selection(start, document, wish->range, err);
    return STATUS_OK;
}

/* Where there is nothing but text, a prompt names what goes along. */
static enum status add_mentions(struct turn_start *start, struct err *err)
{
    struct lsp_server *server = start->server;
    const struct document *document = turn_wished_document(server, buf_str(&start->uri));
    struct json_value *input = NULL;
    struct buf json = {0};
    if (start->is_rich)
        return STATUS_OK;
    mentions_append(server, convert_root_of(server, document ? str_from(document->path) : STR("")),
                    buf_str(&start->prompt), &json);
    enum status status = json_parse(buf_str(&json), &input, err);
    if (status == STATUS_OK)
        status = inputs_read_all(server, input, start->kind == START_PREVIEW, &start->parts, err);
    json_free(input);
    buf_finish(&json);
    return status;
}

/* All that can be known without asking the editor. */
static enum status prepare(struct turn_start *start, const struct turn_wish *wish, struct err *err)
{
    bool is_preview = start->kind == START_PREVIEW;
    if (wish->instruction)
        buf_append_fmt(&start->prompt, "%s\n", wish->instruction);
    prompts_expand(start->server, wish->prompt, &start->prompt);
    if (str_trim(buf_str(&start->prompt)).len == 0 && !is_preview)
        return err_set(err, STATUS_INVALID, "the prompt is empty: write what should be done");
    enum status status =
        inputs_read_all(start->server, wish->input, is_preview, &start->parts, err);
    if (status == STATUS_OK)
        status = add_mentions(start, err);
    if (status == STATUS_OK)
        status = add_place(start, wish, err);
    return status;
}

/* In which folder it is: that of what was given, of what the command named, of what the person is
 * at. */
static void choose_root(struct turn_start *start)
{
    struct str path = STR("");
    if (start->root.len > 0)
        return;
    for (size_t i = 0; i < start->parts.list.len && path.len == 0; i++)
        if (!start->parts.list.ptr[i].is_left_out)
            path = buf_str(&start->parts.list.ptr[i].path);
    if (path.len == 0 && start->uri.len == 0 && start->surroundings.is_told)
        path = buf_str(&start->surroundings.active);
    if (path.len == 0) {
        const struct document *document = turn_wished_document(start->server, buf_str(&start->uri));
        path = document ? str_from(document->path) : STR("");
    }
    const struct workspace_root *root = convert_root_of(start->server, path);
    if (root)
        buf_append_c(&start->root, root->path);
}

static bool has_selection(const struct turn_start *start)
{
    for (size_t i = 0; i < start->parts.list.len; i++)
        if (str_starts_with(buf_str(&start->parts.list.ptr[i].label), STR("selection of ")))
            return true;
    return start->has_selection;
}

static void add_surroundings(struct turn_start *start)
{
    struct input_part part = {0};
    if (start->kind == START_STEER)
        return;
    if (!start->surroundings.is_told)
        surroundings_guess(start->server, turn_wished_document(start->server, buf_str(&start->uri)),
                           &start->surroundings);
    surroundings_tell(start->server, &start->surroundings, !has_selection(start), &part);
    inputs_push(&start->parts, &part);
}

static void refuse(const struct turn_start *start, enum status status, const struct err *err)
{
    jsonrpc_respond_error(start->server->peer, buf_str(&start->request_id),
                          status == STATUS_INVALID ? JSONRPC_INVALID_PARAMS
                                                   : JSONRPC_REQUEST_FAILED,
                          "%s%s", err->text, takeover_hint(start->server, err));
}

static enum status steer(struct turn_start *start, struct err *err)
{
    struct str id = buf_str(&start->thread_id);
    struct agent_thread *thread =
        start->server->agent ? agent_thread_find(start->server->agent, id) : NULL;
    if (!thread)
        return err_set(err, STATUS_NOT_FOUND, "there is no open thread " STR_FMT, STR_ARG(id));
    enum status status = say(thread, start, err);
    if (status == STATUS_OK)
        jsonrpc_respond(start->server->peer, buf_str(&start->request_id), STR("{}"));
    return status;
}

/* True: the question of trust has taken the start. */
static bool ask_trust(struct turn_start *start)
{
    struct lsp_server *server = start->server;
    if (trust_is_given(server, buf_str(&start->root)))
        return false;
    jsonrpc_respond(server->peer, buf_str(&start->request_id), STR("{\"pending\":\"trust\"}"));
    start->is_answered = true;
    trust_need(server, buf_str(&start->root), on_trust, drop, start);
    return true;
}

/* The editor has told what it had to tell. */
static void go_on(void *user)
{
    struct turn_start *start = user;
    struct err err = {0};
    enum status status = STATUS_OK;
    if (start->is_stopped) {
        start_free(start);
        return;
    }
    choose_root(start);
    add_surroundings(start);
    if (start->kind == START_TURN) {
        if (ask_trust(start))
            return;
        status = start_turn(start, &err);
        if (status == STATUS_OK)
            answer_started(start);
    } else if (start->kind == START_STEER) {
        status = steer(start, &err);
    } else {
        status = preview_answer(start, &err);
    }
    if (status < 0)
        refuse(start, status, &err);
    start_free(start);
}

static void begin(struct turn_start *start, const struct turn_wish *wish)
{
    struct err err = {0};
    enum status status = prepare(start, wish, &err);
    if (status < 0) {
        refuse(start, status, &err);
        start_free(start);
        return;
    }
    struct surroundings *wanted = start->kind == START_STEER ? NULL : &start->surroundings;
    if (!gather_start(start->server, &start->parts, wanted, go_on, drop, start))
        go_on(start);
}

void turn_request(struct lsp_server *server, const struct jsonrpc_message *message,
                  const struct turn_wish *wish)
{
    begin(start_new(server, message, wish), wish);
}

void turn_preview_request(struct lsp_server *server, const struct jsonrpc_message *message,
                          const struct turn_wish *wish)
{
    struct turn_start *start = start_new(server, message, wish);
    start->kind = START_PREVIEW;
    begin(start, wish);
}

void turn_steer_request(struct lsp_server *server, const struct jsonrpc_message *message,
                        const struct turn_wish *wish, struct str turn_id)
{
    struct turn_start *start = start_new(server, message, wish);
    struct err err = {0};
    start->kind = START_STEER;
    if (turn_id.len >= ID_BYTES) {
        refuse(start, err_set(&err, STATUS_NOT_FOUND, "there is no such turn"), &err);
        start_free(start);
        return;
    }
    if (turn_id.len > 0)
        memcpy(start->turn_id, turn_id.ptr, turn_id.len);
    begin(start, wish);
}

/* -- Stopping before it began: the editor or the person is still being asked ------------------- */

static void stop(struct turn_start *start)
{
    start->is_stopped = true;
    if (start->is_answered)
        return;
    start->is_answered = true;
    jsonrpc_respond_error(start->server->peer, buf_str(&start->request_id),
                          JSONRPC_REQUEST_CANCELLED, "stopped before it began");
}

bool turn_cancel_request(struct lsp_server *server, struct str id)
{
    for (size_t i = 0; i < server->starts.len; i++) {
        struct turn_start *start = server->starts.ptr[i];
        if (start->is_answered || !str_eq(id, buf_str(&start->request_id)))
            continue;
        start->is_stopped = start->is_answered = true;
        return true;
    }
    return false;
}

bool turn_stop_pending(struct lsp_server *server, struct str thread_id)
{
    bool found = false;
    for (size_t i = 0; i < server->starts.len; i++) {
        struct turn_start *start = server->starts.ptr[i];
        struct str wanted = buf_str(&start->thread_id);
        bool fits = thread_id.len == 0 || wanted.len == 0 || str_eq(thread_id, wanted);
        if (start->kind != START_TURN || start->is_stopped || !fits)
            continue;
        stop(start);
        found = true;
    }
    return found;
}

void starts_finish(struct lsp_server *server)
{
    vec_finish(&server->starts);
}

void turn_compact_request(struct lsp_server *server, const struct jsonrpc_message *message,
                          struct agent_thread *thread, bool is_rich)
{
    struct turn_start *start = start_new(server, message, NULL);
    struct err err = {0};
    start->is_rich = is_rich;
    buf_append_c(&start->thread_id, agent_thread_id(thread));
    enum status status = agent_thread_compact(thread, start->turn_id, &start->queued, &err);
    if (status == STATUS_OK)
        answer_started(start);
    else
        refuse(start, status, &err);
    start_free(start);
}
