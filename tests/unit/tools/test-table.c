/* The table of tools as the reference has it: what each is, what it takes, and where it ends. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../server/tools/tools-internal.h"
#include "fixture.h"

TestSuite(table, .timeout = 60);

/* -- What each tool is ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum tools_kind kind;
    enum tool_offer offer;
    enum tool_need need;
    bool is_exclusive;
    const char *fields; /* "required optional?" */
    const char *says;   /* limits that the description tells */
} reference[] = {
    {"read_file", TOOL_READ, OFFER_ALWAYS, NEED_NOTHING, false, "path start_line? end_line?",
     "2000 lines and 48 KB"},
    {"list_dir", TOOL_READ, OFFER_ALWAYS, NEED_NOTHING, false, "path? depth? offset? limit?",
     "marked"},
    {"find_files", TOOL_SEARCH, OFFER_ALWAYS, NEED_NOTHING, false, "glob path? limit?", "glob"},
    {"grep", TOOL_SEARCH, OFFER_ALWAYS, NEED_NOTHING, false,
     "pattern path? glob? fixed? ignore_case? context? limit?", "Unsaved text"},
    {"apply_patch", TOOL_EDIT, OFFER_FOR_PATCH, NEED_NOTHING, true, "input", "undo"},
    {"edit_file", TOOL_EDIT, OFFER_FOR_REPLACE, NEED_NOTHING, true,
     "path old_string new_string replace_all?", "occur only once"},
    {"exec_command", TOOL_COMMAND, OFFER_ALWAYS, NEED_NOTHING, false,
     "cmd workdir? yield_time_ms? max_output_tokens? tty? escalate? justification?", "sandbox"},
    {"write_file", TOOL_EDIT, OFFER_FOR_REPLACE, NEED_NOTHING, true, "path content",
     "not changed since"},
    {"write_stdin", TOOL_COMMAND, OFFER_ALWAYS, NEED_NOTHING, true,
     "session_id chars? yield_time_ms? kill?", "yield_time_ms"},
    {"update_plan", TOOL_PLAN, OFFER_ALWAYS, NEED_NOTHING, true, "plan explanation?",
     "in_progress"},
    {"ask_user", TOOL_OTHER, OFFER_ALWAYS, NEED_QUESTIONS, true, "questions",
     "one to three questions"},
    {"diagnostics", TOOL_SEARCH, OFFER_ALWAYS, NEED_DIAGNOSTICS, false, "paths? min_severity?",
     "at most 50"},
    {"symbols", TOOL_SEARCH, OFFER_ALWAYS, NEED_NAVIGATION, false, "path? query?", "At most 200"},
    {"definition", TOOL_SEARCH, OFFER_ALWAYS, NEED_NAVIGATION, false, "path symbol line?",
     "defined"},
    {"references", TOOL_SEARCH, OFFER_ALWAYS, NEED_NAVIGATION, false, "path symbol line?",
     "most 200"},
    {"rename_symbol", TOOL_EDIT, OFFER_ALWAYS, NEED_REFACTOR, true, "path symbol line? new_name",
     "undo"},
    {"code_action", TOOL_EDIT, OFFER_ALWAYS, NEED_REFACTOR, true,
     "path start_line? end_line? kind? title?", "titles"},
    {"format", TOOL_EDIT, OFFER_ALWAYS, NEED_REFACTOR, true, "path start_line? end_line?",
     "Formats"},
    {"explore", TOOL_HELPER, OFFER_ALWAYS, NEED_HELPERS, false, "question", "Up to four"},
};

