/* The client against a server that says what the test wrote down: a shell that prints a file. What
 * the client sends is taken from its traffic. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <lanebridge/client.h>

/* As main does: a server that is gone is an error, not a signal. */
static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
}

TestSuite(client, .init = set_up, .timeout = 60);

struct desk {
    struct loop *loop;
    struct client *client;
    struct err err;
    char folder[64], server_says[96], file[96];
    struct client_options options;
    struct buf script; /* what the server will say */
    VEC(char *) sent;  /* what the client said */
    VEC(char *) asked;
    int button;
    bool wants_edits;
    const char *types_meanwhile; /* when an edit comes */
    const char *unsaved;         /* opened with this text */
    size_t applied_count;
    int exit_code, exit_signal;
};

/* -- The script ------------------------------------------------------------------------------ */

/* One message, with ' for " and @ for the file's URI. */
static void says(struct desk *desk, const char *text)
{
    struct buf body = {0};
    buf_append_c(&body, "{\"jsonrpc\":\"2.0\",");
    for (const char *c = text + 1; *c; c++) {
        if (*c == '@')
            uri_append_file(&body, str_from(desk->file));
        else
            buf_append_byte(&body, *c == '\'' ? '"' : *c);
    }
    buf_append_fmt(&desk->script, "Content-Length: %zu\r\n\r\n", body.len);
    buf_append(&desk->script, buf_str(&body));
    buf_finish(&body);
}

static void write_whole(const char *path, struct str bytes)
{
    FILE *file = fopen(path, "we");
    cr_assert(file && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len);
    cr_assert_eq(fclose(file), 0);
}

static void desk_init(struct desk *desk, const char *encoding)
{
    *desk = (struct desk){.button = -1, .wants_edits = true, .exit_code = -100};
    strcpy(desk->folder, "/tmp/lanebridge-client-XXXXXX");
    cr_assert(mkdtemp(desk->folder));
    snprintf(desk->server_says, sizeof(desk->server_says), "%s/says", desk->folder);
    snprintf(desk->file, sizeof(desk->file), "%s/a.txt", desk->folder);
    write_whole(desk->file, STR("one\n😀 two\nthree\n"));
    struct buf hello = {0};
    buf_append_fmt(&hello, "{'id':1,'result':{'capabilities':{'positionEncoding':'%s'}}}",
                   encoding);
    says(desk, hello.ptr);
    buf_finish(&hello);
}

/* -- Handlers -------------------------------------------------------------------------------- */

static void on_ready(void *user)
{
    struct desk *desk = user;
    struct str unsaved = str_from(desk->unsaved);
    cr_assert_eq(client_open(desk->client, desk->file, desk->unsaved ? &unsaved : NULL, &desk->err),
                 STATUS_OK);
}

static void on_notification(void *user, struct str method, const struct json_value *params)
{
    struct desk *desk = user;
    (void)params;
    if (str_eq_c(method, "done"))
        loop_stop(desk->loop);
}

static int on_question(void *user, const struct client_question *question)
{
    struct desk *desk = user;
    vec_push(&desk->asked, str_dup_c(question->message));
    return desk->button;
}

static bool on_apply(void *user, const struct json_value *params)
{
    struct desk *desk = user;
    (void)params;
    if (desk->types_meanwhile)
        cr_assert_eq(client_edit(desk->client, desk->file, 0, 0, str_from(desk->types_meanwhile),
                                 &desk->err),
                     STATUS_OK);
    return desk->wants_edits;
}

static void on_applied(void *user, struct str path, const struct text *before,
                       const struct text *after)
{
    struct desk *desk = user;
    (void)path;
    desk->applied_count++;
    cr_assert(before && after && !text_eq(before, after));
}

static void on_traffic(void *user, bool outgoing, struct str body)
{
    struct desk *desk = user;
    if (outgoing)
        vec_push(&desk->sent, str_dup_c(body));
}

static void on_exit_server(void *user, int exit_code, int signal)
{
    struct desk *desk = user;
    desk->exit_code = exit_code;
    desk->exit_signal = signal;
    loop_stop(desk->loop);
}

static const struct client_handlers handlers = {.on_ready = on_ready,
                                                .on_notification = on_notification,
                                                .on_question = on_question,
                                                .on_apply = on_apply,
                                                .on_applied = on_applied,
                                                .on_traffic = on_traffic,
                                                .on_exit = on_exit_server};

