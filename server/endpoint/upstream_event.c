/* Events of another server's /v1/responses into a plan. `output_item.done` says what an item is;
 * what comes before it is shown, and may be missing or sparse. */
#include <stdio.h>
#include <string.h>

#include "upstream-internal.h"

static const struct id_place nowhere = {0};

void upstream_events_init(struct upstream_events *events, const struct upstream_reading *reading)
{
    *events = (struct upstream_events){.reading = *reading};
}

void upstream_events_finish(struct upstream_events *events)
{
    for (size_t i = 0; i < events->outputs.len; i++) {
        buf_finish(&events->outputs.ptr[i].id);
        unwrap_finish(&events->outputs.ptr[i].unwrap);
    }
    vec_finish(&events->outputs);
}

static struct plan *plan_of(struct upstream_events *events)
{
    return events->reading.plan;
}

static void fail(struct upstream_events *events, const char *what)
{
    struct problem problem;
    if (events->reading.plan->state != PLAN_OPEN)
        return;
    upstream_problem_lost(&problem, "The server behind this endpoint %s.", what);
    plan_fail(plan_of(events), &problem);
}

/* -- Which item -----------------------------------------------------------------------------------
 */

static struct upstream_output *find_output(struct upstream_events *events, struct str id,
                                           int64_t index)
{
    for (size_t i = 0; i < events->outputs.len; i++) {
        struct upstream_output *output = &events->outputs.ptr[i];
        if (id.len > 0 && str_eq(id, buf_str(&output->id)))
            return output;
    }
    for (size_t i = 0; i < events->outputs.len; i++)
        if (index >= 0 && events->outputs.ptr[i].index == index)
            return &events->outputs.ptr[i];
    return NULL;
}

static struct upstream_output *need_output(struct upstream_events *events, struct str id,
                                           int64_t index)
{
    struct upstream_output *found = find_output(events, id, index);
    if (found)
        return found;
    if (events->outputs.len >= LIMIT_UPSTREAM_CALLS_COUNT) {
        fail(events, "sent too many output items");
        return NULL;
    }
    vec_push(&events->outputs,
             ((struct upstream_output){.index = index, .item = UPSTREAM_NO_ITEM}));
    buf_append(&vec_last(&events->outputs).id, id);
    return &vec_last(&events->outputs);
}

static void open_item(struct upstream_events *events, struct upstream_output *output,
                      enum item_kind kind, struct str name)
{
    static const char *const prefixes[ITEM_KIND_COUNT] = {
        [ITEM_MESSAGE] = "msg",      [ITEM_REASONING] = "rs",    [ITEM_THOUGHT] = "rs",
        [ITEM_FUNCTION_CALL] = "fc", [ITEM_CUSTOM_CALL] = "ctc", [ITEM_OTHER] = "item",
    };
    struct plan *plan = plan_of(events);
    struct str id = buf_str(&output->id);
    output->item = (int64_t)plan_open(plan, kind, name);
    char *to = plan->items.ptr[output->item].id;
    if (upstream_id_is_plain(id))
        snprintf(to, ENDPOINT_ID_BYTES, STR_FMT, STR_ARG(id));
    else
        endpoint_id_make(to, prefixes[kind], UPSTREAM_FINGERPRINT, nowhere);
}

/* Functions may stand for what they could not be told of: tools of free text, and namespaces. */
static void open_call(struct upstream_events *events, struct upstream_output *output,
                      const struct json_value *item)
{
    struct plan *plan = plan_of(events);
    struct str name = json_get_str(item, "name");
    bool is_custom = str_eq_c(json_get_str(item, "type"), "custom_tool_call");
    const struct upstream_tool *tool =
        is_custom ? NULL : upstream_tools_find(events->reading.tools, name);
    output->is_wrapped = tool && tool->is_custom;
    open_item(events, output,
              is_custom || output->is_wrapped ? ITEM_CUSTOM_CALL : ITEM_FUNCTION_CALL,
              tool ? tool->name : name);
    size_t at = (size_t)output->item;
    plan_set_space(plan, at, tool ? tool->space : json_get_str(item, "namespace"));
    upstream_set_call_id(&events->reading, &plan->items.ptr[at], json_get_str(item, "call_id"));
}

static bool is_call(struct str type)
{
    return str_eq_c(type, "function_call") || str_eq_c(type, "custom_tool_call");
}

/* Reasoning waits for its first text, which tells of which kind it is; hosted tools' items for
 * their end. */
static void take_added(struct upstream_events *events, const struct json_value *value)
{
    const struct json_value *item = json_get(value, "item");
    struct str type = json_get_str(item, "type");
    struct upstream_output *output =
        need_output(events, json_get_str(item, "id"), json_get_int(value, "output_index", -1));
    if (!output || output->item != UPSTREAM_NO_ITEM)
        return;
    if (str_eq_c(type, "message"))
        open_item(events, output, ITEM_MESSAGE, (struct str){0});
    else if (is_call(type) && json_get_str(item, "name").len > 0)
        open_call(events, output, item);
}

