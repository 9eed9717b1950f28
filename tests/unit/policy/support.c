#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

char base[128];
struct loop *loop;
struct workspace *workspace;
struct config *config;
struct config_env env;
struct policy *policy;
struct err err;

const char *at(const char *format, ...)
{
    static char ring[8][512];
    static unsigned next;
    char *out = ring[next++ % 8];
    int len = snprintf(out, 512, "%s/", base);
    va_list args;
    va_start(args, format);
    vsnprintf(out + len, 512 - (size_t)len, format, args);
    va_end(args);
    return out;
}

static const char *get_variable(const char *name)
{
    return strcmp(name, "HOME") == 0 ? at("home") : NULL;
}

void make_policy(void)
{
    policy_free(policy);
    policy = policy_new(config, workspace, &env);
}

void begin(void)
{
    static const char *const folders[] = {"home", "state", "ws", "outside"};
    /* /tmp is masked in the sandbox as a whole; tests/unprivileged has a place that is not. */
    const char *place = getenv("LANEBRIDGE_TEST_BASE");
    snprintf(base, sizeof(base), "%s/lanebridge-policy-XXXXXX", place ? place : "/tmp");
    cr_assert(mkdtemp(base));
    for (size_t i = 0; i < array_count(folders); i++)
        cr_assert_eq(mkdir(at("%s", folders[i]), 0700), 0);
    config_env_init(&env, get_variable);
    config = config_new();
    loop = loop_new(&err);
    workspace = workspace_new(loop, str_from(env.state_folder), str_from(env.home));
    cr_assert_eq(workspace_add_root(workspace, str_from(at("ws")), STR("ws"), &err), STATUS_OK,
                 "%s", err.text);
    make_policy();
}

void end(void)
{
    char command[256];
    policy_free(policy);
    policy = NULL;
    workspace_free(workspace);
    loop_free(loop);
    config_free(config);
    config_env_finish(&env);
    snprintf(command, sizeof(command), "/bin/rm -rf '%s'", base);
    cr_assert_eq(system(command), 0);
}

void need_sandbox(void)
{
    if (policy_sandbox_test(policy, &err) != TIER_BUBBLEWRAP)
        cr_skip_test("no sandbox here: %s", err.text);
}

/* As on a kernel without it. */
void forbid_landlock(void)
{
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_landlock_create_ruleset, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {array_count(instructions), instructions};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

void set(const char *json)
{
    struct json_value *value = NULL;
    struct buf warnings = {0};
    cr_assert_eq(json_parse(str_from(json), &value, NULL), STATUS_OK);
    config_apply(config, CONFIG_FILE, value, &warnings);
    cr_assert_eq(warnings.len, 0, "%s", warnings.ptr);
    json_free(value);
}

void put(const char *name, const char *content)
{
    char path[512];
    snprintf(path, sizeof(path), "%s", at("%s", name));
    for (char *slash = path + strlen(base) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(path, 0755);
    }
    FILE *file = fopen(path, "w");
    cr_assert(file, "%s", path);
    fputs(content, file);
    fclose(file);
}

const char *get(const char *name)
{
    static char text[4096];
    FILE *file = fopen(at("%s", name), "r");
    if (!file)
        return "(none)";
    size_t got = fread(text, 1, sizeof(text) - 1, file);
    text[got] = '\0';
    fclose(file);
    return text;
}

struct policy_command command_of(const char *text)
{
    return (struct policy_command){.command = str_from(text), .workdir = str_from(at("ws"))};
}

enum policy_answer ask(const char *text)
{
    struct policy_command command = command_of(text);
    struct policy_verdict verdict;
    policy_check_command(policy, &command, &verdict);
    return verdict.answer;
}

int text_fd(const char *text)
{
    int fd = memfd_create("unsaved", MFD_CLOEXEC);
    cr_assert_eq(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
    return fd;
}

struct outcome spawn_and_wait(char *const *argv, char *const *environment, const int (*fds)[2],
                              size_t fd_count)
{
    struct outcome outcome = {.code = -1};
    int ends[2], state;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    /* High numbers first, so that no duplicate lands on a source. */
    int out = fcntl(ends[1], F_DUPFD_CLOEXEC, 200);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    int high[16];
    for (size_t i = 0; i < fd_count; i++) {
        high[i] = fcntl(fds[i][1], F_DUPFD_CLOEXEC, 100);
        posix_spawn_file_actions_adddup2(&actions, high[i], fds[i][0]);
    }
    int failed = posix_spawn(&pid, argv[0], &actions, NULL, argv, environment);
    cr_assert_eq(failed, 0, "%s: %s", argv[0], strerror(failed));
    close(out);
    close(ends[1]);
    for (size_t i = 0; i < fd_count; i++)
        close(high[i]);
    size_t len = 0;
    for (ssize_t got;
         (got = read(ends[0], outcome.text + len, sizeof(outcome.text) - 1 - len)) > 0;)
        len += (size_t)got;
    close(ends[0]);
    cr_assert_eq(waitpid(pid, &state, 0), pid);
    outcome.code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    posix_spawn_file_actions_destroy(&actions);
    return outcome;
}

struct outcome run_launch(const struct policy_command *command, const struct policy_bind *binds,
                          size_t count, bool sandboxed)
{
    struct policy_launch launch = {.seccomp_fd = -1};
    int fds[16][2];
    size_t fd_count = 0;
    cr_assert_eq(policy_launch_build(policy, command, NULL, binds, count, sandboxed, &launch, &err),
                 STATUS_OK, "%s", err.text);
    for (; fd_count < count; fd_count++) {
        fds[fd_count][0] = binds[fd_count].child_fd;
        fds[fd_count][1] = binds[fd_count].fd;
    }
    if (launch.seccomp_fd >= 0) {
        fds[fd_count][0] = launch.seccomp_child_fd;
        fds[fd_count++][1] = launch.seccomp_fd;
    }
    struct outcome outcome =
        spawn_and_wait(launch.argv, launch.env, (const int(*)[2])fds, fd_count);
    policy_launch_finish(&launch);
    return outcome;
}

struct outcome run(const char *text)
{
    struct policy_command command = command_of(text);
    return run_launch(&command, NULL, 0, true);
}
