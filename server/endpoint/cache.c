/* The store: responses of store:true, of all connections; in memory, and in a file if there is one.
 */
#include <stdio.h>
#include <string.h>

#include "endpoint-internal.h"

void store_init(struct store *store, struct held *held, struct keeper *keeper,
                void (*restore)(void *user, struct record *record), void *user)
{
    store->held = held;
    store->keeper = keeper;
    store->restore = restore;
    store->user = user;
}

/* -- In memory ------------------------------------------------------------------------------------
 */

static void unlink_record(struct store *store, struct record *record)
{
    if (record->older)
        record->older->newer = record->newer;
    else
        store->oldest = record->newer;
    if (record->newer)
        record->newer->older = record->older;
    else
        store->newest = record->older;
    record->newer = record->older = NULL;
}

static void link_newest(struct store *store, struct record *record)
{
    record->older = store->newest;
    if (store->newest)
        store->newest->newer = record;
    else
        store->oldest = record;
    store->newest = record;
}

static void forget(struct store *store, struct record *record)
{
    map_remove(&store->by_id, str_from(record->id));
    unlink_record(store, record);
    record->is_stored = false;
    record_strip(record);
    record_unref(record);
}

bool store_shed(struct store *store)
{
    if (!store->oldest)
        return false;
    forget(store, store->oldest);
    return true;
}

static void remember(struct store *store, struct record *record)
{
    if (map_count(&store->by_id) >= LIMIT_ENDPOINT_STORED_COUNT)
        store_shed(store);
    record->is_stored = true;
    link_newest(store, record_ref(record));
    map_set(&store->by_id, str_from(record->id), record);
}

/* -- Putting --------------------------------------------------------------------------------------
 */

struct saving {
    struct store *store;
    struct record *record;
    struct keeper_job *job;
    store_saved_fn *on_saved;
    void *user;
    bool again; /* with all it came from */
};

static void on_put(void *user, enum status status);

/* `whole`: all ancestors, because the file says that it lacks some. */
static void put_ancestors(struct saving *saving, bool whole)
{
    VEC(struct record *) missing = {0};
    struct record *record = saving->record->parent;
    for (; record && (whole || !record->is_kept); record = record->parent)
        vec_push(&missing, record);
    while (missing.len > 0) {
        record = vec_pop(&missing);
        record->is_kept = true;
        keeper_put(saving->store->keeper, record, KEPT_PART, NULL, NULL);
    }
    vec_finish(&missing);
}

static void put(struct saving *saving)
{
    enum kept_state state = saving->record->is_failed ? KEPT_FAILED : KEPT_WHOLE;
    put_ancestors(saving, saving->again);
    saving->job = keeper_put(saving->store->keeper, saving->record, state, on_put, saving);
}

static void on_put(void *user, enum status status)
{
    struct saving *saving = user;
    if (status == STATUS_NOT_FOUND && !saving->again) {
        saving->again = true;
        put(saving);
        return;
    }
    saving->job = NULL;
    if (status == STATUS_OK) {
        saving->record->is_kept = true;
        remember(saving->store, saving->record);
    }
    store_saved_fn *on_saved = saving->on_saved;
    void *owner = saving->user;
    store_cancel(saving);
    on_saved(owner, status == STATUS_OK);
}

struct saving *store_put(struct store *store, struct record *record, store_saved_fn *on_saved,
                         void *user)
{
    if (!store->keeper) {
        remember(store, record);
        return NULL;
    }
    struct saving *saving = mem_new(struct saving);
    saving->store = store;
    saving->record = record_ref(record);
    saving->on_saved = on_saved;
    saving->user = user;
    put(saving);
    return saving;
}

void store_cancel(struct saving *saving)
{
    if (!saving)
        return;
    if (saving->job)
        keeper_forget(saving->job);
    record_unref(saving->record);
    mem_free(saving);
}

void store_remove(struct store *store, struct str id, keeper_done_fn *on_done, void *user,
                  struct keeper_job **ret_job)
{
    struct record *record = map_get(&store->by_id, id);
    if (record)
        forget(store, record);
    *ret_job = store->keeper ? keeper_remove(store->keeper, id, on_done, user) : NULL;
}

/* -- Finding --------------------------------------------------------------------------------------
 */

static struct record *restore(struct store *store, const char *id, struct kept_row *row,
                              struct record *parent)
{
    struct record *record = record_new(store->held, store->label_count, parent);
    snprintf(record->id, sizeof(record->id), "%s", id);
    record->created_at = row->created_at;
    record->is_kept = true;
    record->is_failed = row->state == KEPT_FAILED;
    record_add_input(record, buf_str(&row->input));
    record_add_outputs(record, buf_str(&row->output));
    if (row->response.len)
        record_set_response(record, buf_str(&row->response));
    store->restore(store->user, record);
    return record;
}

struct loaded {
    char id[ENDPOINT_ID_BYTES];
    struct kept_row row;
};
struct chain {
    VEC(struct loaded) rows; /* the child first */
    struct record *base;     /* what the last of them came from, if that is in memory */
};

/* False: it is not there, or was deleted. */
static bool read_chain(struct store *store, struct str id, struct chain *chain)
{
    struct loaded loaded;
    snprintf(loaded.id, sizeof(loaded.id), STR_FMT, STR_ARG(id));
    do {
        if (keeper_load(store->keeper, str_from(loaded.id), &loaded.row) < 0)
            return false;
        vec_push(&chain->rows, loaded);
        if (chain->rows.ptr[0].row.state == KEPT_PART)
            return false;
        memcpy(loaded.id, loaded.row.parent, sizeof(loaded.id));
        if (!store->is_cold)
            chain->base = map_get(&store->by_id, str_from(loaded.id));
    } while (loaded.id[0] && !chain->base);
    return true;
}

static void hold_cold(struct store *store, struct record *record)
{
    record_ref(record);
    record_unref(store->cold);
    store->cold = record;
}

static struct record *load(struct store *store, struct str id)
{
    struct chain chain = {0};
    struct record *record = NULL;
    if (id.len < ENDPOINT_ID_BYTES && read_chain(store, id, &chain)) {
        record = record_ref(chain.base);
        for (size_t i = chain.rows.len; i-- > 0;) {
            struct record *parent = record;
            record = restore(store, chain.rows.ptr[i].id, &chain.rows.ptr[i].row, parent);
            record_unref(parent);
        }
        if (store->is_cold)
            hold_cold(store, record);
        else
            remember(store, record);
        record_unref(record);
    }
    for (size_t i = 0; i < chain.rows.len; i++)
        kept_row_finish(&chain.rows.ptr[i].row);
    vec_finish(&chain.rows);
    return record;
}

struct record *store_find(struct store *store, struct str id)
{
    struct record *record = store->is_cold ? NULL : map_get(&store->by_id, id);
    if (!record && store->keeper)
        return load(store, id);
    if (record) {
        unlink_record(store, record);
        link_newest(store, record);
    }
    return record;
}

struct record *store_find_parent(struct store *store, struct str id)
{
    struct record *record = store_find(store, id);
    return record && !record->is_failed ? record : NULL;
}

void store_finish(struct store *store)
{
    while (store_shed(store))
        ;
    record_unref(store->cold);
    map_finish(&store->by_id);
    keeper_free(store->keeper);
}
