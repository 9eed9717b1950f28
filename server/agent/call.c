/* The calls of a turn: started when their item is done, answered exactly once. */
#include "agent-internal.h"

static const enum agent_item_type type_of_kind[] = {
    [TOOL_READ] = AGENT_TOOL_CALL,   [TOOL_SEARCH] = AGENT_TOOL_CALL,
    [TOOL_EDIT] = AGENT_FILE_CHANGE, [TOOL_COMMAND] = AGENT_COMMAND,
    [TOOL_PLAN] = AGENT_PLAN,        [TOOL_HELPER] = AGENT_SUBAGENT,
    [TOOL_OTHER] = AGENT_TOOL_CALL,
};

enum agent_item_type call_item_type(struct str name)
{
    return type_of_kind[tools_kind_of(name)];
}

void call_free(struct turn_call *call)
{
    if (!call)
        return;
    buf_finish(&call->title);
    buf_finish(&call->output_json);
    mem_free(call->call_id);
    mem_free(call->name);
    mem_free(call);
}

static struct agent_event event_for(struct turn_call *call, enum agent_event_type type)
{
    struct agent_event event = agent_event_for(call->turn, type);
    event.item_id = call->call_id;
    event.item_type = call->type;
    event.name = str_from(call->name);
    event.title = buf_str(&call->title);
    return event;
}

static void announce(struct turn_call *call)
{
    if (call->announced)
        return;
    call->announced = true;
    struct agent_event event = event_for(call, AGENT_ITEM_STARTED);
    agent_emit(call->turn->thread->agent, &event);
}

static void on_started(void *user, enum tools_kind kind, struct str title)
{
    struct turn_call *call = user;
    call->type = type_of_kind[kind];
    buf_clear(&call->title);
    buf_append(&call->title, title);
    announce(call);
}

static void on_waiting(void *user, struct str why)
{
    struct turn_call *call = user;
    struct agent_event event = event_for(call, AGENT_NOTICE);
    event.text = why;
    agent_emit(call->turn->thread->agent, &event);
}

static void on_note(void *user, struct str text)
{
    struct turn_call *call = user;
    struct agent_event event = event_for(call, AGENT_NOTICE);
    event.text = text;
    event.is_lasting = true;
    agent_emit(call->turn->thread->agent, &event);
}

static void on_progress(void *user, struct str text)
{
    struct turn_call *call = user;
    announce(call);
    struct agent_event event = event_for(call, AGENT_ITEM_DELTA);
    event.text = text;
    agent_emit(call->turn->thread->agent, &event);
}

static void on_done(void *user, const struct tools_output *output)
{
    struct turn_call *call = user;
    struct agent_turn *turn = call->turn;
    call->call = NULL;
    call->done = true;
    bool shows = output->image_count > 0 && !agent_refuses_images(turn->thread);
    if (shows)
        history_format_seen(&call->output_json, str_from(call->call_id), call->is_custom,
                            output->text, output->images, output->image_count);
    else
        history_format_output(&call->output_json, str_from(call->call_id), call->is_custom,
                              output->text);
    turn->calls_running--;
    turn->timing.waiting_ms += output->waited_ms;

    announce(call);
    struct agent_event event = event_for(call, AGENT_ITEM_COMPLETED);
    event.text = output->summary;
    event.output = call->type == AGENT_PLAN && output->ok ? tools_thread_plan(turn->thread->tools)
                                                          : output->text;
    event.diff = output->diff;
    event.ok = output->ok;
    event.ran_ms = output->ran_ms;
    event.waited_ms = output->waited_ms;
    event.exit_code = output->exit_code;
    agent_emit(turn->thread->agent, &event);
    turn_advance(turn);
}

static const struct tools_handlers handlers = {.on_started = on_started,
                                               .on_waiting = on_waiting,
                                               .on_progress = on_progress,
                                               .on_note = on_note,
                                               .on_done = on_done};

void call_start(struct agent_turn *turn, const struct responses_item *item)
{
    struct turn_call *call = mem_new(struct turn_call);
    call->turn = turn;
    call->call_id = str_dup_c(item->call_id);
    call->name = str_dup_c(item->name);
    call->is_custom = str_eq_c(item->type, "custom_tool_call");
    call->type = call_item_type(item->name);
    tools_append_title(&call->title, item->name, item->arguments);
    vec_push(&turn->calls, call);
    turn->calls_running++;
    turn->timing.calls++;
    struct tools_request request = {.call_id = item->call_id,
                                    .name = item->name,
                                    .arguments = item->arguments,
                                    .is_custom = call->is_custom,
                                    .turn_id = turn_public_id(turn)};
    call->call = tools_call_start(turn->thread->tools, &request, &handlers, call);
}
