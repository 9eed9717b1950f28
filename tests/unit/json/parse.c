#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <lanebridge/json.h>

TestSuite(json_parse, .timeout = 10);

static struct json_value *parse(const char *text)
{
    struct json_value *value = NULL;
    struct err err = {0};
    enum status status = json_parse(str_from(text), &value, &err);
    cr_assert_eq(status, STATUS_OK, "%s: %s", text, err.text);
    return value;
}

/* The text must come out as `expected`, or as it was if that is NULL. */
static void check_round(const char *text, const char *expected)
{
    struct json_value *value = parse(text);
    struct buf out = {0};
    json_append(&out, value);
    cr_assert_str_eq(out.ptr, expected ? expected : text);
    buf_finish(&out);
    json_free(value);
}

Test(json_parse, accepts_the_grammar)
{
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"null", NULL},
        {"true", NULL},
        {"false", NULL},
        {"[]", NULL},
        {"{}", NULL},
        {" \t\r\n[ ] \n", "[]"},
        {"{ \"a\" : [ 1 , { \"b\" : null } ] }", "{\"a\":[1,{\"b\":null}]}"},
        {"\"\\u0041\\/\\b\\f\\n\\r\\t\\\\\\\"\"", "\"A/\\b\\f\\n\\r\\t\\\\\\\"\""},
        {"\"\\u001f\\u007f\"", "\"\\u001f\x7f\""},
        {"\"\\u00e9\\u20AC\\ud83d\\ude00\"", "\"é€😀\""},
        {"\"é€😀\"", NULL},
        {"{\"a\":1,\"a\":2}", NULL},
        {"{\"\":\"\"}", NULL},
        {"[\"\\ud83d\",\"\\ude00\\ud83d\\ude00\",\"\\ud83dx\"]",
         "[\"\uFFFD\",\"\uFFFD😀\",\"\uFFFDx\"]"},
        {"\"\\\\\\ud83d\\\\ud83d\"", "\"\\\\\uFFFD\\\\ud83d\""},
    };
    for (size_t i = 0; i < array_count(cases); i++)
        check_round(cases[i].text, cases[i].printed);
}

Test(json_parse, prints_numbers_that_read_back)
{
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"0", NULL},
        {"-0", NULL},
        {"-1", NULL},
        {"1e0", "1"},
        {"1E+2", "100"},
        {"1.50", "1.5"},
        {"0.1", NULL},
        {"-0.25e1", "-2.5"},
        {"1e15", "1000000000000000"},
        {"1000000000000000", NULL},
        {"9007199254740991", NULL},
        {"9007199254740992", NULL},
        {"9007199254740993", NULL},
        {"9223372036854775807", NULL},
        {"-9223372036854775808", NULL},
        {"18446744073709551616", NULL},
        {"1234567890123456789012345678901234567890", NULL},
        {"1e20", "100000000000000000000"},
        {"1e21", "1e+21"},
        {"1e-7", "1e-07"},
        {"0.1000000000000000055511151231257827", "0.1"},
        {"0.30000000000000004", NULL},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"5e-324", NULL},
        {"1e-400", "0"},
        {"2.2250738585072014e-308", NULL},
        {"[1,9007199254740993,{\"a\":[2.5,-9007199254740995]},3]", NULL},
    };
    for (size_t i = 0; i < array_count(cases); i++)
        check_round(cases[i].text, cases[i].printed);
}