/* -- A run ----------------------------------------------------------------------------------- */

/* Plays the script; "done" ends it. The buffers live until desk_finish. */
static void desk_run(struct desk *desk)
{
    char shell[] = "/bin/sh", flag[] = "-c", code[] = "cat \"$1\"; exec cat >/dev/null",
         zero[] = "sh";
    char *argv[] = {shell, flag, code, zero, desk->server_says, NULL};
    const char *roots[] = {desk->folder};
    says(desk, "{'method':'done'}");
    write_whole(desk->server_says, buf_str(&desk->script));
    desk->options.argv = argv;
    desk->options.roots = roots;
    desk->options.root_count = 1;
    desk->loop = loop_new(&desk->err);
    desk->client = client_new(desk->loop, &desk->options, &handlers, desk, &desk->err);
    cr_assert(desk->client, "%s", desk->err.text);
    loop_run(desk->loop);
}

static void desk_finish(struct desk *desk)
{
    client_free(desk->client);
    loop_free(desk->loop);
    for (size_t i = 0; i < desk->sent.len; i++)
        mem_free(desk->sent.ptr[i]);
    vec_finish(&desk->sent);
    for (size_t i = 0; i < desk->asked.len; i++)
        mem_free(desk->asked.ptr[i]);
    vec_finish(&desk->asked);
    buf_finish(&desk->script);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", desk->folder);
    cr_assert_eq(system(command), 0);
}

/* Place of the first message that contains `part` (' for "), or SIZE_MAX. */
static size_t place_of(const struct desk *desk, const char *part)
{
    char wanted[512];
    snprintf(wanted, sizeof(wanted), "%s", part);
    for (char *c = wanted; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    for (size_t i = 0; i < desk->sent.len; i++)
        if (strstr(desk->sent.ptr[i], wanted))
            return i;
    return SIZE_MAX;
}

#define assert_sent(desk, part) cr_assert_neq(place_of(desk, part), SIZE_MAX, "not sent: %s", part)
#define assert_not_sent(desk, part) cr_assert_eq(place_of(desk, part), SIZE_MAX, "sent: %s", part)

static void assert_text(const struct desk *desk, const char *path, const char *expected)
{
    const struct text *text = client_text(desk->client, path);
    cr_assert(text, "%s is not open", path);
    cr_assert(str_eq_c(text_bytes(text), expected), "got " STR_FMT, STR_ARG(text_bytes(text)));
}

/* -- Starting and ending --------------------------------------------------------------------- */

Test(client, says_what_it_can)
{
    struct desk desk;
    desk_init(&desk, "utf-16");
    desk.options.encodings = "utf-16,utf-8";
    desk.options.name = "tester";
    desk.options.rich = true;
    desk.options.initialization_options = STR("{\"a\":1}");
    desk_run(&desk);
    assert_sent(&desk, "'positionEncodings':['utf-16','utf-8']");
    assert_sent(&desk, "'clientInfo':{'name':'tester'}");
    assert_sent(&desk, "'initializationOptions':{'a':1}");
    assert_sent(&desk, "'lanebridge':{'version':1");
    assert_sent(&desk, "'documentChanges':true,'resourceOperations':['create','rename','delete']");
    cr_assert_eq(place_of(&desk, "'method':'initialized'"), 1);
    cr_assert_eq(place_of(&desk, "'method':'textDocument/didOpen'"), 2);
    cr_assert(str_eq_c(json_get_str(client_server_capabilities(desk.client), "positionEncoding"),
                       "utf-16"));
    desk_finish(&desk);
}

Test(client, quirks_are_announced)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk.options.quirks = (struct client_quirks){
        .no_document_changes = true, .no_resource_operations = true, .version_zero = true};
    desk_run(&desk);
    assert_sent(&desk, "'documentChanges':false}");
    assert_not_sent(&desk, "resourceOperations");
    assert_not_sent(&desk, "experimental");
    assert_sent(&desk, "'languageId':'plaintext','version':0,");
    desk_finish(&desk);
}

Test(client, a_missing_server_is_named)
{
    char name[] = "/nowhere/lanebridge";
    char *argv[] = {name, NULL};
    struct client_options options = {.argv = argv};
    struct err err = {0};
    struct loop *loop = loop_new(&err);
    cr_assert_null(client_new(loop, &options, &handlers, NULL, &err));
    cr_assert(strstr(err.text, "/nowhere/lanebridge"), "%s", err.text);
    client_free(NULL);
    loop_free(loop);
}

