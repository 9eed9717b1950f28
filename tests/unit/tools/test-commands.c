/* Commands: in the sandbox, on the text that is on the screen, waited for, killed, told apart. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "session.h"

TestSuite(commands, .timeout = 60);

Test(commands, output_and_exit_code)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    call(&f, &r, "exec_command", "{'cmd':'echo out; echo err >&2; exit 3'}");
    cr_assert(!r.ok);
    cr_assert_eq(r.exit_code, 3);
    assert_has(r.text, "Exit code: 3\n");
    assert_has(r.text, "Output:\nout\nerr\n");
    cr_assert_str_eq(r.summary, "exit code 3");
    cr_assert_str_eq(r.title, "exec_command: echo out; echo err >&2; exit 3");
    call(&f, &r, "exec_command", "{'cmd':'true'}");
    cr_assert(r.ok);
    assert_has(r.text, "No output.");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, run_in_the_folder_that_was_named)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "sub/x", "");
    call(&f, &r, "exec_command", "{'cmd':'pwd; ls','workdir':'sub'}");
    assert_has(r.text, "/ws/sub\nx\n");
    f.host.decision = HOST_ACCEPT;
    call(&f, &r, "exec_command", "{'cmd':'pwd','workdir':'sub','escalate':'unsandboxed'}");
    assert_has(r.text, "/ws/sub\n");
    call(&f, &r, "exec_command", "{'cmd':'echo made > made.txt'}");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(disk(&f, "made.txt"), "made\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, see_unsaved_text_and_leave_the_disk_alone)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a.txt", "on disk\n");
    put(&f, "b.txt", "same\n");
    open_file(&f, "a.txt", "on screen\n");
    open_file(&f, "b.txt", "same\n");
    open_file(&f, "new.txt", "never saved\n");
    call(&f, &r, "exec_command", "{'cmd':'cat a.txt b.txt'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "on screen\nsame\n");
    assert_has(r.text, "new.txt: it was never saved to disk");
    cr_assert_str_eq(disk(&f, "a.txt"), "on disk\n");
    cr_assert_str_eq(disk(&f, "new.txt"), "(none)");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, secrets_are_hidden_and_named)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, ".env", "TOKEN=abc\n");
    open_file(&f, ".env", "TOKEN=typed\n");
    call(&f, &r, "exec_command", "{'cmd':'cat .env'}");
    assert_has(r.text, "[Hidden from the command, as secrets: .env]");
    assert_lacks(r.text, "abc");
    assert_lacks(r.text, "typed");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, long_output_keeps_its_head_and_tail)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    call(&f, &r, "exec_command",
         "{'cmd':'echo first; yes xxxxxxxxx | head -c 5000000; echo last'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "first\n");
    assert_has(r.text, "last\n");
    assert_has(r.text, "bytes left out here");
    cr_assert_lt(strlen(r.text), 42 * 1024);
    cr_assert_leq(r.progress.len, 300 * 1024);
    call(&f, &r, "exec_command", "{'cmd':'seq 1000','max_output_tokens':16}");
    cr_assert_lt(strlen(r.text), 200);
    assert_has(r.text, "1000\n");
    record_finish(&r);
    fixture_finish(&f);
}

#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_GROWTH_KIB = 400 * 1024 }; /* freed memory is held back to find its late users */
#else
enum { MEMORY_GROWTH_KIB = 8 * 1024 };
#endif

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* LANEBRIDGE_FULL in the environment: 10 GB, else 200 MB. */
Test(commands, sec_22_memory_does_not_grow_with_the_output, .timeout = 400)
{
    struct fixture f;
    struct record r = {0};
    char arguments[128];
    bool full = getenv("LANEBRIDGE_FULL") != NULL;
    fixture_init(&f);
    use_deadlines(&f, 600000, 600000);
    call(&f, &r, "exec_command", "{'cmd':'yes xxxxxxxxx | head -c 4000000; echo end'}");
    long before = peak_kib();
    snprintf(arguments, sizeof(arguments),
             "{'cmd':'yes xxxxxxxxx | head -c %s; echo end','yield_time_ms':3000}",
             full ? "10000000000" : "200000000");
    call(&f, &r, "exec_command", arguments);
    while (strstr(r.text, "Still running"))
        look(&f, &r, session_of(&r), ",'yield_time_ms':3000");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "end\n");
    assert_has(r.text, "bytes left out here");
    cr_assert_lt(peak_kib() - before, MEMORY_GROWTH_KIB);
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, sec_22_who_fills_the_disk_is_ended)
{
    struct fixture f;
    struct record r = {0};
    struct tools_deadlines deadlines = tools_deadlines_default;
    fixture_init(&f);
    deadlines.room_bytes = UINT64_MAX; /* as if the disk had been nearly full before */
    tools_set_deadlines(f.tools, &deadlines);
    call(&f, &r, "exec_command",
         "{'cmd':'for i in $(seq 300); do head -c 30000000 /dev/zero > big.$i; sync big.$i; "
         "done','yield_time_ms':30000}");
    cr_assert(!r.ok);
    assert_has(r.text, "Killed: it filled the disk");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, cutting_spares_characters)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    call(&f, &r, "exec_command", "{'cmd':'yes aäöü€ | head -n 200000'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "bytes left out here");
    cr_assert(utf8_is_valid(str_from(r.text), NULL));
    assert_lacks(r.text, "\xEF\xBF\xBD");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, output_is_repaired)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    call(&f, &r, "exec_command",
         "{'cmd':'printf \\\"\\\\\\\\033[1mbold\\\\\\\\033[0m \\\\\\\\377\\\\\\\\n\\\"'}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "Output:\nbold \xEF\xBF\xBD\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, progress_comes_while_it_runs)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    policy_add_secret(f.policy, STR("canary-key-1234567890"));
    call(&f, &r, "exec_command",
         "{'cmd':'echo one; sleep 0.1; echo canary-key-1234567890; printf rest'}");
    assert_has(r.progress.ptr, "one\n");
    assert_has(r.progress.ptr, "rest");
    assert_lacks(r.progress.ptr, "canary");
    assert_lacks(r.text, "canary");
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Protected names ------------------------------------------------------------------------- */

