/* Edits, and what editors make of them: judged by the texts. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "editor.h"

TestSuite(apply, .timeout = 60);

static const char yes[] = "{'applied':true}", no[] = "{'applied':false,'failureReason':'stale'}";
static const char before[] = "one\ntwo\nthree\nfour\nfive\n";
static const char after[] = "one\nTWO\nthree\nfour\nFIVE\n";
static const char typed[] = "mine\none\ntwo\nthree\nfour\nfive\n";
/* The edit of line 1 and 4 put where it was made for, in the text with a line more. */
static const char stale[] = "mine\nTWO\ntwo\nthree\nFIVE\nfive\n";
static const char merged[] = "mine\none\nTWO\nthree\nfour\nFIVE\n";

static struct editor_message *begin(struct editor *e, const char *capabilities)
{
    editor_start(e, capabilities);
    editor_open(e, "a.c", 1, before);
    editor_apply_text(e, "a.c", after);
    return editor_wait(e, "workspace/applyEdit");
}

Test(apply, changed_before_the_answer)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, after);
    editor_judged(&e, HOST_APPLIED);
    editor_answer(&e, edit, yes);
    editor_turns(&e, 5);
    cr_assert_eq(e.verdicts, 1);
    editor_finish(&e);
}

Test(apply, answered_before_the_change)
{
    struct editor e;
    editor_answer(&e, begin(&e, editor_full), yes);
    editor_turns(&e, 20);
    cr_assert_eq(e.verdicts, 0);
    editor_type(&e, "a.c", 2, after);
    editor_judged(&e, HOST_APPLIED);
    editor_finish(&e);
}

/* One line at a time, as an editor tells several edits. */
Test(apply, told_in_pieces)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, "one\ntwo\nthree\nfour\nFIVE\n");
    cr_assert_eq(e.verdicts, 0);
    editor_type(&e, "a.c", 3, after);
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_APPLIED);
    editor_finish(&e);
}

/* Several changes in one notification, the last in the text first: what differs in a line, letter
 * by letter, as VS Code tells the replacement of the line. None of the texts between is the
 * person's. */
Test(apply, told_letter_by_letter_in_one_notification)
{
    static const struct {
        const char *before, *after;
        struct {
            int from, to;
            const char *text;
        } changes[4];
        size_t count;
    } rows[] = {
        {"int count_words(char *text);\n",
         "size_t count_lines(char *text, int max);\n",
         {{26, 26, ", int max"}, {11, 14, "ine"}, {10, 11, "l"}, {0, 3, "size_t"}},
         4},
        {"alpha(beta, gamma, delta)\n", "alpha(gamma)\n", {{17, 24, ""}, {6, 12, ""}}, 2},
        {"a = b + c;\n",
         "abc = bc - cd;\n",
         {{9, 9, "d"}, {6, 7, "-"}, {5, 5, "c"}, {1, 1, "bc"}},
         4},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct editor e;
        struct buf json = {0};
        editor_start(&e, editor_full);
        editor_open(&e, "a.c", 1, rows[i].before);
        editor_apply_text(&e, "a.c", rows[i].after);
        struct editor_message *edit = editor_wait(&e, "workspace/applyEdit");
        buf_append_fmt(&json, "{'textDocument':{'uri':'%s','version':2},'contentChanges':[",
                       editor_uri(&e, "a.c"));
        for (size_t k = 0; k < rows[i].count; k++)
            buf_append_fmt(&json,
                           "%s{'range':{'start':{'line':0,'character':%d},'end':{'line':0,"
                           "'character':%d}},'text':'%s'}",
                           k > 0 ? "," : "", rows[i].changes[k].from, rows[i].changes[k].to,
                           rows[i].changes[k].text);
        buf_append_c(&json, "]}");
        editor_notify(&e, "textDocument/didChange", json.ptr);
        editor_answer(&e, edit, yes);
        editor_judged(&e, HOST_APPLIED);
        cr_assert_str_eq(editor_screen(&e, "a.c"), rows[i].after, "row %zu", i);
        cr_assert_eq(editor_count(&e, "workspace/applyEdit"), 1, "row %zu: it was corrected", i);
        buf_finish(&json);
        editor_finish(&e);
    }
}

