/* Commands, progress, the rich layer's notifications, questions. */
#include <stdio.h>
#include <string.h>

#include "editor.h"

TestSuite(turns, .timeout = 60);

static const char rich[] =
    "{'workspace':{'applyEdit':true},'window':{'workDoneProgress':true},'experimental':{"
    "'lanebridge':{'version':1,'approvals':true,'save':true}}}";

/* An end of progress that was not seen yet. */
static bool ended(void *user)
{
    struct editor *e = user;
    for (size_t i = e->seen; i < e->messages.len; i++) {
        const struct json_value *value = json_get(e->messages.ptr[i]->params, "value");
        if (str_eq_c(json_get_str(value, "kind"), "end"))
            return true;
    }
    return false;
}

/* -- Commands --------------------------------------------------------------------------------- */

Test(turns, forms_of_commands)
{
    static const struct {
        const char *params;
        int code;             /* 0: answered */
        const char *expected; /* part of the answer */
    } rows[] = {
        {"{'command':'lanebridge.status'}", 0, "m-1"},
        {"{'command':'lanebridge.interrupt'}", JSONRPC_REQUEST_FAILED, "nothing is running"},
        {"{'command':'lanebridge.ask','arguments':['   ']}", JSONRPC_INVALID_PARAMS, "empty"},
        {"{'command':'lanebridge.edit','arguments':[{}]}", JSONRPC_INVALID_PARAMS, "empty"},
        {"{'command':'lanebridge.fix','arguments':[{'diagnostics':[]}]}", JSONRPC_INVALID_PARAMS,
         "nothing to fix"},
        {"{'command':'lanebridge.ask','arguments':[{'prompt':'x','uri':'file:///none.c'}]}",
         JSONRPC_REQUEST_FAILED, "file:///none.c is not open"},
        {"{'command':'lanebridge.ask','arguments':[{'prompt':'x','threadId':'nobody'}]}",
         JSONRPC_REQUEST_FAILED, "there is no thread nobody"},
        {"{'command':'lanebridge.interrupt','arguments':[{'threadId':'nobody'}]}",
         JSONRPC_REQUEST_FAILED, "nothing is running"},
        {"{'command':'lanebridge.none'}", JSONRPC_INVALID_PARAMS, "there is no command"},
        {"{'command':'lanebridge.newThread'}", 0, "threadId"},
        {"{'command':'lanebridge.ask','arguments':['why?']}", 0, "turnId"},
        {"{'command':'lanebridge.ask','arguments':[{'prompt':'and?'}]}", 0, "turnId"},
        {"{'command':'lanebridge.explain'}", JSONRPC_INVALID_PARAMS, "nothing to explain"},
        {"{'command':'lanebridge.openTranscript'}", 0, "threadId"},
    };
    struct editor e;
    editor_start(&e, editor_full);
    for (size_t i = 0; i < array_count(rows); i++) {
        editor_request(&e, "workspace/executeCommand", rows[i].params);
        cr_expect_eq(e.answer_status == STATUS_OK ? 0 : e.error_code, rows[i].code, "%s: %s",
                     rows[i].params, e.answer.ptr);
        cr_expect(strstr(e.answer.ptr, rows[i].expected), "%s: %s", rows[i].params, e.answer.ptr);
    }
    editor_finish(&e);
}

Test(turns, nothing_happens_before_the_first_prompt)
{
    struct editor e;
    editor_start(&e, editor_full);
    editor_request(&e, "workspace/executeCommand", "{'command':'lanebridge.interrupt'}");
    cr_assert_null(e.w.agent);
    cr_assert_eq(e.w.model.opens, 0);
    editor_finish(&e);
}

Test(turns, a_token_of_the_command_is_ended_before_its_answer)
{
    struct editor e;
    editor_start(&e, editor_full);
    editor_request(&e, "workspace/executeCommand",
                   "{'command':'lanebridge.status','workDoneToken':7}");
    assert_has(editor_params(editor_wait(&e, "$/progress")),
               "\"token\":7,\"value\":{\"kind\":\"begin\"");
    assert_has(editor_params(editor_wait(&e, "$/progress")), "\"kind\":\"end\"");
    editor_request(&e, "workspace/executeCommand",
                   "{'command':'lanebridge.status','workDoneToken':null}");
    cr_assert_not(editor_has(&e, "$/progress"));
    editor_finish(&e);
}

