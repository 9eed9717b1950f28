/* What the client cannot do, for files that are not open there: written on the disk, all of them or
 * none, and only where the file still holds the text the plan was made from. */
#include "apply-internal.h"

struct direct_file {
    struct workspace_path path, to;
    struct workspace_stat stat;
};

static void file_finish(struct direct_file *file)
{
    workspace_path_finish(&file->path);
    workspace_path_finish(&file->to);
}

static enum status check_text(const struct planned *plan, struct direct_file *file, struct err *err)
{
    struct buf bytes = {0};
    if (!plan->before)
        return STATUS_OK; /* there is to be nothing: stat is all zeros */
    enum status status =
        workspace_read(&file->path, LIMIT_EDIT_FILE_BYTES, &bytes, &file->stat, err);
    if (status == STATUS_OK && !str_eq(buf_str(&bytes), text_bytes(plan->before)))
        status = err_set(err, STATUS_CONFLICT, "%s has changed on disk", file->path.display);
    buf_finish(&bytes);
    return status;
}

enum status direct_check(const struct lsp_server *server, const struct planned *plan,
                         struct err *err)
{
    const struct document *document =
        document_find_path(server->env.documents, str_from(plan->path));
    if (!document || document->is_behind) /* the editor will load what is on the disk */
        return STATUS_OK;
    return err_set(err, STATUS_UNSUPPORTED, "this editor cannot take edits of %s, which is open",
                   plan->path);
}

static enum status look(struct lsp_server *server, const struct planned *plan,
                        struct direct_file *file, struct err *err)
{
    const struct workspace *workspace = server->env.workspace;
    enum status status = direct_check(server, plan, err);
    if (status == STATUS_OK)
        status = workspace_resolve(workspace, NULL, str_from(plan->path), &file->path, err);
    if (status == STATUS_OK && plan->kind == HOST_MOVE)
        status = workspace_resolve(workspace, NULL, str_from(plan->new_path), &file->to, err);
    return status == STATUS_OK ? check_text(plan, file, err) : status;
}

enum status direct_write(struct lsp_server *server, const struct planned *const *plans,
                         size_t count, struct err *err)
{
    static const enum workspace_op_kind kinds[] = {
        [HOST_CREATE] = WORKSPACE_WRITE,
        [HOST_UPDATE] = WORKSPACE_WRITE,
        [HOST_DELETE] = WORKSPACE_REMOVE,
        [HOST_MOVE] = WORKSPACE_MOVE,
    };
    struct direct_file *files = mem_alloc_array(count, sizeof *files);
    struct workspace_op *ops = mem_alloc_array(count, sizeof *ops);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = look(server, plans[i], &files[i], err);
        ops[i] = (struct workspace_op){
            .kind = kinds[plans[i]->kind],
            .path = &files[i].path,
            .to = &files[i].to,
            .bytes = plans[i]->after ? text_bytes(plans[i]->after) : STR(""),
            .expect = &files[i].stat,
        };
    }
    if (status == STATUS_OK)
        status = workspace_write_all(server->env.workspace, ops, count, err);
    for (size_t i = 0; i < count; i++)
        file_finish(&files[i]);
    mem_free(files);
    mem_free(ops);
    return status;
}

/* -- Whose hands ----------------------------------------------------------------------------- */

static size_t own_plans(const struct apply_job *job, const struct planned **ret_plans)
{
    size_t count = 0;
    for (size_t i = 0; i < job->count; i++)
        if (job->files[i].is_own)
            ret_plans[count++] = &job->files[i].plan;
    return count;
}

/* The client has taken its part: ours is done too, whole or not at all. False: it could not be,
 * the note says why. */
bool apply_write_own(struct apply_job *job, enum host_apply_result *ret_result)
{
    struct err err = {0};
    const struct planned **plans = mem_alloc_array(job->count, sizeof *plans);
    size_t count = own_plans(job, plans);
    enum status status = count ? direct_write(job->server, plans, count, &err) : STATUS_OK;
    mem_free(plans);
    for (size_t i = 0; status == STATUS_OK && i < job->count; i++)
        job->files[i].landed = job->files[i].landed || job->files[i].is_own;
    if (status == STATUS_OK)
        return true;
    if (count < job->count)
        *ret_result = HOST_PARTIAL;
    else
        *ret_result = status == STATUS_CONFLICT ? HOST_NOT_APPLIED : HOST_FAILED;
    buf_append_fmt(&job->note, "%s%s", job->note.len > 0 ? "; " : "", err.text);
    return false;
}

static bool needs_own_hands(const struct lsp_client *client, const struct planned *plan)
{
    if (!client->apply_edit)
        return true;
    switch (plan->kind) {
    case HOST_CREATE:
        return !client->create_files || !client->document_changes;
    case HOST_DELETE:
        return !client->delete_files || !client->document_changes;
    case HOST_MOVE:
        return !client->rename_files || !client->document_changes;
    case HOST_UPDATE:
        return false;
    }
    return false;
}

/* A command has changed the file, and the editor shows the text of before. If that is the text that
 * is wanted, or there is no file for the editor to change, the disk gets it; else the editor goes
 * from what it shows to what is wanted in one step. */
static bool catch_up(const struct apply_job *job, struct apply_file *file)
{
    const struct document *document =
        document_find_path(job->server->env.documents, str_from(file->plan.path));
    if (!document || !document->is_behind || !document->text)
        return false;
    if (file->plan.kind == HOST_CREATE ||
        (file->plan.kind == HOST_UPDATE && text_eq(file->plan.after, document->text)))
        return true;
    if (file->plan.kind == HOST_UPDATE) {
        apply_clear_states(file);
        vec_push(&file->states, text_ref(document->text));
        text_unref(file->plan.before);
        file->plan.before = text_ref(document->text);
        file->was_behind = true;
    }
    return false;
}

/* What goes to the client is put into `rest`; the other files are ours. */
enum status apply_share_out(struct apply_job *job, struct planned *rest, size_t *ret_count,
                            struct err *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < job->count; i++) {
        struct apply_file *file = &job->files[i];
        file->is_own = catch_up(job, file) || needs_own_hands(&job->server->client, &file->plan);
        if (file->is_own)
            status = direct_check(job->server, &file->plan, err);
        else
            rest[(*ret_count)++] = file->plan;
    }
    return status;
}
