/* Prompts that wait, and asking again what an ended turn asked. */
#include "agent-internal.h"

#include <string.h>

void agent_queue_each(const struct agent_thread *thread, agent_queue_fn *fn, void *user)
{
    for (size_t i = 0; i < thread->queue.len; i++)
        fn(user, thread->queue.ptr[i]->id, buf_str(&thread->queue.ptr[i]->prompt));
}

void thread_tell_queue(struct agent_thread *thread, const char *turn_id)
{
    struct agent_event event = {.type = AGENT_TURN_QUEUED,
                                .thread_id = thread->id,
                                .turn_id = turn_id,
                                .item_id = "",
                                .ok = true};
    agent_emit(thread->agent, &event);
}

void thread_unqueue(struct agent_thread *thread, size_t place)
{
    struct agent_turn *turn = thread->queue.ptr[place];
    vec_remove(&thread->queue, place);
    turn_discard(turn);
    turn_free(turn);
    thread_tell_queue(thread, "");
}

enum status agent_turn_unqueue(struct agent_thread *thread, struct str turn_id,
                               struct buf *ret_prompt, struct buf *ret_source, struct err *err)
{
    for (size_t i = 0; i < thread->queue.len; i++) {
        struct agent_turn *turn = thread->queue.ptr[i];
        if (!str_eq_c(turn_id, turn->id))
            continue;
        buf_append(ret_prompt, buf_str(&turn->prompt));
        buf_append(ret_source, buf_str(&turn->source));
        thread_unqueue(thread, i);
        return STATUS_OK;
    }
    return err_set(err, STATUS_NOT_FOUND,
                   "that prompt does not wait any more: its turn runs, or has ended");
}

/* -- Again ------------------------------------------------------------------------------------ */

struct again {
    struct str turn_id;
    char *status, *prompt, *mode;
    bool found, is_last; /* no turn has begun after it */
    struct buf json;     /* the item that it began with, or, if it asked again, one before it */
    bool is_own;
    bool goes_on; /* from what was good, else it is asked anew */
};

static bool on_turn(void *user, const struct journal_turn *turn)
{
    struct again *again = user;
    if (str_eq_c(turn->status, "queued"))
        return true;
    again->is_last = str_eq(turn->id, again->turn_id);
    if (!again->found && turn->prompt.len > 0) {
        mem_free(again->prompt);
        again->prompt = str_dup_c(turn->prompt);
    }
    if (!again->is_last)
        return true;
    again->found = true;
    again->status = str_dup_c(turn->status);
    again->mode = str_dup_c(turn->mode);
    return true;
}

static bool on_item(void *user, const struct journal_item *item)
{
    struct again *again = user;
    if (!str_eq_c(item->kind, "user"))
        return true;
    buf_clear(&again->json);
    buf_append(&again->json, item->json);
    again->is_own = str_eq(item->turn_id, again->turn_id);
    return !again->is_own;
}

static void again_finish(struct again *again)
{
    mem_free(again->status);
    mem_free(again->prompt);
    mem_free(again->mode);
    buf_finish(&again->json);
}

static enum status look(const struct agent_thread *thread, struct again *again, struct err *err)
{
    struct journal *journal = thread->agent->env.journal;
    enum status status = journal_turn_each(journal, thread->id, on_turn, again, err);
    if (status == STATUS_OK)
        status = journal_item_each(journal, thread->id, 1, on_item, again, err);
    if (status != STATUS_OK)
        return status;
    if (!again->found)
        return err_set(err, STATUS_NOT_FOUND, "no turn " STR_FMT " has begun in this thread",
                       STR_ARG(again->turn_id));
    if (strcmp(again->status, "running") == 0)
        return err_set(err, STATUS_CONFLICT, "that turn still runs: stop it first");
    again->goes_on =
        again->is_last && !agent_thread_is_busy(thread) && strcmp(again->status, "completed") != 0;
    if (!again->is_own && !again->goes_on)
        return err_set(err, STATUS_NOT_FOUND,
                       "nobody asked anything in that turn: continue the thread, or ask anew");
    return STATUS_OK;
}

enum status agent_turn_retry(struct agent_thread *thread, struct str turn_id,
                             char ret_turn_id[ID_BYTES], bool *ret_queued, struct err *err)
{
    struct again again = {.turn_id = turn_id};
    enum status status = look(thread, &again, err);
    if (status != STATUS_OK) {
        again_finish(&again);
        return status;
    }
    struct agent_turn *turn = turn_new(thread, NULL);
    turn->is_retry = again.goes_on;
    turn->has_mode = policy_mode_find(str_from(again.mode), &turn->mode);
    buf_append(again.goes_on ? &turn->title : &turn->prompt, str_from(again.prompt));
    buf_append(again.goes_on ? &turn->retried_json : &turn->user_json, buf_str(&again.json));
    again_finish(&again);
    return thread_queue_turn(thread, turn, ret_turn_id, ret_queued, err);
}

static const char retried_note[] =
    "<turn_retried>The last turn ended early, and the user lets it be tried again. What it came to "
    "is above. Go on from there; check before you rely on what may have been cut off."
    "</turn_retried>";

/* Nothing came of it: the same request goes out as before. */
void turn_tell_retry(struct agent_turn *turn)
{
    const struct history *history = &turn->thread->history;
    struct buf note = {0};
    bool is_as_before =
        history->items.len > 0 && str_eq(vec_last(&history->items), buf_str(&turn->retried_json));
    if (!turn->is_retry || is_as_before)
        return;
    history_format_message(&note, "user", str_from(retried_note));
    thread_append(turn->thread, turn->id, "context", buf_str(&note));
    buf_finish(&note);
}