Test(apply, said_yes_and_did_nothing)
{
    struct editor e;
    editor_answer(&e, begin(&e, editor_full), yes);
    editor_judged(&e, HOST_NOT_APPLIED);
    editor_finish(&e);
}

Test(apply, typed_and_skipped)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, typed);
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_NOT_APPLIED);
    cr_assert_str_eq(editor_screen(&e, "a.c"), typed);
    editor_finish(&e);
}

Test(apply, typed_after_it_landed)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, after);
    editor_insert(&e, "a.c", 3, 0, "mine\n");
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_APPLIED);
    editor_finish(&e);
}

/* A stale edit lands: put right at once, with what the person typed. */
static void check_repair(const char *capabilities, int version, bool full)
{
    struct editor e;
    editor_start(&e, capabilities);
    editor_open(&e, "a.c", version, before);
    editor_apply_text(&e, "a.c", after);
    struct editor_message *edit = editor_wait(&e, "workspace/applyEdit");
    if (full)
        editor_type(&e, "a.c", version, typed);
    else
        editor_insert(&e, "a.c", version, 0, "mine\n");
    cr_assert_str_eq(editor_screen(&e, "a.c"), typed);
    editor_type(&e, "a.c", version, stale);
    editor_answer(&e, edit, yes);
    edit = editor_wait(&e, "workspace/applyEdit");
    cr_assert_eq(e.verdicts, 0);
    editor_type(&e, "a.c", version, merged);
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_REPAIRED);
    assert_has(e.note.ptr, "what the user typed meanwhile was kept");
    cr_assert_str_eq(editor_screen(&e, "a.c"), merged);
    editor_finish(&e);
}

Test(apply, a_stale_edit_is_put_right)
{
    check_repair(editor_full, 1, false);
    check_repair(editor_full, 1, true);
    check_repair(editor_full, 0, false);
    check_repair("{'workspace':{'applyEdit':true}}", 0, true);
}

/* The edit came late and replaced the line in which the person had typed: the text is as planned,
 * and yet what they typed is gone. */
Test(apply, what_the_edit_replaced_comes_back)
{
    static const char here[] = "one\ntwo and mine\nthree\nfour\nfive\n";
    static const char kept[] = "one\ntwo and mine\nthree\nfour\nFIVE\n";
    static const struct {
        const char *typed[2]; /* the last of them is on the screen when the edit comes */
        const char *corrected;
    } rows[] = {
        {{here, NULL}, kept}, {{typed, here}, kept}, {{here, before}, NULL}, /* taken back */
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct editor e;
        struct editor_message *edit = begin(&e, editor_full);
        editor_type(&e, "a.c", 2, rows[i].typed[0]);
        if (rows[i].typed[1])
            editor_type(&e, "a.c", 3, rows[i].typed[1]);
        editor_type(&e, "a.c", 4, after);
        editor_answer(&e, edit, yes);
        if (rows[i].corrected) {
            edit = editor_wait(&e, "workspace/applyEdit");
            editor_type(&e, "a.c", 5, rows[i].corrected);
            editor_answer(&e, edit, yes);
        }
        editor_judged(&e, rows[i].corrected ? HOST_REPAIRED : HOST_APPLIED);
        if (rows[i].corrected)
            assert_has(e.note.ptr, "the user's were kept");
        editor_finish(&e);
    }
}

/* Line 4 is beyond a text that has become shorter: there it goes to the end. */
Test(apply, a_stale_edit_beyond_the_end_is_put_right)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, "two\nthree\nfour\nfive\n");
    editor_type(&e, "a.c", 3, "two\nTWO\nfour\nfive\nFIVE\n");
    editor_answer(&e, edit, yes);
    edit = editor_wait(&e, "workspace/applyEdit");
    editor_type(&e, "a.c", 4, "two\nthree\nfour\nFIVE\n");
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_REPAIRED);
    editor_finish(&e);
}

/* The text is what it was, but not the version: the person typed and took it back. */
Test(apply, refused_for_a_version_that_moved)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, typed);
    editor_type(&e, "a.c", 3, before);
    editor_answer(&e, edit, no);
    editor_judged(&e, HOST_NOT_APPLIED);
    editor_finish(&e);
}

