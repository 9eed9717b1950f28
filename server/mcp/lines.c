/* Bytes into lines, in any split the same. A line over the limit is skipped to its end. */
#include "mcp-internal.h"

#define KEEP_BYTES (64 * KIB) /* a larger buffer is given back after its line */

struct lines {
    struct lines_handlers handlers;
    void *user;
    size_t max;
    struct buf part;
    bool is_skipping, is_pushing, is_freed;
};

struct lines *lines_new(size_t max_bytes, const struct lines_handlers *handlers, void *user)
{
    struct lines *lines = mem_new(struct lines);
    lines->handlers = *handlers;
    lines->user = user;
    lines->max = max_bytes;
    return lines;
}

static void destroy(struct lines *lines)
{
    buf_finish(&lines->part);
    mem_free(lines);
}

void lines_free(struct lines *lines)
{
    if (!lines)
        return;
    lines->is_freed = true;
    if (!lines->is_pushing)
        destroy(lines);
}

static void tell(struct lines *lines, struct str line)
{
    line = str_trim(line);
    if (line.len > 0)
        lines->handlers.on_line(lines->user, line);
}

static void end_line(struct lines *lines, struct str rest)
{
    if (lines->is_skipping) {
        lines->is_skipping = false;
    } else if (lines->part.len == 0) {
        tell(lines, rest);
    } else {
        struct buf whole = {0};
        buf_move(&whole, &lines->part);
        buf_append(&whole, rest);
        tell(lines, buf_str(&whole));
        buf_clear(&whole);
        if (whole.cap <= KEEP_BYTES)
            buf_move(&lines->part, &whole);
        buf_finish(&whole);
    }
}

static bool is_too_long(const struct lines *lines, struct str more)
{
    return !lines->is_skipping && lines->part.len + more.len > lines->max;
}

static void skip_line(struct lines *lines)
{
    lines->is_skipping = true;
    buf_finish(&lines->part);
    lines->handlers.on_oversize(lines->user);
}

void lines_push(struct lines *lines, struct str bytes)
{
    lines->is_pushing = true;
    while (bytes.len > 0 && !lines->is_freed) {
        size_t end = str_find_byte(bytes, '\n', 0);
        struct str piece = str_slice(bytes, 0, end == STR_NONE ? bytes.len : end);
        bytes = str_skip(bytes, piece.len + (end != STR_NONE));
        if (is_too_long(lines, piece))
            skip_line(lines);
        if (lines->is_freed)
            break;
        if (end != STR_NONE)
            end_line(lines, piece);
        else if (!lines->is_skipping)
            buf_append(&lines->part, piece);
    }
    lines->is_pushing = false;
    if (lines->is_freed)
        destroy(lines);
}
