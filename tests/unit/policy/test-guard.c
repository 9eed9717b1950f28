#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(guard, .timeout = 200, .init = begin, .fini = end);

/* Files of a repository with a nested one; what a command does is done by a plain shell here. */
static void make_tree(void)
{
    put("ws/.git/config", "root");
    put("ws/.envrc", "root");
    put("ws/sub/.vscode/tasks.json", "before");
    put("ws/sub/.git/config", "before");
    put("ws/sub/.git/HEAD", "before");
    put("ws/sub/AGENTS.md", "before");
    put("ws/.github/workflows/a.yml", "before");
    put("ws/src/main.c", "before");
}

static size_t guarded(const char *script, struct buf *report)
{
    struct policy_guard *guard = policy_guard_new(policy, NULL);
    char text[1024];
    buf_clear(report);
    buf_append_c(report, "");
    policy_guard_look(guard);
    snprintf(text, sizeof(text), "cd %s && { %s\n}", at("ws"), script);
    cr_assert_eq(system(text), 0, "%s", text);
    size_t count = policy_guard_compare(guard, report);
    policy_guard_free(guard);
    return count;
}

/* what a command does; what is said of it, or NULL for nothing; a file and what it holds afterwards
 */
static const struct {
    const char *script, *said, *file, *content;
} rows[] = {
    {"true", NULL, "ws/src/main.c", "before"},
    {"echo x > src/main.c; echo y > new.c", NULL, "ws/new.c", "y\n"},
    {"touch sub/.vscode/tasks.json", NULL, "ws/sub/.vscode/tasks.json", "before"},
    {"printf before > t; mv t sub/AGENTS.md", NULL, "ws/sub/AGENTS.md", "before"},
    {"echo x > sub/.git/HEAD; mkdir sub/.git/objects", NULL, "ws/sub/.git/HEAD", "x\n"},
    {"mkdir .vscode; echo evil > .vscode/tasks.json", ".vscode: a protected name was created",
     "ws/.vscode/tasks.json", "(none)"},
    {"mkdir -p a/b/.git/hooks; echo evil > a/b/.git/hooks/x",
     "a/b/.git: a protected name was created", "ws/a/b/.git/hooks/x", "(none)"},
    {"echo evil > .ENV.local", ".ENV.local: a protected", "ws/.ENV.local", "(none)"},
    {"mkdir -p sub/.git/hooks; echo evil > sub/.git/hooks/pre-commit",
     "sub/.git/hooks: a protected", "ws/sub/.git/hooks/pre-commit", "(none)"},
    {"echo evil > sub/.vscode/tasks.json", "tasks.json: a protected name was changed",
     "ws/sub/.vscode/tasks.json", "before"},
    {"echo evil > sub/.git/config", "config: a protected name was changed", "ws/sub/.git/config",
     "before"},
    {"rm sub/AGENTS.md", "sub/AGENTS.md: a protected name was deleted", "ws/sub/AGENTS.md",
     "before"},
    {"rm -r sub/.vscode; mkdir sub/.vscode; echo e > sub/.vscode/tasks.json",
     "tasks.json: a protected", "ws/sub/.vscode/tasks.json", "before"},
    {"cp -r sub/.vscode .", ".vscode: a protected name was created", "ws/.vscode/tasks.json",
     "(none)"},
    {"ln -s /etc .husky", ".husky: a protected name was created", "ws/.husky/passwd", "(none)"},
    {"mkfifo .npmrc", ".npmrc: a protected name was created", "ws/.npmrc", "(none)"},
    /* A mount goes with the folder above it. */
    {"mv .github old; mkdir -p .github/workflows; echo evil > .github/workflows/a.yml",
     "workflows/a.yml: a protected name was changed", "ws/.github/workflows/a.yml", "before"},
    {"mv .github old; mkdir -p .github/workflows; cp old/workflows/* .github/workflows; "
     "echo evil > .github/workflows/b.yml",
     "workflows/b.yml: a protected name was created", "ws/.github/workflows/b.yml", "(none)"},
    {"mv .github old; mv old .github", NULL, "ws/.github/workflows/a.yml", "before"},
    /* Read-only for commands: whoever did this, it was the user. */
    {"echo y > .envrc; echo z > .git/config; echo x > .github/workflows/a.yml", NULL, "ws/.envrc",
     "y\n"},
};