Test(table, is_the_one_of_the_reference)
{
    for (size_t i = 0; i < array_count(reference); i++) {
        const struct tool *tool = table_find(str_from(reference[i].name));
        struct buf fields = {0};
        cr_assert_not_null(tool, "%s", reference[i].name);
        cr_assert_eq(tool->kind, reference[i].kind, "%s", tool->name);
        cr_assert_eq(tool->offer, reference[i].offer, "%s", tool->name);
        cr_assert_eq(tool->need, reference[i].need, "%s", tool->name);
        cr_assert_eq(tool->is_exclusive, reference[i].is_exclusive, "%s", tool->name);
        for (size_t j = 0; j < tool->field_count; j++)
            buf_append_fmt(&fields, "%s%s%s", j ? " " : "", tool->fields[j].name,
                           tool->fields[j].need == JSON_OPTIONAL ? "?" : "");
        cr_assert_str_eq(fields.ptr, reference[i].fields, "%s: %s", tool->name, fields.ptr);
        cr_assert(strstr(tool->description, reference[i].says), "%s: %s", tool->name,
                  tool->description);
        buf_finish(&fields);
    }
    cr_assert_null(table_at(array_count(reference)), "a tool that the reference does not have");
    cr_assert_not_null(table_at(array_count(reference) - 1));
}

/* -- Schemas --------------------------------------------------------------------------------- */

static bool has_type(const struct json_value *schema, const char *name)
{
    const struct json_value *type = json_get(schema, "type");
    if (json_is(type, JSON_STRING))
        return str_eq_c(json_str(type), name);
    for (const struct json_value *one = json_first(type); one; one = json_next(one))
        if (str_eq_c(json_str(one), name))
            return true;
    return false;
}

static bool lists(const struct json_value *array, struct str name)
{
    for (const struct json_value *one = json_first(array); one; one = json_next(one))
        if (str_eq(json_str(one), name))
            return true;
    return false;
}

static bool takes_null(const struct json_value *values)
{
    for (const struct json_value *one = json_first(values); one; one = json_next(one))
        if (json_type_of(one) == JSON_NULL)
            return true;
    return !values;
}

/* What strict mode demands of every object, at any depth. */
static void check_strict(const char *tool, const struct json_value *schema)
{
    const struct json_value *properties = json_get(schema, "properties");
    if (has_type(schema, "object")) {
        cr_assert(!json_get_bool(schema, "additionalProperties", true), "%s", tool);
        cr_assert_eq(json_count(json_get(schema, "required")), json_count(properties), "%s", tool);
        for (const struct json_value *p = json_first(properties); p; p = json_next(p)) {
            cr_assert(lists(json_get(schema, "required"), json_key(p)), "%s: " STR_FMT, tool,
                      STR_ARG(json_key(p)));
            check_strict(tool, p);
        }
    }
    if (has_type(schema, "array"))
        check_strict(tool, json_get(schema, "items"));
    if (has_type(schema, "null"))
        cr_assert(takes_null(json_get(schema, "enum")), "%s: null is not of the enum", tool);
    cr_assert(json_get(schema, "type") != NULL, "%s: a schema without a type", tool);
}

static const char *const type_names[] = {
    [JSON_FIELD_STR] = "string",    [JSON_FIELD_BOOL] = "boolean", [JSON_FIELD_INT] = "integer",
    [JSON_FIELD_DOUBLE] = "number", [JSON_FIELD_ARRAY] = "array",  [JSON_FIELD_OBJECT] = "object",
    [JSON_FIELD_ANY] = NULL,
};

/* What the model is told and what is read are one thing: names, types, and what may be left out. */
Test(table, schemas_are_strict_and_say_what_is_read)
{
    for (size_t i = 0; table_at(i); i++) {
        const struct tool *tool = table_at(i);
        struct json_value *schema = NULL;
        struct err err = {0};
        if (!tool->parameters)
            continue;
        cr_assert_eq(json_parse(str_from(tool->parameters), &schema, &err), STATUS_OK, "%s: %s",
                     tool->name, err.text);
        check_strict(tool->name, schema);
        const struct json_value *properties = json_get(schema, "properties");
        cr_assert_eq(json_count(properties), tool->field_count, "%s", tool->name);
        for (size_t j = 0; j < tool->field_count; j++) {
            const struct json_field *field = &tool->fields[j];
            const struct json_value *property = json_get(properties, field->name);
            const char *type = type_names[field->kind];
            cr_assert_not_null(property, "%s: %s", tool->name, field->name);
            cr_assert(!type || has_type(property, type), "%s: %s", tool->name, field->name);
            cr_assert_eq(has_type(property, "null"), field->need == JSON_OPTIONAL, "%s: %s",
                         tool->name, field->name);
            cr_assert_lt(field->offset, tool->state_size, "%s: %s", tool->name, field->name);
        }
        json_free(schema);
    }
}

