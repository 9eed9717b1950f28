/* Putting hunks into a text: everything they do not name stays as it is, byte for byte. */
#include "apply-internal.h"
#include "locate-internal.h"

/* Explaining costs a search for the nearest text, and room in the model's context. */
enum { EXPLAINED_MAX = 10 };
enum { ROOM_BYTES = 1024 }; /* for what most patches add, so that the text is copied once */

struct str edit_line_ending(const struct text *text, size_t line)
{
    return str_skip(text_line(text, line), text_line_content(text, line).len);
}

struct str edit_ending_at(const struct text *text, size_t line)
{
    const size_t candidates[] = {line - 1, line, 0};

    for (size_t i = 0; i < array_count(candidates); i++) {
        if (candidates[i] < text_line_count(text)) {
            struct str ending = edit_line_ending(text, candidates[i]);

            if (ending.len > 0)
                return ending;
        }
    }
    return STR("\n");
}

/* -- Writing the result ------------------------------------------------------------------------ */

struct output {
    const struct text *before;
    size_t old; /* the next line of `before` to be copied or dropped */
    size_t old_count;
    struct buf bytes;
    struct str last_ending; /* of the last line, if it was added */
    bool open_line;         /* the last line has no ending yet */
};

/* Whatever follows a line without ending must give it one. */
static void close_line(struct output *out)
{
    if (out->open_line)
        buf_append(&out->bytes, edit_ending_at(out->before, out->old));
    out->open_line = false;
}

static void copy_until(struct output *out, size_t line)
{
    size_t from = text_line_start(out->before, out->old);
    size_t to = text_line_start(out->before, line);

    if (line == out->old)
        return;
    close_line(out);
    /* The BOM is not part of the first line: it stays even if that line goes. */
    from = out->old == 0 ? edit_bom_len(out->before) : from;
    buf_append(&out->bytes, str_slice(text_bytes(out->before), from, to));
    out->open_line = edit_line_ending(out->before, line - 1).len == 0;
    out->last_ending = STR("");
    out->old = line;
}

static void add_line(struct output *out, const struct location *at, struct str content,
                     struct str ending)
{
    close_line(out);
    if (content.len > 0)
        buf_append(&out->bytes, at->more_indent);
    if (str_starts_with(content, at->less_indent))
        content = str_skip(content, at->less_indent.len);
    buf_append(&out->bytes, content);
    buf_append(&out->bytes, ending);
    out->last_ending = ending;
}

/* Removed and added lines that stand together: the new lines take the endings of those they
 * replace, one by one. */
static void replace_run(struct output *out, const struct location *at, const struct patch_line *run,
                        size_t count)
{
    size_t first = out->old, removed = 0, added = 0;

    for (size_t i = 0; i < count; i++)
        removed += run[i].kind == LINE_REMOVED;
    out->old += removed;
    for (size_t i = 0; i < count; i++) {
        struct str ending = STR("");

        if (run[i].kind != LINE_ADDED)
            continue;
        if (added < removed)
            ending = edit_line_ending(out->before, first + added);
        if (ending.len == 0)
            ending = edit_ending_at(out->before, out->old);
        add_line(out, at, run[i].text, ending);
        added++;
    }
}

static size_t chunk_end(const struct patch_chunk *chunk, const struct location *at)
{
    return chunk->lines.len - (at->loose_tail_dropped ? chunk->loose_tail : 0);
}

/* Lines at the hunk's end that it leaves as they are. */
static size_t trailing_context(const struct patch_chunk *chunk, const struct location *at)
{
    size_t end = chunk_end(chunk, at), context = 0;

    while (context < end && chunk->lines.ptr[end - 1 - context].kind == LINE_CONTEXT)
        context++;
    return context;
}

/* The context at its end is left for whoever comes next: the next hunk may begin with it. */
static void write_chunk(struct output *out, const struct patch_chunk *chunk,
                        const struct location *at)
{
    size_t end = chunk_end(chunk, at) - trailing_context(chunk, at);

    copy_until(out, at->line);
    for (size_t i = 0; i < end;) {
        size_t run = i;

        if (chunk->lines.ptr[i].kind == LINE_CONTEXT) {
            copy_until(out, out->old + 1);
            i++;
            continue;
        }
        while (i < end && chunk->lines.ptr[i].kind != LINE_CONTEXT)
            i++;
        replace_run(out, at, &chunk->lines.ptr[run], i - run);
    }
}

/* A file without a final line ending still has none when its new last line was added. */
static struct text *finish_output(struct output *out)
{
    bool had_final =
        out->old_count == 0 || edit_line_ending(out->before, out->old_count - 1).len > 0;

