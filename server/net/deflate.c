/* permessage-deflate (RFC 7692), a client's side. What comes in is inflated piece by piece and
 * counted on the way, so that a bomb ends at the limit and not in memory. */
#include <zlib.h>

#include "codec-internal.h"

enum {
    WINDOW_BITS = 15,
    MEMORY_LEVEL = 8,
    LEVEL = 1, /* repeated definitions are found at once; the rest is not worth the time */
    STEP_BYTES = 16 * 1024,
    TAIL_BYTES = 4, /* 00 00 FF FF ends every flush and does not travel (7.2.1) */
};

struct net_inflate {
    z_stream z;
};
struct net_deflate {
    z_stream z;
    bool forgets;
};

/* zlib's out of memory is ours: mem_alloc says so and ends the process. */
static void *take_memory(void *opaque, unsigned count, unsigned size)
{
    return mem_alloc_array(count, size);
}

static void give_memory(void *opaque, void *memory)
{
    mem_free(memory);
}

struct net_inflate *net_inflate_new(void)
{
    struct net_inflate *inflate = mem_new(struct net_inflate);
    inflate->z.zalloc = take_memory;
    inflate->z.zfree = give_memory;
    inflateInit2(&inflate->z, -WINDOW_BITS);
    return inflate;
}

void net_inflate_free(struct net_inflate *inflate)
{
    if (!inflate)
        return;
    inflateEnd(&inflate->z);
    mem_free(inflate);
}

/* One call of zlib, into room for one step. */
static int step(z_stream *z, struct buf *out)
{
    buf_reserve(out, STEP_BYTES);
    z->next_out = (unsigned char *)out->ptr + out->len;
    z->avail_out = STEP_BYTES;
    int result = inflate(z, Z_SYNC_FLUSH);
    out->len += STEP_BYTES - z->avail_out;
    out->ptr[out->len] = '\0';
    return result;
}

enum status net_inflate_push(struct net_inflate *inflate, struct str piece, size_t max,
                             struct buf *out)
{
    z_stream *z = &inflate->z;
    z->next_in = (unsigned char *)(uintptr_t)piece.ptr;
    z->avail_in = (unsigned)piece.len;
    do {
        int result = step(z, out);
        if (out->len > max)
            return STATUS_LIMIT;
        if (result == Z_STREAM_END) /* a final block is allowed; another may follow (7.2.3.5) */
            inflateReset(z);
        else if (result == Z_BUF_ERROR)
            break;
        else if (result != Z_OK)
            return STATUS_PROTOCOL;
    } while (z->avail_in || z->avail_out == 0);
    return STATUS_OK;
}

enum status net_inflate_end(struct net_inflate *inflate, size_t max, struct buf *out)
{
    return net_inflate_push(inflate, STR("\0\0\xFF\xFF"), max, out);
}

struct net_deflate *net_deflate_new(bool forgets)
{
    struct net_deflate *deflate = mem_new(struct net_deflate);
    deflate->forgets = forgets;
    deflate->z.zalloc = take_memory;
    deflate->z.zfree = give_memory;
    deflateInit2(&deflate->z, LEVEL, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    return deflate;
}

void net_deflate_message(struct net_deflate *deflate_state, struct str message, struct buf *out)
{
    z_stream *z = &deflate_state->z;
    z->next_in = (unsigned char *)(uintptr_t)message.ptr;
    z->avail_in = (unsigned)message.len;
    do {
        buf_reserve(out, STEP_BYTES);
        z->next_out = (unsigned char *)out->ptr + out->len;
        z->avail_out = STEP_BYTES;
        deflate(z, Z_SYNC_FLUSH);
        out->len += STEP_BYTES - z->avail_out;
    } while (z->avail_out == 0);
    buf_truncate(out, out->len - TAIL_BYTES);
    if (deflate_state->forgets)
        deflateReset(z);
}

void net_deflate_free(struct net_deflate *deflate)
{
    if (!deflate)
        return;
    deflateEnd(&deflate->z);
    mem_free(deflate);
}
