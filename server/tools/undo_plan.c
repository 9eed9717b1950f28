/* Turning steps back, the last one first. What the person did since is `mine` in every merge, so it
 * stays; where it touches the same lines, it wins and is told. */
#include "undo-internal.h"

#include <stdarg.h>
#include <stdio.h>

struct undo_file *undo_find(const struct tools_undo *undo, const char *path)
{
    for (size_t i = 0; i < undo->files.len; i++) {
        if (strcmp(undo->files.ptr[i]->path, path) == 0)
            return undo->files.ptr[i];
    }
    return NULL;
}

void undo_say(struct undo_file *file, enum tools_undo_outcome outcome, const char *format, ...)
{
    va_list args;
    char text[256];
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (outcome > file->outcome)
        file->outcome = outcome;
    if (strstr(file->note.ptr ? file->note.ptr : "", text))
        return;
    buf_append_fmt(&file->note, "%s%s", file->note.len ? "; " : "", text);
}

void undo_set_result(struct undo_file *file, struct text *taken)
{
    text_unref(file->result);
    file->result = taken;
}

/* Takes after → before out of the file's text. */
static void merge(struct undo_file *file, const struct undo_step *step)
{
    size_t conflicts = 0;
    if (text_eq(file->result, step->after)) {
        undo_set_result(file, text_ref(step->before));
        return;
    }
    undo_set_result(file, edit_merge(step->after, file->result, step->before, &conflicts));
    if (conflicts == 1)
        undo_say(file, TOOLS_UNDO_CONFLICT, "a place that you changed since stays as it is");
    else if (conflicts)
        undo_say(file, TOOLS_UNDO_CONFLICT, "%zu places that you changed since stay as they are",
                 conflicts);
    else
        undo_say(file, TOOLS_UNDO_KEPT, "what you typed since is kept");
}

static void turn_back_update(struct undo_file *file, const struct undo_step *step)
{
    if (file->result)
        merge(file, step);
    else
        undo_say(file, TOOLS_UNDO_CONFLICT, "it no longer exists, and is left so");
}

static void turn_back_create(struct undo_file *file, const struct undo_step *step)
{
    if (!file->result)
        return;
    if (text_eq(file->result, step->after))
        undo_set_result(file, NULL);
    else
        undo_say(file, TOOLS_UNDO_CONFLICT,
                 "you changed it since it was made, so it is not deleted");
}

static void turn_back_delete(struct undo_file *file, const struct undo_step *step)
{
    if (!file->result)
        undo_set_result(file, text_ref(step->before));
    else if (!text_eq(file->result, step->before))
        undo_say(file, TOOLS_UNDO_CONFLICT, "it was made anew since, and is left so");
}

static void turn_back_move(struct undo_file *old, struct undo_file *new,
                           const struct undo_step *step)
{
    if (!new->result) {
        undo_say(new, TOOLS_UNDO_CONFLICT, "it no longer exists, so it cannot be moved back");
        return;
    }
    if (old->result) {
        undo_say(new, TOOLS_UNDO_CONFLICT, "it is not moved back: %s exists again",
                 old->now.path.display);
        return;
    }
    merge(new, step);
    old->result = new->result;
    new->result = NULL;
    old->came_from = new;
    new->is_moved_away = true;
    old->outcome = new->outcome;
    buf_append(&old->note, buf_str(&new->note));
}

static void turn_back(struct tools_undo *undo, const struct undo_step *step)
{
    struct undo_file *file = undo_find(undo, step->path);
    struct undo_file *new = step->new_path[0] ? undo_find(undo, step->new_path) : NULL;
    struct undo_file *named = new ? new : file;
    if (step->is_lost)
        undo_say(named, TOOLS_UNDO_NOT_UNDOABLE, "its earlier text is no longer kept");
    if (file->now.unreadable.len || (new &&new->now.unreadable.len))
        undo_say(named, TOOLS_UNDO_NOT_UNDOABLE, "it cannot be read: " STR_FMT,
                 STR_ARG(buf_str(&(file->now.unreadable.len ? file : named)->now.unreadable)));
    if (named->outcome == TOOLS_UNDO_NOT_UNDOABLE)
        return;
    switch (step->kind) {
    case EDIT_UPDATE:
        turn_back_update(file, step);
        break;
    case EDIT_CREATE:
        turn_back_create(file, step);
        break;
    case EDIT_DELETE:
        turn_back_delete(file, step);
        break;
    case EDIT_MOVE:
        turn_back_move(file, new, step);
        break;
    }
}

void undo_make_plan(struct tools_undo *undo)
{
    for (size_t i = 0; i < undo->files.len; i++) {
        struct undo_file *file = undo->files.ptr[i];
        now_read(&file->now, LIMIT_EDIT_FILE_BYTES);
        undo_set_result(file, text_ref(file->now.text));
        file->outcome = TOOLS_UNDO_DONE;
        file->came_from = NULL;
        file->is_moved_away = false;
        buf_clear(&file->note);
        if (file->is_touched)
            undo_say(
                file, TOOLS_UNDO_NOT_UNDOABLE,
                "a command changed it, and its earlier text is not known: look at it yourself");
    }
    for (size_t i = undo->steps.len; i-- > 0;)
        turn_back(undo, &undo->steps.ptr[i]);
}
