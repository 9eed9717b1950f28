/* Which tools there are, and how they are described to the model. The text is the same bytes every
 * time: the server's prompt cache is keyed by it. */
#include <lanebridge/edit.h>

#include "tools-internal.h"

static const struct tool *const table[] = {
    &tool_read_file,     &tool_list_dir,     &tool_find_files, &tool_grep,        &tool_apply_patch,
    &tool_edit_file,     &tool_exec_command, &tool_write_file, &tool_write_stdin, &tool_update_plan,
    &tool_ask_user,      &tool_diagnostics,  &tool_symbols,    &tool_definition,  &tool_references,
    &tool_rename_symbol, &tool_code_action,  &tool_format,     &tool_explore,
};

const struct tool *table_at(size_t index)
{
    return index < array_count(table) ? table[index] : NULL;
}

const struct tool *table_find(struct str name)
{
    for (size_t i = 0; i < array_count(table); i++) {
        if (str_eq_c(name, table[i]->name))
            return table[i];
    }
    return mcp_is_name(name) ? &tool_mcp : NULL;
}

enum tools_kind tools_kind_of(struct str name)
{
    const struct tool *tool = table_find(name);
    return tool ? tool->kind : TOOL_OTHER;
}

void table_append_names(struct buf *buf)
{
    for (size_t i = 0; i < array_count(table); i++)
        buf_append_fmt(buf, "%s%s", i == 0 ? "" : ", ", table[i]->name);
}

bool table_is_possible(const struct tools *tools, const struct tool *tool)
{
    const struct host_ops *ops = tools->env.host->ops;
    switch (tool->need) {
    case NEED_QUESTIONS:
        return ops->inquire != NULL;
    case NEED_DIAGNOSTICS:
        return ops->diagnostics != NULL;
    case NEED_NAVIGATION:
        return ops->locate != NULL;
    case NEED_REFACTOR:
        return ops->propose != NULL;
    case NEED_HELPERS:
        return tools->helpers.start != NULL;
    case NEED_NOTHING:
        break;
    }
    return true;
}

bool table_is_reader(const struct tool *tool)
{
    return tool->kind == TOOL_READ || tool->kind == TOOL_SEARCH;
}

static bool is_offered(const struct tools *tools, const struct tool *tool,
                       enum tools_edit_style style)
{
    if (!table_is_possible(tools, tool))
        return false;
    switch (tool->offer) {
    case OFFER_FOR_PATCH:
        return style == TOOLS_EDIT_PATCH;
    case OFFER_FOR_REPLACE:
        return style == TOOLS_EDIT_REPLACE;
    case OFFER_ALWAYS:
        break;
    }
    return true;
}

static void write_function(struct json_writer *w, const struct tool *tool)
{
    json_write_field_c(w, "type", "function");
    json_write_field_c(w, "name", tool->name);
    json_write_field_c(w, "description", tool->description);
    json_write_field_bool(w, "strict", true);
    json_write_field_raw(w, "parameters", str_from(tool->parameters));
}

static void write_custom(struct json_writer *w, const struct tool *tool)
{
    json_write_field_c(w, "type", "custom");
    json_write_field_c(w, "name", tool->name);
    json_write_field_c(w, "description", tool->description);
    json_write_key(w, "format");
    json_write_begin_object(w);
    json_write_field_c(w, "type", "grammar");
    json_write_field_c(w, "syntax", "lark");
    json_write_field_c(w, "definition", edit_patch_grammar());
    json_write_end_object(w);
}

void tools_append_schema(const struct tools *tools, enum tools_edit_style style, struct buf *json)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_array(&w);
    for (size_t i = 0; i < array_count(table); i++) {
        if (!is_offered(tools, table[i], style))
            continue;
        json_write_begin_object(&w);
        if (table[i]->parameters)
            write_function(&w, table[i]);
        else
            write_custom(&w, table[i]);
        json_write_end_object(&w);
    }
    mcp_append_schemas(tools, &w);
    json_write_end_array(&w);
}

void tools_append_helper_schema(const struct tools *tools, struct buf *json)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_array(&w);
    for (size_t i = 0; i < array_count(table); i++) {
        if (!table_is_reader(table[i]) || !table_is_possible(tools, table[i]))
            continue;
        json_write_begin_object(&w);
        write_function(&w, table[i]);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
}

void tools_append_helper_choice(const struct tools *tools, struct buf *json)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "allowed_tools");
    json_write_field_c(&w, "mode", "auto");
    json_write_key(&w, "tools");
    json_write_begin_array(&w);
    for (size_t i = 0; i < array_count(table); i++) {
        if (!table_is_reader(table[i]) || !table_is_possible(tools, table[i]))
            continue;
        json_write_begin_object(&w);
        json_write_field_c(&w, "type", "function");
        json_write_field_c(&w, "name", table[i]->name);
        json_write_end_object(&w);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
}

/* -- Titles ---------------------------------------------------------------------------------- */

enum { TITLE_BYTES = 120 };

/* The paths of "*** Update File: a.c" lines, without asking whether the patch is any good. */
static void append_patch_paths(struct buf *buf, struct str patch)
{
    struct str rest = patch, line;
    bool first = true;
    while (buf->len < 4 * (size_t)TITLE_BYTES && str_next(&rest, '\n', &line)) {
        size_t colon = str_find(line, STR(" File: "), 0);
        if (!str_starts_with(line, STR("*** ")) || colon == STR_NONE)
            continue;
        buf_append_c(buf, first ? "" : ", ");
        buf_append(buf, str_trim(str_skip(line, colon + STR(" File: ").len)));
        first = false;
    }
}

static void append_key_argument(struct buf *buf, const struct tool *tool, struct str arguments)
{
    struct str value;
    if (!tool->title_key || json_raw_member(arguments, tool->title_key, &value) < 0)
        return;
    bool is_number = value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9');
    if (!json_raw_decode(value, buf) && is_number)
        buf_append(buf, value);
}

void tools_append_title(struct buf *buf, struct str name, struct str arguments)
{
    const struct tool *tool = table_find(name);
    struct buf detail = {0};
    if (tool == &tool_mcp) {
        mcp_append_title(buf, name, arguments);
        return;
    }
    output_append_line(buf, name, TITLE_BYTES);
    if (tool && !tool->parameters)
        append_patch_paths(&detail, arguments);
    else if (tool)
        append_key_argument(&detail, tool, arguments);
    if (detail.len > 0) {
        buf_append_c(buf, ": ");
        output_append_line(buf, buf_str(&detail), TITLE_BYTES);
    }
    buf_finish(&detail);
}
