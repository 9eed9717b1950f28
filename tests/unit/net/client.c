/* What our clients do with a server that is made by hand: upgrades that are none, big messages,
 * compression. */
#include "peer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../../server/net/codec-internal.h"

TestSuite(client, .timeout = 60);

static void open_at(struct client *client, struct world *world, struct peer *peer,
                    struct net_target *target)
{
    cr_assert_eq(
        net_url_parse(str_from(peer_url(peer, "ws", "127.0.0.1", "/v1")), &target->url, NULL),
        STATUS_OK);
    client_open_target(client, world, target);
}

/* -- Upgrades ---------------------------------------------------------------------------------- */

static void answer_with_text(struct peer *peer)
{
    if (peer_read_head(peer))
        peer_puts(peer, peer->text);
}

static void accept_and_wait(struct peer *peer)
{
    if (peer_accept_upgrade(peer))
        peer_read_message(peer);
}

static const struct {
    void (*script)(struct peer *peer);
    const char *text; /* the answer, or the headers beside what is right */
    const char *says; /* NULL: it opens */
} upgrades[] = {
    {answer_with_text,
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     "Sec-WebSocket-Accept"},
    {answer_with_text,
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
     "Sec-WebSocket-Accept"},
    {answer_with_text, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
     "not say that this is a WebSocket"},
    {answer_with_text, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
     "not say that this is a WebSocket"},
    {accept_and_wait, "Sec-WebSocket-Protocol: chat\r\n", "protocol"},
    {accept_and_wait, "Sec-WebSocket-Extensions: permessage-deflate\r\n", "not offered"},
    {accept_and_wait, "X-Other: permessage-deflate\r\n", NULL},
};

Test(client, an_upgrade_that_is_none_is_refused)
{
    for (size_t i = 0; i < array_count(upgrades); i++) {
        struct world world;
        struct peer peer = {.text = upgrades[i].text, .extra = upgrades[i].text};
        struct client client = {0};
        struct net_target target = {0};
        world_start(&world, NULL);
        peer_listen(&peer, upgrades[i].script);
        open_at(&client, &world, &peer, &target);
        world_run_until(&world, upgrades[i].says ? &client.closed : &client.opened, "the end");
        if (upgrades[i].says) {
            cr_expect_eq(client.close.status, STATUS_PROTOCOL, "%s", client.close.text);
            cr_expect(strstr(client.close.text, upgrades[i].says), "%s", client.close.text);
            cr_expect(!client.opened && !client.close.was_open);
        }
        client_end(&client);
        peer_end(&peer);
        world_end(&world);
    }
}

static void answer_and_speak(struct peer *peer)
{
    struct buf bytes = {0};
    if (peer_take_upgrade(peer, &bytes)) {
        buf_append(&bytes, STR("\x81\x05hello\x89\x01p\x81\x05twice"));
        peer_write(peer, bytes.ptr, bytes.len);
    }
    buf_finish(&bytes);
    peer_read_message(peer);
}

/* Frames may come in the same piece as the head, or be torn from it anywhere. */
Test(client, what_follows_the_head_are_frames)
{
    const size_t pieces[] = {0, 1, 7, 143};
    for (size_t i = 0; i < array_count(pieces); i++) {
        struct world world;
        struct peer peer = {.piece = pieces[i]};
        struct client client = {0};
        struct net_target target = {0};
        world_start(&world, NULL);
        peer_listen(&peer, answer_and_speak);
        open_at(&client, &world, &peer, &target);
        while (client.messages < 2) {
            client.got = false;
            world_run_until(&world, &client.got, "the messages");
        }
        cr_expect_str_eq(client.log.ptr, "hello|twice|");
        client_end(&client);
        peer_wait(&peer, &world);
        cr_expect_eq(peer.pongs, 1);
        peer_end(&peer);
        world_end(&world);
    }
}

/* -- Sizes ------------------------------------------------------------------------------------- */

enum { BIG_BYTES = 64 << 20 };

static void send_big(struct peer *peer)
{
    struct buf bytes = {0};
    if (!peer_accept_upgrade(peer))
        return;
    buf_append_repeat(&bytes, 'b', BIG_BYTES);
    peer_frame(peer, 0x81, bytes.ptr, bytes.len);
    buf_finish(&bytes);
    peer_read_message(peer);
    peer->number = peer->seen.len;
    peer_read_message(peer);
}

