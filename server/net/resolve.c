/* Names to numeric addresses, off the loop. The library's own resolver blocks, and does not try a
 * second address on a foreign loop, so it never sees a name. */
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "net-internal.h"

struct net_resolve {
    uv_getaddrinfo_t request;
    struct net *net;
    net_resolve_fn *done; /* NULL: cancelled, the answer is awaited only to free this */
    void *user;
};

static void add_address(struct net_addresses *addresses, const char *text)
{
    for (size_t i = 0; i < addresses->count; i++) {
        if (strcmp(addresses->list[i], text) == 0)
            return;
    }
    if (addresses->count < NET_ADDRESSES_COUNT)
        snprintf(addresses->list[addresses->count++], NET_ADDRESS_BYTES, "%s", text);
}

bool net_resolve_fast(const char *host, struct net_addresses *ret_addresses)
{
    struct in6_addr any;
    *ret_addresses = (struct net_addresses){0};
    if (strcmp(host, "localhost") == 0) {
        add_address(ret_addresses, "127.0.0.1");
        add_address(ret_addresses, "::1");
    } else if (inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1) {
        add_address(ret_addresses, host);
    }
    return ret_addresses->count > 0;
}

static void collect(const struct addrinfo *list, struct net_addresses *addresses)
{
    for (const struct addrinfo *info = list; info; info = info->ai_next) {
        char text[NET_ADDRESS_BYTES];
        if (getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof(text), NULL, 0,
                        NI_NUMERICHOST) == 0)
            add_address(addresses, text);
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct net_resolve *resolve = container_of(request, struct net_resolve, request);
    struct net_addresses addresses = {0};
    if (status == 0)
        collect(list, &addresses);
    uv_freeaddrinfo(list);
    net_resolve_fn *done = resolve->done;
    void *user = resolve->user;
    resolve->net->resolve_count--;
    mem_free(resolve);
    if (!done)
        return;
    const char *problem = status < 0 ? uv_strerror(status) : "the name has no address";
    done(user, addresses.count ? &addresses : NULL, problem);
}

struct net_resolve *net_resolve_start(struct net *net, const char *host, net_resolve_fn *done,
                                      void *user)
{
    struct net_resolve *resolve = mem_new(struct net_resolve);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    resolve->net = net;
    resolve->done = done;
    resolve->user = user;
    if (uv_getaddrinfo(loop_uv(net->loop), &resolve->request, on_resolved, host, NULL, &hints) <
        0) {
        mem_free(resolve);
        return NULL;
    }
    net->resolve_count++;
    return resolve;
}

void net_resolve_cancel(struct net_resolve *resolve)
{
    if (!resolve)
        return;
    resolve->done = NULL;
    uv_cancel((uv_req_t *)&resolve->request); /* on_resolved still comes */
}
