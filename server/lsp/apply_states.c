/* What the states that a file's text went through say of an edit. No state of the job is looked at.
 */
#include "apply-internal.h"

void apply_clear_states(struct apply_file *file)
{
    for (size_t i = 0; i < file->states.len; i++)
        text_unref(file->states.ptr[i]);
    vec_clear(&file->states);
}

const char *apply_target(const struct apply_file *file)
{
    return file->plan.kind == HOST_MOVE ? file->plan.new_path : file->plan.path;
}

/* What was meant, with the person's text. A correction brings back what the person had typed
 * before: of that and of what they typed since, nothing may be lost. */
struct text *apply_merge(const struct apply_file *file, const struct text *mine,
                         size_t *ret_conflicts)
{
    return (file->is_corrected ? edit_merge_both : edit_merge)(file->plan.before, mine,
                                                               file->plan.after, ret_conflicts);
}

/* The text now is the edit put on that state. */
static bool is_landed_on(const struct apply_file *file, size_t state)
{
    struct text *stale =
        plan_apply_stale(file->plan.before, file->plan.after, file->states.ptr[state]);
    bool landed = stale && text_eq(stale, vec_last(&file->states));
    text_unref(stale);
    return landed;
}

/* The state came from the one before it by a single edit of the plan, put where that was made for:
 * an edit told in pieces goes through such. */
static bool is_piece(const struct apply_file *file, size_t state)
{
    struct text *before = file->states.ptr[state - 1];
    return plan_is_piece(file->plan.before, file->plan.after, before, file->states.ptr[state]);
}

/* The last state before the edit came, if it was put on another text than the one it was made for;
 * else 0. Looked for from the end: where the edit replaced what the person had typed, it looks as
 * if it had been put on their text before that. */
size_t apply_find_landed_on(const struct apply_file *file)
{
    if (!file->plan.before)
        return 0; /* a new file: nobody had typed in it */
    for (size_t i = file->states.len - 1; i-- > 1;) {
        if (text_eq(file->states.ptr[i], file->plan.before))
            return 0;
        if (is_landed_on(file, i) && !is_piece(file, i))
            return i;
    }
    return 0;
}

/* What the person had typed is in the plan's text. */
bool apply_is_kept(const struct apply_file *file, size_t state)
{
    size_t conflicts;
    struct text *merged = apply_merge(file, file->states.ptr[state], &conflicts);
    bool kept = text_eq(merged, file->plan.after);
    text_unref(merged);
    return kept;
}

size_t apply_count_spans(const struct text *before, const struct text *after)
{
    struct edit_spans spans = {0};
    edit_spans_between(before, after, &spans);
    size_t count = spans.spans.len;
    edit_spans_finish(&spans);
    return count;
}

/* New lines of the plan are in the text. */
bool apply_has_some(const struct planned *plan, const struct text *now)
{
    struct edit_spans spans = {0};
    bool found = false;
    edit_spans_between(plan->before, plan->after, &spans);
    for (size_t i = 0; !found && i < spans.spans.len; i++) {
        struct str with = spans.spans.ptr[i].with;
        found = with.len > 0 && str_find(text_bytes(now), with, 0) != STR_NONE &&
                str_find(text_bytes(plan->before), with, 0) == STR_NONE;
    }
    edit_spans_finish(&spans);
    return found;
}
