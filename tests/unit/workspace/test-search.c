#include "fixture.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(search, .timeout = 20);

/* -- Running one search and writing its results down ------------------------------------------ */

typedef struct workspace_job *start_fn(struct workspace *workspace,
                                       const struct workspace_search *search,
                                       workspace_results_fn *on_done, void *user);

struct answer {
    struct buf text; /* one line a match */
    char error[256];
    enum status status;
    unsigned calls;
    size_t total, searched, binary, large;
    bool limited, timed_out;
};

/* "path", "path/", "path:3:line" or "path-3-line"; then what is marked. */
static void on_results(void *user, const struct workspace_results *results)
{
    struct answer *answer = user;
    answer->calls++;
    answer->status = results->status;
    snprintf(answer->error, sizeof(answer->error), "%s", results->error);
    for (size_t i = 0; i < results->count; i++) {
        const struct workspace_match *match = &results->matches[i];
        char mark = match->is_context ? '-' : ':';
        buf_append_fmt(&answer->text, "%s%s", match->path, match->is_folder ? "/" : "");
        if (match->text)
            buf_append_fmt(&answer->text, "%c%zu%c%s", mark, match->line, mark, match->text);
        buf_append_fmt(&answer->text, "%s%s\n", match->ignored ? " ignored" : "",
                       match->unsaved ? " unsaved" : "");
    }
    answer->total = results->total;
    answer->searched = results->files_searched;
    answer->binary = results->files_skipped_binary;
    answer->large = results->files_skipped_large;
    answer->limited = results->limited;
    answer->timed_out = results->timed_out;
}

static struct answer ask(struct fixture *fixture, start_fn *start, const char *folder,
                         struct workspace_search search, const struct documents *documents)
{
    struct answer answer = {0};
    struct document_snapshot snapshot = {0};
    struct workspace_path path = resolve(fixture, folder);
    if (documents)
        document_snapshot_take(documents, &snapshot);
    search.folder = &path;
    search.documents = &snapshot;
    search.limit = search.limit ? search.limit : 100;
    struct workspace_job *job = start(fixture->workspace, &search, on_results, &answer);
    cr_assert_not_null(job);
    cr_assert_eq(answer.calls, 0, "nothing is told before the call has returned");
    cr_assert_eq(snapshot.count, 0, "the snapshot was taken over");
    workspace_path_finish(&path); /* borrowed only during the call */
    loop_run(fixture->loop);
    cr_assert_eq(answer.calls, 1);
    buf_append_c(&answer.text, "");
    return answer;
}

static void expect(struct answer answer, const char *lines)
{
    cr_assert_eq(answer.status, STATUS_OK, "%s", answer.error);
    cr_assert_str_eq(answer.text.ptr ? answer.text.ptr : "", lines);
    buf_finish(&answer.text);
}

static void expect_error(struct answer answer, enum status status, const char *part)
{
    cr_assert_eq(answer.status, status, "%s: %s", status_name(answer.status), answer.error);
    cr_assert(strstr(answer.error, part), "%s", answer.error);
    cr_assert_eq(answer.text.len, 0);
    buf_finish(&answer.text);
}

static void open_text(struct documents *documents, const struct fixture *fixture, const char *name,
                      const char *content)
{
    struct text *text = text_new(str_from(content));
    struct buf uri = {0};
    uri_append_file(&uri, str_from(at(fixture, "%s", name)));
    document_open(documents, buf_str(&uri), str_from(at(fixture, "%s", name)), 0, 0, STR("c"), 1,
                  text, (struct str){0});
    text_unref(text);
    buf_finish(&uri);
}