static void nothing_diagnosed(struct fixture *f, host_diagnostics_fn *fn, void *who)
{
    (void)f;
    fn(who, STATUS_OK, NULL, 0);
}

static void nothing_located(struct fixture *f, const struct host_query *query,
                            host_locations_fn *fn, void *who)
{
    (void)f;
    (void)query;
    fn(who, STATUS_OK, (struct str){0}, NULL, 0);
}

static void nothing_proposed(struct fixture *f, const struct host_query *query,
                             host_proposal_fn *fn, void *who)
{
    struct host_proposal proposal = {.status = STATUS_OK};
    (void)f;
    (void)query;
    fn(who, &proposal);
}

static void nothing_answered(struct fixture *f, const struct host_inquiry *inquiry,
                             host_inquire_fn *fn, void *who)
{
    static const struct str none[LIMIT_QUESTIONS_COUNT];
    (void)f;
    fn(who, none, inquiry->count);
}

/* A helper that talks too much. */
static struct {
    tools_help_fn *on_done;
    void *user;
} helping;

static void helped(void *user)
{
    struct buf text = {0};
    (void)user;
    if (!helping.user)
        return;
    buf_append_repeat(&text, 'x', 2 * LIMIT_HELPER_ANSWER_BYTES);
    buf_append_c(&text, "\x1b[31m\xff");
    const struct tools_help help = {.ok = true, .answer = buf_str(&text), .summary = STR("s")};
    void *asked = helping.user;
    helping.user = NULL;
    helping.on_done(asked, &help);
    buf_finish(&text);
}

static void help(void *user, const struct tools_help_request *request, tools_help_fn *on_done,
                 void *on_done_user)
{
    struct fixture *f = user;
    cr_assert_gt(request->question.len, 0);
    cr_assert_str_eq(request->thread_id, f->thread_id);
    helping.on_done = on_done;
    helping.user = on_done_user;
    loop_defer(f->loop, helped, NULL);
}

static void stop_helping(void *user, void *on_done_user)
{
    (void)user;
    if (helping.user == on_done_user)
        helping.user = NULL;
}

static void offer(struct fixture *f, unsigned features)
{
    const struct tools_helpers helpers = {f, help, stop_helping}, none = {0};
    tools_set_helpers(f->tools, features & 16 ? &helpers : &none);
    f->host.diagnose = features & 1 ? nothing_diagnosed : NULL;
    f->host.locate = features & 2 ? nothing_located : NULL;
    f->host.propose = features & 4 ? nothing_proposed : NULL;
    f->host.inquire = features & 8 ? nothing_answered : NULL;
    host_offer(&f->host);
}

static bool is_in(const struct json_value *tools, const char *name)
{
    for (const struct json_value *tool = json_first(tools); tool; tool = json_next(tool))
        if (str_eq_c(json_get_str(tool, "name"), name))
            return true;
    return false;
}

/* Every mix of what an editor can do, and both ways to edit. */
Test(table, a_tool_is_offered_where_the_editor_has_it)
{
    static const unsigned needs[] = {
        [NEED_NOTHING] = 0,  [NEED_DIAGNOSTICS] = 1, [NEED_NAVIGATION] = 2,
        [NEED_REFACTOR] = 4, [NEED_QUESTIONS] = 8,   [NEED_HELPERS] = 16};
    struct fixture f;
    fixture_init(&f);
    for (unsigned features = 0; features < 32; features++) {
        for (int style = TOOLS_EDIT_PATCH; style <= TOOLS_EDIT_REPLACE; style++) {
            struct buf text = {0}, again = {0};
            struct json_value *tools = NULL;
            offer(&f, features);
            tools_append_schema(f.tools, (enum tools_edit_style)style, &text);
            tools_append_schema(f.tools, (enum tools_edit_style)style, &again);
            cr_assert(str_eq(buf_str(&text), buf_str(&again)));
            cr_assert_eq(json_parse(buf_str(&text), &tools, NULL), STATUS_OK);
            for (size_t i = 0; i < array_count(reference); i++) {
                unsigned need = needs[reference[i].need];
                bool wanted =
                    (features & need) == need &&
                    (reference[i].offer == OFFER_ALWAYS ||
                     (reference[i].offer == OFFER_FOR_PATCH) == (style == TOOLS_EDIT_PATCH));
                cr_assert_eq(is_in(tools, reference[i].name), wanted, "%s, features %u, style %d",
                             reference[i].name, features, style);
            }
            json_free(tools);
            buf_finish(&text);
            buf_finish(&again);
        }
    }
    fixture_finish(&f);
}

