/* Texts: reference counting, their two forms, replacing. */
#include <assert.h>

#include "text-internal.h"

/* -- Flat ------------------------------------------------------------------------------------- */

/* Takes the slab. */
static struct flat *flat_new(struct slab *slab)
{
    struct flat *flat = mem_new(struct flat);

    flat->slab = slab;
    lines_scan(&flat->lines, (struct str){slab->bytes, slab->len});
    return flat;
}

static void flat_free(struct flat *flat)
{
    if (!flat)
        return;
    slab_unref(flat->slab);
    mem_free(flat->lines.ptr);
    mem_free(flat);
}

const struct flat *text_flat(const struct text *text)
{
    struct text *shared = (struct text *)text;
    struct flat *flat = __atomic_load_n(&shared->flat, __ATOMIC_ACQUIRE), *none = NULL;
    struct slab *slab;

    if (flat)
        return flat;
    slab = slab_new(text->len);
    tree_copy(text->tree, 0, text->len, slab->bytes);
    flat = flat_new(slab);
    if (__atomic_compare_exchange_n(&shared->flat, &none, flat, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return flat;
    flat_free(flat); /* another thread was quicker */
    return none;
}

/* -- Tree ------------------------------------------------------------------------------------- */

struct node *text_tree(const struct text *text)
{
    struct text *shared = (struct text *)text;
    struct node *tree = __atomic_load_n(&shared->tree, __ATOMIC_ACQUIRE), *none = NULL;

    if (tree || text->len == 0)
        return tree;
    tree = tree_new(text->flat->slab);
    if (__atomic_compare_exchange_n(&shared->tree, &none, tree, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return tree;
    tree_unref(tree);
    return none;
}

/* -- Texts ------------------------------------------------------------------------------------ */

/* Takes one of the two. */
static struct text *text_of(struct slab *slab, struct node *tree)
{
    struct text *text = mem_new(struct text);

    text->references = 1;
    text->len = slab ? slab->len : tree_len(tree);
    text->tree = tree;
    text->flat = slab ? flat_new(slab) : NULL;
    return text;
}

struct text *text_new(struct str bytes)
{
    struct slab *slab = slab_new(bytes.len);

    if (bytes.len > 0)
        memcpy(slab->bytes, bytes.ptr, bytes.len);
    return text_of(slab, NULL);
}

struct text *text_take(struct buf *bytes)
{
    return text_of(slab_take(bytes), NULL);
}

struct text *text_ref(const struct text *text)
{
    struct text *shared = (struct text *)text;

    if (shared)
        __atomic_add_fetch(&shared->references, 1, __ATOMIC_RELAXED);
    return shared;
}

void text_unref(struct text *text)
{
    if (!text || __atomic_sub_fetch(&text->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    flat_free(text->flat);
    tree_unref(text->tree);
    mem_free(text);
}

struct str text_bytes(const struct text *text)
{
    return (struct str){text_flat(text)->slab->bytes, text->len};
}

size_t text_len(const struct text *text)
{
    return text->len;
}

static bool is_flat(const struct text *text)
{
    return __atomic_load_n(&text->flat, __ATOMIC_ACQUIRE) != NULL;
}

bool text_eq(const struct text *a, const struct text *b)
{
    if (a == b || a->len != b->len)
        return a == b;
    if (is_flat(a) && is_flat(b))
        return str_eq(text_bytes(a), text_bytes(b));
    return tree_eq(text_tree(a), text_tree(b));
}

struct text *text_replace(const struct text *text, size_t start, size_t end, struct str with)
{
    struct node *tree;

    assert(start <= end && end <= text->len);
    tree = tree_replace(text_tree(text), start, end, with);
    if (tree)
        return text_of(NULL, tree);
    return text_new((struct str){0});
}
