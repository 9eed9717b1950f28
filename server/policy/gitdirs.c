/* Where a work tree's git data is. A `.git` file is repository content: it may point anywhere, so
 * only what looks like a git directory counts. */
#include "policy-internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct str read_line(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    ssize_t got = -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        got = read(fd, out, size);
    if (fd >= 0)
        close(fd);
    struct str text = {out, got > 0 ? (size_t)got : 0};
    size_t end = str_find_byte(text, '\n', 0);
    return str_trim(end == STR_NONE ? text : str_slice(text, 0, end));
}

static bool exists(const char *folder, const char *name)
{
    struct buf path = {0};
    struct stat st;
    path_append_join(&path, str_from(folder), str_from(name));
    bool found = lstat(path.ptr, &st) == 0;
    buf_finish(&path);
    return found;
}

static bool add_if_git(struct policy_strings *paths, struct str base, struct str relative)
{
    char real[PATH_MAX];
    struct buf path = {0};
    path_append_join(&path, base, relative);
    bool good = realpath(path.ptr, real) && exists(real, "HEAD") &&
                (exists(real, "objects") || exists(real, "commondir"));
    buf_finish(&path);
    if (good)
        strings_push(paths, real);
    return good;
}

void gitdirs_find(const char *root, struct policy_strings *ret_paths)
{
    char line[PATH_MAX];
    struct buf path = {0};
    path_append_join(&path, str_from(root), STR(".git"));
    struct stat st;
    if (lstat(path.ptr, &st) == 0 && !S_ISREG(st.st_mode)) {
        add_if_git(ret_paths, str_from(root), STR(".git")); /* a link to one, too */
    } else {
        struct str text = read_line(path.ptr, line, sizeof(line));
        struct str prefix = STR("gitdir:");
        if (str_starts_with(text, prefix))
            add_if_git(ret_paths, str_from(root), str_trim(str_skip(text, prefix.len)));
    }
    if (ret_paths->len) {
        char *folder = mem_dup_c(vec_last(ret_paths));
        buf_clear(&path);
        path_append_join(&path, str_from(folder), STR("commondir"));
        struct str common = read_line(path.ptr, line, sizeof(line));
        if (common.len)
            add_if_git(ret_paths, str_from(folder), common);
        mem_free(folder);
    }
    buf_finish(&path);
}
