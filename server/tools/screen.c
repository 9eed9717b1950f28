/* Commands see what the user sees: the files whose text on the screen is not the one on disk, each
 * as a file in memory to be bound over its own. Nothing is saved for it. */
#include <unistd.h>

#include "screen-internal.h"

enum {
    FIRST_CHILD_FD = 64, /* well above what the launcher itself hands down */
    EXPLAINED_MAX = 5,
};

static bool is_bound(const struct screen *screen, const char *path)
{
    for (size_t i = 0; i < screen->binds.len; i++)
        if (strcmp(screen->binds.ptr[i].path, path) == 0)
            return true;
    return false;
}

/* Why a command will not see it, or NULL when it may be bound. A path without a file is not bound:
 * that would leave an empty file behind on the disk. */
static const char *why_unseen(const struct tools *tools, const struct document *document)
{
    struct workspace_path path;
    struct workspace_stat stat = {0};
    struct policy_verdict verdict = {0};
    if (!document->text)
        return "its text is not known";
    if (workspace_resolve(tools->env.workspace, NULL, str_from(document->path), &path, NULL) < 0)
        return ""; /* outside the folders: none of a command's business */
    policy_check_path(tools->env.policy, &path, POLICY_READ, &verdict);
    enum status status = workspace_stat(&path, &stat, NULL);
    workspace_path_finish(&path);
    if (verdict.answer != POLICY_ALLOW)
        return "";
    return status == STATUS_OK && stat.is_file ? NULL : "it was never saved to disk";
}

static void add_bind(struct screen *screen, const char *path, const struct text *text)
{
    struct policy_bind bind = {
        .path = mem_dup_c(path),
        .fd = loop_memory_file(text_bytes(text), NULL),
        .child_fd = FIRST_CHILD_FD + (int)screen->binds.len,
    };
    vec_push(&screen->binds, bind);
}

static void take_unsaved(struct screen *screen, const struct tools *tools, bool sandboxed)
{
    struct document *document;
    for (size_t i = 0; (document = document_at(tools->env.documents, i)); i++) {
        if (!document->path || !document->path[0] || document->is_behind ||
            is_bound(screen, document->path) ||
            !workspace_is_unsaved(tools->env.workspace, document))
            continue;
        const char *why = why_unseen(tools, document);
        if (!why && sandboxed && policy_sandbox_tier(tools->env.policy) != TIER_BUBBLEWRAP)
            why =
                "the sandbox here cannot show it, so the command ran on the file as it is on disk";
        if (!why && !sandboxed)
            why = "the command runs outside the sandbox, on the files as they are on disk";
        if (!why && screen->binds.len >= LIMIT_EXEC_BINDS_COUNT)
            why = "too many files are unsaved";
        if (!why)
            add_bind(screen, document->path, document->text);
        else if (why[0])
            buf_append_fmt(&screen->notes,
                           "[The command does not see the unsaved text of %s: %s.]\n",
                           document->path, why);
    }
}

/* -- Proposals -------------------------------------------------------------------------------- */

struct proposed {
    struct screen *screen;
    const struct tools *tools;
    bool sandboxed;
};

static bool is_file(const struct tools *tools, const char *path)
{
    struct workspace_path resolved;
    struct workspace_stat stat = {0};
    if (workspace_resolve(tools->env.workspace, NULL, str_from(path), &resolved, NULL) < 0)
        return false;
    enum status status = workspace_stat(&resolved, &stat, NULL);
    workspace_path_finish(&resolved);
    return status == STATUS_OK && stat.exists && stat.is_file;
}

static void add_proposed(void *user, const char *path, const struct text *text)
{
    struct proposed *proposed = user;
    struct screen *screen = proposed->screen;
    bool is_there = is_file(proposed->tools, path);
    if (text && is_there && proposed->sandboxed && screen->binds.len < LIMIT_EXEC_BINDS_COUNT)
        add_bind(screen, path, text);
    else if (text)
        buf_append_fmt(&screen->notes, "[The command does not see what you proposed for %s: %s.]\n",
                       path,
                       is_there ? "it runs outside the sandbox, or too many files are proposed"
                                : "the file is made when the user accepts it");
    else if (is_there)
        buf_append_fmt(&screen->notes,
                       "[The command still sees %s: it goes when the user accepts that.]\n", path);
}

