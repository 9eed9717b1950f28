#include <assert.h>
#include <string.h>

#include "server-internal.h"

/* How much of a message's announced length is taken on trust before its bytes have come. */
enum { PRESIZE_BYTES = 8 * 1024 * 1024, KEEP_BYTES = 256 * 1024 };

/* One outgoing message: LWS_PRE bytes of room for the frame's head, then the text. */
struct net_frame {
    struct net_frame *next;
    struct buf bytes;
    size_t sent;
};

static size_t payload_len(const struct net_frame *frame)
{
    return frame->bytes.len - LWS_PRE;
}

static void drop_first(struct net_frames *frames)
{
    struct net_frame *frame = frames->first;
    frames->first = frame->next;
    if (!frames->first)
        frames->last = NULL;
    buf_finish(&frame->bytes);
    mem_free(frame);
}

void net_frames_finish(struct net_frames *frames)
{
    while (frames->first)
        drop_first(frames);
    buf_finish(&frames->incoming);
    frames->queued = 0;
}

/* One frame, or one fragment of a message above NET_FRAME_BYTES. A fragment's head overwrites the
 * end of the one before, which is gone by then: what the socket did not take the library copied. */
static bool write_one(struct net_frames *frames, struct lws *wsi)
{
    struct net_frame *frame = frames->first;
    size_t rest = payload_len(frame) - frame->sent;
    size_t size = payload_len(frame) > NET_FRAME_BYTES && rest > NET_FRAGMENT_BYTES
                      ? NET_FRAGMENT_BYTES
                      : rest;
    int flags = lws_write_ws_flags(LWS_WRITE_TEXT, frame->sent == 0, size == rest);
    unsigned char *start = (unsigned char *)frame->bytes.ptr + LWS_PRE + frame->sent;
    if (lws_write(wsi, start, size, (enum lws_write_protocol)flags) < (int)size)
        return false;
    frame->sent += size;
    frames->queued -= size;
    if (size == rest)
        drop_first(frames);
    return true;
}

static bool write_ping(struct net_frames *frames, struct lws *wsi)
{
    unsigned char room[LWS_PRE + 1];
    frames->ping = false;
    return lws_write(wsi, room + LWS_PRE, 0, LWS_WRITE_PING) >= 0;
}

/* Writes while the socket takes it. The library wants to be asked one write at a time because it
 * keeps what the socket refuses; lws_send_pipe_choked says when that has happened. */
static bool write_some(struct net_frames *frames, struct lws *wsi)
{
    for (;;) {
        if (frames->ping && !write_ping(frames, wsi))
            return false;
        if (!frames->first)
            return true;
        if (!write_one(frames, wsi))
            return false;
        if (!frames->first)
            return true;
        if (lws_send_pipe_choked(wsi)) {
            lws_callback_on_writable(wsi);
            return true;
        }
    }
}

bool net_frames_flush(struct net_frames *frames, struct lws *wsi)
{
    return write_some(frames, wsi);
}

/* Outside WRITEABLE: a failure is left to the WRITEABLE that follows, where it may be reported. */
static void write_early(struct net_frames *frames, struct lws *wsi)
{
    if (lws_partial_buffered(wsi) || !write_some(frames, wsi))
        lws_callback_on_writable(wsi);
}

enum status net_frames_push(struct net_frames *frames, struct lws *wsi, struct buf *message)
{
    /* One message as large as an event may be goes out where little stands before it. */
    bool is_short = frames->queued <= LIMIT_ENDPOINT_UNREAD_BYTES;
    if (frames->queued + message->len > (is_short ? LIMIT_EVENT_BYTES : LIMIT_WS_QUEUE_BYTES))
        return STATUS_LIMIT;
    struct net_frame *frame = mem_new(struct net_frame);
    size_t len = message->len;
    buf_reserve(message, LWS_PRE);
    memmove(message->ptr + LWS_PRE, message->ptr, len);
    message->len += LWS_PRE;
    buf_move(&frame->bytes, message);
    frames->queued += len;
    bool idle = !frames->first;
    if (idle)
        frames->first = frame;
    else
        frames->last->next = frame;
    frames->last = frame;
    if (wsi && idle)
        write_early(frames, wsi);
    return STATUS_OK;
}

void net_frames_ping(struct net_frames *frames, struct lws *wsi)
{
    frames->ping = true;
    if (wsi && !frames->first)
        write_early(frames, wsi);
}

/* -- Receiving --------------------------------------------------------------------------------- */

static enum net_received violate(struct net_violation *violation, unsigned code, enum status status,
                                 const char *text)
{
    *violation = (struct net_violation){.close_code = code, .status = status};
    snprintf(violation->text, sizeof(violation->text), "%s", text);
    return NET_RECEIVED_BAD;
}

static enum net_received check_whole(const struct net_frames *frames, struct str message,
                                     struct str *ret_message, struct net_violation *ret_violation)
{
    if (frames->binary)
        return violate(ret_violation, 1003, STATUS_PROTOCOL,
                       "a binary message came, only text is understood");
    if (!utf8_is_valid(message, NULL))
        return violate(ret_violation, 1007, STATUS_PROTOCOL,
                       "a message came that is not valid UTF-8");
    *ret_message = message;
    return NET_RECEIVED_MESSAGE;
}

enum net_received net_frames_receive(struct net_frames *frames, struct lws *wsi, const void *in,
                                     size_t len, struct str *ret_message,
                                     struct net_violation *ret_violation)
{
    size_t rest = lws_remaining_packet_payload(wsi); /* of the frame, not of the message */
    bool whole = lws_is_final_fragment(wsi) && rest == 0;
    bool first = !frames->in_message;
    if (first) {
        buf_clear(&frames->incoming);
        if (frames->incoming.cap > KEEP_BYTES)
            buf_finish(&frames->incoming);
        frames->binary = lws_frame_is_binary(wsi);
    }
    frames->in_message = !whole;
    if (len + rest > frames->max || frames->incoming.len > frames->max - len - rest)
        return violate(ret_violation, 1009, STATUS_LIMIT,
                       "a message came that is larger than the limit (endpoint.maxEventBytes)");
    struct str piece = {in, len};
    if (first && whole)
        return check_whole(frames, piece, ret_message, ret_violation);
    if (rest && frames->incoming.cap - frames->incoming.len <= len + rest)
        buf_reserve(&frames->incoming, len + (rest < PRESIZE_BYTES ? rest : PRESIZE_BYTES));
    buf_append(&frames->incoming, piece);
    if (!whole)
        return NET_RECEIVED_PART;
    return check_whole(frames, buf_str(&frames->incoming), ret_message, ret_violation);
}
