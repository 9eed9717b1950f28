/* Steering: what becomes of messages that are given to a running response. */
#include "fake.h"

#include <string.h>

TestSuite(responses_steer, .timeout = 10);

#define LEFT "{\"type\":\"message\",\"role\":\"user\",\"content\":\"left\"}"

struct scene {
    struct fake fake;
    struct caller caller;
    struct fake_wire *wire;
};

/* A response "r1" runs; `call` is done or nothing. */
static void scene_start(struct scene *s, bool store)
{
    fake_start(&s->fake, "openai", RESPONSES_AUTO, store);
    caller_start(&s->caller, &s->fake, PRIORITY_TURN);
    caller_say(&s->caller, "one");
    cr_assert(caller_create(&s->caller));
    s->wire = fake_wire(&s->fake, 0);
    fake_accept(s->wire);
    fake_created(s->wire, "l0", "r1");
    buf_clear(&s->caller.log);
}

static void scene_stop(struct scene *s)
{
    caller_finish(&s->caller);
    fake_stop(&s->fake);
}

static void say_steer(struct scene *s, const char *what, const char *rest)
{
    fake_event(
        s->wire,
        "{'type':'response.steer.%s','sequence_number':3,'stream_id':'l0','steer':{'id':'s1',"
        "'previous_response_id':'r1'}%s}",
        what, rest);
}

static void end_steered(struct scene *s)
{
    fake_event(s->wire, "{'type':'response.incomplete','stream_id':'l0','response':{'id':'r1',"
                        "'incomplete_details':{'reason':'steered'},'usage':{'input_tokens':10,"
                        "'output_tokens':7}}}");
}

static void call_done(struct scene *s)
{
    fake_event(s->wire, "{'type':'response.output_item.done','stream_id':'l0','item':{'type':"
                        "'function_call','id':'fc','call_id':'c1','name':'f','arguments':'{}'}}");
}

Test(responses_steer, applied_by_a_successor)
{
    struct scene s;
    scene_start(&s, false);
    fake_item(s.wire, "l0", "m1", "first");
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK);
    cr_assert_str_eq(fake_sent(s.wire, 1), "{\"type\":\"response.steer\",\"previous_response_id\":"
                                           "\"r1\",\"input\":[" LEFT "]}");
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_CONFLICT, "one at a time");
    say_steer(&s, "accepted", "");
    end_steered(&s);
    caller_assert_log(&s.caller, "item 0 message m1");
    fake_answer(s.wire, "l0", "r2", "second");
    caller_assert_log(&s.caller, "steer applied; started r2; item 0 message m-r2; end completed");
    cr_assert_eq(s.caller.result.usage.output_tokens, 14);
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(s.wire, 2, "'previous_response_id':'r2'");
    fake_assert_not_sent(s.wire, 2, "left");
    scene_stop(&s);
}

/* The commit after a normal end; other lanes and odd events between do not disturb. */
Test(responses_steer, applied_after_a_normal_end)
{
    struct scene s;
    scene_start(&s, false);
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK);
    fake_item(s.wire, "l0", "m1", "first");
    fake_completed(s.wire, "l0", "r1");
    fake_completed(s.wire, "l0", "r1");
    say_steer(&s, "accepted", "");
    caller_assert_log(&s.caller, "item 0 message m1");
    fake_answer(s.wire, "l0", "r2", "second");
    caller_assert_log(&s.caller, "steer applied; started r2; item 0 message m-r2; end completed");
    scene_stop(&s);
}

Test(responses_steer, pending_stands_before_the_outputs)
{
    struct scene s;
    scene_start(&s, false);
    call_done(&s);
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK);
    say_steer(&s, "accepted", "");
    fake_completed(s.wire, "l0", "r1");
    say_steer(&s, "pending", ",'reason':'waiting_for_required_input','required_input':[]");
    caller_assert_log(&s.caller, "item 0 function_call fc; steer pending; end completed");
    caller_push(&s.caller, "{'type':'function_call_output','call_id':'c1','output':'x'}");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(s.wire, 2, "'input':[{'type':'function_call_output'");
    fake_assert_not_sent(s.wire, 2, "left");
    /* What is no longer held goes out in full: the input is not lost. */
    fake_event(s.wire, "{'type':'error','stream_id':'l0','status':400,'error':{'code':"
                       "'previous_response_not_found'}}");
    fake_assert_sent(s.wire, 3, "left");
    scene_stop(&s);
}

