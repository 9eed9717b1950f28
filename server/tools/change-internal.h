/* An edit under way: what was asked for, the files it touches as they are now, and its plan. The
 * flow is in change.c, planning (pool thread) in change_plan.c, what is said about it in
 * change_report.c. */
#ifndef LANEBRIDGE_CHANGE_INTERNAL_H
#define LANEBRIDGE_CHANGE_INTERNAL_H

#include <lanebridge/edit.h>

#include "tools-internal.h"

struct check;
struct change {
    unsigned refs; /* the call's and the pool's */
    enum change_kind kind;
    struct edit_patch *patch;
    struct buf path, old_string, new_string;
    bool replace_all;

    struct edit_plan proposed; /* by a language server: given paths are absolute */
    void (*propose_again)(struct tools_call *call);

    VEC(struct now_file) files;
    struct edit_plan plan; /* of the last attempt */
    enum status status;
    struct buf errors;
    unsigned attempts;
    char approved[SHA256_HEX_BYTES]; /* what the person said yes to */
    bool is_sent;                    /* with the host: too late to cancel */
    bool is_held;                    /* and the review waits for its end */
    VEC(char *) saving;              /* paths with the host to be saved */
    struct check *check;             /* NULL: no diagnostics are told here */
};

/* An edit that a language server makes: again(call) asks it anew when a text changed meanwhile. */
struct change *change_new_proposed(void (*again)(struct tools_call *call));
void change_take_proposal(struct change *change, const struct host_proposal *proposal);

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
/* The thread has seen its files as they are after it. */
void change_set_bases(struct tools_call *call, const struct change *change);
/* change_withheld.c: does it touch what reading would ask for, and the model has not read? */
bool change_withholds(const struct tools_call *call, const struct change *change,
                      struct policy_verdict *ret_verdict);
/* change_propose.c: is it to wait before anything is applied? */
bool change_is_proposal(const struct tools_call *call, const struct change *change);
/* Ends the call; false, and the call goes on, when the texts moved since it was planned. */
bool change_propose(struct tools_call *call, struct change *change);
/* What it changed waits for the person's decision. */
void change_record_review(const struct change *change, struct tools_call *call);

/* -- change_check.c: just before the edit goes out; and after it stands, which ends the call */
void change_check_before(struct tools_call *call, struct change *change);
void change_check_after(struct tools_call *call, struct change *change);
void change_check_free(struct check *check);

#endif
