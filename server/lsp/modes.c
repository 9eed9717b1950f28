/* What a thread chooses for itself: model, effort, mode. */
#include "lsp-internal.h"

/* Borrowed from the params; NULL where they say nothing. */
static const struct str *member(const struct json_value *params, const char *name,
                                struct str *ret_text)
{
    const struct json_value *value = json_get(params, name);
    if (!json_is(value, JSON_STRING))
        return NULL;
    *ret_text = json_str(value);
    return ret_text;
}

enum status modes_choose(struct lsp_server *server, const char *thread_id,
                         const struct json_value *params, struct err *err)
{
    struct str model, effort, mode;
    struct agent_choice choice = {.model = member(params, "model", &model),
                                  .effort = member(params, "effort", &effort),
                                  .mode = member(params, "mode", &mode)};
    if (!choice.model && !choice.effort && !choice.mode)
        return STATUS_OK;
    struct agent *agent = server_agent(server, err);
    return agent ? agent_thread_set(agent, str_from(thread_id), &choice, err) : STATUS_IO;
}

static void handle_thread_set(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct buf id = {0};
    buf_append(&id, json_get_str(message->params, "threadId"));
    buf_append_c(&id, "");
    if (server_agent(server, &err) &&
        modes_choose(server, id.ptr, message->params, &err) == STATUS_OK)
        rich_respond_thread(server, message, buf_str(&id), "");
    else
        rich_fail(server, message, &err);
    buf_finish(&id);
}

/* -- Which models there are ------------------------------------------------------------------- */

struct model_wish {
    struct lsp_server *server;
    char *request_id;
};

static void wish_free(struct model_wish *wish)
{
    struct lsp_server *server = wish->server;
    for (size_t i = 0; i < server->model_wishes.len; i++)
        if (server->model_wishes.ptr[i] == wish)
            vec_remove(&server->model_wishes, i--);
    mem_free(wish->request_id);
    mem_free(wish);
}

void modes_free(struct lsp_server *server)
{
    while (server->model_wishes.len > 0)
        wish_free(vec_last(&server->model_wishes));
    vec_finish(&server->model_wishes);
}

static void on_models(void *user, const struct err *problem, struct str json)
{
    struct model_wish *wish = user;
    struct str id = str_from(wish->request_id);
    if (problem)
        jsonrpc_respond_error(wish->server->peer, id, JSONRPC_REQUEST_FAILED, "%s", problem->text);
    else
        jsonrpc_respond(wish->server->peer, id, json);
    wish_free(wish);
}

static void handle_model_list(struct lsp_server *server, const struct jsonrpc_message *message)
{
    if (!server->env.models) {
        jsonrpc_respond(server->peer, message->id, STR("{\"models\":[]}"));
        return;
    }
    struct model_wish *wish = mem_new(struct model_wish);
    wish->server = server;
    wish->request_id = str_dup_c(message->id);
    vec_push(&server->model_wishes, wish);
    server->env.models(server->env.user, on_models, wish);
}

const struct lsp_method modes_requests[] = {
    {"lanebridge/model/list", handle_model_list},
    {"lanebridge/thread/set", handle_thread_set},
    {NULL, NULL},
};
