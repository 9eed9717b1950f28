/* lanebridge.status: the answer has all of it; clients that drop the answers of commands are told
 * the gist in a message. */
#include "lsp-internal.h"

static void append_connection(const struct json_value *status, struct buf *text)
{
    const struct json_value *connection = json_get(status, "connection");
    struct str state = json_get_str(connection, "state"), why = json_get_str(connection, "detail");
    buf_append_fmt(text, "endpoint " STR_FMT, STR_ARG(json_get_str(status, "endpoint")));
    if (state.len > 0)
        buf_append_fmt(text, " (" STR_FMT "%s" STR_FMT ")", STR_ARG(state), why.len > 0 ? ": " : "",
                       STR_ARG(why));
    buf_append_fmt(text, ", key: " STR_FMT, STR_ARG(json_get_str(status, "key")));
}

static void append_servers(const struct json_value *status, struct buf *text)
{
    const char *before = "; MCP servers: ";
    const struct json_value *one = json_first(json_get(status, "mcp"));
    for (; one; one = json_next(one), before = ", ")
        buf_append_fmt(text, "%s" STR_FMT " " STR_FMT, before, STR_ARG(json_get_str(one, "name")),
                       STR_ARG(json_get_str(one, "state")));
}

static void append_gist(const struct json_value *status, struct buf *text)
{
    const struct json_value *tokens = json_get(status, "tokens");
    struct str notice = json_get_str(status, "notice");
    buf_append_fmt(text, "Lanebridge " STR_FMT ": model " STR_FMT ", mode " STR_FMT "; ",
                   STR_ARG(json_get_str(status, "version")), STR_ARG(json_get_str(status, "model")),
                   STR_ARG(json_get_str(status, "mode")));
    append_connection(status, text);
    buf_append_fmt(text, "; sandbox: " STR_FMT, STR_ARG(json_get_str(status, "sandbox")));
    append_servers(status, text);
    buf_append_fmt(text, "; tokens today: %lld in, %lld out.",
                   (long long)json_get_int(tokens, "todayInput", 0),
                   (long long)json_get_int(tokens, "todayOutput", 0));
    if (notice.len > 0)
        buf_append_fmt(text, " " STR_FMT, STR_ARG(notice));
}

void status_command(struct lsp_server *server, struct str id)
{
    struct buf json = {0}, text = {0};
    struct json_value *status = NULL;
    server->env.status(server->env.user, &json);
    jsonrpc_respond(server->peer, id, buf_str(&json));
    if (!server->client.rich && json_parse(buf_str(&json), &status, NULL) == STATUS_OK) {
        append_gist(status, &text);
        server_show_message(server, 3, "%s", text.ptr);
    }
    json_free(status);
    buf_finish(&json);
    buf_finish(&text);
}
