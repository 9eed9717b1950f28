/* What the server asks of an editor: edits, questions, saving, settings. */
#include "client-internal.h"

static void respond_applied(struct client *client, struct str id, bool applied, struct str why)
{
    struct buf result = {0};
    struct json_writer w;
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_field_bool(&w, "applied", applied);
    if (!applied && why.len > 0)
        json_write_field_str(&w, "failureReason", why);
    json_write_end_object(&w);
    jsonrpc_respond(client->peer, id, buf_str(&result));
    buf_finish(&result);
}

static void serve_apply(struct client *client, const struct jsonrpc_message *message)
{
    struct buf why = {0};
    bool wanted = !client->quirks.decline_edits;
    if (wanted && client->handlers.on_apply)
        wanted = client->handlers.on_apply(client->user, message->params);
    client->holding = !client->quirks.change_before_answer;
    bool applied = wanted && apply_workspace_edit(client, json_get(message->params, "edit"), &why);
    if (!applied && client->quirks.refuse_stale_with_error)
        jsonrpc_respond_error(client->peer, message->id, JSONRPC_INTERNAL_ERROR, "%s",
                              why.len > 0 ? why.ptr : "not applied");
    else
        respond_applied(client, message->id, applied || client->quirks.answer_applied_always,
                        buf_str(&why));
    client_release_held(client);
    buf_finish(&why);
}

void held_question_finish(struct held_question *question)
{
    buf_finish(&question->id);
    json_free(question->params);
}

static void answer_message(struct client *client, struct str id, const struct json_value *params,
                           int button)
{
    const struct json_value *action = json_first(json_get(params, "actions"));
    for (int i = 0; action && i < button; i++)
        action = json_next(action);
    struct buf result = {0};
    if (button >= 0 && action)
        json_append(&result, action);
    jsonrpc_respond(client->peer, id, buf_str(&result));
    buf_finish(&result);
}

static void answer(struct client *client, struct str id, const struct json_value *params,
                   bool is_approval, int button)
{
    if (!is_approval)
        answer_message(client, id, params, button);
    else
        jsonrpc_respond(client->peer, id,
                        button == 0 ? STR("{\"decision\":\"accept\"}")
                                    : STR("{\"decision\":\"decline\"}"));
}

bool client_answer(struct client *client, int button)
{
    if (client->questions.len == 0)
        return false;
    struct held_question question = client->questions.ptr[0];
    vec_remove(&client->questions, 0);
    answer(client, buf_str(&question.id), question.params, question.is_approval, button);
    held_question_finish(&question);
    return true;
}

static void ask(struct client *client, const struct jsonrpc_message *message, struct str text,
                bool is_approval)
{
    struct client_question question = {
        .message = text, .params = message->params, .is_approval = is_approval};
    int button =
        client->handlers.on_question ? client->handlers.on_question(client->user, &question) : -1;
    if (button != CLIENT_LATER) {
        answer(client, message->id, message->params, is_approval, button);
        return;
    }
    struct held_question held = {.is_approval = is_approval};
    buf_append(&held.id, message->id);
    json_parse(message->raw_params, &held.params, NULL);
    vec_push(&client->questions, held);
}

static void serve_message_request(struct client *client, const struct jsonrpc_message *message)
{
    ask(client, message, json_get_str(message->params, "message"), false);
}

static void serve_approval(struct client *client, const struct jsonrpc_message *message)
{
    ask(client, message, json_get_str(message->params, "show"), true);
}

static void serve_save(struct client *client, const struct jsonrpc_message *message)
{
    const struct json_value *uri = json_first(json_get(message->params, "uris"));
    for (; uri; uri = json_next(uri)) {
        struct buf path = {0};
        struct err err = {0};
        struct buffer *buffer = NULL;
        if (uri_to_path(json_str(uri), &path, &err) == STATUS_OK)
            buffer = buffer_find(client, buf_str(&path));
        bool is_clean = buffer && !client_is_dirty(client, buffer->path); /* editors skip it */
        enum status status = STATUS_OK;
        if (!is_clean)
            status = buffer ? buffer_save(client, buffer, &err) : STATUS_NOT_FOUND;
        buf_finish(&path);
        if (status < 0) {
            jsonrpc_respond_error(client->peer, message->id, JSONRPC_REQUEST_FAILED,
                                  "not saved: " STR_FMT, STR_ARG(json_str(uri)));
            return;
        }
    }
    jsonrpc_respond(client->peer, message->id, STR("{}"));
}

