/* A change set as a WorkspaceEdit. */
#include "lsp-internal.h"

static void write_uri(const struct lsp_server *server, struct json_writer *w, const char *key,
                      const char *path)
{
    const struct document *document = document_find_path(server->env.documents, str_from(path));
    if (document) { /* the client's own spelling */
        json_write_field_c(w, key, document->uri);
        return;
    }
    struct buf uri = {0};
    uri_append_file(&uri, str_from(path));
    json_write_field_str(w, key, buf_str(&uri));
    buf_finish(&uri);
}

static void write_edits(const struct lsp_server *server, struct json_writer *w,
                        const struct text *before, const struct text *after)
{
    struct edit_spans spans = {0};
    edit_spans_between(before, after, &spans);
    json_write_begin_array(w);
    for (size_t i = 0; i < spans.spans.len; i++) {
        const struct edit_span *span = &spans.spans.ptr[i];
        json_write_begin_object(w);
        json_write_key(w, "range");
        convert_write_range(server, w, before, span->start, span->end);
        json_write_field_str(w, "newText", span->with);
        json_write_end_object(w);
    }
    json_write_end_array(w);
    edit_spans_finish(&spans);
}

/* A TextDocumentEdit: open documents carry the version it was planned for, others null. */
static void write_document_edit(const struct lsp_server *server, struct json_writer *w,
                                const char *path, const struct text *before,
                                const struct text *after)
{
    const struct document *document = document_find_path(server->env.documents, str_from(path));
    json_write_begin_object(w);
    json_write_key(w, "textDocument");
    json_write_begin_object(w);
    write_uri(server, w, "uri", path);
    json_write_key(w, "version");
    if (document)
        json_write_int(w, document->version);
    else
        json_write_null(w);
    json_write_end_object(w);
    json_write_key(w, "edits");
    write_edits(server, w, before, after);
    json_write_end_object(w);
}

static void write_operation(const struct lsp_server *server, struct json_writer *w,
                            const struct planned *file)
{
    static const char *const kinds[] = {
        [HOST_CREATE] = "create", [HOST_DELETE] = "delete", [HOST_MOVE] = "rename"};
    json_write_begin_object(w);
    json_write_field_c(w, "kind", kinds[file->kind]);
    write_uri(server, w, file->kind == HOST_MOVE ? "oldUri" : "uri", file->path);
    if (file->kind == HOST_MOVE)
        write_uri(server, w, "newUri", file->new_path);
    json_write_end_object(w);
}

static void write_file(const struct lsp_server *server, struct json_writer *w,
                       const struct planned *file)
{
    if (file->kind != HOST_UPDATE)
        write_operation(server, w, file);
    if (file->kind == HOST_DELETE)
        return;
    struct text *empty = text_new(STR(""));
    const struct text *before = file->kind == HOST_CREATE ? empty : file->before;
    if (!text_eq(before, file->after))
        write_document_edit(server, w, file->kind == HOST_MOVE ? file->new_path : file->path,
                            before, file->after);
    text_unref(empty);
}

static void write_changes(const struct lsp_server *server, struct json_writer *w,
                          const struct planned *files, size_t count)
{
    json_write_key(w, "changes");
    json_write_begin_object(w);
    for (size_t i = 0; i < count; i++) {
        struct buf uri = {0};
        const struct document *document =
            document_find_path(server->env.documents, str_from(files[i].path));
        if (document)
            buf_append_c(&uri, document->uri);
        else
            uri_append_file(&uri, str_from(files[i].path));
        json_write_key_str(w, buf_str(&uri));
        write_edits(server, w, files[i].before, files[i].after);
        buf_finish(&uri);
    }
    json_write_end_object(w);
}

void plan_append_params(const struct lsp_server *server, const struct planned *files, size_t count,
                        const char *label, struct buf *params)
{
    struct json_writer w;
    json_writer_init(&w, params);
    json_write_begin_object(&w);
    json_write_field_c(&w, "label", label);
    json_write_key(&w, "edit");
    json_write_begin_object(&w);
    if (server->client.document_changes) {
        json_write_key(&w, "documentChanges");
        json_write_begin_array(&w);
        for (size_t i = 0; i < count; i++)
            write_file(server, &w, &files[i]);
        json_write_end_array(&w);
    } else {
        write_changes(server, &w, files, count);
    }
    json_write_end_object(&w);
    json_write_end_object(&w);
}

/* What is beyond the text counts as its end, as editors do. */
static size_t offset_or_end(const struct text *text, struct position position)
{
    size_t offset;
    if (text_offset_of(text, POSITION_UTF8, position, &offset, NULL) < 0)
        return text_len(text);
    return offset;
}

/* `text` gives the places, `result` (taken) is changed. NULL where the places are in disorder. */
static struct text *put_span(const struct text *before, const struct edit_span *span,
                             const struct text *text, struct text *result)
{
    size_t start = offset_or_end(text, text_position_of(before, POSITION_UTF8, span->start));
    size_t end = offset_or_end(text, text_position_of(before, POSITION_UTF8, span->end));
    struct text *next = NULL;
    if (start <= end && end <= text_len(result))
        next = text_replace(result, start, end, span->with);
    text_unref(result);
    return next;
}

/* The edits [first, end) alone, from the last to the first. */
static struct text *put_spans(const struct text *before, const struct edit_spans *spans,
                              size_t first, size_t end, const struct text *text)
{
    struct text *result = text_ref(text);
    for (size_t i = end; result && i > first; i--)
        result = put_span(before, &spans->spans.ptr[i - 1], text, result);
    return result;
}

struct text *plan_apply_stale(const struct text *before, const struct text *after,
                              const struct text *text)
{
    struct edit_spans spans = {0};
    edit_spans_between(before, after, &spans);
    struct text *result = put_spans(before, &spans, 0, spans.spans.len, text);
    edit_spans_finish(&spans);
    return result;
}

/* Each state has more of the edits than the one before it: the last ones, or the first ones. */
static bool leads_in_order(const struct text *before, const struct edit_spans *spans,
                           struct text *const *states, size_t count, bool from_the_end)
{
    size_t put = 0, all = spans->spans.len;
    for (size_t i = 1; i < count; i++) {
        bool reached = false;
        while (!reached && put++ < all) {
            struct text *next = put_spans(before, spans, from_the_end ? all - put : 0,
                                          from_the_end ? all : put, states[0]);
            reached = next && text_eq(next, states[i]);
            text_unref(next);
        }
        if (!reached)
            return false;
    }
    return put == all;
}

bool plan_leads(const struct text *before, const struct text *after, struct text *const *states,
                size_t count)
{
    struct text *stale = plan_apply_stale(before, after, states[0]);
    bool leads = stale && text_eq(stale, states[count - 1]);
    text_unref(stale);
    if (!leads || count == 2)
        return leads;
    struct edit_spans spans = {0};
    edit_spans_between(before, after, &spans);
    leads = leads_in_order(before, &spans, states, count, true) ||
            leads_in_order(before, &spans, states, count, false);
    edit_spans_finish(&spans);
    return leads;
}
