#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "link-internal.h"

enum { CONNECT_MS = 10000 };

struct net *net_new(struct loop *loop, const struct net_options *options, struct err *err)
{
    struct net *net = mem_new(struct net);
    net->loop = loop;
    net->connect_ms = CONNECT_MS;
    if (options) {
        net->ca_file = mem_dup_c(options->ca_file);
        net->client_cert = mem_dup_c(options->client_cert);
        net->client_key = mem_dup_c(options->client_key);
        if (options->connect_ms)
            net->connect_ms = options->connect_ms;
    }
    return net;
}

void net_random(struct net *net, unsigned char *ret_bytes, size_t len)
{
    assert(len <= NET_RANDOM_BYTES);
    if (net->random_left < len) {
        ssize_t got = getrandom(net->random, sizeof(net->random), 0);
        if (got != (ssize_t)sizeof(net->random)) /* up to 256 bytes always come whole */
            abort();
        net->random_left = sizeof(net->random);
    }
    net->random_left -= len;
    memcpy(ret_bytes, net->random + net->random_left, len);
}

void net_free(struct net *net)
{
    if (!net)
        return;
    assert(net->object_count == 0);
    net_idle_finish(net);
    net_streams_finish(net);
    net_library_free(net);
    while (net->resolve_count || net->store.loading || net->release_count)
        uv_run(loop_uv(net->loop), UV_RUN_ONCE);
    net_store_finish(net);
    net_tls_finish(net);
    mem_free(net->ca_file);
    mem_free(net->client_cert);
    mem_free(net->client_key);
    mem_free(net);
}
