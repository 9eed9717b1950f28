/* Helpers: what explore starts. A helper is a thread like any other, with a turn of its own, that
 * belongs to a call of another thread: it is forked from that thread's last response, may only
 * read, and its answer is the call's output. Outside it is seen as items of that call. */
#include "agent-internal.h"

#include <string.h>

static const char fork_begin[] = "<helper>You are now a helper in a copy of the conversation "
                                 "above, which goes on without you and "
                                 "gets nothing but your final answer. ";
static const char plain_begin[] = "<helper>You are a helper: another conversation, which you do "
                                  "not see, asks you one question and "
                                  "gets nothing but your final answer. ";
static const char rules[] = "Answer the question below and nothing else. You can read and search; "
                            "you cannot change files, run "
                            "commands or ask the user. Look at several things at once. Stop as "
                            "soon as you can answer: in at "
                            "most 400 words, with files, lines and names, quoting only what "
                            "matters, saying what you did not "
                            "find.</helper>\n\n";
static const char last_note[] =
    "<helper>This is your last step: no more tools. Answer now with what you know, and say what is "
    "missing.</helper>";
static const char other_output[] = "(Runs in the conversation itself; not for you.)";
static const char own_output[] = "A helper was started for this: you are it.";

enum { SOCKETS_COUNT = 2 /* of four, where each has one: the thread's own must stay */ };

struct helper {
    struct agent_thread *parent, *thread; /* its own; NULL: it has not begun */
    char *call_id;
    char turn_id[ID_BYTES]; /* of the turn it is part of */
    struct buf question, answer, error;
    tools_help_fn *on_done;
    void *user;
    bool is_last;         /* it was told to answer */
    int64_t begin_tokens; /* its conversation had when it began */
    uint64_t steps, calls;
    enum agent_turn_status outcome;
};

static void helper_free(struct helper *helper)
{
    mem_free(helper->call_id);
    buf_finish(&helper->question);
    buf_finish(&helper->answer);
    buf_finish(&helper->error);
    mem_free(helper);
}

static void unlink_helper(struct helper *helper)
{
    struct agent_thread *parent = helper->parent;
    for (size_t i = 0; i < parent->helpers.len; i++)
        if (parent->helpers.ptr[i] == helper) {
            vec_remove(&parent->helpers, i);
            return;
        }
}

/* -- What it is asked ------------------------------------------------------------------------- */

static void append_prompt(const struct helper *helper, bool is_fork, struct buf *prompt)
{
    buf_append_c(prompt, is_fork ? fork_begin : plain_begin);
    buf_append_c(prompt, rules);
    buf_append(prompt, buf_str(&helper->question));
}

/* Every call of the response must have an output before anything else is said. */
static void append_outputs(const struct helper *helper)
{
    const struct agent_turn *turn = helper->parent->turn;
    for (size_t i = 0; i < turn->calls.len; i++) {
        const struct turn_call *call = turn->calls.ptr[i];
        struct buf json = {0};
        bool is_own = strcmp(call->call_id, helper->call_id) == 0;
        bool is_told = call->done && call->type != AGENT_SUBAGENT;
        if (is_told)
            buf_append(&json, buf_str(&call->output_json));
        else
            history_format_output(&json, str_from(call->call_id), call->is_custom,
                                  str_from(is_own ? own_output : other_output));
        thread_append(helper->thread, "", "tool", buf_str(&json));
        buf_finish(&json);
    }
}

/* It has room for what the helper may read. */
static bool fits(const struct agent_thread *parent)
{
    return size_estimate(parent) + LIMIT_HELPER_CONTEXT_TOKENS <= size_limit(parent);
}

/* The conversation so far, where the endpoint holds it: all but the question is there already.
 * Where it does not, four copies of it would be paid for in full, and the question has to do. */
static bool fork_history(struct helper *helper)
{
    struct agent_thread *parent = helper->parent, *thread = helper->thread;
    const struct history *from = &parent->history;
    if (!fits(parent) || !responses_chain_fork(thread->chain, parent->chain))
        return false;
    for (size_t i = 0; i < from->items.len; i++)
        history_push(&thread->history, from->items.ptr[i], 0);
    thread->history.generation = from->generation;
    thread->context.told_tokens = parent->context.told_tokens;
    thread->context.told_items = parent->context.told_items;
    buf_append(&thread->tools_json, buf_str(&parent->tools_json));
    append_outputs(helper);
    return true;
}

static enum status ask(struct helper *helper, struct err *err)
{
    struct buf prompt = {0};
    char turn_id[ID_BYTES];
    bool queued;
    bool is_fork = fork_history(helper);
    if (!is_fork)
        tools_append_helper_schema(helper->parent->agent->env.tools, &helper->thread->tools_json);
    append_prompt(helper, is_fork, &prompt);
    const struct agent_input input = {.prompt = buf_str(&prompt)};
    enum status status = agent_turn_start(helper->thread, &input, turn_id, &queued, err);
    helper->begin_tokens = size_estimate(helper->thread);
    buf_finish(&prompt);
    return status;
}

