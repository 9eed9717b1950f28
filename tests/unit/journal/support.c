#include "support.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

char folder[64];
uint64_t wall_ms = 1000000;

void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/lanebridge-journal-XXXXXX");
    cr_assert(mkdtemp(folder));
}

void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

uint64_t clock_ms(void)
{
    return wall_ms;
}

struct journal *open_journal(void)
{
    struct err err = {0};
    struct journal *journal = journal_open(str_from(folder), clock_ms, &err);
    cr_assert(journal, "%s", err.text);
    cr_assert_str_eq(err.text, "");
    return journal;
}

const char *in_folder(const char *name)
{
    static char path[160];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

void run_sql(const char *sql)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(in_folder("journal.db"), &db), SQLITE_OK);
    char *message = NULL;
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s: %s", sql, message);
    sqlite3_close(db);
}

void make_older(int version)
{
    static const char *const undo[] = {
        [1] = "DROP TABLE waiting",
        [2] = "DROP TABLE toolset; ALTER TABLE thread DROP COLUMN toolset",
        [3] = "DROP TABLE review",
        [4] = "DROP INDEX thread_by_root;"
              "ALTER TABLE turn DROP COLUMN prompt; ALTER TABLE turn DROP COLUMN input;"
              "ALTER TABLE thread DROP COLUMN effort; ALTER TABLE thread DROP COLUMN mode;"
              "ALTER TABLE thread DROP COLUMN foreign_seq",
        [5] = "DROP TABLE sent; ALTER TABLE call DROP COLUMN sandbox",
        [6] = "DROP INDEX thread_by_parent; ALTER TABLE thread DROP COLUMN parent;"
              "ALTER TABLE thread DROP COLUMN parent_call",
        [7] = "DROP TABLE spent; ALTER TABLE turn DROP COLUMN mode;"
              "ALTER TABLE thread DROP COLUMN own_model",
    };
    char set_version[64];
    for (int i = (int)array_count(undo) - 1; i >= version; i--)
        run_sql(undo[i]);
    snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d", version);
    run_sql(set_version);
}

static bool add_item(void *user, const struct journal_item *item)
{
    buf_append(user, item->kind);
    buf_append_byte(user, ':');
    buf_append(user, item->json);
    buf_append_byte(user, '|');
    return true;
}

void collect_items(struct journal *journal, const char *thread_id, uint64_t from, struct buf *out)
{
    struct err err = {0};
    buf_clear(out);
    buf_append_c(out, "");
    cr_assert_eq(journal_item_each(journal, thread_id, from, add_item, out, &err), STATUS_OK, "%s",
                 err.text);
}
