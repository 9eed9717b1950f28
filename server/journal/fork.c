/* A thread that begins with what another one had up to one of its turns. Its turns have ids of
 * their own; what they did to files stays with the thread that did it. */
#include "journal-internal.h"

#include <string.h>

struct fork_item {
    uint64_t seq;
    char *turn_id;
    bool is_compacted;
};

struct fork {
    struct journal *journal;
    const char *from;
    struct str last_turn; /* empty: all that have ended */
    char id[ID_BYTES];
    uint64_t num, base_seq;
    bool is_running;             /* the last turn */
    struct map running, new_ids; /* by the turn's id */
    VEC(struct fork_item) items; /* of the other one */
};

/* -- What there is -- */

static bool note_running(void *user, const struct journal_turn *turn)
{
    struct fork *fork = user;
    if (str_eq_c(turn->status, "running")) {
        map_set(&fork->running, turn->id, fork);
        fork->is_running |= str_eq(turn->id, fork->last_turn);
    }
    return true;
}

static bool note_item(void *user, const struct journal_item *item)
{
    struct fork *fork = user;
    if (fork->last_turn.len == 0 && map_has(&fork->running, item->turn_id))
        return false;
    struct fork_item copy = {.seq = item->seq,
                             .turn_id = str_dup_c(item->turn_id),
                             .is_compacted = str_eq_c(item->kind, "compacted")};
    vec_push(&fork->items, copy);
    return true;
}

static void drop_last(struct fork *fork)
{
    mem_free(vec_last(&fork->items).turn_id);
    fork->items.len--;
}

static enum status look(struct fork *fork, struct err *err)
{
    struct journal *journal = fork->journal;
    enum status status = journal_turn_each(journal, fork->from, note_running, fork, err);
    if (status == STATUS_OK && fork->is_running)
        return err_set(err, STATUS_CONFLICT,
                       "that turn still runs: wait for its end, or fork at an earlier one");
    if (status == STATUS_OK)
        status = journal_item_each(journal, fork->from, 1, note_item, fork, err);
    while (status == STATUS_OK && fork->last_turn.len > 0 && fork->items.len > 0 &&
           !str_eq_c(fork->last_turn, vec_last(&fork->items).turn_id))
        drop_last(fork);
    if (status == STATUS_OK && fork->last_turn.len > 0 && fork->items.len == 0)
        return err_set(err, STATUS_NOT_FOUND, "the thread has no turn " STR_FMT,
                       STR_ARG(fork->last_turn));
    return status;
}

/* -- Copying -- */

static enum status copy_thread(struct fork *fork, struct err *err)
{
    struct journal *journal = fork->journal;
    int changed = 0;
    sqlite3_stmt *statement = statement_take(journal, SQL_FORK_THREAD, err);
    if (!statement)
        return STATUS_IO;
    id_make("thread", fork->id);
    bind_c(statement, 1, fork->from);
    bind_c(statement, 2, fork->id);
    bind_int(statement, 3, journal->now_ms());
    bind_c(statement, 4, journal->lease);
    enum status status = statement_run(journal, SQL_FORK_THREAD, statement, &changed, err);
    if (status == STATUS_OK && changed == 0)
        return err_set(err, STATUS_NOT_FOUND, "there is no thread %s", fork->from);
    fork->num = (uint64_t)sqlite3_last_insert_rowid(journal->db);
    return status;
}

static enum status copy_of_turn(struct fork *fork, enum statement_id id, const char *turn_id,
                                const char *new_id, struct err *err)
{
    sqlite3_stmt *statement = statement_take(fork->journal, id, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, fork->num);
    bind_c(statement, 2, turn_id);
    bind_c(statement, 3, new_id);
    return statement_run(fork->journal, id, statement, NULL, err);
}

/* With its calls, at the first item of it. */
static enum status need_turn(struct fork *fork, const char *turn_id, const char **ret_id,
                             struct err *err)
{
    enum status status = STATUS_OK;
    *ret_id = turn_id[0] ? map_get(&fork->new_ids, str_from(turn_id)) : "";
    if (*ret_id)
        return STATUS_OK;
    char *id = mem_alloc(ID_BYTES);
    id_make("turn", id);
    map_set(&fork->new_ids, str_from(turn_id), id);
    *ret_id = id;
    status = copy_of_turn(fork, SQL_FORK_TURN, turn_id, id, err);
    return status == STATUS_OK ? copy_of_turn(fork, SQL_FORK_CALLS, turn_id, id, err) : status;
}

static enum status copy_item(struct fork *fork, const struct fork_item *item, struct err *err)
{
    const char *turn_id = NULL;
    enum status status = need_turn(fork, item->turn_id, &turn_id, err);
    sqlite3_stmt *statement =
        status == STATUS_OK ? statement_take(fork->journal, SQL_FORK_ITEM, err) : NULL;
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, fork->num);
    bind_int(statement, 2, item->seq);
    bind_c(statement, 3, turn_id);
    return statement_run(fork->journal, SQL_FORK_ITEM, statement, NULL, err);
}

/* What the model is sent begins with the last compaction that the fork has. */
static enum status copy_items(struct fork *fork, struct err *err)
{
    struct journal *journal = fork->journal;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < fork->items.len; i++) {
        const struct fork_item *item = &fork->items.ptr[i], *before = i ? item - 1 : NULL;
        status = copy_item(fork, item, err);
        if (item->is_compacted &&
            (!before || !before->is_compacted || strcmp(before->turn_id, item->turn_id) != 0))
            fork->base_seq = (uint64_t)sqlite3_last_insert_rowid(journal->db);
    }
    return status;
}

static enum status copy(struct fork *fork, struct err *err)
{
    struct journal *journal = fork->journal;
    enum status status = copy_thread(fork, err);
    if (status != STATUS_OK)
        return status;
    map_set(&journal->ours, str_from(fork->id), (void *)(uintptr_t)fork->num);
    status = copy_items(fork, err);
    if (status == STATUS_OK && fork->base_seq > 0)
        status = journal_thread_set_base(journal, fork->id, fork->base_seq, err);
    if (status != STATUS_OK)
        map_remove(&journal->ours, str_from(fork->id));
    return status;
}

static void finish(struct fork *fork)
{
    struct str key;
    void *id;
    for (size_t i = 0; map_next(&fork->new_ids, &i, &key, &id);)
        mem_free(id);
    map_finish(&fork->new_ids);
    map_finish(&fork->running);
    while (fork->items.len > 0)
        drop_last(fork);
    vec_finish(&fork->items);
}

enum status journal_thread_fork(struct journal *journal, const char *thread_id, struct str turn_id,
                                char ret_id[ID_BYTES], struct err *err)
{
    struct fork fork = {.journal = journal, .from = thread_id, .last_turn = turn_id};
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    journal_begin(journal);
    status = look(&fork, err);
    if (status == STATUS_OK)
        status = copy(&fork, err);
    status = journal_finish(journal, status, err);
    if (status == STATUS_OK)
        memcpy(ret_id, fork.id, ID_BYTES);
    finish(&fork);
    return status;
}
