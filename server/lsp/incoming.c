/* A WorkspaceEdit that came from the editor's language servers, as changes of whole texts: played
 * on the texts as they are now, in memory. Refused where one of them is not the text it was made
 * for. */
#include "lsp-internal.h"

#include <stdlib.h>

/* A file on its way through the edit. */
struct moving {
    char *from; /* NULL: made by the edit */
    char *path; /* where it is by now; NULL: deleted */
    struct text *before, *text;
};

struct reading {
    const struct lsp_server *server;
    const struct incoming_since *since;
    VEC(struct moving) files;
    size_t bytes;
};

static void reading_finish(struct reading *reading)
{
    for (size_t i = 0; i < reading->files.len; i++) {
        struct moving *file = &reading->files.ptr[i];
        mem_free(file->from);
        mem_free(file->path);
        text_unref(file->before);
        text_unref(file->text);
    }
    vec_finish(&reading->files);
}

static enum status stale(const struct lsp_server *server, struct str path, struct err *err)
{
    struct str shown = convert_display(server, path);
    return err_set(err, STATUS_CONFLICT, STR_FMT " changed while the language server worked",
                   STR_ARG(shown));
}

static enum status there_already(const struct reading *reading, const struct buf *path,
                                 struct err *err)
{
    struct str shown = convert_display(reading->server, buf_str(path));
    return err_set(err, STATUS_EXISTS, STR_FMT " exists already", STR_ARG(shown));
}

static enum status not_there(const struct reading *reading, const struct buf *path, struct err *err)
{
    struct str shown = convert_display(reading->server, buf_str(path));
    return err_set(err, STATUS_NOT_FOUND, STR_FMT " does not exist", STR_ARG(shown));
}

/* -- Texts as they are now --------------------------------------------------------------------- */

static enum status read_disk(const struct reading *reading, struct str path, struct text **ret_text,
                             struct err *err)
{
    struct workspace_path where;
    struct workspace_stat stat = {0};
    struct buf bytes = {0};
    enum status status = workspace_resolve(reading->server->env.workspace, NULL, path, &where, err);
    if (status < 0)
        return status;
    status = workspace_read(&where, LIMIT_EDIT_FILE_BYTES, &bytes, &stat, err);
    workspace_path_finish(&where);
    if (status == STATUS_NOT_FOUND)
        status = STATUS_OK;
    else if (status == STATUS_OK && stat.modified_ns / 1000000 > (int64_t)reading->since->wall_ms)
        status = stale(reading->server, path, err);
    else if (status == STATUS_OK)
        *ret_text = text_take(&bytes);
    buf_finish(&bytes);
    return status;
}

/* NULL without an error: there is no such file. */
static enum status text_now(const struct reading *reading, struct str path, struct text **ret_text,
                            struct err *err)
{
    const struct document *document = document_find_path(reading->server->env.documents, path);
    if (!document)
        return read_disk(reading, path, ret_text, err);
    if (document->revision > reading->since->revision)
        return stale(reading->server, path, err);
    if (!document->text)
        return err_set(err, STATUS_UNSUPPORTED, STR_FMT " is open, but its text is not known",
                       STR_ARG(path));
    *ret_text = text_ref(document->text);
    return STATUS_OK;
}

static struct moving *find(const struct reading *reading, struct str path)
{
    for (size_t i = 0; i < reading->files.len; i++)
        if (reading->files.ptr[i].path && str_eq_c(path, reading->files.ptr[i].path))
            return &reading->files.ptr[i];
    return NULL;
}

static bool is_vacated(const struct reading *reading, struct str path)
{
    for (size_t i = 0; i < reading->files.len; i++)
        if (reading->files.ptr[i].from && str_eq_c(path, reading->files.ptr[i].from))
            return true; /* looked for after `find`: it is there no more */
    return false;
}

