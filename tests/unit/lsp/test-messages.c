/* Messages of every shape: order, wrong parameters, texts that cannot be had. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "editor.h"

TestSuite(messages, .timeout = 60);

Test(messages, before_initialize)
{
    struct editor e;
    editor_init(&e);
    editor_request(&e, "workspace/executeCommand", "{'command':'lanebridge.status'}");
    cr_assert_eq(e.error_code, JSONRPC_SERVER_NOT_INITIALIZED);
    editor_request(&e, "shutdown", "null");
    cr_assert_eq(e.error_code, JSONRPC_SERVER_NOT_INITIALIZED);
    editor_open(&e, "a.c", 1, "text");
    cr_assert_str_eq(editor_screen(&e, "a.c"), "(closed)");
    editor_request(&e, "initialize", "{'capabilities':{}}");
    cr_assert_eq(e.answer_status, STATUS_OK);
    assert_has(e.answer.ptr, "\"positionEncoding\":\"utf-16\"");
    editor_finish(&e);
}

Test(messages, initialize_twice_and_after_shutdown)
{
    struct editor e;
    editor_start(&e, editor_full);
    editor_request(&e, "initialize", "{'capabilities':{}}");
    cr_assert_eq(e.error_code, JSONRPC_INVALID_REQUEST);
    assert_has(e.answer.ptr, "a second time");
    editor_request(&e, "shutdown", "null");
    cr_assert_eq(e.answer_status, STATUS_OK);
    cr_assert_str_eq(e.answer.ptr, "null");
    static const char *const methods[] = {"shutdown", "initialize", "workspace/executeCommand"};
    for (size_t i = 0; i < array_count(methods); i++) {
        editor_request(&e, methods[i], "{}");
        cr_assert_eq(e.error_code, JSONRPC_INVALID_REQUEST, "%s", methods[i]);
    }
    editor_open(&e, "a.c", 1, "text");
    cr_assert_str_eq(editor_screen(&e, "a.c"), "(closed)");
    editor_notify(&e, "exit", "null");
    editor_turns(&e, 5);
    cr_assert(e.exits == 1 && e.exit_code == 0);
    editor_finish(&e);
}

Test(messages, exit_without_shutdown)
{
    struct editor e;
    editor_start(&e, editor_full);
    editor_notify(&e, "exit", "null");
    editor_turns(&e, 5);
    cr_assert(e.exits == 1 && e.exit_code == 1);
    editor_finish(&e);
}

Test(messages, encodings)
{
    static const struct {
        const char *offered, *chosen;
    } rows[] = {
        {"['utf-16','utf-8']", "utf-8"}, {"['utf-16','utf-32']", "utf-32"},
        {"['utf-16']", "utf-16"},        {"['utf-7',null,8]", "utf-16"},
        {"'utf-8'", "utf-16"},           {"[]", "utf-16"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct editor e;
        char text[160], expected[64];
        editor_init(&e);
        snprintf(text, sizeof(text), "{'capabilities':{'general':{'positionEncodings':%s}}}",
                 rows[i].offered);
        editor_request(&e, "initialize", text);
        snprintf(expected, sizeof(expected), "\"positionEncoding\":\"%s\"", rows[i].chosen);
        assert_has(e.answer.ptr, expected);
        editor_finish(&e);
    }
}

/* -- Every method with every kind of wrong parameters ----------------------------------------- */

static const char *const wrong[] = {
    "null",
    "[]",
    "{}",
    "[null]",
    "[{}]",
    "[[[]]]",
    "{'textDocument':null}",
    "{'textDocument':[]}",
    "{'textDocument':{'uri':7}}",
    "{'textDocument':{'uri':'no uri'},'contentChanges':{}}",
    "{'textDocument':{'uri':'file:///x/y.c','version':'one','text':[]}}",
    "{'textDocument':{'uri':'file:///x/y.c','version':{}},'contentChanges':[null]}",
    "{'textDocument':{'uri':'file:///x/y.c'},'contentChanges':[{'range':7,'text':'x'}]}",
    "{'settings':7}",
    "{'settings':{'lanebridge':[]}}",
    "{'event':{'added':7,'removed':'x'}}",
    "{'event':{'added':[{'uri':[]}],'removed':[null]}}",
    "{'token':{}}",
    "{'token':7}",
    "{'command':7}",
    "{'command':'lanebridge.ask','arguments':7}",
    "{'command':'lanebridge.ask','arguments':[{'prompt':{},'uri':[],'range':'x'}]}",
    "{'command':'lanebridge.edit','arguments':[{'prompt':7}]}",
    "{'command':'lanebridge.fix','arguments':[{'diagnostics':{'a':{'range':[]}}}]}",
    "{'command':'lanebridge.interrupt','arguments':[[]],'workDoneToken':{}}",
    "{'threadId':7}",
    "{'threadId':''}",
    "{'folder':7}",
    "{'folder':'no uri'}",
    "{'threadId':'nobody','turnId':{}}",
    "{'input':7}",
    "{'input':[7,null,{'type':7}]}",
    "{'input':[{'type':'text','text':{}},{'type':'selection','uri':'file:///none','range':[]}]}",
};