Test(json_parse, refuses_what_the_standard_refuses)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *expected;
    } cases[] = {
        {"", 0, "expected a value, found the end"},
        {"  ", 2, "expected a value, found the end"},
        {"\xEF\xBB\xBF{}", 0, "expected a value, found byte 0xef"},
        {"nul", 0, "expected a value"},
        {"nullx", 4, "expected the end of the text, found 'x'"},
        {"{} {}", 3, "expected the end of the text, found '{'"},
        {"01", 1, "expected the end of the text, found '1'"},
        {"[01]", 2, "expected ',' or ']', found '1'"},
        {"-", 1, "expected a digit, found the end"},
        {"+1", 0, "expected a value, found '+'"},
        {".5", 0, "expected a value, found '.'"},
        {"1.", 2, "expected a digit"},
        {"1.e3", 2, "expected a digit, found 'e'"},
        {"1e", 2, "expected a digit"},
        {"1e+", 3, "expected a digit"},
        {"NaN", 0, "expected a value"},
        {"Infinity", 0, "expected a value"},
        {"[1,]", 3, "expected a value, found ']'"},
        {"[1 2]", 3, "expected ',' or ']', found '2'"},
        {"[", 1, "expected a value, found the end"},
        {"[1", 2, "expected ',' or ']', found the end"},
        {"[1}", 2, "expected ',' or ']', found '}'"},
        {"]", 0, "expected a value, found ']'"},
        {"{\"a\"}", 4, "expected ':' after the key, found '}'"},
        {"{\"a\":}", 5, "expected a value, found '}'"},
        {"{\"a\":1,}", 7, "expected a key in quotes, found '}'"},
        {"{\"a\":1", 6, "expected ',' or '}', found the end"},
        {"{a:1}", 1, "expected a key in quotes, found 'a'"},
        {"{'a':1}", 1, "expected a key in quotes, found '''"},
        {"{1:1}", 1, "expected a key in quotes, found '1'"},
        {"{,}", 1, "expected a key in quotes, found ','"},
        {"\"a", 2, "expected the closing quote of the string, found the end"},
        {"\"a\nb\"", 2, "control characters of a string to be escaped, found byte 0x0a"},
        {"\"a\tb\"", 2, "control characters of a string to be escaped, found byte 0x09"},
        {"\"\\x41\"", 2, "expected one of \"\\/bfnrtu after the backslash, found 'x'"},
        {"\"\\", 1, "expected one of"},
        {"\"\\u12g4\"", 1, "expected \\u and four hex digits"},
        {"\"\\u12", 1, "expected \\u and four hex digits"},
        {"\"a\xFFz\"", 2, "expected UTF-8, found byte 0xff"},
        {"\"\xC0\x80\"", 1, "expected UTF-8, found byte 0xc0"},
        {"\"\xED\xA0\x80\"", 1, "expected UTF-8, found byte 0xed"},
        {"[1]\v", 3, "expected the end of the text, found byte 0x0b"},
        {"/* c */ 1", 0, "expected a value, found '/'"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct json_value *value = NULL;
        struct err err = {0};
        enum status status = json_parse(str_from(cases[i].text), &value, &err);
        cr_assert_eq(status, STATUS_INVALID, "case %zu: %s", i, cases[i].text);
        cr_assert_null(value);
        char offset[40];
        snprintf(offset, sizeof(offset), "JSON at byte %zu: ", cases[i].offset);
        cr_assert(strstr(err.text, offset), "%s gave: %s", cases[i].text, err.text);
        cr_assert(strstr(err.text, cases[i].expected), "%s gave: %s", cases[i].text, err.text);
    }
}

Test(json_parse, refuses_nul_bytes_and_nul_escapes)
{
    struct json_value *value = NULL;
    struct err err = {0};
    cr_assert_eq(json_parse(STR("\"a\0b\""), &value, &err), STATUS_INVALID);
    cr_assert_eq(json_parse(STR("{}\0junk"), &value, &err), STATUS_INVALID);
    cr_assert_eq(json_parse(STR("[\"ab\\u0000c\"]"), &value, &err), STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "byte 4"), "%s", err.text);
    cr_assert_eq(json_parse(STR("{\"\\u0000\":1}"), &value, &err), STATUS_UNSUPPORTED);
    cr_assert_eq(json_parse((struct str){NULL, 0}, &value, &err), STATUS_INVALID);
    cr_assert_null(value);
    /* An escaped backslash before u0000 is text. */
    cr_assert_eq(json_parse(STR("\"\\\\u0000\""), &value, NULL), STATUS_OK);
    cr_assert(str_eq(json_str(value), STR("\\u0000")));
    json_free(value);
}

Test(json_parse, refuses_numbers_that_cannot_be_held)
{
    struct json_value *value = NULL;
    struct err err = {0};
    cr_assert_eq(json_parse(STR("[1,1e400]"), &value, &err), STATUS_LIMIT);
    cr_assert(strstr(err.text, "byte 3"), "%s", err.text);
    cr_assert_eq(json_parse(STR("-1e400"), &value, &err), STATUS_LIMIT);
    struct buf digits = {0};
    buf_append_repeat(&digits, '9', 63);
    cr_assert_eq(json_parse(buf_str(&digits), &value, &err), STATUS_OK);
    json_free(value);
    value = NULL;
    buf_append_byte(&digits, '9');
    cr_assert_eq(json_parse(buf_str(&digits), &value, &err), STATUS_LIMIT);
    cr_assert_null(value);
    buf_finish(&digits);
}

static enum status parse_nested(size_t depth, const char *open, const char *close)
{
    struct buf text = {0};
    for (size_t i = 0; i < depth; i++)
        buf_append_c(&text, open);
    buf_append_c(&text, "1");
    for (size_t i = 0; i < depth; i++)
        buf_append_c(&text, close);
    struct json_value *value = NULL;
    enum status status = json_parse(buf_str(&text), &value, NULL);
    json_free(value);
    buf_finish(&text);
    return status;
}

