/* `edit_file` and `write_file`: strings in place of hunks. */
#include "apply-internal.h"
#include "lines-internal.h"
#include "plan-internal.h"

/* Models write LF whatever the file has. So the search runs on a copy with LF for every ending,
 * whose lines are those of the file one by one, and what is found is carried back by line and
 * column. */
struct replacing {
    const struct text *text;
    struct text *plain;
    struct buf old, new;
    struct line_list starts; /* offsets in `plain` */
};

static void append_plain(struct buf *buf, struct str s)
{
    size_t at;

    while ((at = str_find_byte(s, '\r', 0)) != STR_NONE) {
        buf_append(buf, str_slice(s, 0, at));
        buf_append_byte(buf, '\n');
        s = str_skip(s, at + 1);
        if (str_starts_with(s, STR("\n")))
            s = str_skip(s, 1);
    }
    buf_append(buf, s);
}

static struct text *make_plain(const struct text *text)
{
    struct buf buf = {0};

    if (str_find_byte(text_bytes(text), '\r', 0) == STR_NONE)
        return text_ref(text);
    append_plain(&buf, text_bytes(text));
    return text_take(&buf);
}

/* For one place, more than a few are counted in vain. */
static void find_all(struct replacing *r, size_t step, size_t max)
{
    struct str bytes = text_bytes(r->plain);
    size_t at = str_find(bytes, buf_str(&r->old), 0);

    while (at != STR_NONE && r->starts.len < max) {
        vec_push(&r->starts, at);
        at = str_find(bytes, buf_str(&r->old), at + step);
    }
}

static size_t carry_back(const struct replacing *r, size_t plain_offset)
{
    size_t line = text_line_of(r->plain, plain_offset);

    return text_line_start(r->text, line) + (plain_offset - text_line_start(r->plain, line));
}

/* The new string with the endings of the lines it replaces, one by one; more than those take the
 * last one's. */
static void append_new(struct replacing *r, struct buf *out, size_t plain_start, size_t plain_end)
{
    size_t line = text_line_of(r->plain, plain_start);
    size_t last = text_line_of(r->plain, plain_end);
    struct str rest = buf_str(&r->new), piece;
    bool first = true;

    if (rest.len == 0)
        return;
    while (str_next(&rest, '\n', &piece)) {
        if (!first) {
            buf_append(out, edit_ending_at(r->text, line + 1));
            line += line < last;
        }
        buf_append(out, piece);
        first = false;
    }
}

/* Asked before it is made: a short old string may stand there a million times. */
static bool would_fit(const struct replacing *r, struct str path, struct buf *errors)
{
    size_t kept = text_len(r->plain) - r->starts.len * r->old.len;

    return edit_size_check(path, kept + r->starts.len * r->new.len, errors);
}

static struct text *replace_all_starts(struct replacing *r)
{
    struct buf out = {0};
    size_t done = 0;

    for (size_t i = 0; i < r->starts.len; i++) {
        size_t start = r->starts.ptr[i], end = start + r->old.len;

        buf_append(&out, str_slice(text_bytes(r->text), done, carry_back(r, start)));
        append_new(r, &out, start, end);
        done = carry_back(r, end);
    }
    buf_append(&out, str_skip(text_bytes(r->text), done));
    return text_take(&out);
}

static void explain_missing(struct replacing *r, struct str path, struct buf *errors)
{
    VEC(struct str) list = {0};
    struct edit_lines wanted, file;
    struct str rest = buf_str(&r->old), line;

    while (str_next(&rest, '\n', &line))
        vec_push(&list, line);
    if (list.len > 1 && vec_last(&list).len == 0)
        list.len--;
    edit_lines_take(&wanted, list.ptr, list.len);
    edit_lines_of_text(&file, r->text);
    buf_append_fmt(errors, STR_FMT ": old_string is not in the file", STR_ARG(path));
    edit_append_nearest(errors, &file, &wanted);
    edit_lines_finish(&wanted);
    edit_lines_finish(&file);
}

static void explain_several(struct replacing *r, struct str path, struct buf *errors)
{
    struct line_list lines = {0};

    for (size_t i = 0; i < r->starts.len; i++) {
        size_t line = text_line_of(r->plain, r->starts.ptr[i]);

        vec_push(&lines, line);
    }
    buf_append_fmt(errors, STR_FMT ": old_string stands at ", STR_ARG(path));
    edit_append_places(errors, &lines);
    buf_append_c(errors, "; add more of the text around it, or set replace_all\n");
    vec_finish(&lines);
}

