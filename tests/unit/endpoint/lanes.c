/* Lanes of one connection. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(lanes, .timeout = 60);

/* Slow enough that what should run side by side does. */
#define SLOW                                                                                       \
    "{\"emit\":[{\"type\":\"message\",\"text\":\"abcdefghij\"}],"                                  \
    "\"pace\":{\"chunk\":1,\"delta_ms\":2}}"
#define HELD "{\"emit\":[{\"type\":\"message\",\"text\":\"x\"}],\"pace\":{\"first_ms\":40}}"

Test(lanes, interleave)
{
    struct party party;
    struct peer peer;
    party_start(&party, SLOW);
    peer_open(&peer, &party);
    peer_create(&peer, "\"stream_id\":\"a\",\"input\":\"x\"");
    peer_create(&peer, "\"stream_id\":\"b\",\"input\":\"x\"");
    expect_type(peer_ending(&peer, "a"), "response.completed");
    cr_expect_gt(peer_count(&peer, "response.output_text.delta", "b"), 2);
    expect_type(peer_ending(&peer, "b"), "response.completed");
    peer_end(&peer);
    party_end(&party);
}

/* Both are in before the first begins: it waits. */
Test(lanes, big_answers_share_without_pace)
{
    struct party party;
    struct peer peer;
    struct buf script = {0};
    buf_append_c(
        &script,
        "{\"pace\":{\"chunk\":1,\"first_ms\":200},\"emit\":[{\"type\":\"message\",\"text\":\"");
    buf_append_repeat(&script, 'x', 2000);
    buf_append_c(&script, "\"}]}");
    party_start(&party, script.ptr);
    peer_open(&peer, &party);
    peer_create(&peer, "\"stream_id\":\"a\",\"input\":\"x\"");
    peer_create(&peer, "\"stream_id\":\"b\",\"input\":\"x\"");
    peer_ending(&peer, "a");
    cr_expect_gt(peer_count(&peer, "response.output_text.delta", "b"), 500);
    peer_ending(&peer, "b");
    buf_finish(&script);
    peer_end(&peer);
    party_end(&party);
}

Test(lanes, one_lane_is_first_in_first_out)
{
    struct party party;
    struct peer peer;
    char ids[3][100];
    party_start(&party, SLOW);
    peer_open(&peer, &party);
    for (unsigned i = 0; i < 3; i++)
        peer_create(&peer, "\"stream_id\":\"a\",\"input\":\"x\",\"prompt_cache_key\":\"k%u\"", i);
    for (unsigned i = 0; i < 3; i++) {
        char key[8];
        snprintf(key, sizeof(key), "k%u", i);
        const struct json_value *created = peer_next(&peer, "response.created");
        cr_expect_str_eq(json_str(json_at(created, "response", "prompt_cache_key", NULL)).ptr, key);
        snprintf(ids[i], sizeof(ids[i]), "%s", event_id(created));
        cr_expect_eq(peer_count(&peer, "response.created", NULL), i + 1, "no overlap");
        cr_expect_str_eq(event_id(peer_next(&peer, "response.completed")), ids[i]);
    }
    cr_expect_str_neq(ids[0], ids[1]);
    peer_end(&peer);
    party_end(&party);
}

Test(lanes, the_33rd_name_is_refused)
{
    struct party party;
    struct peer peer;
    party_start(&party, "{\"emit\":[]}");
    peer_open(&peer, &party);
    for (unsigned i = 0; i < 32; i++) {
        char name[16];
        snprintf(name, sizeof(name), "lane.%u", i);
        peer_create(&peer, "\"stream_id\":\"%s\",\"input\":\"x\"", name);
        expect_type(peer_ending(&peer, name), "response.completed");
    }
    peer_create(&peer, "\"stream_id\":\"one-more\",\"input\":\"x\"");
    const struct json_value *event = peer_ending(&peer, "one-more");
    cr_expect_str_eq(error_code(event), "websocket_stream_limit_reached");
    cr_expect_eq(json_get_int(event, "status", 0), 400);
    peer_create(&peer, "\"input\":\"x\"");
    expect_type(peer_ending(&peer, NULL), "response.completed");
    peer_create(&peer, "\"stream_id\":\"lane.7\",\"input\":\"x\"");
    expect_type(peer_ending(&peer, "lane.7"), "response.completed");
    peer_end(&peer);
    party_end(&party);
}

Test(lanes, sixteen_run_and_the_rest_waits)
{
    struct party party;
    struct peer peer;
    party_start(&party, HELD);
    peer_open(&peer, &party);
    for (unsigned i = 0; i < 18; i++)
        peer_create(&peer, "\"stream_id\":\"%u\",\"input\":\"x\"", i);
    peer_next(&peer, "response.completed");
    size_t begun = peer_count(&peer, "response.created", NULL);
    cr_expect_leq(begun, 16 + peer_count(&peer, "response.completed", NULL));
    for (unsigned i = 1; i < 18; i++)
        peer_next(&peer, "response.completed");
    cr_expect_eq(peer_count(&peer, "response.created", NULL), 18);
    /* The two that waited did not begin before others had ended. */
    size_t ended = 0, started = 0, most = 0;
    for (size_t i = 0; i < peer.events.len; i++) {
        struct str type = json_get_str(peer.events.ptr[i], "type");
        started += str_eq_c(type, "response.created");
        ended += str_eq_c(type, "response.completed");
        most = started - ended > most ? started - ended : most;
    }
    cr_expect_leq(most, 16);
    peer_end(&peer);
    party_end(&party);
}

