/* Full input after a lost socket finds its step again; rollouts; mismatches. */
#include "helper.h"

#include <stdio.h>
#include <string.h>

TestSuite(recovery, .timeout = 60);

#define CALL_ITEM(label)                                                                           \
    "{\"type\":\"function_call\",\"call\":\"" label "\",\"name\":\"f\",\"arguments\":{}}"
#define MESSAGE_ITEM(words) "{\"type\":\"message\",\"text\":\"" words "\"}"
#define REASONING_ITEM "{\"type\":\"reasoning\",\"text\":\"hm\"}"

/* The history as a client keeps it: what was said, every item done, every output. */
struct history {
    struct buf items;
};

static void add(struct history *history, struct str item)
{
    if (history->items.len)
        buf_append_c(&history->items, ",");
    buf_append(&history->items, item);
}

/* Takes what is done from the peer's events, from `from` on; answers every call with `output`. */
static size_t adopt(struct history *history, const struct peer *peer, size_t from,
                    const char *output)
{
    struct buf item = {0};
    size_t count = 0;
    for (size_t i = from; i < peer->events.len; i++) {
        const struct json_value *event = peer->events.ptr[i];
        if (!str_eq_c(json_get_str(event, "type"), "response.output_item.done"))
            continue;
        buf_clear(&item);
        json_append(&item, json_get(event, "item"));
        add(history, buf_str(&item));
        count++;
        struct str call_id = json_get_str(json_get(event, "item"), "call_id");
        if (!call_id.len)
            continue;
        buf_clear(&item);
        buf_append_fmt(&item, OUTPUT, call_id.ptr, output);
        add(history, buf_str(&item));
    }
    buf_finish(&item);
    return count;
}

static void begin(struct party *party, struct peer *peer, struct history *history,
                  const char *script)
{
    *history = (struct history){0};
    party_start(party, script);
    peer_open(peer, party);
    add(history, STR(USER("hi")));
    peer_create(peer, "\"store\":false,\"input\":[%s]", history->items.ptr);
}

static void resend(struct peer *peer, struct party *party, const struct history *history)
{
    peer_end(peer);
    peer_open(peer, party);
    peer_create(peer, "\"store\":false,\"input\":[%s]", history->items.ptr);
}

static void end(struct party *party, struct peer *peer, struct history *history)
{
    buf_finish(&history->items);
    peer_end(peer);
    party_end(party);
}

Test(recovery, full_input_plays_the_next_step)
{
    struct party party;
    struct peer peer;
    struct history history;
    begin(&party, &peer, &history,
          "{\"emit\":[" CALL_ITEM(
              "a") "]}\n"
                   "{\"expect\":{\"outputs\":{\"a\":\"one\"}},\"emit\":[" CALL_ITEM(
                       "b") "]}\n"
                            "{\"expect\":{\"outputs\":{\"a\":\"one\",\"b\":{\"equals\":\"one\"}}},"
                            "\"emit\":[" MESSAGE_ITEM("end ${output:a}") "]}\n");
    expect_type(peer_ending(&peer, NULL), "response.completed");
    for (unsigned i = 0; i < 2; i++) {
        cr_expect_eq(adopt(&history, &peer, 0, "one"), 1);
        resend(&peer, &party, &history);
        expect_type(peer_ending(&peer, NULL), "response.completed");
    }
    cr_expect_str_eq(event_text(peer.events.ptr[peer.events.len - 1]), "end one");
    end(&party, &peer, &history);
}

Test(recovery, a_new_connection_knows_no_id_and_full_input_recovers)
{
    struct party party;
    struct peer peer;
    struct history history;
    char id[100];
    begin(&party, &peer, &history,
          "{\"emit\":[" CALL_ITEM("a") "]}\n{\"emit\":[" MESSAGE_ITEM("end") "]}\n");
    snprintf(id, sizeof(id), "%s", event_id(peer_ending(&peer, NULL)));
    adopt(&history, &peer, 0, "x");
    peer_end(&peer);
    peer_open(&peer, &party);
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"store\":false,\"input\":[]", id);
    cr_expect_str_eq(error_code(peer_ending(&peer, NULL)), "previous_response_not_found");
    resend(&peer, &party, &history);
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "end");
    end(&party, &peer, &history);
}

