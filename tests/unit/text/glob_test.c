#include <criterion/criterion.h>

#include "random.h"

TestSuite(glob, .timeout = 30);

static const struct {
    const char *pattern, *path;
    bool want;
} rows[] = {
    {"*.c", "a.c", true},
    {"*.c", "src/deep/a.c", true},
    {"*.c", "a.cc", false},
    {"src/*.c", "src/a.c", true},
    {"src/*.c", "src/deep/a.c", false},
    {"src/*.c", "lib/src/a.c", false},
    {"**/*.c", "a.c", true},
    {"**/*.c", "x/y/a.c", true},
    {"**/b/*.c", "b/a.c", true},
    {"**/b/*.c", "xb/a.c", false},
    {"a/**/b", "a/b", true},
    {"a/**/b", "a/x/y/b", true},
    {"a/**/b", "a/xb", false},
    {"a/**", "a/x", true},
    {"a/**", "a/x/y", true},
    {"a/**", "ab", false},
    {"**", "x/y", true},
    {"a/**/**/b", "a/b", true},
    {"?.c", "é.c", true},
    {"?.c", "ab.c", false},
    {"a/?/b", "a///b", false},
    {"[a-c].h", "b.h", true},
    {"[!a-c].h", "b.h", false},
    {"[!a-c].h", "d.h", true},
    {"[^a].h", "b.h", true},
    {"[]a].h", "].h", true},
    {"[a-].h", "-.h", true},
    {"x[/]y", "x/y", false},
    {"[é-ü]", "ö", true},
    {"*.{c,h}", "a.h", true},
    {"*.{c,h}", "a.o", false},
    {"*.{c,h{pp,xx}}", "a.hxx", true},
    {"*.{c,h{pp,xx}}", "a.h", false},
    {"{a,}b", "b", true},
    {"{**/x,y}/z", "q/x/z", true},
    {"{**/x,y}/z", "y/z", true},
    {"{a/b,c}/d", "a/b/d", true},
    {"{a}", "a", true},
    {"a,b", "a,b", true},
    {"a}", "a}", true},
    {"", "", true},
    {"", "a", false},
    {"[a", "[a", false},
    {"{a", "{a", false},
    {".*", ".hidden", true},
    {"*", ".hidden", true},
};

Test(glob, table)
{
    for (size_t i = 0; i < array_count(rows); i++)
        cr_assert_eq(glob_match(str_from(rows[i].pattern), str_from(rows[i].path)), rows[i].want,
                     "%s on %s", rows[i].pattern, rows[i].path);
}

static const struct {
    const char *pattern;
    enum status want;
    const char *says;
} bad_rows[] = {
    {"src/**/*.{c,h}", STATUS_OK, NULL},
    {"a[b", STATUS_INVALID, "'[' at character 2"},
    {"{a,{b}", STATUS_INVALID, "'{'"},
    {"{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}", STATUS_LIMIT, "16 deep"},
};

Test(glob, check_says_what_is_wrong)
{
    struct buf longest = {0};

    for (size_t i = 0; i < array_count(bad_rows); i++) {
        struct err err = {0};

        cr_assert_eq(glob_check(str_from(bad_rows[i].pattern), &err), bad_rows[i].want);
        cr_assert(!bad_rows[i].says || strstr(err.text, bad_rows[i].says), "%s", err.text);
    }
    buf_append_repeat(&longest, 'x', LIMIT_GLOB_BYTES);
    cr_assert_eq(glob_check(buf_str(&longest), NULL), STATUS_OK);
    cr_assert(glob_match(buf_str(&longest), buf_str(&longest)));
    buf_append_byte(&longest, 'x');
    cr_assert_eq(glob_check(buf_str(&longest), NULL), STATUS_LIMIT);
    cr_assert_not(glob_match(buf_str(&longest), buf_str(&longest)));
    buf_finish(&longest);
}

/* Patterns that take matchers with backtracking for ever; the suite's timeout is the test. */
Test(glob, nothing_is_exponential)
{
    static const char *const pieces[] = {"*a", "{a,a*}", "**/*a", "{*,**}a", "{a,{a,{a,aa}}}"};
    struct buf path = {0};

    for (int i = 0; i < 500; i++)
        buf_append_c(&path, "aaaa/aaa");
    for (size_t i = 0; i < array_count(pieces); i++) {
        struct buf pattern = {0};

        while (pattern.len + strlen(pieces[i]) + 1 <= LIMIT_GLOB_BYTES)
            buf_append_c(&pattern, pieces[i]);
        buf_append_c(&pattern, "b");
        cr_assert_not(glob_match(buf_str(&pattern), buf_str(&path)));
        buf_finish(&pattern);
    }
    buf_finish(&path);
}

/* The plainest matcher there is: expand braces by recursion, stars by trying every length. */
static bool simple_match(const char *p, const char *s)
{
    if (*p == '\0')
        return *s == '\0';
    if (strncmp(p, "**/", 3) == 0 && simple_match(p + 3, s))
        return true;
    if (*p == '*') {
        bool all = p[1] == '*';

        for (const char *to = s;; to++) {
            if (simple_match(p + 1 + all, to))
                return true;
            if (*to == '\0' || (!all && *to == '/'))
                return false;
        }
    }
    if (*s == '\0' || (*p == '?' ? *s == '/' : *p != *s))
        return false;
    return simple_match(p + 1, s + 1);
}

Test(glob, agrees_with_the_plainest_matcher)
{
    static const char *const pieces[] = {"a", "b", "/", "*", "?", "/**/", "a/"};

    for (uint64_t seed = 1; seed <= 20000; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        char pattern[64] = "a/", path[16] = {0};

        for (size_t n = random_below(&state, 6); n > 0; n--) {
            const char *piece = pieces[random_below(&state, array_count(pieces))];
            size_t end = strlen(pattern);

            /* A `**` that is glued to something is another question. */
            if (piece[0] == '*' && pattern[end - 1] == '*')
                continue;
            strcat(pattern, piece[0] == '/' && pattern[end - 1] == '/' ? piece + 1 : piece);
        }
        for (size_t n = random_below(&state, 8), i = 0; i < n; i++)
            path[i] = "ab/"[random_below(&state, 3)];
        if (strstr(pattern, "***"))
            continue;
        cr_assert_eq(glob_match(str_from(pattern), str_from(path)), simple_match(pattern, path),
                     "%s on %s", pattern, path);
    }
}
