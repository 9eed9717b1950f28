/* The language server without a client between: bytes in, frames out. */
#include "session.h"

#include <sys/socket.h>
#include <unistd.h>

struct bare {
    struct player *player;
    struct loop_process *process;
    struct loop_stream *stream;
    struct jsonrpc_frames *frames;
    struct loop_timer *timer;
    struct buf waiting;
    bool end_wanted;
};

static void write_piece(struct bare *bare, size_t len)
{
    struct buf piece = {0};
    buf_append(&piece, str_slice(buf_str(&bare->waiting), 0, len));
    buf_remove_front(&bare->waiting, piece.len);
    loop_stream_write(bare->stream, &piece);
    buf_finish(&piece);
}

static void on_timer(void *user)
{
    struct bare *bare = user;
    int64_t torn = bare->player->script->torn;
    if (bare->waiting.len > 0)
        write_piece(bare, torn > 0 ? (size_t)torn : bare->waiting.len);
    if (bare->waiting.len > 0)
        loop_timer_start(bare->timer, 1, 0);
    else if (bare->end_wanted)
        loop_stream_shutdown(bare->stream);
}

void bare_send(struct bare *bare, struct str bytes)
{
    buf_append(&bare->waiting, bytes);
    loop_timer_start(bare->timer, 0, 0);
}

void bare_end(struct bare *bare)
{
    bare->end_wanted = true;
    loop_timer_start(bare->timer, 0, 0);
}

bool bare_is_sent(const struct bare *bare)
{
    return bare->waiting.len == 0;
}

static void on_data(void *user, struct str bytes)
{
    struct bare *bare = user;
    jsonrpc_frames_push(bare->frames, bytes);
}

static void on_end(void *user, enum status status)
{
    (void)user;
    (void)status; /* the process's exit tells */
}

static void on_body(void *user, struct str body)
{
    struct bare *bare = user;
    player_on_traffic(bare->player, false, body);
}

static void on_bad_header(void *user, const struct err *err)
{
    struct bare *bare = user;
    player_on_traffic(bare->player, false, str_from(err->text));
}

static void on_exit_server(void *user, int exit_code, int signal)
{
    struct bare *bare = user;
    player_on_exit(bare->player, exit_code, signal);
}

static bool start(struct bare *bare, char *const *argv, char *const *env, struct err *err)
{
    static const struct loop_process_handlers process_handlers = {.on_exit = on_exit_server};
    static const struct loop_stream_handlers stream_handlers = {.on_data = on_data,
                                                                .on_end = on_end};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(err, STATUS_IO, "cannot make a socket pair") == STATUS_OK;
    const struct loop_process_fd fds[] = {{0, ends[1]}, {1, ends[1]}};
    struct loop_process_options options = {.argv = argv,
                                           .env = env,
                                           .cwd = bare->player->root.ptr,
                                           .inherit_stderr = true,
                                           .fds = fds,
                                           .fd_count = array_count(fds)};
    bare->process = loop_process_new(bare->player->loop, &options, &process_handlers, bare, err);
    close(ends[1]);
    if (bare->process)
        bare->stream = loop_stream_new(bare->player->loop, ends[0], ends[0], 128 * MIB,
                                       &stream_handlers, bare, err);
    close(ends[0]);
    return bare->stream != NULL;
}

struct bare *bare_new(struct player *player, char *const *argv, char *const *env, struct err *err)
{
    static const struct jsonrpc_frame_handlers handlers = {.on_body = on_body,
                                                           .on_bad_header = on_bad_header};
    struct bare *bare = mem_new(struct bare);
    bare->player = player;
    bare->frames = jsonrpc_frames_new(LIMIT_LSP_BODY_BYTES, &handlers, bare);
    bare->timer = loop_timer_new(player->loop, on_timer, bare);
    if (!start(bare, argv, env, err)) {
        bare_free(bare);
        return NULL;
    }
    loop_stream_read_start(bare->stream);
    return bare;
}

pid_t bare_pid(const struct bare *bare)
{
    return loop_process_pid(bare->process);
}

void bare_free(struct bare *bare)
{
    if (!bare)
        return;
    if (bare->stream)
        loop_stream_free(bare->stream);
    if (bare->process)
        loop_process_free(bare->process);
    loop_timer_free(bare->timer);
    jsonrpc_frames_free(bare->frames);
    buf_finish(&bare->waiting);
    mem_free(bare);
}
