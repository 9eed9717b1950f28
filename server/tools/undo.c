/* Undo and redo of a turn. An undo is recorded as further changes of the same turn, marked "undo-",
 * so that a redo is the same thing done to them. */
#include "undo-internal.h"

#include <stdio.h>

/* -- Made and released ------------------------------------------------------------------------ */

static void file_free(struct undo_file *file)
{
    now_finish(&file->now);
    text_unref(file->result);
    buf_finish(&file->note);
    mem_free(file->path);
    mem_free(file);
}

static void clear_saving(struct tools_undo *undo)
{
    for (size_t i = 0; i < undo->saving.len; i++)
        mem_free(undo->saving.ptr[i]);
    vec_clear(&undo->saving);
}

static void undo_unref(struct tools_undo *undo)
{
    if (--undo->refs > 0)
        return;
    for (size_t i = 0; i < undo->steps.len; i++) {
        struct undo_step *step = &undo->steps.ptr[i];
        mem_free(step->path);
        mem_free(step->new_path);
        text_unref(step->before);
        text_unref(step->after);
    }
    for (size_t i = 0; i < undo->files.len; i++)
        file_free(undo->files.ptr[i]);
    clear_saving(undo);
    vec_finish(&undo->saving);
    vec_finish(&undo->steps);
    vec_finish(&undo->files);
    vec_finish(&undo->sent);
    mem_free(undo);
}

/* -- The end ---------------------------------------------------------------------------------- */

static void append_report(const struct tools_undo *undo, struct tools_undo_result *result,
                          struct buf *diff)
{
    for (size_t i = 0; i < undo->files.len; i++) {
        const struct undo_file *file = undo->files.ptr[i];
        if (file->is_moved_away || (file->is_touched && !file->now.stat.exists))
            continue;
        struct tools_undo_file told = {
            .path = file->now.path.display,
            .outcome = file->outcome,
            .note = buf_str(&file->note),
        };
        vec_push(&result->files, told);
        if (file->came_from)
            buf_append_fmt(diff, "rename from %s\nrename to %s\n",
                           file->came_from->now.path.display, file->now.path.display);
        const struct text *before = file->came_from ? file->came_from->now.text : file->now.text;
        if (before != file->result)
            text_append_unified(diff, str_from(file->now.path.display), before, file->result, 3);
    }
}

static void end(struct tools_undo *undo, enum status status, struct str why)
{
    struct tools_undo_result result = {.status = status, .why = why, .turn_id = undo->turn_id};
    struct buf diff = {0};
    tools_undo_fn *on_done = undo->on_done;
    undo->on_done = NULL;
    if (status == STATUS_OK) {
        review_end_turn(undo->tools, undo->turn_id);
        append_report(undo, &result, &diff);
    }
    result.diff = buf_str(&diff);
    if (on_done)
        on_done(undo->user, &result);
    vec_finish(&result.files);
    buf_finish(&diff);
    undo_unref(undo);
}

static void on_saved(void *user, enum status status, struct str note)
{
    struct tools_undo *undo = user;
    for (size_t i = 0; status < 0 && i < undo->sent.len; i++)
        buf_append_fmt(&undo->sent.ptr[i]->note, "%snot saved: " STR_FMT,
                       undo->sent.ptr[i]->note.len ? "; " : "",
                       STR_ARG(note.len ? note : str_from(status_name(status))));
    end(undo, STATUS_OK, (struct str){0});
}

/* What was clean before is clean afterwards; what holds the person's unsaved typing stays so. */
static void save(struct tools_undo *undo)
{
    const struct host *host = undo->tools->env.host;
    bool saves = host->ops->save && policy_get_save(undo->tools->env.policy) == SAVE_CLEAN;
    for (size_t i = 0; saves && i < undo->sent.len; i++) {
        const struct undo_file *file = undo->sent.ptr[i];
        const struct undo_file *from = file->came_from ? file->came_from : file;
        if (file->result && !file->now.was_unsaved && !from->now.was_unsaved)
            vec_push(&undo->saving, str_dup_c(now_key(&file->now)));
    }
    if (!undo->saving.len)
        end(undo, STATUS_OK, (struct str){0});
    else
        host->ops->save(host->host, (const char *const *)undo->saving.ptr, undo->saving.len,
                        on_saved, undo);
}

