/* The steps that only look. Those that look at something that may still come wait for it. */
#include "session.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum outcome waiting(struct player *player, const char *what, struct str detail)
{
    struct buf why = {0};
    buf_append_fmt(&why, "%s" STR_FMT, what, STR_ARG(detail));
    buf_move(&player->why, &why);
    return STEP_WAIT;
}

static enum outcome never_again(struct player *player, const char *what, struct str detail)
{
    waiting(player, what, detail);
    return STEP_FAILED;
}

/* -- The editor's wire ------------------------------------------------------------------------- */

/* The next incoming message from `from` on whose method and params fit; NULL with why. An empty
 * method means the whole message is matched. */
static size_t find_message(struct player *player, size_t from, struct str method,
                           struct str expected)
{
    for (size_t i = from; i < player->wire.len; i++) {
        const struct wire_message *message = &player->wire.ptr[i];
        if (message->outgoing)
            continue;
        if (method.len > 0 && !str_eq(json_get_str(message->json, "method"), method))
            continue;
        const struct json_value *got =
            method.len > 0 ? json_get(message->json, "params") : message->json;
        if (expected.len == 0 || match_text(expected, got, &player->variables, &player->why))
            return i;
    }
    return STR_NONE;
}

enum outcome step_expect(struct player *player, struct str rest)
{
    struct str method, expected = {0};
    if (!words_take(&rest, &method))
        return step_bad(player, "expect METHOD [{params}]");
    words_take_json(&rest, &expected);
    buf_clear(&player->why);
    size_t at = find_message(player, player->cursor, method, expected);
    if (at != STR_NONE) {
        player->cursor = at + 1;
        return STEP_DONE;
    }
    struct buf last = {0};
    buf_move(&last, &player->why);
    waiting(player, "it did not come; the last of its kind: ", buf_str(&last));
    buf_finish(&last);
    return STEP_WAIT;
}

enum outcome step_receive(struct player *player, struct str rest)
{
    struct str expected;
    if (!words_take_json(&rest, &expected))
        return step_bad(player, "receive {message}");
    size_t at = find_message(player, player->cursor, STR(""), expected);
    if (at == STR_NONE)
        return STEP_WAIT;
    player->cursor = at + 1;
    return STEP_DONE;
}

enum outcome step_never(struct player *player, struct str rest)
{
    struct str method, expected = {0};
    if (!words_take(&rest, &method))
        return step_bad(player, "never METHOD [{params}]");
    words_take_json(&rest, &expected);
    size_t at = find_message(player, 0, method, expected);
    return at == STR_NONE ? STEP_DONE
                          : never_again(player, "it came: ", buf_str(&player->wire.ptr[at].text));
}

/* How often the person was asked so far; tests/run prints the line. */
enum outcome step_prompts(struct player *player, struct str rest)
{
    size_t asked = 0, calls = 0;
    for (size_t i = 0; i < player->wire.len; i++) {
        const struct wire_message *message = &player->wire.ptr[i];
        struct str method = json_get_str(message->json, "method");
        asked += !message->outgoing && (str_eq_c(method, "window/showMessageRequest") ||
                                        str_eq_c(method, "lanebridge/approval/request") ||
                                        str_eq_c(method, "lanebridge/question/request"));
        const struct json_value *item = json_get(json_get(message->json, "params"), "item");
        calls +=
            str_eq_c(method, "lanebridge/item/completed") && json_get_str(item, "tool").len > 0;
    }
    struct buf got = {0};
    buf_append_fmt(&got, "%zu", asked);
    bool fits = str_eq(str_trim(rest), buf_str(&got));
    if (fits && calls > 0) /* a bare client is not told of calls */
        printf("counted: %zu prompts in a rollout of %zu calls\n", asked, calls);
    enum outcome outcome =
        fits ? STEP_DONE : never_again(player, "so many prompts: ", buf_str(&got));
    buf_finish(&got);
    return outcome;
}

