/* Before and after a command: protected names at all depths, nearest to the root first. By
 * descriptors and without following any link, because a command may have planted some; one walk is
 * bounded in entries and time, and what it had no time for is not judged. */
#include "guard-internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    WALK_ENTRIES_COUNT = 200000,
    WALK_MS = 1000,
    RECORDS_COUNT = 20000,
    SECRETS_COUNT = 100,       /* each costs a mount, some 0.2 ms */
    SECRETS_SEEN_COUNT = 2000, /* before those are left out that git tracks */
    TOP_COUNT = 64, /* a root with more protected names has them for show; each costs a bind */
};
#define KEPT_BYTES (16 * MIB)

/* A folder to be looked at. */
struct step {
    char *path;
    struct stat st;
    struct census_place place;
    bool is_fixed; /* nothing in it can be changed by the command */
};

struct walk {
    struct policy_guard *guard;
    bool is_after;
    struct census_budget budget;
    size_t kept_bytes, tops;
    VEC(struct step) queue;
};

const struct guard_root *guard_split(const struct policy_guard *guard, const char *path,
                                     struct str *ret_relative)
{
    struct str rest = str_from(path), number;
    uint64_t index = 0;
    str_next(&rest, '/', &number);
    str_to_uint64(number, &index);
    *ret_relative = rest;
    return &guard->roots.ptr[index];
}

/* -- Records ---------------------------------------------------------------------------------- */

static bool is_at_top(struct str relative)
{
    return str_find_byte(relative, '/', 0) == STR_NONE ||
           str_eq_nocase(relative, STR(".github/workflows"));
}

static void keep_content(struct walk *walk, const struct guard_root *root, struct str relative,
                         struct guard_record *record)
{
    if (!S_ISREG(record->st.st_mode) || walk->kept_bytes + (size_t)record->st.st_size > KEPT_BYTES)
        return;
    const struct buf *content =
        census_content(walk->guard->census, root->path, root->fd, relative, &record->st);
    if (!content)
        return;
    buf_append(&record->content, buf_str(content));
    record->has_content = true;
    walk->kept_bytes += content->len;
}

/* What exists at root depth is read-only in the sandbox (sandbox.c), unless it is a link. A folder
 * above it can still be moved away with it: what has one is looked at again. */
static void record_before(struct walk *walk, const struct guard_root *root, struct str relative,
                          struct guard_record *record, const char *why)
{
    bool is_git = why && strcmp(why, ".git") == 0;
    record->is_top = !root->is_git && is_at_top(relative) && walk->tops < TOP_COUNT &&
                     !(is_git && walk->guard->git);
    walk->tops += record->is_top;
    record->is_fixed = record->is_top && walk->guard->fixes &&
                       str_find_byte(relative, '/', 0) == STR_NONE &&
                       (S_ISREG(record->st.st_mode) || S_ISDIR(record->st.st_mode));
    if (!record->is_fixed)
        keep_content(walk, root, relative, record);
}

/* Still the folder that was read-only in the sandbox, and so is all in it. */
static bool is_held(struct policy_guard *guard, const struct guard_record *before,
                    const struct stat *st)
{
    bool is_it = before->is_top && guard->fixes && S_ISDIR(st->st_mode) &&
                 st->st_ino == before->st.st_ino && st->st_dev == before->st.st_dev;
    if (is_it)
        map_set(&guard->held, str_from(before->path), guard);
    return is_it || before->is_fixed;
}

/* False: a command cannot have changed it, nor what is below it. */
static bool add_record(struct walk *walk, const char *path, const struct stat *st, const char *why)
{
    struct policy_guard *guard = walk->guard;
    struct str relative;
    const struct guard_root *root = guard_split(guard, path, &relative);
    size_t known = (size_t)(uintptr_t)map_get(&guard->by_path, str_from(path));
    if (walk->is_after && known && is_held(guard, &guard->before.ptr[known - 1], st))
        return false;
    if ((walk->is_after ? guard->after.len : guard->before.len) >= RECORDS_COUNT) {
        guard->is_cut = true;
        map_set(&guard->unseen, str_from(path), guard);
        return false;
    }
    struct guard_record record = {.path = mem_dup_c(path), .st = *st};
    if (walk->is_after) {
        vec_push(&guard->after, record);
        return true;
    }
    record_before(walk, root, relative, &record, why);
    vec_push(&guard->before, record);
    map_set(&guard->by_path, str_from(path), (void *)(uintptr_t)guard->before.len);
    return !record.is_fixed;
}

