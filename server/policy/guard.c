/* Before and after a command: protected names at all depths. By descriptors and without following
 * any link, because a command may have planted some; one walk is bounded in entries and time. */
#include "policy-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WALK_ENTRIES_COUNT = 200000,
    WALK_MS = 1000,
    WALK_DEPTH_COUNT = 64,
    RECORDS_COUNT = 20000,
};
#define KEPT_FILE_BYTES MIB /* to put back: such files are a few hundred bytes */
#define KEPT_BYTES (16 * MIB)

/* One protected file or folder, or a file inside one. */
struct record {
    char *path; /* root's index, "/", path below the root */
    struct stat st;
    struct buf content; /* of a regular file, when kept */
    bool has_content, seen;
    bool is_fixed; /* read-only in the sandbox: who changed it, it was no command */
};

struct guard_root {
    char *path;
    int fd;
};

struct policy_guard {
    VEC(struct guard_root) roots;
    VEC(struct record) before, after;
    struct map by_path; /* of before: index + 1 as a pointer */
    struct map excused; /* absolute paths; no values */
    char *quarantine;   /* made when it is needed */
    size_t kept_bytes;
    bool incomplete;
};

struct walk {
    struct policy_guard *guard;
    bool is_after;
    size_t entries;
    uint64_t until_ns;
    struct buf path; /* of the folder walked now */
};

/* -- Walking -- */

static void keep_content(struct policy_guard *guard, int folder, const char *name,
                         struct record *record)
{
    if (!S_ISREG(record->st.st_mode) || record->st.st_size > (off_t)KEPT_FILE_BYTES ||
        guard->kept_bytes + (size_t)record->st.st_size > KEPT_BYTES)
        return;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    char chunk[8192];
    ssize_t got = -1;
    while (fd >= 0 && (got = read(fd, chunk, sizeof(chunk))) > 0 &&
           record->content.len <= KEPT_FILE_BYTES)
        buf_append(&record->content, (struct str){chunk, (size_t)got});
    if (fd >= 0)
        close(fd);
    record->has_content = got == 0;
    guard->kept_bytes += record->content.len;
}

/* Names that exist at root depth are read-only in the sandbox (sandbox.c), unless they are links.
 */
static bool is_fixed(struct str path, const struct stat *st)
{
    struct str relative = str_skip(path, str_find_byte(path, '/', 0) + 1);
    bool at_root = str_find_byte(relative, '/', 0) == STR_NONE ||
                   str_eq_nocase(relative, STR(".github/workflows"));
    return at_root && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));
}

/* False: what is below it need not be looked at. */
static bool add_record(struct walk *walk, int folder, const char *name, const struct stat *st)
{
    struct policy_guard *guard = walk->guard;
    struct str path = buf_str(&walk->path);
    bool fixed = is_fixed(path, st);
    if (walk->is_after && fixed && map_has(&guard->by_path, path))
        return false;
    if ((walk->is_after ? guard->after.len : guard->before.len) >= RECORDS_COUNT) {
        guard->incomplete = true;
        return false;
    }
    struct record record = {.path = str_dup_c(path), .st = *st, .is_fixed = fixed};
    if (walk->is_after) {
        vec_push(&guard->after, record);
        return true;
    }
    if (!fixed)
        keep_content(guard, folder, name, &record);
    vec_push(&guard->before, record);
    map_set(&guard->by_path, path, (void *)(uintptr_t)guard->before.len);
    return !fixed;
}

/* In a git directory only what steers git: the rest is data, and large. */
static bool is_steering_git(struct str inside)
{
    static const char *const names[] = {"config", "config.worktree", "commondir"};
    for (size_t i = 0; i < array_count(names); i++)
        if (str_eq_c(inside, names[i]))
            return true;
    return path_is_under(inside, STR("hooks")) || path_is_under(inside, STR("info"));
}

struct place {
    unsigned depth;
    const char *protected_by; /* the name that makes all below protected, or NULL */
    size_t protected_length;  /* of walk->path up to that name */
};

static void walk_folder(struct walk *walk, int folder, struct place place);

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

