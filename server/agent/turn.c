/* A turn: ask, run the calls, send their outputs, until the model has answered. It is long because
 * its states and what leads from one to the next are read together. */
#include "agent-internal.h"

#include <stdio.h>
#include <string.h>

enum { BREAKS_MAX = 5 }; /* broken responses in a row without a call: the endpoint is not well */

static const char interrupted_note[] = "<turn_interrupted>The user stopped the previous turn. "
                                       "Commands that ran may have been cut off; "
                                       "check before you rely on them.</turn_interrupted>";

static const char continued_note[] =
    "<turn_continued>Lanebridge or the editor was stopped in the middle of the last turn, and the "
    "user lets it go on now. What was saved is above. Go on from there; check before you rely on "
    "what is not known to have finished.</turn_continued>";

/* -- States ------------------------------------------------------------------------------------ */

static const unsigned moves[] = {
    [TURN_QUEUED] = 1u << TURN_PREPARING | 1u << TURN_COMPACTING | 1u << TURN_ASKING |
                    1u << TURN_LIMITED | 1u << TURN_SETTLING | 1u << TURN_ENDED,
    [TURN_PREPARING] = 1u << TURN_LIMITED | 1u << TURN_COMPACTING | 1u << TURN_ASKING |
                       1u << TURN_SETTLING | 1u << TURN_ENDED,
    [TURN_COMPACTING] = 1u << TURN_ASKING | 1u << TURN_SETTLING | 1u << TURN_ENDED,
    [TURN_ASKING] =
        1u << TURN_COMPACTING | 1u << TURN_TOOLING | 1u << TURN_SETTLING | 1u << TURN_ENDED,
    [TURN_LIMITED] =
        1u << TURN_COMPACTING | 1u << TURN_ASKING | 1u << TURN_SETTLING | 1u << TURN_ENDED,
    [TURN_TOOLING] = 1u << TURN_LIMITED | 1u << TURN_COMPACTING | 1u << TURN_ASKING |
                     1u << TURN_SETTLING | 1u << TURN_ENDED,
    [TURN_SETTLING] = 1u << TURN_ENDED,
    [TURN_ENDED] = 0,
};

static void set_state(struct agent_turn *turn, enum turn_state state)
{
    if (!(moves[turn->state] & 1u << state))
        abort();
    turn->state = state;
}

struct agent_turn *turn_new(struct agent_thread *thread, const struct agent_input *input)
{
    struct agent_turn *turn = mem_new(struct agent_turn);
    turn->thread = thread;
    turn->state = TURN_QUEUED;
    if (!input)
        return turn;
    buf_append(&turn->prompt, input->prompt);
    buf_append(&turn->source, input->source);
    struct buf advice = {0};
    context_append_advice(thread->agent, thread->tools, input, &advice);
    context_format_user(&turn->user_json, input, buf_str(&advice));
    buf_finish(&advice);
    return turn;
}

struct agent_turn *turn_restore(struct agent_thread *thread, const struct journal_turn *stored)
{
    struct agent_turn *turn = turn_new(thread, NULL);
    snprintf(turn->id, sizeof(turn->id), STR_FMT, STR_ARG(stored->id));
    buf_append(&turn->prompt, stored->prompt);
    buf_append(&turn->user_json, stored->input_json);
    turn->has_mode = policy_mode_find(stored->mode, &turn->mode);
    turn->is_held = true;
    return turn;
}

static void drop_calls(struct agent_turn *turn)
{
    for (size_t i = 0; i < turn->calls.len; i++)
        call_free(turn->calls.ptr[i]);
    vec_clear(&turn->calls);
}

void turn_free(struct agent_turn *turn)
{
    if (!turn)
        return;
    limit_drop(turn);
    turn_drop_items(turn);
    vec_finish(&turn->items);
    turn_drop_steers(turn);
    compact_free(turn);
    drop_calls(turn);
    vec_finish(&turn->calls);
    buf_finish(&turn->prompt);
    buf_finish(&turn->user_json);
    buf_finish(&turn->source);
    buf_finish(&turn->title);
    buf_finish(&turn->retried_json);
    buf_finish(&turn->error);
    turn_drop_held(turn);
    vec_finish(&turn->held);
    vec_finish(&turn->spans);
    mem_free(turn);
}

