/* host.h for the tools: the parts that are neither edits nor questions. */
#include "lsp-internal.h"

struct save_job {
    struct asking asking;
    host_done_fn *on_done;
};

static void release(struct asking *asking)
{
    mem_free((struct save_job *)asking);
}

static void on_saved(struct asking *asking, const struct jsonrpc_answer *answer)
{
    host_done_fn *on_done = ((struct save_job *)asking)->on_done;
    void *user = asking->user;
    asking_free(asking);
    on_done(user, answer->status, answer->error_text);
}

static void host_save(void *host, const char *const *paths, size_t count, host_done_fn *on_done,
                      void *user)
{
    struct lsp_server *server = host;
    struct save_job *job = mem_new(struct save_job);
    struct buf params = {0};
    struct json_writer w;
    asking_begin(&job->asking, server, release, user);
    job->on_done = on_done;
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
    asking_send(&job->asking, "lanebridge/editor/save", buf_str(&params), on_saved);
    buf_finish(&params);
}

static void host_drop(void *host, void *user)
{
    apply_drop(host, user);
    askings_drop(host, user);
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
