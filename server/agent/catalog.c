/* The threads of the journal, open ones among them: lists, names, what is put away. */
#include "agent-internal.h"

enum status agent_threads_list(struct agent *agent, const struct journal_filter *filter,
                               journal_thread_fn *fn, void *user, struct err *err)
{
    return journal_thread_list(agent->env.journal, filter, fn, user, err);
}

enum status agent_thread_look(struct agent *agent, struct str id, journal_thread_fn *fn, void *user,
                              struct err *err)
{
    return journal_thread_get(agent->env.journal, id, fn, user, err);
}

static enum status copy_id(struct str id, char ret_id[ID_BYTES], struct err *err)
{
    if (id.len == 0 || id.len >= ID_BYTES)
        return err_set(err, STATUS_NOT_FOUND, "there is no thread " STR_FMT, STR_ARG(id));
    memcpy(ret_id, id.ptr, id.len);
    ret_id[id.len] = '\0';
    return STATUS_OK;
}

enum status agent_thread_rename(struct agent *agent, struct str id, struct str title,
                                struct err *err)
{
    char own[ID_BYTES];
    struct str line = context_title(title);
    enum status status = copy_id(id, own, err);
    if (status == STATUS_OK && line.len == 0)
        status = err_set(err, STATUS_INVALID, "a thread's title is not empty: give it some words");
    if (status == STATUS_OK)
        status = journal_thread_set_title(agent->env.journal, own, line, err);
    struct agent_thread *thread = agent_thread_find(agent, id);
    if (status == STATUS_OK && thread) {
        buf_clear(&thread->title);
        buf_append(&thread->title, line);
        thread->title_wanted = true;
        thread_kick(thread);
    }
    return status;
}

enum status agent_thread_archive(struct agent *agent, struct str id, bool archived, struct err *err)
{
    char own[ID_BYTES];
    enum status status = copy_id(id, own, err);
    return status == STATUS_OK ? journal_thread_set_archived(agent->env.journal, own, archived, err)
                               : status;
}

enum status agent_thread_delete(struct agent *agent, struct str id, struct err *err)
{
    char own[ID_BYTES];
    enum status status = copy_id(id, own, err);
    struct agent_thread *thread = agent_thread_find(agent, id);
    if (status == STATUS_OK && thread && (agent_thread_is_busy(thread) || thread->undo))
        status = err_set(err, STATUS_CONFLICT,
                         "a turn runs in this thread: stop it, then delete the thread");
    if (status != STATUS_OK)
        return status;
    if (thread)
        agent_thread_close(thread);
    status = journal_thread_delete(agent->env.journal, own, err);
    if (status == STATUS_OK)
        tools_review_end_thread(agent->env.tools, own);
    return status;
}

struct agent_thread *agent_thread_fork(struct agent *agent, struct str id, struct str turn_id,
                                       struct err *err)
{
    char own[ID_BYTES], forked[ID_BYTES];
    if (copy_id(id, own, err) < 0 ||
        journal_thread_fork(agent->env.journal, own, turn_id, forked, err) < 0)
        return NULL;
    return agent_thread_resume(agent, str_from(forked), err);
}
