/* An edit that the editor's language servers make: asked for, and asked for again when a text
 * changed meanwhile; then planned, judged, applied and recorded like any other (change.c). */
#ifndef LANEBRIDGE_TOOLS_PROPOSE_INTERNAL_H
#define LANEBRIDGE_TOOLS_PROPOSE_INTERNAL_H

#include "change-internal.h"
#include "spot-internal.h"

/* What the state of each such tool begins with. */
struct propose_state {
    struct change_state change;
    struct spot spot; /* path alone where no symbol is named */
    struct loop_timer *deadline;
    bool is_waiting; /* for the editor */
    /* Fills place and words, from spot.file.text as it is now. */
    enum status (*fill)(struct tools_call *call, struct host_query *query, struct err *err);
};
/* For the tools' rows, and their `prepare` once spot.path is there. */
enum status propose_prepare(struct tools_call *call,
                            enum status (*fill)(struct tools_call *call, struct host_query *query,
                                                struct err *err),
                            struct err *err);
void propose_run(struct tools_call *call);
bool propose_cancel(struct tools_call *call);
void propose_finish(struct tools_call *call);

#endif
