/* Messages for a turn that runs: on their way with the response, or waiting for the next request. A
 * message becomes history where it takes its place in the conversation, and only there. */
#include "agent-internal.h"

void turn_steer(struct agent_turn *turn, const struct agent_input *input)
{
    struct turn_steer steer = {0};
    id_make("steer", steer.id);
    buf_append(&steer.prompt, input->prompt);
    struct buf advice = {0};
    context_append_advice(turn->thread->agent, turn->thread->tools, input, &advice);
    context_format_user(&steer.json, input, buf_str(&advice));
    buf_finish(&advice);
    struct err err = {0};
    if (journal_waiting_add(turn->thread->agent->env.journal, turn->thread->id, turn->id, steer.id,
                            buf_str(&steer.json), &err) < 0)
        log_line(LOG_WARN, "journal message not kept thread=%s why=\"%s\"", turn->thread->id,
                 err.text);
    vec_push(&turn->steers, steer);
    turn_offer_steers(turn);
}

void turn_offer_steers(struct agent_turn *turn)
{
    struct str items[LIMIT_TURN_QUEUE_COUNT];
    size_t count = turn->steers.len;
    if (!turn->response || turn->state != TURN_ASKING || turn->steers_away > 0 ||
        turn->steer_returned || count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        items[i] = buf_str(&turn->steers.ptr[i].json);
    if (responses_steer(turn->response, items, count, NULL) == STATUS_OK)
        turn->steers_away = count;
}

static void steer_finish(struct turn_steer *steer)
{
    buf_finish(&steer->prompt);
    buf_finish(&steer->json);
}

/* The first so many are history now. */
static void append(struct agent_turn *turn, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct turn_steer steer = turn->steers.ptr[0];
        vec_remove(&turn->steers, 0);
        thread_place(turn->thread, steer.id, buf_str(&steer.json));
        if (turn->announced_end) { /* it has ended for the world; the model shall know all the same
                                    */
            steer_finish(&steer);
            continue;
        }
        struct agent_event said = agent_event_for(turn, AGENT_ITEM_COMPLETED);
        said.item_type = AGENT_USER_MESSAGE;
        said.item_id = steer.id;
        said.text = buf_str(&steer.prompt);
        agent_emit(turn->thread->agent, &said);
        steer_finish(&steer);
    }
}

void turn_on_steer(struct agent_turn *turn, enum responses_steer_outcome outcome)
{
    size_t away = turn->steers_away;
    turn->steers_away = 0;
    if (outcome == STEER_RETURNED) {
        turn->steer_returned = true;
        return;
    }
    if (outcome == STEER_APPLIED) { /* places are given out anew, and a thought was cut off */
        turn_drop_held(turn);
        turn_abandon_items(turn, false);
        turn_drop_items(turn);
    }
    append(turn, away);
}

void turn_take_steers_back(struct agent_turn *turn)
{
    turn->steers_away = 0;
}

bool turn_append_steers(struct agent_turn *turn)
{
    bool any = turn->steers.len > 0;
    turn->steers_away = 0;
    append(turn, turn->steers.len);
    return any;
}

void turn_drop_steers(struct agent_turn *turn)
{
    for (size_t i = 0; i < turn->steers.len; i++)
        steer_finish(&turn->steers.ptr[i]);
    vec_finish(&turn->steers);
}
