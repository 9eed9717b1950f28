#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_DEADLINE_MS = 30000, POLL_MS = 10, SHOWN_MESSAGES = 24, SHOWN_BYTES = 300 };

/* -- Places ------------------------------------------------------------------------------------ */

void player_path(const struct player *player, struct str name, struct buf *path)
{
    path_append_join(path, buf_str(&player->root), name);
}

void player_make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
}

bool player_write_file(const char *path, struct str bytes)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    bool good = fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;
    /* The endpoint takes a token from a file that is its owner's alone. */
    if (str_eq(path_name(str_from(path)), STR("token")))
        good = fchmod(fileno(file), 0600) == 0 && good;
    return fclose(file) == 0 && good;
}

static bool make_places(struct player *player)
{
    char place[] = "/tmp/lanebridge-session-XXXXXX";
    if (!mkdtemp(place))
        return false;
    buf_append_c(&player->folder, place);
    buf_append_fmt(&player->root, "%s/work", place);
    buf_append_fmt(&player->state, "%s/state", place);
    mkdir(player->root.ptr, 0755);
    variables_set(&player->variables, "root", buf_str(&player->root));
    variables_set(&player->variables, "state", buf_str(&player->state));
    variables_set(&player->variables, "folder", buf_str(&player->folder));
    for (size_t i = 0; i < player->script->files.len; i++) {
        const struct named_text *file = &player->script->files.ptr[i];
        struct buf path = {0};
        player_path(player, str_from(file->name), &path);
        player_make_parents(path.ptr);
        bool good = player_write_file(path.ptr, buf_str(&file->text));
        buf_finish(&path);
        if (!good)
            return false;
    }
    return true;
}

static void remove_places(struct player *player)
{
    static const struct loop_process_handlers handlers = {0};
    char command[] = "rm", recursive[] = "-rf", path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {command, recursive, player->folder.ptr, NULL}, *env[] = {path, NULL};
    if (getenv("SESSION_KEEP")) {
        fprintf(stderr, "kept: %s\n", player->folder.ptr);
        return;
    }
    struct loop_process_options options = {.argv = argv, .env = env};
    struct loop *loop = loop_new(NULL);
    struct loop_process *process = loop_process_new(loop, &options, &handlers, NULL, NULL);
    if (process)
        loop_run(loop);
    loop_process_free(process);
    loop_free(loop);
}

/* -- Failure ----------------------------------------------------------------------------------- */

static void show(const char *prefix, struct str text)
{
    fprintf(stderr, "  %s " STR_FMT "%s\n", prefix, STR_ARG(str_slice(text, 0, SHOWN_BYTES)),
            text.len > SHOWN_BYTES ? " …" : "");
}

static void show_last_lines(const char *prefix, struct str text, size_t count)
{
    size_t from = text.len;
    while (from > 0 && count > 0) {
        from--;
        if (from == 0 || text.ptr[from - 1] == '\n')
            count--;
    }
    struct str rest = str_skip(text, from), line;
    while (str_next(&rest, '\n', &line))
        if (line.len > 0)
            show(prefix, line);
}

static void report(const struct player *player)
{
    const struct script *script = player->script;
    bool all = getenv("SESSION_KEEP") != NULL;
    size_t from = !all && player->wire.len > SHOWN_MESSAGES ? player->wire.len - SHOWN_MESSAGES : 0;
    struct buf trace = {0};
    if (player->at < script->steps.len)
        fprintf(stderr, "%s:%u: %s\n", script->path, script->steps.ptr[player->at].line,
                script->steps.ptr[player->at].text);
    fprintf(stderr, "FAILED: %s\n", player->why.ptr ? player->why.ptr : "");
    fputs("the editor's wire (> to the server):\n", stderr);
    for (size_t i = from; i < player->wire.len; i++)
        show(player->wire.ptr[i].outgoing ? ">" : "<", buf_str(&player->wire.ptr[i].text));
    player_trace(player, &trace);
    if (trace.len > 0) {
        fputs("the endpoint's wire:\n", stderr);
        show_last_lines("|", buf_str(&trace), SHOWN_MESSAGES);
    }
    if (player->endpoint.errors.len > 0)
        show("endpoint:", buf_str(&player->endpoint.errors));
    buf_finish(&trace);
}

void player_fail(struct player *player)
{
    player->failed = player->over = true;
    report(player);
    loop_stop(player->loop);
}

/* -- Stages
 * ------------------------------------------------------------------------------------------------
 */

static void go_on(struct player *player, enum stage stage)
{
    player->stage = stage;
    loop_timer_start(player->deadline, STEP_DEADLINE_MS, 0);
}

static enum outcome stage_endpoint(struct player *player)
{
    struct err err = {0};
    if (player->endpoint.ended || !player_endpoint_is_up(player)) {
        buf_clear(&player->why);
        buf_append_c(&player->why, "the endpoint does not come up");
        return player->endpoint.ended ? STEP_FAILED : STEP_WAIT;
    }
    if (player->script->config.len > 0) {
        struct buf path = {0}, bytes = {0};
        buf_append_fmt(&path, "%s/config/config.json", player->folder.ptr);
        player_make_parents(path.ptr);
        variables_expand(&player->variables, buf_str(&player->script->config), &bytes);
        player_write_file(path.ptr, buf_str(&bytes));
        buf_finish(&path);
        buf_finish(&bytes);
    }
    if (!player_start_server(player, &err)) {
        buf_append_c(&player->why, err.text);
        return STEP_FAILED;
    }
    return STEP_DONE;
}

