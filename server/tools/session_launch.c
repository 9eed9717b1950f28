/* How a command begins and ends: before it the folders are looked at, after it what it did to
 * protected names is undone, both in the pool. */
#include "session-internal.h"

enum { MASKED_NAMES_BYTES = 300 };

/* How often the editor had saved a document. */
struct saved {
    char *path;
    uint64_t saves;
};

/* Used by the pool while a job holds it; what comes meanwhile waits in `excused`. */
struct launch_guard {
    unsigned refs;
    struct session *session; /* NULL: nobody waits any more */
    struct policy_guard *guard;
    struct job *job;
    VEC(char *) excused;
    VEC(struct saved) saved; /* protected files open in the editor, as they were before it */
    struct buf report;
    size_t count;
};

/* -- The guard -------------------------------------------------------------------------------- */

static void unref(struct launch_guard *launch)
{
    if (--launch->refs > 0)
        return;
    policy_guard_free(launch->guard);
    for (size_t i = 0; i < launch->excused.len; i++)
        mem_free(launch->excused.ptr[i]);
    for (size_t i = 0; i < launch->saved.len; i++)
        mem_free(launch->saved.ptr[i].path);
    vec_finish(&launch->excused);
    vec_finish(&launch->saved);
    buf_finish(&launch->report);
    mem_free(launch);
}

static void release(void *data)
{
    unref(data);
}

static void start_job(struct launch_guard *launch, const struct job_ops *ops)
{
    launch->refs++;
    launch->job = job_start(launch->session->thread->tools, ops, launch);
}

void launch_excuse(struct session *session, struct str absolute_path)
{
    if (session->guard)
        vec_push(&session->guard->excused, str_dup_c(absolute_path));
}

static void note_saves(struct launch_guard *launch)
{
    const struct tools *tools = launch->session->thread->tools;
    const struct document *document;
    for (size_t i = 0; (document = document_at(tools->env.documents, i)); i++) {
        if (!document->path || !policy_protected_name(str_from(document->path)))
            continue;
        struct saved saved = {mem_dup_c(document->path), document->saves};
        vec_push(&launch->saved, saved);
    }
}

/* What the person saved in the editor meanwhile is theirs. */
static void excuse_saves(struct session *session)
{
    const struct tools *tools = session->thread->tools;
    for (size_t i = 0; i < session->guard->saved.len; i++) {
        const struct saved *saved = &session->guard->saved.ptr[i];
        const struct document *document =
            document_find_path(tools->env.documents, str_from(saved->path));
        if (document && document->saves != saved->saves)
            launch_excuse(session, str_from(saved->path));
    }
}

static void compare(void *data)
{
    struct launch_guard *launch = data;
    for (size_t i = 0; i < launch->excused.len; i++)
        policy_guard_excuse(launch->guard, str_from(launch->excused.ptr[i]));
    launch->count = policy_guard_compare(launch->guard, &launch->report);
}

static void on_compared(void *data)
{
    struct launch_guard *launch = data;
    struct session *session = launch->session;
    launch->job = NULL;
    if (!session)
        return;
    buf_move(&session->findings, &launch->report);
    session->finding_count = launch->count;
    session_on_ended(session);
}

void launch_check(struct session *session)
{
    static const struct job_ops ops = {compare, on_compared, release};
    if (!session->guard) {
        session_on_ended(session);
        return;
    }
    excuse_saves(session);
    start_job(session->guard, &ops);
}

void launch_drop(struct session *session)
{
    struct launch_guard *launch = session->guard;
    session->guard = NULL;
    if (!launch)
        return;
    launch->session = NULL;
    job_forget(launch->job);
    launch->job = NULL;
    if (session->state == SESSION_RUNNING)
        compare(launch); /* on this thread: the pool may not get to it before the end */
    unref(launch);
}

size_t launch_restorable(const struct session *session)
{
    return session->guard ? policy_guard_moved(session->guard->guard) : 0;
}

void launch_restore(struct session *session, struct buf *report)
{
    policy_guard_restore(session->guard->guard, report);
}

/* -- Starting --------------------------------------------------------------------------------- */

static enum status spawn(struct session *session, const struct policy_launch *launch,
                         struct err *err)
{
    static const struct loop_process_handlers handlers = {session_on_output, NULL, session_on_exit};
    size_t count = session->screen.binds.len;
    struct loop_process_fd *fds = mem_alloc_array(count + 1, sizeof(*fds));
    for (size_t i = 0; i < count; i++)
        fds[i] = (struct loop_process_fd){session->screen.binds.ptr[i].child_fd,
                                          session->screen.binds.ptr[i].fd};
    if (launch->seccomp_fd >= 0)
        fds[count++] = (struct loop_process_fd){launch->seccomp_child_fd, launch->seccomp_fd};
    struct loop_process_options options = {
        .argv = launch->argv,
        .env = launch->env,
        .cwd = session->workdir,
        .tty = session->options.command.tty,
        .merge_stderr = true,
        .fds = fds,
        .fd_count = count,
    };
    session->process =
        loop_process_new(session->thread->tools->env.loop, &options, &handlers, session, err);
    mem_free(fds);
    return session->process ? STATUS_OK : err->status;
}

/* "Not found" would mislead the model: what the sandbox hides is named. */
static void note_masked(const char *masked, struct buf *notes)
{
    struct buf names = {0};
    struct str rest = str_trim(str_from(masked)), name;
    if (rest.len == 0)
        return;
    while (str_next(&rest, '\n', &name))
        buf_append_fmt(&names, "%s" STR_FMT, names.len > 0 ? ", " : "", STR_ARG(name));
    buf_append_c(notes, "[Hidden from the command, as secrets: ");
    output_append_line(notes, buf_str(&names), MASKED_NAMES_BYTES);
    buf_append_c(notes, "]\n");
    buf_finish(&names);
}

static enum status build_and_spawn(struct session *session, struct err *err)
{
    struct tools *tools = session->thread->tools;
    struct policy_launch launch = {.seccomp_fd = -1};
    bool sandboxed = session->options.sandboxed;
    screen_take(&session->screen, session->thread, sandboxed);
    enum status status = screen_check(&session->screen, err);
    if (status < 0)
        return status;
    status = policy_launch_build(
        tools->env.policy, &session->options.command, session->guard ? session->guard->guard : NULL,
        session->screen.binds.ptr, session->screen.binds.len, sandboxed, &launch, err);
    if (status < 0)
        return status;
    status = spawn(session, &launch, err);
    note_masked(launch.masked, &session->screen.notes);
    policy_launch_finish(&launch);
    screen_close(&session->screen);
    return status;
}

static void go(struct session *session)
{
    touched_take(&session->touched, session->thread);
    if (build_and_spawn(session, &session->failure) < 0)
        session_on_ended(session);
    else
        session_on_running(session);
}

static void look(void *data)
{
    struct launch_guard *launch = data;
    policy_guard_look(launch->guard);
}

static void on_looked(void *data)
{
    struct launch_guard *launch = data;
    launch->job = NULL;
    if (launch->session)
        go(launch->session);
}

void launch_start(struct session *session)
{
    static const struct job_ops ops = {look, on_looked, release};
    if (!session->options.sandboxed) {
        go(session);
        return;
    }
    struct launch_guard *launch = mem_new(struct launch_guard);
    launch->refs = 1;
    launch->session = session;
    launch->guard = policy_guard_new(session->thread->tools->env.policy, &session->options.command);
    session->guard = launch;
    note_saves(launch);
    start_job(launch, &ops);
}
