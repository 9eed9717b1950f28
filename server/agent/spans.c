/* What happened when in a turn: its steps, and what the editor was asked meanwhile. For `lanebridge
 * trace`. */
#include "agent-internal.h"

#include <stdio.h>

static uint64_t since(const struct agent_turn *turn, uint64_t ms)
{
    return ms > turn->began_ms ? ms - turn->began_ms : 0;
}

static void push(struct agent_turn *turn, const struct turn_span *span)
{
    if (turn->spans.len < LIMIT_TURN_SPANS_COUNT)
        vec_push(&turn->spans, *span);
}

/* What never came took no time, and what was before it took the rest. */
void turn_note_step(struct agent_turn *turn, const struct responses_result *result)
{
    uint64_t ended =
        result->ended_ms > 0 ? result->ended_ms : loop_now_ms(turn->thread->agent->env.loop);
    uint64_t output = result->first_output_ms ? result->first_output_ms : ended;
    uint64_t event = result->first_event_ms ? result->first_event_ms : output;
    uint64_t sent = result->sent_ms ? result->sent_ms : event;
    uint64_t queued = result->queued_ms ? result->queued_ms : sent;
    struct turn_span span = {
        .step = (unsigned)turn->timing.steps,
        .at_ms = since(turn, queued),
        .stage_ms = {sent - queued, event - sent, output - event, ended - output}};
    if (queued <= sent && sent <= event && event <= output && output <= ended)
        push(turn, &span);
}

static void note_editor(struct agent_thread *thread, const struct turn_span *what,
                        uint64_t began_ms, uint64_t ended_ms)
{
    struct agent_turn *turn = thread->turn;
    struct turn_span span = *what;
    if (!turn || turn->announced_end || turn->began_ms == 0 || ended_ms < turn->began_ms)
        return;
    span.at_ms = since(turn, began_ms);
    span.took_ms = since(turn, ended_ms) - span.at_ms;
    push(turn, &span);
}

void agent_note_editor(struct agent *agent, const char *method, uint64_t began_ms,
                       uint64_t ended_ms)
{
    struct turn_span span = {0};
    snprintf(span.method, sizeof(span.method), "%s", method);
    for (size_t i = 0; i < agent->threads.len; i++)
        note_editor(agent->threads.ptr[i], &span, began_ms, ended_ms);
}

static void write_step(struct json_writer *w, const struct turn_span *span)
{
    static const char *const names[] = {"queue", "network", "server", "output"};
    json_write_field_int(w, "step", span->step);
    json_write_field_int(w, "at", (int64_t)span->at_ms);
    for (size_t i = 0; i < array_count(names); i++)
        json_write_field_int(w, names[i], (int64_t)span->stage_ms[i]);
}

void turn_append_spans(const struct agent_turn *turn, struct json_writer *w)
{
    json_write_key(w, "spans");
    json_write_begin_array(w);
    for (size_t i = 0; i < turn->spans.len; i++) {
        const struct turn_span *span = &turn->spans.ptr[i];
        json_write_begin_object(w);
        if (span->method[0]) {
            json_write_field_c(w, "editor", span->method);
            json_write_field_int(w, "at", (int64_t)span->at_ms);
            json_write_field_int(w, "ms", (int64_t)span->took_ms);
        } else {
            write_step(w, span);
        }
        json_write_end_object(w);
    }
    json_write_end_array(w);
}
