/* The argument list of bubblewrap. Order is meaning: a later mount lies over an earlier one, so
 * roots, then what must not be written in them, then the unsaved texts. */
#include "policy-internal.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PROTECTED_COUNT =
        64, /* a root with more protected names has them for show; each costs a bind */
    ENTRIES_COUNT = 20000, /* looked at in a root, so that a huge folder costs no seconds */
};

/* Below the home: what holds keys, and the sockets of those who do. Only what exists is masked. */
static const char *const home_masks[] = {
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".colima",
    ".password-store",
    ".config/gcloud",
    ".config/gh",
    ".config/op",
    ".local/share/keyrings",
    ".mozilla",
    ".config/google-chrome",
    ".config/chromium",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".git-credentials",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".config/git/credentials",
};
/* Where programs of the host leave their sockets. */
static const char *const host_masks[] = {"/tmp", "/run", "/var/run", "/var/tmp"};
/* Under a masked /run: how some systems find their programs, and with network their name servers.
 */
static const char *const run_kept[] = {"/run/current-system", "/run/wrappers",
                                       "/run/opengl-driver"};
static const char *const run_for_network[] = {"/run/systemd/resolve", "/run/NetworkManager",
                                              "/run/resolvconf"};

/* Sorted by path, so that what lies in another comes after it: a home that is a root is bound
 * before its keys are masked, a root below /tmp after /tmp is. */
struct mount {
    char *path;   /* canonical */
    bool is_mask; /* else a writable bind */
};

struct build {
    const struct policy *policy;
    const struct policy_command *command;
    struct policy_strings *argv;
    const char *empty; /* what a masked file looks like: /dev/null would be an error to open */
    VEC(struct mount) mounts;
    struct policy_strings secrets; /* absolute paths masked in the roots */
};

static void push2(struct build *b, const char *option, const char *first)
{
    strings_push(b->argv, option);
    strings_push(b->argv, first);
}

static void push3(struct build *b, const char *option, const char *first, const char *second)
{
    push2(b, option, first);
    strings_push(b->argv, second);
}

/* -- Masks and roots -- */

/* The real path, if there is one: a link is masked, or opened, where it leads. */
static void add_mount(struct build *b, const char *path, bool is_mask)
{
    char real[PATH_MAX];
    if (!realpath(path, real) || (is_mask && strcmp(real, "/") == 0))
        return;
    struct mount mount = {mem_dup_c(real), is_mask};
    vec_push(&b->mounts, mount);
}

static void add_below(struct build *b, const char *folder, const char *name, bool is_mask)
{
    struct buf path = {0};
    path_append_join(&path, str_from(folder), str_from(name));
    add_mount(b, path.ptr, is_mask);
    buf_finish(&path);
}

static void find_mounts(struct build *b)
{
    const struct policy *policy = b->policy;
    const struct config_strings *extra = &policy->config->sandbox_writable;
    for (size_t i = 0; i < array_count(host_masks); i++)
        add_mount(b, host_masks[i], true);
    for (size_t i = 0; i < array_count(home_masks); i++)
        add_below(b, policy->env->home, home_masks[i], true);
    add_mount(b, policy->env->state_folder, true);
    add_mount(b, policy->env->config_file, true);
    for (size_t i = 0; i < workspace_root_count(policy->workspace); i++) {
        const struct workspace_root *root = workspace_root_at(policy->workspace, i);
        if (root->confirmed)
            add_mount(b, root->path, false);
    }
    for (size_t i = 0; i < extra->count; i++) {
        if (extra->ptr[i][0] == '/')
            add_mount(b, extra->ptr[i], false);
        else if (strncmp(extra->ptr[i], "~/", 2) == 0)
            add_below(b, policy->env->home, extra->ptr[i] + 2, false);
    }
}

/* Parents first; of two at one path the bind last, because the user asked for it by name. */
static int compare_mounts(const void *a, const void *b)
{
    const struct mount *one = a, *two = b;
    int order = strcmp(one->path, two->path);
    return order ? order : (int)two->is_mask - (int)one->is_mask;
}

