/* The inside of a text, for the files of this module. A text has two forms, of which it keeps what
 * was asked for: flat (contiguous bytes and where each line starts) for who reads it, a tree
 * (tree-internal.h) for who edits it or converts positions. */
#ifndef LANEBRIDGE_TEXT_INTERNAL_H
#define LANEBRIDGE_TEXT_INTERNAL_H

#include <lanebridge/text.h>

#include "tree-internal.h"

struct flat {
    struct slab *slab;
    /* len >= 1, ptr[0] == 0, ascending. */
    struct line_starts {
        size_t *ptr;
        size_t len, cap;
    } lines;
};
struct text {
    unsigned references;
    size_t len;
    /* One of the two is there from the beginning, the other appears when first needed, on any
     * thread: never read but through text_flat and text_tree. */
    struct flat *flat;
    struct node *tree; /* NULL also if len is 0 */
};
const struct flat *text_flat(const struct text *text);
struct node *text_tree(const struct text *text);

void lines_scan(struct line_starts *lines, struct str bytes);
/* Index of the first line start that is >= offset. */
size_t lines_lower_bound(const struct line_starts *lines, size_t offset);

/* Lines as a diff counts them: the empty line after a final line ending is none. */
size_t text_diff_line_count(const struct text *text);

#endif