const char *turn_public_id(const struct agent_turn *turn)
{
    return turn->thread->helper ? helper_turn_id(turn->thread->helper) : turn->id;
}

bool turn_is_over(const struct agent_turn *turn)
{
    return turn->state == TURN_ENDED;
}

/* -- The end ----------------------------------------------------------------------------------- */

/* Tells the world how it ended, once; the turn may still settle. */
static void announce_end(struct agent_turn *turn, enum agent_turn_status outcome)
{
    if (turn->announced_end)
        return;
    turn->announced_end = true;
    turn->outcome = outcome;
    struct agent *agent = turn->thread->agent;
    struct responses_status now;
    responses_get_status(agent->env.responses, &now);
    turn->timing.total_ms = loop_now_ms(agent->env.loop) - turn->began_ms;
    turn->timing.frames_sent = now.counters.frames_sent - turn->before.counters.frames_sent;
    turn->timing.frames_received =
        now.counters.frames_received - turn->before.counters.frames_received;

    struct buf usage = {0};
    turn_append_usage(turn, &usage);
    journal_join(agent->env.journal);
    audit_flush(turn->thread);
    journal_turn_end(agent->env.journal, turn->id, agent_turn_status_name(outcome), buf_str(&usage),
                     buf_str(&turn->error), NULL);
    journal_commit(agent->env.journal);
    buf_finish(&usage);

    struct agent_event event = agent_event_for(turn, AGENT_TURN_COMPLETED);
    event.status = outcome;
    event.text = buf_str(&turn->error);
    event.code = turn->code;
    event.mode = policy_mode_name(turn->mode);
    event.usage = turn->usage;
    event.cost = turn_cost(turn);
    event.timing = turn->timing;
    agent_emit(agent, &event);
}

static void cancel_calls(struct agent_turn *turn)
{
    for (size_t i = 0; i < turn->calls.len; i++)
        if (turn->calls.ptr[i]->call)
            tools_call_cancel(turn->calls.ptr[i]->call);
}

static void on_hooks(void *user, struct str note, struct str for_model)
{
    struct agent_thread *thread = user;
    buf_append(&thread->hook_text, for_model);
    if (note.len == 0)
        return;
    struct agent_event event = {.type = AGENT_NOTICE,
                                .thread_id = thread->id,
                                .turn_id = thread->ended_turn,
                                .item_id = "",
                                .text = note,
                                .is_lasting = true,
                                .ok = true};
    agent_emit(thread->agent, &event);
}

static void end(struct agent_turn *turn, enum agent_turn_status outcome)
{
    struct agent_thread *thread = turn->thread;
    set_state(turn, TURN_ENDED);
    responses_chain_set_in_turn(turn->thread->chain, false);
    policy_end_turn(turn->thread->agent->env.policy, turn->id);
    announce_end(turn, outcome);
    memcpy(thread->ended_turn, turn->id, ID_BYTES);
    if (!thread->helper && !thread->commit)
        tools_turn_ended(thread->tools, turn->id, agent_turn_status_name(outcome), on_hooks,
                         thread);
    thread_kick(thread);
}

static void fail(struct agent_turn *turn, const char *why)
{
    if (turn->error.len == 0)
        buf_append_c(&turn->error, why);
    turn->outcome = TURN_FAILED;
    set_state(turn, TURN_SETTLING);
    struct agent_event event = agent_event_for(turn, AGENT_ITEM_COMPLETED);
    event.item_type = AGENT_ERROR;
    event.item_id = turn->id;
    event.text = buf_str(&turn->error);
    event.ok = false;
    agent_emit(turn->thread->agent, &event);
    cancel_calls(turn);
    turn_advance(turn);
}

/* -- Asking ------------------------------------------------------------------------------------ */

/* The endpoint compacts by itself, if it is told from when on. */
static int64_t compact_threshold(const struct agent_thread *thread)
{
    bool by_itself = responses_compaction_of(thread->agent->env.responses,
                                             str_from(thread->model)) == COMPACTION_IN_RESPONSE;
    return by_itself && !thread->helper ? size_threshold(thread) : 0;
}