Test(guard, sec_19_what_a_command_did_to_protected_names_is_undone_and_shown)
{
    struct buf report = {0};
    for (size_t i = 0; i < array_count(rows); i++) {
        make_tree();
        size_t count = guarded(rows[i].script, &report);
        cr_assert_eq(count, rows[i].said ? 1 : 0, "%s: %s", rows[i].script, report.ptr);
        if (rows[i].said)
            cr_assert(strstr(report.ptr, rows[i].said), "%s: %s", rows[i].script, report.ptr);
        cr_assert_str_eq(get(rows[i].file), rows[i].content, "%s: %s", rows[i].script, report.ptr);
        char clean[256];
        snprintf(clean, sizeof(clean), "/bin/rm -rf %s/* %s/.[a-zA-Z]*", at("ws"), at("ws"));
        cr_assert_eq(system(clean), 0);
    }
    buf_finish(&report);
}

Test(guard, what_was_moved_is_kept)
{
    struct buf report = {0};
    cr_assert_eq(guarded("mkdir .vscode; echo evil > .vscode/tasks.json", &report), 1);
    char text[512];
    snprintf(text, sizeof(text), "grep -rq evil %s/quarantine", env.state_folder);
    cr_assert_eq(system(text), 0, "%s", report.ptr);
    buf_finish(&report);
}

Test(guard, sec_18_planted_links_are_not_followed)
{
    struct buf report = {0};
    put("outside/.vscode/tasks.json", "mine");
    put("ws/sub/.vscode/tasks.json", "before");
    char script[512];
    snprintf(script, sizeof(script), "rm -r sub; ln -s %s sub", at("outside"));
    guarded(script, &report);
    cr_assert_str_eq(get("outside/.vscode/tasks.json"), "mine");
    buf_finish(&report);
}

Test(guard, what_the_user_did_meanwhile_is_excused)
{
    struct buf report = {0};
    make_tree();
    struct policy_guard *guard = policy_guard_new(policy, NULL);
    policy_guard_look(guard);
    put("ws/sub/AGENTS.md", "edited by the user");
    put("ws/sub/CLAUDE.md", "made by the user");
    policy_guard_excuse(guard, str_from(at("ws/sub/AGENTS.md")));
    policy_guard_excuse(guard, str_from(at("ws/sub/CLAUDE.md")));
    cr_assert_eq(policy_guard_compare(guard, &report), 0, "%s", report.ptr);
    cr_assert_str_eq(get("ws/sub/AGENTS.md"), "edited by the user");
    cr_assert_str_eq(get("ws/sub/CLAUDE.md"), "made by the user");
    policy_guard_free(guard);
    buf_finish(&report);
}

Test(guard, sec_19_a_repository_with_50000_files_and_500_protected_names)
{
    struct buf report = {0};
    char text[512];
    snprintf(
        text, sizeof(text),
        "cd %s && for d in $(seq 500); do mkdir -p d$d/.vscode && echo x > d$d/.vscode/a; done && "
        "for d in $(seq 500); do (cd d$d && touch $(seq 100)); done",
        at("ws"));
    cr_assert_eq(system(text), 0);
    cr_assert_eq(guarded("echo evil > d400/.vscode/a; mkdir d9/.idea", &report), 2, "%s",
                 report.ptr);
    cr_assert_str_eq(get("ws/d400/.vscode/a"), "x\n");
    cr_assert_neq(access(at("ws/d9/.idea"), F_OK), 0);
    buf_finish(&report);
}