Test(table, what_the_editor_does_not_have_says_so_when_called)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    for (size_t i = 0; i < array_count(reference); i++) {
        if (reference[i].need == NEED_NOTHING)
            continue;
        call(&f, &r, reference[i].name, "{}");
        cr_assert(!r.ok);
        assert_has(r.text, "is not possible here");
    }
    record_finish(&r);
    fixture_finish(&f);
}

/* -- One output per call, always ------------------------------------------------------------- */

static const char *const odd_arguments[] = {
    "",
    " ",
    "{",
    "null",
    "[]",
    "3",
    "'text'",
    "{}",
    "{'no_such_field':1}",
    "{'path':3,'glob':3,'pattern':3,'cmd':3,'plan':3,'questions':3,'session_id':'x'}",
    "{'path':'a','path':'b'}",
    "{'path':'\\u0000'}",
    "{'path':null,'pattern':null}",
};

/* on_done of the fixture's records checks that the journal has the same output, as done. */
Test(table, every_call_has_one_output_whatever_it_brings)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    put(&f, "a", "text\n");
    offer(&f, 31);
    for (size_t i = 0; table_at(i); i++) {
        for (size_t j = 0; j < array_count(odd_arguments); j++) {
            call(&f, &r, table_at(i)->name, odd_arguments[j]);
            cr_assert_eq(r.outputs, 1, "%s %s", table_at(i)->name, odd_arguments[j]);
            cr_assert_gt(strlen(r.text), 0);
        }
    }
    record_finish(&r);
    fixture_finish(&f);
}

/* Fits every tool, so that each really begins. */
static const char *good_arguments(const char *name)
{
    static const struct {
        const char *name, *arguments;
    } each[] = {
        {"read_file", "{'path':'a'}"},
        {"list_dir", "{}"},
        {"find_files", "{'glob':'*'}"},
        {"grep", "{'pattern':'t'}"},
        {"apply_patch", "{'input':'*** Begin Patch\\n*** Update File: a\\n@@\\n-text\\n+TEXT\\n*** "
                        "End Patch\\n'}"},
        {"edit_file", "{'path':'a','old_string':'text','new_string':'TEXT'}"},
        {"exec_command", "{'cmd':'true'}"},
        {"write_file", "{'path':'new','content':'x'}"},
        {"write_stdin", "{'session_id':1}"},
        {"update_plan", "{'plan':[]}"},
        {"ask_user", "{'questions':[{'question':'q','options':[{'label':'a'},{'label':'b'}]}]}"},
        {"diagnostics", "{}"},
        {"symbols", "{'query':'t'}"},
        {"definition", "{'path':'a','symbol':'text'}"},
        {"references", "{'path':'a','symbol':'text'}"},
        {"rename_symbol", "{'path':'a','symbol':'text','new_name':'n'}"},
        {"code_action", "{'path':'a'}"},
        {"format", "{'path':'a'}"},
        {"explore", "{'question':'where is it'}"},
    };
    for (size_t i = 0; i < array_count(each); i++)
        if (strcmp(each[i].name, name) == 0)
            return each[i].arguments;
    cr_assert_fail("no arguments for %s", name);
    return "{}";
}

static void cancel_it(struct record *record)
{
    tools_call_cancel(record->call);
}

