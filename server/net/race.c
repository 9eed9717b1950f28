/* Happy eyeballs, RFC 8305: addresses of both families by turns, a new attempt every 250 ms or as
 * soon as one has failed, the first connection wins and the others are dropped. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "path-internal.h"

enum {
    HEAD_START_MS = 250, /* RFC 8305, 5: the recommended Connection Attempt Delay */
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_COUNT = 5,
    UNACKNOWLEDGED_MS = 30000, /* else bytes to a peer that vanished wait for some 15 minutes */
};

struct attempt {
    struct net_race *race;
    struct net_watch *watch;
    int fd; /* valid while watch is set */
};

struct net_race {
    struct net *net;
    struct net_addresses addresses;
    unsigned port;
    net_race_fn *done;
    void *user;
    struct loop_timer *next_timer;
    struct attempt attempts[NET_ADDRESSES_COUNT];
    size_t started;
    size_t running;
    int problem; /* errno of the first address that failed */
};

/* -- Addresses */

static bool is_six(const char *address)
{
    return strchr(address, ':') != NULL;
}

/* The resolver's order is kept within each family, and its first address stays the first. */
static void interleave(const struct net_addresses *from, struct net_addresses *to)
{
    size_t at[2] = {0, 0};
    bool six = from->count && is_six(from->list[0]);
    to->count = 0;
    while (to->count < from->count) {
        size_t *i = &at[six];
        while (*i < from->count && is_six(from->list[*i]) != six)
            ++*i;
        if (*i < from->count)
            memcpy(to->list[to->count++], from->list[(*i)++], NET_ADDRESS_BYTES);
        six = !six;
    }
}

/* A scope ("fe80::1%eth0") is understood, names are not. */
static socklen_t make_address(const char *text, unsigned port, struct sockaddr_storage *ret_address)
{
    memset(ret_address, 0, sizeof(*ret_address));
    if (!is_six(text))
        return uv_ip4_addr(text, (int)port, (struct sockaddr_in *)ret_address) == 0
                   ? sizeof(struct sockaddr_in)
                   : 0;
    return uv_ip6_addr(text, (int)port, (struct sockaddr_in6 *)ret_address) == 0
               ? sizeof(struct sockaddr_in6)
               : 0;
}

/* -- One attempt */

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value)); /* each is an improvement, none a need */
}

static int open_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS);
    return fd;
}

static void stop_attempt(struct attempt *attempt)
{
    if (!attempt->watch)
        return;
    net_watch_stop(attempt->watch);
    attempt->watch = NULL;
    attempt->race->running--;
}

static void end_race(struct net_race *race, int fd)
{
    net_race_fn *done = race->done;
    void *user = race->user;
    int problem = race->problem;
    net_race_cancel(race);
    done(user, fd, fd < 0 ? strerror(problem) : NULL);
}

static void note_problem(struct net_race *race, int problem)
{
    if (!race->problem)
        race->problem = problem;
}

static void on_ready(void *user)
{
    struct attempt *attempt = user;
    struct net_race *race = attempt->race;
    int problem = 0, fd = attempt->fd;
    socklen_t len = sizeof(problem);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) != 0)
        problem = errno;
    stop_attempt(attempt);
    if (problem == 0) {
        end_race(race, fd);
        return;
    }
    close(fd);
    note_problem(race, problem);
    loop_timer_start(race->next_timer, 0, 0);
}

/* 0, or the errno. */
static int start_attempt(struct net_race *race, const char *text)
{
    struct sockaddr_storage address;
    struct attempt *attempt = &race->attempts[race->started - 1];
    socklen_t len = make_address(text, race->port, &address);
    int fd = len ? open_socket(address.ss_family) : -1;
    if (fd < 0)
        return len ? errno : EINVAL;
    *attempt = (struct attempt){.race = race, .fd = fd};
    if (connect(fd, (struct sockaddr *)&address, len) != 0 && errno != EINPROGRESS) {
        int problem = errno;
        close(fd);
        return problem;
    }
    attempt->watch = net_watch_start(race->net, fd, UV_WRITABLE, on_ready, attempt);
    if (!attempt->watch) {
        close(fd);
        return EMFILE;
    }
    race->running++;
    return 0;
}

/* -- The race */

static void start_next(struct net_race *race)
{
    while (race->started < race->addresses.count) {
        const char *text = race->addresses.list[race->started++];
        int problem = start_attempt(race, text);
        if (problem == 0)
            break;
        note_problem(race, problem);
    }
    if (race->started < race->addresses.count)
        loop_timer_start(race->next_timer, HEAD_START_MS, 0);
    else if (race->running == 0)
        loop_timer_start(race->next_timer, 0, 0); /* to say so: not from within the start */
}

static void on_next(void *user)
{
    struct net_race *race = user;
    if (race->started < race->addresses.count)
        start_next(race);
    else if (race->running == 0)
        end_race(race, -1);
}

struct net_race *net_race_start(struct net *net, const struct net_addresses *addresses,
                                unsigned port, net_race_fn *done, void *user)
{
    struct net_race *race = mem_new(struct net_race);
    race->net = net;
    race->port = port;
    race->done = done;
    race->user = user;
    race->next_timer = loop_timer_new(net->loop, on_next, race);
    interleave(addresses, &race->addresses);
    start_next(race);
    return race;
}

void net_race_cancel(struct net_race *race)
{
    if (!race)
        return;
    for (size_t i = 0; i < race->started; i++) {
        struct attempt *attempt = &race->attempts[i];
        if (attempt->watch) {
            stop_attempt(attempt);
            close(attempt->fd);
        }
    }
    loop_timer_free(race->next_timer);
    mem_free(race);
}