static void make_tree(struct fixture *fixture)
{
    fixture_init(fixture);
    put_file(fixture, "ws/.gitignore", "*.log\nbuild/\n!keep.log\n");
    put_file(fixture, "ws/a.c", "int a;\nint main(void)\n{\n    return a;\n}\n");
    put_file(fixture, "ws/a/b.c", "int b;\n");
    put_file(fixture, "ws/a/.gitignore", "local.c\n");
    put_file(fixture, "ws/a/local.c", "int local;\n");
    put_file(fixture, "ws/a-b.c", "int dash;\n");
    put_file(fixture, "ws/build/out.c", "int out;\n");
    put_file(fixture, "ws/x.log", "int log;\n");
    put_file(fixture, "ws/keep.log", "int kept;\n");
    put_file(fixture, "ws/.git/config", "int git;\n");
    put_file(fixture, "ws/sub/deep/er/d.c", "int d;\n");
}

/* -- list ------------------------------------------------------------------------------------- */

Test(search, list_shows_folders_first_and_marks_the_ignored)
{
    struct fixture fixture;
    make_tree(&fixture);
    expect(ask(&fixture, workspace_list, ".", (struct workspace_search){.depth = 1}, NULL),
           "a/\nbuild/ ignored\nsub/\n.gitignore\na-b.c\na.c\nkeep.log\nx.log ignored\n");
    expect(ask(&fixture, workspace_list, "a", (struct workspace_search){.depth = 1}, NULL),
           "a/.gitignore\na/b.c\na/local.c ignored\n");
    expect(ask(&fixture, workspace_list, ".", (struct workspace_search){.depth = 2}, NULL),
           "a/\na/.gitignore\na/b.c\na/local.c ignored\nbuild/ ignored\nsub/\nsub/deep/\n"
           ".gitignore\na-b.c\na.c\nkeep.log\nx.log ignored\n");
    expect(ask(&fixture, workspace_list, "build", (struct workspace_search){.depth = 1}, NULL),
           "build/out.c ignored\n");
    fixture_finish(&fixture);
}

Test(search, list_pages)
{
    static const struct {
        size_t offset, limit;
        const char *lines;
        bool limited;
    } cases[] = {
        {0, 2, "a/\nbuild/ ignored\n", true},
        {2, 3, "sub/\n.gitignore\na-b.c\n", true},
        {6, 2, "keep.log\nx.log ignored\n", false},
        {8, 2, "", false},
        {100, 2, "", false},
    };
    struct fixture fixture;
    make_tree(&fixture);
    for (size_t i = 0; i < array_count(cases); i++) {
        struct answer answer =
            ask(&fixture, workspace_list, ".",
                (struct workspace_search){
                    .depth = 1, .offset = cases[i].offset, .limit = cases[i].limit},
                NULL);
        cr_assert_eq(answer.total, 8);
        cr_assert_eq(answer.limited, cases[i].limited, "case %zu", i);
        expect(answer, cases[i].lines);
    }
    fixture_finish(&fixture);
}

Test(search, starts_that_cannot_be)
{
    static const struct {
        start_fn *start;
        const char *folder;
        enum status status;
        const char *part;
    } cases[] = {
        {workspace_list, "a.c", STATUS_INVALID, "a.c is a file"},
        {workspace_list, "none", STATUS_NOT_FOUND, "none does not exist"},
        {workspace_grep, "none", STATUS_NOT_FOUND, "none does not exist"},
        {workspace_find, ".git", STATUS_DENIED, "inside .git"},
        {workspace_grep, ".git/config", STATUS_DENIED, "inside .git"},
        {workspace_grep, "out", STATUS_DENIED, "leads outside"},
        {workspace_list, "hidden-git", STATUS_DENIED, "inside .git"},
    };
    struct fixture fixture;
    make_tree(&fixture);
    put_link(&fixture, "ws/out", "../outside");
    put_link(&fixture, "ws/hidden-git", ".git");
    for (size_t i = 0; i < array_count(cases); i++)
        expect_error(
            ask(&fixture, cases[i].start, cases[i].folder,
                (struct workspace_search){.depth = 1, .glob = STR("*"), .pattern = STR("int")},
                NULL),
            cases[i].status, cases[i].part);
    fixture_finish(&fixture);
}

