#include "fake.h"

#include <string.h>

TestSuite(responses_request, .timeout = 10);

struct scene {
    struct fake fake;
    struct caller caller;
};

static void scene_start(struct scene *s, const char *profile,
                        enum responses_transport_choice choice, bool store)
{
    fake_start(&s->fake, profile, choice, store);
    caller_start(&s->caller, &s->fake, PRIORITY_TURN);
}

static struct fake_wire *scene_send(struct scene *s)
{
    cr_assert(caller_create(&s->caller));
    struct fake_wire *wire = fake_last(&s->fake);
    if (wire->kind == TRANSPORT_WEBSOCKET)
        fake_accept(wire);
    return wire;
}

static void scene_stop(struct scene *s)
{
    caller_finish(&s->caller);
    fake_stop(&s->fake);
}

Test(responses_request, everything_at_once)
{
    struct scene s;
    scene_start(&s, "openai", RESPONSES_AUTO, false);
    s.caller.request = (struct responses_request){
        .model = STR("gpt"),
        .instructions = STR("Be \"kind\".\n"),
        .tools = STR("[{\"type\":\"apply_patch\"}]"),
        .effort = STR("high"),
        .prompt_cache_key = STR("thread"),
        .extra = STR("\"text\":{\"verbosity\":\"low\"}, \"service_tier\" : \"flex\""),
        .max_output_tokens = 900,
        .parallel_tool_calls = true,
    };
    caller_push(&s.caller, "{ 'n': 1.0, 'u':'\\u0041' }");
    caller_say(&s.caller, "x");
    struct fake_wire *wire = scene_send(&s);
    cr_assert_str_eq(
        fake_sent(wire, 0),
        "{\"type\":\"response.create\",\"stream_id\":\"l0\",\"model\":\"gpt\","
        "\"instructions\":\"Be \\\"kind\\\".\\n\",\"tools\":[{\"type\":\"apply_patch\"}],"
        "\"parallel_tool_calls\":true,\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"},"
        "\"store\":false,\"include\":[\"reasoning.encrypted_content\"],"
        "\"stream_options\":{\"include_obfuscation\":false},\"prompt_cache_key\":\"thread\","
        "\"max_output_tokens\":900,\"text\":{\"verbosity\":\"low\"},\"service_tier\":\"flex\","
        "\"input\":[{ \"n\": 1.0, \"u\":\"\\u0041\" },"
        "{\"type\":\"message\",\"role\":\"user\",\"content\":\"x\"}]}");
    scene_stop(&s);
}

Test(responses_request, nothing_that_was_not_asked_for)
{
    struct scene s;
    scene_start(&s, "generic", RESPONSES_AUTO, true);
    struct fake_wire *wire = scene_send(&s);
    cr_assert_str_eq(fake_sent(wire, 0),
                     "{\"type\":\"response.create\",\"model\":\"m\",\"store\":true,"
                     "\"stream_options\":{\"include_obfuscation\":false},\"input\":[]}");
    scene_stop(&s);
}

Test(responses_request, over_http)
{
    struct scene s;
    scene_start(&s, "openai", RESPONSES_HTTP_ONLY, false);
    caller_say(&s.caller, "x");
    struct fake_wire *wire = scene_send(&s);
    cr_assert_eq(wire->kind, TRANSPORT_HTTP);
    fake_assert_sent(wire, 0, "{'stream':true,'model':'m','store':false");
    static const char *const absent[] = {"'type':'response.create'", "stream_id", "generate",
                                         "previous_response_id"};
    for (size_t i = 0; i < array_count(absent); i++)
        fake_assert_not_sent(wire, 0, absent[i]);
    scene_stop(&s);
}

Test(responses_request, instructions_go_out_every_time)
{
    struct scene s;
    scene_start(&s, "openai", RESPONSES_AUTO, false);
    s.caller.request.instructions = STR("obey");
    caller_say(&s.caller, "one");
    struct fake_wire *wire = scene_send(&s);
    fake_answer(wire, "l0", "r1", "a");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(wire, 1, "'instructions':'obey'");
    fake_assert_sent(wire, 1, "'previous_response_id':'r1'");
    scene_stop(&s);
}

/* The caller's texts may go away: a retry must still have them. */
Test(responses_request, texts_are_copied)
{
    struct scene s;
    scene_start(&s, "openai", RESPONSES_AUTO, false);
    char model[] = "gpt", instructions[] = "obey", tools[] = "[]", extra[] = "\"x\":1";
    s.caller.request.model = str_from(model);
    s.caller.request.instructions = str_from(instructions);
    s.caller.request.tools = str_from(tools);
    s.caller.request.extra = str_from(extra);
    struct fake_wire *wire = scene_send(&s);
    memset(model, '!', 3);
    memset(instructions, '!', 4);
    memset(tools, '!', 2);
    memset(extra, '!', 5);
    fake_created(wire, "l0", "r0");
    fake_drop(wire);
    fake_advance(&s.fake, 50);
    struct fake_wire *second = fake_wire(&s.fake, 1);
    fake_accept(second);
    cr_assert_str_eq(fake_sent(second, 0), fake_sent(wire, 0));
    scene_stop(&s);
}

