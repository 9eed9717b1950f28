#include "identity.h"
#include "peer.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(tls, .timeout = 60);

/* -- What is trusted and what is not ----------------------------------------------------------- */

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

static const struct certificate {
    const char *name, *alt_names;
    bool signed_by_ca;
    long from_s, until_s;
    const char *host;
    bool opens;
    const char *says;
} certificates[] = {
    {"right", "DNS:localhost", true, -HOUR, HOUR, "localhost", true, ""},
    {"address", "IP:127.0.0.1", true, -HOUR, HOUR, "127.0.0.1", true, ""},
    {"address-six", "IP:::1", true, -HOUR, HOUR, "[::1]", true, ""},
    {"wrong-address-six", "IP:::2", true, -HOUR, HOUR, "[::1]", false, "another"},
    {"name-for-address-six", "DNS:localhost", true, -HOUR, HOUR, "[::1]", false, "another"},
    {"wrong-name", "DNS:api.example.com", true, -HOUR, HOUR, "localhost", false, "another host"},
    {"wildcard", "DNS:*.example.com", true, -HOUR, HOUR, "localhost", false, "another host"},
    {"wrong-address", "IP:127.0.0.2", true, -HOUR, HOUR, "127.0.0.1", false, "another address"},
    {"name-for-address", "DNS:localhost", true, -HOUR, HOUR, "127.0.0.1", false, "another address"},
    {"expired", "DNS:localhost", true, -2 * HOUR, -HOUR, "localhost", false, "renewed"},
    {"future", "DNS:localhost", true, HOUR, 2 * HOUR, "localhost", false, "clock"},
    {"self-signed", "DNS:localhost", false, -HOUR, HOUR, "localhost", false, "endpoint.caFile"},
};

static void try_certificate(const struct certificate *row, const struct identity *authority)
{
    struct world world;
    struct identity server;
    struct peer peer = {.six = row->host[0] == '['};
    struct client client = {0};
    if (peer.six && !peer_has_six())
        return;
    identity_make(&server, row->name, row->alt_names, row->signed_by_ca ? authority : NULL,
                  row->from_s, row->until_s);
    world_start(&world, &(struct net_options){.ca_file = authority->cert_path});
    peer_listen_tls(&peer, echo_once, server.cert_path, server.key_path);
    client_open(&client, &world, peer_url(&peer, "wss", row->host, "/"), NULL, 0);
    client_send(&client, "secret");
    world_run_until(&world, row->opens ? &client.got : &client.closed, row->name);
    cr_expect_eq(client.opened, row->opens, "%s", row->name);
    if (row->opens) {
        cr_expect_str_eq(client.last.ptr, "secret");
    } else {
        cr_expect_eq(client.close.status, STATUS_DENIED, "%s: %s", row->name, client.close.text);
        cr_expect(strstr(client.close.text, row->says), "%s: %s", row->name, client.close.text);
        cr_expect_eq(peer.request.len, 0, "%s: the request was sent", row->name);
    }
    client_end(&client);
    world_run_ms(&world, 10);
    peer_end(&peer);
    world_end(&world);
    identity_drop(&server);
}

Test(tls, sec_03_only_the_right_certificate_opens)
{
    struct identity authority;
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    for (size_t i = 0; i < array_count(certificates); i++)
        try_certificate(&certificates[i], &authority);
    identity_drop(&authority);
    rmdir(folder);
}

