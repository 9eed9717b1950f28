/* Asking the person, once, to write texts to disk that a command needs there. */
#ifndef LANEBRIDGE_SAVING_INTERNAL_H
#define LANEBRIDGE_SAVING_INTERNAL_H

#include "tools-internal.h"

struct path_list {
    char **ptr; /* absolute, owned */
    size_t len, cap;
};
void path_list_finish(struct path_list *paths);

/* Open texts of the folders that differ from their files, and that a command may see. */
void saving_find_unsaved(const struct tools *tools, struct path_list *ret_paths);

/* all_saved: every one of them is on disk now. */
typedef void saving_fn(struct tools_call *call, bool all_saved);
/* Asks; goes on by itself once the editor has saved all. Was that asked about the same texts before
 * and declined, fn is called at once. The paths are taken over. Not twice at a time for one call. */
void saving_ask(struct tools_call *call, struct path_list *paths, const char *reason, saving_fn *fn);
/* The paths of the question under way. */
const struct path_list *saving_paths(const struct tools_call *call);
void saving_free(struct tools_call *call); /* withdraws it */

#endif
