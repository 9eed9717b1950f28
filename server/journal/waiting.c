/* Messages on their way into a thread's history. */
#include "journal-internal.h"

enum status journal_waiting_add(struct journal *journal, const char *thread_id, const char *turn_id,
                                const char *id, struct str json, struct err *err)
{
    if (json.len > LIMIT_ITEM_BYTES)
        return err_set(err, STATUS_LIMIT, "a message of %zu bytes is too large to keep", json.len);
    sqlite3_stmt *statement;
    enum status status = owned_take(journal, thread_id, SQL_WAITING_INSERT, &statement, err);
    if (status != STATUS_OK)
        return status;
    bind_c(statement, 3, turn_id);
    bind_c(statement, 4, id);
    bind_str(statement, 5, json);
    return owned_run(journal, thread_id, SQL_WAITING_INSERT, statement, err);
}

static enum status run(struct journal *journal, enum statement_id id, uint64_t num,
                       const char *waiting_id, int *ret_changed, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, id, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    bind_c(statement, 3, waiting_id);
    return statement_run(journal, id, statement, ret_changed, err);
}

static enum status place(struct journal *journal, uint64_t num, const char *id, struct err *err)
{
    int changed = 0;
    enum status status = run(journal, SQL_WAITING_PLACE, num, id, &changed, err);
    if (status != STATUS_OK)
        return status;
    if (changed == 0)
        return err_set(err, STATUS_NOT_FOUND, "no message %s waits in this thread", id);
    journal->last_seq = (uint64_t)sqlite3_last_insert_rowid(journal->db);
    return run(journal, SQL_WAITING_DELETE, num, id, NULL, err);
}

enum status journal_waiting_place(struct journal *journal, const char *thread_id, const char *id,
                                  struct err *err)
{
    uint64_t num;
    enum status status = journal_owned(journal, thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    journal_begin(journal);
    return journal_finish(journal, place(journal, num, id, err), err);
}

enum status journal_waiting_each(struct journal *journal, const char *thread_id,
                                 journal_waiting_fn *fn, void *user, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_WAITING_EACH, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, thread_id);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_waiting waiting = {
            .turn_id = column_str(statement, 0),
            .id = column_str(statement, 1),
            .json = column_str(statement, 2),
        };
        if (!fn(user, &waiting))
            break;
    }
    enum status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
    statement_drop(journal, SQL_WAITING_EACH, statement);
    return status;
}
