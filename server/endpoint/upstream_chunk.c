/* Chunks of /v1/chat/completions, as llama.cpp, Ollama, vLLM and others send them, into a plan. */
#include <stdio.h>
#include <string.h>

#include "upstream-internal.h"

static const struct id_place nowhere = {0};

void upstream_chunks_init(struct upstream_chunks *chunks, const struct upstream_reading *reading)
{
    *chunks = (struct upstream_chunks){
        .reading = *reading, .thought = UPSTREAM_NO_ITEM, .message = UPSTREAM_NO_ITEM};
}

void upstream_chunks_finish(struct upstream_chunks *chunks)
{
    for (size_t i = 0; i < chunks->calls.len; i++) {
        unwrap_finish(&chunks->calls.ptr[i].unwrap);
        buf_finish(&chunks->calls.ptr[i].arguments);
    }
    vec_finish(&chunks->calls);
    think_finish(&chunks->think);
}

static struct plan *plan_of(struct upstream_chunks *chunks)
{
    return chunks->reading.plan;
}

static bool is_over(const struct upstream_chunks *chunks)
{
    return chunks->reading.plan->state != PLAN_OPEN;
}

static void fail(struct upstream_chunks *chunks, const char *what)
{
    struct problem problem;
    if (is_over(chunks))
        return;
    upstream_problem_lost(&problem, "The server behind this endpoint %s.", what);
    plan_fail(plan_of(chunks), &problem);
}

/* -- Text -----------------------------------------------------------------------------------------
 */

static void close_item(struct upstream_chunks *chunks, int64_t *item)
{
    if (*item != UPSTREAM_NO_ITEM)
        plan_close(plan_of(chunks), (size_t)*item);
    *item = UPSTREAM_NO_ITEM;
}

static void append_to(struct upstream_chunks *chunks, int64_t *item, enum item_kind kind,
                      struct str text)
{
    struct plan *plan = plan_of(chunks);
    if (*item == UPSTREAM_NO_ITEM) {
        *item = (int64_t)plan_open(plan, kind, (struct str){0});
        endpoint_id_make(plan->items.ptr[*item].id, kind == ITEM_MESSAGE ? "msg" : "rs",
                         UPSTREAM_FINGERPRINT, nowhere);
    }
    plan_append(plan, (size_t)*item, text);
}

static void take_reasoning(struct upstream_chunks *chunks, struct str text)
{
    if (text.len == 0)
        return;
    close_item(chunks, &chunks->message);
    append_to(chunks, &chunks->thought, ITEM_THOUGHT, text);
}

static void take_plain(struct upstream_chunks *chunks, struct str text)
{
    if (text.len == 0)
        return;
    close_item(chunks, &chunks->thought);
    append_to(chunks, &chunks->message, ITEM_MESSAGE, text);
}

static void take_text(struct upstream_chunks *chunks, struct str text, bool ended)
{
    struct buf reasoning = {0}, plain = {0};
    think_push(&chunks->think, text, ended, &reasoning, &plain);
    take_reasoning(chunks, buf_str(&reasoning));
    take_plain(chunks, buf_str(&plain));
    buf_finish(&reasoning);
    buf_finish(&plain);
}

/* A string, or parts of which some have text. */
static void take_content(struct upstream_chunks *chunks, const struct json_value *content)
{
    if (json_is(content, JSON_STRING)) {
        take_text(chunks, json_str(content), false);
        return;
    }
    for (const struct json_value *part = json_is(content, JSON_ARRAY) ? json_first(content) : NULL;
         part; part = json_next(part))
        take_text(chunks, json_get_str(part, "text"), false);
}

/* -- Calls ----------------------------------------------------------------------------------------
 */

static bool is_whole_json(struct str text)
{
    struct json_value *value = NULL;
    bool whole = text.len > 0 && json_parse(text, &value, NULL) == STATUS_OK;
    json_free(value);
    return whole;
}

/* What a call lacks at its end: the text of a tool of free text that did not come in the wrapping.
 */
static void end_call(struct upstream_chunks *chunks, struct upstream_call *call)
{
    struct plan *plan = plan_of(chunks);
    struct buf text = {0};
    if (!plan->items.ptr[call->item].open)
        return;
    if (call->is_custom)
        unwrap_end(&call->unwrap, &text);
    else if (call->arguments.len == 0) /* a function without parameters */
        buf_append_c(&text, "{}");
    plan_append(plan, call->item, buf_str(&text));
    plan_close(plan, call->item);
    buf_finish(&text);
}

/* Calls whose arguments are whole can be made while the next ones still come. */
static void end_whole_calls(struct upstream_chunks *chunks)
{
    for (size_t i = 0; i < chunks->calls.len; i++)
        if (is_whole_json(buf_str(&chunks->calls.ptr[i].arguments)))
            end_call(chunks, &chunks->calls.ptr[i]);
}

