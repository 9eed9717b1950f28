/* Several changes as one: what is needed to take each step back, in memory and, until all are done,
 * in a file of the state folder, so that the next process finds what a killed one left. */
#ifndef WORKSPACE_INTENT_INTERNAL_H
#define WORKSPACE_INTENT_INTERNAL_H

#include "place-internal.h"

enum { INTENT_STEPS_MAX = 1000, INTENT_FILE_BYTES = 16 * 1024 * 1024 };

/* One name that gets a new file, or loses its file. */
struct intent_step {
    bool removes;
    char *root, *relative;
    size_t kept; /* bytes of the folder's relative path that existed before */
    /* the new file until it is in place, and where the old one is kept until all is done */
    char temporary[PLACE_NAME_BYTES], backup[PLACE_NAME_BYTES];
    /* known once the new file is written; 0 for none */
    uint64_t old_inode, new_inode, new_size;
    int64_t new_modified_ns;
};
void intent_step_finish(struct intent_step *step);

enum step_end {
    STEP_IS_BACK,
    STEP_CHANGED_SINCE, /* by somebody else: left as it is now */
    STEP_STUCK,         /* the system refused */
};
/* However far the step came, also when it was never begun. ret_kept gets the name that the earlier
 * file has now if it could not have its own; "" else. */
enum step_end intent_step_back(const struct intent_step *step, int folder_fd,
                               char ret_kept[PLACE_NAME_BYTES]);
/* All steps are done: what they kept goes. False: not all of it. */
bool intent_step_clean(const struct intent_step *step, int folder_fd);
/* Folders that were made for the step and hold nothing. */
void intent_remove_folders(const struct workspace_root *root, const struct intent_step *step);

/* The file. It is locked while its process lives. */
struct intent {
    int folder_fd, fd;
    char name[PLACE_NAME_BYTES];
};
/* Names the steps, before anything of them exists. */
enum status intent_begin(struct intent *intent, const struct workspace *workspace,
                         const struct intent_step *steps, size_t count, struct err *err);
/* The new files are written; what comes now changes names. 0 or -errno. */
int intent_ready(struct intent *intent, const struct intent_step *steps, size_t count);
/* Nothing is taken back from here on. 0 or -errno. */
int intent_done(struct intent *intent);
/* keep: the next process is to try again. */
void intent_end(struct intent *intent, bool keep);

/* The folder of these files, or -errno. */
int intent_open_folder(const struct workspace *workspace, bool create);
bool intent_is_done(const char *name);

#endif
