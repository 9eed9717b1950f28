#include "fake.h"

#include <stdio.h>
#include <string.h>

TestSuite(responses_recover, .timeout = 10);

/* -- Errors of the server -------------------------------------------------------------------- */

#define AT_LANE "'stream_id':'l0'"

Test(responses_recover, each_error_has_its_answer)
{
    static const struct {
        const char *event;
        const char *log;            /* before anything came of the response */
        const char *log_after_item; /* when an item was done */
    } cases[] = {
        {"{'type':'error'," AT_LANE ",'status':429,'error':{'code':'rate_limit_exceeded',"
         "'message':'slow','retry_after':2}}",
         "retry 2002", "end broken rate_limit_exceeded"},
        {"{'type':'error'," AT_LANE ",'status':429,'headers':{'retry-after':'3'},"
         "'error':{'type':'rate_limit_error','message':'slow'}}",
         "retry 3002", "end broken rate_limit_error"},
        {"{'type':'error'," AT_LANE ",'code':'server_is_overloaded','message':'busy'}", "retry 10",
         "end broken server_is_overloaded"},
        {"{'type':'error'," AT_LANE ",'status':500,'error':{'message':'oops'}}", "retry 10",
         "end broken error"},
        {"{'type':'error'," AT_LANE ",'status':401,'error':{'message':'bad key'}}",
         "end failed auth", "end failed auth"},
        {"{'type':'error'," AT_LANE ",'status':429,'error':{'code':'insufficient_quota'}}",
         "end failed insufficient_quota", "end failed insufficient_quota"},
        {"{'type':'error'," AT_LANE ",'status':400,'error':{'code':'context_length_exceeded'}}",
         "end failed context_length_exceeded", "end failed context_length_exceeded"},
        {"{'type':'error'," AT_LANE ",'code':'some_new_code','message':'?'}",
         "end failed some_new_code", "end failed some_new_code"},
        {"{'type':'error'," AT_LANE ",'error':'just a text'}", "end failed error",
         "end failed error"},
        {"{'type':'error'," AT_LANE ",'status':429,'error':{'code':'rate_limit_exceeded',"
         "'retry_after':86400}}",
         "end failed rate_limit_exceeded", "end broken rate_limit_exceeded"},
        {"{'type':'error'," AT_LANE ",'status':404,'error':{'code':'previous_response_not_found'}}",
         "end failed previous_response_not_found", "end failed previous_response_not_found"},
        {"{'type':'response.failed'," AT_LANE ",'response':{'id':'r1','error':{"
         "'code':'server_error','message':'oops'}}}",
         "started r1; retry 10", "end broken server_error"},
        {"{'type':'response.failed'," AT_LANE ",'response':{'id':'r1','error':null}}",
         "started r1; retry 10", "end broken server_error"},
        {"{'type':'response.failed'," AT_LANE ",'response':{'id':'r1','error':{"
         "'code':'invalid_prompt','message':'no'}}}",
         "started r1; end failed invalid_prompt", "end failed invalid_prompt"},
        {"{'type':'error'," AT_LANE ",'status':400,'error':{'code':'unknown_parameter',"
         "'param':'stream_options.include_obfuscation'}}",
         "retry 0", "end failed unknown_parameter"},
        {"{'type':'error'," AT_LANE ",'status':400,'error':{'code':'unknown_parameter',"
         "'param':'model'}}",
         "end failed unknown_parameter", "end failed unknown_parameter"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        for (int after_item = 0; after_item < 2; after_item++) {
            struct asked s;
            asked_start(&s);
            if (after_item) {
                fake_created(s.wire, "l0", "r1");
                fake_item(s.wire, "l0", "m1", "done");
                caller_assert_log(&s.caller, "started r1; item 0 message m1");
            }
            fake_event(s.wire, "%s", cases[i].event);
            const char *expected = after_item ? cases[i].log_after_item : cases[i].log;
            cr_assert_str_eq(s.caller.log.ptr, expected, "case %zu: %s", i, s.caller.log.ptr);
            cr_assert_not(s.wire->is_closed);
            asked_stop(&s);
        }
    }
}

Test(responses_recover, a_wait_is_told_in_words_and_kept)
{
    struct asked s;
    asked_start(&s);
    fake_event(s.wire, "{'type':'error'," AT_LANE ",'status':429,'error':{"
                       "'code':'rate_limit_exceeded','message':'slow','retry_after':2}}");
    cr_assert(strstr(fake_status(&s.fake).detail, "rate limit (slow): retrying in 3 s"));
    fake_advance(&s.fake, 2001);
    cr_assert_eq(s.wire->sent.len, 1);
    fake_advance(&s.fake, 1);
    cr_assert_eq(s.wire->sent.len, 2);
    fake_answer(s.wire, "l0", "r1", "yes");
    cr_assert_str_eq(fake_status(&s.fake).detail, "");
    caller_assert_log(&s.caller, "retry 2002; started r1; item 0 message m-r1; end completed");
    cr_assert_eq(fake_status(&s.fake).retries, 1);
    asked_stop(&s);
}

/* What failed, and how, is what a person reads while the next attempt is on its way. */
Test(responses_recover, the_words_say_what_kind_of_failure_it_was)
{
    enum how { IS_REFUSED, IS_DROPPED, SAYS_NONSENSE, IS_TOO_BIG };
    static const struct {
        enum how how;
        enum responses_transport_choice choice;
        const char *words;
    } cases[] = {
        {IS_REFUSED, RESPONSES_WEBSOCKET_ONLY, "no connection (the server refused): retrying in"},
        {IS_REFUSED, RESPONSES_AUTO, "no WebSocket (the server refused): going on over HTTP"},
        {IS_DROPPED, RESPONSES_WEBSOCKET_ONLY, "connection lost (reset by peer): retrying in"},
        {SAYS_NONSENSE, RESPONSES_AUTO, "connection lost (the server sent what is no event: "},
        {IS_TOO_BIG, RESPONSES_AUTO,
         "no WebSocket (the server closed the connection): going on over HTTP"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        asked_create(&s, "openai", cases[i].choice);
        if (cases[i].how == IS_REFUSED)
            fake_refuse(s.wire, 404, -1);
        else
            fake_accept(s.wire);
        if (cases[i].how == IS_DROPPED) {
            fake_created(s.wire, "l0", "r1");
            fake_drop(s.wire);
        } else if (cases[i].how == SAYS_NONSENSE) {
            fake_event(s.wire, "{'type':");
        } else if (cases[i].how == IS_TOO_BIG) {
            fake_close(s.wire, 1009, STATUS_CLOSED);
        }
        struct responses_status status = fake_status(&s.fake);
        cr_assert(str_starts_with(str_from(status.detail), str_from(cases[i].words)),
                  "case %zu: %s", i, status.detail);
        asked_stop(&s);
    }
}

Test(responses_recover, a_forgotten_parent_means_full_input_at_once)
{
    struct asked s;
    asked_start(&s);
    fake_answer(s.wire, "l0", "r1", "first");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(s.wire, 1, "'previous_response_id':'r1'");
    fake_event(s.wire, "{'type':'error'," AT_LANE ",'status':400,'error':{"
                       "'code':'previous_response_not_found','param':'previous_response_id'}}");
    cr_assert_eq(s.wire->sent.len, 3);
    fake_assert_not_sent(s.wire, 2, "previous_response_id");
    fake_assert_sent(s.wire, 2, "'content':'one'");
    fake_answer(s.wire, "l0", "r2", "second");
    caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
    cr_assert_not(s.caller.result.continued);
    caller_say(&s.caller, "three");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(s.wire, 3, "'previous_response_id':'r2'");
    asked_stop(&s);
}

Test(responses_recover, what_is_refused_is_left_out_from_then_on)
{
    static const struct {
        const char *param, *member;
    } cases[] = {
        {"stream_options", "'stream_options':"},
        {"stream_options.include_obfuscation", "'stream_options':"},
        {"include[0]", "'include':"},
        {"prompt_cache_key", "'prompt_cache_key':"},
        {"parallel_tool_calls", "'parallel_tool_calls':"},
        {"context_management", "'context_management':"},
        {"reasoning.summary", "'summary':"},
        {"stream_id", "'stream_id':"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        fake_start(&s.fake, "openai", RESPONSES_AUTO, false);
        caller_start(&s.caller, &s.fake, PRIORITY_TURN);
        caller_say(&s.caller, "one");
        s.caller.request.effort = STR("low");
        s.caller.request.prompt_cache_key = STR("key");
        s.caller.request.tools = STR("[{\"type\":\"function\",\"name\":\"f\"}]");
        s.caller.request.extra = STR("\"context_management\":[{\"type\":\"compaction\"}],\"x\":1");
        cr_assert(caller_create(&s.caller));
        s.wire = fake_wire(&s.fake, 0);
        fake_accept(s.wire);
        fake_assert_sent(s.wire, 0, cases[i].member);
        fake_event(s.wire,
                   "{'type':'error'," AT_LANE ",'status':400,'error':{"
                   "'code':'unknown_parameter','message':'?','param':'%s'}}",
                   cases[i].param);
        cr_assert_eq(s.wire->sent.len, 2, "%s", cases[i].param);
        fake_assert_not_sent(s.wire, 1, cases[i].member);
        fake_assert_sent(s.wire, 1, "'x':1");
        cr_assert_eq(s.caller.retries, 1);
        /* The same complaint about what is not there any more is an end, not a circle. */
        fake_event(s.wire,
                   "{'type':'error','status':400,'error':{'code':'unknown_parameter',"
                   "'message':'?','param':'%s'}%s}",
                   cases[i].param, i == 7 ? "" : "," AT_LANE);
        caller_assert_ended(&s.caller, RESPONSE_FAILED);
        asked_stop(&s);
    }
}

Test(responses_recover, warm_up_refused_ends_completed)
{
    struct asked s;
    fake_start(&s.fake, "openai", RESPONSES_AUTO, false);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    s.caller.request.warm_up = true;
    cr_assert(caller_create(&s.caller));
    s.wire = fake_wire(&s.fake, 0);
    fake_accept(s.wire);
    fake_event(s.wire, "{'type':'error'," AT_LANE ",'status':400,'error':{'param':'generate'}}");
    caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
    cr_assert(caller_create(&s.caller));
    fake_settle(&s.fake);
    cr_assert_eq(s.caller.ends, 2);
    cr_assert_eq(s.wire->sent.len, 1);
    asked_stop(&s);
}

Test(responses_recover, retries_are_bounded_and_back_off)
{
    struct asked s;
    asked_start(&s);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(s.wire->sent.len, (size_t)i + 1);
        fake_event(s.wire, "{'type':'error'," AT_LANE ",'status':500,'error':{'message':'oops'}}");
        fake_advance(&s.fake, 100);
    }
    caller_assert_log(&s.caller, "retry 10; retry 20; end failed error");
    cr_assert(strstr(s.caller.result.text, "Gave up after"));
    cr_assert(strstr(s.caller.result.text, "oops"));
    cr_assert_eq(s.wire->sent.len, 3);
    asked_stop(&s);
}

Test(responses_recover, fewer_lanes_than_we_thought)
{
    struct fake fake;
    struct caller callers[3];
    fake_start(&fake, "openai", RESPONSES_AUTO, false);
    for (size_t i = 0; i < 3; i++) {
        caller_start(&callers[i], &fake, PRIORITY_TURN);
        caller_say(&callers[i], "q");
        cr_assert(caller_create(&callers[i]));
    }
    struct fake_wire *wire = fake_wire(&fake, 0);
    fake_accept(wire);
    fake_created(wire, "l0", "r0");
    fake_created(wire, "l1", "r1");
    fake_event(wire, "{'type':'error','stream_id':'l2','status':429,'error':{"
                     "'code':'websocket_stream_limit_reached','message':'2 at most'}}");
    fake_advance(&fake, 50);
    cr_assert_eq(wire->sent.len, 3, "it waits for one of the two");
    fake_completed(wire, "l1", "r1");
    fake_assert_sent(wire, 3, "'stream_id':'l1'");
    for (size_t i = 0; i < 3; i++)
        caller_finish(&callers[i]);
    fake_stop(&fake);
}

/* -- Lost connections ------------------------------------------------------------------------ */

Test(responses_recover, a_lost_socket_at_every_event)
{
    static const char *const script[] = {
        "{'type':'response.created','stream_id':'l0','response':{'id':'r1'}}",
        "{'type':'response.in_progress','stream_id':'l0','response':{'id':'r1'}}",
        "{'type':'response.output_item.added','stream_id':'l0','output_index':0,"
        "'item':{'type':'reasoning','id':'a'}}",
        "{'type':'response.output_item.done','stream_id':'l0','output_index':0,"
        "'item':{'type':'reasoning','id':'a'}}",
        "{'type':'response.output_text.delta','stream_id':'l0','output_index':1,'delta':'12345678'"
        "}",
        "{'type':'response.output_item.done','stream_id':'l0','output_index':1,"
        "'item':{'type':'message','id':'b'}}",
        "{'type':'response.completed','stream_id':'l0','response':{'id':'r1'}}",
    };
    for (size_t lost = 0; lost <= array_count(script); lost++) {
        struct asked s;
        asked_start(&s);
        for (size_t i = 0; i < lost; i++)
            fake_event(s.wire, "%s", script[i]);
        fake_drop(s.wire);
        cr_assert(s.wire->is_closed);
        if (lost == array_count(script)) {
            caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
        } else if (lost > 3) {
            caller_assert_ended(&s.caller, RESPONSE_BROKEN);
            cr_assert_str_eq(s.caller.result.code, "connection_lost");
            cr_assert_eq(s.caller.history.len, lost > 5 ? 3 : 2);
            cr_assert_eq(fake_status(&s.fake).abandoned_tokens, lost > 4 ? 2 : 0);
            cr_assert(caller_create(&s.caller));
        } else {
            cr_assert_eq(s.caller.ends, 0);
            cr_assert_eq(s.caller.retries, 1);
        }
        if (lost < array_count(script)) {
            fake_advance(&s.fake, 50);
            struct fake_wire *second = fake_wire(&s.fake, 1);
            fake_accept(second);
            fake_assert_not_sent(second, 0, "previous_response_id");
            fake_answer(second, "l0", "r2", "fine");
            caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
        }
        /* Nothing twice, nothing lost: each item that was done stands there once. */
        size_t items = lost < 4 ? 2 : lost < 6 ? 3 : lost < 7 ? 4 : 3;
        cr_assert_eq(s.caller.history.len, items, "lost at %zu: %zu", lost, s.caller.history.len);
        asked_stop(&s);
    }
}

Test(responses_recover, hosted_tools_with_effects_are_not_asked_twice)
{
    static const struct {
        const char *tools;
        unsigned retries;
    } cases[] = {
        {"[{\"type\":\"function\",\"name\":\"mcp\"}]", 1},
        {"[{\"type\":\"web_search\"}]", 1},
        {"[{\"type\":\"function\"},{\"server_label\":\"x\",\"type\":\"mcp\"}]", 0},
        {"[{\"type\":\"code_interpreter\"}]", 0},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        fake_start(&s.fake, "openai", RESPONSES_AUTO, false);
        caller_start(&s.caller, &s.fake, PRIORITY_TURN);
        s.caller.request.tools = str_from(cases[i].tools);
        caller_say(&s.caller, "one");
        cr_assert(caller_create(&s.caller));
        s.wire = fake_wire(&s.fake, 0);
        fake_accept(s.wire);
        fake_drop(s.wire);
        cr_assert_eq(s.caller.retries, cases[i].retries, "%s", cases[i].tools);
        cr_assert_eq(s.caller.ends, 1 - cases[i].retries);
        asked_stop(&s);
    }
}

Test(responses_recover, nonsense_from_the_server_is_a_lost_connection)
{
    static const char *const cases[] = {"", "nonsense", "[]", "{'type':", "{'no':'type'}", "{}{}"};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        asked_start(&s);
        fake_event(s.wire, "%s", cases[i]);
        cr_assert(s.wire->is_closed, "%s", cases[i]);
        cr_assert_eq(s.caller.retries, 1);
        asked_stop(&s);
    }
}

Test(responses_recover, a_connection_that_takes_nothing_is_lost)
{
    static const enum responses_transport_choice choices[] = {RESPONSES_WEBSOCKET_ONLY,
                                                              RESPONSES_HTTP_ONLY};
    for (size_t i = 0; i < array_count(choices); i++) {
        struct asked s;
        fake_start(&s.fake, "openai", choices[i], false);
        caller_start(&s.caller, &s.fake, PRIORITY_TURN);
        caller_say(&s.caller, "one");
        s.fake.refuse_send = STATUS_CLOSED;
        cr_assert(caller_create(&s.caller));
        for (int j = 0; j < 10 && s.caller.ends == 0; j++) {
            struct fake_wire *wire = fake_last(&s.fake);
            if (!wire->is_closed && wire->kind == TRANSPORT_WEBSOCKET)
                fake_accept(wire);
            fake_advance(&s.fake, 40);
        }
        caller_assert_log(&s.caller, "retry 10; retry 20; end failed connection_lost");
        cr_assert_eq(s.fake.wires.len, 3);
        asked_stop(&s);
    }
}

Test(responses_recover, a_stored_parent_outlives_an_interrupt)
{
    struct asked s;
    fake_start(&s.fake, "openai", RESPONSES_AUTO, true);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    caller_say(&s.caller, "one");
    cr_assert(caller_create(&s.caller));
    s.wire = fake_wire(&s.fake, 0);
    fake_accept(s.wire);
    fake_answer(s.wire, "l0", "r1", "first");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_created(s.wire, "l0", "r2");
    fake_item(s.wire, "l0", "m2", "half");
    caller_interrupt(&s.caller);
    fake_settle(&s.fake);
    caller_say(&s.caller, "three");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(s.wire, 3, "'previous_response_id':'r1'");
    fake_assert_sent(s.wire, 3, "'stream_id':'l1'");
    fake_assert_sent(s.wire, 3, "'input':[{'type':'message','role':'user','content':'two'}");
    fake_assert_sent(s.wire, 3, "'text':'half'");
    asked_stop(&s);
}

Test(responses_recover, completed_with_another_status)
{
    static const struct {
        const char *response, *log;
    } cases[] = {
        {"'status':'completed'", "started r; end completed"},
        {"'status':'incomplete','incomplete_details':{'reason':'content_filter'}",
         "started r; end incomplete incomplete"},
        {"'status':'cancelled'", "started r; end incomplete incomplete"},
        {"'status':'failed','error':{'code':'invalid_prompt','message':'no'}",
         "started r; end failed invalid_prompt"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        asked_start(&s);
        fake_event(s.wire, "{'type':'response.done'," AT_LANE ",'response':{'id':'r',%s}}",
                   cases[i].response);
        caller_assert_log(&s.caller, cases[i].log);
        asked_stop(&s);
    }
}

/* -- Errors in both shapes, before and after the first output ------------------------------- */

#define NESTED "{'type':'error',%s'status':500,'error':{'type':'server_error','message':'oh'}}"
#define FLAT "{'type':'error',%s'code':'server_error','message':'oh','sequence_number':9}"

Test(responses_recover, both_shapes_of_errors_before_and_after_the_first_output)
{
    static const char *const shapes[] = {NESTED, FLAT};
    static const char *const lanes[] = {"'stream_id':'l0',", ""};
    enum { BEFORE_ANY, BEFORE_OUTPUT, AFTER_DELTA, AFTER_ITEM, PLACES };
    for (int at = 0; at < (int)array_count(shapes) * (int)array_count(lanes) * PLACES; at++) {
        int place = at % PLACES;
        struct asked s;
        asked_start(&s);
        if (place >= BEFORE_OUTPUT)
            fake_created(s.wire, "l0", "r1");
        if (place >= AFTER_DELTA)
            fake_event(s.wire, "{'type':'response.output_text.delta','stream_id':'l0',"
                               "'output_index':0,'delta':'half'}");
        if (place >= AFTER_ITEM)
            fake_item(s.wire, "l0", "m1", "whole");
        buf_clear(&s.caller.log);
        char text[256];
        struct buf format = {0};
        buf_append_c(&format, shapes[at / PLACES % 2]);
        snprintf(text, sizeof(text), "%.*s%s%s", (int)(strstr(format.ptr, "%s") - format.ptr),
                 format.ptr, lanes[at / PLACES / 2], strstr(format.ptr, "%s") + 2);
        buf_finish(&format);
        fake_event(s.wire, "%s", text);
        if (place == AFTER_ITEM) {
            caller_assert_log(&s.caller, "end broken server_error");
        } else {
            caller_assert_log(&s.caller, "retry 10");
            fake_advance(&s.fake, 10);
            fake_answer(s.wire, "l0", "r2", "fine");
            caller_assert_log(&s.caller, "started r2; item 0 message m-r2; end completed");
        }
        cr_assert_eq(s.fake.wires.len, 1, "case %d: the socket is good", at);
        asked_stop(&s);
    }
}
