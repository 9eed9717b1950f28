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
#include <sys/utsname.h>
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
static bool is_bwrap(const struct policy *policy, const struct buf *path)
{
    struct stat st;
    return stat(path->ptr, &st) == 0 && S_ISREG(st.st_mode) && access(path->ptr, X_OK) == 0 &&
           !root_of_folder(policy, buf_str(path));
}

/* The system's is the one its profiles know; a package that brings its own has it beside the
 * program. */
static char *find_bwrap(const struct policy *policy)
{
    struct str rest = str_from(getenv("PATH"));
    struct buf path = {0};
    for (struct str part; rest.len && str_next(&rest, ':', &part);) {
        if (!part.len || part.ptr[0] != '/')
            continue;
        buf_clear(&path);
        path_append_join(&path, part, STR("bwrap"));
        if (is_bwrap(policy, &path))
            return buf_take(&path);
    }
    buf_clear(&path);
    if (path_append_beside_program(&path, STR("../libexec/lanebridge/bwrap")) &&
        is_bwrap(policy, &path))
        return buf_take(&path);
    buf_finish(&path);
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

/* Takes argv. */
static enum status try(struct policy *policy, struct policy_strings *argv, enum seccomp_kind kind,
                       struct err *err)
{
    int fd = seccomp_make_fd(&policy->filters[kind], err);
    struct policy_launch launch = {.argv = strings_take(argv), .seccomp_fd = fd};
    enum status status = STATUS_IO;
    if (fd >= 0) {
        launch.env = environment_make(policy, NULL, NULL);
        status = run(launch.argv, launch.env, fd, err);
    }
    policy_launch_finish(&launch);
    return status;
}

static enum status try_bubblewrap(struct policy *policy, struct err *err)
{
    struct policy_strings argv = {0};
    struct policy_command command = {.workdir = STR("/")};
    struct sandbox_request request = {.command = &command, .seccomp_child_fd = SANDBOX_SECCOMP_FD};
    enum status status = sandbox_build(policy, &request, &argv, NULL, err);
    strings_push(&argv, "/bin/bash");
    strings_push(&argv, "--version");
    if (status == STATUS_OK)
        status = try(policy, &argv, SECCOMP_BUBBLEWRAP, err);
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

/* That something runs says little here: it must also be held. */
static enum status try_landlock(struct policy *policy, struct err *err)
{
    static const char script[] = "test -r /usr/bin/env || exit 3; f=/tmp/.lanebridge-$$; "
                                 "if (: >\"$f\") 2>/dev/null; then rm -f \"$f\"; exit 4; fi";
    static const char *const shell[] = {"--", "/bin/bash", "--noprofile", "--norc", "-c", script};
    struct policy_strings argv = {0};
    struct policy_command command = {.command = STR("true"), .workdir = STR("/")};
    struct sandbox_request request = {.command = &command, .seccomp_child_fd = SANDBOX_SECCOMP_FD};
    if (landlock_version() < 1)
        return err_set(err, STATUS_UNSUPPORTED, "this kernel has no Landlock");
    strings_push(&argv, CONFINE_PROGRAM);
    strings_push(&argv, "confine");
    landlock_build(policy, &request, &argv);
    for (size_t i = 0; i < array_count(shell); i++)
        strings_push(&argv, shell[i]);
    return try(policy, &argv, SECCOMP_LANDLOCK_READ, err);
}

/* -- Remembered until the machine starts anew ------------------------------------------------- */

/* What was tested: another program, kernel, user or home is tested anew. */
static void append_identity(const struct policy *policy, struct buf *out)
{
    struct stat st = {0};
    struct utsname system = {0};
    char boot[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, boot, sizeof(boot) - 1);
        boot[got > 0 ? got : 0] = '\0';
        close(fd);
    }
    uname(&system);
    if (policy->bwrap)
        stat(policy->bwrap, &st);
    struct buf text = {0};
    buf_append_fmt(&text, "%s %s %u %s %s %llu %llu %lld %s", boot, system.release, geteuid(),
                   policy->env->home, policy->bwrap ? policy->bwrap : "",
                   (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                   (long long)st.st_mtim.tv_sec, LANEBRIDGE_VERSION);
    char hash[SHA256_HEX_BYTES];
    hash_sha256_hex(buf_str(&text), hash);
    buf_append_fmt(out, "bubblewrap %s", hash);
    buf_finish(&text);
}

static void append_remembered_path(const struct policy *policy, struct buf *out)
{
    path_append_join(out, str_from(policy->env->state_folder), STR("sandbox-tested"));
}

/* Only what passed: a reason to fail may have gone. */
static bool passed_before(const struct policy *policy)
{
    struct buf path = {0}, identity = {0};
    char text[128] = "";
    struct stat st;
    append_remembered_path(policy, &path);
    append_identity(policy, &identity);
    int fd = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool ours = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                !(st.st_mode & 077);
    ssize_t got = ours ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0)
        close(fd);
    bool passed = got > 0 && str_eq(str_trim(str_from(text)), buf_str(&identity));
    buf_finish(&path);
    buf_finish(&identity);
    return passed;
}

/* In a state folder that is there: who only looks makes none. */
static void remember(const struct policy *policy)
{
    struct buf path = {0}, text = {0};
    append_remembered_path(policy, &path);
    append_identity(policy, &text);
    buf_append_byte(&text, '\n');
    unlink(path.ptr);
    int fd = open(path.ptr, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, text.ptr, text.len) != (ssize_t)text.len)
        unlink(path.ptr);
    if (fd >= 0)
        close(fd);
    buf_finish(&path);
    buf_finish(&text);
}