Test(turns, the_selection_is_sent)
{
    struct editor e;
    char json[512];
    editor_start(&e, editor_full);
    editor_open(&e, "a.c", 1, "one\ntwo\nthree\n");
    snprintf(json, sizeof(json),
             "{'command':'lanebridge.edit','arguments':[{'prompt':'shout','uri':'%s','range':{"
             "'start':{'line':1,'character':0},'end':{'line':1,'character':3}}}]}",
             editor_uri(&e, "a.c"));
    editor_request(&e, "workspace/executeCommand", json);
    cr_assert_eq(e.answer_status, STATUS_OK);
    world_run(&e.w, ended, &e);
    assert_has(e.w.model.frames.ptr[0],
               "<context label=\\\"selection of a.c, lines 2-2\\\">\\ntwo\\n</context>");
    assert_has(e.w.model.frames.ptr[0],
               "shout\\nEdit the selected code as asked; change nothing else.");
    editor_finish(&e);
}

/* -- Trust ------------------------------------------------------------------------------------ */

static void start_untrusted(struct editor *e)
{
    char params[512];
    editor_init(e);
    e->w.warm = true;
    snprintf(params, sizeof(params), "{'capabilities':%s,'rootUri':'file://%s'}", editor_full,
             e->w.ws);
    editor_request(e, "initialize", params);
}

Test(turns, an_unknown_folder_is_asked_about)
{
    static const struct {
        const char *answer; /* NULL: an error */
        bool yes;
    } rows[] = {
        {"{'title':'Trust this folder'}", true},
        {"{'title':'Decline'}", false},
        {"null", false},
        {"7", false},
        {NULL, false},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct editor e;
        start_untrusted(&e);
        editor_request(&e, "workspace/executeCommand",
                       "{'command':'lanebridge.ask','arguments':['go']}");
        cr_assert_str_eq(e.answer.ptr, "{\"pending\":\"trust\"}");
        struct editor_message *question = editor_wait(&e, "window/showMessageRequest");
        assert_has(editor_params(question),
                   "\"actions\":[{\"title\":\"Decline\"},{\"title\":\"Trust this folder\"}]");
        cr_assert_eq(e.w.model.opens, 0);
        if (rows[i].answer)
            editor_answer(&e, question, rows[i].answer);
        else
            editor_answer_error(&e, question, "no");
        if (rows[i].yes)
            world_run(&e.w, ended, &e);
        else
            assert_has(editor_params(editor_wait(&e, "window/showMessage")), "not trusted");
        cr_assert_eq(e.w.model.frames.len, rows[i].yes, "row %zu", i);
        editor_finish(&e);
    }
}

Test(turns, freed_with_the_trust_question_open)
{
    struct editor e;
    start_untrusted(&e);
    editor_request(&e, "workspace/executeCommand",
                   "{'command':'lanebridge.ask','arguments':['a']}");
    editor_request(&e, "workspace/executeCommand",
                   "{'command':'lanebridge.ask','arguments':['b']}");
    editor_wait(&e, "window/showMessageRequest");
    editor_finish(&e);
}

/* A warm-up sends what stands in the folder. */
Test(turns, an_untrusted_folder_is_not_warmed_up)
{
    struct editor e;
    start_untrusted(&e);
    editor_request(&e, "workspace/executeCommand", "{'command':'lanebridge.newThread'}");
    cr_assert_eq(e.answer_status, STATUS_OK);
    editor_turns(&e, 20);
    cr_assert_eq(e.w.model.opens, 0);
    workspace_trust_set(e.w.workspace, str_from(e.w.ws), TRUST_YES, NULL);
    editor_request(&e, "workspace/executeCommand", "{'command':'lanebridge.newThread'}");
    editor_turns(&e, 20);
    cr_assert_eq(e.w.model.warm_ups, 1);
    editor_finish(&e);
}

/* -- Events ----------------------------------------------------------------------------------- */

static struct agent_event event_of(enum agent_event_type type, const char *item_id,
                                   const char *text)
{
    return (struct agent_event){.type = type,
                                .thread_id = "thread-x",
                                .turn_id = "turn-x",
                                .item_id = item_id,
                                .item_type = AGENT_MESSAGE,
                                .text = str_from(text),
                                .ok = true};
}