/* -- Deltas ---------------------------------------------------------------------------------------
 */

static const struct delta {
    const char *type;
    enum item_kind kind;
    bool opens; /* an item that was not added; a call cannot do without its name */
} deltas[] = {
    {"response.output_text.delta", ITEM_MESSAGE, true},
    {"response.refusal.delta", ITEM_MESSAGE, true},
    {"response.reasoning_text.delta", ITEM_THOUGHT, true},
    {"response.reasoning_summary_text.delta", ITEM_REASONING, true},
    {"response.function_call_arguments.delta", ITEM_FUNCTION_CALL, false},
    {"response.custom_tool_call_input.delta", ITEM_CUSTOM_CALL, false},
};

static void take_delta(struct upstream_events *events, const struct delta *delta,
                       const struct json_value *value)
{
    struct plan *plan = plan_of(events);
    struct upstream_output *output = need_output(events, json_get_str(value, "item_id"),
                                                 json_get_int(value, "output_index", -1));
    struct str text = json_get_str(value, "delta");
    struct buf unwrapped = {0};
    if (!output || output->is_done)
        return;
    if (output->item == UPSTREAM_NO_ITEM && delta->opens)
        open_item(events, output, delta->kind, (struct str){0});
    if (output->item == UPSTREAM_NO_ITEM)
        return;
    if (output->is_wrapped) {
        unwrap_push(&output->unwrap, text, &unwrapped);
        text = buf_str(&unwrapped);
    }
    plan_append(plan, (size_t)output->item, text);
    buf_finish(&unwrapped);
}

/* -- What an item is ------------------------------------------------------------------------------
 */

static void append_parts(struct buf *text, const struct json_value *parts)
{
    for (const struct json_value *part = json_is(parts, JSON_ARRAY) ? json_first(parts) : NULL;
         part; part = json_next(part)) {
        buf_append(text, json_get_str(part, "text"));
        buf_append(text, json_get_str(part, "refusal"));
    }
}

static enum item_kind kind_of(const struct json_value *item)
{
    static const struct {
        const char *type;
        enum item_kind kind;
    } kinds[] = {{"message", ITEM_MESSAGE},
                 {"function_call", ITEM_FUNCTION_CALL},
                 {"custom_tool_call", ITEM_CUSTOM_CALL}};
    struct str type = json_get_str(item, "type");
    if (str_eq_c(type, "reasoning"))
        return json_count(json_get(item, "content")) > 0 ? ITEM_THOUGHT : ITEM_REASONING;
    for (size_t i = 0; i < array_count(kinds); i++)
        if (str_eq_c(type, kinds[i].type))
            return kinds[i].kind;
    return ITEM_OTHER;
}

static void append_text_of(struct buf *text, const struct json_value *item)
{
    static const char *const members[] = {"arguments", "input"};
    append_parts(text, json_get(item, "content"));
    if (text->len == 0)
        append_parts(text, json_get(item, "summary"));
    for (size_t i = 0; i < array_count(members); i++)
        buf_append(text, json_get_str(item, members[i]));
}

/* Some leave out what clients rely on: those items are written anew from what is known of them. */
static bool is_complete(const struct json_value *item, enum item_kind kind)
{
    if (kind == ITEM_REASONING || kind == ITEM_THOUGHT)
        return json_is(json_get(item, "summary"), JSON_ARRAY);
    if (kind == ITEM_MESSAGE && !json_is(json_get(item, "content"), JSON_ARRAY))
        return false;
    return kind == ITEM_OTHER || json_get_str(item, "status").len > 0;
}

static void settle_text(struct upstream_events *events, struct upstream_output *output,
                        const struct json_value *item)
{
    struct plan *plan = plan_of(events);
    struct buf text = {0}, unwrapped = {0};
    append_text_of(&text, item);
    if (output->is_wrapped) { /* all of it once more */
        struct unwrap whole = {0};
        unwrap_push(&whole, buf_str(&text), &unwrapped);
        unwrap_end(&whole, &unwrapped);
        unwrap_finish(&whole);
    }
    plan_replace(plan, (size_t)output->item, buf_str(output->is_wrapped ? &unwrapped : &text));
    buf_finish(&text);
    buf_finish(&unwrapped);
}

static void take_item(struct upstream_events *events, struct upstream_output *output,
                      const struct json_value *item)
{
    struct plan *plan = plan_of(events);
    enum item_kind kind = kind_of(item);
    bool call = kind == ITEM_FUNCTION_CALL || kind == ITEM_CUSTOM_CALL;
    if (output->item == UPSTREAM_NO_ITEM && call)
        open_call(events, output, item);
    else if (output->item == UPSTREAM_NO_ITEM)
        open_item(events, output, kind, (struct str){0});
    size_t at = (size_t)output->item;
    bool is_renamed =
        call && upstream_tools_find(events->reading.tools, json_get_str(item, "name"));
    settle_text(events, output, item);
    if (!is_renamed && is_complete(item, kind)) {
        struct buf body = {0};
        json_append(&body, item);
        plan_set_body(plan, at, buf_str(&body));
        buf_finish(&body);
    }
    plan->items.ptr[at].cut = str_eq_c(json_get_str(item, "status"), "incomplete");
    plan_close(plan, at);
    output->is_done = true;
}

