#include "stream-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "path-internal.h"

enum {
    LEAVING_COUNT = 16, /* streams that say their last words at once; the oldest is dropped */
    LEAVING_MS = 2000,  /* for the other side to end */
    UNSENT_KEEP_BYTES = 64 * 1024,
};

enum stream_state { STREAM_FINDING, STREAM_SHAKING, STREAM_OPEN, STREAM_LEAVING, STREAM_ENDED };
static const unsigned moves[] = {
    [STREAM_FINDING] = 1U << STREAM_SHAKING | 1U << STREAM_OPEN | 1U << STREAM_ENDED,
    [STREAM_SHAKING] = 1U << STREAM_OPEN | 1U << STREAM_ENDED,
    [STREAM_OPEN] = 1U << STREAM_LEAVING | 1U << STREAM_ENDED,
    [STREAM_LEAVING] = 1U << STREAM_ENDED,
    [STREAM_ENDED] = 0,
};

struct net_stream {
    struct net *net;
    enum stream_state state;
    struct net_url url;
    char *unix_path;
    struct net_stream_handlers handlers;
    void *user;
    struct net_path *path; /* while it is being found */
    bool wants_store;
    int fd; /* connected; else -1 */
    struct net_tls tls;
    uv_poll_t poll;
    bool polling; /* the handle is made */
    int events;   /* it waits for */
    struct loop_timer *later, *deadline;
    struct buf unsent;
    size_t unsent_from;
    bool broken; /* nothing can be written, and what can be read is the last */
    bool yields, wants_write, shut;
    struct net_ending ending;
};

static void set_state(struct net_stream *stream, enum stream_state state)
{
    assert(moves[stream->state] & 1U << state);
    stream->state = state;
}

static const char *name_of(const struct net_stream *stream)
{
    return stream->unix_path ? stream->unix_path : stream->url.host;
}

size_t net_stream_unsent(const struct net_stream *stream)
{
    return stream->unsent.len - stream->unsent_from;
}

const char *net_stream_phase(const struct net_stream *stream)
{
    return stream->path      ? net_path_phase(stream->path)
           : stream->url.tls ? "no connection, or no TLS on it"
                             : "no connection";
}

/* -- Ending */

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(container_of(handle, struct net_stream, poll));
}

/* Whatever it holds but its memory. */
static void let_go(struct net_stream *stream)
{
    net_path_cancel(stream->path);
    stream->path = NULL;
    if (stream->wants_store)
        net_store_forget(stream->net, stream);
    stream->wants_store = false;
    if (stream->polling)
        uv_poll_stop(&stream->poll);
    net_tls_free(&stream->tls);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    loop_timer_stop(stream->later);
    loop_timer_stop(stream->deadline);
}

void net_stream_free(struct net_stream *stream)
{
    if (!stream)
        return;
    let_go(stream);
    if (stream->state != STREAM_ENDED)
        set_state(stream, STREAM_ENDED);
    stream->handlers = (struct net_stream_handlers){0};
    loop_timer_free(stream->later);
    loop_timer_free(stream->deadline);
    buf_finish(&stream->unsent);
    mem_free(stream->unix_path);
    stream->unix_path = NULL;
    if (stream->polling)
        uv_close((uv_handle_t *)&stream->poll, on_poll_closed);
    else
        mem_free(stream);
}

static void drop_leaving(struct net_stream *stream)
{
    struct net *net = stream->net;
    for (size_t i = 0; i < net->leaving.len; i++) {
        if (net->leaving.ptr[i] == stream)
            vec_remove(&net->leaving, i--);
    }
    net_stream_free(stream);
}

__attribute__((format(printf, 3, 4))) static void note(struct net_stream *stream,
                                                       enum status status, const char *format, ...)
{
    va_list args;
    if (stream->ending.text[0])
        return;
    va_start(args, format);
    vsnprintf(stream->ending.text, sizeof(stream->ending.text), format, args);
    va_end(args);
    stream->ending.status = status;
}

/* Tells the owner; the last thing a function does. */
static void end_stream(struct net_stream *stream)
{
    if (stream->state == STREAM_LEAVING) {
        drop_leaving(stream);
        return;
    }
    set_state(stream, STREAM_ENDED);
    let_go(stream);
    if (stream->ending.status == STATUS_OK)
        stream->ending.status = STATUS_CLOSED;
    struct net_ending ending = stream->ending;
    stream->handlers.on_end(stream->user, &ending);
}