static enum status add(struct reading *reading, struct str path, struct text *before,
                       struct text *text, struct err *err)
{
    struct moving file = {.from = before ? str_dup_c(path) : NULL,
                          .path = str_dup_c(path),
                          .before = text_ref(before),
                          .text = text_ref(text)};
    vec_push(&reading->files, file);
    reading->bytes += text_len(text);
    if (reading->files.len > LIMIT_PROPOSAL_FILES_COUNT || reading->bytes > LIMIT_PROPOSAL_BYTES)
        return err_set(err, STATUS_LIMIT,
                       "the language server's edit is too large: at most %d files of %zu MiB in "
                       "all are taken",
                       LIMIT_PROPOSAL_FILES_COUNT, LIMIT_PROPOSAL_BYTES / MIB);
    return STATUS_OK;
}

/* NULL without an error: it does not exist by now. Valid until the next one is looked up. */
static enum status look_up(struct reading *reading, struct str path, struct moving **ret_file,
                           struct err *err)
{
    struct text *text = NULL;
    *ret_file = find(reading, path);
    if (*ret_file || is_vacated(reading, path))
        return STATUS_OK;
    enum status status = text_now(reading, path, &text, err);
    if (status == STATUS_OK && text)
        status = add(reading, path, text, text, err);
    text_unref(text);
    *ret_file = status == STATUS_OK ? find(reading, path) : NULL;
    return status;
}

/* -- Text edits -------------------------------------------------------------------------------- */

struct piece {
    size_t start, end, order;
    struct str with;
};

static int compare(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

/* Insertions stand before what is replaced at the same place, in the order they came. */
static int by_place(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    int order = compare(x->start, y->start);
    order = order ? order : compare(x->end, y->end);
    return order ? order : compare(x->order, y->order);
}

static enum status read_piece(const struct reading *reading, const struct text *text,
                              const struct json_value *edit, struct piece *ret_piece,
                              struct err *err)
{
    const struct json_value *with = json_get(edit, "newText");
    if (!json_is(with, JSON_STRING))
        return err_set(err, STATUS_UNSUPPORTED,
                       "the language server's edit is a snippet, not a text");
    ret_piece->with = json_str(with);
    return convert_range(reading->server, text, json_get(edit, "range"), &ret_piece->start,
                         &ret_piece->end, err);
}

static enum status join(const struct text *text, const struct piece *pieces, size_t count,
                        struct text **ret_text, struct err *err)
{
    struct str old = text_bytes(text);
    struct buf bytes = {0};
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].start < at) {
            buf_finish(&bytes);
            return err_set(err, STATUS_INVALID, "the language server's edits overlap");
        }
        buf_append(&bytes, str_slice(old, at, pieces[i].start));
        buf_append(&bytes, pieces[i].with);
        at = pieces[i].end;
    }
    buf_append(&bytes, str_skip(old, at));
    enum status status = STATUS_OK;
    if (bytes.len > LIMIT_EDIT_FILE_BYTES)
        status = err_set(err, STATUS_LIMIT, "a file would grow beyond 16 MiB");
    else
        *ret_text = text_take(&bytes);
    buf_finish(&bytes);
    return status;
}

/* All edits refer to the text before any of them. */
static enum status edit_text(const struct reading *reading, const struct text *text,
                             const struct json_value *edits, struct text **ret_text,
                             struct err *err)
{
    VEC(struct piece) pieces = {0};
    enum status status = STATUS_OK;
    for (const struct json_value *one = json_first(edits); one && status == STATUS_OK;
         one = json_next(one)) {
        struct piece piece = {.order = pieces.len};
        status = read_piece(reading, text, one, &piece, err);
        vec_push(&pieces, piece);
    }
    if (pieces.len > 0)
        qsort(pieces.ptr, pieces.len, sizeof(*pieces.ptr), by_place);
    if (status == STATUS_OK)
        status = join(text, pieces.ptr, pieces.len, ret_text, err);
    vec_finish(&pieces);
    return status;
}

