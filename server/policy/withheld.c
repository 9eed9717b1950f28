/* What .agentignore names in a root and git does not track: the sandbox masks it. */
#include "policy-internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IGNORE_BYTES (256 * KIB)

enum {
    ENTRIES_COUNT = 10000, /* of one walk, some 10 ms; nearest to the root first */
    NAMED_COUNT = 100,     /* each costs a mount */
};

/* A folder that is looked at, with its own file, if it has one. */
struct level {
    const struct level *up;
    char *relative; /* "" for the root */
    struct ignore *ignore;
};
struct hunt {
    const char *root;
    VEC(struct level *) levels;
    struct policy_strings *found;
    size_t entries;
};

static struct ignore *load(const char *folder)
{
    struct buf path = {0}, text = {0};
    struct stat st;
    buf_append_fmt(&path, "%s/.agentignore", folder);
    int fd = open(path.ptr, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    buf_finish(&path);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)IGNORE_BYTES) {
        char chunk[4096];
        ssize_t got;
        while (text.len <= IGNORE_BYTES && (got = read(fd, chunk, sizeof(chunk))) > 0)
            buf_append(&text, (struct str){chunk, (size_t)got});
    }
    close(fd);
    struct ignore *ignore = ignore_parse(buf_str(&text));
    buf_finish(&text);
    return ignore;
}

/* Borrows from nothing; the deepest file that says something decides. */
static bool is_named(const struct level *level, struct str relative, bool is_folder)
{
    for (; level; level = level->up) {
        struct str below =
            level->relative[0] ? path_relative(relative, str_from(level->relative)) : relative;
        enum ignore_verdict verdict =
            level->ignore ? ignore_match(level->ignore, below, is_folder) : IGNORE_UNDECIDED;
        if (verdict != IGNORE_UNDECIDED)
            return verdict == IGNORE_YES;
    }
    return false;
}

static void push_level(struct hunt *hunt, const struct level *up, struct str relative)
{
    struct buf path = {0};
    struct level *level = mem_new(struct level);
    path_append_join(&path, str_from(hunt->root), relative);
    level->up = up;
    level->relative = str_dup_c(relative);
    level->ignore = load(path.ptr);
    vec_push(&hunt->levels, level);
    buf_finish(&path);
}

static void look_at(struct hunt *hunt, const struct level *level, int folder_fd, const char *name)
{
    struct buf relative = {0};
    struct stat st;
    if (level->relative[0])
        buf_append_fmt(&relative, "%s/", level->relative);
    buf_append_c(&relative, name);
    bool is_there = fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    bool is_folder = is_there && S_ISDIR(st.st_mode);
    if (is_there && (is_folder || S_ISREG(st.st_mode))) {
        if (is_named(level, buf_str(&relative), is_folder))
            strings_push_str(hunt->found, buf_str(&relative));
        else if (is_folder)
            push_level(hunt, level, buf_str(&relative));
    }
    buf_finish(&relative);
}

static void hunt_in(struct hunt *hunt, const struct level *level)
{
    struct buf path = {0};
    path_append_join(&path, str_from(hunt->root), str_from(level->relative));
    DIR *folder = opendir(path.ptr);
    struct dirent *entry;
    while (folder && hunt->entries < ENTRIES_COUNT && hunt->found->len < NAMED_COUNT &&
           (entry = readdir(folder))) {
        hunt->entries++;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, ".git") != 0)
            look_at(hunt, level, dirfd(folder), entry->d_name);
    }
    if (folder)
        closedir(folder);
    buf_finish(&path);
}

/* A tracked file, or one in a folder that was found, takes it off the list. */
static void drop_tracked(void *user, struct str path)
{
    struct policy_strings *found = user;
    for (size_t i = found->len; i-- > 0;) {
        if (!path_is_under(path, str_from(found->ptr[i])))
            continue;
        mem_free(found->ptr[i]);
        vec_remove(found, i);
    }
}

void withheld_find(const char *root, struct policy_strings *ret_relative)
{
    struct hunt hunt = {.root = root, .found = ret_relative};
    push_level(&hunt, NULL, STR(""));
    /* Without a file at the top there is nothing to look for: deeper ones go on from it. */
    for (size_t i = 0; hunt.levels.ptr[0]->ignore && i < hunt.levels.len; i++)
        hunt_in(&hunt, hunt.levels.ptr[i]);
    for (size_t i = 0; i < hunt.levels.len; i++) {
        ignore_free(hunt.levels.ptr[i]->ignore);
        mem_free(hunt.levels.ptr[i]->relative);
        mem_free(hunt.levels.ptr[i]);
    }
    vec_finish(&hunt.levels);
    if (ret_relative->len)
        tracked_each(root, drop_tracked, ret_relative);
}
