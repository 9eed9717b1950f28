/* Inside of the agent. agent.c: the object and its events; thread.c: threads and their queue;
 * resume.c: a thread from the journal; history.c: the items; turn.c: the turn's states; stream.c:
 * what a response brings; count.c: what it has used; spans.c: when; limit.c: what it may cost; steps.c: what a turn planned; queue.c: what waits, and asking again; choice.c: model, effort and mode
 * of a thread; call.c: the calls of a turn; audit.c: what went out; undo.c: taking a turn back;
 * helper.c: helpers of a turn; commit.c: a turn that nobody sees; context.c: what the model is told; preview.c: the same, before it is
 * sent; steer.c: messages for a turn that runs; size.c: how much of the model's context a thread takes; compact.c: making that less;
 * pictures.c: images in the history, and models that take none. */
#ifndef LANEBRIDGE_AGENT_INTERNAL_H
#define LANEBRIDGE_AGENT_INTERNAL_H

#include <stdlib.h>

#include <lanebridge/agent.h>

enum { PREAMBLE_COUNT = 2 }; /* items every history begins with */

struct agent {
    struct agent_env env;
    char *model, *effort, *host;
    struct buf no_images; /* why the model takes none, once that is known; of the model in */
    char *blind_model;    /* … this */
    VEC(struct agent_thread *) threads; /* open ones, last used at the end */
    struct loop_timer *lease_timer;
    VEC(struct agent_commit *) commits; /* being written */
    int64_t day_allowed; /* tokens of today, since the person said so; 0: the limit */
};

/* -- History: the thread's input items, each one JSON text ----------------------------------------
 */

struct history {
    VEC(struct str) items; /* owned text */
    VEC(uint64_t) seqs;    /* where the journal has each; 0: nowhere */
    uint64_t generation;
};

void history_finish(struct history *history);
void history_push(struct history *history, struct str json, uint64_t seq); /* copies */
/* The items are these from now on (copied; they may be the history's own): another generation. */
void history_replace(struct history *history, const struct str *items, const uint64_t *seqs,
                     size_t count);
struct responses_history history_view(struct history *history);
/* Appends `{"type":"message","role":ROLE,"content":[{"type":"input_text","text":…}]}`. */
void history_format_message(struct buf *json, const char *role, struct str text);
/* The same, with more parts of its content written in between. */
void history_begin_message(struct json_writer *w, const char *role, struct str text);
void history_end_message(struct json_writer *w);
/* The output item that answers a call. */
void history_format_output(struct buf *json, struct str call_id, bool is_custom, struct str text);
/* The same with images beside the text, as data URLs. */
void history_format_seen(struct buf *json, struct str call_id, bool is_custom, struct str text,
                         const struct str *images, size_t count);
void history_write_image(struct json_writer *w, struct str data_url);

/* -- Audit: what went out ---------------------------------------------------------------------- */

/* The row of the request that went out last, until something else is written anyway. */
struct audit_row {
    char turn_id[ID_BYTES];
    struct journal_sent sent;
};
struct audit {
    VEC(struct audit_row) rows; /* not written yet */
    uint64_t num;               /* of the row that was written last */
    struct loop_timer *timer;
};
struct agent_turn;
/* kind: "turn", "helper", "warm-up", "compaction". */
void audit_on_sent(struct agent_thread *thread, const char *turn_id, const char *kind,
                   const struct responses_sent *sent);
/* The endpoint has counted the request that went out last. */
void audit_note_tokens(struct agent_thread *thread, const struct responses_result *result);
void audit_flush(struct agent_thread *thread);
void audit_free(struct agent_thread *thread);

/* -- Threads ----------------------------------------------------------------------------------- */

