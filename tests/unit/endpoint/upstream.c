/* The engine upstream:URL against a scripted server: what goes out, what comes back, and who leaves
 * when. The streams are as the servers' documentation and sources have them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

TestSuite(upstream, .timeout = 60);

Test(upstream, answers_stream_through)
{
    struct scene scene;
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS, {"POST /v1/chat/completions ", .body = HELLO});
    peer_create(&scene.peer, "\"model\":\"x\",\"store\":false,\"input\":[" USER("hi") "]");
    const struct json_value *event = peer_ending(&scene.peer, NULL);
    expect_type(event, "response.completed");
    expect_str(json_get_str(output_at(event, 0), "type"), "reasoning");
    expect_str(json_get_str(json_first(json_get(output_at(event, 0), "content")), "text"),
               "Hm. Well.");
    expect_str(json_get_str(json_first(json_get(output_at(event, 1), "content")), "text"),
               "Hello \xC3\xA9\xF0\x9F\x98\x80");
    cr_expect_eq(json_int(json_at(event, "response", "usage", "input_tokens", NULL), 0), 50);
    cr_expect_eq(
        json_int(json_at(event, "response", "usage", "input_tokens_details", "cached_tokens", NULL),
                 0),
        30);
    cr_expect_eq(json_int(json_at(event, "response", "usage", "output_tokens", NULL), 0), 7);
    struct json_value *body = scene_asked(&scene, "/v1/chat/completions", 0);
    expect_str(json_get_str(body, "model"), "tiny.gguf"); /* it has no other */
    cr_expect(json_get_bool(body, "cache_prompt", false));
    cr_expect_eq(json_get_int(body, "id_slot", -1), 0);
    json_free(body);
    cr_expect_geq(peer_count(&scene.peer, "response.reasoning_text.delta", NULL), 1);
    cr_expect_geq(peer_count(&scene.peer, "response.output_text.delta", NULL), 1);
    scene_end(&scene);
}

/* -- Rollouts -------------------------------------------------------------------------------------
 */

#define CALLS                                                                                      \
    CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"aB3\",\"type\":\"function\",\"function\":{"      \
          "\"name\":\"read_file\",\"arguments\":\"{\\\"path\\\":\"}}]}",                           \
          "null")                                                                                  \
    CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"a\\\"}\"}}]}", "null")  \
    CHUNK("{\"tool_calls\":[{\"index\":1,\"id\":\"aB4\",\"type\":\"function\",\"function\":{"      \
          "\"name\":\"apply_patch\",\"arguments\":\"{\\\"input\\\":\\\"p\"}}]}",                   \
          "null")                                                                                  \
    CHUNK("{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"q\\\"}\"}}]}", "null")      \
    CHUNK("{}", "\"tool_calls\"") DONE
#define TOOLS                                                                                      \
    "\"tools\":[{\"type\":\"function\",\"name\":\"read_file\",\"parameters\":{\"type\":"           \
    "\"object\"}},{\"type\":\"custom\",\"name\":\"apply_patch\"}]"

Test(upstream, tools_go_there_and_back)
{
    struct scene scene;
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
               {"POST /v1/chat/completions ", .holds = "\"role\":\"tool\"", .body = HELLO},
               {"POST /v1/chat/completions ", .body = CALLS});
    peer_create(&scene.peer, TOOLS ",\"model\":\"x\",\"store\":false,\"input\":[" USER("hi") "]");
    const struct json_value *event = peer_ending(&scene.peer, NULL);
    expect_type(event, "response.completed");
    expect_str(json_get_str(output_at(event, 0), "arguments"), "{\"path\":\"a\"}");
    expect_str(json_get_str(output_at(event, 0), "call_id"), "aB3");
    expect_str(json_get_str(output_at(event, 1), "type"), "custom_tool_call");
    expect_str(json_get_str(output_at(event, 1), "input"), "pq");
    cr_expect_geq(peer_count(&scene.peer, "response.function_call_arguments.delta", NULL), 1);
    cr_expect_geq(peer_count(&scene.peer, "response.custom_tool_call_input.delta", NULL), 1);
    peer_create(&scene.peer,
                TOOLS ",\"model\":\"x\",\"store\":false,\"previous_response_id\":\"%s\",\"input\":["
                      "{\"type\":\"function_call_output\",\"call_id\":\"aB3\",\"output\":\"A\"},{"
                      "\"type\":\"custom_tool_call_output\",\"call_id\":\"aB4\",\"output\":\"B\"}]",
                event_id(event));
    expect_type(peer_ending(&scene.peer, NULL), "response.completed");
    struct json_value *first = scene_asked(&scene, "/v1/chat/completions", 0),
                      *second = scene_asked(&scene, "/v1/chat/completions", 1);
    struct buf before = {0}, after = {0};
    json_append(&before, json_get(first, "messages"));
    json_append(&after, json_get(second, "messages"));
    cr_expect(str_starts_with(buf_str(&after), str_slice(buf_str(&before), 0, before.len - 1)));
    cr_expect_eq(json_count(json_get(second, "messages")), 4);
    cr_expect_eq(json_get_int(second, "id_slot", -1), json_get_int(first, "id_slot", -2));
    buf_finish(&before);
    buf_finish(&after);
    json_free(first);
    json_free(second);
    scene_end(&scene);
}