Test(messages, wrong_parameters_are_answered_or_ignored)
{
    static const struct lsp_method *const requests[] = {command_requests, rich_requests};
    static const struct lsp_method *const notifications[] = {
        lifecycle_notifications, sync_notifications, progress_notifications};
    struct editor e;
    editor_start(&e, editor_full);
    for (size_t i = 0; i < array_count(wrong); i++) {
        for (size_t t = 0; t < array_count(requests); t++)
            for (const struct lsp_method *method = requests[t]; method->name; method++) {
                editor_request(&e, method->name, wrong[i]);
                cr_assert_neq(e.answer_status, STATUS_CLOSED, "%s %s", method->name, wrong[i]);
                cr_assert(e.answer_status == STATUS_OK || e.answer.len > 0);
            }
        for (size_t t = 0; t < array_count(notifications); t++)
            for (const struct lsp_method *method = notifications[t]; method->name; method++)
                editor_notify(&e, method->name, wrong[i]);
    }
    editor_request(&e, "lanebridge/status/get", "null");
    cr_assert_str_eq(e.answer.ptr, "{\"model\":\"m-1\"}");
    cr_assert_eq(e.exits, 0);
    editor_finish(&e);
}

Test(messages, wrong_initialize)
{
    static const char *const bad[] = {"null", "[]", "7", "'x'"};
    for (size_t i = 0; i < array_count(bad); i++) {
        struct editor e;
        editor_init(&e);
        editor_request(&e, "initialize", bad[i]);
        cr_assert_eq(e.error_code, JSONRPC_INVALID_PARAMS, "%s", bad[i]);
        editor_request(&e, "initialize",
                       "{'processId':'x','capabilities':7,'workspaceFolders':{'uri':[]},"
                       "'initializationOptions':[]}");
        cr_assert_eq(e.answer_status, STATUS_OK);
        editor_finish(&e);
    }
}

/* -- Settings and folders --------------------------------------------------------------------- */

Test(messages, settings)
{
    struct editor e;
    editor_start(&e, "{'workspace':{'configuration':true,'didChangeConfiguration':{"
                     "'dynamicRegistration':true}}}");
    assert_has(e.settings.ptr, "init {\"trusted\":true}\n");
    editor_wait(&e, "workspace/configuration");
    editor_wait(&e, "client/registerCapability");
    e.warning = "no such key \"modle\"";
    editor_notify(&e, "workspace/didChangeConfiguration",
                  "{'settings':{'lanebridge':{'modle':'x'}}}");
    assert_has(editor_params(editor_wait(&e, "window/showMessage")), "no such key");
    assert_has(e.settings.ptr, "workspace {\"modle\":\"x\"}\n");
    editor_notify(&e, "workspace/didChangeConfiguration", "{'settings':null}");
    editor_wait(&e, "workspace/configuration");
    editor_finish(&e);
}

Test(messages, folders_come_and_go)
{
    struct editor e;
    char json[512];
    editor_start(&e, editor_full);
    cr_assert_eq(workspace_root_count(e.w.workspace), 1);
    mkdir(world_path(&e.w, "sub"), 0755);
    snprintf(json, sizeof(json),
             "{'event':{'added':[{'uri':'file://%s/home','name':'h'}],'removed':[{'uri':'file://%s'"
             "}]}}",
             e.w.dir, e.w.ws);
    editor_notify(&e, "workspace/didChangeWorkspaceFolders", json);
    editor_turns(&e, 5);
    cr_assert_eq(workspace_root_count(e.w.workspace), 1);
    cr_assert_str_eq(workspace_root_at(e.w.workspace, 0)->name, "h");
    editor_finish(&e);
}

