/* The reader of frames: any bytes give the same messages and the same end in every split, none
 * above the limit, compressed or not, and what is handed out keeps the rules. The first byte
 * chooses. */
#include "../../server/net/codec-internal.h"
#include "fuzz.h"

enum { MAX = 200, STEP = 64 * 1024 };

static void check(const struct net_reader *reader, enum net_read got, struct str payload)
{
    FUZZ_CHECK(payload.len <= (got == NET_READ_MESSAGE ? (size_t)MAX : NET_CONTROL_BYTES));
    FUZZ_CHECK(got != NET_READ_MESSAGE || utf8_is_valid(payload, NULL));
    FUZZ_CHECK(got != NET_READ_CLOSE || payload.len != 1);
    FUZZ_CHECK(reader->message.cap <= 2 * STEP);
}

static void run(struct str input, size_t piece, bool inflates, struct buf *ret_text)
{
    struct net_reader reader = {.max = MAX, .inflate = inflates ? net_inflate_new() : NULL};
    enum net_read got = NET_READ_MORE;
    while (input.len > 0 && got != NET_READ_BAD) {
        struct str part = str_slice(input, 0, piece), payload = {0};
        struct net_violation violation = {0};
        char *copy = mem_dup(part.ptr, part.len);
        struct str rest = {copy, part.len};
        while ((got = net_reader_next(&reader, &rest, &payload, &violation)) != NET_READ_MORE &&
               got != NET_READ_BAD) {
            check(&reader, got, payload);
            buf_append_fmt(ret_text, "%d:%zu:", got, payload.len);
            buf_append(ret_text, payload);
        }
        if (got == NET_READ_BAD)
            buf_append_fmt(ret_text, "bad:%u", violation.close_code);
        FUZZ_CHECK(got == NET_READ_BAD || rest.len == 0);
        mem_free(copy);
        input = str_skip(input, part.len);
    }
    net_reader_finish(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str input = {(const char *)data + 1, size - 1};
    struct buf whole = {0}, torn = {0};
    bool inflates = data[0] & 0x80;
    run(input, input.len, inflates, &whole);
    run(input, 1 + data[0] % 32, inflates, &torn);
    FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&torn)));
    buf_finish(&whole);
    buf_finish(&torn);
    return 0;
}
