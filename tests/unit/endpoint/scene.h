/* The engine upstream:URL between a client and a scripted server, and what such servers say. */
#ifndef TESTS_ENDPOINT_SCENE_H
#define TESTS_ENDPOINT_SCENE_H

#include "helper.h"
#include "stage.h"

struct scene {
    struct staged stage;
    struct party party;
    struct peer peer;
};
void scene_start(struct scene *scene, const struct stage_reply *replies, size_t count,
                 struct endpoint_options options);
#define scene_play(scene, ...)                                                                     \
    scene_start(scene, (const struct stage_reply[]){__VA_ARGS__},                                  \
                sizeof((const struct stage_reply[]){__VA_ARGS__}) / sizeof(struct stage_reply),    \
                (struct endpoint_options){0})
void scene_end(struct scene *scene);
/* The body of the nth request to a route, as JSON; freed by the caller. */
struct json_value *scene_asked(struct scene *scene, const char *route, size_t nth);
/* Until so many requests were left by who made them. */
void scene_wait_left(struct scene *scene, size_t times);
const struct json_value *output_at(const struct json_value *event, size_t index);

#define expect_str(value, text)                                                                    \
    do {                                                                                           \
        struct str got_ = (value);                                                                 \
        cr_expect(str_eq_c(got_, text), "got \"" STR_FMT "\"", STR_ARG(got_));                     \
    } while (0)

/* -- Servers --------------------------------------------------------------------------------- */

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

#endif
