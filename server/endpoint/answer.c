/* One response on its way: paced by a timer, torn by its faults. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "endpoint-internal.h"

/* So many events are sent in one go before other lanes have their turn. */
enum { BATCH_EVENTS = 32, UNREAD_WAIT_MS = 2, LEAVE_WAIT_MS = 1 };

/* WAITING: for a timer. STALLED: for ever, as a fault. LEAVING: the connection goes as soon as what
 * was sent is out. */
static const bool moves[ANSWER_OVER + 1][ANSWER_OVER + 1] = {
    [ANSWER_WAITING] = {[ANSWER_RUNNING] = true},
    [ANSWER_RUNNING] = {[ANSWER_WAITING] = true,
                        [ANSWER_STALLED] = true,
                        [ANSWER_LEAVING] = true,
                        [ANSWER_OVER] = true},
};

static void set_state(struct answer *answer, enum answer_state state)
{
    assert(moves[answer->state][state]);
    answer->state = state;
}

static void wait_ms(struct answer *answer, uint64_t ms)
{
    set_state(answer, ANSWER_WAITING);
    loop_timer_start(answer->timer, ms, 0);
}

/* -- Usage ----------------------------------------------------------------------------------------
 */

static size_t body_bytes(const struct plan_item *item)
{
    return item->text.len + item->name.len + item->body.len;
}

static void estimate_usage(struct answer *answer, const struct request *request,
                           const struct record *parent)
{
    struct usage *usage = &answer->usage;
    size_t fixed = request->span[FIELD_INSTRUCTIONS].len + request->span[FIELD_TOOLS].len;
    size_t held = parent ? parent->bytes : 0, output = 0, reasoning = 0;
    for (size_t i = 0; i < answer->plan.items.len; i++) {
        const struct plan_item *item = &answer->plan.items.ptr[i];
        output += body_bytes(item);
        reasoning += item->kind == ITEM_REASONING ? body_bytes(item) : 0;
    }
    answer->record->bytes = held + request->span[FIELD_INPUT].len + output;
    usage->input = (int64_t)(held + fixed + request->span[FIELD_INPUT].len) / 4;
    usage->cached = (int64_t)held / 4;
    usage->output = (int64_t)output / 4;
    usage->reasoning = (int64_t)reasoning / 4;
    const struct json_value *told = answer->plan.usage;
    usage->input = json_get_int(told, "input_tokens", usage->input);
    usage->cached = json_get_int(told, "cached_tokens", usage->cached);
    usage->output = json_get_int(told, "output_tokens", usage->output);
    usage->reasoning = json_get_int(told, "reasoning_tokens", usage->reasoning);
}

/* -- The end --------------------------------------------------------------------------------------
 */

static bool any_item_done(const struct answer *answer)
{
    for (size_t i = 0; i < answer->plan.items.len; i++)
        if (answer->plan.items.ptr[i].done)
            return true;
    return false;
}

static bool is_whole(const struct answer *answer)
{
    return answer->phase == PHASE_OVER && !answer->failed;
}

/* A conversation of which the client has seen nothing is not there: its rollout is free again. */
static void give_back(struct answer *answer)
{
    if (answer->plan.taken && !is_whole(answer) && !any_item_done(answer))
        answer->plan.taken->used = false;
    answer->plan.taken = NULL;
}

/* Where the successor goes on, and which calls it must answer. */
static void fill_record(struct answer *answer)
{
    struct record *record = answer->record;
    uint64_t present = 0;
    for (size_t i = 0; i < answer->plan.items.len; i++) {
        const struct plan_item *item = &answer->plan.items.ptr[i];
        if (!item->done)
            continue;
        present |= (uint64_t)1 << item->index;
        if (item->call_id[0]) {
            struct pending_call call = {.is_custom = item->kind == ITEM_CUSTOM_CALL};
            memcpy(call.call_id, item->call_id, sizeof(call.call_id));
            vec_push(&record->pending, call);
        }
    }
    if (!answer->endpoint->replay || !answer->plan.at.known) /* a warm-up stays where it is */
        return;
    for (unsigned i = 0; i < answer->plan.at.item; i++)
        present |= (uint64_t)1 << i;
    record->next = play_resume(answer->endpoint->replay, answer->plan.at.rollout,
                               answer->plan.at.step, present);
}

static void end(struct answer *answer, bool can_continue)
{
    set_state(answer, ANSWER_OVER);
    give_back(answer);
    if (can_continue)
        fill_record(answer);
    answer->ops->on_end(answer->user, can_continue ? answer->record : NULL);
}

