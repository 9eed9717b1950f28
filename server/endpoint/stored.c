/* What is asked for by id: stored responses and the items they came from. */
#include <stdio.h>
#include <string.h>

#include "saves-internal.h"

enum { PAGE_COUNT = 20, PAGE_MAX_COUNT = 100, ITEM_ID_BYTES = ENDPOINT_ID_BYTES + 32 };

static void reply_json(struct endpoint *endpoint, struct net_server_request *request,
                       struct str body)
{
    endpoint_note(endpoint, true, body);
    net_request_reply(request, 200, "application/json", NULL, 0, body);
}

static struct record *find(struct endpoint *endpoint, struct str id, struct problem *problem)
{
    struct record *record = store_find(&endpoint->store, id);
    if (!record)
        problem_set(problem, PROBLEM_NO_RESPONSE, NULL, "Response with id '" STR_FMT "' not found.",
                    STR_ARG(str_slice(id, 0, utf8_floor(id, ENDPOINT_ID_BYTES))));
    return record;
}

/* -- Queries --------------------------------------------------------------------------------------
 */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void decode(struct str text, struct buf *buf)
{
    buf_append_c(buf, "");
    for (size_t i = 0; i < text.len; i++) {
        bool coded = text.ptr[i] == '%' && i + 2 < text.len && hex_value(text.ptr[i + 1]) >= 0 &&
                     hex_value(text.ptr[i + 2]) >= 0;
        if (coded)
            buf_append_byte(buf,
                            (char)(hex_value(text.ptr[i + 1]) * 16 + hex_value(text.ptr[i + 2])));
        else
            buf_append_byte(buf, text.ptr[i]);
        i += coded ? 2 : 0;
    }
}

/* False if it is not there. */
static bool query_get(struct str query, const char *name, struct buf *ret_value)
{
    struct str pair;
    while (str_next(&query, '&', &pair)) {
        size_t equals = str_find_byte(pair, '=', 0);
        if (equals == STR_NONE || !str_eq_c(str_slice(pair, 0, equals), name))
            continue;
        buf_clear(ret_value);
        decode(str_skip(pair, equals + 1), ret_value);
        return true;
    }
    return false;
}

/* -- One response ---------------------------------------------------------------------------------
 */

void stored_get(struct endpoint *endpoint, struct net_server_request *request,
                const struct net_request_info *info, struct str id)
{
    struct problem problem;
    struct buf stream = {0};
    struct record *record = find(endpoint, id, &problem);
    bool streams =
        query_get(info->query, "stream", &stream) && !str_eq_c(buf_str(&stream), "false");
    buf_finish(&stream);
    if (record && streams) {
        problem_set(&problem, PROBLEM_UNSUPPORTED_PARAMETER, "stream",
                    "Only background responses can be streamed again, and this endpoint has none: "
                    "leave 'stream' out.");
        record = NULL;
    }
    if (record)
        reply_json(endpoint, request, record->response->text);
    else
        problem_reply(request, &problem, NULL);
}

struct removal {
    struct guest guest;
    struct endpoint *endpoint;
    struct net_server_request *http;
    struct keeper_job *job;
    char id[ENDPOINT_ID_BYTES];
};

static void reply_deleted(struct endpoint *endpoint, struct net_server_request *http, struct str id)
{
    struct buf body = {0};
    buf_append_fmt(&body, "{\"id\":\"" STR_FMT "\",\"object\":\"response\",\"deleted\":true}",
                   STR_ARG(id));
    reply_json(endpoint, http, buf_str(&body));
    buf_finish(&body);
}

static void removal_free(struct removal *removal)
{
    struct endpoint *endpoint = removal->endpoint;
    for (size_t i = 0; i < endpoint->removals.len; i++)
        if (endpoint->removals.ptr[i] == removal)
            vec_remove(&endpoint->removals, i--);
    if (removal->job)
        keeper_forget(removal->job);
    mem_free(removal);
}

static void on_removed(void *user, enum status status)
{
    struct removal *removal = user;
    removal->job = NULL;
    if (status == STATUS_OK) {
        reply_deleted(removal->endpoint, removal->http, str_from(removal->id));
    } else {
        struct problem problem;
        problem_set(&problem, PROBLEM_NOT_STORED, NULL, "The response could not be deleted.");
        problem_reply(removal->http, &problem, NULL);
    }
    removal_free(removal);
}

static void on_closed(struct guest *guest)
{
    removal_free(container_of(guest, struct removal, guest));
}

void stored_forget_removals(struct endpoint *endpoint)
{
    while (endpoint->removals.len > 0)
        removal_free(vec_last(&endpoint->removals));
    vec_finish(&endpoint->removals);
}

