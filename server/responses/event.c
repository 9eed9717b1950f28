/* Server events: their table of types, and decoding in one walk over the members, because this is
 * done for every delta. */
#include "responses-internal.h"

#include <limits.h>
#include <string.h>

/* The frequent ones first. Types that are not here reach the caller through on_unknown. */
static const struct event_type types[] = {
    {STR_INIT("response.output_text.delta"), EVENT_DELTA, DELTA_TEXT},
    {STR_INIT("response.function_call_arguments.delta"), EVENT_DELTA, DELTA_ARGUMENTS},
    {STR_INIT("response.reasoning_summary_text.delta"), EVENT_DELTA, DELTA_REASONING_SUMMARY},
    {STR_INIT("response.reasoning_text.delta"), EVENT_DELTA, DELTA_REASONING},
    {STR_INIT("response.custom_tool_call_input.delta"), EVENT_DELTA, DELTA_INPUT},
    {STR_INIT("response.refusal.delta"), EVENT_DELTA, DELTA_REFUSAL},
    {STR_INIT("response.output_item.added"), EVENT_ITEM_ADDED, 0},
    {STR_INIT("response.output_item.done"), EVENT_ITEM_DONE, 0},
    {STR_INIT("response.content_part.added"), EVENT_IGNORED, 0},
    {STR_INIT("response.content_part.done"), EVENT_IGNORED, 0},
    {STR_INIT("response.output_text.done"), EVENT_IGNORED, 0},
    {STR_INIT("response.function_call_arguments.done"), EVENT_IGNORED, 0},
    {STR_INIT("response.custom_tool_call_input.done"), EVENT_IGNORED, 0},
    {STR_INIT("response.reasoning_summary_part.added"), EVENT_IGNORED, 0},
    {STR_INIT("response.reasoning_summary_part.done"), EVENT_IGNORED, 0},
    {STR_INIT("response.reasoning_summary_text.done"), EVENT_IGNORED, 0},
    {STR_INIT("response.reasoning_text.done"), EVENT_IGNORED, 0},
    {STR_INIT("response.refusal.done"), EVENT_IGNORED, 0},
    {STR_INIT("response.created"), EVENT_CREATED, 0},
    {STR_INIT("response.queued"), EVENT_PROGRESS, 0},
    {STR_INIT("response.in_progress"), EVENT_PROGRESS, 0},
    {STR_INIT("response.completed"), EVENT_COMPLETED, 0},
    {STR_INIT("response.done"), EVENT_COMPLETED, 0}, /* some gateways' word for it */
    {STR_INIT("response.failed"), EVENT_FAILED, 0},
    {STR_INIT("response.incomplete"), EVENT_INCOMPLETE, 0},
    {STR_INIT("response.cancelled"), EVENT_INCOMPLETE, 0}, /* of no protocol, but sent */
    {STR_INIT("response.canceled"), EVENT_INCOMPLETE, 0},
    {STR_INIT("response.compaction.compacting"), EVENT_PROGRESS, 0},
    {STR_INIT("error"), EVENT_ERROR, 0},
    {STR_INIT("response.steer.accepted"), EVENT_STEER, 0},
    {STR_INIT("response.steer.pending"), EVENT_STEER, 0},
    {STR_INIT("response.steer.failed"), EVENT_STEER, 0},
};
static const struct event_type unknown_type = {{NULL, 0}, EVENT_UNKNOWN, 0};

const struct event_type *responses_event_type(struct str name)
{
    for (size_t i = 0; i < array_count(types); i++) {
        if (str_eq(types[i].name, name))
            return &types[i];
    }
    return &unknown_type;
}

enum member_kind { MEMBER_STR, MEMBER_INT, MEMBER_OBJECT };
struct member {
    struct str name;
    enum member_kind kind;
    size_t offset;
};
#define MEMBER(key, kind, field)                                                                   \
    {                                                                                              \
        STR_INIT(key), kind, offsetof(struct responses_event, field)                               \
    }
static const struct member members[] = {
    MEMBER("type", MEMBER_STR, type),
    MEMBER("stream_id", MEMBER_STR, lane),
    MEMBER("delta", MEMBER_STR, delta),
    MEMBER("item_id", MEMBER_STR, item_id),
    MEMBER("output_index", MEMBER_INT, output_index),
    MEMBER("sequence_number", MEMBER_INT, sequence),
    MEMBER("response_id", MEMBER_STR, response_id),
    MEMBER("response", MEMBER_OBJECT, response),
    MEMBER("item", MEMBER_OBJECT, item),
};

static const struct member *find_member(struct str key)
{
    for (size_t i = 0; i < array_count(members); i++) {
        if (str_eq(members[i].name, key))
            return &members[i];
    }
    return NULL;
}

static void read_member(struct responses_event *event, const struct json_value *value)
{
    const struct member *member = find_member(json_key(value));
    if (!member)
        return;
    char *field = (char *)event + member->offset;
    if (member->kind == MEMBER_STR)
        *(struct str *)(void *)field = json_str(value);
    else if (member->kind == MEMBER_INT)
        *(int64_t *)(void *)field = json_int(value, -1);
    else if (json_is(value, JSON_OBJECT))
        *(const struct json_value **)(void *)field = value;
}

