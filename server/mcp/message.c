/* Reading what a server sent: JSON-RPC, one message or a batch. What is none is passed over, and
 * counted by who asks. */
#include "mcp-internal.h"

enum { BATCH_COUNT = 1000 };

/* A NUL is legal JSON, but no text of ours can hold one: it is read as a replacement character. */
static void replace_nuls(struct buf *text)
{
    for (size_t i = 0; i + 5 < text->len; i++) {
        if (text->ptr[i] != '\\')
            continue;
        if (memcmp(text->ptr + i, "\\u0000", 6) == 0)
            memcpy(text->ptr + i, "\\ufffd", 6);
        i++; /* what is escaped begins no escape */
    }
}

static struct json_value *parse(struct str text)
{
    struct json_value *root = NULL;
    enum status status = json_parse(text, &root, NULL);
    if (status != STATUS_UNSUPPORTED)
        return root;
    struct buf copy = {0};
    buf_append(&copy, text);
    replace_nuls(&copy);
    json_parse(buf_str(&copy), &root, NULL);
    buf_finish(&copy);
    return root;
}

/* Null is an id that nobody has: the server could not read what it answers. */
static bool read_message(const struct json_value *value, struct message *message)
{
    const struct json_value *id = json_get(value, "id"), *error = json_get(value, "error");
    bool has_id = id && !json_is(id, JSON_NULL);
    *message = (struct message){
        .number = json_is(id, JSON_NUMBER) ? json_int(id, -1) : -1,
        .id = id,
        .method = json_get_str(value, "method"),
        .params = json_get(value, "params"),
        .result = json_get(value, "result"),
    };
    if (!json_is(value, JSON_OBJECT))
        return false;
    if (message->method.len > 0) {
        message->kind = has_id ? MESSAGE_REQUEST : MESSAGE_NOTIFICATION;
        return !has_id || json_is(id, JSON_NUMBER) || json_is(id, JSON_STRING);
    }
    if (json_is(error, JSON_OBJECT)) {
        message->kind = MESSAGE_ERROR;
        message->code = json_get_int(error, "code", 0);
        message->text = json_get_str(error, "message");
        return true;
    }
    message->kind = MESSAGE_ANSWER;
    return message->result != NULL;
}

size_t message_each(struct str text, message_fn *fn, void *user)
{
    struct json_value *root = parse(text);
    const struct json_value *value = json_is(root, JSON_ARRAY) ? json_first(root) : root;
    size_t count = 0;
    bool goes_on = true;
    for (size_t i = 0; value && goes_on && i < BATCH_COUNT; i++) {
        struct message message;
        if (read_message(value, &message)) {
            count++;
            goes_on = fn(user, &message);
        }
        value = json_is(root, JSON_ARRAY) ? json_next(value) : NULL;
    }
    json_free(root);
    return count;
}
