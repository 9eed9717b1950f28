/* The life of calls: at most once, exactly one output, in order, cancelled, dropped. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "fixture.h"

TestSuite(calls, .timeout = 60);

static const struct str read_a = {"{\"path\":\"a\"}", 12};

/* -- At most once ---------------------------------------------------------------------------- */

Test(calls, output_of_an_earlier_process_is_given_back)
{
    struct fixture f;
    struct record first = {0}, second = {0};
    fixture_init(&f);
    put(&f, "a", "before\n");
    start_id(&f, &first, "call_x", "read_file", read_a, false);
    wait_all(&f);
    put(&f, "a", "after\n");
    fixture_restart(&f);
    start_id(&f, &second, "call_x", "read_file", read_a, false);
    wait_all(&f);
    cr_assert_str_eq(second.text, first.text);
    cr_assert_eq(second.started, 0);
    cr_assert(!second.unknown);
    record_finish(&first);
    record_finish(&second);
    fixture_finish(&f);
}

Test(calls, found_started_is_unknown_and_does_not_run)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    journal_call_start(f.journal, f.thread_id, f.turn_id, STR("call_x"), STR("exec_command"),
                       STR("{\"cmd\":\"touch ran\"}"), STR("allowed"), NULL);
    fixture_restart(&f);
    start_id(&f, &r, "call_x", "exec_command", STR("{\"cmd\":\"touch ran\"}"), false);
    wait_all(&f);
    cr_assert(r.unknown && !r.ok);
    cr_assert_eq(r.started, 0);
    assert_has(r.text, "not known");
    cr_assert_str_eq(disk(&f, "ran"), "(none)");
    record_finish(&r);
    fixture_finish(&f);
}

Test(calls, same_id_twice_at_once_runs_once)
{
    struct fixture f;
    struct record first = {0}, second = {.is_duplicate = true};
    fixture_init(&f);
    put(&f, "a", "text\n");
    start_id(&f, &first, "call_x", "read_file", read_a, false);
    start_id(&f, &second, "call_x", "read_file", read_a, false);
    wait_all(&f);
    cr_assert_eq(first.outputs + second.outputs, 2);
    cr_assert_eq(first.started + second.started, 1);
    record_finish(&first);
    record_finish(&second);
    fixture_finish(&f);
}

Test(calls, nothing_runs_that_cannot_be_recorded)
{
    struct fixture f;
    struct record r = {.is_duplicate = true};
    struct tools_request request = {.call_id = STR("call_x"),
                                    .name = STR("apply_patch"),
                                    .arguments = STR("*** Begin Patch\n*** Add File: n\n+x\n"
                                                     "*** End Patch\n"),
                                    .is_custom = true};
    fixture_init(&f);
    /* A turn that the journal does not know. */
    request.turn_id = "turn_none";
    r.f = &f;
    f.running++;
    static const struct tools_handlers none = {0};
    struct tools_call *call = tools_call_start(f.thread, &request, &none, &r);
    cr_assert_not_null(call);
    f.running--;
    put(&f, "a", "text\n");
    struct record later = {0};
    start_id(&f, &later, "call_y", "read_file", read_a, false);
    wait_all(&f);
    cr_assert(later.ok);
    record_finish(&later);
    record_finish(&r);
    fixture_finish(&f);
}

/* -- In order -------------------------------------------------------------------------------- */

