/* A conversation made shorter by the endpoint: what goes out, what is taken, who is believed. */
#include "fake.h"

#include <string.h>

TestSuite(responses_compact, .timeout = 10);

struct scene {
    struct fake fake;
    struct caller caller;
    struct responses_compact *running;
    struct buf log;
};

static void on_done(void *user, const struct responses_compact_result *result)
{
    static const char *const ends[] = {
        [COMPACT_DONE] = "done", [COMPACT_REFUSED] = "refused", [COMPACT_FAILED] = "failed"};
    struct scene *s = user;
    s->running = NULL;
    buf_append_fmt(&s->log, "%s %s", ends[result->end], result->code);
    for (size_t i = 0; i < result->count; i++)
        buf_append_fmt(&s->log, " " STR_FMT, STR_ARG(result->items[i]));
    if (result->usage.input_tokens > 0)
        buf_append_fmt(&s->log, " %lld", (long long)result->usage.input_tokens);
}

static void scene_start(struct scene *s, const char *profile)
{
    *s = (struct scene){0};
    fake_start(&s->fake, profile, RESPONSES_AUTO, false);
    caller_start(&s->caller, &s->fake, PRIORITY_TURN);
    caller_say(&s->caller, "one");
}

static struct str item_at(void *user, size_t index)
{
    struct caller *caller = user;
    return str_from(caller->history.ptr[index]);
}

static struct fake_wire *ask(struct scene *s)
{
    const struct responses_request request = {
        .model = STR("m"),
        .instructions = STR("BE GOOD"),
        .prompt_cache_key = STR("key"),
        .tools = STR("[{\"type\":\"function\"}]"),
        .history = {.item = item_at, .user = &s->caller, .count = s->caller.history.len}};
    buf_clear(&s->log);
    buf_append_c(&s->log, "");
    s->running = responses_compact(s->fake.client, &request, on_done, s, NULL);
    cr_assert_not_null(s->running);
    return fake_last(&s->fake);
}

static void scene_stop(struct scene *s)
{
    responses_compact_cancel(s->running);
    caller_finish(&s->caller);
    fake_stop(&s->fake);
    buf_finish(&s->log);
}

static enum responses_compaction way(struct scene *s)
{
    return responses_compaction_of(s->fake.client, STR("m"));
}

Test(responses_compact, one_post_and_its_items)
{
    struct scene s;
    scene_start(&s, "openai");
    struct fake_wire *wire = ask(&s);
    cr_assert_eq(wire->kind, TRANSPORT_COMPACT);
    cr_assert_str_eq(fake_sent(wire, 0),
                     "{\"model\":\"m\",\"instructions\":\"BE GOOD\",\"prompt_cache_key\":\"key\","
                     "\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":\"one\"}]}");
    fake_event(wire, "{'id':'x','object':'response.compaction','error':null,'output':[{'a':1},"
                     "{'type':'compaction', 'encrypted_content':'E'}],'usage':{'input_tokens':7}}");
    cr_assert_str_eq(s.log.ptr,
                     "done  {\"a\":1} {\"type\":\"compaction\", \"encrypted_content\":\"E\"} 7");
    cr_assert_eq(fake_open_count(&s.fake), 0);
    scene_stop(&s);
}

/* What it says; what is told; and how it is done from then on. */
static const struct {
    const char *event, *told;
    enum responses_compaction then;
    size_t sent;
} answers[] = {
    {"{'type':'error','status':404,'error':{'code':'not_found','message':'no'}}",
     "refused not_found", COMPACTION_IN_RESPONSE, 1},
    {"{'type':'error','status':405,'error':{'message':'no'}}", "refused error",
     COMPACTION_IN_RESPONSE, 1},
    {"{'type':'error','status':400,'error':{'code':'context_length_exceeded','message':'long'}}",
     "failed context_length_exceeded", COMPACTION_BY_REQUEST, 1},
    {"{'type':'error','status':401,'error':{'code':'invalid_api_key','message':'no'}}",
     "failed invalid_api_key", COMPACTION_BY_REQUEST, 1},
    {"{'type':'error','status':500,'error':{'code':'server_error','message':'oh'}}",
     "failed server_error", COMPACTION_BY_REQUEST, 2},
    {"{'object':'response.compaction','output':[]}", "failed protocol", COMPACTION_BY_REQUEST, 1},
    {"{'object':'response.compaction','output':[1]}", "failed protocol", COMPACTION_BY_REQUEST, 1},
    {"{'object':'response.compaction'}", "failed protocol", COMPACTION_BY_REQUEST, 1},
    {"[]", "failed protocol", COMPACTION_BY_REQUEST, 1},
    {"{", "failed protocol", COMPACTION_BY_REQUEST, 1},
};

