/* A WebSocket of ours: the upgrade, messages out in masked frames, messages in as they come. */
#define OPENSSL_SUPPRESS_DEPRECATED /* of SHA-1: see is_accepted */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "link-internal.h"

enum {
    KEY_BYTES = 24, /* 16 random bytes in base64 */
    ACCEPT_BYTES = 28,
    TURN_BYTES = 4 << 20,         /* written at most before others have their turn */
    COMPRESS_BYTES = 128,         /* shorter ones gain nothing */
    COMPRESS_MAX_BYTES = 1 << 20, /* longer ones would hold the loop for more than some 10 ms */
};

/* One outgoing message. */
struct message {
    struct message *next;
    struct buf bytes;
    size_t sent;
    bool compressed;
};

struct net_ws {
    struct net_link link;
    struct net_ws_handlers handlers;
    void *user;
    char key[KEY_BYTES + 1];
    struct net_reader reader;
    struct net_deflate *deflate; /* NULL: compression was not agreed on */
    bool offers;                 /* compression */
    struct message *first, *last;
    size_t queued; /* bytes of messages not handed to the stream yet */
    bool pings, pongs;
    char pong[NET_CONTROL_BYTES]; /* what the last ping said */
    size_t pong_len;
};

static struct net_ws *from_link(struct net_link *link)
{
    return container_of(link, struct net_ws, link);
}

/* -- Out */

static void write_frame(struct net_ws *ws, unsigned first, char *payload, size_t len)
{
    unsigned char head[NET_FRAME_HEAD_BYTES], mask[4];
    net_random(ws->link.net, mask, sizeof(mask));
    size_t head_len = net_frame_head(head, first, len, mask);
    net_frame_mask(payload, len, mask);
    net_stream_write(ws->link.stream, (struct str){(char *)head, head_len},
                     (struct str){payload, len});
}

static void write_close(struct net_ws *ws, unsigned code, const char *reason)
{
    char payload[NET_CONTROL_BYTES] = {(char)(code >> 8), (char)code};
    struct str text = str_from(reason);
    text.len = utf8_floor(text, sizeof(payload) - 2);
    if (text.len)
        memcpy(payload + 2, text.ptr, text.len);
    write_frame(ws, FRAME_FINAL | OPCODE_CLOSE, payload, code ? 2 + text.len : 0);
}

static void drop_first(struct net_ws *ws)
{
    struct message *message = ws->first;
    ws->first = message->next;
    if (!ws->first)
        ws->last = NULL;
    buf_finish(&message->bytes);
    mem_free(message);
}

static void compress(struct net_ws *ws, struct message *message)
{
    struct buf small = {0};
    if (!ws->deflate || message->bytes.len < COMPRESS_BYTES ||
        message->bytes.len > COMPRESS_MAX_BYTES)
        return;
    net_deflate_message(ws->deflate, buf_str(&message->bytes), &small);
    ws->queued = ws->queued - message->bytes.len + small.len;
    buf_move(&message->bytes, &small);
    message->compressed = true;
}

/* One frame, or one fragment of a message above NET_FRAME_BYTES. */
static void write_piece(struct net_ws *ws)
{
    struct message *message = ws->first;
    if (message->sent == 0)
        compress(ws, message);
    size_t whole = message->bytes.len, rest = whole - message->sent;
    size_t size = whole > NET_FRAME_BYTES && rest > NET_FRAGMENT_BYTES ? NET_FRAGMENT_BYTES : rest;
    unsigned first = (message->sent ? OPCODE_MORE : OPCODE_TEXT) |
                     (size == rest ? FRAME_FINAL : 0) |
                     (message->compressed && !message->sent ? FRAME_COMPRESSED : 0);
    write_frame(ws, first, message->bytes.ptr + message->sent, size);
    message->sent += size;
    ws->queued -= size;
    if (size == rest)
        drop_first(ws);
}

/* False: there is nothing to write. Control frames go first, also between fragments. */
static bool write_next(struct net_ws *ws)
{
    if (ws->pongs) {
        ws->pongs = false;
        write_frame(ws, FRAME_FINAL | OPCODE_PONG, ws->pong, ws->pong_len);
    } else if (ws->pings) {
        ws->pings = false;
        write_frame(ws, FRAME_FINAL | OPCODE_PING, NULL, 0);
    } else if (ws->first) {
        write_piece(ws);
    } else {
        return false;
    }
    return true;
}

/* Writes while the socket takes it. */
static void flush(struct net_ws *ws)
{
    size_t before = ws->queued;
    if (ws->link.state != LINK_OPEN)
        return;
    while (net_stream_unsent(ws->link.stream) == 0) {
        if (before - ws->queued > TURN_BYTES) {
            net_stream_yield(ws->link.stream);
            return;
        }
        if (!write_next(ws))
            return;
    }
}

/* -- The upgrade */

static void on_start(struct net_link *link)
{
    net_link_connect(link);
}

