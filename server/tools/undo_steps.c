/* Which turn is taken back, and what it did: its change sets, out of the journal. */
#include "undo-internal.h"

#include <stdio.h>

/* -- Change sets ------------------------------------------------------------------------------ */

const char *const undo_kinds[] = {
    [EDIT_CREATE] = "create",
    [EDIT_UPDATE] = "update",
    [EDIT_DELETE] = "delete",
    [EDIT_MOVE] = "move",
};
const struct str undo_marks[] = {
    [TOOLS_UNDO] = {"undo-", 5},
    [TOOLS_REDO] = {"redo-", 5},
};

/* "" for what the turn itself did. */
static struct str mark_of(struct str kind)
{
    for (size_t i = 0; i < array_count(undo_marks); i++) {
        if (str_starts_with(kind, undo_marks[i]))
            return undo_marks[i];
    }
    return (struct str){0};
}

/* Changes that are not the model's own are undone all the same. */
static struct str skip_origin(struct str kind)
{
    static const struct str origins[] = {{"command-", 8}, {"editor-", 7}};
    for (size_t i = 0; i < array_count(origins); i++) {
        if (str_starts_with(kind, origins[i]))
            return str_skip(kind, origins[i].len);
    }
    return kind;
}

static bool kind_parse(struct str kind, enum edit_kind *ret_kind)
{
    for (size_t i = 0; i < array_count(undo_kinds); i++) {
        if (str_eq_c(kind, undo_kinds[i])) {
            *ret_kind = (enum edit_kind)i;
            return true;
        }
    }
    return false;
}

/* One that is too long is none of ours, and is not found. */
void undo_copy_id(char *to, size_t size, struct str id)
{
    snprintf(to, size, STR_FMT, STR_ARG(id));
}

struct recorded {
    struct str mark;
    struct buf path, new_path;
    enum edit_kind kind;
    char before_hash[SHA256_HEX_BYTES], after_hash[SHA256_HEX_BYTES];
};
struct records {
    VEC(struct recorded) list; /* the last that belong together */
    VEC(char *) touched;       /* files that commands changed: nothing more is known */
    bool is_told;              /* they were named by an undo */
    uint64_t last_ms;
};

static void records_clear(struct records *records)
{
    for (size_t i = 0; i < records->list.len; i++) {
        buf_finish(&records->list.ptr[i].path);
        buf_finish(&records->list.ptr[i].new_path);
    }
    vec_clear(&records->list);
}

static void records_finish(struct records *records)
{
    records_clear(records);
    vec_finish(&records->list);
    for (size_t i = 0; i < records->touched.len; i++)
        mem_free(records->touched.ptr[i]);
    vec_finish(&records->touched);
}

static bool on_change(void *user, const struct journal_change *change)
{
    struct records *records = user;
    struct recorded recorded = {.mark = mark_of(change->kind)};
    struct str kind = skip_origin(str_skip(change->kind, recorded.mark.len));
    if (str_eq(kind, STR("touch")) && recorded.mark.len)
        records->is_told = true;
    else if (str_eq(kind, STR("touch")))
        vec_push(&records->touched, str_dup_c(change->path));
    if (!kind_parse(kind, &recorded.kind))
        return true;
    if (records->list.len && !str_eq(records->list.ptr[0].mark, recorded.mark))
        records_clear(records);
    buf_append(&recorded.path, change->path);
    buf_append_c(&recorded.path, "");
    buf_append(&recorded.new_path, change->new_path);
    undo_copy_id(recorded.before_hash, sizeof(recorded.before_hash), change->before_hash);
    undo_copy_id(recorded.after_hash, sizeof(recorded.after_hash), change->after_hash);
    vec_push(&records->list, recorded);
    records->last_ms = change->created_ms;
    return true;
}

/* What is undone can be redone, everything else undone; and what cannot be is told once. */
static bool records_suit(const struct records *records, enum tools_undo_way way)
{
    if (!records->list.len)
        return way == TOOLS_UNDO && records->touched.len && !records->is_told;
    bool is_undone = str_eq(records->list.ptr[0].mark, undo_marks[TOOLS_UNDO]);
    return is_undone == (way == TOOLS_REDO);
}

