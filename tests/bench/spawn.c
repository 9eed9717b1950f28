/* What a sandboxed `true` costs in a repository of 50,000 files and 500 protected names, beside a
 * plain spawn and a plain bubblewrap, in one run and in turns. usage: bench-spawn [RUNS [FILES
 * [NAMES]]] Ours is everything exec_command does for it: the look at the folders before, the
 * arguments, the command, the comparison afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lanebridge/policy.h>

#include "bench.h"

extern char **environ;

enum { FOLDER_FILES = 50, MAX_RUNS = 999, GOAL_MS = 12 };

static char base[64];

/* -- The repository --------------------------------------------------------------------------- */

static void make(const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    for (char *slash = path + strlen(base) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            bench_die("%s cannot be made: %s", path, strerror(errno));
        *slash = '/';
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, content, strlen(content)) < 0)
        bench_die("%s cannot be written: %s", path, strerror(errno));
    close(fd);
}

static void make_repository(unsigned files, unsigned names)
{
    static const char *const top[] = {".git/HEAD",      ".git/config", ".gitattributes",
                                      ".vscode/a.json", ".envrc",      "AGENTS.md",
                                      ".npmrc",         ".env.example"};
    static const char *const kinds[] = {".vscode/settings.json", "AGENTS.md", ".clangd", ".npmrc"};
    char name[128];
    for (unsigned i = 0; i < array_count(top); i++)
        make(top[i], "x\n");
    for (unsigned i = 0; i < files; i++) {
        snprintf(name, sizeof(name), "part%u/module%u/file%u.c", i / FOLDER_FILES / 40,
                 i / FOLDER_FILES, i);
        make(name, "int x;\n");
    }
    for (unsigned i = array_count(top); i < names; i++) {
        unsigned folder = i % (files / FOLDER_FILES + 1);
        snprintf(name, sizeof(name), "part%u/module%u/%s", folder / 40, folder,
                 kinds[i / 2 % array_count(kinds)]);
        make(name, "x\n");
    }
}

static void remove_repository(void)
{
    const char *argv[] = {"rm", "-rf", base, NULL};
    pid_t pid;
    if (posix_spawnp(&pid, "rm", NULL, NULL, (char **)argv, environ) == 0)
        waitpid(pid, NULL, 0);
}

/* -- Spawning --------------------------------------------------------------------------------- */

static void run(char *const *argv, char *const *env, int child_fd, int fd)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int state;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, fd, child_fd);
    int failed = posix_spawn(&pid, argv[0], &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    if (failed || waitpid(pid, &state, 0) != pid || !WIFEXITED(state) || WEXITSTATUS(state))
        bench_die("%s failed: %s", argv[0], failed ? strerror(failed) : "its exit code");
}

static double ms_since(uint64_t start_ns)
{
    return (double)(time_mono_ns() - start_ns) / 1e6;
}

static double run_plain(const char *a, const char *b, const char *c)
{
    const char *argv[] = {a, b, c, NULL};
    uint64_t start = time_mono_ns();
    run((char **)argv, environ, 0, -1);
    return ms_since(start);
}

static double run_bubblewrap(const char *program)
{
    const char *argv[] = {program,
                          "--unshare-user",
                          "--unshare-pid",
                          "--unshare-ipc",
                          "--unshare-uts",
                          "--unshare-net",
                          "--die-with-parent",
                          "--new-session",
                          "--ro-bind",
                          "/",
                          "/",
                          "--dev",
                          "/dev",
                          "--proc",
                          "/proc",
                          "--tmpfs",
                          "/tmp",
                          "--bind",
                          base,
                          base,
                          "--chdir",
                          base,
                          "/bin/true",
                          NULL};
    uint64_t start = time_mono_ns();
    run((char **)argv, environ, 0, -1);
    return ms_since(start);
}

struct costs {
    double look, build, command, compare;
};

static struct costs run_ours(struct policy *policy)
{
    struct policy_command command = {.command = STR("true"), .workdir = str_from(base)};
    struct policy_launch launch;
    struct costs costs;
    struct buf report = {0};
    struct err err = {0};
    uint64_t start = time_mono_ns();
    struct policy_guard *guard = policy_guard_new(policy, &command);
    policy_guard_look(guard);
    costs.look = ms_since(start);
    start = time_mono_ns();
    if (policy_launch_build(policy, &command, guard, NULL, 0, true, &launch, &err) < 0)
        bench_die("no launch: %s", err.text);
    costs.build = ms_since(start);
    start = time_mono_ns();
    run(launch.argv, launch.env, launch.seccomp_child_fd, launch.seccomp_fd);
    costs.command = ms_since(start);
    start = time_mono_ns();
    if (policy_guard_compare(guard, &report))
        bench_die("true changed a protected name: %s", report.ptr);
    costs.compare = ms_since(start);
    policy_launch_finish(&launch);
    policy_guard_free(guard);
    buf_finish(&report);
    return costs;
}

