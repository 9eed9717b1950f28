/* lanebridge/editor/secret: what a plugin keeps for the person. Its answer is never logged. */
#include "lsp-internal.h"

struct secret_job {
    struct lsp_server *server;
    int64_t request;
    struct loop_timer *timer; /* when it could not be asked: tells so */
    host_done_fn *on_done;
    void *user;
};

static void job_free(struct secret_job *job)
{
    for (size_t i = 0; i < job->server->secrets.len; i++)
        if (job->server->secrets.ptr[i] == job) {
            vec_remove(&job->server->secrets, i);
            break;
        }
    loop_timer_free(job->timer);
    mem_free(job);
}

void secrets_free(struct lsp_server *server)
{
    while (server->secrets.len > 0)
        job_free(vec_last(&server->secrets));
    vec_finish(&server->secrets);
}

void secret_drop(struct lsp_server *server, void *user)
{
    for (size_t i = server->secrets.len; i > 0; i--) {
        struct secret_job *job = server->secrets.ptr[i - 1];
        if (job->user != user)
            continue;
        if (job->request)
            jsonrpc_request_drop(server->peer, job->request);
        job_free(job);
    }
}

/* An error is no answer: there is none. */
static void on_answer(void *user, const struct jsonrpc_answer *answer)
{
    struct secret_job *job = user;
    host_done_fn *on_done = job->on_done;
    void *done_user = job->user;
    bool good = answer->status == STATUS_OK;
    job_free(job);
    on_done(done_user, answer->status, good ? json_get_str(answer->result, "value") : STR(""));
}

static void on_unasked(void *user)
{
    on_answer(user, &(struct jsonrpc_answer){.status = STATUS_CLOSED});
}

void secret_ask(void *host, const char *name, bool was_refused, host_done_fn *on_done, void *user)
{
    struct lsp_server *server = host;
    struct secret_job *job = mem_new(struct secret_job);
    struct buf params = {0};
    struct json_writer w;
    *job = (struct secret_job){.server = server, .on_done = on_done, .user = user};
    vec_push(&server->secrets, job);
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_field_c(&w, "name", name);
    if (was_refused)
        json_write_field_bool(&w, "refused", true);
    json_write_end_object(&w);
    job->request =
        jsonrpc_request(server->peer, "lanebridge/editor/secret", buf_str(&params), on_answer, job);
    buf_finish(&params);
    if (job->request)
        return;
    job->timer = loop_timer_new(server->env.loop, on_unasked, job);
    loop_timer_start(job->timer, 0, 0);
}
