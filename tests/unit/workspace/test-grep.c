/* Searching text, and what is open in the editor. */
#include "searching.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- grep ------------------------------------------------------------------------------------- */

Test(search, grep_finds_lines)
{
    static const struct {
        const char *pattern;
        bool fixed, ignore_case;
        const char *lines;
    } cases[] = {
        {"two", false, false, "f:2:two\n"},
        {"TWO", false, true, "f:2:two\n"},
        {"TWO", false, false, ""},
        {"^t", false, false, "f:2:two\nf:3:three (3)\n"},
        {"o$", false, false, "f:2:two\n"},
        {"(3)", true, false, "f:3:three (3)\n"},
        {"(3)", false, false, "f:3:three (3)\n"},
        {"one\\s*two", false, false, ""}, /* lines are searched alone */
        {"one[^x]*", false, false, "f:1:one\n"},
        {"^$", false, false, "f:4:\n"},
        {"é", false, false, "f:5:é\xef\xbf\xbdx\n"},
        {"É", false, true, "f:5:é\xef\xbf\xbdx\n"},
        {"^.x", false, false, ""}, /* a bad byte is no character */
        {"x$", false, false, "f:5:é\xef\xbf\xbdx\n"},
        {"\\bfive\\b", false, false, "f:6:last five\n"},
        {"five\\z", false, false, "f:6:last five\n"},
        {"one\\z", false, false, "f:1:one\n"},
        {"\\Atwo", false, false, "f:2:two\n"},
        {"two(?!\\s*three)", false, false, "f:2:two\n"},
        {"one\\s*+$", false, false, "f:1:one\n"},
        {"(?<=t)wo", false, false, "f:2:two\n"},
        {"(?-m)^two$", false, false, "f:2:two\n"},
        {"\\s", false, false, "f:3:three (3)\nf:6:last five\n"},
        {"[^a-z]", false, false, "f:3:three (3)\nf:5:é\xef\xbf\xbdx\nf:6:last five\n"},
        {"x?", false, false,
         "f:1:one\nf:2:two\nf:3:three (3)\nf:4:\nf:5:é\xef\xbf\xbdx\nf:6:last five\n"},
        {".", true, false, ""},
    };
    static const char *const endings[] = {"\n", "\r\n", "\r"};
    static const char *const lines[] = {"one", "two", "three (3)", "", "é\xffx", "last five"};
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t ending = 0; ending < array_count(endings); ending++) {
        for (int final = 0; final < 2; final++) {
            struct buf content = {0};
            for (size_t i = 0; i < array_count(lines); i++) {
                buf_append_c(&content, lines[i]);
                if (final || i + 1 < array_count(lines))
                    buf_append_c(&content, endings[ending]);
            }
            put_bytes(&fixture, "ws/f", buf_str(&content));
            buf_finish(&content);
            for (size_t i = 0; i < array_count(cases); i++) {
                struct answer answer =
                    ask(&fixture, workspace_grep, ".",
                        (struct workspace_search){.pattern = str_from(cases[i].pattern),
                                                  .fixed = cases[i].fixed,
                                                  .ignore_case = cases[i].ignore_case},
                        NULL);
                cr_assert_eq(answer.searched, 1);
                cr_assert_eq(answer.status, STATUS_OK, "%s: %s", cases[i].pattern, answer.error);
                cr_assert_str_eq(answer.text.ptr ? answer.text.ptr : "", cases[i].lines,
                                 "%s, ending %zu, final %d: '%s'", cases[i].pattern, ending, final,
                                 answer.text.ptr);
                buf_finish(&answer.text);
            }
        }
    }
    fixture_finish(&fixture);
}