static void take_done(struct upstream_events *events, const struct json_value *value)
{
    const struct json_value *item = json_get(value, "item");
    if (!json_is(item, JSON_OBJECT))
        return;
    struct upstream_output *output =
        need_output(events, json_get_str(item, "id"), json_get_int(value, "output_index", -1));
    if (output && !output->is_done)
        take_item(events, output, item);
}

/* -- The end --------------------------------------------------------------------------------------
 */

static void take_usage(struct upstream_events *events, const struct json_value *usage)
{
    struct usage *told = &plan_of(events)->told;
    if (!json_is(usage, JSON_OBJECT))
        return;
    told->input = json_get_int(usage, "input_tokens", -1);
    told->output = json_get_int(usage, "output_tokens", -1);
    told->cached = json_int(json_at(usage, "input_tokens_details", "cached_tokens", NULL), 0);
    told->reasoning =
        json_int(json_at(usage, "output_tokens_details", "reasoning_tokens", NULL), -1);
}

/* What no event spoke of. */
static void take_rest(struct upstream_events *events, const struct json_value *output)
{
    int64_t index = 0;
    bool spoken = events->outputs.len > 0;
    for (const struct json_value *item = json_is(output, JSON_ARRAY) ? json_first(output) : NULL;
         item && !spoken; item = json_next(item), index++) {
        struct upstream_output *at = need_output(events, json_get_str(item, "id"), index);
        if (at)
            take_item(events, at, item);
    }
}

static void take_ending(struct upstream_events *events, const struct json_value *value,
                        struct str status)
{
    const struct json_value *response = json_get(value, "response");
    struct plan *plan = plan_of(events);
    struct problem problem;
    take_usage(events, json_get(response, "usage"));
    take_rest(events, json_get(response, "output"));
    if (plan->state != PLAN_OPEN)
        return;
    if (str_eq_c(status, "failed")) {
        upstream_problem_value(&problem, json_get(response, "error"));
        plan_fail(plan, &problem);
    } else if (str_eq_c(status, "incomplete")) {
        struct str reason = json_get_str(json_get(response, "incomplete_details"), "reason");
        char *text = str_dup_c(reason.len > 0 ? reason : STR("max_output_tokens"));
        plan_break_off(plan, text);
        mem_free(text);
    } else {
        plan_complete(plan);
    }
}

static void take_completed(struct upstream_events *events, const struct json_value *value)
{
    struct str status = json_get_str(json_get(value, "response"), "status");
    take_ending(events, value, status.len > 0 ? status : STR("completed"));
}

static void take_incomplete(struct upstream_events *events, const struct json_value *value)
{
    take_ending(events, value, STR("incomplete"));
}

static void take_failed(struct upstream_events *events, const struct json_value *value)
{
    take_ending(events, value, STR("failed"));
}

static void take_error(struct upstream_events *events, const struct json_value *value)
{
    const struct json_value *error = json_get(value, "error");
    struct problem problem;
    upstream_problem_value(&problem, error ? error : value);
    plan_fail(plan_of(events), &problem);
}

static const struct {
    const char *type;
    void (*take)(struct upstream_events *events, const struct json_value *value);
} types[] = {
    {"response.output_item.added", take_added},
    {"response.output_item.done", take_done},
    {"response.completed", take_completed},
    {"response.done", take_completed},
    {"response.incomplete", take_incomplete},
    {"response.failed", take_failed},
    {"error", take_error},
};

static void take_value(struct upstream_events *events, const struct json_value *value)
{
    struct str type = json_get_str(value, "type");
    if (type.len == 0 && json_get(value, "error"))
        type = STR("error");
    events->any = true;
    for (size_t i = 0; i < array_count(deltas); i++)
        if (str_eq_c(type, deltas[i].type))
            take_delta(events, &deltas[i], value);
    for (size_t i = 0; i < array_count(types); i++) {
        if (!str_eq_c(type, types[i].type))
            continue;
        types[i].take(events, value);
        return;
    }
}

void upstream_events_take(struct upstream_events *events, struct str data)
{
    struct json_value *value = NULL;
    struct str text = str_trim(data);
    if (events->reading.plan->state != PLAN_OPEN || text.len == 0 || str_eq_c(text, "[DONE]"))
        return;
    events->reading.bytes += text.len;
    if (events->reading.bytes > LIMIT_UPSTREAM_OUTPUT_BYTES)
        fail(events, "sent more than an answer may have");
    else if (upstream_parse(text, &value) < 0 || !json_is(value, JSON_OBJECT))
        fail(events, "sent something that is no JSON object");
    else
        take_value(events, value);
    json_free(value);
}

void upstream_events_end(struct upstream_events *events)
{
    fail(events, "ended before its answer did");
}
