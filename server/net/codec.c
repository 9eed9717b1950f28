/* Frames of RFC 6455, a client's side: masked going out, not masked coming in. */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "codec-internal.h"

/* How much of a frame's announced length is taken on trust before its bytes have come, and what a
 * reader keeps between messages. */
enum { PRESIZE_BYTES = 8 * 1024 * 1024, KEEP_BYTES = 256 * 1024 };

enum { RESERVED = 0x70, OPCODE = 0x0F, MASKED = 0x80, IS_CONTROL = 8 };

/* -- Out */

size_t net_frame_head(unsigned char ret_head[NET_FRAME_HEAD_BYTES], unsigned first, size_t len,
                      const unsigned char mask[4])
{
    size_t extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    ret_head[0] = (unsigned char)first;
    ret_head[1] = (unsigned char)(MASKED | (extra == 0 ? len : extra == 2 ? 126 : 127));
    for (size_t i = 0; i < extra; i++)
        ret_head[2 + i] = (unsigned char)((uint64_t)len >> (8 * (extra - 1 - i)));
    memcpy(ret_head + 2 + extra, mask, 4);
    return 2 + extra + 4;
}

void net_frame_mask(char *payload, size_t len, const unsigned char mask[4])
{
    uint64_t word, eight;
    size_t i = 0;
    memcpy(&eight, mask, 4);
    memcpy((char *)&eight + 4, mask, 4);
    for (; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, payload + i, sizeof(word));
        word ^= eight;
        memcpy(payload + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        payload[i] = (char)(payload[i] ^ mask[i & 3]);
}

/* -- In */

static enum net_read violate(struct net_violation *violation, unsigned code, enum status status,
                             const char *text)
{
    *violation = (struct net_violation){.close_code = code, .status = status};
    snprintf(violation->text, sizeof(violation->text), "%s", text);
    return NET_READ_BAD;
}

static enum net_read too_large(struct net_violation *violation)
{
    return violate(violation, 1009, STATUS_LIMIT,
                   "a message came that is larger than the limit (endpoint.maxEventBytes)");
}

static bool is_control(const struct net_reader *reader)
{
    return reader->first & IS_CONTROL;
}

static bool is_final(const struct net_reader *reader)
{
    return reader->first & FRAME_FINAL;
}

static size_t head_size(const struct net_reader *reader)
{
    unsigned len = reader->head_len < 2 ? 0 : reader->head[1] & 0x7F;
    return 2U + (len == 126 ? 2U : len == 127 ? 8U : 0U);
}

/* False: it is not whole yet. */
static bool take_head(struct net_reader *reader, struct str *bytes)
{
    for (size_t size; reader->head_len < (size = head_size(reader));) {
        struct str part = str_slice(*bytes, 0, size - reader->head_len);
        if (part.len == 0)
            return false;
        memcpy(reader->head + reader->head_len, part.ptr, part.len);
        reader->head_len += part.len;
        *bytes = str_skip(*bytes, part.len);
    }
    reader->first = reader->head[0];
    reader->left = reader->head[1] & 0x7F;
    for (size_t i = 2; i < reader->head_len; i++)
        reader->left = (i == 2 ? 0 : reader->left << 8) | reader->head[i];
    return true;
}

/* What a frame may be at this place, by its head alone; NULL if it is fine. */
static const char *judge_head(const struct net_reader *reader)
{
    unsigned opcode = reader->first & OPCODE, reserved = reader->first & RESERVED;
    bool starts = opcode == OPCODE_TEXT || opcode == OPCODE_BINARY;
    if (starts && reader->inflate)
        reserved &= ~(unsigned)FRAME_COMPRESSED;
    if (reader->head[1] & MASKED)
        return "a masked frame came, which only clients send";
    if (reserved)
        return "a frame came with reserved bits set";
    if ((opcode > OPCODE_BINARY && opcode < OPCODE_CLOSE) || opcode > OPCODE_PONG)
        return "a frame came of a kind that does not exist";
    if (is_control(reader) && (!is_final(reader) || reader->left > NET_CONTROL_BYTES))
        return "a control frame came in pieces, or too long";
    if (starts && reader->in_message)
        return "a message began before the one before it had ended";
    if (opcode == OPCODE_MORE && !reader->in_message)
        return "a message went on that never began";
    if (reader->left >> 63)
        return "a frame came with a length that cannot be";
    return NULL;
}

static enum net_read start_frame(struct net_reader *reader, struct net_violation *violation)
{
    const char *problem = judge_head(reader);
    reader->head_len = 0;
    if (problem)
        return violate(violation, 1002, STATUS_PROTOCOL, problem);
    if ((reader->first & OPCODE) == OPCODE_BINARY)
        return violate(violation, 1003, STATUS_PROTOCOL,
                       "a binary message came, only text is understood");
    if (is_control(reader))
        reader->control_len = 0;
    else if ((reader->first & OPCODE) == OPCODE_TEXT)
        reader->compressed = reader->first & FRAME_COMPRESSED;
    if (!is_control(reader) && !reader->compressed &&
        (reader->left > reader->max || reader->message.len > reader->max - reader->left))
        return too_large(violation);
    reader->in_frame = true;
    return NET_READ_MORE;
}

static bool is_sendable(unsigned code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static enum net_read finish_control(struct net_reader *reader, struct str *ret_payload,
                                    struct net_violation *violation)
{
    const unsigned char *bytes = (const unsigned char *)reader->control;
    reader->in_frame = false;
    *ret_payload = (struct str){reader->control, reader->control_len};
    switch (reader->first & OPCODE) {
    case OPCODE_PING:
        return NET_READ_PING;
    case OPCODE_PONG:
        return NET_READ_PONG;
    default:
        if (reader->control_len == 1 ||
            (reader->control_len && !is_sendable(bytes[0] * 256U + bytes[1])))
            return violate(violation, 1002, STATUS_PROTOCOL,
                           "a close frame came with a code that may not be sent");
        return NET_READ_CLOSE;
    }
}

static struct str take_payload(struct net_reader *reader, struct str *bytes)
{
    struct str piece =
        str_slice(*bytes, 0, reader->left < bytes->len ? (size_t)reader->left : bytes->len);
    *bytes = str_skip(*bytes, piece.len);
    reader->left -= piece.len;
    return piece;
}

static enum net_read deliver(struct net_reader *reader, struct str message, struct str *ret_payload,
                             struct net_violation *violation)
{
    reader->in_message = false;
    reader->delivered = true;
    if (!utf8_is_valid(message, NULL))
        return violate(violation, 1007, STATUS_PROTOCOL, "a message came that is not valid UTF-8");
    *ret_payload = message;
    return NET_READ_MESSAGE;
}

static enum net_read inflate_piece(struct net_reader *reader, struct str piece, bool whole,
                                   struct net_violation *violation)
{
    enum status status = net_inflate_push(reader->inflate, piece, reader->max, &reader->message);
    if (status == STATUS_OK && whole)
        status = net_inflate_end(reader->inflate, reader->max, &reader->message);
    if (status == STATUS_LIMIT)
        return too_large(violation);
    return status == STATUS_OK ? NET_READ_MORE
                               : violate(violation, 1007, STATUS_PROTOCOL,
                                         "a message came whose compression is broken");
}

static void keep_piece(struct net_reader *reader, struct str piece)
{
    struct buf *message = &reader->message;
    size_t coming = reader->left < PRESIZE_BYTES ? (size_t)reader->left : PRESIZE_BYTES;
    if (message->cap - message->len <= piece.len + coming)
        buf_reserve(message, piece.len + coming);
    buf_append(message, piece);
}

static enum net_read take_data(struct net_reader *reader, struct str *bytes,
                               struct str *ret_payload, struct net_violation *violation)
{
    struct str piece = take_payload(reader, bytes);
    bool ended = reader->left == 0, whole = ended && is_final(reader);
    bool alone = whole && !reader->in_message;
    reader->in_frame = !ended;
    if (alone && !reader->compressed)
        return deliver(reader, piece, ret_payload, violation);
    reader->in_message = true;
    if (!reader->compressed)
        keep_piece(reader, piece);
    else if (inflate_piece(reader, piece, whole, violation) == NET_READ_BAD)
        return NET_READ_BAD;
    return whole ? deliver(reader, buf_str(&reader->message), ret_payload, violation)
                 : NET_READ_MORE;
}

static enum net_read take_control(struct net_reader *reader, struct str *bytes,
                                  struct str *ret_payload, struct net_violation *violation)
{
    struct str piece = take_payload(reader, bytes);
    if (piece.len)
        memcpy(reader->control + reader->control_len, piece.ptr, piece.len);
    reader->control_len += piece.len;
    return reader->left ? NET_READ_MORE : finish_control(reader, ret_payload, violation);
}

/* What was handed out last is let go of here. */
static void forget_delivered(struct net_reader *reader)
{
    if (!reader->delivered)
        return;
    reader->delivered = false;
    buf_clear(&reader->message);
    if (reader->message.cap > KEEP_BYTES)
        buf_finish(&reader->message);
}

enum net_read net_reader_next(struct net_reader *reader, struct str *bytes, struct str *ret_payload,
                              struct net_violation *ret_violation)
{
    forget_delivered(reader);
    for (;;) {
        if (!reader->in_frame) {
            if (!take_head(reader, bytes))
                return NET_READ_MORE;
            if (start_frame(reader, ret_violation) == NET_READ_BAD)
                return NET_READ_BAD;
        }
        enum net_read got = is_control(reader)
                                ? take_control(reader, bytes, ret_payload, ret_violation)
                                : take_data(reader, bytes, ret_payload, ret_violation);
        if (got != NET_READ_MORE || reader->in_frame)
            return got;
    }
}

void net_reader_finish(struct net_reader *reader)
{
    buf_finish(&reader->message);
    net_inflate_free(reader->inflate);
    reader->inflate = NULL;
}