Test(search, grep_shows_context_once)
{
    static const struct {
        const char *pattern;
        unsigned context;
        const char *lines;
    } cases[] = {
        {"3", 1, "f-2-l2\nf:3:l3\nf-4-l4\n"},
        {"[35]", 1, "f-2-l2\nf:3:l3\nf-4-l4\nf:5:l5\nf-6-l6\n"},
        {"[34]", 1, "f-2-l2\nf:3:l3\nf:4:l4\nf-5-l5\n"},
        {"1", 2, "f:1:l1\nf-2-l2\nf-3-l3\n"},
        {"[19]", 2, "f:1:l1\nf-2-l2\nf-3-l3\nf-7-l7\nf-8-l8\nf:9:l9\n"},
        {"[26]", 5, "f-1-l1\nf:2:l2\nf-3-l3\nf-4-l4\nf-5-l5\nf:6:l6\nf-7-l7\nf-8-l8\nf-9-l9\n"},
    };
    static const char *const contents[] = {
        "l1\nl2\nl3\nl4\nl5\nl6\nl7\nl8\nl9\n",
        "l1\r\nl2\r\nl3\r\nl4\r\nl5\r\nl6\r\nl7\r\nl8\r\nl9",
        "\xef\xbb\xbfl1\rl2\rl3\rl4\rl5\rl6\rl7\rl8\rl9\r",
    };
    struct fixture fixture;
    fixture_init(&fixture);
    for (size_t k = 0; k < array_count(contents); k++) {
        put_file(&fixture, "ws/f", contents[k]);
        for (size_t i = 0; i < array_count(cases); i++)
            expect(ask(&fixture, workspace_grep, ".",
                       (struct workspace_search){.pattern = str_from(cases[i].pattern),
                                                 .context = cases[i].context},
                       NULL),
                   cases[i].lines);
    }
    fixture_finish(&fixture);
}

Test(search, grep_filters_and_stops_at_the_limit)
{
    struct fixture fixture;
    make_tree(&fixture);
    expect(ask(&fixture, workspace_grep, ".",
               (struct workspace_search){.pattern = STR("^int"), .glob = STR("*.c")}, NULL),
           "a-b.c:1:int dash;\na.c:1:int a;\na.c:2:int main(void)\na/b.c:1:int b;\n"
           "sub/deep/er/d.c:1:int d;\n");
    expect(ask(&fixture, workspace_grep, "a.c", (struct workspace_search){.pattern = STR("return")},
               NULL),
           "a.c:4:    return a;\n");
    expect(ask(&fixture, workspace_grep, "x.log", (struct workspace_search){.pattern = STR("log")},
               NULL),
           "x.log:1:int log;\n");
    struct answer answer = ask(&fixture, workspace_grep, ".",
                               (struct workspace_search){.pattern = STR("^int"), .limit = 2}, NULL);
    cr_assert(answer.limited);
    expect(answer, "a-b.c:1:int dash;\na.c:1:int a;\n");
    answer = ask(&fixture, workspace_grep, "a.c",
                 (struct workspace_search){.pattern = STR("^int"), .limit = 2}, NULL);
    cr_assert_not(answer.limited, "exactly as many as asked for");
    expect(answer, "a.c:1:int a;\na.c:2:int main(void)\n");
    fixture_finish(&fixture);
}

/* Many batches, several threads: what comes out is what one thread would have found. */
static void make_hits(struct fixture *fixture, unsigned count)
{
    char name[64];
    fixture_init(fixture);
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "ws/d%02u/f%03u.txt", i / 40, i);
        put_file(fixture, name,
                 i % 7 == 6 ? "none\n" : "one\ntwo hit\nthree\nfour\nfive hit\nsix\n");
    }
}

Test(search, grep_of_many_files_is_in_order)
{
    struct fixture fixture;
    struct buf expected = {0};
    make_hits(&fixture, 600);
    for (unsigned i = 0; i < 600; i++) {
        if (i % 7 != 6)
            buf_append_fmt(&expected, "d%02u/f%03u.txt:2:two hit\nd%02u/f%03u.txt:5:five hit\n",
                           i / 40, i, i / 40, i);
    }
    buf_append_c(&expected, "");
    for (int round = 0; round < 5; round++) {
        struct answer answer =
            ask(&fixture, workspace_grep, ".",
                (struct workspace_search){.pattern = STR("hit"), .limit = 5000}, NULL);
        cr_assert_eq(answer.searched, 600);
        cr_assert_eq(answer.total, 2 * (600 - 85));
        cr_assert_not(answer.limited);
        expect(answer, expected.ptr);
    }
    buf_finish(&expected);
    fixture_finish(&fixture);
}

