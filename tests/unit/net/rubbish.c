/* What a peer sends that it must not, and one that does not read. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- What we refuse to receive ----------------------------------------------------------------- */

static const struct violation {
    unsigned first_byte;
    const char *bytes;
    size_t len;
    unsigned code;
    enum status status;
} violations[] = {
    {0x81, "more than sixteen bytes", 23, 1009, STATUS_LIMIT},
    {0x01, "never to be finished", 20, 1009, STATUS_LIMIT},
    {0x81, "bad \xFF\xFE", 6, 1007, STATUS_PROTOCOL},
    {0x81, "cut \xC3", 5, 1007, STATUS_PROTOCOL},
    {0x82, "binary", 6, 1003, STATUS_PROTOCOL},
};

static const struct violation *violation_of(const struct peer *peer)
{
    return &violations[peer->number];
}

static void violate(struct peer *peer)
{
    const struct violation *violation = violation_of(peer);
    if (peer->connects ? peer_ask_upgrade(peer) : peer_accept_upgrade(peer)) {
        peer_frame(peer, violation->first_byte, violation->bytes, violation->len);
        peer_read_message(peer);
    }
}

Test(endings, the_client_refuses_by_code)
{
    for (size_t i = 0; i < array_count(violations); i++) {
        struct world world;
        struct peer peer = {.number = i};
        struct client client = {0};
        struct net_target target = {.max_message_bytes = 16};
        world_start(&world, NULL);
        peer_listen(&peer, violate);
        cr_assert_eq(
            net_url_parse(str_from(peer_url(&peer, "ws", "localhost", "/")), &target.url, NULL),
            STATUS_OK);
        client_open_target(&client, &world, &target);
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect_eq(client.close.status, violations[i].status, "%zu: %s", i, client.close.text);
        cr_expect_eq(client.close.close_code, violations[i].code);
        cr_expect_eq(client.messages, 0);
        peer_wait(&peer, &world);
        cr_expect_eq(peer.close_code, violations[i].code, "%zu: the peer saw %u", i,
                     peer.close_code);
        client_end(&client);
        peer_end(&peer);
        world_end(&world);
    }
}

Test(endings, the_server_refuses_by_code)
{
    for (size_t i = 0; i < array_count(violations); i++) {
        struct world world;
        struct peer peer = {.number = i};
        struct echo echo = {.max = 16};
        world_start(&world, NULL);
        echo_start(&echo, &world);
        peer_connect(&peer, net_server_port(echo.server), violate);
        world_run_until(&world, &echo.any_closed, "on_conn_closed");
        peer_wait(&peer, &world);
        cr_expect_eq(peer.close_code, violations[i].code, "%zu: the peer saw %u", i,
                     peer.close_code);
        cr_expect_eq(echo.messages, 0);
        peer_end(&peer);
        echo_end(&echo);
        world_end(&world);
    }
}

/* -- A peer that does not read, or does not make sense ----------------------------------------- */

static void upgrade_and_sleep(struct peer *peer)
{
    peer_ask_upgrade(peer);
    peer_frame(peer, 0x81, "go", 2);
    while (!peer->stop)
        usleep(1000);
}

static enum status flood_status;
static size_t flooded;

static void flood(struct conn *conn, struct str text)
{
    do {
        struct buf message = {0};
        buf_append_repeat(&message, 'f', MIB);
        flood_status = net_server_send(conn->conn, &message);
        flooded += flood_status == STATUS_OK ? MIB : 0;
        buf_finish(&message);
    } while (flood_status == STATUS_OK && flooded < 4 * LIMIT_WS_QUEUE_BYTES);
    net_server_close(conn->conn, 0, NULL);
}

Test(endings, a_server_queues_no_more_than_the_limit)
{
    struct world world;
    struct peer peer = {0};
    struct echo echo = {.on_message = flood};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    peer_connect(&peer, net_server_port(echo.server), upgrade_and_sleep);
    world_run_until(&world, &echo.any_closed, "on_conn_closed");
    cr_expect_eq(flood_status, STATUS_LIMIT);
    cr_expect_leq(flooded, LIMIT_WS_QUEUE_BYTES + 8 * MIB, "%zu", flooded);
    peer_end(&peer);
    echo_end(&echo);
    world_end(&world);
}

static const char *const rubbish[] = {
    "",
    "\r\n\r\n",
    "GET",
    "GET / HTTP/9.9\r\n\r\n",
    "PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://elsewhere/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /%00%ff%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "\x16\x03\x01\x02\x03 a TLS hello it is not",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    "\x81\xFE\xFF\xFFmaskGARBAGE that never ends",
};

static void send_rubbish(struct peer *peer)
{
    peer_puts(peer, rubbish[peer->number]);
    usleep(5000);
}

Test(endings, rubbish_does_not_hurt_the_others)
{
    struct world world;
    struct echo echo = {0};
    struct client client = {0};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
    world_run_until(&world, &client.opened, "open");
    for (size_t i = 0; i < array_count(rubbish); i++) {
        for (size_t piece = 0; piece <= 7; piece += 7) {
            struct peer peer = {.number = i, .piece = piece};
            peer_connect(&peer, net_server_port(echo.server), send_rubbish);
            peer_wait(&peer, &world);
            peer_end(&peer);
            client.got = false;
            client_send(&client, "still here");
            world_run_until(&world, &client.got, rubbish[i]);
        }
    }
    client_end(&client);
    world_run_ms(&world, 10);
    echo_end(&echo);
    world_end(&world);
}
