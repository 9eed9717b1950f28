/* transport_env over net: WebSocket connections and HTTP exchanges to the configured endpoint: one
 * object, with one way to begin and to end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lanebridge/json.h>

#include "wire-internal.h"

enum {
    ERROR_BODY_BYTES = 64 * 1024,
    LINGER_MS = 1000, /* for the end of an answer whose last event has come */
    BEHIND_MS = 20,   /* less than a new connection costs */
};

static enum status init_target(struct target *target, struct wire *wire, enum transport_kind kind,
                               struct err *err)
{
    const char *socket = wire->replay ? replay_child_socket(wire->replay) : NULL;
    return target_init(target, wire->config, &wire->key, socket, kind, err);
}

/* on_closed on the next loop turn: nothing calls back before open() or send() has returned. */
void link_fail_later(struct link *link, enum status status, const char *text)
{
    link->failure = (struct err){.status = status};
    snprintf(link->failure.text, sizeof(link->failure.text), "%s", text);
    loop_timer_start(link->later, 0, 0);
}

/* -- Keeping connections ------------------------------------------------------------------------
 * The last event of an answer is acted upon before the answer has ended: a few bytes are missing
 * until its connection can carry the next exchange. So it is not dropped with the link, and who
 * wants a connection at that moment waits for it a little. */

static void forget(struct links *links, const struct link *link);
static void link_free(struct link *link);

static bool is_among(const struct links *links, const struct link *link)
{
    for (size_t i = 0; i < links->len; i++)
        if (links->ptr[i] == link)
            return true;
    return false;
}

static void linger(struct link *link)
{
    vec_push(&link->wire->lingering, link);
    loop_timer_start(link->later, LINGER_MS, 0);
}

static void end_lingering(struct link *link)
{
    struct wire *wire = link->wire;
    link_free(link);
    if (wire->behind.len == 0)
        return;
    struct link *next = wire->behind.ptr[0];
    vec_remove(&wire->behind, 0);
    loop_timer_stop(next->later);
    link_open(next);
}

static bool waits_behind(struct link *link)
{
    if (link->kind != TRANSPORT_HTTP || link->waited || link->wire->lingering.len == 0)
        return false;
    link->waited = true;
    vec_push(&link->wire->behind, link);
    loop_timer_start(link->later, BEHIND_MS, 0);
    return true;
}

static void note_last_event(struct link *link, struct str event)
{
    link->answered |= str_eq_c(event, "response.completed") ||
                      str_eq_c(event, "response.incomplete") || str_eq_c(event, "response.failed");
}

/* -- Callbacks of net -------------------------------------------------------------------------- */

static void on_closed(void *user, const struct net_close *closed)
{
    struct link *link = user;
    if (link->ws && !link->opened && link_retries_key(link, closed->http_status))
        return;
    struct transport_close out = {.status = closed->status,
                                  .was_open = closed->was_open,
                                  .http_status = closed->http_status,
                                  .close_code = closed->close_code,
                                  .retry_after_ms = closed->retry_after_ms,
                                  .no_key = link->failure.status == STATUS_AUTH};
    memcpy(out.request_id, closed->request_id, sizeof(out.request_id));
    memcpy(out.text, closed->text, sizeof(out.text));
    link->handlers.on_closed(link->user, &out);
}

static void on_ws_open(void *user)
{
    struct link *link = user;
    link->opened = true;
    link->handlers.on_open(link->user);
}

static void on_ws_message(void *user, struct str text)
{
    struct link *link = user;
    link->transport.counters.frames_received++;
    link->transport.counters.bytes_received += text.len;
    link->handlers.on_message(link->user, text);
}

static void on_ws_alive(void *user)
{
    struct link *link = user;
    link->handlers.on_alive(link->user);
}

static const struct net_ws_handlers ws_handlers = {.on_open = on_ws_open,
                                                   .on_message = on_ws_message,
                                                   .on_alive = on_ws_alive,
                                                   .on_closed = on_closed};

static void on_sse_event(void *user, struct str event, struct str data)
{
    struct link *link = user;
    if (str_eq_c(data, "[DONE]") || is_among(&link->wire->lingering, link))
        return;
    note_last_event(link, event);
    link->transport.counters.frames_received++;
    link->transport.counters.bytes_received += data.len;
    link->handlers.on_message(link->user, data);
}

