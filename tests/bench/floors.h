#ifndef LANEBRIDGE_BENCH_FLOORS_H
#define LANEBRIDGE_BENCH_FLOORS_H

#include "bench.h"

/* `steps` and one more requests, each sent when the response before has ended; then waits for
 * a byte or the end of its stdin. ca_path NULL: in the clear. */
void floor_run_bare(unsigned port, size_t steps, const char *ca_path);
void floor_run_library(unsigned port, size_t steps, const char *ca_path);

#endif
