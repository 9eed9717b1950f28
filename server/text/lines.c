/* The line index. */
#include <assert.h>

#include "text-internal.h"

static bool is_ending(char byte)
{
    return byte == '\n' || byte == '\r';
}

void lines_append(struct line_starts *lines, const size_t *starts, size_t count, size_t shift)
{
    if (count == 0)
        return;
    vec_grow((void **)&lines->ptr, &lines->cap, lines->len + count, sizeof(*lines->ptr));
    if (shift == 0) {
        memcpy(lines->ptr + lines->len, starts, count * sizeof(*starts));
    } else {
        for (size_t i = 0; i < count; i++)
            lines->ptr[lines->len + i] = starts[i] + shift;
    }
    lines->len += count;
}

/* Most texts have no CR: then memchr finds the lines several times faster than looking at bytes. */
static void scan_lf_only(struct line_starts *lines, struct str bytes, size_t from, size_t to)
{
    while (from <= to) {
        const char *lf = memchr(bytes.ptr + from - 1, '\n', to - from + 1);

        if (!lf)
            return;
        from = (size_t)(lf - bytes.ptr) + 1;
        vec_push(lines, from);
        from++;
    }
}

void lines_scan(struct line_starts *lines, struct str bytes, size_t from, size_t to)
{
    if (!memchr(bytes.ptr + from - 1, '\r', to - from + 1)) {
        scan_lf_only(lines, bytes, from, to);
        return;
    }
    for (size_t at = from; at <= to; at++) {
        char before = bytes.ptr[at - 1];
        bool inside_crlf = before == '\r' && at < bytes.len && bytes.ptr[at] == '\n';

        if (is_ending(before) && !inside_crlf)
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
    return text->lines.len;
}

size_t text_line_start(const struct text *text, size_t line)
{
    assert(line <= text->lines.len);
    return line == text->lines.len ? text->len : text->lines.ptr[line];
}

struct str text_line(const struct text *text, size_t line)
{
    size_t start = text_line_start(text, line);

    assert(line < text->lines.len);
    return (struct str){text->bytes + start, text_line_start(text, line + 1) - start};
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
    return lines_lower_bound(&text->lines, offset + 1) - 1;
}

size_t text_diff_line_count(const struct text *text)
{
    return text->lines.len - (vec_last(&text->lines) == text->len ? 1 : 0);
}
