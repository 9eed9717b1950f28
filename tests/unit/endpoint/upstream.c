/* The engine upstream:URL against a scripted server: what goes out, what comes back, and who leaves
 * when. The streams are as the servers' documentation and sources have them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "stage.h"

TestSuite(upstream, .timeout = 60);

#define LLAMA_MODELS                                                                               \
    {                                                                                              \
        "GET /v1/models ",                                                                         \
            .type = "application/json",                                                            \
            .body = "{\"object\":\"list\",\"data\":[{\"id\":\"tiny.gguf\",\"object\":\"model\","   \
                    "\"created\":1,\"owned_by\":\"llamacpp\",\"meta\":{}}]}"                       \
    }
#define LLAMA_PROPS                                                                                \
    {                                                                                              \
        "GET /props ",                                                                             \
            .type = "application/json",                                                            \
            .body = "{\"total_slots\":2,\"model_path\":\"tiny.gguf\",\"chat_template\":\"\"}"      \
    }
#define VLLM_MODELS                                                                                \
    {                                                                                              \
        "GET /v1/models ",                                                                         \
            .type = "application/json",                                                            \
            .body =                                                                                \
                "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\",\"created\":1," \
                "\"owned_by\":\"vllm\",\"max_model_len\":4096}]}"                                  \
    }
#define CHUNK(delta, finish)                                                                       \
    "data: {\"choices\":[{\"finish_reason\":" finish ",\"index\":0,\"delta\":" delta               \
    "}],\"created\":1,\"id\":\"chatcmpl-1\",\"model\":\"tiny.gguf\",\"system_fingerprint\":"       \
    "\"b1\",\"object\":\"chat.completion.chunk\"}\n\n"
#define USAGE(prompt, cached, completion)                                                          \
    "data: "                                                                                       \
    "{\"choices\":[],\"object\":\"chat.completion.chunk\",\"usage\":{\"completion_"                \
    "tokens\":" #completion ",\"prompt_tokens\":" #prompt                                          \
    ",\"total_tokens\":0,\"prompt_tokens_details\":{"                                              \
    "\"cached_tokens\":" #cached "}},\"timings\":{\"prompt_n\":1}}\n\n"
#define DONE "data: [DONE]\n\n"
#define HELLO                                                                                      \
    CHUNK("{\"role\":\"assistant\",\"content\":null}", "null")                                     \
    CHUNK("{\"reasoning_content\":\"Hm. \"}", "null")                                              \
    CHUNK("{\"reasoning_content\":\"Well.\"}", "null")                                             \
    CHUNK("{\"content\":\"Hel\"}", "null")                                                         \
    CHUNK("{\"content\":\"lo \\u00e9\\ud83d\\ude00\"}", "null")                                    \
    CHUNK("{}", "\"stop\"") USAGE(50, 30, 7) DONE

struct scene {
    struct staged stage;
    struct party party;
    struct peer peer;
};

static void scene_start(struct scene *scene, const struct stage_reply *replies, size_t count,
                        struct endpoint_options options)
{
    char url[64];
    stage_start(&scene->stage, replies, count);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", scene->stage.port);
    options.upstream_url = url;
    party_start_with(&scene->party, options);
    peer_open(&scene->peer, &scene->party);
}

#define scene_play(scene, ...)                                                                     \
    scene_start(scene, (const struct stage_reply[]){__VA_ARGS__},                                  \
                sizeof((const struct stage_reply[]){__VA_ARGS__}) / sizeof(struct stage_reply),    \
                (struct endpoint_options){0})

static void scene_end(struct scene *scene)
{
    peer_end(&scene->peer);
    party_end(&scene->party);
    stage_end(&scene->stage);
}

/* The body of the nth request to a route, as JSON; freed by the caller. */
static struct json_value *asked(struct scene *scene, const char *route, size_t nth)
{
    char line[128];
    struct json_value *value = NULL;
    struct err err = {0};
    snprintf(line, sizeof(line), "POST %s ", route);
    const char *request = stage_request(&scene->stage, line, nth);
    cr_assert(request, "no request %zu to %s", nth, route);
    cr_assert_eq(json_parse(str_from(stage_body(request)), &value, &err), STATUS_OK, "%s: %s",
                 err.text, stage_body(request));
    return value;
}

