/* Undo and redo of a turn, asked for by command or by the rich layer. */
#include "lsp-internal.h"

struct undo_request {
    struct lsp_server *server;
    struct buf id; /* of the request */
};

static const char *const outcomes[] = {
    [TOOLS_UNDO_DONE] = "done",
    [TOOLS_UNDO_KEPT] = "keptUserChanges",
    [TOOLS_UNDO_CONFLICT] = "conflict",
    [TOOLS_UNDO_NOT_UNDOABLE] = "notUndoable",
};

static void write_file(struct json_writer *w, const struct tools_undo_file *file)
{
    json_write_begin_object(w);
    json_write_field_c(w, "path", file->path);
    json_write_field_c(w, "outcome", outcomes[file->outcome]);
    if (file->note.len)
        json_write_field_str(w, "text", file->note);
    json_write_end_object(w);
}

static void respond(struct undo_request *request, const struct tools_undo_result *result)
{
    struct buf json = {0};
    struct json_writer w;
    json_writer_init(&w, &json);
    json_write_begin_object(&w);
    json_write_key(&w, "files");
    json_write_begin_array(&w);
    for (size_t i = 0; i < result->files.len; i++)
        write_file(&w, &result->files.ptr[i]);
    json_write_end_array(&w);
    json_write_end_object(&w);
    jsonrpc_respond(request->server->peer, buf_str(&request->id), buf_str(&json));
    buf_finish(&json);
}

/* Who has nothing but messages is told of what is not as it was; of the rest the texts tell. */
static void show_what_stands(struct lsp_server *server, const struct tools_undo_result *result)
{
    struct buf text = {0};
    for (size_t i = 0; i < result->files.len; i++) {
        const struct tools_undo_file *file = &result->files.ptr[i];
        if (file->outcome >= TOOLS_UNDO_CONFLICT)
            buf_append_fmt(&text, "%s%s: " STR_FMT, text.len ? "\n" : "", file->path,
                           STR_ARG(file->note));
    }
    if (text.len)
        server_show_message(server, 2, "Lanebridge could not take everything back.\n%s", text.ptr);
    buf_finish(&text);
}

static void on_done(void *user, const struct tools_undo_result *result)
{
    struct undo_request *request = user;
    struct lsp_server *server = request->server;
    if (result->status == STATUS_OK) {
        respond(request, result);
        if (!server->client.rich)
            show_what_stands(server, result);
    } else {
        jsonrpc_respond_error(server->peer, buf_str(&request->id), JSONRPC_REQUEST_FAILED,
                              "nothing was changed: " STR_FMT, STR_ARG(result->why));
    }
    buf_finish(&request->id);
    mem_free(request);
}

enum status undo_start(struct lsp_server *server, struct str request_id,
                       struct agent_thread *thread, struct str turn_id, enum tools_undo_way way,
                       struct err *err)
{
    struct undo_request *request = mem_new(struct undo_request);
    request->server = server;
    buf_append(&request->id, request_id);
    enum status status = agent_turn_undo(thread, turn_id, way, on_done, request, err);
    if (status < 0) {
        buf_finish(&request->id);
        mem_free(request);
    }
    return status;
}
