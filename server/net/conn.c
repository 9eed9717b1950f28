/* A WebSocket that came in: on the far side frames in and out, on the near one its owner. */
#include <stdatomic.h>
#include <stdio.h>

#include "server-internal.h"

struct net_server_conn {
    struct net_owned owned;
    void *user;
    bool closing;          /* no message in or out any more */
    _Atomic size_t queued; /* bytes unsent, on either side; the one thing both write */
    struct loop_timer *flush_timer;
};

struct conn {
    struct net_accepted accepted;
    struct net_frames frames;
    struct net_server_conn *near; /* NULL after the last note */
    bool closing;                 /* no message in or out any more, but what is queued */
    bool peer_closing;            /* not even that */
    unsigned code;
    char reason[NET_REASON_BYTES];
};

/* -- Near: what is told ------------------------------------------------------------------------ */

static void hear_open(struct net_note *note)
{
    struct net_server_conn *conn = note->target;
    struct net_server *server = note->data;
    conn->owned.net = note->net;
    conn->owned.handle = note->handle;
    if (net_owned_init(&conn->owned, server))
        conn->user = server->handlers.on_conn(server->user, conn);
}

static void hear_message(struct net_note *note)
{
    struct net_server_conn *conn = note->target;
    if (conn->owned.server && !conn->closing)
        conn->owned.server->handlers.on_message(conn->user, note->text);
}

static void hear_closing(struct net_note *note)
{
    struct net_server_conn *conn = note->target;
    conn->closing = true;
}

/* The last note. */
static void hear_closed(struct net_note *note)
{
    struct net_server_conn *conn = note->target;
    struct net_server *server = conn->owned.server;
    conn->closing = true;
    net_owned_finish(&conn->owned);
    if (conn->flush_timer)
        loop_timer_free(conn->flush_timer);
    conn->flush_timer = NULL;
    if (server)
        server->handlers.on_conn_closed(conn->user);
    mem_free(conn);
}

/* -- Far
 * ----------------------------------------------------------------------------------------------------
 */

static struct conn *from_sock(struct net_sock *sock)
{
    return container_of(sock, struct conn, accepted.sock);
}

static struct lws *writable_wsi(const struct conn *conn)
{
    const struct net_sock *sock = &conn->accepted.sock;
    return conn->peer_closing || sock->closing ? NULL : sock->wsi;
}

static void tell(struct conn *conn, void (*run)(struct net_note *note), struct str text)
{
    struct net_note note = {.run = run, .target = conn->near, .text = text};
    if (conn->near)
        net_tell_near(conn->accepted.sock.net, &note);
}

static void tell_closed(struct conn *conn)
{
    struct net_note note = {.run = hear_closed, .target = conn->near};
    bool owned = conn->near != NULL;
    conn->near = NULL;
    if (owned)
        net_tell_near(conn->accepted.sock.net, &note);
}

static void set_closing(struct conn *conn)
{
    conn->closing = true;
    tell(conn, hear_closing, (struct str){0});
}

/* before: what was queued when this began. */
static void count_written(struct conn *conn, size_t before)
{
    if (conn->near)
        atomic_fetch_sub(&conn->near->queued, before - conn->frames.queued);
}

static int handle_receive(struct conn *conn, const void *in, size_t len)
{
    struct str message;
    struct net_violation violation;
    if (conn->closing || !conn->accepted.server)
        return 0;
    switch (
        net_frames_receive(&conn->frames, conn->accepted.sock.wsi, in, len, &message, &violation)) {
    case NET_RECEIVED_MESSAGE:
        net_accepted_count(&conn->accepted, 0);
        tell(conn, hear_message, message);
        break;
    case NET_RECEIVED_BAD:
        set_closing(conn);
        net_sock_kill(&conn->accepted.sock, violation.close_code, violation.text);
        break;
    case NET_RECEIVED_PART:
        if (net_accepted_count(&conn->accepted, conn->frames.incoming.cap))
            break;
        set_closing(conn);
        net_sock_kill(&conn->accepted.sock, 1013, "too much is being sent to this server");
        break;
    }
    return 0;
}

