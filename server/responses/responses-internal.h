/* What the files of this module share. Who owns what: the client owns connections and chains; a
 * connection owns its lanes; a chain owns its one response. A response points at its lane while it
 * is on the wire, and the lane points back; whoever takes them apart clears both.
 *
 * Callbacks to the caller: handlers of single events are called where the event is handled, each
 * followed by a look at response->dead; on_retry, on_end and on_status are called by
 * responses_client_leave (or the timer) alone. What dies meanwhile is kept as a zombie until the
 * outermost leave. */
#ifndef RESPONSES_INTERNAL_H
#define RESPONSES_INTERNAL_H

#include <lanebridge/responses.h>

enum {
    RESPONSE_ID_BYTES = 96,
    LANE_ENDED_COUNT = 4, /* ids of ended responses a lane remembers, for duplicates */
    LANE_NAME_BYTES = 8,
    MODEL_BYTES = 64, /* longer names of models are not remembered */
    REFUSED_MODELS_COUNT = 16,
    SOCKETS_WITHOUT_LANES_COUNT = 4, /* one a running thread, one for short requests */
    DRAIN_TOKENS_COUNT = 2000,       /* an interrupted response may still produce this much */
    BYTES_PER_TOKEN = 4,             /* an estimate, where no usage was told */
    CLOSES_COUNT = 2,                /* closes before the first event, before HTTP is tried */
    CHAINS_COUNT = 4096,
};
#define WAKE_MS ((uint64_t)1000)      /* a machine that slept for longer doubts its connections */
#define QUEUE_WAIT_MS ((uint64_t)100) /* a full send queue is looked at again after this */
#define STREAMING_MS                                                                               \
    ((uint64_t)2000) /* without an event for longer it thinks, it does not stream */
#define ROTATE_USED_MS ((uint64_t)600 * 1000) /* a connection idle for longer is left to close */
#define RETRY_AFTER_MAX_MS                                                                         \
    ((uint64_t)600 * 1000) /* a server that asks for more is told to the user */
#define WAIT_LIFT_MS ((uint64_t)1000)
#define NEVER UINT64_MAX

/* -- event.c --------------------------------------------------------------------------------- */

enum event_kind {
    EVENT_UNKNOWN,
    EVENT_IGNORED,
    EVENT_PROGRESS,
    EVENT_CREATED,
    EVENT_ITEM_ADDED,
    EVENT_ITEM_DONE,
    EVENT_DELTA,
    EVENT_COMPLETED,
    EVENT_FAILED,
    EVENT_INCOMPLETE,
    EVENT_ERROR,
    EVENT_STEER,
};
struct event_type {
    struct str name;
    enum event_kind kind;
    enum responses_delta_kind delta;
};
/* Never NULL. */
const struct event_type *responses_event_type(struct str name);
/* The short way for deltas and for what says little, without a tree: false if the message is
 * anything else or unusual, and must be parsed. The delta may be decoded into `scratch`. */
bool responses_event_scan(struct str message, struct buf *scratch,
                          struct responses_event *ret_event);
/* An event with a "response", without what is not read of it (of its items the ids are); false when
 * it is no such event or is better parsed as it is. */
bool responses_event_slim(struct str message, struct buf *slim);
/* The body of a refused POST: {"error":{…}} without a type. False if it is not one. */
bool responses_event_read_refusal(const struct json_value *value,
                                  struct responses_event *ret_event);
void responses_usage_read(const struct json_value *response, struct responses_usage *ret_usage);
void responses_stages_read(const struct json_value *response, struct responses_stages *ret_stages);
struct responses_usage responses_usage_sum(const struct responses_usage *a,
                                           const struct responses_usage *b);

/* What went wrong, from an error event, a failed response or a lost connection. Borrowed. */
struct failure {
    struct str code, message, param;
    int64_t status;         /* HTTP's, 0 if none */
    int64_t retry_after_ms; /* -1 if not told */
    bool is_lost;           /* the connection, not the server's answer */
    bool is_unmade;         /* there was none yet */
    bool is_timeout;        /* nothing came at all */
    bool is_bypassed;       /* HTTP is used from now on: no reason to wait */
    unsigned close_code;    /* the server's words, when it closed what was open; 0: none */
};

