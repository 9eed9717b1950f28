/* Steering: user messages for a response that runs. They are applied between two items: the
 * response ends as incomplete ("steered") and a successor takes it from there. After the last item
 * the successor follows by itself; where calls are open, the messages wait for their outputs and go
 * before them. */
#include <string.h>

#include "endpoint-internal.h"

enum { STEERS_COUNT = 8 };

static const char *const messages[] = {
    [STEER_INVALID] = "Steering takes a string or a non-empty array of user messages.",
    [STEER_NOT_FOUND] = "There is no response with that id on this connection.",
    [STEER_NOT_SUPPORTED] = "This endpoint does not steer.",
    [STEER_TOO_MANY] = "Too much steering input is pending for this response.",
    [STEER_COMPLETED] = "The response has completed and takes no steering input.",
    [STEER_NOT_ACTIVE] = "The response takes no steering input any more.",
    [STEER_NO_SUCCESSOR] = "The successor could not be created.",
};
static const char *const codes[] = {
    [STEER_INVALID] = "invalid_input",
    [STEER_NOT_FOUND] = "response_not_found",
    [STEER_NOT_SUPPORTED] = "steering_not_supported",
    [STEER_TOO_MANY] = "too_many_pending_steers",
    [STEER_COMPLETED] = "response_already_completed",
    [STEER_NOT_ACTIVE] = "response_not_active",
    [STEER_NO_SUCCESSOR] = "successor_creation_failed",
};

/* -- Events ---------------------------------------------------------------------------------------
 */

static void begin(struct json_writer *w, struct buf *json, const char *type, struct str lane,
                  int64_t sequence)
{
    json_writer_init(w, json);
    json_write_begin_object(w);
    json_write_field_c(w, "type", type);
    json_write_field_int(w, "sequence_number", sequence);
    if (lane.len > 0)
        json_write_field_str(w, "stream_id", lane);
}

static void write_steer(struct json_writer *w, const char *id, struct str previous,
                        struct str input)
{
    json_write_key(w, "steer");
    json_write_begin_object(w);
    if (id)
        json_write_field_c(w, "id", id);
    json_write_field_str(w, "previous_response_id", previous);
    if (input.len > 0)
        json_write_field_raw(w, "input", input);
    json_write_end_object(w);
}

void steer_append_failed(struct buf *json, enum steer_refusal why, struct str lane,
                         int64_t sequence, const char *id, struct str previous, struct str input)
{
    struct json_writer w;
    begin(&w, json, "response.steer.failed", lane, sequence);
    write_steer(&w, id, previous, input);
    json_write_key(&w, "error");
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "invalid_request_error");
    json_write_field_c(&w, "code", codes[why]);
    json_write_field_c(&w, "message", messages[why]);
    json_write_end_object(&w);
    json_write_end_object(&w);
}

