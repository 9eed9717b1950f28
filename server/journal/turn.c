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

/* Borrowed. */
struct new_turn {
    const char *thread_id, *status;
    struct str prompt, input_json;
};

static enum status insert(struct journal *journal, const struct new_turn *turn, uint64_t num,
                          const char *turn_id, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_TURN_INSERT, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    bind_c(statement, 3, turn_id);
    bind_c(statement, 4, turn->status);
    bind_int(statement, 5, journal->now_ms());
    bind_str(statement, 6, turn->prompt);
    bind_str(statement, 7, turn->input_json);
    enum status status = owned_run(journal, turn->thread_id, SQL_TURN_INSERT, statement, err);
    return status == STATUS_OK ? touch(journal, num, err) : status;
}

static enum status create(struct journal *journal, const struct new_turn *turn,
                          char ret_id[ID_BYTES], struct err *err)
{
    uint64_t num;
    enum status status = journal_owned(journal, turn->thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    char id[ID_BYTES];
    id_make("turn", id);
    journal_begin(journal);
    status = journal_finish(journal, insert(journal, turn, num, id, err), err);
    if (status == STATUS_OK)
        memcpy(ret_id, id, ID_BYTES);
    return status;
}

enum status journal_turn_create(struct journal *journal, const char *thread_id,
                                char ret_id[ID_BYTES], struct err *err)
{
    const struct new_turn turn = {.thread_id = thread_id, .status = "running"};
    return create(journal, &turn, ret_id, err);
}

enum status journal_turn_queue(struct journal *journal, const char *thread_id, struct str prompt,
                               struct str input_json, char ret_id[ID_BYTES], struct err *err)
{
    const struct new_turn turn = {
        .thread_id = thread_id, .status = "queued", .prompt = prompt, .input_json = input_json};
    return create(journal, &turn, ret_id, err);
}

static enum status not_ours(const char *turn_id, struct err *err)
{
    return err_set(err, STATUS_CONFLICT, "turn %s is not of a thread held by this window", turn_id);
}

enum status journal_turn_set_mode(struct journal *journal, const char *turn_id, struct str mode,
                                  struct err *err)
{
    int changed = 0;
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_TURN_MODE, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, turn_id);
    bind_c(statement, 2, journal->lease);
    bind_str(statement, 3, mode);
    status = statement_run(journal, SQL_TURN_MODE, statement, &changed, err);
    return status == STATUS_OK && changed == 0 ? not_ours(turn_id, err) : status;
}

enum status journal_turn_begin(struct journal *journal, const char *turn_id, struct err *err)
{
    int changed = 0;
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_TURN_BEGIN, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, turn_id);
    bind_c(statement, 2, journal->lease);
    bind_int(statement, 3, journal->now_ms());
    status = statement_run(journal, SQL_TURN_BEGIN, statement, &changed, err);
    return status == STATUS_OK && changed == 0 ? not_ours(turn_id, err) : status;
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
        status = not_ours(turn_id, err);
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
            .prompt = column_str(statement, 6),
            .input_json = column_str(statement, 7),
            .mode = column_str(statement, 8),
        };
        if (!fn(user, &turn))
            break;
    }
    enum status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
    statement_drop(journal, SQL_TURN_EACH, statement);
    return status;
}
