/* Where a hunk belongs. */
#ifndef LANEBRIDGE_EDIT_LOCATE_INTERNAL_H
#define LANEBRIDGE_EDIT_LOCATE_INTERNAL_H

#include "lines-internal.h"
#include "patch-internal.h"

struct location {
    size_t line; /* 0-based, where the hunk's first old line stands */
    size_t rows; /* of its old lines; 0 is a pure insertion before `line` */
    enum match_level level;
    bool loose_tail_dropped; /* its empty last lines were only space between sections */
    const char *remark;      /* something else that was not as written, or NULL */
    /* What every line of the file has in front of the hunk's, or the hunk's in front of the file's:
     * new lines get or lose the same. */
    struct str more_indent, less_indent;
};

struct locate {
    struct edit_lines *file;
    size_t after; /* the first line behind what the hunk before this one changes */
    bool brief;   /* enough has been explained: say only that the hunk does not fit */
};

/* On failure appends a problem to `errors`: "hunk 2 …" with the real text nearest to it. */
enum status edit_locate(const struct locate *where, const struct patch_chunk *chunk,
                        struct location *ret_location, struct buf *errors);

#endif
