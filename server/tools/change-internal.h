/* An edit under way: what was asked for, the files it touches as they are now, and its plan. The
 * flow is in change.c, planning (pool thread) in change_plan.c, what is said about it in
 * change_report.c. */
#ifndef LANEBRIDGE_CHANGE_INTERNAL_H
#define LANEBRIDGE_CHANGE_INTERNAL_H

#include <lanebridge/edit.h>

#include "tools-internal.h"

struct change {
    unsigned refs; /* the call's and the pool's */
    enum change_kind kind;
    struct edit_patch *patch;
    struct buf path, old_string, new_string;
    bool replace_all;

    VEC(struct now_file) files;
    struct edit_plan plan; /* of the last attempt */
    enum status status;
    struct buf errors;
    unsigned attempts;
    char approved[SHA256_HEX_BYTES]; /* what the person said yes to */
    bool is_sent;                    /* with the host: too late to cancel */
    VEC(char *) saving;              /* paths with the host to be saved */
};

/* The file a plan's path means; NULL for none. */
struct now_file *change_file(const struct change *change, const char *given);
/* Pool thread: reads what is not open and plans; fills status, errors, plan. */
void change_make_plan(struct change *change);
void change_clear_plan(struct change *change);

void change_append_diff(const struct change *change, size_t context, struct buf *out);
/* What an approval is bound to: every hunk's old and new lines and the paths, not the offsets. */
void change_fingerprint(const struct change *change, char ret_hex[SHA256_HEX_BYTES]);
/* "M src/a.c (+3 -1)", one line a file, then the matcher's notes. */
void change_append_report(const struct change *change, struct buf *out);
void change_append_summary(const struct change *change, struct buf *out);
/* Stores before and after of every file that changed in the turn's change set. */
enum status change_record(const struct change *change, struct tools_call *call, struct err *err);

#endif
