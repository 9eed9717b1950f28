/* The file of the store: responses and the usage ledger in SQLite, written by one pool thread in
 * groups, so that the loop waits for no disk, and read on the loop (point reads by id).
 *
 * Invariants: a job is told of when its transaction is committed, in the order of the calls; jobs
 * hold copies, nothing of the loop's is touched by the thread; a response that was committed
 * survives the process (WAL, synchronous=NORMAL: not a power cut, which may cost the last ones).
 * Rows of a conversation are chained by parent; a row goes when it is deleted or pruned AND nobody
 * is chained to it. Two endpoints may share a file. */
#ifndef LANEBRIDGE_ENDPOINT_KEEPER_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_KEEPER_INTERNAL_H

#include <lanebridge/loop.h>

#include "metrics-internal.h"
#include "record-internal.h"

/* PART: not to be asked for by itself (store:false, or deleted); others were made from it. */
enum kept_state { KEPT_WHOLE, KEPT_FAILED, KEPT_PART };

struct keeper;
struct keeper_job;
/* STATUS_OK; STATUS_NOT_FOUND: its parent is not in the file (write that first); STATUS_IO. */
typedef void keeper_done_fn(void *user, enum status status);

struct keeper *keeper_new(struct loop *loop, const char *path, uint64_t max_bytes,
                          struct metrics *metrics, struct err *err);
/* Writes what is queued. */
void keeper_free(struct keeper *keeper);
/* on_done comes later, never from within; NULL: nobody waits. */
struct keeper_job *keeper_put(struct keeper *keeper, const struct record *record,
                              enum kept_state state, keeper_done_fn *on_done, void *user);
struct keeper_job *keeper_remove(struct keeper *keeper, struct str id, keeper_done_fn *on_done,
                                 void *user);
void keeper_forget(struct keeper_job *job); /* it is written, but nobody waits any more */
size_t keeper_waiting(const struct keeper *keeper);

struct kept_usage {
    char response_id[ENDPOINT_ID_BYTES];
    const char *status, *transport; /* literals */
    char model[64];
    int64_t input, cached, output, reasoning, ms;
};
struct keeper_job *keeper_note_usage(struct keeper *keeper, const struct kept_usage *usage,
                                     keeper_done_fn *on_done, void *user);

struct kept_row {
    enum kept_state state;
    uint64_t created_at;
    char parent[ENDPOINT_ID_BYTES];     /* empty: none */
    struct buf input, output, response; /* the first two: JSON arrays */
};
enum status keeper_load(struct keeper *keeper, struct str id, struct kept_row *ret_row);
void kept_row_finish(struct kept_row *row);

#endif
