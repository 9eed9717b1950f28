/* The secret files of a root that git does not track: a command must not read to the model what
 * read_file would ask about. */
#include "policy-internal.h"

#include <dirent.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum {
    ENTRIES_COUNT = 10000, /* of one walk, some 10 ms; nearest to the root first */
    FOUND_COUNT = 100,     /* each costs a mount, some 0.2 ms */
};

struct walk {
    const char *root;
    struct policy_strings queue; /* folders to look at, relative, "" for the root */
    struct policy_strings *found;
    size_t entries;
};

static bool is_folder(const char *path, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* git's own folder is no secret; the other is large and never holds the user's own. */
static bool is_skipped(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0 ||
           strcmp(name, "node_modules") == 0;
}

/* The names above it were looked at on the way here, except where a pair of names is the secret. */
static enum secret_kind kind_of(const char *folder, const char *name)
{
    struct buf pair = {0};
    struct str parent = path_name(str_from(folder));
    buf_append_fmt(&pair, STR_FMT "/%s", STR_ARG(parent), name);
    enum secret_kind kind = name_secret_kind(buf_str(&pair));
    buf_finish(&pair);
    return kind;
}

/* Most names are neither: they must cost little, there are thousands. */
static bool may_be_secret(const char *name)
{
    if (strchr("._iI", name[0]) || strcasecmp(name, "config.json") == 0)
        return true;
    for (const char *c = name; *c; c++)
        if (*c & 0x80 || (*c == '.' && strchr("pPkK", c[1])))
            return true; /* .pem, .key, .p8, .ppk; or a spelling that has to be folded */
    return false;
}

static void look_at(struct walk *walk, const char *folder, const struct dirent *entry)
{
    bool is_suspect = may_be_secret(entry->d_name);
    if (!is_suspect && entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
        return;
    struct buf relative = {0}, path = {0};
    if (*folder)
        buf_append_fmt(&relative, "%s/", folder);
    buf_append_c(&relative, entry->d_name);
    path_append_join(&path, str_from(walk->root), buf_str(&relative));
    enum secret_kind kind = is_suspect ? kind_of(folder, entry->d_name) : SECRET_NOT;
    bool descend = is_folder(path.ptr, entry);
    if (kind == SECRET_BY_NAME ||
        (kind == SECRET_BY_CONTENT && !descend && file_holds_secret(buf_str(&path))))
        strings_push_str(walk->found, buf_str(&relative));
    else if (descend)
        strings_push_str(&walk->queue, buf_str(&relative));
    buf_finish(&relative);
    buf_finish(&path);
}

static void walk_folder(struct walk *walk, const char *folder)
{
    struct buf path = {0};
    path_append_join(&path, str_from(walk->root), str_from(folder));
    DIR *handle = opendir(path.ptr);
    struct dirent *entry;
    while (handle && walk->entries < ENTRIES_COUNT && walk->found->len < FOUND_COUNT &&
           (entry = readdir(handle))) {
        walk->entries++;
        if (!is_skipped(entry->d_name))
            look_at(walk, folder, entry);
    }
    if (handle)
        closedir(handle);
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

void secrets_find_untracked(const char *root, struct policy_strings *ret_relative)
{
    struct walk walk = {.root = root, .found = ret_relative};
    strings_push(&walk.queue, "");
    for (size_t i = 0; i < walk.queue.len; i++)
        walk_folder(&walk, walk.queue.ptr[i]);
    strings_finish(&walk.queue);
    if (ret_relative->len)
        tracked_each(root, drop_tracked, ret_relative);
}
