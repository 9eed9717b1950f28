#include "touched-internal.h"

#include <time.h>

enum { NAMED_BYTES = 1000 }; /* of names in a sentence to the model */

/* One known file. */
struct touched_file {
    struct workspace_path path;
    struct workspace_stat stat;
    struct text *text; /* on disk; NULL: it did not exist, or could not be read */
    uint64_t saves;    /* of its document, if it was open */
    bool was_open;
    bool is_unknown; /* its text could not be read */
};

static void file_finish(struct touched_file *file)
{
    workspace_path_finish(&file->path);
    text_unref(file->text);
}

void touched_finish(struct touched *touched)
{
    for (size_t i = 0; i < touched->files.len; i++)
        file_finish(&touched->files.ptr[i]);
    vec_finish(&touched->files);
    for (size_t i = 0; i < touched->excused.len; i++)
        mem_free(touched->excused.ptr[i]);
    vec_finish(&touched->excused);
    mem_free(touched->turn_id);
    *touched = (struct touched){0};
}

/* The clock that files get their times from: others are some milliseconds ahead of it. */
static int64_t file_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* -- Before ----------------------------------------------------------------------------------- */

/* The text as it is on disk now; shares memory with `likely` if it is the same. */
static struct text *read_text(const struct touched_file *file, const struct text *likely,
                              bool *ret_unknown)
{
    struct buf bytes = {0};
    struct text *text = NULL;
    enum status status = workspace_read(&file->path, LIMIT_EDIT_FILE_BYTES, &bytes, NULL, NULL);
    *ret_unknown = status < 0 && status != STATUS_NOT_FOUND;
    if (status == STATUS_OK && likely && str_eq(text_bytes(likely), buf_str(&bytes)))
        text = text_ref(likely);
    else if (status == STATUS_OK)
        text = text_take(&bytes);
    buf_finish(&bytes);
    return text;
}

static bool is_known(const struct touched *touched, const char *absolute)
{
    for (size_t i = 0; i < touched->files.len; i++)
        if (strcmp(touched->files.ptr[i].path.absolute, absolute) == 0)
            return true;
    return false;
}

static void add_file(struct touched *touched, const struct tools *tools, const char *absolute,
                     const struct text *likely, size_t *bytes)
{
    const struct document *document = document_find_path(tools->env.documents, str_from(absolute));
    struct touched_file file = {.was_open = document != NULL};
    struct policy_verdict verdict = {0};
    if (touched->files.len >= LIMIT_EXEC_KNOWN_COUNT || *bytes > LIMIT_EXEC_KNOWN_BYTES ||
        is_known(touched, absolute) ||
        workspace_resolve(tools->env.workspace, NULL, str_from(absolute), &file.path, NULL) < 0)
        return;
    policy_check_path(tools->env.policy, &file.path, POLICY_READ, &verdict);
    if (verdict.answer != POLICY_ALLOW || workspace_stat(&file.path, &file.stat, NULL) < 0 ||
        file.stat.is_folder) {
        file_finish(&file);
        return;
    }
    file.saves = document ? document->saves : 0;
    file.text = read_text(&file, likely, &file.is_unknown);
    *bytes += file.text ? text_len(file.text) : 0;
    vec_push(&touched->files, file);
}

/* What is open first, then what was read last: there is a limit to what is worth reading again. */
void touched_take(struct touched *touched, struct tools_thread *thread)
{
    const struct tools *tools = thread->tools;
    const struct bases *bases = &thread->bases;
    const struct document *document;
    size_t bytes = 0;
    if (touched->since_ns)
        return; /* it is run again */
    touched->since_ns = file_clock_ns();
    for (size_t i = 0; (document = document_at(tools->env.documents, i)); i++)
        if (document->path && document->path[0])
            add_file(touched, tools, document->path, document->text, &bytes);
    for (size_t i = bases->len; i-- > 0;)
        add_file(touched, tools, bases->ptr[i].path, bases->ptr[i].text, &bytes);
}

/* -- After ------------------------------------------------------------------------------------ */

