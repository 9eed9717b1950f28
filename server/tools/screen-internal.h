/* What is on the screen and not on the disk, for a command. */
#ifndef LANEBRIDGE_SCREEN_INTERNAL_H
#define LANEBRIDGE_SCREEN_INTERNAL_H

#include "saving-internal.h"

/* All-zero is empty. */
struct screen {
    VEC(struct policy_bind) binds; /* paths and fds are ours */
    struct buf notes;              /* what the command will not see, one sentence a line */
    struct path_list refused;      /* what it wanted to change of them, by its last output */
};
/* The thread's own proposals, too. */
void screen_take(struct screen *screen, const struct tools_thread *thread, bool sandboxed);
enum status screen_check(const struct screen *screen, struct err *err);
void screen_close(struct screen *screen); /* the child has them now; the paths stay */
/* Notes which bound files the command wanted to write or replace, by what its output shows. What is
 * said about them goes here into the call's text. */
void screen_find_refused(struct screen *screen, struct str output, struct tools_call *call);
/* Says so, for the model. */
void screen_explain(const struct screen *screen, struct tools_call *call);
/* Ends the call of a command that has ended; asks the person first whether to save what it wanted to
 * change. */
void screen_end_call(struct screen *screen, struct tools_call *call, bool ok);
void screen_finish(struct screen *screen);

/* -- builds.c -------------------------------------------------------------------------------- */

/* A command is about to see these texts. */
void builds_note(struct tools *tools, const struct screen *screen);
/* Files whose other text is gone become newer than what was built from it. */
void builds_settle(struct tools *tools);
document_observer_fn builds_on_document; /* the same, at once; user: the tools */
void builds_finish(struct tools *tools);

#endif
