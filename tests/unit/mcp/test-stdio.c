/* Real programs on their standard streams. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

TestSuite(stdio, .timeout = 60);

static void one(struct stage *s, const char *options, const char *extra)
{
    stage_init(s);
    stage_add(s, "s", options, extra);
}

/* -- Starting -------------------------------------------------------------------------------- */

Test(stdio, nothing_is_started_before_it_is_needed)
{
    struct stage s;
    one(&s, "starts=%F/starts", "");
    stage_open(&s);
    stage_sleep(&s, 100);
    cr_assert_eq(stage_status(&s, 0).state, MCP_OFF);
    cr_assert(!mcp_is_settled(s.mcp));
    cr_assert_eq(stage_count_lines(&s, "starts", ""), 0);
    cr_assert(stage_prepare(&s));
    cr_assert_eq(stage_status(&s, 0).state, MCP_READY);
    cr_assert(mcp_is_settled(s.mcp));
    cr_assert_eq(stage_count_lines(&s, "starts", ""), 1);
    cr_assert(!stage_prepare(&s), "there is nothing to wait for any more");
    stage_finish(&s);
}

Test(stdio, lists_its_tools_in_any_split)
{
    static const char *const torn[] = {"torn=1 banner=2", "torn=7", "torn=143", "torn=100000"};
    for (size_t i = 0; i < array_count(torn); i++) {
        struct stage s;
        one(&s, torn[i], "");
        stage_prepare(&s);
        cr_assert_eq(stage_status(&s, 0).tools, 16, "%s", stage_status(&s, 0).detail);
        cr_assert_str_eq(stage_status(&s, 0).detail, "stage 1");
        cr_assert_str_eq(mcp_tool_at(s.mcp, 0)->name, "mcp__s__asks");
        cr_assert_str_eq(mcp_tool_at(s.mcp, 15)->name, "mcp__s__structured");
        const struct mcp_tool *echo = mcp_tool_find(s.mcp, STR("mcp__s__echo"));
        cr_assert_str_eq(echo->own_name, "echo");
        cr_assert_str_eq(echo->server, "s");
        cr_assert_str_eq(echo->schema, "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":"
                                       "\"string\"}},\"required\":[\"text\"]}");
        stage_finish(&s);
    }
}

Test(stdio, pages_are_followed_and_bounded)
{
    static const struct {
        const char *options;
        size_t tools;
    } cases[] = {{"pages=5", 5}, {"pages=1", 1}, {"pages=circle", 0}};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct stage s;
        one(&s, cases[i].options, "");
        stage_prepare(&s);
        cr_assert_eq(stage_status(&s, 0).state, MCP_READY);
        cr_assert_eq(mcp_tool_count(s.mcp), cases[i].tools);
        stage_finish(&s);
    }
}

Test(stdio, only_the_tools_that_are_wanted)
{
    struct stage s;
    struct buf names = {0};
    one(&s, "", "\"tools\":[\"echo\",\"nul\",\"none\"]");
    stage_prepare(&s);
    stage_names(&s, &names);
    cr_assert_str_eq(names.ptr, "mcp__s__echo mcp__s__nul");
    cr_assert_eq(stage_status(&s, 0).left_out, 0);
    buf_finish(&names);
    stage_finish(&s);
}

Test(stdio, names_that_are_no_names)
{
    struct stage s;
    one(&s, "names=a.b,a_b,a_b,plain", "");
    stage_prepare(&s);
    cr_assert_eq(mcp_tool_count(s.mcp), 3);
    cr_assert_eq(stage_status(&s, 0).left_out, 1);
    cr_assert_str_eq(stage_status(&s, 0).left_out_why, "a name is listed twice");
    stage_finish(&s);
}

Test(stdio, too_many_tools_are_left_out)
{
    struct stage s;
    struct buf names = {0};
    stage_init(&s);
    buf_append_c(&names, "names=");
    for (int i = 0; i < 80; i++)
        buf_append_fmt(&names, "%st%d", i ? "," : "", i);
    stage_add(&s, "a", names.ptr, "");
    stage_add(&s, "b", names.ptr, "");
    stage_prepare(&s);
    cr_assert_eq(mcp_tool_count(s.mcp), LIMIT_MCP_TOOLS_COUNT);
    cr_assert_eq(stage_status(&s, 0).tools + stage_status(&s, 1).tools, LIMIT_MCP_TOOLS_COUNT);
    cr_assert_eq(stage_status(&s, 1).left_out, 60);
    assert_has(stage_status(&s, 1).left_out_why, "\"tools\"");
    buf_finish(&names);
    stage_finish(&s);
}

