/* Opening, migrating, setting aside; transactions. */
#include "journal-internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lanebridge/loop.h>

enum {
    BUSY_MS = 2000,       /* another window's write is 20 µs, its checkpoint some 10 ms */
    DAMAGED_COUNT = 1000, /* names tried for a database set aside */
    LOOKASIDE_COUNT = 64,
    LOOKASIDE_BYTES = 512,
};

/* A small cache, because ten windows share the machine; no mmap, because a truncated file would be
 * a SIGBUS; a longer log than usual, because its checkpoint is what takes milliseconds on the loop
 * thread; at most 16 MiB of it are kept after a large turn. What was deleted is overwritten. */
static const char settings[] = "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = NORMAL;"
                               "PRAGMA wal_autocheckpoint = 2000;"
                               "PRAGMA cache_size = -256;"
                               "PRAGMA mmap_size = 0;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA journal_size_limit = 16777216;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA secure_delete = ON;";

/* -- Versions -- */

static int read_version(sqlite3 *db, int *ret_version)
{
    sqlite3_stmt *statement = NULL;
    /* The second column makes SQLite read the schema, where damage shows. */
    int code = sqlite3_prepare_v2(
        db, "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version",
        -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_version = sqlite3_column_int(statement, 0);
    int end = sqlite3_finalize(statement);
    return code == SQLITE_ROW ? end : code;
}

static int run_schema(sqlite3 *db)
{
    struct buf text = {0};
    for (size_t i = 0; journal_schema[i]; i++) {
        buf_append_c(&text, journal_schema[i]);
        buf_append_byte(&text, '\n');
    }
    buf_append_fmt(&text, "PRAGMA user_version = %d;", 1);
    int code = sqlite3_exec(db, text.ptr, NULL, NULL, NULL);
    buf_finish(&text);
    return code;
}

static int run_step(sqlite3 *db, int version)
{
    return version == 0 ? run_schema(db)
                        : sqlite3_exec(db, journal_steps[version], NULL, NULL, NULL);
}

/* Two windows may come here at once: the version is read again under the lock. */
static int migrate(sqlite3 *db, int *ret_version)
{
    int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return code;
    code = read_version(db, ret_version);
    while (code == SQLITE_OK && *ret_version < JOURNAL_VERSION) {
        code = run_step(db, *ret_version);
        *ret_version += code == SQLITE_OK;
    }
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

/* -- Opening -- */

/* SQLite would make it with the umask; and would follow a link. */
static enum status make_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open the journal %s", path);
    struct stat st;
    enum status status = STATUS_OK;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        status = err_set(err, STATUS_INVALID, "the journal %s is not a regular file; move it away",
                         path);
    else if ((st.st_mode & 077) != 0 && fchmod(fd, 0600) < 0)
        status = err_set_errno(err, errno, "cannot make the journal %s private", path);
    close(fd);
    return status;
}

static int open_database(const char *path, sqlite3 **ret_db, int *ret_version)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int code = sqlite3_open_v2(path, ret_db, flags, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_extended_result_codes(*ret_db, 1);
    sqlite3_db_config(*ret_db, SQLITE_DBCONFIG_LOOKASIDE, NULL, LOOKASIDE_BYTES, LOOKASIDE_COUNT);
    sqlite3_db_config(*ret_db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_timeout(*ret_db, BUSY_MS);
    code = sqlite3_exec(*ret_db, settings, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = read_version(*ret_db, ret_version);
    if (code == SQLITE_OK && *ret_version < JOURNAL_VERSION)
        code = migrate(*ret_db, ret_version);
    return code;
}

static bool is_damage(int code)
{
    return (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB;
}

/* With its log, which belongs to it: a fresh database must not replay a damaged one's. */
static bool set_aside(const char *path, char *ret_name, size_t size)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (unsigned n = 1; n <= DAMAGED_COUNT; n++) {
        snprintf(ret_name, size, "%s.damaged-%u", path, n);
        struct stat st;
        if (lstat(ret_name, &st) == 0)
            continue;
        for (size_t i = array_count(tails); i-- > 0;) {
            struct buf from = {0}, to = {0};
            buf_append_fmt(&from, "%s%s", path, tails[i]);
            buf_append_fmt(&to, "%s%s", ret_name, tails[i]);
            int failed = rename(from.ptr, to.ptr) < 0 && errno != ENOENT;
            buf_finish(&from);
            buf_finish(&to);
            if (failed)
                return false;
        }
        return true;
    }
    return false;
}

/* Opens; a damaged one is set aside and a new one made, once. `said` gets the sentence about it. */
static enum status open_or_replace(struct journal *journal, const char *path, int *ret_version,
                                   struct err *said, struct err *err)
{
    for (bool again = false;; again = true) {
        enum status status = make_file(path, err);
        if (status != STATUS_OK)
            return status;
        int code = open_database(path, &journal->db, ret_version);
        if (code == SQLITE_OK)
            return STATUS_OK;
        status = statement_error(journal, code, err);
        sqlite3_close(journal->db);
        journal->db = NULL;
        char name[4096];
        if (!is_damage(code) || again || !set_aside(path, name, sizeof(name)))
            return status;
        err_set(said, STATUS_OK, "the journal was damaged and is now %s; a new one was begun",
                name);
    }
}

struct journal *journal_open(struct str folder, uint64_t (*now_ms)(void), struct err *err)
{
    struct journal *journal = mem_new(struct journal);
    journal->now_ms = now_ms;
    journal->blob_limit_bytes = LIMIT_BLOB_STORE_BYTES;
    journal_lease_init(journal->lease);
    struct buf path = {0};
    path_append_join(&path, folder, STR("journal.db"));
    struct err said = {0};
    int version = 0;
    if (open_or_replace(journal, path.ptr, &version, &said, err) != STATUS_OK) {
        journal_close(journal);
        journal = NULL;
    } else {
        journal->read_only = version > JOURNAL_VERSION;
        if (journal->read_only)
            sqlite3_exec(journal->db, "PRAGMA query_only = ON", NULL, NULL, NULL);
        if (err)
            *err = said;
    }
    buf_finish(&path);
    return journal;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    assert(journal->depth == 0);
    journal_settle(journal);
    struct str id;
    void *num;
    for (size_t i = 0; journal->db && map_next(&journal->ours, &i, &id, &num);) {
        sqlite3_stmt *statement = statement_take(journal, SQL_LEASE_DROP, NULL);
        if (!statement)
            break;
        bind_int(statement, 1, (uint64_t)(uintptr_t)num);
        bind_c(statement, 2, journal->lease);
        statement_run(journal, SQL_LEASE_DROP, statement, NULL, NULL);
    }
    if (journal->has_reviews)
        journal_review_release(journal);
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(journal->statements[i]);
    sqlite3_close(journal->db);
    map_finish(&journal->ours);
    journal->is_closed = true;
    if (!journal->is_promised)
        mem_free(journal);
}

/* -- Transactions -- */

/* What every write asks first. */
enum status journal_writable(struct journal *journal, struct err *err)
{
    if (journal->depth == 0)
        journal_settle(journal);
    if (journal->read_only)
        return err_set(
            err, STATUS_UNSUPPORTED,
            "the journal was written by a newer Lanebridge; it can be read here, to write "
            "it install that version again");
    if (journal->lost.status == STATUS_OK)
        return STATUS_OK;
    enum status status = err_set(err, journal->lost.status, "%s", journal->lost.text);
    journal->lost = (struct err){0};
    return status;
}

/* Without the lock (another window holds it) the writes that follow stand alone: less is kept
 * together, nothing is lost. */
void journal_begin(struct journal *journal)
{
    journal_settle(journal);
    if (journal->depth++ == 0 && !journal->read_only)
        statement_run_plain(journal, SQL_BEGIN, NULL);
}

static void commit_now(struct journal *journal)
{
    if (journal->read_only || sqlite3_get_autocommit(journal->db))
        return;
    if (statement_run_plain(journal, SQL_COMMIT, &journal->lost) == STATUS_OK)
        return;
    if (!sqlite3_get_autocommit(journal->db))
        statement_run_plain(journal, SQL_ROLLBACK, NULL);
}

void journal_commit(struct journal *journal)
{
    assert(journal->depth > 0);
    if (--journal->depth == 0)
        commit_now(journal);
}

void journal_join(struct journal *journal)
{
    if (!journal->is_late) {
        journal_begin(journal);
        return;
    }
    journal->is_late = false;
    journal->depth++;
}

void journal_settle(struct journal *journal)
{
    if (!journal->is_late)
        return;
    journal->is_late = false;
    commit_now(journal);
}

static void keep_promise(void *user)
{
    struct journal *journal = user;
    journal->is_promised = false;
    if (journal->is_closed)
        mem_free(journal);
    else
        journal_settle(journal);
}

void journal_commit_later(struct journal *journal, struct loop *loop)
{
    assert(journal->depth > 0);
    if (--journal->depth > 0)
        return;
    journal->is_late = !journal->read_only && !sqlite3_get_autocommit(journal->db);
    if (journal->is_late && !journal->is_promised) {
        journal->is_promised = true;
        loop_before_wait(loop, keep_promise, journal);
    }
}

enum status journal_finish(struct journal *journal, enum status status, struct err *err)
{
    bool outermost = journal->depth == 1;
    if (status != STATUS_OK && outermost && !sqlite3_get_autocommit(journal->db))
        statement_run_plain(journal, SQL_ROLLBACK, NULL);
    journal_commit(journal);
    if (status != STATUS_OK)
        return status;
    return outermost ? journal_writable(journal, err) : STATUS_OK;
}
