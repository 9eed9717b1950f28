#include <criterion/criterion.h>

#include "../text/random.h"
#include <lanebridge/edit.h>

TestSuite(merge, .timeout = 30);

static const struct {
    const char *base, *mine, *theirs, *merged;
    size_t conflicts;
} rows[] = {
    {"a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n", 0},
    {"a\nb\nc\n", "A\nb\nc\n", "X\nb\nc\n", "A\nb\nc\n", 1},
    {"a\nb\nc\n", "A\nb\nc\n", "A\nb\nc\n", "A\nb\nc\n", 0},
    {"a\nb\nc\n", "A\nb\nC\n", "A\nb\nc\n", "A\nb\nC\n", 0},
    /* touching lines */
    {"a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n", "A\nb\nc\n", 1},
    /* both insert at one place */
    {"a\nb\n", "a\nx\nb\n", "a\ny\nb\n", "a\nx\nb\n", 1},
    {"a\nb\n", "a\nx\nb\n", "a\nx\nb\n", "a\nx\nb\n", 0},
    /* one deletes what the other changes */
    {"a\nb\nc\n", "a\nc\n", "a\nB\nc\n", "a\nc\n", 1},
    {"a\nb\nc\n", "a\nB\nc\n", "a\nc\n", "a\nB\nc\n", 1},
    {"", "a\n", "", "a\n", 0},
    {"", "a\n", "b\n", "a\n", 1},
    {"a\nb", "a\nb\n", "x\na\nb", "x\na\nb\n", 0},
    {"a\nb\nc\nd\ne\n", "b\nc\nd\nE\n", "a\nb\nC\nd\ne\n", "b\nC\nd\nE\n", 0},
    /* one long change over two of the other side, between which the base stands */
    {"a\nb\nc\nd\ne\n", "A\nb\nc\nd\nE\n", "1\n2\n3\n4\n5\n", "A\nb\nc\nd\nE\n", 1},
};

Test(merge, table)
{
    for (size_t i = 0; i < array_count(rows); i++) {
        struct text *base = text_new(str_from(rows[i].base));
        struct text *mine = text_new(str_from(rows[i].mine));
        struct text *theirs = text_new(str_from(rows[i].theirs));
        size_t conflicts = 99;
        struct text *merged = edit_merge(base, mine, theirs, &conflicts);

        cr_assert(str_eq_c(text_bytes(merged), rows[i].merged), "row %zu: " STR_FMT, i,
                  STR_ARG(text_bytes(merged)));
        cr_assert_eq(conflicts, rows[i].conflicts, "row %zu: %zu conflicts", i, conflicts);
        text_unref(base);
        text_unref(mine);
        text_unref(theirs);
        text_unref(merged);
    }
}

static void check_merge(const struct text *base, const struct text *mine, const struct text *theirs,
                        const struct text *want)
{
    size_t conflicts = 99;
    struct text *merged = edit_merge(base, mine, theirs, &conflicts);

    cr_assert_eq(conflicts, 0);
    cr_assert(text_eq(merged, want));
    text_unref(merged);
}

Test(merge, with_one_side_unchanged_or_both_the_same_gives_the_other)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct text *base = random_text(&state, 30), *other = random_edit(base, &state, 3);

        check_merge(base, other, base, other);
        check_merge(base, base, other, other);
        check_merge(base, other, other, other);
        text_unref(base);
        text_unref(other);
    }
}

/* Two edits in different halves, an untouched line between them: nothing is lost and nothing is in
 * conflict. The line occurs once, so no diff can take it for another. */
Test(merge, edits_that_are_apart_both_stand)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct buf parts[4] = {0}, texts[4] = {0};
        struct text *text[4];

        for (int i = 0; i < 4; i++) {
            random_append(&parts[i], &state, 12);
            buf_append_c(&parts[i], "\n");
        }
        /* base, mine, theirs, both */
        for (int i = 0; i < 4; i++) {
            buf_append(&texts[i], buf_str(&parts[i & 1 ? 1 : 0]));
            buf_append_fmt(&texts[i], "the middle line\n");
            buf_append(&texts[i], buf_str(&parts[i & 2 ? 3 : 2]));
            text[i] = text_take(&texts[i]);
        }
        check_merge(text[0], text[1], text[2], text[3]);
        for (int i = 0; i < 4; i++) {
            text_unref(text[i]);
            buf_finish(&parts[i]);
        }
    }
}

