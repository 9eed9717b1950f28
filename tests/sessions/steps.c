/* What is said to the server, and the table of all steps. */
#include "session.h"

#include <stdio.h>
#include <string.h>

enum outcome step_bad(struct player *player, const char *usage)
{
    buf_clear(&player->why);
    buf_append_fmt(&player->why, "this step is written: %s", usage);
    return STEP_FAILED;
}

enum outcome step_result(struct player *player, enum status status, const struct err *err)
{
    if (status == STATUS_OK)
        return STEP_DONE;
    buf_clear(&player->why);
    buf_append_c(&player->why, err->text);
    return STEP_FAILED;
}

enum outcome step_wait(struct player *player, const char *what)
{
    buf_clear(&player->why);
    buf_append_c(&player->why, what);
    return STEP_WAIT;
}

bool step_take_path(struct player *player, struct str *rest, struct buf *path)
{
    struct str name;
    if (!words_take(rest, &name))
        return false;
    player_path(player, name, path);
    return true;
}

/* -- Requests ---------------------------------------------------------------------------------- */

static void on_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct player *player = user;
    struct answer *to = &player->answer;
    to->arrived = true;
    to->failed = answer->status != STATUS_OK;
    to->error_code = answer->error_code;
    buf_append(&to->text, to->failed ? answer->error_text : answer->raw_result);
    if (!to->failed)
        json_parse(buf_str(&to->text), &to->result, NULL);
    player_pump(player);
}

static void ask(struct player *player, const char *method, struct str params)
{
    json_free(player->answer.result);
    buf_finish(&player->answer.text);
    player->answer = (struct answer){.asked = true};
    client_request(player->client, method, params, on_answer, player);
}

/* The rest is nothing, "-> {…}" or "-> error CODE "part of the text"". */
static enum outcome judge_answer(struct player *player, struct str rest)
{
    const struct answer *answer = &player->answer;
    struct str word, expected, code;
    struct buf text = {0};
    if (!answer->arrived)
        return step_wait(player, "no answer");
    bool has_arrow = words_take_arrow(&rest);
    struct str after = rest;
    bool wants_error = has_arrow && words_take(&after, &word) && str_eq_c(word, "error");
    if (wants_error != answer->failed) {
        buf_clear(&player->why);
        buf_append_fmt(&player->why, "%s %d: " STR_FMT,
                       answer->failed ? "answered with error" : "answered without error",
                       answer->error_code, STR_ARG(buf_str(&answer->text)));
        return STEP_FAILED;
    }
    if (!wants_error)
        return !has_arrow ||
                       (words_take_json(&rest, &expected) &&
                        match_text(expected, answer->result, &player->variables, &player->why))
                   ? STEP_DONE
                   : STEP_FAILED;
    int64_t number = 0;
    bool good =
        words_take(&after, &code) && str_to_int64(code, &number) && number == answer->error_code;
    if (good && !words_done(after))
        good = words_take_text(&after, &text) &&
               str_find(buf_str(&answer->text), buf_str(&text), 0) != STR_NONE;
    buf_clear(&player->why);
    buf_append_fmt(&player->why, "got error %d: " STR_FMT, answer->error_code,
                   STR_ARG(buf_str(&answer->text)));
    buf_finish(&text);
    return good ? STEP_DONE : STEP_FAILED;
}

static enum outcome step_request(struct player *player, struct str rest)
{
    struct str method, params = {0};
    if (!words_take(&rest, &method))
        return step_bad(player, "request METHOD [{…}] [-> {…} | -> error CODE \"text\"]");
    words_take_json(&rest, &params);
    if (!player->step_begun) {
        char *name = str_dup_c(method);
        player->step_begun = true;
        ask(player, name, params);
        mem_free(name);
    }
    return judge_answer(player, rest);
}

static enum outcome step_notify(struct player *player, struct str rest)
{
    struct str method, params = {0};
    if (!words_take(&rest, &method))
        return step_bad(player, "notify METHOD [{…}]");
    words_take_json(&rest, &params);
    char *name = str_dup_c(method);
    client_notify(player->client, name, params);
    mem_free(name);
    return STEP_DONE;
}

