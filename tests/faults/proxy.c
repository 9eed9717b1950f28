#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "units.h"

enum {
    READ_BYTES = 64 * 1024,
    LINKS_MAX = 128,
    DRIP_BYTES = 3000,   /* go out one by one */
    COALESCED_UNITS = 4, /* wait for each other */
    COALESCE_WAIT_MS = 40,
    COMMENT_MS = 200,
};

struct pump { /* one direction of a link */
    struct units units;
    struct buf in, out;
    bool ended, shut;    /* end of data: come, passed on */
    bool muted, stalled; /* what comes is thrown away; its end as well */
    size_t raw_left;     /* of a unit whose front is out already */
    uint64_t held_until; /* ms; 0: not held */
    bool is_kept;        /* until it is released */
    uint64_t comment_at; /* ms: the next comment, while held */
    unsigned held_units;
    size_t drip;
    enum fault_kind then; /* once `out` is written */
};
struct link {
    int fd[DIRECTION_COUNT]; /* by where it leads */
    struct pump pump[DIRECTION_COUNT];
    bool is_deaf, is_over;
};
struct proxy {
    struct fault fault;
    unsigned server_port, port;
    int listener, wake[2];
    pthread_t thread;
    pthread_mutex_t mutex; /* held by the thread but while it waits */
    bool is_calm, is_over;
    bool is_blocking; /* upgrades */
    bool is_holding;
    struct proxy_counts counts;
    VEC(struct link *) links;
};

static uint64_t now_ms(void)
{
    return time_mono_ns() / 1000000;
}

/* -- Links ---------------------------------------------------------------------------------------
 */

static void close_fd(int *fd, bool with_reset)
{
    struct linger linger = {.l_onoff = 1};
    if (*fd < 0)
        return;
    if (with_reset)
        setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(*fd);
    *fd = -1;
}

static void end_link(struct link *link, bool with_reset)
{
    close_fd(&link->fd[TO_SERVER], with_reset);
    close_fd(&link->fd[TO_CLIENT], with_reset);
    link->is_over = true;
}

static void free_link(struct link *link)
{
    end_link(link, false);
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        buf_finish(&link->pump[d].in);
        buf_finish(&link->pump[d].out);
    }
    mem_free(link);
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void accept_link(struct proxy *proxy)
{
    int on = 1;
    struct sockaddr_in address = loopback(proxy->server_port);
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct link *link = mem_new(struct link);
    link->fd[TO_CLIENT] = client;
    link->fd[TO_SERVER] = server;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    proxy->counts.connections++;
    vec_push(&proxy->links, link);
    if (connect(server, (struct sockaddr *)&address, sizeof(address)) < 0)
        end_link(link, true);
}

/* -- What goes wrong -----------------------------------------------------------------------------
 */

static void append_answer(struct buf *out, unsigned status)
{
    struct buf body = {0};
    buf_append_fmt(&body,
                   "{\"error\":{\"type\":\"proxy_error\",\"code\":null,\"param\":null,"
                   "\"message\":\"The proxy says %u.\"}}",
                   status);
    buf_append_fmt(out,
                   "HTTP/1.1 %u From the proxy\r\ncontent-type: application/json\r\n"
                   "retry-after: 1\r\ncontent-length: %zu\r\nconnection: close\r\n\r\n%s",
                   status, body.len, body.ptr);
    buf_finish(&body);
}

static void answer(struct link *link, unsigned status)
{
    append_answer(&link->pump[TO_CLIENT].out, status);
    link->pump[TO_CLIENT].then = FAULT_HALF_CLOSE;
    link->pump[TO_SERVER].muted = true;
}

/* What stands for an upgrade while upgrades are blocked; false: it goes through. */
static bool block_upgrade(struct proxy *proxy, struct link *link)
{
    if (!proxy->is_blocking)
        return false;
    switch (proxy->fault.kind) {
    case FAULT_BUSY:
        proxy->is_blocking = false;
        answer(link, proxy->fault.argument);
        return true;
    case FAULT_REFUSE:
        answer(link, proxy->fault.argument);
        return true;
    case FAULT_MUTE:
        link->pump[TO_SERVER].stalled = true;
        return true;
    case FAULT_DEAF:
        link->is_deaf = true;
        return false;
    default:
        end_link(link, true);
        return true;
    }
}

static void append_frame(struct buf *out, enum direction direction, unsigned opcode,
                         struct str payload)
{
    bool masks = direction == TO_SERVER;
    buf_append_byte(out, (char)(0x80 | opcode));
    buf_append_byte(out, (char)((masks ? 0x80 : 0) | payload.len));
    if (masks) /* by zeros */
        buf_append(out, STR("\0\0\0\0"));
    buf_append(out, payload);
}

