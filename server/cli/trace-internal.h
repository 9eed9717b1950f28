/* Spans of a turn: what happened when, from the journal; as lines and as the Chrome trace format.
 */
#ifndef LANEBRIDGE_TRACE_INTERNAL_H
#define LANEBRIDGE_TRACE_INTERNAL_H

#include <lanebridge/journal.h>

enum trace_kind { TRACE_TURN, TRACE_STEP, TRACE_STAGE, TRACE_CALL, TRACE_EDITOR };
struct trace_span {
    enum trace_kind kind;
    char *name, *note;
    uint64_t start_us, end_us; /* since 1970; within the span that it is part of */
    unsigned depth;
    unsigned track; /* what is on one track lies behind or within each other */
};
struct trace_tracks {
    VEC(uint64_t) ends; /* of what is on each */
};
struct trace_spans {
    VEC(struct trace_span) list; /* a span, then those within it */
    struct trace_tracks calls, editor;
};
/* The turn with its steps, its calls, what was asked of the editor, and helpers within their calls.
 */
void trace_collect(struct journal *journal, const char *thread_id, const struct journal_turn *turn,
                   struct trace_spans *spans);
void trace_append_lines(const struct trace_spans *spans, struct buf *out);
/* One JSON object, for Perfetto and chrome://tracing: times in microseconds from the first span on.
 */
void trace_append_chrome(const struct trace_spans *spans, struct str title, struct buf *out);
void trace_finish(struct trace_spans *spans);

#endif
