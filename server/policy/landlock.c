/* Where bubblewrap does not work: Landlock says which files, seccomp which calls. It is weaker.
 * What may be written is a whole folder, so protected names in it are not read-only; what may be
 * read is a list, so what is made meanwhile is missing from it; there is no network at all, no
 * private /tmp and no text of the screen. So only what is known to write nothing runs in it
 * unasked, and cannot. */
#include "policy-internal.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { GRANTS_COUNT = 4000, MASKS_COUNT = 512 };

struct grants {
    struct policy_strings masks; /* real paths */
    struct policy_strings *argv;
    size_t count;
};

static void push2(struct policy_strings *argv, const char *option, const char *value)
{
    strings_push(argv, option);
    strings_push(argv, value);
}

static void add_mask(struct grants *grants, const char *path)
{
    char real[PATH_MAX];
    if (realpath(path, real) && strcmp(real, "/") != 0 && grants->masks.len < MASKS_COUNT)
        strings_push(&grants->masks, real);
}

static bool is_masked(const struct grants *grants, const char *path)
{
    for (size_t i = 0; i < grants->masks.len; i++)
        if (strcmp(grants->masks.ptr[i], path) == 0)
            return true;
    return false;
}

static bool holds_mask(const struct grants *grants, const char *path)
{
    for (size_t i = 0; i < grants->masks.len; i++)
        if (path_is_under(str_from(grants->masks.ptr[i]), str_from(path)))
            return true;
    return false;
}

/* What the list of harmless commands gets wrong cannot write all the same. */
bool landlock_only_reads(const struct policy_command *command)
{
    return !command->network && policy_only_reads(command->command);
}

bool landlock_scopes_sockets(const struct policy *policy)
{
    struct stat st;
    return landlock_version() >= LANDLOCK_SCOPES_VERSION && policy->bwrap &&
           stat(policy->bwrap, &st) == 0 && !(st.st_mode & S_ISUID);
}

enum seccomp_kind landlock_seccomp_kind(const struct policy_command *command)
{
    if (command->network)
        return SECCOMP_LANDLOCK_NETWORK;
    return landlock_only_reads(command) ? SECCOMP_LANDLOCK_READ : SECCOMP_LANDLOCK_WRITE;
}

/* Landlock only adds: a folder that holds what must not be read is given name by name. Links are
 * left out, where they lead has its own rule. */
static void grant(struct grants *grants, const char *path)
{
    if (is_masked(grants, path) || grants->count >= GRANTS_COUNT)
        return;
    if (!holds_mask(grants, path)) {
        push2(grants->argv, "--read", path);
        grants->count++;
        return;
    }
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        struct buf below = {0};
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            entry->d_type == DT_LNK)
            continue;
        path_append_join(&below, str_from(path), str_from(entry->d_name));
        grant(grants, below.ptr);
        buf_finish(&below);
    }
    if (folder)
        closedir(folder);
}

static void grant_devices(struct policy_strings *argv)
{
    static const char *const devices[] = {"/dev/null", "/dev/zero",    "/dev/full", "/dev/random",
                                          "/dev/tty",  "/dev/urandom", "/dev/pts"};
    for (size_t i = 0; i < array_count(devices); i++)
        push2(argv, "--write", devices[i]);
}

static void find_masks(struct grants *grants, const struct policy *policy,
                       const struct sandbox_request *request)
{
    struct policy_strings masks = {0};
    sandbox_masks(policy, &masks);
    add_mask(grants, "/dev");
    for (size_t i = 0; i < masks.len; i++)
        add_mask(grants, masks.ptr[i]);
    strings_finish(&masks);
    struct buf path = {0};
    struct str relative;
    size_t position = 0;
    while (request->guard && guard_next_secret(request->guard, &position, &path, &relative))
        add_mask(grants, path.ptr);
    buf_finish(&path);
}

/* A root under a masked folder (/tmp/project) is not reached by what is given above it. */
static void grant_roots(struct grants *grants, const struct policy *policy, bool writes)
{
    for (size_t i = 0; i < workspace_root_count(policy->workspace); i++) {
        const struct workspace_root *root = workspace_root_at(policy->workspace, i);
        if (root->confirmed && writes)
            push2(grants->argv, "--write", root->path);
        else if (root->confirmed)
            grant(grants, root->path);
    }
}

void landlock_build(const struct policy *policy, const struct sandbox_request *request,
                    struct policy_strings *argv)
{
    struct grants grants = {.argv = argv};
    char number[16];
    bool writes = !landlock_only_reads(request->command);
    strings_push(argv, "--landlock");
    if (request->command->network)
        strings_push(argv, "--network");
    snprintf(number, sizeof(number), "%d", request->seccomp_child_fd);
    push2(argv, "--seccomp", number);
    find_masks(&grants, policy, request);
    grant(&grants, "/");
    grant_roots(&grants, policy, writes);
    grant_devices(argv);
    if (request->cache_folder)
        push2(argv, "--write", request->cache_folder);
    strings_finish(&grants.masks);
}
