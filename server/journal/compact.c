/* A new beginning for what the model is sent. */
#include "journal-internal.h"

static enum status append_all(struct journal *journal, const char *thread_id, const char *turn_id,
                              const struct str *items, size_t count, struct err *err)
{
    enum status status = STATUS_OK;
    uint64_t first = 0;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = journal_item_append(journal, thread_id, turn_id, "compacted", items[i], err);
        if (i == 0)
            first = journal_item_last_seq(journal);
    }
    return status == STATUS_OK ? journal_thread_set_base(journal, thread_id, first, err) : status;
}

/* Without a transaction (another window holds the lock) a crash in between would leave half of it:
 * then it is not done at all. */
enum status journal_compact(struct journal *journal, const char *thread_id, const char *turn_id,
                            const struct str *items, size_t count, struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK)
        return status;
    if (count == 0)
        return err_set(err, STATUS_INVALID, "a thread cannot begin with nothing");
    journal_begin(journal);
    if (sqlite3_get_autocommit(journal->db))
        status = err_set(err, STATUS_TIMEOUT,
                         "the journal is held by another window for too long; try again");
    else
        status = append_all(journal, thread_id, turn_id, items, count, err);
    return journal_finish(journal, status, err);
}
