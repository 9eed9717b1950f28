/* The response object and its items. Every member is there, null where it is not used. */
#include "endpoint-internal.h"

/* -- What is echoed -------------------------------------------------------------------------------
 */

static const struct {
    const char *name, *fallback;
    enum request_field field;
} echoed[] = {
    {"access_programs", "null", REQUEST_FIELD_COUNT},
    {"background", "false", REQUEST_FIELD_COUNT},
    {"instructions", "null", FIELD_INSTRUCTIONS},
    {"max_output_tokens", "null", FIELD_MAX_OUTPUT_TOKENS},
    {"max_tool_calls", "null", FIELD_MAX_TOOL_CALLS},
    {"parallel_tool_calls", "true", FIELD_PARALLEL_TOOL_CALLS},
    {"previous_response_id", "null", FIELD_PREVIOUS},
    {"prompt_cache_key", "null", FIELD_PROMPT_CACHE_KEY},
    {"safety_identifier", "null", FIELD_SAFETY_IDENTIFIER},
    {"service_tier", "\"default\"", REQUEST_FIELD_COUNT},
    {"temperature", "1", FIELD_TEMPERATURE},
    {"tool_choice", "\"auto\"", FIELD_TOOL_CHOICE},
    {"top_logprobs", "0", FIELD_TOP_LOGPROBS},
    {"top_p", "1", FIELD_TOP_P},
    {"truncation", "\"disabled\"", FIELD_TRUNCATION},
    {"presence_penalty", "0", FIELD_PRESENCE_PENALTY},
    {"frequency_penalty", "0", FIELD_FREQUENCY_PENALTY},
};

struct addition {
    const char *name, *fallback;
};

/* The object with those members that its schema wants and the client left out. */
static void write_completed(struct json_writer *w, struct str object,
                            const struct addition *additions, size_t count)
{
    struct str span;
    json_write_begin_object(w);
    struct json_raw_iter iter = {.rest = object};
    struct str key, value;
    while (object.len && json_raw_next(&iter, &key, &value)) {
        json_write_key_str(w, key);
        json_write_raw(w, value);
    }
    for (size_t i = 0; i < count; i++)
        if (!object.len || json_raw_member(object, additions[i].name, &span) != STATUS_OK)
            json_write_field_raw(w, additions[i].name, str_from(additions[i].fallback));
    json_write_end_object(w);
}

static void write_tools(struct json_writer *w, struct str tools)
{
    static const struct addition missing[] = {
        {"description", "null"}, {"parameters", "null"}, {"strict", "true"}};
    struct json_raw_iter iter = {.rest = tools};
    struct str key, tool, type;
    json_write_key(w, "tools");
    json_write_begin_array(w);
    while (tools.len && json_raw_next(&iter, &key, &tool)) {
        bool is_function = tool.ptr[0] == '{' &&
                           json_raw_member(tool, "type", &type) == STATUS_OK &&
                           str_eq_c(type, "\"function\"");
        write_completed(w, tool, missing, is_function ? array_count(missing) : 0);
    }
    json_write_end_array(w);
}

void response_append_constant(struct buf *buf, const struct request *request, struct str model,
                              const char *id, uint64_t created_at)
{
    static const struct addition text[] = {{"format", "{\"type\":\"text\"}"}};
    static const struct addition reasoning[] = {{"effort", "null"}, {"summary", "null"}};
    struct json_writer w;
    json_writer_init(&w, buf);
    json_write_field_c(&w, "id", id);
    json_write_field_c(&w, "object", "response");
    json_write_field_int(&w, "created_at", (int64_t)created_at);
    json_write_field_str(&w, "model", model);
    json_write_field_bool(&w, "store", request->store);
    for (size_t i = 0; i < array_count(echoed); i++) {
        struct str span = {0};
        if (echoed[i].field != REQUEST_FIELD_COUNT)
            span = request->span[echoed[i].field];
        json_write_field_raw(&w, echoed[i].name, span.len ? span : str_from(echoed[i].fallback));
    }
    json_write_key(&w, "text");
    write_completed(&w, request->span[FIELD_TEXT], text, array_count(text));
    json_write_key(&w, "reasoning");
    write_completed(&w, request->span[FIELD_REASONING], reasoning, array_count(reasoning));
    write_tools(&w, request->span[FIELD_TOOLS]);
    buf_append_byte(buf, ',');
}

