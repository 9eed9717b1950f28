/* The life of a call: found in the journal or not, its arguments read, queued, permitted, recorded
 * as started, run, recorded as done, told. Whatever goes wrong on the way is its one output. */
#include <assert.h>

#include "hook-internal.h"
#include "saving-internal.h"

/* -- States ---------------------------------------------------------------------------------- */

static const unsigned moves[] = {
    [LIFE_NEW] = 1u << LIFE_QUEUED | 1u << LIFE_ENDED,
    [LIFE_QUEUED] = 1u << LIFE_RUNNING | 1u << LIFE_ENDED,
    [LIFE_RUNNING] = 1u << LIFE_ASKING | 1u << LIFE_ENDED,
    [LIFE_ASKING] = 1u << LIFE_RUNNING | 1u << LIFE_ENDED,
    [LIFE_ENDED] = 0,
};

static void set_life(struct tools_call *call, enum call_life life)
{
    assert(moves[call->life] & 1u << life);
    call->life = life;
}

static uint64_t now_ms(const struct tools_call *call)
{
    return loop_now_ms(call->tools->env.loop);
}

/* -- Memory ---------------------------------------------------------------------------------- */

struct tools_call *call_ref(struct tools_call *call)
{
    call->refs++;
    return call;
}

static void free_state(struct tools_call *call)
{
    if (call->state && call->tool->finish)
        call->tool->finish(call);
    mem_free(call->state);
    call->state = NULL;
    json_free(call->json);
    call->json = NULL;
}

void call_unref(struct tools_call *call)
{
    if (--call->refs > 0)
        return;
    assert(!call->state);
    buf_finish(&call->arguments);
    buf_finish(&call->text);
    buf_finish(&call->summary);
    buf_finish(&call->diff);
    for (size_t i = 0; i < call->images.len; i++)
        mem_free((char *)call->images.ptr[i].ptr);
    vec_finish(&call->images);
    buf_finish(&call->decision);
    buf_finish(&call->hook_text);
    mem_free(call->id);
    mem_free(call->name);
    mem_free(call->turn_id);
    mem_free(call);
}

/* -- Telling: always from the loop, so that no tool has to expect to be freed under its feet - */

struct notice {
    struct tools_call *call;
    struct buf text;
    void (*tell)(struct tools_call *call, struct str text);
};

static void on_notice(void *user)
{
    struct notice *notice = user;
    if (notice->call->thread)
        notice->tell(notice->call, buf_str(&notice->text));
    call_unref(notice->call);
    buf_finish(&notice->text);
    mem_free(notice);
}

static void tell_later(struct tools_call *call, struct str text,
                       void (*tell)(struct tools_call *call, struct str text))
{
    struct notice *notice = mem_new(struct notice);
    notice->call = call_ref(call);
    notice->tell = tell;
    buf_append(&notice->text, text);
    loop_defer(call->tools->env.loop, on_notice, notice);
}

static void tell_started(struct tools_call *call, struct str title)
{
    if (call->handlers.on_started)
        call->handlers.on_started(call->user, call->tool->kind, title);
}

static void tell_waiting(struct tools_call *call, struct str why)
{
    if (call->handlers.on_waiting)
        call->handlers.on_waiting(call->user, why);
}

static void tell_progress(struct tools_call *call, struct str text)
{
    if (call->handlers.on_progress)
        call->handlers.on_progress(call->user, text);
}

static void tell_note(struct tools_call *call, struct str text)
{
    if (call->handlers.on_note)
        call->handlers.on_note(call->user, text);
}

void call_note(struct tools_call *call, struct str text)
{
    tell_later(call, text, tell_note);
}

void call_progress(struct tools_call *call, struct str text)
{
    struct buf redacted = {0};
    policy_redact(call->tools->env.policy, text, &redacted);
    tell_later(call, buf_str(&redacted), tell_progress);
    buf_finish(&redacted);
}

static void unlink_call(struct tools_call *call)
{
    struct tools_thread *thread = call->thread;
    for (size_t i = 0; i < thread->calls.len; i++) {
        if (thread->calls.ptr[i] == call) {
            vec_remove(&thread->calls, i);
            break;
        }
    }
    call->thread = NULL;
    call_unref(call);
}

static void tell_done(struct tools_call *call, struct str unused)
{
    (void)unused;
    uint64_t waited = call->granted_ms ? call->granted_ms - call->created_ms : 0;
    uint64_t ran = call->granted_ms ? now_ms(call) - call->granted_ms : 0;
    struct tools_output output = {
        .text = buf_str(&call->text),
        .ok = call->ok,
        .unknown = call->unknown,
        .waited_ms = waited + call->asking_ms,
        .ran_ms = ran > call->asking_ms ? ran - call->asking_ms : 0,
        .summary = buf_str(&call->summary),
        .diff = buf_str(&call->diff),
        .exit_code = call->exit_code,
        .images = call->images.ptr,
        .image_count = call->images.len,
    };
    unlink_call(call); /* the notice still holds it */
    if (call->handlers.on_done)
        call->handlers.on_done(call->user, &output);
}

