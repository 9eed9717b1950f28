/* What a record from the store's file needs beside its items: all of it is in them. */
#include "endpoint-internal.h"

static void restore_calls(struct record *record)
{
    for (size_t i = 0; i < record->output.spans.len; i++) {
        struct pending_call call;
        if (intake_is_call(items_at(&record->output, i), &call))
            vec_push(&record->pending, call);
    }
}

static void read_items(struct intake *intake, const struct items *items,
                       const struct endpoint *endpoint)
{
    struct problem ignored; /* it was taken once */
    for (size_t i = 0; i < items->spans.len; i++)
        intake_take_item(intake, items_at(items, i), i, endpoint, &ignored);
}

/* Where the script goes on: behind what the response holds, or where its parent was. */
static void restore_place(const struct endpoint *endpoint, const struct intake *intake,
                          struct record *record)
{
    const struct replay *replay = endpoint->replay;
    play_remember_outputs(endpoint, intake, record);
    uint64_t lowest = intake->present & -intake->present; /* those before it came earlier */
    if (intake->placed && intake->rollout < replay->rollouts.len)
        record->next = play_resume(replay, intake->rollout, intake->step,
                                   intake->present | (lowest ? lowest - 1 : 0));
    else if (record->parent)
        record->next = record->parent->next;
}

void endpoint_restore(void *user, struct record *record)
{
    const struct endpoint *endpoint = user;
    struct intake intake = {0};
    read_items(&intake, &record->input, endpoint);
    if (intake.tools.len) {
        shared_unref(record->tools);
        record->tools = shared_new(intake.tools);
    }
    if (intake.user.len && record->output.spans.len == 0) { /* a warm-up */
        struct buf user_text = {0};
        intake_append_user(&intake, &user_text);
        record->user = shared_new(buf_str(&user_text));
        buf_finish(&user_text);
    }
    read_items(&intake, &record->output, endpoint);
    if (endpoint->replay)
        restore_place(endpoint, &intake, record);
    restore_calls(record);
    intake_finish(&intake);
}