    copy_until(out, out->old_count);
    if (!had_final)
        buf_truncate(&out->bytes, out->bytes.len - out->last_ending.len);
    return text_take(&out->bytes);
}

/* -- The chunks of a section ------------------------------------------------------------------- */

static struct str indentation(struct str line)
{
    struct str trimmed = str_trim(line);

    return str_slice(line, 0, (size_t)(trimmed.ptr - line.ptr));
}

/* What `longer` has in front of `shorter`; false if it does not end like it. */
static bool extra_indentation(struct str longer, struct str shorter, struct str *ret_extra)
{
    if (!str_ends_with(longer, shorter))
        return false;
    *ret_extra = str_slice(longer, 0, longer.len - shorter.len);
    return true;
}

/* Models leave out, or make up, the indentation that all lines of a hunk share. Where it is the
 * same for all, the new lines are moved with them; else they stay as written. */
static void find_indentation(struct edit_lines *file, const struct patch_chunk *chunk,
                             struct location *at)
{
    const struct str *lines = edit_lines_at(file, MATCH_EXACT);
    struct str more = STR(""), less = STR("");
    size_t end = chunk_end(chunk, at), row = at->line;
    bool first = true;

    for (size_t i = 0; i < end; i++) {
        struct str theirs = chunk->lines.ptr[i].text, ours, add = STR(""), drop = STR("");

        if (chunk->lines.ptr[i].kind == LINE_ADDED)
            continue;
        ours = lines[row++];
        if (str_trim(ours).len == 0)
            continue;
        if (!extra_indentation(indentation(ours), indentation(theirs), &add) &&
            !extra_indentation(indentation(theirs), indentation(ours), &drop))
            return;
        if (!first && (!str_eq(add, more) || !str_eq(drop, less)))
            return;
        more = add;
        less = drop;
        first = false;
    }
    at->more_indent = more;
    at->less_indent = less;
}

static void note_location(struct buf *notes, const char *path, size_t number,
                          const struct location *at)
{
    if (at->level > MATCH_EXACT)
        buf_append_fmt(notes, "%s: hunk %zu matched at line %zu %s%s\n", path, number, at->line + 1,
                       match_level_name(at->level),
                       at->more_indent.len + at->less_indent.len > 0
                           ? "; its new lines were indented to fit"
                           : "");
    if (at->remark)
        buf_append_fmt(notes, "%s: hunk %zu (line %zu): %s\n", path, number, at->line + 1,
                       at->remark);
}

/* All are located before any is applied, so that all problems are found. */
static enum status locate_all(const struct patch_op *op, struct edit_lines *file,
                              struct location *locations, struct buf *notes, struct buf *errors)
{
    struct locate where = {.file = file};
    enum status result = STATUS_OK;
    size_t failed = 0;

    for (size_t i = 0; i < op->chunks.len; i++) {
        const struct patch_chunk *chunk = &op->chunks.ptr[i];
        struct buf problem = {0};

        if (edit_locate(&where, chunk, &locations[i], &problem) < 0) {
            buf_append_fmt(errors, "%s: hunk %zu: ", op->path, i + 1);
            buf_append(errors, buf_str(&problem));
            where.brief = ++failed >= EXPLAINED_MAX;
            result = STATUS_INVALID;
        } else {
            if (locations[i].level >= MATCH_TRIMMED)
                find_indentation(file, chunk, &locations[i]);
            note_location(notes, op->path, i + 1, &locations[i]);
            where.after =
                locations[i].line + locations[i].rows - trailing_context(chunk, &locations[i]);
        }
        buf_finish(&problem);
    }
    return result;
}

enum status edit_apply_chunks(const struct patch_op *op, const struct text *before,
                              struct text **ret_after, struct buf *notes, struct buf *errors)
{
    struct location *locations = mem_alloc_array(op->chunks.len, sizeof(*locations));
    struct edit_lines file;
    enum status status;

    edit_lines_of_text(&file, before);
    status = locate_all(op, &file, locations, notes, errors);
    if (status == STATUS_OK) {
        struct output out = {.before = before, .old_count = file.count};

        buf_reserve(&out.bytes, text_len(before) + ROOM_BYTES);
        buf_append(&out.bytes, str_slice(text_bytes(before), 0, edit_bom_len(before)));
        for (size_t i = 0; i < op->chunks.len; i++)
            write_chunk(&out, &op->chunks.ptr[i], &locations[i]);
        *ret_after = finish_output(&out);
    }
    edit_lines_finish(&file);
    mem_free(locations);
    return status;
}
