/* loop: one event loop, and everything that waits: timers, byte streams, child processes, signals,
 * blocking work. The only includer of uv.h beside net.
 *
 * Invariants: one thread owns the loop and all objects made from it; nothing calls back before the
 * call that started it has returned; a *_free may be called from inside that object's own callback
 * and guarantees that no further callback comes, memory of the handle itself is released when libuv
 * allows. loop_free() asserts that every object was freed. */
#ifndef LANEBRIDGE_LOOP_H
#define LANEBRIDGE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <lanebridge/base.h>

struct loop;
struct uv_loop_s;

struct loop *loop_new(struct err *err);
/* Runs the loop until all closed handles are released; aborts in debug builds if anything of ours
 * is still open, naming it. */
void loop_free(struct loop *loop);
void loop_run(struct loop *loop);          /* until loop_stop or nothing is left to wait for */
void loop_stop(struct loop *loop);
uint64_t loop_now_ms(struct loop *loop);   /* cached monotonic */
struct uv_loop_s *loop_uv(struct loop *loop);   /* for net alone */

/* Runs fn(user) once, on this thread, after the current callback has returned, in call order.
 * A deferred call cannot be taken back: `user` must live, or be reference counted. */
void loop_defer(struct loop *loop, void (*fn)(void *user), void *user);
/* The same, but when nothing is deferred any more and the loop would wait for the world outside, or
 * after 8 turns: for what can be done together then, and holds up nothing by waiting. */
void loop_before_wait(struct loop *loop, void (*fn)(void *user), void *user);

/* -- Timers ------------------------------------------------------------------------------------- */
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, void (*on_fire)(void *user), void *user);
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms); /* restarts */
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_active(const struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* -- Streams: a pipe, socket, file or terminal as bytes in and out, both bounded. --------------- */
struct loop_stream;
struct loop_stream_handlers {
    /* Bytes borrowed for the call. */
    void (*on_data)(void *user, struct str bytes);
    /* STATUS_CLOSED at the end of input, else the error. Comes once; writing may go on. */
    void (*on_end)(void *user, enum status status);
    /* Optional: everything that had to wait has been written, or dropped because the other side is
     * gone (then the next write says so). Does not come when nothing had to wait. */
    void (*on_drain)(void *user);
};
/* The descriptors are duplicated (F_DUPFD_CLOEXEC), the caller keeps its own; either may be -1, and
 * both may be the same socket. Kinds are told apart by the kind of descriptor, so a regular file,
 * /dev/null or a terminal as stdin works (files are read in the pool; who wants no terminal asks
 * isatty first). Pipes and terminals are opened anew where that is possible, so that the parent's
 * stay blocking. queue_limit_bytes bounds what waits to be written.
 * Errors: STATUS_INVALID for a closed descriptor or one that is no stream (a folder). */
struct loop_stream *loop_stream_new(struct loop *loop, int read_fd, int write_fd,
                                    size_t queue_limit_bytes,
                                    const struct loop_stream_handlers *handlers, void *user,
                                    struct err *err);
void loop_stream_read_start(struct loop_stream *stream);
void loop_stream_read_stop(struct loop_stream *stream);
/* Takes the bytes (buf is left empty; untouched on failure). Order is kept. STATUS_LIMIT when the
 * queue would exceed its limit (nothing is queued), STATUS_CLOSED when the other side is gone. */
enum status loop_stream_write(struct loop_stream *stream, struct buf *bytes);
size_t loop_stream_queued(const struct loop_stream *stream);
/* Ends the output once the queue is written. */
void loop_stream_shutdown(struct loop_stream *stream);
void loop_stream_free(struct loop_stream *stream);   /* drops what is queued */

/* -- Child processes ---------------------------------------------------------------------------- */
struct loop_process;
struct loop_process_fd {
    int child_fd;     /* number in the child, to 1023; 0, 1 or 2 replace its stdin, stdout, stderr */
    int fd;           /* ours, borrowed; handed down */
};
struct loop_process_options {
    char *const *argv;                  /* NULL-terminated, argv[0] looked up in PATH of `env`,
                                           whose relative entries are skipped */
    char *const *env;                   /* NULL-terminated, complete: nothing is inherited */
    const char *cwd;                    /* NULL: ours */
    bool pipe_stdin;                    /* else /dev/null */
    bool tty;                           /* instead of pipes a terminal, written to as stdin and read
                                           as stdout; not yet the child's controlling one */
    bool merge_stderr;                  /* stderr arrives through on_stdout */
    bool inherit_stderr;                /* stderr is ours (helpers of the command line) */
    const struct loop_process_fd *fds;  /* more descriptors to hand down */
    size_t fd_count;
};
struct loop_process_handlers {
    void (*on_stdout)(void *user, struct str bytes);
    void (*on_stderr)(void *user, struct str bytes);
    /* Comes once, after the output was read to its end or a short grace (a grandchild may hold the
     * pipe). exit_code is -1 when a signal ended it. */
    void (*on_exit)(void *user, int exit_code, int signal);
};
/* The child leads its own session and process group. Errors: STATUS_NOT_FOUND names the program. */
struct loop_process *loop_process_new(struct loop *loop, const struct loop_process_options *options,
                                      const struct loop_process_handlers *handlers, void *user,
                                      struct err *err);
pid_t loop_process_pid(const struct loop_process *process);
enum status loop_process_write(struct loop_process *process, struct buf *bytes);
void loop_process_close_stdin(struct loop_process *process);
/* SIGTERM to the group now, SIGKILL after LIMIT_EXEC_KILL_GRACE_MS. on_exit still comes. */
void loop_process_kill(struct loop_process *process);
/* A process still running is killed at once (SIGKILL to the group); on_exit does not come. */
void loop_process_free(struct loop_process *process);
/* A file without a name that holds these bytes, at its start, for `fds` above. The caller closes it;
 * -1 when there is none to be had. */
int loop_memory_file(struct str bytes, struct err *err);

/* -- Signals and blocking work ------------------------------------------------------------------ */
struct loop_signal;
/* Does not by itself keep the loop running. NULL for a signal that cannot be caught. */
struct loop_signal *loop_signal_new(struct loop *loop, int signal, void (*on_signal)(void *user),
                                    void *user);
void loop_signal_free(struct loop_signal *signal);

/* `work` runs on a pool thread and sees only `data`; `done` runs on the loop thread afterwards,
 * always, exactly once; cancelled says that work was never begun. */
struct loop_work;
struct loop_work *loop_work_start(struct loop *loop, void (*work)(void *data),
                                  void (*done)(void *data, bool cancelled), void *data);
/* Best effort: work not begun will not begin. `done` still comes. */
void loop_work_cancel(struct loop_work *work);

/* Called once by main before anything else: ignores SIGPIPE, sizes the pool to 8, opens /dev/null
 * on closed standard descriptors, hides what else we inherited from our children (CLOEXEC). */
void loop_prepare_process(void);

#endif
