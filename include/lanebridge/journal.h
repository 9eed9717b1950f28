/* journal: what must survive a crash: threads, turns, items, calls, change sets. One SQLite database
 * in the state folder (WAL, synchronous=NORMAL, user_version migrations), one connection, used on the
 * loop thread: a write is some 20 µs without an fsync. Schema: server/journal/schema.sql, described in
 * docs/ARCHITECTURE.md.
 *
 * Invariants: an item is stored before the next request goes out; a call is stored `started` before it
 * starts, its output before it is sent; a thread is written by the process that holds its lease and by
 * no other; start-up costs the same whatever the history. */
#ifndef LANEBRIDGE_JOURNAL_H
#define LANEBRIDGE_JOURNAL_H

#include <lanebridge/base.h>
#include <lanebridge/json.h>
#include <lanebridge/loop.h>

struct journal;
struct loop;
/* Opens or makes FOLDER/journal.db (0600). A database of a newer version opens read-only: every write
 * then fails with STATUS_UNSUPPORTED and a sentence. Damaged: moved aside to journal.db.damaged-N, said
 * in `err` with STATUS_OK (err->text non-empty). now_ms gives the wall clock. */
struct journal *journal_open(struct str folder, uint64_t (*now_ms)(void), struct err *err);
void journal_close(struct journal *journal);

/* A look from outside, which changes nothing: neither migrates nor sets anything aside. */
struct journal_facts {
    bool exists, damaged;
    bool whole;               /* read to its end; false: there was no time for that */
    int version, our_version; /* of its schema */
    uint64_t bytes;
    uint64_t threads;
};
/* Reads for max_ms at most. Errors: STATUS_IO and others when it cannot be opened or read; a
 * damaged one is no error but `damaged`, with the sentence in err. */
enum status journal_look(struct str folder, uint64_t max_ms, struct journal_facts *ret_facts,
                         struct err *err);

/* -- Threads ---------------------------------------------------------------------------------------------- */
struct journal_thread {
    char id[ID_BYTES];
    struct str root, title, model;    /* borrowed during callbacks */
    struct str own_model, effort, mode;   /* its own choice; empty: as set for all. `model` is the
                                             one it was used with last */
    uint64_t created_ms, updated_ms;
    uint64_t foreign_seq;             /* reasoning items before it are another model's or key's */
    bool archived, leased_elsewhere;
    bool cut_off;                     /* its last turn did not come to its end */
};
/* The error of a turn that was found running after its process had ended. */
#define JOURNAL_CUT_OFF "Lanebridge ended while it ran"
enum status journal_thread_create(struct journal *journal, struct str root, struct str model,
                                  char ret_id[ID_BYTES], struct err *err);   /* leased to us */
enum status journal_thread_set_title(struct journal *journal, const char *id, struct str title,
                                     struct err *err);
enum status journal_thread_set_model(struct journal *journal, const char *id, struct str model,
                                     struct err *err);
enum status journal_thread_set_own_model(struct journal *journal, const char *id, struct str model,
                                         struct err *err);
enum status journal_thread_set_effort(struct journal *journal, const char *id, struct str effort,
                                      struct err *err);
enum status journal_thread_set_mode(struct journal *journal, const char *id, struct str mode,
                                    struct err *err);
/* Reasoning of items before seq is not sent any more. The thread is ours. */
enum status journal_thread_set_foreign(struct journal *journal, const char *id, uint64_t seq,
                                       struct err *err);
enum status journal_thread_set_archived(struct journal *journal, const char *id, bool archived,
                                        struct err *err);
/* No list shows it any more; it is pruned like the others. */
enum status journal_thread_hide(struct journal *journal, const char *id, struct err *err);
/* A new thread, leased to us, with what that one had up to the end of the turn (empty: all turns that
 * have ended). Its calls are known as made; what they did to files can be undone in that one alone.
 * STATUS_NOT_FOUND, STATUS_CONFLICT (the turn still runs). */
enum status journal_thread_fork(struct journal *journal, const char *thread_id, struct str turn_id,
                                char ret_id[ID_BYTES], struct err *err);
/* With its helpers. */
enum status journal_thread_delete(struct journal *journal, const char *id, struct err *err);
/* A helper: a thread, leased to us, that no list shows, since it is part of a call of that one, which is
 * ours; one a call. Deleted with it. */
