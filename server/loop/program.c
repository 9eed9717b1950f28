/* Which file a program's name means, in the environment the child will have. */
#include "loop-internal.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct str env_get(char *const *env, struct str name)
{
    for (; *env; env++) {
        struct str entry = str_from(*env);
        if (str_starts_with(entry, name))
            return str_skip(entry, name.len);
    }
    return STR("");
}

static bool is_program(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

static enum status find_in_path(const char *name, struct str path, struct buf *ret, struct err *err)
{
    struct str folder;
    for (struct str rest = path; str_next(&rest, ':', &folder);) {
        if (!str_starts_with(folder, STR("/")))
            continue;
        buf_append_fmt(ret, STR_FMT "/%s", STR_ARG(folder), name);
        if (is_program(ret->ptr))
            return STATUS_OK;
        buf_clear(ret);
    }
    return err_set(err, STATUS_NOT_FOUND,
                   "The program \"%s\" was not found in PATH (\"" STR_FMT
                   "\"): install it or add its folder to PATH",
                   name, STR_ARG(path));
}

/* Absolute: the child changes into cwd before it executes the path. */
static void append_folder(struct buf *path, const char *cwd)
{
    char own[PATH_MAX];
    if ((!cwd || *cwd != '/') && getcwd(own, sizeof own))
        buf_append_fmt(path, "%s/", own);
    if (cwd)
        buf_append_fmt(path, "%s/", cwd);
}

enum status loop_program_find(const char *name, char *const *env, const char *cwd, struct buf *path,
                              struct err *err)
{
    if (!name || !*name)
        return err_set(err, STATUS_INVALID, "No program is named: give its name or its path");
    if (!strchr(name, '/'))
        return find_in_path(name, env_get(env, STR("PATH=")), path, err);
    if (*name != '/')
        append_folder(path, cwd);
    buf_append_c(path, name);
    if (is_program(path->ptr))
        return STATUS_OK;
    return err_set(err, STATUS_NOT_FOUND, "The program \"%s\" does not exist or cannot be executed",
                   path->ptr);
}