/* Whose text is whose matters only in a conflict. */
Test(merge, without_conflict_it_is_the_same_from_both_sides)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct text *base = random_text(&state, 20), *mine = random_edit(base, &state, 2);
        struct text *theirs = random_edit(base, &state, 2);
        size_t conflicts, again;
        struct text *merged = edit_merge(base, mine, theirs, &conflicts);
        struct text *other = edit_merge(base, theirs, mine, &again);

        cr_assert_eq(conflicts, again, "conflicts depend on whose they are");
        if (conflicts == 0)
            cr_assert(text_eq(merged, other), "seed %d", (int)seed);
        text_unref(base);
        text_unref(mine);
        text_unref(theirs);
        text_unref(merged);
        text_unref(other);
    }
}

/* -- Where neither side may lose anything --------------------------------------------------------
 */

static const struct {
    const char *base, *mine, *theirs, *merged;
    size_t conflicts;
} both_rows[] = {
    {"a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n", 0},
    /* touching lines are apart */
    {"a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n", "A\nB\nc\n", 0},
    {"a\nb\nc\n", "a\nB\nc\n", "A\nb\nc\n", "A\nB\nc\n", 0},
    {"a\nb\n", "a\nx\nb\n", "a\nB\n", "a\nx\nB\n", 0},
    {"a\nb\n", "a\nB\n", "a\nx\nb\n", "a\nx\nB\n", 0},
    {"a\nb\n", "a\nb\nx\n", "a\nB\n", "a\nB\nx\n", 0},
    /* the same lines: both stand, what is the same once */
    {"a\nb\nc\n", "A\nb\nc\n", "X\nb\nc\n", "A\nX\nb\nc\n", 1},
    {"a\nb\n", "a\nx\nb\n", "a\ny\nb\n", "a\nx\ny\nb\n", 1},
    {"a\nb\n", "a\nx\ny\nb\n", "a\ny\nz\nb\n", "a\nx\ny\nz\nb\n", 1},
    {"a\nb\nc\n", "a\nc\n", "a\nB\nc\n", "a\nB\nc\n", 1},
    {"a\rb\r", "a1\rb\r", "a2\rb\r", "a1\ra2\rb\r", 1},
    {"a", "b", "c", "b\nc", 1},
};

Test(merge, both_are_kept)
{
    for (size_t i = 0; i < array_count(both_rows); i++) {
        struct text *base = text_new(str_from(both_rows[i].base));
        struct text *mine = text_new(str_from(both_rows[i].mine));
        struct text *theirs = text_new(str_from(both_rows[i].theirs));
        size_t conflicts = 99;
        struct text *merged = edit_merge_both(base, mine, theirs, &conflicts);

        cr_assert(str_eq_c(text_bytes(merged), both_rows[i].merged), "row %zu: " STR_FMT, i,
                  STR_ARG(text_bytes(merged)));
        cr_assert_eq(conflicts, both_rows[i].conflicts, "row %zu: %zu conflicts", i, conflicts);
        text_unref(base);
        text_unref(mine);
        text_unref(theirs);
        text_unref(merged);
    }
}

/* -- What landed of an edit ----------------------------------------------------------------------
 */

static const struct {
    const char *before, *now, *planned, *part;
    bool is_whole;
} part_rows[] = {
    {"a\nb\nc\n", "A\nb\nC\n", "A\nb\nC\n", "A\nb\nC\n", true},
    {"a\nb\nc\n", "A\nb\nc\n", "A\nb\nC\n", "A\nb\nc\n", false},
    {"a\nb\nc\n", "a\nb\nc\n", "A\nb\nC\n", "a\nb\nc\n", false},
    /* what the person typed meanwhile is no part of it */
    {"a\nb\nc\nd\ne\n", "A\nb\nmine\nc\nd\ne\n", "A\nb\nc\nd\nE\n", "A\nb\nc\nd\ne\n", false},
    {"a\nb\nc\nd\n", "A\nb\nmine\nc\nd\n", "A\nb\nc\nd\n", "A\nb\nc\nd\n", true},
    /* half a hunk counts as all of it */
    {"", "one\n", "one\ntwo\n", "one\ntwo\n", false},
};

Test(merge, the_part_that_landed)
{
    for (size_t i = 0; i < array_count(part_rows); i++) {
        struct text *before = text_new(str_from(part_rows[i].before));
        struct text *now = text_new(str_from(part_rows[i].now));
        struct text *planned = text_new(str_from(part_rows[i].planned));
        bool is_whole;
        struct text *part = edit_landed_part(before, now, planned, &is_whole);

        cr_assert_eq(is_whole, part_rows[i].is_whole, "row %zu", i);
        cr_assert(str_eq_c(text_bytes(part), part_rows[i].part), "row %zu: " STR_FMT, i,
                  STR_ARG(text_bytes(part)));
        text_unref(before);
        text_unref(now);
        text_unref(planned);
        text_unref(part);
    }
}
