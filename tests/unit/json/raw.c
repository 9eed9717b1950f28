#include <criterion/criterion.h>
#include <string.h>

#include <lanebridge/json.h>

TestSuite(json_raw, .timeout = 10);

Test(json_raw, member_gives_the_verbatim_span)
{
    static const struct {
        const char *text, *key;
        enum status status;
        const char *span;
    } cases[] = {
        {"{\"id\":9007199254740993,\"m\":1}", "id", STATUS_OK, "9007199254740993"},
        {"{\"id\": \"a\\u0000b\" }", "id", STATUS_OK, "\"a\\u0000b\""},
        {" { \"a\" : [1, {\"id\": 2}] , \"id\" : 3 } ", "id", STATUS_OK, "3"},
        {"{\"a\":\"\\\"id\\\":7\",\"id\":3}", "id", STATUS_OK, "3"},
        {"{\"id\":1,\"id\":2}", "id", STATUS_OK, "1"},
        {"{\"\\u0069d\":1}", "id", STATUS_OK, "1"},
        {"{\"ID\":1}", "id", STATUS_NOT_FOUND, NULL},
        {"{\"id\\u0000\":1}", "id", STATUS_NOT_FOUND, NULL},
        {"{\"\":5}", "", STATUS_OK, "5"},
        {"{\"p\":{ \"x\" : 1 }}", "p", STATUS_OK, "{ \"x\" : 1 }"},
        {"{\"id\":1e400}", "id", STATUS_OK, "1e400"},
        {"{}", "id", STATUS_NOT_FOUND, NULL},
        {"[\"id\",1]", "id", STATUS_NOT_FOUND, NULL},
        {"[1]", "", STATUS_NOT_FOUND, NULL},
        /* What follows the member is not looked at. */
        {"{\"id\":1,broken", "id", STATUS_OK, "1"},
        {"{\"id\":1", "id", STATUS_OK, "1"},
        {"{\"id\":1,broken", "other", STATUS_INVALID, NULL},
        {"{\"id\":[1,}", "id", STATUS_INVALID, NULL},
        {"{\"id\":", "id", STATUS_INVALID, NULL},
        {"{\"a\":01,\"id\":1}", "id", STATUS_INVALID, NULL},
        {"{\"a\":1 \"id\":1}", "id", STATUS_INVALID, NULL},
        {"{\"a\":1}x", "id", STATUS_INVALID, NULL},
        {"17", "id", STATUS_INVALID, NULL},
        {"", "id", STATUS_INVALID, NULL},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct str span = {0};
        char *copy = mem_dup(cases[i].text, strlen(cases[i].text));
        struct str text = {copy, strlen(cases[i].text)};
        cr_assert_eq(json_raw_member(text, cases[i].key, &span), cases[i].status, "%s",
                     cases[i].text);
        if (cases[i].span)
            cr_assert(str_eq_c(span, cases[i].span), "%s gave " STR_FMT, cases[i].text,
                      STR_ARG(span));
        else
            cr_assert_null(span.ptr);
        mem_free(copy);
    }
}

/* Renders a walk as "key=value;" with '!' at a failure. */
static void check_walk(struct str text, const char *expected)
{
    struct buf out = {0};
    struct json_raw_iter iter = {.rest = text};
    for (struct str key, value; json_raw_next(&iter, &key, &value);)
        buf_append_fmt(&out, STR_FMT "=" STR_FMT ";", STR_ARG(key), STR_ARG(value));
    if (iter.failed)
        buf_append_byte(&out, '!');
    struct str key, value;
    cr_assert_not(json_raw_next(&iter, &key, &value), "the end stays the end");
    cr_assert(str_eq_c(buf_str(&out), expected), STR_FMT " gave " STR_FMT, STR_ARG(text),
              STR_ARG(buf_str(&out)));
    buf_finish(&out);
}

Test(json_raw, walks_containers)
{
    check_walk(STR("[]"), "");
    check_walk(STR(" { } "), "");
    check_walk(STR("[1, [2,3] ,\"a,]\" ]"), "=1;=[2,3];=\"a,]\";");
    check_walk(STR("{\"a\":1 , \"b\" :{\"c\":[]}}"), "a=1;b={\"c\":[]};");
    check_walk(STR("[1,]"), "=1;!");
    check_walk(STR("[1}"), "=1;!");
    check_walk(STR("[1 2]"), "=1;!");
    check_walk(STR("[,1]"), "!");
    check_walk(STR("{\"a\":1,}"), "a=1;!");
    check_walk(STR("{\"a\",1}"), "!");
    check_walk(STR("[1] 2"), "=1;!");
    check_walk(STR("[1,2"), "=1;=2;!");
    check_walk(STR("\"text\""), "!");
    check_walk(STR(""), "!");
}

