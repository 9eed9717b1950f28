/* Every SQL text of the module, and running them. */
#include "journal-internal.h"

#define LIMIT_TEXT_OF(limit) #limit
#define LIMIT_TEXT(limit) LIMIT_TEXT_OF(limit)
#define THREAD_COLUMNS                                                                             \
    "id, root, title, model, created_ms, updated_ms, archived, lease, lease_ms, effort, mode, "    \
    "foreign_seq, (SELECT status IN ('queued', 'running') OR error = '" JOURNAL_CUT_OFF "' "       \
    "FROM turn WHERE turn.thread = thread.num ORDER BY turn.num DESC LIMIT 1), own_model"
/* Ties in updated_ms are kept together by the cursor: a page never splits a millisecond. */
#define THREAD_LIST(of_root)                                                                       \
    "SELECT " THREAD_COLUMNS " FROM thread WHERE " of_root "updated_ms < ?1 AND parent = 0 "       \
    "AND (?4 OR archived = 0) AND (?3 = '' OR instr(lower(title), lower(?3)) OR EXISTS "           \
    "(SELECT 1 FROM turn WHERE turn.thread = thread.num AND instr(lower(prompt), lower(?3)))) "    \
    "ORDER BY updated_ms DESC, num DESC"
#define WITH_HELPERS                                                                               \
    "(SELECT num FROM thread WHERE id = ?1 UNION SELECT num FROM thread WHERE parent > 0 AND "     \
    "parent = (SELECT num FROM thread WHERE id = ?1))"
/* The threads that rows of turn ?2 are in: its own and those of its helpers. Rows are kept by
 * thread; by their turn alone they would be looked for among all there are. */
#define THREADS_OF_TURN                                                                            \
    "(SELECT thread FROM turn WHERE id = ?2 UNION SELECT num FROM thread WHERE parent > 0 AND "    \
    "parent = (SELECT thread FROM turn WHERE id = ?2))"
#define CALL_ROWS                                                                                  \
    "SELECT thread.id, turn, call_id, name, arguments, decision, sandbox, output, ok, "            \
    "started_ms, ended_ms FROM call JOIN thread ON thread.num = call.thread "
#define NEWEST_FIRST " ORDER BY started_ms DESC, call.rowid DESC LIMIT ?3"
/* A row may be written only while its thread's lease is ours, whatever we believe. A new one has no
 * thread otherwise, which its table refuses. (INSERT … SELECT would do as well, but takes a
 * statement journal of 64 KiB each time.) */
#define IF_LEASED " FROM thread WHERE num = ?1 AND lease = ?2"
/* The same of a turn, from its own thread: not from all that a window holds. */
#define OF_LEASED " AND EXISTS (SELECT 1 FROM thread WHERE thread.num = turn.thread AND lease = ?2)"
#define LEASED_NUM "(SELECT num" IF_LEASED ")"

