/* Tools as functions, which is all that most servers know: a namespace becomes part of the name,
 * and a tool of free text a function with one string. */
#include <stdio.h>
#include <string.h>

#include "upstream-internal.h"

/* -- Names ----------------------------------------------------------------------------------------
 */

enum { NAME_CHARS = UPSTREAM_NAME_BYTES - 1, HASH_CHARS = 8 };

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

void upstream_flat_name(char ret_name[UPSTREAM_NAME_BYTES], struct str space, struct str name)
{
    char hash[SHA256_HEX_BYTES];
    struct buf full = {0};
    if (space.len > 0)
        buf_append_fmt(&full, STR_FMT "__", STR_ARG(space));
    buf_append(&full, name);
    hash_sha256_hex(buf_str(&full), hash);
    size_t len = full.len < NAME_CHARS ? full.len : NAME_CHARS;
    for (size_t i = 0; i < len; i++)
        ret_name[i] = is_name_char(full.ptr[i]) ? full.ptr[i] : '_';
    ret_name[len] = '\0';
    if (full.len > NAME_CHARS) /* what was cut off still tells them apart */
        snprintf(ret_name + NAME_CHARS - HASH_CHARS - 1, HASH_CHARS + 2, "_%.*s", HASH_CHARS, hash);
    buf_finish(&full);
}

const struct upstream_tool *upstream_tools_find(const struct upstream_tools *tools,
                                                struct str flat_name)
{
    for (size_t i = 0; i < tools->list.len; i++)
        if (str_eq_c(flat_name, tools->list.ptr[i].flat))
            return &tools->list.ptr[i];
    return NULL;
}

/* -- One tool
 * --------------------------------------------------------------------------------------
 */

struct tool_view {
    struct str type, name, description, parameters, strict, format, tools; /* as JSON */
};

static void view_tool(struct str span, struct tool_view *view)
{
    static const struct json_raw_place places[] = {
        {"type", offsetof(struct tool_view, type)},
        {"name", offsetof(struct tool_view, name)},
        {"description", offsetof(struct tool_view, description)},
        {"parameters", offsetof(struct tool_view, parameters)},
        {"strict", offsetof(struct tool_view, strict)},
        {"format", offsetof(struct tool_view, format)},
        {"tools", offsetof(struct tool_view, tools)},
    };
    *view = (struct tool_view){0};
    json_raw_view(span, places, array_count(places), view);
}

/* The grammar cannot be enforced there, but it can be told. */
static void write_free_text(struct json_writer *w, const struct tool_view *view)
{
    struct buf text = {0};
    struct str syntax, definition;
    json_raw_decode(view->description, &text);
    if (json_raw_member(view->format, "definition", &definition) == STATUS_OK &&
        json_raw_member(view->format, "syntax", &syntax) == STATUS_OK) {
        buf_append_fmt(&text, "\n\n`input` must match this " STR_FMT " grammar:\n",
                       STR_ARG(json_raw_inside(syntax)));
        json_raw_decode(definition, &text);
    }
    json_write_field_str(w, "description", buf_str(&text));
    json_write_field_raw(w, "parameters",
                         STR("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\","
                             "\"description\":\"The whole text for the tool, as it is.\"}},"
                             "\"required\":[\"input\"],\"additionalProperties\":false}"));
    buf_finish(&text);
}

static void write_function(struct json_writer *w, const struct upstream_tool *tool,
                           const struct tool_view *view, bool as_chat)
{
    json_write_begin_object(w);
    json_write_field_c(w, "type", "function");
    if (as_chat) {
        json_write_key(w, "function");
        json_write_begin_object(w);
    }
    json_write_field_c(w, "name", tool->flat);
    if (tool->is_custom) {
        write_free_text(w, view);
    } else {
        if (view->description.len > 0)
            json_write_field_raw(w, "description", view->description);
        json_write_field_raw(w, "parameters",
                             view->parameters.len > 0
                                 ? view->parameters
                                 : STR("{\"type\":\"object\",\"properties\":{}}"));
    }
    bool strict = !tool->is_custom && str_eq_c(view->strict, "true");
    if (strict || !as_chat) /* required there */
        json_write_field_bool(w, "strict", strict);
    if (as_chat)
        json_write_end_object(w);
    json_write_end_object(w);
}

/* Offered by agents as a matter of course: a model does without them. */
static bool is_dispensable(struct str type)
{
    static const char *const types[] = {"web_search", "web_search_preview", "image_generation",
                                        "tool_search"};
    for (size_t i = 0; i < array_count(types); i++)
        if (str_eq_c(type, types[i]))
            return true;
    return false;
}

static void note_dropped(struct upstream_tools *tools, struct str type)
{
    if (tools->dropped.len > 0)
        buf_append_c(&tools->dropped, ", ");
    buf_append_fmt(&tools->dropped, "tool " STR_FMT, STR_ARG(type));
}

