/* The file of a change of several names, and taking its steps back. See intent-internal.h. */
#include "intent-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTENT_FOLDER "writes"
#define DONE_ENDING ".done"

void intent_step_finish(struct intent_step *step)
{
    mem_free(step->root);
    mem_free(step->relative);
}

/* -- Taking back ------------------------------------------------------------------------------ */

/* What has which name now: a file is known by its number. */
struct look {
    struct stat name, temporary, backup; /* st_ino 0: nothing */
};

static void look_at(int folder_fd, const char *name, struct stat *found)
{
    if (!name[0] || fstatat(folder_fd, name, found, AT_SYMLINK_NOFOLLOW) < 0)
        *found = (struct stat){0};
}

static bool is_new_and_untouched(const struct intent_step *step, const struct stat *found)
{
    int64_t modified_ns = (int64_t)found->st_mtim.tv_sec * 1000000000 + found->st_mtim.tv_nsec;
    return found->st_ino == step->new_inode && (uint64_t)found->st_size == step->new_size &&
           modified_ns == step->new_modified_ns;
}

static bool remove_file(int folder_fd, const char *name)
{
    return unlinkat(folder_fd, name, 0) == 0 || errno == ENOENT;
}

/* The name is free, or has our new file: the old one gets it back. */
static enum step_end put_back(const struct intent_step *step, int folder_fd, const char *name,
                              const struct look *now, const char *holder)
{
    if (!now->name.st_ino) {
        int error = place_rename_new(folder_fd, holder, folder_fd, name);
        return error == 0 ? STEP_IS_BACK : error == -EEXIST ? STEP_CHANGED_SINCE : STEP_STUCK;
    }
    if (!is_new_and_untouched(step, &now->name))
        return STEP_CHANGED_SINCE;
    return renameat(folder_fd, holder, folder_fd, name) == 0 ? STEP_IS_BACK : STEP_STUCK;
}

static enum step_end back_to_old(const struct intent_step *step, int folder_fd, const char *name,
                                 struct look *now, char ret_kept[PLACE_NAME_BYTES])
{
    const char *holder = now->temporary.st_ino == step->old_inode ? step->temporary
                         : now->backup.st_ino == step->old_inode  ? step->backup
                                                                  : NULL;
    enum step_end end = STEP_IS_BACK;
    if (now->name.st_ino == step->old_inode) {
        if (holder && !remove_file(folder_fd, holder)) /* a second name of it */
            end = STEP_STUCK;
    } else if (holder) {
        end = put_back(step, folder_fd, name, now, holder);
        if (end != STEP_IS_BACK)
            snprintf(ret_kept, PLACE_NAME_BYTES, "%s", holder);
    } else {
        end = STEP_CHANGED_SINCE;
    }
    return end;
}

static enum step_end back_to_nothing(const struct intent_step *step, int folder_fd,
                                     const char *name, const struct look *now)
{
    if (!step->new_inode || now->name.st_ino != step->new_inode)
        return STEP_IS_BACK;
    if (!is_new_and_untouched(step, &now->name))
        return STEP_CHANGED_SINCE;
    return remove_file(folder_fd, name) ? STEP_IS_BACK : STEP_STUCK;
}

enum step_end intent_step_back(const struct intent_step *step, int folder_fd,
                               char ret_kept[PLACE_NAME_BYTES])
{
    const char *slash = strrchr(step->relative, '/');
    const char *name = slash ? slash + 1 : step->relative;
    struct look now;
    look_at(folder_fd, name, &now.name);
    look_at(folder_fd, step->temporary, &now.temporary);
    look_at(folder_fd, step->backup, &now.backup);
    ret_kept[0] = '\0';
    enum step_end end = step->old_inode ? back_to_old(step, folder_fd, name, &now, ret_kept)
                                        : back_to_nothing(step, folder_fd, name, &now);
    bool is_our_new = now.temporary.st_ino && now.temporary.st_ino != step->old_inode;
    if (is_our_new && !remove_file(folder_fd, step->temporary) && end == STEP_IS_BACK)
        end = STEP_STUCK;
    return end;
}

bool intent_step_clean(const struct intent_step *step, int folder_fd)
{
    bool no_temporary = !step->temporary[0] || remove_file(folder_fd, step->temporary);
    return remove_file(folder_fd, step->backup) && no_temporary;
}

void intent_remove_folders(const struct workspace_root *root, const struct intent_step *step)
{
    struct buf path = {0};
    buf_append(&path, path_folder(str_from(step->relative)));
    while (path.len > step->kept) {
        struct str above = path_folder(buf_str(&path));
        char *parent = above.len ? str_dup_c(above) : mem_dup_c(".");
        char *name = str_dup_c(path_name(buf_str(&path)));
        int fd = beneath_open(root, parent, O_RDONLY | O_DIRECTORY, BENEATH_NO_LINKS);
        bool removed = fd == -ENOENT ||
                       (fd >= 0 && (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT));
        buf_truncate(&path, above.len);
        if (fd >= 0)
            close(fd);
        mem_free(parent);
        mem_free(name);
        if (!removed)
            break;
    }
    buf_finish(&path);
}

