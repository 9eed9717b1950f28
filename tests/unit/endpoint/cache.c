/* What a connection holds for its lanes: continuation, forks, eviction. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(cache, .timeout = 60);

#define CALL                                                                                       \
    "{\"emit\":[{\"type\":\"function_call\",\"call\":\"read\",\"name\":\"read_file\","             \
    "\"arguments\":{}}]}\n"
#define ENDING                                                                                     \
    "{\"expect\":{\"outputs\":{\"read\":\"good\"}},"                                               \
    "\"emit\":[{\"type\":\"message\",\"text\":\"got ${output:read}\"}]}\n"

struct call {
    char response[100], call[100];
};

static void keep(struct call *call, const struct json_value *event)
{
    expect_type(event, "response.completed");
    snprintf(call->response, sizeof(call->response), "%s", event_id(event));
    snprintf(call->call, sizeof(call->call), "%s", event_call(event, 0));
}

static void begin(struct peer *peer, struct party *party, const char *more, struct call *call)
{
    party_start(party, CALL ENDING);
    peer_open(peer, party);
    peer_create(peer, "\"stream_id\":\"a\",\"input\":[" USER("hi") "]%s", more);
    keep(call, peer_ending(peer, "a"));
}

static void answer(struct peer *peer, const char *lane, const struct call *call, const char *text)
{
    peer_create(peer,
                "\"stream_id\":\"%s\",\"store\":false,\"previous_response_id\":\"%s\","
                "\"input\":[" OUTPUT "]",
                lane, call->response, call->call, text);
}

static void end(struct peer *peer, struct party *party)
{
    peer_end(peer);
    party_end(party);
}

Test(cache, a_continuation_without_store_goes_on)
{
    struct party party;
    struct peer peer;
    struct call call;
    begin(&peer, &party, ",\"store\":false", &call);
    answer(&peer, "a", &call, "good \\\"x\\\"");
    const struct json_value *event = peer_ending(&peer, "a");
    cr_expect_str_eq(event_text(event), "got good \"x\"");
    cr_expect_str_eq(json_str(json_at(event, "response", "previous_response_id", NULL)).ptr,
                     call.response);
    end(&peer, &party);
}

Test(cache, a_warm_up_takes_no_step_and_can_be_continued)
{
    struct party party;
    struct peer peer;
    struct call call;
    party_start(&party, "{\"rollout\":\"r\",\"match\":{\"text\":\"real\"}}\n" CALL ENDING);
    peer_open(&peer, &party);
    peer_create(&peer, "\"generate\":false,\"store\":false,\"input\":[]");
    const struct json_value *event = peer_ending(&peer, NULL);
    expect_type(event, "response.completed");
    cr_expect_eq(json_count(json_at(event, "response", "output", NULL)), 0);
    peer_create(&peer,
                "\"previous_response_id\":\"%s\",\"store\":false,\"input\":[" USER("real") "]",
                event_id(event));
    keep(&call, peer_ending(&peer, NULL));
    cr_expect_eq(strncmp(call.call, "call_", 5), 0);
    end(&peer, &party);
}

Test(cache, the_message_of_a_warm_up_counts)
{
    struct party party;
    struct peer peer;
    struct call call;
    party_start(&party, "{\"rollout\":\"r\",\"match\":{\"text\":\"real\"}}\n" CALL ENDING);
    peer_open(&peer, &party);
    peer_create(&peer, "\"generate\":false,\"input\":[" USER("real") "]");
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":[]",
                event_id(peer_ending(&peer, NULL)));
    keep(&call, peer_ending(&peer, NULL));
    end(&peer, &party);
}

Test(cache, a_failed_continuation_evicts_its_parent)
{
    struct party party;
    struct peer peer;
    struct call call;
    begin(&peer, &party, ",\"store\":false", &call);
    peer_create(&peer, "\"stream_id\":\"a\",\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]",
                call.response, "call_wrong", "x");
    const struct json_value *event = peer_ending(&peer, "a");
    cr_expect(strstr(error_message(event), "No tool call found"));
    answer(&peer, "a", &call, "good");
    cr_expect_str_eq(error_code(peer_ending(&peer, "a")), "previous_response_not_found");
    end(&peer, &party);
}

Test(cache, an_unanswered_call_is_refused_and_evicts)
{
    struct party party;
    struct peer peer;
    struct call call;
    begin(&peer, &party, ",\"store\":false", &call);
    peer_create(&peer, "\"stream_id\":\"a\",\"previous_response_id\":\"%s\",\"input\":[]",
                call.response);
    cr_expect(strstr(error_message(peer_ending(&peer, "a")), "No tool output found"));
    answer(&peer, "a", &call, "good");
    cr_expect_str_eq(error_code(peer_ending(&peer, "a")), "previous_response_not_found");
    end(&peer, &party);
}

Test(cache, a_failed_fork_leaves_the_parent)
{
    struct party party;
    struct peer peer;
    struct call call;
    begin(&peer, &party, ",\"store\":false", &call);
    peer_create(&peer, "\"stream_id\":\"b\",\"previous_response_id\":\"%s\",\"input\":[]",
                call.response);
    expect_type(peer_ending(&peer, "b"), "error");
    answer(&peer, "b", &call, "good on b");
    cr_expect_str_eq(event_text(peer_ending(&peer, "b")), "got good on b");
    answer(&peer, "a", &call, "good on a");
    cr_expect_str_eq(event_text(peer_ending(&peer, "a")), "got good on a");
    end(&peer, &party);
}

Test(cache, only_the_latest_of_a_lane_is_held)
{
    struct party party;
    struct peer peer;
    struct call call;
    begin(&peer, &party, ",\"store\":false", &call);
    answer(&peer, "a", &call, "good");
    expect_type(peer_ending(&peer, "a"), "response.completed");
    answer(&peer, "b", &call, "good");
    cr_expect_str_eq(error_code(peer_ending(&peer, "b")), "previous_response_not_found");
    end(&peer, &party);
}

Test(cache, stored_responses_outlive_eviction_and_connection)
{
    struct party party;
    struct peer peer, other;
    struct call call;
    begin(&peer, &party, ",\"store\":true", &call);
    peer_create(&peer, "\"stream_id\":\"a\",\"previous_response_id\":\"%s\",\"input\":[]",
                call.response);
    expect_type(peer_ending(&peer, "a"), "error");
    answer(&peer, "a", &call, "good again");
    cr_expect_str_eq(event_text(peer_ending(&peer, "a")), "got good again");
    peer_open(&other, &party);
    answer(&other, "z", &call, "good elsewhere");
    cr_expect_str_eq(event_text(peer_ending(&other, "z")), "got good elsewhere");
    peer_end(&other);
    end(&peer, &party);
}

Test(cache, without_store_nothing_outlives_the_connection)
{
    struct party party;
    struct peer peer, other;
    struct call call;
    begin(&peer, &party, ",\"store\":false", &call);
    peer_open(&other, &party);
    answer(&other, "a", &call, "good");
    cr_expect_str_eq(error_code(peer_ending(&other, "a")), "previous_response_not_found");
    peer_end(&other);
    end(&peer, &party);
}

Test(cache, metrics_tell_what_it_did)
{
    static const struct {
        const char *group, *name;
        int64_t value;
    } rows[] = {
        {"cache", "hits", 3},          {"cache", "misses", 1},      {"cache", "forks", 1},
        {"cache", "evictions", 1},     {"cache", "stored_hits", 1}, {"cache", "responses", 1},
        {"responses", "completed", 4}, {"requests", "refused", 2},  {"requests", "websocket", 6},
        {"connections", "open", 1},    {"lanes", "open", 3},        {"requests", "waiting", 0},
    };
    struct party party;
    struct peer peer;
    struct call call;
    struct fetch fetch;
    begin(&peer, &party, ",\"store\":true", &call);
    answer(&peer, "b", &call, "good on b"); /* a fork */
    peer_ending(&peer, "b");
    answer(&peer, "a", &call, "good on a");
    peer_ending(&peer, "a");
    answer(&peer, "a", &call, "good from the store");
    const struct json_value *last = peer_ending(&peer, "a");
    char id[100];
    snprintf(id, sizeof(id), "%s", event_id(last));
    for (int i = 0; i < 2; i++) {
        peer_create(&peer,
                    "\"stream_id\":\"a\",\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]",
                    id, "call_wrong", "x");
        expect_type(peer_ending(&peer, "a"), "error");
    }
    fetch_run(&fetch, &party, "GET", "/metrics", NULL);
    struct json_value *page = NULL;
    cr_assert_eq(json_parse(buf_str(&fetch.body), &page, NULL), STATUS_OK);
    for (size_t i = 0; i < array_count(rows); i++)
        cr_expect_eq(json_int(json_at(page, rows[i].group, rows[i].name, NULL), -1), rows[i].value,
                     "%s.%s in %s", rows[i].group, rows[i].name, fetch.body.ptr);
    json_free(page);
    fetch_end(&fetch);
    end(&peer, &party);
}