struct helper;
struct agent_thread {
    struct agent *agent;
    struct helper *helper;        /* that it belongs to; NULL: it is a thread of its own */
    VEC(struct helper *) helpers; /* of its turn */
    struct agent_commit *commit;  /* that it is for: nobody sees it */
    char id[ID_BYTES];
    char *root;
    struct buf title;
    struct history history;
    struct tools_thread *tools;
    struct buf tools_json; /* byte-stable through all its requests, also when resumed elsewhere */
    struct responses_chain *chain;
    struct response *warming;
    struct agent_undo *undo; /* under way; turns wait for it */
    struct agent_turn *turn; /* the running one */
    VEC(struct agent_turn *) queue;
    struct loop_timer *kick;                 /* advances on the next loop turn */
    bool warm_wanted, is_rewarm_wanted;      /* when the folder is trusted; after a rotation */
    bool title_wanted;                       /* to be told */
    bool is_cut_off;                         /* its last turn was, and can be continued */
    bool is_lost;                            /* another editor has taken it over */
    char *model;                             /* it was used with last */
    char *own_model, *own_effort, *own_mode; /* its own choice; "": as in the settings */
    bool was_planning;                       /* so it was told last */
    enum config_mode cut_off_mode;           /* of the turn that was */
    struct {
        int64_t told_tokens; /* of the first told_items, as the endpoint counted; 0: not known */
        size_t told_items;
        int64_t floor_tokens; /* what the last compaction left */
    } context;
    struct audit audit;
    struct buf hook_text; /* what the user's hooks have for the model, until the next prompt */
    char ended_turn[ID_BYTES];
};

struct agent_thread *thread_new(struct agent *agent, struct str id, struct str root);
/* In no list: commit.c has it. Its calls are those of a helper of `looks`. */
struct agent_thread *thread_new_hidden(struct agent_commit *commit, struct agent *agent,
                                       const char *id, struct str root,
                                       const struct tools_thread *looks);
/* In no list: helper.c has it. */
struct agent_thread *thread_new_helper(struct helper *helper, const struct agent_thread *parent,
                                       const char *id);
/* The first items of the history: what the model is and where it works. Once, at the first need. */
void thread_need_preamble(struct agent_thread *thread);
/* The tools it began with, where that is known; and those of today where it is not (prepare.c). */
void thread_load_tools(struct agent_thread *thread);
void thread_need_tools(struct agent_thread *thread);
/* Something ended or was queued: looks, on the next loop turn, at what is to be done. */
void thread_kick(struct agent_thread *thread);
/* Journals and keeps one item; kind as in journal_item_append. */
void thread_append(struct agent_thread *thread, const char *turn_id, const char *kind,
                   struct str json);
/* Keeps a message that has waited in the journal. */
void thread_place(struct agent_thread *thread, const char *waiting_id, struct str json);

/* Takes the turn. */
enum status thread_queue_turn(struct agent_thread *thread, struct agent_turn *turn,
                              char ret_turn_id[ID_BYTES], bool *ret_queued, struct err *err);
/* What waits has changed. */
void thread_tell_queue(struct agent_thread *thread, const char *turn_id);
/* Takes that one out of the queue, and frees it. */
void thread_unqueue(struct agent_thread *thread, size_t place);

/* review.c: what was decided since, into the history, if there is anything. */
void thread_tell_review(struct agent_thread *thread, const char *turn_id);
void agent_on_review(void *agent, const struct tools_review_news *news);
/* undo.c: ends what is under way, with CLOSED. */
void thread_drop_undo(struct agent_thread *thread);

/* -- Turns
 * -----------------------------------------------------------------------------------------------
 */

enum turn_state {
    TURN_QUEUED,     /* waits for the one before it */
    TURN_PREPARING,  /* waits for tools that come from elsewhere */
    TURN_COMPACTING, /* what the model is sent is made shorter first; nothing else runs */
    TURN_ASKING,     /* a response runs; its calls may run already */
    TURN_LIMITED,    /* at a limit of tokens: waits for the person */
    TURN_TOOLING,    /* the response has ended, calls still run */
    TURN_SETTLING,   /* interrupted or failed: waits for the last callback of response and calls */
    TURN_ENDED,
};

