#include "client-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- The disk: the client is the editor, it reads and writes as editors do --------------------- */

static enum status disk_read(const char *path, struct buf *bytes, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    char chunk[65536];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof(chunk))) > 0)
        buf_append(bytes, (struct str){chunk, (size_t)got});
    int error = errno;
    close(fd);
    return got < 0 ? err_set_errno(err, error, "cannot read %s", path) : STATUS_OK;
}

static enum status disk_write(const char *path, struct str bytes, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot write %s", path);
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0) {
            int error = errno;
            close(fd);
            return err_set_errno(err, error, "cannot write %s", path);
        }
        bytes = str_skip(bytes, (size_t)put);
    }
    close(fd);
    return STATUS_OK;
}

/* -- Buffers ----------------------------------------------------------------------------------- */

struct buffer *buffer_find(const struct client *client, struct str path)
{
    for (size_t i = 0; i < client->buffers.len; i++)
        if (str_eq_c(path, client->buffers.ptr[i]->path))
            return client->buffers.ptr[i];
    return NULL;
}

void buffer_free(struct buffer *buffer)
{
    text_unref(buffer->text);
    text_unref(buffer->saved);
    mem_free(buffer->path);
    mem_free(buffer->uri);
    mem_free(buffer);
}

static const char *language_of(struct str path)
{
    static const struct {
        const char *suffix, *language;
    } table[] = {
        {".c", "c"}, {".h", "c"}, {".md", "markdown"}, {".json", "json"}, {".py", "python"}};
    for (size_t i = 0; i < array_count(table); i++)
        if (str_ends_with(path, str_from(table[i].suffix)))
            return table[i].language;
    return "plaintext";
}

static void tell_open(struct client *client, const struct buffer *buffer)
{
    struct buf params = {0};
    struct json_writer w;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_key(&w, "textDocument");
    json_write_begin_object(&w);
    json_write_field_c(&w, "uri", buffer->uri);
    json_write_field_c(&w, "languageId", language_of(str_from(buffer->path)));
    json_write_field_int(&w, "version", buffer->version);
    json_write_field_str(&w, "text", text_bytes(buffer->text));
    json_write_end_object(&w);
    json_write_end_object(&w);
    client_tell(client, "textDocument/didOpen", buf_str(&params));
    buf_finish(&params);
}

struct buffer *buffer_open(struct client *client, struct str path, const struct str *text,
                           bool may_be_missing, struct err *err)
{
    struct buffer *buffer = mem_new(struct buffer);
    struct buf disk = {0}, uri = {0};
    buffer->path = str_dup_c(path);
    enum status status = disk_read(buffer->path, &disk, err);
    if (status < 0 && !may_be_missing && !text) {
        buf_finish(&disk);
        buffer_free(buffer);
        return NULL;
    }
    if (status == STATUS_OK)
        buffer->saved = text_new(buf_str(&disk));
    buf_finish(&disk);
    uri_append_file(&uri, path);
    buffer->uri = buf_take(&uri);
    buffer->version = client->quirks.version_zero ? 0 : 1;
    if (text)
        buffer->text = text_new(*text);
    else
        buffer->text = buffer->saved ? text_ref(buffer->saved) : text_new(STR(""));
    vec_push(&client->buffers, buffer);
    tell_open(client, buffer);
    return buffer;
}

/* The minimal params around textDocument: {"textDocument":{"uri":…[,"version":…]}…}. */
static void begin_params(struct json_writer *w, struct buf *params, const struct buffer *buffer,
                         bool with_version)
{
    json_writer_init(w, params);
    json_write_begin_object(w);
    json_write_key(w, "textDocument");
    json_write_begin_object(w);
    json_write_field_c(w, "uri", buffer->uri);
    if (with_version)
        json_write_field_int(w, "version", buffer->version);
    json_write_end_object(w);
}

void buffer_set(struct client *client, struct buffer *buffer, struct text *text,
                struct str content_change)
{
    struct text *before = buffer->text;
    buffer->text = text_ref(text);
    buffer->version++;
    struct buf params = {0}, whole = {0};
    struct json_writer w;
    if (client->quirks.full_sync || content_change.len == 0) {
        struct json_writer inner;
        json_writer_init(&inner, &whole);
        json_write_begin_object(&inner);
        json_write_field_str(&inner, "text", text_bytes(text));
        json_write_end_object(&inner);
        content_change = buf_str(&whole);
    }
    begin_params(&w, &params, buffer, true);
    json_write_key(&w, "contentChanges");
    json_write_begin_array(&w);
    json_write_raw(&w, content_change);
    json_write_end_array(&w);
    json_write_end_object(&w);
    client_tell(client, "textDocument/didChange", buf_str(&params));
    buf_finish(&params);
    buf_finish(&whole);
    text_unref(before);
}

