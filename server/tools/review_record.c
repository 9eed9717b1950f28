/* What the model changed becomes pending; what an undo took back is decided. */
#include "review-internal.h"

static struct text *text_or_empty(const struct text *text)
{
    return text ? text_ref(text) : text_new((struct str){0});
}

static void set_lines(struct review_file *file, const struct text *base, const struct text *now,
                      unsigned owner)
{
    struct text *old = text_or_empty(base), *new = text_or_empty(now);
    unsigned last_id = file->lines.last_id;
    edit_review_finish(&file->lines);
    edit_review_init(&file->lines, old, new, owner);
    for (size_t i = 0; i < file->lines.hunks.len; i++)
        file->lines.hunks.ptr[i].id += last_id;
    file->lines.last_id += last_id;
    text_unref(old);
    text_unref(new);
}

static void set_whole(struct review_file *file, enum tools_hunk_kind kind, unsigned owner)
{
    file->whole = (struct review_whole){kind, ++file->lines.last_id, owner};
}

static void set_display(struct review_file *file, struct str display)
{
    mem_free(file->display);
    file->display = str_dup_c(display);
}

/* -- What the model changed ------------------------------------------------------------------- */

struct record {
    struct reviews *reviews;
    const struct review_change *change;
    unsigned owner;
    const char *thread_id; /* of a proposal, or "" */
    bool is_pending;       /* review "after", or a proposal */
};

/* Up to the text that the edit was planned on, all is the person's. */
static void catch_up(struct record *record, struct review_file *file)
{
    struct edit_settlement settled = {0};
    edit_review_fold(&file->lines, record->change->before, EDIT_BY_PERSON, 0, &settled);
    edit_settlement_finish(&settled);
}

static void fold(struct record *record, struct review_file *file)
{
    struct edit_settlement settled = {0};
    edit_review_fold(&file->lines, record->change->after,
                     record->is_pending ? EDIT_BY_MODEL : EDIT_BY_EDITOR, record->owner, &settled);
    edit_settlement_finish(&settled);
}

static void record_create(struct record *record, struct review_file *file)
{
    const struct review_change *change = record->change;
    if (file && file->whole.kind == TOOLS_HUNK_DELETE) { /* deleted and made anew: an update */
        struct text *base = text_ref(file->lines.base);
        set_lines(file, base, change->after, record->owner);
        file->whole.kind = TOOLS_HUNK_LINES;
        text_unref(base);
    } else if (record->is_pending) {
        file =
            file ? file : review_add(record->reviews, record->thread_id, change->path, NULL, NULL);
        set_lines(file, NULL, change->after, record->owner);
        set_whole(file, TOOLS_HUNK_CREATE, record->owner);
    }
    if (file)
        review_settle(record->reviews, file);
}

static struct review_file *begin(struct record *record)
{
    const struct review_change *change = record->change;
    struct review_file *file = review_add(record->reviews, record->thread_id, change->path,
                                          change->before, change->before);
    set_display(file, change->display);
    return file;
}

static void record_update(struct record *record, struct review_file *file)
{
    if (!file && !record->is_pending)
        return;
    file = file ? file : begin(record);
    if (file->whole.kind == TOOLS_HUNK_CREATE) {
        set_lines(file, NULL, record->change->after, record->owner);
        set_whole(file, TOOLS_HUNK_CREATE, record->owner);
    } else {
        catch_up(record, file);
        fold(record, file);
    }
    review_settle(record->reviews, file);
}

static void drop(struct record *record, struct review_file *file)
{
    review_mark_news(record->reviews, file);
    review_forget(record->reviews, file);
    review_remove(record->reviews, file);
}

static void record_delete(struct record *record, struct review_file *file)
{
    if (!file && !record->is_pending)
        return;
    file = file ? file : begin(record);
    if (!record->is_pending || file->whole.kind == TOOLS_HUNK_CREATE) {
        drop(record, file); /* made and deleted: as if it had never been */
        return;
    }
    catch_up(record, file);
    struct text *base = text_ref(file->lines.base);
    review_mark_news(record->reviews, file);
    set_lines(file, base, NULL, record->owner);
    text_unref(base);
    if (file->old_path) { /* moved and deleted: what is gone is the old one */
        review_forget(record->reviews, file);
        review_set_path(file, str_from(file->old_path));
        mem_free(file->old_path);
        file->old_path = NULL;
    }
    set_whole(file, TOOLS_HUNK_DELETE, record->owner);
    review_settle(record->reviews, file);
}

static void record_move(struct record *record, struct review_file *file)
{
    const struct review_change *change = record->change;
    struct review_file *there = review_find(record->reviews, record->thread_id, change->new_path);
    if (there)
        drop(record, there); /* it made room for this one */
    if (!file && !record->is_pending)
        return;
    file = file ? file : begin(record);
    catch_up(record, file);
    fold(record, file);
    review_forget(record->reviews, file);
    if (file->whole.kind != TOOLS_HUNK_CREATE) {
        file->old_path = file->old_path ? file->old_path : mem_dup_c(file->path);
        bool is_back = str_eq_c(change->new_path, file->old_path);
        if (is_back || !record->is_pending) {
            mem_free(file->old_path);
            file->old_path = NULL;
            file->whole.kind = TOOLS_HUNK_LINES;
        } else {
            set_whole(file, TOOLS_HUNK_MOVE, record->owner);
        }
    }
    review_set_path(file, change->new_path);
    set_display(file, change->display);
    review_settle(record->reviews, file);
}

