/* Every fault, and that the step plays as if nothing had been afterwards. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(faults, .timeout = 60);

#define EMIT "\"emit\":[{\"type\":\"message\",\"text\":\"hello\"}]"

static void start(struct party *party, struct peer *peer, const char *fault)
{
    struct buf script = {0};
    buf_append_fmt(&script, "{" EMIT ",\"fault\":%s}", fault);
    party_start(party, script.ptr);
    peer_open(peer, party);
    peer_create(peer, "\"stream_id\":\"a\",\"input\":[" USER("hi") "]");
    buf_finish(&script);
}

static void end(struct peer *peer, struct party *party)
{
    peer_end(peer);
    party_end(party);
}

/* The same request again, on a new connection: the fault is used up. */
static void expect_recovered(struct party *party)
{
    struct peer peer;
    peer_open(&peer, party);
    peer_create(&peer, "\"input\":[" USER("hi") "]");
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "hello");
    peer_end(&peer);
}

Test(faults, cut_drops_the_connection_without_a_close_frame)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"cut\",\"after_event\":3}");
    peer_wait_closed(&peer);
    cr_expect_eq(peer.events.len, 3);
    cr_expect_eq(peer.close.close_code, 0);
    expect_recovered(&party);
    end(&peer, &party);
}

Test(faults, cut_may_come_before_the_first_event)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"cut\"}");
    peer_wait_closed(&peer);
    cr_expect_eq(peer.events.len, 0);
    expect_recovered(&party);
    end(&peer, &party);
}

Test(faults, cut_may_come_after_the_last_event)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"cut\",\"after_event\":9}");
    expect_type(peer_ending(&peer, "a"), "response.completed");
    peer_wait_closed(&peer);
    end(&peer, &party);
}

Test(faults, close_sends_its_code)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"close\",\"after_event\":2,\"code\":1008}");
    peer_wait_closed(&peer);
    cr_expect_eq(peer.events.len, 2);
    cr_expect_eq(peer.close.close_code, 1008);
    expect_recovered(&party);
    end(&peer, &party);
}

Test(faults, stall_is_silent_but_answers_pings)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"stall\",\"after_event\":4}");
    while (peer.events.len < 4)
        peer_next(&peer, NULL);
    size_t alives = peer.alives;
    net_ws_ping(peer.ws);
    while (peer.alives == alives) {
        peer.woken = false;
        party_run_until(&party, &peer.woken, "pong");
    }
    party_run_ms(&party, 30);
    cr_expect_eq(peer.events.len, 4);
    peer_create(&peer, "\"stream_id\":\"b\",\"input\":[" USER("hi") "]");
    cr_expect_str_eq(event_text(peer_ending(&peer, "b")), "hello");
    end(&peer, &party);
}

Test(faults, error_has_two_shapes)
{
    struct party party;
    struct peer peer;
    start(&party, &peer,
          "{\"kind\":\"error\",\"status\":429,\"code\":\"rate_limit_exceeded\","
          "\"message\":\"slow\",\"retry_after_ms\":1500,\"times\":1}");
    const struct json_value *event = peer_ending(&peer, "a");
    cr_expect_eq(json_get_int(event, "status", 0), 429);
    cr_expect_str_eq(json_str(json_at(event, "error", "code", NULL)).ptr, "rate_limit_exceeded");
    cr_expect_str_eq(json_str(json_at(event, "error", "message", NULL)).ptr, "slow");
    cr_expect(json_is(json_at(event, "error", "param", NULL), JSON_NULL));
    cr_expect_str_eq(json_str(json_at(event, "headers", "retry-after", NULL)).ptr, "2");
    cr_expect_str_eq(json_str(json_at(event, "headers", "retry-after-ms", NULL)).ptr, "1500");
    expect_recovered(&party);
    end(&peer, &party);

    start(&party, &peer,
          "{\"kind\":\"error\",\"status\":503,\"code\":\"server_is_overloaded\","
          "\"message\":\"busy\",\"param\":\"p\",\"shape\":\"flat\","
          "\"after_event\":2}");
    event = peer_ending(&peer, "a");
    cr_expect_str_eq(json_get_str(event, "code").ptr, "server_is_overloaded");
    cr_expect_str_eq(json_get_str(event, "message").ptr, "busy");
    cr_expect_str_eq(json_get_str(event, "param").ptr, "p");
    cr_expect_eq(json_get_int(event, "sequence_number", -1), 2);
    cr_expect(!json_get(event, "error"));
    end(&peer, &party);
}

Test(faults, times_counts)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"error\",\"times\":2}");
    cr_expect_eq(json_get_int(peer_ending(&peer, "a"), "status", 0), 500);
    peer_create(&peer, "\"input\":[" USER("hi") "]");
    expect_type(peer_ending(&peer, NULL), "error");
    expect_recovered(&party);
    end(&peer, &party);
}

