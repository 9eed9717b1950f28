#include "support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(open, .timeout = 60, .init = make_folder, .fini = remove_folder);

static void write_file(const char *name, const char *text, size_t len, long offset)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT, 0644);
    cr_assert(fd >= 0);
    cr_assert_eq(pwrite(fd, text, len, offset), (ssize_t)len);
    close(fd);
}

static mode_t mode_of(const char *name)
{
    struct stat st;
    cr_assert_eq(lstat(in_folder(name), &st), 0, "%s", name);
    return st.st_mode & 07777;
}

Test(open, sec_30_the_files_are_ours_alone)
{
    umask(0);
    struct journal *journal = open_journal();
    char id[ID_BYTES];
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), id, NULL), STATUS_OK);
    cr_assert_eq(mode_of("journal.db"), 0600);
    cr_assert_eq(mode_of("journal.db-wal"), 0600);
    cr_assert_eq(mode_of("journal.db-shm"), 0600);
    journal_close(journal);
    chmod(in_folder("journal.db"), 0644);
    journal_close(open_journal());
    cr_assert_eq(mode_of("journal.db"), 0600);
}

Test(open, sec_30_a_link_is_not_followed)
{
    struct err err = {0};
    char target[160];
    snprintf(target, sizeof(target), "%s", in_folder("elsewhere"));
    cr_assert_eq(symlink(target, in_folder("journal.db")), 0);
    cr_assert_null(journal_open(str_from(folder), clock_ms, &err));
    cr_assert_neq(err.status, STATUS_OK);
    cr_assert_neq(access(target, F_OK), 0);
}

Test(open, a_missing_folder_is_said)
{
    struct err err = {0};
    cr_assert_null(journal_open(str_from(in_folder("none")), clock_ms, &err));
    cr_assert_eq(err.status, STATUS_NOT_FOUND);
    cr_assert(strstr(err.text, "none/journal.db"), "%s", err.text);
}

Test(open, a_newer_version_is_read_only)
{
    char id[ID_BYTES], turn[ID_BYTES];
    struct err err = {0};
    struct buf items = {0};
    struct journal *journal = open_journal();
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), id, NULL), STATUS_OK);
    cr_assert_eq(journal_item_append(journal, id, "", "user", STR("{}"), NULL), STATUS_OK);
    journal_close(journal);
    run_sql("PRAGMA user_version = 99");
    journal = open_journal();
    collect_items(journal, id, 0, &items);
    cr_assert_str_eq(items.ptr, "user:{}|");
    cr_assert_eq(journal_lease_take(journal, id, true, &err), STATUS_UNSUPPORTED);
    cr_assert(strstr(err.text, "newer Lanebridge"), "%s", err.text);
    cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), id, NULL), STATUS_UNSUPPORTED);
    cr_assert_eq(journal_turn_create(journal, id, turn, NULL), STATUS_UNSUPPORTED);
    cr_assert_eq(journal_thread_delete(journal, id, NULL), STATUS_UNSUPPORTED);
    journal_begin(journal);
    journal_commit(journal);
    journal_close(journal);
    buf_finish(&items);
}

/* where the damage is: all of it, its head, the schema's page */
static const struct {
    const char *bytes;
    size_t len;
    long offset;
    bool fresh;
} damage[] = {
    {"this is no database, and has never been one, but is long enough to be read as one .......",
     80, 0, true},
    {"XXXXXXXX", 8, 0, false},
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, 100, false},
};

Test(open, a_damaged_one_is_set_aside_and_said)
{
    for (size_t i = 0; i < array_count(damage); i++) {
        if (!damage[i].fresh)
            journal_close(open_journal());
        write_file("journal.db", damage[i].bytes, damage[i].len, damage[i].offset);
        struct err err = {0};
        struct journal *journal = journal_open(str_from(folder), clock_ms, &err);
        cr_assert(journal, "%zu: %s", i, err.text);
        cr_assert_eq(err.status, STATUS_OK);
        char name[32];
        snprintf(name, sizeof(name), "journal.db.damaged-%zu", i + 1);
        cr_assert(strstr(err.text, name), "%zu: %s", i, err.text);
        cr_assert_eq(access(in_folder(name), F_OK), 0);
        char id[ID_BYTES];
        cr_assert_eq(journal_thread_create(journal, STR("/r"), STR("m"), id, &err), STATUS_OK);
        journal_close(journal);
        journal_close(open_journal());
    }
}

Test(open, an_empty_file_becomes_a_journal)
{
    write_file("journal.db", "", 0, 0);
    journal_close(open_journal());
}

Test(open, two_connections_see_each_other)
{
    struct journal *one = open_journal(), *two = open_journal();
    char a[ID_BYTES], b[ID_BYTES];
    struct buf items = {0};
    cr_assert_eq(journal_thread_create(one, STR("/r"), STR("m"), a, NULL), STATUS_OK);
    cr_assert_eq(journal_thread_create(two, STR("/r"), STR("m"), b, NULL), STATUS_OK);
    cr_assert_eq(journal_item_append(one, a, "", "user", STR("1"), NULL), STATUS_OK);
    cr_assert_eq(journal_item_append(two, b, "", "user", STR("2"), NULL), STATUS_OK);
    collect_items(two, a, 0, &items);
    cr_assert_str_eq(items.ptr, "user:1|");
    journal_close(two);
    journal_close(one);
    buf_finish(&items);
}
