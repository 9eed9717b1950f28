#ifndef LANEBRIDGE_BENCH_STREAM_H
#define LANEBRIDGE_BENCH_STREAM_H

#include "bench.h"

struct stream_bench {
    const char *binary, *folder;
    size_t deltas, runs, seconds;
};
enum { STREAM_RUNS_MAX = 50 };

/* A text delta of 226 bytes. `text` needs no escaping. */
void stream_append_delta(struct buf *event, struct str lane, unsigned number, const char *text);
/* The end of a response, its one message. */
void stream_queue_end(struct ws *ws, struct str lane, const char *response_id);

/* As fast as it goes. */
void stream_burst(const struct stream_bench *bench);
/* On 16 lanes at a steady pace, with somebody typing. */
void stream_paced(const struct stream_bench *bench);

#endif