struct search {
    struct journal *journal;
    enum tools_undo_way way;
    char found[ID_BYTES];
    uint64_t found_ms;
};

/* To undo: the latest turn; to redo: the one that was undone last. */
static bool on_turn(void *user, const struct journal_turn *turn)
{
    struct search *search = user;
    struct records records = {0};
    char id[ID_BYTES];
    undo_copy_id(id, sizeof(id), turn->id);
    journal_change_each(search->journal, id, on_change, &records, NULL);
    uint64_t at = search->way == TOOLS_UNDO ? turn->started_ms : records.last_ms;
    if (records_suit(&records, search->way) && at >= search->found_ms) {
        memcpy(search->found, id, sizeof(id));
        search->found_ms = at;
    }
    records_finish(&records);
    return true;
}

static enum status find_turn(struct tools_undo *undo, struct err *err)
{
    struct search search = {.journal = undo->tools->env.journal, .way = undo->way};
    enum status status = journal_turn_each(search.journal, undo->thread->id, on_turn, &search, err);
    memcpy(undo->turn_id, search.found, sizeof(search.found));
    return status;
}

/* -- Steps ------------------------------------------------------------------------------------ */

static struct text *load_text(struct tools_undo *undo, const char *hash, bool *ret_lost)
{
    struct buf bytes = {0};
    if (!hash[0])
        return NULL;
    if (journal_blob_get(undo->tools->env.journal, str_from(hash), &bytes, NULL) < 0) {
        *ret_lost = true;
        buf_finish(&bytes);
        return NULL;
    }
    return text_take(&bytes);
}

static enum status add_file(struct tools_undo *undo, const char *path, struct err *err)
{
    if (!path[0] || undo_find(undo, path))
        return STATUS_OK;
    struct undo_file *file = mem_new(struct undo_file);
    enum status status = now_resolve_for(undo->thread, str_from(path), &file->now, err);
    if (status < 0) {
        mem_free(file);
        return status;
    }
    file->path = mem_dup_c(path);
    vec_push(&undo->files, file);
    return STATUS_OK;
}

static enum status add_step(struct tools_undo *undo, const struct recorded *recorded,
                            struct err *err)
{
    struct undo_step step = {.kind = recorded->kind};
    step.path = str_dup_c(buf_str(&recorded->path));
    step.new_path = str_dup_c(buf_str(&recorded->new_path));
    step.before = load_text(undo, recorded->before_hash, &step.is_lost);
    step.after = load_text(undo, recorded->after_hash, &step.is_lost);
    vec_push(&undo->steps, step);
    enum status status = add_file(undo, step.path, err);
    return status < 0 ? status : add_file(undo, step.new_path, err);
}

/* Named, so that nobody takes them for undone. */
static void add_touched(struct tools_undo *undo, const struct records *records)
{
    bool tells = undo->way == TOOLS_UNDO && !records->is_told;
    for (size_t i = 0; tells && i < records->touched.len; i++) {
        const char *path = records->touched.ptr[i];
        if (undo_find(undo, path) || add_file(undo, path, NULL) < 0)
            continue;
        vec_last(&undo->files)->is_touched = true;
    }
}

enum status undo_load_steps(struct tools_undo *undo, struct err *err)
{
    struct records records = {0};
    enum status status = undo->turn_id[0] ? STATUS_OK : find_turn(undo, err);
    if (status == STATUS_OK && undo->turn_id[0])
        status =
            journal_change_each(undo->tools->env.journal, undo->turn_id, on_change, &records, err);
    if (status == STATUS_OK && !records_suit(&records, undo->way))
        status = err_set(err, STATUS_NOT_FOUND,
                         undo->way == TOOLS_UNDO
                             ? "there is nothing to undo: no file was changed, or it is undone "
                               "already"
                             : "there is nothing to redo: nothing was undone");
    for (size_t i = 0; status == STATUS_OK && i < records.list.len; i++)
        status = add_step(undo, &records.list.ptr[i], err);
    if (status == STATUS_OK)
        add_touched(undo, &records);
    records_finish(&records);
    return status;
}
