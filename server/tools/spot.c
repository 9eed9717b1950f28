/* From a name in a file to an offset in its text. Models know names and lines, columns they guess.
 */
#include "spot-internal.h"

enum { SPOT_NAMED_LINES = 5 };

enum status spot_resolve(struct tools_call *call, struct spot *spot, struct err *err)
{
    if (spot->symbol.len == 0)
        return err_set(err, STATUS_INVALID, "%s: symbol must not be empty", call->name);
    if (spot->line < 0)
        return err_set(err, STATUS_INVALID, "%s: line counts from 1", call->name);
    return now_resolve(call, spot->path, &spot->file, err);
}

enum status spot_read(const struct tools *tools, struct spot *spot, struct err *err)
{
    struct now_file *file = &spot->file;
    if (!now_look(tools, file))
        now_read(file, LIMIT_SPOT_FILE_BYTES);
    if (file->unreadable.len > 0)
        return err_set(err, STATUS_UNSUPPORTED, "%s cannot be read: " STR_FMT, file->path.display,
                       STR_ARG(buf_str(&file->unreadable)));
    if (!file->text)
        return err_set(err, STATUS_NOT_FOUND, "%s does not exist", file->path.display);
    return STATUS_OK;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           ((unsigned char)c & 0x80);
}

/* STR_NONE, or where it begins in bytes. */
static size_t find_in(struct str bytes, struct str symbol, bool whole, size_t from)
{
    size_t at = str_find(bytes, symbol, from);
    while (whole && at != STR_NONE) {
        size_t end = at + symbol.len;
        bool cut = (at > 0 && is_word(bytes.ptr[at - 1]) && is_word(symbol.ptr[0])) ||
                   (end < bytes.len && is_word(bytes.ptr[end]) && is_word(bytes.ptr[end - 1]));
        if (!cut)
            break;
        at = str_find(bytes, symbol, at + 1);
    }
    return at;
}

static size_t find(struct str bytes, struct str symbol)
{
    size_t at = find_in(bytes, symbol, true, 0);
    return at == STR_NONE ? find_in(bytes, symbol, false, 0) : at;
}

/* Where it does stand, for whoever named a wrong line. */
static void append_lines(const struct spot *spot, struct buf *out)
{
    struct str bytes = text_bytes(spot->file.text);
    size_t at = find(bytes, spot->symbol), last = STR_NONE, count = 0;
    while (at != STR_NONE && count < SPOT_NAMED_LINES) {
        size_t line = text_line_of(spot->file.text, at);
        if (line != last)
            buf_append_fmt(out, "%s%zu", count++ > 0 ? ", " : "", line + 1);
        last = line;
        at = str_find(bytes, spot->symbol, at + 1);
    }
    if (at != STR_NONE)
        buf_append_c(out, " …");
}

static enum status say_where(const struct spot *spot, struct err *err)
{
    struct buf lines = {0};
    const char *display = spot->file.path.display;
    append_lines(spot, &lines);
    if (lines.len > 0)
        err_set(err, STATUS_NOT_FOUND, STR_FMT " does not stand on line %lld of %s; it does on %s",
                STR_ARG(spot->symbol), (long long)spot->line, display, lines.ptr);
    else
        err_set(err, STATUS_NOT_FOUND, STR_FMT " does not stand in %s", STR_ARG(spot->symbol),
                display);
    buf_finish(&lines);
    return STATUS_NOT_FOUND;
}

enum status spot_find(const struct tools *tools, struct spot *spot, struct err *err)
{
    enum status status = spot_read(tools, spot, err);
    if (status < 0)
        return status;
    const struct text *text = spot->file.text;
    struct str bytes = text_bytes(text);
    size_t from = 0;
    if (spot->line > 0) {
        size_t line = (size_t)spot->line - 1;
        if (line >= text_line_count(text))
            return say_where(spot, err);
        from = text_line_start(text, line);
        bytes = text_line(text, line);
    }
    size_t at = find(bytes, spot->symbol);
    if (at == STR_NONE)
        return say_where(spot, err);
    spot->start = from + at;
    return STATUS_OK;
}

void spot_append(const struct spot *spot, struct buf *out)
{
    struct position at = text_position_of(spot->file.text, POSITION_UTF32, spot->start);
    buf_append_fmt(out, "%s:%u:%u", spot->file.path.display, at.line + 1, at.character + 1);
}

void spot_note_awaited(struct tools_call *call, const struct now_file *file)
{
    if (file->path.display && review_has_proposal(call->thread, now_key(file)))
        buf_append_fmt(&call->text,
                       "[Your edits of %s wait for the user's review: this is about the text "
                       "without them.]\n",
                       file->path.display);
}

void spot_finish(struct spot *spot)
{
    now_finish(&spot->file);
}