Test(stdio, what_fails_to_start_says_why)
{
    static const struct {
        const char *options, *says;
    } cases[] = {
        {"init=exit", "exit code 3; it said: no licence found"},
        {"init=refuse", "it refused initialize: speak 2099-01-01"},
        {"version=1999-01-01", "revision \"1999-01-01\""},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct stage s;
        one(&s, cases[i].options, "");
        cr_assert(stage_prepare(&s));
        cr_assert_eq(stage_status(&s, 0).state, MCP_FAILED);
        assert_has(stage_status(&s, 0).detail, cases[i].says);
        cr_assert(mcp_is_settled(s.mcp));
        stage_finish(&s);
    }
}

Test(stdio, a_program_that_is_not_there)
{
    struct stage s;
    stage_init(&s);
    buf_append_c(&s.settings, "\"s\":{\"command\":\"no-such-program-here\"}");
    cr_assert(stage_prepare(&s));
    cr_assert_eq(stage_status(&s, 0).state, MCP_FAILED);
    assert_has(stage_status(&s, 0).detail, "no-such-program-here");
    stage_finish(&s);
}

Test(stdio, every_revision_is_spoken)
{
    static const char *const versions[] = {"echo", "2025-06-18", "2025-03-26", "2024-11-05"};
    for (size_t i = 0; i < array_count(versions); i++) {
        struct stage s;
        char options[64];
        snprintf(options, sizeof(options), "version=%s", versions[i]);
        one(&s, options, "");
        stage_prepare(&s);
        cr_assert_eq(stage_status(&s, 0).state, MCP_READY);
        stage_finish(&s);
    }
}

Test(stdio, one_without_tools)
{
    struct stage s;
    one(&s, "tools=no heard=%F/heard", "");
    stage_prepare(&s);
    cr_assert_eq(stage_status(&s, 0).state, MCP_READY);
    cr_assert_eq(mcp_tool_count(s.mcp), 0);
    cr_assert_eq(stage_count_lines(&s, "heard", "tools/list"), 0);
    stage_finish(&s);
}

Test(stdio, a_silent_one_is_waited_for_only_so_long)
{
    struct stage s;
    one(&s, "init=no", "");
    stage_add(&s, "good", "", "");
    s.deadlines.wait = 3000;
    s.deadlines.start = 100000;
    cr_assert(stage_prepare(&s));
    cr_assert_eq(stage_status(&s, 0).state, MCP_STARTING);
    cr_assert_eq(stage_status(&s, 1).state, MCP_READY);
    cr_assert(mcp_is_settled(s.mcp), "waiting once more would bring nothing");
    cr_assert(!stage_prepare(&s));
    struct buf news = {0};
    mcp_append_news(s.mcp, &news);
    cr_assert_str_eq(news.ptr, "The MCP server s is still starting: its tools come with the next "
                               "thread.\n");
    mcp_append_news(s.mcp, &news);
    cr_assert_eq(strlen(strchr(news.ptr, '\n')), 1, "it is told once");
    buf_finish(&news);
    stage_finish(&s);
}

Test(stdio, a_start_has_a_deadline)
{
    static const char *const options[] = {"init=no", "listing=no"};
    for (size_t i = 0; i < array_count(options); i++) {
        struct stage s;
        one(&s, options[i], "");
        s.deadlines.start = 500;
        cr_assert(stage_prepare(&s));
        cr_assert_eq(stage_status(&s, 0).state, MCP_FAILED);
        assert_has(stage_status(&s, 0).detail, "startSeconds");
        stage_finish(&s);
    }
}

Test(stdio, what_failed_is_tried_again_with_the_next_prompt)
{
    struct stage s;
    one(&s, "init=exit starts=%F/starts", "");
    stage_prepare(&s);
    cr_assert_eq(stage_count_lines(&s, "starts", ""), 1);
    cr_assert(!stage_prepare(&s), "nobody waits for it a second time");
    stage_wait_state(&s, 0, MCP_FAILED);
    cr_assert_eq(stage_count_lines(&s, "starts", ""), 2);
    struct buf news = {0};
    mcp_append_news(s.mcp, &news);
    assert_has(news.ptr, "The MCP server s cannot be used: it ended with exit code 3");
    buf_finish(&news);
    stage_finish(&s);
    one(&s, "init=exit starts=%F/starts", "");
    s.deadlines.again = 100000;
    stage_prepare(&s);
    cr_assert(!stage_prepare(&s), "not so soon");
    cr_assert_eq(stage_count_lines(&s, "starts", ""), 1);
    stage_finish(&s);
}