const char *const journal_sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_THREAD_INSERT] = "INSERT INTO thread (id, root, model, created_ms, updated_ms, lease, "
                          "lease_ms) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?4)",
    [SQL_THREAD_GET] = "SELECT " THREAD_COLUMNS " FROM thread WHERE id = ?1",
    [SQL_THREAD_LIST] = THREAD_LIST("root = ?2 AND "),
    [SQL_THREAD_LIST_ALL] = THREAD_LIST(""),
    [SQL_FORK_THREAD] =
        "INSERT INTO thread (id, root, title, model, own_model, effort, mode, "
        "toolset, created_ms, updated_ms, lease, lease_ms) SELECT ?2, root, title, "
        "model, own_model, effort, mode, toolset, ?3, ?3, ?4, ?3 FROM thread WHERE id = ?1",
    [SQL_FORK_TURN] = "INSERT INTO turn (id, thread, status, usage, error, started_ms, ended_ms, "
                      "prompt, mode) SELECT ?3, ?1, status, usage, error, started_ms, ended_ms, "
                      "prompt, mode "
                      "FROM turn WHERE id = ?2",
    [SQL_FORK_CALLS] =
        "INSERT INTO call (thread, call_id, turn, name, arguments, decision, output, "
        "ok, started_ms, ended_ms, sandbox) SELECT ?1, call_id, ?3, name, "
        "arguments, decision, output, ok, started_ms, ended_ms, sandbox FROM call "
        "WHERE thread = (SELECT thread FROM turn WHERE id = ?2) AND turn = ?2",
    [SQL_FORK_ITEM] = "INSERT INTO item (thread, turn, kind, json) SELECT ?1, ?3, kind, json "
                      "FROM item WHERE seq = ?2",
    [SQL_HELPER_INSERT] = "INSERT INTO thread (id, root, model, own_model, effort, mode, "
                          "created_ms, updated_ms, lease, "
                          "lease_ms, parent, parent_call) SELECT ?3, root, model, own_model, "
                          "effort, mode, ?4, ?4, ?2, ?4, "
                          "num, ?5" IF_LEASED,
    [SQL_HELPER_FIND] = "SELECT id FROM thread WHERE parent > 0 AND parent = "
                        "(SELECT num FROM thread WHERE id = ?1) AND parent_call = ?2",
    [SQL_THREAD_TITLE] = "UPDATE thread SET title = ?2 WHERE id = ?1",
    [SQL_THREAD_MODEL] = "UPDATE thread SET model = ?2 WHERE id = ?1",
    [SQL_THREAD_OWN_MODEL] = "UPDATE thread SET own_model = ?2 WHERE id = ?1",
    [SQL_THREAD_EFFORT] = "UPDATE thread SET effort = ?2 WHERE id = ?1",
    [SQL_THREAD_MODE] = "UPDATE thread SET mode = ?2 WHERE id = ?1",
    [SQL_THREAD_ARCHIVED] = "UPDATE thread SET archived = ?2 WHERE id = ?1",
    [SQL_THREAD_HIDE] = "UPDATE thread SET parent = num WHERE id = ?1",
    [SQL_THREAD_BASE] = "UPDATE thread SET base_seq = ?3 WHERE num = ?1 AND lease = ?2",
    [SQL_THREAD_FOREIGN] = "UPDATE thread SET foreign_seq = ?3 WHERE num = ?1 AND lease = ?2",
    [SQL_THREAD_TOUCH] = "UPDATE thread SET updated_ms = ?3 WHERE num = ?1 AND lease = ?2",
    [SQL_THREAD_TOOLSET] =
        "UPDATE thread SET toolset = (SELECT num FROM toolset WHERE made_by = ?3 "
        "AND json = ?4) WHERE num = ?1 AND lease = ?2",
    [SQL_TOOLSET_INSERT] = "INSERT OR IGNORE INTO toolset (made_by, json) VALUES (?1, ?2)",
    [SQL_TOOLSET_GET] = "SELECT json FROM toolset JOIN thread ON thread.toolset = toolset.num "
                        "WHERE thread.id = ?1 AND made_by = ?2",
    [SQL_THREAD_DELETE] = "DELETE FROM thread WHERE num IN " WITH_HELPERS,
    [SQL_THREAD_DELETE_ITEMS] = "DELETE FROM item WHERE thread IN " WITH_HELPERS,
    [SQL_THREAD_DELETE_TURNS] = "DELETE FROM turn WHERE thread IN " WITH_HELPERS,
    [SQL_THREAD_DELETE_WAITING] = "DELETE FROM waiting WHERE thread IN " WITH_HELPERS,
    [SQL_THREAD_DELETE_CALLS] = "DELETE FROM call WHERE thread IN " WITH_HELPERS,
    [SQL_THREAD_DELETE_SENT] = "DELETE FROM sent WHERE thread IN " WITH_HELPERS,
    /* A blob's newest use tells whose it is: another thread that uses it later keeps it. */
    [SQL_THREAD_DELETE_BLOBS] = "DELETE FROM blob WHERE used IN (SELECT num FROM change "
                                "WHERE thread IN " WITH_HELPERS ") AND hash NOT IN "
                                "(SELECT base_hash FROM review UNION SELECT now_hash FROM review)",
    [SQL_THREAD_DELETE_CHANGES] = "DELETE FROM change WHERE thread IN " WITH_HELPERS,
    [SQL_THREAD_OLD] =
        "SELECT id FROM thread WHERE updated_ms < ?1 AND parent IN (0, num) ORDER BY updated_ms "
        "LIMIT ?2",
    [SQL_LEASE_GET] = "SELECT num, lease, lease_ms FROM thread WHERE id = ?1",
    [SQL_LEASE_TAKE] = "UPDATE thread SET lease = ?2, lease_ms = ?3 WHERE id = ?1 AND lease = ?4",
    [SQL_LEASE_RENEW] = "UPDATE thread SET lease_ms = ?2 WHERE lease = ?1 AND lease <> ''",
    [SQL_LEASE_DROP] = "UPDATE thread SET lease = '' WHERE num = ?1 AND lease = ?2",
    [SQL_TURN_INSERT] = "INSERT INTO turn (thread, id, status, started_ms, prompt, input) "
                        "VALUES (" LEASED_NUM ", ?3, ?4, ?5, ?6, ?7)",
    [SQL_TURN_MODE] = "UPDATE turn SET mode = ?3 WHERE id = ?1" OF_LEASED,
    [SQL_TURN_BEGIN] = "UPDATE turn SET status = 'running', input = '', started_ms = ?3 "
                       "WHERE id = ?1" OF_LEASED,
    [SQL_TURN_END] =
        "UPDATE turn SET status = ?3, input = '', usage = ?4, error = ?5, ended_ms = ?6 "
        "WHERE id = ?1" OF_LEASED " "
        "RETURNING thread",
    [SQL_TURN_EACH] =
        "SELECT id, status, usage, error, started_ms, ended_ms, prompt, input, mode FROM turn "
        "WHERE thread = (SELECT num FROM thread WHERE id = ?1) ORDER BY turn.num",
    [SQL_ITEM_INSERT] =
        "INSERT INTO item (thread, turn, kind, json) VALUES (" LEASED_NUM ", ?3, ?4, ?5)",
    [SQL_ITEM_EACH] = "SELECT seq, turn, kind, json FROM item WHERE thread = "
                      "(SELECT num FROM thread WHERE id = ?1) AND seq >= CASE WHEN ?2 > 0 THEN ?2 "
                      "ELSE (SELECT base_seq FROM thread WHERE id = ?1) END ORDER BY seq",
    [SQL_WAITING_INSERT] = "INSERT INTO waiting (thread, turn, id, json) "
                           "VALUES (" LEASED_NUM ", ?3, ?4, ?5)",
    [SQL_WAITING_PLACE] =
        "INSERT INTO item (thread, turn, kind, json) SELECT waiting.thread, turn, "
        "'user', json FROM waiting JOIN thread ON thread.num = waiting.thread "
        "WHERE waiting.id = ?3 AND thread.num = ?1 AND lease = ?2",
    [SQL_WAITING_DELETE] = "DELETE FROM waiting WHERE id = ?3 AND thread IN " LEASED_NUM,
    [SQL_WAITING_EACH] = "SELECT turn, id, json FROM waiting WHERE thread = "
                         "(SELECT num FROM thread WHERE id = ?1) ORDER BY num",
    [SQL_CALL_INSERT] = "INSERT INTO call (thread, call_id, turn, name, arguments, decision, "
                        "started_ms) VALUES (" LEASED_NUM ", ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_CALL_INSERT_DONE] =
        "INSERT INTO call (thread, call_id, turn, name, arguments, decision, started_ms, output, "
        "ok, "
        "ended_ms) VALUES (" LEASED_NUM ", ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?8)",
    [SQL_CALL_FINISH] = "UPDATE call SET output = ?4, ok = ?5, ended_ms = ?6 "
                        "WHERE thread = ?1 AND call_id = ?3 AND output IS NULL "
                        "AND EXISTS (SELECT 1" IF_LEASED ")",
    [SQL_CALL_FIND] = "SELECT output FROM call WHERE thread = "
                      "(SELECT num FROM thread WHERE id = ?1) AND call_id = ?2",
    [SQL_CALL_SANDBOX] = "UPDATE call SET sandbox = ?4 WHERE thread = ?1 AND call_id = ?3 "
                         "AND EXISTS (SELECT 1" IF_LEASED ")",
    /* The newest first; a call and its turn may be as many as there are of the thread. */
    [SQL_CALL_GET] = CALL_ROWS "WHERE thread.id = ?1 AND call_id = ?2",
    [SQL_CALL_OF_THREAD] = CALL_ROWS "WHERE thread.id = ?1 AND (?2 = '' OR turn = ?2)" NEWEST_FIRST,
    [SQL_CALL_OF_TURN] =
        CALL_ROWS "WHERE call.thread IN " THREADS_OF_TURN " AND turn = ?2" NEWEST_FIRST,
    [SQL_CALL_LATEST] = CALL_ROWS NEWEST_FIRST,
    [SQL_SENT_INSERT] =
        "INSERT INTO sent (thread, turn, kind, host, first_seq, last_seq, items, bytes, "
        "tools_bytes, continued, sent_ms, input_tokens, cached_tokens, output_tokens) "
        "VALUES (" LEASED_NUM ", ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    [SQL_SENT_TOKENS] = "UPDATE sent SET input_tokens = ?2, cached_tokens = ?3, output_tokens = ?4 "
                        "WHERE num = ?1",
    [SQL_SENT_OF_TURN] =
        "SELECT thread.id, turn, kind, host, first_seq, last_seq, items, bytes, tools_bytes, "
        "continued, sent_ms, input_tokens, cached_tokens, output_tokens FROM sent "
        "JOIN thread ON thread.num = sent.thread "
        "WHERE sent.thread IN " THREADS_OF_TURN " AND turn = ?2 ORDER BY sent.num",
    [SQL_SENT_LATEST] = "SELECT turn FROM sent WHERE turn <> '' ORDER BY num DESC LIMIT 1",
    [SQL_SENT_OLD] = "DELETE FROM sent WHERE sent_ms < ?1",
    [SQL_SPENT_ADD] =
        "INSERT INTO spent VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (day, model) DO UPDATE SET "
        "input_tokens = input_tokens + ?3, cached_tokens = cached_tokens + ?4, "
        "output_tokens = output_tokens + ?5",
    [SQL_SPENT_EACH] = "SELECT model, input_tokens, cached_tokens, output_tokens FROM spent "
                       "WHERE day = ?1 ORDER BY model",
    [SQL_SPENT_OLD] = "DELETE FROM spent WHERE day < ?1",
    [SQL_TURN_GET] = "SELECT thread.id FROM turn JOIN thread ON thread.num = turn.thread "
                     "WHERE turn.id = ?1",
    [SQL_CHANGE_INSERT] =
        "INSERT INTO change (thread, turn, kind, path, new_path, before_hash, "
        "after_hash, created_ms) VALUES (" LEASED_NUM ", ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_CHANGE_EACH] = "SELECT turn, path, new_path, kind, before_hash, after_hash, created_ms "
                        "FROM change WHERE turn = ?1 ORDER BY num",
    [SQL_BLOB_INSERT] = "INSERT INTO blob (hash, size, used, bytes) VALUES (?1, ?2, ?3, ?4)",
    [SQL_BLOB_USE] = "UPDATE blob SET used = ?2 WHERE hash = ?1",
    [SQL_BLOB_GET] = "SELECT bytes FROM blob WHERE hash = ?1",
    [SQL_BLOB_TOTAL] = "SELECT value FROM total WHERE name = 'blob_bytes'",
    [SQL_BLOB_OLDEST] = "SELECT hash FROM blob ORDER BY used LIMIT 1",
    [SQL_BLOB_ORPHANS] =
        "DELETE FROM blob WHERE used NOT IN (SELECT num FROM change) AND hash NOT IN "
        "(SELECT base_hash FROM review UNION ALL SELECT now_hash FROM review UNION ALL "
        "SELECT before_hash FROM change UNION ALL SELECT after_hash FROM change)",
    [SQL_BLOB_DELETE] = "DELETE FROM blob WHERE hash = ?1",
    [SQL_CHANGE_LAST] = "SELECT coalesce(max(num), 0) FROM change",
    [SQL_REVIEW_INSERT] = "INSERT INTO review (path, old_path, lease, base_hash, now_hash, hunks, "
                          "updated_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_REVIEW_DELETE] = "DELETE FROM review WHERE path = ?1 AND lease = ?2",
    /* What nobody has decided on in a thousand files more: the files are as they are. */
    [SQL_REVIEW_SWEEP] =
        "DELETE FROM review WHERE num <= (SELECT num FROM review "
        "ORDER BY num DESC LIMIT 1 OFFSET " LIMIT_TEXT(LIMIT_REVIEW_FILES_COUNT) ")",
    [SQL_REVIEW_OLD] = "DELETE FROM review WHERE updated_ms < ?1", /* a window renews its own */
    [SQL_REVIEW_LEASES] = "SELECT num, path, lease, updated_ms FROM review ORDER BY num",
    [SQL_REVIEW_TAKE] = "UPDATE review SET lease = ?2, updated_ms = ?3 WHERE num = ?1",
    [SQL_REVIEW_GET] =
        "SELECT path, old_path, base_hash, now_hash, hunks FROM review WHERE num = ?1",
    [SQL_REVIEW_RENEW] = "UPDATE review SET updated_ms = ?2 WHERE lease = ?1",
    [SQL_REVIEW_RELEASE] = "UPDATE review SET lease = '' WHERE lease = ?1",
};

