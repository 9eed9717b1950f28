/* Streams over every kind of descriptor. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lanebridge/loop.h>

TestSuite(stream, .timeout = 60, .init = loop_prepare_process);

enum { QUEUE = 8 * 1024 * 1024 };

struct seen {
    struct loop *loop;
    struct loop_stream *stream;
    struct buf text;
    size_t stop_at; /* stops the loop when so much has come; 0: at the end */
    int ends, drains;
    enum status status;
    bool free_on_data, free_on_end, free_on_drain;
};

static void free_stream(struct seen *seen)
{
    loop_stream_free(seen->stream);
    seen->stream = NULL;
}

static void on_data(void *user, struct str bytes)
{
    struct seen *seen = user;
    buf_append(&seen->text, bytes);
    if (seen->free_on_data)
        free_stream(seen);
    if (seen->stop_at && seen->text.len >= seen->stop_at)
        loop_stop(seen->loop);
}

static void on_end(void *user, enum status status)
{
    struct seen *seen = user;
    seen->ends++;
    seen->status = status;
    if (seen->free_on_end)
        free_stream(seen);
}

static void on_drain(void *user)
{
    struct seen *seen = user;
    seen->drains++;
    if (seen->free_on_drain)
        free_stream(seen);
}

static const struct loop_stream_handlers handlers = {on_data, on_end, on_drain};

static void open_seen(struct seen *seen, int read_fd, int write_fd)
{
    struct err err = {0};
    if (!seen->loop)
        seen->loop = loop_new(NULL);
    seen->stream = loop_stream_new(seen->loop, read_fd, write_fd, QUEUE, &handlers, seen, &err);
    cr_assert_not_null(seen->stream, "%s", err.text);
    loop_stream_read_start(seen->stream);
}

static void close_seen(struct seen *seen)
{
    loop_stream_free(seen->stream);
    loop_free(seen->loop);
    buf_finish(&seen->text);
}

static void write_text(struct seen *seen, const char *text)
{
    struct buf bytes = {0};
    buf_append_c(&bytes, text);
    cr_assert_eq(loop_stream_write(seen->stream, &bytes), STATUS_OK);
    cr_assert_eq(bytes.len, 0);
    buf_finish(&bytes);
}

static enum status write_many(struct seen *seen, char byte, size_t count)
{
    struct buf bytes = {0};
    buf_append_repeat(&bytes, byte, count);
    enum status status = loop_stream_write(seen->stream, &bytes);
    buf_finish(&bytes);
    return status;
}

/* A file without a name that holds `text`, positioned at its start. */
static int make_file(const char *text, size_t repeat)
{
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    for (size_t i = 0; i < repeat; i++)
        fputs(text, file);
    fflush(file);
    int fd = dup(fileno(file));
    fclose(file);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

struct kind {
    const char *name;
    void (*open)(int ret_fds[2]); /* [0] is read, [1] feeds it or is -1 */
};

static void open_pipe(int fds[2])
{
    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(write(fds[1], "hello", 5), 5);
}

static void open_socket(int fds[2])
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    cr_assert_eq(write(fds[1], "hello", 5), 5);
}

static void open_file(int fds[2])
{
    fds[0] = make_file("hello", 1);
    fds[1] = -1;
}

static void open_null(int fds[2])
{
    fds[0] = open("/dev/null", O_RDONLY);
    fds[1] = -1;
}

static const struct kind kinds[] = {
    {"pipe", open_pipe}, {"socket", open_socket}, {"file", open_file}, {"null", open_null}};

static void read_to_end(const struct kind *kind)
{
    int fds[2];
    kind->open(fds);
    struct seen seen = {0};
    open_seen(&seen, fds[0], -1);
    cr_assert_eq(seen.text.len, 0, "called back before read_start returned");
    if (fds[1] >= 0)
        close(fds[1]);
    loop_run(seen.loop);
    cr_assert_eq(seen.ends, 1);
    cr_assert_eq(seen.status, STATUS_CLOSED);
    if (kind->open != open_null)
        cr_assert(str_eq(buf_str(&seen.text), STR("hello")), "%s", kind->name);
    cr_assert_geq(fcntl(fds[0], F_GETFD), 0, "the caller's descriptor was closed");
    close(fds[0]);
    close_seen(&seen);
}