Test(responses_steer, refused_input_is_the_callers_again)
{
    struct scene s;
    scene_start(&s, false);
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK);
    say_steer(&s, "failed", ",'error':{'code':'response_not_active'}");
    caller_assert_log(&s.caller, "steer returned");
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK, "may be tried again");
    fake_item(s.wire, "l0", "m1", "first");
    fake_completed(s.wire, "l0", "r1");
    say_steer(&s, "failed", ",'error':{'code':'steering_not_supported'}");
    caller_assert_log(&s.caller, "item 0 message m1; steer returned; end completed");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(s.wire, 3, "'previous_response_id':'r1'");
    fake_created(s.wire, "l0", "r2");
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_UNSUPPORTED, "not asked again");
    scene_stop(&s);
}

Test(responses_steer, a_server_that_has_never_heard_of_it)
{
    struct scene s;
    scene_start(&s, false);
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK);
    fake_event(s.wire, "{'type':'error','status':400,'error':{'code':'unknown','message':"
                       "'Unknown event type response.steer','param':'type'}}");
    fake_item(s.wire, "l0", "m1", "first");
    fake_completed(s.wire, "l0", "r1");
    caller_assert_log(&s.caller, "steer returned; item 0 message m1; end completed");
    scene_stop(&s);
}

Test(responses_steer, not_where_it_cannot_be)
{
    struct scene s;
    fake_start(&s.fake, "openai", RESPONSES_AUTO, false);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    caller_say(&s.caller, "one");
    cr_assert(caller_create(&s.caller));
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_CONFLICT, "nothing runs yet");
    caller_finish(&s.caller);
    fake_stop(&s.fake);
    fake_start(&s.fake, "azure", RESPONSES_AUTO, false);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    caller_say(&s.caller, "one");
    cr_assert(caller_create(&s.caller));
    fake_accept(fake_wire(&s.fake, 0));
    fake_created(fake_wire(&s.fake, 0), "", "r1");
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_UNSUPPORTED);
    caller_finish(&s.caller);
    fake_stop(&s.fake);
}

/* The connection goes at each moment: on_end or on_retry comes without an outcome, so the input is
 * the caller's; or it was applied, and goes out with the rest. */
Test(responses_steer, lost_at_every_event)
{
    static const char *const logs[] = {
        "retry 11",
        "retry 11",
        "item 0 message m1; end broken connection_lost",
        "item 0 message m1; end broken connection_lost",
        "item 0 message m1; steer applied; started r2; retry 11",
    };
    for (int at = 0; at < (int)array_count(logs); at++) {
        struct scene s;
        scene_start(&s, false);
        cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK);
        if (at >= 1)
            say_steer(&s, "accepted", "");
        if (at >= 2)
            fake_item(s.wire, "l0", "m1", "first");
        if (at >= 3)
            end_steered(&s);
        if (at >= 4)
            fake_created(s.wire, "l0", "r2");
        fake_drop(s.wire);
        cr_expect(str_starts_with(buf_str(&s.caller.log),
                                  str_slice(str_from(logs[at]), 0, strlen(logs[at]) - 2)),
                  "%d: " STR_FMT, at, STR_ARG(buf_str(&s.caller.log)));
        if (at == 4) {
            fake_advance(&s.fake, 50);
            struct fake_wire *second = fake_wire(&s.fake, 1);
            fake_accept(second);
            fake_assert_sent(second, 0, "first");
            fake_assert_sent(second, 0, "left");
        }
        scene_stop(&s);
    }
}

Test(responses_steer, a_server_that_says_nothing_more)
{
    struct scene s;
    scene_start(&s, false);
    fake_item(s.wire, "l0", "m1", "first");
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK);
    fake_completed(s.wire, "l0", "r1");
    caller_assert_log(&s.caller, "item 0 message m1");
    for (int i = 0; i < 4; i++) {
        fake_advance(&s.fake, 90);
        fake_alive(s.wire);
    }
    caller_assert_log(&s.caller, "end broken thinking_timeout");
    scene_stop(&s);
}

Test(responses_steer, interrupted_while_it_waits)
{
    struct scene s;
    scene_start(&s, false);
    fake_item(s.wire, "l0", "m1", "first");
    cr_assert_eq(caller_steer(&s.caller, LEFT), STATUS_OK);
    end_steered(&s);
    caller_interrupt(&s.caller);
    fake_settle(&s.fake);
    caller_assert_log(&s.caller, "item 0 message m1; end interrupted interrupted");
    fake_answer(s.wire, "l0", "r2", "nobody hears it");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_not_sent(s.wire, 2, "previous_response_id");
    scene_stop(&s);
}