/* Cancelled before it began, after some turns of the loop, and the moment it begins. */
Test(table, every_call_has_one_output_also_when_it_is_cancelled)
{
    for (int turns = -1; turns <= 4; turns++) {
        struct fixture f;
        struct record r = {0};
        fixture_init(&f);
        put(&f, "a", "text\n");
        offer(&f, 31);
        for (size_t i = 0; table_at(i); i++) {
            record_finish(&r);
            r.on_started = turns < 0 ? cancel_it : NULL;
            start(&f, &r, table_at(i)->name, good_arguments(table_at(i)->name));
            for (int turn = 0; turn < turns && r.outputs == 0; turn++) {
                loop_defer(f.loop, (void (*)(void *))loop_stop, f.loop);
                loop_run(f.loop);
            }
            if (turns >= 0 && r.call)
                tools_call_cancel(r.call);
            wait_all(&f);
            cr_assert_eq(r.outputs, 1, "%s, %d turns", table_at(i)->name, turns);
        }
        record_finish(&r);
        fixture_finish(&f);
    }
}

/* -- Where each one ends --------------------------------------------------------------------- */

static void append_many(struct buf *json, const char *before, const char *one, int count,
                        const char *after)
{
    buf_clear(json);
    buf_append_c(json, before);
    for (int i = 0; i < count; i++)
        buf_append_fmt(json, "%s%s", i ? "," : "", one);
    buf_append_c(json, after);
}

Test(table, limits_of_arguments)
{
    static const struct {
        const char *name, *good, *beyond, *part;
    } rows[] = {
        {"list_dir", "{'depth':3}", "{'depth':4}", "depth must be from 1 to 3"},
        {"list_dir", "{'limit':500}", "{'limit':501}", "limit must be from 1 to 500"},
        {"list_dir", "{'offset':9}", "{'offset':-1}", "offset must be from 0"},
        {"find_files", "{'glob':'*','limit':200}", "{'glob':'*','limit':201}",
         "limit must be from 1 to 200"},
        {"grep", "{'pattern':'x','limit':500}", "{'pattern':'x','limit':501}",
         "limit must be from 1 to 500"},
        {"grep", "{'pattern':'x','context':5}", "{'pattern':'x','context':6}",
         "context must be from 0 to 5"},
        {"read_file", "{'path':'a','start_line':1,'end_line':1}", "{'path':'a','start_line':-1}",
         "count from 1"},
    };
    static const struct {
        const char *name, *before, *one, *after;
        int limit;
        const char *part;
    } lists_of[] = {
        {"update_plan", "{'plan':[", "{'step':'s','status':'pending'}", "]}",
         LIMIT_PLAN_STEPS_COUNT, "at most 50 steps, not 51"},
        {"diagnostics", "{'paths':[", "'a'", "]}", LIMIT_DIAGNOSTICS_COUNT, "at most 50 paths"},
        {"ask_user", "{'questions':[", "{'question':'q','options':[{'label':'a'},{'label':'b'}]}",
         "]}", LIMIT_QUESTIONS_COUNT, "questions must be 1 to 3, they are 4"},
    };
    struct fixture f;
    struct record r = {0};
    struct buf json = {0};
    fixture_init(&f);
    put(&f, "a", "text\n");
    offer(&f, 31);
    for (size_t i = 0; i < array_count(rows); i++) {
        call(&f, &r, rows[i].name, rows[i].good);
        cr_assert(r.ok, "%s %s: %s", rows[i].name, rows[i].good, r.text);
        call(&f, &r, rows[i].name, rows[i].beyond);
        cr_assert(!r.ok && strstr(r.text, rows[i].part), "%s: %s", rows[i].name, r.text);
    }
    for (size_t i = 0; i < array_count(lists_of); i++) {
        append_many(&json, lists_of[i].before, lists_of[i].one, lists_of[i].limit,
                    lists_of[i].after);
        call(&f, &r, lists_of[i].name, json.ptr);
        cr_assert(!strstr(r.text, lists_of[i].part), "%s: %s", lists_of[i].name, r.text);
        append_many(&json, lists_of[i].before, lists_of[i].one, lists_of[i].limit + 1,
                    lists_of[i].after);
        call(&f, &r, lists_of[i].name, json.ptr);
        cr_assert(!r.ok && strstr(r.text, lists_of[i].part), "%s: %s", lists_of[i].name, r.text);
    }
    buf_finish(&json);
    record_finish(&r);
    fixture_finish(&f);
}

