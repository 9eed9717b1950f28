/* Who may come in, and what there is. */
#include "helper.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(access, .timeout = 60);

static const struct {
    const char *name, *value;
    int status; /* 0: it is let in */
} guests[] = {
    {"user-agent", "x", 0},
    {"origin", "https://example.com", 403},
    {"origin", "http://127.0.0.1", 403},
    {"origin", "null", 403},
};

Test(access, web_pages_are_refused)
{
    struct party party;
    party_start(&party, NULL);
    for (size_t i = 0; i < array_count(guests); i++) {
        struct net_header header = {guests[i].name, guests[i].value};
        struct peer peer;
        struct fetch fetch;
        peer_try(&peer, &party, "/v1/responses", &header, 1);
        cr_expect_eq(peer.opened, guests[i].status == 0, "%s", guests[i].value);
        cr_expect_eq(peer.close.http_status, guests[i].status);
        peer_end(&peer);
        fetch_start(&fetch, &party, "GET", "/v1/models", NULL, &header, 1);
        party_run_until(&party, &fetch.closed, "answer");
        cr_expect_eq(fetch.status, guests[i].status ? guests[i].status : 200);
        fetch_end(&fetch);
    }
    party_end(&party);
}

/* By hand, because the client sends the host that it connects to. */
static void ask_as(struct party *party, const char *host, char *answer, size_t size)
{
    int fd = party_connect(party);
    struct buf text = {0};
    buf_append_fmt(&text, "GET /v1/models HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    cr_assert_eq(write(fd, text.ptr, text.len), (ssize_t)text.len);
    buf_finish(&text);
    answer[party_receive(party, fd, answer, size - 1)] = '\0';
    close(fd);
    party_run_ms(party, 5);
}

Test(access, foreign_hosts_are_refused)
{
    static const struct {
        const char *host, *status;
    } rows[] = {
        {"127.0.0.1", "200"},
        {"127.0.0.1:80", "200"},
        {"localhost:1", "200"},
        {"LOCALHOST", "200"},
        {"[::1]:99", "200"},
        {"evil.example", "403"},
        {"evil.example:80", "403"},
        {"localhost.evil.example", "403"},
        {"127.0.0.1.evil.example", "403"},
        {"[::2]", "403"},
    };
    struct party party;
    party_start(&party, NULL);
    for (size_t i = 0; i < array_count(rows); i++) {
        char answer[2048], start[32];
        snprintf(start, sizeof(start), "HTTP/1.1 %s ", rows[i].status);
        ask_as(&party, rows[i].host, answer, sizeof(answer));
        cr_expect_eq(strncmp(answer, start, strlen(start)), 0, "%s: %s", rows[i].host, answer);
    }
    party_end(&party);
}

Test(access, a_token_is_asked_for)
{
    static const struct {
        const char *value;
        bool good;
    } rows[] = {{"Bearer secret", true},   {"bearer secret", true}, {"Bearer secre", false},
                {"Bearer secrets", false}, {"secret", false},       {"Bearer ", false},
                {"Basic secret", false}};
    struct party party;
    party_start_with(&party, (struct endpoint_options){.token = "secret"});
    for (size_t i = 0; i < array_count(rows); i++) {
        struct net_header header = {"authorization", rows[i].value};
        struct peer peer;
        struct fetch fetch;
        peer_try(&peer, &party, "/v1/responses", &header, 1);
        cr_expect_eq(peer.opened, rows[i].good, "%s", rows[i].value);
        cr_expect_eq(peer.close.http_status, rows[i].good ? 0 : 401);
        peer_end(&peer);
        fetch_start(&fetch, &party, "POST", "/v1/responses", "{\"input\":\"x\"}", &header, 1);
        party_run_until(&party, &fetch.closed, "answer");
        cr_expect_eq(fetch.status, rows[i].good ? 200 : 401);
        fetch_end(&fetch);
    }
    party_end(&party);
}

static const struct {
    const char *method, *path, *body;
    int status;
    const char *part;
} routes[] = {
    {"GET", "/v1/models", NULL, 200, "\"id\":\"lanebridge-rules\""},
    {"GET", "/healthz", NULL, 200, "ok"},
    {"GET", "/v1/nothing", NULL, 404, "\"code\":\"not_found\""},
    {"POST", "/", "{}", 404, "\"code\":\"not_found\""},
    {"GET", "/v1/responses", NULL, 405, "Use POST"},
    {"POST", "/v1/models", "{}", 405, "Use GET"},
    {"POST", "/v1/responses", "{\"input\":\"x\"}", 200, "\"object\":\"response\""},
};

Test(access, routes)
{
    struct party party;
    party_start(&party, NULL);
    for (size_t i = 0; i < array_count(routes); i++) {
        struct fetch fetch;
        fetch_run(&fetch, &party, routes[i].method, routes[i].path, routes[i].body);
        cr_expect_eq(fetch.status, routes[i].status, "%s %s", routes[i].method, routes[i].path);
        cr_expect(strstr(fetch.body.ptr, routes[i].part), "%s: %s", routes[i].path, fetch.body.ptr);
        fetch_end(&fetch);
    }
    struct peer peer;
    peer_try(&peer, &party, "/v1/other", NULL, 0);
    cr_expect_eq(peer.close.http_status, 404);
    peer_end(&peer);
    party_end(&party);
}

Test(access, beyond_loopback_a_token_is_needed)
{
    struct loop *loop = loop_new(NULL);
    struct net *net = net_new(loop, &(struct net_options){0}, NULL);
    struct err err = {0};
    struct endpoint_options options = {.address = "0.0.0.0"};
    cr_expect_null(endpoint_new(loop, net, &options, &err));
    cr_expect_eq(err.status, STATUS_INVALID);
    cr_expect(strstr(err.text, "token"), "%s", err.text);
    net_free(net);
    loop_free(loop);
}

Test(access, a_port_in_use_is_told)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, size), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    struct loop *loop = loop_new(NULL);
    struct net *net = net_new(loop, &(struct net_options){0}, NULL);
    struct err err = {0};
    struct endpoint_options options = {.port = ntohs(at.sin_port)};
    cr_expect_null(endpoint_new(loop, net, &options, &err));
    cr_expect_eq(err.status, STATUS_IO, "%s", err.text);
    net_free(net);
    loop_free(loop);
    close(fd);
}

