/* SQL of the store's file. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database-internal.h"

enum { BUSY_MS = 5000, VERSION = 1, PRUNE_ROWS = 1000, APPLICATION_ID = 0x4c42656e };

enum statement {
    STATEMENT_HAS,
    STATEMENT_PUT,
    STATEMENT_MARK,
    STATEMENT_PARENT,
    STATEMENT_DROP,
    STATEMENT_USAGE,
    STATEMENT_READ,
    STATEMENT_COUNT,
};
static const char *const sql[STATEMENT_COUNT] = {
    [STATEMENT_HAS] = "SELECT 1 FROM response WHERE id = ?1",
    [STATEMENT_PUT] = "INSERT OR IGNORE INTO response "
                      "(id, parent, created_at, state, input, output, response) "
                      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [STATEMENT_MARK] = "UPDATE response SET state = 2, response = NULL WHERE id = ?1",
    [STATEMENT_PARENT] = "SELECT parent FROM response WHERE id = ?1",
    [STATEMENT_DROP] = "DELETE FROM response WHERE id = ?1 AND state = 2 AND "
                       "NOT EXISTS (SELECT 1 FROM response c WHERE c.parent = ?1)",
    [STATEMENT_USAGE] = "INSERT INTO usage (response_id, at, model, transport, status, "
                        "input_tokens, cached_tokens, output_tokens, reasoning_tokens, ms) "
                        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [STATEMENT_READ] = "SELECT state, created_at, parent, input, output, response FROM response "
                       "WHERE id = ?1",
};
static const char schema[] =
    "CREATE TABLE response ("
    " seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, parent TEXT,"
    " created_at INTEGER NOT NULL, state INTEGER NOT NULL,"
    " input TEXT NOT NULL, output TEXT NOT NULL, response TEXT);"
    "CREATE INDEX response_parent ON response (parent) WHERE parent IS NOT NULL;"
    "CREATE INDEX response_part ON response (seq) WHERE state = 2;"
    "CREATE TABLE usage ("
    " seq INTEGER PRIMARY KEY, response_id TEXT NOT NULL, at INTEGER NOT NULL, model TEXT,"
    " transport TEXT, status TEXT, input_tokens INTEGER, cached_tokens INTEGER,"
    " output_tokens INTEGER, reasoning_tokens INTEGER, ms INTEGER);"
    "PRAGMA application_id = 1279419758;"
    "PRAGMA user_version = 1;";
_Static_assert(APPLICATION_ID == 1279419758, "the schema says the same number");

struct database {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
};

/* -- Opening --------------------------------------------------------------------------------------
 */

static enum status make_private(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat st;
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open the store %s", path);
    enum status status = STATUS_OK;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        status = err_set(err, STATUS_INVALID, "the store %s is not a regular file", path);
    else if ((st.st_mode & 077) != 0 && fchmod(fd, 0600) < 0)
        status = err_set_errno(err, errno, "cannot make the store %s private", path);
    close(fd);
    return status;
}

static int64_t read_number(sqlite3 *db, const char *query)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static bool run(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* Another endpoint may do the same at the same time: one of them finds it done. */
static enum status make_tables(struct database *database, const char *path, struct err *err)
{
    sqlite3 *db = database->db;
    if (!run(db, "BEGIN IMMEDIATE"))
        return err_set(err, STATUS_IO, "cannot use the store %s: %s", path, sqlite3_errmsg(db));
    int64_t application = read_number(db, "PRAGMA application_id"),
            version = read_number(db, "PRAGMA user_version"),
            tables = read_number(db, "SELECT count(*) FROM sqlite_schema");
    bool fresh = application == 0 && version == 0 && tables == 0;
    if (fresh && !run(db, schema)) {
        err_set(err, STATUS_IO, "cannot make the store %s: %s", path, sqlite3_errmsg(db));
        run(db, "ROLLBACK");
        return STATUS_IO;
    }
    if (!run(db, "COMMIT"))
        return err_set(err, STATUS_IO, "cannot make the store %s: %s", path, sqlite3_errmsg(db));
    if (!fresh && application != APPLICATION_ID)
        return err_set(err, STATUS_INVALID,
                       "%s is another program's database: name another file for the store", path);
    if (!fresh && version > VERSION)
        return err_set(err, STATUS_UNSUPPORTED,
                       "the store %s was made by a newer version: use that, or another file", path);
    return STATUS_OK;
}

static enum status set_up(struct database *database, const char *path, bool writes, struct err *err)
{
    static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                                   "PRAGMA wal_autocheckpoint = 1000;"
                                   "PRAGMA journal_size_limit = 16777216;"
                                   "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -2000";
    sqlite3 *db = database->db;
    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int code = sqlite3_exec(db, writes ? settings : "PRAGMA query_only = ON", NULL, NULL, NULL);
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return err_set(err, STATUS_IO, "the store %s is no database, or damaged: move it away",
                       path);
    if (code != SQLITE_OK)
        return err_set(err, STATUS_IO, "cannot use the store %s: %s", path, sqlite3_errmsg(db));
    if (writes && make_tables(database, path, err) < 0)
        return STATUS_IO;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &database->statements[i],
                               NULL) != SQLITE_OK)
            return err_set(err, STATUS_IO, "cannot use the store %s: %s", path, sqlite3_errmsg(db));
    return STATUS_OK;
}

