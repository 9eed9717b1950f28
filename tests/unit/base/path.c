#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lanebridge/base.h>

TestSuite(path, .timeout = 10);
TestSuite(uri, .timeout = 10);

Test(path, cleans)
{
    static const char *const cases[][2] = {
        {"", "."},
        {".", "."},
        {"./", "."},
        {"/", "/"},
        {"//", "/"},
        {"/.", "/"},
        {"/..", "/"},
        {"/../../a", "/a"},
        {"a", "a"},
        {"a/", "a"},
        {"a//b/./c", "a/b/c"},
        {"a/..", "."},
        {"a/../..", ".."},
        {"a/b/../../../c", "../c"},
        {"..", ".."},
        {"../..", "../.."},
        {"../a/../b", "../b"},
        {"/a/b/../c/", "/a/c"},
        {"/a/..", "/"},
        {"/a/../..", "/"},
        {"/...", "/..."},
        {"..a/..b", "..a/..b"},
        {"/a/../b", "/b"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf out = {0};
        buf_append_c(&out, "kept/");
        path_append_clean(&out, str_from(cases[i][0]));
        cr_assert_str_eq(out.ptr + 5, cases[i][1], "%s gave %s", cases[i][0], out.ptr + 5);
        cr_assert_eq(strncmp(out.ptr, "kept/", 5), 0);
        /* Clean text stays as it is. */
        struct buf again = {0};
        path_append_clean(&again, str_skip(buf_str(&out), 5));
        cr_assert_str_eq(again.ptr, cases[i][1]);
        buf_finish(&again);
        buf_finish(&out);
    }
}

Test(path, joins)
{
    static const char *const cases[][3] = {
        {"/ws", "a/b", "/ws/a/b"}, {"/ws", "../x", "/x"}, {"/ws", "/abs/./x", "/abs/x"},
        {"/", "a", "/a"},          {"", "a", "a"},        {"", "", "."},
        {"/ws", "", "/ws"},        {"a", "../..", ".."},  {"/ws/", "./", "/ws"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf out = {0};
        path_append_join(&out, str_from(cases[i][0]), str_from(cases[i][1]));
        cr_assert_str_eq(out.ptr, cases[i][2]);
        buf_finish(&out);
    }
}

Test(path, is_under_by_components)
{
    static const struct {
        const char *path, *folder;
        bool under;
        const char *relative;
    } cases[] = {
        {"/ws", "/ws", true, ""},
        {"/ws/a/b", "/ws", true, "a/b"},
        {"/ws-evil", "/ws", false, NULL},
        {"/w", "/ws", false, NULL},
        {"/", "/ws", false, NULL},
        {"/ws", "/", true, "ws"},
        {"/", "/", true, ""},
        {"/ws/a", "", false, NULL},
        {"a/b", "a", true, "b"},
        {"a/b", ".", true, "a/b"},
        {".", ".", true, ""},
        {"..", ".", false, NULL},
        {"../a", ".", false, NULL},
        {"..a", ".", true, "..a"},
        {"/a", ".", false, NULL},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct str path = str_from(cases[i].path), folder = str_from(cases[i].folder);
        cr_assert_eq(path_is_under(path, folder), cases[i].under, "%s in %s", cases[i].path,
                     cases[i].folder);
        if (cases[i].under)
            cr_assert(str_eq_c(path_relative(path, folder), cases[i].relative));
    }
}

Test(path, takes_apart)
{
    static const char *const cases[][3] = {
        {"/a/b.c", "b.c", "/a"}, {"/a", "a", "/"}, {"a", "a", ""},
        {"a/b", "b", "a"},       {"/", "", "/"},   {"", "", ""},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        cr_assert(str_eq_c(path_name(str_from(cases[i][0])), cases[i][1]));
        cr_assert(str_eq_c(path_folder(str_from(cases[i][0])), cases[i][2]));
    }
}

Test(path, check_says_what_is_wrong)
{
    struct buf longest = {0};
    buf_append_repeat(&longest, 'a', 4095);
    cr_assert_eq(path_check(buf_str(&longest), NULL), STATUS_OK);
    buf_append_byte(&longest, 'a');
    const struct {
        struct str path;
        const char *error;
    } cases[] = {
        {STR(""), "empty"},
        {STR("a\0b"), "0x00 at byte 1"},
        {STR("a\nb"), "0x0a at byte 1"},
        {STR("a\x7F"), "0x7f at byte 1"},
        {STR("ab\xFF"), "not valid UTF-8 at byte 2"},
        {buf_str(&longest), "4096 bytes"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct err err = {0};
        cr_assert_eq(path_check(cases[i].path, &err), STATUS_INVALID);
        cr_assert(strstr(err.text, cases[i].error), "%s", err.text);
    }
    cr_assert_eq(path_check(STR("/ä b/#c"), NULL), STATUS_OK);
    buf_finish(&longest);
}

Test(uri, to_path)
{
    static const struct {
        const char *uri;
        enum status status;
        const char *path;
    } cases[] = {
        {"file:///a/b.c", STATUS_OK, "/a/b.c"},
        {"FILE:///a", STATUS_OK, "/a"},
        {"file:/a", STATUS_OK, "/a"},
        {"file://localhost/a", STATUS_OK, "/a"},
        {"file:///a%20b/%C3%A4", STATUS_OK, "/a b/ä"},
        {"file:///a%2520b", STATUS_OK, "/a%20b"},
        {"file:///ws/../etc", STATUS_OK, "/etc"},
        {"file:///ws/%2e%2e/etc", STATUS_OK, "/etc"},
        {"file:///a%2Fb", STATUS_OK, "/a/b"},
        {"file:///c%3A/x", STATUS_OK, "/c:/x"},
        {"file:///%23%3f", STATUS_OK, "/#?"},
        {"file:///", STATUS_OK, "/"},
        {"file://host/a", STATUS_INVALID, "host"},
        {"file://", STATUS_INVALID, "absolute"},
        {"file:", STATUS_INVALID, "absolute"},
        {"file:a", STATUS_INVALID, "absolute"},
        {"file:///a%", STATUS_INVALID, "hex digits"},
        {"file:///a%4", STATUS_INVALID, "hex digits"},
        {"file:///a%zz", STATUS_INVALID, "hex digits"},
        {"file:///a%00b", STATUS_INVALID, "control character"},
        {"file:///a%0Ab", STATUS_INVALID, "control character"},
        {"file:///a%FF", STATUS_INVALID, "UTF-8"},
        {"file:///a?q", STATUS_INVALID, "%3F"},
        {"file:///a#f", STATUS_INVALID, "%23"},
        {"/a/b", STATUS_INVALID, "not a URI"},
        {"", STATUS_INVALID, "not a URI"},
        {":", STATUS_INVALID, "not a URI"},
        {"untitled:Untitled-1", STATUS_UNSUPPORTED, "untitled"},
        {"https://x/a", STATUS_UNSUPPORTED, "https"},
        {"filex:///a", STATUS_UNSUPPORTED, "filex"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf path = {0};
        struct err err = {0};
        buf_append_byte(&path, '>');
        cr_assert_eq(uri_to_path(str_from(cases[i].uri), &path, &err), cases[i].status, "%s: %s",
                     cases[i].uri, err.text);
        if (cases[i].status == STATUS_OK)
            cr_assert_str_eq(path.ptr + 1, cases[i].path);
        else
            cr_assert(strstr(err.text, cases[i].path), "%s gave: %s", cases[i].uri, err.text);
        if (cases[i].status != STATUS_OK)
            cr_assert_str_eq(path.ptr, ">");
        buf_finish(&path);
    }
}

Test(uri, of_a_path)
{
    struct buf uri = {0};
    uri_append_file(&uri, STR("/a b/ä-._~/c:d#?%!$&'()*+,;=@[]"));
    cr_assert_str_eq(uri.ptr, "file:///a%20b/%C3%A4-._~/"
                              "c%3Ad%23%3F%25%21%24%26%27%28%29%2A%2B%2C%3B%3D%40%5B%5D");
    struct buf path = {0};
    cr_assert_eq(uri_to_path(buf_str(&uri), &path, NULL), STATUS_OK);
    cr_assert_str_eq(path.ptr, "/a b/ä-._~/c:d#?%!$&'()*+,;=@[]");
    buf_finish(&uri);
    buf_finish(&path);
}

Test(path, finds_what_lies_beside_the_program)
{
    char program[4096], wanted[8192];
    cr_assert(realpath("/proc/self/exe", program));
    *strrchr(program, '/') = '\0';
    *strrchr(program, '/') = '\0';
    struct buf path = {0};
    cr_assert(path_append_beside_program(&path, STR("../nothing/../x")));
    snprintf(wanted, sizeof(wanted), "%s/x", program);
    cr_expect_str_eq(path.ptr, wanted);
    buf_finish(&path);
}
