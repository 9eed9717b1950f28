/* The one write on the hot path: a single statement, no transaction of ours, no fsync. */
#include "journal-internal.h"

enum status journal_item_append(struct journal *journal, const char *thread_id, const char *turn_id,
                                const char *kind, struct str json, struct err *err)
{
    if (json.len > LIMIT_ITEM_BYTES)
        return err_set(err, STATUS_LIMIT, "an item of %zu bytes is too large to keep", json.len);
    sqlite3_stmt *statement;
    enum status status = owned_take(journal, thread_id, SQL_ITEM_INSERT, &statement, err);
    if (status != STATUS_OK)
        return status;
    bind_c(statement, 3, turn_id);
    bind_c(statement, 4, kind);
    bind_str(statement, 5, json);
    status = owned_run(journal, thread_id, SQL_ITEM_INSERT, statement, err);
    if (status == STATUS_OK)
        journal->last_seq = (uint64_t)sqlite3_last_insert_rowid(journal->db);
    return status;
}

uint64_t journal_item_last_seq(const struct journal *journal)
{
    return journal->last_seq;
}

enum status journal_item_each(struct journal *journal, const char *thread_id, uint64_t from_seq,
                              journal_item_fn *fn, void *user, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_ITEM_EACH, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, thread_id);
    bind_int(statement, 2, from_seq);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_item item = {
            .seq = column_int(statement, 0),
            .turn_id = column_str(statement, 1),
            .kind = column_str(statement, 2),
            .json = column_str(statement, 3),
        };
        if (!fn(user, &item))
            break;
    }
    enum status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
    statement_drop(journal, SQL_ITEM_EACH, statement);
    return status;
}
