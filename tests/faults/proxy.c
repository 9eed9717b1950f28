#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy-internal.h"

enum { LINKS_MAX = 128 };

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void accept_link(struct proxy *proxy)
{
    struct sockaddr_in address = loopback(proxy->server_port);
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct link *link = link_new(client, server);
    proxy->counts.connections++;
    vec_push(&proxy->links, link);
    if (connect(server, (struct sockaddr *)&address, sizeof(address)) < 0)
        link_end(link, true);
}

/* -- The thread ----------------------------------------------------------------------------------
 */

static int wait_ms(const struct proxy *proxy)
{
    uint64_t due = UINT64_MAX, now = now_ms();
    for (size_t i = 0; i < proxy->links.len; i++) {
        for (int d = 0; d < DIRECTION_COUNT; d++) {
            uint64_t until = proxy->links.ptr[i]->pump[d].held_until;
            uint64_t comment_at = proxy->links.ptr[i]->pump[d].comment_at;
            if (until && until < due)
                due = until;
            if (comment_at && comment_at < due)
                due = comment_at;
        }
    }
    return due == UINT64_MAX ? -1 : due > now ? (int)(due - now) : 0;
}

static size_t list_fds(const struct proxy *proxy, struct pollfd *fds)
{
    size_t count = 0;
    fds[count++] = (struct pollfd){.fd = proxy->wake[0], .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
    for (size_t i = 0; i < proxy->links.len && i < LINKS_MAX; i++) {
        const struct link *link = proxy->links.ptr[i];
        for (int d = 0; d < DIRECTION_COUNT; d++) {
            bool reads = !link->pump[!d].ended;
            bool writes = link->pump[d].out.len > 0 && !link->pump[d].held_until;
            int events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
            fds[count++] =
                (struct pollfd){.fd = events ? link->fd[d] : -1, .events = (short)events};
        }
    }
    return count;
}

static void serve_link(struct proxy *proxy, struct link *link, const struct pollfd *fds)
{
    for (int d = 0; d < DIRECTION_COUNT && !link->is_over; d++)
        if (fds[d].revents & (POLLIN | POLLHUP | POLLERR) && !link->pump[!d].ended)
            link_read(link, !d);
    for (int d = 0; d < DIRECTION_COUNT && !link->is_over; d++)
        link_advance(proxy, link, d);
}

static void sweep(struct proxy *proxy)
{
    for (size_t i = proxy->links.len; i-- > 0;) {
        if (proxy->links.ptr[i]->is_over) {
            link_free(proxy->links.ptr[i]);
            vec_remove(&proxy->links, i);
        }
    }
}

static void *run(void *user)
{
    struct proxy *proxy = user;
    struct pollfd fds[2 + LINKS_MAX * DIRECTION_COUNT];
    pthread_mutex_lock(&proxy->mutex);
    while (!proxy->is_over) {
        size_t links = proxy->links.len;
        size_t count = list_fds(proxy, fds);
        int wait = wait_ms(proxy);
        pthread_mutex_unlock(&proxy->mutex);
        poll(fds, count, wait);
        pthread_mutex_lock(&proxy->mutex);
        char byte;
        if (fds[0].revents && !proxy->is_over && read(proxy->wake[0], &byte, 1) != 1)
            perror("proxy");
        for (size_t i = 0; i < links && i < LINKS_MAX; i++)
            serve_link(proxy, proxy->links.ptr[i], fds + 2 + i * DIRECTION_COUNT);
        sweep(proxy);
        if (fds[1].revents && proxy->links.len < LINKS_MAX)
            accept_link(proxy);
    }
    pthread_mutex_unlock(&proxy->mutex);
    return NULL;
}

/* -- From outside --------------------------------------------------------------------------------
 */

static bool listen_at_loopback(struct proxy *proxy)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (proxy->listener < 0 ||
        bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(proxy->listener, 16) < 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&address, &size) < 0)
        return false;
    proxy->port = ntohs(address.sin_port);
    return true;
}

struct proxy *proxy_new(unsigned server_port, const struct fault *fault)
{
    struct proxy *proxy = mem_new(struct proxy);
    proxy->server_port = server_port;
    proxy->fault = *fault;
    proxy->is_blocking = proxy->counts.fired = wrong_from_the_start(fault);
    pthread_mutex_init(&proxy->mutex, NULL);
    if (!listen_at_loopback(proxy) || pipe(proxy->wake) < 0 ||
        pthread_create(&proxy->thread, NULL, run, proxy) != 0) {
        mem_free(proxy);
        return NULL;
    }
    return proxy;
}

unsigned proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_calm(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->is_calm = true;
    proxy->is_blocking = false;
    pthread_mutex_unlock(&proxy->mutex);
}

void proxy_kill_silently(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->counts.fired = true;
    for (size_t i = 0; i < proxy->links.len; i++)
        for (int d = 0; d < DIRECTION_COUNT; d++)
            proxy->links.ptr[i]->pump[d].stalled = proxy->links.ptr[i]->pump[d].muted = true;
    pthread_mutex_unlock(&proxy->mutex);
}

bool proxy_is_holding(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    bool is_holding = proxy->is_holding;
    pthread_mutex_unlock(&proxy->mutex);
    return is_holding;
}

void proxy_release(struct proxy *proxy)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->is_holding = false;
    for (size_t i = 0; i < proxy->links.len; i++)
        for (int d = 0; d < DIRECTION_COUNT; d++)
            proxy->links.ptr[i]->pump[d].is_kept = false;
    pthread_mutex_unlock(&proxy->mutex);
    if (write(proxy->wake[1], "", 1) != 1)
        perror("proxy");
}

void proxy_get_counts(struct proxy *proxy, struct proxy_counts *ret_counts)
{
    pthread_mutex_lock(&proxy->mutex);
    *ret_counts = proxy->counts;
    pthread_mutex_unlock(&proxy->mutex);
}

void proxy_free(struct proxy *proxy)
{
    if (!proxy)
        return;
    pthread_mutex_lock(&proxy->mutex);
    proxy->is_over = true;
    pthread_mutex_unlock(&proxy->mutex);
    if (write(proxy->wake[1], "", 1) == 1)
        pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < proxy->links.len; i++)
        link_free(proxy->links.ptr[i]);
    vec_finish(&proxy->links);
    close(proxy->listener);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    pthread_mutex_destroy(&proxy->mutex);
    mem_free(proxy);
}