static void on_http_head(void *user, int status, struct str content_type)
{
    struct link *link = user;
    link->http_status = status;
    if (status == 200 && link->kind == TRANSPORT_HTTP &&
        str_starts_with(content_type, STR("text/event-stream")))
        link->sse =
            net_sse_new((size_t)link->wire->config->endpoint_max_event_bytes, on_sse_event, link);
}

static void push_events(struct link *link, struct str bytes)
{
    if (net_sse_push(link->sse, bytes) == STATUS_LIMIT)
        link_fail_later(link, STATUS_LIMIT,
                        "the endpoint sent an event larger than endpoint.maxEventBytes");
}

static size_t answer_limit(const struct link *link)
{
    bool is_whole_answer = link->kind == TRANSPORT_COMPACT && link->http_status == 200;
    return is_whole_answer ? (size_t)link->wire->config->endpoint_max_event_bytes
                           : ERROR_BODY_BYTES;
}

/* The owner may close the link at any event, so events come last; that bytes came is told by them.
 */
static void on_http_body(void *user, struct str bytes)
{
    struct link *link = user;
    if (is_among(&link->wire->lingering, link))
        return;
    link->handlers.on_alive(link->user); /* first: the last event may free the link */
    if (link->sse)
        push_events(link, bytes);
    else if (link->answer.len + bytes.len <= answer_limit(link))
        buf_append(&link->answer, bytes);
    else
        link->is_cut = true;
}

/* An HTTP error's body carries the same error object as an error event does: make it one. */
static void deliver_error_body(struct link *link, int64_t retry_after_ms)
{
    struct str error;
    if (json_raw_member(buf_str(&link->answer), "error", &error) != STATUS_OK)
        return;
    struct buf event = {0};
    struct json_writer w;
    json_writer_init(&w, &event);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "error");
    json_write_field_int(&w, "status", link->http_status);
    if (retry_after_ms >= 0)
        json_write_field_int(&w, "retry_after_ms", retry_after_ms);
    json_write_field_raw(&w, "error", error);
    json_write_end_object(&w);
    link->handlers.on_message(link->user, buf_str(&event));
    buf_finish(&event);
}

/* The owner may free the link when it hears of the error, so the close is told later. */
static void handle_refusal(struct link *link, const struct net_close *closed)
{
    char text[sizeof(link->failure.text)];
    snprintf(text, sizeof(text),
             "the endpoint answered HTTP %d without an event stream; check endpoint.url",
             link->http_status);
    if (link->http_status >= 400)
        net_close_describe(closed, text, sizeof(text));
    link->retry_after_ms = closed->retry_after_ms;
    link_fail_later(link, STATUS_PROTOCOL, text);
    deliver_error_body(link, closed->retry_after_ms);
}

/* The whole answer to a compaction; told that it is over afterwards, as the owner may free the
 * link. */
static void deliver_answer(struct link *link, const struct net_close *closed)
{
    bool is_whole = closed->status == STATUS_OK && !link->is_cut;
    link_fail_later(link, is_whole ? STATUS_CLOSED : STATUS_PROTOCOL,
                    is_whole ? "the answer is over"
                             : "the endpoint's answer broke off, or was larger than "
                               "endpoint.maxEventBytes");
    if (is_whole)
        link->handlers.on_message(link->user, buf_str(&link->answer));
}

static void on_http_closed(void *user, const struct net_close *closed)
{
    struct link *link = user;
    if (is_among(&link->wire->lingering, link)) {
        end_lingering(link);
        return;
    }
    struct net_close out = *closed;
    out.was_open = link->http_status == 200;
    if (link_retries_key(link, link->http_status))
        return;
    link->is_over = true;
    if (link->kind == TRANSPORT_COMPACT && link->http_status == 200) {
        deliver_answer(link, closed);
        return;
    }
    if (!link->sse && link->http_status != 0) {
        handle_refusal(link, closed);
        return;
    }
    on_closed(link, &out);
}

static const struct net_http_handlers http_handlers = {
    .on_head = on_http_head, .on_body = on_http_body, .on_closed = on_http_closed};

/* -- Opening
 * ------------------------------------------------------------------------------------------------
 */

