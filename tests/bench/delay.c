#include "delay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, LINKS_MAX = 64 };
enum direction { TO_SERVER, TO_CLIENT, DIRECTION_COUNT };

struct piece {
    uint64_t due_ns;
    struct buf bytes; /* none: the end of data */
};
struct pump {
    VEC(struct piece) pieces; /* in order of their time */
    bool ended;               /* nothing more comes in */
    bool is_over;             /* and that was passed on */
};
struct link {
    int fd[DIRECTION_COUNT]; /* by where it leads */
    uint64_t ready_ns;       /* when the client may have sent its first byte */
    struct pump pump[DIRECTION_COUNT];
    bool is_upgrade, is_agreed; /* the client asks for a WebSocket; it has its answer */
};
struct delay {
    unsigned server_port, port;
    uint64_t one_way_ns;
    enum delay_manner manner;
    int listener, wake[2];
    pthread_t thread;
    struct delay_counts counts;
    VEC(struct link *) links;
};

/* -- Links ---------------------------------------------------------------------------------------
 */

static void accept_link(struct delay *delay)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)delay->server_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct link *link = mem_new(struct link);
    link->fd[TO_CLIENT] = accept4(delay->listener, NULL, NULL, SOCK_CLOEXEC);
    link->fd[TO_SERVER] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    link->ready_ns = time_mono_ns() + 2 * delay->one_way_ns;
    if (connect(link->fd[TO_SERVER], (struct sockaddr *)&address, sizeof(address)) < 0)
        bench_die("the endpoint does not listen: %s", strerror(errno));
    for (int d = 0; d < DIRECTION_COUNT; d++)
        setsockopt(link->fd[d], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    delay->counts.connections++;
    vec_push(&delay->links, link);
}

static void free_link(struct link *link)
{
    for (int d = 0; d < DIRECTION_COUNT; d++) {
        close(link->fd[d]);
        for (size_t i = 0; i < link->pump[d].pieces.len; i++)
            buf_finish(&link->pump[d].pieces.ptr[i].bytes);
        vec_finish(&link->pump[d].pieces);
    }
    mem_free(link);
}

/* In place, in as many bytes: the head of an answer is small and comes in one piece. */
static void forget_keeping(struct buf *bytes)
{
    static const char kept[] = "connection: keep-alive\r\n",
                      dropped[] = "connection: close     \r\n";
    char *at = bytes->len ? memmem(bytes->ptr, bytes->len, kept, strlen(kept)) : NULL;
    if (at)
        memcpy(at, dropped, strlen(dropped));
}

/* The request's head is small and comes in one piece. */
static bool asks_for_upgrade(struct str bytes)
{
    static const char wanted[] = "sec-websocket-key:";
    for (size_t i = 0; i + strlen(wanted) <= bytes.len; i++)
        if (strncasecmp(bytes.ptr + i, wanted, strlen(wanted)) == 0)
            return true;
    return false;
}

/* It comes as soon as the server's answer could. */
static void refuse(const struct delay *delay, struct link *link, uint64_t asked_ns)
{
    struct piece piece = {.due_ns = asked_ns + delay->one_way_ns};
    buf_append_fmt(&piece.bytes, "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n%s\r\n",
                   delay->manner == DELAY_CLOSES ? "connection: close\r\n" : "");
    vec_push(&link->pump[TO_CLIENT].pieces, piece);
    if (delay->manner == DELAY_CLOSES)
        vec_push(&link->pump[TO_CLIENT].pieces, ((struct piece){.due_ns = piece.due_ns}));
}

/* Whether the piece goes on. */
static bool is_let_through(const struct delay *delay, struct link *link, enum direction direction,
                           const struct piece *piece)
{
    bool is_first = direction == TO_SERVER && !link->is_upgrade;
    if (is_first)
        link->is_upgrade = asks_for_upgrade(buf_str(&piece->bytes));
    if (!link->is_upgrade || piece->bytes.len == 0)
        return true;
    if ((delay->manner == DELAY_REFUSES || delay->manner == DELAY_CLOSES) && is_first)
        refuse(delay, link, piece->due_ns);
    if (delay->manner == DELAY_REFUSES)
        return !is_first;
    if (delay->manner == DELAY_DEAFENS && direction == TO_CLIENT && !link->is_agreed)
        return link->is_agreed = true;
    if (delay->manner == DELAY_DEAFENS)
        return is_first;
    return delay->manner == DELAY_PASSES || delay->manner == DELAY_FORGETS;
}

static void read_in(struct delay *delay, struct link *link, enum direction direction)
{
    struct pump *pump = &link->pump[direction];
    struct piece piece = {.due_ns = time_mono_ns()};
    if (direction == TO_SERVER && piece.due_ns < link->ready_ns)
        piece.due_ns = link->ready_ns;
    piece.due_ns += delay->one_way_ns;
    buf_reserve(&piece.bytes, READ_BYTES);
    ssize_t count = recv(link->fd[!direction], piece.bytes.ptr, READ_BYTES, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        buf_finish(&piece.bytes);
        return;
    }
    if (count > 0)
        piece.bytes.len = (size_t)count;
    else
        pump->ended = true; /* a reset as well: it goes on as the end of data */
    if (direction == TO_CLIENT && delay->manner == DELAY_FORGETS)
        forget_keeping(&piece.bytes);
    if (!is_let_through(delay, link, direction, &piece)) {
        buf_finish(&piece.bytes);
        return;
    }
    if (direction == TO_SERVER)
        delay->counts.to_server_bytes += piece.bytes.len;
    else
        delay->counts.to_client_bytes += piece.bytes.len;
    vec_push(&pump->pieces, piece);
}