Test(calls, readers_share_and_writers_are_alone)
{
    struct fixture f;
    struct record slow = {0}, before[3] = {0}, writer = {0}, after = {0};
    fixture_init(&f);
    put(&f, "a", "old\n");
    start(&f, &slow, "exec_command", "{'cmd':'sleep 0.3; cat a'}");
    for (int i = 0; i < 3; i++)
        start(&f, &before[i], "read_file", "{'path':'a'}");
    start(&f, &writer, "edit_file", "{'path':'a','old_string':'old','new_string':'new'}");
    start(&f, &after, "read_file", "{'path':'a'}");
    wait_all(&f);
    cr_assert(slow.ok && writer.ok && after.ok, "%s\n%s\n%s", slow.text, writer.text, after.text);
    assert_has(slow.text, "old");
    for (int i = 0; i < 3; i++) {
        assert_has(before[i].text, "old");
        cr_assert_lt(before[i].order, slow.order);
        record_finish(&before[i]);
    }
    assert_has(after.text, "new");
    cr_assert_lt(slow.order, writer.order);
    cr_assert_lt(writer.order, after.order);
    record_finish(&slow);
    record_finish(&writer);
    record_finish(&after);
    fixture_finish(&f);
}

static unsigned running_now, running_most;

static void count_running(struct record *record)
{
    (void)record;
    running_now++;
    running_most = running_now > running_most ? running_now : running_most;
}

Test(calls, at_most_eight_readers_run)
{
    struct fixture f;
    struct record records[12] = {0};
    fixture_init(&f);
    running_now = running_most = 0;
    for (int i = 0; i < 12; i++) {
        records[i].on_started = count_running;
        /* Each waits until eight have begun; none of the rest may have. */
        start(&f, &records[i], "exec_command",
              "{'cmd':'echo x >> n; while [ $(wc -l < n) -lt 8 ]; do sleep 0.02; done; sleep 0.2; "
              "wc -l < n'}");
    }
    wait_all(&f);
    cr_assert_eq(running_most, 12);
    unsigned eights = 0;
    for (int i = 0; i < 12; i++) {
        cr_assert(records[i].ok, "%s", records[i].text);
        eights += strstr(records[i].text, "\n8\n") != NULL;
        record_finish(&records[i]);
    }
    cr_assert_geq(eights, 1);
    fixture_finish(&f);
}

/* -- Cancelled ------------------------------------------------------------------------------- */

Test(calls, cancelled_at_once)
{
    static const struct {
        const char *name, *arguments;
    } cases[] = {
        {"read_file", "{'path':'a'}"},           {"grep", "{'pattern':'x'}"},
        {"exec_command", "{'cmd':'touch ran'}"}, {"write_file", "{'path':'ran','content':'x'}"},
        {"update_plan", "{'plan':[]}"},          {"no_tool", "{}"},
    };
    struct fixture f;
    fixture_init(&f);
    put(&f, "a", "text\n");
    for (size_t i = 0; i < array_count(cases); i++) {
        struct record r = {0};
        start(&f, &r, cases[i].name, cases[i].arguments);
        tools_call_cancel(r.call);
        tools_call_cancel(r.call);
        wait_all(&f);
        cr_assert_eq(r.outputs, 1);
        cr_assert(!r.ok);
        assert_has(r.text, "ancelled by the user");
        record_finish(&r);
    }
    cr_assert_str_eq(disk(&f, "ran"), "(none)");
    fixture_finish(&f);
}

static void cancel_it(struct record *record)
{
    tools_call_cancel(record->call);
}

Test(calls, cancelled_while_running)
{
    static const struct {
        const char *name, *arguments;
    } cases[] = {
        {"read_file", "{'path':'a'}"},          {"list_dir", "{'path':'.'}"},
        {"find_files", "{'glob':'*'}"},         {"grep", "{'pattern':'x'}"},
        {"exec_command", "{'cmd':'sleep 60'}"},
    };
    struct fixture f;
    fixture_init(&f);
    put(&f, "a", "text\n");
    for (size_t i = 0; i < array_count(cases); i++) {
        struct record r = {.on_started = cancel_it};
        start(&f, &r, cases[i].name, cases[i].arguments);
        wait_all(&f);
        cr_assert_eq(r.outputs, 1);
        record_finish(&r);
    }
    fixture_finish(&f);
}

