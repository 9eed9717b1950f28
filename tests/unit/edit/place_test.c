/* Where hunks go, against the plainest search there is. */
#include <criterion/criterion.h>

#include "../text/random.h"
#include <lanebridge/edit.h>

TestSuite(place, .timeout = 30);

static enum status plan_hunks(const struct text *text, struct str hunks, struct edit_plan *plan,
                              struct buf *errors)
{
    struct edit_source source = {STR("f"), (struct text *)text, STR("")};
    struct edit_patch *patch;
    struct buf bytes = {0};
    enum status status;

    buf_append_c(&bytes, "*** Begin Patch\n*** Update File: f\n");
    buf_append(&bytes, hunks);
    buf_append_c(&bytes, "*** End Patch\n");
    cr_assert_eq(edit_patch_parse(buf_str(&bytes), &patch, NULL), 0);
    status = edit_patch_plan(patch, &source, 1, plan, errors);
    edit_patch_free(patch);
    buf_finish(&bytes);
    return status;
}

/* Lines of random endings from few contents, none of them blank. */
static struct text *random_file(uint64_t *seed, size_t max_lines)
{
    static const char *const endings[] = {"\n", "\r\n", "\r"};
    struct buf buf = {0};

    if (random_below(seed, 4) == 0)
        buf_append_c(&buf, "\xEF\xBB\xBF");
    for (size_t n = 1 + random_below(seed, max_lines); n > 0; n--) {
        buf_append_byte(&buf, "abc"[random_below(seed, 3)]);
        if (n > 1 || random_below(seed, 2))
            buf_append_c(&buf, endings[random_below(seed, 3)]);
    }
    return text_take(&buf);
}

static size_t line_count(const struct text *text)
{
    size_t count = text_line_count(text);

    return text_line(text, count - 1).len == 0 ? count - 1 : count;
}

static struct str content(const struct text *text, size_t line)
{
    struct str s = text_line_content(text, line);

    return line == 0 && str_starts_with(s, STR("\xEF\xBB\xBF")) ? str_skip(s, 3) : s;
}

static size_t count_places(const struct text *text, size_t first, size_t count)
{
    size_t places = 0;

    for (size_t at = 0; at + count <= line_count(text); at++) {
        size_t same = 0;

        while (same < count && str_eq(content(text, at + same), content(text, first + same)))
            same++;
        places += same == count;
    }
    return places;
}

/* The text with one line's content replaced and every other byte as it was. */
static void check_only_change(const struct text *before, const struct text *after, size_t line)
{
    struct str old = content(before, line);
    size_t at = (size_t)(old.ptr - text_bytes(before).ptr);
    struct text *want = text_replace(before, at, at + old.len, STR("new"));

    cr_assert(text_eq(after, want));
    text_unref(want);
}

Test(place, one_place_or_an_error_and_all_other_bytes_stay)
{
    size_t fitted = 0, refused = 0;

    for (uint64_t seed = 1; seed <= 5000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct text *text = random_file(&state, 12);
        size_t first = random_below(&state, line_count(text));
        size_t count = 1 + random_below(&state, line_count(text) - first);
        size_t changed = random_below(&state, count);
        struct buf hunks = {0}, errors = {0};
        struct edit_plan plan = {0};

        for (size_t i = 0; i < count; i++) {
            struct str line = content(text, first + i);

            buf_append_fmt(&hunks, "%c" STR_FMT "\n", i == changed ? '-' : ' ', STR_ARG(line));
            if (i == changed)
                buf_append_c(&hunks, "+new\n");
        }
        if (plan_hunks(text, buf_str(&hunks), &plan, &errors) == STATUS_OK) {
            cr_assert_eq(count_places(text, first, count), 1);
            cr_assert_eq(plan.notes.len, 0);
            check_only_change(text, plan.files.ptr[0].after, first + changed);
            fitted++;
        } else {
            cr_assert(count_places(text, first, count) > 1);
            cr_assert(str_find(buf_str(&errors), STR("it matches at lines "), 0) != STR_NONE);
            refused++;
        }
        edit_plan_finish(&plan);
        buf_finish(&hunks);
        buf_finish(&errors);
        text_unref(text);
    }
    cr_assert(fitted > 500 && refused > 500);
}

