/* What the client makes of a server's edits, and what it answers. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"

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
