/* One run of endpoint.apiKeyCommand. It may take as long as a password store takes to be unlocked,
 * so it runs in the pool, on a copy of the command. */
#include <string.h>

#include "app.h"

struct key_run {
    struct config config; /* the command alone */
    struct buf key;
    struct err err;
    _Atomic bool stop;
    key_run_fn *done; /* NULL: nobody waits any more */
    void *user;
};

static void work(void *data)
{
    struct key_run *run = data;
    config_key_run_command_until(&run->config, &run->stop, &run->key, &run->err);
}

static void free_run(struct key_run *run)
{
    struct config_strings *command = &run->config.endpoint_api_key_command;
    for (size_t i = 0; i < command->count; i++)
        mem_free(command->ptr[i]);
    mem_free(command->ptr);
    if (run->key.ptr)
        explicit_bzero(run->key.ptr, run->key.len);
    buf_finish(&run->key);
    mem_free(run);
}

static void on_done(void *data, bool cancelled)
{
    struct key_run *run = data;
    (void)cancelled;
    if (run->done)
        run->done(run->user, &run->key, run->err.status < 0 ? &run->err : NULL);
    free_run(run);
}

struct key_run *key_run_start(struct loop *loop, const struct config *config, key_run_fn *done,
                              void *user)
{
    const struct config_strings *from = &config->endpoint_api_key_command;
    struct key_run *run = mem_new(struct key_run);
    struct config_strings *command = &run->config.endpoint_api_key_command;
    command->count = from->count;
    command->ptr = mem_alloc_array(from->count, sizeof(*command->ptr));
    for (size_t i = 0; i < from->count; i++)
        command->ptr[i] = mem_dup_c(from->ptr[i]);
    run->done = done;
    run->user = user;
    loop_work_start(loop, work, on_done, run);
    return run;
}

void key_run_cancel(struct key_run *run)
{
    if (!run)
        return;
    run->stop = true;
    run->done = NULL;
}
