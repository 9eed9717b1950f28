/* What a guard knows; guard.c looks and compares, quarantine.c moves and puts back. */
#ifndef LANEBRIDGE_GUARD_INTERNAL_H
#define LANEBRIDGE_GUARD_INTERNAL_H

#include "census-internal.h"

/* One protected file or folder, or a file inside one. */
struct guard_record {
    char *path; /* root's index, "/", path below the root */
    struct stat st;
    struct buf content; /* of a regular file, when kept */
    bool has_content, seen;
    bool is_top;   /* at root depth, among the first of them: the sandbox binds it */
    bool is_fixed; /* read-only in the sandbox: who changed it, it was no command */
};

struct guard_root {
    char *path;
    int fd;
    bool is_git; /* a git directory outside the folders, that the command may write */
};

/* What a command left, and where it is now. */
struct guard_moved {
    char *path, *kept; /* kept: absolute, in quarantine */
    bool was_changed;  /* else created; the earlier text is in its place */
};

struct policy_guard {
    struct census *census;
    VEC(struct guard_root) roots;
    VEC(struct guard_record) before, after;
    VEC(struct guard_moved) moved;
    struct map by_path;            /* of before: index + 1 as a pointer */
    struct map excused;            /* absolute paths; no values */
    struct map unseen;             /* folders the walk before had no time for; no values */
    struct map held;               /* folders the sandbox kept read-only; no values */
    struct policy_strings secrets; /* and what .agentignore names: paths, as in records */
    size_t secrets_left;           /* so many more, which are not masked */
    char *quarantine;              /* made when it is needed */
    bool git;                      /* the command may write the git directories */
    bool fixes;                    /* the sandbox makes what is_top read-only */
    bool is_cut;                   /* the walk after it did not see everything */
};

/* The root of a record's path, and the rest of it. */
const struct guard_root *guard_split(const struct policy_guard *guard, const char *path,
                                     struct str *ret_relative);
/* Each moves what is there now to quarantine, if anything is, and appends a line to the report. */
void quarantine_created(struct policy_guard *guard, const char *path, struct buf *report);
void quarantine_changed(struct policy_guard *guard, const struct guard_record *before, bool exists,
                        struct buf *report);
void quarantine_finish(struct policy_guard *guard);

#endif
