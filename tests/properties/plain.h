/* The plainest reading of LSP's positions: walked from the front. Shares nothing with server/text.
 */
#ifndef LANEBRIDGE_TESTS_PLAIN_H
#define LANEBRIDGE_TESTS_PLAIN_H

#include <lanebridge/text.h>

/* Length of the line ending at `at`, or 0. */
static inline size_t plain_ending(struct str s, size_t at)
{
    if (at < s.len && s.ptr[at] == '\n')
        return 1;
    if (at < s.len && s.ptr[at] == '\r')
        return at + 1 < s.len && s.ptr[at + 1] == '\n' ? 2 : 1;
    return 0;
}

static inline size_t plain_units(enum position_encoding encoding, size_t bytes, uint32_t c)
{
    switch (encoding) {
    case POSITION_UTF8:
        return bytes;
    case POSITION_UTF16:
        return c > 0xFFFF ? 2 : 1;
    case POSITION_UTF32:
        break;
    }
    return 1;
}

/* False: there is no such line; then *ret_offset is the end. */
static inline bool plain_offset(struct str s, enum position_encoding encoding,
                                struct position position, size_t *ret_offset)
{
    size_t at = 0, units = 0;
    for (size_t line = 0; line < position.line; line++) {
        while (at < s.len && !plain_ending(s, at))
            at++;
        if (at == s.len) {
            *ret_offset = at;
            return line + 1 == position.line && position.character == 0;
        }
        at += plain_ending(s, at);
    }
    while (at < s.len && !plain_ending(s, at)) {
        uint32_t c;
        size_t bytes = utf8_decode(str_skip(s, at), &c);
        units += plain_units(encoding, bytes, c);
        if (units > position.character)
            break;
        at += bytes;
    }
    *ret_offset = at;
    return true;
}

/* An offset inside a character or CRLF counts as its start. */
static inline struct position plain_position(struct str s, enum position_encoding encoding,
                                             size_t offset)
{
    struct position position = {0, 0};
    for (size_t at = 0; at < offset;) {
        uint32_t c = 0;
        size_t ending = plain_ending(s, at);
        size_t bytes = ending > 0 ? ending : utf8_decode(str_skip(s, at), &c);
        if (at + bytes > offset)
            break;
        at += bytes;
        if (ending > 0)
            position = (struct position){position.line + 1, 0};
        else
            position.character += (uint32_t)plain_units(encoding, bytes, c);
    }
    return position;
}

#endif
