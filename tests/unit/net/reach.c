/* What lies before an answer: silence, ports where nobody listens, addresses that hang, names. */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* A port of 127.0.0.1 and ::1 (-1: there is none here) that nobody else can have: what knocks is
 * refused until one of them listens. */
struct ports {
    int four, six;
    unsigned number;
};

static int bind_four(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int bind_six(unsigned port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t)port),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct ports hold_ports(void)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    bool has_six = peer_has_six();
    for (int i = 0; i < 100; i++) { /* others take and leave ports all the time */
        struct ports ports = {.four = bind_four(0), .six = -1};
        cr_assert_geq(ports.four, 0);
        getsockname(ports.four, (struct sockaddr *)&address, &len);
        ports.number = ntohs(address.sin_port);
        if (!has_six || (ports.six = bind_six(ports.number)) >= 0)
            return ports;
        close(ports.four);
    }
    cr_assert_fail("no port is free on both addresses");
    return (struct ports){0};
}

static void release_ports(struct ports *ports)
{
    close(ports->four);
    if (ports->six >= 0)
        close(ports->six);
}

/* -- Nothing comes ----------------------------------------------------------------------------- */

static void stay_mute(struct peer *peer)
{
    peer_read_rest(peer);
}

static void just_close(struct peer *peer)
{
    peer_read_head(peer);
}

static void talk_rubbish(struct peer *peer)
{
    if (peer_read_head(peer))
        peer_puts(peer, "220 mail.example ESMTP\r\n\r\n");
}

static const struct silence {
    void (*script)(struct peer *peer);
    enum status status;
    const char *says;
} silences[] = {
    {stay_mute, STATUS_TIMEOUT, "no answer"},
    {just_close, STATUS_CLOSED, ""},
    {talk_rubbish, STATUS_IO, ""},
};

Test(endings, a_server_that_does_not_answer)
{
    for (size_t i = 0; i < array_count(silences); i++) {
        struct world world;
        struct peer peer = {0};
        struct client client = {0};
        world_start(&world, &(struct net_options){.connect_ms = 300});
        peer_listen(&peer, silences[i].script);
        peer_open(&client, &world, &peer);
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect(client.close.status == silences[i].status ||
                      (silences[i].status != STATUS_TIMEOUT && client.close.status == STATUS_IO),
                  "case %zu: %s: %s", i, status_name(client.close.status), client.close.text);
        cr_expect(strstr(client.close.text, silences[i].says), "%s", client.close.text);
        cr_expect(!client.close.was_open);
        client_end(&client);
        peer_end(&peer);
        world_end(&world);
    }
}

/* A listener whose queue is full drops what knocks: connecting hangs as it does behind a firewall.
 */
struct black_hole {
    int fd, fillers[4];
    unsigned port;
};

/* port 0: any; false when it is taken. */
static bool dig_hole(struct black_hole *hole, unsigned port)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    hole->fd = bind_four(port);
    if (hole->fd < 0)
        return false;
    cr_assert_eq(listen(hole->fd, 0), 0);
    getsockname(hole->fd, (struct sockaddr *)&address, &len);
    hole->port = ntohs(address.sin_port);
    for (size_t i = 0; i < array_count(hole->fillers); i++) {
        hole->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(hole->fillers[i], (struct sockaddr *)&address, sizeof(address));
    }
    return true;
}

static void fill_hole(struct black_hole *hole)
{
    for (size_t i = 0; i < array_count(hole->fillers); i++)
        close(hole->fillers[i]);
    close(hole->fd);
}

Test(endings, a_connect_that_hangs_ends_by_the_deadline)
{
    struct world world;
    struct client client = {0};
    struct black_hole hole;
    char url[64];
    cr_assert(dig_hole(&hole, 0));
    world_start(&world, &(struct net_options){.connect_ms = 200});
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u/", hole.port);
    client_open(&client, &world, url, NULL, 0);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect_eq(client.close.status, STATUS_TIMEOUT);
    cr_expect(strstr(client.close.text, "no connection"), "%s", client.close.text);
    client_end(&client);
    world_end(&world);
    fill_hole(&hole);
}