enum status statement_error(struct journal *journal, int code, struct err *err)
{
    const char *said = journal->db ? sqlite3_errmsg(journal->db) : sqlite3_errstr(code);
    switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, STATUS_TIMEOUT,
                       "the journal is held by another window for too long (%s); try again", said);
    case SQLITE_FULL:
        return err_set(err, STATUS_IO,
                       "the journal cannot grow: the disk is full; free some space");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, STATUS_IO,
                       "the journal is damaged (%s); close all windows and move journal.db away",
                       said);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return err_set(err, STATUS_DENIED,
                       "the journal may not be written (%s); check the state folder's permissions",
                       said);
    case SQLITE_TOOBIG:
        return err_set(err, STATUS_LIMIT, "too large for the journal");
    default:
        return err_set(err, STATUS_IO, "the journal cannot be used: %s", said);
    }
}

sqlite3_stmt *statement_take(struct journal *journal, enum statement_id id, struct err *err)
{
    sqlite3_stmt *kept = journal->statements[id];
    if (kept && !sqlite3_stmt_busy(kept))
        return kept;
    sqlite3_stmt *made = NULL;
    unsigned flags = kept ? 0 : SQLITE_PREPARE_PERSISTENT;
    int code = sqlite3_prepare_v3(journal->db, journal_sql[id], -1, flags, &made, NULL);
    if (code != SQLITE_OK) {
        statement_error(journal, code, err);
        return NULL;
    }
    if (!kept)
        journal->statements[id] = made;
    return made;
}

