/* Writing a request: straight into the frame, items verbatim, never through a tree. */
#include "responses-internal.h"

#include <string.h>

static const struct {
    const char *param;
    unsigned option;
} options[] = {
    {"stream_id", OPTION_LANES},
    {"generate", OPTION_GENERATE},
    {"context_management", OPTION_CONTEXT_MANAGEMENT},
    {"stream_options", OPTION_STREAM_OPTIONS},
    {"include_obfuscation", OPTION_STREAM_OPTIONS},
    {"prompt_cache_key", OPTION_PROMPT_CACHE_KEY},
    {"include", OPTION_INCLUDE},
    {"parallel_tool_calls", OPTION_PARALLEL},
    {"reasoning.summary", OPTION_REASONING_SUMMARY},
    {"tool_choice", OPTION_TOOL_CHOICE},
    {"input[0].tools", OPTION_ADDITIONAL_TOOLS},
    {"input[0].type", OPTION_ADDITIONAL_TOOLS},
    {"input[0]", OPTION_ADDITIONAL_TOOLS},
};

/* "include[0]" and "stream_options.include_obfuscation" mean their member. */
static bool param_is(struct str param, struct str name)
{
    if (!str_starts_with(param, name))
        return false;
    return param.len == name.len || strchr(".[", param.ptr[name.len]);
}

unsigned responses_option_find(struct str param)
{
    for (size_t i = 0; i < array_count(options); i++) {
        if (param_is(param, str_from(options[i].param)))
            return options[i].option;
    }
    return 0;
}

void responses_request_copy(struct request_copy *copy, const struct responses_request *request)
{
    copy->request = *request;
    struct str *const texts[] = {
        &copy->request.model,  &copy->request.instructions,     &copy->request.tools,
        &copy->request.effort, &copy->request.prompt_cache_key, &copy->request.extra};
    size_t total = 0;
    for (size_t i = 0; i < array_count(texts); i++)
        total += texts[i]->len;
    copy->bytes = (struct buf){0};
    buf_reserve(&copy->bytes, total + 1); /* so that it does not move */
    for (size_t i = 0; i < array_count(texts); i++) {
        size_t start = copy->bytes.len;
        buf_append(&copy->bytes, *texts[i]);
        *texts[i] = (struct str){copy->bytes.ptr + start, texts[i]->len};
    }
}

/* What runs on the server's side and leaves traces there or elsewhere. */
static const char *const tools_with_effects[] = {"mcp", "code_interpreter", "computer",
                                                 "computer_use_preview", "image_generation"};

bool responses_request_has_effects(const struct responses_request *request)
{
    struct json_raw_iter iter = {.rest = request->tools};
    struct str key, tool, type;
    while (request->tools.len > 0 && json_raw_next(&iter, &key, &tool)) {
        if (json_raw_member(tool, "type", &type) < 0 || type.len < 2)
            continue;
        type = str_slice(type, 1, type.len - 1); /* without its quotes */
        for (size_t i = 0; i < array_count(tools_with_effects); i++) {
            if (str_eq_c(type, tools_with_effects[i]))
                return true;
        }
    }
    return false;
}

static void write_tools(struct json_writer *w, const struct responses_request *request,
                        const struct request_shape *shape)
{
    if (request->tools.len == 0)
        return;
    if (!shape->additional_tools)
        json_write_field_raw(w, "tools", request->tools);
    if (!(shape->refused & OPTION_PARALLEL))
        json_write_field_bool(w, "parallel_tool_calls", request->parallel_tool_calls);
}

static void write_reasoning(struct json_writer *w, const struct responses_request *request,
                            const struct request_shape *shape)
{
    if (request->effort.len == 0)
        return;
    json_write_key(w, "reasoning");
    json_write_begin_object(w);
    json_write_field_str(w, "effort", request->effort);
    if (!(shape->refused & OPTION_REASONING_SUMMARY))
        json_write_field_c(w, "summary", "auto");
    json_write_end_object(w);
}

/* The caller's own members, without what the endpoint refuses. */
static void write_extra(struct json_writer *w, const struct responses_request *request,
                        const struct request_shape *shape)
{
    if (request->extra.len == 0)
        return;
    struct buf object = {0};
    buf_append_byte(&object, '{');
    buf_append(&object, request->extra);
    buf_append_byte(&object, '}');
    struct json_raw_iter iter = {.rest = buf_str(&object)};
    struct str key, value;
    while (json_raw_next(&iter, &key, &value)) {
        if (responses_option_find(key) & shape->refused)
            continue;
        json_write_key_str(w, key);
        json_write_raw(w, value);
    }
    buf_finish(&object);
}

