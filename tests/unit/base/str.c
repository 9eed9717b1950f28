#include <criterion/criterion.h>

#include <lanebridge/base.h>

TestSuite(str, .timeout = 10);

static const struct str nothing = {NULL, 0};

Test(str, compares)
{
    cr_assert(str_eq(nothing, STR("")));
    cr_assert(str_eq(STR("a\0b"), STR("a\0b")));
    cr_assert_not(str_eq(STR("a\0b"), STR("a\0c")));
    cr_assert(str_eq_c(STR("abc"), "abc"));
    cr_assert_not(str_eq_c(STR("abc"), "abcd"));
    cr_assert(str_eq_nocase(STR("Content-LENGTH"), STR("content-Length")));
    cr_assert_not(str_eq_nocase(STR("@"), STR("`")));
    cr_assert_not(str_eq_nocase(STR("\xC3\x84"), STR("\xC3\xA4")), "only ASCII letters");
    cr_assert_eq(str_compare(STR("a"), STR("b")), -1);
    cr_assert_eq(str_compare(STR("b"), STR("a")), 1);
    cr_assert_eq(str_compare(STR("a"), STR("ab")), -1);
    cr_assert_eq(str_compare(STR("\xFF"), STR("a")), 1);
    cr_assert_eq(str_compare(nothing, STR("")), 0);
}

Test(str, knows_its_ends)
{
    cr_assert(str_starts_with(STR("abc"), STR("ab")));
    cr_assert(str_starts_with(STR("abc"), nothing));
    cr_assert_not(str_starts_with(STR("a"), STR("ab")));
    cr_assert(str_ends_with(STR("abc"), STR("bc")));
    cr_assert(str_ends_with(nothing, STR("")));
    cr_assert_not(str_ends_with(STR("c"), STR("bc")));
}

Test(str, slices_are_clamped)
{
    struct str s = STR("abcdef");
    cr_assert(str_eq_c(str_slice(s, 1, 3), "bc"));
    cr_assert(str_eq_c(str_slice(s, 4, 99), "ef"));
    cr_assert(str_eq_c(str_slice(s, 5, 2), ""));
    cr_assert(str_eq_c(str_slice(s, 99, 99), ""));
    cr_assert(str_eq_c(str_skip(s, 99), ""));
    cr_assert(str_eq_c(str_skip(s, 4), "ef"));
    cr_assert_eq(str_slice(nothing, 0, 5).len, 0);
    cr_assert_eq(str_skip(nothing, 5).len, 0);
}

Test(str, finds)
{
    struct str s = STR("abcabc");
    cr_assert_eq(str_find(s, STR("bc"), 0), 1);
    cr_assert_eq(str_find(s, STR("bc"), 2), 4);
    cr_assert_eq(str_find(s, STR("bc"), 5), STR_NONE);
    cr_assert_eq(str_find(s, STR("abcabcd"), 0), STR_NONE);
    cr_assert_eq(str_find(s, STR(""), 6), 6);
    cr_assert_eq(str_find(s, STR(""), 7), STR_NONE);
    cr_assert_eq(str_find(nothing, STR("x"), 0), STR_NONE);
    cr_assert_eq(str_find_byte(s, 'c', 0), 2);
    cr_assert_eq(str_find_byte(s, 'c', 3), 5);
    cr_assert_eq(str_find_byte(s, 'c', 6), STR_NONE);
    cr_assert_eq(str_find_byte(nothing, 'c', 0), STR_NONE);
    cr_assert_eq(str_rfind_byte(s, 'a'), 3);
    cr_assert_eq(str_rfind_byte(nothing, 'a'), STR_NONE);
}

Test(str, trims)
{
    cr_assert(str_eq_c(str_trim(STR(" \t\r\n\v\fx y \n")), "x y"));
    cr_assert(str_eq_c(str_trim(STR("  ")), ""));
    cr_assert(str_eq_c(str_trim(nothing), ""));
    cr_assert(str_eq_c(str_trim_end(STR(" x ")), " x"));
}

/* Renders the pieces as "[a][b]". */
static void check_pieces(struct str rest, const char *expected)
{
    struct buf out = {0};
    for (struct str piece; str_next(&rest, ',', &piece);)
        buf_append_fmt(&out, "[" STR_FMT "]", STR_ARG(piece));
    cr_assert(str_eq_c(buf_str(&out), expected), STR_FMT, STR_ARG(buf_str(&out)));
    buf_finish(&out);
}

Test(str, next_takes_pieces)
{
    check_pieces(STR("a,b"), "[a][b]");
    check_pieces(STR("a,"), "[a][]");
    check_pieces(STR(",a"), "[][a]");
    check_pieces(STR(",,"), "[][][]");
    check_pieces(STR("abc"), "[abc]");
    check_pieces(STR(""), "[]");
    check_pieces(nothing, "");
}

Test(str, reads_whole_integers_only)
{
    static const struct {
        const char *text;
        bool signed_ok;
        int64_t signed_value;
        bool unsigned_ok;
        uint64_t unsigned_value;
    } cases[] = {
        {"0", true, 0, true, 0},
        {"007", true, 7, true, 7},
        {"-7", true, -7, false, 0},
        {"9223372036854775807", true, INT64_MAX, true, INT64_MAX},
        {"9223372036854775808", false, 0, true, 9223372036854775808u},
        {"-9223372036854775808", true, INT64_MIN, false, 0},
        {"-9223372036854775809", false, 0, false, 0},
        {"18446744073709551615", false, 0, true, UINT64_MAX},
        {"18446744073709551616", false, 0, false, 0},
        {"184467440737095516150", false, 0, false, 0},
        {"", false, 0, false, 0},
        {"-", false, 0, false, 0},
        {"--1", false, 0, false, 0},
        {"+1", false, 0, false, 0},
        {" 1", false, 0, false, 0},
        {"1 ", false, 0, false, 0},
        {"0x1", false, 0, false, 0},
        {"1e3", false, 0, false, 0},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        int64_t s = 0;
        uint64_t u = 0;
        cr_assert_eq(str_to_int64(str_from(cases[i].text), &s), cases[i].signed_ok, "%s",
                     cases[i].text);
        cr_assert_eq(s, cases[i].signed_value);
        cr_assert_eq(str_to_uint64(str_from(cases[i].text), &u), cases[i].unsigned_ok, "%s",
                     cases[i].text);
        cr_assert_eq(u, cases[i].unsigned_value);
    }
}

Test(str, copies_to_c)
{
    char *copy = str_dup_c(str_slice(STR("abcdef"), 2, 4));
    cr_assert_str_eq(copy, "cd");
    mem_free(copy);
    copy = str_dup_c(nothing);
    cr_assert_str_eq(copy, "");
    mem_free(copy);
    cr_assert(str_eq(str_from(NULL), nothing));
}
