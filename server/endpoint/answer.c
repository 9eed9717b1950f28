/* One response on its way: paced by a timer, torn by its faults. (long because all of it moves one
 * state machine: running, waiting, faults, steering and the end call each other) */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "answer-internal.h"

/* So many events are sent in one go before other lanes have their turn. */
enum { BATCH_EVENTS = 32, UNREAD_WAIT_MS = 2, LEAVE_WAIT_MS = 1, HOLD_MS = 2000 };

/* WAITING: for a timer. STARVED: for its engine. STALLED: for ever, as a fault. LEAVING: the
 * connection goes as soon as what was sent is out. */
static const bool moves[ANSWER_OVER + 1][ANSWER_OVER + 1] = {
    [ANSWER_WAITING] = {[ANSWER_RUNNING] = true},
    [ANSWER_RUNNING] = {[ANSWER_WAITING] = true,
                        [ANSWER_STARVED] = true,
                        [ANSWER_STALLED] = true,
                        [ANSWER_LEAVING] = true,
                        [ANSWER_SAVING] = true,
                        [ANSWER_OVER] = true},
    [ANSWER_SAVING] = {[ANSWER_RUNNING] = true},
    [ANSWER_STARVED] = {[ANSWER_RUNNING] = true},
};

void answer_set_state(struct answer *answer, enum answer_state state)
{
    assert(moves[answer->state][state]);
    answer->state = state;
}

