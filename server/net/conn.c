/* A WebSocket that came in. */
#include <stdio.h>

#include "server-internal.h"

struct net_server_conn {
    struct net_accepted accepted;
    struct net_frames frames;
    void *user;
    bool closing;      /* no message in or out any more, but what is queued */
    bool peer_closing; /* not even that */
    bool told;         /* on_conn_closed was called */
    unsigned code;
    char reason[NET_REASON_BYTES];
    struct loop_timer *flush_timer;
};

static struct net_server_conn *from_sock(struct net_sock *sock)
{
    return container_of(sock, struct net_server_conn, accepted.sock);
}

static struct lws *writable_wsi(const struct net_server_conn *conn)
{
    const struct net_sock *sock = &conn->accepted.sock;
    return conn->peer_closing || sock->closing ? NULL : sock->wsi;
}

static void tell_closed(struct net_server_conn *conn)
{
    struct net_server *server = conn->accepted.server;
    if (conn->told || !server)
        return;
    conn->told = true;
    server->handlers.on_conn_closed(conn->user);
}

static int handle_receive(struct net_server_conn *conn, const void *in, size_t len)
{
    struct str message;
    struct net_violation violation;
    if (conn->closing || !conn->accepted.server)
        return 0;
    switch (
        net_frames_receive(&conn->frames, conn->accepted.sock.wsi, in, len, &message, &violation)) {
    case NET_RECEIVED_MESSAGE:
        net_accepted_count(&conn->accepted, 0);
        conn->accepted.server->handlers.on_message(conn->user, message);
        break;
    case NET_RECEIVED_BAD:
        conn->closing = true;
        net_sock_kill(&conn->accepted.sock, violation.close_code, violation.text);
        break;
    case NET_RECEIVED_PART:
        if (net_accepted_count(&conn->accepted, conn->frames.incoming.cap))
            break;
        conn->closing = true;
        net_sock_kill(&conn->accepted.sock, 1013, "too much is being sent to this server");
        break;
    }
    return 0;
}

static int handle_writable(struct net_server_conn *conn)
{
    struct lws *wsi = writable_wsi(conn);
    if (!wsi)
        return 0;
    if (!net_frames_flush(&conn->frames, wsi))
        return -1;
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
    struct net_server_conn *conn = from_sock(sock);
    switch ((int)reason) {
    case LWS_CALLBACK_RECEIVE:
        return handle_receive(conn, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return handle_writable(conn);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        conn->closing = conn->peer_closing = true;
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
    struct net_server_conn *conn = from_sock(sock);
    tell_closed(conn);
    net_accepted_finish(&conn->accepted);
    net_frames_finish(&conn->frames);
    if (conn->flush_timer)
        loop_timer_free(conn->flush_timer);
    mem_free(conn);
}

static const struct net_sock_ops ops = {.on_event = on_event, .on_gone = on_gone};

int net_conn_on_established(struct net_server *server, struct lws *wsi)
{
    struct net_server_conn *conn = mem_new(struct net_server_conn);
    net_accepted_init(&conn->accepted, server, wsi, &ops);
    conn->frames.max = server->max_message_bytes;
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    conn->user = server->handlers.on_conn(server->user, conn);
    return 0;
}

enum status net_server_send(struct net_server_conn *conn, struct buf *message)
{
    if (conn->closing || conn->accepted.sock.closing)
        return STATUS_CLOSED;
    return net_frames_push(&conn->frames, writable_wsi(conn), message);
}

size_t net_server_queued(const struct net_server_conn *conn)
{
    return conn->frames.queued;
}

static void on_flush_timeout(void *user)
{
    struct net_server_conn *conn = user;
    net_sock_kill(&conn->accepted.sock, 0, NULL);
}

void net_server_close(struct net_server_conn *conn, unsigned code, const char *reason)
{
    if (conn->closing)
        return;
    conn->closing = true;
    conn->code = code;
    snprintf(conn->reason, sizeof(conn->reason), "%s", reason ? reason : "");
    struct lws *wsi = writable_wsi(conn);
    if (code == 0 || !wsi) {
        net_sock_kill(&conn->accepted.sock, 0, NULL);
        return;
    }
    conn->flush_timer = loop_timer_new(conn->accepted.sock.net->loop, on_flush_timeout, conn);
    loop_timer_start(conn->flush_timer, NET_CLOSE_FLUSH_MS, 0);
    lws_callback_on_writable(wsi);
}