static void emit(struct editor *e, enum agent_event_type type, const char *item_id,
                 const char *text)
{
    struct agent_event event = event_of(type, item_id, text);
    threads_on_event(e->server, &event);
}

static void with_agent(struct editor *e, const char *capabilities)
{
    editor_start(e, capabilities);
    editor_request(e, "workspace/executeCommand", "{'command':'lanebridge.newThread'}");
    cr_assert_eq(e->answer_status, STATUS_OK);
}

Test(turns, progress_is_told_at_most_four_times_a_second)
{
    struct editor e;
    with_agent(&e, editor_full);
    emit(&e, AGENT_TURN_STARTED, "", "the title");
    assert_has(editor_params(editor_wait(&e, "$/progress")),
               "\"kind\":\"begin\",\"title\":\"Lanebridge: the title\",\"cancellable\":true");
    uint64_t last = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 50; i++)
            emit(&e, AGENT_NOTICE, "", i == 49 ? "the last\nof them" : "one of many");
        struct editor_message *report = editor_wait(&e, "$/progress");
        assert_has(editor_params(report), "\"kind\":\"report\",\"message\":\"the last\"}");
        cr_assert(last == 0 || report->at_ms >= last + 240);
        last = report->at_ms;
    }
    struct agent_event end = event_of(AGENT_TURN_COMPLETED, "", "line one\nline two");
    end.status = TURN_FAILED;
    threads_on_event(e.server, &end);
    assert_has(editor_params(editor_wait(&e, "$/progress")),
               "\"kind\":\"end\",\"message\":\"failed: line one\"");
    editor_finish(&e);
}

/* 80 characters, of as many bytes as they have. */
Test(turns, a_report_has_at_most_80_characters)
{
    static const struct {
        size_t characters, shown;
    } rows[] = {{1, 1}, {79, 79}, {80, 80}, {81, 79}, {200, 79}};
    struct editor e;
    with_agent(&e, editor_full);
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf text = {0}, expected = {0};
        emit(&e, AGENT_TURN_STARTED, "", "t");
        editor_wait(&e, "$/progress");
        for (size_t c = 0; c < rows[i].characters; c++)
            buf_append_c(&text, c == 0 ? "x" : "é");
        buf_append(&expected, str_slice(buf_str(&text), 0, 2 * rows[i].shown - 1));
        buf_append_c(&expected, rows[i].shown < rows[i].characters ? "…" : "");
        emit(&e, AGENT_NOTICE, "", text.ptr);
        struct editor_message *report = editor_wait(&e, "$/progress");
        struct str message = json_get_str(json_get(report->params, "value"), "message");
        cr_assert(str_eq_c(message, expected.ptr), "row %zu: " STR_FMT, i, STR_ARG(message));
        emit(&e, AGENT_TURN_COMPLETED, "", "");
        editor_wait(&e, "$/progress");
        buf_finish(&text);
        buf_finish(&expected);
    }
    editor_finish(&e);
}

static void assert_next_delta(struct editor *e, const char *thread, const char *item,
                              const char *text)
{
    struct editor_message *delta = editor_wait(e, "lanebridge/item/delta");
    cr_assert(str_eq_c(json_get_str(delta->params, "threadId"), thread));
    cr_assert(str_eq_c(json_get_str(delta->params, "itemId"), item));
    cr_assert(str_eq_c(json_get_str(delta->params, "delta"), text), STR_FMT " instead of %s",
              STR_ARG(json_get_str(delta->params, "delta")), text);
}

Test(turns, first_words_go_at_once_and_what_follows_is_joined_and_never_passes_another_item)
{
    struct editor e;
    with_agent(&e, rich);
    for (int i = 0; i < 20; i++)
        emit(&e, AGENT_ITEM_DELTA, "m1", "ab");
    emit(&e, AGENT_ITEM_DELTA, "m2", "other");
    emit(&e, AGENT_ITEM_DELTA, "m2", " words");
    struct agent_event elsewhere = event_of(AGENT_ITEM_DELTA, "m1", "ELSE");
    elsewhere.thread_id = "thread-y";
    threads_on_event(e.server, &elsewhere);
    assert_next_delta(&e, "thread-x", "m1", "ab");
    assert_next_delta(&e, "thread-x", "m1", "ababababababababababababababababababab");
    assert_next_delta(&e, "thread-x", "m2", "other");
    assert_next_delta(&e, "thread-x", "m2", " words");
    assert_next_delta(&e, "thread-y", "m1", "ELSE");

    emit(&e, AGENT_ITEM_DELTA, "m1", "late");
    emit(&e, AGENT_ITEM_COMPLETED, "m1", "all");
    editor_turns(&e, 5);
    size_t seen = e.seen;
    cr_assert_str_eq(e.messages.ptr[seen]->method, "lanebridge/item/delta");
    cr_assert_str_eq(e.messages.ptr[seen + 1]->method, "lanebridge/item/completed");
    editor_finish(&e);
}

