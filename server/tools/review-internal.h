/* What waits for the person's decision, one entry a file. review.c: the entries, and what is typed;
 * review_list.c: what is told of them; review_record.c: what the model changed, and what is undone;
 * review_propose.c: changes that are not applied; review_decide.c and review_edit.c: accepting,
 * rejecting, amending; review_keep.c: over a restart. */
#ifndef LANEBRIDGE_TOOLS_REVIEW_INTERNAL_H
#define LANEBRIDGE_TOOLS_REVIEW_INTERNAL_H

#include <lanebridge/edit.h>

#include "tools-internal.h"

/* A turn that has changed files. Hunks name it by its index. */
struct review_owner {
    char thread_id[ID_BYTES], turn_id[ID_BYTES];
    bool has_news;   /* the watcher is to be told */
    struct buf told; /* for the model: one line for each decision */
};

/* The change of a file as a whole: made, deleted, moved. */
struct review_whole {
    enum tools_hunk_kind kind; /* TOOLS_HUNK_LINES: none */
    unsigned id, owner;
};

struct review_file {
    char *path, *display;     /* absolute; as people read it */
    char *old_path;           /* of a move that waits, else NULL */
    char thread_id[ID_BYTES]; /* whose proposal it is: not applied, base is the text as it is; or ""
                               */
    struct edit_review lines; /* base is empty of one that was made, now of one that was deleted */
    struct review_whole whole;
    bool is_dirty;              /* something may have been typed since `now` */
    bool is_restored;           /* of an earlier process, and not looked at yet */
    bool is_reloaded; /* a command changed it on disk: what comes next is the editor's, reading it */
    unsigned saving;            /* changes that come are the formatters' */
    struct workspace_stat seen; /* of the file on the disk, when `now` was read there */
};

static inline bool review_is_proposal(const struct review_file *file)
{
    return file->thread_id[0] != '\0';
}
/* The file as it is: of a proposed move, the old one. */
static inline const char *review_source(const struct review_file *file)
{
    return review_is_proposal(file) && file->old_path ? file->old_path : file->path;
}

struct review_job;
struct reviews {
    struct tools *tools;
    VEC(struct review_file *) files;
    VEC(struct review_owner) owners;
    VEC(struct review_job *) jobs; /* decisions under way */
    VEC(char *) notices;           /* for people */
    struct document_observer *observer;
    struct loop_timer *typed_timer, *news_timer, *jobs_timer;
    unsigned added; /* entries so far: no two have hunks of the same id */
    unsigned holds; /* edits with the host: what comes meanwhile is not yet the person's */
    tools_review_watch_fn *watch;
    void *watch_user;
};

struct reviews *reviews_new(struct tools *tools);
void reviews_free(struct reviews *reviews);

/* thread_id "": what is applied; else that thread's proposal. */
struct review_file *review_find(const struct reviews *reviews, const char *thread_id,
                                struct str path);
struct review_file *review_add(struct reviews *reviews, const char *thread_id, struct str path,
                               const struct text *base, const struct text *now);
void review_remove(struct reviews *reviews, struct review_file *file);
void review_set_path(struct review_file *file, struct str path);
void review_set_display(struct reviews *reviews, struct review_file *file); /* from its path */
unsigned review_owner(struct reviews *reviews, const char *thread_id, const char *turn_id);
size_t review_pending(const struct review_file *file);

/* -- Looking: the text as it is, on the screen or on the disk */
enum review_look { REVIEW_TEXT, REVIEW_ABSENT, REVIEW_UNKNOWN };
enum review_look review_look(struct reviews *reviews, const struct review_file *file,
                             struct workspace_stat *ret_stat, struct text **ret_text);
/* The change of the file as a whole is given up. */
void review_withdraw(struct reviews *reviews, struct review_file *file);
void review_sync_proposal(struct reviews *reviews, struct review_file *file);
/* Takes in what was typed, unless an edit is under way. */
void review_sync(struct reviews *reviews, struct review_file *file);
void review_sync_all(struct reviews *reviews);

/* -- After a change of what is pending */
/* Its turns are told of, what waits is kept; one with nothing left is removed. */
void review_settle(struct reviews *reviews, struct review_file *file);
void review_on_news_time(void *reviews);
void review_mark_news(struct reviews *reviews, const struct review_file *file);
/* A line for the model. */
void review_tell(struct reviews *reviews, unsigned owner, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void review_notice(struct reviews *reviews, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "line 12" or "lines 12-14 and 20" */
void review_append_lines(struct buf *out, const struct edit_hunk *hunks, size_t count);

/* -- review_keep.c */
void review_keep(struct reviews *reviews, const struct review_file *file);
void review_forget(struct reviews *reviews, const struct review_file *file);
void reviews_restore(struct reviews *reviews);

/* -- review_decide.c */
void review_end_whole(struct review_file *file); /* nothing of it waits but lines */
void review_jobs_pump(struct reviews *reviews);  /* those that waited for an edit to end */
void review_jobs_drop(struct reviews *reviews);

#endif
