#include "complete-internal.h"

#include <string.h>

enum { LINES_AT_MOST = 24 };

static bool is_blank(struct str s)
{
    return str_trim(s).len == 0;
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static size_t indent_of(struct str line)
{
    size_t i = 0;
    while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t'))
        i++;
    return i;
}

/* Behind what a block, a list or an expression begins. */
static bool opens(struct str line)
{
    struct str text = str_trim_end(line);
    return text.len > 0 && is_one_of(text.ptr[text.len - 1], "{([:,=>");
}

bool shape_fits_lines(struct str line_before, struct str line_after, bool is_invoked)
{
    return is_blank(line_after) && (is_invoked || is_blank(line_before) || opens(line_before));
}

/* -- The front */

/* Of a fence only whole lines are known; nothing: it has not come whole. */
static struct str skip_fence(struct str answer)
{
    if (!str_starts_with(answer, STR("```")))
        return answer;
    size_t end = str_find_byte(answer, '\n', 0);
    return end == STR_NONE ? STR("") : str_skip(answer, end + 1);
}

static struct str skip_echo(struct str answer, struct str line_before)
{
    struct str line =
        is_blank(line_before) ? line_before : str_skip(line_before, indent_of(line_before));
    struct str trimmed = str_trim_end(line);
    struct str found = str_starts_with(answer, line_before) ? line_before : line;
    if (is_blank(line_before))
        return str_starts_with(answer, line) ? str_skip(answer, line.len) : answer;
    if (trimmed.len < 3)
        return answer; /* too little to tell an echo from an answer */
    if (str_starts_with(answer, found))
        return str_skip(answer, found.len);
    return answer.len < found.len && str_starts_with(found, answer) ? STR("") : answer;
}

struct str shape_front(const struct shape *shape, struct str answer)
{
    return skip_echo(skip_fence(answer), shape->line_before);
}

/* -- The end */

static bool closes(struct str line)
{
    struct str text = str_trim(line);
    return text.len > 0 && is_one_of(text.ptr[0], "})]") && !opens(line);
}

/* A line further out; or at the block's own level behind deeper ones, if it does not close it. */
static bool leaves_block(struct str line, size_t base, size_t last)
{
    struct str text = str_trim(line);
    size_t indent = indent_of(line);
    return indent < base || (indent == base && last > base && !is_one_of(text.ptr[0], "})]"));
}

/* Where what belongs to the cursor's block ends; the length where it has not ended yet. */
static size_t block_end(const struct shape *shape, struct str text)
{
    size_t base = indent_of(shape->line_before), at = 0, lines = 0, last = base;
    bool opened = opens(shape->line_before);
    while (at < text.len) {
        size_t next = str_find_byte(text, '\n', at);
        if (next == STR_NONE)
            return text.len; /* the last line may still grow */
        struct str line = str_slice(text, at, next);
        bool is_first = at == 0;
        if (!is_first && is_blank(line) && last <= base)
            return at;
        if (!is_first && !is_blank(line) && leaves_block(line, base, last))
            return at;
        at = next + 1;
        if (is_first)
            opened = opened || opens(line);
        else if (!is_blank(line))
            last = indent_of(line);
        bool is_closed = !is_first && opened && indent_of(line) == base && closes(line);
        if (is_closed || ++lines == LINES_AT_MOST)
            return at;
    }
    return text.len;
}

bool shape_is_enough(const struct shape *shape, struct str answer)
{
    struct str front = shape_front(shape, answer);
    if (!shape->is_multi_line)
        return str_find_byte(front, '\n', 0) != STR_NONE;
    return block_end(shape, front) < front.len;
}

static struct str cut(const struct shape *shape, struct str front)
{
    size_t fence = str_find(front, STR("\n```"), 0);
    struct str text = str_slice(front, 0, fence);
    if (str_ends_with(text, STR("```")) && str_find_byte(text, '\n', 0) == STR_NONE)
        text.len -= 3;
    return str_slice(text, 0,
                     shape->is_multi_line ? block_end(shape, text) : str_find_byte(text, '\n', 0));
}

/* The answer ends as the line goes on: with all of the rest, or with brackets and the like of its
 * beginning, which editors put there by themselves. */
static struct str drop_overlap(struct str text, struct str rest)
{
    struct str whole = str_trim_end(rest);
    if (whole.len > 0 && str_ends_with(text, whole))
        return str_slice(text, 0, text.len - whole.len);
    size_t closers = 0;
    while (closers < rest.len && is_one_of(rest.ptr[closers], ")]}\"'`;,>"))
        closers++;
    for (size_t len = closers; len > 0; len--)
        if (str_ends_with(text, str_slice(rest, 0, len)))
            return str_slice(text, 0, text.len - len);
    return text;
}

/* What stands in the next line already is not said twice. */
static struct str drop_next_line(const struct shape *shape, struct str text)
{
    struct str next = shape->next_line;
    size_t newline = str_rfind_byte(text, '\n');
    if (is_blank(next))
        return text;
    if (newline != STR_NONE)
        return str_eq(str_trim_end(str_skip(text, newline + 1)), str_trim_end(next))
                   ? str_slice(text, 0, newline)
                   : text;
    bool is_same = is_blank(shape->line_before) && is_blank(shape->line_after) &&
                   str_eq(str_trim(text), str_trim(next));
    return is_same ? STR("") : text;
}

/* A blank before what stands behind the cursor is meant. */
static struct str trim(const struct shape *shape, struct str text)
{
    if (is_blank(shape->line_after))
        return str_trim_end(text);
    while (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    return text;
}

void shape_answer(const struct shape *shape, struct str answer, struct buf *text)
{
    struct buf plain = {0};
    struct str rest = answer, line;
    while (str_next(&rest, '\r', &line)) /* one way to end a line, until the end */
        buf_append(&plain, line);
    struct str shaped = trim(shape, cut(shape, shape_front(shape, buf_str(&plain))));
    shaped = trim(shape, drop_next_line(shape, shaped));
    shaped = drop_overlap(shaped, shape->line_after);
    if (!is_blank(shaped)) {
        for (size_t i = 0; i < shaped.len; i++) {
            if (shaped.ptr[i] == '\n')
                buf_append(text, shape->ending);
            else
                buf_append_byte(text, shaped.ptr[i]);
        }
    }
    buf_finish(&plain);
}
