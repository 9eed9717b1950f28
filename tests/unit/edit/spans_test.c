#include <criterion/criterion.h>

#include "../text/random.h"
#include <lanebridge/edit.h>

TestSuite(spans, .timeout = 30);

static struct text *apply(const struct text *before, const struct edit_spans *spans)
{
    struct buf out = {0};
    size_t done = 0;

    for (size_t i = 0; i < spans->spans.len; i++) {
        const struct edit_span *span = &spans->spans.ptr[i];

        cr_assert(span->start <= span->end && (i == 0 || span->start > done), "spans touch");
        buf_append(&out, str_slice(text_bytes(before), done, span->start));
        buf_append(&out, span->with);
        done = span->end;
    }
    buf_append(&out, str_skip(text_bytes(before), done));
    return text_take(&out);
}

Test(spans, applied_to_before_give_after)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct text *before = random_text(&state, 30);
        struct text *after = seed % 2 ? random_text(&state, 30) : random_edit(before, &state, 3);
        struct edit_spans spans;
        struct text *result;

        edit_spans_between(before, after, &spans);
        result = apply(before, &spans);
        cr_assert(text_eq(result, after), "seed %d", (int)seed);
        cr_assert_eq(spans.spans.len == 0, text_eq(before, after));
        edit_spans_finish(&spans);
        text_unref(before);
        text_unref(after);
        text_unref(result);
    }
}

Test(spans, are_whole_lines_and_no_more_than_needed)
{
    struct text *before = text_new(STR("a\nb\nc\nd\n")), *after = text_new(STR("a\nB\nc\nd\ne\n"));
    struct edit_spans spans;

    edit_spans_between(before, after, &spans);
    cr_assert_eq(spans.spans.len, 2);
    cr_assert_eq(spans.spans.ptr[0].start, 2);
    cr_assert_eq(spans.spans.ptr[0].end, 4);
    cr_assert(str_eq_c(spans.spans.ptr[0].with, "B\n"));
    cr_assert_eq(spans.spans.ptr[1].start, 8);
    cr_assert_eq(spans.spans.ptr[1].end, 8);
    cr_assert(str_eq_c(spans.spans.ptr[1].with, "e\n"));
    edit_spans_finish(&spans);
    text_unref(before);
    text_unref(after);
}
