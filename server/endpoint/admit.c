/* Is there room for another request? What can be had again is let go first: stored responses in
 * memory, then the caches of the connections that were used the longest ago, whose clients send
 * their full input again. */
#include "endpoint-internal.h"

static uint64_t in_use(const struct endpoint *endpoint)
{
    return endpoint->held.bytes + endpoint->waiting_bytes;
}

static bool shed_cache(struct endpoint *endpoint)
{
    struct conn *oldest = NULL;
    uint64_t when = UINT64_MAX;
    for (size_t i = 0; i < endpoint->conns.len; i++) {
        uint64_t ms = conn_oldest_ms(endpoint->conns.ptr[i]);
        if (ms > 0 && ms < when) {
            when = ms;
            oldest = endpoint->conns.ptr[i];
        }
    }
    if (oldest)
        conn_shed(oldest);
    return oldest != NULL;
}

static bool make_room(struct endpoint *endpoint, size_t bytes)
{
    while (in_use(endpoint) + bytes > endpoint->limits.memory_bytes)
        if (!store_shed(&endpoint->store) && !shed_cache(endpoint))
            return false;
    return true;
}

enum status admit_request(struct endpoint *endpoint, size_t bytes, struct problem *problem)
{
    bool few = endpoint->request_count < endpoint->limits.requests;
    if (few && make_room(endpoint, bytes))
        return STATUS_OK;
    metrics_add(&endpoint->metrics, METRIC_REQUESTS_OVERLOADED, 1);
    return problem_set(problem, PROBLEM_OVERLOAD, NULL,
                       few ? "This endpoint holds as much as it may (--max-memory); try again "
                             "when others have ended."
                           : "This endpoint has as many requests as it may (--max-requests); try "
                             "again when others have ended.");
}