/* -- profile.c ------------------------------------------------------------------------------- */

bool responses_profile_takes_tools_once(const struct responses_profile *profile, struct str model);

/* -- learn.c --------------------------------------------------------------------------------- */

void responses_learn_begin(struct responses *client, const struct responses_learned *known);
/* True if something was told to the caller. */
bool responses_learn_tell(struct responses *client);
/* The server asks for a pause: everybody who uses it shall know. */
void responses_learn_pause(struct responses *client, const struct failure *failure, uint64_t ms);

/* Options to leave out in what asks for the model. */
unsigned responses_refused(const struct responses *client, struct str model);
/* From now on, for one model; false if there is no room to remember that. */
bool responses_refuse_for_model(struct responses *client, unsigned option, struct str model);

/* -- item.c ---------------------------------------------------------------------------------- */

/* Items seen done in one response: so that none is delivered twice. */
struct done_item {
    uint64_t id_hash; /* 0: no id */
    int64_t index;
};
void responses_item_fill(struct responses_item *item, const struct json_value *value,
                         struct str raw, size_t output_index);
/* Folds what identifies an item (type, call_id) into `hash`: the same for the item as it came and
 * as it stands in the caller's history, whatever the caller did to ids and statuses. */
uint64_t responses_item_fold_key(uint64_t hash, struct str type, struct str call_id);
uint64_t responses_item_fold_raw_key(uint64_t hash, struct str raw);
bool response_has_item(const struct response *response, struct str id, int64_t index);
/* True, and remembered, the first time. */
bool response_take_item(struct response *response, struct str id, int64_t index);

/* -- request.c ------------------------------------------------------------------------------- */

/* Optional members of a request, dropped for the client's life once an endpoint refuses them. */
enum request_option {
    OPTION_LANES = 1 << 0,
    OPTION_GENERATE = 1 << 1,
    OPTION_CONTEXT_MANAGEMENT = 1 << 2,
    OPTION_STREAM_OPTIONS = 1 << 3,
    OPTION_PROMPT_CACHE_KEY = 1 << 4,
    OPTION_INCLUDE = 1 << 5,
    OPTION_PARALLEL = 1 << 6,
    OPTION_REASONING_SUMMARY = 1 << 7,
    OPTION_ADDITIONAL_TOOLS = 1 << 8,
    OPTION_STEER = 1 << 9,
    OPTION_CANCEL = 1 << 10,
    OPTION_COMPACT = 1 << 11,
    OPTION_TOOL_CHOICE = 1 << 12,
};
/* 0 if `param` is not something that can be left out. */
unsigned responses_option_find(struct str param);
/* The request's texts live in `bytes`; its history stays the caller's. */
struct request_copy {
    struct responses_request request;
    struct buf bytes;
};
void responses_request_copy(struct request_copy *copy, const struct responses_request *request);
/* Tools that run on the server and may have done something. */
bool responses_request_has_effects(const struct responses_request *request);
struct request_shape {
    enum transport_kind transport;
    struct str lane;     /* empty: none */
    struct str previous; /* empty: full input */
    size_t first;        /* history from here */
    bool store;
    bool additional_tools; /* tools as the first input item */
    unsigned refused;      /* enum request_option */
};
void responses_request_write(const struct responses_request *request,
                             const struct request_shape *shape, struct buf *buf);
/* The body of POST …/compact. */
void responses_request_write_compact(const struct responses_request *request, unsigned refused,
                                     struct buf *buf);

/* -- lane.c ---------------------------------------------------------------------------------- */

