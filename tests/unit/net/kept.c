/* Connections that are kept, and TLS sessions: what may be used again, and what must not. */
#include "identity.h"
#include "peer.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct exchange {
    struct net_http *http;
    bool closed;
    struct buf body;
    struct net_close close;
};

static void on_head(void *user, int status, struct str content_type)
{
}

static void on_body(void *user, struct str bytes)
{
    struct exchange *exchange = user;
    buf_append(&exchange->body, bytes);
}

static void on_closed(void *user, const struct net_close *close)
{
    struct exchange *exchange = user;
    exchange->close = *close;
    exchange->closed = true;
}

static const struct net_http_handlers handlers = {on_head, on_body, on_closed};

static void ask(struct exchange *exchange, struct world *world, const char *url, const char *text)
{
    struct net_target target = {0};
    struct buf body = {0};
    *exchange = (struct exchange){0};
    buf_append_c(&body, text);
    cr_assert_eq(net_url_parse(str_from(url), &target.url, NULL), STATUS_OK);
    exchange->http = net_http_open(world->net, "POST", &target, &body, &handlers, exchange, NULL);
    world_run_until(world, &exchange->closed, "on_closed");
    buf_append_c(&exchange->body, "");
    net_http_free(exchange->http);
}

static bool read_request(struct peer *peer)
{
    char body[4];
    if (!peer_read_head(peer) || !peer_read(peer, body, sizeof(body)))
        return false;
    buf_append(&peer->seen, (struct str){body, sizeof(body)});
    return true;
}

/* peer->number requests a connection are answered with peer->text, one more is read. */
static void answer_some(struct peer *peer)
{
    for (size_t i = 0; read_request(peer) && i < peer->number; i++)
        peer_puts(peer, peer->text);
}

