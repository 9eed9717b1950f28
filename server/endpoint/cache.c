/* Records: what a response leaves behind for its successors, and the store of those to keep. */
#include <assert.h>
#include <string.h>

#include "endpoint-internal.h"

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

struct record *record_new(size_t label_count, const struct record *parent)
{
    struct record *record = mem_new(struct record);
    record->refs = 1;
    record->label_count = label_count;
    if (label_count > 0)
        record->outputs = mem_alloc_array(label_count, sizeof(*record->outputs));
    if (!parent)
        return record;
    for (size_t i = 0; i < label_count; i++)
        record->outputs[i] = shared_ref(parent->outputs[i]);
    record->tools = shared_ref(parent->tools);
    record->bytes = parent->bytes;
    return record;
}

struct record *record_ref(struct record *record)
{
    if (record)
        record->refs++;
    return record;
}

void record_unref(struct record *record)
{
    if (!record || --record->refs > 0)
        return;
    for (size_t i = 0; i < record->label_count; i++)
        shared_unref(record->outputs[i]);
    mem_free(record->outputs);
    shared_unref(record->user);
    shared_unref(record->tools);
    vec_finish(&record->pending);
    steers_finish(&record->steers);
    mem_free(record);
}

void store_add(struct store *store, struct record *record)
{
    record_ref(record);
    if (store->ring.len < LIMIT_ENDPOINT_STORED_COUNT) {
        vec_push(&store->ring, record);
    } else {
        struct record *old = store->ring.ptr[store->oldest];
        map_remove(&store->by_id, str_from(old->id));
        record_unref(old);
        store->ring.ptr[store->oldest] = record;
        store->oldest = (store->oldest + 1) % LIMIT_ENDPOINT_STORED_COUNT;
    }
    map_set(&store->by_id, str_from(record->id), record);
}

struct record *store_find(const struct store *store, struct str id)
{
    return map_get(&store->by_id, id);
}

void store_finish(struct store *store)
{
    for (size_t i = 0; i < store->ring.len; i++)
        record_unref(store->ring.ptr[i]);
    vec_finish(&store->ring);
    map_finish(&store->by_id);
}
