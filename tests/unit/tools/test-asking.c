/* Commands that ask the person: to leave the sandbox, for the network, for a folder; and rules that
 * answer. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "session.h"

Test(commands, leaving_the_sandbox_is_asked_for)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "on disk\n");
    open_file(&f, "a.txt", "on screen\n");
    f.host.decision = HOST_DECLINE;
    f.host.declines_saving = true;
    f.host.note = "use make";
    call(&f, &r, "exec_command",
         "{'cmd':'cat a.txt','escalate':'unsandboxed','justification':'it must'}");
    cr_assert(!r.ok);
    cr_assert_eq(r.started, 0);
    cr_assert_eq(f.host.ask_kind, HOST_ASK_COMMAND);
    assert_has(f.host.shown.ptr, "cat a.txt\n(in ");
    assert_has(f.host.reason.ptr, "it must");
    assert_has(r.text, "use make");
    f.host.decision = HOST_ACCEPT;
    call(&f, &r, "exec_command", "{'cmd':'cat a.txt','escalate':'unsandboxed'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "outside the sandbox");
    assert_has(r.text, "on disk\n");
    cr_assert_eq(f.host.asks, 3, "once is once, and once about the text that is not saved");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, a_rule_is_asked_for_once)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    f.host.rule_text = "session";
    call(&f, &r, "exec_command", "{'cmd':'make --version','escalate':'unsandboxed'}");
    cr_assert_eq(f.host.asks, 1);
    cr_assert_gt(f.host.rules.len, 0, "a rule is offered");
    call(&f, &r, "exec_command", "{'cmd':'make --version','escalate':'unsandboxed'}");
    cr_assert_eq(f.host.asks, 1, "the rule holds: %s", f.host.rules.ptr);
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, network_is_asked_for)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    f.host.decision = HOST_CANCEL;
    call(&f, &r, "exec_command", "{'cmd':'true','escalate':'network'}");
    cr_assert(!r.ok);
    cr_assert_eq(f.host.ask_kind, HOST_ASK_NETWORK);
    assert_has(r.text, "cancelled");
    record_finish(&r);
    fixture_finish(&f);
}

/* Fails where there is nothing but a loopback, as a program would that has no network. */
#define LACKS_NETWORK                                                                              \
    "test $(grep -c : /proc/net/dev) -gt 1 || { echo \\\"curl: (6) Could not resolve host: "       \
    "x\\\"; exit 6; }"

Test(commands, sec_17_what_failed_for_lack_of_network_is_offered_once)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    if (system("test $(grep -c : /proc/net/dev) -gt 1") != 0)
        cr_skip_test("there is no network here but a loopback");
    f.host.decision = HOST_DECLINE;
    f.host.note = "work offline";
    call(&f, &r, "exec_command", "{'cmd':'" LACKS_NETWORK "'}");
    cr_assert_eq(f.host.asks, 1);
    cr_assert_eq(f.host.ask_kind, HOST_ASK_NETWORK);
    assert_has(f.host.reason.ptr, "Could not resolve host: x");
    cr_assert_eq(r.exit_code, 6);
    assert_has(r.text, "the user did not let it have any. They say: work offline]");
    call(&f, &r, "exec_command", "{'cmd':'" LACKS_NETWORK "'}");
    cr_assert_eq(f.host.asks, 1, "a no is a no");
    f.host.decision = HOST_ACCEPT;
    call(&f, &r, "exec_command", "{'cmd':'echo again; " LACKS_NETWORK "'}");
    cr_assert_eq(f.host.asks, 2);
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "the user let it have the network, and it was run again");
    assert_has(r.text, "Output:\nagain\n");
    record_finish(&r);
    fixture_finish(&f);
}

/* output of a command that fails; whether it is for lack of network */
static const struct {
    const char *output;
    bool lacks;
} failures[] = {
    {"curl: (6) Could not resolve host: example.com", true},
    {"fatal: unable to access 'https://x/': Could not resolve host: x", true},
    {"npm error code EAI_AGAIN\nnpm error request to https://packages.example/x failed", true},
    {"Error: getaddrinfo ENOTFOUND packages.example", true},
    {"NameResolutionError: [Errno -3] Temporary failure in name resolution", true},
    {"warning: spurious network error: [6] Couldn't resolve host name", true},
    {"error: failed to lookup address information: Name or service not known", true},
    {"dial tcp: lookup modules.example: server misbehaving", true},
    {"Temporary failure resolving debian.example", true},
    {"wget: unable to resolve host address x", true},
    {"java.net.UnknownHostException: artifacts.example", true},
    {"connect: Network is unreachable", true},
    {"curl: (7) Failed to connect to localhost port 3000: Connection refused", false},
    {"make: *** [all] Error 1", false},
    {"test network_resolves ... FAILED", false},
};