/* -- Readiness */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct net_stream *stream)
{
    bool waits = net_stream_unsent(stream) || stream->yields || stream->wants_write;
    int events = UV_READABLE | (waits ? UV_WRITABLE : 0);
    if (!stream->polling || stream->broken || events == stream->events)
        return;
    stream->events = events;
    uv_poll_start(&stream->poll, events, on_poll);
}

/* -- Writing */

static void drop_unsent(struct net_stream *stream, size_t put)
{
    stream->unsent_from += put;
    if (net_stream_unsent(stream))
        return;
    stream->unsent_from = 0;
    buf_clear(&stream->unsent);
    if (stream->unsent.cap > UNSENT_KEEP_BYTES)
        buf_finish(&stream->unsent);
}

/* What it says is read first: it may be why. */
static void fail_write(struct net_stream *stream)
{
    stream->broken = true;
    drop_unsent(stream, net_stream_unsent(stream));
    loop_timer_start(stream->later, 0, 0);
}

static void flush_plain(struct net_stream *stream)
{
    while (net_stream_unsent(stream)) {
        struct str rest = str_skip(buf_str(&stream->unsent), stream->unsent_from);
        ssize_t put = send(stream->fd, rest.ptr, rest.len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            if (errno != EAGAIN)
                fail_write(stream);
            return;
        }
        drop_unsent(stream, (size_t)put);
    }
}

static void flush_tls(struct net_stream *stream)
{
    while (net_stream_unsent(stream)) {
        size_t put = 0;
        struct str rest = str_skip(buf_str(&stream->unsent), stream->unsent_from);
        switch (net_tls_write(&stream->tls, rest, &put)) {
        case TLS_DONE:
            drop_unsent(stream, put);
            break;
        case TLS_WANTS_READ:
        case TLS_WANTS_WRITE:
            return;
        default:
            fail_write(stream);
            return;
        }
    }
}

static void flush(struct net_stream *stream)
{
    if (stream->tls.ssl)
        flush_tls(stream);
    else
        flush_plain(stream);
}

/* One call for both parts; returns what left. */
static size_t write_both(struct net_stream *stream, struct str head, struct str body)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)head.ptr, head.len},
                             {(void *)(uintptr_t)body.ptr, body.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = body.len ? 2 : 1};
    ssize_t put = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN && errno != EINTR)
        fail_write(stream);
    return put < 0 ? 0 : (size_t)put;
}

void net_stream_write(struct net_stream *stream, struct str head, struct str body)
{
    assert(stream->state == STREAM_OPEN);
    size_t put = 0;
    if (stream->broken)
        return; /* the end is on its way */
    if (!stream->tls.ssl && !net_stream_unsent(stream))
        put = write_both(stream, head, body);
    if (stream->broken)
        return;
    size_t of_body = put > head.len ? put - head.len : 0;
    if (put < head.len + body.len) {
        buf_append(&stream->unsent, str_skip(head, put));
        buf_append(&stream->unsent, str_skip(body, of_body));
        if (stream->tls.ssl)
            flush(stream);
    }
    watch(stream);
}

void net_stream_yield(struct net_stream *stream)
{
    stream->yields = true;
    watch(stream);
}

/* -- Reading */

enum got { GOT_ALL, GOT_MORE, GOT_END };

static enum got read_plain(struct net_stream *stream, size_t *ret_got)
{
    ssize_t got;
    do {
        got = recv(stream->fd, stream->net->input, NET_READ_BYTES, 0);
    } while (got < 0 && errno == EINTR);
    *ret_got = got > 0 ? (size_t)got : 0;
    if (got > 0 || (got < 0 && errno == EAGAIN))
        return GOT_ALL; /* if not, poll says so */
    stream->ending.orderly = got == 0;
    return GOT_END;
}

