/* Endpoints without lanes: a socket for each chain. */
#include "fake.h"

Test(responses_lanes, lanes_refused_means_a_socket_a_chain)
{
    static const char *const refusals[] = {
        "{'type':'error','status':400,'error':{'code':'unknown_parameter',"
        "'message':'Unknown parameter: stream_id','param':'stream_id'}}",
        "{'type':'error','code':'invalid_stream_id','message':'no','param':null}",
    };
    for (size_t i = 0; i < array_count(refusals); i++) {
        struct crowd c;
        crowd_start(&c, "openai", 2, PRIORITY_TURN);
        cr_assert(caller_create(&c.callers[0]) && caller_create(&c.callers[1]));
        struct fake_wire *wire = fake_wire(&c.fake, 0);
        fake_accept(wire);
        fake_event(wire, "%s", refusals[i]);
        cr_assert_eq(c.callers[0].retries + c.callers[1].retries, 2);
        cr_assert_eq(wire->sent.len, 3, "one goes on at once on the same socket");
        fake_assert_not_sent(wire, 2, "stream_id");
        fake_assert_sent(wire, 2, "question 0.");
        fake_event(wire, "%s", refusals[i]); /* the other one's: not the answer to what went out */
        cr_assert_eq(c.callers[0].retries + c.callers[1].retries, 2);
        struct fake_wire *second = fake_wire(&c.fake, 1);
        fake_accept(second);
        fake_assert_not_sent(second, 0, "stream_id");
        fake_assert_sent(second, 0, "question 1.");
        fake_answer(wire, "", "r0", "a");
        fake_answer(second, "", "r1", "b");
        caller_assert_ended(&c.callers[0], RESPONSE_COMPLETED);
        caller_assert_ended(&c.callers[1], RESPONSE_COMPLETED);
        caller_say(&c.callers[1], "next");
        cr_assert(caller_create(&c.callers[1]));
        fake_assert_sent(second, 1, "'previous_response_id':'r1'");
        crowd_stop(&c);
    }
}

Test(responses_lanes, a_server_that_ignores_lanes_is_noticed)
{
    struct crowd c;
    crowd_start(&c, "openai", 2, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    fake_answer(wire, "", "r0", "a");
    caller_assert_ended(&c.callers[0], RESPONSE_COMPLETED);
    caller_say(&c.callers[0], "next");
    cr_assert(caller_create(&c.callers[0]));
    fake_assert_not_sent(wire, 1, "stream_id");
    fake_assert_sent(wire, 1, "'previous_response_id':'r0'");
    cr_assert(caller_create(&c.callers[1]));
    cr_assert_eq(c.fake.wires.len, 2);
    crowd_stop(&c);
}

Test(responses_lanes, a_server_that_ignores_lanes_while_two_run)
{
    struct crowd c;
    crowd_start(&c, "openai", 2, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]) && caller_create(&c.callers[1]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    fake_answer(wire, "", "r0", "a");
    fake_answer(wire, "", "r1", "b");
    cr_assert_str_eq(c.callers[0].result.response_id, "r0");
    cr_assert_str_eq(c.callers[1].result.response_id, "r1");
    caller_assert_log(&c.callers[1], "started r1; item 0 message m-r1; end completed");
    cr_assert(wire->is_closed);
    crowd_stop(&c);
}

Test(responses_lanes, without_lanes_at_most_four_sockets)
{
    struct crowd c;
    crowd_start(&c, "azure", 6, PRIORITY_TURN);
    for (size_t i = 0; i < 5; i++)
        cr_assert(caller_create(&c.callers[i]));
    cr_assert_eq(c.fake.wires.len, 4);
    for (size_t i = 0; i < 4; i++) {
        fake_accept(fake_wire(&c.fake, i));
        cr_assert_eq(fake_wire(&c.fake, i)->sent.len, 1);
        fake_assert_not_sent(fake_wire(&c.fake, i), 0, "stream_id");
    }
    fake_advance(&c.fake, 10);
    fake_answer(fake_wire(&c.fake, 2), "", "r2", "a");
    cr_assert(fake_wire(&c.fake, 2)->is_closed, "the idle one makes room");
    fake_accept(fake_wire(&c.fake, 4));
    fake_assert_sent(fake_wire(&c.fake, 4), 0, "question 4.");
    cr_assert_eq(fake_open_count(&c.fake), 4);
    crowd_stop(&c);
}

Test(responses_lanes, without_lanes_typing_never_shares_with_a_thread)
{
    struct crowd c;
    crowd_start(&c, "azure", 1, PRIORITY_TURN);
    struct caller typing, action;
    caller_start(&typing, &c.fake, PRIORITY_TYPING);
    caller_start(&action, &c.fake, PRIORITY_ACTION);
    caller_say(&typing, "typing");
    caller_say(&action, "action");
    cr_assert(caller_create(&c.callers[0]));
    fake_accept(fake_wire(&c.fake, 0));
    fake_answer(fake_wire(&c.fake, 0), "", "r0", "a");
    cr_assert(caller_create(&typing));
    fake_accept(fake_wire(&c.fake, 1));
    fake_assert_sent(fake_wire(&c.fake, 1), 0, "typing");
    cr_assert(caller_create(&action));
    cr_assert_eq(c.fake.wires.len, 2, "short requests share one");
    fake_answer(fake_wire(&c.fake, 1), "", "t0", "a");
    fake_assert_sent(fake_wire(&c.fake, 1), 1, "action");
    fake_answer(fake_wire(&c.fake, 1), "", "a0", "a");
    /* The other's response is what that socket holds now. */
    caller_say(&typing, "more");
    cr_assert(caller_create(&typing));
    fake_assert_not_sent(fake_wire(&c.fake, 1), 2, "previous_response_id");
    caller_say(&c.callers[0], "next");
    cr_assert(caller_create(&c.callers[0]));
    fake_assert_sent(fake_wire(&c.fake, 0), 1, "'previous_response_id':'r0'");
    caller_finish(&typing);
    caller_finish(&action);
    crowd_stop(&c);
}

Test(responses_lanes, without_lanes_an_interrupt_goes_on_elsewhere)
{
    struct crowd c;
    crowd_start(&c, "azure", 1, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]));
    fake_accept(fake_wire(&c.fake, 0));
    fake_created(fake_wire(&c.fake, 0), "", "r0");
    caller_interrupt(&c.callers[0]);
    fake_settle(&c.fake);
    caller_say(&c.callers[0], "next");
    cr_assert(caller_create(&c.callers[0]));
    fake_accept(fake_wire(&c.fake, 1));
    fake_answer(fake_wire(&c.fake, 1), "", "r1", "a");
    caller_assert_ended(&c.callers[0], RESPONSE_COMPLETED);
    cr_assert_str_eq(c.callers[0].result.response_id, "r1");
    crowd_stop(&c);
}
