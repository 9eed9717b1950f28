/* A text, a NUL and the hunks of an update: what the engine makes of them is what the plainest
 * reading of the rules makes of them (docs/decisions/0006), which is written here once more,
 * without looking at the engine: lines in arrays, every place tried, no anchors. With anchors, and
 * for old and new string of a replacement, either a plan comes that changes something, or notes, or
 * errors. */
#include <string.h>

#include <lanebridge/edit.h>

#include "fuzz.h"

enum { LINES_MAX = 400, CHUNKS_MAX = 40, LEVELS = 4 };

/* -- Lines ------------------------------------------------------------------------------------- */

struct line {
    struct str content, ending;
};
struct lines {
    struct line at[LINES_MAX];
    size_t count;
    bool bom;
};

static bool split(struct str s, struct lines *lines)
{
    *lines = (struct lines){.bom = s.len >= 3 && memcmp(s.ptr, "\xEF\xBB\xBF", 3) == 0};
    for (size_t i = lines->bom ? 3 : 0; i < s.len;) {
        size_t end = i;
        while (end < s.len && s.ptr[end] != '\n' && s.ptr[end] != '\r')
            end++;
        size_t next = end;
        if (next < s.len)
            next += s.ptr[next] == '\r' && next + 1 < s.len && s.ptr[next + 1] == '\n' ? 2 : 1;
        if (lines->count == LINES_MAX)
            return false;
        lines->at[lines->count++] = (struct line){{s.ptr + i, end - i}, {s.ptr + end, next - end}};
        i = next;
    }
    return true;
}

static bool is_blank(char byte)
{
    return byte && strchr(" \t\n\v\f\r", byte);
}

static struct str trim(struct str s, bool front)
{
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    while (front && s.len > 0 && is_blank(s.ptr[0]))
        s.ptr++, s.len--;
    return s;
}

static char plain_of(uint32_t c)
{
    if (c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000)
        return ' ';
    if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212)
        return '-';
    if (c >= 0x2018 && c <= 0x201B)
        return '\'';
    return c >= 0x201C && c <= 0x201F ? '"' : '\0';
}

static void fold(struct str s, struct buf *out)
{
    while (s.len > 0) {
        uint32_t c;
        size_t bytes = utf8_decode(s, &c);
        char plain = plain_of(c);
        buf_append(out, plain ? (struct str){&plain, 1} : str_slice(s, 0, bytes));
        s = str_skip(s, bytes);
    }
}

static bool same(struct str a, struct str b, int level)
{
    struct buf x = {0}, y = {0};
    if (level > 0) {
        a = trim(a, level > 1);
        b = trim(b, level > 1);
    }
    if (level < 3)
        return str_eq(a, b);
    fold(a, &x);
    fold(b, &y);
    bool equal = str_eq(trim(buf_str(&x), true), trim(buf_str(&y), true));
    buf_finish(&x);
    buf_finish(&y);
    return equal;
}

/* -- Hunks ------------------------------------------------------------------------------------- */

struct chunk {
    struct line at[LINES_MAX]; /* content with its mark, or empty */
    size_t count, tail;        /* tail: of wholly empty lines at its end */
    bool at_end;
};
struct chunks {
    struct chunk at[CHUNKS_MAX];
    size_t count;
};

static bool is_marker(struct str line, const char *marker)
{
    return str_eq_c(trim(line, false), marker);
}

/* False for what this reading has no rules for. */
static bool read_chunks(struct str hunks, struct chunks *chunks)
{
    struct chunk *chunk = NULL;
    *chunks = (struct chunks){0};
    if (str_starts_with(trim(hunks, true), STR("***")))
        return false;
    for (struct str line; str_next(&hunks, '\n', &line);) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (is_marker(line, "*** End of File")) {
            if (!chunk || chunk->count == chunk->tail)
                return false;
            chunk->at_end = true;
            continue;
        }
        if (str_starts_with(line, STR("***")))
            return false;
        if (str_starts_with(line, STR("@@"))) {
            if (!is_marker(line, "@@") || (chunk && chunk->count == chunk->tail))
                return false;
            chunk = NULL;
            if (chunks->count == CHUNKS_MAX)
                return false;
            chunk = &chunks->at[chunks->count++];
            continue;
        }
        if (line.len > 0 && !strchr(" +-", line.ptr[0]))
            return false;
        if (!chunk || chunk->at_end) {
            if (chunks->count == CHUNKS_MAX)
                return false;
            chunk = &chunks->at[chunks->count++];
        }
        if (chunk->count == LINES_MAX)
            return false;
        chunk->tail = line.len > 0 ? 0 : chunk->tail + 1;
        chunk->at[chunk->count++].content = line;
    }
    if (chunk && chunk->count == chunk->tail) /* only space before what comes next */
        chunks->count--;
    return chunks->count > 0;
}

static bool is_added(const struct chunk *chunk, size_t i)
{
    return chunk->at[i].content.len > 0 && chunk->at[i].content.ptr[0] == '+';
}

static bool is_removed(const struct chunk *chunk, size_t i)
{
    return chunk->at[i].content.len > 0 && chunk->at[i].content.ptr[0] == '-';
}

