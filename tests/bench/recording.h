/* Recorded typing: a file with a gap, and the keys that fill it, with their times. */
#ifndef LANEBRIDGE_BENCH_RECORDING_H
#define LANEBRIDGE_BENCH_RECORDING_H

#include "bench.h"

struct recorded_key {
    unsigned ms; /* since the one before */
    bool is_back;
    char text[24];
};
struct recording {
    char language[16];
    struct buf before, after; /* of the gap */
    struct buf typed;         /* what it is in the end */
    VEC(struct recorded_key) keys;
    VEC(size_t)
    states; /* by length: the key after which that much of it stands there; 0: none. From 1 */
};
void recording_read(struct recording *recording, const char *path);
void recording_finish(struct recording *recording);
/* script.jsonl of the folder: a model that knows, wherever the cursor is, how it goes on; of 100
 * places it is wrong about so many, behind the next word. Where nobody would be, it says something
 * else. */
void recording_write_script(const struct recording *recording, const char *folder,
                            unsigned wrong_percent);

#endif