/* -- find ------------------------------------------------------------------------------------- */

Test(search, find_matches_globs_in_path_order)
{
    static const struct {
        const char *folder, *glob, *lines;
    } cases[] = {
        {".", "*.c", "a-b.c\na.c\na/b.c\nsub/deep/er/d.c\n"},
        {".", "*.log", "keep.log\n"},
        {".", "a/*", "a/.gitignore\na/b.c\n"},
        {"sub", "**/*.c", "sub/deep/er/d.c\n"},
        {"sub", "deep/**", "sub/deep/er/d.c\n"},
        {"sub", "sub/**/d.c", "sub/deep/er/d.c\n"}, /* from the root, too */
        {"build", "*.c", "build/out.c\n"},          /* asked for by name */
        {".", "*.none", ""},
        {".", "config", ""},
    };
    struct fixture fixture;
    make_tree(&fixture);
    for (size_t i = 0; i < array_count(cases); i++)
        expect(ask(&fixture, workspace_find, cases[i].folder,
                   (struct workspace_search){.glob = str_from(cases[i].glob)}, NULL),
               cases[i].lines);
    struct answer answer = ask(&fixture, workspace_find, ".",
                               (struct workspace_search){.glob = STR("*.c"), .limit = 2}, NULL);
    cr_assert(answer.limited);
    cr_assert_eq(answer.total, 4);
    expect(answer, "a-b.c\na.c\n");
    expect_error(
        ask(&fixture, workspace_find, ".", (struct workspace_search){.glob = STR("[a")}, NULL),
        STATUS_INVALID, "");
    fixture_finish(&fixture);
}

Test(search, agentignore_decides_before_gitignore)
{
    struct fixture fixture;
    make_tree(&fixture);
    put_file(&fixture, "ws/.agentignore", "a.c\n!x.log\n/sub/\n");
    expect(ask(&fixture, workspace_find, ".", (struct workspace_search){.glob = STR("*.{c,log}")},
               NULL),
           "a-b.c\na/b.c\nkeep.log\nx.log\n");
    fixture_finish(&fixture);
}

Test(search, ignore_files_count_as_they_stand_in_the_editor)
{
    struct fixture fixture;
    make_tree(&fixture);
    struct documents *documents = documents_new();
    open_text(documents, &fixture, "ws/.gitignore", "*.c\n");
    expect(ask(&fixture, workspace_find, ".", (struct workspace_search){.glob = STR("*.{c,log}")},
               documents),
           "keep.log\nx.log\n");
    documents_free(documents);
    fixture_finish(&fixture);
}

Test(search, links_are_named_but_not_followed)
{
    struct fixture fixture;
    make_tree(&fixture);
    put_file(&fixture, "outside/secret.c", "int secret;\n");
    put_link(&fixture, "ws/sub/up", "..");
    put_link(&fixture, "ws/sub/out", "../../outside");
    put_link(&fixture, "ws/sub/secret.c", "../../outside/secret.c");
    expect(ask(&fixture, workspace_find, "sub", (struct workspace_search){.glob = STR("*")}, NULL),
           "sub/deep/er/d.c\nsub/out\nsub/secret.c\nsub/up\n");
    expect(ask(&fixture, workspace_grep, "sub", (struct workspace_search){.pattern = STR("int")},
               NULL),
           "sub/deep/er/d.c:1:int d;\n");
    fixture_finish(&fixture);
}

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

/* -- Hiding, budgets, cancelling -------------------------------------------------------------- */

static bool hides_secrets(void *user, struct str absolute_path, bool is_folder)
{
    const struct fixture *fixture = user;
    cr_assert(path_is_under(absolute_path, str_from(at(fixture, "ws"))));
    return str_eq(path_name(absolute_path), STR("b.c")) ||
           (is_folder && str_eq(path_name(absolute_path), STR("sub")));
}

