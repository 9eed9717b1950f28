#include "fake.h"

#include <stdio.h>
#include <string.h>

TestSuite(responses_lanes, .timeout = 10);

Test(responses_lanes, sixteen_run_and_the_seventeenth_waits)
{
    struct crowd c;
    crowd_start(&c, "openai", 17, PRIORITY_TURN);
    for (size_t i = 0; i < 17; i++)
        cr_assert(caller_create(&c.callers[i]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    cr_assert_eq(wire->sent.len, 16);
    cr_assert_eq(fake_status(&c.fake).lanes_active, 16);
    answer_caller(&c, wire, 5, 1);
    cr_assert_eq(wire->sent.len, 17);
    fake_assert_sent(wire, 16, "question 16.");
    cr_assert_eq(c.fake.wires.len, 1);
    crowd_stop(&c);
}

Test(responses_lanes, those_that_wait_go_by_priority_then_in_order)
{
    struct crowd c;
    crowd_start(&c, "openai", 16, PRIORITY_TURN);
    for (size_t i = 0; i < 16; i++)
        cr_assert(caller_create(&c.callers[i]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    static const enum responses_priority waiting[] = {
        PRIORITY_BACKGROUND, PRIORITY_TURN, PRIORITY_TURN, PRIORITY_ACTION, PRIORITY_TYPING};
    static const char *const order[] = {"late 4.", "late 3.", "late 1.", "late 2.", "late 0."};
    struct caller late[5];
    for (size_t i = 0; i < 5; i++) {
        char text[32];
        snprintf(text, sizeof(text), "late %zu.", i);
        caller_start(&late[i], &c.fake, waiting[i]);
        caller_say(&late[i], text);
        cr_assert(caller_create(&late[i]));
    }
    for (size_t i = 0; i < 5; i++) {
        answer_caller(&c, wire, i, 1);
        fake_assert_sent(wire, 16 + i, order[i]);
    }
    for (size_t i = 0; i < 5; i++)
        caller_finish(&late[i]);
    crowd_stop(&c);
}

/* Typing goes first, but not for ever: after three seconds the background is as urgent, and older.
 */
Test(responses_lanes, the_background_is_not_starved)
{
    struct crowd c;
    crowd_start(&c, "openai", 16, PRIORITY_TURN);
    for (int i = 0; i < 16; i++)
        cr_assert(caller_create(&c.callers[i]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    struct caller background, typing[2];
    caller_start(&background, &c.fake, PRIORITY_BACKGROUND);
    caller_say(&background, "background.");
    cr_assert(caller_create(&background));
    for (int i = 0; i < 16; i++) {
        char lane[LANE_BYTES], id[16];
        snprintf(lane, sizeof(lane), "l%d", i);
        snprintf(id, sizeof(id), "r%d-1", i);
        fake_created(wire, lane, id);
    }
    for (int i = 0; i < 2; i++) {
        caller_start(&typing[i], &c.fake, PRIORITY_TYPING);
        caller_say(&typing[i], i ? "late." : "early.");
        if (i == 0)
            cr_assert(caller_create(&typing[i]));
    }
    fake_item(wire, "l0", "m0", "a");
    fake_completed(wire, "l0", "r0-1");
    fake_assert_sent(wire, 16, "early.");
    fake_created(wire, "l16", "early"); /* a name nobody used yet */
    for (int i = 0; i < 30; i++) {
        fake_advance(&c.fake, 100);
        fake_alive(wire);
    }
    cr_assert(caller_create(&typing[1]));
    fake_completed(wire, "l1", "r1-1");
    fake_assert_sent(wire, 17, "background.");
    fake_item(wire, "l2", "m2", "a");
    fake_completed(wire, "l2", "r2-1");
    fake_assert_sent(wire, 18, "late.");
    caller_finish(&background);
    caller_finish(&typing[0]);
    caller_finish(&typing[1]);
    crowd_stop(&c);
}

Test(responses_lanes, the_thirty_third_chain_takes_the_least_recently_used_name)
{
    struct crowd c;
    char lane[16];
    crowd_start(&c, "openai", 33, PRIORITY_TURN);
    struct fake_wire *wire = NULL;
    for (size_t i = 0; i < 33; i++) {
        cr_assert(caller_create(&c.callers[i]));
        wire = fake_wire(&c.fake, 0);
        if (i == 0)
            fake_accept(wire);
        answer_caller(&c, wire, i, 1);
        if (i == 31) { /* caller 0 was used again: caller 1 is the oldest */
            caller_say(&c.callers[0], "question 0. again");
            cr_assert(caller_create(&c.callers[0]));
            fake_assert_sent(wire, wire->sent.len - 1, "'previous_response_id':'r0-1'");
            answer_caller(&c, wire, 0, 2);
        }
    }
    bool seen[LIMIT_LANE_NAMES_COUNT] = {false};
    size_t names = 0;
    for (size_t i = 0; i < wire->sent.len; i++) {
        struct str name = fake_lane_of(wire->sent.ptr[i]);
        cr_assert(responses_lane_name_is_valid(name));
        int64_t number;
        cr_assert(str_to_int64(str_skip(name, 1), &number) && number < LIMIT_LANE_NAMES_COUNT);
        names += !seen[number];
        seen[number] = true;
    }
    cr_assert_eq(names, 32);
    cr_assert_str_eq(lane_asking(wire, "question 32.", lane), "l1");
    cr_assert_eq(c.fake.wires.len, 1);

    /* The one whose lane it was starts over; the others still continue. */
    caller_say(&c.callers[1], "question 1. again");
    cr_assert(caller_create(&c.callers[1]));
    fake_assert_not_sent(wire, wire->sent.len - 1, "previous_response_id");
    caller_say(&c.callers[20], "question 20. again");
    cr_assert(caller_create(&c.callers[20]));
    fake_assert_sent(wire, wire->sent.len - 1, "'previous_response_id':'r20-1'");
    crowd_stop(&c);
}

Test(responses_lanes, a_name_of_a_freed_chain_is_used_before_a_new_one)
{
    struct crowd c;
    char lane[16];
    crowd_start(&c, "openai", 2, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    answer_caller(&c, wire, 0, 1);
    responses_chain_free(c.callers[0].chain);
    c.callers[0].chain = NULL;
    cr_assert(caller_create(&c.callers[1]));
    cr_assert_str_eq(lane_asking(wire, "question 1.", lane), "l0");
    crowd_stop(&c);
}

Test(responses_lanes, two_chains_interleaved_at_every_split)
{
    static const char *const script[] = {
        "{'type':'response.created','stream_id':'%s','response':{'id':'%s'}}",
        "{'type':'response.output_item.added','stream_id':'%s','item':{'type':'message','i':'%s'}}",
        "{'type':'response.output_text.delta','stream_id':'%s','delta':'%s'}",
        "{'type':'response.output_item.done','stream_id':'%s','item':{'type':'m','id':'%s'}}",
        "{'type':'response.completed','stream_id':'%s','response':{'id':'%s'}}",
    };
    enum { STEPS = array_count(script) };
    /* Every way to mix five events of one with five of the other. */
    for (unsigned mix = 0; mix < 1u << 2 * STEPS; mix++) {
        if (__builtin_popcount(mix) != STEPS)
            continue;
        struct crowd c;
        crowd_start(&c, "openai", 2, PRIORITY_TURN);
        cr_assert(caller_create(&c.callers[0]) && caller_create(&c.callers[1]));
        struct fake_wire *wire = fake_wire(&c.fake, 0);
        fake_accept(wire);
        static const char *const lanes[] = {"l0", "l1"}, *const ids[] = {"ra", "rb"};
        size_t step[2] = {0, 0};
        for (unsigned i = 0; i < 2 * STEPS; i++) {
            unsigned who = mix >> i & 1;
            char text[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof(text), script[step[who]++], lanes[who], ids[who]);
#pragma GCC diagnostic pop
            fake_event(wire, "%s", text);
        }
        caller_assert_log(&c.callers[0], "started ra; added 0 message; text 0 ra; "
                                         "item 0 m ra; end completed");
        caller_assert_log(&c.callers[1], "started rb; added 0 message; text 0 rb; "
                                         "item 0 m rb; end completed");
        cr_assert_eq(fake_status(&c.fake).strays, 0);
        crowd_stop(&c);
    }
}

Test(responses_lanes, an_interrupted_lane_drains_and_is_used_again_only_then)
{
    struct crowd c;
    crowd_start(&c, "openai", 1, PRIORITY_TURN);
    struct caller *caller = &c.callers[0];
    cr_assert(caller_create(caller));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    fake_created(wire, "l0", "r1");
    fake_item(wire, "l0", "m1", "half");
    caller_interrupt(caller);
    fake_assert_sent(wire, 1, "{'type':'response.cancel','response_id':'r1'}");
    fake_settle(&c.fake);
    caller_assert_ended(caller, RESPONSE_INTERRUPTED);
    cr_assert_eq(caller->result.items_done, 1);
    cr_assert_eq(fake_status(&c.fake).state, RESPONSES_DRAINING);

    caller_say(caller, "next");
    cr_assert(caller_create(caller));
    fake_assert_sent(wire, 2, "'stream_id':'l1'");
    fake_assert_not_sent(wire, 2, "previous_response_id");
    fake_item(wire, "l0", "m2", "late");
    fake_completed(wire, "l0", "r1");
    cr_assert_eq(fake_status(&c.fake).abandoned_tokens, 7);
    cr_assert_eq(fake_status(&c.fake).lanes_active, 1);
    fake_answer(wire, "l1", "r2", "yes");
    caller_assert_log(caller, "started r1; item 0 message m1; end interrupted interrupted; "
                              "started r2; item 0 message m-r2; end completed");
    crowd_stop(&c);
}

Test(responses_lanes, interrupting_what_was_not_sent_leaves_no_trace)
{
    struct crowd c;
    crowd_start(&c, "openai", 1, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]));
    caller_interrupt(&c.callers[0]);
    fake_accept(fake_wire(&c.fake, 0));
    caller_assert_log(&c.callers[0], "end interrupted interrupted");
    cr_assert_eq(fake_wire(&c.fake, 0)->sent.len, 0);
    cr_assert_eq(fake_status(&c.fake).state, RESPONSES_READY);
    crowd_stop(&c);
}

Test(responses_lanes, a_drain_past_its_budget_moves_the_others_and_closes)
{
    for (int by_tokens = 0; by_tokens < 2; by_tokens++) {
        struct crowd c;
        crowd_start(&c, "openai", 2, PRIORITY_TURN);
        cr_assert(caller_create(&c.callers[0]) && caller_create(&c.callers[1]));
        struct fake_wire *wire = fake_wire(&c.fake, 0);
        fake_accept(wire);
        fake_created(wire, "l0", "r0");
        fake_created(wire, "l1", "r1");
        caller_interrupt(&c.callers[0]);
        if (by_tokens) {
            char text[1001] = {0};
            memset(text, 'x', 1000);
            for (int i = 0; i < 9; i++)
                fake_event(wire,
                           "{'type':'response.output_text.delta','stream_id':'l0','delta':'%s'}",
                           text);
        } else {
            for (int i = 0; i < 12; i++) {
                fake_advance(&c.fake, 100);
                fake_alive(wire);
            }
        }
        cr_assert_not(wire->is_closed, "the other still runs on it");
        caller_say(&c.callers[0], "next");
        cr_assert(caller_create(&c.callers[0]));
        struct fake_wire *second = fake_wire(&c.fake, 1);
        fake_accept(second);
        cr_assert_eq(second->sent.len, 1);
        fake_completed(wire, "l1", "r1");
        cr_assert(wire->is_closed);
        cr_assert_eq(fake_status(&c.fake).abandoned_tokens, by_tokens ? 9000 / 4 : 0);
        crowd_stop(&c);
    }
}

Test(responses_lanes, many_drains_do_not_keep_the_living_waiting)
{
    struct crowd c;
    crowd_start(&c, "openai", 1, PRIORITY_TYPING);
    for (int i = 0; i < 16; i++) {
        cr_assert(caller_create(&c.callers[0]));
        if (i == 0)
            fake_accept(fake_wire(&c.fake, 0));
        caller_interrupt(&c.callers[0]);
        fake_settle(&c.fake);
    }
    cr_assert_eq(fake_wire(&c.fake, 0)->sent.len, 16);
    cr_assert(caller_create(&c.callers[0]));
    cr_assert(fake_wire(&c.fake, 0)->is_closed);
    fake_accept(fake_wire(&c.fake, 1));
    fake_answer(fake_wire(&c.fake, 1), "l0", "r", "a");
    caller_assert_ended(&c.callers[0], RESPONSE_COMPLETED);
    crowd_stop(&c);
}

Test(responses_lanes, an_error_without_a_lane_concerns_the_only_one_that_runs)
{
    struct crowd c;
    crowd_start(&c, "openai", 1, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    fake_event(wire, "{'type':'error','status':400,'error':{'code':'invalid_prompt',"
                     "'message':'No.'}}");
    caller_assert_ended(&c.callers[0], RESPONSE_FAILED);
    cr_assert_str_eq(c.callers[0].result.code, "invalid_prompt");
    cr_assert_not(wire->is_closed);
    crowd_stop(&c);
}

Test(responses_lanes, an_error_without_a_lane_while_several_run_concerns_the_connection)
{
    struct crowd c;
    crowd_start(&c, "openai", 3, PRIORITY_TURN);
    for (size_t i = 0; i < 3; i++)
        cr_assert(caller_create(&c.callers[i]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    fake_created(wire, "l1", "r1");
    fake_item(wire, "l1", "m1", "done");
    fake_event(wire, "{'type':'error','code':'server_error','message':'Sorry.'}");
    cr_assert(wire->is_closed);
    caller_assert_ended(&c.callers[1], RESPONSE_BROKEN);
    cr_assert_eq(c.callers[0].ends + c.callers[2].ends, 0);
    fake_advance(&c.fake, 50);
    struct fake_wire *second = fake_wire(&c.fake, 1);
    fake_accept(second);
    cr_assert_eq(second->sent.len, 2);
    crowd_stop(&c);
}

Test(responses_lanes, a_connection_at_its_age_limit_gets_nothing_new)
{
    struct crowd c;
    crowd_start(&c, "openai", 2, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]) && caller_create(&c.callers[1]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    fake_created(wire, "l0", "r0");
    fake_event(wire, "{'type':'error','error':{'code':'websocket_connection_limit_reached'}}");
    struct fake_wire *second = fake_wire(&c.fake, 1);
    fake_accept(second);
    fake_assert_sent(second, 0, "question 1.");
    fake_item(wire, "l0", "m0", "done");
    fake_completed(wire, "l0", "r0");
    caller_assert_ended(&c.callers[0], RESPONSE_COMPLETED);
    cr_assert(wire->is_closed);
    crowd_stop(&c);
}

Test(responses_lanes, a_used_connection_is_rotated_before_its_limit)
{
    struct crowd c;
    struct responses_profile profile = *responses_profile_find(STR("openai"), STR(""));
    crowd_start(&c, "openai", 0, PRIORITY_TURN);
    crowd_stop(&c);
    profile.life_minutes = 3; /* rotated after two */
    fake_start_with(&c.fake, &profile, RESPONSES_AUTO, false);
    c.count = 1;
    caller_start(&c.callers[0], &c.fake, PRIORITY_TURN);
    caller_say(&c.callers[0], "question 0.");
    cr_assert(caller_create(&c.callers[0]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    answer_caller(&c, wire, 0, 1);
    fake_advance(&c.fake, 2 * 60 * 1000 - 1);
    cr_assert_eq(c.fake.wires.len, 1);
    fake_advance(&c.fake, 1);
    struct fake_wire *second = fake_wire(&c.fake, 1);
    cr_assert_eq(fake_status(&c.fake).state, RESPONSES_ROTATING);
    cr_assert_not(wire->is_closed, "until the new one is open");
    fake_accept(second);
    cr_assert(wire->is_closed);
    caller_say(&c.callers[0], "next");
    cr_assert(caller_create(&c.callers[0]));
    fake_assert_not_sent(second, 0, "previous_response_id");
    fake_assert_sent(second, 0, "question 0.");
    crowd_stop(&c);
}

Test(responses_lanes, a_successor_that_cannot_be_had_changes_nothing)
{
    struct crowd c;
    struct responses_profile profile = *responses_profile_find(STR("openai"), STR(""));
    profile.life_minutes = 3; /* rotated after two */
    fake_start_with(&c.fake, &profile, RESPONSES_AUTO, false);
    c.count = 1;
    caller_start(&c.callers[0], &c.fake, PRIORITY_TURN);
    caller_say(&c.callers[0], "question 0.");
    cr_assert(caller_create(&c.callers[0]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    fake_advance(&c.fake, 1);
    answer_caller(&c, wire, 0, 1);
    fake_advance(&c.fake, 2 * 60 * 1000);
    fake_refuse(fake_wire(&c.fake, 1), 503, -1);
    cr_assert_eq(fake_status(&c.fake).transport, TRANSPORT_WEBSOCKET);
    fake_advance(&c.fake, 9);
    cr_assert_eq(c.fake.wires.len, 2);
    fake_advance(&c.fake, 1);
    cr_assert_eq(c.fake.wires.len, 3, "tried again, after a pause");
    caller_say(&c.callers[0], "question 0. again");
    cr_assert(caller_create(&c.callers[0]));
    fake_assert_sent(wire, 1, "'previous_response_id':'r0-1'");
    fake_accept(fake_wire(&c.fake, 2));
    cr_assert_not(wire->is_closed, "not while something runs on it");
    answer_caller(&c, wire, 0, 2);
    cr_assert(wire->is_closed);
    crowd_stop(&c);
}

Test(responses_lanes, events_without_a_lane_from_a_server_that_knows_lanes)
{
    struct crowd c;
    crowd_start(&c, "openai", 1, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]));
    struct fake_wire *wire = fake_wire(&c.fake, 0);
    fake_accept(wire);
    fake_event(wire, "{'type':'keepalive'}");
    fake_created(wire, "l0", "r0");
    fake_event(wire, "{'type':'rate_limits.updated'}");
    fake_item(wire, "", "m0", "unnamed");
    fake_completed(wire, "l0", "r0");
    caller_assert_log(&c.callers[0], "unknown keepalive; started r0; unknown rate_limits.updated; "
                                     "item 0 message m0; end completed");
    caller_say(&c.callers[0], "next");
    cr_assert(caller_create(&c.callers[0]));
    fake_assert_sent(wire, 1, "'stream_id':'l0'");
    crowd_stop(&c);
}

Test(responses_lanes, an_idle_connection_is_left_to_close)
{
    struct crowd c;
    crowd_start(&c, "openai", 1, PRIORITY_TURN);
    cr_assert(caller_create(&c.callers[0]));
    fake_accept(fake_wire(&c.fake, 0));
    answer_caller(&c, fake_wire(&c.fake, 0), 0, 1);
    fake_advance(&c.fake, 59 * 60 * 1000);
    cr_assert_eq(c.fake.wires.len, 1);
    cr_assert_eq(fake_wire(&c.fake, 0)->pings, 0, "nothing runs: nothing is asked");
    caller_say(&c.callers[0], "next");
    cr_assert(caller_create(&c.callers[0]));
    cr_assert(fake_wire(&c.fake, 0)->is_closed, "too old to begin a turn on");
    cr_assert_eq(c.fake.wires.len, 2);
    crowd_stop(&c);
}

Test(responses_lanes, names)
{
    static const struct {
        const char *name;
        bool is_valid;
    } cases[] = {{"", false},    {"a", true},         {"A-z_0.9", true}, {"a b", false},
                 {"a/b", false}, {"\xc3\xa4", false}, {"l31", true}};
    for (size_t i = 0; i < array_count(cases); i++)
        cr_assert_eq(responses_lane_name_is_valid(str_from(cases[i].name)), cases[i].is_valid, "%s",
                     cases[i].name);
    struct buf longest = {0};
    buf_append_repeat(&longest, 'x', 256);
    cr_assert(responses_lane_name_is_valid(buf_str(&longest)));
    buf_append_byte(&longest, 'x');
    cr_assert_not(responses_lane_name_is_valid(buf_str(&longest)));
    buf_finish(&longest);
}
