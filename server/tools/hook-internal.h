/* Running the user's hooks. */
#ifndef LANEBRIDGE_HOOK_INTERNAL_H
#define LANEBRIDGE_HOOK_INTERNAL_H

#include "tools-internal.h"

/* text: what the model is to read; "" nothing. */
typedef void hooks_done_fn(void *user, bool is_blocked, struct str text);
typedef void hooks_note_fn(void *user, struct str text);
struct hooks_wish {
    enum policy_hook_event event;
    struct str tool, turn_id;
    struct str json; /* for their standard input; copied */
    hooks_done_fn *on_done;
    hooks_note_fn *on_note;
    void *owned; /* freed after on_done, or when they are stopped */
};
bool hooks_are_there(struct tools *tools, enum policy_hook_event event, struct str tool);
/* Those of the event, in the order of the settings. on_done comes once, later. */
struct hook_run *hooks_start(struct tools_thread *thread, const struct hooks_wish *wish,
                             void *user);
void hooks_stop(struct hook_run *run); /* no callback any more; NULL is fine */

#endif