static bool is_same_stat(const struct workspace_stat *a, const struct workspace_stat *b)
{
    return a->exists == b->exists && a->size == b->size && a->inode == b->inode &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

static bool is_same_text(const struct text *a, const struct text *b)
{
    return a == b || (a && b && text_eq(a, b));
}

enum whose { WHOSE_COMMAND, WHOSE_EDITOR, WHOSE_NOBODY, WHOSE_TYPING };

/* Who changed it, and what that means for the document: it shows the new text already, it shows the
 * old one, or it holds the person's own. */
static enum whose judge(const struct touched *touched, const struct tools *tools,
                        const struct touched_file *file, const struct text *now)
{
    struct str path = str_from(file->path.absolute);
    const struct document *document = document_find_path(tools->env.documents, path);
    if (document && document->saves != file->saves)
        return WHOSE_EDITOR;
    if (!document)
        return touched->is_background ? WHOSE_NOBODY : WHOSE_COMMAND;
    if (!document->text)
        return WHOSE_NOBODY;
    if (now && text_eq(document->text, now))
        return WHOSE_COMMAND;
    if (!document->is_behind && (!file->text || !text_eq(document->text, file->text)))
        return WHOSE_TYPING;
    document_set_behind(tools->env.documents, path);
    return WHOSE_COMMAND;
}

static void record(struct tools_thread *thread, const char *turn_id,
                   const struct touched_file *file, const struct text *now, bool is_undoable)
{
    struct str before = file->text ? text_bytes(file->text) : (struct str){0};
    struct str after = now ? text_bytes(now) : (struct str){0};
    const char *kind = !is_undoable  ? "command-touch"
                       : !file->text ? "command-create"
                       : !now        ? "command-delete"
                                     : "command-update";
    (void)journal_change_add(thread->tools->env.journal, thread->id, turn_id, kind,
                             str_from(file->path.absolute), (struct str){0},
                             is_undoable && file->text ? &before : NULL,
                             is_undoable && now ? &after : NULL, NULL);
}

/* What a command did is the model's, and waits for the person like its edits. */
static void record_review(struct tools_thread *thread, const char *turn_id,
                          const struct touched_file *file, const struct text *now)
{
    struct review_change change = {
        .kind = !file->text ? EDIT_CREATE
                : now       ? EDIT_UPDATE
                            : EDIT_DELETE,
        .path = str_from(file->path.absolute),
        .display = str_from(file->path.display),
        .before = file->text,
        .after = now,
    };
    if (file->text || now)
        review_record_command(thread->tools, thread->id, turn_id, &change);
}

static void tell_of_typing(const struct tools *tools, const struct touched_file *file,
                           struct buf *notes)
{
    const struct host *host = tools->env.host;
    buf_append_fmt(notes,
                   "[%s has changed on disk, but the editor holds unsaved text of it: that text is "
                   "what you read and edit. The user has been told.]\n",
                   file->path.display);
    if (!host->ops->notify)
        return;
    struct buf text = {0};
    buf_append_fmt(&text,
                   "A command changed %s on disk, and the editor holds unsaved text of it. Nothing "
                   "was overwritten: compare the two before you save.",
                   file->path.display);
    host->ops->notify(host->host, text.ptr);
    buf_finish(&text);
}

/* The file as it is now is what the next look compares with. */
static void take_now(struct touched_file *file, const struct tools *tools, struct text *taken,
                     const struct workspace_stat *stat)
{
    const struct document *document =
        document_find_path(tools->env.documents, str_from(file->path.absolute));
    text_unref(file->text);
    file->text = taken;
    file->stat = *stat;
    file->saves = document ? document->saves : 0;
}

static void compare_file(struct touched *touched, struct tools_thread *thread,
                         struct touched_file *file, const char *turn_id, struct buf *changed,
                         struct buf *notes)
{
    struct workspace_stat stat;
    bool was_unknown = file->is_unknown;
    if (workspace_stat(&file->path, &stat, NULL) < 0 || is_same_stat(&file->stat, &stat))
        return;
    struct text *now = read_text(file, file->text, &file->is_unknown);
    bool is_text = !was_unknown && !file->is_unknown;
    enum whose whose = is_text && is_same_text(file->text, now)
                           ? WHOSE_EDITOR
                           : judge(touched, thread->tools, file, now);
    if (whose == WHOSE_TYPING)
        tell_of_typing(thread->tools, file, notes);
    if (whose != WHOSE_EDITOR)
        record(thread, turn_id, file, now, whose == WHOSE_COMMAND && is_text);
    if (whose == WHOSE_COMMAND && is_text)
        record_review(thread, turn_id, file, now);
    if (whose == WHOSE_COMMAND && bases_get(&thread->bases, str_from(file->path.absolute)))
        buf_append_fmt(changed, "%s%s", changed->len ? ", " : "", file->path.display);
    take_now(file, thread->tools, now, &stat);
}

void touched_compare(struct touched *touched, struct tools_thread *thread, const char *turn_id,
                     struct buf *notes)
{
    struct buf changed = {0};
    if (!touched->since_ns)
        return;
    for (size_t i = 0; i < touched->files.len; i++)
        compare_file(touched, thread, &touched->files.ptr[i], turn_id ? turn_id : touched->turn_id,
                     &changed, notes);
    if (changed.len > 0) {
        buf_append_c(notes, "[Changed since you read or edited them: ");
        output_append_line(notes, buf_str(&changed), NAMED_BYTES);
        buf_append_c(notes, "]\n");
    }
    buf_finish(&changed);
}

void touched_add_known(const struct touched *touched, struct map *known)
{
    for (size_t i = 0; i < touched->files.len; i++)
        map_set(known, str_from(touched->files.ptr[i].path.absolute), known);
    for (size_t i = 0; i < touched->excused.len; i++)
        map_set(known, str_from(touched->excused.ptr[i]), known);
}

void touched_excuse(struct touched *touched, struct str absolute_path)
{
    if (!touched->since_ns)
        return;
    vec_push(&touched->excused, str_dup_c(absolute_path));
    for (size_t i = 0; i < touched->files.len; i++) {
        struct touched_file *file = &touched->files.ptr[i];
        if (!str_eq_c(absolute_path, file->path.absolute))
            continue;
        file_finish(file);
        vec_remove(&touched->files, i);
        return;
    }
}
