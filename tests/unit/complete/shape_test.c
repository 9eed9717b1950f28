/* What of an answer is inserted: each row a line with the cursor at "|", what follows, the answer.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "../../../server/complete/complete-internal.h"

TestSuite(shape, .timeout = 10);

static struct shape shape_at(const char *line, const char *next, bool is_multi_line)
{
    const char *cursor = strchr(line, '|');
    cr_assert(cursor, "no cursor in \"%s\"", line);
    return (struct shape){.line_before = {(char *)(uintptr_t)line, (size_t)(cursor - line)},
                          .line_after = str_from(cursor + 1),
                          .next_line = str_from(next),
                          .ending = STR("\n"),
                          .is_multi_line = is_multi_line};
}

static const struct {
    const char *line, *next, *answer, *text;
    bool is_multi_line;
} rows[] = {
    /* as it comes */
    {"int x = |", "", "42;", "42;", false},
    {"int x = |", "", "", "", false},
    {"int x = |", "", "  \n", "", false},
    {"int x = |", "", "42;  \n\n", "42;", false},
    /* one line where one fits */
    {"int x = |", "", "42;\nint y;", "42;", false},
    {"int x = |", "", "\nint y;", "", false},
    /* fences and echoes */
    {"int x = |", "", "```c\n42;\n```", "42;", false},
    {"int x = |", "", "```\n42;\n```\nThat is it.", "42;", false},
    {"int x = |", "", "`42`", "`42`", false},
    {"int x = |", "", "int x = 42;", "42;", false},
    {"    return |", "", "return a + b;", "a + b;", false},
    {"    return |", "", "    return a + b;", "a + b;", false},
    {"    |", "", "    return a;", "return a;", false},
    {"i|", "", "if (x)", "if (x)", false}, /* too little to be an echo */
    /* what stands behind the cursor */
    {"call(|);", "", "a, b);", "a, b", false},
    {"call(|)", "", "a, b)", "a, b", false},
    {"call(|) {", "", "a, b)", "a, b", false},
    {"x = \"|\"", "", "text\"", "text", false},
    {"f(|a)", "", "b, ", "b, ", false},
    {"x|abc", "", "ya", "ya", false}, /* a letter alone is chance */
    {"x|abc", "", "y abc", "y ", false},
    /* what stands in the next line */
    {"    |", "    return 0;", "return 0;", "", false},
    {"    |", "    return 0;", "x++;\n    return 0;\n", "x++;", true},
    {"if (x) {|", "}", "\n    y();\n}", "\n    y();", true},
    {"if (x) {|", "    }", "\n    y();\n}", "\n    y();\n}", true}, /* not the same */
    /* a block and no more */
    {"if (x) {|", "", "\n    y();\n}\n\nint main(void)\n", "\n    y();\n}", true},
    {"    if (x) {|", "", "\n        y();\n    }\n    z();\n", "\n        y();\n    }", true},
    {"        |", "", "a();\n        b();\n    }\n}\n", "a();\n        b();", true},
    {"def f(x):|", "", "\n    return x\n\n\ndef g(y):\n    pass\n", "\n    return x", true},
    {"|", "", "int a;\nint b;\n\nint c;\n", "int a;\nint b;", true},
    {"if (x) {|", "", "\n    y();\n} else {\n    z();\n}\nw();\n",
     "\n    y();\n} else {\n    z();\n}", true},
    {"x = [|", "", "\n    1,\n\n    2,\n]\ny = 3\n", "\n    1,\n\n    2,\n]", true},
};

Test(shape, of_an_answer)
{
    for (size_t i = 0; i < array_count(rows); i++) {
        struct shape shape = shape_at(rows[i].line, rows[i].next, rows[i].is_multi_line);
        struct buf text = {0};
        shape_answer(&shape, str_from(rows[i].answer), &text);
        cr_expect(str_eq(buf_str(&text), str_from(rows[i].text)),
                  "%s <- %s: \"" STR_FMT "\", not \"%s\"", rows[i].line, rows[i].answer,
                  STR_ARG(buf_str(&text)), rows[i].text);
        buf_finish(&text);
    }
}

/* Torn anywhere, an answer is enough no sooner than what it gives is all there. */
Test(shape, enough_is_never_too_early)
{
    size_t early = 0;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct shape shape = shape_at(rows[i].line, rows[i].next, rows[i].is_multi_line);
        struct str answer = str_from(rows[i].answer);
        for (size_t len = 0; len <= answer.len; len++) {
            struct buf text = {0};
            if (!shape_is_enough(&shape, str_slice(answer, 0, len)))
                continue;
            early += len < answer.len;
            shape_answer(&shape, str_slice(answer, 0, len), &text);
            cr_expect(str_eq(buf_str(&text), str_from(rows[i].text)), "%s after %zu of \"%s\"",
                      rows[i].line, len, rows[i].answer);
            buf_finish(&text);
        }
    }
    cr_expect_gt(early, 50, "it never stops an answer: %zu", early);
}

Test(shape, endings_are_those_of_the_document)
{
    struct shape shape = shape_at("if (x) {|", "", true);
    struct buf text = {0};
    shape.ending = STR("\r\n");
    shape_answer(&shape, STR("\n    y();\r\n}\n"), &text);
    cr_expect(str_eq(buf_str(&text), STR("\r\n    y();\r\n}")), STR_FMT, STR_ARG(buf_str(&text)));
    buf_finish(&text);
}

static const struct {
    const char *line;
    bool typed, invoked;
} fits[] = {
    {"|", true, true},         {"    |", true, true},          {"if (x) {|", true, true},
    {"x = [|", true, true},    {"def f():|  ", true, true},    {"int x|", false, true},
    {"call(|)", false, false}, {"    | return", false, false},
};

Test(shape, several_lines_where_they_fit)
{
    for (size_t i = 0; i < array_count(fits); i++) {
        struct shape shape = shape_at(fits[i].line, "", false);
        cr_expect_eq(shape_fits_lines(shape.line_before, shape.line_after, false), fits[i].typed,
                     "%s", fits[i].line);
        cr_expect_eq(shape_fits_lines(shape.line_before, shape.line_after, true), fits[i].invoked,
                     "%s", fits[i].line);
    }
}