void screen_take(struct screen *screen, const struct tools_thread *thread, bool sandboxed)
{
    struct proposed proposed = {screen, thread->tools, sandboxed};
    builds_settle(thread->tools);
    review_overlay_each(thread, add_proposed, &proposed);
    take_unsaved(screen, thread->tools, sandboxed);
    builds_note(thread->tools, screen);
}

enum status screen_check(const struct screen *screen, struct err *err)
{
    for (size_t i = 0; i < screen->binds.len; i++) {
        if (screen->binds.ptr[i].fd < 0)
            return err_set(err, STATUS_IO, "no memory file for the unsaved text of %s",
                           screen->binds.ptr[i].path);
    }
    return STATUS_OK;
}

void screen_close(struct screen *screen)
{
    for (size_t i = 0; i < screen->binds.len; i++) {
        if (screen->binds.ptr[i].fd >= 0)
            close(screen->binds.ptr[i].fd);
        screen->binds.ptr[i].fd = -1;
    }
}

static bool has(struct str text, struct str needle)
{
    return str_find(text, needle, 0) != STR_NONE;
}

static void add(struct path_list *paths, const char *path)
{
    vec_push(paths, mem_dup_c(path));
}

/* What is proposed is decided hunk by hunk; saving is no way out. */
static void refuse(struct screen *screen, const char *path, struct tools_call *call)
{
    if (!review_is_proposed(call->tools, path))
        add(&screen->refused, path);
    else
        buf_append_fmt(&call->text,
                       "[%s has changes that you proposed and the user has not accepted yet. The "
                       "command saw them, read-only, so it could not write or replace the file: "
                       "change it with the edit tools.]\n",
                       path);
}

void screen_find_refused(struct screen *screen, struct str output, struct tools_call *call)
{
    bool is_busy = has(output, STR("Device or resource busy")) || has(output, STR("EBUSY"));
    path_list_finish(&screen->refused);
    call->explain_at = call->text.len;
    if (!is_busy && !has(output, STR("Read-only file system")) && !has(output, STR("EROFS")))
        return;
    for (size_t i = 0; i < screen->binds.len; i++)
        if (has(output, path_name(str_from(screen->binds.ptr[i].path))))
            refuse(screen, screen->binds.ptr[i].path, call);
    call->explain_at = call->text.len;
    /* sed -i names its temporary file alone. */
    for (size_t i = 0; is_busy && screen->refused.len == 0 && i < screen->binds.len; i++)
        add(&screen->refused, screen->binds.ptr[i].path);
}

static void explain(const struct path_list *refused, bool are_saved_now, struct tools_call *call)
{
    struct buf text = {0};
    buf_append(&text, str_slice(buf_str(&call->text), 0, call->explain_at));
    for (size_t i = 0; i < refused->len && i < EXPLAINED_MAX; i++)
        buf_append_fmt(&text,
                       "[%s held text in the editor that was not saved. The command saw that text, "
                       "read-only, so it could not write or replace the file. %s]\n",
                       refused->ptr[i],
                       are_saved_now
                           ? "The user has saved it since: run the command again if it is still to "
                             "be done."
                           : "It is still not on disk: change it with the edit tools, or ask the "
                             "user to save it.");
    buf_append(&text, str_skip(buf_str(&call->text), call->explain_at));
    buf_move(&call->text, &text);
}

void screen_explain(const struct screen *screen, struct tools_call *call)
{
    explain(&screen->refused, false, call);
}

static void on_asked(struct tools_call *call, bool all_saved)
{
    explain(saving_paths(call), all_saved, call);
    call_end(call, call->ok);
}

void screen_end_call(struct screen *screen, struct tools_call *call, bool ok)
{
    if (screen->refused.len == 0) {
        call_end(call, ok);
        return;
    }
    call->ok = ok;
    saving_ask(call, &screen->refused,
               "The command wanted to change them. In the sandbox it sees the text on the screen, "
               "but cannot replace it. Decline leaves them as they are.",
               on_asked);
}

void screen_finish(struct screen *screen)
{
    screen_close(screen);
    for (size_t i = 0; i < screen->binds.len; i++)
        mem_free((char *)screen->binds.ptr[i].path);
    vec_finish(&screen->binds);
    path_list_finish(&screen->refused);
    buf_finish(&screen->notes);
}
