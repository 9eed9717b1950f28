/* lanebridge/editor/secret: what a plugin keeps for the person. Its answer is never logged. */
#include "lsp-internal.h"

struct secret_job {
    struct asking asking;
    host_done_fn *on_done;
};

static void release(struct asking *asking)
{
    mem_free((struct secret_job *)asking);
}

/* An error is no answer: there is none. */
static void on_answer(struct asking *asking, const struct jsonrpc_answer *answer)
{
    host_done_fn *on_done = ((struct secret_job *)asking)->on_done;
    void *user = asking->user;
    bool good = answer->status == STATUS_OK;
    asking_free(asking);
    on_done(user, answer->status, good ? json_get_str(answer->result, "value") : STR(""));
}

void secret_ask(void *host, const char *name, bool was_refused, host_done_fn *on_done, void *user)
{
    struct lsp_server *server = host;
    struct secret_job *job = mem_new(struct secret_job);
    struct buf params = {0};
    struct json_writer w;
    asking_begin(&job->asking, server, release, user);
    job->on_done = on_done;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_field_c(&w, "name", name);
    if (was_refused)
        json_write_field_bool(&w, "refused", true);
    json_write_end_object(&w);
    asking_send(&job->asking, "lanebridge/editor/secret", buf_str(&params), on_answer);
    buf_finish(&params);
}
