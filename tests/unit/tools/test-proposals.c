/* Edits that language servers propose. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "servers.h"

Test(editor, a_rename_is_an_edit_like_any_other)
{
    struct fixture f;
    struct record r = {0};
    start_server(&f);
    put(&f, "b.c", "old = 1;\n");
    put(&f, "c.c", "c\n");
    change(&f, HOST_UPDATE, "a.c", NULL, "int old;\n", "int new;\n");
    change(&f, HOST_UPDATE, "b.c", NULL, "old = 1;\n", "new = 1;\n");
    change(&f, HOST_MOVE, "c.c", "d.c", "c\n", "d\n");
    call(&f, &r, "rename_symbol", RENAME_IT);
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "M a.c (+1 -1)\nM b.c (+1 -1)\nR c.c -> d.c (+1 -1)");
    assert_has(r.text, "+new = 1;");
    assert_has(r.diff, "+int new;");
    cr_assert_str_eq(disk(&f, "a.c"), "int new;\n");
    cr_assert_str_eq(disk(&f, "b.c"), "new = 1;\n");
    cr_assert_str_eq(disk(&f, "d.c"), "d\n");
    cr_assert_str_eq(disk(&f, "c.c"), "(none)");
    cr_assert_str_eq(server.words, "new");
    cr_assert_eq(f.host.applies, 1);
    end_server(&f, &r);
}

Test(editor, an_edit_for_another_text_is_asked_for_again)
{
    static const struct {
        unsigned conflicts; /* told by the host */
        const char *types;  /* the host does not notice: our own check does */
        unsigned asked;
        bool ok;
    } rows[] = {
        {0, NULL, 1, true},
        {1, NULL, 2, true},
        {4, NULL, 5, true},
        {9, NULL, 5, false},
        {0, "int old; /* mine */\n", 5, false},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fixture f;
        struct record r = {0};
        start_server(&f);
        open_file(&f, "a.c", "int old;\n");
        change(&f, HOST_UPDATE, "a.c", NULL, "int old;\n", "int new;\n");
        server.conflicts = rows[i].conflicts;
        server.types = rows[i].types;
        call(&f, &r, "rename_symbol", RENAME_IT);
        cr_assert_eq(r.ok, rows[i].ok, "%zu: %s", i, r.text);
        cr_assert_eq(f.host.proposes, rows[i].asked, "%zu: %u", i, f.host.proposes);
        cr_assert_eq(f.host.applies, rows[i].ok, "%zu", i);
        if (rows[i].types)
            cr_assert_str_eq(screen(&f, "a.c"), rows[i].types);
        end_server(&f, &r);
    }
}

/* The host finds that a text moved between the plan and the edit. */
Test(editor, an_edit_that_was_not_applied_is_asked_for_again)
{
    struct fixture f;
    struct record r = {0};
    start_server(&f);
    change(&f, HOST_UPDATE, "a.c", NULL, "int old;\n", "int new;\n");
    f.host.forced[0] = HOST_NOT_APPLIED;
    f.host.forced_count = 1;
    call(&f, &r, "rename_symbol", RENAME_IT);
    cr_assert(r.ok, "%s", r.text);
    cr_assert_eq(f.host.proposes, 2);
    cr_assert_str_eq(disk(&f, "a.c"), "int new;\n");
    end_server(&f, &r);
}

