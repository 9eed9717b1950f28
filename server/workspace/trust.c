/* Which folders the user trusts: one line each, "yes /path" or "no /path", in the state folder. A
 * file that others could have written says nothing. */
#include "workspace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define TRUST_FILE "trust"
#define TRUST_LOCK "trust.lock"

static int open_state_folder(const struct workspace *workspace)
{
    return open(workspace->state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Ours alone to write, a plain file. */
bool state_is_ours(int fd)
{
    struct stat found;
    return fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && found.st_uid == geteuid() &&
           !(found.st_mode & (S_IWGRP | S_IWOTH));
}

static void load(int folder_fd, struct buf *content)
{
    int fd = openat(folder_fd, TRUST_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (!state_is_ours(fd) || read_whole(fd, LIMIT_TRUST_FILE_BYTES, content, TRUST_FILE, NULL) < 0)
        buf_clear(content);
    close(fd);
}

static enum workspace_trust parse_line(struct str line, struct str *ret_path)
{
    static const struct {
        struct str prefix;
        enum workspace_trust trust;
    } table[] = {{{"yes ", 4}, TRUST_YES}, {{"no ", 3}, TRUST_NO}};
    for (size_t i = 0; i < array_count(table); i++) {
        if (str_starts_with(line, table[i].prefix)) {
            *ret_path = str_skip(line, table[i].prefix.len);
            return table[i].trust;
        }
    }
    return TRUST_UNKNOWN;
}

enum workspace_trust workspace_trust_get(const struct workspace *workspace, struct str root_path)
{
    enum workspace_trust trust = TRUST_UNKNOWN;
    int folder_fd = open_state_folder(workspace);
    if (folder_fd < 0)
        return trust;
    struct buf content = {0}, clean = {0};
    path_append_clean(&clean, root_path);
    load(folder_fd, &content);
    struct str rest = buf_str(&content), line, path;
    while (str_next(&rest, '\n', &line)) {
        enum workspace_trust said = parse_line(line, &path);
        if (said != TRUST_UNKNOWN && str_eq(path, buf_str(&clean)))
            trust = said;
    }
    buf_finish(&content);
    buf_finish(&clean);
    close(folder_fd);
    return trust;
}

/* -- Remembering ------------------------------------------------------------------------------ */

int state_make_folder(const char *path)
{
    struct buf part = {0};
    for (const char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        buf_clear(&part);
        buf_append(&part, (struct str){path, (size_t)(at - path)});
        if (mkdir(part.ptr, 0700) < 0 && errno != EEXIST)
            break;
    }
    buf_finish(&part);
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* The old lines without `path`'s, then its new one. */
static void append_changed(struct buf *changed, struct str content, struct str path,
                           enum workspace_trust trust)
{
    struct str line, other;
    while (str_next(&content, '\n', &line)) {
        if (parse_line(line, &other) == TRUST_UNKNOWN || str_eq(other, path))
            continue;
        buf_append(changed, line);
        buf_append_byte(changed, '\n');
    }
    if (trust != TRUST_UNKNOWN)
        buf_append_fmt(changed, "%s " STR_FMT "\n", trust == TRUST_YES ? "yes" : "no",
                       STR_ARG(path));
}

static int save(int folder_fd, struct str content)
{
    char id[ID_BYTES];
    id_make("trust", id);
    int fd = openat(folder_fd, id, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int error = write_whole(fd, content);
    if (error == 0 && fsync(fd) < 0)
        error = -errno;
    close(fd);
    if (error == 0 && renameat(folder_fd, id, folder_fd, TRUST_FILE) < 0)
        error = -errno;
    if (error < 0)
        unlinkat(folder_fd, id, 0);
    else
        fsync(folder_fd);
    return error;
}

/* Other windows remember too: the file is read and written under a lock. */
static int change_locked(int folder_fd, struct str path, enum workspace_trust trust)
{
    int lock = openat(folder_fd, TRUST_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lock < 0)
        return -errno;
    int error = flock(lock, LOCK_EX) < 0 ? -errno : 0;
    if (error == 0) {
        struct buf content = {0}, changed = {0};
        load(folder_fd, &content);
        append_changed(&changed, buf_str(&content), path, trust);
        error = save(folder_fd, buf_str(&changed));
        buf_finish(&content);
        buf_finish(&changed);
    }
    close(lock);
    return error;
}

enum status workspace_trust_set(struct workspace *workspace, struct str root_path,
                                enum workspace_trust trust, struct err *err)
{
    enum status status = path_check(root_path, err); /* so no line ending in it either */
    if (status < 0)
        return status;
    int error = state_make_folder(workspace->state_folder);
    int folder_fd = error < 0 ? -1 : open_state_folder(workspace);
    if (error == 0 && folder_fd < 0)
        error = -errno;
    if (error == 0) {
        struct buf clean = {0};
        path_append_clean(&clean, root_path);
        error = change_locked(folder_fd, buf_str(&clean), trust);
        buf_finish(&clean);
    }
    if (folder_fd >= 0)
        close(folder_fd);
    if (error < 0)
        return err_set_errno(err, -error, "the trust in " STR_FMT " cannot be remembered in %s",
                             STR_ARG(root_path), workspace->state_folder);
    return STATUS_OK;
}
