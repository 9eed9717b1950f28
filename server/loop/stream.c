/* Byte streams over whatever a descriptor is. Pipes, sockets and terminals are libuv streams;
 * regular files and character devices cannot be polled (epoll refuses them and libuv aborts), so
 * they are read and written in the pool, one request at a time. */
#include "loop-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MERGE_BYTES = 64 * 1024 }; /* small writes that wait together go out together */

enum end_kind { END_NONE, END_STREAM, END_FILE };

/* One direction. Reading and writing have a descriptor each, even on one socket, so that each can
 * end without the other. */
struct end {
    enum end_kind kind;
    int fd;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tty_t tty;
    };
    union { /* the one request in flight: `write` or `file` by kind */
        uv_write_t write;
        uv_fs_t file;
    };
    bool busy;
};

struct chunk {
    struct chunk *next;
    struct buf bytes;
    size_t done;
};

struct loop_stream {
    struct loop_object object;
    struct loop_stream_handlers handlers;
    void *user;
    struct end in, out;
    bool reading;
    char *file_buffer;
    bool has_result; /* a read came, or failed, that could not be told yet */
    ssize_t result;
    struct chunk *first, *last;
    size_t queued, queue_limit;
    bool shutting_down, freed;
    unsigned pending; /* handles, requests and deferred calls that still point here */
};

