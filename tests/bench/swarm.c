/* Many clients on epoll. Every failure of the harness itself ends the program. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "swarm.h"

enum { READ_BYTES = 256 * 1024, EVENTS_COUNT = 256 };

struct swarm_conn {
    struct swarm *swarm;
    int fd;
    size_t tag, index;
    bool open, gone, wants_write;
    struct buf in, out;
};
struct swarm {
    int epoll;
    struct swarm_handlers handlers;
    void *user;
    VEC(struct swarm_conn *) conns;
    char *room;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

struct swarm *swarm_new(const struct swarm_handlers *handlers, void *user)
{
    struct swarm *swarm = mem_new(struct swarm);
    swarm->epoll = epoll_create1(EPOLL_CLOEXEC);
    swarm->handlers = *handlers;
    swarm->user = user;
    swarm->room = mem_alloc(READ_BYTES);
    return swarm;
}

static void drop(struct swarm_conn *conn)
{
    struct swarm *swarm = conn->swarm;
    struct swarm_conn *last = vec_pop(&swarm->conns);
    if (last != conn) {
        swarm->conns.ptr[conn->index] = last;
        last->index = conn->index;
    }
    close(conn->fd);
    buf_finish(&conn->in);
    buf_finish(&conn->out);
    mem_free(conn);
}

void swarm_free(struct swarm *swarm)
{
    while (swarm->conns.len > 0)
        drop(vec_last(&swarm->conns));
    vec_finish(&swarm->conns);
    close(swarm->epoll);
    mem_free(swarm->room);
    mem_free(swarm);
}

size_t swarm_tag(const struct swarm_conn *conn)
{
    return conn->tag;
}

size_t swarm_count(const struct swarm *swarm)
{
    return swarm->conns.len;
}

/* -- Out ------------------------------------------------------------------------------------------
 */

static void watch(struct swarm_conn *conn, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = conn};
    conn->wants_write = write;
    epoll_ctl(conn->swarm->epoll, EPOLL_CTL_MOD, conn->fd, &event);
}

static void flush(struct swarm_conn *conn)
{
    while (conn->out.len > 0) {
        ssize_t sent = send(conn->fd, conn->out.ptr, conn->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent <= 0)
            break;
        buf_remove_front(&conn->out, (size_t)sent);
    }
    if (conn->wants_write != (conn->out.len > 0))
        watch(conn, conn->out.len > 0);
}

void swarm_send(struct swarm_conn *conn, struct str text)
{
    unsigned char head[14] = {0x81};
    size_t size = 2;
    if (text.len < 126) {
        head[1] = (unsigned char)(0x80 | text.len);
    } else {
        bool large = text.len > 0xffff;
        head[1] = large ? 0xff : 0xfe;
        for (int shift = large ? 56 : 8; shift >= 0; shift -= 8)
            head[size++] = (unsigned char)((uint64_t)text.len >> shift);
    }
    /* A mask of zeros is a mask. */
    buf_append(&conn->out, (struct str){(const char *)head, size + 4});
    buf_append(&conn->out, text);
    flush(conn);
}

void swarm_connect(struct swarm *swarm, unsigned port, size_t tag)
{
    static const char upgrade[] =
        "GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct swarm_conn *conn = mem_new(struct swarm_conn);
    int yes = 1;
    conn->swarm = swarm;
    conn->tag = tag;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    conn->index = swarm->conns.len;
    vec_push(&swarm->conns, conn);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (epoll_ctl(swarm->epoll, EPOLL_CTL_ADD, conn->fd, &event) < 0)
        die("epoll_ctl");
    buf_append_c(&conn->out, upgrade);
    flush(conn);
}

/* -- In -------------------------------------------------------------------------------------------
 */

/* The frame at the start of `rest`: how long it is with its head, and its text. 0: not all there.
 */
static size_t parse(struct str rest, struct str *ret_text, unsigned *ret_opcode)
{
    const unsigned char *bytes = (const unsigned char *)rest.ptr;
    if (rest.len < 2)
        return 0;
    size_t len = bytes[1] & 0x7f, head = len == 126 ? 4 : len == 127 ? 10 : 2;
    if (rest.len < head)
        return 0;
    if (head > 2) {
        len = 0;
        for (size_t i = 2; i < head; i++)
            len = len << 8 | bytes[i];
    }
    if (rest.len - head < len)
        return 0;
    *ret_text = str_slice(rest, head, head + len);
    *ret_opcode = bytes[0] & 0x0f;
    return head + len;
}

