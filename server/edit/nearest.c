/* The real text nearest to what was wanted, so that the next attempt can be right without reading
 * the file again. */
#include "lines-internal.h"

enum {
    VOTERS_MAX = 64, /* wanted lines that look for their likes */
    SHOWN_LINES_MAX = 12,
    SHOWN_BYTES_MAX = 200, /* of a line */
};

/* Each wanted line votes for the places where it would stand in its right row. */
static bool best_by_votes(const struct str *lines, size_t count, const struct str *wanted,
                          size_t wanted_count, size_t *ret_start)
{
    unsigned char *votes = mem_alloc(count);
    size_t voters = 0, best = 0;

    for (size_t k = 0; k < wanted_count && voters < VOTERS_MAX; k++) {
        if (wanted[k].len < 2)
            continue;
        voters++;
        for (size_t i = k; i < count; i++) {
            if (str_eq(lines[i], wanted[k]) && ++votes[i - k] > votes[best])
                best = i - k;
        }
    }
    /* Of several with as many votes the first. */
    for (size_t i = 0; i < best; i++) {
        if (votes[i] == votes[best])
            best = i;
    }
    *ret_start = best;
    best = count > 0 ? votes[best] : 0;
    mem_free(votes);
    return best > 0;
}

static size_t common_ends(struct str a, struct str b)
{
    size_t max = a.len < b.len ? a.len : b.len, front = 0, back = 0;

    while (front < max && a.ptr[front] == b.ptr[front])
        front++;
    while (back < max - front && a.ptr[a.len - 1 - back] == b.ptr[b.len - 1 - back])
        back++;
    return front + back;
}

/* The place whose line has the most in common with the longest wanted line, if that is half of it.
 */
static bool best_by_likeness(const struct str *lines, size_t count, const struct str *wanted,
                             size_t wanted_count, size_t *ret_start)
{
    size_t longest = 0, best = 0, at = 0;

    for (size_t k = 1; k < wanted_count; k++) {
        if (wanted[k].len > wanted[longest].len)
            longest = k;
    }
    for (size_t i = 0; i < count; i++) {
        size_t likeness = common_ends(lines[i], wanted[longest]);

        if (likeness > best) {
            best = likeness;
            at = i;
        }
    }
    *ret_start = at > longest ? at - longest : 0;
    return best > 0 && 2 * best >= wanted[longest].len;
}

static void append_line(struct buf *errors, size_t number, struct str line, bool same)
{
    size_t shown = utf8_floor(line, SHOWN_BYTES_MAX);

    buf_append_fmt(errors, "  %c %5zu|", same ? ' ' : '>', number);
    buf_append(errors, str_slice(line, 0, shown));
    buf_append_c(errors, shown < line.len ? "…\n" : "\n");
}

static void append_window(struct buf *errors, struct edit_lines *lines, struct edit_lines *wanted,
                          size_t start)
{
    const struct str *have = edit_lines_at(lines, MATCH_TRIMMED);
    const struct str *want = edit_lines_at(wanted, MATCH_TRIMMED);
    size_t rows = wanted->count < SHOWN_LINES_MAX ? wanted->count : SHOWN_LINES_MAX;

    if (rows > lines->count - start)
        rows = lines->count - start;
    buf_append_c(errors, "; nearest is this (> marks lines that differ):\n");
    for (size_t i = 0; i < rows; i++)
        append_line(errors, start + i + 1, lines->at[MATCH_EXACT][start + i],
                    str_eq(have[start + i], want[i]));
}

void edit_append_nearest(struct buf *errors, struct edit_lines *lines, struct edit_lines *wanted)
{
    const struct str *have = edit_lines_at(lines, MATCH_TRIMMED);
    const struct str *want = edit_lines_at(wanted, MATCH_TRIMMED);
    size_t start = 0;

    if (wanted->count > 0 && (best_by_votes(have, lines->count, want, wanted->count, &start) ||
                              best_by_likeness(have, lines->count, want, wanted->count, &start)))
        append_window(errors, lines, wanted, start);
    else
        buf_append_fmt(errors, "; nothing in the file, which has %zu lines, is like it\n",
                       lines->count);
}
