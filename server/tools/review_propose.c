/* Proposals (review "before"): texts that no file has yet. The thread that made them works on them;
 * the person's typing goes into their base, and from there into them. */
#include "review-internal.h"

/* -- The thread sees them --------------------------------------------------------------------- */

static struct review_file *find_moved(const struct reviews *reviews, const char *thread_id,
                                      struct str path)
{
    for (size_t i = 0; i < reviews->files.len; i++) {
        struct review_file *file = reviews->files.ptr[i];
        if (strcmp(file->thread_id, thread_id) == 0 && file->old_path &&
            str_eq_c(path, file->old_path))
            return file;
    }
    return NULL;
}

static void set_absent(struct now_file *file)
{
    now_clear(file);
    file->is_open = file->is_proposed = true; /* there is nothing to read */
    file->stat = (struct workspace_stat){0};
}

bool now_overlay(const struct tools_thread *thread, struct now_file *file)
{
    struct reviews *reviews = thread->tools->reviews;
    struct review_file *proposal = review_find(reviews, thread->asks_as, now_key(file));
    if (proposal) {
        review_sync(reviews, proposal);
        proposal = review_find(reviews, thread->asks_as, now_key(file));
    }
    if (!proposal && !find_moved(reviews, thread->asks_as, now_key(file)))
        return false;
    set_absent(file);
    if (!proposal || proposal->whole.kind == TOOLS_HUNK_DELETE)
        return true;
    file->text = text_ref(proposal->lines.now);
    file->stat.exists = file->stat.is_file = true;
    return true;
}

static const struct text *shown_text(const struct review_file *file)
{
    return file->whole.kind == TOOLS_HUNK_DELETE ? NULL : file->lines.now;
}

void review_overlay_each(const struct tools_thread *thread, review_overlay_fn *fn, void *user)
{
    struct reviews *reviews = thread->tools->reviews;
    review_sync_all(reviews);
    for (size_t i = 0; i < reviews->files.len; i++) {
        const struct review_file *file = reviews->files.ptr[i];
        if (strcmp(file->thread_id, thread->asks_as) != 0)
            continue;
        fn(user, file->path, shown_text(file));
        if (file->old_path)
            fn(user, file->old_path, NULL);
    }
}

bool review_has_proposal(const struct tools_thread *thread, struct str path)
{
    return review_find(thread->tools->reviews, thread->asks_as, path) ||
           find_moved(thread->tools->reviews, thread->asks_as, path);
}

bool review_is_proposed(const struct tools *tools, const char *path)
{
    const struct reviews *reviews = tools->reviews;
    for (size_t i = 0; i < reviews->files.len; i++)
        if (review_is_proposal(reviews->files.ptr[i]) &&
            strcmp(reviews->files.ptr[i]->path, path) == 0)
            return true;
    return false;
}

/* -- Does the plan still fit? ----------------------------------------------------------------- */

static bool is_text(const struct text *a, const struct text *b)
{
    return a == b || (a && b && text_eq(a, b));
}

bool review_is_current(const struct tools_thread *thread, struct str path,
                       const struct text *before)
{
    struct reviews *reviews = thread->tools->reviews;
    struct review_file *proposal = review_find(reviews, thread->asks_as, path);
    if (proposal)
        return is_text(shown_text(proposal), before);
    if (find_moved(reviews, thread->asks_as, path))
        return before == NULL;
    struct review_file probe = {.path = str_dup_c(path)};
    struct workspace_stat stat;
    struct text *now;
    enum review_look look = review_look(reviews, &probe, &stat, &now);
    bool is_current = look == REVIEW_ABSENT ? !before : look == REVIEW_TEXT && is_text(now, before);
    text_unref(now);
    mem_free(probe.path);
    return is_current;
}

/* -- What the person does meanwhile ----------------------------------------------------------- */

void review_withdraw(struct reviews *reviews, struct review_file *file)
{
    if (review_is_proposal(file) && file->whole.kind == TOOLS_HUNK_MOVE) {
        review_forget(reviews, file);
        review_set_path(file, str_from(file->old_path));
        review_set_display(reviews, file);
    }
    review_end_whole(file);
}

static void drop(struct reviews *reviews, struct review_file *file)
{
    review_mark_news(reviews, file);
    review_forget(reviews, file);
    review_remove(reviews, file);
}

static unsigned first_owner(const struct review_file *file)
{
    if (file->whole.kind != TOOLS_HUNK_LINES)
        return file->whole.owner;
    return file->lines.hunks.len > 0 ? file->lines.hunks.ptr[0].owner : 0;
}

static void tell_taken(struct reviews *reviews, const struct review_file *file,
                       const struct edit_settlement *settled)
{
    for (unsigned owner = 0; owner < reviews->owners.len; owner++) {
        VEC(struct edit_hunk) taken = {0};
        struct buf where = {0};
        for (size_t i = 0; i < settled->list.len; i++)
            if (settled->list.ptr[i].hunk.owner == owner)
                vec_push(&taken, settled->list.ptr[i].hunk);
        if (taken.len > 0) {
            review_append_lines(&where, taken.ptr, taken.len);
            review_tell(reviews, owner,
                        "The user changed %s where you proposed a change (%s): their text stands, "
                        "the proposal is dropped there. Read it again.",
                        file->display, where.ptr);
        }
        buf_finish(&where);
        vec_finish(&taken);
    }
}

static void merge_typed(struct reviews *reviews, struct review_file *file, const struct text *text)
{
    struct edit_settlement settled = {0};
    if (text_eq(text, file->lines.base))
        return;
    review_mark_news(reviews, file);
    edit_review_fold_base(&file->lines, text, &settled);
    tell_taken(reviews, file, &settled);
    if (settled.list.len > 0)
        review_settle(reviews, file);
    edit_settlement_finish(&settled);
}

static void sync_present(struct reviews *reviews, struct review_file *file, const struct text *text)
{
    switch (file->whole.kind) {
    case TOOLS_HUNK_CREATE:
        review_tell(reviews, file->whole.owner,
                    "%s exists now, made by somebody else: your proposal to make it is dropped.",
                    file->display);
        drop(reviews, file);
        return;
    case TOOLS_HUNK_DELETE:
        if (text_eq(text, file->lines.base))
            return;
        review_tell(reviews, file->whole.owner,
                    "The user changed %s, which you proposed to delete: the proposal is dropped.",
                    file->display);
        drop(reviews, file);
        return;
    case TOOLS_HUNK_LINES:
    case TOOLS_HUNK_MOVE:
        merge_typed(reviews, file, text);
        return;
    }
}

void review_sync_proposal(struct reviews *reviews, struct review_file *file)
{
    struct workspace_stat stat;
    struct text *text;
    enum review_look look = review_look(reviews, file, &stat, &text);
    enum tools_hunk_kind kind = file->whole.kind;
    file->is_dirty = file->is_restored = false;
    file->seen = stat;
    if (look == REVIEW_TEXT) {
        sync_present(reviews, file, text); /* may remove it */
    } else if (look == REVIEW_ABSENT && kind == TOOLS_HUNK_DELETE) {
        drop(reviews, file);
    } else if (look == REVIEW_ABSENT && kind != TOOLS_HUNK_CREATE) {
        review_tell(reviews, first_owner(file),
                    "%s is gone: what you proposed to change in it is dropped.", file->display);
        drop(reviews, file);
    }
    text_unref(text);
}
