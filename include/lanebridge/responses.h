/* responses: the client of a Responses API: requests on lanes of one socket, events matched to their
 * response, continuation with only what is new, and recovery. Knows no socket (transport.h), no
 * tool, no thread.
 *
 * Invariants:
 * - The caller's history is append-only within a generation; a continuation sends items
 *   [covered, count) with previous_response_id, and only if the server is known to hold [0, covered).
 *   Whenever that is not certain (lost socket, previous_response_not_found, failure, interrupt,
 *   other generation), the full history goes out without previous_response_id.
 * - Every event is matched by lane AND response id; duplicates and strangers are dropped, unknown
 *   event types are passed on.
 * - output_item.done is the authority on an item; deltas are provisional.
 * - Adoption (docs/decisions): a response that breaks with at least one item done ends as BROKEN and
 *   its done items stand; with none done it is sent again here, with back-off, and the caller does
 *   not notice beyond on_retry.
 * - A lane is not used again before its terminal event has come; an interrupted lane drains.
 * Source: the WebSocket-mode guide; docs/PROTOCOL.md has the facts we rely on. */
#ifndef LANEBRIDGE_RESPONSES_H
#define LANEBRIDGE_RESPONSES_H

#include <lanebridge/base.h>
#include <lanebridge/json.h>
#include <lanebridge/transport.h>

/* -- Profile: what an endpoint can do. Starts from the table, loses what is refused. -------------- */

struct responses_profile {
    const char *name;              /* "openai", "azure", "xai", "generic" */
    const char *key_header;        /* "authorization" (Bearer) or "api-key" */
    bool lanes, warm_up, steer, stored_ids, additional_tools, context_management, compact;
    unsigned life_minutes;         /* rotate before; 0 unknown */
};
/* By name, or by the URL's host for "auto"; never NULL ("generic"). */
const struct responses_profile *responses_profile_find(struct str name, struct str host);

/* All waits, in one place so that tests can shrink them. Milliseconds. */
struct responses_deadlines {
    uint64_t prepare;        /* 40,000: what must be had before it can connect (the key's command) */
    uint64_t connect;        /* 10,000: to a usable connection */
    uint64_t answer;         /* 3,000: the same where HTTP is another way; 0: connect */
    uint64_t proof;          /* 5,000: first request on a socket to its first event or pong */
    uint64_t first_event;    /* 30,000: request sent to its first event */
    uint64_t silence;        /* 20,000: no inbound frame while a response runs: ping */
    uint64_t pong;           /* 10,000: ping to any inbound frame, else the socket is dead */
    uint64_t thinking;       /* 600,000: alive by pongs (HTTP: by comments) but no event */
    uint64_t http_stream;    /* 60,000: HTTP: no byte in the middle of a text; 0: thinking */
    uint64_t http_quiet;     /* 300,000: HTTP: no byte, not even a comment; 0: thinking */
    uint64_t drain;          /* 10,000: an interrupted response may go on for this long */
    uint64_t backoff_first;  /* 250, doubled with jitter up to … */
    uint64_t backoff_max;    /* 30,000 */
    uint64_t pin_short;      /* 30,000: over HTTP after a reset, or by a busy or broken server … */
    uint64_t pin_middle;     /* 120,000: … after silence, 1009 */
    uint64_t pin_long;       /* 600,000: … after any other answer to the upgrade */
    uint64_t life;           /* 0: a connection lives as long as the profile says */
    unsigned attempts;       /* 5: sends of one request before it fails */
};
extern const struct responses_deadlines responses_deadlines_default;

/* -- Status: what is true about the connection ------------------------------------------------------ */

enum responses_state {
    RESPONSES_IDLE, RESPONSES_CONNECTING, RESPONSES_READY, RESPONSES_WAITING, RESPONSES_THINKING,
    RESPONSES_STREAMING, RESPONSES_DRAINING, RESPONSES_ROTATING, RESPONSES_HTTP, RESPONSES_OFFLINE,
};
const char *responses_state_name(enum responses_state state);
struct responses_status {
    enum responses_state state;
    enum transport_kind transport;
    unsigned sockets, lanes_active;
    uint64_t since_ms;               /* env clock */
    uint64_t abandoned_tokens;       /* output tokens of interrupted or repeated responses */
    struct transport_counters counters;   /* of all connections so far */
    uint64_t connects, requests, full_inputs, retries;
    uint64_t strays;                 /* events dropped: duplicates, unknown lanes, what had ended */
    char detail[256];
};

