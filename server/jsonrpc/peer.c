/* One side of a JSON-RPC conversation: gives each message to its handler, and each answer to who
 * asked. A handler may free the peer, so every path that calls one holds a reference. */
#include "message-internal.h"

#include <stdio.h>

struct pending {
    jsonrpc_answer_fn *on_answer;
    void *user;
    char method[48];
    uint64_t asked_ms;
};

enum { GATHERED_BYTES = 16 * 1024 }; /* above it copying costs more than a write */

struct flush {
    struct jsonrpc_peer *peer;
    void (*on_flushed)(void *user);
    void *user;
};

struct jsonrpc_peer {
    struct loop *loop;
    struct jsonrpc_handlers handlers;
    void *user;
    struct loop_stream *stream;
    struct jsonrpc_frames *frames;
    unsigned refs; /* the owner's, and one for each call or deferred call in progress */
    bool freed;
    bool is_closed;      /* on_closed was called */
    bool is_output_dead; /* nothing can be written any more */
    bool asks_nothing;   /* jsonrpc_peer_stop_asking() */
    enum status failure; /* why, told by a deferred call */
    struct map asked;    /* our requests: id as text to struct pending */
    struct map open;     /* theirs that wait for our answer: raw id to the peer itself */
    int64_t last_id;
    VEC(struct flush) flushes;
    struct buf gathered; /* frames that go out together before the loop waits */
    bool is_gathering;   /* which has been asked for */
};

static struct jsonrpc_peer *hold(struct jsonrpc_peer *peer)
{
    peer->refs++;
    return peer;
}

static void drop(struct jsonrpc_peer *peer)
{
    if (--peer->refs > 0)
        return;
    vec_finish(&peer->flushes);
    buf_finish(&peer->gathered);
    map_finish(&peer->open);
    map_finish(&peer->asked);
    mem_free(peer);
}

/* -- Ending ----------------------------------------------------------------------------------- */

static struct pending *take_pending(struct jsonrpc_peer *peer, struct str id)
{
    return map_remove(&peer->asked, id);
}

static void answer_pending(struct pending *pending, const struct jsonrpc_answer *answer)
{
    struct pending taken = *pending;
    mem_free(pending);
    taken.on_answer(taken.user, answer);
}

/* Any of the answers may free the peer or drop other requests: look anew each time. */
static void answer_all_closed(struct jsonrpc_peer *peer)
{
    const struct jsonrpc_answer answer = {
        .status = STATUS_CLOSED,
        .error_text = STR("The other side has closed the connection"),
    };
    while (!peer->freed && map_count(&peer->asked) > 0) {
        size_t at = 0;
        struct str key;
        void *pending;
        map_next(&peer->asked, &at, &key, &pending);
        take_pending(peer, key);
        answer_pending(pending, &answer);
    }
}

static void close_peer(struct jsonrpc_peer *peer, enum status status)
{
    if (peer->is_closed || peer->freed)
        return;
    peer->is_closed = true;
    loop_stream_read_stop(peer->stream);
    answer_all_closed(peer);
    if (!peer->freed)
        peer->handlers.on_closed(peer->user, status);
}

static void close_after_failure(void *user)
{
    struct jsonrpc_peer *peer = user;
    close_peer(peer, peer->failure);
    drop(peer);
}

static void fail_output(struct jsonrpc_peer *peer, enum status status)
{
    if (peer->is_output_dead)
        return;
    peer->is_output_dead = true;
    peer->failure = status;
    loop_defer(peer->loop, close_after_failure, hold(peer));
}

/* -- Writing ---------------------------------------------------------------------------------- */

static void write_now(struct jsonrpc_peer *peer, struct buf *bytes)
{
    enum status status =
        peer->is_output_dead ? STATUS_CLOSED : loop_stream_write(peer->stream, bytes);
    buf_finish(bytes);
    if (status < 0)
        fail_output(peer, status);
}

static void write_gathered(struct jsonrpc_peer *peer)
{
    struct buf bytes = {0};
    buf_move(&bytes, &peer->gathered);
    if (bytes.len > 0)
        write_now(peer, &bytes);
}

static void end_gathering(void *user)
{
    struct jsonrpc_peer *peer = user;
    peer->is_gathering = false;
    if (!peer->freed)
        write_gathered(peer);
    drop(peer);
}

/* Small frames of one turn are one write: the reader is woken once, and what the turn is really
 * about (the next request) does not wait behind it. */
