/* What a person gives along with a prompt, in the rich layer: each part as a context of the turn.
 */
#include "lsp-internal.h"

enum { PART_BYTES = LIMIT_READ_BYTES };

static void append_cut(struct buf *text, struct str bytes)
{
    size_t len = utf8_floor(bytes, PART_BYTES);
    buf_append(text, str_slice(bytes, 0, len));
    if (len < bytes.len)
        buf_append_fmt(text, "\n[%zu bytes more]", bytes.len - len);
}

enum status inputs_check(const struct lsp_server *server, const char *path, struct err *err)
{
    struct buf why = {0};
    enum status status = STATUS_OK;
    if (path[0] && server->env.may_give &&
        !server->env.may_give(server->env.user, str_from(path), &why))
        status = err_set(err, STATUS_DENIED,
                         "the selection is not sent: " STR_FMT ". Copy into the prompt what may be "
                         "sent.",
                         STR_ARG(buf_str(&why)));
    buf_finish(&why);
    return status;
}

/* The lines of a range, as the person sees them now. */
static enum status append_range(const struct lsp_server *server, const struct json_value *part,
                                const char *path, const char *what, struct buf *label,
                                struct buf *text, struct err *err)
{
    struct text *now = convert_text_now(server, path);
    struct str shown = convert_display(server, str_from(path));
    struct str given = json_get_str(part, "text");
    size_t from, to;
    enum status status = inputs_check(server, path, err);
    if (status < 0) {
        text_unref(now);
        return status;
    }
    if (!now && given.len > 0) { /* larger than we keep: as the editor has it */
        buf_append_fmt(label, "%s " STR_FMT, what, STR_ARG(shown));
        append_cut(text, given);
        return STATUS_OK;
    }
    if (!now)
        return err_set(err, STATUS_NOT_FOUND, "there is no text of " STR_FMT " to take a part of",
                       STR_ARG(shown));
    status = convert_range(server, now, json_get(part, "range"), &from, &to, err);
    if (status == STATUS_OK) {
        struct buf bytes = {0};
        buf_append(&bytes, str_slice(text_bytes(now), from, to));
        buf_append_fmt(label, "%s " STR_FMT ", lines %zu-%zu", what, STR_ARG(shown),
                       text_line_of(now, from) + 1, text_line_of(now, to) + 1);
        append_cut(text, buf_str(&bytes));
        buf_finish(&bytes);
    }
    text_unref(now);
    return status;
}

static enum status mention(const struct lsp_server *server, const char *path, bool is_folder,
                           struct buf *label, struct buf *text, struct err *err)
{
    struct str shown = convert_display(server, str_from(path));
    struct workspace_path where;
    struct workspace_stat stat;
    if (!document_find_path(server->env.documents, str_from(path))) {
        enum status status =
            workspace_resolve(server->env.workspace, NULL, str_from(path), &where, err);
        if (status < 0)
            return status;
        status = workspace_stat(&where, &stat, err);
        workspace_path_finish(&where);
        if (status < 0)
            return status;
        if (!stat.exists)
            return err_set(err, STATUS_NOT_FOUND, "there is no %s " STR_FMT,
                           is_folder ? "folder" : "file", STR_ARG(shown));
    }
    buf_append_c(label, is_folder ? "folder" : "file");
    buf_append_fmt(text, "mentioned by the user: " STR_FMT, STR_ARG(shown));
    return STATUS_OK;
}

static enum status read_place(const struct lsp_server *server, const struct json_value *part,
                              struct input_part *ret_part, struct err *err)
{
    struct str type = json_get_str(part, "type"), name = json_get_str(part, "name");
    struct buf what = {0};
    uint64_t device, inode;
    enum status status =
        convert_uri(json_get_str(part, "uri"), &ret_part->path, &device, &inode, err);
    if (status < 0)
        return status;
    buf_append_c(&what, "selection of");
    if (str_eq_c(type, "symbol")) {
        buf_clear(&what);
        buf_append_fmt(&what, "symbol " STR_FMT " in", STR_ARG(name));
    }
    if (json_is(json_get(part, "range"), JSON_OBJECT))
        status = append_range(server, part, ret_part->path.ptr, what.ptr, &ret_part->label,
                              &ret_part->text, err);
    else
        status = mention(server, ret_part->path.ptr, str_eq_c(type, "folder"), &ret_part->label,
                         &ret_part->text, err);
    buf_finish(&what);
    return status;
}

static enum status read_symbol(const struct lsp_server *server, const struct json_value *part,
                               struct input_part *ret_part, struct err *err)
{
    if (json_get_str(part, "uri").len > 0)
        return read_place(server, part, ret_part, err);
    buf_append_c(&ret_part->label, "symbol");
    utf8_append_printable(&ret_part->text, json_get_str(part, "name"));
    return STATUS_OK;
}

static enum status read_diff(const struct lsp_server *server, const struct json_value *part,
                             struct input_part *ret_part, struct err *err)
{
    buf_append_c(&ret_part->label, "diff");
    append_cut(&ret_part->text, json_get_str(part, "text"));
    return STATUS_OK;
}

static const struct {
    const char *type;
    enum status (*read)(const struct lsp_server *server, const struct json_value *part,
                        struct input_part *ret_part, struct err *err);
} types[] = {
    {"file", read_place},    {"folder", read_place}, {"selection", read_place},
    {"symbol", read_symbol}, {"diff", read_diff},
};

enum status inputs_read(const struct lsp_server *server, const struct json_value *part,
                        struct input_part *ret_part, struct err *err)
{
    *ret_part = (struct input_part){0};
    for (size_t i = 0; i < array_count(types); i++)
        if (str_eq_c(json_get_str(part, "type"), types[i].type))
            return types[i].read(server, part, ret_part, err);
    return STATUS_OK;
}

void inputs_finish(struct input_part *part)
{
    buf_finish(&part->label);
    buf_finish(&part->text);
    buf_finish(&part->path);
}
