/* The store: responses of store:true, of all connections. */
#include "endpoint-internal.h"

void store_add(struct store *store, struct record *record)
{
    record_ref(record);
    record->is_stored = true;
    if (store->ring.len < LIMIT_ENDPOINT_STORED_COUNT) {
        vec_push(&store->ring, record);
    } else {
        struct record *old = store->ring.ptr[store->oldest];
        map_remove(&store->by_id, str_from(old->id));
        old->is_stored = false;
        record_strip(old);
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