/* Blocks if the other side does not read, which ours do. */
static void write_out(struct link *link, enum direction direction, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t count = send(link->fd[direction], bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (count < 0)
            return; /* gone: its end is told by reading */
        bytes = str_skip(bytes, (size_t)count);
    }
}

static void pass_on(struct link *link, enum direction direction, uint64_t now)
{
    struct pump *pump = &link->pump[direction];
    while (pump->pieces.len > 0 && pump->pieces.ptr[0].due_ns <= now) {
        struct piece piece = pump->pieces.ptr[0];
        vec_remove(&pump->pieces, 0);
        if (piece.bytes.len > 0) {
            write_out(link, direction, buf_str(&piece.bytes));
        } else {
            shutdown(link->fd[direction], SHUT_WR);
            pump->is_over = true;
        }
        buf_finish(&piece.bytes);
    }
}

/* -- The thread ----------------------------------------------------------------------------------
 */

static uint64_t next_due(const struct delay *delay)
{
    uint64_t due = UINT64_MAX;
    for (size_t i = 0; i < delay->links.len; i++) {
        for (int d = 0; d < DIRECTION_COUNT; d++) {
            const struct pump *pump = &delay->links.ptr[i]->pump[d];
            if (pump->pieces.len > 0 && pump->pieces.ptr[0].due_ns < due)
                due = pump->pieces.ptr[0].due_ns;
        }
    }
    return due;
}

static size_t list_fds(const struct delay *delay, struct pollfd *fds)
{
    size_t count = 0;
    fds[count++] = (struct pollfd){.fd = delay->wake[0], .events = POLLIN};
    fds[count++] = (struct pollfd){.fd = delay->links.len < LINKS_MAX ? delay->listener : -1,
                                   .events = POLLIN};
    for (size_t i = 0; i < delay->links.len; i++) {
        const struct link *link = delay->links.ptr[i];
        for (int d = 0; d < DIRECTION_COUNT; d++)
            fds[count++] =
                (struct pollfd){.fd = link->pump[d].ended ? -1 : link->fd[!d], .events = POLLIN};
    }
    return count;
}

static void wait_for(struct pollfd *fds, size_t count, uint64_t due_ns)
{
    uint64_t now = time_mono_ns(), left = due_ns > now ? due_ns - now : 0;
    struct timespec wait = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
    ppoll(fds, count, due_ns == UINT64_MAX ? NULL : &wait, NULL);
}

static void *run(void *user)
{
    struct delay *delay = user;
    struct pollfd fds[2 + LINKS_MAX * DIRECTION_COUNT];
    for (;;) {
        size_t count = list_fds(delay, fds);
        wait_for(fds, count, next_due(delay));
        if (fds[0].revents)
            return NULL;
        for (size_t i = 2; i < count; i++)
            if (fds[i].revents)
                read_in(delay, delay->links.ptr[(i - 2) / DIRECTION_COUNT],
                        (enum direction)((i - 2) % DIRECTION_COUNT));
        uint64_t now = time_mono_ns();
        for (size_t i = delay->links.len; i-- > 0;) {
            struct link *link = delay->links.ptr[i];
            for (int d = 0; d < DIRECTION_COUNT; d++)
                pass_on(link, (enum direction)d, now);
            if (link->pump[TO_SERVER].is_over && link->pump[TO_CLIENT].is_over) {
                vec_remove(&delay->links, i);
                free_link(link);
            }
        }
        if (fds[1].revents)
            accept_link(delay);
    }
}

struct delay *delay_new(unsigned server_port, unsigned round_trip_ms, enum delay_manner manner)
{
    struct delay *delay = mem_new(struct delay);
    delay->server_port = server_port;
    delay->one_way_ns = (uint64_t)round_trip_ms * 1000000 / 2;
    delay->manner = manner;
    delay->listener = ws_listen(&delay->port);
    if (pipe2(delay->wake, O_CLOEXEC) < 0 || pthread_create(&delay->thread, NULL, run, delay) != 0)
        bench_die("the delaying proxy does not start");
    return delay;
}

unsigned delay_port(const struct delay *delay)
{
    return delay->port;
}

struct delay_counts delay_free(struct delay *delay)
{
    struct delay_counts counts;
    if (write(delay->wake[1], "", 1) != 1)
        bench_die("the delaying proxy does not end");
    pthread_join(delay->thread, NULL);
    counts = delay->counts;
    for (size_t i = 0; i < delay->links.len; i++)
        free_link(delay->links.ptr[i]);
    vec_finish(&delay->links);
    close(delay->listener);
    close(delay->wake[0]);
    close(delay->wake[1]);
    mem_free(delay);
    return counts;
}