struct database *database_open(const char *path, bool writes, struct err *err)
{
    if (writes && make_private(path, err) < 0)
        return NULL;
    struct database *database = mem_new(struct database);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    enum status status = STATUS_OK;
    if (sqlite3_open_v2(path, &database->db, flags, NULL) != SQLITE_OK)
        status = err_set(err, STATUS_IO, "cannot open the store %s: %s", path,
                         database->db ? sqlite3_errmsg(database->db) : "no memory");
    if (status == STATUS_OK)
        status = set_up(database, path, writes, err);
    if (status == STATUS_OK)
        return database;
    database_close(database);
    return NULL;
}

void database_close(struct database *database)
{
    if (!database)
        return;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(database->statements[i]);
    sqlite3_close(database->db);
    mem_free(database);
}

/* -- Statements -----------------------------------------------------------------------------------
 */

static void bind(sqlite3_stmt *statement, int index, struct str text)
{
    if (text.ptr)
        sqlite3_bind_text64(statement, index, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
    else
        sqlite3_bind_null(statement, index);
}

static sqlite3_stmt *with_id(struct database *database, enum statement which, const char *id)
{
    sqlite3_stmt *statement = database->statements[which];
    bind(statement, 1, str_from(id));
    return statement;
}

static int finish(sqlite3_stmt *statement, int code)
{
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return code;
}

static int run_bound(sqlite3_stmt *statement)
{
    return finish(statement, sqlite3_step(statement));
}

/* -- Jobs -----------------------------------------------------------------------------------------
 */

static enum status status_of(int code)
{
    return code == SQLITE_DONE || code == SQLITE_ROW ? STATUS_OK : STATUS_IO;
}

static enum status put(struct database *database, const struct keeper_job *job)
{
    if (job->parent[0]) {
        int code = run_bound(with_id(database, STATEMENT_HAS, job->parent));
        if (code != SQLITE_ROW)
            return code == SQLITE_DONE ? STATUS_NOT_FOUND : STATUS_IO;
    }
    sqlite3_stmt *statement = with_id(database, STATEMENT_PUT, job->id);
    bind(statement, 2, job->parent[0] ? str_from(job->parent) : (struct str){0});
    sqlite3_bind_int64(statement, 3, (int64_t)job->at);
    sqlite3_bind_int(statement, 4, (int)job->state);
    bind(statement, 5, job->input);
    bind(statement, 6, job->output);
    bind(statement, 7, job->state == KEPT_PART ? (struct str){0} : job->response);
    return status_of(run_bound(statement));
}

/* Parts that nobody is chained to any more, from here upwards. */
static int drop_upwards(struct database *database, const char *id)
{
    char now[ENDPOINT_ID_BYTES], parent[ENDPOINT_ID_BYTES];
    snprintf(now, sizeof(now), "%s", id);
    while (now[0]) {
        sqlite3_stmt *statement = with_id(database, STATEMENT_PARENT, now);
        const char *found = NULL;
        if (sqlite3_step(statement) == SQLITE_ROW)
            found = (const char *)sqlite3_column_text(statement, 0);
        snprintf(parent, sizeof(parent), "%s", found ? found : "");
        finish(statement, 0);
        int code = run_bound(with_id(database, STATEMENT_DROP, now));
        if (code != SQLITE_DONE || sqlite3_changes(database->db) == 0)
            return code;
        memcpy(now, parent, sizeof(now));
    }
    return SQLITE_DONE;
}

static enum status mark_and_drop(struct database *database, const struct keeper_job *job)
{
    int code = run_bound(with_id(database, STATEMENT_MARK, job->id));
    if (code == SQLITE_DONE)
        code = drop_upwards(database, job->id);
    return status_of(code);
}

static enum status note_usage(struct database *database, const struct keeper_job *job)
{
    const struct kept_usage *usage = &job->usage;
    sqlite3_stmt *statement = with_id(database, STATEMENT_USAGE, usage->response_id);
    const int64_t numbers[] = {usage->input, usage->cached, usage->output, usage->reasoning,
                               usage->ms};
    sqlite3_bind_int64(statement, 2, (int64_t)job->at);
    bind(statement, 3, str_from(usage->model));
    bind(statement, 4, str_from(usage->transport));
    bind(statement, 5, str_from(usage->status));
    for (size_t i = 0; i < array_count(numbers); i++)
        sqlite3_bind_int64(statement, 6 + (int)i, numbers[i]);
    return status_of(run_bound(statement));
}

void database_write(struct database *database, struct keeper_job **jobs, size_t count)
{
    static enum status (*const acts[])(struct database *, const struct keeper_job *) = {
        [JOB_PUT] = put, [JOB_REMOVE] = mark_and_drop, [JOB_USAGE] = note_usage};
    bool good = run(database->db, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < count && good; i++) {
        jobs[i]->result = acts[jobs[i]->kind](database, jobs[i]);
        good = jobs[i]->result != STATUS_IO;
    }
    good = good && run(database->db, "COMMIT");
    if (good)
        return;
    run(database->db, "ROLLBACK");
    for (size_t i = 0; i < count; i++)
        jobs[i]->result = STATUS_IO;
}

void database_prune(struct database *database, uint64_t max_bytes)
{
    static const char query[] =
        "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, "
        "pragma_freelist_count, pragma_page_size";
    char text[512];
    int64_t bytes = read_number(database->db, query);
    if (bytes < 0 || (uint64_t)bytes <= max_bytes || !run(database->db, "BEGIN IMMEDIATE"))
        return;
    snprintf(text, sizeof(text),
             "UPDATE response SET state = 2, response = NULL WHERE seq IN "
             "(SELECT seq FROM response WHERE state != 2 ORDER BY seq LIMIT %d);"
             "DELETE FROM response WHERE seq IN (SELECT p.seq FROM response p WHERE p.state = 2 "
             "AND NOT EXISTS (SELECT 1 FROM response c WHERE c.parent = p.id) LIMIT %d);"
             "DELETE FROM usage WHERE seq IN (SELECT seq FROM usage ORDER BY seq LIMIT %d)",
             PRUNE_ROWS, 10 * PRUNE_ROWS, PRUNE_ROWS);
    if (!run(database->db, text) || !run(database->db, "COMMIT"))
        run(database->db, "ROLLBACK");
}

/* -- Reading --------------------------------------------------------------------------------------
 */

static void take(sqlite3_stmt *statement, int column, struct buf *ret_text)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    buf_append(ret_text, (struct str){text, (size_t)sqlite3_column_bytes(statement, column)});
}

enum status database_read(struct database *database, struct str id, struct kept_row *ret_row)
{
    sqlite3_stmt *statement = database->statements[STATEMENT_READ];
    bind(statement, 1, id);
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW) {
        finish(statement, 0);
        return code == SQLITE_DONE ? STATUS_NOT_FOUND : STATUS_IO;
    }
    struct kept_row row = {.state = (enum kept_state)sqlite3_column_int(statement, 0),
                           .created_at = (uint64_t)sqlite3_column_int64(statement, 1)};
    const char *parent = (const char *)sqlite3_column_text(statement, 2);
    snprintf(row.parent, sizeof(row.parent), "%s", parent ? parent : "");
    take(statement, 3, &row.input);
    take(statement, 4, &row.output);
    take(statement, 5, &row.response);
    finish(statement, 0);
    *ret_row = row;
    return STATUS_OK;
}
