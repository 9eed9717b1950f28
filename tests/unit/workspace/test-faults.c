/* Direct writes: killed at, or refused, each of their system calls. What is left is old or new. */
#include "fixture.h"
#include "watched.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(faults, .timeout = 200);

/* -- What is written -------------------------------------------------------------------------- */

enum { OPS_MAX = 4 };
struct op {
    enum workspace_op_kind kind;
    const char *path, *to, *bytes;
};
/* The workspace before and after, as tree() says it. */
static const struct scene {
    const char *name;
    struct op ops[OPS_MAX];
    size_t count;
    const char *before, *after;
} scenes[] = {
    {"one file is replaced",
     {{WORKSPACE_WRITE, "a", NULL, "new a"}},
     1,
     "a=old a\nb=old b\nd/\nd/c=old c\n",
     "a=new a\nb=old b\nd/\nd/c=old c\n"},
    {"one file is made, in folders that are made",
     {{WORKSPACE_WRITE, "x/y/new", NULL, "made"}},
     1,
     "a=old a\nb=old b\nd/\nd/c=old c\n",
     "a=old a\nb=old b\nd/\nd/c=old c\nx/\nx/y/\nx/y/new=made\n"},
    {"one file is removed",
     {{WORKSPACE_REMOVE, "a", NULL, NULL}},
     1,
     "a=old a\nb=old b\nd/\nd/c=old c\n",
     "b=old b\nd/\nd/c=old c\n"},
    {"four files at once",
     {{WORKSPACE_WRITE, "a", NULL, "new a"},
      {WORKSPACE_WRITE, "x/new", NULL, "made"},
      {WORKSPACE_MOVE, "b", "x/b", "new b"},
      {WORKSPACE_REMOVE, "d/c", NULL, NULL}},
     4,
     "a=old a\nb=old b\nd/\nd/c=old c\n",
     "a=new a\nd/\nx/\nx/b=new b\nx/new=made\n"},
};

/* In memory if that can be: hundreds of writes are synced. */
static void set_up(struct fixture *fixture)
{
    fixture_init_in(fixture, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    put_file(fixture, "ws/a", "old a");
    put_file(fixture, "ws/b", "old b");
    put_file(fixture, "ws/d/c", "old c");
}

struct run {
    const struct fixture *fixture;
    const struct scene *scene;
    struct said {
        enum status status;
        struct err err;
    } * said; /* shared with the child */
};

static int write_scene(void *user)
{
    struct run *run = user;
    const struct scene *scene = run->scene;
    struct workspace_path paths[OPS_MAX] = {0}, tos[OPS_MAX] = {0};
    struct workspace_op ops[OPS_MAX];
    struct err err = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < scene->count; i++) {
        const struct op *op = &scene->ops[i];
        status =
            workspace_resolve(run->fixture->workspace, NULL, str_from(op->path), &paths[i], &err);
        if (status == STATUS_OK && op->to)
            status =
                workspace_resolve(run->fixture->workspace, NULL, str_from(op->to), &tos[i], &err);
        ops[i] = (struct workspace_op){op->kind, &paths[i], &tos[i], str_from(op->bytes), NULL};
    }
    if (status == STATUS_OK)
        status = workspace_write_all(run->fixture->workspace, ops, scene->count, &err);
    *run->said = (struct said){status, err};
    for (size_t i = 0; i < OPS_MAX; i++) {
        workspace_path_finish(&paths[i]);
        workspace_path_finish(&tos[i]);
    }
    return 0;
}

