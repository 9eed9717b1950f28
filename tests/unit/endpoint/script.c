/* Reading a replay file: mistakes are told with their line. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(script, .timeout = 60);

#define CALL                                                                                       \
    "{\"emit\":[{\"type\":\"function_call\",\"call\":\"a\",\"name\":\"f\",\"arguments\":{}}]}\n"

static const struct {
    const char *script, *message;
} mistakes[] = {
    {"\n\n{", "demo.jsonl line 3: JSON at byte 1"},
    {"[]", "demo.jsonl line 1: a line is one JSON object"},
    {"# nothing\n\n", "there is no step in the file"},
    {"{\"rollout\":\"x\"}\n", "demo.jsonl line 1: the rollout \"x\" has no steps"},
    {"{\"rollout\":7}\n", "demo.jsonl line 1: a rollout: "},
    {"{\"rollout\":\"x\",\"match\":{\"txt\":\"\"}}", "line 1: match must be {\"text\""},
    {"{\"rollout\":\"x\",\"match\":{\"regex\":\"(\"}}", "line 1: the regex \"(\" does not work"},
    {"{\"rollout\":\"x\",\"more\":1}", "more"},
    {"{\"rollout\":\"x\",\"takes_over\":true}", "line 1: a rollout that takes over needs a"},
    {CALL "{\"emits\":[]}", "line 2: a step: "},
    {CALL "{\"expect\":{}}", "line 2: a step needs \"emit\""},
    {"{\"emit\":{}}", "emit"},
    {"{\"emit\":[{\"text\":\"x\"}]}", "with a \"type\""},
    {"{\"emit\":[{\"type\":\"message\",\"txt\":\"x\"}]}", "an item of type \"message\""},
    {"{\"emit\":[{\"type\":\"message\"}]}", "text"},
    {"{\"emit\":[{\"type\":\"function_call\",\"name\":\"f\"}]}", "call"},
    {"{\"emit\":[{\"type\":\"function_call\",\"call\":\"a\",\"name\":\"f\",\"arguments\":7}]}",
     "arguments must be"},
    {"{\"emit\":[{\"type\":\"shell_call\",\"call\":\"a\"},{\"type\":\"x_call\",\"call\":\"a\"}]}",
     "two calls of this step are named \"a\""},
    {"{\"emit\":[],\"repeat\":0}", "repeat must be"},
    {"{\"emit\":[],\"pad_bytes\":-1}", "pad_bytes must be"},
    {"{\"emit\":[],\"pace\":{\"chunk\":0}}", "chunk 1 or more"},
    {"{\"emit\":[],\"pace\":{\"slow\":1}}", "pace: "},
    {"{\"emit\":[],\"usage\":{\"tokens\":1}}", "usage: \"tokens\""},
    {"{\"emit\":[],\"fault\":{\"kind\":\"explode\"}}", "there is no kind \"explode\""},
    {"{\"emit\":[],\"fault\":{}}", "kind"},
    {"{\"emit\":[],\"fault\":{\"kind\":\"close\",\"code\":7}}", "a close code is"},
    {"{\"emit\":[],\"fault\":{\"kind\":\"close\",\"code\":\"x\"}}", "must be a number"},
    {"{\"emit\":[],\"fault\":{\"kind\":\"error\",\"code\":7}}", "must be a string"},
    {"{\"emit\":[],\"fault\":{\"kind\":\"cut\",\"times\":0}}", "times 1 or more"},
    {"{\"emit\":[],\"fault\":{\"kind\":\"error\",\"status\":200}}", "400 to 599"},
    {"{\"emit\":[],\"fault\":{\"kind\":\"error\",\"shape\":\"round\"}}", "shape must be"},
    {CALL "{\"expect\":{\"outputs\":{\"b\":null}},\"emit\":[]}",
     "line 2: expect.outputs names \"b\", which no earlier step calls"},
    {CALL "{\"expect\":{\"outputs\":{\"a\":7}},\"emit\":[]}", "must be a string, {\"regex\""},
    {CALL "{\"rollout\":\"x\"}\n{\"expect\":{\"outputs\":{\"a\":null}},\"emit\":[]}",
     "line 3: expect.outputs names \"a\""},
    {"{\"emit\":[{\"type\":\"message\",\"text\":\"${output:a}\"}]}\n" CALL,
     "line 1: ${output:a} names no call"},
    {CALL "{\"emit\":[{\"type\":\"message\",\"text\":\"${output:a\"}]}", "line 2: ${output:"},
};

Test(script, mistakes_are_told_with_their_line)
{
    struct loop *loop = loop_new(NULL);
    struct net *net = net_new(loop, &(struct net_options){0}, NULL);
    for (size_t i = 0; i < array_count(mistakes); i++) {
        struct err err = {0};
        struct endpoint_options options = {.replay = str_from(mistakes[i].script),
                                           .replay_name = "demo.jsonl"};
        cr_assert_null(endpoint_new(loop, net, &options, &err), "%s", mistakes[i].script);
        cr_expect_eq(err.status, STATUS_INVALID);
        cr_expect(strstr(err.text, mistakes[i].message), "%s\ngave: %s", mistakes[i].script,
                  err.text);
        cr_expect_eq(strncmp(err.text, "demo.jsonl line ", 16), 0, "%s", err.text);
    }
    net_free(net);
    loop_free(loop);
}

/* Arguments given as text are sent as they are; outputs are put in where they are named. */
Test(script, arguments_and_substitution)
{
    struct party party;
    struct peer peer;
    party_start(&party, CALL "{\"emit\":[{\"type\":\"function_call\",\"call\":\"b\",\"name\":\"g\","
                             "\"arguments\":{\"text\":\"<${output:a}>\",\"n\":1}},"
                             "{\"type\":\"function_call\",\"call\":\"c\",\"name\":\"g\","
                             "\"arguments\":\"{broken ${output:a}\"},"
                             "{\"type\":\"shell_call\",\"call\":\"d\",\"action\":{\"commands\":"
                             "[\"echo ${output:a}\"]}}]}\n");
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[" USER("x") "]");
    const struct json_value *event = peer_ending(&peer, NULL);
    peer_create(&peer,
                "\"previous_response_id\":\"%s\",\"input\":[{\"type\":\"function_call_output\","
                "\"call_id\":\"%s\",\"output\":[{\"type\":\"input_text\",\"text\":\"a\\\"\"},"
                "{\"type\":\"input_text\",\"text\":\"b\"}]}]",
                event_id(event), event_call(event, 0));
    event = peer_ending(&peer, NULL);
    const struct json_value *item = json_first(json_at(event, "response", "output", NULL));
    cr_expect_str_eq(json_get_str(item, "arguments").ptr, "{\"text\":\"<a\\\"b>\",\"n\":1}");
    item = json_next(item);
    cr_expect_str_eq(json_get_str(item, "arguments").ptr, "{broken a\"b");
    item = json_next(item);
    const struct json_value *command = json_first(json_at(item, "action", "commands", NULL));
    cr_expect_str_eq(json_str(command).ptr, "echo a\"b");
    cr_expect_eq(json_get_str(item, "call").len, 0);
    peer_end(&peer);
    party_end(&party);
}

