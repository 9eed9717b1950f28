/* What a request's input holds: its calls and outputs, its last user message, and how far in the
 * script it is. One walk over the text; nothing is copied but what is asked for. */
#include <stdio.h>
#include <string.h>

#include "endpoint-internal.h"

struct item_view {
    struct str type, role, id, call_id, encrypted, tools; /* strings: between their quotes */
};

static bool view_item(struct str span, struct item_view *view)
{
    static const struct json_raw_place places[] = {
        {"type", offsetof(struct item_view, type)},
        {"role", offsetof(struct item_view, role)},
        {"id", offsetof(struct item_view, id)},
        {"call_id", offsetof(struct item_view, call_id)},
        {"encrypted_content", offsetof(struct item_view, encrypted)},
        {"tools", offsetof(struct item_view, tools)},
    };
    *view = (struct item_view){0};
    bool good = json_raw_view(span, places, array_count(places), view);
    struct str *strings[] = {&view->type, &view->role, &view->id, &view->call_id, &view->encrypted};
    for (size_t i = 0; i < array_count(strings); i++)
        *strings[i] = json_raw_inside(*strings[i]);
    return good;
}

/* -- Places ---------------------------------------------------------------------------------------
 */

static void note_place(struct intake *intake, struct str id, const char *fingerprint)
{
    struct id_place place;
    if (!endpoint_id_read(id, fingerprint, &place))
        return;
    bool further = !intake->placed || place.rollout != intake->rollout || place.step > intake->step;
    if (!further && place.step < intake->step)
        return;
    if (further) {
        intake->placed = true;
        intake->rollout = place.rollout;
        intake->step = place.step;
        intake->present = 0;
    }
    if (place.item < 64)
        intake->present |= (uint64_t)1 << place.item;
}

/* Encrypted content made here ends in the id of its item: clients may drop ids, but never this. */
static struct str id_in_encrypted(struct str encrypted)
{
    size_t dot = str_rfind_byte(encrypted, '.');
    return dot == STR_NONE ? (struct str){0} : str_skip(encrypted, dot + 1);
}

/* -- Items ----------------------------------------------------------------------------------------
 */

static bool is_output(struct str type)
{
    return str_ends_with(type, STR("_call_output"));
}

/* Calls that the client answers; hosted tools' calls end in _call too. */
static bool is_client_call(struct str type)
{
    static const char *const types[] = {"function_call", "custom_tool_call", "apply_patch_call",
                                        "shell_call",    "local_shell_call", "computer_call"};
    for (size_t i = 0; i < array_count(types); i++)
        if (str_eq_c(type, types[i]))
            return true;
    return false;
}

static enum status need_call_id(const struct item_view *view, size_t index, struct problem *problem)
{
    if (view->call_id.len > 0)
        return STATUS_OK;
    char param[64];
    snprintf(param, sizeof(param), "input[%zu].call_id", index);
    return problem_set(problem, PROBLEM_INVALID, param, "Missing required parameter: '%s'.", param);
}

/* Tools that come as an item, once for a conversation. */
static enum status take_tools(struct intake *intake, const struct item_view *view, size_t index,
                              const struct endpoint *endpoint, struct problem *problem)
{
    char param[64];
    if (endpoint->without_additional_tools) {
        snprintf(param, sizeof(param), "input[%zu]", index);
        return problem_set(problem, PROBLEM_INVALID, param,
                           "Invalid value: 'additional_tools'. This endpoint takes tools in "
                           "'tools' alone.");
    }
    if (!str_eq_c(view->role, "developer")) {
        snprintf(param, sizeof(param), "input[%zu].role", index);
        return problem_set(problem, PROBLEM_INVALID, param,
                           "Invalid value for '%s': additional_tools come from the developer.",
                           param);
    }
    if (view->tools.len == 0 || view->tools.ptr[0] != '[') {
        snprintf(param, sizeof(param), "input[%zu].tools", index);
        return problem_set(problem, PROBLEM_TYPE, param,
                           "Invalid type for '%s': expected an array of tools.", param);
    }
    intake->tools = view->tools;
    return STATUS_OK;
}

enum status intake_take_item(struct intake *intake, struct str span, size_t index,
                             const struct endpoint *endpoint, struct problem *problem)
{
    const char *fingerprint = endpoint->fingerprint;
    struct item_view view;
    if (!view_item(span, &view)) {
        char param[64];
        snprintf(param, sizeof(param), "input[%zu]", index);
        return problem_set(problem, PROBLEM_TYPE, param, "Invalid type for '%s': expected an item.",
                           param);
    }
    bool output = is_output(view.type), call = is_client_call(view.type);
    bool user = str_eq_c(view.role, "user") && (!view.type.len || str_eq_c(view.type, "message"));
    if ((output || call) && need_call_id(&view, index, problem) < 0)
        return STATUS_INVALID;
    if (output)
        vec_push(&intake->outputs, ((struct intake_output){view.call_id, span}));
    if (call)
        map_set(&intake->calls, view.call_id, intake);
    if (user)
        intake->user = span;
    if (str_eq_c(view.type, "additional_tools") &&
        take_tools(intake, &view, index, endpoint, problem) < 0)
        return STATUS_INVALID;
    intake->ends_with_user = user;
    if (output)
        return STATUS_OK; /* it names a step whose call is in the input, or is refused */
    note_place(intake, view.id, fingerprint);
    note_place(intake, view.call_id, fingerprint);
    note_place(intake, id_in_encrypted(view.encrypted), fingerprint);
    return STATUS_OK;
}