/* The person types on while it is put right, and the editor refuses the correction: once more. */
Test(apply, a_refused_correction_is_made_again)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, typed);
    editor_type(&e, "a.c", 3, stale);
    editor_answer(&e, edit, yes);
    edit = editor_wait(&e, "workspace/applyEdit");
    editor_insert(&e, "a.c", 4, 0, "more\n");
    editor_answer(&e, edit, no);
    edit = editor_wait(&e, "workspace/applyEdit");
    editor_type(&e, "a.c", 5, "more\nmine\none\nTWO\nthree\nfour\nFIVE\n");
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_REPAIRED);
    editor_finish(&e);
}

Test(apply, a_stubborn_editor_is_given_up)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, typed);
    editor_type(&e, "a.c", 3, stale);
    editor_answer(&e, edit, yes);
    for (int i = 0; i < 5; i++) {
        char line[32];
        edit = editor_wait(&e, "workspace/applyEdit");
        snprintf(line, sizeof(line), "more %d\n", i);
        editor_insert(&e, "a.c", 4 + i, 0, line);
        editor_answer(&e, edit, no);
    }
    editor_judged(&e, HOST_PARTIAL);
    assert_has(e.note.ptr, "a.c is not as planned");
    cr_assert_eq(editor_count(&e, "workspace/applyEdit"), 6);
    editor_finish(&e);
}

/* -- No --------------------------------------------------------------------------------------- */

Test(apply, declined_out_of_the_blue)
{
    struct editor e;
    editor_answer(&e, begin(&e, editor_full), no);
    editor_judged(&e, HOST_FAILED);
    assert_has(e.note.ptr, "stale");
    editor_finish(&e);
}

Test(apply, declined_because_the_person_typed)
{
    struct editor e;
    struct editor_message *edit = begin(&e, editor_full);
    editor_type(&e, "a.c", 2, typed);
    editor_answer(&e, edit, no);
    editor_judged(&e, HOST_NOT_APPLIED);
    editor_finish(&e);
}

Test(apply, an_error_is_a_no)
{
    struct editor e;
    editor_answer_error(&e, begin(&e, editor_full), "internal error: void");
    editor_judged(&e, HOST_FAILED);
    assert_has(e.note.ptr, "internal error: void");
    editor_finish(&e);
}

static bool is_closed(void *user)
{
    return ((struct editor *)user)->exits > 0;
}

Test(apply, the_editor_goes_without_an_answer)
{
    struct editor e;
    begin(&e, editor_full);
    jsonrpc_peer_free(e.peer);
    e.peer = NULL;
    world_run(&e.w, is_closed, &e);
    cr_assert_eq(e.exit_code, 1);
    editor_judged(&e, HOST_FAILED);
    editor_apply_text(&e, "a.c", "later\n");
    editor_judged(&e, HOST_FAILED);
    assert_has(e.note.ptr, "the editor is gone");
    editor_finish(&e);
}

Test(apply, dropped_in_the_middle)
{
    for (int moment = 0; moment < 4; moment++) {
        struct editor e;
        struct editor_message *edit = begin(&e, editor_full);
        if (moment == 1)
            editor_type(&e, "a.c", 2, typed);
        if (moment == 2)
            editor_answer(&e, edit, yes);
        if (moment == 3)
            editor_type(&e, "a.c", 2, after);
        e.verdicts = 0;
        if (moment < 3)
            apply_drop(e.server, &e);
        editor_turns(&e, 10);
        cr_assert_eq(e.verdicts, 0);
        editor_finish(&e);
    }
}

Test(apply, freed_in_the_middle)
{
    struct editor e;
    begin(&e, editor_full);
    editor_type(&e, "a.c", 2, typed);
    editor_finish(&e);
}

/* -- Not as planned for ----------------------------------------------------------------------- */

