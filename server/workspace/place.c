/* The place of a change, and the steps that changes are made of. */
#include "place-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { NEW_FILE_MODE = 0644, PERMISSION_BITS = 0777 };

enum status place_open(const struct workspace_path *path, bool create, struct place *ret_place,
                       struct err *err)
{
    enum status status = root_check_usable(path->root, err);
    if (status < 0)
        return status;
    if (strcmp(path->relative, ".") == 0)
        return err_set(err, STATUS_DENIED, "%s is a folder open in the editor; it is not changed",
                       path->absolute);
    const char *slash = strrchr(path->relative, '/');
    struct buf folder = {0};
    if (slash)
        buf_append(&folder, path_folder(str_from(path->relative)));
    int fd = beneath_open_folder(path->root, slash ? folder.ptr : ".", create);
    buf_finish(&folder);
    if (fd < 0)
        return beneath_error(err, fd, path->display);
    *ret_place = (struct place){
        .folder_fd = fd, .name = slash ? slash + 1 : path->relative, .display = path->display};
    return STATUS_OK;
}

enum status place_stat(const struct place *place, struct stat *found,
                       struct workspace_stat *ret_stat, struct err *err)
{
    if (fstatat(place->folder_fd, place->name, found, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return beneath_error(err, -errno, place->display);
        *ret_stat = (struct workspace_stat){0};
        return STATUS_OK;
    }
    stat_convert(found, ret_stat);
    return STATUS_OK;
}

/* What is on the disk survives a crash once its folder does. */
void place_close(struct place *place, bool changed)
{
    if (changed)
        fsync(place->folder_fd);
    close(place->folder_fd);
}

/* -- Writing ---------------------------------------------------------------------------------- */

bool place_is_same(const struct workspace_stat *a, const struct workspace_stat *b)
{
    if (!a->exists || !b->exists)
        return a->exists == b->exists;
    return a->size == b->size && a->modified_ns == b->modified_ns && a->inode == b->inode &&
           a->device == b->device;
}

enum status place_check_replaceable(const struct place *place, const struct workspace_stat *found,
                                    struct err *err)
{
    if (!found->exists)
        return STATUS_OK;
    if (found->is_link)
        return err_set(err, STATUS_DENIED, "%s is a symbolic link; write to the file it names",
                       place->display);
    if (!found->is_file)
        return err_set(err, STATUS_UNSUPPORTED, "%s is not a regular file and is not replaced",
                       place->display);
    if (found->links > 1)
        return err_set(err, STATUS_DENIED,
                       "%s has %llu names (hard links); writing one would change or split the "
                       "others",
                       place->display, (unsigned long long)found->links);
    if (faccessat(place->folder_fd, place->name, W_OK, AT_EACCESS) < 0)
        return err_set(err, STATUS_DENIED, "%s is read-only", place->display);
    return STATUS_OK;
}

enum status place_check_movable(const struct place *place, struct stat *found,
                                struct workspace_stat *ret_stat, struct err *err)
{
    enum status status = place_stat(place, found, ret_stat, err);
    if (status < 0)
        return status;
    if (!ret_stat->exists)
        return beneath_error(err, -ENOENT, place->display);
    if (!ret_stat->is_file && !ret_stat->is_folder && !ret_stat->is_link)
        return err_set(err, STATUS_UNSUPPORTED, "%s is a pipe, socket or device; it is left alone",
                       place->display);
    return STATUS_OK;
}

int write_whole(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        bytes = str_skip(bytes, (size_t)written);
    }
    return 0;
}

/* Owner and mode of what is replaced. The owner can only be kept by root; others own it anyway. */
static int keep_attributes(int fd, const struct stat *replaced)
{
    struct stat ours;
    if (fstat(fd, &ours) < 0)
        return -errno;
    if ((ours.st_uid != replaced->st_uid || ours.st_gid != replaced->st_gid) &&
        fchown(fd, replaced->st_uid, replaced->st_gid) < 0 && errno != EPERM)
        return -errno;
    return fchmod(fd, replaced->st_mode & PERMISSION_BITS) < 0 ? -errno : 0;
}

void place_make_name(const char *ending, char ret_name[PLACE_NAME_BYTES])
{
    char id[ID_BYTES];
    id_make(".lanebridge", id);
    snprintf(ret_name, PLACE_NAME_BYTES, "%s.%s", id, ending);
}

int place_make_temporary(const struct place *place, const char *temporary, struct str bytes,
                         const struct stat *replaced)
{
    int fd =
        openat(place->folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
               replaced ? 0600 : NEW_FILE_MODE);
    if (fd < 0)
        return -errno;
    int error = write_whole(fd, bytes);
    if (error == 0 && replaced)
        error = keep_attributes(fd, replaced);
    if (error == 0 && fsync(fd) < 0)
        error = -errno;
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (error < 0)
        unlinkat(place->folder_fd, temporary, 0);
    return error;
}

/* Not every file system knows RENAME_NOREPLACE; a link does the same for files. */
int place_rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
    if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (linkat(from_fd, from, to_fd, to, 0) == 0)
        return unlinkat(from_fd, from, 0) < 0 ? -errno : 0;
    if (errno == EEXIST || errno == EXDEV)
        return -errno;
    struct stat there;
    if (fstatat(to_fd, to, &there, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

enum status place_conflict(const struct place *place, struct err *err)
{
    return err_set(err, STATUS_CONFLICT, "%s has changed on disk since it was read; read it again",
                   place->display);
}

/* Looks once more: what is replaced is what was decided about. */
enum status place_put(const struct place *place, const char *temporary,
                      const struct workspace_stat *decided, struct err *err)
{
    struct stat found;
    struct workspace_stat now;
    enum status status = place_stat(place, &found, &now, err);
    if (status < 0)
        return status;
    if (!place_is_same(decided, &now))
        return place_conflict(place, err);
    int error = 0;
    if (!decided->exists)
        error = place_rename_new(place->folder_fd, temporary, place->folder_fd, place->name);
    else if (renameat(place->folder_fd, temporary, place->folder_fd, place->name) < 0)
        error = -errno;
    if (error == -EEXIST)
        return place_conflict(place, err);
    return error < 0 ? beneath_error(err, error, place->display) : STATUS_OK;
}
