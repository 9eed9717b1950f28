/* What the editor's language servers answer, in our terms: edits as texts, places as people count.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor.h"

TestSuite(language_servers, .timeout = 60);

/* ~NAME is the URI of a file, ' is ". */
static void append_json(struct editor *e, const char *text, struct buf *json)
{
    for (; *text; text++) {
        if (*text != '~') {
            buf_append_byte(json, *text == '\'' ? '"' : *text);
            continue;
        }
        size_t len = strcspn(text + 1, "'");
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int)len, text + 1);
        buf_append_c(json, editor_uri(e, name));
        text += len;
    }
}

static const char encodings[] =
    "{'workspace':{'applyEdit':true},'general':{'positionEncodings':['%s']},'experimental':{"
    "'lanebridge':{'version':1,'questions':true,'save':true,'diagnostics':true,'navigation':true,"
    "'refactor':true}}}";

static void start(struct editor *e, const char *encoding)
{
    char capabilities[512];
    snprintf(capabilities, sizeof(capabilities), encodings, encoding);
    editor_start(e, capabilities);
    editor_turns(e, 3);
}

/* -- Edits ------------------------------------------------------------------------------------ */

static const char letters[] = {
    [HOST_CREATE] = 'A', [HOST_UPDATE] = 'M', [HOST_DELETE] = 'D', [HOST_MOVE] = 'R'};

/* "M a.c=text|R b.c>c.c=text", or "!what is wrong". */
static void read_edit(struct editor *e, const char *text, struct incoming_since *since,
                      struct buf *out)
{
    struct incoming incoming = {0};
    struct json_value *edit = NULL;
    struct buf json = {0};
    struct err err = {0};
    append_json(e, text, &json);
    cr_assert_eq(json_parse(buf_str(&json), &edit, &err), STATUS_OK, "%s: %s", json.ptr, err.text);
    enum status status = incoming_read(e->server, edit, since, &incoming, &err);
    buf_clear(out);
    buf_append_c(out, "");
    if (status < 0)
        buf_append_fmt(out, "!%s %s", status_name(status), err.text);
    cr_assert(status == STATUS_OK || incoming.changes.len == 0);
    for (size_t i = 0; i < incoming.changes.len; i++) {
        const struct host_change *change = &incoming.changes.ptr[i];
        buf_append_fmt(out, "%s%c %s", i ? "|" : "", letters[change->kind],
                       strrchr(change->path, '/') + 1);
        if (change->new_path)
            buf_append_fmt(out, ">%s", strrchr(change->new_path, '/') + 1);
        if (change->after)
            buf_append_fmt(out, "=" STR_FMT, STR_ARG(text_bytes(change->after)));
        cr_assert_eq(change->before != NULL, change->kind != HOST_CREATE);
    }
    incoming_finish(&incoming);
    json_free(edit);
    buf_finish(&json);
}

#define RANGE(l1, c1, l2, c2)                                                                      \
    "'range':{'start':{'line':" #l1 ",'character':" #c1 "},'end':{'line':" #l2 ",'character':" #c2 \
    "}}"
#define EDIT(l1, c1, l2, c2, with) "{" RANGE(l1, c1, l2, c2) ",'newText':'" with "'}"
#define OF(name, version, edits)                                                                   \
    "{'textDocument':{'uri':'~" name "','version':" version "},'edits':[" edits "]}"
#define DOCUMENTS(list) "{'documentChanges':[" list "]}"

