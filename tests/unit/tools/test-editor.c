/* Where things are, what is never answered, and what the person is asked. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "servers.h"

TestSuite(editor, .timeout = 60);

/* -- Places ---------------------------------------------------------------------------------- */

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
