/* Certificates are made by the test itself, with libcrypto, in a folder of its own. */
#include "peer.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(tls, .timeout = 60);

/* -- A small authority
 * -------------------------------------------------------------------------------- */

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    char cert_path[96], key_path[96];
};

static char folder[32];

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    cr_assert(extension, "%s", value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static void save(struct identity *identity, const char *name)
{
    snprintf(identity->cert_path, sizeof(identity->cert_path), "%s/%s.pem", folder, name);
    snprintf(identity->key_path, sizeof(identity->key_path), "%s/%s.key", folder, name);
    FILE *file = fopen(identity->cert_path, "w");
    PEM_write_X509(file, identity->certificate);
    fclose(file);
    file = fopen(identity->key_path, "w");
    PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
}

/* alt_names: "DNS:…" or "IP:…"; NULL makes an authority. issuer NULL: signed by itself. */
static void make_identity(struct identity *identity, const char *name, const char *alt_names,
                          const struct identity *issuer, long from_s, long until_s)
{
    static long serial = 1;
    identity->key = EVP_EC_gen("P-256");
    X509 *certificate = identity->certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), until_s);
    X509_set_pubkey(certificate, identity->key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509 *signer = issuer ? issuer->certificate : certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer));
    if (alt_names)
        add_extension(certificate, signer, NID_subject_alt_name, alt_names);
    else
        add_extension(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(certificate, issuer ? issuer->key : identity->key, EVP_sha256());
    save(identity, name);
}

static void drop_identity(struct identity *identity)
{
    unlink(identity->cert_path);
    unlink(identity->key_path);
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/net-test-XXXXXX");
    cr_assert(mkdtemp(folder));
    /* The machine's own store would only make this slow. */
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    setenv("SSL_CERT_DIR", folder, 1);
}

/* -- What is trusted and what is not
 * ------------------------------------------------------------------------ */

enum { HOUR = 3600 };

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
    make_identity(&server, row->name, row->alt_names, row->signed_by_ca ? authority : NULL,
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
    drop_identity(&server);
}

Test(tls, sec_03_only_the_right_certificate_opens)
{
    struct identity authority;
    make_folder();
    make_identity(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    for (size_t i = 0; i < array_count(certificates); i++)
        try_certificate(&certificates[i], &authority);
    drop_identity(&authority);
    rmdir(folder);
}

Test(tls, sec_03_an_unknown_authority_is_refused)
{
    struct world world;
    struct identity authority, server;
    struct peer peer = {0};
    struct client client = {0};
    make_folder();
    make_identity(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    make_identity(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
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
    drop_identity(&authority);
    drop_identity(&server);
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
    make_folder();
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
    make_folder();
    make_identity(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    make_identity(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
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
    drop_identity(&authority);
    drop_identity(&server);
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
    make_folder();
    make_identity(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    make_identity(&server, "server", "DNS:localhost", &authority, -HOUR, HOUR);
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
    drop_identity(&authority);
    drop_identity(&server);
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
