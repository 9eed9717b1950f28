/* Merging two changes of one text by lines.
 *
 * Both diffs are walked along the base. Hunks of the two that overlap or touch are taken together
 * as one region; a region that only one side changed, or both to the same, is no conflict. */
#include <lanebridge/edit.h>

struct side {
    const struct text *text;
    struct diff diff;
    size_t next;     /* hunk */
    size_t first;    /* first hunk of the region */
    ptrdiff_t shift; /* line of this side minus line of the base, behind the last hunk taken */
};

struct region {
    size_t start, end; /* lines of the base */
};

struct merge {
    const struct text *base;
    struct side mine, theirs;
    bool keeps_both;
    struct buf out;
    size_t conflicts;
};

static const struct diff_hunk *next_hunk(const struct side *side)
{
    return side->next < side->diff.count ? &side->diff.hunks[side->next] : NULL;
}

/* Lines that touch were changed with an eye on each other, so they are one region; unless both are
 * to be kept, for then less is in conflict. */
static bool belongs(const struct merge *m, const struct region *region,
                    const struct diff_hunk *hunk)
{
    if (!m->keeps_both)
        return hunk->old_start <= region->end;
    return hunk->old_start < region->end ||
           (hunk->old_start == region->start && hunk->old_count == 0);
}

/* Takes the hunks that belong to the region, and makes it longer by them. */
static bool take_hunks(const struct merge *m, struct side *side, struct region *region)
{
    const struct diff_hunk *hunk;
    bool taken = false;

    while ((hunk = next_hunk(side)) != NULL && belongs(m, region, hunk)) {
        size_t end = hunk->old_start + hunk->old_count;

        if (end > region->end)
            region->end = end;
        side->shift = (ptrdiff_t)(hunk->new_start + hunk->new_count) - (ptrdiff_t)end;
        side->next++;
        taken = true;
    }
    return taken;
}

/* The hunk that comes first; of two at one place the one that only adds. */
static const struct diff_hunk *first_hunk(const struct diff_hunk *a, const struct diff_hunk *b)
{
    if (!a || !b)
        return a ? a : b;
    if (a->old_start != b->old_start)
        return a->old_start < b->old_start ? a : b;
    return a->old_count <= b->old_count ? a : b;
}

/* The next region that either side changed; false behind the last one. */
static bool next_region(struct merge *m, struct region *ret_region)
{
    const struct diff_hunk *first = first_hunk(next_hunk(&m->mine), next_hunk(&m->theirs));
    bool from_mine, from_theirs;

    if (!first)
        return false;
    m->mine.first = m->mine.next;
    m->theirs.first = m->theirs.next;
    *ret_region = (struct region){first->old_start, first->old_start + first->old_count};
    do {
        from_mine = take_hunks(m, &m->mine, ret_region);
        from_theirs = take_hunks(m, &m->theirs, ret_region);
    } while (from_mine || from_theirs);
    return true;
}

static struct str lines_between(const struct text *text, size_t from, size_t to)
{
    return str_slice(text_bytes(text), text_line_start(text, from), text_line_start(text, to));
}

static bool has_line(const struct text *text, struct region lines, struct str wanted)
{
    for (size_t i = lines.start; i < lines.end; i++) {
        if (str_eq(str_trim_end(text_line(text, i)), str_trim_end(wanted)))
            return true;
    }
    return false;
}

/* What a side has in place of a region of the base. */
static struct region side_region(const struct side *side, ptrdiff_t shift_before,
                                 const struct region *region)
{
    return (struct region){(size_t)((ptrdiff_t)region->start + shift_before),
                           (size_t)((ptrdiff_t)region->end + side->shift)};
}

/* Of `theirs`, the lines that are neither in the base nor in `mine`. */
static void append_new_lines(struct merge *m, const struct region *region, struct region mine,
                             struct region theirs)
{
    for (size_t i = theirs.start; i < theirs.end; i++) {
        struct str line = text_line(m->theirs.text, i);

        if (has_line(m->base, *region, line) || has_line(m->mine.text, mine, line))
            continue;
        if (m->out.len > 0 && !strchr("\r\n", m->out.ptr[m->out.len - 1]))
            buf_append_byte(&m->out, '\n');
        buf_append(&m->out, line);
    }
}

static void merge_region(struct merge *m, ptrdiff_t mine_shift, ptrdiff_t theirs_shift,
                         const struct region *region)
{
    struct region mine = side_region(&m->mine, mine_shift, region);
    struct region theirs = side_region(&m->theirs, theirs_shift, region);
    struct str ours = lines_between(m->mine.text, mine.start, mine.end);
    struct str other = lines_between(m->theirs.text, theirs.start, theirs.end);

    if (m->mine.first == m->mine.next) {
        buf_append(&m->out, other);
        return;
    }
    buf_append(&m->out, ours);
    if (m->theirs.first == m->theirs.next || str_eq(ours, other))
        return;
    m->conflicts++;
    if (m->keeps_both)
        append_new_lines(m, region, mine, theirs);
}

static void merge_all(struct merge *m)
{
    size_t done = 0, count = text_line_count(m->base);
    ptrdiff_t mine_shift = 0, theirs_shift = 0;
    struct region region;

    while (next_region(m, &region)) {
        buf_append(&m->out, lines_between(m->base, done, region.start));
        merge_region(m, mine_shift, theirs_shift, &region);
        done = region.end;
        mine_shift = m->mine.shift;
        theirs_shift = m->theirs.shift;
    }
    buf_append(&m->out, lines_between(m->base, done, count));
}

static struct text *merge(const struct text *base, const struct text *mine,
                          const struct text *theirs, bool keeps_both, size_t *ret_conflicts)
{
    struct merge m = {
        .base = base, .mine.text = mine, .theirs.text = theirs, .keeps_both = keeps_both};

    *ret_conflicts = 0;
    if (text_eq(base, theirs) || text_eq(mine, theirs))
        return text_ref(mine);
    if (text_eq(base, mine))
        return text_ref(theirs);
    text_diff(base, mine, &m.mine.diff);
    text_diff(base, theirs, &m.theirs.diff);
    merge_all(&m);
    diff_finish(&m.mine.diff);
    diff_finish(&m.theirs.diff);
    *ret_conflicts = m.conflicts;
    return text_take(&m.out);
}

struct text *edit_merge(const struct text *base, const struct text *mine, const struct text *theirs,
                        size_t *ret_conflicts)
{
    return merge(base, mine, theirs, false, ret_conflicts);
}

struct text *edit_merge_both(const struct text *base, const struct text *mine,
                             const struct text *theirs, size_t *ret_conflicts)
{
    return merge(base, mine, theirs, true, ret_conflicts);
}

/* Merged, `now` has all of the plan; what that adds did not land, and comes off the plan again. */
struct text *edit_landed_part(const struct text *before, const struct text *now,
                              const struct text *planned, bool *ret_is_whole)
{
    size_t conflicts, ignored;
    struct text *whole = edit_merge(before, now, planned, &conflicts);
    struct text *part = edit_merge(whole, planned, now, &ignored);

    *ret_is_whole = conflicts == 0 && text_eq(whole, now);
    text_unref(whole);
    return part;
}