static void write_bytes(struct jsonrpc_peer *peer, struct buf *bytes)
{
    if (peer->gathered.len + bytes->len > GATHERED_BYTES)
        write_gathered(peer);
    if (bytes->len > GATHERED_BYTES) {
        write_now(peer, bytes);
        return;
    }
    buf_append(&peer->gathered, buf_str(bytes));
    buf_finish(bytes);
    if (!peer->is_gathering)
        loop_before_wait(peer->loop, end_gathering, hold(peer));
    peer->is_gathering = true;
}

/* Frames `head` + `value` + "}": the value, which may be big, is copied once. Takes the head. */
static void send_message(struct jsonrpc_peer *peer, struct buf *head, struct str value)
{
    struct buf frame = {0};
    size_t length = head->len + value.len + 1;
    buf_reserve(&frame, length + 48);
    buf_append_fmt(&frame, "Content-Length: %zu\r\n\r\n", length);
    buf_append(&frame, buf_str(head));
    buf_append(&frame, value);
    buf_append_byte(&frame, '}');
    buf_finish(head);
    if (peer->handlers.on_traffic && !peer->is_output_dead)
        peer->handlers.on_traffic(peer->user, true, str_skip(buf_str(&frame), frame.len - length));
    write_bytes(peer, &frame);
}

static void send_call(struct jsonrpc_peer *peer, struct str id, const char *method,
                      struct str params)
{
    struct buf head = {0};
    buf_append(&head, STR("{\"jsonrpc\":\"2.0\","));
    if (id.len > 0)
        buf_append_fmt(&head, "\"id\":" STR_FMT ",", STR_ARG(id));
    buf_append(&head, STR("\"method\":"));
    json_append_quoted(&head, str_from(method));
    if (params.len > 0)
        buf_append(&head, STR(",\"params\":"));
    send_message(peer, &head, params);
}

static void send_result(struct jsonrpc_peer *peer, struct str id, struct str result)
{
    struct buf head = {0};
    buf_append_fmt(&head, "{\"jsonrpc\":\"2.0\",\"id\":" STR_FMT ",\"result\":", STR_ARG(id));
    send_message(peer, &head, result.len > 0 ? result : STR("null"));
}

static void send_error(struct jsonrpc_peer *peer, struct str id, int code, struct str text)
{
    struct buf head = {0};
    buf_append_fmt(&head,
                   "{\"jsonrpc\":\"2.0\",\"id\":" STR_FMT ",\"error\":{\"code\":%d,\"message\":",
                   STR_ARG(id), code);
    json_append_quoted(&head, text);
    send_message(peer, &head, STR("}"));
}

/* -- Reading ---------------------------------------------------------------------------------- */

static void handle_refused(struct jsonrpc_peer *peer, const struct message *message)
{
    log_line(LOG_WARN, "rpc_refused code=%d reason=\"%s\"", message->code, message->err.text);
    send_error(peer, message->id, message->code, str_from(message->err.text));
}

static void handle_request(struct jsonrpc_peer *peer, const struct message *message)
{
    if (map_has(&peer->open, message->id)) {
        send_error(peer, message->id, JSONRPC_INVALID_REQUEST,
                   STR("This id belongs to a request that is still open: use each id once"));
        return;
    }
    if (map_count(&peer->open) >= LIMIT_JSONRPC_PENDING_COUNT) {
        send_error(peer, message->id, JSONRPC_REQUEST_FAILED,
                   STR("Too many requests are open: wait for answers"));
        return;
    }
    map_set(&peer->open, message->id, peer);
    const struct jsonrpc_message out = {
        .method = message->method,
        .id = message->id,
        .params = message->params.len > 0 ? json_get(message->root, "params") : NULL,
        .raw_params = message->params,
    };
    peer->handlers.on_request(peer->user, &out);
}

static void handle_notification(struct jsonrpc_peer *peer, const struct message *message)
{
    const struct jsonrpc_message out = {
        .method = message->method,
        .params = message->params.len > 0 ? json_get(message->root, "params") : NULL,
        .raw_params = message->params,
    };
    peer->handlers.on_notification(peer->user, &out);
}

/* One that we dropped may still be answered: that is no news. */
static void note_unknown_response(struct jsonrpc_peer *peer, struct str id)
{
    int64_t number;
    bool was_ours = str_to_int64(id, &number) && number > 0 && number <= peer->last_id;
    log_line(was_ours ? LOG_DEBUG : LOG_WARN, "rpc_response_unknown id=" STR_FMT,
             STR_ARG(str_slice(id, 0, 64)));
}

