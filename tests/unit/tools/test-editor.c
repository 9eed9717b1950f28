/* What the editor's own language servers know and change, and what the person is asked. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

TestSuite(editor, .timeout = 20);

static void start_with(struct fixture *f)
{
    struct tools_deadlines deadlines = tools_deadlines_default;
    fixture_init(f);
    deadlines.diagnostics_ms = 250;
    deadlines.edit_diagnostics_ms = 250;
    deadlines.editor_ms = 250;
    tools_set_deadlines(f->tools, &deadlines);
}

/* -- Diagnostics: "line:severity:message|…" for each answer, the last one stays -------------- */

static struct {
    const char *answers[8]; /* NULL: the editor refuses */
    int64_t versions[8];    /* 0: not told */
    size_t at, count;
    const char *path;
} script;

static size_t read_list(const char *text, struct host_diagnostic *list, size_t max)
{
    size_t count = 0;
    struct str rest = str_from(text), one;
    while (text[0] && count < max && str_next(&rest, '|', &one)) {
        struct host_diagnostic *diag = &list[count++];
        *diag = (struct host_diagnostic){.line = (unsigned)atoi(one.ptr),
                                         .character = 1,
                                         .severity = (unsigned)(one.ptr[2] - '0'),
                                         .message = str_skip(one, 4)};
    }
    return count;
}

static void diagnose(struct fixture *f, host_diagnostics_fn *fn, void *who)
{
    struct host_diagnostic list[128];
    size_t at = script.at;
    (void)f;
    script.at += script.at + 1 < script.count;
    if (!script.answers[at]) {
        fn(who, STATUS_INVALID, NULL, 0);
        return;
    }
    struct host_diagnosed file = {.path = str_from(script.path),
                                  .has_version = script.versions[at] > 0,
                                  .version = script.versions[at],
                                  .list = list,
                                  .count = read_list(script.answers[at], list, array_count(list))};
    fn(who, STATUS_OK, &file, file.path.len > 0);
}

static void play(struct fixture *f, const char *path, const char *first, int64_t first_version,
                 const char *second, int64_t second_version)
{
    script.answers[0] = first;
    script.answers[1] = second;
    script.versions[0] = first_version;
    script.versions[1] = second_version;
    script.at = 0;
    script.count = 2;
    script.path = path;
    f->host.diagnose = diagnose;
    host_offer(&f->host);
}

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
    script.answers[1] = "1:1:new|2:1:old";
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

/* -- Places ---------------------------------------------------------------------------------- */

static const struct host_location *places;
static size_t place_count;
static enum status place_status;
static size_t asked_at;

static void locate(struct fixture *f, const struct host_query *query, host_locations_fn *fn,
                   void *who)
{
    (void)f;
    asked_at = query->start;
    fn(who, place_status, STR("the server crashed"), places, place_count);
}

Test(editor, places_are_told_as_the_model_may_see_them)
{
    struct fixture f;
    struct record r = {0};
    start_with(&f);
    put(&f, "a.c", "int f(void);\nint ff; int f2; x = f();\n");
    put(&f, ".env", "KEY=1\n");
    f.host.locate = locate;
    host_offer(&f.host);
    const struct host_location list[] = {
        {.path = str_from(in_ws(&f, "a.c")),
         .line = 1,
         .character = 5,
         .text = STR("int f(void);")},
        {.path = str_from(in_ws(&f, ".env")), .line = 1, .character = 1, .text = STR("KEY=1")},
        {.path = STR("/usr/include/stdio.h"), .line = 9, .character = 2, .text = STR("their line")},
    };
    places = list;
    place_count = array_count(list);
    place_status = STATUS_OK;
    call(&f, &r, "references", "{'path':'a.c','symbol':'f','line':2}");
    cr_assert_str_eq(r.text, "a.c:1:5: int f(void);\n/usr/include/stdio.h:9:2\n");
    cr_assert_str_eq(r.summary, "2 places");
    cr_assert_eq(asked_at, strlen("int f(void);\nint ff; int f2; x = "));
    call(&f, &r, "definition", "{'path':'a.c','symbol':'f'}");
    cr_assert_eq(asked_at, 4);
    place_count = 0;
    call(&f, &r, "definition", "{'path':'a.c','symbol':'f'}");
    assert_has(r.text, "no definition for what stands at a.c:1:5");
    call(&f, &r, "symbols", "{'query':'f'}");
    assert_has(r.text, "no such symbol");
    place_status = STATUS_INVALID;
    call(&f, &r, "symbols", "{'path':'a.c'}");
    cr_assert(!r.ok);
    assert_has(r.text, "the server crashed");
    place_status = STATUS_CONFLICT;
    call(&f, &r, "definition", "{'path':'a.c','symbol':'f'}");
    assert_has(r.text, "the text changed; ask again");
    record_finish(&r);
    fixture_finish(&f);
}

