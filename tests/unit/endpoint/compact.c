/* Conversations made shorter: by request, and in responses. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(compact, .timeout = 60);

#define PATH "/v1/responses/compact"
#define SAY(text) "{\"emit\":[{\"type\":\"message\",\"text\":\"" text "\"}]}\n"
#define ENOUGH "\"context_management\":[{\"type\":\"compaction\",\"compact_threshold\":1}]"

static struct json_value *post(struct party *party, const char *body, int status)
{
    struct fetch fetch;
    struct json_value *value = NULL;
    fetch_run(&fetch, party, "POST", PATH, body);
    cr_expect_eq(fetch.status, status, "%d: %s", fetch.status, body);
    json_parse(buf_str(&fetch.body), &value, NULL);
    cr_assert(value, "%s", fetch.body.ptr);
    fetch_end(&fetch);
    return value;
}

/* The user's messages, one item, and the conversation goes on from it. */
Test(compact, its_output_is_the_base_of_a_new_chain)
{
    struct party party;
    struct peer peer;
    struct buf first = {0}, body = {0}, output = {0};
    party_start(&party, "{\"emit\":[{\"type\":\"function_call\",\"call\":\"a\",\"name\":\"f\","
                        "\"arguments\":\"{}\"}]}\n" SAY("two") SAY("three"));
    peer_open(&peer, &party);
    peer_create(&peer, "\"store\":false,\"input\":[" USER("ONE") "]");
    const struct json_value *ended = peer_ending(&peer, NULL);
    json_append(&first, json_first(json_at(ended, "response", "output", NULL)));
    buf_append_fmt(&body, "{\"model\":\"m\",\"input\":[" USER("ONE") ",%s," OUTPUT "]}", first.ptr,
                   event_call(ended, 0), "RESULT");
    struct json_value *answer = post(&party, body.ptr, 200);
    cr_expect_str_eq(json_get_str(answer, "object").ptr, "response.compaction");
    cr_expect_gt(json_int(json_at(answer, "usage", "total_tokens", NULL), 0), 0);
    const struct json_value *items = json_get(answer, "output");
    cr_assert_eq(json_count(items), 2);
    cr_expect_str_eq(json_get_str(json_first(items), "content").ptr, "ONE");
    expect_type(json_next(json_first(items)), "compaction");
    json_append(&output, items);
    peer_create(&peer, "\"store\":false,\"input\":%s", output.ptr);
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "two");
    json_free(answer);
    buf_finish(&first);
    buf_finish(&body);
    buf_finish(&output);
    peer_end(&peer);
    party_end(&party);
}

Test(compact, what_is_refused)
{
    static const struct {
        const char *body, *param;
    } rows[] = {
        {"{", NULL},
        {"{\"model\":\"m\"}", "input"},
        {"{\"previous_response_id\":\"resp_none\"}", "previous_response_id"},
        {"{\"input\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"f\","
         "\"arguments\":\"{}\"}]}",
         "input"},
    };
    struct party party;
    party_start(&party, SAY("x"));
    for (size_t i = 0; i < array_count(rows); i++) {
        struct json_value *answer = post(&party, rows[i].body, 400);
        struct str param = json_str(json_at(answer, "error", "param", NULL));
        cr_expect(str_eq_c(param, rows[i].param ? rows[i].param : ""), "%s", rows[i].body);
        json_free(answer);
    }
    party_end(&party);
}

Test(compact, an_endpoint_without_it_has_no_such_route)
{
    struct party party;
    party_start_with(&party, (struct endpoint_options){.without_compact = true});
    json_free(post(&party, "{\"input\":\"x\"}", 404));
    party_end(&party);
}

Test(compact, in_a_response_over_the_threshold)
{
    struct party party;
    struct peer peer;
    party_start(&party, SAY("one") SAY("two") SAY("three"));
    peer_open(&peer, &party);
    peer_create(&peer, "\"store\":false,\"input\":[" USER(
                           "ONE") "],\"context_management\":[{"
                                  "\"type\":\"compaction\",\"compact_threshold\":100000}]");
    cr_expect_eq(json_count(json_at(peer_ending(&peer, NULL), "response", "output", NULL)), 1);
    char id[96];
    peer_create(&peer, "\"store\":false,\"input\":[" USER("TWO") "]," ENOUGH);
    const struct json_value *working = peer_next(&peer, "response.compaction.compacting");
    cr_expect_eq(json_get_int(working, "output_index", -1), 0);
    const struct json_value *ended = peer_ending(&peer, NULL);
    const struct json_value *items = json_at(ended, "response", "output", NULL);
    cr_assert_eq(json_count(items), 2);
    expect_type(json_first(items), "compaction");
    snprintf(id, sizeof(id), "%s", event_id(ended));
    struct buf item = {0};
    json_append(&item, json_first(items));
    peer_create(
        &peer, "\"store\":false,\"previous_response_id\":\"%s\",\"input\":[" USER("THREE") "]", id);
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "two");
    peer_create(&peer, "\"store\":false,\"input\":[%s," USER("FOUR") "]", item.ptr);
    peer_ending(&peer, NULL);
    buf_finish(&item);
    peer_end(&peer);
    party_end(&party);
}

Test(compact, context_management_is_refused_by_name)
{
    struct party party;
    struct peer peer;
    party_start_with(&party, (struct endpoint_options){.without_context_management = true});
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[" USER("x") "]," ENOUGH);
    const struct json_value *error = peer_ending(&peer, NULL);
    cr_expect_str_eq(json_str(json_at(error, "error", "param", NULL)).ptr, "context_management");
    cr_expect_str_eq(error_code(error), "unknown_parameter");
    peer_end(&peer);
    party_end(&party);

    party_start(&party, SAY("x"));
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[" USER("x") "],\"context_management\":[{\"type\":\"magic\"}]");
    cr_expect_str_eq(json_str(json_at(peer_ending(&peer, NULL), "error", "param", NULL)).ptr,
                     "context_management[0].type");
    peer_end(&peer);
    party_end(&party);
}

Test(compact, a_response_that_may_be_compacted_cannot_be_steered)
{
    struct party party;
    struct peer peer;
    party_start(&party, "{\"emit\":[{\"type\":\"message\",\"text\":\"long enough\"}],"
                        "\"pace\":{\"chunk\":1,\"delta_ms\":20}}\n");
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[" USER("x") "]," ENOUGH);
    const char *id = event_id(peer_next(&peer, "response.created"));
    peer_send(
        &peer,
        "{\"type\":\"response.steer\",\"previous_response_id\":\"%s\",\"input\":[" USER("y") "]}",
        id);
    const struct json_value *failed = peer_next(&peer, "response.steer.failed");
    cr_expect_str_eq(json_str(json_at(failed, "error", "code", NULL)).ptr,
                     "steering_not_supported");
    peer_ending(&peer, NULL);
    peer_end(&peer);
    party_end(&party);
}
