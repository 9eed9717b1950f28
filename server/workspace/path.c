/* From what the model wrote to a path inside a root, and what is there. */
#include "beneath-internal.h"
#include "workspace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void workspace_path_finish(struct workspace_path *path)
{
    mem_free(path->relative);
    mem_free(path->absolute);
    mem_free(path->display);
    *path = (struct workspace_path){0};
}

void path_fill(const struct workspace *workspace, const struct workspace_root *root, char *relative,
               struct workspace_path *ret_path)
{
    struct buf absolute = {0}, display = {0};
    path_append_join(&absolute, str_from(root->path), str_from(relative));
    bool is_root = strcmp(relative, ".") == 0;
    if (workspace_root_count(workspace) > 1) {
        buf_append_c(&display, root->name);
        if (!is_root)
            buf_append_byte(&display, '/');
    }
    if (!is_root || !display.len)
        buf_append_c(&display, relative);
    *ret_path = (struct workspace_path){
        .root = root,
        .relative = relative,
        .absolute = buf_take(&absolute),
        .display = buf_take(&display),
    };
}

/* It is never confirmed, so that every access is refused. */
static char loose_place[] = "/", loose_name[] = "";
static const struct workspace_root loose = {.path = loose_place, .name = loose_name, .fd = -1};

void workspace_name_loose(struct str name, struct workspace_path *ret_path)
{
    *ret_path = (struct workspace_path){
        .root = &loose,
        .relative = str_dup_c(str_starts_with(name, STR("/")) ? str_skip(name, 1) : name),
        .absolute = str_dup_c(name),
        .display = str_dup_c(name),
        .exact = true,
    };
}

/* -- Resolving -------------------------------------------------------------------------------- */

static enum status outside(struct str text, struct err *err)
{
    return err_set(err, STATUS_DENIED, STR_FMT " is outside the folders open in the editor",
                   STR_ARG(text));
}

static const struct workspace_root *root_named(const struct workspace *workspace, struct str name)
{
    for (size_t i = 0; i < workspace->roots.len; i++) {
        if (str_eq_c(name, workspace->roots.ptr[i]->root.name))
            return &workspace->roots.ptr[i]->root;
    }
    return NULL;
}

/* With several roots the first component may name one. */
static void append_absolute(const struct workspace *workspace, const struct workspace_root *base,
                            struct str text, struct buf *absolute)
{
    const struct workspace_root *root = base ? base : workspace_root_at(workspace, 0);
    struct buf clean = {0};
    path_append_clean(&clean, text);
    struct str rest = buf_str(&clean), first = {0};
    if (text.ptr[0] != '/' && workspace->roots.len > 1 && str_next(&rest, '/', &first) &&
        root_named(workspace, first))
        root = root_named(workspace, first);
    else
        rest = buf_str(&clean);
    path_append_join(absolute, str_from(root->path), rest);
    buf_finish(&clean);
}

/* An absolute path in the spelling the editor used for the root. */
static const struct workspace_root *find_given(const struct workspace *workspace,
                                               struct buf *absolute)
{
    for (size_t i = 0; i < workspace->roots.len; i++) {
        const struct root *root = workspace->roots.ptr[i];
        if (!path_is_under(buf_str(absolute), str_from(root->given)))
            continue;
        struct buf canonical = {0};
        path_append_join(&canonical, str_from(root->root.path),
                         path_relative(buf_str(absolute), str_from(root->given)));
        buf_move(absolute, &canonical);
        return &root->root;
    }
    return NULL;
}

/* Expands the links of the folder part, so that what is shown, checked and opened is one path. The
 * last component stays: it may be a link to be looked at or removed. */
static enum status expand_folder(const struct workspace_root *root, const char *relative,
                                 struct str text, struct buf *expanded, struct err *err)
{
    struct str folder = path_folder(str_from(relative));
    if (!folder.len || root_check_usable(root, NULL) < 0) {
        buf_append_c(expanded, relative);
        return STATUS_OK;
    }
    struct buf name = {0};
    buf_append(&name, folder);
    int error = 0;
    int fd = beneath_open(root, name.ptr, O_PATH | O_DIRECTORY, BENEATH_NO_LINKS);
    if (fd >= 0) {
        close(fd);
        buf_append_c(expanded, relative);
    } else {
        struct buf real = {0};
        error = beneath_real(root, name.ptr, true, &real);
        path_append_join(expanded, error < 0 ? folder : buf_str(&real),
                         path_name(str_from(relative)));
        buf_finish(&real);
    }
    buf_finish(&name);
    if (error == -EXDEV)
        return outside(text, err);
    if (error == -ELOOP)
        return err_set(err, STATUS_DENIED, STR_FMT " goes through a loop of symbolic links",
                       STR_ARG(text));
    return STATUS_OK;
}

