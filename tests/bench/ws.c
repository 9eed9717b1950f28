#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { READ_BYTES = 256 * 1024, RSV1 = 0x40, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

static void prepare(struct ws *ws, int fd, bool masks)
{
    int on = 1;
    struct timeval wait = {.tv_sec = BENCH_WAIT_MS / 1000};
    *ws = (struct ws){.fd = fd, .masks = masks};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static void write_all(struct ws *ws, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t count = ws->tls ? SSL_write(ws->tls, bytes.ptr, (int)bytes.len)
                                : send(ws->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (count <= 0)
            bench_die("the peer does not read: %s", strerror(errno));
        bytes = str_skip(bytes, (size_t)count);
    }
}

/* False: the peer has closed. */
static bool read_some(struct ws *ws)
{
    buf_reserve(&ws->in, READ_BYTES);
    char *end = ws->in.ptr + ws->in.len;
    ssize_t count = ws->tls ? SSL_read(ws->tls, end, READ_BYTES) : recv(ws->fd, end, READ_BYTES, 0);
    ws->received_ns = time_mono_ns();
    if (count < 0 && errno == EAGAIN)
        bench_die("nothing comes any more: %s", strerror(errno));
    if (count <= 0)
        return false;
    ws->in.len += (size_t)count;
    ws->in.ptr[ws->in.len] = '\0';
    ws->received_bytes += (size_t)count;
    return true;
}

/* -- The upgrade ---------------------------------------------------------------------------------
 */

static void read_head(struct ws *ws)
{
    while (!ws->in.ptr || !strstr(ws->in.ptr, "\r\n\r\n"))
        if (!read_some(ws))
            bench_die("the peer closed before the upgrade");
}

static void drop_head(struct ws *ws)
{
    buf_remove_front(&ws->in, (size_t)(strstr(ws->in.ptr, "\r\n\r\n") + 4 - ws->in.ptr));
}

static bool offers_deflate(const struct ws *ws)
{
    return strcasestr(ws->in.ptr, "permessage-deflate") != NULL;
}

/* RFC 6455, 4.2.2 */
static void append_accept(struct buf *answer, const char *key)
{
    unsigned char hash[20];
    char text[32];
    struct buf salted = {0};
    buf_append(&salted, (struct str){key, strcspn(key, "\r\n")});
    buf_append_c(&salted, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    EVP_Digest(salted.ptr, salted.len, hash, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)text, hash, sizeof(hash));
    buf_append_c(answer, text);
    buf_finish(&salted);
}

void ws_accept(struct ws *ws, int listener, const struct ws_options *options)
{
    struct buf answer = {0};
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        bench_die("nobody connects: %s", strerror(errno));
    prepare(ws, fd, false);
    if (options->tls)
        ws->tls = tls_begin(options->tls, fd, true);
    read_head(ws);
    char *key = strcasestr(ws->in.ptr, "sec-websocket-key: ");
    if (!key)
        bench_die("this is no upgrade: %s", ws->in.ptr);
    buf_append_c(&answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    append_accept(&answer, key + strlen("sec-websocket-key: "));
    if (options->deflates && offers_deflate(ws)) {
        ws->flate = ws_flate_new();
        buf_append_c(&answer, "\r\nSec-WebSocket-Extensions: permessage-deflate");
    }
    buf_append_c(&answer, "\r\n\r\n");
    drop_head(ws);
    write_all(ws, buf_str(&answer));
    buf_finish(&answer);
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int ws_listen(unsigned *ret_port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    struct timeval wait = {.tv_sec = BENCH_WAIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 4) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        bench_die("cannot listen on loopback: %s", strerror(errno));
    *ret_port = ntohs(address.sin_port);
    return fd;
}

void ws_connect(struct ws *ws, unsigned port, struct ssl_ctx_st *tls)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        bench_die("cannot connect to port %u: %s", port, strerror(errno));
    prepare(ws, fd, true);
    if (tls)
        ws->tls = tls_begin(tls, fd, false);
    write_all(ws, STR("GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    read_head(ws);
    drop_head(ws);
}

/* -- Frames --------------------------------------------------------------------------------------
 */

static void queue_frame(struct ws *ws, unsigned opcode, struct str payload)
{
    struct buf *out = &ws->out;
    uint8_t mask_bit = ws->masks ? 0x80 : 0;
    bool is_deflated = ws->flate && opcode <= 2;
    if (is_deflated)
        payload = ws_flate_deflate(ws->flate, payload);
    buf_append_byte(out, (char)(0x80 | (is_deflated ? RSV1 : 0) | opcode));
    if (payload.len < 126) {
        buf_append_byte(out, (char)(mask_bit | payload.len));
    } else if (payload.len <= UINT16_MAX) {
        uint16_t len = htons((uint16_t)payload.len);
        buf_append_byte(out, (char)(mask_bit | 126));
        buf_append(out, (struct str){(char *)&len, sizeof(len)});
    } else {
        uint64_t len = htobe64(payload.len);
        buf_append_byte(out, (char)(mask_bit | 127));
        buf_append(out, (struct str){(char *)&len, sizeof(len)});
    }
    if (ws->masks) /* a mask of zeros: legal, and masking is not what is measured */
        buf_append(out, STR("\0\0\0\0"));
    buf_append(out, payload);
}

void ws_queue(struct ws *ws, struct str text)
{
    queue_frame(ws, 1, text);
}

void ws_flush(struct ws *ws)
{
    write_all(ws, buf_str(&ws->out));
    ws->sent_bytes += ws->out.len;
    buf_clear(&ws->out);
}

void ws_send(struct ws *ws, struct str text)
{
    ws_queue(ws, text);
    ws_flush(ws);
}

struct frame {
    unsigned opcode;
    bool is_final, is_deflated;
    const uint8_t *mask;
    size_t head, payload;
};

static bool parse_head(const struct buf *in, struct frame *ret_frame)
{
    const uint8_t *bytes = (const uint8_t *)in->ptr;
    if (in->len < 2)
        return false;
    unsigned len = bytes[1] & 0x7f, extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    bool masked = bytes[1] & 0x80;
    *ret_frame = (struct frame){.opcode = bytes[0] & 0x0f,
                                .is_final = bytes[0] & 0x80,
                                .is_deflated = bytes[0] & RSV1,
                                .head = 2 + extra + (masked ? 4 : 0),
                                .payload = extra ? 0 : len};
    if (in->len < ret_frame->head)
        return false;
    for (unsigned i = 0; i < extra; i++)
        ret_frame->payload = ret_frame->payload << 8 | bytes[2 + i];
    if (masked)
        ret_frame->mask = bytes + 2 + extra;
    return in->len >= ret_frame->head + ret_frame->payload;
}

static void unmask(char *payload, size_t len, const uint8_t *mask)
{
    for (size_t i = 0; mask && i < len; i++)
        payload[i] = (char)(payload[i] ^ mask[i & 3]);
}

static struct str message_of(struct ws *ws, const struct frame *frame, struct str payload)
{
    if (!frame->is_final)
        bench_die("a message in pieces came, which this endpoint does not read");
    if (frame->is_deflated && !ws->flate)
        bench_die("a compressed message came, which was not agreed on");
    if (frame->is_deflated)
        payload = ws_flate_inflate(ws->flate, payload);
    ws->received_text_bytes += payload.len;
    return payload;
}

/* The message handed out last stays at the front of `in` until the next call; `taken` is its end.
 */
struct str ws_receive(struct ws *ws)
{
    struct frame frame;
    buf_remove_front(&ws->in, ws->taken);
    ws->taken = 0;
    for (;;) {
        while (!parse_head(&ws->in, &frame))
            if (!read_some(ws))
                return (struct str){0};
        struct str payload = {ws->in.ptr + frame.head, frame.payload};
        unmask(ws->in.ptr + frame.head, frame.payload, frame.mask);
        ws->taken = frame.head + frame.payload;
        if (frame.opcode == OPCODE_CLOSE)
            return (struct str){0};
        if (frame.opcode <= 2)
            return message_of(ws, &frame, payload);
        if (frame.opcode == OPCODE_PING)
            queue_frame(ws, OPCODE_PONG, payload);
        buf_remove_front(&ws->in, ws->taken);
        ws->taken = 0;
    }
}

bool ws_wait(struct ws *ws, uint64_t until_ns)
{
    struct frame frame;
    buf_remove_front(&ws->in, ws->taken);
    ws->taken = 0;
    if (parse_head(&ws->in, &frame))
        return true;
    uint64_t now = time_mono_ns(), left = until_ns > now ? until_ns - now : 0;
    struct timespec wait = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
    struct pollfd ready = {.fd = ws->fd, .events = POLLIN};
    return ppoll(&ready, 1, &wait, NULL) > 0;
}

void ws_finish(struct ws *ws)
{
    SSL_free(ws->tls);
    ws_flate_free(ws->flate);
    close(ws->fd);
    buf_finish(&ws->in);
    buf_finish(&ws->out);
}

struct str bench_lane_of(struct str request)
{
    size_t at = str_find(request, STR("\"stream_id\":\""), 0);
    size_t end = at == STR_NONE ? at : str_find_byte(request, ',', at);
    return end == STR_NONE ? STR("") : str_slice(request, at, end + 1);
}
