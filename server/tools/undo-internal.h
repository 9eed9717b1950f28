/* Taking back what a turn did to files, and putting it back. undo_steps.c: which change
 * sets; undo_plan.c: the texts, on a pool thread; undo.c: applying, recording. */
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
    bool is_touched;             /* by a command, and its earlier text is not known */
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
    bool waits;                    /* for what commands changed */
    VEC(struct undo_file *) sent;  /* with the host, in the order of its changes */
    VEC(char *) saving;
    unsigned attempts;
    bool is_held; /* the review waits for its end */
};

/* All that commands changed is recorded now: an undo that waits for it goes on. */
void undo_go_on(struct tools_thread *thread);
/* -- undo_steps.c ---------------------------------------------------------------------------- */

extern const char *const undo_kinds[]; /* by enum edit_kind */
extern const struct str undo_marks[];  /* in front of them, by enum tools_undo_way */
void undo_copy_id(char *to, size_t size, struct str id);
/* NOT_FOUND: there is nothing to take back. */
enum status undo_load_steps(struct tools_undo *undo, struct err *err);

/* -- undo_plan.c ----------------------------------------------------------------------------- */

struct undo_file *undo_find(const struct tools_undo *undo, const char *path);
void undo_set_result(struct undo_file *file, struct text *taken);
/* The worst outcome stays; what was said is not said twice. */
void undo_say(struct undo_file *file, enum tools_undo_outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Pool thread: reads the files and turns the steps back, the last one first. */
void undo_make_plan(struct tools_undo *undo);

#endif