Test(stdio, sec_02_it_runs_at_home_with_a_list_of_variables)
{
    struct stage s;
    struct outcome o;
    setenv("MCP_TEST_SECRET", "hush", 1);
    setenv("MCP_TEST_PASSED", "told", 1);
    one(&s, "",
        "\"env\":{\"MCP_TEST_OWN\":\"mine\",\"LANG\":\"xx\"},\"passEnv\":["
        "\"MCP_TEST_PASSED\",\"MCP_TEST_ABSENT\"]");
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__env", "{}");
    cr_assert(o.ok);
    assert_has(o.text.ptr, "MCP_TEST_OWN=mine");
    assert_has(o.text.ptr, "MCP_TEST_PASSED=told");
    assert_has(o.text.ptr, "LANG=xx");
    assert_has(o.text.ptr, "TERM=dumb");
    assert_has_not(o.text.ptr, "MCP_TEST_SECRET");
    assert_has_not(o.text.ptr, "ABSENT");
    char where[80];
    snprintf(where, sizeof(where), "cwd=%s", s.folder);
    assert_has(o.text.ptr, where);
    outcome_finish(&o);
    stage_finish(&s);
}

/* -- Calls ----------------------------------------------------------------------------------- */

Test(stdio, calls)
{
    static const struct {
        const char *name, *arguments, *text;
        bool ok;
    } cases[] = {
        {"mcp__s__echo", "{\"text\":\"h\\u00e9 \\\"there\\\"\"}", "h\xC3\xA9 \"there\"", true},
        {"mcp__s__fails", "{}", "the disk is full", false},
        {"mcp__s__refuses", "{}", "The MCP server s refused the call: not with me (code -32602)",
         false},
        {"mcp__s__structured", "{}", "{\"b\":1,\"a\":[2]}", true},
        {"mcp__s__nul", "{}",
         "a\xEF\xBF\xBD"
         "b\nc\\u0000d",
         true},
        {"mcp__s__garbage", "{}", "still here", true},
        {"mcp__s__media", "{}",
         "first\n[image, image/png, 300 bytes: not shown, it is no PNG, JPEG, WebP or GIF]\n"
         "[audio, audio/wav, 3 bytes: not shown, text alone is passed on]\n"
         "[resource https://example.com/x, text/html, x]\n"
         "[resource file:///a, text/plain]\ninside\n"
         "[resource file:///b, 6 bytes: not shown, it is no text]\n"
         "[content of type \"hologram\": not shown, it is not known here]",
         true},
        {"mcp__s__none", "{}",
         "There is no tool \"mcp__s__none\" any more: its MCP server took it "
         "back.",
         false},
    };
    static const char *const splits[] = {"torn=1", "torn=7", "torn=143"};
    for (size_t k = 0; k < array_count(splits); k++) {
        struct stage s;
        one(&s, splits[k], "");
        stage_prepare(&s);
        for (size_t i = 0; i < array_count(cases); i++) {
            struct outcome o;
            outcome_run(&o, &s, cases[i].name, cases[i].arguments);
            cr_assert_str_eq(o.text.ptr, cases[i].text);
            cr_assert_eq(o.ok, cases[i].ok);
            outcome_finish(&o);
        }
        stage_finish(&s);
    }
}

Test(stdio, a_mebibyte_comes_whole)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__big", "{\"bytes\":1000000}");
    cr_assert(o.ok);
    cr_assert_eq(o.text.len, 1000000);
    outcome_finish(&o);
    stage_finish(&s);
}

Test(stdio, a_message_over_the_limit_fails_the_call_alone)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__oversize", "{}");
    cr_assert(!o.ok);
    assert_has(o.text.ptr, "over 16 MiB");
    outcome_finish(&o);
    outcome_run(&o, &s, "mcp__s__echo", "{\"text\":\"x\"}");
    cr_assert_str_eq(o.text.ptr, "x");
    cr_assert_eq(stage_status(&s, 0).restarts, 0);
    outcome_finish(&o);
    stage_finish(&s);
}

