/* A text, a NUL and changes to it, as a client tells them: the store beside an array of bytes that
 * is walked from the front for each position. A change is a byte for the encoding, two positions of
 * a line and a character byte each, and a replacement up to the next NUL. */
#include <string.h>

#include <lanebridge/document.h>

#include "../properties/plain.h"
#include "fuzz.h"

enum { BYTES_MAX = 1 << 16, CHANGES_MAX = 64 };

static const struct str uri = {"file:///f", 9};

/* -- One change -------------------------------------------------------------------------------- */

static unsigned take_byte(struct str *input)
{
    unsigned byte = input->len > 0 ? (unsigned char)input->ptr[0] : 0;
    *input = str_skip(*input, 1);
    return byte;
}

static struct position take_position(struct str *input)
{
    unsigned line = take_byte(input), character = take_byte(input);
    return (struct position){line, character == 255 ? UINT32_MAX : character};
}

/* As didChange is handled: both ends converted, then the bytes replaced. */
static enum status change_store(struct documents *documents, int64_t version,
                                enum position_encoding encoding, const struct position ends[2],
                                struct str with)
{
    const struct document *document = document_find_uri(documents, uri);
    size_t start, end;
    enum status status = text_offset_of(document->text, encoding, ends[0], &start, NULL);
    if (status == STATUS_OK)
        status = text_offset_of(document->text, encoding, ends[1], &end, NULL);
    if (status == STATUS_OK)
        status = document_change(documents, uri, version, start, end, with, NULL);
    return status;
}

static bool change_plain(struct buf *bytes, enum position_encoding encoding,
                         const struct position ends[2], struct str with)
{
    struct buf out = {0};
    size_t start, end;
    if (!plain_offset(buf_str(bytes), encoding, ends[0], &start) ||
        !plain_offset(buf_str(bytes), encoding, ends[1], &end) || start > end)
        return false;
    buf_append(&out, str_slice(buf_str(bytes), 0, start));
    buf_append(&out, with);
    buf_append(&out, str_skip(buf_str(bytes), end));
    buf_move(bytes, &out);
    return true;
}

static void check_positions(const struct text *text, struct str want, size_t step)
{
    for (int encoding = POSITION_UTF8; encoding <= POSITION_UTF32; encoding++) {
        for (size_t at = step % 3; at <= want.len; at += 1 + want.len / 6) {
            struct position ours = text_position_of(text, encoding, at);
            struct position plain = plain_position(want, encoding, at);
            size_t back = 0, plain_back = 1;
            FUZZ_CHECK(ours.line == plain.line && ours.character == plain.character);
            ours.character += (uint32_t)step % 4;
            FUZZ_CHECK(text_offset_of(text, encoding, ours, &back, NULL) == STATUS_OK);
            FUZZ_CHECK(plain_offset(want, encoding, ours, &plain_back) && back == plain_back);
        }
    }
}

static void check_text(const struct text *text, struct str want, size_t step)
{
    check_positions(text, want, step);
    if (step % 4 == 0) { /* reading makes it flat, which is another form */
        FUZZ_CHECK(str_eq(text_bytes(text), want));
        FUZZ_CHECK(text_line_count(text) ==
                   plain_position(want, POSITION_UTF8, want.len).line + 1u);
    }
    struct text *fresh = text_new(want);
    FUZZ_CHECK(text_len(text) == want.len && text_eq(text, fresh));
    text_unref(fresh);
}

/* What observers are told leads from the text before to the text after. */
static void on_change(void *user, const struct document_change *change, bool closed)
{
    struct buf out = {0};
    (void)user;
    if (closed || !change->before)
        return;
    buf_append(&out, str_slice(text_bytes(change->before), 0, change->start));
    buf_append(&out, change->with);
    buf_append(&out, str_skip(text_bytes(change->before), change->end));
    struct text *after = text_take(&out);
    FUZZ_CHECK(text_eq(change->document->text, after));
    text_unref(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input, first = fuzz_split((struct str){(const char *)data, size}, &input);
    struct documents *documents = documents_new();
    struct text *text = text_new(first);
    struct buf plain = {0};
    document_open(documents, uri, STR("/f"), 0, 0, STR("c"), 0, text, STR(""));
    text_unref(text);
    struct document_observer *observer = document_observe(documents, on_change, NULL);
    buf_append(&plain, first);
    for (size_t step = 1; step <= CHANGES_MAX && input.len > 0; step++) {
        enum position_encoding encoding = take_byte(&input) % 3;
        struct position ends[2] = {take_position(&input), take_position(&input)};
        struct str with = fuzz_split(input, &input);
        if (plain.len + with.len > BYTES_MAX)
            break;
        bool changed = change_plain(&plain, encoding, ends, with);
        enum status status = change_store(documents, (int64_t)step, encoding, ends, with);
        FUZZ_CHECK(changed == (status == STATUS_OK));
        const struct document *document = document_find_uri(documents, uri);
        FUZZ_CHECK(!changed || document->version == (int64_t)step);
        check_text(document->text, buf_str(&plain), step);
    }
    document_unobserve(observer);
    documents_free(documents);
    buf_finish(&plain);
    return 0;
}
