#include "session.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum outcome step_bad(struct player *player, const char *usage)
{
    buf_clear(&player->why);
    buf_append_fmt(&player->why, "this step is written: %s", usage);
    return STEP_FAILED;
}

static enum outcome result_of(struct player *player, enum status status, const struct err *err)
{
    if (status == STATUS_OK)
        return STEP_DONE;
    buf_clear(&player->why);
    buf_append_c(&player->why, err->text);
    return STEP_FAILED;
}

static enum outcome wait_for(struct player *player, const char *what)
{
    buf_clear(&player->why);
    buf_append_c(&player->why, what);
    return STEP_WAIT;
}

static bool take_path(struct player *player, struct str *rest, struct buf *path)
{
    struct str name;
    if (!words_take(rest, &name))
        return false;
    player_path(player, name, path);
    return true;
}

/* -- Buffers
 * -------------------------------------------------------------------------------------------- */

static enum outcome step_open(struct player *player, struct str rest)
{
    struct buf path = {0}, text = {0};
    struct err err = {0};
    if (!take_path(player, &rest, &path))
        return step_bad(player, "open FILE [\"unsaved text\"]");
    bool has_text = !words_done(rest) && words_take_text(&rest, &text);
    struct str given = buf_str(&text);
    enum status status = client_open(player->client, path.ptr, has_text ? &given : NULL, &err);
    buf_finish(&path);
    buf_finish(&text);
    return result_of(player, status, &err);
}

/* "3:0" or "3:0-3:5": lines and bytes, from 0. */
static bool take_offsets(const struct text *text, struct str *rest, size_t *ret_start,
                         size_t *ret_end)
{
    struct str word;
    unsigned line[2], column[2];
    if (!text || !words_take(rest, &word))
        return false;
    char *copy = str_dup_c(word);
    int got = sscanf(copy, "%u:%u-%u:%u", &line[0], &column[0], &line[1], &column[1]);
    mem_free(copy);
    if (got != 2 && got != 4)
        return false;
    if (line[0] >= text_line_count(text) || (got == 4 && line[1] >= text_line_count(text)))
        return false;
    *ret_start = text_line_start(text, line[0]) + column[0];
    *ret_end = got == 4 ? text_line_start(text, line[1]) + column[1] : *ret_start;
    return true;
}

static enum outcome step_type(struct player *player, struct str rest)
{
    struct buf path = {0}, with = {0};
    struct err err = {0};
    size_t start, end;
    enum outcome outcome;
    if (take_path(player, &rest, &path) &&
        take_offsets(client_text(player->client, path.ptr), &rest, &start, &end) &&
        words_take_text(&rest, &with))
        outcome = result_of(
            player, client_edit(player->client, path.ptr, start, end, buf_str(&with), &err), &err);
    else
        outcome = step_bad(player, "type FILE LINE:BYTE[-LINE:BYTE] \"text\", in an open file");
    buf_finish(&path);
    buf_finish(&with);
    return outcome;
}

static enum outcome step_replace(struct player *player, struct str rest)
{
    struct buf path = {0}, old = {0}, with = {0};
    struct err err = {0};
    size_t at = STR_NONE;
    const struct text *text = NULL;
    if (take_path(player, &rest, &path) && words_take_text(&rest, &old) &&
        words_take_text(&rest, &with))
        text = client_text(player->client, path.ptr);
    if (text)
        at = str_find(text_bytes(text), buf_str(&old), 0);
    enum outcome outcome =
        at == STR_NONE ? step_bad(player, "replace FILE \"old\" \"new\", with old in the open file")
                       : result_of(player,
                                   client_edit(player->client, path.ptr, at, at + old.len,
                                               buf_str(&with), &err),
                                   &err);
    buf_finish(&path);
    buf_finish(&old);
    buf_finish(&with);
    return outcome;
}

static enum outcome step_save(struct player *player, struct str rest)
{
    struct buf path = {0};
    struct err err = {0};
    if (!take_path(player, &rest, &path))
        return step_bad(player, "save FILE");
    enum status status = client_save(player->client, path.ptr, &err);
    buf_finish(&path);
    return result_of(player, status, &err);
}

static enum outcome step_close(struct player *player, struct str rest)
{
    struct buf path = {0};
    struct err err = {0};
    if (!take_path(player, &rest, &path))
        return step_bad(player, "close FILE");
    enum status status = client_close(player->client, path.ptr, &err);
    buf_finish(&path);
    return result_of(player, status, &err);
}

/* Somebody else writes the file, not the editor. */
static enum outcome step_write(struct player *player, struct str rest)
{
    struct buf path = {0}, text = {0};
    bool good = take_path(player, &rest, &path) && words_take_text(&rest, &text);
    if (good)
        player_make_parents(path.ptr);
    FILE *file = good ? fopen(path.ptr, "we") : NULL;
    if (file) {
        fwrite(text.ptr, 1, text.len, file);
        fclose(file);
    }
    buf_finish(&path);
    buf_finish(&text);
    return file ? STEP_DONE : step_bad(player, "write FILE \"text\"");
}

