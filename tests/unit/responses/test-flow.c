#include "fake.h"

#include <string.h>

TestSuite(responses_flow, .timeout = 10);

/* One client, one caller, a connection that is accepted when the first request asks for it. */
struct scene {
    struct fake fake;
    struct caller caller;
    struct fake_wire *wire;
};

static void scene_start(struct scene *scene, const char *profile)
{
    fake_start(&scene->fake, profile, RESPONSES_AUTO, false);
    caller_start(&scene->caller, &scene->fake, PRIORITY_TURN);
    caller_say(&scene->caller, "one");
    cr_assert(caller_create(&scene->caller));
    scene->wire = fake_wire(&scene->fake, 0);
    fake_accept(scene->wire);
}

static void scene_stop(struct scene *scene)
{
    caller_finish(&scene->caller);
    fake_stop(&scene->fake);
}

Test(responses_flow, opens_no_socket_until_used)
{
    struct fake fake;
    fake_start(&fake, "openai", RESPONSES_AUTO, false);
    cr_assert_eq(fake.wires.len, 0);
    cr_assert_eq(fake_status(&fake).state, RESPONSES_IDLE);
    fake_stop(&fake);
}

Test(responses_flow, one_answer_from_create_to_end)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_assert_sent(s.wire, 0, "{'type':'response.create','stream_id':'l0','model':'m'");
    fake_assert_sent(s.wire, 0, "'input':[{'type':'message','role':'user','content':'one'}]}");
    fake_created(s.wire, "l0", "r1");
    fake_event(s.wire, "{'type':'response.output_item.added','stream_id':'l0','output_index':0,"
                       "'item':{'type':'message','id':'m1'}}");
    fake_event(s.wire, "{'type':'response.output_text.delta','stream_id':'l0','output_index':0,"
                       "'item_id':'m1','delta':'hel'}");
    fake_item(s.wire, "l0", "m1", "hello");
    fake_completed(s.wire, "l0", "r1");
    caller_assert_log(&s.caller, "started r1; added 0 message; text 0 hel; item 0 message m1; "
                                 "end completed");
    cr_assert_str_eq(s.caller.result.response_id, "r1");
    cr_assert_eq(s.caller.result.items_done, 1);
    cr_assert_eq(s.caller.result.usage.input_tokens, 10);
    cr_assert_eq(s.caller.result.usage.cached_tokens, 4);
    cr_assert_eq(s.caller.result.usage.output_tokens, 7);
    cr_assert_eq(s.caller.result.usage.reasoning_tokens, 2);
    cr_assert_not(s.caller.result.continued);
    scene_stop(&s);
}

Test(responses_flow, item_is_verbatim)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_created(s.wire, "l0", "r1");
    fake_event(s.wire, "{ 'type' : 'response.output_item.done', 'stream_id':'l0', 'item': "
                       "{ 'type':'reasoning',  'id':'rs', 'n': 1.50, 'x':'\\u0041\\u0000' } }");
    cr_assert_str_eq(s.caller.history.ptr[1],
                     "{ \"type\":\"reasoning\",  \"id\":\"rs\", \"n\": 1.50, "
                     "\"x\":\"\\u0041\\u0000\" }");
    scene_stop(&s);
}

Test(responses_flow, continuation_sends_only_what_is_new)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_answer(s.wire, "l0", "r1", "first");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(s.wire, 1, "'previous_response_id':'r1'");
    fake_assert_sent(s.wire, 1, "'input':[{'type':'message','role':'user','content':'two'}]}");
    fake_assert_sent(s.wire, 1, "'stream_id':'l0'");
    fake_answer(s.wire, "l0", "r2", "second");
    cr_assert(s.caller.result.continued);
    cr_assert_eq(fake_status(&s.fake).full_inputs, 1);
    cr_assert_eq(fake_status(&s.fake).requests, 2);
    scene_stop(&s);
}