static void append_garbage(const struct proxy *proxy, const struct pump *pump, struct buf *out)
{
    enum place place = proxy->fault.place;
    bool is_border = place == PLACE_BEFORE || place == PLACE_AFTER;
    if (pump->units.mode == UNIT_FRAMES && is_border)
        append_frame(out, proxy->fault.direction, 1, STR("this is no JSON"));
    else
        buf_append(out, STR("\xff\xfe\x00\x13garbage\r\n\xf1\xf2"));
}

static void append_close(struct buf *out, enum direction direction, unsigned code)
{
    char bytes[2] = {(char)(code >> 8), (char)code};
    append_frame(out, direction, 8, (struct str){bytes, code == 1005 ? 0 : 2});
}

static size_t offset_of(enum place place, const struct unit *unit)
{
    size_t payload = unit->total - unit->header;
    size_t header = unit->header ? unit->header : unit->total;
    switch (place) {
    case PLACE_HEADER:
        return header > 1 ? header / 2 : 0;
    case PLACE_PAYLOAD:
        return payload ? unit->header + payload / 2 : unit->total - 1;
    case PLACE_AFTER:
        return unit->total;
    default:
        return 0;
    }
}

/* The front of `in` is the unit; what of it may pass is moved to `out`. */
static void fire(struct proxy *proxy, struct pump *pump, const struct unit *unit)
{
    const struct fault *fault = &proxy->fault;
    size_t offset = offset_of(fault->place, unit);
    proxy->counts.fired = true;
    buf_append(&pump->out, str_slice(buf_str(&pump->in), 0, offset));
    buf_remove_front(&pump->in, offset);
    pump->raw_left = unit->total - offset;
    switch (fault->kind) {
    case FAULT_DELAY:
        pump->held_until = now_ms() + fault->argument;
        break;
    case FAULT_SPLIT:
        pump->drip = DRIP_BYTES;
        break;
    case FAULT_COALESCE:
        pump->held_until = now_ms() + COALESCE_WAIT_MS;
        pump->held_units = COALESCED_UNITS;
        break;
    case FAULT_STALL:
        pump->stalled = pump->muted = true;
        break;
    case FAULT_GARBAGE:
        append_garbage(proxy, pump, &pump->out);
        break;
    case FAULT_COMMENTS: /* they stand between chunks, not before a head */
        if (unit->header == unit->total)
            break;
        pump->held_until = now_ms() + fault->argument;
        pump->comment_at = now_ms();
        break;
    case FAULT_INTERRUPT:
        pump->is_kept = proxy->is_holding = true;
        break;
    case FAULT_CLOSE:
        append_close(&pump->out, fault->direction, fault->argument);
        pump->muted = true;
        break;
    default:
        pump->then = fault->kind;
    }
}

/* What was to happen once everything before it is written. */
static void go_through_with(struct proxy *proxy, struct link *link, enum direction direction)
{
    enum fault_kind kind = link->pump[direction].then;
    link->pump[direction].then = FAULT_NONE;
    switch (kind) {
    case FAULT_CUT:
        end_link(link, false);
        break;
    case FAULT_ORPHAN:
        close_fd(&link->fd[TO_CLIENT], true);
        link->pump[TO_CLIENT].muted = true;
        link->pump[TO_SERVER].stalled = link->pump[TO_SERVER].muted = true;
        break;
    case FAULT_HALF_CLOSE:
        shutdown(link->fd[direction], SHUT_WR);
        link->pump[direction].muted = link->pump[direction].shut = true;
        break;
    case FAULT_REFUSE:
    case FAULT_BUSY:
    case FAULT_MUTE:
    case FAULT_DROP:
    case FAULT_DEAF:
        proxy->is_blocking = !proxy->is_calm;
        end_link(link, true);
        break;
    default:
        end_link(link, true);
    }
}

/* ": keep-alive", as servers and gateways send it while they have nothing to say. */
static void comment(struct pump *pump)
{
    if (!pump->comment_at || now_ms() < pump->comment_at)
        return;
    buf_append_c(&pump->out, "e\r\n: keep-alive\n\n\r\n");
    pump->comment_at = now_ms() + COMMENT_MS;
}

/* -- What goes through ---------------------------------------------------------------------------
 */

static bool is_hit(const struct proxy *proxy, enum direction direction, unsigned index)
{
    const struct fault *fault = &proxy->fault;
    return fault->kind != FAULT_NONE && fault->kind != FAULT_DEAD && !proxy->counts.fired &&
           !proxy->is_calm && fault->direction == direction && fault->unit == index;
}

static bool blocks_from_the_start(const struct fault *fault)
{
    return fault->kind >= FAULT_REFUSE && fault->kind <= FAULT_DEAF && fault->unit == 0 &&
           fault->place == PLACE_BEFORE && fault->direction == TO_SERVER;
}

static void take_head(struct proxy *proxy, struct link *link, const struct unit *unit)
{
    proxy->counts.upgrades += unit->is_upgrade;
    proxy->counts.posts += unit->is_post;
    if (unit->is_upgrade && block_upgrade(proxy, link))
        link->pump[TO_SERVER].muted = true;
}

