/* Which way a connection would take, told to people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
