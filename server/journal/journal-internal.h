/* The connection, its kept statements, and how every write is run. */
#ifndef LANEBRIDGE_JOURNAL_INTERNAL_H
#define LANEBRIDGE_JOURNAL_INTERNAL_H

#include <sqlite3.h>

#include <lanebridge/journal.h>

enum { JOURNAL_VERSION = 8, LEASE_BYTES = 128 };

/* One row each in statement.c's table. */
enum statement_id {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_THREAD_INSERT,
    SQL_THREAD_GET,
    SQL_THREAD_LIST,
    SQL_THREAD_LIST_ALL,
    SQL_FORK_THREAD,
    SQL_FORK_TURN,
    SQL_FORK_CALLS,
    SQL_FORK_ITEM,
    SQL_HELPER_INSERT,
    SQL_HELPER_FIND,
    SQL_THREAD_TITLE,
    SQL_THREAD_MODEL,
    SQL_THREAD_OWN_MODEL,
    SQL_THREAD_EFFORT,
    SQL_THREAD_MODE,
    SQL_THREAD_ARCHIVED,
    SQL_THREAD_HIDE,
    SQL_THREAD_BASE,
    SQL_THREAD_FOREIGN,
    SQL_THREAD_TOUCH,
    SQL_THREAD_TOOLSET,
    SQL_TOOLSET_INSERT,
    SQL_TOOLSET_GET,
    SQL_THREAD_DELETE,
    SQL_THREAD_DELETE_ITEMS,
    SQL_THREAD_DELETE_TURNS,
    SQL_THREAD_DELETE_WAITING,
    SQL_THREAD_DELETE_CALLS,
    SQL_THREAD_DELETE_SENT,
    SQL_THREAD_DELETE_BLOBS,
    SQL_THREAD_DELETE_CHANGES,
    SQL_THREAD_OLD,
    SQL_LEASE_GET,
    SQL_LEASE_TAKE,
    SQL_LEASE_RENEW,
    SQL_LEASE_DROP,
    SQL_TURN_INSERT,
    SQL_TURN_MODE,
    SQL_TURN_BEGIN,
    SQL_TURN_END,
    SQL_TURN_EACH,
    SQL_ITEM_INSERT,
    SQL_ITEM_EACH,
    SQL_WAITING_INSERT,
    SQL_WAITING_PLACE,
    SQL_WAITING_DELETE,
    SQL_WAITING_EACH,
    SQL_CALL_INSERT,
    SQL_CALL_INSERT_DONE,
    SQL_CALL_FINISH,
    SQL_CALL_FIND,
    SQL_CALL_SANDBOX,
    SQL_CALL_GET,
    SQL_CALL_OF_THREAD,
    SQL_CALL_OF_TURN,
    SQL_CALL_LATEST,
    SQL_SENT_INSERT,
    SQL_SENT_TOKENS,
    SQL_SENT_OF_TURN,
    SQL_SENT_LATEST,
    SQL_SENT_OLD,
    SQL_SPENT_ADD,
    SQL_SPENT_EACH,
    SQL_SPENT_OLD,
    SQL_TURN_GET,
    SQL_CHANGE_INSERT,
    SQL_CHANGE_EACH,
    SQL_BLOB_INSERT,
    SQL_BLOB_USE,
    SQL_BLOB_GET,
    SQL_BLOB_TOTAL,
    SQL_BLOB_OLDEST,
    SQL_BLOB_ORPHANS,
    SQL_BLOB_DELETE,
    SQL_CHANGE_LAST,
    SQL_REVIEW_INSERT,
    SQL_REVIEW_DELETE,
    SQL_REVIEW_SWEEP,
    SQL_REVIEW_OLD,
    SQL_REVIEW_LEASES,
    SQL_REVIEW_TAKE,
    SQL_REVIEW_GET,
    SQL_REVIEW_RENEW,
    SQL_REVIEW_RELEASE,
    SQL_COUNT,
};

