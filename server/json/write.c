#include <lanebridge/json.h>

#include <assert.h>
#include <string.h>

#include "scan-internal.h"

/* -- Strings --------------------------------------------------------------------------------------
 */

static void append_escape(struct buf *buf, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                   ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    char escape[6] = {'\\', letters[byte]};
    if (letters[byte]) {
        buf_append(buf, (struct str){escape, 2});
        return;
    }
    memcpy(escape + 1, "u00", 3);
    escape[4] = digits[byte >> 4];
    escape[5] = digits[byte & 15];
    buf_append(buf, (struct str){escape, 6});
}

static void append_escaped(struct buf *buf, struct str s)
{
    for (;;) {
        size_t plain = s.len ? scan_plain_length(s.ptr, s.len) : 0;
        buf_append(buf, str_slice(s, 0, plain));
        if (plain == s.len)
            return;
        append_escape(buf, (unsigned char)s.ptr[plain]);
        s = str_skip(s, plain + 1);
    }
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