Test(calls, cancelled_in_the_queue_lets_the_next_one_in)
{
    struct fixture f;
    struct record slow = {0}, writer = {0}, after = {0};
    fixture_init(&f);
    put(&f, "a", "text\n");
    start(&f, &slow, "exec_command", "{'cmd':'sleep 0.3'}");
    start(&f, &writer, "write_file", "{'path':'b','content':'x'}");
    start(&f, &after, "read_file", "{'path':'a'}");
    slow.on_started = NULL;
    writer.on_started = NULL;
    tools_call_cancel(writer.call);
    wait_all(&f);
    cr_assert(slow.ok && !writer.ok && after.ok);
    cr_assert_lt(after.order, slow.order);
    record_finish(&slow);
    record_finish(&writer);
    record_finish(&after);
    fixture_finish(&f);
}

static void stop(void *user)
{
    loop_stop(user);
}

static void run_for(struct fixture *f, uint64_t ms)
{
    struct loop_timer *timer = loop_timer_new(f->loop, stop, f->loop);
    loop_timer_start(timer, ms, 0);
    loop_run(f->loop);
    loop_timer_free(timer);
}

Test(calls, cancelled_while_it_asks)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, ".env", "x=1\n");
    f.host.holds_answers = true;
    start(&f, &r, "read_file", "{'path':'.env'}");
    while (f.host.asks == 0)
        run_for(&f, 5);
    tools_call_cancel(r.call);
    wait_all(&f);
    cr_assert_eq(f.host.drops, 1);
    cr_assert_eq(r.outputs, 1);
    assert_has(r.text, "Cancelled");
    record_finish(&r);
    fixture_finish(&f);
}

Test(calls, a_command_that_asks_is_alone)
{
    struct fixture f;
    struct record asking = {0}, reader = {0};
    fixture_init(&f);
    put(&f, "a", "text\n");
    f.host.holds_answers = true;
    start(&f, &asking, "exec_command", "{'cmd':'true','escalate':'unsandboxed'}");
    start(&f, &reader, "read_file", "{'path':'a'}");
    while (f.host.asks == 0)
        run_for(&f, 5);
    run_for(&f, 20);
    cr_assert_eq(reader.outputs, 0);
    tools_call_cancel(asking.call);
    wait_all(&f);
    cr_assert(reader.ok);
    record_finish(&asking);
    record_finish(&reader);
    fixture_finish(&f);
}

Test(calls, too_late_to_cancel_gives_the_real_output)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a", "old\n");
    start(&f, &r, "edit_file", "{'path':'a','old_string':'old','new_string':'new'}");
    while (f.host.applies == 0 && r.outputs == 0)
        run_for(&f, 1);
    if (r.call)
        tools_call_cancel(r.call);
    wait_all(&f);
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(disk(&f, "a"), "new\n");
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Dropped --------------------------------------------------------------------------------- */

Test(calls, a_freed_thread_tells_nothing)
{
    static const struct {
        const char *name, *arguments;
    } cases[] = {
        {"read_file", "{'path':'a'}"},
        {"read_file", "{'path':'.env'}"},
        {"grep", "{'pattern':'x'}"},
        {"exec_command", "{'cmd':'sleep 60'}"},
        {"edit_file", "{'path':'a','old_string':'text','new_string':'x'}"},
    };
    for (unsigned ms = 0; ms < 40; ms += 8) {
        struct fixture f;
        struct record records[array_count(cases)] = {0};
        fixture_init(&f);
        f.host.holds_answers = f.host.holds_applies = true;
        put(&f, "a", "text\n");
        put(&f, ".env", "x=1\n");
        for (size_t i = 0; i < array_count(cases); i++)
            start(&f, &records[i], cases[i].name, cases[i].arguments);
        f.running = 1000; /* nobody stops the loop */
        run_for(&f, ms);
        unsigned outputs = 0, later = 0;
        for (size_t i = 0; i < array_count(cases); i++)
            outputs += records[i].outputs;
        tools_thread_free(f.thread);
        f.thread = NULL;
        run_for(&f, 30);
        for (size_t i = 0; i < array_count(cases); i++) {
            later += records[i].outputs;
            record_finish(&records[i]);
        }
        cr_assert_eq(later, outputs);
        fixture_finish(&f);
    }
}

