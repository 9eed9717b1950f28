/* Opening beneath a root. See beneath-internal.h for the promise. */
#include "beneath-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LINKS_MAX = 40, /* as the kernel's */
    AGAIN_MAX = 64, /* openat2 gives EAGAIN while somebody renames under a ".." of a link */
};

static atomic_bool use_walk;

void beneath_use_walk(bool on)
{
    atomic_store(&use_walk, on);
}

/* -- The walk --------------------------------------------------------------------------------- */

struct walk {
    const struct workspace_root *root;
    struct buf real;    /* what was walked: folders, no links */
    struct buf pending; /* what is to come, as written in the path and in links */
    int fd;             /* of `real` */
    int links_left;
};

static int open_step(int fd, const char *name)
{
    int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return next < 0 ? -errno : next;
}

static int walk_enter(struct walk *walk, const char *name)
{
    int next = open_step(walk->fd, name);
    if (next < 0)
        return next;
    close(walk->fd);
    walk->fd = next;
    if (walk->real.len)
        buf_append_byte(&walk->real, '/');
    buf_append_c(&walk->real, name);
    return 0;
}

static int walk_restart(struct walk *walk)
{
    int next = open_step(walk->root->fd, ".");
    if (next < 0)
        return next;
    if (walk->fd >= 0)
        close(walk->fd);
    walk->fd = next;
    buf_clear(&walk->real);
    return 0;
}

/* ".." by way of the root: a descriptor's own ".." may lie elsewhere by now. */
static int walk_climb(struct walk *walk)
{
    if (!walk->real.len)
        return -EXDEV;
    struct buf target = {0};
    buf_append(&target, path_folder(buf_str(&walk->real)));
    struct str rest = buf_str(&target), name;
    int result = walk_restart(walk);
    while (result == 0 && rest.len && str_next(&rest, '/', &name)) {
        char *copy = str_dup_c(name);
        result = walk_enter(walk, copy);
        mem_free(copy);
    }
    buf_finish(&target);
    return result == -ENOENT ? -EAGAIN : result; /* it was there a moment ago */
}

