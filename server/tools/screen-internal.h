/* What is on the screen and not on the disk, for a command. */
#ifndef LANEBRIDGE_SCREEN_INTERNAL_H
#define LANEBRIDGE_SCREEN_INTERNAL_H

#include "tools-internal.h"

/* All-zero is empty. */
struct screen {
    VEC(struct policy_bind) binds; /* paths and fds are ours */
    struct buf notes;              /* what the command will not see, one sentence a line */
};
void screen_take(struct screen *screen, const struct tools *tools, bool sandboxed);
enum status screen_check(const struct screen *screen, struct err *err);
void screen_close(struct screen *screen); /* the child has them now; the paths stay */
/* Explains a refused write to a bound file, if the output shows one. */
void screen_explain(const struct screen *screen, struct str output, struct buf *out);
void screen_finish(struct screen *screen);

#endif