static const struct json_value *output_at(const struct json_value *event, size_t index)
{
    const struct json_value *item = json_first(json_at(event, "response", "output", NULL));
    while (item && index-- > 0)
        item = json_next(item);
    return item;
}

#define expect_str(value, text)                                                                    \
    do {                                                                                           \
        struct str got_ = (value);                                                                 \
        cr_expect(str_eq_c(got_, text), "got \"" STR_FMT "\"", STR_ARG(got_));                     \
    } while (0)

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
    struct json_value *body = asked(&scene, "/v1/chat/completions", 0);
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
    struct json_value *first = asked(&scene, "/v1/chat/completions", 0),
                      *second = asked(&scene, "/v1/chat/completions", 1);
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
        struct json_value *body = asked(&scene, "/v1/chat/completions", i);
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
    struct json_value *body = asked(&scene, "/v1/chat/completions", 0);
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

static void wait_left(struct scene *scene, size_t times)
{
    for (unsigned i = 0; i < PATIENCE_TURNS && stage_left(&scene->stage) < times; i++)
        party_run_ms(&scene->party, TURN_MS);
    cr_expect_eq(stage_left(&scene->stage), times, "the server was not told");
}

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
    wait_left(&scene, 2);
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
    wait_left(&scene, 1);
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
    wait_left(&scene, 1);
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

/* -- Errors ---------------------------------------------------------------------------------------
 */

#define ERROR_BODY "{\"error\":{\"message\":\"they say so\",\"type\":\"x\"}}"
static const struct {
    int status, told;
    const char *code;
} refusals[] = {
    {400, 400, NULL},           {401, 403, "upstream_auth"},
    {404, 404, "not_found"},    {429, 429, "rate_limit_exceeded"},
    {500, 500, "server_error"}, {503, 503, "server_is_overloaded"},
};

Test(upstream, refusals_are_errors_before_anything_was_said)
{
    for (size_t i = 0; i < array_count(refusals); i++) {
        struct scene scene;
        struct fetch fetch;
        scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
                   {"POST /v1/chat/completions ", .status = refusals[i].status,
                    .type = "application/json", .headers = "retry-after: 3\r\n",
                    .body = ERROR_BODY});
        peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
        const struct json_value *event = peer_ending(&scene.peer, NULL);
        expect_type(event, "error");
        cr_expect_eq(json_get_int(event, "status", 0), refusals[i].told);
        if (refusals[i].code)
            cr_expect_str_eq(error_code(event), refusals[i].code);
        cr_expect(strstr(error_message(event), "they say so"));
        expect_str(json_get_str(json_get(event, "headers"), "retry-after"), "3");
        cr_expect_eq(peer_count(&scene.peer, "response.created", NULL), 0);
        fetch_run(&fetch, &scene.party, "POST", "/v1/responses", "{\"input\":\"hi\"}");
        cr_expect_eq(fetch.status, refusals[i].told);
        fetch_end(&fetch);
        scene_end(&scene);
    }
}

/* \a: when the first words have been said. */
#define HALF CHUNK("{\"content\":\"Hal\"}", "null") "\a"

Test(upstream, a_stream_that_breaks_fails)
{
    static const char *const bodies[] = {
        HALF,
        HALF "data: {\"error\":{\"message\":\"out of memory\"}}\n\n",
        HALF "data: {oops\n\n",
    };
    for (size_t i = 0; i < 2 * array_count(bodies); i++) {
        struct scene scene;
        scene_play(&scene, LLAMA_MODELS, LLAMA_PROPS,
                   {"POST /v1/chat/completions ", .body = bodies[i / 2], .chunked = i % 2 == 1,
                    .cuts = true});
        peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
        peer_next(&scene.peer, "response.output_text.delta");
        stage_go_on(&scene.stage);
        const struct json_value *event = peer_ending(&scene.peer, NULL);
        expect_type(event, "response.failed");
        expect_str(json_get_str(json_at(event, "response", "error", NULL), "code"), "server_error");
        cr_expect_eq(peer_count(&scene.peer, "response.output_item.done", NULL), 0);
        scene_end(&scene);
    }
}