/* A helper begins with what its thread has said: where that is cached, it is at home. */
static const char *cache_key(const struct agent_thread *thread)
{
    return thread->helper ? helper_parent(thread->helper)->id : thread->id;
}

static const char taken_over[] =
    "another editor has taken this thread over and goes on with it there. Here it can be read, be "
    "taken back, or go on as a fork.";

/* An answer that the journal did not take is in this window alone: that is not completed. */
static void complete(struct agent_turn *turn)
{
    if (turn->thread->is_lost && turn->state != TURN_SETTLING)
        fail(turn, taken_over);
    else
        end(turn, turn->state == TURN_SETTLING ? turn->outcome : TURN_COMPLETED);
}

static void ask(struct agent_turn *turn)
{
    struct agent_thread *thread = turn->thread;
    struct agent *agent = thread->agent;
    uint64_t limit = agent->env.steps_max ? agent->env.steps_max : LIMIT_TURN_STEPS_COUNT;
    if ((thread->helper || thread->commit) && limit > LIMIT_HELPER_STEPS_COUNT)
        limit = LIMIT_HELPER_STEPS_COUNT;
    if (turn->timing.steps >= limit) {
        char why[256];
        snprintf(why, sizeof(why),
                 "the turn was stopped after %llu steps: it seems to run in circles. Ask again "
                 "with a smaller task, or tell it what to leave out.",
                 (unsigned long long)limit);
        fail(turn, why);
        return;
    }
    if (thread->is_lost) {
        fail(turn, taken_over);
        return;
    }
    set_state(turn, TURN_ASKING);
    turn->timing.steps++;
    turn->asked_ms = loop_now_ms(agent->env.loop);
    turn_drop_items(turn);
    turn->is_answered = turn->steer_returned = false;
    struct buf extra = {0};
    if (thread->helper)
        helper_shape_request(thread->helper, turn, &extra);
    struct responses_request request = {.model = str_from(thread->model),
                                        .effort = thread_effort(thread),
                                        .tools = buf_str(&thread->tools_json),
                                        .prompt_cache_key = str_from(cache_key(thread)),
                                        .parallel_tool_calls = true,
                                        .compact_threshold = compact_threshold(thread),
                                        .extra = buf_str(&extra),
                                        .history = history_view(&thread->history)};
    struct err err = {0};
    journal_settle(thread->agent->env.journal); /* what the request says is stored before it goes */
    turn->response = responses_create(thread->chain, &request, &turn_stream_handlers, turn, &err);
    buf_finish(&extra);
    if (turn->response)
        return;
    turn->code = err.status == STATUS_AUTH ? "no-key" : NULL;
    fail(turn, err.text);
}

static void compact(struct agent_turn *turn, enum compact_reason reason)
{
    set_state(turn, TURN_COMPACTING);
    compact_start(turn, reason);
}

void turn_wait_at_limit(struct agent_turn *turn)
{
    set_state(turn, TURN_LIMITED);
}

void turn_go_on(struct agent_turn *turn)
{
    if (compact_is_due(turn))
        compact(turn, COMPACT_SIZE);
    else
        ask(turn);
}

static void go_on(struct agent_turn *turn)
{
    if (!limit_stops(turn))
        turn_go_on(turn);
}

void turn_on_compacted(struct agent_turn *turn, const char *failure)
{
    enum compact_reason reason = compact_reason(turn);
    compact_free(turn);
    if (turn->state == TURN_SETTLING) {
        turn_advance(turn);
    } else if (failure && reason != COMPACT_SIZE) {
        fail(turn, failure);
    } else if (turn->is_compaction && turn->steers.len == 0) {
        end(turn, TURN_COMPLETED);
    } else {
        turn_append_steers(turn); /* said meanwhile */
        if (turn->state == TURN_COMPACTING)
            ask(turn);
        else
            turn_advance(turn);
    }
}

static void append_hook_text(struct agent_thread *thread, const char *turn_id)
{
    struct buf note = {0};
    if (thread->hook_text.len == 0)
        return;
    history_format_message(&note, "user", buf_str(&thread->hook_text));
    thread_append(thread, turn_id, "context", buf_str(&note));
    buf_finish(&note);
    buf_clear(&thread->hook_text);
}