/* -- Applying --------------------------------------------------------------------------------- */

static void start_planning(struct tools_undo *undo);

static enum edit_kind kind_of(const struct undo_file *file)
{
    if (file->came_from)
        return EDIT_MOVE;
    if (!file->now.text)
        return EDIT_CREATE;
    return file->result ? EDIT_UPDATE : EDIT_DELETE;
}

/* The person took some of it, or typed where it was to come: what landed counts, and not what they
 * typed meanwhile. */
static void adopt_what_landed(struct tools_undo *undo)
{
    struct text *none = text_new(STR(""));
    for (size_t i = 0; i < undo->sent.len; i++) {
        struct undo_file *file = undo->sent.ptr[i];
        const struct undo_file *from = file->came_from ? file->came_from : file;
        struct document *document =
            document_find_path(undo->tools->env.documents, now_key(&file->now));
        bool is_whole;
        if (!document || !document->text || !file->result)
            continue;
        undo_set_result(file, edit_landed_part(from->now.text ? from->now.text : none,
                                               document->text, file->result, &is_whole));
        if (!is_whole)
            undo_say(file, TOOLS_UNDO_CONFLICT, "some of it stands, where you typed meanwhile");
    }
    text_unref(none);
}

static enum status record_file(struct tools_undo *undo, const struct undo_file *file,
                               struct err *err)
{
    const struct undo_file *from = file->came_from ? file->came_from : file;
    struct str before = from->now.text ? text_bytes(from->now.text) : (struct str){0};
    struct str after = file->result ? text_bytes(file->result) : (struct str){0};
    struct buf kind = {0};
    buf_append(&kind, undo_marks[undo->way]);
    buf_append_c(&kind, undo_kinds[kind_of(file)]);
    enum status status = journal_change_add(
        undo->tools->env.journal, undo->thread->id, undo->turn_id, kind.ptr, str_from(from->path),
        file->came_from ? str_from(file->path) : (struct str){0}, from->now.text ? &before : NULL,
        file->result ? &after : NULL, err);
    buf_finish(&kind);
    return status;
}

static void record(struct tools_undo *undo)
{
    struct err err = {0};
    journal_begin(undo->tools->env.journal);
    for (size_t i = 0; i < undo->sent.len; i++) {
        struct undo_file *file = undo->sent.ptr[i];
        if (record_file(undo, file, &err) < 0)
            buf_append_fmt(&file->note, "%sthis cannot be taken back: %s",
                           file->note.len ? "; " : "", err.text);
    }
    for (size_t i = 0; i < undo->files.len; i++)
        if (undo->files.ptr[i]->is_touched)
            (void)journal_change_add(undo->tools->env.journal, undo->thread->id, undo->turn_id,
                                     "undo-touch", str_from(undo->files.ptr[i]->path),
                                     (struct str){0}, NULL, NULL, NULL);
    journal_commit(undo->tools->env.journal);
}

/* It was the person's decision. */
static void record_review(struct tools_undo *undo)
{
    for (size_t i = 0; i < undo->sent.len; i++) {
        const struct undo_file *file = undo->sent.ptr[i];
        const struct undo_file *from = file->came_from ? file->came_from : file;
        struct review_change change = {
            .kind = kind_of(file),
            .path = str_from(from->path),
            .new_path = file->came_from ? str_from(file->path) : (struct str){0},
            .display = str_from(file->now.path.display),
            .before = from->now.text,
            .after = file->result,
        };
        review_record_undo(undo->tools, &change);
    }
}

static void release(struct tools_undo *undo)
{
    if (undo->is_held)
        review_release(undo->tools);
    undo->is_held = false;
}

static void on_applied(void *user, const struct host_apply_outcome *outcome)
{
    struct tools_undo *undo = user;
    switch (outcome->result) {
    case HOST_NOT_APPLIED:
        release(undo);
        if (undo->attempts < LIMIT_EDIT_ATTEMPTS_COUNT)
            start_planning(undo);
        else
            end(undo, STATUS_CONFLICT, STR("the text moved on at each attempt; try again"));
        return;
    case HOST_FAILED:
        release(undo);
        end(undo, STATUS_IO, outcome->note);
        return;
    case HOST_PARTIAL:
    case HOST_REPAIRED:
        adopt_what_landed(undo);
        break;
    case HOST_APPLIED:
        break;
    }
    record(undo);
    for (size_t i = 0; i < undo->sent.len; i++)
        sessions_excuse(undo->tools, now_key(&undo->sent.ptr[i]->now));
    record_review(undo);
    release(undo);
    save(undo);
}