enum lane_state { LANE_FREE, LANE_BUSY, LANE_DRAINING };
struct lane {
    struct connection *connection;
    enum lane_state state;
    bool was_used;                       /* its name is spent on this connection */
    struct responses_chain *chain;       /* whose latest response the server keeps here */
    struct response *response;           /* while BUSY */
    char response_id[RESPONSE_ID_BYTES]; /* of what runs or drains; empty until told */
    char ended[LANE_ENDED_COUNT][RESPONSE_ID_BYTES];
    unsigned ended_next;
    uint64_t used;      /* the client's use count, for least recently used */
    bool was_cancelled; /* while DRAINING: response.cancel has gone out */
    uint64_t drain_since_ms, drained_bytes;
    uint64_t before_bytes; /* of deltas before the interrupt */
};
unsigned responses_lane_number(const struct lane *lane);
/* Appends nothing for the default lane. */
struct str responses_lane_name(const struct lane *lane, char buffer[LANE_NAME_BYTES]);
struct lane *responses_lane_find(struct connection *connection, struct str name);
/* A free lane for the chain: its own, one nobody holds, a new name, the least recently used; NULL
 * when as many are active as may be. The chain that loses it is told. */
struct lane *responses_lane_take(struct connection *connection, struct responses_chain *chain);
void responses_lane_start(struct lane *lane, struct response *response);
/* The response goes on under another id. */
void responses_lane_forget_id(struct lane *lane);
/* Takes the response off; the lane is free and remembers its id. */
void responses_lane_end(struct lane *lane);
/* Takes the response off before its end. On a socket the lane drains until the terminal event and
 * counts what it cost: true then. */
bool responses_lane_abandon(struct lane *lane, uint64_t now_ms);
/* From now on the first lane is the only one and has no name. The others must be free. */
void responses_lane_give_up_names(struct connection *connection);
/* The server has fewer than we thought: this one was too much. */
void responses_lane_limit(const struct lane *lane);
/* Cuts the tie to the chain that is kept here. */
void responses_lane_forget_chain(struct lane *lane);
/* The tokens of what drained; 0: not told, estimated by what came. */
void responses_lane_count_abandoned(const struct lane *lane, int64_t output_tokens);
bool responses_lane_has_ended(const struct lane *lane, struct str response_id);

/* -- connection.c ---------------------------------------------------------------------------- */

enum connection_state { CONNECTION_CONNECTING, CONNECTION_OPEN };
struct connection {
    struct responses *client;
    enum transport_kind kind;
    struct transport *transport;
    enum connection_state state;
    bool is_named;         /* lanes with names */
    unsigned refusals_due; /* of lanes, to what was sent before they were given up */
    unsigned cancels_due;  /* sent, and nothing known of them yet */
    bool is_retiring;      /* nothing new; closed when nothing is active */
    bool is_rotating;      /* is left when its successor is open */
    bool has_no_successor; /* there was no room for one: replaced when it is used next */
    bool is_left;          /* its successor is there: only for turns that run; retires then */
    bool is_short;         /* without lanes: for typing and code actions */
    bool drain_spent;      /* what drains is not waited for any more */
    bool names_lanes;      /* an event has come with the name of one of ours */
    bool sends_created;    /* seen response.created here: events before it are strays */
    bool is_proven;        /* something has come since the upgrade, if only a pong */
    bool is_probe;         /* while HTTP is used: becomes ours when it answers a ping */
    bool is_doubted;       /* idle for long, or the machine slept: asked before it is relied upon */
    bool was_heard, was_pinged;
    bool dead;
    struct responses_chain *chain; /* without lanes: whose socket it is; may be NULL */
    uint64_t opened_ms, heard_ms, ping_ms, used_ms;
    uint64_t begun_ms;      /* when it began to connect */
    uint64_t slept_open_ms; /* what the machine had slept when it was opened */
    uint64_t wanted_ms;     /* used for more than a warm-up; 0: never */
    unsigned lane_count;
    struct lane lanes[];
};
/* NULL if it cannot even be tried. */
struct connection *responses_connection_open(struct responses *client, enum transport_kind kind,
                                             struct err *err);
