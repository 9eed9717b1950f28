/* workspace/executeCommand: turns and threads for clients that know nothing but commands. */
#include "lsp-internal.h"

/* -- The commands ------------------------------------------------------------------------------ */

struct command_call {
    struct lsp_server *server;
    const struct jsonrpc_message *message;
    const struct json_value *argument; /* the first, or NULL */
};

static void fail(const struct command_call *call, const struct err *err)
{
    jsonrpc_respond_error(call->server->peer, call->message->id, JSONRPC_REQUEST_FAILED, "%s%s",
                          err->text, takeover_hint(call->server, err));
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
        wish.mode = json_get_str(call->argument, "mode");
    }
    return wish;
}

/* The thread to show or ask in: the one named, else the last of the root, else a new one. */
static struct agent_thread *pick_thread(const struct command_call *call, struct err *err)
{
    struct agent *agent = server_agent(call->server, err);
    if (!agent)
        return NULL;
    const struct document *document = turn_wished_document(call->server, STR(""));
    const struct workspace_root *root =
        convert_root_of(call->server, document ? str_from(document->path) : STR(""));
    return threads_pick(call->server, agent, json_get_str(call->argument, "threadId"),
                        root ? str_from(root->path) : STR(""), err);
}

static void respond_thread_id(const struct command_call *call, struct str id)
{
    struct buf result = {0};
    struct json_writer w;
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_field_str(&w, "threadId", id);
    json_write_end_object(&w);
    jsonrpc_respond(call->server->peer, call->message->id, buf_str(&result));
    buf_finish(&result);
}

static void respond_thread(const struct command_call *call, const struct agent_thread *thread)
{
    respond_thread_id(call, str_from(agent_thread_id(thread)));
}

static void run_open_transcript(const struct command_call *call)
{
    struct err err = {0};
    struct str id = json_get_str(call->argument, "threadId");
    struct agent_thread *thread = pick_thread(call, &err);
    if (!thread && takeover_show(call->server, id)) {
        respond_thread_id(call, id);
        return;
    }
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

/* The same, to be looked at: told in a message, because such clients drop the answers of commands.
 */
static void run_preview(const struct command_call *call)
{
    struct turn_wish wish = wish_from(call);
    struct buf written = {0};
    struct err err = {0};
    struct agent_thread *thread = call->server->agent ? pick_thread(call, &err) : NULL;
    if (wish.prompt.len == 0 && thread) {
        transcript_peek_prompt(call->server, agent_thread_id(thread), &written);
        wish.prompt = buf_str(&written);
        wish.thread_id = str_from(agent_thread_id(thread));
    }
    turn_preview_request(call->server, call->message, &wish);
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
    const struct document *document = turn_wished_document(call->server, wish->uri);
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
    /* What the person wrote comes first: the thread has its title from it. */
    struct buf prompt = {0};
    buf_append_fmt(&prompt, STR_FMT "\nEdit the selected code as asked; change nothing else.",
                   STR_ARG(str_trim(wish.prompt)));
    wish.prompt = buf_str(&prompt);
    turn_request(call->server, call->message, &wish);
    buf_finish(&prompt);
}

static void run_review(const struct command_call *call)
{
    struct turn_wish wish = wish_from(call);
    struct buf prompt = {0};
    if (!prompts_append_review(json_get_str(call->argument, "target"),
                               json_get_str(call->argument, "base"), &prompt)) {
        jsonrpc_respond_error(call->server->peer, call->message->id, JSONRPC_INVALID_PARAMS,
                              "\"target\" must be one of changes, staged, branch, commit");
        return;
    }
    buf_append_fmt(&prompt, "\n" STR_FMT, STR_ARG(json_get_str(call->argument, "text")));
    wish.prompt = str_trim(buf_str(&prompt));
    turn_request(call->server, call->message, &wish);
    buf_finish(&prompt);
}

static void run_commit_message(const struct command_call *call)
{
    struct turn_wish wish = wish_from(call);
    wish.instruction = prompts_commit_message;
    turn_request(call->server, call->message, &wish);
}

static void run_explain(const struct command_call *call)
{
    struct turn_wish wish = wish_from(call);
    if (wish.uri.len == 0 &&
        refuse_empty(call, wish.prompt,
                     "there is nothing to explain: select code and take the code action, or give "
                     "\"uri\" and \"range\"; for a question there is lanebridge.ask"))
        return;
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
    const struct document *document = turn_wished_document(call->server, STR(""));
    const struct workspace_root *root =
        convert_root_of(call->server, document ? str_from(document->path) : STR(""));
    return agent_thread_last(agent, root ? str_from(root->path) : STR(""));
}

static void run_interrupt(const struct command_call *call)
{
    struct err err = {0};
    struct agent_thread *thread = open_thread(call);
    struct str turn_id = json_get_str(call->argument, "turnId");
    if (!thread)
        err_set(&err, STATUS_NOT_FOUND, "nothing is running");
    bool is_stopped = thread && agent_turn_interrupt(thread, turn_id, &err) == STATUS_OK;
    if (!is_stopped &&
        !(turn_id.len == 0 &&
          turn_stop_pending(call->server, json_get_str(call->argument, "threadId")))) {
        fail(call, &err);
        return;
    }
    jsonrpc_respond(call->server->peer, call->message->id, STR("{}"));
}

static void run_take_over(const struct command_call *call)
{
    struct err err = {0};
    struct agent_thread *thread =
        takeover_take(call->server, json_get_str(call->argument, "threadId"), &err);
    if (!thread) {
        fail(call, &err);
        return;
    }
    respond_thread(call, thread);
    transcript_show(call->server, agent_thread_id(thread), false);
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
    const struct document *document = turn_wished_document(call->server, STR(""));
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
    status_command(call->server, call->message->id);
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
    {"lanebridge.review", run_review},
    {"lanebridge.commitMessage", run_commit_message},
    {"lanebridge.fix", run_fix},
    {"lanebridge.interrupt", run_interrupt},
    {"lanebridge.newThread", run_new_thread},
    {"lanebridge.openTranscript", run_open_transcript},
    {"lanebridge.preview", run_preview},
    {"lanebridge.rejectAll", run_reject_all},
    {"lanebridge.rejectHunk", run_reject_hunk},
    {"lanebridge.status", run_status},
    {"lanebridge.takeOver", run_take_over},
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