/* -- Client ------------------------------------------------------------------------------------------- */

/* What was learned of an endpoint, for who comes next. */
struct responses_learned {
    char refused[512];    /* what it does not take: names separated by spaces, those that one model
                             does not take as "response.steer@gpt-5" */
    bool cancels;         /* response.cancel works */
    uint64_t life_ms;     /* the age limit of its connections, if it came before the profile's; or 0 */
    uint64_t pause_ms;    /* it asked for a pause of this long just now (403, 429); or 0 */
};
enum responses_transport_choice { RESPONSES_AUTO, RESPONSES_WEBSOCKET_ONLY, RESPONSES_HTTP_ONLY };
struct responses_options {
    const struct responses_profile *profile;       /* copied */
    const struct responses_deadlines *deadlines;   /* copied; NULL: defaults */
    enum responses_transport_choice transport;
    bool store;
    /* Optional; whenever responses_status would answer differently in state or transport. */
    void (*on_status)(void *user, const struct responses_status *status);
    /* Optional; a new connection has taken over from one that nears its age limit. Chains that are
     * left behind then should be warmed up (responses_chain_is_left_behind). */
    void (*on_rotated)(void *user);
    const struct responses_learned *known;         /* by others before; copied; may be NULL */
    void (*on_learned)(void *user, const struct responses_learned *learned);   /* optional */
    /* Optional; asked before a connect: for how long others were told to wait. */
    uint64_t (*pause_ms)(void *user);
    /* Optional; appends what the endpoint said, fit for people and records: without secrets. */
    void (*clean)(void *user, struct str said, struct buf *out);
    void *user;
};
struct responses;
struct responses *responses_new(const struct transport_env *env, const struct responses_options *options);
/* Frees with everything in flight; no callbacks any more. Chains must be freed before. */
void responses_free(struct responses *responses);
void responses_get_status(const struct responses *responses, struct responses_status *ret_status);
/* The tools travel with every request of this model, as far as is known: whoever opens connections
 * may want to compress. */
bool responses_repeats_tools(const struct responses *responses, struct str model);
/* Chains run side by side without taking each other's place: on lanes, or over HTTP. Else each that runs has one of a
 * few sockets, and with it what the endpoint held for another one is gone. */
bool responses_runs_side_by_side(const struct responses *responses);

/* A chain is one conversation's lineage: which response the server holds for it, on which lane. */
enum responses_priority { PRIORITY_TYPING, PRIORITY_ACTION, PRIORITY_TURN, PRIORITY_BACKGROUND };
struct responses_chain;
struct responses_chain *responses_chain_new(struct responses *responses,
                                            enum responses_priority priority);
void responses_chain_free(struct responses_chain *chain);   /* NULL is fine; interrupts what runs */
/* A new chain goes on from what the endpoint holds for `source`, on a lane of its own; source stays as
 * it is, and should not go on before the fork has begun. Its history is that of source, of the same generation,
 * and more behind it. Lost in between: the full history goes out, as always. False, and nothing is changed,
 * when source cannot be forked now: an endpoint without lanes and stored ids, HTTP, nothing held,
 * a response of source that runs. */
bool responses_chain_fork(struct responses_chain *chain, struct responses_chain *source);
/* The server must not be assumed to hold anything for it any more (compaction, edited history). */
void responses_chain_reset(struct responses_chain *chain);
/* While a turn runs (true) the chain stays on a connection that is being replaced, as long as that
 * lives; between turns (false, as at first) it goes over to the new one. */
void responses_chain_set_in_turn(struct responses_chain *chain, bool in_turn);
/* Its connection was replaced within 10 minutes of its last use, and nothing was sent since: a
 * warm-up with its full history now saves that upload from the next turn. */
bool responses_chain_is_left_behind(const struct responses_chain *chain);

/* The conversation, owned by the caller: the items done in a response are appended as they came and
 * next to each other, outputs of their calls behind them; in any other order it still works, but the
 * full history goes out each time. item(i) is one whole JSON input item, and must stay the same
 * for i < count until the response has ended. */
