/* Reading regular files. */
#include "beneath-internal.h"
#include "workspace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static enum status too_large(const char *display, uint64_t size, size_t limit_bytes,
                             struct err *err)
{
    return err_set(err, STATUS_LIMIT, "%s has %llu bytes; the limit here is %zu", display,
                   (unsigned long long)size, limit_bytes);
}

enum status read_whole(int fd, size_t limit_bytes, struct buf *bytes, const char *display,
                       struct err *err)
{
    size_t start = bytes->len;
    for (;;) {
        if (bytes->cap - bytes->len < 2) /* one byte of room tells the end */
            buf_reserve(bytes, 64 * KIB);
        ssize_t got = read(fd, bytes->ptr + bytes->len, bytes->cap - bytes->len - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return beneath_error(err, -errno, display);
        if (got == 0)
            break;
        bytes->len += (size_t)got;
        if (bytes->len - start > limit_bytes)
            return too_large(display, bytes->len - start, limit_bytes, err);
    }
    bytes->ptr[bytes->len] = '\0';
    return STATUS_OK;
}

static enum status check_readable(const struct stat *found, const char *display, size_t limit_bytes,
                                  struct err *err)
{
    if (S_ISDIR(found->st_mode))
        return err_set(err, STATUS_UNSUPPORTED, "%s is a folder; list it instead", display);
    if (!S_ISREG(found->st_mode))
        return err_set(err, STATUS_UNSUPPORTED,
                       "%s is a pipe, socket or device; only regular files are read", display);
    if ((uint64_t)found->st_size > limit_bytes)
        return too_large(display, (uint64_t)found->st_size, limit_bytes, err);
    return STATUS_OK;
}

/* First without opening it (opening a device or FIFO has effects of its own), then for real, and
 * without blocking in case it was swapped in between. */
static enum status open_regular(const struct workspace_path *path, size_t limit_bytes, int *ret_fd,
                                struct stat *ret_found, struct err *err)
{
    static const int flags[] = {O_PATH, O_RDONLY | O_NONBLOCK | O_NOCTTY};
    int fd = -1;
    for (size_t i = 0; i < array_count(flags); i++) {
        if (fd >= 0)
            close(fd);
        fd = beneath_open(path->root, path->relative, flags[i],
                          path->exact ? BENEATH_NO_LINKS : BENEATH_FOLLOW);
        if (fd < 0)
            return beneath_error(err, fd, path->display);
        enum status status = fstat(fd, ret_found) < 0
                                 ? beneath_error(err, -errno, path->display)
                                 : check_readable(ret_found, path->display, limit_bytes, err);
        if (status < 0) {
            close(fd);
            return status;
        }
    }
    *ret_fd = fd;
    return STATUS_OK;
}

enum status workspace_read(const struct workspace_path *path, size_t limit_bytes,
                           struct buf *ret_bytes, struct workspace_stat *ret_stat, struct err *err)
{
    enum status status = root_check_usable(path->root, err);
    if (status < 0)
        return status;
    struct stat found;
    int fd = -1;
    status = open_regular(path, limit_bytes, &fd, &found, err);
    if (status < 0)
        return status;
    size_t start = ret_bytes->len;
    buf_reserve(ret_bytes, (size_t)found.st_size + 1);
    status = read_whole(fd, limit_bytes, ret_bytes, path->display, err);
    close(fd);
    if (status < 0)
        buf_truncate(ret_bytes, start);
    else if (ret_stat)
        stat_convert(&found, ret_stat);
    return status;
}

/* -- Open text against the disk --------------------------------------------------------------- */

bool text_is_same(struct str disk, struct str text)
{
    static const struct str mark = {"\xef\xbb\xbf", 3};
    if (str_eq(disk, text))
        return true;
    return str_starts_with(disk, mark) && str_eq(str_skip(disk, mark.len), text);
}

bool workspace_is_unsaved(const struct workspace *workspace, const struct document *document)
{
    struct workspace_path path;
    struct buf bytes = {0};
    if (!document->text ||
        workspace_resolve(workspace, NULL, str_from(document->path), &path, NULL) < 0)
        return true;
    bool same = workspace_read(&path, LIMIT_DOCUMENT_BYTES + 3, &bytes, NULL, NULL) == STATUS_OK &&
                text_is_same(buf_str(&bytes), text_bytes(document->text));
    buf_finish(&bytes);
    workspace_path_finish(&path);
    return !same;
}
