#include <criterion/criterion.h>

#include "../text/random.h"
#include <lanebridge/edit.h>

TestSuite(patch, .timeout = 30);

static struct edit_patch *parsed(struct str text)
{
    struct edit_patch *patch = NULL;
    struct err err;

    cr_assert_eq(edit_patch_parse(text, &patch, &err), 0, "%s", err.text);
    return patch;
}

Test(patch, names_each_path_once_cleaned_and_in_order)
{
    static const char *const want[] = {"b.c", "sub/c.c", "a.c", "d.c"};
    struct edit_patch *patch = parsed(STR("*** Begin Patch\n"
                                          "*** Update File: ./b.c\n"
                                          "*** Move to: sub//c.c\n"
                                          "*** Delete File: a.c\n"
                                          "*** Update File: b.c\n"
                                          "+x\n"
                                          "*** Add File: d.c\n"
                                          "*** End Patch\n"));

    cr_assert_eq(edit_patch_path_count(patch), array_count(want));
    for (size_t i = 0; i < array_count(want); i++)
        cr_assert(str_eq_c(edit_patch_path(patch, i), want[i]));
    edit_patch_free(patch);
    edit_patch_free(NULL);
}

Test(patch, limits)
{
    struct edit_patch *patch = NULL;
    struct buf text = {0};
    struct err err;

    buf_append_c(&text, "*** Begin Patch\n");
    for (int i = 0; i < LIMIT_PATCH_OPS_COUNT; i++)
        buf_append_fmt(&text, "*** Delete File: %d\n", i);
    buf_append_c(&text, "*** End Patch");
    edit_patch_free(parsed(buf_str(&text)));
    buf_truncate(&text, text.len - strlen("*** End Patch"));
    buf_append_c(&text, "*** Delete File: x\n*** End Patch");
    cr_assert_eq(edit_patch_parse(buf_str(&text), &patch, &err), STATUS_LIMIT);
    cr_assert(strstr(err.text, "more than 100 operations"));
    buf_append_repeat(&text, '\n', LIMIT_PATCH_BYTES);
    cr_assert_eq(edit_patch_parse(buf_str(&text), &patch, &err), STATUS_LIMIT);
    cr_assert(strstr(err.text, "send it in parts"));
    cr_assert_null(patch);
    buf_finish(&text);
}

Test(patch, hunks_are_counted)
{
    struct edit_patch *patch = NULL;
    struct buf text = {0};
    struct err err;

    buf_append_c(&text, "*** Begin Patch\n*** Update File: f\n");
    for (int i = 0; i <= LIMIT_PATCH_HUNKS_COUNT; i++)
        buf_append_c(&text, "@@\n-a\n");
    buf_append_c(&text, "*** End Patch\n");
    cr_assert_eq(edit_patch_parse(buf_str(&text), &patch, &err), STATUS_LIMIT);
    cr_assert(strstr(err.text, "more than 1000 hunks; send it in parts"));
    cr_assert_null(patch);
    buf_finish(&text);
}

static size_t count_of(struct str s, struct str what)
{
    size_t count = 0;

    for (size_t at = 0; (at = str_find(s, what, at)) != STR_NONE; at++)
        count++;
    return count;
}

/* Every hunk is named, but only the first ones are explained. */
Test(patch, explanations_are_bounded)
{
    struct buf bytes = {0}, errors = {0};
    struct text *text = text_new(STR("line\n"));
    struct edit_source source = {STR("f"), text, STR("")};
    struct edit_plan plan;
    struct edit_patch *patch;

    buf_append_c(&bytes, "*** Begin Patch\n*** Update File: f\n");
    for (int i = 0; i < 30; i++)
        buf_append_fmt(&bytes, "@@\n-line %d\n", i);
    buf_append_c(&bytes, "*** End Patch\n");
    patch = parsed(buf_str(&bytes));
    cr_assert_eq(edit_patch_plan(patch, &source, 1, &plan, &errors), STATUS_INVALID);
    cr_assert_eq(count_of(buf_str(&errors), STR("f: hunk ")), 30);
    cr_assert_eq(count_of(buf_str(&errors), STR("nearest is this")), 10);
    cr_assert_eq(count_of(buf_str(&errors), STR("does not match the file either\n")), 20);
    edit_patch_free(patch);
    text_unref(text);
    buf_finish(&bytes);
    buf_finish(&errors);
}

Test(patch, grammar_is_there)
{
    cr_assert_eq(strncmp(edit_patch_grammar(), "start: begin_patch hunk+ end_patch\n", 35), 0);
}