static void handle_response(struct jsonrpc_peer *peer, const struct message *message)
{
    struct pending *pending = take_pending(peer, message->id);
    if (!pending) {
        note_unknown_response(peer, message->id);
        return;
    }
    if (peer->handlers.on_round_trip)
        peer->handlers.on_round_trip(peer->user, pending->method, pending->asked_ms);
    const struct json_value *error = json_get(message->root, "error");
    struct jsonrpc_answer answer = {0};
    if (message->result.len > 0 && !json_is(error, JSON_OBJECT)) {
        answer.result = json_get(message->root, "result");
        answer.raw_result = message->result;
    } else {
        answer.status = STATUS_INVALID;
        answer.error_code = (int)json_get_int(error, "code", JSONRPC_INTERNAL_ERROR);
        answer.error_text = json_get_str(error, "message");
    }
    answer_pending(pending, &answer);
}

/* One without a method that carries an id of ours is an answer of which nothing else is known. */
static bool answer_unreadable(struct jsonrpc_peer *peer, const struct message *message)
{
    struct pending *pending = NULL;
    if (message->method.len == 0 && message->code != JSONRPC_PARSE_ERROR)
        pending = take_pending(peer, message->id);
    if (!pending)
        return false;
    const struct jsonrpc_answer answer = {
        .status = STATUS_INVALID,
        .error_code = JSONRPC_INTERNAL_ERROR,
        .error_text = str_from(message->err.text),
    };
    answer_pending(pending, &answer);
    return true;
}

static void handle_unreadable(struct jsonrpc_peer *peer, const struct message *message)
{
    log_line(LOG_WARN, "rpc_unreadable method=" STR_FMT " reason=\"%s\"",
             STR_ARG(str_slice(message->method, 0, 80)), message->err.text);
    if (answer_unreadable(peer, message))
        return;
    bool is_request = message->method.len > 0 && message->id.len > 0;
    if (is_request || message->code == JSONRPC_PARSE_ERROR)
        send_error(peer, message->id, message->code, str_from(message->err.text));
    peer->handlers.on_unreadable(peer->user, message->method, buf_str(&message->uri_text),
                                 &message->err);
}

static void handle_message(struct jsonrpc_peer *peer, struct message *message)
{
    static void (*const handle[])(struct jsonrpc_peer *, const struct message *) = {
        [MESSAGE_REQUEST] = handle_request,       [MESSAGE_NOTIFICATION] = handle_notification,
        [MESSAGE_RESPONSE] = handle_response,     [MESSAGE_REFUSED] = handle_refused,
        [MESSAGE_UNREADABLE] = handle_unreadable,
    };
    handle[message->kind](peer, message);
    message_finish(message);
}

static void on_body(void *user, struct str body)
{
    struct jsonrpc_peer *peer = user;
    struct message message;
    /* After a failure the rest of what was read is not acted on. */
    if (peer->is_closed)
        return;
    if (peer->handlers.on_traffic)
        peer->handlers.on_traffic(peer->user, false, body);
    message_read(body, &message);
    handle_message(peer, &message);
}

static void on_oversize(void *user, struct str head, struct str tail, uint64_t length)
{
    struct message message;
    message_read_ends(head, tail, length, &message);
    handle_message(user, &message);
}

static void on_bad_header(void *user, const struct err *err)
{
    log_line(LOG_WARN, "rpc_bad_header reason=\"%s\"", err->text);
    send_error(user, STR("null"), JSONRPC_PARSE_ERROR, str_from(err->text));
}

static void on_data(void *user, struct str bytes)
{
    struct jsonrpc_peer *peer = hold(user);
    jsonrpc_frames_push(peer->frames, bytes);
    drop(peer);
}

static void on_end(void *user, enum status status)
{
    struct jsonrpc_peer *peer = hold(user);
    close_peer(peer, status);
    drop(peer);
}

/* -- Flushing --------------------------------------------------------------------------------- */

static void on_drain(void *user)
{
    struct jsonrpc_peer *peer = hold(user);
    size_t count = peer->flushes.len;
    for (size_t i = 0; i < count && !peer->freed; i++) {
        struct flush flush = peer->flushes.ptr[0];
        vec_remove(&peer->flushes, 0);
        flush.on_flushed(flush.user);
    }
    drop(peer);
}

static void flush_now(void *user)
{
    struct flush *flush = user;
    struct flush taken = *flush;
    mem_free(flush);
    if (!taken.peer->freed)
        taken.on_flushed(taken.user);
    drop(taken.peer);
}

