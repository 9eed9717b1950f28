/* What an endpoint has done, for GET /metrics: counters that only grow, and the time spent in the
 * stages of a request. To add one: a member of the enum, its row in metrics.c's table, and
 * metrics_add() where it happens. Gauges (what is there now) are asked for when the page is
 * written: metrics_append() in endpoint.c's handle_metrics. */
#ifndef LANEBRIDGE_ENDPOINT_METRICS_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_METRICS_INTERNAL_H

#include <lanebridge/base.h>
#include <lanebridge/json.h>

enum metric {
    METRIC_CONNECTIONS_OPENED,
    METRIC_CONNECTIONS_REFUSED,
    METRIC_CONNECTIONS_AGED,
    METRIC_CONNECTIONS_IDLE,
    METRIC_REQUESTS_WEBSOCKET,
    METRIC_REQUESTS_HTTP,
    METRIC_REQUESTS_REFUSED,
    METRIC_REQUESTS_QUEUED,
    METRIC_REQUESTS_OVERLOADED,
    METRIC_RESPONSES_COMPLETED,
    METRIC_RESPONSES_INCOMPLETE,
    METRIC_RESPONSES_FAILED,
    METRIC_RESPONSES_ABANDONED,
    METRIC_CACHE_HITS,
    METRIC_CACHE_STORED_HITS,
    METRIC_CACHE_MISSES,
    METRIC_CACHE_EVICTIONS,
    METRIC_CACHE_FORKS,
    METRIC_BYTES_RECEIVED,
    METRIC_BYTES_SENT,
    METRIC_TOKENS_INPUT,
    METRIC_TOKENS_CACHED,
    METRIC_TOKENS_OUTPUT,
    METRIC_TOKENS_RENDERED,
    METRIC_TOKENS_KEPT,
    METRIC_ITEMS_CHECKED,
    METRIC_ITEMS_SPARED,
    METRIC_CHECKS_ASKED,
    METRIC_CHECKS_REFUSED,
    METRIC_IMAGES_DECODED,
    METRIC_IMAGES_REUSED,
    METRIC_TOOLS_CHECKED,
    METRIC_TOOLS_REUSED,
    METRIC_ROUTES_RESOLVED,
    METRIC_ROUTES_REUSED,
    METRIC_STORE_WRITTEN,
    METRIC_STORE_BATCHES,
    METRIC_STORE_FAILED,
    METRIC_UPSTREAM_ASKED,
    METRIC_UPSTREAM_DROPPED,
    METRIC_UPSTREAM_FAILED,
    METRIC_UPSTREAM_BYTES,
    METRIC_COUNT,
};
enum metric_stage {
    METRIC_STAGE_VALIDATION,
    METRIC_STAGE_ROUTING,
    METRIC_STAGE_RENDER,
    METRIC_STAGE_ENGINE,
    METRIC_STAGE_STORE,
    METRIC_STAGE_BOOKKEEPING,
    METRIC_STAGE_REFUSAL, /* from the request to its refusal */
    METRIC_STAGE_COUNT,
};
struct metrics {
    uint64_t counts[METRIC_COUNT];
    struct metric_time {
        uint64_t count, total_ns, max_ns;
    } stages[METRIC_STAGE_COUNT];
};
static inline void metrics_add(struct metrics *metrics, enum metric metric, uint64_t amount)
{
    metrics->counts[metric] += amount;
}
void metrics_spend(struct metrics *metrics, enum metric_stage stage, uint64_t ns);
const char *metrics_stage_name(enum metric_stage stage);
/* What is there now. */
struct metric_gauge {
    const char *group, *name; /* groups must be those of the counters, or new */
    uint64_t value;
};
void metrics_append(struct buf *buf, const struct metrics *metrics,
                    const struct metric_gauge *gauges, size_t gauge_count);

#endif