/* Hunks of a diff with three lines of context, as models write them: they all fit, or what is said
 * is that some fit in several places. */
static void append_hunks(struct buf *hunks, const struct text *before, const struct text *after)
{
    struct diff diff;
    size_t done = 0;

    text_diff(before, after, &diff);
    for (size_t i = 0; i < diff.count; i++) {
        const struct diff_hunk *hunk = &diff.hunks[i];
        size_t end = hunk->old_start + hunk->old_count;
        size_t limit = i + 1 < diff.count ? diff.hunks[i + 1].old_start : line_count(before);
        size_t from = hunk->old_start < done + 3 ? done : hunk->old_start - 3;
        size_t to = end + 3 < limit ? end + 3 : limit;

        buf_append_c(hunks, "@@\n");
        for (size_t line = from; line < to; line++) {
            bool removed = line >= hunk->old_start && line < end;

            if (line == hunk->old_start)
                for (size_t k = 0; k < hunk->new_count; k++)
                    buf_append_fmt(hunks, "+" STR_FMT "\n",
                                   STR_ARG(content(after, hunk->new_start + k)));
            buf_append_fmt(hunks, "%c" STR_FMT "\n", removed ? '-' : ' ',
                           STR_ARG(content(before, line)));
        }
        /* At the end of the file the new lines come last. */
        if (hunk->old_start == to)
            for (size_t k = 0; k < hunk->new_count; k++)
                buf_append_fmt(hunks, "+" STR_FMT "\n",
                               STR_ARG(content(after, hunk->new_start + k)));
        if (to == line_count(before))
            buf_append_c(hunks, "*** End of File\n");
        done = end;
    }
    diff_finish(&diff);
}

static struct text *random_program(uint64_t *seed)
{
    struct buf buf = {0};

    for (size_t n = 3 + random_below(seed, 40); n > 0; n--)
        buf_append_fmt(&buf, "line %d\n", (int)random_below(seed, 60));
    return text_take(&buf);
}

static struct text *change_lines(const struct text *text, uint64_t *seed)
{
    struct buf buf = {0};

    for (size_t line = 0; line < line_count(text); line++) {
        size_t dice = random_below(seed, 10);

        if (dice > 1)
            buf_append(&buf, text_line(text, line));
        if (dice == 1 || dice == 2)
            buf_append_fmt(&buf, "new %d\n", (int)random_below(seed, 1000));
    }
    return text_take(&buf);
}

Test(place, diffs_with_context_fit_or_are_refused_never_misplaced)
{
    size_t fitted = 0;

    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct text *before = random_program(&state), *after = change_lines(before, &state);
        struct buf hunks = {0}, errors = {0};
        struct edit_plan plan = {0};

        append_hunks(&hunks, before, after);
        if (hunks.len > 0 && plan_hunks(before, buf_str(&hunks), &plan, &errors) == STATUS_OK) {
            cr_assert(text_eq(plan.files.ptr[0].after, after), STR_FMT "\n--\n" STR_FMT,
                      STR_ARG(text_bytes(before)), STR_ARG(buf_str(&hunks)));
            fitted++;
        } else if (hunks.len > 0) {
            cr_assert(str_find(buf_str(&errors), STR("it matches at lines "), 0) != STR_NONE,
                      STR_FMT, STR_ARG(buf_str(&errors)));
        }
        edit_plan_finish(&plan);
        buf_finish(&hunks);
        buf_finish(&errors);
        text_unref(before);
        text_unref(after);
    }
    cr_assert(fitted > 2000, "only %zu fitted", fitted);
}
