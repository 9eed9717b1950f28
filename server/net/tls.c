#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

#include "net-internal.h"

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

void net_tls_explain(int verify_error, const char *host, char *ret_text, size_t size)
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

void net_tls_explain_alert(int alert, const char *host, char *ret_text, size_t size)
{
    const char *advice = "check the URL, and what the server expects of its clients";
    for (size_t i = 0; i < array_count(alerts); i++) {
        if (alerts[i].error == alert)
            advice = alerts[i].text;
    }
    snprintf(ret_text, size, "TLS: %s broke the connection off: %s; %s", host,
             SSL_alert_desc_string_long(alert), advice);
}
