/* The page of GET /metrics. */
#include <string.h>

#include "metrics-internal.h"

/* Rows of one group stand together: a group is one object. */
static const struct {
    const char *group, *name;
} rows[METRIC_COUNT] = {
    [METRIC_CONNECTIONS_OPENED] = {"connections", "opened"},
    [METRIC_CONNECTIONS_REFUSED] = {"connections", "refused"},
    [METRIC_CONNECTIONS_AGED] = {"connections", "closed_by_age"},
    [METRIC_CONNECTIONS_IDLE] = {"connections", "closed_idle"},
    [METRIC_REQUESTS_WEBSOCKET] = {"requests", "websocket"},
    [METRIC_REQUESTS_HTTP] = {"requests", "http"},
    [METRIC_REQUESTS_REFUSED] = {"requests", "refused"},
    [METRIC_REQUESTS_QUEUED] = {"requests", "queued"},
    [METRIC_REQUESTS_OVERLOADED] = {"requests", "overloaded"},
    [METRIC_RESPONSES_COMPLETED] = {"responses", "completed"},
    [METRIC_RESPONSES_INCOMPLETE] = {"responses", "incomplete"},
    [METRIC_RESPONSES_FAILED] = {"responses", "failed"},
    [METRIC_RESPONSES_ABANDONED] = {"responses", "abandoned"},
    [METRIC_CACHE_HITS] = {"cache", "hits"},
    [METRIC_CACHE_STORED_HITS] = {"cache", "stored_hits"},
    [METRIC_CACHE_MISSES] = {"cache", "misses"},
    [METRIC_CACHE_EVICTIONS] = {"cache", "evictions"},
    [METRIC_CACHE_FORKS] = {"cache", "forks"},
    [METRIC_BYTES_RECEIVED] = {"bytes", "received"},
    [METRIC_BYTES_SENT] = {"bytes", "sent"},
    [METRIC_TOKENS_INPUT] = {"tokens", "input"},
    [METRIC_TOKENS_CACHED] = {"tokens", "saved"},
    [METRIC_TOKENS_OUTPUT] = {"tokens", "output"},
    [METRIC_TOKENS_RENDERED] = {"tokens", "rendered"},
    [METRIC_TOKENS_KEPT] = {"tokens", "not_rendered_again"},
    [METRIC_ITEMS_CHECKED] = {"items", "checked"},
    [METRIC_ITEMS_SPARED] = {"items", "not_checked_again"},
    [METRIC_CHECKS_ASKED] = {"checks", "asked"},
    [METRIC_CHECKS_REFUSED] = {"checks", "refused"},
    [METRIC_IMAGES_DECODED] = {"images", "decoded"},
    [METRIC_IMAGES_REUSED] = {"images", "reused"},
    [METRIC_TOOLS_CHECKED] = {"tools", "checked"},
    [METRIC_TOOLS_REUSED] = {"tools", "reused"},
    [METRIC_ROUTES_RESOLVED] = {"routes", "resolved"},
    [METRIC_ROUTES_REUSED] = {"routes", "reused"},
    [METRIC_STORE_WRITTEN] = {"store", "written"},
    [METRIC_STORE_BATCHES] = {"store", "batches"},
    [METRIC_STORE_FAILED] = {"store", "failed"},
    [METRIC_UPSTREAM_ASKED] = {"upstream", "asked"},
    [METRIC_UPSTREAM_DROPPED] = {"upstream", "dropped"},
    [METRIC_UPSTREAM_FAILED] = {"upstream", "failed"},
    [METRIC_UPSTREAM_BYTES] = {"upstream", "bytes"},
};

static const char *const stages[METRIC_STAGE_COUNT] = {
    [METRIC_STAGE_VALIDATION] = "validation", [METRIC_STAGE_ROUTING] = "routing",
    [METRIC_STAGE_RENDER] = "render",         [METRIC_STAGE_ENGINE] = "engine",
    [METRIC_STAGE_STORE] = "store",           [METRIC_STAGE_BOOKKEEPING] = "bookkeeping",
    [METRIC_STAGE_REFUSAL] = "refusal",
};

void metrics_spend(struct metrics *metrics, enum metric_stage stage, uint64_t ns)
{
    struct metric_time *time = &metrics->stages[stage];
    time->count++;
    time->total_ns += ns;
    if (ns > time->max_ns)
        time->max_ns = ns;
}

const char *metrics_stage_name(enum metric_stage stage)
{
    return stages[stage];
}

static void write_gauges(struct json_writer *w, const char *group,
                         const struct metric_gauge *gauges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(gauges[i].group, group) == 0)
            json_write_field_int(w, gauges[i].name, (int64_t)gauges[i].value);
}

static bool is_counted(const char *group)
{
    for (size_t i = 0; i < METRIC_COUNT; i++)
        if (strcmp(rows[i].group, group) == 0)
            return true;
    return false;
}

/* Groups that have gauges alone. */
static void write_other_groups(struct json_writer *w, const struct metric_gauge *gauges,
                               size_t count)
{
    const char *last = "";
    for (size_t i = 0; i < count; i++) {
        if (is_counted(gauges[i].group) || strcmp(gauges[i].group, last) == 0)
            continue;
        last = gauges[i].group;
        json_write_key(w, last);
        json_write_begin_object(w);
        write_gauges(w, last, gauges, count);
        json_write_end_object(w);
    }
}

static void write_stages(struct json_writer *w, const struct metrics *metrics)
{
    json_write_key(w, "stages");
    json_write_begin_object(w);
    for (size_t i = 0; i < METRIC_STAGE_COUNT; i++) {
        const struct metric_time *time = &metrics->stages[i];
        json_write_key(w, stages[i]);
        json_write_begin_object(w);
        json_write_field_int(w, "count", (int64_t)time->count);
        json_write_field_int(w, "total_us", (int64_t)(time->total_ns / 1000));
        json_write_field_int(w, "max_us", (int64_t)(time->max_ns / 1000));
        json_write_end_object(w);
    }
    json_write_end_object(w);
}

void metrics_append(struct buf *buf, const struct metrics *metrics,
                    const struct metric_gauge *gauges, size_t gauge_count)
{
    struct json_writer w;
    json_writer_init(&w, buf);
    json_write_begin_object(&w);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        bool first = i == 0 || strcmp(rows[i].group, rows[i - 1].group) != 0;
        bool last = i + 1 == METRIC_COUNT || strcmp(rows[i].group, rows[i + 1].group) != 0;
        if (first) {
            json_write_key(&w, rows[i].group);
            json_write_begin_object(&w);
            write_gauges(&w, rows[i].group, gauges, gauge_count);
        }
        json_write_field_int(&w, rows[i].name, (int64_t)metrics->counts[i]);
        if (last)
            json_write_end_object(&w);
    }
    write_other_groups(&w, gauges, gauge_count);
    write_stages(&w, metrics);
    json_write_end_object(&w);
}
