/* What waits for the person's decision, file by file: kept by the window that shows it, free for
 * the next one when that has ended. The texts are blobs like those of change sets. */
#include "journal-internal.h"

#include <string.h>

/* -- Texts -- */

static enum status keep_text(struct journal *journal, const struct str *text,
                             char ret_hash[SHA256_HEX_BYTES], struct err *err)
{
    ret_hash[0] = '\0';
    if (!text)
        return STATUS_OK;
    hash_sha256_hex(*text, ret_hash);
    return journal_blob_put(journal, ret_hash, *text, err);
}

/* -- Rows -- */

static enum status remove_row(struct journal *journal, struct str path, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_REVIEW_DELETE, err);
    if (!statement)
        return STATUS_IO;
    bind_str(statement, 1, path);
    bind_c(statement, 2, journal->lease);
    return statement_run(journal, SQL_REVIEW_DELETE, statement, NULL, err);
}

static enum status insert_row(struct journal *journal, const struct journal_review *review,
                              const char *base_hash, const char *now_hash, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_REVIEW_INSERT, err);
    if (!statement)
        return STATUS_IO;
    bind_str(statement, 1, review->path);
    bind_str(statement, 2, review->old_path);
    bind_c(statement, 3, journal->lease);
    bind_c(statement, 4, base_hash);
    bind_c(statement, 5, now_hash);
    bind_str(statement, 6, review->hunks);
    bind_int(statement, 7, journal->now_ms());
    return statement_run(journal, SQL_REVIEW_INSERT, statement, NULL, err);
}

static enum status put(struct journal *journal, const struct journal_review *review,
                       const struct str *base, const struct str *now, struct err *err)
{
    char base_hash[SHA256_HEX_BYTES], now_hash[SHA256_HEX_BYTES];
    enum status status = remove_row(journal, review->path, err);
    if (status == STATUS_OK)
        status = keep_text(journal, base, base_hash, err);
    if (status == STATUS_OK)
        status = keep_text(journal, now, now_hash, err);
    if (status == STATUS_OK)
        status = insert_row(journal, review, base_hash, now_hash, err);
    journal->has_reviews |= status == STATUS_OK;
    if (status == STATUS_OK)
        status = statement_run_plain(journal, SQL_REVIEW_SWEEP, err);
    return status;
}

enum status journal_review_put(struct journal *journal, const struct journal_review *review,
                               const struct str *base, const struct str *now, struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    journal_begin(journal);
    return journal_finish(journal, put(journal, review, base, now, err), err);
}

enum status journal_review_remove(struct journal *journal, struct str path, struct err *err)
{
    enum status status = journal_writable(journal, err);
    return status == STATUS_OK ? remove_row(journal, path, err) : status;
}

/* -- Taking over -- */

struct found {
    VEC(uint64_t) nums;
};

/* Those of windows that have ended. */
static enum status find_free(struct journal *journal, struct str root, struct found *found,
                             struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_REVIEW_LEASES, err);
    if (!statement)
        return STATUS_IO;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t pid;
        struct str lease = column_str(statement, 2);
        if (!path_is_under(column_str(statement, 1), root) || str_eq_c(lease, journal->lease) ||
            journal_lease_is_live(journal, lease, column_int(statement, 3), &pid))
            continue;
        vec_push(&found->nums, column_int(statement, 0));
    }
    statement_drop(journal, SQL_REVIEW_LEASES, statement);
    return code == SQLITE_DONE ? STATUS_OK : statement_error(journal, code, err);
}

static enum status take_row(struct journal *journal, uint64_t num, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_REVIEW_TAKE, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    bind_int(statement, 3, journal->now_ms());
    return statement_run(journal, SQL_REVIEW_TAKE, statement, NULL, err);
}

static enum status tell_row(struct journal *journal, uint64_t num, journal_review_fn *fn,
                            void *user, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_REVIEW_GET, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        struct journal_review review = {
            .path = column_str(statement, 0),
            .old_path = column_str(statement, 1),
            .base_hash = column_str(statement, 2),
            .now_hash = column_str(statement, 3),
            .hunks = column_str(statement, 4),
        };
        fn(user, &review);
    }
    statement_drop(journal, SQL_REVIEW_GET, statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? STATUS_OK
                                                     : statement_error(journal, code, err);
}

enum status journal_review_take(struct journal *journal, struct str root, journal_review_fn *fn,
                                void *user, struct err *err)
{
    struct found found = {0};
    enum status status = journal_writable(journal, err);
    if (status == STATUS_OK)
        status = find_free(journal, root, &found, err);
    for (size_t i = 0; status == STATUS_OK && i < found.nums.len; i++) {
        status = take_row(journal, found.nums.ptr[i], err);
        journal->has_reviews |= status == STATUS_OK;
        if (status == STATUS_OK)
            status = tell_row(journal, found.nums.ptr[i], fn, user, err);
    }
    vec_finish(&found.nums);
    return status;
}

void journal_review_release(struct journal *journal)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_REVIEW_RELEASE, NULL);
    if (!statement)
        return;
    bind_c(statement, 1, journal->lease);
    statement_run(journal, SQL_REVIEW_RELEASE, statement, NULL, NULL);
}