static enum status begin(struct helper *helper, struct err *err)
{
    struct agent_thread *parent = helper->parent;
    struct journal *journal = parent->agent->env.journal;
    char id[ID_BYTES];
    journal_begin(journal);
    enum status status =
        journal_helper_create(journal, parent->id, str_from(helper->call_id), id, err);
    if (status == STATUS_OK) {
        helper->thread = thread_new_helper(helper, parent, id);
        if (!helper->thread->chain)
            status = err_set(err, STATUS_LIMIT, "too many conversations are open");
    }
    if (status == STATUS_OK)
        status = ask(helper, err);
    journal_commit(journal);
    return status;
}

/* -- How it ends ------------------------------------------------------------------------------ */

/* Frees it. */
static void finish(struct helper *helper, const struct tools_help *help)
{
    struct agent_thread *parent = helper->parent;
    tools_help_fn *on_done = helper->on_done;
    void *user = helper->user;
    unlink_helper(helper);
    if (helper->thread)
        agent_thread_close(helper->thread);
    helper_free(helper);
    thread_kick(parent); /* another one may wait for its place */
    if (on_done)
        on_done(user, help);
}

static void finish_failed(struct helper *helper, const char *why)
{
    struct buf text = {0}, summary = {0};
    buf_append_c(&summary, why); /* which may be the helper's own */
    buf_append_fmt(&text, "The helper failed: %s", why);
    if (helper->answer.len > 0)
        buf_append_fmt(&text, "\nIt has said so far:\n" STR_FMT, STR_ARG(buf_str(&helper->answer)));
    const struct tools_help help = {.answer = buf_str(&text), .summary = buf_str(&summary)};
    finish(helper, &help);
    buf_finish(&text);
    buf_finish(&summary);
}

static void append_count(struct buf *text, uint64_t count, const char *what)
{
    buf_append_fmt(text, "%llu %s%s", (unsigned long long)count, what, count == 1 ? "" : "s");
}

static void finish_answered(struct helper *helper)
{
    struct buf answer = {0}, summary = {0};
    buf_move(&answer, &helper->answer);
    append_count(&summary, helper->steps, "step");
    buf_append_c(&summary, ", ");
    append_count(&summary, helper->calls, "call");
    const struct tools_help help = {
        .ok = true, .answer = buf_str(&answer), .summary = buf_str(&summary)};
    finish(helper, &help);
    buf_finish(&answer);
    buf_finish(&summary);
}

void helper_on_idle(struct helper *helper)
{
    static const char *const why[] = {[TURN_COMPLETED] = "it ended without an answer",
                                      [TURN_INTERRUPTED] = "it was stopped",
                                      [TURN_FAILED] = "it did not say why"};
    if (helper->outcome == TURN_COMPLETED && helper->answer.len > 0)
        finish_answered(helper);
    else
        finish_failed(helper, helper->error.len > 0 ? helper->error.ptr : why[helper->outcome]);
}

void helpers_drop(struct agent_thread *parent)
{
    while (parent->helpers.len > 0) {
        struct helper *helper = vec_last(&parent->helpers);
        parent->helpers.len--;
        if (helper->thread)
            agent_thread_close(helper->thread);
        helper_free(helper);
    }
    vec_finish(&parent->helpers);
}

/* -- Starting and stopping -------------------------------------------------------------------- */

static size_t count_begun(const struct agent_thread *parent)
{
    size_t count = 0;
    for (size_t i = 0; i < parent->helpers.len; i++)
        count += parent->helpers.ptr[i]->thread != NULL;
    return count;
}

static struct helper *next_waiting(const struct agent_thread *parent)
{
    for (size_t i = 0; i < parent->helpers.len; i++)
        if (!parent->helpers.ptr[i]->thread)
            return parent->helpers.ptr[i];
    return NULL;
}

/* What they fork from is there when the response has ended. */
void helpers_pump(struct agent_thread *parent)
{
    const struct agent_turn *turn = parent->turn;
    bool on_lanes = responses_runs_side_by_side(parent->agent->env.responses);
    size_t limit = on_lanes ? LIMIT_HELPERS_COUNT : SOCKETS_COUNT;
    struct helper *helper;
    while (turn && turn->state == TURN_TOOLING && count_begun(parent) < limit &&
           (helper = next_waiting(parent))) {
        struct err err = {0};
        if (begin(helper, &err) < 0) {
            finish_failed(helper, err.text);
            return; /* the kick comes back for the others */
        }
    }
}

static void on_start(void *user, const struct tools_help_request *request, tools_help_fn *on_done,
                     void *on_done_user)
{
    struct agent_thread *parent = agent_thread_find(user, str_from(request->thread_id));
    struct helper *helper = mem_new(struct helper);
    helper->parent = parent;
    helper->call_id = str_dup_c(request->call_id);
    memcpy(helper->turn_id, request->turn_id, strnlen(request->turn_id, ID_BYTES - 1));
    buf_append(&helper->question, request->question);
    helper->on_done = on_done;
    helper->user = on_done_user;
    vec_push(&parent->helpers, helper);
    thread_kick(parent);
}

