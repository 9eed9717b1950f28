/* The engine upstream:URL against a scripted server: what goes out, what comes back, and who leaves
 * when. The streams are as the servers' documentation and sources have them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "stage.h"

TestSuite(upstream, .timeout = 20);

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
    struct stage stage;
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
    expect_str(json_get_str(body, "model"), "x");
    cr_expect(json_get_bool(body, "cache_prompt", false));
    cr_expect_eq(json_get_int(body, "id_slot", -1), 0);
    json_free(body);
    cr_expect_geq(peer_count(&scene.peer, "response.reasoning_text.delta", NULL), 1);
    cr_expect_geq(peer_count(&scene.peer, "response.output_text.delta", NULL), 1);
    scene_end(&scene);
}
