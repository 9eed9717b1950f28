/* A connection nears its age limit: who goes over to the next one, when, and with what. */
#include "fake.h"

TestSuite(responses_rotate, .timeout = 10);

#define MINUTE ((uint64_t)60 * 1000)

/* Rotated after two minutes, left for good 15 s before the end of the third. */
static void start(struct fake *fake, struct caller *caller)
{
    struct responses_profile profile = *responses_profile_find(STR("openai"), STR(""));
    profile.life_minutes = 3;
    fake_start_with(fake, &profile, RESPONSES_AUTO, false);
    caller_start(caller, fake, PRIORITY_TURN);
    caller->adopts = true;
}

static void stop(struct fake *fake, struct caller *caller)
{
    caller_finish(caller);
    fake_stop(fake);
}

static void ask(struct caller *caller, struct fake_wire *wire, const char *text, const char *id)
{
    caller_say(caller, text);
    cr_assert(caller_create(caller));
    fake_answer(wire, "l0", id, "answer");
    caller_assert_ended(caller, RESPONSE_COMPLETED);
}

static struct fake_wire *first_turn(struct fake *fake, struct caller *caller)
{
    caller_say(caller, "one");
    cr_assert(caller_create(caller));
    struct fake_wire *wire = fake_wire(fake, 0);
    fake_accept(wire);
    fake_answer(wire, "l0", "r1", "answer");
    caller_assert_ended(caller, RESPONSE_COMPLETED);
    return wire;
}

Test(responses_rotate, a_used_chain_is_warmed_up_on_the_new_connection)
{
    struct fake fake;
    struct caller caller;
    start(&fake, &caller);
    struct fake_wire *old = first_turn(&fake, &caller);
    cr_assert_not(responses_chain_is_left_behind(caller.chain));
    fake_advance(&fake, 2 * MINUTE);
    struct fake_wire *new = fake_wire(&fake, 1);
    cr_assert_eq(fake.rotations, 0, "not before the new one is open");
    fake_accept(new);
    cr_assert_eq(fake.rotations, 1);
    cr_assert(old->is_closed);
    cr_assert(responses_chain_is_left_behind(caller.chain));

    caller.request.warm_up = true;
    cr_assert(caller_create(&caller));
    cr_assert_not(responses_chain_is_left_behind(caller.chain));
    fake_assert_sent(new, 0, "'generate':false");
    fake_assert_sent(new, 0, "one");
    fake_created(new, "l0", "w1");
    fake_completed(new, "l0", "w1");
    caller.request.warm_up = false;
    ask(&caller, new, "two", "r2");
    fake_assert_sent(new, 1, "'previous_response_id':'w1'");
    fake_assert_not_sent(new, 1, "one");
    stop(&fake, &caller);
}

Test(responses_rotate, a_turn_that_runs_stays_until_shortly_before_the_end)
{
    struct fake fake;
    struct caller caller;
    start(&fake, &caller);
    responses_chain_set_in_turn(caller.chain, true);
    struct fake_wire *old = first_turn(&fake, &caller);
    fake_advance(&fake, 2 * MINUTE);
    struct fake_wire *new = fake_wire(&fake, 1);
    fake_accept(new);
    cr_assert_not(old->is_closed);
    ask(&caller, old, "two", "r2");
    fake_assert_sent(old, 1, "'previous_response_id':'r1'");
    fake_advance(&fake, 45 * 1000 - 1);
    cr_assert_not(old->is_closed);
    fake_advance(&fake, 1);
    cr_assert(old->is_closed, "the server would close it soon");
    ask(&caller, new, "three", "r3");
    fake_assert_not_sent(new, 0, "previous_response_id");
    fake_assert_sent(new, 0, "one");
    stop(&fake, &caller);
}

