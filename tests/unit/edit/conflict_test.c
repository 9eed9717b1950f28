#include <criterion/criterion.h>

#include <lanebridge/edit.h>

TestSuite(conflict, .timeout = 10);

static const struct {
    const char *base, *now, *after;
    size_t line;
} overlap_rows[] = {
    {"a\nb\nc\nd\n", "A\nb\nc\nd\n", "A\nb\nC\nd\n", STR_NONE},
    {"a\nb\nc\nd\n", "A\nb\nc\nd\n", "x\nb\nc\nd\n", 0},
    {"a\nb\nc\nd\n", "a\nB\nC\nd\n", "a\nB\nx\ny\n", 2},
    /* next to each other is not on top of each other */
    {"a\nb\nc\nd\n", "A\nb\nc\nd\n", "A\nB\nc\nd\n", STR_NONE},
    /* an insertion within what the user typed, and at its end */
    {"a\nb\n", "a\n1\n2\nb\n", "a\n1\nx\n2\nb\n", 2},
    {"a\nb\n", "a\n1\n2\nb\n", "a\n1\n2\nx\nb\n", STR_NONE},
    /* the user removed a line between two that the edit replaces, and elsewhere */
    {"a\nb\nc\n", "a\nc\n", "x\ny\n", 1},
    {"a\nb\nc\nd\n", "a\nc\nd\n", "a\nc\nD\n", STR_NONE},
    {"a\nb\n", "a\nb\n", "x\ny\n", STR_NONE},
    {"a\nb\nc\nd\ne\n", "A\nb\nc\nd\nE\n", "A\nb\nC\nd\nx\n", 4},
};

Test(conflict, first_overlap)
{
    for (size_t i = 0; i < array_count(overlap_rows); i++) {
        struct text *base = text_new(str_from(overlap_rows[i].base));
        struct text *now = text_new(str_from(overlap_rows[i].now));
        struct text *after = text_new(str_from(overlap_rows[i].after));

        cr_assert_eq(edit_first_overlap(base, now, after), overlap_rows[i].line, "row %zu: %zu", i,
                     edit_first_overlap(base, now, after));
        text_unref(base);
        text_unref(now);
        text_unref(after);
    }
}

static const struct {
    const char *a_before, *a_after, *b_before, *b_after;
    bool same;
} same_rows[] = {
    {"a\nb\n", "a\nB\n", "x\ny\na\nb\n", "x\ny\na\nB\n", true},
    {"a\nb\n", "a\nB\n", "a\nb\n", "a\nC\n", false},
    {"a\nb\n", "a\nB\n", "a\nc\n", "a\nB\n", false},
    {"a\nb\n", "a\nB\n", "a\nb\nb\n", "a\nB\nB\n", false},
    {"a\n", "a\n", "b\n", "b\n", true},
    {"a\n", "a\n", "b\n", "c\n", false},
};

Test(conflict, same_change)
{
    for (size_t i = 0; i < array_count(same_rows); i++) {
        struct text *a = text_new(str_from(same_rows[i].a_before));
        struct text *a_after = text_new(str_from(same_rows[i].a_after));
        struct text *b = text_new(str_from(same_rows[i].b_before));
        struct text *b_after = text_new(str_from(same_rows[i].b_after));

        cr_assert_eq(edit_is_same_change(a, a_after, b, b_after), same_rows[i].same, "row %zu", i);
        text_unref(a);
        text_unref(a_after);
        text_unref(b);
        text_unref(b_after);
    }
}
