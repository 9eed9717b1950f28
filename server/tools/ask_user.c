/* ask_user: one to three questions to the person, with options; no answer is told as such. */
#include "tools-internal.h"

enum { OPTIONS_LEAST = 2, LABEL_BYTES = 80 };

struct ask_state {
    const struct json_value *questions;
    /* printable copies of them, and the tables that the host is given */
    VEC(char *) texts;
    struct host_option options[LIMIT_QUESTIONS_COUNT][LIMIT_QUESTION_OPTIONS_COUNT];
    struct host_question asked[LIMIT_QUESTIONS_COUNT];
    size_t count;
};

static const struct json_field fields[] = {
    {"questions", JSON_FIELD_ARRAY, JSON_REQUIRED, offsetof(struct ask_state, questions)},
};

struct question {
    struct str question;
    const struct json_value *options;
};
static const struct json_field question_fields[] = {
    {"question", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct question, question)},
    {"options", JSON_FIELD_ARRAY, JSON_REQUIRED, offsetof(struct question, options)},
};

struct option {
    struct str label, description;
};
static const struct json_field option_fields[] = {
    {"label", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct option, label)},
    {"description", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct option, description)},
};

/* -- Arguments ------------------------------------------------------------------------------- */

/* The model's words go to the person's screen: nothing in them may steer it. */
static const char *keep(struct ask_state *state, struct str text)
{
    struct buf clean = {0};
    utf8_append_printable(&clean, text);
    vec_push(&state->texts, buf_take(&clean));
    return vec_last(&state->texts);
}

static enum status check_text(const char *what, struct str text, size_t limit, struct err *err)
{
    if (str_trim(text).len == 0)
        return err_set(err, STATUS_INVALID, "%s must not be empty", what);
    if (text.len > limit)
        return err_set(err, STATUS_LIMIT, "%s may have %zu bytes, not %zu", what, limit, text.len);
    return STATUS_OK;
}

static enum status read_option(struct ask_state *state, const struct json_value *value,
                               size_t index, struct err *err)
{
    struct option option = {0};
    struct host_question *question = &state->asked[state->count];
    enum status status =
        json_read_strict(value, option_fields, array_count(option_fields), &option, err);
    if (status == STATUS_OK)
        status = check_text("label", option.label, LABEL_BYTES, err);
    if (status == STATUS_OK && option.description.len > LIMIT_QUESTION_BYTES)
        status = check_text("description", option.description, LIMIT_QUESTION_BYTES, err);
    if (status < 0)
        return status;
    struct host_option *kept = &state->options[state->count][index];
    *kept = (struct host_option){keep(state, option.label), keep(state, option.description)};
    for (size_t i = 0; i < index; i++)
        if (strcmp(question->options[i].label, kept->label) == 0)
            return err_set(err, STATUS_INVALID, "two options have the label \"%s\"", kept->label);
    return STATUS_OK;
}

static enum status read_question(struct ask_state *state, const struct json_value *value,
                                 struct err *err)
{
    struct question question = {0};
    struct host_question *kept = &state->asked[state->count];
    enum status status =
        json_read_strict(value, question_fields, array_count(question_fields), &question, err);
    if (status == STATUS_OK)
        status = check_text("question", question.question, LIMIT_QUESTION_BYTES, err);
    if (status < 0)
        return status;
    size_t count = json_count(question.options);
    if (count < OPTIONS_LEAST || count > LIMIT_QUESTION_OPTIONS_COUNT)
        return err_set(err, STATUS_INVALID, "options must be %d to %d, they are %zu", OPTIONS_LEAST,
                       LIMIT_QUESTION_OPTIONS_COUNT, count);
    kept->text = keep(state, question.question);
    kept->options = state->options[state->count];
    const struct json_value *one = json_first(question.options);
    for (size_t i = 0; one && status == STATUS_OK; one = json_next(one))
        status = read_option(state, one, i++, err);
    kept->option_count = count;
    return status;
}

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct ask_state *state = call->state;
    size_t count = json_count(state->questions);
    enum status status = STATUS_OK;
    if (count < 1 || count > LIMIT_QUESTIONS_COUNT)
        return err_set(err, STATUS_INVALID, "ask_user: questions must be 1 to %d, they are %zu",
                       LIMIT_QUESTIONS_COUNT, count);
    const struct json_value *one = json_first(state->questions);
    for (; one && status == STATUS_OK; one = json_next(one)) {
        status = read_question(state, one, err);
        if (status < 0)
            err_prefix(err, "ask_user: question %zu", state->count + 1);
        else
            state->count++;
    }
    return status;
}

/* -- Asking ---------------------------------------------------------------------------------- */

static void on_answers(void *user, const struct str *answers, size_t count)
{
    struct tools_call *call = user;
    const struct ask_state *state = call->state;
    size_t answered = 0;
    call_go_on(call);
    for (size_t i = 0; i < state->count; i++) {
        struct str answer = i < count ? answers[i] : (struct str){0};
        answered += answer.ptr != NULL;
        buf_append_fmt(&call->text, "%s\n-> " STR_FMT "\n", state->asked[i].text,
                       STR_ARG(answer.ptr ? answer : STR("(no answer)")));
    }
    if (answered < state->count)
        buf_append_fmt(&call->text,
                       "%s Go on with what seems best to you and say what you assumed, or end "
                       "your turn with the question.\n",
                       answered == 0 ? "The user gave no answer."
                                     : "The user did not answer all of it.");
    buf_append_fmt(&call->summary, "%zu of %zu questions answered", answered, state->count);
    call_end(call, answered > 0);
}

static void run(struct tools_call *call)
{
    struct ask_state *state = call->state;
    const struct host *host = call->tools->env.host;
    if (!call_begin(call, "allowed"))
        return;
    struct host_inquiry inquiry = {.thread_id = call->thread->id,
                                   .turn_id = call->turn_id,
                                   .item_id = call->id,
                                   .questions = state->asked,
                                   .count = state->count};
    call_wait_for_person(call, str_from(state->asked[0].text));
    host->ops->inquire(host->host, &inquiry, on_answers, call);
}

static void finish(struct tools_call *call)
{
    struct ask_state *state = call->state;
    for (size_t i = 0; i < state->texts.len; i++)
        mem_free(state->texts.ptr[i]);
    vec_finish(&state->texts);
}

const struct tool tool_ask_user = {
    .name = "ask_user",
    .kind = TOOL_OTHER,
    .need = NEED_QUESTIONS,
    .is_exclusive = true,
    .description =
        "Asks the user one to three questions and waits for the answers. Only for what you cannot "
        "find out or decide yourself and what changes the work; never for permission, which is "
        "asked for by itself.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{\"questions\":{\"type\":\"array\",\"description\":"
        "\"1 to 3\",\"items\":{\"type\":\"object\",\"properties\":{"
        "\"question\":{\"type\":\"string\"},"
        "\"options\":{\"type\":\"array\",\"description\":\"2 to 6 answers to choose from; the user "
        "may also write another\",\"items\":{\"type\":\"object\",\"properties\":{"
        "\"label\":{\"type\":\"string\",\"description\":\"A few words\"},"
        "\"description\":{\"type\":[\"string\",\"null\"]}},"
        "\"required\":[\"label\",\"description\"],\"additionalProperties\":false}}},"
        "\"required\":[\"question\",\"options\"],\"additionalProperties\":false}}},"
        "\"required\":[\"questions\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct ask_state),
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
