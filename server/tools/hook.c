/* The user's hooks around calls and at the end of turns: one after the other, JSON on their
 * standard input, in the sandbox unless their setting says otherwise. Exit code 0 goes on; 2 stops
 * a call before it begins, with what the hook wrote to stderr for the model; anything else is the
 * hook's own fault, which people are told. Such a fault stops the call as well: the model can take
 * a script away that a hook runs, or make it too slow, and must not get rid of the hook by that. */
#include <lanebridge/json.h>
#include <string.h>

#include "hook-internal.h"

enum {
    OUTPUT_BYTES = 32 * 1024, /* of each stream */
    NOTE_BYTES = 300,
    TEST_WAIT_MS = 20,
    BLOCKS = 2,
};

struct hook_run {
    struct tools_thread *thread;
    enum policy_hook_event event;
    struct buf tool, turn_id, json;
    size_t place; /* among the settings' hooks */
    hooks_done_fn *on_done;
    hooks_note_fn *on_note;
    void *user, *owned;
    /* the one that runs */
    char *name;
    char row[ID_BYTES]; /* in the journal */
    bool to_model, timed_out;
    uint64_t timeout_ms;
    struct loop_process *process;
    struct loop_timer *timer;
    struct job *looking; /* at the folders, before a sandbox is made */
    struct buf out, err_out;
    struct buf for_model; /* of all of them */
};

static const char stops_too[] =
    " The call is not made: nobody knows what the hook would have said. "
    "Mend it, or take it out of the settings.";

static void run_free(struct hook_run *run)
{
    struct tools_thread *thread = run->thread;
    for (size_t i = 0; i < thread->hook_runs.len; i++)
        if (thread->hook_runs.ptr[i] == run) {
            vec_remove(&thread->hook_runs, i);
            break;
        }
    job_forget(run->looking);
    loop_process_free(run->process);
    loop_timer_free(run->timer);
    mem_free(run->name);
    mem_free(run->owned);
    struct buf *const texts[] = {&run->tool, &run->turn_id, &run->json,
                                 &run->out,  &run->err_out, &run->for_model};
    for (size_t i = 0; i < array_count(texts); i++)
        buf_finish(texts[i]);
    mem_free(run);
}

/* -- What is said ----------------------------------------------------------------------------- */

