/* The engine that asks another server, by HTTP. What goes out is rendered from the records' walk
 * (upstream_chat.c, upstream_body.c, upstream_tools.c), always the same way for the same items, so
 * that the other server finds its prompt prefix again. What comes back grows the plan
 * (upstream_chunk.c, upstream_event.c). Which server it is, is asked once (upstream_probe.c). */
#ifndef LANEBRIDGE_ENDPOINT_UPSTREAM_INTERNAL_H
#define LANEBRIDGE_ENDPOINT_UPSTREAM_INTERNAL_H

#include "endpoint-internal.h"

#define UPSTREAM_FINGERPRINT "upstrm"

/* -- upstream_kind.c: what is known of servers ---------------------------------------------------
 */

enum upstream_api { UPSTREAM_AUTO, UPSTREAM_RESPONSES, UPSTREAM_CHAT };
struct upstream_kind {
    const char *name;
    const char *owner;     /* `owned_by` of its models */
    enum upstream_api api; /* AUTO: /v1/responses if it answers there */
    bool has_custom;       /* takes tools and calls of type custom, namespaces, and hosted tools */
    bool has_slots;   /* id_slot, cache_prompt, and a prompt that is evaluated without output */
    bool has_efforts; /* takes any reasoning effort */
    bool is_openai;   /* max_completion_tokens, developer messages, encrypted reasoning */
    const char *reasoning; /* the member of an assistant message; NULL: none before it sent one */
};
extern const struct upstream_kind upstream_generic;
/* From the models' `owned_by`. */
const struct upstream_kind *upstream_kind_find(struct str owner);

/* -- upstream_tools.c: tools under names that a function may have ---------------------------------
 */

enum { UPSTREAM_NAME_BYTES = 65 }; /* 64 characters are what all of them take */
/* The name of a tool within a namespace (empty: none), always the same. */
void upstream_flat_name(char ret_name[UPSTREAM_NAME_BYTES], struct str space, struct str name);

struct upstream_tool {
    char flat[UPSTREAM_NAME_BYTES];
    struct str space, name; /* between their quotes, as they came */
    bool is_custom;
};
struct upstream_tools {
    struct buf text; /* what the names are borrowed from */
    VEC(struct upstream_tool) list;
    struct buf json;    /* the array that goes out, without its brackets; empty: none */
    struct buf dropped; /* types that were left out, with ", " between */
};
/* Arrays of tools, or empty; in their order, the first of two of one name. native: as they are. */
enum status upstream_tools_read(struct upstream_tools *tools, struct str own, struct str additional,
                                bool native, bool as_chat, struct problem *problem);
const struct upstream_tool *upstream_tools_find(const struct upstream_tools *tools,
                                                struct str flat_name);
enum status upstream_choice_write(struct json_writer *w, struct str choice, bool as_chat,
                                  struct problem *problem);
void upstream_tools_finish(struct upstream_tools *tools);

/* -- upstream_text.c: texts that come in pieces
 * ----------------------------------------------------
 */

/* <think>…</think> at the start of an answer. */
enum think_state { THINK_START, THINK_INSIDE, THINK_AFTER, THINK_TEXT };
struct think {
    enum think_state state;
    struct buf held; /* what may be the beginning of a tag */
};
struct think_piece {
    struct str reasoning, text; /* borrowed until the next push */
};
/* At the end once more, with ended. */
void think_push(struct think *think, struct str piece, bool ended, struct buf *reasoning,
                struct buf *text);
void think_finish(struct think *think);

/* json_parse, but that a model may say \u0000. */
enum status upstream_parse(struct str text, struct json_value **ret_value);

/* {"input":"…"} in pieces: the string's text, as far as it is there. */
struct unwrap {
    struct buf json; /* all of it so far */
    size_t at;       /* decoded so far; 0: the string has not begun */
    bool over;
};
void unwrap_push(struct unwrap *unwrap, struct str piece, struct buf *text);
/* What is to be added at the end: all of it, if it is no such object. */
void unwrap_end(struct unwrap *unwrap, struct buf *text);
void unwrap_finish(struct unwrap *unwrap);

/* -- upstream_error.c
 * ------------------------------------------------------------------------------
 */

