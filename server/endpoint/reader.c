/* What a replay file's steps are made of: matchers, labels, items. */
#include <stddef.h>
#include <string.h>

#include "reader-internal.h"

enum status reader_fail(struct reader *r, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    err_set(r->err, STATUS_INVALID, "%s line %u: " STR_FMT, r->name, r->line,
            STR_ARG(buf_str(&text)));
    buf_finish(&text);
    return STATUS_INVALID;
}

enum status reader_fields(struct reader *r, const char *what, const struct json_value *object,
                          const struct json_field *fields, size_t count, void *ret_struct)
{
    struct err err = {0};
    if (!json_is(object, JSON_OBJECT))
        return reader_fail(r, "%s must be an object", what);
    if (json_read_strict(object, fields, count, ret_struct, &err) < 0)
        return reader_fail(r, "%s: %s", what, err.text);
    return STATUS_OK;
}

/* -- Matchers -------------------------------------------------------------------------------------
 */

bool matcher_accepts(const struct matcher *matcher, struct str text)
{
    switch (matcher->kind) {
    case MATCHER_TEXT:
        return str_find(text, matcher->text, 0) != STR_NONE;
    case MATCHER_EQUALS:
        return str_eq(text, matcher->text);
    case MATCHER_REGEX: {
        regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)text.len};
        const char *start = text.len ? text.ptr : "";
        return regexec(&matcher->regex, start, 1, &range, REG_STARTEND) == 0;
    }
    case MATCHER_ANY:
        break;
    }
    return true;
}

enum status reader_make_matcher(struct reader *r, struct matcher *matcher, enum matcher_kind kind,
                                struct str text)
{
    matcher->text = text;
    if (kind == MATCHER_REGEX) {
        char *source = str_dup_c(text), problem[256];
        int code = regcomp(&matcher->regex, source, REG_EXTENDED | REG_NOSUB);
        mem_free(source);
        if (code != 0) {
            regerror(code, &matcher->regex, problem, sizeof(problem));
            return reader_fail(r, "the regex \"" STR_FMT "\" does not work: %s", STR_ARG(text),
                               problem);
        }
    }
    matcher->kind = kind;
    return STATUS_OK;
}

void reader_matcher_finish(struct matcher *matcher)
{
    if (matcher->kind == MATCHER_REGEX)
        regfree(&matcher->regex);
}

/* {"text":…}, {"regex":…}, {"equals":…}: one member, as a matcher. */
enum status reader_matcher(struct reader *r, const char *what, bool with_equals,
                           const struct json_value *value, struct matcher *matcher)
{
    const struct json_value *member = json_first(value);
    struct str key = json_key(member);
    bool one = json_is(value, JSON_OBJECT) && json_is(member, JSON_STRING) && !json_next(member);
    if (one && str_eq_c(key, "text") && !with_equals)
        return reader_make_matcher(r, matcher, MATCHER_TEXT, json_str(member));
    if (one && str_eq_c(key, "equals") && with_equals)
        return reader_make_matcher(r, matcher, MATCHER_EQUALS, json_str(member));
    if (one && str_eq_c(key, "regex"))
        return reader_make_matcher(r, matcher, MATCHER_REGEX, json_str(member));
    return reader_fail(r, "%s must be %s", what,
                       with_equals ? "a string, {\"regex\": …}, {\"equals\": …} or null"
                                   : "{\"text\": …} or {\"regex\": …}");
}

/* -- Labels ---------------------------------------------------------------------------------------
 */

int replay_label_find(const struct replay *replay, struct str label)
{
    return (int)(intptr_t)map_get(&replay->label_numbers, label) - 1;
}

int reader_label(struct replay *replay, struct str label)
{
    int found = replay_label_find(replay, label);
    if (found >= 0)
        return found;
    vec_push(&replay->labels, label);
    map_set(&replay->label_numbers, label, (void *)(intptr_t)replay->labels.len);
    return (int)replay->labels.len - 1;
}

const struct replay_item *reader_find_call(const struct replay_step *step, int label)
{
    for (size_t i = 0; i < step->items.len; i++)
        if (step->items.ptr[i].label == label)
            return &step->items.ptr[i];
    return NULL;
}

/* -- Items ----------------------------------------------------------------------------------------
 */

struct item_fields {
    struct str type, text, phase, name, call, input;
    const struct json_value *arguments;
};
#define ITEM_FIELD(name, kind, need)                                                               \
    {                                                                                              \
#name, kind, need, offsetof(struct item_fields, name)                                      \
    }
