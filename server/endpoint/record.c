/* Records and the walk over a conversation. */
#include <string.h>

#include "record-internal.h"

/* -- Shared text ----------------------------------------------------------------------------------
 */

struct shared *shared_new(struct str text)
{
    struct shared *shared = mem_alloc(sizeof(*shared) + text.len + 1);
    char *bytes = (char *)(shared + 1);
    if (text.len > 0)
        memcpy(bytes, text.ptr, text.len);
    shared->refs = 1;
    shared->text = (struct str){bytes, text.len};
    return shared;
}

struct shared *shared_ref(struct shared *shared)
{
    if (shared)
        shared->refs++;
    return shared;
}

void shared_unref(struct shared *shared)
{
    if (shared && --shared->refs == 0)
        mem_free(shared);
}

static void drop(struct shared **shared)
{
    shared_unref(*shared);
    *shared = NULL;
}

/* -- Items ----------------------------------------------------------------------------------------
 */

struct str items_at(const struct items *items, size_t index)
{
    struct item_span span = items->spans.ptr[index];
    return (struct str){items->text.ptr + span.at, span.len};
}

static void items_push(struct items *items, struct str item)
{
    if (items->text.len > 0)
        buf_append_byte(&items->text, ',');
    struct item_span span = {(uint32_t)items->text.len, (uint32_t)item.len};
    buf_append(&items->text, item);
    vec_push(&items->spans, span);
}

static void items_finish(struct items *items)
{
    buf_finish(&items->text);
    vec_finish(&items->spans);
}

/* -- Life -----------------------------------------------------------------------------------------
 */

static size_t length_of(const struct shared *shared)
{
    return shared ? sizeof(*shared) + shared->text.len : 0;
}

static void count(struct record *record)
{
    record->held->bytes -= record->own_bytes;
    record->own_bytes =
        sizeof(*record) + record->label_count * sizeof(*record->outputs) + record->input.text.cap +
        record->output.text.cap +
        (record->input.spans.cap + record->output.spans.cap) * sizeof(struct item_span) +
        length_of(record->settings) + record->tokens.cap * sizeof(*record->tokens.ptr) +
        length_of(record->response);
    record->held->bytes += record->own_bytes;
}

struct record *record_new(struct held *held, size_t label_count, struct record *parent)
{
    struct record *record = mem_new(struct record);
    record->refs = 1;
    record->held = held;
    record->label_count = label_count;
    held->records++;
    if (label_count > 0)
        record->outputs = mem_alloc_array(label_count, sizeof(*record->outputs));
    if (parent) {
        for (size_t i = 0; i < label_count && i < parent->label_count; i++)
            record->outputs[i] = shared_ref(parent->outputs[i]);
        record->parent = record_ref(parent);
        record->depth = parent->depth + 1;
        record->item_count = parent->item_count;
        record->tools = shared_ref(parent->tools);
    }
    count(record);
    return record;
}

struct record *record_ref(struct record *record)
{
    if (record)
        record->refs++;
    return record;
}

static void record_free(struct record *record)
{
    record->held->bytes -= record->own_bytes;
    record->held->records--;
    for (size_t i = 0; i < record->label_count; i++)
        shared_unref(record->outputs[i]);
    mem_free(record->outputs);
    shared_unref(record->user);
    shared_unref(record->tools);
    shared_unref(record->settings);
    shared_unref(record->response);
    vec_finish(&record->tokens);
    items_finish(&record->input);
    items_finish(&record->output);
    vec_finish(&record->pending);
    for (size_t i = 0; i < record->steers.len; i++)
        buf_finish(&record->steers.ptr[i].items);
    vec_finish(&record->steers);
    mem_free(record);
}

/* A conversation may have any number of steps: no recursion. */
void record_unref(struct record *record)
{
    while (record && --record->refs == 0) {
        struct record *parent = record->parent;
        record_free(record);
        record = parent;
    }
}

/* -- Filling --------------------------------------------------------------------------------------
 */

static void add_array(struct record *record, struct items *items, struct str array)
{
    struct json_raw_iter iter = {.rest = array};
    struct str key, item;
    buf_reserve(&items->text, array.len);
    while (json_raw_next(&iter, &key, &item)) {
        items_push(items, item);
        record->item_count++;
    }
}

void record_add_input(struct record *record, struct str input)
{
    if (input.len > 0 && input.ptr[0] == '[') {
        add_array(record, &record->input, input);
    } else if (input.len > 0) {
        struct buf item = {0};
        buf_append_c(&item, "{\"type\":\"message\",\"role\":\"user\",\"content\":");
        buf_append(&item, input);
        buf_append_byte(&item, '}');
        items_push(&record->input, buf_str(&item));
        record->item_count++;
        buf_finish(&item);
    }
    count(record);
}

void record_add_output(struct record *record, struct str item)
{
    items_push(&record->output, item);
    record->item_count++;
    count(record);
}

void record_add_outputs(struct record *record, struct str array)
{
    add_array(record, &record->output, array);
    count(record);
}

void record_set_settings(struct record *record, struct str settings)
{
    drop(&record->settings);
    record->settings = shared_new(settings);
    count(record);
}

void record_set_response(struct record *record, struct str response)
{
    drop(&record->response);
    record->response = shared_new(response);
    count(record);
}

void record_recount(struct record *record)
{
    count(record);
}

void record_strip(struct record *record)
{
    drop(&record->settings);
    drop(&record->response);
    count(record);
}

/* -- The walk -------------------------------------------------------------------------------------
 */

void record_walk_init(struct record_walk *walk, const struct record *last,
                      const struct record *after)
{
    *walk = (struct record_walk){0};
    for (const struct record *r = last; r && r != after; r = r->parent)
        vec_push(&walk->chain, r);
}

bool record_walk_next(struct record_walk *walk, struct str *ret_item)
{
    while (walk->chain.len > 0) {
        const struct record *record = vec_last(&walk->chain);
        size_t inputs = record->input.spans.len, index = walk->index;
        if (index < inputs + record->output.spans.len) {
            walk->index++;
            walk->record = record;
            walk->is_output = index >= inputs;
            *ret_item = walk->is_output ? items_at(&record->output, index - inputs)
                                        : items_at(&record->input, index);
            return true;
        }
        walk->chain.len--;
        walk->index = 0;
    }
    return false;
}

void record_walk_finish(struct record_walk *walk)
{
    vec_finish(&walk->chain);
}

void record_walk_append(struct buf *buf, const struct record *last)
{
    struct record_walk walk;
    struct str item;
    bool first = true;
    buf_append_byte(buf, '[');
    record_walk_init(&walk, last, NULL);
    while (record_walk_next(&walk, &item)) {
        if (!first)
            buf_append_byte(buf, ',');
        first = false;
        buf_append(buf, item);
    }
    record_walk_finish(&walk);
    buf_append_byte(buf, ']');
}
