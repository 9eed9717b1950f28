/* Writes of a thread by the window that holds it. Each such statement has the thread's number as
 * its first parameter and our lease as its second, and changes nothing when another window has
 * taken the thread over. */
#include "journal-internal.h"

enum status journal_owned(struct journal *journal, const char *thread_id, uint64_t *ret_num,
                          struct err *err)
{
    enum status status = journal_writable(journal, err);
    return status == STATUS_OK ? journal_thread_num(journal, thread_id, ret_num, err) : status;
}

enum status owned_take(struct journal *journal, const char *thread_id, enum statement_id id,
                       sqlite3_stmt **ret_statement, struct err *err)
{
    uint64_t num;
    enum status status = journal_owned(journal, thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, id, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    *ret_statement = statement;
    return STATUS_OK;
}

enum status owned_run(struct journal *journal, const char *thread_id, enum statement_id id,
                      sqlite3_stmt *statement, struct err *err)
{
    int changed = 0;
    enum status status = statement_run(journal, id, statement, &changed, err);
    return status == STATUS_OK && changed == 0 ? journal_lease_lost(journal, thread_id, err)
                                               : status;
}
