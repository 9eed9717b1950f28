/* What an edit broke: the diagnostics of its files from before it, those of the texts it made, and
 * the difference for the model. Where the editor does not tell diagnostics, nothing is said or
 * waited for. */
#include "change-internal.h"
#include "diags-internal.h"

struct check {
    struct tools_call *call;
    bool is_asked, has_before;
    struct diags before; /* by the paths that the files have after the edit */
    struct lookout *lookout;
};

static const struct host *host_of(const struct check *check)
{
    return check->call->tools->env.host;
}

static void drop_question(struct check *check)
{
    if (check->is_asked)
        host_of(check)->ops->drop(host_of(check)->host, check);
    check->is_asked = false;
}

void change_check_free(struct check *check)
{
    if (!check)
        return;
    drop_question(check);
    lookout_free(check->lookout);
    diags_finish(&check->before);
    mem_free(check);
}

static struct change *change_of(const struct check *check)
{
    return ((struct change_state *)check->call->state)->change;
}

static struct str path_before(const struct change *change, const struct edit_file *edit)
{
    return now_key(change_file(change, edit->path));
}

static struct str path_after(const struct change *change, const struct edit_file *edit)
{
    return now_key(change_file(change, edit->new_path ? edit->new_path : edit->path));
}

/* -- Before: asked just ahead of the edit, so an editor that answers in order tells what was --- */

/* A moved file's stand under its new name. */
static void follow_moves(const struct change *change, struct diags *diags)
{
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        struct diag_file file = {0};
        if (edit->new_path)
            file = diags_take(diags, path_before(change, edit));
        if (!file.path)
            continue;
        mem_free(file.path);
        file.path = str_dup_c(path_after(change, edit));
        vec_push(&diags->files, file);
    }
}

static void on_before(void *user, enum status status, const struct host_diagnosed *files,
                      size_t count)
{
    struct check *check = user;
    check->is_asked = false;
    check->has_before = status == STATUS_OK;
    if (!check->has_before)
        return;
    diags_copy(check->call->tools, files, count, &check->before);
    follow_moves(change_of(check), &check->before);
}

void change_check_before(struct tools_call *call, struct change *change)
{
    const struct host *host = call->tools->env.host;
    VEC(const char *) paths = {0};
    if (!host->ops->diagnostics)
        return;
    change_check_free(change->check);
    struct check *check = change->check = mem_new(struct check);
    check->call = call;
    check->is_asked = true;
    for (size_t i = 0; i < change->plan.files.len; i++)
        vec_push(&paths, path_before(change, &change->plan.files.ptr[i]).ptr);
    host->ops->diagnostics(host->host, paths.ptr, paths.len, on_before, check);
    vec_finish(&paths);
}

/* -- After ------------------------------------------------------------------------------------- */

/* What the model has not been told of yet, because it had to go on too early: the state before
 * that edit counts for this one too. */
static void recall_unsettled(struct check *check)
{
    struct diags *unsettled = &check->call->thread->diags->unsettled;
    for (size_t i = 0; i < unsettled->files.len; i++) {
        struct str path = str_from(unsettled->files.ptr[i].path);
        struct diag_file newer = diags_take(&check->before, path);
        if (!newer.path)
            continue;
        diag_file_finish(&newer);
        vec_push(&check->before.files, diags_take(unsettled, path));
        i--;
    }
}

static void keep_unsettled(struct check *check, const struct diags *after)
{
    struct diags *unsettled = &check->call->thread->diags->unsettled;
    for (size_t i = 0; i < after->files.len; i++) {
        struct str path = str_from(after->files.ptr[i].path);
        struct diag_file before = diags_take(&check->before, path);
        if (!before.path)
            before.path = str_dup_c(path);
        if (after->files.ptr[i].age == DIAG_STALE && unsettled->files.len < LIMIT_TOOL_BASES_COUNT)
            vec_push(&unsettled->files, before);
        else
            diag_file_finish(&before);
    }
}

static const struct edit_file *edit_of(const struct change *change, const char *path)
{
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        if (edit->after && str_eq_c(path_after(change, edit), path))
            return edit;
    }
    return NULL;
}

