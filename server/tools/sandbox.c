/* The sandbox is tested before the first command, in the pool: commands wait for it in the queue,
 * because what may run unasked, and beside others, hangs on it. */
#include "tools-internal.h"

static void test(void *data)
{
    struct tools *tools = data;
    (void)policy_sandbox_test(tools->env.policy, &tools->sandbox_error);
}

static void on_tested(void *data)
{
    struct tools *tools = data;
    tools->sandbox = SANDBOX_TESTED;
    for (size_t i = 0; i < tools->threads.len; i++) {
        struct tools_thread *thread = tools->threads.ptr[i];
        for (size_t k = 0; k < thread->calls.len; k++) {
            struct tools_call *call = thread->calls.ptr[k];
            if (call->life == LIFE_QUEUED && !call->is_ready)
                call_classify(call);
        }
        schedule_pump(&thread->schedule);
    }
}

static void release(void *data)
{
    (void)data; /* the tools own themselves */
}

static const struct job_ops ops = {test, on_tested, release};

bool sandbox_is_known(struct tools *tools)
{
    if (tools->sandbox == SANDBOX_UNTESTED) {
        tools->sandbox = SANDBOX_TESTING;
        job_start(tools, &ops, tools);
    }
    return tools->sandbox == SANDBOX_TESTED;
}
