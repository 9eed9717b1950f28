#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(commands, .timeout = 60, .init = begin, .fini = end);

enum wish { PLAIN, NETWORK, ESCALATE };
static const char *turn = "t1";

static struct policy_command make(const char *text, enum wish wish)
{
    struct policy_command command = command_of(text);
    command.turn_id = turn;
    command.network = wish == NETWORK;
    command.escalate = wish == ESCALATE;
    return command;
}

static enum policy_answer verdict_on(const char *text, enum wish wish)
{
    struct policy_command command = make(text, wish);
    struct policy_verdict verdict;
    policy_check_command(policy, &command, &verdict);
    return verdict.answer;
}

/* mode, sandbox, what the command wants; the answer */
static const struct {
    enum config_mode mode;
    enum policy_tier tier;
    enum policy_answer plain, network, escalate;
} matrix[] = {
    {MODE_PLAN, TIER_BUBBLEWRAP, POLICY_REFUSE, POLICY_REFUSE, POLICY_REFUSE},
    {MODE_PLAN, TIER_EXTERNAL, POLICY_REFUSE, POLICY_REFUSE, POLICY_REFUSE},
    {MODE_PLAN, TIER_NONE, POLICY_REFUSE, POLICY_REFUSE, POLICY_REFUSE},
    {MODE_ASK, TIER_BUBBLEWRAP, POLICY_ALLOW, POLICY_ASK, POLICY_ASK},
    {MODE_ASK, TIER_EXTERNAL, POLICY_ALLOW, POLICY_ASK, POLICY_ASK},
    {MODE_ASK, TIER_NONE, POLICY_ASK, POLICY_ASK, POLICY_ASK},
    {MODE_AUTO, TIER_BUBBLEWRAP, POLICY_ALLOW, POLICY_ASK, POLICY_ASK},
    {MODE_AUTO, TIER_EXTERNAL, POLICY_ALLOW, POLICY_ASK, POLICY_ASK},
    {MODE_AUTO, TIER_NONE, POLICY_ASK, POLICY_ASK, POLICY_ASK},
};

static void use_tier(enum policy_tier tier)
{
    static const char *const modes[] = {[TIER_BUBBLEWRAP] = "{\"sandbox.mode\":\"on\"}",
                                        [TIER_EXTERNAL] = "{\"sandbox.mode\":\"external\"}",
                                        [TIER_NONE] = "{\"sandbox.mode\":\"off\"}"};
    set(modes[tier]);
    make_policy();
    if (tier == TIER_BUBBLEWRAP)
        need_sandbox();
    cr_assert_eq(policy_sandbox_test(policy, NULL), tier);
}

Test(commands, sec_25_the_matrix)
{
    for (size_t i = 0; i < array_count(matrix); i++) {
        use_tier(matrix[i].tier);
        policy_set_mode(policy, matrix[i].mode);
        cr_assert_eq(verdict_on("make test", PLAIN), matrix[i].plain, "%zu", i);
        cr_assert_eq(verdict_on("make test", NETWORK), matrix[i].network, "%zu", i);
        cr_assert_eq(verdict_on("make test", ESCALATE), matrix[i].escalate, "%zu", i);
    }
}

Test(commands, sec_15_only_in_confirmed_roots)
{
    use_tier(TIER_EXTERNAL);
    struct policy_command command = command_of("ls");
    struct policy_verdict verdict;
    command.workdir = str_from(at("ws-evil"));
    policy_check_command(policy, &command, &verdict);
    cr_assert_eq(verdict.answer, POLICY_REFUSE);
    cr_assert_eq(workspace_add_root(workspace, str_from(at("home")), STR("home"), &err), STATUS_OK);
    command.workdir = str_from(at("home"));
    policy_check_command(policy, &command, &verdict);
    cr_assert_eq(verdict.answer, POLICY_REFUSE, "the home asks once, and nobody has answered");
    workspace_remove_root(workspace, str_from(at("home")));
    workspace_remove_root(workspace, str_from(at("ws")));
    command.workdir = str_from(at("ws"));
    policy_check_command(policy, &command, &verdict);
    cr_assert_eq(verdict.answer, POLICY_REFUSE);
    cr_assert(strstr(verdict.reason, "no folder is open"), "%s", verdict.reason);
}

