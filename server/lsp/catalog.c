/* lanebridge/thread/…: the threads of the journal, for lists, reading and keeping order. */
#include "lsp-internal.h"

#include <stdio.h>

enum {
    LIST_COUNT = 50,                 /* a page of threads */
    READ_COUNT = 50,                 /* a page of turns */
    EXPORT_BYTES = 64 * 1024 * 1024, /* of one document */
};

static void fail(struct lsp_server *server, const struct jsonrpc_message *message,
                 const struct err *err)
{
    int code = err->status == STATUS_INVALID ? JSONRPC_INVALID_PARAMS : JSONRPC_REQUEST_FAILED;
    jsonrpc_respond_error(server->peer, message->id, code, "%s", err->text);
}

static void respond(struct lsp_server *server, const struct jsonrpc_message *message,
                    enum status status, const struct err *err)
{
    if (status == STATUS_OK)
        jsonrpc_respond(server->peer, message->id, STR("{}"));
    else
        fail(server, message, err);
}

static struct str thread_of(const struct jsonrpc_message *message)
{
    return json_get_str(message->params, "threadId");
}

/* -- What a thread is ------------------------------------------------------------------------ */

/* Cut off is what nobody works on. */
static bool can_continue(const struct lsp_server *server, const struct journal_thread *thread)
{
    struct agent_thread *open =
        server->agent ? agent_thread_find(server->agent, str_from(thread->id)) : NULL;
    return open ? agent_thread_can_continue(open) : thread->cut_off && !thread->leased_elsewhere;
}

void catalog_write_thread(const struct lsp_server *server, struct json_writer *w,
                          const struct journal_thread *thread)
{
    struct buf uri = {0};
    json_write_begin_object(w);
    json_write_field_c(w, "id", thread->id);
    json_write_field_str(w, "title", thread->title);
    if (thread->root.len > 0) {
        uri_append_file(&uri, thread->root);
        json_write_field_str(w, "folder", buf_str(&uri));
    }
    json_write_field_str(w, "model", thread->own_model.len > 0 ? thread->own_model : thread->model);
    if (thread->effort.len > 0)
        json_write_field_str(w, "effort", thread->effort);
    if (thread->mode.len > 0)
        json_write_field_str(w, "mode", thread->mode);
    json_write_field_bool(w, "archived", thread->archived);
    json_write_field_int(w, "updated", (int64_t)thread->updated_ms);
    json_write_field_bool(w, "leased", thread->leased_elsewhere);
    if (can_continue(server, thread))
        json_write_field_bool(w, "canContinue", true);
    json_write_end_object(w);
    buf_finish(&uri);
}

struct writing {
    const struct lsp_server *server;
    struct json_writer *w;
    struct markdown *markdown; /* of an export as such */
    uint64_t last_ms;
    size_t count;
    bool in_turn;
};

static bool write_one(void *user, const struct journal_thread *thread)
{
    struct writing *writing = user;
    catalog_write_thread(writing->server, writing->w, thread);
    writing->last_ms = thread->updated_ms;
    writing->count++;
    return true;
}

enum status catalog_write_by_id(struct lsp_server *server, struct agent *agent,
                                struct json_writer *w, struct str id, struct err *err)
{
    struct writing writing = {.server = server, .w = w};
    return agent_thread_look(agent, id, write_one, &writing, err);
}

/* -- list ------------------------------------------------------------------------------------ */

static enum status read_folder(const struct lsp_server *server, struct str uri, struct buf *path,
                               struct err *err)
{
    if (uri.len > 0 && uri_to_path(uri, path, err) < 0)
        return err->status;
    const struct workspace_root *root = convert_root_of(server, buf_str(path));
    if (root && (uri.len == 0 || path_is_under(buf_str(path), str_from(root->path)))) {
        buf_clear(path);
        buf_append_c(path, root->path);
    }
    return STATUS_OK;
}

static void handle_list(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct buf folder = {0}, result = {0};
    struct json_writer w;
    struct writing writing = {.server = server, .w = &w};
    struct journal_filter filter = {
        .query = json_get_str(message->params, "query"),
        .with_archived = json_get_bool(message->params, "archived", false),
        .limit = LIST_COUNT,
    };
    struct str cursor = json_get_str(message->params, "cursor");
    enum status status =
        read_folder(server, json_get_str(message->params, "folder"), &folder, &err);
    if (status == STATUS_OK && cursor.len > 0 && !str_to_uint64(cursor, &filter.cursor_ms))
        status = err_set(&err, STATUS_INVALID, "the cursor is not one of an earlier answer");
    struct agent *agent = status == STATUS_OK ? server_agent(server, &err) : NULL;
    filter.root = buf_str(&folder);
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_key(&w, "threads");
    json_write_begin_array(&w);
    bool good = agent && agent_threads_list(agent, &filter, write_one, &writing, &err) == STATUS_OK;
    json_write_end_array(&w);
    if (writing.count >= LIST_COUNT) {
        char next[32];
        snprintf(next, sizeof(next), "%llu", (unsigned long long)writing.last_ms);
        json_write_field_c(&w, "nextCursor", next);
    }
    json_write_end_object(&w);
    if (good)
        jsonrpc_respond(server->peer, message->id, buf_str(&result));
    else
        fail(server, message, &err);
    buf_finish(&folder);
    buf_finish(&result);
}

