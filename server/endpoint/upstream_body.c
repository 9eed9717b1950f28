/* The bodies of both kinds of request. */
#include <string.h>

#include "upstream-internal.h"

/* -- What was asked -------------------------------------------------------------------------------
 */

static bool is_kept(enum request_field field)
{
    return field != FIELD_INPUT && field != FIELD_TYPE && field != FIELD_STREAM_ID &&
           field != FIELD_PREVIOUS && field != FIELD_METADATA;
}

void upstream_ask_copy(struct upstream_ask *ask, const struct request *request)
{
    size_t total = 0;
    *ask = (struct upstream_ask){.generate = request->generate};
    for (size_t i = 0; i < REQUEST_FIELD_COUNT; i++)
        total += is_kept((enum request_field)i) ? request->span[i].len : 0;
    buf_reserve(&ask->text, total);
    for (size_t i = 0; i < REQUEST_FIELD_COUNT; i++) {
        if (!is_kept((enum request_field)i) || request->span[i].len == 0)
            continue;
        ask->span[i] = (struct str){ask->text.ptr + ask->text.len, request->span[i].len};
        buf_append(&ask->text, request->span[i]);
    }
}

void upstream_ask_finish(struct upstream_ask *ask)
{
    buf_finish(&ask->text);
}

void upstream_body_finish(struct upstream_body *body)
{
    upstream_tools_finish(&body->tools);
    map_finish(&body->call_ids);
    buf_finish(&body->json);
    buf_finish(&body->dropped);
}

static void note_dropped(struct upstream_body *body, const char *what)
{
    if (body->dropped.len > 0)
        buf_append_c(&body->dropped, ", ");
    buf_append_c(&body->dropped, what);
}

static struct str member(struct str object, const char *name)
{
    struct str span;
    if (object.len == 0 || json_raw_member(object, name, &span) < 0 || str_eq_c(span, "null"))
        return (struct str){0};
    return span;
}

static enum status read_tools(struct upstream_body *body, const struct upstream_ask *ask,
                              const struct record *record, bool as_chat, struct problem *problem)
{
    struct str additional = record->tools ? record->tools->text : (struct str){0};
    bool native = !as_chat && body->kind->has_custom;
    enum status status = upstream_tools_read(&body->tools, ask->span[FIELD_TOOLS], additional,
                                             native, as_chat, problem);
    if (body->tools.dropped.len > 0)
        note_dropped(body, body->tools.dropped.ptr);
    return status;
}

/* Whose commas are there already. */
static void write_list(struct json_writer *w, const char *key, const struct buf *list)
{
    json_write_key(w, key);
    json_write_begin_array(w);
    buf_append(w->buf, buf_str(list));
    json_write_end_array(w);
}

static enum status write_tools(struct json_writer *w, const struct upstream_body *body,
                               const struct upstream_ask *ask, bool as_chat,
                               struct problem *problem)
{
    struct str choice = ask->span[FIELD_TOOL_CHOICE];
    struct str parallel = ask->span[FIELD_PARALLEL_TOOL_CALLS];
    if (body->tools.json.len == 0)
        return STATUS_OK; /* a choice among no tools is refused by some */
    write_list(w, "tools", &body->tools.json);
    if (parallel.len > 0)
        json_write_field_raw(w, "parallel_tool_calls", parallel);
    if (choice.len == 0)
        return STATUS_OK;
    if (as_chat || !body->kind->has_custom)
        return upstream_choice_write(w, choice, as_chat, problem);
    json_write_field_raw(w, "tool_choice", choice);
    return STATUS_OK;
}

static void write_copied(struct json_writer *w, const struct upstream_ask *ask,
                         const enum request_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ask->span[fields[i]].len > 0)
            json_write_field_raw(w, request_field_name(fields[i]), ask->span[fields[i]]);
}

/* -- Chat -----------------------------------------------------------------------------------------
 */

static void write_format(struct json_writer *w, struct str text)
{
    static const char *const members[] = {"name", "description", "schema", "strict"};
    struct str format = member(text, "format"), type = member(format, "type");
    if (type.len == 0 || str_eq_c(type, "\"text\""))
        return;
    json_write_key(w, "response_format");
    json_write_begin_object(w);
    json_write_field_raw(w, "type", type);
    if (str_eq_c(type, "\"json_schema\"")) {
        json_write_key(w, "json_schema");
        json_write_begin_object(w);
        for (size_t i = 0; i < array_count(members); i++)
            if (member(format, members[i]).len > 0)
                json_write_field_raw(w, members[i], member(format, members[i]));
        json_write_end_object(w);
    }
    json_write_end_object(w);
}

