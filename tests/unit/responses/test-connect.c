/* Deadlines, idle sockets and connecting. */
#include "fake.h"

#include <stdio.h>
#include <string.h>

TestSuite(responses_connect, .timeout = 10);

/* -- Deadlines ------------------------------------------------------------------------------- */

Test(responses_connect, connect_has_a_deadline)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_WEBSOCKET_ONLY);
    fake_advance(&s.fake, 99);
    cr_assert_not(s.wire->is_closed);
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_CONNECTING);
    fake_advance(&s.fake, 1);
    cr_assert(s.wire->is_closed);
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_OFFLINE);
    fake_advance(&s.fake, 1000);
    cr_assert_eq(s.fake.wires.len, 3, "three attempts");
    caller_assert_log(&s.caller, "retry 10; retry 20; end failed timeout");
    asked_stop(&s);
}

Test(responses_connect, the_first_event_has_a_deadline)
{
    struct asked s;
    asked_start(&s);
    for (int i = 0; i < 3; i++) {
        fake_advance(&s.fake, 99);
        fake_alive(s.wire);
    }
    fake_advance(&s.fake, 2);
    cr_assert_eq(s.caller.retries, 0);
    fake_advance(&s.fake, 1);
    caller_assert_log(&s.caller, "retry 10");
    fake_advance(&s.fake, 10);
    struct fake_wire *second = fake_wire(&s.fake, 1);
    fake_accept(second);
    fake_answer(s.wire, "l0", "late", "too late");
    cr_assert_eq(s.caller.ends, 0);
    cr_assert(s.wire->is_closed, "drained and retired");
    fake_answer(second, "l0", "r2", "fine");
    caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
    cr_assert_str_eq(s.caller.result.response_id, "r2");
    asked_stop(&s);
}

Test(responses_connect, silence_is_pinged_and_no_pong_is_the_end)
{
    struct asked s;
    asked_start(&s);
    fake_created(s.wire, "l0", "r1");
    fake_advance(&s.fake, 199);
    cr_assert_eq(s.wire->pings, 0);
    fake_advance(&s.fake, 1);
    cr_assert_eq(s.wire->pings, 1);
    fake_advance(&s.fake, 99);
    fake_alive(s.wire);
    fake_advance(&s.fake, 199);
    cr_assert_eq(s.wire->pings, 1);
    fake_advance(&s.fake, 1);
    cr_assert_eq(s.wire->pings, 2);
    fake_advance(&s.fake, 99);
    cr_assert_not(s.wire->is_closed);
    fake_advance(&s.fake, 1);
    cr_assert(s.wire->is_closed);
    cr_assert_eq(s.caller.retries, 1);
    asked_stop(&s);
}

Test(responses_connect, thinking_is_kept_alive_by_pongs_but_not_for_ever)
{
    struct asked s;
    asked_start(&s);
    fake_created(s.wire, "l0", "r1");
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_THINKING);
    for (int i = 0; i < 49; i++) {
        fake_advance(&s.fake, 100);
        fake_alive(s.wire);
    }
    cr_assert_eq(s.caller.retries, 0);
    fake_advance(&s.fake, 100);
    cr_assert_eq(s.caller.retries, 1);
    asked_stop(&s);
}

/* -- Idle, and asleep --- */

static void be_idle(struct asked *s, uint64_t ms, uint64_t slept_ms)
{
    fake_answer(s->wire, "l0", "r1", "a");
    buf_clear(&s->caller.log);
    fake_advance(&s->fake, ms);
    s->fake.slept += slept_ms;
    caller_say(&s->caller, "two");
}