static void make_key(struct net_ws *ws)
{
    unsigned char bytes[16];
    net_random(ws->link.net, bytes, sizeof(bytes));
    EVP_EncodeBlock((unsigned char *)ws->key, bytes, sizeof(bytes));
}

static void on_connected(struct net_link *link)
{
    struct net_ws *ws = from_link(link);
    struct buf request = {0};
    make_key(ws);
    net_link_append_request(link, "GET", &request);
    buf_append_fmt(&request,
                   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                   "Sec-WebSocket-Version: 13\r\n%s\r\n",
                   ws->key, ws->offers ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
    net_link_set_asking(link);
    net_stream_write(link->stream, buf_str(&request), (struct str){0});
    explicit_bzero(request.ptr, request.len); /* it holds the key */
    buf_finish(&request);
}

/* RFC 6455, 4.2.2. SHA-1 is a fingerprint of the protocol here, nothing is kept safe by it. The
 * plain functions and not EVP, whose first use takes 2 MiB and some ms for its providers. */
static bool is_accepted(const struct net_ws *ws)
{
    static const char protocol[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char expected[ACCEPT_BYTES + 1];
    unsigned char hash[SHA_DIGEST_LENGTH];
    SHA_CTX sha;
    SHA1_Init(&sha);
    SHA1_Update(&sha, ws->key, KEY_BYTES);
    SHA1_Update(&sha, protocol, sizeof(protocol) - 1);
    SHA1_Final(hash, &sha);
    EVP_EncodeBlock((unsigned char *)expected, hash, sizeof(hash));
    return str_eq_c(net_head_get(&ws->link.head, "sec-websocket-accept"), expected);
}

/* RFC 7692, 7.1: a parameter that was not offered may still come where it binds the server alone.
 */
static bool accept_parameter(struct str parameter, bool *ret_forgets)
{
    size_t equals = str_find_byte(parameter, '=', 0);
    struct str name = str_trim(str_slice(parameter, 0, equals));
    if (str_eq_nocase(name, STR("client_no_context_takeover"))) {
        *ret_forgets = true;
        return equals == STR_NONE;
    }
    return (str_eq_nocase(name, STR("server_no_context_takeover")) && equals == STR_NONE) ||
           (str_eq_nocase(name, STR("server_max_window_bits")) && equals != STR_NONE);
}

/* NULL, or what is wrong with the server's choice. */
static const char *take_extension(struct net_ws *ws)
{
    struct str rest = net_head_get(&ws->link.head, "sec-websocket-extensions"), one;
    bool forgets = false;
    if (rest.len == 0)
        return NULL;
    if (!ws->offers || !str_next(&rest, ';', &one) ||
        !str_eq_nocase(str_trim(one), STR("permessage-deflate")))
        return "it chose an extension that was not offered";
    while (str_next(&rest, ';', &one)) {
        if (!accept_parameter(str_trim(one), &forgets))
            return "it chose a way of compression that was not offered";
    }
    ws->deflate = net_deflate_new(forgets);
    ws->reader.inflate = net_inflate_new();
    return NULL;
}

/* NULL: it is an upgrade. */
static const char *judge_upgrade(struct net_ws *ws)
{
    const struct net_head *head = &ws->link.head;
    if (!net_head_has(head, "upgrade", "websocket") || !net_head_has(head, "connection", "upgrade"))
        return "it does not say that this is a WebSocket";
    if (!is_accepted(ws))
        return "its Sec-WebSocket-Accept does not fit (something in between answered)";
    if (net_head_get(head, "sec-websocket-protocol").len &&
        !net_link_has_header(&ws->link, "sec-websocket-protocol"))
        return "it chose a protocol that was not offered";
    return take_extension(ws);
}

/* A refusal that came whole leaves a good connection behind: the same request over HTTP follows,
 * and saves a round trip on it, three with TLS. */
static void keep_for_http(struct net_link *link, struct str bytes)
{
    struct net_body body = {0};
    struct str piece;
    const char *problem;
    enum net_body_result result = NET_BODY_PIECE;
    if (!net_body_init(&body, &link->head, false, &problem))
        return;
    while (result == NET_BODY_PIECE)
        result = net_body_next(&body, &bytes, &piece);
    if (result != NET_BODY_END || !net_idle_may_keep(link, &body, bytes))
        return;
    net_idle_put(link->net, link, link->stream);
    link->stream = NULL;
}

/* False: it has ended. */
static bool finish_upgrade(struct net_ws *ws, struct str rest)
{
    struct net_link *link = &ws->link;
    const char *problem = NULL;
    if (link->head.status == 101)
        problem = judge_upgrade(ws);
    else
        net_link_note_refusal(link);
    if (link->head.status >= 200)
        keep_for_http(link, rest);
    if (problem)
        net_link_note(link, STATUS_PROTOCOL, "the server's answer to the upgrade is not right: %s",
                      problem);
    if (problem || link->head.status != 101) {
        net_link_end(link);
        return false;
    }
    net_head_finish(&link->head);
    net_link_set_open(link);
    flush(ws);
    ws->handlers.on_open(ws->user);
    return link->state == LINK_OPEN;
}

/* -- In */

static void refuse_message(struct net_ws *ws, const struct net_violation *violation)
{
    ws->link.close.close_code = violation->close_code;
    write_close(ws, violation->close_code, violation->text);
    net_stream_leave(ws->link.stream);
    ws->link.stream = NULL;
    net_link_note(&ws->link, violation->status, "%s; the connection was closed (%u)",
                  violation->text, violation->close_code);
    net_link_end(&ws->link);
}

/* Not 1009: STATUS_LIMIT is when we refused a message of theirs. */
static const struct code_status {
    unsigned code;
    enum status status;
} code_statuses[] = {
    {1000, STATUS_OK},       {1001, STATUS_OK},       {1005, STATUS_OK},   {1002, STATUS_PROTOCOL},
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

/* Its code is said back, and it closes the connection. */
static void handle_close(struct net_ws *ws, struct str payload)
{
    const unsigned char *bytes = (const unsigned char *)payload.ptr;
    unsigned code = payload.len ? bytes[0] * 256U + bytes[1] : 1005;
    struct buf reason = {0};
    utf8_append_printable(&reason, str_skip(payload, 2));
    ws->link.close.close_code = code;
    net_link_note(&ws->link, status_of_code(code),
                  "the server closed the connection (%u%s" STR_FMT ")", code,
                  reason.len ? ": " : "", STR_ARG(buf_str(&reason)));
    buf_finish(&reason);
    write_close(ws, payload.len ? code : 0, NULL);
    net_stream_leave(ws->link.stream);
    ws->link.stream = NULL;
    net_link_end(&ws->link);
}

static void handle_ping(struct net_ws *ws, struct str payload)
{
    if (payload.len)
        memcpy(ws->pong, payload.ptr, payload.len);
    ws->pong_len = payload.len;
    ws->pongs = true;
    flush(ws);
}

static void read_frames(struct net_ws *ws, struct str bytes)
{
    struct str payload;
    struct net_violation violation;
    while (ws->link.state == LINK_OPEN) {
        switch (net_reader_next(&ws->reader, &bytes, &payload, &violation)) {
        case NET_READ_MORE:
            return;
        case NET_READ_MESSAGE:
            ws->handlers.on_message(ws->user, payload);
            break;
        case NET_READ_PING:
            handle_ping(ws, payload);
            break;
        case NET_READ_PONG:
            break;
        case NET_READ_CLOSE:
            handle_close(ws, payload);
            return;
        case NET_READ_BAD:
            refuse_message(ws, &violation);
            return;
        }
    }
}

static void on_bytes(struct net_link *link, struct str bytes)
{
    struct net_ws *ws = from_link(link);
    if (link->state == LINK_ASKING && (net_link_read_head(link, &bytes) != NET_HEAD_DONE ||
                                       !finish_upgrade(ws, bytes) || bytes.len == 0))
        return;
    ws->handlers.on_alive(ws->user);
    read_frames(ws, bytes);
}

static void on_drain(struct net_link *link)
{
    flush(from_link(link));
}

static void on_lost(struct net_link *link, const struct net_ending *ending)
{
    net_link_note_lost(link, ending);
    net_link_end(link);
}

/* -- Life */

static void on_closed(struct net_link *link)
{
    struct net_ws *ws = from_link(link);
    ws->handlers.on_closed(ws->user, &link->close);
}

static void release(struct net_link *link)
{
    struct net_ws *ws = from_link(link);
    net_link_finish(link);
    while (ws->first)
        drop_first(ws);
    net_reader_finish(&ws->reader);
    net_deflate_free(ws->deflate);
    mem_free(ws);
}

static const struct net_link_ops ops = {
    .on_start = on_start,
    .on_connected = on_connected,
    .on_bytes = on_bytes,
    .on_drain = on_drain,
    .on_lost = on_lost,
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
    ws->offers = target->deflate;
    ws->reader.max = target->max_message_bytes ? target->max_message_bytes : LIMIT_EVENT_BYTES;
    return ws;
}

enum status net_ws_send(struct net_ws *ws, struct buf *bytes)
{
    if (ws->link.state == LINK_ENDED)
        return STATUS_CLOSED;
    if (ws->queued + bytes->len > LIMIT_WS_QUEUE_BYTES)
        return STATUS_LIMIT;
    struct message *message = mem_new(struct message);
    buf_move(&message->bytes, bytes);
    ws->queued += message->bytes.len;
    if (ws->last)
        ws->last->next = message;
    else
        ws->first = message;
    ws->last = message;
    flush(ws);
    return STATUS_OK;
}

void net_ws_ping(struct net_ws *ws)
{
    ws->pings = true;
    flush(ws);
}

void net_ws_free(struct net_ws *ws, unsigned code, const char *reason)
{
    if (!ws)
        return;
    if (ws->link.state == LINK_OPEN && code) {
        write_close(ws, code, reason);
        net_stream_leave(ws->link.stream);
        ws->link.stream = NULL;
    }
    net_link_free(&ws->link);
}
