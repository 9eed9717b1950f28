/* grep in a tree of 2,000 and one of 50,000 files, beside ripgrep on the same tree in the same run.
 * usage: bench-search [RUNS [FILES…]]
 * Ours runs in this process as the tool does, from the call to the callback, ignore files and open
 * texts included; ripgrep's time has its start in it, which is some 2 ms. Both read from the page
 * cache. Every answer is checked: both find the same number of lines. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lanebridge/workspace.h>

#include "bench.h"

extern char **environ;

enum { FOLDER_FILES = 50, FILE_LINES = 160, RARE_EVERY = 500, MAX_RUNS = 99 };

static const struct search_case {
    const char *name, *pattern;
    bool fixed;
} cases[] = {
    {"literal", "find_the_needle(", true},
    {"regex", "needle_[a-z]+\\([0-9]{2}\\)", false},
    {"no match", "nothing_is_called_like_this", true},
};

/* -- The tree --------------------------------------------------------------------------------- */

static void make_folder(const char *path)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        bench_die("%s cannot be made: %s", path, strerror(errno));
}

static void write_file(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len)
        bench_die("%s cannot be written: %s", path, strerror(errno));
    close(fd);
}

static void append_line(struct buf *text, unsigned number, unsigned i)
{
    switch ((i + number) % 5) {
    case 0:
        buf_append_fmt(text, "static int function_%u_%u(const char *text, size_t length)\n", number,
                       i);
        return;
    case 1:
        buf_append_fmt(text, "    for (size_t i = %u; i < length + %u; i++)\n", number, i);
        return;
    case 2:
        buf_append_fmt(text, "        total += table[text[i]] * %uu + %uu;\n", number, i);
        return;
    case 3:
        buf_append_fmt(text, "    /* the value %u of row %u was measured */\n", number, i);
        return;
    default:
        buf_append_fmt(text, "    return total > %u ? -1 : %u;\n", number, i);
    }
}

static void write_source(const char *path, unsigned number)
{
    struct buf text = {0};
    for (unsigned i = 0; i < FILE_LINES; i++) {
        append_line(&text, number, i);
        if (number % RARE_EVERY == 0 && i == FILE_LINES / 2)
            buf_append_fmt(&text, "    find_the_needle(needle_in(%02u));\n", number % 90 + 10);
    }
    write_file(path, buf_str(&text));
    buf_finish(&text);
}

static void make_tree(const char *root, unsigned files)
{
    char path[512];
    make_folder(root);
    snprintf(path, sizeof(path), "%s/.git", root);
    make_folder(path);
    snprintf(path, sizeof(path), "%s/.gitignore", root);
    write_file(path, STR("*.o\nbuild/\n/out\n!keep.o\nnode_modules/\n*.py[co]\n"));
    for (unsigned i = 0; i < files; i++) {
        unsigned folder = i / FOLDER_FILES;
        snprintf(path, sizeof(path), "%s/part%u", root, folder / 40);
        if (i % (FOLDER_FILES * 40) == 0)
            make_folder(path);
        snprintf(path, sizeof(path), "%s/part%u/module%u", root, folder / 40, folder);
        if (i % FOLDER_FILES == 0)
            make_folder(path);
        snprintf(path, sizeof(path), "%s/part%u/module%u/file%u.%s", root, folder / 40, folder, i,
                 i % 10 == 9 ? "o" : "c");
        write_source(path, i);
    }
}

static void remove_tree(const char *root)
{
    pid_t pid;
    const char *argv[] = {"rm", "-rf", root, NULL};
    if (posix_spawnp(&pid, "rm", NULL, NULL, (char **)argv, environ) == 0)
        waitpid(pid, NULL, 0);
}

/* -- Ours ------------------------------------------------------------------------------------- */

struct ours {
    struct loop *loop;
    size_t lines;
    bool done;
};

static void on_done(void *user, const struct workspace_results *results)
{
    struct ours *ours = user;
    if (results->status != STATUS_OK || results->timed_out || results->limited)
        bench_die("our search did not end well: %s", results->error);
    ours->lines = results->total;
    ours->done = true;
    loop_stop(ours->loop);
}

