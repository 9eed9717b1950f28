/* A tool as a server lists it, made into one that the model can be given: a name that any endpoint
 * takes and that depends on nothing but the tool itself, texts of limited size, a schema whose top
 * is an object. */
#include <string.h>

#include "mcp-internal.h"

enum { NAME_BYTES = 64, OWN_NAME_BYTES = 256, MARK_BYTES = 6 };

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* What had to be changed gets a mark made of what it was: two tools never get one name, and none
 * gets another because a third one came. */
void tool_append_name(struct buf *name, struct str server, struct str own_name)
{
    size_t start = name->len;
    bool is_changed = false;
    buf_append_fmt(name, "mcp__" STR_FMT "__", STR_ARG(server));
    for (size_t i = 0; i < own_name.len; i++) {
        bool is_good = is_name_byte(own_name.ptr[i]);
        buf_append_byte(name, is_good ? own_name.ptr[i] : '_');
        is_changed |= !is_good;
    }
    if (!is_changed && name->len - start <= NAME_BYTES)
        return;
    char hex[SHA256_HEX_BYTES];
    hash_sha256_hex(own_name, hex);
    if (name->len - start > NAME_BYTES - MARK_BYTES - 1)
        buf_truncate(name, start + NAME_BYTES - MARK_BYTES - 1);
    buf_append_fmt(name, "_%.*s", MARK_BYTES, hex);
}

static char *printable(struct str text, size_t limit)
{
    struct buf out = {0};
    utf8_append_printable(&out, str_slice(text, 0, utf8_floor(text, limit)));
    if (text.len > limit)
        buf_append_c(&out, "…");
    return buf_take(&out);
}

/* Endpoints refuse a whole request for one of these at the top of a tool's schema. Leaving them out
 * makes it looser; the server judges arguments by its own. */
static bool is_left_out(struct str key)
{
    static const char *const keys[] = {"$schema", "$id",   "type", "properties", "anyOf",
                                       "oneOf",   "allOf", "not",  "enum",       "const"};
    for (size_t i = 0; i < array_count(keys); i++)
        if (str_eq_c(key, keys[i]))
            return true;
    return false;
}

static void write_schema(const struct json_value *schema, struct buf *json)
{
    const struct json_value *properties = json_get(schema, "properties");
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "object");
    json_write_key(&w, "properties");
    if (json_is(properties, JSON_OBJECT))
        json_write_value(&w, properties);
    else
        json_write_raw(&w, STR("{}"));
    for (const struct json_value *one = json_first(schema); one; one = json_next(one)) {
        if (is_left_out(json_key(one)))
            continue;
        json_write_key_str(&w, json_key(one));
        json_write_value(&w, one);
    }
    json_write_end_object(&w);
}

static enum status read_schema(const struct json_value *value, struct str name, char **ret_schema,
                               struct err *err)
{
    const struct json_value *schema = json_get(value, "inputSchema");
    struct str type = json_get_str(schema, "type");
    struct buf json = {0};
    if (!json_is(schema, JSON_OBJECT) || (json_get(schema, "type") && !str_eq_c(type, "object")))
        return err_set(err, STATUS_INVALID, "%.*s: its inputSchema is not of an object",
                       (int)name.len, name.ptr);
    write_schema(schema, &json);
    if (json.len > LIMIT_MCP_SCHEMA_BYTES) {
        buf_finish(&json);
        return err_set(err, STATUS_LIMIT, "%.*s: its inputSchema is over %zu KiB", (int)name.len,
                       name.ptr, LIMIT_MCP_SCHEMA_BYTES / KIB);
    }
    *ret_schema = buf_take(&json);
    return STATUS_OK;
}

static bool is_wanted(const struct definition *definition, struct str name)
{
    for (size_t i = 0; i < definition->only.len; i++)
        if (str_eq_c(name, definition->only.ptr[i]))
            return true;
    return definition->only.len == 0;
}

static enum status check_name(const struct json_value *value, struct str *ret_name, struct err *err)
{
    struct str name = json_get_str(value, "name");
    struct buf shown = {0};
    utf8_append_printable(&shown, name);
    bool is_same = str_eq(buf_str(&shown), name) && str_find_byte(name, '\n', 0) == STR_NONE;
    buf_finish(&shown);
    if (name.len == 0)
        return err_set(err, STATUS_INVALID, "a tool has no name");
    if (name.len > OWN_NAME_BYTES || !is_same)
        return err_set(err, STATUS_INVALID,
                       "a tool's name is over %d bytes or holds control characters",
                       OWN_NAME_BYTES);
    *ret_name = name;
    return STATUS_OK;
}

enum status tool_read(const struct json_value *value, const struct definition *definition,
                      struct mcp_tool *ret_tool, struct err *err)
{
    struct str name;
    struct buf full = {0};
    char *schema = NULL;
    if (check_name(value, &name, err) < 0)
        return STATUS_INVALID;
    if (!is_wanted(definition, name))
        return STATUS_NOT_FOUND;
    enum status status = read_schema(value, name, &schema, err);
    if (status < 0)
        return status;
    tool_append_name(&full, str_from(definition->name), name);
    *ret_tool = (struct mcp_tool){
        .name = buf_take(&full),
        .server = mem_dup_c(definition->name),
        .own_name = str_dup_c(name),
        .description = printable(json_get_str(value, "description"), LIMIT_MCP_DESCRIPTION_BYTES),
        .schema = schema,
    };
    return STATUS_OK;
}

void tool_finish(struct mcp_tool *tool)
{
    mem_free(tool->name);
    mem_free(tool->server);
    mem_free(tool->own_name);
    mem_free(tool->description);
    mem_free(tool->schema);
}
