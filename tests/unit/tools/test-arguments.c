/* What is offered, and what happens to calls that do not fit it. */
#include <criterion/criterion.h>

#include "fixture.h"

TestSuite(arguments, .timeout = 60);

/* -- Schema ---------------------------------------------------------------------------------- */

static struct json_value *schema(struct fixture *f, enum tools_edit_style style)
{
    struct buf text = {0}, again = {0};
    struct json_value *value = NULL;
    tools_append_schema(f->tools, style, &text);
    tools_append_schema(f->tools, style, &again);
    cr_assert(str_eq(buf_str(&text), buf_str(&again)));
    cr_assert_eq(json_parse(buf_str(&text), &value, NULL), STATUS_OK);
    buf_finish(&text);
    buf_finish(&again);
    return value;
}

static bool is_required(const struct json_value *object, struct str key)
{
    const struct json_value *item = json_first(json_get(object, "required"));
    for (; item; item = json_next(item)) {
        if (str_eq(json_str(item), key))
            return true;
    }
    return false;
}

static void check_strict(const struct json_value *object)
{
    const struct json_value *properties = json_get(object, "properties");
    cr_assert(!json_get_bool(object, "additionalProperties", true));
    cr_assert_eq(json_count(json_get(object, "required")), json_count(properties));
    for (const struct json_value *p = json_first(properties); p; p = json_next(p))
        cr_assert(is_required(object, json_key(p)), STR_FMT, STR_ARG(json_key(p)));
}

static bool offers(const struct json_value *tools, const char *name)
{
    for (const struct json_value *tool = json_first(tools); tool; tool = json_next(tool)) {
        if (str_eq_c(json_get_str(tool, "name"), name))
            return true;
    }
    return false;
}

Test(arguments, schema_is_strict_and_stable)
{
    struct fixture f;
    fixture_init(&f);
    for (int style = TOOLS_EDIT_PATCH; style <= TOOLS_EDIT_REPLACE; style++) {
        struct json_value *tools = schema(&f, (enum tools_edit_style)style);
        cr_assert_geq(json_count(tools), 8);
        for (const struct json_value *tool = json_first(tools); tool; tool = json_next(tool)) {
            cr_assert_gt(json_get_str(tool, "description").len, 20);
            if (str_eq(json_get_str(tool, "type"), STR("custom")))
                continue;
            cr_assert(json_get_bool(tool, "strict", false));
            check_strict(json_get(tool, "parameters"));
        }
        json_free(tools);
    }
    fixture_finish(&f);
}

Test(arguments, each_style_has_its_editing_tools)
{
    struct fixture f;
    fixture_init(&f);
    struct json_value *patching = schema(&f, TOOLS_EDIT_PATCH);
    struct json_value *replacing = schema(&f, TOOLS_EDIT_REPLACE);
    cr_assert(offers(patching, "apply_patch") && !offers(patching, "edit_file") &&
              !offers(patching, "write_file"));
    cr_assert(!offers(replacing, "apply_patch") && offers(replacing, "edit_file") &&
              offers(replacing, "write_file"));
    const struct json_value *tool = json_first(patching);
    while (!str_eq(json_get_str(tool, "type"), STR("custom")))
        tool = json_next(tool);
    cr_assert(str_eq(json_str(json_at(tool, "format", "syntax", NULL)), STR("lark")));
    cr_assert_gt(json_str(json_at(tool, "format", "definition", NULL)).len, 50);
    json_free(patching);
    json_free(replacing);
    fixture_finish(&f);
}

