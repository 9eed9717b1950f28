/* What a client's bytes mean: frames, compression, heads and bodies. Pure. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "../../../server/net/codec-internal.h"

TestSuite(codec, .timeout = 60);

static const size_t pieces[] = {1, 7, 143, 1 << 20};

/* -- Frames out -------------------------------------------------------------------------------- */

static const struct {
    size_t len, head;
} lengths[] = {{0, 6}, {1, 6}, {125, 6}, {126, 8}, {65535, 8}, {65536, 14}, {1 << 24, 14}};

Test(codec, heads_say_the_length_in_the_fewest_bytes)
{
    for (size_t i = 0; i < array_count(lengths); i++) {
        unsigned char head[NET_FRAME_HEAD_BYTES];
        const unsigned char mask[4] = {1, 2, 3, 4};
        size_t size = net_frame_head(head, FRAME_FINAL | OPCODE_TEXT, lengths[i].len, mask);
        cr_expect_eq(size, lengths[i].head, "%zu: %zu", lengths[i].len, size);
        size_t said = head[1] & 0x7F;
        if (said > 125) {
            size_t extra = said == 126 ? 2 : 8;
            said = 0;
            for (size_t j = 0; j < extra; j++)
                said = said << 8 | head[2 + j];
        }
        cr_expect_eq(said, lengths[i].len);
        cr_expect(head[1] & 0x80, "a client's frames are masked");
        cr_expect_eq(memcmp(head + size - 4, mask, 4), 0);
    }
}

Test(codec, masks_every_byte_by_its_place)
{
    const unsigned char mask[4] = {0xA1, 0x02, 0xF3, 0x44};
    for (size_t len = 0; len < 40; len++) {
        for (size_t shift = 0; shift < 8; shift++) {
            char bytes[64];
            for (size_t i = 0; i < len; i++)
                bytes[shift + i] = (char)(i * 7);
            net_frame_mask(bytes + shift, len, mask);
            for (size_t i = 0; i < len; i++)
                cr_assert_eq((unsigned char)bytes[shift + i], (unsigned char)(i * 7) ^ mask[i & 3]);
        }
    }
}

/* -- Frames in --------------------------------------------------------------------------------- */

static const char *const kinds[] = {[NET_READ_MESSAGE] = "message",
                                    [NET_READ_PING] = "ping",
                                    [NET_READ_PONG] = "pong",
                                    [NET_READ_CLOSE] = "close"};

/* "message:hello ping:x bad:1002" */
static void read_all(struct net_reader *reader, struct str bytes, size_t piece,
                     struct buf *ret_text)
{
    buf_append_c(ret_text, "");
    while (bytes.len) {
        struct str part = str_slice(bytes, 0, piece), payload;
        struct net_violation violation;
        enum net_read got;
        char *copy = mem_dup(part.ptr, part.len); /* so that reading past it is seen */
        struct str rest = {copy, part.len};
        while ((got = net_reader_next(reader, &rest, &payload, &violation)) != NET_READ_MORE &&
               got != NET_READ_BAD)
            buf_append_fmt(ret_text, "%s:" STR_FMT " ", kinds[got], STR_ARG(payload));
        if (got == NET_READ_BAD)
            buf_append_fmt(ret_text, "bad:%u", violation.close_code);
        mem_free(copy);
        if (got == NET_READ_BAD)
            return;
        cr_assert_eq(rest.len, 0, "bytes were left lying");
        bytes = str_skip(bytes, part.len);
    }
}

