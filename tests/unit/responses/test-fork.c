/* Chains that go on from what the endpoint holds of another one. */
#include "fake.h"

#include <stdio.h>

TestSuite(responses_fork, .timeout = 10);

enum { FORKS = 4 };

struct family {
    struct fake fake;
    struct caller parent, forks[FORKS];
    struct fake_wire *wire;
};

static void family_start(struct family *family, const char *profile, bool store)
{
    fake_start(&family->fake, profile, RESPONSES_AUTO, store);
    caller_start(&family->parent, &family->fake, PRIORITY_TURN);
    family->parent.adopts = true;
    caller_say(&family->parent, "the question");
    cr_assert(caller_create(&family->parent));
    family->wire = fake_wire(&family->fake, 0);
    fake_accept(family->wire);
    const char *sent = fake_sent(family->wire, 0);
    char lane[16];
    snprintf(lane, sizeof(lane), STR_FMT, STR_ARG(fake_lane_of(sent)));
    fake_answer(family->wire, lane, "r1", "the answer");
    caller_assert_ended(&family->parent, RESPONSE_COMPLETED);
    for (size_t i = 0; i < FORKS; i++) {
        struct caller *fork = &family->forks[i];
        caller_start(fork, &family->fake, PRIORITY_TURN);
        for (size_t j = 0; j < family->parent.history.len; j++)
            caller_push(fork, family->parent.history.ptr[j]);
        caller_say(fork, "look there");
    }
}

static void family_stop(struct family *family)
{
    for (size_t i = 0; i < FORKS; i++)
        caller_finish(&family->forks[i]);
    caller_finish(&family->parent);
    fake_stop(&family->fake);
}

static bool fork_chain(struct family *family, size_t i)
{
    return responses_chain_fork(family->forks[i].chain, family->parent.chain);
}

static void assert_forked(const struct family *family, size_t index)
{
    fake_assert_sent(family->wire, index, "'previous_response_id':'r1'");
    fake_assert_sent(family->wire, index, "look there");
    fake_assert_not_sent(family->wire, index, "the question");
    fake_assert_not_sent(family->wire, index, "the answer");
}

static void assert_full(const struct fake_wire *wire, size_t index)
{
    fake_assert_not_sent(wire, index, "previous_response_id");
    fake_assert_sent(wire, index, "the question");
    fake_assert_sent(wire, index, "look there");
}

Test(responses_fork, each_on_a_lane_of_its_own_with_only_what_is_new)
{
    struct family f;
    bool seen[8] = {true}; /* l0 is the parent's */
    family_start(&f, "openai", false);
    for (size_t i = 0; i < FORKS; i++) {
        cr_assert(fork_chain(&f, i));
        cr_assert(caller_create(&f.forks[i]));
        assert_forked(&f, 1 + i);
        int64_t number;
        struct str lane = fake_lane_of(fake_sent(f.wire, 1 + i));
        cr_assert(str_to_int64(str_skip(lane, 1), &number) && number < 8);
        cr_assert_not(seen[number]);
        seen[number] = true;
    }
    cr_assert_eq(f.fake.wires.len, 1);
    family_stop(&f);
}

Test(responses_fork, then_both_go_on_by_themselves)
{
    struct family f;
    family_start(&f, "openai", false);
    cr_assert(fork_chain(&f, 0));
    cr_assert(caller_create(&f.forks[0]));
    f.forks[0].adopts = true;
    fake_answer(f.wire, "l1", "r2", "seen");
    caller_assert_ended(&f.forks[0], RESPONSE_COMPLETED);
    caller_say(&f.forks[0], "and more");
    cr_assert(caller_create(&f.forks[0]));
    fake_assert_sent(f.wire, 2, "'previous_response_id':'r2'");
    fake_assert_not_sent(f.wire, 2, "look there");
    caller_say(&f.parent, "next");
    cr_assert(caller_create(&f.parent));
    fake_assert_sent(f.wire, 3, "'previous_response_id':'r1'");
    fake_assert_not_sent(f.wire, 3, "the question");
    family_stop(&f);
}

