/* What needs no server: lines, messages, names, definitions, results, the setting. */
#include "../../../server/mcp/mcp-internal.h"
#include "fixture.h"

TestSuite(pure, .timeout = 60);

/* -- Lines ----------------------------------------------------------------------------------- */

struct heard {
    struct lines *lines;
    struct buf text;
    int left; /* freed in the callback that makes it 0 */
};

static void note(struct heard *heard, const char *mark, struct str line)
{
    buf_append_fmt(&heard->text, "%s" STR_FMT ";", mark, STR_ARG(line));
    if (--heard->left == 0) {
        lines_free(heard->lines);
        heard->lines = NULL;
    }
}

static void on_line(void *user, struct str line)
{
    note(user, "", line);
}

static void on_oversize(void *user)
{
    note(user, "!", (struct str){0});
}

static void hear(struct heard *heard, struct str input, size_t piece, int left)
{
    static const struct lines_handlers handlers = {on_line, on_oversize};
    *heard = (struct heard){.left = left};
    heard->lines = lines_new(10, &handlers, heard);
    while (input.len > 0 && heard->lines) {
        struct str part = str_slice(input, 0, piece);
        lines_push(heard->lines, part);
        input = str_skip(input, part.len);
    }
    buf_append_c(&heard->text, "");
}

Test(pure, lines_in_any_split)
{
    static const struct {
        const char *input, *heard;
    } cases[] = {
        {"a\nb\n", "a;b;"},
        {"a\r\n\r\n\n  b \n", "a;b;"},
        {"no end", ""},
        {"0123456789\n", "0123456789;"},
        {"0123456789a\nb\n", "!;b;"},
        {"0123456789abcdefghijklmnopqrstuvw\nb\n01234567890123\nc\n", "!;b;!;c;"},
        {"", ""},
    };
    static const size_t pieces[] = {1, 7, 143};
    for (size_t i = 0; i < array_count(cases); i++)
        for (size_t k = 0; k < array_count(pieces); k++) {
            struct heard heard;
            hear(&heard, str_from(cases[i].input), pieces[k], -1);
            cr_assert_str_eq(heard.text.ptr, cases[i].heard, "case %zu in pieces of %zu", i,
                             pieces[k]);
            lines_free(heard.lines);
            buf_finish(&heard.text);
        }
}

Test(pure, lines_freed_in_a_callback)
{
    for (int left = 1; left <= 3; left++) {
        struct heard heard;
        hear(&heard, STR("a\n0123456789abc\nb\nc\n"), 100, left);
        cr_assert_null(heard.lines);
        cr_assert_str_eq(heard.text.ptr, left == 1 ? "a;" : left == 2 ? "a;!;" : "a;!;b;");
        buf_finish(&heard.text);
    }
}

/* -- Messages -------------------------------------------------------------------------------- */

static bool describe(void *user, const struct message *message)
{
    static const char *const kinds[] = {"answer", "error", "request", "notification"};
    struct buf *out = user;
    buf_append_fmt(out, "%s %lld " STR_FMT STR_FMT ";", kinds[message->kind],
                   (long long)message->number, STR_ARG(message->method), STR_ARG(message->text));
    return !str_eq_c(message->method, "stop");
}

Test(pure, messages)
{
    static const struct {
        const char *input, *read;
    } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}", "answer 3 ;"},
        {"{\"result\":{},\"jsonrpc\":\"2.0\",\"id\":3}", "answer 3 ;"},
        {"{\"id\":\"3\",\"result\":{}}", "answer -1 ;"},
        {"{\"id\":3.5,\"result\":{}}", "answer -1 ;"},
        {"{\"id\":3,\"error\":{\"code\":-1,\"message\":\"no\"}}", "error 3 no;"},
        {"{\"id\":null,\"error\":{\"message\":\"no\"}}", "error -1 no;"},
        {"{\"id\":1,\"method\":\"ping\"}", "request 1 ping;"},
        {"{\"id\":\"x\",\"method\":\"ping\",\"params\":[]}", "request -1 ping;"},
        {"{\"id\":{},\"method\":\"ping\"}", ""},
        {"{\"method\":\"n\"}", "notification -1 n;"},
        {"{\"id\":null,\"method\":\"n\"}", "notification -1 n;"},
        {"[{\"method\":\"a\"},3,{\"method\":\"b\"}]", "notification -1 a;notification -1 b;"},
        {"[{\"method\":\"stop\"},{\"method\":\"b\"}]", "notification -1 stop;"},
        {"[]", ""},
        {"{}", ""},
        {"{\"id\":3}", ""},
        {"Listening on stdio", ""},
        {"{\"method\":\"n\"", ""},
        {"3", ""},
        {"{\"method\":\"a\\u0000b\"}", "notification -1 a\xEF\xBF\xBD"
                                       "b;"},
        {"{\"method\":\"a\\\\u0000b\"}", "notification -1 a\\u0000b;"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf out = {0};
        size_t count = message_each(str_from(cases[i].input), describe, &out);
        buf_append_c(&out, "");
        cr_assert_str_eq(out.ptr, cases[i].read, "%s", cases[i].input);
        cr_assert_eq(count == 0, cases[i].read[0] == '\0');
        buf_finish(&out);
    }
}