Test(editor, edits_of_language_servers_are_judged)
{
    static const struct {
        const char *name; /* of the file the edit touches */
        enum config_mode mode;
        enum host_decision decision;
        unsigned asks, applies, proposes;
        const char *part;
    } rows[] = {
        {"a.c", MODE_ASK, HOST_DECLINE, 0, 1, 1, "Applied"},
        {"a.c", MODE_PLAN, HOST_DECLINE, 0, 0, 0, "plan mode"},
        {".vscode/x", MODE_ASK, HOST_DECLINE, 1, 0, 1, "declined"},
        {".vscode/x", MODE_ASK, HOST_ACCEPT, 1, 1, 1, "Applied"},
        {"../elsewhere", MODE_ASK, HOST_ACCEPT, 0, 0, 1, "outside the folders"},
        {"bin", MODE_ASK, HOST_ACCEPT, 0, 0, 1, "binary"},
        {"link", MODE_ASK, HOST_ACCEPT, 0, 0, 1, "it is a link"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fixture f;
        struct record r = {0};
        char target[512];
        start_server(&f);
        put(&f, ".vscode/x", "x\n");
        put_bytes(&f, "bin", STR("x\0\n"));
        snprintf(target, sizeof(target), "%s", in_ws(&f, "link"));
        cr_assert_eq(symlink("a.c", target), 0);
        bool is_a = strcmp(rows[i].name, "a.c") == 0;
        change(&f, HOST_UPDATE, rows[i].name, NULL, is_a ? "int old;\n" : "x\n", "y\n");
        policy_set_mode(f.policy, rows[i].mode);
        f.host.decision = rows[i].decision;
        call(&f, &r, "rename_symbol", RENAME_IT);
        cr_assert(strstr(r.text, rows[i].part), "%zu: %s", i, r.text);
        cr_assert_eq(f.host.asks, rows[i].asks, "%zu", i);
        cr_assert_eq(f.host.applies, rows[i].applies, "%zu", i);
        cr_assert_eq(f.host.proposes, rows[i].proposes, "%zu", i);
        end_server(&f, &r);
    }
}

Test(editor, what_is_asked_of_language_servers)
{
    static const struct {
        const char *name, *arguments;
        enum host_query_kind kind;
        size_t start, end;
        bool whole;
        const char *words, *action;
    } rows[] = {
        {"rename_symbol", "{'path':'b.c','symbol':'b','line':2,'new_name':'n'}", HOST_RENAME, 2, 2,
         false, "n", ""},
        {"code_action", "{'path':'b.c'}", HOST_CODE_ACTION, 0, 6, false, "", ""},
        {"code_action", "{'path':'b.c','start_line':2}", HOST_CODE_ACTION, 2, 3, false, "", ""},
        {"code_action", "{'path':'b.c','start_line':2,'end_line':9,'kind':'quickfix','title':'t'}",
         HOST_CODE_ACTION, 2, 6, false, "t", "quickfix"},
        {"format", "{'path':'b.c'}", HOST_FORMAT, 0, 6, true, "", ""},
        {"format", "{'path':'b.c','start_line':1,'end_line':2}", HOST_FORMAT, 0, 3, false, "", ""},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fixture f;
        struct record r = {0};
        start_server(&f);
        put(&f, "b.c", "a\nb\nc\n");
        call(&f, &r, rows[i].name, rows[i].arguments);
        cr_assert(r.ok, "%s", r.text);
        assert_has(r.text, "nothing to change");
        cr_assert_eq(server.query.kind, rows[i].kind);
        cr_assert_eq(server.query.start, rows[i].start, "%zu: %zu", i, server.query.start);
        cr_assert_eq(server.query.end, rows[i].end, "%zu: %zu", i, server.query.end);
        cr_assert_eq(server.query.whole, rows[i].whole);
        cr_assert_str_eq(server.words, rows[i].words);
        cr_assert_str_eq(server.action, rows[i].action);
        end_server(&f, &r);
    }
}

Test(editor, edits_that_cannot_be)
{
    static const struct {
        const char *name, *arguments, *part;
    } rows[] = {
        {"rename_symbol", "{'path':'a.c','symbol':'old','new_name':' '}", "new_name"},
        {"rename_symbol", "{'path':'a.c','symbol':'','new_name':'x'}", "symbol"},
        {"rename_symbol", "{'path':'a.c','symbol':'none','new_name':'x'}", "does not stand in"},
        {"rename_symbol", "{'path':'../a.c','symbol':'old','new_name':'x'}", "outside"},
        {"rename_symbol", "{'path':'a.c','symbol':'old','new_name':'x'}", "cannot be renamed"},
        {"code_action", "{'path':'a.c','start_line':3,'end_line':2}", "end_line"},
        {"code_action", "{'path':'a.c','start_line':3}", "beyond its end"},
        {"format", "{'path':'none.c'}", "does not exist"},
        {"format", "{'path':'a.c','start_line':-1}", "start_line"},
    };
    struct fixture f;
    struct record r = {0};
    start_server(&f);
    server.status = STATUS_INVALID;
    for (size_t i = 0; i < array_count(rows); i++) {
        call(&f, &r, rows[i].name, rows[i].arguments);
        cr_assert(!r.ok && strstr(r.text, rows[i].part), "%zu: %s", i, r.text);
    }
    end_server(&f, &r);
}

Test(editor, titles_are_told_and_nothing_changes)
{
    struct fixture f;
    struct record r = {0};
    start_server(&f);
    server.titles[0] = STR("Add include");
    server.titles[1] = STR("Remove\nit");
    server.title_count = 2;
    call(&f, &r, "code_action", "{'path':'a.c'}");
    cr_assert(r.ok);
    assert_has(r.text, "- Add include\n- Remove it\n");
    cr_assert_eq(f.host.applies, 0);
    end_server(&f, &r);
}

/* With review before, a rename is a proposal too; on top of one that waits it cannot be. */
Test(editor, a_rename_waits_for_review_and_not_on_top_of_what_waits)
{
    struct fixture f;
    struct record r = {0};
    start_server(&f);
    put(&f, "b.c", "old;\n");
    f.config->review = REVIEW_BEFORE;
    change(&f, HOST_UPDATE, "a.c", NULL, "int old;\n", "int new;\n");
    call(&f, &r, "rename_symbol", RENAME_IT);
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "Proposed, not applied yet");
    assert_has(r.text, "+int new;");
    cr_assert_str_eq(disk(&f, "a.c"), "int old;\n");
    call(&f, &r, "rename_symbol", RENAME_IT);
    cr_assert(!r.ok);
    assert_has(r.text, "edits of a.c wait for the user's review");
    cr_assert_eq(f.host.proposes, 1);
    call(&f, &r, "rename_symbol", "{'path':'b.c','symbol':'old','new_name':'new'}");
    cr_assert(!r.ok);
    assert_has(r.text, "a.c wait for the user's review");
    cr_assert_eq(f.host.proposes, 2);
    cr_assert_eq(f.host.applies + f.host.asks, 0);
    /* What language servers say is about the screen, and that is told. */
    f.host.locate = locate;
    f.host.diagnose = diagnose;
    host_offer(&f.host);
    place_count = 0;
    place_status = STATUS_OK;
    play(&f, "", "", 1, "", 1);
    static const char *const asked[][2] = {
        {"definition", "{'path':'a.c','symbol':'old'}"},
        {"definition", "{'path':'a.c','symbol':'new'}"},
        {"symbols", "{'path':'a.c'}"},
        {"diagnostics", "{'paths':['a.c']}"},
    };
    for (size_t i = 0; i < array_count(asked); i++) {
        call(&f, &r, asked[i][0], asked[i][1]);
        assert_has(r.text, "[Your edits of a.c wait for the user's review: this is about the text");
    }
    call(&f, &r, "definition", "{'path':'b.c','symbol':'old'}");
    assert_lacks(r.text, "wait for");
    end_server(&f, &r);
}

/* A text the model has not read it does not know by a rename: it may not overwrite it unread. */
Test(editor, a_rename_is_no_reading)
{
    struct fixture f;
    struct record r = {0};
    start_server(&f);
    put(&f, "b.c", "old;\nmore\n");
    call(&f, &r, "read_file", "{'path':'a.c'}");
    change(&f, HOST_UPDATE, "a.c", NULL, "int old;\n", "int new;\n");
    change(&f, HOST_UPDATE, "b.c", NULL, "old;\nmore\n", "new;\nmore\n");
    call(&f, &r, "rename_symbol", RENAME_IT);
    cr_assert(r.ok, "%s", r.text);
    call(&f, &r, "write_file", "{'path':'b.c','content':'x'}");
    assert_has(r.text, "you have not read it");
    call(&f, &r, "write_file", "{'path':'a.c','content':'x'}");
    cr_assert(r.ok, "%s", r.text);
    end_server(&f, &r);
}