static const struct {
    struct str bytes;
    const char *expected;
} streams[] = {
    {STR_INIT("\x81\x05hello"), "message:hello "},
    {STR_INIT("\x81\x00"), "message: "},
    {STR_INIT("\x81\x05hello\x81\x02yo"), "message:hello message:yo "},
    {STR_INIT("\x01\x02he\x00\x01l\x80\x02lo"), "message:hello "},
    {STR_INIT("\x01\x02he\x89\x01p\x80\x03llo"), "ping:p message:hello "},
    {STR_INIT("\x01\x00\x00\x00\x80\x00"), "message: "},
    {STR_INIT("\x01\x01\xC3\x80\x01\xA9"), "message:\xC3\xA9 "},
    {STR_INIT("\x8A\x00\x8A\x01x"), "pong: pong:x "},
    {STR_INIT("\x81\x7E\x00\x05hello"), "message:hello "}, /* longer than need be, and clear */
    {STR_INIT("\x88\x00"), "close: "},
    {STR_INIT("\x88\x05\x03\xE8"
              "bye"),
     "close:\x03\xE8"
     "bye "},
    {STR_INIT("\x88\x02\x03\xF4"), "close:\x03\xF4 "}, /* 1012 */
    {STR_INIT("\x88\x02\x03\xF6"), "close:\x03\xF6 "}, /* 1014 */
    {STR_INIT("\x88\x02\x0F\xA0"), "close:\x0F\xA0 "}, /* 4000 */
    {STR_INIT("\x88\x01\x03"), "bad:1002"},
    {STR_INIT("\x88\x02\x03\xE7"), "bad:1002"}, /* 999 */
    {STR_INIT("\x88\x02\x03\xEC"), "bad:1002"}, /* 1004 */
    {STR_INIT("\x88\x02\x03\xED"), "bad:1002"}, /* 1005 */
    {STR_INIT("\x88\x02\x03\xEE"), "bad:1002"}, /* 1006 */
    {STR_INIT("\x88\x02\x03\xF7"), "bad:1002"}, /* 1015 */
    {STR_INIT("\x88\x02\x0B\xB7"), "bad:1002"}, /* 2999 */
    {STR_INIT("\x88\x02\x13\x88"), "bad:1002"}, /* 5000 */
    {STR_INIT("\x81\x85mask....."), "bad:1002"},
    {STR_INIT("\xC1\x05hello"), "bad:1002"}, /* RSV1, and nobody compresses */
    {STR_INIT("\xA1\x05hello"), "bad:1002"},
    {STR_INIT("\x91\x05hello"), "bad:1002"},
    {STR_INIT("\x83\x00"), "bad:1002"},
    {STR_INIT("\x8B\x00"), "bad:1002"},
    {STR_INIT("\x8F\x00"), "bad:1002"},
    {STR_INIT("\x09\x00"), "bad:1002"},           /* a ping in pieces */
    {STR_INIT("\x89\x7E\x00\x7E"), "bad:1002"},   /* of 126 bytes */
    {STR_INIT("\x80\x01x"), "bad:1002"},          /* goes on what never began */
    {STR_INIT("\x01\x01x\x81\x01y"), "bad:1002"}, /* begins anew in the middle */
    {STR_INIT("\x81\x7F\x80\0\0\0\0\0\0\0"), "bad:1002"},
    {STR_INIT("\x81\x7F\0\0\0\0\x80\0\0\0"), "bad:1009"}, /* 2 GiB: not waited for */
    {STR_INIT("\x81\x7E\x01\x00"), "bad:1009"},
    {STR_INIT("\x01\x7D"
              "0123456789012345678901234567890123456789012345678901234567890123456789012345"
              "6789012345678901234567890123456789012345678901234\x80\x04more"),
     "bad:1009"},
    {STR_INIT("\x82\x01x"), "bad:1003"},
    {STR_INIT("\x81\x02\xC3\x28"), "bad:1007"},
    {STR_INIT("\x81\x01\xC3"), "bad:1007"},
    {STR_INIT("\x81\x03\xED\xA0\x80"), "bad:1007"},
    {STR_INIT("\x81\x04good\x81\x02\xFF\xFE\x81\x03not"), "message:good bad:1007"},
};

Test(codec, reads_frames_in_every_split)
{
    for (size_t i = 0; i < array_count(streams); i++) {
        for (size_t j = 0; j < array_count(pieces); j++) {
            struct net_reader reader = {.max = 128};
            struct buf text = {0};
            read_all(&reader, streams[i].bytes, pieces[j], &text);
            cr_expect_str_eq(text.ptr, streams[i].expected, "stream %zu in pieces of %zu: %s", i,
                             pieces[j], text.ptr);
            buf_finish(&text);
            net_reader_finish(&reader);
        }
    }
}

