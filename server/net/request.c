/* An HTTP request that came in, and its answer. */
#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server-internal.h"

/* ASKED: the owner has it. STREAMING: the owner writes on. FINISHED: the owner is done with it. */
enum request_state { REQUEST_ASKED, REQUEST_STREAMING, REQUEST_FINISHED };

/* Near: what the owner holds. */
struct net_server_request {
    struct net_owned owned;
    enum request_state state;
    struct net_request_head head;
    struct buf body;
    bool chunked;
    _Atomic size_t queued; /* bytes unsent, on either side; the one thing both write */
    struct net_hangup *hangup;
    void *user;
};

/* Far */
struct request {
    struct net_accepted accepted;
    struct net_server_request *near; /* NULL after the last note */
    struct net_request_head head;    /* until the owner has it */
    struct buf body;
    struct buf out; /* LWS_PRE bytes of room, then what is to be written */
    size_t sent;
    int64_t body_bytes;
    bool asked;     /* the owner has it; before, its body is coming */
    bool finished;  /* what is queued is the rest */
    bool keep;      /* the connection goes on after this answer */
    bool aborted;   /* to be dropped in a moment: nothing is written any more */
    bool listening; /* the library reads from the client */
};

static struct request *from_sock(struct net_sock *sock)
{
    return container_of(sock, struct request, accepted.sock);
}

/* -- What it says ------------------------------------------------------------------------------ */

static const char *const methods[] = {
    [LWSHUMETH_GET] = "GET",         [LWSHUMETH_POST] = "POST",   [LWSHUMETH_OPTIONS] = "OPTIONS",
    [LWSHUMETH_PUT] = "PUT",         [LWSHUMETH_PATCH] = "PATCH", [LWSHUMETH_DELETE] = "DELETE",
    [LWSHUMETH_CONNECT] = "CONNECT", [LWSHUMETH_HEAD] = "HEAD",
};

static const struct field {
    enum lws_token_indexes token;
    size_t offset;
} fields[] = {
    {WSI_TOKEN_HTTP_AUTHORIZATION, offsetof(struct net_request_info, authorization)},
    {WSI_TOKEN_HTTP_CONTENT_TYPE, offsetof(struct net_request_info, content_type)},
    {WSI_TOKEN_HOST, offsetof(struct net_request_info, host)},
    {WSI_TOKEN_ORIGIN, offsetof(struct net_request_info, origin)},
};

static struct str *field_of(struct net_request_info *info, size_t offset)
{
    return (struct str *)((char *)info + offset);
}

/* Appends the header; only its length is known for sure, because `text` may still move. */
static size_t append_token(struct buf *text, struct lws *wsi, enum lws_token_indexes token)
{
    int len = lws_hdr_total_length(wsi, token);
    if (len <= 0)
        return 0;
    buf_reserve(text, (size_t)len + 1);
    int copied = lws_hdr_copy(wsi, text->ptr + text->len, len + 1, token);
    if (copied <= 0)
        return 0;
    text->len += (size_t)copied;
    return (size_t)copied;
}

/* The library cuts the query at each '&'. */
static size_t append_query(struct buf *text, struct lws *wsi)
{
    size_t before = text->len;
    for (int i = 0;; i++) {
        char piece[1024];
        int len = lws_hdr_copy_fragment(wsi, piece, sizeof(piece), WSI_TOKEN_HTTP_URI_ARGS, i);
        if (len < 0 || (len == 0 && i > 0))
            break;
        if (i > 0)
            buf_append_byte(text, '&');
        buf_append(text, (struct str){piece, (size_t)len});
        if (len == 0)
            break;
    }
    return text->len - before;
}

static bool token_has(struct lws *wsi, enum lws_token_indexes token, const char *word)
{
    char value[128];
    return lws_hdr_copy(wsi, value, sizeof(value), token) > 0 && strcasestr(value, word);
}

static int64_t read_body_bytes(struct lws *wsi)
{
    char value[32];
    int64_t bytes;
    if (lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0 ||
        !str_to_int64(str_from(value), &bytes) || bytes < 0)
        return -1;
    return bytes;
}