void jsonrpc_flush(struct jsonrpc_peer *peer, void (*on_flushed)(void *user), void *user)
{
    struct flush flush = {peer, on_flushed, user};
    write_gathered(peer);
    if (loop_stream_queued(peer->stream) > 0) {
        vec_push(&peer->flushes, flush);
        return;
    }
    hold(peer);
    loop_defer(peer->loop, flush_now, mem_dup(&flush, sizeof flush));
}

/* -- The door --------------------------------------------------------------------------------- */

static const struct loop_stream_handlers stream_handlers = {on_data, on_end, on_drain};
static const struct jsonrpc_frame_handlers frame_handlers = {on_body, on_oversize, on_bad_header};

struct jsonrpc_peer *jsonrpc_peer_new(struct loop *loop, int read_fd, int write_fd,
                                      const struct jsonrpc_handlers *handlers, void *user,
                                      struct err *err)
{
    struct jsonrpc_peer *peer = mem_new(struct jsonrpc_peer);
    peer->stream = loop_stream_new(loop, read_fd, write_fd, LIMIT_LSP_QUEUE_BYTES, &stream_handlers,
                                   peer, err);
    if (!peer->stream) {
        mem_free(peer);
        return NULL;
    }
    peer->frames = jsonrpc_frames_new(LIMIT_LSP_BODY_BYTES, &frame_handlers, peer);
    peer->loop = loop;
    peer->handlers = *handlers;
    peer->user = user;
    peer->refs = 1;
    return peer;
}

static void forget_asked(struct jsonrpc_peer *peer)
{
    struct str key;
    void *pending;
    for (size_t at = 0; map_next(&peer->asked, &at, &key, &pending);)
        mem_free(pending);
    map_finish(&peer->asked);
}

void jsonrpc_peer_free(struct jsonrpc_peer *peer)
{
    if (!peer)
        return;
    write_gathered(peer);
    peer->freed = true;
    loop_stream_free(peer->stream);
    jsonrpc_frames_free(peer->frames);
    forget_asked(peer);
    drop(peer);
}

void jsonrpc_peer_start(struct jsonrpc_peer *peer)
{
    loop_stream_read_start(peer->stream);
}

void jsonrpc_peer_stop_asking(struct jsonrpc_peer *peer)
{
    peer->asks_nothing = true;
}

int64_t jsonrpc_request(struct jsonrpc_peer *peer, const char *method, struct str params,
                        jsonrpc_answer_fn *on_answer, void *user)
{
    if (peer->is_closed || peer->is_output_dead || peer->asks_nothing ||
        map_count(&peer->asked) >= LIMIT_JSONRPC_PENDING_COUNT)
        return 0;
    struct pending *pending = mem_new(struct pending);
    pending->on_answer = on_answer;
    pending->user = user;
    pending->asked_ms = loop_now_ms(peer->loop);
    snprintf(pending->method, sizeof pending->method, "%s", method);
    char text[24];
    int length = snprintf(text, sizeof text, "%lld", (long long)++peer->last_id);
    struct str id = {text, (size_t)length};
    map_set(&peer->asked, id, pending);
    send_call(peer, id, method, params);
    return peer->last_id;
}

void jsonrpc_request_drop(struct jsonrpc_peer *peer, int64_t id)
{
    char text[24], params[40];
    int length = snprintf(text, sizeof text, "%lld", (long long)id);
    struct pending *pending = take_pending(peer, (struct str){text, (size_t)length});
    if (!pending)
        return;
    mem_free(pending);
    snprintf(params, sizeof params, "{\"id\":%s}", text);
    jsonrpc_notify(peer, "$/cancelRequest", str_from(params));
}

void jsonrpc_notify(struct jsonrpc_peer *peer, const char *method, struct str params)
{
    send_call(peer, STR(""), method, params);
}

/* True once for each request that came in. */
static bool close_request(struct jsonrpc_peer *peer, struct str id)
{
    if (map_remove(&peer->open, id))
        return true;
    log_line(LOG_ERROR, "rpc_answer_without_request id=" STR_FMT, STR_ARG(str_slice(id, 0, 64)));
    return false;
}

void jsonrpc_respond(struct jsonrpc_peer *peer, struct str id, struct str result)
{
    if (close_request(peer, id))
        send_result(peer, id, result);
}

void jsonrpc_respond_error(struct jsonrpc_peer *peer, struct str id, int code, const char *format,
                           ...)
{
    if (!close_request(peer, id))
        return;
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    send_error(peer, id, code, buf_str(&text));
    buf_finish(&text);
}

void jsonrpc_write_raw(struct jsonrpc_peer *peer, struct str bytes)
{
    struct buf copy = {0};
    buf_append(&copy, bytes);
    write_bytes(peer, &copy);
}