unsigned responses_connection_active(const struct connection *connection); /* busy or draining */
unsigned responses_connection_busy(const struct connection *connection);
/* Closes the transport, takes everything off its lanes and lets recovery decide about each. */
void responses_connection_lose(struct connection *connection, const struct failure *failure);
/* Closes what has nothing left to do. */
void responses_connection_sweep(struct responses *client);
void responses_connection_close_idle(struct connection *connection);
uint64_t responses_prepare_ms(const struct connection *connection);
uint64_t responses_connection_deadline(const struct connection *connection);
void responses_connection_tick(struct connection *connection, uint64_t now_ms);

/* Before a request goes out: a connection that was idle is asked whether it lives. True until it
 * has answered; what could not be sent again has to wait for that. */
bool responses_connection_is_doubted(struct connection *connection);
/* A probe of the socket, beside what goes over HTTP. */
void responses_connection_probe(struct responses *client);

/* What drains is not waited for any more: the connection takes nothing new and closes. */
void responses_connection_spend_drain(struct connection *connection);

/* -- rotate.c -------------------------------------------------------------------------------- */

/* The server said that it has lived long enough: the next one is replaced before that. */
void responses_rotate_learn_life(const struct connection *connection);
/* Old enough to be replaced before the server closes it. */
bool responses_rotate_is_aged(const struct connection *connection, uint64_t now_ms);
/* When its successor is to be opened. NEVER for a connection that is idle: it is left to close. */
uint64_t responses_rotate_due(const struct connection *connection);
/* When also a turn that runs gets nothing more on it. */
uint64_t responses_rotate_leave_due(const struct connection *connection);
/* Opens the successor, if there is room for one. May close the connection. */
void responses_rotate(struct connection *connection);
/* The successor is open: who is between turns goes over to it. */
void responses_rotate_done(struct connection *successor);

/* -- route.c --------------------------------------------------------------------------------- */

/* One whole message. May lose the connection. */
void responses_route_message(struct connection *connection, struct str message);
/* json_parse, of texts with \u0000 as well. */
enum status responses_parse(struct responses *client, struct str text,
                            struct json_value **ret_value, struct err *err);

/* -- chain.c --------------------------------------------------------------------------------- */

struct responses_chain {
    struct responses *client;
    enum responses_priority priority;
    struct response *response;
    struct lane *lane;              /* sticky; NULL when lost or taken by another chain */
    struct responses_chain *source; /* hold is its, until something of our own is held; or NULL */
    bool in_turn, is_left_behind;
    uint64_t used_ms; /* for more than a warm-up */
    /* What the server holds; empty id: nothing. */
    struct {
        char response_id[RESPONSE_ID_BYTES];
        size_t sent;           /* history items the request stood for … */
        size_t produced;       /* … and the items it made, which follow them */
        size_t steered;        /* … and steering input behind these */
        uint64_t produced_key; /* of those, to see that the caller kept them so */
        uint64_t generation;
        uint64_t tools_hash;
        bool is_cached; /* in the memory of chain->lane */
    } hold;
};
/* The place of the first item to send after the held response; 0: full input. */
size_t responses_chain_covered(const struct response *response, const struct lane *lane);
/* The response on the lane went wrong or was taken off: only a stored parent still stands. */
void responses_chain_lose_cache(struct responses_chain *chain);
void responses_chain_keep(struct responses_chain *chain, const struct response *response);

/* -- response.c ------------------------------------------------------------------------------ */