/* Status of the turn that this message ends, or "". */
static struct str turn_end(const struct player *player, const struct wire_message *message)
{
    const struct json_value *params = json_get(message->json, "params");
    struct str method = json_get_str(message->json, "method");
    if (message->outgoing)
        return STR("");
    if (player->script->rich)
        return str_eq_c(method, "lanebridge/turn/completed") ? json_get_str(params, "status")
                                                             : STR("");
    const struct json_value *value = json_get(params, "value");
    if (!str_eq_c(method, "$/progress") || !str_eq_c(json_get_str(value, "kind"), "end"))
        return STR("");
    struct str said = json_get_str(value, "message");
    return str_starts_with(said, STR("turn started")) ? STR("") : said;
}

enum outcome step_until(struct player *player, struct str rest)
{
    struct str word, wanted;
    if (!words_take(&rest, &word) || !words_take(&rest, &wanted))
        return step_bad(player, "until turn completed | interrupted | failed");
    for (size_t i = player->turn_cursor; i < player->wire.len; i++) {
        struct str ended = turn_end(player, &player->wire.ptr[i]);
        if (ended.len == 0)
            continue;
        player->turn_cursor = i + 1;
        if (str_starts_with(ended, wanted))
            return STEP_DONE;
        return never_again(player, "the turn ended: ", buf_str(&player->wire.ptr[i].text));
    }
    return waiting(player, "the turn does not end", STR(""));
}

/* -- Texts
 * ----------------------------------------------------------------------------------------------------
 */

static enum outcome check_text(struct player *player, struct str got, struct str rest)
{
    struct str verb, count;
    struct buf wanted = {0};
    int64_t number = 0;
    bool good = false;
    if (!words_take(&rest, &verb) || !words_take_text(&rest, &wanted))
        return step_bad(player,
                        "… contains | lacks | is \"text\", or: … is NAME of a text section");
    bool found = str_find(got, buf_str(&wanted), 0) != STR_NONE;
    if (str_eq_c(verb, "contains"))
        good = found;
    else if (str_eq_c(verb, "lacks"))
        good = !found;
    else if (str_eq_c(verb, "is")) {
        const struct named_text *named = script_text(player->script, buf_str(&wanted));
        good = str_eq(got, named ? buf_str(&named->text) : buf_str(&wanted));
    }
    if (str_eq_c(verb, "holds") && words_take(&rest, &count) && str_to_int64(count, &number)) {
        int64_t seen = 0;
        for (size_t at = 0; (at = str_find(got, buf_str(&wanted), at)) != STR_NONE; at++)
            seen++;
        good = seen == number;
    }
    buf_finish(&wanted);
    return good ? STEP_DONE : waiting(player, "the text is:\n", got);
}

enum outcome step_buffer(struct player *player, struct str rest)
{
    struct str name = {0}, verb = {0}, after;
    struct buf path = {0};
    words_take(&rest, &name);
    player_path(player, name, &path);
    const struct text *text = client_text(player->client, path.ptr);
    bool dirty = client_is_dirty(player->client, path.ptr);
    buf_finish(&path);
    after = rest;
    words_take(&after, &verb);
    if (str_eq_c(verb, "closed"))
        return text ? waiting(player, "it is open", STR("")) : STEP_DONE;
    if (!text)
        return waiting(player, "it is not open", STR(""));
    if (str_eq_c(verb, "dirty"))
        return dirty ? STEP_DONE : waiting(player, "it is clean", STR(""));
    if (str_eq_c(verb, "clean"))
        return !dirty ? STEP_DONE : waiting(player, "it is dirty", STR(""));
    return check_text(player, text_bytes(text), rest);
}

static const struct named_text *original(const struct player *player, struct str name)
{
    for (size_t i = 0; i < player->script->files.len; i++)
        if (str_eq_c(name, player->script->files.ptr[i].name))
            return &player->script->files.ptr[i];
    return NULL;
}