enum status intake_read(struct intake *intake, const struct request *request,
                        const struct endpoint *endpoint, struct problem *problem)
{
    *intake = (struct intake){0};
    struct str input = request->span[FIELD_INPUT];
    if (input.len == 0)
        return STATUS_OK;
    if (input.ptr[0] == '"') {
        intake->user = input;
        intake->ends_with_user = true;
        return STATUS_OK;
    }
    struct json_raw_iter iter = {.rest = input};
    struct str key, item;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && json_raw_next(&iter, &key, &item); i++)
        status = intake_take_item(intake, item, i, endpoint, problem);
    return status;
}

bool intake_is_call(struct str item, struct pending_call *ret_call)
{
    struct item_view view;
    if (!view_item(item, &view) || !is_client_call(view.type) ||
        view.call_id.len >= sizeof(ret_call->call_id))
        return false;
    ret_call->is_custom = str_eq_c(view.type, "custom_tool_call");
    snprintf(ret_call->call_id, sizeof(ret_call->call_id), STR_FMT, STR_ARG(view.call_id));
    return true;
}

void intake_finish(struct intake *intake)
{
    map_finish(&intake->calls);
    vec_finish(&intake->outputs);
}

/* -- Calls and their outputs
 * ----------------------------------------------------------------------------------------------
 */

static enum status check_outputs(const struct intake *intake, const struct map *asked,
                                 struct map *answered, struct problem *problem)
{
    for (size_t i = 0; i < intake->outputs.len; i++) {
        struct str call_id = intake->outputs.ptr[i].call_id;
        if (!map_has(asked, call_id))
            return problem_set(problem, PROBLEM_INVALID, "input",
                               "No tool call found for function call output with call_id " STR_FMT
                               ".",
                               STR_ARG(call_id));
        map_set(answered, call_id, answered);
    }
    return STATUS_OK;
}

static enum status check_answers(const struct map *asked, const struct map *answered,
                                 struct problem *problem)
{
    struct str call_id;
    void *value;
    for (size_t i = 0; map_next(asked, &i, &call_id, &value);)
        if (!map_has(answered, call_id))
            return problem_set(problem, PROBLEM_INVALID, "input",
                               "No tool output found for function call " STR_FMT ".",
                               STR_ARG(call_id));
    return STATUS_OK;
}

enum status intake_check_calls(const struct intake *intake, const struct record *parent,
                               struct problem *problem)
{
    struct map asked = {0}, answered = {0};
    struct str call_id;
    void *value;
    for (size_t i = 0; parent && i < parent->pending.len; i++)
        map_set(&asked, str_from(parent->pending.ptr[i].call_id), problem);
    for (size_t i = 0; map_next(&intake->calls, &i, &call_id, &value);)
        map_set(&asked, call_id, problem);
    enum status status = check_outputs(intake, &asked, &answered, problem);
    if (status == STATUS_OK)
        status = check_answers(&asked, &answered, problem);
    map_finish(&asked);
    map_finish(&answered);
    return status;
}

/* -- Texts ----------------------------------------------------------------------------------------
 */

/* A string, or what an array of parts says in `text`, `stdout` and `stderr`. */
static void append_text(struct buf *buf, struct str span)
{
    if (span.len == 0 || (span.ptr[0] != '[' && span.ptr[0] != '"'))
        return;
    if (json_raw_decode(span, buf))
        return;
    struct json_raw_iter parts = {.rest = span};
    struct str key, part, value;
    while (json_raw_next(&parts, &key, &part)) {
        struct json_raw_iter members = {.rest = part};
        while (part.ptr[0] == '{' && json_raw_next(&members, &key, &value))
            if (str_eq_c(key, "text") || str_eq_c(key, "stdout") || str_eq_c(key, "stderr"))
                json_raw_decode(value, buf);
    }
}

void intake_append_user(const struct intake *intake, struct buf *buf)
{
    struct str content = intake->user;
    if (content.len == 0)
        return;
    if (content.ptr[0] == '{' && json_raw_member(intake->user, "content", &content) < 0)
        return;
    append_text(buf, content);
}

/* The `output`; the `status` of an answer that has none (apply_patch_call_output). */
void intake_append_output(const struct intake_output *output, struct buf *buf)
{
    struct str span;
    if (json_raw_member(output->item, "output", &span) == STATUS_OK && !str_eq_c(span, "null"))
        append_text(buf, span);
    else if (json_raw_member(output->item, "status", &span) == STATUS_OK)
        append_text(buf, span);
}