Test(client, carries_64_mib_both_ways)
{
    struct world world;
    struct peer peer = {0};
    struct client client = {0};
    struct net_target target = {0};
    struct buf message = {0};
    world_start(&world, NULL);
    peer_listen(&peer, send_big);
    open_at(&client, &world, &peer, &target);
    world_run_until(&world, &client.got, "the message");
    cr_expect_eq(client.last.len, BIG_BYTES);
    buf_append_repeat(&message, 'u', LIMIT_WS_QUEUE_BYTES);
    cr_expect_eq(net_ws_send(client.ws, &message), STATUS_OK);
    while (peer.number == 0)
        world_run_ms(&world, 10);
    cr_expect_eq(peer.number, LIMIT_WS_QUEUE_BYTES);
    client_end(&client);
    peer_wait(&peer, &world);
    cr_expect_eq(peer.close_code, 1000);
    peer_end(&peer);
    world_end(&world);
}

static void accept_and_sleep(struct peer *peer)
{
    peer_accept_upgrade(peer);
    while (!peer->stop)
        usleep(1000);
}

Test(client, one_that_does_not_read_holds_nobody_up)
{
    struct world world;
    struct peer peer = {0};
    struct client client = {0};
    struct net_target target = {0};
    struct buf message = {0};
    world_start(&world, NULL);
    peer_listen(&peer, accept_and_sleep);
    open_at(&client, &world, &peer, &target);
    world_run_until(&world, &client.opened, "open");
    buf_append_repeat(&message, 'u', 32 * MIB);
    cr_expect_eq(net_ws_send(client.ws, &message), STATUS_OK);
    net_ws_ping(client.ws);
    world_run_ms(&world, 20);
    cr_expect(!client.closed);
    client_end(&client);
    client.freed = true;
    world_run_ms(&world, 20);
    world_end(&world);
    peer_end(&peer);
}

static void ping_without_end(struct peer *peer)
{
    struct buf many = {0};
    if (!peer_accept_upgrade(peer))
        return;
    for (int i = 0; i < 5000; i++)
        buf_append(&many, STR("\x89\x04ping"));
    buf_append(&many, STR("\x81\x04last"));
    peer_write(peer, many.ptr, many.len);
    buf_finish(&many);
    peer_read_message(peer);
}

/* RFC 6455, 5.5.3: only the last needs an answer. None waits in memory. */
Test(client, a_flood_of_pings_is_survived)
{
    struct world world;
    struct peer peer = {0};
    struct client client = {0};
    struct net_target target = {0};
    world_start(&world, NULL);
    peer_listen(&peer, ping_without_end);
    open_at(&client, &world, &peer, &target);
    world_run_until(&world, &client.got, "the message after them");
    cr_expect_str_eq(client.last.ptr, "last");
    client_end(&client);
    peer_wait(&peer, &world);
    cr_expect_geq(peer.pongs, 1);
    peer_end(&peer);
    world_end(&world);
}

/* -- Compression ------------------------------------------------------------------------------- */

/* Reads one frame of less than 64 KiB, as it came but for the mask. */
static bool read_raw(struct peer *peer, unsigned *ret_first, struct buf *payload)
{
    unsigned char head[8];
    if (!peer_read(peer, head, 2))
        return false;
    size_t len = head[1] & 0x7F;
    if (len == 126 && !peer_read(peer, head + 2, 2))
        return false;
    len = len == 126 ? head[2] * 256U + head[3] : len;
    if (!peer_read(peer, head + 4, 4))
        return false;
    buf_clear(payload);
    buf_append_repeat(payload, 0, len);
    *ret_first = head[0];
    if (!peer_read(peer, payload->ptr, len))
        return false;
    net_frame_mask(payload->ptr, len, head + 4);
    return true;
}

static void speak_compressed(struct peer *peer)
{
    struct buf payload = {0};
    unsigned first = 0;
    struct net_inflate *inflate = net_inflate_new();
    if (peer_accept_upgrade(peer) && peer_frame(peer, 0xC1, "\xF2\x48\xCD\xC9\xC9\x07\x00", 7)) {
        for (int i = 0; i < 3 && read_raw(peer, &first, &payload); i++) {
            if (first & FRAME_COMPRESSED) {
                peer->number += payload.len;
                net_inflate_push(inflate, buf_str(&payload), MIB, &peer->seen);
                net_inflate_end(inflate, MIB, &peer->seen);
            } else {
                buf_append(&peer->seen, buf_str(&payload));
            }
            buf_append_byte(&peer->seen, '|');
        }
    }
    net_inflate_free(inflate);
    buf_finish(&payload);
}

