/* Commands: in the sandbox, on the text that is on the screen, waited for, killed, told apart. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(commands, .timeout = 20);

static void use_deadlines(struct fixture *f, uint64_t foreground_ms, uint64_t background_ms)
{
    struct tools_deadlines deadlines = tools_deadlines_default;
    deadlines.foreground_ms = foreground_ms;
    deadlines.background_ms = background_ms;
    deadlines.yield_min_ms = 10;
    tools_set_deadlines(f->tools, &deadlines);
}

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

static long session_of(const struct record *r);
static void look(struct fixture *f, struct record *r, long session, const char *more);

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

/* -- Sessions -------------------------------------------------------------------------------- */

static long session_of(const struct record *r)
{
    const char *at = strstr(r->text, "session ");
    cr_assert_not_null(at, "%s", r->text);
    return strtol(at + strlen("session "), NULL, 10);
}

static void look(struct fixture *f, struct record *r, long session, const char *more)
{
    char arguments[256];
    snprintf(arguments, sizeof(arguments), "{'session_id':%ld%s}", session, more);
    call(f, r, "write_stdin", arguments);
}

/* The machine may be busy: looks on until the command has said this. Gives its session. */
static long look_until(struct fixture *f, struct record *r, const char *said)
{
    long session = session_of(r);
    for (int i = 0; i < 100 && !strstr(r->text, said); i++)
        look(f, r, session, ",'yield_time_ms':100");
    assert_has(r->text, said);
    return session;
}

Test(commands, a_session_is_looked_at_until_it_ends)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    use_deadlines(&f, 60000, 60000);
    call(&f, &r, "exec_command",
         "{'cmd':'echo begun; read line; echo got $line; exit 4','yield_time_ms':300,'tty':true}");
    cr_assert(r.ok);
    assert_has(r.text, "Still running as session");
    long session = look_until(&f, &r, "begun");
    look(&f, &r, session, ",'yield_time_ms':10");
    assert_has(r.text, "Still running");
    look(&f, &r, session, ",'chars':'hello\\n','yield_time_ms':20000");
    assert_has(r.text, "Exit code: 4");
    assert_has(r.text, "got hello");
    assert_lacks(r.text, "begun");
    look(&f, &r, session, "");
    cr_assert(!r.ok);
    assert_has(r.text, "no session");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, input_ends_with_control_d_and_needs_tty)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    use_deadlines(&f, 60000, 60000);
    call(&f, &r, "exec_command", "{'cmd':'cat; echo end','yield_time_ms':50,'tty':true}");
    look(&f, &r, session_of(&r), ",'chars':'abc\\n\\u0004','yield_time_ms':20000");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "abc\nabc\nend"); /* once as a terminal echoes it */
    call(&f, &r, "exec_command", "{'cmd':'cat; sleep 60','yield_time_ms':50}");
    long session = session_of(&r);
    look(&f, &r, session, ",'chars':'x'");
    cr_assert(!r.ok);
    assert_has(r.text, "closed");
    look(&f, &r, session, ",'kill':true");
    assert_has(r.text, "Killed: by write_stdin");
    record_finish(&r);
    fixture_finish(&f);
}

/* An approval was for the words of the command, and not for what is typed into it afterwards. */
Test(commands, sec_13_what_is_typed_into_an_approved_command_asks)
{
    static const struct {
        const char *escalate;
        unsigned asks; /* with those for the command itself */
    } rows[] = {{"", 0}, {",'escalate':'unsandboxed'", 2}, {",'escalate':'network'", 2}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fixture f;
        struct record r = {0};
        char arguments[256];
        fixture_init(&f);
        use_deadlines(&f, 60000, 60000);
        snprintf(arguments, sizeof(arguments),
                 "{'cmd':'echo ready; while read x; do echo got $x; done; echo "
                 "over','yield_time_ms':300,'tty':true%s}",
                 rows[i].escalate);
        call(&f, &r, "exec_command", arguments);
        long session = look_until(&f, &r, "ready");
        f.host.decision = HOST_DECLINE;
        look(&f, &r, session, ",'yield_time_ms':50"); /* looking asks nothing */
        cr_assert_eq(f.host.asks, rows[i].asks / 2, "%s", rows[i].escalate);
        look(&f, &r, session, ",'chars':'evil\\n','yield_time_ms':300");
        cr_assert_eq(f.host.asks, rows[i].asks, "%s: %s", rows[i].escalate, r.text);
        if (rows[i].asks) {
            assert_lacks(r.text, "got evil");
            assert_has(f.host.shown.ptr, "evil\n");
            assert_has(f.host.shown.ptr, "while read x");
            f.host.decision = HOST_ACCEPT;
            f.host.rule_text = "all input to";
            look(&f, &r, session, ",'chars':'one\\n','yield_time_ms':50");
            cr_assert_eq(f.host.asks, 3);
            f.host.decision = HOST_DECLINE;
            look(&f, &r, session, ",'chars':'two\\n','yield_time_ms':50");
            cr_assert_eq(f.host.asks, 3, "the user allowed all of it");
        }
        look(&f, &r, session, ",'chars':'\\u0004','yield_time_ms':20000");
        cr_assert_eq(f.host.asks, rows[i].asks ? 3 : 0, "ending asks nothing");
        assert_has(r.text, "over");
        record_finish(&r);
        fixture_finish(&f);
    }
}