/* Servers of open models know three, or none. */
static struct str plain_effort(struct str effort)
{
    static const struct {
        const char *asked;
        struct str meant;
    } nearest[] = {{"\"minimal\"", STR_INIT("\"low\"")},
                   {"\"xhigh\"", STR_INIT("\"high\"")},
                   {"\"max\"", STR_INIT("\"high\"")}};
    for (size_t i = 0; i < array_count(nearest); i++)
        if (str_eq_c(effort, nearest[i].asked))
            return nearest[i].meant;
    return effort;
}

static void write_effort(struct json_writer *w, const struct upstream_body *body,
                         const struct upstream_ask *ask)
{
    struct str effort = member(ask->span[FIELD_REASONING], "effort");
    if (effort.len == 0)
        return;
    if (!body->kind->has_efforts)
        effort = plain_effort(effort);
    json_write_field_raw(w, "reasoning_effort", effort);
    if (!body->kind->has_slots)
        return;
    json_write_key(w, "chat_template_kwargs"); /* where llama.cpp's templates look for it */
    json_write_begin_object(w);
    if (str_eq_c(effort, "\"none\""))
        json_write_field_bool(w, "enable_thinking", false);
    else
        json_write_field_raw(w, "reasoning_effort", effort);
    json_write_end_object(w);
}

static void write_limit(struct json_writer *w, const struct upstream_body *body,
                        const struct upstream_ask *ask)
{
    const char *name = body->kind->is_openai ? "max_completion_tokens" : "max_tokens";
    if (!ask->generate)
        json_write_field_int(w, name, 0); /* the prompt is evaluated, and kept */
    else if (ask->span[FIELD_MAX_OUTPUT_TOKENS].len > 0)
        json_write_field_raw(w, name, ask->span[FIELD_MAX_OUTPUT_TOKENS]);
}

static void write_slot(struct json_writer *w, const struct upstream_body *body)
{
    if (!body->kind->has_slots)
        return;
    json_write_field_bool(w, "cache_prompt", true);
    json_write_field_bool(w, "return_progress", true); /* a sign of life while it reads */
    if (body->slot >= 0)
        json_write_field_int(w, "id_slot", body->slot);
}

static void note_left_out(struct upstream_body *body, const struct upstream_ask *ask)
{
    static const enum request_field fields[] = {FIELD_TOP_LOGPROBS, FIELD_MAX_TOOL_CALLS};
    for (size_t i = 0; i < array_count(fields); i++)
        if (ask->span[fields[i]].len > 0 && !str_eq_c(ask->span[fields[i]], "0"))
            note_dropped(body, request_field_name(fields[i]));
    if (str_eq_c(ask->span[FIELD_TRUNCATION], "\"auto\""))
        note_dropped(body, "truncation");
    if (member(ask->span[FIELD_TEXT], "verbosity").len > 0 && !body->kind->is_openai)
        note_dropped(body, "text.verbosity");
}

enum status upstream_chat_write(struct upstream_body *body, const struct upstream_ask *ask,
                                const struct record *record, struct problem *problem)
{
    static const enum request_field copied[] = {FIELD_TEMPERATURE, FIELD_TOP_P,
                                                FIELD_PRESENCE_PENALTY, FIELD_FREQUENCY_PENALTY};
    static const enum request_field for_openai[] = {FIELD_PROMPT_CACHE_KEY, FIELD_SAFETY_IDENTIFIER,
                                                    FIELD_SERVICE_TIER};
    struct buf messages = {0};
    struct json_writer w;
    json_writer_init(&w, &body->json);
    enum status status = read_tools(body, ask, record, true, problem);
    if (status == STATUS_OK)
        status = upstream_messages_append(&messages, body, ask->span[FIELD_INSTRUCTIONS], record,
                                          problem);
    json_write_begin_object(&w);
    json_write_field_raw(&w, "model", body->model);
    json_write_field_bool(&w, "stream", true);
    json_write_field_raw(&w, "stream_options", STR("{\"include_usage\":true}"));
    write_limit(&w, body, ask);
    write_copied(&w, ask, copied, array_count(copied));
    if (body->kind->is_openai)
        write_copied(&w, ask, for_openai, array_count(for_openai));
    write_effort(&w, body, ask);
    write_format(&w, ask->span[FIELD_TEXT]);
    write_slot(&w, body);
    if (status == STATUS_OK)
        status = write_tools(&w, body, ask, true, problem);
    write_list(&w, "messages", &messages);
    json_write_end_object(&w);
    note_left_out(body, ask);
    buf_finish(&messages);
    return status;
}

