/* Walking a workspace costs a second when it is large, and is done before and after every command.
 * So the names that matter are remembered by folder, and believed as long as the folder's inode and
 * change time are what they were: a command can set every other time, never this one. */
#include "census-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
    FOLDERS_COUNT = 200000, /* remembered; then all is forgotten */
    DEPTH_COUNT = 64,
    SETTLED_NS = 20 * 1000000, /* twice the coarsest clock that stamps files */
    CHECK_EVERY_COUNT = 256,
};
#define CONTENTS_BYTES (16 * MIB)

struct content {
    struct stat st;
    struct buf bytes;
    bool has_bytes, knows_secret, is_secret;
};

struct census {
    pthread_mutex_t lock;
    struct map folders, contents; /* by absolute path */
    size_t content_bytes;
};

/* -- Times ------------------------------------------------------------------------------------ */

bool census_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* A change within the clock's own step would leave the time as it is. */
static bool is_settled(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age_ns = (int64_t)(now.tv_sec - st->st_ctim.tv_sec) * 1000000000 +
                     (now.tv_nsec - st->st_ctim.tv_nsec);
    return age_ns > SETTLED_NS;
}

/* -- Life ------------------------------------------------------------------------------------- */

struct census *census_new(void)
{
    struct census *census = mem_new(struct census);
    pthread_mutex_init(&census->lock, NULL);
    return census;
}

static void free_folder(struct census_folder *folder)
{
    for (size_t i = 0; folder && i < folder->entries.len; i++)
        mem_free(folder->entries.ptr[i].name);
    if (folder)
        vec_finish(&folder->entries);
    mem_free(folder);
}

static void free_content(struct content *content)
{
    if (content)
        buf_finish(&content->bytes);
    mem_free(content);
}

static void forget(struct census *census)
{
    struct str key;
    void *value;
    for (size_t i = 0; map_next(&census->folders, &i, &key, &value);)
        free_folder(value);
    for (size_t i = 0; map_next(&census->contents, &i, &key, &value);)
        free_content(value);
    map_finish(&census->folders);
    map_finish(&census->contents);
    census->content_bytes = 0;
}

void census_free(struct census *census)
{
    if (!census)
        return;
    forget(census);
    pthread_mutex_destroy(&census->lock);
    mem_free(census);
}

void census_lock(struct census *census)
{
    pthread_mutex_lock(&census->lock);
    if (map_count(&census->folders) > FOLDERS_COUNT || census->content_bytes > CONTENTS_BYTES)
        forget(census);
}

void census_unlock(struct census *census)
{
    pthread_mutex_unlock(&census->lock);
}

bool census_is_spent(const struct census_budget *budget)
{
    return budget->entries == 0 || time_mono_ns() > budget->until_ns;
}

/* -- Opening without links -------------------------------------------------------------------- */

int census_open_folder(int root_fd, struct str relative, int flags)
{
    int fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (struct str part; fd >= 0 && relative.len && str_next(&relative, '/', &part);) {
        char *name = str_dup_c(part);
        int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        mem_free(name);
        close(fd);
        fd = next;
    }
    if (fd < 0 || flags == O_PATH)
        return fd;
    int opened = openat(fd, ".", flags | O_DIRECTORY | O_CLOEXEC);
    close(fd);
    return opened;
}

/* -- Which names matter ----------------------------------------------------------------------- */

/* Most names are neither protected nor secret: they must cost little, there are thousands. */
static bool may_matter(const char *name)
{
    size_t length = strlen(name);
    if (strchr("._gGaAcCwWiI", name[0]) || strchr("eE. ", name[length - 1]))
        return true;
    for (const char *c = name; *c; c++)
        if (*c & 0x80 || (*c == '.' && c[1] && strchr("pPkK", c[1])))
            return true; /* .pem, .key, .p8, .ppk; or a spelling that has to be folded */
    return false;
}

static const char *why_protected(struct str folder, const char *name)
{
    if (!str_eq_nocase(path_name(folder), STR(".github")))
        return policy_protected_name(str_from(name));
    struct buf pair = {0};
    buf_append_fmt(&pair, ".github/%s", name);
    const char *why = policy_protected_name(buf_str(&pair));
    buf_finish(&pair);
    return why;
}