Test(faults, failed_ends_the_response)
{
    struct party party;
    struct peer peer;
    start(&party, &peer,
          "{\"kind\":\"failed\",\"after_event\":3,\"code\":\"server_error\","
          "\"message\":\"broke\"}");
    const struct json_value *event = peer_ending(&peer, "a");
    expect_type(event, "response.failed");
    cr_expect_str_eq(json_str(json_at(event, "response", "status", NULL)).ptr, "failed");
    cr_expect_str_eq(json_str(json_at(event, "response", "error", "code", NULL)).ptr,
                     "server_error");
    cr_expect_str_eq(json_str(json_at(event, "response", "error", "message", NULL)).ptr, "broke");
    peer_create(&peer, "\"stream_id\":\"a\",\"previous_response_id\":\"%s\",\"input\":\"x\"",
                event_id(event));
    cr_expect_str_eq(error_code(peer_ending(&peer, "a")), "previous_response_not_found");
    expect_recovered(&party);
    end(&peer, &party);
}

Test(faults, incomplete_can_be_continued)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"incomplete\",\"after_event\":4,\"reason\":\"steered\"}");
    const struct json_value *event = peer_ending(&peer, "a");
    expect_type(event, "response.incomplete");
    cr_expect_str_eq(json_str(json_at(event, "response", "incomplete_details", "reason", NULL)).ptr,
                     "steered");
    cr_expect_eq(json_count(json_at(event, "response", "output", NULL)), 0);
    peer_create(&peer, "\"stream_id\":\"a\",\"previous_response_id\":\"%s\",\"input\":\"x\"",
                event_id(event));
    cr_expect_str_eq(event_text(peer_ending(&peer, "a")), "hello");
    end(&peer, &party);
}

Test(faults, garbage_is_no_json_and_the_rest_comes)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"garbage\",\"after_event\":1}");
    while (peer.events.len < 2)
        party_run_ms(&party, 5);
    cr_expect_null(peer.events.ptr[1]);
    peer.seen = 2;
    cr_expect_str_eq(event_text(peer_ending(&peer, "a")), "hello");
    end(&peer, &party);
}

Test(faults, unknown_events_come_in_between)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"unknown\",\"after_event\":2}");
    peer_next(&peer, "response.lanebridge_unknown");
    cr_expect_eq(peer.seen, 3);
    const struct json_value *event = peer_ending(&peer, "a");
    cr_expect_str_eq(event_text(event), "hello");
    cr_expect_eq(json_get_int(event, "sequence_number", 0), (int64_t)peer.events.len - 1);
    end(&peer, &party);
}

Test(faults, the_terminal_event_may_come_twice)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"duplicate_terminal\"}");
    const struct json_value *event = peer_ending(&peer, "a");
    cr_expect_str_eq(event_id(peer_ending(&peer, "a")), event_id(event));
    peer_create(&peer, "\"stream_id\":\"a\",\"input\":[" USER("hi") "]");
    cr_expect_str_neq(event_id(peer_ending(&peer, "a")), event_id(event));
    cr_expect_eq(peer_count(&peer, "response.completed", NULL), 3);
    end(&peer, &party);
}

Test(faults, sparse_leaves_out_what_some_servers_leave_out)
{
    struct party party;
    struct peer peer;
    start(&party, &peer, "{\"kind\":\"sparse\"}");
    const struct json_value *event = peer_ending(&peer, "a");
    expect_type(event, "response.completed");
    cr_expect(!json_at(event, "response", "output", NULL));
    cr_expect_eq(peer_count(&peer, "response.output_item.added", NULL), 0);
    cr_expect_eq(peer_count(&peer, "response.output_item.done", NULL), 1);
    end(&peer, &party);
}

/* The parent is gone when its continuation fails while it runs, too. */
Test(faults, an_error_on_a_continuation_evicts)
{
    struct party party;
    struct peer peer;
    char id[100];
    party_start(&party, "{" EMIT "}\n{" EMIT ",\"fault\":{\"kind\":\"error\",\"after_event\":2}}");
    peer_open(&peer, &party);
    peer_create(&peer, "\"store\":false,\"input\":[" USER("hi") "]");
    snprintf(id, sizeof(id), "%s", event_id(peer_ending(&peer, NULL)));
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":\"x\"", id);
    cr_expect_eq(json_get_int(peer_ending(&peer, NULL), "status", 0), 500);
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":\"x\"", id);
    cr_expect_str_eq(error_code(peer_ending(&peer, NULL)), "previous_response_not_found");
    end(&peer, &party);
}
