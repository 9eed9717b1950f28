/* Values: the only includer of cJSON. A struct json_value is a cJSON node, of which nobody outside
 * knows. An integer beyond a double's reach keeps its text in the node's valuestring, which cJSON
 * frees for every type. */
#include <lanebridge/json.h>

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "scan-internal.h"

#define SAFE_INTEGER 9007199254740992.0 /* 2^53 */

static const cJSON *node(const struct json_value *value)
{
    return (const cJSON *)value;
}

static const struct json_value *value_of(const cJSON *item)
{
    return (const struct json_value *)item;
}

/* -- Parsing ----------------------------------------------------------------------------------- */

/* JSON by the grammar, but more than a node can hold. */
static enum status check_holdable(const struct scan *s, struct err *err)
{
    if (s->nul_escape)
        return err_set(err, STATUS_UNSUPPORTED,
                       "JSON at byte %zu: a string holds \\u0000, which cannot be kept here",
                       (size_t)(s->nul_escape - s->start));
    if (s->bad_number)
        return err_set(err, STATUS_LIMIT,
                       "JSON at byte %zu: expected a number of at most %d characters that is "
                       "within a double's range",
                       (size_t)(s->bad_number - s->start), SCAN_NUMBER_BYTES);
    return STATUS_OK;
}

static enum status check_text(struct scan *s, struct str text, struct err *err)
{
    size_t bad;
    if (!utf8_is_valid(text, &bad))
        return err_set(err, STATUS_INVALID, "JSON at byte %zu: expected UTF-8, found byte 0x%02x",
                       bad, (unsigned)(unsigned char)text.ptr[bad]);
    if (!scan_value(s))
        return scan_error(s, err);
    scan_blanks(s);
    if (!scan_at_end(s)) {
        s->status = STATUS_INVALID;
        s->expected = "the end of the text";
        return scan_error(s, err);
    }
    return check_holdable(s, err);
}

/* cJSON refuses half a surrogate pair, which JavaScript peers send when they cut a string: it
 * becomes \uFFFD, which is as long. The text is known to be well-formed. */
static void replace_lone_surrogates(char *text, size_t len)
{
    const char *end = text + len;
    for (char *p = text; (p = memchr(p, '\\', (size_t)(end - p)));) {
        int unit = p[1] == 'u' ? scan_hex4(p + 2) : -1;
        uint32_t code;
        if (unit < 0)
            p += 2;
        else if (unit < 0xD800 || unit > 0xDFFF)
            p += 6;
        else if (scan_surrogate_pair(p, end, &code))
            p += 12;
        else
            p = (char *)memcpy(p, "\\uFFFD", 6) + 6;
    }
}

/* Gives the integers of the scan their text, in the order of the text. */
static void keep_big_integers(cJSON *item, const struct scan *s, size_t *ordinal, size_t *next)
{
    for (; item && *next < s->big_integers.len; item = item->next) {
        keep_big_integers(item->child, s, ordinal, next);
        if (!cJSON_IsNumber(item) || *next == s->big_integers.len)
            continue;
        const struct scan_integer *big = &s->big_integers.ptr[*next];
        if ((*ordinal)++ != big->ordinal)
            continue;
        (*next)++;
        if (fabs(item->valuedouble) < SAFE_INTEGER)
            continue;
        item->valuestring = cJSON_malloc(big->text.len + 1);
        if (!item->valuestring)
            continue; /* then it is printed as the double it is */
        memcpy(item->valuestring, big->text.ptr, big->text.len);
        item->valuestring[big->text.len] = '\0';
    }
}

static cJSON *build(const struct scan *s, struct str text)
{
    if (!s->lone_surrogates)
        return cJSON_ParseWithLengthOpts(text.ptr, text.len, NULL, 0);
    char *repaired = str_dup_c(text);
    replace_lone_surrogates(repaired, text.len);
    cJSON *root = cJSON_ParseWithLengthOpts(repaired, text.len, NULL, 0);
    mem_free(repaired);
    return root;
}

enum status json_parse(struct str text, struct json_value **ret_value, struct err *err)
{
    struct scan s;
    scan_init(&s, text);
    s.keep_big_integers = true;
    enum status status = check_text(&s, text, err);
    if (status == STATUS_OK) {
        cJSON *root = build(&s, text);
        size_t ordinal = 0, next = 0;
        keep_big_integers(root, &s, &ordinal, &next);
        if (root)
            *ret_value = (struct json_value *)root;
        else /* everything cJSON dislikes was refused above */
            status = err_set(err, STATUS_LIMIT, "JSON: no memory to hold %zu bytes", text.len);
    }
    scan_finish(&s);
    return status;
}

