/* Requirement 11: protected names, by every way in which an edit can change one. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(protected, .timeout = 60);

/* One path for each protected name; deeper, in other cases and spellings further down. */
static const char *const paths[] = {
    ".git/config",
    ".git/hooks/pre-commit",
    ".gitmodules",
    ".gitattributes",
    ".gitconfig",
    ".githooks/pre-commit",
    ".hg/hgrc",
    ".svn/x",
    ".vscode/tasks.json",
    "my.code-workspace",
    ".idea/workspace.xml",
    ".zed/settings.json",
    ".cursor/rules",
    ".codex/config.toml",
    ".claude/settings.json",
    ".agents/x.md",
    ".gemini/x",
    ".mcp.json",
    ".cursorrules",
    ".helix/languages.toml",
    ".clangd",
    ".nvim.lua",
    ".nvimrc",
    ".exrc",
    ".vimrc",
    ".dir-locals.el",
    ".envrc",
    ".env",
    ".env.local",
    ".husky/pre-commit",
    ".pre-commit-config.yaml",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
    "lefthook.yml",
    ".gdbinit",
    ".devcontainer/devcontainer.json",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".bashrc",
    ".profile",
    ".zshrc",
    ".ssh/config",
    ".gnupg/gpg.conf",
    "AGENTS.md",
    "CLAUDE.md",
    "GEMINI.md",
    ".github/copilot-instructions.md",
    /* at any depth, in any case */
    "deep/er/.git/config",
    "deep/.GIT/config",
    "deep/.VSCode/tasks.json",
    "deep/.github/WORKFLOWS/ci.yml",
    "deep/agents.md",
    "deep/.Env",
};

/* A patch with the path in it; `exists`: the file does. */
static const struct way {
    const char *name, *format;
    bool exists;
} ways[] = {
    {"create", "*** Begin Patch\n*** Add File: %s\n+agent\n*** End Patch\n", false},
    {"update", "*** Begin Patch\n*** Update File: %s\n@@\n-old\n+agent\n*** End Patch\n", true},
    {"delete", "*** Begin Patch\n*** Delete File: %s\n*** End Patch\n", true},
    {"move away",
     "*** Begin Patch\n*** Update File: %s\n*** Move to: plain/moved\n@@\n-old\n+agent\n*** End "
     "Patch\n",
     true},
    {"move onto",
     "*** Begin Patch\n*** Update File: plain/file\n*** Move to: %s\n@@\n-old\n+agent\n*** End "
     "Patch\n",
     false},
    {"create below", "*** Begin Patch\n*** Add File: %s/below/file\n+agent\n*** End Patch\n",
     false},
    {"beside a plain file",
     "*** Begin Patch\n*** Update File: plain/file\n@@\n-old\n+agent\n*** Add File: "
     "%s\n+agent\n*** End Patch\n",
     false},
    {"create through a link", "*** Begin Patch\n*** Add File: link/%s\n+agent\n*** End Patch\n",
     false},
};

static void make_patch(const struct way *way, const char *path, char *ret_patch, size_t size)
{
    const char *at = strstr(way->format, "%s");
    snprintf(ret_patch, size, "%.*s%s%s", (int)(at - way->format), way->format, path, at + 2);
}

static void check(struct fixture *f, const char *path, const struct way *way, enum config_mode mode)
{
    struct record r = {0};
    char text[1024];
    unsigned asked = f->host.asks, applied = f->host.applies;
    policy_set_mode(f->policy, mode);
    f->host.pending_count = 0;
    put(f, "plain/file", "old\n");
    if (way->exists)
        put(f, path, "old\n");
    make_patch(way, path, text, sizeof(text));
    patch(f, &r, text);
    cr_assert_not(r.ok, "%s: %s was not refused", path, way->name);
    cr_assert_eq(f->host.asks, asked + 1, "%s: %s: %s", path, way->name, r.text);
    cr_assert_eq(f->host.ask_kind, HOST_ASK_PROTECTED, "%s: %s", path, way->name);
    cr_assert_eq(f->host.rules.len, 0, "%s: %s: a rule is offered", path, way->name);
    cr_assert_eq(f->host.applies, applied);
    cr_assert_str_eq(disk(f, path), way->exists ? "old\n" : "(none)", "%s: %s", path, way->name);
    cr_assert_str_eq(disk(f, "plain/file"), "old\n");
    unlink(in_ws(f, path));
    record_finish(&r);
}

