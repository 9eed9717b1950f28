/* sweep: history is kept as long as history.keepDays says (0: as long as nobody deletes it). */
#ifndef LANEBRIDGE_SWEEP_H
#define LANEBRIDGE_SWEEP_H

#include <lanebridge/config.h>
#include <lanebridge/journal.h>
#include <lanebridge/loop.h>

struct sweep;
/* All borrowed. */
struct sweep *sweep_new(struct loop *loop, struct journal *journal, const struct config *config,
                        const char *state_folder);
void sweep_free(struct sweep *sweep);
/* Once; *ret_has_more: not all of it was done. */
void sweep_run(struct journal *journal, const struct config *config, const char *state_folder,
               bool *ret_has_more);

#endif
