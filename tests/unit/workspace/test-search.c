#include "searching.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(search, .timeout = 60);

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
