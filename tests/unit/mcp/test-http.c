/* Real sockets: servers by streamable HTTP. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

TestSuite(http, .timeout = 60);

static void one(struct stage *s, const char *options, const char *extra)
{
    stage_init(s);
    stage_add_http(s, "s", options, extra);
}

static void on_stopped(void *user)
{
    struct stage *s = user;
    s->is_ready = true;
    loop_stop(s->loop);
}

Test(http, calls_by_events_and_by_bodies)
{
    static const char *const options[] = {"",         "json=yes",   "torn=1",     "torn=7",
                                          "torn=143", "session=no", "strict=yes", "stream=no"};
    for (size_t i = 0; i < array_count(options); i++) {
        struct stage s;
        struct outcome o;
        one(&s, options[i], "");
        cr_assert(stage_prepare(&s));
        cr_assert_eq(stage_status(&s, 0).state, MCP_READY, "%s: %s", options[i],
                     stage_status(&s, 0).detail);
        cr_assert(stage_status(&s, 0).is_http);
        cr_assert_eq(mcp_tool_count(s.mcp), 16);
        for (int k = 0; k < 3; k++) {
            outcome_run(&o, &s, "mcp__s__echo", "{\"text\":\"h\xC3\xA9\"}");
            cr_assert_str_eq(o.text.ptr, "h\xC3\xA9", "%s", options[i]);
            outcome_finish(&o);
        }
        outcome_run(&o, &s, "mcp__s__refuses", "{}");
        assert_has(o.text.ptr, "not with me");
        outcome_finish(&o);
        stage_finish(&s);
    }
}

Test(http, progress_and_questions_on_the_stream)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    s.roots = "[{\"uri\":\"file:///w\"}]";
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__progress", "{}");
    cr_assert_str_eq(o.progress.ptr, "step 1: 1 of 2\nstep 2: 2 of 2\n");
    outcome_finish(&o);
    outcome_run(&o, &s, "mcp__s__asks", "{}");
    assert_has(o.text.ptr, "{\"roots\": [{\"uri\": \"file:///w\"}]}");
    assert_has(o.text.ptr, "does not offer sampling");
    outcome_finish(&o);
    stage_finish(&s);
}

Test(http, a_session_that_is_over_is_begun_anew)
{
    struct stage s;
    struct outcome o;
    one(&s, "session=once calls=%F/calls", "");
    stage_prepare(&s);
    for (int i = 1; i <= 3; i++) {
        outcome_run(&o, &s, "mcp__s__echo", "{\"text\":\"x\"}");
        cr_assert_str_eq(o.text.ptr, "x");
        outcome_finish(&o);
        cr_assert_eq(stage_count_lines(&s, "calls", "echo"), (size_t)i, "each ran once");
    }
    cr_assert_eq(stage_status(&s, 0).restarts, 2);
    stage_finish(&s);
}

Test(http, a_stream_that_breaks_is_an_answer)
{
    struct stage s;
    struct outcome o;
    one(&s, "calls=%F/calls init=x", "");
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__die", "{}");
    cr_assert(!o.ok);
    assert_has(o.text.ptr, "is not known");
    cr_assert_eq(stage_count_lines(&s, "calls", "die"), 1);
    outcome_finish(&o);
    stage_finish(&s);
}

Test(http, what_does_not_work_says_why)
{
    static const struct {
        const char *options, *says;
    } cases[] = {
        {"status=404", "check \"url\""}, {"status=405", "HTTP+SSE"},
        {"status=401", "tokenEnv"},      {"status=403", "HTTP 403"},
        {"status=500", "HTTP 500"},      {"status=307", "redirects are not followed"},
        {"token=right", "tokenEnv"},     {"init=refuse", "speak 2099-01-01"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct stage s;
        one(&s, cases[i].options, "");
        cr_assert(stage_prepare(&s));
        cr_assert_eq(stage_status(&s, 0).state, MCP_FAILED);
        assert_has(stage_status(&s, 0).detail, cases[i].says);
        stage_finish(&s);
    }
}

Test(http, addresses_that_are_none)
{
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"http://127.0.0.1:1/mcp", "127.0.0.1"}, {"http://mcp.example.com/mcp", "use https"},
        {"ws://127.0.0.1/mcp", "https://"},      {"file:///etc/passwd", ""},
        {"https://user@example.com/", ""},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct stage s;
        stage_init(&s);
        buf_append_fmt(&s.settings, "\"s\":{\"url\":\"%s\"}", cases[i].url);
        cr_assert(stage_prepare(&s));
        cr_assert_eq(stage_status(&s, 0).state, MCP_FAILED);
        cr_assert(stage_status(&s, 0).detail[0]);
        assert_has(stage_status(&s, 0).detail, cases[i].says);
        stage_finish(&s);
    }
}

Test(http, sec_04_tokens)
{
    static const struct {
        const char *extra;
        enum mcp_state state;
        const char *says;
    } cases[] = {
        {"\"tokenEnv\":\"MCP_TEST_TOKEN\"", MCP_READY, ""},
        {"\"tokenEnv\":\"MCP_TEST_NONE\"", MCP_FAILED, "set MCP_TEST_NONE in the environment"},
        {"\"tokenCommand\":[\"echo\",\"right\"]", MCP_READY, ""},
        {"\"tokenCommand\":[\"echo\",\"two words\"]", MCP_FAILED, "must print the token alone"},
        {"\"tokenCommand\":[\"false\"]", MCP_FAILED, "exit code 1"},
        {"\"tokenCommand\":[\"no-such-program-here\"]", MCP_FAILED, "no-such-program-here"},
        {"\"headers\":{\"Authorization\":\"Bearer right\"}", MCP_READY, ""},
        {"\"headers\":{\"Authorization\":\"Bearer wrong\"}", MCP_FAILED, "HTTP 401"},
    };
    setenv("MCP_TEST_TOKEN", "right", 1);
    for (size_t i = 0; i < array_count(cases); i++) {
        struct stage s;
        one(&s, "token=right", cases[i].extra);
        stage_prepare(&s);
        cr_assert_eq(stage_status(&s, 0).state, cases[i].state, "%s: %s", cases[i].extra,
                     stage_status(&s, 0).detail);
        assert_has(stage_status(&s, 0).detail, cases[i].says);
        assert_has_not(stage_status(&s, 0).detail, "right");
        if (strstr(cases[i].extra, "token") && cases[i].state == MCP_READY)
            cr_assert_str_eq(s.secrets.ptr, "right", "it is known as a secret");
        stage_finish(&s);
    }
}

Test(http, the_end_of_the_session_is_told)
{
    struct stage s;
    one(&s, "heard=%F/heard", "");
    stage_prepare(&s);
    s.is_ready = false;
    cr_assert(mcp_stop(s.mcp, on_stopped, &s));
    stage_wait(&s, &s.is_ready);
    cr_assert_eq(stage_count_lines(&s, "heard", "DELETE session-0"), 1);
    stage_finish(&s);
    one(&s, "session=no", "");
    stage_prepare(&s);
    cr_assert(!mcp_stop(s.mcp, on_stopped, &s));
    stage_finish(&s);
}

Test(http, a_changed_list_comes_by_the_stream)
{
    struct stage s;
    struct outcome o;
    one(&s, "heard=%F/heard", "");
    stage_prepare(&s);
    stage_wait_file(&s, "heard", "GET"); /* the stream is opened beside the rest */
    outcome_run(&o, &s, "mcp__s__change", "{}");
    stage_wait_tool(&s, "mcp__s__later");
    outcome_finish(&o);
    stage_finish(&s);
}