Test(commands, sec_17_lack_of_network_is_recognised_by_what_programs_say)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    f.host.decision = HOST_DECLINE;
    for (size_t i = 0; i < array_count(failures); i++) {
        unsigned before = f.host.asks;
        put(&f, "said", failures[i].output);
        char arguments[64];
        snprintf(arguments, sizeof(arguments), "{'cmd':'cat said; exit %zu'}", i + 1);
        call(&f, &r, "exec_command", arguments);
        cr_assert_eq(f.host.asks - before, failures[i].lacks, "%s", failures[i].output);
    }
    call(&f, &r, "exec_command", "{'cmd':'getent hosts lanebridge.invalid'}");
    assert_has(r.text, "for lack of network");
    call(&f, &r, "exec_command", "{'cmd':'echo Could not resolve host: x'}");
    assert_lacks(r.text, "lack of network");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, sec_19_a_commit_is_offered_and_cannot_change_what_git_runs)
{
    struct fixture f;
    struct record r = {0};
    char text[256];
    fixture_init(&f);
    snprintf(text, sizeof(text),
             "cd %s && git init -q . && git config user.name n && git config user.email e@x", f.ws);
    if (system(text) != 0)
        cr_skip_test("no git here");
    put(&f, "a.txt", "a\n");
    call(&f, &r, "exec_command", "{'cmd':'git status --short && git diff'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "?? a.txt");
    f.host.decision = HOST_DECLINE;
    call(&f, &r, "exec_command", "{'cmd':'git add a.txt'}");
    cr_assert_eq(f.host.asks, 1);
    cr_assert_eq(f.host.ask_kind, HOST_ASK_PROTECTED);
    cr_assert(!r.ok);
    f.host.decision = HOST_ACCEPT;
    call(&f, &r, "exec_command",
         "{'cmd':'git add a.txt && git commit -qm first && git log --oneline | wc -l'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "1\n");
    call(&f, &r, "exec_command",
         "{'cmd':'git config core.fsmonitor ./evil; echo evil > .git/hooks/pre-commit; "
         "mv .git/hooks .git/h; true','escalate':'git'}");
    cr_assert(r.ok, "%s", r.text);
    snprintf(text, sizeof(text), "grep -rq evil %s/.git", f.ws);
    cr_assert_neq(system(text), 0, "%s", r.text);
    record_finish(&r);
    fixture_finish(&f);
}

/* A `.git` file is repository content: which repository is to be written is in the question. */
Test(commands, sec_13_a_commit_to_a_repository_elsewhere_names_it)
{
    struct fixture f;
    struct record r = {0};
    char text[256];
    fixture_init(&f);
    put(&f, "../other/HEAD", "ref: refs/heads/main\n");
    put(&f, "../other/objects/x", "");
    put(&f, ".git", "gitdir: ../other\n");
    f.host.decision = HOST_DECLINE;
    snprintf(text, sizeof(text), "(its git directory is elsewhere: %s/other)", f.dir);
    call(&f, &r, "exec_command", "{'cmd':'git commit','escalate':'git'}");
    cr_assert_eq(f.host.asks, 1);
    assert_has(f.host.shown.ptr, text);
    buf_clear(&f.host.shown);
    call(&f, &r, "exec_command", "{'cmd':'echo ../other/.git/x: Read-only file system; exit 1'}");
    cr_assert_eq(f.host.asks, 2, "%s", r.text);
    assert_has(f.host.shown.ptr, text);
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, with_network_it_is_still_sandboxed)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "on disk\n");
    open_file(&f, "a.txt", "on screen\n");
    call(&f, &r, "exec_command", "{'cmd':'cat a.txt; touch /etc/ran','escalate':'network'}");
    cr_assert_eq(f.host.asks, 1);
    cr_assert(!r.ok);
    assert_has(r.text, "on screen\n");
    assert_has(r.text, "Read-only file system");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, without_a_sandbox_every_one_is_asked_for)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    f.config->sandbox_mode = SANDBOX_OFF;
    call(&f, &r, "exec_command", "{'cmd':'echo one'}");
    cr_assert_eq(f.host.asks, 1);
    cr_assert(r.ok, "%s", r.text);
    f.host.decision = HOST_DECLINE;
    call(&f, &r, "exec_command", "{'cmd':'echo one'}");
    cr_assert_eq(f.host.asks, 2);
    cr_assert(!r.ok);
    assert_lacks(r.text, "Exit code");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, a_link_out_of_the_folder_is_no_place_to_work)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    cr_assert_eq(symlink("/etc", in_ws(&f, "link")), 0);
    call(&f, &r, "exec_command", "{'cmd':'pwd','workdir':'link'}");
    cr_assert(!r.ok);
    assert_lacks(r.text, "Exit code");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, none_run_in_plan_mode)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    policy_set_mode(f.policy, MODE_PLAN);
    call(&f, &r, "exec_command", "{'cmd':'touch ran'}");
    cr_assert(!r.ok);
    cr_assert_str_eq(disk(&f, "ran"), "(none)");
    cr_assert_eq(f.host.asks, 0);
    record_finish(&r);
    fixture_finish(&f);
}
