/* TLS on a connected socket that never blocks, by OpenSSL, and what to say when it fails. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "stream-internal.h"

enum { RECORD_BYTES = 16 * 1024, READ_AHEAD_BYTES = 32 * 1024 };

/* -- What to say */

static const struct advice {
    int error;
    const char *text;
} advices[] = {
    {X509_V_ERR_HOSTNAME_MISMATCH, "the certificate is for another host; check the URL"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "the certificate is for another address; check the URL"},
    {X509_V_ERR_CERT_HAS_EXPIRED,
     "the server's certificate must be renewed, or this clock is wrong"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "check this machine's clock"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "if it is yours, name it in endpoint.caFile"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "if you trust its CA, name that in endpoint.caFile"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
     "if you trust its CA, name that in endpoint.caFile"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
     "if you trust its CA, name that in endpoint.caFile"},
};

static void explain(int verify_error, const char *host, char *ret_text, size_t size)
{
    const char *advice = "the connection is not safe and was not made";
    for (size_t i = 0; i < array_count(advices); i++) {
        if (advices[i].error == verify_error)
            advice = advices[i].text;
    }
    snprintf(ret_text, size, "TLS: the certificate of %s was refused: %s; %s", host,
             X509_verify_cert_error_string(verify_error), advice);
}

/* What a server says when it breaks a handshake off. With TLS 1.3 it judges a client's certificate
 * after the client is done, so this may come instead of the answer. */
static const struct advice alerts[] = {
    {SSL_AD_BAD_CERTIFICATE, "check endpoint.clientCert"},
    {SSL_AD_CERTIFICATE_EXPIRED, "renew the certificate of endpoint.clientCert"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "check endpoint.clientCert"},
    {SSL_AD_UNKNOWN_CA, "it does not know who issued the certificate of endpoint.clientCert"},
    {SSL_AD_CERTIFICATE_REQUIRED, "name your certificate in endpoint.clientCert"},
    {SSL_AD_PROTOCOL_VERSION, "it speaks no TLS 1.2 or newer"},
    {SSL_AD_UNRECOGNIZED_NAME, "it does not serve this host; check the URL"},
};

static void explain_alert(int alert, const char *host, char *ret_text, size_t size)
{
    const char *advice = "check the URL, and what the server expects of its clients";
    for (size_t i = 0; i < array_count(alerts); i++) {
        if (alerts[i].error == alert)
            advice = alerts[i].text;
    }
    snprintf(ret_text, size, "TLS: %s broke the connection off: %s; %s", host,
             SSL_alert_desc_string_long(alert), advice);
}

void net_tls_explain_failure(struct net_tls *tls)
{
    struct net_ending *ending = tls->ending;
    long refused = SSL_get_verify_result(tls->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    if (!reason)
        reason = errno ? strerror(errno) : "the connection was closed";
    if (ending->text[0])
        return;
    if (refused != X509_V_OK) {
        ending->status = STATUS_DENIED;
        explain((int)refused, tls->url->host, ending->text, sizeof(ending->text));
        return;
    }
    ending->status = STATUS_IO;
    snprintf(ending->text, sizeof(ending->text),
             "cannot connect to %s port %u with TLS: %s; is it running, and the URL right?",
             tls->url->host, tls->url->port, reason);
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct net_tls *tls = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT || value >> 8 != SSL3_AL_FATAL)
        return;
    if (tls->ending->text[0])
        return;
    tls->ending->status = STATUS_DENIED;
    explain_alert(value & 0xFF, tls->url->host, tls->ending->text, sizeof(tls->ending->text));
}

/* -- Sessions: a host that was connected to before is spared the proof by certificate, since only
 * who gave the ticket can take it. Each is used once (RFC 8446, C.4). */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct net_tls *tls = SSL_get_app_data(ssl);
    struct net *net = tls->net;
    if (SSL_get_verify_result(ssl) != X509_V_OK)
        return 0;
    struct net_session *place = &net->sessions[net->next_session++ % NET_SESSIONS_COUNT];
    SSL_SESSION_free(place->session);
    snprintf(place->host, sizeof(place->host), "%s", tls->url->host);
    place->port = tls->url->port;
    place->session = session;
    return 1; /* it is ours now */
}

static void take_session(struct net_tls *tls)
{
    for (size_t i = 0; i < NET_SESSIONS_COUNT; i++) {
        struct net_session *one = &tls->net->sessions[i];
        if (!one->session || one->port != tls->url->port || strcmp(one->host, tls->url->host) != 0)
            continue;
        SSL_set_session(tls->ssl, one->session);
        SSL_SESSION_free(one->session);
        one->session = NULL;
        return;
    }
}

void net_tls_finish(struct net *net)
{
    for (size_t i = 0; i < NET_SESSIONS_COUNT; i++) {
        SSL_SESSION_free(net->sessions[i].session);
        net->sessions[i].session = NULL;
    }
}

/* -- Connections */

void net_tls_prepare(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(ctx, 1); /* else each record is two reads */
    SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD_BYTES);
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
}

/* Whose certificate it must be: exactly this host or address, by its alternative names. */
static bool name_peer(SSL *ssl, const char *url_host)
{
    char host[sizeof(((struct net_url *)0)->host)];
    unsigned char address[16];
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    snprintf(host, sizeof(host), "%s", url_host);
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    size_t len = strlen(host);
    if (len > 1 && host[len - 1] == '.')
        host[len - 1] = '\0'; /* the root is not part of names in certificates */
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

bool net_tls_start(struct net_tls *tls, int fd)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    tls->ssl = SSL_new(tls->net->store.ctx);
    if (!tls->ssl)
        return false;
    SSL_set_app_data(tls->ssl, tls);
    if (!name_peer(tls->ssl, tls->url->host) || SSL_set_fd(tls->ssl, fd) != 1 ||
        SSL_set_alpn_protos(tls->ssl, alpn, sizeof(alpn) - 1) != 0)
        return false;
    take_session(tls);
    SSL_set_connect_state(tls->ssl);
    return true;
}

static enum net_tls_result result_of(struct net_tls *tls, int code)
{
    switch (SSL_get_error(tls->ssl, code)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    default:
        return TLS_FAILED;
    }
}

enum net_tls_result net_tls_shake(struct net_tls *tls)
{
    ERR_clear_error();
    errno = 0;
    int code = SSL_do_handshake(tls->ssl);
    return code == 1 ? TLS_DONE : result_of(tls, code);
}

enum net_tls_result net_tls_read(struct net_tls *tls, char *bytes, size_t size, size_t *ret_got)
{
    ERR_clear_error();
    int code = SSL_read_ex(tls->ssl, bytes, size, ret_got);
    return code == 1 ? TLS_DONE : result_of(tls, code);
}

enum net_tls_result net_tls_write(struct net_tls *tls, struct str bytes, size_t *ret_put)
{
    ERR_clear_error();
    size_t size = bytes.len < RECORD_BYTES ? bytes.len : RECORD_BYTES;
    int code = SSL_write_ex(tls->ssl, bytes.ptr, size, ret_put);
    return code == 1 ? TLS_DONE : result_of(tls, code);
}

void net_tls_free(struct net_tls *tls)
{
    SSL_free(tls->ssl);
    tls->ssl = NULL;
}