/* -- The end --------------------------------------------------------------------------------- */

static void stop_asking(struct tools_call *call)
{
    const struct host *host = call->tools->env.host;
    if (call->life == LIFE_ASKING) {
        call->asking_ms += now_ms(call) - call->asked_ms;
        call->on_answer = NULL;
        host->ops->drop(host->host, call);
    }
}

void call_stop_asking(struct tools_call *call)
{
    stop_asking(call);
    set_life(call, LIFE_RUNNING);
}

static void leave_schedule(struct tools_call *call)
{
    struct schedule *schedule = &call->thread->schedule;
    if (call->is_granted)
        schedule_release(schedule, call);
    else
        schedule_remove(schedule, call);
    schedule_pump(schedule);
}

static void make_presentable(struct tools_call *call)
{
    struct buf redacted = {0}, printable = {0};
    policy_redact(call->tools->env.policy, buf_str(&call->text), &redacted);
    utf8_append_printable(&printable, buf_str(&redacted));
    buf_finish(&redacted);
    output_truncate(&printable, call->output_limit);
    if (printable.len == 0)
        buf_append_c(&printable, "(no output)");
    buf_move(&call->text, &printable);
    if (call->summary.len == 0)
        output_append_line(&call->summary, buf_str(&call->text), 120);
}

/* A call that never began is recorded all the same: its id is used up, its output
 * is to be found. */
static void record_end(struct tools_call *call)
{
    struct journal *journal = call->tools->env.journal;
    const char *thread_id = call->thread->id;
    if (call->is_recorded) {
        (void)journal_call_finish(journal, thread_id, str_from(call->id), buf_str(&call->text),
                                  call->ok, NULL);
        return;
    }
    const char *unsaid = call->harmless_by ? call->harmless_by : "not run";
    const struct journal_call record = {
        .turn_id = str_from(call->turn_id),
        .call_id = str_from(call->id),
        .name = str_from(call->name),
        .arguments = buf_str(&call->arguments),
        .decision = call->decision.len ? buf_str(&call->decision) : str_from(unsaid),
        .output = buf_str(&call->text),
        .ok = call->ok,
    };
    (void)journal_call_record(journal, thread_id, &record, NULL);
}

void call_end_now(struct tools_call *call)
{
    bool was_scheduled = call->life != LIFE_NEW;
    set_life(call, LIFE_ENDED);
    if (call->hook_text.len > 0) {
        buf_append_c(&call->text, call->text.len > 0 ? "\n" : "");
        buf_append(&call->text, buf_str(&call->hook_text));
    }
    if (!call->ends_untouched) {
        make_presentable(call);
        record_end(call);
    }
    tell_later(call, (struct str){0}, tell_done);
    if (was_scheduled)
        leave_schedule(call);
}

void call_end(struct tools_call *call, bool ok)
{
    if (call->life == LIFE_ENDED || call->is_ending)
        return;
    stop_asking(call);
    saving_free(call);
    if (call->life == LIFE_ASKING)
        set_life(call, LIFE_RUNNING);
    job_forget(call->job);
    call->job = NULL;
    hooks_stop(call->hooks);
    call->hooks = NULL;
    call->ok = ok;
    call->is_ending = true;
    free_state(call);
    if (call->ends_untouched || !call_hooks_after(call))
        call_end_now(call);
}

void call_fail(struct tools_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&call->text, format, args);
    va_end(args);
    call_end(call, false);
}

void call_refuse(struct tools_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&call->text, format, args);
    va_end(args);
    buf_append_fmt(&call->decision, "refused by policy: " STR_FMT, STR_ARG(buf_str(&call->text)));
    call_end(call, false);
}

void call_fail_err(struct tools_call *call, const struct err *err)
{
    call_fail(call, "%s", err->text[0] ? err->text : status_name(err->status));
}

void call_drop(struct tools_call *call)
{
    if (call->life != LIFE_ENDED) {
        const struct host *host = call->tools->env.host;
        if (call->life == LIFE_RUNNING && call->tool->cancel && !call->is_ending)
            (void)call->tool->cancel(call);
        hooks_stop(call->hooks);
        call->hooks = NULL;
        stop_asking(call);
        saving_free(call);
        host->ops->drop(host->host, call);
        set_life(call, LIFE_ENDED);
        job_forget(call->job);
        call->job = NULL;
        free_state(call);
    }
    call->thread = NULL;
    call_unref(call);
}

/* -- From start to run ----------------------------------------------------------------------- */

