/* No folder is open: what is open in the editor can be read and edited, by the name it is known by
 * there; the disk is not looked at. */
#include "tools-internal.h"

enum { NAMED_COUNT = 20 };

static struct str name_of(const struct document *document)
{
    return str_from(document->path[0] ? document->path : document->uri);
}

static bool may_tell(const struct tools *tools, struct str name)
{
    struct workspace_path path;
    struct policy_verdict verdict = {0};
    workspace_name_loose(name, &path);
    policy_check_path(tools->env.policy, &path, POLICY_READ, &verdict);
    workspace_path_finish(&path);
    return verdict.answer == POLICY_ALLOW;
}

/* Its last part will do, where there is one such alone. */
static const struct document *find(const struct tools *tools, struct str given)
{
    const struct documents *documents = tools->env.documents;
    const struct document *document = document_find_path(documents, given), *found = NULL;
    if (!document)
        document = document_find_uri(documents, given);
    if (document)
        return document;
    for (size_t i = 0; (document = document_at(documents, i)); i++) {
        if (!document->path[0] || !str_eq(path_name(str_from(document->path)), path_name(given)))
            continue;
        if (found)
            return NULL;
        found = document;
    }
    return found;
}

enum status loose_refuse(const struct tools *tools, struct err *err)
{
    const struct document *document;
    struct buf names = {0};
    size_t count = 0;
    for (size_t i = 0; (document = document_at(tools->env.documents, i)) && count < NAMED_COUNT;
         i++)
        if (document->path[0] && may_tell(tools, name_of(document)))
            buf_append_fmt(&names, "%s" STR_FMT, count++ > 0 ? ", " : "",
                           STR_ARG(name_of(document)));
    enum status status = err_set(
        err, STATUS_NOT_FOUND,
        "No folder is open in the editor: only what is open there can be read and edited, nothing "
        "can be searched, made, moved or run. Open are: %s",
        count > 0 ? names.ptr : "no files");
    buf_finish(&names);
    return status;
}

enum status loose_resolve(const struct tools *tools, struct str given, struct now_file *ret_file,
                          struct err *err)
{
    const struct document *document = find(tools, given);
    if (!document || !document->path[0])
        return loose_refuse(tools, err);
    struct now_file file = {.is_loose = true};
    file.stat = (struct workspace_stat){.exists = true, .is_file = true, .links = 1};
    workspace_name_loose(name_of(document), &file.path);
    workspace_name_loose(name_of(document), &file.real);
    file.given = str_dup_c(given);
    buf_append_c(&file.target, file.real.absolute);
    *ret_file = file;
    return STATUS_OK;
}