static void serve_configuration(struct client *client, const struct jsonrpc_message *message)
{
    struct buf result = {0};
    struct json_writer w;
    json_writer_init(&w, &result);
    json_write_begin_array(&w);
    for (size_t i = json_count(json_get(message->params, "items")); i > 0; i--)
        json_write_null(&w);
    json_write_end_array(&w);
    jsonrpc_respond(client->peer, message->id, buf_str(&result));
    buf_finish(&result);
}

static void serve_show_document(struct client *client, const struct jsonrpc_message *message)
{
    jsonrpc_respond(client->peer, message->id, STR("{\"success\":true}"));
}

static void serve_nothing(struct client *client, const struct jsonrpc_message *message)
{
    jsonrpc_respond(client->peer, message->id, STR(""));
}

/* What a client answers that has nobody to ask and no language servers. */
static const struct {
    const char *method, *result;
} defaults[] = {
    {"lanebridge/question/request", "{\"answers\":[]}"},
    {"lanebridge/editor/context", NULL}, /* it shows nothing to anybody */
    {"lanebridge/editor/diagnostics", "{\"files\":[]}"},
    {"lanebridge/editor/symbols", "{\"symbols\":[]}"},
    {"lanebridge/editor/definition", "{\"locations\":[]}"},
    {"lanebridge/editor/references", "{\"locations\":[]}"},
    {"lanebridge/editor/rename", "{}"},
    {"lanebridge/editor/codeAction", "{}"},
    {"lanebridge/editor/format", "{}"},
    {"lanebridge/editor/secret", "{}"},
};

static bool serve_ours(struct client *client, const struct jsonrpc_message *message)
{
    for (size_t i = 0; i < array_count(defaults); i++) {
        if (!str_eq_c(message->method, defaults[i].method))
            continue;
        struct buf result = {0};
        bool good = true;
        if (client->handlers.on_request)
            good = client->handlers.on_request(client->user, message->method, message->params,
                                               &result);
        if (result.len == 0 && !defaults[i].result) {
            buf_finish(&result);
            return false;
        }
        if (result.len == 0)
            buf_append_c(&result, defaults[i].result);
        if (good)
            jsonrpc_respond(client->peer, message->id, buf_str(&result));
        else
            jsonrpc_respond_error(client->peer, message->id, JSONRPC_REQUEST_FAILED, "%s",
                                  result.ptr);
        buf_finish(&result);
        return true;
    }
    return false;
}

static const struct {
    const char *method;
    void (*serve)(struct client *client, const struct jsonrpc_message *message);
} methods[] = {
    {"workspace/applyEdit", serve_apply},
    {"window/showMessageRequest", serve_message_request},
    {"window/showDocument", serve_show_document},
    {"window/workDoneProgress/create", serve_nothing},
    {"client/registerCapability", serve_nothing},
    {"client/unregisterCapability", serve_nothing},
    {"workspace/codeLens/refresh", serve_nothing},
    {"workspace/configuration", serve_configuration},
    {"lanebridge/approval/request", serve_approval},
    {"lanebridge/editor/save", serve_save},
};

void serve_request(void *user, const struct jsonrpc_message *message)
{
    struct client *client = user;
    for (size_t i = 0; i < array_count(methods); i++)
        if (str_eq_c(message->method, methods[i].method)) {
            methods[i].serve(client, message);
            return;
        }
    if (serve_ours(client, message))
        return;
    jsonrpc_respond_error(client->peer, message->id, JSONRPC_METHOD_NOT_FOUND,
                          "this client has no " STR_FMT, STR_ARG(message->method));
}

void serve_notification(void *user, const struct jsonrpc_message *message)
{
    struct client *client = user;
    if (client->handlers.on_notification)
        client->handlers.on_notification(client->user, message->method, message->params);
}
