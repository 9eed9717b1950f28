#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(paths, .timeout = 60, .init = begin, .fini = end);

/* path below the root, whether it is protected */
static const struct {
    const char *path;
    bool is_protected;
} names[] = {
    {".git", true},
    {".git/hooks/pre-commit", true},
    {"a/b/.git/config", true},
    {".GIT/config", true},
    {".gIt", true},
    {".git.", true},
    {".git ", true},
    {".g\xe2\x80\x8cit/config", true},                          /* zero-width non-joiner */
    {"\xef\xbc\x8e\xef\xbd\x87\xef\xbd\x89\xef\xbd\x94", true}, /* full width */
    {".g\xc4\xb1t", true},                                      /* dotless i */
    {"GIT~1/config", true},
    {".gitmodules", true},
    {"sub/.gitattributes", true},
    {".gitignore", false},
    {".gitfoo", false},
    {"git/config", false},
    {".hg/hgrc", true},
    {".vscode/settings.json", true},
    {"x.code-workspace", true},
    {"X.Code-Workspace", true},
    {".idea/x", true},
    {".cursor/rules", true},
    {".claude/settings.json", true},
    {".mcp.json", true},
    {".clangd", true},
    {".clang-format", false},
    {".nvim.lua", true},
    {".exrc", true},
    {".dir-locals.el", true},
    {".envrc", true},
    {".env", true},
    {".env.production", true},
    {"env.c", false},
    {".husky/pre-commit", true},
    {".github/workflows/ci.yml", true},
    {".GitHub/Workflows/ci.yml", true},
    {".github//workflows", true},
    {".github/ISSUE_TEMPLATE.md", false},
    {"workflows/a", false},
    {".gitlab-ci.yml", true},
    {".devcontainer/devcontainer.json", true},
    {".npmrc", true},
    {".yarnrc.yml", true},
    {".bashrc", true},
    {".ssh/config", true},
    {".gnupg", true},
    {"AGENTS.md", true},
    {"docs/agents.MD", true},
    {"CLAUDE.md", true},
    {"README.md", false},
    {"src/main.c", false},
    {"", false},
    {".", false},
};

Test(paths, sec_11_protected_names_at_any_depth_in_any_spelling)
{
    for (size_t i = 0; i < array_count(names); i++)
        cr_assert_eq(policy_protected_name(str_from(names[i].path)) != NULL, names[i].is_protected,
                     "%s", names[i].path);
}

static struct policy_verdict check(const char *path, enum policy_access access)
{
    struct workspace_path resolved = {0};
    struct policy_verdict verdict;
    cr_assert_eq(workspace_resolve(workspace, NULL, str_from(path), &resolved, &err), STATUS_OK,
                 "%s", err.text);
    policy_check_path(policy, &resolved, access, &verdict);
    workspace_path_finish(&resolved);
    return verdict;
}

/* A protected name asks for every way of changing it, and never by a session's rule. */
Test(paths, sec_11_changing_a_protected_name_always_asks)
{
    for (size_t i = 0; i < array_count(names); i++) {
        if (!names[i].path[0] || strcmp(names[i].path, ".") == 0)
            continue;
        for (int access = POLICY_WRITE; access <= POLICY_DELETE; access++) {
            struct policy_verdict verdict = check(names[i].path, (enum policy_access)access);
            cr_assert_eq(verdict.answer, names[i].is_protected ? POLICY_ASK : POLICY_ALLOW,
                         "%s: %s", names[i].path, verdict.reason);
            cr_assert_eq(verdict.outside_rules, names[i].is_protected);
            cr_assert_eq(verdict.reason[0] != '\0', names[i].is_protected);
        }
    }
    cr_assert_eq(check(".git/config", POLICY_READ).answer, POLICY_ALLOW, "reading is no change");
    policy_set_mode(policy, MODE_AUTO);
    cr_assert_eq(check(".git/config", POLICY_WRITE).answer, POLICY_ASK);
    policy_set_mode(policy, MODE_PLAN);
    cr_assert_eq(check(".git/config", POLICY_WRITE).answer, POLICY_REFUSE);
    cr_assert_eq(check("a.c", POLICY_WRITE).answer, POLICY_REFUSE);
    cr_assert_eq(check("a.c", POLICY_READ).answer, POLICY_ALLOW);
}

