/* Reads a request into verbatim spans: nothing is copied, no tree is built. */
#include "endpoint-internal.h"

enum shape { SHAPE_STRING, SHAPE_BOOL, SHAPE_NUMBER, SHAPE_OBJECT, SHAPE_ARRAY, SHAPE_ANY };

static const char *const shape_names[] = {"a string",  "true or false", "a number",
                                          "an object", "an array",      "something"};

static const struct {
    const char *name;
    enum shape shape;
} fields[REQUEST_FIELD_COUNT] = {
    [FIELD_TYPE] = {"type", SHAPE_STRING},
    [FIELD_STREAM_ID] = {"stream_id", SHAPE_ANY}, /* has an error of its own */
    [FIELD_PREVIOUS] = {"previous_response_id", SHAPE_STRING},
    [FIELD_RESPONSE_ID] = {"response_id", SHAPE_STRING},
    [FIELD_INPUT] = {"input", SHAPE_ANY},
    [FIELD_MODEL] = {"model", SHAPE_STRING},
    [FIELD_INSTRUCTIONS] = {"instructions", SHAPE_STRING},
    [FIELD_TOOLS] = {"tools", SHAPE_ARRAY},
    [FIELD_TOOL_CHOICE] = {"tool_choice", SHAPE_ANY},
    [FIELD_STORE] = {"store", SHAPE_BOOL},
    [FIELD_GENERATE] = {"generate", SHAPE_BOOL},
    [FIELD_STREAM] = {"stream", SHAPE_BOOL},
    [FIELD_BACKGROUND] = {"background", SHAPE_BOOL},
    [FIELD_CONVERSATION] = {"conversation", SHAPE_ANY},
    [FIELD_CONTEXT_MANAGEMENT] = {"context_management", SHAPE_ARRAY},
    [FIELD_METADATA] = {"metadata", SHAPE_OBJECT},
    [FIELD_REASONING] = {"reasoning", SHAPE_OBJECT},
    [FIELD_TEXT] = {"text", SHAPE_OBJECT},
    [FIELD_MAX_OUTPUT_TOKENS] = {"max_output_tokens", SHAPE_NUMBER},
    [FIELD_MAX_TOOL_CALLS] = {"max_tool_calls", SHAPE_NUMBER},
    [FIELD_PARALLEL_TOOL_CALLS] = {"parallel_tool_calls", SHAPE_BOOL},
    [FIELD_PROMPT_CACHE_KEY] = {"prompt_cache_key", SHAPE_STRING},
    [FIELD_SAFETY_IDENTIFIER] = {"safety_identifier", SHAPE_STRING},
    [FIELD_SERVICE_TIER] = {"service_tier", SHAPE_STRING},
    [FIELD_TEMPERATURE] = {"temperature", SHAPE_NUMBER},
    [FIELD_TOP_LOGPROBS] = {"top_logprobs", SHAPE_NUMBER},
    [FIELD_TOP_P] = {"top_p", SHAPE_NUMBER},
    [FIELD_TRUNCATION] = {"truncation", SHAPE_STRING},
    [FIELD_PRESENCE_PENALTY] = {"presence_penalty", SHAPE_NUMBER},
    [FIELD_FREQUENCY_PENALTY] = {"frequency_penalty", SHAPE_NUMBER},
};

const char *request_field_name(enum request_field field)
{
    return fields[field].name;
}

static enum shape shape_of(struct str span)
{
    switch (span.ptr[0]) {
    case '"':
        return SHAPE_STRING;
    case '{':
        return SHAPE_OBJECT;
    case '[':
        return SHAPE_ARRAY;
    case 't':
    case 'f':
        return SHAPE_BOOL;
    default:
        return SHAPE_NUMBER;
    }
}

static enum status keep_field(struct request *request, struct str key, struct str value,
                              struct problem *problem)
{
    size_t i = 0;
    while (i < REQUEST_FIELD_COUNT && !json_raw_key_is(key, fields[i].name))
        i++;
    if (i == REQUEST_FIELD_COUNT || str_eq_c(value, "null"))
        return STATUS_OK;
    if (fields[i].shape != SHAPE_ANY && shape_of(value) != fields[i].shape)
        return problem_set(problem, PROBLEM_TYPE, fields[i].name,
                           "Invalid type for '%s': expected %s.", fields[i].name,
                           shape_names[fields[i].shape]);
    request->span[i] = value;
    return STATUS_OK;
}

static bool flag(const struct request *request, enum request_field field, bool fallback)
{
    struct str span = request->span[field];
    return span.len ? span.ptr[0] == 't' : fallback;
}

static enum status check(const struct request *request, struct problem *problem)
{
    struct str input = request->span[FIELD_INPUT];
    if (input.len && shape_of(input) != SHAPE_STRING && shape_of(input) != SHAPE_ARRAY)
        return problem_set(problem, PROBLEM_TYPE, "input",
                           "Invalid type for 'input': expected a string or an array of items.");
    if (request->span[FIELD_CONVERSATION].len)
        return problem_set(problem, PROBLEM_UNSUPPORTED_PARAMETER, "conversation",
                           "This endpoint keeps no conversations: send previous_response_id or "
                           "the full input instead of 'conversation'.");
    if (flag(request, FIELD_BACKGROUND, false))
        return problem_set(problem, PROBLEM_UNSUPPORTED_PARAMETER, "background",
                           "This endpoint runs no background responses: leave 'background' out.");
    return STATUS_OK;
}

enum status request_read(struct request *request, struct str text, struct problem *problem)
{
    *request = (struct request){.text = text, .begun_ns = time_mono_ns()};
    struct json_raw_iter iter = {.rest = text};
    struct str key, value;
    struct str start = str_trim(text);
    if (start.len == 0 || start.ptr[0] != '{' || !utf8_is_valid(text, NULL))
        return problem_set(problem, PROBLEM_NOT_JSON, NULL,
                           "The request is no JSON object in UTF-8.");
    enum status status = STATUS_OK;
    while (status == STATUS_OK && json_raw_next(&iter, &key, &value))
        status = keep_field(request, key, value, problem);
    if (iter.failed)
        return problem_set(problem, PROBLEM_NOT_JSON, NULL, "The request is broken JSON.");
    if (status == STATUS_OK)
        status = check(request, problem);
    request->store = flag(request, FIELD_STORE, true);
    request->generate = flag(request, FIELD_GENERATE, true);
    request->stream = flag(request, FIELD_STREAM, false);
    return status;
}

void request_own(struct request *request)
{
    if (request->owned)
        return;
    request->owned = str_dup_c(request->text);
    for (size_t i = 0; i < REQUEST_FIELD_COUNT; i++) {
        struct str *span = &request->span[i];
        bool is_joined = i == FIELD_INPUT && request->joined.len > 0;
        if (span->len && !is_joined)
            span->ptr = request->owned + (span->ptr - request->text.ptr);
    }
    request->text.ptr = request->owned;
}

void request_finish(struct request *request)
{
    mem_free(request->owned);
    buf_finish(&request->joined);
    *request = (struct request){0};
}

struct str request_inner(const struct request *request, enum request_field field)
{
    return json_raw_inside(request->span[field]);
}