/* A head announces what it likes: only what has come takes memory. */
Test(codec, announced_lengths_take_no_memory)
{
    struct net_reader reader = {.max = (size_t)1 << 40};
    struct str bytes = STR("\x81\x7F\0\0\0\x10\0\0\0\0few"), payload;
    struct net_violation violation;
    cr_expect_eq(net_reader_next(&reader, &bytes, &payload, &violation), NET_READ_MORE);
    cr_expect_leq(reader.message.cap, 32 * MIB);
    net_reader_finish(&reader);
}

/* -- Compression ------------------------------------------------------------------------------- */

static void append_frame(struct buf *out, unsigned first, struct str payload)
{
    unsigned char head[NET_FRAME_HEAD_BYTES];
    size_t len = net_frame_head(head, first, payload.len, (const unsigned char *)"\0\0\0\0");
    head[1] &= 0x7F; /* a server does not mask */
    buf_append(out, (struct str){(char *)head, len - 4});
    buf_append(out, payload);
}

Test(codec, compressed_messages_come_back_as_they_were)
{
    for (int forgets = 0; forgets < 2; forgets++) {
        for (size_t j = 0; j < array_count(pieces); j++) {
            struct net_deflate *deflate = net_deflate_new(forgets);
            struct net_reader reader = {.max = MIB, .inflate = net_inflate_new()};
            struct buf frames = {0}, expected = {0}, got = {0};
            for (unsigned i = 0; i < 20; i++) {
                struct buf message = {0}, small = {0};
                for (unsigned k = 0; k < i * 30; k++)
                    buf_append_fmt(&message, "%u é,", k * i);
                buf_append_fmt(&expected, "message:" STR_FMT " ", STR_ARG(buf_str(&message)));
                net_deflate_message(deflate, buf_str(&message), &small);
                size_t half = small.len / 2;
                append_frame(&frames, FRAME_COMPRESSED | OPCODE_TEXT,
                             str_slice(buf_str(&small), 0, half));
                append_frame(&frames, FRAME_FINAL | OPCODE_PING, STR("p"));
                buf_append_c(&expected, "");
                append_frame(&frames, FRAME_FINAL | OPCODE_MORE, str_skip(buf_str(&small), half));
                append_frame(&frames, FRAME_FINAL | OPCODE_TEXT, STR("plain"));
                buf_append_c(&expected, "message:plain ");
                buf_finish(&message);
                buf_finish(&small);
            }
            read_all(&reader, buf_str(&frames), pieces[j], &got);
            struct buf without = {0}; /* the pings, whose place is not at issue here */
            for (struct str rest = buf_str(&got); rest.len;) {
                size_t at = str_find(rest, STR("ping:p "), 0);
                buf_append(&without, str_slice(rest, 0, at));
                rest = at == STR_NONE ? (struct str){0} : str_skip(rest, at + 7);
            }
            cr_expect(str_eq(buf_str(&without), buf_str(&expected)), "in pieces of %zu", pieces[j]);
            buf_finish(&without);
            buf_finish(&frames);
            buf_finish(&expected);
            buf_finish(&got);
            net_reader_finish(&reader);
            net_deflate_free(deflate);
        }
    }
}

/* A third of a MiB that would be 64: refused when the limit is passed, with no more memory than
 * that. */