Test(responses_rotate, the_end_of_the_turn_frees_the_old_connection)
{
    struct fake fake;
    struct caller caller, other;
    start(&fake, &caller);
    caller_start(&other, &fake, PRIORITY_TURN);
    responses_chain_set_in_turn(caller.chain, true);
    struct fake_wire *old = first_turn(&fake, &caller);
    fake_advance(&fake, 2 * MINUTE);
    struct fake_wire *new = fake_wire(&fake, 1);
    fake_accept(new);
    caller_say(&other, "another thread");
    cr_assert(caller_create(&other));
    fake_assert_sent(new, 0, "another thread");
    responses_chain_set_in_turn(caller.chain, false);
    cr_assert(old->is_closed);
    cr_assert(responses_chain_is_left_behind(caller.chain), "its cache went with it");
    caller_finish(&other);
    stop(&fake, &caller);
}

Test(responses_rotate, an_age_limit_that_comes_early_is_remembered)
{
    struct fake fake;
    struct caller caller;
    start(&fake, &caller);
    struct fake_wire *old = first_turn(&fake, &caller);
    fake_advance(&fake, MINUTE);
    fake_event(old, "{'type':'error','error':{'code':'websocket_connection_limit_reached'}}");
    cr_assert(old->is_closed);
    caller_say(&caller, "two");
    cr_assert(caller_create(&caller));
    struct fake_wire *second = fake_wire(&fake, 1);
    fake_accept(second);
    fake_answer(second, "l0", "r2", "answer");
    fake_advance(&fake, 55 * 1000 - 1);
    cr_assert_eq(fake.wires.len, 2);
    fake_advance(&fake, 1);
    cr_assert_eq(fake.wires.len, 3, "a twelfth before one minute");
    stop(&fake, &caller);
}

Test(responses_rotate, warm_ups_alone_do_not_keep_a_connection)
{
    struct fake fake;
    struct caller caller;
    start(&fake, &caller);
    caller_say(&caller, "one");
    caller.request.warm_up = true;
    cr_assert(caller_create(&caller));
    fake_accept(fake_wire(&fake, 0));
    fake_created(fake_wire(&fake, 0), "l0", "w1");
    fake_completed(fake_wire(&fake, 0), "l0", "w1");
    fake_advance(&fake, 3 * MINUTE);
    cr_assert_eq(fake.wires.len, 1);
    stop(&fake, &caller);
}

/* -- Without lanes: each socket has its own successor ---------------------------------------- */

static void start_without_lanes(struct fake *fake, struct caller *caller, bool warm_up)
{
    struct responses_profile profile = *responses_profile_find(STR("azure"), STR(""));
    profile.life_minutes = 3;
    profile.warm_up = warm_up;
    fake_start_with(fake, &profile, RESPONSES_AUTO, false);
    caller_start(caller, fake, PRIORITY_TURN);
    caller->adopts = true;
}

static void ask_without_lanes(struct caller *caller, struct fake_wire *wire, const char *text,
                              const char *id)
{
    caller_say(caller, text);
    cr_assert(caller_create(caller));
    fake_answer(wire, "", id, "answer");
    caller_assert_ended(caller, RESPONSE_COMPLETED);
}

static struct fake_wire *first_without_lanes(struct fake *fake, struct caller *caller)
{
    caller_say(caller, "one");
    cr_assert(caller_create(caller));
    struct fake_wire *wire = fake_last(fake);
    fake_accept(wire);
    fake_answer(wire, "", "r1", "answer");
    caller_assert_ended(caller, RESPONSE_COMPLETED);
    return wire;
}

Test(responses_rotate, without_lanes_a_successor_is_there_and_warm)
{
    for (int warm = 0; warm < 2; warm++) {
        struct fake fake;
        struct caller caller;
        start_without_lanes(&fake, &caller, warm);
        struct fake_wire *old = first_without_lanes(&fake, &caller);
        fake_advance(&fake, 2 * MINUTE);
        struct fake_wire *new = fake_wire(&fake, 1);
        cr_assert_not(old->is_closed);
        cr_assert_eq(fake_status(&fake).state, RESPONSES_ROTATING);
        fake_accept(new);
        cr_assert(old->is_closed);
        cr_assert_eq(fake.rotations, 1);
        cr_assert(responses_chain_is_left_behind(caller.chain));
        caller.request.warm_up = true;
        cr_assert(caller_create(&caller));
        if (warm) {
            fake_assert_sent(new, 0, "'generate':false");
            fake_created(new, "", "w1");
            fake_completed(new, "", "w1");
        }
        fake_settle(&fake);
        caller_assert_ended(&caller, RESPONSE_COMPLETED);
        caller.request.warm_up = false;
        ask_without_lanes(&caller, new, "two", "r2");
        if (warm) {
            fake_assert_sent(new, 1, "'previous_response_id':'w1'");
            fake_assert_not_sent(new, 1, "one");
        } else {
            fake_assert_sent(new, 0, "one");
        }
        cr_assert_eq(fake.wires.len, 2);
        stop(&fake, &caller);
    }
}