static struct str text_of(const struct chunk *chunk, size_t i)
{
    return str_skip(chunk->at[i].content, 1);
}

/* -- Where a hunk stands ----------------------------------------------------------------------- */

struct place {
    size_t line, end; /* of the chunk: its first `end` lines count */
    int level;
};

static size_t count_old(const struct chunk *chunk, size_t end)
{
    size_t count = 0;
    for (size_t i = 0; i < end; i++)
        count += !is_added(chunk, i);
    return count;
}

static bool stands_at(const struct lines *file, const struct chunk *chunk, size_t end, size_t line,
                      int level)
{
    for (size_t i = 0; i < end; i++) {
        if (is_added(chunk, i))
            continue;
        if (line >= file->count || !same(file->at[line].content, text_of(chunk, i), level))
            return false;
        line++;
    }
    return true;
}

/* The number of places at the first level that has one. */
static size_t find_places(const struct lines *file, const struct chunk *chunk, size_t end,
                          size_t from, struct place *ret_place)
{
    for (int level = 0; level < LEVELS; level++) {
        size_t found = 0;
        for (size_t line = from; line < file->count; line++) {
            if (!stands_at(file, chunk, end, line, level))
                continue;
            if (found++ == 0)
                *ret_place = (struct place){line, end, level};
        }
        if (found > 0)
            return found;
    }
    return 0;
}

static size_t find_chunk(const struct lines *file, const struct chunk *chunk, size_t end,
                         size_t from, struct place *ret_place)
{
    size_t old = count_old(chunk, end);
    if (chunk->at_end && file->count >= old && file->count - old >= from &&
        find_places(file, chunk, end, file->count - old, ret_place) == 1)
        return 1;
    return find_places(file, chunk, end, from, ret_place);
}

static bool place_chunk(const struct lines *file, const struct chunk *chunk, size_t from,
                        struct place *ret_place)
{
    size_t short_end = chunk->count - chunk->tail;
    if (count_old(chunk, short_end) == 0) {
        *ret_place = (struct place){file->count, short_end, 0};
        return true;
    }
    size_t found = find_chunk(file, chunk, chunk->count, from, ret_place);
    if (found == 0 && chunk->tail > 0)
        found = find_chunk(file, chunk, short_end, from, ret_place);
    return found == 1;
}

/* -- What comes out ---------------------------------------------------------------------------- */

struct result {
    struct buf bytes;
    size_t line;        /* of the file, the next one */
    struct str closing; /* the ending of the last new line, if a new line is the last */
    bool is_open;       /* the last line has no ending yet */
};

/* A new line before `line` takes the ending of its neighbour. */
static struct str neighbour(const struct lines *file, size_t line)
{
    if (line > 0 && line - 1 < file->count && file->at[line - 1].ending.len > 0)
        return file->at[line - 1].ending;
    if (line < file->count && file->at[line].ending.len > 0)
        return file->at[line].ending;
    return file->count > 0 && file->at[0].ending.len > 0 ? file->at[0].ending : STR("\n");
}

static void close_line(struct result *result, const struct lines *file)
{
    if (result->is_open)
        buf_append(&result->bytes, neighbour(file, result->line));
    result->is_open = false;
}

static void keep(struct result *result, const struct lines *file, size_t to)
{
    while (result->line < to) {
        close_line(result, file);
        const struct line *line = &file->at[result->line++];
        buf_append(&result->bytes, line->content);
        buf_append(&result->bytes, line->ending);
        result->is_open = line->ending.len == 0;
        result->closing = STR("");
    }
}

/* The blanks in front. */
static struct str indent(struct str s)
{
    return str_slice(s, 0, s.len - trim(s, true).len - (s.len - trim(s, false).len));
}

/* What all lines of the file have more, or less, than those of the hunk; nothing if they differ. */
static void find_shift(const struct lines *file, const struct chunk *chunk,
                       const struct place *place, struct str *ret_more, struct str *ret_less)
{
    struct str more = STR(""), less = STR("");
    bool first = true;
    size_t line = place->line;
    for (size_t i = 0; i < place->end; i++) {
        if (is_added(chunk, i))
            continue;
        struct str ours = file->at[line++].content, add = STR(""), drop = STR("");
        if (trim(ours, true).len == 0)
            continue;
        struct str a = indent(ours), b = indent(text_of(chunk, i));
        if (str_ends_with(a, b))
            add = str_slice(a, 0, a.len - b.len);
        else if (str_ends_with(b, a))
            drop = str_slice(b, 0, b.len - a.len);
        else
            return;
        if (!first && (!str_eq(add, more) || !str_eq(drop, less)))
            return;
        more = add;
        less = drop;
        first = false;
    }
    *ret_more = more;
    *ret_less = less;
}