/* The names above it were looked at on the way here, except where a pair of names is the secret. */
static enum secret_kind why_secret(struct str folder, const char *name)
{
    struct buf pair = {0};
    struct str parent = path_name(folder);
    buf_append_fmt(&pair, STR_FMT "/%s", STR_ARG(parent), name);
    enum secret_kind kind = name_secret_kind(buf_str(&pair));
    buf_finish(&pair);
    return kind;
}

/* In a git directory only what steers git: the rest is data, and large. */
static bool steers_git(struct str inside)
{
    static const char *const names[] = {"config", "config.worktree", "commondir", "gitdir"};
    for (size_t i = 0; i < array_count(names); i++)
        if (str_eq_c(inside, names[i]))
            return true;
    return path_is_under(inside, STR("hooks")) || path_is_under(inside, STR("info"));
}

static void add_inside_git(struct census_folder *folder, struct str path, const char *name)
{
    struct buf whole = {0};
    buf_append(&whole, path);
    buf_append_fmt(&whole, "/%s", name);
    struct str inside = str_skip(buf_str(&whole), folder->place.protected_length + 1);
    struct census_entry entry = {.is_recorded = true, .is_descended = true};
    if (steers_git(inside)) {
        entry.name = mem_dup_c(name);
        vec_push(&folder->entries, entry);
    }
    buf_finish(&whole);
}

static void add_name(struct census_folder *folder, struct str path, const struct dirent *found)
{
    const char *name = found->d_name;
    bool is_protected = folder->place.protected_by != NULL;
    bool may_be_folder = found->d_type == DT_DIR || found->d_type == DT_UNKNOWN;
    if (is_protected && strcmp(folder->place.protected_by, ".git") == 0) {
        add_inside_git(folder, path, name);
        return;
    }
    bool matters = may_matter(name);
    const char *why = matters && !is_protected ? why_protected(path, name) : NULL;
    struct buf whole = {0};
    if (folder->place.withheld && !folder->place.in_secret)
        buf_append_fmt(&whole, STR_FMT "/%s", STR_ARG(path), name);
    struct census_entry entry = {
        .why = why,
        .is_recorded = is_protected || why,
        .is_descended = may_be_folder && strcmp(name, "node_modules") != 0,
        .secret = matters && !folder->place.in_secret ? why_secret(path, name) : SECRET_NOT,
        .is_withheld = whole.len && withheld_names(folder->place.withheld, buf_str(&whole),
                                                   found->d_type == DT_DIR),
    };
    buf_finish(&whole);
    if (strcmp(name, ".agentignore") == 0)
        folder->has_withheld = true;
    if (!entry.is_recorded && !entry.is_descended && !entry.is_withheld &&
        entry.secret == SECRET_NOT)
        return;
    entry.name = mem_dup_c(name);
    vec_push(&folder->entries, entry);
}

/* -- Reading a folder ------------------------------------------------------------------------- */

static void read_names(struct census_folder *folder, DIR *handle, struct str path,
                       struct census_budget *budget)
{
    const struct dirent *found;
    while ((found = readdir(handle))) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        if (budget->entries == 0 ||
            (--budget->entries % CHECK_EVERY_COUNT == 0 && time_mono_ns() > budget->until_ns)) {
            budget->entries = 0;
            folder->is_cut = true;
            return;
        }
        add_name(folder, path, found);
    }
}

static struct census_folder *read_folder(int root_fd, struct str path,
                                         const struct census_place *place,
                                         struct census_budget *budget)
{
    struct str relative = str_skip(path, str_find_byte(path, '/', 0) + 1);
    if (str_find_byte(path, '/', 0) == STR_NONE)
        relative = (struct str){0};
    int fd = census_open_folder(root_fd, relative, O_RDONLY);
    DIR *handle = fd < 0 ? NULL : fdopendir(fd);
    if (!handle && fd >= 0)
        close(fd);
    if (!handle)
        return NULL;
    struct census_folder *folder = mem_new(struct census_folder);
    folder->place = *place;
    folder->withheld_id = withheld_id(place->withheld);
    if (fstat(fd, &folder->st) == 0)
        folder->is_settled = is_settled(&folder->st);
    if (place->depth < DEPTH_COUNT)
        read_names(folder, handle, path, budget);
    else
        folder->is_cut = true;
    closedir(handle);
    return folder;
}

static void append_absolute(struct buf *out, const char *root, struct str path)
{
    size_t slash = str_find_byte(path, '/', 0);
    buf_append_c(out, root);
    if (slash != STR_NONE)
        buf_append(out, str_skip(path, slash));
}