static const enum host_change_kind host_kinds[] = {
    [EDIT_CREATE] = HOST_CREATE,
    [EDIT_UPDATE] = HOST_UPDATE,
    [EDIT_DELETE] = HOST_DELETE,
    [EDIT_MOVE] = HOST_MOVE,
};

static bool changes_something(const struct undo_file *file)
{
    if (file->is_moved_away || (!file->now.text && !file->result))
        return false;
    return file->came_from || !file->now.text || !file->result ||
           !text_eq(file->now.text, file->result);
}

static void apply(struct tools_undo *undo)
{
    const struct host *host = undo->tools->env.host;
    VEC(struct host_change) changes = {0};
    vec_clear(&undo->sent);
    for (size_t i = 0; i < undo->files.len; i++) {
        struct undo_file *file = undo->files.ptr[i];
        if (!changes_something(file))
            continue;
        const struct undo_file *from = file->came_from ? file->came_from : file;
        struct host_change change = {
            .kind = host_kinds[kind_of(file)],
            .path = from->now.target.ptr,
            .new_path = file->came_from ? file->now.target.ptr : NULL,
            .before = from->now.text,
            .after = file->result,
        };
        vec_push(&changes, change);
        vec_push(&undo->sent, file);
    }
    if (changes.len) {
        undo->is_held = true;
        review_hold(undo->tools);
        host->ops->apply(host->host, changes.ptr, changes.len,
                         undo->way == TOOLS_UNDO ? "Undo the turn" : "Redo the turn", on_applied,
                         undo);
    }
    vec_finish(&changes);
    if (undo->sent.len)
        return;
    record(undo);
    end(undo, STATUS_OK, (struct str){0});
}

/* -- Planning --------------------------------------------------------------------------------- */

static void plan_work(void *data)
{
    undo_make_plan(data);
}

static void plan_done(void *data)
{
    struct tools_undo *undo = data;
    undo->job = NULL;
    apply(undo);
}

static void plan_release(void *data)
{
    undo_unref(data);
}

static const struct job_ops plan_ops = {plan_work, plan_done, plan_release};

static void start_planning(struct tools_undo *undo)
{
    undo->attempts++;
    for (size_t i = 0; i < undo->files.len; i++)
        (void)now_look(undo->tools, &undo->files.ptr[i]->now);
    undo->refs++;
    undo->job = job_start(undo->tools, &plan_ops, undo);
}

struct tools_undo *tools_undo_start(struct tools_thread *thread, struct str turn_id,
                                    enum tools_undo_way way, tools_undo_fn *on_done, void *user,
                                    struct err *err)
{
    struct tools_undo *undo = mem_new(struct tools_undo);
    *undo = (struct tools_undo){.refs = 1,
                                .tools = thread->tools,
                                .thread = thread,
                                .way = way,
                                .on_done = on_done,
                                .user = user};
    undo_copy_id(undo->turn_id, sizeof(undo->turn_id), turn_id);
    if (thread->looks.len) {
        undo->waits = true;
        thread->waiting_undo = undo;
        return undo;
    }
    if (undo_load_steps(undo, err) < 0) {
        undo_unref(undo);
        return NULL;
    }
    start_planning(undo);
    return undo;
}

void undo_go_on(struct tools_thread *thread)
{
    struct tools_undo *undo = thread->waiting_undo;
    struct err err = {0};
    thread->waiting_undo = NULL;
    if (!undo)
        return;
    undo->waits = false;
    enum status status = undo_load_steps(undo, &err);
    if (status < 0)
        end(undo, status, str_from(err.text));
    else
        start_planning(undo);
}

void tools_undo_cancel(struct tools_undo *undo)
{
    const struct host *host = undo->tools->env.host;
    undo->on_done = NULL;
    if (undo->waits)
        undo->thread->waiting_undo = NULL;
    if (undo->job)
        job_forget(undo->job);
    undo->job = NULL;
    host->ops->drop(host->host, undo);
    release(undo);
    undo_unref(undo);
}