Test(client, the_servers_end_is_told)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    char shell[] = "/bin/sh", flag[] = "-c", code[] = "exit 7";
    char *argv[] = {shell, flag, code, NULL};
    desk.options.argv = argv;
    desk.loop = loop_new(&desk.err);
    desk.client = client_new(desk.loop, &desk.options, &handlers, &desk, &desk.err);
    cr_assert(desk.client);
    loop_run(desk.loop);
    cr_assert_eq(desk.exit_code, 7);
    client_stop(desk.client); /* too late: does nothing */
    desk_finish(&desk);
}

Test(client, stop_is_shutdown_then_exit)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk_run(&desk);
    client_stop(desk.client);
    client_stop(desk.client);
    assert_sent(&desk, "'method':'shutdown'");
    cr_assert_eq(desk.sent.len, 4, "shutdown once: initialize, initialized, didOpen, shutdown");
    assert_not_sent(&desk, "'method':'exit'");
    desk_finish(&desk);
}

/* -- Buffers --------------------------------------------------------------------------------- */

Test(client, positions_are_in_the_servers_encoding)
{
    static const struct {
        const char *encoding, *expected;
    } cases[] = {
        {"utf-8", "'start':{'line':1,'character':5},'end':{'line':1,'character':8}},'text':'2'"},
        {"utf-16", "'start':{'line':1,'character':3},'end':{'line':1,'character':6}},'text':'2'"},
        {"utf-32", "'start':{'line':1,'character':2},'end':{'line':1,'character':5}},'text':'2'"},
        {"rubbish", "'start':{'line':1,'character':3},'end':{'line':1,'character':6}},'text':'2'"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct desk desk;
        desk_init(&desk, cases[i].encoding);
        desk_run(&desk);
        cr_assert_eq(client_edit(desk.client, desk.file, 9, 12, STR("2"), &desk.err), STATUS_OK);
        assert_text(&desk, desk.file, "one\n😀 2\nthree\n");
        assert_sent(&desk, cases[i].expected);
        assert_sent(&desk, "'version':2}");
        desk_finish(&desk);
    }
}

Test(client, full_sync_sends_whole_texts)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk.options.quirks.full_sync = true;
    desk_run(&desk);
    cr_assert_eq(client_edit(desk.client, desk.file, 0, 3, STR("1"), &desk.err), STATUS_OK);
    assert_sent(&desk, "'contentChanges':[{'text':'1\\n😀 two\\nthree\\n'}]");
    desk_finish(&desk);
}

Test(client, saves_and_closes)
{
    struct desk desk;
    char saved[64] = "";
    desk_init(&desk, "utf-8");
    desk.unsaved = "typed";
    desk_run(&desk);
    cr_assert(client_is_dirty(desk.client, desk.file));
    cr_assert_eq(client_open(desk.client, desk.file, NULL, &desk.err), STATUS_EXISTS);
    cr_assert_str_eq(client_path_at(desk.client, 0), desk.file);
    cr_assert_null(client_path_at(desk.client, 1));
    cr_assert_eq(client_save(desk.client, desk.file, &desk.err), STATUS_OK);
    cr_assert(!client_is_dirty(desk.client, desk.file));
    FILE *file = fopen(desk.file, "re");
    cr_assert(file && fgets(saved, sizeof(saved), file));
    fclose(file);
    cr_assert_str_eq(saved, "typed");
    cr_assert_eq(client_close(desk.client, desk.file, &desk.err), STATUS_OK);
    cr_assert_lt(place_of(&desk, "didSave"), place_of(&desk, "didClose"));
    cr_assert_null(client_text(desk.client, desk.file));
    desk_finish(&desk);
}

Test(client, what_is_not_open_is_refused)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk_run(&desk);
    cr_assert_eq(client_edit(desk.client, "/no", 0, 0, STR("x"), &desk.err), STATUS_NOT_FOUND);
    cr_assert_eq(client_save(desk.client, "/no", &desk.err), STATUS_NOT_FOUND);
    cr_assert_eq(client_close(desk.client, "/no", &desk.err), STATUS_NOT_FOUND);
    cr_assert_eq(client_open(desk.client, "/no/such", NULL, &desk.err), STATUS_NOT_FOUND);
    cr_assert_eq(client_edit(desk.client, desk.file, 4, 99, STR("x"), &desk.err), STATUS_INVALID);
    cr_assert_eq(client_edit(desk.client, desk.file, 2, 1, STR("x"), &desk.err), STATUS_INVALID);
    desk_finish(&desk);
}