/* What the folder's own .agentignore says counts for the names in it, and below. */
static void enter_withheld(struct census *census, const char *root, int root_fd, struct str path,
                           struct census_place *place, struct census_budget *budget)
{
    struct buf name = {0};
    struct stat st;
    size_t slash = str_find_byte(path, '/', 0);
    buf_append_fmt(&name, STR_FMT "%s.agentignore",
                   STR_ARG(slash == STR_NONE ? STR("") : str_skip(path, slash + 1)),
                   slash == STR_NONE ? "" : "/");
    const struct buf *content = fstatat(root_fd, name.ptr, &st, AT_SYMLINK_NOFOLLOW) == 0
                                    ? census_content(census, root, root_fd, buf_str(&name), &st)
                                    : NULL;
    if (content)
        place->withheld = withheld_push(&budget->withheld, place->withheld, path, buf_str(content));
    buf_finish(&name);
}

const struct census_folder *census_list(struct census *census, const char *root, int root_fd,
                                        struct str path, const struct stat *st,
                                        struct census_place *place, struct census_budget *budget)
{
    struct buf key = {0};
    append_absolute(&key, root, path);
    struct census_folder *folder = map_get(&census->folders, buf_str(&key));
    bool is_known = folder && folder->is_settled && !folder->is_cut &&
                    census_is_same(&folder->st, st) && folder->place.in_secret == place->in_secret;
    if (!place->in_secret && (!is_known || folder->has_withheld))
        enter_withheld(census, root, root_fd, path, place, budget);
    is_known = is_known && folder->withheld_id == withheld_id(place->withheld);
    if (!is_known) {
        folder = read_folder(root_fd, path, place, budget);
        free_folder(folder ? map_set(&census->folders, buf_str(&key), folder)
                           : map_remove(&census->folders, buf_str(&key)));
    }
    if (folder)
        folder->place = *place;
    buf_finish(&key);
    return folder;
}

/* -- Contents --------------------------------------------------------------------------------- */

static struct content *find_content(struct census *census, const char *root, struct str relative,
                                    const struct stat *st)
{
    struct buf key = {0};
    buf_append_fmt(&key, "%s/" STR_FMT, root, STR_ARG(relative));
    struct content *content = map_get(&census->contents, buf_str(&key));
    if (!content || !census_is_same(&content->st, st)) {
        if (content) {
            census->content_bytes -= content->bytes.len;
            map_remove(&census->contents, buf_str(&key));
            free_content(content);
        }
        content = mem_new(struct content);
        content->st = *st;
        map_set(&census->contents, buf_str(&key), content);
    }
    if (!is_settled(st)) /* looked at again, every time */
        content->has_bytes = content->knows_secret = false;
    buf_finish(&key);
    return content;
}

static bool read_all(int fd, struct buf *out)
{
    char chunk[8192];
    ssize_t got = -1;
    while (out->len <= CENSUS_CONTENT_BYTES && (got = read(fd, chunk, sizeof(chunk))) > 0)
        buf_append(out, (struct str){chunk, (size_t)got});
    return got == 0;
}

const struct buf *census_content(struct census *census, const char *root, int root_fd,
                                 struct str relative, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) || st->st_size > (off_t)CENSUS_CONTENT_BYTES)
        return NULL;
    struct content *content = find_content(census, root, relative, st);
    if (content->has_bytes)
        return &content->bytes;
    int parent = census_open_folder(root_fd, path_folder(relative), O_PATH);
    char *name = str_dup_c(path_name(relative));
    int fd = parent < 0
                 ? -1
                 : openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    mem_free(name);
    if (parent >= 0)
        close(parent);
    census->content_bytes -= content->bytes.len;
    buf_clear(&content->bytes);
    buf_append_c(&content->bytes, "");
    content->has_bytes = fd >= 0 && read_all(fd, &content->bytes);
    census->content_bytes += content->bytes.len;
    if (fd >= 0)
        close(fd);
    return content->has_bytes ? &content->bytes : NULL;
}

bool census_holds_secret(struct census *census, const char *root, struct str relative,
                         const struct stat *st)
{
    struct content *content = find_content(census, root, relative, st);
    if (!content->knows_secret) {
        struct buf path = {0};
        path_append_join(&path, str_from(root), relative);
        content->is_secret = file_holds_secret(buf_str(&path));
        content->knows_secret = true;
        buf_finish(&path);
    }
    return content->is_secret;
}
