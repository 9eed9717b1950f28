/* agent: threads and turns. A turn asks the model, runs its calls, sends the outputs, until the model
 * has answered. Knows no editor beyond host.h and no socket beyond responses.h.
 *
 * Invariants: items of a thread are append-only within a generation and journalled before the request
 * that carries them; at most one turn runs per thread, the rest queue; every call in the history has
 * exactly one output; compaction begins what the model is sent anew and keeps every item for people;
 * a response that broke is adopted up to its last done item and the turn goes on;
 * calls start at output_item.done and their outputs go out the moment the response has ended and the
 * last output is in. */
#ifndef LANEBRIDGE_AGENT_H
#define LANEBRIDGE_AGENT_H

#include <lanebridge/base.h>
#include <lanebridge/host.h>
#include <lanebridge/journal.h>
#include <lanebridge/policy.h>
#include <lanebridge/responses.h>
#include <lanebridge/tools.h>

/* -- Events: all that anybody outside learns. Borrowed for the call. ------------------------------------- */

enum agent_item_type {
    AGENT_USER_MESSAGE, AGENT_MESSAGE, AGENT_REASONING, AGENT_PLAN, AGENT_TOOL_CALL,
    AGENT_COMMAND, AGENT_FILE_CHANGE, AGENT_ERROR,
    AGENT_COMPACTION,        /* the conversation was made shorter for the model: text says how much, or,
                                not ok, why not */
    AGENT_SUBAGENT,          /* a call of explore: what its helper does are items of their own, with
                                parent_item_id */
};
const char *agent_item_type_name(enum agent_item_type type);   /* "userMessage" … of the schema */
enum agent_event_type {
    AGENT_THREAD_UPDATED,    /* title, model, effort, mode */
    AGENT_TURN_QUEUED,       /* what waits has changed; turn_id: that came to it, or "" */
    AGENT_TURN_STARTED, AGENT_TURN_COMPLETED,
    AGENT_ITEM_STARTED, AGENT_ITEM_DELTA, AGENT_ITEM_COMPLETED,
    AGENT_NOTICE,            /* retry, waiting: text */
    AGENT_CONNECTION,        /* status */
    AGENT_REVIEW,            /* what waits of a turn has changed: pending; or text, a notice for people */
};
enum agent_turn_status { TURN_COMPLETED, TURN_INTERRUPTED, TURN_FAILED };
const char *agent_turn_status_name(enum agent_turn_status status);
struct agent_timing {
    uint64_t total_ms, model_ms, first_output_ms, tools_ms, waiting_ms;
    uint64_t steps, calls, bytes_sent, bytes_received, frames_sent, frames_received;
    uint64_t full_inputs, retries;
    struct responses_stages stages;    /* of the endpoint, if it tells */
};
struct agent_cost {
    double amount;
    char currency[8];         /* "": not known */
};
struct agent_event {
    enum agent_event_type type;
    const char *thread_id, *turn_id, *item_id;      /* "" where it does not apply */
    const char *parent_item_id;      /* of an item within another one, else NULL; such have no deltas */
    enum agent_item_type item_type;
    struct str text;          /* delta, full text when completed, notice, error, title */
    struct str name;          /* tool's name; THREAD_UPDATED: model */
    struct str effort;        /* THREAD_UPDATED */
    const char *mode;         /* THREAD_UPDATED: from the next turn on; TURN_STARTED, _COMPLETED: its own */
    struct str title;         /* tool's one-line title */
    struct str output;        /* tool's output (completed), command's output (delta: text) */
    struct str diff;
    bool ok;                  /* of a tool */
    bool is_void;             /* ITEM_COMPLETED, not ok: the model says it again; what was shown counts no more */
    bool is_lasting;          /* NOTICE: belongs in the transcript */
    uint64_t ran_ms, waited_ms;
    int exit_code;
    enum agent_turn_status status;
    const char *code;         /* COMPLETED(failed): "no-key", "key-refused"; NULL: no more than the text */
    struct responses_usage usage;
    struct agent_cost cost;   /* of it */
    struct agent_timing timing;
    size_t pending;           /* REVIEW: hunks of the turn that wait */
    const struct responses_status *connection;
};
/* It may start and interrupt turns, but must not close threads or free the agent. An item that was
 * started is completed, also when it broke off: then ok is false and text is what was shown of it. */
typedef void agent_event_fn(void *user, const struct agent_event *event);

/* The person's limits, 0: none. */
struct agent_limits {
    int64_t tokens_per_turn, tokens_per_day;
};

