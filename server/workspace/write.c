/* Changing files one by one: whole or not at all, beneath the root, never through a link. Several
 * at once: batch.c. */
#include "place-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* -- Writing ---------------------------------------------------------------------------------- */

static enum status write_at(const struct place *place, struct str bytes,
                            const struct workspace_stat *expect, struct err *err)
{
    struct stat found;
    struct workspace_stat before;
    enum status status = place_stat(place, &found, &before, err);
    if (status == STATUS_OK)
        status = place_check_replaceable(place, &before, err);
    if (status < 0)
        return status;
    if (expect && !place_is_same(expect, &before))
        return place_conflict(place, err);
    char temporary[PLACE_NAME_BYTES];
    place_make_name("tmp", temporary);
    int error = place_make_temporary(place, temporary, bytes, before.exists ? &found : NULL);
    if (error < 0)
        return beneath_error(err, error, place->display);
    status = place_put(place, temporary, &before, err);
    if (status < 0)
        unlinkat(place->folder_fd, temporary, 0);
    return status;
}

enum status workspace_write(const struct workspace_path *path, struct str bytes,
                            const struct workspace_stat *expect, struct err *err)
{
    if (bytes.len > LIMIT_EDIT_FILE_BYTES)
        return err_set(err, STATUS_LIMIT, "%s would have %zu bytes; files up to %zu are written",
                       path->display, bytes.len, LIMIT_EDIT_FILE_BYTES);
    struct place place;
    enum status status = place_open(path, true, &place, err);
    if (status < 0)
        return status;
    status = write_at(&place, bytes, expect, err);
    place_close(&place, status == STATUS_OK);
    return status;
}

/* By number of nanoseconds, not "now": what the kernel calls now may be some milliseconds behind,
 * and so not after what a build has just written. */
static int set_modified(int fd)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
    clock_gettime(CLOCK_REALTIME, &times[1]);
    if (futimens(fd, times) == 0)
        return 0;
    times[1] = (struct timespec){.tv_nsec = UTIME_NOW}; /* what others than the owner may do */
    times[0] = times[1];
    return errno == EPERM && futimens(fd, times) == 0 ? 0 : -errno;
}

enum status workspace_touch(const struct workspace_path *path, const struct workspace_stat *expect,
                            struct err *err)
{
    struct stat found;
    struct workspace_stat now;
    enum status status = root_check_usable(path->root, err);
    if (status < 0)
        return status;
    int fd = beneath_open(path->root, path->relative, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                          BENEATH_NO_LINKS);
    if (fd < 0)
        return beneath_error(err, fd, path->display);
    int error = fstat(fd, &found) < 0 ? -errno : 0;
    stat_convert(&found, &now);
    if (error == 0 && (!now.is_file || !place_is_same(expect, &now)))
        error = -ESTALE;
    if (error == 0)
        error = set_modified(fd);
    close(fd);
    if (error == -ESTALE)
        return err_set(err, STATUS_CONFLICT, "%s has changed on disk meanwhile", path->display);
    return error < 0 ? beneath_error(err, error, path->display) : STATUS_OK;
}

/* -- Removing and renaming -------------------------------------------------------------------- */

enum status workspace_remove(const struct workspace_path *path, struct err *err)
{
    struct place place;
    struct stat found;
    struct workspace_stat now;
    enum status status = place_open(path, false, &place, err);
    if (status < 0)
        return status;
    status = place_check_movable(&place, &found, &now, err);
    if (status == STATUS_OK &&
        unlinkat(place.folder_fd, place.name, now.is_folder ? AT_REMOVEDIR : 0) < 0)
        status = beneath_error(err, -errno, path->display);
    place_close(&place, status == STATUS_OK);
    return status;
}

static enum status rename_error(const struct workspace_path *from, const struct workspace_path *to,
                                int error, struct err *err)
{
    if (error == -EXDEV)
        return err_set(err, STATUS_UNSUPPORTED, "%s and %s are on different file systems",
                       from->display, to->display);
    if (error == -EINVAL)
        return err_set(err, STATUS_INVALID, "%s cannot be moved into itself (%s)", from->display,
                       to->display);
    return beneath_error(err, error, error == -EEXIST ? to->display : from->display);
}

enum status workspace_rename(const struct workspace_path *from, const struct workspace_path *to,
                             struct err *err)
{
    struct place source, target;
    struct stat found;
    struct workspace_stat now;
    enum status status = place_open(from, false, &source, err);
    if (status < 0)
        return status;
    status = place_check_movable(&source, &found, &now, err);
    if (status == STATUS_OK)
        status = place_open(to, true, &target, err);
    if (status == STATUS_OK) {
        int error = place_rename_new(source.folder_fd, source.name, target.folder_fd, target.name);
        if (error < 0)
            status = rename_error(from, to, error, err);
        place_close(&target, error == 0);
    }
    place_close(&source, status == STATUS_OK);
    return status;
}
