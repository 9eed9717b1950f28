/* What language servers say of a text, before and after an edit. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "servers.h"

Test(editor, what_is_new_after_an_edit)
{
    static const char old_text[] = "one\ntwo\nthree\n";
    static const struct {
        const char *what, *before, *after, *told, *not_told;
        int64_t version;
    } rows[] = {
        {"nothing", "", "", "Applied", "diagnostics", 2},
        {"there before", "1:1:x", "1:1:x", "Applied", "diagnostics", 2},
        {"moved down by the edit", "3:1:x", "4:1:x", "Applied", "diagnostics", 2},
        {"new", "", "2:1:bad", "a.c:2:1: error: bad\n", "stale", 2},
        {"a second of the same words", "3:1:x", "2:1:x|4:1:x", "a.c:2:1: error: x", ":4:1", 2},
        {"the edited line's own", "2:1:x", "2:1:x", "Applied", "diagnostics", 2},
        {"of another severity", "1:2:x", "1:1:x", "a.c:1:1: error: x", "stale", 2},
        {"gone", "1:1:x|2:1:y", "1:1:x", "Applied", "diagnostics", 2},
        {"two lines of message", "", "2:2:a\nb", "warning: a b\n", "stale", 2},
        {"of an older version", "", "", "are stale", "New", 1},
        {"old news of an older version", "", "2:1:bad", "are stale", "bad", 1},
        {"no version told, and new", "", "2:1:bad", "error: bad", "stale", 0},
        {"no version told, and the same", "1:1:x", "1:1:x", "Applied", "iagnostics", 0},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fixture f;
        struct record r = {0};
        start_with(&f);
        open_file(&f, "a.c", old_text);
        play(&f, in_ws(&f, "a.c"), rows[i].before, rows[i].version ? 1 : 0, rows[i].after,
             rows[i].version);
        patch(&f, &r,
              "*** Begin Patch\n*** Update File: a.c\n@@\n-two\n+2\n+two and a half\n"
              "*** End Patch\n");
        cr_assert(r.ok, "%s: %s", rows[i].what, r.text);
        cr_assert(strstr(r.text, rows[i].told), "%s: %s", rows[i].what, r.text);
        cr_assert(!strstr(r.text, rows[i].not_told), "%s: %s", rows[i].what, r.text);
        record_finish(&r);
        fixture_finish(&f);
    }
}

Test(editor, no_diagnostics_nothing_said_and_nothing_waited_for)
{
    static const struct {
        const char *path, *first, *second; /* path "": nobody checks it */
        bool is_open;
        unsigned asked;
    } rows[] = {
        {"", "", "", true, 2},      /* open, but not checked: one look before, one after */
        {"", "", "", false, 1},     /* neither open nor checked */
        {"x", NULL, NULL, true, 1}, /* the editor refuses */
        {"x", "", NULL, true, 2},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fixture f;
        struct record r = {0};
        start_with(&f);
        put(&f, "a.c", "one\n");
        if (rows[i].is_open)
            open_file(&f, "a.c", "one\n");
        play(&f, rows[i].path[0] ? in_ws(&f, "a.c") : "", rows[i].first, 1, rows[i].second, 1);
        call(&f, &r, "edit_file", "{'path':'a.c','old_string':'one','new_string':'1'}");
        cr_assert(r.ok, "%s", r.text);
        assert_lacks(r.text, "iagnostics");
        cr_assert_eq(f.host.diagnoses, rows[i].asked, "%zu: asked %u times", i, f.host.diagnoses);
        record_finish(&r);
        fixture_finish(&f);
    }
}

Test(editor, an_editor_that_never_answers_holds_up_an_edit_for_no_time)
{
    struct fixture f;
    struct record r = {0};
    start_with(&f);
    open_file(&f, "a.c", "one\n");
    play(&f, "x", "", 1, "", 1);
    f.host.holds_editor = true;
    call(&f, &r, "edit_file", "{'path':'a.c','old_string':'one','new_string':'1'}");
    cr_assert(r.ok);
    assert_lacks(r.text, "iagnostics");
    record_finish(&r);
    fixture_finish(&f);
}

/* Each wait in vain halves the next; one that was worth it makes it whole again. */
Test(editor, patience_with_a_slow_language_server_ends)
{
    struct fixture f;
    struct record r = {0};
    struct tools_deadlines deadlines = tools_deadlines_default;
    unsigned asked[6];
    start_with(&f);
    deadlines.edit_diagnostics_ms = 1600; /* 16 looks, 8, 4, 2 */
    tools_set_deadlines(f.tools, &deadlines);
    open_file(&f, "a.c", "0\n");
    for (int i = 0; i < 6; i++) {
        char arguments[96];
        bool keeps_up = i == 4;
        play(&f, in_ws(&f, "a.c"), "1:1:x", 1, "1:1:x", keeps_up ? 99 : 1);
        snprintf(arguments, sizeof(arguments), "{'path':'a.c','old_string':'%d','new_string':'%d'}",
                 i, i + 1);
        f.host.diagnoses = 0;
        call(&f, &r, "edit_file", arguments);
        cr_assert(r.ok, "%s", r.text);
        asked[i] = f.host.diagnoses;
    }
    cr_assert_gt(asked[0], asked[1], "%u %u", asked[0], asked[1]);
    cr_assert_gt(asked[1], asked[2], "%u %u", asked[1], asked[2]);
    cr_assert_eq(asked[4], 2, "%u", asked[4]);
    cr_assert_gt(asked[5], asked[2], "%u %u", asked[5], asked[2]);
    record_finish(&r);
    fixture_finish(&f);
}