Test(responses_flow, whatever_is_no_extension_goes_out_in_full)
{
    static const char *const cases[] = {"generation", "reset", "reordered", "left out",
                                        "nothing new"};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct scene s;
        scene_start(&s, "openai");
        fake_created(s.wire, "l0", "r1");
        fake_item(s.wire, "l0", "m1", "first");
        fake_event(s.wire,
                   "{'type':'response.output_item.done','stream_id':'l0','item':{'type':"
                   "'function_call','id':'f1','call_id':'c1','name':'n','arguments':'{}'}}");
        fake_completed(s.wire, "l0", "r1");
        cr_assert_eq(s.caller.history.len, 3);
        if (i == 0)
            s.caller.generation++;
        if (i == 1)
            responses_chain_reset(s.caller.chain);
        if (i == 2) {
            char *moved = s.caller.history.ptr[1];
            s.caller.history.ptr[1] = s.caller.history.ptr[2];
            s.caller.history.ptr[2] = moved;
        }
        if (i == 3) {
            mem_free(s.caller.history.ptr[1]);
            vec_remove(&s.caller.history, 1);
        }
        if (i != 4)
            caller_say(&s.caller, "two");
        cr_assert(caller_create(&s.caller));
        fake_assert_not_sent(s.wire, 1, "previous_response_id");
        fake_assert_sent(s.wire, 1, "'content':'one'");
        cr_assert_eq(fake_status(&s.fake).full_inputs, 2, "%s", cases[i]);
        scene_stop(&s);
    }
}

Test(responses_flow, a_duplicate_completed_does_not_end_the_next_response)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_answer(s.wire, "l0", "r1", "first");
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_completed(s.wire, "l0", "r1");
    fake_item(s.wire, "l0", "m-r1", "first");
    cr_assert_eq(s.caller.ends, 1);
    fake_created(s.wire, "l0", "r2");
    fake_completed(s.wire, "l0", "r1");
    fake_item(s.wire, "l0", "m2", "second");
    fake_completed(s.wire, "l0", "r2");
    cr_assert_eq(s.caller.ends, 2);
    cr_assert_str_eq(s.caller.result.response_id, "r2");
    cr_assert_eq(s.caller.history.len, 4);
    cr_assert_eq(fake_status(&s.fake).strays, 3);
    scene_stop(&s);
}