Test(codec, sec_31_a_bomb_ends_at_the_limit)
{
    enum { ROUNDS = 64, MAX = 4 << 20 };
    struct net_deflate *deflate = net_deflate_new(false);
    struct net_reader reader = {.max = MAX, .inflate = net_inflate_new()};
    struct buf zeros = {0}, small = {0}, frames = {0}, got = {0};
    buf_append_repeat(&zeros, 'z', MIB);
    for (int i = 0; i < ROUNDS; i++) {
        buf_clear(&small);
        net_deflate_message(deflate, buf_str(&zeros), &small);
        append_frame(&frames, i ? OPCODE_MORE : FRAME_COMPRESSED | OPCODE_TEXT, buf_str(&small));
        /* what a flush ends with is left out at the end of a message alone */
        append_frame(&frames, OPCODE_MORE, STR("\0\0\xFF\xFF"));
    }
    cr_expect_lt(frames.len, MIB / 2);
    read_all(&reader, buf_str(&frames), 4096, &got);
    cr_expect_str_eq(got.ptr, "bad:1009");
    cr_expect_leq(reader.message.cap, 2 * (size_t)MAX + MIB, "%zu", reader.message.cap);
    buf_finish(&zeros);
    buf_finish(&small);
    buf_finish(&frames);
    buf_finish(&got);
    net_reader_finish(&reader);
    net_deflate_free(deflate);
}

static const struct {
    struct str payload;
    const char *expected;
} inflations[] = {
    {STR_INIT("\xF2\x48\xCD\xC9\xC9\x07\x00"), "message:Hello "},     /* RFC 7692, 7.2.3.1 */
    {STR_INIT("\xF3\x48\xCD\xC9\xC9\x07\x00\x00"), "message:Hello "}, /* 7.2.3.4: BFINAL */
    {STR_INIT("\x00\x05\x00\xFA\xFF\x48\x65\x6C\x6C\x6F\x00"), "message:Hello "}, /* 7.2.3.3 */
    {STR_INIT("\x00"), "message: "},
    {STR_INIT("\xFF\xFF\xFF\xFF"), "bad:1007"},
    {STR_INIT("\x00\x05\x00\x00\x00Hello"), "bad:1007"},
};

Test(codec, inflates_as_the_standard_shows)
{
    for (size_t i = 0; i < array_count(inflations); i++) {
        for (size_t j = 0; j < array_count(pieces); j++) {
            struct net_reader reader = {.max = 128, .inflate = net_inflate_new()};
            struct buf frame = {0}, got = {0};
            append_frame(&frame, FRAME_FINAL | FRAME_COMPRESSED | OPCODE_TEXT,
                         inflations[i].payload);
            read_all(&reader, buf_str(&frame), pieces[j], &got);
            cr_expect_str_eq(got.ptr, inflations[i].expected, "%zu in pieces of %zu: %s", i,
                             pieces[j], got.ptr);
            buf_finish(&frame);
            buf_finish(&got);
            net_reader_finish(&reader);
        }
    }
}

/* -- Heads ------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int status; /* 0: it is none */
    const char *name, *value, *rest;
} heads[] = {
    {"HTTP/1.1 200 OK\r\n\r\n", 200, "a", "", ""},
    {"HTTP/1.1 200 OK\r\n\r\nbody", 200, "a", "", "body"},
    {"HTTP/1.1 200\r\nA:b\r\n\r\n\r\n", 200, "a", "b", "\r\n"},
    {"HTTP/1.0 404 Not\xFF Found\r\na:  b c\t \r\n\r\n", 404, "A", "b c", ""},
    {"HTTP/1.1 101 Switching Protocols\r\nb: 1\r\na: 2\r\na: 3\r\n\r\n\x81\x00", 101, "a", "2",
     "\x81"},
    {"HTTP/1.1 204 \r\na:\r\n\r\n", 204, "a", "", ""},
    {"HTTP/1.1 99 Few\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 2000 Many\r\n\r\n", 0, "", "", ""},
    {"HTTP/2 200\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 +20 OK\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 200 OK\r\n: no name\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 200 OK\r\nname : space\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n", 0, "", "", ""},
    {"HTTP/1.1 200 OK\r\na: \x01\r\n\r\n", 0, "", "", ""},
    {"SSH-2.0-OpenSSH_9.2\r\n", 0, "", "", ""},
    {"220 mail", 0, "", "", ""},
};