Test(stream, reads_every_kind_to_its_end)
{
    for (size_t i = 0; i < array_count(kinds); i++)
        read_to_end(&kinds[i]);
}

Test(stream, refuses_what_is_closed_or_cannot_be_streamed)
{
    struct loop *loop = loop_new(NULL);
    struct seen seen = {0};
    struct err err = {0};
    int folder = open("/", O_RDONLY | O_DIRECTORY);
    int closed = fcntl(folder, F_DUPFD_CLOEXEC, 500);
    close(closed);
    const int bad[][2] = {{closed, -1}, {-1, closed}, {folder, -1}, {0, folder}, {closed, 1}};
    for (size_t i = 0; i < array_count(bad); i++) {
        err = (struct err){0};
        cr_assert_null(loop_stream_new(loop, bad[i][0], bad[i][1], QUEUE, &handlers, &seen, &err));
        cr_assert_eq(err.status, STATUS_INVALID, "case %zu: %s", i, err.text);
        cr_assert_gt(strlen(err.text), 10);
    }
    close(folder);
    loop_free(loop);
}

Test(stream, a_big_file_is_read_whole_and_in_order)
{
    enum { LINES = 40000 };
    struct seen seen = {0};
    int fd = make_file("0123456789abcdef\n", LINES);
    open_seen(&seen, fd, -1);
    loop_run(seen.loop);
    cr_assert_eq(seen.text.len, LINES * 17);
    cr_assert_eq(seen.text.ptr[seen.text.len - 18 + 1], '0');
    close(fd);
    close_seen(&seen);
}

Test(stream, reading_stopped_gives_nothing_until_started_again)
{
    const struct kind *held[] = {&kinds[0], &kinds[2]}; /* pipe and file */
    for (size_t i = 0; i < array_count(held); i++) {
        int fds[2];
        held[i]->open(fds);
        if (fds[1] >= 0)
            close(fds[1]);
        struct seen seen = {0};
        open_seen(&seen, fds[0], -1);
        loop_stream_read_stop(seen.stream);
        loop_run(seen.loop);
        cr_assert_eq(seen.text.len, 0);
        cr_assert_eq(seen.ends, 0);
        loop_stream_read_start(seen.stream);
        cr_assert_eq(seen.text.len, 0, "called back before read_start returned");
        loop_run(seen.loop);
        cr_assert(str_eq(buf_str(&seen.text), STR("hello")), "%s", held[i]->name);
        cr_assert_eq(seen.ends, 1);
        close(fds[0]);
        close_seen(&seen);
    }
}

Test(stream, a_socket_echoes_both_ways)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct seen left = {.stop_at = 4}, right = {.stop_at = 4};
    open_seen(&left, fds[0], fds[0]);
    right.loop = left.loop;
    open_seen(&right, fds[1], fds[1]);
    close(fds[0]);
    close(fds[1]);
    write_text(&left, "ping");
    loop_run(left.loop);
    write_text(&right, "pong");
    loop_run(left.loop);
    cr_assert_str_eq(right.text.ptr, "ping");
    cr_assert_str_eq(left.text.ptr, "pong");
    /* Ending one's output leaves the other direction open. */
    loop_stream_shutdown(left.stream);
    right.stop_at = left.stop_at = 0;
    loop_defer(left.loop, (void (*)(void *))loop_stop, left.loop);
    loop_run(left.loop);
    loop_defer(left.loop, (void (*)(void *))loop_stop, left.loop);
    loop_run(left.loop);
    cr_assert_eq(right.ends, 1);
    cr_assert_eq(left.ends, 0);
    left.stop_at = 9;
    write_text(&right, " more");
    loop_run(left.loop);
    cr_assert_str_eq(left.text.ptr, "pong more");
    loop_stream_free(right.stream);
    buf_finish(&right.text);
    close_seen(&left);
}

