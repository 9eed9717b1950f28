/* An answer of HTTP/1.1: any bytes give the same status, headers, body and rest in every split. The
 * first byte chooses the split. */
#include "../../server/net/codec-internal.h"
#include "fuzz.h"

struct parser {
    struct net_head head;
    struct net_body body;
    bool in_body;
    struct buf text, content;
};

static void take_head(struct parser *parser)
{
    struct str name, value;
    const char *problem = NULL;
    buf_append_fmt(&parser->text, "%d%s|", parser->head.status, parser->head.old ? " old" : "");
    for (size_t at = 0; net_head_next(&parser->head, &at, &name, &value);) {
        FUZZ_CHECK(name.len > 0 && str_find_byte(value, '\r', 0) == STR_NONE);
        FUZZ_CHECK(str_find_byte(value, '\n', 0) == STR_NONE);
        buf_append(&parser->text, name);
        buf_append_byte(&parser->text, '=');
        buf_append(&parser->text, value);
        buf_append_byte(&parser->text, '|');
    }
    parser->in_body = net_body_init(&parser->body, &parser->head, false, &problem);
    FUZZ_CHECK(parser->in_body || problem);
}

/* False: it is over. */
static bool take(struct parser *parser, struct str *bytes)
{
    struct str piece;
    const char *problem = NULL;
    if (!parser->in_body) {
        enum net_head_result got = net_head_push(&parser->head, bytes, &problem);
        FUZZ_CHECK(parser->head.bytes.len <= NET_HEADER_BYTES);
        if (got == NET_HEAD_MORE)
            return true;
        if (got == NET_HEAD_BAD)
            buf_append_c(&parser->text, "bad head");
        else
            take_head(parser);
        if (!parser->in_body)
            return false;
    }
    enum net_body_result got;
    while ((got = net_body_next(&parser->body, bytes, &piece)) == NET_BODY_PIECE)
        buf_append(&parser->content, piece);
    if (got == NET_BODY_BAD)
        buf_append_c(&parser->text, "bad body");
    if (got == NET_BODY_END)
        buf_append_c(&parser->text, "end");
    return got == NET_BODY_MORE;
}

static void run(struct str input, size_t piece, struct buf *ret_text)
{
    struct parser parser = {0};
    bool goes_on = true;
    while (goes_on && input.len > 0) {
        struct str part = str_slice(input, 0, piece);
        char *copy = mem_dup(part.ptr, part.len);
        struct str rest = {copy, part.len};
        goes_on = take(&parser, &rest);
        FUZZ_CHECK(!goes_on || rest.len == 0);
        input = str_skip(input, part.len - rest.len);
        mem_free(copy);
    }
    buf_append(&parser.text, buf_str(&parser.content));
    if (parser.in_body) /* what is over before that is not read to the same byte */
        buf_append(&parser.text, input);
    net_head_finish(&parser.head);
    buf_finish(&parser.content);
    buf_move(ret_text, &parser.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str input = {(const char *)data + 1, size - 1};
    struct buf whole = {0}, torn = {0};
    run(input, input.len, &whole);
    run(input, 1 + data[0] % 32, &torn);
    FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&torn)));
    buf_finish(&whole);
    buf_finish(&torn);
    return 0;
}
