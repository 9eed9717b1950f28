/* The table of tools as the reference has it: what each is, what it takes, and who is offered it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../server/tools/tools-internal.h"
#include "offers.h"

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
