/* Taking settings from JSON: by the table, by class, each complaint once. */
#include <stdarg.h>
#include <string.h>

#include "config-internal.h"

enum { NEAREST_DISTANCE = 4, KEY_BYTES = 64, KEY_DEPTH_COUNT = 4 };

static const char *const source_names[] = {
    [CONFIG_FILE] = "the settings file",
    [CONFIG_INIT_OPTIONS] = "initializationOptions",
    [CONFIG_WORKSPACE] = "the workspace's settings",
};

struct apply {
    struct config_full *full;
    enum config_source source;
    struct buf *warnings;
};

static void warn(struct apply *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct apply *a, const char *format, ...)
{
    struct buf raw = {0}, line = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&raw, format, args);
    va_end(args);
    utf8_append_printable(&line, buf_str(&raw)); /* keys and values are the sender's text */
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] == '\n')
            line.ptr[i] = ' ';
    if (!map_has(&a->full->warned, buf_str(&line))) {
        map_set(&a->full->warned, buf_str(&line), a->full);
        if (a->warnings)
            buf_append_fmt(a->warnings, STR_FMT "\n", STR_ARG(buf_str(&line)));
    }
    buf_finish(&line);
    buf_finish(&raw);
}

/* -- Unknown keys -- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein with one row; both are at most KEY_BYTES long. */
static size_t distance(struct str a, struct str b)
{
    size_t row[KEY_BYTES + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t cost = (a.ptr[i - 1] | 0x20) == (b.ptr[j - 1] | 0x20) ? 0 : 1;
            size_t best = smaller(smaller(row[j], row[j - 1]) + 1, corner + cost);
            corner = row[j];
            row[j] = best;
        }
    }
    return row[b.len];
}

static struct str last_part(struct str key)
{
    size_t dot = str_rfind_byte(key, '.');
    return dot == STR_NONE ? key : str_skip(key, dot + 1);
}

static const char *nearest_key(struct str name)
{
    const char *best = NULL;
    size_t best_distance = NEAREST_DISTANCE;
    if (name.len > KEY_BYTES)
        return NULL;
    for (size_t i = 0; i < config_key_count; i++) {
        struct str known = str_from(config_keys[i].name);
        size_t d = distance(name, known);
        if (str_eq_nocase(last_part(name), last_part(known)))
            d = smaller(d, 1);
        /* Half of the letters wrong is another word, not a slip. */
        if (d < best_distance && d * 2 < name.len && config_keys[i].kind != KIND_ELSEWHERE) {
            best_distance = d;
            best = config_keys[i].name;
        }
    }
    return best;
}

static void warn_unknown(struct apply *a, struct str name)
{
    const char *near = nearest_key(name);
    if (near)
        warn(a, "%s: unknown setting \"" STR_FMT "\"; did you mean \"%s\"?",
             source_names[a->source], STR_ARG(name), near);
    else
        warn(a, "%s: unknown setting \"" STR_FMT "\"; it is ignored", source_names[a->source],
             STR_ARG(name));
}

/* -- Values -- */

static void warn_wrong(struct apply *a, const struct config_key *key, const char *expected)
{
    warn(a, "%s: \"%s\" must be %s; the value given is ignored", source_names[a->source], key->name,
         expected);
}

static void warn_names(struct apply *a, const struct config_key *key)
{
    struct buf names = {0};
    for (size_t i = 0; key->names[i]; i++)
        buf_append_fmt(&names, "%s\"%s\"", i ? ", " : "one of ", key->names[i]);
    warn_wrong(a, key, names.ptr);
    buf_finish(&names);
}

/* Place of the text among the names, -1 if it is none of them. */
static int64_t find_name(const char *const *names, struct str text)
{
    for (int64_t i = 0; names[i]; i++)
        if (str_eq_c(text, names[i]))
            return i;
    return -1;
}

