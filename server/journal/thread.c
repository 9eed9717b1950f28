#include "journal-internal.h"

#include <stdio.h>
#include <string.h>

enum status journal_thread_create(struct journal *journal, struct str root, struct str model,
                                  char ret_id[ID_BYTES], struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_THREAD_INSERT, err);
    if (!statement)
        return STATUS_IO;
    char id[ID_BYTES];
    id_make("thread", id);
    bind_c(statement, 1, id);
    bind_str(statement, 2, root);
    bind_str(statement, 3, model);
    bind_int(statement, 4, journal->now_ms());
    bind_c(statement, 5, journal->lease);
    status = statement_run(journal, SQL_THREAD_INSERT, statement, NULL, err);
    if (status != STATUS_OK)
        return status;
    map_set(&journal->ours, str_from(id),
            (void *)(uintptr_t)sqlite3_last_insert_rowid(journal->db));
    memcpy(ret_id, id, ID_BYTES);
    return STATUS_OK;
}

/* Names and marks may be changed from a list, without opening: by anybody while nobody holds it. */
static enum status begin_update(struct journal *journal, enum statement_id id,
                                const char *thread_id, sqlite3_stmt **ret_statement,
                                struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status == STATUS_OK)
        status = journal_lease_check_free(journal, thread_id, err);
    if (status != STATUS_OK)
        return status;
    *ret_statement = statement_take(journal, id, err);
    if (!*ret_statement)
        return STATUS_IO;
    bind_c(*ret_statement, 1, thread_id);
    return STATUS_OK;
}

static enum status set_text(struct journal *journal, enum statement_id id, const char *thread_id,
                            struct str text, struct err *err)
{
    sqlite3_stmt *statement;
    enum status status = begin_update(journal, id, thread_id, &statement, err);
    if (status != STATUS_OK)
        return status;
    bind_str(statement, 2, text);
    return statement_run(journal, id, statement, NULL, err);
}

enum status journal_thread_set_title(struct journal *journal, const char *id, struct str title,
                                     struct err *err)
{
    return set_text(journal, SQL_THREAD_TITLE, id, title, err);
}

enum status journal_thread_set_model(struct journal *journal, const char *id, struct str model,
                                     struct err *err)
{
    return set_text(journal, SQL_THREAD_MODEL, id, model, err);
}

enum status journal_thread_set_own_model(struct journal *journal, const char *id, struct str model,
                                         struct err *err)
{
    return set_text(journal, SQL_THREAD_OWN_MODEL, id, model, err);
}

enum status journal_thread_set_effort(struct journal *journal, const char *id, struct str effort,
                                      struct err *err)
{
    return set_text(journal, SQL_THREAD_EFFORT, id, effort, err);
}

enum status journal_thread_set_mode(struct journal *journal, const char *id, struct str mode,
                                    struct err *err)
{
    return set_text(journal, SQL_THREAD_MODE, id, mode, err);
}

enum status journal_thread_set_archived(struct journal *journal, const char *id, bool archived,
                                        struct err *err)
{
    sqlite3_stmt *statement;
    enum status status = begin_update(journal, SQL_THREAD_ARCHIVED, id, &statement, err);
    if (status != STATUS_OK)
        return status;
    bind_int(statement, 2, archived);
    return statement_run(journal, SQL_THREAD_ARCHIVED, statement, NULL, err);
}

/* It is its own parent: what lists threads leaves out those that have one. */
enum status journal_thread_hide(struct journal *journal, const char *id, struct err *err)
{
    sqlite3_stmt *statement;
    enum status status = begin_update(journal, SQL_THREAD_HIDE, id, &statement, err);
    if (status != STATUS_OK)
        return status;
    return statement_run(journal, SQL_THREAD_HIDE, statement, NULL, err);
}

static enum status set_seq(struct journal *journal, enum statement_id id, const char *thread_id,
                           uint64_t seq, struct err *err)
{
    sqlite3_stmt *statement;
    enum status status = owned_take(journal, thread_id, id, &statement, err);
    if (status != STATUS_OK)
        return status;
    bind_int(statement, 3, seq);
    return owned_run(journal, thread_id, id, statement, err);
}

enum status journal_thread_set_base(struct journal *journal, const char *thread_id, uint64_t seq,
                                    struct err *err)
{
    return set_seq(journal, SQL_THREAD_BASE, thread_id, seq, err);
}

enum status journal_thread_set_foreign(struct journal *journal, const char *id, uint64_t seq,
                                       struct err *err)
{
    return set_seq(journal, SQL_THREAD_FOREIGN, id, seq, err);
}

/* -- Deleting -- */