static bool is_digits(struct str s)
{
    int64_t ignored;
    return s.len > 0 && str_to_int64(s, &ignored);
}

/* A number of seconds as JSON number or text, fractions allowed; -1 if it is neither. */
static int64_t read_seconds(const struct json_value *value)
{
    double seconds = json_number(value, -1);
    int64_t whole;
    if (json_is(value, JSON_STRING) && str_to_int64(str_trim(json_str(value)), &whole))
        seconds = (double)whole;
    if (!(seconds >= 0) || seconds > INT_MAX)
        return -1;
    return (int64_t)(seconds * 1000);
}

/* Where servers say how long to wait: "retry_after" or a header, beside or inside the error. */
static int64_t read_retry_after(const struct json_value *object)
{
    static const struct {
        const char *key;
        bool is_ms;
    } places[] = {{"retry_after_ms", true},
                  {"retry-after-ms", true},
                  {"retry_after", false},
                  {"retry-after", false},
                  {"Retry-After", false}};
    for (size_t i = 0; i < array_count(places); i++) {
        const struct json_value *value = json_get(object, places[i].key);
        int64_t ms = value ? read_seconds(value) : -1;
        if (ms >= 0)
            return places[i].is_ms ? ms / 1000 : ms;
    }
    return -1;
}

static int64_t first_told(int64_t a, int64_t b)
{
    return a >= 0 ? a : b;
}

/* Both shapes: members inside "error", or flat beside "type". */
static void read_error(struct responses_event *event, const struct json_value *value)
{
    const struct json_value *error = json_get(value, "error");
    const struct json_value *from = json_is(error, JSON_OBJECT) ? error : value;
    event->is_error = true;
    event->error_code = json_get_str(from, "code");
    event->error_message = json_get_str(from, "message");
    event->error_param = json_get_str(from, "param");
    event->error_type = from == error ? json_get_str(error, "type") : (struct str){0};
    if (json_is(error, JSON_STRING) && event->error_message.len == 0)
        event->error_message = json_str(error);
    if (event->error_code.len == 0)
        event->error_code = event->error_type;

    event->error_status = json_get_int(value, "status", 0);
    if (event->error_status == 0)
        event->error_status = json_get_int(value, "status_code", json_get_int(from, "status", 0));
    int64_t code = json_get_int(from, "code", 0);
    if (event->error_status == 0 && is_digits(event->error_code))
        str_to_int64(event->error_code, &code);
    if (event->error_status == 0 && code >= 400 && code < 600)
        event->error_status = code;

    int64_t told = first_told(read_retry_after(value), read_retry_after(error));
    told = first_told(told, read_retry_after(json_get(value, "headers")));
    event->retry_after_ms = first_told(told, read_retry_after(json_get(error, "headers")));
}

enum status responses_event_read(const struct json_value *value, struct responses_event *ret_event,
                                 struct err *err)
{
    struct responses_event event = {
        .sequence = -1, .output_index = -1, .retry_after_ms = -1, .value = value};
    for (const struct json_value *c = json_first(value); c; c = json_next(c))
        read_member(&event, c);
    if (event.type.len == 0)
        return err_set(err, STATUS_INVALID, "The server's event has no \"type\".");
    if (event.response && event.response_id.len == 0)
        event.response_id = json_get_str(event.response, "id");

    enum event_kind kind = responses_event_type(event.type)->kind;
    event.is_terminal = kind == EVENT_COMPLETED || kind == EVENT_FAILED || kind == EVENT_INCOMPLETE;
    if (kind == EVENT_ERROR)
        read_error(&event, value);
    *ret_event = event;
    return STATUS_OK;
}

/* False for what only a tree can tell. */
static bool scan_text(struct str span, bool is_delta, struct buf *scratch, struct str *ret_text)
{
    if (span.len < 2 || span.ptr[0] != '"')
        return false;
    *ret_text = str_slice(span, 1, span.len - 1);
    if (str_find_byte(*ret_text, '\\', 0) == STR_NONE)
        return true;
    buf_clear(scratch);
    if (!is_delta || !json_raw_decode(span, scratch))
        return false;
    *ret_text = buf_str(scratch);
    return str_find_byte(*ret_text, '\0', 0) == STR_NONE;
}

/* Of a whole response its id is read. */
static bool scan_response(struct responses_event *event, struct str span, struct buf *scratch)
{
    struct str id;
    if (span.ptr[0] != '{' || event->response_id.len > 0 ||
        json_raw_member(span, "id", &id) != STATUS_OK)
        return true;
    return scan_text(id, false, scratch, &event->response_id);
}

