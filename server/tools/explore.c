/* explore: a question for a helper, which looks around and answers with a summary. Who helps is the
 * agent's business. */
#include "tools-internal.h"

struct explore_state {
    struct str question;
};

static const struct json_field fields[] = {
    {"question", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct explore_state, question)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct explore_state *state = call->state;
    if (str_trim(state->question).len == 0)
        return err_set(err, STATUS_INVALID, "explore: question must not be empty");
    if (state->question.len > LIMIT_HELPER_QUESTION_BYTES)
        return err_set(err, STATUS_LIMIT, "explore: question may have %d bytes, not %zu",
                       (int)LIMIT_HELPER_QUESTION_BYTES, state->question.len);
    return STATUS_OK;
}

static void on_help(void *user, const struct tools_help *help)
{
    struct tools_call *call = user;
    buf_append(&call->text, help->answer);
    buf_append(&call->summary, help->summary);
    call_end(call, help->ok);
}

static void run(struct tools_call *call)
{
    const struct explore_state *state = call->state;
    const struct tools_helpers *helpers = &call->tools->helpers;
    if (!call_begin(call, "allowed: a helper only reads"))
        return;
    const struct tools_help_request request = {.thread_id = call->thread->id,
                                               .turn_id = call->turn_id,
                                               .call_id = str_from(call->id),
                                               .question = state->question};
    call->output_limit = LIMIT_HELPER_ANSWER_BYTES;
    helpers->start(helpers->user, &request, on_help, call);
}

static bool cancel(struct tools_call *call)
{
    const struct tools_helpers *helpers = &call->tools->helpers;
    helpers->cancel(helpers->user, call);
    return true;
}

const struct tool tool_explore = {
    .name = "explore",
    .kind = TOOL_HELPER,
    .need = NEED_HELPERS,
    .title_key = "question",
    .description =
        "Sends a helper to answer one question about the workspace. It starts from a copy of this "
        "conversation, reads and searches (nothing else) and returns a summary, so that what it "
        "reads "
        "does not fill your context. Up to four run at the same time: ask independent questions "
        "with several calls in one response. For what one or two reads or searches show, look "
        "yourself.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{\"question\":{\"type\":\"string\",\"description\":"
        "\"One question that can be understood by itself: what to find out, where to begin, and "
        "what the answer should name (files, lines, functions)\"}},"
        "\"required\":[\"question\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct explore_state),
    .prepare = prepare,
    .run = run,
    .cancel = cancel,
};