/* -- Tiers ------------------------------------------------------------------------------------ */

static enum status find_bubblewrap(struct policy *policy, struct err *err)
{
    mem_free(policy->bwrap);
    policy->bwrap = find_bwrap(policy);
    if (!policy->bwrap)
        return err_set(err, STATUS_UNSUPPORTED,
                       "bubblewrap is missing; install the package \"bubblewrap\"");
    enum status status =
        seccomp_make_filter(SECCOMP_BUBBLEWRAP, &policy->filters[SECCOMP_BUBBLEWRAP], err);
    policy->bwrap_has_size = true;
    if (status == STATUS_OK && !passed_before(policy)) {
        status = try_bubblewraps(policy, err);
        if (status == STATUS_OK && policy->bwrap_has_size)
            remember(policy);
    }
    return status;
}

static enum status find_landlock(struct policy *policy, struct err *err)
{
    enum status status = STATUS_OK;
    for (int i = SECCOMP_LANDLOCK_READ; i < SECCOMP_KINDS_COUNT && status == STATUS_OK; i++)
        status = seccomp_make_filter((enum seccomp_kind)i, &policy->filters[i], err);
    return status == STATUS_OK ? try_landlock(policy, err) : status;
}

static enum policy_tier find_tier(struct policy *policy, enum config_sandbox mode, struct err *err)
{
    struct err weaker = {0};
    if (mode == SANDBOX_EXTERNAL)
        return TIER_EXTERNAL;
    if (mode == SANDBOX_OFF) {
        err_set(err, STATUS_UNSUPPORTED,
                "sandbox.mode is \"off\", so every command asks; set it to \"on\" to change that");
        return TIER_NONE;
    }
    if (find_bubblewrap(policy, err) == STATUS_OK)
        return TIER_BUBBLEWRAP;
    bool confined = find_landlock(policy, &weaker) == STATUS_OK;
    struct err reason = *err;
    if (confined)
        err_set(err, STATUS_UNSUPPORTED,
                "%s. Until then the weaker sandbox is used (Landlock), and commands that may write "
                "ask",
                reason.text);
    else
        err_set(err, STATUS_UNSUPPORTED, "%s. Until then every command asks (Landlock: %s)",
                reason.text, weaker.text);
    return confined ? TIER_LANDLOCK : TIER_NONE;
}

bool policy_tier_confines(enum policy_tier tier)
{
    return tier == TIER_BUBBLEWRAP || tier == TIER_LANDLOCK;
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
    if ((tier == TIER_NONE || tier == TIER_LANDLOCK) && err)
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