struct turn_item { /* an output item while it streams */
    size_t output_index;
    enum agent_item_type type;
    char id[96];
    struct buf text;
    bool done;
};

struct turn_call {
    struct agent_turn *turn;
    struct tools_call *call; /* NULL once done */
    char *call_id, *name;
    struct buf title, output_json;
    enum agent_item_type type;
    bool is_custom, announced, done;
};

struct turn_steer {
    char id[ID_BYTES];
    struct buf prompt, json;
};

struct turn_span { /* spans.c */
    char method[48]; /* of the editor; "": a step */
    unsigned step;
    uint64_t at_ms; /* since the turn began */
    uint64_t took_ms, stage_ms[4];
};

struct compaction;
struct agent_turn {
    struct agent_thread *thread;
    char id[ID_BYTES];
    enum turn_state state;
    struct buf prompt, user_json;
    struct buf source;              /* of the prompt, as whoever asked wants it back */
    struct buf title, retried_json; /* of one that asks again: what was asked */
    struct response *response;
    VEC(struct buf) held;           /* reasoning items until the item after them is done */
    struct responses_status before; /* counters when it began */
    VEC(struct turn_item *) items;  /* of the running response */
    VEC(struct turn_call *) calls;  /* of the running response, in order */
    size_t calls_running;
    bool is_answered;              /* the running response has said its last word */
    VEC(struct turn_steer) steers; /* that are not in the history yet, in order */
    size_t steers_away;            /* the first so many were given to the response */
    bool steer_returned;           /* this response takes none */
    bool is_compaction;            /* that is all it does */
    bool is_retry;                 /* goes on where one that asked this ended early */
    bool was_waiting;              /* so people were told */
    bool is_continuation;          /* of a turn that was cut off: nobody asks anything new */
    bool has_mode;                 /* of its own, or settled: it has begun */
    enum config_mode mode;
    bool is_held;                  /* queued before a crash: waits until somebody wants it */
    bool was_shortened;            /* because the last request did not fit: not twice */
    size_t shortened_at;           /* the place of what a response itself compacted to; 0: none */
    struct compaction *compaction; /* while COMPACTING */
    unsigned breaks;               /* broken responses in a row that brought nothing */
    enum agent_turn_status outcome;
    struct buf error;
    const char *code; /* of the error; NULL: none */
    bool is_asking_limit, limit_is_of_day;
    int64_t turn_allowed, limit_next; /* tokens, since the person said so; and if they do */
    struct responses_usage usage;
    struct agent_timing timing;
    VEC(struct turn_span) spans;
    uint64_t began_ms, asked_ms, tooling_ms;
    bool announced_end, announces_wait;
};

/* input NULL: without a prompt. */
struct agent_turn *turn_new(struct agent_thread *thread, const struct agent_input *input);
/* One that was queued when its process ended: held. */
struct agent_turn *turn_restore(struct agent_thread *thread, const struct journal_turn *stored);
void turn_free(struct agent_turn *turn);
void turn_begin(struct agent_turn *turn);
/* limit.c: true: the turn stops here, or waits for the person and then goes on by turn_go_on. */
bool limit_stops(struct agent_turn *turn);
void limit_drop(struct agent_turn *turn);
void turn_wait_at_limit(struct agent_turn *turn);
void turn_go_on(struct agent_turn *turn); /* asks; the person has been */
/* A response has been paid for. */
void spent_note(struct agent_thread *thread, const struct responses_usage *usage);
/* queue.c: the model, if there is something to tell. */
void turn_tell_retry(struct agent_turn *turn);
/* prepare.c: true: it has to wait, and turn_on_prepared follows. */
bool turn_prepare(struct agent_turn *turn);
void turn_on_prepared(struct agent_turn *turn);
void turn_tell_missing_tools(struct agent_turn *turn);
void turn_interrupt(struct agent_turn *turn);
/* One that never began: told as interrupted. */
void turn_discard(struct agent_turn *turn);
bool turn_is_over(const struct agent_turn *turn);
/* What people know it by: a helper's is part of another one. */
const char *turn_public_id(const struct agent_turn *turn);
/* One of its callbacks came: goes on when the response has ended and no call runs. */
void turn_advance(struct agent_turn *turn);
/* NULL, or why the conversation could not be made shorter. */
void turn_on_compacted(struct agent_turn *turn, const char *failure);
/* -- count.c: what it has used */
void usage_add(struct responses_usage *sum, const struct responses_usage *more);
void turn_count(struct agent_turn *turn, const struct responses_result *result);
struct agent_cost turn_cost(const struct agent_turn *turn);
/* -- spans.c */
void turn_note_step(struct agent_turn *turn, const struct responses_result *result);
void turn_append_spans(const struct agent_turn *turn, struct json_writer *w);
/* As the journal has it, in JSON. */
void turn_append_usage(const struct agent_turn *turn, struct buf *json);
/* The handlers of its responses (stream.c). */
extern const struct responses_handlers turn_stream_handlers;
void turn_on_response_end(struct agent_turn *turn, const struct responses_result *result);
void turn_drop_items(struct agent_turn *turn);
/* Completes for the people what was shown but will never be done: not ok, with the text so far. is_void: it
 * is asked for again. */
