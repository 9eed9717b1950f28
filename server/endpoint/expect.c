/* Does a request meet what its step expects? */
#include "endpoint-internal.h"

enum { SHOWN_BYTES = 160 };

/* The start of a text, as a person can read it in a message. */
static void append_shown(struct buf *buf, struct str text)
{
    buf_append_byte(buf, '"');
    utf8_append_printable(buf, str_slice(text, 0, utf8_floor(text, SHOWN_BYTES)));
    buf_append_c(buf, text.len > SHOWN_BYTES ? "…\"" : "\"");
}

static enum status mismatch(const struct endpoint *endpoint, const struct replay_step *step,
                            struct str subject, const struct matcher *matcher,
                            const struct str *got, struct problem *problem)
{
    static const char *const verbs[] = {[MATCHER_ANY] = "come",
                                        [MATCHER_TEXT] = "contain",
                                        [MATCHER_EQUALS] = "be exactly",
                                        [MATCHER_REGEX] = "match the regex"};
    struct buf text = {0};
    buf_append_fmt(&text, "%s line %u: expected " STR_FMT " to %s ", endpoint->replay_name,
                   step->line, STR_ARG(subject), verbs[matcher->kind]);
    if (matcher->kind != MATCHER_ANY)
        append_shown(&text, matcher->text);
    buf_append_c(&text, ", got ");
    if (got)
        append_shown(&text, *got);
    else
        buf_append_c(&text, "none");
    problem_set(problem, PROBLEM_MISMATCH, "input", STR_FMT, STR_ARG(buf_str(&text)));
    buf_finish(&text);
    return STATUS_INVALID;
}

static enum status check_output(const struct endpoint *endpoint, const struct replay_step *step,
                                const struct replay_output_expect *expect,
                                const struct record *record, struct problem *problem)
{
    const struct shared *output = record->outputs[expect->label];
    if (output && matcher_accepts(&expect->matcher, output->text))
        return STATUS_OK;
    struct buf subject = {0};
    buf_append_fmt(&subject, "the output of call \"" STR_FMT "\"",
                   STR_ARG(endpoint->replay->labels.ptr[expect->label]));
    enum status status = mismatch(endpoint, step, buf_str(&subject), &expect->matcher,
                                  output ? &output->text : NULL, problem);
    buf_finish(&subject);
    return status;
}

/* A repeated step may expect the outputs of its own calls; the first time there are none. */
static bool is_of_itself(const struct replay_step *step, unsigned at, int label)
{
    for (size_t i = 0; at == step->first && i < step->items.len; i++)
        if (step->items.ptr[i].label == label)
            return true;
    return false;
}

enum status expect_check(const struct endpoint *endpoint, const struct replay_step *step,
                         struct str user, const struct record *record, struct problem *problem)
{
    const struct matcher *users[] = {&step->user_text, &step->user_regex};
    for (size_t i = 0; i < array_count(users); i++)
        if (!matcher_accepts(users[i], user))
            return mismatch(endpoint, step, STR("the last user message"), users[i],
                            user.len ? &user : NULL, problem);
    for (size_t i = 0; i < step->outputs.len; i++) {
        const struct replay_output_expect *expect = &step->outputs.ptr[i];
        bool first = !record->outputs[expect->label];
        if (first && is_of_itself(step, record->next.step, expect->label))
            continue;
        if (check_output(endpoint, step, expect, record, problem) < 0)
            return STATUS_INVALID;
    }
    return STATUS_OK;
}