enum outcome step_disk(struct player *player, struct str rest)
{
    struct str name = {0}, verb = {0}, after;
    struct buf path = {0}, bytes = {0};
    words_take(&rest, &name);
    player_path(player, name, &path);
    bool exists = read_whole(path.ptr, &bytes);
    after = rest;
    words_take(&after, &verb);
    const struct named_text *before = original(player, name);
    enum outcome outcome;
    if (str_eq_c(verb, "missing"))
        outcome = exists ? waiting(player, "it exists", STR("")) : STEP_DONE;
    else if (!exists)
        outcome = waiting(player, "there is no such file", STR(""));
    else if (str_eq_c(verb, "unchanged"))
        outcome = before && str_eq(buf_str(&before->text), buf_str(&bytes))
                      ? STEP_DONE
                      : waiting(player, "the file is:\n", buf_str(&bytes));
    else
        outcome = check_text(player, buf_str(&bytes), rest);
    buf_finish(&path);
    buf_finish(&bytes);
    return outcome;
}

enum outcome step_output(struct player *player, struct str rest)
{
    return check_text(player, buf_str(&player->run.out), rest);
}

enum outcome step_errors(struct player *player, struct str rest)
{
    return check_text(player, buf_str(&player->run.errors), rest);
}

/* -- What the programs say of themselves ------------------------------------------------------- */

static void on_status(void *user, const struct jsonrpc_answer *answer)
{
    struct player *player = user;
    json_free(player->answer.result);
    player->answer.result = NULL;
    buf_clear(&player->answer.text);
    buf_append(&player->answer.text, answer->raw_result);
    json_parse(answer->raw_result, &player->answer.result, NULL);
    player->answer.arrived = true;
}

enum { STATUS_MS = 25 };

/* Asked again until it fits. */
enum outcome step_status(struct player *player, struct str rest)
{
    struct str expected;
    if (!words_take_json(&rest, &expected))
        return step_bad(player, "status {…}");
    if (player->step_begun && !player->answer.arrived)
        return STEP_WAIT;
    if (player->step_begun &&
        match_text(expected, player->answer.result, &player->variables, &player->why))
        return STEP_DONE;
    uint64_t now = loop_now_ms(player->loop);
    if (player->step_begun && now < player->asked_ms + STATUS_MS)
        return STEP_WAIT;
    player->step_begun = true;
    player->asked_ms = now;
    player->answer.arrived = false;
    client_request(player->client, "workspace/executeCommand",
                   STR("{\"command\":\"lanebridge.status\"}"), on_status, player);
    return STEP_WAIT;
}

/* endpoint-got [COUNT] {frame} */
enum outcome step_endpoint_got(struct player *player, struct str rest)
{
    struct str expected, word, after = rest;
    int64_t wanted = -1, seen = 0;
    if (words_take(&after, &word) && str_to_int64(word, &wanted))
        rest = after;
    if (!words_take_json(&rest, &expected))
        return step_bad(player, "endpoint-got [COUNT] {frame}");
    struct buf trace = {0};
    player_trace(player, &trace);
    struct str lines = buf_str(&trace), line, frame;
    while (str_next(&lines, '\n', &line)) {
        struct json_value *value = NULL;
        if (json_raw_member(line, "got", &frame) == STATUS_OK &&
            json_parse(frame, &value, NULL) == STATUS_OK)
            seen += match_text(expected, value, &player->variables, &player->why);
        json_free(value);
    }
    buf_finish(&trace);
    if (wanted < 0 ? seen > 0 : seen == wanted)
        return STEP_DONE;
    buf_clear(&player->why);
    buf_append_fmt(&player->why, "it got %lld such frames", (long long)seen);
    return STEP_WAIT;
}

/* How many more responses are open behind this line of the trace. */
static int64_t opened(struct str line)
{
    static const struct {
        const char *way, *type;
        int64_t change;
    } rows[] = {
        {"got", "response.create", 1},      {"sent", "response.completed", -1},
        {"sent", "response.failed", -1},    {"sent", "response.incomplete", -1},
        {"sent", "response.cancelled", -1}, {"sent", "error", -1},
    };
    int64_t change = 0;
    struct str frame;
    for (size_t i = 0; i < array_count(rows); i++) {
        struct json_value *value = NULL;
        if (json_raw_member(line, rows[i].way, &frame) == STATUS_OK &&
            json_parse(frame, &value, NULL) == STATUS_OK &&
            str_eq_c(json_get_str(value, "type"), rows[i].type))
            change += rows[i].change;
        json_free(value);
    }
    return change;
}

