/* Files that nobody has read: which of them a command changed is seen by their times alone, and
 * their earlier texts are not known. */
#include "touched-internal.h"
#include "undo-internal.h"

enum { LOOK_MS = 2000 };

/* Of one folder that is open. */
struct touched_look {
    struct tools_thread *thread;
    char *turn_id;
    struct map known; /* absolute paths that were compared, or are not the command's; no values */
    struct workspace_job *job;
};

static void look_free(struct touched_look *look)
{
    map_finish(&look->known);
    mem_free(look->turn_id);
    mem_free(look);
}

static void record_match(struct touched_look *look, const struct workspace_match *match)
{
    const struct tools *tools = look->thread->tools;
    struct workspace_path path;
    if (workspace_resolve(tools->env.workspace, NULL, str_from(match->path), &path, NULL) < 0)
        return;
    if (!map_has(&look->known, str_from(path.absolute)))
        (void)journal_change_add(tools->env.journal, look->thread->id, look->turn_id,
                                 "command-touch", str_from(path.absolute), (struct str){0}, NULL,
                                 NULL, NULL);
    workspace_path_finish(&path);
}

static void on_results(void *user, const struct workspace_results *results)
{
    struct touched_look *look = user;
    struct tools_thread *thread = look->thread;
    struct journal *journal = thread->tools->env.journal;
    journal_begin(journal);
    for (size_t i = 0; i < results->count; i++)
        record_match(look, &results->matches[i]);
    journal_commit(journal);
    for (size_t i = 0; i < thread->looks.len; i++) {
        if (thread->looks.ptr[i] == look) {
            vec_remove(&thread->looks, i);
            break;
        }
    }
    look_free(look);
    if (thread->looks.len == 0)
        undo_go_on(thread);
}

static void start(struct touched_look *look, const struct workspace_root *root, int64_t since_ns)
{
    struct workspace *workspace = look->thread->tools->env.workspace;
    struct workspace_path path;
    if (workspace_resolve(workspace, root, str_from(root->path), &path, NULL) < 0) {
        look_free(look);
        return;
    }
    struct workspace_search search = {.folder = &path,
                                      .limit = LIMIT_EXEC_TOUCHED_COUNT,
                                      .budget_ms = LOOK_MS,
                                      .since_ns = since_ns};
    look->job = workspace_changed(workspace, &search, on_results, look);
    vec_push(&look->thread->looks, look);
    workspace_path_finish(&path);
}

void touched_look(struct touched *touched, struct tools_thread *thread, const char *turn_id)
{
    const struct workspace *workspace = thread->tools->env.workspace;
    if (!touched->since_ns)
        return;
    for (size_t i = 0; i < workspace_root_count(workspace); i++) {
        const struct workspace_root *root = workspace_root_at(workspace, i);
        if (!root->confirmed)
            continue;
        struct touched_look *look = mem_new(struct touched_look);
        look->thread = thread;
        look->turn_id = mem_dup_c(turn_id ? turn_id : touched->turn_id);
        touched_add_known(touched, &look->known);
        start(look, root, touched->since_ns);
    }
}

void touched_drop_looks(struct tools_thread *thread)
{
    for (size_t i = 0; i < thread->looks.len; i++) {
        workspace_job_cancel(thread->looks.ptr[i]->job);
        look_free(thread->looks.ptr[i]);
    }
    vec_finish(&thread->looks);
}
