/* Certificates, made by the test itself with libcrypto, in a folder of its own. */
#ifndef TESTS_NET_IDENTITY_H
#define TESTS_NET_IDENTITY_H

#include <criterion/criterion.h>
#include <openssl/x509.h>

enum { HOUR = 3600 };

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    char cert_path[96], key_path[96];
};

/* Made, and set as the folder of SSL_CERT_DIR; the test removes it. */
const char *identity_folder(void);
/* alt_names: "DNS:…" or "IP:…"; NULL makes an authority. issuer NULL: signed by itself. */
void identity_make(struct identity *identity, const char *name, const char *alt_names,
                   const struct identity *issuer, long from_s, long until_s);
void identity_drop(struct identity *identity);

#endif
