/* Child processes: their own session, so that everything they start can be ended with them, and an
 * end of output that does not depend on what they leave behind. */
#include "loop-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STDIN_QUEUE_BYTES = 64 * 1024 * 1024,
    CHILD_FD_MAX = 1023, /* the usual RLIMIT_NOFILE */
    TICK_MS = 50,        /* how often a child that ended is looked at */
};

enum state {
    PROCESS_RUNNING,
    PROCESS_DRAINING, /* ended; its output is read to the end, or until it is quiet */
    PROCESS_DONE,     /* on_exit was called */
    PROCESS_FREED,    /* killed if need be, waiting for libuv to let go */
};

struct loop_process {
    struct loop_object object;
    uv_process_t uv;
    enum state state;
    struct loop_process_handlers handlers;
    void *user;
    struct loop_stream *in, *out, *err;
    struct loop_timer *kill_timer, *tick_timer;
    int exit_code, signal;
    bool killing, killed;
    bool heard; /* output came since the last tick */
    unsigned quiet_ms, drained_ms;
};

static void set_state(struct loop_process *process, enum state state)
{
    static const unsigned char may_follow[] = {
        [PROCESS_RUNNING] = 1 << PROCESS_DRAINING | 1 << PROCESS_FREED,
        [PROCESS_DRAINING] = 1 << PROCESS_DONE | 1 << PROCESS_FREED,
        [PROCESS_DONE] = 1 << PROCESS_FREED,
        [PROCESS_FREED] = 0,
    };
    if (!(may_follow[process->state] & 1 << state))
        abort();
    process->state = state;
}

/* -- Ending ----------------------------------------------------------------------------------- */

static bool is_in_our_pid_namespace(pid_t pid)
{
    char path[48];
    struct stat ours, its;
    snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
    return stat("/proc/self/ns/pid", &ours) != 0 || stat(path, &its) != 0 ||
           ours.st_ino == its.st_ino;
}

/* A child in a pid namespace of its own (a sandbox's) is that namespace's init: it ignores SIGTERM,
 * may have left the group, and is tied to its parent's death only once it has come that far. */
static size_t find_namespaces(pid_t parent, pid_t *ret_pids, size_t max)
{
    char path[64];
    size_t count = 0;
    int pid;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "re");
    while (file && count < max && fscanf(file, "%d", &pid) == 1)
        if (!is_in_our_pid_namespace(pid))
            ret_pids[count++] = pid;
    if (file)
        fclose(file);
    return count;
}

static void signal_group(struct loop_process *process, int number)
{
    pid_t inits[8];
    size_t count = process->state == PROCESS_RUNNING
                       ? find_namespaces(process->uv.pid, inits, array_count(inits))
                       : 0;
    uv_kill(-process->uv.pid, number);
    for (size_t i = 0; i < count; i++)
        uv_kill(inits[i], SIGKILL);
}

static bool group_is_gone(const struct loop_process *process)
{
    return uv_kill(-process->uv.pid, 0) == UV_ESRCH;
}

static void close_parts(struct loop_process *process)
{
    loop_stream_free(process->in);
    loop_stream_free(process->out);
    loop_stream_free(process->err);
    loop_timer_free(process->kill_timer);
    loop_timer_free(process->tick_timer);
    process->in = process->out = process->err = NULL;
    process->kill_timer = process->tick_timer = NULL;
}

static void finish(struct loop_process *process)
{
    if (process->killing && !process->killed)
        signal_group(process, SIGKILL);
    close_parts(process);
    set_state(process, PROCESS_DONE);
    if (process->handlers.on_exit)
        process->handlers.on_exit(process->user, process->exit_code, process->signal);
}

/* After the exit: the output must have ended, or be quiet, or have had its time. While the group is
 * being killed its survivors get their grace to clean up first. */
static void finish_if_over(struct loop_process *process)
{
    if (process->state != PROCESS_DRAINING)
        return;
    bool is_killed = !process->killing || process->killed || group_is_gone(process);
    bool is_read = !process->out && !process->err;
    bool is_quiet = process->quiet_ms >= LIMIT_PROCESS_QUIET_MS;
    bool is_late = process->drained_ms >= LIMIT_PROCESS_DRAIN_MS;
    if (is_killed && (is_read || is_quiet || is_late))
        finish(process);
}

static void on_tick(void *user)
{
    struct loop_process *process = user;
    process->drained_ms += TICK_MS;
    process->quiet_ms = process->heard ? 0 : process->quiet_ms + TICK_MS;
    process->heard = false;
    finish_if_over(process);
}

