#include <criterion/criterion.h>
#include <string.h>

#include <lanebridge/json.h>

TestSuite(json_read, .timeout = 10);

struct args {
    struct str path;
    bool all;
    int64_t limit;
    double ratio;
    const struct json_value *list, *object, *any;
};

static const struct json_field fields[] = {
    {"path", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct args, path)},
    {"all", JSON_FIELD_BOOL, JSON_OPTIONAL, offsetof(struct args, all)},
    {"limit", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct args, limit)},
    {"ratio", JSON_FIELD_DOUBLE, JSON_OPTIONAL, offsetof(struct args, ratio)},
    {"list", JSON_FIELD_ARRAY, JSON_OPTIONAL, offsetof(struct args, list)},
    {"object", JSON_FIELD_OBJECT, JSON_OPTIONAL, offsetof(struct args, object)},
    {"any", JSON_FIELD_ANY, JSON_OPTIONAL, offsetof(struct args, any)},
};

static struct json_value *parse(const char *text)
{
    struct json_value *value = NULL;
    cr_assert_eq(json_parse(str_from(text), &value, NULL), STATUS_OK, "%s", text);
    return value;
}

Test(json_read, fills_the_struct)
{
    struct json_value *v =
        parse("{\"path\":\"a.c\",\"all\":true,\"limit\":-9007199254740992,"
              "\"ratio\":0.5,\"list\":[1],\"object\":{},\"any\":null,\"more\":1}");
    struct args args = {0};
    cr_assert_eq(json_read(v, fields, array_count(fields), &args, NULL), STATUS_OK);
    cr_assert(str_eq(args.path, STR("a.c")));
    cr_assert(args.all);
    cr_assert_eq(args.limit, -9007199254740992);
    cr_assert_eq(args.ratio, 0.5);
    cr_assert_eq(json_count(args.list), 1);
    cr_assert(json_is(args.object, JSON_OBJECT));
    cr_assert(json_is(args.any, JSON_NULL));
    json_free(v);
}

Test(json_read, absent_and_null_leave_defaults)
{
    struct json_value *v = parse("{\"path\":\"\",\"limit\":null,\"list\":null}");
    struct args args = {.limit = 5, .ratio = 1.5, .all = true};
    cr_assert_eq(json_read_strict(v, fields, array_count(fields), &args, NULL), STATUS_OK);
    cr_assert_eq(args.limit, 5);
    cr_assert_eq(args.ratio, 1.5);
    cr_assert(args.all);
    cr_assert_null(args.list);
    cr_assert_null(args.any);
    json_free(v);
}

Test(json_read, errors_name_the_field)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"{}", "\"path\" is missing; it must be a string"},
        {"{\"path\":null}", "\"path\" is null; it must be a string"},
        {"{\"path\":7}", "\"path\" is 7; it must be a string"},
        {"{\"path\":\"\",\"all\":1}", "\"all\" is 1; it must be true or false"},
        {"{\"path\":\"\",\"limit\":1.5}", "\"limit\" is 1.5; it must be an integer within 2^53"},
        {"{\"path\":\"\",\"limit\":\"5\"}", "\"limit\" is a string; it must be an integer"},
        {"{\"path\":\"\",\"limit\":9007199254740993}", "\"limit\" is 9007199254740993; it must be"},
        {"{\"path\":\"\",\"limit\":-1e300}", "\"limit\" is -1e+300; it must be"},
        {"{\"path\":\"\",\"ratio\":\"x\"}", "\"ratio\" is a string; it must be a number"},
        {"{\"path\":\"\",\"list\":{}}", "\"list\" is an object; it must be an array"},
        {"{\"path\":\"\",\"object\":[]}", "\"object\" is an array; it must be an object"},
        {"[]", "expected an object, found an array"},
        {"null", "expected an object, found null"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct json_value *v = parse(cases[i].text);
        struct args args = {0};
        struct err err = {0};
        cr_assert_eq(json_read(v, fields, array_count(fields), &args, &err), STATUS_INVALID);
        cr_assert(strstr(err.text, cases[i].error), "%s gave: %s", cases[i].text, err.text);
        json_free(v);
    }
    struct err err = {0};
    cr_assert_eq(json_read(NULL, fields, array_count(fields), NULL, &err), STATUS_INVALID);
    cr_assert_str_eq(err.text, "expected an object, found nothing");
}

Test(json_read, strict_names_the_unknown_and_the_known)
{
    struct json_value *v = parse("{\"path\":\"\",\"pth\":1}");
    struct args args = {0};
    struct err err = {0};
    cr_assert_eq(json_read(v, fields, 2, &args, &err), STATUS_OK);
    cr_assert_eq(json_read_strict(v, fields, 2, &args, &err), STATUS_INVALID);
    cr_assert_str_eq(err.text, "\"pth\" is not known here; known are: \"path\", \"all\"");
    cr_assert_eq(json_read_strict(v, fields, 0, &args, &err), STATUS_INVALID);
    cr_assert_str_eq(err.text, "\"path\" is not known here; known are: none");
    json_free(v);
    struct json_value *twice = parse("{\"path\":\"a\",\"all\":true,\"path\":\"b\"}");
    cr_assert_eq(json_read_strict(twice, fields, 2, &args, &err), STATUS_INVALID);
    cr_assert_str_eq(err.text, "\"path\" is given twice; keep one");
    cr_assert_eq(json_read(twice, fields, 2, &args, &err), STATUS_OK);
    cr_assert(str_eq(args.path, STR("a")));
    json_free(twice);
    struct json_value *list = parse("[1]");
    cr_assert_eq(json_read_strict(list, fields, 2, &args, &err), STATUS_INVALID);
    cr_assert_str_eq(err.text, "expected an object, found an array");
    json_free(list);
}
