/* The audit log: kept beside the calls and items it speaks of, so that a line of it costs one row.
 */
#include "journal-internal.h"

#include <string.h>

enum status journal_call_set_sandbox(struct journal *journal, const char *thread_id,
                                     struct str call_id, struct str sandbox, struct err *err)
{
    sqlite3_stmt *statement;
    int changed = 0;
    enum status status = owned_take(journal, thread_id, SQL_CALL_SANDBOX, &statement, err);
    if (status != STATUS_OK)
        return status;
    bind_str(statement, 3, call_id);
    bind_str(statement, 4, sandbox);
    status = statement_run(journal, SQL_CALL_SANDBOX, statement, &changed, err);
    if (status != STATUS_OK || changed > 0)
        return status;
    if (!journal_lease_is_ours(journal, thread_id))
        return journal_lease_lost(journal, thread_id, err);
    return err_set(err, STATUS_NOT_FOUND, "call " STR_FMT " was never started", STR_ARG(call_id));
}

enum status journal_sent_add(struct journal *journal, const char *thread_id,
                             const struct journal_sent *sent, uint64_t *ret_num, struct err *err)
{
    sqlite3_stmt *statement;
    enum status status = owned_take(journal, thread_id, SQL_SENT_INSERT, &statement, err);
    if (status != STATUS_OK)
        return status;
    const uint64_t numbers[] = {sent->first_seq,
                                sent->last_seq,
                                sent->items,
                                sent->bytes,
                                sent->tools_bytes,
                                sent->continued,
                                sent->sent_ms ? sent->sent_ms : journal->now_ms(),
                                (uint64_t)sent->input_tokens,
                                (uint64_t)sent->cached_tokens,
                                (uint64_t)sent->output_tokens};
    bind_str(statement, 3, sent->turn_id);
    bind_str(statement, 4, sent->kind);
    bind_str(statement, 5, sent->host);
    for (size_t i = 0; i < array_count(numbers); i++)
        bind_int(statement, 6 + (int)i, numbers[i]);
    status = owned_run(journal, thread_id, SQL_SENT_INSERT, statement, err);
    if (status == STATUS_OK && ret_num)
        *ret_num = (uint64_t)sqlite3_last_insert_rowid(journal->db);
    return status;
}

enum status journal_sent_set_tokens(struct journal *journal, uint64_t num, int64_t input_tokens,
                                    int64_t cached_tokens, int64_t output_tokens, struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_SENT_TOKENS, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_int(statement, 2, (uint64_t)input_tokens);
    bind_int(statement, 3, (uint64_t)cached_tokens);
    bind_int(statement, 4, (uint64_t)output_tokens);
    return statement_run(journal, SQL_SENT_TOKENS, statement, NULL, err);
}

enum status journal_sent_prune(struct journal *journal, uint64_t before_ms, struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_SENT_OLD, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, before_ms);
    status = statement_run(journal, SQL_SENT_OLD, statement, NULL, err);
    return status == STATUS_OK ? journal_spent_prune(journal, before_ms, err) : status;
}

/* -- Reading -- */

static sqlite3_stmt *begin_each(struct journal *journal, enum statement_id id, struct str thread_id,
                                struct str turn_id, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, id, err);
    if (statement) {
        bind_str(statement, 1, thread_id);
        bind_str(statement, 2, turn_id);
    }
    return statement;
}

static enum status end_each(struct journal *journal, enum statement_id id, sqlite3_stmt *statement,
                            int code, struct err *err)
{
    enum status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
    statement_drop(journal, id, statement);
    return status;
}