Test(recovery, a_torn_step_goes_on_where_it_was_torn)
{
    struct party party;
    struct peer peer;
    struct history history;
    /* created, in_progress, reasoning (6), call a (4): 12 events, then the socket is cut. */
    begin(&party, &peer, &history,
          "{\"emit\":[" REASONING_ITEM "," CALL_ITEM("a") "," CALL_ITEM(
              "b") "],"
                   "\"fault\":{\"kind\":\"cut\",\"after_event\":12}}\n"
                   "{\"expect\":{\"outputs\":{\"a\":\"first\",\"b\":\"second\"}},"
                   "\"emit\":[" MESSAGE_ITEM("end") "]}\n");
    peer_wait_closed(&peer);
    cr_expect_eq(adopt(&history, &peer, 0, "first"), 2);
    resend(&peer, &party, &history);
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_eq(json_count(json_at(event, "response", "output", NULL)), 1, "only call b is left");
    cr_expect_eq(adopt(&history, &peer, 0, "second"), 1);
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]", event_id(event),
                event_call(event, 0), "second");
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "end");
    resend(&peer, &party, &history);
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "end", "full input says the same");
    end(&party, &peer, &history);
}

Test(recovery, a_step_of_which_nothing_came_back_is_played_again)
{
    struct party party;
    struct peer peer;
    struct history history;
    begin(
        &party, &peer, &history,
        "{\"emit\":[" CALL_ITEM("a") "]}\n"
                                     "{\"emit\":[" CALL_ITEM(
                                         "b") "],\"fault\":{\"kind\":\"cut\",\"after_event\":4}}\n"
                                              "{\"emit\":[" MESSAGE_ITEM("end") "]}\n");
    const struct json_value *event = peer_ending(&peer, NULL);
    adopt(&history, &peer, 0, "x");
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]", event_id(event),
                event_call(event, 0), "x");
    peer_wait_closed(&peer);
    resend(&peer, &party, &history);
    event = peer_ending(&peer, NULL);
    cr_expect_eq(json_count(json_at(event, "response", "output", NULL)), 1);
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]", event_id(event),
                event_call(event, 0), "x");
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "end");
    end(&party, &peer, &history);
}

Test(recovery, reasoning_is_found_by_its_encrypted_content)
{
    struct party party;
    struct peer peer;
    struct history history;
    begin(&party, &peer, &history,
          "{\"emit\":[" REASONING_ITEM "," MESSAGE_ITEM(
              "one") "],"
                     "\"fault\":{\"kind\":\"cut\",\"after_event\":8}}\n{\"emit\":[" MESSAGE_ITEM(
                         "two") "]}");
    peer_wait_closed(&peer);
    struct json_value *const *last = &vec_last(&peer.events);
    struct str opaque = json_str(json_at(*last, "item", "encrypted_content", NULL));
    cr_assert_gt(opaque.len, 0);
    struct buf item = {0};
    buf_append_fmt(&item, "{\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"%s\"}",
                   opaque.ptr);
    add(&history, buf_str(&item));
    buf_finish(&item);
    resend(&peer, &party, &history);
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_eq(json_count(json_at(event, "response", "output", NULL)), 1);
    cr_expect_str_eq(event_text(event), "one");
    end(&party, &peer, &history);
}

Test(recovery, an_endpoint_started_anew_knows_the_place)
{
    static const char script[] =
        "{\"emit\":[" CALL_ITEM("a") "]}\n{\"emit\":[" MESSAGE_ITEM("end") "]}\n";
    struct party party;
    struct peer peer;
    struct history history;
    begin(&party, &peer, &history, script);
    peer_ending(&peer, NULL);
    adopt(&history, &peer, 0, "x");
    peer_end(&peer);
    party_end(&party);
    party_start(&party, script);
    peer_open(&peer, &party);
    resend(&peer, &party, &history);
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "end");
    end(&party, &peer, &history);
}

