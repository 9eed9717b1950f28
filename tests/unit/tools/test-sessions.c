/* Commands that go on: looked at, written to, killed, cancelled. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "session.h"

/* -- Sessions -------------------------------------------------------------------------------- */

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
    for (int i = 0; i < 1000; i++) {
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
