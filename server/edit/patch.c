/* Parsing patches. Source of the format: the grammar in grammar.c; what is tolerated beyond it
 * stands in the functions below. */
#include "patch-internal.h"

struct parser {
    struct edit_patch *patch;
    VEC(struct str) lines; /* without their endings */
    size_t at, end;        /* the line to be read, the line of "*** End Patch" */
    size_t hunks;          /* and anchors, so far */
    struct err *err;
};

static const struct {
    const char *marker;
    enum patch_op_kind kind;
} headers[] = {
    {"*** Add File:", PATCH_ADD},
    {"*** Delete File:", PATCH_DELETE},
    {"*** Update File:", PATCH_UPDATE},
};

/* -- Lines ------------------------------------------------------------------------------------- */

static enum status fail(struct parser *p, size_t line, const char *expected)
{
    struct str s = line < p->lines.len ? p->lines.ptr[line] : STR("");
    size_t shown = utf8_floor(s, 80);

    return err_set(p->err, STATUS_INVALID, "line %zu of the patch: expected %s, found '%.*s%s'",
                   line + 1, expected, (int)shown, shown ? s.ptr : "", shown < s.len ? "…" : "");
}

static struct str line_now(const struct parser *p)
{
    return p->lines.ptr[p->at];
}

static bool is_empty(struct str line)
{
    return str_trim(line).len == 0;
}

static bool has_marker(struct str line, const char *marker)
{
    return str_starts_with(line, str_from(marker));
}

static void split_lines(struct parser *p, struct str text)
{
    struct str line;

    while (str_next(&text, '\n', &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        vec_push(&p->lines, line);
    }
}

/* -- The frame --------------------------------------------------------------------------------- */

/* Models wrap patches as they would for a shell: "apply_patch <<'EOF'" … "EOF", or in a code fence.
 */
static bool is_wrapper_start(struct str line)
{
    return is_empty(line) || has_marker(str_trim(line), "```") ||
           str_find(line, STR("<<"), 0) != STR_NONE;
}

static bool is_wrapper_end(struct str line)
{
    line = str_trim(line);
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == ' ' || line.ptr[i] == '*')
            return false;
    }
    return true;
}

static enum status find_frame(struct parser *p)
{
    size_t first = 0, last = p->lines.len;

    while (first < p->lines.len && !str_eq_c(str_trim(p->lines.ptr[first]), "*** Begin Patch")) {
        if (!is_wrapper_start(p->lines.ptr[first]))
            return fail(p, first, "'*** Begin Patch'");
        first++;
    }
    if (first == p->lines.len)
        return fail(p, 0, "'*** Begin Patch'");
    while (last > first && !str_eq_c(str_trim(p->lines.ptr[last - 1]), "*** End Patch"))
        last--;
    if (last == first)
        return fail(p, p->lines.len - 1, "'*** End Patch' at the end");
    p->at = first + 1;
    p->end = last - 1;
    while (last < p->lines.len) {
        if (!is_wrapper_end(p->lines.ptr[last]))
            return fail(p, last, "nothing after '*** End Patch'");
        last++;
    }
    return STATUS_OK;
}

/* -- Sections ---------------------------------------------------------------------------------- */

static void note_path(struct edit_patch *patch, struct str path)
{
    for (size_t i = 0; i < patch->paths.len; i++) {
        if (str_eq(patch->paths.ptr[i], path))
            return;
    }
    vec_push(&patch->paths, path);
}

/* The path after a marker, cleaned, so that "./a" and "a" are one file. */
static enum status take_path(struct parser *p, struct str rest, char **ret_path)
{
    struct err why;
    struct buf path = {0};

    rest = str_trim(rest);
    if (rest.len == 0)
        return fail(p, p->at, "a path after the marker");
    if (path_check(rest, &why) < 0)
        return err_set(p->err, STATUS_INVALID, "line %zu of the patch: %s", p->at + 1, why.text);
    path_append_clean(&path, rest);
    *ret_path = buf_take(&path);
    note_path(p->patch, str_from(*ret_path));
    p->at++;
    return STATUS_OK;
}

/* True if more added lines follow the empty ones that start here. */
static bool added_lines_follow(const struct parser *p)
{
    size_t at = p->at;

    while (at < p->end && p->lines.ptr[at].len == 0)
        at++;
    return at < p->end && p->lines.ptr[at].ptr[0] == '+';
}