Test(search, sec_29_hidden_paths_are_not_shown_at_all)
{
    struct fixture fixture;
    make_tree(&fixture);
    struct workspace_search search = {.pattern = STR("int"),
                                      .glob = STR("*.c"),
                                      .depth = 3,
                                      .hidden = hides_secrets,
                                      .hidden_user = &fixture};
    expect(ask(&fixture, workspace_find, ".", search, NULL), "a-b.c\na.c\n");
    expect(ask(&fixture, workspace_list, ".", search, NULL),
           "a/\na/.gitignore\na/local.c ignored\nbuild/ ignored\n.gitignore\na-b.c\na.c\n"
           "keep.log\nx.log ignored\n");
    expect(ask(&fixture, workspace_grep, "a", search, NULL), "");
    expect(ask(&fixture, workspace_grep, "a/b.c", search, NULL), "a/b.c:1:int b;\n");
    fixture_finish(&fixture);
}

Test(search, sec_27_a_hostile_pattern_is_given_up)
{
    static const char *const patterns[] = {"(a+)+$", "(a|aa)+$", "(a*)*b$", "(?:a?){30}a{30}$",
                                           "(?>x|a+)+(?!a)b"};
    struct fixture fixture;
    fixture_init(&fixture);
    struct buf line = {0};
    for (int i = 0; i < 20; i++) {
        buf_append_repeat(&line, 'a', 60);
        buf_append_c(&line, "!\n");
    }
    buf_append_c(&line, "aab\n");
    put_bytes(&fixture, "ws/f", buf_str(&line));
    buf_finish(&line);
    for (size_t i = 0; i < array_count(patterns); i++) {
        struct answer answer = ask(
            &fixture, workspace_grep, ".",
            (struct workspace_search){.pattern = str_from(patterns[i]), .budget_ms = 3000}, NULL);
        cr_assert_eq(answer.status, STATUS_OK, "%s: %s", patterns[i], answer.error);
        buf_finish(&answer.text);
    }
    fixture_finish(&fixture);
}

static void make_many(struct fixture *fixture, unsigned count)
{
    fixture_init(fixture);
    for (unsigned i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "ws/d%u/f%u", i % 10, i);
        put_file(fixture, name, "some text\n");
    }
}

/* Slow enough for any budget. */
static bool sleeps(void *user, struct str absolute_path, bool is_folder)
{
    usleep(2000);
    return false;
}

Test(search, the_budget_ends_a_search_with_what_was_found)
{
    struct fixture fixture;
    make_many(&fixture, 200);
    struct answer answer = ask(
        &fixture, workspace_grep, ".",
        (struct workspace_search){.pattern = STR("text"), .hidden = sleeps, .budget_ms = 30}, NULL);
    cr_assert_eq(answer.status, STATUS_OK);
    cr_assert(answer.timed_out);
    cr_assert_lt(answer.searched, 200);
    buf_finish(&answer.text);
    fixture_finish(&fixture);
}

static bool counts(void *user, struct str absolute_path, bool is_folder)
{
    atomic_uint *count = user;
    ++*count;
    usleep(1000);
    return false;
}

Test(search, cancelling_silences_at_once)
{
    struct fixture fixture;
    make_many(&fixture, 200);
    for (int running = 0; running < 2; running++) {
        struct answer answer = {0};
        atomic_uint count = 0;
        struct workspace_path path = resolve(&fixture, ".");
        struct workspace_search search = {.folder = &path,
                                          .pattern = STR("text"),
                                          .limit = 10,
                                          .hidden = counts,
                                          .hidden_user = &count};
        struct workspace_job *job = workspace_grep(fixture.workspace, &search, on_results, &answer);
        while (running && atomic_load(&count) < 3)
            usleep(100);
        workspace_job_cancel(job);
        unsigned after = atomic_load(&count);
        usleep(5000);
        cr_assert_eq(atomic_load(&count), after, "no filter runs once cancel has returned");
        loop_run(fixture.loop);
        cr_assert_eq(answer.calls, 0);
        workspace_path_finish(&path);
    }
    workspace_job_cancel(NULL);
    fixture_finish(&fixture);
}

