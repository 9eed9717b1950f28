/* The built-in rules: enough to see a client work, with nothing behind it, and saying so. */
#include "endpoint-internal.h"

enum { SCHEMA_DEPTH = 16, QUOTE_BYTES = 200 };
static const struct id_place nowhere = {0};
static const char fingerprint[] = "rules0";

/* -- Arguments that fit a schema ------------------------------------------------------------------
 */

static void write_fitting(struct json_writer *w, const struct json_value *schema,
                          const struct json_value *root, int depth);

/* "#/$defs/name": the only form that tools' schemas use. */
static const struct json_value *resolve(const struct json_value *schema,
                                        const struct json_value *root)
{
    struct str rest = json_get_str(schema, "$ref"), piece;
    if (!str_starts_with(rest, STR("#/")))
        return NULL;
    rest = str_skip(rest, 2);
    while (root && str_next(&rest, '/', &piece)) {
        char *key = str_dup_c(piece);
        root = json_get(root, key);
        mem_free(key);
    }
    return root;
}

static void write_object(struct json_writer *w, const struct json_value *schema,
                         const struct json_value *root, int depth)
{
    const struct json_value *properties = json_get(schema, "properties");
    json_write_begin_object(w);
    for (const struct json_value *r = json_first(json_get(schema, "required")); r;
         r = json_next(r)) {
        char *key = str_dup_c(json_str(r));
        json_write_key_str(w, json_str(r));
        write_fitting(w, json_get(properties, key), root, depth + 1);
        mem_free(key);
    }
    json_write_end_object(w);
}

static void write_array(struct json_writer *w, const struct json_value *schema,
                        const struct json_value *root, int depth)
{
    int64_t count = json_get_int(schema, "minItems", 0);
    json_write_begin_array(w);
    for (int64_t i = 0; i < count && i < 16; i++)
        write_fitting(w, json_get(schema, "items"), root, depth + 1);
    json_write_end_array(w);
}

static void write_string(struct json_writer *w, const struct json_value *schema)
{
    struct buf text = {0};
    int64_t least = json_get_int(schema, "minLength", 0),
            most = json_get_int(schema, "maxLength", 64);
    buf_append_c(&text, "example");
    if (least > (int64_t)text.len && least <= 4096)
        buf_append_repeat(&text, 'x', (size_t)least - text.len);
    if (most >= 0 && most < (int64_t)text.len)
        buf_truncate(&text, (size_t)most);
    json_write_str(w, buf_str(&text));
    buf_finish(&text);
}

static void write_number(struct json_writer *w, const struct json_value *schema)
{
    const struct json_value *least = json_get(schema, "minimum"),
                            *most = json_get(schema, "maximum");
    if (least)
        json_write_value(w, least);
    else if (most && json_number(most, 1) < 1)
        json_write_value(w, most);
    else
        json_write_int(w, 1);
}

/* Of several types null is the one that needs no guess. */
static struct str type_of(const struct json_value *schema)
{
    const struct json_value *type = json_get(schema, "type");
    if (!json_is(type, JSON_ARRAY))
        return json_str(type);
    for (const struct json_value *t = json_first(type); t; t = json_next(t))
        if (str_eq_c(json_str(t), "null"))
            return STR("null");
    return json_str(json_first(type));
}

static const struct json_value *choice_of(const struct json_value *schema)
{
    static const char *const keys[] = {"enum", "examples"};
    const struct json_value *constant = json_get(schema, "const");
    for (size_t i = 0; !constant && i < array_count(keys); i++)
        constant = json_first(json_get(schema, keys[i]));
    return constant;
}

static const struct json_value *branch_of(const struct json_value *schema,
                                          const struct json_value *root)
{
    static const char *const keys[] = {"anyOf", "oneOf", "allOf"};
    const struct json_value *branch = resolve(schema, root);
    for (size_t i = 0; !branch && i < array_count(keys); i++)
        branch = json_first(json_get(schema, keys[i]));
    return branch;
}

