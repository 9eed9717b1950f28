/* The reader of frames: any bytes give the same calls in every split, and it may be freed in any of
 * them. The first byte chooses the split. */
#include <lanebridge/jsonrpc.h>

#include "fuzz.h"

enum { CAP = 40, NEVER = -1 };

struct trace {
    struct jsonrpc_frames *frames;
    struct buf text;
    int calls_left; /* freed in the call that makes it 0 */
};

static void note(struct trace *trace, char kind, struct str text)
{
    buf_append_fmt(&trace->text, "%c%zu:", kind, text.len);
    buf_append(&trace->text, text);
    if (trace->calls_left == NEVER || --trace->calls_left > 0)
        return;
    jsonrpc_frames_free(trace->frames);
    trace->frames = NULL;
}

static void on_body(void *user, struct str body)
{
    FUZZ_CHECK(body.len <= CAP);
    note(user, 'b', body);
}

static void on_oversize(void *user, struct str head, struct str tail, uint64_t length)
{
    FUZZ_CHECK(length > CAP && length <= LIMIT_LSP_SKIP_BYTES);
    FUZZ_CHECK(head.len <= LIMIT_LSP_HEAD_BYTES && head.len <= length);
    FUZZ_CHECK(tail.len == (length < LIMIT_LSP_TAIL_BYTES ? length : LIMIT_LSP_TAIL_BYTES));
    FUZZ_CHECK(length > LIMIT_LSP_TAIL_BYTES || str_eq(head, tail));
    note(user, 'o', tail);
    if (((struct trace *)user)->frames)
        note(user, 'h', head);
}

static void on_bad_header(void *user, const struct err *err)
{
    FUZZ_CHECK(err->status < 0 && err->text[0]);
    note(user, 'e', STR(""));
}

static void run(struct str input, size_t piece, int calls, struct buf *ret_text)
{
    static const struct jsonrpc_frame_handlers handlers = {on_body, on_oversize, on_bad_header};
    struct trace trace = {.calls_left = calls};
    trace.frames = jsonrpc_frames_new(CAP, &handlers, &trace);
    while (input.len > 0 && trace.frames) {
        struct str part = str_slice(input, 0, piece);
        char *copy = mem_dup(part.ptr, part.len);
        jsonrpc_frames_push(trace.frames, (struct str){copy, part.len});
        mem_free(copy);
        input = str_skip(input, part.len);
    }
    jsonrpc_frames_free(trace.frames);
    buf_move(ret_text, &trace.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str input = {(const char *)data + 1, size - 1};
    struct buf whole = {0}, torn = {0}, freed = {0};
    run(input, input.len, NEVER, &whole);
    run(input, 1 + data[0] % 32, NEVER, &torn);
    FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&torn)));
    run(input, 1 + data[0] / 8, 1 + data[0] % 4, &freed);
    FUZZ_CHECK(str_starts_with(buf_str(&whole), buf_str(&freed)));
    buf_finish(&whole);
    buf_finish(&torn);
    buf_finish(&freed);
    return 0;
}