static enum outcome stage_server(struct player *player)
{
    buf_clear(&player->why);
    buf_append_c(&player->why, "the server does not answer initialize");
    return player->ready ? STEP_DONE : player->server_ended ? STEP_FAILED : STEP_WAIT;
}

static enum outcome stage_steps(struct player *player)
{
    while (player->at < player->script->steps.len) {
        enum outcome outcome =
            step_play(player, str_from(player->script->steps.ptr[player->at].text));
        if (outcome == STEP_WAIT && player->server_ended && !player->server_killed) {
            buf_append_fmt(&player->why, "; and the server ended, exit code %d, signal %d",
                           player->server_exit, player->server_signal);
            return STEP_FAILED;
        }
        if (outcome != STEP_DONE)
            return outcome;
        player->at++;
        player->step_begun = false;
        loop_timer_start(player->deadline, STEP_DEADLINE_MS, 0);
    }
    if (player->client && !player->server_ended)
        client_stop(player->client);
    if (player->bare && !player->server_ended)
        player->exit_checked = player->server_ended = true; /* killed at the end */
    return STEP_DONE;
}

static enum outcome stage_stop_server(struct player *player)
{
    buf_clear(&player->why);
    if ((player->client || player->bare) && !player->server_ended) {
        buf_append_c(&player->why, "the server does not end after shutdown and exit");
        return STEP_WAIT;
    }
    if (player->client && !player->exit_checked && !player->server_killed &&
        player->server_exit != 0) {
        buf_append_fmt(&player->why, "after shutdown and exit the server ended with %d, signal %d",
                       player->server_exit, player->server_signal);
        return STEP_FAILED;
    }
    if (player->endpoint.process && !player->endpoint.ended)
        loop_process_kill(player->endpoint.process);
    return STEP_DONE;
}

static enum outcome stage_stop_endpoint(struct player *player)
{
    if (player->endpoint.process && !player->endpoint.ended) {
        buf_append_c(&player->why, "the endpoint does not end");
        return STEP_WAIT;
    }
    if (player->endpoint.process && player->endpoint.exit_code != 0) {
        buf_append_fmt(&player->why, "the endpoint ended with %d, signal %d",
                       player->endpoint.exit_code, player->endpoint.signal);
        return STEP_FAILED;
    }
    return STEP_DONE;
}

static enum outcome (*const stages[])(struct player *player) = {
    [STAGE_ENDPOINT] = stage_endpoint,
    [STAGE_SERVER] = stage_server,
    [STAGE_STEPS] = stage_steps,
    [STAGE_STOP_SERVER] = stage_stop_server,
    [STAGE_STOP_ENDPOINT] = stage_stop_endpoint,
};

void player_pump(struct player *player)
{
    while (!player->over) {
        enum outcome outcome = stages[player->stage](player);
        if (outcome == STEP_WAIT || player->over)
            return;
        if (outcome == STEP_FAILED) {
            player_fail(player);
        } else if (player->stage == STAGE_STOP_ENDPOINT) {
            player->over = true;
            loop_stop(player->loop);
        } else {
            go_on(player, player->stage + 1);
        }
    }
}

static void on_pump(void *user)
{
    player_pump(user);
}

static void on_deadline(void *user)
{
    struct player *player = user;
    struct buf why = {0};
    buf_append_fmt(&why, "not within %d ms: %s", STEP_DEADLINE_MS,
                   player->why.ptr ? player->why.ptr : "");
    buf_move(&player->why, &why);
    if (!player->over)
        player_fail(player);
}

/* -- All of it --------------------------------------------------------------------------------- */

static void player_finish(struct player *player)
{
    client_free(player->client);
    bare_free(player->bare);
    player_stop_child(&player->run);
    player_stop_child(&player->endpoint);
    if (player->held_socket > 0)
        close(player->held_socket);
    player_stop_upstream(player);
    loop_timer_free(player->pump);
    loop_timer_free(player->poll);
    loop_timer_free(player->deadline);
    loop_free(player->loop);
    for (size_t i = 0; i < player->wire.len; i++) {
        buf_finish(&player->wire.ptr[i].text);
        json_free(player->wire.ptr[i].json);
    }
    vec_finish(&player->wire);
    player_forget_editor(player);
    json_free(player->answer.result);
    buf_finish(&player->answer.text);
    variables_finish(&player->variables);
    remove_places(player);
    buf_finish(&player->folder);
    buf_finish(&player->root);
    buf_finish(&player->state);
    buf_finish(&player->why);
}

int player_run(const struct script *script, const char *program)
{
    struct player player = {.script = script, .program = program};
    struct err err = {0};
    fprintf(stderr, "%s", script->title.ptr ? script->title.ptr : "");
    player.loop = loop_new(&err);
    if (!player.loop || !make_places(&player)) {
        fputs("cannot make the session's folder\n", stderr);
        return 1;
    }
    player.pump = loop_timer_new(player.loop, on_pump, &player);
    player.poll = loop_timer_new(player.loop, on_pump, &player);
    player.deadline = loop_timer_new(player.loop, on_deadline, &player);
    if ((script->upstream.len == 0 || player_start_upstream(&player, &err)) &&
        player_start_endpoint(&player, &err)) {
        loop_timer_start(player.poll, POLL_MS, POLL_MS);
        go_on(&player, STAGE_ENDPOINT);
        loop_run(player.loop);
    } else {
        fprintf(stderr, "%s\n", err.text);
        player.failed = true;
    }
    bool failed = player.failed;
    player_finish(&player);
    return failed ? 1 : 0;
}
