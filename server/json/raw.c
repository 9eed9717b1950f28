#include <lanebridge/json.h>

#include <string.h>

#include "scan-internal.h"

/* -- Strings --------------------------------------------------------------------------------------
 */

/* The code point of the escape at p, which is known to be well-formed; gives its length. */
static size_t decode_escape(const char *p, const char *end, uint32_t *ret_code_point)
{
    static const char letters[] = {
        ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t', ['u'] = 0};
    if (p[1] != 'u') {
        char plain = letters[(unsigned char)p[1]];
        *ret_code_point = (unsigned char)(plain ? plain : p[1]);
        return 2;
    }
    if (scan_surrogate_pair(p, end, ret_code_point))
        return 12;
    *ret_code_point = (uint32_t)scan_hex4(p + 2);
    return 6;
}

/* Decoded text is never longer than its escapes, so room is looked after once. */
static void decode_plainly(struct str inside, struct buf *buf)
{
    const char *p = inside.ptr, *end = inside.ptr + inside.len;
    buf_reserve(buf, inside.len);
    while (p < end) {
        size_t plain = scan_plain_length(p, (size_t)(end - p));
        memcpy(buf->ptr + buf->len, p, plain);
        buf->len += plain;
        p += plain;
        if (p == end)
            break;
        uint32_t code_point;
        p += decode_escape(p, end, &code_point);
        if (code_point < 0x80)
            buf->ptr[buf->len++] = (char)code_point;
        else
            utf8_append(buf, code_point);
    }
    buf->ptr[buf->len] = '\0';
}

/* `inside` is what stands between the quotes of a string that the scanner accepted. A decoded
 * escape is a whole character, so it cannot complete the ill-formed bytes beside it, and repairing
 * may come last. */
static void decode_inside(struct str inside, struct buf *buf)
{
    if (utf8_is_valid(inside, NULL)) {
        decode_plainly(inside, buf);
        return;
    }
    struct buf decoded = {0};
    decode_plainly(inside, &decoded);
    utf8_append_repaired(buf, buf_str(&decoded));
    buf_finish(&decoded);
}

bool json_raw_decode(struct str span, struct buf *buf)
{
    struct scan s;
    scan_init(&s, span);
    if (!scan_string(&s) || !scan_at_end(&s))
        return false;
    decode_inside(str_slice(span, 1, span.len - 1), buf);
    return true;
}

bool json_raw_key_is(struct str key, const char *name)
{
    if (str_find_byte(key, '\\', 0) == STR_NONE)
        return str_eq_c(key, name);
    struct buf decoded = {0};
    decode_inside(key, &decoded);
    bool same = str_eq_c(buf_str(&decoded), name);
    buf_finish(&decoded);
    return same;
}

struct str json_raw_inside(struct str span)
{
    bool is_string = span.len >= 2 && span.ptr[0] == '"';
    return is_string ? str_slice(span, 1, span.len - 1) : (struct str){0};
}

/* -- Containers -----------------------------------------------------------------------------------
 */

enum iter_state {
    ITER_START,
    ITER_ARRAY_FIRST,
    ITER_OBJECT_FIRST,
    ITER_ARRAY,
    ITER_OBJECT,
    ITER_END
};

static bool iter_stop(struct json_raw_iter *iter, bool failed)
{
    iter->state = ITER_END;
    iter->failed = failed;
    return false;
}

static bool iter_open(struct json_raw_iter *iter, struct scan *s)
{
    scan_blanks(s);
    if (scan_at_end(s) || (*s->at != '{' && *s->at != '['))
        return false;
    iter->state = *s->at++ == '{' ? ITER_OBJECT_FIRST : ITER_ARRAY_FIRST;
    return true;
}

/* Behind the closer only blanks may follow. */
static bool iter_close(struct json_raw_iter *iter, struct scan *s)
{
    s->at++;
    scan_blanks(s);
    iter->rest = (struct str){s->at, (size_t)(s->end - s->at)};
    return iter_stop(iter, !scan_at_end(s));
}

static bool iter_key(struct scan *s, struct str *ret_key)
{
    scan_blanks(s);
    const char *start = s->at;
    if (!scan_string(s))
        return false;
    *ret_key = (struct str){start + 1, (size_t)(s->at - start) - 2};
    scan_blanks(s);
    return scan_byte(s, ':', "':'");
}

bool json_raw_next(struct json_raw_iter *iter, struct str *ret_key, struct str *ret_value)
{
    struct scan s;
    scan_init(&s, iter->rest);
    s.skims = iter->skims;
    if (iter->state == ITER_END)
        return false;
    if (iter->state == ITER_START && !iter_open(iter, &s))
        return iter_stop(iter, true);

    bool object = iter->state == ITER_OBJECT || iter->state == ITER_OBJECT_FIRST;
    bool first = iter->state == ITER_ARRAY_FIRST || iter->state == ITER_OBJECT_FIRST;
    scan_blanks(&s);
    if (!scan_at_end(&s) && *s.at == (object ? '}' : ']'))
        return iter_close(iter, &s);
    struct str key = {0};
    if (!first && !scan_byte(&s, ',', "','"))
        return iter_stop(iter, true);
    if (object && !iter_key(&s, &key))
        return iter_stop(iter, true);
    scan_blanks(&s);
    const char *start = s.at;
    if (!scan_value(&s))
        return iter_stop(iter, true);

    *ret_key = key;
    *ret_value = (struct str){start, (size_t)(s.at - start)};
    iter->rest = (struct str){s.at, (size_t)(s.end - s.at)};
    iter->state = object ? ITER_OBJECT : ITER_ARRAY;
    return true;
}

enum status json_raw_member(struct str text, const char *key, struct str *ret_span)
{
    struct json_raw_iter iter = {.rest = text};
    struct str name, value;
    while (json_raw_next(&iter, &name, &value)) {
        if (name.ptr && json_raw_key_is(name, key)) {
            *ret_span = value;
            return STATUS_OK;
        }
    }
    return iter.failed ? STATUS_INVALID : STATUS_NOT_FOUND;
}

bool json_raw_view(struct str object, const struct json_raw_place *places, size_t count, void *view)
{
    struct json_raw_iter iter = {.rest = object};
    struct str key, value;
    if (object.len == 0 || object.ptr[0] != '{')
        return false;
    while (json_raw_next(&iter, &key, &value))
        for (size_t i = 0; i < count; i++)
            if (str_eq_c(key, places[i].name) && !str_eq_c(value, "null"))
                *(struct str *)((char *)view + places[i].offset) = value;
    return !iter.failed;
}
