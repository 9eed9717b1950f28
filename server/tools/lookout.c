/* Waiting for diagnostics: the editor answers at once with what it has, so it is asked again until
 * what it has is about the texts as they are. */
#include "diags-internal.h"

enum { LOOKOUT_POLL_MS = 100 };

struct lookout {
    struct tools *tools;
    VEC(char *) paths;
    bool is_all, is_asked;
    const struct diags *others_than;
    struct diags diags; /* the last answer */
    enum status status;
    struct loop_timer *poll, *deadline;
    lookout_fn *fn;
    void *user;
};

static void stop_asking(struct lookout *lookout)
{
    const struct host *host = lookout->tools->env.host;
    if (lookout->is_asked)
        host->ops->drop(host->host, lookout);
    lookout->is_asked = false;
    loop_timer_stop(lookout->poll);
}

void lookout_free(struct lookout *lookout)
{
    if (!lookout)
        return;
    stop_asking(lookout);
    loop_timer_free(lookout->poll);
    loop_timer_free(lookout->deadline);
    for (size_t i = 0; i < lookout->paths.len; i++)
        mem_free(lookout->paths.ptr[i]);
    vec_finish(&lookout->paths);
    diags_finish(&lookout->diags);
    mem_free(lookout);
}

static void finish(struct lookout *lookout)
{
    stop_asking(lookout);
    loop_timer_stop(lookout->deadline);
    lookout->fn(lookout->user, lookout->status, &lookout->diags);
}

static void on_deadline(void *user)
{
    finish(user);
}

static bool is_worth_waiting(const struct lookout *lookout, const struct diag_file *file)
{
    if (file->age != DIAG_UNKNOWN || !lookout->others_than)
        return file->age == DIAG_STALE;
    const struct diag_file *before = diags_find(lookout->others_than, str_from(file->path));
    return before && diag_file_eq(before, file);
}

static void on_answer(void *user, enum status status, const struct host_diagnosed *files,
                      size_t count)
{
    struct lookout *lookout = user;
    bool waits = false;
    lookout->is_asked = false;
    lookout->status = status;
    if (status == STATUS_OK) {
        diags_finish(&lookout->diags);
        diags_copy(lookout->tools, files, count, &lookout->diags);
    }
    for (size_t i = 0; i < lookout->diags.files.len && !waits; i++)
        waits = is_worth_waiting(lookout, &lookout->diags.files.ptr[i]);
    if (waits && status == STATUS_OK)
        loop_timer_start(lookout->poll, LOOKOUT_POLL_MS, 0);
    else
        finish(lookout);
}

static void ask(void *user)
{
    struct lookout *lookout = user;
    const struct host *host = lookout->tools->env.host;
    lookout->is_asked = true;
    host->ops->diagnostics(host->host,
                           lookout->is_all ? NULL : (const char *const *)lookout->paths.ptr,
                           lookout->paths.len, on_answer, lookout);
}

struct lookout *lookout_start(struct tools *tools, const struct lookout_wish *wish, lookout_fn *fn,
                              void *user)
{
    struct lookout *lookout = mem_new(struct lookout);
    lookout->tools = tools;
    lookout->is_all = !wish->paths;
    for (size_t i = 0; i < wish->count; i++)
        vec_push(&lookout->paths, mem_dup_c(wish->paths[i]));
    lookout->others_than = wish->others_than;
    lookout->status = STATUS_TIMEOUT;
    lookout->fn = fn;
    lookout->user = user;
    lookout->poll = loop_timer_new(tools->env.loop, ask, lookout);
    lookout->deadline = loop_timer_new(tools->env.loop, on_deadline, lookout);
    loop_timer_start(lookout->deadline, wish->wait_ms, 0);
    ask(lookout);
    return lookout;
}
