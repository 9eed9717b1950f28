/* Diagnostics of the editor's language servers: kept, waited for, compared. */
#ifndef LANEBRIDGE_TOOLS_DIAGS_INTERNAL_H
#define LANEBRIDGE_TOOLS_DIAGS_INTERNAL_H

#include "tools-internal.h"

struct diag {
    unsigned severity, line, character; /* 1-based */
    char *message, *label;              /* label: source and code, or "" */
};
/* Against the text as it was when they were looked at. */
enum diag_age {
    DIAG_FRESH,
    DIAG_UNKNOWN, /* the editor does not say for which version */
    DIAG_STALE,
};
struct diag_file {
    char *path; /* absolute */
    enum diag_age age;
    VEC(struct diag) list;
};
struct diags {
    VEC(struct diag_file) files;
};
void diags_copy(const struct tools *tools, const struct host_diagnosed *files, size_t count,
                struct diags *ret_diags);
void diags_finish(struct diags *diags);
const struct diag_file *diags_find(const struct diags *diags, struct str path);
/* Takes the file out; with path NULL, where it is not there. */
struct diag_file diags_take(struct diags *diags, struct str path);
void diag_file_finish(struct diag_file *file);
/* The same ones, at whatever line. */
bool diag_file_eq(const struct diag_file *a, const struct diag_file *b);
/* Marks in is_new what `after` has more than `before`: a line that the edit moved is the same line,
 * what the edit's lines had before is not new. */
void diag_mark_new(const struct diag_file *before, const struct diag_file *after,
                   const struct text *old_text, const struct text *new_text, bool *is_new);
/* "src/a.c:12:5: error: expected ';' [clang]" */
void diag_append(const struct diag *diag, const char *display, struct buf *out);
const char *diag_severity_name(unsigned severity);

/* What a thread remembers: files as they were before an edit whose outcome was not known in time.
 */
struct thread_diags {
    struct diags unsettled;
    unsigned in_vain; /* waits in a row that brought nothing: each halves the next */
};

/* -- Waiting --------------------------------------------------------------------------------- */

/* Asks until the answer is about the texts as they are now, or the time is up. */
struct lookout;
struct lookout_wish {
    const char *const *paths; /* NULL: all */
    size_t count;
    uint64_t wait_ms;
    /* Of files whose version is not told: wait for them to be others than these. NULL: take them.
     */
    const struct diags *others_than;
};
/* status TIMEOUT: it never answered. Else diags is what came last, stale or not; borrowed. */
typedef void lookout_fn(void *user, enum status status, const struct diags *diags);
struct lookout *lookout_start(struct tools *tools, const struct lookout_wish *wish, lookout_fn *fn,
                              void *user);
void lookout_free(struct lookout *lookout); /* no callback any more */

#endif