struct responses_history {
    struct str (*item)(void *user, size_t index);
    void *user;
    size_t count;
    uint64_t generation;    /* another number: the prefix is no longer the same */
};
struct responses_request {
    struct str model, instructions;
    struct str tools;                 /* JSON array text, or empty */
    struct str effort;                /* reasoning effort, or empty */
    struct str prompt_cache_key;      /* or empty */
    struct str extra;                 /* more members: `"text":{…},"x":1`, or empty */
    int64_t max_output_tokens;        /* 0: not sent */
    bool parallel_tool_calls;
    int64_t compact_threshold;        /* tokens from which the server compacts by itself
                                         (COMPACTION_IN_RESPONSE); 0: not sent */
    bool warm_up;                     /* generate:false; ends COMPLETED without items, or at once where
                                         the endpoint has no warm-up */
    struct responses_history history;
};

enum responses_delta_kind {
    DELTA_TEXT, DELTA_REFUSAL, DELTA_REASONING_SUMMARY, DELTA_REASONING, DELTA_ARGUMENTS, DELTA_INPUT,
};
/* An output item. Borrowed for the call; `raw` is verbatim and good as an input item later. */
struct responses_item {
    size_t output_index;
    struct str type, id, call_id, name;
    struct str arguments;             /* function_call: JSON text; custom_tool_call: free text */
    const struct json_value *value;
    struct str raw;
};
enum responses_end {
    RESPONSE_COMPLETED,
    RESPONSE_INCOMPLETE,     /* reason in text: max_output_tokens, content_filter, steered */
    RESPONSE_FAILED,         /* the server said so, or attempts are used up; text has what and why */
    RESPONSE_BROKEN,         /* lost after at least one item was done: adopt and go on */
    RESPONSE_INTERRUPTED,    /* by response_interrupt */
};
struct responses_usage {
    int64_t input_tokens, cached_tokens, output_tokens, reasoning_tokens;
};
/* What the endpoint says it spent where: our own does, in metadata.lanebridge_stages_us. */
struct responses_stages {
    struct responses_stage {
        char name[24];
        uint64_t us;
    } list[8];
    size_t count;            /* 0: it says nothing */
};
/* Adds, by name; more names than there is room for are left out. */
void responses_stages_add(struct responses_stages *sum, const struct responses_stages *more);

struct responses_result {
    enum responses_end end;
    char response_id[96];
    char code[64];           /* the server's error code, or ours ("connection_lost", "auth", "no_key") */
    char text[512];          /* for the user */
    struct responses_usage usage;
    int64_t context_tokens;  /* input and output of the last response alone: what the next builds on */
    size_t items_done;
    struct responses_stages stages;
    /* Where the time went, env clock. 0 if it never happened. */
    uint64_t queued_ms, sent_ms, first_event_ms, first_output_ms, ended_ms;
    bool continued;          /* went out with previous_response_id */
    uint64_t bytes_sent, bytes_received;
};
enum responses_steer_outcome {
    STEER_APPLIED,     /* the response goes on with them, under another id: they stand in the
                          conversation here. Indexes of output items begin anew */
    STEER_PENDING,     /* they stand in the conversation here, before the outputs of the calls */
    STEER_RETURNED,    /* not taken: the caller's again */
};
/* A request as it has just gone out, also when it goes out again: items [first, count) of the history. */
struct responses_sent {
    size_t first, count, bytes, tools_bytes;   /* tools_bytes: of the tools in it, 0 without them */
    bool continued;
};
/* All optional but on_end. Order: on_started, then items, then on_end exactly once; after on_retry it
 * begins anew with another id. A handler may interrupt, create on another chain, or free anything. */
struct responses_handlers {
    void (*on_started)(void *user, struct str response_id);
    void (*on_item_added)(void *user, const struct responses_item *item);    /* provisional */
    void (*on_delta)(void *user, enum responses_delta_kind kind, size_t output_index,
                     struct str item_id, struct str text);
    void (*on_item_done)(void *user, const struct responses_item *item);
    /* Sent again or waiting: what the user should know ("rate limit: retrying in 12 s"). Items and
     * deltas seen so far of this request are void. */
    void (*on_retry)(void *user, const char *what, uint64_t wait_ms);
    void (*on_unknown)(void *user, struct str type, struct str raw);
    /* Only looks and notes: it must not come back here. */
    void (*on_sent)(void *user, const struct responses_sent *sent);
    /* What has become of the items given to responses_steer. */
    void (*on_steer)(void *user, enum responses_steer_outcome outcome);
    void (*on_end)(void *user, const struct responses_result *result);
};
struct response;
/* One response at a time per chain. The history's item function is called until on_end.
 * Errors: STATUS_INVALID when one is running; STATUS_AUTH (key missing: the message names the
 * variable) and other reasons why it cannot even be tried; then no callback comes. */