Test(table, limits_of_patches)
{
    struct fixture f;
    struct record r = {0};
    struct buf text = {0};
    fixture_init(&f);
    for (int files = LIMIT_PATCH_OPS_COUNT; files <= LIMIT_PATCH_OPS_COUNT + 1; files++) {
        buf_clear(&text);
        buf_append_c(&text, "*** Begin Patch\n");
        for (int i = 0; i < files; i++)
            buf_append_fmt(&text, "*** Add File: n%d\n+x\n", i);
        buf_append_c(&text, "*** End Patch\n");
        patch(&f, &r, text.ptr);
        cr_assert_eq(r.ok, files == LIMIT_PATCH_OPS_COUNT, "%s", r.text);
    }
    assert_has(r.text, "100");
    buf_clear(&text);
    buf_append_c(&text, "*** Begin Patch\n*** Add File: big\n+");
    buf_append_repeat(&text, 'x', LIMIT_PATCH_BYTES);
    buf_append_c(&text, "\n*** End Patch\n");
    patch(&f, &r, text.ptr);
    cr_assert(!r.ok);
    cr_assert_str_eq(disk(&f, "big"), "(none)");
    buf_finish(&text);
    record_finish(&r);
    fixture_finish(&f);
}

Test(table, limits_of_reading)
{
    static const struct {
        const char *what, *line;
        int count;
        const char *header, *goes_on;
    } rows[] = {
        {"lines", "x\n", 2000, "lines 1-2000 of 2000)", NULL},
        {"one line more", "x\n", 2001, "lines 1-2000 of 2001)",
         "[1 more lines: go on with start_line 2001]"},
        {"48 KB", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", 1000,
         "lines 1-768 of 1000)", "[232 more lines: go on with start_line 769]"},
    };
    struct fixture f;
    struct record r = {0};
    struct buf text = {0};
    fixture_init(&f);
    for (size_t i = 0; i < array_count(rows); i++) {
        buf_clear(&text);
        for (int j = 0; j < rows[i].count; j++)
            buf_append_c(&text, rows[i].line);
        put(&f, "a", text.ptr);
        call(&f, &r, "read_file", "{'path':'a'}");
        cr_assert(r.ok);
        cr_assert(strstr(r.text, rows[i].header), "%s: %.80s", rows[i].what, r.text);
        cr_assert(!rows[i].goes_on || strstr(r.text, rows[i].goes_on), "%s: …%s", rows[i].what,
                  r.text + strlen(r.text) - 80);
    }
    /* 2000 characters of a line, whatever they take. */
    buf_clear(&text);
    for (int i = 0; i < 2001; i++)
        buf_append_c(&text, "é");
    put(&f, "a", text.ptr);
    call(&f, &r, "read_file", "{'path':'a'}");
    assert_has(r.text, "é[… 2 more bytes on this line]");
    put_bytes(&f, "bin", (struct str){"a\0b", 3});
    call(&f, &r, "read_file", "{'path':'bin'}");
    assert_has(r.text, "binary file of 3 bytes");
    buf_finish(&text);
    record_finish(&r);
    fixture_finish(&f);
}

/* -- Truncation ------------------------------------------------------------------------------ */