Test(stdio, several_at_once)
{
    struct stage s;
    struct outcome o[8];
    one(&s, "", "");
    stage_prepare(&s);
    for (size_t i = 0; i < array_count(o); i++) {
        char arguments[32];
        snprintf(arguments, sizeof(arguments), "{\"text\":\"%zu\"}", i);
        outcome_start(&o[i], &s, "mcp__s__echo", arguments);
    }
    for (size_t i = 0; i < array_count(o); i++) {
        outcome_wait(&o[i]);
        cr_assert_eq(strtoul(o[i].text.ptr, NULL, 10), i);
        outcome_finish(&o[i]);
    }
    stage_finish(&s);
}

Test(stdio, progress_is_told)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__progress", "{}");
    cr_assert_str_eq(o.text.ptr, "done");
    cr_assert_str_eq(o.progress.ptr, "step 1: 1 of 2\nstep 2: 2 of 2\n");
    outcome_finish(&o);
    stage_finish(&s);
}

Test(stdio, what_it_asks_is_answered)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    s.roots = "[{\"uri\":\"file:///w\",\"name\":\"w\"}]";
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__asks", "{}");
    assert_has(o.text.ptr, "[{}, {\"roots\": [{\"uri\": \"file:///w\", \"name\": \"w\"}]}");
    assert_has(o.text.ptr, "-32601");
    assert_has(o.text.ptr, "does not offer sampling/createMessage");
    assert_has(o.text.ptr, "does not offer elicitation/create");
    outcome_finish(&o);
    stage_finish(&s);
}

Test(stdio, roots_that_change_are_told_to_who_asked)
{
    struct stage s;
    struct outcome o;
    one(&s, "heard=%F/heard", "");
    stage_prepare(&s);
    s.roots = "[1]";
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__asks", "{}");
    outcome_finish(&o);
    cr_assert_eq(stage_count_lines(&s, "heard", "roots/list_changed"), 0, "it had not asked");
    s.roots = "[2]";
    stage_prepare(&s);
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__echo", "{\"text\":\"x\"}");
    outcome_finish(&o);
    stage_wait_file(&s, "heard", "roots/list_changed"); /* it hears in threads */
    cr_assert_eq(stage_count_lines(&s, "heard", "roots/list_changed"), 1);
    stage_finish(&s);
}

Test(stdio, a_call_has_a_deadline)
{
    struct stage s;
    struct outcome o;
    one(&s, "heard=%F/heard", "");
    s.deadlines.call = 200;
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__slow", "{}");
    cr_assert(!o.ok);
    assert_has(o.text.ptr, "callSeconds");
    assert_has(o.text.ptr, "is not known");
    outcome_finish(&o);
    stage_wait_file(&s, "heard", "notifications/cancelled");
    cr_assert_eq(stage_status(&s, 0).state, MCP_READY);
    stage_finish(&s);
}

Test(stdio, the_settings_deadline_counts)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "\"callSeconds\":1");
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__slow", "{}");
    assert_has(o.text.ptr, "within 1 s");
    outcome_finish(&o);
    stage_finish(&s);
}

Test(stdio, a_cancelled_call_is_told_and_forgotten)
{
    struct stage s;
    struct outcome o;
    one(&s, "heard=%F/heard", "");
    stage_prepare(&s);
    outcome_start(&o, &s, "mcp__s__slow", "{\"seconds\":0.3}");
    mcp_call_cancel(o.call);
    stage_wait_file(&s, "heard", "notifications/cancelled");
    stage_sleep(&s, 500); /* its answer comes, and is nobody's */
    cr_assert(!o.done);
    outcome_run(&o, &s, "mcp__s__cancelled", "{}");
    cr_assert_str_eq(o.text.ptr, "1");
    outcome_finish(&o);
    stage_finish(&s);
}

/* -- Ending ---------------------------------------------------------------------------------- */

Test(stdio, a_death_in_a_call_is_an_answer_and_never_a_second_call)
{
    struct stage s;
    struct outcome o, after;
    one(&s, "starts=%F/starts calls=%F/calls", "");
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__die", "{}");
    cr_assert(!o.ok);
    assert_has(o.text.ptr, "failed while the tool ran: it ended with exit code 7; it said: out of "
                           "cheese");
    assert_has(o.text.ptr, "was not called again");
    cr_assert_eq(mcp_tool_count(s.mcp), 16, "its tools stay");
    outcome_run(&after, &s, "mcp__s__echo", "{\"text\":\"again\"}");
    cr_assert_str_eq(after.text.ptr, "again");
    cr_assert_eq(stage_status(&s, 0).restarts, 1);
    cr_assert_eq(stage_count_lines(&s, "starts", ""), 2);
    cr_assert_eq(stage_count_lines(&s, "calls", "die"), 1);
    outcome_finish(&o);
    outcome_finish(&after);
    stage_finish(&s);
}

