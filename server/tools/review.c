/* The files with pending hunks, and what the person types in them. It is taken in a moment after
 * the last key, or when somebody looks; never while an edit is with the host. */
#include "review-internal.h"

#include <stdio.h>

enum { TYPED_MS = 300 };

/* -- Entries ---------------------------------------------------------------------------------- */

static void on_typed_time(void *user)
{
    review_sync_all(user);
}

static void on_jobs_time(void *user)
{
    review_jobs_pump(user);
}

static void on_document(void *user, const struct document_change *change, bool closed)
{
    struct reviews *reviews = user;
    bool is_one = false;
    (void)closed;
    for (size_t i = 0; i < reviews->files.len; i++) {
        struct review_file *file = reviews->files.ptr[i];
        bool is_it = strcmp(review_source(file), change->document->path) == 0;
        file->is_dirty |= is_it;
        is_one |= is_it;
    }
    if (is_one && reviews->holds == 0)
        loop_timer_start(reviews->typed_timer, TYPED_MS, 0);
}

struct reviews *reviews_new(struct tools *tools)
{
    struct reviews *reviews = mem_new(struct reviews);
    reviews->tools = tools;
    reviews->typed_timer = loop_timer_new(tools->env.loop, on_typed_time, reviews);
    reviews->news_timer = loop_timer_new(tools->env.loop, review_on_news_time, reviews);
    reviews->jobs_timer = loop_timer_new(tools->env.loop, on_jobs_time, reviews);
    reviews->observer = document_observe(tools->env.documents, on_document, reviews);
    reviews_restore(reviews);
    return reviews;
}

static void file_free(struct review_file *file)
{
    edit_review_finish(&file->lines);
    mem_free(file->path);
    mem_free(file->old_path);
    mem_free(file->display);
    mem_free(file);
}

void reviews_free(struct reviews *reviews)
{
    review_jobs_drop(reviews);
    document_unobserve(reviews->observer);
    loop_timer_free(reviews->typed_timer);
    loop_timer_free(reviews->news_timer);
    loop_timer_free(reviews->jobs_timer);
    for (size_t i = 0; i < reviews->files.len; i++)
        file_free(reviews->files.ptr[i]);
    for (size_t i = 0; i < reviews->owners.len; i++)
        buf_finish(&reviews->owners.ptr[i].told);
    for (size_t i = 0; i < reviews->notices.len; i++)
        mem_free(reviews->notices.ptr[i]);
    vec_finish(&reviews->files);
    vec_finish(&reviews->owners);
    vec_finish(&reviews->notices);
    vec_finish(&reviews->jobs);
    mem_free(reviews);
}

struct review_file *review_find(const struct reviews *reviews, const char *thread_id,
                                struct str path)
{
    for (size_t i = 0; i < reviews->files.len; i++)
        if (str_eq_c(path, reviews->files.ptr[i]->path) &&
            strcmp(reviews->files.ptr[i]->thread_id, thread_id) == 0)
            return reviews->files.ptr[i];
    return NULL;
}

struct review_file *review_add(struct reviews *reviews, const char *thread_id, struct str path,
                               const struct text *base, const struct text *now)
{
    struct review_file *file = mem_new(struct review_file);
    struct text *empty = text_new((struct str){0});
    unsigned first_id = ++reviews->added << 12;
    file->path = str_dup_c(path);
    file->display = str_dup_c(path);
    snprintf(file->thread_id, sizeof(file->thread_id), "%s", thread_id);
    edit_review_init(&file->lines, base ? base : empty, now ? now : empty, 0);
    for (size_t i = 0; i < file->lines.hunks.len; i++)
        file->lines.hunks.ptr[i].id += first_id;
    file->lines.last_id += first_id;
    text_unref(empty);
    vec_push(&reviews->files, file);
    return file;
}

void review_remove(struct reviews *reviews, struct review_file *file)
{
    for (size_t i = 0; i < reviews->files.len; i++)
        if (reviews->files.ptr[i] == file) {
            vec_remove(&reviews->files, i);
            break;
        }
    file_free(file);
}

void review_set_path(struct review_file *file, struct str path)
{
    char *copy = str_dup_c(path);
    mem_free(file->path);
    file->path = copy;
    file->seen = (struct workspace_stat){0};
}

unsigned review_owner(struct reviews *reviews, const char *thread_id, const char *turn_id)
{
    struct review_owner owner = {0};
    for (size_t i = 0; i < reviews->owners.len; i++)
        if (strcmp(reviews->owners.ptr[i].turn_id, turn_id) == 0 &&
            strcmp(reviews->owners.ptr[i].thread_id, thread_id) == 0)
            return (unsigned)i;
    snprintf(owner.thread_id, sizeof(owner.thread_id), "%s", thread_id);
    snprintf(owner.turn_id, sizeof(owner.turn_id), "%s", turn_id);
    vec_push(&reviews->owners, owner);
    return (unsigned)reviews->owners.len - 1;
}