Test(json_raw, decodes_strings)
{
    static const struct {
        struct str span, decoded;
    } cases[] = {
        {STR_INIT("\"\""), STR_INIT("")},
        {STR_INIT("\"plain\""), STR_INIT("plain")},
        {STR_INIT("\"a\\u0000b\""), STR_INIT("a\0b")},
        {STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR_INIT("\"\\/\b\f\n\r\t")},
        {STR_INIT("\"\\u00e9\\ud83d\\ude00\""), STR_INIT("é😀")},
        {STR_INIT("\"\\ud83d\\ud83d\\ude00\\ude00\""), STR_INIT("\uFFFD😀\uFFFD")},
        {STR_INIT("\"a\xFF\\n\xE2\x82\""), STR_INIT("a\uFFFD\n\uFFFD\uFFFD")},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct buf out = {0};
        cr_assert(json_raw_decode(cases[i].span, &out));
        cr_assert(str_eq(buf_str(&out), cases[i].decoded), "case %zu", i);
        buf_finish(&out);
    }
}

Test(json_raw, decode_refuses_what_is_no_string)
{
    static const char *const cases[] = {"",          "\"",     "a",         "17",     "\"a",
                                        "a\"",       "\"a\"b", " \"a\"",    "\"\\\"", "\"\\q\"",
                                        "\"\\u00\"", "\"\n\"", "\"a\"\"b\""};
    struct buf out = {0};
    for (size_t i = 0; i < array_count(cases); i++)
        cr_assert_not(json_raw_decode(str_from(cases[i]), &out), "%s", cases[i]);
    cr_assert_eq(out.len, 0);
    buf_finish(&out);
}

Test(json_raw, hostile_depth_is_an_error)
{
    struct buf text = {0};
    buf_append_c(&text, "{\"a\":");
    buf_append_repeat(&text, '[', 4000000);
    struct str span;
    cr_assert_eq(json_raw_member(buf_str(&text), "a", &span), STATUS_INVALID);
    buf_finish(&text);
}

/* Skimming finds the same members where the text is good, and does not mind what is in strings. */
Test(json_raw, skims_over_strings)
{
    static const struct {
        const char *text, *a; /* NULL: no such end */
    } rows[] = {
        {"{\"x\":\"plain\",\"a\":1}", "1"},
        {"{\"x\":\"\\\"\",\"a\":2}", "2"},
        {"{\"x\":\"\\\\\",\"a\":3}", "3"},
        {"{\"x\":\"\\\\\\\"}\",\"a\":4}", "4"},
        {"{\"x\":[\"]\",{\"y\":\"}\"}],\"a\":\"\\\"\"}", "\"\\\"\""},
        {"{\"x\":\"a\nb\\q\",\"a\":5}", "5"}, /* no JSON, but nobody looks */
        {"{\"x\":\"\",\"a\":6}", "6"},
        {"{\"x\":\"\\\",\"a\":7}", NULL},
        {"{\"x\":\"open", NULL},
        {"{\"x\":1 2,\"a\":8}", NULL},
    };
    for (size_t i = 0; i < array_count(rows); i++) {
        struct json_raw_iter iter = {.rest = str_from(rows[i].text), .skims = true};
        struct str key, value, found = {0};
        while (json_raw_next(&iter, &key, &value))
            if (str_eq_c(key, "a"))
                found = value;
        cr_assert_eq(iter.failed, !rows[i].a, "%s", rows[i].text);
        if (rows[i].a)
            cr_assert(str_eq_c(found, rows[i].a), "%s", rows[i].text);
    }
}

Test(json_raw, views_take_the_last_member_that_is_not_null)
{
    struct view {
        struct str name, list;
    };
    static const struct json_raw_place places[] = {{"name", offsetof(struct view, name)},
                                                   {"list", offsetof(struct view, list)}};
    static const struct {
        const char *text, *name, *list;
        bool good;
    } cases[] = {
        {"{\"list\":[1, 2],\"name\":\"a\\n\",\"x\":{\"name\":1}}", "a\\n", "[1, 2]", true},
        {"{\"name\":\"a\",\"name\":\"b\",\"list\":null}", "b", "", true},
        {"{\"name\":\"a\",\"name\":null}", "a", "", true},
        {"{\"name\":7}", "", "", true},
        {"{\"name\":\"a\",broken", "a", "", false},
        {"[\"name\"]", "", "", false},
        {"null", "", "", false},
        {"", "", "", false},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct view view = {0};
        cr_assert_eq(json_raw_view(str_from(cases[i].text), places, array_count(places), &view),
                     cases[i].good, "%s", cases[i].text);
        cr_assert(str_eq_c(json_raw_inside(view.name), cases[i].name), "%s", cases[i].text);
        cr_assert(str_eq_c(view.list, cases[i].list), "%s", cases[i].text);
    }
}
