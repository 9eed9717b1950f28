/* What a client's bytes mean, without sockets, clock or memory of what is beside them: frames of
 * RFC 6455, their compression (RFC 7692), heads and bodies of HTTP/1.1 (RFC 9112). Pure, and
 * fuzzed.
 */
#ifndef LANEBRIDGE_NET_CODEC_INTERNAL_H
#define LANEBRIDGE_NET_CODEC_INTERNAL_H

#include "net-internal.h"

/* -- Frames that go out */

enum { NET_FRAME_HEAD_BYTES = 14, NET_CONTROL_BYTES = 125 };
enum net_opcode {
    OPCODE_MORE = 0,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10
};
enum { FRAME_FINAL = 0x80, FRAME_COMPRESSED = 0x40 };

/* first: opcode and flags. Returns the length of the head. */
size_t net_frame_head(unsigned char ret_head[NET_FRAME_HEAD_BYTES], unsigned first, size_t len,
                      const unsigned char mask[4]);
void net_frame_mask(char *payload, size_t len, const unsigned char mask[4]);

/* -- Frames that come in */

struct net_violation {
    unsigned close_code;
    enum status status;
    char text[NET_REASON_BYTES];
};

struct net_inflate;
struct net_reader {
    size_t max;                  /* of a message, after inflating */
    struct net_inflate *inflate; /* NULL: compression was not agreed on */
    unsigned char head[NET_FRAME_HEAD_BYTES];
    size_t head_len; /* of a head that is not whole yet */
    bool in_frame, in_message, compressed, delivered;
    unsigned first;
    uint64_t left;      /* payload to come of the frame */
    struct buf message; /* of what came in several pieces */
    char control[NET_CONTROL_BYTES];
    size_t control_len;
};
enum net_read {
    NET_READ_MORE, /* the bytes are used up */
    NET_READ_MESSAGE,
    NET_READ_PING,
    NET_READ_PONG,
    NET_READ_CLOSE, /* payload: nothing, or a code that may be sent and a reason */
    NET_READ_BAD,   /* nothing may be read after this */
};
/* Takes from the front of *bytes. ret_payload borrows of the bytes or of the reader, until the next
 * call: a message that came whole is not copied. */
enum net_read net_reader_next(struct net_reader *reader, struct str *bytes, struct str *ret_payload,
                              struct net_violation *ret_violation);
void net_reader_finish(struct net_reader *reader);

/* -- Compression of messages */

struct net_inflate *net_inflate_new(void);
/* Appends; STATUS_LIMIT as soon as more than max would be in out, STATUS_PROTOCOL for rubbish. */
enum status net_inflate_push(struct net_inflate *inflate, struct str piece, size_t max,
                             struct buf *out);
enum status net_inflate_end(struct net_inflate *inflate, size_t max, struct buf *out);
void net_inflate_free(struct net_inflate *inflate);

struct net_deflate;
/* forgets: every message is compressed for itself. */
struct net_deflate *net_deflate_new(bool forgets);
void net_deflate_message(struct net_deflate *deflate, struct str message, struct buf *out);
void net_deflate_free(struct net_deflate *deflate);

/* -- Heads of answers */

struct net_head {
    struct buf bytes;
    int status;
    bool old; /* HTTP/1.0 */
};
enum net_head_result { NET_HEAD_MORE, NET_HEAD_DONE, NET_HEAD_BAD };
/* Takes the head off the front of *bytes. BAD: ret_problem says what came instead (static). */
enum net_head_result net_head_push(struct net_head *head, struct str *bytes,
                                   const char **ret_problem);
void net_head_clear(struct net_head *head);
void net_head_finish(struct net_head *head);
/* The next field from *at on (0 at first); values are trimmed. */
bool net_head_next(const struct net_head *head, size_t *at, struct str *ret_name,
                   struct str *ret_value);
/* The first of this name; empty if there is none. */
struct str net_head_get(const struct net_head *head, const char *name);
/* Whether a list of tokens has this one, in any of its fields. */
bool net_head_has(const struct net_head *head, const char *name, const char *token);

/* -- Bodies of answers */

enum net_body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_TO_END };
struct net_body {
    enum net_body_kind kind;
    int step;
    uint64_t left;
    size_t line; /* bytes of a chunk's line, or of all trailers */
};
/* False: the head contradicts itself, and ret_problem says how. */
bool net_body_init(struct net_body *body, const struct net_head *head, bool asked_for_head,
                   const char **ret_problem);
enum net_body_result { NET_BODY_MORE, NET_BODY_PIECE, NET_BODY_END, NET_BODY_BAD };
enum net_body_result net_body_next(struct net_body *body, struct str *bytes, struct str *ret_piece);

#endif
