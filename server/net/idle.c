/* Connections that wait for the next HTTP exchange with the same target. None of them keeps the
 * loop running, and whatever the other side says or does ends one. */
#include <string.h>

#include "link-internal.h"

enum { IDLE_COUNT = 4, IDLE_MS = 30000 /* servers close theirs after 60 s or more, mostly */ };

struct net_idle {
    struct net *net;
    struct net_stream *stream;
    bool tls;
    char host[256];
    unsigned port;
    char *unix_path, *proxy;
    uv_timer_t timer;
};

static void on_timer_closed(uv_handle_t *handle)
{
    mem_free(container_of(handle, struct net_idle, timer));
}

/* Returns the stream, which is the caller's then. */
static struct net_stream *take_out(struct net_idle *idle)
{
    struct net *net = idle->net;
    struct net_stream *stream = idle->stream;
    for (size_t i = 0; i < net->idle.len; i++) {
        if (net->idle.ptr[i] == idle)
            vec_remove(&net->idle, i--);
    }
    mem_free(idle->unix_path);
    if (idle->proxy)
        explicit_bzero(idle->proxy, strlen(idle->proxy)); /* it may hold a password */
    mem_free(idle->proxy);
    uv_close((uv_handle_t *)&idle->timer, on_timer_closed);
    return stream;
}

static void on_timer(uv_timer_t *timer)
{
    net_stream_leave(take_out(container_of(timer, struct net_idle, timer)));
}

static void on_bytes(void *user, struct str bytes)
{
    net_stream_free(take_out(user)); /* nothing was asked: whatever it is, it is no answer */
}

static void on_end(void *user, const struct net_ending *ending)
{
    net_stream_free(take_out(user));
}

static void on_drain(void *user)
{
}

static const struct net_stream_handlers handlers = {
    .on_bytes = on_bytes, .on_drain = on_drain, .on_end = on_end};

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool leads_to(const struct net_idle *idle, const struct net_link *link)
{
    return idle->tls == link->url.tls && idle->port == link->url.port &&
           strcmp(idle->host, link->url.host) == 0 && same(idle->unix_path, link->unix_path) &&
           same(idle->proxy, link->proxy);
}

struct net_stream *net_idle_take(struct net *net, const struct net_link *link)
{
    for (size_t i = net->idle.len; i-- > 0;) { /* the youngest is the likeliest to live */
        if (!leads_to(net->idle.ptr[i], link))
            continue;
        struct net_stream *stream = take_out(net->idle.ptr[i]);
        net_stream_set_idle(stream, false);
        return stream;
    }
    return NULL;
}

void net_idle_put(struct net *net, const struct net_link *link, struct net_stream *stream,
                  uint64_t at_most_ms)
{
    if (net->idle.len == IDLE_COUNT)
        net_stream_free(take_out(net->idle.ptr[0]));
    struct net_idle *idle = mem_new(struct net_idle);
    idle->net = net;
    idle->stream = stream;
    idle->tls = link->url.tls;
    idle->port = link->url.port;
    memcpy(idle->host, link->url.host, sizeof(idle->host));
    idle->unix_path = mem_dup_c(link->unix_path);
    idle->proxy = mem_dup_c(link->proxy);
    uv_timer_init(loop_uv(net->loop), &idle->timer);
    uv_update_time(loop_uv(net->loop));
    uv_timer_start(&idle->timer, on_timer,
                   at_most_ms && at_most_ms < IDLE_MS ? at_most_ms : IDLE_MS, 0);
    uv_unref((uv_handle_t *)&idle->timer);
    net_stream_give(stream, &handlers, idle);
    net_stream_set_idle(stream, true);
    vec_push(&net->idle, idle);
}

void net_idle_finish(struct net *net)
{
    while (net->idle.len)
        net_stream_free(take_out(net->idle.ptr[0]));
    vec_finish(&net->idle);
}