static bool is_used(const struct upstream_reading *reading, struct str id)
{
    const struct plan *plan = reading->plan;
    for (size_t i = 0; i < plan->items.len; i++)
        if (str_eq_c(id, plan->items.ptr[i].call_id))
            return true;
    return reading->call_ids && map_has(reading->call_ids, id);
}

bool upstream_id_is_plain(struct str id)
{
    for (size_t i = 0; i < id.len; i++)
        if ((unsigned char)id.ptr[i] <= ' ' || (unsigned char)id.ptr[i] > '~' || id.ptr[i] == '"' ||
            id.ptr[i] == '\\')
            return false;
    return id.len > 0 && id.len < ENDPOINT_ID_BYTES;
}

/* Its own id, which some templates expect back; but some servers begin anew with each answer. */
void upstream_set_call_id(const struct upstream_reading *reading, struct plan_item *item,
                          struct str id)
{
    if (upstream_id_is_plain(id) && !is_used(reading, id))
        snprintf(item->call_id, sizeof(item->call_id), STR_FMT, STR_ARG(id));
    else
        endpoint_id_make(item->call_id, "call", UPSTREAM_FINGERPRINT, nowhere);
}

static struct upstream_call *open_call(struct upstream_chunks *chunks, int64_t index, struct str id,
                                       struct str flat_name)
{
    struct plan *plan = plan_of(chunks);
    const struct upstream_tool *tool = upstream_tools_find(chunks->reading.tools, flat_name);
    struct upstream_call call = {.index = index, .is_custom = tool && tool->is_custom};
    close_item(chunks, &chunks->thought);
    close_item(chunks, &chunks->message);
    end_whole_calls(chunks);
    call.item = plan_open(plan, call.is_custom ? ITEM_CUSTOM_CALL : ITEM_FUNCTION_CALL,
                          tool ? tool->name : flat_name);
    struct plan_item *item = &plan->items.ptr[call.item];
    upstream_set_call_id(&chunks->reading, item, id);
    endpoint_id_make(item->id, call.is_custom ? "ctc" : "fc", UPSTREAM_FINGERPRINT, nowhere);
    if (tool)
        plan_set_space(plan, call.item, tool->space);
    snprintf(call.id, sizeof(call.id), STR_FMT, STR_ARG(str_slice(id, 0, sizeof(call.id) - 1)));
    vec_push(&chunks->calls, call);
    return &vec_last(&chunks->calls);
}

/* By its index, and where those are all the same (Ollama) by its id. */
static struct upstream_call *find_call(struct upstream_chunks *chunks, int64_t index, struct str id)
{
    for (size_t i = chunks->calls.len; i-- > 0;) {
        struct upstream_call *call = &chunks->calls.ptr[i];
        bool other = id.len > 0 && call->id[0] &&
                     !str_eq_c(str_slice(id, 0, sizeof(call->id) - 1), call->id);
        if (!other && (index < 0 || call->index == index))
            return call;
    }
    return NULL;
}

static void take_arguments(struct upstream_chunks *chunks, struct upstream_call *call,
                           const struct json_value *arguments)
{
    struct plan *plan = plan_of(chunks);
    struct buf piece = {0}, text = {0};
    if (json_is(arguments, JSON_STRING))
        buf_append(&piece, json_str(arguments));
    else if (json_is(arguments, JSON_OBJECT)) /* some send the object itself */
        json_append(&piece, arguments);
    if (piece.len > 0 && !plan->items.ptr[call->item].open) {
        fail(chunks, "went on with a tool call that had ended");
    } else if (piece.len > 0) {
        buf_append(&call->arguments, buf_str(&piece));
        if (call->is_custom)
            unwrap_push(&call->unwrap, buf_str(&piece), &text);
        plan_append(plan, call->item, buf_str(call->is_custom ? &text : &piece));
    }
    buf_finish(&piece);
    buf_finish(&text);
}

static void take_call(struct upstream_chunks *chunks, const struct json_value *piece, bool is_whole)
{
    const struct json_value *function = json_get(piece, "function");
    struct str id = json_get_str(piece, "id"), name = json_get_str(function, "name");
    int64_t index = json_get_int(piece, "index", -1);
    struct upstream_call *call = is_whole ? NULL : find_call(chunks, index, id);
    if (!call && name.len == 0)
        fail(chunks, "sent a tool call without a name");
    else if (!call && chunks->calls.len >= LIMIT_UPSTREAM_CALLS_COUNT)
        fail(chunks, "asked for too many tool calls at once");
    else if (!call)
        call = open_call(chunks, index, id, name);
    if (call)
        take_arguments(chunks, call, json_get(function, "arguments"));
}

/* -- Chunks ---------------------------------------------------------------------------------------
 */

static void take_usage(struct upstream_chunks *chunks, const struct json_value *usage)
{
    struct usage *told = &plan_of(chunks)->told;
    if (!json_is(usage, JSON_OBJECT))
        return;
    told->input = json_get_int(usage, "prompt_tokens", told->input);
    told->output = json_get_int(usage, "completion_tokens", told->output);
    told->cached = json_int(json_at(usage, "prompt_tokens_details", "cached_tokens", NULL),
                            told->cached < 0 ? 0 : told->cached);
    told->reasoning = json_int(
        json_at(usage, "completion_tokens_details", "reasoning_tokens", NULL), told->reasoning);
}

