/* complete: inline completion: what a person who types might type next. Requests of its own on lanes
 * of their own, with the highest priority; no thread, no tools, no journal.
 *
 * Invariants:
 * - At most one question is open: a new one ends the one before (its answer is empty). At most
 *   COMPLETE_FLIGHTS responses run.
 * - A response that runs is kept while what is typed is what it says; one that has ended is kept as a
 *   suggestion: typing along it asks nobody.
 * - An answer is for the version that was asked about, else it is empty.
 * - What is sent: the text around the cursor and the places edited last, of open documents for which
 *   may_send says yes. */
#ifndef LANEBRIDGE_COMPLETE_H
#define LANEBRIDGE_COMPLETE_H

#include <lanebridge/document.h>
#include <lanebridge/json.h>
#include <lanebridge/loop.h>
#include <lanebridge/responses.h>

enum { COMPLETE_FLIGHTS = 2 };

struct complete_env {
    struct loop *loop;
    struct responses *responses;
    struct documents *documents;
    const char *model;                             /* copied */
    int64_t max_tokens;                            /* of an answer */
    bool (*may_send)(void *user, struct str path); /* asked for every document, each time */
    /* Optional: a request has been paid for. */
    void (*spent)(void *user, struct str model, const struct responses_usage *usage);
    void *user;
};
struct complete;
struct complete *complete_new(const struct complete_env *env);
/* No callback any more. Before responses and documents. NULL is fine. */
void complete_free(struct complete *complete);

struct complete_question {
    const struct document *document; /* its text is known */
    size_t offset;                   /* of the cursor, in bytes */
    struct str shown_path;           /* as the model shall see it */
    struct str ahead;                /* chosen in the editor's own list, but not in the text yet */
    bool is_invoked;                 /* asked for by key: at once, and several lines are welcome */
};
/* What to insert at the cursor (behind `ahead`); empty: nothing. Borrowed. */
typedef void complete_answer_fn(void *user, struct str text);
/* Answers once, never before it returned. */
void complete_ask(struct complete *complete, const struct complete_question *question,
                  complete_answer_fn *on_answer, void *user);

/* The open question's callback will not come. */
void complete_cancel(struct complete *complete);

/* Since the start. */
struct complete_counts {
    uint64_t questions, requests, from_cache, kept_running, dropped, output_tokens, input_tokens;
    uint64_t suggested_bytes;
    uint64_t pause_ms; /* how long typing has to rest before somebody is asked, now */
};
void complete_get_counts(const struct complete *complete, struct complete_counts *ret_counts);
/* As a JSON object. */
void complete_write_counts(const struct complete *complete, struct json_writer *w);

#endif
