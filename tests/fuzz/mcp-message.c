/* What a server of the Model Context Protocol sends: the same lines in every split, none over the
 * limit; whatever a message holds, tools made of it have names that endpoints take, and results are
 * text. The first byte chooses the split. */
#include <string.h>

#include "../../server/mcp/mcp-internal.h"
#include "fuzz.h"

enum { MAX = 4096 };

static char server_name[] = "s";

static void check_tool(const struct mcp_tool *tool)
{
    struct json_value *schema = NULL;
    FUZZ_CHECK(strlen(tool->name) <= 64 && strncmp(tool->name, "mcp__s__", 8) == 0);
    for (const char *c = tool->name; *c; c++)
        FUZZ_CHECK(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c));
    FUZZ_CHECK(strlen(tool->schema) <= LIMIT_MCP_SCHEMA_BYTES);
    FUZZ_CHECK(json_parse(str_from(tool->schema), &schema, NULL) == STATUS_OK);
    FUZZ_CHECK(str_eq(json_get_str(schema, "type"), STR("object")));
    FUZZ_CHECK(json_is(json_get(schema, "properties"), JSON_OBJECT));
    json_free(schema);
}

static void read_tools(const struct json_value *result)
{
    const struct definition definition = {.name = server_name};
    const struct json_value *tools = json_get(result, "tools");
    const struct json_value *one = json_is(tools, JSON_ARRAY) ? json_first(tools) : NULL;
    for (; one; one = json_next(one)) {
        struct mcp_tool tool;
        struct err err = {0};
        if (tool_read(one, &definition, &tool, &err) < 0) {
            FUZZ_CHECK(err.text[0]);
            continue;
        }
        check_tool(&tool);
        tool_finish(&tool);
    }
}

static bool on_message(void *user, const struct message *message)
{
    struct buf *heard = user;
    struct answer answer = {0};
    bool is_call = message->kind == MESSAGE_REQUEST || message->kind == MESSAGE_NOTIFICATION;
    FUZZ_CHECK(is_call == (message->method.len > 0));
    FUZZ_CHECK(message->kind != MESSAGE_ANSWER || message->result);
    FUZZ_CHECK(message->kind != MESSAGE_REQUEST || message->id);
    read_tools(message->result);
    answer_read(message->result, &answer);
    FUZZ_CHECK(utf8_is_valid(buf_str(&answer.text), NULL));
    FUZZ_CHECK(answer.images.len <= LIMIT_IMAGES_COUNT);
    buf_append_fmt(heard, "%d %lld %zu;", (int)message->kind, (long long)message->number,
                   answer.text.len);
    answer_finish(&answer);
    return true;
}

static void on_line(void *user, struct str line)
{
    FUZZ_CHECK(line.len > 0 && line.len <= MAX && str_find_byte(line, '\n', 0) == STR_NONE);
    message_each(line, on_message, user);
    buf_append_byte(user, '\n');
}

static void on_oversize(void *user)
{
    buf_append_byte(user, '!');
}

static void run(struct str input, size_t piece, struct buf *ret_heard)
{
    static const struct lines_handlers handlers = {on_line, on_oversize};
    struct lines *lines = lines_new(MAX, &handlers, ret_heard);
    while (input.len > 0) {
        struct str part = str_slice(input, 0, piece);
        char *copy = mem_dup(part.ptr, part.len);
        lines_push(lines, (struct str){copy, part.len});
        mem_free(copy);
        input = str_skip(input, part.len);
    }
    lines_free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str input = {(const char *)data + 1, size - 1};
    struct buf whole = {0}, torn = {0};
    run(input, input.len, &whole);
    run(input, 1 + data[0] % 143, &torn);
    FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&torn)));
    mcp_check(input, &whole); /* the setting is read by the same hands */
    buf_finish(&whole);
    buf_finish(&torn);
    return 0;
}
