/* The argument list of bubblewrap. Order is meaning: a later mount lies over an earlier one, so
 * roots, then what must not be written in them, then the unsaved texts. */
#include "policy-internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { SOCKETS_COUNT = 64 };      /* each costs a mount */
#define SCRATCH_BYTES (256 * MIB) /* of a private /tmp, at least; else a quarter of the memory */
#define MASK_BYTES MIB            /* what a command may put where a folder is masked */

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
static const char *const proc_kept_from_root[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq",
                                                  "/proc/bus", "/proc/fs"};
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
    const struct sandbox_request *request;
    struct policy_strings *argv;
    const char *empty; /* what a masked file looks like: /dev/null would be an error to open */
    VEC(struct mount) mounts;
    struct policy_strings protected; /* read-only so far */
    struct policy_strings secrets;   /* absolute paths masked in the roots */
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

void sandbox_masks(const struct policy *policy, struct policy_strings *ret_paths)
{
    for (size_t i = 0; i < array_count(host_masks); i++)
        strings_push(ret_paths, host_masks[i]);
    for (size_t i = 0; i < array_count(home_masks); i++) {
        struct buf path = {0};
        path_append_join(&path, str_from(policy->env->home), str_from(home_masks[i]));
        vec_push(ret_paths, buf_take(&path));
    }
    strings_push(ret_paths, policy->env->state_folder);
    strings_push(ret_paths, policy->env->config_file);
}