static void record_change(struct record *record)
{
    const struct review_change *change = record->change;
    struct review_file *file = review_find(record->reviews, record->thread_id, change->path);
    static void (*const recorders[])(struct record *, struct review_file *) = {
        [EDIT_CREATE] = record_create,
        [EDIT_UPDATE] = record_update,
        [EDIT_DELETE] = record_delete,
        [EDIT_MOVE] = record_move,
    };
    recorders[change->kind](record, file);
    file = review_find(record->reviews, record->thread_id,
                       change->kind == EDIT_MOVE ? change->new_path : change->path);
    if (!file)
        return;
    set_display(file, change->display);
    file->seen = (struct workspace_stat){0};
    file->is_dirty = true; /* what was typed while the edit was under way */
}

void review_record(struct tools *tools, const char *thread_id, const char *turn_id,
                   const struct review_change *change)
{
    struct record record = {
        .reviews = tools->reviews,
        .change = change,
        .owner = review_owner(tools->reviews, thread_id, turn_id),
        .thread_id = "",
        .is_pending = policy_get_review(tools->env.policy) == REVIEW_AFTER,
    };
    record_change(&record);
}

void review_record_command(struct tools *tools, const char *thread_id, const char *turn_id,
                           const struct review_change *change)
{
    const struct document *document = document_find_path(tools->env.documents, change->path);
    struct review_file *file = review_find(tools->reviews, "", change->path);
    bool is_shown =
        !document || (document->text && change->after && text_eq(document->text, change->after));
    bool is_known = file && file->whole.kind == TOOLS_HUNK_LINES && change->after &&
                    text_eq(file->lines.now, change->after);
    if (is_shown && !is_known)
        review_record(tools, thread_id, turn_id, change);
    else if (file && !is_known)
        file->is_reloaded = true;
}

void review_propose(struct tools *tools, const char *thread_id, const char *turn_id,
                    const struct review_change *change)
{
    struct record record = {
        .reviews = tools->reviews,
        .change = change,
        .owner = review_owner(tools->reviews, thread_id, turn_id),
        .thread_id = thread_id,
        .is_pending = true,
    };
    record_change(&record);
}

/* -- What an undo did ------------------------------------------------------------------------- */

static bool is_of_owner(void *user, const struct edit_hunk *hunk)
{
    return hunk->owner == *(const unsigned *)user;
}

/* Empty: any. */
static bool is_one_of(const struct review_owner *owner, const char *thread_id, const char *turn_id)
{
    return (!thread_id[0] || strcmp(owner->thread_id, thread_id) == 0) &&
           (!turn_id[0] || strcmp(owner->turn_id, turn_id) == 0);
}

static bool has_of(const struct review_file *file, unsigned owner)
{
    bool has = file->whole.kind != TOOLS_HUNK_LINES && file->whole.owner == owner;
    for (size_t i = 0; !has && i < file->lines.hunks.len; i++)
        has = file->lines.hunks.ptr[i].owner == owner;
    return has;
}

static void settle_owner(struct reviews *reviews, struct review_file *file, unsigned owner)
{
    review_mark_news(reviews, file);
    if (review_is_proposal(file))
        edit_review_reject(&file->lines, is_of_owner, &owner);
    else
        edit_review_accept(&file->lines, is_of_owner, &owner);
    if (file->whole.kind != TOOLS_HUNK_LINES && file->whole.owner == owner)
        review_withdraw(reviews, file);
    review_settle(reviews, file);
}

static void end_all(struct reviews *reviews, const char *thread_id, const char *turn_id)
{
    for (unsigned owner = 0; owner < reviews->owners.len; owner++) {
        if (!is_one_of(&reviews->owners.ptr[owner], thread_id, turn_id))
            continue;
        for (size_t i = reviews->files.len; i-- > 0;)
            if (has_of(reviews->files.ptr[i], owner))
                settle_owner(reviews, reviews->files.ptr[i], owner);
    }
}

void review_end_turn(struct tools *tools, const char *turn_id)
{
    end_all(tools->reviews, "", turn_id);
}

void tools_review_end_thread(struct tools *tools, const char *thread_id)
{
    struct reviews *reviews = tools->reviews;
    end_all(reviews, thread_id, "");
    for (size_t i = 0; i < reviews->owners.len; i++)
        if (strcmp(reviews->owners.ptr[i].thread_id, thread_id) == 0)
            buf_clear(&reviews->owners.ptr[i].told); /* nobody is left to hear it */
}

void review_record_undo(struct tools *tools, const struct review_change *change)
{
    struct reviews *reviews = tools->reviews;
    struct review_file *file = review_find(reviews, "", change->path);
    struct edit_settlement settled = {0};
    if (!file)
        return;
    bool is_whole = file->whole.kind == TOOLS_HUNK_CREATE || file->whole.kind == TOOLS_HUNK_DELETE;
    review_mark_news(reviews, file);
    review_forget(reviews, file);
    if (is_whole || !change->after) {
        review_remove(reviews, file);
        return;
    }
    if (change->before)
        edit_review_fold(&file->lines, change->before, EDIT_BY_PERSON, 0, &settled);
    edit_review_fold(&file->lines, change->after, EDIT_BY_PERSON, 0, &settled);
    edit_settlement_finish(&settled);
    if (change->new_path.len > 0) {
        review_set_path(file, change->new_path);
        set_display(file, change->display);
        review_end_whole(file);
    }
    file->seen = (struct workspace_stat){0};
    file->is_dirty = true;
    review_settle(reviews, file);
}
