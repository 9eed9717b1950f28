/* What list_dir, find_files and grep share: a folder, permission, a view of the open texts. */
#include "tools-internal.h"

enum status argument_range(const char *name, int64_t value, int64_t min, int64_t max,
                           struct err *err)
{
    if (value >= min && value <= max)
        return STATUS_OK;
    return err_set(err, STATUS_INVALID, "%s must be from %lld to %lld, it is %lld", name,
                   (long long)min, (long long)max, (long long)value);
}

enum status search_resolve(struct tools_call *call, struct str path, struct search_state *search,
                           struct err *err)
{
    struct workspace_stat stat;
    if (workspace_root_count(call->tools->env.workspace) == 0)
        return loose_refuse(call->tools, err);
    enum status status = workspace_resolve(call->tools->env.workspace, thread_root(call->thread),
                                           path.len > 0 ? path : STR("."), &search->path, err);
    if (status < 0)
        return status;
    status = workspace_stat(&search->path, &stat, err);
    if (status == STATUS_OK && !stat.exists)
        return err_set(err, STATUS_NOT_FOUND, "%s does not exist", search->path.display);
    return status;
}

/* What the thread proposes stands in for what is there, like an open text. */
static void add_proposed(void *user, const char *path, const struct text *text)
{
    struct document_snapshot *snapshot = user;
    size_t size = (snapshot->count + 1) * sizeof(*snapshot->entries);
    snapshot->entries = mem_realloc(snapshot->entries, size);
    snapshot->entries[snapshot->count++] = (struct document_snapshot_entry){
        .path = mem_dup_c(path),
        .text = text ? text_ref(text) : text_new((struct str){0}),
    };
}

void search_run(struct tools_call *call, struct search_state *state, search_start_fn *start,
                struct workspace_search *search, workspace_results_fn *on_done)
{
    struct document_snapshot snapshot;
    if (!call_begin(call, call->was_approved ? "approved by the user" : "allowed"))
        return;
    document_snapshot_take(call->tools->env.documents, &snapshot);
    review_overlay_each(call->thread, add_proposed, &snapshot);
    search->folder = &state->path;
    search->documents = &snapshot;
    search->hidden = policy_hides;
    search->hidden_user = call->tools->env.policy;
    search->budget_ms = LIMIT_GREP_MS;
    state->job = start(call->tools->env.workspace, search, on_done, call);
}

bool search_cancel(struct search_state *state)
{
    if (state->job)
        workspace_job_cancel(state->job);
    state->job = NULL;
    return true;
}

void search_finish(struct search_state *state)
{
    (void)search_cancel(state);
    workspace_path_finish(&state->path);
}
