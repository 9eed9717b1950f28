/* Who may run: a reader-writer lock that is fair, because it is a queue. A writer at its head waits
 * for the readers before it and holds up those behind it, so nobody starves and the order in which
 * the model asked is the order in which effects happen. */
#include "tools-internal.h"

void schedule_push(struct schedule *schedule, struct tools_call *call)
{
    vec_push(&schedule->queue, call);
}

void schedule_remove(struct schedule *schedule, struct tools_call *call)
{
    for (size_t i = 0; i < schedule->queue.len; i++) {
        if (schedule->queue.ptr[i] == call) {
            vec_remove(&schedule->queue, i);
            return;
        }
    }
}

void schedule_release(struct schedule *schedule, struct tools_call *call)
{
    if (call->is_exclusive)
        schedule->writer = false;
    else
        schedule->readers--;
}

static bool can_run(const struct schedule *schedule, const struct tools_call *call)
{
    if (!call->is_ready || schedule->writer)
        return false;
    if (call->is_exclusive)
        return schedule->readers == 0;
    return schedule->readers < LIMIT_TOOL_PARALLEL_COUNT;
}

void schedule_pump(struct schedule *schedule)
{
    while (schedule->queue.len > 0 && can_run(schedule, schedule->queue.ptr[0])) {
        struct tools_call *call = schedule->queue.ptr[0];
        vec_remove(&schedule->queue, 0);
        if (call->is_exclusive)
            schedule->writer = true;
        else
            schedule->readers++;
        call_granted(call);
    }
}
