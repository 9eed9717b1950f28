/* The connection-local cache: the latest response of each lane. */
#include "conn-internal.h"

struct lane *lane_find_cached(const struct conn *conn, struct str id)
{
    if (conn->endpoint->without & (1u << ENDPOINT_RESPONSE_CACHE))
        return NULL;
    for (size_t i = 0; i < conn->lanes.len; i++) {
        struct record *latest = conn->lanes.ptr[i]->latest;
        if (latest && str_eq_c(id, latest->id))
            return conn->lanes.ptr[i];
    }
    return NULL;
}

struct record *lane_find_parent(const struct conn *conn, struct str id)
{
    const struct lane *lane = lane_find_cached(conn, id);
    return lane ? lane->latest : store_find_parent(&conn->endpoint->store, id);
}

/* The same, for a request that goes on from it. */
struct record *lane_take_parent(const struct lane *lane, struct str id)
{
    struct conn *conn = lane->conn;
    const struct lane *source = lane_find_cached(conn, id);
    struct record *parent = lane_find_parent(conn, id);
    enum metric metric = source   ? METRIC_CACHE_HITS
                         : parent ? METRIC_CACHE_STORED_HITS
                                  : METRIC_CACHE_MISSES;
    metrics_add(&conn->endpoint->metrics, metric, 1);
    if (source && source != lane)
        metrics_add(&conn->endpoint->metrics, METRIC_CACHE_FORKS, 1);
    return parent;
}

void lane_forget_latest(struct lane *lane)
{
    if (lane->latest && !lane->latest->is_stored)
        record_strip(lane->latest);
    record_unref(lane->latest);
    lane->latest = NULL;
}

void conn_count(const struct conn *conn, struct conn_counts *counts)
{
    counts->lanes += conn->lanes.len;
    counts->running += conn->active;
    counts->waiting += conn->queue.len;
    counts->waiting_bytes += conn->queue_bytes;
    for (size_t i = 0; i < conn->lanes.len; i++)
        counts->cached += conn->lanes.ptr[i]->latest != NULL;
}

static struct lane *find_oldest(const struct conn *conn)
{
    struct lane *oldest = NULL;
    for (size_t i = 0; i < conn->lanes.len; i++) {
        struct lane *lane = conn->lanes.ptr[i];
        if (lane->latest && (!oldest || lane->used_ms < oldest->used_ms))
            oldest = lane;
    }
    return oldest;
}

uint64_t conn_oldest_ms(const struct conn *conn)
{
    const struct lane *lane = find_oldest(conn);
    return lane ? lane->used_ms + 1 : 0;
}

void conn_shed(struct conn *conn)
{
    metrics_add(&conn->endpoint->metrics, METRIC_CACHE_EVICTIONS, 1);
    lane_forget_latest(find_oldest(conn));
}

void conn_forget(struct conn *conn, struct str id)
{
    struct lane *lane = lane_find_cached(conn, id);
    if (lane)
        lane_forget_latest(lane);
}