/* -- Tools ----------------------------------------------------------------------------------- */

Test(pure, names_of_tools)
{
    static const struct {
        const char *server, *own, *name;
    } cases[] = {
        {"files", "read_file", "mcp__files__read_file"},
        {"a-b", "X-9", "mcp__a-b__X-9"},
        {"files", "read.file", "mcp__files__read_file_b8c3f5"},
        {"files", "read file", "mcp__files__read_file_"},
        {"files", "gr\xC3\xBC\xC3\x9F", "mcp__files__gr_____"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf name = {0};
        tool_append_name(&name, str_from(cases[i].server), str_from(cases[i].own));
        bool is_same = strcmp(name.ptr, cases[i].own) == 0;
        cr_assert(!is_same);
        cr_assert_eq(strncmp(name.ptr, cases[i].name, i == 2 ? 22 : strlen(cases[i].name)), 0, "%s",
                     name.ptr);
        buf_finish(&name);
    }
}

Test(pure, names_are_short_and_differ)
{
    struct buf names[4] = {{0}};
    char own[200], server[33];
    memset(own, 'a', sizeof(own));
    memset(server, 's', sizeof(server) - 1);
    server[32] = '\0';
    for (size_t i = 0; i < 3; i++)
        tool_append_name(&names[i], str_from(server), (struct str){own, 100 + i});
    tool_append_name(&names[3], STR("s"), STR("a.b"));
    for (size_t i = 0; i < 4; i++) {
        cr_assert(names[i].len <= 64, "%zu", names[i].len);
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(names[i].ptr, names[k].ptr);
        for (size_t k = 0; k < names[i].len; k++)
            cr_assert(strchr("abcdefghijklmnopqrstuvwxyz0123456789_", names[i].ptr[k]));
    }
    for (size_t i = 0; i < 4; i++)
        buf_finish(&names[i]);
}

static enum status read_tool(const char *json, struct mcp_tool *tool, struct err *err)
{
    static char name[] = "s";
    struct definition definition = {.name = name};
    struct json_value *value;
    cr_assert_eq(json_parse(str_from(json), &value, err), STATUS_OK, "%s", json);
    enum status status = tool_read(value, &definition, tool, err);
    json_free(value);
    return status;
}

Test(pure, definitions)
{
    static const struct {
        const char *json, *schema;
    } cases[] = {
        {"{\"name\":\"a\",\"inputSchema\":{}}", "{\"type\":\"object\",\"properties\":{}}"},
        {"{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\",\"additionalProperties\":false}}",
         "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}"},
        {"{\"name\":\"a\",\"inputSchema\":{\"required\":[\"x\"],\"properties\":{\"x\":{\"type\":"
         "\"string\",\"enum\":[\"y\"]}},\"$schema\":\"z\",\"oneOf\":[{}]}}",
         "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\",\"enum\":[\"y\"]}},"
         "\"required\":[\"x\"]}"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct mcp_tool tool;
        struct err err = {0};
        cr_assert_eq(read_tool(cases[i].json, &tool, &err), STATUS_OK, "%s", err.text);
        cr_assert_str_eq(tool.schema, cases[i].schema);
        cr_assert_str_eq(tool.name, "mcp__s__a");
        cr_assert_str_eq(tool.description, "");
        tool_finish(&tool);
    }
}

Test(pure, definitions_that_are_none)
{
    static const char *const cases[] = {
        "{\"inputSchema\":{}}",
        "{\"name\":\"\",\"inputSchema\":{}}",
        "{\"name\":3,\"inputSchema\":{}}",
        "{\"name\":\"a\\u001b[1m\",\"inputSchema\":{}}",
        "{\"name\":\"a\\nb\",\"inputSchema\":{}}",
        "{\"name\":\"a\"}",
        "{\"name\":\"a\",\"inputSchema\":null}",
        "{\"name\":\"a\",\"inputSchema\":{\"type\":\"string\"}}",
        "{\"name\":\"a\",\"inputSchema\":{\"type\":[\"object\"]}}",
        "[]",
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct mcp_tool tool;
        struct err err = {0};
        cr_assert(read_tool(cases[i], &tool, &err) < 0, "%s", cases[i]);
        cr_assert(err.text[0]);
    }
}

Test(pure, definitions_are_bounded)
{
    struct buf json = {0};
    struct mcp_tool tool;
    struct err err = {0};
    buf_append_c(&json, "{\"name\":\"a\",\"description\":\"\\u001b[31m");
    buf_append_repeat(&json, 'd', 2 * LIMIT_MCP_DESCRIPTION_BYTES);
    buf_append_c(&json, "\",\"inputSchema\":{}}");
    cr_assert_eq(read_tool(json.ptr, &tool, &err), STATUS_OK);
    cr_assert(strlen(tool.description) <= LIMIT_MCP_DESCRIPTION_BYTES + 3);
    cr_assert_null(strchr(tool.description, 0x1b));
    tool_finish(&tool);
    buf_clear(&json);
    buf_append_c(&json, "{\"name\":\"a\",\"inputSchema\":{\"title\":\"");
    buf_append_repeat(&json, 'd', LIMIT_MCP_SCHEMA_BYTES);
    buf_append_c(&json, "\"}}");
    cr_assert_eq(read_tool(json.ptr, &tool, &err), STATUS_LIMIT);
    buf_finish(&json);
}

/* -- Results --------------------------------------------------------------------------------- */

Test(pure, results)
{
    static const struct {
        const char *json, *text;
        bool ok;
    } cases[] = {
        {"{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}",
         "a\nb", true},
        {"{\"content\":[{\"type\":\"text\",\"text\":\"no\"}],\"isError\":true}", "no", false},
        {"{}", "", true},
        {"{\"content\":3}", "", true},
        {"{\"content\":[3]}", "[content of type \"\": not shown, it is not known here]", true},
        {"{\"content\":[],\"structuredContent\":{\"a\":1}}", "{\"a\":1}", true},
        {"{\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"structuredContent\":{\"a\":1}}", "x",
         true},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct json_value *value;
        struct answer answer = {0};
        cr_assert_eq(json_parse(str_from(cases[i].json), &value, NULL), STATUS_OK);
        cr_assert_eq(answer_read(value, &answer), cases[i].ok);
        buf_append_c(&answer.text, "");
        cr_assert_str_eq(answer.text.ptr, cases[i].text);
        cr_assert_eq(answer.images.len, 0);
        json_free(value);
        answer_finish(&answer);
    }
}

/* What the bytes are counts; no more than so many, and none that is none. */
Test(pure, images_of_a_result)
{
    static const char gif[] = "R0lGODlhAwACAIAAAA==";
    struct json_value *value;
    struct answer answer = {0};
    struct buf json = {0};
    buf_append_c(&json, "{\"content\":[{\"type\":\"image\",\"data\":\"aGVsbG8=\"}");
    for (size_t i = 0; i < LIMIT_IMAGES_COUNT + 1; i++)
        buf_append_fmt(&json, ",{\"type\":\"image\",\"mimeType\":\"image/png\",\"data\":\"%s\"}",
                       gif);
    buf_append_c(&json, "]}");
    cr_assert_eq(json_parse(buf_str(&json), &value, NULL), STATUS_OK);
    cr_assert(answer_read(value, &answer));
    cr_assert_eq(answer.images.len, LIMIT_IMAGES_COUNT);
    cr_assert_str_eq(answer.images.ptr[0].ptr, "data:image/gif;base64,R0lGODlhAwACAIAAAA==");
    cr_assert_not_null(strstr(answer.text.ptr, "[image, 6 bytes: not shown, it is no PNG, JPEG"));
    cr_assert_not_null(strstr(answer.text.ptr, "[image, image/png, 15 bytes, 3 x 2: goes along]"));
    cr_assert_not_null(strstr(answer.text.ptr, "not shown, it is too large, or too many]"));
    json_free(value);
    buf_finish(&json);
    answer_finish(&answer);
}

/* -- The setting ----------------------------------------------------------------------------- */

Test(pure, settings_that_are_good)
{
    static const char *const cases[] = {
        "{}",
        "{\"a\":{\"command\":\"x\"}}",
        "{\"a\":{\"command\":[\"x\",\"y\"],\"args\":[\"z\"],\"env\":{\"A\":\"b\"},\"passEnv\":["
        "\"C\"],\"cwd\":\"/\",\"startSeconds\":5,\"callSeconds\":3600,\"tools\":[\"t\"],"
        "\"enabled\":false,\"type\":\"stdio\"}}",
        ("{\"a-B_9\":{\"url\":\"https://example.com/mcp\",\"headers\":{\"X-A\":\"b\"},"
         "\"tokenEnv\":\"T\",\"type\":\"http\"}}"),
        "{\"a\":{\"url\":\"https://example.com/mcp\",\"tokenCommand\":[\"pass\",\"x\"]}}",
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf warnings = {0};
        mcp_check(str_from(cases[i]), &warnings);
        cr_assert_eq(warnings.len, 0, "%s", warnings.ptr);
        buf_finish(&warnings);
    }
}

Test(pure, settings_that_are_not)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"{\"a\":{}}", "needs either"},
        {"{\"a\":3}", "must be an object"},
        {"{\"a\":{\"command\":\"x\",\"url\":\"https://x/\"}}", "needs either"},
        {"{\"a\":{\"command\":\"\"}}", "\"command\" must"},
        {"{\"a\":{\"command\":[]}}", "\"command\" must"},
        {"{\"a\":{\"command\":[3]}}", "\"command\" must"},
        {"{\"a\":{\"command\":\"x\",\"args\":[3]}}", "\"args\" must"},
        {"{\"a\":{\"command\":\"x\",\"argz\":[]}}", "argz"},
        {"{\"a\":{\"command\":\"x\",\"env\":{\"A=\":\"b\"}}}", "\"env\" must"},
        {"{\"a\":{\"command\":\"x\",\"cwd\":\"relative\"}}", "absolute"},
        {"{\"a\":{\"command\":\"x\",\"tokenEnv\":\"T\"}}", "are for a \"url\""},
        {"{\"a\":{\"command\":\"x\",\"startSeconds\":99999}}", "startSeconds"},
        {"{\"a\":{\"command\":\"x\",\"callSeconds\":-1}}", "callSeconds"},
        {"{\"a\":{\"command\":\"x\",\"type\":\"sse\"}}", "\"type\" must"},
        {"{\"a\":{\"url\":\"https://x/\",\"args\":[]}}", "are for a \"command\""},
        {"{\"a\":{\"url\":\"https://x/\",\"headers\":{\"a b\":\"c\"}}}", "\"headers\" must"},
        {"{\"a\":{\"url\":\"https://x/\",\"headers\":{\"a\":\"c\\r\\nd: e\"}}}",
         "\"headers\" must"},
        {"{\"a\":{\"url\":\"https://x/\",\"tokenEnv\":\"A\",\"tokenCommand\":[\"b\"]}}",
         "not both"},
        {"{\"\":{\"command\":\"x\"}}", "a name is"},
        {"{\"_a\":{\"command\":\"x\"}}", "a name is"},
        {"{\"a_\":{\"command\":\"x\"}}", "a name is"},
        {"{\"a__b\":{\"command\":\"x\"}}", "a name is"},
        {"{\"a b\":{\"command\":\"x\"}}", "a name is"},
        {"{\"a123456789012345678901234567890123\":{\"command\":\"x\"}}", "a name is"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf warnings = {0};
        mcp_check(str_from(cases[i].json), &warnings);
        cr_assert(warnings.len > 0, "%s", cases[i].json);
        assert_has(warnings.ptr, cases[i].says);
        assert_has(warnings.ptr, "is left out");
        cr_assert_eq(warnings.ptr[warnings.len - 1], '\n');
        buf_finish(&warnings);
    }
}

Test(pure, a_bad_server_leaves_the_others)
{
    struct stage s;
    stage_init(&s);
    buf_append_c(&s.settings, "\"bad\":{},\"good\":{\"command\":\"x\"},\"off\":{\"command\":\"x\","
                              "\"enabled\":false}");
    stage_open(&s);
    cr_assert_eq(mcp_server_count(s.mcp), 2);
    cr_assert_str_eq(stage_status(&s, 0).name, "good");
    assert_has(stage_status(&s, 1).detail, "turned off");
    cr_assert(!mcp_is_settled(s.mcp));
    stage_finish(&s);
}