void net_request_head_read(struct net_request_head *head, struct lws *wsi)
{
    *head = (struct net_request_head){0};
    char *path = NULL;
    int path_len = 0;
    int method = lws_http_get_uri_and_method(wsi, &path, &path_len);
    if (method >= 0 && (size_t)method < array_count(methods) && methods[method])
        head->info.method = str_from(methods[method]);
    size_t lens[array_count(fields)];
    if (path_len > 0)
        buf_append(&head->text, (struct str){path, (size_t)path_len});
    size_t query_len = append_query(&head->text, wsi);
    for (size_t i = 0; i < array_count(fields); i++)
        lens[i] = append_token(&head->text, wsi, fields[i].token);
    struct str rest = buf_str(&head->text);
    head->info.path = str_slice(rest, 0, path_len > 0 ? (size_t)path_len : 0);
    rest = str_skip(rest, head->info.path.len);
    head->info.query = str_slice(rest, 0, query_len);
    rest = str_skip(rest, query_len);
    for (size_t i = 0; i < array_count(fields); i++) {
        *field_of(&head->info, fields[i].offset) = str_slice(rest, 0, lens[i]);
        rest = str_skip(rest, lens[i]);
    }
    head->body_bytes = read_body_bytes(wsi);
    head->chunked = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    head->old = token_has(wsi, WSI_TOKEN_HTTP, "1.0");
    head->close = head->old || token_has(wsi, WSI_TOKEN_CONNECTION, "close");
    head->is_head = method == LWSHUMETH_HEAD;
}

void net_request_head_finish(struct net_request_head *head)
{
    buf_finish(&head->text);
}

/* -- Writing ----------------------------------------------------------------------------------- */

