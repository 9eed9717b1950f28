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

const struct lsp_method modes_requests[] = {
    {"lanebridge/thread/set", handle_thread_set},
    {NULL, NULL},
};
