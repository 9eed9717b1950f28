#include <lanebridge/json.h>

#include <math.h>
#include <string.h>

enum { SHOWN_BYTES = 60 };

static const char *const type_names[] = {
    [JSON_NULL] = "null",       [JSON_BOOL] = "true or false", [JSON_NUMBER] = "a number",
    [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",     [JSON_OBJECT] = "an object",
};

/* What a field of each kind must be. */
static const struct {
    enum json_type type;
    const char *name;
} kinds[] = {
    [JSON_FIELD_STR] = {JSON_STRING, "a string"},
    [JSON_FIELD_BOOL] = {JSON_BOOL, "true or false"},
    [JSON_FIELD_INT] = {JSON_NUMBER, "an integer within 2^53"},
    [JSON_FIELD_DOUBLE] = {JSON_NUMBER, "a number"},
    [JSON_FIELD_ARRAY] = {JSON_ARRAY, "an array"},
    [JSON_FIELD_OBJECT] = {JSON_OBJECT, "an object"},
    [JSON_FIELD_ANY] = {JSON_NULL, "any value"},
};

static bool is_safe_integer(const struct json_value *value)
{
    double number = json_number(value, NAN);
    return number == trunc(number) && json_int(value, INT64_MAX) <= INT64_C(1) << 53 &&
           json_int(value, INT64_MIN) >= -(INT64_C(1) << 53);
}

static enum status wrong_kind(const struct json_field *field, const struct json_value *value,
                              struct err *err)
{
    enum json_type type = json_type_of(value);
    if (type != JSON_NUMBER)
        return err_set(err, STATUS_INVALID, "\"%s\" is %s; it must be %s", field->name,
                       type_names[type], kinds[field->kind].name);
    struct buf number = {0};
    json_append(&number, value);
    err_set(err, STATUS_INVALID, "\"%s\" is %s; it must be %s", field->name, number.ptr,
            kinds[field->kind].name);
    buf_finish(&number);
    return STATUS_INVALID;
}

static void store(const struct json_field *field, const struct json_value *value, void *ret_struct)
{
    char *at = (char *)ret_struct + field->offset;
    switch (field->kind) {
    case JSON_FIELD_STR:
        *(struct str *)(void *)at = json_str(value);
        break;
    case JSON_FIELD_BOOL:
        *(bool *)(void *)at = json_bool(value, false);
        break;
    case JSON_FIELD_INT:
        *(int64_t *)(void *)at = json_int(value, 0);
        break;
    case JSON_FIELD_DOUBLE:
        *(double *)(void *)at = json_number(value, 0);
        break;
    case JSON_FIELD_ARRAY:
    case JSON_FIELD_OBJECT:
    case JSON_FIELD_ANY:
        *(const struct json_value **)(void *)at = value;
        break;
    }
}

static enum status read_field(const struct json_value *object, const struct json_field *field,
                              void *ret_struct, struct err *err)
{
    const struct json_value *value = json_get(object, field->name);
    bool absent = !value || (json_is(value, JSON_NULL) && field->kind != JSON_FIELD_ANY);
    if (absent && field->need == JSON_OPTIONAL)
        return STATUS_OK;
    if (!value)
        return err_set(err, STATUS_INVALID, "\"%s\" is missing; it must be %s", field->name,
                       kinds[field->kind].name);
    bool fits = field->kind == JSON_FIELD_ANY || json_is(value, kinds[field->kind].type);
    if (!fits || (field->kind == JSON_FIELD_INT && !is_safe_integer(value)))
        return wrong_kind(field, value, err);
    store(field, value, ret_struct);
    return STATUS_OK;
}

enum status json_read(const struct json_value *object, const struct json_field *fields,
                      size_t field_count, void *ret_struct, struct err *err)
{
    if (!json_is(object, JSON_OBJECT))
        return err_set(err, STATUS_INVALID, "expected an object, found %s",
                       object ? type_names[json_type_of(object)] : "nothing");
    for (size_t i = 0; i < field_count; i++) {
        enum status status = read_field(object, &fields[i], ret_struct, err);
        if (status < 0)
            return status;
    }
    return STATUS_OK;
}

static const struct json_field *find_field(struct str key, const struct json_field *fields,
                                           size_t field_count)
{
    for (size_t i = 0; i < field_count; i++)
        if (str_eq_c(key, fields[i].name))
            return &fields[i];
    return NULL;
}

static enum status unknown_member(struct str key, const struct json_field *fields,
                                  size_t field_count, struct err *err)
{
    struct buf known = {0};
    for (size_t i = 0; i < field_count; i++)
        buf_append_fmt(&known, "%s\"%s\"", i ? ", " : "", fields[i].name);
    struct str shown = str_slice(key, 0, utf8_floor(key, SHOWN_BYTES));
    err_set(err, STATUS_INVALID, "\"" STR_FMT "\" is not known here; known are: %s", STR_ARG(shown),
            field_count ? known.ptr : "none");
    buf_finish(&known);
    return STATUS_INVALID;
}

/* Of a member written twice the first would win in silence. */
static enum status check_member(const struct json_value *object, const struct json_value *child,
                                const struct json_field *fields, size_t field_count,
                                struct err *err)
{
    const struct json_field *field = find_field(json_key(child), fields, field_count);
    if (!field)
        return unknown_member(json_key(child), fields, field_count, err);
    if (json_get(object, field->name) != child)
        return err_set(err, STATUS_INVALID, "\"%s\" is given twice; keep one", field->name);
    return STATUS_OK;
}

enum status json_read_strict(const struct json_value *object, const struct json_field *fields,
                             size_t field_count, void *ret_struct, struct err *err)
{
    const struct json_value *child = json_is(object, JSON_OBJECT) ? json_first(object) : NULL;
    for (; child; child = json_next(child)) {
        enum status status = check_member(object, child, fields, field_count, err);
        if (status < 0)
            return status;
    }
    return json_read(object, fields, field_count, ret_struct, err);
}