Test(search, a_workspace_may_go_while_it_is_searched)
{
    struct fixture fixture;
    make_many(&fixture, 50);
    struct answer answer = {0};
    struct workspace_path path = resolve(&fixture, ".");
    struct workspace_search search = {.folder = &path, .pattern = STR("text"), .limit = 10};
    for (int i = 0; i < 20; i++)
        workspace_grep(fixture.workspace, &search, on_results, &answer);
    workspace_path_finish(&path);
    fixture_finish(&fixture);
    cr_assert_eq(answer.calls, 0);
}

Test(search, several_roots_show_their_names)
{
    struct fixture fixture;
    make_tree(&fixture);
    put_folder(&fixture, "second");
    put_file(&fixture, "second/s.c", "int s;\n");
    workspace_add_root(fixture.workspace, str_from(at(&fixture, "second")), (struct str){0}, NULL);
    struct workspace_search search = {.pattern = STR("int [sb];"), .glob = STR("*.c")};
    expect(ask(&fixture, workspace_grep, "second", search, NULL), "second/s.c:1:int s;\n");
    expect(ask(&fixture, workspace_grep, "ws/a", search, NULL), "ws/a/b.c:1:int b;\n");
    workspace_remove_root(fixture.workspace, str_from(at(&fixture, "second")));
    fixture_finish(&fixture);
}

Test(search, sec_15_an_unconfirmed_root_is_not_searched)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "home/f", "private");
    workspace_add_root(fixture.workspace, str_from(at(&fixture, "home")), (struct str){0}, NULL);
    struct workspace_search search = {.pattern = STR("private")};
    expect_error(ask(&fixture, workspace_grep, "home", search, NULL), STATUS_DENIED, "confirmed");
    fixture_finish(&fixture);
}

/* Paths longer than the system takes at once: made step by step. */
Test(search, so_deep_and_no_deeper)
{
    struct fixture fixture;
    fixture_init(&fixture);
    int fd = open(at(&fixture, "ws"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int depth = 1; depth <= LIMIT_WALK_DEPTH_COUNT + 2; depth++) {
        cr_assert_eq(mkdirat(fd, "d", 0755), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(fd);
        fd = next;
        if (depth == LIMIT_WALK_DEPTH_COUNT - 1 || depth == LIMIT_WALK_DEPTH_COUNT)
            close(openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    }
    close(fd);
    struct answer answer =
        ask(&fixture, workspace_find, ".", (struct workspace_search){.glob = STR("f")}, NULL);
    cr_assert_eq(answer.total, 1);
    cr_assert(answer.limited);
    buf_finish(&answer.text);
    fixture_finish(&fixture);
}

Test(search, sec_22_matching_text_is_bounded)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct buf bytes = {0};
    for (int i = 0; i < 3000; i++) {
        buf_append_repeat(&bytes, 'x', LIMIT_READ_LINE_CHARS_COUNT);
        buf_append_byte(&bytes, '\n');
    }
    put_bytes(&fixture, "ws/f", buf_str(&bytes));
    buf_finish(&bytes);
    struct answer answer =
        ask(&fixture, workspace_grep, ".",
            (struct workspace_search){.pattern = STR("x"), .limit = 100000}, NULL);
    cr_assert(answer.limited);
    cr_assert_lt(answer.text.len, LIMIT_GREP_TEXT_BYTES + 100 * KIB);
    buf_finish(&answer.text);
    fixture_finish(&fixture);
}

Test(search, names_cannot_forge_lines)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/a\nb\x1b[31m", "x\n");
    struct answer answer =
        ask(&fixture, workspace_grep, ".", (struct workspace_search){.pattern = STR("x")}, NULL);
    expect(answer, "a?b:1:x\n");
    fixture_finish(&fixture);
}