/* Reads all that fd gives until its end, on the loop, as another stream. */
Test(stream, what_does_not_fit_is_queued_kept_in_order_and_drained)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct seen reader = {0}, writer = {0};
    open_seen(&reader, fds[0], -1);
    writer.loop = reader.loop;
    open_seen(&writer, -1, fds[1]);
    close(fds[0]);
    close(fds[1]);
    for (char c = 'a'; c <= 'h'; c++)
        cr_assert_eq(write_many(&writer, c, 100000), STATUS_OK);
    cr_assert_gt(loop_stream_queued(writer.stream), 100000);
    cr_assert_eq(writer.drains, 0);
    loop_stream_shutdown(writer.stream);
    loop_run(reader.loop);
    cr_assert_eq(loop_stream_queued(writer.stream), 0);
    cr_assert_eq(writer.drains, 1);
    cr_assert_eq(reader.ends, 1);
    cr_assert_eq(reader.text.len, 800000);
    for (size_t i = 0; i < reader.text.len; i++)
        cr_assert_eq(reader.text.ptr[i], (char)('a' + i / 100000));
    loop_stream_free(writer.stream);
    close_seen(&reader);
}

Test(stream, the_queue_is_bounded)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct seen seen = {0};
    open_seen(&seen, -1, fds[1]);
    cr_assert_eq(write_many(&seen, 'x', QUEUE + 1), STATUS_LIMIT);
    cr_assert_eq(loop_stream_queued(seen.stream), 0, "nothing of a refused write is kept");
    cr_assert_eq(write_many(&seen, 'x', QUEUE), STATUS_OK);
    size_t queued = loop_stream_queued(seen.stream);
    cr_assert_eq(write_many(&seen, 'y', QUEUE - queued + 1), STATUS_LIMIT);
    cr_assert_eq(loop_stream_queued(seen.stream), queued);
    cr_assert_eq(write_many(&seen, 'y', QUEUE - queued), STATUS_OK);
    close_seen(&seen); /* drops what is queued */
    close(fds[0]);
    close(fds[1]);
}

Test(stream, a_dead_reader_closes_the_writer_and_drains_the_queue)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct seen seen = {0};
    open_seen(&seen, -1, fds[1]);
    close(fds[1]);
    cr_assert_eq(write_many(&seen, 'x', 300000), STATUS_OK);
    cr_assert_eq(write_many(&seen, 'y', 300000), STATUS_OK);
    close(fds[0]);
    loop_run(seen.loop);
    cr_assert_eq(seen.drains, 1);
    cr_assert_eq(seen.ends, 0);
    cr_assert_eq(loop_stream_queued(seen.stream), 0);
    cr_assert_eq(write_many(&seen, 'z', 1), STATUS_CLOSED);
    close_seen(&seen);
}

Test(stream, writing_to_a_pipe_nobody_reads_is_closed_at_once)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    close(fds[0]);
    struct seen seen = {0};
    open_seen(&seen, -1, fds[1]);
    cr_assert_eq(write_many(&seen, 'z', 10), STATUS_CLOSED);
    cr_assert_eq(write_many(&seen, 'z', 10), STATUS_CLOSED);
    close(fds[1]);
    close_seen(&seen);
}

Test(stream, a_file_is_written_in_order_and_an_unwritable_one_is_closed)
{
    int fd = make_file("", 0);
    struct seen seen = {0};
    open_seen(&seen, -1, fd);
    for (int i = 0; i < 100; i++)
        write_text(&seen, i % 2 ? "odd " : "even ");
    cr_assert_eq(seen.drains, 0);
    loop_stream_shutdown(seen.stream);
    loop_run(seen.loop);
    cr_assert_eq(seen.drains, 1);
    cr_assert_eq(lseek(fd, 0, SEEK_END), 450);
    char start[10] = {0};
    cr_assert_eq(pread(fd, start, 9, 0), 9);
    cr_assert_str_eq(start, "even odd ");
    close(fd);
    close_seen(&seen);

    struct seen readonly = {0};
    fd = open("/dev/null", O_RDONLY);
    open_seen(&readonly, -1, fd);
    write_text(&readonly, "x");
    write_text(&readonly, "y");
    loop_run(readonly.loop);
    cr_assert_eq(readonly.drains, 1);
    cr_assert_eq(write_many(&readonly, 'z', 1), STATUS_CLOSED);
    close(fd);
    close_seen(&readonly);
}

Test(stream, reading_a_write_end_ends_with_an_error)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct seen seen = {0};
    open_seen(&seen, fds[1], -1);
    cr_assert_eq(seen.ends, 0);
    loop_run(seen.loop);
    cr_assert_eq(seen.ends, 1);
    cr_assert_lt(seen.status, 0);
    cr_assert_neq(seen.status, STATUS_CLOSED);
    close(fds[0]);
    close(fds[1]);
    close_seen(&seen);
}

