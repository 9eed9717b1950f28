/* jsonrpc: JSON-RPC 2.0 with LSP's framing over a byte stream: frames, messages, and a peer that
 * matches answers to questions. Knows nothing of LSP's methods.
 *
 * Invariants: ids are raw JSON text, never numbers in C; every request that came in is answered
 * exactly once; input in any split is the same input; bad input is answered and survived. */
#ifndef LANEBRIDGE_JSONRPC_H
#define LANEBRIDGE_JSONRPC_H

#include <lanebridge/base.h>
#include <lanebridge/json.h>
#include <lanebridge/loop.h>

enum jsonrpc_code {
    JSONRPC_PARSE_ERROR = -32700,
    JSONRPC_INVALID_REQUEST = -32600,
    JSONRPC_METHOD_NOT_FOUND = -32601,
    JSONRPC_INVALID_PARAMS = -32602,
    JSONRPC_INTERNAL_ERROR = -32603,
    JSONRPC_SERVER_NOT_INITIALIZED = -32002,
    JSONRPC_REQUEST_FAILED = -32803,
    JSONRPC_SERVER_CANCELLED = -32802,
    JSONRPC_CONTENT_MODIFIED = -32801,
    JSONRPC_REQUEST_CANCELLED = -32800,
};

/* -- Frames: "Content-Length: N\r\n\r\n" + body. Pure, so that it can be fuzzed. ----------------- */

struct jsonrpc_frames;
struct jsonrpc_frame_handlers {
    void (*on_body)(void *user, struct str body);
    /* A body over the cap: it is skipped; `head` is its first 64 KiB and `tail` its last 4 KiB, for
     * a scan of method, id and uri. They overlap when it is shorter. */
    void (*on_oversize)(void *user, struct str head, struct str tail, uint64_t length);
    /* A malformed header block. The reader resynchronises at the next "Content-Length:". */
    void (*on_bad_header)(void *user, const struct err *err);
};
struct jsonrpc_frames *jsonrpc_frames_new(size_t max_body_bytes,
                                          const struct jsonrpc_frame_handlers *handlers, void *user);
void jsonrpc_frames_free(struct jsonrpc_frames *frames);   /* also in a callback of push */
void jsonrpc_frames_push(struct jsonrpc_frames *frames, struct str bytes);

/* -- Peer ---------------------------------------------------------------------------------------- */

struct jsonrpc_peer;

/* Borrowed for the call of a handler. `id` is raw text ("1", "\"a\"") and empty for notifications.
 * `params` is NULL when absent. `raw_params` is its verbatim text. */
struct jsonrpc_message {
    struct str method;
    struct str id;
    const struct json_value *params;
    struct str raw_params;
};
struct jsonrpc_handlers {
    /* Answer now or later with jsonrpc_respond*(peer, id, …), where id is a copy of message->id. */
    void (*on_request)(void *user, const struct jsonrpc_message *message);
    void (*on_notification)(void *user, const struct jsonrpc_message *message);
    /* A body over the cap, one that holds \u0000, or one that is no JSON: method and the first "uri"
     * in it, as far as found. If it was a request it has been answered with an error. */
    void (*on_unreadable)(void *user, struct str method, struct str uri, const struct err *err);
    /* Once: the stream ended (STATUS_CLOSED) or failed, or the other side reads nothing any more
     * (STATUS_LIMIT). Pending answers have been delivered as STATUS_CLOSED before. After the end of
     * input, what is written still goes out. */
    void (*on_closed)(void *user, enum status status);
    /* Optional: sees every message verbatim, outgoing ones too. For traces and tests. It must not
     * use or free the peer. */
    void (*on_traffic)(void *user, bool outgoing, struct str body);
    /* Optional: a request of ours has its answer; asked_ms on the loop's clock. It must not use or free the peer. */
    void (*on_round_trip)(void *user, const char *method, uint64_t asked_ms);
};
/* result is NULL unless status is STATUS_OK; error_code and error_text describe an error answer
 * (status STATUS_INVALID), or status is STATUS_CLOSED. raw_result is the verbatim text. */
struct jsonrpc_answer {
    enum status status;
    int error_code;
    struct str error_text;
    const struct json_value *result;
    struct str raw_result;
};
typedef void jsonrpc_answer_fn(void *user, const struct jsonrpc_answer *answer);

struct jsonrpc_peer *jsonrpc_peer_new(struct loop *loop, int read_fd, int write_fd,
                                      const struct jsonrpc_handlers *handlers, void *user,
                                      struct err *err);
void jsonrpc_peer_free(struct jsonrpc_peer *peer);    /* pending answers are dropped silently */
/* Begins reading. */
void jsonrpc_peer_start(struct jsonrpc_peer *peer);

/* From now on nothing is asked of the other end any more, as after the language server's shutdown. */
void jsonrpc_peer_stop_asking(struct jsonrpc_peer *peer);

/* params: one whole JSON value as text, or empty for none. Returns the id given, 0 if the peer is
 * closed, or asks nothing any more, or LIMIT_JSONRPC_PENDING_COUNT are in flight (then on_answer is not called). */
int64_t jsonrpc_request(struct jsonrpc_peer *peer, const char *method, struct str params,
                        jsonrpc_answer_fn *on_answer, void *user);
/* Forgets a request of ours: sends $/cancelRequest, and its answer is dropped when it comes. */
void jsonrpc_request_drop(struct jsonrpc_peer *peer, int64_t id);
void jsonrpc_notify(struct jsonrpc_peer *peer, const char *method, struct str params);
/* An id can be answered once: what comes after is dropped with a log line. */
void jsonrpc_respond(struct jsonrpc_peer *peer, struct str id, struct str result); /* "" = null */
void jsonrpc_respond_error(struct jsonrpc_peer *peer, struct str id, int code, const char *format,
                           ...) __attribute__((format(printf, 4, 5)));
/* Calls on_flushed once all output so far is written, or the stream is dead. */
void jsonrpc_flush(struct jsonrpc_peer *peer, void (*on_flushed)(void *user), void *user);
/* Writes raw bytes: for tests of malformed input alone. */
void jsonrpc_write_raw(struct jsonrpc_peer *peer, struct str bytes);

#endif