/* It is told as done when it is. */
void stored_delete(struct endpoint *endpoint, struct net_server_request *request,
                   const struct net_request_info *info, struct str id)
{
    struct problem problem;
    if (!find(endpoint, id, &problem)) {
        problem_reply(request, &problem, NULL);
        return;
    }
    struct removal *removal = mem_new(struct removal);
    *removal =
        (struct removal){.guest.on_closed = on_closed, .endpoint = endpoint, .http = request};
    snprintf(removal->id, sizeof(removal->id), STR_FMT, STR_ARG(id));
    for (size_t i = 0; i < endpoint->conns.len; i++)
        conn_forget(endpoint->conns.ptr[i], str_from(removal->id));
    vec_push(&endpoint->removals, removal);
    net_request_set_user(request, &removal->guest);
    store_remove(&endpoint->store, str_from(removal->id), on_removed, removal, &removal->job);
    if (!removal->job)
        on_removed(removal, STATUS_OK);
}

/* -- Input items ----------------------------------------------------------------------------------
 */

struct listed {
    struct str item;
    char id[ITEM_ID_BYTES];
};
struct page {
    VEC(struct listed) items; /* all of them, in the order that was asked for */
    struct buf after, before, order, limit;
    size_t from, to;
};

static void page_finish(struct page *page)
{
    vec_finish(&page->items);
    buf_finish(&page->after);
    buf_finish(&page->before);
    buf_finish(&page->order);
    buf_finish(&page->limit);
}

/* The item's own id, or one that is always the same. */
static void name_item(struct listed *listed, const struct record *record, size_t index)
{
    struct str id;
    bool own = listed->item.ptr[0] == '{' &&
               json_raw_member(listed->item, "id", &id) == STATUS_OK && id.len > 2 &&
               id.ptr[0] == '"' && id.len < sizeof(listed->id);
    if (own)
        snprintf(listed->id, sizeof(listed->id), STR_FMT, STR_ARG(str_slice(id, 1, id.len - 1)));
    else
        snprintf(listed->id, sizeof(listed->id), "item_%s_%zu", record->id, index);
}

/* Everything the response was made from: what came before it, too. */
static void collect(struct page *page, const struct record *last)
{
    struct record_walk walk;
    struct listed listed;
    record_walk_init(&walk, last, NULL);
    while (record_walk_next(&walk, &listed.item) && !(walk.record == last && walk.is_output)) {
        name_item(&listed, walk.record, walk.index);
        vec_push(&page->items, listed);
    }
    record_walk_finish(&walk);
    if (str_eq_c(buf_str(&page->order), "asc"))
        return;
    for (size_t i = 0, j = page->items.len; i + 1 < j; i++) {
        struct listed swapped = page->items.ptr[--j];
        page->items.ptr[j] = page->items.ptr[i];
        page->items.ptr[i] = swapped;
    }
}

static enum status find_cursor(const struct page *page, const struct buf *id, const char *param,
                               size_t *ret_index, struct problem *problem)
{
    for (size_t i = 0; i < page->items.len; i++)
        if (str_eq_c(buf_str(id), page->items.ptr[i].id)) {
            *ret_index = i;
            return STATUS_OK;
        }
    return problem_set(problem, PROBLEM_INVALID, param,
                       "There is no item '" STR_FMT "' in the input of that response.",
                       STR_ARG(str_slice(buf_str(id), 0, utf8_floor(buf_str(id), 80))));
}

static enum status read_page(struct page *page, struct str query, const struct record *record,
                             struct problem *problem)
{
    int64_t limit = PAGE_COUNT;
    bool ordered = query_get(query, "order", &page->order);
    if (ordered && !str_eq_c(buf_str(&page->order), "asc") &&
        !str_eq_c(buf_str(&page->order), "desc"))
        return problem_set(problem, PROBLEM_INVALID, "order",
                           "Invalid value for 'order': use 'asc' or 'desc'.");
    if (query_get(query, "limit", &page->limit) &&
        (!str_to_int64(buf_str(&page->limit), &limit) || limit < 1 || limit > PAGE_MAX_COUNT))
        return problem_set(problem, PROBLEM_INVALID, "limit",
                           "Invalid value for 'limit': use a number from 1 to %d.", PAGE_MAX_COUNT);
    collect(page, record);
    size_t at, count = (size_t)limit;
    page->to = page->items.len;
    if (query_get(query, "after", &page->after)) {
        if (find_cursor(page, &page->after, "after", &at, problem) < 0)
            return STATUS_INVALID;
        page->from = at + 1;
    }
    if (query_get(query, "before", &page->before)) {
        if (find_cursor(page, &page->before, "before", &page->to, problem) < 0)
            return STATUS_INVALID;
        if (page->to > count && page->after.len == 0)
            page->from = page->to - count;
    }
    if (page->from > page->to)
        page->from = page->to;
    if (page->to > page->from + count)
        page->to = page->from + count;
    return STATUS_OK;
}

