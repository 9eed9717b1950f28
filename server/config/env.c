/* Where things are, by the XDG base directory specification. */
#include <lanebridge/config.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

/* The specification: a relative path in these variables is invalid and ignored. */
static const char *absolute(const char *value)
{
    return value && value[0] == '/' ? value : NULL;
}

static char *join(const char *folder, const char *name)
{
    struct buf path = {0};
    path_append_join(&path, str_from(folder), str_from(name));
    return buf_take(&path);
}

static char *find_home(const char *(*get)(const char *name))
{
    const char *home = absolute(get("HOME"));
    if (!home) {
        const struct passwd *entry = getpwuid(geteuid());
        home = entry ? absolute(entry->pw_dir) : NULL;
    }
    return join(home ? home : "/", ".");
}

static char *xdg(const char *(*get)(const char *name), const char *variable, const char *home,
                 const char *fallback, const char *name)
{
    const char *base = absolute(get(variable));
    char *folder = base ? join(base, ".") : join(home, fallback);
    char *path = join(folder, name);
    mem_free(folder);
    return path;
}

void config_env_init(struct config_env *env, const char *(*get)(const char *name))
{
    *env = (struct config_env){.home = find_home(get)};
    const char *file = absolute(get("LANEBRIDGE_CONFIG"));
    const char *state = absolute(get("LANEBRIDGE_STATE"));
    env->config_file =
        file ? join(file, ".")
             : xdg(get, "XDG_CONFIG_HOME", env->home, ".config", "lanebridge/config.json");
    env->state_folder = state ? join(state, ".")
                              : xdg(get, "XDG_STATE_HOME", env->home, ".local/state", "lanebridge");
    env->prompts_folder = xdg(get, "XDG_CONFIG_HOME", env->home, ".config", "lanebridge/prompts");
    env->cache_folder = xdg(get, "XDG_CACHE_HOME", env->home, ".cache", "lanebridge");
}

void config_env_finish(struct config_env *env)
{
    mem_free(env->home);
    mem_free(env->config_file);
    mem_free(env->prompts_folder);
    mem_free(env->state_folder);
    mem_free(env->cache_folder);
    *env = (struct config_env){0};
}

static enum status make_parents(char *path, struct err *err)
{
    for (char *slash = path + 1; *slash; slash++) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        int failed = mkdir(path, 0700) < 0 && errno != EEXIST ? errno : 0;
        /* On the way down a folder may exist that we may not write to: only the last one counts. */
        struct stat st;
        if (failed && stat(path, &st) == 0)
            failed = 0;
        if (failed)
            err_set_errno(err, failed, "cannot make the folder %s", path);
        *slash = '/';
        if (failed)
            return err ? err->status : STATUS_IO;
    }
    return STATUS_OK;
}

/* Looks at the folder itself, not at what a link of its name points to. */
static enum status check_folder(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open the folder %s", path);
    enum status status = STATUS_OK;
    struct stat st;
    if (fstat(fd, &st) < 0)
        status = err_set_errno(err, errno, "cannot look at the folder %s", path);
    else if (st.st_uid != geteuid())
        status = err_set(err, STATUS_DENIED,
                         "the folder %s belongs to another user; make it yours or name another one",
                         path);
    else if ((st.st_mode & 077) != 0 && fchmod(fd, 0700) < 0)
        status = err_set_errno(err, errno, "cannot make the folder %s private (chmod 700)", path);
    close(fd);
    return status;
}

enum status config_make_folder(const char *path, struct err *err)
{
    struct buf copy = {0};
    path_append_clean(&copy, str_from(path));
    enum status status = make_parents(copy.ptr, err);
    if (status == STATUS_OK && mkdir(copy.ptr, 0700) < 0 && errno != EEXIST)
        status = err_set_errno(err, errno, "cannot make the folder %s", copy.ptr);
    if (status == STATUS_OK)
        status = check_folder(copy.ptr, err);
    buf_finish(&copy);
    return status;
}
