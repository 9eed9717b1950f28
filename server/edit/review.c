/* Which changes of a text are pending: a base, the text as it is, and the hunks between them.
 *
 * A new state of the text is folded in by the lines that changed. Hunks and changes that are in
 * each other's way are taken together as a group; whose edit it was decides what becomes of the
 * group: it stays pending, or its lines go into the base. */
#include "review-internal.h"

/* -- Groups ------------------------------------------------------------------------------------ */

struct range {
    size_t start, end;
};

static struct range hunk_range(const struct edit_hunk *hunk)
{
    return (struct range){hunk->now_start, hunk->now_start + hunk->now_count};
}

static struct range change_range(const struct diff_hunk *change)
{
    return (struct range){change->old_start, change->old_start + change->old_count};
}

static bool is_unterminated(struct str lines)
{
    return lines.len > 0 && lines.ptr[lines.len - 1] != '\n' && lines.ptr[lines.len - 1] != '\r';
}

struct fold {
    struct edit_review *review;
    const struct text *to;
    enum edit_author author;
    unsigned owner;
    struct diff diff;
    size_t next_hunk, next_change;
    ptrdiff_t base_shift, to_shift; /* line there minus line of `now`, behind the last group */
    struct buf base;                /* the new one */
    size_t base_done, base_lines;   /* lines of the old one that are in it; lines it has */
    VEC(struct edit_hunk) hunks;
};

/* Lines of `now`, and what is in it. */
struct group {
    struct range lines;
    size_t first_hunk, end_hunk, first_change, end_change;
    bool is_unterminated; /* what follows must not be put behind it */
};

static bool joins(const struct fold *fold, const struct group *group, struct range next)
{
    if (fold->author == EDIT_BY_MODEL || group->is_unterminated)
        return next.start <= group->lines.end;
    return next.start < group->lines.end;
}

static void widen(struct group *group, struct range with)
{
    if (with.end > group->lines.end)
        group->lines.end = with.end;
}

static void take_hunk(struct fold *fold, struct group *group)
{
    const struct edit_hunk *hunk = &fold->review->hunks.ptr[fold->next_hunk++];

    widen(group, hunk_range(hunk));
    group->end_hunk = fold->next_hunk;
    group->is_unterminated |= is_unterminated(edit_hunk_old(fold->review, hunk));
}

static void take_change(struct fold *fold, struct group *group)
{
    const struct diff_hunk *change = &fold->diff.hunks[fold->next_change++];

    widen(group, change_range(change));
    group->end_change = fold->next_change;
    group->is_unterminated |=
        is_unterminated(review_lines(fold->to, change->new_start, change->new_count));
}

/* Which comes next; a seam before what begins there, a change before a hunk. */
static bool hunk_is_first(struct range hunk, struct range change)
{
    if (hunk.start != change.start)
        return hunk.start < change.start;
    return hunk.end == hunk.start && change.end > change.start;
}

static bool next_group(struct fold *fold, struct group *ret_group)
{
    struct group group = {.first_hunk = fold->next_hunk, .first_change = fold->next_change};
    bool is_first = true;

    group.end_hunk = group.first_hunk;
    group.end_change = group.first_change;
    for (;;) {
        bool has_hunk = fold->next_hunk < fold->review->hunks.len;
        bool has_change = fold->next_change < fold->diff.count;
        struct range hunk = {0}, change = {0}, next;

        if (!has_hunk && !has_change)
            break;
        if (has_hunk)
            hunk = hunk_range(&fold->review->hunks.ptr[fold->next_hunk]);
        if (has_change)
            change = change_range(&fold->diff.hunks[fold->next_change]);
        has_hunk = has_hunk && (!has_change || hunk_is_first(hunk, change));
        next = has_hunk ? hunk : change;
        if (is_first)
            group.lines = next;
        else if (!joins(fold, &group, next))
            break;
        is_first = false;
        if (has_hunk)
            take_hunk(fold, &group);
        else
            take_change(fold, &group);
    }
    *ret_group = group;
    return !is_first;
}

/* -- What becomes of a group ------------------------------------------------------------------- */

struct places {
    struct range base, to;
};

static void push_hunk(struct fold *fold, const struct edit_hunk *hunk)
{
    vec_push(&fold->hunks, *hunk);
}

static void keep_base(struct fold *fold, struct range lines)
{
    buf_append(&fold->base, review_lines(fold->review->base, lines.start, lines.end - lines.start));
    fold->base_lines += lines.end - lines.start;
}

