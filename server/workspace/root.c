/* The folders the user opened. */
#include "workspace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct workspace *workspace_new(struct loop *loop, struct str state_folder, struct str home)
{
    struct workspace *workspace = mem_new(struct workspace);
    workspace->loop = loop;
    workspace->state_folder = str_dup_c(state_folder);
    workspace->home = str_dup_c(home);
    return workspace;
}

static void root_free(struct root *root)
{
    if (!root)
        return;
    if (root->root.fd >= 0)
        close(root->root.fd);
    mem_free(root->root.path);
    mem_free(root->root.name);
    mem_free(root->given);
    mem_free(root);
}

void workspace_free(struct workspace *workspace)
{
    if (!workspace)
        return;
    while (workspace->jobs.len)
        workspace_job_cancel(vec_last(&workspace->jobs));
    for (size_t i = 0; i < workspace->roots.len; i++)
        root_free(workspace->roots.ptr[i]);
    for (size_t i = 0; i < workspace->removed.len; i++)
        root_free(workspace->removed.ptr[i]);
    vec_finish(&workspace->roots);
    for (size_t i = 0; i < workspace->own.len; i++)
        mem_free(workspace->own.ptr[i]);
    vec_finish(&workspace->own);
    vec_finish(&workspace->removed);
    vec_finish(&workspace->jobs);
    mem_free(workspace->state_folder);
    mem_free(workspace->home);
    mem_free(workspace);
}

/* -- Adding ----------------------------------------------------------------------------------- */

static bool name_is_taken(const struct workspace *workspace, const char *name)
{
    for (size_t i = 0; i < workspace->roots.len; i++) {
        if (strcmp(workspace->roots.ptr[i]->root.name, name) == 0)
            return true;
    }
    return false;
}

/* One component, unique: the wish, the folder's own name, or either with a number. */
static char *choose_name(const struct workspace *workspace, struct str wish, struct str path)
{
    struct buf base = {0}, name = {0};
    utf8_append_printable(&base, wish.len ? wish : path_name(path));
    for (size_t i = 0; i < base.len; i++) {
        if (base.ptr[i] == '/' || base.ptr[i] == '\n' || base.ptr[i] == '\t')
            base.ptr[i] = '-';
    }
    if (!base.len || str_eq_c(buf_str(&base), ".") || str_eq_c(buf_str(&base), "..")) {
        buf_clear(&base);
        buf_append_c(&base, "root");
    }
    buf_append(&name, buf_str(&base));
    for (unsigned number = 2; name_is_taken(workspace, name.ptr); number++) {
        buf_clear(&name);
        buf_append_fmt(&name, STR_FMT "-%u", STR_ARG(buf_str(&base)), number);
    }
    buf_finish(&base);
    return buf_take(&name);
}

void workspace_add_own(struct workspace *workspace, struct str path)
{
    vec_push(&workspace->own, str_dup_c(path));
}

static bool holds_own(const struct workspace *workspace, struct str path)
{
    for (size_t i = 0; i < workspace->own.len; i++)
        if (path_is_under(str_from(workspace->own.ptr[i]), path))
            return true;
    return false;
}

/* "/", $HOME, what is above it, and what holds our own files: too much to read without a question.
 */
static bool needs_confirmation(const struct workspace *workspace, struct str path)
{
    struct str home = str_from(workspace->home), state = str_from(workspace->state_folder);
    return str_eq_c(path, "/") || (home.len && path_is_under(home, path)) ||
           (state.len && path_is_under(state, path)) || holds_own(workspace, path);
}

static enum status open_root(const char *given, char ret_canonical[PATH_MAX], int *ret_fd,
                             struct err *err)
{
    if (!realpath(given, ret_canonical)) {
        if (errno == ENOENT || errno == ENOTDIR)
            return err_set(err, STATUS_NOT_FOUND, "the folder %s does not exist", given);
        return err_set_errno(err, errno, "the folder %s cannot be opened", given);
    }
    int fd = open(ret_canonical, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOTDIR)
        return err_set(err, STATUS_INVALID, "%s is not a folder", given);
    if (fd < 0)
        return err_set_errno(err, errno, "the folder %s cannot be opened", given);
    *ret_fd = fd;
    return STATUS_OK;
}

