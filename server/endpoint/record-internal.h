/* Records: what a response leaves behind for those who go on from it, ask for it, or keep it.
 *
 * A record holds what was NEW in its response: the items of its input and those of its output that
 * were done, verbatim, and its parent. A step costs what is new in it, and forks share everything
 * up to where they part. The whole conversation is walked from the records, without a copy:
 *
 *     struct record_walk walk;
 *     struct str item;
 *     record_walk_init(&walk, answer->record, NULL);     or an ancestor: only what came after it
 *     while (record_walk_next(&walk, &item))
 *         ...                                           oldest first; walk.is_output, .record
 *     record_walk_finish(&walk);
 *
 * Invariants: items never change once they are in, so spans of them live as long as the record; a
 * record keeps its ancestors' items alive, also when the ancestors themselves can no longer be
 * continued from (what can be is cache.c's business, by id). The input is in before a plan is made:
 * an engine finds the request's own items at the end of the history. `settings` and `response` go
 * when nobody can ask for the record any more: they are not in an ancestor of what is cached. */
#ifndef LANEBRIDGE_ENDPOINT_RECORD_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_RECORD_INTERNAL_H

#include <lanebridge/base.h>
#include <lanebridge/json.h>

#include "tokens-internal.h"

enum { ENDPOINT_ID_BYTES = 96 };

/* Text shared by the records of one conversation and its forks. */
struct shared {
    unsigned refs;
    struct str text; /* behind it, in the same piece of memory */
};
struct shared *shared_new(struct str text);
struct shared *shared_ref(struct shared *shared); /* NULL gives NULL */
void shared_unref(struct shared *shared);

/* Items, verbatim. Grows at its end alone. */
struct item_span {
    uint32_t at, len;
};
struct items {
    struct buf text; /* with commas between: an array without its brackets */
    VEC(struct item_span) spans;
};
struct str items_at(const struct items *items, size_t index);

struct position {
    bool known; /* false: no rollout was chosen yet */
    unsigned rollout, step, item;
};
struct pending_call {
    char call_id[ENDPOINT_ID_BYTES];
    bool is_custom;
};
/* Steering input that was accepted. */
struct steer {
    char id[ID_BYTES];
    struct buf items; /* JSON, with commas between */
};
struct steers {
    struct steer *ptr;
    size_t len, cap;
};

/* What all records of an endpoint hold together. */
struct held {
    size_t bytes, records;
};
struct record {
    unsigned refs;
    struct held *held;
    char id[ENDPOINT_ID_BYTES];
    uint64_t created_at; /* seconds */
    struct record *parent;
    unsigned depth;               /* how many ancestors it has */
    bool is_stored;               /* the store finds it in memory */
    bool is_kept;                 /* the store's file has it, or is about to */
    bool is_failed;               /* can be asked for, but not continued from */
    struct record *newer, *older; /* of those that the store has in memory */
    struct items input, output;   /* its own */
    size_t item_count;            /* of the whole conversation */
    struct shared *settings;      /* members of the request, each with a comma behind; see above */
    struct shared *response;      /* the response object, as its terminal event had it */
    /* Of its own items, once they were rendered; the count is that of the whole conversation, images
     * included. Without a vocabulary there is the count alone. */
    struct token_list tokens;
    size_t token_count;
    bool is_rendered;
    bool is_open; /* it waits for response.append; see append.c */
    int64_t leg_sequence;
    size_t leg_items;
    size_t own_bytes; /* what it counts for in `held` */
    /* Of the replay and the rules: */
    struct position next;
    VEC(struct pending_call) pending; /* calls that a continuation must answer */
    struct steers steers;             /* to go before the outputs of the calls */
    struct shared **outputs;          /* by label of the script; NULL: none yet */
    size_t label_count;
    struct shared *user;  /* of a warm-up: its last user message */
    struct shared *tools; /* tools that came as an input item */
};
struct record *record_new(struct held *held, size_t label_count, struct record *parent);
struct record *record_ref(struct record *record); /* NULL gives NULL */
void record_unref(struct record *record);
/* An `input`: a JSON array, or a string, which becomes a user message. Empty: nothing. */
void record_add_input(struct record *record, struct str input);
void record_add_output(struct record *record, struct str item);
void record_add_outputs(struct record *record, struct str array);
void record_set_settings(struct record *record, struct str settings);
void record_set_response(struct record *record, struct str response);
void record_recount(struct record *record); /* its tokens have grown */
/* Nobody can ask for it by its id any more. */
void record_strip(struct record *record);

struct record_walk {
    VEC(const struct record *) chain; /* the last first */
    size_t index;
    const struct record *record; /* whose item record_walk_next gave last, and which kind it is */
    bool is_output;
};
/* `after`: NULL, or an ancestor of `last`, whose items and all before them are left out. */
void record_walk_init(struct record_walk *walk, const struct record *last,
                      const struct record *after);
bool record_walk_next(struct record_walk *walk, struct str *ret_item);
void record_walk_finish(struct record_walk *walk);
/* All of it as one JSON array. */
void record_walk_append(struct buf *buf, const struct record *last);

#endif
