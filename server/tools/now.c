/* A file as it is now: the editor's text when it is open there, else the disk's. */
#include "tools-internal.h"

enum { BINARY_PROBE_BYTES = 8000 }; /* as git looks for a NUL */

enum status now_resolve_for(const struct tools_thread *thread, struct str given,
                            struct now_file *ret_file, struct err *err)
{
    const struct workspace *workspace = thread->tools->env.workspace;
    struct now_file file = {0};
    if (workspace_root_count(workspace) == 0)
        return loose_resolve(thread->tools, given, ret_file, err);
    enum status status = workspace_resolve(workspace, thread_root(thread), given, &file.path, err);
    if (status < 0)
        return status;
    file.given = str_dup_c(given);
    status = workspace_look(workspace, &file.path, &file.stat, &file.real, err);
    if (status < 0) {
        now_finish(&file);
        return status;
    }
    buf_append_c(&file.target, file.real.absolute);
    *ret_file = file;
    return STATUS_OK;
}

enum status now_resolve(struct tools_call *call, struct str given, struct now_file *ret_file,
                        struct err *err)
{
    return now_resolve_for(call->thread, given, ret_file, err);
}

static struct document *find_document(const struct tools *tools, const struct now_file *file)
{
    const struct documents *documents = tools->env.documents;
    struct document *document = document_find_path(documents, buf_str(&file->target));
    if (!document)
        document = document_find_path(documents, str_from(file->real.absolute));
    if (!document && file->stat.exists && file->stat.is_file)
        document = document_find_inode(documents, file->stat.device, file->stat.inode);
    return document;
}

bool now_look(const struct tools *tools, struct now_file *file)
{
    now_clear(file);
    const struct document *document = find_document(tools, file);
    if (!document)
        return false;
    if (document->path && document->path[0]) {
        buf_clear(&file->target);
        buf_append_c(&file->target, document->path);
    }
    if (document->is_behind)
        return false; /* the disk has the newer text */
    file->is_open = true;
    file->version = document->version;
    if (document->text) {
        file->text = text_ref(document->text);
        file->was_unsaved = workspace_is_unsaved(tools->env.workspace, document);
    } else {
        buf_append_fmt(&file->unreadable, "it is open in the editor, but its text is not known: %s",
                       document->unknown_reason ? document->unknown_reason : "too large");
    }
    return true;
}

static void take_bytes(struct now_file *file, struct buf *bytes)
{
    struct str all = buf_str(bytes);
    if (str_find_byte(str_slice(all, 0, BINARY_PROBE_BYTES), '\0', 0) != STR_NONE) {
        buf_append_c(&file->unreadable, "it is a binary file of ");
        output_append_size(&file->unreadable, all.len);
        return;
    }
    file->text = text_take(bytes);
}

void now_read(struct now_file *file, size_t limit_bytes)
{
    struct buf bytes = {0};
    struct workspace_stat stat;
    struct err err = {0};
    if (file->is_open)
        return;
    if (file->is_loose) {
        buf_append_c(&file->unreadable, "it is not open in the editor any more");
        return;
    }
    enum status status = workspace_read(&file->real, limit_bytes, &bytes, &stat, &err);
    if (status == STATUS_NOT_FOUND)
        file->stat.exists = false;
    else if (status < 0)
        buf_append_c(&file->unreadable, err.text[0] ? err.text : status_name(status));
    else
        take_bytes(file, &bytes);
    buf_finish(&bytes);
}

void now_clear(struct now_file *file)
{
    text_unref(file->text);
    file->text = NULL;
    text_unref(file->base);
    file->base = NULL;
    file->is_open = file->was_unsaved = file->is_proposed = false;
    file->version = 0;
    buf_finish(&file->unreadable);
}

void now_finish(struct now_file *file)
{
    now_clear(file);
    workspace_path_finish(&file->path);
    workspace_path_finish(&file->real);
    buf_finish(&file->target);
    mem_free(file->given);
    *file = (struct now_file){0};
}

struct str now_key(const struct now_file *file)
{
    return buf_str(&file->target);
}

/* -- Permission ------------------------------------------------------------------------------ */

static void ask_for_path(struct tools_call *call, const struct workspace_path *path,
                         const struct policy_verdict *verdict, call_answer_fn *fn)
{
    struct host_ask ask = {
        .kind = HOST_ASK_READ,
        .title = "Let the model read this?",
        .show = path->absolute,
        .reason = verdict->reason,
    };
    call_ask(call, &ask, fn);
}

void path_permit(struct tools_call *call, const struct workspace_path *path,
                 enum policy_access access, call_answer_fn *fn)
{
    struct policy_verdict verdict = {0};
    policy_check_path_in(call->tools->env.policy, call->turn_id, path, access, &verdict);
    switch (verdict.answer) {
    case POLICY_ALLOW:
        fn(call, NULL);
        return;
    case POLICY_ASK:
        ask_for_path(call, path, &verdict, fn);
        return;
    case POLICY_REFUSE:
        break;
    }
    call_refuse(call, "%s: %s", path->display, verdict.reason);
}