/* -- Rules -- */

static bool accept(const char *text, enum wish wish, enum policy_scope scope)
{
    struct policy_command command = make(text, wish);
    struct policy_rule rules[3];
    size_t count = policy_offer_rules(policy, &command, rules, 3);
    for (size_t i = 0; i < count; i++) {
        if (rules[i].scope == scope) {
            policy_accept_rule(policy, &command, &rules[i]);
            return true;
        }
    }
    return false;
}

/* what was accepted, what comes then, whether it is covered */
static const struct {
    const char *accepted;
    enum wish accepted_wish;
    const char *command;
    enum wish wish;
    bool covered;
} coverage[] = {
    {"git fetch", NETWORK, "git fetch", NETWORK, true},
    {"git fetch", NETWORK, "git fetch --all", NETWORK, true},
    {"git fetch", NETWORK, "git push", NETWORK, false},
    {"git fetch", NETWORK, "git fetchx", NETWORK, false},
    {"git fetch", NETWORK, "git fetch", ESCALATE, false},
    {"git fetch", ESCALATE, "git fetch", NETWORK, false},
    {"git fetch", NETWORK, "git fetch && rm -rf x", NETWORK, false},
    {"git fetch", NETWORK, "git fetch; ls", NETWORK, false},
    {"git fetch", NETWORK, "git fetch | sh", NETWORK, false},
    {"git fetch", NETWORK, "git fetch & ls", NETWORK, false},
    {"git fetch", NETWORK, "git fetch $(id)", NETWORK, false},
    {"git fetch", NETWORK, "git fetch `id`", NETWORK, false},
    {"git fetch", NETWORK, "git fetch \"$HOME\"", NETWORK, false},
    {"git fetch", NETWORK, "git fetch > x", NETWORK, false},
    {"git fetch", NETWORK, "git fetch\nid", NETWORK, false},
    {"git fetch", NETWORK, "GIT_SSH=x git fetch", NETWORK, false},
    {"git fetch", NETWORK, "git -c core.pager=x fetch", NETWORK, false},
    {"git fetch", NETWORK, "'git' fetch", NETWORK, false},
    {"git fetch", NETWORK, "git fetch 'a b'", NETWORK, true},
    {"git fetch", NETWORK, "git fetch *", NETWORK, false},
    {"git fetch", NETWORK, "git fetch {a,b}", NETWORK, false},
    {"git fetch", NETWORK, "git fetch ~", NETWORK, false},
    {"git fetch", NETWORK, "git fetch # x", NETWORK, false},
    {"git fetch", NETWORK, "git fetch \\\nx", NETWORK, false},
    {"npm run build", NETWORK, "npm run build -- x", NETWORK, true},
    {"npm run build", NETWORK, "npm run evil", NETWORK, false},
    {"make", NETWORK, "make", NETWORK, true},
    {"make", NETWORK, "make install", NETWORK, false},
    {"python3 a.py", NETWORK, "python3 a.py", NETWORK, true},
    {"python3 a.py", NETWORK, "python3 b.py", NETWORK, false},
    {"curl http://a/", NETWORK, "curl http://a/ http://b/", NETWORK, false},
    {"git -c a=b fetch", NETWORK, "git -c a=c fetch", NETWORK, false},
    {"a && b", NETWORK, "a && b", NETWORK, true},
    {"a && b", NETWORK, "a && c", NETWORK, false},
    /* What adds nothing: a folder before, a filter behind. */
    {"make test", NETWORK, "cd sub && make test | tail", NETWORK, true},
    {"make test", NETWORK, "cd sub && make test 2>&1 | tail -n 20 | grep -i error", NETWORK, true},
    {"cd sub && make test | tail", NETWORK, "make test -j4", NETWORK, true},
    {"make test", NETWORK, "make test >/dev/null; echo done", NETWORK, true},
    {"make test", NETWORK, "cd .. && make test", NETWORK, false},
    {"make test", NETWORK, "cd away && make test", NETWORK, false},
    {"make test", NETWORK, "cd / && make test", NETWORK, false},
    {"make test", NETWORK, "cd && make test", NETWORK, false},
    {"make test", NETWORK, "cd - && make test", NETWORK, false},
    {"make test", NETWORK, "cd sub; make test", NETWORK, false},
    {"make test", NETWORK, "cd sub && cd .. && make test", NETWORK, false},
    {"make test", NETWORK, "make test && cd sub", NETWORK, false},
    {"make test", NETWORK, "make test | tail /etc/passwd", NETWORK, false},
    {"make test", NETWORK, "make test | tail -f x", NETWORK, false},
    {"make test", NETWORK, "make test | grep -r key .", NETWORK, false},
    {"make test", NETWORK, "make test | grep -f x y", NETWORK, false},
    {"make test", NETWORK, "make test | sort -o x", NETWORK, false},
    {"make test", NETWORK, "make test | uniq a b", NETWORK, false},
    {"make test", NETWORK, "make test | tee x", NETWORK, false},
    {"make test", NETWORK, "make test | sh", NETWORK, false},
    {"make test", NETWORK, "cat x | make test", NETWORK, false},
    {"make test", NETWORK, "echo x | make test", NETWORK, false},
    {"make test", NETWORK, "cat .env; make test", NETWORK, false},
    {"make test", NETWORK, "make test 2>x", NETWORK, false},
    {"make test", NETWORK, "make test >/dev/nullx", NETWORK, false},
    {"make test", NETWORK, "make test >/dev/null/../x", NETWORK, false},
    {"make test", NETWORK, "2>&1 make test", NETWORK, false},
    {"make test", NETWORK, "tail", NETWORK, false},
    {"make test", NETWORK, "echo done", NETWORK, false},
};

