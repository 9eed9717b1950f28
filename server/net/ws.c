#include <stdio.h>

#include "net-internal.h"

struct net_ws {
    struct net_link link;
    struct net_frames frames;
    struct net_ws_handlers handlers;
    void *user;
    bool closing; /* the peer has sent its close frame: nothing may be written any more */
};

static struct net_ws *from_link(struct net_link *link)
{
    return container_of(link, struct net_ws, link);
}

/* What may be written to now, or NULL. */
static struct lws *writable_wsi(const struct net_ws *ws)
{
    return ws->link.state == LINK_OPEN && !ws->closing && !ws->link.sock.closing ? ws->link.sock.wsi
                                                                                 : NULL;
}

static int handle_open(struct net_ws *ws)
{
    net_link_set_open(&ws->link);
    if (ws->frames.first || ws->frames.ping)
        lws_callback_on_writable(ws->link.sock.wsi);
    ws->handlers.on_open(ws->user);
    return 0;
}

static int handle_receive(struct net_ws *ws, const void *in, size_t len)
{
    struct str message;
    struct net_violation violation;
    enum net_received received =
        net_frames_receive(&ws->frames, ws->link.sock.wsi, in, len, &message, &violation);
    if (received == NET_RECEIVED_BAD) {
        ws->link.close.close_code = violation.close_code;
        net_link_note(&ws->link, violation.status, "%s; the connection was closed (%u)",
                      violation.text, violation.close_code);
        net_link_end(&ws->link, violation.close_code);
        return 0;
    }
    ws->handlers.on_alive(ws->user);
    if (received == NET_RECEIVED_MESSAGE && ws->link.state == LINK_OPEN)
        ws->handlers.on_message(ws->user, message);
    return 0;
}

/* 1002 is not among them: the library turns 1012 to 1014 ("restart", "try again later") into it.
 * Nor is 1009: STATUS_LIMIT is when we refused a message of theirs. */
static const struct code_status {
    unsigned code;
    enum status status;
} code_statuses[] = {
    {1000, STATUS_OK},       {1001, STATUS_OK},       {1005, STATUS_OK},
    {1003, STATUS_PROTOCOL}, {1007, STATUS_PROTOCOL}, {1008, STATUS_AUTH},
};

static enum status status_of_code(unsigned code)
{
    for (size_t i = 0; i < array_count(code_statuses); i++) {
        if (code_statuses[i].code == code)
            return code_statuses[i].status;
    }
    return STATUS_CLOSED;
}

static int handle_peer_close(struct net_ws *ws, const unsigned char *in, size_t len)
{
    char reason[NET_REASON_BYTES * 3] = "";
    unsigned code = 1005; /* a close frame without a code */
    if (len >= 2) {
        struct buf text = {0};
        code = (unsigned)in[0] << 8 | in[1];
        utf8_append_printable(&text, (struct str){(const char *)in + 2, len - 2});
        snprintf(reason, sizeof(reason), STR_FMT, STR_ARG(buf_str(&text)));
        buf_finish(&text);
    }
    ws->closing = true;
    ws->link.close.close_code = code;
    net_link_note(&ws->link, status_of_code(code), "the server closed the connection (%u%s%s)",
                  code, reason[0] ? ": " : "", reason);
    return 0; /* the library echoes the frame; CLIENT_CLOSED follows */
}

static int handle_writable(struct net_ws *ws)
{
    struct lws *wsi = writable_wsi(ws);
    return !wsi || net_frames_flush(&ws->frames, wsi) ? 0 : -1;
}

static int on_event(struct net_link *link, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct net_ws *ws = from_link(link);
    switch ((int)reason) {
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP: /* comes before the upgrade is judged */
        net_link_read_answer(link);
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        return handle_open(ws);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return handle_receive(ws, in, len);
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        ws->handlers.on_alive(ws->user);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return handle_writable(ws);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return handle_peer_close(ws, in, len);
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        net_link_end(link, 0);
        return 0;
    default:
        return 0;
    }
}

static void prepare(struct net_link *link, struct lws_client_connect_info *info)
{
}

static void on_closed(struct net_link *link)
{
    struct net_ws *ws = from_link(link);
    ws->handlers.on_closed(ws->user, &link->close);
}

static void release(struct net_link *link)
{
    struct net_ws *ws = from_link(link);
    net_link_finish(link);
    net_frames_finish(&ws->frames);
    mem_free(ws);
}

static const struct net_link_ops ops = {
    .kind = "WebSocket",
    .prepare = prepare,
    .on_event = on_event,
    .on_closed = on_closed,
    .release = release,
};

struct net_ws *net_ws_open(struct net *net, const struct net_target *target,
                           const struct net_ws_handlers *handlers, void *user, struct err *err)
{
    struct net_ws *ws = mem_new(struct net_ws);
    if (net_link_init(&ws->link, net, target, &ops, err) < 0) {
        mem_free(ws);
        return NULL;
    }
    ws->handlers = *handlers;
    ws->user = user;
    ws->frames.max = target->max_message_bytes ? target->max_message_bytes : LIMIT_EVENT_BYTES;
    return ws;
}

enum status net_ws_send(struct net_ws *ws, struct buf *message)
{
    if (ws->link.state == LINK_ENDED || ws->closing)
        return STATUS_CLOSED;
    return net_frames_push(&ws->frames, writable_wsi(ws), message);
}

void net_ws_ping(struct net_ws *ws)
{
    if (ws->link.state != LINK_ENDED && !ws->closing)
        net_frames_ping(&ws->frames, writable_wsi(ws));
}

void net_ws_free(struct net_ws *ws, unsigned code, const char *reason)
{
    if (ws)
        net_link_free(&ws->link, ws->closing ? 0 : code, reason);
}