/* open.c (version 3, "one\ntwo\n") is open, disk.c ("disk\n") is not, folder is a folder. */
static const struct {
    const char *what, *edit, *result;
} rows[] = {
    {"nothing", "{}", ""},
    {"no edits", DOCUMENTS(OF("open.c", "3", "")), ""},
    {"an edit", DOCUMENTS(OF("open.c", "3", EDIT(0, 0, 0, 3, "1"))), "M open.c=1\ntwo\n"},
    {"no version", DOCUMENTS(OF("open.c", "null", EDIT(0, 0, 0, 3, "1"))), "M open.c=1\ntwo\n"},
    {"another version", DOCUMENTS(OF("open.c", "2", EDIT(0, 0, 0, 3, "1"))),
     "!conflict open.c changed while the language server worked"},
    {"changes",
     "{'changes':{'~open.c':[" EDIT(1, 3, 1, 3, "!") "],'~disk.c':[" EDIT(0, 0, 1, 0, "") "]}}",
     "M open.c=one\ntwo!\n|M disk.c="},
    {"out of order", DOCUMENTS(OF("open.c", "3", EDIT(1, 0, 1, 3, "2") "," EDIT(0, 0, 0, 3, "1"))),
     "M open.c=1\n2\n"},
    {"two at one place stay in order",
     DOCUMENTS(OF("open.c", "3", EDIT(0, 0, 0, 0, "a") "," EDIT(0, 0, 0, 0, "b"))),
     "M open.c=abone\ntwo\n"},
    {"an insertion before what is replaced",
     DOCUMENTS(OF("open.c", "3", EDIT(0, 0, 0, 3, "1") "," EDIT(0, 0, 0, 0, "a"))),
     "M open.c=a1\ntwo\n"},
    {"the same twice over",
     DOCUMENTS(
         OF("open.c", "3", EDIT(0, 0, 0, 3, "1")) "," OF("open.c", "3", EDIT(0, 0, 0, 1, "uno"))),
     "M open.c=uno\ntwo\n"},
    {"to what it was", DOCUMENTS(OF("open.c", "3", EDIT(0, 0, 0, 3, "one"))), ""},
    {"overlapping", DOCUMENTS(OF("open.c", "3", EDIT(0, 0, 0, 3, "1") "," EDIT(0, 2, 0, 3, "x"))),
     "!invalid the language server's edits overlap"},
    {"backwards", DOCUMENTS(OF("open.c", "3", EDIT(1, 0, 0, 0, "x"))),
     "!invalid the range ends before it starts"},
    {"beyond the end", DOCUMENTS(OF("open.c", "3", EDIT(9, 0, 9, 0, "x"))), "!invalid line"},
    {"a snippet", DOCUMENTS(OF("open.c", "3", "{" RANGE(0, 0, 0, 0) ",'snippet':{'value':'$1'}}")),
     "!unsupported the language server's edit is a snippet"},
    {"a file that is not there", DOCUMENTS(OF("none.c", "null", EDIT(0, 0, 0, 0, "x"))),
     "!not found "},
    {"a folder", DOCUMENTS(OF("folder", "null", EDIT(0, 0, 0, 0, "x"))), "!unsupported"},
    {"no file", "{'changes':{'untitled:x':[" EDIT(0, 0, 0, 0, "x") "]}}", "!"},
    {"outside", "{'changes':{'file:///etc/hostname':[" EDIT(0, 0, 0, 0, "x") "]}}", "!denied"},
    {"a new file",
     DOCUMENTS("{'kind':'create','uri':'~new.c'}," OF("new.c", "null", EDIT(0, 0, 0, 0, "x"))),
     "A new.c=x"},
    {"an empty new file", DOCUMENTS("{'kind':'create','uri':'~new.c'}"), "A new.c="},
    {"a new file that is there", DOCUMENTS("{'kind':'create','uri':'~disk.c'}"), "!already exists"},
    {"and need not be new",
     DOCUMENTS("{'kind':'create','uri':'~disk.c','options':{'ignoreIfExists':true}}"), ""},
    {"or is replaced", DOCUMENTS("{'kind':'create','uri':'~disk.c','options':{'overwrite':true}}"),
     "M disk.c="},
    {"deleted", DOCUMENTS("{'kind':'delete','uri':'~disk.c'}"), "D disk.c"},
    {"deleted twice",
     DOCUMENTS("{'kind':'delete','uri':'~disk.c'},{'kind':'delete','uri':"
               "'~disk.c'}"),
     "!not found "},
    {"need not be there",
     DOCUMENTS("{'kind':'delete','uri':'~none.c','options':{'ignoreIfNotExists':true}}"), ""},
    {"made and deleted",
     DOCUMENTS("{'kind':'create','uri':'~new.c'},{'kind':'delete','uri':'~new.c'}"), ""},
    {"renamed and edited",
     DOCUMENTS("{'kind':'rename','oldUri':'~disk.c','newUri':'~to.c'}," OF("to.c", "null",
                                                                           EDIT(0, 0, 0, 1, "D"))),
     "R disk.c>to.c=Disk\n"},
    {"edited under its old name",
     DOCUMENTS("{'kind':'rename','oldUri':'~disk.c','newUri':'~to.c'}," OF("disk.c", "null",
                                                                           EDIT(0, 0, 0, 1, "D"))),
     "!not found "},
    {"renamed onto another", DOCUMENTS("{'kind':'rename','oldUri':'~disk.c','newUri':'~open.c'}"),
     "!already exists"},
    {"renamed there and back",
     DOCUMENTS("{'kind':'rename','oldUri':'~disk.c','newUri':'~to.c'},"
               "{'kind':'rename','oldUri':'~to.c','newUri':'~disk.c'}"),
     ""},
    {"two files change names",
     DOCUMENTS("{'kind':'rename','oldUri':'~disk.c','newUri':'~to.c'},"
               "{'kind':'rename','oldUri':'~open.c','newUri':'~disk.c'}"),
     "!unsupported the language server's edit puts one file in the place of another"},
    {"renamed from nothing", DOCUMENTS("{'kind':'rename','oldUri':'~none.c','newUri':'~to.c'}"),
     "!not found "},
    {"another kind", DOCUMENTS("{'kind':'chmod','uri':'~disk.c'}"), "!unsupported"},
    {"all or nothing",
     DOCUMENTS(
         OF("open.c", "3", EDIT(0, 0, 0, 3, "1")) "," OF("disk.c", "null", EDIT(7, 0, 7, 0, "x"))),
     "!invalid"},
};

