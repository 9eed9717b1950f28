/* The user's own check: asked about new input alone, and never let past. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(check, .timeout = 60);

/* Refuses what names a secret; writes its questions' length into the refusal. */
#define ANSWERS(verdict)                                                                           \
    "while read -r line; do id=${line#*:}; id=${id%%,*}; case $line in *secret*) " verdict         \
    ";; *) echo \"{\\\"id\\\":$id,\\\"allow\\\":true}\";; esac; done"
#define REFUSE                                                                                     \
    "echo \"{\\\"id\\\":$id,\\\"allow\\\":false,\\\"code\\\":\\\"not_here\\\",\\\"message\\\":"    \
    "\\\"no secrets, please\\\"}\""

static int64_t count(struct party *party, const char *name)
{
    struct fetch fetch;
    struct json_value *value = NULL;
    fetch_run(&fetch, party, "GET", "/metrics", NULL);
    json_parse(buf_str(&fetch.body), &value, NULL);
    int64_t number = json_int(json_at(value, "checks", name, NULL), -1);
    json_free(value);
    fetch_end(&fetch);
    return number;
}

Test(check, what_it_refuses_is_refused_and_nothing_is_begun)
{
    struct party party;
    struct peer peer;
    party_start_with(&party, (struct endpoint_options){.check_command = ANSWERS(REFUSE)});
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"a secret\"");
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_str_eq(error_code(event), "not_here");
    cr_expect_str_eq(error_message(event), "no secrets, please");
    cr_expect_eq(json_get_int(event, "status", 0), 400);
    cr_expect_eq(peer_count(&peer, "response.created", NULL), 0);
    peer_create(&peer, "\"input\":\"nothing\"");
    expect_type(peer_ending(&peer, NULL), "response.completed");
    cr_expect_eq(count(&party, "asked"), 2);
    cr_expect_eq(count(&party, "refused"), 1);
    peer_end(&peer);
    party_end(&party);
}

Test(check, over_http_it_is_the_answer)
{
    struct party party;
    struct fetch fetch;
    party_start_with(&party, (struct endpoint_options){.check_command = ANSWERS(REFUSE)});
    fetch_run(&fetch, &party, "POST", "/v1/responses", "{\"stream\":true,\"input\":\"a secret\"}");
    cr_expect_eq(fetch.status, 400);
    cr_expect(strstr(fetch.body.ptr, "not_here"));
    fetch_end(&fetch);
    party_end(&party);
}

/* The first request passes as long as nobody reads it again. */
static void ask_twice(unsigned without, const char *ending)
{
    struct party party;
    struct peer peer;
    party_start_with(
        &party,
        (struct endpoint_options){
            .without = without,
            .check_command = "read -r line; echo '{\"id\":0,\"allow\":true}'; " ANSWERS(REFUSE)});
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"a secret\"");
    const struct json_value *event = peer_ending(&peer, NULL);
    expect_type(event, "response.completed");
    peer_create(&peer, "\"input\":\"more\",\"previous_response_id\":\"%s\"", event_id(event));
    expect_type(peer_ending(&peer, NULL), ending);
    peer_end(&peer);
    party_end(&party);
}

Test(check, sees_new_input_alone_unless_that_is_switched_off)
{
    ask_twice(0, "response.completed");
    ask_twice(1u << ENDPOINT_VALIDATION, "error");
}

static const struct {
    const char *command, *message;
} broken[] = {
    {"exit 1", "has ended"},
    {"read -r line; exit 0", "has ended"},
    {"/nonexistent/check", "has ended"},
    {"read -r line; echo nonsense; sleep 60", "wrote a line that is no JSON"},
    {"head -c 100000 /dev/zero; sleep 60", "wrote a line without an end"},
};

Test(check, one_that_is_broken_lets_nothing_through)
{
    for (size_t i = 0; i < array_count(broken); i++) {
        struct party party;
        struct peer peer;
        party_start_with(&party, (struct endpoint_options){.check_command = broken[i].command});
        peer_open(&peer, &party);
        peer_create(&peer, "\"input\":\"x\"");
        const struct json_value *event = peer_ending(&peer, NULL);
        cr_expect_str_eq(error_code(event), "server_error", "%s", broken[i].command);
        cr_expect(strstr(error_message(event), broken[i].message) ||
                      strstr(error_message(event), "cannot be reached"),
                  "%s: %s", broken[i].command, error_message(event));
        peer_end(&peer);
        party_end(&party);
    }
}

Test(check, who_leaves_is_not_waited_for)
{
    struct party party;
    struct peer peer;
    party_start_with(&party, (struct endpoint_options){.check_command = "sleep 60"});
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"x\"");
    party_run_ms(&party, 50);
    peer_end(&peer);
    party_run_ms(&party, 50);
    party_end(&party);
}
