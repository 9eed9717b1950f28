#include "stage.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

enum { GUARD_MS = 20000 };

/* Everything answers at once here; what comes late must not come too late on a busy machine. */
static const struct apply_waits waits = {.settle_ms = 15, .typed_ms = 3, .refused_ms = 5};
static const struct apply_waits long_waits = {.settle_ms = 5000, .typed_ms = 5, .refused_ms = 10};

static uint64_t now_ms(void)
{
    static uint64_t ms = 1000000; /* turns are told apart by it */
    return ++ms;
}

static void on_guard(void *user)
{
    struct stage *s = user;
    s->is_timed_out = true;
    loop_stop(s->loop);
}

static void on_poll(void *user)
{
    struct stage *s = user;
    if (s->turns_left > 0 ? --s->turns_left == 0 : s->is_done)
        loop_stop(s->loop);
}

static void run(struct stage *s)
{
    loop_timer_start(s->guard, GUARD_MS, 0);
    loop_timer_start(s->poll, 0, 1);
    loop_run(s->loop);
    loop_timer_stop(s->poll);
    loop_timer_stop(s->guard);
    CHECK(!s->is_timed_out, "nothing came in %d ms", GUARD_MS);
}

void stage_wait(struct stage *s)
{
    s->turns_left = 0;
    if (!s->is_done)
        run(s);
}

void stage_done(struct stage *s)
{
    s->is_done = true;
    loop_stop(s->loop);
}

void stage_settle(struct stage *s)
{
    s->turns_left = 3;
    run(s);
}

/* -- Set up ------------------------------------------------------------------------------------ */

static void on_settings(void *user, enum lsp_settings_source source,
                        const struct json_value *object, struct buf *warnings)
{
    (void)user, (void)source, (void)object, (void)warnings;
}

static struct agent *no_agent(void *user, const struct host *host, agent_event_fn *on_event,
                              void *event_user, struct err *err)
{
    (void)user, (void)host, (void)on_event, (void)event_user;
    err_set(err, STATUS_UNSUPPORTED, "there is no model here");
    return NULL;
}

static void on_status(void *user, struct buf *json)
{
    (void)user;
    buf_append_c(json, "{}");
}

static void on_exit_code(void *user, int code)
{
    (void)user, (void)code;
}

static char *below(const struct stage *s, const char *name)
{
    struct buf path = {0};
    buf_append_fmt(&path, "%s/%s", s->dir, name);
    mkdir(path.ptr, 0700);
    return buf_take(&path);
}

static void on_initialized(void *user, const struct jsonrpc_answer *answer)
{
    CHECK(answer->status == STATUS_OK, STR_FMT, STR_ARG(answer->error_text));
    stage_done(user);
}

static void initialize(struct stage *s, bool document_changes)
{
    struct buf json = {0};
    buf_append_fmt(&json,
                   "{\"capabilities\":{\"workspace\":{\"applyEdit\":true,\"workspaceEdit\":{"
                   "\"documentChanges\":%s}},\"general\":{\"positionEncodings\":[\"%s\"]}},"
                   "\"clientInfo\":{\"name\":\"typist\"},\"workspaceFolders\":[{\"uri\":"
                   "\"file://%s\",\"name\":\"ws\"}]}",
                   document_changes ? "true" : "false", position_encoding_name(s->typist.encoding),
                   s->ws);
    s->is_done = false;
    jsonrpc_request(s->typist.peer, "initialize", buf_str(&json), on_initialized, s);
    stage_wait(s);
    jsonrpc_notify(s->typist.peer, "initialized", STR("{}"));
    stage_settle(s);
    CHECK(s->server->encoding == s->typist.encoding, "another encoding");
    buf_finish(&json);
}

static void make_server(struct stage *s, enum position_encoding encoding)
{
    int ends[2];
    struct lsp_env env = {.loop = s->loop,
                          .documents = s->documents,
                          .workspace = s->workspace,
                          .state_folder = s->env.state_folder,
                          .user = s,
                          .settings = on_settings,
                          .agent = no_agent,
                          .status = on_status,
                          .on_exit = on_exit_code};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "no socket pair");
    s->server = lsp_server_new(&env, ends[0], ends[0], NULL);
    CHECK(s->server, "no server");
    typist_init(&s->typist, s->loop, ends[1]);
    s->typist.encoding = encoding;
    close(ends[0]);
    close(ends[1]);
    lsp_server_start(s->server);
}

