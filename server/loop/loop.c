/* The loop itself, deferred calls, and the account of what is open. */
#include "loop-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    UNREAPED_WAIT_MS = 1000, /* a killed child that is stuck in the kernel goes to init */
    PUT_OFF_COUNT = 8,       /* turns that what is deferred may go first */
};

static const struct {
    int code;
    enum status status;
} uv_statuses[] = {
    {UV_EOF, STATUS_CLOSED},         {UV_EPIPE, STATUS_CLOSED},
    {UV_ECONNRESET, STATUS_CLOSED},  {UV_ENOENT, STATUS_NOT_FOUND},
    {UV_ENOTDIR, STATUS_NOT_FOUND},  {UV_EACCES, STATUS_DENIED},
    {UV_EPERM, STATUS_DENIED},       {UV_ECANCELED, STATUS_CANCELLED},
    {UV_EINVAL, STATUS_INVALID},     {UV_EBADF, STATUS_INVALID},
    {UV_EMFILE, STATUS_LIMIT},       {UV_ENFILE, STATUS_LIMIT},
    {UV_ENOMEM, STATUS_LIMIT},       {UV_EAGAIN, STATUS_LIMIT},
    {UV_E2BIG, STATUS_LIMIT},        {UV_ETIMEDOUT, STATUS_TIMEOUT},
    {UV_EEXIST, STATUS_EXISTS},      {UV_ENOTSUP, STATUS_UNSUPPORTED},
    {UV_ENOSYS, STATUS_UNSUPPORTED},
};

enum status loop_status_from_uv(int code)
{
    if (code >= 0)
        return STATUS_OK;
    for (size_t i = 0; i < array_count(uv_statuses); i++)
        if (uv_statuses[i].code == code)
            return uv_statuses[i].status;
    return STATUS_IO;
}

enum status loop_err_from_uv(struct err *err, int code, const char *what)
{
    return err_set(err, loop_status_from_uv(code), "%s: %s", what, uv_strerror(code));
}

void loop_object_add(struct loop *loop, struct loop_object *object, const char *kind)
{
    object->loop = loop;
    object->kind = kind;
    object->prev = loop->objects.prev;
    object->next = &loop->objects;
    object->prev->next = object;
    object->next->prev = object;
}

void loop_object_remove(struct loop_object *object)
{
    object->prev->next = object->next;
    object->next->prev = object->prev;
    object->prev = object->next = NULL;
}

/* Only what is there now: a deferred call that defers again waits its turn behind I/O. */
static void run_deferred(uv_idle_t *idle)
{
    struct loop *loop = idle->data;
    struct loop_deferred *calls = loop->deferred.ptr;
    size_t count = loop->deferred.len;
    loop->deferred.ptr = NULL;
    loop->deferred.len = loop->deferred.cap = 0;
    uv_idle_stop(idle);
    for (size_t i = 0; i < count; i++)
        calls[i].fn(calls[i].user);
    mem_free(calls);
}

void loop_defer(struct loop *loop, void (*fn)(void *user), void *user)
{
    vec_push(&loop->deferred, ((struct loop_deferred){fn, user}));
    uv_idle_start(&loop->deferred_runner, run_deferred);
}

/* The prepare phase: deferred calls have run, and poll comes next. */
static void run_last(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    if (loop->deferred.len > 0 && ++loop->put_off < PUT_OFF_COUNT)
        return;
    struct loop_deferred *calls = loop->last.ptr;
    size_t count = loop->last.len;
    loop->last.ptr = NULL;
    loop->last.len = loop->last.cap = 0;
    loop->put_off = 0;
    uv_prepare_stop(prepare);
    for (size_t i = 0; i < count; i++)
        calls[i].fn(calls[i].user);
    mem_free(calls);
}

void loop_before_wait(struct loop *loop, void (*fn)(void *user), void *user)
{
    vec_push(&loop->last, ((struct loop_deferred){fn, user}));
    uv_prepare_start(&loop->last_runner, run_last);
}

struct loop *loop_new(struct err *err)
{
    struct loop *loop = mem_new(struct loop);
    loop->objects.prev = loop->objects.next = &loop->objects;
    int code = uv_loop_init(&loop->uv);
    if (code < 0) {
        loop_err_from_uv(err, code, "The event loop cannot be made");
        mem_free(loop);
        return NULL;
    }
    uv_idle_init(&loop->uv, &loop->deferred_runner);
    loop->deferred_runner.data = loop;
    uv_prepare_init(&loop->uv, &loop->last_runner);
    loop->last_runner.data = loop;
    return loop;
}

static void note_closing(uv_handle_t *handle, void *ret_closing)
{
    if (uv_is_closing(handle))
        *(bool *)ret_closing = true;
}

/* True while libuv will certainly bring something: closing handles, requests, dying children. */
static bool is_unwinding(struct loop *loop)
{
    bool closing = false;
    uv_walk(&loop->uv, note_closing, &closing);
    return closing || loop->deferred.len > 0 || loop->last.len > 0 ||
           loop->uv.active_reqs.count > 0 || loop->unreaped > 0;
}

static void name_open_handle(uv_handle_t *handle, void *user)
{
    if (!uv_is_closing(handle))
        fprintf(stderr, "loop_free: a %s handle is still open\n",
                uv_handle_type_name(handle->type));
}

static void give_up(struct loop *loop)
{
    for (struct loop_object *o = loop->objects.next; o != &loop->objects; o = o->next)
        fprintf(stderr, "loop_free: a %s is still open\n", o->kind);
    uv_walk(&loop->uv, name_open_handle, NULL);
#ifndef NDEBUG
    abort();
#endif
}

/* Only wakes the loop, so that the wait for dying children is bounded. */
static void on_wake(uv_timer_t *timer)
{
}

static void unwind(struct loop *loop)
{
    uv_timer_t wake;
    uv_timer_init(&loop->uv, &wake);
    uv_timer_start(&wake, on_wake, UNREAPED_WAIT_MS, 0);
    uint64_t end = uv_hrtime() + UNREAPED_WAIT_MS * UINT64_C(1000000);
    while (is_unwinding(loop)) {
        uv_run(&loop->uv, UV_RUN_ONCE);
        if (loop->unreaped > 0 && uv_hrtime() >= end)
            break;
    }
    uv_walk(&loop->uv, loop_process_abandon, NULL);
    uv_close((uv_handle_t *)&wake, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    unwind(loop);
    uv_close((uv_handle_t *)&loop->deferred_runner, NULL);
    uv_close((uv_handle_t *)&loop->last_runner, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    bool is_empty = loop->objects.next == &loop->objects;
    if (uv_loop_close(&loop->uv) < 0 || !is_empty) {
        give_up(loop);
        return; /* memory that libuv may still point into stays */
    }
    vec_finish(&loop->deferred);
    vec_finish(&loop->last);
    mem_free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

uint64_t loop_now_ms(struct loop *loop)
{
    return uv_now(&loop->uv);
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

void loop_prepare_process(void)
{
    signal(SIGPIPE, SIG_IGN);
    setenv("UV_THREADPOOL_SIZE", "8", 0);
    /* A descriptor of ours must never get the number of a standard one. */
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
            abort();
    }
    /* What the editor leaked to us must not reach the commands we run. */
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}
