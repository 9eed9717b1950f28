#include "session.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_DEADLINE_MS = 10000, POLL_MS = 10, SHOWN_MESSAGES = 24, SHOWN_BYTES = 300 };

/* -- Places
 * -------------------------------------------------------------------------------------------- */

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

static bool write_file(const char *path, struct str bytes)
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
        bool good = write_file(path.ptr, buf_str(&file->text));
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

/* -- Failure
 * ------------------------------------------------------------------------------------------- */

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

static void fail(struct player *player)
{
    player->failed = player->over = true;
    report(player);
    loop_stop(player->loop);
}

/* -- Children
 * -------------------------------------------------------------------------------------------- */

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
static void build_env(const struct player *player, struct buf *text, char **env, size_t max)
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
    build_env(player, &text, env, array_count(env));
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

/* -- The endpoint
 * ------------------------------------------------------------------------------------------ */

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
    write_file(replay.ptr, buf_str(&bytes));
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

static bool endpoint_is_up(struct player *player)
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

/* -- The language server
 * ------------------------------------------------------------------------------------ */

/* LANEBRIDGE_TRAFFIC names a file, which tests/lint/schema and tests/lint/messages read: one line a
 * message, one write a line, so that sessions may share it. What our own reader takes for no JSON
 * is kept as a string; "hand" says that the session wrote it, "bare" that it writes all of them. */
static void record(const struct player *player, bool outgoing, struct str body, bool is_json)
{
    const char *path = getenv("LANEBRIDGE_TRAFFIC");
    FILE *file = path && path[0] ? fopen(path, "ae") : NULL;
    if (!file)
        return;
    struct buf line = {0};
    buf_append_fmt(&line, "{\"dir\":\"%s\",\"pid\":%d,%s%s\"session\":", outgoing ? "in" : "out",
                   (int)getpid(), player->bare ? "\"bare\":true," : "",
                   player->by_hand ? "\"hand\":true," : "");
    json_append_quoted(&line, str_from(player->script->path));
    buf_append_c(&line, ",\"body\":");
    if (!is_json)
        json_append_quoted(&line, body);
    for (size_t i = 0; is_json && i < body.len; i++)
        buf_append_byte(&line, body.ptr[i] == '\n' ? ' ' : body.ptr[i]);
    buf_append_c(&line, "}\n");
    setvbuf(file, NULL, _IOFBF, line.len);
    fwrite(line.ptr, 1, line.len, file);
    fclose(file);
    buf_finish(&line);
}

void player_on_traffic(void *user, bool outgoing, struct str body)
{
    struct player *player = user;
    struct wire_message message = {.outgoing = outgoing};
    buf_append(&message.text, body);
    record(player, outgoing, body, json_parse(body, &message.json, NULL) == STATUS_OK);
    vec_push(&player->wire, message);
    loop_timer_start(player->pump, 0, 0);
}

void player_on_exit(void *user, int exit_code, int signal)
{
    struct player *player = user;
    player->server_ended = true;
    player->server_exit = exit_code;
    player->server_signal = signal;
    loop_timer_start(player->pump, 0, 0);
}

static void on_ready(void *user)
{
    struct player *player = user;
    player->ready = true;
    loop_timer_start(player->pump, 0, 0);
}

static int button_of(const struct client_question *question, struct str wanted)
{
    int at = 0;
    const struct json_value *action = json_first(json_get(question->params, "actions"));
    for (; action; action = json_next(action), at++)
        if (str_eq(json_get_str(action, "title"), wanted))
            return at;
    return -1;
}

/* Without an `answer` in the session: declined. "" closes the question without an answer. */
static int on_question(void *user, const struct client_question *question)
{
    struct player *player = user;
    if (player->answers.len == 0)
        return question->is_approval ? 1 : button_of(question, STR("Decline"));
    char *wanted = player->answers.ptr[0];
    vec_remove(&player->answers, 0);
    bool later = strcmp(wanted, "later") == 0;
    int button = later                   ? CLIENT_LATER
                 : question->is_approval ? strcmp(wanted, "accept") != 0
                                         : button_of(question, str_from(wanted));
    mem_free(wanted);
    return button;
}

static bool on_apply(void *user, const struct json_value *params)
{
    struct player *player = user;
    (void)params;
    if (player->on_apply.len == 0)
        return true;
    char *what = player->on_apply.ptr[0];
    vec_remove(&player->on_apply, 0);
    bool declined = strcmp(what, "decline") == 0;
    if (!declined && strcmp(what, "nothing") != 0 && step_play(player, str_from(what)) != STEP_DONE)
        fail(player);
    mem_free(what);
    return !declined;
}

/* The language servers of the scripted editor: `editor METHOD …` steps, in order; the last answer
 * of a method stays. */
static struct named_text *next_editor_answer(struct player *player, struct str method,
                                             bool *ret_is_last)
{
    struct named_text *found = NULL;
    *ret_is_last = true;
    for (size_t i = 0; i < player->editor_answers.len; i++) {
        struct named_text *one = &player->editor_answers.ptr[i];
        if (!str_eq_c(method, one->name))
            continue;
        if (found) {
            *ret_is_last = false;
            break;
        }
        found = one;
    }
    return found;
}

static void remove_editor_answer(struct player *player, struct named_text *answer)
{
    size_t index = (size_t)(answer - player->editor_answers.ptr);
    mem_free(answer->name);
    buf_finish(&answer->text);
    vec_remove(&player->editor_answers, index);
}