Test(responses_rotate, without_lanes_a_turn_that_runs_stays)
{
    struct fake fake;
    struct caller caller;
    start_without_lanes(&fake, &caller, false);
    responses_chain_set_in_turn(caller.chain, true);
    struct fake_wire *old = first_without_lanes(&fake, &caller);
    fake_advance(&fake, 2 * MINUTE);
    struct fake_wire *new = fake_wire(&fake, 1);
    fake_accept(new);
    cr_assert_not(old->is_closed);
    ask_without_lanes(&caller, old, "two", "r2");
    fake_assert_sent(old, 1, "'previous_response_id':'r1'");
    responses_chain_set_in_turn(caller.chain, false);
    cr_assert(old->is_closed);
    ask_without_lanes(&caller, new, "three", "r3");
    fake_assert_not_sent(new, 0, "previous_response_id");
    stop(&fake, &caller);
}

Test(responses_rotate, without_lanes_a_successor_that_cannot_be_had_changes_nothing)
{
    struct fake fake;
    struct caller caller;
    start_without_lanes(&fake, &caller, false);
    struct fake_wire *old = first_without_lanes(&fake, &caller);
    fake_advance(&fake, 2 * MINUTE);
    fake_refuse(fake_wire(&fake, 1), 503, -1);
    cr_assert_eq(fake_status(&fake).transport, TRANSPORT_WEBSOCKET);
    fake_advance(&fake, 9);
    cr_assert_eq(fake.wires.len, 2);
    fake_advance(&fake, 1);
    cr_assert_eq(fake.wires.len, 3, "tried again, after a pause");
    ask_without_lanes(&caller, old, "two", "r2");
    stop(&fake, &caller);
}

/* All four are there: the least recently used idle one makes room; a busy one goes on alone. */
Test(responses_rotate, without_lanes_never_more_than_four_sockets)
{
    for (int busy = 0; busy < 2; busy++) {
        struct fake fake;
        struct caller callers[4];
        start_without_lanes(&fake, &callers[0], false);
        for (int i = 0; i < 4; i++) {
            if (i > 0)
                caller_start(&callers[i], &fake, PRIORITY_TURN);
            callers[i].adopts = true;
            caller_say(&callers[i], "one");
            cr_assert(caller_create(&callers[i]));
            fake_accept(fake_wire(&fake, (size_t)i));
            fake_created(fake_wire(&fake, (size_t)i), "", "r");
            if (!busy)
                fake_completed(fake_wire(&fake, (size_t)i), "", "r");
            fake_advance(&fake, 1);
        }
        size_t most = 0;
        for (uint64_t ms = 0; ms < 2 * MINUTE + 10; ms += 50) {
            fake_advance(&fake, 50);
            for (size_t i = 0; i < fake.wires.len; i++) {
                struct fake_wire *wire = fake_wire(&fake, i);
                if (busy && !wire->is_closed)
                    fake_event(wire, "{'type':'response.in_progress','response':{'id':'r'}}");
            }
            most = fake_open_count(&fake) > most ? fake_open_count(&fake) : most;
        }
        cr_assert_eq(most, 4);
        cr_assert_eq(fake_open_count(&fake), 4);
        cr_assert_eq(fake.wires.len, busy ? 4 : 8, "%d: %zu", busy, fake.wires.len);
        for (int i = 3; i > 0; i--)
            caller_finish(&callers[i]);
        stop(&fake, &callers[0]);
    }
}
