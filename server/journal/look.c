/* Looking at a journal from outside, for who asks whether it is in order. */
#include "journal-internal.h"

#include <errno.h>
#include <sys/stat.h>

enum { STEPS_COUNT = 10000, LOOK_BUSY_MS = 2000 };

struct look {
    sqlite3 *db;
    uint64_t until_ns;
};

static int is_late(void *user)
{
    const struct look *look = user;
    return time_mono_ns() > look->until_ns;
}

static bool is_damage(int code)
{
    return (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB;
}

/* The first column of the first row. */
static int read_int(sqlite3 *db, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(statement, 0);
    int end = sqlite3_finalize(statement);
    return code == SQLITE_ROW ? end : code;
}

/* Says "ok" in its one row, or what is wrong. */
static int check_pages(sqlite3 *db, struct journal_facts *facts, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (said && !str_eq_c(str_from(said), "ok")) {
        facts->damaged = true;
        err_set(err, STATUS_OK, "%s", said);
    }
    facts->whole = code == SQLITE_ROW;
    int end = sqlite3_finalize(statement);
    return code == SQLITE_ROW ? end : code;
}

static int read_facts(struct look *look, struct journal_facts *facts, struct err *err)
{
    int64_t version = 0, threads = 0;
    int code = read_int(look->db,
                        "SELECT user_version, (SELECT count(*) FROM sqlite_schema) "
                        "FROM pragma_user_version",
                        &version);
    facts->version = (int)version;
    if (code == SQLITE_OK && version > 0)
        code = read_int(look->db, "SELECT count(*) FROM thread", &threads);
    facts->threads = (uint64_t)threads;
    if (code != SQLITE_OK)
        return code;
    sqlite3_progress_handler(look->db, STEPS_COUNT, is_late, look);
    code = check_pages(look->db, facts, err);
    return code == SQLITE_INTERRUPT ? SQLITE_OK : code;
}

static enum status look_into(const char *path, uint64_t max_ms, struct journal_facts *facts,
                             struct err *err)
{
    struct look look = {.until_ns = time_mono_ns() + max_ms * 1000000};
    int code = sqlite3_open_v2(path, &look.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(look.db, LOOK_BUSY_MS);
        code = read_facts(&look, facts, err);
    }
    enum status status = STATUS_OK;
    if (is_damage(code)) {
        facts->damaged = true;
        err_set(err, STATUS_OK, "%s", sqlite3_errmsg(look.db));
    } else if (code != SQLITE_OK) {
        status = err_set(err, STATUS_IO, "%s: %s", path, sqlite3_errmsg(look.db));
    }
    sqlite3_close(look.db);
    return status;
}

bool journal_review_waits(struct str folder)
{
    struct buf path = {0};
    sqlite3 *db = NULL;
    int64_t count = 0;
    path_append_join(&path, folder, STR("journal.db"));
    /* An older one has no such table, a damaged one nothing to show: 0 */
    if (sqlite3_open_v2(path.ptr, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK)
        read_int(db, "SELECT EXISTS (SELECT 1 FROM review)", &count);
    sqlite3_close(db);
    buf_finish(&path);
    return count > 0;
}

enum status journal_look(struct str folder, uint64_t max_ms, struct journal_facts *ret_facts,
                         struct err *err)
{
    struct journal_facts facts = {.our_version = JOURNAL_VERSION};
    struct buf path = {0};
    struct stat st;
    enum status status = STATUS_OK;
    path_append_join(&path, folder, STR("journal.db"));
    if (lstat(path.ptr, &st) == 0) {
        facts.exists = true;
        facts.bytes = (uint64_t)st.st_size;
        status = S_ISREG(st.st_mode) ? look_into(path.ptr, max_ms, &facts, err)
                                     : err_set(err, STATUS_INVALID,
                                               "%s is not a regular file; move it away", path.ptr);
    } else if (errno != ENOENT && errno != ENOTDIR) {
        status = err_set_errno(err, errno, "cannot look at %s", path.ptr);
    }
    buf_finish(&path);
    if (status == STATUS_OK)
        *ret_facts = facts;
    return status;
}