Test(recovery, a_warm_up_with_full_input_keeps_the_place)
{
    struct party party;
    struct peer peer;
    struct history history;
    begin(&party, &peer, &history,
          "{\"emit\":[" MESSAGE_ITEM("one") "]}\n{\"emit\":[" MESSAGE_ITEM("two") "]}\n");
    peer_ending(&peer, NULL);
    adopt(&history, &peer, 0, "x");
    peer_end(&peer);
    peer_open(&peer, &party);
    peer_create(&peer, "\"generate\":false,\"store\":false,\"input\":[%s]", history.items.ptr);
    peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":[" USER("go on") "]",
                event_id(peer_ending(&peer, NULL)));
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "two");
    end(&party, &peer, &history);
}

Test(recovery, repeats_are_counted)
{
    struct party party;
    struct peer peer;
    struct history history;
    begin(&party, &peer, &history,
          "{\"repeat\":3,\"expect\":{\"outputs\":{\"a\":\"x\"}},\"emit\":[" CALL_ITEM(
              "a") "]}\n"
                   "{\"emit\":[" MESSAGE_ITEM("end") "]}\n");
    const struct json_value *event = peer_ending(&peer, NULL);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(json_count(json_at(event, "response", "output", NULL)), 1);
        cr_expect_str_eq(event_text(event), "");
        adopt(&history, &peer, 0, "x");
        if (i == 1) /* in the middle of it by full input */
            resend(&peer, &party, &history);
        else
            peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":[" OUTPUT "]",
                        event_id(event), event_call(event, 0), "x");
        if (i == 0)
            buf_clear(&history.items), add(&history, STR(USER("hi")));
        event = peer_ending(&peer, NULL);
    }
    cr_expect_str_eq(event_text(event), "end");
    end(&party, &peer, &history);
}

Test(recovery, after_the_last_step_a_text_says_so)
{
    struct party party;
    struct peer peer;
    struct history history;
    begin(&party, &peer, &history, "{\"emit\":[" MESSAGE_ITEM("one") "]}");
    const struct json_value *event = peer_ending(&peer, NULL);
    for (unsigned i = 0; i < 2; i++) {
        peer_create(&peer, "\"previous_response_id\":\"%s\",\"input\":\"more\"", event_id(event));
        event = peer_ending(&peer, NULL);
        cr_expect(strstr(event_text(event), "replay is over"));
    }
    end(&party, &peer, &history);
}

/* -- Rollouts -------------------------------------------------------------------------------------
 */

static const char rollouts[] =
    "# two of a kind, and one by expression\n\n"
    "{\"rollout\":\"one\",\"match\":{\"text\":\"fix\"}}\n{\"emit\":[" MESSAGE_ITEM(
        "1") "]}\n"
             "{\"rollout\":\"two\",\"match\":{\"text\":\"fix\"}}\n{\"emit\":[" MESSAGE_ITEM(
                 "2") "]}\n"
                      "{\"rollout\":\"three\",\"match\":{\"regex\":\"^re[a-z]+$\"}}\n"
                      "{\"emit\":[" MESSAGE_ITEM("3") "]}\n";

Test(recovery, rollouts_are_taken_by_match_and_once)
{
    static const struct {
        const char *said, *text;
    } rows[] = {{"please fix", "1"}, {"review", "3"}, {"fix it", "2"}, {"fix it", "1"}};
    struct party party;
    struct peer peer;
    party_start(&party, rollouts);
    peer_open(&peer, &party);
    for (size_t i = 0; i < array_count(rows); i++) {
        peer_create(&peer,
                    "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\","
                    "\"text\":\"%s\"}]}]",
                    rows[i].said);
        cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), rows[i].text);
    }
    peer_create(&peer, "\"input\":[" USER("unheard of") "]");
    const struct json_value *event = peer_ending(&peer, NULL);
    cr_expect_str_eq(error_code(event), "replay_mismatch");
    cr_expect(strstr(error_message(event), "unheard of"));
    peer_end(&peer);
    party_end(&party);
}

