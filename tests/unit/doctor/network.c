/* The way to the endpoint, and what goes wrong on it: certificates, proxies, ports, silence. */
#include "../net/identity.h"
#include "../net/peer.h"
#include "patient.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(network, .timeout = 60);

static struct patient patient;

static void start(void)
{
    patient_start(&patient);
    patient_set(&patient, "OPENAI_API_KEY=k");
    patient_set(&patient, "LANEBRIDGE_TEST_DEADLINES=connect:1500,proof:400");
}

static void end(void)
{
    patient_end(&patient);
}

/* -- Certificates -- */

static void open_and_listen(struct peer *peer)
{
    if (peer_accept_upgrade(peer))
        while (peer_read_message(peer) && !peer->close_code)
            ;
    peer->close_code = 0;
}

static const struct certificate {
    const char *name, *alt_names;
    bool signed_by_ca;
    long from_s, until_s;
    const char *status, *found, *fix;
} certificates[] = {
    {"right", "DNS:localhost", true, -HOUR, 1000L * HOUR, "ok", "TLSv1.3", NULL},
    {"soon", "DNS:localhost", true, -HOUR, 3 * HOUR, "warn", "the certificate ends in", "renewed"},
    {"wrong-name", "DNS:api.example.com", true, -HOUR, HOUR, "fail", "another host", NULL},
    {"expired", "DNS:localhost", true, -2 * HOUR, -HOUR, "fail", "expired", NULL},
    {"future", "DNS:localhost", true, HOUR, 2 * HOUR, "fail", NULL, "clock"},
    {"self-signed", "DNS:localhost", false, -HOUR, HOUR, "fail", NULL, "endpoint.caFile"},
};

static void try_certificate(const struct certificate *row, const struct identity *authority)
{
    struct identity server;
    struct peer peer = {0};
    struct buf more = {0};
    identity_make(&server, row->name, row->alt_names, row->signed_by_ca ? authority : NULL,
                  row->from_s, row->until_s);
    peer_listen_tls(&peer, open_and_listen, server.cert_path, server.key_path);
    buf_append_fmt(&more, ",\"caFile\":\"%s\"", authority->cert_path);
    patient_set_endpoint(&patient, peer_url(&peer, "wss", "localhost", "/v1/responses"), more.ptr);
    patient_run(&patient);
    patient_expect(&patient, "connect", "ok", "localhost port", NULL);
    patient_expect(&patient, "tls", row->status, row->found, row->fix);
    patient_expect(&patient, "tls", row->status, row->name, NULL);
    patient_expect(&patient, "tls", row->status, row->signed_by_ca ? "issued by authority" : "",
                   NULL);
    patient_expect(&patient, "tls", row->status, "endpoint.caFile", NULL); /* what is trusted */
    bool good = strcmp(row->status, "fail") != 0;
    patient_expect(&patient, "upgrade", good ? "ok" : "skip", good ? "101" : "because tls failed",
                   NULL);
    peer_end(&peer);
    identity_drop(&server);
    buf_finish(&more);
}

Test(network, sec_03_certificates, .init = start, .fini = end)
{
    struct identity authority;
    const char *folder = identity_folder();
    identity_make(&authority, "authority", NULL, NULL, -HOUR, HOUR);
    for (size_t i = 0; i < array_count(certificates); i++)
        try_certificate(&certificates[i], &authority);
    identity_drop(&authority);
    rmdir(folder);
}