/* -- Faults ---------------------------------------------------------------------------------------
 */

static void send(struct answer *answer, const char *type, struct buf *json)
{
    answer->events++;
    answer->ops->on_event(answer->user, type, json);
}

static bool end_with(struct answer *answer, const char *status, const struct replay_fault *fault)
{
    struct buf json = {0};
    const char *type = emit_ending(answer, &json, status, fault);
    answer->failed = fault->kind == FAULT_FAILED;
    answer->phase = PHASE_OVER;
    send(answer, type, &json);
    end(answer, !answer->failed);
    return false;
}

static bool do_cut(struct answer *answer, const struct replay_fault *fault)
{
    set_state(answer, ANSWER_LEAVING);
    answer->close_code = 0;
    loop_timer_start(answer->timer, 0, 0);
    return false;
}

static bool do_close(struct answer *answer, const struct replay_fault *fault)
{
    do_cut(answer, fault);
    answer->close_code = (unsigned)fault->close_code;
    return false;
}

static bool do_stall(struct answer *answer, const struct replay_fault *fault)
{
    set_state(answer, ANSWER_STALLED);
    return false;
}

static bool do_error(struct answer *answer, const struct replay_fault *fault)
{
    struct problem problem;
    problem_set_fault(&problem, fault);
    answer->failed = true;
    answer->ops->on_error(answer->user, &problem);
    end(answer, false);
    return false;
}

/* Between two items, unless calls wait for outputs: then it has to end by itself. */
static bool is_steerable_now(const struct answer *answer)
{
    bool between = answer->phase == PHASE_ITEMS && answer->stage == 0 && answer->item > 0;
    if (answer->steers.len == 0 || !between)
        return false;
    for (size_t i = 0; i < answer->item; i++)
        if (answer->plan.items.ptr[i].call_id[0])
            return false;
    return true;
}

static void end_steered(struct answer *answer)
{
    const struct replay_fault steered = {.kind = FAULT_INCOMPLETE, .reason = STR("steered")};
    end_with(answer, "incomplete", &steered);
}

static bool do_failed(struct answer *answer, const struct replay_fault *fault)
{
    return end_with(answer, "failed", fault);
}

static bool do_incomplete(struct answer *answer, const struct replay_fault *fault)
{
    return end_with(answer, "incomplete", fault);
}

static bool do_garbage(struct answer *answer, const struct replay_fault *fault)
{
    struct buf text = {0};
    buf_append_c(&text, "{\"type\":\"response.outp");
    answer->ops->on_event(answer->user, NULL, &text);
    return true;
}

static bool do_unknown(struct answer *answer, const struct replay_fault *fault)
{
    struct buf json = {0};
    emit_unknown(answer, &json);
    answer->ops->on_event(answer->user, "response.lanebridge_unknown", &json);
    return true;
}

static const struct {
    bool (*act)(struct answer *answer, const struct replay_fault *fault); /* true: it goes on */
    bool after_the_end; /* makes sense when the terminal event has been sent */
} faults[FAULT_KIND_COUNT] = {
    [FAULT_CUT] = {do_cut, true},         [FAULT_CLOSE] = {do_close, true},
    [FAULT_STALL] = {do_stall, false},    [FAULT_ERROR] = {do_error, false},
    [FAULT_FAILED] = {do_failed, false},  [FAULT_INCOMPLETE] = {do_incomplete, false},
    [FAULT_GARBAGE] = {do_garbage, true}, [FAULT_UNKNOWN] = {do_unknown, true},
};

static struct replay_fault *due_fault(const struct answer *answer)
{
    struct replay_fault *fault = answer->plan.fault;
    bool due = fault && faults[fault->kind].act && fault->times_left > 0 &&
               (uint64_t)fault->after_event == answer->events;
    if (due && answer->phase == PHASE_OVER && !faults[fault->kind].after_the_end)
        return NULL;
    return due ? fault : NULL;
}

/* False: the answer has ended, or waits. */
static bool suffer(struct answer *answer)
{
    struct replay_fault *fault = due_fault(answer);
    if (!fault)
        return true;
    fault->times_left--;
    answer->plan.fault = NULL;
    return faults[fault->kind].act(answer, fault);
}

/* These change how the whole response looks. */
static void apply_shape_fault(struct answer *answer)
{
    struct replay_fault *fault = answer->plan.fault;
    if (!fault || faults[fault->kind].act)
        return;
    fault->times_left--;
    answer->sparse = fault->kind == FAULT_SPARSE;
    answer->twice = fault->kind == FAULT_DUPLICATE_TERMINAL;
    answer->plan.fault = NULL;
}

