/* The tools a thread began with, each set of them kept once: threads share it. */
#include "journal-internal.h"

static enum status add_set(struct journal *journal, struct str made_by, struct str json,
                           struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_TOOLSET_INSERT, err);
    if (!statement)
        return STATUS_IO;
    bind_str(statement, 1, made_by);
    bind_str(statement, 2, json);
    return statement_run(journal, SQL_TOOLSET_INSERT, statement, NULL, err);
}

static enum status point_at_set(struct journal *journal, const char *thread_id, uint64_t num,
                                struct str made_by, struct str json, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_THREAD_TOOLSET, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    bind_str(statement, 3, made_by);
    bind_str(statement, 4, json);
    return owned_run(journal, thread_id, SQL_THREAD_TOOLSET, statement, err);
}

enum status journal_thread_set_tools(struct journal *journal, const char *thread_id,
                                     struct str made_by, struct str json, struct err *err)
{
    uint64_t num;
    enum status status = journal_owned(journal, thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    journal_begin(journal);
    status = add_set(journal, made_by, json, err);
    if (status == STATUS_OK)
        status = point_at_set(journal, thread_id, num, made_by, json, err);
    return journal_finish(journal, status, err);
}

enum status journal_thread_get_tools(struct journal *journal, const char *thread_id,
                                     struct str made_by, struct buf *ret_json, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_TOOLSET_GET, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, thread_id);
    bind_str(statement, 2, made_by);
    int code = sqlite3_step(statement);
    enum status status = STATUS_NOT_FOUND;
    if (code == SQLITE_ROW) {
        buf_append(ret_json, column_str(statement, 0));
        status = STATUS_OK;
    } else if (code == SQLITE_DONE) {
        err_set(err, status, "it is not kept with which tools %s began", thread_id);
    } else {
        status = statement_error(journal, code, err);
    }
    statement_drop(journal, SQL_TOOLSET_GET, statement);
    return status;
}