Test(editor, at_most_two_hundred_places)
{
    struct fixture f;
    struct record r = {0};
    static struct host_location many[250];
    start_with(&f);
    put(&f, "a.c", "int f(void);\n");
    f.host.locate = locate;
    host_offer(&f.host);
    for (size_t i = 0; i < array_count(many); i++)
        many[i] = (struct host_location){.path = str_from(in_ws(&f, "a.c")),
                                         .line = (unsigned)i + 1,
                                         .character = 1,
                                         .kind = 12,
                                         .name = STR("f")};
    places = many;
    place_count = array_count(many);
    place_status = STATUS_OK;
    /* in_ws has its paths in turns: keep this one's. */
    char path[512];
    snprintf(path, sizeof(path), "%s", in_ws(&f, "a.c"));
    for (size_t i = 0; i < array_count(many); i++)
        many[i].path = str_from(path);
    call(&f, &r, "symbols", "{'path':'a.c'}");
    assert_has(r.text, "a.c:200:1: function f\n[50 more are not shown]");
    record_finish(&r);
    fixture_finish(&f);
}

Test(editor, wrong_names_and_lines_are_told)
{
    static const struct {
        const char *name, *arguments, *part;
    } rows[] = {
        {"definition", "{'path':'a.c','symbol':''}", "symbol must not be empty"},
        {"definition", "{'path':'a.c','symbol':'f','line':-1}", "line counts from 1"},
        {"definition", "{'path':'a.c','symbol':'f','line':9}",
         "not stand on line 9 of a.c; it does on 1, 3"},
        {"definition", "{'path':'a.c','symbol':'f','line':2}", "it does on 1, 3"},
        {"references", "{'path':'a.c','symbol':'zzz'}", "zzz does not stand in a.c"},
        {"references", "{'path':'none.c','symbol':'f'}", "none.c does not exist"},
        {"references", "{'path':'bin','symbol':'f'}", "binary"},
        {"references", "{'path':'/etc/passwd','symbol':'f'}", "outside"},
        {"references", "{'path':'.env','symbol':'KEY'}", "declined"},
        {"symbols", "{}", "give a path"},
    };
    struct fixture f;
    struct record r = {0};
    start_with(&f);
    put(&f, "a.c", "int f(void);\nint g;\nf();\n");
    put(&f, ".env", "KEY=1\n");
    put_bytes(&f, "bin", STR("a\0b f"));
    f.host.locate = locate;
    f.host.decision = HOST_DECLINE;
    host_offer(&f.host);
    for (size_t i = 0; i < array_count(rows); i++) {
        call(&f, &r, rows[i].name, rows[i].arguments);
        cr_assert(!r.ok && strstr(r.text, rows[i].part), "%zu: %s", i, r.text);
    }
    cr_assert_eq(f.host.locates, 0);
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Edits of language servers --------------------------------------------------------------- */

static struct {
    struct host_change changes[4];
    size_t count;
    enum status status;
    unsigned conflicts; /* that come first */
    const char *types;  /* over a.c, while it works */
    struct host_query query;
    char words[32], action[32];
    struct str titles[2];
    size_t title_count;
    char path[4][256];
} server;

static void propose(struct fixture *f, const struct host_query *query, host_proposal_fn *fn,
                    void *who)
{
    struct host_proposal proposal = {.status = server.status,
                                     .note = STR("cannot be renamed"),
                                     .changes = server.changes,
                                     .count = server.count,
                                     .titles = server.titles,
                                     .title_count = server.title_count};
    server.query = *query;
    snprintf(server.words, sizeof(server.words), STR_FMT, STR_ARG(query->words));
    snprintf(server.action, sizeof(server.action), STR_FMT, STR_ARG(query->action_kind));
    if (server.types) {
        type_over(f, "a.c", server.types);
        server.types = NULL;
    }
    if (server.conflicts > 0) {
        server.conflicts--;
        proposal = (struct host_proposal){.status = STATUS_CONFLICT};
    }
    fn(who, &proposal);
}

static void change(struct fixture *f, enum host_change_kind kind, const char *name,
                   const char *new_name, const char *before, const char *after)
{
    struct host_change *one = &server.changes[server.count];
    snprintf(server.path[server.count], sizeof(server.path[0]), "%s", in_ws(f, name));
    *one = (struct host_change){.kind = kind,
                                .path = server.path[server.count],
                                .before = before ? text_new(str_from(before)) : NULL,
                                .after = after ? text_new(str_from(after)) : NULL};
    server.count++;
    if (new_name) {
        snprintf(server.path[3], sizeof(server.path[0]), "%s", in_ws(f, new_name));
        one->new_path = server.path[3];
    }
}

static void start_server(struct fixture *f)
{
    start_with(f);
    memset(&server, 0, sizeof(server));
    f->host.propose = propose;
    host_offer(&f->host);
    put(f, "a.c", "int old;\n");
}

static void end_server(struct fixture *f, struct record *r)
{
    for (size_t i = 0; i < server.count; i++) {
        text_unref((struct text *)server.changes[i].before);
        text_unref((struct text *)server.changes[i].after);
    }
    record_finish(r);
    fixture_finish(f);
}

static const char rename_it[] = "{'path':'a.c','symbol':'old','new_name':'new'}";

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
    call(&f, &r, "rename_symbol", rename_it);
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
        call(&f, &r, "rename_symbol", rename_it);
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
    call(&f, &r, "rename_symbol", rename_it);
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
        call(&f, &r, "rename_symbol", rename_it);
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
    call(&f, &r, "rename_symbol", rename_it);
    cr_assert(r.ok, "%s", r.text);
    assert_has(r.text, "Proposed, not applied yet");
    assert_has(r.text, "+int new;");
    cr_assert_str_eq(disk(&f, "a.c"), "int old;\n");
    call(&f, &r, "rename_symbol", rename_it);
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
    call(&f, &r, "rename_symbol", rename_it);
    cr_assert(r.ok, "%s", r.text);
    call(&f, &r, "write_file", "{'path':'b.c','content':'x'}");
    assert_has(r.text, "you have not read it");
    call(&f, &r, "write_file", "{'path':'a.c','content':'x'}");
    cr_assert(r.ok, "%s", r.text);
    end_server(&f, &r);
}