static struct said *share(void)
{
    void *memory =
        mmap(NULL, sizeof(struct said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    return memory;
}

/* -- What is there ---------------------------------------------------------------------------- */

static struct buf tree_text;
static size_t tree_prefix;

static int add_entry(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)kind;
    if (walk->level == 0)
        return 0;
    buf_append_c(&tree_text, path + tree_prefix);
    if (S_ISDIR(found->st_mode)) {
        buf_append_c(&tree_text, "/\n");
        return 0;
    }
    char bytes[64] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, bytes, sizeof(bytes) - 1);
    close(fd);
    buf_append_fmt(&tree_text, "=%.*s\n", length > 0 ? (int)length : 0, bytes);
    return 0;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every name below, sorted, with what files hold: also what was left behind. */
static const char *tree(const struct fixture *fixture, const char *folder)
{
    static struct buf sorted;
    VEC(char *) lines = {0};
    buf_clear(&tree_text);
    buf_clear(&sorted);
    buf_append_c(&sorted, "");
    tree_prefix = strlen(at(fixture, "%s/", folder));
    nftw(at(fixture, "%s", folder), add_entry, 8, FTW_PHYS);
    struct str rest = buf_str(&tree_text), line;
    while (str_next(&rest, '\n', &line))
        if (line.len)
            vec_push(&lines, str_dup_c(line));
    if (lines.len)
        qsort(lines.ptr, lines.len, sizeof(*lines.ptr), compare_lines);
    for (size_t i = 0; i < lines.len; i++) {
        buf_append_fmt(&sorted, "%s\n", lines.ptr[i]);
        mem_free(lines.ptr[i]);
    }
    vec_finish(&lines);
    return sorted.ptr;
}

static void assert_no_notes(const struct fixture *fixture, const char *where)
{
    cr_assert_str_eq(tree(fixture, "state/writes"), "", "%s: the note stays", where);
}

/* -- Killed, refused -------------------------------------------------------------------------- */

static const int faults[] = {WATCHED_KILL, ENOSPC, EIO};

static void strike(const struct scene *scene, unsigned call, int fault, bool *ret_was_old)
{
    struct fixture fixture;
    struct run run = {&fixture, scene, share()};
    char where[200];
    set_up(&fixture);
    snprintf(where, sizeof(where), "%s, call %u, fault %d", scene->name, call, fault);
    struct watched watched = watched_run(write_scene, &run, call, fault);
    bool is_old = strcmp(tree(&fixture, "ws"), scene->before) == 0;
    if (fault != WATCHED_KILL) {
        cr_assert_not(watched.was_killed, "%s", where);
        cr_assert_eq(watched.exit_code, 0);
        if (run.said->status < 0)
            cr_assert(is_old, "%s: it failed (%s), and yet:\n%s", where, run.said->err.text,
                      tree(&fixture, "ws"));
        cr_assert_eq(run.said->err.text[0] != '\0', run.said->status < 0, "%s: %s", where,
                     run.said->err.text);
    }
    struct buf report = {0};
    workspace_repair(fixture.workspace, &report);
    is_old = strcmp(tree(&fixture, "ws"), scene->before) == 0;
    cr_assert(is_old || strcmp(tree(&fixture, "ws"), scene->after) == 0, "%s:\n%s\n%s", where,
              tree(&fixture, "ws"), report.ptr);
    if (fault != WATCHED_KILL)
        cr_assert_eq(is_old, run.said->status < 0, "%s", where);
    assert_no_notes(&fixture, where);
    *ret_was_old = is_old;
    buf_finish(&report);
    munmap(run.said, sizeof(*run.said));
    fixture_finish(&fixture);
}

static unsigned count_calls(const struct scene *scene)
{
    struct fixture fixture;
    struct run run = {&fixture, scene, share()};
    set_up(&fixture);
    struct watched watched = watched_run(write_scene, &run, 0, WATCHED_NONE);
    cr_assert_eq(run.said->status, STATUS_OK, "%s", run.said->err.text);
    cr_assert_str_eq(tree(&fixture, "ws"), scene->after);
    assert_no_notes(&fixture, scene->name);
    munmap(run.said, sizeof(*run.said));
    fixture_finish(&fixture);
    return watched.calls;
}

Test(faults, sec_32_killed_or_refused_at_every_call_of_a_write)
{
    for (size_t i = 0; i < array_count(scenes); i++) {
        unsigned calls = count_calls(&scenes[i]), old = 0, all = 0;
        cr_assert_gt(calls, 8);
        for (unsigned call = 0; call < calls; call++) {
            for (size_t k = 0; k < array_count(faults); k++) {
                bool was_old;
                strike(&scenes[i], call, faults[k], &was_old);
                old += was_old;
                all++;
            }
        }
        cr_assert(old > 0 && old < all, "%s: old %u of %u", scenes[i].name, old, all);
    }
}

/* -- Killed twice ----------------------------------------------------------------------------- */

static int repair(void *user)
{
    struct run *run = user;
    struct buf report = {0};
    return (int)workspace_repair(run->fixture->workspace, &report);
}

/* The second process is killed while it takes back what the first one left. */
Test(faults, sec_32_killed_while_it_is_taken_back)
{
    const struct scene *scene = &scenes[array_count(scenes) - 1];
    unsigned calls = count_calls(scene);
    for (unsigned call = calls / 3; call < calls; call += 2) {
        for (unsigned again = 1;; again += 3) {
            struct fixture fixture;
            struct run run = {&fixture, scene, share()};
            struct buf report = {0};
            set_up(&fixture);
            watched_run(write_scene, &run, call, WATCHED_KILL);
            struct watched second = watched_run(repair, &run, again, WATCHED_KILL);
            workspace_repair(fixture.workspace, &report);
            bool is_old = strcmp(tree(&fixture, "ws"), scene->before) == 0;
            cr_assert(is_old || strcmp(tree(&fixture, "ws"), scene->after) == 0,
                      "killed at %u and %u:\n%s", call, again, tree(&fixture, "ws"));
            assert_no_notes(&fixture, scene->name);
            buf_finish(&report);
            munmap(run.said, sizeof(*run.said));
            fixture_finish(&fixture);
            if (!second.was_killed)
                break;
        }
    }
}

/* -- What a person has done since ------------------------------------------------------------- */

Test(faults, sec_32_what_was_changed_since_the_crash_stays)
{
    const struct scene *scene = &scenes[array_count(scenes) - 1];
    unsigned calls = count_calls(scene), kept = 0;
    for (unsigned call = 0; call < calls; call++) {
        struct fixture fixture;
        struct run run = {&fixture, scene, share()};
        struct buf report = {0};
        set_up(&fixture);
        watched_run(write_scene, &run, call, WATCHED_KILL);
        bool was_new = strcmp(get_file(&fixture, "ws/a"), "new a") == 0;
        put_file(&fixture, "ws/a", "mine, typed since");
        workspace_repair(fixture.workspace, &report);
        cr_assert_str_eq(get_file(&fixture, "ws/a"), "mine, typed since");
        if (was_new && report.len) {
            kept++;
            cr_assert(strstr(report.ptr, "a was changed since and stays"), "%s", report.ptr);
            cr_assert(strstr(report.ptr, "Its earlier text is beside it in .lanebridge"), "%s",
                      report.ptr);
            cr_assert(strstr(tree(&fixture, "ws"), "=old a\n"), "%s", tree(&fixture, "ws"));
        }
        buf_finish(&report);
        munmap(run.said, sizeof(*run.said));
        fixture_finish(&fixture);
    }
    cr_assert_gt(kept, 0);
}

/* What a process does that has changed its files: its note goes. */
static void end_change(void *user)
{
    const struct fixture *fixture = user;
    DIR *folder = opendir(at(fixture, "state/writes"));
    struct dirent *entry;
    unsigned removed = 0;
    cr_assert_not_null(folder);
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            removed += unlink(at(fixture, "state/writes/%s", entry->d_name)) == 0;
    closedir(folder);
    cr_assert_eq(removed, 1);
}

/* The change ends after a repair has opened its note, and before it has the note's lock: there is
 * nothing to take back. Without that end the same repair takes it back. */
Test(faults, sec_32_a_change_that_ends_while_a_repair_looks_at_it_stays)
{
    const struct scene *scene = &scenes[0];
    unsigned calls = count_calls(scene), taken = 0;
    for (unsigned call = 0; call < calls; call++) {
        for (int ends = 0; ends < 2; ends++) {
            struct fixture fixture;
            struct run run = {&fixture, scene, share()};
            set_up(&fixture);
            watched_run(write_scene, &run, call, WATCHED_KILL);
            bool is_new = strcmp(get_file(&fixture, "ws/a"), "new a") == 0;
            bool is_open = strcmp(tree(&fixture, "state/writes"), "") != 0;
            if (is_new && is_open) {
                struct watched repaired =
                    ends ? watched_run_while(repair, &run, SYS_flock, end_change, &fixture)
                         : watched_run(repair, &run, 0, WATCHED_NONE);
                taken += !ends && repaired.exit_code == 1;
                if (ends) {
                    cr_assert_eq(repaired.exit_code, 0, "killed at %u", call);
                    cr_assert_str_eq(get_file(&fixture, "ws/a"), "new a");
                }
            }
            munmap(run.said, sizeof(*run.said));
            fixture_finish(&fixture);
        }
    }
    cr_assert_gt(taken, 0);
}

Test(faults, a_change_of_a_living_process_is_left_alone)
{
    struct fixture fixture;
    struct run run = {&fixture, &scenes[3], share()};
    set_up(&fixture);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            write_scene(&run);
            if (run.said->status < 0 || getppid() == 1)
                _exit(1);
            put_file(&fixture, "ws/b", "old b");
            put_file(&fixture, "ws/d/c", "old c");
            unlink(at(&fixture, "ws/x/b"));
            unlink(at(&fixture, "ws/x/new"));
        }
    }
    for (int i = 0; i < 300; i++) {
        struct buf report = {0};
        cr_assert_eq(workspace_repair(fixture.workspace, &report), 0, "%s", report.ptr);
        buf_finish(&report);
    }
    kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    cr_assert(WIFSIGNALED(status), "it failed: %s", run.said->err.text);
    munmap(run.said, sizeof(*run.said));
    fixture_finish(&fixture);
}

