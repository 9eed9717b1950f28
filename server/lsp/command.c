/* workspace/executeCommand: turns and threads for clients that know nothing but commands. */
#include "lsp-internal.h"

/* -- Starting a turn
 * ------------------------------------------------------------------------------------ */

struct turn_start {
    struct lsp_server *server;
    struct buf prompt, thread_id, root;
    struct buf context_label, context_text;
    bool show_transcript, is_rich, is_steering;
    char turn_id[ID_BYTES];
    bool queued;
};

static void start_free(struct turn_start *start)
{
    buf_finish(&start->prompt);
    buf_finish(&start->thread_id);
    buf_finish(&start->root);
    buf_finish(&start->context_label);
    buf_finish(&start->context_text);
    mem_free(start);
}

static enum status say(struct agent_thread *thread, struct turn_start *start, struct err *err)
{
    struct agent_context context = {.label = start->context_label.ptr,
                                    .text = buf_str(&start->context_text)};
    struct agent_input input = {.prompt = buf_str(&start->prompt),
                                .contexts = &context,
                                .context_count = start->context_label.len > 0};
    if (start->is_steering)
        return agent_turn_steer(thread, str_from(start->turn_id), &input, err);
    return agent_turn_start(thread, &input, start->turn_id, &start->queued, err);
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

/* The document the wish names, or the one used last. */
static const struct document *wished_document(struct lsp_server *server, struct str uri)
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
    if (!document)
        return STATUS_OK;
    struct str shown = document->path[0] ? convert_display(start->server, str_from(document->path))
                                         : str_from(document->uri);
    if (!json_is(wish->range, JSON_OBJECT) || !document->text) {
        buf_append_c(&start->context_label, "editor");
        buf_append_fmt(&start->context_text, "active file: " STR_FMT, STR_ARG(shown));
        return STATUS_OK;
    }
    size_t from, to;
    enum status status = convert_range(start->server, document->text, wish->range, &from, &to, err);
    if (status < 0)
        return status;
    buf_append_fmt(&start->context_label, "selection of " STR_FMT ", lines %zu-%zu", STR_ARG(shown),
                   text_line_of(document->text, from) + 1, text_line_of(document->text, to) + 1);
    buf_append(&start->context_text, str_slice(text_bytes(document->text), from, to));
    return STATUS_OK;
}

