/* The language server, and the editor at its other side: what it offers, what it answers. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- The language server ----------------------------------------------------------------------- */

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
        player_fail(player);
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
            player_fail(player);
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
    player_build_env(player, &text, env, array_count(env));
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

void player_forget_editor(struct player *player)
{
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
}
