/* A decision under way. review_decide.c: which hunks, and what needs no edit; review_edit.c: what
 * does. */
#ifndef LANEBRIDGE_REVIEW_JOB_INTERNAL_H
#define LANEBRIDGE_REVIEW_JOB_INTERNAL_H

#include "review-internal.h"

/* The hunks chosen in one file. */
struct review_choice {
    char *path;
    char thread_id[ID_BYTES]; /* of a proposal, or "" */
    bool has_whole;
    VEC(unsigned) ids;           /* of lines */
    struct text *before, *after; /* of the edit; NULL where there is no file */
    struct buf from, to;         /* paths of the edit; to: of a move */
    bool was_unsaved;
};

struct review_job {
    struct reviews *reviews;
    enum tools_verdict verdict;
    struct buf thread_id, turn_id, path, text;
    VEC(unsigned) wanted;
    VEC(struct review_choice) choices;
    VEC(char *) saving;
    struct buf note;
    size_t count;
    unsigned attempts;
    bool is_waiting; /* for its turn, and for edits that are under way */
    tools_decided_fn *on_done;
    void *user;
};

bool review_is_chosen(void *choice, const struct edit_hunk *hunk);
struct review_file *review_choice_file(const struct review_job *job,
                                       const struct review_choice *choice);
void review_job_start(struct review_job *job); /* again, from the texts as they are now */
void review_job_end(struct review_job *job, enum status status);
void review_job_fail(struct review_job *job, enum status status, struct str why);
/* What was chosen and needs an edit, as one. */
void review_job_send(struct review_job *job);
/* "… at lines 3 and 7", for each turn whose hunks were chosen. */
void review_tell_chosen(struct reviews *reviews, struct review_file *file,
                        struct review_choice *choice, const char *did, const char *so);

#endif