/* -- Agent -------------------------------------------------------------------------------------------------- */

struct agent_env {
    struct loop *loop;
    struct journal *journal;
    struct tools *tools;
    struct policy *policy;
    struct responses *responses;      /* its on_status is to be passed to agent_on_connection, its
                                         on_rotated to agent_on_rotated */
    const char *model, *effort;       /* copied */
    const char *host;                 /* of the endpoint, for the audit log; copied; may be NULL */
    enum tools_edit_style edit_style;
    bool warm;                        /* agent_thread_warm does something */
    bool web_search;                  /* the endpoint's own, offered to threads that begin now */
    unsigned steps_max;               /* of a turn; 0: LIMIT_TURN_STEPS_COUNT */
    int64_t context_tokens;           /* that the model takes; 0: responses_context_tokens */
    unsigned compact_percent;         /* of them, from which a thread is compacted; 0: 80 */
    /* Appends what the model should know of the place: folders, the user's AGENTS.md with where it
     * came from. Called once, when a thread starts. Optional. */
    void (*environment)(void *environment_user, struct str root_path, struct buf *text);
    /* Optional. The limits as they are now; at one the person is asked, by `host`, whether to go on. */
    void (*limits)(void *environment_user, struct agent_limits *ret_limits);
    /* Optional. What tokens of that model cost; false: not known. */
    bool (*cost)(void *environment_user, struct str model, const struct responses_usage *usage,
                 struct agent_cost *ret_cost);
    const struct host *host_ops;     /* for that question; NULL: the turn stops */
    void *environment_user;
    agent_event_fn *on_event;
    void *user;
};
/* What was paid for beside turns counts for the day, too. */
void agent_spent(struct journal *journal, struct loop *loop, struct str model,
                 const struct responses_usage *usage);
struct agent;
/* The limit of the day is reached, and nobody has said that it may go on. agent NULL: there is none yet. */
bool agent_day_is_over(const struct agent *agent, struct journal *journal, int64_t limit);
struct agent *agent_new(const struct agent_env *env);
/* Interrupts everything; no events any more. */
void agent_free(struct agent *agent);
void agent_on_connection(struct agent *agent, const struct responses_status *status);
/* Threads used lately are warmed up on the new connection, when no turn of theirs runs. */
void agent_on_rotated(struct agent *agent);

/* -- Threads -------------------------------------------------------------------------------------------------- */

struct agent_thread;
struct agent_thread *agent_thread_start(struct agent *agent, struct str root_path, struct err *err);
/* Connects and sends what the thread begins with, so that its first answer comes sooner. Sends the
 * folder's AGENTS.md: only when the person trusts the folder. */
void agent_thread_warm(struct agent_thread *thread);
/* From the journal: items, unfinished calls as unknown, a turn cut off marked interrupted.
 * STATUS_NOT_FOUND, STATUS_LEASED (by another editor). Already open: the same object. */
struct agent_thread *agent_thread_resume(struct agent *agent, struct str id, struct err *err);
/* Also from another editor that has it open: there it can be read from now on, and a turn that runs
 * there fails at its next step. */
struct agent_thread *agent_thread_take_over(struct agent *agent, struct str id, struct err *err);
/* Its last turn was cut off by a crash or a reload, or prompts of that time still wait: these start
 * when somebody wants them. agent_thread_continue goes on from what was saved, then with the prompts;
 * *ret_turn_id is the first of these turns. STATUS_NOT_FOUND when there is nothing to continue. */
bool agent_thread_can_continue(const struct agent_thread *thread);
enum status agent_thread_continue(struct agent_thread *thread, char ret_turn_id[ID_BYTES],
                                  bool *ret_queued, struct err *err);
/* The editor was asked by that method, and has answered (clock of the loop): for the trace of every turn that runs. */
void agent_note_editor(struct agent *agent, const char *method, uint64_t began_ms,
                       uint64_t ended_ms);
/* Does a turn run, or wait to? */
bool agent_is_busy(const struct agent *agent);
struct agent_thread *agent_thread_find(struct agent *agent, struct str id);    /* open ones */
/* The last used open thread of that root, or NULL. */
struct agent_thread *agent_thread_last(struct agent *agent, struct str root_path);

/* Those of the journal, open or not. A look opens nothing. STATUS_NOT_FOUND. */
enum status agent_threads_list(struct agent *agent, const struct journal_filter *filter,
                               journal_thread_fn *fn, void *user, struct err *err);