/* A text instead of a list of parts is one part. */
static void write_content(struct json_writer *w, struct str content, bool assistant)
{
    if (content.ptr[0] != '"') {
        json_write_raw(w, content);
        return;
    }
    json_write_begin_array(w);
    json_write_begin_object(w);
    json_write_field_c(w, "type", assistant ? "output_text" : "input_text");
    json_write_field_raw(w, "text", content);
    if (assistant)
        json_write_field_raw(w, "annotations", STR("[]"));
    json_write_end_object(w);
    json_write_end_array(w);
}

static void write_item(struct json_writer *w, const struct listed *listed)
{
    struct str role = {0}, type = {0}, status, key, value;
    json_raw_member(listed->item, "role", &role);
    json_raw_member(listed->item, "type", &type);
    bool message = role.len && (type.len == 0 || str_eq_c(type, "\"message\""));
    struct json_raw_iter iter = {.rest = listed->item};
    json_write_begin_object(w);
    json_write_field_c(w, "id", listed->id);
    if (message && type.len == 0)
        json_write_field_c(w, "type", "message");
    if (message && json_raw_member(listed->item, "status", &status) < 0)
        json_write_field_c(w, "status", "completed");
    while (json_raw_next(&iter, &key, &value)) {
        if (json_raw_key_is(key, "id"))
            continue;
        buf_append_fmt(w->buf, ",\"" STR_FMT "\":", STR_ARG(key));
        w->need_comma = false;
        if (message && json_raw_key_is(key, "content"))
            write_content(w, value, str_eq_c(role, "\"assistant\""));
        else
            json_write_raw(w, value);
        w->need_comma = true;
    }
    json_write_end_object(w);
}

static void append_page(struct buf *body, const struct page *page)
{
    bool some = page->to > page->from, backwards = page->before.len > 0 && page->after.len == 0;
    struct json_writer w;
    json_writer_init(&w, body);
    json_write_begin_object(&w);
    json_write_field_c(&w, "object", "list");
    json_write_key(&w, "data");
    json_write_begin_array(&w);
    for (size_t i = page->from; i < page->to; i++)
        write_item(&w, &page->items.ptr[i]);
    json_write_end_array(&w);
    json_write_field_c(&w, "first_id", some ? page->items.ptr[page->from].id : NULL);
    json_write_field_c(&w, "last_id", some ? page->items.ptr[page->to - 1].id : NULL);
    json_write_field_bool(&w, "has_more", backwards ? page->from > 0 : page->to < page->items.len);
    json_write_end_object(&w);
}

void stored_list_items(struct endpoint *endpoint, struct net_server_request *request,
                       const struct net_request_info *info, struct str id)
{
    struct problem problem;
    struct page page = {0};
    struct buf body = {0};
    const struct record *record = find(endpoint, id, &problem);
    if (record && read_page(&page, info->query, record, &problem) == STATUS_OK) {
        append_page(&body, &page);
        reply_json(endpoint, request, buf_str(&body));
    } else {
        problem_reply(request, &problem, NULL);
    }
    page_finish(&page);
    buf_finish(&body);
}

/* -- Tokens ---------------------------------------------------------------------------------------
 */

void stored_count_tokens(struct endpoint *endpoint, struct net_server_request *http,
                         const struct net_request_info *info, struct str id)
{
    struct request request;
    struct problem problem;
    struct buf body = {0};
    struct record *parent = NULL;
    endpoint_note(endpoint, false, info->body);
    enum status status = request_read(&request, info->body, &problem);
    struct str previous = request_inner(&request, FIELD_PREVIOUS);
    if (status == STATUS_OK && previous.len) {
        parent = store_find_parent(&endpoint->store, previous);
        if (!parent)
            status = problem_set_parent(&problem, previous);
    }
    size_t tokens = 0;
    if (status == STATUS_OK)
        status = saves_count(endpoint, &request, parent, &tokens, &problem);
    buf_append_fmt(&body, "{\"object\":\"response.input_tokens\",\"input_tokens\":%zu}", tokens);
    if (status == STATUS_OK)
        reply_json(endpoint, http, buf_str(&body));
    else
        problem_reply(http, &problem, NULL);
    buf_finish(&body);
    request_finish(&request);
}