Test(language_servers, edits_become_texts)
{
    struct editor e;
    struct buf result = {0};
    struct incoming_since now = {UINT64_MAX, UINT64_MAX / 2};
    start(&e, "utf-8");
    world_put(&e.w, "disk.c", "disk\n");
    cr_assert_eq(mkdir(world_path(&e.w, "folder"), 0755), 0);
    editor_open(&e, "open.c", 3, "one\ntwo\n");
    for (size_t i = 0; i < array_count(rows); i++) {
        read_edit(&e, rows[i].edit, &now, &result);
        bool same = rows[i].result[0] == '!'
                        ? strncmp(result.ptr, rows[i].result, strlen(rows[i].result)) == 0
                        : strcmp(result.ptr, rows[i].result) == 0;
        cr_assert(same, "%s: %s", rows[i].what, result.ptr);
    }
    buf_finish(&result);
    editor_finish(&e);
}

Test(language_servers, positions_of_edits_are_the_editors)
{
    static const struct {
        const char *encoding, *edit;
    } each[] = {
        {"utf-8", DOCUMENTS(OF("open.c", "1", EDIT(0, 6, 0, 7, "X")))},
        {"utf-16", DOCUMENTS(OF("open.c", "1", EDIT(0, 3, 0, 4, "X")))},
        {"utf-32", DOCUMENTS(OF("open.c", "1", EDIT(0, 2, 0, 3, "X")))},
    };
    for (size_t i = 0; i < array_count(each); i++) {
        struct editor e;
        struct buf result = {0};
        struct incoming_since now = {UINT64_MAX, UINT64_MAX / 2};
        start(&e, each[i].encoding);
        editor_open(&e, "open.c", 1, "é𝄞x\r\ny\r\n");
        read_edit(&e, each[i].edit, &now, &result);
        cr_assert_str_eq(result.ptr, "M open.c=é𝄞X\r\ny\r\n", "%s: %s", each[i].encoding,
                         result.ptr);
        buf_finish(&result);
        editor_finish(&e);
    }
}