static void remember_turn(struct player *player)
{
    const struct json_value *result = player->answer.result;
    if (json_get_str(result, "threadId").len > 0)
        variables_set(&player->variables, "thread", json_get_str(result, "threadId"));
    struct str turn = json_get_str(json_get(result, "turn"), "id");
    turn = turn.len > 0 ? turn : json_get_str(result, "turnId");
    if (turn.len > 0)
        variables_set(&player->variables, "turn", turn);
}

static enum outcome play_turn(struct player *player, const char *method, struct buf *params,
                              struct str rest)
{
    if (!player->step_begun) {
        player->step_begun = true;
        ask(player, method, buf_str(params));
    }
    buf_finish(params);
    enum outcome outcome = judge_answer(player, rest);
    if (outcome == STEP_DONE)
        remember_turn(player);
    return outcome;
}

static enum outcome step_ask(struct player *player, struct str rest)
{
    struct buf params = {0};
    struct str argument = {0};
    words_take_json(&rest, &argument);
    buf_append_fmt(&params, "{\"command\":\"lanebridge.ask\",\"arguments\":[" STR_FMT "]}",
                   STR_ARG(argument));
    return play_turn(player, "workspace/executeCommand", &params, rest);
}

static enum outcome step_command(struct player *player, struct str rest)
{
    struct buf params = {0};
    struct str name, argument = {0};
    if (!words_take(&rest, &name))
        return step_bad(player, "command NAME [ARGUMENT] [-> …]");
    words_take_json(&rest, &argument);
    buf_append_fmt(&params, "{\"command\":\"lanebridge." STR_FMT "\",\"arguments\":[" STR_FMT "]}",
                   STR_ARG(name), STR_ARG(argument));
    return play_turn(player, "workspace/executeCommand", &params, rest);
}

/* turn ["in" THREAD] "prompt": the rich layer's. */
static enum outcome step_turn(struct player *player, struct str rest)
{
    struct buf params = {0};
    struct str prompt = {0}, word = {0}, thread = {0}, after = rest;
    if (words_take(&after, &word) && str_eq_c(word, "in") && words_take(&after, &thread))
        rest = after;
    words_take_json(&rest, &prompt);
    buf_append_c(&params, "{");
    if (thread.len > 0)
        buf_append_fmt(&params, "\"threadId\":\"" STR_FMT "\",", STR_ARG(thread));
    buf_append_fmt(&params, "\"input\":[{\"type\":\"text\",\"text\":" STR_FMT "}]}",
                   STR_ARG(prompt));
    return play_turn(player, "lanebridge/turn/start", &params, rest);
}

/* The turn whose progress began last. */
static enum outcome step_cancel(struct player *player, struct str rest)
{
    (void)rest;
    for (size_t i = player->wire.len; i > 0; i--) {
        const struct wire_message *message = &player->wire.ptr[i - 1];
        const struct json_value *params = json_get(message->json, "params");
        if (message->outgoing || !str_eq_c(json_get_str(message->json, "method"), "$/progress") ||
            !str_eq_c(json_get_str(json_get(params, "value"), "kind"), "begin"))
            continue;
        struct buf json = {0};
        buf_append_c(&json, "{\"token\":");
        json_append(&json, json_get(params, "token"));
        buf_append_c(&json, "}");
        client_notify(player->client, "window/workDoneProgress/cancel", buf_str(&json));
        buf_finish(&json);
        return STEP_DONE;
    }
    return step_wait(player, "no turn's progress has begun");
}

/* -- Bytes
 * --------------------------------------------------------------------------------------------------
 */

static void note_sent(struct player *player, struct str shown)
{
    player->by_hand = true;
    player_on_traffic(player, true, shown);
    player->by_hand = false;
}

static enum outcome send_bytes(struct player *player, struct str bytes, struct str shown)
{
    if (player->bare) {
        if (!player->step_begun) {
            player->step_begun = true;
            note_sent(player, shown);
            bare_send(player->bare, bytes);
        }
        return bare_is_sent(player->bare) ? STEP_DONE : step_wait(player, "not all is written");
    }
    note_sent(player, shown);
    client_write_raw(player->client, bytes);
    return STEP_DONE;
}

