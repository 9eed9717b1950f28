#include "loop-internal.h"

struct loop_timer {
    struct loop_object object;
    uv_timer_t uv;
    void (*on_fire)(void *user);
    void *user;
};

struct loop_timer *loop_timer_new(struct loop *loop, void (*on_fire)(void *user), void *user)
{
    struct loop_timer *timer = mem_new(struct loop_timer);
    timer->on_fire = on_fire;
    timer->user = user;
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    loop_object_add(loop, &timer->object, "timer");
    return timer;
}

static void on_timer(uv_timer_t *uv)
{
    struct loop_timer *timer = uv->data;
    timer->on_fire(timer->user);
}

void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    /* The cached time may be old after long work; the delay counts from now. */
    uv_update_time(&timer->object.loop->uv);
    uv_timer_start(&timer->uv, on_timer, after_ms, repeat_ms);
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

bool loop_timer_is_active(const struct loop_timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv);
}

static void release(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (!timer)
        return;
    loop_object_remove(&timer->object);
    uv_close((uv_handle_t *)&timer->uv, release);
}