/* Two conversations at once stay on two slots, and go on there. */
Test(upstream, lanes_keep_their_slots)
{
    struct scene scene;
    char first[128], second[128];
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS, {"POST /v1/chat/completions ", .body = HELLO});
    peer_create(&scene.peer, "\"stream_id\":\"a\",\"store\":false,\"input\":[" USER("one") "]");
    snprintf(first, sizeof(first), "%s", event_id(peer_ending(&scene.peer, "a")));
    peer_create(&scene.peer, "\"stream_id\":\"b\",\"store\":false,\"input\":[" USER("two") "]");
    snprintf(second, sizeof(second), "%s", event_id(peer_ending(&scene.peer, "b")));
    peer_create(
        &scene.peer,
        "\"stream_id\":\"b\",\"store\":false,\"previous_response_id\":\"%s\",\"input\":[" USER(
            "three") "]",
        second);
    peer_ending(&scene.peer, "b");
    peer_create(
        &scene.peer,
        "\"stream_id\":\"a\",\"store\":false,\"previous_response_id\":\"%s\",\"input\":[" USER(
            "four") "]",
        first);
    peer_ending(&scene.peer, "a");
    int64_t slots[4];
    for (size_t i = 0; i < 4; i++) {
        struct json_value *body = scene_asked(&scene, "/v1/chat/completions", i);
        slots[i] = json_get_int(body, "id_slot", -1);
        json_free(body);
    }
    cr_expect_neq(slots[0], slots[1]);
    cr_expect_eq(slots[2], slots[1]);
    cr_expect_eq(slots[3], slots[0]);
    scene_end(&scene);
}

Test(upstream, a_warm_up_is_read_by_llama_cpp_alone)
{
    struct scene scene;
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
               {"POST /v1/chat/completions ", .body = CHUNK("{}", "\"length\"") DONE});
    peer_create(&scene.peer, "\"generate\":false,\"input\":[" USER("hi") "]");
    const struct json_value *event = peer_ending(&scene.peer, NULL);
    expect_type(event, "response.completed");
    cr_expect_eq(json_count(json_at(event, "response", "output", NULL)), 0);
    struct json_value *body = scene_asked(&scene, "/v1/chat/completions", 0);
    cr_expect_eq(json_get_int(body, "max_tokens", -1), 0);
    json_free(body);
    scene_end(&scene);
    scene_play(&scene, VLLM_MODELS, {"POST /v1/chat/completions ", .body = HELLO});
    peer_create(&scene.peer, "\"generate\":false,\"input\":[" USER("hi") "]");
    expect_type(peer_ending(&scene.peer, NULL), "response.completed");
    cr_expect(!stage_request(&scene.stage, "POST /v1/chat", 0));
    scene_end(&scene);
}

/* -- Leaving --------------------------------------------------------------------------------------
 */

Test(upstream, who_leaves_takes_the_request_along)
{
    struct scene scene;
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
               {"POST /v1/chat/completions ", .body = CHUNK("{\"content\":\"on and \"}", "null"),
                .chunked = true, .stays = true});
    peer_create(&scene.peer, "\"stream_id\":\"a\",\"input\":[" USER("hi") "]");
    peer_create(&scene.peer, "\"stream_id\":\"b\",\"input\":[" USER("hi") "]");
    for (size_t seen = 0; seen < 2;)
        seen += peer_next(&scene.peer, "response.output_text.delta") != NULL;
    peer_end(&scene.peer);
    scene_wait_left(&scene, 2);
    peer_open(&scene.peer, &scene.party);
    scene_end(&scene);
}

