/* Every way in which a connection fails or ends, and what is said about it. */
#include "peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

TestSuite(endings, .timeout = 60);

/* -- The upgrade is refused -------------------------------------------------------------------- */

static void answer_with_text(struct peer *peer)
{
    if (peer_read_head(peer))
        peer_puts(peer, peer->text);
}

static const struct refusal {
    const char *answer;
    enum status status;
    int http_status;
    int64_t retry_after_ms;
    const char *request_id, *says;
} refusals[] = {
    {"HTTP/1.1 401 Unauthorized\r\nx-request-id: req_1\r\ncontent-length: 0\r\n\r\n", STATUS_AUTH,
     401, -1, "req_1", "the key"},
    {"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", STATUS_AUTH, 403, -1, "", "forbids"},
    {"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnope", STATUS_PROTOCOL, 404, -1, "",
     "path"},
    {"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nx-request-id: req_2\r\n"
     "content-length: 2\r\n\r\n{}",
     STATUS_LIMIT, 429, 7000, "req_2", "(HTTP 429, retry after 7.0 s, request req_2)"},
    {"HTTP/1.1 429 Too Many Requests\r\nretry-after-ms: 1500\r\ncontent-length: 0\r\n\r\n",
     STATUS_LIMIT, 429, 1500, "", "429"},
    {"HTTP/1.1 429 Slow\r\nretry-after: Mon, 01 Jan 2001 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n",
     STATUS_LIMIT, 429, 0, "", "429"},
    {"HTTP/1.1 429 Slow\r\nretry-after: soon\r\ncontent-length: 0\r\n\r\n", STATUS_LIMIT, 429, -1,
     "", "429"},
    {"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", STATUS_IO, 503, -1, "",
     "503"},
    {"HTTP/1.1 302 Found\r\nlocation: ws://127.0.0.1:9/other\r\ncontent-length: 0\r\n\r\n",
     STATUS_PROTOCOL, 302, -1, "", "redirect"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", STATUS_PROTOCOL, 200, -1, "", "instead"},
};

Test(endings, a_refused_upgrade_says_why)
{
    for (size_t i = 0; i < array_count(refusals); i++) {
        const struct refusal *refusal = &refusals[i];
        struct world world;
        struct peer peer = {.text = refusal->answer};
        struct client client = {0};
        world_start(&world, NULL);
        peer_listen(&peer, answer_with_text);
        peer_open(&client, &world, &peer);
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect_eq(client.close.status, refusal->status, "%d: %s: %s", refusal->http_status,
                     status_name(client.close.status), client.close.text);
        cr_expect_eq(client.close.http_status, refusal->http_status, "%d",
                     client.close.http_status);
        cr_expect_eq(client.close.retry_after_ms, refusal->retry_after_ms);
        cr_expect_str_eq(client.close.request_id, refusal->request_id);
        cr_expect(strstr(client.close.text, refusal->says), "%s", client.close.text);
        cr_expect(!client.close.was_open && !client.opened);
        client_end(&client);
        peer_end(&peer);
        world_end(&world);
        cr_expect_eq(peer.connections, 1, "it was tried again or followed");
    }
}

Test(endings, the_answer_may_have_many_headers)
{
    struct world world;
    struct buf answer = {0};
    struct client client = {0};
    buf_append_c(&answer, "HTTP/1.1 401 Unauthorized\r\n");
    for (int i = 0; i < 40; i++) {
        buf_append_fmt(&answer, "x-filler-%d: ", i);
        buf_append_repeat(&answer, 'f', 200);
        buf_append_c(&answer, "\r\n");
    }
    buf_append_c(&answer, "x-request-id: req_9\r\ncontent-length: 0\r\n\r\n");
    struct peer peer = {.text = answer.ptr};
    world_start(&world, NULL);
    peer_listen(&peer, answer_with_text);
    peer_open(&client, &world, &peer);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect_eq(client.close.http_status, 401);
    cr_expect_str_eq(client.close.request_id, "req_9");
    client_end(&client);
    peer_end(&peer);
    world_end(&world);
    buf_finish(&answer);
}

/* -- It was open
 * ------------------------------------------------------------------------------------------------
 */

static void close_with_number(struct peer *peer)
{
    if (!peer_accept_upgrade(peer))
        return;
    char frame[64] = {(char)(peer->number >> 8), (char)peer->number};
    snprintf(frame + 2, sizeof(frame) - 2, "%s", peer->text);
    peer_frame(peer, 0x88, frame, peer->number ? 2 + strlen(peer->text) : 0);
    peer_read_message(peer);
}

static const struct ending {
    size_t code;
    const char *reason;
    enum status status;
    unsigned seen_code;
} code_endings[] = {
    {1000, "bye", STATUS_OK, 1000},
    {1001, "rotating", STATUS_OK, 1001},
    {1008, "no key", STATUS_AUTH, 1008},
    {1009, "", STATUS_CLOSED, 1009},
    {1011, "server \x1b[31merror", STATUS_CLOSED, 1011},
    {1012, "restart", STATUS_CLOSED, 1012},
    {1013, "try later", STATUS_CLOSED, 1013},
    {1014, "bad gateway", STATUS_CLOSED, 1014},
    {4001, "session", STATUS_CLOSED, 4001},
    {0, "", STATUS_OK, 1005},
};

Test(endings, the_close_code_of_the_server)
{
    for (size_t i = 0; i < array_count(code_endings); i++) {
        const struct ending *ending = &code_endings[i];
        struct world world;
        struct peer peer = {.number = ending->code, .text = ending->reason};
        struct client client = {0};
        world_start(&world, NULL);
        peer_listen(&peer, close_with_number);
        peer_open(&client, &world, &peer);
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect_eq(client.close.close_code, ending->seen_code, "%u", client.close.close_code);
        cr_expect_eq(client.close.status, ending->status, "%zu: %s", ending->code,
                     client.close.text);
        cr_expect(client.close.was_open);
        cr_expect(!strchr(client.close.text, '\x1b'), "an escape sequence came through");
        client_end(&client);
        peer_wait(&peer, &world);
        cr_expect_eq(peer.close_code, ending->seen_code, "not echoed: %u", peer.close_code);
        peer_end(&peer);
        world_end(&world);
    }
}

static void reset_after_upgrade(struct peer *peer)
{
    if (peer_accept_upgrade(peer))
        peer_reset(peer);
}

static void end_after_upgrade(struct peer *peer)
{
    peer_accept_upgrade(peer);
}

Test(endings, a_connection_that_breaks_has_no_close_code)
{
    void (*const scripts[])(struct peer *) = {reset_after_upgrade, end_after_upgrade};
    for (size_t i = 0; i < array_count(scripts); i++) {
        struct world world;
        struct peer peer = {0};
        struct client client = {0};
        world_start(&world, NULL);
        peer_listen(&peer, scripts[i]);
        peer_open(&client, &world, &peer);
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect_eq(client.close.status, STATUS_CLOSED, "%zu %s", i, client.close.text);
        cr_expect_eq(client.close.close_code, 0);
        cr_expect(strstr(client.close.text, "lost"), "%s", client.close.text);
        struct buf late = {0};
        buf_append_c(&late, "late");
        cr_expect_eq(net_ws_send(client.ws, &late), STATUS_CLOSED);
        buf_finish(&late);
        client_end(&client);
        peer_end(&peer);
        world_end(&world);
    }
}

static void answer_ping(struct peer *peer)
{
    char head[6];
    if (peer_accept_upgrade(peer) && peer_read(peer, head, 6) && (head[0] & 15) == 9) {
        peer->pings++;
        peer_frame(peer, 0x8A, "", 0);
    }
    peer_read_message(peer);
}

Test(endings, a_pong_is_a_sign_of_life)
{
    struct world world;
    struct peer peer = {0};
    struct client client = {.free_at = FREE_IN_ALIVE, .free_code = 1001};
    world_start(&world, NULL);
    peer_listen(&peer, answer_ping);
    peer_open(&client, &world, &peer);
    world_run_until(&world, &client.opened, "open");
    net_ws_ping(client.ws);
    world_run_until(&world, &client.freed, "the pong");
    cr_expect_eq(client.alives, 1);
    peer_wait(&peer, &world);
    cr_expect_eq(peer.pings, 1);
    cr_expect_eq(peer.close_code, 1001);
    client_end(&client);
    peer_end(&peer);
    world_end(&world);
}

/* -- The server ends it ------------------------------------------------------------------------ */

static void send_much_and_close(struct conn *conn, struct str text)
{
    struct buf message = {0};
    buf_append_repeat(&message, 'm', 8 * MIB);
    cr_assert_eq(net_server_send(conn->conn, &message), STATUS_OK);
    cr_expect_gt(net_server_queued(conn->conn), 0);
    net_server_close(conn->conn, 1001, "rotating");
    cr_expect_eq(net_server_send(conn->conn, &message), STATUS_CLOSED);
}

static void drop(struct conn *conn, struct str text)
{
    net_server_close(conn->conn, 0, NULL);
}

static void free_server(struct conn *conn, struct str text)
{
    net_server_free(conn->echo->server);
    conn->echo->server = NULL;
}

static const struct server_ending {
    void (*on_message)(struct conn *conn, struct str text);
    enum status status;
    unsigned code;
    size_t bytes;
    bool told;
} server_endings[] = {
    {send_much_and_close, STATUS_OK, 1001, 8 * 1024 * 1024, true},
    {drop, STATUS_CLOSED, 0, 0, true},
    {free_server, STATUS_CLOSED, 0, 0, false},
};

Test(endings, the_server_closes_drops_or_is_freed)
{
    for (size_t i = 0; i < array_count(server_endings); i++) {
        const struct server_ending *ending = &server_endings[i];
        struct world world;
        struct echo echo = {.on_message = ending->on_message};
        struct client client = {0};
        world_start(&world, NULL);
        echo_start(&echo, &world);
        client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
        client_send(&client, "go");
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect_eq(client.close.status, ending->status, "%zu: %s", i, client.close.text);
        cr_expect_eq(client.close.close_code, ending->code);
        cr_expect_eq(client.last.len, ending->bytes);
        if (ending->told)
            world_run_until(&world, &echo.any_closed, "on_conn_closed");
        cr_expect_eq(echo.closed_count, ending->told);
        client_end(&client);
        echo_end(&echo);
        world_end(&world);
    }
}

Test(endings, the_server_refuses_an_upgrade)
{
    struct world world;
    struct echo echo = {.refuse_with = 401};
    struct client client = {0};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect_eq(client.close.http_status, 401, "%s", client.close.text);
    cr_expect_eq(client.close.status, STATUS_AUTH);
    cr_expect_eq(echo.conn_count, 0);
    client_end(&client);
    echo_end(&echo);
    world_end(&world);
}

static void ask_with_origin(struct peer *peer)
{
    peer_ask_upgrade(peer);
}

Test(endings, the_owner_sees_origin_and_host)
{
    struct world world;
    struct peer peer = {.text = "Origin: http://evil.example\r\n"};
    struct echo echo = {.refuse_with = 403};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    peer_connect(&peer, net_server_port(echo.server), ask_with_origin);
    peer_wait(&peer, &world);
    cr_expect_str_eq(echo.origin, "http://evil.example");
    cr_expect_str_eq(echo.host, "here");
    cr_expect(str_starts_with(buf_str(&peer.request), STR("HTTP/1.1 403 ")), "%s",
              peer.request.ptr);
    peer_end(&peer);
    echo_end(&echo);
    world_end(&world);
}

Test(endings, a_port_in_use_is_an_error_with_a_sentence)
{
    struct world world;
    struct echo echo = {0};
    struct err err = {0};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    struct net_server_options options = {.address = "127.0.0.1",
                                         .port = net_server_port(echo.server)};
    struct net *other = net_new(world.loop, NULL, NULL);
    struct net_server_handlers none = {0};
    cr_expect_null(net_server_new(other, &options, &none, NULL, &err));
    cr_expect(strstr(err.text, "in use"), "%s", err.text);
    net_free(other);
    echo_end(&echo);
    world_end(&world);
}

Test(endings, bad_headers_are_refused_at_once)
{
    const struct net_header bad[] = {
        {"authorization", "Bearer x\r\nhost: evil"}, {"Upper", "x"}, {"sp ace", "x"}, {"", "x"}};
    struct world world;
    world_start(&world, NULL);
    for (size_t i = 0; i < array_count(bad); i++) {
        struct net_target target = {.headers = &bad[i], .header_count = 1};
        struct net_ws_handlers none = {0};
        struct err err = {0};
        cr_assert_eq(net_url_parse(STR("ws://localhost/"), &target.url, NULL), STATUS_OK);
        cr_expect_null(net_ws_open(world.net, &target, &none, NULL, &err));
        cr_expect_eq(err.status, STATUS_INVALID);
        cr_expect(!strstr(err.text, "Bearer"), "the value is shown: %s", err.text);
    }
    world_end(&world);
}

Test(endings, a_freed_server_listens_no_more)
{
    struct world world;
    struct echo echo = {0};
    struct client client = {0};
    char url[64];
    world_start(&world, NULL);
    echo_start(&echo, &world);
    snprintf(url, sizeof(url), "%s", echo_url(&echo, "ws", "/"));
    echo_end(&echo);
    world_run_ms(&world, 20);
    client_open(&client, &world, url, NULL, 0);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect(!client.opened);
    client_end(&client);
    echo_start(&echo, &world); /* and another may be made */
    client = (struct client){0};
    client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
    world_run_until(&world, &client.opened, "open at the second server");
    client_end(&client);
    echo_end(&echo);
    world_end(&world);
}

static void read_to_close(struct peer *peer)
{
    if (!peer_accept_upgrade(peer))
        return;
    while (peer_read_message(peer) && !peer->close_code)
        buf_append(&peer->request, buf_str(&peer->seen));
}

/* Nobody turns the loop for it any more: freeing everything at once must be enough. */
Test(endings, the_last_words_leave_also_when_all_ends_at_once)
{
    struct world world;
    struct peer peer = {0};
    struct client client = {0};
    world_start(&world, NULL);
    peer_listen(&peer, read_to_close);
    peer_open(&client, &world, &peer);
    world_run_until(&world, &client.opened, "open");
    client_send(&client, "last words");
    client_end(&client);
    world_end(&world);
    peer_end(&peer);
    cr_expect_eq(peer.close_code, 1000, "%u", peer.close_code);
}

Test(endings, the_environment_names_no_proxy)
{
    struct world world;
    struct echo echo = {0};
    struct client client = {0};
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("https_proxy", "http://127.0.0.1:9", 1);
    setenv("all_proxy", "http://127.0.0.1:9", 1);
    world_start(&world, NULL);
    echo_start(&echo, &world);
    client_open(&client, &world, echo_url(&echo, "ws", "/"), NULL, 0);
    world_run_until(&world, &client.opened, "open");
    client_end(&client);
    echo_end(&echo);
    world_end(&world);
}

static void ask_and_vanish(struct peer *peer)
{
    if (peer_ask_upgrade(peer))
        peer_reset(peer);
}

Test(endings, the_owner_hears_of_a_client_that_vanished)
{
    struct world world;
    struct peer peer = {0};
    struct echo echo = {0};
    world_start(&world, NULL);
    echo_start(&echo, &world);
    peer_connect(&peer, net_server_port(echo.server), ask_and_vanish);
    world_run_until(&world, &echo.any_closed, "on_conn_closed");
    cr_expect_eq(echo.closed_count, 1);
    peer_end(&peer);
    echo_end(&echo);
    world_end(&world);
}