/* -- Never answered, cancelled, dropped ------------------------------------------------------ */

static void on_started_cancel(struct record *record)
{
    tools_call_cancel(record->call);
}

static void locate_nothing(struct fixture *f, const struct host_query *query, host_locations_fn *fn,
                           void *who)
{
    (void)f;
    (void)query;
    (void)fn;
    (void)who;
}

static void inquire_nothing(struct fixture *f, const struct host_inquiry *inquiry,
                            host_inquire_fn *fn, void *who)
{
    (void)f;
    (void)inquiry;
    (void)fn;
    (void)who;
}

static void hold_all(struct fixture *f)
{
    start_server(f);
    open_file(f, "a.c", "int old;\n");
    play(f, in_ws(f, "a.c"), "", 1, "", 1);
    f->host.locate = locate_nothing;
    f->host.inquire = inquire_nothing;
    f->host.holds_editor = true;
    host_offer(&f->host);
}

static const struct {
    const char *name, *arguments, *late;
} held[] = {
    {"diagnostics", "{}", "did not tell its diagnostics (timed out)"},
    {"references", "{'path':'a.c','symbol':'old'}", "did not answer within"},
    {"symbols", "{'query':'x'}", "did not answer within"},
    {"rename_symbol", "{'path':'a.c','symbol':'old','new_name':'new'}", "did not answer within"},
    {"format", "{'path':'a.c'}", "did not answer within"},
    {"ask_user", "{'questions':[{'question':'q','options':[{'label':'a'},{'label':'b'}]}]}", NULL},
};

Test(editor, who_never_answers_is_not_waited_for)
{
    for (size_t i = 0; i < array_count(held); i++) {
        struct fixture f;
        struct record r = {0};
        if (!held[i].late)
            continue; /* a person has all the time there is */
        hold_all(&f);
        call(&f, &r, held[i].name, held[i].arguments);
        cr_assert(!r.ok && strstr(r.text, held[i].late), "%s: %s", held[i].name, r.text);
        end_server(&f, &r);
    }
}