/* -- The file --------------------------------------------------------------------------------- */

int intent_open_folder(const struct workspace *workspace, bool create)
{
    if (create)
        state_make_folder(workspace->state_folder);
    int state = open(workspace->state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state < 0)
        return -errno;
    if (create && mkdirat(state, INTENT_FOLDER, 0700) < 0 && errno != EEXIST) {
        int error = -errno;
        close(state);
        return error;
    }
    int fd = openat(state, INTENT_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = fd < 0 ? -errno : 0;
    close(state);
    return fd < 0 ? error : fd;
}

bool intent_is_done(const char *name)
{
    return str_ends_with(str_from(name), STR(DONE_ENDING));
}

static bool fits_a_line(const char *text)
{
    return !strpbrk(text, "\t\n");
}

static int append_steps(struct buf *lines, const struct intent_step *steps, size_t count)
{
    buf_append_c(lines, "lanebridge write 1\n");
    for (size_t i = 0; i < count; i++) {
        const struct intent_step *step = &steps[i];
        if (!fits_a_line(step->root) || !fits_a_line(step->relative))
            return -EINVAL;
        buf_append_fmt(lines, "%s\t%s\t%s\t%zu\t%s\t%s\n", step->removes ? "remove" : "write",
                       step->root, step->relative, step->kept, step->temporary, step->backup);
    }
    return 0;
}

static int open_locked(struct intent *intent)
{
    intent->fd = openat(intent->folder_fd, intent->name,
                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (intent->fd < 0)
        return -errno;
    while (flock(intent->fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* Before it is locked a repair elsewhere may take the empty file for one that was left behind, and
 * remove it. It holds the lock for no longer than that. */
static int make_file(struct intent *intent, struct str lines)
{
    enum { TRIES = 10 };
    for (int i = 0; i < TRIES; i++) {
        struct stat now;
        int error = open_locked(intent);
        if (error == 0 && fstat(intent->fd, &now) < 0)
            error = -errno;
        if (error < 0)
            return error;
        if (now.st_nlink)
            return write_whole(intent->fd, lines);
        close(intent->fd);
        intent->fd = -1;
    }
    return -EAGAIN;
}

enum status intent_begin(struct intent *intent, const struct workspace *workspace,
                         const struct intent_step *steps, size_t count, struct err *err)
{
    struct buf lines = {0};
    *intent = (struct intent){.fd = -1};
    id_make("write", intent->name);
    int error = append_steps(&lines, steps, count);
    intent->folder_fd = error < 0 ? -1 : intent_open_folder(workspace, true);
    if (error == 0 && intent->folder_fd < 0)
        error = intent->folder_fd;
    if (error == 0)
        error = make_file(intent, buf_str(&lines));
    buf_finish(&lines);
    if (error == 0)
        return STATUS_OK;
    if (intent->folder_fd >= 0)
        intent_end(intent, false);
    struct buf place = {0};
    path_append_join(&place, str_from(workspace->state_folder), STR(INTENT_FOLDER));
    (void)beneath_error(err, error, place.ptr);
    err_prefix(err, "nothing was written, because it could not be noted first");
    buf_finish(&place);
    return STATUS_IO;
}

/* One step alone needs no order on the disk: its own rename is the whole of it. */
int intent_ready(struct intent *intent, const struct intent_step *steps, size_t count)
{
    struct buf lines = {0};
    for (size_t i = 0; i < count; i++)
        buf_append_fmt(&lines, "made\t%llu\t%llu\t%llu\t%lld\n",
                       (unsigned long long)steps[i].old_inode,
                       (unsigned long long)steps[i].new_inode,
                       (unsigned long long)steps[i].new_size, (long long)steps[i].new_modified_ns);
    buf_append_c(&lines, "ready\n");
    int error = write_whole(intent->fd, buf_str(&lines));
    buf_finish(&lines);
    if (error == 0 && count > 1 && (fsync(intent->fd) < 0 || fsync(intent->folder_fd) < 0))
        error = -errno;
    return error;
}

int intent_done(struct intent *intent)
{
    char name[PLACE_NAME_BYTES];
    snprintf(name, sizeof(name), "%.*s" DONE_ENDING, (int)(sizeof(name) - sizeof(DONE_ENDING)),
             intent->name);
    if (renameat(intent->folder_fd, intent->name, intent->folder_fd, name) < 0)
        return -errno;
    memcpy(intent->name, name, sizeof(name));
    return 0;
}

void intent_end(struct intent *intent, bool keep)
{
    if (intent->fd >= 0) {
        if (!keep)
            unlinkat(intent->folder_fd, intent->name, 0);
        close(intent->fd);
    }
    close(intent->folder_fd);
}
