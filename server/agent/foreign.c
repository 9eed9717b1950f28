/* Reasoning is encrypted for the model and the key it was made with: nobody else takes it. What is
 * foreign leaves what is sent; the journal keeps it, and from where on it is not. */
#include "agent-internal.h"

#include <stdio.h>
#include <string.h>

bool foreign_is_reasoning(struct str json)
{
    struct str type;
    return json_raw_member(json, "type", &type) == STATUS_OK && str_eq_c(type, "\"reasoning\"");
}

static void tell(struct agent_turn *turn, const char *why)
{
    struct agent_event event = agent_event_for(turn, AGENT_NOTICE);
    event.text = str_from(why);
    agent_emit(turn->thread->agent, &event);
}

void thread_take_model(struct agent_thread *thread)
{
    struct str model = thread_model(thread);
    if (str_eq_c(model, thread->model))
        return;
    mem_free(thread->model);
    thread->model = str_dup_c(model);
    journal_thread_set_model(thread->agent->env.journal, thread->id, model, NULL);
    buf_clear(&thread->tools_json); /* it may edit in another way */
    thread_load_tools(thread);
}

/* False: there was none. */
static bool drop(struct agent_thread *thread)
{
    struct history *history = &thread->history;
    VEC(struct str) items = {0};
    VEC(uint64_t) seqs = {0};
    uint64_t next = 0;
    for (size_t i = 0; i < history->items.len; i++) {
        if (history->seqs.ptr[i] >= next)
            next = history->seqs.ptr[i] + 1;
        if (foreign_is_reasoning(history->items.ptr[i]))
            continue;
        vec_push(&items, history->items.ptr[i]);
        vec_push(&seqs, history->seqs.ptr[i]);
    }
    bool found = items.len < history->items.len;
    if (found) {
        history_replace(history, items.ptr, seqs.ptr, items.len);
        size_forget(thread);
        journal_thread_set_foreign(thread->agent->env.journal, thread->id, next, NULL);
    }
    vec_finish(&items);
    vec_finish(&seqs);
    return found;
}

bool foreign_on_refusal(struct agent_turn *turn, const struct responses_result *result)
{
    if (result->end != RESPONSE_FAILED || strcmp(result->code, "invalid_encrypted_content") != 0 ||
        !drop(turn->thread))
        return false;
    tell(turn, "The endpoint does not take what the model reasoned before, because the key or the "
               "model is another one: the conversation goes on without that.");
    return true;
}

bool foreign_has_reasoning(const struct agent_thread *thread)
{
    bool found = false;
    if (str_eq_c(thread_model(thread), thread->model))
        return false;
    for (size_t i = 0; i < thread->history.items.len && !found; i++)
        found = foreign_is_reasoning(thread->history.items.ptr[i]);
    return found;
}

void foreign_check_model(struct agent_turn *turn)
{
    struct agent_thread *thread = turn->thread;
    struct str model = thread_model(thread);
    char why[512];
    if (str_eq_c(model, thread->model))
        return;
    snprintf(why, sizeof(why), "The model is " STR_FMT " now: what %s reasoned is not sent to it.",
             STR_ARG(model), thread->model);
    if (drop(thread))
        tell(turn, why);
    thread_take_model(thread);
}