static const struct json_field message_fields[] = {
    ITEM_FIELD(type, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(text, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(phase, JSON_FIELD_STR, JSON_OPTIONAL),
};
static const struct json_field reasoning_fields[] = {
    ITEM_FIELD(type, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(text, JSON_FIELD_STR, JSON_OPTIONAL),
};
static const struct json_field function_fields[] = {
    ITEM_FIELD(type, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(call, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(name, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(arguments, JSON_FIELD_ANY, JSON_OPTIONAL),
};
static const struct json_field custom_fields[] = {
    ITEM_FIELD(type, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(call, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(name, JSON_FIELD_STR, JSON_REQUIRED),
    ITEM_FIELD(input, JSON_FIELD_STR, JSON_REQUIRED),
};
static const struct {
    const char *type;
    const struct json_field *fields;
    size_t count;
} item_kinds[] = {
    [ITEM_MESSAGE] = {"message", message_fields, array_count(message_fields)},
    [ITEM_REASONING] = {"reasoning", reasoning_fields, array_count(reasoning_fields)},
    [ITEM_FUNCTION_CALL] = {"function_call", function_fields, array_count(function_fields)},
    [ITEM_CUSTOM_CALL] = {"custom_tool_call", custom_fields, array_count(custom_fields)},
};

static enum status read_arguments(struct reader *r, struct replay_item *item,
                                  const struct json_value *arguments)
{
    if (json_is(arguments, JSON_STRING)) {
        item->text = json_str(arguments);
        return STATUS_OK;
    }
    if (arguments && !json_is(arguments, JSON_OBJECT))
        return reader_fail(r, "arguments must be an object, or a string that is sent as it is");
    if (arguments)
        json_append(&item->json, arguments);
    else
        buf_append_c(&item->json, "{}");
    item->text = buf_str(&item->json);
    item->text_is_json = true;
    return STATUS_OK;
}

/* Any other type: as it is, without our `call`. */
static void read_other(struct replay_item *item, const struct json_value *value)
{
    struct json_writer w;
    json_writer_init(&w, &item->json);
    json_write_begin_object(&w);
    for (const struct json_value *m = json_first(value); m; m = json_next(m)) {
        if (str_eq_c(json_key(m), "call"))
            continue;
        json_write_key_str(&w, json_key(m));
        json_write_value(&w, m);
    }
    json_write_end_object(&w);
    item->body = buf_str(&item->json);
    item->text_is_json = true;
}

static enum status read_known(struct reader *r, struct replay_item *item,
                              const struct json_value *value, struct str *ret_call)
{
    struct item_fields got = {0};
    struct str type = json_get_str(value, "type");
    struct buf what = {0};
    buf_append_fmt(&what, "an item of type \"" STR_FMT "\"", STR_ARG(type));
    enum status status = reader_fields(r, what.ptr, value, item_kinds[item->kind].fields,
                                       item_kinds[item->kind].count, &got);
    buf_finish(&what);
    if (status < 0)
        return status;
    item->text = item->kind == ITEM_CUSTOM_CALL ? got.input : got.text;
    item->name = got.name;
    item->phase = got.phase;
    *ret_call = got.call;
    return item->kind == ITEM_FUNCTION_CALL ? read_arguments(r, item, got.arguments) : STATUS_OK;
}

static enum item_kind kind_of(struct str type)
{
    for (size_t i = 0; i < array_count(item_kinds); i++)
        if (str_eq_c(type, item_kinds[i].type))
            return (enum item_kind)i;
    return ITEM_OTHER;
}

static enum status take_label(struct reader *r, struct replay_step *step, struct replay_item *item,
                              struct str call)
{
    if (call.len == 0)
        return STATUS_OK;
    int label = reader_label(r->replay, call);
    if (reader_find_call(step, label))
        return reader_fail(r, "two calls of this step are named \"" STR_FMT "\"", STR_ARG(call));
    item->label = label;
    return STATUS_OK;
}

static enum status read_item(struct reader *r, struct replay_step *step,
                             const struct json_value *value)
{
    struct str type = json_get_str(value, "type");
    if (!json_is(value, JSON_OBJECT) || type.len == 0)
        return reader_fail(r, "every item of emit must be an object with a \"type\"");
    if (step->items.len == LIMIT_REPLAY_ITEMS_COUNT)
        return reader_fail(r, "a step emits at most %d items", LIMIT_REPLAY_ITEMS_COUNT);
    struct replay_item item = {.kind = kind_of(type), .label = REPLAY_NO_LABEL};
    struct str call = {0};
    enum status status = STATUS_OK;
    if (item.kind == ITEM_OTHER) {
        call = json_get_str(value, "call");
        read_other(&item, value);
    } else {
        status = read_known(r, &item, value, &call);
    }
    if (status == STATUS_OK)
        status = take_label(r, step, &item, call);
    struct str holds = item.kind == ITEM_OTHER ? item.body : item.text;
    item.substitutes = str_find(holds, STR("${output:"), 0) != STR_NONE;
    vec_push(&step->items, item);
    return status;
}

enum status reader_emit(struct reader *r, struct replay_step *step, const struct json_value *emit)
{
    for (const struct json_value *v = json_first(emit); v; v = json_next(v))
        if (read_item(r, step, v) < 0)
            return STATUS_INVALID;
    return STATUS_OK;
}