/* -- read ------------------------------------------------------------------------------------ */

static void end_turn(struct writing *writing)
{
    if (!writing->in_turn)
        return;
    json_write_end_array(writing->w);
    json_write_end_object(writing->w);
    writing->in_turn = false;
}

/* As the journal keeps it, without what is no usage. */
static void write_usage(struct json_writer *w, struct str kept)
{
    static const char *const members[] = {"inputTokens", "cachedTokens", "outputTokens",
                                          "reasoningTokens"};
    struct json_value *usage = NULL;
    if (kept.len == 0 || json_parse(kept, &usage, NULL) < 0)
        return;
    const struct json_value *cost = json_get(usage, "cost");
    json_write_key(w, "usage");
    json_write_begin_object(w);
    for (size_t i = 0; i < array_count(members); i++)
        json_write_field_int(w, members[i], json_get_int(usage, members[i], 0));
    if (json_is(cost, JSON_OBJECT)) {
        json_write_key(w, "cost");
        json_write_value(w, cost);
    }
    json_write_end_object(w);
    json_free(usage);
}

static void write_turn(void *user, const struct journal_turn *turn)
{
    struct writing *writing = user;
    struct json_writer *w = writing->w;
    end_turn(writing);
    writing->in_turn = true;
    json_write_begin_object(w);
    json_write_field_str(w, "id", turn->id);
    json_write_field_str(w, "status", turn->status);
    write_usage(w, turn->usage_json);
    if (turn->error.len > 0)
        json_write_field_str(w, "error", turn->error);
    json_write_key(w, "items");
    json_write_begin_array(w);
}

static void write_item(void *user, const struct agent_event *event)
{
    struct writing *writing = user;
    rich_write_item(writing->w, event);
}

static const struct agent_past_handlers json_handlers = {.on_turn = write_turn,
                                                         .on_item = write_item};

static enum status write_past(struct writing *writing, struct agent *agent, struct str id,
                              struct agent_past_page *page, struct err *err)
{
    struct json_writer *w = writing->w;
    char own[ID_BYTES] = "";
    json_write_begin_object(w);
    json_write_key(w, "thread");
    enum status status = agent_thread_look(agent, id, write_one, writing, err);
    if (status != STATUS_OK)
        return status;
    memcpy(own, id.ptr, id.len);
    json_write_key(w, "turns");
    json_write_begin_array(w);
    status = agent_thread_past(agent, own, page, &json_handlers, writing, err);
    end_turn(writing);
    json_write_end_array(w);
    return status;
}

static void write_total(struct agent *agent, struct json_writer *w, struct str id)
{
    struct responses_usage usage;
    struct agent_cost cost;
    char own[ID_BYTES] = "";
    memcpy(own, id.ptr, id.len); /* it was found by it */
    if (agent_thread_usage(agent, own, &usage, &cost, NULL) == STATUS_OK)
        rich_write_usage(w, "total", &usage, &cost);
}

static bool read_cursor(struct str cursor, struct agent_past_page *page)
{
    struct str turn;
    uint64_t number;
    if (cursor.len == 0)
        return true;
    if (!str_next(&cursor, ':', &turn) || !str_to_uint64(turn, &number) ||
        !str_to_uint64(cursor, &page->seq))
        return false;
    page->turn = (size_t)number;
    return true;
}

static void handle_read(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct buf result = {0};
    struct json_writer w;
    struct writing writing = {.server = server, .w = &w};
    struct agent_past_page page = {.limit = READ_COUNT};
    enum status status = STATUS_OK;
    if (!read_cursor(json_get_str(message->params, "cursor"), &page))
        status = err_set(&err, STATUS_INVALID, "the cursor is not one of an earlier answer");
    struct agent *agent = status == STATUS_OK ? server_agent(server, &err) : NULL;
    json_writer_init(&w, &result);
    if (agent)
        status = write_past(&writing, agent, thread_of(message), &page, &err);
    if (!agent || status != STATUS_OK) {
        fail(server, message, &err);
        buf_finish(&result);
        return;
    }
    write_total(agent, &w, thread_of(message));
    if (!page.is_end) {
        char next[64];
        snprintf(next, sizeof(next), "%zu:%llu", page.turn, (unsigned long long)page.seq);
        json_write_field_c(&w, "nextCursor", next);
    }
    json_write_end_object(&w);
    jsonrpc_respond(server->peer, message->id, buf_str(&result));
    buf_finish(&result);
}