static double run_ours(const char *root, const struct search_case *what, size_t *ret_lines)
{
    struct err err;
    struct ours ours = {.loop = loop_new(&err)};
    struct workspace *workspace =
        workspace_new(ours.loop, STR("/nonexistent"), STR("/nonexistent"));
    struct workspace_path folder;
    if (workspace_add_root(workspace, str_from(root), STR("tree"), &err) < 0 ||
        workspace_resolve(workspace, NULL, STR("."), &folder, &err) < 0)
        bench_die("%s", err.text);
    struct workspace_search search = {
        .folder = &folder,
        .limit = 100000,
        .pattern = str_from(what->pattern),
        .fixed = what->fixed,
    };
    uint64_t start = time_mono_ns();
    workspace_grep(workspace, &search, on_done, &ours);
    while (!ours.done)
        loop_run(ours.loop);
    double ms = (double)(time_mono_ns() - start) / 1e6;
    *ret_lines = ours.lines;
    workspace_path_finish(&folder);
    workspace_free(workspace);
    loop_free(ours.loop);
    return ms;
}

/* -- Theirs ----------------------------------------------------------------------------------- */

static double run_theirs(const char *root, const struct search_case *what, size_t *ret_lines)
{
    int out[2];
    char text[65536];
    posix_spawn_file_actions_t actions;
    pid_t pid;
    const char *argv[] = {"rg",
                          "-n",
                          "--no-heading",
                          "--color=never",
                          "--no-messages",
                          what->fixed ? "-F" : "-s",
                          "-e",
                          what->pattern,
                          (char *)root,
                          NULL};
    if (pipe(out) < 0)
        bench_die("no pipe: %s", strerror(errno));
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, out[1]);
    uint64_t start = time_mono_ns();
    if (posix_spawnp(&pid, "rg", &actions, NULL, (char **)argv, environ) != 0)
        bench_die("rg is not here; install the package ripgrep");
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    *ret_lines = 0;
    for (ssize_t got; (got = read(out[0], text, sizeof(text))) > 0;) {
        for (ssize_t i = 0; i < got; i++)
            *ret_lines += text[i] == '\n';
    }
    close(out[0]);
    waitpid(pid, NULL, 0);
    return (double)(time_mono_ns() - start) / 1e6;
}

/* -- Table ------------------------------------------------------------------------------------ */

static void run_case(const char *root, unsigned files, const struct search_case *what, size_t runs)
{
    double ours[MAX_RUNS], theirs[MAX_RUNS];
    size_t our_lines, their_lines;
    run_ours(root, what, &our_lines); /* both from the page cache */
    for (size_t i = 0; i < runs; i++) {
        theirs[i] = run_theirs(root, what, &their_lines);
        ours[i] = run_ours(root, what, &our_lines);
        if (our_lines != their_lines)
            bench_die("%s: we found %zu lines, ripgrep %zu", what->name, our_lines, their_lines);
    }
    bench_sort(ours, runs);
    bench_sort(theirs, runs);
    double our = bench_percentile(ours, runs, 0.5), their = bench_percentile(theirs, runs, 0.5);
    printf("%7u  %-9s %6zu  %8.1f (%.1f to %.1f)   %8.1f (%.1f to %.1f)   %.2f\n", files,
           what->name, our_lines, our, ours[0], ours[runs - 1], their, theirs[0], theirs[runs - 1],
           our / their);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"2000", "50000"};
    size_t runs = argc > 1 ? (size_t)atoi(argv[1]) : 7;
    size_t trees = argc > 2 ? (size_t)argc - 2 : array_count(usual);
    char root[256];
    loop_prepare_process();
    if (runs < 1 || runs > MAX_RUNS)
        bench_die("1 to %d runs", MAX_RUNS);
    if (access("/usr/bin/rg", X_OK) < 0) {
        puts("skipped: ripgrep is not installed");
        return 77;
    }
    bench_print_machine();
    printf(
        "  files  search     lines  ours, ms (lowest to highest)   ripgrep, ms          ratio\n");
    for (size_t t = 0; t < trees; t++) {
        unsigned files = (unsigned)atoi(argc > 2 ? argv[t + 2] : usual[t]);
        snprintf(root, sizeof(root), "/tmp/lanebridge-bench-search-%d", (int)getpid());
        make_tree(root, files);
        for (size_t i = 0; i < array_count(cases); i++)
            run_case(root, files, &cases[i], runs);
        remove_tree(root);
    }
    return 0;
}
