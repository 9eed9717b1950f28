/* Somebody who swaps two names as fast as he can, while a test works with one of them. */
#ifndef TEST_RACER_H
#define TEST_RACER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct racer {
    pid_t pid;
    volatile unsigned long *exchanges; /* shared with the child */
};
/* Both are absolute. Returns once the first exchange is done. */
void racer_start(struct racer *racer, const char *first, const char *second);
unsigned long racer_stop(struct racer *racer); /* how often they were swapped */

/* False once all `rounds` are done and each way was seen to work, or clearly never will: the racer
 * may leave a test no luck for a while. */
bool racer_goes_on(unsigned round, unsigned rounds, const unsigned *seen, size_t ways);
/* 10,000 in a full run (LANEBRIDGE_FULL), else a sample of `plain`. */
unsigned racer_rounds(unsigned plain);

/* What must not be done: looks where the path leads, and opens it then. True if it read `secret`
 * although it had looked. */
bool racer_naive_read_escapes(const char *path, const char *root, const char *secret);

#endif
