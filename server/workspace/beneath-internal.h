/* Opening beneath a root: the one place where path text becomes a descriptor.
 *
 * The kernel does it (openat2, RESOLVE_BENEATH|RESOLVE_NO_MAGICLINKS) or, where it cannot or where
 * a link is absolute, a walk that opens one component at a time with O_NOFOLLOW and expands links
 * itself. Both agree about every path; neither can be raced out of the root, since each step starts
 * from a descriptor beneath it and follows nothing. */
#ifndef WORKSPACE_BENEATH_INTERNAL_H
#define WORKSPACE_BENEATH_INTERNAL_H

#include <lanebridge/workspace.h>

enum beneath_links {
    BENEATH_FOLLOW,   /* as long as they stay beneath */
    BENEATH_NO_LINKS, /* any link on the way is -ELOOP: for paths already resolved */
};

/* A descriptor, or a negative errno: -EXDEV says that the path leads outside. `flags` as of
 * open(2), without O_CREAT; O_CLOEXEC is added. Thread-safe. */
int beneath_open(const struct workspace_root *root, const char *relative, int flags,
                 enum beneath_links links);

/* Appends `relative` with every link expanded, the last one only if `follow_last`. What does not
 * exist is appended as it stands. 0 or a negative errno. */
int beneath_real(const struct workspace_root *root, const char *relative, bool follow_last,
                 struct buf *real);

/* The folder `relative`, opened for *at() calls and fsync, without links on the way; `create` makes
 * what is missing. A descriptor or a negative errno. */
int beneath_open_folder(const struct workspace_root *root, const char *relative, bool create);

/* Turns a negative errno into a status and a sentence about `display`. */
enum status beneath_error(struct err *err, int error, const char *display);

/* For tests: true makes every open take the walk, as on a kernel before 5.6. */
void beneath_use_walk(bool on);

#endif
