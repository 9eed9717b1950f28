/* Tools of MCP servers: each asks, until the person has made a rule for it. */
#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(mcp_tools, .timeout = 60, .init = begin, .fini = end);

static struct policy_tool tool_of(const char *server, const char *name, const char *turn)
{
    return (struct policy_tool){str_from(server), str_from(name),
                                str_from(workspace_root_at(workspace, 0)->path), turn};
}

static enum policy_answer verdict_on(const char *server, const char *name, const char *turn)
{
    struct policy_tool tool = tool_of(server, name, turn);
    struct policy_verdict verdict;
    policy_check_tool(policy, &tool, &verdict);
    cr_assert_eq(verdict.answer == POLICY_ALLOW, verdict.reason[0] == '\0');
    return verdict.answer;
}

static void accept(const char *server, const char *name, const char *turn, enum policy_scope scope)
{
    struct policy_tool tool = tool_of(server, name, turn);
    struct policy_rule rules[3];
    size_t count = policy_offer_tool_rules(policy, &tool, rules, 3);
    cr_assert_eq(count, 3);
    for (size_t i = 0; i < count; i++)
        if (rules[i].scope == scope)
            cr_assert_eq(policy_accept_tool_rule(policy, &tool, &rules[i]), STATUS_OK);
}

Test(mcp_tools, sec_02_each_asks_and_plan_refuses)
{
    make_policy();
    cr_assert_eq(verdict_on("s", "t", "1"), POLICY_ASK);
    policy_set_mode(policy, MODE_AUTO);
    cr_assert_eq(verdict_on("s", "t", "1"), POLICY_ASK);
    policy_set_mode(policy, MODE_PLAN);
    cr_assert_eq(verdict_on("s", "t", "1"), POLICY_REFUSE);
}

Test(mcp_tools, sec_13_a_rule_is_for_one_tool_and_its_scope)
{
    make_policy();
    accept("s", "t", "1", SCOPE_TURN);
    cr_assert_eq(verdict_on("s", "t", "1"), POLICY_ALLOW);
    cr_assert_eq(verdict_on("s", "t", "2"), POLICY_ASK);
    cr_assert_eq(verdict_on("s", "u", "1"), POLICY_ASK);
    cr_assert_eq(verdict_on("r", "t", "1"), POLICY_ASK);
    policy_end_turn(policy, "1");
    cr_assert_eq(verdict_on("s", "t", "1"), POLICY_ASK);
    accept("s", "t", "1", SCOPE_SESSION);
    cr_assert_eq(verdict_on("s", "t", "9"), POLICY_ALLOW);
    policy_set_mode(policy, MODE_PLAN);
    cr_assert_eq(verdict_on("s", "t", "9"), POLICY_REFUSE);
}

Test(mcp_tools, a_remembered_rule_outlives_the_process)
{
    make_policy();
    accept("s", "t", "1", SCOPE_WORKSPACE);
    make_policy();
    cr_assert_eq(verdict_on("s", "t", "2"), POLICY_ALLOW);
    struct policy_rule rule;
    cr_assert_eq(policy_rule_count(policy), 1);
    policy_rule_get(policy, 0, &rule);
    cr_assert(strstr(rule.text, "will allow the MCP tool: `s/t` in "), "%s", rule.text);
    policy_rule_delete(policy, 0);
    make_policy();
    cr_assert_eq(verdict_on("s", "t", "2"), POLICY_ASK);
}

Test(mcp_tools, a_rule_for_a_tool_allows_no_command)
{
    struct policy_verdict verdict;
    set("{\"sandbox.mode\":\"off\"}");
    make_policy();
    policy_sandbox_test(policy, NULL);
    accept("make", "t", "1", SCOPE_SESSION);
    struct policy_command command = command_of("make/t");
    policy_check_command(policy, &command, &verdict);
    cr_assert_eq(verdict.answer, POLICY_ASK);
}

Test(mcp_tools, settings_count_in_auto_mode)
{
    set("{\"approvals.rules\":[\"mcp: s/t\",\"mcp:whole\",\"make\"]}");
    make_policy();
    cr_assert_eq(verdict_on("s", "t", "1"), POLICY_ASK);
    policy_set_mode(policy, MODE_AUTO);
    cr_assert_eq(verdict_on("s", "t", "1"), POLICY_ALLOW);
    cr_assert_eq(verdict_on("s", "u", "1"), POLICY_ASK);
    cr_assert_eq(verdict_on("whole", "anything", "1"), POLICY_ALLOW);
    cr_assert_eq(verdict_on("make", "t", "1"), POLICY_ASK);
}

Test(mcp_tools, without_a_folder_there_are_no_rules)
{
    struct policy_tool tool = {STR("s"), STR("t"), STR(""), "1"};
    struct policy_rule rules[3];
    make_policy();
    cr_assert_eq(policy_offer_tool_rules(policy, &tool, rules, 3), 0);
}
