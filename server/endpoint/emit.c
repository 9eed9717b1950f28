/* The event stream of a response, one event at a time. */
#include <assert.h>

#include "saves-internal.h"

/* -- The head that all events share ---------------------------------------------------------------
 */

static void begin_event(struct answer *answer, struct json_writer *w, struct buf *buf,
                        const char *type)
{
    json_writer_init(w, buf);
    json_write_begin_object(w);
    json_write_field_c(w, "type", type);
    json_write_field_int(w, "sequence_number", answer->sequence++);
    if (answer->lane[0])
        json_write_field_c(w, "stream_id", answer->lane);
}

static const struct plan_item *current(const struct answer *answer)
{
    return &answer->plan.items.ptr[answer->item];
}

/* -- What stands in an item's events --------------------------------------------------------------
 */

/* The next piece of the text, `chunk` characters of it. */
static struct str peek_chunk(const struct answer *answer)
{
    struct str rest = str_skip(current(answer)->text, answer->offset);
    size_t len = 0;
    uint32_t ignored;
    for (int64_t i = 0; i < answer->plan.pace.chunk && len < rest.len; i++)
        len += utf8_decode(str_skip(rest, len), &ignored);
    return str_slice(rest, 0, len);
}

static void write_delta(struct answer *answer, struct json_writer *w)
{
    struct str chunk = peek_chunk(answer);
    answer->offset += chunk.len;
    answer->deltas++;
    json_write_field_str(w, "delta", chunk);
}

static void write_text_delta(struct answer *answer, struct json_writer *w)
{
    write_delta(answer, w);
    json_write_field_raw(w, "logprobs", STR("[]"));
}

static void write_text(struct answer *answer, struct json_writer *w)
{
    json_write_field_str(w, "text", current(answer)->text);
}

static void write_output_text(struct answer *answer, struct json_writer *w)
{
    write_text(answer, w);
    json_write_field_raw(w, "logprobs", STR("[]"));
}

static void write_part_of(struct json_writer *w, struct str text)
{
    json_write_key(w, "part");
    json_write_begin_object(w);
    json_write_field_c(w, "type", "output_text");
    json_write_field_str(w, "text", text);
    json_write_field_raw(w, "annotations", STR("[]"));
    json_write_field_raw(w, "logprobs", STR("[]"));
    json_write_end_object(w);
}

static void write_part_added(struct answer *answer, struct json_writer *w)
{
    write_part_of(w, STR(""));
}

static void write_part_done(struct answer *answer, struct json_writer *w)
{
    write_part_of(w, current(answer)->text);
}

static void write_thought_of(struct json_writer *w, struct str text)
{
    json_write_key(w, "part");
    json_write_begin_object(w);
    json_write_field_c(w, "type", "reasoning_text");
    json_write_field_str(w, "text", text);
    json_write_end_object(w);
}

static void write_thought_added(struct answer *answer, struct json_writer *w)
{
    write_thought_of(w, STR(""));
}

static void write_thought_done(struct answer *answer, struct json_writer *w)
{
    write_thought_of(w, current(answer)->text);
}

static void write_summary_of(struct json_writer *w, struct str text)
{
    json_write_key(w, "part");
    json_write_begin_object(w);
    json_write_field_c(w, "type", "summary_text");
    json_write_field_str(w, "text", text);
    json_write_end_object(w);
}

static void write_summary_added(struct answer *answer, struct json_writer *w)
{
    write_summary_of(w, STR(""));
}

static void write_summary_done(struct answer *answer, struct json_writer *w)
{
    write_summary_of(w, current(answer)->text);
}

static void write_arguments(struct answer *answer, struct json_writer *w)
{
    json_write_field_str(w, "name", current(answer)->name);
    json_write_field_str(w, "arguments", current(answer)->text);
}

static void write_input(struct answer *answer, struct json_writer *w)
{
    json_write_field_str(w, "input", current(answer)->text);
}

/* -- Stages ---------------------------------------------------------------------------------------
 */

enum stage_flags {
    STAGE_ITEM = 1,     /* carries the item, not the id of it */
    STAGE_DONE = 2,     /* the item is done with it */
    STAGE_DELTA = 4,    /* comes until the text is used up, maybe never */
    STAGE_CONTENT = 8,  /* names a content part */
    STAGE_SUMMARY = 16, /* names a summary part */
};
struct stage {
    const char *type;
    unsigned flags;
    void (*write)(struct answer *answer, struct json_writer *w);
};

#define ITEM_ADDED                                                                                 \
    {                                                                                              \
        "response.output_item.added", STAGE_ITEM, NULL                                             \
    }
#define ITEM_DONE                                                                                  \
    {                                                                                              \
        "response.output_item.done", STAGE_ITEM | STAGE_DONE, NULL                                 \
    }