static enum outcome step_send(struct player *player, struct str rest)
{
    struct buf bytes = {0};
    struct str json;
    if (!words_take_json(&rest, &json))
        return step_bad(player, "send {a whole message}");
    buf_append_fmt(&bytes, "Content-Length: %zu\r\n\r\n", json.len);
    buf_append(&bytes, json);
    enum outcome outcome = send_bytes(player, buf_str(&bytes), json);
    buf_finish(&bytes);
    return outcome;
}

/* raw "bytes" ["repeated bytes" COUNT "bytes"] */
static enum outcome step_raw(struct player *player, struct str rest)
{
    struct buf bytes = {0}, repeated = {0};
    struct str count;
    int64_t number = 0;
    if (!words_take_text(&rest, &bytes))
        return step_bad(player, "raw \"bytes\" [\"repeated\" COUNT \"bytes\"]…");
    while (!words_done(rest)) {
        buf_clear(&repeated);
        if (!words_take_text(&rest, &repeated) || !words_take(&rest, &count) ||
            !str_to_int64(count, &number))
            return step_bad(player, "raw \"bytes\" [\"repeated\" COUNT \"bytes\"]…");
        for (int64_t i = 0; i < number; i++)
            buf_append(&bytes, buf_str(&repeated));
        if (!words_take_text(&rest, &bytes))
            return step_bad(player, "raw \"bytes\" [\"repeated\" COUNT \"bytes\"]…");
    }
    enum outcome outcome = send_bytes(player, buf_str(&bytes), str_slice(buf_str(&bytes), 0, 200));
    buf_finish(&bytes);
    buf_finish(&repeated);
    return outcome;
}

static enum outcome step_eof(struct player *player, struct str rest)
{
    (void)rest;
    if (!player->bare)
        return step_bad(player, "eof, with a bare client");
    bare_end(player->bare);
    return STEP_DONE;
}

static enum outcome step_stop(struct player *player, struct str rest)
{
    (void)rest;
    client_stop(player->client);
    return STEP_DONE;
}

/* -- The table
 * ------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    step_fn *play;
} steps[] = {
    {"open", step_open},
    {"type", step_type},
    {"replace", step_replace},
    {"save", step_save},
    {"close", step_close},
    {"write", step_write},
    {"request", step_request},
    {"notify", step_notify},
    {"ask", step_ask},
    {"command", step_command},
    {"turn", step_turn},
    {"cancel", step_cancel},
    {"send", step_send},
    {"raw", step_raw},
    {"eof", step_eof},
    {"stop", step_stop},
    {"answer", step_answer},
    {"answer-now", step_answer_now},
    {"on-apply", step_on_apply},
    {"editor", step_editor},
    {"offers", step_offers},
    {"kill", step_kill},
    {"restart", step_restart},
    {"lanebridge", step_lanebridge},
    {"interrupt-run", step_interrupt_run},
    {"run-exit", step_run_exit},
    {"expect", step_expect},
    {"receive", step_receive},
    {"never", step_never},
    {"prompts", step_prompts},
    {"until", step_until},
    {"buffer", step_buffer},
    {"disk", step_disk},
    {"status", step_status},
    {"journal", step_journal},
    {"endpoint-at-once", step_endpoint_at_once},
    {"endpoint-got", step_endpoint_got},
    {"stdout", step_output},
    {"stderr", step_errors},
    {"upstream-got", step_upstream_got},
    {"upstream-left", step_upstream_left},
    {"exit", step_exit},
};

step_fn *step_find(struct str name)
{
    for (size_t i = 0; i < array_count(steps); i++)
        if (str_eq_c(name, steps[i].name))
            return steps[i].play;
    return NULL;
}

enum outcome step_play(struct player *player, struct str text)
{
    struct buf expanded = {0};
    struct str name = {0};
    variables_expand(&player->variables, text, &expanded);
    struct str rest = buf_str(&expanded);
    words_take(&rest, &name);
    step_fn *play = step_find(name);
    enum outcome outcome =
        play ? play(player, rest) : step_bad(player, "one of the steps in README.md");
    buf_finish(&expanded);
    return outcome;
}
