/* Unified diffs, as `git diff` and `patch` read them. */
#include "text-internal.h"

struct view {
    struct buf *buf;
    const struct text *before, *after;
    size_t before_lines;
    size_t context;
};

static void append_lines(struct view *view, char mark, const struct text *text, size_t from,
                         size_t to)
{
    for (size_t line = from; line < to; line++) {
        struct str s = text_line(text, line);
        bool last = text_line_start(text, line + 1) == text_len(text);

        buf_append_byte(view->buf, mark);
        buf_append(view->buf, s);
        if (s.ptr[s.len - 1] == '\n')
            continue;
        buf_append_byte(view->buf, '\n');
        if (last && s.ptr[s.len - 1] != '\r')
            buf_append_c(view->buf, "\\ No newline at end of file\n");
    }
}

/* "12,3", "12", or "11,0" after line 11: an empty range names the line before it. */
static void append_range(struct view *view, char mark, size_t start, size_t count)
{
    buf_append_fmt(view->buf, " %c%zu", mark, count > 0 ? start + 1 : start);
    if (count != 1)
        buf_append_fmt(view->buf, ",%zu", count);
}

static size_t hunk_end(const struct diff_hunk *hunk)
{
    return hunk->old_start + hunk->old_count;
}

/* Hunks [first, last] with what is between and around them. */
static void append_group(struct view *view, const struct diff_hunk *first,
                         const struct diff_hunk *last)
{
    size_t lead = first->old_start < view->context ? first->old_start : view->context;
    size_t after_last = view->before_lines - hunk_end(last);
    size_t trail = after_last < view->context ? after_last : view->context;
    size_t at = first->old_start - lead;
    size_t old_count = hunk_end(last) + trail - at;
    size_t new_start = first->new_start - lead;
    size_t new_count = last->new_start + last->new_count + trail - new_start;

    buf_append_c(view->buf, "@@");
    append_range(view, '-', at, old_count);
    append_range(view, '+', new_start, new_count);
    buf_append_c(view->buf, " @@\n");
    for (const struct diff_hunk *hunk = first; hunk <= last; hunk++) {
        append_lines(view, ' ', view->before, at, hunk->old_start);
        append_lines(view, '-', view->before, hunk->old_start, hunk_end(hunk));
        append_lines(view, '+', view->after, hunk->new_start, hunk->new_start + hunk->new_count);
        at = hunk_end(hunk);
    }
    append_lines(view, ' ', view->before, at, at + trail);
}

static void append_name(struct view *view, const char *mark, const char *side, struct str path,
                        bool exists)
{
    if (exists)
        buf_append_fmt(view->buf, "%s %s/" STR_FMT "\n", mark, side, STR_ARG(path));
    else
        buf_append_fmt(view->buf, "%s /dev/null\n", mark);
}

static void append_groups(struct view *view, const struct diff *diff)
{
    for (size_t first = 0, last; first < diff->count; first = last + 1) {
        last = first;
        while (last + 1 < diff->count &&
               diff->hunks[last + 1].old_start - hunk_end(&diff->hunks[last]) <= 2 * view->context)
            last++;
        append_group(view, &diff->hunks[first], &diff->hunks[last]);
    }
}

void text_append_unified(struct buf *buf, struct str path, const struct text *before,
                         const struct text *after, size_t context)
{
    struct text *empty = text_new(STR(""));
    struct view view = {buf, before ? before : empty, after ? after : empty, 0, context};
    struct diff diff;

    view.before_lines = text_diff_line_count(view.before);
    text_diff(view.before, view.after, &diff);
    if (diff.count > 0) {
        append_name(&view, "---", "a", path, before != NULL);
        append_name(&view, "+++", "b", path, after != NULL);
        append_groups(&view, &diff);
    }
    diff_finish(&diff);
    text_unref(empty);
}