static void write_fitting(struct json_writer *w, const struct json_value *schema,
                          const struct json_value *root, int depth)
{
    const struct json_value *choice = choice_of(schema), *branch = branch_of(schema, root);
    struct str type = type_of(schema);
    if (depth > SCHEMA_DEPTH)
        json_write_null(w);
    else if (choice)
        json_write_value(w, choice);
    else if (branch)
        write_fitting(w, branch, root, depth + 1);
    else if (str_eq_c(type, "object") || json_get(schema, "properties"))
        write_object(w, schema, root, depth);
    else if (str_eq_c(type, "array"))
        write_array(w, schema, root, depth);
    else if (str_eq_c(type, "integer") || str_eq_c(type, "number"))
        write_number(w, schema);
    else if (str_eq_c(type, "boolean"))
        json_write_bool(w, false);
    else if (str_eq_c(type, "null"))
        json_write_null(w);
    else
        write_string(w, schema);
}

/* -- Plan -----------------------------------------------------------------------------------------
 */

static bool add_call(struct str tools, struct plan *plan)
{
    struct json_value *list = NULL;
    const struct json_value *tool = NULL;
    if (tools.len && json_parse(tools, &list, NULL) == STATUS_OK)
        tool = json_first(list);
    while (tool && !str_eq_c(json_get_str(tool, "type"), "function"))
        tool = json_next(tool);
    if (tool) {
        const struct json_value *schema = json_get(tool, "parameters");
        struct plan_item *item = plan_add(plan, ITEM_FUNCTION_CALL);
        struct json_writer w;
        json_writer_init(&w, &item->owned);
        if (json_is(schema, JSON_OBJECT))
            write_fitting(&w, schema, schema, 0);
        else
            json_write_raw(&w, STR("{}"));
        size_t arguments = item->owned.len;
        buf_append(&item->owned, json_get_str(tool, "name"));
        item->text = str_slice(buf_str(&item->owned), 0, arguments);
        item->name = str_skip(buf_str(&item->owned), arguments);
        endpoint_id_make(item->id, "fc", fingerprint, nowhere);
        endpoint_id_make(item->call_id, "call", fingerprint, nowhere);
    }
    json_free(list);
    return tool != NULL;
}

static struct buf *add_message(struct plan *plan)
{
    struct plan_item *item = plan_add(plan, ITEM_MESSAGE);
    endpoint_id_make(item->id, "msg", fingerprint, nowhere);
    return &item->owned;
}

static void add_quote(const struct intake *intake, struct buf *text)
{
    struct buf output = {0};
    intake_append_output(&vec_last(&intake->outputs), &output);
    struct str start = str_slice(buf_str(&output), 0, utf8_floor(buf_str(&output), QUOTE_BYTES));
    buf_append_fmt(text, "The call was answered with: " STR_FMT "%s\n\n", STR_ARG(start),
                   output.len > start.len ? "…" : "");
    buf_append_c(text, "(Said by the built-in rules of this endpoint; no model is behind it.)");
    buf_finish(&output);
}

static void fill_plan(const struct request *request, const struct intake *intake,
                      const struct record *record, struct plan *plan)
{
    struct str tools = request->span[FIELD_TOOLS];
    if (!request->generate || (intake->ends_with_user && add_call(tools, plan)) ||
        (intake->ends_with_user && record->tools && add_call(record->tools->text, plan)))
        return;
    struct buf *text = add_message(plan);
    if (intake->outputs.len > 0 && !intake->ends_with_user)
        add_quote(intake, text);
    else
        buf_append_c(text, "Hello. This is Lanebridge's local endpoint with its built-in rules: no "
                           "model is behind this answer.");
    vec_last(&plan->items).text = buf_str(text);
}

static enum status rules_plan(struct answer *answer, const struct request *request,
                              const struct intake *intake, const struct record *parent,
                              struct problem *problem)
{
    struct record *record = answer->record;
    if (intake->tools.len) {
        shared_unref(record->tools);
        record->tools = shared_new(intake->tools);
    }
    answer->plan.pace.chunk = 40;
    fill_plan(request, intake, record, &answer->plan);
    plan_complete(&answer->plan);
    return STATUS_OK;
}

const struct engine engine_rules = {
    .about = "built-in rules, no model is behind them",
    .usage = "estimate: bytes / 4",
    .compacts = true,
    .plan = rules_plan,
};