static bool add_secret(struct walk *walk, const char *path, const struct census_entry *entry,
                       const struct stat *st)
{
    struct policy_guard *guard = walk->guard;
    enum secret_kind kind = entry->secret;
    struct str relative;
    const struct guard_root *root = guard_split(guard, path, &relative);
    bool is_secret = (entry->is_withheld && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))) ||
                     kind == SECRET_BY_NAME ||
                     (kind == SECRET_BY_CONTENT && S_ISREG(st->st_mode) &&
                      census_holds_secret(guard->census, root->path, relative, st));
    if (is_secret && guard->secrets.len < SECRETS_SEEN_COUNT)
        strings_push(&guard->secrets, path);
    else if (is_secret)
        guard->secrets_left++;
    return is_secret;
}

/* -- Walking ---------------------------------------------------------------------------------- */

static void look_at(struct walk *walk, size_t at, const struct census_entry *entry)
{
    struct step next = {.place = walk->queue.ptr[at].place,
                        .is_fixed = walk->queue.ptr[at].is_fixed};
    struct buf path = {0};
    struct str relative;
    buf_append_c(&path, walk->queue.ptr[at].path);
    buf_append_byte(&path, '/');
    buf_append_c(&path, entry->name);
    const struct guard_root *root = guard_split(walk->guard, path.ptr, &relative);
    bool unseen = walk->is_after && map_has(&walk->guard->unseen, buf_str(&path));
    if (unseen || fstatat(root->fd, relative.ptr, &next.st, AT_SYMLINK_NOFOLLOW) < 0) {
        buf_finish(&path);
        return;
    }
    bool descend = entry->is_descended && S_ISDIR(next.st.st_mode);
    if (entry->why) {
        next.place.protected_by = entry->why;
        next.place.protected_length = path.len;
    }
    if (entry->is_recorded && !next.is_fixed && !add_record(walk, path.ptr, &next.st, entry->why)) {
        next.is_fixed = true; /* still looked through for secrets, but git's own data */
        descend &= strcmp(next.place.protected_by, ".git") != 0 && !walk->is_after;
    }
    if (!walk->is_after && !next.place.in_secret &&
        (entry->secret != SECRET_NOT || entry->is_withheld))
        next.place.in_secret = add_secret(walk, path.ptr, entry, &next.st);
    next.place.depth++;
    if (descend) {
        next.path = buf_take(&path);
        vec_push(&walk->queue, next);
    }
    buf_finish(&path);
}

static void walk_folder(struct walk *walk, size_t at)
{
    struct policy_guard *guard = walk->guard;
    struct step *step = &walk->queue.ptr[at];
    struct str path = str_from(step->path), relative;
    const struct guard_root *root = guard_split(guard, step->path, &relative);
    if (walk->is_after && map_has(&guard->unseen, path))
        return;
    const struct census_folder *folder =
        census_is_spent(&walk->budget) ? NULL
                                       : census_list(guard->census, root->path, root->fd, path,
                                                     &step->st, &step->place, &walk->budget);
    if (census_is_spent(&walk->budget) || (folder && folder->is_cut)) {
        guard->is_cut = true;
        if (!walk->is_after)
            map_set(&guard->unseen, path, guard);
    }
    for (size_t i = 0; folder && i < folder->entries.len; i++)
        look_at(walk, at, &folder->entries.ptr[i]);
}

static void push_root(struct walk *walk, size_t index)
{
    const struct guard_root *root = &walk->guard->roots.ptr[index];
    struct buf path = {0};
    struct step step = {0};
    if (root->fd < 0 || fstat(root->fd, &step.st) < 0)
        return;
    buf_append_fmt(&path, "%zu", index);
    if (root->is_git) {
        step.place.protected_by = ".git";
        step.place.protected_length = path.len;
    }
    step.path = buf_take(&path);
    vec_push(&walk->queue, step);
}

static void walk_roots(struct policy_guard *guard, bool is_after)
{
    struct walk walk = {.guard = guard, .is_after = is_after};
    walk.budget = (struct census_budget){.entries = WALK_ENTRIES_COUNT,
                                         .until_ns = time_mono_ns() + WALK_MS * 1000000ULL};
    guard->is_cut = false;
    census_lock(guard->census);
    for (size_t i = 0; i < guard->roots.len; i++)
        push_root(&walk, i);
    for (size_t i = 0; i < walk.queue.len; i++)
        walk_folder(&walk, i);
    census_unlock(guard->census);
    for (size_t i = 0; i < walk.queue.len; i++)
        mem_free(walk.queue.ptr[i].path);
    vec_finish(&walk.queue);
    withheld_finish(&walk.budget.withheld);
}