/* What an edit broke is told by the next one, when the language server was too slow for the first.
 */
Test(editor, what_came_too_late_is_told_with_the_next_edit)
{
    struct fixture f;
    struct record r = {0};
    start_with(&f);
    open_file(&f, "a.c", "one\ntwo\n");
    play(&f, in_ws(&f, "a.c"), "2:1:old", 1, "2:1:old", 1);
    call(&f, &r, "edit_file", "{'path':'a.c','old_string':'one','new_string':'1'}");
    assert_has(r.text, "stale");
    play(&f, in_ws(&f, "a.c"), "1:1:by the first|2:1:old", 2, "1:1:by the first|2:1:old", 3);
    call(&f, &r, "edit_file", "{'path':'a.c','old_string':'two','new_string':'2'}");
    assert_has(r.text, "a.c:1:1: error: by the first");
    assert_lacks(r.text, "old");
    play(&f, in_ws(&f, "a.c"), "1:1:by the first", 3, "1:1:by the first", 4);
    call(&f, &r, "edit_file", "{'path':'a.c','old_string':'2','new_string':'3'}");
    assert_lacks(r.text, "by the first");
    record_finish(&r);
    fixture_finish(&f);
}

Test(editor, a_moved_file_takes_its_diagnostics_along)
{
    struct fixture f;
    struct record r = {0};
    start_with(&f);
    put(&f, "a.c", "one\ntwo\n");
    play(&f, in_ws(&f, "a.c"), "2:1:old", 0, "2:1:old|1:1:new", 0);
    struct buf answer = {0};
    buf_append_c(&answer, in_ws(&f, "b.c"));
    /* The second answer is about the new name. */
    play_second("1:1:new|2:1:old");
    patch(&f, &r,
          "*** Begin Patch\n*** Update File: a.c\n*** Move to: b.c\n@@\n-one\n+1\n"
          "*** End Patch\n");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_eq(f.host.diagnoses, 2);
    buf_finish(&answer);
    record_finish(&r);
    fixture_finish(&f);
}

Test(editor, the_diagnostics_tool)
{
    static const struct {
        const char *arguments, *list;
        int64_t version;
        const char *told, *not_told;
    } rows[] = {
        {"{}", "", 1, "No diagnostics.", "tale"},
        {"{}", "3:2:w|2:1:e", 1, "a.c:2:1: error: e\na.c:3:1: warning: w\n", "tale"},
        {"{'min_severity':'error'}", "3:2:w|2:1:e", 1, "error: e", "warning"},
        {"{'min_severity':'hint'}", "3:4:h", 1, "hint: h", "tale"},
        {"{'paths':['a.c']}", "2:1:e", 0, "error: e", "tale"}, /* no version: taken as it is */
        {"{'paths':['a.c']}", "2:1:e", 1, "error: e", "tale"},
        {"{'paths':['b.c','a.c']}", "2:1:e", 1, "b.c is not checked by any", "a.c is"},
        {"{}", "2:1:e", -1,
         "Stale: the language server has not looked at the newest version of a.c",
         "No diagnostics"},
        {"{'min_severity':'worst'}", "", 1, "min_severity must be", "No diagnostics"},
        {"{'paths':['none.c']}", "", 1, "none.c does not exist", "No diagnostics"},
        {"{'paths':['../a.c']}", "", 1, "outside", "No diagnostics"},
        {"{'paths':['.env']}", "", 1, "secret", "No diagnostics"},
        {"{'paths':[3]}", "", 1, "paths must be a list of strings", "No diagnostics"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fixture f;
        struct record r = {0};
        start_with(&f);
        put(&f, "b.c", "b\n");
        put(&f, ".env", "KEY=1\n");
        open_file(&f, "a.c", "one\n");
        if (rows[i].version < 0)
            type_over(&f, "a.c", "two\n");
        int64_t version = rows[i].version < 0 ? 1 : rows[i].version;
        play(&f, in_ws(&f, "a.c"), rows[i].list, version, rows[i].list, version);
        call(&f, &r, "diagnostics", rows[i].arguments);
        cr_assert(strstr(r.text, rows[i].told), "%zu: %s", i, r.text);
        cr_assert(!strstr(r.text, rows[i].not_told), "%zu: %s", i, r.text);
        record_finish(&r);
        fixture_finish(&f);
    }
}

Test(editor, at_most_fifty_diagnostics_and_what_is_secret_is_not_told)
{
    struct fixture f;
    struct record r = {0};
    struct buf many = {0};
    start_with(&f);
    open_file(&f, "a.c", "one\n");
    for (int i = 0; i < 70; i++)
        buf_append_fmt(&many, "%s1:%d:m%02d", i ? "|" : "", i < 60 ? 2 : 1, i);
    play(&f, in_ws(&f, "a.c"), many.ptr, 1, many.ptr, 1);
    call(&f, &r, "diagnostics", "{}");
    assert_has(r.text, "error: m69");
    assert_has(r.text, "[20 more are not shown");
    assert_has(r.summary, "10 errors, 60 warnings");
    play(&f, in_ws(&f, ".env"), "1:1:KEY=1", 1, "1:1:KEY=1", 1);
    put(&f, ".env", "KEY=1\n");
    call(&f, &r, "diagnostics", "{}");
    assert_lacks(r.text, "KEY");
    play(&f, "/etc/passwd", "1:1:root", 1, "1:1:root", 1);
    call(&f, &r, "diagnostics", "{}");
    assert_lacks(r.text, "root");
    buf_finish(&many);
    record_finish(&r);
    fixture_finish(&f);
}
