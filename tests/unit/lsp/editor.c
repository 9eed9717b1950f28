#include "editor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char editor_full[] =
    "{'workspace':{'applyEdit':true,'workspaceEdit':{'documentChanges':true,'resourceOperations':["
    "'create','rename','delete']},'workspaceFolders':true},'window':{'workDoneProgress':true,"
    "'showDocument':{'support':true}},'general':{'positionEncodings':['utf-8']}}";

static void append_quoted(struct buf *json, const char *text)
{
    for (; *text; text++)
        buf_append_byte(json, *text == '\'' ? '"' : *text);
}

/* -- What comes ------------------------------------------------------------------------------- */

static const struct {
    const char *method, *result;
} polite[] = {
    {"window/workDoneProgress/create", "null"},     {"client/registerCapability", "null"},
    {"window/showDocument", "{\"success\":true}"},  {"workspace/configuration", "[null]"},
    {"lanebridge/editor/context", "{\"open\":[]}"},
};

static void keep(struct editor *e, const struct jsonrpc_message *message)
{
    struct editor_message *kept = mem_new(struct editor_message);
    kept->method = str_dup_c(message->method);
    kept->id = str_dup_c(message->id);
    kept->at_ms = loop_now_ms(e->w.loop);
    if (message->raw_params.len > 0)
        cr_assert_eq(json_parse(message->raw_params, &kept->params, NULL), STATUS_OK);
    vec_push(&e->messages, kept);
    for (size_t i = 0; i < array_count(polite); i++)
        if (kept->id[0] && strcmp(kept->method, polite[i].method) == 0)
            editor_answer(e, kept, polite[i].result);
}

static void on_message(void *user, const struct jsonrpc_message *message)
{
    keep(user, message);
}

static void on_unreadable(void *user, struct str method, struct str uri, const struct err *err)
{
    (void)user;
    (void)uri;
    cr_assert_fail("the server sent what cannot be read: " STR_FMT " %s", STR_ARG(method),
                   err->text);
}

static void on_closed(void *user, enum status status)
{
    (void)status;
    ((struct editor *)user)->closed = true;
}

/* -- The program behind the server ------------------------------------------------------------ */

static void on_settings(void *user, enum lsp_settings_source source,
                        const struct json_value *object, struct buf *warnings)
{
    struct editor *e = user;
    buf_append_c(&e->settings, source == LSP_SETTINGS_INIT ? "init " : "workspace ");
    json_append(&e->settings, object);
    buf_append_c(&e->settings, "\n");
    if (e->warning)
        buf_append_fmt(warnings, "%s\n", e->warning);
}

static struct agent *on_agent(void *user, const struct host *host, agent_event_fn *on_event,
                              void *event_user, struct err *err)
{
    struct editor *e = user;
    (void)err;
    return world_agent(&e->w, host, on_event, event_user);
}

static void on_status(void *user, struct buf *json)
{
    (void)user;
    buf_append_c(json, "{\"model\":\"m-1\"}");
}

static void on_exit_code(void *user, int code)
{
    struct editor *e = user;
    e->exits++;
    e->exit_code = code;
}

/* -- Life ------------------------------------------------------------------------------------- */

void editor_init(struct editor *e)
{
    static const struct jsonrpc_handlers handlers = {.on_request = on_message,
                                                     .on_notification = on_message,
                                                     .on_unreadable = on_unreadable,
                                                     .on_closed = on_closed};
    struct err err = {0};
    signal(SIGPIPE, SIG_IGN); /* as the program does: the editor goes away before all is written */
    log_set_level(LOG_ERROR);
    *e = (struct editor){0};
    world_init(&e->w);
    struct lsp_env env = {.loop = e->w.loop,
                          .documents = e->w.documents,
                          .workspace = e->w.workspace,
                          .state_folder = e->w.state,
                          .user = e,
                          .settings = on_settings,
                          .agent = on_agent,
                          .status = on_status,
                          .on_exit = on_exit_code};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->ends), 0);
    e->server = lsp_server_new(&env, e->ends[0], e->ends[0], &err);
    cr_assert_not_null(e->server, "%s", err.text);
    close(e->ends[0]);
    e->peer = jsonrpc_peer_new(e->w.loop, e->ends[1], e->ends[1], &handlers, e, &err);
    cr_assert_not_null(e->peer, "%s", err.text);
    close(e->ends[1]);
    lsp_server_start(e->server);
    jsonrpc_peer_start(e->peer);
}