static enum status path_of(struct str uri, struct buf *path, struct err *err)
{
    uint64_t device, inode;
    enum status status = convert_uri(uri, path, &device, &inode, err);
    if (status == STATUS_OK && path->len == 0)
        status = err_set(err, STATUS_INVALID, STR_FMT " is no file", STR_ARG(uri));
    return status;
}

static enum status edit_file(struct reading *reading, struct str uri,
                             const struct json_value *version, const struct json_value *edits,
                             struct err *err)
{
    struct buf path = {0};
    struct moving *file = NULL;
    struct text *text = NULL;
    enum status status = path_of(uri, &path, err);
    if (status == STATUS_OK)
        status = look_up(reading, buf_str(&path), &file, err);
    if (status == STATUS_OK && !file)
        status = not_there(reading, &path, err);
    const struct document *document =
        document_find_path(reading->server->env.documents, buf_str(&path));
    if (status == STATUS_OK && document && json_is(version, JSON_NUMBER) &&
        json_int(version, 0) != document->version)
        status = stale(reading->server, buf_str(&path), err);
    if (status == STATUS_OK)
        status = edit_text(reading, file->text, edits, &text, err);
    if (status == STATUS_OK) {
        reading->bytes += text_len(text);
        text_unref(file->text);
        file->text = text;
    }
    buf_finish(&path);
    return status;
}

/* -- Operations on files ----------------------------------------------------------------------- */

static bool option(const struct json_value *op, const char *name)
{
    return json_get_bool(json_get(op, "options"), name, false);
}

static enum status create_file(struct reading *reading, const struct json_value *op,
                               struct err *err)
{
    struct buf path = {0};
    struct moving *file = NULL;
    struct text *empty = text_new(STR(""));
    enum status status = path_of(json_get_str(op, "uri"), &path, err);
    if (status == STATUS_OK)
        status = look_up(reading, buf_str(&path), &file, err);
    if (status == STATUS_OK && !file) {
        status = add(reading, buf_str(&path), NULL, empty, err);
    } else if (status == STATUS_OK && option(op, "overwrite")) {
        text_unref(file->text);
        file->text = text_ref(empty);
    } else if (status == STATUS_OK && !option(op, "ignoreIfExists")) {
        status = there_already(reading, &path, err);
    }
    text_unref(empty);
    buf_finish(&path);
    return status;
}

static enum status rename_file(struct reading *reading, const struct json_value *op,
                               struct err *err)
{
    struct buf from = {0}, to = {0};
    struct moving *file = NULL, *there = NULL;
    enum status status = path_of(json_get_str(op, "oldUri"), &from, err);
    if (status == STATUS_OK)
        status = path_of(json_get_str(op, "newUri"), &to, err);
    if (status == STATUS_OK)
        status = look_up(reading, buf_str(&to), &there, err);
    if (status == STATUS_OK)
        status = look_up(reading, buf_str(&from), &file, err);
    if (status == STATUS_OK && !file)
        status = not_there(reading, &from, err);
    else if (status == STATUS_OK && there && !option(op, "ignoreIfExists"))
        status = there_already(reading, &to, err);
    if (status == STATUS_OK && !there) {
        mem_free(file->path);
        file->path = mem_dup_c(to.ptr);
    }
    buf_finish(&from);
    buf_finish(&to);
    return status;
}

static enum status delete_file(struct reading *reading, const struct json_value *op,
                               struct err *err)
{
    struct buf path = {0};
    struct moving *file = NULL;
    enum status status = path_of(json_get_str(op, "uri"), &path, err);
    if (status == STATUS_OK)
        status = look_up(reading, buf_str(&path), &file, err);
    if (status == STATUS_OK && !file && !option(op, "ignoreIfNotExists"))
        status = not_there(reading, &path, err);
    if (status == STATUS_OK && file) {
        mem_free(file->path);
        file->path = NULL;
    }
    buf_finish(&path);
    return status;
}

static const struct {
    const char *kind;
    enum status (*play)(struct reading *reading, const struct json_value *op, struct err *err);
} operations[] = {{"create", create_file}, {"rename", rename_file}, {"delete", delete_file}};