static void note(struct hook_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note(struct hook_run *run, const char *format, ...)
{
    struct buf text = {0}, line = {0};
    va_list args;
    va_start(args, format);
    buf_append_fmt(&text, "Hook %s: ", run->name);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    output_append_line(&line, buf_str(&text), NOTE_BYTES);
    if (run->on_note)
        run->on_note(run->user, buf_str(&line));
    buf_finish(&text);
    buf_finish(&line);
}

static void append_for_model(struct hook_run *run, struct str text)
{
    struct buf clean = {0};
    if (str_trim(text).len == 0)
        return;
    policy_redact(run->thread->tools->env.policy, str_trim(text), &clean);
    buf_append_fmt(&run->for_model, "[The user's hook %s says:]\n", run->name);
    utf8_append_printable(&run->for_model, buf_str(&clean));
    buf_append_byte(&run->for_model, '\n');
    buf_finish(&clean);
}

static void record(struct hook_run *run, bool ok)
{
    struct buf text = {0};
    struct journal *journal = run->thread->tools->env.journal;
    if (!run->row[0])
        return;
    policy_redact(run->thread->tools->env.policy, buf_str(&run->out), &text);
    policy_redact(run->thread->tools->env.policy, buf_str(&run->err_out), &text);
    (void)journal_call_finish(journal, run->thread->id, str_from(run->row), buf_str(&text), ok,
                              NULL);
    buf_finish(&text);
    run->row[0] = '\0';
}

/* -- The end of one --------------------------------------------------------------------------- */

static void start_next(struct hook_run *run);

static bool is_gate(const struct hook_run *run)
{
    return run->event == HOOK_BEFORE_TOOL;
}

/* For the model, who is not told more of it than that. */
static void append_fault(struct hook_run *run)
{
    if (is_gate(run))
        buf_append_fmt(
            &run->for_model,
            "[The user's hook %s could not judge the call: it failed by itself. The user "
            "has been told.]\n",
            run->name);
}

static void finish(struct hook_run *run, bool is_blocked)
{
    hooks_done_fn *on_done = run->on_done;
    void *user = run->user, *owned = run->owned;
    struct buf text = {0};
    buf_move(&text, &run->for_model);
    run->owned = NULL;
    run_free(run);
    on_done(user, is_blocked, buf_str(&text));
    mem_free(owned);
    buf_finish(&text);
}

static void drop_process(struct hook_run *run)
{
    loop_process_free(run->process);
    run->process = NULL;
    loop_timer_stop(run->timer);
}

static void on_exit_of(void *user, int exit_code, int signal)
{
    struct hook_run *run = user;
    struct str said = str_trim(buf_str(&run->err_out));
    drop_process(run);
    record(run, exit_code == 0);
    bool is_fault = run->timed_out || signal || (exit_code != 0 && exit_code != BLOCKS);
    const char *then = is_gate(run) ? stops_too : "";
    if (run->timed_out)
        note(run, "it took longer than %llu s and was ended; its answer is not waited for.%s",
             (unsigned long long)(run->timeout_ms / 1000), then);
    else if (is_fault)
        note(run, "failed (%s %d).%s " STR_FMT, signal ? "signal" : "exit code",
             signal ? signal : exit_code, then, STR_ARG(said));
    else if (exit_code == BLOCKS)
        note(run, "%s" STR_FMT, is_gate(run) ? "stopped this call. " : "", STR_ARG(said));
    if (is_fault)
        append_fault(run);
    else if (exit_code == BLOCKS)
        append_for_model(run, said);
    else if (run->to_model)
        append_for_model(run, buf_str(&run->out));
    if (is_gate(run) && (is_fault || exit_code == BLOCKS))
        finish(run, true);
    else
        start_next(run);
}

static void on_timeout(void *user)
{
    struct hook_run *run = user;
    run->timed_out = true;
    loop_process_kill(run->process);
}

static void keep(struct buf *buf, struct str bytes)
{
    size_t room = buf->len < OUTPUT_BYTES ? OUTPUT_BYTES - buf->len : 0;
    buf_append(buf, str_slice(bytes, 0, bytes.len < room ? bytes.len : room));
}

static void on_stdout(void *user, struct str bytes)
{
    struct hook_run *run = user;
    keep(&run->out, bytes);
}

static void on_stderr(void *user, struct str bytes)
{
    struct hook_run *run = user;
    keep(&run->err_out, bytes);
}

/* -- The start of one ------------------------------------------------------------------------- */

static enum status spawn(struct hook_run *run, const struct policy_launch *launch, struct err *err)
{
    static const struct loop_process_handlers handlers = {on_stdout, on_stderr, on_exit_of};
    struct loop_process_fd fd = {launch->seccomp_child_fd, launch->seccomp_fd};
    struct loop_process_options options = {
        .argv = launch->argv,
        .env = launch->env,
        .cwd = run->thread->root_path[0] ? run->thread->root_path : "/",
        .pipe_stdin = true,
        .fds = &fd,
        .fd_count = launch->seccomp_fd >= 0,
    };
    run->process = loop_process_new(run->thread->tools->env.loop, &options, &handlers, run, err);
    if (!run->process)
        return err->status;
    struct buf json = {0};
    buf_append(&json, buf_str(&run->json));
    (void)loop_process_write(run->process, &json); /* one that reads nothing is fine */
    buf_finish(&json);
    loop_process_close_stdin(run->process);
    loop_timer_start(run->timer, run->timeout_ms, 0);
    return STATUS_OK;
}

static void record_start(struct hook_run *run, const struct policy_hook *hook)
{
    struct buf arguments = {0};
    struct json_writer w;
    struct journal *journal = run->thread->tools->env.journal;
    json_writer_init(&w, &arguments);
    json_write_begin_object(&w);
    json_write_field_c(&w, "event", policy_hook_event_name(run->event));
    json_write_field_c(&w, "command", hook->command);
    if (run->tool.len)
        json_write_field_str(&w, "tool", buf_str(&run->tool));
    json_write_end_object(&w);
    id_make("hook", run->row);
    journal_begin(journal);
    (void)journal_call_start(journal, run->thread->id, run->turn_id.ptr ? run->turn_id.ptr : "",
                             str_from(run->row), STR("hook"), buf_str(&arguments),
                             STR("the user's settings"), NULL);
    (void)journal_call_set_sandbox(journal, run->thread->id, str_from(run->row),
                                   hook->sandbox ? STR("bubblewrap") : STR("none: by its setting"),
                                   NULL);
    journal_commit(journal);
    buf_finish(&arguments);
}

static struct policy_command command_of(const struct hook_run *run, const struct policy_hook *hook)
{
    return (struct policy_command){.command = str_from(hook->command),
                                   .workdir = str_from(run->thread->root_path),
                                   .escalate = !hook->sandbox};
}

static enum status launch_hook(struct hook_run *run, const struct policy_hook *hook,
                               struct policy_guard *guard, struct err *err)
{
    struct policy_launch launch = {.seccomp_fd = -1};
    struct policy_command command = command_of(run, hook);
    enum status status = policy_launch_build(run->thread->tools->env.policy, &command, guard, NULL,
                                             0, hook->sandbox, &launch, err);
    if (status < 0)
        return status;
    record_start(run, hook);
    status = spawn(run, &launch, err);
    policy_launch_finish(&launch);
    return status;
}

static void take_over(struct hook_run *run, const struct policy_hook *hook)
{
    mem_free(run->name);
    run->name = mem_dup_c(hook->name);
    run->to_model = hook->to_model;
    run->timeout_ms = hook->timeout_ms;
    run->timed_out = false;
    buf_clear(&run->out);
    buf_clear(&run->err_out);
}

/* False: it could not be, which people are told, and the next one is to be. */
static bool launched(struct hook_run *run, const struct policy_hook *hook,
                     struct policy_guard *guard)
{
    struct err err = {0};
    if (launch_hook(run, hook, guard, &err) == STATUS_OK)
        return true;
    record(run, false);
    note(run, "could not be run: %s.%s", err.text, is_gate(run) ? stops_too : "");
    append_fault(run);
    if (is_gate(run))
        finish(run, true);
    return is_gate(run);
}

/* What is masked and protected is looked for on the pool: it walks the folders. */
struct look {
    struct hook_run *run;
    struct policy_guard *guard;
    size_t place; /* of the hook, which the settings may have lost meanwhile */
};

static void look(void *data)
{
    policy_guard_look(((struct look *)data)->guard);
}

static void on_looked(void *data)
{
    struct look *looked = data;
    struct hook_run *run = looked->run;
    size_t place = looked->place;
    run->looking = NULL;
    const struct policy_hook *hook =
        policy_hook_find(run->thread->tools->env.policy, run->event, buf_str(&run->tool), &place);
    if (!hook || place != run->place || strcmp(hook->name, run->name) != 0 ||
        !launched(run, hook, looked->guard))
        start_next(run);
}

static void release_look(void *data)
{
    policy_guard_free(((struct look *)data)->guard);
    mem_free(data);
}

static void start_looking(struct hook_run *run, const struct policy_hook *hook, size_t place)
{
    static const struct job_ops ops = {look, on_looked, release_look};
    struct policy_command command = command_of(run, hook);
    struct look *looked = mem_new(struct look);
    looked->run = run;
    looked->place = place;
    looked->guard = policy_guard_new(run->thread->tools->env.policy, &command);
    run->looking = job_start(run->thread->tools, &ops, looked);
}

static void start_next(struct hook_run *run)
{
    const struct policy_hook *hook;
    struct policy *policy = run->thread->tools->env.policy;
    size_t place = run->place;
    while ((hook = policy_hook_find(policy, run->event, buf_str(&run->tool), &run->place))) {
        take_over(run, hook);
        if (hook->sandbox) {
            start_looking(run, hook, place);
            return;
        }
        if (launched(run, hook, NULL))
            return;
        place = run->place;
    }
    finish(run, false);
}

/* Nothing is called back before the call that started it has returned; and the sandbox's test may
 * not have ended. */
static void on_begin(void *user)
{
    struct hook_run *run = user;
    if (!sandbox_is_known(run->thread->tools)) {
        loop_timer_start(run->timer, TEST_WAIT_MS, 0);
        return;
    }
    loop_timer_free(run->timer);
    run->timer = loop_timer_new(run->thread->tools->env.loop, on_timeout, run);
    start_next(run);
}

bool hooks_are_there(struct tools *tools, enum policy_hook_event event, struct str tool)
{
    size_t place = 0;
    return policy_hook_find(tools->env.policy, event, tool, &place) != NULL;
}

struct hook_run *hooks_start(struct tools_thread *thread, const struct hooks_wish *wish, void *user)
{
    struct hook_run *run = mem_new(struct hook_run);
    run->thread = thread;
    run->event = wish->event;
    buf_append(&run->tool, wish->tool);
    buf_append(&run->turn_id, wish->turn_id);
    buf_append(&run->json, wish->json);
    run->on_done = wish->on_done;
    run->on_note = wish->on_note;
    run->user = user;
    run->owned = wish->owned;
    run->timer = loop_timer_new(thread->tools->env.loop, on_begin, run);
    vec_push(&thread->hook_runs, run);
    loop_timer_start(run->timer, 0, 0);
    return run;
}

void hooks_stop(struct hook_run *run)
{
    if (!run)
        return;
    record(run, false);
    run_free(run);
}
