/* What is said about an edit: the diff, the list of files, the change set. */
#include "change-internal.h"

static const char *display(const struct change *change, const char *given)
{
    return change_file(change, given)->path.display;
}

void change_append_diff(const struct change *change, size_t context, struct buf *out)
{
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        const char *name = display(change, edit->new_path ? edit->new_path : edit->path);
        if (edit->kind == EDIT_MOVE)
            buf_append_fmt(out, "rename from %s\nrename to %s\n", display(change, edit->path),
                           name);
        text_append_unified(out, str_from(name), edit->before, edit->after, context);
    }
}

void change_fingerprint(const struct change *change, char ret_hex[SHA256_HEX_BYTES])
{
    struct buf diff = {0}, lines = {0};
    change_append_diff(change, 0, &diff);
    struct str rest = buf_str(&diff), line;
    while (str_next(&rest, '\n', &line)) {
        if (str_starts_with(line, STR("@@ ")))
            line = STR("@@"); /* where it is may move, what it does may not */
        buf_append(&lines, line);
        buf_append_byte(&lines, '\n');
    }
    policy_fingerprint(buf_str(&lines), ret_hex);
    buf_finish(&diff);
    buf_finish(&lines);
}

struct line_counts {
    size_t added, removed;
};

static struct line_counts count_lines(const struct edit_file *edit)
{
    struct line_counts counts = {0, 0};
    struct text *none = text_new((struct str){0});
    struct diff diff;
    text_diff(edit->before ? edit->before : none, edit->after ? edit->after : none, &diff);
    for (size_t i = 0; i < diff.count; i++) {
        counts.added += diff.hunks[i].new_count;
        counts.removed += diff.hunks[i].old_count;
    }
    diff_finish(&diff);
    text_unref(none);
    return counts;
}

static const struct {
    char letter;
    const char *verb, *kind;
} words[] = {
    [EDIT_CREATE] = {'A', "create", "create"},
    [EDIT_UPDATE] = {'M', "edit", "update"},
    [EDIT_DELETE] = {'D', "delete", "delete"},
    [EDIT_MOVE] = {'R', "move", "move"},
};

void change_append_report(const struct change *change, struct buf *out)
{
    for (size_t i = 0; i < change->plan.files.len; i++) {
        const struct edit_file *edit = &change->plan.files.ptr[i];
        struct line_counts counts = count_lines(edit);
        buf_append_fmt(out, "%c %s", words[edit->kind].letter, display(change, edit->path));
        if (edit->new_path)
            buf_append_fmt(out, " -> %s", display(change, edit->new_path));
        buf_append_fmt(out, " (+%zu -%zu)\n", counts.added, counts.removed);
    }
    buf_append(out, buf_str(&change->plan.notes));
    if (out->len > 0 && out->ptr[out->len - 1] != '\n')
        buf_append_byte(out, '\n');
}

void change_append_summary(const struct change *change, struct buf *out)
{
    const struct edit_file *edit = change->plan.files.ptr;
    if (change->plan.files.len == 0)
        return;
    struct line_counts counts = count_lines(edit);
    if (change->plan.files.len == 1)
        buf_append_fmt(out, "%s %s (+%zu -%zu)", words[edit->kind].verb,
                       display(change, edit->path), counts.added, counts.removed);
    else
        buf_append_fmt(out, "%s %s and %zu more", words[edit->kind].verb,
                       display(change, edit->path), change->plan.files.len - 1);
}

static enum status record_file(const struct change *change, const struct edit_file *edit,
                               struct tools_call *call, struct err *err)
{
    struct str before = edit->before ? text_bytes(edit->before) : (struct str){0};
    struct str after = edit->after ? text_bytes(edit->after) : (struct str){0};
    struct str new_path = {0};
    if (edit->kind == EDIT_UPDATE && text_eq(edit->before, edit->after))
        return STATUS_OK; /* the person took nothing of this file */
    if (edit->new_path)
        new_path = now_key(change_file(change, edit->new_path));
    return journal_change_add(call->tools->env.journal, call->thread->id, call->turn_id,
                              words[edit->kind].kind, now_key(change_file(change, edit->path)),
                              new_path, edit->before ? &before : NULL, edit->after ? &after : NULL,
                              err);
}

enum status change_record(const struct change *change, struct tools_call *call, struct err *err)
{
    enum status status = STATUS_OK;
    journal_begin(call->tools->env.journal);
    for (size_t i = 0; i < change->plan.files.len; i++) {
        enum status s = record_file(change, &change->plan.files.ptr[i], call, err);
        status = s < 0 ? s : status;
    }
    journal_commit(call->tools->env.journal);
    return status;
}