static void speak_plainly(struct peer *peer)
{
    char byte;
    peer_puts(peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
    peer_read(peer, &byte, 1);
}

Test(network, a_port_without_tls, .init = start, .fini = end)
{
    struct peer peer = {0};
    peer_listen(&peer, speak_plainly);
    patient_set_endpoint(&patient, peer_url(&peer, "wss", "localhost", "/v1/responses"), "");
    patient_run(&patient);
    patient_expect(&patient, "connect", "ok", "127.0.0.1", NULL);
    patient_expect(&patient, "tls", "fail", "with TLS", NULL);
    patient_expect(&patient, "upgrade", "skip", "because tls failed", NULL);
    peer_end(&peer);
}

/* -- Answers to the upgrade -- */

static void answer_with_text(struct peer *peer)
{
    char byte;
    if (peer_read_head(peer) && peer_puts(peer, peer->text))
        peer_read(peer, &byte, 1); /* a body; closing with it unread would be a reset */
}

static const struct answer {
    const char *text, *found, *fix, *http;
} answers[] = {
    {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "401", NULL, "refuses the key"},
    {"HTTP/1.1 404 Not Found\r\nServer: teapot\r\nVia: 1.1 box\r\nContent-Length: 0\r\n\r\n",
     "server: teapot; via: 1.1 box", NULL, "no such path"},
    {"HTTP/1.1 403 No\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n",
     "minutes behind ours", "clock", "forbids it"},
    {"HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nX-Request-Id: req_9\r\nContent-Length: 0\r\n\r\n",
     "retry after 7.0 s, request req_9", NULL, "asks to wait"},
    {"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503", NULL, "trouble of its own"},
};

Test(network, what_refuses_the_upgrade_is_told, .init = start, .fini = end)
{
    for (size_t i = 0; i < array_count(answers); i++) {
        struct peer peer = {.text = answers[i].text};
        peer_listen(&peer, answer_with_text);
        patient_set_endpoint(&patient, peer_url(&peer, "ws", "127.0.0.1", "/v1/responses"), "");
        patient_run(&patient);
        patient_expect(&patient, "connect", "ok", NULL, NULL);
        patient_expect(&patient, "upgrade", "fail", answers[i].found, answers[i].fix);
        const char *status = i == 0 || i == 2 ? "fail" : "warn";
        patient_expect(&patient, "http", status, answers[i].http, NULL);
        patient_expect(&patient, "latency", "skip", "because upgrade failed", NULL);
        peer_end(&peer);
    }
}

Test(network, where_http_is_wanted_a_refused_upgrade_is_none, .init = start, .fini = end)
{
    struct peer peer = {.text = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"};
    peer_listen(&peer, answer_with_text);
    patient_set_endpoint(&patient, peer_url(&peer, "ws", "127.0.0.1", "/v1/responses"),
                         ",\"transport\":\"http\"");
    patient_run(&patient);
    patient_expect(&patient, "upgrade", "ok", "not asked for", NULL);
    patient_expect(&patient, "http", "ok", "400", NULL);
    peer_end(&peer);
}

/* -- Silence, and nobody -- */

static void say_nothing(struct peer *peer)
{
    peer_read_rest(peer);
}

Test(network, a_socket_that_never_answers, .init = start, .fini = end)
{
    struct peer peer = {0};
    peer_listen(&peer, open_and_listen);
    patient_set_endpoint(&patient, peer_url(&peer, "ws", "127.0.0.1", "/v1/responses"), "");
    patient_run(&patient);
    patient_expect(&patient, "upgrade", "ok", "101", NULL);
    patient_expect(&patient, "generate", "fail", "no answer in 400 ms", "try again");
    patient_expect(&patient, "latency", "skip", "because generate failed", NULL);
    peer_end(&peer);
}

/* The number behind `words` in what a line found. */
static uint64_t number_behind(const char *line, const char *words)
{
    struct str found = json_get_str(patient_check(&patient, line), "found");
    size_t at = str_find(found, str_from(words), 0);
    cr_assert_neq(at, STR_NONE, "%s: " STR_FMT, line, STR_ARG(found));
    return strtoull(found.ptr + at + strlen(words), NULL, 10);
}

/* The way to it was there at once: what lasted was the wait for an answer. */
Test(network, a_server_that_never_answers, .init = start, .fini = end)
{
    struct peer peer = {0};
    peer_listen(&peer, say_nothing);
    patient_set_endpoint(&patient, peer_url(&peer, "ws", "127.0.0.1", "/v1/responses"), "");
    patient_run(&patient);
    patient_expect(&patient, "connect", "ok", "127.0.0.1", NULL);
    patient_expect(&patient, "upgrade", "fail", "no answer came", NULL);
    patient_expect(&patient, "generate", "skip", "because upgrade failed", NULL);
    cr_expect_lt(number_behind("connect", "open in "), number_behind("upgrade", "within "));
    peer_end(&peer);
}

Test(network, a_dead_port, .init = start, .fini = end)
{
    patient_set_endpoint(&patient, "ws://127.0.0.1:1/v1/responses", "");
    patient_run(&patient);
    patient_expect(&patient, "connect", "fail", "refused", NULL);
    patient_expect(&patient, "tls", "skip", "because connect failed", NULL);
    patient_expect(&patient, "latency", "skip", "because connect failed", NULL);
    cr_expect_eq(patient.exit_code, 1);
}

static const struct address {
    const char *url, *name, *found;
} addresses[] = {
    {"ftp://a.example/", "endpoint", NULL},
    {"ws://a.example/v1/responses", "endpoint", "ws"},
    {"wss://no-such-name.invalid/v1/responses", "dns", "no-such-name.invalid"},
};

Test(network, addresses_that_lead_nowhere, .init = start, .fini = end)
{
    for (size_t i = 0; i < array_count(addresses); i++) {
        patient_set_endpoint(&patient, addresses[i].url, "");
        patient_run(&patient);
        patient_expect(&patient, addresses[i].name, "fail", addresses[i].found, NULL);
        patient_expect(&patient, "connect", "skip", addresses[i].name, NULL);
    }
}

/* -- Proxies -- */

static const struct proxy {
    const char *text, *found; /* text NULL: never answers */
} proxies[] = {
    {"HTTP/1.1 403 Forbidden by policy\r\n\r\n", "403"},
    {"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "407"},
    {NULL, "proxy"},
};

Test(network, sec_01_proxies_that_refuse, .init = start, .fini = end)
{
    for (size_t i = 0; i < array_count(proxies); i++) {
        struct peer peer = {.text = proxies[i].text};
        peer_listen(&peer, peer.text ? answer_with_text : say_nothing);
        patient_set(&patient, "https_proxy=http://user:hidden@127.0.0.1:%u", peer.port);
        patient_set_endpoint(&patient, "wss://api.example.invalid/v1/responses", "");
        patient_run(&patient);
        patient_expect(&patient, "proxy", "ok", "with a user name: https_proxy is set", NULL);
        patient_expect(&patient, "dns", "ok", "the proxy looks up api.example.invalid", NULL);
        patient_expect(&patient, "connect", "fail", proxies[i].found, NULL);
        patient_expect(&patient, "tls", "skip", "because connect failed", NULL);
        cr_expect(!strstr(patient.out.ptr, "hidden"), "%s", patient.out.ptr);
        peer_end(&peer);
    }
}

Test(network, which_proxy_and_why, .init = start, .fini = end)
{
    static const struct {
        const char *proxy, *except, *status, *found;
    } rows[] = {
        {"", "", "ok", "none: neither"},
        {"http://127.0.0.1:1", "*", "ok", "none: no_proxy excepts"},
        {"socks5h://127.0.0.1:1", "", "ok", "SOCKS proxy 127.0.0.1 port 1: https_proxy is set"},
        {"gopher://user:hidden@127.0.0.1:1", "", "fail", "https_proxy"},
    };
    patient_set_endpoint(&patient, "wss://api.example.invalid/v1/responses", "");
    for (size_t i = 0; i < array_count(rows); i++) {
        patient_set(&patient, "https_proxy=%s", rows[i].proxy);
        patient_set(&patient, "no_proxy=%s", rows[i].except);
        patient_run(&patient);
        patient_expect(&patient, "proxy", rows[i].status, rows[i].found, NULL);
        cr_expect(!strstr(patient.out.ptr, "hidden"), "%s", patient.out.ptr);
    }
}

/* -- An endpoint that knows no client events but one */

static void refuse_events(struct peer *peer)
{
    if (!peer_accept_upgrade(peer))
        return;
    while (peer_read_message(peer) && !peer->close_code) {
        bool create = str_find(buf_str(&peer->seen), STR("response.create"), 0) != STR_NONE;
        const char *text =
            create ? "{\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"output\":[]}}"
                   : "{\"type\":\"error\",\"status\":400,\"error\":{\"type\":\"invalid_request_"
                     "error\","
                     "\"code\":null,\"message\":\"Unknown event\",\"param\":\"type\"}}";
        peer_frame(peer, 0x81, text, strlen(text));
    }
    peer->close_code = 0;
}

Test(network, events_that_an_endpoint_does_not_know, .init = start, .fini = end)
{
    struct peer peer = {0};
    peer_listen(&peer, refuse_events);
    patient_set_endpoint(&patient, peer_url(&peer, "ws", "127.0.0.1", "/v1/responses"), "");
    patient_run(&patient);
    patient_expect(&patient, "generate", "ok", "yes", NULL);
    patient_expect(&patient, "stream_id", "warn", "it is ignored", NULL);
    patient_expect(&patient, "response.steer", "warn", "Unknown event", NULL);
    patient_expect(&patient, "response.cancel", "ok", "no: Unknown event", NULL);
    patient_expect(&patient, "latency", "ok", "10 warm-ups", NULL);
    peer_end(&peer);
}