size_t review_pending(const struct review_file *file)
{
    bool is_whole = file->whole.kind == TOOLS_HUNK_CREATE || file->whole.kind == TOOLS_HUNK_DELETE;
    return (is_whole ? 0 : file->lines.hunks.len) + (file->whole.kind != TOOLS_HUNK_LINES);
}

void review_settle(struct reviews *reviews, struct review_file *file)
{
    review_mark_news(reviews, file);
    if (review_pending(file) > 0) {
        review_keep(reviews, file);
        return;
    }
    review_forget(reviews, file);
    review_remove(reviews, file);
}

/* -- What was typed --------------------------------------------------------------------------- */

static enum review_look look_at_disk(struct reviews *reviews, const struct review_file *file,
                                     struct workspace_stat *ret_stat, struct text **ret_text)
{
    struct workspace_path path;
    struct buf bytes = {0};
    struct workspace_stat stat = {0};
    if (workspace_resolve(reviews->tools->env.workspace, NULL, str_from(review_source(file)), &path,
                          NULL) < 0)
        return REVIEW_UNKNOWN; /* its folder is not open here */
    enum status status = workspace_stat(&path, &stat, NULL);
    bool is_known = status == STATUS_OK && stat.exists && file->seen.exists &&
                    stat.size == file->seen.size && stat.inode == file->seen.inode &&
                    stat.modified_ns == file->seen.modified_ns;
    if (status == STATUS_OK && is_known)
        *ret_text = text_ref(review_is_proposal(file) ? file->lines.base : file->lines.now);
    else if (status == STATUS_OK && stat.exists)
        status = workspace_read(&path, LIMIT_EDIT_FILE_BYTES, &bytes, &stat, NULL);
    workspace_path_finish(&path);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && !stat.exists))
        return REVIEW_ABSENT;
    *ret_stat = stat;
    if (status == STATUS_OK && !is_known)
        *ret_text = text_take(&bytes);
    buf_finish(&bytes);
    return status == STATUS_OK ? REVIEW_TEXT : REVIEW_UNKNOWN;
}

enum review_look review_look(struct reviews *reviews, const struct review_file *file,
                             struct workspace_stat *ret_stat, struct text **ret_text)
{
    const struct document *document =
        document_find_path(reviews->tools->env.documents, str_from(review_source(file)));
    *ret_stat = (struct workspace_stat){0};
    *ret_text = NULL;
    if (!document)
        return look_at_disk(reviews, file, ret_stat, ret_text);
    *ret_text = text_ref(document->text);
    return document->text ? REVIEW_TEXT : REVIEW_UNKNOWN;
}

/* The editor's own undo: as good as a no, and the model must know. */
static void tell_undone(struct reviews *reviews, const struct review_file *file,
                        const struct edit_settlement *settled)
{
    for (size_t owner = 0; owner < reviews->owners.len; owner++) {
        VEC(struct edit_hunk) undone = {0};
        struct buf where = {0};
        for (size_t i = 0; i < settled->list.len; i++)
            if (settled->list.ptr[i].is_undone && settled->list.ptr[i].hunk.owner == owner)
                vec_push(&undone, settled->list.ptr[i].hunk);
        if (undone.len > 0) {
            review_append_lines(&where, undone.ptr, undone.len);
            review_tell(reviews, (unsigned)owner,
                        "The user undid your change of %s at %s: the old lines are back.",
                        file->display, where.ptr);
        }
        buf_finish(&where);
        vec_finish(&undone);
    }
}

static void say_restored(struct reviews *reviews, const struct review_file *file, size_t count)
{
    if (file->is_restored && count > 0)
        review_notice(reviews,
                      "%zu %s in %s waited for your review and changed while Lanebridge was not "
                      "running: what is there now counts as yours.",
                      count, count == 1 ? "change" : "changes", file->display);
}

/* While a command runs, a text that is as on the disk may have come from there. */
static bool is_by_command(const struct reviews *reviews, const struct review_file *file)
{
    const struct tools *tools = reviews->tools;
    const struct document *document =
        document_find_path(tools->env.documents, str_from(file->path));
    return tools->session_count > 0 &&
           (!document || !workspace_is_unsaved(tools->env.workspace, document));
}