static int handle_writable(struct conn *conn)
{
    struct lws *wsi = writable_wsi(conn);
    size_t before = conn->frames.queued;
    if (!wsi)
        return 0;
    if (!net_frames_flush(&conn->frames, wsi))
        return -1;
    count_written(conn, before);
    if (!conn->closing || conn->frames.first)
        return 0;
    if (lws_partial_buffered(wsi))
        lws_callback_on_writable(wsi);
    else
        net_sock_kill(&conn->accepted.sock, conn->code, conn->reason);
    return 0;
}

static int on_event(struct net_sock *sock, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct conn *conn = from_sock(sock);
    switch ((int)reason) {
    case LWS_CALLBACK_RECEIVE:
        return handle_receive(conn, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return handle_writable(conn);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        conn->peer_closing = true;
        set_closing(conn);
        return 0;
    case LWS_CALLBACK_CLOSED:
        tell_closed(conn);
        return 0;
    default:
        return 0;
    }
}

static void on_gone(struct net_sock *sock)
{
    struct conn *conn = from_sock(sock);
    tell_closed(conn);
    net_accepted_finish(&conn->accepted);
    net_frames_finish(&conn->frames);
    mem_free(conn);
}

static const struct net_sock_ops ops = {.on_event = on_event, .on_gone = on_gone};

int net_conn_on_established(struct net_server *server, struct lws *wsi)
{
    struct conn *conn = mem_new(struct conn);
    net_accepted_init(&conn->accepted, server, wsi, &ops);
    conn->frames.max = server->max_message_bytes;
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    conn->near = mem_new(struct net_server_conn);
    struct net_note note = {.run = hear_open,
                            .target = conn->near,
                            .handle = conn->accepted.sock.handle,
                            .data = server};
    net_tell_near(server->net, &note);
    return 0;
}

static struct conn *find(struct net_note *note)
{
    struct net_sock *sock = net_sock_find(note->net, note->handle, &ops);
    return sock ? from_sock(sock) : NULL;
}

static void send_far(struct net_note *note)
{
    struct conn *conn = find(note);
    if (!conn || conn->accepted.sock.closing)
        return;
    size_t before = conn->frames.queued + note->bytes.len;
    net_frames_push(&conn->frames, writable_wsi(conn), &note->bytes);
    count_written(conn, before);
}

static void close_far(struct net_note *note)
{
    struct conn *conn = find(note);
    if (!conn || conn->closing)
        return;
    struct lws *wsi = writable_wsi(conn);
    conn->closing = true;
    conn->code = note->code;
    snprintf(conn->reason, sizeof(conn->reason), "%s", note->bytes.len ? note->bytes.ptr : "");
    if (note->code == 0 || !wsi)
        net_sock_kill(&conn->accepted.sock, 0, NULL);
    else
        lws_callback_on_writable(wsi);
}

/* -- Near: the owner's side -------------------------------------------------------------------- */

enum status net_server_send(struct net_server_conn *conn, struct buf *message)
{
    struct net_note note = {.run = send_far, .handle = conn->owned.handle};
    if (conn->closing)
        return STATUS_CLOSED;
    size_t queued = atomic_load(&conn->queued);
    /* As net_frames_push has it: one message as large as an event may be, where little is before
     * it. */
    bool is_short = queued <= LIMIT_ENDPOINT_UNREAD_BYTES;
    if (queued + message->len > (is_short ? LIMIT_EVENT_BYTES : LIMIT_WS_QUEUE_BYTES))
        return STATUS_LIMIT;
    atomic_fetch_add(&conn->queued, message->len);
    buf_move(&note.bytes, message);
    net_tell_far(conn->owned.net, &note);
    return STATUS_OK;
}

size_t net_server_queued(const struct net_server_conn *conn)
{
    return atomic_load(&conn->queued);
}

static void on_flush_timeout(void *user)
{
    struct net_server_conn *conn = user;
    net_tell_kill(conn->owned.net, conn->owned.handle, 0, NULL);
}

void net_server_close(struct net_server_conn *conn, unsigned code, const char *reason)
{
    struct net_note note = {.run = close_far, .handle = conn->owned.handle, .code = code};
    if (conn->closing)
        return;
    conn->closing = true;
    buf_append_c(&note.bytes, reason ? reason : "");
    if (code) {
        conn->flush_timer = loop_timer_new(conn->owned.net->loop, on_flush_timeout, conn);
        loop_timer_start(conn->flush_timer, NET_CLOSE_FLUSH_MS, 0);
    }
    net_tell_far(conn->owned.net, &note);
}
