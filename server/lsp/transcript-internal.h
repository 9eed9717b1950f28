/* A transcript: its log, which grows at the end, and the file it is written to. */
#ifndef LANEBRIDGE_LSP_TRANSCRIPT_INTERNAL_H
#define LANEBRIDGE_LSP_TRANSCRIPT_INTERNAL_H

#include "lsp-internal.h"

struct transcript {
    struct lsp_server *server;
    char thread_id[ID_BYTES];
    char *path;
    struct markdown log; /* the end of all that belongs above the prompt heading … */
    size_t base;         /* … behind so much of it that is on the disk alone */
    size_t written;      /* of all, on disk */
    size_t shown;        /* of all, in the editor's buffer */
    size_t sent;         /* bytes of the insertion under way or to be verified, 0: none */
    bool in_flight, is_open, is_at_rest; /* at rest: no turn adds to it */
    unsigned retries, refusals;
    uint64_t answered_ms, sent_revision; /* of the insertion to be verified */
    uint64_t disk_ms;                    /* when it was written to disk last */
    struct loop_timer *timer;
};

size_t transcript_end(const struct transcript *transcript);
/* What is in memory from there on. */
struct str transcript_log_from(const struct transcript *transcript, size_t offset);
/* Of a file, from there on; nothing if it cannot be read. */
void transcript_read(const char *path, size_t offset, struct buf *bytes);
/* Start of the last line that is the prompt heading, or the end. */
size_t transcript_heading(struct str text);
/* Makes the file anew: the log, the heading, and what the person saved below it (or `prompt`,
 * behind that). What nobody looks at in an editor is then no longer kept in memory. */
void transcript_write(struct transcript *transcript, struct str prompt);
/* All of the log in memory again. */
void transcript_load(struct transcript *transcript);
/* False: there is no file yet. */
bool transcript_find_begun(struct transcript *transcript);

#endif