/* An answer that is no success: its status, its body. */
void upstream_problem(struct problem *problem, int status, struct str body, int64_t retry_after_ms);
/* An `error` in a stream: an object or a string. */
void upstream_problem_value(struct problem *problem, const struct json_value *error);
void upstream_problem_lost(struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* -- upstream_chunk.c: chunks of /v1/chat/completions into a plan
 * ----------------------------------
 */

/* What both readers need. */
struct upstream_reading {
    struct plan *plan;
    const struct upstream_tools *tools;
    const struct map *call_ids; /* of the conversation: they are not used again */
    const char *reasoning;      /* the member that reasoning came in; NULL: none did */
    size_t bytes;               /* so far */
};
enum { UPSTREAM_NO_ITEM = -1 };
bool upstream_id_is_plain(struct str id);
void upstream_set_call_id(const struct upstream_reading *reading, struct plan_item *item,
                          struct str id);
struct upstream_call {
    int64_t index;
    char id[ENDPOINT_ID_BYTES]; /* as the upstream named it, for telling calls apart */
    size_t item;
    bool is_custom;
    struct unwrap unwrap;
    struct buf arguments; /* to know when it is whole */
};
struct upstream_chunks {
    struct upstream_reading reading;
    struct think think;
    int64_t thought, message; /* indexes of the items that are open */
    VEC(struct upstream_call) calls;
    char finish[32];
    bool any; /* something came that is an answer */
};
void upstream_chunks_init(struct upstream_chunks *chunks, const struct upstream_reading *reading);
/* The data of one event, or a whole body. The plan may have ended afterwards. */
void upstream_chunks_take(struct upstream_chunks *chunks, struct str data);
/* Nothing comes any more. */
void upstream_chunks_end(struct upstream_chunks *chunks);
void upstream_chunks_finish(struct upstream_chunks *chunks);

/* -- upstream_event.c: events of /v1/responses into a plan
 * -----------------------------------------
 */

struct upstream_output {
    int64_t index, item; /* item: UPSTREAM_NO_ITEM while it is not known what it will be */
    struct buf id;
    bool is_wrapped, is_done; /* is_wrapped: a tool of free text that was offered as a function */
    struct unwrap unwrap;
};
struct upstream_events {
    struct upstream_reading reading;
    VEC(struct upstream_output) outputs;
    bool any;
};
void upstream_events_init(struct upstream_events *events, const struct upstream_reading *reading);
void upstream_events_take(struct upstream_events *events, struct str data);
void upstream_events_end(struct upstream_events *events);
void upstream_events_finish(struct upstream_events *events);

/* -- upstream_chat.c, upstream_body.c: requests
 * ------------------------------------------------------
 */

/* A request as far as it is not in the record. */
struct upstream_ask {
    struct buf text;
    struct str span[REQUEST_FIELD_COUNT];
    bool generate;
};
void upstream_ask_copy(struct upstream_ask *ask, const struct request *request);
void upstream_ask_finish(struct upstream_ask *ask);

struct upstream_body {
    const struct upstream_kind *kind;
    const char *reasoning;       /* see upstream_reading */
    struct str model;            /* as JSON */
    int slot;                    /* -1: none */
    struct upstream_tools tools; /* filled */
    struct map call_ids;         /* filled: what the conversation has */
    struct buf json;             /* filled */
    struct buf dropped;          /* filled: members that were left out, with ", " between */
};
enum status upstream_chat_write(struct upstream_body *body, const struct upstream_ask *ask,
                                const struct record *record, struct problem *problem);
enum status upstream_native_write(struct upstream_body *body, const struct upstream_ask *ask,
                                  const struct record *record, struct problem *problem);
void upstream_body_finish(struct upstream_body *body);
/* The messages alone, without brackets: the part that must stay stable. */
enum status upstream_messages_append(struct buf *json, struct upstream_body *body,
                                     struct str instructions, const struct record *record,
                                     struct problem *problem);

/* -- upstream_slot.c: which slot of llama.cpp's server holds which conversation
 * ---------------------
 */

struct upstream_slot {
    char latest[ENDPOINT_ID_BYTES]; /* the response whose prompt and answer it holds */
    bool busy;
    uint64_t used; /* by a counter: the least is the longest ago */
};
struct upstream_slots {
    VEC(struct upstream_slot) list;
    uint64_t uses;
};
void upstream_slots_set_count(struct upstream_slots *slots, size_t count);
/* The one that holds the parent (may be NULL or empty: none does), else the one that was not used
 * for longest; -1 if all are busy. It is busy then. */
int upstream_slots_take(struct upstream_slots *slots, const char *parent);
/* latest NULL: it holds what it held. */
void upstream_slots_give(struct upstream_slots *slots, int slot, const char *latest);

/* -- upstream_probe.c: which server it is
 * ------------------------------------------------------------
 */

struct upstream;
enum probe_step { PROBE_IDLE, PROBE_MODELS, PROBE_PROPS, PROBE_RESPONSES, PROBE_OVER };
struct probe {
    enum probe_step step;
    struct net_http *http;
    struct loop_timer *timer;
    int status;
    struct buf body;
};
/* Does nothing while it runs, or when all is known. upstream_on_probed follows, maybe at once. */
void upstream_probe_start(struct upstream *upstream);
/* It is asked anew before the next request. Nothing if it is being asked. */
void upstream_probe_forget(struct upstream *upstream);

/* -- upstream.c: the engine
 * ----------------------------------------------------------------------------
 */

struct job;
struct upstream {
    struct endpoint *endpoint;
    struct net_url url; /* path: without a slash at its end */
    char *authorization, *model;
    enum upstream_api wanted, api; /* api: AUTO while it is not known */
    const struct upstream_kind *kind;
    const char *reasoning; /* the member it came in; NULL: none came yet */
    struct probe probe;
    struct buf models;      /* objects, with commas between */
    struct buf first_model; /* as JSON */
    size_t model_count;
    struct upstream_slots slots;
    VEC(struct job *) jobs;
};
struct upstream *upstream_new(struct endpoint *endpoint, const struct endpoint_options *options,
                              struct err *err);
void upstream_free(struct upstream *upstream);
/* At `path` behind the URL's own; from_root: instead of it. */
struct net_http *upstream_open(struct upstream *upstream, const char *method, const char *path,
                               bool from_root, struct buf *body,
                               const struct net_http_handlers *handlers, void *user,
                               struct err *err);
/* problem NULL: it is known now. */
void upstream_on_probed(struct upstream *upstream, const struct problem *problem);

#endif
