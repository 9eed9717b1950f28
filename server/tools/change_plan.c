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

static enum status make_plan(struct change *change, const struct edit_source *sources)
{
    switch (change->kind) {
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
    for (size_t i = 0; change->status == STATUS_OK && i < change->plan.files.len; i++)
        check_stale(change, &change->plan.files.ptr[i], &change->errors);
    if (change->status == STATUS_OK && change->errors.len > 0)
        change->status = STATUS_CONFLICT;
}