Test(json_parse, limits_the_depth)
{
    cr_assert_eq(parse_nested(LIMIT_JSON_DEPTH_COUNT, "[", "]"), STATUS_OK);
    cr_assert_eq(parse_nested(LIMIT_JSON_DEPTH_COUNT, "{\"a\":", "}"), STATUS_OK);
    cr_assert_eq(parse_nested(LIMIT_JSON_DEPTH_COUNT + 1, "[", "]"), STATUS_LIMIT);
    cr_assert_eq(parse_nested(LIMIT_JSON_DEPTH_COUNT + 1, "{\"a\":", "}"), STATUS_LIMIT);
    cr_assert_eq(parse_nested(1000000, "[", ""), STATUS_LIMIT);
    struct json_value *value = NULL;
    struct err err = {0};
    struct buf text = {0};
    buf_append_repeat(&text, '[', LIMIT_JSON_DEPTH_COUNT + 1);
    cr_assert_eq(json_parse(buf_str(&text), &value, &err), STATUS_LIMIT);
    cr_assert_str_eq(err.text,
                     "JSON at byte 128: expected at most 128 arrays and objects inside each other");
    buf_finish(&text);
}

Test(json_parse, every_truncation_is_refused)
{
    struct str whole =
        STR("{\"id\":-12.5e+3,\"s\":\"a\\u20ac\\n\xE2\x82\xAC\",\"l\":[true,false,null,{}]}");
    struct json_value *value = NULL;
    for (size_t len = 0; len < whole.len; len++) {
        /* An exact copy, so that a sanitizer sees a read behind it. */
        char *copy = mem_dup(whole.ptr, len);
        cr_assert_lt(json_parse((struct str){copy, len}, &value, NULL), 0, "length %zu", len);
        mem_free(copy);
    }
    cr_assert_eq(json_parse(whole, &value, NULL), STATUS_OK);
    json_free(value);
}

Test(json_parse, integers_are_exact)
{
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"7.0", 7},
        {"1e3", 1000},
        {"9007199254740992", 9007199254740992},
        {"-9007199254740992", -9007199254740992},
        {"9007199254740993", 9007199254740993},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775808", 42},
        {"1.5", 42},
        {"1e300", 42},
        {"\"7\"", 42},
        {"true", 42},
        {"null", 42},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct json_value *value = parse(cases[i].text);
        cr_assert_eq(json_int(value, 42), cases[i].value, "%s", cases[i].text);
        json_free(value);
    }
}

Test(json_parse, getters_answer_for_what_is_there)
{
    struct json_value *v = parse("{\"s\":\"x\",\"t\":true,\"n\":3,\"d\":2.5,\"z\":null,\"o\":{"
                                 "\"p\":{\"q\":7}},\"a\":[1,2,3],"
                                 "\"S\":\"upper\",\"s\":\"second\"}");
    cr_assert(str_eq(json_get_str(v, "s"), STR("x")));
    cr_assert(str_eq(json_get_str(v, "S"), STR("upper")));
    cr_assert(json_get_bool(v, "t", false));
    cr_assert_eq(json_get_int(v, "n", 0), 3);
    cr_assert_eq(json_number(json_get(v, "d"), 0), 2.5);
    cr_assert(json_is(json_get(v, "z"), JSON_NULL));
    cr_assert_eq(json_int(json_at(v, "o", "p", "q", NULL), 0), 7);
    cr_assert_null(json_at(v, "o", "nothing", "q", NULL));
    cr_assert_eq(json_at(v, NULL), v);
    cr_assert_eq(json_count(json_get(v, "a")), 3);
    cr_assert_eq(json_count(v), 9);
    int64_t sum = 0;
    for (const struct json_value *c = json_first(json_get(v, "a")); c; c = json_next(c))
        sum += json_int(c, 0);
    cr_assert_eq(sum, 6);
    cr_assert(str_eq(json_key(json_first(v)), STR("s")));
    cr_assert(str_eq(json_key(json_first(json_get(v, "a"))), STR("")));
    json_free(v);
}

Test(json_parse, getters_answer_for_what_is_not)
{
    cr_assert_eq(json_type_of(NULL), JSON_NULL);
    cr_assert_not(json_is(NULL, JSON_NULL));
    cr_assert_null(json_get(NULL, "a"));
    cr_assert_null(json_at(NULL, "a", NULL));
    cr_assert_eq(json_str(NULL).len, 0);
    cr_assert(json_bool(NULL, true));
    cr_assert_eq(json_number(NULL, 1.5), 1.5);
    cr_assert_eq(json_int(NULL, -1), -1);
    cr_assert_null(json_first(NULL));
    cr_assert_null(json_next(NULL));
    cr_assert_eq(json_key(NULL).len, 0);
    cr_assert_eq(json_count(NULL), 0);
    json_free(NULL);
    struct json_value *list = parse("[{\"a\":1}]");
    cr_assert_null(json_get(list, "a"));
    cr_assert_eq(json_number(list, 9), 9);
    struct json_value *text = parse("\"abc\"");
    cr_assert_null(json_first(text));
    json_free(text);
    json_free(list);
}
