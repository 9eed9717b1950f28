/* Helpers: threads that are part of a call of another one. */
#include "journal-internal.h"

#include <string.h>

enum status journal_helper_create(struct journal *journal, const char *parent_id,
                                  struct str call_id, char ret_id[ID_BYTES], struct err *err)
{
    uint64_t num;
    int changed = 0;
    char id[ID_BYTES];
    enum status status = journal_writable(journal, err);
    if (status == STATUS_OK)
        status = journal_thread_num(journal, parent_id, &num, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_HELPER_INSERT, err);
    if (!statement)
        return STATUS_IO;
    id_make("thread", id);
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    bind_c(statement, 3, id);
    bind_int(statement, 4, journal->now_ms());
    bind_str(statement, 5, call_id);
    status = statement_run(journal, SQL_HELPER_INSERT, statement, &changed, err);
    if (status == STATUS_OK && changed == 0)
        return journal_lease_lost(journal, parent_id, err);
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
        struct str id = column_str(statement, 0);
        size_t len = id.len < ID_BYTES ? id.len : ID_BYTES - 1;
        memcpy(ret_id, id.ptr, len);
        ret_id[len] = '\0';
    } else if (code == SQLITE_DONE) {
        status =
            err_set(err, STATUS_NOT_FOUND, "the call " STR_FMT " has no helper", STR_ARG(call_id));
    } else {
        status = statement_error(journal, code, err);
    }
    statement_drop(journal, SQL_HELPER_FIND, statement);
    return status;
}
