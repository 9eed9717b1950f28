/* Change sets, and the texts they need for undo: by content, bounded, oldest first out. */
#include "journal-internal.h"

#include <string.h>

struct texts {
    char before_hash[SHA256_HEX_BYTES], after_hash[SHA256_HEX_BYTES];
    const struct str *before, *after;
};

static enum status insert_change(struct journal *journal, uint64_t thread_num, const char *turn_id,
                                 const char *kind, struct str path, struct str new_path,
                                 const struct texts *texts, int *ret_changed, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_CHANGE_INSERT, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, thread_num);
    bind_c(statement, 2, journal->lease);
    bind_c(statement, 3, turn_id);
    bind_c(statement, 4, kind);
    bind_str(statement, 5, path);
    bind_str(statement, 6, new_path);
    bind_c(statement, 7, texts->before_hash);
    bind_c(statement, 8, texts->after_hash);
    bind_int(statement, 9, journal->now_ms());
    return statement_run(journal, SQL_CHANGE_INSERT, statement, ret_changed, err);
}

/* -- Blobs -- */

static enum status put_blob(struct journal *journal, const char *hash, struct str bytes,
                            uint64_t change_num, struct err *err)
{
    sqlite3_stmt *use = statement_take(journal, SQL_BLOB_USE, err);
    if (!use)
        return STATUS_IO;
    int changed = 0;
    bind_c(use, 1, hash);
    bind_int(use, 2, change_num);
    enum status status = statement_run(journal, SQL_BLOB_USE, use, &changed, err);
    if (status != STATUS_OK || changed > 0)
        return status;
    sqlite3_stmt *insert = statement_take(journal, SQL_BLOB_INSERT, err);
    if (!insert)
        return STATUS_IO;
    bind_c(insert, 1, hash);
    bind_int(insert, 2, bytes.len);
    bind_int(insert, 3, change_num);
    sqlite3_bind_blob64(insert, 4, bytes.len ? bytes.ptr : "", bytes.len, SQLITE_STATIC);
    return statement_run(journal, SQL_BLOB_INSERT, insert, NULL, err);
}

static enum status last_change(struct journal *journal, uint64_t *ret_num, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_CHANGE_LAST, err);
    if (!statement)
        return STATUS_IO;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *ret_num = column_int(statement, 0);
    statement_drop(journal, SQL_CHANGE_LAST, statement);
    return STATUS_OK;
}

static uint64_t total_bytes(struct journal *journal)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_BLOB_TOTAL, NULL);
    if (!statement)
        return 0;
    uint64_t total = sqlite3_step(statement) == SQLITE_ROW ? column_int(statement, 0) : 0;
    statement_drop(journal, SQL_BLOB_TOTAL, statement);
    return total;
}

/* False when there is none left. */
static bool delete_oldest(struct journal *journal, enum status *ret_status, struct err *err)
{
    char hash[SHA256_HEX_BYTES] = "";
    sqlite3_stmt *oldest = statement_take(journal, SQL_BLOB_OLDEST, err);
    if (oldest && sqlite3_step(oldest) == SQLITE_ROW)
        memcpy(hash, sqlite3_column_text(oldest, 0), SHA256_HEX_BYTES - 1);
    if (oldest)
        statement_drop(journal, SQL_BLOB_OLDEST, oldest);
    sqlite3_stmt *statement = hash[0] ? statement_take(journal, SQL_BLOB_DELETE, err) : NULL;
    if (!statement)
        return false;
    bind_c(statement, 1, hash);
    *ret_status = statement_run(journal, SQL_BLOB_DELETE, statement, NULL, err);
    return *ret_status == STATUS_OK;
}

static enum status make_room(struct journal *journal, uint64_t bytes, struct err *err)
{
    enum status status = STATUS_OK;
    while (total_bytes(journal) + bytes > journal->blob_limit_bytes &&
           delete_oldest(journal, &status, err))
        ;
    return status;
}

