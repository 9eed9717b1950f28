/* The difference of two texts as spans of bytes to replace. */
#include <lanebridge/edit.h>

void edit_spans_between(const struct text *before, const struct text *after,
                        struct edit_spans *ret_spans)
{
    struct edit_spans spans = {0};
    struct diff diff;

    text_diff(before, after, &diff);
    for (size_t i = 0; i < diff.count; i++) {
        const struct diff_hunk *hunk = &diff.hunks[i];
        size_t from = text_line_start(after, hunk->new_start);
        size_t to = text_line_start(after, hunk->new_start + hunk->new_count);
        struct edit_span span = {
            .start = text_line_start(before, hunk->old_start),
            .end = text_line_start(before, hunk->old_start + hunk->old_count),
            .with = str_slice(text_bytes(after), from, to),
        };

        vec_push(&spans.spans, span);
    }
    diff_finish(&diff);
    *ret_spans = spans;
}

void edit_spans_finish(struct edit_spans *spans)
{
    vec_finish(&spans->spans);
}
