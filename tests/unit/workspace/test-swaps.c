/* What happens to files while somebody else swaps their folders, or when the writer is killed. */
#include "../racer.h"
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* -- Races ------------------------------------------------------------------------------------ */

enum { RACE_ROUNDS = 1000 };

static void race(struct racer *racer, const struct fixture *fixture, const char *first,
                 const char *second)
{
    char one[300];
    snprintf(one, sizeof(one), "%s", at(fixture, "%s", first));
    racer_start(racer, one, at(fixture, "%s", second));
}

static void make_race(struct fixture *fixture)
{
    fixture_init(fixture);
    put_file(fixture, "outside/file", "outside");
    put_file(fixture, "ws/dir/file", "inside");
    put_link(fixture, "ws/swap", "../outside");
}

Test(files, sec_08_a_racer_never_gets_a_write_outside, .timeout = 200)
{
    struct fixture fixture;
    make_race(&fixture);
    struct workspace_path path = resolve(&fixture, "dir/file");
    struct workspace_path fresh = resolve(&fixture, "dir/new/file");
    struct racer racer;
    race(&racer, &fixture, "ws/dir", "ws/swap");
    FOR_BOTH_WAYS
    {
        for (unsigned i = 0; i < racer_rounds(RACE_ROUNDS); i++) {
            workspace_write(&path, STR("agent"), NULL, NULL);
            if (i % 10 == 0)
                workspace_write(&fresh, STR("agent"), NULL, NULL);
        }
    }
    racer_stop(&racer);
    cr_assert_str_eq(get_file(&fixture, "outside/file"), "outside");
    cr_assert_eq(count_names(&fixture, "outside"), 1);
    workspace_path_finish(&path);
    workspace_path_finish(&fresh);
    fixture_finish(&fixture);
}

static void race_reads(const char *text, const char *first, const char *second)
{
    struct fixture fixture;
    make_race(&fixture);
    put_link(&fixture, "ws/dir/link", "../../outside/file");
    struct workspace_path path = resolve(&fixture, text);
    struct racer racer;
    race(&racer, &fixture, first, second);
    unsigned inside = 0;
    FOR_BOTH_WAYS
    {
        for (unsigned i = 0; racer_goes_on(i, racer_rounds(RACE_ROUNDS * 5), &inside, 1); i++) {
            struct buf bytes = {0};
            enum status status = workspace_read(&path, 100, &bytes, NULL, NULL);
            if (status == STATUS_OK) {
                cr_assert_str_eq(bytes.ptr, "inside");
                inside++;
            }
            buf_finish(&bytes);
        }
    }
    racer_stop(&racer);
    cr_assert_gt(inside, 0);
    workspace_path_finish(&path);
    fixture_finish(&fixture);
}

Test(files, sec_08_a_swapped_folder_never_gets_a_read_outside, .timeout = 200)
{
    race_reads("dir/file", "ws/dir", "ws/swap");
}

Test(files, sec_08_a_swapped_file_never_gets_a_read_outside, .timeout = 200)
{
    race_reads("dir/file", "ws/dir/file", "ws/dir/link");
}

/* The racer is fast enough: who looks first and opens then loses. */
Test(files, sec_08_a_look_before_opening_would_lose, .timeout = 200)
{
    struct fixture fixture;
    char root[300], path[300];
    make_race(&fixture);
    snprintf(root, sizeof(root), "%s", at(&fixture, "ws"));
    snprintf(path, sizeof(path), "%s", at(&fixture, "ws/dir/file"));
    struct racer racer;
    unsigned escapes = 0, rounds = 0;
    race(&racer, &fixture, "ws/dir", "ws/swap");
    for (; escapes < 3 && rounds < 1000000; rounds++)
        escapes += racer_naive_read_escapes(path, root, "outside");
    racer_stop(&racer);
    cr_assert_eq(escapes, 3, "%u escapes in %u rounds", escapes, rounds);
    fixture_finish(&fixture);
}

/* Several files as one, in a folder that is swapped all the time. */
Test(files, sec_08_a_racer_never_gets_several_writes_outside, .timeout = 200)
{
    struct fixture fixture;
    make_race(&fixture);
    put_file(&fixture, "ws/other", "inside");
    struct workspace_path file = resolve(&fixture, "dir/file"),
                          new = resolve(&fixture, "dir/x/new"), other = resolve(&fixture, "other");
    struct racer racer;
    unsigned done = 0;
    race(&racer, &fixture, "ws/dir", "ws/swap");
    FOR_BOTH_WAYS
    {
        for (unsigned i = 0; racer_goes_on(i, racer_rounds(RACE_ROUNDS / 5), &done, 1); i++) {
            struct workspace_op ops[] = {{WORKSPACE_WRITE, &file, NULL, STR("agent"), NULL},
                                         {WORKSPACE_WRITE, &other, NULL, STR("agent"), NULL},
                                         {WORKSPACE_WRITE, &new, NULL, STR("agent"), NULL}};
            struct workspace_op back = {WORKSPACE_REMOVE, &new, NULL, STR(""), NULL};
            done += workspace_write_all(fixture.workspace, ops, 3, NULL) == STATUS_OK;
            workspace_write_all(fixture.workspace, &back, 1, NULL);
        }
    }
    racer_stop(&racer);
    cr_assert_gt(done, 0);
    cr_assert_str_eq(get_file(&fixture, "outside/file"), "outside");
    cr_assert_eq(count_names(&fixture, "outside"), 1);
    workspace_path_finish(&file);
    workspace_path_finish(&new);
    workspace_path_finish(&other);
    fixture_finish(&fixture);
}

