/* Text synchronisation: open, change, save, close. */
#include "lsp-internal.h"

static void handle_open(struct lsp_server *server, const struct jsonrpc_message *message)
{
    const struct json_value *document = json_get(message->params, "textDocument");
    struct str uri = json_get_str(document, "uri"), text = json_get_str(document, "text");
    struct buf path = {0};
    uint64_t device = 0, inode = 0;
    if (uri.len == 0) {
        server_log_message(server, 2, "didOpen without textDocument.uri was ignored");
        return;
    }
    /* A URI that is no file (untitled:, output:) stays open under its URI alone. Where no folder is
     * open, that of a text which is still to be saved is its path, too: there it can be worked on.
     */
    if (convert_uri(uri, &path, &device, &inode, NULL) < 0 &&
        str_starts_with(uri, STR("untitled:")) && workspace_root_count(server->env.workspace) == 0)
        buf_append(&path, uri);
    struct str unknown = STR("");
    if (!json_is(json_get(document, "text"), JSON_STRING))
        unknown = STR("the editor opened it without its text");
    else if (text.len > LIMIT_DOCUMENT_BYTES)
        unknown = STR("it is larger than 10 MiB");
    struct text *content = unknown.len > 0 ? NULL : text_new(text);
    document_open(server->env.documents, uri, buf_str(&path), device, inode,
                  json_get_str(document, "languageId"), json_get_int(document, "version", 0),
                  content, unknown);
    text_unref(content);
    buf_finish(&path);
}

static enum status change_one(struct lsp_server *server, struct str uri, int64_t version,
                              const struct json_value *change, struct err *err)
{
    struct document *document = document_find_uri(server->env.documents, uri);
    if (!document)
        return err_set(err, STATUS_NOT_FOUND, STR_FMT " is not open", STR_ARG(uri));
    if (!json_is(json_get(change, "text"), JSON_STRING))
        return err_set(err, STATUS_INVALID, "a change needs \"text\" as a string");
    if (!document->text)
        return STATUS_OK; /* unknown until it is closed */
    const struct json_value *range = json_get(change, "range");
    size_t start = 0, end = text_len(document->text);
    if (range && json_type_of(range) != JSON_NULL) { /* without one it is the whole text */
        enum status status = convert_range(server, document->text, range, &start, &end, err);
        if (status < 0)
            return status;
    }
    struct str with = json_get_str(change, "text");
    if (text_len(document->text) - (end - start) + with.len > LIMIT_DOCUMENT_BYTES)
        return err_set(err, STATUS_LIMIT, "it has grown beyond 10 MiB");
    return document_change(server->env.documents, uri, version, start, end, with, err);
}

static void lose_text(struct lsp_server *server, struct str uri, const char *why)
{
    document_lose_text(server->env.documents, uri, str_from(why));
    server_show_message(server, 2,
                        "Lanebridge lost track of the text of " STR_FMT
                        ": %s. Close and open it again to let the agent work on it.",
                        STR_ARG(uri), why);
}

/* A change that cannot be read leaves us without the truth about the document: better to say so
 * than to work on another text than the one on the screen. */
static void handle_change(struct lsp_server *server, const struct jsonrpc_message *message)
{
    const struct json_value *document = json_get(message->params, "textDocument");
    struct str uri = json_get_str(document, "uri");
    int64_t version = json_get_int(document, "version", 0);
    const struct json_value *changes = json_get(message->params, "contentChanges");
    const struct json_value *change = json_first(changes);
    if (!document_find_uri(server->env.documents, uri)) {
        server_log_message(server, 2, "didChange was ignored: \"" STR_FMT "\" is not open",
                           STR_ARG(uri));
        return;
    }
    if (!json_is(changes, JSON_ARRAY)) {
        lose_text(server, uri, "a change came without \"contentChanges\"");
        return;
    }
    if (!change) /* nothing but the version */
        document_change(server->env.documents, uri, version, 0, 0, STR(""), NULL);
    for (; change; change = json_next(change)) {
        struct err err = {0};
        if (change_one(server, uri, version, change, &err) == STATUS_OK)
            continue;
        lose_text(server, uri, err.text);
        return;
    }
}

static void handle_save(struct lsp_server *server, const struct jsonrpc_message *message)
{
    /* Whether a text is saved is decided by comparing it with the disk, when it matters. */
    document_saved(server->env.documents,
                   json_get_str(json_get(message->params, "textDocument"), "uri"));
}

static void handle_close(struct lsp_server *server, const struct jsonrpc_message *message)
{
    struct str uri = json_get_str(json_get(message->params, "textDocument"), "uri");
    struct err err = {0};
    const struct document *document = document_find_uri(server->env.documents, uri);
    struct buf path = {0};
    buf_append_c(&path, document ? document->path : "");
    enum status status = document_close(server->env.documents, uri, &err);
    transcript_on_closed(server, buf_str(&path));
    buf_finish(&path);
    if (status < 0)
        server_log_message(server, 2, "didClose was ignored: %s", err.text);
}

const struct lsp_method sync_notifications[] = {
    {"textDocument/didOpen", handle_open},
    {"textDocument/didChange", handle_change},
    {"textDocument/didSave", handle_save},
    {"textDocument/didClose", handle_close},
    {NULL, NULL},
};