static enum net_head_result push_all(struct net_head *head, struct str text, size_t piece,
                                     struct str *ret_rest)
{
    enum net_head_result result = NET_HEAD_MORE;
    const char *problem = NULL;
    while (text.len && result == NET_HEAD_MORE) {
        struct str part = str_slice(text, 0, piece), rest = part;
        result = net_head_push(head, &rest, &problem);
        cr_assert(result == NET_HEAD_MORE ? rest.len == 0 : true);
        cr_assert((result == NET_HEAD_BAD) <= (problem != NULL));
        text = str_skip(text, part.len - rest.len);
    }
    *ret_rest = text;
    return result;
}

Test(codec, reads_heads_in_every_split)
{
    for (size_t i = 0; i < array_count(heads); i++) {
        for (size_t j = 0; j < array_count(pieces); j++) {
            struct net_head head = {0};
            struct str rest;
            enum net_head_result got = push_all(&head, str_from(heads[i].text), pieces[j], &rest);
            cr_expect_eq(got, heads[i].status ? NET_HEAD_DONE : NET_HEAD_BAD, "head %zu", i);
            if (got == NET_HEAD_DONE) {
                cr_expect_eq(head.status, heads[i].status);
                cr_expect(str_eq_c(net_head_get(&head, heads[i].name), heads[i].value), "head %zu",
                          i);
                cr_expect(str_eq_c(rest, heads[i].rest), "head %zu: rest", i);
            }
            net_head_finish(&head);
        }
    }
}

Test(codec, a_head_has_at_most_16_kib)
{
    for (size_t j = 0; j < array_count(pieces); j++) {
        for (size_t over = 0; over < 2; over++) {
            struct net_head head = {0};
            struct buf text = {0};
            struct str rest;
            buf_append_c(&text, "HTTP/1.1 200 OK\r\na: ");
            buf_append_repeat(&text, 'x', NET_HEADER_BYTES - text.len - 4 + over);
            buf_append_c(&text, "\r\n\r\n");
            enum net_head_result got = push_all(&head, buf_str(&text), pieces[j], &rest);
            cr_expect_eq(got, over ? NET_HEAD_BAD : NET_HEAD_DONE, "in pieces of %zu", pieces[j]);
            buf_finish(&text);
            net_head_finish(&head);
        }
    }
}

Test(codec, finds_tokens_in_lists)
{
    struct net_head head = {0};
    struct str rest;
    push_all(&head,
             STR("HTTP/1.1 101 x\r\nConnection: keep-alive\r\nCONNECTION: x , Upgrade\r\n\r\n"), 99,
             &rest);
    cr_expect(net_head_has(&head, "connection", "upgrade"));
    cr_expect(net_head_has(&head, "connection", "Keep-Alive"));
    cr_expect(!net_head_has(&head, "connection", "up"));
    cr_expect(!net_head_has(&head, "connect", "upgrade"));
    net_head_finish(&head);
}

/* -- Bodies ------------------------------------------------------------------------------------ */

