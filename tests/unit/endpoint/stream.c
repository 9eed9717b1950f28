/* The events of a response, and the response object. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(stream, .timeout = 60);

static const char *const all_items =
    "{\"emit\":[{\"type\":\"reasoning\",\"text\":\"thinking\"},"
    "{\"type\":\"message\",\"text\":\"Grüße\",\"phase\":\"commentary\"},"
    "{\"type\":\"function_call\",\"call\":\"a\",\"name\":\"read_file\",\"arguments\":{\"p\":1}},"
    "{\"type\":\"custom_tool_call\",\"call\":\"b\",\"name\":\"apply_patch\",\"input\":\"*** x\"},"
    "{\"type\":\"shell_call\",\"call\":\"c\",\"action\":{\"commands\":[\"ls\"]}}],"
    "\"pace\":{\"chunk\":2}}";

static const char *const all_types[] = {
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done",
    "response.reasoning_summary_part.done",
    "response.output_item.done",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.output_item.added",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.output_item.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.completed",
};

Test(stream, has_every_event_in_order)
{
    struct party party;
    struct peer peer;
    party_start(&party, all_items);
    peer_open(&peer, &party);
    peer_create(&peer, "\"stream_id\":\"lane-1\",\"input\":[" USER("hi") "]");
    for (size_t i = 0; i < array_count(all_types); i++) {
        const struct json_value *event = peer_next(&peer, NULL);
        expect_type(event, all_types[i]);
        cr_expect_eq(json_get_int(event, "sequence_number", -1), (int64_t)i);
        cr_expect_str_eq(json_get_str(event, "stream_id").ptr, "lane-1");
    }
    cr_expect_eq(party.in_count, 1);
    cr_expect_eq(party.out_count, array_count(all_types));
    peer_end(&peer);
    party_end(&party);
}

/* Appends the deltas of events of that type. */
static void gather(const struct peer *peer, const char *type, struct buf *buf)
{
    for (size_t i = 0; i < peer->events.len; i++)
        if (str_eq_c(json_get_str(peer->events.ptr[i], "type"), type))
            buf_append(buf, json_get_str(peer->events.ptr[i], "delta"));
}

Test(stream, deltas_are_the_text)
{
    struct party party;
    struct peer peer;
    struct buf text = {0};
    party_start(&party, all_items);
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"hi\"");
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_str_eq(event_text(event), "Grüße");
    gather(&peer, "response.output_text.delta", &text);
    cr_expect_str_eq(text.ptr, "Grüße");
    buf_clear(&text);
    gather(&peer, "response.function_call_arguments.delta", &text);
    cr_expect_str_eq(text.ptr, "{\"p\":1}");
    buf_finish(&text);
    cr_expect(!json_get(event, "stream_id"), "the default lane has no name");
    cr_expect_eq(strncmp(event_call(event, 2), "call_", 5), 0);
    cr_expect_eq(strncmp(event_call(event, 4), "call_", 5), 0);
    peer_end(&peer);
    party_end(&party);
}

static const char *const members[] = {
    "id",
    "object",
    "created_at",
    "status",
    "background",
    "completed_at",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "model",
    "output",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "usage",
    "metadata",
    "presence_penalty",
    "frequency_penalty",
};

Test(stream, the_response_has_every_member)
{
    static const char *const types[] = {"response.created", "response.in_progress",
                                        "response.completed"};
    struct party party;
    struct peer peer;
    party_start(&party, all_items);
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"hi\",\"text\":{\"verbosity\":\"low\"},\"store\":false,"
                       "\"metadata\":{\"k\":\"v\"},\"instructions\":\"be\","
                       "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]");
    const struct json_value *response = NULL;
    for (size_t t = 0; t < array_count(types); t++) {
        response = json_get(peer_next(&peer, types[t]), "response");
        for (size_t i = 0; i < array_count(members); i++)
            cr_expect(json_get(response, members[i]), "%s lacks %s", types[t], members[i]);
    }
    cr_expect_str_eq(json_get_str(response, "model").ptr, "lanebridge-replay");
    cr_expect_str_eq(json_get_str(response, "status").ptr, "completed");
    cr_expect_str_eq(json_get_str(json_get(response, "metadata"), "k").ptr, "v");
    cr_expect_str_eq(json_get_str(json_get(response, "text"), "verbosity").ptr, "low");
    cr_expect(json_at(response, "text", "format", "type", NULL));
    cr_expect(json_get(json_first(json_get(response, "tools")), "parameters"));
    cr_expect(!json_get_bool(response, "store", true));
    cr_expect_gt(json_int(json_at(response, "usage", "total_tokens", NULL), 0), 0);
    cr_expect(
        strstr(json_get_str(json_get(response, "metadata"), "lanebridge_usage").ptr, "estimate"));
    cr_expect(
        strstr(json_get_str(json_get(response, "metadata"), "lanebridge_engine").ptr, "no model"));
    peer_end(&peer);
    party_end(&party);
}

Test(stream, padding_and_usage_come_from_the_script)
{
    struct party party;
    struct peer peer;
    struct buf text = {0};
    party_start(&party, "{\"emit\":[{\"type\":\"message\",\"text\":\"x\"}],\"pad_bytes\":20000,"
                        "\"usage\":{\"input_tokens\":77}}");
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"hi\"");
    const struct json_value *event = peer_next(&peer, "response.completed");
    json_append(&text, event);
    cr_expect_gt(text.len, 19900);
    cr_expect_lt(text.len, 20200);
    cr_expect_eq(json_int(json_at(event, "response", "usage", "input_tokens", NULL), 0), 77);
    buf_finish(&text);
    peer_end(&peer);
    party_end(&party);
}

Test(stream, thousands_of_deltas_come_whole)
{
    struct party party;
    struct peer peer;
    struct buf script = {0}, text = {0};
    buf_append_c(&script, "{\"pace\":{\"chunk\":1},\"emit\":[{\"type\":\"message\",\"text\":\"");
    for (unsigned i = 0; i < 5000; i++)
        buf_append_byte(&script, (char)('a' + i % 26));
    buf_append_c(&script, "\"}]}");
    party_start(&party, script.ptr);
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"hi\"");
    const struct json_value *event = peer_next(&peer, "response.completed");
    cr_expect_eq(peer_count(&peer, "response.output_text.delta", NULL), 5000);
    gather(&peer, "response.output_text.delta", &text);
    cr_expect_str_eq(text.ptr, event_text(event));
    buf_finish(&script);
    buf_finish(&text);
    peer_end(&peer);
    party_end(&party);
}