enum status journal_helper_create(struct journal *journal, const char *parent_id, struct str call_id,
                                  char ret_id[ID_BYTES], struct err *err);
/* STATUS_NOT_FOUND when that call has none. */
enum status journal_helper_find(struct journal *journal, const char *parent_id, struct str call_id,
                                char ret_id[ID_BYTES], struct err *err);
/* The tools a thread began with, as JSON: it keeps them. made_by is the version of the program, since
 * another one may take other arguments. Getting: STATUS_NOT_FOUND when there are none, or made by
 * another. */
enum status journal_thread_set_tools(struct journal *journal, const char *thread_id,
                                     struct str made_by, struct str json, struct err *err);
enum status journal_thread_get_tools(struct journal *journal, const char *thread_id,
                                     struct str made_by, struct buf *ret_json, struct err *err);
typedef bool journal_thread_fn(void *user, const struct journal_thread *thread);   /* false stops */
struct journal_filter {
    struct str root;         /* empty: all */
    struct str query;        /* part of a title or of a prompt, capitals of ASCII aside */
    bool with_archived;
    uint64_t cursor_ms;      /* updated before it; 0: none */
    size_t limit;            /* threads of one millisecond come together, so it may be passed */
};
/* Newest first. */
enum status journal_thread_list(struct journal *journal, const struct journal_filter *filter,
                                journal_thread_fn *fn, void *user, struct err *err);
enum status journal_thread_get(struct journal *journal, struct str id, journal_thread_fn *fn, void *user,
                               struct err *err);
/* Leases name process, boot and start time; a dead owner's lease is taken at once, a live one's only
 * with `force` (take over). STATUS_LEASED: "open in another editor (process N)". */
enum status journal_lease_take(struct journal *journal, const char *thread_id, bool force,
                               struct err *err);
enum status journal_lease_renew(struct journal *journal, struct err *err);   /* all of ours */
enum status journal_lease_drop(struct journal *journal, const char *thread_id, struct err *err);
bool journal_lease_is_ours(struct journal *journal, const char *thread_id);

/* Deletes threads not used since before_ms that nobody holds, at most 50 a call; when there is none left,
 * what waited for a decision since before that, and all text that nothing names any more. */
enum status journal_prune(struct journal *journal, uint64_t before_ms, size_t *ret_count,
                          struct err *err);

/* -- Turns and items ----------------------------------------------------------------------------------------- */
/* status: "queued", "running", "completed", "interrupted", "failed". */
enum status journal_turn_create(struct journal *journal, const char *thread_id, char ret_id[ID_BYTES],
                                struct err *err);          /* running */
/* Queued, with what was asked and the item that this will be, so that neither is lost in a crash. */
enum status journal_turn_queue(struct journal *journal, const char *thread_id, struct str prompt,
                               struct str input_json, char ret_id[ID_BYTES], struct err *err);
/* Its own mode, where it is not its thread's. The thread is ours. */
enum status journal_turn_set_mode(struct journal *journal, const char *turn_id, struct str mode,
                                  struct err *err);
/* Running now, and its input an item (of the same transaction, if that is appended in one). */
enum status journal_turn_begin(struct journal *journal, const char *turn_id, struct err *err);
enum status journal_turn_end(struct journal *journal, const char *turn_id, const char *status,
                             struct str usage_json, struct str error, struct err *err);
struct journal_turn {
    struct str id, status, usage_json, error;
    struct str prompt;        /* empty: of an older version, or nobody asked */
    struct str input_json;    /* of one that is queued */
    struct str mode;          /* its own, or empty */
    uint64_t started_ms, ended_ms;
};
typedef bool journal_turn_fn(void *user, const struct journal_turn *turn);
enum status journal_turn_each(struct journal *journal, const char *thread_id, journal_turn_fn *fn,
                              void *user, struct err *err);

/* kind: "user", "output" (of the model), "tool" (output of a call), "context", "compacted" (by
 * journal_compact alone). json verbatim. */
enum status journal_item_append(struct journal *journal, const char *thread_id, const char *turn_id,
                                const char *kind, struct str json, struct err *err);
struct journal_item {
    uint64_t seq;
    struct str turn_id, kind, json;
};
typedef bool journal_item_fn(void *user, const struct journal_item *item);
/* from_seq 0 begins at the base of the thread (what the model is sent), 1 at the first item ever. */
enum status journal_item_each(struct journal *journal, const char *thread_id, uint64_t from_seq,
                              journal_item_fn *fn, void *user, struct err *err);
