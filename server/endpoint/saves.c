/* The steps of a request before its engine: each done for what is new, or, where it is switched
 * off, for everything. */
#include "saves-internal.h"

enum { TOOLSETS_MAX = 8 }; /* of one connection; the oldest goes first */

void saves_init(struct saves *saves, struct endpoint *endpoint, bool is_connection)
{
    *saves = (struct saves){.endpoint = endpoint, .is_connection = is_connection};
}

static void forget_images(struct saves *saves)
{
    images_finish(&saves->images);
    saves->images = (struct images){0};
}

void saves_finish(struct saves *saves)
{
    images_finish(&saves->images);
    vec_finish(&saves->toolsets);
    buf_finish(&saves->route_from);
    buf_finish(&saves->route);
}

static bool is_off(const struct saves *saves, enum endpoint_saving saving)
{
    return saves->endpoint->without & (1u << saving);
}

static void add(struct saves *saves, enum metric metric, uint64_t amount)
{
    metrics_add(&saves->endpoint->metrics, metric, amount);
}

/* Since `begun`; a stage may have several parts. */
static void spend(struct answer *answer, enum metric_stage stage, uint64_t begun)
{
    answer->spent_ns[stage] += time_mono_ns() - begun;
}

/* -- Routing --------------------------------------------------------------------------------------
 */

/* The same work, for who was let in long ago. */
static void check_token_again(const struct endpoint *endpoint)
{
    struct buf authorization = {0};
    struct problem problem;
    buf_append_fmt(&authorization, "Bearer %s", endpoint->token ? endpoint->token : "");
    const struct net_request_info info = {.authorization = buf_str(&authorization)};
    access_check_token(endpoint, &info, &problem);
    buf_finish(&authorization);
}

/* What a server without connections does for every request: who is it, and which model is meant? */
static void resolve(struct saves *saves, const struct request *request)
{
    const struct endpoint *endpoint = saves->endpoint;
    buf_clear(&saves->route);
    if (endpoint->engine->append_model)
        endpoint->engine->append_model(endpoint, request, &saves->route);
    else
        buf_append_c(&saves->route, endpoint_model(endpoint));
    buf_clear(&saves->route_from);
    buf_append(&saves->route_from, request->span[FIELD_MODEL]);
}

void saves_route(struct saves *saves, struct answer *answer, const struct request *request)
{
    uint64_t begun = time_mono_ns();
    bool known =
        saves->route.len > 0 && str_eq(buf_str(&saves->route_from), request->span[FIELD_MODEL]);
    if (known && !is_off(saves, ENDPOINT_ROUTING)) {
        add(saves, METRIC_ROUTES_REUSED, 1);
    } else {
        add(saves, METRIC_ROUTES_RESOLVED, 1);
        if (saves->is_connection && saves->route.len > 0)
            check_token_again(saves->endpoint);
        resolve(saves, request);
    }
    spend(answer, METRIC_STAGE_ROUTING, begun);
}

/* -- Tools and instructions -----------------------------------------------------------------------
 */

static void hash_fixed(const struct request *request, char ret_hash[SHA256_HEX_BYTES])
{
    struct buf text = {0};
    buf_append(&text, request->span[FIELD_INSTRUCTIONS]);
    buf_append(&text, request->span[FIELD_TOOLS]);
    hash_sha256_hex(buf_str(&text), ret_hash);
    buf_finish(&text);
}

static struct toolset *find_toolset(struct saves *saves, const char *hash)
{
    for (size_t i = 0; i < saves->toolsets.len; i++)
        if (str_eq_c(str_from(hash), saves->toolsets.ptr[i].hash))
            return &saves->toolsets.ptr[i];
    return NULL;
}

static size_t render_fixed(struct saves *saves, const struct request *request)
{
    struct token_list list = {0};
    struct render render = {
        .tokenizer = saves->endpoint->tokenizer, .images = &saves->images, .list = &list};
    if (request->span[FIELD_INSTRUCTIONS].len)
        render_string(&render, "system", request->span[FIELD_INSTRUCTIONS]);
    render_tools(&render, request->span[FIELD_TOOLS]);
    size_t count = render.count;
    render_finish(&render);
    vec_finish(&list);
    return count;
}