/* -- Requests
 * ---------------------------------------------------------------------------------------------- */

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
        return wait_for(player, "no answer");
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
    return wait_for(player, "no turn's progress has begun");
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
        return bare_is_sent(player->bare) ? STEP_DONE : wait_for(player, "not all is written");
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

/* -- The world around
 * ---------------------------------------------------------------------------------------------- */

static enum outcome step_answer(struct player *player, struct str rest)
{
    struct buf text = {0};
    buf_append_c(&text, "");
    if (!words_done(rest))
        words_take_text(&rest, &text);
    vec_push(&player->answers, buf_take(&text));
    return STEP_DONE;
}

/* To the question that was answered "later": its button, from 0. */
static enum outcome step_answer_now(struct player *player, struct str rest)
{
    int64_t button = -1;
    if (!words_done(rest) && !str_to_int64(str_trim(rest), &button))
        return step_bad(player, "answer-now [BUTTON]");
    return client_answer(player->client, (int)button) ? STEP_DONE
                                                      : wait_for(player, "nothing was asked");
}

static enum outcome step_on_apply(struct player *player, struct str rest)
{
    vec_push(&player->on_apply, str_dup_c(str_trim(rest)));
    return STEP_DONE;
}

/* editor METHOD {…}|error "text"|do STEP: what its language servers answer. */
static enum outcome step_editor(struct player *player, struct str rest)
{
    struct str method;
    struct named_text answer = {0};
    if (!words_take(&rest, &method) || words_done(rest))
        return step_bad(player, "editor METHOD {…}, or error \"text\", or do STEP");
    answer.name = str_dup_c(method);
    buf_append(&answer.text, str_trim(rest));
    vec_push(&player->editor_answers, answer);
    return STEP_DONE;
}

/* offers LIST|nothing: of the client that the next `restart server` brings. */
static enum outcome step_offers(struct player *player, struct str rest)
{
    mem_free(player->offers);
    player->offers =
        str_eq_c(str_trim(rest), "nothing") ? mem_dup_c("") : str_dup_c(str_trim(rest));
    return STEP_DONE;
}

static enum outcome step_kill(struct player *player, struct str rest)
{
    bool is_server = str_eq_c(str_trim(rest), "server");
    if (!player->step_begun) {
        player->step_begun = true;
        if (is_server) {
            player->server_killed = true;
            kill(player->client ? client_pid(player->client) : bare_pid(player->bare), SIGKILL);
        } else {
            kill(loop_process_pid(player->endpoint.process), SIGKILL);
        }
    }
    if (is_server)
        return player->server_ended ? STEP_DONE : wait_for(player, "it lives on");
    return player->endpoint.ended ? STEP_DONE : wait_for(player, "it lives on");
}

static enum outcome restart_server(struct player *player)
{
    struct err err = {0};
    if (!player->step_begun && !player_start_server(player, &err))
        return result_of(player, STATUS_IO, &err);
    player->step_begun = true;
    return player->ready ? STEP_DONE : wait_for(player, "it does not answer initialize");
}

static enum outcome restart_endpoint(struct player *player)
{
    struct err err = {0};
    if (!player->step_begun) {
        player_stop_child(&player->endpoint);
        if (!player_start_endpoint(player, &err))
            return result_of(player, STATUS_IO, &err);
    }
    player->step_begun = true;
    return player->endpoint.out.len > 0 ? STEP_DONE : wait_for(player, "it does not come up");
}

static enum outcome step_restart(struct player *player, struct str rest)
{
    return str_eq_c(str_trim(rest), "server") ? restart_server(player) : restart_endpoint(player);
}

static bool start_run(struct player *player, struct str rest, struct err *err)
{
    char *argv[24] = {mem_dup_c(player->program)};
    size_t count = 1;
    while (!words_done(rest) && !words_take_arrow(&rest) && count + 1 < array_count(argv)) {
        struct buf word = {0};
        words_take_text(&rest, &word);
        argv[count++] = buf_take(&word);
    }
    player_stop_child(&player->run);
    bool good = player_spawn(player, &player->run, argv, false, err);
    for (size_t i = 0; i < count; i++)
        mem_free(argv[i]);
    return good;
}

/* lanebridge ARGUMENTS… [-> CODE]: without a code it goes on by itself. */
static enum outcome step_lanebridge(struct player *player, struct str rest)
{
    struct err err = {0};
    size_t arrow = str_find(rest, STR(" -> "), 0);
    if (!player->step_begun) {
        player->step_begun = true;
        if (!start_run(player, rest, &err))
            return result_of(player, STATUS_IO, &err);
    }
    return arrow == STR_NONE ? STEP_DONE : step_run_exit(player, str_skip(rest, arrow + 4));
}

static enum outcome step_interrupt_run(struct player *player, struct str rest)
{
    (void)rest;
    kill(loop_process_pid(player->run.process), SIGINT);
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