static void take_unit(struct proxy *proxy, struct link *link, enum direction direction,
                      const struct unit *unit)
{
    struct pump *pump = &link->pump[direction];
    unsigned index = proxy->counts.units[direction];
    proxy->counts.units[direction] += unit->is_counted;
    if (direction == TO_SERVER && (unit->is_upgrade || unit->is_post))
        take_head(proxy, link, unit);
    if (link->is_over)
        return;
    if (unit->is_counted && !pump->muted && is_hit(proxy, direction, index)) {
        if (proxy->fault.kind == FAULT_ANSWER) {
            proxy->counts.fired = true;
            answer(link, proxy->fault.argument);
        } else {
            fire(proxy, pump, unit);
            return;
        }
    }
    if (!pump->muted)
        buf_append(&pump->out, str_slice(buf_str(&pump->in), 0, unit->total));
    buf_remove_front(&pump->in, unit->total);
    if (link->is_deaf && direction == TO_CLIENT)
        pump->muted = pump->stalled = true;
    if (pump->held_units > 0 && --pump->held_units == 0)
        pump->held_until = 0;
}

/* The rest of a unit, or of what is no unit before the end of data. */
static void take_raw(struct pump *pump, size_t count)
{
    if (!pump->muted)
        buf_append(&pump->out, str_slice(buf_str(&pump->in), 0, count));
    buf_remove_front(&pump->in, count);
}

static void write_out(struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    while (pump->out.len > 0) {
        size_t count = pump->drip ? 1 : pump->out.len;
        ssize_t done = send(link->fd[direction], pump->out.ptr, count, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (done < 0) { /* nobody is there any more */
            pump->muted = true;
            buf_clear(&pump->out);
            return;
        }
        buf_remove_front(&pump->out, (size_t)done);
        if (pump->drip && --pump->drip % 64 == 0)
            usleep(50); /* so that the reader gets to see pieces */
    }
}

static void advance(struct proxy *proxy, struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    struct unit unit;
    if (pump->is_kept) {
        write_out(link, direction);
        return;
    }
    if (pump->held_until && !pump->held_units) {
        if (now_ms() < pump->held_until) { /* what is before the wait goes out */
            comment(pump);
            write_out(link, direction);
            return;
        }
        pump->held_until = pump->comment_at = 0;
    }
    while (!link->is_over && !pump->then && !pump->is_kept &&
           !(pump->held_until && !pump->held_units)) {
        if (pump->raw_left > 0) {
            take_raw(pump, pump->raw_left);
            pump->raw_left = 0;
        } else if (units_next(&pump->units, buf_str(&pump->in), &unit)) {
            take_unit(proxy, link, direction, &unit);
        } else {
            break;
        }
    }
    if (pump->held_until && now_ms() < pump->held_until && !pump->ended)
        return; /* until the others have come */
    pump->held_until = pump->held_units = 0;
    if (link->is_over)
        return;
    if (pump->ended && !pump->then && !pump->is_kept)
        take_raw(pump, pump->in.len);
    write_out(link, direction);
}

static void settle(struct proxy *proxy, struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    if (link->is_over || pump->out.len > 0 || pump->held_until || pump->is_kept)
        return;
    if (pump->then) {
        go_through_with(proxy, link, direction);
    } else if (pump->ended && !pump->shut && !pump->stalled) {
        shutdown(link->fd[direction], SHUT_WR);
        pump->shut = true;
    }
    if (!link->is_over && link->pump[TO_SERVER].ended && link->pump[TO_CLIENT].ended &&
        link->pump[TO_SERVER].out.len + link->pump[TO_CLIENT].out.len == 0)
        end_link(link, false);
}

static void read_in(struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    buf_reserve(&pump->in, READ_BYTES + 1);
    ssize_t count =
        recv(link->fd[!direction], pump->in.ptr + pump->in.len, READ_BYTES, MSG_DONTWAIT);
    if (count > 0) {
        pump->in.len += (size_t)count;
        pump->in.ptr[pump->in.len] = '\0';
    } else if (count == 0) {
        pump->ended = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        end_link(link, true);
    }
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
            read_in(link, !d);
    for (int d = 0; d < DIRECTION_COUNT && !link->is_over; d++) {
        advance(proxy, link, d);
        settle(proxy, link, d);
    }
}

static void sweep(struct proxy *proxy)
{
    for (size_t i = proxy->links.len; i-- > 0;) {
        if (proxy->links.ptr[i]->is_over) {
            free_link(proxy->links.ptr[i]);
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
    proxy->is_blocking = proxy->counts.fired = blocks_from_the_start(fault);
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
        free_link(proxy->links.ptr[i]);
    vec_finish(&proxy->links);
    close(proxy->listener);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    pthread_mutex_destroy(&proxy->mutex);
    mem_free(proxy);
}