/* -- Responses ------------------------------------------------------------------------------------
 */

/* A call or an output of a tool of free text, for servers that know functions alone. */
static void write_as_function(struct json_writer *w, struct str item, struct str type)
{
    char flat[UPSTREAM_NAME_BYTES];
    struct str name = member(item, "name"), space = member(item, "namespace"), key, value;
    struct json_raw_iter iter = {.rest = item};
    struct buf object = {0};
    json_write_begin_object(w);
    while (json_raw_next(&iter, &key, &value)) {
        if (str_eq_c(key, "type")) {
            json_write_field_c(w, "type",
                               str_ends_with(type, STR("_output\"")) ? "function_call_output"
                                                                     : "function_call");
        } else if (str_eq_c(key, "input")) {
            buf_append_fmt(&object, "{\"input\":" STR_FMT "}", STR_ARG(value));
            json_write_field_str(w, "arguments", buf_str(&object));
        } else if (str_eq_c(key, "name")) {
            upstream_flat_name(flat, str_slice(space, 1, space.len ? space.len - 1 : 0),
                               str_slice(name, 1, name.len ? name.len - 1 : 0));
            json_write_field_c(w, "name", flat);
        } else if (!str_eq_c(key, "namespace")) {
            json_write_key_str(w, key);
            json_write_raw(w, value);
        }
    }
    json_write_end_object(w);
    buf_finish(&object);
}

static void write_item(struct json_writer *w, struct upstream_body *body, struct str item)
{
    struct str type = member(item, "type"), call_id = member(item, "call_id");
    if (str_eq_c(type, "\"additional_tools\""))
        return;
    if (call_id.len > 2)
        map_set(&body->call_ids, str_slice(call_id, 1, call_id.len - 1), body);
    bool plain =
        !str_starts_with(type, STR("\"custom_tool_call")) && member(item, "namespace").len == 0;
    if (plain || body->kind->has_custom)
        json_write_raw(w, item);
    else
        write_as_function(w, item, type);
}

static void write_input(struct json_writer *w, struct upstream_body *body,
                        const struct record *record)
{
    struct record_walk walk;
    struct str item;
    json_write_key(w, "input");
    json_write_begin_array(w);
    record_walk_init(&walk, record, NULL);
    while (record_walk_next(&walk, &item))
        write_item(w, body, item);
    record_walk_finish(&walk);
    json_write_end_array(w);
}

enum status upstream_native_write(struct upstream_body *body, const struct upstream_ask *ask,
                                  const struct record *record, struct problem *problem)
{
    static const enum request_field copied[] = {
        FIELD_INSTRUCTIONS, FIELD_REASONING,  FIELD_TEXT,           FIELD_MAX_OUTPUT_TOKENS,
        FIELD_TEMPERATURE,  FIELD_TOP_P,      FIELD_MAX_TOOL_CALLS, FIELD_PROMPT_CACHE_KEY,
        FIELD_TOP_LOGPROBS, FIELD_TRUNCATION, FIELD_SERVICE_TIER,   FIELD_SAFETY_IDENTIFIER,
    };
    struct json_writer w;
    json_writer_init(&w, &body->json);
    enum status status = read_tools(body, ask, record, false, problem);
    json_write_begin_object(&w);
    json_write_field_raw(&w, "model", body->model);
    json_write_field_bool(&w, "stream", true);
    json_write_field_bool(&w, "store", false); /* the conversation is kept here */
    if (body->kind->is_openai)
        json_write_field_raw(&w, "include", STR("[\"reasoning.encrypted_content\"]"));
    write_copied(&w, ask, copied, array_count(copied));
    if (status == STATUS_OK)
        status = write_tools(&w, body, ask, false, problem);
    write_input(&w, body, record);
    json_write_end_object(&w);
    return status;
}