/* Messages that never come to their end: their sum has a limit, not only each of them. */
Test(access, half_messages_do_not_pile_up)
{
    enum { SOCKETS = 48 };
    static const char upgrade[] =
        "GET /v1/responses HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    /* A masked text frame that announces 60 MiB and brings 8 bytes. */
    static const unsigned char half[] = {0x81, 0xff, 0, 0, 0,   0,   3,   0xc0, 0,   0,   0,
                                         0,    0,    0, 0, '{', '"', 'a', '"',  ':', '"', 'a'};
    struct party party;
    int fds[SOCKETS], dropped = 0;
    char answer[1024];
    party_start(&party, NULL);
    for (int i = 0; i < SOCKETS; i++) {
        fds[i] = party_connect(&party);
        cr_assert_eq(write(fds[i], upgrade, sizeof(upgrade) - 1), (ssize_t)sizeof(upgrade) - 1);
        cr_assert_gt(party_receive(&party, fds[i], answer, sizeof(answer)), 0);
        cr_assert_eq(write(fds[i], half, sizeof(half)), (ssize_t)sizeof(half));
    }
    for (unsigned turn = 0; dropped == 0 && turn < PATIENCE_TURNS; turn++) {
        party_run_ms(&party, TURN_MS);
        for (int i = 0; i < SOCKETS; i++) {
            ssize_t got = recv(fds[i], answer, sizeof(answer), MSG_DONTWAIT);
            bool told = got >= 4 && (unsigned char)answer[0] == 0x88 &&
                        (unsigned char)answer[2] * 256 + (unsigned char)answer[3] == 1013;
            cr_expect(got < 0 || told, "%d: %zd", i, got);
            dropped += told;
        }
    }
    for (int i = 0; i < SOCKETS; i++)
        close(fds[i]);
    cr_expect_gt(dropped, 0);
    cr_expect_lt(dropped, SOCKETS, "those that came first may go on");
    party_run_ms(&party, 20);
    party_end(&party);
}

/* More than the library's tables held once: who came then was not even refused. */
Test(access, many_who_say_nothing_keep_nobody_out)
{
    enum { SOCKETS = 300, AT_ONCE = 20 };
    struct party party;
    struct fetch fetch;
    int fds[SOCKETS];
    party_start(&party, NULL);
    for (int i = 0; i < SOCKETS; i++) {
        fds[i] = party_connect(&party);
        if (i % AT_ONCE == 0)
            party_run_ms(&party, 1);
    }
    fetch_run(&fetch, &party, "GET", "/healthz", NULL);
    cr_expect_eq(fetch.status, 200);
    fetch_end(&fetch);
    for (int i = 0; i < SOCKETS; i++)
        close(fds[i]);
    party_run_ms(&party, 20);
    party_end(&party);
}
