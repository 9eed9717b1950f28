/* Notices that a client went away while its answer is being made. The library does not: in that
 * state it neither reads nor lets be, and asks again without end (a full core) once the peer has
 * closed. So its reading is switched off meanwhile, and this watches a duplicate of the socket, on
 * the loop. */
#include <unistd.h>

#include "server-internal.h"

struct net_hangup {
    uv_poll_t poll;
    int fd;
    void (*on_hangup)(void *user);
    void *user;
};

static void on_closed(uv_handle_t *handle)
{
    mem_free(container_of(handle, struct net_hangup, poll));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct net_hangup *hangup = container_of(poll, struct net_hangup, poll);
    uv_poll_stop(poll);
    hangup->on_hangup(hangup->user);
}

struct net_hangup *net_hangup_start(struct net *net, int fd, void (*on_hangup)(void *user),
                                    void *user)
{
    if (fd < 0)
        return NULL;
    struct net_hangup *hangup = mem_new(struct net_hangup);
    hangup->fd = fd;
    hangup->on_hangup = on_hangup;
    hangup->user = user;
    if (uv_poll_init(loop_uv(net->loop), &hangup->poll, fd) < 0) {
        close(fd);
        mem_free(hangup);
        return NULL;
    }
    uv_poll_start(&hangup->poll, UV_DISCONNECT, on_poll);
    return hangup;
}

void net_hangup_stop(struct net_hangup *hangup)
{
    if (!hangup)
        return;
    uv_poll_stop(&hangup->poll);
    close(hangup->fd);
    uv_close((uv_handle_t *)&hangup->poll, on_closed);
}