Test(language_servers, what_changed_since_it_was_asked_is_no_ground_for_an_edit)
{
    struct editor e;
    struct buf result = {0};
    start(&e, "utf-8");
    editor_open(&e, "open.c", 1, "one\n");
    editor_open(&e, "other.c", 1, "other\n");
    world_put(&e.w, "disk.c", "disk\n");
    struct incoming_since since = {
        document_find_path(e.w.documents, str_from(world_path(&e.w, "other.c")))->revision,
        time_wall_ms()};
    editor_type(&e, "open.c", 2, "ONE\n");
    read_edit(&e, DOCUMENTS(OF("open.c", "null", EDIT(0, 0, 0, 1, "x"))), &since, &result);
    assert_has(result.ptr, "!conflict open.c changed");
    read_edit(&e, DOCUMENTS(OF("other.c", "1", EDIT(0, 0, 0, 1, "x"))), &since, &result);
    cr_assert_str_eq(result.ptr, "M other.c=xther\n");
    read_edit(&e, DOCUMENTS(OF("disk.c", "null", EDIT(0, 0, 0, 1, "x"))), &since, &result);
    cr_assert_str_eq(result.ptr, "M disk.c=xisk\n");
    since.wall_ms -= 60000;
    read_edit(&e, DOCUMENTS(OF("disk.c", "null", EDIT(0, 0, 0, 1, "x"))), &since, &result);
    assert_has(result.ptr, "!conflict disk.c changed");
    buf_finish(&result);
    editor_finish(&e);
}

Test(language_servers, an_edit_of_too_many_files_is_refused)
{
    struct editor e;
    struct buf edit = {0}, result = {0};
    struct incoming_since now = {UINT64_MAX, UINT64_MAX / 2};
    start(&e, "utf-8");
    buf_append_c(&edit, "{'documentChanges':[");
    for (int i = 0; i <= LIMIT_PROPOSAL_FILES_COUNT; i++)
        buf_append_fmt(&edit, "%s{'kind':'create','uri':'~n%d.c'}", i ? "," : "", i);
    buf_append_c(&edit, "]}");
    read_edit(&e, edit.ptr, &now, &result);
    assert_has(result.ptr, "too large: at most 500 files of 64 MiB");
    buf_finish(&edit);
    buf_finish(&result);
    editor_finish(&e);
}

/* -- Asking ----------------------------------------------------------------------------------- */

struct heard {
    unsigned count;
    enum status status;
    struct buf text;
};

static void on_diagnostics(void *user, enum status status, const struct host_diagnosed *files,
                           size_t count)
{
    struct heard *heard = user;
    heard->count++;
    heard->status = status;
    for (size_t i = 0; i < count; i++) {
        buf_append_fmt(&heard->text, "%s v%lld:", strrchr(files[i].path.ptr, '/') + 1,
                       files[i].has_version ? (long long)files[i].version : -1LL);
        for (size_t j = 0; j < files[i].count; j++) {
            const struct host_diagnostic *one = &files[i].list[j];
            buf_append_fmt(&heard->text, " %u:%u s%u " STR_FMT "/" STR_FMT "/" STR_FMT ";",
                           one->line, one->character, one->severity, STR_ARG(one->message),
                           STR_ARG(one->source), STR_ARG(one->code));
        }
        buf_append_c(&heard->text, "\n");
    }
    buf_append_c(&heard->text, "");
}