/* Whether a mask is what a command sees at this path: the deepest mount that holds it decides. */
static bool is_masked(const struct build *b, const char *path, size_t mounts)
{
    for (size_t i = mounts; i-- > 0;)
        if (path_is_under(str_from(path), str_from(b->mounts.ptr[i].path)))
            return b->mounts.ptr[i].is_mask;
    return false;
}

static void push_mount(struct build *b, size_t index)
{
    const struct mount *mount = &b->mounts.ptr[index];
    struct stat st;
    if (!mount->is_mask)
        push3(b, "--bind", mount->path, mount->path);
    else if (is_masked(b, mount->path, index))
        return;
    else if (stat(mount->path, &st) == 0 && S_ISDIR(st.st_mode))
        push2(b, "--tmpfs", mount->path);
    else
        push3(b, "--ro-bind", b->empty, mount->path);
}

static void push_mounts(struct build *b)
{
    size_t i = 0;
    find_mounts(b);
    if (b->mounts.len)
        qsort(b->mounts.ptr, b->mounts.len, sizeof(*b->mounts.ptr), compare_mounts);
    push3(b, "--ro-bind", "/", "/");
    for (; i < b->mounts.len && strcmp(b->mounts.ptr[i].path, "/") == 0; i++)
        push_mount(b, i);
    push2(b, "--dev", "/dev");
    push2(b, "--proc", "/proc");
    for (; i < b->mounts.len; i++)
        push_mount(b, i);
    for (i = 0; i < array_count(run_kept); i++)
        push3(b, "--ro-bind-try", run_kept[i], run_kept[i]);
    for (i = 0; b->command->network && i < array_count(run_for_network); i++)
        push3(b, "--ro-bind-try", run_for_network[i], run_for_network[i]);
}

static void finish_mounts(struct build *b)
{
    for (size_t i = 0; i < b->mounts.len; i++)
        mem_free(b->mounts.ptr[i].path);
    vec_finish(&b->mounts);
}

/* -- What must not be written in them -- */

/* What is masked stays so: a `.git` file and a link are repository content, and may name any path.
 */
static void protect(struct build *b, const char *path)
{
    char real[PATH_MAX];
    struct stat st;
    if (!realpath(path, real) || is_masked(b, real, b->mounts.len) || lstat(real, &st) < 0)
        return;
    if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
        push3(b, "--ro-bind", real, real);
}

/* Names that exist at root depth. Where a link leads out of the root nothing is writable anyway,
 * and mounting its target would show what a mask hides. */
static void protect_names(struct build *b, const char *root)
{
    DIR *folder = opendir(root);
    size_t found = 0;
    struct dirent *entry;
    for (size_t i = 0; folder && i < ENTRIES_COUNT && found < PROTECTED_COUNT; i++) {
        entry = readdir(folder);
        if (!entry)
            break;
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        bool github = strcmp(name, ".github") == 0;
        if (!github && !policy_protected_name(str_from(name)))
            continue;
        struct buf path = {0};
        char real[PATH_MAX];
        path_append_join(&path, str_from(root), str_from(name));
        if (github)
            buf_append_c(&path, "/workflows");
        if (realpath(path.ptr, real) && path_is_under(str_from(real), str_from(root))) {
            protect(b, real);
            found++;
        }
        buf_finish(&path);
    }
    if (folder)
        closedir(folder);
}

static void protect_git(struct build *b, const char *root)
{
    struct policy_strings folders = {0};
    gitdirs_find(root, &folders);
    for (size_t i = 0; i < folders.len; i++)
        protect(b, folders.ptr[i]);
    strings_finish(&folders);
}

static void push_protected(struct build *b)
{
    for (size_t i = 0; i < workspace_root_count(b->policy->workspace); i++) {
        const struct workspace_root *root = workspace_root_at(b->policy->workspace, i);
        protect_names(b, root->path);
        protect_git(b, root->path);
    }
}

/* -- Secrets in the roots -- */

