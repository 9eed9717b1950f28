/* A command that runs, as session.c (its life, who waits) and session_launch.c (how it is started,
 * and what is looked at before and after) know it. */
#ifndef LANEBRIDGE_SESSION_INTERNAL_H
#define LANEBRIDGE_SESSION_INTERNAL_H

#include "screen-internal.h"
#include "touched-internal.h"

enum session_state {
    SESSION_LOOKING, /* the folders are looked at, in the pool */
    SESSION_RUNNING,
    SESSION_CHECKING, /* it ended; what it did to protected names is looked for */
    SESSION_ENDED,
};

struct session {
    struct tools_thread *thread;
    int64_t id;
    enum session_state state;
    struct session_options options; /* texts are ours */
    char *command, *workdir;
    struct loop_process *process; /* from RUNNING on */
    struct launch_guard *guard;   /* what stands by a sandboxed command, or NULL */
    struct err failure;           /* ENDED without ever having run */
    struct screen screen;
    struct touched touched; /* what it does to files */
    struct ring ring;
    bool input_is_allowed;
    bool keep_stdin, is_doomed; /* doomed: nobody may look any more, freed when it has ended */
    struct buf early;           /* input from before it ran */
    int exit_code, signal;
    const char *killed_why; /* NULL: not by us */
    uint64_t started_ms, ended_ms;
    struct loop_timer *yield, *unseen, *total, *room;
    uint64_t room_bytes; /* free on the disk before it */
    struct tools_call *call; /* waiting for us, or NULL */
    size_t limit_bytes;
    uint64_t yield_ms;
    struct buf held;
    size_t progress_bytes;
    struct buf findings; /* what it did to protected names, for the model and the user */
    size_t finding_count;
};

/* -- launch.c -------------------------------------------------------------------------------- */

/* Goes on to session_on_running, or to session_on_ended with failure set; at once for a plain
 * command. */
void launch_start(struct session *session);
/* The command has ended: goes on to session_on_ended, at once without a guard. */
void launch_check(struct session *session);
/* Nobody waits any more. What the command did is still looked at, now, if it ran. */
void launch_drop(struct session *session);
void launch_excuse(struct session *session, struct str absolute_path);
/* Gives back what was moved to quarantine, because the user said so. */
size_t launch_restorable(const struct session *session);
void launch_restore(struct session *session, struct buf *report);

/* -- session.c ------------------------------------------------------------------------------- */

void session_on_running(struct session *session);
void session_on_ended(struct session *session);
void session_on_output(void *user, struct str bytes);
void session_on_exit(void *user, int exit_code, int signal);
/* The call that waits is no longer told; it is the caller's. */
struct tools_call *session_detach(struct session *session);
/* An ended command begins anew, with more than before. */
void session_restart(struct session *session, bool network, bool git);

/* -- retry.c --------------------------------------------------------------------------------- */

/* The command has ended, and a call waits for it. True: the call is taken from it, and comes back. */
bool retry_offer(struct session *session);

#endif