struct journal {
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared at first use, kept */
    uint64_t (*now_ms)(void);
    char lease[LEASE_BYTES]; /* who we are */
    struct map ours;         /* thread id -> its num, as a pointer; leased to us */
    uint64_t blob_limit_bytes, last_seq;
    unsigned depth;   /* of journal_begin */
    bool is_late;     /* a transaction is open at depth 0: the next join goes on with it */
    bool is_promised; /* and the loop will commit it before it waits */
    bool is_closed;   /* only that promise keeps the memory */
    bool has_reviews; /* that this window shows */
    bool has_pruned;  /* threads, and their text is still in the log */
    bool read_only;   /* a newer version's */
    struct err lost;  /* a commit that failed, for the next write to report */
};

extern const char *const journal_schema[];
extern const char *const journal_sql[SQL_COUNT];
/* journal_steps[n] leads from version n to n + 1, its user_version included; the first is the
 * schema. */
extern const char *const journal_steps[JOURNAL_VERSION];

/* A statement, reset and without bindings; a throw-away copy while the kept one is still running.
 * NULL with err set when it cannot be prepared. */
sqlite3_stmt *statement_take(struct journal *journal, enum statement_id id, struct err *err);
void statement_drop(struct journal *journal, enum statement_id id, sqlite3_stmt *statement);
void bind_str(sqlite3_stmt *statement, int index, struct str text);
void bind_c(sqlite3_stmt *statement, int index, const char *text);
void bind_int(sqlite3_stmt *statement, int index, uint64_t value);
struct str column_str(sqlite3_stmt *statement, int column);
uint64_t column_int(sqlite3_stmt *statement, int column);
void column_id(sqlite3_stmt *statement, int column, char ret_id[ID_BYTES]);
/* What SQLite's code means for a person. */
enum status statement_error(struct journal *journal, int code, struct err *err);
/* Runs to the end and drops. *ret_changed (may be NULL): rows written. */
enum status statement_run(struct journal *journal, enum statement_id id, sqlite3_stmt *statement,
                          int *ret_changed, struct err *err);
/* Same for a statement without parameters. */
enum status statement_run_plain(struct journal *journal, enum statement_id id, struct err *err);

/* May we write at all: not read-only, nothing lost since. */
enum status journal_writable(struct journal *journal, struct err *err);
/* Ends the transaction opened last; with a bad status everything since its begin is undone. */
enum status journal_finish(struct journal *journal, enum status status, struct err *err);

/* thread.num of a thread leased to us; CONFLICT or NOT_FOUND otherwise. */
enum status journal_thread_num(struct journal *journal, const char *thread_id, uint64_t *ret_num,
                               struct err *err);
/* The same, and the journal can be written. */
enum status journal_owned(struct journal *journal, const char *thread_id, uint64_t *ret_num,
                          struct err *err);
/* A statement whose first parameters are the thread's number and our lease, both bound. */
enum status owned_take(struct journal *journal, const char *thread_id, enum statement_id id,
                       sqlite3_stmt **ret_statement, struct err *err);
/* Runs and drops it; CONFLICT where it changed nothing. */
enum status owned_run(struct journal *journal, const char *thread_id, enum statement_id id,
                      sqlite3_stmt *statement, struct err *err);
/* A write whose WHERE names our lease changed nothing: somebody took it over. */
enum status journal_lease_lost(struct journal *journal, const char *thread_id, struct err *err);
void journal_lease_init(char lease[LEASE_BYTES]);
/* pid_of_owner may be NULL. Renewed_ms decides only where the process cannot be looked at. */
bool journal_lease_is_live(struct journal *journal, struct str lease, uint64_t renewed_ms,
                           int64_t *ret_pid);
/* Days before it. */
enum status journal_spent_prune(struct journal *journal, uint64_t before_ms, struct err *err);
/* A text that belongs to no change: it grows old with the latest of them. */
enum status journal_blob_put(struct journal *journal, const char *hash, struct str bytes,
                             struct err *err);
/* What this window shows for review is free for the next one. */
void journal_review_release(struct journal *journal);
/* Fine when the thread is ours or nobody's. */
enum status journal_lease_check_free(struct journal *journal, const char *thread_id,
                                     struct err *err);

#endif