Test(patch, what_cannot_be_read_cannot_be_edited)
{
    struct edit_patch *patch = parsed(STR("*** Begin Patch\n*** Update File: a\n-x\n+y\n"
                                          "*** Delete File: b\n*** End Patch"));
    struct text *text = text_new(STR("x\n\xff\n"));
    struct edit_source sources[] = {{STR("a"), text, STR("")},
                                    {STR("b"), NULL, STR("is outside the workspace")}};
    struct edit_plan plan = {0};
    struct buf errors = {0};

    cr_assert_eq(edit_patch_plan(patch, sources, 2, &plan, &errors), STATUS_INVALID);
    cr_assert(str_eq_c(buf_str(&errors),
                       "a: is not UTF-8 (byte 2), so it cannot be edited as text\n"
                       "b: is outside the workspace\n"));
    cr_assert_eq(plan.files.len, 0);
    buf_finish(&errors);
    text_unref(text);
    edit_patch_free(patch);
}

/* -- A patch made from two texts gives the second from the first ------------------------------- */

static void append_marked(struct buf *patch, char mark, const struct text *text, size_t from,
                          size_t to)
{
    for (size_t line = from; line < to; line++) {
        buf_append_byte(patch, mark);
        buf_append(patch, text_line_content(text, line));
        buf_append_byte(patch, '\n');
    }
}

/* One chunk with all of the file as context, so that its place is never in doubt. */
static void append_patch(struct buf *patch, const struct text *before, const struct text *after)
{
    struct diff diff;
    size_t at = 0;

    text_diff(before, after, &diff);
    buf_append_c(patch, "*** Begin Patch\n*** Update File: f\n@@\n");
    for (size_t i = 0; i < diff.count; i++) {
        const struct diff_hunk *hunk = &diff.hunks[i];

        append_marked(patch, ' ', before, at, hunk->old_start);
        at = hunk->old_start + hunk->old_count;
        append_marked(patch, '-', before, hunk->old_start, at);
        append_marked(patch, '+', after, hunk->new_start, hunk->new_start + hunk->new_count);
    }
    append_marked(patch, ' ', before, at, text_line_count(before) - 1);
    buf_append_c(patch, "*** End Patch\n");
    diff_finish(&diff);
}

/* Lines of one kind of ending, for a patch cannot say endings. */
static struct text *random_lines(uint64_t *seed, const char *ending)
{
    static const char *const lines[] = {"a", "b", "  a", "{", "}", "", "*** End Patch", "é"};
    struct buf buf = {0};

    for (size_t n = 1 + random_below(seed, 12); n > 0; n--) {
        buf_append_c(&buf, lines[random_below(seed, array_count(lines))]);
        buf_append_c(&buf, ending);
    }
    return text_take(&buf);
}

Test(patch, made_from_two_texts_gives_the_second)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        const char *ending = seed % 2 ? "\n" : "\r\n";
        struct text *before = random_lines(&state, ending), *after = random_lines(&state, ending);
        struct buf bytes = {0}, errors = {0};
        struct edit_plan plan = {0};
        struct edit_patch *patch;
        struct edit_source source = {STR("f"), before, STR("")};

        append_patch(&bytes, before, after);
        patch = parsed(buf_str(&bytes));
        cr_assert_eq(edit_patch_plan(patch, &source, 1, &plan, &errors), 0, STR_FMT "\n" STR_FMT,
                     STR_ARG(buf_str(&bytes)), STR_ARG(buf_str(&errors)));
        if (text_eq(before, after))
            cr_assert_eq(plan.files.len, 0);
        else
            cr_assert(text_eq(plan.files.ptr[0].after, after), STR_FMT "\n-- gives --\n" STR_FMT,
                      STR_ARG(buf_str(&bytes)), STR_ARG(text_bytes(plan.files.ptr[0].after)));
        edit_plan_finish(&plan);
        edit_patch_free(patch);
        buf_finish(&bytes);
        buf_finish(&errors);
        text_unref(before);
        text_unref(after);
    }
}

/* Blank lines upon blank lines, matched in linear time; the suite's timeout is the test. */
Test(patch, blank_lines_do_not_take_for_ever)
{
    struct buf file = {0}, bytes = {0}, errors = {0};
    struct edit_plan plan = {0};
    struct edit_patch *patch;
    struct edit_source source = {STR("f"), NULL, STR("")};

    buf_append_repeat(&file, '\n', 1000000);
    buf_append_c(&bytes, "*** Begin Patch\n*** Update File: f\n@@\n");
    for (int i = 0; i < 200000; i++)
        buf_append_c(&bytes, " \n");
    buf_append_c(&bytes, "-x\n*** End Patch\n");
    source.text = text_take(&file);
    patch = parsed(buf_str(&bytes));
    cr_assert_eq(edit_patch_plan(patch, &source, 1, &plan, &errors), STATUS_INVALID);
    text_unref(source.text);
    edit_patch_free(patch);
    buf_finish(&bytes);
    buf_finish(&errors);
}
