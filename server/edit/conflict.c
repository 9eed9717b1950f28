/* Whether changes are in each other's way, and whether two are the same. */
#include <lanebridge/edit.h>

/* Of `now`: what the user made of the base, and what the edit is to replace. Lines removed by the
 * user leave a seam; an edit that reaches across it was made for other text. */
static bool overlaps(const struct diff_hunk *changed, const struct diff_hunk *edit)
{
    size_t changed_end = changed->new_start + changed->new_count;
    size_t edit_end = edit->old_start + edit->old_count;

    return changed->new_start < edit_end && edit->old_start < changed_end;
}

static size_t first_overlap(const struct diff *changes, const struct diff *edits)
{
    for (size_t i = 0, k = 0; i < changes->count && k < edits->count;) {
        const struct diff_hunk *changed = &changes->hunks[i], *edit = &edits->hunks[k];

        if (overlaps(changed, edit))
            return changed->new_start > edit->old_start ? changed->new_start : edit->old_start;
        if (changed->new_start + changed->new_count <= edit->old_start)
            i++;
        else
            k++;
    }
    return STR_NONE;
}

size_t edit_first_overlap(const struct text *base, const struct text *now, const struct text *after)
{
    struct diff changes, edits;
    size_t line;

    text_diff(base, now, &changes);
    text_diff(now, after, &edits);
    line = first_overlap(&changes, &edits);
    diff_finish(&changes);
    diff_finish(&edits);
    return line;
}

static bool lines_eq(const struct text *a, size_t a_start, const struct text *b, size_t b_start,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(text_line(a, a_start + i), text_line(b, b_start + i)))
            return false;
    }
    return true;
}

static bool hunks_eq(const struct text *a_before, const struct text *a_after,
                     const struct text *b_before, const struct text *b_after,
                     const struct diff_hunk *a, const struct diff_hunk *b)
{
    return a->old_count == b->old_count && a->new_count == b->new_count &&
           lines_eq(a_before, a->old_start, b_before, b->old_start, a->old_count) &&
           lines_eq(a_after, a->new_start, b_after, b->new_start, a->new_count);
}

bool edit_is_same_change(const struct text *a_before, const struct text *a_after,
                         const struct text *b_before, const struct text *b_after)
{
    struct diff a, b;
    bool same;

    text_diff(a_before, a_after, &a);
    text_diff(b_before, b_after, &b);
    same = a.count == b.count;
    for (size_t i = 0; same && i < a.count; i++)
        same = hunks_eq(a_before, a_after, b_before, b_after, &a.hunks[i], &b.hunks[i]);
    diff_finish(&a);
    diff_finish(&b);
    return same;
}
