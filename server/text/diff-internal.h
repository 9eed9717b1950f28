/* The core of the line diff, on numbers in place of lines. */
#ifndef LANEBRIDGE_TEXT_DIFF_INTERNAL_H
#define LANEBRIDGE_TEXT_DIFF_INTERNAL_H

#include <lanebridge/text.h>

/* A sequence and, for each element, whether the diff removes (or adds) it. */
struct myers_side {
    const uint64_t *values;
    bool *changed;
    size_t count;
};

/* Marks what is not common to both. Smallest as long as `budget` steps suffice for it; then long
 * stretches are split where the search got farthest, and at last marked whole. */
void myers_diff(struct myers_side *a, struct myers_side *b, size_t budget);

#endif
