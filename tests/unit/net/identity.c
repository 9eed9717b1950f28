#include "identity.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -- A small authority ------------------------------------------------------------------------- */

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

void identity_make(struct identity *identity, const char *name, const char *alt_names,
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

void identity_drop(struct identity *identity)
{
    unlink(identity->cert_path);
    unlink(identity->key_path);
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

const char *identity_folder(void)
{
    strcpy(folder, "/tmp/net-test-XXXXXX");
    cr_assert(mkdtemp(folder));
    /* The machine's own store would only make this slow. */
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    setenv("SSL_CERT_DIR", folder, 1);
    return folder;
}