enum status workspace_resolve(const struct workspace *workspace, const struct workspace_root *base,
                              struct str text, struct workspace_path *ret_path, struct err *err)
{
    enum status status = path_check(text, err);
    if (status < 0)
        return status;
    if (!workspace->roots.len)
        return err_set(err, STATUS_NOT_FOUND,
                       "no folder is open in the editor, so there is no " STR_FMT
                       ": only what is open there can be worked on",
                       STR_ARG(text));
    struct buf absolute = {0}, relative = {0}, expanded = {0};
    append_absolute(workspace, base, text, &absolute);
    const struct workspace_root *root = root_find_holding(workspace, buf_str(&absolute));
    if (!root)
        root = find_given(workspace, &absolute);
    if (!root) {
        buf_finish(&absolute);
        return outside(text, err);
    }
    path_append_clean(&relative, path_relative(buf_str(&absolute), str_from(root->path)));
    status = expand_folder(root, relative.ptr, text, &expanded, err);
    if (status == STATUS_OK)
        path_fill(workspace, root, buf_take(&expanded), ret_path);
    buf_finish(&absolute);
    buf_finish(&relative);
    buf_finish(&expanded);
    return status;
}

/* -- Looking ---------------------------------------------------------------------------------- */

void stat_convert(const struct stat *from, struct workspace_stat *ret_stat)
{
    *ret_stat = (struct workspace_stat){
        .exists = true,
        .is_folder = S_ISDIR(from->st_mode),
        .is_file = S_ISREG(from->st_mode),
        .is_link = S_ISLNK(from->st_mode),
        .size = (uint64_t)from->st_size,
        .device = from->st_dev,
        .inode = from->st_ino,
        .links = from->st_nlink,
        .modified_ns = (int64_t)from->st_mtim.tv_sec * 1000000000 + from->st_mtim.tv_nsec,
        .changed_ns = (int64_t)from->st_ctim.tv_sec * 1000000000 + from->st_ctim.tv_nsec,
        .mode = from->st_mode,
    };
}

enum status workspace_stat(const struct workspace_path *path, struct workspace_stat *ret_stat,
                           struct err *err)
{
    enum status status = root_check_usable(path->root, err);
    if (status < 0)
        return status;
    int fd = beneath_open(path->root, path->relative, O_PATH | O_NOFOLLOW, BENEATH_FOLLOW);
    if (fd == -ENOENT || fd == -ENOTDIR) {
        *ret_stat = (struct workspace_stat){0};
        return STATUS_OK;
    }
    if (fd < 0)
        return beneath_error(err, fd, path->display);
    struct stat found;
    int error = fstat(fd, &found) < 0 ? -errno : 0;
    close(fd);
    if (error < 0)
        return beneath_error(err, error, path->display);
    stat_convert(&found, ret_stat);
    return STATUS_OK;
}

enum status workspace_canonical(const struct workspace_path *path, struct buf *ret_absolute,
                                struct err *err)
{
    enum status status = root_check_usable(path->root, err);
    if (status < 0)
        return status;
    struct buf real = {0};
    int error = beneath_real(path->root, path->relative, true, &real);
    if (error == 0)
        path_append_join(ret_absolute, str_from(path->root->path), buf_str(&real));
    else
        status = beneath_error(err, error, path->display);
    buf_finish(&real);
    return status;
}

enum status workspace_pin(const struct workspace *workspace, const struct workspace_path *path,
                          struct workspace_path *ret_path, struct err *err)
{
    enum status status = root_check_usable(path->root, err);
    if (status < 0)
        return status;
    struct buf real = {0};
    int error = beneath_real(path->root, path->relative, true, &real);
    if (error < 0) {
        buf_finish(&real);
        return beneath_error(err, error, path->display);
    }
    path_fill(workspace, path->root, buf_take(&real), ret_path);
    ret_path->exact = true;
    return STATUS_OK;
}

/* Something that is there and reached without any link: its path is canonical as it stands. */
static bool look_straight(const struct workspace_path *path, struct workspace_stat *ret_stat)
{
    struct stat found;
    int fd = beneath_open(path->root, path->relative, O_PATH | O_NOFOLLOW, BENEATH_NO_LINKS);
    bool is_straight = fd >= 0 && fstat(fd, &found) == 0 && !S_ISLNK(found.st_mode);
    if (fd >= 0)
        close(fd);
    if (is_straight)
        stat_convert(&found, ret_stat);
    return is_straight;
}

enum status workspace_look(const struct workspace *workspace, const struct workspace_path *path,
                           struct workspace_stat *ret_stat, struct workspace_path *ret_path,
                           struct err *err)
{
    enum status status = root_check_usable(path->root, err);
    if (status < 0)
        return status;
    if (look_straight(path, ret_stat)) {
        path_fill(workspace, path->root, mem_dup_c(path->relative), ret_path);
        ret_path->exact = true;
        return STATUS_OK;
    }
    status = workspace_stat(path, ret_stat, err);
    return status < 0 ? status : workspace_pin(workspace, path, ret_path, err);
}
