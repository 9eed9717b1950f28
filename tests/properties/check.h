/* What the property programs include: randomness that a seed repeats, and checks that name it. */
#ifndef LANEBRIDGE_TESTS_CHECK_H
#define LANEBRIDGE_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include <lanebridge/base.h>

extern uint64_t check_seed; /* the one that runs */

/* Ends the program, also in a build without assert. */
#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "seed %llu, %s:%d: " #condition ": ", (unsigned long long)check_seed,  \
                    __FILE__, __LINE__);                                                           \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline size_t random_below(uint64_t *state, size_t limit)
{
    return (size_t)((random_next(state) >> 11) % limit);
}

/* One time in `n`. */
static inline bool random_once(uint64_t *state, size_t n)
{
    return random_below(state, n) == 0;
}

#endif