Test(responses_connect, a_socket_that_was_idle_is_asked_with_the_request)
{
    static const struct {
        uint64_t idle_ms, slept_ms;
        unsigned pings;
    } cases[] = {{199, 0, 0}, {200, 0, 1}, {1, 1001, 1}, {1, 1000, 0}};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        asked_start(&s);
        be_idle(&s, cases[i].idle_ms, cases[i].slept_ms);
        cr_assert(caller_create(&s.caller));
        cr_assert_eq(s.wire->pings, cases[i].pings, "case %zu", i);
        cr_assert_eq(s.wire->sent.len, 2, "sent with it: it could be sent again");
        if (cases[i].pings) {
            fake_advance(&s.fake, 99);
            cr_assert_not(s.wire->is_closed);
            fake_advance(&s.fake, 1);
            cr_assert(s.wire->is_closed, "case %zu: no pong", i);
            caller_assert_log(&s.caller, "retry 10");
            fake_advance(&s.fake, 10);
            fake_accept(fake_wire(&s.fake, 1));
            fake_answer(fake_wire(&s.fake, 1), "l0", "r2", "b");
            caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
        }
        asked_stop(&s);
    }
}

Test(responses_connect, what_cannot_be_sent_again_waits_for_the_pong)
{
    for (int lives = 0; lives < 2; lives++) {
        struct asked s;
        asked_start(&s);
        be_idle(&s, 1, 60 * 1000);
        s.caller.request.tools = STR("[{\"type\":\"mcp\",\"server_label\":\"x\"}]");
        cr_assert(caller_create(&s.caller));
        cr_assert_eq(s.wire->pings, 1);
        cr_assert_eq(s.wire->sent.len, 1, "nothing goes out on a socket that may be dead");
        fake_advance(&s.fake, 99);
        cr_assert_eq(s.wire->sent.len, 1);
        if (lives) {
            fake_alive(s.wire);
            cr_assert_eq(s.wire->sent.len, 2);
            fake_answer(s.wire, "l0", "r2", "b");
        } else {
            fake_advance(&s.fake, 1);
            cr_assert(s.wire->is_closed);
            cr_assert_eq(s.caller.retries, 0, "nothing was lost");
            fake_accept(fake_wire(&s.fake, 1));
            fake_answer(fake_wire(&s.fake, 1), "l0", "r2", "b");
        }
        caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
        asked_stop(&s);
    }
}

/* The server's clock went on while the machine slept. */
Test(responses_connect, a_connection_ages_in_its_sleep)
{
    struct asked s;
    asked_start(&s);
    be_idle(&s, 1, 58 * 60 * 1000);
    cr_assert(caller_create(&s.caller));
    cr_assert(s.wire->is_closed, "an hour is its limit");
    cr_assert_eq(s.fake.wires.len, 2);
    asked_stop(&s);
}

/* -- Connecting ------------------------------------------------------------------------------ */

Test(responses_connect, a_refused_key_is_said_clearly)
{
    static const enum responses_transport_choice choices[] = {
        RESPONSES_AUTO, RESPONSES_WEBSOCKET_ONLY, RESPONSES_HTTP_ONLY};
    for (size_t i = 0; i < array_count(choices); i++) {
        struct asked s;
        asked_create(&s, "openai", choices[i]);
        fake_refuse(s.wire, 401, -1);
        caller_assert_ended(&s.caller, RESPONSE_FAILED);
        cr_assert_str_eq(s.caller.result.code, "auth");
        cr_assert(strstr(s.caller.result.text, "refused the API key (401)"));
        cr_assert(strstr(s.caller.result.text, "Check the key"));
        fake_advance(&s.fake, 10000);
        cr_assert_eq(s.fake.wires.len, 1);
        asked_stop(&s);
    }
}

