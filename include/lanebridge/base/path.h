/* Paths and file URIs as text. Nothing here touches the disk, but to find this program; for that see
 * workspace.h. */
#ifndef LANEBRIDGE_BASE_PATH_H
#define LANEBRIDGE_BASE_PATH_H

#include <stdbool.h>

#include <lanebridge/base/buf.h>
#include <lanebridge/base/err.h>
#include <lanebridge/base/str.h>

/* Appends the lexically normal form: no "//", ".", or ".." that can be resolved; "" gives ".".
 * A relative path may keep leading ".."; an absolute one cannot climb above "/". */
void path_append_clean(struct buf *buf, struct str path);
/* Appends clean(base + "/" + path), or clean(path) when path is absolute. */
void path_append_join(struct buf *buf, struct str base, struct str path);
/* True when `path` is `folder` or below it, by components: "/ws-evil" is not under "/ws". Both clean. */
bool path_is_under(struct str path, struct str folder);
/* The part of `path` below `folder`, without leading slash; "" for the folder itself. Needs is_under. */
struct str path_relative(struct str path, struct str folder);
struct str path_name(struct str path);      /* last component */
struct str path_folder(struct str path);    /* all before it, "" or "/" at the top */

/* Appends clean(folder of this program's file + "/" + path): what a package has put beside it. False: the system does
 * not say where the program is. */
bool path_append_beside_program(struct buf *buf, struct str path);

/* STATUS_INVALID with a sentence for NUL, control characters, bad UTF-8, empty, over 4,095 bytes. */
enum status path_check(struct str path, struct err *err);

/* Appends the path of a `file:` URI: percent-decoded exactly once, cleaned. Host must be empty or
 * "localhost". STATUS_UNSUPPORTED for other schemes, STATUS_INVALID for malformed ones.
 * Source: RFC 8089, RFC 3986 section 2. */
enum status uri_to_path(struct str uri, struct buf *path, struct err *err);
/* Appends `file://` + path percent-encoded as VS Code does: all but unreserved and "/". */
void uri_append_file(struct buf *buf, struct str absolute_path);

#endif