Test(commands, sec_13_a_rule_covers_what_was_shown_and_no_more)
{
    for (size_t i = 0; i < array_count(coverage); i++) {
        use_tier(TIER_EXTERNAL);
        put("ws/sub/Makefile", "");
        (void)!symlink("/", at("ws/away"));
        cr_assert_eq(verdict_on(coverage[i].command, coverage[i].wish), POLICY_ASK);
        cr_assert(accept(coverage[i].accepted, coverage[i].accepted_wish, SCOPE_SESSION), "%s",
                  coverage[i].accepted);
        cr_assert_eq(verdict_on(coverage[i].command, coverage[i].wish),
                     coverage[i].covered ? POLICY_ALLOW : POLICY_ASK, "%s, then %s",
                     coverage[i].accepted, coverage[i].command);
    }
}

/* Doubt offers nothing: such a command can only be allowed once. */
static const char *const not_understood[] = {
    "echo $HOME", "echo `id`", "cat < x", "x > y",    "for i in a; do b; done",
    "a & b",      "a=b c",     "! a",     "echo \"a", "(a)",
    "{ a; }",     "a\nb",      "eval x",  "a ;; b",   "source x",
    ". x",        "a &&",      "&& a",    "a | | b",  "",
    "a #b",
};

Test(commands, sec_24_doubt_asks)
{
    struct policy_rule rules[3];
    use_tier(TIER_EXTERNAL);
    for (size_t i = 0; i < array_count(not_understood); i++) {
        struct policy_command command = make(not_understood[i], NETWORK);
        cr_assert_eq(policy_offer_rules(policy, &command, rules, 3), 0, "%s", not_understood[i]);
    }
}

Test(commands, sec_13_rules_are_shown_literally)
{
    struct policy_rule rules[3];
    struct policy_command command = make("git fetch --all", NETWORK);
    char expected[512];
    use_tier(TIER_EXTERNAL);
    cr_assert_eq(policy_offer_rules(policy, &command, rules, 3), 3);
    snprintf(expected, sizeof(expected),
             "will allow: `git fetch …` with network in %s, this session", at("ws"));
    cr_assert_str_eq(rules[1].text, expected);
    cr_assert_eq(rules[0].scope, SCOPE_TURN);
    cr_assert_eq(policy_offer_rules(policy, &command, rules, 1), 1);
    command = make("python3 x.py", ESCALATE);
    cr_assert_eq(policy_offer_rules(policy, &command, rules, 3), 3);
    snprintf(expected, sizeof(expected),
             "will allow exactly: `python3 x.py` outside the sandbox in %s, this turn", at("ws"));
    cr_assert_str_eq(rules[0].text, expected);
    command = make("ls", PLAIN);
    cr_assert_eq(policy_offer_rules(policy, &command, rules, 3), 0, "it does not ask");
}

