/* The way to the server: addresses, proxies, what the environment says of them. */
#include "identity.h"
#include "peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../server/net/path-internal.h"

TestSuite(path, .timeout = 60);

/* -- A proxy that is made by hand, before a server with TLS ------------------------------------ */

static struct relay {
    const char *reply; /* NULL: never answers */
    unsigned target;   /* port */
    bool socks;
    const char *user, *password;
    char seen[512]; /* what was asked */
} relay;

static void pump(int a, int b)
{
    char bytes[16384];
    struct pollfd fds[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    while (poll(fds, 2, PATIENCE_MS) > 0) {
        for (int i = 0; i < 2; i++) {
            if (!fds[i].revents)
                continue;
            ssize_t got = recv(fds[i].fd, bytes, sizeof(bytes), 0);
            if (got <= 0 || send(fds[1 - i].fd, bytes, (size_t)got, MSG_NOSIGNAL) != got)
                return;
        }
    }
}

static void go_through(struct peer *peer)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)relay.target),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        pump(peer->fd, fd);
    close(fd);
}

static void be_http_proxy(struct peer *peer)
{
    if (!peer_read_head(peer))
        return;
    snprintf(relay.seen, sizeof(relay.seen), "%s", peer->request.ptr);
    if (!relay.reply) {
        peer_read_rest(peer);
        return;
    }
    if (peer_puts(peer, relay.reply) && str_starts_with(str_from(relay.reply), STR("HTTP/1.1 20")))
        go_through(peer);
    else
        peer_read_rest(peer);
}

static bool check_password(struct peer *peer)
{
    unsigned char head[2], rest[512];
    char user[256] = "", password[256] = "";
    if (!peer_read(peer, head, 2) || !peer_read(peer, user, head[1]) || !peer_read(peer, rest, 1) ||
        !peer_read(peer, password, rest[0]))
        return false;
    bool good = strcmp(user, relay.user) == 0 && strcmp(password, relay.password) == 0;
    return peer_write(peer, good ? "\1\0" : "\1\1", 2) && good;
}

static void be_socks_proxy(struct peer *peer)
{
    unsigned char head[5], methods[256], rest[300];
    if (!peer_read(peer, head, 2) || !peer_read(peer, methods, head[1]))
        return;
    bool offered = head[1] == 2;
    if (!peer_write(peer, relay.user ? offered ? "\5\2" : "\5\377" : "\5\0", 2))
        return;
    if (relay.user && (!offered || !check_password(peer)))
        return;
    if (!peer_read(peer, head, 5) || !peer_read(peer, rest, head[4] + 2U))
        return;
    snprintf(relay.seen, sizeof(relay.seen), "%.*s", head[4], (char *)rest);
    const char refusal[] = {5, (char)peer->number, 0, 1, 0, 0, 0, 0, 0, 0};
    const char named[] = "\5\0\0\3\4host\0\1";
    if (peer->number)
        peer_write(peer, refusal, sizeof(refusal));
    else if (peer_write(peer, named, sizeof(named) - 1))
        go_through(peer);
}

static void echo_once(struct peer *peer)
{
    if (!peer_accept_upgrade(peer) || !peer_read_message(peer))
        return;
    struct buf message = {0};
    buf_append(&message, buf_str(&peer->seen));
    peer_frame(peer, 0x81, message.ptr, message.len);
    buf_finish(&message);
    peer_read_message(peer);
}

struct stage {
    struct world world;
    struct identity authority, server;
    struct peer target, proxy;
    struct client client;
    const char *folder;
};

static void stage_start(struct stage *stage, void (*script)(struct peer *peer), size_t piece,
                        uint64_t connect_ms)
{
    *stage = (struct stage){.proxy.piece = piece};
    relay = (struct relay){0};
    stage->folder = identity_folder();
    identity_make(&stage->authority, "authority", NULL, NULL, -HOUR, HOUR);
    identity_make(&stage->server, "server", "DNS:api.test", &stage->authority, -HOUR, HOUR);
    world_start(&stage->world, &(struct net_options){.ca_file = stage->authority.cert_path,
                                                     .connect_ms = connect_ms});
    peer_listen_tls(&stage->target, echo_once, stage->server.cert_path, stage->server.key_path);
    peer_listen(&stage->proxy, script);
    relay.target = stage->target.port;
}

