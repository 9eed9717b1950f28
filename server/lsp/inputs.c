/* What a person gives along with a prompt, in the rich layer: each part as a context of the turn.
 */
#include "given-internal.h"

enum { PART_BYTES = LIMIT_READ_BYTES, SHOWN_BYTES = 200 };

void inputs_append_cut(struct input_part *part, struct str bytes)
{
    size_t len = utf8_floor(bytes, PART_BYTES);
    buf_append(&part->text, str_slice(bytes, 0, len));
    if (len == bytes.len)
        return;
    buf_append_fmt(&part->text, "\n[%zu bytes more]", bytes.len - len);
    buf_append_fmt(&part->why, "too large: the first %zu bytes of %zu", len, bytes.len);
}

static enum status may_give(const struct lsp_server *server, const char *path, struct buf *why)
{
    bool may = !path[0] || !server->env.may_give ||
               server->env.may_give(server->env.user, str_from(path), why);
    return may ? STATUS_OK : STATUS_DENIED;
}

enum status inputs_check(const struct lsp_server *server, const char *path, struct err *err)
{
    struct buf why = {0};
    enum status status = may_give(server, path, &why);
    if (status < 0)
        status = err_set(err, STATUS_DENIED,
                         "the selection is not sent: " STR_FMT ". Copy into the prompt what may be "
                         "sent.",
                         STR_ARG(buf_str(&why)));
    buf_finish(&why);
    return status;
}

static void note_unsaved(const struct lsp_server *server, struct input_part *part)
{
    const struct document *document =
        document_find_path(server->env.documents, buf_str(&part->path));
    if (document && part->why.len == 0 && workspace_is_unsaved(server->env.workspace, document))
        buf_append_c(&part->why, "unsaved: as it is in the editor");
}

/* The lines of a range, as the person sees them now. */
static enum status append_range(const struct lsp_server *server, const struct json_value *input,
                                const char *what, struct input_part *part, struct err *err)
{
    struct str shown = convert_display(server, buf_str(&part->path));
    struct str given = json_get_str(input, "text");
    size_t from, to;
    enum status status = inputs_check(server, part->path.ptr, err);
    if (status < 0)
        return status;
    struct text *now = convert_text_now(server, part->path.ptr);
    if (!now && given.len > 0) { /* larger than we keep: as the editor has it */
        buf_append_fmt(&part->label, "%s " STR_FMT, what, STR_ARG(shown));
        inputs_append_cut(part, given);
        return STATUS_OK;
    }
    if (!now)
        return err_set(err, STATUS_NOT_FOUND, "there is no text of " STR_FMT " to take a part of",
                       STR_ARG(shown));
    status = convert_range(server, now, json_get(input, "range"), &from, &to, err);
    if (status == STATUS_OK) {
        struct buf bytes = {0};
        buf_append(&bytes, str_slice(text_bytes(now), from, to));
        buf_append_fmt(&part->label, "%s " STR_FMT ", lines %zu-%zu", what, STR_ARG(shown),
                       text_line_of(now, from) + 1, text_line_of(now, to) + 1);
        inputs_append_cut(part, buf_str(&bytes));
        note_unsaved(server, part);
        buf_finish(&bytes);
    }
    text_unref(now);
    return status;
}

/* Only the name goes along: the model reads it when it needs it. */
static void note_mention(const struct lsp_server *server, const struct workspace_stat *stat,
                         struct input_part *part)
{
    struct buf why = {0};
    buf_append_c(&part->why, "named only; the model reads it with its tools");
    if (may_give(server, part->path.ptr, &why) < 0)
        buf_append_fmt(&part->why, ", and asks before: " STR_FMT, STR_ARG(buf_str(&why)));
    else if (stat->is_file && stat->size > LIMIT_EDIT_FILE_BYTES)
        buf_append_fmt(&part->why, ", which cannot: it is too large (%llu MiB)",
                       (unsigned long long)(stat->size / MIB));
    buf_finish(&why);
}