static bool on_request(void *user, struct str method, const struct json_value *params,
                       struct buf *result)
{
    struct player *player = user;
    bool is_last, good = true;
    (void)params;
    size_t slash = str_rfind_byte(method, '/');
    struct str name = str_starts_with(method, STR("lanebridge/question"))
                          ? STR("question")
                          : str_skip(method, slash + 1);
    struct named_text *answer;
    while ((answer = next_editor_answer(player, name, &is_last)) &&
           str_starts_with(buf_str(&answer->text), STR("do "))) {
        struct buf step = {0};
        buf_append(&step, str_skip(buf_str(&answer->text), 3));
        remove_editor_answer(player, answer);
        if (step_play(player, buf_str(&step)) != STEP_DONE)
            fail(player);
        buf_finish(&step);
    }
    if (!answer)
        return true;
    struct str text = buf_str(&answer->text), rest = text, word;
    if (words_take(&rest, &word) && str_eq_c(word, "error"))
        good = !words_take_text(&rest, result);
    else
        buf_append(result, text);
    if (!is_last)
        remove_editor_answer(player, answer);
    return good;
}

static void append_options(const struct player *player, struct buf *json)
{
    struct buf settings = {0};
    struct json_writer w;
    struct json_raw_iter iter = {0};
    struct str key, value, url;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    if (!player->script->untrusted)
        json_write_field_bool(&w, "trusted", true);
    variables_expand(&player->variables, buf_str(&player->script->settings), &settings);
    iter.rest = buf_str(&settings);
    if (player->script->endpoint != ENDPOINT_NONE &&
        json_raw_member(buf_str(&settings), "endpoint.url", &url) != STATUS_OK) {
        struct buf own = {0};
        variables_expand(&player->variables, STR("${endpoint}"), &own);
        json_write_field_str(&w, "endpoint.url", buf_str(&own));
        buf_finish(&own);
    }
    while (settings.len > 0 && json_raw_next(&iter, &key, &value)) {
        json_write_key_str(&w, key);
        json_write_raw(&w, value);
    }
    json_write_end_object(&w);
    buf_finish(&settings);
}

enum { FOLDERS_MAX = 8 };

/* The folders that the script names instead of the workspace itself. */
static size_t open_folders(const struct player *player, const char *roots[FOLDERS_MAX])
{
    size_t count = player->script->folders.len;
    for (size_t i = 0; i < count && i < FOLDERS_MAX; i++) {
        struct buf path = {0};
        path_append_join(&path, buf_str(&player->root), str_from(player->script->folders.ptr[i]));
        roots[i] = buf_take(&path);
    }
    return count > 0 ? count : 1;
}

static struct client *new_client(struct player *player, char *const *argv, char *const *env,
                                 struct err *err)
{
    static const struct client_handlers handlers = {.on_ready = on_ready,
                                                    .on_question = on_question,
                                                    .on_request = on_request,
                                                    .on_apply = on_apply,
                                                    .on_traffic = player_on_traffic,
                                                    .on_exit = player_on_exit};
    const char *roots[FOLDERS_MAX] = {player->root.ptr};
    size_t root_count = open_folders(player, roots);
    struct buf json = {0};
    append_options(player, &json);
    struct client_options options = {.argv = argv,
                                     .env = env,
                                     .cwd = player->root.ptr,
                                     .roots = roots,
                                     .root_count = root_count,
                                     .name = player->script->client_name,
                                     .initialization_options = buf_str(&json),
                                     .encodings = player->script->encodings,
                                     .rich = player->script->rich,
                                     .offers =
                                         player->offers ? player->offers : player->script->offers,
                                     .inherit_stderr = true,
                                     .quirks = player->script->quirks};
    struct client *client = client_new(player->loop, &options, &handlers, player, err);
    buf_finish(&json);
    for (size_t i = 0; i < player->script->folders.len; i++)
        mem_free((char *)roots[i]);
    return client;
}

bool player_start_server(struct player *player, struct err *err)
{
    char *program = mem_dup_c(player->program), command[] = "lsp";
    char *argv[] = {program, command, NULL}, *env[33];
    struct buf text = {0};
    build_env(player, &text, env, array_count(env));
    client_free(player->client);
    player->client = NULL;
    player->ready = player->script->client != CLIENT_EDITOR;
    player->server_ended = player->server_killed = player->exit_checked = false;
    if (player->script->client == CLIENT_EDITOR)
        player->client = new_client(player, argv, env, err);
    else if (player->script->client == CLIENT_BARE)
        player->bare = bare_new(player, argv, env, err);
    buf_finish(&text);
    mem_free(program);
    return player->client || player->bare || player->script->client == CLIENT_NONE;
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
    if (player->endpoint.ended || !endpoint_is_up(player)) {
        buf_clear(&player->why);
        buf_append_c(&player->why, "the endpoint does not come up");
        return player->endpoint.ended ? STEP_FAILED : STEP_WAIT;
    }
    if (player->script->config.len > 0) {
        struct buf path = {0}, bytes = {0};
        buf_append_fmt(&path, "%s/config/config.json", player->folder.ptr);
        player_make_parents(path.ptr);
        variables_expand(&player->variables, buf_str(&player->script->config), &bytes);
        write_file(path.ptr, buf_str(&bytes));
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
            fail(player);
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
        fail(player);
}

/* -- All of it
 * ---------------------------------------------------------------------------------------------- */

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
    for (size_t i = 0; i < player->answers.len; i++)
        mem_free(player->answers.ptr[i]);
    vec_finish(&player->answers);
    while (player->editor_answers.len > 0)
        remove_editor_answer(player, &vec_last(&player->editor_answers));
    vec_finish(&player->editor_answers);
    mem_free(player->offers);
    for (size_t i = 0; i < player->on_apply.len; i++)
        mem_free(player->on_apply.ptr[i]);
    vec_finish(&player->on_apply);
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