/* Where the same 6 KiB of tools go out with every request, over a network. Elsewhere there is
 * little to gain, and what is compressed together says something about itself by its length. */
static bool gains_by_deflate(const struct wire *wire, const struct net_url *url)
{
    return url->tls && wire->responses &&
           responses_repeats_tools(wire->responses, str_from(wire->config->model));
}

static void start_ws(struct link *link)
{
    struct target target;
    struct err err = {0};
    if (init_target(&target, link->wire, link->kind, &err) == STATUS_OK) {
        target.net.deflate = gains_by_deflate(link->wire, &target.net.url);
        link->ws = net_ws_open(link->wire->net, &target.net, &ws_handlers, link, &err);
    }
    if (!link->ws)
        link_fail_later(link, err.status, err.text);
    target_finish(&target);
}

static void on_later(void *user)
{
    struct link *link = user;
    if (is_among(&link->wire->lingering, link)) {
        end_lingering(link);
        return;
    }
    if (is_among(&link->wire->behind, link)) {
        forget(&link->wire->behind, link);
        link_open(link);
        return;
    }
    if (link->failure.status == STATUS_OK) {
        link->opened = true; /* an HTTP exchange begins with its body: it is open at once */
        link->handlers.on_open(link->user);
        return;
    }
    struct net_close closed = {.status = link->failure.status,
                               .http_status = link->http_status,
                               .retry_after_ms = link->retry_after_ms};
    snprintf(closed.text, sizeof(closed.text), "%.*s", (int)sizeof(closed.text) - 1,
             link->failure.text);
    on_closed(link, &closed);
}

/* A failure is told by on_closed. */
static void start_http(struct link *link)
{
    struct target target;
    struct err err = {0};
    struct buf body = {0};
    if (link_may_retry_key(link))
        buf_append(&body, buf_str(&link->body)); /* it may have to be sent again */
    else
        buf_move(&body, &link->body);
    if (init_target(&target, link->wire, link->kind, &err) == STATUS_OK) {
        target_add(&target, "accept",
                   link->kind == TRANSPORT_COMPACT ? "application/json" : "text/event-stream");
        link->http =
            net_http_open(link->wire->net, "POST", &target.net, &body, &http_handlers, link, &err);
    }
    if (!link->http)
        link_fail_later(link, err.status, err.text);
    buf_finish(&body);
    target_finish(&target);
}

void link_open(struct link *link)
{
    if (waits_behind(link))
        return;
    bool was_waited_for = link->transport.prepares;
    link->transport.prepares = link->transport.asks = link->asks = false;
    if (link->kind == TRANSPORT_WEBSOCKET)
        start_ws(link);
    else
        start_http(link);
    if (was_waited_for) /* last: the owner's deadline begins now, and it may do anything */
        link->handlers.on_alive(link->user);
}

static enum status link_send(struct transport *transport, struct buf *message)
{
    struct link *link = (struct link *)transport;
    size_t len = message->len;
    enum status status = STATUS_OK;
    if (link->kind == TRANSPORT_WEBSOCKET)
        status = link->ws ? net_ws_send(link->ws, message) : STATUS_CLOSED;
    else if (link->http || link->body.len > 0)
        status = STATUS_CLOSED;
    else
        buf_move(&link->body, message);
    if (link->kind != TRANSPORT_WEBSOCKET && status == STATUS_OK &&
        !is_among(&link->wire->waiting, link))
        link_connect(link);
    if (status == STATUS_OK) {
        link->transport.counters.frames_sent++;
        link->transport.counters.bytes_sent += len;
    }
    return status;
}

static void link_ping(struct transport *transport)
{
    struct link *link = (struct link *)transport;
    if (link->ws)
        net_ws_ping(link->ws);
}

static void forget(struct links *links, const struct link *link)
{
    for (size_t i = 0; i < links->len; i++)
        if (links->ptr[i] == link)
            vec_remove(links, i--);
}

static void link_free(struct link *link)
{
    struct links *const lists[] = {&link->wire->waiting, &link->wire->wanting,
                                   &link->wire->lingering, &link->wire->behind};
    if (link->http)
        net_http_free(link->http);
    if (link->sse)
        net_sse_free(link->sse);
    for (size_t i = 0; i < array_count(lists); i++)
        forget(lists[i], link);
    loop_timer_free(link->later);
    buf_finish(&link->body);
    buf_finish(&link->answer);
    mem_free(link);
}