/* A lane that is given up: the response ends, the request is dropped, and the lane is free. */
Test(upstream, a_lane_can_be_given_up)
{
    struct scene scene;
    struct fetch fetch;
    char id[128];
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
               {"POST /v1/chat/completions ", .holds = "again", .body = HELLO},
               {"POST /v1/chat/completions ", .body = CHUNK("{\"content\":\"on\"}", "null"),
                .chunked = true, .stays = true});
    peer_create(&scene.peer, "\"stream_id\":\"a\",\"input\":[" USER("hi") "]");
    snprintf(id, sizeof(id), "%s", event_id(peer_next(&scene.peer, "response.created")));
    peer_next(&scene.peer, "response.output_text.delta");
    peer_send(&scene.peer, "{\"type\":\"response.cancel\",\"response_id\":\"%s\"}", id);
    const struct json_value *event = peer_ending(&scene.peer, "a");
    expect_type(event, "response.incomplete");
    expect_str(json_get_str(json_at(event, "response", "incomplete_details", NULL), "reason"),
               "cancelled");
    scene_wait_left(&scene, 1);
    peer_create(&scene.peer, "\"stream_id\":\"a\",\"input\":[" USER("again") "]");
    expect_type(peer_ending(&scene.peer, "a"), "response.completed");
    peer_send(&scene.peer, "{\"type\":\"response.cancel\",\"response_id\":\"%s\"}", id);
    cr_expect_str_eq(error_code(peer_ending(&scene.peer, NULL)), "response_not_active");
    fetch_run(&fetch, &scene.party, "GET", "/metrics", NULL);
    cr_expect(strstr(fetch.body.ptr, "\"upstream\":{\"asked\":2,\"dropped\":1,\"failed\":0,"), "%s",
              fetch.body.ptr);
    fetch_end(&fetch);
    scene_end(&scene);
}

Test(upstream, an_http_client_that_leaves_cancels_too)
{
    struct scene scene;
    struct fetch fetch;
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
               {"POST /v1/chat/completions ", .body = CHUNK("{\"content\":\"on\"}", "null"),
                .stays = true});
    fetch_start(&fetch, &scene.party, "POST", "/v1/responses", "{\"stream\":true,\"input\":\"hi\"}",
                NULL, 0);
    for (unsigned i = 0; i < PATIENCE_TURNS && fetch.body.len == 0; i++)
        party_run_ms(&scene.party, TURN_MS);
    fetch_end(&fetch);
    scene_wait_left(&scene, 1);
    scene_end(&scene);
}

/* -- On the wire ----------------------------------------------------------------------------------
 */

Test(upstream, deltas_do_not_wait_for_the_end)
{
    struct scene scene;
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
               {"POST /v1/chat/completions ",
                .body = CHUNK("{\"content\":\"first\"}", "null") "\a" CHUNK(
                    "{\"content\":\"second\"}", "null") CHUNK("{}", "\"stop\"") DONE});
    peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
    expect_str(json_get_str(peer_next(&scene.peer, "response.output_text.delta"), "delta"),
               "first");
    stage_go_on(&scene.stage);
    expect_str(json_get_str(peer_next(&scene.peer, "response.output_text.delta"), "delta"),
               "second");
    expect_type(peer_ending(&scene.peer, NULL), "response.completed");
    scene_end(&scene);
}

Test(upstream, torn_bodies_chunked_or_not)
{
    static const size_t tears[] = {1, 7, 143};
    for (size_t i = 0; i < 2 * array_count(tears); i++) {
        struct scene scene;
        scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
                   {"POST /v1/chat/completions ", .body = HELLO, .tear = tears[i / 2],
                    .chunked = i % 2 == 1});
        peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
        const struct json_value *event = peer_ending(&scene.peer, NULL);
        expect_type(event, "response.completed");
        expect_str(json_get_str(json_first(json_get(output_at(event, 1), "content")), "text"),
                   "Hello \xC3\xA9\xF0\x9F\x98\x80");
        scene_end(&scene);
    }
}

Test(upstream, a_server_that_does_not_stream)
{
    struct scene scene;
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
               {"POST /v1/chat/completions ", .type = "application/json",
                .body = "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{"
                        "\"role\":\"assistant\",\"content\":\"all at once\"}}],\"usage\":{"
                        "\"prompt_tokens\":3,\"completion_tokens\":2}}"});
    peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
    expect_str(str_from(event_text(peer_ending(&scene.peer, NULL))), "all at once");
    scene_end(&scene);
}

/* A message for what runs: the answer is broken off between two items. */
Test(upstream, steering_breaks_off_between_items)
{
    struct scene scene;
    scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
               {"POST /v1/chat/completions ", .holds = "\"content\":\"stop\"", .body = HELLO},
               {"POST /v1/chat/completions ",
                .body = CHUNK("{\"reasoning_content\":\"Hm\"}",
                              "null") "\a" CHUNK("{\"content\":\"long\"}", "null"),
                .stays = true});
    peer_create(&scene.peer, "\"input\":[" USER("go") "]");
    char id[128];
    snprintf(id, sizeof(id), "%s", event_id(peer_next(&scene.peer, "response.created")));
    peer_next(&scene.peer, "response.reasoning_text.delta");
    peer_send(&scene.peer,
              "{\"type\":\"response.steer\",\"previous_response_id\":\"%s\",\"input\":[" USER(
                  "stop") "]}",
              id);
    peer_next(&scene.peer, "response.steer.accepted");
    stage_go_on(&scene.stage);
    const struct json_value *event = peer_ending(&scene.peer, NULL);
    expect_type(event, "response.incomplete");
    event = peer_ending(&scene.peer, NULL);
    expect_type(event, "response.completed");
    scene_wait_left(&scene, 1);
    scene_end(&scene);
}