void editor_start(struct editor *e, const char *capabilities)
{
    struct buf params = {0};
    editor_init(e);
    buf_append_fmt(&params,
                   "{'capabilities':%s,'clientInfo':{'name':'test'},'workspaceFolders':[{'uri':"
                   "'file://%s','name':'ws'}],'initializationOptions':{'trusted':true}}",
                   capabilities, e->w.ws);
    editor_request(e, "initialize", params.ptr);
    cr_assert_eq(e->answer_status, STATUS_OK, "%s", e->answer.ptr);
    editor_notify(e, "initialized", "{}");
    buf_finish(&params);
}

void editor_finish(struct editor *e)
{
    world_end_agent(&e->w);
    lsp_server_free(e->server);
    jsonrpc_peer_free(e->peer);
    world_finish(&e->w);
    for (size_t i = 0; i < e->messages.len; i++) {
        struct editor_message *message = e->messages.ptr[i];
        mem_free(message->method);
        mem_free(message->id);
        json_free(message->params);
        mem_free(message);
    }
    vec_finish(&e->messages);
    buf_finish(&e->settings);
    buf_finish(&e->answer);
    buf_finish(&e->note);
}

/* -- Messages --------------------------------------------------------------------------------- */

void editor_notify(struct editor *e, const char *method, const char *params)
{
    struct buf json = {0};
    append_quoted(&json, params);
    jsonrpc_notify(e->peer, method, buf_str(&json));
    buf_finish(&json);
}

static void on_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct editor *e = user;
    e->answered = true;
    e->answer_status = answer->status;
    e->error_code = answer->error_code;
    buf_clear(&e->answer);
    buf_append(&e->answer, answer->status == STATUS_OK ? answer->raw_result : answer->error_text);
    buf_append_c(&e->answer, "");
}

void editor_send(struct editor *e, const char *method, const char *params)
{
    struct buf json = {0};
    append_quoted(&json, params);
    e->answered = false;
    cr_assert_gt(jsonrpc_request(e->peer, method, buf_str(&json), on_answer, e), 0);
    buf_finish(&json);
}

static bool is_answered(void *user)
{
    return ((struct editor *)user)->answered;
}

void editor_request(struct editor *e, const char *method, const char *params)
{
    editor_send(e, method, params);
    world_run(&e->w, is_answered, e);
}

void editor_turns(struct editor *e, unsigned count)
{
    world_turns(&e->w, count);
}

struct wish {
    struct editor *e;
    const char *method;
    size_t found;
};

static size_t find(const struct editor *e, const char *method)
{
    for (size_t i = e->seen; i < e->messages.len; i++)
        if (strcmp(e->messages.ptr[i]->method, method) == 0)
            return i;
    return STR_NONE;
}

static bool is_there(void *user)
{
    struct wish *wish = user;
    wish->found = find(wish->e, wish->method);
    return wish->found != STR_NONE || wish->e->closed;
}

struct editor_message *editor_wait(struct editor *e, const char *method)
{
    struct wish wish = {e, method, STR_NONE};
    world_run(&e->w, is_there, &wish);
    cr_assert_neq(wish.found, STR_NONE, "%s did not come", method);
    e->seen = wish.found + 1;
    return e->messages.ptr[wish.found];
}

bool editor_has(const struct editor *e, const char *method)
{
    return find(e, method) != STR_NONE;
}

size_t editor_count(const struct editor *e, const char *method)
{
    size_t count = 0;
    for (size_t i = 0; i < e->messages.len; i++)
        count += strcmp(e->messages.ptr[i]->method, method) == 0;
    return count;
}

void editor_answer(struct editor *e, struct editor_message *message, const char *result)
{
    struct buf json = {0};
    cr_assert_not(message->answered);
    message->answered = true;
    append_quoted(&json, result);
    jsonrpc_respond(e->peer, str_from(message->id), buf_str(&json));
    buf_finish(&json);
}

void editor_answer_error(struct editor *e, struct editor_message *message, const char *text)
{
    message->answered = true;
    jsonrpc_respond_error(e->peer, str_from(message->id), JSONRPC_REQUEST_FAILED, "%s", text);
}