static enum status parse_added_file(struct parser *p, struct patch_op *op)
{
    for (; p->at < p->end; p->at++) {
        struct str line = line_now(p);

        if (line.len > 0 && line.ptr[0] == '+')
            buf_append(&op->content, str_skip(line, 1));
        else if (has_marker(str_trim(line), "***") || (is_empty(line) && !added_lines_follow(p)))
            break;
        else if (line.len > 0)
            return fail(p, p->at, "a line that starts with '+', as all of an added file do");
        buf_append_byte(&op->content, '\n');
    }
    return STATUS_OK;
}

static struct str skip_digits(struct str s)
{
    while (s.len > 0 && ((s.ptr[0] >= '0' && s.ptr[0] <= '9') || s.ptr[0] == ','))
        s = str_skip(s, 1);
    return s;
}

/* What follows "@@": "-1,2 +1,2 @@" is taken off, as is a closing "@@". */
static struct str anchor_text(struct str line)
{
    struct str rest = str_trim(str_skip(line, 2)), s = rest;

    if (str_starts_with(s, STR("-"))) {
        s = str_trim(skip_digits(str_skip(s, 1)));
        if (str_starts_with(s, STR("+"))) {
            s = str_trim(skip_digits(str_skip(s, 1)));
            if (str_starts_with(s, STR("@@")))
                return str_trim(str_skip(s, 2));
        }
    }
    if (str_ends_with(rest, STR(" @@")))
        rest = str_trim(str_slice(rest, 0, rest.len - 3));
    /* Only trimmed at the end: the blanks in front may tell two lines apart. */
    s = str_skip(line, 2);
    if (s.len > 0 && s.ptr[0] == ' ')
        s = str_skip(s, 1);
    return str_slice(s, 0, (size_t)(rest.ptr + rest.len - s.ptr));
}

static enum status count_hunk(struct parser *p)
{
    if (p->hunks++ < LIMIT_PATCH_HUNKS_COUNT)
        return STATUS_OK;
    return err_set(p->err, STATUS_LIMIT, "the patch has more than %d hunks; send it in parts",
                   LIMIT_PATCH_HUNKS_COUNT);
}

static void start_chunk(struct patch_op *op)
{
    vec_push(&op->chunks, (struct patch_chunk){0});
}

static void chunk_free(struct patch_chunk *chunk)
{
    vec_finish(&chunk->anchors);
    vec_finish(&chunk->lines);
}

/* Empty lines alone are space between sections, not a chunk. */
static enum status end_chunk(struct parser *p, struct patch_op *op)
{
    struct patch_chunk *chunk = op->chunks.len > 0 ? &vec_last(&op->chunks) : NULL;

    if (!chunk)
        return STATUS_OK;
    if (chunk->lines.len > chunk->loose_tail)
        return STATUS_OK;
    if (chunk->anchors.len > 0)
        return fail(p, p->at, "lines that start with ' ', '-' or '+' after '@@'");
    chunk_free(chunk);
    op->chunks.len--;
    return STATUS_OK;
}

static enum status parse_anchor(struct parser *p, struct patch_op *op)
{
    struct str anchor = anchor_text(line_now(p));
    bool stacked =
        op->chunks.len > 0 && vec_last(&op->chunks).lines.len == 0 && !vec_last(&op->chunks).at_end;

    if (!stacked) {
        enum status status = end_chunk(p, op);

        if (status < 0)
            return status;
        start_chunk(op);
    }
    if (!is_empty(anchor))
        vec_push(&vec_last(&op->chunks).anchors, anchor);
    return count_hunk(p);
}

static enum status parse_change(struct parser *p, struct patch_op *op)
{
    static const char marks[] = " -+";
    struct str line = line_now(p);
    struct patch_line parsed = {LINE_CONTEXT, STR("")};
    struct patch_chunk *chunk;

    if (line.len > 0) {
        const char *mark = memchr(marks, line.ptr[0], sizeof(marks) - 1);

        if (!mark)
            return fail(p, p->at, "a line that starts with ' ', '-', '+', '@@' or '***'");
        parsed = (struct patch_line){(enum patch_line_kind)(mark - marks), str_skip(line, 1)};
    }
    if (op->chunks.len == 0 || vec_last(&op->chunks).at_end)
        start_chunk(op);
    chunk = &vec_last(&op->chunks);
    vec_push(&chunk->lines, parsed);
    chunk->loose_tail = line.len > 0 ? 0 : chunk->loose_tail + 1;
    return STATUS_OK;
}

static enum status parse_chunks(struct parser *p, struct patch_op *op)
{
    enum status status = STATUS_OK;

