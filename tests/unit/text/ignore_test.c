#include <criterion/criterion.h>

#include <lanebridge/text.h>

TestSuite(ignore, .timeout = 10);

enum { FILE_, FOLDER };

static const struct {
    const char *content, *path;
    bool folder;
    enum ignore_verdict want;
} rows[] = {
    {"", "a", FILE_, IGNORE_UNDECIDED},
    {"*.o\n", "a.o", FILE_, IGNORE_YES},
    {"*.o\n", "x/y/a.o", FILE_, IGNORE_YES},
    {"*.o\n", "a.oo", FILE_, IGNORE_UNDECIDED},
    {"*.o", ".o", FILE_, IGNORE_YES},
    {"build\n", "build", FOLDER, IGNORE_YES},
    {"build\n", "x/build", FILE_, IGNORE_YES},
    {"build/\n", "build", FILE_, IGNORE_UNDECIDED},
    {"build/\n", "x/build", FOLDER, IGNORE_YES},
    {"/build\n", "build", FILE_, IGNORE_YES},
    {"/build\n", "x/build", FILE_, IGNORE_UNDECIDED},
    {"a/b\n", "a/b", FILE_, IGNORE_YES},
    {"a/b\n", "x/a/b", FILE_, IGNORE_UNDECIDED},
    {"a/*\n", "a/b", FILE_, IGNORE_YES},
    {"a/*\n", "a/b/c", FILE_, IGNORE_UNDECIDED},
    {"**/a/b\n", "x/y/a/b", FILE_, IGNORE_YES},
    {"**/a\n", "a", FILE_, IGNORE_YES},
    {"a/**\n", "a/b/c", FILE_, IGNORE_YES},
    {"a/**\n", "a", FOLDER, IGNORE_UNDECIDED},
    {"a/**/b\n", "a/b", FILE_, IGNORE_YES},
    {"a/**/b\n", "a/x/y/b", FILE_, IGNORE_YES},
    {"x**/b\n", "xx/b", FILE_, IGNORE_YES},
    {"x**/b\n", "x/y/b", FILE_, IGNORE_UNDECIDED},
    {"*.o\n!keep.o\n", "keep.o", FILE_, IGNORE_NO},
    {"!keep.o\n*.o\n", "keep.o", FILE_, IGNORE_YES},
    {"# a\n", "# a", FILE_, IGNORE_UNDECIDED},
    {"\\#a\n", "#a", FILE_, IGNORE_YES},
    {"\\!a\n", "!a", FILE_, IGNORE_YES},
    {"a  \n", "a", FILE_, IGNORE_YES},
    {"a\\ \n", "a ", FILE_, IGNORE_YES},
    {"a\r\nb\r\n", "a", FILE_, IGNORE_YES},
    {"\xEF\xBB\xBF"
     "a\n",
     "a", FILE_, IGNORE_YES},
    {"\n\n/\n", "a", FILE_, IGNORE_UNDECIDED},
    {"[ab].c\n", "b.c", FILE_, IGNORE_YES},
    {"[!ab].c\n", "b.c", FILE_, IGNORE_UNDECIDED},
    {"[[:digit:]]x\n", "7x", FILE_, IGNORE_YES},
    {"[[:digit:]]x\n", "ax", FILE_, IGNORE_UNDECIDED},
    {"[\\]]x\n", "]x", FILE_, IGNORE_YES},
    {"[a\n", "[a", FILE_, IGNORE_UNDECIDED},
    {"a\\\n", "a\\", FILE_, IGNORE_UNDECIDED},
    {"a\\*b\n", "a*b", FILE_, IGNORE_YES},
    {"a\\*b\n", "axb", FILE_, IGNORE_UNDECIDED},
    {"{a,b}\n", "a", FILE_, IGNORE_UNDECIDED},
    {"{a,b}\n", "{a,b}", FILE_, IGNORE_YES},
    {"?x\n", "éx", FILE_, IGNORE_YES},
    {"foo/\n!foo/\n", "foo", FOLDER, IGNORE_NO},
};

Test(ignore, table)
{
    for (size_t i = 0; i < array_count(rows); i++) {
        struct ignore *ignore = ignore_parse(str_from(rows[i].content));

        cr_assert_eq(ignore_match(ignore, str_from(rows[i].path), rows[i].folder), rows[i].want,
                     "row %zu: %s on %s", i, rows[i].content, rows[i].path);
        ignore_free(ignore);
    }
    ignore_free(NULL);
}

Test(ignore, what_is_beyond_the_limit_is_not_read)
{
    struct buf content = {0};
    struct ignore *ignore;

    buf_append_c(&content, "first\n#");
    buf_append_repeat(&content, 'x', LIMIT_IGNORE_BYTES);
    buf_append_c(&content, "\nlast\n");
    ignore = ignore_parse(buf_str(&content));
    cr_assert_eq(ignore_match(ignore, STR("first"), false), IGNORE_YES);
    cr_assert_eq(ignore_match(ignore, STR("last"), false), IGNORE_UNDECIDED);
    ignore_free(ignore);
    buf_finish(&content);
}