/* -- Texts ------------------------------------------------------------------------------------ */

Test(messages, changes)
{
    static const struct {
        const char *changes, *expected;
    } rows[] = {
        {"[{'text':'new'}]", "new"},
        {"[{'range':null,'text':'new'}]", "new"},
        {"[{'range':{'start':{'line':0,'character':1},'end':{'line':0,'character':2}},'text':'X'}]",
         "aXc\n"},
        {"[{'text':'ab'},{'range':{'start':{'line':0,'character':2},'end':{'line':0,'character':2}}"
         ","
         "'text':'!'}]",
         "ab!"},
        {"[]", "abc\n"},
        {"null", "(unknown)"},
        {"{'text':'x'}", "(unknown)"},
        {"[null]", "(unknown)"},
        {"[{'text':7}]", "(unknown)"},
        {"[{'range':[],'text':'x'}]", "(unknown)"},
        {"[{'range':'x','text':'x'}]", "(unknown)"},
        {"[{'range':{'start':{'line':9,'character':9},'end':{'line':0,'character':0}},'text':'x'}]",
         "(unknown)"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct editor e;
        struct buf json = {0};
        editor_start(&e, editor_full);
        editor_open(&e, "a.c", 1, "abc\n");
        buf_append_fmt(&json, "{'textDocument':{'uri':'%s','version':5},'contentChanges':%s}",
                       editor_uri(&e, "a.c"), rows[i].changes);
        editor_notify(&e, "textDocument/didChange", json.ptr);
        editor_turns(&e, 5);
        cr_expect_str_eq(editor_screen(&e, "a.c"), rows[i].expected, "%s", rows[i].changes);
        struct document *document =
            document_find_path(e.w.documents, str_from(world_path(&e.w, "a.c")));
        if (document->text)
            cr_expect_eq(document->version, 5, "%s", rows[i].changes);
        else
            assert_has(editor_params(editor_wait(&e, "window/showMessage")), "lost track");
        buf_finish(&json);
        editor_finish(&e);
    }
}

/* Too large, or holding NUL: open, its text unknown, until it is closed and opened again. */
Test(messages, unreadable_texts)
{
    struct editor e;
    struct buf json = {0};
    editor_start(&e, editor_full);
    buf_append_fmt(&json, "{'textDocument':{'uri':'%s','version':1,'text':'a\\u0000b'}}",
                   editor_uri(&e, "nul.c"));
    editor_notify(&e, "textDocument/didOpen", json.ptr);
    editor_turns(&e, 5);
    cr_assert_str_eq(editor_screen(&e, "nul.c"), "(unknown)");
    editor_type(&e, "nul.c", 2, "fine now");
    cr_assert_str_eq(editor_screen(&e, "nul.c"), "(unknown)");
    editor_close(&e, "nul.c");
    editor_open(&e, "nul.c", 1, "fine");
    cr_assert_str_eq(editor_screen(&e, "nul.c"), "fine");
    buf_clear(&json);
    buf_append_fmt(
        &json, "{'textDocument':{'uri':'%s','version':2},'contentChanges':[{'text':'\\u0000'}]}",
        editor_uri(&e, "nul.c"));
    editor_notify(&e, "textDocument/didChange", json.ptr);
    editor_turns(&e, 5);
    cr_assert_str_eq(editor_screen(&e, "nul.c"), "(unknown)");

    char *large = mem_alloc(LIMIT_DOCUMENT_BYTES + 2);
    memset(large, 'x', LIMIT_DOCUMENT_BYTES + 1);
    editor_open(&e, "large.c", 1, large);
    editor_request(&e, "lanebridge/status/get", "null");
    cr_assert_str_eq(editor_screen(&e, "large.c"), "(unknown)");
    mem_free(large);
    buf_finish(&json);
    editor_finish(&e);
}

Test(messages, uris_that_are_no_files)
{
    struct editor e;
    editor_start(&e, editor_full);
    editor_notify(&e, "textDocument/didOpen",
                  "{'textDocument':{'uri':'untitled:Untitled-1','version':1,'text':'draft'}}");
    editor_notify(&e, "textDocument/didChange",
                  "{'textDocument':{'uri':'untitled:Untitled-1','version':2},'contentChanges':[{"
                  "'text':'draft 2'}]}");
    editor_turns(&e, 5);
    struct document *document = document_find_uri(e.w.documents, STR("untitled:Untitled-1"));
    cr_assert(document && str_eq_c(text_bytes(document->text), "draft 2"));
    editor_notify(&e, "textDocument/didSave", "{'textDocument':{'uri':'untitled:Untitled-1'}}");
    editor_request(
        &e, "workspace/executeCommand",
        "{'command':'lanebridge.ask','arguments':[{'prompt':'why?','uri':"
        "'untitled:Untitled-1','range':{'start':{'line':0,'character':0},'end':{'line':0,"
        "'character':5}}}]}");
    cr_assert_eq(e.answer_status, STATUS_OK, "%s", e.answer.ptr);
    editor_wait(&e, "$/progress");
    editor_turns(&e, 30);
    assert_has(e.w.model.frames.ptr[0], "selection of untitled:Untitled-1, lines 1-1");
    editor_notify(&e, "textDocument/didClose", "{'textDocument':{'uri':'untitled:Untitled-1'}}");
    editor_turns(&e, 5);
    cr_assert_null(document_find_uri(e.w.documents, STR("untitled:Untitled-1")));
    editor_finish(&e);
}

/* No folder is open: a text that is still to be saved is edited like any other, and nothing else is
 * there. */
Test(messages, untitled_is_edited_where_no_folder_is_open)
{
    static const char *const steps[] = {
        "call r read_file {'path':'untitled:Untitled-1','start_line':null,'end_line':null}\n"
        "call w write_file {'path':'untitled:Untitled-1','content':'new text\\n'}\n"
        "done",
        "say ok\ndone", NULL};
    struct editor e;
    char json[256];
    editor_start(&e, editor_full);
    model_script(&e.w.model, steps);
    snprintf(json, sizeof(json),
             "{'event':{'added':[],'removed':[{'uri':'file://%s','name':'ws'}]}}", e.w.ws);
    editor_notify(&e, "workspace/didChangeWorkspaceFolders", json);
    editor_notify(&e, "textDocument/didOpen",
                  "{'textDocument':{'uri':'untitled:Untitled-1','version':1,'text':'draft\\n'}}");
    editor_request(&e, "workspace/executeCommand",
                   "{'command':'lanebridge.ask','arguments':['write it']}");
    cr_assert_eq(e.answer_status, STATUS_OK, "%s", e.answer.ptr);
    struct editor_message *edit = editor_wait(&e, "workspace/applyEdit");
    assert_has(editor_params(edit), "\"uri\":\"untitled:Untitled-1\"");
    assert_has(editor_params(edit), "new text");
    editor_notify(&e, "textDocument/didChange",
                  "{'textDocument':{'uri':'untitled:Untitled-1','version':2},'contentChanges':[{"
                  "'text':'new text\\n'}]}");
    editor_answer(&e, edit, "{'applied':true}");
    editor_turns(&e, 60);
    struct buf context = {0};
    model_context(&e.w.model, &context);
    assert_has(context.ptr, "draft");
    assert_has(context.ptr, "untitled:Untitled-1 (open in the editor, version 1, unsaved");
    buf_finish(&context);
    editor_finish(&e);
}

/* One file under two names is one document, open until both are closed. */
Test(messages, hard_links)
{
    struct editor e;
    char json[512];
    editor_start(&e, editor_full);
    world_put(&e.w, "a.c", "text\n");
    cr_assert_eq(link(world_path(&e.w, "a.c"), world_path(&e.w, "b.c")), 0);
    editor_open(&e, "a.c", 1, "text\n");
    editor_open(&e, "b.c", 1, "text\n");
    editor_type(&e, "b.c", 2, "other\n");
    struct document *one = document_find_uri(e.w.documents, str_from(editor_uri(&e, "a.c")));
    cr_assert_eq(one, document_find_uri(e.w.documents, str_from(editor_uri(&e, "b.c"))));
    cr_assert(str_eq_c(text_bytes(one->text), "other\n"));
    snprintf(json, sizeof(json), "{'textDocument':{'uri':'%s'}}", editor_uri(&e, "a.c"));
    editor_notify(&e, "textDocument/didSave", json);
    editor_close(&e, "a.c");
    cr_assert_not_null(document_find_uri(e.w.documents, str_from(editor_uri(&e, "b.c"))));
    editor_close(&e, "b.c");
    cr_assert_null(document_at(e.w.documents, 0));
    editor_close(&e, "b.c");
    assert_has(editor_params(editor_wait(&e, "window/logMessage")), "didClose was ignored");
    editor_finish(&e);
}