/* -- A disk that is really full --------------------------------------------------------------- */

enum { FULL_BYTES = 256 * 1024, NO_MOUNT = 77 };

/* In a mount namespace of its own, on a tmpfs of that size. */
static int fill_disk(struct run *run)
{
    const char *folder = at(run->fixture, "ws");
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=262144") < 0)
        return NO_MOUNT;
    put_file(run->fixture, "ws/a", "old a");
    put_file(run->fixture, "ws/b", "old b");
    struct workspace *workspace =
        workspace_new(run->fixture->loop, str_from(at(run->fixture, "state")), STR(""));
    struct workspace_path paths[2];
    struct buf large = {0};
    buf_append_repeat(&large, 'x', FULL_BYTES);
    workspace_add_root(workspace, str_from(folder), (struct str){0}, NULL);
    workspace_resolve(workspace, NULL, STR("a"), &paths[0], NULL);
    workspace_resolve(workspace, NULL, STR("b"), &paths[1], NULL);
    struct workspace_op ops[] = {{WORKSPACE_WRITE, &paths[0], NULL, STR("new a"), NULL},
                                 {WORKSPACE_WRITE, &paths[1], NULL, buf_str(&large), NULL}};
    run->said->status = workspace_write_all(workspace, ops, 2, &run->said->err);
    return strcmp(tree(run->fixture, "ws"), "a=old a\nb=old b\n") == 0 ? 0 : 1;
}

