/* Who asks: every mode with every review, for everything the model may want. The table of the
 * settings' documentation, row by row. */
#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(matrix, .timeout = 60, .init = begin, .fini = end);

enum wish { COMMAND, NETWORK, ESCALATE, RULED, EDIT, PROTECTED, SECRET, OWN, READ, WISH_COUNT };
static const char *const names[WISH_COUNT] = {"command", "network", "escalation",
                                              "rule",    "edit",    "protected name",
                                              "secret",  "our own", "read"};

/* R refused, A asked, Y allowed; in the order of the wishes. */
static const struct {
    enum config_mode mode;
    enum config_review review;
    const char *answers;
} rows[] = {
    {MODE_PLAN, REVIEW_BEFORE, "RRRRRRRRY"}, {MODE_PLAN, REVIEW_AFTER, "RRRRRRRRY"},
    {MODE_PLAN, REVIEW_OFF, "RRRRRRRRY"},    {MODE_ASK, REVIEW_BEFORE, "YAAAAAAAY"},
    {MODE_ASK, REVIEW_AFTER, "YAAAYAAAY"},   {MODE_ASK, REVIEW_OFF, "YAAAYAAAY"},
    {MODE_AUTO, REVIEW_BEFORE, "YAAYAAAAY"}, {MODE_AUTO, REVIEW_AFTER, "YAAYYAAAY"},
    {MODE_AUTO, REVIEW_OFF, "YAAYYAAAY"},
};

static char letter_of(enum policy_answer answer)
{
    return answer == POLICY_ALLOW ? 'Y' : answer == POLICY_ASK ? 'A' : 'R';
}

static struct policy_verdict verdict_on_command(const char *text, enum wish wish)
{
    struct policy_command command = command_of(text);
    struct policy_verdict verdict;
    command.network = wish == NETWORK || wish == RULED;
    command.escalate = wish == ESCALATE;
    policy_check_command(policy, &command, &verdict);
    return verdict;
}

static struct policy_verdict verdict_on_path(const char *name, bool writes)
{
    struct workspace_path path;
    struct policy_verdict verdict;
    cr_assert_eq(workspace_resolve(workspace, NULL, str_from(name), &path, &err), STATUS_OK, "%s",
                 err.text);
    if (writes)
        policy_check_edit(policy, &path, 1, &verdict);
    else
        policy_check_path(policy, &path, POLICY_READ, &verdict);
    workspace_path_finish(&path);
    return verdict;
}

static struct policy_verdict verdict_on(enum wish wish)
{
    switch (wish) {
    case EDIT:
        return verdict_on_path("a.c", true);
    case PROTECTED:
        return verdict_on_path(".github/workflows/ci.yml", true);
    case SECRET:
        return verdict_on_path(".env", false);
    case OWN:
        return verdict_on_path(".agentignore", true);
    case READ:
        return verdict_on_path("a.c", false);
    case RULED:
        return verdict_on_command("npm install left-pad", wish);
    default:
        return verdict_on_command("make test", wish);
    }
}

static void check_row(size_t row)
{
    for (enum wish wish = 0; wish < WISH_COUNT; wish++) {
        struct policy_verdict verdict = verdict_on(wish);
        cr_assert_eq(letter_of(verdict.answer), rows[row].answers[wish], "row %zu, %s: %s", row,
                     names[wish], verdict.reason);
        cr_assert(verdict.answer == POLICY_ALLOW || verdict.reason[0], "row %zu, %s: it says why",
                  row, names[wish]);
        bool always = wish == PROTECTED || wish == SECRET || wish == OWN;
        cr_assert(!always || verdict.answer != POLICY_ASK || verdict.outside_rules,
                  "row %zu, %s: no rule may ever allow it", row, names[wish]);
    }
}

Test(matrix, sec_13_modes_and_review)
{
    static const char *const modes[] = {"plan", "ask", "auto"};
    static const char *const reviews[] = {"before", "after", "off"};
    put("ws/a.c", "int a;\n");
    put("ws/.env", "KEY=1\n");
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf json = {0};
        buf_append_fmt(&json,
                       "{\"mode\":\"%s\",\"review\":\"%s\",\"approvals.rules\":[\"network: npm "
                       "install\"],\"sandbox.mode\":\"on\"}",
                       modes[rows[i].mode], reviews[rows[i].review]);
        set(json.ptr);
        buf_finish(&json);
        make_policy();
        need_sandbox();
        check_row(i);
    }
}

/* The same, where commands have no sandbox: each asks, and nothing else changes. */
Test(matrix, sec_25_without_a_sandbox_each_command_asks)
{
    put("ws/a.c", "int a;\n");
    set("{\"sandbox.mode\":\"off\"}");
    make_policy();
    cr_assert_eq(policy_sandbox_test(policy, NULL), TIER_NONE);
    for (enum config_mode mode = MODE_ASK; mode <= MODE_AUTO; mode++) {
        policy_set_mode(policy, mode);
        cr_assert_eq(verdict_on(COMMAND).answer, POLICY_ASK);
        cr_assert_eq(verdict_on_command("ls", COMMAND).answer, POLICY_ASK,
                     "not even what only looks runs unasked outside the sandbox");
        cr_assert_eq(verdict_on(EDIT).answer, POLICY_ALLOW);
    }
}