static const struct stage message_stages[] = {
    ITEM_ADDED,
    {"response.content_part.added", STAGE_CONTENT, write_part_added},
    {"response.output_text.delta", STAGE_CONTENT | STAGE_DELTA, write_text_delta},
    {"response.output_text.done", STAGE_CONTENT, write_output_text},
    {"response.content_part.done", STAGE_CONTENT, write_part_done},
    ITEM_DONE,
    {0},
};
static const struct stage reasoning_stages[] = {
    ITEM_ADDED,
    {"response.reasoning_summary_part.added", STAGE_SUMMARY, write_summary_added},
    {"response.reasoning_summary_text.delta", STAGE_SUMMARY | STAGE_DELTA, write_delta},
    {"response.reasoning_summary_text.done", STAGE_SUMMARY, write_text},
    {"response.reasoning_summary_part.done", STAGE_SUMMARY, write_summary_done},
    ITEM_DONE,
    {0},
};
static const struct stage thought_stages[] = {
    ITEM_ADDED,
    {"response.content_part.added", STAGE_CONTENT, write_thought_added},
    {"response.reasoning_text.delta", STAGE_CONTENT | STAGE_DELTA, write_delta},
    {"response.reasoning_text.done", STAGE_CONTENT, write_text},
    {"response.content_part.done", STAGE_CONTENT, write_thought_done},
    ITEM_DONE,
    {0},
};
static const struct stage function_stages[] = {
    ITEM_ADDED,
    {"response.function_call_arguments.delta", STAGE_DELTA, write_delta},
    {"response.function_call_arguments.done", 0, write_arguments},
    ITEM_DONE,
    {0},
};
static const struct stage custom_stages[] = {
    ITEM_ADDED,
    {"response.custom_tool_call_input.delta", STAGE_DELTA, write_delta},
    {"response.custom_tool_call_input.done", 0, write_input},
    ITEM_DONE,
    {0},
};
static const struct stage compaction_stages[] = {
    ITEM_ADDED,
    {"response.compaction.compacting", 0, NULL},
    ITEM_DONE,
    {0},
};
static const struct stage other_stages[] = {ITEM_ADDED, ITEM_DONE, {0}};
static const struct stage *const stages[ITEM_KIND_COUNT] = {
    [ITEM_MESSAGE] = message_stages,    [ITEM_REASONING] = reasoning_stages,
    [ITEM_THOUGHT] = thought_stages,    [ITEM_FUNCTION_CALL] = function_stages,
    [ITEM_CUSTOM_CALL] = custom_stages, [ITEM_COMPACTION] = compaction_stages,
    [ITEM_OTHER] = other_stages,
};

static const struct stage *current_stage(const struct answer *answer)
{
    return &stages[current(answer)->kind][answer->stage];
}

static bool is_skipped(const struct answer *answer, const struct stage *stage)
{
    struct str text = current(answer)->text;
    if (stage->flags & STAGE_DELTA)
        return answer->offset >= text.len;
    if (stage->flags & STAGE_SUMMARY) /* an empty summary has no parts */
        return text.len == 0;
    return answer->sparse && stage->flags == STAGE_ITEM;
}

/* The item has to grow, or to be closed, before it is known what comes next. */
static bool is_awaited(const struct answer *answer, const struct stage *stage)
{
    bool used_up = (stage->flags & (STAGE_DELTA | STAGE_SUMMARY)) &&
                   answer->offset >= current(answer)->text.len;
    return current(answer)->open && used_up;
}

/* Moves on to what is to be sent next, if anything of the items is. */
static void settle(struct answer *answer)
{
    while (answer->phase == PHASE_ITEMS) {
        bool open = answer->plan.state == PLAN_OPEN;
        if (answer->item == answer->plan.items.len) {
            answer->phase = open ? PHASE_ITEMS : PHASE_TERMINAL;
            return;
        }
        const struct stage *stage = current_stage(answer);
        if (stage->type && is_awaited(answer, stage)) {
            answer->phase = open ? PHASE_ITEMS : PHASE_TERMINAL;
            return;
        }
        if (!stage->type) {
            answer->item++;
            answer->stage = answer->offset = 0;
        } else if (is_skipped(answer, stage)) {
            answer->stage++;
        } else {
            return;
        }
    }
}

static void write_place(const struct answer *answer, struct json_writer *w, unsigned flags)
{
    json_write_field_int(w, "output_index", (int64_t)(answer->item_base + answer->item));
    if (flags & STAGE_ITEM) {
        json_write_key(w, "item");
        item_write(w, current(answer), (flags & STAGE_DONE) != 0);
        return;
    }
    json_write_field_c(w, "item_id", current(answer)->id);
    if (flags & STAGE_CONTENT)
        json_write_field_int(w, "content_index", 0);
    if (flags & STAGE_SUMMARY)
        json_write_field_int(w, "summary_index", 0);
}

