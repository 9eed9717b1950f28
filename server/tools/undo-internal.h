/* Taking back what a turn did to files, and putting it back. undo.c: which change sets, reading,
 * applying, recording; undo_plan.c: the texts, on a pool thread. */
#ifndef LANEBRIDGE_UNDO_INTERNAL_H
#define LANEBRIDGE_UNDO_INTERNAL_H

#include <lanebridge/edit.h>

#include "tools-internal.h"

/* One change as the journal has it. */
struct undo_step {
    enum edit_kind kind;
    char *path, *new_path;       /* absolute; new_path: of a move */
    struct text *before, *after; /* NULL where there is none */
    bool is_lost;                /* a text it needs is no longer kept */
};

/* One file the steps name. */
struct undo_file {
    struct now_file now;
    char *path;          /* absolute, as recorded */
    struct text *result; /* what it is to be; NULL: it is not to be */
    enum tools_undo_outcome outcome;
    struct buf note;
    struct undo_file *came_from; /* moved: the file whose text is now here */
    bool is_moved_away;
};

struct tools_undo {
    unsigned refs; /* ours and the pool's */
    struct tools *tools;
    struct tools_thread *thread;
    struct job *job;
    char turn_id[ID_BYTES];
    enum tools_undo_way way;
    tools_undo_fn *on_done;
    void *user;
    VEC(struct undo_step) steps;   /* as they happened */
    VEC(struct undo_file *) files; /* in order of first mention */
    VEC(struct undo_file *) sent;  /* with the host, in the order of its changes */
    VEC(char *) saving;
    unsigned attempts;
    bool is_held; /* the review waits for its end */
};

struct undo_file *undo_find(const struct tools_undo *undo, const char *path);
/* Pool thread: reads the files and turns the steps back, the last one first. */
void undo_make_plan(struct tools_undo *undo);

#endif
