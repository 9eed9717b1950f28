/* A whole session: the real server, agent, tools, journal and responses in this process, a scripted
 * model behind them, and an editor made of bytes. Input: one message a line (framed here, so that a
 * fuzzer need not count), "=" and then bytes that go as they are, "~" lets what is under way go on.
 * In a line ${ws} is the workspace's folder, ${thread} the last thread the server named. Whatever
 * comes, the server sends nothing but messages, and ends when its input does. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lanebridge/complete.h>
#include <lanebridge/json.h>
#include <lanebridge/jsonrpc.h>
#include <lanebridge/lsp.h>

#include "../unit/agent/world.h"

#include "fuzz.h"

enum {
    INPUT_BYTES = 32 * 1024,
    TURNS_PER_LINE = 12, /* of the loop */
    TURNS_AT_REST = 120,
    RESTS_MAX = 6,
    HANG_MS = 8000,
};

struct session {
    struct world world;
    struct lsp_server *server;
    struct complete *complete;
    struct jsonrpc_frames *frames;
    struct loop_timer *turn;
    unsigned turns_left;
    int fd;
    char thread[64];
    bool ended;
};

/* -- What the server says --------------------------------------------------------------------- */

static void on_body(void *user, struct str body)
{
    struct session *session = user;
    struct json_value *message = NULL;
    FUZZ_CHECK(json_parse(body, &message, NULL) == STATUS_OK);
    FUZZ_CHECK(str_eq_c(json_get_str(message, "jsonrpc"), "2.0"));
    FUZZ_CHECK(json_get(message, "method") || json_get(message, "id"));
    FUZZ_CHECK(json_get(message, "method") ||
               !json_get(message, "result") != !json_get(message, "error"));
    struct str thread = json_get_str(json_get(message, "result"), "threadId");
    if (thread.len == 0)
        thread = json_get_str(json_at(message, "result", "thread", NULL), "id");
    if (thread.len > 0 && thread.len < sizeof(session->thread)) {
        memcpy(session->thread, thread.ptr, thread.len);
        session->thread[thread.len] = '\0';
    }
    json_free(message);
}

static void on_oversize(void *user, struct str head, struct str tail, uint64_t length)
{
    (void)user, (void)head, (void)tail, (void)length;
    FUZZ_CHECK(!"the server sent more than a client takes");
}

static void on_bad_header(void *user, const struct err *err)
{
    (void)user;
    fprintf(stderr, "%s\n", err->text);
    FUZZ_CHECK(!"the server sent a broken header");
}

static void listen_to_server(struct session *session)
{
    static char bytes[64 * 1024];
    ssize_t got;
    while ((got = read(session->fd, bytes, sizeof(bytes))) > 0)
        jsonrpc_frames_push(session->frames, (struct str){bytes, (size_t)got});
}

/* -- What the server needs -------------------------------------------------------------------- */

/* From whom ever they come: nothing that executes may be set by an input. */
static void on_settings(void *user, enum lsp_settings_source source,
                        const struct json_value *object, struct buf *warnings)
{
    struct session *session = user;
    (void)source;
    if (json_is(object, JSON_OBJECT))
        config_apply(session->world.config, CONFIG_WORKSPACE, object, warnings);
}

static struct agent *on_agent(void *user, const struct host *host, agent_event_fn *on_event,
                              void *event_user, struct err *err)
{
    struct session *session = user;
    (void)err;
    if (!session->world.agent)
        world_agent(&session->world, host, on_event, event_user);
    return session->world.agent;
}

static bool may_send(void *user, struct str path)
{
    (void)user;
    return path.len % 2 == 0;
}

static struct complete *on_complete(void *user)
{
    struct session *session = user;
    struct complete_env env = {.loop = session->world.loop,
                               .responses = session->world.responses,
                               .documents = session->world.documents,
                               .model = "m-2",
                               .max_tokens = 64,
                               .may_send = may_send,
                               .user = session};
    if (!session->complete && session->world.responses)
        session->complete = complete_new(&env);
    return session->complete;
}

static void on_status(void *user, struct buf *json)
{
    (void)user;
    buf_append_c(json, "{\"model\":\"m-1\"}");
}

static void on_exit_code(void *user, int code)
{
    struct session *session = user;
    FUZZ_CHECK(code == 0 || code == 1);
    FUZZ_CHECK(!session->ended);
    session->ended = true;
}

static void on_turn(void *user)
{
    struct session *session = user;
    if (session->turns_left-- == 0 || session->ended)
        loop_stop(session->world.loop);
    else
        loop_timer_start(session->turn, 0, 0);
}

/* Every callback in between has had its turn; nothing waits for a clock. */
static void settle(struct session *session, unsigned turns)
{
    session->turns_left = turns;
    loop_timer_start(session->turn, 0, 0);
    loop_run(session->world.loop);
    loop_timer_stop(session->turn);
    listen_to_server(session);
}