Test(recovery, a_rollout_of_which_nothing_came_is_taken_again)
{
    struct party party;
    struct peer peer;
    party_start(&party, "{\"rollout\":\"one\"}\n{\"emit\":[" MESSAGE_ITEM(
                            "1") "],"
                                 "\"fault\":{\"kind\":\"cut\",\"after_event\":4}}\n"
                                 "{\"rollout\":\"two\"}\n{\"emit\":[" MESSAGE_ITEM("2") "]}\n");
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[" USER("hi") "]");
    peer_wait_closed(&peer);
    peer_end(&peer);
    peer_open(&peer, &party);
    peer_create(&peer, "\"input\":[" USER("hi") "]");
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "1");
    peer_create(&peer, "\"input\":[" USER("hi") "]");
    cr_expect_str_eq(event_text(peer_ending(&peer, NULL)), "2");
    peer_end(&peer);
    party_end(&party);
}

/* -- Mismatches -----------------------------------------------------------------------------------
 */

static const struct {
    const char *expect, *said, *output, *message; /* message NULL: it is met */
} expectations[] = {
    {"{\"text\":\"hi\"}", "oh hi", "", NULL},
    {"{\"text\":\"hi\"}", "ho", "",
     "demo.jsonl line 2: expected the last user message to contain \"hi\", got \"ho\""},
    {"{\"regex\":\"^h.$\"}", "hi", "", NULL},
    {"{\"regex\":\"^h.$\"}", "oh hi", "",
     "demo.jsonl line 2: expected the last user message to match the regex \"^h.$\", got "
     "\"oh hi\""},
    {"{\"outputs\":{\"a\":\"good\"}}", "x", "very good", NULL},
    {"{\"outputs\":{\"a\":\"good\"}}", "x", "bad",
     "demo.jsonl line 2: expected the output of call \"a\" to contain \"good\", got \"bad\""},
    {"{\"outputs\":{\"a\":{\"equals\":\"good\"}}}", "x", "good", NULL},
    {"{\"outputs\":{\"a\":{\"equals\":\"good\"}}}", "x", "very good",
     "demo.jsonl line 2: expected the output of call \"a\" to be exactly \"good\", got "
     "\"very good\""},
    {"{\"outputs\":{\"a\":{\"regex\":\"o+d$\"}}}", "x", "good", NULL},
    {"{\"outputs\":{\"a\":{\"regex\":\"o+d$\"}}}", "x", "gut",
     "demo.jsonl line 2: expected the output of call \"a\" to match the regex \"o+d$\", got "
     "\"gut\""},
    {"{\"outputs\":{\"a\":null}}", "x", "anything", NULL},
};

Test(recovery, a_mismatch_says_line_expected_and_got)
{
    for (size_t i = 0; i < array_count(expectations); i++) {
        struct party party;
        struct peer peer;
        struct buf script = {0};
        buf_append_fmt(
            &script,
            "{\"emit\":[" CALL_ITEM("a") "]}\n{\"expect\":%s,\"emit\":[" MESSAGE_ITEM("ok") "]}\n",
            expectations[i].expect);
        party_start(&party, script.ptr);
        peer_open(&peer, &party);
        peer_create(&peer, "\"input\":[" USER("start") "]");
        const struct json_value *event = peer_ending(&peer, NULL);
        peer_create(&peer,
                    "\"previous_response_id\":\"%s\",\"input\":[" OUTPUT ","
                    "{\"role\":\"user\",\"content\":\"%s\"}]",
                    event_id(event), event_call(event, 0), expectations[i].output,
                    expectations[i].said);
        event = peer_ending(&peer, NULL);
        if (expectations[i].message) {
            cr_expect_str_eq(error_code(event), "replay_mismatch");
            cr_expect_str_eq(error_message(event), expectations[i].message);
        } else {
            expect_type(event, "response.completed");
        }
        buf_finish(&script);
        peer_end(&peer);
        party_end(&party);
    }
}