static void find_mounts(struct build *b)
{
    const struct policy *policy = b->policy;
    const struct config_strings *extra = &policy->config->sandbox_writable;
    struct policy_strings masks = {0};
    sandbox_masks(policy, &masks);
    for (size_t i = 0; i < masks.len; i++)
        add_mount(b, masks.ptr[i], true);
    strings_finish(&masks);
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

/* In memory, and so bounded: a command must not fill the machine's. */
static void push_tmpfs(struct build *b, const char *path)
{
    bool is_scratch = strcmp(path, "/tmp") == 0 || strcmp(path, "/var/tmp") == 0;
    struct sysinfo info = {.mem_unit = 1};
    char number[32];
    sysinfo(&info);
    uint64_t quarter = (uint64_t)info.totalram * info.mem_unit / 4;
    uint64_t bytes = quarter > SCRATCH_BYTES ? quarter : SCRATCH_BYTES;
    snprintf(number, sizeof(number), "%llu", (unsigned long long)(is_scratch ? bytes : MASK_BYTES));
    if (b->policy->bwrap_has_size)
        push2(b, "--size", number);
    push2(b, "--tmpfs", path);
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
        push_tmpfs(b, mount->path);
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
    /* bubblewrap takes them for read-only, because the folders are; root may write the files in
     * them, without any capability: core_pattern runs a program outside. */
    for (size_t k = 0; geteuid() == 0 && k < array_count(proc_kept_from_root); k++)
        push3(b, "--ro-bind-try", proc_kept_from_root[k], proc_kept_from_root[k]);
    for (; i < b->mounts.len; i++)
        push_mount(b, i);
    for (i = 0; i < array_count(run_kept); i++)
        push3(b, "--ro-bind-try", run_kept[i], run_kept[i]);
    for (i = 0; b->request->command->network && i < array_count(run_for_network); i++)
        push3(b, "--ro-bind-try", run_for_network[i], run_for_network[i]);
}

static void finish_mounts(struct build *b)
{
    for (size_t i = 0; i < b->mounts.len; i++)
        mem_free(b->mounts.ptr[i].path);
    vec_finish(&b->mounts);
}

/* -- Sockets of the host -- */

static bool is_named_by_user(const struct build *b, const char *path)
{
    for (size_t i = 0; i < b->mounts.len; i++)
        if (!b->mounts.ptr[i].is_mask && strcmp(b->mounts.ptr[i].path, path) == 0)
            return true;
    return false;
}

/* What a masked folder holds is out of reach already; the others get an empty file in their place.
 */
static void mask_sockets(struct build *b)
{
    struct policy_strings paths = {0};
    size_t count = 0;
    sockets_find(&paths);
    for (size_t i = 0; i < paths.len && count < SOCKETS_COUNT; i++) {
        char real[PATH_MAX];
        if (!realpath(paths.ptr[i], real) || is_masked(b, real, b->mounts.len) ||
            is_named_by_user(b, real))
            continue;
        push3(b, "--ro-bind", b->empty, real);
        count++;
    }
    strings_finish(&paths);
}

/* -- What must not be written in them -- */

static bool is_protected(const struct build *b, const char *path)
{
    for (size_t i = 0; i < b->protected.len; i++)
        if (path_is_under(str_from(path), str_from(b->protected.ptr[i])))
            return true;
    return false;
}

/* What is masked stays so: a `.git` file and a link are repository content, and may name any path.
 */
static void protect(struct build *b, const char *path)
{
    char real[PATH_MAX];
    struct stat st;
    if (!realpath(path, real) || is_masked(b, real, b->mounts.len) || is_protected(b, real) ||
        lstat(real, &st) < 0)
        return;
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return;
    push3(b, "--ro-bind", real, real);
    strings_push(&b->protected, real);
}

/* Where a link leads out of the root nothing is writable anyway, and mounting its target would show
 * what a mask hides. */
static void protect_names(struct build *b)
{
    struct buf path = {0};
    char real[PATH_MAX];
    size_t position = 0;
    for (const char *root; (root = guard_next_top(b->request->guard, &position, &path));)
        if (realpath(path.ptr, real) && path_is_under(str_from(real), str_from(root)))
            protect(b, real);
    buf_finish(&path);
}

/* A command that may commit must not be able to change what git runs. */
static void open_git(struct build *b, const char *folder)
{
    static const char *const steering[] = {"config",  "config.worktree", "commondir",
                                           "gitdir",  "hooks",           "info",
                                           "modules", "worktrees"};
    if (is_masked(b, folder, b->mounts.len))
        return;
    push3(b, "--bind", folder, folder);
    for (size_t i = 0; i < array_count(steering); i++) {
        struct buf path = {0};
        path_append_join(&path, str_from(folder), str_from(steering[i]));
        push3(b, "--ro-bind-try", path.ptr, path.ptr);
        buf_finish(&path);
    }
}

/* The common directory first: a work tree's own lies in it. */
static void treat_git(struct build *b, const char *root,
                      void (*treat)(struct build *, const char *))
{
    struct policy_strings folders = {0};
    gitdirs_find(root, &folders);
    for (size_t i = folders.len; i-- > 0;)
        treat(b, folders.ptr[i]);
    strings_finish(&folders);
}

/* Who may write to git may do so in the repository that was asked about, and not in the others that
 * are open; last, since two folders may be work trees of one. */
static void push_protected(struct build *b)
{
    const struct workspace *workspace = b->policy->workspace;
    const struct workspace_root *own =
        b->request->command->git ? root_of_folder(b->policy, b->request->command->workdir) : NULL;
    protect_names(b);
    for (size_t i = 0; i < workspace_root_count(workspace); i++)
        if (workspace_root_at(workspace, i) != own)
            treat_git(b, workspace_root_at(workspace, i)->path, protect);
    if (own)
        treat_git(b, own->path, open_git);
}

/* -- Secrets in the roots -- */

static void mask_secret(struct build *b, const char *path, struct str relative, struct buf *masked)
{
    struct stat st;
    if (lstat(path, &st) < 0 || is_masked(b, path, b->mounts.len))
        return;
    if (S_ISDIR(st.st_mode))
        push_tmpfs(b, path);
    else if (S_ISREG(st.st_mode))
        push3(b, "--ro-bind", b->empty, path);
    buf_append_fmt(masked, STR_FMT "\n", STR_ARG(relative));
    strings_push(&b->secrets, path);
}

static void mask_secrets(struct build *b, struct buf *masked)
{
    struct buf path = {0};
    struct str relative;
    size_t position = 0;
    while (guard_next_secret(b->request->guard, &position, &path, &relative))
        mask_secret(b, path.ptr, relative, masked);
    if (guard_secrets_left(b->request->guard))
        buf_append_fmt(masked, "%zu more were too many and are NOT masked\n",
                       guard_secrets_left(b->request->guard));
    buf_finish(&path);
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

static void push_isolation(struct build *b)
{
    static const char *const always[] = {
        "--unshare-user",    "--unshare-pid", "--unshare-ipc",        "--unshare-uts",
        "--die-with-parent", "--new-session", "--unshare-cgroup-try",
    };
    char number[16];
    for (size_t i = 0; i < array_count(always); i++)
        strings_push(b->argv, always[i]);
    if (!b->request->command->network)
        strings_push(b->argv, "--unshare-net");
    snprintf(number, sizeof(number), "%d", b->request->seccomp_child_fd);
    push2(b, "--seccomp", number);
}

enum status sandbox_build(const struct policy *policy, const struct sandbox_request *request,
                          struct policy_strings *argv, struct buf *masked, struct err *err)
{
    struct build b = {.policy = policy, .request = request, .argv = argv, .empty = "/dev/null"};
    struct buf empty = {0};
    if (request->cache_folder) {
        path_append_join(&empty, path_folder(str_from(request->cache_folder)), STR("empty"));
        b.empty = empty.ptr;
    }
    enum status status = STATUS_OK;
    strings_push(argv, policy->bwrap);
    push_isolation(&b);
    push_mounts(&b);
    mask_sockets(&b);
    if (request->cache_folder)
        push3(&b, "--bind", request->cache_folder, request->cache_folder);
    if (request->guard) {
        push_protected(&b);
        mask_secrets(&b, masked);
    }
    for (size_t i = 0; i < request->bind_count && status == STATUS_OK; i++)
        status = push_bind(&b, &request->binds[i], err);
    char *workdir = str_dup_c(request->command->workdir);
    push2(&b, "--chdir", workdir);
    strings_push(argv, "--");
    mem_free(workdir);
    finish_mounts(&b);
    strings_finish(&b.protected);
    strings_finish(&b.secrets);
    buf_finish(&empty);
    return status;
}
