/* A command that runs: started by exec_command, looked at until it ends. It outlives the call that
 * started it, never its thread. */
#include <signal.h>

#include "screen-internal.h"

enum {
    HELD_BYTES = 4096, /* of an unfinished line, before it is shown as it is */
    MASKED_NAMES_BYTES = 300,
};

struct session {
    struct tools_thread *thread;
    int64_t id;
    struct loop_process *process;
    struct screen screen;
    struct ring ring;
    bool keep_stdin, is_doomed; /* doomed: nobody may look any more, freed when it has ended */
    bool has_ended;
    int exit_code, signal;
    const char *killed_why; /* NULL: not by us */
    uint64_t started_ms, ended_ms;
    struct loop_timer *yield, *unseen, *total;
    struct tools_call *call; /* waiting for us, or NULL */
    size_t limit_bytes;
    struct buf held;
    size_t progress_bytes;
};

static uint64_t now_ms(const struct session *session)
{
    return loop_now_ms(session->thread->tools->env.loop);
}

/* -- What is said ---------------------------------------------------------------------------- */

static void append_state(const struct session *session, struct buf *out)
{
    uint64_t ms = (session->has_ended ? session->ended_ms : now_ms(session)) - session->started_ms;
    if (!session->has_ended)
        buf_append_fmt(out,
                       "Still running as session %lld; write_stdin with this session_id waits for "
                       "more output, or ends it with kill.\n",
                       (long long)session->id);
    else if (session->killed_why)
        buf_append_fmt(out, "Killed: %s\n", session->killed_why);
    else if (session->signal)
        buf_append_fmt(out, "Ended by signal %d (%s)\n", session->signal,
                       strsignal(session->signal));
    else if (session->exit_code > 128 && session->exit_code < 128 + NSIG)
        buf_append_fmt(out, "Exit code: %d (a process in it ended by signal %d, %s)\n",
                       session->exit_code, session->exit_code - 128,
                       strsignal(session->exit_code - 128));
    else
        buf_append_fmt(out, "Exit code: %d\n", session->exit_code);
    buf_append_fmt(out, "Wall time: %.1f s\n", (double)ms / 1000);
}

static void append_answer(struct session *session, struct tools_call *call)
{
    struct buf output = {0};
    ring_take(&session->ring, session->limit_bytes, &output);
    append_state(session, &call->text);
    buf_append(&call->text, buf_str(&session->screen.notes));
    screen_explain(&session->screen, buf_str(&output), &call->text);
    buf_append_c(&call->text, output.len > 0 ? "Output:\n" : "No output.\n");
    buf_append(&call->text, buf_str(&output));
    buf_finish(&output);
}

static void append_summary(const struct session *session, struct buf *out)
{
    if (!session->has_ended)
        buf_append_fmt(out, "running as session %lld", (long long)session->id);
    else if (session->killed_why)
        buf_append_fmt(out, "killed: %s", session->killed_why);
    else if (session->signal)
        buf_append_fmt(out, "ended by signal %d", session->signal);
    else
        buf_append_fmt(out, "exit code %d", session->exit_code);
}

/* -- Progress: whole lines, so that no character or escape sequence is shown in pieces ------- */

static void show_held(struct session *session, size_t len)
{
    struct buf shown = {0};
    utf8_append_printable(&shown, str_slice(buf_str(&session->held), 0, len));
    buf_remove_front(&session->held, len);
    session->progress_bytes += len;
    if (shown.len > 0)
        call_progress(session->call, buf_str(&shown));
    buf_finish(&shown);
}

static void show_progress(struct session *session, struct str bytes)
{
    if (!session->call || session->progress_bytes >= LIMIT_EXEC_PROGRESS_BYTES)
        return;
    buf_append(&session->held,
               str_slice(bytes, 0, LIMIT_EXEC_PROGRESS_BYTES - session->progress_bytes));
    size_t newline = str_rfind_byte(buf_str(&session->held), '\n');
    if (newline != STR_NONE)
        show_held(session, newline + 1);
    else if (session->held.len > HELD_BYTES)
        show_held(session, session->held.len);
}

/* -- The call that waits --------------------------------------------------------------------- */

static struct tools_call *detach_call(struct session *session)
{
    struct tools_call *call = session->call;
    session->call = NULL;
    loop_timer_stop(session->yield);
    buf_finish(&session->held);
    if (!session->has_ended)
        loop_timer_start(session->unseen, session->thread->tools->deadlines.foreground_ms, 0);
    return call;
}

static void answer(struct session *session)
{
    if (session->held.len > 0)
        show_held(session, session->held.len);
    struct tools_call *call = detach_call(session);
    bool ok = !session->has_ended ||
              (!session->killed_why && !session->signal && session->exit_code == 0);
    append_answer(session, call);
    append_summary(session, &call->summary);
    call->exit_code = session->has_ended ? session->exit_code : 0;
    if (session->has_ended)
        session_free(session);
    call_end(call, ok);
}

static void on_yield(void *user)
{
    answer(user);
}

void session_wait(struct session *session, struct tools_call *call, uint64_t yield_ms,
                  size_t limit_bytes)
{
    session->call = call;
    session->limit_bytes = limit_bytes;
    session->progress_bytes = 0;
    loop_timer_stop(session->unseen);
    if (session->has_ended)
        answer(session);
    else
        loop_timer_start(session->yield, yield_ms, 0);
}

void session_abandon(struct session *session, struct tools_call *call)
{
    session->limit_bytes = LIMIT_EXEC_MODEL_BYTES;
    session->call = call;
    session_kill(session, "cancelled by the user");
    append_answer(session, detach_call(session));
    session->is_doomed = true;
    if (session->has_ended)
        session_free(session);
}

