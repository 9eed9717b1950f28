#include "journal-internal.h"

#include <string.h>

static enum status touch(struct journal *journal, uint64_t thread_num, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_THREAD_TOUCH, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, thread_num);
    bind_c(statement, 2, journal->lease);
    bind_int(statement, 3, journal->now_ms());
    return statement_run(journal, SQL_THREAD_TOUCH, statement, NULL, err);
}

static enum status insert(struct journal *journal, const char *thread_id, uint64_t num,
                          const char *turn_id, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_TURN_INSERT, err);
    if (!statement)
        return STATUS_IO;
    int changed = 0;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    bind_c(statement, 3, turn_id);
    bind_int(statement, 4, journal->now_ms());
    enum status status = statement_run(journal, SQL_TURN_INSERT, statement, &changed, err);
    if (status == STATUS_OK && changed == 0)
        return journal_lease_lost(journal, thread_id, err);
    return status == STATUS_OK ? touch(journal, num, err) : status;
}

enum status journal_turn_create(struct journal *journal, const char *thread_id,
                                char ret_id[ID_BYTES], struct err *err)
{
    uint64_t num;
    enum status status = journal_writable(journal, err);
    if (status == STATUS_OK)
        status = journal_thread_num(journal, thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    char id[ID_BYTES];
    id_make("turn", id);
    journal_begin(journal);
    status = journal_finish(journal, insert(journal, thread_id, num, id, err), err);
    if (status == STATUS_OK)
        memcpy(ret_id, id, ID_BYTES);
    return status;
}

static enum status end(struct journal *journal, const char *turn_id, const char *turn_status,
                       struct str usage_json, struct str error, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_TURN_END, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, turn_id);
    bind_c(statement, 2, journal->lease);
    bind_c(statement, 3, turn_status);
    bind_str(statement, 4, usage_json);
    bind_str(statement, 5, error);
    bind_int(statement, 6, journal->now_ms());
    int code = sqlite3_step(statement);
    uint64_t thread_num = code == SQLITE_ROW ? column_int(statement, 0) : 0;
    enum status status = STATUS_OK;
    if (code == SQLITE_DONE)
        status =
            err_set(err, STATUS_CONFLICT,
                    "turn %s is not of a thread held by this window; it was not ended", turn_id);
    else if (code != SQLITE_ROW)
        status = statement_error(journal, code, err);
    else
        sqlite3_step(statement);
    statement_drop(journal, SQL_TURN_END, statement);
    return status == STATUS_OK ? touch(journal, thread_num, err) : status;
}

enum status journal_turn_end(struct journal *journal, const char *turn_id, const char *status,
                             struct str usage_json, struct str error, struct err *err)
{
    enum status result = journal_writable(journal, err);
    if (result != STATUS_OK)
        return result;
    journal_begin(journal);
    return journal_finish(journal, end(journal, turn_id, status, usage_json, error, err), err);
}

enum status journal_turn_each(struct journal *journal, const char *thread_id, journal_turn_fn *fn,
                              void *user, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_TURN_EACH, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, thread_id);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_turn turn = {
            .id = column_str(statement, 0),
            .status = column_str(statement, 1),
            .usage_json = column_str(statement, 2),
            .error = column_str(statement, 3),
            .started_ms = column_int(statement, 4),
            .ended_ms = column_int(statement, 5),
        };
        if (!fn(user, &turn))
            break;
    }
    enum status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
    statement_drop(journal, SQL_TURN_EACH, statement);
    return status;
}