static enum status check_fixed(struct saves *saves, struct answer *answer,
                               const struct request *request, struct problem *problem)
{
    struct toolset set = {0};
    if (!request->span[FIELD_TOOLS].len && !request->span[FIELD_INSTRUCTIONS].len)
        return STATUS_OK;
    hash_fixed(request, set.hash);
    struct toolset *known = find_toolset(saves, set.hash);
    if (known)
        answer->fixed_tokens = known->tokens;
    add(saves, known ? METRIC_TOOLS_REUSED : METRIC_TOOLS_CHECKED, 1);
    if (!known || is_off(saves, ENDPOINT_VALIDATION))
        if (validate_tools(request->span[FIELD_TOOLS], "tools", problem) < 0)
            return STATUS_INVALID;
    if (known)
        return STATUS_OK;
    if (saves->toolsets.len == TOOLSETS_MAX)
        vec_remove(&saves->toolsets, 0);
    vec_push(&saves->toolsets, set);
    answer->is_new_toolset = true;
    return STATUS_OK;
}

/* -- Validation -----------------------------------------------------------------------------------
 */

static enum status check_new(struct saves *saves, const struct request *request,
                             struct problem *problem)
{
    struct str input = request->span[FIELD_INPUT], key, item;
    struct json_raw_iter iter = {.rest = input};
    enum status status = STATUS_OK;
    if (input.len == 0 || input.ptr[0] != '[')
        return STATUS_OK;
    size_t count = 0;
    for (; status == STATUS_OK && json_raw_next(&iter, &key, &item); count++)
        status = validate_item(item, count, &saves->images, problem);
    add(saves, METRIC_ITEMS_CHECKED, count);
    return status;
}

/* As if all of it had come again. */
static enum status check_history(struct saves *saves, const struct record *parent,
                                 struct problem *problem)
{
    struct record_walk walk;
    struct str item;
    enum status status = STATUS_OK;
    size_t count = 0;
    forget_images(saves);
    record_walk_init(&walk, parent, NULL);
    for (; status == STATUS_OK && record_walk_next(&walk, &item); count++)
        status = validate_item(item, count, &saves->images, problem);
    record_walk_finish(&walk);
    add(saves, METRIC_ITEMS_CHECKED, count);
    return status == STATUS_OK ? validate_calls(parent, problem) : status;
}

enum status saves_validate(struct saves *saves, struct answer *answer,
                           const struct request *request, struct problem *problem)
{
    uint64_t begun = time_mono_ns();
    const struct record *parent = answer->record->parent;
    struct images *images = &saves->images;
    size_t decoded = images->decoded, reused = images->reused;
    enum status status = STATUS_OK;
    if (parent && is_off(saves, ENDPOINT_VALIDATION)) {
        status = check_history(saves, parent, problem);
        decoded = reused = 0;
    } else if (parent) {
        add(saves, METRIC_ITEMS_SPARED, parent->item_count);
    }
    if (status == STATUS_OK)
        status = check_fixed(saves, answer, request, problem);
    if (status == STATUS_OK)
        status = check_new(saves, request, problem);
    add(saves, METRIC_IMAGES_DECODED, images->decoded - decoded);
    add(saves, METRIC_IMAGES_REUSED, images->reused - reused);
    spend(answer, METRIC_STAGE_VALIDATION, begun);
    return status;
}

void saves_append_unchecked(const struct saves *saves, const struct record *record, struct buf *buf)
{
    if (is_off(saves, ENDPOINT_VALIDATION)) {
        record_walk_append(buf, record);
        return;
    }
    buf_append_byte(buf, '[');
    buf_append(buf, buf_str(&record->input.text));
    buf_append_byte(buf, ']');
}

/* -- Rendering ------------------------------------------------------------------------------------
 */

static size_t render_items(struct saves *saves, const struct items *items, struct token_list *list)
{
    struct render render = {
        .tokenizer = saves->endpoint->tokenizer, .images = &saves->images, .list = list};
    for (size_t i = 0; i < items->spans.len; i++)
        render_item(&render, items_at(items, i));
    size_t count = render.count;
    render_finish(&render);
    return count;
}

