/* The tools of a process and what each thread of the agent keeps between its calls. */
#include <assert.h>

#include "diags-internal.h"
#include "hook-internal.h"
#include "review-internal.h"
#include "screen-internal.h"
#include "touched-internal.h"

const struct tools_deadlines tools_deadlines_default = {
    .foreground_ms = LIMIT_EXEC_FOREGROUND_MS,
    .background_ms = LIMIT_EXEC_BACKGROUND_MS,
    .yield_min_ms = 250,
    .room_bytes = LIMIT_EXEC_ROOM_BYTES,
    .diagnostics_ms = LIMIT_DIAGNOSTICS_MS,
    .edit_diagnostics_ms = LIMIT_EDIT_DIAGNOSTICS_MS,
    .editor_ms = LIMIT_EDITOR_ANSWER_MS,
};

struct tools *tools_new(const struct tools_env *env)
{
    struct tools *tools = mem_new(struct tools);
    tools->env = *env;
    tools->deadlines = tools_deadlines_default;
    tools->reviews = reviews_new(tools);
    tools->observer = document_observe(env->documents, builds_on_document, tools);
    return tools;
}

void tools_set_deadlines(struct tools *tools, const struct tools_deadlines *deadlines)
{
    tools->deadlines = *deadlines;
}

void tools_free(struct tools *tools)
{
    if (!tools)
        return;
    assert(tools->threads.len == 0);
    job_forget_all(tools);
    document_unobserve(tools->observer);
    builds_finish(tools);
    reviews_free(tools->reviews);
    vec_finish(&tools->jobs);
    vec_finish(&tools->threads);
    mem_free(tools);
}

struct tools_thread *tools_thread_new(struct tools *tools, const char *thread_id,
                                      struct str root_path)
{
    struct tools_thread *thread = mem_new(struct tools_thread);
    thread->tools = tools;
    thread->id = mem_dup_c(thread_id);
    thread->asks_as = mem_dup_c(thread_id);
    thread->root_path = str_dup_c(root_path);
    thread->diags = mem_new(struct thread_diags);
    vec_push(&tools->threads, thread);
    return thread;
}

struct tools_thread *tools_thread_new_helper(const struct tools_thread *parent,
                                             const char *thread_id)
{
    struct tools_thread *thread =
        tools_thread_new(parent->tools, thread_id, str_from(parent->root_path));
    mem_free(thread->asks_as);
    thread->asks_as = mem_dup_c(parent->asks_as);
    thread->is_helper = true;
    return thread;
}

void tools_set_helpers(struct tools *tools, const struct tools_helpers *helpers)
{
    tools->helpers = *helpers;
}

static void unlink_thread(struct tools_thread *thread)
{
    struct tools *tools = thread->tools;
    for (size_t i = 0; i < tools->threads.len; i++) {
        if (tools->threads.ptr[i] == thread) {
            vec_remove(&tools->threads, i);
            return;
        }
    }
}

void tools_thread_free(struct tools_thread *thread)
{
    if (!thread)
        return;
    unlink_thread(thread);
    for (size_t i = 0; i < thread->calls.len; i++)
        call_drop(thread->calls.ptr[i]);
    vec_finish(&thread->calls);
    while (thread->hook_runs.len > 0)
        hooks_stop(vec_last(&thread->hook_runs));
    vec_finish(&thread->hook_runs);
    while (thread->sessions.len > 0)
        session_free(vec_last(&thread->sessions));
    vec_finish(&thread->sessions);
    vec_finish(&thread->schedule.queue);
    touched_drop_looks(thread);
    bases_finish(&thread->bases);
    buf_finish(&thread->plan);
    map_finish(&thread->offered);
    map_finish(&thread->advised);
    diags_finish(&thread->diags->unsettled);
    mem_free(thread->diags);
    mem_free(thread->root_path);
    mem_free(thread->asks_as);
    mem_free(thread->id);
    mem_free(thread);
}

struct str tools_thread_plan(const struct tools_thread *thread)
{
    return buf_str(&thread->plan);
}

const struct workspace_root *thread_root(const struct tools_thread *thread)
{
    const struct workspace *workspace = thread->tools->env.workspace;
    for (size_t i = 0; i < workspace_root_count(workspace); i++) {
        const struct workspace_root *root = workspace_root_at(workspace, i);
        if (strcmp(root->path, thread->root_path) == 0)
            return root;
    }
    return NULL;
}