enum response_state {
    RESPONSE_QUEUED,  /* waits for a connection or a lane */
    RESPONSE_BACKOFF, /* waits for not_before_ms */
    RESPONSE_SENT,
    RESPONSE_RUNNING, /* its first event came */
    RESPONSE_STEERED, /* has ended, and the steering input's fate is not known yet */
    RESPONSE_ENDING,  /* on_end is due */
    RESPONSE_ENDED,
};
struct response {
    struct responses *client;
    struct responses_chain *chain;
    struct lane *lane;
    enum response_state state;
    bool dead;
    bool must_be_forgotten;     /* the chain was reset meanwhile */
    unsigned refused_when_sent; /* enum request_option left out of the last attempt */
    bool had_started, had_output, is_counting;
    bool is_in_text; /* the last event was a delta: silence now is unusual */
    unsigned events; /* of this attempt, and their bytes */
    uint64_t received;
    struct request_copy request;
    struct responses_handlers handlers;
    void *user;
    uint64_t order, not_before_ms, event_ms;
    uint64_t tools_hash;      /* of the request's tools … */
    uint64_t sent_tools_hash; /* … if the conversation has them, 0 if each request does */
    unsigned attempts;
    int64_t sequence;
    uint64_t delta_bytes, produced_key;
    VEC(struct done_item) done;
    struct responses_result result;
    struct {
        size_t count;                        /* items on their way; 0: none */
        bool is_cut;                         /* it ended as "steered" */
        char response_id[RESPONSE_ID_BYTES]; /* they were given to */
        struct responses_usage usage;        /* of the responses before the successor */
    } steer;
    bool has_note; /* on_retry is due */
    char note[256];
    uint64_t note_wait_ms;
};
void response_set_state(struct response *response, enum response_state state);
struct response *response_new(struct responses_chain *chain,
                              const struct responses_request *request,
                              const struct responses_handlers *handlers, void *user);
void response_free(struct response *response);
/* Puts it on the wire. */
enum status response_send(struct response *response, struct lane *lane);
/* Everything of this attempt is void; QUEUED again, or BACKOFF until not_before_ms. */
void response_send_again(struct response *response, uint64_t not_before_ms);
/* on_end is due; it is off its lane already. */
void response_end(struct response *response, enum responses_end end, struct str code,
                  struct str text);
/* One event of its lane. May end with the response dead. */
void response_handle_event(struct response *response, const struct event_type *type,
                           const struct responses_event *event, struct str message);
uint64_t response_deadline(const struct response *response);
/* Its output came a moment ago. */
bool response_is_streaming(const struct response *response);
void response_tick(struct response *response, uint64_t now_ms);

/* -- steer.c --------------------------------------------------------------------------------- */

/* The response has ended with items on their way: it waits for what becomes of them. */
void response_wait_for_steer(struct response *response, bool is_cut);
/* An event while it waits: of the successor? */
void response_take_successor(struct response *response, const struct responses_event *event);
/* An event about steering, or an error that only that can have caused. False: not one of ours. */
bool responses_steer_handle(struct connection *connection, const struct event_type *type,
                            const struct responses_event *event);

/* -- cancel.c -------------------------------------------------------------------------------- */

/* The lane drains and its response's id is known: asks the server to end it, where that works or
 * may be tried. */
void responses_cancel(struct lane *lane);
/* An error that answers a cancel? */
bool responses_cancel_handle(struct connection *connection, const struct responses_event *event);
/* The end of what drained. */
void responses_cancel_note_end(const struct lane *lane, const struct responses_event *event);
/* What drains went on as if nothing had been said. */
void responses_cancel_note_vain(struct connection *connection);

/* -- schedule.c ------------------------------------------------------------------------------ */

/* Places every queued response that can be placed. If `asked` cannot even be tried it is left as it
 * is and its status returned with `err`; others in that case end as FAILED. */
enum status responses_schedule(struct responses *client, struct response *asked, struct err *err);
/* The least recently used socket that nobody waits for: idle, else only draining; or NULL. */
struct connection *responses_schedule_find_spare(const struct responses *client);

/* -- recover.c ------------------------------------------------------------------------------- */