/* True for a value fit for the key; otherwise it was complained about. */
static bool read_number(struct apply *a, const struct config_key *key,
                        const struct json_value *value, int64_t *ret_number)
{
    if (key->kind == KIND_BOOL) {
        *ret_number = json_bool(value, false);
        if (!json_is(value, JSON_BOOL))
            warn_wrong(a, key, "true or false");
        return json_is(value, JSON_BOOL);
    }
    if (key->kind == KIND_CHOICE) {
        int64_t place = json_is(value, JSON_STRING) ? find_name(key->names, json_str(value)) : -1;
        if (place < 0)
            warn_names(a, key);
        *ret_number = place;
        return place >= 0;
    }
    *ret_number = json_int(value, INT64_MIN);
    if (*ret_number >= key->low && *ret_number <= key->high)
        return true;
    struct buf expected = {0};
    buf_append_fmt(&expected, "a whole number from %lld to %lld", (long long)key->low,
                   (long long)key->high);
    warn_wrong(a, key, expected.ptr);
    buf_finish(&expected);
    return false;
}

static bool is_looser(const struct config_key *key, int64_t value, int64_t fence)
{
    if (!key->zero_is_unlimited)
        return value > fence;
    return fence != 0 && (value == 0 || value > fence);
}

static void apply_number(struct apply *a, size_t index, const struct json_value *value)
{
    const struct config_key *key = &config_keys[index];
    int64_t number;
    if (!read_number(a, key, value, &number))
        return;
    if (a->source != CONFIG_WORKSPACE) {
        a->full->fence[index] = number;
    } else if (key->class == CLASS_TIGHTER && is_looser(key, number, a->full->fence[index])) {
        warn(a,
             "%s: \"%s\" may only be tighter than your own setting; put it into your settings file",
             source_names[a->source], key->name);
        return;
    }
    config_set_number(&a->full->config, key, number);
}

/* Settings become header lines, arguments and file names: a control character is never meant. */
static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F)
            return false;
    return true;
}

static void set_text(struct apply *a, const struct config_key *key, char *owned)
{
    char **field = config_field(&a->full->config, key);
    mem_free(*field);
    *field = owned;
}

static void apply_text(struct apply *a, const struct config_key *key,
                       const struct json_value *value)
{
    struct str text = json_str(value);
    if (!json_is(value, JSON_STRING) || !is_plain(text))
        warn_wrong(a, key, "a text without control characters");
    else if (key->names && find_name(key->names, text) < 0)
        warn_names(a, key);
    else
        set_text(a, key, str_dup_c(text));
}

static void apply_json(struct apply *a, const struct config_key *key,
                       const struct json_value *value)
{
    bool object = key->kind == KIND_OBJECT;
    if (!json_is(value, object ? JSON_OBJECT : JSON_ARRAY)) {
        warn_wrong(a, key, object ? "an object" : "a list");
        return;
    }
    struct buf text = {0};
    json_append(&text, value);
    set_text(a, key, buf_take(&text));
}

/* RFC 9110 5.1: a header's name is a token. */
static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", name.ptr[i]))
            return false;
    return name.len > 0;
}

static char *make_string(const struct config_key *key, const struct json_value *child)
{
    if (!json_is(child, JSON_STRING) || !is_plain(json_str(child)))
        return NULL;
    if (key->kind == KIND_STRINGS)
        return str_dup_c(json_str(child));
    if (!is_header_name(json_key(child)))
        return NULL;
    struct buf line = {0};
    buf_append_fmt(&line, STR_FMT ": " STR_FMT, STR_ARG(json_key(child)), STR_ARG(json_str(child)));
    return buf_take(&line);
}

static void apply_strings(struct apply *a, const struct config_key *key,
                          const struct json_value *value)
{
    bool list = key->kind == KIND_STRINGS;
    struct config_strings strings = {0};
    bool good = json_is(value, list ? JSON_ARRAY : JSON_OBJECT);
    if (good)
        strings.ptr = mem_alloc_array(json_count(value) + 1, sizeof(*strings.ptr));
    const struct json_value *child = good ? json_first(value) : NULL;
    for (; child && good; child = json_next(child)) {
        strings.ptr[strings.count] = make_string(key, child);
        good = strings.ptr[strings.count] != NULL;
        strings.count += good;
    }
    if (!good) {
        warn_wrong(a, key, list ? "a list of texts" : "an object of header names and texts");
        config_strings_finish(&strings);
        return;
    }
    struct config_strings *field = config_field(&a->full->config, key);
    config_strings_finish(field);
    *field = strings;
}

