#include "saving-internal.h"

struct saving {
    struct path_list paths;
    struct document_observer *observer;
    bool is_going_on; /* all are saved: what follows is on its way */
    bool is_saving;   /* by the editor, because the person said so */
    saving_fn *fn;
};

void path_list_finish(struct path_list *paths)
{
    for (size_t i = 0; i < paths->len; i++)
        mem_free(paths->ptr[i]);
    vec_finish(paths);
}

static bool is_commands_business(const struct tools *tools, const struct document *document)
{
    struct workspace_path path;
    struct policy_verdict verdict = {0};
    if (!document->path || !document->path[0] || !document->text || document->is_behind ||
        workspace_resolve(tools->env.workspace, NULL, str_from(document->path), &path, NULL) < 0)
        return false;
    policy_check_path(tools->env.policy, &path, POLICY_READ, &verdict);
    workspace_path_finish(&path);
    return verdict.answer == POLICY_ALLOW;
}

void saving_find_unsaved(const struct tools *tools, struct path_list *ret_paths)
{
    struct document *document;
    for (size_t i = 0; (document = document_at(tools->env.documents, i)); i++)
        if (is_commands_business(tools, document) &&
            workspace_is_unsaved(tools->env.workspace, document))
            vec_push(ret_paths, mem_dup_c(document->path));
}

/* -- What is asked ---------------------------------------------------------------------------- */

static bool is_saved(const struct tools *tools, const char *path)
{
    const struct document *document = document_find_path(tools->env.documents, str_from(path));
    return !document || !workspace_is_unsaved(tools->env.workspace, document);
}

static bool all_are_saved(const struct tools_call *call)
{
    const struct path_list *paths = &call->saving->paths;
    for (size_t i = 0; i < paths->len; i++)
        if (!is_saved(call->tools, paths->ptr[i]))
            return false;
    return true;
}

/* Grows with every change of any of them. */
static uint64_t last_revision(const struct tools *tools, const struct path_list *paths)
{
    uint64_t revision = 0;
    for (size_t i = 0; i < paths->len; i++) {
        const struct document *document =
            document_find_path(tools->env.documents, str_from(paths->ptr[i]));
        if (document && document->revision > revision)
            revision = document->revision;
    }
    return revision;
}

static void append_title(size_t count, struct buf *out)
{
    if (count == 1)
        buf_append_c(out, "1 edited file is not on disk: save it, then Continue");
    else
        buf_append_fmt(out, "%zu edited files are not on disk: save all, then Continue", count);
}

static void append_names(const struct tools *tools, const struct path_list *paths, struct buf *out)
{
    for (size_t i = 0; i < paths->len; i++) {
        struct workspace_path path;
        bool known = workspace_resolve(tools->env.workspace, NULL, str_from(paths->ptr[i]), &path,
                                       NULL) == STATUS_OK;
        buf_append_fmt(out, "%s%s", i ? "\n" : "", known ? path.display : paths->ptr[i]);
        if (known)
            workspace_path_finish(&path);
    }
}

/* -- The answer ------------------------------------------------------------------------------- */

static void go_on(struct tools_call *call)
{
    saving_fn *fn = call->saving->fn;
    bool all_saved = all_are_saved(call);
    if (!all_saved)
        call->thread->unsaved_revision = last_revision(call->tools, &call->saving->paths);
    document_unobserve(call->saving->observer);
    call->saving->observer = NULL;
    fn(call, all_saved);
}

static void on_host_saved(void *user, enum status status, struct str note)
{
    struct tools_call *call = user;
    (void)status; /* what counts is what is on disk */
    (void)note;
    call->saving->is_saving = false;
    go_on(call);
}

static void on_answer(struct tools_call *call, const struct host_ask_answer *answer)
{
    const struct host *host = call->tools->env.host;
    struct saving *saving = call->saving;
    if (answer->decision != HOST_ACCEPT || !host->ops->save) {
        go_on(call);
        return;
    }
    saving->is_saving = true;
    host->ops->save(host->host, (const char *const *)saving->paths.ptr, saving->paths.len,
                    on_host_saved, call);
}

static void on_all_saved(void *user)
{
    struct tools_call *call = user;
    if (call->saving && call->life == LIFE_ASKING) {
        call_stop_asking(call);
        go_on(call);
    }
    call_unref(call);
}

static void on_saved(void *user, const struct document *document)
{
    struct tools_call *call = user;
    (void)document;
    if (call->saving->is_going_on || call->life != LIFE_ASKING || !all_are_saved(call))
        return;
    call->saving->is_going_on = true;
    loop_defer(call->tools->env.loop, on_all_saved, call_ref(call));
}

/* -- Asking ----------------------------------------------------------------------------------- */

void saving_ask(struct tools_call *call, struct path_list *paths, const char *reason, saving_fn *fn)
{
    struct saving *saving = mem_new(struct saving);
    struct buf title = {0}, show = {0};
    saving_free(call);
    call->saving = saving;
    *saving = (struct saving){.paths = *paths, .fn = fn};
    *paths = (struct path_list){0};
    if (all_are_saved(call)) {
        fn(call, true);
        return;
    }
    if (last_revision(call->tools, &saving->paths) <= call->thread->unsaved_revision) {
        fn(call, false);
        return;
    }
    saving->observer = document_observe_saves(call->tools->env.documents, on_saved, call);
    append_title(saving->paths.len, &title);
    append_names(call->tools, &saving->paths, &show);
    struct host_ask question = {
        .kind = HOST_ASK_SAVE, .title = title.ptr, .show = show.ptr, .reason = reason};
    call_ask_either(call, &question, on_answer);
    buf_finish(&title);
    buf_finish(&show);
}

const struct path_list *saving_paths(const struct tools_call *call)
{
    return &call->saving->paths;
}

void saving_free(struct tools_call *call)
{
    struct saving *saving = call->saving;
    call->saving = NULL;
    if (!saving)
        return;
    if (saving->is_saving)
        call->tools->env.host->ops->drop(call->tools->env.host->host, call);
    document_unobserve(saving->observer);
    path_list_finish(&saving->paths);
    mem_free(saving);
}