Test(responses_flow, sparse_events_are_enough)
{
    static const struct {
        const char *name, *events[4], *log;
    } cases[] = {
        {"no created, no added, no output",
         {"{'type':'response.output_text.delta','stream_id':'l0','delta':'a'}",
          "{'type':'response.output_item.done','stream_id':'l0','item':{'type':'message'}}",
          "{'type':'response.completed','stream_id':'l0','response':{'id':'r1'}}"},
         "started ; text 0 a; item 0 message ; end completed"},
        {"only the terminal event, with its output",
         {"{'type':'response.completed','stream_id':'l0','response':{'id':'r1','output':["
          "{'type':'reasoning','id':'a'},{'type':'message','id':'b'}]}}"},
         "started r1; item 0 reasoning a; item 1 message b; end completed"},
        {"an item the terminal event alone has",
         {"{'type':'response.created','stream_id':'l0','response':{'id':'r1'}}",
          "{'type':'response.output_item.done','stream_id':'l0','output_index':0,"
          "'item':{'type':'reasoning','id':'a'}}",
          "{'type':'response.completed','stream_id':'l0','response':{'id':'r1','output':["
          "{'type':'reasoning','id':'other'},{'type':'message','id':'b'}]}}"},
         "started r1; item 0 reasoning a; item 1 message b; end completed"},
        {"a terminal event without a response",
         {"{'type':'response.completed','stream_id':'l0'}"},
         "started ; end completed"},
        {"an item done twice",
         {"{'type':'response.output_item.done','stream_id':'l0','item':{'type':'message','id':'a'}"
          "}",
          "{'type':'response.output_item.done','stream_id':'l0','item':{'type':'message','id':'a'}"
          "}",
          "{'type':'response.completed','stream_id':'l0','response':{'id':'r1'}}"},
         "started ; item 0 message a; end completed"},
        {"repeated numbers",
         {"{'type':'response.created','stream_id':'l0','sequence_number':0,'response':{'id':'r1'}}",
          "{'type':'response.output_text.delta','stream_id':'l0','sequence_number':1,'delta':'a'}",
          "{'type':'response.output_text.delta','stream_id':'l0','sequence_number':1,'delta':'a'}",
          "{'type':'response.completed','stream_id':'l0','response':{'id':'r1'}}"},
         "started r1; text 0 a; end completed"},
        {"numbers that do not count",
         {"{'type':'response.created','stream_id':'l0','sequence_number':0,'response':{'id':'r1'}}",
          "{'type':'response.output_text.delta','stream_id':'l0','sequence_number':0,'delta':'a'}",
          "{'type':'response.output_text.delta','stream_id':'l0','sequence_number':0,'delta':'b'}",
          "{'type':'response.completed','stream_id':'l0','response':{'id':'r1'}}"},
         "started r1; text 0 a; text 0 b; end completed"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct scene s;
        scene_start(&s, "openai");
        for (size_t j = 0; j < 4 && cases[i].events[j]; j++)
            fake_event(s.wire, "%s", cases[i].events[j]);
        cr_assert_str_eq(s.caller.log.ptr, cases[i].log, "%s: %s", cases[i].name, s.caller.log.ptr);
        scene_stop(&s);
    }
}

Test(responses_flow, every_kind_of_delta)
{
    static const struct {
        const char *type, *log;
    } cases[] = {
        {"response.output_text.delta", "text 2 x"},
        {"response.refusal.delta", "refusal 2 x"},
        {"response.reasoning_summary_text.delta", "summary 2 x"},
        {"response.reasoning_text.delta", "reasoning 2 x"},
        {"response.function_call_arguments.delta", "args 2 x"},
        {"response.custom_tool_call_input.delta", "input 2 x"},
        {"response.web_search_call.searching", "unknown response.web_search_call.searching"},
        {"response.tomorrow.delta", "unknown response.tomorrow.delta"},
        {"response.content_part.added", ""},
    };
    struct scene s;
    scene_start(&s, "openai");
    fake_created(s.wire, "l0", "r1");
    caller_assert_log(&s.caller, "started r1");
    for (size_t i = 0; i < array_count(cases); i++) {
        fake_event(s.wire, "{'type':'%s','stream_id':'l0','output_index':2,'delta':'x','new':[{}]}",
                   cases[i].type);
        caller_assert_log(&s.caller, cases[i].log);
    }
    scene_stop(&s);
}

Test(responses_flow, events_of_strangers_are_dropped_and_counted)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_created(s.wire, "l0", "r1");
    static const char *const lanes[] = {"l1", "l31", "l32", "l00", "l", "L0", "x", "l-1", "l999"};
    for (size_t i = 0; i < array_count(lanes); i++)
        fake_item(s.wire, lanes[i], "m", "strange");
    fake_event(s.wire, "{'type':'response.output_item.done','stream_id':'l0','response_id':'r9',"
                       "'item':{'type':'message'}}");
    cr_assert_eq(fake_status(&s.fake).strays, array_count(lanes) + 1);
    caller_assert_log(&s.caller, "started r1");
    scene_stop(&s);
}

Test(responses_flow, one_response_at_a_time_per_chain)
{
    struct scene s;
    struct err err;
    scene_start(&s, "openai");
    struct responses_handlers none = {0};
    cr_assert_null(responses_create(s.caller.chain, &s.caller.request, &none, NULL, &err));
    cr_assert_eq(err.status, STATUS_INVALID);
    scene_stop(&s);
}