Test(apply, an_old_plan_is_not_sent)
{
    struct editor e;
    editor_start(&e, editor_full);
    editor_open(&e, "a.c", 1, "other\n");
    world_put(&e.w, "b.c", "other\n");
    struct text *old = text_new(STR("old\n")), *new = text_new(STR("new\n"));
    char path[256];
    const struct {
        enum host_change_kind kind;
        const char *name;
        struct text *before;
    } rows[] = {
        {HOST_UPDATE, "a.c", old},  {HOST_UPDATE, "b.c", old},  {HOST_UPDATE, "none.c", old},
        {HOST_CREATE, "a.c", NULL}, {HOST_CREATE, "b.c", NULL}, {HOST_DELETE, "b.c", old},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        snprintf(path, sizeof(path), "%s/%s", e.w.ws, rows[i].name);
        struct host_change change = {.kind = rows[i].kind,
                                     .path = path,
                                     .before = rows[i].before,
                                     .after = rows[i].kind == HOST_DELETE ? NULL : new};
        editor_apply(&e, &change, 1);
        editor_judged(&e, HOST_NOT_APPLIED);
    }
    cr_assert_eq(editor_count(&e, "workspace/applyEdit"), 0);
    text_unref(old);
    text_unref(new);
    editor_finish(&e);
}

/* Open, but its text is not known: a new file there would overwrite it. */
Test(apply, an_unknown_document_is_in_the_way)
{
    struct editor e;
    editor_start(&e, editor_full);
    char json[512];
    snprintf(json, sizeof(json), "{'textDocument':{'uri':'%s','version':1}}",
             editor_uri(&e, "new.c"));
    editor_notify(&e, "textDocument/didOpen", json);
    editor_turns(&e, 3);
    cr_assert_str_eq(editor_screen(&e, "new.c"), "(unknown)");
    struct text *text = text_new(STR("x\n"));
    struct host_change change = {
        .kind = HOST_CREATE, .path = world_path(&e.w, "new.c"), .after = text};
    editor_apply(&e, &change, 1);
    editor_judged(&e, HOST_NOT_APPLIED);
    text_unref(text);
    editor_finish(&e);
}

/* -- Files that are not open ------------------------------------------------------------------ */

Test(apply, the_client_opens_a_hidden_buffer)
{
    struct editor e;
    editor_start(&e, editor_full);
    world_put(&e.w, "a.c", before);
    editor_apply_text(&e, "a.c", after);
    struct editor_message *edit = editor_wait(&e, "workspace/applyEdit");
    assert_has(editor_params(edit), "\"version\":null");
    editor_open(&e, "a.c", 1, before);
    editor_type(&e, "a.c", 2, after);
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_APPLIED);
    editor_finish(&e);
}

Test(apply, the_client_writes_to_the_disk)
{
    struct editor e;
    editor_start(&e, editor_full);
    world_put(&e.w, "a.c", before);
    editor_apply_text(&e, "a.c", after);
    struct editor_message *edit = editor_wait(&e, "workspace/applyEdit");
    world_put(&e.w, "a.c", after);
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_APPLIED);
    editor_finish(&e);
}

static struct host_change change_of(struct editor *e, enum host_change_kind kind, const char *name,
                                    struct text *text)
{
    return (struct host_change){.kind = kind,
                                .path = world_path(&e->w, name),
                                .before = kind == HOST_CREATE ? NULL : text,
                                .after = kind == HOST_DELETE ? NULL : text};
}

Test(apply, files_by_the_client)
{
    struct editor e;
    struct text *text = text_new(str_from(before));
    editor_start(&e, editor_full);
    world_put(&e.w, "old.c", before);
    world_put(&e.w, "gone.c", before);
    struct host_change changes[] = {change_of(&e, HOST_CREATE, "new.c", text),
                                    change_of(&e, HOST_DELETE, "gone.c", text),
                                    change_of(&e, HOST_MOVE, "old.c", text)};
    changes[2].new_path = world_path(&e.w, "moved.c");
    editor_apply(&e, changes, 3);
    struct editor_message *edit = editor_wait(&e, "workspace/applyEdit");
    world_put(&e.w, "new.c", before);
    unlink(world_path(&e.w, "gone.c"));
    rename(world_path(&e.w, "old.c"), world_path(&e.w, "moved.c"));
    editor_answer(&e, edit, yes);
    editor_judged(&e, HOST_APPLIED);
    text_unref(text);
    editor_finish(&e);
}

