/* Steering: input for a response that runs. */
#include "helper.h"

#include <string.h>

TestSuite(steering, .timeout = 60);

#define STEER(id, input)                                                                           \
    "{\"type\":\"response.steer\",\"previous_response_id\":\"%s\",\"input\":" input "}", id

static const char slow[] =
    "{\"emit\":[{\"type\":\"message\",\"text\":\"one\"},{\"type\":\"message\",\"text\":\"two\"}],"
    "\"pace\":{\"delta_ms\":30,\"chunk\":1}}\n"
    "{\"expect\":{\"text\":\"turn left\"},\"emit\":[{\"type\":\"message\",\"text\":\"three\"}]}\n";
static const char calling[] =
    "{\"emit\":[{\"type\":\"function_call\",\"call\":\"a\",\"name\":\"f\",\"arguments\":{}},"
    "{\"type\":\"message\",\"text\":\"two\"}],\"pace\":{\"delta_ms\":20,\"chunk\":1}}\n"
    "{\"expect\":{\"text\":\"turn left\",\"outputs\":{\"a\":\"done\"}},"
    "\"emit\":[{\"type\":\"message\",\"text\":\"three\"}]}\n";

struct scene {
    struct party party;
    struct peer peer;
    const char *id; /* of what runs */
};

static void scene_start(struct scene *s, const char *script)
{
    party_start(&s->party, script);
    peer_open(&s->peer, &s->party);
    peer_create(&s->peer, "\"stream_id\":\"s\",\"model\":\"m\",\"input\":[" USER("go") "]");
    s->id = event_id(peer_next(&s->peer, "response.in_progress"));
}

static void scene_end(struct scene *s)
{
    peer_end(&s->peer);
    party_end(&s->party);
}

Test(steering, applied_between_two_items)
{
    struct scene s;
    scene_start(&s, slow);
    peer_send(&s.peer, STEER(s.id, "\"turn left\""));
    const struct json_value *event = peer_next(&s.peer, "response.steer.accepted");
    cr_expect_str_eq(json_str(json_at(event, "steer", "previous_response_id", NULL)).ptr, s.id);
    cr_expect_str_eq(json_get_str(event, "stream_id").ptr, "s");
    event = peer_next(&s.peer, "response.incomplete");
    cr_expect_str_eq(json_str(json_at(event, "response", "incomplete_details", "reason", NULL)).ptr,
                     "steered");
    cr_expect_str_eq(event_text(event), "one");
    event = peer_next(&s.peer, "response.created");
    cr_expect_str_eq(json_str(json_at(event, "response", "previous_response_id", NULL)).ptr, s.id);
    cr_expect_str_eq(json_get_str(event, "stream_id").ptr, "s");
    event = peer_next(&s.peer, "response.completed");
    cr_expect_str_eq(event_text(event), "two", "the rest of the step");
    scene_end(&s);
}

Test(steering, after_the_last_item_a_successor_follows)
{
    struct scene s;
    scene_start(&s, slow);
    for (int i = 0; i < 2; i++)
        peer_next(&s.peer, "response.output_item.added");
    peer_send(&s.peer, STEER(s.id, "[" USER("turn left") "]"));
    const struct json_value *event = peer_next(&s.peer, "response.completed");
    cr_expect_str_eq(event_id(event), s.id);
    event = peer_next(&s.peer, "response.completed");
    cr_expect_str_eq(event_text(event), "three", "it met the input");
    scene_end(&s);
}

Test(steering, waits_for_open_calls_and_is_not_sent_again)
{
    struct scene s;
    scene_start(&s, calling);
    peer_next(&s.peer, "response.output_item.done");
    peer_send(&s.peer, STEER(s.id, "\"turn left\""));
    const struct json_value *done = peer_next(&s.peer, "response.completed");
    const struct json_value *event = peer_next(&s.peer, "response.steer.pending");
    cr_expect_str_eq(json_get_str(event, "reason").ptr, "waiting_for_required_input");
    const struct json_value *stub = json_first(json_get(event, "required_input"));
    cr_assert(stub);
    cr_expect_str_eq(json_get_str(stub, "type").ptr, "function_call_output");
    cr_expect_str_eq(json_get_str(stub, "call_id").ptr, event_call(done, 0));
    peer_create(&s.peer,
                "\"stream_id\":\"s\",\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]", s.id,
                event_call(done, 0), "done");
    event = peer_ending(&s.peer, "s");
    expect_type(event, "response.completed");
    cr_expect_str_eq(event_text(event), "three");
    scene_end(&s);
}

Test(steering, what_is_refused_comes_back)
{
    static const struct {
        const char *input, *code;
    } rows[] = {
        {"[]", "invalid_input"},
        {"7", "invalid_input"},
        {"[{\"type\":\"message\",\"role\":\"developer\",\"content\":\"x\"}]", "invalid_input"},
        {"[{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":\"x\"}]",
         "invalid_input"},
    };
    struct scene s;
    scene_start(&s, slow);
    for (size_t i = 0; i < array_count(rows); i++) {
        peer_send(&s.peer,
                  "{\"type\":\"response.steer\",\"previous_response_id\":\"%s\",\"input\":%s}",
                  s.id, rows[i].input);
        const struct json_value *event = peer_next(&s.peer, NULL);
        while (strncmp(json_get_str(event, "type").ptr, "response.steer", 14) != 0 &&
               strcmp(json_get_str(event, "type").ptr, "error") != 0)
            event = peer_next(&s.peer, NULL);
        if (i == 1)
            continue; /* refused as any request with such an input is */
        cr_expect_str_eq(error_code(event), rows[i].code, "%s", rows[i].input);
        cr_expect(json_at(event, "steer", "input", NULL));
    }
    const struct json_value *event = peer_ending(&s.peer, "s");
    peer_send(&s.peer, STEER(s.id, "\"x\""));
    event = peer_next(&s.peer, "response.steer.failed");
    cr_expect_str_eq(error_code(event), "response_already_completed");
    peer_send(&s.peer, STEER("resp_no", "\"x\""));
    event = peer_next(&s.peer, "response.steer.failed");
    cr_expect_str_eq(error_code(event), "response_not_found");
    scene_end(&s);
}

Test(steering, too_many_and_none_at_all)
{
    struct scene s;
    scene_start(&s, slow);
    for (int i = 0; i < 9; i++)
        peer_send(&s.peer, STEER(s.id, "\"turn left\""));
    const struct json_value *event = peer_next(&s.peer, "response.steer.failed");
    cr_expect_str_eq(error_code(event), "too_many_pending_steers");
    cr_expect_eq(peer_count(&s.peer, "response.steer.accepted", "s"), 8);
    scene_end(&s);
    party_start_with(&s.party, (struct endpoint_options){.without_steering = true});
    peer_open(&s.peer, &s.party);
    peer_send(&s.peer, STEER("r", "\"x\""));
    event = peer_next(&s.peer, "response.steer.failed");
    cr_expect_str_eq(error_code(event), "steering_not_supported");
    scene_end(&s);
}
