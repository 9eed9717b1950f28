/* lanebridge/commit/message: a request that is answered when the message is written. */
#include "lsp-internal.h"

struct commit_request {
    struct lsp_server *server;
    struct buf id;
    struct agent_commit *work;
};

static void request_free(struct commit_request *request)
{
    struct lsp_server *server = request->server;
    for (size_t i = 0; i < server->commits.len; i++)
        if (server->commits.ptr[i] == request)
            vec_remove(&server->commits, i--);
    buf_finish(&request->id);
    mem_free(request);
}

static void on_written(void *user, enum status status, struct str text)
{
    struct commit_request *request = user;
    struct buf result = {0};
    struct json_writer w;
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_field_str(&w, "message", text);
    json_write_end_object(&w);
    if (status == STATUS_OK)
        jsonrpc_respond(request->server->peer, buf_str(&request->id), buf_str(&result));
    else
        jsonrpc_respond_error(request->server->peer, buf_str(&request->id), JSONRPC_REQUEST_FAILED,
                              STR_FMT, STR_ARG(text));
    buf_finish(&result);
    request_free(request);
}

static enum status start(struct commit_request *request, struct str folder, struct err *err)
{
    struct lsp_server *server = request->server;
    const struct workspace_root *root;
    enum status status = convert_folder(server, folder, &root, err);
    if (status < 0)
        return status;
    if (!trust_is_given(server, str_from(root->path)))
        return err_set(
            err, STATUS_DENIED,
            "%s is not trusted yet, so git is not run in it and nothing of it is sent: the first "
            "prompt there asks whether it is",
            root->path);
    struct agent *agent = server_agent(server, err);
    if (!agent)
        return STATUS_IO;
    request->work = agent_commit_start(agent, str_from(root->path), on_written, request, err);
    return request->work ? STATUS_OK : STATUS_LIMIT;
}

static void handle_message(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct commit_request *request = mem_new(struct commit_request);
    request->server = server;
    buf_append(&request->id, message->id);
    vec_push(&server->commits, request);
    if (start(request, json_get_str(message->params, "folder"), &err) == STATUS_OK)
        return;
    rich_fail(server, message, &err);
    request_free(request);
}

bool commit_cancel(struct lsp_server *server, struct str id)
{
    for (size_t i = 0; i < server->commits.len; i++) {
        struct commit_request *request = server->commits.ptr[i];
        if (!str_eq(id, buf_str(&request->id)))
            continue;
        agent_commit_cancel(request->work);
        request_free(request);
        return true;
    }
    return false;
}

void commits_finish(struct lsp_server *server)
{
    while (server->commits.len > 0)
        request_free(vec_last(&server->commits));
    vec_finish(&server->commits);
}

const struct lsp_method commit_requests[] = {
    {"lanebridge/commit/message", handle_message},
    {NULL, NULL},
};
