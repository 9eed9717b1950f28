/* The earlier design: one response for a rollout, which waits for its outputs. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(append, .timeout = 60);

#define CALL(label)                                                                                \
    "{\"emit\":[{\"type\":\"function_call\",\"name\":\"f\",\"call\":\"" label                      \
    "\",\"arguments\":{}}]}\n"
#define SCRIPT CALL("a") CALL("b") "{\"emit\":[{\"type\":\"message\",\"text\":\"done\"}]}"
static const struct endpoint_options prototype = {.replay = {SCRIPT, sizeof(SCRIPT) - 1},
                                                  .prototype_append = true};

static void append(struct peer *peer, const char *id, const char *call)
{
    peer_send(peer, "{\"type\":\"response.append\",\"response_id\":\"%s\",\"input\":[" OUTPUT "]}",
              id, call, "x");
}

Test(append, a_rollout_is_one_response)
{
    struct party party;
    struct peer peer;
    char id[128], call[128];
    int64_t sequence = 0;
    party_start_with(&party, prototype);
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"go\"");
    for (int64_t leg = 0; leg < 2; leg++) {
        const struct json_value *item = peer_next(&peer, "response.output_item.done");
        cr_expect_eq(json_get_int(item, "output_index", -1), leg);
        snprintf(call, sizeof(call), "%s", json_get_str(json_get(item, "item"), "call_id").ptr);
        const struct json_value *event = peer_next(&peer, "response.done");
        cr_expect_str_eq(json_get_str(json_get(event, "response"), "status").ptr, "in_progress");
        if (leg > 0)
            cr_expect_str_eq(event_id(event), id);
        snprintf(id, sizeof(id), "%s", event_id(event));
        cr_expect_gt(json_get_int(event, "sequence_number", -1), sequence);
        sequence = json_get_int(event, "sequence_number", -1);
        append(&peer, id, call);
    }
    const struct json_value *last = peer_ending(&peer, NULL);
    expect_type(last, "response.completed");
    cr_expect_str_eq(event_id(last), id);
    cr_expect_str_eq(event_text(last), "done");
    cr_expect_gt(json_get_int(last, "sequence_number", -1), sequence);
    cr_expect_eq(peer_count(&peer, "response.created", NULL), 1);
    peer_end(&peer);
    party_end(&party);
}

Test(append, wrong_ids_and_wrong_calls_are_refused)
{
    struct party party;
    struct peer peer;
    party_start_with(&party, prototype);
    peer_open(&peer, &party);
    append(&peer, "resp_none", "call_none");
    cr_expect_str_eq(error_code(peer_ending(&peer, NULL)), "response_not_active");
    peer_create(&peer, "\"input\":\"go\"");
    const struct json_value *event = peer_next(&peer, "response.done");
    append(&peer, event_id(event), "call_none");
    cr_expect(strstr(error_message(peer_ending(&peer, NULL)), "call_none"));
    peer_end(&peer);
    party_end(&party);
}

Test(append, is_no_event_where_it_is_not_asked_for)
{
    struct party party;
    struct peer peer;
    party_start(&party, SCRIPT);
    peer_open(&peer, &party);
    append(&peer, "resp_none", "call_none");
    cr_expect(strstr(error_message(peer_ending(&peer, NULL)), "Unknown event type"));
    peer_end(&peer);
    party_end(&party);
}

Test(append, over_http_it_completes)
{
    struct party party;
    struct fetch fetch;
    party_start_with(&party, prototype);
    fetch_run(&fetch, &party, "POST", "/v1/responses", "{\"input\":\"go\"}");
    cr_expect_eq(fetch.status, 200);
    cr_expect(strstr(fetch.body.ptr, "\"status\":\"completed\""));
    fetch_end(&fetch);
    party_end(&party);
}
