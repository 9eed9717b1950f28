#include "loop-internal.h"

struct loop_work {
    uv_work_t uv;
    void (*work)(void *data);
    void (*done)(void *data, bool cancelled);
    void *data;
};

static void on_pool(uv_work_t *uv)
{
    struct loop_work *work = uv->data;
    work->work(work->data);
}

static void on_done(uv_work_t *uv, int status)
{
    struct loop_work *work = uv->data;
    void (*done)(void *data, bool cancelled) = work->done;
    void *data = work->data;
    mem_free(work);
    done(data, status == UV_ECANCELED);
}

struct loop_work *loop_work_start(struct loop *loop, void (*fn)(void *data),
                                  void (*done)(void *data, bool cancelled), void *data)
{
    struct loop_work *work = mem_new(struct loop_work);
    work->work = fn;
    work->done = done;
    work->data = data;
    work->uv.data = work;
    /* Fails only without a work function. */
    uv_queue_work(&loop->uv, &work->uv, on_pool, on_done);
    return work;
}

void loop_work_cancel(struct loop_work *work)
{
    uv_cancel((uv_req_t *)&work->uv);
}
