/* What people may look up, and take back: remembered approvals, what was sent, trust in a folder.
 */
#include "lsp-internal.h"

static void answer(struct lsp_server *server, const struct jsonrpc_message *message,
                   enum lsp_inquiry what, struct str id)
{
    struct buf json = {0};
    struct err err = {0};
    enum status status = STATUS_UNSUPPORTED;
    if (server->env.inquire)
        status = server->env.inquire(server->env.user, what, id, &json, &err);
    if (status == STATUS_OK)
        jsonrpc_respond(server->peer, message->id, json.len ? buf_str(&json) : STR("{}"));
    else
        jsonrpc_respond_error(server->peer, message->id,
                              status == STATUS_INVALID ? JSONRPC_INVALID_PARAMS
                                                       : JSONRPC_REQUEST_FAILED,
                              "%s", err.text[0] ? err.text : status_name(status));
    buf_finish(&json);
}

static void handle_rules_list(struct lsp_server *server, const struct jsonrpc_message *message)
{
    answer(server, message, LSP_RULES_LIST, STR(""));
}

static void handle_rules_delete(struct lsp_server *server, const struct jsonrpc_message *message)
{
    answer(server, message, LSP_RULES_DELETE, json_get_str(message->params, "id"));
}

static void handle_log_sent(struct lsp_server *server, const struct jsonrpc_message *message)
{
    answer(server, message, LSP_LOG_SENT, json_get_str(message->params, "turnId"));
}

/* The editor's own trust, for one folder: remembered as if the person had answered. */
static void handle_trust(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct buf path = {0};
    struct err err = {0};
    bool trusted = json_get_bool(message->params, "trusted", false);
    enum status status = uri_to_path(json_get_str(message->params, "uri"), &path, &err);
    const struct workspace_root *root =
        status == STATUS_OK ? workspace_root_find(server->env.workspace, buf_str(&path)) : NULL;
    if (status == STATUS_OK && !root)
        status = err_set(&err, STATUS_NOT_FOUND, STR_FMT " is not a folder open in the editor",
                         STR_ARG(buf_str(&path)));
    if (status == STATUS_OK)
        status = workspace_trust_set(server->env.workspace, str_from(root->path),
                                     trusted ? TRUST_YES : TRUST_NO, &err);
    if (status == STATUS_OK && trusted)
        workspace_confirm_root(server->env.workspace, str_from(root->path));
    if (status == STATUS_OK)
        jsonrpc_respond(server->peer, message->id, STR("{}"));
    else
        jsonrpc_respond_error(server->peer, message->id, JSONRPC_REQUEST_FAILED, "%s", err.text);
    buf_finish(&path);
    if (status == STATUS_OK)
        trust_tell(server, str_from(root->path), trusted);
}

const struct lsp_method audit_requests[] = {
    {"lanebridge/rules/list", handle_rules_list},
    {"lanebridge/rules/delete", handle_rules_delete},
    {"lanebridge/log/sent", handle_log_sent},
    {"lanebridge/workspace/trust", handle_trust},
    {NULL, NULL},
};
