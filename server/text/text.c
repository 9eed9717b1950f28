/* Texts: reference counting and replacing. */
#include <assert.h>

#include "text-internal.h"

static struct text *text_alloc(size_t len)
{
    struct text *text = mem_new(struct text);

    text->references = 1;
    text->len = len;
    /* One byte more, so that the bytes of an empty text are not NULL. */
    text->bytes = mem_realloc(NULL, len + 1);
    text->bytes[len] = '\0';
    return text;
}

static void index_all(struct text *text)
{
    size_t first = 0;

    lines_append(&text->lines, &first, 1, 0);
    if (text->len > 0)
        lines_scan(&text->lines, text_bytes(text), 1, text->len);
}

struct text *text_new(struct str bytes)
{
    struct text *text = text_alloc(bytes.len);

    if (bytes.len > 0)
        memcpy(text->bytes, bytes.ptr, bytes.len);
    index_all(text);
    return text;
}

struct text *text_take(struct buf *bytes)
{
    struct text *text = mem_new(struct text);

    text->references = 1;
    text->len = bytes->len;
    text->bytes = buf_take(bytes);
    index_all(text);
    return text;
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
    mem_free(text->lines.ptr);
    mem_free(text->bytes);
    mem_free(text);
}

struct str text_bytes(const struct text *text)
{
    return (struct str){text->bytes, text->len};
}

size_t text_len(const struct text *text)
{
    return text->len;
}

bool text_eq(const struct text *a, const struct text *b)
{
    return a == b || str_eq(text_bytes(a), text_bytes(b));
}

/* What makes a line start is the byte before it and, after CR, the byte at it. So starts before
 * `start` and after `end` stay as they were and only those in between are looked for again. */
static void index_replaced(struct text *text, const struct text *old, size_t start, size_t end,
                           size_t inserted)
{
    size_t kept = lines_lower_bound(&old->lines, start);
    size_t tail = lines_lower_bound(&old->lines, end + 1);
    size_t from = start;

    if (kept == 0) {
        kept = 1;
        from = 1;
    }
    lines_append(&text->lines, old->lines.ptr, kept, 0);
    if (from <= start + inserted)
        lines_scan(&text->lines, text_bytes(text), from, start + inserted);
    /* Unsigned wrap-around makes this right for shrinking texts too. */
    lines_append(&text->lines, old->lines.ptr + tail, old->lines.len - tail,
                 start + inserted - end);
}

struct text *text_replace(const struct text *text, size_t start, size_t end, struct str with)
{
    struct text *new;

    assert(start <= end && end <= text->len);
    new = text_alloc(text->len - (end - start) + with.len);
    memcpy(new->bytes, text->bytes, start);
    if (with.len > 0)
        memcpy(new->bytes + start, with.ptr, with.len);
    memcpy(new->bytes + start + with.len, text->bytes + end, text->len - end);
    index_replaced(new, text, start, end, with.len);
    return new;
}