void json_free(struct json_value *root)
{
    cJSON_Delete((cJSON *)root);
}

/* -- Looking ----------------------------------------------------------------------------------- */

enum json_type json_type_of(const struct json_value *value)
{
    const cJSON *item = node(value);
    switch (item ? item->type & 0xFF : cJSON_NULL) {
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

bool json_is(const struct json_value *value, enum json_type type)
{
    return value && json_type_of(value) == type;
}

const struct json_value *json_get(const struct json_value *object, const char *key)
{
    if (!json_is(object, JSON_OBJECT))
        return NULL;
    return value_of(cJSON_GetObjectItemCaseSensitive(node(object), key));
}

struct str json_get_str(const struct json_value *object, const char *key)
{
    return json_str(json_get(object, key));
}

bool json_get_bool(const struct json_value *object, const char *key, bool fallback)
{
    return json_bool(json_get(object, key), fallback);
}

int64_t json_get_int(const struct json_value *object, const char *key, int64_t fallback)
{
    return json_int(json_get(object, key), fallback);
}

const struct json_value *json_at(const struct json_value *object, ...)
{
    va_list keys;
    va_start(keys, object);
    const struct json_value *value = object;
    for (const char *key; value && (key = va_arg(keys, const char *));)
        value = json_get(value, key);
    va_end(keys);
    return value;
}

struct str json_str(const struct json_value *value)
{
    return json_is(value, JSON_STRING) ? str_from(node(value)->valuestring) : STR("");
}

bool json_bool(const struct json_value *value, bool fallback)
{
    return json_is(value, JSON_BOOL) ? cJSON_IsTrue(node(value)) : fallback;
}

double json_number(const struct json_value *value, double fallback)
{
    return json_is(value, JSON_NUMBER) ? node(value)->valuedouble : fallback;
}

int64_t json_int(const struct json_value *value, int64_t fallback)
{
    if (!json_is(value, JSON_NUMBER))
        return fallback;
    double number = node(value)->valuedouble;
    /* 2^53 + 1 reads as 2^53: a kept text tells them apart. */
    const char *text = node(value)->valuestring;
    if (text) {
        int64_t exact;
        return str_to_int64(str_from(text), &exact) ? exact : fallback;
    }
    bool integral = fabs(number) <= SAFE_INTEGER && number == trunc(number);
    return integral ? (int64_t)number : fallback;
}

const struct json_value *json_first(const struct json_value *container)
{
    if (!json_is(container, JSON_ARRAY) && !json_is(container, JSON_OBJECT))
        return NULL;
    return value_of(node(container)->child);
}

const struct json_value *json_next(const struct json_value *child)
{
    return child ? value_of(node(child)->next) : NULL;
}

struct str json_key(const struct json_value *child)
{
    return child && node(child)->string ? str_from(node(child)->string) : STR("");
}

size_t json_count(const struct json_value *container)
{
    size_t count = 0;
    for (const struct json_value *c = json_first(container); c; c = json_next(c))
        count++;
    return count;
}

/* -- Printing ---------------------------------------------------------------------------------- */

static void append_number(struct buf *buf, const cJSON *item)
{
    if (item->valuestring)
        buf_append_c(buf, item->valuestring);
    else
        number_append_double(buf, item->valuedouble);
}

/* As deep as the value, which json_parse has limited. */
static void append_container(struct buf *buf, const struct json_value *value, bool object)
{
    buf_append_byte(buf, object ? '{' : '[');
    for (const struct json_value *c = json_first(value); c; c = json_next(c)) {
        if (c != json_first(value))
            buf_append_byte(buf, ',');
        if (object) {
            json_append_quoted(buf, json_key(c));
            buf_append_byte(buf, ':');
        }
        json_append(buf, c);
    }
    buf_append_byte(buf, object ? '}' : ']');
}

void json_append(struct buf *buf, const struct json_value *value)
{
    switch (json_type_of(value)) {
    case JSON_NULL:
        buf_append(buf, STR("null"));
        break;
    case JSON_BOOL:
        buf_append_c(buf, json_bool(value, false) ? "true" : "false");
        break;
    case JSON_NUMBER:
        append_number(buf, node(value));
        break;
    case JSON_STRING:
        json_append_quoted(buf, json_str(value));
        break;
    case JSON_ARRAY:
        append_container(buf, value, false);
        break;
    case JSON_OBJECT:
        append_container(buf, value, true);
        break;
    }
}
