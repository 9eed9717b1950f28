/* At most once: the primary key (thread, call_id) is what refuses the second start. */
#include "journal-internal.h"

enum status journal_call_start(struct journal *journal, const char *thread_id, const char *turn_id,
                               struct str call_id, struct str name, struct str arguments,
                               struct str decision, struct err *err)
{
    uint64_t num;
    enum status status = journal_writable(journal, err);
    if (status == STATUS_OK)
        status = journal_thread_num(journal, thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_CALL_INSERT, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    bind_str(statement, 3, call_id);
    bind_c(statement, 4, turn_id);
    bind_str(statement, 5, name);
    bind_str(statement, 6, arguments);
    bind_str(statement, 7, decision);
    bind_int(statement, 8, journal->now_ms());
    int code = sqlite3_step(statement);
    int changed = sqlite3_changes(journal->db);
    if ((code & 0xFF) == SQLITE_CONSTRAINT)
        status =
            err_set(err, STATUS_EXISTS, "call " STR_FMT " was started before; it is not run again",
                    STR_ARG(call_id));
    else if (code != SQLITE_DONE)
        status = statement_error(journal, code, err);
    else if (changed == 0)
        status = journal_lease_lost(journal, thread_id, err);
    statement_drop(journal, SQL_CALL_INSERT, statement);
    return status;
}

enum status journal_call_finish(struct journal *journal, const char *thread_id, struct str call_id,
                                struct str output, bool ok, struct err *err)
{
    uint64_t num;
    int changed = 0;
    enum status status = journal_writable(journal, err);
    if (status == STATUS_OK)
        status = journal_thread_num(journal, thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_CALL_FINISH, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    bind_str(statement, 3, call_id);
    bind_str(statement, 4, output);
    bind_int(statement, 5, ok);
    bind_int(statement, 6, journal->now_ms());
    status = statement_run(journal, SQL_CALL_FINISH, statement, &changed, err);
    if (status != STATUS_OK || changed > 0)
        return status;
    if (!journal_lease_is_ours(journal, thread_id))
        return journal_lease_lost(journal, thread_id, err);
    if (journal_call_find(journal, thread_id, call_id, NULL) == CALL_ABSENT)
        return err_set(err, STATUS_NOT_FOUND, "call " STR_FMT " was never started",
                       STR_ARG(call_id));
    return err_set(err, STATUS_EXISTS, "call " STR_FMT " has its output already", STR_ARG(call_id));
}

enum journal_call_state journal_call_find(struct journal *journal, const char *thread_id,
                                          struct str call_id, struct buf *ret_output)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_CALL_FIND, NULL);
    if (!statement)
        return CALL_STARTED; /* what cannot be known is not run */
    bind_c(statement, 1, thread_id);
    bind_str(statement, 2, call_id);
    enum journal_call_state state = CALL_STARTED;
    int code = sqlite3_step(statement);
    if (code == SQLITE_DONE)
        state = CALL_ABSENT;
    if (code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        state = CALL_DONE;
        if (ret_output) {
            buf_clear(ret_output);
            buf_append(ret_output, column_str(statement, 0));
        }
    }
    statement_drop(journal, SQL_CALL_FIND, statement);
    return state;
}
