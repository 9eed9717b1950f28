/* The programs under test as processes in an environment of their own, the endpoint among them. */
#include "session.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- Children ---------------------------------------------------------------------------------- */

static void on_child_stdout(void *user, struct str bytes)
{
    struct child *child = user;
    buf_append(&child->out, bytes);
}

static void on_child_stderr(void *user, struct str bytes)
{
    struct child *child = user;
    buf_append(&child->errors, bytes);
}

static void on_child_exit(void *user, int exit_code, int signal)
{
    struct child *child = user;
    child->ended = true;
    child->exit_code = exit_code;
    child->signal = signal;
}

static bool same_name(struct str one, struct str other)
{
    size_t end = str_find_byte(one, '=', 0);
    return end != STR_NONE && str_starts_with(other, str_slice(one, 0, end + 1));
}

/* The environment of all programs under test: nothing of ours but what sanitizers read. */
void player_build_env(const struct player *player, struct buf *text, char **env, size_t max)
{
    static const char *const inherited[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
    size_t starts[32], count = 0;
    struct buf all = {0};
    buf_append_fmt(&all, "PATH=/usr/bin:/bin\nHOME=%s/home\nLC_ALL=C.UTF-8\n", player->folder.ptr);
    buf_append_fmt(&all, "LANEBRIDGE_STATE=%s\nLANEBRIDGE_CONFIG=%s/config/config.json\n",
                   player->state.ptr, player->folder.ptr);
    buf_append_fmt(&all, "XDG_CACHE_HOME=%s/cache\nTMPDIR=/tmp\n", player->folder.ptr);
    for (size_t i = 0; i < array_count(inherited); i++)
        if (getenv(inherited[i]))
            buf_append_fmt(&all, "%s=%s\n", inherited[i], getenv(inherited[i]));
    for (size_t i = 0; i < player->script->env.len; i++) {
        variables_expand(&player->variables, str_from(player->script->env.ptr[i]), &all);
        buf_append_byte(&all, '\n');
    }
    struct str rest = buf_str(&all), line;
    while (str_next(&rest, '\n', &line) && count + 1 < max && count < array_count(starts)) {
        if (line.len == 0)
            continue;
        size_t place = 0; /* a script's own line instead of ours */
        while (place < count && !same_name(str_from(text->ptr + starts[place]), line))
            place++;
        starts[place] = text->len;
        count += place == count;
        buf_append(text, line);
        buf_append_byte(text, '\0');
    }
    for (size_t i = 0; i < count; i++)
        env[i] = text->ptr + starts[i];
    env[count] = NULL;
    buf_finish(&all);
}

bool player_spawn(struct player *player, struct child *child, char *const *argv, bool with_stdin,
                  struct err *err)
{
    static const struct loop_process_handlers handlers = {
        .on_stdout = on_child_stdout, .on_stderr = on_child_stderr, .on_exit = on_child_exit};
    struct buf text = {0};
    char *env[33];
    player_build_env(player, &text, env, array_count(env));
    struct loop_process_options options = {
        .argv = argv, .env = env, .cwd = player->root.ptr, .pipe_stdin = with_stdin};
    *child = (struct child){0};
    child->process = loop_process_new(player->loop, &options, &handlers, child, err);
    buf_finish(&text);
    return child->process != NULL;
}

void player_stop_child(struct child *child)
{
    if (child->process)
        loop_process_free(child->process);
    buf_finish(&child->out);
    buf_finish(&child->errors);
    *child = (struct child){0};
}

/* -- The endpoint ------------------------------------------------------------------------------ */

static void trace_path(const struct player *player, struct buf *path)
{
    buf_append_fmt(path, "%s/trace", player->folder.ptr);
}

void player_trace(const struct player *player, struct buf *lines)
{
    struct buf path = {0};
    trace_path(player, &path);
    read_whole(path.ptr, lines);
    buf_finish(&path);
}

/* A port nobody listens on, or one where nobody answers. */
static bool hold_port(struct player *player, bool listening)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    player->held_socket = fd;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return false;
    if (listening && listen(fd, 16) < 0)
        return false;
    player->endpoint_port = ntohs(address.sin_port);
    return true;
}

static bool spawn_endpoint(struct player *player, struct err *err)
{
    struct buf replay = {0}, bytes = {0}, engine = {0}, listen_at = {0}, trace = {0};
    char *words[16] = {mem_dup_c(player->program), mem_dup_c("endpoint"), mem_dup_c("--listen")};
    buf_append_fmt(&listen_at, "127.0.0.1:%u", player->endpoint_port);
    words[3] = buf_take(&listen_at);
    size_t count = 4;
    words[count++] = mem_dup_c("--engine");
    buf_append_fmt(&replay, "%s/replay.jsonl", player->folder.ptr);
    variables_expand(&player->variables, buf_str(&player->script->replay), &bytes);
    player_write_file(replay.ptr, buf_str(&bytes));
    bool is_empty = str_trim(buf_str(&bytes)).len == 0; /* then it plays the built-in rules */
    if (player->upstream)
        buf_append_fmt(&engine, "upstream:http://127.0.0.1:%u", player_upstream_port(player));
    else
        buf_append_fmt(&engine, is_empty ? "replay" : "replay:%s", replay.ptr);
    words[count++] = buf_take(&engine);
    words[count++] = mem_dup_c("--trace");
    trace_path(player, &trace);
    words[count++] = buf_take(&trace);
    words[count++] = mem_dup_c("--exit-with-stdin");
    struct buf args = {0};
    variables_expand(&player->variables, buf_str(&player->script->endpoint_args), &args);
    struct str rest = buf_str(&args), word;
    while (count + 1 < array_count(words) && words_take(&rest, &word))
        words[count++] = str_dup_c(word);
    bool good = player_spawn(player, &player->endpoint, words, true, err);
    for (size_t i = 0; i < count; i++)
        mem_free(words[i]);
    buf_finish(&args);
    buf_finish(&replay);
    buf_finish(&bytes);
    return good;
}

bool player_start_endpoint(struct player *player, struct err *err)
{
    switch (player->script->endpoint) {
    case ENDPOINT_NONE:
        return true;
    case ENDPOINT_REPLAY:
        return spawn_endpoint(player, err);
    case ENDPOINT_REFUSES:
    case ENDPOINT_SILENT:
        return hold_port(player, player->script->endpoint == ENDPOINT_SILENT);
    }
    return false;
}

bool player_endpoint_is_up(struct player *player)
{
    char url[128];
    if (player->script->endpoint == ENDPOINT_NONE)
        return true;
    if (player->script->endpoint == ENDPOINT_REPLAY) {
        struct str line = str_trim(buf_str(&player->endpoint.out));
        size_t colon = str_rfind_byte(line, ':');
        if (colon == STR_NONE || str_find_byte(buf_str(&player->endpoint.out), '\n', 0) == STR_NONE)
            return false;
        player->endpoint_port = (unsigned)strtoul(line.ptr + colon + 1, NULL, 10);
    }
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u/v1/responses", player->endpoint_port);
    variables_set(&player->variables, "endpoint", str_from(url));
    return true;
}