static void on_located(void *user, enum status status, struct str note,
                       const struct host_location *list, size_t count)
{
    struct heard *heard = user;
    heard->count++;
    heard->status = status;
    buf_append(&heard->text, note);
    for (size_t i = 0; i < count; i++)
        buf_append_fmt(&heard->text, "%s:%u:%u " STR_FMT "|" STR_FMT "\n",
                       strrchr(list[i].path.ptr, '/') + 1, list[i].line, list[i].character,
                       STR_ARG(list[i].name), STR_ARG(list[i].text));
    buf_append_c(&heard->text, "");
}

static void on_proposed(void *user, const struct host_proposal *proposal)
{
    struct heard *heard = user;
    heard->count++;
    heard->status = proposal->status;
    buf_append(&heard->text, proposal->note);
    for (size_t i = 0; i < proposal->count; i++)
        buf_append(&heard->text, text_bytes(proposal->changes[i].after));
    for (size_t i = 0; i < proposal->title_count; i++)
        buf_append_fmt(&heard->text, "[" STR_FMT "]", STR_ARG(proposal->titles[i]));
    buf_append_c(&heard->text, "");
}

static bool is_heard(void *user)
{
    return ((struct heard *)user)->count > 0;
}

/* Answers the request that is under way and waits for what is told of it. */
static void answer(struct editor *e, const char *method, const char *json, struct heard *heard)
{
    struct buf text = {0};
    append_json(e, json, &text);
    struct editor_message *message = editor_wait(e, method);
    cr_assert_eq(heard->count, 0);
    editor_answer(e, message, text.ptr);
    world_run(&e->w, is_heard, heard);
    buf_finish(&text);
}

static void forget(struct heard *heard)
{
    buf_clear(&heard->text);
    heard->count = 0;
}

Test(language_servers, diagnostics)
{
    struct editor e;
    struct heard heard = {0};
    start(&e, "utf-16");
    editor_open(&e, "a.c", 7, "é𝄞 x\n");
    char path[512];
    snprintf(path, sizeof(path), "%s", world_path(&e.w, "a.c"));
    const char *const paths[] = {path};
    const struct host_ops *ops = e.server->host.ops;
    ops->diagnostics(e.server, paths, 1, on_diagnostics, &heard);
    answer(
        &e, "lanebridge/editor/diagnostics",
        "{'files':[{'uri':'~a.c','version':7,'diagnostics':[{" RANGE(
            0, 4, 0,
            5) ",'message':'bad','source':'cc','code':'E1'},{" RANGE(9, 2, 9,
                                                                     3) ",'severity':3,'message':{'"
                                                                        "kind':'markdown','value':'"
                                                                        "*far*'},'code':17},"
                                                                        "{" RANGE(
                                                                            0, 0, 0,
                                                                            0) ",'severity':77,'"
                                                                               "message':'odd'}]},"
                                                                               "{'uri':'~b.c','"
                                                                               "diagnostics':[]},{'"
                                                                               "uri':"
                                                                               "'untitled:x','"
                                                                               "diagnostics':[]}]}",
        &heard);
    cr_assert_str_eq(heard.text.ptr, "a.c v7: 1:4 s1 bad/cc/E1; 10:3 s3 *far*//17; 1:1 s1 odd//;\n"
                                     "b.c v-1:\n");
    forget(&heard);
    ops->diagnostics(e.server, NULL, 0, on_diagnostics, &heard);
    struct editor_message *message = editor_wait(&e, "lanebridge/editor/diagnostics");
    cr_assert_str_eq(editor_params(message), "{}");
    editor_answer_error(&e, message, "no");
    world_run(&e.w, is_heard, &heard);
    cr_assert_lt(heard.status, 0);
    buf_finish(&heard.text);
    editor_finish(&e);
}

