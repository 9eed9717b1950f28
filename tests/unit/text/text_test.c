#include <criterion/criterion.h>

#include "random.h"

TestSuite(text, .timeout = 10);

static void check_lines(const struct text *text, const char *const *want, size_t count)
{
    size_t at = 0;

    cr_assert_eq(text_line_count(text), count);
    for (size_t i = 0; i < count; i++) {
        struct str line = text_line(text, i);

        cr_assert(str_eq_c(line, want[i]), "line %zu is '" STR_FMT "'", i, STR_ARG(line));
        cr_assert_eq(text_line_start(text, i), at);
        at += line.len;
    }
    cr_assert_eq(text_line_start(text, count), text_len(text));
}

Test(text, lines_end_at_lf_crlf_and_cr_and_keep_their_endings)
{
    static const struct {
        const char *bytes;
        const char *lines[6];
        size_t count;
    } rows[] = {
        {"", {""}, 1},
        {"a", {"a"}, 1},
        {"a\n", {"a\n", ""}, 2},
        {"a\r\nb", {"a\r\n", "b"}, 2},
        {"a\rb\n", {"a\r", "b\n", ""}, 3},
        {"\r\r\n\n\r", {"\r", "\r\n", "\n", "\r", ""}, 5},
        {"\n\r\n", {"\n", "\r\n", ""}, 3},
        {"a\n\r", {"a\n", "\r", ""}, 3},
    };

    for (size_t i = 0; i < array_count(rows); i++) {
        struct text *text = text_new(str_from(rows[i].bytes));

        check_lines(text, rows[i].lines, rows[i].count);
        text_unref(text);
    }
}

Test(text, content_of_a_line_leaves_its_ending_out)
{
    struct text *text = text_new(STR("a\r\nb\rc\n\r\nd"));
    static const char *const want[] = {"a", "b", "c", "", "d"};

    cr_assert_eq(text_line_count(text), array_count(want));
    for (size_t i = 0; i < array_count(want); i++)
        cr_assert(str_eq_c(text_line_content(text, i), want[i]));
    text_unref(text);
}

Test(text, line_of_an_offset)
{
    struct text *text = text_new(STR("ab\nc\r\n"));
    static const size_t want[] = {0, 0, 0, 1, 1, 1, 2};

    for (size_t i = 0; i < array_count(want); i++)
        cr_assert_eq(text_line_of(text, i), want[i]);
    text_unref(text);
}

Test(text, take_leaves_the_buffer_empty_and_keeps_nul_bytes)
{
    struct buf buf = {0};
    struct text *text;

    buf_append(&buf, STR("a\0b\n"));
    text = text_take(&buf);
    cr_assert_eq(buf.len, 0);
    cr_assert(str_eq(text_bytes(text), STR("a\0b\n")));
    cr_assert_eq(text_line_count(text), 2);
    text_unref(text);
    text = text_take(&buf);
    cr_assert_eq(text_len(text), 0);
    cr_assert_eq(text_line_count(text), 1);
    text_unref(text);
}

Test(text, references)
{
    struct text *text = text_new(STR("a"));
    struct text *again = text_ref(text);

    cr_assert_null(text_ref(NULL));
    text_unref(NULL);
    text_unref(text);
    cr_assert(str_eq(text_bytes(again), STR("a")));
    text_unref(again);
}

Test(text, replace_leaves_the_old_text_alone)
{
    struct text *old = text_new(STR("one\ntwo\n"));
    struct text *new = text_replace(old, 4, 7, STR("2\r\n3"));
    static const char *const want[] = {"one\n", "2\r\n", "3\n", ""};

    check_lines(new, want, array_count(want));
    cr_assert(str_eq(text_bytes(old), STR("one\ntwo\n")));
    cr_assert_not(text_eq(old, new));
    text_unref(old);
    text_unref(new);
}

static void check_same_index(const struct text *text)
{
    struct text *fresh = text_new(text_bytes(text));

    cr_assert(text_eq(text, fresh));
    cr_assert_eq(text_line_count(text), text_line_count(fresh));
    for (size_t i = 0; i < text_line_count(fresh); i++)
        cr_assert_eq(text_line_start(text, i), text_line_start(fresh, i));
    text_unref(fresh);
}

/* CR and LF that come together, or are torn apart, at the edges of what is replaced. */
Test(text, replaced_text_has_the_index_of_a_fresh_one)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct text *text = random_text(&state, 12);

        for (int i = 0; i < 4; i++) {
            struct text *next = random_edit(text, &state, 1);

            text_unref(text);
            text = next;
            check_same_index(text);
        }
        text_unref(text);
    }
}