Test(responses_connect, a_refused_upgrade_goes_on_over_http_in_the_same_turn)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_AUTO);
    fake_refuse(s.wire, 404, -1);
    caller_assert_log(&s.caller, "retry 0");
    struct fake_wire *http = fake_wire(&s.fake, 1);
    cr_assert_eq(http->kind, TRANSPORT_HTTP);
    cr_assert_eq(http->sent.len, 1);
    fake_assert_sent(http, 0, "{'stream':true,'model':'m'");
    fake_assert_not_sent(http, 0, "stream_id");
    fake_assert_not_sent(http, 0, "response.create");
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_HTTP);
    cr_assert_eq(fake_status(&s.fake).transport, TRANSPORT_HTTP);
    fake_answer(http, "", "r1", "over http");
    caller_assert_log(&s.caller, "started r1; item 0 message m-r1; end completed");
    cr_assert(http->is_closed);

    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    struct fake_wire *next = fake_wire(&s.fake, 2);
    cr_assert_eq(next->kind, TRANSPORT_HTTP);
    fake_assert_not_sent(next, 0, "previous_response_id");
    fake_answer(next, "", "r2", "again");

    /* Healed by a probe beside the next request: an upgrade is not enough, a pong is. */
    fake_advance(&s.fake, 10 * 60 * 1000);
    caller_say(&s.caller, "three");
    cr_assert(caller_create(&s.caller));
    struct fake_wire *probe = fake_wire(&s.fake, 3), *third = fake_wire(&s.fake, 4);
    cr_assert_eq(probe->kind, TRANSPORT_WEBSOCKET);
    cr_assert_eq(third->kind, TRANSPORT_HTTP);
    fake_accept(probe);
    fake_answer(third, "", "r3", "last");
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_HTTP, "nobody has answered yet");
    cr_assert_eq(probe->pings, 1);
    caller_say(&s.caller, "four");
    cr_assert(caller_create(&s.caller));
    struct fake_wire *fourth = fake_wire(&s.fake, 5);
    cr_assert_eq(fourth->kind, TRANSPORT_HTTP, "no turn waits for a probe");
    fake_alive(probe);
    fake_answer(fourth, "", "r4", "the very last");
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_READY);
    cr_assert_eq(fake_status(&s.fake).transport, TRANSPORT_WEBSOCKET);
    caller_say(&s.caller, "five");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(probe, 0, "'content':'five'");
    asked_stop(&s);
}

/* What goes to HTTP in the same turn, at once, and for how long sockets are left alone. */
static void end_connect(struct fake_wire *wire, enum status status, int http_status)
{
    struct transport_close close = {.status = status,
                                    .http_status = http_status,
                                    .retry_after_ms = -1,
                                    .text = "it could not be had"};
    wire->handlers->on_closed(wire->user, &close);
}

static void refuse_by(struct asked *asked, int http_status)
{
    end_connect(asked->wire, STATUS_PROTOCOL, http_status);
}

static void reset_it(struct asked *asked, int http_status)
{
    end_connect(asked->wire, STATUS_IO, http_status);
}

static void never_answer(struct asked *asked, int ms)
{
    fake_advance(&asked->fake, (uint64_t)ms);
}

static void reset_before_an_event(struct asked *asked, int ignored)
{
    (void)ignored;
    fake_accept(asked->wire);
    fake_alive(asked->wire);
    fake_drop(asked->wire);
}

static void never_speak(struct asked *asked, int ms)
{
    fake_accept(asked->wire);
    fake_advance(&asked->fake, (uint64_t)ms);
}

static void too_big(struct asked *asked, int code)
{
    fake_accept(asked->wire);
    fake_created(asked->wire, "l0", "r1");
    fake_close(asked->wire, (unsigned)code, STATUS_CLOSED);
}