struct response *responses_create(struct responses_chain *chain,
                                  const struct responses_request *request,
                                  const struct responses_handlers *handlers, void *user,
                                  struct err *err);
/* on_end(INTERRUPTED) follows on the next loop turn; the chain can be used from then on. */
void response_interrupt(struct response *response);
/* Gives user messages (whole JSON items, copied) to a running response. on_steer says what became of
 * them: with APPLIED and PENDING the caller appends them to the history then and there, and never
 * sends them itself; if on_retry or on_end comes first, they are the caller's again.
 * Errors: STATUS_UNSUPPORTED (endpoint, HTTP), STATUS_CONFLICT: not now (not begun, items given
 * before are on their way, ended); then no callback comes. */
enum status responses_steer(struct response *response, const struct str *items, size_t count,
                            struct err *err);

/* -- Compaction: a conversation made shorter ------------------------------------------------------------ */

/* How this endpoint does it, as far as is known; what it refuses is forgotten like any capability. */
enum responses_compaction {
    COMPACTION_NONE,          /* it does not: left to the caller */
    COMPACTION_IN_RESPONSE,   /* by itself, in a response with compact_threshold: an item of type
                                 "compaction" stands for all before it */
    COMPACTION_BY_REQUEST,    /* responses_compact; also where it could do the other, for a response that
                                 may be compacted cannot be steered */
};
enum responses_compaction responses_compaction_of(const struct responses *responses,
                                                  struct str model);
/* Tokens of input that the model takes, by its name; a careful guess for one that is not known. */
int64_t responses_context_tokens(struct str model);
/* Whether the model was trained to write patches as plain text; others edit by strings. */
bool responses_model_writes_patches(struct str model);
/* The reasoning efforts it takes, by its name, the least first, separated by blanks; empty: not known, any may do. */
struct str responses_model_efforts(struct str model);

enum responses_compact_end {
    COMPACT_DONE,
    COMPACT_REFUSED,     /* the endpoint has no such thing: asked again, responses_compaction_of differs */
    COMPACT_FAILED,      /* code and text say why */
};
struct responses_compact_result {
    enum responses_compact_end end;
    char code[64], text[512];
    const struct str *items;     /* the conversation from now on, verbatim, in order; borrowed */
    size_t count;
    struct responses_usage usage;
    uint64_t bytes_sent, bytes_received;
};
typedef void responses_compact_fn(void *user, const struct responses_compact_result *result);
struct responses_compact;
/* Has the history of `request` (model, instructions and prompt_cache_key count too) made shorter by one
 * POST, sent twice at most. Touches no chain: who takes the items as the new history resets theirs. on_done comes once, later; the history is read until then.
 * NULL and err when it cannot even be tried. */
struct responses_compact *responses_compact(struct responses *responses,
                                            const struct responses_request *request,
                                            responses_compact_fn *on_done, void *user, struct err *err);
/* No callback any more. NULL is fine. Must be called before responses_free. */
void responses_compact_cancel(struct responses_compact *compact);

/* -- Shapes shared with the server side (endpoint) ------------------------------------------------------ */

/* A lane name: 1 to 256 of [A-Za-z0-9_.-]. */
bool responses_lane_name_is_valid(struct str name);
/* One server event, decoded as far as it is common. Borrowed from value. */
struct responses_event {
    struct str type, lane, response_id, item_id, delta;
    int64_t sequence, output_index;
    bool is_terminal;                  /* response.completed, .failed, .incomplete */
    bool is_error;                     /* either shape */
    struct str error_type, error_code, error_message, error_param;
    int64_t error_status, retry_after_ms;
    const struct json_value *response; /* object or NULL */
    const struct json_value *item;
    const struct json_value *value;    /* the whole */
};
/* `value` must be an object. STATUS_INVALID if it has no type. */
enum status responses_event_read(const struct json_value *value, struct responses_event *ret_event,
                                 struct err *err);

#endif