static void stage_open(struct stage *stage, const char *scheme, const char *credentials)
{
    char proxy[256];
    struct net_header key = {"authorization", "Bearer sk-secret"};
    struct net_target target = {.proxy = proxy, .headers = &key, .header_count = 1};
    snprintf(proxy, sizeof(proxy), "%s://%s127.0.0.1:%u", scheme, credentials, stage->proxy.port);
    cr_assert_eq(net_url_parse(STR("wss://api.test:4443/v1"), &target.url, NULL), STATUS_OK);
    client_open_target(&stage->client, &stage->world, &target);
}

static void stage_end(struct stage *stage)
{
    client_end(&stage->client);
    world_run_ms(&stage->world, 10);
    peer_end(&stage->proxy);
    peer_end(&stage->target);
    world_end(&stage->world);
    identity_drop(&stage->authority);
    identity_drop(&stage->server);
    rmdir(stage->folder);
}

static const size_t pieces[] = {0, 1, 7, 143};

Test(path, a_connect_proxy_answers_in_pieces)
{
    for (size_t i = 0; i < array_count(pieces); i++) {
        struct stage stage;
        stage_start(&stage, be_http_proxy, pieces[i], 0);
        relay.reply = "HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n";
        stage_open(&stage, "http", "us%40er:p%3Ass@");
        client_send(&stage.client, "through");
        world_run_until(&stage.world, &stage.client.got, "the echo through the proxy");
        cr_expect_str_eq(stage.client.last.ptr, "through");
        cr_expect_str_eq(relay.seen, "CONNECT api.test:4443 HTTP/1.1\r\nHost: api.test:4443\r\n"
                                     "Proxy-Authorization: Basic dXNAZXI6cDpzcw==\r\n\r\n");
        cr_expect(strstr(stage.target.request.ptr, "sk-secret"));
        stage_end(&stage);
    }
}