Test(responses_request, tools_once_where_the_endpoint_keeps_them)
{
    struct scene s;
    scene_start(&s, "openai", RESPONSES_AUTO, false);
    s.caller.request.model = STR("gpt-6-astra");
    s.caller.request.tools = STR("[{\"type\":\"function\",\"name\":\"f\"}]");
    caller_say(&s.caller, "one");
    struct fake_wire *wire = scene_send(&s);
    fake_assert_sent(wire, 0,
                     "'input':[{'type':'additional_tools','role':'developer','tools':[{'type':"
                     "'function','name':'f'}]},{'type':'message'");
    fake_assert_not_sent(wire, 0, ",'tools':[{'type':'function','name':'f'}],'parallel");
    fake_answer(wire, "l0", "r1", "a");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(wire, 1, "'previous_response_id':'r1'");
    fake_assert_not_sent(wire, 1, "tools':[");
    fake_answer(wire, "l0", "r2", "b");

    /* Other tools: what the server keeps is no longer what would be sent. */
    s.caller.request.tools = STR("[{\"type\":\"function\",\"name\":\"g\"}]");
    caller_say(&s.caller, "three");
    cr_assert(caller_create(&s.caller));
    fake_assert_not_sent(wire, 2, "previous_response_id");
    fake_assert_sent(wire, 2, "'name':'g'");

    /* Refused: as an ordinary member from then on. */
    fake_event(wire, "{'type':'error','stream_id':'l0','status':400,'error':{'param':'input[0]'}}");
    fake_assert_not_sent(wire, 3, "additional_tools");
    fake_assert_sent(wire, 3, "'tools':[{'type':'function','name':'g'}],'parallel");
    scene_stop(&s);
}

/* Only the newest models of the reference have it; our own endpoint for whatever model. */
Test(responses_request, who_takes_tools_once)
{
    static const struct {
        const char *profile, *model;
        bool once;
    } rows[] = {
        {"openai", "gpt-6-astra", true}, {"openai", "gpt-5.5", false}, {"openai", "", false},
        {"lanebridge", "any", true},     {"generic", "gpt-6", false},  {"azure", "gpt-6", false},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct scene s;
        scene_start(&s, rows[i].profile, RESPONSES_AUTO, false);
        s.caller.request.model = str_from(rows[i].model);
        s.caller.request.tools = STR("[{\"type\":\"function\",\"name\":\"f\"}]");
        caller_say(&s.caller, "one");
        struct fake_wire *wire = scene_send(&s);
        bool once = strstr(fake_sent(wire, 0), "additional_tools") != NULL;
        cr_expect_eq(once, rows[i].once, "%s %s", rows[i].profile, rows[i].model);
        scene_stop(&s);
    }
}

/* Servers do not name the type in `param`, but in their message. */
Test(responses_request, tools_as_an_item_refused_by_message)
{
    struct scene s;
    scene_start(&s, "lanebridge", RESPONSES_AUTO, false);
    s.caller.request.tools = STR("[{\"type\":\"function\",\"name\":\"f\"}]");
    caller_say(&s.caller, "one");
    struct fake_wire *wire = scene_send(&s);
    fake_event(wire, "{'type':'error','stream_id':'l0','status':400,'error':{'param':'input',"
                     "'message':'Invalid value: additional_tools'}}");
    fake_assert_not_sent(wire, 1, "additional_tools");
    fake_assert_sent(wire, 1, "'tools':[{'type':'function','name':'f'}],'parallel");
    scene_stop(&s);
}

Test(responses_request, bytes_and_times_of_a_response)
{
    struct scene s;
    scene_start(&s, "openai", RESPONSES_AUTO, false);
    caller_say(&s.caller, "one");
    cr_assert(caller_create(&s.caller));
    fake_advance(&s.fake, 5);
    struct fake_wire *wire = fake_last(&s.fake);
    fake_accept(wire);
    fake_advance(&s.fake, 10);
    fake_created(wire, "l0", "r1");
    fake_advance(&s.fake, 20);
    fake_item(wire, "l0", "m1", "a");
    fake_advance(&s.fake, 40);
    fake_completed(wire, "l0", "r1");
    const struct responses_result *result = &s.caller.result;
    cr_assert_eq(result->sent_ms - result->queued_ms, 5);
    cr_assert_eq(result->first_event_ms - result->sent_ms, 10);
    cr_assert_eq(result->first_output_ms - result->first_event_ms, 20);
    cr_assert_eq(result->ended_ms - result->first_output_ms, 40);
    cr_assert_eq(result->bytes_sent, strlen(fake_sent(wire, 0)));
    cr_assert_eq(result->bytes_received, wire->transport.counters.bytes_received);
    scene_stop(&s);
}
