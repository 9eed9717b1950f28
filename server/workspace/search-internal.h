/* What walking, searching and grepping share: the job, the walk's entries, the open texts. */
#ifndef WORKSPACE_SEARCH_INTERNAL_H
#define WORKSPACE_SEARCH_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "workspace-internal.h"

/* -- Open texts ------------------------------------------------------------------------------- */

/* The snapshot, made ready for one root: what stands in for which file. Read-only once prepared. */
struct open_texts {
    struct map by_path;  /* relative to the root, to struct document_snapshot_entry */
    struct map by_inode; /* files with several names, by (device, inode) as they are now */
    VEC(char *) missing; /* relative paths that are not on disk */
};

void open_texts_prepare(struct open_texts *open, const struct workspace_root *root,
                        const struct document_snapshot *snapshot);
void open_texts_finish(struct open_texts *open);
const struct document_snapshot_entry *open_texts_find(const struct open_texts *open,
                                                      struct str relative);
const struct document_snapshot_entry *open_texts_find_inode(const struct open_texts *open,
                                                            const struct stat *found);
/* True when the file's bytes are not the document's text. folder_fd < 0: there is no file. */
bool open_text_differs(const struct document_snapshot_entry *document, int folder_fd,
                       const char *name);

/* -- The walk --------------------------------------------------------------------------------- */

/* A folder on the disk, open as long as somebody refers to it; any thread may. */
struct walk_folder;
struct walk_folder *walk_folder_ref(struct walk_folder *folder); /* NULL gives NULL */
void walk_folder_unref(struct walk_folder *folder);
int walk_folder_fd(const struct walk_folder *folder); /* -1 for NULL */

struct walk_entry {
    const char *name;
    struct str relative;        /* to the root */
    struct walk_folder *folder; /* that holds it; NULL: it exists in the editor alone */
    int folder_fd;              /* its descriptor, or -1 */
    unsigned depth;             /* 1: in the folder where the search started */
    bool is_folder, is_regular, is_link;
    bool ignored;
    const struct document_snapshot_entry *document; /* open text of this path, or NULL */
};

enum walk_next { WALK_ON, WALK_ENTER, WALK_STOP };

/* What makes list, find and grep differ. */
struct job_kind {
    const char *verb;
    bool folders_first;
    bool takes_file;                          /* may start at a file */
    bool (*begin)(struct workspace_job *job); /* may be NULL; false: failed, results say why */
    enum walk_next (*visit)(struct workspace_job *job, const struct walk_entry *entry);
    void (*end)(struct workspace_job *job); /* may be NULL; always called */
};

struct grep;

struct workspace_job {
    struct workspace *workspace; /* NULL once cancelled; loop thread only */
    struct loop_work *work;
    workspace_results_fn *on_done;
    void *user;
    const struct job_kind *kind;

    atomic_bool cancelled;
    atomic_bool timed_out;
    atomic_bool stop;            /* enough was found */
    pthread_mutex_t filter_lock; /* so that no filter runs once cancel has returned */
    uint64_t deadline_ns;

    struct workspace_root root; /* a copy with a descriptor of its own */
    struct buf start;           /* relative; canonical once the walk runs */
    char *display_prefix;       /* "" or "name/" */
    bool start_is_ignored;
    struct workspace_search search; /* what it borrowed is copied into the fields here */
    char *glob, *pattern;
    struct document_snapshot documents;
    struct open_texts open;
    struct grep *grep;

    VEC(struct workspace_match) matches;
    struct workspace_results results;
};

/* Runs the walk, calling kind->visit; true unless something failed (results say what). */
bool walk_run(struct workspace_job *job);
/* Cancelled, out of time, or enough found. Any thread. */
bool job_must_stop(struct workspace_job *job);
void job_fail(struct workspace_job *job, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool job_hides(struct workspace_job *job, struct str relative, bool is_folder);
bool job_glob_matches(const struct workspace_job *job, struct str relative);
/* Path filled in; the rest is the caller's. Any thread. */
struct workspace_match job_make_match(const struct workspace_job *job, struct str relative);
void match_finish(struct workspace_match *match);

/* -- Grep ------------------------------------------------------------------------------------- */

extern const struct job_kind grep_kind;

#endif
