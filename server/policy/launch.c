/* From a command that was allowed to what is executed. */
#include "policy-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Limits every command gets: no core files, at most 16 GiB in one file, an hour of CPU, as many
 * open files as any build needs; and it is the first to go when memory ends. */
static const char limits[] = "ulimit -c 0; ulimit -f 16777216; ulimit -t 3600; { ulimit -n 8192; "
                             "echo 500 >/proc/self/oom_score_adj; } 2>/dev/null; ";
/* A fork bomb ends here. Before Linux 5.14 all of the user's processes counted, not the sandbox's.
 */
static const char limit_processes[] = "ulimit -u 4096; ";
static const char change_folder[] = "cd -- \"$2\" || exit 126; ";
static const char limits_outside[] = "ulimit -c 0; ";
/* In bubblewrap its init leads the session; util-linux makes another, with the terminal. */
static const char *const new_session[] = {"/usr/bin/setsid", "--ctty"};
/* What the command is stays an argument, never part of this text. A second shell would cost a
 * millisecond. */
static const char go[] = "eval \"set --; $1\"";

static bool counts_processes(void)
{
    struct utsname system;
    unsigned major = 0, minor = 0;
    if (uname(&system) < 0 || sscanf(system.release, "%u.%u", &major, &minor) != 2)
        return false;
    return major > 5 || (major == 5 && minor >= 14);
}

/* What stands in for a masked file; beside the cache folders, where no command can write. */
static enum status make_empty_file(struct str cache_folder, struct err *err)
{
    struct buf path = {0};
    path_append_join(&path, path_folder(cache_folder), STR("empty"));
    int fd = open(path.ptr, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0400);
    enum status status = fd < 0 ? err_set_errno(err, errno, "cannot make %s", path.ptr) : STATUS_OK;
    if (fd >= 0)
        close(fd);
    buf_finish(&path);
    return status;
}

/* Crates that the user has already: linked, since the home is read-only; with network cargo makes
 * its own instead. A command can write in this folder, so nothing in it is followed. */
