/* What a thread was last shown of each file. An edit that the model makes from memory is checked
 * against it. Bounded: what is forgotten counts as never read, which refuses more, never less. */
#include "tools-internal.h"

static size_t find(const struct bases *bases, struct str absolute)
{
    for (size_t i = 0; i < bases->len; i++) {
        if (str_eq_c(absolute, bases->ptr[i].path))
            return i;
    }
    return STR_NONE;
}

static void remove_at(struct bases *bases, size_t index)
{
    bases->bytes -= text_len(bases->ptr[index].text);
    mem_free(bases->ptr[index].path);
    text_unref(bases->ptr[index].text);
    vec_remove(bases, index);
}

void bases_set(struct bases *bases, struct str absolute, struct text *text)
{
    struct base base = {str_dup_c(absolute), text_ref(text)};
    bases_remove(bases, absolute);
    bases->bytes += text_len(text);
    vec_push(bases, base);
    while (bases->len > 1 &&
           (bases->bytes > LIMIT_TOOL_BASES_BYTES || bases->len > LIMIT_TOOL_BASES_COUNT))
        remove_at(bases, 0);
}

const struct text *bases_get(const struct bases *bases, struct str absolute)
{
    size_t index = find(bases, absolute);
    return index == STR_NONE ? NULL : bases->ptr[index].text;
}

void bases_remove(struct bases *bases, struct str absolute)
{
    size_t index = find(bases, absolute);
    if (index != STR_NONE)
        remove_at(bases, index);
}

void bases_finish(struct bases *bases)
{
    while (bases->len > 0)
        remove_at(bases, bases->len - 1);
    vec_finish(bases);
}