static const char *emit_stage(struct answer *answer, struct buf *buf)
{
    const struct stage *stage = current_stage(answer);
    struct json_writer w;
    begin_event(answer, &w, buf, stage->type);
    write_place(answer, &w, stage->flags);
    if (stage->write)
        stage->write(answer, &w);
    json_write_end_object(&w);
    if (stage->flags & STAGE_DONE)
        answer->plan.items.ptr[answer->item].done = true;
    if (!(stage->flags & STAGE_DELTA))
        answer->stage++;
    return stage->type;
}

/* -- Events that carry the response ---------------------------------------------------------------
 */

static void emit_response(struct answer *answer, struct buf *buf, const char *type,
                          const struct response_state *state)
{
    struct json_writer w;
    struct response_state full = *state;
    full.pad_bytes = state->pad_bytes > buf->len ? state->pad_bytes - buf->len : 0;
    begin_event(answer, &w, buf, type);
    json_write_key(&w, "response");
    buf_reserve(buf, full.pad_bytes);
    struct buf object = {0};
    response_append(&object, buf_str(&answer->constant), buf_str(&answer->metadata), &full);
    json_write_raw(&w, buf_str(&object));
    if (state->plan)
        record_set_response(answer->record, buf_str(&object));
    buf_finish(&object);
    json_write_end_object(&w);
}

static const char *emit_begun(struct answer *answer, struct buf *buf, const char *type)
{
    const struct response_state state = {.status = "in_progress"};
    emit_response(answer, buf, type, &state);
    return type;
}

const char *emit_ending(struct answer *answer, struct buf *buf, enum plan_state how,
                        const char *reason, const char *code, const char *message)
{
    static const struct {
        const char *type, *status;
    } endings[] = {
        [PLAN_COMPLETED] = {"response.completed", "completed"},
        [PLAN_INCOMPLETE] = {"response.incomplete", "incomplete"},
        [PLAN_FAILED] = {"response.failed", "failed"},
    };
    struct buf spent = {0};
    stages_note_engine(answer);
    answer_settle_usage(answer);
    stages_append(&spent, answer);
    struct response_state state = {
        .status = endings[how].status,
        .plan = &answer->plan,
        .without_output = answer->sparse,
        .usage = &answer->usage,
        .pad_bytes = answer->plan.pad_bytes,
        .reason = how == PLAN_INCOMPLETE ? reason : NULL,
        .error_code = how == PLAN_FAILED ? code : NULL,
        .error_message = message,
        .stages = buf_str(&spent),
        .completed_at = how == PLAN_COMPLETED ? time_wall_ms() / 1000 : 0,
    };
    bool paused = how == PLAN_COMPLETED && append_is_pause(answer);
    const char *type = paused ? "response.done" : endings[how].type;
    if (paused) {
        state.status = "in_progress";
        state.completed_at = 0;
    }
    emit_response(answer, buf, type, &state);
    if (paused)
        append_pause(answer);
    buf_finish(&spent);
    return type;
}

static const char *emit_planned_ending(struct answer *answer, struct buf *buf)
{
    const struct plan *plan = &answer->plan;
    return emit_ending(answer, buf, plan->state, plan->reason, plan->problem.code,
                       plan->problem.message);
}

void emit_unknown(struct answer *answer, struct buf *buf)
{
    struct json_writer w;
    begin_event(answer, &w, buf, "response.lanebridge_unknown");
    json_write_field_c(&w, "note", "an event of a type that no client knows");
    json_write_end_object(&w);
}

/* -- Next -----------------------------------------------------------------------------------------
 */

bool emit_is_ready(struct answer *answer)
{
    settle(answer);
    return answer->phase != PHASE_ITEMS ||
           (answer->item < answer->plan.items.len && !is_awaited(answer, current_stage(answer)));
}

bool emit_next_is_delta(const struct answer *answer)
{
    return answer->phase == PHASE_ITEMS && (current_stage(answer)->flags & STAGE_DELTA);
}

const char *emit_next(struct answer *answer, struct buf *buf)
{
    const char *type = NULL;
    switch (answer->phase) {
    case PHASE_CREATED:
        type = emit_begun(answer, buf, "response.created");
        answer->phase = PHASE_IN_PROGRESS;
        break;
    case PHASE_IN_PROGRESS:
        type = emit_begun(answer, buf, "response.in_progress");
        answer->phase = PHASE_ITEMS;
        break;
    case PHASE_ITEMS:
        type = emit_stage(answer, buf);
        break;
    case PHASE_TERMINAL:
        type = emit_planned_ending(answer, buf);
        answer->phase = answer->twice ? PHASE_AGAIN : PHASE_OVER;
        break;
    case PHASE_AGAIN:
        type = emit_planned_ending(answer, buf);
        answer->phase = PHASE_OVER;
        break;
    case PHASE_OVER:
        assert(!"nothing comes after the end");
    }
    return type;
}
