/* Certificates made on the spot, and TLS over blocking sockets. */
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "bench.h"

enum { DAY_S = 24 * 60 * 60 };

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension)
        bench_die("OpenSSL takes no extension %s", value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: an authority, signed by itself. */
static struct identity make_identity(const char *name, const struct identity *issuer)
{
    struct identity made = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
    X509 *certificate = made.certificate, *signer = issuer ? issuer->certificate : certificate;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), DAY_S);
    X509_set_pubkey(certificate, made.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(signer));
    if (issuer)
        add_extension(certificate, signer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    else
        add_extension(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
    if (X509_sign(certificate, issuer ? issuer->key : made.key, EVP_sha256()) == 0)
        bench_die("OpenSSL cannot sign a certificate");
    return made;
}

static void drop_identity(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

struct ssl_ctx_st *tls_server_new(const char *ca_path)
{
    struct identity authority = make_identity("bench authority", NULL);
    struct identity server = make_identity("bench", &authority);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    FILE *file = fopen(ca_path, "we");
    if (!context || !file || PEM_write_X509(file, authority.certificate) != 1 ||
        fclose(file) != 0 || SSL_CTX_use_certificate(context, server.certificate) != 1 ||
        SSL_CTX_use_PrivateKey(context, server.key) != 1)
        bench_die("cannot make certificates at %s", ca_path);
    drop_identity(&server);
    drop_identity(&authority);
    return context;
}

struct ssl_ctx_st *tls_client_new(const char *ca_path)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_load_verify_locations(context, ca_path, NULL) != 1)
        bench_die("cannot read %s", ca_path);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return context;
}

struct ssl_st *tls_begin(struct ssl_ctx_st *context, int fd, bool is_server)
{
    SSL *tls = SSL_new(context);
    SSL_set_fd(tls, fd);
    SSL_set_tlsext_host_name(tls, "localhost");
    if ((is_server ? SSL_accept(tls) : SSL_connect(tls)) != 1)
        bench_die("no TLS with the %s", is_server ? "client" : "endpoint");
    return tls;
}