static void write_chunk(struct result *result, const struct lines *file, const struct chunk *chunk,
                        const struct place *place)
{
    struct str more = STR(""), less = STR("");
    size_t end = place->end;
    if (place->level >= 2)
        find_shift(file, chunk, place, &more, &less);
    while (end > 0 && !is_added(chunk, end - 1) && !is_removed(chunk, end - 1))
        end--;
    keep(result, file, place->line);
    for (size_t i = 0; i < end;) {
        if (!is_added(chunk, i) && !is_removed(chunk, i)) {
            keep(result, file, result->line + 1);
            i++;
            continue;
        }
        size_t start = i, first = result->line;
        while (i < end && (is_added(chunk, i) || is_removed(chunk, i)))
            result->line += is_removed(chunk, i++);
        for (size_t k = start, nth = 0; k < i; k++) {
            if (!is_added(chunk, k))
                continue;
            struct str text = text_of(chunk, k), ending = STR("");
            if (first + nth < result->line)
                ending = file->at[first + nth].ending;
            if (ending.len == 0)
                ending = neighbour(file, result->line);
            close_line(result, file);
            buf_append(&result->bytes, text.len > 0 ? more : STR(""));
            buf_append(&result->bytes, str_skip(text, str_starts_with(text, less) ? less.len : 0));
            buf_append(&result->bytes, ending);
            result->closing = ending;
            nth++;
        }
    }
}

static size_t changed_until(const struct chunk *chunk, const struct place *place)
{
    size_t end = place->end;
    while (end > 0 && !is_added(chunk, end - 1) && !is_removed(chunk, end - 1))
        end--;
    return place->line + count_old(chunk, end);
}

/* False: some hunk does not fit. */
static bool apply_slowly(const struct lines *file, const struct chunks *chunks,
                         struct buf *ret_text)
{
    static struct place places[CHUNKS_MAX];
    struct result result = {0};
    size_t from = 0;
    bool fits = true;
    for (size_t i = 0; i < chunks->count; i++) {
        if (place_chunk(file, &chunks->at[i], from, &places[i]))
            from = changed_until(&chunks->at[i], &places[i]);
        else
            fits = false;
    }
    buf_append_c(&result.bytes, file->bom ? "\xEF\xBB\xBF" : "");
    for (size_t i = 0; fits && i < chunks->count; i++)
        write_chunk(&result, file, &chunks->at[i], &places[i]);
    keep(&result, file, file->count);
    if (file->count > 0 && file->at[file->count - 1].ending.len == 0)
        buf_truncate(&result.bytes, result.bytes.len - result.closing.len);
    buf_move(ret_text, &result.bytes);
    return fits;
}

/* -- Beside the engine ------------------------------------------------------------------------- */

static void finish(enum status status, struct edit_plan *plan, struct buf *errors)
{
    FUZZ_CHECK((status == STATUS_OK) == (errors->len == 0));
    FUZZ_CHECK(status == STATUS_OK || plan->files.len == 0);
    if (plan->files.len > 0 && plan->files.ptr[0].kind == EDIT_UPDATE)
        FUZZ_CHECK(!text_eq(plan->files.ptr[0].before, plan->files.ptr[0].after));
    edit_plan_finish(plan);
    buf_finish(errors);
}

static void compare(const struct edit_source *source, struct str hunks, enum status status,
                    const struct edit_plan *plan)
{
    static struct lines file;
    static struct chunks chunks;
    struct buf want = {0};
    if (!utf8_is_valid(text_bytes(source->text), NULL) || !split(text_bytes(source->text), &file) ||
        !read_chunks(hunks, &chunks))
        return;
    bool fits = apply_slowly(&file, &chunks, &want);
    FUZZ_CHECK(fits == (status == STATUS_OK));
    if (fits) {
        const struct text *have = plan->files.len > 0 ? plan->files.ptr[0].after : source->text;
        FUZZ_CHECK(str_eq(text_bytes(have), buf_str(&want)));
    }
    buf_finish(&want);
}

static void apply(const struct edit_source *source, struct str hunks)
{
    struct edit_patch *patch = NULL;
    struct edit_plan plan = {0};
    struct buf bytes = {0}, errors = {0};
    buf_append_c(&bytes, "*** Begin Patch\n*** Update File: f\n");
    buf_append(&bytes, hunks);
    buf_append_c(&bytes, "\n*** End Patch\n");
    if (edit_patch_parse(buf_str(&bytes), &patch, NULL) == STATUS_OK &&
        edit_patch_path_count(patch) == 1) {
        enum status status = edit_patch_plan(patch, source, 1, &plan, &errors);
        compare(source, hunks, status, &plan);
        finish(status, &plan, &errors);
    }
    edit_patch_free(patch);
    buf_finish(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str hunks, first = fuzz_split((struct str){(const char *)data, size}, &hunks);
    struct text *text = text_new(first);
    struct edit_source source = {STR("f"), text, STR("")};
    apply(&source, hunks);
    for (int all = 0; all <= 1; all++) {
        struct str old = str_slice(hunks, 0, hunks.len / 2), new = str_skip(hunks, hunks.len / 2);
        struct edit_plan plan = {0};
        struct buf errors = {0};
        finish(edit_replace_plan(&source, old, new, all, &plan, &errors), &plan, &errors);
    }
    text_unref(text);
    return 0;
}
