/* What was built from text that was only on the screen must not count as up to date once that text
 * is gone: build tools compare times, and the file on disk is older than what was built. So when a
 * text that commands saw goes back to that of the disk, unsaved, the file's time becomes now. */
#include "screen-internal.h"

struct seen {
    char *path;
    struct workspace_stat stat; /* of the file on disk when commands saw another text */
};

static struct seen *find(const struct tools *tools, const char *path)
{
    for (size_t i = 0; i < tools->seen.len; i++)
        if (strcmp(tools->seen.ptr[i].path, path) == 0)
            return &tools->seen.ptr[i];
    return NULL;
}

static void forget(struct tools *tools, size_t index)
{
    mem_free(tools->seen.ptr[index].path);
    vec_remove(&tools->seen, index);
}

/* True: the screen or a proposal still shows another text than the disk. */
static bool is_still_unsaved(const struct tools *tools, const struct seen *seen)
{
    const struct document *document =
        document_find_path(tools->env.documents, str_from(seen->path));
    return review_is_proposed(tools, seen->path) ||
           (document && !document->is_behind &&
            workspace_is_unsaved(tools->env.workspace, document));
}

/* A file that was written since is newer than what was built, by itself. */
static void renew(const struct tools *tools, const struct seen *seen)
{
    struct workspace_path path;
    if (workspace_resolve(tools->env.workspace, NULL, str_from(seen->path), &path, NULL) < 0)
        return;
    struct err err = {0};
    if (workspace_touch(&path, &seen->stat, &err) < 0 && err.status != STATUS_CONFLICT)
        log_line(LOG_WARN, "file not made newer than what was built from it why=\"%s\"", err.text);
    workspace_path_finish(&path);
}

void builds_note(struct tools *tools, const struct screen *screen)
{
    for (size_t i = 0; i < screen->binds.len; i++) {
        const char *name = screen->binds.ptr[i].path;
        struct seen *known = find(tools, name), new = {0};
        struct workspace_path path;
        if (workspace_resolve(tools->env.workspace, NULL, str_from(name), &path, NULL) < 0)
            continue;
        if (workspace_stat(&path, &new.stat, NULL) == STATUS_OK && new.stat.is_file) {
            new.path = known ? known->path : mem_dup_c(name);
            if (known)
                *known = new;
            else
                vec_push(&tools->seen, new);
        }
        workspace_path_finish(&path);
    }
    while (tools->seen.len > LIMIT_EXEC_SEEN_COUNT) {
        renew(tools, &tools->seen.ptr[0]); /* rather built once too often */
        forget(tools, 0);
    }
}

void builds_settle(struct tools *tools)
{
    for (size_t i = tools->seen.len; i-- > 0;) {
        if (is_still_unsaved(tools, &tools->seen.ptr[i]))
            continue;
        renew(tools, &tools->seen.ptr[i]);
        forget(tools, i);
    }
}

/* Called for every keystroke: the disk is looked at only when the sizes fit. */
void builds_on_document(void *user, const struct document_change *change, bool closed)
{
    enum { MARK_BYTES = 3 }; /* a byte order mark, that editors take off */
    struct tools *tools = user;
    const struct document *document = change->document;
    const struct seen *seen =
        tools->seen.len && document->path ? find(tools, document->path) : NULL;
    if (!seen)
        return;
    size_t size = document->text ? text_len(document->text) : 0;
    if (!closed && size != seen->stat.size && size + MARK_BYTES != seen->stat.size)
        return;
    if (!closed && is_still_unsaved(tools, seen))
        return;
    renew(tools, seen);
    forget(tools, (size_t)(seen - tools->seen.ptr));
}

void builds_finish(struct tools *tools)
{
    while (tools->seen.len)
        forget(tools, tools->seen.len - 1);
    vec_finish(&tools->seen);
}