/* Who was lost may come back as somebody else. */
Test(upstream, a_lost_server_is_asked_anew_what_it_is)
{
    struct scene scene;
    scene_play(
        &scene,
        {"GET /v1/models ", .times = 1, .type = "application/json",
         .body = "{\"data\":[{\"id\":\"a\",\"owned_by\":\"llamacpp\"}]}"},
        VLLM_MODELS,
        {"POST /v1/chat/completions ", .times = 1, .body = HALF, .chunked = true, .cuts = true},
        {"POST /v1/chat/completions ", .body = HELLO});
    peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
    peer_next(&scene.peer, "response.output_text.delta");
    stage_go_on(&scene.stage);
    expect_type(peer_ending(&scene.peer, NULL), "response.failed");
    peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
    expect_type(peer_ending(&scene.peer, NULL), "response.completed");
    struct json_value *first = asked(&scene, "/v1/chat/completions", 0),
                      *second = asked(&scene, "/v1/chat/completions", 1);
    expect_str(json_get_str(first, "model"), "a");
    expect_str(json_get_str(second, "model"), "m");
    cr_expect(!json_get(second, "cache_prompt"), "that is llama.cpp's alone");
    json_free(first);
    json_free(second);
    scene_end(&scene);
}

Test(upstream, a_server_that_is_not_there)
{
    struct scene scene;
    scene_play(&scene,
               {"GET /v1/models ", .status = 503, .type = "application/json", .times = 2,
                .body = "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":"
                        "\"unavailable_error\"}}"},
               LLAMA_MODELS, LLAMA_PROPS, {"POST /v1/chat/completions ", .body = HELLO});
    peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
    const struct json_value *event = peer_ending(&scene.peer, NULL);
    cr_expect_str_eq(error_code(event), "server_is_overloaded");
    for (unsigned i = 0; i < 3; i++) { /* and it is asked again */
        peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
        event = peer_ending(&scene.peer, NULL);
    }
    expect_type(event, "response.completed");
    scene_end(&scene);
}

Test(upstream, a_port_where_nobody_listens)
{
    struct party party;
    struct peer peer;
    party_start_with(&party, (struct endpoint_options){.upstream_url = "http://127.0.0.1:1"});
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[" USER("hi") "]");
    const struct json_value *event = peer_ending(&peer, NULL);
    expect_type(event, "error");
    cr_expect(strstr(error_message(event), "cannot be asked"), "%s", error_message(event));
    peer_end(&peer);
    party_end(&party);
}

/* -- /v1/responses --------------------------------------------------------------------------------
 */

#define E(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"

Test(upstream, responses_where_the_server_has_them)
{
    struct scene scene;
    scene_play(
        &scene, VLLM_MODELS,
        {"POST /v1/responses ", .holds = "\"input\"",
         .body = E("response.created", ",\"response\":{}") E(
             "response.output_text.delta", ",\"item_id\":\"m\",\"output_index\":0,\"delta\":\"Hi\"")
             E("response.output_item.done",
               ",\"output_index\":0,\"item\":{\"id\":\"m\",\"type\":\"message\",\"status\":"
               "\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
               "\"text\":\"Hi\",\"annotations\":[]}]}")
                 E("response.completed", ",\"response\":{\"status\":\"completed\"}")},
        {"POST /v1/responses ", .status = 422, .type = "application/json",
         .body = "{\"error\":{\"message\":\"field required\"}}"});
    peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
    const struct json_value *event = peer_ending(&scene.peer, NULL);
    expect_type(event, "response.completed");
    cr_expect_str_eq(event_text(event), "Hi");
    struct json_value *body = asked(&scene, "/v1/responses", 1);
    cr_expect(!json_get_bool(body, "store", true));
    json_free(body);
    cr_expect(!stage_request(&scene.stage, "POST /v1/chat", 0));
    scene_end(&scene);
}