/* Sequence number of the item we appended last; 0 before the first. */
uint64_t journal_item_last_seq(const struct journal *journal);
/* Edited history: later reads begin at seq (older items stay for display). */
enum status journal_thread_set_base(struct journal *journal, const char *thread_id, uint64_t seq,
                                    struct err *err);
/* Compaction: the items, as kind "compacted", are where later reads begin; what was before stays, for
 * people. All or nothing. */
enum status journal_compact(struct journal *journal, const char *thread_id, const char *turn_id,
                            const struct str *items, size_t count, struct err *err);

/* -- Messages that wait: said to a turn that runs, not in its history yet ---------------------------------------- */
enum status journal_waiting_add(struct journal *journal, const char *thread_id, const char *turn_id,
                                const char *id, struct str json, struct err *err);
/* It has found its place: an item of kind "user" from now on. */
enum status journal_waiting_place(struct journal *journal, const char *thread_id, const char *id,
                                  struct err *err);
struct journal_waiting {
    struct str turn_id, id, json;
};
typedef bool journal_waiting_fn(void *user, const struct journal_waiting *waiting);
/* In the order they were said. */
enum status journal_waiting_each(struct journal *journal, const char *thread_id,
                                 journal_waiting_fn *fn, void *user, struct err *err);

/* -- Calls: at most once ---------------------------------------------------------------------------------------- */
enum journal_call_state { CALL_ABSENT, CALL_STARTED, CALL_DONE };
/* STATUS_EXISTS if this call_id was started before in this thread: it must not run again. */
enum status journal_call_start(struct journal *journal, const char *thread_id, const char *turn_id,
                               struct str call_id, struct str name, struct str arguments,
                               struct str decision, struct err *err);
/* Start and finish in one, of what has no effects or was never run: its ids but that of the thread,
 * name, arguments, decision, output, ok. */
struct journal_call;
enum status journal_call_record(struct journal *journal, const char *thread_id,
                                const struct journal_call *call, struct err *err);
enum status journal_call_finish(struct journal *journal, const char *thread_id, struct str call_id,
                                struct str output, bool ok, struct err *err);
/* CALL_DONE fills *ret_output with the saved output. */
enum journal_call_state journal_call_find(struct journal *journal, const char *thread_id,
                                          struct str call_id, struct buf *ret_output);

/* -- Audit: what ran in which sandbox, and what was sent --------------------------------------------------------- */
/* Of a call that was started: "bubblewrap", "bubblewrap, with network", "none: …". */
enum status journal_call_set_sandbox(struct journal *journal, const char *thread_id,
                                     struct str call_id, struct str sandbox, struct err *err);
/* Strings are borrowed for the call. */
struct journal_call {
    struct str thread_id, turn_id, call_id, name, arguments, decision, sandbox, output;
    enum journal_call_state state;
    bool ok;
    uint64_t started_ms, ended_ms;
};
typedef bool journal_call_fn(void *user, const struct journal_call *call);
/* The one, if it was started. */
enum status journal_call_get(struct journal *journal, const char *thread_id, struct str call_id,
                             journal_call_fn *fn, void *user, struct err *err);
/* The newest first. Of a thread, or of a turn of it; of a turn alone: with what its helpers called;
 * with both ids empty the latest of all, which is for people, since it looks at every row. */
enum status journal_call_each(struct journal *journal, struct str thread_id, struct str turn_id,
                              size_t limit, journal_call_fn *fn, void *user, struct err *err);

/* One request as it went out. The items are those of the thread from first_seq to last_seq. */
struct journal_sent {
    struct str thread_id;            /* read only */
    struct str turn_id, kind, host;  /* kind: turn, helper (in a thread of its own), warm-up,
                                        compaction */
    uint64_t first_seq, last_seq, items, bytes, tools_bytes;
    bool continued;                  /* the endpoint held what was before it */
    uint64_t sent_ms;                /* 0: now */
    int64_t input_tokens, cached_tokens, output_tokens;   /* 0: not told yet */
};
/* *ret_num is for journal_sent_set_tokens, when the endpoint counts after that. */
enum status journal_sent_add(struct journal *journal, const char *thread_id,
                             const struct journal_sent *sent, uint64_t *ret_num, struct err *err);
