/* What a command did to protected names is moved away, not deleted: it may be what the user wanted.
 * By descriptors and without following any link, because the command may have planted some. */
#include "guard-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void remember(struct policy_guard *guard, const char *path, const char *folder,
                     const char *id, bool was_changed)
{
    struct buf kept = {0};
    path_append_join(&kept, str_from(folder), str_from(id));
    struct guard_moved moved = {mem_dup_c(path), buf_take(&kept), was_changed};
    vec_push(&guard->moved, moved);
}

/* Into the state folder; where that is another file system, aside under a name that steers nothing.
 */
static bool move_away(struct policy_guard *guard, const char *path, int parent, const char *name,
                      bool was_changed, struct buf *ret_where)
{
    char id[ID_BYTES];
    id_make("quarantine", id);
    int store = -1;
    if (config_make_folder(guard->quarantine, NULL) == STATUS_OK)
        store = open(guard->quarantine, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool moved = store >= 0 && renameat2(parent, name, store, id, RENAME_NOREPLACE) == 0;
    bool renamed = !moved && renameat2(parent, name, parent, id, RENAME_NOREPLACE) == 0;
    if (moved) {
        buf_append_fmt(ret_where, "moved to %s/%s", guard->quarantine, id);
        remember(guard, path, guard->quarantine, id, was_changed);
    } else if (renamed) {
        struct str relative;
        const struct guard_root *root = guard_split(guard, path, &relative);
        struct buf folder = {0};
        path_append_join(&folder, str_from(root->path), path_folder(relative));
        buf_append_fmt(ret_where, "renamed to %s", id);
        remember(guard, path, folder.ptr, id, was_changed);
        buf_finish(&folder);
    } else {
        buf_append_fmt(ret_where, "it could not be moved away (%s): look at it yourself",
                       strerrordesc_np(errno));
    }
    if (store >= 0)
        close(store);
    return moved || renamed;
}

static bool write_all(int fd, struct str rest)
{
    while (rest.len) {
        ssize_t put = write(fd, rest.ptr, rest.len);
        if (put < 0 && errno != EINTR)
            return false;
        rest = str_skip(rest, put > 0 ? (size_t)put : 0);
    }
    return true;
}

static bool put_back(int parent, const char *name, const struct guard_record *record)
{
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    record->st.st_mode & 0777);
    if (fd < 0)
        return false;
    bool good = write_all(fd, buf_str(&record->content));
    good &= fchmod(fd, record->st.st_mode & 07777) == 0;
    return close(fd) == 0 && good;
}

static void say(struct buf *report, const char *what, struct str relative, const char *where)
{
    utf8_append_printable(report, relative);
    buf_append_fmt(report, ": a protected name was %s; %s\n", what, where);
}

void quarantine_created(struct policy_guard *guard, const char *path, struct buf *report)
{
    struct str relative;
    const struct guard_root *root = guard_split(guard, path, &relative);
    int parent = census_open_folder(root->fd, path_folder(relative), O_PATH);
    char *name = str_dup_c(path_name(relative));
    struct buf where = {0};
    if (parent >= 0)
        move_away(guard, path, parent, name, false, &where);
    say(report, "created by the command", relative, where.ptr ? where.ptr : "it is gone again");
    buf_finish(&where);
    mem_free(name);
    if (parent >= 0)
        close(parent);
}

void quarantine_changed(struct policy_guard *guard, const struct guard_record *before, bool exists,
                        struct buf *report)
{
    struct str relative;
    const struct guard_root *root = guard_split(guard, before->path, &relative);
    int parent =
        before->has_content ? census_open_folder(root->fd, path_folder(relative), O_PATH) : -1;
    char *name = str_dup_c(path_name(relative));
    struct buf where = {0};
    bool clear =
        parent >= 0 && (!exists || move_away(guard, before->path, parent, name, true, &where));
    if (clear && put_back(parent, name, before))
        buf_append_fmt(&where, "%sthe earlier text was put back", exists ? " and " : "");
    else if (!where.len)
        buf_append_c(&where, "it could not be put back: look at it yourself");
    say(report, exists ? "changed by the command" : "deleted by the command", relative, where.ptr);
    buf_finish(&where);
    mem_free(name);
    if (parent >= 0)
        close(parent);
}

/* -- The user wants them ---------------------------------------------------------------------- */

static bool restore(const struct policy_guard *guard, const struct guard_moved *moved)
{
    struct str relative;
    const struct guard_root *root = guard_split(guard, moved->path, &relative);
    int parent = census_open_folder(root->fd, path_folder(relative), O_PATH);
    char *name = str_dup_c(path_name(relative));
    /* Of what was changed the earlier text is there, and changes places with it. */
    bool good =
        parent >= 0 && renameat2(AT_FDCWD, moved->kept, parent, name,
                                 moved->was_changed ? RENAME_EXCHANGE : RENAME_NOREPLACE) == 0;
    mem_free(name);
    if (parent >= 0)
        close(parent);
    return good;
}

size_t policy_guard_restore(struct policy_guard *guard, struct buf *report)
{
    size_t count = 0;
    for (size_t i = 0; i < guard->moved.len; i++) {
        struct str relative;
        guard_split(guard, guard->moved.ptr[i].path, &relative);
        bool good = restore(guard, &guard->moved.ptr[i]);
        count += good;
        utf8_append_printable(report, relative);
        buf_append_fmt(report, ": %s\n",
                       good ? "kept, as the user said" : "it could not be moved back");
    }
    quarantine_finish(guard);
    return count;
}

size_t policy_guard_moved(const struct policy_guard *guard)
{
    return guard->moved.len;
}

void quarantine_finish(struct policy_guard *guard)
{
    for (size_t i = 0; i < guard->moved.len; i++) {
        mem_free(guard->moved.ptr[i].path);
        mem_free(guard->moved.ptr[i].kept);
    }
    vec_finish(&guard->moved);
}
