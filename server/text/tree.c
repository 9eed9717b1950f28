/* The rope: building, joining, cutting, replacing. */
#include "tree-internal.h"

#include <assert.h>

/* A leaf below this takes its neighbour in, when it is made anew. */
enum { LEAF_SMALL_BYTES = TREE_LEAF_BYTES / 8 };

/* -- Slabs ------------------------------------------------------------------------------------ */

struct slab *slab_new(size_t len)
{
    struct slab *slab = mem_new(struct slab);

    slab->references = 1;
    slab->len = len;
    slab->bytes = mem_realloc(NULL, len + 1);
    slab->bytes[len] = '\0';
    return slab;
}

struct slab *slab_take(struct buf *bytes)
{
    struct slab *slab = mem_new(struct slab);

    slab->references = 1;
    slab->len = bytes->len;
    slab->bytes = buf_take(bytes);
    return slab;
}

struct slab *slab_ref(struct slab *slab)
{
    __atomic_add_fetch(&slab->references, 1, __ATOMIC_RELAXED);
    return slab;
}

void slab_unref(struct slab *slab)
{
    if (!slab || __atomic_sub_fetch(&slab->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    mem_free(slab->bytes);
    mem_free(slab);
}

/* -- Nodes ------------------------------------------------------------------------------------ */

size_t tree_len(const struct node *root)
{
    return root ? root->sum.of[MEASURE_UTF8] : 0;
}

struct node *tree_ref(struct node *node)
{
    if (node)
        __atomic_add_fetch(&node->references, 1, __ATOMIC_RELAXED);
    return node;
}

void tree_unref(struct node *node)
{
    if (!node || __atomic_sub_fetch(&node->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    slab_unref(node->slab);
    tree_unref(node->child[0]);
    tree_unref(node->child[1]);
    mem_free(node);
}

static struct node *leaf_new(struct slab *slab, const char *bytes, size_t len)
{
    struct node *leaf = mem_new(struct node);

    leaf->references = 1;
    leaf->slab = slab_ref(slab);
    leaf->bytes = bytes;
    leaf->sum = measure_bytes((struct str){bytes, len});
    return leaf;
}

/* Takes both; their heights differ by one at most. */
static struct node *branch_new(struct node *left, struct node *right)
{
    struct node *node = mem_new(struct node);

    node->references = 1;
    node->child[0] = left;
    node->child[1] = right;
    node->height = 1 + (left->height > right->height ? left->height : right->height);
    for (int i = 0; i < MEASURE_COUNT; i++)
        node->sum.of[i] = left->sum.of[i] + right->sum.of[i];
    return node;
}

/* Takes a branch apart: its children as references of their own. */
static void open_branch(struct node *node, struct node **ret_left, struct node **ret_right)
{
    *ret_left = tree_ref(node->child[0]);
    *ret_right = tree_ref(node->child[1]);
    tree_unref(node);
}

/* Takes both. Their heights may differ by two: then one rotation, single or double, mends it. */
static struct node *balance(struct node *left, struct node *right)
{
    struct node *outer, *inner, *low, *high;

    if (left->height > right->height + 1) {
        open_branch(left, &outer, &inner);
        if (inner->height <= outer->height)
            return branch_new(outer, branch_new(inner, right));
        open_branch(inner, &low, &high);
        return branch_new(branch_new(outer, low), branch_new(high, right));
    }
    if (right->height > left->height + 1) {
        open_branch(right, &inner, &outer);
        if (inner->height <= outer->height)
            return branch_new(branch_new(left, inner), outer);
        open_branch(inner, &low, &high);
        return branch_new(branch_new(left, low), branch_new(high, outer));
    }
    return branch_new(left, right);
}

/* Takes both. */
static struct node *join(struct node *left, struct node *right)
{
    struct node *outer, *inner;

    if (!left || !right)
        return left ? left : right;
    if (left->height > right->height + 1) {
        open_branch(left, &outer, &inner);
        return balance(outer, join(inner, right));
    }
    if (right->height > left->height + 1) {
        open_branch(right, &inner, &outer);
        return balance(join(left, inner), outer);
    }
    return branch_new(left, right);
}

/* The part before and the part from `at` on, which is where two leaves meet, or an end. */
static struct node *part(struct node *node, size_t at, bool before)
{
    size_t left_len;

    if (at == (before ? 0 : tree_len(node)))
        return NULL;
    if (at == (before ? tree_len(node) : 0))
        return tree_ref(node);
    assert(node->height > 0);
    left_len = tree_len(node->child[0]);
    if (before)
        return at <= left_len
                   ? part(node->child[0], at, true)
                   : join(tree_ref(node->child[0]), part(node->child[1], at - left_len, true));
    return at >= left_len ? part(node->child[1], at - left_len, false)
                          : join(part(node->child[0], at, false), tree_ref(node->child[1]));
}

/* -- Where leaves may meet -------------------------------------------------------------------- */

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* May bytes be cut at `at`? Behind three continuation bytes a fourth belongs to no character. */
static bool may_cut(struct str bytes, size_t at)
{
    const char *p = bytes.ptr + at;

    if (at == 0 || at == bytes.len)
        return true;
    if (p[-1] == '\r' && p[0] == '\n')
        return false;
    if (!is_continuation(p[0]))
        return true;
    return at >= 3 && is_continuation(p[-1]) && is_continuation(p[-2]) && is_continuation(p[-3]);
}

static struct node *build(struct slab *slab, size_t start, size_t end)
{
    size_t len = end - start, leaves = (len + TREE_LEAF_BYTES - 1) / TREE_LEAF_BYTES;
    struct str bytes = {slab->bytes, slab->len};
    size_t middle;

    if (len == 0)
        return NULL;
    /* A cut moves back by a few bytes, so that a part comes out too large now and then: it is cut
     * again. */
    if (len <= TREE_LEAF_BYTES)
        return leaf_new(slab, slab->bytes + start, len);
    middle = start + len / leaves * (leaves / 2);
    while (!may_cut(bytes, middle))
        middle--;
    return join(build(slab, start, middle), build(slab, middle, end));
}

struct node *tree_new(struct slab *slab)
{
    return build(slab, 0, slab->len);
}

/* -- Reading ---------------------------------------------------------------------------------- */

void tree_copy(const struct node *root, size_t start, size_t end, char *to)
{
    while (root && root->height > 0 && start < end) {
        size_t left = tree_len(root->child[0]);
        size_t stop = end < left ? end : left;

        if (start < left) {
            tree_copy(root->child[0], start, stop, to);
            to += stop - start;
            start = stop;
        }
        if (end <= left)
            return;
        root = root->child[1];
        start -= left;
        end -= left;
    }
    if (root && start < end)
        memcpy(to, root->bytes + start, end - start);
}

/* The leaf that holds the byte at `offset` < the length. */
static const struct node *leaf_at(const struct node *node, size_t offset, size_t *ret_start)
{
    size_t start = 0;

    while (node->height > 0) {
        size_t left = tree_len(node->child[0]);
        bool right = offset - start >= left;

        start += right ? left : 0;
        node = node->child[right];
    }
    *ret_start = start;
    return node;
}

bool tree_eq(const struct node *a, const struct node *b)
{
    size_t len = tree_len(a);

    if (a == b || len != tree_len(b))
        return a == b;
    for (size_t at = 0; at < len;) {
        size_t a_start, b_start;
        const struct node *x = leaf_at(a, at, &a_start), *y = leaf_at(b, at, &b_start);
        size_t a_end = a_start + tree_len(x), b_end = b_start + tree_len(y);
        size_t end = a_end < b_end ? a_end : b_end;
        const char *p = x->bytes + (at - a_start), *q = y->bytes + (at - b_start);

        if (p != q && memcmp(p, q, end - at) != 0)
            return false;
        at = end;
    }
    return true;
}

/* -- Replacing -------------------------------------------------------------------------------- */

/* The leaves of [from, to) go, [from, start) and [end, to) of them come back around the new text.
 */
struct splice {
    struct node *root;
    size_t start, end, from, to;
    struct str with;
};

static void take_in_before(struct splice *splice)
{
    leaf_at(splice->root, splice->from - 1, &splice->from);
}

static void take_in_after(struct splice *splice)
{
    size_t start;
    const struct node *leaf = leaf_at(splice->root, splice->to, &start);

    splice->to = start + tree_len(leaf);
}

/* The new middle, with up to three bytes of what stays on either side, to look at the seams. */
enum { SEAM_BYTES = 3 };
static struct slab *compose(const struct splice *splice, size_t *ret_before, size_t *ret_after)
{
    size_t len = tree_len(splice->root), head = splice->start - splice->from;
    size_t before = splice->from < SEAM_BYTES ? splice->from : SEAM_BYTES;
    size_t after = len - splice->to < SEAM_BYTES ? len - splice->to : SEAM_BYTES;
    struct slab *slab =
        slab_new(before + head + splice->with.len + splice->to - splice->end + after);
    char *to = slab->bytes;

    tree_copy(splice->root, splice->from - before, splice->start, to);
    to += before + head;
    if (splice->with.len > 0)
        memcpy(to, splice->with.ptr, splice->with.len);
    tree_copy(splice->root, splice->end, splice->to + after, to + splice->with.len);
    *ret_before = before;
    *ret_after = after;
    return slab;
}

/* Takes in one more neighbour if a seam would tear something, or if little is left. */
static bool widen(struct splice *splice, const struct slab *slab, size_t before, size_t after)
{
    size_t len = tree_len(splice->root), middle = slab->len - before - after;
    struct str bytes = {slab->bytes, slab->len};

    if (splice->from > 0 && (!may_cut(bytes, before) || (middle < LEAF_SMALL_BYTES && !after)))
        take_in_before(splice);
    else if (splice->to < len && (!may_cut(bytes, slab->len - after) || middle < LEAF_SMALL_BYTES))
        take_in_after(splice);
    else
        return false;
    return true;
}

static void splice_begin(struct splice *splice)
{
    size_t len = tree_len(splice->root);

    if (splice->start < len)
        leaf_at(splice->root, splice->start, &splice->from);
    else if (len > 0)
        leaf_at(splice->root, len - 1, &splice->from);
    splice->to = splice->from;
    while (splice->to < splice->end || (splice->to == splice->from && len > 0)) {
        if (splice->to < splice->end)
            splice->to = splice->end - 1;
        take_in_after(splice);
    }
}

struct node *tree_replace(struct node *root, size_t start, size_t end, struct str with)
{
    struct splice splice = {.root = root, .start = start, .end = end, .with = with};
    size_t before, after;
    struct slab *slab;
    struct node *middle;

    splice_begin(&splice);
    slab = compose(&splice, &before, &after);
    while (widen(&splice, slab, before, after)) {
        slab_unref(slab);
        slab = compose(&splice, &before, &after);
    }
    middle = build(slab, before, slab->len - after);
    slab_unref(slab);
    return join(join(part(root, splice.from, true), middle), part(root, splice.to, false));
}