Test(commands, sec_11_protected_names_never_by_a_rule)
{
    use_tier(TIER_NONE);
    cr_assert(accept("cp2 a b", PLAIN, SCOPE_SESSION));
    cr_assert_eq(verdict_on("cp2 x y", PLAIN), POLICY_ALLOW);
    static const char *const words[] = {"cp2 x .git/hooks/pre-commit",
                                        "cp2 x ./a/.VSCODE/tasks.json", "cp2 ~/.ssh/id_rsa x",
                                        "cp2 '.envrc' x", "cp2 id_rsa x"};
    for (size_t i = 0; i < array_count(words); i++) {
        struct policy_command command = make(words[i], PLAIN);
        struct policy_rule rules[3];
        cr_assert_eq(verdict_on(words[i], PLAIN), POLICY_ASK, "%s", words[i]);
        cr_assert_eq(policy_offer_rules(policy, &command, rules, 3), 0, "%s", words[i]);
    }
}

Test(commands, rules_end_with_their_scope)
{
    use_tier(TIER_EXTERNAL);
    cr_assert(accept("git fetch", NETWORK, SCOPE_TURN));
    cr_assert(accept("git push", NETWORK, SCOPE_SESSION));
    cr_assert(accept("git pull", NETWORK, SCOPE_WORKSPACE));
    policy_end_turn(policy, "t1");
    cr_assert_eq(verdict_on("git fetch", NETWORK), POLICY_ASK);
    cr_assert_eq(verdict_on("git push", NETWORK), POLICY_ALLOW);
    make_policy();
    policy_sandbox_test(policy, NULL);
    cr_assert_eq(verdict_on("git push", NETWORK), POLICY_ASK);
    cr_assert_eq(verdict_on("git pull --rebase", NETWORK), POLICY_ALLOW, "remembered");
    policy_set_mode(policy, MODE_PLAN);
    cr_assert_eq(verdict_on("git pull", NETWORK), POLICY_REFUSE, "no rule is above plan mode");
}

Test(commands, sec_13_a_rule_of_a_turn_is_that_turns)
{
    use_tier(TIER_EXTERNAL);
    cr_assert(accept("git fetch", NETWORK, SCOPE_TURN));
    cr_assert_eq(verdict_on("git fetch", NETWORK), POLICY_ALLOW);
    turn = "t2";
    cr_assert_eq(verdict_on("git fetch", NETWORK), POLICY_ASK, "another turn, at the same time");
    cr_assert(accept("git push", NETWORK, SCOPE_TURN));
    policy_end_turn(policy, "t1");
    cr_assert_eq(verdict_on("git push", NETWORK), POLICY_ALLOW,
                 "the end of one is not the other's");
    turn = NULL;
    cr_assert_eq(verdict_on("git push", NETWORK), POLICY_ASK);
    turn = "t2";
    policy_end_turn(policy, "t2");
    cr_assert_eq(verdict_on("git push", NETWORK), POLICY_ASK);
    turn = "t1";
}

