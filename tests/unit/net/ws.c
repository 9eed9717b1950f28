#include "peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

TestSuite(ws, .timeout = 60);

static const size_t pieces[] = {1, 7, 143, 0};

static void run_until_messages(struct world *world, const unsigned *messages, unsigned count)
{
    while (*messages < count) {
        unsigned before = *messages;
        loop_timer_start(world->guard, PATIENCE_MS, 0);
        while (*messages == before && loop_timer_is_active(world->guard))
            uv_run(loop_uv(world->loop), UV_RUN_ONCE);
        cr_assert(*messages > before, "message %u of %u never came", before + 1, count);
    }
    loop_timer_stop(world->guard);
}

/* -- Both ends ours ---------------------------------------------------------------------------- */

Test(ws, echoes_a_message)
{
    struct world world;
    struct echo echo = {0};
    struct client client = {0};
    const struct net_header headers[] = {{"authorization", "Bearer abc"}};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    client_open(&client, &world, echo_url(&echo, "ws", "/v1/responses?a=b&c=d"), headers, 1);
    world_run_until(&world, &client.opened, "open");
    client_send(&client, "hello");
    world_run_until(&world, &client.got, "echo");
    cr_expect_str_eq(client.last.ptr, "hello");
    cr_expect_str_eq(echo.path, "/v1/responses");
    cr_expect_str_eq(echo.query, "a=b&c=d");
    cr_expect_str_eq(echo.authorization, "Bearer abc");
    cr_expect_str_eq(echo.origin, "");
    char host[64];
    snprintf(host, sizeof(host), "127.0.0.1:%u", net_server_port(echo.server));
    cr_expect_str_eq(echo.host, host);
    client_end(&client);
    world_run_until(&world, &echo.any_closed, "close at the server");
    echo_end(&echo);
    world_end(&world);
}

Test(ws, sends_what_was_given_before_it_was_open)
{
    struct world world;
    struct echo echo = {0};
    struct client client = {0};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
    client_send(&client, "early");
    client_send(&client, "second");
    run_until_messages(&world, &client.messages, 2);
    cr_expect_str_eq(client.last.ptr, "second");
    client_end(&client);
    echo_end(&echo);
    world_end(&world);
}

Test(ws, carries_eight_mib_both_ways)
{
    struct world world;
    struct echo echo = {0};
    struct client client = {0};
    struct buf message = {0}, copy = {0};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    for (unsigned i = 0; message.len < 8 * MIB; i++)
        buf_append_fmt(&message, "%u é ", i);
    buf_append(&copy, buf_str(&message));
    client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
    world_run_until(&world, &client.opened, "open");
    cr_assert_eq(net_ws_send(client.ws, &message), STATUS_OK);
    client_send(&client, "after it");
    run_until_messages(&world, &client.messages, 2);
    buf_append_c(&copy, "|after it|");
    cr_expect(str_eq(buf_str(&client.log), buf_str(&copy)), "it changed on its way");
    buf_finish(&copy);
    client_end(&client);
    echo_end(&echo);
    world_end(&world);
}

static unsigned expected_number;

static void expect_in_order(struct conn *conn, struct str text)
{
    unsigned number = 0;
    cr_assert_eq(sscanf(text.ptr, "%u", &number), 1);
    cr_assert_eq(number, expected_number++);
}

/* Some leave at once, some wait in the queue, some are fragments: never out of order. */
Test(ws, keeps_the_order_of_mixed_sizes)
{
    struct world world;
    struct echo echo = {.on_message = expect_in_order};
    struct client client = {0};
    const size_t sizes[] = {8, 200, 70000, 9, 2000000, 10, 1 << 20, 11, 65536, 12};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
    world_run_until(&world, &client.opened, "open");
    for (unsigned i = 0; i < 60; i++) {
        struct buf message = {0};
        buf_append_fmt(&message, "%u ", i);
        buf_append_repeat(&message, 'x', sizes[i % array_count(sizes)]);
        cr_assert_eq(net_ws_send(client.ws, &message), STATUS_OK);
        if (i % 7 == 0)
            net_ws_ping(client.ws);
    }
    run_until_messages(&world, &echo.messages, 60);
    client_end(&client);
    echo_end(&echo);
    world_end(&world);
}