Test(responses_flow, what_cannot_be_tried_is_said_at_once)
{
    struct fake fake;
    struct caller caller;
    struct err err;
    fake_start(&fake, "openai", RESPONSES_AUTO, false);
    caller_start(&caller, &fake, PRIORITY_TURN);
    fake.refuse_open = STATUS_AUTH;
    struct responses_handlers none = {0};
    caller.request.history.count = 0;
    cr_assert_null(responses_create(caller.chain, &caller.request, &none, NULL, &err));
    cr_assert_eq(err.status, STATUS_AUTH);
    cr_assert(strstr(err.text, "LANEBRIDGE_KEY"));
    fake_advance(&fake, 1000);
    cr_assert_eq(caller.ends, 0);
    caller_finish(&caller);
    fake_stop(&fake);
}

Test(responses_flow, warm_up_is_chained_from)
{
    struct scene s;
    fake_start(&s.fake, "openai", RESPONSES_AUTO, false);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    caller_say(&s.caller, "developer");
    s.caller.request.warm_up = true;
    cr_assert(caller_create(&s.caller));
    s.wire = fake_wire(&s.fake, 0);
    fake_accept(s.wire);
    fake_assert_sent(s.wire, 0, "'generate':false");
    fake_created(s.wire, "l0", "w1");
    fake_completed(s.wire, "l0", "w1");
    caller_assert_log(&s.caller, "started w1; end completed");
    s.caller.request.warm_up = false;
    caller_say(&s.caller, "one");
    cr_assert(caller_create(&s.caller));
    fake_assert_sent(s.wire, 1, "'previous_response_id':'w1'");
    fake_assert_not_sent(s.wire, 1, "developer");
    fake_assert_not_sent(s.wire, 1, "generate");
    scene_stop(&s);
}

Test(responses_flow, warm_up_ends_at_once_where_there_is_none)
{
    struct scene s;
    fake_start(&s.fake, "azure", RESPONSES_AUTO, false);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    s.caller.request.warm_up = true;
    cr_assert(caller_create(&s.caller));
    fake_settle(&s.fake);
    caller_assert_log(&s.caller, "end completed");
    cr_assert_eq(s.fake.wires.len, 0);
    scene_stop(&s);
}

Test(responses_flow, a_warm_up_that_generates_is_not_built_upon)
{
    struct scene s;
    fake_start(&s.fake, "openai", RESPONSES_AUTO, false);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    caller_say(&s.caller, "developer");
    s.caller.request.warm_up = true;
    cr_assert(caller_create(&s.caller));
    s.wire = fake_wire(&s.fake, 0);
    fake_accept(s.wire);
    fake_answer(s.wire, "l0", "w1", "unasked");
    caller_assert_log(&s.caller, "started w1; end completed");
    cr_assert_eq(s.caller.history.len, 1);
    cr_assert_eq(fake_status(&s.fake).abandoned_tokens, 7);
    s.caller.request.warm_up = false;
    caller_say(&s.caller, "one");
    cr_assert(caller_create(&s.caller));
    fake_assert_not_sent(s.wire, 1, "previous_response_id");
    scene_stop(&s);
}

Test(responses_flow, incomplete_says_why_and_is_adopted)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_created(s.wire, "l0", "r1");
    fake_item(s.wire, "l0", "m1", "half");
    fake_event(s.wire, "{'type':'response.incomplete','stream_id':'l0','response':{'id':'r1',"
                       "'incomplete_details':{'reason':'max_output_tokens'}}}");
    caller_assert_ended(&s.caller, RESPONSE_INCOMPLETE);
    cr_assert_str_eq(s.caller.result.text, "max_output_tokens");
    cr_assert_eq(s.caller.result.items_done, 1);
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_assert_not_sent(s.wire, 1, "previous_response_id");
    scene_stop(&s);
}