void turn_abandon_items(struct agent_turn *turn, bool is_void);
void turn_drop_held(struct agent_turn *turn);

/* -- steer.c: messages for the turn while it runs */
void turn_steer(struct agent_turn *turn, const struct agent_input *input);
/* Gives what waits to the running response, if it takes it. */
void turn_offer_steers(struct agent_turn *turn);
void turn_on_steer(struct agent_turn *turn, enum responses_steer_outcome outcome);
/* The response has ended or began anew: what it was given is ours again. */
void turn_take_steers_back(struct agent_turn *turn);
/* What waits becomes history; true if there was any. */
bool turn_append_steers(struct agent_turn *turn);
void turn_drop_steers(struct agent_turn *turn);

/* -- helper.c: threads that belong to a call of another one */
void helpers_init(struct agent *agent);
void helpers_pump(struct agent_thread *parent); /* begins what may begin */
void helpers_drop(struct agent_thread *parent);
struct tools_thread *helper_new_tools(const struct helper *helper, const char *id);
/* Its turn is over and freed. Frees the thread. */
void helper_on_idle(struct helper *helper);
const struct agent_thread *helper_parent(const struct helper *helper);
/* Of the turn that it is part of. */
const char *helper_turn_id(const struct helper *helper);
void helper_count(const struct helper *helper, const struct responses_result *result);
/* Before each request: what it may call, and whether it has to come to an end. */
void helper_shape_request(struct helper *helper, struct agent_turn *turn, struct buf *extra);
/* Outside, what happens in a helper happens in the call that it is for. */
void helper_mark_event(const struct helper *helper, struct agent_event *event);
bool helper_takes_event(struct agent *agent,
                        struct agent_event *event); /* true: nobody's business */

/* -- commit.c: a commit message */
void commit_on_idle(struct agent_commit *commit); /* frees thread and commit */
bool commit_takes_event(struct agent *agent, const struct agent_event *event);
void commits_free(struct agent *agent);

/* -- size.c: tokens, as far as they can be known */
int64_t size_limit(const struct agent_thread *thread);     /* that the model takes */
int64_t size_threshold(const struct agent_thread *thread); /* from which it is better to compact */
int64_t size_estimate(const struct agent_thread *thread);
void size_note(struct agent_thread *thread, const struct responses_result *result);
void size_forget(struct agent_thread *thread); /* the history is another one */
int64_t size_of_text(struct str text);         /* a guess */
int64_t size_of_image(struct str data_url);
int64_t size_of_item(struct str json);
bool size_is_too_long(const struct responses_result *result);