static void wait_ms(struct answer *answer, uint64_t ms)
{
    answer_set_state(answer, ANSWER_WAITING);
    loop_timer_start(answer->timer, ms, 0);
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
    if (answer->compacted)
        record->token_count = answer->output_tokens;
    for (size_t i = 0; i < answer->plan.items.len; i++) {
        const struct plan_item *item = &answer->plan.items.ptr[i];
        if (!item->done)
            continue;
        if (item->kind != ITEM_COMPACTION)
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

static void stop_engine(struct answer *answer)
{
    const struct engine *engine = answer->endpoint->engine;
    if (engine->cancel && !answer->stopped)
        engine->cancel(answer);
    answer->stopped = true;
}

static void count_end(const struct answer *answer)
{
    struct metrics *metrics = &answer->endpoint->metrics;
    metrics_add(metrics,
                answer->failed       ? METRIC_RESPONSES_FAILED
                : answer->incomplete ? METRIC_RESPONSES_INCOMPLETE
                                     : METRIC_RESPONSES_COMPLETED,
                1);
    stages_note_ending(answer);
    metrics_add(metrics, METRIC_TOKENS_INPUT, (uint64_t)answer->usage.input);
    metrics_add(metrics, METRIC_TOKENS_CACHED, (uint64_t)answer->usage.cached);
    metrics_add(metrics, METRIC_TOKENS_OUTPUT, (uint64_t)answer->usage.output);
}

void answer_end(struct answer *answer, bool can_continue)
{
    answer_set_state(answer, ANSWER_OVER);
    stop_engine(answer);
    give_back(answer);
    count_end(answer);
    uint64_t begun = time_mono_ns();
    answer_keep_books(answer, NULL, NULL);
    if (!answer->is_noted)
        stages_note_bookkeeping(answer->saves, begun);
    answer->ops->on_end(answer->user, can_continue ? answer->record : NULL);
}

/* -- The terminal event
 * ---------------------------------------------------------------------------------------
 */

static void send(struct answer *answer, const char *type, struct buf *json)
{
    answer->events++;
    answer->ops->on_event(answer->user, type, json);
}

static void run(struct answer *answer);

/* What could not be stored did not complete: whoever relies on it later would not find it. */
static void tell_unsaved(struct answer *answer)
{
    answer->failed = true;
    answer->record->is_failed = true;
    buf_finish(&answer->terminal);
    answer->terminal_type =
        emit_ending(answer, &answer->terminal, PLAN_FAILED, NULL, "server_error",
                    "The response could not be stored: see the disk of this endpoint's store.");
}

static void on_saved(void *user, bool saved)
{
    struct answer *answer = user;
    answer->saving = NULL;
    answer_set_state(answer, ANSWER_RUNNING);
    if (!saved)
        tell_unsaved(answer);
    send(answer, answer->terminal_type, &answer->terminal);
    run(answer);
}

static bool conclude(struct answer *answer, const char *type, struct buf *json);

static void on_noted(void *user, enum status status)
{
    struct answer *answer = user;
    struct buf json = {0};
    answer->noting = NULL;
    answer->is_noted = true;
    stages_note_bookkeeping(answer->saves, answer->noting_begun_ns);
    answer_set_state(answer, ANSWER_RUNNING);
    buf_move(&json, &answer->terminal);
    if (conclude(answer, answer->terminal_type, &json))
        run(answer);
}

/* --without=bookkeeping: the usage is in the file before the client hears of the end. */
static bool books_first(struct answer *answer)
{
    bool wanted = answer->endpoint->without & (1u << ENDPOINT_BOOKKEEPING);
    if (!wanted || answer->is_noted || answer->concluded)
        return false;
    answer->noting_begun_ns = time_mono_ns();
    answer->noting = answer_keep_books(answer, on_noted, answer);
    return answer->noting != NULL;
}

/* The terminal event: what it says is stored must be, so it waits for the file. False: it does. */
static bool conclude(struct answer *answer, const char *type, struct buf *json)
{
    if (books_first(answer)) {
        buf_move(&answer->terminal, json);
        answer->terminal_type = type;
        answer_set_state(answer, ANSWER_SAVING);
        return false;
    }
    bool first = !answer->concluded;
    answer->concluded = true;
    if (first) {
        answer->record->is_failed = answer->failed;
        fill_record(answer);
    }
    if (first && answer->store)
        answer->saving = store_put(&answer->endpoint->store, answer->record, on_saved, answer);
    if (!answer->saving) {
        send(answer, type, json);
        return true;
    }
    buf_move(&answer->terminal, json);
    answer->terminal_type = type;
    answer_set_state(answer, ANSWER_SAVING);
    return false;
}

bool answer_end_with(struct answer *answer, enum plan_state how, const char *reason,
                     const char *code, const char *message)
{
    struct buf json = {0};
    const char *type = emit_ending(answer, &json, how, reason, code, message);
    answer->failed = how == PLAN_FAILED;
    answer->incomplete = !answer->failed;
    answer->phase = PHASE_OVER;
    if (conclude(answer, type, &json))
        answer_end(answer, !answer->failed);
    return false;
}

/* -- Running --------------------------------------------------------------------------------------
 */

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

/* What fails before anything was said of it never was a response. */
static bool is_refused(const struct answer *answer)
{
    return answer->phase == PHASE_CREATED && answer->plan.state == PLAN_FAILED;
}

static void refuse(struct answer *answer)
{
    answer->failed = true;
    answer->ops->on_error(answer->user, &answer->plan.problem);
    answer_end(answer, false);
}

/* An engine that asks for it has some time in which it may still refuse. */
static bool is_held(struct answer *answer)
{
    bool held = answer->plan.held && answer->plan.state == PLAN_OPEN;
    if (answer->phase != PHASE_CREATED || !held)
        return false;
    uint64_t now = loop_now_ms(answer->endpoint->loop);
    if (answer->hold_until_ms == 0)
        answer->hold_until_ms = now + HOLD_MS;
    if (!answer->patient && now >= answer->hold_until_ms)
        return false;
    if (!answer->patient)
        loop_timer_start(answer->timer, answer->hold_until_ms - now, 0);
    return true;
}

/* False: nothing can be sent now, or ever. */
static bool goes_on(struct answer *answer)
{
    if (!fault_suffer(answer))
        return false;
    bool ready = !is_held(answer) && emit_is_ready(answer);
    if (answer->phase == PHASE_OVER) {
        answer->failed |= answer->plan.state == PLAN_FAILED;
        answer_end(answer, !answer->failed);
    } else if (is_refused(answer)) {
        refuse(answer);
    } else if (answer->is_cancelled && answer->phase != PHASE_CREATED) {
        answer_end_with(answer, PLAN_INCOMPLETE, "cancelled", NULL, NULL);
    } else if (is_steerable_now(answer)) {
        answer_end_with(answer, PLAN_INCOMPLETE, "steered", NULL, NULL);
    } else if (!ready) {
        answer_set_state(answer, ANSWER_STARVED);
    } else {
        return !holds_back(answer);
    }
    return false;
}

/* The event that was made just now ends the response; it may be followed by its double. */
static bool is_last(struct answer *answer)
{
    bool last = answer->phase == PHASE_OVER || answer->phase == PHASE_AGAIN;
    answer->failed |= last && answer->plan.state == PLAN_FAILED;
    return last;
}

static void run(struct answer *answer)
{
    for (unsigned i = 0; i < BATCH_EVENTS; i++) {
        if (!goes_on(answer))
            return;
        struct buf json = {0};
        const char *type = emit_next(answer, &json);
        answer->waited = false;
        if (!is_last(answer))
            send(answer, type, &json);
        else if (!conclude(answer, type, &json))
            return;
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
        answer_set_state(answer, ANSWER_RUNNING);
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
    saves_route(answer->saves, answer, request);
    enum status status = saves_validate(answer->saves, answer, request, problem);
    if (status < 0)
        return status;
    status = intake_read(&intake, request, endpoint, problem);
    if (status == STATUS_OK)
        status = compact_check(endpoint, request, problem);
    if (status == STATUS_OK)
        status = intake_check_calls(&intake, parent, problem);
    if (status == STATUS_OK) {
        record_add_input(answer->record, request->span[FIELD_INPUT]);
        saves_render(answer->saves, answer, request);
    }
    if (status == STATUS_OK)
        status = endpoint->engine->plan(answer, request, &intake, parent, problem);
    intake_finish(&intake);
    return status;
}

static void keep_settings(struct record *record, const struct request *request)
{
    struct buf settings = {0};
    steer_append_settings(&settings, request);
    record_set_settings(record, buf_str(&settings));
    buf_finish(&settings);
}

struct answer *answer_new(struct endpoint *endpoint, const struct request *request,
                          struct record *parent, struct str lane, const struct answer_ops *ops,
                          void *user, struct problem *problem)
{
    struct answer *answer = mem_new(struct answer);
    answer->endpoint = endpoint;
    answer->started_ns = time_mono_ns();
    answer->ops = ops;
    answer->user = user;
    answer->store = request->store;
    answer->saves = request->saves;
    plan_init(&answer->plan);
    answer->record =
        record_new(&endpoint->held, endpoint->replay ? endpoint->replay->labels.len : 0, parent);
    if (make_plan(answer, request, parent, problem) < 0) {
        answer_free(answer);
        return NULL;
    }
    struct id_place place = {answer->plan.at.rollout, answer->plan.at.step, 0};
    endpoint_id_make(answer->id, "resp", endpoint->fingerprint, place);
    memcpy(answer->record->id, answer->id, sizeof(answer->id));
    answer->record->created_at = time_wall_ms() / 1000;
    append_begin(answer, request->open);
    snprintf(answer->lane, sizeof(answer->lane), STR_FMT, STR_ARG(lane));
    response_append_constant(&answer->constant, request, buf_str(&answer->saves->route), answer->id,
                             answer->record->created_at);
    response_append_metadata(&answer->metadata, endpoint, request);
    keep_settings(answer->record, request);
    compact_apply(answer, request);
    fault_apply_shape(answer);
    answer->timer = loop_timer_new(endpoint->loop, on_timer, answer);
    return answer;
}

static void begin(struct answer *answer)
{
    answer->engine_begun_ns = time_mono_ns();
    if (answer->endpoint->engine->start)
        answer->endpoint->engine->start(answer);
    answer_set_state(answer, ANSWER_RUNNING);
    run(answer);
}

static void on_checked(void *user, const struct problem *refusal)
{
    struct answer *answer = user;
    answer->check = NULL;
    answer->spent_ns[METRIC_STAGE_VALIDATION] += time_mono_ns() - answer->check_begun_ns;
    if (!refusal) {
        begin(answer);
        return;
    }
    answer_set_state(answer, ANSWER_RUNNING);
    answer->failed = true;
    stages_note_refusal(answer->endpoint, answer->started_ns);
    answer->ops->on_error(answer->user, refusal);
    answer_end(answer, false);
}

void answer_start(struct answer *answer)
{
    struct buf items = {0};
    struct checker *checker = answer->endpoint->checker;
    if (!checker) {
        begin(answer);
        return;
    }
    answer->check_begun_ns = time_mono_ns();
    saves_append_unchecked(answer->saves, answer->record, &items);
    answer->check = checker_ask(checker, buf_str(&items), on_checked, answer);
    buf_finish(&items);
}

void answer_wake(struct answer *answer)
{
    if (answer->state == ANSWER_STARVED)
        loop_timer_start(answer->timer, 0, 0);
}

bool answer_cancel(struct answer *answer)
{
    if (answer->state != ANSWER_WAITING && answer->state != ANSWER_STARVED)
        return false;
    answer->is_cancelled = true;
    loop_timer_start(answer->timer, 0, 0);
    return true;
}

void answer_free(struct answer *answer)
{
    if (!answer)
        return;
    give_back(answer);
    stop_engine(answer);
    check_cancel(answer->check);
    if (answer->noting)
        keeper_forget(answer->noting);
    store_cancel(answer->saving);
    buf_finish(&answer->terminal);
    loop_timer_free(answer->timer);
    plan_finish(&answer->plan);
    record_unref(answer->record);
    buf_finish(&answer->constant);
    buf_finish(&answer->metadata);
    steers_finish(&answer->steers);
    mem_free(answer);
}
