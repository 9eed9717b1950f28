/* At most once: the primary key (thread, call_id) is what refuses the second start. */
#include "journal-internal.h"

static enum status insert(struct journal *journal, enum statement_id id, const char *thread_id,
                          const struct journal_call *call, struct err *err)
{
    sqlite3_stmt *statement;
    enum status status = owned_take(journal, thread_id, id, &statement, err);
    if (status != STATUS_OK)
        return status;
    bind_str(statement, 3, call->call_id);
    bind_str(statement, 4, call->turn_id);
    bind_str(statement, 5, call->name);
    bind_str(statement, 6, call->arguments);
    bind_str(statement, 7, call->decision);
    bind_int(statement, 8, journal->now_ms());
    if (id == SQL_CALL_INSERT_DONE) {
        bind_str(statement, 9, call->output);
        bind_int(statement, 10, call->ok);
    }
    int code = sqlite3_step(statement);
    if (code == SQLITE_CONSTRAINT_NOTNULL)
        status = journal_lease_lost(journal, thread_id, err);
    else if ((code & 0xFF) == SQLITE_CONSTRAINT)
        status =
            err_set(err, STATUS_EXISTS, "call " STR_FMT " was started before; it is not run again",
                    STR_ARG(call->call_id));
    else if (code != SQLITE_DONE)
        status = statement_error(journal, code, err);
    statement_drop(journal, id, statement);
    return status;
}

enum status journal_call_start(struct journal *journal, const char *thread_id, const char *turn_id,
                               struct str call_id, struct str name, struct str arguments,
                               struct str decision, struct err *err)
{
    const struct journal_call call = {.turn_id = str_from(turn_id),
                                      .call_id = call_id,
                                      .name = name,
                                      .arguments = arguments,
                                      .decision = decision};
    return insert(journal, SQL_CALL_INSERT, thread_id, &call, err);
}

enum status journal_call_record(struct journal *journal, const char *thread_id,
                                const struct journal_call *call, struct err *err)
{
    return insert(journal, SQL_CALL_INSERT_DONE, thread_id, call, err);
}

enum status journal_call_finish(struct journal *journal, const char *thread_id, struct str call_id,
                                struct str output, bool ok, struct err *err)
{
    int changed = 0;
    sqlite3_stmt *statement;
    enum status status = owned_take(journal, thread_id, SQL_CALL_FINISH, &statement, err);
    if (status != STATUS_OK)
        return status;
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
