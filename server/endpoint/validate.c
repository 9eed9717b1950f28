/* Is a request what the API takes? Its items and tools by tables of shapes, without a tree. A kind
 * of item that is not in the table is taken as it is: clients are newer than servers. */
#include <stdarg.h>
#include <stdio.h>

#include "saves-internal.h"

enum { PATH_BYTES = 64, NAME_BYTES = 128 };

enum shape { SHAPE_STRING, SHAPE_OBJECT, SHAPE_ARRAY, SHAPE_CONTENT, SHAPE_ANY };
static const char *const shape_names[] = {"a string", "an object", "an array",
                                          "a string or an array of parts", "a value"};

static bool has_shape(struct str span, enum shape shape)
{
    static const char *const starts[] = {"\"", "{", "[", "\"["};
    return shape == SHAPE_ANY || str_find_byte(str_from(starts[shape]), span.ptr[0], 0) != STR_NONE;
}

static struct str member(struct str object, const char *name)
{
    struct str span = {0};
    if (json_raw_member(object, name, &span) != STATUS_OK || str_eq_c(span, "null"))
        return (struct str){0};
    return span;
}

static bool is_quoted(struct str span, const char *text)
{
    return span.len >= 2 && str_eq_c(str_slice(span, 1, span.len - 1), text);
}