Test(faults, sec_32_a_full_disk_changes_nothing_and_is_named)
{
    struct fixture fixture;
    struct run run = {&fixture, NULL, share()};
    int status = 0;
    set_up(&fixture);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fill_disk(&run));
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_MOUNT)
        cr_skip("no mounts in a namespace of our own here");
    cr_assert_eq(WEXITSTATUS(status), 0, "something changed, or was left");
    cr_assert_lt(run.said->status, 0);
    cr_assert_str_eq(run.said->err.text,
                     "b cannot be written: the disk is full; make room and try again");
    munmap(run.said, sizeof(*run.said));
    fixture_finish(&fixture);
}

/* -- Nothing by halves ------------------------------------------------------------------------ */

Test(faults, one_that_is_refused_keeps_all_from_happening)
{
    static const struct {
        struct op bad;
        enum status status;
        const char *says;
    } cases[] = {
        {{WORKSPACE_REMOVE, "none", NULL, NULL}, STATUS_NOT_FOUND, "none does not exist"},
        {{WORKSPACE_WRITE, "link", NULL, "x"}, STATUS_DENIED, "symbolic link"},
        {{WORKSPACE_WRITE, "hard", NULL, "x"}, STATUS_DENIED, "2 names"},
        {{WORKSPACE_WRITE, "d", NULL, "x"}, STATUS_UNSUPPORTED, "not a regular file"},
        {{WORKSPACE_REMOVE, "d", NULL, NULL}, STATUS_UNSUPPORTED, "is a folder"},
        {{WORKSPACE_MOVE, "d/c", "a", "x"}, STATUS_EXISTS, "a exists already"},
        {{WORKSPACE_WRITE, "out/x", NULL, "x"}, STATUS_DENIED, "outside"},
        {{WORKSPACE_WRITE, "a/x", NULL, "x"}, STATUS_NOT_FOUND, "a folder on the way is a file"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct fixture fixture;
        struct scene scene = {
            .ops = {{WORKSPACE_WRITE, "b", NULL, "new b"}, {WORKSPACE_WRITE, "n/e/w", NULL, "new"}},
            .count = 3};
        struct said said;
        struct run run = {&fixture, &scene, &said};
        scene.ops[2] = cases[i].bad;
        set_up(&fixture);
        put_link(&fixture, "ws/link", "a");
        put_link(&fixture, "ws/out", "../outside");
        put_file(&fixture, "ws/one", "two names");
        cr_assert_eq(link(at(&fixture, "ws/one"), at(&fixture, "ws/hard")), 0);
        char *before = mem_dup_c(tree(&fixture, "ws"));
        write_scene(&run);
        cr_assert_eq(said.status, cases[i].status, "case %zu: %s", i, said.err.text);
        cr_assert(strstr(said.err.text, cases[i].says), "case %zu: %s", i, said.err.text);
        cr_assert_str_eq(tree(&fixture, "ws"), before, "case %zu", i);
        mem_free(before);
        fixture_finish(&fixture);
    }
}

Test(faults, mode_is_kept_also_of_what_moves)
{
    struct fixture fixture;
    struct said said;
    struct run run = {&fixture, &scenes[3], &said};
    struct stat found;
    set_up(&fixture);
    chmod(at(&fixture, "ws/a"), 0755);
    chmod(at(&fixture, "ws/b"), 0600);
    write_scene(&run);
    cr_assert_eq(said.status, STATUS_OK, "%s", said.err.text);
    cr_assert(stat(at(&fixture, "ws/a"), &found) == 0 && (found.st_mode & 07777) == 0755);
    cr_assert(stat(at(&fixture, "ws/x/b"), &found) == 0 && (found.st_mode & 07777) == 0600);
    cr_assert(stat(at(&fixture, "ws/x/new"), &found) == 0 && (found.st_mode & 07777) == 0644);
    fixture_finish(&fixture);
}

Test(faults, what_is_not_as_expected_keeps_all_from_happening)
{
    struct fixture fixture;
    set_up(&fixture);
    struct workspace_path a = resolve(&fixture, "a"), b = resolve(&fixture, "b");
    struct workspace_stat stat_a, stat_b;
    struct err err = {0};
    workspace_stat(&a, &stat_a, NULL);
    workspace_stat(&b, &stat_b, NULL);
    put_file(&fixture, "ws/b", "somebody was here");
    struct workspace_op ops[] = {{WORKSPACE_WRITE, &a, NULL, STR("new a"), &stat_a},
                                 {WORKSPACE_WRITE, &b, NULL, STR("new b"), &stat_b}};
    cr_assert_eq(workspace_write_all(fixture.workspace, ops, 2, &err), STATUS_CONFLICT);
    cr_assert_str_eq(err.text, "b has changed on disk since it was read; read it again");
    cr_assert_str_eq(tree(&fixture, "ws"), "a=old a\nb=somebody was here\nd/\nd/c=old c\n");
    workspace_path_finish(&a);
    workspace_path_finish(&b);
    fixture_finish(&fixture);
}