static void write_context_management(struct json_writer *w, int64_t threshold)
{
    json_write_key(w, "context_management");
    json_write_begin_array(w);
    json_write_begin_object(w);
    json_write_field_c(w, "type", "compaction");
    json_write_field_int(w, "compact_threshold", threshold);
    json_write_end_object(w);
    json_write_end_array(w);
}

static void write_options(struct json_writer *w, const struct responses_request *request,
                          const struct request_shape *shape)
{
    json_write_field_bool(w, "store", shape->store);
    if (!shape->store && !(shape->refused & OPTION_INCLUDE))
        json_write_field_raw(w, "include", STR("[\"reasoning.encrypted_content\"]"));
    if (!(shape->refused & OPTION_STREAM_OPTIONS))
        json_write_field_raw(w, "stream_options", STR("{\"include_obfuscation\":false}"));
    if (request->prompt_cache_key.len > 0 && !(shape->refused & OPTION_PROMPT_CACHE_KEY))
        json_write_field_str(w, "prompt_cache_key", request->prompt_cache_key);
    if (request->compact_threshold > 0 && !(shape->refused & OPTION_CONTEXT_MANAGEMENT))
        write_context_management(w, request->compact_threshold);
    if (request->max_output_tokens > 0)
        json_write_field_int(w, "max_output_tokens", request->max_output_tokens);
}

/* The newest models take their tools once, as an item; later frames are then 15 KB smaller. */
static void write_tools_item(struct json_writer *w, struct str tools)
{
    json_write_begin_object(w);
    json_write_field_c(w, "type", "additional_tools");
    json_write_field_c(w, "role", "developer");
    json_write_field_raw(w, "tools", tools);
    json_write_end_object(w);
}

static void write_input(struct json_writer *w, const struct responses_request *request,
                        const struct request_shape *shape)
{
    json_write_key(w, "input");
    json_write_begin_array(w);
    if (shape->additional_tools && shape->previous.len == 0 && request->tools.len > 0)
        write_tools_item(w, request->tools);
    for (size_t i = shape->first; i < request->history.count; i++)
        json_write_raw(w, request->history.item(request->history.user, i));
    json_write_end_array(w);
}

void responses_request_write(const struct responses_request *request,
                             const struct request_shape *shape, struct buf *buf)
{
    bool is_socket = shape->transport == TRANSPORT_WEBSOCKET;
    struct json_writer w;
    json_writer_init(&w, buf);
    json_write_begin_object(&w);
    if (is_socket)
        json_write_field_c(&w, "type", "response.create");
    else
        json_write_field_bool(&w, "stream", true);
    if (is_socket && shape->lane.len > 0)
        json_write_field_str(&w, "stream_id", shape->lane);
    json_write_field_str(&w, "model", request->model);
    if (shape->previous.len > 0)
        json_write_field_str(&w, "previous_response_id", shape->previous);
    if (is_socket && request->warm_up)
        json_write_field_bool(&w, "generate", false);
    if (request->instructions.len > 0)
        json_write_field_str(&w, "instructions", request->instructions);
    write_tools(&w, request, shape);
    write_reasoning(&w, request, shape);
    write_options(&w, request, shape);
    write_extra(&w, request, shape);
    write_input(&w, request, shape);
    json_write_end_object(&w);
}

/* Without tools and settings of a response: it takes none of them. */
void responses_request_write_compact(const struct responses_request *request, unsigned refused,
                                     struct buf *buf)
{
    const struct request_shape shape = {.transport = TRANSPORT_COMPACT, .refused = refused};
    struct json_writer w;
    json_writer_init(&w, buf);
    json_write_begin_object(&w);
    json_write_field_str(&w, "model", request->model);
    if (request->instructions.len > 0)
        json_write_field_str(&w, "instructions", request->instructions);
    if (request->prompt_cache_key.len > 0 && !(refused & OPTION_PROMPT_CACHE_KEY))
        json_write_field_str(&w, "prompt_cache_key", request->prompt_cache_key);
    write_input(&w, request, &shape);
    json_write_end_object(&w);
}
