/* Plans: the items of an answer, whole from the start or growing while they are sent. */
#include <assert.h>
#include <stdio.h>

#include "endpoint-internal.h"

void plan_init(struct plan *plan)
{
    *plan = (struct plan){.state = PLAN_OPEN,
                          .told = {.input = -1, .cached = -1, .output = -1, .reasoning = -1}};
}

void plan_finish(struct plan *plan)
{
    for (size_t i = 0; i < plan->items.len; i++) {
        buf_finish(&plan->items.ptr[i].owned);
        buf_finish(&plan->items.ptr[i].naming);
        buf_finish(&plan->items.ptr[i].space);
        buf_finish(&plan->items.ptr[i].whole);
    }
    vec_finish(&plan->items);
}

struct plan_item *plan_add(struct plan *plan, enum item_kind kind)
{
    assert(plan->state == PLAN_OPEN);
    vec_push(&plan->items, ((struct plan_item){.kind = kind}));
    return &vec_last(&plan->items);
}

size_t plan_open(struct plan *plan, enum item_kind kind, struct str name)
{
    struct plan_item *item = plan_add(plan, kind);
    item->open = true;
    buf_append(&item->naming, name);
    item->name = buf_str(&item->naming);
    return plan->items.len - 1;
}

void plan_append(struct plan *plan, size_t index, struct str text)
{
    struct plan_item *item = &plan->items.ptr[index];
    assert(item->open);
    buf_append(&item->owned, text);
    item->text = buf_str(&item->owned);
}

void plan_replace(struct plan *plan, size_t index, struct str text)
{
    struct plan_item *item = &plan->items.ptr[index];
    buf_clear(&item->owned);
    buf_append(&item->owned, text);
    item->text = buf_str(&item->owned);
}

void plan_set_body(struct plan *plan, size_t index, struct str body)
{
    struct plan_item *item = &plan->items.ptr[index];
    buf_append(&item->whole, body);
    item->body = buf_str(&item->whole);
}

void plan_close(struct plan *plan, size_t index)
{
    plan->items.ptr[index].open = false;
}

void plan_set_space(struct plan *plan, size_t index, struct str space)
{
    buf_append(&plan->items.ptr[index].space, space);
}

void plan_complete(struct plan *plan)
{
    assert(plan->state == PLAN_OPEN);
    for (size_t i = 0; i < plan->items.len; i++)
        plan_close(plan, i);
    plan->state = PLAN_COMPLETED;
}

void plan_break_off(struct plan *plan, const char *reason)
{
    assert(plan->state == PLAN_OPEN);
    snprintf(plan->reason, sizeof(plan->reason), "%s", reason);
    for (size_t i = 0; i < plan->items.len; i++) {
        struct plan_item *item = &plan->items.ptr[i];
        bool is_call = item->kind == ITEM_FUNCTION_CALL || item->kind == ITEM_CUSTOM_CALL;
        if (!item->open || is_call)
            continue;
        item->cut = true;
        item->open = false;
    }
    plan->state = PLAN_INCOMPLETE;
}

void plan_fail(struct plan *plan, const struct problem *problem)
{
    assert(plan->state == PLAN_OPEN);
    plan->problem = *problem;
    plan->state = PLAN_FAILED;
}

size_t plan_bytes(const struct plan *plan)
{
    size_t bytes = 0;
    for (size_t i = 0; i < plan->items.len; i++) {
        const struct plan_item *item = &plan->items.ptr[i];
        bytes += item->text.len + item->name.len + item->body.len;
    }
    return bytes;
}