static const struct reason {
    int status;
    const char *text;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {421, "Misdirected Request"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < array_count(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Status";
}

/* Appends everything but the empty line. */
static void append_head(struct buf *out, int status, const char *content_type,
                        const struct net_header *headers, size_t header_count, bool keep)
{
    buf_append_fmt(out, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    if (content_type)
        buf_append_fmt(out, "content-type: %s\r\n", content_type);
    for (size_t i = 0; i < header_count; i++) {
        assert(!strpbrk(headers[i].value, "\r\n"));
        buf_append_fmt(out, "%s: %s\r\n", headers[i].name, headers[i].value);
    }
    buf_append_fmt(out, "connection: %s\r\n", keep ? "keep-alive" : "close");
}

unsigned net_refusal_append(const struct net_server *server, int status, const char *text,
                            struct buf *body)
{
    if (server->handlers.on_refuse)
        return server->handlers.on_refuse(server->user, status, body);
    buf_append_fmt(body, "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"%s\"}}",
                   text);
    return 0;
}

void net_request_refuse(struct lws *wsi, int status, unsigned wait_s, struct str body)
{
    struct buf out = {0};
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%u", wait_s);
    const struct net_header header = {"retry-after", seconds};
    buf_append_repeat(&out, '\0', LWS_PRE);
    append_head(&out, status, "application/json", &header, wait_s ? 1 : 0, false);
    buf_append_fmt(&out, "content-length: %zu\r\n\r\n", body.len);
    buf_append(&out, body);
    lws_write(wsi, (unsigned char *)out.ptr + LWS_PRE, out.len - LWS_PRE, LWS_WRITE_HTTP_FINAL);
    buf_finish(&out);
}

static size_t unsent(const struct request *request)
{
    return request->out.len ? request->out.len - LWS_PRE - request->sent : 0;
}

static bool write_some(struct request *request, struct lws *wsi)
{
    size_t rest = unsent(request);
    if (rest == 0)
        return true;
    size_t size = rest > NET_FRAGMENT_BYTES ? NET_FRAGMENT_BYTES : rest;
    unsigned char *start = (unsigned char *)request->out.ptr + LWS_PRE + request->sent;
    if (lws_write(wsi, start, size, LWS_WRITE_HTTP) < (int)size)
        return false;
    request->sent += size;
    if (request->near)
        atomic_fetch_sub(&request->near->queued, size);
    if (size == rest) {
        buf_truncate(&request->out, LWS_PRE);
        request->sent = 0;
    }
    return true;
}

/* While the owner thinks, the library must not listen to the client: in that state it leaves what
 * comes unread and asks again at once, for ever. While something is to be written it must, because
 * switched off it does not write either. */
static void listen_to_client(struct request *request, bool on)
{
    if (request->listening != on)
        lws_rx_flow_control(request->accepted.sock.wsi, on);
    request->listening = on;
}

static void want_writable(struct request *request)
{
    listen_to_client(request, true);
    lws_callback_on_writable(request->accepted.sock.wsi);
}

/* Writes at once what was queued just now, if nothing waits before it. */
static void push_out(struct request *request, size_t before)
{
    struct lws *wsi = request->accepted.sock.wsi;
    if (!wsi || request->accepted.sock.closing)
        return;
    bool idle = before == 0 && !lws_partial_buffered(wsi);
    if (idle && !request->finished && write_some(request, wsi) && !unsent(request))
        return;
    want_writable(request);
}

/* -- Near: what is told ------------------------------------------------------------------------ */

/* While the answer waits behind the owner, a client that went away need not be answered. When it is
 * made already, it is left to arrive or fail. */
static void on_hangup(void *user)
{
    struct net_server_request *request = user;
    if (request->state != REQUEST_FINISHED)
        net_tell_kill(request->owned.net, request->owned.handle, 0, NULL);
}

static void hear_request(struct net_note *note)
{
    struct net_server_request *request = note->target;
    struct net_server *server = note->data;
    request->owned.net = note->net;
    request->owned.handle = note->handle;
    request->head.info.body = buf_str(&request->body);
    request->hangup = net_hangup_start(note->net, note->fd, on_hangup, request);
    if (net_owned_init(&request->owned, server))
        server->handlers.on_request(server->user, request, &request->head.info);
}

/* The last note. */
static void hear_closed(struct net_note *note)
{
    struct net_server_request *request = note->target;
    struct net_server *server = request->owned.server;
    bool is_owned = request->state != REQUEST_FINISHED;
    net_owned_finish(&request->owned);
    net_hangup_stop(request->hangup);
    if (is_owned && server && server->handlers.on_request_closed)
        server->handlers.on_request_closed(request->user);
    net_request_head_finish(&request->head);
    buf_finish(&request->body);
    mem_free(request);
}

/* -- Far: reading ------------------------------------------------------------------------------ */

static void tell_closed(struct request *request)
{
    struct net_note note = {.run = hear_closed, .target = request->near};
    bool was_owned = request->near != NULL;
    request->near = NULL;
    request->finished = true;
    if (was_owned)
        net_tell_near(request->accepted.sock.net, &note);
}

static void release(struct request *request)
{
    tell_closed(request);
    net_accepted_finish(&request->accepted);
    net_request_head_finish(&request->head);
    buf_finish(&request->body);
    buf_finish(&request->out);
    mem_free(request);
}

/* The transaction is over: the same socket may bring another request, as another object. */
static int finish(struct request *request, struct lws *wsi)
{
    bool keep = request->keep;
    lws_set_opaque_user_data(wsi, NULL);
    release(request);
    return keep && !lws_http_transaction_completed(wsi) ? 0 : -1;
}

static int handle_writable(struct request *request)
{
    struct lws *wsi = request->accepted.sock.wsi;
    if (request->aborted)
        return 0;
    if (!write_some(request, wsi))
        return -1;
    if (unsent(request) || lws_partial_buffered(wsi)) {
        want_writable(request);
        return 0;
    }
    if (request->finished)
        return finish(request, wsi);
    listen_to_client(request, false);
    return 0;
}

static int ask_owner(struct request *request)
{
    struct net_server *server = request->accepted.server;
    struct lws *wsi = request->accepted.sock.wsi;
    if (!server)
        return -1;
    request->asked = true;
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    listen_to_client(request, false);
    request->near = mem_new(struct net_server_request);
    request->near->head = request->head;
    buf_move(&request->near->body, &request->body);
    request->head = (struct net_request_head){0};
    struct net_note note = {.run = hear_request,
                            .target = request->near,
                            .handle = request->accepted.sock.handle,
                            .data = server,
                            .fd = fcntl(lws_get_socket_fd(wsi), F_DUPFD_CLOEXEC, 3)};
    net_tell_near(server->net, &note);
    return 0;
}

static int handle_body(struct request *request, const void *in, size_t len)
{
    if (request->asked)
        return 0;
    if (request->body.len + len > (size_t)request->body_bytes)
        return -1; /* the library counts too; this cannot be */
    buf_append(&request->body, (struct str){in, len});
    return 0;
}

static int on_event(struct net_sock *sock, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct request *request = from_sock(sock);
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP_BODY:
        return handle_body(request, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return request->asked ? 0 : ask_owner(request);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return handle_writable(request);
    case LWS_CALLBACK_CLOSED_HTTP:
        tell_closed(request);
        return 0;
    default:
        return 0;
    }
}

static void on_gone(struct net_sock *sock)
{
    release(from_sock(sock));
}

static const struct net_sock_ops ops = {.on_event = on_event, .on_gone = on_gone};

static bool wants_body(const struct net_request_head *head)
{
    return str_eq_c(head->info.method, "POST") || str_eq_c(head->info.method, "PUT") ||
           str_eq_c(head->info.method, "PATCH");
}

static bool has_room(const struct net_server *server, int64_t bytes)
{
    size_t max = server->max_incoming_bytes;
    return max == 0 || bytes <= 0 || server->incoming_bytes + (size_t)bytes <= max;
}

/* 0 if it may go on. */
static int refusal_of(const struct net_server *server, const struct net_request_head *head)
{
    if (head->info.method.len == 0)
        return 501;
    if (head->chunked || (wants_body(head) && head->body_bytes < 0))
        return 411; /* the library does not read chunked requests: they would hang */
    if (head->body_bytes > 0 && (uint64_t)head->body_bytes > server->max_message_bytes)
        return 413;
    return has_room(server, head->body_bytes) ? 0 : 429;
}

int net_request_on_http(struct net_server *server, struct lws *wsi)
{
    struct net_request_head head;
    net_request_head_read(&head, wsi);
    int refusal = refusal_of(server, &head);
    if (refusal) {
        net_server_refuses(server, wsi, &head.info, refusal, reason_of(refusal));
        net_request_head_finish(&head);
        return -1;
    }
    struct request *request = mem_new(struct request);
    net_accepted_init(&request->accepted, server, wsi, &ops);
    request->head = head;
    request->body_bytes = head.body_bytes;
    request->keep = !head.close;
    request->listening = true;
    net_accepted_count(&request->accepted, head.body_bytes > 0 ? (size_t)head.body_bytes : 0);
    return head.body_bytes > 0 ? 0 : ask_owner(request);
}

/* -- Far: what the owner said ------------------------------------------------------------------ */

static struct request *find(struct net_note *note)
{
    struct net_sock *sock = net_sock_find(note->net, note->handle, &ops);
    return sock ? from_sock(sock) : NULL;
}

/* flag: this is the end of it. */
static void write_far(struct net_note *note)
{
    struct request *request = find(note);
    if (!request)
        return;
    size_t before = unsent(request);
    if (request->out.len == 0)
        buf_append_repeat(&request->out, '\0', LWS_PRE);
    if (request->sent > NET_FRAME_BYTES) { /* keep LWS_PRE bytes in front of the rest */
        buf_remove_front(&request->out, request->sent);
        request->sent = 0;
    }
    buf_append(&request->out, buf_str(&note->bytes));
    request->finished |= note->flag;
    push_out(request, before);
}

static void abort_far(struct net_note *note)
{
    struct request *request = find(note);
    if (!request)
        return;
    request->finished = request->aborted = true;
    net_sock_kill(&request->accepted.sock, 0, NULL);
}

/* -- Near: the owner's side -------------------------------------------------------------------- */

static void tell_write(struct net_server_request *request, struct buf *bytes, bool last)
{
    struct net_note note = {.run = write_far, .handle = request->owned.handle, .flag = last};
    atomic_fetch_add(&request->queued, bytes->len);
    buf_move(&note.bytes, bytes);
    net_tell_far(request->owned.net, &note);
}

void net_request_set_user(struct net_server_request *request, void *request_user)
{
    request->user = request_user;
}

void net_request_reply(struct net_server_request *request, int status, const char *content_type,
                       const struct net_header *extra_headers, size_t header_count, struct str body)
{
    struct buf out = {0};
    assert(request->state == REQUEST_ASKED);
    append_head(&out, status, content_type, extra_headers, header_count, !request->head.close);
    buf_append_fmt(&out, "content-length: %zu\r\n\r\n", body.len);
    if (!request->head.is_head)
        buf_append(&out, body);
    request->state = REQUEST_FINISHED;
    tell_write(request, &out, true);
}

void net_request_begin(struct net_server_request *request, int status, const char *content_type,
                       const struct net_header *extra_headers, size_t header_count)
{
    struct buf out = {0};
    assert(request->state == REQUEST_ASKED);
    request->chunked = !request->head.old;
    append_head(&out, status, content_type, extra_headers, header_count, !request->head.close);
    if (request->chunked)
        buf_append_c(&out, "transfer-encoding: chunked\r\n");
    buf_append_c(&out, "\r\n");
    request->state = REQUEST_STREAMING;
    tell_write(request, &out, false);
}

enum status net_request_write(struct net_server_request *request, struct buf *bytes)
{
    struct buf out = {0};
    assert(request->state == REQUEST_STREAMING);
    if (atomic_load(&request->queued) + bytes->len > LIMIT_WS_QUEUE_BYTES)
        return STATUS_LIMIT;
    if (bytes->len && !request->head.is_head) {
        if (request->chunked)
            buf_append_fmt(&out, "%zx\r\n", bytes->len);
        buf_append(&out, buf_str(bytes));
        if (request->chunked)
            buf_append_c(&out, "\r\n");
        tell_write(request, &out, false);
    }
    buf_finish(bytes);
    return STATUS_OK;
}

size_t net_request_queued(const struct net_server_request *request)
{
    return atomic_load(&request->queued);
}

void net_request_end(struct net_server_request *request, bool abort)
{
    struct net_note note = {.run = abort_far, .handle = request->owned.handle};
    struct buf out = {0};
    assert(request->state == REQUEST_STREAMING || (abort && request->state == REQUEST_ASKED));
    request->state = REQUEST_FINISHED;
    if (abort) {
        net_tell_far(request->owned.net, &note);
        return;
    }
    if (request->chunked && !request->head.is_head)
        buf_append_c(&out, "0\r\n\r\n");
    tell_write(request, &out, true);
}
