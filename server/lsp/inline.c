/* textDocument/inlineCompletion: positions in and out; what to suggest is complete's business. */
#include "lsp-internal.h"

struct inline_request {
    struct lsp_server *server;
    struct complete *complete;
    struct buf id, uri;
    int64_t version;
    size_t start, end; /* what the text replaces */
    struct buf ahead;  /* what the text begins with, beside the suggestion */
};

enum { TRIGGER_INVOKED = 1, TRIGGER_AUTOMATIC = 2 };

static void answer_nothing(struct lsp_server *server, struct str id)
{
    jsonrpc_respond(server->peer, id, STR("{\"items\":[]}"));
}

/* -- The answer */

static void answer_text(const struct inline_request *request, const struct document *document,
                        struct str text)
{
    struct buf result = {0}, whole = {0};
    struct json_writer w;
    buf_append(&whole, buf_str(&request->ahead));
    buf_append(&whole, text);
    json_writer_init(&w, &result);
    json_write_begin_object(&w);
    json_write_key(&w, "items");
    json_write_begin_array(&w);
    json_write_begin_object(&w);
    json_write_field_str(&w, "insertText", buf_str(&whole));
    json_write_key(&w, "range");
    convert_write_range(request->server, &w, document->text, request->start, request->end);
    json_write_end_object(&w);
    json_write_end_array(&w);
    json_write_end_object(&w);
    jsonrpc_respond(request->server->peer, buf_str(&request->id), buf_str(&result));
    buf_finish(&result);
    buf_finish(&whole);
}

static void request_free(struct inline_request *request)
{
    if (request->server->inline_open == request)
        request->server->inline_open = NULL;
    buf_finish(&request->id);
    buf_finish(&request->uri);
    buf_finish(&request->ahead);
    mem_free(request);
}

static void on_answer(void *user, struct str text)
{
    struct inline_request *request = user;
    struct lsp_server *server = request->server;
    const struct document *document =
        document_find_uri(server->env.documents, buf_str(&request->uri));
    if (text.len > 0 && document && document->text && document->version == request->version)
        answer_text(request, document, text);
    else
        answer_nothing(server, buf_str(&request->id));
    request_free(request);
}

/* -- The question */

/* What the person has marked in the editor's own list: the suggestion goes on behind it. */
static bool read_ahead(struct inline_request *request, const struct text *text,
                       const struct json_value *selected, struct complete_question *question)
{
    size_t start, end;
    struct str chosen = json_get_str(selected, "text");
    if (!json_is(selected, JSON_OBJECT))
        return true;
    if (convert_range(request->server, text, json_get(selected, "range"), &start, &end, NULL) < 0 ||
        end != question->offset || end - start > chosen.len)
        return false;
    struct buf typed = {0};
    for (size_t at = start; at < end;) { /* one line, or not at all */
        size_t line = text_line_of(text, at);
        struct str part = str_slice(text_line(text, line), at - text_line_start(text, line),
                                    end - text_line_start(text, line));
        buf_append(&typed, part);
        at += part.len;
    }
    bool fits = str_starts_with(chosen, buf_str(&typed));
    buf_finish(&typed);
    request->start = start;
    buf_append(&request->ahead, chosen);
    question->ahead = str_skip(chosen, end - start);
    return fits;
}

/* NULL: not wanted, or the folder is not trusted. */
static struct complete *complete_for(struct lsp_server *server, const struct document *document)
{
    if (!document || !document->text || !document->path[0])
        return NULL;
    const struct workspace_root *root = convert_root_of(server, str_from(document->path));
    if (!root || !trust_is_given(server, str_from(root->path)))
        return NULL;
    return server->env.complete(server->env.user);
}

static bool read_position(struct lsp_server *server, const struct json_value *params,
                          const struct text *text, size_t *ret_offset)
{
    const struct json_value *position = json_get(params, "position");
    struct position at = {.line = (uint32_t)json_get_int(position, "line", 0),
                          .character = (uint32_t)json_get_int(position, "character", 0)};
    return json_is(position, JSON_OBJECT) &&
           text_offset_of(text, server->encoding, at, ret_offset, NULL) == STATUS_OK;
}

static void handle_inline_completion(struct lsp_server *server,
                                     const struct jsonrpc_message *message)
{
    const struct json_value *params = message->params, *context = json_get(params, "context");
    const struct document *document = document_find_uri(
        server->env.documents, json_get_str(json_get(params, "textDocument"), "uri"));
    struct complete *complete = complete_for(server, document);
    struct complete_question question = {.document = document};
    if (!complete || !read_position(server, params, document->text, &question.offset)) {
        answer_nothing(server, message->id);
        return;
    }
    struct inline_request *request = mem_new(struct inline_request);
    request->server = server;
    buf_append(&request->id, message->id);
    buf_append_c(&request->uri, document->uri);
    request->version = document->version;
    request->start = request->end = question.offset;
    question.is_invoked =
        json_get_int(context, "triggerKind", TRIGGER_AUTOMATIC) <= TRIGGER_INVOKED;
    question.shown_path = convert_display(server, str_from(document->path));
    request->complete = complete;
    if (!read_ahead(request, document->text, json_get(context, "selectedCompletionInfo"),
                    &question)) {
        answer_nothing(server, message->id);
        request_free(request);
        return;
    }
    complete_ask(complete, &question, on_answer, request); /* answers the one before */
    server->inline_open = request;
}

bool inline_cancel(struct lsp_server *server, struct str id)
{
    struct inline_request *request = server->inline_open;
    if (!request || !str_eq(id, buf_str(&request->id)))
        return false;
    complete_cancel(request->complete);
    request_free(request);
    return true;
}

void inline_free(struct lsp_server *server)
{
    if (server->inline_open)
        request_free(server->inline_open);
}

const struct lsp_method inline_requests[] = {
    {"textDocument/inlineCompletion", handle_inline_completion},
    {NULL, NULL},
};