/* Hunks that nothing touched, at their new places. */
static void keep_hunks(struct fold *fold, const struct group *group, const struct places *places)
{
    for (size_t i = group->first_hunk; i < group->end_hunk; i++) {
        struct edit_hunk hunk = fold->review->hunks.ptr[i];

        hunk.now_start = hunk.now_start - group->lines.start + places->to.start;
        hunk.base_start = hunk.base_start - places->base.start + fold->base_lines;
        push_hunk(fold, &hunk);
    }
    keep_base(fold, places->base);
}

static bool is_touched(const struct fold *fold, const struct group *group, size_t start, size_t end)
{
    for (size_t i = group->first_change; i < group->end_change; i++) {
        const struct diff_hunk *change = &fold->diff.hunks[i];

        if (start <= change->new_start + change->new_count && change->new_start <= end)
            return true;
    }
    return false;
}

/* The hunk of the group that these lines of the base belong to; NULL when none does. */
static const struct edit_hunk *former(const struct fold *fold, const struct group *group,
                                      size_t start, size_t end)
{
    for (size_t i = group->first_hunk; i < group->end_hunk; i++) {
        const struct edit_hunk *hunk = &fold->review->hunks.ptr[i];

        if (start <= hunk->base_start + hunk->base_count && hunk->base_start <= end)
            return hunk;
    }
    return NULL;
}

/* Base against the new text, anew: an edit may take back a part of a hunk, or split it. */
static void make_pending(struct fold *fold, const struct group *group, const struct places *places)
{
    const struct edit_review *review = fold->review;
    struct text *base = text_new(
        review_lines(review->base, places->base.start, places->base.end - places->base.start));
    struct text *to =
        text_new(review_lines(fold->to, places->to.start, places->to.end - places->to.start));
    struct diff diff;

    text_diff(base, to, &diff);
    for (size_t i = 0; i < diff.count; i++) {
        const struct diff_hunk *part = &diff.hunks[i];
        size_t base_start = places->base.start + part->old_start;
        size_t now_start = places->to.start + part->new_start;
        const struct edit_hunk *was = former(fold, group, base_start, base_start + part->old_count);
        bool is_new = fold->author == EDIT_BY_MODEL &&
                      is_touched(fold, group, now_start, now_start + part->new_count);
        bool is_same = fold->author == EDIT_BY_EDITOR && diff.count == 1 &&
                       group->end_hunk - group->first_hunk == 1;
        struct edit_hunk hunk = {
            .id = is_same && was ? was->id : ++fold->review->last_id,
            .owner = is_new || !was ? fold->owner : was->owner,
            .base_start = fold->base_lines + part->old_start,
            .base_count = part->old_count,
            .now_start = now_start,
            .now_count = part->new_count,
        };

        push_hunk(fold, &hunk);
    }
    diff_finish(&diff);
    text_unref(base);
    text_unref(to);
    keep_base(fold, places->base);
}

/* The new text's lines are the person's. */
static void take_into_base(struct fold *fold, const struct group *group,
                           const struct places *places, struct edit_settlement *settled)
{
    struct str lines = review_lines(fold->to, places->to.start, places->to.end - places->to.start);
    struct str old =
        review_lines(fold->review->base, places->base.start, places->base.end - places->base.start);

    for (size_t i = group->first_hunk; i < group->end_hunk; i++) {
        struct edit_settled one = {fold->review->hunks.ptr[i], str_eq(lines, old)};

        vec_push(&settled->list, one);
    }
    buf_append(&fold->base, lines);
    fold->base_lines += places->to.end - places->to.start;
}

static void shift_by(struct fold *fold, const struct group *group)
{
    for (size_t i = group->first_hunk; i < group->end_hunk; i++) {
        const struct edit_hunk *hunk = &fold->review->hunks.ptr[i];

        fold->base_shift += (ptrdiff_t)hunk->base_count - (ptrdiff_t)hunk->now_count;
    }
    for (size_t i = group->first_change; i < group->end_change; i++) {
        const struct diff_hunk *change = &fold->diff.hunks[i];

        fold->to_shift += (ptrdiff_t)change->new_count - (ptrdiff_t)change->old_count;
    }
}

static size_t shifted(size_t line, ptrdiff_t by)
{
    return (size_t)((ptrdiff_t)line + by);
}