enum status journal_sent_set_tokens(struct journal *journal, uint64_t num, int64_t input_tokens,
                                    int64_t cached_tokens, int64_t output_tokens, struct err *err);
typedef bool journal_sent_fn(void *user, const struct journal_sent *sent);
/* Of a turn and its helpers, in the order they went out. */
enum status journal_sent_each(struct journal *journal, struct str turn_id, journal_sent_fn *fn,
                              void *user, struct err *err);
/* The turn that sent something last. Errors: STATUS_NOT_FOUND. */
enum status journal_sent_latest(struct journal *journal, char ret_turn_id[ID_BYTES],
                                struct err *err);
enum status journal_sent_prune(struct journal *journal, uint64_t before_ms, struct err *err);
/* Tokens of today, where the person is, of all windows; a thread that is deleted takes none back. Kept
 * as long as journal_sent_prune keeps what was sent. */
struct journal_spent {
    struct str model;
    int64_t input_tokens, cached_tokens, output_tokens;   /* cached ones are among the input */
};
enum status journal_spent_add(struct journal *journal, const struct journal_spent *spent,
                              struct err *err);
typedef void journal_spent_fn(void *user, const struct journal_spent *spent);
enum status journal_spent_today(struct journal *journal, journal_spent_fn *fn, void *user,
                                struct err *err);
/* The thread a turn is of. STATUS_NOT_FOUND. */
enum status journal_turn_thread(struct journal *journal, struct str turn_id,
                                char ret_thread_id[ID_BYTES], struct err *err);

/* -- Change sets: what a turn did to files ------------------------------------------------------------------------- */
struct journal_change {
    struct str turn_id, path, new_path, kind;    /* kind: create, update, delete, move; with
                                                    undo- or redo- in front, if that was done */
    struct str before_hash, after_hash;          /* of blobs; empty where there is no text */
    uint64_t created_ms;
};
/* before/after: the texts, NULL where there is none; stored content-addressed, within
 * LIMIT_BLOB_STORE_BYTES (oldest turns' blobs go first). */
enum status journal_change_add(struct journal *journal, const char *thread_id, const char *turn_id,
                               const char *kind, struct str path, struct str new_path,
                               const struct str *before, const struct str *after, struct err *err);
typedef bool journal_change_fn(void *user, const struct journal_change *change);
enum status journal_change_each(struct journal *journal, const char *turn_id, journal_change_fn *fn,
                                void *user, struct err *err);
enum status journal_blob_get(struct journal *journal, struct str hash, struct buf *ret_bytes,
                             struct err *err);

/* -- Review: what waits for the person's decision ------------------------------------------------------------------- */
struct journal_review {
    struct str path, old_path;        /* absolute; old_path of one that was moved */
    struct str base_hash, now_hash;   /* of blobs; empty where there is no file */
    struct str hunks;                 /* JSON, verbatim */
};
/* One row a path and window; an older one of ours is replaced. The texts are kept like those of changes;
 * the hashes of `review` are not read. */
enum status journal_review_put(struct journal *journal, const struct journal_review *review,
                               const struct str *base, const struct str *now, struct err *err);
enum status journal_review_remove(struct journal *journal, struct str path, struct err *err);
typedef void journal_review_fn(void *user, const struct journal_review *review);
/* What windows that have ended left behind below that folder: from now on it is ours. */
enum status journal_review_take(struct journal *journal, struct str root, journal_review_fn *fn,
                                void *user, struct err *err);
/* A look from outside, like journal_look: is there anything to take? */
bool journal_review_waits(struct str folder);

void journal_set_blob_limit(struct journal *journal, uint64_t bytes);   /* LIMIT_BLOB_STORE_BYTES */

/* -- Transactions: several writes as one ---------------------------------------------------------------------------- */
/* A commit that fails (disk full) undoes the writes since begin; the next write reports it. */
void journal_begin(struct journal *journal);     /* nests */
void journal_commit(struct journal *journal);
/* For what comes in quick succession, before anything outside has heard of it: join is a begin that goes
 * on with what a commit_later has left open. Every other write commits that first, and so does the loop
 * before it waits; who lets something out (a request, a command) settles before. */
void journal_join(struct journal *journal);
void journal_commit_later(struct journal *journal, struct loop *loop);
void journal_settle(struct journal *journal);

#endif
