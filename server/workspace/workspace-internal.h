/* What the files of this module share. */
#ifndef WORKSPACE_INTERNAL_H
#define WORKSPACE_INTERNAL_H

#include <lanebridge/workspace.h>

struct root {
    struct workspace_root root; /* what the door shows */
    char *given;                /* clean, as the editor spelled it; may differ by links */
};

struct workspace_job;

struct workspace {
    struct loop *loop;
    char *state_folder;
    char *home;
    VEC(char *) own; /* more folders of ours */
    VEC(struct root *) roots;
    VEC(struct root *)
    removed; /* paths and jobs may still point at them: closed with the workspace */
    VEC(struct workspace_job *) jobs;
};

/* STATUS_DENIED for a root that was removed or waits to be confirmed. Thread-safe. */
enum status root_check_usable(const struct workspace_root *root, struct err *err);
/* The deepest root that holds `absolute` (clean), or NULL. */
const struct workspace_root *root_find_holding(const struct workspace *workspace,
                                               struct str absolute);
/* Fills in absolute and display. `relative` is taken. */
void path_fill(const struct workspace *workspace, const struct workspace_root *root, char *relative,
               struct workspace_path *ret_path);
void stat_convert(const struct stat *from, struct workspace_stat *ret_stat);
/* Reads from an open descriptor to its end. STATUS_LIMIT above limit_bytes. */
enum status read_whole(int fd, size_t limit_bytes, struct buf *bytes, const char *display,
                       struct err *err);
/* Whether a file holds an editor's text. Editors take the byte order mark off. */
bool text_is_same(struct str disk, struct str text);
/* All of it; -errno on failure. */
int write_whole(int fd, struct str bytes);

/* The state folder: 0 or -errno, and whether an open file in it is one that only we can have
 * written. */
int state_make_folder(const char *path);
bool state_is_ours(int fd);

#endif