/* A client without resource operations: what is not open is done by us, what is open is refused. */
Test(apply, files_by_our_own_hands)
{
    struct editor e;
    struct text *text = text_new(str_from(before));
    editor_start(&e, "{'workspace':{'applyEdit':true,'workspaceEdit':{'documentChanges':true}}}");
    world_put(&e.w, "old.c", before);
    world_put(&e.w, "gone.c", before);
    struct host_change changes[] = {change_of(&e, HOST_CREATE, "new.c", text),
                                    change_of(&e, HOST_DELETE, "gone.c", text),
                                    change_of(&e, HOST_MOVE, "old.c", text)};
    changes[2].new_path = world_path(&e.w, "moved.c");
    editor_apply(&e, changes, 3);
    editor_judged(&e, HOST_APPLIED);
    cr_assert_str_eq(world_disk(&e.w, "new.c"), before);
    cr_assert_str_eq(world_disk(&e.w, "moved.c"), before);
    cr_assert_str_eq(world_disk(&e.w, "gone.c"), "(none)");
    cr_assert_str_eq(world_disk(&e.w, "old.c"), "(none)");
    cr_assert_eq(editor_count(&e, "workspace/applyEdit"), 0);

    editor_open(&e, "new.c", 1, before);
    struct host_change open = change_of(&e, HOST_DELETE, "new.c", text);
    editor_apply(&e, &open, 1);
    editor_judged(&e, HOST_FAILED);
    assert_has(e.note.ptr, "which is open");

    struct host_change both[] = {change_of(&e, HOST_DELETE, "moved.c", text), open};
    editor_apply(&e, both, 2);
    editor_judged(&e, HOST_FAILED); /* all or nothing */
    cr_assert_str_eq(world_disk(&e.w, "moved.c"), before);
    text_unref(text);
    editor_finish(&e);
}

/* What we write waits for what the client takes. */
Test(apply, our_own_hands_wait_for_the_client)
{
    static const struct {
        const char *answer;
        bool lands, disk_is_in_the_way;
        enum host_apply_result result;
        const char *made;
    } cases[] = {
        {"{'applied':false}", false, false, HOST_FAILED, "(none)"},
        {"{'applied':true}", true, false, HOST_APPLIED, "int one;\n"},
        {"{'applied':true}", true, true, HOST_PARTIAL, "somebody else's\n"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct editor e;
        struct text *old = text_new(str_from(before)), *new = text_new(STR("int one;\n"));
        editor_start(&e,
                     "{'workspace':{'applyEdit':true,'workspaceEdit':{'documentChanges':true}}}");
        editor_open(&e, "a.c", 1, before);
        struct host_change changes[] = {change_of(&e, HOST_CREATE, "new.c", new),
                                        change_of(&e, HOST_UPDATE, "a.c", old)};
        changes[0].before = NULL;
        changes[0].after = changes[1].after = new;
        editor_apply(&e, changes, 2);
        struct editor_message *edit = editor_wait(&e, "workspace/applyEdit");
        cr_assert_str_eq(world_disk(&e.w, "new.c"), "(none)");
        if (cases[i].disk_is_in_the_way)
            world_put(&e.w, "new.c", cases[i].made);
        if (cases[i].lands)
            editor_type(&e, "a.c", 2, "int one;\n");
        editor_answer(&e, edit, cases[i].answer);
        editor_judged(&e, cases[i].result);
        cr_assert_str_eq(world_disk(&e.w, "new.c"), cases[i].made);
        text_unref(old);
        text_unref(new);
        editor_finish(&e);
    }
}

Test(apply, one_of_two_files)
{
    struct editor e;
    struct text *old = text_new(str_from(before)), *new = text_new(str_from(after));
    editor_start(&e, editor_full);
    editor_open(&e, "a.c", 1, before);
    editor_open(&e, "b.c", 1, before);
    struct host_change changes[] = {change_of(&e, HOST_UPDATE, "a.c", old),
                                    change_of(&e, HOST_UPDATE, "b.c", old)};
    changes[0].after = changes[1].after = new;
    editor_apply(&e, changes, 2);
    struct editor_message *edit = editor_wait(&e, "workspace/applyEdit");
    editor_type(&e, "a.c", 2, after);
    editor_answer(&e, edit, "{'applied':false,'failedChange':1}");
    editor_judged(&e, HOST_PARTIAL);
    assert_has(e.note.ptr, "b.c was not changed");
    text_unref(old);
    text_unref(new);
    editor_finish(&e);
}
