/* The place of a change: an open folder and a name in it, so that nothing is followed twice. */
#ifndef WORKSPACE_PLACE_INTERNAL_H
#define WORKSPACE_PLACE_INTERNAL_H

#include "beneath-internal.h"
#include "workspace-internal.h"

enum { PLACE_NAME_BYTES = ID_BYTES + 8 }; /* of a temporary name */

struct place {
    int folder_fd;
    const char *name; /* borrowed from the path */
    const char *display;
};

/* `create` makes missing folders. */
enum status place_open(const struct workspace_path *path, bool create, struct place *ret_place,
                       struct err *err);
/* What is there now, links not followed; STATUS_OK when there is nothing. */
enum status place_stat(const struct place *place, struct stat *found,
                       struct workspace_stat *ret_stat, struct err *err);
void place_close(struct place *place, bool changed); /* changed: the folder is synced */

bool place_is_same(const struct workspace_stat *a, const struct workspace_stat *b);
enum status place_check_replaceable(const struct place *place, const struct workspace_stat *found,
                                    struct err *err);
enum status place_check_movable(const struct place *place, struct stat *found,
                                struct workspace_stat *ret_stat, struct err *err);
/* A name of ours in the place's folder, that nothing has yet. */
void place_make_name(const char *ending, char ret_name[PLACE_NAME_BYTES]);
/* `replaced` gives owner and mode; NULL for a new file. Leaves the file, synced, under `temporary`;
 * on failure nothing. 0 or -errno. */
int place_make_temporary(const struct place *place, const char *temporary, struct str bytes,
                         const struct stat *replaced);
/* Never replaces: -EEXIST. */
int place_rename_new(int from_fd, const char *from, int to_fd, const char *to);
/* Puts the temporary file where `decided` was, if that is still what is there. */
enum status place_put(const struct place *place, const char *temporary,
                      const struct workspace_stat *decided, struct err *err);
enum status place_conflict(const struct place *place, struct err *err);

#endif