static const struct {
    const char *extra;
    bool forgets;
} agreements[] = {
    {"Sec-WebSocket-Extensions: permessage-deflate\r\n", false},
    {"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n", true},
    {"Sec-WebSocket-Extensions: permessage-deflate;server_no_context_takeover ;"
     " server_max_window_bits=10\r\n",
     false},
};

Test(client, messages_are_compressed_where_that_was_agreed_on)
{
    for (size_t i = 0; i < array_count(agreements); i++) {
        struct world world;
        struct peer peer = {.extra = agreements[i].extra};
        struct client client = {0};
        struct net_target target = {.deflate = true};
        struct buf tools = {0}, expected = {0};
        for (unsigned k = 0; k < 300; k++)
            buf_append_fmt(&tools, "tool %u %x;", k * k, k * 7919);
        world_start(&world, NULL);
        peer_listen(&peer, speak_compressed);
        open_at(&client, &world, &peer, &target);
        world_run_until(&world, &client.got, "the compressed message");
        cr_expect_str_eq(client.last.ptr, "Hello");
        client_send(&client, tools.ptr);
        client_send(&client, "short");
        client_send(&client, tools.ptr);
        peer_wait(&peer, &world);
        buf_append_fmt(&expected, "%s|short|%s|", tools.ptr, tools.ptr);
        cr_expect(str_eq(buf_str(&peer.seen), buf_str(&expected)), "%zu", i);
        cr_expect_lt(peer.number, agreements[i].forgets ? 2 * tools.len : tools.len * 3 / 4,
                     "%zu: %zu of %zu", i, peer.number, tools.len);
        cr_expect(strstr(peer.request.ptr, "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"));
        buf_finish(&tools);
        buf_finish(&expected);
        client_end(&client);
        peer_end(&peer);
        world_end(&world);
    }
}

static const char *const bad_agreements[] = {
    "Sec-WebSocket-Extensions: permessage-bzip2\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; unheard_of\r\n",
};

Test(client, a_compression_that_was_not_offered_is_refused)
{
    for (size_t i = 0; i < array_count(bad_agreements); i++) {
        struct world world;
        struct peer peer = {.extra = bad_agreements[i]};
        struct client client = {0};
        struct net_target target = {.deflate = true};
        world_start(&world, NULL);
        peer_listen(&peer, accept_and_wait);
        open_at(&client, &world, &peer, &target);
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect_eq(client.close.status, STATUS_PROTOCOL, "%zu: %s", i, client.close.text);
        client_end(&client);
        peer_end(&peer);
        world_end(&world);
    }
}

static void send_bomb(struct peer *peer)
{
    struct net_deflate *deflate = net_deflate_new(false);
    struct buf zeros = {0}, small = {0};
    buf_append_repeat(&zeros, 'z', 16 * MIB);
    net_deflate_message(deflate, buf_str(&zeros), &small);
    peer->number = small.len;
    if (peer_accept_upgrade(peer) && peer_frame(peer, 0xC1, small.ptr, small.len))
        peer_read_message(peer);
    buf_finish(&zeros);
    buf_finish(&small);
    net_deflate_free(deflate);
}

Test(client, sec_31_a_bomb_is_refused_with_1009)
{
    struct world world;
    struct peer peer = {.extra = "Sec-WebSocket-Extensions: permessage-deflate\r\n"};
    struct client client = {0};
    struct net_target target = {.deflate = true, .max_message_bytes = MIB};
    world_start(&world, NULL);
    peer_listen(&peer, send_bomb);
    open_at(&client, &world, &peer, &target);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect_eq(client.close.status, STATUS_LIMIT, "%s", client.close.text);
    cr_expect_eq(client.close.close_code, 1009);
    cr_expect_eq(client.messages, 0);
    peer_wait(&peer, &world);
    cr_expect_eq(peer.close_code, 1009);
    cr_expect_lt(peer.number, MIB, "it was no bomb");
    client_end(&client);
    peer_end(&peer);
    world_end(&world);
}
