#include "message-internal.h"

enum { ID_TEXT_BYTES = 1024 }; /* an id is echoed and kept; honest ones are numbers or UUIDs */

/* -- Spans: what stands in the outermost object, verbatim ------------------------------------- */

struct spans {
    struct str id, method, params, result, error;
};

/* The first of duplicates wins, as in json_get. A text that breaks off gives what came before, and
 * false. */
static bool find_spans(struct str body, struct spans *spans)
{
    const struct {
        const char *name;
        struct str *span;
    } table[] = {
        {"id", &spans->id},         {"method", &spans->method}, {"params", &spans->params},
        {"result", &spans->result}, {"error", &spans->error},
    };
    struct json_raw_iter iter = {.rest = body};
    struct str key, value;
    while (json_raw_next(&iter, &key, &value))
        for (size_t i = 0; i < array_count(table); i++)
            if (table[i].span->len == 0 && json_raw_key_is(key, table[i].name))
                *table[i].span = value;
    return !iter.failed;
}

static bool id_is_usable(struct str id)
{
    if (id.len == 0 || id.len > ID_TEXT_BYTES)
        return false;
    return *id.ptr == '"' || *id.ptr == '-' || (*id.ptr >= '0' && *id.ptr <= '9');
}

/* -- What cannot be parsed -------------------------------------------------------------------- */

/* The string after the first `"uri":` anywhere. Inside a string the quotes would be escaped. */
static void find_uri(struct str text, struct buf *uri)
{
    struct str needle = STR("\"uri\"");
    size_t at = 0;
    while ((at = str_find(text, needle, at)) != STR_NONE) {
        at += needle.len;
        struct str rest = str_trim(str_skip(text, at));
        if (!str_starts_with(rest, STR(":")))
            continue;
        rest = str_trim(str_skip(rest, 1));
        size_t end = rest.len > 0 && *rest.ptr == '"' ? 1 : rest.len;
        while (end < rest.len && rest.ptr[end] != '"')
            end += rest.ptr[end] == '\\' ? 2 : 1;
        if (end < rest.len && json_raw_decode(str_slice(rest, 0, end + 1), uri))
            return;
    }
}

/* The text around it is broken, so it may be too: bad UTF-8 would break our answer. \u0000 does
 * not. */
static bool id_can_be_echoed(struct str id)
{
    struct json_value *value = NULL;
    enum status status = json_parse(id, &value, NULL);
    json_free(value);
    return id_is_usable(id) && (status == STATUS_OK || status == STATUS_UNSUPPORTED);
}

static void take_spans(const struct spans *spans, struct message *message)
{
    if (message->id.len == 0 && spans->id.len > 0)
        message->id = id_can_be_echoed(spans->id) ? spans->id : STR("null");
    if (message->method.len == 0 && json_raw_decode(spans->method, &message->method_text))
        message->method = buf_str(&message->method_text);
}

static void scan_unreadable(struct str text, struct message *message)
{
    struct spans spans = {0};
    find_spans(text, &spans);
    take_spans(&spans, message);
    find_uri(text, &message->uri_text);
    message->kind = MESSAGE_UNREADABLE;
    message->code = JSONRPC_REQUEST_FAILED;
}

/* The members that stand behind the params: from one comma on, the rest of the text is what an
 * object could hold and end with. The first such comma is the one that follows the cut value. */
static void scan_tail(struct str tail, struct message *message)
{
    struct buf *copy = &message->tail_text;
    buf_append(copy, tail);
    for (size_t at = 0; (at = str_find_byte(buf_str(copy), ',', at)) != STR_NONE; at++) {
        struct spans spans = {0};
        copy->ptr[at] = '{';
        if (find_spans(str_skip(buf_str(copy), at), &spans)) {
            take_spans(&spans, message);
            return;
        }
        copy->ptr[at] = ',';
    }
}

void message_read_ends(struct str head, struct str tail, uint64_t length, struct message *message)
{
    *message = (struct message){0};
    scan_unreadable(head, message);
    scan_tail(tail, message);
    if (message->uri_text.len == 0)
        find_uri(tail, &message->uri_text);
    err_set(&message->err, STATUS_LIMIT,
            "The message of %llu bytes is over the limit of %zu bytes and was not read: send less "
            "at once",
            (unsigned long long)length, (size_t)LIMIT_LSP_BODY_BYTES);
}

/* Syntax errors are answered with id null, since an id in broken text is a guess; but the owner is
 * told what it was, so that a lost document change does not go unnoticed. */
static void refuse_text(struct str body, enum status status, struct message *message)
{
    scan_unreadable(body, message);
    if (status != STATUS_INVALID)
        return;
    message->code = JSONRPC_PARSE_ERROR;
    message->id = STR("null");
}

/* -- What can --------------------------------------------------------------------------------- */

static void refuse(struct message *message, int code, const char *text)
{
    message->kind = MESSAGE_REFUSED;
    message->code = code;
    if (message->id.len == 0)
        message->id = STR("null");
    err_set(&message->err, STATUS_INVALID, "%s", text);
}

static bool version_is_right(const struct json_value *root)
{
    return str_eq(json_get_str(root, "jsonrpc"), STR("2.0"));
}

static void read_call(const struct spans *spans, struct message *message)
{
    const struct json_value *params = json_get(message->root, "params");
    bool has_id = spans->id.len > 0;
    if (has_id && !id_is_usable(spans->id)) {
        refuse(message, JSONRPC_INVALID_REQUEST,
               "\"id\" is neither a number nor a short string: send one of them");
        return;
    }
    message->id = spans->id;
    message->method = json_get_str(message->root, "method");
    if (!version_is_right(message->root))
        refuse(message, JSONRPC_INVALID_REQUEST, "\"jsonrpc\" is not \"2.0\": send it so");
    else if (message->method.len == 0)
        refuse(message, JSONRPC_INVALID_REQUEST, "\"method\" is not a name: send a string");
    else if (params && !json_is(params, JSON_ARRAY) && !json_is(params, JSON_OBJECT) &&
             !json_is(params, JSON_NULL))
        refuse(message, JSONRPC_INVALID_PARAMS,
               "\"params\" is neither an object nor an array: send one of them or none");
    else
        message->kind = has_id ? MESSAGE_REQUEST : MESSAGE_NOTIFICATION;
    if (!json_is(params, JSON_NULL))
        message->params = spans->params;
}

/* Without a look at the version: refusing an answer would leave its asker waiting for ever. */
static void read_response(const struct spans *spans, struct message *message)
{
    message->id = spans->id;
    message->result = spans->result;
    message->kind = MESSAGE_RESPONSE;
}

void message_read(struct str body, struct message *message)
{
    *message = (struct message){0};
    enum status status = json_parse(body, &message->root, &message->err);
    if (status < 0) {
        refuse_text(body, status, message);
        return;
    }
    if (json_is(message->root, JSON_ARRAY)) {
        refuse(message, JSONRPC_INVALID_REQUEST,
               "Batches are not part of the Language Server Protocol: send one message at a time");
        return;
    }
    if (!json_is(message->root, JSON_OBJECT)) {
        refuse(message, JSONRPC_INVALID_REQUEST, "A message is not an object: send one");
        return;
    }
    struct spans spans = {0};
    find_spans(body, &spans);
    if (spans.method.len == 0 && (spans.result.len > 0 || spans.error.len > 0))
        read_response(&spans, message);
    else
        read_call(&spans, message);
}

void message_finish(struct message *message)
{
    json_free(message->root);
    buf_finish(&message->method_text);
    buf_finish(&message->uri_text);
    buf_finish(&message->tail_text);
}
