/* HTTP instead of a socket. */
#include "fake.h"

#include <stdio.h>
#include <string.h>

static void end_stream(struct fake_wire *wire)
{
    struct transport_close close = {
        .status = STATUS_OK, .was_open = true, .http_status = 200, .retry_after_ms = -1};
    wire->handlers->on_closed(wire->user, &close);
}

Test(responses_connect, http_streams_that_end_early)
{
    for (int after_item = 0; after_item < 2; after_item++) {
        struct asked s;
        asked_create(&s, "openai", RESPONSES_HTTP_ONLY);
        fake_created(s.wire, "", "r1");
        if (after_item)
            fake_item(s.wire, "", "m1", "half");
        end_stream(s.wire);
        if (after_item) {
            caller_assert_ended(&s.caller, RESPONSE_BROKEN);
        } else {
            caller_assert_log(&s.caller, "started r1; retry 10");
            fake_advance(&s.fake, 10);
            fake_answer(fake_wire(&s.fake, 1), "", "r2", "fine");
            caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
        }
        asked_stop(&s);
    }
}

Test(responses_connect, http_refusals_by_body_and_by_status)
{
    static const struct {
        const char *body;
        int status;
        int64_t retry_after_ms;
        const char *log;
    } cases[] = {
        {"{'error':{'code':'context_length_exceeded','message':'too long'}}", 400, -1,
         "end failed context_length_exceeded"},
        {"{'error':{'code':'unknown_parameter','param':'stream_options','message':'?'}}", 400, -1,
         "retry 0"},
        {NULL, 429, 1000, "retry 1002"},
        {NULL, 500, -1, "retry 10"},
        {NULL, 413, -1, "end failed refused"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        asked_create(&s, "openai", RESPONSES_HTTP_ONLY);
        if (cases[i].body)
            fake_event(s.wire, "%s", cases[i].body);
        if (!s.wire->is_closed)
            fake_refuse(s.wire, cases[i].status, cases[i].retry_after_ms);
        cr_assert_str_eq(s.caller.log.ptr, cases[i].log, "case %zu: %s", i, s.caller.log.ptr);
        asked_stop(&s);
    }
}

Test(responses_connect, http_that_is_silent_is_closed_and_asked_again)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_HTTP_ONLY);
    fake_advance(&s.fake, 300);
    cr_assert(s.wire->is_closed);
    caller_assert_log(&s.caller, "retry 10");
    fake_advance(&s.fake, 10);
    fake_created(fake_wire(&s.fake, 1), "", "r1");
    fake_event(fake_wire(&s.fake, 1), "{'type':'response.output_text.delta','delta':'12345678'}");
    fake_advance(&s.fake, 999);
    cr_assert_not(fake_wire(&s.fake, 1)->is_closed);
    fake_advance(&s.fake, 1);
    cr_assert(fake_wire(&s.fake, 1)->is_closed, "in the middle of a text");
    cr_assert_eq(fake_status(&s.fake).abandoned_tokens, 2);
    asked_stop(&s);
}

/* Comments (": keep-alive") are told as life, as pongs are on a socket. */
Test(responses_connect, http_is_kept_alive_by_comments_but_not_for_ever)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_HTTP_ONLY);
    for (int i = 0; i < 4; i++) {
        fake_advance(&s.fake, 299);
        fake_alive(s.wire);
    }
    cr_assert_eq(s.caller.retries, 0, "somebody has the request");
    fake_created(s.wire, "", "r1");
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_HTTP);
    fake_advance(&s.fake, 1999);
    fake_alive(s.wire);
    fake_advance(&s.fake, 1999);
    fake_alive(s.wire);
    cr_assert_eq(s.caller.retries, 0);
    fake_advance(&s.fake, 1001);
    cr_assert_eq(s.caller.retries, 0);
    fake_advance(&s.fake, 1);
    cr_assert_eq(s.caller.retries, 1, "a server that only comments is of no use either");
    asked_stop(&s);
}

Test(responses_connect, http_without_a_byte_while_it_thinks)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_HTTP_ONLY);
    fake_created(s.wire, "", "r1");
    fake_advance(&s.fake, 1999);
    cr_assert_eq(s.caller.retries, 0);
    fake_advance(&s.fake, 1);
    cr_assert_eq(s.caller.retries, 1);
    cr_assert_neq(fake_status(&s.fake).state, RESPONSES_STREAMING);
    asked_stop(&s);
}

Test(responses_connect, http_interrupt_closes_the_request)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_HTTP_ONLY);
    fake_created(s.wire, "", "r1");
    fake_event(s.wire, "{'type':'response.output_text.delta','delta':'12345678'}");
    caller_interrupt(&s.caller);
    cr_assert(s.wire->is_closed);
    fake_settle(&s.fake);
    caller_assert_ended(&s.caller, RESPONSE_INTERRUPTED);
    cr_assert_eq(fake_status(&s.fake).abandoned_tokens, 2);
    asked_stop(&s);
}

Test(responses_connect, http_chains_on_stored_ids)
{
    struct asked s;
    fake_start(&s.fake, "openai", RESPONSES_HTTP_ONLY, true);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    caller_say(&s.caller, "one");
    cr_assert(caller_create(&s.caller));
    fake_answer(fake_wire(&s.fake, 0), "", "r1", "a");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(fake_wire(&s.fake, 1), 0, "'previous_response_id':'r1'");
    fake_assert_not_sent(fake_wire(&s.fake, 1), 0, "'content':'one'");
    asked_stop(&s);
}

Test(responses_connect, states_as_they_were_told)
{
    struct asked s;
    asked_start(&s);
    fake_created(s.wire, "l0", "r1");
    fake_event(s.wire, "{'type':'response.output_text.delta','stream_id':'l0','delta':'x'}");
    fake_item(s.wire, "l0", "m1", "x");
    fake_completed(s.wire, "l0", "r1");
    fake_drop(s.wire);
    fake_settle(&s.fake);
    cr_assert_str_eq(s.fake.states.ptr, "waiting thinking streaming ready idle");
    struct responses_status status = fake_status(&s.fake);
    cr_assert_eq(status.connects, 1);
    cr_assert_eq(status.counters.frames_sent, 1);
    cr_assert_eq(status.counters.frames_received, 4);
    cr_assert_eq(status.sockets, 0);
    asked_stop(&s);
}