/* Gives every row to fn, until it has enough. */
static enum status read_calls(struct journal *journal, enum statement_id id,
                              sqlite3_stmt *statement, journal_call_fn *fn, void *user,
                              struct err *err)
{
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_call call = {
            .thread_id = column_str(statement, 0),
            .turn_id = column_str(statement, 1),
            .call_id = column_str(statement, 2),
            .name = column_str(statement, 3),
            .arguments = column_str(statement, 4),
            .decision = column_str(statement, 5),
            .sandbox = column_str(statement, 6),
            .output = column_str(statement, 7),
            .state = sqlite3_column_type(statement, 7) == SQLITE_NULL ? CALL_STARTED : CALL_DONE,
            .ok = column_int(statement, 8) != 0,
            .started_ms = column_int(statement, 9),
            .ended_ms = column_int(statement, 10),
        };
        if (!fn(user, &call))
            break;
    }
    return end_each(journal, id, statement, code, err);
}

enum status journal_call_get(struct journal *journal, const char *thread_id, struct str call_id,
                             journal_call_fn *fn, void *user, struct err *err)
{
    sqlite3_stmt *statement = begin_each(journal, SQL_CALL_GET, str_from(thread_id), call_id, err);
    return statement ? read_calls(journal, SQL_CALL_GET, statement, fn, user, err) : STATUS_IO;
}

enum status journal_call_each(struct journal *journal, struct str thread_id, struct str turn_id,
                              size_t limit, journal_call_fn *fn, void *user, struct err *err)
{
    enum statement_id id = thread_id.len > 0 ? SQL_CALL_OF_THREAD
                           : turn_id.len > 0 ? SQL_CALL_OF_TURN
                                             : SQL_CALL_LATEST;
    sqlite3_stmt *statement = begin_each(journal, id, thread_id, turn_id, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 3, limit);
    return read_calls(journal, id, statement, fn, user, err);
}

enum status journal_sent_each(struct journal *journal, struct str turn_id, journal_sent_fn *fn,
                              void *user, struct err *err)
{
    sqlite3_stmt *statement = begin_each(journal, SQL_SENT_OF_TURN, STR(""), turn_id, err);
    if (!statement)
        return STATUS_IO;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_sent sent = {
            .thread_id = column_str(statement, 0),
            .turn_id = column_str(statement, 1),
            .kind = column_str(statement, 2),
            .host = column_str(statement, 3),
            .first_seq = column_int(statement, 4),
            .last_seq = column_int(statement, 5),
            .items = column_int(statement, 6),
            .bytes = column_int(statement, 7),
            .tools_bytes = column_int(statement, 8),
            .continued = column_int(statement, 9) != 0,
            .sent_ms = column_int(statement, 10),
            .input_tokens = (int64_t)column_int(statement, 11),
            .cached_tokens = (int64_t)column_int(statement, 12),
            .output_tokens = (int64_t)column_int(statement, 13),
        };
        if (!fn(user, &sent))
            break;
    }
    return end_each(journal, SQL_SENT_OF_TURN, statement, code, err);
}

/* The id in the one row there may be; STATUS_NOT_FOUND, with nothing said, where there is none. */
static enum status read_id(struct journal *journal, enum statement_id id, struct str of,
                           char ret_id[ID_BYTES], struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, id, err);
    if (!statement)
        return STATUS_IO;
    if (of.len > 0)
        bind_str(statement, 1, of);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        column_id(statement, 0, ret_id);
    enum status status = code == SQLITE_ROW    ? STATUS_OK
                         : code == SQLITE_DONE ? STATUS_NOT_FOUND
                                               : statement_error(journal, code, err);
    statement_drop(journal, id, statement);
    return status;
}

enum status journal_sent_latest(struct journal *journal, char ret_turn_id[ID_BYTES],
                                struct err *err)
{
    enum status status = read_id(journal, SQL_SENT_LATEST, (struct str){0}, ret_turn_id, err);
    return status == STATUS_NOT_FOUND ? err_set(err, status, "nothing was sent yet") : status;
}

enum status journal_turn_thread(struct journal *journal, struct str turn_id,
                                char ret_thread_id[ID_BYTES], struct err *err)
{
    enum status status = read_id(journal, SQL_TURN_GET, turn_id, ret_thread_id, err);
    return status == STATUS_NOT_FOUND
               ? err_set(err, status, "there is no turn " STR_FMT, STR_ARG(turn_id))
               : status;
}
