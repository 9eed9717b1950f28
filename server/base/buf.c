#include <lanebridge/base/buf.h>

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <lanebridge/base/mem.h>

enum { FIRST_CAPACITY = 128 };

void buf_finish(struct buf *buf)
{
    mem_free(buf->ptr);
    *buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
    buf_truncate(buf, 0);
}

void buf_reserve(struct buf *buf, size_t extra)
{
    if (extra < buf->cap - buf->len)
        return; /* < and not <=: the NUL needs its byte */
    size_t needed;
    if (__builtin_add_overflow(buf->len, extra, &needed) ||
        __builtin_add_overflow(needed, 1, &needed))
        needed = SIZE_MAX; /* mem_realloc reports it */
    size_t cap = buf->cap ? buf->cap : FIRST_CAPACITY;
    while (cap < needed)
        cap = cap > SIZE_MAX / 2 ? needed : cap * 2;
    buf->ptr = mem_realloc(buf->ptr, cap);
    buf->cap = cap;
}

void buf_append(struct buf *buf, struct str s)
{
    buf_reserve(buf, s.len);
    if (s.len)
        memcpy(buf->ptr + buf->len, s.ptr, s.len);
    buf->len += s.len;
    buf->ptr[buf->len] = '\0';
}

void buf_append_c(struct buf *buf, const char *text)
{
    buf_append(buf, str_from(text));
}

void buf_append_byte(struct buf *buf, char byte)
{
    buf_reserve(buf, 1);
    buf->ptr[buf->len++] = byte;
    buf->ptr[buf->len] = '\0';
}

void buf_append_repeat(struct buf *buf, char byte, size_t count)
{
    buf_reserve(buf, count);
    memset(buf->ptr + buf->len, byte, count);
    buf->len += count;
    buf->ptr[buf->len] = '\0';
}

void buf_append_fmt(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_append_vfmt(buf, format, args);
    va_end(args);
}

void buf_append_vfmt(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    buf_reserve(buf, 0);
    size_t room = buf->cap - buf->len;
    int length = vsnprintf(buf->ptr + buf->len, room, format, args);
    assert(length >= 0); /* only wide characters and absurd widths fail */
    if ((size_t)length >= room) {
        buf_reserve(buf, (size_t)length);
        vsnprintf(buf->ptr + buf->len, (size_t)length + 1, format, again);
    }
    va_end(again);
    buf->len += (size_t)length;
}

void buf_truncate(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len = len;
    if (buf->ptr)
        buf->ptr[len] = '\0';
}

void buf_remove_front(struct buf *buf, size_t count)
{
    assert(count <= buf->len);
    if (count == 0)
        return;
    memmove(buf->ptr, buf->ptr + count, buf->len - count);
    buf_truncate(buf, buf->len - count);
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->ptr, buf->len};
}

char *buf_take(struct buf *buf)
{
    buf_reserve(buf, 0);
    buf->ptr[buf->len] = '\0';
    char *taken = buf->ptr;
    *buf = (struct buf){0};
    return taken;
}

void buf_move(struct buf *to, struct buf *from)
{
    if (to == from)
        return;
    mem_free(to->ptr);
    *to = *from;
    *from = (struct buf){0};
}
