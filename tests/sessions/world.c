/* What answers the server, and what happens to it: questions, language servers, programs that end
 * and begin anew. */
#include "session.h"

#include <signal.h>

enum outcome step_answer(struct player *player, struct str rest)
{
    struct buf text = {0};
    buf_append_c(&text, "");
    if (!words_done(rest))
        words_take_text(&rest, &text);
    vec_push(&player->answers, buf_take(&text));
    return STEP_DONE;
}

/* To the question that was answered "later": its button, from 0. */
enum outcome step_answer_now(struct player *player, struct str rest)
{
    int64_t button = -1;
    if (!words_done(rest) && !str_to_int64(str_trim(rest), &button))
        return step_bad(player, "answer-now [BUTTON]");
    return client_answer(player->client, (int)button) ? STEP_DONE
                                                      : step_wait(player, "nothing was asked");
}

enum outcome step_on_apply(struct player *player, struct str rest)
{
    vec_push(&player->on_apply, str_dup_c(str_trim(rest)));
    return STEP_DONE;
}

/* editor METHOD {…}|error "text"|do STEP: what its language servers answer. */
enum outcome step_editor(struct player *player, struct str rest)
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
enum outcome step_offers(struct player *player, struct str rest)
{
    mem_free(player->offers);
    player->offers =
        str_eq_c(str_trim(rest), "nothing") ? mem_dup_c("") : str_dup_c(str_trim(rest));
    return STEP_DONE;
}

enum outcome step_kill(struct player *player, struct str rest)
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
        return player->server_ended ? STEP_DONE : step_wait(player, "it lives on");
    return player->endpoint.ended ? STEP_DONE : step_wait(player, "it lives on");
}

static enum outcome restart_server(struct player *player)
{
    struct err err = {0};
    if (!player->step_begun && !player_start_server(player, &err))
        return step_result(player, STATUS_IO, &err);
    player->step_begun = true;
    return player->ready ? STEP_DONE : step_wait(player, "it does not answer initialize");
}

static enum outcome restart_endpoint(struct player *player)
{
    struct err err = {0};
    if (!player->step_begun) {
        player_stop_child(&player->endpoint);
        if (!player_start_endpoint(player, &err))
            return step_result(player, STATUS_IO, &err);
    }
    player->step_begun = true;
    return player->endpoint.out.len > 0 ? STEP_DONE : step_wait(player, "it does not come up");
}

enum outcome step_restart(struct player *player, struct str rest)
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
enum outcome step_lanebridge(struct player *player, struct str rest)
{
    struct err err = {0};
    size_t arrow = str_find(rest, STR(" -> "), 0);
    if (!player->step_begun) {
        player->step_begun = true;
        if (!start_run(player, rest, &err))
            return step_result(player, STATUS_IO, &err);
    }
    return arrow == STR_NONE ? STEP_DONE : step_run_exit(player, str_skip(rest, arrow + 4));
}

enum outcome step_interrupt_run(struct player *player, struct str rest)
{
    (void)rest;
    kill(loop_process_pid(player->run.process), SIGINT);
    return STEP_DONE;
}
