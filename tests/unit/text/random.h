/* Repeatable random texts for the property tests. */
#ifndef LANEBRIDGE_TESTS_UNIT_TEXT_RANDOM_H
#define LANEBRIDGE_TESTS_UNIT_TEXT_RANDOM_H

#include <lanebridge/text.h>

static inline uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline size_t random_below(uint64_t *seed, size_t limit)
{
    return (size_t)(random_next(seed) % limit);
}

/* Up to max_pieces pieces of a small alphabet, so that lines repeat and endings meet. */
static inline void random_append(struct buf *buf, uint64_t *seed, size_t max_pieces)
{
    static const char *const pieces[] = {"a\n", "b\n",   "{\n", "\n", "\r\n", "\r",
                                         "a",   "b\r\n", "é",   "😀",  "}\n",  "long line\n"};

    for (size_t n = random_below(seed, max_pieces + 1); n > 0; n--)
        buf_append_c(buf, pieces[random_below(seed, array_count(pieces))]);
}

static inline struct text *random_text(uint64_t *seed, size_t max_pieces)
{
    struct buf buf = {0};

    random_append(&buf, seed, max_pieces);
    return text_take(&buf);
}

/* `text` with a few stretches replaced. */
static inline struct text *random_edit(const struct text *text, uint64_t *seed, size_t edits)
{
    struct text *now = text_ref(text);

    while (edits-- > 0) {
        struct buf with = {0};
        size_t start = random_below(seed, text_len(now) + 1);
        size_t end = start + random_below(seed, text_len(now) - start + 1) / 4;
        struct text *next;

        random_append(&with, seed, 4);
        next = text_replace(now, start, end, buf_str(&with));
        buf_finish(&with);
        text_unref(now);
        now = next;
    }
    return now;
}

#endif