static void link_close(struct transport *transport, unsigned code, const char *reason)
{
    struct link *link = (struct link *)transport;
    if (link->ws)
        net_ws_free(link->ws, code, reason);
    if (link->http && link->answered && !link->is_over)
        linger(link);
    else
        link_free(link);
}

static const struct transport_ops link_ops = {
    .send = link_send, .ping = link_ping, .close = link_close};

static void start(struct link *link)
{
    if (link->kind == TRANSPORT_WEBSOCKET || link->body.len > 0)
        link_connect(link);
    else
        loop_timer_start(link->later, 0, 0); /* over HTTP it connects when it has the body */
}

static void on_replay_ready(void *user, enum status status, const char *text)
{
    struct wire *wire = user;
    wire->replay_ready = status == STATUS_OK;
    while (wire->waiting.len > 0) {
        struct link *link = vec_pop(&wire->waiting);
        if (status < 0)
            link_fail_later(link, status, text);
        else
            start(link);
    }
}

/* The replay endpoint's child, started at the first open and again when it has died. */
static enum status need_replay(struct wire *wire, struct err *err)
{
    if (wire->replay && !replay_child_is_alive(wire->replay)) {
        replay_child_free(wire->replay);
        wire->replay = NULL;
    }
    if (wire->replay)
        return STATUS_OK;
    struct buf file = {0};
    enum status status = STATUS_OK;
    target_append_replay_file(wire->config, &file);
    wire->replay_ready = false;
    if (access(file.ptr, R_OK) < 0)
        status =
            err_set_errno(err, errno, "endpoint.url: the replay file %s cannot be read", file.ptr);
    else
        wire->replay =
            replay_child_new(wire->loop, buf_str(&file), wire->env, on_replay_ready, wire, err);
    buf_finish(&file);
    return status < 0 || wire->replay ? status : STATUS_IO;
}

/* What can be known at once is said at once: a bad URL, a missing key. */
static enum status check(struct wire *wire, enum transport_kind kind, bool *ret_asks,
                         struct err *err)
{
    *ret_asks = false;
    if (target_is_replay(wire->config))
        return need_replay(wire, err);
    struct target probe;
    enum status status = init_target(&probe, wire, kind, err);
    target_finish(&probe);
    *ret_asks = status == STATUS_AUTH && wire_can_ask(wire);
    return *ret_asks ? STATUS_OK : status;
}

struct transport *wire_open(void *user, enum transport_kind kind,
                            const struct transport_handlers *handlers, void *handlers_user,
                            struct err *err)
{
    struct wire *wire = user;
    bool asks;
    if (check(wire, kind, &asks, err) < 0)
        return NULL;
    struct link *link = mem_new(struct link);
    link->asks = asks;
    link->retry_after_ms = -1;
    link->transport.ops = &link_ops;
    link->wire = wire;
    link->kind = kind;
    link->handlers = *handlers;
    link->user = handlers_user;
    link->later = loop_timer_new(wire->loop, on_later, link);
    if (target_is_replay(wire->config) && !wire->replay_ready) {
        link->transport.prepares = true;
        vec_push(&wire->waiting, link);
    } else {
        start(link);
    }
    return &link->transport;
}

struct wire *wire_new(struct loop *loop, struct net *net, const struct config *config,
                      const struct config_env *env)
{
    struct wire *wire = mem_new(struct wire);
    wire->loop = loop;
    wire->net = net;
    wire->config = config;
    wire->env = env;
    return wire;
}

void wire_free(struct wire *wire)
{
    if (!wire)
        return;
    while (wire->lingering.len > 0)
        link_free(vec_last(&wire->lingering));
    vec_finish(&wire->lingering);
    vec_finish(&wire->behind);
    replay_child_free(wire->replay);
    key_run_cancel(wire->key_run);
    if (wire->is_asking)
        wire->asker.drop(wire->asker.user, wire);
    vec_finish(&wire->waiting);
    vec_finish(&wire->wanting);
    wire_forget_key(wire);
    buf_finish(&wire->key);
    mem_free(wire);
}

void wire_set_responses(struct wire *wire, const struct responses *responses)
{
    wire->responses = responses;
}