Test(turns, cancelling_the_progress_interrupts_the_turn)
{
    static const char *const steps[] = {"wait\nsay x\ndone", NULL};
    struct editor e;
    char json[128];
    editor_start(&e, editor_full);
    model_script(&e.w.model, steps);
    editor_request(&e, "workspace/executeCommand",
                   "{'command':'lanebridge.ask','arguments':['go']}");
    struct editor_message *begun = editor_wait(&e, "$/progress");
    snprintf(json, sizeof(json), "{'token':'" STR_FMT "'}",
             STR_ARG(json_get_str(begun->params, "token")));
    editor_turns(&e, 20);
    editor_notify(&e, "window/workDoneProgress/cancel", "{'token':'another'}");
    editor_notify(&e, "window/workDoneProgress/cancel", json);
    world_run(&e.w, ended, &e);
    editor_finish(&e);
}

/* -- Questions -------------------------------------------------------------------------------- */

struct heard {
    unsigned count;
    enum host_decision decision;
    char rule[32], note[32];
};

static void on_heard(void *user, const struct host_ask_answer *answer)
{
    struct heard *heard = user;
    heard->count++;
    heard->decision = answer->decision;
    snprintf(heard->rule, sizeof(heard->rule), "%s", answer->rule_id ? answer->rule_id : "");
    snprintf(heard->note, sizeof(heard->note), STR_FMT, STR_ARG(answer->note));
}

static const struct host_ask_rule rules[] = {{"r1", "Allow make, this session", 2},
                                             {"r2", "Allow make, always here", 3}};
static const struct host_ask question = {.kind = HOST_ASK_COMMAND,
                                         .thread_id = "t",
                                         .turn_id = "u",
                                         .item_id = "i",
                                         .title = "Run this?",
                                         .show = "make \"test\"",
                                         .reason = "it is new",
                                         .rules = rules,
                                         .rule_count = 2};

static bool is_heard(void *user)
{
    return ((struct heard *)user)->count > 0;
}

static void check_question(const char *capabilities, const char *method, const char *shown,
                           const char *answer, enum host_decision decision, const char *rule)
{
    struct editor e;
    struct heard heard = {0};
    editor_start(&e, capabilities);
    approval_ask(e.server, &question, on_heard, &heard);
    struct editor_message *asked = editor_wait(&e, method);
    assert_has(editor_params(asked), shown);
    cr_assert_eq(heard.count, 0);
    if (answer)
        editor_answer(&e, asked, answer);
    else
        editor_answer_error(&e, asked, "cannot");
    world_run(&e.w, is_heard, &heard);
    cr_assert_eq(heard.decision, decision, "%s", answer ? answer : "error");
    cr_assert_str_eq(heard.rule, rule, "%s", answer);
    if (answer && strstr(answer, "no, use ninja"))
        cr_assert_str_eq(heard.note, "no, use ninja");
    editor_finish(&e);
}

