#include <lanebridge/json.h>

#include <assert.h>
#include <string.h>

#include "scan-internal.h"

enum { ESCAPE_BYTES = 6, CHUNK_BYTES = 1024 };

/* -- Strings --------------------------------------------------------------------------------------
 */

/* Writes the escape of a byte that scan_plain_length stops at; gives its length. */
static size_t put_escape(char *out, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                   ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    out[0] = '\\';
    if (letters[byte]) {
        out[1] = letters[byte];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = digits[byte >> 4];
    out[5] = digits[byte & 15];
    return ESCAPE_BYTES;
}

/* Code has an escape every few bytes, so room is looked after once a chunk and not once an escape.
 */
static void append_chunk(struct buf *buf, struct str s)
{
    buf_reserve(buf, s.len * ESCAPE_BYTES);
    char *out = buf->ptr + buf->len;
    for (size_t i = 0;;) {
        size_t plain = scan_plain_length(s.ptr + i, s.len - i);
        memcpy(out, s.ptr + i, plain);
        out += plain;
        i += plain;
        if (i == s.len)
            break;
        out += put_escape(out, (unsigned char)s.ptr[i++]);
    }
    *out = '\0';
    buf->len = (size_t)(out - buf->ptr);
}

static void append_escaped(struct buf *buf, struct str s)
{
    for (; s.len; s = str_skip(s, CHUNK_BYTES))
        append_chunk(buf, str_slice(s, 0, CHUNK_BYTES));
}

void json_append_quoted(struct buf *buf, struct str s)
{
    buf_reserve(buf, s.len + 2);
    buf_append_byte(buf, '"');
    if (utf8_is_valid(s, NULL)) {
        append_escaped(buf, s);
    } else {
        struct buf repaired = {0};
        utf8_append_repaired(&repaired, s);
        append_escaped(buf, buf_str(&repaired));
        buf_finish(&repaired);
    }
    buf_append_byte(buf, '"');
}

/* -- Writer ---------------------------------------------------------------------------------------
 */

void json_writer_init(struct json_writer *w, struct buf *buf)
{
    *w = (struct json_writer){.buf = buf};
}

static void begin_value(struct json_writer *w)
{
    if (w->need_comma && !w->after_key)
        buf_append_byte(w->buf, ',');
    w->need_comma = true;
    w->after_key = false;
}

static void begin_container(struct json_writer *w, char opener)
{
    begin_value(w);
    buf_append_byte(w->buf, opener);
    w->need_comma = false;
}

static void end_container(struct json_writer *w, char closer)
{
    assert(!w->after_key);
    buf_append_byte(w->buf, closer);
    w->need_comma = true;
}

void json_write_begin_object(struct json_writer *w)
{
    begin_container(w, '{');
}

void json_write_end_object(struct json_writer *w)
{
    end_container(w, '}');
}

void json_write_begin_array(struct json_writer *w)
{
    begin_container(w, '[');
}

void json_write_end_array(struct json_writer *w)
{
    end_container(w, ']');
}

void json_write_key(struct json_writer *w, const char *key)
{
    json_write_key_str(w, str_from(key));
}

void json_write_key_str(struct json_writer *w, struct str key)
{
    assert(!w->after_key);
    begin_value(w);
    json_append_quoted(w->buf, key);
    buf_append_byte(w->buf, ':');
    w->after_key = true;
}

void json_write_str(struct json_writer *w, struct str s)
{
    begin_value(w);
    json_append_quoted(w->buf, s);
}

void json_write_c(struct json_writer *w, const char *text)
{
    if (text)
        json_write_str(w, str_from(text));
    else
        json_write_null(w);
}

void json_write_int(struct json_writer *w, int64_t value)
{
    begin_value(w);
    number_append_int(w->buf, value);
}

void json_write_double(struct json_writer *w, double value)
{
    begin_value(w);
    number_append_double(w->buf, value);
}

void json_write_bool(struct json_writer *w, bool value)
{
    begin_value(w);
    buf_append_c(w->buf, value ? "true" : "false");
}

void json_write_null(struct json_writer *w)
{
    begin_value(w);
    buf_append(w->buf, STR("null"));
}

void json_write_raw(struct json_writer *w, struct str json)
{
    begin_value(w);
    buf_append(w->buf, json);
}

void json_write_value(struct json_writer *w, const struct json_value *value)
{
    begin_value(w);
    json_append(w->buf, value);
}

void json_write_field_str(struct json_writer *w, const char *key, struct str s)
{
    json_write_key(w, key);
    json_write_str(w, s);
}

void json_write_field_c(struct json_writer *w, const char *key, const char *text)
{
    json_write_key(w, key);
    json_write_c(w, text);
}

void json_write_field_int(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_int(w, value);
}

void json_write_field_bool(struct json_writer *w, const char *key, bool value)
{
    json_write_key(w, key);
    json_write_bool(w, value);
}

void json_write_field_raw(struct json_writer *w, const char *key, struct str json)
{
    json_write_key(w, key);
    json_write_raw(w, json);
}