Test(tls, sec_03_an_unknown_authority_is_refused)
{
    struct world world;
    struct identity authority, server;
    struct peer peer = {0};
    struct client client = {0};
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    identity_make(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
    world_start(&world, NULL);
    peer_listen_tls(&peer, echo_once, server.cert_path, server.key_path);
    client_open(&client, &world, peer_url(&peer, "wss", "localhost", "/"), NULL, 0);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect_eq(client.close.status, STATUS_DENIED, "%s", client.close.text);
    cr_expect(strstr(client.close.text, "issuer"), "%s", client.close.text);
    cr_expect(!client.opened);
    client_end(&client);
    peer_end(&peer);
    world_end(&world);
    identity_drop(&authority);
    identity_drop(&server);
    rmdir(folder);
}

static void speak_plainly(struct peer *peer)
{
    char byte;
    peer_puts(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
    peer_read(peer, &byte, 1);
}

/* A wss URL to a port without TLS: says so, and nothing of the request leaves. */
Test(tls, sec_03_a_server_without_tls_gets_nothing)
{
    struct world world;
    struct peer peer = {0};
    struct client client = {0};
    const char *folder = identity_folder();
    world_start(&world, &(struct net_options){.connect_ms = 2000});
    peer_listen(&peer, speak_plainly);
    client_open(&client, &world, peer_url(&peer, "wss", "localhost", "/"), NULL, 0);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect(client.close.status == STATUS_IO || client.close.status == STATUS_TIMEOUT, "%s",
              client.close.text);
    cr_expect(strstr(client.close.text, "TLS"), "%s", client.close.text);
    client_end(&client);
    peer_end(&peer);
    world_end(&world);
    rmdir(folder);
}

static void close_after_much(struct peer *peer)
{
    if (!peer_accept_upgrade(peer) || !peer_read_message(peer))
        return;
    peer_frame(peer, 0x81, peer->seen.ptr, peer->seen.len);
    peer_frame(peer, 0x88, "\x03\xE8", 2);
    peer_read_message(peer);
}

Test(tls, carries_eight_mib_both_ways)
{
    struct world world;
    struct identity authority, server;
    struct peer peer = {0};
    struct client client = {0};
    struct buf message = {0}, copy = {0};
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    identity_make(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
    for (unsigned i = 0; message.len < 8 * MIB; i++)
        buf_append_fmt(&message, "%u ", i);
    buf_append(&copy, buf_str(&message));
    world_start(&world, &(struct net_options){.ca_file = authority.cert_path});
    peer_listen_tls(&peer, close_after_much, server.cert_path, server.key_path);
    client_open(&client, &world, peer_url(&peer, "wss", "localhost", "/"), NULL, 0);
    cr_assert_eq(net_ws_send(client.ws, &message), STATUS_OK);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect(str_eq(buf_str(&client.last), buf_str(&copy)), "%s", client.close.text);
    cr_expect_eq(client.close.close_code, 1000);
    buf_finish(&copy);
    client_end(&client);
    peer_end(&peer);
    world_end(&world);
    identity_drop(&authority);
    identity_drop(&server);
    rmdir(folder);
}

/* Plain and TLS connections live in one process, in two contexts of the library. */
Test(tls, lives_beside_plain_connections)
{
    struct world world;
    struct identity authority, server;
    struct peer peer = {0};
    struct echo echo = {0};
    struct client secure = {0}, plain = {0};
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    identity_make(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
    world_start(&world, &(struct net_options){.ca_file = authority.cert_path});
    peer_listen_tls(&peer, echo_once, server.cert_path, server.key_path);
    echo_start(&echo, &world);
    client_open(&secure, &world, peer_url(&peer, "wss", "localhost", "/"), NULL, 0);
    client_open(&plain, &world, echo_url(&echo, "ws", "/"), NULL, 0);
    client_send(&secure, "secure");
    client_send(&plain, "plain");
    world_run_until(&world, &secure.got, "the echo over TLS");
    world_run_until(&world, &plain.got, "the plain echo");
    cr_expect_str_eq(secure.last.ptr, "secure");
    cr_expect_str_eq(plain.last.ptr, "plain");
    client_end(&secure);
    client_end(&plain);
    peer_wait(&peer, &world);
    cr_expect_eq(peer.close_code, 1000);
    peer_end(&peer);
    echo_end(&echo);
    world_end(&world);
    identity_drop(&authority);
    identity_drop(&server);
    rmdir(folder);
}

Test(tls, a_missing_ca_file_is_named)
{
    struct world world;
    struct client client = {0};
    world_start(&world, &(struct net_options){.ca_file = "/nowhere/ca.pem"});
    client_open(&client, &world, "wss://localhost:9/", NULL, 0);
    world_run_until(&world, &client.closed, "on_closed");
    cr_expect_eq(client.close.status, STATUS_NOT_FOUND);
    cr_expect(strstr(client.close.text, "/nowhere/ca.pem"), "%s", client.close.text);
    client_end(&client);
    world_end(&world);
}

/* -- Where trust comes from -------------------------------------------------------------------- */

static void try_trust(const char *variable, const char *value, const struct identity *server)
{
    struct world world;
    struct peer peer = {0};
    struct client client = {0};
    setenv(variable, value, 1);
    world_start(&world, NULL);
    peer_listen_tls(&peer, echo_once, server->cert_path, server->key_path);
    client_open(&client, &world, peer_url(&peer, "wss", "localhost", "/"), NULL, 0);
    client_send(&client, "hello");
    world_run_until(&world, &client.got, variable);
    client_end(&client);
    peer_end(&peer);
    world_end(&world);
    unsetenv(variable);
}

Test(tls, the_environment_adds_authorities)
{
    struct identity authority, server;
    char hashed[128];
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    identity_make(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
    try_trust("SSL_CERT_FILE", authority.cert_path, &server);
    try_trust("NODE_EXTRA_CA_CERTS", authority.cert_path, &server);
    snprintf(hashed, sizeof(hashed), "%s/%08lx.0", folder,
             X509_subject_name_hash(authority.certificate));
    cr_assert_eq(symlink("authority.pem", hashed), 0);
    try_trust("SSL_CERT_DIR", folder, &server);
    unlink(hashed);
    identity_drop(&authority);
    identity_drop(&server);
    rmdir(folder);
}

/* -- Who we are -------------------------------------------------------------------------------- */

static const struct own_identity {
    bool named, known;
    const char *says; /* NULL: opens */
} own_identities[] = {
    {true, true, NULL},
    {false, true, "endpoint.clientCert"},
    {true, false, "endpoint.clientCert"},
};

Test(tls, a_server_may_want_a_certificate_of_ours)
{
    struct identity authority, server, ours, stranger;
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    identity_make(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
    identity_make(&ours, "ours", "DNS:client", &authority, -HOUR, HOUR);
    identity_make(&stranger, "stranger", "DNS:client", NULL, -HOUR, HOUR);
    for (size_t i = 0; i < array_count(own_identities); i++) {
        const struct own_identity *row = &own_identities[i];
        const struct identity *mine = row->known ? &ours : &stranger;
        struct world world;
        struct peer peer = {0};
        struct client client = {0};
        world_start(&world,
                    &(struct net_options){.ca_file = authority.cert_path,
                                          .client_cert = row->named ? mine->cert_path : NULL,
                                          .client_key = row->named ? mine->key_path : NULL});
        peer_listen_tls(&peer, echo_once, server.cert_path, server.key_path);
        SSL_CTX_load_verify_locations(peer.tls, authority.cert_path, NULL);
        SSL_CTX_set_verify(peer.tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        client_open(&client, &world, peer_url(&peer, "wss", "localhost", "/"), NULL, 0);
        client_send(&client, "hello");
        world_run_until(&world, row->says ? &client.closed : &client.got, "the end");
        if (row->says) {
            cr_expect_eq(client.close.status, STATUS_DENIED, "%s", client.close.text);
            cr_expect(strstr(client.close.text, row->says), "%s", client.close.text);
        }
        client_end(&client);
        peer_end(&peer);
        world_end(&world);
    }
    identity_drop(&authority);
    identity_drop(&server);
    identity_drop(&ours);
    identity_drop(&stranger);
    rmdir(folder);
}

static const struct bad_file {
    const char *content;
    const char *says;
} bad_files[] = {
    {"rubbish", "cannot be used"},
    {NULL, "cannot read"},
};

Test(tls, a_certificate_that_cannot_be_used_is_named)
{
    const char *folder = identity_folder();
    char path[96];
    snprintf(path, sizeof(path), "%s/mine.pem", folder);
    for (size_t i = 0; i < array_count(bad_files) * 2; i++) {
        const struct bad_file *row = &bad_files[i / 2];
        struct world world;
        struct client client = {0};
        if (row->content) {
            FILE *file = fopen(path, "w");
            fputs(row->content, file);
            fclose(file);
        }
        world_start(&world, i % 2 ? &(struct net_options){.ca_file = path}
                                  : &(struct net_options){.client_cert = path});
        client_open(&client, &world, "wss://localhost:9/", NULL, 0);
        world_run_until(&world, &client.closed, "on_closed");
        cr_expect(strstr(client.close.text, path), "%s", client.close.text);
        cr_expect(strstr(client.close.text, row->says), "%s", client.close.text);
        client_end(&client);
        world_end(&world);
        unlink(path);
    }
    rmdir(folder);
}