/* The one that was started first runs; the list is in that order. */
static bool is_running_already(const struct tools_call *call)
{
    for (size_t i = 0; call->thread->calls.ptr[i] != call; i++) {
        if (strcmp(call->thread->calls.ptr[i]->id, call->id) == 0)
            return true;
    }
    return false;
}

/* True when the call has its output already, and has ended with it. */
static bool end_as_before(struct tools_call *call)
{
    struct buf saved = {0};
    if (is_running_already(call)) {
        call->ends_untouched = true;
        call_fail(call, "The call %s is running already; it is not started twice.", call->id);
        return true;
    }
    switch (
        journal_call_find(call->tools->env.journal, call->thread->id, str_from(call->id), &saved)) {
    case CALL_ABSENT:
        buf_finish(&saved);
        return false;
    case CALL_DONE:
        call->ends_untouched = true;
        buf_move(&call->text, &saved);
        call_end(call, true);
        return true;
    case CALL_STARTED:
        break;
    }
    buf_finish(&saved);
    call->is_recorded = call->unknown = true;
    call_fail(call, "This call had been started when the bridge was stopped. It is not known "
                    "whether it took effect, and it was not run again: look at the state of the "
                    "files before repeating it.");
    return true;
}

static enum status read_arguments(struct tools_call *call, struct err *err)
{
    const struct tool *tool = call->tool;
    call->state = mem_alloc(tool->state_size);
    struct str arguments = buf_str(&call->arguments);
    if (!tool->parameters && call->is_custom) {
        *(struct str *)call->state = arguments; /* the first member of a custom tool's state */
    } else {
        if (str_trim(arguments).len == 0)
            arguments = STR("{}");
        enum status status = json_parse(arguments, &call->json, err);
        if (status < 0) {
            err_prefix(err, "%s: the arguments are not a JSON object", call->name);
            return status;
        }
        status = tool->takes_anything ? json_read(call->json, NULL, 0, call->state, err)
                                      : json_read_strict(call->json, tool->fields,
                                                         tool->field_count, call->state, err);
        if (status < 0) {
            err_prefix(err, "%s", call->name);
            return status;
        }
    }
    return tool->prepare ? tool->prepare(call, err) : STATUS_OK;
}

void call_classify(struct tools_call *call)
{
    const struct tool *tool = call->tool;
    call->is_exclusive = tool->classify ? tool->classify(call) : tool->is_exclusive;
    call->is_ready = true;
}

static void enter_queue(struct tools_call *call)
{
    set_life(call, LIFE_QUEUED);
    schedule_push(&call->thread->schedule, call);
    bool needs_sandbox = call->tool->needs_sandbox || call_has_hooks(call);
    if (!needs_sandbox || sandbox_is_known(call->tools))
        call_classify(call);
    schedule_pump(&call->thread->schedule);
}

static const char cancelled_text[] = "Cancelled by the user.";

static void begin(struct tools_call *call)
{
    struct err err = {0};
    if (end_as_before(call))
        return;
    if (call->is_cancelled) {
        call_fail(call, "%s", cancelled_text);
    } else if (!call->tool) {
        buf_append_fmt(&call->text, "There is no tool \"%s\". The tools are: ", call->name);
        table_append_names(&call->text);
        call_end(call, false);
    } else if (call->thread->is_helper && !table_is_reader(call->tool)) {
        call_refuse(call,
                    "%s is not for helpers: they read and search, nothing else. Say in your "
                    "answer what should be done.",
                    call->name);
    } else if (!table_is_possible(call->tools, call->tool)) {
        call_fail(call, "%s is not possible here: this editor does not offer it.", call->name);
    } else if (read_arguments(call, &err) < 0) {
        call_fail_err(call, &err);
    } else {
        enter_queue(call);
    }
}

static void on_begin(void *user)
{
    struct tools_call *call = user;
    if (call->thread)
        begin(call);
    call_unref(call);
}

static void on_run(void *user)
{
    struct tools_call *call = user;
    if (call->thread && call->life == LIFE_RUNNING)
        call_hooks_before(call);
    call_unref(call);
}

void call_granted(struct tools_call *call)
{
    set_life(call, LIFE_RUNNING);
    call->is_granted = true;
    call->granted_ms = now_ms(call);
    loop_defer(call->tools->env.loop, on_run, call_ref(call));
}

static void announce(struct tools_call *call)
{
    struct buf title = {0};
    tools_append_title(&title, str_from(call->name), buf_str(&call->arguments));
    tell_later(call, buf_str(&title), tell_started);
    buf_finish(&title);
}