/* -- Life ------------------------------------------------------------------------------------- */

static void add_root(struct policy_guard *guard, const char *path, bool is_confirmed, bool is_git)
{
    struct guard_root root = {mem_dup_c(path), -1, is_git};
    if (is_confirmed)
        root.fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    vec_push(&guard->roots, root);
}

/* Git directories that lie elsewhere: what steers git in them is guarded as in the folders. */
static void add_git_roots(struct policy_guard *guard, const struct policy *policy)
{
    size_t count = guard->roots.len;
    for (size_t i = 0; i < count; i++) {
        struct policy_strings folders = {0};
        gitdirs_find(guard->roots.ptr[i].path, &folders);
        for (size_t k = 0; k < folders.len; k++)
            if (!root_of_folder(policy, str_from(folders.ptr[k])))
                add_root(guard, folders.ptr[k], true, true);
        strings_finish(&folders);
    }
}

struct policy_guard *policy_guard_new(const struct policy *policy,
                                      const struct policy_command *command)
{
    struct policy_guard *guard = mem_new(struct policy_guard);
    guard->census = policy->census;
    guard->git = command && command->git;
    guard->fixes = policy_sandbox_tier(policy) != TIER_LANDLOCK;
    for (size_t i = 0; i < workspace_root_count(policy->workspace); i++) {
        const struct workspace_root *root = workspace_root_at(policy->workspace, i);
        add_root(guard, root->path, root->confirmed, false);
    }
    if (guard->git)
        add_git_roots(guard, policy);
    struct buf path = {0};
    path_append_join(&path, str_from(policy->env->state_folder), STR("quarantine"));
    guard->quarantine = buf_take(&path);
    return guard;
}

static void finish_record(struct guard_record *record)
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
    quarantine_finish(guard);
    strings_finish(&guard->secrets);
    map_finish(&guard->by_path);
    map_finish(&guard->excused);
    map_finish(&guard->unseen);
    map_finish(&guard->held);
    mem_free(guard->quarantine);
    mem_free(guard);
}

void policy_guard_excuse(struct policy_guard *guard, struct str absolute_path)
{
    map_set(&guard->excused, absolute_path, guard);
}

/* -- Looking -- */

struct dropping {
    struct map by_path; /* relative: index + 1 as a pointer */
    bool *tracked;
};

/* A tracked file, or one in a folder that was found, takes it off the list. */
static void drop_tracked(void *user, struct str path)
{
    struct dropping *dropping = user;
    for (; path.len; path = path_folder(path)) {
        size_t index = (size_t)(uintptr_t)map_get(&dropping->by_path, path);
        if (index)
            dropping->tracked[index - 1] = true;
    }
}

static void mark_tracked(struct policy_guard *guard, const char *root_path, bool *tracked)
{
    struct dropping dropping = {.tracked = tracked};
    for (size_t i = 0; i < guard->secrets.len; i++) {
        struct str relative;
        if (guard_split(guard, guard->secrets.ptr[i], &relative)->path == root_path)
            map_set(&dropping.by_path, relative, (void *)(uintptr_t)(i + 1));
    }
    if (map_count(&dropping.by_path))
        tracked_each(root_path, drop_tracked, &dropping);
    map_finish(&dropping.by_path);
}

static void drop_tracked_secrets(struct policy_guard *guard)
{
    bool *tracked = mem_alloc(guard->secrets.len + 1);
    size_t kept = 0;
    memset(tracked, 0, guard->secrets.len + 1);
    for (size_t i = 0; i < guard->roots.len; i++)
        mark_tracked(guard, guard->roots.ptr[i].path, tracked);
    for (size_t i = 0; i < guard->secrets.len; i++) {
        if (!tracked[i] && kept < SECRETS_COUNT) {
            guard->secrets.ptr[kept++] = guard->secrets.ptr[i];
            continue;
        }
        guard->secrets_left += !tracked[i];
        mem_free(guard->secrets.ptr[i]);
    }
    guard->secrets.len = kept;
    mem_free(tracked);
}

void policy_guard_look(struct policy_guard *guard)
{
    walk_roots(guard, false);
    drop_tracked_secrets(guard);
}

/* -- For the sandbox -------------------------------------------------------------------------- */