Test(search, grep_of_many_files_ends_at_the_limit)
{
    struct fixture fixture;
    make_hits(&fixture, 600);
    for (size_t limit = 1; limit < 260; limit += 43) {
        struct answer answer = ask(
            &fixture, workspace_grep, ".",
            (struct workspace_search){.pattern = STR("hit"), .limit = limit, .context = 1}, NULL);
        size_t file = (limit - 1) / 2, lines = 0;
        char last[64];
        file += file / 6; /* those without a match */
        snprintf(last, sizeof(last), "d%02zu/f%03zu.txt-%d-%s\n", file / 40, file,
                 limit % 2 ? 3 : 6, limit % 2 ? "three" : "six");
        cr_assert(answer.limited);
        cr_assert_eq(answer.total, limit);
        for (size_t i = 0; i < answer.text.len; i++)
            lines += answer.text.ptr[i] == '\n';
        cr_assert_eq(lines, 3 * limit, "limit %zu: %zu lines", limit, lines);
        cr_assert(str_ends_with(buf_str(&answer.text), str_from(last)), "limit %zu: not %s in %s",
                  limit, last, answer.text.ptr);
        buf_finish(&answer.text);
    }
    fixture_finish(&fixture);
}

Test(search, sec_09_grep_leaves_out_what_is_no_text)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct buf large = {0}, late = {0};
    buf_append_repeat(&large, 'x', LIMIT_GREP_FILE_BYTES + 1);
    buf_append_repeat(&late, 'x', 9000);
    buf_append(&late, (struct str){"\0\nfind me\n", 10});
    put_bytes(&fixture, "ws/large", buf_str(&large));
    put_bytes(&fixture, "ws/late", buf_str(&late));
    put_bytes(&fixture, "ws/binary", (struct str){"find me\0", 8});
    put_file(&fixture, "ws/empty", "");
    put_file(&fixture, "ws/text", "find me");
    cr_assert_eq(mkfifo(at(&fixture, "ws/fifo"), 0644), 0);
    put_link(&fixture, "ws/link", "text");
    struct answer answer = ask(&fixture, workspace_grep, ".",
                               (struct workspace_search){.pattern = STR("find me")}, NULL);
    cr_assert_eq(answer.binary, 1);
    cr_assert_eq(answer.large, 1);
    cr_assert_eq(answer.searched, 3);
    expect(answer, "late:2:find me\ntext:1:find me\n");
    answer = ask(&fixture, workspace_grep, "fifo",
                 (struct workspace_search){.pattern = STR("find me")}, NULL);
    cr_assert_eq(answer.searched, 0);
    buf_finish(&answer.text);
    buf_finish(&large);
    buf_finish(&late);
    fixture_finish(&fixture);
}

Test(search, grep_cuts_long_lines_around_the_match)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct buf line = {0};
    buf_append_repeat(&line, 'x', 5000);
    buf_append_c(&line, "needle");
    buf_append_repeat(&line, 'y', 5000);
    put_bytes(&fixture, "ws/f", buf_str(&line));
    struct answer answer = ask(&fixture, workspace_grep, ".",
                               (struct workspace_search){.pattern = STR("needle")}, NULL);
    cr_assert(strstr(answer.text.ptr, "xneedley"));
    cr_assert_lt(answer.text.len, 2100);
    buf_finish(&answer.text);
    answer =
        ask(&fixture, workspace_grep, ".", (struct workspace_search){.pattern = STR("xxx")}, NULL);
    cr_assert(str_starts_with(buf_str(&answer.text), STR("f:1:xxxx")));
    cr_assert_lt(answer.text.len, 2100);
    buf_finish(&answer.text);
    buf_finish(&line);
    fixture_finish(&fixture);
}