static const struct refusal {
    const char *reply, *credentials;
    enum status status;
    int http_status;
    const char *says;
} refusals[] = {
    {"HTTP/1.1 403 Forbidden by policy\r\n\r\n", "", STATUS_DENIED, 403,
     "HTTP 403 Forbidden by policy"},
    {"HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\nbody", "",
     STATUS_AUTH, 407, "user:password"},
    {"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "u:hidden@", STATUS_AUTH, 407,
     "check the user name"},
    {"HTTP/1.1 502\r\n\r\n", "", STATUS_IO, 502, "HTTP 502)"},
    {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n", "", STATUS_DENIED, 302, "302"},
    {"HTTP/1.1 2000 Fine\r\n\r\n", "", STATUS_PROTOCOL, 0, "no HTTP status"},
    {"HTTP/1.1 200 Fine\r\n\r\ntoo early", "", STATUS_PROTOCOL, 0, "before the server"},
    {"\5\377 this is not HTTP", "", STATUS_PROTOCOL, 0, "socks5h"},
};

Test(path, the_proxys_refusal_is_told)
{
    for (size_t i = 0; i < array_count(refusals); i++) {
        struct stage stage;
        stage_start(&stage, be_http_proxy, i % 2 ? 7 : 0, 0);
        relay.reply = refusals[i].reply;
        stage_open(&stage, "http", refusals[i].credentials);
        world_run_until(&stage.world, &stage.client.closed, "on_closed");
        const struct net_close *close = &stage.client.close;
        cr_expect_eq(close->status, refusals[i].status, "%zu: %s", i, close->text);
        cr_expect_eq(close->http_status, refusals[i].http_status, "%zu: %s", i, close->text);
        cr_expect(strstr(close->text, refusals[i].says), "%s", close->text);
        cr_expect(!strstr(close->text, "hidden"), "%s", close->text);
        cr_expect_eq(stage.target.request.len, 0);
        stage_end(&stage);
    }
}

static void pour_headers(struct peer *peer)
{
    bool good = peer_read_head(peer) && peer_puts(peer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; good && i < 2000; i++)
        good = peer_puts(peer, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    peer_read_rest(peer);
}

static void hang_up(struct peer *peer)
{
    peer_read_head(peer);
}

static const struct bad_proxy {
    void (*script)(struct peer *peer);
    uint64_t connect_ms;
    enum status status;
    const char *says;
} bad_proxies[] = {
    {be_http_proxy, 300, STATUS_TIMEOUT, "the proxy did not answer"},
    {pour_headers, 0, STATUS_PROTOCOL, "16 KiB"},
    {hang_up, 0, STATUS_IO, "closed the connection before"},
};

Test(path, a_proxy_that_does_not_answer_well)
{
    for (size_t i = 0; i < array_count(bad_proxies); i++) {
        struct stage stage;
        stage_start(&stage, bad_proxies[i].script, 0, bad_proxies[i].connect_ms);
        stage_open(&stage, "http", "");
        world_run_until(&stage.world, &stage.client.closed, "on_closed");
        cr_expect_eq(stage.client.close.status, bad_proxies[i].status, "%s",
                     stage.client.close.text);
        cr_expect(strstr(stage.client.close.text, bad_proxies[i].says), "%s",
                  stage.client.close.text);
        stage_end(&stage);
    }
}

Test(path, nobody_is_at_the_proxys_address)
{
    struct stage stage;
    stage_start(&stage, hang_up, 0, 0);
    unsigned port = 0;
    int fd = listen_at("127.0.0.1", &port, false);
    close(fd);
    stage.proxy.port ^= port, port ^= stage.proxy.port, stage.proxy.port ^= port;
    stage_open(&stage, "http", "u:hidden@");
    stage.proxy.port = port;
    world_run_until(&stage.world, &stage.client.closed, "on_closed");
    cr_expect(strstr(stage.client.close.text, "endpoint.proxy"), "%s", stage.client.close.text);
    cr_expect(strstr(stage.client.close.text, "refused"), "%s", stage.client.close.text);
    cr_expect(!strstr(stage.client.close.text, "hidden"), "%s", stage.client.close.text);
    stage_end(&stage);
}

static const struct socks {
    const char *user, *password, *credentials;
    size_t reply;
    enum status status;
    const char *says;
} socks_cases[] = {
    {NULL, NULL, "", 0, STATUS_OK, ""},
    {NULL, NULL, "u:p@", 0, STATUS_OK, ""}, /* offered, not asked for */
    {"user", "p@ss", "user:p%40ss@", 0, STATUS_OK, ""},
    {"user", "right", "user:wrong@", 0, STATUS_AUTH, "refused the user name"},
    {"user", "right", "", 0, STATUS_AUTH, "wants credentials"},
    {NULL, NULL, "", 2, STATUS_DENIED, "not allowed"},
    {NULL, NULL, "", 5, STATUS_IO, "SOCKS reply 5"},
    {NULL, NULL, "", 99, STATUS_IO, "SOCKS reply 99"},
};

Test(path, a_socks_proxy_resolves_the_name)
{
    for (size_t i = 0; i < array_count(socks_cases) * 2; i++) {
        const struct socks *row = &socks_cases[i / 2];
        struct stage stage;
        stage_start(&stage, be_socks_proxy, i % 2, 0);
        relay.user = row->user;
        relay.password = row->password;
        stage.proxy.number = row->reply;
        stage_open(&stage, "socks5h", row->credentials);
        client_send(&stage.client, "through");
        if (row->status == STATUS_OK) {
            world_run_until(&stage.world, &stage.client.got, "the echo through the proxy");
            cr_expect_str_eq(relay.seen, "api.test");
        } else {
            world_run_until(&stage.world, &stage.client.closed, "on_closed");
            cr_expect_eq(stage.client.close.status, row->status, "%s", stage.client.close.text);
            cr_expect(strstr(stage.client.close.text, row->says), "%s", stage.client.close.text);
        }
        stage_end(&stage);
    }
}

/* The owner lets go at each moment of the way; nothing is left, and nothing calls back. */
Test(path, a_client_may_be_freed_anywhere_on_the_way)
{
    for (int turns = 0; turns < 12; turns++) {
        struct stage stage;
        stage_start(&stage, turns % 2 ? be_http_proxy : be_socks_proxy, 1, 0);
        relay.reply = "HTTP/1.1 200 OK\r\n\r\n";
        stage_open(&stage, turns % 2 ? "http" : "socks5h", "");
        for (int turn = 0; turn < turns; turn++)
            uv_run(loop_uv(stage.world.loop), UV_RUN_ONCE);
        stage.client.freed = true;
        stage_end(&stage);
    }
}

/* -- What can be seen from outside ------------------------------------------------------------- */

/* Inodes of our listening sockets, from /proc: TCP in state 0A, unix sockets that accept. */
static bool is_ours(unsigned long inode)
{
    char path[288], link[64], wanted[64];
    bool ours = false;
    DIR *dir = opendir("/proc/self/fd");
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    for (struct dirent *entry; !ours && (entry = readdir(dir));) {
        snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
        ssize_t len = readlink(path, link, sizeof(link) - 1);
        ours = len > 0 && (link[len] = '\0', strcmp(link, wanted) == 0);
    }
    closedir(dir);
    return ours;
}

static unsigned count_in(const char *table, bool tcp)
{
    char line[512];
    unsigned count = 0, state, flags;
    unsigned long inode;
    FILE *file = fopen(table, "r");
    while (file && fgets(line, sizeof(line), file)) {
        if (tcp ? sscanf(line, " %*d: %*s %*s %x %*s %*s %*s %*u %*u %lu", &state, &inode) == 2 &&
                      state == 0x0A && is_ours(inode)
                : sscanf(line, "%*s %*s %*s %x %*s %*s %lu", &flags, &inode) == 2 &&
                      flags & 0x10000 && is_ours(inode))
            count++;
    }
    if (file)
        fclose(file);
    return count;
}

static unsigned count_listeners(void)
{
    return count_in("/proc/self/net/tcp", true) + count_in("/proc/self/net/tcp6", true) +
           count_in("/proc/self/net/unix", false);
}

Test(path, sec_01_a_connection_leaves_no_listener)
{
    struct stage stage;
    stage_start(&stage, be_http_proxy, 0, 0);
    unsigned before = count_listeners();
    cr_assert_geq(before, 2, "the test's own two are not seen: it would prove nothing");
    relay.reply = "HTTP/1.1 200 OK\r\n\r\n";
    stage_open(&stage, "http", "");
    while (!stage.client.opened && !stage.client.closed) {
        uv_run(loop_uv(stage.world.loop), UV_RUN_ONCE);
        cr_assert_eq(count_listeners(), before, "a listener on the way");
    }
    cr_expect(stage.client.opened, "%s", stage.client.close.text);
    stage_end(&stage);
}

/* The proxy leads elsewhere, the name is another, a redirect points away: nobody but the host of
 * the URL, proven by its certificate, reads the key. */
Test(path, sec_03_the_key_goes_to_no_other_host)
{
    struct stage stage;
    struct identity other;
    struct peer impostor = {0};
    stage_start(&stage, be_http_proxy, 0, 0);
    identity_make(&other, "other", "DNS:other.test", &stage.authority, -HOUR, HOUR);
    peer_listen_tls(&impostor, echo_once, other.cert_path, other.key_path);
    relay.target = impostor.port;
    relay.reply = "HTTP/1.1 200 OK\r\n\r\n";
    stage_open(&stage, "http", "");
    world_run_until(&stage.world, &stage.client.closed, "on_closed");
    cr_expect_eq(stage.client.close.status, STATUS_DENIED, "%s", stage.client.close.text);
    cr_expect_eq(impostor.request.len, 0);
    cr_expect(!strstr(relay.seen, "sk-secret"), "%s", relay.seen);
    stage_end(&stage);
    peer_end(&impostor);
    identity_drop(&other);
    rmdir(stage.folder);
}

static void redirect(struct peer *peer)
{
    char answer[160];
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 307 Moved\r\nlocation: wss://api.test:%u/\r\ncontent-length: 0\r\n\r\n",
             (unsigned)peer->number);
    if (peer_read_head(peer))
        peer_puts(peer, answer);
}

Test(path, sec_03_a_redirect_is_not_followed)
{
    struct stage stage;
    struct peer elsewhere = {0};
    stage_start(&stage, be_http_proxy, 0, 0);
    peer_listen_tls(&elsewhere, echo_once, stage.server.cert_path, stage.server.key_path);
    stage.target.script = redirect;
    stage.target.number = elsewhere.port;
    relay.reply = "HTTP/1.1 200 OK\r\n\r\n";
    stage_open(&stage, "http", "");
    world_run_until(&stage.world, &stage.client.closed, "on_closed");
    cr_expect_eq(stage.client.close.http_status, 307, "%s", stage.client.close.text);
    cr_expect_eq(elsewhere.connections, 0);
    stage_end(&stage);
    peer_end(&elsewhere);
}