/* What was queued becomes an item, both at once: a crash finds it in one place. */
static void keep_prompt(struct agent_turn *turn)
{
    struct journal *journal = turn->thread->agent->env.journal;
    struct buf note = {0};
    thread_need_preamble(turn->thread);
    turn_tell_retry(turn);
    append_hook_text(turn->thread, turn->id);
    thread_tell_review(turn->thread, turn->id);
    journal_join(journal);
    journal_turn_begin(journal, turn->id, NULL);
    turn_settle_mode(turn);
    turn_tell_mode(turn);
    if (turn->user_json.len > 0) {
        thread_append(turn->thread, turn->id, "user", buf_str(&turn->user_json));
    } else if (turn->is_continuation) {
        history_format_message(&note, "user", str_from(continued_note));
        thread_append(turn->thread, turn->id, "context", buf_str(&note));
    }
    journal_commit(journal);
    buf_finish(&note);
}

static void say_prompt(struct agent_turn *turn)
{
    if (turn->user_json.len == 0)
        return;
    struct agent_event said = agent_event_for(turn, AGENT_ITEM_COMPLETED);
    said.item_type = AGENT_USER_MESSAGE;
    said.item_id = turn->id;
    said.text = buf_str(&turn->prompt);
    agent_emit(turn->thread->agent, &said);
}

static void start_asking(struct agent_turn *turn)
{
    enum turn_state before = turn->state;
    turn_tell_missing_tools(turn);
    thread_need_tools(turn->thread);
    if (turn->state != before) /* who was told of it has stopped it */
        turn_advance(turn);
    else if (turn->is_compaction)
        compact(turn, COMPACT_WANTED);
    else
        go_on(turn);
}

void turn_begin(struct agent_turn *turn)
{
    struct agent_thread *thread = turn->thread;
    struct agent *agent = thread->agent;
    turn->began_ms = loop_now_ms(agent->env.loop);
    responses_get_status(agent->env.responses, &turn->before);

    struct agent_event started = agent_event_for(turn, AGENT_TURN_STARTED);
    started.text = turn->is_compaction     ? STR("Compact the conversation")
                   : turn->is_continuation ? STR("Continue")
                   : turn->is_retry        ? context_title(buf_str(&turn->title))
                                           : context_title(buf_str(&turn->prompt));
    started.mode = policy_mode_name(turn->has_mode ? turn->mode : thread_mode(thread));
    agent_emit(agent, &started);
    responses_chain_set_in_turn(thread->chain, true);
    foreign_check_model(turn);
    keep_prompt(turn);
    say_prompt(turn);
    bool waits = turn->state == TURN_QUEUED && turn_prepare(turn);
    if (turn->state != TURN_QUEUED) /* who was told of it has stopped it */
        turn_advance(turn);
    else if (waits)
        set_state(turn, TURN_PREPARING);
    else
        start_asking(turn);
}

void turn_on_prepared(struct agent_turn *turn)
{
    turn_append_steers(turn); /* said meanwhile */
    if (turn->state == TURN_PREPARING)
        start_asking(turn);
    else
        turn_advance(turn);
}

/* -- Going on ---------------------------------------------------------------------------------- */

/* Every call of the response has its output: into the history, in the order of the calls, once. */
static void append_outputs(struct agent_turn *turn)
{
    struct journal *journal = turn->thread->agent->env.journal;
    journal_join(journal);
    for (size_t i = 0; i < turn->calls.len; i++)
        thread_append(turn->thread, turn->id, "tool", buf_str(&turn->calls.ptr[i]->output_json));
    journal_commit(journal);
    drop_calls(turn);
}

void turn_advance(struct agent_turn *turn)
{
    if (turn->response || turn->calls_running > 0)
        return;
    uint64_t now = loop_now_ms(turn->thread->agent->env.loop);
    if (turn->state == TURN_SETTLING) {
        append_outputs(turn);
        turn_append_steers(turn);
        if (turn->outcome == TURN_INTERRUPTED && !turn->is_compaction) {
            struct buf note = {0};
            history_format_message(&note, "user", str_from(interrupted_note));
            thread_append(turn->thread, turn->id, "context", buf_str(&note));
            buf_finish(&note);
        }
        end(turn, turn->outcome);
    } else if (turn->state == TURN_TOOLING) {
        turn->timing.tools_ms += now - turn->tooling_ms;
        append_outputs(turn);
        thread_tell_review(turn->thread, turn->id);
        turn_append_steers(turn);
        if (turn->state == TURN_TOOLING)
            go_on(turn);
        else /* who was told of a message has stopped it */
            turn_advance(turn);
    }
}

