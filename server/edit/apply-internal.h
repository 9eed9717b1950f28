/* The hunks of one section on one text. */
#ifndef LANEBRIDGE_EDIT_APPLY_INTERNAL_H
#define LANEBRIDGE_EDIT_APPLY_INTERNAL_H

#include "patch-internal.h"

/* *ret_after is a new reference. On failure it is untouched and `errors` has every hunk that does
 * not fit, each after `path`. */
enum status edit_apply_chunks(const struct patch_op *op, const struct text *before,
                              struct text **ret_after, struct buf *notes, struct buf *errors);

/* The ending a new line takes that comes before line `line`: that of the line before it, else of
 * the line there, else the file's first, else LF. */
struct str edit_ending_at(const struct text *text, size_t line);
struct str edit_line_ending(const struct text *text, size_t line);

#endif
