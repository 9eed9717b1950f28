/* Line diffs: what both texts have in common at the ends is cut off, lines that only one of them
 * has are set aside, and the search runs on hashes of the rest. */
#include "diff-internal.h"
#include "text-internal.h"

/* Steps of the search, about half a second at worst. */
static const size_t SEARCH_BUDGET = (size_t)1 << 26;

/* One text between the common ends. */
struct side {
    const struct text *text;
    size_t first, count;
    uint64_t *hashes;
    bool *changed;
    size_t *candidates; /* lines that may be in the other text */
    struct myers_side search;
};

static struct str side_line(const struct side *side, size_t line)
{
    return text_line(side->text, side->first + line);
}

/* How many bytes are the same, from the front. */
static size_t same_bytes(const char *a, const char *b, size_t max)
{
    enum { BLOCK_BYTES = 4096 };
    size_t at = 0;

    while (max - at >= BLOCK_BYTES && memcmp(a + at, b + at, BLOCK_BYTES) == 0)
        at += BLOCK_BYTES;
    while (at < max && a[at] == b[at])
        at++;
    return at;
}

static size_t same_bytes_at_end(const char *a_end, const char *b_end, size_t max)
{
    enum { BLOCK_BYTES = 4096 };
    size_t n = 0;

    while (max - n >= BLOCK_BYTES &&
           memcmp(a_end - n - BLOCK_BYTES, b_end - n - BLOCK_BYTES, BLOCK_BYTES) == 0)
        n += BLOCK_BYTES;
    while (n < max && a_end[-1 - (ptrdiff_t)n] == b_end[-1 - (ptrdiff_t)n])
        n++;
    return n;
}

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Whole lines within the first `bytes`: where they end, the next one starts or the text ends. */
static size_t lines_within(const struct text *text, size_t bytes)
{
    const struct line_starts *lines = &text_flat(text)->lines;

    if (bytes == text->len)
        return text_diff_line_count(text);
    return lines_lower_bound(lines, bytes + 1) - 1;
}

static size_t common_prefix(const struct text *a, const struct text *b, size_t max)
{
    size_t bytes = same_bytes(text_bytes(a).ptr, text_bytes(b).ptr, min(text_len(a), text_len(b)));

    return min(max, min(lines_within(a, bytes), lines_within(b, bytes)));
}

/* Lines that start within the last `bytes`. */
static size_t lines_within_end(const struct text *text, size_t count, size_t bytes)
{
    return count - min(count, lines_lower_bound(&text_flat(text)->lines, text->len - bytes));
}

static size_t common_suffix(const struct text *a, size_t a_count, const struct text *b,
                            size_t b_count, size_t max)
{
    const char *a_end = text_bytes(a).ptr + text_len(a), *b_end = text_bytes(b).ptr + text_len(b);
    size_t bytes = same_bytes_at_end(a_end, b_end, min(text_len(a), text_len(b)));

    return min(max, min(lines_within_end(a, a_count, bytes), lines_within_end(b, b_count, bytes)));
}

static void side_init(struct side *side, const struct text *text, size_t first, size_t count)
{
    *side = (struct side){.text = text, .first = first, .count = count};
    side->hashes = mem_realloc(NULL, count * sizeof(uint64_t) + 1);
    side->changed = mem_alloc(count + 1);
    for (size_t i = 0; i < count; i++)
        side->hashes[i] = hash_bytes(side_line(side, i));
}

static void side_finish(struct side *side)
{
    mem_free(side->hashes);
    mem_free(side->changed);
    mem_free(side->candidates);
    mem_free((void *)side->search.values);
    mem_free(side->search.changed);
}

/* A bit for each hash of the side: a clear bit proves that a line is not there. */
static unsigned char *hash_bits(const struct side *side, uint64_t *ret_mask)
{
    uint64_t size = 1024;
    unsigned char *bits;

    while (size < 8 * (uint64_t)side->count)
        size *= 2;
    bits = mem_alloc(size / 8);
    *ret_mask = size - 1;
    for (size_t i = 0; i < side->count; i++) {
        uint64_t bit = side->hashes[i] & *ret_mask;

        bits[bit / 8] |= (unsigned char)(1u << (bit % 8));
    }
    return bits;
}

