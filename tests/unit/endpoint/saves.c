/* What a connection saves: the same answers with and without, and the work counted. */
#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(saves, .timeout = 60);

enum { STEPS = 5 };
#define CALL(label)                                                                                \
    "{\"emit\":[{\"type\":\"reasoning\",\"text\":\"hm\"},{\"type\":\"function_call\",\"name\":"    \
    "\"f\",\"call\":\"" label "\",\"arguments\":{\"path\":\"a/b.c\"}}]}\n"
#define SCRIPT                                                                                     \
    CALL("a")                                                                                      \
    CALL("b")                                                                                      \
    CALL("c") CALL("d") "{\"emit\":[{\"type\":\"message\",\"text\":\"done, all of "                \
                        "it\"}]}"
#define TOOLS                                                                                      \
    "\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"does it\","                \
    "\"parameters\":{\"type\":\"object\"}}],\"instructions\":\"Be short.\""
#define PNG "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAA="

/* The 256 bytes and a few words. */
static void append_vocab(struct buf *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char *const words[] = {"aXQ=", "dXNlcg==", "b25l", "IGFsbA=="};
    for (unsigned byte = 0; byte < 256; byte++)
        buf_append_fmt(text, "%c%c== %u\n", digits[byte >> 2], digits[(byte & 3) << 4], byte);
    for (unsigned i = 0; i < array_count(words); i++)
        buf_append_fmt(text, "%s %u\n", words[i], 256 + i);
}

static int64_t metric(struct party *party, const char *group, const char *name)
{
    struct fetch fetch;
    struct json_value *value = NULL;
    fetch_run(&fetch, party, "GET", "/metrics", NULL);
    cr_assert_eq(json_parse(buf_str(&fetch.body), &value, NULL), STATUS_OK);
    const struct json_value *found = json_at(value, group, name, NULL);
    cr_assert(found, "%s.%s: %s", group, name, fetch.body.ptr);
    int64_t number =
        json_is(found, JSON_OBJECT) ? json_get_int(found, "count", -1) : json_int(found, -1);
    json_free(value);
    fetch_end(&fetch);
    return number;
}

static int64_t usage_of(const struct json_value *event, const char *name)
{
    return json_int(json_at(event, "response", "usage", name, NULL), -1);
}

struct rollout {
    int64_t input[STEPS], output[STEPS], cached[STEPS];
};

/* A turn of some calls on one lane. */
static void roll(struct party *party, struct peer *peer, bool store, struct rollout *ret)
{
    char id[128] = "", call[128] = "";
    peer_create(peer, TOOLS ",\"store\":%s,\"input\":[" USER("begin it") "]",
                store ? "true" : "false");
    for (size_t i = 0; i < STEPS; i++) {
        const struct json_value *event = peer_ending(peer, NULL);
        expect_type(event, "response.completed");
        ret->input[i] = usage_of(event, "input_tokens");
        ret->output[i] = usage_of(event, "output_tokens");
        ret->cached[i] = json_int(
            json_at(event, "response", "usage", "input_tokens_details", "cached_tokens", NULL), -1);
        snprintf(id, sizeof(id), "%s", event_id(event));
        if (i + 1 == STEPS)
            break;
        snprintf(call, sizeof(call), "%s", event_call(event, 1));
        peer_create(peer,
                    TOOLS ",\"store\":%s,\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]",
                    store ? "true" : "false", id, call, "one line\\nand one more");
    }
}

static void play(const struct endpoint_options *options, struct rollout *ret_rollout,
                 void (*look)(struct party *party, const struct rollout *rollout))
{
    struct party party;
    struct peer peer;
    party_start_with(&party, *options);
    peer_open(&peer, &party);
    roll(&party, &peer, options->store_path != NULL, ret_rollout);
    if (look)
        look(&party, ret_rollout);
    peer_end(&peer);
    party_end(&party);
}

/* -- Tokens ---------------------------------------------------------------------------------------
 */

