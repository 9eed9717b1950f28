/* Who may write a thread: the process named by boot, pid namespace, pid and start time. */
#include "journal-internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct owner {
    struct str boot, namespace;
    int64_t pid;
    uint64_t start;
};

static size_t read_small(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

/* Field 22 of /proc/PID/stat, counted after the last ")": the name before it may hold anything.
 * 0 when there is no such process, or only its corpse. */
static uint64_t start_time(int64_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    read_small(path, text, sizeof(text));
    char *rest = strrchr(text, ')');
    char state;
    unsigned long long start;
    if (!rest || sscanf(rest,
                        ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
                        "%*d %llu",
                        &state, &start) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : start;
}

void journal_lease_init(char lease[LEASE_BYTES])
{
    char boot[64];
    size_t len = read_small("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
    struct stat st = {0};
    stat("/proc/self/ns/pid", &st);
    snprintf(lease, LEASE_BYTES, "%.*s:%llu:%lld:%llu", (int)str_trim((struct str){boot, len}).len,
             boot, (unsigned long long)st.st_ino, (long long)getpid(),
             (unsigned long long)start_time(getpid()));
}

static bool parse(struct str lease, struct owner *ret_owner)
{
    struct str pid, start;
    return str_next(&lease, ':', &ret_owner->boot) &&
           str_next(&lease, ':', &ret_owner->namespace) && str_next(&lease, ':', &pid) &&
           str_next(&lease, ':', &start) && str_to_int64(pid, &ret_owner->pid) &&
           str_to_uint64(start, &ret_owner->start);
}

/* Another boot is a restart, or another machine on a shared home; another pid namespace a
 * container: there the process cannot be seen, and only its renewals tell. */
bool journal_lease_is_live(struct journal *journal, struct str lease, uint64_t renewed_ms,
                           int64_t *ret_pid)
{
    struct owner theirs, ours;
    if (!parse(lease, &theirs) || !parse(str_from(journal->lease), &ours))
        return false;
    if (ret_pid)
        *ret_pid = theirs.pid;
    if (!str_eq(theirs.boot, ours.boot) || !str_eq(theirs.namespace, ours.namespace))
        return journal->now_ms() < renewed_ms + LIMIT_LEASE_MS;
    return theirs.start != 0 && start_time(theirs.pid) == theirs.start;
}

struct lease_row {
    uint64_t num, renewed_ms;
    char lease[LEASE_BYTES];
};

static enum status get_row(struct journal *journal, const char *thread_id,
                           struct lease_row *ret_row, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_LEASE_GET, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, thread_id);
    int code = sqlite3_step(statement);
    enum status status = STATUS_OK;
    if (code == SQLITE_DONE)
        status = err_set(err, STATUS_NOT_FOUND, "there is no thread %s", thread_id);
    else if (code != SQLITE_ROW)
        status = statement_error(journal, code, err);
    else {
        struct str lease = column_str(statement, 1);
        ret_row->num = column_int(statement, 0);
        ret_row->renewed_ms = column_int(statement, 2);
        snprintf(ret_row->lease, sizeof(ret_row->lease), STR_FMT, STR_ARG(lease));
    }
    statement_drop(journal, SQL_LEASE_GET, statement);
    return status;
}

static enum status check_row(struct journal *journal, const struct lease_row *row, struct err *err)
{
    int64_t pid = 0;
    if (strcmp(row->lease, journal->lease) == 0 ||
        !journal_lease_is_live(journal, str_from(row->lease), row->renewed_ms, &pid))
        return STATUS_OK;
    return err_set(err, STATUS_LEASED,
                   "this thread is open in another editor (process %lld); close it there, take it "
                   "over, or fork it",
                   (long long)pid);
}

enum status journal_lease_check_free(struct journal *journal, const char *thread_id,
                                     struct err *err)
{
    struct lease_row row;
    enum status status = get_row(journal, thread_id, &row, err);
    return status == STATUS_OK ? check_row(journal, &row, err) : status;
}

enum status journal_lease_take(struct journal *journal, const char *thread_id, bool force,
                               struct err *err)
{
    struct lease_row row;
    enum status status = journal_writable(journal, err);
    if (status == STATUS_OK)
        status = get_row(journal, thread_id, &row, err);
    if (status == STATUS_OK && !force)
        status = check_row(journal, &row, err);
    if (status != STATUS_OK)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_LEASE_TAKE, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, thread_id);
    bind_c(statement, 2, journal->lease);
    bind_int(statement, 3, journal->now_ms());
    bind_c(statement, 4, row.lease); /* only from whom we looked at: two may take at once */
    int changed = 0;
    status = statement_run(journal, SQL_LEASE_TAKE, statement, &changed, err);
    if (status == STATUS_OK && changed == 0)
        status = err_set(err, STATUS_LEASED,
                         "another editor took this thread at the same moment; try again");
    if (status == STATUS_OK)
        map_set(&journal->ours, str_from(thread_id), (void *)(uintptr_t)row.num);
    return status;
}

static enum status renew_reviews(struct journal *journal, struct err *err)
{
    sqlite3_stmt *statement = statement_take(journal, SQL_REVIEW_RENEW, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, journal->lease);
    bind_int(statement, 2, journal->now_ms());
    return statement_run(journal, SQL_REVIEW_RENEW, statement, NULL, err);
}

enum status journal_lease_renew(struct journal *journal, struct err *err)
{
    enum status status = journal_writable(journal, err);
    if (status != STATUS_OK || map_count(&journal->ours) == 0)
        return status;
    sqlite3_stmt *statement = statement_take(journal, SQL_LEASE_RENEW, err);
    if (!statement)
        return STATUS_IO;
    bind_c(statement, 1, journal->lease);
    bind_int(statement, 2, journal->now_ms());
    status = statement_run(journal, SQL_LEASE_RENEW, statement, NULL, err);
    if (status == STATUS_OK)
        status = renew_reviews(journal, err);
    return status;
}

enum status journal_lease_drop(struct journal *journal, const char *thread_id, struct err *err)
{
    uint64_t num;
    enum status status = journal_owned(journal, thread_id, &num, err);
    if (status != STATUS_OK)
        return status;
    map_remove(&journal->ours, str_from(thread_id));
    sqlite3_stmt *statement = statement_take(journal, SQL_LEASE_DROP, err);
    if (!statement)
        return STATUS_IO;
    bind_int(statement, 1, num);
    bind_c(statement, 2, journal->lease);
    return statement_run(journal, SQL_LEASE_DROP, statement, NULL, err);
}

bool journal_lease_is_ours(struct journal *journal, const char *thread_id)
{
    struct lease_row row;
    return map_has(&journal->ours, str_from(thread_id)) &&
           get_row(journal, thread_id, &row, NULL) == STATUS_OK &&
           strcmp(row.lease, journal->lease) == 0;
}

enum status journal_thread_num(struct journal *journal, const char *thread_id, uint64_t *ret_num,
                               struct err *err)
{
    void *num = map_get(&journal->ours, str_from(thread_id));
    if (!num)
        return err_set(err, STATUS_CONFLICT,
                       "thread %s is not held by this window; open or fork it first", thread_id);
    *ret_num = (uint64_t)(uintptr_t)num;
    return STATUS_OK;
}

enum status journal_lease_lost(struct journal *journal, const char *thread_id, struct err *err)
{
    map_remove(&journal->ours, str_from(thread_id));
    return err_set(err, STATUS_LEASED, "another editor took thread %s over; fork it to go on here",
                   thread_id);
}