static void settle_group(struct fold *fold, const struct group *group,
                         struct edit_settlement *settled)
{
    bool has_hunks = group->end_hunk > group->first_hunk;
    bool has_changes = group->end_change > group->first_change;
    struct places places;

    places.base.start = shifted(group->lines.start, fold->base_shift);
    places.to.start = shifted(group->lines.start, fold->to_shift);
    shift_by(fold, group);
    places.base.end = shifted(group->lines.end, fold->base_shift);
    places.to.end = shifted(group->lines.end, fold->to_shift);
    keep_base(fold, (struct range){fold->base_done, places.base.start});
    if (!has_changes)
        keep_hunks(fold, group, &places);
    else if (fold->author == EDIT_BY_MODEL || (fold->author == EDIT_BY_EDITOR && has_hunks))
        make_pending(fold, group, &places);
    else
        take_into_base(fold, group, &places, settled);
    fold->base_done = places.base.end;
}

/* -- Folding ----------------------------------------------------------------------------------- */

/* Takes the diff between them. */
static void fold_lines(struct edit_review *review, const struct text *to, struct diff *diff,
                       enum edit_author author, unsigned owner, struct edit_settlement *settled)
{
    struct fold fold = {
        .review = review, .to = to, .diff = *diff, .author = author, .owner = owner};
    struct group group;

    while (next_group(&fold, &group))
        settle_group(&fold, &group, settled);
    keep_base(&fold, (struct range){fold.base_done, review_line_count(review->base)});
    diff_finish(&fold.diff);
    vec_finish(&review->hunks);
    review->hunks.ptr = fold.hunks.ptr;
    review->hunks.len = fold.hunks.len;
    review->hunks.cap = fold.hunks.cap;
    text_unref(review->base);
    text_unref(review->now);
    review->base = text_take(&fold.base);
    review->now = text_ref(to);
    if (review_line_count(review->base) != fold.base_lines)
        review_begin_anew(review);
}

/* Lines between a hunk and what a diff may show in its stead, where the same lines repeat. */
enum { NEAR_LINES = 100 };

static bool is_near(const struct edit_review *review, const struct diff *diff)
{
    for (size_t i = 0, k = 0; i < review->hunks.len && k < diff->count;) {
        struct range hunk = hunk_range(&review->hunks.ptr[i]);
        struct range change = change_range(&diff->hunks[k]);

        if (change.end + NEAR_LINES < hunk.start)
            k++;
        else if (hunk.end + NEAR_LINES < change.start)
            i++;
        else
            return true;
    }
    return false;
}

void edit_review_fold(struct edit_review *review, const struct text *now, enum edit_author author,
                      unsigned owner, struct edit_settlement *ret_settled)
{
    struct diff diff;

    if (text_eq(review->now, now))
        return;
    text_diff(review->now, now, &diff);
    if (author == EDIT_BY_PERSON && is_near(review, &diff)) {
        size_t count = review->hunks.len;

        review_find_undone(review, now, ret_settled);
        if (review->hunks.len < count) {
            diff_finish(&diff);
            text_diff(review->now, now, &diff);
        }
    }
    fold_lines(review, now, &diff, author, owner, ret_settled);
}

static void mirror(struct edit_review *review)
{
    struct text *base = review->base;

    review->base = review->now;
    review->now = base;
    for (size_t i = 0; i < review->hunks.len; i++) {
        struct edit_hunk was = review->hunks.ptr[i];
        struct edit_hunk *hunk = &review->hunks.ptr[i];

        hunk->base_start = was.now_start;
        hunk->base_count = was.now_count;
        hunk->now_start = was.base_start;
        hunk->now_count = was.base_count;
    }
}

void edit_review_fold_base(struct edit_review *review, const struct text *base,
                           struct edit_settlement *ret_settled)
{
    size_t first = ret_settled->list.len;
    struct diff diff;

    if (text_eq(review->base, base))
        return;
    mirror(review);
    text_diff(review->now, base, &diff);
    fold_lines(review, base, &diff, EDIT_BY_PERSON, 0, ret_settled);
    mirror(review);
    for (size_t i = first; i < ret_settled->list.len; i++) {
        struct edit_settled *one = &ret_settled->list.ptr[i];
        struct edit_hunk was = one->hunk;

        one->is_undone = false;
        one->hunk.base_start = was.now_start;
        one->hunk.base_count = was.now_count;
        one->hunk.now_start = was.base_start;
        one->hunk.now_count = was.base_count;
    }
}