static size_t append_new(const struct check *check, const struct diag_file *file, size_t room,
                         struct buf *out)
{
    const struct change *change = change_of(check);
    const struct edit_file *edit = edit_of(change, file->path);
    size_t count = 0;
    if (!edit)
        return 0;
    const char *display =
        change_file(change, edit->new_path ? edit->new_path : edit->path)->path.display;
    bool *is_new = mem_alloc(file->list.len);
    diag_mark_new(diags_find(&check->before, str_from(file->path)), file, edit->before, edit->after,
                  is_new);
    for (size_t i = 0; i < file->list.len; i++) {
        if (!is_new[i])
            continue;
        if (count++ < room)
            diag_append(&file->list.ptr[i], display, out);
    }
    mem_free(is_new);
    return count;
}

static void append_result(const struct check *check, const struct diags *after, struct buf *out)
{
    struct buf lines = {0}, late = {0};
    size_t count = 0;
    for (size_t i = 0; i < after->files.len; i++) {
        const struct diag_file *file = &after->files.ptr[i];
        size_t room = count < LIMIT_DIAGNOSTICS_COUNT ? LIMIT_DIAGNOSTICS_COUNT - count : 0;
        const struct edit_file *edit = edit_of(change_of(check), file->path);
        if (file->age != DIAG_STALE)
            count += append_new(check, file, room, &lines);
        else if (edit)
            buf_append_fmt(&late, "%s%s", late.len > 0 ? ", " : "",
                           change_file(change_of(check), edit->path)->path.display);
    }
    if (count > 0)
        buf_append_fmt(out, "New diagnostics after this edit:\n" STR_FMT, STR_ARG(buf_str(&lines)));
    if (count > LIMIT_DIAGNOSTICS_COUNT)
        buf_append_fmt(out, "[%zu more; the diagnostics tool shows them]\n",
                       count - LIMIT_DIAGNOSTICS_COUNT);
    if (late.len > 0)
        buf_append_fmt(out,
                       "Diagnostics are stale: the editor's language server has not looked at this "
                       "version yet (" STR_FMT "). Ask for them with the diagnostics tool.\n",
                       STR_ARG(buf_str(&late)));
    buf_finish(&lines);
    buf_finish(&late);
}

/* Where a language server does not keep up, or its editor cannot tell, an edit must not cost 2 s
 * each time. */
enum { HALVINGS_MAX = 3 };

static uint64_t patience_ms(const struct tools_call *call)
{
    unsigned halvings = call->thread->diags->in_vain;
    return call->tools->deadlines.edit_diagnostics_ms >>
           (halvings < HALVINGS_MAX ? halvings : HALVINGS_MAX);
}

static void learn_patience(struct check *check, const struct diags *after)
{
    bool in_vain = false;
    for (size_t i = 0; i < after->files.len; i++) {
        const struct diag_file *file = &after->files.ptr[i];
        const struct diag_file *before = diags_find(&check->before, str_from(file->path));
        in_vain |= file->age == DIAG_STALE ||
                   (file->age == DIAG_UNKNOWN && before && diag_file_eq(before, file));
    }
    check->call->thread->diags->in_vain = in_vain ? check->call->thread->diags->in_vain + 1 : 0;
}

static void on_after(void *user, enum status status, const struct diags *after)
{
    struct check *check = user;
    struct tools_call *call = check->call;
    if (status == STATUS_OK) {
        append_result(check, after, &call->text);
        learn_patience(check, after);
        keep_unsettled(check, after);
    }
    call_end(call, call->ok);
}

/* Files that are open, or that the editor checks without. */
static bool is_checked(const struct check *check, struct str path)
{
    const struct tools *tools = check->call->tools;
    return document_find_path(tools->env.documents, path) || diags_find(&check->before, path);
}

void change_check_after(struct tools_call *call, struct change *change)
{
    struct check *check = change->check;
    VEC(const char *) paths = {0};
    if (!check || !check->has_before) {
        call_end(call, call->ok);
        return;
    }
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        struct str path = path_after(change, edit);
        if (edit->after && is_checked(check, path))
            vec_push(&paths, path.ptr);
    }
    if (paths.len == 0) {
        vec_finish(&paths);
        call_end(call, call->ok);
        return;
    }
    recall_unsettled(check);
    struct lookout_wish wish = {.paths = paths.ptr,
                                .count = paths.len,
                                .wait_ms = patience_ms(call),
                                .others_than = &check->before};
    check->lookout = lookout_start(call->tools, &wish, on_after, check);
    vec_finish(&paths);
}