/* In the middle of a script, with its ids in the input and with its parent. */
Test(script, a_question_takes_over)
{
    struct party party;
    struct peer peer;
    party_start(&party,
                CALL "{\"expect\":{\"outputs\":{\"a\":null}},\"emit\":[{\"type\":\"message\","
                     "\"text\":\"went on\"}]}\n"
                     "{\"rollout\":\"x\",\"match\":{\"text\":\"stop\"},\"takes_over\":true}\n"
                     "{\"emit\":[{\"type\":\"message\",\"text\":\"stopped\"}]}\n");
    peer_open(&peer, &party);
    for (int full = 0; full < 2; full++) {
        peer_create(&peer, "\"input\":[" USER("x") "]");
        const struct json_value *event = peer_ending(&peer, NULL);
        char call[96];
        snprintf(call, sizeof(call), "%s", event_call(event, 0));
        if (full)
            peer_create(&peer,
                        "\"input\":[" USER("x") ",{\"type\":\"function_call\",\"call_id\":\"%s\","
                                                "\"name\":\"f\",\"arguments\":\"{}\"}," OUTPUT
                                                "," USER("stop") "]",
                        call, call, "none");
        else
            peer_create(&peer,
                        "\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "," USER("stop") "]",
                        event_id(event), call, "none");
        cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "stopped", "full %d", full);
    }
    peer_end(&peer);
    party_end(&party);
}

/* Shell and patch answers have outputs of their own shape. */
Test(script, outputs_of_other_calls_are_read)
{
    struct party party;
    struct peer peer;
    party_start(&party,
                "{\"emit\":[{\"type\":\"shell_call\",\"call\":\"s\",\"action\":{}},"
                "{\"type\":\"apply_patch_call\",\"call\":\"p\",\"operation\":{}}]}\n"
                "{\"expect\":{\"outputs\":{\"s\":{\"equals\":\"outerr\"},\"p\":\"completed\"}},"
                "\"emit\":[{\"type\":\"message\",\"text\":\"ok\"}]}");
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[" USER("x") "]");
    const struct json_value *event = peer_ending(&peer, NULL);
    peer_create(&peer,
                "\"previous_response_id\":\"%s\",\"input\":[{\"type\":\"apply_patch_call_output\","
                "\"call_id\":\"%s\",\"status\":\"completed\"},{\"type\":\"shell_call_output\","
                "\"call_id\":\"%s\",\"output\":[{\"stdout\":\"out\",\"stderr\":\"err\","
                "\"outcome\":{\"type\":\"exit\",\"exit_code\":0}}]}]",
                event_id(event), event_call(event, 1), event_call(event, 0));
    event = peer_ending(&peer, NULL);
    cr_expect_str_eq(event_text(event), "ok");
    peer_end(&peer);
    party_end(&party);
}