static void add_named(struct upstream_tools *tools, const struct tool_view *view, struct str space,
                      bool as_chat)
{
    struct upstream_tool tool = {.space = space,
                                 .name = json_raw_inside(view->name),
                                 .is_custom = str_eq_c(json_raw_inside(view->type), "custom")};
    struct json_writer w;
    upstream_flat_name(tool.flat, space, tool.name);
    if (tool.name.len == 0 || upstream_tools_find(tools, str_from(tool.flat)))
        return;
    json_writer_init(&w, &tools->json);
    w.need_comma = tools->json.len > 0;
    write_function(&w, &tool, view, as_chat);
    vec_push(&tools->list, tool);
}

static enum status add_tool(struct upstream_tools *tools, struct str span, struct str space,
                            bool as_chat, struct problem *problem)
{
    struct tool_view view;
    view_tool(span, &view);
    struct str type = json_raw_inside(view.type), key, member;
    if (str_eq_c(type, "function") || str_eq_c(type, "custom")) {
        add_named(tools, &view, space, as_chat);
    } else if (str_eq_c(type, "namespace") && space.len == 0) {
        struct json_raw_iter iter = {.rest = view.tools};
        while (view.tools.len > 0 && json_raw_next(&iter, &key, &member))
            if (add_tool(tools, member, json_raw_inside(view.name), as_chat, problem) < 0)
                return STATUS_INVALID;
    } else if (is_dispensable(type)) {
        note_dropped(tools, type);
    } else {
        return problem_set(problem, PROBLEM_INVALID, "tools",
                           "The server behind this endpoint has no tool of type '" STR_FMT
                           "': leave it out, or offer a function instead.",
                           STR_ARG(str_slice(type, 0, utf8_floor(type, 80))));
    }
    return STATUS_OK;
}

/* -- All of them
 * ------------------------------------------------------------------------------------
 */

static void add_as_it_is(struct upstream_tools *tools, struct str span)
{
    if (tools->json.len > 0)
        buf_append_byte(&tools->json, ',');
    buf_append(&tools->json, span);
}

static enum status add_list(struct upstream_tools *tools, struct str list, bool native,
                            bool as_chat, struct problem *problem)
{
    struct json_raw_iter iter = {.rest = list};
    struct str key, tool;
    while (list.len > 0 && json_raw_next(&iter, &key, &tool)) {
        if (native)
            add_as_it_is(tools, tool);
        else if (add_tool(tools, tool, (struct str){0}, as_chat, problem) < 0)
            return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status upstream_tools_read(struct upstream_tools *tools, struct str own, struct str additional,
                                bool native, bool as_chat, struct problem *problem)
{
    buf_reserve(&tools->text, own.len + additional.len);
    buf_append(&tools->text, own);
    buf_append(&tools->text, additional);
    struct str all = buf_str(&tools->text);
    if (add_list(tools, str_slice(all, 0, own.len), native, as_chat, problem) < 0)
        return STATUS_INVALID;
    return add_list(tools, str_skip(all, own.len), native, as_chat, problem);
}

void upstream_tools_finish(struct upstream_tools *tools)
{
    buf_finish(&tools->text);
    buf_finish(&tools->json);
    buf_finish(&tools->dropped);
    vec_finish(&tools->list);
}

enum status upstream_choice_write(struct json_writer *w, struct str choice, bool as_chat,
                                  struct problem *problem)
{
    struct tool_view view;
    if (choice.ptr[0] == '"') {
        json_write_field_raw(w, "tool_choice", choice);
        return STATUS_OK;
    }
    view_tool(choice, &view);
    struct str type = json_raw_inside(view.type);
    if (!str_eq_c(type, "function") && !str_eq_c(type, "custom"))
        return problem_set(problem, PROBLEM_INVALID, "tool_choice",
                           "The server behind this endpoint takes no tool_choice of type '" STR_FMT
                           "': use \"auto\", \"none\", \"required\" or one function.",
                           STR_ARG(str_slice(type, 0, utf8_floor(type, 80))));
    char flat[UPSTREAM_NAME_BYTES];
    struct str space = {0};
    if (json_raw_member(choice, "namespace", &space) < 0)
        space = (struct str){0};
    upstream_flat_name(flat, json_raw_inside(space), json_raw_inside(view.name));
    json_write_key(w, "tool_choice");
    json_write_begin_object(w);
    json_write_field_c(w, "type", "function");
    if (as_chat) {
        json_write_key(w, "function");
        json_write_begin_object(w);
    }
    json_write_field_c(w, "name", flat);
    if (as_chat)
        json_write_end_object(w);
    json_write_end_object(w);
    return STATUS_OK;
}
