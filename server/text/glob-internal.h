/* Globs as small programs, run by following all places in the pattern at once: no pattern can make
 * it slower than pattern × path. */
#ifndef LANEBRIDGE_TEXT_GLOB_INTERNAL_H
#define LANEBRIDGE_TEXT_GLOB_INTERNAL_H

#include <lanebridge/text.h>

enum glob_op_kind {
    GLOB_LITERAL,  /* code_point */
    GLOB_ANY,      /* `?` */
    GLOB_CLASS,    /* `[…]`: the pattern's bytes [from, to), without the brackets */
    GLOB_STAR,     /* any run of characters but "/" */
    GLOB_GLOBSTAR, /* any run of characters */
    GLOB_SKIP,     /* ignore files, before `**` and "/": the two ops after it may be left out */
    GLOB_OPEN,     /* `{`: next is the first comma or the brace that closes it */
    GLOB_COMMA,    /* next likewise, close is the brace */
    GLOB_CLOSE,
    GLOB_END,
};

struct glob_op {
    enum glob_op_kind kind;
    union {
        uint32_t code_point;
        struct {
            uint16_t from, to;
        } class;
        struct {
            uint16_t next, close;
        } brace;
    };
};

/* A byte that is no UTF-8 is a character of its own, beyond all others: it matches itself alone. */
static inline size_t glob_decode(struct str s, uint32_t *ret_code_point)
{
    size_t bytes = utf8_decode(s, ret_code_point);

    if (bytes == 1 && *ret_code_point > 0x7F)
        *ret_code_point = 0x110000u + (unsigned char)s.ptr[0];
    return bytes;
}

enum glob_flavour {
    GLOB_LSP,    /* braces; `**` anywhere */
    GLOB_IGNORE, /* backslash escapes, named classes; `**` only as a whole component */
};

/* An op for each byte, a skip for each globstar (which had two bytes) and the end. */
enum { GLOB_OPS_COUNT = LIMIT_GLOB_BYTES + 1 };

struct glob {
    struct str pattern; /* borrowed */
    enum glob_flavour flavour;
    struct glob_op *ops;
    size_t count;
};

/* `ops` has room for GLOB_OPS_COUNT and belongs to the caller. */
enum status glob_compile(struct str pattern, enum glob_flavour flavour, struct glob_op *ops,
                         struct glob *ret_glob, struct err *err);
bool glob_run(const struct glob *glob, struct str path);

#endif
