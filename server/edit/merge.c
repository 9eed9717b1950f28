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

static const struct diff_hunk *next_hunk(const struct side *side)
{
    return side->next < side->diff.count ? &side->diff.hunks[side->next] : NULL;
}

/* Takes the hunks that begin in the region or at its end, and makes it longer by them. */
static bool take_hunks(struct side *side, struct region *region)
{
    const struct diff_hunk *hunk;
    bool taken = false;

    while ((hunk = next_hunk(side)) != NULL && hunk->old_start <= region->end) {
        size_t end = hunk->old_start + hunk->old_count;

        if (end > region->end)
            region->end = end;
        side->shift = (ptrdiff_t)(hunk->new_start + hunk->new_count) - (ptrdiff_t)end;
        side->next++;
        taken = true;
    }
    return taken;
}

/* The next region that either side changed; false behind the last one. */
static bool next_region(struct side *mine, struct side *theirs, struct region *ret_region)
{
    const struct diff_hunk *a = next_hunk(mine), *b = next_hunk(theirs);
    bool from_mine, from_theirs;

    if (!a && !b)
        return false;
    mine->first = mine->next;
    theirs->first = theirs->next;
    ret_region->start = a && (!b || a->old_start <= b->old_start) ? a->old_start : b->old_start;
    ret_region->end = ret_region->start;
    do {
        from_mine = take_hunks(mine, ret_region);
        from_theirs = take_hunks(theirs, ret_region);
    } while (from_mine || from_theirs);
    return true;
}

static struct str lines_between(const struct text *text, size_t from, size_t to)
{
    return str_slice(text_bytes(text), text_line_start(text, from), text_line_start(text, to));
}

/* What a side has in place of a region of the base. */
static struct str side_lines(const struct side *side, ptrdiff_t shift_before,
                             const struct region *region)
{
    return lines_between(side->text, (size_t)((ptrdiff_t)region->start + shift_before),
                         (size_t)((ptrdiff_t)region->end + side->shift));
}

static void merge_region(struct buf *out, const struct side *mine, ptrdiff_t mine_shift,
                         const struct side *theirs, ptrdiff_t theirs_shift,
                         const struct region *region, size_t *conflicts)
{
    struct str ours = side_lines(mine, mine_shift, region);
    struct str other = side_lines(theirs, theirs_shift, region);

    if (mine->first == mine->next) {
        buf_append(out, other);
        return;
    }
    buf_append(out, ours);
    if (theirs->first != theirs->next && !str_eq(ours, other))
        ++*conflicts;
}

static struct text *merge_all(const struct text *base, struct side *mine, struct side *theirs,
                              size_t *conflicts)
{
    size_t done = 0, count = text_line_count(base);
    struct buf out = {0};
    struct region region;
    ptrdiff_t mine_shift = 0, theirs_shift = 0;

    while (next_region(mine, theirs, &region)) {
        buf_append(&out, lines_between(base, done, region.start));
        merge_region(&out, mine, mine_shift, theirs, theirs_shift, &region, conflicts);
        done = region.end;
        mine_shift = mine->shift;
        theirs_shift = theirs->shift;
    }
    buf_append(&out, lines_between(base, done, count));
    return text_take(&out);
}

struct text *edit_merge(const struct text *base, const struct text *mine, const struct text *theirs,
                        size_t *ret_conflicts)
{
    struct side a = {.text = mine}, b = {.text = theirs};
    struct text *merged;

    *ret_conflicts = 0;
    if (text_eq(base, theirs) || text_eq(mine, theirs))
        return text_ref(mine);
    if (text_eq(base, mine))
        return text_ref(theirs);
    text_diff(base, mine, &a.diff);
    text_diff(base, theirs, &b.diff);
    merged = merge_all(base, &a, &b, ret_conflicts);
    diff_finish(&a.diff);
    diff_finish(&b.diff);
    return merged;
}