Test(protected, sec_11_every_name_asks_by_every_way)
{
    struct fixture f;
    fixture_init(&f);
    f.host.decision = HOST_DECLINE;
    cr_assert_eq(symlink(".", in_ws(&f, "link")), 0);
    for (size_t i = 0; i < array_count(paths); i++)
        for (size_t k = 0; k < array_count(ways); k++)
            check(&f, paths[i], &ways[k], k % 2 ? MODE_AUTO : MODE_ASK);
    fixture_finish(&f);
}

/* The other edit tools go the same way. */
Test(protected, sec_11_by_every_edit_tool)
{
    static const struct {
        const char *tool, *arguments;
    } calls[] = {
        {"edit_file", "{'path':'.envrc','old_string':'old','new_string':'agent'}"},
        {"write_file", "{'path':'.envrc','content':'agent'}"},
        {"write_file", "{'path':'sub/.vscode/settings.json','content':'agent'}"},
        {"edit_file", "{'path':'link/.envrc','old_string':'old','new_string':'agent'}"},
    };
    for (size_t i = 0; i < array_count(calls); i++) {
        struct fixture f;
        struct record r = {0};
        fixture_init(&f);
        put(&f, ".envrc", "old\n");
        cr_assert_eq(symlink(".", in_ws(&f, "link")), 0);
        call(&f, &r, "read_file", "{'path':'.envrc'}");
        unsigned asked = f.host.asks;
        f.host.decision = HOST_DECLINE;
        call(&f, &r, calls[i].tool, calls[i].arguments);
        cr_assert_not(r.ok, "%s", calls[i].arguments);
        cr_assert_eq(f.host.asks, asked + 1, "%s: %s", calls[i].arguments, r.text);
        cr_assert_eq(f.host.ask_kind, HOST_ASK_PROTECTED);
        cr_assert_str_eq(disk(&f, ".envrc"), "old\n");
        record_finish(&r);
        fixture_finish(&f);
    }
}

