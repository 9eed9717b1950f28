/* What a response held and made, when it has come to its end: its items, their tokens, and the
 * line in the ledger. */
#include <stdio.h>
#include <string.h>

#include "saves-internal.h"

static int64_t told_or(int64_t told, size_t counted)
{
    return told >= 0 ? told : (int64_t)counted;
}

static void add_output(struct record *record, const struct plan_item *item)
{
    struct buf json = {0};
    struct json_writer w;
    json_writer_init(&w, &json);
    item_write(&w, item, true);
    record_add_output(record, buf_str(&json));
    buf_finish(&json);
}

/* What was sent to its end becomes part of the conversation. */
static void keep_output(struct answer *answer)
{
    if (answer->is_output_kept)
        return;
    answer->is_output_kept = true;
    for (size_t i = 0; i < answer->plan.items.len; i++)
        if (answer->plan.items.ptr[i].done)
            add_output(answer->record, &answer->plan.items.ptr[i]);
    saves_render_output(answer->saves, answer);
}

void answer_settle_usage(struct answer *answer)
{
    const struct plan *plan = &answer->plan;
    keep_output(answer);
    answer->usage = (struct usage){
        .input = told_or(plan->told.input, answer->record->token_count - answer->output_tokens +
                                               answer->fixed_tokens),
        .cached = told_or(plan->told.cached, answer->held_tokens),
        .output = told_or(plan->told.output, answer->output_tokens),
        .reasoning = told_or(plan->told.reasoning, answer->reasoning_tokens),
    };
    if (plan->told.input < 0)
        answer->usage.written = answer->usage.input - answer->usage.cached;
}

static const char *status_of(const struct answer *answer)
{
    return answer->failed ? "failed" : answer->incomplete ? "incomplete" : "completed";
}

/* After the client was told the end, and nobody waits for it; unless that is switched off. */
struct keeper_job *answer_keep_books(const struct answer *answer, keeper_done_fn *on_done,
                                     void *user)
{
    struct kept_usage usage = {.status = status_of(answer),
                               .transport = answer->ops->transport,
                               .input = answer->usage.input,
                               .cached = answer->usage.cached,
                               .output = answer->usage.output,
                               .reasoning = answer->usage.reasoning,
                               .ms = (int64_t)((time_mono_ns() - answer->started_ns) / 1000000)};
    if (!answer->endpoint->store.keeper || answer->is_noted)
        return NULL;
    memcpy(usage.response_id, answer->id, sizeof(usage.response_id));
    snprintf(usage.model, sizeof(usage.model), "%s", endpoint_model(answer->endpoint));
    return keeper_note_usage(answer->endpoint->store.keeper, &usage, on_done, user);
}