Test(language_servers, places)
{
    struct editor e;
    struct heard heard = {0};
    start(&e, "utf-16");
    editor_open(&e, "a.c", 7, "é𝄞 x\n");
    char path[512];
    snprintf(path, sizeof(path), "%s", world_path(&e.w, "a.c"));
    struct text *text = text_new(STR("é𝄞 x\n"));
    struct host_query query = {
        .kind = HOST_DEFINITION, .path = path, .text = text, .start = 7, .end = 7};
    const struct host_ops *ops = e.server->host.ops;
    ops->locate(e.server, &query, on_located, &heard);
    struct editor_message *message = editor_wait(&e, "lanebridge/editor/definition");
    assert_has(editor_params(message), "\"position\":{\"line\":0,\"character\":4}");
    e.seen--;
    answer(&e, "lanebridge/editor/definition",
           "{'locations':[{'uri':'~a.c'," RANGE(0, 4, 0, 5) "},{'uri':'~b.c'," RANGE(
               3, 2, 3,
               3) ",'text':'𝄞 y'},{'uri':'~c.c'," RANGE(3, 2, 3,
                                                        3) "},{'uri':'git:x'," RANGE(0, 0, 0,
                                                                                     0) "},{'uri':'"
                                                                                        "~d.c'}]}",
           &heard);
    cr_assert_str_eq(heard.text.ptr, "a.c:1:4 |é𝄞 x\nb.c:4:2 |𝄞 y\nc.c:4:3 |\nd.c:1:1 |\n");
    /* The text is another one by now: not asked. */
    forget(&heard);
    editor_type(&e, "a.c", 8, "typed\n");
    ops->locate(e.server, &query, on_located, &heard);
    world_run(&e.w, is_heard, &heard);
    cr_assert_eq(heard.status, STATUS_CONFLICT);
    cr_assert_eq(editor_count(&e, "lanebridge/editor/definition"), 1);
    /* Refused. */
    forget(&heard);
    ops->locate(e.server, &(struct host_query){.kind = HOST_SYMBOLS, .words = STR("q")}, on_located,
                &heard);
    message = editor_wait(&e, "lanebridge/editor/symbols");
    cr_assert_str_eq(editor_params(message), "{\"query\":\"q\"}");
    editor_answer_error(&e, message, "it crashed");
    world_run(&e.w, is_heard, &heard);
    cr_assert_lt(heard.status, 0);
    assert_has(heard.text.ptr, "it crashed");
    text_unref(text);
    buf_finish(&heard.text);
    editor_finish(&e);
}

Test(language_servers, proposals)
{
    struct editor e;
    struct heard heard = {0};
    start(&e, "utf-8");
    editor_open(&e, "a.c", 1, "old\n");
    char path[512];
    snprintf(path, sizeof(path), "%s", world_path(&e.w, "a.c"));
    struct text *text = text_new(STR("old\n"));
    struct host_query query = {.kind = HOST_FORMAT, .path = path, .text = text, .whole = true};
    const struct host_ops *ops = e.server->host.ops;
    ops->propose(e.server, &query, on_proposed, &heard);
    answer(&e, "lanebridge/editor/format",
           "{'edit':" DOCUMENTS(OF("a.c", "1", EDIT(0, 0, 0, 3, "new"))) "}", &heard);
    cr_assert_str_eq(heard.text.ptr, "new\n");
    forget(&heard);
    query.kind = HOST_CODE_ACTION;
    ops->propose(e.server, &query, on_proposed, &heard);
    answer(&e, "lanebridge/editor/codeAction", "{'titles':['A','B']}", &heard);
    cr_assert_eq(heard.status, STATUS_OK);
    cr_assert_str_eq(heard.text.ptr, "[A][B]");
    /* Typed while the language server works. */
    forget(&heard);
    query.kind = HOST_RENAME;
    query.words = STR("new");
    ops->propose(e.server, &query, on_proposed, &heard);
    editor_wait(&e, "lanebridge/editor/rename");
    e.seen--;
    editor_type(&e, "a.c", 2, "my\nold\n");
    answer(&e, "lanebridge/editor/rename",
           "{'edit':{'changes':{'~a.c':[" EDIT(0, 0, 0, 2, "new") "]}}}", &heard);
    cr_assert_eq(heard.status, STATUS_CONFLICT);
    text_unref(text);
    buf_finish(&heard.text);
    editor_finish(&e);
}