Test(editor, cancelled_and_dropped_while_the_editor_works)
{
    for (size_t i = 0; i < 2 * array_count(held); i++) {
        struct fixture f;
        struct record r = {0};
        hold_all(&f);
        start(&f, &r, held[i / 2].name, held[i / 2].arguments);
        for (int turn = 0; turn < 8; turn++) {
            loop_defer(f.loop, (void (*)(void *))loop_stop, f.loop);
            loop_run(f.loop);
        }
        if (i % 2 == 0) {
            tools_call_cancel(r.call);
            wait_all(&f);
            assert_has(r.text, "Cancelled by the user");
        } else {
            f.running = 0; /* the thread goes, and nobody is told any more */
        }
        end_server(&f, &r);
    }
}

Test(editor, an_edit_stands_that_is_cancelled_while_diagnostics_are_awaited)
{
    struct fixture f;
    struct record r = {.on_started = on_started_cancel};
    start_server(&f);
    open_file(&f, "a.c", "int old;\n");
    play(&f, in_ws(&f, "a.c"), "", 1, "", 1); /* stale for ever */
    call(&f, &r, "edit_file", "{'path':'a.c','old_string':'old','new_string':'new'}");
    if (r.ok)
        cr_assert_str_eq(screen(&f, "a.c"), "int new;\n");
    else
        cr_assert_str_eq(screen(&f, "a.c"), "int old;\n");
    end_server(&f, &r);
}

/* -- Questions ------------------------------------------------------------------------------- */

static struct str answers[3];

static void inquire(struct fixture *f, const struct host_inquiry *inquiry, host_inquire_fn *fn,
                    void *who)
{
    (void)f;
    for (size_t i = 0; i < inquiry->count; i++)
        cr_assert_geq(inquiry->questions[i].option_count, 2);
    fn(who, answers, inquiry->count);
}

#define TWO_OPTIONS                                                                                \
    "'options':[{'label':'a','description':'first'},{'label':'b','description':null}]"

Test(editor, questions_and_their_answers)
{
    static const struct {
        struct str answers[2];
        bool ok;
        const char *text;
    } rows[] = {
        {{STR_INIT("b"), STR_INIT("my own words")}, true, "one?\n-> b\ntwo?\n-> my own words\n"},
        {{STR_INIT("b"), {NULL, 0}},
         true,
         "one?\n-> b\ntwo?\n-> (no answer)\nThe user did not answer all of it."},
        {{{NULL, 0}, {NULL, 0}}, false, "The user gave no answer. Go on with what seems best"},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct fixture f;
        struct record r = {0};
        start_with(&f);
        f.host.inquire = inquire;
        host_offer(&f.host);
        memcpy(answers, rows[i].answers, sizeof(rows[i].answers));
        call(&f, &r, "ask_user",
             "{'questions':[{'question':'one?'," TWO_OPTIONS "},{'question':'two?'," TWO_OPTIONS
             "}]}");
        cr_assert_eq(r.ok, rows[i].ok);
        cr_assert_eq(r.waiting, 1);
        assert_has(r.text, rows[i].text);
        record_finish(&r);
        fixture_finish(&f);
    }
}

Test(editor, questions_that_are_none)
{
    static const struct {
        const char *arguments, *part;
    } rows[] = {
        {"{}", "questions"},
        {"{'questions':[]}", "1 to 3"},
        {"{'questions':[1,2,3,4]}", "1 to 3"},
        {"{'questions':[1]}", "question 1"},
        {"{'questions':[{'question':' '," TWO_OPTIONS "}]}", "question must not be empty"},
        {"{'questions':[{'question':'q','options':[]}]}", "options must be 2 to 6, they are 0"},
        {"{'questions':[{'question':'q','options':[{'label':'a'}]}]}", "they are 1"},
        {"{'questions':[{'question':'q','options':[{'label':'a'},{'label':'a'}]}]}",
         "two options have the label \"a\""},
        {"{'questions':[{'question':'q','options':[{'label':''},{'label':'a'}]}]}",
         "label must not be empty"},
        {"{'questions':[{'question':'q'," TWO_OPTIONS "},{'question':'r','options':[1,2]}]}",
         "question 2"},
        {"{'questions':[{'question':'q','options':[1,2,3,4,5,6,7]}]}", "they are 7"},
    };
    struct fixture f;
    struct record r = {0};
    start_with(&f);
    f.host.inquire = inquire;
    host_offer(&f.host);
    for (size_t i = 0; i < array_count(rows); i++) {
        call(&f, &r, "ask_user", rows[i].arguments);
        cr_assert(!r.ok && strstr(r.text, rows[i].part), "%zu: %s", i, r.text);
    }
    cr_assert_eq(f.host.inquiries, 0);
    record_finish(&r);
    fixture_finish(&f);
}
