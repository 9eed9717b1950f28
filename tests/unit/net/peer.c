#include "peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* -- Bytes ------------------------------------------------------------------------------------- */

bool peer_read(struct peer *peer, void *out, size_t len)
{
    char *at = out;
    while (len) {
        ssize_t got = peer->ssl ? SSL_read(peer->ssl, at, (int)len) : recv(peer->fd, at, len, 0);
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

bool peer_write(struct peer *peer, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        size_t size = peer->piece && len > peer->piece ? peer->piece : len;
        ssize_t put = peer->ssl ? SSL_write(peer->ssl, at, (int)size)
                                : send(peer->fd, at, size, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        at += put;
        len -= (size_t)put;
        if (peer->piece && len)
            usleep(300); /* so that the pieces arrive as pieces */
    }
    return true;
}

bool peer_puts(struct peer *peer, const char *text)
{
    return peer_write(peer, text, strlen(text));
}

bool peer_read_head(struct peer *peer)
{
    char byte;
    buf_clear(&peer->request);
    while (peer_read(peer, &byte, 1)) {
        buf_append_byte(&peer->request, byte);
        if (str_ends_with(buf_str(&peer->request), STR("\r\n\r\n")))
            return true;
    }
    return false;
}

size_t peer_read_rest(struct peer *peer)
{
    char byte;
    while (peer_read(peer, &byte, 1))
        buf_append_byte(&peer->seen, byte);
    return peer->seen.len;
}

void peer_reset(struct peer *peer)
{
    struct linger linger = {1, 0};
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(peer->fd);
    peer->fd = -1;
}

/* -- WebSocket --------------------------------------------------------------------------------- */

bool peer_take_upgrade(struct peer *peer, struct buf *answer)
{
    char accept[64], key[128];
    unsigned char hash[20];
    if (!peer_read_head(peer))
        return false;
    const char *name = strcasestr(peer->request.ptr, "sec-websocket-key:");
    if (!name || sscanf(name + 18, " %60s", key) != 1)
        return false;
    strcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    SHA1((unsigned char *)key, strlen(key), hash);
    EVP_EncodeBlock((unsigned char *)accept, hash, sizeof(hash));
    buf_append_fmt(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n%s\r\n",
        accept, peer->extra ? peer->extra : "");
    return true;
}

bool peer_accept_upgrade(struct peer *peer)
{
    struct buf answer = {0};
    bool good = peer_take_upgrade(peer, &answer) && peer_write(peer, answer.ptr, answer.len);
    buf_finish(&answer);
    return good;
}

bool peer_ask_upgrade(struct peer *peer)
{
    char ask[256];
    snprintf(ask, sizeof(ask),
             "GET %s HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
             "/ws", peer->text ? peer->text : "");
    return peer_puts(peer, ask) && peer_read_head(peer);
}

/* A client's frames are masked, a server's are not. */
bool peer_frame(struct peer *peer, unsigned first_byte, const void *bytes, size_t len)
{
    const unsigned char mask[4] = {0x12, 0x34, 0x56, 0x78};
    struct buf out = {0};
    int bit = peer->connects ? 0x80 : 0;
    buf_append_byte(&out, (char)first_byte);
    int extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
    buf_append_byte(&out, (char)(bit | (extra == 0 ? (int)len : extra == 2 ? 126 : 127)));
    for (int i = extra; i-- > 0;)
        buf_append_byte(&out, (char)(len >> (8 * i)));
    if (peer->connects)
        buf_append(&out, (struct str){(const char *)mask, 4});
    buf_append(&out, (struct str){bytes, len});
    for (size_t i = 0; peer->connects && i < len; i++)
        out.ptr[out.len - len + i] = (char)(out.ptr[out.len - len + i] ^ mask[i % 4]);
    bool good = peer_write(peer, out.ptr, out.len);
    buf_finish(&out);
    return good;
}

static bool read_frame(struct peer *peer, unsigned *ret_first, struct buf *payload)
{
    unsigned char head[2], more[8], mask[4] = {0};
    if (!peer_read(peer, head, 2))
        return false;
    uint64_t len = head[1] & 0x7F;
    size_t extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (extra) {
        if (!peer_read(peer, more, extra))
            return false;
        len = 0;
        for (size_t i = 0; i < extra; i++)
            len = len << 8 | more[i];
    }
    if (head[1] & 0x80 && !peer_read(peer, mask, 4))
        return false;
    size_t start = payload->len;
    buf_append_repeat(payload, 0, len);
    if (!peer_read(peer, payload->ptr + start, len))
        return false;
    for (size_t i = 0; i < len; i++)
        payload->ptr[start + i] = (char)(payload->ptr[start + i] ^ mask[i % 4]);
    *ret_first = head[0];
    return true;
}

bool peer_read_message(struct peer *peer)
{
    unsigned first;
    buf_clear(&peer->seen);
    for (;;) {
        size_t before = peer->seen.len;
        if (!read_frame(peer, &first, &peer->seen))
            return false;
        unsigned opcode = first & 15;
        if (opcode == 8) {
            const unsigned char *code = (unsigned char *)peer->seen.ptr + before;
            peer->close_code = peer->seen.len - before >= 2 ? code[0] * 256U + code[1] : 1005;
            return true;
        }
        if (opcode >= 9) {
            peer->pings += opcode == 9;
            peer->pongs += opcode == 10;
            buf_truncate(&peer->seen, before);
        } else if (first & 0x80) {
            return true;
        }
    }
}

/* -- Thread ------------------------------------------------------------------------------------ */

/* Closing with bytes unread would be a reset, which may overtake the alert. */
static void linger(int fd)
{
    char bytes[4096];
    shutdown(fd, SHUT_WR);
    while (recv(fd, bytes, sizeof(bytes), 0) > 0)
        ;
}

static void run_script(struct peer *peer)
{
    int on = 1;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (peer->tls) {
        peer->ssl = SSL_new(peer->tls);
        SSL_set_fd(peer->ssl, peer->fd);
    }
    if (!peer->tls || SSL_accept(peer->ssl) == 1)
        peer->script(peer);
    else
        linger(peer->fd);
    SSL_free(peer->ssl);
    peer->ssl = NULL;
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static void *serve(void *user)
{
    struct peer *peer = user;
    for (;;) {
        peer->fd = accept(peer->listen_fd, NULL, NULL);
        if (peer->fd < 0 || peer->stop)
            break;
        peer->connections++;
        run_script(peer);
        __atomic_store_n(&peer->done, true, __ATOMIC_RELEASE);
    }
    if (peer->fd >= 0)
        close(peer->fd);
    return NULL;
}

static void *call(void *user)
{
    struct peer *peer = user;
    run_script(peer);
    __atomic_store_n(&peer->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int bind_six(unsigned *ret_port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    getsockname(fd, (struct sockaddr *)&address, &len);
    *ret_port = ntohs(address.sin6_port);
    return fd;
}

static int bind_four(unsigned *ret_port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

bool peer_has_six(void)
{
    unsigned port;
    int fd = bind_six(&port);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void peer_listen(struct peer *peer, void (*script)(struct peer *peer))
{
    signal(SIGPIPE, SIG_IGN);
    peer->script = script;
    peer->listen_fd = peer->six ? bind_six(&peer->port) : bind_four(&peer->port);
    cr_assert_eq(listen(peer->listen_fd, 8), 0);
    cr_assert_eq(pthread_create(&peer->thread, NULL, serve, peer), 0);
}

void peer_listen_tls(struct peer *peer, void (*script)(struct peer *peer), const char *cert,
                     const char *key)
{
    peer->tls = SSL_CTX_new(TLS_server_method());
    cr_assert_eq(SSL_CTX_use_certificate_chain_file(peer->tls, cert), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey_file(peer->tls, key, SSL_FILETYPE_PEM), 1);
    peer_listen(peer, script);
}

void peer_connect(struct peer *peer, unsigned port, void (*script)(struct peer *peer))
{
    struct sockaddr_in address = loopback(port);
    signal(SIGPIPE, SIG_IGN);
    peer->script = script;
    peer->connects = true;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(pthread_create(&peer->thread, NULL, call, peer), 0);
}

void peer_open(struct client *client, struct world *world, struct peer *peer)
{
    client_open(client, world, peer_url(peer, "ws", "127.0.0.1", "/v1/responses"), NULL, 0);
}

void peer_wait(struct peer *peer, struct world *world)
{
    world_run_until(world, &peer->done, "the end of the peer's script");
}

void peer_end(struct peer *peer)
{
    peer->stop = true;
    if (!peer->connects)
        shutdown(peer->listen_fd, SHUT_RDWR);
    if (peer->fd > 0)
        shutdown(peer->fd, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    if (!peer->connects)
        close(peer->listen_fd);
    SSL_CTX_free(peer->tls);
    buf_finish(&peer->request);
    buf_finish(&peer->seen);
}

const char *peer_url(const struct peer *peer, const char *scheme, const char *host,
                     const char *path)
{
    static char url[256];
    snprintf(url, sizeof(url), "%s://%s:%u%s", scheme, host, peer->port, path);
    return url;
}

int listen_at(const char *address, unsigned *port, bool hole)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, address, &at.sin_addr);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0, "%s", address);
    cr_assert_eq(listen(fd, hole ? 0 : 8), 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    *port = ntohs(at.sin_port);
    for (int i = 0; hole && i < 4; i++)
        connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&at,
                sizeof(at)); /* left open to the end of the test's process */
    return fd;
}