void stage_init(struct stage *s, enum position_encoding encoding, bool document_changes)
{
    struct err err = {0};
    *s = (struct stage){.dir = "/tmp/lanebridge-property-XXXXXX"};
    log_set_level(LOG_ERROR);
    CHECK(mkdtemp(s->dir), "no folder");
    s->env = (struct config_env){.home = below(s, "home"),
                                 .config_file = below(s, "config.json"),
                                 .state_folder = below(s, "state"),
                                 .cache_folder = below(s, "cache")};
    snprintf(s->ws, sizeof(s->ws), "%s/ws", s->dir);
    mkdir(s->ws, 0700);
    s->loop = loop_new(&err);
    s->guard = loop_timer_new(s->loop, on_guard, s);
    s->poll = loop_timer_new(s->loop, on_poll, s);
    s->config = config_new();
    s->documents = documents_new();
    s->workspace = workspace_new(s->loop, str_from(s->env.state_folder), str_from(s->env.home));
    s->policy = policy_new(s->config, s->workspace, &s->env);
    s->journal = journal_open(str_from(s->env.state_folder), now_ms, &err);
    CHECK(s->journal, "%s", err.text);
    make_server(s, encoding);
    initialize(s, document_changes);
    struct tools_env tools = {.loop = s->loop,
                              .documents = s->documents,
                              .workspace = s->workspace,
                              .policy = s->policy,
                              .journal = s->journal,
                              .host = &s->server->host,
                              .cache_folder = s->env.cache_folder};
    s->tools = tools_new(&tools);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void stage_finish(struct stage *s)
{
    tools_free(s->tools);
    journal_close(s->journal);
    lsp_server_free(s->server);
    typist_finish(&s->typist);
    policy_free(s->policy);
    workspace_free(s->workspace);
    documents_free(s->documents);
    config_free(s->config);
    loop_timer_free(s->guard);
    loop_timer_free(s->poll);
    loop_free(s->loop);
    config_env_finish(&s->env);
    buf_finish(&s->text);
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* -- A file ------------------------------------------------------------------------------------ */

static void path_of(const struct stage *s, const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", s->ws, name);
}

void stage_open(struct stage *s, const char *name, const struct habits *habits, struct str text)
{
    char path[256];
    struct buf uri = {0};
    struct err err = {0};
    path_of(s, name, path);
    FILE *file = fopen(path, "w");
    CHECK(file && fwrite(text.ptr, 1, text.len, file) == text.len, "%s", path);
    fclose(file);
    uri_append_file(&uri, str_from(path));
    s->server->apply_waits = habits->is_late ? &long_waits : &waits;
    typist_open(&s->typist, uri.ptr, habits, text);
    buf_finish(&uri);
    stage_settle(s);
    CHECK(journal_thread_create(s->journal, str_from(s->ws), STR("m"), s->thread_id, &err) ==
              STATUS_OK,
          "%s", err.text);
    s->thread = tools_thread_new(s->tools, s->thread_id, str_from(s->ws));
}

void stage_close(struct stage *s, const char *name)
{
    char path[256];
    path_of(s, name, path);
    typist_close(&s->typist);
    stage_settle(s);
    tools_thread_free(s->thread);
    s->thread = NULL;
    unlink(path);
}

struct str stage_text(const struct stage *s)
{
    const struct document *document = document_find_uri(s->documents, str_from(s->typist.uri));
    CHECK(document && document->text, "the server lost the text: %s",
          document ? document->unknown_reason : "closed");
    return text_bytes(document->text);
}

/* -- Calls ------------------------------------------------------------------------------------- */

static void on_started(void *user, enum tools_kind kind, struct str title)
{
    (void)user, (void)kind, (void)title;
}

static void on_text(void *user, struct str text)
{
    (void)user, (void)text;
}

static void on_done(void *user, const struct tools_output *output)
{
    struct stage *s = user;
    s->ok = output->ok;
    buf_clear(&s->text);
    buf_append(&s->text, output->text);
    buf_append_c(&s->text, "");
    stage_done(s);
}

void stage_begin_turn(struct stage *s)
{
    CHECK(journal_turn_create(s->journal, s->thread_id, s->turn_id, NULL) == STATUS_OK, "no turn");
}

void stage_call(struct stage *s, const char *tool, struct str arguments, bool is_custom)
{
    static const struct tools_handlers handlers = {.on_started = on_started,
                                                   .on_waiting = on_text,
                                                   .on_progress = on_text,
                                                   .on_done = on_done};
    char id[32];
    snprintf(id, sizeof(id), "call_%u", ++s->calls);
    struct tools_request request = {.call_id = str_from(id),
                                    .name = str_from(tool),
                                    .arguments = arguments,
                                    .is_custom = is_custom,
                                    .turn_id = s->turn_id};
    s->is_done = false;
    tools_call_start(s->thread, &request, &handlers, s);
}