/* -- Edits ----------------------------------------------------------------------------------- */

#define EDIT(version, edits)                                                                       \
    "{'id':7,'method':'workspace/applyEdit','params':{'edit':{'documentChanges':[{"                \
    "'textDocument':{'uri':'@','version':" version "},'edits':[" edits "]}]}}}"
#define RANGE(l1, c1, l2, c2, text)                                                                \
    "{'range':{'start':{'line':" #l1 ",'character':" #c1 "},'end':{'line':" #l2                    \
    ",'character':" #c2 "}},'newText':'" text "'}"
#define ONE_TO_1 EDIT("1", RANGE(0, 0, 0, 3, "1"))

Test(client, edits_and_their_answers)
{
    static const char *const before = "one\n😀 two\nthree\n";
    static const struct {
        const char *name, *edit, *answer, *text;
        struct client_quirks quirks;
        const char *types_meanwhile;
        bool unwanted;
    } cases[] = {
        {"applied", ONE_TO_1, "'applied':true}", "1\n😀 two\nthree\n", {0}, NULL, false},
        {"no version",
         EDIT("null", RANGE(0, 0, 0, 3, "1")),
         "'applied':true}",
         "1\n😀 two\nthree\n",
         {0},
         NULL,
         false},
        {"two edits refer to the same text",
         EDIT("1", RANGE(0, 0, 1, 0, "") "," RANGE(2, 0, 2, 5, "3")),
         "'applied':true}",
         "😀 two\n3\n",
         {0},
         NULL,
         false},
        {"stale", ONE_TO_1, "'applied':false,'failureReason':'stale", NULL, {0}, "x", false},
        {"stale, with an error",
         ONE_TO_1,
         "'error':{'code':-32603,'message':'stale",
         NULL,
         {.refuse_stale_with_error = true},
         "x",
         false},
        {"stale, and said to be applied",
         ONE_TO_1,
         "'applied':true}",
         NULL,
         {.answer_applied_always = true},
         "x",
         false},
        {"stale, applied anyway",
         ONE_TO_1,
         "'applied':true}",
         "1e\n😀 two\nthree\n",
         {.apply_stale = true},
         "x",
         false},
        {"declined", ONE_TO_1, "'applied':false", NULL, {.decline_edits = true}, NULL, false},
        {"declined by the handler", ONE_TO_1, "'applied':false", NULL, {0}, NULL, true},
        {"future version",
         EDIT("9", RANGE(0, 0, 0, 3, "1")),
         "'applied':false",
         NULL,
         {0},
         NULL,
         false},
        {"overlapping",
         EDIT("1", RANGE(0, 0, 0, 3, "1") "," RANGE(0, 1, 0, 2, "2")),
         "'applied':false,'failureReason':'the edits overlap",
         NULL,
         {0},
         NULL,
         false},
        {"outside",
         EDIT("1", RANGE(9, 0, 9, 1, "1")),
         "'applied':false,'failureReason':'line 9 is outside",
         NULL,
         {0},
         NULL,
         false},
        {"no position", EDIT("1", "{'newText':'x'}"), "'applied':false", NULL, {0}, NULL, false},
        {"changes",
         "{'id':7,'method':'workspace/applyEdit','params':{'edit':{'changes':{'@':[" RANGE(
             0, 0, 0, 3, "1") "]}}}}",
         "'applied':true}",
         "1\n😀 two\nthree\n",
         {0},
         NULL,
         false},
        {"no uri",
         "{'id':7,'method':'workspace/applyEdit','params':{'edit':{'documentChanges':[{"
         "'textDocument':{},'edits':[]}]}}}",
         "'applied':false",
         NULL,
         {0},
         NULL,
         false},
        {"unknown operation",
         "{'id':7,'method':'workspace/applyEdit','params':{'edit':{'documentChanges':[{"
         "'kind':'explode'}]}}}",
         "'applied':false,'failureReason':'unknown operation explode",
         NULL,
         {0},
         NULL,
         false},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct desk desk;
        struct buf answer = {0}, text = {0};
        desk_init(&desk, "utf-8");
        desk.options.quirks = cases[i].quirks;
        desk.types_meanwhile = cases[i].types_meanwhile;
        desk.wants_edits = !cases[i].unwanted;
        says(&desk, cases[i].edit);
        desk_run(&desk);
        bool is_error = strstr(cases[i].answer, "'error'") != NULL;
        buf_append_fmt(&answer, is_error ? "'id':7,%s" : "'id':7,'result':{%s", cases[i].answer);
        cr_assert_neq(place_of(&desk, answer.ptr), SIZE_MAX, "%s: %s", cases[i].name, answer.ptr);
        buf_append_fmt(&text, "%s%s", cases[i].types_meanwhile ? cases[i].types_meanwhile : "",
                       before);
        assert_text(&desk, desk.file, cases[i].text ? cases[i].text : text.ptr);
        cr_assert_eq(desk.applied_count, cases[i].text != NULL, "%s", cases[i].name);
        buf_finish(&answer);
        buf_finish(&text);
        desk_finish(&desk);
    }
}