/* Half head, half tail, whole characters, and what is left out is what is said. */
Test(table, truncated_once_on_characters_and_said_how_much)
{
    static const char *const letters[] = {"a", "é", "€", "𝄞", "\n"};
    unsigned seed = 7;
    for (int round = 0; round < 2000; round++) {
        struct buf text = {0}, cut = {0};
        size_t limit = 16 + (size_t)rand_r(&seed) % 200;
        for (int count = rand_r(&seed) % 300; count > 0; count--)
            buf_append_c(&text, letters[(size_t)rand_r(&seed) % array_count(letters)]);
        buf_append(&cut, buf_str(&text));
        output_truncate(&cut, limit);
        struct str whole = buf_str(&text), got = buf_str(&cut);
        cr_assert(utf8_is_valid(got, NULL));
        size_t note = str_find(got, STR("\n[… "), 0);
        if (text.len <= limit) {
            cr_assert(str_eq(whole, got));
        } else {
            unsigned long long said = 0;
            cr_assert_neq(note, STR_NONE);
            cr_assert_eq(sscanf(got.ptr + note, "\n[… %llu bytes left out here …]\n", &said), 1);
            struct str end = STR(" left out here …]\n");
            struct str tail = str_skip(got, str_find(got, end, note) + end.len);
            cr_assert(str_starts_with(whole, str_slice(got, 0, note)));
            cr_assert(str_ends_with(whole, tail));
            cr_assert_eq(note + tail.len + said, whole.len);
            cr_assert(note <= limit / 2 && note + 4 > limit / 2);
            cr_assert(tail.len <= limit / 2 && tail.len + 4 > limit / 2);
            cr_assert_eq(str_find(tail, STR("left out"), 0), STR_NONE);
        }
        buf_finish(&text);
        buf_finish(&cut);
    }
}

/* No tool's output is larger, not even one that is all escape sequences and bad bytes. */
Test(table, no_output_is_larger_than_it_may_be)
{
    struct fixture f;
    struct record r = {0};
    struct buf text = {0};
    fixture_init(&f);
    for (int i = 0; i < 3000; i++)
        buf_append_fmt(&text, "match %d \x1b[31m\xff%.60s\n", i,
                       "________________________________________________________________");
    put(&f, "a", text.ptr);
    offer(&f, 31);
    for (size_t i = 0; table_at(i); i++) {
        const char *name = table_at(i)->name;
        bool is_grep = strcmp(name, "grep") == 0;
        call(&f, &r, name,
             is_grep ? "{'pattern':'match','limit':500,'context':5}" : good_arguments(name));
        cr_assert_leq(strlen(r.text), LIMIT_TOOL_OUTPUT_BYTES + 64, "%s: %zu", name,
                      strlen(r.text));
        cr_assert(utf8_is_valid(str_from(r.text), NULL), "%s", name);
        assert_lacks(r.text, "\x1b");
    }
    buf_finish(&text);
    record_finish(&r);
    fixture_finish(&f);
}

/* A helper may call those that read and search, whatever is offered otherwise. */
Test(table, what_helpers_may_call)
{
    struct fixture f;
    struct record r = {0};
    struct buf schema = {0}, choice = {0};
    struct json_value *tools = NULL, *chosen = NULL;
    fixture_init(&f);
    offer(&f, 31);
    tools_append_helper_schema(f.tools, &schema);
    tools_append_helper_choice(f.tools, &choice);
    cr_assert_eq(json_parse(buf_str(&schema), &tools, NULL), STATUS_OK);
    cr_assert_eq(json_parse(buf_str(&choice), &chosen, NULL), STATUS_OK);
    struct tools_thread *parent = f.thread;
    f.thread = tools_thread_new_helper(parent, f.thread_id);
    put(&f, "a", "text\n");
    for (size_t i = 0; i < array_count(reference); i++) {
        bool is_reader = reference[i].kind == TOOL_READ || reference[i].kind == TOOL_SEARCH;
        cr_assert_eq(is_in(tools, reference[i].name), is_reader, "%s", reference[i].name);
        cr_assert_eq(is_in(json_get(chosen, "tools"), reference[i].name), is_reader, "%s",
                     reference[i].name);
        call(&f, &r, reference[i].name, good_arguments(reference[i].name));
        cr_assert_eq(strstr(r.text, "is not for helpers") == NULL, is_reader, "%s: %s",
                     reference[i].name, r.text);
    }
    cr_assert_str_eq(disk(&f, "a"), "text\n");
    tools_thread_free(f.thread);
    f.thread = parent;
    json_free(tools);
    json_free(chosen);
    buf_finish(&schema);
    buf_finish(&choice);
    record_finish(&r);
    fixture_finish(&f);
}