static void on_inquired(void *user, const struct str *answers, size_t count)
{
    struct heard *heard = user;
    heard->count++;
    for (size_t i = 0; i < count; i++)
        buf_append_fmt(&heard->text, "%s" STR_FMT "|", answers[i].ptr ? "" : "(none)",
                       STR_ARG(answers[i]));
}

/* The editor goes, or the call is dropped, while everything is under way. */
Test(language_servers, dropped_and_closed_while_asked)
{
    static const struct host_option options[] = {{"a", ""}, {"b", "why"}};
    static const struct host_question questions[] = {{"one?", options, 2}, {"two?", options, 2}};
    const struct host_inquiry inquiry = {"t", "u", "i", questions, 2};
    for (int way = 0; way < 3; way++) {
        struct editor e;
        struct heard heard = {0};
        start(&e, "utf-8");
        const struct host_ops *ops = e.server->host.ops;
        struct host_query query = {.kind = HOST_SYMBOLS, .words = STR("q")};
        ops->diagnostics(e.server, NULL, 0, on_diagnostics, &heard);
        ops->locate(e.server, &query, on_located, &heard);
        ops->inquire(e.server, &inquiry, on_inquired, &heard);
        editor_wait(&e, "lanebridge/question/request");
        if (way == 0) {
            ops->drop(e.server, &heard);
            editor_turns(&e, 10);
            cr_assert_eq(editor_count(&e, "$/cancelRequest"), 3);
        } else if (way == 1) {
            jsonrpc_peer_free(e.peer);
            e.peer = NULL;
            editor_turns(&e, 20);
            cr_assert_eq(heard.count, 3); /* told that nobody is there */
            ops->locate(e.server, &query, on_located, &heard);
            ops->inquire(e.server, &inquiry, on_inquired, &heard);
            editor_turns(&e, 10);
            cr_assert_eq(heard.count, 5);
        } /* 2: the server is freed */
        cr_assert_eq(heard.count, way == 1 ? 5 : 0);
        editor_finish(&e);
        cr_assert_eq(heard.count, way == 1 ? 5 : 0);
        buf_finish(&heard.text);
    }
}

Test(language_servers, only_what_the_client_announces_is_offered)
{
    static const struct {
        const char *announced;
        bool save, diagnostics, locate, propose;
    } each[] = {
        {"{}", false, false, false, false},
        {"{'experimental':{'lanebridge':{'version':1}}}", false, false, false, false},
        {"{'experimental':{'lanebridge':{'diagnostics':true}}}", false, false, false, false},
        {"{'experimental':{'lanebridge':{'version':1,'diagnostics':true,'refactor':'yes'}}}", false,
         true, false, false},
        {"{'experimental':{'lanebridge':{'version':1,'save':true,'navigation':true,'refactor':true}"
         "}"
         "}",
         true, false, true, true},
    };
    for (size_t i = 0; i < array_count(each); i++) {
        struct editor e;
        editor_start(&e, each[i].announced);
        editor_turns(&e, 3);
        const struct host_ops *ops = e.server->host.ops;
        cr_assert_eq(ops->save != NULL, each[i].save, "%zu", i);
        cr_assert_eq(ops->diagnostics != NULL, each[i].diagnostics, "%zu", i);
        cr_assert_eq(ops->locate != NULL, each[i].locate, "%zu", i);
        cr_assert_eq(ops->propose != NULL, each[i].propose, "%zu", i);
        cr_assert(ops->inquire && ops->ask && ops->apply);
        editor_finish(&e);
    }
}