/* endpoint-at-once COUNT: the most responses that were open at the same time. */
enum outcome step_endpoint_at_once(struct player *player, struct str rest)
{
    struct str word;
    int64_t wanted, open = 0, most = 0;
    if (!words_take(&rest, &word) || !str_to_int64(word, &wanted))
        return step_bad(player, "endpoint-at-once COUNT");
    struct buf trace = {0};
    player_trace(player, &trace);
    struct str lines = buf_str(&trace), line;
    while (str_next(&lines, '\n', &line)) {
        open += opened(line);
        most = open > most ? open : most;
    }
    buf_finish(&trace);
    if (most == wanted)
        return STEP_DONE;
    buf_clear(&player->why);
    buf_append_fmt(&player->why, "at most %lld were open at once", (long long)most);
    return most > wanted ? STEP_FAILED : STEP_WAIT;
}

static int append_row(void *user, int count, char **values, char **names)
{
    struct buf *rows = user;
    (void)names;
    if (rows->len > 0)
        buf_append_byte(rows, '\n');
    for (int i = 0; i < count; i++)
        buf_append_fmt(rows, "%s%s", i > 0 ? "|" : "", values[i] ? values[i] : "NULL");
    return 0;
}

/* journal "SELECT …" -> "rows, columns parted by |" */
enum outcome step_journal(struct player *player, struct str rest)
{
    struct buf path = {0}, sql = {0}, wanted = {0}, rows = {0};
    sqlite3 *db = NULL;
    if (!words_take_text(&rest, &sql) || !words_take_arrow(&rest) ||
        !words_take_text(&rest, &wanted))
        return step_bad(player, "journal \"SQL\" -> \"a|b\\nc|d\"");
    buf_append_c(&rows, "");
    buf_append_fmt(&path, "%s/journal.db", player->state.ptr);
    int code = sqlite3_open_v2(path.ptr, &db, SQLITE_OPEN_READWRITE, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, sql.ptr, append_row, &rows, NULL);
    if (code != SQLITE_OK)
        buf_append_c(&rows, sqlite3_errmsg(db));
    sqlite3_close(db);
    bool same = code == SQLITE_OK && str_eq(buf_str(&rows), buf_str(&wanted));
    enum outcome outcome = same ? STEP_DONE : waiting(player, "the rows are:\n", buf_str(&rows));
    buf_finish(&path);
    buf_finish(&sql);
    buf_finish(&wanted);
    buf_finish(&rows);
    return outcome;
}

enum outcome step_exit(struct player *player, struct str rest)
{
    int64_t code = 0;
    struct buf got = {0};
    player->exit_checked = player->server_killed = true;
    if (!str_to_int64(str_trim(rest), &code))
        return step_bad(player, "exit CODE");
    if (!player->server_ended)
        return waiting(player, "the server runs on", STR(""));
    buf_append_fmt(&got, "%d, signal %d", player->server_exit, player->server_signal);
    enum outcome outcome = player->server_exit == code
                               ? STEP_DONE
                               : never_again(player, "it ended with ", buf_str(&got));
    buf_finish(&got);
    return outcome;
}

enum outcome step_run_exit(struct player *player, struct str rest)
{
    const struct child *run = &player->run;
    int64_t code = 0;
    if (!str_to_int64(str_trim(rest), &code))
        return step_bad(player, "run-exit CODE");
    if (!run->ended)
        return waiting(player, "it runs on; stderr: ", buf_str(&run->errors));
    if (run->exit_code == code)
        return STEP_DONE;
    buf_clear(&player->why);
    buf_append_fmt(&player->why, "ended with %d, signal %d; stdout: " STR_FMT ", stderr: " STR_FMT,
                   run->exit_code, run->signal, STR_ARG(buf_str(&run->out)),
                   STR_ARG(buf_str(&run->errors)));
    return STEP_FAILED;
}