/* A folder that gets a protected name takes what is in it along; only commands can do that. */
Test(protected, sec_11_a_parent_that_is_renamed_by_a_command)
{
    static const struct {
        const char *command, *protected;
    } cases[] = {
        {"mv deep/hooks deep/.husky", "deep/.husky/pre-commit"},
        {"mkdir -p deep/.github && mv deep/hooks deep/.github/workflows",
         "deep/.github/workflows/pre-commit"},
        {"mkdir -p x && mv deep/hooks x/.vscode", "x/.vscode/pre-commit"},
        {"cp -r deep/hooks deep/.claude", "deep/.claude/pre-commit"},
        {"mv .github x && mkdir -p .github/workflows && cp deep/hooks/* .github/workflows",
         ".github/workflows/pre-commit"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct fixture f;
        struct record r = {0};
        char arguments[256];
        fixture_init(&f);
        f.host.decision = HOST_DECLINE;
        put(&f, "deep/hooks/pre-commit", "old\n");
        put(&f, ".github/workflows/ci.yml", "old\n");
        snprintf(arguments, sizeof(arguments), "{'cmd':'%s'}", cases[i].command);
        call(&f, &r, "exec_command", arguments);
        cr_assert_str_eq(disk(&f, cases[i].protected), "(none)", "%s:\n%s", cases[i].command,
                         r.text);
        assert_has(r.text, "a protected name was created by the command");
        cr_assert_str_eq(disk(&f, ".github/workflows/ci.yml"), "old\n", "%s", r.text);
        record_finish(&r);
        fixture_finish(&f);
    }
}

/* A wrong guess would be answered with what is there. */
Test(protected, sec_29_an_edit_that_fails_tells_nothing_of_a_secret)
{
    static const struct {
        const char *tool, *arguments;
    } calls[] = {
        {"edit_file", "{'path':'.env','old_string':'KEY=cam','new_string':'x'}"},
        {"edit_file", "{'path':'.env','old_string':'A','new_string':'x'}"}, /* at which lines? */
        {"edit_file", "{'path':'kept/notes','old_string':'KEY=cam','new_string':'x'}"},
        {"edit_file", "{'path':'plain.txt','old_string':'b3Bm','new_string':'x'}"},
        {"edit_file", "{'path':'link','old_string':'KEY=cam','new_string':'x'}"},
        /* that it leaves the file as it is would say that the guess was right */
        {"edit_file", "{'path':'.env','old_string':'KEY=can','new_string':'KEY=can'}"},
        {"edit_file", "{'path':'kept/notes','old_string':'KEY=can','new_string':'KEY=can'}"},
        {"edit_file", "{'path':'plain.txt','old_string':'b3Bl','new_string':'b3Bl'}"},
        {"write_file", "{'path':'.env','content':'x'}"},
        {"apply_patch", ".env"},
        {"apply_patch", "kept/notes"},
        {"apply_patch", "plain.txt"},
        {"apply_patch", "link"},
    };
    for (size_t i = 0; i < array_count(calls); i++) {
        struct fixture f;
        struct record r = {0};
        char text[256];
        fixture_init(&f);
        f.host.decision = HOST_DECLINE;
        put(&f, ".agentignore", "kept/\n");
        put(&f, ".env", "KEY=canary\nA=A\n");
        put(&f, "kept/notes", "KEY=canary\n");
        put(&f, "plain.txt", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1canary\n");
        cr_assert_eq(symlink(".env", in_ws(&f, "link")), 0);
        snprintf(text, sizeof(text),
                 "*** Begin Patch\n*** Update File: %s\n@@\n-KEY=can\n-b3Bl\n+x\n*** End Patch\n",
                 calls[i].arguments);
        if (strcmp(calls[i].tool, "apply_patch") == 0)
            patch(&f, &r, text);
        else
            call(&f, &r, calls[i].tool, calls[i].arguments);
        cr_assert_not(r.ok, "%s", calls[i].arguments);
        assert_lacks(r.text, "canary");
        assert_lacks(r.text, "line");
        assert_has(r.text, "is told after it was read");
        record_finish(&r);
        fixture_finish(&f);
    }
}

Test(protected, sec_29_an_edit_of_what_was_shown_is_explained)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, ".env", "KEY=canary\n");
    call(&f, &r, "read_file", "{'path':'.env'}");
    call(&f, &r, "edit_file", "{'path':'.env','old_string':'KEY=can ','new_string':'x'}");
    cr_assert_not(r.ok);
    assert_has(r.text, "KEY=canary");
    record_finish(&r);
    fixture_finish(&f);
}

Test(protected, sec_29_an_edit_of_a_secret_asks)
{
    static const char *const secrets[] = {".env", "kept/notes", "plain.txt", "link"};
    for (size_t i = 0; i < array_count(secrets); i++) {
        struct fixture f;
        struct record r = {0};
        char arguments[128];
        fixture_init(&f);
        f.host.decision = HOST_DECLINE;
        put(&f, ".agentignore", "kept/\n");
        put(&f, ".env", "KEY=canary\n");
        put(&f, "kept/notes", "KEY=canary\n");
        put(&f, "plain.txt", "-----BEGIN OPENSSH PRIVATE KEY-----\nKEY=canary\n");
        cr_assert_eq(symlink(".env", in_ws(&f, "link")), 0);
        snprintf(arguments, sizeof(arguments),
                 "{'path':'%s','old_string':'KEY=can','new_string':'x'}", secrets[i]);
        call(&f, &r, "edit_file", arguments);
        cr_assert_not(r.ok, "%s", secrets[i]);
        cr_assert_eq(f.host.asks, i < 3 ? 1 : 0, "%s: %s", secrets[i],
                     r.text); /* links are refused */
        assert_lacks(r.text, "canary");
        cr_assert_eq(strncmp(disk(&f, ".env"), "KEY=canary", 10), 0);
        record_finish(&r);
        fixture_finish(&f);
    }
}