static void link_crates(const struct policy *policy, const char *cache, bool network)
{
    static const char *const folders[] = {"registry", "git"};
    int top = open(cache, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top >= 0)
        (void)mkdirat(top, "cargo", 0700);
    int cargo = top < 0 ? -1 : openat(top, "cargo", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (size_t i = 0; cargo >= 0 && i < array_count(folders); i++) {
        struct buf target = {0};
        struct stat st;
        buf_append_fmt(&target, "%s/.cargo/%s", policy->env->home, folders[i]);
        bool is_link =
            fstatat(cargo, folders[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
        if (network && is_link)
            unlinkat(cargo, folders[i], 0);
        else if (!network && access(target.ptr, R_OK) == 0)
            (void)!symlinkat(target.ptr, cargo, folders[i]);
        buf_finish(&target);
    }
    if (cargo >= 0)
        close(cargo);
    if (top >= 0)
        close(top);
}

/* Build tools write here: private to the workspace, kept from command to command. */
static enum status make_cache_folder(const struct policy *policy, struct str workdir,
                                     struct buf *ret_path, struct err *err)
{
    const struct workspace_root *root = root_of_folder(policy, workdir);
    char hash[SHA256_HEX_BYTES];
    hash_sha256_hex(root ? str_from(root->path) : workdir, hash);
    path_append_join(ret_path, str_from(policy->env->state_folder), STR("sandbox"));
    buf_append_fmt(ret_path, "/%.16s", hash);
    enum status status = config_make_folder(ret_path->ptr, err);
    return status == STATUS_OK ? make_empty_file(buf_str(ret_path), err) : status;
}

static void push_shell(struct policy_strings *argv, const struct policy_command *command,
                       enum policy_tier tier)
{
    static const char *const shell[] = {"/bin/bash", "--noprofile", "--norc", "-c"};
    bool has_own_count = tier == TIER_BUBBLEWRAP && counts_processes();
    struct buf script = {0};
    for (size_t i = 0; command->tty && tier == TIER_BUBBLEWRAP && i < array_count(new_session); i++)
        strings_push(argv, new_session[i]);
    for (size_t i = 0; i < array_count(shell); i++)
        strings_push(argv, shell[i]);
    buf_append_c(&script, tier == TIER_BUBBLEWRAP ? "" : change_folder);
    buf_append_c(&script, policy_tier_confines(tier) ? limits : limits_outside);
    buf_append_c(&script, has_own_count ? limit_processes : "");
    buf_append_c(&script, go);
    strings_push(argv, script.ptr);
    strings_push(argv, "/bin/bash");
    strings_push_str(argv, command->command);
    if (tier != TIER_BUBBLEWRAP)
        strings_push_str(argv, command->workdir);
    buf_finish(&script);
}

/* What ends with the command, and before Landlock also what confines it. */
static void push_confine(struct policy_strings *argv, const struct policy_command *command)
{
    strings_push(argv, CONFINE_PROGRAM);
    strings_push(argv, "confine");
    if (command->tty)
        strings_push(argv, "--tty");
}

/* Around bubblewrap: no abstract unix socket of the machine. */
static void push_scope(struct policy_strings *argv)
{
    strings_push(argv, CONFINE_PROGRAM);
    strings_push(argv, "confine");
    strings_push(argv, "--scope");
    strings_push(argv, "--");
}

static int free_child_fd(const struct policy_bind *binds, size_t count)
{
    int fd = SANDBOX_SECCOMP_FD;
    for (size_t i = 0; i < count; i++)
        if (binds[i].child_fd >= fd)
            fd = binds[i].child_fd + 1;
    return fd;
}

static enum status check(struct policy *policy, const struct policy_command *command,
                         bool sandboxed, struct err *err)
{
    if (str_find_byte(command->command, '\0', 0) != STR_NONE)
        return err_set(err, STATUS_INVALID, "a command cannot hold a NUL byte");
    if (!sandboxed)
        return STATUS_OK;
    if (!policy_tier_confines(policy_sandbox_tier(policy)))
        return err_set(err, STATUS_UNSUPPORTED, "there is no sandbox to run the command in: %s",
                       policy->tier_reason.text[0] ? policy->tier_reason.text
                                                   : "it was not tested yet");
    const struct workspace_root *root = root_of_folder(policy, command->workdir);
    if (!root || !root->confirmed)
        return err_set(err, STATUS_DENIED,
                       "the command's folder is not inside a folder open in the editor");
    return STATUS_OK;
}

static enum status build_sandboxed(struct policy *policy, const struct policy_command *command,
                                   struct policy_guard *guard, const struct policy_bind *binds,
                                   size_t bind_count, const char *cache,
                                   struct policy_strings *argv, struct policy_launch *launch,
                                   struct err *err)
{
    struct buf masked = {0};
    struct policy_guard *own = NULL;
    if (!guard) {
        guard = own = policy_guard_new(policy, command);
        policy_guard_look(own);
    }
    launch->seccomp_child_fd = free_child_fd(binds, bind_count);
    struct sandbox_request request = {
        .command = command,
        .guard = guard,
        .binds = binds,
        .bind_count = bind_count,
        .cache_folder = cache,
        .seccomp_child_fd = launch->seccomp_child_fd,
    };
    enum policy_tier tier = policy_sandbox_tier(policy);
    enum seccomp_kind kind =
        tier == TIER_LANDLOCK ? landlock_seccomp_kind(command) : SECCOMP_BUBBLEWRAP;
    enum status status = STATUS_OK;
    if (tier == TIER_LANDLOCK) {
        push_confine(argv, command);
        landlock_build(policy, &request, argv);
        strings_push(argv, "--");
    } else {
        if (command->network && landlock_scopes_sockets(policy))
            push_scope(argv);
        status = sandbox_build(policy, &request, argv, &masked, err);
    }
    if (status == STATUS_OK) {
        launch->seccomp_fd = seccomp_make_fd(&policy->filters[kind], err);
        status = launch->seccomp_fd < 0 ? STATUS_IO : STATUS_OK;
    }
    launch->masked = masked.len ? buf_take(&masked) : NULL;
    buf_finish(&masked);
    policy_guard_free(own);
    return status;
}

enum status policy_launch_build(struct policy *policy, const struct policy_command *command,
                                struct policy_guard *guard, const struct policy_bind *binds,
                                size_t bind_count, bool sandboxed, struct policy_launch *ret_launch,
                                struct err *err)
{
    struct policy_launch launch = {.seccomp_fd = -1, .sandboxed = sandboxed};
    struct policy_strings argv = {0};
    struct buf cache = {0}, tmp = {0};
    enum status status = check(policy, command, sandboxed, err);
    if (status == STATUS_OK && sandboxed)
        status = make_cache_folder(policy, command->workdir, &cache, err);
    if (status == STATUS_OK && sandboxed)
        link_crates(policy, cache.ptr, command->network);
    if (status == STATUS_OK && sandboxed)
        status = build_sandboxed(policy, command, guard, binds, bind_count, cache.ptr, &argv,
                                 &launch, err);
    enum policy_tier tier = sandboxed ? policy_sandbox_tier(policy) : TIER_NONE;
    if (status == STATUS_OK && tier == TIER_LANDLOCK) {
        path_append_join(&tmp, buf_str(&cache), STR("tmp"));
        status = config_make_folder(tmp.ptr, err);
    }
    if (status == STATUS_OK) {
        if (!sandboxed) {
            push_confine(&argv, command);
            strings_push(&argv, "--");
        }
        push_shell(&argv, command, tier);
        launch.argv = strings_take(&argv);
        launch.env = environment_make(policy, cache.ptr, tmp.ptr);
        *ret_launch = launch;
    } else {
        policy_launch_finish(&launch);
    }
    strings_finish(&argv);
    buf_finish(&cache);
    buf_finish(&tmp);
    return status;
}

static void free_array(char **array)
{
    for (size_t i = 0; array && array[i]; i++)
        mem_free(array[i]);
    mem_free(array);
}

void policy_launch_finish(struct policy_launch *launch)
{
    free_array(launch->argv);
    free_array(launch->env);
    mem_free(launch->masked);
    if (launch->seccomp_fd >= 0)
        close(launch->seccomp_fd);
    *launch = (struct policy_launch){.seccomp_fd = -1};
}
