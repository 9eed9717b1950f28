#include <criterion/criterion.h>

#include <lanebridge/edit.h>

TestSuite(replace, .timeout = 10);
TestSuite(write, .timeout = 10);

static const struct {
    const char *text, *old, *new;
    bool all;
    const char *after; /* NULL: an error that has `says` */
    const char *says;
} rows[] = {
    {"a b c\n", "b", "x", false, "a x c\n", NULL},
    {"a b c\n", " b", "", false, "a c\n", NULL},
    {"x x x", "x", "yy", true, "yy yy yy", NULL},
    {"aaa", "aa", "b", true, "ba", NULL},
    {"aaa", "aa", "b", false, NULL, "f: old_string stands at lines 1 and 1; add more"},
    {"x\nb\nx\n", "x", "y", false, NULL, "f: old_string stands at lines 1 and 3; add more"},
    {"a", "a", "a", false, NULL, "f: old_string and new_string are the same"},
    {"a", "", "b", false, NULL, "f: old_string is empty"},
    {NULL, "a", "b", false, NULL, "f: does not exist; use write_file"},
    {"int f(void)\n{\n", "int f(int)\n{\n", "", false, NULL,
     "f: old_string is not in the file; nearest is this (> marks lines that differ):\n"
     "  >     1|int f(void)\n"
     "        2|{\n"},
    {"abc\n", "zzzz", "", false, NULL, "nothing in the file, which has 1 lines, is like it\n"},
    /* endings are the file's, whatever the model wrote */
    {"a\r\nb\r\nc\r\n", "a\nb\n", "x\ny\n", false, "x\r\ny\r\nc\r\n", NULL},
    {"a\r\nb\r\nc\r\n", "a\r\nb", "x\ny", false, "x\r\ny\r\nc\r\n", NULL},
    {"a\nb\n", "a\r\nb", "x\r\ny", false, "x\ny\n", NULL},
    {"a\r\nb\nc\r\n", "a\nb\nc", "1\n2\n3\n4", false, "1\r\n2\n3\r\n4\r\n", NULL},
    {"a\r\nb", "b", "b\nc", false, "a\r\nb\r\nc", NULL},
    {"a", "a", "b\nc", false, "b\nc", NULL},
    {"a\r\nx\r\nx", "x", "y\nz", true, "a\r\ny\r\nz\r\ny\r\nz", NULL},
    {"\xEF\xBB\xBF"
     "a\n",
     "a", "b", false,
     "\xEF\xBB\xBF"
     "b\n",
     NULL},
    {"a\xff", "a", "b", false, NULL, "f: is not UTF-8 (byte 1)"},
    {"a", "a", "b\xff", false, NULL, "f: new_string is not UTF-8"},
};

Test(replace, table)
{
    for (size_t i = 0; i < array_count(rows); i++) {
        struct text *text = rows[i].text ? text_new(str_from(rows[i].text)) : NULL;
        struct edit_source source = {STR("f"), text, STR("")};
        struct edit_plan plan = {0};
        struct buf errors = {0};
        enum status status = edit_replace_plan(&source, str_from(rows[i].old),
                                               str_from(rows[i].new), rows[i].all, &plan, &errors);

        cr_assert_eq(status == STATUS_OK, rows[i].after != NULL, "row %zu: " STR_FMT, i,
                     STR_ARG(buf_str(&errors)));
        if (rows[i].after) {
            cr_assert_eq(plan.files.len, 1);
            cr_assert_eq(plan.files.ptr[0].kind, EDIT_UPDATE);
            cr_assert(str_eq_c(text_bytes(plan.files.ptr[0].after), rows[i].after), "row %zu", i);
        } else {
            cr_assert(str_find(buf_str(&errors), str_from(rows[i].says), 0) != STR_NONE,
                      "row %zu: " STR_FMT, i, STR_ARG(buf_str(&errors)));
        }
        edit_plan_finish(&plan);
        buf_finish(&errors);
        text_unref(text);
    }
}

Test(replace, a_result_that_is_too_large_is_refused)
{
    struct buf bytes = {0}, new = {0}, errors = {0};
    struct edit_source source = {STR("f"), NULL, STR("")};
    struct edit_plan plan = {0};

    buf_append_repeat(&bytes, 'x', 16 * KIB);
    buf_append_repeat(&new, 'y', 2 * KIB);
    source.text = text_take(&bytes);
    cr_assert_eq(edit_replace_plan(&source, STR("x"), buf_str(&new), true, &plan, &errors),
                 STATUS_INVALID);
    cr_assert(str_find(buf_str(&errors), STR("f: would have 33554432 bytes"), 0) != STR_NONE);
    text_unref(source.text);
    buf_finish(&errors);
    buf_finish(&new);
}

static const struct {
    const char *before, *content, *after;
} write_rows[] = {
    {NULL, "a\n", "a\n"},
    {NULL, "", ""},
    {"a\n", "b", "b"},
    {"a\r\nb\r\n", "x\ny\nz\n", "x\r\ny\r\nz\r\n"},
    {"a\r\nb\n", "x\ny\n", "x\ny\n"},
    {"a\r\nb\r\n", "x\r\ny\n", "x\r\ny\n"},
    {"\xEF\xBB\xBF"
     "a\n",
     "b\n",
     "\xEF\xBB\xBF"
     "b\n"},
};

Test(write, table)
{
    for (size_t i = 0; i < array_count(write_rows); i++) {
        const char *before = write_rows[i].before;
        struct edit_source source = {STR("f"), before ? text_new(str_from(before)) : NULL, STR("")};
        struct edit_plan plan;
        struct buf errors = {0};

        cr_assert_eq(edit_write_plan(&source, str_from(write_rows[i].content), &plan, &errors), 0);
        cr_assert_eq(plan.files.len, 1);
        cr_assert_eq(plan.files.ptr[0].kind, before ? EDIT_UPDATE : EDIT_CREATE);
        cr_assert(str_eq_c(text_bytes(plan.files.ptr[0].after), write_rows[i].after), "row %zu", i);
        edit_plan_finish(&plan);
        text_unref(source.text);
    }
}

Test(write, refusals_and_what_changes_nothing)
{
    struct text *text = text_new(STR("a\n"));
    struct edit_source binary = {STR("f"), NULL, STR("is binary (12 bytes)")};
    struct edit_source plain = {STR("f"), text, STR("")};
    struct edit_plan plan = {0};
    struct buf errors = {0};

    cr_assert_eq(edit_write_plan(&binary, STR("a"), &plan, &errors), STATUS_INVALID);
    cr_assert_eq(edit_write_plan(&plain, STR("\xff"), &plan, &errors), STATUS_INVALID);
    cr_assert(str_eq_c(buf_str(&errors), "f: is binary (12 bytes)\nf: the content is not UTF-8\n"));
    cr_assert_eq(edit_write_plan(&plain, STR("a\n"), &plan, &errors), STATUS_OK);
    cr_assert_eq(plan.files.len, 0);
    cr_assert(str_eq_c(buf_str(&plan.notes), "f: nothing changes\n"));
    edit_plan_finish(&plan);
    buf_finish(&errors);
    text_unref(text);
}