Test(calls, everything_is_freed_with_work_under_way)
{
    struct fixture f;
    struct record records[8] = {0};
    fixture_init(&f);
    put(&f, "a", "text\n");
    for (int i = 0; i < 8; i++)
        start(&f, &records[i], i % 2 ? "read_file" : "exec_command",
              i % 2 ? "{'path':'a'}" : "{'cmd':'sleep 60'}");
    fixture_finish(&f);
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(records[i].outputs, 0);
        record_finish(&records[i]);
    }
}

/* -- Everything at once ---------------------------------------------------------------------- */

static const struct {
    const char *name, *arguments;
} mixed[] = {
    {"read_file", "{'path':'a'}"},
    {"read_file", "{'path':'none'}"},
    {"read_file", "{'path':'.env'}"},
    {"list_dir", "{}"},
    {"find_files", "{'glob':'*'}"},
    {"grep", "{'pattern':'t'}"},
    {"edit_file", "{'path':'a','old_string':'text','new_string':'text text'}"},
    {"edit_file", "{'path':'b','old_string':'text','new_string':'other'}"},
    {"edit_file", "{'path':'.envrc','old_string':'x','new_string':'y'}"},
    {"write_file", "{'path':'c','content':'new'}"},
    {"exec_command", "{'cmd':'cat a'}"},
    {"exec_command", "{'cmd':'sleep 0.05; echo x > d'}"},
    {"exec_command", "{'cmd':'true','escalate':'unsandboxed'}"},
    {"exec_command", "{'cmd':'sleep 60','yield_time_ms':20}"},
    {"write_stdin", "{'session_id':1,'kill':true,'yield_time_ms':100}"},
    {"update_plan", "{'plan':[]}"},
    {"no_tool", "{}"},
};

/* What is decided by chance is decided by this alone. */
static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

enum { MIXED_CALLS = 40 };

static void run_mixed(unsigned seed)
{
    struct fixture f;
    struct record records[MIXED_CALLS] = {0};
    struct tools_deadlines deadlines = tools_deadlines_default;
    deadlines.yield_min_ms = 10;
    fixture_init(&f);
    tools_set_deadlines(f.tools, &deadlines);
    put(&f, "a", "text\n");
    put(&f, "b", "text\n");
    put(&f, ".env", "x=1\n");
    put(&f, ".envrc", "x\n");
    open_file(&f, "a", "text\n");
    f.host.decision = (enum host_decision)(seed % 3);
    for (int i = 0; i < MIXED_CALLS; i++) {
        size_t which = next_random(&seed) % array_count(mixed);
        start(&f, &records[i], mixed[which].name, mixed[which].arguments);
        if (next_random(&seed) % 4 == 0)
            records[i].on_started = cancel_it;
        if (next_random(&seed) % 8 == 0)
            tools_call_cancel(records[i].call);
        if (next_random(&seed) % 3 == 0)
            run_for(&f, next_random(&seed) % 4);
        struct record *other = &records[next_random(&seed) % (unsigned)(i + 1)];
        if (other->call && next_random(&seed) % 6 == 0)
            tools_call_cancel(other->call);
    }
    wait_all(&f);
    run_for(&f, 20);
    for (int i = 0; i < MIXED_CALLS; i++) {
        cr_assert_eq(records[i].outputs, 1);
        cr_assert_leq(records[i].started, 1);
        cr_assert(utf8_is_valid(str_from(records[i].text), NULL));
        record_finish(&records[i]);
    }
    fixture_finish(&f);
}

Test(calls, each_has_exactly_one_output_whatever_happens)
{
    for (unsigned seed = 1; seed <= 8; seed++)
        run_mixed(seed);
}
