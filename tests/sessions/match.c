#include "session.h"

#include <string.h>

/* -- Variables --------------------------------------------------------------------------------- */

static struct named_text *variable_find(const struct variables *variables, struct str name)
{
    for (size_t i = 0; i < variables->list.len; i++)
        if (str_eq_c(name, variables->list.ptr[i].name))
            return &variables->list.ptr[i];
    return NULL;
}

void variables_set(struct variables *variables, const char *name, struct str value)
{
    struct named_text *variable = variable_find(variables, str_from(name));
    if (!variable) {
        vec_push(&variables->list, ((struct named_text){.name = mem_dup_c(name)}));
        variable = &vec_last(&variables->list);
    }
    buf_clear(&variable->text);
    buf_append(&variable->text, value);
}

void variables_finish(struct variables *variables)
{
    for (size_t i = 0; i < variables->list.len; i++) {
        mem_free(variables->list.ptr[i].name);
        buf_finish(&variables->list.ptr[i].text);
    }
    vec_finish(&variables->list);
}

static bool append_variable(const struct variables *variables, struct str name, struct buf *text)
{
    const struct named_text *variable = variable_find(variables, name);
    if (variable) {
        buf_append(text, buf_str(&variable->text));
        return true;
    }
    const struct named_text *root = variable_find(variables, STR("root"));
    if (!str_starts_with(name, STR("uri:")) || !root)
        return false;
    struct buf path = {0};
    path_append_join(&path, buf_str(&root->text), str_skip(name, 4));
    uri_append_file(text, buf_str(&path));
    buf_finish(&path);
    return true;
}

void variables_expand(const struct variables *variables, struct str text, struct buf *ret_text)
{
    size_t at;
    while ((at = str_find(text, STR("${"), 0)) != STR_NONE) {
        size_t end = str_find_byte(text, '}', at);
        if (end == STR_NONE)
            break;
        buf_append(ret_text, str_slice(text, 0, at));
        if (!append_variable(variables, str_slice(text, at + 2, end), ret_text))
            buf_append(ret_text, str_slice(text, at, end + 1)); /* not ours: left as it is */
        text = str_skip(text, end + 1);
    }
    buf_append(ret_text, text);
}

/* -- Values ------------------------------------------------------------------------------------ */

static bool differs(struct buf *why, const struct json_value *expected,
                    const struct json_value *got)
{
    buf_clear(why);
    buf_append_c(why, "expected ");
    json_append(why, expected);
    buf_append_c(why, ", got ");
    if (got)
        json_append(why, got);
    else
        buf_append_c(why, "nothing");
    return false;
}

static bool match_string(const struct json_value *expected, const struct json_value *got,
                         struct variables *variables, struct buf *why)
{
    struct str want = json_str(expected), have = json_str(got);
    if (str_eq_c(want, "*"))
        return got || differs(why, expected, got);
    if (str_starts_with(want, STR("?")) && got) {
        char *name = str_dup_c(str_skip(want, 1));
        struct buf text = {0};
        if (!json_is(got, JSON_STRING))
            json_append(&text, got);
        variables_set(variables, name, json_is(got, JSON_STRING) ? have : buf_str(&text));
        buf_finish(&text);
        mem_free(name);
        return true;
    }
    if (str_starts_with(want, STR("~")))
        return str_find(have, str_skip(want, 1), 0) != STR_NONE || differs(why, expected, got);
    return (json_is(got, JSON_STRING) && str_eq(want, have)) || differs(why, expected, got);
}

static bool match_array(const struct json_value *expected, const struct json_value *got,
                        struct variables *variables, struct buf *why)
{
    if (!json_is(got, JSON_ARRAY) || json_count(expected) != json_count(got))
        return differs(why, expected, got);
    const struct json_value *a = json_first(expected), *b = json_first(got);
    for (; a; a = json_next(a), b = json_next(b))
        if (!match_value(a, b, variables, why))
            return false;
    return true;
}

static bool match_object(const struct json_value *expected, const struct json_value *got,
                         struct variables *variables, struct buf *why)
{
    if (!json_is(got, JSON_OBJECT))
        return differs(why, expected, got);
    for (const struct json_value *one = json_first(expected); one; one = json_next(one)) {
        char *key = str_dup_c(json_key(one));
        bool good = match_value(one, json_get(got, key), variables, why);
        mem_free(key);
        if (!good)
            return false;
    }
    return true;
}

bool match_value(const struct json_value *expected, const struct json_value *got,
                 struct variables *variables, struct buf *why)
{
    switch (json_type_of(expected)) {
    case JSON_STRING:
        return match_string(expected, got, variables, why);
    case JSON_ARRAY:
        return match_array(expected, got, variables, why);
    case JSON_OBJECT:
        return match_object(expected, got, variables, why);
    default:
        break;
    }
    struct buf a = {0}, b = {0}; /* numbers as they are written: ids may be beyond a double */
    json_append(&a, expected);
    if (got)
        json_append(&b, got);
    else
        buf_append_c(&b, "null");
    bool same = str_eq(buf_str(&a), buf_str(&b));
    buf_finish(&a);
    buf_finish(&b);
    return same || differs(why, expected, got);
}

bool match_text(struct str expected, const struct json_value *got, struct variables *variables,
                struct buf *why)
{
    struct json_value *value = NULL;
    struct err err = {0};
    if (json_parse(expected, &value, &err) < 0) {
        buf_clear(why);
        buf_append_fmt(why, "the session's own JSON is broken: %s in " STR_FMT, err.text,
                       STR_ARG(expected));
        return false;
    }
    bool same = match_value(value, got, variables, why);
    json_free(value);
    return same;
}
