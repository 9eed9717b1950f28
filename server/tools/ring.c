/* Output of a command between two looks: at most LIMIT_EXEC_RING_BYTES, the middle gives way. */
#include "tools-internal.h"

enum { HALF = LIMIT_EXEC_RING_BYTES / 2 };

static void append_tail(struct ring *ring, struct str bytes)
{
    if (!ring->tail)
        ring->tail = mem_alloc(HALF);
    if (bytes.len > HALF) {
        ring->dropped += bytes.len - HALF;
        bytes = str_skip(bytes, bytes.len - HALF);
    }
    for (size_t done = 0; done < bytes.len;) {
        size_t at = (ring->tail_start + ring->tail_len) % HALF;
        size_t run = bytes.len - done < HALF - at ? bytes.len - done : HALF - at;
        size_t room = HALF - ring->tail_len;
        size_t lost = run > room ? run - room : 0;
        memcpy(ring->tail + at, bytes.ptr + done, run);
        ring->tail_start = (ring->tail_start + lost) % HALF;
        ring->tail_len += run - lost;
        ring->dropped += lost;
        done += run;
    }
}

void ring_append(struct ring *ring, struct str bytes)
{
    size_t room = HALF - ring->head.len;
    buf_append(&ring->head, str_slice(bytes, 0, room));
    if (bytes.len > room)
        append_tail(ring, str_skip(bytes, room));
}

static void append_tail_to(const struct ring *ring, struct buf *out)
{
    size_t first = HALF - ring->tail_start;
    if (first > ring->tail_len)
        first = ring->tail_len;
    if (ring->tail_len == 0)
        return;
    buf_append(out, (struct str){ring->tail + ring->tail_start, first});
    buf_append(out, (struct str){ring->tail, ring->tail_len - first});
}

void ring_take(struct ring *ring, size_t limit, struct buf *out)
{
    struct buf tail = {0}, head_text = {0}, tail_text = {0};
    append_tail_to(ring, ring->dropped == 0 ? &ring->head : &tail);
    utf8_append_printable(&head_text, buf_str(&ring->head));
    utf8_append_printable(&tail_text, buf_str(&tail));
    output_append_halves(out, buf_str(&head_text), ring->dropped, buf_str(&tail_text), limit);
    buf_finish(&tail);
    buf_finish(&head_text);
    buf_finish(&tail_text);
    ring_finish(ring);
}

void ring_peek(const struct ring *ring, size_t limit, struct buf *out)
{
    struct buf all = {0};
    if (ring->tail_len < limit)
        buf_append(&all, str_skip(buf_str(&ring->head),
                                  ring->head.len > limit ? ring->head.len - limit : 0));
    append_tail_to(ring, &all);
    buf_append(out, str_skip(buf_str(&all), all.len > limit ? all.len - limit : 0));
    buf_finish(&all);
}

void ring_finish(struct ring *ring)
{
    buf_finish(&ring->head);
    mem_free(ring->tail);
    *ring = (struct ring){0};
}