Test(stdio, others_in_flight_die_with_it)
{
    struct stage s;
    struct outcome slow, die;
    one(&s, "", "");
    stage_prepare(&s);
    outcome_start(&slow, &s, "mcp__s__slow", "{}");
    outcome_run(&die, &s, "mcp__s__die", "{}");
    outcome_wait(&slow);
    assert_has(slow.text.ptr, "is not known");
    outcome_finish(&slow);
    outcome_finish(&die);
    stage_finish(&s);
}

Test(stdio, restarts_are_bounded)
{
    struct stage s;
    struct outcome o;
    one(&s, "starts=%F/starts", "");
    stage_prepare(&s);
    for (int i = 0; i <= LIMIT_MCP_RESTARTS_COUNT; i++) {
        outcome_run(&o, &s, "mcp__s__die", "{}");
        outcome_finish(&o);
    }
    cr_assert_eq(stage_status(&s, 0).state, MCP_FAILED);
    cr_assert_eq(stage_count_lines(&s, "starts", ""), 1 + LIMIT_MCP_RESTARTS_COUNT);
    outcome_run(&o, &s, "mcp__s__echo", "{\"text\":\"x\"}");
    cr_assert(o.ok, "a call tries it once more: %s", o.text.ptr);
    outcome_finish(&o);
    stage_finish(&s);
}

Test(stdio, a_call_to_one_that_cannot_be_started_again_fails)
{
    struct stage s;
    struct outcome o;
    stage_init(&s);
    buf_append_fmt(&s.settings,
                   "\"s\":{\"command\":[\"sh\",\"-c\",\"test ! -e %s/gone || { echo no more >&2; "
                   "exit 1; }; touch %s/gone; exec python3 " STAGE " stdio\"]}",
                   s.folder, s.folder);
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__die", "{}");
    outcome_finish(&o);
    outcome_run(&o, &s, "mcp__s__echo", "{\"text\":\"x\"}");
    cr_assert(!o.ok);
    assert_has(o.text.ptr, "The tool was not called: the MCP server s does not run");
    assert_has(o.text.ptr, "no more");
    outcome_finish(&o);
    stage_finish(&s);
}

Test(stdio, a_changed_list_is_read_again)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__change", "{}");
    stage_wait_tool(&s, "mcp__s__later");
    cr_assert_eq(mcp_tool_count(s.mcp), 17);
    outcome_finish(&o);
    stage_finish(&s);
}

Test(stdio, one_that_says_so_with_every_list_is_not_asked_all_the_time)
{
    struct stage s;
    one(&s, "noisy=yes heard=%F/heard", "");
    stage_prepare(&s);
    uint64_t began = loop_now_ms(s.loop);
    size_t lists = 0;
    while ((lists = stage_count_lines(&s, "heard", "tools/list")) < 3)
        stage_sleep(&s, 10);
    cr_assert_leq(lists, 3 + (loop_now_ms(s.loop) - began) / 200, "each rests 200 ms");
    stage_finish(&s);
}

static void on_stopped(void *user)
{
    struct stage *s = user;
    s->is_ready = true;
    loop_stop(s->loop);
}

Test(stdio, it_is_told_when_it_is_over)
{
    struct stage s;
    one(&s, "heard=%F/heard", "");
    stage_prepare(&s);
    s.is_ready = false;
    cr_assert(mcp_stop(s.mcp, on_stopped, &s));
    stage_wait(&s, &s.is_ready);
    cr_assert_eq(stage_count_lines(&s, "heard", "end of input"), 1);
    stage_finish(&s);
    one(&s, "", "");
    stage_open(&s);
    cr_assert(!mcp_stop(s.mcp, on_stopped, &s), "nothing runs");
    stage_finish(&s);
}

Test(stdio, freed_at_any_time)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    stage_open(&s);
    mcp_prepare(s.mcp, on_stopped, &s);
    mcp_prepare_drop(s.mcp, &s);
    stage_sleep(&s, 5);
    stage_finish(&s);
    one(&s, "", "");
    stage_prepare(&s);
    outcome_start(&o, &s, "mcp__s__slow", "{}");
    stage_sleep(&s, 20);
    stage_finish(&s);
    cr_assert(!o.done);
}