Test(paths, sec_11_git_directories_elsewhere_in_the_root_too)
{
    put("ws/store/repo/HEAD", "x");
    put("ws/store/repo/objects/x", "");
    put("ws/.git", "gitdir: store/repo\n");
    cr_assert_eq(check("store/repo/config", POLICY_WRITE).answer, POLICY_ASK);
    cr_assert_eq(check("store/other", POLICY_WRITE).answer, POLICY_ALLOW);
}

Test(paths, sec_29_links_are_judged_by_where_they_lead)
{
    put("ws/.env", "KEY=1");
    cr_assert_eq(symlink(".env", at("ws/harmless.txt")), 0);
    cr_assert_eq(symlink(".git", at("ws/other")), 0);
    put("ws/.git/config", "");
    cr_assert_eq(check("harmless.txt", POLICY_READ).answer, POLICY_ASK);
    cr_assert_eq(check("other/config", POLICY_WRITE).answer, POLICY_ASK);
    put("outside/x", "");
    cr_assert_eq(symlink(at("outside/x"), at("ws/leads-out")), 0);
    cr_assert_eq(check("leads-out", POLICY_READ).answer, POLICY_REFUSE);
}

/* name, content, whether it is secret */
static const struct {
    const char *path, *head;
    bool secret;
} secrets[] = {
    {"/r/.ssh/config", "", true},
    {"/r/id_rsa", "", true},
    {"/r/ID_RSA", "", true},
    {"/r/id_ed25519", "", true},
    {"/r/id_ed25519.pub", "", false},
    {"/r/.netrc", "", true},
    {"/r/.aws/credentials", "", true},
    {"/r/.env", "", true},
    {"/r/.env.local", "", true},
    {"/r/.env.example", "", false},
    {"/r/.env.sample", "", false},
    {"/r/.env.prod.template", "", false},
    {"/r/.envrc", "", false},
    {"/r/.npmrc", "registry=https://x", false},
    {"/r/.npmrc", "//x/:_authToken=abc", true},
    {"/r/cert.pem", "-----BEGIN CERTIFICATE-----", false},
    {"/r/cert.pem", "", false},
    {"/r/key.pem", "-----BEGIN CERTIFICATE-----\n…\n-----BEGIN PRIVATE KEY-----", true},
    {"/r/server.KEY", "-----BEGIN RSA PRIVATE KEY-----", true},
    {"/r/notes.txt", "-----BEGIN OPENSSH PRIVATE KEY-----\nx", true},
    {"/r/test.c", "\"-----BEGIN RSA PRIVATE KEY-----\"", false},
    {"/r/main.c", "int main", false},
};

Test(paths, sec_29_secrets_by_name_and_content)
{
    for (size_t i = 0; i < array_count(secrets); i++)
        cr_assert_eq(policy_is_secret(str_from(secrets[i].path), str_from(secrets[i].head)),
                     secrets[i].secret, "%s with %s", secrets[i].path, secrets[i].head);
}

Test(paths, sec_29_reading_a_secret_asks_and_searches_hide_it)
{
    put("ws/key.pem", "-----BEGIN PRIVATE KEY-----");
    put("ws/cert.pem", "-----BEGIN CERTIFICATE-----");
    put("ws/.env", "A=1");
    static const struct {
        const char *name;
        bool hidden;
    } rows[] = {{"key.pem", true}, {"cert.pem", false}, {".env", true}, {"main.c", false}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct policy_verdict verdict = check(rows[i].name, POLICY_READ);
        cr_assert_eq(verdict.answer, rows[i].hidden ? POLICY_ASK : POLICY_ALLOW, "%s",
                     rows[i].name);
        cr_assert_eq(verdict.outside_rules, rows[i].hidden);
        cr_assert_eq(policy_hides(policy, str_from(at("ws/%s", rows[i].name)), false),
                     rows[i].hidden);
    }
    policy_set_mode(policy, MODE_PLAN);
    cr_assert_eq(check(".env", POLICY_READ).answer, POLICY_REFUSE);
}

