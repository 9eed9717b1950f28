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

/* -- Pieces ------------------------------------------------------------------------------------ */

enum { PIECES_MAX = 64 };

struct piece {
    size_t start, end;
};

static struct piece changed_part(struct str from, struct str to)
{
    size_t shorter = from.len < to.len ? from.len : to.len, start = 0, tail = 0;
    while (start < shorter && from.ptr[start] == to.ptr[start])
        start++;
    while (tail < shorter - start && from.ptr[from.len - 1 - tail] == to.ptr[to.len - 1 - tail])
        tail++;
    return (struct piece){start, from.len - tail};
}

/* False: it touches what an earlier one put there. */
static bool add_piece(struct piece *pieces, size_t *count, struct piece part, size_t new_len)
{
    for (size_t i = 0; i < *count; i++)
        if (part.start < pieces[i].end && part.end > pieces[i].start)
            return false;
    for (size_t i = 0; i < *count; i++)
        if (pieces[i].start >= part.end) {
            pieces[i].start += new_len - (part.end - part.start);
            pieces[i].end += new_len - (part.end - part.start);
        } else if (pieces[i].start == pieces[i].end && part.start < pieces[i].start) {
            return false; /* over the place of a deletion */
        }
    pieces[(*count)++] = (struct piece){part.start, part.start + new_len};
    return true;
}

/* VS Code cuts the replacement of a line into the letters that differ, each a change of its own. No
 * change lies on another one, so nobody's typing was replaced on the way. */
static bool came_in_pieces(const struct apply_file *file)
{
    struct piece pieces[PIECES_MAX];
    size_t count = 0;
    if (!file->plan.before || !text_eq(file->states.ptr[0], file->plan.before) ||
        !text_eq(vec_last(&file->states), file->plan.after))
        return false;
    for (size_t i = 0; i + 1 < file->states.len; i++) {
        struct str from = text_bytes(file->states.ptr[i]), to = text_bytes(file->states.ptr[i + 1]);
        struct piece part = changed_part(from, to);
        size_t new_len = to.len - (from.len - (part.end - part.start));
        if (count == PIECES_MAX || !add_piece(pieces, &count, part, new_len))
            return false;
    }
    return true;
}

/* It is the first state from which the edits of the plan, one by one or all at once, lead over
 * every later state to the text now: what the person typed does not lie on that way, not even where
 * the edit replaced it. */
size_t apply_find_landed_on(const struct apply_file *file)
{
    if (!file->plan.before)
        return 0; /* a new file: nobody had typed in it */
    if (came_in_pieces(file))
        return 0;
    for (size_t i = 0; i + 1 < file->states.len; i++)
        if (plan_leads(file->plan.before, file->plan.after, &file->states.ptr[i],
                       file->states.len - i))
            return i;
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

bool apply_came_in_part(const struct apply_file *file)
{
    const struct planned *plan = &file->plan;
    struct edit_spans spans = {0};
    bool found = false;
    edit_spans_between(plan->before, plan->after, &spans);
    for (size_t i = 0; !found && i < spans.spans.len; i++) {
        struct str with = spans.spans.ptr[i].with;
        if (with.len == 0 || str_find(text_bytes(plan->before), with, 0) != STR_NONE)
            continue;
        for (size_t k = 1; !found && k < file->states.len; k++)
            found = str_find(text_bytes(file->states.ptr[k]), with, 0) != STR_NONE;
    }
    edit_spans_finish(&spans);
    return found;
}
