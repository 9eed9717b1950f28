-- Version 1. A later version is a step in journal.c's table, never a change of these lines.
-- Times are milliseconds since 1970. Ids are ours ("thread_…", "turn_…"); thread columns elsewhere
-- hold thread.num, which keeps the hot index on item small.

CREATE TABLE thread (
  num INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  root TEXT NOT NULL,
  title TEXT NOT NULL DEFAULT '',
  model TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  archived INTEGER NOT NULL DEFAULT 0,
  base_seq INTEGER NOT NULL DEFAULT 0,   -- the history sent to the model begins here
  lease TEXT NOT NULL DEFAULT '',        -- boot:pid namespace:pid:start time, '' for nobody
  lease_ms INTEGER NOT NULL DEFAULT 0    -- last renewed
);
CREATE INDEX thread_by_time ON thread (updated_ms);
CREATE INDEX thread_by_lease ON thread (lease) WHERE lease <> '';

CREATE TABLE turn (
  num INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  thread INTEGER NOT NULL,
  status TEXT NOT NULL,                  -- running, completed, interrupted, failed
  usage TEXT NOT NULL DEFAULT '',        -- JSON, verbatim
  error TEXT NOT NULL DEFAULT '',
  started_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX turn_by_thread ON turn (thread, num);

CREATE TABLE item (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: base_seq points at it
  thread INTEGER NOT NULL,
  turn TEXT NOT NULL,
  kind TEXT NOT NULL,                    -- user, output, tool, context
  json TEXT NOT NULL                     -- verbatim
);
CREATE INDEX item_by_thread ON item (thread, seq);

CREATE TABLE call (
  thread INTEGER NOT NULL,
  call_id TEXT NOT NULL,
  turn TEXT NOT NULL,
  name TEXT NOT NULL,
  arguments TEXT NOT NULL,
  decision TEXT NOT NULL,                -- who allowed it, and how
  output TEXT,                           -- NULL: started, its end is not known
  ok INTEGER NOT NULL DEFAULT 0,
  started_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (thread, call_id)
);

CREATE TABLE change (
  num INTEGER PRIMARY KEY AUTOINCREMENT, -- the order blobs grow old in
  thread INTEGER NOT NULL,
  turn TEXT NOT NULL,
  kind TEXT NOT NULL,                    -- create, update, delete, move; before it undo-, redo-, command-, editor-; command-touch
  path TEXT NOT NULL,
  new_path TEXT NOT NULL,
  before_hash TEXT NOT NULL,
  after_hash TEXT NOT NULL,
  created_ms INTEGER NOT NULL
);
CREATE INDEX change_by_turn ON change (turn, num);
CREATE INDEX change_by_thread ON change (thread);

CREATE TABLE blob (
  hash TEXT PRIMARY KEY,                 -- SHA-256 of bytes
  size INTEGER NOT NULL,
  used INTEGER NOT NULL,                 -- newest change.num that names it
  bytes BLOB NOT NULL                    -- last: the columns before it are read without it
);
CREATE INDEX blob_by_use ON blob (used, size);

CREATE TABLE total (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO total VALUES ('blob_bytes', 0);
CREATE TRIGGER blob_added AFTER INSERT ON blob BEGIN
  UPDATE total SET value = value + new.size WHERE name = 'blob_bytes';
END;
CREATE TRIGGER blob_removed AFTER DELETE ON blob BEGIN
  UPDATE total SET value = value - old.size WHERE name = 'blob_bytes';
END;