static void take_reasoning_of(struct upstream_chunks *chunks, const struct json_value *delta)
{
    static const char *const names[] = {"reasoning_content", "reasoning"};
    for (size_t i = 0; i < array_count(names); i++) {
        struct str text = json_get_str(delta, names[i]);
        if (text.len == 0)
            continue;
        chunks->reading.reasoning = names[i];
        take_reasoning(chunks, text);
        return; /* some send both, with the same text */
    }
}

static void take_delta(struct upstream_chunks *chunks, const struct json_value *delta,
                       bool is_whole)
{
    take_reasoning_of(chunks, delta);
    take_content(chunks, json_get(delta, "content"));
    take_plain(chunks, json_get_str(delta, "refusal"));
    const struct json_value *calls = json_get(delta, "tool_calls");
    for (const struct json_value *call = json_is(calls, JSON_ARRAY) ? json_first(calls) : NULL;
         call && !is_over(chunks); call = json_next(call))
        take_call(chunks, call, is_whole);
}

static void take_choice(struct upstream_chunks *chunks, const struct json_value *choice)
{
    const struct json_value *delta = json_get(choice, "delta"),
                            *message = json_get(choice, "message");
    struct str finish = json_get_str(choice, "finish_reason");
    if (json_get_int(choice, "index", 0) != 0)
        return;
    chunks->any = true;
    take_delta(chunks, delta ? delta : message, !delta);
    if (finish.len > 0)
        snprintf(chunks->finish, sizeof(chunks->finish), STR_FMT,
                 STR_ARG(str_slice(finish, 0, sizeof(chunks->finish) - 1)));
}

static void take_value(struct upstream_chunks *chunks, const struct json_value *value)
{
    const struct json_value *error = json_get(value, "error");
    struct problem problem;
    if (!error && str_eq_c(json_get_str(value, "object"), "error"))
        error = value;
    if (error && json_type_of(error) != JSON_NULL) {
        upstream_problem_value(&problem, error);
        plan_fail(plan_of(chunks), &problem);
        return;
    }
    take_usage(chunks, json_get(value, "usage"));
    const struct json_value *choices = json_get(value, "choices");
    for (const struct json_value *choice = json_is(choices, JSON_ARRAY) ? json_first(choices)
                                                                        : NULL;
         choice && !is_over(chunks); choice = json_next(choice))
        take_choice(chunks, choice);
}

void upstream_chunks_take(struct upstream_chunks *chunks, struct str data)
{
    struct json_value *value = NULL;
    struct str text = str_trim(data);
    if (is_over(chunks) || text.len == 0)
        return;
    chunks->reading.bytes += text.len;
    if (str_eq_c(text, "[DONE]")) {
        if (chunks->any && !chunks->finish[0])
            snprintf(chunks->finish, sizeof(chunks->finish), "stop");
        upstream_chunks_end(chunks);
    } else if (chunks->reading.bytes > LIMIT_UPSTREAM_OUTPUT_BYTES) {
        fail(chunks, "sent more than an answer may have");
    } else if (upstream_parse(text, &value) < 0 || !json_is(value, JSON_OBJECT)) {
        fail(chunks, "sent something that is no JSON object");
    } else {
        take_value(chunks, value);
    }
    json_free(value);
}

/* -- The end --------------------------------------------------------------------------------------
 */

static const struct {
    const char *finish;
    enum plan_state state;
    const char *reason;
} endings[] = {
    {"length", PLAN_INCOMPLETE, "max_output_tokens"},
    {"content_filter", PLAN_INCOMPLETE, "content_filter"},
    {"abort", PLAN_FAILED, "broke its answer off"},
    {"error", PLAN_FAILED, "failed while it answered"},
    {"", PLAN_FAILED, "ended before its answer did"},
    {NULL, PLAN_COMPLETED, NULL}, /* stop, tool_calls, and what others call it */
};

void upstream_chunks_end(struct upstream_chunks *chunks)
{
    size_t i = 0;
    if (is_over(chunks))
        return;
    while (endings[i].finish && strcmp(chunks->finish, endings[i].finish) != 0)
        i++;
    if (endings[i].state != PLAN_FAILED)
        take_text(chunks, (struct str){0}, true);
    if (endings[i].state == PLAN_FAILED) {
        fail(chunks, endings[i].reason);
    } else if (endings[i].state == PLAN_INCOMPLETE) {
        end_whole_calls(chunks);
        plan_break_off(plan_of(chunks), endings[i].reason);
    } else {
        for (size_t k = 0; k < chunks->calls.len; k++)
            end_call(chunks, &chunks->calls.ptr[k]);
        plan_complete(plan_of(chunks));
    }
}