Test(client, answer_and_change_come_in_the_editors_order)
{
    for (int first = 0; first < 2; first++) {
        struct desk desk;
        desk_init(&desk, "utf-8");
        desk.options.quirks.change_before_answer = first;
        says(&desk, ONE_TO_1);
        desk_run(&desk);
        size_t answer = place_of(&desk, "'id':7,"), change = place_of(&desk, "didChange");
        cr_assert(answer != SIZE_MAX && change != SIZE_MAX);
        cr_assert_eq(change < answer, first);
        desk_finish(&desk);
    }
}

static void operation(struct desk *desk, const char *changes)
{
    struct buf message = {0};
    buf_append_fmt(&message,
                   "{'id':7,'method':'workspace/applyEdit','params':{'edit':{'documentChanges':["
                   "%s]}}}",
                   changes);
    says(desk, message.ptr);
    buf_finish(&message);
    desk_run(desk);
}

Test(client, files_are_made_moved_and_deleted)
{
    struct desk desk;
    char path[128];
    desk_init(&desk, "utf-8");
    operation(&desk, "{'kind':'create','uri':'@.d/new'},{'textDocument':{'uri':'@.d/new','version':"
                     "null},'edits':[" RANGE(0, 0, 0, 0, "made") "]}");
    assert_sent(&desk, "'id':7,'result':{'applied':true}");
    snprintf(path, sizeof(path), "%s.d/new", desk.file);
    assert_text(&desk, path, "made");
    cr_assert(client_is_dirty(desk.client, path), "hidden, and not on the disk yet");
    desk_finish(&desk);

    desk_init(&desk, "utf-8");
    desk.unsaved = "typed";
    operation(&desk, "{'kind':'rename','oldUri':'@','newUri':'@.moved'}");
    assert_sent(&desk, "'applied':true");
    snprintf(path, sizeof(path), "%s.moved", desk.file);
    assert_text(&desk, path, "typed");
    cr_assert_null(client_text(desk.client, desk.file));
    cr_assert_eq(access(path, F_OK), 0);
    desk_finish(&desk);

    desk_init(&desk, "utf-8");
    operation(&desk, "{'kind':'delete','uri':'@'}");
    assert_sent(&desk, "'applied':true");
    assert_sent(&desk, "didClose");
    cr_assert_neq(access(desk.file, F_OK), 0);
    desk_finish(&desk);
}

Test(client, operations_that_cannot_be)
{
    static const char *const changes[] = {
        "{'kind':'create','uri':'@'}",
        "{'kind':'rename','oldUri':'@.none','newUri':'@.moved'}",
        "{'kind':'rename','oldUri':'@','newUri':'@'}",
        "{'kind':'delete','uri':'@.none'}",
        "{'kind':'delete','uri':'untitled:x'}",
        "{'kind':'create'}",
    };
    for (size_t i = 0; i < array_count(changes); i++) {
        struct desk desk;
        desk_init(&desk, "utf-8");
        operation(&desk, changes[i]);
        cr_assert_neq(place_of(&desk, "'id':7,'result':{'applied':false,'failureReason':"),
                      SIZE_MAX, "%s", changes[i]);
        assert_text(&desk, desk.file, "one\n😀 two\nthree\n");
        cr_assert_eq(access(desk.file, F_OK), 0);
        desk_finish(&desk);
    }
}

/* -- Questions and the rest ------------------------------------------------------------------- */

