/* Which way a connection would take, and what one has met on it, told to people. */
#include <netdb.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec-internal.h"
#include "path-internal.h"

static const char *get_environment(const char *name)
{
    return getenv(name);
}

static bool any_is_set(const char *const *names)
{
    for (; *names; names++) {
        const char *value = getenv(*names);
        if (value && *value)
            return true;
    }
    return false;
}

static const char *why_none(const struct net_url *url, const char *setting)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                        NULL};
    if (!url->tls)
        return "an address without TLS is on this machine, and no proxy is used for that";
    if (setting && strcmp(setting, "none") == 0)
        return "endpoint.proxy is \"none\"";
    if (!any_is_set(names))
        return "neither endpoint.proxy nor https_proxy nor all_proxy is set";
    return "no_proxy excepts the host, or it is this machine";
}

enum status net_proxy_describe(const struct net_url *url, const char *setting,
                               struct net_proxy_facts *ret_facts, struct err *err)
{
    struct net_proxy proxy;
    enum status status = net_proxy_choose(url, setting, get_environment, &proxy, err);
    if (status < 0)
        return status;
    *ret_facts = (struct net_proxy_facts){.used = proxy.kind != PROXY_NONE,
                                          .is_socks = proxy.kind == PROXY_SOCKS,
                                          .has_user = proxy.has_user,
                                          .port = proxy.port};
    snprintf(ret_facts->host, sizeof(ret_facts->host), "%s", proxy.host);
    if (ret_facts->used)
        snprintf(ret_facts->why, sizeof(ret_facts->why), "%s is set", proxy.source);
    else
        snprintf(ret_facts->why, sizeof(ret_facts->why), "%s", why_none(url, setting));
    explicit_bzero(&proxy, sizeof(proxy));
    return STATUS_OK;
}

/* -- What a connection met */

void net_set_way(struct net *net, struct net_way *way)
{
    net->way = way;
}

void net_way_begin(struct net *net)
{
    if (net->way)
        *net->way = (struct net_way){.begun_ns = time_mono_ns()};
}

void net_way_connected(struct net *net, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (!net->way)
        return;
    net->way->connected = true;
    net->way->connected_ms = (time_mono_ns() - net->way->begun_ns) / 1000000;
    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0 && address.ss_family != AF_UNIX)
        getnameinfo((struct sockaddr *)&address, len, net->way->address, sizeof(net->way->address),
                    NULL, 0, NI_NUMERICHOST);
}

/* "CN, O" of a name; what it has of them. */
static void copy_name(const X509_NAME *name, char *out, size_t size)
{
    char common[96] = "", organization[96] = "";
    X509_NAME *same = (X509_NAME *)(uintptr_t)name; /* OpenSSL's lack of const */
    X509_NAME_get_text_by_NID(same, NID_commonName, common, sizeof(common));
    X509_NAME_get_text_by_NID(same, NID_organizationName, organization, sizeof(organization));
    snprintf(out, size, "%s%s%s", common, common[0] && organization[0] ? ", " : "", organization);
}

static int64_t to_seconds(const ASN1_TIME *time)
{
    struct tm date = {0};
    return time && ASN1_TIME_to_tm(time, &date) == 1 ? (int64_t)timegm(&date) : 0;
}

static void copy_chain(struct net_way *way, const SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl); /* as far as one was found */
    if (!chain)
        chain = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; i < sk_X509_num(chain) && way->chain_count < NET_CHAIN_COUNT; i++) {
        const X509 *certificate = sk_X509_value(chain, i);
        struct net_certificate *one = &way->chain[way->chain_count++];
        copy_name(X509_get_subject_name(certificate), one->subject, sizeof(one->subject));
        copy_name(X509_get_issuer_name(certificate), one->issuer, sizeof(one->issuer));
        one->from_s = to_seconds(X509_get0_notBefore(certificate));
        one->until_s = to_seconds(X509_get0_notAfter(certificate));
    }
}

void net_way_shaken(struct net *net, const SSL *ssl, bool good)
{
    struct net_way *way = net->way;
    if (!way)
        return;
    way->secured = good;
    copy_chain(way, ssl);
    if (!good)
        return;
    snprintf(way->protocol, sizeof(way->protocol), "%s", SSL_get_version(ssl));
    snprintf(way->cipher, sizeof(way->cipher), "%s", SSL_get_cipher_name(ssl));
}

void net_way_answered(struct net *net, const struct net_head *head)
{
    struct net_way *way = net->way;
    if (!way)
        return;
    const struct {
        const char *name;
        char *text;
        size_t size;
    } headers[] = {{"server", way->server, sizeof(way->server)},
                   {"via", way->via, sizeof(way->via)},
                   {"x-request-id", way->request_id, sizeof(way->request_id)},
                   {"date", way->date, sizeof(way->date)}};
    way->http_status = head->status;
    for (size_t i = 0; i < array_count(headers); i++)
        snprintf(headers[i].text, headers[i].size, STR_FMT,
                 STR_ARG(net_head_get(head, headers[i].name)));
}

/* As store.c reads them. */
void net_trust_describe(const struct net *net, struct buf *text)
{
    const char *file_variable = X509_get_default_cert_file_env(),
               *folder_variable = X509_get_default_cert_dir_env();
    const struct {
        const char *name, *path;
    } more[] = {{file_variable, getenv(file_variable)},
                {folder_variable, getenv(folder_variable)},
                {"NODE_EXTRA_CA_CERTS", getenv("NODE_EXTRA_CA_CERTS")},
                {"endpoint.caFile", net->ca_file}};
    buf_append_fmt(text, "the system's (%s)", X509_get_default_cert_dir());
    for (size_t i = 0; i < array_count(more); i++)
        if (more[i].path && *more[i].path)
            buf_append_fmt(text, ", %s (%s)", more[i].name, more[i].path);
}
