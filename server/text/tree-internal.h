/* tree: the rope behind a text: a persistent, height-balanced binary tree whose leaves are pieces
 * of shared bytes. An edit makes new nodes along one path and shares the rest, so a keystroke in a
 * large document costs the logarithm of its size, and older versions stay whole.
 *
 * Invariants: a leaf has 1 to TREE_LEAF_BYTES bytes. Leaves meet where nothing is torn: not inside
 * CRLF, and not where a byte could belong to a character that began before. So what a leaf measures
 * is right by itself, and sums are right. Nodes never change once made and are counted atomically.
 * NULL is the empty tree. Functions take nothing and give new references, unless they say so.
 * Source: Boehm, Atkinson, Plass, "Ropes: an alternative to strings"; join of AVL trees. */
#ifndef LANEBRIDGE_TREE_INTERNAL_H
#define LANEBRIDGE_TREE_INTERNAL_H

#include <lanebridge/text.h>

/* Copied at each keystroke, so small; a node costs some 64 bytes, so not too small. */
enum { TREE_LEAF_BYTES = 4096 };

/* Bytes that leaves point into. */
struct slab {
    unsigned references;
    size_t len;
    char *bytes; /* bytes[len] is NUL */
};
struct slab *slab_new(size_t len);
struct slab *slab_take(struct buf *bytes);
struct slab *slab_ref(struct slab *slab);
void slab_unref(struct slab *slab); /* NULL is fine */

enum measure_unit { MEASURE_UTF8, MEASURE_UTF16, MEASURE_UTF32, MEASURE_ENDINGS, MEASURE_COUNT };
/* The first three are numbered as enum position_encoding. UTF8 counts bytes. */
struct measure {
    size_t of[MEASURE_COUNT];
};

struct node {
    unsigned references;
    unsigned height; /* 0: a leaf */
    struct measure sum;
    struct slab *slab;     /* of a leaf */
    const char *bytes;     /* of a leaf, within the slab */
    struct node *child[2]; /* of others, never NULL */
};
struct measure measure_bytes(struct str bytes); /* measure.c */
size_t count_byte(struct str bytes, char byte);
struct node *tree_new(struct slab *slab);
struct node *tree_ref(struct node *node);
void tree_unref(struct node *node);
struct node *tree_replace(struct node *root, size_t start, size_t end, struct str with);
size_t tree_len(const struct node *root);
/* What lies before an offset; one inside a character counts as its start. */
struct measure tree_measure(const struct node *root, size_t offset);
/* The furthest offset of a character with no more than `count` units before it; of endings: right
 * behind the count-th. The length if there are not so many. */
size_t tree_find(const struct node *root, enum measure_unit unit, size_t count);
void tree_copy(const struct node *root, size_t start, size_t end, char *to);
bool tree_eq(const struct node *a, const struct node *b);

#endif