enum status journal_blob_put(struct journal *journal, const char *hash, struct str bytes,
                             struct err *err)
{
    uint64_t num = 0;
    if (bytes.len > journal->blob_limit_bytes)
        return err_set(err, STATUS_LIMIT, "a text of %zu bytes is larger than the store for undo",
                       bytes.len);
    enum status status = make_room(journal, bytes.len, err);
    if (status == STATUS_OK)
        status = last_change(journal, &num, err);
    return status == STATUS_OK ? put_blob(journal, hash, bytes, num, err) : status;
}

void journal_set_blob_limit(struct journal *journal, uint64_t bytes)
{
    journal->blob_limit_bytes = bytes;
}

enum status journal_blob_get(struct journal *journal, struct str hash, struct buf *ret_bytes,
                             struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_BLOB_GET, err);
    if (!statement)
        return STATUS_IO;
    bind_str(statement, 1, hash);
    int code = sqlite3_step(statement);
    enum status status = STATUS_OK;
    if (code == SQLITE_ROW) {
        buf_clear(ret_bytes);
        buf_append(ret_bytes, column_str(statement, 0));
    } else if (code == SQLITE_DONE) {
        status = err_set(err, STATUS_NOT_FOUND,
                         "the earlier text is no longer kept (the store holds %llu MiB)",
                         (unsigned long long)(journal->blob_limit_bytes / MIB));
    } else {
        status = statement_error(journal, code, err);
    }
    statement_drop(journal, SQL_BLOB_GET, statement);
    return status;
}

/* -- Changes -- */

/* Room is made before the rows, so that a text never throws out the one it came with. */
static enum status add(struct journal *journal, const char *thread_id, const char *turn_id,
                       const char *kind, struct str path, struct str new_path,
                       const struct texts *texts, struct err *err)
{
    uint64_t num;
    int changed = 0;
    enum status status = journal_thread_num(journal, thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    uint64_t bytes =
        (texts->before ? texts->before->len : 0) + (texts->after ? texts->after->len : 0);
    if (bytes > journal->blob_limit_bytes)
        return err_set(err, STATUS_LIMIT,
                       "a change of %llu bytes is larger than the store for undo",
                       (unsigned long long)bytes);
    status = make_room(journal, bytes, err);
    if (status == STATUS_OK)
        status = insert_change(journal, num, turn_id, kind, path, new_path, texts, &changed, err);
    if (status != STATUS_OK)
        return status;
    if (changed == 0)
        return journal_lease_lost(journal, thread_id, err);
    uint64_t change_num = (uint64_t)sqlite3_last_insert_rowid(journal->db);
    if (texts->before)
        status = put_blob(journal, texts->before_hash, *texts->before, change_num, err);
    if (status == STATUS_OK && texts->after)
        status = put_blob(journal, texts->after_hash, *texts->after, change_num, err);
    return status;
}

enum status journal_change_add(struct journal *journal, const char *thread_id, const char *turn_id,
                               const char *kind, struct str path, struct str new_path,
                               const struct str *before, const struct str *after, struct err *err)
{
    struct texts texts = {.before = before, .after = after};
    if (before)
        hash_sha256_hex(*before, texts.before_hash);
    if (after)
        hash_sha256_hex(*after, texts.after_hash);
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    journal_begin(journal);
    status = add(journal, thread_id, turn_id, kind, path, new_path, &texts, err);
    return journal_finish(journal, status, err);
}

enum status journal_change_each(struct journal *journal, const char *turn_id, journal_change_fn *fn,
                                void *user, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_CHANGE_EACH, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, turn_id);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_change change = {
            .turn_id = column_str(statement, 0),
            .path = column_str(statement, 1),
            .new_path = column_str(statement, 2),
            .kind = column_str(statement, 3),
            .before_hash = column_str(statement, 4),
            .after_hash = column_str(statement, 5),
            .created_ms = column_int(statement, 6),
        };
        if (!fn(user, &change))
            break;
    }
    enum status status =
        code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
    statement_drop(journal, SQL_CHANGE_EACH, statement);
    return status;
}