Test(responses_connect, to_http_in_the_same_turn_and_for_how_long)
{
    enum { SECOND = 1000 };
    static const struct {
        const char *name;
        void (*happens)(struct asked *asked, int argument);
        int argument;
        uint64_t pin_ms;
    } cases[] = {
        {"refused 200", refuse_by, 200, 600 * SECOND},
        {"refused 301", refuse_by, 301, 600 * SECOND},
        {"refused 400", refuse_by, 400, 600 * SECOND},
        {"refused 403", refuse_by, 403, 600 * SECOND},
        {"refused 404", refuse_by, 404, 600 * SECOND},
        {"refused 426", refuse_by, 426, 600 * SECOND},
        {"refused 501", refuse_by, 501, 600 * SECOND},
        {"busy 408", refuse_by, 408, 30 * SECOND},
        {"busy 429", refuse_by, 429, 30 * SECOND},
        {"broken 500", refuse_by, 500, 30 * SECOND},
        {"broken 502", refuse_by, 502, 30 * SECOND},
        {"busy 503", refuse_by, 503, 30 * SECOND},
        {"reset while connecting", reset_it, 0, 30 * SECOND},
        {"reset before an event", reset_before_an_event, 0, 30 * SECOND},
        {"no answer in time", never_answer, 60, 120 * SECOND},
        {"an upgrade that nobody hears", never_speak, 250, 120 * SECOND},
        {"a message that is too big", too_big, 1009, 120 * SECOND},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        const char *name = cases[i].name;
        asked_create(&s, "openai", RESPONSES_AUTO);
        cases[i].happens(&s, cases[i].argument);
        cr_assert(s.wire->is_closed, "%s", name);
        uint64_t pinned = s.fake.now;
        cr_assert_eq(s.fake.wires.len, 2, "%s: at once", name);
        cr_assert_eq(fake_last(&s.fake)->kind, TRANSPORT_HTTP, "%s", name);
        cr_assert_eq(fake_status(&s.fake).state, RESPONSES_HTTP, "%s", name);
        fake_answer(fake_last(&s.fake), "", "r2", "over http");
        caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
        cr_assert(fake_status(&s.fake).detail[0], "%s: why there is no socket", name);
        fake_advance(&s.fake, cases[i].pin_ms - (s.fake.now - pinned) - 1);
        cr_assert(caller_create(&s.caller));
        cr_assert_eq(s.fake.wires.len, 3, "%s: not yet tried again", name);
        fake_answer(fake_wire(&s.fake, 2), "", "r3", "over http");
        fake_advance(&s.fake, 1);
        cr_assert(caller_create(&s.caller));
        cr_assert_eq(s.fake.wires.len, 5, "%s: a probe beside it", name);
        cr_assert_eq(fake_wire(&s.fake, 3)->kind, TRANSPORT_WEBSOCKET, "%s", name);
        fake_answer(fake_wire(&s.fake, 4), "", "r4", "over http");
        caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
        asked_stop(&s);
    }
}

Test(responses_connect, what_stops_with_its_fix)
{
    static const struct {
        enum status status;
        int http_status;
        const char *log;
    } cases[] = {
        {STATUS_AUTH, 401, "end failed auth"},
        {STATUS_AUTH, 407, "end failed auth"},
        {STATUS_DENIED, 0, "end failed denied"},
        {STATUS_DENIED, 403, "end failed denied"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        asked_create(&s, "openai", RESPONSES_AUTO);
        end_connect(s.wire, cases[i].status, cases[i].http_status);
        caller_assert_log(&s.caller, cases[i].log);
        cr_assert(strstr(s.caller.result.text, "it could not be had"), "%zu", i);
        fake_advance(&s.fake, 10000);
        cr_assert_eq(s.fake.wires.len, 1, "%zu: neither again nor over HTTP", i);
        asked_stop(&s);
    }
}

/* Nobody answers over HTTP either: no word about sockets, which are tried again at once. */
Test(responses_connect, a_network_that_is_down_is_no_word_about_sockets)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_AUTO);
    reset_it(&s, 0);
    struct fake_wire *http = fake_wire(&s.fake, 1);
    cr_assert_eq(http->kind, TRANSPORT_HTTP);
    reset_it(&(struct asked){.wire = http}, 0);
    caller_assert_log(&s.caller, "retry 0; retry 10");
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_OFFLINE);
    fake_advance(&s.fake, 10);
    struct fake_wire *second = fake_wire(&s.fake, 2);
    cr_assert_eq(second->kind, TRANSPORT_WEBSOCKET);
    fake_accept(second);
    fake_answer(second, "l0", "r1", "back again");
    caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
    cr_assert_eq(fake_status(&s.fake).transport, TRANSPORT_WEBSOCKET);
    asked_stop(&s);
}

