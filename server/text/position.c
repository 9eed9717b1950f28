/* Positions: bytes to code units of UTF-8, UTF-16 and UTF-32 and back. */
#include <assert.h>

#include "text-internal.h"

static const char *const encoding_names[] = {
    [POSITION_UTF8] = "utf-8",
    [POSITION_UTF16] = "utf-16",
    [POSITION_UTF32] = "utf-32",
};

const char *position_encoding_name(enum position_encoding encoding)
{
    return encoding_names[encoding];
}

bool position_encoding_parse(struct str name, enum position_encoding *ret_encoding)
{
    for (size_t i = 0; i < array_count(encoding_names); i++) {
        if (str_eq_c(name, encoding_names[i])) {
            *ret_encoding = (enum position_encoding)i;
            return true;
        }
    }
    return false;
}

/* Where the line's content ends: before its ending, if it has one. */
static size_t content_end(const struct node *tree, size_t start, size_t line, size_t endings)
{
    size_t end = tree_len(tree);
    char last[2];

    if (line >= endings)
        return end;
    end = tree_find(tree, MEASURE_ENDINGS, line + 1);
    tree_copy(tree, end - 1, end, &last[1]);
    if (last[1] == '\n' && end - 1 > start) {
        tree_copy(tree, end - 2, end - 1, &last[0]);
        return end - (last[0] == '\r' ? 2 : 1);
    }
    return end - 1;
}

enum status text_offset_of(const struct text *text, enum position_encoding encoding,
                           struct position position, size_t *ret_offset, struct err *err)
{
    const struct node *tree = text_tree(text);
    enum measure_unit unit = (enum measure_unit)encoding;
    size_t endings = tree ? tree->sum.of[MEASURE_ENDINGS] : 0;
    size_t start, end, offset;

    if (position.line == endings + 1 && position.character == 0) {
        *ret_offset = text->len;
        return STATUS_OK;
    }
    if (position.line > endings)
        return err_set(err, STATUS_INVALID, "line %u is outside the document, which has %zu lines",
                       position.line, endings + 1);
    start = tree_find(tree, MEASURE_ENDINGS, position.line);
    end = content_end(tree, start, position.line, endings);
    offset = tree_find(tree, unit, tree_measure(tree, start).of[unit] + position.character);
    *ret_offset = offset < end ? offset : end;
    return STATUS_OK;
}

/* An offset inside a character counts as its start, one inside CRLF as before it. */
struct position text_position_of(const struct text *text, enum position_encoding encoding,
                                 size_t offset)
{
    const struct node *tree = text_tree(text);
    enum measure_unit unit = (enum measure_unit)encoding;
    size_t endings = tree ? tree->sum.of[MEASURE_ENDINGS] : 0;
    size_t line, start, end;

    assert(offset <= text->len);
    line = tree_measure(tree, offset).of[MEASURE_ENDINGS];
    start = tree_find(tree, MEASURE_ENDINGS, line);
    /* Between CR and LF: the CR alone was counted as an ending. */
    if (start > offset)
        start = tree_find(tree, MEASURE_ENDINGS, --line);
    end = content_end(tree, start, line, endings);
    offset = offset < end ? offset : end;
    return (struct position){(uint32_t)line, (uint32_t)(tree_measure(tree, offset).of[unit] -
                                                        tree_measure(tree, start).of[unit])};
}