Test(turns, questions)
{
    static const char bare_shown[] =
        "\"message\":\"Run this?\\n\\nmake \\\"test\\\"\\n\\nit is new\",\"actions\":[{\"title\":"
        "\"Decline\"},{\"title\":\"Allow once\"},{\"title\":\"Allow make, this "
        "session\"},{\"title\":"
        "\"Allow make, always here\"}]";
    static const char rich_shown[] =
        "\"kind\":\"command\",\"title\":\"Run this?\",\"show\":\"make "
        "\\\"test\\\"\",\"reason\":\"it "
        "is new\",\"rules\":[{\"id\":\"r1\",\"scope\":\"session\",\"text\":\"Allow make, this "
        "session\"},{\"id\":\"r2\",\"scope\":\"workspace\"";
    static const struct {
        bool is_rich;
        const char *answer;
        enum host_decision decision;
        const char *rule;
    } rows[] = {
        {false, "{'title':'Allow once'}", HOST_ACCEPT, ""},
        {false, "{'title':'Allow make, always here'}", HOST_ACCEPT, "r2"},
        {false, "{'title':'Decline'}", HOST_DECLINE, ""},
        {false, "{'title':'something'}", HOST_DECLINE, ""},
        {false, "null", HOST_DECLINE, ""},
        {false, "[]", HOST_DECLINE, ""},
        {false, NULL, HOST_DECLINE, ""},
        {true, "{'decision':'accept'}", HOST_ACCEPT, ""},
        {true, "{'decision':'accept','ruleId':'r1'}", HOST_ACCEPT, "r1"},
        {true, "{'decision':'accept','ruleId':'r9'}", HOST_ACCEPT, ""},
        {true, "{'decision':'decline','note':'no, use ninja'}", HOST_DECLINE, ""},
        {true, "{'decision':'cancel'}", HOST_CANCEL, ""},
        {true, "{'decision':true}", HOST_DECLINE, ""},
        {true, "null", HOST_DECLINE, ""},
        {true, NULL, HOST_DECLINE, ""},
    };
    for (size_t i = 0; i < array_count(rows); i++)
        check_question(rows[i].is_rich ? rich : editor_full,
                       rows[i].is_rich ? "lanebridge/approval/request"
                                       : "window/showMessageRequest",
                       rows[i].is_rich ? rich_shown : bare_shown, rows[i].answer, rows[i].decision,
                       rows[i].rule);
}

static bool is_gone(void *user)
{
    return ((struct editor *)user)->exits > 0;
}

Test(turns, a_question_is_dropped_or_the_editor_goes)
{
    struct editor e;
    struct heard dropped = {0}, kept = {0}, late = {0};
    editor_start(&e, rich);
    approval_ask(e.server, &question, on_heard, &dropped);
    approval_ask(e.server, &question, on_heard, &kept);
    editor_wait(&e, "lanebridge/approval/request");
    e.server->host.ops->drop(e.server->host.host, &dropped);
    editor_wait(&e, "$/cancelRequest");
    jsonrpc_peer_free(e.peer);
    e.peer = NULL;
    world_run(&e.w, is_gone, &e);
    cr_assert_eq(dropped.count, 0);
    cr_assert_eq(kept.count, 1);
    cr_assert_eq(kept.decision, HOST_DECLINE);
    approval_ask(e.server, &question, on_heard, &late);
    cr_assert_eq(late.count, 0, "not before the call has returned");
    world_run(&e.w, is_heard, &late);
    cr_assert_eq(late.decision, HOST_DECLINE);
    editor_finish(&e);
}

static void on_saved(void *user, enum status status, struct str note)
{
    struct heard *heard = user;
    (void)note;
    heard->count++;
    heard->decision = status == STATUS_OK ? HOST_ACCEPT : HOST_DECLINE;
}

Test(turns, saves)
{
    struct editor e;
    struct heard good = {0}, bad = {0}, dropped = {0}, late = {0};
    editor_start(&e, rich);
    const char *paths[] = {world_path(&e.w, "a b.c")};
    const struct host_ops *ops = e.server->host.ops;
    cr_assert_not_null(ops->save);
    ops->save(e.server, paths, 1, on_saved, &good);
    struct editor_message *asked = editor_wait(&e, "lanebridge/editor/save");
    assert_has(editor_params(asked), "/ws/a%20b.c\"]");
    editor_answer(&e, asked, "{}");
    world_run(&e.w, is_heard, &good);
    cr_assert_eq(good.decision, HOST_ACCEPT);
    ops->save(e.server, paths, 1, on_saved, &bad);
    editor_answer_error(&e, editor_wait(&e, "lanebridge/editor/save"), "read-only");
    world_run(&e.w, is_heard, &bad);
    cr_assert_eq(bad.decision, HOST_DECLINE);
    ops->save(e.server, paths, 1, on_saved, &dropped);
    ops->drop(e.server, &dropped);
    jsonrpc_peer_free(e.peer);
    e.peer = NULL;
    world_run(&e.w, is_gone, &e);
    ops->save(e.server, paths, 1, on_saved, &late);
    world_run(&e.w, is_heard, &late);
    cr_assert_eq(late.decision, HOST_DECLINE);
    cr_assert_eq(dropped.count, 0);
    editor_finish(&e);
}
