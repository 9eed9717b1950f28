/* Owned, growing bytes. All-zero is a valid empty buffer. Whatever was appended is followed by a
 * NUL that is not counted, so buf->ptr may be handed to C functions once something was appended. */
#ifndef LANEBRIDGE_BASE_BUF_H
#define LANEBRIDGE_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include <lanebridge/base/str.h>

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
};

void buf_finish(struct buf *buf);                   /* frees; leaves it empty and usable */
void buf_clear(struct buf *buf);                    /* keeps the memory */
void buf_reserve(struct buf *buf, size_t extra);    /* room for `extra` more bytes */
void buf_append(struct buf *buf, struct str s);
void buf_append_c(struct buf *buf, const char *text);
void buf_append_byte(struct buf *buf, char byte);
void buf_append_repeat(struct buf *buf, char byte, size_t count);
void buf_append_fmt(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_append_vfmt(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void buf_truncate(struct buf *buf, size_t len);     /* len must not exceed buf->len */
void buf_remove_front(struct buf *buf, size_t count);
struct str buf_str(const struct buf *buf);          /* borrows; invalid after the next append */
char *buf_take(struct buf *buf);                    /* hands the NUL-terminated bytes over, never NULL */
void buf_move(struct buf *to, struct buf *from);    /* frees `to`, leaves `from` empty */

#endif
