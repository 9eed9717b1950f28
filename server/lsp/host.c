/* host.h for the tools: the parts that are neither edits nor questions. */
#include "lsp-internal.h"

struct save_job {
    struct lsp_server *server;
    int64_t request;
    struct loop_timer *timer; /* when it could not be asked: tells so */
    host_done_fn *on_done;
    void *user;
};

static void save_free(struct save_job *job)
{
    for (size_t i = 0; i < job->server->saves.len; i++)
        if (job->server->saves.ptr[i] == job) {
            vec_remove(&job->server->saves, i);
            break;
        }
    loop_timer_free(job->timer);
    mem_free(job);
}

void host_saves_free(struct lsp_server *server)
{
    while (server->saves.len > 0)
        save_free(vec_last(&server->saves));
    vec_finish(&server->saves);
}

static void on_saved(void *user, const struct jsonrpc_answer *answer)
{
    struct save_job *job = user;
    host_done_fn *on_done = job->on_done;
    void *done_user = job->user;
    save_free(job);
    on_done(done_user, answer->status, answer->error_text);
}

static void on_unasked(void *user)
{
    on_saved(user, &(struct jsonrpc_answer){.status = STATUS_CLOSED});
}

static void host_save(void *host, const char *const *paths, size_t count, host_done_fn *on_done,
                      void *user)
{
    struct lsp_server *server = host;
    struct save_job *job = mem_new(struct save_job);
    struct buf params = {0};
    struct json_writer w;
    *job = (struct save_job){.server = server, .on_done = on_done, .user = user};
    vec_push(&server->saves, job);
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_key(&w, "uris");
    json_write_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        struct buf uri = {0};
        const struct document *document =
            document_find_path(server->env.documents, str_from(paths[i]));
        if (document)
            buf_append_c(&uri, document->uri);
        else
            uri_append_file(&uri, str_from(paths[i]));
        json_write_str(&w, buf_str(&uri));
        buf_finish(&uri);
    }
    json_write_end_array(&w);
    json_write_end_object(&w);
    job->request =
        jsonrpc_request(server->peer, "lanebridge/editor/save", buf_str(&params), on_saved, job);
    buf_finish(&params);
    if (job->request)
        return;
    job->timer = loop_timer_new(server->env.loop, on_unasked, job);
    loop_timer_start(job->timer, 0, 0);
}

static void save_drop(struct lsp_server *server, void *user)
{
    for (size_t i = server->saves.len; i > 0; i--) {
        struct save_job *job = server->saves.ptr[i - 1];
        if (job->user != user)
            continue;
        if (job->request)
            jsonrpc_request_drop(server->peer, job->request);
        save_free(job);
    }
}

static void host_drop(void *host, void *user)
{
    apply_drop(host, user);
    approval_drop(host, user);
    save_drop(host, user);
    inquiry_drop(host, user);
    secret_drop(host, user);
    ask_editor_drop(host, user);
}

static void host_notify(void *host, const char *text)
{
    server_show_message(host, 2, "%s", text);
}

void host_init_ops(struct lsp_server *server)
{
    const struct lsp_client *client = &server->client;
    server->host_ops = (struct host_ops){
        .no_proposals = client->no_proposals,
        .apply = apply_start,
        .ask = approval_ask,
        .save = client->rich_save ? host_save : NULL,
        .inquire = inquiry_ask,
        .diagnostics = client->rich_diagnostics ? ask_editor_diagnostics : NULL,
        .locate = client->rich_navigation ? ask_editor_locate : NULL,
        .secret = client->rich_secrets ? secret_ask : NULL,
        .propose = client->rich_refactor ? ask_editor_propose : NULL,
        .notify = host_notify,
        .drop = host_drop,
    };
}