Test(arguments, titles)
{
    static const struct {
        const char *name, *arguments, *title;
    } cases[] = {
        {"exec_command", "{\"cmd\":\"make test\"}", "exec_command: make test"},
        {"exec_command", "{\"cmd\":\"a\\nb\\u001b[31m\"}", "exec_command: a b"},
        {"exec_command", "not json", "exec_command"},
        {"apply_patch", "*** Begin Patch\n*** Add File: a b.c\n+x\n*** Delete File: d\n",
         "apply_patch: a b.c, d"},
        {"write_stdin", "{\"session_id\":3}", "write_stdin: 3"},
        {"no_tool", "{}", "no_tool"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf title = {0};
        tools_append_title(&title, str_from(cases[i].name), str_from(cases[i].arguments));
        cr_assert_str_eq(title.ptr, cases[i].title);
        buf_finish(&title);
    }
}

/* -- Wrong calls ----------------------------------------------------------------------------- */

Test(arguments, wrong_ones_are_named_in_the_output)
{
    static const struct {
        const char *name, *arguments, *part;
    } cases[] = {
        {"teleport", "{}", "read_file"},
        {"read_file", "{}", "path"},
        {"read_file", "[]", "read_file"},
        {"read_file", "{'path'", "JSON"},
        {"read_file", "{'path':3}", "path"},
        {"read_file", "{'path':'a','lines':3}", "lines"},
        {"read_file", "{'path':'a','start_line':-1}", "start_line"},
        {"read_file", "{'path':'a','start_line':5,'end_line':4}", "end_line"},
        {"read_file", "{'path':'../x'}", "outside"},
        {"list_dir", "{'depth':4}", "depth"},
        {"list_dir", "{'limit':501}", "limit"},
        {"list_dir", "{'path':'nowhere'}", "nowhere"},
        {"find_files", "{'glob':'['}", "["},
        {"grep", "{'pattern':''}", "pattern"},
        {"grep", "{'pattern':'a','context':6}", "context"},
        {"exec_command", "{'cmd':' '}", "cmd"},
        {"exec_command", "{'cmd':'ls','escalate':'root'}", "escalate"},
        {"exec_command", "{'cmd':'ls','workdir':'/etc'}", "outside"},
        {"exec_command", "{'cmd':'ls','workdir':'nowhere'}", "nowhere"},
        {"write_stdin", "{'session_id':99}", "99"},
        {"write_stdin", "{'session_id':'1'}", "session_id"},
        {"edit_file", "{'path':'a','old_string':'','new_string':'x'}", "old_string"},
        {"write_file", "{'path':'a'}", "content"},
        {"apply_patch", "{'input':'hello'}", "Begin Patch"},
        {"update_plan", "{'plan':[{'step':'a','status':'maybe'}]}", "status"},
        {"update_plan", "{'plan':[{'step':'a'}]}", "status"},
        {"update_plan", "{'plan':'a'}", "plan"},
    };
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    for (size_t i = 0; i < array_count(cases); i++) {
        call(&f, &r, cases[i].name, cases[i].arguments);
        cr_assert(!r.ok, "%s %s: %s", cases[i].name, cases[i].arguments, r.text);
        cr_assert(strstr(r.text, cases[i].part), "%s %s: %s", cases[i].name, cases[i].arguments,
                  r.text);
        cr_assert_leq(r.started, 1);
    }
    record_finish(&r);
    fixture_finish(&f);
}

/* -- The plan -------------------------------------------------------------------------------- */

Test(arguments, plan_is_kept)
{
    struct fixture f;
    struct record r = {0};
    fixture_init(&f);
    cr_assert_eq(tools_thread_plan(f.thread).len, 0);
    call(&f, &r, "update_plan",
         "{'explanation':null,'plan':[{'step':'look','status':'completed'},"
         "{'step':'fix','status':'in_progress'}]}");
    cr_assert(r.ok, "%s", r.text);
    cr_assert_str_eq(r.summary, "1 of 2 steps done");
    struct json_value *plan = NULL;
    cr_assert_eq(json_parse(tools_thread_plan(f.thread), &plan, NULL), STATUS_OK);
    cr_assert_eq(json_count(json_get(plan, "plan")), 2);
    json_free(plan);
    record_finish(&r);
    fixture_finish(&f);
}

Test(arguments, plan_has_at_most_fifty_steps)
{
    struct fixture f;
    struct record r = {0};
    struct buf json = {0};
    fixture_init(&f);
    buf_append_c(&json, "{'plan':[");
    for (int i = 0; i < 51; i++)
        buf_append_fmt(&json, "%s{'step':'%d','status':'pending'}", i ? "," : "", i);
    buf_append_c(&json, "]}");
    call(&f, &r, "update_plan", json.ptr);
    cr_assert(!r.ok);
    assert_has(r.text, "50");
    cr_assert_eq(tools_thread_plan(f.thread).len, 0);
    buf_finish(&json);
    record_finish(&r);
    fixture_finish(&f);
}