#define KEPT "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
static const struct {
    size_t number;
    const char *text;
    int connections; /* for three exchanges */
} keepings[] = {
    {3, KEPT, 1},
    {1, KEPT, 3}, /* each second request meets a server that hangs up, and is made anew */
    {2, KEPT, 2},
    {9, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 1},
    {9, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", 3},
    {9, "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 3},
    {9, KEPT "more", 3},
    {9, "HTTP/1.1 200 OK\r\nkeep-alive: timeout=60, max=9\r\ncontent-length: 2\r\n\r\nok", 1},
};

Test(client, connections_are_used_again)
{
    for (size_t i = 0; i < array_count(keepings); i++) {
        struct world world;
        struct peer peer = {.number = keepings[i].number, .text = keepings[i].text};
        char url[64];
        world_start(&world, NULL);
        peer_listen(&peer, answer_some);
        snprintf(url, sizeof(url), "%s", peer_url(&peer, "http", "127.0.0.1", "/"));
        for (int k = 0; k < 3; k++) {
            struct exchange exchange;
            ask(&exchange, &world, url, "body");
            cr_expect_eq(exchange.close.status, STATUS_OK, "%zu: %s", i, exchange.close.text);
            cr_expect_str_eq(exchange.body.ptr, "ok");
            buf_finish(&exchange.body);
        }
        world_end(&world);
        peer_end(&peer);
        cr_expect_eq(peer.connections, keepings[i].connections, "%zu: %d", i, peer.connections);
    }
}

/* An upgrade is refused as peer->text says, what comes then is answered. */
static void refuse_and_answer(struct peer *peer)
{
    if (peer_read_head(peer) && !str_starts_with(buf_str(&peer->request), STR("POST"))) {
        peer_puts(peer, peer->text);
        if (!peer_read_head(peer))
            return;
    }
    char body[4];
    if (peer_read(peer, body, sizeof(body)))
        peer_puts(peer, KEPT);
}

static const struct {
    const char *refusal;
    int connections; /* for the upgrade and the exchange behind it */
} refusals[] = {
    {"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n", 1},
    {"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope", 1},
    {"HTTP/1.1 405 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 1},
    {"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnope", 2}, /* it has not come whole */
    {"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope, and more", 2},
    {"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 2},
    {"HTTP/1.0 403 Forbidden\r\ncontent-length: 0\r\n\r\n", 2},
    {"HTTP/1.1 403 Forbidden\r\n\r\n", 2},
};

Test(client, a_refused_upgrade_leaves_its_connection_to_http)
{
    for (size_t i = 0; i < array_count(refusals); i++) {
        struct world world;
        struct peer peer = {.text = refusals[i].refusal};
        struct client client = {0};
        struct exchange exchange;
        world_start(&world, NULL);
        peer_listen(&peer, refuse_and_answer);
        client_open(&client, &world, peer_url(&peer, "ws", "127.0.0.1", "/"), NULL, 0);
        world_run_until(&world, &client.closed, "on_closed");
        client_end(&client);
        ask(&exchange, &world, peer_url(&peer, "http", "127.0.0.1", "/"), "body");
        cr_expect_str_eq(exchange.body.ptr, "ok", "%zu: %s", i, exchange.close.text);
        buf_finish(&exchange.body);
        world_end(&world);
        peer_end(&peer);
        cr_expect_eq(peer.connections, refusals[i].connections, "%zu: %d", i, peer.connections);
    }
}

static void answer_by_half(struct peer *peer)
{
    if (!read_request(peer) || !peer_puts(peer, KEPT) || !read_request(peer))
        return;
    peer_puts(peer, peer->text);
}

/* Whoever has begun to answer has taken the request: it is not made again. */
Test(client, what_was_answered_by_half_is_not_asked_again)
{
    const char *const halves[] = {"H", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
                                  "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"};
    for (size_t i = 0; i < array_count(halves); i++) {
        struct world world;
        struct peer peer = {.text = halves[i]};
        struct exchange exchange;
        char url[64];
        world_start(&world, NULL);
        peer_listen(&peer, answer_by_half);
        snprintf(url, sizeof(url), "%s", peer_url(&peer, "http", "127.0.0.1", "/"));
        ask(&exchange, &world, url, "body");
        cr_expect_eq(exchange.close.status, STATUS_OK, "%s", exchange.close.text);
        buf_finish(&exchange.body);
        ask(&exchange, &world, url, "body");
        cr_expect_eq(exchange.close.status, STATUS_CLOSED, "%s", exchange.close.text);
        buf_finish(&exchange.body);
        world_end(&world);
        peer_end(&peer);
        cr_expect_eq(peer.connections, 1);
        cr_expect_eq(peer.seen.len, 0);
    }
}

/* -- TLS --------------------------------------------------------------------------------------- */

static void echo_and_note(struct peer *peer)
{
    peer->number = peer->number * 10 + (size_t)SSL_session_reused(peer->ssl);
    if (peer_accept_upgrade(peer) && peer_read_message(peer))
        peer_frame(peer, 0x81, peer->seen.ptr, peer->seen.len);
    peer_read_message(peer);
}

Test(client, a_tls_session_is_taken_up_again)
{
    struct world world;
    struct identity authority, server;
    struct peer peer = {.number = 1};
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    identity_make(&server, "server", "DNS:localhost,IP:127.0.0.1", &authority, -HOUR, HOUR);
    world_start(&world, &(struct net_options){.ca_file = authority.cert_path});
    peer_listen_tls(&peer, echo_and_note, server.cert_path, server.key_path);
    const char *const hosts[] = {"localhost", "localhost", "127.0.0.1"};
    for (size_t i = 0; i < array_count(hosts); i++) {
        struct client client = {0};
        client_open(&client, &world, peer_url(&peer, "wss", hosts[i], "/"), NULL, 0);
        client_send(&client, "hello");
        world_run_until(&world, &client.got, "the echo");
        client_end(&client);
        peer_wait(&peer, &world);
        peer.done = false;
    }
    cr_expect_eq(peer.number, 1010, "%zu: not the second alone", peer.number);
    peer_end(&peer);
    world_end(&world);
    identity_drop(&authority);
    identity_drop(&server);
    rmdir(folder);
}

static void answer_to_the_end(struct peer *peer)
{
    if (!peer_read_head(peer))
        return;
    peer_puts(peer, "HTTP/1.1 200 OK\r\n\r\nall of it");
    if (peer->number == 0)
        SSL_shutdown(peer->ssl);
}

/* Without TLS's own goodbye an answer that ends with the connection may have been cut. */
Test(client, sec_03_an_answer_cut_by_others_is_not_whole)
{
    struct identity authority, server;
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    identity_make(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
    for (size_t i = 0; i < 2; i++) {
        struct world world;
        struct peer peer = {.number = i};
        struct exchange exchange;
        char url[64];
        world_start(&world, &(struct net_options){.ca_file = authority.cert_path});
        peer_listen_tls(&peer, answer_to_the_end, server.cert_path, server.key_path);
        snprintf(url, sizeof(url), "%s", peer_url(&peer, "https", "localhost", "/"));
        ask(&exchange, &world, url, "");
        cr_expect_eq(exchange.close.status, i ? STATUS_CLOSED : STATUS_OK, "%s",
                     exchange.close.text);
        cr_expect_str_eq(exchange.body.ptr, "all of it");
        buf_finish(&exchange.body);
        peer_end(&peer);
        world_end(&world);
    }
    identity_drop(&authority);
    identity_drop(&server);
    rmdir(folder);
}