/* What a plugin can offer a choice for. */
static const char *code_of(const struct responses_result *result)
{
    static const struct {
        const char *code, *shown;
    } codes[] = {
        {"no_key", "no-key"},
        {"auth", "key-refused"},
    };
    for (size_t i = 0; i < array_count(codes); i++)
        if (strcmp(result->code, codes[i].code) == 0)
            return codes[i].shown;
    return NULL;
}

void turn_on_response_end(struct agent_turn *turn, const struct responses_result *result)
{
    turn->response = NULL;
    turn_count(turn, result);
    audit_note_tokens(turn->thread, result);
    size_note(turn->thread, result);
    turn_drop_held(turn);
    turn_abandon_items(turn, result->end == RESPONSE_BROKEN && turn->state != TURN_SETTLING &&
                                 turn->breaks + 1 < BREAKS_MAX);
    turn_take_steers_back(turn);
    compact_settle_item(turn);
    if (turn->state == TURN_SETTLING) {
        turn_advance(turn);
        return;
    }
    bool has_more = turn->steers.len > 0; /* said meanwhile, and not yet to the model */
    bool has_calls = turn->calls.len > 0;
    bool is_too_long =
        size_is_too_long(result) && !has_calls && !turn->was_shortened && !turn->thread->helper;
    if (is_too_long) { /* once, and the same request again */
        turn->was_shortened = true;
        compact(turn, COMPACT_NEEDED);
        return;
    }
    struct buf error = {0};
    bool goes_on = foreign_on_refusal(turn, result) || pictures_on_refusal(turn, result, &error);
    if (result->end == RESPONSE_FAILED && !goes_on) {
        turn->code = code_of(result);
        fail(turn, error.len > 0 ? error.ptr : result->text);
        buf_finish(&error);
        return;
    }
    turn->was_shortened = false;
    bool is_broken = result->end == RESPONSE_BROKEN;
    if (is_broken && turn->is_answered && !has_calls && !has_more) {
        complete(turn); /* only what says that it is over was lost */
        return;
    }
    if (is_broken && !has_calls && ++turn->breaks >= BREAKS_MAX) {
        fail(turn,
             "the connection broke in the middle of the answer, five times in a row. Check the "
             "network or the endpoint, then ask again.");
        return;
    }
    if (has_calls)
        turn->breaks = 0;
    if (has_calls || is_broken || has_more || goes_on) {
        turn->tooling_ms = loop_now_ms(turn->thread->agent->env.loop);
        set_state(turn, TURN_TOOLING);
        if (turn->thread->helpers.len > 0)
            thread_kick(turn->thread); /* they fork from this response */
        turn_advance(turn);
        return;
    }
    if (result->end == RESPONSE_INCOMPLETE) {
        struct agent_event event = agent_event_for(turn, AGENT_NOTICE);
        event.text = str_from(result->text);
        agent_emit(turn->thread->agent, &event);
    }
    complete(turn);
}

void turn_interrupt(struct agent_turn *turn)
{
    if (turn->state == TURN_SETTLING || turn->state == TURN_ENDED)
        return;
    set_state(turn, TURN_SETTLING);
    turn->outcome = TURN_INTERRUPTED;
    if (turn->response)
        response_interrupt(turn->response);
    compact_interrupt(turn);
    limit_drop(turn);
    cancel_calls(turn);
    turn_abandon_items(turn, false);
    announce_end(turn, TURN_INTERRUPTED);
    thread_kick(turn->thread);
}

void turn_discard(struct agent_turn *turn)
{
    turn->began_ms = loop_now_ms(turn->thread->agent->env.loop);
    responses_get_status(turn->thread->agent->env.responses, &turn->before);
    set_state(turn, TURN_ENDED);
    announce_end(turn, TURN_INTERRUPTED);
}
