/* Positions, ranges and URIs: bytes and paths inside, the client's encoding and URIs outside. */
#include "lsp-internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* realpath of the longest existing part, with the rest behind it. */
static void append_canonical(struct buf *path, struct str clean)
{
    char *text = str_dup_c(clean);
    struct buf tail = {0};
    char *real;
    while (!(real = realpath(text, NULL))) {
        char *slash = strrchr(text, '/');
        if (!slash || slash == text)
            break;
        struct buf longer = {0};
        buf_append_c(&longer, slash);
        buf_append(&longer, buf_str(&tail));
        buf_move(&tail, &longer);
        *slash = '\0';
    }
    buf_append_c(path, real ? real : text);
    buf_append(path, buf_str(&tail));
    buf_finish(&tail);
    free(real);
    mem_free(text);
}

enum status convert_uri(struct str uri, struct buf *path, uint64_t *ret_device, uint64_t *ret_inode,
                        struct err *err)
{
    struct buf clean = {0};
    enum status status = uri_to_path(uri, &clean, err);
    *ret_device = *ret_inode = 0;
    if (status == STATUS_OK) {
        append_canonical(path, buf_str(&clean));
        struct stat info;
        /* The path is canonical already; numbers tell hard links apart, and only those: the number
         * of a file that was replaced is used again for another. */
        if (stat(path->ptr, &info) == 0 && info.st_nlink > 1) {
            *ret_device = info.st_dev;
            *ret_inode = info.st_ino;
        }
    }
    buf_finish(&clean);
    return status;
}

enum status convert_position(const struct lsp_server *server, const struct text *text,
                             const struct json_value *position, size_t *ret_offset, struct err *err)
{
    int64_t line = json_get_int(position, "line", -1);
    int64_t character = json_get_int(position, "character", -1);
    if (line < 0 || character < 0 || line > UINT32_MAX || character > UINT32_MAX)
        return err_set(err, STATUS_INVALID,
                       "a position needs \"line\" and \"character\" as numbers from 0 up");
    struct position at = {(uint32_t)line, (uint32_t)character};
    return text_offset_of(text, server->encoding, at, ret_offset, err);
}

enum status convert_range(const struct lsp_server *server, const struct text *text,
                          const struct json_value *range, size_t *ret_start, size_t *ret_end,
                          struct err *err)
{
    size_t start, end;
    enum status status = convert_position(server, text, json_get(range, "start"), &start, err);
    if (status == STATUS_OK)
        status = convert_position(server, text, json_get(range, "end"), &end, err);
    if (status < 0)
        return status;
    if (start > end)
        return err_set(err, STATUS_INVALID, "the range ends before it starts");
    *ret_start = start;
    *ret_end = end;
    return STATUS_OK;
}

void convert_write_position(const struct lsp_server *server, struct json_writer *w, const char *key,
                            const struct text *text, size_t offset)
{
    struct position at = text_position_of(text, server->encoding, offset);
    json_write_key(w, key);
    json_write_begin_object(w);
    json_write_field_int(w, "line", at.line);
    json_write_field_int(w, "character", at.character);
    json_write_end_object(w);
}

void convert_write_range(const struct lsp_server *server, struct json_writer *w,
                         const struct text *text, size_t start, size_t end)
{
    json_write_begin_object(w);
    convert_write_position(server, w, "start", text, start);
    convert_write_position(server, w, "end", text, end);
    json_write_end_object(w);
}

void convert_write_uri(const struct lsp_server *server, struct json_writer *w, const char *path)
{
    const struct document *document = document_find_path(server->env.documents, str_from(path));
    struct buf uri = {0};
    if (document)
        buf_append_c(&uri, document->uri);
    else
        uri_append_file(&uri, str_from(path));
    json_write_str(w, buf_str(&uri));
    buf_finish(&uri);
}

const struct workspace_root *convert_root_of(const struct lsp_server *server, struct str path)
{
    const struct workspace *workspace = server->env.workspace;
    const struct workspace_root *deepest = NULL; /* folders may be open within folders */
    for (size_t i = 0; i < workspace_root_count(workspace); i++) {
        const struct workspace_root *root = workspace_root_at(workspace, i);
        if (path_is_under(path, str_from(root->path)) &&
            (!deepest || strlen(root->path) > strlen(deepest->path)))
            deepest = root;
    }
    return deepest ? deepest : workspace_root_at(workspace, 0);
}

enum status convert_folder(struct lsp_server *server, struct str uri,
                           const struct workspace_root **ret_root, struct err *err)
{
    struct buf path = {0};
    const struct document *document = turn_wished_document(server, STR(""));
    enum status status = STATUS_OK;
    if (uri.len > 0)
        status = convert_uri(uri, &path, &(uint64_t){0}, &(uint64_t){0}, err);
    else
        buf_append_c(&path, document ? document->path : "");
    const struct workspace_root *root = convert_root_of(server, buf_str(&path));
    if (status == STATUS_OK && !root)
        status = err_set(err, STATUS_NOT_FOUND,
                         "no folder is open in the editor: open that of the project first");
    else if (status == STATUS_OK && uri.len > 0 &&
             !path_is_under(buf_str(&path), str_from(root->path)))
        status = err_set(err, STATUS_NOT_FOUND, STR_FMT " is not open in the editor as a folder",
                         STR_ARG(buf_str(&path)));
    buf_finish(&path);
    if (status == STATUS_OK)
        *ret_root = root;
    return status;
}

struct str convert_display(const struct lsp_server *server, struct str path)
{
    const struct workspace_root *root = convert_root_of(server, path);
    if (root && path_is_under(path, str_from(root->path)))
        return path_relative(path, str_from(root->path));
    return path;
}

struct text *convert_text_now(const struct lsp_server *server, const char *path)
{
    struct document *document = document_find_path(server->env.documents, str_from(path));
    if (document && !document->is_behind)
        return text_ref(document->text);
    struct workspace_path where;
    struct buf bytes = {0};
    struct text *text = NULL;
    if (workspace_resolve(server->env.workspace, NULL, str_from(path), &where, NULL) == STATUS_OK) {
        struct workspace_stat stat;
        if (workspace_read(&where, LIMIT_EDIT_FILE_BYTES, &bytes, &stat, NULL) == STATUS_OK)
            text = text_take(&bytes);
        workspace_path_finish(&where);
    }
    buf_finish(&bytes);
    return text;
}
