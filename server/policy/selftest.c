/* Whether the sandbox works here is not asked of versions but tried, with the same arguments that
 * commands get. */
#include "policy-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEST_MS = 5000, SAID_BYTES = 400 };

/* What bubblewrap says, and what to do about it. */
static const struct {
    const char *said, *advice;
} advices[] = {
    {"Can't mount proc",
     "this container forbids a private /proc; if the container is your sandbox, "
     "set sandbox.mode to \"external\""},
    {"uid map", "user namespaces are forbidden here; on Ubuntu 24.04 or later install an AppArmor "
                "profile for bwrap (see the guide, \"Sandbox\")"},
    {"namespace",
     "user namespaces are forbidden here; allow them (kernel.unprivileged_userns_clone=1, "
     "or an AppArmor profile for bwrap on Ubuntu), or, in a container that is your "
     "sandbox, set sandbox.mode to \"external\""},
    {"loopback", "the network namespace cannot be set up; on Ubuntu 24.04 or later install an "
                 "AppArmor profile for bwrap (see the guide, \"Sandbox\")"},
    {"", "see the guide, \"Sandbox\""},
};

static const char *advice_for(struct str said)
{
    size_t i = 0;
    while (str_find(said, str_from(advices[i].said), 0) == STR_NONE)
        i++;
    return advices[i].advice;
}

/* Nothing that a workspace could have planted: absolute, and not inside a root. */
static char *find_bwrap(const struct policy *policy)
{
    struct str rest = str_from(getenv("PATH"));
    for (struct str part; rest.len && str_next(&rest, ':', &part);) {
        struct buf path = {0};
        struct stat st;
        if (!part.len || part.ptr[0] != '/')
            continue;
        path_append_join(&path, part, STR("bwrap"));
        if (stat(path.ptr, &st) == 0 && S_ISREG(st.st_mode) && access(path.ptr, X_OK) == 0 &&
            !root_of_folder(policy, buf_str(&path)))
            return buf_take(&path);
        buf_finish(&path);
    }
    return NULL;
}

/* Reads what it says until it ends or the time is over. */
static bool collect(int fd, struct buf *said)
{
    uint64_t until = time_mono_ns() + TEST_MS * 1000000ULL;
    char chunk[512];
    for (;;) {
        uint64_t now = time_mono_ns();
        struct pollfd wait = {fd, POLLIN, 0};
        int ready = poll(&wait, 1, now < until ? (int)((until - now) / 1000000) + 1 : 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got <= 0)
            return true;
        if (said->len < SAID_BYTES)
            buf_append(said, (struct str){chunk, (size_t)got});
    }
}

static int spawn(char **argv, char **env, int seccomp_fd, int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    /* Same number: dup2 onto itself takes the close-on-exec away (POSIX 2024, glibc does). */
    posix_spawn_file_actions_adddup2(&actions, seccomp_fd, SANDBOX_SECCOMP_FD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    int failed = posix_spawn(ret_pid, argv[0], &actions, &attributes, argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static int wait_for(pid_t pid, bool kill_first)
{
    int state = 0;
    if (kill_first)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &state, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static enum status run(char **argv, char **env, int seccomp_fd, struct err *err)
{
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "cannot make a pipe");
    int failed = spawn(argv, env, seccomp_fd, ends[1], &pid);
    close(ends[1]);
    struct buf said = {0};
    bool ended = failed == 0 && collect(ends[0], &said);
    close(ends[0]);
    int code = failed ? -1 : wait_for(pid, !ended);
    struct str text = str_trim(buf_str(&said));
    enum status status = STATUS_OK;
    if (failed)
        status = err_set_errno(err, failed, "bubblewrap (%s) cannot be started", argv[0]);
    else if (!ended)
        status = err_set(err, STATUS_TIMEOUT, "bubblewrap did not end within %d seconds",
                         TEST_MS / 1000);
    else if (code != 0)
        status = err_set(err, STATUS_UNSUPPORTED, "bubblewrap failed (" STR_FMT "): %s",
                         STR_ARG(text), advice_for(text));
    buf_finish(&said);
    return status;
}

static enum status try_bubblewrap(struct policy *policy, struct err *err)
{
    struct policy_strings argv = {0};
    struct policy_command command = {.workdir = STR("/")};
    struct sandbox_request request = {.command = &command, .seccomp_child_fd = SANDBOX_SECCOMP_FD};
    enum status status = sandbox_build(policy, &request, &argv, NULL, err);
    int fd = status == STATUS_OK ? seccomp_make_fd(&policy->filter, err) : -1;
    if (fd >= 0) {
        strings_push(&argv, "/bin/bash");
        strings_push(&argv, "--version");
        struct policy_launch launch = {.argv = strings_take(&argv), .seccomp_fd = fd};
        launch.env = environment_make(policy, NULL);
        status = run(launch.argv, launch.env, fd, err);
        policy_launch_finish(&launch);
    } else {
        status = STATUS_IO;
    }
    strings_finish(&argv);
    return status;
}

/* An old one does not know --size; it goes without. */
static enum status try_bubblewraps(struct policy *policy, struct err *err)
{
    policy->bwrap_has_size = true;
    enum status status = try_bubblewrap(policy, err);
    if (status == STATUS_OK || !strstr(err->text, "--size"))
        return status;
    policy->bwrap_has_size = false;
    return try_bubblewrap(policy, err);
}

static enum policy_tier find_tier(struct policy *policy, enum config_sandbox mode, struct err *err)
{
    if (mode == SANDBOX_EXTERNAL)
        return TIER_EXTERNAL;
    if (mode == SANDBOX_OFF) {
        err_set(err, STATUS_UNSUPPORTED,
                "sandbox.mode is \"off\", so every command asks; set it to \"on\" to change that");
        return TIER_NONE;
    }
    mem_free(policy->bwrap);
    policy->bwrap = find_bwrap(policy);
    if (!policy->bwrap) {
        err_set(err, STATUS_UNSUPPORTED,
                "bubblewrap is missing, so every command asks; install the package \"bubblewrap\"");
        return TIER_NONE;
    }
    if (seccomp_make_filter(&policy->filter, err) != STATUS_OK ||
        try_bubblewraps(policy, err) != STATUS_OK)
        return TIER_NONE;
    return TIER_BUBBLEWRAP;
}

enum policy_tier policy_sandbox_test(struct policy *policy, struct err *err)
{
    enum policy_tier tier = policy_sandbox_tier(policy);
    if (tier == TIER_UNKNOWN) {
        enum config_sandbox mode = policy->config->sandbox_mode;
        policy->tier_reason = (struct err){0};
        tier = find_tier(policy, mode, &policy->tier_reason);
        policy->tested_mode = mode;
        __atomic_store_n(&policy->tier, tier, __ATOMIC_RELEASE);
    }
    if (tier == TIER_NONE && err)
        *err = policy->tier_reason;
    return tier;
}

const char *policy_sandbox_program(const struct policy *policy)
{
    return policy->bwrap;
}

/* What was tested holds for the setting it was tested with: a workspace may have tightened it. */
enum policy_tier policy_sandbox_tier(const struct policy *policy)
{
    enum policy_tier tier = __atomic_load_n(&policy->tier, __ATOMIC_ACQUIRE);
    return tier == TIER_UNKNOWN || policy->tested_mode == policy->config->sandbox_mode
               ? tier
               : TIER_UNKNOWN;
}