/* Paths that are too long are cut: a problem has no room for more. */
static void name_place(char ret_path[PATH_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void name_place(char ret_path[PATH_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(ret_path, PATH_BYTES, format, args);
    va_end(args);
}

/* -- Refusals -------------------------------------------------------------------------------------
 */

static enum status refuse_missing(struct problem *problem, const char *param)
{
    return problem_set(problem, PROBLEM_MISSING, param, "Missing required parameter: '%s'.", param);
}

static enum status refuse_shape(struct problem *problem, const char *param, enum shape shape)
{
    return problem_set(problem, PROBLEM_TYPE, param, "Invalid type for '%s': expected %s.", param,
                       shape_names[shape]);
}

static enum status refuse_value(struct problem *problem, const char *param, struct str span,
                                const char *supported)
{
    struct str shown = str_slice(span, 0, utf8_floor(span, 64));
    return problem_set(problem, PROBLEM_VALUE, param,
                       "Invalid value: " STR_FMT ". Supported values are: %s.", STR_ARG(shown),
                       supported);
}

/* -- Members --------------------------------------------------------------------------------------
 */

struct need {
    const char *name;
    enum shape shape;
    bool optional;
};

static enum status check_members(struct str object, const struct need *needs, size_t count,
                                 const char *path, struct problem *problem)
{
    for (size_t i = 0; i < count && needs[i].name; i++) {
        char param[PATH_BYTES];
        struct str span = member(object, needs[i].name);
        name_place(param, "%s.%s", path, needs[i].name);
        if (span.len == 0 && !needs[i].optional)
            return refuse_missing(problem, param);
        if (span.len > 0 && !has_shape(span, needs[i].shape))
            return refuse_shape(problem, param, needs[i].shape);
    }
    return STATUS_OK;
}

/* -- Parts ----------------------------------------------------------------------------------------
 */

static enum status check_image(struct str part, struct images *images, const char *path,
                               struct problem *problem)
{
    char param[PATH_BYTES];
    const char *wrong = NULL;
    struct str url = member(part, "image_url");
    name_place(param, "%s.image_url", path);
    if (url.len == 0)
        return member(part, "file_id").len ? STATUS_OK : refuse_missing(problem, param);
    if (url.ptr[0] != '"')
        return refuse_shape(problem, param, SHAPE_STRING);
    if (!images_find(images, str_slice(url, 1, url.len - 1), &wrong))
        return problem_set(problem, PROBLEM_IMAGE, param,
                           "Invalid image in '%s': it is %s. Send a PNG, JPEG, WebP or GIF as a "
                           "URL or a data URL.",
                           param, wrong);
    return STATUS_OK;
}

static const struct {
    const char *type;
    struct need need;
} parts[] = {
    {"input_text", {"text", SHAPE_STRING, false}},
    {"output_text", {"text", SHAPE_STRING, false}},
    {"text", {"text", SHAPE_STRING, false}},
    {"summary_text", {"text", SHAPE_STRING, false}},
    {"reasoning_text", {"text", SHAPE_STRING, false}},
    {"refusal", {"refusal", SHAPE_STRING, false}},
    {"input_file", {"filename", SHAPE_STRING, true}},
    {"input_image", {"detail", SHAPE_STRING, true}},
};

static enum status check_part(struct str part, struct images *images, const char *path,
                              struct problem *problem)
{
    if (part.ptr[0] != '{')
        return refuse_shape(problem, path, SHAPE_OBJECT);
    static const struct need type_need = {"type", SHAPE_STRING, false};
    if (check_members(part, &type_need, 1, path, problem) < 0)
        return STATUS_INVALID;
    struct str type = member(part, "type");
    if (is_quoted(type, "input_image") && check_image(part, images, path, problem) < 0)
        return STATUS_INVALID;
    for (size_t i = 0; i < array_count(parts); i++)
        if (is_quoted(type, parts[i].type))
            return check_members(part, &parts[i].need, 1, path, problem);
    return STATUS_OK;
}

static enum status check_content(struct str content, struct images *images, const char *path,
                                 struct problem *problem)
{
    if (content.len == 0 || content.ptr[0] != '[')
        return STATUS_OK;
    struct json_raw_iter iter = {.rest = content};
    struct str key, part;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && json_raw_next(&iter, &key, &part); i++) {
        char place[PATH_BYTES];
        name_place(place, "%s[%zu]", path, i);
        status = check_part(part, images, place, problem);
    }
    return status;
}

/* -- Items ----------------------------------------------------------------------------------------
 */

#define CALL_ID                                                                                    \
    {                                                                                              \
        "call_id", SHAPE_STRING, false                                                             \
    }
static const struct {
    const char *type, *content; /* content: the member that has parts */
    struct need needs[4];
} items[] = {
    {"message", "content", {{"role", SHAPE_STRING, false}, {"content", SHAPE_CONTENT, false}}},
    {"function_call",
     NULL,
     {CALL_ID, {"name", SHAPE_STRING, false}, {"arguments", SHAPE_STRING, false}}},
    {"function_call_output", "output", {CALL_ID, {"output", SHAPE_CONTENT, false}}},
    {"custom_tool_call",
     NULL,
     {CALL_ID, {"name", SHAPE_STRING, false}, {"input", SHAPE_STRING, false}}},
    {"custom_tool_call_output", "output", {CALL_ID, {"output", SHAPE_CONTENT, false}}},
    {"apply_patch_call", NULL, {CALL_ID, {"operation", SHAPE_OBJECT, false}}},
    {"apply_patch_call_output", NULL, {CALL_ID, {"output", SHAPE_ANY, true}}},
    {"shell_call", NULL, {CALL_ID, {"action", SHAPE_OBJECT, false}}},
    {"shell_call_output", NULL, {CALL_ID, {"output", SHAPE_ANY, false}}},
    {"reasoning", "summary", {{"summary", SHAPE_ARRAY, true}}},
    {"compaction", NULL, {{"encrypted_content", SHAPE_STRING, false}}},
};

static enum status check_role(struct str item, const char *path, struct problem *problem)
{
    static const char *const roles[] = {"user", "assistant", "system", "developer"};
    char param[PATH_BYTES];
    struct str role = member(item, "role");
    for (size_t i = 0; i < array_count(roles); i++)
        if (is_quoted(role, roles[i]))
            return STATUS_OK;
    name_place(param, "%s.role", path);
    return refuse_value(problem, param, role, "'user', 'assistant', 'system' and 'developer'");
}

static enum status check_known(struct str item, size_t kind, struct images *images,
                               const char *path, struct problem *problem)
{
    char param[PATH_BYTES];
    if (check_members(item, items[kind].needs, array_count(items[kind].needs), path, problem) < 0)
        return STATUS_INVALID;
    if (kind == 0 && check_role(item, path, problem) < 0)
        return STATUS_INVALID;
    if (!items[kind].content)
        return STATUS_OK;
    name_place(param, "%s.%s", path, items[kind].content);
    return check_content(member(item, items[kind].content), images, param, problem);
}

enum status validate_item(struct str item, size_t index, struct images *images,
                          struct problem *problem)
{
    char path[PATH_BYTES];
    name_place(path, "input[%zu]", index);
    if (item.ptr[0] != '{')
        return problem_set(problem, PROBLEM_TYPE, path, "Invalid type for '%s': expected an item.",
                           path);
    struct str type = member(item, "type");
    if (type.len == 0) /* the short form of a message */
        return check_known(item, 0, images, path, problem);
    if (type.ptr[0] != '"') {
        static const struct need type_need = {"type", SHAPE_STRING, false};
        return check_members(item, &type_need, 1, path, problem);
    }
    for (size_t i = 0; i < array_count(items); i++)
        if (is_quoted(type, items[i].type))
            return check_known(item, i, images, path, problem);
    return STATUS_OK;
}

/* -- Tools ----------------------------------------------------------------------------------------
 */

static const struct {
    const char *type;
    struct need needs[2];
} tools_known[] = {
    {"function", {{"name", SHAPE_STRING, false}, {"parameters", SHAPE_OBJECT, true}}},
    {"custom", {{"name", SHAPE_STRING, false}, {"format", SHAPE_OBJECT, true}}},
    {"namespace", {{"name", SHAPE_STRING, false}, {"tools", SHAPE_ARRAY, false}}},
    {"mcp", {{"server_label", SHAPE_STRING, false}, {NULL, SHAPE_ANY, true}}},
};

static enum status check_name(struct str tool, const char *path, struct problem *problem)
{
    char param[PATH_BYTES];
    struct str span = member(tool, "name");
    bool good = span.len > 2 && span.len - 2 <= NAME_BYTES;
    for (size_t i = 1; good && i + 1 < span.len; i++) {
        char c = span.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
    }
    if (good || span.len == 0)
        return STATUS_OK;
    name_place(param, "%s.name", path);
    return problem_set(problem, PROBLEM_VALUE, param,
                       "Invalid '%s': expected 1 to %d letters, digits, '_', '-' and '.'.", param,
                       NAME_BYTES);
}

static enum status check_tool(struct str tool, const char *path, bool is_nested,
                              struct problem *problem)
{
    static const struct need type_need = {"type", SHAPE_STRING, false};
    if (tool.ptr[0] != '{')
        return refuse_shape(problem, path, SHAPE_OBJECT);
    if (check_members(tool, &type_need, 1, path, problem) < 0)
        return STATUS_INVALID;
    struct str type = member(tool, "type");
    for (size_t i = 0; i < array_count(tools_known); i++) {
        if (!is_quoted(type, tools_known[i].type))
            continue;
        if (check_members(tool, tools_known[i].needs, array_count(tools_known[i].needs), path,
                          problem) < 0 ||
            check_name(tool, path, problem) < 0)
            return STATUS_INVALID;
    }
    char param[PATH_BYTES];
    name_place(param, "%s.tools", path);
    if (!is_quoted(type, "namespace"))
        return STATUS_OK;
    return is_nested ? problem_set(problem, PROBLEM_VALUE, path,
                                   "Invalid '%s': a namespace holds "
                                   "no namespaces.",
                                   path)
                     : validate_tools(member(tool, "tools"), param, problem);
}

enum status validate_tools(struct str tools, const char *param, struct problem *problem)
{
    struct json_raw_iter iter = {.rest = tools};
    struct str key, tool;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && tools.len && json_raw_next(&iter, &key, &tool); i++) {
        char path[PATH_BYTES];
        name_place(path, "%s[%zu]", param, i);
        status =
            check_tool(tool, path, str_find_byte(str_from(param), '.', 0) != STR_NONE, problem);
    }
    return status;
}

/* -- Conversations --------------------------------------------------------------------------------
 */

enum status validate_calls(const struct record *last, struct problem *problem)
{
    struct record_walk walk;
    struct str item;
    struct map asked = {0};
    enum status status = STATUS_OK;
    record_walk_init(&walk, last, NULL);
    while (status == STATUS_OK && record_walk_next(&walk, &item)) {
        struct str type = member(item, "type"), call_id = member(item, "call_id");
        if (call_id.len == 0)
            continue;
        if (!str_ends_with(type, STR("_output\"")))
            map_set(&asked, call_id, problem);
        else if (!map_has(&asked, call_id))
            status = problem_set(problem, PROBLEM_INVALID, "input",
                                 "No tool call found for the output with call_id " STR_FMT ".",
                                 STR_ARG(call_id));
    }
    record_walk_finish(&walk);
    map_finish(&asked);
    return status;
}
