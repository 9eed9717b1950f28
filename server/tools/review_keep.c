/* What waits outlives the process: the two texts and where the hunks are. What was typed since is
 * found by comparing with the text as it is then. */
#include "review-internal.h"

/* -- Keeping ---------------------------------------------------------------------------------- */

static const char *const kinds[] = {
    [TOOLS_HUNK_LINES] = "",
    [TOOLS_HUNK_CREATE] = "create",
    [TOOLS_HUNK_DELETE] = "delete",
    [TOOLS_HUNK_MOVE] = "move",
};

static void write_owner(const struct reviews *reviews, struct json_writer *w, unsigned owner)
{
    json_write_field_c(w, "thread", reviews->owners.ptr[owner].thread_id);
    json_write_field_c(w, "turn", reviews->owners.ptr[owner].turn_id);
}

static void write_hunk(const struct reviews *reviews, struct json_writer *w,
                       const struct edit_hunk *hunk)
{
    const size_t numbers[] = {hunk->base_start, hunk->base_count, hunk->now_start, hunk->now_count};
    json_write_begin_object(w);
    write_owner(reviews, w, hunk->owner);
    json_write_key(w, "at");
    json_write_begin_array(w);
    for (size_t i = 0; i < array_count(numbers); i++)
        json_write_int(w, (int64_t)numbers[i]);
    json_write_end_array(w);
    json_write_end_object(w);
}

static void append_hunks(const struct reviews *reviews, const struct review_file *file,
                         struct buf *json)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_field_c(&w, "path", file->path);
    if (review_is_proposal(file))
        json_write_field_c(&w, "proposedBy", file->thread_id);
    if (file->whole.kind != TOOLS_HUNK_LINES) {
        json_write_key(&w, "whole");
        json_write_begin_object(&w);
        json_write_field_c(&w, "kind", kinds[file->whole.kind]);
        write_owner(reviews, &w, file->whole.owner);
        json_write_end_object(&w);
    }
    json_write_key(&w, "hunks");
    json_write_begin_array(&w);
    for (size_t i = 0; i < file->lines.hunks.len; i++)
        write_hunk(reviews, &w, &file->lines.hunks.ptr[i]);
    json_write_end_array(&w);
    json_write_end_object(&w);
}

/* One row a path: a proposal has a component more, its path is in the JSON. */
static void append_key(const struct review_file *file, struct buf *key)
{
    buf_append_c(key, file->path);
    if (review_is_proposal(file))
        buf_append_fmt(key, "/%s", file->thread_id);
}

void review_keep(struct reviews *reviews, const struct review_file *file)
{
    struct buf json = {0}, key = {0};
    struct err err = {0};
    struct str base = text_bytes(file->lines.base), now = text_bytes(file->lines.now);
    append_hunks(reviews, file, &json);
    append_key(file, &key);
    struct journal_review row = {
        .path = buf_str(&key),
        .old_path = str_from(file->old_path),
        .hunks = buf_str(&json),
    };
    if (journal_review_put(reviews->tools->env.journal, &row, &base, &now, &err) < 0)
        log_line(LOG_WARN, "review not kept path=%s why=\"%s\"", file->path, err.text);
    buf_finish(&json);
    buf_finish(&key);
}

void review_forget(struct reviews *reviews, const struct review_file *file)
{
    struct buf key = {0};
    append_key(file, &key);
    (void)journal_review_remove(reviews->tools->env.journal, buf_str(&key), NULL);
    buf_finish(&key);
}

/* -- Restoring -------------------------------------------------------------------------------- */

static bool on_thread(void *user, const struct journal_thread *thread)
{
    (void)user;
    (void)thread;
    return true;
}

/* Of a thread that was deleted meanwhile nothing waits. */
static bool read_owner(struct reviews *reviews, const struct json_value *value, unsigned *ret_owner)
{
    struct str thread = json_get_str(value, "thread"), turn = json_get_str(value, "turn");
    if (thread.len == 0 || thread.len >= ID_BYTES || turn.len >= ID_BYTES ||
        journal_thread_get(reviews->tools->env.journal, thread, on_thread, NULL, NULL) < 0)
        return false;
    char *thread_id = str_dup_c(thread), *turn_id = str_dup_c(turn);
    *ret_owner = review_owner(reviews, thread_id, turn_id);
    mem_free(thread_id);
    mem_free(turn_id);
    return true;
}

static bool is_ownerless(void *user, const struct edit_hunk *hunk)
{
    (void)user;
    return hunk->owner == UINT32_MAX;
}

static struct edit_hunk read_hunk(struct reviews *reviews, const struct json_value *value)
{
    const struct json_value *at = json_first(json_get(value, "at"));
    struct edit_hunk hunk = {.owner = UINT32_MAX};
    size_t *const numbers[] = {&hunk.base_start, &hunk.base_count, &hunk.now_start,
                               &hunk.now_count};
    for (size_t i = 0; at && i < array_count(numbers); i++, at = json_next(at))
        *numbers[i] = (size_t)(json_int(at, 0) & INT32_MAX);
    (void)read_owner(reviews, value, &hunk.owner);
    return hunk;
}

