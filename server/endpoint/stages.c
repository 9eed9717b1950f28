/* Where the time of a response went: for its terminal event, and for /metrics. */
#include "saves-internal.h"

/* In the order in which they happen. */
static const enum metric_stage told[] = {
    METRIC_STAGE_ROUTING,
    METRIC_STAGE_VALIDATION,
    METRIC_STAGE_RENDER,
    METRIC_STAGE_ENGINE,
};

void stages_append(struct buf *text, const struct answer *answer)
{
    for (size_t i = 0; i < array_count(told); i++)
        buf_append_fmt(text, "%s=%llu ", metrics_stage_name(told[i]),
                       (unsigned long long)answer->spent_ns[told[i]] / 1000);
    buf_append_fmt(text, "bookkeeping_before=%llu",
                   (unsigned long long)answer->saves->bookkeeping_ns / 1000);
}

void stages_note_engine(struct answer *answer)
{
    if (answer->spent_ns[METRIC_STAGE_ENGINE] == 0)
        answer->spent_ns[METRIC_STAGE_ENGINE] = time_mono_ns() - answer->engine_begun_ns;
}

void stages_note_ending(const struct answer *answer)
{
    for (size_t i = 0; i < array_count(told); i++)
        metrics_spend(&answer->endpoint->metrics, told[i], answer->spent_ns[told[i]]);
}

void stages_note_bookkeeping(struct saves *saves, uint64_t begun_ns)
{
    saves->bookkeeping_ns = time_mono_ns() - begun_ns;
    metrics_spend(&saves->endpoint->metrics, METRIC_STAGE_BOOKKEEPING, saves->bookkeeping_ns);
}

void stages_note_refusal(struct endpoint *endpoint, uint64_t begun_ns)
{
    metrics_spend(&endpoint->metrics, METRIC_STAGE_REFUSAL, time_mono_ns() - begun_ns);
}