static void mask_secret(struct build *b, const char *root, const char *relative, struct buf *masked)
{
    struct buf path = {0};
    struct stat st;
    path_append_join(&path, str_from(root), str_from(relative));
    if (lstat(path.ptr, &st) == 0 && !is_masked(b, path.ptr, b->mounts.len)) {
        if (S_ISDIR(st.st_mode))
            push2(b, "--tmpfs", path.ptr);
        else if (S_ISREG(st.st_mode))
            push3(b, "--ro-bind", b->empty, path.ptr);
        buf_append_fmt(masked, "%s\n", relative);
        strings_push(&b->secrets, path.ptr);
    }
    buf_finish(&path);
}

static void mask_secrets(struct build *b, struct buf *masked)
{
    for (size_t i = 0; i < workspace_root_count(b->policy->workspace); i++) {
        const struct workspace_root *root = workspace_root_at(b->policy->workspace, i);
        struct policy_strings found = {0};
        if (root->confirmed)
            secrets_find_untracked(root->path, &found);
        for (size_t k = 0; k < found.len; k++)
            mask_secret(b, root->path, found.ptr[k], masked);
        strings_finish(&found);
    }
}

static bool is_masked_secret(const struct build *b, const char *path)
{
    for (size_t i = 0; i < b->secrets.len; i++)
        if (path_is_under(str_from(path), str_from(b->secrets.ptr[i])))
            return true;
    return false;
}

/* -- Unsaved texts -- */

/* Only over a regular file that exists: bubblewrap would make the missing one on the disk. */
static enum status push_bind(struct build *b, const struct policy_bind *bind, struct err *err)
{
    char real[PATH_MAX], number[16];
    struct stat st;
    if (lstat(bind->path, &st) < 0)
        return STATUS_OK;
    if (!S_ISREG(st.st_mode) || !realpath(bind->path, real))
        return err_set(err, STATUS_INVALID,
                       "%s is not a regular file, so its unsaved text cannot be "
                       "shown to commands; save it first",
                       bind->path);
    if (!root_of_folder(b->policy, str_from(real)))
        return err_set(err, STATUS_DENIED, "%s leads outside the folders open in the editor",
                       bind->path);
    if (is_masked_secret(b, real))
        return STATUS_OK;
    snprintf(number, sizeof(number), "%d", bind->child_fd);
    push2(b, "--perms", st.st_mode & 0111 ? "0755" : "0644");
    push3(b, "--ro-bind-data", number, real);
    return STATUS_OK;
}

static void push_isolation(struct build *b, int seccomp_child_fd)
{
    static const char *const always[] = {
        "--unshare-user",    "--unshare-pid", "--unshare-ipc",        "--unshare-uts",
        "--die-with-parent", "--new-session", "--unshare-cgroup-try",
    };
    char number[16];
    for (size_t i = 0; i < array_count(always); i++)
        strings_push(b->argv, always[i]);
    if (!b->command->network)
        strings_push(b->argv, "--unshare-net");
    snprintf(number, sizeof(number), "%d", seccomp_child_fd);
    push2(b, "--seccomp", number);
}

enum status sandbox_build(const struct policy *policy, const struct policy_command *command,
                          const struct policy_bind *binds, size_t bind_count,
                          const char *cache_folder, int seccomp_child_fd,
                          struct policy_strings *argv, struct buf *masked, struct err *err)
{
    struct build b = {.policy = policy, .command = command, .argv = argv, .empty = "/dev/null"};
    struct buf empty = {0};
    if (cache_folder) {
        path_append_join(&empty, path_folder(str_from(cache_folder)), STR("empty"));
        b.empty = empty.ptr;
    }
    enum status status = STATUS_OK;
    strings_push(argv, policy->bwrap);
    push_isolation(&b, seccomp_child_fd);
    push_mounts(&b);
    if (cache_folder)
        push3(&b, "--bind", cache_folder, cache_folder);
    push_protected(&b);
    if (masked)
        mask_secrets(&b, masked);
    for (size_t i = 0; i < bind_count && status == STATUS_OK; i++)
        status = push_bind(&b, &binds[i], err);
    char *workdir = str_dup_c(command->workdir);
    push2(&b, "--chdir", workdir);
    strings_push(argv, "--");
    mem_free(workdir);
    finish_mounts(&b);
    strings_finish(&b.secrets);
    buf_finish(&empty);
    return status;
}
