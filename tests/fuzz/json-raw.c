/* The raw functions against the parser: the same members, the same values, the same refusals. */
#include <lanebridge/json.h>

#include "fuzz.h"

static void check_same_value(struct str span, const struct json_value *value);

static void check_string(struct str span, const struct json_value *value)
{
    struct buf decoded = {0};
    FUZZ_CHECK(json_raw_decode(span, &decoded) == json_is(value, JSON_STRING));
    if (json_is(value, JSON_STRING))
        FUZZ_CHECK(str_eq(buf_str(&decoded), json_str(value)));
    buf_finish(&decoded);
}

/* json_raw_member and json_get both give the first of equal keys. */
static void check_member(struct str text, const struct json_value *object,
                         const struct json_value *child)
{
    char *key = str_dup_c(json_key(child));
    struct str found;
    FUZZ_CHECK(json_raw_member(text, key, &found) == STATUS_OK);
    if (json_get(object, key) == child)
        check_same_value(found, child);
    mem_free(key);
}

static void check_children(struct str text, const struct json_value *container, bool members)
{
    struct json_raw_iter iter = {.rest = text};
    struct str key, span;
    const struct json_value *child = json_first(container);
    for (; json_raw_next(&iter, &key, &span); child = json_next(child)) {
        FUZZ_CHECK(child && span.ptr >= text.ptr && span.ptr + span.len <= text.ptr + text.len);
        char *name = str_dup_c(json_key(child));
        FUZZ_CHECK(json_is(container, JSON_OBJECT) ? json_raw_key_is(key, name) : key.len == 0);
        mem_free(name);
        check_same_value(span, child);
        if (members && json_is(container, JSON_OBJECT))
            check_member(text, container, child);
    }
    FUZZ_CHECK(!child && !iter.failed);
}

static void check_same_value(struct str span, const struct json_value *value)
{
    check_string(span, value);
    if (json_is(value, JSON_ARRAY) || json_is(value, JSON_OBJECT)) {
        check_children(span, value, false);
        return;
    }
    struct json_value *again = NULL;
    struct buf first = {0}, second = {0};
    FUZZ_CHECK(json_parse(span, &again, NULL) == STATUS_OK);
    json_append(&first, again);
    json_append(&second, value);
    FUZZ_CHECK(str_eq(buf_str(&first), buf_str(&second)));
    buf_finish(&first);
    buf_finish(&second);
    json_free(again);
}

/* Walks without knowing better; gives whether the text is a container without a fault. */
static bool walks(struct str text)
{
    struct json_raw_iter iter = {.rest = text};
    struct str key, span;
    while (json_raw_next(&iter, &key, &span)) {
        struct buf decoded = {0};
        json_raw_decode(span, &decoded);
        buf_finish(&decoded);
    }
    return !iter.failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size}, found;
    json_raw_member(text, "id", &found);
    bool walked = walks(text);
    struct json_value *value = NULL;
    enum status status = json_parse(text, &value, NULL);
    bool container = json_is(value, JSON_ARRAY) || json_is(value, JSON_OBJECT);
    if (status == STATUS_OK)
        FUZZ_CHECK(walked == container);
    if (status == STATUS_INVALID && utf8_is_valid(text, NULL))
        FUZZ_CHECK(!walked);
    if (container)
        check_children(text, value, true);
    json_free(value);
    return 0;
}