Test(client, questions_get_their_button)
{
    static const struct {
        int button;
        const char *answer;
    } cases[] = {{0, "'id':7,'result':{'title':'No'}"},
                 {1, "'id':7,'result':{'title':'Yes'}"},
                 {-1, "'id':7,'result':null"},
                 {9, "'id':7,'result':null"}};
    for (size_t i = 0; i < array_count(cases); i++) {
        struct desk desk;
        desk_init(&desk, "utf-8");
        desk.button = cases[i].button;
        says(&desk, "{'id':7,'method':'window/showMessageRequest','params':{'type':3,'message':"
                    "'Really?','actions':[{'title':'No'},{'title':'Yes'}]}}");
        desk_run(&desk);
        cr_assert_neq(place_of(&desk, cases[i].answer), SIZE_MAX, "button %d", cases[i].button);
        cr_assert_eq(desk.asked.len, 1);
        cr_assert_str_eq(desk.asked.ptr[0], "Really?");
        desk_finish(&desk);
    }
}

Test(client, a_question_can_wait)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk.button = CLIENT_LATER;
    says(&desk, "{'id':7,'method':'window/showMessageRequest','params':{'message':'a','actions':["
                "{'title':'No'},{'title':'Yes'}]}}");
    says(&desk, "{'id':8,'method':'lanebridge/approval/request','params':{'show':'b'}}");
    says(&desk, "{'id':9,'method':'lanebridge/approval/request','params':{'show':'c'}}");
    desk_run(&desk);
    assert_not_sent(&desk, "'result'");
    cr_assert(client_answer(desk.client, 1));
    cr_assert(client_answer(desk.client, 0));
    assert_sent(&desk, "'id':7,'result':{'title':'Yes'}");
    assert_sent(&desk, "'id':8,'result':{'decision':'accept'}");
    desk_finish(&desk); /* with the third one unanswered */
}

Test(client, approvals_are_accepted_by_the_first_button_alone)
{
    static const char *const answers[] = {"'decision':'decline'", "'decision':'accept'",
                                          "'decision':'decline'"};
    for (int button = -1; button < 2; button++) {
        struct desk desk;
        desk_init(&desk, "utf-8");
        desk.button = button;
        says(&desk, "{'id':7,'method':'lanebridge/approval/request','params':{'show':'rm x'}}");
        desk_run(&desk);
        assert_sent(&desk, answers[button + 1]);
        cr_assert_str_eq(desk.asked.ptr[0], "rm x");
        desk_finish(&desk);
    }
}

Test(client, other_requests_are_answered)
{
    static const struct {
        const char *method, *params, *answer;
    } cases[] = {
        {"window/showDocument", "{'uri':'@'}", "'id':7,'result':{'success':true}"},
        {"window/workDoneProgress/create", "{'token':1}", "'id':7,'result':null"},
        {"client/registerCapability", "{}", "'id':7,'result':null"},
        {"workspace/configuration", "{'items':[{},{}]}", "'id':7,'result':[null,null]"},
        {"lanebridge/editor/save", "{'uris':['@']}", "'id':7,'result':{}"},
        {"lanebridge/editor/save", "{'uris':['@.none']}", "'id':7,'error':{'code':-32803"},
        {"workspace/applyEdit", "{}", "'id':7,'result':{'applied':true}"},
        {"no/such", "{}", "'id':7,'error':{'code':-32601"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct desk desk;
        struct buf message = {0};
        desk_init(&desk, "utf-8");
        buf_append_fmt(&message, "{'id':7,'method':'%s','params':%s}", cases[i].method,
                       cases[i].params);
        says(&desk, message.ptr);
        desk_run(&desk);
        cr_assert_neq(place_of(&desk, cases[i].answer), SIZE_MAX, "%s", cases[i].method);
        buf_finish(&message);
        desk_finish(&desk);
    }
}

Test(client, raw_bytes_cancels_and_notifications_go_out)
{
    struct desk desk;
    desk_init(&desk, "utf-8");
    desk_run(&desk);
    client_notify(desk.client, "some/thing", STR("{\"a\":1}"));
    client_cancel(desk.client, 12);
    client_write_raw(desk.client, STR("rubbish"));
    assert_sent(&desk, "'method':'some/thing','params':{'a':1}");
    assert_sent(&desk, "'method':'$/cancelRequest','params':{'id':12}");
    cr_assert_gt(client_pid(desk.client), 0);
    desk_finish(&desk);
}
