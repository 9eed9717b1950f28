/* Tools of MCP servers: nothing is known of what one does, so each asks, until the person has made
 * a rule for it. What a server says of its tools ("only reads") counts for nothing here. */
#include "policy-internal.h"

#include <stdio.h>
#include <string.h>

/* "files/read_text_file": neither name can hold a control character, a server's no slash. */
static char *rule_text(const struct policy_tool *tool)
{
    struct buf text = {0};
    buf_append_fmt(&text, STR_FMT "/" STR_FMT, STR_ARG(tool->server), STR_ARG(tool->name));
    return buf_take(&text);
}

static bool is_turns_own(const struct rule *rule, const struct policy_tool *tool)
{
    return rule->scope != SCOPE_TURN ||
           (tool->turn_id && strcmp(rule->turn_id, tool->turn_id) == 0);
}

static bool rules_cover(const struct policy *policy, const struct policy_tool *tool,
                        const char *text)
{
    for (size_t i = 0; i < policy->rules.len; i++) {
        const struct rule *rule = &policy->rules.ptr[i];
        if (rule->tool && strcmp(rule->text, text) == 0 && is_turns_own(rule, tool) &&
            str_eq_c(tool->root, rule->root))
            return true;
    }
    return false;
}

/* approvals.rules: "mcp: files/read_text_file", or "mcp: files" for all of a server's. */
static bool settings_cover(const struct policy *policy, const struct policy_tool *tool,
                           const char *text)
{
    const struct config_strings *rules = &policy->config->approvals_rules;
    for (size_t i = 0; i < rules->count; i++) {
        struct str rule = str_trim(str_from(rules->ptr[i]));
        if (!str_starts_with(rule, STR("mcp:")))
            continue;
        rule = str_trim(str_skip(rule, 4));
        if (str_eq_c(rule, text) || str_eq(rule, tool->server))
            return true;
    }
    return false;
}

void policy_check_tool(struct policy *policy, const struct policy_tool *tool,
                       struct policy_verdict *ret_verdict)
{
    char *text = rule_text(tool);
    enum config_mode mode = policy_get_turn_mode(policy, tool->turn_id);
    rulefile_refresh(policy);
    if (mode == MODE_PLAN)
        verdict_set(ret_verdict, POLICY_REFUSE,
                    "plan mode calls no tools of MCP servers; say what should be called");
    else if (rules_cover(policy, tool, text) ||
             (mode == MODE_AUTO && settings_cover(policy, tool, text)))
        verdict_set(ret_verdict, POLICY_ALLOW, "%s", "");
    else
        verdict_set(ret_verdict, POLICY_ASK,
                    "it runs outside the sandbox, with what its server may do; what it does with "
                    "these arguments is not known");
    mem_free(text);
}

static bool make_rule(const struct policy_tool *tool, struct rule *ret_rule)
{
    if (tool->root.len == 0)
        return false;
    *ret_rule = (struct rule){
        .exact = true, .tool = true, .root = str_dup_c(tool->root), .text = rule_text(tool)};
    return true;
}

size_t policy_offer_tool_rules(const struct policy *policy, const struct policy_tool *tool,
                               struct policy_rule *ret_rules, size_t max)
{
    struct rule rule;
    (void)policy;
    if (!make_rule(tool, &rule))
        return 0;
    size_t count = rule_offer_scopes(&rule, ret_rules, max);
    rule_finish(&rule);
    return count;
}

enum status policy_accept_tool_rule(struct policy *policy, const struct policy_tool *tool,
                                    const struct policy_rule *rule)
{
    struct rule made;
    if (rule->scope == SCOPE_ONCE || !make_rule(tool, &made))
        return STATUS_OK;
    return rule_accept(policy, &made, rule->scope, tool->turn_id);
}