    for (; p->at < p->end && status == STATUS_OK; p->at++) {
        struct str line = line_now(p);

        if (str_eq_c(str_trim_end(line), "*** End of File")) {
            status = end_chunk(p, op);
            if (op->chunks.len > 0)
                vec_last(&op->chunks).at_end = true;
            if (status == STATUS_OK)
                status = count_hunk(p);
        } else if (has_marker(line, "***")) {
            break;
        } else if (has_marker(line, "@@")) {
            status = parse_anchor(p, op);
        } else {
            status = parse_change(p, op);
        }
    }
    return status < 0 ? status : end_chunk(p, op);
}

static enum status parse_update(struct parser *p, struct patch_op *op)
{
    static const char marker[] = "*** Move to:";
    size_t header = p->at - 1;
    enum status status = STATUS_OK;

    if (p->at < p->end && has_marker(str_trim(line_now(p)), marker))
        status = take_path(p, str_skip(str_trim(line_now(p)), sizeof(marker) - 1), &op->new_path);
    if (status == STATUS_OK)
        status = parse_chunks(p, op);
    if (status == STATUS_OK && op->chunks.len == 0 && !op->new_path)
        return fail(p, header, "hunks after the header of an update");
    return status;
}

static enum status parse_body(struct parser *p, struct patch_op *op)
{
    switch (op->kind) {
    case PATCH_ADD:
        return parse_added_file(p, op);
    case PATCH_UPDATE:
        return parse_update(p, op);
    case PATCH_DELETE:
        break;
    }
    return STATUS_OK;
}

static enum status parse_section(struct parser *p)
{
    struct str line = str_trim(line_now(p));

    for (size_t i = 0; i < array_count(headers); i++) {
        struct patch_op op = {.kind = headers[i].kind};
        enum status status;

        if (!has_marker(line, headers[i].marker))
            continue;
        if (p->patch->ops.len == LIMIT_PATCH_OPS_COUNT)
            return err_set(p->err, STATUS_LIMIT,
                           "the patch has more than %d operations; send it in parts",
                           LIMIT_PATCH_OPS_COUNT);
        status = take_path(p, str_skip(line, strlen(headers[i].marker)), &op.path);
        if (status == STATUS_OK)
            status = parse_body(p, &op);
        vec_push(&p->patch->ops, op);
        return status;
    }
    return fail(p, p->at, "'*** Add File: ', '*** Delete File: ' or '*** Update File: '");
}

static enum status parse_all(struct parser *p)
{
    enum status status = find_frame(p);

    while (status == STATUS_OK && p->at < p->end) {
        if (is_empty(line_now(p)))
            p->at++;
        else
            status = parse_section(p);
    }
    if (status == STATUS_OK && p->patch->ops.len == 0)
        return fail(p, p->end, "'*** Add File: ', '*** Delete File: ' or '*** Update File: '");
    return status;
}

/* -- The door ---------------------------------------------------------------------------------- */

enum status edit_patch_parse(struct str text, struct edit_patch **ret_patch, struct err *err)
{
    struct parser p = {.err = err};
    enum status status;
    size_t bad;

    if (text.len > LIMIT_PATCH_BYTES)
        return err_set(err, STATUS_LIMIT,
                       "the patch has %zu bytes; at most %zu are taken, so send "
                       "it in parts",
                       text.len, LIMIT_PATCH_BYTES);
    if (!utf8_is_valid(text, &bad))
        return err_set(err, STATUS_INVALID, "the patch is not UTF-8 at byte %zu", bad);
    p.patch = mem_new(struct edit_patch);
    p.patch->text = str_dup_c(text);
    split_lines(&p, (struct str){p.patch->text, text.len});
    status = parse_all(&p);
    vec_finish(&p.lines);
    if (status < 0)
        edit_patch_free(p.patch);
    else
        *ret_patch = p.patch;
    return status;
}

static void op_finish(struct patch_op *op)
{
    for (size_t i = 0; i < op->chunks.len; i++)
        chunk_free(&op->chunks.ptr[i]);
    vec_finish(&op->chunks);
    buf_finish(&op->content);
    mem_free(op->path);
    mem_free(op->new_path);
}

void edit_patch_free(struct edit_patch *patch)
{
    if (!patch)
        return;
    for (size_t i = 0; i < patch->ops.len; i++)
        op_finish(&patch->ops.ptr[i]);
    vec_finish(&patch->ops);
    vec_finish(&patch->paths);
    mem_free(patch->text);
    mem_free(patch);
}

size_t edit_patch_path_count(const struct edit_patch *patch)
{
    return patch->paths.len;
}

struct str edit_patch_path(const struct edit_patch *patch, size_t index)
{
    return patch->paths.ptr[index];
}
