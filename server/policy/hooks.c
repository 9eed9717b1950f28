/* Hooks: commands of the user's that run before a tool, after it, or when a turn ends. They come
 * from the user's own settings alone (class U); here they are read and found, tools runs them. */
#include "policy-internal.h"

#include <string.h>

enum {
    HOOKS_COUNT = 50,
    TIMEOUT_DEFAULT_S = 10,
    TIMEOUT_MAX_S = 600,
};

static const char *const event_names[] = {
    [HOOK_BEFORE_TOOL] = "beforeTool",
    [HOOK_AFTER_TOOL] = "afterTool",
    [HOOK_TURN_END] = "turnEnd",
};

const char *policy_hook_event_name(enum policy_hook_event event)
{
    return event_names[event];
}

static void hook_finish(struct policy_hook *hook)
{
    for (size_t i = 0; i < hook->tool_count; i++)
        mem_free(hook->tools[i]);
    mem_free(hook->tools);
    mem_free(hook->name);
    mem_free(hook->command);
}

void hooks_finish(struct policy *policy)
{
    for (size_t i = 0; i < policy->hooks.len; i++)
        hook_finish(&policy->hooks.ptr[i]);
    vec_finish(&policy->hooks);
    mem_free(policy->hooks_json);
    policy->hooks_json = NULL;
}

/* -- Reading ---------------------------------------------------------------------------------- */

static bool find_event(struct str name, enum policy_hook_event *ret_event)
{
    for (size_t i = 0; i < array_count(event_names); i++)
        if (str_eq_c(name, event_names[i])) {
            *ret_event = (enum policy_hook_event)i;
            return true;
        }
    return false;
}

/* What is wrong with it, or NULL. A hook that was meant to stop something must not be lost in
 * silence. */
static const char *find_fault(const struct json_value *value)
{
    static const char *const known[] = {"event",   "command",        "name",   "tools",
                                        "sandbox", "timeoutSeconds", "toModel"};
    enum policy_hook_event event;
    const struct json_value *sandbox = json_get(value, "sandbox"),
                            *tools = json_get(value, "tools");
    int64_t timeout = json_get_int(value, "timeoutSeconds", TIMEOUT_DEFAULT_S);
    if (!json_is(value, JSON_OBJECT))
        return "must be an object";
    if (!find_event(json_get_str(value, "event"), &event))
        return "\"event\" must be one of \"beforeTool\", \"afterTool\", \"turnEnd\"";
    if (str_trim(json_get_str(value, "command")).len == 0)
        return "\"command\" must be a text, as bash gets it";
    if (tools && !json_is(tools, JSON_ARRAY))
        return "\"tools\" must be a list of names; without it: all";
    if (sandbox && !json_is(sandbox, JSON_BOOL))
        return "\"sandbox\" must be true or false";
    if (timeout < 1 || timeout > TIMEOUT_MAX_S)
        return "\"timeoutSeconds\" must be from 1 to 600";
    for (const struct json_value *member = json_first(value); member; member = json_next(member)) {
        bool is_known = false;
        for (size_t i = 0; i < array_count(known) && !is_known; i++)
            is_known = str_eq_c(json_key(member), known[i]);
        if (!is_known)
            return "has a member that is none of event, command, name, tools, sandbox, "
                   "timeoutSeconds, toModel";
    }
    return NULL;
}

static void read_tools(const struct json_value *tools, struct policy_hook *hook)
{
    hook->tools = mem_alloc_array(json_count(tools) + 1, sizeof(*hook->tools));
    for (const struct json_value *one = json_first(tools); one; one = json_next(one))
        hook->tools[hook->tool_count++] = str_dup_c(json_str(one));
    hook->is_for_all = !tools;
}

static void read_hook(struct policy *policy, const struct json_value *value)
{
    struct policy_hook hook = {
        .command = str_dup_c(json_get_str(value, "command")),
        .sandbox = json_get_bool(value, "sandbox", true),
        .to_model = json_get_bool(value, "toModel", false),
        .timeout_ms = (uint64_t)json_get_int(value, "timeoutSeconds", TIMEOUT_DEFAULT_S) * 1000,
    };
    struct str name = json_get_str(value, "name");
    (void)find_event(json_get_str(value, "event"), &hook.event);
    hook.name = name.len ? str_dup_c(name) : mem_dup_c(hook.command);
    read_tools(json_get(value, "tools"), &hook);
    vec_push(&policy->hooks, hook);
}

/* Settings come again while we run: what they say now counts. */
static void read_settings(struct policy *policy, struct buf *warnings)
{
    struct json_value *list = NULL;
    hooks_finish(policy);
    policy->hooks_json = mem_dup_c(policy->config->hooks_json);
    if (json_parse(str_from(policy->hooks_json), &list, NULL) < 0)
        return;
    size_t number = 0;
    for (const struct json_value *one = json_first(list); one; one = json_next(one)) {
        const char *fault =
            ++number > HOOKS_COUNT ? "is one too many: at most 50" : find_fault(one);
        if (!fault)
            read_hook(policy, one);
        else if (warnings)
            buf_append_fmt(warnings, "hooks, number %zu: %s. It does not run.\n", number, fault);
    }
    json_free(list);
}

static bool is_current(const struct policy *policy)
{
    return policy->hooks_json && strcmp(policy->hooks_json, policy->config->hooks_json) == 0;
}

void policy_hooks_check(struct policy *policy, struct buf *warnings)
{
    if (!is_current(policy))
        read_settings(policy, warnings);
}

static bool hook_is_for(const struct policy_hook *hook, enum policy_hook_event event,
                        struct str tool)
{
    if (hook->event != event)
        return false;
    for (size_t i = 0; i < hook->tool_count; i++)
        if (str_eq_c(tool, hook->tools[i]))
            return true;
    return hook->is_for_all || event == HOOK_TURN_END;
}

const struct policy_hook *policy_hook_find(struct policy *policy, enum policy_hook_event event,
                                           struct str tool, size_t *place)
{
    policy_hooks_check(policy, NULL);
    while (*place < policy->hooks.len) {
        const struct policy_hook *hook = &policy->hooks.ptr[(*place)++];
        if (hook_is_for(hook, event, tool))
            return hook;
    }
    return NULL;
}
