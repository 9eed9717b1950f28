/* A parsed patch. */
#ifndef LANEBRIDGE_EDIT_PATCH_INTERNAL_H
#define LANEBRIDGE_EDIT_PATCH_INTERNAL_H

#include <lanebridge/edit.h>

enum patch_line_kind { LINE_CONTEXT, LINE_REMOVED, LINE_ADDED };
struct patch_line {
    enum patch_line_kind kind;
    struct str text;
};

struct patch_chunk {
    VEC(struct str) anchors;
    VEC(struct patch_line) lines;
    /* So many of the last lines are wholly empty: either empty context or just space between
     * sections, which nobody can know before matching. */
    size_t loose_tail;
    bool at_end; /* "*** End of File" */
};

enum patch_op_kind { PATCH_ADD, PATCH_DELETE, PATCH_UPDATE };
struct patch_op {
    enum patch_op_kind kind;
    char *path;
    char *new_path;     /* of a move, or NULL */
    struct buf content; /* PATCH_ADD */
    VEC(struct patch_chunk) chunks;
};

struct edit_patch {
    char *text; /* what all the str borrow from */
    VEC(struct patch_op) ops;
    VEC(struct str) paths;
};

#endif
