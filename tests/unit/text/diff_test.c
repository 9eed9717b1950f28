#include <criterion/criterion.h>

#include "random.h"

TestSuite(diff, .timeout = 30);

static size_t counted_lines(const struct text *text)
{
    size_t count = text_line_count(text);

    return text_line(text, count - 1).len == 0 ? count - 1 : count;
}

/* Hunks in order and not adjacent, and what they leave out is the same in both texts. */
static void check_diff(const struct text *a, const struct text *b, const struct diff *diff)
{
    size_t i = 0, j = 0;

    for (size_t n = 0; n <= diff->count; n++) {
        bool end = n == diff->count;
        size_t a_to = end ? counted_lines(a) : diff->hunks[n].old_start;
        size_t b_to = end ? counted_lines(b) : diff->hunks[n].new_start;

        cr_assert_eq(a_to - i, b_to - j);
        cr_assert(end || n == 0 || a_to > i, "adjacent hunks");
        for (; i < a_to; i++, j++)
            cr_assert(str_eq(text_line(a, i), text_line(b, j)));
        if (!end) {
            cr_assert(diff->hunks[n].old_count + diff->hunks[n].new_count > 0);
            i += diff->hunks[n].old_count;
            j += diff->hunks[n].new_count;
        }
    }
}

static size_t changed_lines(const struct diff *diff)
{
    size_t sum = 0;

    for (size_t i = 0; i < diff->count; i++)
        sum += diff->hunks[i].old_count + diff->hunks[i].new_count;
    return sum;
}

/* The length of the longest common subsequence, by the textbook table. */
static size_t common_lines(const struct text *a, const struct text *b)
{
    size_t n = counted_lines(a), m = counted_lines(b);
    size_t *row = mem_alloc_array(m + 1, sizeof(size_t));
    size_t best;

    for (size_t i = 0; i < n; i++) {
        size_t diagonal = 0;

        for (size_t j = 0; j < m; j++) {
            size_t above = row[j + 1];

            if (str_eq(text_line(a, i), text_line(b, j)))
                row[j + 1] = diagonal + 1;
            else if (row[j] > above)
                row[j + 1] = row[j];
            diagonal = above;
        }
    }
    best = row[m];
    mem_free(row);
    return best;
}

Test(diff, is_right_and_smallest)
{
    for (uint64_t seed = 1; seed <= 4000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct text *a = random_text(&state, 30);
        struct text *b = seed % 2 ? random_text(&state, 30) : random_edit(a, &state, 3);
        struct diff diff;

        text_diff(a, b, &diff);
        check_diff(a, b, &diff);
        cr_assert_eq(changed_lines(&diff),
                     counted_lines(a) + counted_lines(b) - 2 * common_lines(a, b), "seed %d",
                     (int)seed);
        diff_finish(&diff);
        text_unref(a);
        text_unref(b);
    }
}

static struct text *numbered(size_t count, size_t odd_one_out)
{
    struct buf buf = {0};

    for (size_t i = 0; i < count; i++)
        buf_append_fmt(&buf, i % (count / 3) == odd_one_out ? "changed %zu\n" : "line %zu\n", i);
    return text_take(&buf);
}

Test(diff, three_lines_of_a_million)
{
    struct text *a = numbered(1000000, 1), *b = numbered(1000000, 2);
    struct diff diff;

    text_diff(a, b, &diff);
    check_diff(a, b, &diff);
    cr_assert_eq(changed_lines(&diff), 12);
    diff_finish(&diff);
    text_unref(a);
    text_unref(b);
}

static struct text *shuffled(size_t count, uint64_t seed)
{
    struct buf buf = {0};

    for (size_t i = 0; i < count; i++)
        buf_append_fmt(&buf, "%zu\n", random_below(&seed, 50));
    return text_take(&buf);
}

/* Far beyond what a smallest diff may cost: the answer is still right. */
Test(diff, effort_is_bounded)
{
    struct text *a = shuffled(100000, 77), *b = shuffled(100000, 99);
    struct diff diff;

    text_diff(a, b, &diff);
    check_diff(a, b, &diff);
    cr_assert(changed_lines(&diff) < 200000);
    diff_finish(&diff);
    text_unref(a);
    text_unref(b);
}

Test(diff, an_added_block_is_shown_whole)
{
    struct text *a = text_new(STR("f\n}\n\nh\n}\n"));
    struct text *b = text_new(STR("f\n}\n\ng\n}\n\nh\n}\n"));
    struct diff diff;

    text_diff(a, b, &diff);
    cr_assert_eq(diff.count, 1);
    cr_assert_eq(diff.hunks[0].new_start, 3);
    cr_assert_eq(diff.hunks[0].new_count, 3);
    cr_assert_eq(diff.hunks[0].old_count, 0);
    diff_finish(&diff);
    text_unref(a);
    text_unref(b);
}

static struct text *text_or_null(const char *bytes)
{
    return bytes ? text_new(str_from(bytes)) : NULL;
}

static const struct {
    const char *before, *after;
    size_t context;
    const char *want;
} unified_rows[] = {
    {"a\n", "a\n", 3, ""},
    {"a\nb\nc\n", "a\nB\nc\n", 3, "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"},
    {"a\nb\nc\n", "a\nB\nc\n", 0, "--- a/f\n+++ b/f\n@@ -2 +2 @@\n-b\n+B\n"},
    {"a\nb\n", "a\nx\nb\n", 0, "--- a/f\n+++ b/f\n@@ -1,0 +2 @@\n+x\n"},
    {NULL, "a\nb\n", 3, "--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
    {"a\n", NULL, 3, "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"},
    {NULL, "", 3, ""},
    {"a\nb", "a\nb\n", 1,
     "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
    {"1\n2\n3\n4\n5\n", "1x\n2\n3\n4\n5x\n", 1,
     "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-1\n+1x\n 2\n@@ -4,2 +4,2 @@\n 4\n-5\n+5x\n"},
    {"1\n2\n3\n4\n", "1x\n2\n3\n4x\n", 1,
     "--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n-1\n+1x\n 2\n 3\n-4\n+4x\n"},
};

Test(diff, unified)
{
    for (size_t i = 0; i < array_count(unified_rows); i++) {
        struct text *before = text_or_null(unified_rows[i].before);
        struct text *after = text_or_null(unified_rows[i].after);
        struct buf buf = {0};

        text_append_unified(&buf, STR("f"), before, after, unified_rows[i].context);
        cr_assert(str_eq_c(buf_str(&buf), unified_rows[i].want), "row %zu:\n" STR_FMT, i,
                  STR_ARG(buf_str(&buf)));
        buf_finish(&buf);
        text_unref(before);
        text_unref(after);
    }
}
