/* What the model gets to read: cut once, in the middle, on character boundaries, and told so. */
#include "tools-internal.h"

static struct str tail_of(struct str s, size_t limit)
{
    size_t start = s.len > limit ? s.len - limit : 0;
    while (start < s.len && ((unsigned char)s.ptr[start] & 0xC0) == 0x80)
        start++;
    return str_skip(s, start);
}

void output_append_halves(struct buf *out, struct str head, uint64_t dropped, struct str tail,
                          size_t limit)
{
    if (dropped == 0 && head.len + tail.len <= limit) {
        buf_append(out, head);
        buf_append(out, tail);
        return;
    }
    /* The seam may lie anywhere: what counts is the first and the last half of the limit. */
    size_t half = limit / 2;
    struct buf all = {0};
    if (dropped == 0) {
        buf_append(&all, head);
        buf_append(&all, tail);
        head = tail = buf_str(&all);
    }
    struct str first = str_slice(head, 0, utf8_floor(head, half));
    struct str last = tail_of(tail, half);
    uint64_t left_out = dropped + (head.len - first.len) + (tail.len - last.len);
    if (all.ptr)
        left_out -= head.len; /* head and tail are the same text here */
    buf_append(out, first);
    buf_append_fmt(out, "\n[… %llu bytes left out here …]\n", (unsigned long long)left_out);
    buf_append(out, last);
    buf_finish(&all);
}

void output_truncate(struct buf *text, size_t limit)
{
    if (text->len <= limit)
        return;
    struct buf cut = {0};
    output_append_halves(&cut, buf_str(text), 0, (struct str){0}, limit);
    buf_move(text, &cut);
}

void output_append_line(struct buf *out, struct str text, size_t limit)
{
    struct buf line = {0};
    utf8_append_printable(&line, str_slice(text, 0, utf8_floor(text, 4 * limit)));
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '\n' || line.ptr[i] == '\t')
            line.ptr[i] = ' ';
    }
    struct str shown = str_trim(buf_str(&line));
    bool cut = shown.len > limit || text.len > 4 * limit;
    buf_append(out, str_slice(shown, 0, utf8_floor(shown, limit)));
    if (cut)
        buf_append_c(out, "…");
    buf_finish(&line);
}

void output_append_size(struct buf *out, uint64_t bytes)
{
    if (bytes < 10000)
        buf_append_fmt(out, "%llu bytes", (unsigned long long)bytes);
    else if (bytes < 10 * MIB)
        buf_append_fmt(out, "%.1f KiB", (double)bytes / 1024);
    else
        buf_append_fmt(out, "%.1f MiB", (double)bytes / (1024 * 1024));
}
