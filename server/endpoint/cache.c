/* The store: responses of store:true, of all connections. */
#include "endpoint-internal.h"

static void forget(struct store *store, struct record *record)
{
    map_remove(&store->by_id, str_from(record->id));
    record->is_stored = false;
    record_strip(record);
    record_unref(record);
}

void store_add(struct store *store, struct record *record)
{
    if (store->records.len == LIMIT_ENDPOINT_STORED_COUNT) {
        struct record *old = store->records.ptr[0];
        vec_remove(&store->records, 0);
        forget(store, old);
    }
    record->is_stored = true;
    vec_push(&store->records, record_ref(record));
    map_set(&store->by_id, str_from(record->id), record);
}

void store_remove(struct store *store, struct str id)
{
    for (size_t i = 0; i < store->records.len; i++) {
        struct record *record = store->records.ptr[i];
        if (!str_eq_c(id, record->id))
            continue;
        vec_remove(&store->records, i);
        forget(store, record);
        return;
    }
}

struct record *store_find(const struct store *store, struct str id)
{
    return map_get(&store->by_id, id);
}

void store_finish(struct store *store)
{
    for (size_t i = 0; i < store->records.len; i++)
        record_unref(store->records.ptr[i]);
    vec_finish(&store->records);
    map_finish(&store->by_id);
}
