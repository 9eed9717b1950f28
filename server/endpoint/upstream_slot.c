/* llama.cpp's server keeps what it has read in slots. A conversation goes on in the slot that holds
 * it; a new one takes the slot that was not used for longest. */
#include <stdio.h>

#include "upstream-internal.h"

void upstream_slots_set_count(struct upstream_slots *slots, size_t count)
{
    while (slots->list.len > count)
        slots->list.len--;
    while (slots->list.len < count && slots->list.len < LIMIT_UPSTREAM_SLOTS_COUNT)
        vec_push(&slots->list, ((struct upstream_slot){.used = 0}));
}

static int find_holder(const struct upstream_slots *slots, const char *parent)
{
    for (size_t i = 0; parent && parent[0] && i < slots->list.len; i++)
        if (!slots->list.ptr[i].busy && str_eq_c(str_from(parent), slots->list.ptr[i].latest))
            return (int)i;
    return -1;
}

static int find_oldest(const struct upstream_slots *slots)
{
    int oldest = -1;
    for (size_t i = 0; i < slots->list.len; i++)
        if (!slots->list.ptr[i].busy &&
            (oldest < 0 || slots->list.ptr[i].used < slots->list.ptr[oldest].used))
            oldest = (int)i;
    return oldest;
}

int upstream_slots_take(struct upstream_slots *slots, const char *parent)
{
    int slot = find_holder(slots, parent);
    if (slot < 0)
        slot = find_oldest(slots);
    if (slot >= 0) {
        slots->list.ptr[slot].busy = true;
        slots->list.ptr[slot].used = ++slots->uses;
    }
    return slot;
}

void upstream_slots_give(struct upstream_slots *slots, int slot, const char *latest)
{
    if (slot < 0 || (size_t)slot >= slots->list.len)
        return;
    struct upstream_slot *given = &slots->list.ptr[slot];
    given->busy = false;
    if (latest)
        snprintf(given->latest, sizeof(given->latest), "%s", latest);
}