Test(commands, sec_19_protected_names_a_command_made_are_moved_away_and_shown)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    f.host.decision = HOST_DECLINE;
    put(&f, "sub/AGENTS.md", "before\n");
    call(&f, &r, "exec_command",
         "{'cmd':'mkdir -p a/.vscode; echo evil > a/.vscode/tasks.json; echo evil > sub/AGENTS.md; "
         "echo fine > made.txt'}");
    cr_assert_eq(r.exit_code, 0, "%s", r.text);
    assert_has(r.text, "a/.vscode: a protected name was created by the command; moved to ");
    assert_has(r.text, "sub/AGENTS.md: a protected name was changed by the command");
    assert_has(r.summary, "2 changes of protected names undone");
    cr_assert_str_eq(disk(&f, "a/.vscode/tasks.json"), "(none)");
    cr_assert_str_eq(disk(&f, "sub/AGENTS.md"), "before\n");
    cr_assert_str_eq(disk(&f, "made.txt"), "fine\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, sec_19_the_user_may_keep_them)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    f.host.decision = HOST_ACCEPT;
    call(&f, &r, "exec_command", "{'cmd':'mkdir -p new/.vscode; echo mine > new/.vscode/a'}");
    cr_assert_eq(f.host.ask_kind, HOST_ASK_PROTECTED);
    assert_has(f.host.shown.ptr, "new/.vscode: a protected name was created");
    assert_has(r.text, "new/.vscode: kept, as the user said");
    cr_assert_str_eq(disk(&f, "new/.vscode/a"), "mine\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, sec_19_what_the_editor_saved_meanwhile_is_the_users)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    use_deadlines(&f, 60000, 60000);
    put(&f, "sub/AGENTS.md", "before\n");
    open_file(&f, "sub/AGENTS.md", "before\n");
    call(&f, &r, "exec_command", "{'cmd':'read x; echo got $x','tty':true,'yield_time_ms':500}");
    char uri[256];
    snprintf(uri, sizeof(uri), "file://%s", in_ws(&f, "sub/AGENTS.md"));
    put(&f, "sub/AGENTS.md", "typed\n");
    document_saved(f.documents, str_from(uri));
    look(&f, &r, session_of(&r), ",'chars':'x\\n','yield_time_ms':20000");
    assert_has(r.text, "got x");
    assert_lacks(r.text, "protected");
    cr_assert_str_eq(disk(&f, "sub/AGENTS.md"), "typed\n");
    record_finish(&r);
    fixture_finish(&f);
}

/* A git that tells when somebody runs it, first in PATH; a repository that makes git run programs.
 */
Test(commands, sec_26_git_runs_in_the_sandbox_only)
{
    struct fixture f;
    struct record r = {0};
    char text[1200];
    struct buf path = {0};
    char *old_path = mem_dup_c(getenv("PATH"));
    fixture_init(&f);
    snprintf(
        text, sizeof(text),
        "cd %s && git init -q . 2>/dev/null && git config core.fsmonitor 'touch %s/fsmonitor; echo "
        "x >%s/inside;' && "
        "git config filter.x.clean 'touch %s/filter; cat' && echo '* filter=x' > .gitattributes && "
        "mkdir -p %s/bin && printf '#!/bin/sh\\ntouch %s/ran\\n' > %s/bin/git && chmod 755 "
        "%s/bin/git",
        f.ws, f.dir, f.ws, f.dir, f.dir, f.dir, f.dir, f.dir);
    if (system(text) != 0)
        cr_skip_test("no git here");
    put(&f, "a.txt", "one\n");
    buf_append_fmt(&path, "%s/bin:%s", f.dir, old_path);
    setenv("PATH", path.ptr, 1);
    call(&f, &r, "read_file", "{'path':'a.txt'}");
    call(&f, &r, "list_dir", "{'path':'.'}");
    call(&f, &r, "find_files", "{'glob':'*'}");
    call(&f, &r, "grep", "{'pattern':'one'}");
    call(&f, &r, "exec_command", "{'cmd':'true'}");
    snprintf(text, sizeof(text), "%s/ran", f.dir);
    cr_assert_neq(access(text, F_OK), 0, "somebody ran git");
    setenv("PATH", old_path, 1);
    buf_finish(&path);
    mem_free(old_path);
    call(&f, &r, "exec_command", "{'cmd':'git status --short; git diff'}");
    cr_assert(r.ok, "%s", r.text);
    static const char *const marks[] = {"fsmonitor", "filter"};
    for (size_t i = 0; i < array_count(marks); i++) {
        snprintf(text, sizeof(text), "%s/%s", f.dir, marks[i]);
        cr_assert_neq(access(text, F_OK), 0, "%s ran outside the sandbox", marks[i]);
    }
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, sec_19_also_when_nobody_waits_for_its_end)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    use_deadlines(&f, 60000, 60000);
    call(&f, &r, "exec_command",
         "{'cmd':'mkdir .husky; echo evil > .husky/x; echo done; sleep 60','yield_time_ms':1000}");
    look_until(&f, &r, "done");
    cr_assert_str_eq(disk(&f, ".husky/x"), "evil\n");
    tools_thread_free(f.thread);
    f.thread = NULL;
    cr_assert_str_eq(disk(&f, ".husky/x"), "(none)");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, time_limits_kill_and_say_so)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    for (uint64_t ms = 200; ms < 30000; ms *= 4) { /* it says x before that, sooner or later */
        use_deadlines(&f, 60000, ms);
        call(&f, &r, "exec_command", "{'cmd':'echo x; sleep 60'}");
        cr_assert(!r.ok);
        assert_has(r.text, "Killed: it ran for too long");
        if (strstr(r.text, "x\n"))
            break;
    }
    assert_has(r.text, "x\n");
    use_deadlines(&f, 50, 60000);
    call(&f, &r, "exec_command", "{'cmd':'sleep 60','yield_time_ms':10}");
    long session = session_of(&r);
    usleep(100000);
    do {
        look(&f, &r, session, ",'yield_time_ms':5000");
    } while (strstr(r.text, "Still running"));
    assert_has(r.text, "Killed: nobody looked");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, signals_are_told_apart)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    call(&f, &r, "exec_command", "{'cmd':'kill -SEGV $$'}");
    cr_assert(!r.ok);
    assert_has(r.text, "signal 11");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, at_most_sixteen_sessions)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    use_deadlines(&f, 60000, 60000);
    for (int i = 0; i < 16; i++) {
        call(&f, &r, "exec_command", "{'cmd':'sleep 60','yield_time_ms':10}");
        assert_has(r.text, "Still running");
    }
    long last = session_of(&r);
    call(&f, &r, "exec_command", "{'cmd':'true'}");
    cr_assert(!r.ok);
    assert_has(r.text, "16 commands are running");
    look(&f, &r, last, ",'kill':true");
    call(&f, &r, "exec_command", "{'cmd':'echo again'}");
    cr_assert(r.ok, "%s", r.text);
    record_finish(&r);
    fixture_finish(&f);
}
