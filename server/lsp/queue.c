/* lanebridge/turn/queue, unqueue and retry: prompts that wait, and asking once more. */
#include "lsp-internal.h"

static void write_one(void *user, const char *turn_id, struct str prompt)
{
    struct json_writer *w = user;
    json_write_begin_object(w);
    json_write_field_c(w, "turnId", turn_id);
    json_write_field_str(w, "text", prompt);
    json_write_end_object(w);
}

void queue_write(struct json_writer *w, const struct agent_thread *thread)
{
    json_write_key(w, "turns");
    json_write_begin_array(w);
    if (thread)
        agent_queue_each(thread, write_one, w);
    json_write_end_array(w);
}

/* Opens it if need be: its queue may be of an earlier time. */
static struct agent_thread *thread_of(struct lsp_server *server,
                                      const struct jsonrpc_message *message, struct err *err)
{
    struct agent *agent = server_agent(server, err);
    struct str id = json_get_str(message->params, "threadId");
    return agent ? agent_thread_resume(agent, id, err) : NULL;
}

static void handle_queue(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct buf result = {0};
    struct json_writer w;
    struct agent_thread *thread = thread_of(server, message, &err);
    if (!thread) {
        rich_fail(server, message, &err);
        return;
    }
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    queue_write(&w, thread);
    json_write_end_object(&w);
    jsonrpc_respond(server->peer, message->id, buf_str(&result));
    buf_finish(&result);
}

static void respond_input(struct lsp_server *server, const struct jsonrpc_message *message,
                          struct str prompt, struct str source)
{
    struct buf result = {0};
    struct json_writer w;
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_key(&w, "input");
    if (source.len > 0) {
        json_write_raw(&w, source);
    } else {
        json_write_begin_array(&w);
        json_write_begin_object(&w);
        json_write_field_c(&w, "type", "text");
        json_write_field_str(&w, "text", prompt);
        json_write_end_object(&w);
        json_write_end_array(&w);
    }
    json_write_end_object(&w);
    jsonrpc_respond(server->peer, message->id, buf_str(&result));
    buf_finish(&result);
}

static void handle_unqueue(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct buf prompt = {0}, source = {0};
    struct agent_thread *thread = thread_of(server, message, &err);
    struct str turn_id = json_get_str(message->params, "turnId");
    if (thread && agent_turn_unqueue(thread, turn_id, &prompt, &source, &err) == STATUS_OK)
        respond_input(server, message, buf_str(&prompt), buf_str(&source));
    else
        rich_fail(server, message, &err);
    buf_finish(&prompt);
    buf_finish(&source);
}

static void handle_retry(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    char turn_id[ID_BYTES];
    bool queued = false;
    struct agent_thread *thread = thread_of(server, message, &err);
    struct str again = json_get_str(message->params, "turnId");
    if (thread && agent_turn_retry(thread, again, turn_id, &queued, &err) == STATUS_OK)
        turn_answer_started(server, message, agent_thread_id(thread), turn_id, queued);
    else
        rich_fail(server, message, &err);
}

const struct lsp_method queue_requests[] = {
    {"lanebridge/turn/queue", handle_queue},
    {"lanebridge/turn/unqueue", handle_unqueue},
    {"lanebridge/turn/retry", handle_retry},
    {NULL, NULL},
};