static enum status prepare(struct turn_start *start, const struct turn_wish *wish, struct err *err)
{
    if (wish->instruction)
        buf_append_fmt(&start->prompt, "%s\n", wish->instruction);
    buf_append(&start->prompt, wish->prompt);
    buf_append(&start->thread_id, wish->thread_id);
    start->show_transcript = wish->show_transcript;
    start->is_rich = wish->is_rich;
    if (str_trim(buf_str(&start->prompt)).len == 0)
        return err_set(err, STATUS_INVALID, "the prompt is empty: write what should be done");
    bool needs_none = start->is_steering && wish->uri.len == 0; /* the turn knows where it is */
    const struct document *document = needs_none ? NULL : wished_document(start->server, wish->uri);
    if (wish->uri.len > 0 && !document)
        return err_set(err, STATUS_NOT_FOUND, STR_FMT " is not open in the editor",
                       STR_ARG(wish->uri));
    const struct workspace_root *root =
        convert_root_of(start->server, document ? str_from(document->path) : STR(""));
    if (root)
        buf_append_c(&start->root, root->path);
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

/* -- The commands
 * ------------------------------------------------------------------------------------------ */

struct command_call {
    struct lsp_server *server;
    const struct jsonrpc_message *message;
    const struct json_value *argument; /* the first, or NULL */
};

static void fail(const struct command_call *call, const struct err *err)
{
    jsonrpc_respond_error(call->server->peer, call->message->id, JSONRPC_REQUEST_FAILED, "%s",
                          err->text);
}

static struct turn_wish wish_from(const struct command_call *call)
{
    struct turn_wish wish = {.show_transcript = true};
    if (json_is(call->argument, JSON_STRING)) {
        wish.prompt = json_str(call->argument);
    } else {
        wish.prompt = json_get_str(call->argument, "prompt");
        wish.thread_id = json_get_str(call->argument, "threadId");
        wish.uri = json_get_str(call->argument, "uri");
        wish.range = json_get(call->argument, "range");
    }
    return wish;
}

/* The thread to show or ask in: the one named, else the last of the root, else a new one. */
static struct agent_thread *pick_thread(const struct command_call *call, struct err *err)
{
    struct agent *agent = server_agent(call->server, err);
    if (!agent)
        return NULL;
    const struct document *document = wished_document(call->server, STR(""));
    const struct workspace_root *root =
        convert_root_of(call->server, document ? str_from(document->path) : STR(""));
    return threads_pick(call->server, agent, json_get_str(call->argument, "threadId"),
                        root ? str_from(root->path) : STR(""), err);
}

static void respond_thread(const struct command_call *call, const struct agent_thread *thread)
{
    struct buf result = {0};
    struct json_writer w;
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_field_c(&w, "threadId", agent_thread_id(thread));
    json_write_end_object(&w);
    jsonrpc_respond(call->server->peer, call->message->id, buf_str(&result));
    buf_finish(&result);
}

static void run_open_transcript(const struct command_call *call)
{
    struct err err = {0};
    struct agent_thread *thread = pick_thread(call, &err);
    if (!thread) {
        fail(call, &err);
        return;
    }
    respond_thread(call, thread);
    transcript_show(call->server, agent_thread_id(thread), true);
}

/* With nothing: what was written below the prompt heading, or the transcript itself. */
static void run_ask(const struct command_call *call)
{
    struct turn_wish wish = wish_from(call);
    struct buf written = {0};
    if (wish.prompt.len == 0) {
        struct err err = {0};
        struct agent_thread *thread = call->server->agent ? pick_thread(call, &err) : NULL;
        if (thread)
            transcript_take_prompt(call->server, agent_thread_id(thread), &written);
        if (written.len == 0) {
            run_open_transcript(call);
            return;
        }
        wish.prompt = buf_str(&written);
        wish.thread_id = str_from(agent_thread_id(thread));
    }
    turn_request(call->server, call->message, &wish);
    buf_finish(&written);
}

static bool refuse_empty(const struct command_call *call, struct str text, const char *why)
{
    if (str_trim(text).len > 0)
        return false;
    jsonrpc_respond_error(call->server->peer, call->message->id, JSONRPC_INVALID_PARAMS, "%s", why);
    return true;
}

/* Nobody has asked what is to be done: it is asked for in the transcript, which knows the place. */
static void write_prompt_of_selection(const struct command_call *call, const struct turn_wish *wish)
{
    struct err err = {0};
    struct buf line = {0};
    const struct document *document = wished_document(call->server, wish->uri);
    struct agent_thread *thread = document ? pick_thread(call, &err) : NULL;
    if (!document)
        err_set(&err, STATUS_NOT_FOUND, "the file is not open: open it and select again");
    if (!thread) {
        fail(call, &err);
        return;
    }
    int64_t first = json_int(json_at(wish->range, "start", "line", NULL), 0) + 1;
    int64_t last = json_int(json_at(wish->range, "end", "line", NULL), 0) + 1;
    bool is_whole = json_int(json_at(wish->range, "end", "character", NULL), 0) == 0;
    buf_append_fmt(&line, "In " STR_FMT ", lines %lld to %lld: ",
                   STR_ARG(convert_display(call->server, str_from(document->path))),
                   (long long)first, (long long)(is_whole && last > first ? last - 1 : last));
    respond_thread(call, thread);
    transcript_write_prompt(call->server, agent_thread_id(thread), buf_str(&line));
    buf_finish(&line);
}

static void run_edit(const struct command_call *call)
{
    struct turn_wish wish = wish_from(call);
    if (str_trim(wish.prompt).len == 0 && json_is(wish.range, JSON_OBJECT)) {
        write_prompt_of_selection(call, &wish);
        return;
    }
    if (refuse_empty(call, wish.prompt, "the prompt is empty: write what should be done"))
        return;
    wish.instruction = "Edit the selected code as asked; change nothing else.";
    turn_request(call->server, call->message, &wish);
}

static void run_explain(const struct command_call *call)
{
    struct turn_wish wish = wish_from(call);
    wish.instruction = "Explain the selected code. Change nothing.";
    turn_request(call->server, call->message, &wish);
}

static void run_fix(const struct command_call *call)
{
    struct turn_wish wish = wish_from(call);
    struct buf text = {0};
    const struct json_value *one = json_first(json_get(call->argument, "diagnostics"));
    for (; one; one = json_next(one)) {
        struct str said = json_get_str(one, "message");
        int64_t line = json_int(json_at(one, "range", "start", "line", NULL), -1);
        buf_append_fmt(&text, "- line %lld: " STR_FMT "\n", (long long)line + 1, STR_ARG(said));
    }
    buf_append(&text, wish.prompt);
    if (refuse_empty(call, buf_str(&text),
                     "there is nothing to fix: give \"diagnostics\" or a prompt")) {
        buf_finish(&text);
        return;
    }
    wish.instruction = "Fix these problems with the smallest change:";
    wish.prompt = buf_str(&text);
    turn_request(call->server, call->message, &wish);
    buf_finish(&text);
}

/* The one named, or the last used of the root in use; opens none. */
static struct agent_thread *open_thread(const struct command_call *call)
{
    struct agent *agent = call->server->agent;
    struct str id = json_get_str(call->argument, "threadId");
    if (!agent || id.len > 0)
        return agent ? agent_thread_find(agent, id) : NULL;
    const struct document *document = wished_document(call->server, STR(""));
    const struct workspace_root *root =
        convert_root_of(call->server, document ? str_from(document->path) : STR(""));
    return agent_thread_last(agent, root ? str_from(root->path) : STR(""));
}

static void run_interrupt(const struct command_call *call)
{
    struct err err = {0};
    struct agent_thread *thread = open_thread(call);
    if (!thread)
        err_set(&err, STATUS_NOT_FOUND, "nothing is running");
    if (!thread || agent_turn_interrupt(thread, json_get_str(call->argument, "turnId"), &err) < 0) {
        fail(call, &err);
        return;
    }
    jsonrpc_respond(call->server->peer, call->message->id, STR("{}"));
}

static void run_undo_turn(const struct command_call *call)
{
    struct err err = {0};
    struct agent_thread *thread = open_thread(call);
    if (!thread)
        err_set(&err, STATUS_NOT_FOUND, "there is nothing to undo: no thread is open");
    if (!thread || undo_start(call->server, call->message->id, thread,
                              json_get_str(call->argument, "turnId"), TOOLS_UNDO, &err) < 0)
        fail(call, &err);
}

static void run_compact(const struct command_call *call)
{
    struct err err = {0};
    struct agent_thread *thread = open_thread(call);
    struct str id = json_get_str(call->argument, "threadId");
    if (!thread && id.len > 0) {
        struct agent *agent = server_agent(call->server, &err);
        thread = agent ? agent_thread_resume(agent, id, &err) : NULL;
    } else if (!thread) {
        err_set(&err, STATUS_NOT_FOUND, "there is no thread here yet that could be compacted");
    }
    if (thread)
        turn_compact_request(call->server, call->message, thread, false);
    else
        fail(call, &err);
}

static void run_new_thread(const struct command_call *call)
{
    struct err err = {0};
    struct agent *agent = server_agent(call->server, &err);
    const struct document *document = wished_document(call->server, STR(""));
    const struct workspace_root *root =
        convert_root_of(call->server, document ? str_from(document->path) : STR(""));
    struct agent_thread *thread =
        agent ? threads_start(call->server, agent, root ? str_from(root->path) : STR(""), &err)
              : NULL;
    if (thread)
        respond_thread(call, thread);
    else
        fail(call, &err);
}

static void run_status(const struct command_call *call)
{
    struct buf json = {0};
    call->server->env.status(call->server->env.user, &json);
    jsonrpc_respond(call->server->peer, call->message->id, buf_str(&json));
    buf_finish(&json);
}

static void run_accept_hunk(const struct command_call *call)
{
    review_hunk_command(call->server, call->message->id, call->argument, TOOLS_ACCEPT);
}

static void run_reject_hunk(const struct command_call *call)
{
    review_hunk_command(call->server, call->message->id, call->argument, TOOLS_REJECT);
}

static void run_accept_all(const struct command_call *call)
{
    review_all_command(call->server, call->message->id, call->argument, TOOLS_ACCEPT);
}

static void run_reject_all(const struct command_call *call)
{
    review_all_command(call->server, call->message->id, call->argument, TOOLS_REJECT);
}

static const struct {
    const char *name;
    void (*run)(const struct command_call *call);
} commands[] = {
    {"lanebridge.acceptAll", run_accept_all},
    {"lanebridge.acceptHunk", run_accept_hunk},
    {"lanebridge.ask", run_ask},
    {"lanebridge.compact", run_compact},
    {"lanebridge.edit", run_edit},
    {"lanebridge.explain", run_explain},
    {"lanebridge.fix", run_fix},
    {"lanebridge.interrupt", run_interrupt},
    {"lanebridge.newThread", run_new_thread},
    {"lanebridge.openTranscript", run_open_transcript},
    {"lanebridge.rejectAll", run_reject_all},
    {"lanebridge.rejectHunk", run_reject_hunk},
    {"lanebridge.status", run_status},
    {"lanebridge.undoTurn", run_undo_turn},
};

static void handle_execute(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct str name = json_get_str(message->params, "command");
    const struct json_value *arguments = json_get(message->params, "arguments");
    struct command_call call = {
        .server = server, .message = message, .argument = json_first(arguments)};
    if (json_type_of(arguments) != JSON_NULL && !json_is(arguments, JSON_ARRAY)) {
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_INVALID_PARAMS,
                              "\"arguments\" of a command is a list");
        return;
    }
    for (size_t i = 0; i < array_count(commands); i++)
        if (str_eq_c(name, commands[i].name)) {
            progress_answer_token(server, message->params);
            commands[i].run(&call);
            return;
        }
    jsonrpc_respond_error(server->peer, message->id, JSONRPC_INVALID_PARAMS,
                          "there is no command \"" STR_FMT "\"", STR_ARG(name));
}

const struct lsp_method command_requests[] = {
    {"workspace/executeCommand", handle_execute},
    {NULL, NULL},
};