/* Appended to those of the ancestors, which are not looked at. A record that came out of a store
 * has none yet. */
static size_t render_record(struct saves *saves, struct record *record)
{
    VEC(struct record *) cold = {0};
    size_t count = 0, rendered = 0;
    for (struct record *r = record; r; r = r->parent) {
        if (r->is_rendered) {
            count = r->token_count;
            break;
        }
        vec_push(&cold, r);
    }
    add(saves, METRIC_TOKENS_KEPT, count);
    while (cold.len > 0) {
        struct record *r = vec_pop(&cold);
        size_t own = render_items(saves, &r->input, &r->tokens) +
                     render_items(saves, &r->output, &r->tokens);
        rendered += own;
        count += own;
        r->token_count = count;
        r->is_rendered = true;
        record_recount(r);
    }
    add(saves, METRIC_TOKENS_RENDERED, rendered);
    vec_finish(&cold);
    return count;
}

static size_t render_everything(struct saves *saves, const struct record *record)
{
    struct token_list list = {0};
    struct record_walk walk;
    struct str item;
    struct render render = {
        .tokenizer = saves->endpoint->tokenizer, .images = &saves->images, .list = &list};
    record_walk_init(&walk, record, NULL);
    while (record_walk_next(&walk, &item))
        render_item(&render, item);
    record_walk_finish(&walk);
    size_t count = render.count;
    render_finish(&render);
    vec_finish(&list);
    return count;
}

void saves_render(struct saves *saves, struct answer *answer, const struct request *request)
{
    uint64_t begun = time_mono_ns();
    struct record *record = answer->record;
    bool off = is_off(saves, ENDPOINT_TOKENS);
    if (answer->is_new_toolset || (off && request->span[FIELD_TOOLS].len)) {
        answer->fixed_tokens = render_fixed(saves, request);
        add(saves, METRIC_TOKENS_RENDERED, answer->fixed_tokens);
    }
    if (answer->is_new_toolset)
        vec_last(&saves->toolsets).tokens = answer->fixed_tokens;
    if (off) {
        record->token_count = render_everything(saves, record);
        add(saves, METRIC_TOKENS_RENDERED, record->token_count);
    } else {
        render_record(saves, record);
    }
    answer->held_tokens = record->parent ? record->parent->token_count : 0;
    spend(answer, METRIC_STAGE_RENDER, begun);
}

/* The reasoning alone, or everything else. */
static size_t render_output(struct saves *saves, struct record *record, bool reasoning)
{
    struct render render = {
        .tokenizer = saves->endpoint->tokenizer, .images = &saves->images, .list = &record->tokens};
    for (size_t i = 0; i < record->output.spans.len; i++) {
        struct str item = items_at(&record->output, i), type = {0};
        json_raw_member(item, "type", &type);
        if (str_eq_c(type, "\"reasoning\"") == reasoning)
            render_item(&render, item);
    }
    size_t count = render.count;
    render_finish(&render);
    return count;
}

void saves_render_output(struct saves *saves, struct answer *answer)
{
    uint64_t begun = time_mono_ns();
    struct record *record = answer->record;
    answer->reasoning_tokens = render_output(saves, record, true);
    answer->output_tokens = render_output(saves, record, false) + answer->reasoning_tokens;
    add(saves, METRIC_TOKENS_RENDERED, answer->output_tokens);
    record->token_count += answer->output_tokens;
    record_recount(record);
    spend(answer, METRIC_STAGE_RENDER, begun);
}

enum status saves_count(struct endpoint *endpoint, const struct request *request,
                        struct record *parent, size_t *ret_tokens, struct problem *problem)
{
    struct saves saves;
    saves_init(&saves, endpoint, false);
    enum status status = validate_tools(request->span[FIELD_TOOLS], "tools", problem);
    if (status == STATUS_OK)
        status = check_new(&saves, request, problem);
    if (status == STATUS_OK) {
        struct record *record = record_new(&endpoint->held, 0, parent);
        record_add_input(record, request->span[FIELD_INPUT]);
        *ret_tokens = render_fixed(&saves, request) + render_record(&saves, record);
        record_unref(record);
    }
    saves_finish(&saves);
    return status;
}