/* A formatter: blanks instead of tabs, told as a change before the file is written. */
static void format(struct client *client, struct buffer *buffer)
{
    struct str rest = text_bytes(buffer->text), piece;
    struct buf formatted = {0};
    for (bool first = true; str_next(&rest, '\t', &piece); first = false) {
        if (!first)
            buf_append_c(&formatted, "    ");
        buf_append(&formatted, piece);
    }
    struct text *text = text_take(&formatted);
    if (!text_eq(text, buffer->text))
        buffer_set(client, buffer, text, STR(""));
    text_unref(text);
}

enum status buffer_save(struct client *client, struct buffer *buffer, struct err *err)
{
    if (client->quirks.format_on_save)
        format(client, buffer);
    enum status status = disk_write(buffer->path, text_bytes(buffer->text), err);
    if (status < 0)
        return status;
    text_unref(buffer->saved);
    buffer->saved = text_ref(buffer->text);
    struct buf params = {0};
    struct json_writer w;
    begin_params(&w, &params, buffer, false);
    json_write_end_object(&w);
    client_tell(client, "textDocument/didSave", buf_str(&params));
    buf_finish(&params);
    return STATUS_OK;
}

void buffer_close(struct client *client, struct buffer *buffer)
{
    struct buf params = {0};
    struct json_writer w;
    begin_params(&w, &params, buffer, false);
    json_write_end_object(&w);
    client_tell(client, "textDocument/didClose", buf_str(&params));
    buf_finish(&params);
    for (size_t i = 0; i < client->buffers.len; i++)
        if (client->buffers.ptr[i] == buffer) {
            vec_remove(&client->buffers, i);
            break;
        }
    buffer_free(buffer);
}

/* -- The door
 * ------------------------------------------------------------------------------------------------
 */

static struct buffer *need_buffer(const struct client *client, const char *path, struct err *err)
{
    struct buffer *buffer = buffer_find(client, str_from(path));
    if (!buffer)
        err_set(err, STATUS_NOT_FOUND, "%s is not open in the client", path);
    return buffer;
}

enum status client_open(struct client *client, const char *path, const struct str *text,
                        struct err *err)
{
    if (buffer_find(client, str_from(path)))
        return err_set(err, STATUS_EXISTS, "%s is open already", path);
    return buffer_open(client, str_from(path), text, false, err) ? STATUS_OK : STATUS_NOT_FOUND;
}

static void write_position(struct json_writer *w, const char *key, struct position position)
{
    json_write_key(w, key);
    json_write_begin_object(w);
    json_write_field_int(w, "line", position.line);
    json_write_field_int(w, "character", position.character);
    json_write_end_object(w);
}

enum status client_edit(struct client *client, const char *path, size_t start, size_t end,
                        struct str with, struct err *err)
{
    struct buffer *buffer = need_buffer(client, path, err);
    if (!buffer)
        return STATUS_NOT_FOUND;
    if (start > end || end > text_len(buffer->text))
        return err_set(err, STATUS_INVALID, "bytes %zu to %zu are not in %s", start, end, path);
    struct buf change = {0};
    struct json_writer w;
    json_writer_init(&w, &change);
    json_write_begin_object(&w);
    json_write_key(&w, "range");
    json_write_begin_object(&w);
    write_position(&w, "start", text_position_of(buffer->text, client->encoding, start));
    write_position(&w, "end", text_position_of(buffer->text, client->encoding, end));
    json_write_end_object(&w);
    json_write_field_str(&w, "text", with);
    json_write_end_object(&w);
    struct text *text = text_replace(buffer->text, start, end, with);
    buffer_set(client, buffer, text, buf_str(&change));
    text_unref(text);
    buf_finish(&change);
    return STATUS_OK;
}

enum status client_save(struct client *client, const char *path, struct err *err)
{
    struct buffer *buffer = need_buffer(client, path, err);
    return buffer ? buffer_save(client, buffer, err) : STATUS_NOT_FOUND;
}

enum status client_close(struct client *client, const char *path, struct err *err)
{
    struct buffer *buffer = need_buffer(client, path, err);
    if (!buffer)
        return STATUS_NOT_FOUND;
    buffer_close(client, buffer);
    return STATUS_OK;
}

const struct text *client_text(const struct client *client, const char *path)
{
    struct buffer *buffer = buffer_find(client, str_from(path));
    return buffer ? buffer->text : NULL;
}

bool client_is_dirty(const struct client *client, const char *path)
{
    struct buffer *buffer = buffer_find(client, str_from(path));
    return buffer && (!buffer->saved || !text_eq(buffer->saved, buffer->text));
}

const char *client_path_at(const struct client *client, size_t index)
{
    return index < client->buffers.len ? client->buffers.ptr[index]->path : NULL;
}
