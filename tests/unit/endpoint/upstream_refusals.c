/* The engine upstream:URL with servers that refuse, break off, are gone or have another way; and
 * its options. */
#include <stdio.h>
#include <string.h>

#include "scene.h"

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
    struct json_value *first = scene_asked(&scene, "/v1/chat/completions", 0),
                      *second = scene_asked(&scene, "/v1/chat/completions", 1);
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
    struct json_value *body = scene_asked(&scene, "/v1/responses", 1);
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
