/* Hooks around a call: before it is judged and run, and after it, before its output is told. */
#include "hook-internal.h"

enum { TOLD_BYTES = 64 * 1024 }; /* of a call's output */

static void write_call(struct json_writer *w, const struct tools_call *call, const char *event)
{
    json_write_begin_object(w);
    json_write_field_c(w, "event", event);
    json_write_field_c(w, "threadId", call->thread->id);
    json_write_field_c(w, "turnId", call->turn_id);
    json_write_field_c(w, "folder", call->thread->root_path);
    json_write_field_c(w, "callId", call->id);
    json_write_field_c(w, "tool", call->name);
    json_write_field_str(w, "arguments", buf_str(&call->arguments));
}

static void on_note(void *user, struct str text)
{
    call_note(user, text);
}

static void start(struct tools_call *call, enum policy_hook_event event, struct buf *json,
                  hooks_done_fn *on_done)
{
    struct hooks_wish wish = {.event = event,
                              .tool = str_from(call->name),
                              .turn_id = str_from(call->turn_id),
                              .json = buf_str(json),
                              .on_done = on_done,
                              .on_note = on_note};
    call->hooks = hooks_start(call->thread, &wish, call);
    buf_finish(json);
}

/* -- Before ----------------------------------------------------------------------------------- */

static void on_before(void *user, bool is_blocked, struct str text)
{
    struct tools_call *call = user;
    call->hooks = NULL;
    if (!is_blocked) {
        buf_append(&call->hook_text, text);
        call->tool->run(call);
        return;
    }
    buf_append_c(&call->decision, "stopped by a hook of the user");
    call_fail(call, "Not run: a hook of the user stopped it.\n" STR_FMT, STR_ARG(text));
}

void call_hooks_before(struct tools_call *call)
{
    if (!hooks_are_there(call->tools, HOOK_BEFORE_TOOL, str_from(call->name))) {
        call->tool->run(call);
        return;
    }
    struct buf json = {0};
    struct json_writer w;
    json_writer_init(&w, &json);
    write_call(&w, call, "beforeTool");
    json_write_end_object(&w);
    start(call, HOOK_BEFORE_TOOL, &json, on_before);
}

/* -- After ------------------------------------------------------------------------------------ */

static void on_after(void *user, bool is_blocked, struct str text)
{
    struct tools_call *call = user;
    (void)is_blocked;
    call->hooks = NULL;
    buf_append(&call->hook_text, text);
    call_end_now(call);
}

bool call_hooks_after(struct tools_call *call)
{
    if (!(call->is_recorded || call->harmless_by) || call->unknown || call->is_cancelled ||
        !hooks_are_there(call->tools, HOOK_AFTER_TOOL, str_from(call->name)))
        return false;
    struct buf json = {0};
    struct json_writer w;
    struct str output = buf_str(&call->text);
    json_writer_init(&w, &json);
    write_call(&w, call, "afterTool");
    json_write_field_bool(&w, "ok", call->ok);
    json_write_field_int(&w, "exitCode", call->exit_code);
    json_write_field_str(&w, "output", str_slice(output, 0, utf8_floor(output, TOLD_BYTES)));
    json_write_end_object(&w);
    start(call, HOOK_AFTER_TOOL, &json, on_after);
    return true;
}

bool call_has_hooks(struct tools_call *call)
{
    struct str name = str_from(call->name);
    return hooks_are_there(call->tools, HOOK_BEFORE_TOOL, name) ||
           hooks_are_there(call->tools, HOOK_AFTER_TOOL, name);
}

/* -- The end of a turn ------------------------------------------------------------------------ */

struct turn_end {
    tools_turn_hooks_fn *fn;
    void *user;
};

static void on_turn_note(void *user, struct str text)
{
    struct turn_end *end = user;
    end->fn(end->user, text, STR(""));
}

static void on_turn_done(void *user, bool is_blocked, struct str text)
{
    struct turn_end *end = user;
    (void)is_blocked;
    if (text.len > 0)
        end->fn(end->user, STR(""), text);
}

void tools_turn_ended(struct tools_thread *thread, const char *turn_id, const char *status,
                      tools_turn_hooks_fn *fn, void *user)
{
    if (!hooks_are_there(thread->tools, HOOK_TURN_END, STR("")))
        return;
    struct buf json = {0};
    struct json_writer w;
    json_writer_init(&w, &json);
    json_write_begin_object(&w);
    json_write_field_c(&w, "event", "turnEnd");
    json_write_field_c(&w, "threadId", thread->id);
    json_write_field_c(&w, "turnId", turn_id);
    json_write_field_c(&w, "folder", thread->root_path);
    json_write_field_c(&w, "status", status);
    json_write_end_object(&w);
    struct turn_end *end = mem_new(struct turn_end);
    *end = (struct turn_end){fn, user};
    struct hooks_wish wish = {.event = HOOK_TURN_END,
                              .turn_id = str_from(turn_id),
                              .json = buf_str(&json),
                              .on_done = on_turn_done,
                              .on_note = on_turn_note,
                              .owned = end};
    hooks_start(thread, &wish, end);
    buf_finish(&json);
}