/* Lines that only this side has can be in no common sequence, so the search need not see them. */
static void choose_candidates(struct side *side, const struct side *other)
{
    uint64_t mask;
    unsigned char *bits = hash_bits(other, &mask);
    uint64_t *values = mem_realloc(NULL, side->count * sizeof(*values) + 1);
    size_t count = 0;

    side->candidates = mem_realloc(NULL, side->count * sizeof(size_t) + 1);
    for (size_t i = 0; i < side->count; i++) {
        uint64_t bit = side->hashes[i] & mask;

        if (!(bits[bit / 8] & (1u << (bit % 8)))) {
            side->changed[i] = true;
            continue;
        }
        values[count] = side->hashes[i];
        side->candidates[count++] = i;
    }
    side->search = (struct myers_side){values, mem_alloc(count + 1), count};
    mem_free(bits);
}

static void take_result(struct side *side)
{
    for (size_t i = 0; i < side->search.count; i++) {
        if (side->search.changed[i])
            side->changed[side->candidates[i]] = true;
    }
}

/* Equal hashes are not yet equal lines. */
static void verify_pairs(struct side *a, struct side *b)
{
    size_t i = 0, j = 0;

    for (;; i++, j++) {
        while (i < a->count && a->changed[i])
            i++;
        while (j < b->count && b->changed[j])
            j++;
        if (i == a->count || j == b->count)
            return;
        if (!str_eq(side_line(a, i), side_line(b, j)))
            a->changed[i] = b->changed[j] = true;
    }
}

/* Moves each changed group down as far as equal lines allow: an added function then reads as one,
 * not as the end of the one before it and most of its own. The unchanged lines stay the same
 * sequence, so the other side needs no change. */
static void slide_down(struct side *side)
{
    size_t start = 0;

    while (start < side->count) {
        size_t end;

        while (start < side->count && !side->changed[start])
            start++;
        for (end = start; end < side->count; end++) {
            if (side->changed[end])
                continue;
            if (end == start || !str_eq(side_line(side, start), side_line(side, end)))
                break;
            side->changed[start++] = false;
            side->changed[end] = true;
        }
        start = end;
    }
}

static void collect_hunks(const struct side *a, const struct side *b, struct diff *ret_diff)
{
    VEC(struct diff_hunk) hunks = {0};
    size_t i = 0, j = 0;

    while (i < a->count || j < b->count) {
        size_t i0 = i, j0 = j;

        while (i < a->count && a->changed[i])
            i++;
        while (j < b->count && b->changed[j])
            j++;
        if (i > i0 || j > j0) {
            struct diff_hunk hunk = {a->first + i0, i - i0, b->first + j0, j - j0};

            vec_push(&hunks, hunk);
        }
        if (i < a->count)
            i++, j++;
    }
    *ret_diff = (struct diff){hunks.ptr, hunks.len};
}

void text_diff(const struct text *before, const struct text *after, struct diff *ret_diff)
{
    size_t a_count = text_diff_line_count(before), b_count = text_diff_line_count(after);
    size_t max = a_count < b_count ? a_count : b_count;
    size_t prefix = before == after ? max : common_prefix(before, after, max);
    size_t suffix = common_suffix(before, a_count, after, b_count, max - prefix);
    struct side a, b;

    side_init(&a, before, prefix, a_count - prefix - suffix);
    side_init(&b, after, prefix, b_count - prefix - suffix);
    choose_candidates(&a, &b);
    choose_candidates(&b, &a);
    myers_diff(&a.search, &b.search, SEARCH_BUDGET);
    take_result(&a);
    take_result(&b);
    verify_pairs(&a, &b);
    slide_down(&a);
    slide_down(&b);
    collect_hunks(&a, &b, ret_diff);
    side_finish(&a);
    side_finish(&b);
}

void diff_finish(struct diff *diff)
{
    mem_free(diff->hunks);
    *diff = (struct diff){0};
}