const char *editor_params(const struct editor_message *message)
{
    static char text[64 * 1024];
    struct buf json = {0};
    json_append(&json, message->params);
    snprintf(text, sizeof(text), "%s", json.ptr);
    buf_finish(&json);
    return text;
}

/* -- Documents -------------------------------------------------------------------------------- */

const char *editor_uri(struct editor *e, const char *name)
{
    static char uris[4][256];
    static unsigned turn;
    char *uri = uris[turn++ % 4];
    struct buf text = {0};
    uri_append_file(&text, str_from(world_path(&e->w, name)));
    snprintf(uri, sizeof(uris[0]), "%s", text.ptr);
    buf_finish(&text);
    return uri;
}

static void tell(struct editor *e, const char *method, const char *name, int version,
                 const char *before, const char *text, const char *after)
{
    struct buf json = {0};
    buf_append_fmt(&json, "{\"textDocument\":{\"uri\":\"%s\",\"version\":%d%s", editor_uri(e, name),
                   version, before);
    json_append_quoted(&json, str_from(text));
    buf_append_c(&json, after);
    jsonrpc_notify(e->peer, method, buf_str(&json));
    buf_finish(&json);
}

void editor_open(struct editor *e, const char *name, int version, const char *text)
{
    tell(e, "textDocument/didOpen", name, version, ",\"languageId\":\"c\",\"text\":", text, "}}");
    editor_turns(e, 3);
}

void editor_type(struct editor *e, const char *name, int version, const char *text)
{
    tell(e, "textDocument/didChange", name, version, "},\"contentChanges\":[{\"text\":", text,
         "}]}");
    editor_turns(e, 3);
}

void editor_insert(struct editor *e, const char *name, int version, int line, const char *text)
{
    char range[160];
    snprintf(range, sizeof(range),
             "},\"contentChanges\":[{\"range\":{\"start\":{\"line\":%d,\"character\":0},\"end\":{"
             "\"line\":%d,\"character\":0}},\"text\":",
             line, line);
    tell(e, "textDocument/didChange", name, version, range, text, "}]}");
    editor_turns(e, 3);
}

void editor_close(struct editor *e, const char *name)
{
    struct buf json = {0};
    buf_append_fmt(&json, "{'textDocument':{'uri':'%s'}}", editor_uri(e, name));
    editor_notify(e, "textDocument/didClose", json.ptr);
    editor_turns(e, 3);
    buf_finish(&json);
}

const char *editor_screen(struct editor *e, const char *name)
{
    static char text[8192];
    struct document *document =
        document_find_path(e->w.documents, str_from(world_path(&e->w, name)));
    if (!document)
        return "(closed)";
    if (!document->text)
        return "(unknown)";
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(text_bytes(document->text)));
    return text;
}

/* -- Edits ------------------------------------------------------------------------------------ */

static void on_verdict(void *user, const struct host_apply_outcome *outcome)
{
    struct editor *e = user;
    e->verdicts++;
    e->verdict = outcome->result;
    buf_clear(&e->note);
    buf_append(&e->note, outcome->note);
    buf_append_c(&e->note, "");
}

void editor_apply(struct editor *e, const struct host_change *changes, size_t count)
{
    e->verdicts = 0;
    apply_start(e->server, changes, count, "Edit", on_verdict, e);
    cr_assert_eq(e->verdicts, 0);
}

void editor_apply_text(struct editor *e, const char *name, const char *after)
{
    struct text *before = convert_text_now(e->server, world_path(&e->w, name));
    struct text *text = text_new(str_from(after));
    struct host_change change = {.kind = before ? HOST_UPDATE : HOST_CREATE,
                                 .path = world_path(&e->w, name),
                                 .before = before,
                                 .after = text};
    editor_apply(e, &change, 1);
    text_unref(before);
    text_unref(text);
}

static bool is_judged(void *user)
{
    return ((struct editor *)user)->verdicts > 0;
}

void editor_judged(struct editor *e, enum host_apply_result expected)
{
    static const char *const names[] = {"applied", "not applied", "repaired", "partial", "failed"};
    world_run(&e->w, is_judged, e);
    editor_turns(e, 3);
    cr_assert_eq(e->verdicts, 1);
    cr_assert_eq(e->verdict, expected, "%s: %s", names[e->verdict], e->note.ptr);
}