/* Each item once; the tools and the instructions once. */
static void look_once(struct party *party, const struct rollout *rollout)
{
    int64_t last = rollout->input[STEPS - 1] + rollout->output[STEPS - 1];
    cr_expect_eq(metric(party, "tokens", "rendered"), last);
    cr_expect_gt(metric(party, "tokens", "not_rendered_again"), 0);
    cr_expect_eq(metric(party, "tools", "checked"), 1);
    cr_expect_eq(metric(party, "tools", "reused"), STEPS - 1);
    cr_expect_eq(metric(party, "items", "checked"), STEPS);
    cr_expect_eq(metric(party, "routes", "resolved"), 1);
    cr_expect_eq(metric(party, "routes", "reused"), STEPS - 1);
    cr_expect_eq(metric(party, "stages", "render"), STEPS);
    cr_expect_eq(metric(party, "stages", "bookkeeping"), STEPS);
}

static void look_tokens(struct party *party, const struct rollout *rollout)
{
    int64_t sum = 0;
    for (size_t i = 0; i < STEPS; i++)
        sum += rollout->input[i] + rollout->output[i];
    cr_expect_eq(metric(party, "tokens", "rendered"), sum);
    cr_expect_eq(metric(party, "tokens", "not_rendered_again"), 0);
}

/* 2 items in the first response and a call's output each step, plus what was new. */
static void look_validation(struct party *party, const struct rollout *rollout)
{
    int64_t items = 0;
    for (int64_t i = 0; i < STEPS; i++)
        items += 3 * i + 1;
    cr_expect_eq(metric(party, "items", "checked"), items);
    cr_expect_eq(metric(party, "items", "not_checked_again"), 0);
}

static void look_routing(struct party *party, const struct rollout *rollout)
{
    cr_expect_eq(metric(party, "routes", "resolved"), STEPS);
    cr_expect_eq(metric(party, "routes", "reused"), 0);
}

static const struct {
    enum endpoint_saving saving;
    void (*look)(struct party *party, const struct rollout *rollout);
} ablations[] = {
    {ENDPOINT_TOKENS, look_tokens},
    {ENDPOINT_VALIDATION, look_validation},
    {ENDPOINT_ROUTING, look_routing},
};

static void expect_same_counts(const struct endpoint_options *options)
{
    struct rollout with, without;
    play(options, &with, look_once);
    for (size_t i = 1; i < STEPS; i++) {
        cr_expect_gt(with.input[i], with.input[i - 1]);
        cr_expect_gt(with.cached[i], with.cached[i - 1]);
    }
    for (size_t i = 0; i < array_count(ablations); i++) {
        struct endpoint_options anew = *options;
        anew.without = 1u << ablations[i].saving;
        play(&anew, &without, ablations[i].look);
        cr_expect_eq(memcmp(&with, &without, sizeof(with)), 0, "%s",
                     endpoint_saving_name(ablations[i].saving));
    }
}

Test(saves, the_same_tokens_appended_or_all_at_once)
{
    struct buf vocab = {0};
    append_vocab(&vocab);
    expect_same_counts(&(struct endpoint_options){.replay = STR(SCRIPT), .vocab = buf_str(&vocab)});
    buf_finish(&vocab);
}

Test(saves, the_same_estimates_appended_or_all_at_once)
{
    expect_same_counts(&(struct endpoint_options){.replay = STR(SCRIPT)});
}

/* Every step finds the response before it in the file, and renders all of it. */
static void look_cold(struct party *party, const struct rollout *rollout)
{
    cr_expect_eq(metric(party, "cache", "hits"), 0);
    cr_expect_eq(metric(party, "cache", "stored_hits"), STEPS - 1);
    cr_expect_eq(metric(party, "tokens", "not_rendered_again"), 0);
}

static void look_books(struct party *party, const struct rollout *rollout)
{
    cr_expect_eq(metric(party, "stages", "bookkeeping"), STEPS);
    cr_expect_eq(metric(party, "cache", "hits"), STEPS - 1);
}

Test(saves, the_same_out_of_the_file_and_with_the_books_first)
{
    char folder[] = "/tmp/lanebridge-saves-XXXXXX";
    struct rollout with, cold, books;
    struct buf path = {0};
    cr_assert(mkdtemp(folder));
    buf_append_fmt(&path, "%s/store.db", folder);
    struct endpoint_options options = {.replay = STR(SCRIPT), .store_path = path.ptr};
    play(&options, &with, NULL);
    options.without = 1u << ENDPOINT_RESPONSE_CACHE;
    play(&options, &cold, look_cold);
    options.without = 1u << ENDPOINT_BOOKKEEPING;
    play(&options, &books, look_books);
    cr_expect_eq(memcmp(&with, &cold, sizeof(with)), 0);
    cr_expect_eq(memcmp(&with, &books, sizeof(with)), 0);
    static const char *const files[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < array_count(files); i++) {
        struct buf file = {0};
        buf_append_fmt(&file, "%s%s", path.ptr, files[i]);
        unlink(file.ptr);
        buf_finish(&file);
    }
    cr_expect_eq(rmdir(folder), 0);
    buf_finish(&path);
}

