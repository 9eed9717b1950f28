/* The same over HTTP: whole answers, streams, and streams that are torn. */
#include "helper.h"

#include <string.h>

TestSuite(http, .timeout = 60);

#define EMIT "\"emit\":[{\"type\":\"message\",\"text\":\"hello\"}]"
#define PATH "/v1/responses"

/* -- Whole answers --------------------------------------------------------------------------------
 */

/* POSTs and gives the parsed body. */
static struct json_value *post(struct party *party, const char *body, int status)
{
    struct fetch fetch;
    struct json_value *value = NULL;
    fetch_run(&fetch, party, "POST", PATH, body);
    cr_expect_eq(fetch.status, status);
    json_parse(buf_str(&fetch.body), &value, NULL);
    cr_assert(value, "%s", fetch.body.ptr);
    fetch_end(&fetch);
    return value;
}

Test(http, a_plain_answer_is_the_response)
{
    struct party party;
    party_start(&party, "{" EMIT ",\"pace\":{\"chunk\":1,\"delta_ms\":1}}");
    struct json_value *value = post(&party, "{\"model\":\"m\",\"input\":\"hi\"}", 200);
    cr_expect_str_eq(json_get_str(value, "object").ptr, "response");
    cr_expect_str_eq(json_get_str(value, "status").ptr, "completed");
    cr_expect_eq(json_count(json_get(value, "output")), 1);
    json_free(value);
    party_end(&party);
}

Test(http, previous_response_id_works_for_stored_ones)
{
    struct party party;
    struct buf body = {0};
    party_start(&party, "{" EMIT "}\n{\"emit\":[{\"type\":\"message\",\"text\":\"second\"}]}");
    struct json_value *first = post(&party, "{\"input\":\"hi\",\"store\":true}", 200);
    buf_append_fmt(&body, "{\"input\":\"more\",\"store\":false,\"previous_response_id\":\"%s\"}",
                   json_get_str(first, "id").ptr);
    struct json_value *second = post(&party, body.ptr, 200);
    struct buf text = {0};
    json_append(&text, json_get(second, "output"));
    cr_expect(strstr(text.ptr, "second"));
    buf_clear(&body);
    buf_append_fmt(&body, "{\"input\":\"more\",\"previous_response_id\":\"%s\"}",
                   json_get_str(second, "id").ptr);
    struct json_value *third = post(&party, body.ptr, 400);
    cr_expect_str_eq(json_str(json_at(third, "error", "code", NULL)).ptr,
                     "previous_response_not_found");
    json_free(first);
    json_free(second);
    json_free(third);
    buf_finish(&text);
    buf_finish(&body);
    party_end(&party);
}

static const struct {
    const char *body, *param;
} refusals[] = {
    {"{\"input\":\"x\",\"stream_id\":\"a\"}", "stream_id"},
    {"{\"input\":\"x\",\"generate\":false}", "generate"},
    {"{\"input\":\"x\",\"conversation\":\"c\"}", "conversation"},
    {"nonsense", NULL},
};

Test(http, refusals_are_json_too)
{
    struct party party;
    party_start(&party, "{" EMIT "}");
    for (size_t i = 0; i < array_count(refusals); i++) {
        struct json_value *value = post(&party, refusals[i].body, 400);
        const struct json_value *error = json_get(value, "error");
        cr_expect_str_eq(json_get_str(error, "type").ptr, "invalid_request_error");
        cr_expect_gt(json_get_str(error, "message").len, 0);
        if (refusals[i].param)
            cr_expect_str_eq(json_get_str(error, "param").ptr, refusals[i].param);
        json_free(value);
    }
    party_end(&party);
}

/* -- Streams --------------------------------------------------------------------------------------
 */

struct seen {
    size_t events, completed, errors, done, garbage;
    bool names_match;
};

static void on_event(void *user, struct str event, struct str data)
{
    struct seen *seen = user;
    struct json_value *value = NULL;
    seen->events++;
    if (str_eq_c(data, "[DONE]")) {
        seen->done++;
        return;
    }
    if (json_parse(data, &value, NULL) < 0) {
        seen->garbage++;
        return;
    }
    struct str type = json_get_str(value, "type");
    seen->names_match &= str_eq(event, type);
    seen->completed += str_eq_c(type, "response.completed");
    seen->errors += str_eq_c(type, "error");
    json_free(value);
}

static struct seen read_stream(const struct fetch *fetch)
{
    struct seen seen = {.names_match = true};
    struct net_sse *sse = net_sse_new(MIB, on_event, &seen);
    net_sse_push(sse, buf_str(&fetch->body));
    net_sse_free(sse);
    return seen;
}

static struct seen stream(const char *fault, struct fetch *fetch)
{
    struct party party;
    struct buf script = {0};
    buf_append_fmt(&script, "{" EMIT "%s%s}", fault[0] ? ",\"fault\":" : "", fault);
    party_start(&party, script.ptr);
    fetch_run(fetch, &party, "POST", PATH, "{\"input\":\"hi\",\"stream\":true}");
    struct seen seen = read_stream(fetch);
    fetch_end(fetch);
    buf_finish(&script);
    party_end(&party);
    return seen;
}