static void release(struct loop_stream *stream)
{
    if (--stream->pending > 0 || !stream->freed)
        return;
    mem_free(stream->file_buffer);
    mem_free(stream);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void close_end(struct end *end)
{
    enum end_kind kind = end->kind;
    end->kind = END_NONE;
    if (kind == END_STREAM)
        uv_close(&end->handle, on_closed);
    /* A descriptor the pool is using must not be closed: its number could be somebody else's. */
    if (kind == END_FILE && !end->busy)
        close(end->fd);
}

static void finish_request(struct end *end)
{
    uv_fs_req_cleanup(&end->file);
    end->busy = false;
    if (end->kind == END_NONE)
        close(end->fd);
}

/* -- Writing: one request at a time, of the first chunk; the others can still grow. ----------- */

static void start_write(struct loop_stream *stream);

static void end_output(struct loop_stream *stream)
{
    /* On a socket our reading descriptor would keep the output open. */
    if (stream->out.kind == END_STREAM)
        shutdown(stream->out.fd, SHUT_WR);
    close_end(&stream->out);
}

static void advance(struct loop_stream *stream, size_t count)
{
    struct chunk *chunk = stream->first;
    stream->queued -= count;
    chunk->done += count;
    if (chunk->done < chunk->bytes.len)
        return;
    stream->first = chunk->next;
    if (!stream->first)
        stream->last = NULL;
    buf_finish(&chunk->bytes);
    mem_free(chunk);
}

static void drop_chunks(struct loop_stream *stream)
{
    while (stream->first)
        advance(stream, stream->first->bytes.len - stream->first->done);
}

/* The end of every write: goes on, or tells that nothing waits any more. */
static void after_write(struct loop_stream *stream)
{
    if (stream->out.kind == END_NONE)
        drop_chunks(stream);
    if (stream->first) {
        start_write(stream);
        return;
    }
    if (stream->shutting_down)
        end_output(stream);
    if (stream->handlers.on_drain && !stream->freed)
        stream->handlers.on_drain(stream->user);
}

static void on_stream_written(uv_write_t *request, int status)
{
    struct loop_stream *stream = request->data;
    stream->out.busy = false;
    if (status < 0)
        close_end(&stream->out);
    else
        advance(stream, stream->first->bytes.len - stream->first->done);
    after_write(stream);
    release(stream);
}

static void on_file_written(uv_fs_t *request)
{
    struct loop_stream *stream = request->data;
    ssize_t count = request->result;
    finish_request(&stream->out);
    if (count > 0)
        advance(stream, (size_t)count);
    else if (count != UV_EINTR && count != UV_EAGAIN)
        close_end(&stream->out);
    after_write(stream);
    release(stream);
}

static void start_write(struct loop_stream *stream)
{
    uv_loop_t *uv = &stream->object.loop->uv;
    struct end *out = &stream->out;
    struct chunk *chunk = stream->first;
    size_t left = chunk->bytes.len - chunk->done;
    uv_buf_t span = uv_buf_init(chunk->bytes.ptr + chunk->done, (unsigned)left);
    out->busy = true;
    stream->pending++;
    if (out->kind == END_FILE) {
        out->file.data = stream;
        uv_fs_write(uv, &out->file, out->fd, &span, 1, -1, on_file_written);
    } else {
        out->write.data = stream;
        uv_write(&out->write, &out->stream, &span, 1, on_stream_written);
    }
}

static void push_chunk(struct loop_stream *stream, struct buf *bytes, size_t done)
{
    stream->queued += bytes->len - done;
    if (stream->last != stream->first && stream->last->bytes.len + bytes->len <= MERGE_BYTES) {
        buf_append(&stream->last->bytes, buf_str(bytes));
        buf_finish(bytes);
        return;
    }
    struct chunk *chunk = mem_new(struct chunk);
    chunk->done = done;
    buf_move(&chunk->bytes, bytes);
    if (stream->last)
        stream->last->next = chunk;
    else
        stream->first = chunk;
    stream->last = chunk;
}

/* How much went out at once, negative when the other side is gone. */
static int try_write(struct loop_stream *stream, const struct buf *bytes)
{
    if (stream->first || stream->out.kind != END_STREAM)
        return 0;
    uv_buf_t span = uv_buf_init(bytes->ptr, (unsigned)bytes->len);
    int done = uv_try_write(&stream->out.stream, &span, 1);
    return done == UV_EAGAIN ? 0 : done;
}

enum status loop_stream_write(struct loop_stream *stream, struct buf *bytes)
{
    if (stream->out.kind == END_NONE || stream->shutting_down)
        return STATUS_CLOSED;
    if (bytes->len > stream->queue_limit - stream->queued)
        return STATUS_LIMIT;
    if (bytes->len == 0)
        return STATUS_OK;
    int done = try_write(stream, bytes);
    if (done < 0) {
        close_end(&stream->out);
        return STATUS_CLOSED;
    }
    if ((size_t)done == bytes->len) {
        buf_finish(bytes);
        return STATUS_OK;
    }
    push_chunk(stream, bytes, (size_t)done);
    if (!stream->out.busy)
        start_write(stream);
    return STATUS_OK;
}

size_t loop_stream_queued(const struct loop_stream *stream)
{
    return stream->queued;
}

void loop_stream_shutdown(struct loop_stream *stream)
{
    if (stream->out.kind == END_NONE || stream->shutting_down)
        return;
    stream->shutting_down = true;
    if (!stream->first)
        end_output(stream);
}

/* -- Reading ---------------------------------------------------------------------------------- */

static void read_from_file(struct loop_stream *stream);

static void end_input(struct loop_stream *stream, enum status status)
{
    close_end(&stream->in);
    stream->handlers.on_end(stream->user, status);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_span)
{
    struct loop_stream *stream = handle->data;
    *ret_span = uv_buf_init(stream->object.loop->read_buffer, LOOP_READ_BYTES);
}

static void on_stream_read(uv_stream_t *uv, ssize_t count, const uv_buf_t *span)
{
    struct loop_stream *stream = uv->data;
    if (count > 0)
        stream->handlers.on_data(stream->user, (struct str){span->base, (size_t)count});
    else if (count < 0)
        end_input(stream, loop_status_from_uv((int)count));
}

/* Tells what was read, then asks for more. The caller holds a pending count. */
static void deliver_result(struct loop_stream *stream)
{
    ssize_t count = stream->result;
    stream->has_result = false;
    if (count <= 0) {
        end_input(stream, count == 0 ? STATUS_CLOSED : loop_status_from_uv((int)count));
        return;
    }
    stream->handlers.on_data(stream->user, (struct str){stream->file_buffer, (size_t)count});
    if (stream->in.kind == END_FILE && stream->reading && !stream->in.busy)
        read_from_file(stream);
}

static void on_file_read(uv_fs_t *request)
{
    struct loop_stream *stream = request->data;
    stream->result = request->result;
    stream->has_result = true;
    finish_request(&stream->in);
    if (stream->in.kind == END_FILE && stream->reading)
        deliver_result(stream);
    release(stream);
}

static void read_from_file(struct loop_stream *stream)
{
    uv_buf_t span = uv_buf_init(stream->file_buffer, LOOP_READ_BYTES);
    stream->in.file.data = stream;
    stream->in.busy = true;
    stream->pending++;
    uv_fs_read(&stream->object.loop->uv, &stream->in.file, stream->in.fd, &span, 1, -1,
               on_file_read);
}

static void deliver_later(void *user)
{
    struct loop_stream *stream = user;
    if (stream->in.kind != END_NONE && stream->reading && stream->has_result)
        deliver_result(stream);
    release(stream);
}

static void start_stream(struct loop_stream *stream)
{
    int code = uv_read_start(&stream->in.stream, on_alloc, on_stream_read);
    if (code == 0)
        return;
    stream->result = code;
    stream->has_result = true;
}

void loop_stream_read_start(struct loop_stream *stream)
{
    if (stream->reading || stream->in.kind == END_NONE)
        return;
    stream->reading = true;
    if (stream->in.kind == END_STREAM)
        start_stream(stream);
    else if (!stream->in.busy && !stream->has_result)
        read_from_file(stream);
    if (stream->has_result) {
        stream->pending++;
        loop_defer(stream->object.loop, deliver_later, stream);
    }
}

void loop_stream_read_stop(struct loop_stream *stream)
{
    stream->reading = false;
    if (stream->in.kind == END_STREAM)
        uv_read_stop(&stream->in.stream);
}

/* -- Making and freeing ----------------------------------------------------------------------- */

/* libuv would write to it blocking, because it cannot open it anew. */
static bool is_terminal_master(int fd)
{
    unsigned number;
    return ioctl(fd, TIOCGPTN, &number) == 0;
}

static int open_end(struct loop_stream *stream, struct end *end)
{
    uv_loop_t *uv = &stream->object.loop->uv;
    uv_handle_type kind = is_terminal_master(end->fd) ? UV_NAMED_PIPE : uv_guess_handle(end->fd);
    int code;
    switch (kind) {
    case UV_FILE:
        end->kind = END_FILE;
        return 0;
    case UV_TTY: /* opens the terminal anew, so the shell's descriptor stays blocking */
        code = uv_tty_init(uv, &end->tty, end->fd, 0);
        break;
    case UV_NAMED_PIPE:
    case UV_TCP:
        code = uv_pipe_init(uv, &end->pipe, 0);
        break;
    default:
        return UV_EINVAL;
    }
    if (code < 0)
        return code;
    end->kind = END_STREAM;
    end->handle.data = stream;
    stream->pending++;
    return kind == UV_TTY ? 0 : uv_pipe_open(&end->pipe, end->fd);
}

static int open_ends(struct loop_stream *stream, int *read_fd, int *write_fd)
{
    int code = 0;
    stream->in.fd = *read_fd;
    stream->out.fd = *write_fd;
    if (*read_fd >= 0 && (code = open_end(stream, &stream->in)) == 0)
        *read_fd = -1;
    if (code == 0 && *write_fd >= 0 && (code = open_end(stream, &stream->out)) == 0)
        *write_fd = -1;
    return code;
}

struct loop_stream *loop_stream_adopt(struct loop *loop, int read_fd, int write_fd,
                                      size_t queue_limit_bytes,
                                      const struct loop_stream_handlers *handlers, void *user,
                                      struct err *err)
{
    struct loop_stream *stream = mem_new(struct loop_stream);
    stream->handlers = *handlers;
    stream->user = user;
    stream->queue_limit = queue_limit_bytes;
    loop_object_add(loop, &stream->object, "stream");
    int code = open_ends(stream, &read_fd, &write_fd);
    if (code == 0) {
        if (stream->in.kind == END_FILE)
            stream->file_buffer = mem_alloc(LOOP_READ_BYTES);
        return stream;
    }
    /* An end whose handle was made but not opened does not own its descriptor. */
    loop_stream_free(stream);
    if (read_fd >= 0)
        close(read_fd);
    if (write_fd >= 0)
        close(write_fd);
    loop_err_from_uv(err, code,
                     "The descriptor cannot be used as a stream (a pipe, socket, file "
                     "or terminal is needed)");
    return NULL;
}

/* A pipe is opened anew where /proc allows, because O_NONBLOCK belongs to the open file that we
 * share with our parent and its other children; else, and for sockets, it is duplicated. */
static int own_fd(int fd, int access_mode)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return -errno;
    if (S_ISFIFO(info.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == access_mode) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int opened = open(path, access_mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (opened > STDERR_FILENO)
            return opened;
        if (opened >= 0)
            close(opened);
    }
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return copy < 0 ? -errno : copy;
}

struct loop_stream *loop_stream_new(struct loop *loop, int read_fd, int write_fd,
                                    size_t queue_limit_bytes,
                                    const struct loop_stream_handlers *handlers, void *user,
                                    struct err *err)
{
    int in = read_fd < 0 ? -1 : own_fd(read_fd, O_RDONLY);
    int out = write_fd < 0 ? -1 : own_fd(write_fd, O_WRONLY);
    bool in_failed = read_fd >= 0 && in < 0, out_failed = write_fd >= 0 && out < 0;
    if (!in_failed && !out_failed)
        return loop_stream_adopt(loop, in, out, queue_limit_bytes, handlers, user, err);
    err_set_errno(err, in_failed ? -in : -out, "Descriptor %d cannot be used",
                  in_failed ? read_fd : write_fd);
    if (err)
        err->status = STATUS_INVALID;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return NULL;
}

void loop_stream_free(struct loop_stream *stream)
{
    if (!stream)
        return;
    loop_object_remove(&stream->object);
    stream->freed = true;
    stream->reading = false;
    stream->pending++;
    close_end(&stream->in);
    bool is_file = stream->out.kind == END_FILE;
    close_end(&stream->out);
    if (stream->in.busy)
        uv_cancel((uv_req_t *)&stream->in.file);
    if (stream->out.busy && is_file)
        uv_cancel((uv_req_t *)&stream->out.file);
    if (!stream->out.busy)
        drop_chunks(stream); /* else when the request comes back */
    release(stream);
}