/* -- The process ----------------------------------------------------------------------------- */

static void on_stdout(void *user, struct str bytes)
{
    struct session *session = user;
    ring_append(&session->ring, bytes);
    show_progress(session, bytes);
}

static void on_exit_of(void *user, int exit_code, int signal)
{
    struct session *session = user;
    session->has_ended = true;
    session->exit_code = exit_code;
    session->signal = signal;
    session->ended_ms = now_ms(session);
    loop_timer_stop(session->unseen);
    loop_timer_stop(session->total);
    if (session->is_doomed)
        session_free(session);
    else if (session->call)
        answer(session);
}

static void on_unseen(void *user)
{
    session_kill(user, "nobody looked at its output for too long (time limit)");
}

static void on_total(void *user)
{
    session_kill(user, "it ran for too long (time limit)");
}

void session_kill(struct session *session, const char *why)
{
    if (session->has_ended || session->killed_why)
        return;
    session->killed_why = why;
    loop_process_kill(session->process);
}

static enum status spawn(struct session *session, const struct policy_launch *launch,
                         const char *cwd, struct err *err)
{
    static const struct loop_process_handlers handlers = {on_stdout, NULL, on_exit_of};
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
        .cwd = cwd,
        .pipe_stdin = session->keep_stdin,
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

static enum status launch_command(struct session *session, const struct session_options *options,
                                  struct err *err)
{
    struct tools *tools = session->thread->tools;
    struct policy_launch launch = {.seccomp_fd = -1};
    screen_take(&session->screen, tools, options->sandboxed);
    enum status status = screen_check(&session->screen, err);
    if (status < 0)
        return status;
    status = policy_launch_build(tools->env.policy, &options->command, session->screen.binds.ptr,
                                 session->screen.binds.len, options->sandboxed, &launch, err);
    if (status < 0)
        return status;
    char *cwd = str_dup_c(options->command.workdir);
    status = spawn(session, &launch, cwd, err);
    mem_free(cwd);
    note_masked(launch.masked, &session->screen.notes);
    policy_launch_finish(&launch);
    screen_close(&session->screen);
    return status;
}

/* -- Made, found, freed ---------------------------------------------------------------------- */

/* Ended commands that nobody asked about make room, oldest first. */
static bool make_room(struct tools *tools)
{
    if (tools->session_count < LIMIT_EXEC_SESSIONS_COUNT)
        return true;
    for (size_t i = 0; i < tools->threads.len; i++) {
        struct tools_thread *thread = tools->threads.ptr[i];
        for (size_t k = 0; k < thread->sessions.len; k++) {
            if (thread->sessions.ptr[k]->has_ended) {
                session_free(thread->sessions.ptr[k]);
                return true;
            }
        }
    }
    return false;
}

struct session *session_start(struct tools_thread *thread, const struct session_options *options,
                              struct err *err)
{
    struct tools *tools = thread->tools;
    if (!make_room(tools)) {
        (void)err_set(err, STATUS_LIMIT,
                      "%d commands are running already: end one with write_stdin and kill",
                      LIMIT_EXEC_SESSIONS_COUNT);
        return NULL;
    }
    struct session *session = mem_new(struct session);
    session->thread = thread;
    session->id = ++tools->last_session_id;
    session->keep_stdin = options->keep_stdin;
    session->yield = loop_timer_new(tools->env.loop, on_yield, session);
    session->unseen = loop_timer_new(tools->env.loop, on_unseen, session);
    session->total = loop_timer_new(tools->env.loop, on_total, session);
    session->started_ms = now_ms(session);
    tools->session_count++;
    vec_push(&thread->sessions, session);
    if (launch_command(session, options, err) < 0) {
        session_free(session);
        return NULL;
    }
    loop_timer_start(session->total, tools->deadlines.background_ms, 0);
    return session;
}

struct session *session_find(const struct tools_thread *thread, int64_t id)
{
    for (size_t i = 0; i < thread->sessions.len; i++) {
        struct session *session = thread->sessions.ptr[i];
        if (session->id == id && !session->is_doomed)
            return session;
    }
    return NULL;
}

static void unlink_session(struct session *session)
{
    struct tools_thread *thread = session->thread;
    for (size_t i = 0; i < thread->sessions.len; i++) {
        if (thread->sessions.ptr[i] == session) {
            vec_remove(&thread->sessions, i);
            break;
        }
    }
    thread->tools->session_count--;
}

void session_free(struct session *session)
{
    unlink_session(session);
    loop_timer_free(session->yield);
    loop_timer_free(session->unseen);
    loop_timer_free(session->total);
    if (session->process)
        loop_process_free(session->process);
    screen_finish(&session->screen);
    ring_finish(&session->ring);
    buf_finish(&session->held);
    mem_free(session);
}

bool session_has_stdin(const struct session *session)
{
    return session->keep_stdin && !session->has_ended;
}

enum status session_write(struct session *session, struct str chars, struct err *err)
{
    struct buf bytes = {0};
    bool ends = chars.len > 0 && chars.ptr[chars.len - 1] == '\x04'; /* Ctrl-D: end of input */
    buf_append(&bytes, str_slice(chars, 0, chars.len - ends));
    enum status status = STATUS_OK;
    if (bytes.len > 0)
        status = loop_process_write(session->process, &bytes);
    buf_finish(&bytes);
    if (status < 0)
        return err_set(err, status, "the command does not take this input: %s",
                       status_name(status));
    if (ends) {
        session->keep_stdin = false;
        loop_process_close_stdin(session->process);
    }
    return STATUS_OK;
}
