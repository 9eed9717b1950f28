/* The line index. */
#include <assert.h>

#include "text-internal.h"

/* Most texts have no CR: then memchr finds the lines several times faster than looking at bytes. */
static void scan_lf_only(struct line_starts *lines, struct str bytes)
{
    size_t at = 0;
    const char *lf;

    while (at < bytes.len && (lf = memchr(bytes.ptr + at, '\n', bytes.len - at))) {
        at = (size_t)(lf - bytes.ptr) + 1;
        vec_push(lines, at);
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

struct str text_line_content(const struct text *text, size_t line)
{
    struct str s = text_line(text, line);

    if (s.len > 0 && s.ptr[s.len - 1] == '\n')
        s.len--;
    if (s.len > 0 && s.ptr[s.len - 1] == '\r')
        s.len--;
    return s;
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