/* The key's command may take as long as a person takes. */
Test(responses_connect, what_must_be_had_first_is_not_the_servers_silence)
{
    static const enum responses_transport_choice choices[] = {RESPONSES_AUTO, RESPONSES_HTTP_ONLY};
    for (size_t i = 0; i < array_count(choices); i++) {
        struct asked s;
        fake_start(&s.fake, "openai", choices[i], false);
        caller_start(&s.caller, &s.fake, PRIORITY_TURN);
        caller_say(&s.caller, "one");
        s.fake.prepares = true;
        cr_assert(caller_create(&s.caller));
        s.wire = fake_wire(&s.fake, 0);
        fake_advance(&s.fake, 399);
        cr_assert_not(s.wire->is_closed);
        s.wire->transport.prepares = false;
        fake_alive(s.wire);
        uint64_t left = choices[i] == RESPONSES_AUTO ? 60 : 300;
        fake_advance(&s.fake, left - 1);
        cr_assert_not(s.wire->is_closed);
        fake_advance(&s.fake, 1);
        cr_assert(s.wire->is_closed);
        asked_stop(&s);
    }
}

Test(responses_connect, a_slow_network_gets_its_socket_by_the_probe)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_AUTO);
    fake_advance(&s.fake, 60);
    fake_answer(fake_wire(&s.fake, 1), "", "r1", "over http");
    fake_advance(&s.fake, 120 * 1000);
    cr_assert(caller_create(&s.caller));
    struct fake_wire *probe = fake_wire(&s.fake, 2);
    fake_answer(fake_wire(&s.fake, 3), "", "r2", "over http");
    fake_advance(&s.fake, 99);
    cr_assert_not(probe->is_closed, "nobody waits for it");
    fake_accept(probe);
    fake_alive(probe);
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_READY);
    asked_stop(&s);
}

Test(responses_connect, a_probe_that_nobody_hears_pins_again)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_AUTO);
    refuse_by(&s, 502);
    fake_answer(fake_wire(&s.fake, 1), "", "r1", "over http");
    fake_advance(&s.fake, 30 * 1000);
    cr_assert(caller_create(&s.caller));
    struct fake_wire *probe = fake_wire(&s.fake, 2);
    fake_accept(probe);
    fake_answer(fake_wire(&s.fake, 3), "", "r2", "over http");
    fake_advance(&s.fake, 250);
    cr_assert(probe->is_closed);
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_HTTP);
    fake_advance(&s.fake, 120 * 1000 - 1);
    cr_assert(caller_create(&s.caller));
    cr_assert_eq(s.fake.wires.len, 5, "silence counts for two minutes");
    asked_stop(&s);
}

Test(responses_connect, after_a_failed_connect_everybody_pauses)
{
    struct asked s;
    struct caller other;
    asked_create(&s, "openai", RESPONSES_WEBSOCKET_ONLY);
    fake_refuse(s.wire, 0, -1);
    caller_interrupt(&s.caller);
    fake_settle(&s.fake);
    caller_start(&other, &s.fake, PRIORITY_TURN);
    caller_say(&other, "two");
    cr_assert(caller_create(&other));
    fake_advance(&s.fake, 9);
    cr_assert_eq(s.fake.wires.len, 1);
    fake_advance(&s.fake, 1);
    cr_assert_eq(s.fake.wires.len, 2);
    caller_finish(&other);
    asked_stop(&s);
}

Test(responses_connect, a_probe_that_fails_disturbs_nobody)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_AUTO);
    fake_refuse(s.wire, 426, -1);
    fake_answer(fake_wire(&s.fake, 1), "", "r1", "a");
    fake_advance(&s.fake, 600 * 1000);
    cr_assert(caller_create(&s.caller));
    struct fake_wire *probe = fake_wire(&s.fake, 2);
    cr_assert_eq(probe->kind, TRANSPORT_WEBSOCKET);
    buf_clear(&s.caller.log);
    fake_refuse(probe, 426, -1);
    cr_assert_eq(s.caller.log.len, 0);
    fake_answer(fake_wire(&s.fake, 3), "", "r2", "b");
    caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
    fake_advance(&s.fake, 600 * 1000 - 1);
    cr_assert(caller_create(&s.caller));
    cr_assert_eq(s.fake.wires.len, 5, "the next probe waits as long");
    asked_stop(&s);
}