Test(paths, sec_29_what_agentignore_names_asks)
{
    put("ws/.agentignore", "private/\n*.secret\n!ok.secret\n");
    put("ws/sub/.agentignore", "!allowed.secret\nlocal\n");
    static const struct {
        const char *path;
        bool asks;
    } rows[] = {
        {"private/x/y.c", true},
        {"a.secret", true},
        {"ok.secret", false},
        {"sub/b.secret", true},
        {"sub/allowed.secret", false},
        {"sub/local", true},
        {"local", false},
        {"a.c", false},
        {"sub/deep/c.secret", true},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        enum policy_answer expected = rows[i].asks ? POLICY_ASK : POLICY_ALLOW;
        cr_assert_eq(check(rows[i].path, POLICY_READ).answer, expected, "%s", rows[i].path);
        cr_assert_eq(check(rows[i].path, POLICY_WRITE).answer, expected, "%s", rows[i].path);
    }
}

Test(paths, sec_11_our_own_files_are_protected)
{
    put("home/.config/lanebridge/config.json", "{}");
    cr_assert_eq(workspace_add_root(workspace, str_from(at("home")), STR("home"), &err), STATUS_OK);
    workspace_root_at(workspace, 1)->confirmed = true;
    static const char *const ours[] = {".config/lanebridge/config.json",
                                       ".local/state/lanebridge/journal.db",
                                       ".local/state/lanebridge/rules.json"};
    for (size_t i = 0; i < array_count(ours); i++) {
        cr_assert_eq(check(at("home/%s", ours[i]), POLICY_WRITE).answer, POLICY_ASK, "%s", ours[i]);
        cr_assert_eq(check(at("home/%s", ours[i]), POLICY_READ).answer, POLICY_ASK);
    }
}

/* mode, review, a protected path among them; what comes out */
static const struct {
    enum config_mode mode;
    const char *review;
    bool with_protected;
    enum policy_answer answer;
    bool outside_rules;
} edits[] = {
    {MODE_PLAN, "after", false, POLICY_REFUSE, false},
    {MODE_PLAN, "before", true, POLICY_REFUSE, false},
    {MODE_ASK, "after", false, POLICY_ALLOW, false},
    {MODE_ASK, "off", false, POLICY_ALLOW, false},
    {MODE_ASK, "before", false, POLICY_ASK, false},
    {MODE_AUTO, "after", false, POLICY_ALLOW, false},
    {MODE_AUTO, "before", false, POLICY_ASK, false},
    {MODE_ASK, "after", true, POLICY_ASK, true},
    {MODE_AUTO, "off", true, POLICY_ASK, true},
};

Test(paths, edits_follow_the_matrix)
{
    for (size_t i = 0; i < array_count(edits); i++) {
        struct workspace_path two[2] = {{0}};
        struct policy_verdict verdict;
        char json[64];
        snprintf(json, sizeof(json), "{\"review\":\"%s\"}", edits[i].review);
        set(json);
        policy_set_mode(policy, edits[i].mode);
        const char *second = edits[i].with_protected ? ".vscode/tasks.json" : "b.c";
        cr_assert_eq(workspace_resolve(workspace, NULL, str_from(second), &two[0], &err),
                     STATUS_OK);
        cr_assert_eq(workspace_resolve(workspace, NULL, STR("a.c"), &two[1], &err), STATUS_OK);
        policy_check_edit(policy, two, 2, &verdict);
        cr_assert_eq(verdict.answer, edits[i].answer, "%zu: %s", i, verdict.reason);
        if (verdict.answer == POLICY_ASK)
            cr_assert_eq(verdict.outside_rules, edits[i].outside_rules, "%zu", i);
        workspace_path_finish(&two[0]);
        workspace_path_finish(&two[1]);
    }
}