static enum status delete_rows(struct journal *journal, const char *id, struct err *err)
{
    static const enum statement_id parts[] = {
        SQL_THREAD_DELETE_ITEMS,   SQL_THREAD_DELETE_TURNS, SQL_THREAD_DELETE_WAITING,
        SQL_THREAD_DELETE_CALLS,   SQL_THREAD_DELETE_SENT,  SQL_THREAD_DELETE_BLOBS,
        SQL_THREAD_DELETE_CHANGES, SQL_THREAD_DELETE,
    };
    for (size_t i = 0; i < array_count(parts); i++) {
        sqlite3_stmt *statement = statement_take(journal, parts[i], err);
        if (!statement)
            return STATUS_IO;
        bind_c(statement, 1, id);
        enum status status = statement_run(journal, parts[i], statement, NULL, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status journal_thread_delete(struct journal *journal, const char *id, struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    journal_begin(journal);
    status = journal_lease_check_free(journal, id, err);
    if (status == STATUS_OK)
        status = delete_rows(journal, id, err);
    status = journal_finish(journal, status, err);
    if (status == STATUS_OK)
        map_remove(&journal->ours, str_from(id));
    return status;
}

/* What waited for a decision that never came, and the texts that nothing names any more. */
static enum status prune_texts(struct journal *journal, uint64_t before_ms, struct err *err)
{
    int changes = sqlite3_total_changes(journal->db);
    sqlite3_stmt *statement = statement_take(journal, SQL_REVIEW_OLD, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, before_ms);
    enum status status = statement_run(journal, SQL_REVIEW_OLD, statement, NULL, err);
    if (status == STATUS_OK)
        status = statement_run_plain(journal, SQL_BLOB_ORPHANS, err);
    /* The log holds pages as they were; where another window reads just now, it is the next time.
     */
    if (status == STATUS_OK &&
        (changes != sqlite3_total_changes(journal->db) || journal->has_pruned))
        sqlite3_wal_checkpoint_v2(journal->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    journal->has_pruned = false;
    return status;
}

enum { PRUNE_COUNT = 50 }; /* a call: deleting is work on the loop thread */

enum status journal_prune(struct journal *journal, uint64_t before_ms, size_t *ret_count,
                          struct err *err)
{
    *ret_count = 0;
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_THREAD_OLD, err);
    if (!statement)
        return STATUS_IO;
    VEC(char *) ids = {0};
    bind_int(statement, 1, before_ms);
    bind_int(statement, 2, PRUNE_COUNT);
    while (sqlite3_step(statement) == SQLITE_ROW)
        vec_push(&ids, str_dup_c(column_str(statement, 0)));
    statement_drop(journal, SQL_THREAD_OLD, statement);
    for (size_t i = 0; i < ids.len; i++) {
        bool held = map_has(&journal->ours, str_from(ids.ptr[i])) ||
                    journal_lease_check_free(journal, ids.ptr[i], NULL) != STATUS_OK;
        if (!held && status == STATUS_OK)
            status = journal_thread_delete(journal, ids.ptr[i], err);
        *ret_count += !held && status == STATUS_OK;
        journal->has_pruned |= *ret_count > 0;
        mem_free(ids.ptr[i]);
    }
    if (status == STATUS_OK && *ret_count == 0)
        status = prune_texts(journal, before_ms, err);
    vec_finish(&ids);
    return status;
}

/* -- Reading -- */

static void read_row(struct journal *journal, sqlite3_stmt *statement,
                     struct journal_thread *ret_thread)
{
    struct str lease = column_str(statement, 7);
    *ret_thread = (struct journal_thread){
        .root = column_str(statement, 1),
        .title = column_str(statement, 2),
        .model = column_str(statement, 3),
        .effort = column_str(statement, 9),
        .mode = column_str(statement, 10),
        .foreign_seq = column_int(statement, 11),
        .cut_off = column_int(statement, 12) != 0,
        .own_model = column_str(statement, 13),
        .created_ms = column_int(statement, 4),
        .updated_ms = column_int(statement, 5),
        .archived = column_int(statement, 6) != 0,
        .leased_elsewhere = lease.len && !str_eq_c(lease, journal->lease) &&
                            journal_lease_is_live(journal, lease, column_int(statement, 8), NULL),
    };
    snprintf(ret_thread->id, sizeof(ret_thread->id), STR_FMT, STR_ARG(column_str(statement, 0)));
}

enum status journal_thread_list(struct journal *journal, const struct journal_filter *filter,
                                journal_thread_fn *fn, void *user, struct err *err)
{
    enum statement_id id = filter->root.len ? SQL_THREAD_LIST : SQL_THREAD_LIST_ALL;
    sqlite3_stmt *statement = statement_take(journal, id, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, filter->cursor_ms ? filter->cursor_ms : INT64_MAX);
    bind_str(statement, 2, filter->root);
    bind_str(statement, 3, filter->query);
    bind_int(statement, 4, filter->with_archived);
    uint64_t last_ms = 0;
    int code;
    for (size_t n = 0; (code = sqlite3_step(statement)) == SQLITE_ROW; n++) {
        struct journal_thread thread;
        read_row(journal, statement, &thread);
        if (n >= filter->limit && (filter->limit == 0 || thread.updated_ms != last_ms))
            break;
        last_ms = thread.updated_ms;
        if (!fn(user, &thread))
            break;
    }
    enum status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
    statement_drop(journal, id, statement);
    return status;
}

enum status journal_thread_get(struct journal *journal, struct str id, journal_thread_fn *fn,
                               void *user, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_THREAD_GET, err);
    if (!statement)
        return STATUS_IO;
    bind_str(statement, 1, id);
    int code = sqlite3_step(statement);
    enum status status = STATUS_OK;
    if (code == SQLITE_ROW) {
        struct journal_thread thread;
        read_row(journal, statement, &thread);
        fn(user, &thread);
    } else if (code == SQLITE_DONE) {
        status = err_set(err, STATUS_NOT_FOUND, "there is no thread " STR_FMT, STR_ARG(id));
    } else {
        status = statement_error(journal, code, err);
    }
    statement_drop(journal, SQL_THREAD_GET, statement);
    return status;
}
