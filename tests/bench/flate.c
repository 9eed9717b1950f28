/* permessage-deflate (RFC 7692) with the windows kept from message to message, as servers do it
 * that have it. */
#include <zlib.h>

#include "bench.h"

enum { CHUNK_BYTES = 64 * 1024, WINDOW_BITS = -15 /* raw */ };

struct ws_flate {
    z_stream deflate, inflate;
    struct buf deflated, inflated;
};

struct ws_flate *ws_flate_new(void)
{
    struct ws_flate *flate = mem_new(struct ws_flate);
    if (deflateInit2(&flate->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK ||
        inflateInit2(&flate->inflate, WINDOW_BITS) != Z_OK)
        bench_die("zlib does not start");
    return flate;
}

void ws_flate_free(struct ws_flate *flate)
{
    if (!flate)
        return;
    deflateEnd(&flate->deflate);
    inflateEnd(&flate->inflate);
    buf_finish(&flate->deflated);
    buf_finish(&flate->inflated);
    mem_free(flate);
}

static void feed(z_stream *stream, struct str bytes, struct buf *out,
                 int (*step)(z_stream *stream, int flush))
{
    stream->next_in = (Bytef *)(uintptr_t)bytes.ptr;
    stream->avail_in = (uInt)bytes.len;
    do {
        buf_reserve(out, CHUNK_BYTES);
        stream->next_out = (Bytef *)out->ptr + out->len;
        stream->avail_out = CHUNK_BYTES;
        int code = step(stream, Z_SYNC_FLUSH);
        if (code != Z_OK && code != Z_BUF_ERROR)
            bench_die("zlib says %d: %s", code, stream->msg ? stream->msg : "no reason");
        out->len += CHUNK_BYTES - stream->avail_out;
    } while (stream->avail_out == 0);
}

struct str ws_flate_deflate(struct ws_flate *flate, struct str message)
{
    buf_clear(&flate->deflated);
    feed(&flate->deflate, message, &flate->deflated, deflate);
    struct str all = buf_str(&flate->deflated);
    return str_slice(all, 0, all.len - 4); /* the empty block of the flush does not travel */
}

struct str ws_flate_inflate(struct ws_flate *flate, struct str payload)
{
    buf_clear(&flate->inflated);
    feed(&flate->inflate, payload, &flate->inflated, inflate);
    feed(&flate->inflate, STR("\0\0\xff\xff"), &flate->inflated, inflate);
    return buf_str(&flate->inflated);
}
