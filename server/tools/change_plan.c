/* Planning an edit, on a pool thread: the texts that are not open are read, the plan is made from
 * all of them as they are now, and refused where it would undo what changed meanwhile. */
#include "change-internal.h"

struct now_file *change_file(const struct change *change, const char *given)
{
    for (size_t i = 0; i < change->files.len; i++) {
        if (strcmp(change->files.ptr[i].given, given) == 0)
            return &change->files.ptr[i];
    }
    return NULL;
}

static const enum edit_kind edit_kinds[] = {
    [HOST_CREATE] = EDIT_CREATE,
    [HOST_UPDATE] = EDIT_UPDATE,
    [HOST_DELETE] = EDIT_DELETE,
    [HOST_MOVE] = EDIT_MOVE,
};

void change_take_proposal(struct change *change, const struct host_proposal *proposal)
{
    edit_plan_finish(&change->proposed);
    change->proposed = (struct edit_plan){0};
    for (size_t i = 0; i < proposal->count; i++) {
        const struct host_change *from = &proposal->changes[i];
        struct edit_file file = {.kind = edit_kinds[from->kind],
                                 .path = mem_dup_c(from->path),
                                 .new_path = mem_dup_c(from->new_path),
                                 .before = text_ref(from->before),
                                 .after = text_ref(from->after)};
        vec_push(&change->proposed.files, file);
    }
}

void change_clear_plan(struct change *change)
{
    edit_plan_finish(&change->plan);
    change->plan = (struct edit_plan){0};
    buf_clear(&change->errors);
    change->status = STATUS_OK;
}

static void read_file(struct now_file *file)
{
    now_read(file, LIMIT_EDIT_FILE_BYTES);
    if (!file->stat.is_link || file->unreadable.len > 0)
        return;
    buf_append_fmt(&file->unreadable, "it is a link; edit what it points to, " STR_FMT,
                   STR_ARG(buf_str(&file->target)));
    text_unref(file->text);
    file->text = NULL;
}

/* -- An edit that was proposed for texts: are they still these? ------------------------------ */

static void add_proposed(struct change *change, const struct edit_file *from)
{
    struct edit_file file = {.kind = from->kind,
                             .path = mem_dup_c(from->path),
                             .new_path = mem_dup_c(from->new_path),
                             .before = text_ref(from->before),
                             .after = text_ref(from->after)};
    vec_push(&change->plan.files, file);
}

static enum status check_text_of(struct change *change, const struct edit_file *edit)
{
    const struct now_file *file = change_file(change, edit->path);
    if (file->unreadable.len > 0) {
        buf_append_fmt(&change->errors, "%s: " STR_FMT "\n", file->path.display,
                       STR_ARG(buf_str(&file->unreadable)));
        return STATUS_UNSUPPORTED;
    }
    bool same = edit->before ? file->text && text_eq(file->text, edit->before)
                             : !file->text && !file->stat.exists;
    if (same)
        return STATUS_OK;
    buf_append_fmt(&change->errors, "%s changed while the language server worked\n",
                   file->path.display);
    return STATUS_CONFLICT;
}

static enum status plan_proposed(struct change *change)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < change->proposed.files.len && status == STATUS_OK; i++) {
        const struct edit_file *edit = &change->proposed.files.ptr[i];
        status = check_text_of(change, edit);
        const struct now_file *to = edit->new_path ? change_file(change, edit->new_path) : NULL;
        if (status == STATUS_OK && to && (to->text || to->stat.exists)) {
            buf_append_fmt(&change->errors, "%s exists already\n", to->path.display);
            status = STATUS_EXISTS;
        }
        if (status == STATUS_OK)
            add_proposed(change, edit);
    }
    return status;
}

static enum status make_plan(struct change *change, const struct edit_source *sources)
{
    switch (change->kind) {
    case CHANGE_PROPOSED:
        return plan_proposed(change);
    case CHANGE_PATCH:
        return edit_patch_plan(change->patch, sources, change->files.len, &change->plan,
                               &change->errors);
    case CHANGE_REPLACE:
        return edit_replace_plan(sources, buf_str(&change->old_string),
                                 buf_str(&change->new_string), change->replace_all, &change->plan,
                                 &change->errors);
    case CHANGE_WRITE:
        break;
    }
    return edit_write_plan(sources, buf_str(&change->new_string), &change->plan, &change->errors);
}

/* -- What changed since the model last saw it ------------------------------------------------ */

static void check_overlap(const struct now_file *file, const struct text *after, struct buf *errors)
{
    size_t line = edit_first_overlap(file->base, file->text, after);
    if (line != STR_NONE)
        buf_append_fmt(errors, "%s: line %zu changed since you last read the file; read it again\n",
                       file->path.display, line + 1);
}

static void check_stale(const struct change *change, const struct edit_file *edit,
                        struct buf *errors)
{
    const struct now_file *file = change_file(change, edit->path);
    if (change->kind == CHANGE_PROPOSED) /* made from the texts as they are now */
        return;
    if (!file || !file->text || (file->base && text_eq(file->base, file->text)))
        return;
    if (change->kind == CHANGE_WRITE)
        buf_append_fmt(errors,
                       file->base
                           ? "%s changed since you last read it; read it again before "
                             "replacing it\n"
                           : "%s exists and you have not read it; read it before replacing it\n",
                       file->path.display);
    else if (file->base && edit->kind == EDIT_DELETE)
        buf_append_fmt(errors,
                       "%s changed since you last read it; read it again before deleting it\n",
                       file->path.display);
    else if (file->base && edit->after)
        check_overlap(file, edit->after, errors);
}

/* There is no folder that it could be in. */
static void check_loose(const struct change *change, const struct edit_file *edit,
                        struct buf *errors)
{
    const struct now_file *file = change_file(change, edit->path);
    if (file && file->is_loose && edit->kind != EDIT_UPDATE)
        buf_append_fmt(errors,
                       "%s: no folder is open in the editor, so it can be edited, but not moved or "
                       "deleted\n",
                       file->path.display);
}

void change_make_plan(struct change *change)
{
    struct edit_source *sources = mem_alloc_array(change->files.len, sizeof(*sources));
    for (size_t i = 0; i < change->files.len; i++) {
        struct now_file *file = &change->files.ptr[i];
        read_file(file);
        sources[i] = (struct edit_source){
            .path = str_from(file->given),
            .text = file->text,
            .unreadable = buf_str(&file->unreadable),
        };
    }
    change->status = make_plan(change, sources);
    mem_free(sources);
    for (size_t i = 0; change->status == STATUS_OK && i < change->plan.files.len; i++) {
        check_loose(change, &change->plan.files.ptr[i], &change->errors);
        check_stale(change, &change->plan.files.ptr[i], &change->errors);
    }
    if (change->status == STATUS_OK && change->errors.len > 0)
        change->status = STATUS_CONFLICT;
}