void response_append_metadata(struct buf *buf, const struct endpoint *endpoint,
                              const struct request *request)
{
    struct json_writer w;
    json_writer_init(&w, buf);
    struct json_raw_iter iter = {.rest = request->span[FIELD_METADATA]};
    struct str key, value;
    while (iter.rest.len && json_raw_next(&iter, &key, &value)) {
        buf_append_fmt(buf, "\"" STR_FMT "\":", STR_ARG(key));
        buf_append(buf, value);
        buf_append_byte(buf, ',');
    }
    json_write_field_c(&w, "lanebridge_engine", endpoint->engine->about);
    json_write_field_c(&w, "lanebridge_usage",
                       endpoint->tokenizer && !endpoint->engine->counts ? endpoint->usage_name
                                                                        : endpoint->engine->usage);
}

/* -- Items ----------------------------------------------------------------------------------------
 */

static void write_status(struct json_writer *w, const struct plan_item *item, bool done)
{
    json_write_field_c(w, "status", !done ? "in_progress" : item->cut ? "incomplete" : "completed");
}

static void write_message(struct json_writer *w, const struct plan_item *item, bool done)
{
    json_write_field_c(w, "type", "message");
    write_status(w, item, done);
    json_write_field_c(w, "role", "assistant");
    if (item->phase.len)
        json_write_field_str(w, "phase", item->phase);
    json_write_key(w, "content");
    json_write_begin_array(w);
    if (done) {
        json_write_begin_object(w);
        json_write_field_c(w, "type", "output_text");
        json_write_field_str(w, "text", item->text);
        json_write_field_raw(w, "annotations", STR("[]"));
        json_write_field_raw(w, "logprobs", STR("[]"));
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

static void write_reasoning(struct json_writer *w, const struct plan_item *item, bool done)
{
    json_write_field_c(w, "type", "reasoning");
    json_write_key(w, "summary");
    json_write_begin_array(w);
    if (done && item->text.len) {
        json_write_begin_object(w);
        json_write_field_c(w, "type", "summary_text");
        json_write_field_str(w, "text", item->text);
        json_write_end_object(w);
    }
    json_write_end_array(w);
    struct buf opaque = {0};
    buf_append_fmt(&opaque, "opaque.%s", item->id); /* intake.c reads it */
    json_write_field_str(w, "encrypted_content", done ? buf_str(&opaque) : STR(""));
    buf_finish(&opaque);
}

static void write_thought(struct json_writer *w, const struct plan_item *item, bool done)
{
    json_write_field_c(w, "type", "reasoning");
    write_status(w, item, done);
    json_write_field_raw(w, "summary", STR("[]"));
    json_write_key(w, "content");
    json_write_begin_array(w);
    if (done && item->text.len) {
        json_write_begin_object(w);
        json_write_field_c(w, "type", "reasoning_text");
        json_write_field_str(w, "text", item->text);
        json_write_end_object(w);
    }
    json_write_end_array(w);
}

static void write_call(struct json_writer *w, const struct plan_item *item, bool done)
{
    bool custom = item->kind == ITEM_CUSTOM_CALL;
    json_write_field_c(w, "type", custom ? "custom_tool_call" : "function_call");
    write_status(w, item, done);
    json_write_field_str(w, custom ? "input" : "arguments", done ? item->text : STR(""));
    json_write_field_c(w, "call_id", item->call_id);
    json_write_field_str(w, "name", item->name);
    if (item->space.len > 0)
        json_write_field_str(w, "namespace", buf_str(&item->space));
}

/* The script's own object; ids are ours unless it has some. */
static void write_other(struct json_writer *w, const struct plan_item *item)
{
    struct json_raw_iter iter = {.rest = item->body};
    struct str key, value;
    while (json_raw_next(&iter, &key, &value)) {
        bool ours = str_eq_c(key, "id") || (str_eq_c(key, "call_id") && item->call_id[0]);
        if (ours)
            continue;
        json_write_key_str(w, key);
        json_write_raw(w, value);
    }
    if (item->call_id[0])
        json_write_field_c(w, "call_id", item->call_id);
}

void item_write(struct json_writer *w, const struct plan_item *item, bool done)
{
    json_write_begin_object(w);
    json_write_field_c(w, "id", item->id);
    switch (done && item->whole.len > 0 ? ITEM_OTHER : item->kind) {
    case ITEM_MESSAGE:
        write_message(w, item, done);
        break;
    case ITEM_REASONING:
        write_reasoning(w, item, done);
        break;
    case ITEM_THOUGHT:
        write_thought(w, item, done);
        break;
    case ITEM_FUNCTION_CALL:
    case ITEM_CUSTOM_CALL:
        write_call(w, item, done);
        break;
    case ITEM_COMPACTION:
    case ITEM_OTHER:
    case ITEM_KIND_COUNT:
        write_other(w, item);
        break;
    }
    json_write_end_object(w);
}

/* -- The whole ------------------------------------------------------------------------------------
 */

static void write_output(struct json_writer *w, const struct plan *plan)
{
    json_write_key(w, "output");
    json_write_begin_array(w);
    for (size_t i = 0; plan && i < plan->items.len; i++)
        if (plan->items.ptr[i].done)
            item_write(w, &plan->items.ptr[i], true);
    json_write_end_array(w);
}

void response_write_usage(struct json_writer *w, const struct usage *usage)
{
    json_write_key(w, "usage");
    if (!usage) {
        json_write_null(w);
        return;
    }
    json_write_begin_object(w);
    json_write_field_int(w, "input_tokens", usage->input);
    json_write_key(w, "input_tokens_details");
    json_write_begin_object(w);
    json_write_field_int(w, "cached_tokens", usage->cached);
    json_write_field_int(w, "cache_write_tokens", usage->written);
    json_write_end_object(w);
    json_write_field_int(w, "output_tokens", usage->output);
    json_write_key(w, "output_tokens_details");
    json_write_begin_object(w);
    json_write_field_int(w, "reasoning_tokens", usage->reasoning);
    json_write_end_object(w);
    json_write_field_int(w, "total_tokens", usage->input + usage->output);
    json_write_end_object(w);
}

static void write_ending(struct json_writer *w, const struct response_state *state)
{
    json_write_key(w, "completed_at");
    if (state->completed_at)
        json_write_int(w, (int64_t)state->completed_at);
    else
        json_write_null(w);
    json_write_key(w, "error");
    if (state->error_code) {
        json_write_begin_object(w);
        json_write_field_c(w, "code", state->error_code);
        json_write_field_c(w, "message", state->error_message);
        json_write_end_object(w);
    } else {
        json_write_null(w);
    }
    json_write_key(w, "incomplete_details");
    if (state->reason) {
        json_write_begin_object(w);
        json_write_field_c(w, "reason", state->reason);
        json_write_end_object(w);
    } else {
        json_write_null(w);
    }
}

void response_append(struct buf *buf, struct str constant, struct str metadata,
                     const struct response_state *state)
{
    size_t start = buf->len;
    struct json_writer w;
    buf_append_byte(buf, '{');
    buf_append(buf, constant);
    json_writer_init(&w, buf);
    json_write_field_c(&w, "status", state->status);
    write_ending(&w, state);
    if (!state->without_output)
        write_output(&w, state->plan);
    response_write_usage(&w, state->usage);
    json_write_key(&w, "metadata");
    json_write_begin_object(&w);
    buf_append(buf, metadata);
    w.need_comma = true;
    if (state->stages.len)
        json_write_field_str(&w, "lanebridge_stages_us", state->stages);
    size_t so_far = buf->len - start;
    if (state->pad_bytes > so_far) {
        struct buf padding = {0};
        buf_append_repeat(&padding, 'x', state->pad_bytes - so_far);
        json_write_field_str(&w, "lanebridge_padding", buf_str(&padding));
        buf_finish(&padding);
    }
    json_write_end_object(&w);
    buf_append_byte(buf, '}');
}