/* An editor that sends all its settings sends our defaults too: saying what holds already, or
 * nothing, is no attempt to change it. */
static bool says_the_same(struct apply *a, const struct config_key *key,
                          const struct json_value *value)
{
    switch (key->kind) {
    case KIND_TEXT:
        return json_is(value, JSON_STRING) &&
               (json_str(value).len == 0 || str_eq_c(json_str(value), key->initial) ||
                str_eq_c(json_str(value), *(char **)config_field(&a->full->config, key)));
    case KIND_INT:
        return json_int(value, INT64_MIN) == config_get_number(&a->full->config, key);
    case KIND_CHOICE:
        return json_is(value, JSON_STRING) &&
               (str_eq_c(json_str(value), key->initial) ||
                find_name(key->names, json_str(value)) == config_get_number(&a->full->config, key));
    default:
        return !json_first(value) && !json_is(value, JSON_STRING);
    }
}

static void apply_key(struct apply *a, size_t index, const struct json_value *value)
{
    static void (*const setters[])(struct apply *, const struct config_key *,
                                   const struct json_value *) = {
        [KIND_TEXT] = apply_text,   [KIND_STRINGS] = apply_strings, [KIND_HEADERS] = apply_strings,
        [KIND_OBJECT] = apply_json, [KIND_ARRAY] = apply_json,
    };
    const struct config_key *key = &config_keys[index];
    if (key->kind == KIND_ELSEWHERE || json_is(value, JSON_NULL))
        return; /* null is how editors say "not set" */
    if (a->source == CONFIG_WORKSPACE && key->class == CLASS_USER) {
        if (!says_the_same(a, key, value))
            warn(a, "%s: \"%s\" is yours alone to set; put it into your settings file",
                 source_names[a->source], key->name);
        return;
    }
    if (key->kind == KIND_INT || key->kind == KIND_BOOL || key->kind == KIND_CHOICE)
        apply_number(a, index, value);
    else
        setters[key->kind](a, key, value);
}

/* -- Walking -- */

enum known { KNOWN_NOT, KNOWN_GROUP, KNOWN_KEY };

static enum known find_key(struct str name, size_t *ret_index)
{
    enum known known = KNOWN_NOT;
    for (size_t i = 0; i < config_key_count; i++) {
        struct str key = str_from(config_keys[i].name);
        if (str_eq(name, key)) {
            *ret_index = i;
            return KNOWN_KEY;
        }
        if (str_starts_with(key, name) && key.ptr[name.len] == '.')
            known = KNOWN_GROUP;
    }
    return known;
}

static void apply_object(struct apply *a, struct str prefix, const struct json_value *object,
                         unsigned depth)
{
    for (const struct json_value *child = json_first(object); child; child = json_next(child)) {
        struct buf name = {0};
        if (prefix.len)
            buf_append_fmt(&name, STR_FMT ".", STR_ARG(prefix));
        buf_append(&name, json_key(child));
        struct str key = buf_str(&name);
        if (str_starts_with(key, STR("lanebridge.")))
            key = str_skip(key, strlen("lanebridge."));
        size_t index = 0;
        enum known known = find_key(key, &index);
        bool group = json_is(child, JSON_OBJECT) && depth < KEY_DEPTH_COUNT &&
                     (known == KNOWN_GROUP || str_eq_c(key, "lanebridge"));
        if (known == KNOWN_KEY)
            apply_key(a, index, child);
        else if (group)
            apply_object(a, str_eq_c(key, "lanebridge") ? STR("") : key, child, depth + 1);
        else
            warn_unknown(a, key);
        buf_finish(&name);
    }
}

void config_apply(struct config *config, enum config_source source, const struct json_value *object,
                  struct buf *warnings)
{
    struct apply a = {container_of(config, struct config_full, config), source, warnings};
    if (json_is(object, JSON_OBJECT))
        apply_object(&a, STR(""), object, 0);
    else if (object && !json_is(object, JSON_NULL))
        warn(&a, "%s: the settings must be one object", source_names[source]);
}