/* Another window, and `lanebridge rules`. */
Test(commands, rules_of_all_windows_are_one)
{
    struct policy_rule rule;
    use_tier(TIER_EXTERNAL);
    struct policy *other = policy_new(config, workspace, &env);
    cr_assert(accept("git pull", NETWORK, SCOPE_WORKSPACE));
    cr_assert_eq(policy_rule_count(other), 1);
    cr_assert(accept("git fetch", NETWORK, SCOPE_WORKSPACE));
    cr_assert_eq(policy_rule_count(other), 2);
    policy_rule_get(other, 0, &rule);
    cr_assert_eq(policy_rule_delete_id(other, str_from(rule.id), &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(verdict_on("git pull", NETWORK), POLICY_ASK, "forgotten there, asked here");
    cr_assert_eq(verdict_on("git fetch", NETWORK), POLICY_ALLOW);
    cr_assert_eq(policy_rule_delete_id(other, STR("rule_none"), &err), STATUS_NOT_FOUND);
    cr_assert(accept("git fetch", NETWORK, SCOPE_WORKSPACE) == false, "it does not ask any more");
    policy_free(other);
}

/* command, is it on the list */
static const struct {
    const char *command;
    bool only_reads;
} lookers[] = {
    {"ls -la src", true},
    {"cat a.c | grep -n main | head -5", true},
    {"git diff --stat HEAD~1", true},
    {"git log --oneline -n 5", true},
    {"git status --short", true},
    {"wc -l a b && echo ok", true},
    {"sort -u x 2>&1", true},
    {"grep -rn foo src", true},
    {"env", false},
    {"find . -name x", false},
    {"find . -exec rm {} ;", false},
    {"sed -n 1p a", false},
    {"awk 1 a", false},
    {"git -c core.pager=x diff", false},
    {"git diff --ext-diff", false},
    {"git diff --output=x", false},
    {"git log --open-files-in-pager=x", false},
    {"git push", false},
    {"git grep -O x", false},
    {"git", false},
    {"curl http://a", false},
    {"python3 a.py", false},
    {"sort -o x y", false},
    {"sort --compress-program=x y", false},
    {"uniq a b", false},
    {"tee x", false},
    {"cat a > b", false},
    {"ls $(id)", false},
    {"xargs rm", false},
    {"./ls", false},
    {"/tmp/ls", false},
    {"cat a; rm b", false},
    {"make", false},
    {"", false},
};

Test(commands, sec_25_its_list_only_looks)
{
    for (size_t i = 0; i < array_count(lookers); i++)
        cr_assert_eq(policy_only_reads(str_from(lookers[i].command)), lookers[i].only_reads, "%s",
                     lookers[i].command);
}

Test(commands, rules_are_listed_and_deleted)
{
    struct policy_rule rule;
    use_tier(TIER_EXTERNAL);
    cr_assert(accept("git push", NETWORK, SCOPE_SESSION));
    cr_assert(accept("git pull", NETWORK, SCOPE_WORKSPACE));
    cr_assert_eq(policy_rule_count(policy), 2);
    policy_rule_get(policy, 1, &rule);
    cr_assert_eq(rule.scope, SCOPE_WORKSPACE);
    cr_assert(strstr(rule.text, "`git pull …` with network in"), "%s", rule.text);
    policy_rule_delete(policy, 1);
    cr_assert_eq(verdict_on("git pull", NETWORK), POLICY_ASK);
    cr_assert_eq(verdict_on("git push", NETWORK), POLICY_ALLOW);
    make_policy();
    cr_assert_eq(policy_rule_count(policy), 0, "forgotten for good");
}

Test(commands, sec_30_remembered_rules_are_ours_alone)
{
    struct stat st;
    use_tier(TIER_EXTERNAL);
    cr_assert(accept("git pull", NETWORK, SCOPE_WORKSPACE));
    cr_assert_eq(stat(at("home/.local/state/lanebridge/rules.json"), &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(chmod(at("home/.local/state/lanebridge/rules.json"), 0666), 0);
    make_policy();
    policy_sandbox_test(policy, NULL);
    cr_assert_eq(verdict_on("git pull", NETWORK), POLICY_ASK, "others could have written it");
}

Test(commands, settings_decide_the_rest_in_auto_mode)
{
    set("{\"approvals.rules\":[\"make\",\"network: npm install\",\"outside: docker build\",\"\"]}");
    static const struct {
        const char *command;
        enum wish wish;
        bool covered;
    } rows[] = {
        {"make test", PLAIN, true},        {"make test", NETWORK, false},
        {"npm install x", NETWORK, true},  {"npm install x", ESCALATE, false},
        {"npm publish", NETWORK, false},   {"docker build .", ESCALATE, true},
        {"docker run x", ESCALATE, false}, {"make; id", PLAIN, false},
        {"maker", PLAIN, false},
    };
    use_tier(TIER_NONE);
    for (size_t i = 0; i < array_count(rows); i++) {
        policy_set_mode(policy, MODE_ASK);
        cr_assert_eq(verdict_on(rows[i].command, rows[i].wish), POLICY_ASK);
        policy_set_mode(policy, MODE_AUTO);
        cr_assert_eq(verdict_on(rows[i].command, rows[i].wish),
                     rows[i].covered ? POLICY_ALLOW : POLICY_ASK, "%s", rows[i].command);
    }
}