static enum status check_new_root(const struct workspace *workspace, const char *canonical,
                                  struct err *err)
{
    for (size_t i = 0; i < workspace->roots.len; i++) {
        if (strcmp(workspace->roots.ptr[i]->root.path, canonical) == 0)
            return err_set(err, STATUS_EXISTS, "%s is open already", canonical);
    }
    if (workspace->roots.len >= LIMIT_ROOTS_COUNT)
        return err_set(err, STATUS_LIMIT, "%s is not added: at most %d folders can be open",
                       canonical, LIMIT_ROOTS_COUNT);
    return STATUS_OK;
}

enum status workspace_add_root(struct workspace *workspace, struct str path, struct str name,
                               struct err *err)
{
    enum status status = path_check(path, err);
    if (status < 0)
        return status;
    if (path.ptr[0] != '/')
        return err_set(err, STATUS_INVALID, "the folder " STR_FMT " is not an absolute path",
                       STR_ARG(path));
    struct buf given = {0};
    path_append_clean(&given, path);
    char canonical[PATH_MAX];
    int fd = -1;
    status = open_root(given.ptr, canonical, &fd, err);
    if (status == STATUS_OK)
        status = check_new_root(workspace, canonical, err);
    if (status < 0) {
        if (fd >= 0)
            close(fd);
        buf_finish(&given);
        return status;
    }
    struct root *root = mem_new(struct root);
    root->given = buf_take(&given);
    root->root = (struct workspace_root){
        .path = mem_dup_c(canonical),
        .name = choose_name(workspace, name, str_from(canonical)),
        .fd = fd,
        .confirmed = !needs_confirmation(workspace, str_from(canonical)) ||
                     workspace_trust_get(workspace, str_from(canonical)) == TRUST_YES,
    };
    vec_push(&workspace->roots, root);
    return STATUS_OK;
}

/* -- Removing and finding --------------------------------------------------------------------- */

/* Paths made from it stay in memory somewhere, also on pool threads: they are refused from now on.
 */
void workspace_remove_root(struct workspace *workspace, struct str path)
{
    struct buf clean = {0};
    path_append_clean(&clean, path);
    for (size_t i = 0; i < workspace->roots.len; i++) {
        struct root *root = workspace->roots.ptr[i];
        if (strcmp(root->root.path, clean.ptr) != 0 && strcmp(root->given, clean.ptr) != 0)
            continue;
        __atomic_store_n(&root->root.confirmed, false, __ATOMIC_RELAXED);
        vec_remove(&workspace->roots, i);
        vec_push(&workspace->removed, root);
        break;
    }
    buf_finish(&clean);
}

static struct root *find_root(const struct workspace *workspace, struct str path)
{
    struct buf clean = {0};
    struct root *found = NULL;
    path_append_clean(&clean, path);
    for (size_t i = 0; i < workspace->roots.len && !found; i++) {
        struct root *root = workspace->roots.ptr[i];
        if (strcmp(root->root.path, clean.ptr) == 0 || strcmp(root->given, clean.ptr) == 0)
            found = root;
    }
    buf_finish(&clean);
    return found;
}

const struct workspace_root *workspace_root_find(const struct workspace *workspace, struct str path)
{
    struct root *root = path.len > 0 ? find_root(workspace, path) : NULL;
    return root ? &root->root : NULL;
}

void workspace_confirm_root(struct workspace *workspace, struct str path)
{
    struct root *root = find_root(workspace, path);
    if (root)
        __atomic_store_n(&root->root.confirmed, true, __ATOMIC_RELAXED);
}

size_t workspace_root_count(const struct workspace *workspace)
{
    return workspace->roots.len;
}

struct workspace_root *workspace_root_at(const struct workspace *workspace, size_t index)
{
    return index < workspace->roots.len ? &workspace->roots.ptr[index]->root : NULL;
}

enum status root_check_usable(const struct workspace_root *root, struct err *err)
{
    if (__atomic_load_n(&root->confirmed, __ATOMIC_RELAXED))
        return STATUS_OK;
    return err_set(err, STATUS_DENIED,
                   "the folder %s is not used: it was closed, or is so large that it must be "
                   "confirmed first",
                   root->path);
}

const struct workspace_root *root_find_holding(const struct workspace *workspace,
                                               struct str absolute)
{
    const struct workspace_root *best = NULL;
    for (size_t i = 0; i < workspace->roots.len; i++) {
        const struct workspace_root *root = &workspace->roots.ptr[i]->root;
        if (path_is_under(absolute, str_from(root->path)) &&
            (!best || strlen(root->path) > strlen(best->path)))
            best = root;
    }
    return best;
}