static const char *next_path(const struct policy_guard *guard, const char *path,
                             struct buf *ret_absolute, struct str *ret_relative)
{
    const struct guard_root *root = guard_split(guard, path, ret_relative);
    buf_clear(ret_absolute);
    path_append_join(ret_absolute, str_from(root->path), *ret_relative);
    return root->path;
}

const char *guard_next_top(const struct policy_guard *guard, size_t *position,
                           struct buf *ret_absolute)
{
    struct str relative;
    while (*position < guard->before.len) {
        const struct guard_record *record = &guard->before.ptr[(*position)++];
        if (record->is_top)
            return next_path(guard, record->path, ret_absolute, &relative);
    }
    return NULL;
}

size_t guard_secrets_left(const struct policy_guard *guard)
{
    return guard->secrets_left;
}

const char *guard_next_secret(const struct policy_guard *guard, size_t *position,
                              struct buf *ret_absolute, struct str *ret_relative)
{
    if (*position >= guard->secrets.len)
        return NULL;
    return next_path(guard, guard->secrets.ptr[(*position)++], ret_absolute, ret_relative);
}

/* -- Comparing -------------------------------------------------------------------------------- */

/* Touched, but what it says is what it said: programs rewrite files with the same text. */
static bool says_the_same(struct policy_guard *guard, const struct guard_record *before,
                          const struct guard_record *after)
{
    struct str relative;
    const struct guard_root *root = guard_split(guard, after->path, &relative);
    if (!before->has_content || before->st.st_mode != after->st.st_mode)
        return false;
    census_lock(guard->census);
    const struct buf *now =
        census_content(guard->census, root->path, root->fd, relative, &after->st);
    bool same = now && str_eq(buf_str(now), buf_str(&before->content));
    census_unlock(guard->census);
    return same;
}

static bool is_unchanged(struct policy_guard *guard, const struct guard_record *before,
                         const struct guard_record *after)
{
    if (S_ISDIR(before->st.st_mode) && S_ISDIR(after->st.st_mode))
        return true; /* what is in it is compared by itself */
    return census_is_same(&before->st, &after->st) || says_the_same(guard, before, after);
}

static bool is_excused(const struct policy_guard *guard, const char *path)
{
    struct str relative;
    const struct guard_root *root = guard_split(guard, path, &relative);
    struct buf absolute = {0};
    path_append_join(&absolute, str_from(root->path), relative);
    bool excused = map_has(&guard->excused, buf_str(&absolute));
    buf_finish(&absolute);
    return excused;
}

static bool is_below_one_of(const struct map *folders, struct str path)
{
    while (map_count(folders) && (path = path_folder(path)).len)
        if (map_has(folders, path))
            return true;
    return false;
}

static size_t compare_one(struct policy_guard *guard, const struct guard_record *after,
                          struct map *created, struct buf *report)
{
    size_t index = (size_t)(uintptr_t)map_get(&guard->by_path, str_from(after->path));
    struct guard_record *before = index ? &guard->before.ptr[index - 1] : NULL;
    if (before)
        before->seen = true;
    /* What went with its folder is not handled again. */
    if (is_below_one_of(created, str_from(after->path)) || is_excused(guard, after->path))
        return 0;
    if (!before) {
        map_set(created, str_from(after->path), guard);
        quarantine_created(guard, after->path, report);
        return 1;
    }
    if (is_unchanged(guard, before, after))
        return 0;
    quarantine_changed(guard, before, true, report);
    return 1;
}

static size_t compare_missing(struct policy_guard *guard, struct buf *report)
{
    size_t count = 0;
    for (size_t i = 0; i < guard->before.len; i++) {
        const struct guard_record *before = &guard->before.ptr[i];
        if (before->seen || before->is_fixed || !S_ISREG(before->st.st_mode) ||
            is_below_one_of(&guard->unseen, str_from(before->path)) ||
            is_below_one_of(&guard->held, str_from(before->path)) ||
            is_excused(guard, before->path))
            continue;
        quarantine_changed(guard, before, false, report);
        count++;
    }
    return count;
}

size_t policy_guard_compare(struct policy_guard *guard, struct buf *report)
{
    size_t count = 0;
    struct map created = {0};
    walk_roots(guard, true);
    for (size_t i = 0; i < guard->after.len; i++)
        count += compare_one(guard, &guard->after.ptr[i], &created, report);
    if (!guard->is_cut) /* else what was not seen would look deleted */
        count += compare_missing(guard, report);
    if (guard->is_cut || map_count(&guard->unseen))
        buf_append_c(report,
                     "The workspace is too large to look for protected names everywhere.\n");
    map_finish(&created);
    return count;
}
