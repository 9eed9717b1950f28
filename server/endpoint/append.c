/* The earlier design, for comparing (`--prototype-append`): one response for a whole rollout. Where
 * calls wait for their outputs it does not complete: `response.done` says that it stands still, and
 * `response.append` with the outputs lets it go on, under the same id, sequence and numbering. Each
 * leg is an answer of its own whose record continues the one before. Nothing of it is stored. */
#include <string.h>

#include "saves-internal.h"

bool append_is_pause(const struct answer *answer)
{
    if (!answer->endpoint->prototype_append || strcmp(answer->ops->transport, "websocket") != 0)
        return false; /* an HTTP exchange has nobody to append */
    for (size_t i = 0; i < answer->plan.items.len; i++)
        if (answer->plan.items.ptr[i].call_id[0] && answer->plan.items.ptr[i].done)
            return true;
    return false;
}

void append_begin(struct answer *answer, const struct record *open)
{
    if (!open)
        return;
    memcpy(answer->id, open->id, sizeof(answer->id));
    memcpy(answer->record->id, open->id, sizeof(answer->id));
    answer->record->created_at = open->created_at;
    answer->sequence = open->leg_sequence;
    answer->item_base = open->leg_items;
    answer->phase = PHASE_ITEMS;
    answer->is_leg = true;
}

void append_pause(struct answer *answer)
{
    struct record *record = answer->record;
    record->is_open = true;
    record->leg_sequence = answer->sequence;
    record->leg_items = answer->item_base + answer->plan.items.len;
    answer->store = false;
}

enum status append_find(const struct record *latest, struct str id, struct problem *problem)
{
    if (latest && latest->is_open && str_eq_c(id, latest->id))
        return STATUS_OK;
    return problem_set(problem, PROBLEM_NOT_OPEN, "response_id",
                       "Response with id '" STR_FMT "' does not wait for response.append here.",
                       STR_ARG(id));
}

void append_write_request(struct buf *text, const struct record *open, struct str input)
{
    buf_append_c(text, "{\"type\":\"response.create\",");
    buf_append(text, open->settings->text);
    buf_append_fmt(text, "\"previous_response_id\":\"%s\",\"input\":", open->id);
    buf_append(text, input.len ? input : STR("[]"));
    buf_append_byte(text, '}');
}