/* A record a call, as many as there are and fit. */
static enum got read_tls(struct net_stream *stream, size_t *ret_got)
{
    size_t total = 0;
    enum net_tls_result result = TLS_DONE;
    do {
        size_t got = 0;
        result =
            net_tls_read(&stream->tls, stream->net->input + total, NET_READ_BYTES - total, &got);
        total += got;
    } while (result == TLS_DONE && total < NET_READ_BYTES && SSL_has_pending(stream->tls.ssl));
    *ret_got = total;
    stream->wants_write = result == TLS_WANTS_WRITE;
    if (result == TLS_DONE) /* what OpenSSL holds poll does not see; the rest it does */
        return SSL_has_pending(stream->tls.ssl) ? GOT_MORE : GOT_ALL;
    if (result == TLS_WANTS_READ || result == TLS_WANTS_WRITE)
        return GOT_ALL;
    stream->ending.orderly = result == TLS_CLOSED;
    return GOT_END;
}

static void read_some(struct net_stream *stream)
{
    size_t len;
    enum got got = stream->tls.ssl ? read_tls(stream, &len) : read_plain(stream, &len);
    if (len && stream->state == STREAM_OPEN)
        stream->handlers.on_bytes(stream->user, (struct str){stream->net->input, len});
    if (stream->state != STREAM_OPEN && stream->state != STREAM_LEAVING)
        return; /* freed; the memory lives until the loop has let go of the handle */
    if (got == GOT_END || (stream->broken && len == 0)) {
        end_stream(stream);
        return;
    }
    if (got == GOT_MORE || stream->broken)
        loop_timer_start(stream->later, 0, 0);
    watch(stream);
}

/* -- Open */

static void end_output(struct net_stream *stream)
{
    if (stream->shut || net_stream_unsent(stream))
        return;
    stream->shut = true;
    if (stream->tls.ssl)
        SSL_shutdown(stream->tls.ssl);
    shutdown(stream->fd, SHUT_WR);
}

static void on_writable(struct net_stream *stream)
{
    bool waited = net_stream_unsent(stream) || stream->yields;
    flush(stream);
    if (!waited || net_stream_unsent(stream))
        return;
    stream->yields = false;
    if (stream->state == STREAM_LEAVING)
        end_output(stream);
    else
        stream->handlers.on_drain(stream->user);
}

static void go_on(struct net_stream *stream)
{
    if (net_stream_unsent(stream) || stream->yields)
        on_writable(stream);
    if (stream->state == STREAM_OPEN || stream->state == STREAM_LEAVING)
        read_some(stream);
}

static void set_open(struct net_stream *stream)
{
    set_state(stream, STREAM_OPEN);
    watch(stream);
    stream->handlers.on_open(stream->user);
}