Test(ws, refuses_to_queue_above_the_limit)
{
    struct world world;
    struct client client = {0};
    enum status status = STATUS_OK;
    size_t taken = 0;
    world_start(&world, NULL);
    client_open(&client, &world, "ws://127.0.0.1:9/", NULL, 0);
    while (status == STATUS_OK && taken < 2 * LIMIT_WS_QUEUE_BYTES) {
        struct buf message = {0};
        buf_append_repeat(&message, 'x', 8 * MIB);
        status = net_ws_send(client.ws, &message);
        taken += status == STATUS_OK ? 8 * MIB : 0;
        buf_finish(&message);
    }
    cr_expect_eq(status, STATUS_LIMIT);
    cr_expect_eq(taken, LIMIT_WS_QUEUE_BYTES);
    client_end(&client);
    world_end(&world);
}

Test(ws, reaches_a_unix_socket)
{
    struct world world;
    struct echo echo = {0};
    struct client client = {0};
    char folder[] = "/tmp/net-test-XXXXXX", path[64];
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    world_start(&world, NULL);
    echo_start_unix(&echo, &world, path);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    struct net_target target = {.unix_path = path};
    cr_assert_eq(net_url_parse(STR("ws://localhost/v1"), &target.url, NULL), STATUS_OK);
    client_open_target(&client, &world, &target);
    world_run_until(&world, &client.opened, "open");
    client_send(&client, "over unix");
    world_run_until(&world, &client.got, "echo");
    cr_expect_str_eq(client.last.ptr, "over unix");
    cr_expect_str_eq(echo.host, "localhost");
    client_end(&client);
    echo_end(&echo);
    world_end(&world);
    cr_expect_neq(access(path, F_OK), 0, "the socket's file stays behind");
    rmdir(folder);
}

/* -- Freeing in every callback ----------------------------------------------------------------- */

Test(ws, may_be_freed_in_every_callback)
{
    const enum free_at places[] = {FREE_IN_OPEN, FREE_IN_MESSAGE, FREE_IN_ALIVE, FREE_IN_CLOSED};
    for (size_t i = 0; i < array_count(places); i++) {
        struct world world;
        struct echo echo = {0};
        struct client client = {.free_at = places[i], .free_code = 1000};
        world_start(&world, NULL);
        echo_start(&echo, &world);
        client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
        client_send(&client, "hello");
        if (places[i] == FREE_IN_CLOSED) {
            world_run_until(&world, &client.got, "echo");
            net_server_close(echo.conns[0].conn, 1001, "going");
        }
        world_run_until(&world, &client.freed, "the freeing callback");
        world_run_until(&world, &echo.any_closed, "close at the server");
        client_end(&client);
        echo_end(&echo);
        world_end(&world);
    }
}

Test(ws, may_be_freed_at_any_stage_of_connecting)
{
    for (int turns = 0; turns < 12; turns++) {
        struct world world;
        struct echo echo = {0};
        struct client client = {0};
        world_start(&world, NULL);
        echo_start(&echo, &world);
        client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
        for (int i = 0; i < turns; i++)
            uv_run(loop_uv(world.loop), UV_RUN_NOWAIT);
        net_ws_free(client.ws, 1000, "changed my mind");
        client.ws = NULL;
        client.freed = true;
        if (turns % 2)
            world_run_ms(&world, 10);
        client_end(&client);
        echo_end(&echo);
        world_end(&world);
    }
}

/* -- A hand-made server: torn bytes ------------------------------------------------------------ */

enum { LONG_BYTES = 70000, SHORT_LONG_BYTES = 300, FEW_BYTES = 7 };

static char long_text[LONG_BYTES];

/* A few bytes at a time take their time. */
static size_t long_bytes(size_t piece)
{
    return piece && piece <= FEW_BYTES ? SHORT_LONG_BYTES : LONG_BYTES;
}