Test(responses_compact, answers_that_are_none)
{
    for (size_t i = 0; i < array_count(answers); i++) {
        struct scene s;
        size_t sent = 0;
        scene_start(&s, "openai");
        ask(&s);
        for (; s.running && sent < 4; sent++) {
            fake_event(fake_last(&s.fake), "%s", answers[i].event);
            fake_advance(&s.fake, 200);
        }
        cr_assert_str_eq(s.log.ptr, answers[i].told, "%s: %s", answers[i].event, s.log.ptr);
        cr_assert_eq(way(&s), answers[i].then, "%s", answers[i].event);
        cr_assert_eq(sent, answers[i].sent, "%s: %zu", answers[i].event, sent);
        scene_stop(&s);
    }
}

Test(responses_compact, what_it_does_not_take_is_left_out_at_once)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_event(ask(&s), "{'type':'error','status':400,'error':{'param':'prompt_cache_key',"
                        "'message':'Unknown parameter'}}");
    fake_advance(&s.fake, 0);
    fake_assert_not_sent(fake_last(&s.fake), 0, "prompt_cache_key");
    fake_event(fake_last(&s.fake), "{'output':[{}]}");
    cr_assert_str_eq(s.log.ptr, "done  {}");
    scene_stop(&s);
}

Test(responses_compact, a_lost_connection_is_tried_once_more)
{
    struct scene s;
    scene_start(&s, "openai");
    fake_drop(ask(&s));
    cr_assert_not_null(s.running);
    fake_advance(&s.fake, 200);
    cr_assert_eq(s.fake.wires.len, 2);
    fake_drop(fake_last(&s.fake));
    cr_assert_str_eq(s.log.ptr, "failed connection_lost");
    scene_stop(&s);
}

Test(responses_compact, it_is_not_waited_for_for_ever_and_can_be_cancelled)
{
    struct scene s;
    scene_start(&s, "openai");
    ask(&s);
    fake_advance(&s.fake, 6000);
    cr_assert_str_eq(s.log.ptr, "failed thinking_timeout");
    ask(&s);
    responses_compact_cancel(s.running);
    s.running = NULL;
    cr_assert_eq(fake_open_count(&s.fake), 0);
    fake_advance(&s.fake, 6000);
    cr_assert_str_eq(s.log.ptr, "");
    scene_stop(&s);
}

/* By request where responses can be steered, else in them where that is taken, else not at all. */
Test(responses_compact, which_way)
{
    static const struct {
        bool steer, compact, context_management;
        enum responses_compaction way;
    } rows[] = {
        {true, true, true, COMPACTION_BY_REQUEST},   {false, true, true, COMPACTION_IN_RESPONSE},
        {false, true, false, COMPACTION_BY_REQUEST}, {true, false, true, COMPACTION_IN_RESPONSE},
        {true, false, false, COMPACTION_NONE},       {false, false, false, COMPACTION_NONE},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fake fake;
        struct responses_profile profile = *responses_profile_find(STR("openai"), STR(""));
        profile.steer = rows[i].steer;
        profile.compact = rows[i].compact;
        profile.context_management = rows[i].context_management;
        fake_start_with(&fake, &profile, RESPONSES_AUTO, false);
        cr_assert_eq(responses_compaction_of(fake.client, STR("m")), rows[i].way, "row %zu", i);
        fake_stop(&fake);
    }
}

Test(responses_compact, a_threshold_goes_out_until_it_is_refused_and_forbids_steering)
{
    struct scene s;
    scene_start(&s, "openai");
    s.caller.request.compact_threshold = 1000;
    cr_assert(caller_create(&s.caller));
    struct fake_wire *wire = fake_wire(&s.fake, 0);
    fake_accept(wire);
    fake_assert_sent(wire, 0,
                     "'context_management':[{'type':'compaction','compact_threshold':1000}]");
    fake_event(wire, "{'type':'error','stream_id':'l0','status':400,'error':{'param':"
                     "'context_management','message':'Unknown parameter'}}");
    fake_assert_not_sent(wire, 1, "context_management");
    fake_created(wire, "l0", "r1");
    cr_assert_eq(caller_steer(&s.caller, "{\"role\":\"user\",\"content\":\"x\"}"),
                 STATUS_UNSUPPORTED);
    scene_stop(&s);
}

Test(responses_compact, how_much_a_model_takes)
{
    static const struct {
        const char *model;
        int64_t tokens;
    } rows[] = {{"gpt-6-astra", 272000}, {"gpt-5-chat-latest", 128000},
                {"gpt-5.6-sol", 272000}, {"gpt-4.1-mini", 1000000},
                {"qwen3", 128000},       {"", 128000}};
    for (size_t i = 0; i < array_count(rows); i++)
        cr_assert_eq(responses_context_tokens(str_from(rows[i].model)), rows[i].tokens, "%s",
                     rows[i].model);
}
