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

/* Bytes and code units of the character that s starts with. */
static size_t next_character(struct str s, enum position_encoding encoding, size_t *ret_units)
{
    uint32_t code_point;
    size_t bytes;

    if ((unsigned char)s.ptr[0] < 0x80) {
        *ret_units = 1;
        return 1;
    }
    bytes = utf8_decode(s, &code_point);
    if (encoding == POSITION_UTF8)
        *ret_units = bytes;
    else
        *ret_units = encoding == POSITION_UTF16 && code_point > 0xFFFF ? 2 : 1;
    return bytes;
}

enum status text_offset_of(const struct text *text, enum position_encoding encoding,
                           struct position position, size_t *ret_offset, struct err *err)
{
    struct str rest;
    size_t left = position.character;

    if (position.line == text->lines.len && position.character == 0) {
        *ret_offset = text->len;
        return STATUS_OK;
    }
    if (position.line >= text->lines.len)
        return err_set(err, STATUS_INVALID, "line %u is outside the document, which has %zu lines",
                       position.line, text->lines.len);
    rest = text_line_content(text, position.line);
    while (rest.len > 0 && left > 0) {
        size_t units;
        size_t bytes = next_character(rest, encoding, &units);

        if (units > left)
            break;
        left -= units;
        rest = str_skip(rest, bytes);
    }
    *ret_offset = (size_t)(rest.ptr - text->bytes);
    return STATUS_OK;
}

/* An offset inside a character counts as its start, one inside CRLF as before it. */
struct position text_position_of(const struct text *text, enum position_encoding encoding,
                                 size_t offset)
{
    size_t line, end, character = 0;
    struct str rest;

    assert(offset <= text->len);
    line = text_line_of(text, offset);
    rest = text_line_content(text, line);
    end = offset - text->lines.ptr[line];
    for (size_t at = 0; rest.len > 0;) {
        size_t units;
        size_t bytes = next_character(rest, encoding, &units);

        at += bytes;
        if (at > end)
            break;
        character += units;
        rest = str_skip(rest, bytes);
    }
    return (struct position){(uint32_t)line, (uint32_t)character};
}