static void sync_lines(struct reviews *reviews, struct review_file *file, const struct text *now)
{
    struct edit_settlement settled = {0};
    size_t taken = 0;
    unsigned last_id = file->lines.last_id;
    review_mark_news(reviews, file);
    bool is_editor = file->saving > 0 || file->is_reloaded || is_by_command(reviews, file);
    file->is_reloaded = false;
    edit_review_fold(&file->lines, now, is_editor ? EDIT_BY_EDITOR : EDIT_BY_PERSON,
                     file->lines.hunks.len ? file->lines.hunks.ptr[0].owner : 0, &settled);
    tell_undone(reviews, file, &settled);
    for (size_t i = 0; i < settled.list.len; i++)
        taken += !settled.list.ptr[i].is_undone;
    say_restored(reviews, file, taken);
    file->is_restored = false;
    if (settled.list.len > 0 || file->lines.last_id != last_id)
        review_settle(reviews, file);
    edit_settlement_finish(&settled);
}

static const char *const whole_undone[] = {
    [TOOLS_HUNK_CREATE] = "The user deleted %s, which you had made.",
    [TOOLS_HUNK_DELETE] = "The user brought %s back, which you had deleted.",
    [TOOLS_HUNK_MOVE] = "The user moved %s back.",
};

static void end_whole(struct reviews *reviews, struct review_file *file, bool is_undone)
{
    if (is_undone) {
        struct buf line = {0};
        struct str format = str_from(whole_undone[file->whole.kind]);
        size_t at = str_find(format, STR("%s"), 0);
        buf_append(&line, str_slice(format, 0, at));
        buf_append_c(&line, file->display);
        buf_append(&line, str_skip(format, at + 2));
        review_tell(reviews, file->whole.owner, "%s", line.ptr);
        buf_finish(&line);
    } else {
        say_restored(reviews, file, 1);
    }
    review_mark_news(reviews, file);
    file->whole.kind = TOOLS_HUNK_LINES;
    edit_review_finish(&file->lines);
    struct text *empty = text_new((struct str){0});
    edit_review_init(&file->lines, empty, empty, 0);
    text_unref(empty);
    review_settle(reviews, file);
}

static void sync_present(struct reviews *reviews, struct review_file *file, const struct text *now)
{
    bool is_same = text_eq(now, file->lines.now);
    switch (file->whole.kind) {
    case TOOLS_HUNK_CREATE:
        if (is_same)
            break;
        if (file->saving) {
            text_unref(file->lines.now);
            file->lines.now = text_ref(now);
        } else {
            end_whole(reviews, file, false);
            return;
        }
        break;
    case TOOLS_HUNK_DELETE: /* it is there again */
        end_whole(reviews, file, text_eq(now, file->lines.base));
        return;
    case TOOLS_HUNK_LINES:
    case TOOLS_HUNK_MOVE:
        if (!is_same) {
            sync_lines(reviews, file, now);
            return;
        }
        break;
    }
    file->is_restored = false;
}

static void sync_absent(struct reviews *reviews, struct review_file *file)
{
    if (file->whole.kind == TOOLS_HUNK_DELETE)
        return;
    end_whole(reviews, file,
              file->whole.kind == TOOLS_HUNK_CREATE || file->whole.kind == TOOLS_HUNK_MOVE);
}

void review_sync(struct reviews *reviews, struct review_file *file)
{
    struct workspace_stat stat;
    struct text *now;
    if (reviews->holds > 0)
        return;
    if (review_is_proposal(file)) {
        review_sync_proposal(reviews, file);
        return;
    }
    enum review_look look = review_look(reviews, file, &stat, &now);
    file->is_dirty = false;
    file->seen = stat;
    if (look == REVIEW_TEXT)
        sync_present(reviews, file, now); /* may remove it */
    else if (look == REVIEW_ABSENT)
        sync_absent(reviews, file);
    text_unref(now);
}

void review_sync_all(struct reviews *reviews)
{
    for (size_t i = reviews->files.len; reviews->holds == 0 && i-- > 0;)
        if (reviews->files.ptr[i]->is_dirty)
            review_sync(reviews, reviews->files.ptr[i]);
}

void review_hold(struct tools *tools)
{
    review_sync_all(tools->reviews);
    tools->reviews->holds++;
}

void review_release(struct tools *tools)
{
    struct reviews *reviews = tools->reviews;
    if (--reviews->holds > 0)
        return;
    loop_timer_start(reviews->typed_timer, 0, 0);
    loop_timer_start(reviews->jobs_timer, 0, 0);
}

void review_saving(struct tools *tools, const char *const *paths, size_t count, bool begins)
{
    struct reviews *reviews = tools->reviews;
    for (size_t i = 0; i < count; i++) {
        struct review_file *file = review_find(reviews, "", str_from(paths[i]));
        if (!file)
            continue;
        if (begins) {
            review_sync(reviews, file);
            file = review_find(reviews, "", str_from(paths[i]));
            if (file)
                file->saving++;
        } else if (file->saving > 0) {
            review_sync(reviews, file);
            file = review_find(reviews, "", str_from(paths[i]));
            if (file)
                file->saving--;
        }
    }
}
