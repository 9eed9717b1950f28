/* The mode of one turn beside that of the settings. */
#include "support.h"

#include <criterion/criterion.h>

TestSuite(mode, .timeout = 60, .init = begin, .fini = end);

static enum policy_answer tool_verdict(const char *turn)
{
    struct policy_tool tool = {STR("s"), STR("t"), str_from(workspace_root_at(workspace, 0)->path),
                               turn};
    struct policy_verdict verdict;
    policy_check_tool(policy, &tool, &verdict);
    return verdict.answer;
}

static enum policy_answer command_verdict(const char *turn)
{
    struct policy_command command = {.command = STR("ls"),
                                     .workdir = str_from(workspace_root_at(workspace, 0)->path),
                                     .turn_id = turn};
    struct policy_verdict verdict;
    policy_check_command(policy, &command, &verdict);
    return verdict.answer;
}

static enum policy_answer write_verdict(const char *turn)
{
    struct workspace_path path;
    struct policy_verdict one, all;
    cr_assert_eq(workspace_resolve(workspace, NULL, STR("a.c"), &path, NULL), STATUS_OK);
    policy_check_path_in(policy, turn, &path, POLICY_WRITE, &one);
    policy_check_edit_in(policy, turn, &path, 1, &all);
    workspace_path_finish(&path);
    cr_assert_eq(one.answer, all.answer);
    return all.answer;
}

Test(mode, sec_25_plan_of_one_turn_is_none_of_another)
{
    set("{\"sandbox.mode\":\"external\"}");
    make_policy();
    policy_sandbox_test(policy, NULL);
    policy_set_turn_mode(policy, "planning", MODE_PLAN);
    cr_assert_eq(policy_get_turn_mode(policy, "planning"), MODE_PLAN);
    cr_assert_eq(tool_verdict("planning"), POLICY_REFUSE);
    cr_assert_eq(command_verdict("planning"), POLICY_REFUSE);
    cr_assert_eq(write_verdict("planning"), POLICY_REFUSE);
    cr_assert_eq(tool_verdict("other"), POLICY_ASK);
    cr_assert_eq(command_verdict("other"), POLICY_ALLOW);
    cr_assert_eq(write_verdict("other"), POLICY_ALLOW);
    cr_assert_eq(write_verdict(NULL), POLICY_ALLOW);
    policy_end_turn(policy, "planning");
    cr_assert_eq(policy_get_turn_mode(policy, "planning"), MODE_ASK);
}

Test(mode, the_person_may_loosen_one_turn)
{
    set("{\"mode\":\"plan\",\"sandbox.mode\":\"external\"}");
    make_policy();
    policy_sandbox_test(policy, NULL);
    cr_assert_eq(write_verdict("1"), POLICY_REFUSE);
    policy_set_turn_mode(policy, "1", MODE_ASK);
    policy_set_turn_mode(policy, "2", MODE_AUTO);
    policy_set_turn_mode(policy, "1", MODE_AUTO);
    cr_assert_eq(write_verdict("1"), POLICY_ALLOW);
    policy_set_turn_mode(policy, "1", MODE_PLAN);
    cr_assert_eq(write_verdict("1"), POLICY_REFUSE);
    cr_assert_eq(write_verdict("2"), POLICY_ALLOW);
}