Test(search, grep_says_what_is_wrong_with_a_pattern)
{
    static const struct {
        const char *pattern;
        bool fixed;
        const char *part;
    } cases[] = {
        {"(a", false, "missing closing parenthesis at offset 2 of 2"},
        {"", false, "the pattern is empty"},
        {"a\nb", true, "spans lines"},
        {"\xff", false, "UTF-8"},
        {"a\\Cb", false, "offset 3 of 4"},
    };
    struct fixture fixture;
    make_tree(&fixture);
    for (size_t i = 0; i < array_count(cases); i++)
        expect_error(ask(&fixture, workspace_grep, ".",
                         (struct workspace_search){.pattern = str_from(cases[i].pattern),
                                                   .fixed = cases[i].fixed},
                         NULL),
                     STATUS_INVALID, cases[i].part);
    fixture_finish(&fixture);
}

/* -- What is open in the editor --------------------------------------------------------------- */

Test(search, open_texts_stand_in_for_their_files)
{
    struct fixture fixture;
    make_tree(&fixture);
    struct documents *documents = documents_new();
    open_text(documents, &fixture, "ws/a.c", "int changed;\n");
    open_text(documents, &fixture, "ws/a/b.c", "int b;\n");
    open_text(documents, &fixture, "ws/b-new.c", "int new;\n");
    open_text(documents, &fixture, "ws/nowhere/yet/n.c", "int yet;\n");
    open_text(documents, &fixture, "ws/build/ignored.c", "int ignored;\n");
    open_text(documents, &fixture, "outside/o.c", "int outside;\n");
    struct workspace_search grep = {.pattern = STR("^int"), .glob = STR("*.c")};
    expect(ask(&fixture, workspace_grep, ".", grep, documents),
           "a-b.c:1:int dash;\na.c:1:int changed; unsaved\na/b.c:1:int b;\n"
           "b-new.c:1:int new; unsaved\nnowhere/yet/n.c:1:int yet; unsaved\n"
           "sub/deep/er/d.c:1:int d;\n");
    expect(ask(&fixture, workspace_grep, "nowhere", grep, documents),
           "nowhere/yet/n.c:1:int yet; unsaved\n");
    expect(ask(&fixture, workspace_grep, "nowhere/yet/n.c", grep, documents),
           "nowhere/yet/n.c:1:int yet; unsaved\n");
    expect(ask(&fixture, workspace_list, ".", (struct workspace_search){.depth = 3}, documents),
           "a/\na/.gitignore\na/b.c\na/local.c ignored\nbuild/ ignored\nnowhere/\nnowhere/yet/\n"
           "nowhere/yet/n.c unsaved\nsub/\nsub/deep/\nsub/deep/er/\n.gitignore\na-b.c\n"
           "a.c unsaved\nb-new.c unsaved\nkeep.log\nx.log ignored\n");
    expect(ask(&fixture, workspace_find, ".", (struct workspace_search){.glob = STR("[bn]*.c")},
               documents),
           "a/b.c\nb-new.c unsaved\nnowhere/yet/n.c unsaved\n");
    documents_free(documents);
    fixture_finish(&fixture);
}

Test(search, open_texts_stand_in_for_other_names_of_their_files)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/one", "on disk\n");
    cr_assert_eq(link(at(&fixture, "ws/one"), at(&fixture, "ws/two")), 0);
    struct documents *documents = documents_new();
    open_text(documents, &fixture, "ws/two", "on screen\n");
    expect(ask(&fixture, workspace_grep, ".", (struct workspace_search){.pattern = STR("on")},
               documents),
           "one:1:on screen unsaved\ntwo:1:on screen unsaved\n");
    documents_free(documents);
    fixture_finish(&fixture);
}

Test(search, texts_that_are_unknown_are_searched_on_disk)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/f", "on disk\n");
    struct documents *documents = documents_new();
    document_open(documents, STR("file:///f"), str_from(at(&fixture, "ws/f")), 0, 0, STR("c"), 1,
                  NULL, STR("lost"));
    expect(ask(&fixture, workspace_grep, ".", (struct workspace_search){.pattern = STR("on")},
               documents),
           "f:1:on disk\n");
    documents_free(documents);
    fixture_finish(&fixture);
}
