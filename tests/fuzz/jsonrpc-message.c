/* One body, told apart: whatever it is, what it is said to be holds. */
#include "../../server/jsonrpc/message-internal.h"
#include "fuzz.h"

static void check_inside(struct str span, struct str body)
{
    FUZZ_CHECK(span.len == 0 ||
               (span.ptr >= body.ptr && span.ptr + span.len <= body.ptr + body.len));
}

static void check_answerable(const struct message *message)
{
    struct json_value *id = NULL;
    enum status status = json_parse(message->id, &id, NULL);
    FUZZ_CHECK(status == STATUS_OK || status == STATUS_UNSUPPORTED); /* \u0000 is echoed */
    FUZZ_CHECK(!id || !(json_is(id, JSON_OBJECT) || json_is(id, JSON_ARRAY)));
    json_free(id);
}

static void check_parsed(const struct message *message, struct str body)
{
    bool is_call = message->kind == MESSAGE_REQUEST || message->kind == MESSAGE_NOTIFICATION;
    FUZZ_CHECK(json_is(message->root, JSON_OBJECT));
    FUZZ_CHECK(is_call == (message->method.len > 0));
    FUZZ_CHECK(message->kind != MESSAGE_NOTIFICATION || message->id.len == 0);
    FUZZ_CHECK(message->params.len == 0 || json_get(message->root, "params"));
    FUZZ_CHECK(message->result.len == 0 || json_get(message->root, "result"));
    check_inside(message->id, body);
    check_inside(message->params, body);
    check_inside(message->result, body);
    if (message->kind == MESSAGE_REQUEST)
        check_answerable(message);
}

static void check(const struct message *message, struct str body)
{
    switch (message->kind) {
    case MESSAGE_REQUEST:
    case MESSAGE_NOTIFICATION:
    case MESSAGE_RESPONSE:
        check_parsed(message, body);
        break;
    case MESSAGE_REFUSED:
        FUZZ_CHECK(message->code < 0 && message->err.text[0]);
        check_answerable(message);
        break;
    case MESSAGE_UNREADABLE:
        FUZZ_CHECK(message->code < 0 && message->err.text[0]);
        FUZZ_CHECK(utf8_is_valid(message->method, NULL));
        FUZZ_CHECK(utf8_is_valid(buf_str(&message->uri_text), NULL));
        if (message->id.len > 0)
            check_answerable(message);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = {(const char *)data, size};
    struct message message;
    message_read(body, &message);
    check(&message, body);
    message_finish(&message);
    struct str head = str_slice(body, 0, size / 2), tail = str_skip(body, size / 3);
    message_read_ends(head, tail, LIMIT_LSP_BODY_BYTES + size, &message);
    check(&message, body);
    message_finish(&message);
    return 0;
}