void steer_append_pending(struct buf *json, const struct steer *steer, const struct record *record,
                          struct str lane, int64_t sequence)
{
    struct json_writer w;
    begin(&w, json, "response.steer.pending", lane, sequence);
    write_steer(&w, steer->id, str_from(record->id), (struct str){0});
    json_write_field_c(&w, "reason", "waiting_for_required_input");
    json_write_key(&w, "required_input");
    json_write_begin_array(&w);
    for (size_t i = 0; i < record->pending.len; i++) {
        json_write_begin_object(&w);
        json_write_field_c(&w, "type",
                           record->pending.ptr[i].is_custom ? "custom_tool_call_output"
                                                            : "function_call_output");
        json_write_field_c(&w, "call_id", record->pending.ptr[i].call_id);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
}

/* -- Taking ---------------------------------------------------------------------------------------
 */

static bool is_user_message(struct str item)
{
    struct str role = {0}, type = {0}, call_id, content;
    if (item.ptr[0] != '{' || json_raw_member(item, "content", &content) < 0)
        return false;
    json_raw_member(item, "role", &role);
    bool typed = json_raw_member(item, "type", &type) == STATUS_OK;
    return str_eq_c(role, "\"user\"") && (!typed || str_eq_c(type, "\"message\"")) &&
           json_raw_member(item, "call_id", &call_id) < 0;
}

/* As items without the brackets around them. */
static bool append_items(struct buf *items, struct str input)
{
    if (input.len == 0 || (input.ptr[0] != '"' && input.ptr[0] != '['))
        return false;
    if (input.ptr[0] == '"') {
        buf_append_fmt(items, "{\"type\":\"message\",\"role\":\"user\",\"content\":" STR_FMT "}",
                       STR_ARG(input));
        return true;
    }
    struct json_raw_iter iter = {.rest = input};
    struct str key, item;
    while (json_raw_next(&iter, &key, &item)) {
        if (!is_user_message(item))
            return false;
        if (items->len > 0)
            buf_append_byte(items, ',');
        buf_append(items, item);
    }
    return items->len > 0;
}

bool steer_take(struct answer *answer, struct str input, enum steer_refusal *ret_why)
{
    struct steer steer = {0};
    if (answer->endpoint->without_steering || answer->may_compact) {
        *ret_why = STEER_NOT_SUPPORTED;
    } else if (answer->steers.len >= STEERS_COUNT) {
        *ret_why = STEER_TOO_MANY;
    } else if (answer->phase == PHASE_OVER || answer->state == ANSWER_LEAVING) {
        *ret_why = STEER_NOT_ACTIVE;
    } else if (!append_items(&steer.items, input)) {
        *ret_why = STEER_INVALID;
    } else {
        id_make("steer", steer.id);
        vec_push(&answer->steers, steer);
        struct buf json = {0};
        struct json_writer w;
        begin(&w, &json, "response.steer.accepted", str_from(answer->lane), answer->sequence++);
        write_steer(&w, steer.id, str_from(answer->id), (struct str){0});
        json_write_end_object(&w);
        answer->ops->on_event(answer->user, "response.steer.accepted", &json);
        answer_wake(answer);
        return true;
    }
    buf_finish(&steer.items);
    return false;
}

void steers_finish(struct steers *steers)
{
    for (size_t i = 0; i < steers->len; i++)
        buf_finish(&steers->ptr[i].items);
    vec_finish(steers);
}

/* -- Successors -----------------------------------------------------------------------------------
 */

/* What a successor inherits. */
void steer_append_settings(struct buf *text, const struct request *request)
{
    static const enum request_field left_out[] = {FIELD_TYPE, FIELD_STREAM_ID, FIELD_PREVIOUS,
                                                  FIELD_INPUT, FIELD_GENERATE};
    for (size_t i = 0; i < REQUEST_FIELD_COUNT; i++) {
        bool inherited = request->span[i].len > 0;
        for (size_t j = 0; j < array_count(left_out); j++)
            inherited &= i != left_out[j];
        if (inherited)
            buf_append_fmt(text, "\"%s\":" STR_FMT ",", request_field_name((enum request_field)i),
                           STR_ARG(request->span[i]));
    }
}

static void append_steers(struct buf *text, const struct steers *steers)
{
    for (size_t i = 0; i < steers->len; i++) {
        if (i > 0)
            buf_append_byte(text, ',');
        buf_append(text, buf_str(&steers->ptr[i].items));
    }
}

void steer_append_successor(struct buf *text, struct str settings, const char *previous,
                            const struct steers *steers)
{
    buf_append_fmt(text, "{" STR_FMT "\"previous_response_id\":\"%s\",\"input\":[",
                   STR_ARG(settings), previous);
    append_steers(text, steers);
    buf_append_c(text, "]}");
}

/* A string input is a user message. */
static bool append_own_items(struct buf *items, struct str input)
{
    if (input.ptr[0] != '[')
        return append_items(items, input);
    buf_append(items, str_trim(str_slice(input, 1, input.len - 1)));
    return items->len > 0;
}

void steer_prepend(struct request *request, const struct steers *steers)
{
    struct str input = request->span[FIELD_INPUT];
    struct buf text = {0}, own = {0};
    buf_append_c(&text, "[");
    append_steers(&text, steers);
    if (input.len > 0 && append_own_items(&own, input)) {
        buf_append_byte(&text, ',');
        buf_append(&text, buf_str(&own));
    }
    buf_append_byte(&text, ']');
    buf_finish(&own);
    buf_finish(&request->joined);
    request->joined = text;
    request->span[FIELD_INPUT] = buf_str(&request->joined);
}