/* NULL, with a line in `errors`, if the old string is not there once (or at all). */
static struct text *replaced(struct replacing *r, struct str path, bool all, struct buf *errors)
{
    find_all(r, all ? r->old.len : 1, all ? SIZE_MAX : 1000);
    if (r->starts.len == 0)
        return explain_missing(r, path, errors), NULL;
    if (r->starts.len > 1 && !all)
        return explain_several(r, path, errors), NULL;
    return would_fit(r, path, errors) ? replace_all_starts(r) : NULL;
}

static bool check_strings(const struct edit_source *source, struct str old, struct str new,
                          struct buf *errors)
{
    const char *wrong = NULL;

    if (!edit_source_check(source, errors))
        return false;
    if (!source->text)
        wrong = "does not exist; use write_file to make it";
    else if (old.len == 0)
        wrong = "old_string is empty; say what is to be replaced, or use write_file";
    else if (str_eq(old, new))
        wrong = "old_string and new_string are the same";
    else if (!utf8_is_valid(new, NULL))
        wrong = "new_string is not UTF-8";
    if (wrong)
        buf_append_fmt(errors, STR_FMT ": %s\n", STR_ARG(source->path), wrong);
    return !wrong;
}

enum status edit_replace_plan(const struct edit_source *source, struct str old_string,
                              struct str new_string, bool replace_all, struct edit_plan *ret_plan,
                              struct buf *errors)
{
    struct replacing r = {.text = source->text};
    enum status status = STATUS_INVALID;
    struct text *after;

    if (!check_strings(source, old_string, new_string, errors))
        return STATUS_INVALID;
    r.plain = make_plain(source->text);
    append_plain(&r.old, old_string);
    append_plain(&r.new, new_string);
    after = replaced(&r, source->path, replace_all, errors);
    if (after && edit_result_check(source->path, after, errors)) {
        *ret_plan = (struct edit_plan){0};
        edit_plan_push_update(ret_plan, source->path, source->text, after);
        status = STATUS_OK;
    }
    text_unref(after);
    text_unref(r.plain);
    buf_finish(&r.old);
    buf_finish(&r.new);
    vec_finish(&r.starts);
    return status;
}

/* -- write_file -------------------------------------------------------------------------------- */

/* True if every line ends in CRLF, and there is one that does. */
static bool is_all_crlf(const struct text *text)
{
    size_t count = text_line_count(text);

    for (size_t i = 0; i + 1 < count; i++) {
        if (edit_line_ending(text, i).len != 2)
            return false;
    }
    return count > 1;
}

/* The content as the file has it: with its BOM, and in CRLF if it was and the content has no CR. */
static struct text *content_like(const struct text *before, struct str content)
{
    bool bom = edit_bom_len(before) > 0 && !str_starts_with(content, STR("\xEF\xBB\xBF"));
    bool crlf = is_all_crlf(before) && str_find_byte(content, '\r', 0) == STR_NONE;
    struct buf buf = {0};
    size_t at;

    if (bom)
        buf_append_c(&buf, "\xEF\xBB\xBF");
    while (crlf && (at = str_find_byte(content, '\n', 0)) != STR_NONE) {
        buf_append(&buf, str_slice(content, 0, at));
        buf_append_c(&buf, "\r\n");
        content = str_skip(content, at + 1);
    }
    buf_append(&buf, content);
    return text_take(&buf);
}

enum status edit_write_plan(const struct edit_source *source, struct str content,
                            struct edit_plan *ret_plan, struct buf *errors)
{
    struct edit_plan plan = {0};
    struct text *after;

    if (!edit_source_check(source, errors))
        return STATUS_INVALID;
    if (!utf8_is_valid(content, NULL)) {
        buf_append_fmt(errors, STR_FMT ": the content is not UTF-8\n", STR_ARG(source->path));
        return STATUS_INVALID;
    }
    after = source->text ? content_like(source->text, content) : text_new(content);
    if (!edit_result_check(source->path, after, errors)) {
        text_unref(after);
        return STATUS_INVALID;
    }
    if (source->text)
        edit_plan_push_update(&plan, source->path, source->text, after);
    else
        edit_plan_push(&plan, EDIT_CREATE, source->path, STR(""), NULL, after);
    text_unref(after);
    *ret_plan = plan;
    return STATUS_OK;
}