bool call_begin(struct tools_call *call, const char *decision)
{
    struct err err = {0};
    struct journal *journal = call->tools->env.journal;
    if (call->is_recorded)
        return true;
    if (call->sandbox)
        journal_begin(journal);
    enum status status = journal_call_start(journal, call->thread->id, call->turn_id,
                                            str_from(call->id), str_from(call->name),
                                            buf_str(&call->arguments), str_from(decision), &err);
    if (status == STATUS_OK && call->sandbox)
        (void)journal_call_set_sandbox(journal, call->thread->id, str_from(call->id),
                                       str_from(call->sandbox), NULL);
    if (call->sandbox)
        journal_commit(journal);
    if (status < 0) {
        call->ends_untouched = status == STATUS_EXISTS;
        call_fail(call, "Not run, because it could not be recorded first: %s", err.text);
        return false;
    }
    call->is_recorded = true;
    announce(call);
    return true;
}

void call_begin_harmless(struct tools_call *call, const char *decision)
{
    if (call->harmless_by || call->is_recorded)
        return;
    call->harmless_by = decision;
    announce(call);
}

/* -- Asking ---------------------------------------------------------------------------------- */

void call_wait_for_person(struct tools_call *call, struct str why)
{
    set_life(call, LIFE_ASKING);
    call->asked_ms = now_ms(call);
    tell_later(call, why, tell_waiting);
}

void call_go_on(struct tools_call *call)
{
    call->asking_ms += now_ms(call) - call->asked_ms;
    set_life(call, LIFE_RUNNING);
}

static void on_answer(void *user, const struct host_ask_answer *answer)
{
    struct tools_call *call = user;
    call_go_on(call);
    call_answer_fn *fn = call->on_answer;
    call->on_answer = NULL;
    call->was_approved |= answer->decision == HOST_ACCEPT;
    if (answer->decision == HOST_ACCEPT || call->takes_refusal) {
        call->takes_refusal = false;
        fn(call, answer);
        return;
    }
    buf_append_c(&call->text, answer->decision == HOST_DECLINE
                                  ? "The user declined this; it was not done."
                                  : "The user cancelled this; it was not done.");
    buf_append_c(&call->decision, answer->decision == HOST_DECLINE ? "declined by the user"
                                                                   : "cancelled by the user");
    if (answer->note.len > 0) {
        buf_append_fmt(&call->text, " They say: " STR_FMT, STR_ARG(answer->note));
        buf_append_fmt(&call->decision, ": " STR_FMT, STR_ARG(answer->note));
    }
    call_end(call, false);
}

void call_ask(struct tools_call *call, const struct host_ask *ask, call_answer_fn *fn)
{
    const struct host *host = call->tools->env.host;
    struct host_ask full = *ask;
    full.thread_id = call->thread->asks_as;
    full.turn_id = call->turn_id;
    full.item_id = call->id;
    call->on_answer = fn;
    call_wait_for_person(call, str_from(ask->title));
    host->ops->ask(host->host, &full, on_answer, call);
}

void call_ask_either(struct tools_call *call, const struct host_ask *ask, call_answer_fn *fn)
{
    call->takes_refusal = true;
    call_ask(call, ask, fn);
}

/* -- The door -------------------------------------------------------------------------------- */

struct tools_call *tools_call_start(struct tools_thread *thread,
                                    const struct tools_request *request,
                                    const struct tools_handlers *handlers, void *user)
{
    struct tools_call *call = mem_new(struct tools_call);
    call->refs = 1;
    call->tools = thread->tools;
    call->thread = thread;
    call->tool = table_find(request->name);
    call->id = str_dup_c(request->call_id);
    call->name = str_dup_c(request->name);
    call->turn_id = mem_dup_c(request->turn_id ? request->turn_id : "");
    buf_append(&call->arguments, request->arguments);
    call->is_custom = request->is_custom;
    call->handlers = *handlers;
    call->user = user;
    call->output_limit = LIMIT_TOOL_OUTPUT_BYTES;
    call->created_ms = now_ms(call);
    vec_push(&thread->calls, call);
    loop_defer(call->tools->env.loop, on_begin, call_ref(call));
    return call;
}

void tools_call_cancel(struct tools_call *call)
{
    if (call->is_cancelled || call->life == LIFE_ENDED)
        return;
    call->is_cancelled = true;
    if (call->life == LIFE_NEW)
        return;            /* begin() will see it */
    if (call->is_ending) { /* done but for its hooks */
        hooks_stop(call->hooks);
        call->hooks = NULL;
        call_end_now(call);
        return;
    }
    if (call->life == LIFE_RUNNING && call->tool->cancel && !call->tool->cancel(call))
        return;
    struct buf partial = {0};
    buf_move(&partial, &call->text);
    buf_append_c(&call->text, cancelled_text);
    if (partial.len > 0)
        buf_append_fmt(&call->text, "\n" STR_FMT, STR_ARG(buf_str(&partial)));
    buf_finish(&partial);
    call_end(call, false);
}