Test(responses_connect, a_busy_server_at_the_upgrade_is_waited_for)
{
    struct asked s;
    asked_create(&s, "openai", RESPONSES_AUTO);
    fake_refuse(s.wire, 429, 5000);
    caller_assert_log(&s.caller, "retry 5002");
    fake_advance(&s.fake, 5001);
    cr_assert_eq(s.fake.wires.len, 1);
    fake_advance(&s.fake, 1);
    cr_assert_eq(fake_wire(&s.fake, 1)->kind, TRANSPORT_HTTP, "as told, and then not by socket");
    asked_stop(&s);
}

Test(responses_connect, an_upgrade_that_nobody_hears_ends_over_http)
{
    struct asked s;
    asked_start(&s);
    fake_advance(&s.fake, 49);
    cr_assert_eq(s.wire->pings, 0);
    fake_advance(&s.fake, 1);
    cr_assert_eq(s.wire->pings, 1);
    fake_advance(&s.fake, 199);
    cr_assert_not(s.wire->is_closed);
    fake_advance(&s.fake, 1);
    cr_assert(s.wire->is_closed);
    fake_advance(&s.fake, 20);
    struct fake_wire *http = fake_last(&s.fake);
    cr_assert_eq(http->kind, TRANSPORT_HTTP);
    fake_answer(http, "", "r1", "over http");
    caller_assert_ended(&s.caller, RESPONSE_COMPLETED);
    asked_stop(&s);
}

Test(responses_connect, closes_by_the_server)
{
    static const struct {
        unsigned code;
        enum status status; /* as net tells it */
        enum responses_transport_choice choice;
        const char *log;
        enum transport_kind next;
    } cases[] = {
        {1008, STATUS_AUTH, RESPONSES_AUTO, "retry 10", TRANSPORT_WEBSOCKET},
        {1011, STATUS_CLOSED, RESPONSES_AUTO, "retry 10", TRANSPORT_WEBSOCKET},
        {1009, STATUS_CLOSED, RESPONSES_AUTO, "retry 0", TRANSPORT_HTTP},
        {1009, STATUS_CLOSED, RESPONSES_WEBSOCKET_ONLY, "end failed too_large", 0},
        {1009, STATUS_LIMIT, RESPONSES_AUTO, "end failed too_large", 0},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct asked s;
        asked_create(&s, "openai", cases[i].choice);
        fake_accept(s.wire);
        fake_created(s.wire, "l0", "r1");
        buf_clear(&s.caller.log);
        fake_close(s.wire, cases[i].code, cases[i].status);
        caller_assert_log(&s.caller, cases[i].log);
        fake_advance(&s.fake, 20);
        if (s.caller.ends == 0)
            cr_assert_eq(fake_last(&s.fake)->kind, cases[i].next, "%u", cases[i].code);
        asked_stop(&s);
    }
}

/* The error may be about something else that came with our request: then the answer to it still
 * comes, and is not the answer to what is asked next. */
Test(responses_connect, an_error_of_nobody_leaves_the_socket_behind)
{
    static const char *const profiles[] = {"openai", "generic"};
    for (size_t i = 0; i < array_count(profiles); i++) {
        struct asked s;
        asked_create(&s, profiles[i], RESPONSES_AUTO);
        fake_accept(s.wire);
        fake_event(s.wire, "{'type':'error','status':400,'error':{'type':'invalid_request_error',"
                           "'code':null,'message':'This is no JSON.','param':null}}");
        caller_assert_log(&s.caller, "end failed invalid_request_error");
        caller_say(&s.caller, "two");
        cr_assert(caller_create(&s.caller));
        struct fake_wire *next = fake_last(&s.fake);
        cr_assert_neq(next, s.wire, "%s", profiles[i]);
        cr_assert(s.wire->is_closed);
        fake_accept(next);
        fake_answer(next, i == 0 ? "l0" : "", "r2", "the right one");
        caller_assert_log(&s.caller, "started r2; item 0 message m-r2; end completed");
        asked_stop(&s);
    }
}
