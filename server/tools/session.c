/* A command that runs: started by exec_command, looked at until it ends. It outlives the call that
 * started it, never its thread. */
#include <assert.h>
#include <signal.h>
#include <sys/statvfs.h>

#include "session-internal.h"

enum { HELD_BYTES = 4096 }; /* of an unfinished line, before it is shown as it is */

static void set_state(struct session *session, enum session_state state)
{
    static const unsigned moves[] = {
        [SESSION_LOOKING] = 1u << SESSION_RUNNING | 1u << SESSION_ENDED,
        [SESSION_RUNNING] = 1u << SESSION_CHECKING,
        [SESSION_CHECKING] = 1u << SESSION_ENDED,
        [SESSION_ENDED] = 1u << SESSION_LOOKING, /* run again */
    };
    assert(moves[session->state] & 1u << state);
    session->state = state;
}

static bool has_ended(const struct session *session)
{
    return session->state == SESSION_ENDED;
}

static uint64_t now_ms(const struct session *session)
{
    return loop_now_ms(session->thread->tools->env.loop);
}

/* -- What is said ---------------------------------------------------------------------------- */

static void append_state(const struct session *session, struct buf *out)
{
    uint64_t ms = (has_ended(session) ? session->ended_ms : now_ms(session)) - session->started_ms;
    if (!has_ended(session))
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

/* What it did to protected names does not stand: the model must not go on as if it did. */
static void append_findings(const struct session *session, struct buf *out)
{
    if (session->finding_count)
        buf_append_c(out, "[Names that can run programs or steer tools may not be changed by a "
                          "command; use the edit tools, which ask the user:\n");
    buf_append(out, buf_str(&session->findings));
    if (session->finding_count)
        buf_append_c(out, "]\n");
}

static void append_answer(struct session *session, struct tools_call *call)
{
    struct buf output = {0};
    ring_take(&session->ring, session->limit_bytes, &output);
    append_state(session, &call->text);
    buf_append(&call->text, buf_str(&session->screen.notes));
    buf_clear(&session->screen.notes);
    append_findings(session, &call->text);
    screen_find_refused(&session->screen, buf_str(&output), call);
    buf_append_c(&call->text, output.len > 0 ? "Output:\n" : "No output.\n");
    buf_append(&call->text, buf_str(&output));
    buf_finish(&output);
}

static void append_summary(const struct session *session, struct buf *out)
{
    if (!has_ended(session))
        buf_append_fmt(out, "running as session %lld", (long long)session->id);
    else if (session->killed_why)
        buf_append_fmt(out, "killed: %s", session->killed_why);
    else if (session->signal)
        buf_append_fmt(out, "ended by signal %d", session->signal);
    else
        buf_append_fmt(out, "exit code %d", session->exit_code);
    if (session->finding_count)
        buf_append_fmt(out, "; %zu change%s of protected names undone", session->finding_count,
                       session->finding_count == 1 ? "" : "s");
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

struct tools_call *session_detach(struct session *session)
{
    struct tools_call *call = session->call;
    session->call = NULL;
    loop_timer_stop(session->yield);
    buf_finish(&session->held);
    if (!has_ended(session))
        loop_timer_start(session->unseen, session->thread->tools->deadlines.foreground_ms, 0);
    return call;
}

static void answer(struct session *session)
{
    if (session->held.len > 0)
        show_held(session, session->held.len);
    if (has_ended(session) && retry_offer(session))
        return;
    struct tools_call *call = session_detach(session);
    if (session->failure.status < 0) {
        buf_append_fmt(&call->text, "The command could not be started: %s", session->failure.text);
        session_free(session);
        call_end(call, false);
        return;
    }
    if (!has_ended(session)) {
        touched_compare(&session->touched, session->thread, call->turn_id, &session->screen.notes);
        session->touched.is_background = true; /* from here on */
    }
    bool ok = !has_ended(session) ||
              (!session->killed_why && !session->signal && session->exit_code == 0);
    append_answer(session, call);
    append_summary(session, &call->summary);
    call->exit_code = has_ended(session) ? session->exit_code : 0;
    if (!has_ended(session)) {
        screen_explain(&session->screen, call);
        call_end(call, ok);
        return;
    }
    struct screen screen = {.refused = session->screen.refused};
    session->screen.refused = (struct path_list){0};
    session_free(session);
    screen_end_call(&screen, call, ok);
    screen_finish(&screen);
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
    session->yield_ms = yield_ms;
    session->progress_bytes = 0;
    loop_timer_stop(session->unseen);
    if (has_ended(session))
        answer(session);
    else
        loop_timer_start(session->yield, yield_ms, 0);
}

static bool is_waiting_for(const struct tools_call *call, const struct session *session)
{
    const struct tools_thread *thread = call->thread;
    for (size_t i = 0; i < thread->sessions.len; i++)
        if (thread->sessions.ptr[i] == session && session->call == call)
            return true;
    return false;
}

void session_abandon(struct session *session, struct tools_call *call)
{
    if (!is_waiting_for(call, session))
        return; /* it has ended, and the person is being asked something */
    session->limit_bytes = LIMIT_EXEC_MODEL_BYTES;
    session->call = call;
    session_kill(session, "cancelled by the user");
    append_answer(session, session_detach(session));
    screen_explain(&session->screen, call);
    session->is_doomed = true;
    if (has_ended(session))
        session_free(session);
}

/* -- The process ----------------------------------------------------------------------------- */

void session_on_output(void *user, struct str bytes)
{
    struct session *session = user;
    ring_append(&session->ring, bytes);
    show_progress(session, bytes);
}

static uint64_t find_room(const struct session *session)
{
    struct statvfs disk;
    return statvfs(session->workdir, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize
                                                 : UINT64_MAX;
}

/* The sandbox bounds one file and what is in memory; all of them together are watched. */
static void on_room(void *user)
{
    struct session *session = user;
    uint64_t room = find_room(session);
    if (room < session->thread->tools->deadlines.room_bytes && room < session->room_bytes)
        session_kill(session, "it filled the disk, which is nearly full");
}

void session_on_running(struct session *session)
{
    set_state(session, SESSION_RUNNING);
    session->room_bytes = find_room(session);
    loop_timer_start(session->room, LIMIT_EXEC_ROOM_MS, LIMIT_EXEC_ROOM_MS);
    if (session->early.len > 0)
        (void)loop_process_write(session->process, &session->early);
}

void session_on_exit(void *user, int exit_code, int signal)
{
    struct session *session = user;
    session->exit_code = exit_code;
    session->signal = signal;
    session->ended_ms = now_ms(session);
    loop_timer_stop(session->unseen);
    loop_timer_stop(session->total);
    loop_timer_stop(session->room);
    set_state(session, SESSION_CHECKING);
    launch_check(session);
}

void session_on_ended(struct session *session)
{
    const char *turn_id = session->call ? session->call->turn_id : NULL;
    set_state(session, SESSION_ENDED);
    touched_compare(&session->touched, session->thread, turn_id, &session->screen.notes);
    touched_look(&session->touched, session->thread, turn_id);
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
    struct session *session = user;
    if (session->state == SESSION_LOOKING && session->killed_why)
        session_on_ended(session);
    else
        session_kill(session, "it ran for too long (time limit)");
}

void session_kill(struct session *session, const char *why)
{
    if (session->state > SESSION_RUNNING || session->killed_why)
        return;
    session->killed_why = why;
    if (session->state == SESSION_RUNNING) {
        loop_process_kill(session->process);
        return;
    }
    launch_drop(session);
    session->ended_ms = now_ms(session);
    /* Not from here: who kills it may be about to wait for it. */
    loop_timer_start(session->total, 0, 0);
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
            if (has_ended(thread->sessions.ptr[k])) {
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
    session->options = *options;
    session->command = str_dup_c(options->command.command);
    session->workdir = str_dup_c(options->command.workdir);
    session->options.command.command = str_from(session->command);
    session->options.command.workdir = str_from(session->workdir);
    session->keep_stdin = options->command.tty;
    session->yield = loop_timer_new(tools->env.loop, on_yield, session);
    session->unseen = loop_timer_new(tools->env.loop, on_unseen, session);
    session->total = loop_timer_new(tools->env.loop, on_total, session);
    session->room = loop_timer_new(tools->env.loop, on_room, session);
    session->started_ms = now_ms(session);
    session->touched.turn_id = mem_dup_c(options->turn_id);
    tools->session_count++;
    vec_push(&thread->sessions, session);
    loop_timer_start(session->total, tools->deadlines.background_ms, 0);
    launch_start(session);
    return session;
}

void session_restart(struct session *session, bool network, bool git)
{
    launch_drop(session);
    loop_process_free(session->process);
    session->process = NULL;
    screen_finish(&session->screen);
    ring_finish(&session->ring);
    buf_finish(&session->findings);
    session->finding_count = 0;
    session->options.command.network |= network;
    session->options.command.git |= git;
    session->started_ms = now_ms(session);
    set_state(session, SESSION_LOOKING);
    loop_timer_start(session->total, session->thread->tools->deadlines.background_ms, 0);
    launch_start(session);
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
    loop_timer_free(session->room);
    loop_process_free(session->process);
    launch_drop(session);
    screen_finish(&session->screen);
    touched_finish(&session->touched);
    ring_finish(&session->ring);
    buf_finish(&session->held);
    buf_finish(&session->early);
    buf_finish(&session->findings);
    mem_free(session->command);
    mem_free(session->workdir);
    mem_free(session);
}

bool session_has_stdin(const struct session *session)
{
    return session->keep_stdin && !has_ended(session);
}

const struct policy_command *session_command(const struct session *session)
{
    return &session->options.command;
}

void session_allow_input(struct session *session)
{
    session->input_is_allowed = true;
}

bool session_input_is_allowed(const struct session *session)
{
    return session->input_is_allowed;
}

enum status session_write(struct session *session, struct str chars, struct err *err)
{
    struct buf bytes = {0};
    buf_append(&bytes, chars);
    enum status status = STATUS_OK;
    if (session->state == SESSION_LOOKING)
        buf_append(&session->early, chars);
    else if (session->state == SESSION_RUNNING)
        status = loop_process_write(session->process, &bytes);
    buf_finish(&bytes);
    if (status < 0)
        return err_set(err, status, "the command does not take this input: %s",
                       status_name(status));
    return STATUS_OK;
}

void sessions_excuse(struct tools *tools, struct str absolute_path)
{
    for (size_t i = 0; i < tools->threads.len; i++) {
        struct tools_thread *thread = tools->threads.ptr[i];
        for (size_t k = 0; k < thread->sessions.len; k++) {
            launch_excuse(thread->sessions.ptr[k], absolute_path);
            touched_excuse(&thread->sessions.ptr[k]->touched, absolute_path);
        }
    }
}