Test(lanes, the_queue_is_bounded)
{
    struct party party;
    struct peer peer;
    party_start(&party, "{\"emit\":[],\"fault\":{\"kind\":\"stall\"}}");
    peer_open(&peer, &party);
    for (unsigned i = 0; i < LIMIT_ENDPOINT_QUEUE_COUNT + 2; i++)
        peer_create(&peer, "\"input\":\"x\"");
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_str_eq(error_code(event), "rate_limit_exceeded");
    cr_expect_eq(json_get_int(event, "status", 0), 429);
    peer_end(&peer);
    party_end(&party);
}

static const struct {
    const char *members, *code, *param;
} refusals[] = {
    {"\"stream_id\":\"\",\"input\":\"x\"", "invalid_stream_id", "stream_id"},
    {"\"stream_id\":\"a b\",\"input\":\"x\"", "invalid_stream_id", "stream_id"},
    {"\"stream_id\":7,\"input\":\"x\"", "invalid_stream_id", "stream_id"},
    {"\"stream_id\":\"\\u0061\",\"input\":\"x\"", "invalid_stream_id", "stream_id"},
    {"\"conversation\":\"c\",\"input\":\"x\"", "unsupported_parameter", "conversation"},
    {"\"background\":true,\"input\":\"x\"", "unsupported_parameter", "background"},
    {"\"input\":7", "invalid_type", "input"},
    {"\"input\":[7]", "invalid_type", "input[0]"},
    {"\"input\":\"x\",\"tools\":{}", "invalid_type", "tools"},
    {"\"input\":\"x\",\"previous_response_id\":\"resp_no\"", "previous_response_not_found",
     "previous_response_id"},
    {"\"input\":[{\"type\":\"function_call_output\",\"output\":\"x\"}]",
     "missing_required_parameter", "input[0].call_id"},
    {"\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"call_no\",\"output\":\"x\"}]", "",
     "input"},
    {"\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"\"}]",
     "", "input"},
    {"\"input\":[", "invalid_json", ""},
};

Test(lanes, refusals_name_what_is_wrong)
{
    struct party party;
    struct peer peer;
    party_start(&party, "{\"emit\":[]}");
    peer_open(&peer, &party);
    for (size_t i = 0; i < array_count(refusals); i++) {
        peer_create(&peer, "%s", refusals[i].members);
        const struct json_value *event = peer_ending(&peer, NULL);
        struct str param = json_str(json_at(event, "error", "param", NULL));
        cr_expect_eq(json_get_int(event, "status", 0), 400);
        cr_expect_str_eq(error_code(event), refusals[i].code, "%s", refusals[i].members);
        cr_expect_str_eq(param.ptr ? param.ptr : "", refusals[i].param, "%s", refusals[i].members);
        cr_expect(!json_get(event, "stream_id"));
    }
    peer_send(&peer, "{\"type\":\"response.nonsense\",\"stream_id\":\"q\"}");
    cr_expect_str_eq(json_get_str(peer_ending(&peer, NULL), "stream_id").ptr, "q");
    peer_send(&peer, "rubbish");
    cr_expect_str_eq(error_code(peer_ending(&peer, NULL)), "invalid_json");
    peer_send(&peer, "{\"type\":\"response.steer\",\"previous_response_id\":\"r\",\"input\":[]}");
    const struct json_value *event = peer_next(&peer, "response.steer.failed");
    cr_expect_str_eq(error_code(event), "response_not_found");
    peer_end(&peer);
    party_end(&party);
}

Test(lanes, an_endpoint_may_lack_lanes_and_warm_up)
{
    struct party party;
    struct peer peer;
    party_start_with(&party,
                     (struct endpoint_options){.without_lanes = true, .without_warm_up = true});
    peer_open(&peer, &party);
    peer_create(&peer, "\"stream_id\":\"a\",\"input\":\"x\"");
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_str_eq(json_str(json_at(event, "error", "param", NULL)).ptr, "stream_id");
    peer_create(&peer, "\"generate\":false,\"input\":\"x\"");
    event = peer_ending(&peer, NULL);
    cr_expect_str_eq(json_str(json_at(event, "error", "param", NULL)).ptr, "generate");
    peer_create(&peer, "\"input\":\"x\"");
    expect_type(peer_ending(&peer, NULL), "response.completed");
    peer_end(&peer);
    party_end(&party);
}

Test(lanes, the_age_limit_ends_the_connection)
{
    struct party party;
    struct peer peer;
    party_start_with(&party, (struct endpoint_options){.age_limit_ms = 30});
    peer_open(&peer, &party);
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_str_eq(error_code(event), "websocket_connection_limit_reached");
    cr_expect(!json_get(event, "stream_id"));
    peer_wait_closed(&peer);
    cr_expect_eq(peer.close.close_code, 1000);
    peer_end(&peer);
    party_end(&party);
}