/* What it has is asked once, also for many requests. */
Test(upstream, chat_where_it_has_none)
{
    static const struct {
        int status;
        const char *body;
    } none[] = {{404, "{}"}, {405, "{}"}, {200, "{\"error\":\"Unexpected endpoint or method.\"}"}};
    for (size_t i = 0; i < array_count(none); i++) {
        struct scene scene;
        scene_play(&scene, VLLM_MODELS,
                   {"POST /v1/responses ", .status = none[i].status, .type = "application/json",
                    .body = none[i].body},
                   {"POST /v1/chat/completions ", .body = HELLO});
        for (unsigned k = 0; k < 2; k++) {
            peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
            expect_type(peer_ending(&scene.peer, NULL), "response.completed");
        }
        cr_expect(!stage_request(&scene.stage, "POST /v1/responses", 1));
        cr_expect(!stage_request(&scene.stage, "GET /v1/models", 1));
        scene_end(&scene);
    }
}

/* -- Options --------------------------------------------------------------------------------------
 */

Test(upstream, key_and_model_are_the_owners)
{
    struct scene scene;
    struct fetch fetch;
    scene_start(&scene,
                (const struct stage_reply[]){
                    LLAMA_MODELS, LLAMA_PROPS, {"POST /v1/chat/completions ", .body = HELLO}},
                3, (struct endpoint_options){.upstream_key = "sk-1", .upstream_model = "mine"});
    peer_create(&scene.peer, "\"model\":\"gpt\",\"input\":[" USER("hi") "]");
    const struct json_value *event = peer_ending(&scene.peer, NULL);
    expect_str(json_get_str(json_get(event, "response"), "model"), "mine");
    const char *request = stage_request(&scene.stage, "POST /v1/chat", 0);
    cr_expect(strstr(request, "authorization: Bearer sk-1\r\n"), "%s", request);
    cr_expect(strstr(request, "\"model\":\"mine\""));
    fetch_run(&fetch, &scene.party, "GET", "/v1/models", NULL);
    cr_expect(strstr(fetch.body.ptr, "\"id\":\"tiny.gguf\""), "%s", fetch.body.ptr);
    fetch_end(&fetch);
    scene_end(&scene);
}

/* What the server says of it is not told to clients, who have no business with it. */
Test(upstream, sec_04_the_key_of_the_server_behind_is_not_passed_on)
{
    struct scene scene;
    scene_start(&scene,
                (const struct stage_reply[]){
                    LLAMA_MODELS,
                    LLAMA_PROPS,
                    {"POST /v1/chat/completions ", .status = 401, .type = "application/json",
                     .body = "{\"error\":{\"message\":\"Incorrect API key: sk-secret-1 "
                             "(sk-secret-1)\"}}"}},
                3, (struct endpoint_options){.upstream_key = "sk-secret-1"});
    peer_create(&scene.peer, "\"input\":[" USER("hi") "]");
    const char *message = error_message(peer_ending(&scene.peer, NULL));
    cr_expect(strstr(message, "Incorrect API key: *********** ("), "%s", message);
    cr_expect(!strstr(message, "secret"), "%s", message);
    scene_end(&scene);
}

Test(upstream, options_that_are_wrong)
{
    static const struct {
        const char *url, *api, *says;
    } wrong[] = {{"http://models.example/v1", NULL, "https"},
                 {"ftp://x", NULL, ""},
                 {"ws://127.0.0.1:1", NULL, "http://"},
                 {"http://127.0.0.1:1/v1?x=1", NULL, "query"},
                 {"http://127.0.0.1:1", "grpc", "auto, responses or chat"}};
    struct loop *loop = loop_new(NULL);
    struct net *net = net_new(loop, &(struct net_options){0}, NULL);
    for (size_t i = 0; i < array_count(wrong); i++) {
        struct err err = {0};
        struct endpoint_options options = {.upstream_url = wrong[i].url,
                                           .upstream_api = wrong[i].api};
        cr_expect_null(endpoint_new(loop, net, &options, &err), "%s", wrong[i].url);
        cr_expect(err.text[0] && strstr(err.text, wrong[i].says), "%s", err.text);
    }
    net_free(net);
    loop_free(loop);
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
    wait_left(&scene, 1);
    scene_end(&scene);
}