static void send_pieces(struct peer *peer)
{
    peer_frame(peer, 0x81, "first", 5);
    peer_frame(peer, 0x01, "fr", 2);
    peer_frame(peer, 0x89, "p1", 2);
    peer_frame(peer, 0x00, "\xC3", 1); /* a character in two fragments */
    peer_frame(peer, 0x89, "p2", 2);
    peer_frame(peer, 0x80, "\xA9z", 2);
    peer_frame(peer, 0x81, "", 0);
    peer_frame(peer, 0x81, long_text, long_bytes(peer->piece));
}

static void serve_torn(struct peer *peer)
{
    if (!peer_accept_upgrade(peer))
        return;
    send_pieces(peer);
    peer_read_message(peer);
    buf_append(&peer->request, buf_str(&peer->seen));
    peer_read_message(peer); /* the close frame */
}

static void expect_messages(struct str log, size_t piece)
{
    struct buf expected = {0};
    buf_append_c(&expected, "first|fr\xC3\xA9z||");
    buf_append(&expected, (struct str){long_text, long_bytes(piece)});
    buf_append_c(&expected, "|");
    cr_expect(str_eq(log, buf_str(&expected)), "piece %zu: got \"%.60s\" (%zu bytes)", piece,
              log.ptr, log.len);
    buf_finish(&expected);
}

static void run_torn_client(size_t piece)
{
    struct world world;
    struct peer peer = {.piece = piece};
    struct client client = {0};
    world_start(&world, NULL);
    peer_listen(&peer, serve_torn);
    client_open(&client, &world, peer_url(&peer, "ws", "127.0.0.1", "/"), NULL, 0);
    run_until_messages(&world, &client.messages, 4);
    expect_messages(buf_str(&client.log), piece);
    client_send(&client, "thanks");
    net_ws_free(client.ws, 1000, "bye");
    client.ws = NULL;
    peer_wait(&peer, &world);
    cr_expect(str_ends_with(buf_str(&peer.request), STR("thanks")));
    cr_expect_eq(peer.close_code, 1000);
    cr_expect_geq(peer.pongs, 1, "pings were not answered");
    cr_expect_geq(client.alives, 1);
    client_end(&client);
    peer_end(&peer);
    world_end(&world);
}

Test(ws, reads_torn_and_fragmented_frames)
{
    memset(long_text, 'L', sizeof(long_text));
    for (size_t i = 0; i < array_count(pieces); i++)
        run_torn_client(pieces[i]);
}

/* -- A hand-made client: torn bytes ------------------------------------------------------------ */

static void call_torn(struct peer *peer)
{
    if (!peer_ask_upgrade(peer))
        return;
    send_pieces(peer);
    for (int i = 0; i < 4; i++) {
        if (!peer_read_message(peer))
            return;
        buf_append(&peer->request, buf_str(&peer->seen));
        buf_append_byte(&peer->request, '|');
    }
    peer_frame(peer, 0x88, "\x03\xE9", 2);
    peer_read_message(peer);
}

static void run_torn_server(size_t piece)
{
    struct world world;
    struct peer peer = {.piece = piece};
    struct echo echo = {0};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    peer_connect(&peer, net_server_port(echo.server), call_torn);
    run_until_messages(&world, &echo.messages, 4);
    expect_messages(buf_str(&echo.log), piece);
    peer_wait(&peer, &world);
    cr_expect_eq(peer.close_code, 1001, "the close was not echoed");
    size_t head = str_find(buf_str(&peer.request), STR("\r\n\r\n"), 0);
    expect_messages(str_skip(buf_str(&peer.request), head + 4), piece);
    world_run_until(&world, &echo.any_closed, "close at the server");
    peer_end(&peer);
    echo_end(&echo);
    world_end(&world);
}

Test(ws, serves_torn_and_fragmented_frames)
{
    memset(long_text, 'L', sizeof(long_text));
    for (size_t i = 0; i < array_count(pieces); i++)
        run_torn_server(pieces[i]);
}