static enum status mention(const struct lsp_server *server, bool is_folder, struct input_part *part,
                           struct err *err)
{
    struct str shown = convert_display(server, buf_str(&part->path));
    struct workspace_path where;
    struct workspace_stat stat = {0};
    if (!document_find_path(server->env.documents, buf_str(&part->path))) {
        enum status status =
            workspace_resolve(server->env.workspace, NULL, buf_str(&part->path), &where, err);
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
    buf_append_c(&part->label, is_folder ? "folder" : "file");
    buf_append_fmt(&part->text, "mentioned by the user: " STR_FMT, STR_ARG(shown));
    note_mention(server, &stat, part);
    return STATUS_OK;
}

static enum status read_place(const struct lsp_server *server, const struct json_value *input,
                              struct input_part *part, struct err *err)
{
    struct str type = json_get_str(input, "type"), name = json_get_str(input, "name");
    struct buf what = {0};
    uint64_t device, inode;
    const struct document *document =
        document_find_uri(server->env.documents, json_get_str(input, "uri"));
    enum status status = STATUS_OK;
    if (document && document->path[0])
        buf_append_c(&part->path, document->path);
    else
        status = convert_uri(json_get_str(input, "uri"), &part->path, &device, &inode, err);
    if (status < 0)
        return status;
    buf_append_c(&what, "selection of");
    if (str_eq_c(type, "symbol")) {
        buf_clear(&what);
        buf_append_fmt(&what, "symbol " STR_FMT " in", STR_ARG(name));
    }
    if (json_is(json_get(input, "range"), JSON_OBJECT))
        status = append_range(server, input, what.ptr, part, err);
    else
        status = mention(server, str_eq_c(type, "folder"), part, err);
    buf_finish(&what);
    return status;
}

static enum status read_symbol(const struct lsp_server *server, const struct json_value *input,
                               struct input_part *part, struct err *err)
{
    if (json_get_str(input, "uri").len > 0)
        return read_place(server, input, part, err);
    buf_append_c(&part->label, "symbol");
    utf8_append_printable(&part->text, json_get_str(input, "name"));
    return STATUS_OK;
}

/* Without a text it is what git says: the model asks it, in the sandbox. */
static enum status read_diff(const struct lsp_server *server, const struct json_value *input,
                             struct input_part *part, struct err *err)
{
    (void)server;
    (void)err;
    buf_append_c(&part->label, "diff");
    if (json_is(json_get(input, "text"), JSON_STRING)) {
        inputs_append_cut(part, json_get_str(input, "text"));
        return STATUS_OK;
    }
    buf_append_c(&part->text,
                 "mentioned by the user: the uncommitted changes of this repository (git status, "
                 "git diff HEAD, new files)");
    buf_append_c(&part->why, "named only; the model looks with git");
    return STATUS_OK;
}

static enum status read_diagnostics(const struct lsp_server *server, const struct json_value *input,
                                    struct input_part *part, struct err *err)
{
    struct str uri = json_get_str(input, "uri");
    const struct json_value *range = json_get(input, "range");
    uint64_t device, inode;
    if (!server->client.rich_diagnostics)
        return err_set(err, STATUS_UNSUPPORTED,
                       "this editor does not tell its diagnostics: use \"Fix with Lanebridge\" on "
                       "one of them, or copy them into the prompt");
    if (uri.len > 0) {
        enum status status = convert_uri(uri, &part->path, &device, &inode, err);
        if (status == STATUS_OK)
            status = inputs_check(server, part->path.ptr, err);
        if (status < 0)
            return status;
    }
    buf_append_c(&part->label, "diagnostics");
    if (uri.len > 0)
        buf_append_fmt(&part->label, " of " STR_FMT,
                       STR_ARG(convert_display(server, buf_str(&part->path))));
    int64_t last = json_int(json_at(range, "end", "line", NULL), INT32_MAX);
    part->first_line = (size_t)json_int(json_at(range, "start", "line", NULL), 0);
    part->last_line = last < 0 ? 0 : (size_t)last;
    part->wants_diagnostics = true;
    return STATUS_OK;
}

static const struct {
    const char *type;
    enum status (*read)(const struct lsp_server *server, const struct json_value *input,
                        struct input_part *part, struct err *err);
} types[] = {
    {"file", read_place},    {"folder", read_place}, {"selection", read_place},
    {"symbol", read_symbol}, {"diff", read_diff},    {"diagnostics", read_diagnostics},
    {"image", image_read},
};

static enum status read_one(const struct lsp_server *server, const struct json_value *input,
                            struct input_part *part, struct err *err)
{
    for (size_t i = 0; i < array_count(types); i++)
        if (str_eq_c(json_get_str(input, "type"), types[i].type))
            return types[i].read(server, input, part, err);
    return STATUS_OK;
}

/* What it would have been, for a preview that says why it is not. */
static void leave_out(const struct lsp_server *server, const struct json_value *input,
                      struct input_part *part, const struct err *err)
{
    struct str uri = json_get_str(input, "uri");
    struct str name = part->path.len > 0 ? convert_display(server, buf_str(&part->path))
                      : str_starts_with(uri, STR("data:")) ? STR("")
                                                           : uri;
    struct buf label = {0};
    buf_append(&label, json_get_str(input, "type"));
    buf_append_c(&label, name.len > 0 ? " " : "");
    utf8_append_printable(&label, str_slice(name, 0, utf8_floor(name, SHOWN_BYTES)));
    input_part_finish(part);
    part->label = label;
    part->is_left_out = true;
    buf_append_c(&part->why, err->text);
}

enum status inputs_read_all(const struct lsp_server *server, const struct json_value *input,
                            bool is_preview, struct input_parts *parts, struct err *err)
{
    size_t image_bytes = 0, images = 0;
    for (const struct json_value *one = json_first(input); one; one = json_next(one)) {
        struct input_part part = {0};
        struct err why = {0};
        enum status status = read_one(server, one, &part, &why);
        image_bytes += part.image.len;
        images += part.image.len > 0;
        if (status == STATUS_OK &&
            (image_bytes > LIMIT_IMAGES_BYTES || images > LIMIT_IMAGES_COUNT))
            status = err_set(&why, STATUS_LIMIT,
                             "too many images for one prompt: at most %d, and %zu MiB together",
                             LIMIT_IMAGES_COUNT, LIMIT_IMAGES_BYTES / MIB);
        if (status < 0 && !is_preview) {
            input_part_finish(&part);
            if (err)
                *err = why;
            return status;
        }
        if (status < 0)
            leave_out(server, one, &part, &why);
        inputs_push(parts, &part);
    }
    return STATUS_OK;
}

void inputs_push(struct input_parts *parts, struct input_part *part)
{
    if (part->label.len > 0)
        vec_push(&parts->list, *part);
    else
        input_part_finish(part);
    *part = (struct input_part){0};
}

void input_part_finish(struct input_part *part)
{
    buf_finish(&part->label);
    buf_finish(&part->text);
    buf_finish(&part->path);
    buf_finish(&part->image);
    buf_finish(&part->why);
    *part = (struct input_part){0};
}

void inputs_finish(struct input_parts *parts)
{
    for (size_t i = 0; i < parts->list.len; i++)
        input_part_finish(&parts->list.ptr[i]);
    vec_finish(&parts->list);
}