static void release(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void on_uv_exit(uv_process_t *uv, int64_t exit_status, int signal)
{
    struct loop_process *process = uv->data;
    if (process->state == PROCESS_FREED) {
        process->object.loop->unreaped--;
        uv_close((uv_handle_t *)uv, release);
        return;
    }
    process->exit_code = signal ? -1 : (int)exit_status;
    process->signal = signal;
    set_state(process, PROCESS_DRAINING);
    loop_timer_start(process->tick_timer, TICK_MS, TICK_MS);
    finish_if_over(process);
}

void loop_process_abandon(uv_handle_t *handle, void *user)
{
    if (handle->type != UV_PROCESS || uv_is_closing(handle))
        return;
    struct loop_process *process = handle->data;
    if (process->state != PROCESS_FREED)
        return;
    process->object.loop->unreaped--;
    uv_close(handle, release);
}

static void on_kill_timer(void *user)
{
    struct loop_process *process = user;
    process->killed = true;
    signal_group(process, SIGKILL);
    finish_if_over(process);
}

void loop_process_kill(struct loop_process *process)
{
    if (process->killing || process->state > PROCESS_DRAINING)
        return;
    process->killing = true;
    signal_group(process, SIGTERM);
    loop_timer_start(process->kill_timer, LIMIT_EXEC_KILL_GRACE_MS, 0);
}

void loop_process_free(struct loop_process *process)
{
    if (!process)
        return;
    bool is_alive = process->state == PROCESS_RUNNING;
    if (process->state != PROCESS_DONE)
        signal_group(process, SIGKILL);
    close_parts(process);
    loop_object_remove(&process->object);
    set_state(process, PROCESS_FREED);
    if (is_alive)
        process->object.loop->unreaped++;
    else
        uv_close((uv_handle_t *)&process->uv, release);
}

/* -- Streams ---------------------------------------------------------------------------------- */

static void on_out(void *user, struct str bytes)
{
    struct loop_process *process = user;
    process->heard = true;
    if (process->handlers.on_stdout)
        process->handlers.on_stdout(process->user, bytes);
}

static void on_err(void *user, struct str bytes)
{
    struct loop_process *process = user;
    process->heard = true;
    if (process->handlers.on_stderr)
        process->handlers.on_stderr(process->user, bytes);
}

static void on_out_end(void *user, enum status status)
{
    struct loop_process *process = user;
    loop_stream_free(process->out);
    process->out = NULL;
    finish_if_over(process);
}

static void on_err_end(void *user, enum status status)
{
    struct loop_process *process = user;
    loop_stream_free(process->err);
    process->err = NULL;
    finish_if_over(process);
}

static void on_in_end(void *user, enum status status)
{
}

static const struct loop_stream_handlers in_handlers = {.on_end = on_in_end};
static const struct loop_stream_handlers out_handlers = {.on_data = on_out, .on_end = on_out_end};
static const struct loop_stream_handlers err_handlers = {.on_data = on_err, .on_end = on_err_end};

enum status loop_process_write(struct loop_process *process, struct buf *bytes)
{
    return process->in ? loop_stream_write(process->in, bytes) : STATUS_CLOSED;
}

void loop_process_close_stdin(struct loop_process *process)
{
    if (process->in)
        loop_stream_shutdown(process->in);
}

/* -- Starting --------------------------------------------------------------------------------- */

/* Real pipes instead of libuv's socket pairs: a child may open /dev/stdout or /dev/stderr anew,
 * which sockets refuse. */
struct pipes {
    int child[3], ours[3]; /* -1: none */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_all(int fds[3])
{
    for (int i = 0; i < 3; i++)
        close_fd(&fds[i]);
}

static enum status open_pipe(struct pipes *pipes, int which, struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "A pipe for the command cannot be made");
    int child_end = which == 0 ? 0 : 1;
    pipes->child[which] = fds[child_end];
    pipes->ours[which] = fds[!child_end];
    return STATUS_OK;
}

static enum status open_pipes(struct pipes *pipes, const struct loop_process_options *options,
                              struct err *err)
{
    if (options->tty)
        return loop_terminal_open(&pipes->ours[1], &pipes->ours[0], &pipes->child[1], err);
    bool wanted[3] = {options->pipe_stdin, true,
                      !options->merge_stderr && !options->inherit_stderr};
    for (size_t i = 0; i < options->fd_count; i++)
        if (options->fds[i].child_fd < 3)
            wanted[options->fds[i].child_fd] = false;
    enum status status = STATUS_OK;
    for (int i = 0; i < 3 && status == STATUS_OK; i++)
        if (wanted[i])
            status = open_pipe(pipes, i, err);
    return status;
}

static void pass_fd(uv_stdio_container_t *slot, int fd)
{
    slot->flags = fd >= 0 ? UV_INHERIT_FD : UV_IGNORE; /* ignored: /dev/null */
    slot->data.fd = fd;
}

/* How many numbers the child's table has. */
static int count_slots(const struct loop_process_options *options)
{
    int count = 3;
    for (size_t i = 0; i < options->fd_count; i++)
        if (options->fds[i].child_fd >= count)
            count = options->fds[i].child_fd + 1;
    return count;
}

static uv_stdio_container_t *make_slots(const struct loop_process_options *options,
                                        const struct pipes *pipes, int count)
{
    uv_stdio_container_t *slots = mem_alloc_array((size_t)count, sizeof *slots);
    for (int i = 0; i < 3; i++)
        pass_fd(&slots[i], pipes->child[i]);
    if (options->tty)
        pass_fd(&slots[0], pipes->child[1]);
    if (options->merge_stderr || options->tty)
        pass_fd(&slots[2], pipes->child[1]);
    else if (options->inherit_stderr)
        pass_fd(&slots[2], STDERR_FILENO);
    for (size_t i = 0; i < options->fd_count; i++)
        pass_fd(&slots[options->fds[i].child_fd], options->fds[i].fd);
    return slots;
}

static enum status spawn(struct loop_process *process, const struct loop_process_options *options,
                         const char *program, const struct pipes *pipes, struct err *err)
{
    int slot_count = count_slots(options);
    uv_stdio_container_t *slots = make_slots(options, pipes, slot_count);
    uv_process_options_t uv_options = {
        .exit_cb = on_uv_exit,
        .file = program,
        .args = (char **)options->argv,
        .env = (char **)options->env,
        .cwd = options->cwd,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = slot_count,
        .stdio = slots,
    };
    int code = uv_spawn(&process->object.loop->uv, &process->uv, &uv_options);
    mem_free(slots);
    if (code < 0)
        return err_set(err, loop_status_from_uv(code), "\"%s\" cannot be started: %s", program,
                       uv_strerror(code));
    return STATUS_OK;
}

static struct loop_stream *adopt(struct loop_process *process, int *fd, bool is_input,
                                 const struct loop_stream_handlers *handlers)
{
    if (*fd < 0)
        return NULL;
    int read_fd = is_input ? -1 : *fd, write_fd = is_input ? *fd : -1;
    *fd = -1;
    struct loop_stream *stream = loop_stream_adopt(process->object.loop, read_fd, write_fd,
                                                   STDIN_QUEUE_BYTES, handlers, process, NULL);
    if (stream)
        loop_stream_read_start(stream);
    return stream;
}

static void start_parts(struct loop_process *process, struct loop *loop, struct pipes *pipes)
{
    process->in = adopt(process, &pipes->ours[0], true, &in_handlers);
    process->out = adopt(process, &pipes->ours[1], false, &out_handlers);
    process->err = adopt(process, &pipes->ours[2], false, &err_handlers);
    process->kill_timer = loop_timer_new(loop, on_kill_timer, process);
    process->tick_timer = loop_timer_new(loop, on_tick, process);
}

static enum status check_numbers(const struct loop_process_options *options, struct err *err)
{
    for (size_t i = 0; i < options->fd_count; i++)
        if (options->fds[i].child_fd < 0 || options->fds[i].child_fd > CHILD_FD_MAX)
            return err_set(err, STATUS_INVALID,
                           "A command can be given descriptors 0 to %d only: choose other numbers",
                           CHILD_FD_MAX);
    return STATUS_OK;
}

/* libuv reports a missing folder and a missing program alike. */
static enum status check_folder(const char *cwd, struct err *err)
{
    struct stat info;
    if (!cwd || (stat(cwd, &info) == 0 && S_ISDIR(info.st_mode)))
        return STATUS_OK;
    return err_set(err, STATUS_NOT_FOUND, "The folder \"%s\" to run the command in does not exist",
                   cwd);
}

static enum status start(struct loop_process *process, const struct loop_process_options *options,
                         struct pipes *pipes, struct err *err)
{
    struct buf program = {0};
    enum status status = check_numbers(options, err);
    if (status == STATUS_OK)
        status = check_folder(options->cwd, err);
    if (status == STATUS_OK)
        status = loop_program_find(options->argv[0], options->env, options->cwd, &program, err);
    if (status == STATUS_OK)
        status = open_pipes(pipes, options, err);
    if (status == STATUS_OK)
        status = spawn(process, options, program.ptr, pipes, err);
    buf_finish(&program);
    return status;
}

struct loop_process *loop_process_new(struct loop *loop, const struct loop_process_options *options,
                                      const struct loop_process_handlers *handlers, void *user,
                                      struct err *err)
{
    struct loop_process *process = mem_new(struct loop_process);
    struct pipes pipes = {{-1, -1, -1}, {-1, -1, -1}};
    process->handlers = *handlers;
    process->user = user;
    process->uv.data = process;
    process->object.loop = loop;
    if (start(process, options, &pipes, err) == STATUS_OK) {
        loop_object_add(loop, &process->object, "process");
        start_parts(process, loop, &pipes);
        close_all(pipes.child);
        return process;
    }
    close_all(pipes.child);
    close_all(pipes.ours);
    /* A spawn that failed has made the handle all the same. */
    if (process->uv.type == UV_PROCESS)
        uv_close((uv_handle_t *)&process->uv, release);
    else
        mem_free(process);
    return NULL;
}

pid_t loop_process_pid(const struct loop_process *process)
{
    return process->uv.pid;
}
