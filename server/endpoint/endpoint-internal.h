/* The inside of endpoint. A request is read (request.c, intake.c), an engine makes a plan for it
 * (play.c, rules.c), which may grow while an answer sends its events (answer.c, emit.c) to whoever
 * asked: a lane of a WebSocket (conn.c) or an HTTP exchange (exchange.c). What can be continued
 * from is a record (cache.c). */
#ifndef LANEBRIDGE_ENDPOINT_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_INTERNAL_H

#include <lanebridge/endpoint.h>
#include <lanebridge/json.h>

#include "keeper-internal.h"
#include "metrics-internal.h"
#include "record-internal.h"
#include "replay-internal.h"

/* -- errors.c: what a client is told when it is refused ------------------------------------------
 */

enum problem_kind {
    PROBLEM_INVALID,
    PROBLEM_NOT_JSON,
    PROBLEM_TYPE,
    PROBLEM_MISSING,
    PROBLEM_VALUE,
    PROBLEM_IMAGE,
    PROBLEM_UNKNOWN_PARAMETER,
    PROBLEM_UNSUPPORTED_PARAMETER,
    PROBLEM_STREAM_ID,
    PROBLEM_STREAM_LIMIT,
    PROBLEM_AGE,
    PROBLEM_PARENT,
    PROBLEM_NOT_OPEN,
    PROBLEM_CHECK,
    PROBLEM_CHECK_FAILED,
    PROBLEM_QUEUE,
    PROBLEM_MISMATCH,
    PROBLEM_AUTH,
    PROBLEM_FORBIDDEN,
    PROBLEM_ROUTE,
    PROBLEM_METHOD,
    PROBLEM_NO_RESPONSE,
    PROBLEM_LENGTH,
    PROBLEM_TOO_LARGE,
    PROBLEM_OVERLOAD,
    PROBLEM_NOT_STORED,
    PROBLEM_UNKNOWN_STATUS,
    PROBLEM_KIND_COUNT,
};
struct problem {
    int status;
    char type[48], code[64], param[64]; /* code, param: empty is written as null */
    char message[1024];
    int64_t retry_after_ms; /* -1: not told */
    bool flat;
};
/* param may be NULL. Returns STATUS_INVALID, so that a reader can return it. */
enum status problem_set(struct problem *problem, enum problem_kind kind, const char *param,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
enum status problem_set_parent(struct problem *problem, struct str id);
/* From a fault's script. */
void problem_set_fault(struct problem *problem, const struct replay_fault *fault);
/* Appends the `error` event; lane and sequence are written where there are any (sequence < 0: not).
 */
void problem_append_event(struct buf *buf, const struct problem *problem, struct str lane,
                          int64_t sequence);
void problem_append_body(struct buf *buf, const struct problem *problem);
/* allowed: the methods of a path, where that is what is wrong; else NULL. */
void problem_reply(struct net_server_request *request, const struct problem *problem,
                   const char *allowed);
/* What net refuses by itself. */
void problem_set_status(struct problem *problem, int status);

/* -- ids.c: ids tell where in the script they were made ------------------------------------------
 */

/* So a conversation is found again by its ids alone, also by an endpoint that was started anew. */
struct id_place {
    unsigned rollout, step, item; /* item: of the step's emit; of a response: 0 */
};
void endpoint_id_make(char ret_id[ENDPOINT_ID_BYTES], const char *prefix, const char *fingerprint,
                      struct id_place place);
/* False if this script did not make it. */
bool endpoint_id_read(struct str id, const char *fingerprint, struct id_place *ret_place);

/* -- request.c: one response.create or POST body ------------------------------------------------
 */

enum request_field {
    FIELD_TYPE,
    FIELD_STREAM_ID,
    FIELD_PREVIOUS,
    FIELD_RESPONSE_ID,
    FIELD_INPUT,
    FIELD_MODEL,
    FIELD_INSTRUCTIONS,
    FIELD_TOOLS,
    FIELD_TOOL_CHOICE,
    FIELD_STORE,
    FIELD_GENERATE,
    FIELD_STREAM,
    FIELD_BACKGROUND,
    FIELD_CONVERSATION,
    FIELD_CONTEXT_MANAGEMENT,
    FIELD_METADATA,
    FIELD_REASONING,
    FIELD_TEXT,
    FIELD_MAX_OUTPUT_TOKENS,
    FIELD_MAX_TOOL_CALLS,
    FIELD_PARALLEL_TOOL_CALLS,
    FIELD_PROMPT_CACHE_KEY,
    FIELD_SAFETY_IDENTIFIER,
    FIELD_SERVICE_TIER,
    FIELD_TEMPERATURE,
    FIELD_TOP_LOGPROBS,
    FIELD_TOP_P,
    FIELD_TRUNCATION,
    FIELD_PRESENCE_PENALTY,
    FIELD_FREQUENCY_PENALTY,
    REQUEST_FIELD_COUNT,
};
struct saves;
struct request {
    struct str text;
    struct str span[REQUEST_FIELD_COUNT]; /* verbatim JSON within text; empty: absent or null */
    bool store, generate, stream;
    char *owned;       /* set once text had to be kept */
    struct buf joined; /* the input, when steering input went before it */
    uint64_t begun_ns;
    struct saves *saves; /* of its connection; outlives the answer */
    struct record *open; /* it is the next leg of that response; see append.c */
};
const char *request_field_name(enum request_field field);
/* Borrows text, until request_own. Errors: the problem. */
enum status request_read(struct request *request, struct str text, struct problem *problem);
void request_own(struct request *request);
void request_finish(struct request *request);
/* What stands between the quotes of a string field; empty if absent. */
struct str request_inner(const struct request *request, enum request_field field);

/* -- cache.c: what can be continued from by everybody; a record is record-internal.h's -----------
 */

/* Responses of store:true, of all connections. Without a file they live as long as the process and
 * the oldest go first; with one, memory has those that were used last. */
typedef void store_saved_fn(void *user, bool saved);
struct saving;
struct store {
    struct held *held;
    struct keeper *keeper; /* NULL: memory alone */
    bool is_cold;          /* every response is loaded anew from the file, with all before it */
    struct record *cold;   /* the last of those */
    size_t label_count;
    void (*restore)(void *user, struct record *record); /* fills what the file does not have */
    void *user;
    struct map by_id;
    struct record *oldest, *newest; /* by last use */
};
void store_init(struct store *store, struct held *held, struct keeper *keeper,
                void (*restore)(void *user, struct record *record), void *user);
void store_finish(struct store *store);
/* NULL: it is stored. Else it will be, or not, when on_saved comes; cancelled, nobody waits. */
struct saving *store_put(struct store *store, struct record *record, store_saved_fn *on_saved,
                         void *user);
void store_cancel(struct saving *saving);
struct record *store_find(struct store *store, struct str id);        /* borrowed */
struct record *store_find_parent(struct store *store, struct str id); /* one to go on from */
/* *ret_job NULL: it is gone; else it will be when on_done comes. */
void store_remove(struct store *store, struct str id, keeper_done_fn *on_done, void *user,
                  struct keeper_job **ret_job);
bool store_shed(struct store *store); /* the oldest from memory; false: there is none */

/* -- intake.c: what a request's input holds ------------------------------------------------------
 */

struct intake_output {
    struct str call_id; /* between its quotes */
    struct str item;
};
struct endpoint;
struct intake {
    struct map calls; /* call_id of calls in the input */
    VEC(struct intake_output) outputs;
    struct str user;  /* the last user message: an item, or a JSON string */
    struct str tools; /* of the last additional_tools item */
    bool ends_with_user;
    /* The furthest step of the script whose ids are in the input, and which items of it. */
    bool placed;
    unsigned rollout, step;
    uint64_t present;
};
enum status intake_read(struct intake *intake, const struct request *request,
                        const struct endpoint *endpoint, struct problem *problem);
/* One item of it. */
enum status intake_take_item(struct intake *intake, struct str span, size_t index,
                             const struct endpoint *endpoint, struct problem *problem);
void intake_finish(struct intake *intake);
/* A call that the client answers? */
bool intake_is_call(struct str item, struct pending_call *ret_call);
/* Every output answers a call, every call is answered. */
enum status intake_check_calls(const struct intake *intake, const struct record *parent,
                               struct problem *problem);
void intake_append_user(const struct intake *intake, struct buf *buf);
void intake_append_output(const struct intake_output *output, struct buf *buf);

/* -- plan.c: what an engine wants sent ------------------------------------------------------------
 */

struct usage {
    int64_t input, cached, output, reasoning, written; /* written: by nobody told, counted */
};
struct plan_item {
    enum item_kind kind;
    bool open;         /* more text may come */
    bool cut;          /* closed before it was whole: its status is incomplete */
    bool done;         /* sent, to its end */
    struct str text;   /* of the deltas */
    struct buf owned;  /* holds text when it was made for this plan */
    struct buf naming; /* holds name when it was made for this plan */
    struct str name, phase, body;
    struct buf space; /* of a call: the namespace of its tool; empty: none */
    struct buf whole; /* holds body when it was made for this plan; then the item is sent as it is */
    char id[ENDPOINT_ID_BYTES], call_id[ENDPOINT_ID_BYTES];
    unsigned index; /* in the step's emit */
};
/* OPEN: items and text may still come. FAILED: an open item stays as it is, and is not sent. */
enum plan_state { PLAN_OPEN, PLAN_COMPLETED, PLAN_INCOMPLETE, PLAN_FAILED };
struct plan {
    enum plan_state state;
    VEC(struct plan_item) items;
    struct problem problem; /* of FAILED */
    char reason[64];        /* of INCOMPLETE */
    struct usage told;      /* -1: not told, estimated instead */
    bool held; /* response.created waits for the engine: what fails before it is an error */
    /* Of a script: */
    struct replay_pace pace;
    size_t pad_bytes;
    struct replay_fault *fault; /* NULL: none; its count goes down when it happens */
    struct position at;
    unsigned step_items;          /* how many items the step has in all */
    struct replay_rollout *taken; /* chosen by this request: given back if nothing came of it */
};
void plan_init(struct plan *plan);
void plan_finish(struct plan *plan);
struct plan_item *plan_add(struct plan *plan, enum item_kind kind);
/* An item that grows, by its index. name may be empty. */
size_t plan_open(struct plan *plan, enum item_kind kind, struct str name);
void plan_append(struct plan *plan, size_t item, struct str text);
void plan_close(struct plan *plan, size_t item);
void plan_replace(struct plan *plan, size_t item, struct str text);
void plan_set_body(struct plan *plan, size_t item, struct str body);
void plan_set_space(struct plan *plan, size_t item, struct str space);
/* How it ended; no items come any more. */
void plan_complete(struct plan *plan);
/* Incomplete: what is open is closed, cut; but a call that is open is not made. */
void plan_break_off(struct plan *plan, const char *reason);
void plan_fail(struct plan *plan, const struct problem *problem);
size_t plan_bytes(const struct plan *plan);

/* -- Engines: who answers
 * ---------------------------------------------------------------------------
 */

struct answer;
struct engine {
    const char *about; /* said in every answer's metadata */
    const char *usage; /* where the count of tokens comes from */
    bool counts;       /* by itself, also where there is a vocabulary */
    bool compacts;     /* knows how to go on from a compaction item of compact.c */
    /* Refuses the request, or fills answer->plan and what answer->record remembers. The request is
     * gone afterwards. */
    enum status (*plan)(struct answer *answer, const struct request *request,
                        const struct intake *intake, const struct record *parent,
                        struct problem *problem);
    /* Optional: the plan grows from now on; each time answer_wake is called. Not from within. */
    void (*start)(struct answer *answer);
    /* Optional: ends what start began, and what plan left in answer->work. Called once, always. */
    void (*cancel)(struct answer *answer);
    /* Optional: appends the name of the model that answers; else endpoint_model. */
    void (*append_model)(const struct endpoint *endpoint, const struct request *request,
                         struct buf *name);
    /* Optional: the models there are, as JSON objects with commas between. */
    void (*append_models)(const struct endpoint *endpoint, struct buf *list);
};
extern const struct engine engine_replay, engine_rules, engine_upstream;

struct endpoint {
    struct loop *loop;
    struct net *net;
    struct net_server *server;
    const struct engine *engine;
    struct replay *replay;     /* NULL: not this engine */
    struct upstream *upstream; /* NULL: not this engine */
    const char *fingerprint;
    char *token, *address, *replay_name;
    bool without_lanes, without_warm_up, without_additional_tools, without_steering, is_unix;
    bool without_compact, without_context_management;
    uint64_t age_limit_ms;
    void (*on_traffic)(void *user, bool outgoing, struct str text);
    void *user;
    struct store store;
    struct held held; /* by all records */
    struct endpoint_limits limits;
    size_t request_count; /* running and waiting */
    size_t waiting_bytes; /* of requests */
    struct metrics metrics;
    bool prototype_append;
    struct checker *checker; /* NULL: none */
    struct tokenizer *tokenizer; /* NULL: tokens are estimated */
    char *usage_name;            /* what tokens are */
    unsigned without;            /* bits of enum endpoint_saving */
    uint64_t started_ms;
    struct problem refusal; /* of the upgrade that is refused just now */
    VEC(struct conn *) conns;
    VEC(struct exchange *) exchanges;
    VEC(struct removal *) removals;
};
void endpoint_note(struct endpoint *endpoint, bool outgoing, struct str text);
const char *endpoint_model(const struct endpoint *endpoint);

/* Keeps the outputs that the script speaks of. */
void play_remember_outputs(const struct endpoint *endpoint, const struct intake *intake,
                           struct record *record);
/* restore.c: what a record from the store's file lacks; user: the endpoint. */
void endpoint_restore(void *user, struct record *record);
/* expect.c: does the request meet the step? */
enum status expect_check(const struct endpoint *endpoint, const struct replay_step *step,
                         struct str user, const struct record *record, struct problem *problem);
/* Where the step after the present items of a step is. */
struct position play_resume(const struct replay *replay, unsigned rollout, unsigned step,
                            uint64_t present);

/* -- response.c: the response object --------------------------------------------------------------
 */

struct response_state {
    const char *status; /* in_progress, completed, failed, incomplete */
    const char *reason; /* of incomplete */
    const char *error_code, *error_message;
    const struct plan *plan; /* output: its items that are done; NULL: no output yet */
    bool without_output;     /* the member is missing */
    const struct usage *usage;
    uint64_t completed_at; /* seconds */
    struct str stages;     /* where the time went; empty: not yet */
    size_t pad_bytes;
};
/* Members that stay the same, written once, with a comma behind: of the object, of its metadata. */
void response_append_constant(struct buf *buf, const struct request *request, struct str model,
                              const char *id, uint64_t created_at);
void response_append_metadata(struct buf *buf, const struct endpoint *endpoint,
                              const struct request *request);
void response_append(struct buf *buf, struct str constant, struct str metadata,
                     const struct response_state *state);
void item_write(struct json_writer *w, const struct plan_item *item, bool done);
void response_write_usage(struct json_writer *w, const struct usage *usage); /* NULL: null */

/* -- answer.c: one response on its way ------------------------------------------------------------
 */

enum answer_state {
    ANSWER_WAITING,
    ANSWER_RUNNING,
    ANSWER_STARVED,
    ANSWER_STALLED,
    ANSWER_SAVING,
    ANSWER_LEAVING,
    ANSWER_OVER,
};
enum answer_phase {
    PHASE_CREATED,
    PHASE_IN_PROGRESS,
    PHASE_ITEMS,
    PHASE_TERMINAL,
    PHASE_AGAIN, /* the terminal event a second time */
    PHASE_OVER,
};
struct answer_ops {
    const char *transport; /* for the ledger */
    /* One event, taken. type is NULL for what is no event. */
    void (*on_event)(void *user, const char *type, struct buf *json);
    /* Ends the response instead of a terminal event. */
    void (*on_error)(void *user, const struct problem *problem);
    size_t (*queued)(void *user); /* bytes not sent yet */
    /* The connection goes: code 0 without a close frame. The answer stays until it is freed. */
    void (*on_leave)(void *user, unsigned code);
    /* The last call. `record` is what can be continued from (borrowed), NULL if nothing. */
    void (*on_end)(void *user, struct record *record);
};
struct answer {
    struct endpoint *endpoint;
    const struct answer_ops *ops;
    void *user;
    struct loop_timer *timer;
    enum answer_state state;
    enum answer_phase phase;
    char id[ENDPOINT_ID_BYTES], lane[260];
    struct plan plan;
    void *work; /* the engine's */
    struct record *record;
    struct saving *saving; /* its response is on its way to the file */
    struct keeper_job *noting; /* as is its usage, which the client waits for */
    struct check *check; /* nothing begins before its verdict */
    bool is_noted, is_leg;
    size_t item_base; /* items of the legs before */
    uint64_t noting_begun_ns, check_begun_ns;
    struct buf terminal;   /* until it is there: the event that says so */
    const char *terminal_type;
    bool concluded;
    bool store, stopped, patient; /* patient: nobody reads before the end */
    uint64_t hold_until_ms, started_ns;
    struct buf constant, metadata; /* members of the response object that stay the same */
    struct steers steers;
    struct saves *saves;
    bool is_new_toolset, is_output_kept;
    size_t fixed_tokens, held_tokens, output_tokens, reasoning_tokens;
    uint64_t spent_ns[METRIC_STAGE_COUNT], engine_begun_ns;
    struct usage usage;
    bool sparse, twice, waited, failed, incomplete, is_cancelled;
    bool may_compact, compacted; /* it was asked to when it is long; it did */
    unsigned close_code;
    size_t item, stage, offset; /* where in the plan */
    size_t deltas, events;
    int64_t sequence;
};
/* NULL: the problem. parent may be NULL. Nothing is sent before answer_start; the request is not
 * needed afterwards. */
struct answer *answer_new(struct endpoint *endpoint, const struct request *request,
                          struct record *parent, struct str lane, const struct answer_ops *ops,
                          void *user, struct problem *problem);
void answer_start(struct answer *answer); /* may end it: on_end */
/* The plan has grown or ended; goes on in the next turn of the loop. */
void answer_wake(struct answer *answer);
/* Ends as incomplete, "cancelled", in the next turn of the loop. False: it is stalled or leaving, as
 * a fault wants it, and stays so. */
bool answer_cancel(struct answer *answer);
void answer_settle_usage(struct answer *answer);
/* NULL: there is no file to write to, or it is done. */
struct keeper_job *answer_keep_books(const struct answer *answer, keeper_done_fn *on_done,
                                     void *user);
void answer_free(struct answer *answer);

/* -- append.c: a response of several legs ---------------------------------------------------------
 */

/* Does it stand still instead of completing? */
bool append_is_pause(const struct answer *answer);
void append_begin(struct answer *answer, const struct record *open); /* NULL: it is none */
void append_pause(struct answer *answer);
/* Errors: the problem, if that response does not wait. */
enum status append_find(const struct record *latest, struct str id, struct problem *problem);
void append_write_request(struct buf *text, const struct record *open, struct str input);

/* -- emit.c: the next event -------------------------------------------------------------------- */

/* False: the plan has to grow first. */
bool emit_is_ready(struct answer *answer);
bool emit_next_is_delta(const struct answer *answer);
/* Appends one event and moves on; its type. */
const char *emit_next(struct answer *answer, struct buf *buf);
/* state: how it ends, with a reason if INCOMPLETE, code and message if FAILED. */
const char *emit_ending(struct answer *answer, struct buf *buf, enum plan_state state,
                        const char *reason, const char *code, const char *message);
void emit_unknown(struct answer *answer, struct buf *buf);

/* -- steer.c: user messages for what runs ------------------------------------------------------ */

enum steer_refusal {
    STEER_INVALID,
    STEER_NOT_FOUND,
    STEER_NOT_SUPPORTED,
    STEER_TOO_MANY,
    STEER_COMPLETED,
    STEER_NOT_ACTIVE,
    STEER_NO_SUCCESSOR,
};
/* Accepts it, and says so; false: why not. */
bool steer_take(struct answer *answer, struct str input, enum steer_refusal *ret_why);
void steers_finish(struct steers *steers);
/* id NULL: it was not accepted before. */
void steer_append_failed(struct buf *json, enum steer_refusal why, struct str lane,
                         int64_t sequence, const char *id, struct str previous, struct str input);
void steer_append_pending(struct buf *json, const struct steer *steer, const struct record *record,
                          struct str lane, int64_t sequence);
void steer_append_settings(struct buf *text, const struct request *request);
void steer_append_successor(struct buf *text, struct str settings, const char *previous,
                            const struct steers *steers);
/* The steering input goes before the request's own. */
void steer_prepend(struct request *request, const struct steers *steers);

/* -- Who asks ---------------------------------------------------------------------------------- */

struct conn;
struct conn *conn_new(struct endpoint *endpoint, struct net_server_conn *socket);
void conn_on_message(void *user, struct str text);
void conn_on_closed(void *user);
void conn_free(struct conn *conn);
/* Adds what the connection has now to the sums. */
struct conn_counts {
    size_t lanes, running, waiting, waiting_bytes, cached;
};
/* Empties the lane that was used the longest ago; what it would cost: its age. 0: nothing to take.
 */
uint64_t conn_oldest_ms(const struct conn *conn);
void conn_shed(struct conn *conn);
void conn_forget(struct conn *conn, struct str id); /* nothing can continue from it */
void conn_count(const struct conn *conn, struct conn_counts *counts);

/* What net_request_set_user is given: the first member of who waits to reply. */
struct guest {
    void (*on_closed)(struct guest *guest); /* the client went away; the request is dead */
};
struct exchange;
void exchange_start(struct endpoint *endpoint, struct net_server_request *http, struct str body);
void exchange_free(struct exchange *exchange);

/* -- admit.c: is there room? ---------------------------------------------------------------------
 */

/* Lets go of what can be had again, then refuses: 429. */
enum status admit_request(struct endpoint *endpoint, size_t bytes, struct problem *problem);

/* -- access.c: who may come in -------------------------------------------------------------------
 */

bool access_is_loopback(struct str name);
enum status access_check_guest(const struct endpoint *endpoint, const struct net_request_info *info,
                               struct problem *problem);
enum status access_check_token(const struct endpoint *endpoint, const struct net_request_info *info,
                               struct problem *problem);

/* -- routes.c: the way to what was asked for; stored.c: what is asked for by id ------------------
 */

void routes_on_request(void *user, struct net_server_request *request,
                       const struct net_request_info *info);
int routes_on_upgrade(void *user, const struct net_request_info *info);
unsigned routes_on_refuse(void *user, int status, struct buf *body);

/* -- compact.c: a conversation made shorter -------------------------------------------------------
 */

void compact_handle(struct endpoint *endpoint, struct net_server_request *request,
                    const struct net_request_info *info, struct str id);
/* Its `context_management`: what it may hold, and whether this endpoint takes it. */
enum status compact_check(const struct endpoint *endpoint, const struct request *request,
                          struct problem *problem);
/* Over the threshold a compaction item goes before what was planned. */
void compact_apply(struct answer *answer, const struct request *request);

void stored_get(struct endpoint *endpoint, struct net_server_request *request,
                const struct net_request_info *info, struct str id);
void stored_delete(struct endpoint *endpoint, struct net_server_request *request,
                   const struct net_request_info *info, struct str id);
void stored_forget_removals(struct endpoint *endpoint);
void stored_list_items(struct endpoint *endpoint, struct net_server_request *request,
                       const struct net_request_info *info, struct str id);
void stored_count_tokens(struct endpoint *endpoint, struct net_server_request *request,
                         const struct net_request_info *info, struct str id);

#endif