static struct helper *find_by_user(const struct agent *agent, const void *user)
{
    for (size_t i = 0; i < agent->threads.len; i++) {
        const struct agent_thread *thread = agent->threads.ptr[i];
        for (size_t j = 0; j < thread->helpers.len; j++)
            if (thread->helpers.ptr[j]->user == user)
                return thread->helpers.ptr[j];
    }
    return NULL;
}

static void on_cancel(void *user, void *on_done_user)
{
    struct helper *helper = find_by_user(user, on_done_user);
    if (!helper)
        return;
    helper->on_done = NULL;
    helper->user = NULL;
    if (!helper->thread) {
        finish(helper, NULL);
        return;
    }
    (void)agent_turn_interrupt(helper->thread, STR(""), NULL);
    thread_kick(helper->thread); /* also when it had not begun */
}

void helpers_init(struct agent *agent)
{
    const struct tools_helpers helpers = {.user = agent, .start = on_start, .cancel = on_cancel};
    tools_set_helpers(agent->env.tools, &helpers);
}

/* -- While it runs ---------------------------------------------------------------------------- */

const struct agent_thread *helper_parent(const struct helper *helper)
{
    return helper->parent;
}

const char *helper_turn_id(const struct helper *helper)
{
    return helper->turn_id;
}

struct tools_thread *helper_new_tools(const struct helper *helper, const char *id)
{
    return tools_thread_new_helper(helper->parent->tools, id);
}

/* Its tokens are the turn's, which is not over while it runs, unless it was stopped. */
void helper_count(const struct helper *helper, const struct responses_result *result)
{
    struct agent_turn *turn = helper->parent->turn;
    if (!turn || strcmp(turn->id, helper->turn_id) != 0)
        return;
    usage_add(&turn->usage, &result->usage);
    turn->timing.bytes_sent += result->bytes_sent;
    turn->timing.bytes_received += result->bytes_received;
    turn->timing.full_inputs += !result->continued;
}

static bool has_used_up(const struct helper *helper, const struct agent_turn *turn)
{
    int64_t added = size_estimate(turn->thread) - helper->begin_tokens;
    return turn->timing.steps + 1 >= LIMIT_HELPER_STEPS_COUNT ||
           turn->usage.output_tokens >= LIMIT_HELPER_OUTPUT_TOKENS ||
           added >= LIMIT_HELPER_CONTEXT_TOKENS;
}

/* The tools are those of the thread, since another list would be another beginning for the
 * endpoint's caches; which of them it may call is said beside it, and kept by tools. */
void helper_shape_request(struct helper *helper, struct agent_turn *turn, struct buf *extra)
{
    struct buf note = {0};
    if (!helper->is_last && has_used_up(helper, turn)) {
        helper->is_last = true;
        history_format_message(&note, "user", str_from(last_note));
        thread_append(turn->thread, turn->id, "context", buf_str(&note));
        buf_finish(&note);
    }
    buf_append_c(extra, "\"tool_choice\":");
    if (helper->is_last)
        buf_append_c(extra, "\"none\"");
    else
        tools_append_helper_choice(turn->thread->agent->env.tools, extra);
}

void helper_mark_event(const struct helper *helper, struct agent_event *event)
{
    event->thread_id = helper->parent->id;
    event->turn_id = helper->turn_id;
    event->parent_item_id = helper->call_id;
}

static struct helper *find_by_event(const struct agent *agent, const struct agent_event *event)
{
    struct agent_thread *parent =
        agent_thread_find((struct agent *)agent, str_from(event->thread_id));
    for (size_t i = 0; parent && i < parent->helpers.len; i++)
        if (strcmp(parent->helpers.ptr[i]->call_id, event->parent_item_id) == 0)
            return parent->helpers.ptr[i];
    return NULL;
}

static void note_item(struct helper *helper, const struct agent_event *event)
{
    helper->calls += event->name.len > 0;
    if (event->item_type != AGENT_MESSAGE || !event->ok)
        return;
    buf_clear(&helper->answer);
    buf_append(&helper->answer, event->text);
}

bool helper_takes_event(struct agent *agent, struct agent_event *event)
{
    struct helper *helper = find_by_event(agent, event);
    switch (event->type) {
    case AGENT_ITEM_COMPLETED:
        if (helper)
            note_item(helper, event);
        return event->item_type == AGENT_USER_MESSAGE || event->item_type == AGENT_ERROR;
    case AGENT_ITEM_STARTED:
        return false;
    case AGENT_NOTICE:
        event->parent_item_id = NULL; /* it is the turn that waits */
        return false;
    case AGENT_TURN_COMPLETED:
        if (helper) {
            helper->outcome = event->status;
            helper->steps = event->timing.steps;
            buf_append(&helper->error, event->text);
        }
        return true;
    default:
        return true;
    }
}