Test(http, a_stream_has_the_same_events)
{
    struct fetch fetch;
    struct seen seen = stream("", &fetch);
    cr_expect_eq(fetch.status, 200);
    cr_expect_eq(fetch.close.status, STATUS_OK);
    cr_expect_eq(seen.events, 10);
    cr_expect_eq(seen.completed, 1);
    cr_expect_eq(seen.done, 1);
    cr_expect(seen.names_match);
}

static const struct {
    const char *fault;
    int status;
    bool whole; /* the transfer ends as it should */
    size_t events, completed, errors, garbage;
} torn[] = {
    {"{\"kind\":\"cut\",\"after_event\":4}", 200, false, 4, 0, 0, 0},
    {"{\"kind\":\"close\",\"after_event\":2}", 200, false, 2, 0, 0, 0},
    {"{\"kind\":\"error\",\"after_event\":3}", 200, true, 5, 0, 1, 0},
    {"{\"kind\":\"failed\",\"after_event\":3}", 200, true, 5, 0, 0, 0},
    {"{\"kind\":\"garbage\",\"after_event\":3}", 200, true, 11, 1, 0, 1},
    {"{\"kind\":\"unknown\",\"after_event\":3}", 200, true, 11, 1, 0, 0},
    {"{\"kind\":\"duplicate_terminal\"}", 200, true, 11, 2, 0, 0},
    {"{\"kind\":\"sparse\"}", 200, true, 9, 1, 0, 0},
};

Test(http, a_stream_may_be_torn)
{
    for (size_t i = 0; i < array_count(torn); i++) {
        struct fetch fetch;
        struct seen seen = stream(torn[i].fault, &fetch);
        cr_expect_eq(fetch.status, torn[i].status, "%s", torn[i].fault);
        cr_expect_eq(fetch.close.status == STATUS_OK, torn[i].whole, "%s", torn[i].fault);
        cr_expect_eq(seen.events, torn[i].events, "%s: %zu", torn[i].fault, seen.events);
        cr_expect_eq(seen.completed, torn[i].completed, "%s", torn[i].fault);
        cr_expect_eq(seen.errors, torn[i].errors, "%s", torn[i].fault);
        cr_expect_eq(seen.garbage, torn[i].garbage, "%s", torn[i].fault);
    }
}

Test(http, an_error_before_the_stream_is_a_status)
{
    struct fetch fetch;
    struct party party;
    party_start(&party, "{" EMIT ",\"fault\":{\"kind\":\"error\",\"status\":429,"
                        "\"code\":\"rate_limit_exceeded\",\"retry_after_ms\":2500}}");
    fetch_run(&fetch, &party, "POST", PATH, "{\"input\":\"hi\",\"stream\":true}");
    cr_expect_eq(fetch.status, 429);
    cr_expect(strstr(fetch.body.ptr, "rate_limit_exceeded"));
    cr_expect_eq(fetch.close.retry_after_ms, 2500);
    fetch_end(&fetch);
    party_end(&party);
}

Test(http, a_client_that_leaves_is_forgotten)
{
    struct fetch fetch;
    struct party party;
    party_start(&party, "{" EMIT ",\"fault\":{\"kind\":\"stall\",\"after_event\":3}}");
    fetch_start(&fetch, &party, "POST", PATH, "{\"input\":\"hi\",\"stream\":true}", NULL, 0);
    while (!strstr(fetch.body.ptr, "output_item.added"))
        party_run_ms(&party, 5);
    fetch_end(&fetch);
    party_run_ms(&party, 20);
    fetch_run(&fetch, &party, "POST", PATH, "{\"input\":\"hi\",\"stream\":true}");
    cr_expect_eq(read_stream(&fetch).completed, 1);
    fetch_end(&fetch);
    party_end(&party);
}

/* The endpoint goes while answers are running. */
Test(http, the_endpoint_may_be_freed_with_all_in_flight)
{
    struct fetch streamed, plain;
    struct peer peer;
    struct party party;
    party_start(&party, "{" EMIT ",\"pace\":{\"chunk\":1,\"delta_ms\":50}}");
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"hi\"");
    peer_create(&peer, "\"input\":\"queued\"");
    fetch_start(&streamed, &party, "POST", PATH, "{\"input\":\"hi\",\"stream\":true}", NULL, 0);
    fetch_start(&plain, &party, "POST", PATH, "{\"input\":\"hi\"}", NULL, 0);
    peer_next(&peer, "response.created");
    while (!strstr(streamed.body.ptr, "output_item.added"))
        party_run_ms(&party, 5);
    endpoint_free(party.endpoint);
    party.endpoint = NULL;
    peer_wait_closed(&peer);
    party_run_until(&party, &streamed.closed, "the stream's end");
    party_run_until(&party, &plain.closed, "the answer's end");
    cr_expect_neq(streamed.close.status, STATUS_OK);
    fetch_end(&streamed);
    fetch_end(&plain);
    peer_end(&peer);
    party_end(&party);
}