Test(http, cancelled_and_too_late)
{
    struct stage s;
    struct outcome o;
    one(&s, "heard=%F/heard", "");
    stage_prepare(&s);
    outcome_start(&o, &s, "mcp__s__slow", "{\"seconds\":5}");
    stage_wait_file(&s, "heard", "tools/call");
    mcp_call_cancel(o.call);
    stage_wait_file(&s, "heard", "notifications/cancelled");
    cr_assert(!o.done);
    outcome_finish(&o);
    stage_finish(&s);
    one(&s, "", "");
    s.deadlines.call = 300;
    stage_prepare(&s);
    outcome_run(&o, &s, "mcp__s__slow", "{\"seconds\":5}");
    assert_has(o.text.ptr, "callSeconds");
    outcome_finish(&o);
    stage_finish(&s);
}

Test(http, the_server_goes_and_comes_back)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    stage_prepare(&s);
    int pid = loop_process_pid(s.servers[0]);
    loop_process_free(s.servers[0]);
    s.server_count = 0;
    while (kill(pid, 0) == 0)
        stage_sleep(&s, 10);
    outcome_run(&o, &s, "mcp__s__echo", "{\"text\":\"x\"}");
    cr_assert(!o.ok);
    assert_has(o.text.ptr, "The MCP server s gave no answer");
    outcome_finish(&o);
    stage_finish(&s);
}

Test(http, freed_while_it_is_begun)
{
    struct stage s;
    struct outcome o;
    one(&s, "", "");
    stage_open(&s);
    mcp_prepare(s.mcp, on_stopped, &s);
    stage_sleep(&s, 3);
    stage_finish(&s);
    one(&s, "", "");
    stage_prepare(&s);
    outcome_start(&o, &s, "mcp__s__slow", "{}");
    stage_sleep(&s, 30);
    stage_finish(&s);
    cr_assert(!o.done);
}
