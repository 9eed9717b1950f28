#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <lanebridge/base.h>

TestSuite(err, .timeout = 10);

Test(err, every_status_has_its_own_name)
{
    for (int a = STATUS_OK; a >= STATUS_LEASED; a--) {
        cr_assert_not_null(status_name((enum status)a));
        for (int b = STATUS_OK; b > a; b--)
            cr_assert_str_neq(status_name((enum status)a), status_name((enum status)b));
    }
    cr_assert_str_eq(status_name((enum status)(STATUS_LEASED - 1)), "unknown status");
    cr_assert_str_eq(status_name((enum status)1), "unknown status");
}

Test(err, set_returns_the_status)
{
    struct err err = {0};
    cr_assert_eq(err_set(&err, STATUS_DENIED, "no %s; ask %d", "way", 7), STATUS_DENIED);
    cr_assert_eq(err.status, STATUS_DENIED);
    cr_assert_str_eq(err.text, "no way; ask 7");
    cr_assert_eq(err_set(NULL, STATUS_IO, "x"), STATUS_IO);
    err_prefix(NULL, "x");
}

Test(err, may_quote_itself)
{
    struct err err = {0};
    err_set(&err, STATUS_IO, "inner");
    err_set(&err, STATUS_INVALID, "outer: %s", err.text);
    cr_assert_str_eq(err.text, "outer: inner");
    err_prefix(&err, "%s(%d)", "line", 3);
    cr_assert_str_eq(err.text, "line(3): outer: inner");
    cr_assert_eq(err.status, STATUS_INVALID);
}

Test(err, errno_gives_text_and_kind)
{
    static const struct {
        int errno_value;
        enum status status;
    } cases[] = {
        {ENOENT, STATUS_NOT_FOUND}, {EACCES, STATUS_DENIED},     {EEXIST, STATUS_EXISTS},
        {ENOSPC, STATUS_IO},        {ETIMEDOUT, STATUS_TIMEOUT}, {EPIPE, STATUS_CLOSED},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct err err = {0};
        cr_assert_eq(err_set_errno(&err, cases[i].errno_value, "open %s", "f"), cases[i].status);
        cr_assert_eq(err.status, cases[i].status);
        cr_assert(str_starts_with(str_from(err.text), STR("open f: ")));
        cr_assert(strstr(err.text, strerror(cases[i].errno_value)), "%s", err.text);
        cr_assert_eq(err_set_errno(NULL, cases[i].errno_value, "x"), cases[i].status);
    }
    struct err err = {0};
    cr_assert_eq(err_set_errno(&err, 99999, "x"), STATUS_IO);
    cr_assert_str_eq(err.text, "x: unknown error");
}

Test(err, overlong_text_is_cut_at_a_character)
{
    static const char *const characters[] = {"x", "é", "€", "😀"};
    for (size_t c = 0; c < array_count(characters); c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            struct buf text = {0};
            buf_append_repeat(&text, '-', shift);
            while (text.len < 2000)
                buf_append_c(&text, characters[c]);
            struct err err = {0};
            err_set(&err, STATUS_INVALID, "%s", text.ptr);
            size_t len = strlen(err.text);
            cr_assert_lt(len, ERR_TEXT_BYTES);
            cr_assert_geq(len, ERR_TEXT_BYTES - 4);
            cr_assert(utf8_is_valid(str_from(err.text), NULL));
            err_prefix(&err, "%s", "p");
            cr_assert(str_starts_with(str_from(err.text), STR("p: ")));
            cr_assert(utf8_is_valid(str_from(err.text), NULL));
            buf_finish(&text);
        }
    }
}
