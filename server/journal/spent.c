/* What a day has cost, by model: one row, to which every window adds. */
#include "journal-internal.h"

#include <time.h>

static uint64_t day_of(uint64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};
    localtime_r(&seconds, &tm);
    return (uint64_t)(tm.tm_year + 1900) * 10000 + (uint64_t)(tm.tm_mon + 1) * 100 +
           (uint64_t)tm.tm_mday;
}

enum status journal_spent_add(struct journal *journal, const struct journal_spent *spent,
                              struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_SPENT_ADD, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, day_of(journal->now_ms()));
    bind_str(statement, 2, spent->model);
    bind_int(statement, 3, (uint64_t)spent->input_tokens);
    bind_int(statement, 4, (uint64_t)spent->cached_tokens);
    bind_int(statement, 5, (uint64_t)spent->output_tokens);
    return statement_run(journal, SQL_SPENT_ADD, statement, NULL, err);
}

enum status journal_spent_today(struct journal *journal, journal_spent_fn *fn, void *user,
                                struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_SPENT_EACH, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, day_of(journal->now_ms()));
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_spent spent = {
            .model = column_str(statement, 0),
            .input_tokens = (int64_t)column_int(statement, 1),
            .cached_tokens = (int64_t)column_int(statement, 2),
            .output_tokens = (int64_t)column_int(statement, 3),
        };
        fn(user, &spent);
    }
    enum status status = code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
    statement_drop(journal, SQL_SPENT_EACH, statement);
    return status;
}

enum status journal_spent_prune(struct journal *journal, uint64_t before_ms, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_SPENT_OLD, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, day_of(before_ms));
    return statement_run(journal, SQL_SPENT_OLD, statement, NULL, err);
}
