/* What a statement costs with a long history: none of those that turns, lists and windows use looks
 * at every row of a table. */
#include "support.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <string.h>

#include "../../../server/journal/journal-internal.h"

TestSuite(plans, .timeout = 60, .init = make_folder, .fini = remove_folder);

/* Of these it is known, and why it may be. */
static bool may_scan(enum statement_id id, const char *step)
{
    static const struct {
        enum statement_id id;
        const char *of;
    } allowed[] = {
        /* what waits for review: a thousand files at the most */
        {SQL_REVIEW_SWEEP, "SCAN review"},
        {SQL_REVIEW_OLD, "SCAN review"},
        {SQL_REVIEW_LEASES, "SCAN review"},
        {SQL_REVIEW_RENEW, "SCAN review"},
        {SQL_REVIEW_RELEASE, "SCAN review"},
        {SQL_THREAD_DELETE_BLOBS, "SCAN review"},
        {SQL_BLOB_OLDEST, "SCAN blob USING INDEX blob_by_use"}, /* its first row */
        /* the sweep, once a day */
        {SQL_SENT_OLD, "SCAN sent"},
        {SQL_BLOB_ORPHANS, "SCAN"},
        {SQL_SENT_LATEST, "SCAN sent"}, /* from its end, as far as a request that was a turn's */
        /* what ran last, when a person asks in a terminal */
        {SQL_CALL_LATEST, "SCAN call"},
    };
    for (size_t i = 0; i < array_count(allowed); i++)
        if (allowed[i].id == id && str_starts_with(str_from(step), str_from(allowed[i].of)))
            return true;
    return false;
}

Test(plans, nothing_that_is_done_often_looks_at_every_row)
{
    struct journal *journal = open_journal();
    for (int id = 0; id < SQL_COUNT; id++) {
        struct buf text = {0};
        sqlite3_stmt *statement;
        buf_append_fmt(&text, "EXPLAIN QUERY PLAN %s", journal_sql[id]);
        cr_assert_eq(sqlite3_prepare_v2(journal->db, text.ptr, -1, &statement, NULL), SQLITE_OK,
                     "%s: %s", text.ptr, sqlite3_errmsg(journal->db));
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *step = (const char *)sqlite3_column_text(statement, 3);
            bool scans = strncmp(step, "SCAN ", 5) == 0 && strncmp(step, "SCAN CONSTANT", 13) != 0;
            cr_expect(!scans || may_scan((enum statement_id)id, step), "%d %s: %s", id, step,
                      journal_sql[id]);
        }
        sqlite3_finalize(statement);
        buf_finish(&text);
    }
    journal_close(journal);
}