/* The place in the endpoint's memory is taken. */
Test(responses_fork, in_full_when_the_source_has_gone_on)
{
    struct family f;
    family_start(&f, "openai", false);
    cr_assert(fork_chain(&f, 0));
    caller_say(&f.parent, "next");
    cr_assert(caller_create(&f.parent));
    fake_answer(f.wire, "l0", "r2", "on");
    caller_assert_ended(&f.parent, RESPONSE_COMPLETED);
    cr_assert(caller_create(&f.forks[0]));
    assert_full(f.wire, 2);
    family_stop(&f);
}

Test(responses_fork, in_full_when_the_source_is_gone)
{
    struct family f;
    family_start(&f, "openai", false);
    cr_assert(fork_chain(&f, 0));
    responses_chain_free(f.parent.chain);
    f.parent.chain = NULL;
    cr_assert(caller_create(&f.forks[0]));
    assert_full(f.wire, 1);
    family_stop(&f);
}

Test(responses_fork, in_full_when_the_endpoint_has_forgotten)
{
    struct family f;
    family_start(&f, "openai", false);
    cr_assert(fork_chain(&f, 0));
    cr_assert(caller_create(&f.forks[0]));
    fake_event(f.wire, "{'type':'error','status':400,'stream_id':'l1','error':{'code':"
                       "'previous_response_not_found','message':'gone'}}");
    fake_settle(&f.fake);
    assert_full(f.wire, 2);
    caller_say(&f.parent, "next"); /* a fork that failed takes nothing from the source */
    cr_assert(caller_create(&f.parent));
    fake_assert_sent(f.wire, 3, "'previous_response_id':'r1'");
    family_stop(&f);
}

Test(responses_fork, in_full_after_the_socket_was_lost)
{
    struct family f;
    family_start(&f, "openai", false);
    cr_assert(fork_chain(&f, 0));
    cr_assert(caller_create(&f.forks[0]));
    fake_created(f.wire, "l1", "r2");
    fake_drop(f.wire);
    fake_advance(&f.fake, 200);
    struct fake_wire *wire = fake_last(&f.fake);
    cr_assert_neq(wire, f.wire);
    fake_accept(wire);
    assert_full(wire, 0);
    family_stop(&f);
}

Test(responses_fork, is_refused_without_anything_to_fork_from)
{
    static const struct {
        const char *profile;
        bool store, can;
    } rows[] = {{"openai", false, true}, {"xai", false, false}, {"xai", true, true}};
    for (size_t i = 0; i < array_count(rows); i++) {
        struct family f;
        family_start(&f, rows[i].profile, rows[i].store);
        cr_assert_eq(fork_chain(&f, 0), rows[i].can, "%s", rows[i].profile);
        cr_assert_not(responses_chain_fork(f.forks[1].chain, f.forks[2].chain));
        caller_say(&f.parent, "next");
        cr_assert(caller_create(&f.parent));
        cr_assert_not(fork_chain(&f, 1), "while a response of the source runs");
        family_stop(&f);
    }
}

Test(responses_fork, a_choice_of_tools_that_is_refused_is_left_out)
{
    struct family f;
    family_start(&f, "openai", false);
    f.forks[0].request.extra = STR("\"tool_choice\":{\"type\":\"allowed_tools\"}");
    cr_assert(fork_chain(&f, 0));
    cr_assert(caller_create(&f.forks[0]));
    fake_assert_sent(f.wire, 1, "'tool_choice'");
    fake_event(f.wire, "{'type':'error','status':400,'stream_id':'l1','error':{'code':"
                       "'invalid_request','message':'no','param':'tool_choice'}}");
    fake_settle(&f.fake);
    fake_assert_not_sent(f.wire, 2, "tool_choice");
    family_stop(&f);
}