/* -- Measuring -------------------------------------------------------------------------------- */

enum row { PLAIN, SHELL, BUBBLEWRAP, OURS, LOOK, BUILD, COMMAND, COMPARE, ROWS_COUNT };
static const struct {
    const char *name;
    double goal;
} rows[] = {
    [PLAIN] = {"plain spawn of true", 0},
    [SHELL] = {"plain spawn of bash -c true", 0},
    [BUBBLEWRAP] = {"plain bubblewrap of true", 0},
    [OURS] = {"sandboxed true, until it has ended", GOAL_MS},
    [LOOK] = {"  of it: the look at the folders", 0},
    [BUILD] = {"  of it: the arguments", 0},
    [COMMAND] = {"  of it: bubblewrap, bash, true", 0},
    [COMPARE] = {"and the comparison afterwards", 0},
};

static void measure(struct policy *policy, unsigned runs)
{
    static double values[ROWS_COUNT][MAX_RUNS];
    struct costs first = run_ours(policy);
    usleep(50000); /* what was read is old enough now to be believed */
    run_ours(policy);
    for (unsigned i = 0; i < runs; i++) {
        values[PLAIN][i] = run_plain("/bin/true", NULL, NULL);
        values[SHELL][i] = run_plain("/bin/bash", "-c", "true");
        values[BUBBLEWRAP][i] = run_bubblewrap(policy_sandbox_program(policy));
        struct costs ours = run_ours(policy);
        values[OURS][i] = ours.look + ours.build + ours.command;
        values[LOOK][i] = ours.look;
        values[BUILD][i] = ours.build;
        values[COMMAND][i] = ours.command;
        values[COMPARE][i] = ours.compare;
    }
    for (int row = 0; row < ROWS_COUNT; row++)
        bench_print_row(rows[row].name, "ms", rows[row].goal, values[row], runs);
    printf("the first look, which reads every folder: %.1f ms\n", first.look);
}

/* Masks at any depth: what the user keeps from agents, and nobody else's business how many files
 * there are. */
static void measure_masks(struct policy *policy, unsigned runs)
{
    static double values[2][MAX_RUNS];
    make(".agentignore", "*.withheld\nkept/\n");
    make("part0/module1/a.withheld", "x\n");
    make("part3/module129/b.withheld", "x\n");
    make("part7/module300/kept/c", "x\n");
    make(".env", "x\n");
    struct costs first = run_ours(policy);
    usleep(50000);
    run_ours(policy);
    for (unsigned i = 0; i < runs; i++) {
        struct costs ours = run_ours(policy);
        values[0][i] = ours.look + ours.build + ours.command;
        values[1][i] = ours.look;
    }
    bench_print_row("the same, .agentignore and .env: 4 masks", "ms", GOAL_MS, values[0], runs);
    bench_print_row("  of it: the look at the folders", "ms", 0, values[1], runs);
    printf("the first look, which reads every folder anew: %.1f ms\n", first.look);
}

static const char *find_home(const char *name)
{
    static char home[96];
    snprintf(home, sizeof(home), "%s-home", base);
    return strcmp(name, "HOME") == 0 ? home : NULL;
}

int main(int argc, char **argv)
{
    unsigned runs = argc > 1 ? (unsigned)atoi(argv[1]) : 201;
    unsigned files = argc > 2 ? (unsigned)atoi(argv[2]) : 50000;
    unsigned names = argc > 3 ? (unsigned)atoi(argv[3]) : 500;
    struct config_env env;
    struct err err = {0};
    bench_isolate();
    runs = runs < 1 ? 1 : runs > MAX_RUNS ? MAX_RUNS : runs;
    snprintf(base, sizeof(base), "/tmp/lanebridge-bench-spawn-XXXXXX");
    if (!mkdtemp(base))
        bench_die("no folder: %s", strerror(errno));
    make_repository(files, names);
    config_env_init(&env, find_home);
    struct config *config = config_new();
    struct loop *loop = loop_new(&err);
    struct workspace *workspace =
        workspace_new(loop, str_from(env.state_folder), str_from(env.home));
    workspace_add_root(workspace, str_from(base), STR("bench"), &err);
    struct policy *policy = policy_new(config, workspace, &env);
    int skipped = policy_sandbox_test(policy, &err) != TIER_BUBBLEWRAP;
    if (skipped)
        printf("skipped: %s\n", err.text);
    else {
        printf("spawn: %u files, %u protected names\n", files, names);
        bench_print_machine();
        measure(policy, runs);
        measure_masks(policy, runs);
    }
    policy_free(policy);
    workspace_free(workspace);
    loop_free(loop);
    config_free(config);
    remove_repository();
    snprintf(base + strlen(base), sizeof(base) - strlen(base), "-home");
    remove_repository();
    config_env_finish(&env);
    return 0;
}