/* Its own, with job control, and nothing of it reaches the screen but text. */
Test(commands, sec_23_a_terminal_of_its_own)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    use_deadlines(&f, 60000, 60000);
    call(
        &f, &r, "exec_command",
        "{'cmd':'test -t 0 && test -t 1 && test -t 2 && echo is one; echo $TERM; (echo to it "
        ">/dev/tty); "
        "printf "
        "\\\"\\\\\\\\033]0;title\\\\\\\\007\\\\\\\\033[31mred\\\\\\\\033[0m\\\\n\\\"','tty':true}");
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "is one\ndumb\nto it\nred\n");
    call(&f, &r, "exec_command",
         "{'cmd':'test -t 0 && (echo to it >/dev/tty)','tty':true,'escalate':'unsandboxed'}");
    assert_has(r.text, "to it\n");
    call(&f, &r, "exec_command", "{'cmd':'test -t 0 || test -t 1 || (: >/dev/tty) || echo none'}");
    assert_has(r.text, "none\n");
    record_finish(&r);
    fixture_finish(&f);
}

Test(commands, sec_23_an_interrupt_is_the_foreground_programs)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    use_deadlines(&f, 60000, 60000);
    /* Short sleeps: an interrupt just before one begins is heard by the shell alone, once it is
     * over. */
    call(&f, &r, "exec_command",
         "{'cmd':'trap \\\"echo caught; exit 7\\\" INT; echo ready; while :; do sleep 0.1; done',"
         "'yield_time_ms':500,'tty':true}");
    look(&f, &r, look_until(&f, &r, "ready"), ",'chars':'\\u0003','yield_time_ms':20000");
    assert_has(r.text, "caught\n");
    assert_has(r.text, "Exit code: 7");
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
    use_deadlines(&f, 60000, 200);
    call(&f, &r, "exec_command", "{'cmd':'echo x; sleep 60'}");
    cr_assert(!r.ok);
    assert_has(r.text, "Killed: it ran for too long");
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

/* -- Cancelled ------------------------------------------------------------------------------- */

static void cancel_it(struct record *record)
{
    if (record->call)
        tools_call_cancel(record->call);
}

/* Seconds that no other run of these tests uses. */
static const char *own_seconds(void)
{
    static char seconds[24];
    snprintf(seconds, sizeof(seconds), "9%d", (int)getpid());
    return seconds;
}

static bool is_gone(const char *mark)
{
    char command[128];
    snprintf(command, sizeof(command), "pgrep -f '[s]leep %s[.]' >/dev/null", mark);
    for (int i = 0; i < 100; i++) {
        if (system(command) != 0)
            return true;
        usleep(30000);
    }
    return false;
}

Test(commands, cancelling_kills_the_whole_tree)
{
    struct fixture f;
    struct record r = {.on_progress = cancel_it}, next = {0};
    fixture_init(&f);
    char arguments[256];
    snprintf(arguments, sizeof(arguments),
             "{'cmd':'setsid sleep %s.1 & nohup sleep %s.2 >/dev/null & echo going; sleep %s.3'}",
             own_seconds(), own_seconds(), own_seconds());
    start(&f, &r, "exec_command", arguments);
    wait_all(&f);
    cr_assert(!r.ok);
    assert_has(r.text, "Cancelled by the user");
    assert_has(r.text, "going");
    call(&f, &next, "exec_command", "{'cmd':'sleep 0.2'}");
    cr_assert(is_gone(own_seconds()));
    record_finish(&r);
    record_finish(&next);
    fixture_finish(&f);
}

Test(commands, freeing_the_thread_kills_them)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    use_deadlines(&f, 60000, 60000);
    char arguments[256];
    snprintf(arguments, sizeof(arguments),
             "{'cmd':'setsid sleep %s.1 & sleep %s.2','yield_time_ms':50}", own_seconds(),
             own_seconds());
    call(&f, &r, "exec_command", arguments);
    assert_has(r.text, "Still running");
    record_finish(&r);
    fixture_finish(&f);
    cr_assert(is_gone(own_seconds()));
}

static void stop(void *user)
{
    loop_stop(user);
}

Test(commands, freed_while_the_sandbox_is_being_made)
{
    char arguments[64];
    snprintf(arguments, sizeof(arguments), "{'cmd':'sleep %s.5'}", own_seconds());
    for (uint64_t ms = 1; ms <= 24; ms += 3) {
        struct fixture f;
        struct record records[4] = {0};
        fixture_init(&f);
        f.running = 100; /* nobody else stops the loop */
        for (int i = 0; i < 4; i++)
            start(&f, &records[i], "exec_command", arguments);
        struct loop_timer *timer = loop_timer_new(f.loop, stop, f.loop);
        loop_timer_start(timer, ms + 10, 0); /* the sandbox is tested first */
        loop_run(f.loop);
        loop_timer_free(timer);
        fixture_finish(&f);
        for (int i = 0; i < 4; i++)
            record_finish(&records[i]);
    }
    cr_assert(is_gone(own_seconds()));
}

/* -- Asking ---------------------------------------------------------------------------------- */

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
