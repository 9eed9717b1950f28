/* Clocks. Modules that decide by time take it as an argument, so that tests need no real clock. */
#ifndef LANEBRIDGE_BASE_TIME_H
#define LANEBRIDGE_BASE_TIME_H

#include <stdint.h>

uint64_t time_mono_ns(void);    /* monotonic, for measuring */
uint64_t time_wall_ms(void);    /* since 1970, for records */

#endif