static void accept_and_wait(struct peer *peer)
{
    if (peer_accept_upgrade(peer))
        peer_read_message(peer);
}

/* A peer at ::1 and a hole at the same port of 127.0.0.1. */
static void dig_beside(struct black_hole *hole, struct peer *peer)
{
    for (int i = 0; i < 100; i++) {
        *peer = (struct peer){.six = true};
        peer_listen(peer, accept_and_wait);
        if (dig_hole(hole, peer->port))
            return;
        peer_end(peer); /* somebody else has the port there */
    }
    cr_assert_fail("no port is free on both addresses");
}

Test(endings, an_address_that_hangs_gives_way_to_the_next)
{
    struct world world;
    struct client client = {0};
    struct peer peer;
    struct black_hole hole;
    if (!peer_has_six())
        return; /* there is no next one on this machine */
    world_start(&world, NULL);
    dig_beside(&hole, &peer);
    client_open(&client, &world, peer_url(&peer, "ws", "localhost", "/"), NULL, 0);
    world_run_until(&world, &client.opened, "open at ::1");
    client_end(&client);
    peer_wait(&peer, &world);
    peer_end(&peer);
    world_end(&world);
    fill_hole(&hole);
}

Test(endings, nobody_listens)
{
    const char *hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < array_count(hosts); i++) {
        struct world world;
        struct client client = {0};
        struct ports ports = hold_ports();
        char url[64];
        world_start(&world, NULL);
        snprintf(url, sizeof(url), "ws://%s:%u/", hosts[i], ports.number);
        client_open(&client, &world, url, NULL, 0);
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect_eq(client.close.status, STATUS_IO, "%s", client.close.text);
        cr_expect(strstr(client.close.text, "running"), "%s", client.close.text);
        cr_expect(!client.close.was_open);
        client_end(&client);
        world_end(&world);
        release_ports(&ports);
    }
}

/* localhost is 127.0.0.1 first; when nobody listens there, ::1 is tried. */
Test(endings, the_second_address_is_tried)
{
    struct world world;
    struct client client = {0};
    char url[64];
    struct ports ports = hold_ports();
    if (ports.six < 0) {
        release_ports(&ports);
        return; /* there is no second one on this machine */
    }
    cr_assert_eq(listen(ports.six, 1), 0);
    world_start(&world, &(struct net_options){.connect_ms = 400});
    snprintf(url, sizeof(url), "ws://localhost:%u/", ports.number);
    client_open(&client, &world, url, NULL, 0);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect_eq(client.close.status, STATUS_TIMEOUT, "it never reached the listener: %s",
                 client.close.text);
    cr_expect(strstr(client.close.text, "no answer"), "%s", client.close.text);
    client_end(&client);
    world_end(&world);
    release_ports(&ports);
}

/* -- Names ------------------------------------------------------------------------------------- */

/* Both go through the system's resolver without a question to the network: one is an old spelling
 * of 127.0.0.1, the other no name can be. */
static const struct name {
    const char *host, *says;
} names[] = {
    {"127.1", "Connection refused"},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "resolved"},
};

Test(endings, names_are_resolved_beside_the_loop)
{
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    setenv("SSL_CERT_DIR", "/nowhere", 1);
    for (size_t i = 0; i < array_count(names); i++) {
        for (int turns = -1; turns < 2; turns++) { /* -1: to the end; else freed after so many */
            struct world world;
            struct client client = {0};
            struct ports ports = hold_ports();
            char url[128];
            world_start(&world, NULL);
            snprintf(url, sizeof(url), "wss://%s:%u/", names[i].host, ports.number);
            client_open(&client, &world, url, NULL, 0);
            if (turns < 0) {
                world_run_until(&world, &client.closed, "on_closed");
                cr_expect(strstr(client.close.text, names[i].says), "%s", client.close.text);
                cr_expect_eq(client.close.status, STATUS_IO);
            }
            for (int turn = 0; turn < turns; turn++)
                uv_run(loop_uv(world.loop), UV_RUN_NOWAIT);
            client_end(&client);
            client.freed = true;
            world_end(&world);
            release_ports(&ports);
        }
    }
}
