#include "path-internal.h"

struct net_watch {
    uv_poll_t poll;
    int events;
    void (*on_ready)(void *user);
    void *user;
};

static void on_closed(uv_handle_t *handle)
{
    mem_free(container_of(handle, struct net_watch, poll));
}

/* An error is readiness too: whoever then reads or asks for SO_ERROR learns it, after what came
 * before it. libuv has stopped watching by then. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct net_watch *watch = container_of(poll, struct net_watch, poll);
    if (status < 0)
        uv_poll_start(poll, watch->events, on_poll);
    watch->on_ready(watch->user);
}

struct net_watch *net_watch_start(struct net *net, int fd, int events, void (*on_ready)(void *user),
                                  void *user)
{
    struct net_watch *watch = mem_new(struct net_watch);
    watch->on_ready = on_ready;
    watch->user = user;
    watch->events = events;
    if (uv_poll_init(loop_uv(net->loop), &watch->poll, fd) < 0) {
        mem_free(watch);
        return NULL;
    }
    uv_poll_start(&watch->poll, events, on_poll);
    return watch;
}

void net_watch_stop(struct net_watch *watch)
{
    if (watch)
        uv_close((uv_handle_t *)&watch->poll, on_closed);
}