static bool take_upgrade(struct swarm_conn *conn)
{
    size_t end = str_find(buf_str(&conn->in), STR("\r\n\r\n"), 0);
    if (end == STR_NONE)
        return false;
    if (!str_starts_with(buf_str(&conn->in), STR("HTTP/1.1 101 "))) {
        conn->gone = true;
        return false;
    }
    buf_remove_front(&conn->in, end + 4);
    conn->open = true;
    if (conn->swarm->handlers.on_open)
        conn->swarm->handlers.on_open(conn->swarm->user, conn);
    return true;
}

static void take_frames(struct swarm_conn *conn)
{
    struct str rest = buf_str(&conn->in), text;
    unsigned opcode = 0;
    size_t taken;
    while ((taken = parse(rest, &text, &opcode)) > 0) {
        rest = str_skip(rest, taken);
        conn->gone |= opcode == 8;
        if (opcode == 1)
            conn->swarm->handlers.on_message(conn->swarm->user, conn, text);
    }
    buf_remove_front(&conn->in, conn->in.len - rest.len);
}

static void receive(struct swarm_conn *conn)
{
    ssize_t got = recv(conn->fd, conn->swarm->room, READ_BYTES, MSG_DONTWAIT);
    if (got > 0) {
        buf_append(&conn->in, (struct str){conn->swarm->room, (size_t)got});
        if (conn->open || take_upgrade(conn))
            take_frames(conn);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        conn->gone = true;
    }
}

void swarm_run(struct swarm *swarm, int wait_ms)
{
    struct epoll_event events[EVENTS_COUNT];
    int count = epoll_wait(swarm->epoll, events, EVENTS_COUNT, wait_ms);
    for (int i = 0; i < count; i++) {
        struct swarm_conn *conn = events[i].data.ptr;
        if (events[i].events & EPOLLOUT)
            flush(conn);
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            receive(conn);
        if (!conn->gone)
            continue;
        if (swarm->handlers.on_closed)
            swarm->handlers.on_closed(swarm->user, conn);
        drop(conn);
    }
}

/* -- The endpoint ---------------------------------------------------------------------------------
 */

void served_start(struct served *served, const char *program, const char *const *arguments)
{
    const char *argv[24] = {program, "endpoint", "--listen", "127.0.0.1:0"};
    int pipes[2];
    char line[256];
    size_t len = 0, count = 4;
    for (; *arguments && count < array_count(argv) - 1; arguments++)
        argv[count++] = *arguments;
    if (pipe2(pipes, O_CLOEXEC) < 0)
        die("pipe");
    served->pid = fork();
    if (served->pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        execv(program, (char *const *)argv);
        die(program);
    }
    close(pipes[1]);
    served->out = pipes[0];
    while (len < sizeof(line) - 1 && read(pipes[0], line + len, 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    const char *colon = strrchr(line, ':');
    if (!colon || sscanf(colon, ":%u", &served->port) != 1) {
        fprintf(stderr, "the endpoint printed no URL: \"%s\"\n", line);
        exit(1);
    }
}

void served_kill(struct served *served, int signal)
{
    kill(served->pid, signal);
    waitpid(served->pid, NULL, 0);
    close(served->out);
}

double served_cpu(const struct served *served)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)served->pid);
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[len] = '\0';
    if (file)
        fclose(file);
    const char *rest = strrchr(text, ')');
    if (!rest ||
        sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

long served_rss(const struct served *served)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)served->pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

int served_ask(unsigned port, const char *method, const char *path, struct buf *body)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct buf text = {0};
    char chunk[16384];
    ssize_t got;
    int status = 0, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    buf_append_fmt(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", method,
                   path);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
        send(fd, text.ptr, text.len, MSG_NOSIGNAL) == (ssize_t)text.len) {
        buf_clear(&text);
        while ((got = recv(fd, chunk, sizeof(chunk), 0)) > 0)
            buf_append(&text, (struct str){chunk, (size_t)got});
        size_t end = str_find(buf_str(&text), STR("\r\n\r\n"), 0);
        if (end != STR_NONE && sscanf(text.ptr, "HTTP/1.1 %d", &status) == 1)
            buf_append(body, str_skip(buf_str(&text), end + 4));
    }
    close(fd);
    buf_finish(&text);
    return status;
}