/* `response` is off its lane. Sends again, waits, or ends it. */
void responses_recover(struct response *response, const struct failure *failure);
/* The connection never came to be: concerns what waits for it. */
/* Some request was wrong; nothing says that it was ours. */
bool responses_is_vague(const struct failure *failure);
/* What a WebSocket does not carry goes over HTTP from now on; false if that is not wanted. */
bool responses_recover_by_http(struct responses *client);
/* Over HTTP nobody could be reached either: that was no word about WebSockets. */
void responses_recover_unreached(struct responses *client);
/* True if HTTP is used from now on. */
bool responses_recover_connect(struct connection *connection, const struct failure *failure);
/* An error that names no lane. May lose the connection. */
void responses_recover_connection_error(struct connection *connection,
                                        const struct failure *failure);
void responses_drop_option(struct responses *client, unsigned option);
uint64_t responses_backoff_ms(struct responses *client, unsigned attempt);

/* -- status.c, client.c ---------------------------------------------------------------------- */

struct responses {
    struct transport_env env;
    struct responses_profile profile;
    struct responses_deadlines deadlines;
    enum responses_transport_choice choice;
    bool store;
    void (*on_status)(void *user, const struct responses_status *status);
    void (*on_rotated)(void *user);
    void (*on_learned)(void *user, const struct responses_learned *learned);
    uint64_t (*pause_ms_of_others)(void *user);
    void (*clean)(void *user, struct str said, struct buf *out);
    void *user;

    VEC(struct connection *) connections;
    VEC(struct responses_chain *) chains;
    VEC(void *) zombies;
    struct transport_timer *timer;
    uint64_t armed_ms; /* when the timer fires; NEVER */
    unsigned depth;    /* of enter */
    bool is_freed, is_unsettled, has_rotated;

    unsigned refused; /* enum request_option */
    struct refused_model {
        unsigned option;
        char model[MODEL_BYTES];
    } by_model[REFUSED_MODELS_COUNT];
    unsigned by_model_count;
    bool cancels;        /* response.cancel works */
    unsigned lane_limit; /* names the server lets us have */
    uint64_t life_ms;    /* of a connection; 0: unknown */
    struct {
        unsigned refused, by_model_count;
        uint64_t life_ms;
        bool cancels;
    } learned;         /* as last told */
    uint64_t pause_ms; /* to be told; 0: none */
    uint64_t order, uses;
    unsigned connect_failures;
    unsigned http_failures; /* requests in a row that did not even connect */
    uint64_t connect_not_before_ms;
    uint64_t http_until_ms; /* 0: not fallen back; past: the socket is to be probed */
    uint64_t slept_ms;      /* as last looked at */

    struct responses_status told; /* as last told; since_ms and the sums are kept here */
    struct buf scratch, slim;     /* of one message */
    struct buf tools;             /* asked with last, as they mostly stay the same … */
    uint64_t tools_hash;          /* … and their hash */
};
uint64_t responses_now(const struct responses *client);
/* For how long this machine has slept, which now does not count. */
uint64_t responses_client_slept_ms(const struct responses *client);
/* Around everything the outside calls by callback. Leave settles: places what waits, closes what is
 * done, calls back, arms the timer. */
void responses_client_enter(struct responses *client);
void responses_client_leave(struct responses *client);
/* At the end of a call from the caller: the same, with the callbacks on the next loop turn. */
void responses_client_defer(struct responses *client);
/* Frees now, or after the outermost leave. */
void responses_client_bury(struct responses *client, void *memory);
/* True where a stored response can be continued from anywhere. */
bool responses_client_has_stored_ids(const struct responses *client);
bool responses_client_uses_http(const struct responses *client);
/* Tools are sent once in a chain, as an item, and not with each request. */
/* Of the same tools as last time without reading them all. */
uint64_t responses_client_hash_tools(struct responses *client, struct str tools);
bool responses_client_takes_tools_once(const struct responses *client, struct str model);

bool responses_status_refresh(struct responses *client); /* true if it is to be told */
void responses_status_detail(struct responses *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Copies a string that must fit; what does not is left empty. */
bool responses_copy_id(char *to, size_t size, struct str from);
/* Copies for people: without secrets, cut at a character. */
void responses_copy_text(const struct responses *client, char *to, size_t size, struct str from);

#endif