/* Puts the target of a link in front of what is to come. */
static int walk_expand(struct walk *walk, struct str target)
{
    if (walk->links_left-- == 0)
        return -ELOOP;
    struct buf pending = {0};
    if (target.len && target.ptr[0] == '/') {
        struct str root = str_from(walk->root->path);
        if (!path_is_under(target, root))
            return -EXDEV;
        int result = walk_restart(walk);
        if (result < 0)
            return result;
        target = path_relative(target, root);
    }
    buf_append(&pending, target);
    buf_append_byte(&pending, '/');
    buf_append(&pending, buf_str(&walk->pending));
    buf_move(&walk->pending, &pending);
    return walk->pending.len > PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Takes the next component off; false at the end. */
static bool walk_next(struct walk *walk, char name[NAME_MAX + 1], int *ret_error)
{
    *ret_error = 0;
    struct str rest = buf_str(&walk->pending), piece;
    while (str_next(&rest, '/', &piece)) {
        if (!piece.len)
            continue;
        if (piece.len > NAME_MAX) {
            *ret_error = -ENAMETOOLONG;
            return false;
        }
        memcpy(name, piece.ptr, piece.len);
        name[piece.len] = '\0';
        buf_remove_front(&walk->pending, walk->pending.len - rest.len);
        return true;
    }
    buf_clear(&walk->pending);
    return false;
}

static bool walk_is_last(const struct walk *walk)
{
    struct str rest = buf_str(&walk->pending), piece;
    while (str_next(&rest, '/', &piece)) {
        if (piece.len)
            return false;
    }
    return true;
}

/* Folder, file or nothing: entered unless it is the last. Link: expanded if that is wanted. Clears
 * `name` when it is used up; a name that stays is the last component. */
static int walk_step(struct walk *walk, bool follow_last, enum beneath_links links, char *name)
{
    char target[PATH_MAX];
    bool last = walk_is_last(walk);
    int result = 0;
    ssize_t length = readlinkat(walk->fd, name, target, sizeof(target));
    if (length < 0 && errno != EINVAL)
        return -errno;
    if (length < 0 || (last && !follow_last)) {
        if (last)
            return 0;
        result = walk_enter(walk, name);
    } else if (links == BENEATH_NO_LINKS) {
        return -ELOOP;
    } else if ((size_t)length == sizeof(target)) {
        return -ENAMETOOLONG;
    } else {
        result = walk_expand(walk, (struct str){target, (size_t)length});
    }
    if (result == 0)
        name[0] = '\0';
    return result;
}

/* Runs until the last component, which is left in `name` (empty: what was reached itself). */
static int walk_run(struct walk *walk, bool follow_last, enum beneath_links links,
                    char name[NAME_MAX + 1])
{
    int result = 0;
    name[0] = '\0';
    while (result == 0 && !name[0] && walk_next(walk, name, &result)) {
        if (strcmp(name, ".") == 0) {
            name[0] = '\0'; /* but what came before it had to be a folder */
        } else if (strcmp(name, "..") == 0) {
            name[0] = '\0';
            result = walk_climb(walk);
        } else {
            result = walk_step(walk, follow_last, links, name);
        }
    }
    return result;
}

static int walk_begin(struct walk *walk, const struct workspace_root *root, const char *relative)
{
    *walk = (struct walk){.root = root, .fd = -1, .links_left = LINKS_MAX};
    buf_append_c(&walk->pending, relative);
    return walk_restart(walk);
}

static void walk_end(struct walk *walk)
{
    if (walk->fd >= 0)
        close(walk->fd);
    buf_finish(&walk->real);
    buf_finish(&walk->pending);
}

static int walk_open(const struct workspace_root *root, const char *relative, int flags,
                     enum beneath_links links)
{
    struct walk walk;
    char name[NAME_MAX + 1];
    int result = walk_begin(&walk, root, relative);
    if (result == 0)
        result = walk_run(&walk, !(flags & O_NOFOLLOW), links, name);
    if (result == 0) {
        result = openat(walk.fd, name[0] ? name : ".", flags | O_NOFOLLOW);
        if (result < 0)
            result = -errno;
    }
    walk_end(&walk);
    return result;
}

/* Appends what is left, unless it could still climb: then nobody knows where it leads. */
static int append_missing(const struct walk *walk, const char *name, struct buf *real)
{
    struct str rest = buf_str(&walk->pending), piece;
    while (str_next(&rest, '/', &piece)) {
        if (str_eq_c(piece, ".."))
            return -ENOENT;
    }
    struct str parts[] = {buf_str(&walk->real), str_from(name), buf_str(&walk->pending)};
    struct buf whole = {0};
    for (size_t i = 0; i < array_count(parts); i++) {
        if (parts[i].len && whole.len)
            buf_append_byte(&whole, '/');
        buf_append(&whole, parts[i]);
    }
    path_append_clean(real, buf_str(&whole));
    buf_finish(&whole);
    return 0;
}

int beneath_real(const struct workspace_root *root, const char *relative, bool follow_last,
                 struct buf *real)
{
    struct walk walk;
    char name[NAME_MAX + 1] = "";
    int result = walk_begin(&walk, root, relative);
    if (result == 0)
        result = walk_run(&walk, follow_last, BENEATH_FOLLOW, name);
    if (result == 0 || result == -ENOENT)
        result = append_missing(&walk, name, real);
    walk_end(&walk);
    return result;
}

/* -- The kernel ------------------------------------------------------------------------------- */

static int kernel_open(int root_fd, const char *relative, int flags, enum beneath_links links)
{
    struct open_how how = {
        .flags = (uint64_t)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
                   (links == BENEATH_NO_LINKS ? RESOLVE_NO_SYMLINKS : 0),
    };
    for (int i = 0; i < AGAIN_MAX; i++) {
        long fd = syscall(SYS_openat2, root_fd, relative, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
    return -EAGAIN;
}

/* EPERM: how older container engines say ENOSYS. EXDEV: perhaps an absolute link back inside. */
static bool is_for_the_walk(int result)
{
    return result == -ENOSYS || result == -EPERM || result == -EXDEV || result == -EAGAIN;
}

int beneath_open(const struct workspace_root *root, const char *relative, int flags,
                 enum beneath_links links)
{
    flags |= O_CLOEXEC;
    if (!atomic_load(&use_walk)) {
        int result = kernel_open(root->fd, relative, flags, links);
        if (result == -ENOSYS)
            atomic_store(&use_walk, true);
        if (!is_for_the_walk(result))
            return result;
    }
    return walk_open(root, relative, flags, links);
}

/* -- Folders ---------------------------------------------------------------------------------- */

static int make_step(int fd, const char *name)
{
    int next = open_step(fd, name);
    if (next != -ENOENT)
        return next;
    if (mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    return open_step(fd, name);
}

static int make_folders(const struct workspace_root *root, const char *relative)
{
    int fd = open_step(root->fd, ".");
    struct str rest = str_from(relative), piece;
    while (fd >= 0 && str_next(&rest, '/', &piece)) {
        char *name = str_dup_c(piece);
        int next = make_step(fd, name);
        mem_free(name);
        close(fd);
        fd = next;
    }
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* A folder that may be entered but not read cannot be synced; all else works. */
static int open_existing_folder(const struct workspace_root *root, const char *relative)
{
    int fd = beneath_open(root, relative, O_RDONLY | O_DIRECTORY, BENEATH_NO_LINKS);
    if (fd == -EACCES)
        fd = beneath_open(root, relative, O_PATH | O_DIRECTORY, BENEATH_NO_LINKS);
    return fd;
}

int beneath_open_folder(const struct workspace_root *root, const char *relative, bool create)
{
    int fd = open_existing_folder(root, relative);
    if (fd != -ENOENT || !create)
        return fd;
    int result = make_folders(root, relative);
    return result < 0 ? result : open_existing_folder(root, relative);
}

/* -- Errors ----------------------------------------------------------------------------------- */

enum status beneath_error(struct err *err, int error, const char *display)
{
    static const struct {
        int number;
        enum status status;
        const char *text;
    } table[] = {
        {ENOENT, STATUS_NOT_FOUND, "does not exist"},
        {ENOTDIR, STATUS_NOT_FOUND, "does not exist: a folder on the way is a file"},
        {EXDEV, STATUS_DENIED, "leads outside the folders open in the editor"},
        {ELOOP, STATUS_DENIED, "goes through a symbolic link that cannot be followed here"},
        {EACCES, STATUS_DENIED, "may not be accessed: its permissions forbid it"},
        {EPERM, STATUS_DENIED, "may not be changed: the system forbids it"},
        {EROFS, STATUS_DENIED, "is on a read-only file system"},
        {ENAMETOOLONG, STATUS_INVALID, "is too long for the file system"},
        {EAGAIN, STATUS_CONFLICT, "is being moved by another program; try again"},
        {ENXIO, STATUS_UNSUPPORTED, "is not a regular file"},
        {EISDIR, STATUS_UNSUPPORTED, "is a folder"},
        {ENOTEMPTY, STATUS_CONFLICT, "is a folder that is not empty"},
        {EEXIST, STATUS_EXISTS, "exists already"},
        {ENOSPC, STATUS_IO, "cannot be written: the disk is full; make room and try again"},
        {EDQUOT, STATUS_IO, "cannot be written: your quota on this disk is used up; make room"},
        {EIO, STATUS_IO, "cannot be accessed: the disk reports an error; check the disk"},
        {EBUSY, STATUS_IO, "is in use by the system, as a place where something is mounted"},
        {EFBIG, STATUS_IO, "would be larger than files may be here"},
        {EMFILE, STATUS_IO, "cannot be opened: this program has too many files open"},
        {ENFILE, STATUS_IO, "cannot be opened: the system has too many files open"},
    };
    for (size_t i = 0; i < array_count(table); i++) {
        if (table[i].number == -error)
            return err_set(err, table[i].status, "%s %s", display, table[i].text);
    }
    return err_set_errno(err, -error, "%s cannot be accessed", display);
}