/* Should they not fit the texts: what these differ in waits, as the last one's. */
static void read_hunks(struct reviews *reviews, struct review_file *file,
                       const struct json_value *list)
{
    VEC(struct edit_hunk) hunks = {0};
    for (const struct json_value *one = json_first(list); one; one = json_next(one))
        vec_push(&hunks, read_hunk(reviews, one));
    if (!edit_review_set_hunks(&file->lines, hunks.ptr, hunks.len))
        for (size_t i = 0; i < file->lines.hunks.len; i++)
            file->lines.hunks.ptr[i].owner = hunks.len ? vec_last(&hunks).owner : UINT32_MAX;
    if (review_is_proposal(file))
        edit_review_reject(&file->lines, is_ownerless, NULL);
    else
        edit_review_accept(&file->lines, is_ownerless, NULL);
    vec_finish(&hunks);
}

static void read_whole(struct reviews *reviews, struct review_file *file,
                       const struct json_value *whole)
{
    unsigned owner;
    for (size_t i = 1; i < array_count(kinds); i++)
        if (str_eq_c(json_get_str(whole, "kind"), kinds[i]) && read_owner(reviews, whole, &owner))
            file->whole =
                (struct review_whole){(enum tools_hunk_kind)i, ++file->lines.last_id, owner};
}

static struct text *load(struct reviews *reviews, struct str hash)
{
    struct buf bytes = {0};
    if (journal_blob_get(reviews->tools->env.journal, hash, &bytes, NULL) == STATUS_OK)
        return text_take(&bytes);
    buf_finish(&bytes);
    return NULL;
}

void review_set_display(struct reviews *reviews, struct review_file *file)
{
    struct workspace_path path;
    if (workspace_resolve(reviews->tools->env.workspace, NULL, str_from(file->path), &path, NULL) <
        0)
        return;
    mem_free(file->display);
    file->display = mem_dup_c(path.display);
    workspace_path_finish(&path);
}

struct row {
    const struct journal_review *kept;
    struct json_value *value;
    struct text *base, *now;
    struct str path;
    char thread_id[ID_BYTES]; /* of a proposal */
};

static void row_load(struct reviews *reviews, const struct journal_review *kept, struct row *row)
{
    *row = (struct row){.kept = kept, .path = kept->path};
    row->base = load(reviews, kept->base_hash);
    row->now = load(reviews, kept->now_hash);
    if (json_parse(kept->hunks, &row->value, NULL) < 0)
        return;
    struct str by = json_get_str(row->value, "proposedBy");
    if (by.len < ID_BYTES && by.len > 0)
        memcpy(row->thread_id, by.ptr, by.len);
    if (json_get_str(row->value, "path").len > 0)
        row->path = json_get_str(row->value, "path");
}

static void row_finish(struct row *row)
{
    json_free(row->value);
    text_unref(row->base);
    text_unref(row->now);
}

static void restore(struct reviews *reviews, const struct row *row)
{
    struct review_file *file = review_add(reviews, row->thread_id, row->path, row->base, row->now);
    review_set_display(reviews, file);
    read_hunks(reviews, file, json_get(row->value, "hunks"));
    read_whole(reviews, file, json_get(row->value, "whole"));
    if (file->whole.kind == TOOLS_HUNK_MOVE)
        file->old_path = str_dup_c(row->kept->old_path);
    file->is_dirty = file->is_restored = true;
    if (review_pending(file) > 0)
        review_mark_news(reviews, file);
    else
        review_remove(reviews, file);
}

/* A row that was taken over: ours now. */
static void on_row(void *user, const struct journal_review *kept)
{
    struct reviews *reviews = user;
    struct row row;
    row_load(reviews, kept, &row);
    bool is_there = review_find(reviews, row.thread_id, row.path) != NULL;
    if (!is_there && row.base && row.now && row.value)
        restore(reviews, &row);
    else if (!is_there)
        review_notice(reviews,
                      "The changes of " STR_FMT " that waited for your review can no longer be "
                      "shown: its earlier text is not kept any more. The file is as it is.",
                      STR_ARG(row.path));
    row_finish(&row);
}

void reviews_restore(struct reviews *reviews)
{
    const struct workspace *workspace = reviews->tools->env.workspace;
    struct journal *journal = reviews->tools->env.journal;
    for (size_t i = 0; i < workspace_root_count(workspace); i++)
        (void)journal_review_take(journal, str_from(workspace_root_at(workspace, i)->path), on_row,
                                  reviews, NULL);
    if (reviews->files.len > 0)
        loop_timer_start(reviews->typed_timer, 0, 0);
}