static const struct {
    const char *fields, *bytes;
    const char *expected; /* "BODY end REST", "BODY more", "BODY bad", "refused" */
} bodies[] = {
    {"content-length: 5\r\n", "hello", "hello end "},
    {"content-length: 5\r\n", "hello, next", "hello end , next"},
    {"content-length: 5\r\n", "hel", "hel more"},
    {"content-length: 0\r\n", "x", " end x"},
    {"content-length: 5\r\ncontent-length: 5\r\n", "hello", "hello end "},
    {"content-length: 5, 5\r\n", "hello", "hello end "},
    {"content-length: 5\r\ncontent-length: 6\r\n", "hello", "refused"},
    {"content-length: -1\r\n", "", "refused"},
    {"content-length: 5x\r\n", "", "refused"},
    {"content-length: 99999999999999999999\r\n", "", "refused"},
    {"content-length:\r\n", "", "refused"},
    {"", "to the end", "to the end more"},
    {"transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\nnext", "hello end next"},
    {"transfer-encoding: Chunked\r\n", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello end "},
    {"transfer-encoding: chunked\r\ncontent-length: 3\r\n", "5\r\nhello\r\n0\r\n\r\n",
     "hello end "},
    {"transfer-encoding: chunked\r\n", "5;a=\"b;c\"\r\nhello\r\n00;x\r\n\r\n", "hello end "},
    {"transfer-encoding: chunked\r\n", "5 \r\nhello\r\n0\r\nx-a: b\r\nx-c: d\r\n\r\n!",
     "hello end !"},
    {"transfer-encoding: chunked\r\n", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789 end "},
    {"transfer-encoding: chunked\r\n", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789 end "},
    {"transfer-encoding: chunked\r\n", "5\r\nhello\r\n", "hello more"},
    {"transfer-encoding: chunked\r\n", "5\r\nhello", "hello more"},
    {"transfer-encoding: chunked\r\n", "0\r\n", " more"},
    {"transfer-encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n", " bad"},
    {"transfer-encoding: chunked\r\n", "5\r\nhelloX\r\n", "hello bad"},
    {"transfer-encoding: chunked\r\n", "5\r\nhello\r\n\r\n", "hello bad"},
    {"transfer-encoding: chunked\r\n", "x\r\n", " bad"},
    {"transfer-encoding: chunked\r\n", "-5\r\n", " bad"},
    {"transfer-encoding: chunked\r\n", "0x5\r\nhello", " bad"},
    {"transfer-encoding: chunked\r\n", ";ext\r\n", " bad"},
    {"transfer-encoding: chunked\r\n", "10000000000000005\r\nhello", " bad"},
    {"transfer-encoding: chunked\r\n", "5\r\rhello", " bad"},
    {"transfer-encoding: gzip, chunked\r\n", "", "refused"},
    {"transfer-encoding: identity\r\n", "", "refused"},
};

static void decode(const char *fields, struct str bytes, size_t piece, struct buf *ret_text)
{
    struct net_head head = {0};
    struct net_body body;
    struct buf answer = {0};
    struct str rest, part;
    const char *problem = NULL;
    buf_append_fmt(&answer, "HTTP/1.1 200 OK\r\n%s\r\n", fields);
    cr_assert_eq(push_all(&head, buf_str(&answer), 999, &rest), NET_HEAD_DONE);
    buf_append_c(ret_text, "");
    if (!net_body_init(&body, &head, false, &problem)) {
        cr_expect(problem);
        buf_append_c(ret_text, "refused");
    }
    enum net_body_result got = NET_BODY_MORE;
    while (!problem && (got == NET_BODY_MORE || got == NET_BODY_PIECE)) {
        struct str given = str_slice(bytes, 0, piece);
        bytes = str_skip(bytes, given.len);
        while ((got = net_body_next(&body, &given, &part)) == NET_BODY_PIECE)
            buf_append(ret_text, part);
        if (got == NET_BODY_MORE && bytes.len)
            continue;
        const char *const names[] = {" more", "", " end ", " bad"};
        buf_append_c(ret_text, names[got]);
        if (got == NET_BODY_END) {
            buf_append(ret_text, given);
            buf_append(ret_text, bytes);
        }
        break;
    }
    buf_finish(&answer);
    net_head_finish(&head);
}

Test(codec, reads_bodies_in_every_split)
{
    for (size_t i = 0; i < array_count(bodies); i++) {
        for (size_t j = 0; j < array_count(pieces); j++) {
            struct buf text = {0};
            decode(bodies[i].fields, str_from(bodies[i].bytes), pieces[j], &text);
            cr_expect_str_eq(text.ptr, bodies[i].expected, "body %zu in pieces of %zu: %s", i,
                             pieces[j], text.ptr);
            buf_finish(&text);
        }
    }
}

Test(codec, chunks_of_endless_lines_are_refused)
{
    const char *const starts[] = {"5;", "0\r\nx: "};
    for (size_t i = 0; i < array_count(starts); i++) {
        struct buf bytes = {0}, text = {0};
        buf_append_c(&bytes, starts[i]);
        buf_append_repeat(&bytes, 'e', 64 * KIB);
        decode("transfer-encoding: chunked\r\n", buf_str(&bytes), 4096, &text);
        cr_expect_str_eq(text.ptr, " bad");
        buf_finish(&bytes);
        buf_finish(&text);
    }
}
