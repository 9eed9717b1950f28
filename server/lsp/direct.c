/* What the client cannot do, for files that are not open there: written on the disk, all of them or
 * none, and only where the file still holds the text the plan was made from. */
#include "lsp-internal.h"

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
