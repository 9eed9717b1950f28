/* What one lane may have waiting and may send for one response, and that others are served
 * meanwhile. */
#include "fake.h"

#include <string.h>

TestSuite(responses_budget, .timeout = 30);

struct scene {
    struct fake fake;
    struct caller flooded, other, third;
    struct fake_wire *wire;
};

static void start(struct scene *s)
{
    fake_start(&s->fake, "openai", RESPONSES_AUTO, false);
    caller_start(&s->flooded, &s->fake, PRIORITY_TURN);
    caller_start(&s->other, &s->fake, PRIORITY_BACKGROUND);
    caller_start(&s->third, &s->fake, PRIORITY_TURN);
    caller_say(&s->flooded, "one");
    caller_say(&s->other, "two");
    caller_say(&s->third, "three");
    cr_assert(caller_create(&s->flooded) && caller_create(&s->other));
    s->wire = fake_wire(&s->fake, 0);
    fake_accept(s->wire);
    fake_created(s->wire, "l0", "r0");
}

static void stop(struct scene *s)
{
    caller_finish(&s->flooded);
    caller_finish(&s->other);
    caller_finish(&s->third);
    fake_stop(&s->fake);
}

/* From the budget on its connection gets nothing new; who is there ends there. */
static void check_after(struct scene *s)
{
    caller_assert_ended(&s->flooded, RESPONSE_FAILED);
    cr_assert_str_eq(s->flooded.result.code, "flooded");
    cr_assert(strstr(s->flooded.result.text, "smaller steps"));
    cr_assert_eq(s->other.ends, 0);
    cr_assert(caller_create(&s->third));
    struct fake_wire *second = fake_wire(&s->fake, 1);
    fake_accept(second);
    fake_answer(second, "l0", "r2", "elsewhere");
    caller_assert_ended(&s->third, RESPONSE_COMPLETED);
    cr_assert_not(s->wire->is_closed);
    fake_answer(s->wire, "l1", "r1", "served");
    caller_assert_ended(&s->other, RESPONSE_COMPLETED);
    cr_assert(s->wire->is_closed, "what floods is not waited for");
}

Test(responses_budget, a_lane_that_sends_too_many_events)
{
    struct scene s;
    start(&s);
    struct str event = STR("{\"type\":\"response.queued\",\"stream_id\":\"l0\"}");
    for (unsigned i = 1; i < LIMIT_RESPONSE_EVENTS_COUNT; i++)
        fake_message(s.wire, event);
    cr_assert_eq(s.flooded.ends, 0);
    fake_message(s.wire, event);
    fake_message(s.wire, event);
    check_after(&s);
    stop(&s);
}

Test(responses_budget, a_lane_that_sends_too_many_bytes)
{
    struct scene s;
    struct buf event = {0};
    start(&s);
    buf_append_c(&event,
                 "{\"type\":\"response.output_text.delta\",\"stream_id\":\"l0\",\"pad\":\"");
    buf_reserve(&event, 64 * MIB);
    memset(event.ptr + event.len, 'x', 63 * MIB);
    event.len += 63 * MIB;
    buf_append_c(&event, "\",\"delta\":\"y\"}");
    for (int i = 0; i < 4; i++)
        fake_message(s.wire, buf_str(&event));
    cr_assert_eq(s.flooded.ends, 0);
    fake_message(s.wire, buf_str(&event));
    buf_finish(&event);
    check_after(&s);
    stop(&s);
}

Test(responses_budget, over_http_the_exchange_is_closed)
{
    struct fake fake;
    struct caller caller;
    fake_start(&fake, "openai", RESPONSES_HTTP_ONLY, false);
    caller_start(&caller, &fake, PRIORITY_TURN);
    caller_say(&caller, "one");
    cr_assert(caller_create(&caller));
    struct fake_wire *wire = fake_wire(&fake, 0);
    struct str event = STR("{\"type\":\"response.queued\"}");
    for (unsigned i = 0; i < LIMIT_RESPONSE_EVENTS_COUNT; i++)
        fake_message(wire, event);
    cr_assert_not(wire->is_closed);
    fake_message(wire, event);
    cr_assert(wire->is_closed);
    cr_assert_str_eq(caller.result.code, "flooded");
    caller_finish(&caller);
    fake_stop(&fake);
}

/* Half of the send queue is what one lane may have waiting in it. */
Test(responses_budget, a_request_that_is_too_large_fails_with_what_to_do)
{
    for (int over = 0; over < 2; over++) {
        struct fake fake;
        struct caller caller;
        fake_start(&fake, "openai", RESPONSES_AUTO, false);
        caller_start(&caller, &fake, PRIORITY_TURN);
        size_t length = LIMIT_LANE_QUEUE_BYTES - (over ? 0 : 4096);
        char *item = mem_alloc(length + 1);
        memset(item, 'x', length);
        item[0] = item[length - 1] = '"';
        item[length] = '\0';
        caller_push(&caller, item);
        mem_free(item);
        cr_assert(caller_create(&caller));
        fake_accept(fake_wire(&fake, 0));
        cr_assert_eq(fake_wire(&fake, 0)->sent.len, !over);
        cr_assert_eq(caller.ends, (unsigned)over);
        if (over) {
            cr_assert_str_eq(caller.result.code, "too_large");
            cr_assert(strstr(caller.result.text, "new thread"));
        }
        caller_finish(&caller);
        fake_stop(&fake);
    }
}

/* The queue is full of what others send: that passes. */
Test(responses_budget, a_full_send_queue_is_waited_for)
{
    struct fake fake;
    struct caller caller;
    fake_start(&fake, "openai", RESPONSES_AUTO, false);
    caller_start(&caller, &fake, PRIORITY_TURN);
    caller_say(&caller, "one");
    cr_assert(caller_create(&caller));
    fake.refuse_send = STATUS_LIMIT;
    fake_accept(fake_wire(&fake, 0));
    for (int i = 0; i < 19; i++) {
        fake_advance(&fake, 50);
        fake_alive(fake_wire(&fake, 0));
    }
    cr_assert_eq(caller.ends, 0);
    cr_assert_eq(caller.retries, 0, "nothing went wrong");
    fake.refuse_send = STATUS_OK;
    fake_advance(&fake, 50);
    cr_assert_eq(fake_wire(&fake, 0)->sent.len, 1);
    fake_answer(fake_wire(&fake, 0), "l0", "r1", "a");
    caller_assert_ended(&caller, RESPONSE_COMPLETED);
    caller_finish(&caller);
    fake_stop(&fake);
}