Test(responses_flow, stored_ids_survive_the_socket)
{
    struct scene s;
    fake_start(&s.fake, "openai", RESPONSES_AUTO, true);
    caller_start(&s.caller, &s.fake, PRIORITY_TURN);
    caller_say(&s.caller, "one");
    cr_assert(caller_create(&s.caller));
    fake_accept(fake_wire(&s.fake, 0));
    fake_assert_sent(fake_wire(&s.fake, 0), 0, "'store':true");
    fake_answer(fake_wire(&s.fake, 0), "l0", "r1", "first");
    fake_drop(fake_wire(&s.fake, 0));
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_accept(fake_wire(&s.fake, 1));
    fake_assert_sent(fake_wire(&s.fake, 1), 0, "'previous_response_id':'r1'");
    scene_stop(&s);
}

Test(responses_flow, without_store_a_lost_socket_means_full_input)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_answer(s.wire, "l0", "r1", "first");
    fake_drop(s.wire);
    cr_assert_eq(fake_status(&s.fake).state, RESPONSES_IDLE);
    caller_say(&s.caller, "two");
    cr_assert(caller_create(&s.caller));
    fake_accept(fake_wire(&s.fake, 1));
    fake_assert_not_sent(fake_wire(&s.fake, 1), 0, "previous_response_id");
    fake_assert_sent(fake_wire(&s.fake, 1), 0, "'content':'one'");
    fake_assert_sent(fake_wire(&s.fake, 1), 0, "'text':'first'");
    scene_stop(&s);
}

/* -- What callers do in callbacks ------------------------------------------------------------ */

static enum { DO_INTERRUPT, DO_FREE_CHAIN, DO_FREE_ALL } what_to_do;
static struct scene *done_to;

static void act(void)
{
    struct scene *s = done_to;
    done_to = NULL;
    if (!s)
        return;
    if (what_to_do == DO_INTERRUPT) {
        response_interrupt(s->caller.response);
        return;
    }
    responses_chain_free(s->caller.chain);
    s->caller.chain = NULL;
    if (what_to_do == DO_FREE_ALL) {
        responses_free(s->fake.client);
        s->fake.client = NULL;
    }
}

static void act_on_started(void *user, struct str id)
{
    if (user)
        act();
}

static void act_on_item(void *user, const struct responses_item *item)
{
    act();
}

static void act_on_delta(void *user, enum responses_delta_kind kind, size_t index, struct str id,
                         struct str text)
{
    act();
}

static void act_on_end(void *user, const struct responses_result *result)
{
    act();
}

Test(responses_flow, anything_may_be_done_in_any_callback)
{
    const struct responses_handlers places[] = {
        {.on_started = act_on_started}, {.on_item_added = act_on_item}, {.on_delta = act_on_delta},
        {.on_item_done = act_on_item},  {.on_end = act_on_end},
    };
    static const char *const events[] = {
        "{'type':'response.output_item.added','stream_id':'l0','item':{'type':'message'}}",
        "{'type':'response.output_text.delta','stream_id':'l0','delta':'x'}",
        ("{'type':'response.completed','stream_id':'l0','response':{'id':'r','output':["
         "{'type':'message','id':'a'},{'type':'message','id':'b'}]}}"),
    };
    for (size_t i = 0; i < array_count(places); i++) {
        for (int what = DO_INTERRUPT; what <= DO_FREE_ALL; what++) {
            if (what == DO_INTERRUPT && i == 4)
                continue;
            struct scene s;
            fake_start(&s.fake, "openai", RESPONSES_AUTO, false);
            caller_start(&s.caller, &s.fake, PRIORITY_TURN);
            caller_say(&s.caller, "one");
            cr_assert(caller_create(&s.caller));
            caller_interrupt(&s.caller);
            fake_settle(&s.fake);
            s.caller.response =
                responses_create(s.caller.chain, &s.caller.request, &places[i], &s, NULL);
            s.wire = fake_wire(&s.fake, 0);
            fake_accept(s.wire);
            done_to = &s;
            what_to_do = what;
            for (size_t j = 0; j < array_count(events) && !s.wire->is_closed; j++)
                fake_event(s.wire, "%s", events[j]);
            cr_assert_null(done_to, "place %zu was not reached", i);
            scene_stop(&s);
        }
    }
}