/* -- export ---------------------------------------------------------------------------------- */

static void mark_turn(void *user, const struct journal_turn *turn)
{
    struct writing *writing = user;
    struct buf *text = &writing->markdown->text;
    if (str_eq_c(turn->status, "failed"))
        buf_append_fmt(text, "> **Error:** " STR_FMT "\n\n", STR_ARG(turn->error));
    else if (str_eq_c(turn->status, "interrupted"))
        buf_append_c(text, "*What follows was interrupted.*\n\n");
}

static void mark_item(void *user, const struct agent_event *event)
{
    struct writing *writing = user;
    markdown_add_item(writing->markdown, event);
}

static const struct agent_past_handlers markdown_handlers = {.on_turn = mark_turn,
                                                             .on_item = mark_item};

static bool mark_title(void *user, const struct journal_thread *thread)
{
    struct writing *writing = user;
    markdown_add_title(writing->markdown, thread->title);
    return true;
}

static enum status export_markdown(struct lsp_server *server, struct agent *agent, struct str id,
                                   struct buf *text, struct err *err)
{
    struct markdown markdown = {0};
    struct writing writing = {.server = server, .markdown = &markdown};
    struct agent_past_page page = {0};
    char own[ID_BYTES] = "";
    enum status status = agent_thread_look(agent, id, mark_title, &writing, err);
    if (status == STATUS_OK) {
        memcpy(own, id.ptr, id.len);
        status = agent_thread_past(agent, own, &page, &markdown_handlers, &writing, err);
    }
    buf_move(text, &markdown.text);
    markdown_finish(&markdown);
    return status;
}

static enum status export_json(struct lsp_server *server, struct agent *agent, struct str id,
                               struct buf *text, struct err *err)
{
    struct json_writer w;
    struct writing writing = {.server = server, .w = &w};
    struct agent_past_page page = {0};
    json_writer_init(&w, text);
    enum status status = write_past(&writing, agent, id, &page, err);
    if (status == STATUS_OK)
        json_write_end_object(&w);
    return status;
}

static const struct {
    const char *name;
    enum status (*write)(struct lsp_server *server, struct agent *agent, struct str id,
                         struct buf *text, struct err *err);
} formats[] = {{"markdown", export_markdown}, {"json", export_json}};

static void handle_export(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct buf text = {0}, result = {0};
    struct json_writer w;
    struct str format = json_get_str(message->params, "format");
    struct agent *agent = server_agent(server, &err);
    enum status status = STATUS_IO;
    if (agent)
        status = err_set(&err, STATUS_INVALID, "format is \"markdown\" or \"json\"");
    for (size_t i = 0; agent && i < array_count(formats); i++)
        if (str_eq_c(format, formats[i].name))
            status = formats[i].write(server, agent, thread_of(message), &text, &err);
    if (status == STATUS_OK && text.len > EXPORT_BYTES)
        status =
            err_set(&err, STATUS_LIMIT, "the thread is larger than 64 MiB as %s: read it in pages",
                    format.len == 4 ? "JSON" : "Markdown");
    if (status == STATUS_OK) {
        json_writer_init(&w, &result);
        json_write_begin_object(&w);
        json_write_field_str(&w, "text", buf_str(&text));
        json_write_end_object(&w);
        jsonrpc_respond(server->peer, message->id, buf_str(&result));
    } else {
        fail(server, message, &err);
    }
    buf_finish(&text);
    buf_finish(&result);
}

/* -- Keeping order --------------------------------------------------------------------------- */

static void handle_rename(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct agent *agent = server_agent(server, &err);
    struct str title = json_get_str(message->params, "title");
    respond(server, message,
            agent ? agent_thread_rename(agent, thread_of(message), title, &err) : STATUS_IO, &err);
}

static void handle_archive(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct agent *agent = server_agent(server, &err);
    bool archived = json_get_bool(message->params, "archived", true);
    respond(server, message,
            agent ? agent_thread_archive(agent, thread_of(message), archived, &err) : STATUS_IO,
            &err);
}

static void handle_delete(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct err err = {0};
    struct agent *agent = server_agent(server, &err);
    enum status status = agent ? agent_thread_delete(agent, thread_of(message), &err) : STATUS_IO;
    if (status == STATUS_OK)
        transcript_forget(server, thread_of(message));
    respond(server, message, status, &err);
}

const struct lsp_method catalog_requests[] = {
    {"lanebridge/thread/list", handle_list},
    {"lanebridge/thread/read", handle_read},
    {"lanebridge/thread/export", handle_export},
    {"lanebridge/thread/rename", handle_rename},
    {"lanebridge/thread/archive", handle_archive},
    {"lanebridge/thread/delete", handle_delete},
    {NULL, NULL},
};
