/* Helpers: threads that are part of a call of another one. */
#include "journal-internal.h"

#include <string.h>

enum status journal_helper_create(struct journal *journal, const char *parent_id,
                                  struct str call_id, char ret_id[ID_BYTES], struct err *err)
{
    char id[ID_BYTES];
    sqlite3_stmt *statement;
    enum status status = owned_take(journal, parent_id, SQL_HELPER_INSERT, &statement, err);
    if (status != STATUS_OK)
        return status;
    id_make("thread", id);
    bind_c(statement, 3, id);
    bind_int(statement, 4, journal->now_ms());
    bind_str(statement, 5, call_id);
    status = owned_run(journal, parent_id, SQL_HELPER_INSERT, statement, err);
    if (status != STATUS_OK)
        return status;
    map_set(&journal->ours, str_from(id),
            (void *)(uintptr_t)sqlite3_last_insert_rowid(journal->db));
    memcpy(ret_id, id, ID_BYTES);
    return STATUS_OK;
}

enum status journal_helper_find(struct journal *journal, const char *parent_id, struct str call_id,
                                char ret_id[ID_BYTES], struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_HELPER_FIND, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, parent_id);
    bind_str(statement, 2, call_id);
    int code = sqlite3_step(statement);
    enum status status = STATUS_OK;
    if (code == SQLITE_ROW) {
        column_id(statement, 0, ret_id);
    } else if (code == SQLITE_DONE) {
        status =
            err_set(err, STATUS_NOT_FOUND, "the call " STR_FMT " has no helper", STR_ARG(call_id));
    } else {
        status = statement_error(journal, code, err);
    }
    statement_drop(journal, SQL_HELPER_FIND, statement);
    return status;
}