static void shake(struct net_stream *stream)
{
    enum net_tls_result result = net_tls_shake(&stream->tls);
    stream->wants_write = result == TLS_WANTS_WRITE;
    switch (result) {
    case TLS_DONE:
        net_way_shaken(stream->net, stream->tls.ssl, true);
        set_open(stream);
        break;
    case TLS_WANTS_READ:
    case TLS_WANTS_WRITE:
        if (!stream->broken) {
            watch(stream);
            break;
        }
        __attribute__((fallthrough));
    default:
        net_way_shaken(stream->net, stream->tls.ssl, false);
        net_tls_explain_failure(&stream->tls);
        end_stream(stream);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct net_stream *stream = container_of(poll, struct net_stream, poll);
    if (status < 0) { /* libuv has stopped it; what came before the error is still there to read */
        stream->broken = true;
        stream->events = 0;
    }
    if (stream->state == STREAM_SHAKING)
        shake(stream);
    else
        go_on(stream);
}

/* -- The way to it */

static void start_poll(struct net_stream *stream)
{
    if (uv_poll_init(loop_uv(stream->net->loop), &stream->poll, stream->fd) < 0) {
        note(stream, STATUS_LIMIT,
             "the connection to %s cannot be watched: too many files are open", name_of(stream));
        end_stream(stream);
        return;
    }
    stream->polling = true;
    if (!stream->url.tls) {
        set_open(stream);
        return;
    }
    set_state(stream, STREAM_SHAKING);
    stream->tls =
        (struct net_tls){.net = stream->net, .url = &stream->url, .ending = &stream->ending};
    if (net_tls_start(&stream->tls, stream->fd)) {
        shake(stream);
        return;
    }
    note(stream, STATUS_IO, "OpenSSL could not be set up for %s", name_of(stream));
    end_stream(stream);
}

/* Once there is a way, and the store if TLS needs it. */
static void start_if_found(struct net_stream *stream)
{
    if (!stream->wants_store && stream->fd >= 0)
        start_poll(stream);
}

static void on_path(void *user, int fd, const struct err *problem, int http_status)
{
    struct net_stream *stream = user;
    stream->path = NULL;
    stream->fd = fd;
    if (!problem) {
        net_way_connected(stream->net, fd);
        start_if_found(stream);
        return;
    }
    stream->ending.http_status = http_status;
    note(stream, problem->status, "%s", problem->text);
    if (!stream->wants_store) /* a file that is missing there comes first: it is what to repair */
        end_stream(stream);
}

static void on_store(void *user, const struct err *problem)
{
    struct net_stream *stream = user;
    stream->wants_store = false;
    if (problem) {
        stream->ending = (struct net_ending){0};
        note(stream, problem->status, "%s", problem->text);
    }
    if (stream->ending.text[0])
        end_stream(stream);
    else
        start_if_found(stream);
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    int problem = errno;
    if (fd >= 0)
        close(fd);
    errno = problem;
    return -1;
}

static void start_unix(struct net_stream *stream)
{
    stream->fd = connect_unix(stream->unix_path);
    if (stream->fd >= 0) {
        net_way_connected(stream->net, stream->fd);
        start_if_found(stream);
        return;
    }
    note(stream, STATUS_IO, "cannot connect to %s: %s; is it running?", stream->unix_path,
         strerror(errno));
    end_stream(stream);
}

/* What was put off: the start of a connection that needs no finding, reading on, a failed write. */
static void on_later(void *user)
{
    struct net_stream *stream = user;
    if (stream->state == STREAM_FINDING)
        start_unix(stream);
    else
        go_on(stream);
}

static void on_deadline(void *user)
{
    drop_leaving(user);
}

struct net_stream *net_stream_open(struct net *net, const struct net_url *url,
                                   const char *unix_path, const char *proxy,
                                   const struct net_stream_handlers *handlers, void *user,
                                   struct err *err)
{
    struct net_stream *stream = mem_new(struct net_stream);
    net_way_begin(net);
    *stream = (struct net_stream){.net = net, .url = *url, .handlers = *handlers, .user = user};
    stream->fd = -1;
    stream->later = loop_timer_new(net->loop, on_later, stream);
    stream->deadline = loop_timer_new(net->loop, on_deadline, stream);
    stream->unix_path = mem_dup_c(unix_path);
    if (!net->input)
        net->input = mem_alloc(NET_READ_BYTES);
    if (unix_path)
        loop_timer_start(stream->later, 0, 0);
    else
        stream->path = net_path_start(net, url, proxy, on_path, stream, err);
    if (!unix_path && !stream->path) {
        net_stream_free(stream);
        return NULL;
    }
    stream->wants_store = url->tls && !net_store_want(net, on_store, stream);
    return stream;
}

/* -- Owners */

void net_stream_give(struct net_stream *stream, const struct net_stream_handlers *handlers,
                     void *user)
{
    stream->handlers = *handlers;
    stream->user = user;
}

void net_stream_set_idle(struct net_stream *stream, bool idle)
{
    if (idle)
        uv_unref((uv_handle_t *)&stream->poll);
    else
        uv_ref((uv_handle_t *)&stream->poll);
}

void net_stream_leave(struct net_stream *stream)
{
    if (!stream)
        return;
    struct net *net = stream->net;
    if (stream->state != STREAM_OPEN || stream->broken) {
        net_stream_free(stream);
        return;
    }
    if (net->leaving.len == LEAVING_COUNT)
        drop_leaving(net->leaving.ptr[0]);
    set_state(stream, STREAM_LEAVING);
    vec_push(&net->leaving, stream);
    stream->yields = false;
    loop_timer_start(stream->deadline, LEAVING_MS, 0);
    end_output(stream);
    watch(stream);
}

/* What has been said leaves when the loop turns; who does not read is dropped. */
void net_streams_finish(struct net *net)
{
    enum { TURNS_COUNT = 16 };
    for (int turns = 0; turns < TURNS_COUNT && net->leaving.len; turns++)
        uv_run(loop_uv(net->loop), UV_RUN_NOWAIT);
    while (net->leaving.len)
        drop_leaving(net->leaving.ptr[0]);
    vec_finish(&net->leaving);
    mem_free(net->input);
    net->input = NULL;
}