/* -- Running --------------------------------------------------------------------------------------
 */

/* True if the next event has to wait. */
static bool holds_back(struct answer *answer)
{
    const struct replay_pace *pace = &answer->plan.pace;
    bool delta = emit_next_is_delta(answer) && answer->deltas > 0 && pace->delta_ms > 0;
    bool first = answer->sequence == 0 && pace->first_ms > 0;
    if (answer->waited || (!delta && !first))
        return false;
    answer->waited = true;
    wait_ms(answer, (uint64_t)(first ? pace->first_ms : pace->delta_ms));
    return true;
}

static void run(struct answer *answer)
{
    for (unsigned i = 0; i < BATCH_EVENTS; i++) {
        if (!suffer(answer))
            return;
        if (answer->phase == PHASE_OVER) {
            end(answer, true);
            return;
        }
        if (is_steerable_now(answer)) {
            end_steered(answer);
            return;
        }
        if (holds_back(answer))
            return;
        struct buf json = {0};
        const char *type = emit_next(answer, &json);
        answer->waited = false;
        send(answer, type, &json);
    }
    bool unread = answer->ops->queued(answer->user) > LIMIT_ENDPOINT_UNREAD_BYTES;
    wait_ms(answer, unread ? UNREAD_WAIT_MS : 0);
}

/* What was sent before a fault must arrive: only then does the connection go. */
static void leave(struct answer *answer)
{
    if (answer->ops->queued(answer->user) > 0)
        loop_timer_start(answer->timer, LEAVE_WAIT_MS, 0);
    else
        answer->ops->on_leave(answer->user, answer->close_code);
}

static void on_timer(void *user)
{
    struct answer *answer = user;
    if (answer->state == ANSWER_LEAVING) {
        leave(answer);
    } else if (answer->ops->queued(answer->user) > LIMIT_ENDPOINT_UNREAD_BYTES) {
        loop_timer_start(answer->timer, UNREAD_WAIT_MS, 0);
    } else {
        set_state(answer, ANSWER_RUNNING);
        run(answer);
    }
}

/* -- Life -----------------------------------------------------------------------------------------
 */

static enum status make_plan(struct answer *answer, const struct request *request,
                             const struct record *parent, struct problem *problem)
{
    struct endpoint *endpoint = answer->endpoint;
    struct intake intake;
    enum status status = intake_read(&intake, request, endpoint, problem);
    if (status == STATUS_OK)
        status = intake_check_calls(&intake, parent, problem);
    if (status == STATUS_OK && endpoint->replay)
        status =
            play_plan(endpoint, request, &intake, parent, &answer->plan, answer->record, problem);
    else if (status == STATUS_OK)
        rules_plan(request, &intake, &answer->plan, answer->record);
    intake_finish(&intake);
    return status;
}

struct answer *answer_new(struct endpoint *endpoint, const struct request *request,
                          const struct record *parent, struct str lane,
                          const struct answer_ops *ops, void *user, struct problem *problem)
{
    struct answer *answer = mem_new(struct answer);
    answer->endpoint = endpoint;
    answer->ops = ops;
    answer->user = user;
    answer->store = request->store;
    answer->record = record_new(endpoint->replay ? endpoint->replay->labels.len : 0, parent);
    if (make_plan(answer, request, parent, problem) < 0) {
        answer_free(answer);
        return NULL;
    }
    struct id_place place = {answer->plan.at.rollout, answer->plan.at.step, 0};
    endpoint_id_make(answer->id, "resp", endpoint->fingerprint, place);
    memcpy(answer->record->id, answer->id, sizeof(answer->id));
    snprintf(answer->lane, sizeof(answer->lane), STR_FMT, STR_ARG(lane));
    response_append_constant(&answer->constant, endpoint, request, answer->id,
                             time_wall_ms() / 1000);
    response_append_metadata(&answer->metadata, endpoint, request);
    steer_append_settings(&answer->settings, request);
    estimate_usage(answer, request, parent);
    apply_shape_fault(answer);
    answer->timer = loop_timer_new(endpoint->loop, on_timer, answer);
    return answer;
}

void answer_start(struct answer *answer)
{
    set_state(answer, ANSWER_RUNNING);
    run(answer);
}

void answer_free(struct answer *answer)
{
    if (!answer)
        return;
    give_back(answer);
    loop_timer_free(answer->timer);
    plan_finish(&answer->plan);
    record_unref(answer->record);
    buf_finish(&answer->constant);
    buf_finish(&answer->metadata);
    buf_finish(&answer->settings);
    steers_finish(&answer->steers);
    mem_free(answer);
}
