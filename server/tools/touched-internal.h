/* What a command does to the files of the workspace: so that it can be undone where the earlier text
 * is known, named where it is not, and so that nobody works on text that is no longer there. */
#ifndef LANEBRIDGE_TOUCHED_INTERNAL_H
#define LANEBRIDGE_TOUCHED_INTERNAL_H

#include "tools-internal.h"

/* All-zero is empty. */
struct touched {
    VEC(struct touched_file) files; /* open, read or edited, as they are on disk */
    VEC(char *) excused;            /* changed by somebody else */
    int64_t since_ns;               /* wall clock of its begin; 0: not begun */
    char *turn_id;                  /* that is told when nobody waits */
    bool is_background;             /* others may have changed files meanwhile */
};
/* Before the command: remembers the texts of the files that this thread has read or edited and of
 * those that are open. */
void touched_take(struct touched *touched, struct tools_thread *thread);
/* Somebody else has changed this file: the command is not asked about it. */
void touched_excuse(struct touched *touched, struct str absolute_path);
/* Records in the turn's change set what has changed since the last look, marks documents that are
 * behind their files, and says in `notes` what the model must know; the person is told of unsaved
 * texts whose files changed. */
void touched_compare(struct touched *touched, struct tools_thread *thread, const char *turn_id,
                     struct buf *notes);
/* The command has ended: what it did to other files is looked for in the pool, and recorded as not
 * undoable. An undo waits for that. */
void touched_look(struct touched *touched, struct tools_thread *thread, const char *turn_id);
/* What need not be looked for: keys of the map, without values. */
void touched_add_known(const struct touched *touched, struct map *known);
void touched_finish(struct touched *touched);
void touched_drop_looks(struct tools_thread *thread);

#endif
