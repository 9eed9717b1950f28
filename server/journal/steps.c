/* How a journal of an older version becomes one of this: steps that were taken once, and never
 * change. */
#include "journal-internal.h"

const char *const journal_steps[JOURNAL_VERSION] = {
    NULL, /* schema.sql */

    /* Messages for a turn that runs, until they are items. */
    "CREATE TABLE waiting ("
    "  num INTEGER PRIMARY KEY AUTOINCREMENT," /* the order they were said in */
    "  thread INTEGER NOT NULL,"
    "  turn TEXT NOT NULL,"
    "  id TEXT NOT NULL,"
    "  json TEXT NOT NULL);" /* the item it will be */
    "CREATE INDEX waiting_by_thread ON waiting (thread, num);"
    "PRAGMA user_version = 2;",

    /* Which tools a thread began with. A set is some 10 KB, and most threads have the same one. */
    "CREATE TABLE toolset ("
    "  num INTEGER PRIMARY KEY,"
    "  made_by TEXT NOT NULL," /* the version of the program */
    "  json TEXT NOT NULL,"    /* as it is sent, verbatim */
    "  UNIQUE (made_by, json));"
    "ALTER TABLE thread ADD COLUMN toolset INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version = 3;",

    /* What waits for the person's decision; what is pending of a file is between its two texts. */
    "CREATE TABLE review ("
    "  num INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  path TEXT NOT NULL,"
    "  old_path TEXT NOT NULL,"  /* of one that was moved */
    "  lease TEXT NOT NULL,"     /* the window that shows it */
    "  base_hash TEXT NOT NULL," /* blobs; '' where there is no file */
    "  now_hash TEXT NOT NULL,"
    "  hunks TEXT NOT NULL," /* JSON: whose they are, and where */
    "  updated_ms INTEGER NOT NULL);"
    "CREATE INDEX review_by_path ON review (path);"
    "PRAGMA user_version = 4;",

    /* What was asked, for lists and for turns that wait; what a thread itself chooses; and the
     * threads of a folder without looking at all others. */
    "ALTER TABLE turn ADD COLUMN prompt TEXT NOT NULL DEFAULT '';"
    /* the item it will be, until it is one: status queued */
    "ALTER TABLE turn ADD COLUMN input TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE thread ADD COLUMN effort TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE thread ADD COLUMN mode TEXT NOT NULL DEFAULT '';"
    /* reasoning before it is another model's or key's, and not sent */
    "ALTER TABLE thread ADD COLUMN foreign_seq INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX thread_by_root ON thread (root, updated_ms);"
    "PRAGMA user_version = 5;",

    /* For the audit log: which sandbox a call ran in, and what went out to whom. Of a request there
     * is a range of the thread's items; what they are is worked out when somebody looks. */
    "ALTER TABLE call ADD COLUMN sandbox TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE sent ("
    "  num INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  thread INTEGER NOT NULL,"
    "  turn TEXT NOT NULL,"
    "  kind TEXT NOT NULL," /* turn, warm-up, compaction */
    "  host TEXT NOT NULL,"
    "  first_seq INTEGER NOT NULL," /* items of the thread, both inclusive */
    "  last_seq INTEGER NOT NULL,"
    "  items INTEGER NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  tools_bytes INTEGER NOT NULL,"
    "  continued INTEGER NOT NULL,"
    "  sent_ms INTEGER NOT NULL,"
    "  input_tokens INTEGER NOT NULL DEFAULT 0," /* 0: not told */
    "  cached_tokens INTEGER NOT NULL DEFAULT 0,"
    "  output_tokens INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX sent_by_thread ON sent (thread, num);"
    "PRAGMA user_version = 6;",

    /* Helpers are threads of their own that no list shows: they belong to a call of another one. */
    "ALTER TABLE thread ADD COLUMN parent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE thread ADD COLUMN parent_call TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX thread_by_parent ON thread (parent, parent_call) "
    "WHERE parent > 0;"
    "PRAGMA user_version = 7;",

    /* The model a thread chose for itself, the mode of a turn that is its own, and what a day has
     * cost: kept apart from threads, which may be deleted. */
    "ALTER TABLE thread ADD COLUMN own_model TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE turn ADD COLUMN mode TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE spent ("
    "  day INTEGER NOT NULL," /* 20260131, where the person is */
    "  model TEXT NOT NULL,"
    "  input_tokens INTEGER NOT NULL,"
    "  cached_tokens INTEGER NOT NULL," /* of the input */
    "  output_tokens INTEGER NOT NULL,"
    "  PRIMARY KEY (day, model)) WITHOUT ROWID;"
    "PRAGMA user_version = 8;",
};