/* What was allowed for dir/pre-commit must not happen in .git/hooks. */
Test(files, sec_08_a_link_put_in_the_way_later_is_refused)
{
    struct fixture fixture;
    fixture_init(&fixture);
    put_file(&fixture, "ws/.git/hooks/file", "hook");
    put_file(&fixture, "ws/dir/file", "file");
    FOR_BOTH_WAYS
    {
        struct workspace_path path = resolve(&fixture, "dir/file");
        struct workspace_path other = resolve(&fixture, "dir/pre-commit");
        cr_assert_eq(rename(at(&fixture, "ws/dir"), at(&fixture, "ws/moved")), 0);
        put_link(&fixture, "ws/dir", ".git/hooks");
        cr_assert_lt(workspace_write(&other, STR("x"), NULL, NULL), 0);
        cr_assert_lt(workspace_write(&path, STR("x"), NULL, NULL), 0);
        cr_assert_lt(workspace_rename(&path, &other, NULL), 0);
        cr_assert_lt(workspace_remove(&path, NULL), 0);
        cr_assert_eq(count_names(&fixture, "ws/.git/hooks"), 1);
        cr_assert_str_eq(get_file(&fixture, "ws/.git/hooks/file"), "hook");
        cr_assert_eq(unlink(at(&fixture, "ws/dir")), 0);
        cr_assert_eq(rename(at(&fixture, "ws/moved"), at(&fixture, "ws/dir")), 0);
        workspace_path_finish(&path);
        workspace_path_finish(&other);
    }
    fixture_finish(&fixture);
}

Test(files, sec_08_removing_and_renaming_never_reach_outside, .timeout = 200)
{
    struct fixture fixture;
    make_race(&fixture);
    struct workspace_path path = resolve(&fixture, "dir/file");
    struct workspace_path other = resolve(&fixture, "dir/other");
    struct racer racer;
    race(&racer, &fixture, "ws/dir", "ws/swap");
    for (unsigned i = 0; i < racer_rounds(RACE_ROUNDS); i++) {
        workspace_rename(&path, &other, NULL);
        workspace_rename(&other, &path, NULL);
        if (i % 3 == 0)
            workspace_remove(&path, NULL);
    }
    racer_stop(&racer);
    cr_assert_str_eq(get_file(&fixture, "outside/file"), "outside");
    cr_assert_eq(count_names(&fixture, "outside"), 1);
    workspace_path_finish(&path);
    workspace_path_finish(&other);
    fixture_finish(&fixture);
}

/* -- Crashes ---------------------------------------------------------------------------------- */

enum { CRASHES = 25, CRASH_BYTES = 200000 };

/* Writes all-a and all-b in turn until it is killed. */
static pid_t writer_start(const struct workspace_path *path)
{
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid)
        return pid;
    struct buf bytes = {0};
    for (char letter = 'a';; letter = letter == 'a' ? 'b' : 'a') {
        buf_clear(&bytes);
        buf_append_repeat(&bytes, letter, CRASH_BYTES);
        if (workspace_write(path, buf_str(&bytes), NULL, NULL) < 0 || getppid() == 1)
            _exit(1);
    }
}

Test(files, sec_32_a_killed_write_leaves_old_or_new, .timeout = 200)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct workspace_path path = resolve(&fixture, "file");
    cr_assert_eq(workspace_write(&path, STR("a"), NULL, NULL), STATUS_OK);
    for (useconds_t i = 0; i < CRASHES; i++) {
        pid_t pid = writer_start(&path);
        usleep(1000 + i * 311);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        struct buf bytes = {0};
        cr_assert_eq(workspace_read(&path, MIB, &bytes, NULL, NULL), STATUS_OK);
        cr_assert(bytes.len == CRASH_BYTES || bytes.len == 1, "%zu bytes", bytes.len);
        for (size_t k = 0; k < bytes.len; k++)
            cr_assert_eq(bytes.ptr[k], bytes.ptr[0]);
        buf_finish(&bytes);
    }
    workspace_path_finish(&path);
    fixture_finish(&fixture);
}