static void look_at(struct walk *walk, int folder, const struct dirent *entry, struct place place)
{
    size_t length = walk->path.len;
    struct stat st;
    bool found = place.protected_by != NULL;
    if (!found)
        place.protected_by = why_protected(buf_str(&walk->path), entry->d_name);
    if (!place.protected_by && entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
        return;
    if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    buf_append_fmt(&walk->path, "/%s", entry->d_name);
    if (!found)
        place.protected_length = walk->path.len;
    struct str inside = str_skip(buf_str(&walk->path), place.protected_length + 1);
    bool is_data = place.protected_by && strcmp(place.protected_by, ".git") == 0 && inside.len &&
                   !is_steering_git(inside);
    bool descend = S_ISDIR(st.st_mode) && !is_data && strcmp(entry->d_name, "node_modules") != 0;
    if (place.protected_by && !is_data)
        descend &= add_record(walk, folder, entry->d_name, &st);
    if (descend && place.depth < WALK_DEPTH_COUNT) {
        int fd = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        place.depth++;
        if (fd >= 0)
            walk_folder(walk, fd, place);
    }
    buf_truncate(&walk->path, length);
}

/* Takes the descriptor. */
static void walk_folder(struct walk *walk, int folder, struct place place)
{
    DIR *handle = fdopendir(folder);
    struct dirent *entry;
    if (!handle) {
        close(folder);
        return;
    }
    while ((entry = readdir(handle))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (++walk->entries > WALK_ENTRIES_COUNT ||
            (walk->entries % 256 == 0 && time_mono_ns() > walk->until_ns)) {
            walk->guard->incomplete = true;
            break;
        }
        look_at(walk, dirfd(handle), entry, place);
    }
    closedir(handle);
}

static void walk_roots(struct policy_guard *guard, bool is_after)
{
    struct walk walk = {.guard = guard, .is_after = is_after};
    walk.until_ns = time_mono_ns() + WALK_MS * 1000000ULL;
    for (size_t i = 0; i < guard->roots.len; i++) {
        int fd = openat(guard->roots.ptr[i].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        buf_clear(&walk.path);
        buf_append_fmt(&walk.path, "%zu", i);
        if (fd >= 0)
            walk_folder(&walk, fd, (struct place){0});
    }
    buf_finish(&walk.path);
}

/* -- Life -- */

struct policy_guard *policy_guard_new(const struct policy *policy)
{
    struct policy_guard *guard = mem_new(struct policy_guard);
    for (size_t i = 0; i < workspace_root_count(policy->workspace); i++) {
        const struct workspace_root *root = workspace_root_at(policy->workspace, i);
        struct guard_root copy = {mem_dup_c(root->path), -1};
        if (root->confirmed)
            copy.fd = open(root->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        vec_push(&guard->roots, copy);
    }
    struct buf path = {0};
    path_append_join(&path, str_from(policy->env->state_folder), STR("quarantine"));
    guard->quarantine = buf_take(&path);
    return guard;
}

static void finish_record(struct record *record)
{
    mem_free(record->path);
    buf_finish(&record->content);
}

void policy_guard_free(struct policy_guard *guard)
{
    if (!guard)
        return;
    for (size_t i = 0; i < guard->roots.len; i++) {
        if (guard->roots.ptr[i].fd >= 0)
            close(guard->roots.ptr[i].fd);
        mem_free(guard->roots.ptr[i].path);
    }
    for (size_t i = 0; i < guard->before.len; i++)
        finish_record(&guard->before.ptr[i]);
    for (size_t i = 0; i < guard->after.len; i++)
        finish_record(&guard->after.ptr[i]);
    vec_finish(&guard->roots);
    vec_finish(&guard->before);
    vec_finish(&guard->after);
    map_finish(&guard->by_path);
    map_finish(&guard->excused);
    mem_free(guard->quarantine);
    mem_free(guard);
}

void policy_guard_look(struct policy_guard *guard)
{
    walk_roots(guard, false);
}

void policy_guard_excuse(struct policy_guard *guard, struct str absolute_path)
{
    map_set(&guard->excused, absolute_path, guard);
}

/* -- Moving and putting back -- */

static const struct guard_root *split(const struct policy_guard *guard, const char *path,
                                      struct str *ret_relative)
{
    struct str rest = str_from(path), number;
    uint64_t index = 0;
    str_next(&rest, '/', &number);
    str_to_uint64(number, &index);
    *ret_relative = rest;
    return &guard->roots.ptr[index];
}

/* The folder that holds it, reached without any link. */
static int open_parent(const struct guard_root *root, struct str relative)
{
    struct str folder = path_folder(relative);
    int fd = openat(root->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (struct str part; folder.len && fd >= 0 && str_next(&folder, '/', &part);) {
        char *name = str_dup_c(part);
        int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        mem_free(name);
        close(fd);
        fd = next;
    }
    return fd;
}

/* Into the state folder; where that is another file system, aside under a name that steers nothing.
 */
static bool move_away(const struct policy_guard *guard, int parent, const char *name,
                      struct buf *ret_where)
{
    char id[ID_BYTES];
    id_make("quarantine", id);
    int store = -1;
    if (config_make_folder(guard->quarantine, NULL) == STATUS_OK)
        store = open(guard->quarantine, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool moved = store >= 0 && renameat2(parent, name, store, id, RENAME_NOREPLACE) == 0;
    if (moved)
        buf_append_fmt(ret_where, "moved to %s/%s", guard->quarantine, id);
    else if (renameat2(parent, name, parent, id, RENAME_NOREPLACE) == 0)
        buf_append_fmt(ret_where, "renamed to %s", id);
    else
        buf_append_fmt(ret_where, "it could not be moved away (%s): look at it yourself",
                       strerrordesc_np(errno));
    if (store >= 0)
        close(store);
    return moved || ret_where->ptr[0] == 'r';
}

static bool put_back(int parent, const char *name, const struct record *record)
{
    int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    record->st.st_mode & 0777);
    if (fd < 0)
        return false;
    struct str rest = buf_str(&record->content);
    bool good = true;
    while (rest.len && good) {
        ssize_t put = write(fd, rest.ptr, rest.len);
        good = put > 0 || (put < 0 && errno == EINTR);
        rest = str_skip(rest, put > 0 ? (size_t)put : 0);
    }
    good &= fchmod(fd, record->st.st_mode & 07777) == 0;
    return close(fd) == 0 && good;
}

static void say(struct buf *report, const char *what, struct str relative, const char *where)
{
    utf8_append_printable(report, relative);
    buf_append_fmt(report, ": a protected name was %s; %s\n", what, where);
}

static void handle_created(struct policy_guard *guard, const char *path, struct buf *report)
{
    struct str relative;
    const struct guard_root *root = split(guard, path, &relative);
    int parent = open_parent(root, relative);
    char *name = str_dup_c(path_name(relative));
    struct buf where = {0};
    if (parent >= 0)
        move_away(guard, parent, name, &where);
    say(report, "created by the command", relative, where.ptr ? where.ptr : "it is gone again");
    buf_finish(&where);
    mem_free(name);
    if (parent >= 0)
        close(parent);
}

static void handle_changed(struct policy_guard *guard, const struct record *before, bool exists,
                           struct buf *report)
{
    struct str relative;
    const struct guard_root *root = split(guard, before->path, &relative);
    int parent = before->has_content ? open_parent(root, relative) : -1;
    char *name = str_dup_c(path_name(relative));
    struct buf where = {0};
    bool clear = parent >= 0 && (!exists || move_away(guard, parent, name, &where));
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

/* -- Comparing -- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    if (S_ISDIR(a->st_mode) && S_ISDIR(b->st_mode))
        return true; /* what is in it is compared by itself */
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Touched, but what it says is what it said: programs rewrite files with the same text. */
static bool says_the_same(const struct policy_guard *guard, const struct record *before,
                          const struct record *after)
{
    if (!before->has_content || before->st.st_mode != after->st.st_mode)
        return false;
    struct str relative;
    const struct guard_root *root = split(guard, after->path, &relative);
    int parent = open_parent(root, relative);
    char *name = str_dup_c(path_name(relative));
    struct policy_guard scratch = {.kept_bytes = 0};
    struct record now = {.st = after->st};
    if (parent >= 0)
        keep_content(&scratch, parent, name, &now);
    bool same = now.has_content && str_eq(buf_str(&now.content), buf_str(&before->content));
    buf_finish(&now.content);
    mem_free(name);
    if (parent >= 0)
        close(parent);
    return same;
}

static bool is_excused(const struct policy_guard *guard, const char *path)
{
    struct str relative;
    const struct guard_root *root = split(guard, path, &relative);
    struct buf absolute = {0};
    path_append_join(&absolute, str_from(root->path), relative);
    bool excused = map_has(&guard->excused, buf_str(&absolute));
    buf_finish(&absolute);
    return excused;
}

/* Folders come before what is in them: what went with its folder is not handled again. */
static size_t compare_one(struct policy_guard *guard, const struct record *after,
                          struct str *created, struct buf *report)
{
    size_t index = (size_t)(uintptr_t)map_get(&guard->by_path, str_from(after->path));
    struct record *before = index ? &guard->before.ptr[index - 1] : NULL;
    if (before)
        before->seen = true;
    if ((created->len && path_is_under(str_from(after->path), *created)) ||
        is_excused(guard, after->path))
        return 0;
    if (!before) {
        *created = str_from(after->path);
        handle_created(guard, after->path, report);
        return 1;
    }
    if (is_same(&before->st, &after->st) || says_the_same(guard, before, after))
        return 0;
    handle_changed(guard, before, true, report);
    return 1;
}

static size_t compare_missing(struct policy_guard *guard, struct buf *report)
{
    size_t count = 0;
    for (size_t i = 0; i < guard->before.len; i++) {
        const struct record *before = &guard->before.ptr[i];
        if (before->seen || before->is_fixed || !S_ISREG(before->st.st_mode) ||
            is_excused(guard, before->path))
            continue;
        handle_changed(guard, before, false, report);
        count++;
    }
    return count;
}

size_t policy_guard_compare(struct policy_guard *guard, struct buf *report)
{
    size_t count = 0;
    struct str created = {0};
    if (!guard->incomplete) { /* else what was not seen before would look new */
        walk_roots(guard, true);
        for (size_t i = 0; i < guard->after.len; i++)
            count += compare_one(guard, &guard->after.ptr[i], &created, report);
    }
    if (!guard->incomplete)
        count += compare_missing(guard, report);
    if (guard->incomplete)
        buf_append_c(report,
                     "The workspace is too large to look for protected names everywhere.\n");
    return count;
}
