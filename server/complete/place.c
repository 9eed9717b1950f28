#include "complete-internal.h"

void span_append(struct buf *buf, const struct text *text, size_t start, size_t end)
{
    for (size_t line = text_line_of(text, start); start < end; line++) {
        struct str bytes = text_line(text, line);
        size_t begin = text_line_start(text, line);
        if (bytes.len == 0)
            return;
        struct str part = str_slice(bytes, start - begin, end - begin);
        buf_append(buf, part);
        start += part.len;
    }
}

/* Behind the last character of the line that holds the offset. */
static size_t line_end(const struct text *text, size_t offset)
{
    size_t line = text_line_of(text, offset);
    size_t end = text_line_start(text, line) + text_line_content(text, line).len;
    return end < offset ? offset : end;
}

void place_init(struct place *place, const struct document *document, size_t offset)
{
    size_t from = offset > PLACE_BEFORE_BYTES ? offset - PLACE_BEFORE_BYTES : 0;
    *place = (struct place){.offset = offset};
    buf_append_c(&place->uri, document->uri);
    span_append(&place->before, document->text, from, offset);
    span_append(&place->after, document->text, offset, line_end(document->text, offset));
}

void place_finish(struct place *place)
{
    buf_finish(&place->uri);
    buf_finish(&place->before);
    buf_finish(&place->after);
}

static bool holds(const struct text *text, size_t start, size_t end, const struct buf *expected)
{
    struct buf now = {0};
    if (end - start != expected->len)
        return false;
    span_append(&now, text, start, end);
    bool same = str_eq(buf_str(&now), buf_str(expected));
    buf_finish(&now);
    return same;
}

bool place_typed(const struct place *place, const struct document *document, size_t offset,
                 struct buf *typed)
{
    const struct text *text = document->text;
    if (!text || !str_eq_c(buf_str(&place->uri), document->uri) || offset < place->offset ||
        offset - place->offset > PLACE_TYPED_BYTES)
        return false;
    if (!holds(text, place->offset - place->before.len, place->offset, &place->before) ||
        !holds(text, offset, line_end(text, offset), &place->after))
        return false;
    span_append(typed, text, place->offset, offset);
    return true;
}