Test(stream, the_parents_pipes_stay_blocking)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct seen seen = {0};
    open_seen(&seen, fds[0], fds[1]);
    write_text(&seen, "x");
    cr_assert_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    cr_assert_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
    seen.stop_at = 1;
    loop_run(seen.loop);
    cr_assert_str_eq(seen.text.ptr, "x");
    close(fds[0]);
    close(fds[1]);
    close_seen(&seen);
}

Test(stream, a_terminal_is_read_and_stays_blocking)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert_geq(master, 0);
    cr_assert_eq(grantpt(master) | unlockpt(master), 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    cr_assert_geq(terminal, 0);
    struct seen seen = {.stop_at = 3};
    open_seen(&seen, terminal, terminal);
    cr_assert_eq(write(master, "hi\n", 3), 3);
    loop_run(seen.loop);
    cr_assert_str_eq(seen.text.ptr, "hi\n");
    write_text(&seen, "yes");
    cr_assert_eq(fcntl(terminal, F_GETFL) & O_NONBLOCK, 0);
    close_seen(&seen);
    close(terminal);
    close(master);
}

Test(stream, may_be_freed_in_each_of_its_callbacks)
{
    for (int which = 0; which < 6; which++) {
        int fds[2];
        kinds[which % 2 ? 2 : 0].open(fds);
        struct seen seen = {.free_on_data = which / 2 == 0,
                            .free_on_end = which / 2 == 1,
                            .free_on_drain = which / 2 == 2};
        if (seen.free_on_drain) {
            int file = make_file("", 0);
            open_seen(&seen, -1, which % 2 ? file : fds[1]);
            close(file);
            cr_assert_eq(write_many(&seen, 'x', 200000), STATUS_OK);
            close(fds[0]);
        } else {
            open_seen(&seen, fds[0], -1);
            close(fds[0]);
        }
        if (fds[1] >= 0)
            close(fds[1]);
        loop_run(seen.loop);
        cr_assert_null(seen.stream, "case %d", which);
        close_seen(&seen);
    }
}

Test(stream, may_be_freed_while_the_pool_is_at_work)
{
    int fd = make_file("some text", 1000);
    struct seen seen = {0};
    open_seen(&seen, fd, fd);
    write_text(&seen, "x");
    write_text(&seen, "y");
    free_stream(&seen);
    loop_run(seen.loop);
    cr_assert_eq(seen.text.len, 0);
    cr_assert_eq(seen.drains + seen.ends, 0);
    close(fd);
    close_seen(&seen);
}

Test(stream, our_descriptors_are_not_inherited)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct seen seen = {0};
    int first_free = dup(fds[0]);
    close(first_free);
    open_seen(&seen, fds[0], fds[0]);
    int checked = 0;
    for (int fd = first_free; fd < first_free + 20; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0)
            continue;
        checked++;
        cr_assert_eq(flags & FD_CLOEXEC, FD_CLOEXEC, "descriptor %d", fd);
    }
    cr_assert_geq(checked, 3);
    close(fds[0]);
    close(fds[1]);
    close_seen(&seen);
}

Test(stream, many_small_writes_that_wait_keep_their_order)
{
    enum { COUNT = 20000 };
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    struct seen reader = {0}, writer = {0};
    open_seen(&reader, fds[0], -1);
    writer.loop = reader.loop;
    open_seen(&writer, -1, fds[1]);
    close(fds[0]);
    close(fds[1]);
    size_t total = 0;
    for (int i = 0; i < COUNT; i++) {
        struct buf bytes = {0};
        /* Now and then one that is too big to be merged. */
        buf_append_fmt(&bytes, "%d%*s\n", i, i % 1000 == 999 ? 70000 : 1, "");
        total += bytes.len;
        cr_assert_eq(loop_stream_write(writer.stream, &bytes), STATUS_OK);
    }
    loop_stream_shutdown(writer.stream);
    loop_run(reader.loop);
    cr_assert_eq(reader.text.len, total);
    struct str rest = buf_str(&reader.text), line;
    for (int i = 0; i < COUNT; i++) {
        int64_t number = -1;
        cr_assert(str_next(&rest, '\n', &line));
        cr_assert(str_to_int64(str_trim(line), &number));
        cr_assert_eq(number, i);
    }
    cr_assert_eq(writer.drains, 1);
    loop_stream_free(writer.stream);
    close_seen(&reader);
}