static void start(struct session *session)
{
    static const char *const steps[] = {
        "think of it\ncall c1 read_file "
        "{\"path\":\"a.c\",\"start_line\":null,\"end_line\":null}\ndone",
        "say an edit\ncall c2 edit_file {\"path\":\"a.c\",\"old_string\":\"one\",\"new_string\":"
        "\"two\",\"replace_all\":null}\ndone",
        "call c3 ask_user {\"questions\":[{\"question\":\"Which?\",\"options\":[{\"label\":\"A\","
        "\"description\":null},{\"label\":\"B\",\"description\":null}]}]}\ndone",
        "call c4 update_plan "
        "{\"explanation\":null,\"plan\":[{\"step\":\"x\",\"status\":\"pending\"}]}"
        "\npartial half\nfailed it broke",
        "partial a\nincomplete max_output_tokens",
        "say partly\nbreak",
        "say done\ndone",
        NULL};
    static const struct jsonrpc_frame_handlers handlers = {on_body, on_oversize, on_bad_header};
    int ends[2];
    world_init(&session->world);
    world_put(&session->world, "a.c", "int one;\nint other;\n");
    model_script(&session->world.model, steps);
    struct lsp_env env = {.loop = session->world.loop,
                          .documents = session->world.documents,
                          .workspace = session->world.workspace,
                          .state_folder = session->world.state,
                          .user = session,
                          .settings = on_settings,
                          .agent = on_agent,
                          .complete = on_complete,
                          .status = on_status,
                          .on_exit = on_exit_code};
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    session->server = lsp_server_new(&env, ends[0], ends[0], NULL);
    FUZZ_CHECK(session->server);
    close(ends[0]);
    session->fd = ends[1];
    session->frames = jsonrpc_frames_new(LIMIT_LSP_BODY_BYTES, &handlers, session);
    session->turn = loop_timer_new(session->world.loop, on_turn, session);
    lsp_server_start(session->server);
}

static void finish(struct session *session)
{
    shutdown(session->fd, SHUT_WR);
    uint64_t began = loop_now_ms(session->world.loop);
    while (!session->ended) {
        settle(session, TURNS_PER_LINE);
        FUZZ_CHECK(loop_now_ms(session->world.loop) < began + HANG_MS);
    }
    agent_free(session->world.agent);
    session->world.agent = NULL;
    complete_free(session->complete);
    world_end_agent(&session->world);
    lsp_server_free(session->server);
    listen_to_server(session);
    close(session->fd);
    jsonrpc_frames_free(session->frames);
    loop_timer_free(session->turn);
    world_finish(&session->world);
}

/* -- The editor ------------------------------------------------------------------------------- */

static void send_bytes(struct session *session, struct str bytes)
{
    while (bytes.len > 0 && !session->ended) {
        ssize_t put = write(session->fd, bytes.ptr, bytes.len);
        if (put > 0)
            bytes = str_skip(bytes, (size_t)put);
        else if (errno != EAGAIN)
            return; /* the server has gone */
        else
            settle(session, 1);
    }
}

static void append_expanded(const struct session *session, struct str line, struct buf *out)
{
    const struct {
        struct str name;
        const char *value;
    } names[] = {{STR("${ws}"), session->world.ws}, {STR("${thread}"), session->thread}};
    while (line.len > 0) {
        size_t name = 0;
        while (name < array_count(names) && !str_starts_with(line, names[name].name))
            name++;
        if (name < array_count(names))
            buf_append_c(out, names[name].value);
        else
            buf_append_byte(out, line.ptr[0]);
        line = str_skip(line, name < array_count(names) ? names[name].name.len : 1);
    }
}

static void play_line(struct session *session, struct str line)
{
    struct buf body = {0}, frame = {0};
    bool is_raw = line.len > 0 && line.ptr[0] == '=';
    append_expanded(session, is_raw ? str_skip(line, 1) : line, &body);
    if (!is_raw)
        buf_append_fmt(&frame, "Content-Length: %zu\r\n\r\n", body.len);
    buf_append(&frame, buf_str(&body));
    send_bytes(session, buf_str(&frame));
    settle(session, TURNS_PER_LINE);
    buf_finish(&body);
    buf_finish(&frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct session session = {.fd = -1};
    unsigned rests = 0;
    if (size > INPUT_BYTES)
        return 0;
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    start(&session);
    struct str rest = {(const char *)data, size}, line;
    while (!session.ended && str_next(&rest, '\n', &line)) {
        if (str_eq_c(line, "~"))
            settle(&session, rests++ < RESTS_MAX ? TURNS_AT_REST : 1);
        else
            play_line(&session, line);
    }
    finish(&session);
    return 0;
}
