#include "loop-internal.h"

struct loop_signal {
    struct loop_object object;
    uv_signal_t uv;
    void (*on_signal)(void *user);
    void *user;
};

static void release(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void on_uv_signal(uv_signal_t *uv, int number)
{
    struct loop_signal *signal = uv->data;
    signal->on_signal(signal->user);
}

struct loop_signal *loop_signal_new(struct loop *loop, int number, void (*on_signal)(void *user),
                                    void *user)
{
    struct loop_signal *signal = mem_new(struct loop_signal);
    signal->on_signal = on_signal;
    signal->user = user;
    uv_signal_init(&loop->uv, &signal->uv);
    signal->uv.data = signal;
    if (uv_signal_start(&signal->uv, on_uv_signal, number) < 0) {
        uv_close((uv_handle_t *)&signal->uv, release);
        return NULL;
    }
    /* Waiting for a signal alone is no reason to go on running. */
    uv_unref((uv_handle_t *)&signal->uv);
    loop_object_add(loop, &signal->object, "signal");
    return signal;
}

void loop_signal_free(struct loop_signal *signal)
{
    if (!signal)
        return;
    loop_object_remove(&signal->object);
    uv_close((uv_handle_t *)&signal->uv, release);
}