static enum status play_change(struct reading *reading, const struct json_value *change,
                               struct err *err)
{
    struct str kind = json_get_str(change, "kind");
    const struct json_value *document = json_get(change, "textDocument");
    if (kind.len == 0)
        return edit_file(reading, json_get_str(document, "uri"), json_get(document, "version"),
                         json_get(change, "edits"), err);
    for (size_t i = 0; i < array_count(operations); i++)
        if (str_eq_c(kind, operations[i].kind))
            return operations[i].play(reading, change, err);
    return err_set(err, STATUS_UNSUPPORTED, "the language server wants to \"" STR_FMT "\" a file",
                   STR_ARG(kind));
}

static enum status play(struct reading *reading, const struct json_value *edit, struct err *err)
{
    const struct json_value *list = json_get(edit, "documentChanges"), *one;
    enum status status = STATUS_OK;
    if (json_is(list, JSON_ARRAY)) {
        for (one = json_first(list); one && status == STATUS_OK; one = json_next(one))
            status = play_change(reading, one, err);
        return status;
    }
    one = json_first(json_get(edit, "changes"));
    for (; one && status == STATUS_OK; one = json_next(one))
        status = edit_file(reading, json_key(one), NULL, one, err);
    return status;
}

/* -- What came of it --------------------------------------------------------------------------- */

/* A name that one file left and another took: hosts cannot do these in any order. */
static enum status refuse_exchange(const struct reading *reading, struct err *err)
{
    for (size_t i = 0; i < reading->files.len; i++) {
        const struct moving *file = &reading->files.ptr[i];
        bool is_new = file->path && (!file->from || strcmp(file->from, file->path) != 0);
        if (is_new && is_vacated(reading, str_from(file->path)))
            return err_set(err, STATUS_UNSUPPORTED,
                           "the language server's edit puts one file in the place of another (%s)",
                           file->path);
    }
    return STATUS_OK;
}

static void add_change(struct incoming *incoming, const struct moving *file)
{
    struct host_change change = {.before = text_ref(file->before)};
    if (!file->path && file->from)
        change.kind = HOST_DELETE;
    else if (file->path && !file->from)
        change.kind = HOST_CREATE;
    else if (file->path && strcmp(file->from, file->path) != 0)
        change.kind = HOST_MOVE;
    else
        change.kind = HOST_UPDATE;
    change.path = mem_dup_c(file->from ? file->from : file->path);
    change.new_path = change.kind == HOST_MOVE ? mem_dup_c(file->path) : NULL;
    change.after = change.kind == HOST_DELETE ? NULL : text_ref(file->text);
    vec_push(&incoming->changes, change);
}

enum status incoming_read(const struct lsp_server *server, const struct json_value *edit,
                          const struct incoming_since *since, struct incoming *ret_incoming,
                          struct err *err)
{
    struct reading reading = {.server = server, .since = since};
    enum status status = play(&reading, edit, err);
    if (status == STATUS_OK)
        status = refuse_exchange(&reading, err);
    for (size_t i = 0; status == STATUS_OK && i < reading.files.len; i++) {
        const struct moving *file = &reading.files.ptr[i];
        bool came_and_went = !file->from && !file->path;
        bool is_same = file->from && file->path && strcmp(file->from, file->path) == 0 &&
                       text_eq(file->before, file->text);
        if (!came_and_went && !is_same)
            add_change(ret_incoming, file);
    }
    reading_finish(&reading);
    return status;
}

void incoming_finish(struct incoming *incoming)
{
    for (size_t i = 0; i < incoming->changes.len; i++) {
        struct host_change *change = &incoming->changes.ptr[i];
        mem_free((char *)change->path);
        mem_free((char *)change->new_path);
        text_unref((struct text *)change->before);
        text_unref((struct text *)change->after);
    }
    vec_finish(&incoming->changes);
}