enum status agent_thread_look(struct agent *agent, struct str id, journal_thread_fn *fn, void *user,
                              struct err *err);
/* The first line of `title`, at most 60 bytes. STATUS_LEASED while another editor has it open. */
enum status agent_thread_rename(struct agent *agent, struct str id, struct str title,
                                struct err *err);
enum status agent_thread_archive(struct agent *agent, struct str id, bool archived,
                                 struct err *err);
/* Closes it. STATUS_CONFLICT while a turn runs, STATUS_LEASED while another editor has it open. */
enum status agent_thread_delete(struct agent *agent, struct str id, struct err *err);
/* A new thread with what that one had up to the end of the turn; empty: all that have ended. Also of
 * one that another editor has open. STATUS_NOT_FOUND, STATUS_CONFLICT (the turn still runs). */
struct agent_thread *agent_thread_fork(struct agent *agent, struct str id, struct str turn_id,
                                       struct err *err);
/* What was said and done in it, turn by turn: each turn, then its items as AGENT_ITEM_COMPLETED. */
struct agent_past_handlers {
    void (*on_turn)(void *user, const struct journal_turn *turn);
    agent_event_fn *on_item;
};
struct agent_past_page {
    size_t turn;             /* in: where to begin; out: where the next page does */
    uint64_t seq;
    size_t limit;            /* turns; 0: all */
    bool is_end;             /* out */
};
enum status agent_thread_past(struct agent *agent, const char *id, struct agent_past_page *page,
                              const struct agent_past_handlers *handlers, void *user,
                              struct err *err);
/* What all its turns that have ended have used together; the cost as it was then, of the currency of the last. */

enum status agent_thread_usage(struct agent *agent, const char *id, struct responses_usage *ret_usage,
                               struct agent_cost *ret_cost, struct err *err);
/* What a thread chooses for itself; a NULL leaves that as it is, empty text is as in the settings. Model
 * and mode count from its next turn; a turn with another model than the one before it drops what that
 * one reasoned, and says so. STATUS_INVALID; STATUS_LEASED while another editor has it open. */
struct agent_choice {
    const struct str *model, *effort, *mode;    /* mode: "plan", "ask", "auto" */
};
enum status agent_thread_set(struct agent *agent, struct str id, const struct agent_choice *choice,
                             struct err *err);
bool agent_thread_plans(const struct agent_thread *thread);   /* its next turn would */
/* The settings have changed. */
void agent_set_defaults(struct agent *agent, const char *model, const char *effort,
                        enum tools_edit_style edit_style);
const char *agent_thread_id(const struct agent_thread *thread);
struct str agent_thread_title(const struct agent_thread *thread);
bool agent_thread_is_busy(const struct agent_thread *thread);
void agent_thread_close(struct agent_thread *thread);     /* drops the lease */

/* -- Turns ------------------------------------------------------------------------------------------------------ */

/* What the person gave along with the prompt. */
struct agent_context {
    const char *label;       /* "selection of src/a.c, lines 3-9" */
    struct str text;
    struct str image;        /* data URL of an image that goes along, or empty */
    const char *path;        /* absolute, of the file it is about; or NULL */
};
struct agent_input {
    struct str prompt;
    const struct agent_context *contexts;
    size_t context_count;
    struct str source;       /* whatever the caller wants back from agent_turn_unqueue; may be empty */
    struct str mode;         /* of this turn alone; empty: the thread's. Not for steering */
};
/* Starts the turn, or queues it behind the running one (*ret_queued). turn_id is given at once; events
 * follow later. STATUS_LIMIT when the queue is full; STATUS_INVALID for an empty prompt or an unknown mode. */
enum status agent_turn_start(struct agent_thread *thread, const struct agent_input *input,
                             char ret_turn_id[ID_BYTES], bool *ret_queued, struct err *err);
/* What the next request would hold, part by part, in its order; made by what makes the request, and
 * nothing of it is kept. Thread NULL: one that would be started in that folder. The tokens of a part are
 * a guess, unless the endpoint has counted them. */
struct agent_part {
    const char *label;       /* "instructions", "AGENTS.md", "selection of src/a.c, lines 3-9" */
    int64_t tokens;
    const char *why;         /* it is there */
};
typedef void agent_part_fn(void *user, const struct agent_part *part);
void agent_preview(struct agent *agent, struct agent_thread *thread, struct str root_path,
                   const struct agent_input *input, agent_part_fn *fn, void *user);
/* The model of the thread has refused images before: why, as a sentence; NULL: not that we know. */
const char *agent_refuses_images(const struct agent_thread *thread);

