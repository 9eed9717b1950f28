/* Two texts with a NUL between them: the diff leads from one to the other, merges with one side
 * unchanged give the other, and the index of a replaced text is that of a fresh one. */
#include <lanebridge/edit.h>

#include "fuzz.h"

static void check_spans(const struct text *before, const struct text *after)
{
    struct edit_spans spans;
    struct buf out = {0};
    size_t done = 0;
    edit_spans_between(before, after, &spans);
    for (size_t i = 0; i < spans.spans.len; i++) {
        const struct edit_span *span = &spans.spans.ptr[i];
        FUZZ_CHECK(span->start >= done && span->start <= span->end);
        buf_append(&out, str_slice(text_bytes(before), done, span->start));
        buf_append(&out, span->with);
        done = span->end;
    }
    buf_append(&out, str_skip(text_bytes(before), done));
    FUZZ_CHECK(str_eq(buf_str(&out), text_bytes(after)));
    buf_finish(&out);
    edit_spans_finish(&spans);
}

static void check_merge(const struct text *base, const struct text *mine, const struct text *theirs,
                        const struct text *want)
{
    size_t conflicts;
    struct text *merged = edit_merge(base, mine, theirs, &conflicts);
    FUZZ_CHECK(!want || (text_eq(merged, want) && conflicts == 0));
    text_unref(merged);
}

static void check_replace(const struct text *a, struct str with)
{
    size_t start = text_len(a) / 3, end = text_len(a) / 2;
    struct text *replaced = text_replace(a, start, end, with);
    struct text *fresh = text_new(text_bytes(replaced));
    FUZZ_CHECK(text_line_count(replaced) == text_line_count(fresh));
    for (size_t i = 0; i < text_line_count(fresh); i++)
        FUZZ_CHECK(text_line_start(replaced, i) == text_line_start(fresh, i));
    check_merge(a, replaced, fresh, fresh);
    text_unref(replaced);
    text_unref(fresh);
}

static void check_positions(const struct text *a)
{
    for (size_t at = 0; at <= text_len(a); at += 1 + text_len(a) / 16) {
        struct position position = text_position_of(a, POSITION_UTF16, at);
        size_t back;
        FUZZ_CHECK(text_offset_of(a, POSITION_UTF16, position, &back, NULL) == STATUS_OK);
        FUZZ_CHECK(back <= at && at - back < 4);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str second, first = fuzz_split((struct str){(const char *)data, size}, &second);
    struct text *a = text_new(first), *b = text_new(second), *empty = text_new(STR(""));
    check_spans(a, b);
    check_spans(b, a);
    check_merge(a, b, a, b);
    check_merge(a, a, b, b);
    check_merge(empty, a, b, NULL);
    check_replace(a, second);
    check_positions(a);
    text_unref(a);
    text_unref(b);
    text_unref(empty);
    return 0;
}