static bool scan_member(struct responses_event *event, struct str key, struct str span,
                        struct buf *scratch)
{
    const struct member *member = find_member(key);
    if (!member)
        return true;
    char *field = (char *)event + member->offset;
    bool is_delta = member->offset == offsetof(struct responses_event, delta);
    if (member->kind == MEMBER_STR)
        return scan_text(span, is_delta, scratch, (struct str *)(void *)field);
    if (member->kind == MEMBER_INT)
        return str_to_int64(span, (int64_t *)(void *)field);
    return member->offset == offsetof(struct responses_event, response) &&
           scan_response(event, span, scratch);
}

static bool is_scanned(enum event_kind kind)
{
    return kind == EVENT_DELTA || kind == EVENT_CREATED || kind == EVENT_PROGRESS ||
           kind == EVENT_IGNORED;
}

bool responses_event_scan(struct str message, struct buf *scratch,
                          struct responses_event *ret_event)
{
    struct responses_event event = {.sequence = -1, .output_index = -1, .retry_after_ms = -1};
    struct json_raw_iter iter = {.rest = message};
    struct str key, span;
    while (json_raw_next(&iter, &key, &span)) {
        if (!scan_member(&event, key, span, scratch))
            return false;
        if (str_eq_c(key, "type") && !is_scanned(responses_event_type(event.type)->kind))
            return false;
    }
    *ret_event = event;
    return !iter.failed && event.type.len > 0;
}

/* Of a "response" object; it echoes its request, whose instructions and tools alone are some 20 KB.
 */
static const char *const read_members[] = {"id",    "status", "error",   "incomplete_details",
                                           "usage", "output", "metadata"};

static bool is_read(struct str key)
{
    for (size_t i = 0; i < array_count(read_members); i++)
        if (str_eq_c(key, read_members[i]))
            return true;
    return false;
}

/* Of what came before item by item the ids tell that it did. */
static void write_ids(struct json_writer *w, struct str output)
{
    struct json_raw_iter iter = {.rest = output};
    struct str key, item, id;
    json_write_begin_array(w);
    while (json_raw_next(&iter, &key, &item)) {
        json_write_begin_object(w);
        if (item.ptr[0] == '{' && json_raw_member(item, "id", &id) == STATUS_OK)
            json_write_field_raw(w, "id", id);
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

static bool slim_response(struct json_writer *w, struct str object)
{
    struct json_raw_iter iter = {.rest = object, .skims = true};
    struct str key, span;
    json_write_begin_object(w);
    while (json_raw_next(&iter, &key, &span)) {
        if (str_find_byte(key, '\\', 0) != STR_NONE)
            return false;
        if (!is_read(key))
            continue;
        json_write_key_str(w, key);
        if (str_eq_c(key, "output") && span.ptr[0] == '[')
            write_ids(w, span);
        else
            json_write_raw(w, span);
    }
    json_write_end_object(w);
    return !iter.failed;
}

/* What is left out is 20 KB of text that nobody reads: the rest is checked when it is parsed. */
bool responses_event_slim(struct str message, struct buf *slim)
{
    struct json_raw_iter iter = {.rest = message, .skims = true};
    struct json_writer w;
    struct str key, span;
    bool is_whole = true, has_response = false;
    buf_clear(slim);
    json_writer_init(&w, slim);
    json_write_begin_object(&w);
    while (is_whole && json_raw_next(&iter, &key, &span)) {
        is_whole = key.ptr && str_find_byte(key, '\\', 0) == STR_NONE;
        json_write_key_str(&w, key);
        if (str_eq_c(key, "response") && span.ptr[0] == '{') {
            is_whole = is_whole && slim_response(&w, span);
            has_response = true;
        } else {
            json_write_raw(&w, span);
        }
    }
    json_write_end_object(&w);
    return is_whole && has_response && !iter.failed;
}

bool responses_event_read_refusal(const struct json_value *value, struct responses_event *ret_event)
{
    if (json_type_of(json_get(value, "error")) == JSON_NULL)
        return false;
    *ret_event = (struct responses_event){
        .type = STR("error"), .sequence = -1, .output_index = -1, .value = value};
    read_error(ret_event, value);
    return true;
}

void responses_usage_read(const struct json_value *response, struct responses_usage *ret_usage)
{
    const struct json_value *usage = json_get(response, "usage");
    if (!json_is(usage, JSON_OBJECT))
        return;
    *ret_usage = (struct responses_usage){
        .input_tokens = json_get_int(usage, "input_tokens", 0),
        .cached_tokens = json_int(json_at(usage, "input_tokens_details", "cached_tokens", NULL), 0),
        .output_tokens = json_get_int(usage, "output_tokens", 0),
        .reasoning_tokens =
            json_int(json_at(usage, "output_tokens_details", "reasoning_tokens", NULL), 0),
    };
}

struct responses_usage responses_usage_sum(const struct responses_usage *a,
                                           const struct responses_usage *b)
{
    return (struct responses_usage){
        .input_tokens = a->input_tokens + b->input_tokens,
        .cached_tokens = a->cached_tokens + b->cached_tokens,
        .output_tokens = a->output_tokens + b->output_tokens,
        .reasoning_tokens = a->reasoning_tokens + b->reasoning_tokens,
    };
}