/* Has the conversation made shorter for the model, in a turn of its own that starts or queues like any
 * other. STATUS_LIMIT when the queue is full. */
enum status agent_thread_compact(struct agent_thread *thread, char ret_turn_id[ID_BYTES],
                                 bool *ret_queued, struct err *err);
/* A message for the turn that runs (empty id: whichever). It reaches the model at the first chance: in
 * the running response where the endpoint can, else with the next outputs, else when the answer is
 * done, which the turn then goes on from. AGENT_ITEM_COMPLETED(userMessage) says when; an interrupted
 * turn keeps it in the history, and so does a crash. STATUS_NOT_FOUND when no such turn runs; STATUS_LIMIT when as many wait
 * as may; STATUS_INVALID for an empty prompt. */
enum status agent_turn_steer(struct agent_thread *thread, struct str turn_id,
                             const struct agent_input *input, struct err *err);
/* The running turn, if it is this one (empty: whichever): calls are cancelled, the response is left to
 * drain, TURN_COMPLETED(interrupted) comes at once; what its calls did is told after it. A turn that
 * waits leaves the queue (empty and none runs: the first). STATUS_NOT_FOUND when there is none. */
enum status agent_turn_interrupt(struct agent_thread *thread, struct str turn_id, struct err *err);

/* The steps of a turn's plan, in order: what update_plan was told last, else the list in its answer.
 * STATUS_NOT_FOUND when it has none. */
typedef void agent_step_fn(void *user, struct str step);
enum status agent_plan_each(struct agent *agent, struct str thread_id, struct str turn_id,
                            agent_step_fn *fn, void *user, struct err *err);
/* Prompts that wait, in order; also those that were queued when an earlier process ended. */
typedef void agent_queue_fn(void *user, const char *turn_id, struct str prompt);
void agent_queue_each(const struct agent_thread *thread, agent_queue_fn *fn, void *user);
/* Takes one out, as an interrupt does. source: as the input had it, empty after a restart. STATUS_NOT_FOUND
 * when it does not wait any more. */
enum status agent_turn_unqueue(struct agent_thread *thread, struct str turn_id,
                               struct buf *ret_prompt, struct buf *ret_source, struct err *err);
/* Asks again what a turn asked that has ended, in its mode. The last one, if it was interrupted or failed, goes
 * on from the last response that was good: what it asked stands in the history already. Any other is asked anew.
 * STATUS_NOT_FOUND, STATUS_CONFLICT (it runs), STATUS_LIMIT. */
enum status agent_turn_retry(struct agent_thread *thread, struct str turn_id,
                             char ret_turn_id[ID_BYTES], bool *ret_queued, struct err *err);

/* Takes back what a turn did to files, or puts it back (tools.h, "Undo and redo"). turn_id empty: the
 * latest that can be. The model learns of it with the next turn; turns that are started meanwhile wait.
 * fn comes once, later; with CLOSED when the thread is closed first. STATUS_CONFLICT while a turn runs;
 * STATUS_NOT_FOUND when there is nothing to take back. */
typedef void agent_undo_fn(void *user, const struct tools_undo_result *result);
enum status agent_turn_undo(struct agent_thread *thread, struct str turn_id,
                            enum tools_undo_way way, agent_undo_fn *fn, void *user,
                            struct err *err);

/* -- A commit message: by a turn in a thread that nobody sees and that only reads ---------------------------- */

struct agent_commit;
/* text: the message; or what is wrong and what to do. NOT_FOUND: no git, no repository, nothing changed. */
typedef void agent_commit_fn(void *user, enum status status, struct str text);
/* For what is staged, else for what is not committed. fn comes once, later; not after agent_free. It is in the audit
 * log and counts like any turn; at a limit it stops, without a question. STATUS_LIMIT: enough are being written. */
struct agent_commit *agent_commit_start(struct agent *agent, struct str root_path,
                                        agent_commit_fn *fn, void *user, struct err *err);
void agent_commit_cancel(struct agent_commit *commit);   /* fn does not come */

/* -- Review: tools.h, over all threads, open or not. The model learns of what is rejected or amended with
 * the next request of its thread. ------------------------------------------------------------------------- */
void agent_review_each(struct agent *agent, const struct tools_review_filter *filter,
                       tools_review_fn *fn, void *user);
enum status agent_review_decide(struct agent *agent, const struct tools_decision *decision,
                                tools_decided_fn *on_done, void *user, struct err *err);

#endif
