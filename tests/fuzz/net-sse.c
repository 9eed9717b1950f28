/* The reader of event streams: any bytes give the same events in every split, none above the limit,
 * and it may be freed in any of them. The first byte chooses the split. */
#include <lanebridge/net.h>

#include "fuzz.h"

enum { MAX = 48, NEVER = -1 };

struct trace {
    struct net_sse *sse;
    struct buf text;
    int calls_left; /* freed in the call that makes it 0 */
};

static void on_event(void *user, struct str event, struct str data)
{
    struct trace *trace = user;
    FUZZ_CHECK(trace->sse);
    FUZZ_CHECK(event.len + data.len <= MAX + sizeof("message"));
    FUZZ_CHECK(event.len > 0 && str_find_byte(event, '\n', 0) == STR_NONE);
    FUZZ_CHECK(str_find_byte(data, '\r', 0) == STR_NONE);
    buf_append_fmt(&trace->text, "%zu:%zu:", event.len, data.len);
    buf_append(&trace->text, event);
    buf_append(&trace->text, data);
    if (trace->calls_left == NEVER || --trace->calls_left > 0)
        return;
    net_sse_free(trace->sse);
    trace->sse = NULL;
}

static void run(struct str input, size_t piece, int calls, struct buf *ret_text)
{
    struct trace trace = {.calls_left = calls};
    enum status status = STATUS_OK;
    trace.sse = net_sse_new(MAX, on_event, &trace);
    while (input.len > 0 && status == STATUS_OK) {
        struct str part = str_slice(input, 0, piece);
        char *copy = mem_dup(part.ptr, part.len);
        status = net_sse_push(trace.sse, (struct str){copy, part.len});
        mem_free(copy);
        input = str_skip(input, part.len);
    }
    FUZZ_CHECK((status == STATUS_CLOSED) == !trace.sse);
    net_sse_free(trace.sse);
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
    /* A line that never ends is noticed earlier when it comes in pieces, with the events before it.
     */
    FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&torn)));
    run(input, 1 + data[0] / 8, 1 + data[0] % 4, &freed);
    FUZZ_CHECK(str_starts_with(buf_str(&whole), buf_str(&freed)));
    buf_finish(&whole);
    buf_finish(&torn);
    buf_finish(&freed);
    return 0;
}