/* -- compact.c: why it is done decides what happens when it fails */
enum compact_reason {
    COMPACT_WANTED, /* by the person */
    COMPACT_SIZE,   /* it comes near the limit: if it fails, the turn goes on */
    COMPACT_NEEDED, /* it does not fit */
};
/* Before a request: is it time? */
bool compact_is_due(const struct agent_turn *turn);
/* The turn is COMPACTING; turn_on_compacted follows, or has come already. */
void compact_start(struct agent_turn *turn, enum compact_reason reason);
enum compact_reason compact_reason(const struct agent_turn *turn);
void compact_interrupt(struct agent_turn *turn); /* its response was interrupted already */
void compact_free(struct agent_turn *turn);
/* A compaction item came in a response: the history begins with it, as soon as that has ended. */
void compact_on_item(struct agent_turn *turn, struct str raw);
void compact_settle_item(struct agent_turn *turn);
/* What is said of it. */
void compact_append_text(struct buf *text, int64_t before, int64_t after);

/* -- foreign.c: reasoning of another model or key */
bool foreign_is_reasoning(struct str json);
/* -- choice.c */
struct str thread_model(const struct agent_thread *thread);
struct str thread_effort(const struct agent_thread *thread);
enum config_mode thread_mode(const struct agent_thread *thread);
enum tools_edit_style thread_edit_style(const struct agent_thread *thread);
void thread_init_choice(struct agent_thread *thread);
void thread_read_choice(struct agent_thread *thread, const struct journal_thread *stored);
/* Of the turn that runs in it. */
void thread_copy_choice(struct agent_thread *thread, const struct agent_thread *from);
void thread_free_choice(struct agent_thread *thread);
/* As it begins: the mode it keeps to its end. */
void turn_settle_mode(struct agent_turn *turn);
void turn_tell_mode(struct agent_turn *turn); /* the model */

/* thread->model is the chosen one from now on, and the tools are those for it. */
void thread_take_model(struct agent_thread *thread);
/* Is there reasoning that another model than the chosen one made? */
bool foreign_has_reasoning(const struct agent_thread *thread);
/* Before a turn asks: is it still the same model? From now on thread->model is the chosen one. */
void foreign_check_model(struct agent_turn *turn);
/* True: that was why it was refused, and asking again may do. */
bool foreign_on_refusal(struct agent_turn *turn, const struct responses_result *result);

/* -- pictures.c */
/* The span of the next data URL of an image in an item's JSON, from an offset; false: none. */
bool pictures_find(struct str json, size_t from, size_t *ret_start, size_t *ret_end);
/* True: the images that were refused are out of the history, and asking again may do. False, with the
 * turn's error set where they were: the person has to decide. */
bool pictures_on_refusal(struct agent_turn *turn, const struct responses_result *result,
                       struct buf *ret_error);

/* Starts the call that an item asks for (call.c). */
void call_start(struct agent_turn *turn, const struct responses_item *item);
void call_free(struct turn_call *call);
/* What a call of that tool is for people. */
enum agent_item_type call_item_type(struct str name);
/* Appends the text people see of a message's content or a reasoning item's summary. */
void stream_append_text(struct buf *text, const struct json_value *parts);

/* -- Context
 * -------------------------------------------------------------------------------------------------
 */

struct str context_instructions(void);
void context_append_environment(struct agent *agent, struct str root, struct buf *text);
void context_append_part(struct buf *text, const struct agent_context *context);
/* Appends the user's message, as an item: what was given along, the prompt, the images. */
void context_format_user(struct buf *json, const struct agent_input *input, struct str advice);
/* The AGENTS.md below the root that are for what was given along. thread NULL: none has seen any. */
void context_append_advice(struct agent *agent, struct tools_thread *thread,
                           const struct agent_input *input, struct buf *text);
/* First line of the prompt, at most 60 characters. */
struct str context_title(struct str prompt);

/* -- Events
 * ----------------------------------------------------------------------------------------------------
 */

struct agent_event agent_event_for(struct agent_turn *turn, enum agent_event_type type);
void agent_emit(struct agent *agent, const struct agent_event *event);

#endif