void statement_drop(struct journal *journal, enum statement_id id, sqlite3_stmt *statement)
{
    if (statement != journal->statements[id]) {
        sqlite3_finalize(statement);
        return;
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
}

void bind_str(sqlite3_stmt *statement, int index, struct str text)
{
    /* A NULL pointer would bind NULL. STATIC: every text outlives the step. */
    sqlite3_bind_text64(statement, index, text.len ? text.ptr : "", text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

void bind_c(sqlite3_stmt *statement, int index, const char *text)
{
    bind_str(statement, index, str_from(text));
}

void bind_int(sqlite3_stmt *statement, int index, uint64_t value)
{
    sqlite3_bind_int64(statement, index, (sqlite3_int64)value);
}

struct str column_str(sqlite3_stmt *statement, int column)
{
    const char *bytes = sqlite3_column_blob(statement, column);
    return (struct str){bytes, bytes ? (size_t)sqlite3_column_bytes(statement, column) : 0};
}

uint64_t column_int(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

void column_id(sqlite3_stmt *statement, int column, char ret_id[ID_BYTES])
{
    struct str id = column_str(statement, column);
    size_t len = id.len < ID_BYTES ? id.len : ID_BYTES - 1;
    memcpy(ret_id, id.ptr, len);
    ret_id[len] = '\0';
}

enum status statement_run(struct journal *journal, enum statement_id id, sqlite3_stmt *statement,
                          int *ret_changed, struct err *err)
{
    int code;
    do {
        code = sqlite3_step(statement);
    } while (code == SQLITE_ROW);
    enum status status = STATUS_OK;
    bool is_not_ours = code == SQLITE_CONSTRAINT_NOTNULL && ret_changed; /* LEASED_NUM */
    if (code != SQLITE_DONE && !is_not_ours)
        status = statement_error(journal, code, err);
    else if (ret_changed)
        *ret_changed = is_not_ours ? 0 : sqlite3_changes(journal->db);
    statement_drop(journal, id, statement);
    return status;
}

enum status statement_run_plain(struct journal *journal, enum statement_id id, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, id, err);
    if (!statement)
        return STATUS_IO;
    return statement_run(journal, id, statement, NULL, err);
}
