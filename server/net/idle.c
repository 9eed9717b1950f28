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

/* How long the server says that it keeps a connection; 0: it does not say. */
static uint64_t kept_ms(const struct net_head *head)
{
    struct str rest = net_head_get(head, "keep-alive"), one;
    uint64_t seconds;
    while (str_next(&rest, ',', &one)) {
        one = str_trim(one);
        if (str_starts_with(one, STR("timeout=")) &&
            str_to_uint64(str_skip(one, strlen("timeout=")), &seconds) && seconds < 3600)
            return seconds > 1 ? (seconds - 1) * 1000 : 1;
    }
    return 0;
}

bool net_idle_may_keep(const struct net_link *link, const struct net_body *answer, struct str rest)
{
    return !link->head.old && !net_head_has(&link->head, "connection", "close") &&
           answer->kind != BODY_TO_END && rest.len == 0;
}

void net_idle_put(struct net *net, const struct net_link *link, struct net_stream *stream)
{
    uint64_t at_most_ms = kept_ms(&link->head);
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
