/* Searching one file, and what is kept of it until its turn in the order of results has come. */
#ifndef WORKSPACE_SCAN_INTERNAL_H
#define WORKSPACE_SCAN_INTERNAL_H

#include "regex-internal.h"
#include "search-internal.h"

/* What a thread needs to search. */
struct scanner {
    struct workspace_job *job; /* what of it is written meanwhile: `stop` alone */
    struct regex *regex;       /* its own */
    struct buf bytes;          /* of the file at hand, kept for the next one */
};

enum scan_outcome { SCAN_NOTHING, SCAN_SEARCHED, SCAN_BINARY, SCAN_LARGE };

struct scan_task {
    char *relative;
    const char *name;           /* the last part of it */
    struct walk_folder *folder; /* that holds it; NULL: it exists in the editor alone */
    const struct document_snapshot_entry *document;
    enum scan_outcome outcome;
    VEC(struct workspace_match) matches;
    size_t match_count; /* without context lines */
    size_t text_bytes;
    bool limited; /* there is more in the file, or may be */
};
void scan_file(struct scanner *scanner, struct scan_task *task);
void scan_task_finish(struct scan_task *task);

#endif