Test(saves, without_its_cache_it_needs_a_store)
{
    struct loop *loop = loop_new(NULL);
    struct net *net = net_new(loop, &(struct net_options){0}, NULL);
    struct err err = {0};
    const struct endpoint_options options = {.without = 1u << ENDPOINT_RESPONSE_CACHE};
    cr_expect_null(endpoint_new(loop, net, &options, &err));
    cr_expect(strstr(err.text, "store"), "%s", err.text);
    net_free(net);
    loop_free(loop);
}

Test(saves, where_the_count_comes_from_is_said)
{
    struct buf vocab = {0};
    struct party party;
    struct peer peer;
    append_vocab(&vocab);
    party_start_with(&party, (struct endpoint_options){.vocab = buf_str(&vocab)});
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":\"user\"");
    const struct json_value *event = peer_ending(&peer, NULL),
                            *metadata = json_at(event, "response", "metadata", NULL);
    cr_expect(
        strstr(json_get_str(metadata, "lanebridge_usage").ptr, "byte-pair tokens (cl100k, 260)"));
    cr_expect_eq(usage_of(event, "input_tokens"), 5, "start, user, message, user, end");
    cr_expect(strstr(json_get_str(metadata, "lanebridge_stages_us").ptr, "render="));
    peer_end(&peer);
    party_end(&party);
    buf_finish(&vocab);
}

Test(saves, a_file_that_is_no_vocabulary_is_refused)
{
    struct loop *loop = loop_new(NULL);
    struct net *net = net_new(loop, &(struct net_options){0}, NULL);
    struct err err = {0};
    const struct endpoint_options options = {.vocab = STR("x\n"), .vocab_name = "v.tiktoken"};
    cr_expect_null(endpoint_new(loop, net, &options, &err));
    cr_expect(strstr(err.text, "v.tiktoken is no vocabulary"), "%s", err.text);
    net_free(net);
    loop_free(loop);
}

/* -- Images ---------------------------------------------------------------------------------------
 */

#define IMAGE                                                                                      \
    "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"" PNG    \
    "\"}]}]"

static void send_images(unsigned without, int64_t decoded)
{
    struct party party;
    struct peer peer;
    party_start_with(&party, (struct endpoint_options){.without = without});
    peer_open(&peer, &party);
    peer_create(&peer, IMAGE);
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_gt(usage_of(event, "input_tokens"), 255);
    peer_create(&peer, IMAGE ",\"previous_response_id\":\"%s\"", event_id(event));
    peer_ending(&peer, NULL);
    cr_expect_eq(metric(&party, "images", "decoded"), decoded);
    peer_end(&peer);
    party_end(&party);
}

Test(saves, an_image_is_decoded_once_on_a_connection)
{
    send_images(0, 1);
    send_images(1u << ENDPOINT_VALIDATION, 2);
}

Test(saves, over_http_nothing_is_known_of_the_request_before)
{
    struct party party;
    struct fetch fetch;
    party_start_with(&party, (struct endpoint_options){0});
    for (unsigned i = 0; i < 2; i++) {
        fetch_run(&fetch, &party, "POST", "/v1/responses", "{" IMAGE "," TOOLS "}");
        cr_expect_eq(fetch.status, 200);
        fetch_end(&fetch);
    }
    cr_expect_eq(metric(&party, "images", "decoded"), 2);
    cr_expect_eq(metric(&party, "tools", "checked"), 2);
    cr_expect_eq(metric(&party, "routes", "resolved"), 2);
    party_end(&party);
}

Test(saves, a_refusal_is_timed)
{
    struct party party;
    struct peer peer;
    party_start(&party, NULL);
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[{\"role\":\"nobody\",\"content\":\"x\"}]");
    cr_expect_str_eq(error_code(peer_ending(&peer, NULL)), "invalid_value");
    cr_expect_eq(metric(&party, "stages", "refusal"), 1);
    peer_end(&peer);
    party_end(&party);
}
