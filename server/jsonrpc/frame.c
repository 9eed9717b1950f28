/* The reader of frames. A header is taken line by line into a small buffer; a body that arrives
 * whole is handed on where it lies, else it is collected once, in a buffer of its own. */
#include <lanebridge/jsonrpc.h>

#include <stdlib.h>

#define KEEP_BODY_BYTES MIB /* a larger buffer is given back after its message */
#define RESYNC_PIECE_BYTES ((size_t)4096)
#define LENGTH_HEADER STR("Content-Length:")

enum state {
    FRAME_HEADER,
    FRAME_BODY,
    FRAME_SKIP,   /* a body over the cap */
    FRAME_RESYNC, /* after a bad header: looking for the next LENGTH_HEADER */
};

struct jsonrpc_frames {
    struct jsonrpc_frame_handlers handlers;
    void *user;
    size_t max_body_bytes;
    enum state state;
    struct buf line;     /* FRAME_HEADER: the unfinished line. FRAME_RESYNC: an unfinished match */
    size_t header_bytes; /* of this block so far */
    bool has_length, has_lines;
    bool has_reported; /* one report for each stretch of rubbish */
    uint64_t length, got;
    struct buf body; /* unfinished body, or the head of a skipped one */
    struct buf tail; /* of a skipped one */
    bool pushing, freed;
};

static void set_state(struct jsonrpc_frames *frames, enum state state)
{
    static const unsigned char may_follow[] = {
        [FRAME_HEADER] = 1 << FRAME_HEADER | 1 << FRAME_BODY | 1 << FRAME_SKIP | 1 << FRAME_RESYNC,
        [FRAME_BODY] = 1 << FRAME_HEADER,
        [FRAME_SKIP] = 1 << FRAME_HEADER,
        [FRAME_RESYNC] = 1 << FRAME_HEADER,
    };
    if (!(may_follow[frames->state] & 1 << state))
        abort();
    frames->state = state;
}

struct jsonrpc_frames *jsonrpc_frames_new(size_t max_body_bytes,
                                          const struct jsonrpc_frame_handlers *handlers, void *user)
{
    struct jsonrpc_frames *frames = mem_new(struct jsonrpc_frames);
    frames->handlers = *handlers;
    frames->user = user;
    frames->max_body_bytes = max_body_bytes;
    return frames;
}

static void destroy(struct jsonrpc_frames *frames)
{
    buf_finish(&frames->line);
    buf_finish(&frames->body);
    buf_finish(&frames->tail);
    mem_free(frames);
}

void jsonrpc_frames_free(struct jsonrpc_frames *frames)
{
    if (!frames)
        return;
    frames->freed = true;
    if (!frames->pushing)
        destroy(frames);
}

static struct str take(struct str *rest, uint64_t count)
{
    struct str piece = str_slice(*rest, 0, count < rest->len ? (size_t)count : rest->len);
    *rest = str_skip(*rest, piece.len);
    return piece;
}

/* -- Header ----------------------------------------------------------------------------------- */

static void begin_header(struct jsonrpc_frames *frames)
{
    buf_clear(&frames->line);
    frames->header_bytes = 0;
    frames->has_length = frames->has_lines = false;
    set_state(frames, FRAME_HEADER);
}

static size_t find_length_header(struct str text, size_t from)
{
    for (size_t i = from; i + LENGTH_HEADER.len <= text.len; i++)
        if (str_eq_nocase(str_slice(text, i, i + LENGTH_HEADER.len), LENGTH_HEADER))
            return i;
    return STR_NONE;
}

static enum status read_length(struct jsonrpc_frames *frames, struct str value, struct err *err)
{
    uint64_t length;
    if (!str_to_uint64(value, &length) || length > LIMIT_LSP_SKIP_BYTES)
        return err_set(err, STATUS_INVALID,
                       "Content-Length \"%.*s\" is no length: send the body's bytes as a decimal "
                       "number",
                       (int)(value.len < 40 ? value.len : 40), value.ptr ? value.ptr : "");
    if (frames->has_length && frames->length != length)
        return err_set(err, STATUS_INVALID,
                       "Two Content-Length headers disagree: send one for each message");
    frames->has_length = true;
    frames->length = length;
    return STATUS_OK;
}

static enum status end_header(struct jsonrpc_frames *frames, struct err *err)
{
    if (!frames->has_lines) { /* blank lines between messages do no harm */
        begin_header(frames);
        return STATUS_OK;
    }
    if (!frames->has_length)
        return err_set(err, STATUS_INVALID,
                       "A header block has no Content-Length: send one before "
                       "each message");
    frames->has_reported = false;
    frames->got = 0;
    buf_clear(&frames->line);
    set_state(frames, frames->length > frames->max_body_bytes ? FRAME_SKIP : FRAME_BODY);
    return STATUS_OK;
}

/* Headers that are not ours (Content-Type) are passed over. */
static enum status read_line(struct jsonrpc_frames *frames, struct err *err)
{
    struct str line = str_trim_end(buf_str(&frames->line));
    if (line.len == 0)
        return end_header(frames, err);
    size_t colon = str_find_byte(line, ':', 0);
    if (colon == STR_NONE || colon == 0)
        return err_set(err, STATUS_INVALID,
                       "A header line has no name and colon: send "
                       "\"Content-Length: N\", a blank line, and the body");
    frames->has_lines = true;
    struct str name = str_slice(line, 0, colon + 1);
    enum status status = STATUS_OK;
    if (str_eq_nocase(name, LENGTH_HEADER))
        status = read_length(frames, str_trim(str_skip(line, name.len)), err);
    else if (find_length_header(line, 1) != STR_NONE)
        status = err_set(err, STATUS_INVALID,
                         "There is rubbish before a Content-Length header: "
                         "write nothing but messages to this stream");
    if (status == STATUS_OK)
        buf_clear(&frames->line);
    return status;
}

static enum status check_line(struct jsonrpc_frames *frames, struct err *err)
{
    if (frames->header_bytes > LIMIT_LSP_HEADER_BYTES)
        return err_set(err, STATUS_LIMIT,
                       "A header block is longer than %zu bytes: send "
                       "\"Content-Length: N\", a blank line, and the body",
                       (size_t)LIMIT_LSP_HEADER_BYTES);
    struct str line = buf_str(&frames->line);
    if (line.len == 0 || line.ptr[line.len - 1] != '\n')
        return STATUS_OK; /* not whole yet */
    return read_line(frames, err);
}

static void report(struct jsonrpc_frames *frames, const struct err *err)
{
    bool is_first = !frames->has_reported;
    frames->has_reported = true;
    if (is_first)
        frames->handlers.on_bad_header(frames->user, err);
}

/* Takes what the line holds. A bad one may hide the header of the next message further on. */
static void settle_line(struct jsonrpc_frames *frames)
{
    struct err err;
    while (!frames->freed && check_line(frames, &err) < 0) {
        size_t next = find_length_header(buf_str(&frames->line), 1);
        size_t tail = LENGTH_HEADER.len - 1;
        if (next == STR_NONE) {
            set_state(frames, FRAME_RESYNC);
            if (frames->line.len > tail)
                buf_remove_front(&frames->line, frames->line.len - tail);
        } else {
            buf_remove_front(&frames->line, next);
            frames->header_bytes = frames->line.len;
            frames->has_length = frames->has_lines = false;
        }
        report(frames, &err);
        if (next == STR_NONE)
            return;
    }
}

static void finish_body(struct jsonrpc_frames *frames);

static void step_header(struct jsonrpc_frames *frames, struct str *rest)
{
    size_t end = str_find_byte(*rest, '\n', 0);
    size_t room = LIMIT_LSP_HEADER_BYTES + 1 - frames->header_bytes;
    size_t count = end == STR_NONE ? rest->len : end + 1;
    struct str piece = take(rest, count < room ? count : room);
    frames->header_bytes += piece.len;
    buf_append(&frames->line, piece);
    settle_line(frames);
    if (!frames->freed && frames->state == FRAME_BODY && frames->length == 0)
        finish_body(frames);
}

static void step_resync(struct jsonrpc_frames *frames, struct str *rest)
{
    size_t before = frames->line.len;
    struct str piece = str_slice(*rest, 0, RESYNC_PIECE_BYTES);
    buf_append(&frames->line, piece);
    size_t found = find_length_header(buf_str(&frames->line), 0);
    if (found == STR_NONE) {
        size_t tail = LENGTH_HEADER.len - 1;
        if (frames->line.len > tail)
            buf_remove_front(&frames->line, frames->line.len - tail);
        take(rest, piece.len);
        return;
    }
    take(rest, found + LENGTH_HEADER.len - before);
    begin_header(frames);
    buf_append(&frames->line, LENGTH_HEADER);
    frames->header_bytes = LENGTH_HEADER.len;
}

/* -- Body ------------------------------------------------------------------------------------- */

/* The next header begins before the callback, which may free us; the memory stays until push ends.
 */
static void finish_body(struct jsonrpc_frames *frames)
{
    begin_header(frames);
    frames->handlers.on_body(frames->user, buf_str(&frames->body));
    if (frames->body.cap > KEEP_BODY_BYTES)
        buf_finish(&frames->body);
    else
        buf_clear(&frames->body);
}

static void step_body(struct jsonrpc_frames *frames, struct str *rest)
{
    if (frames->got == 0 && rest->len >= frames->length) {
        struct str body = take(rest, frames->length);
        begin_header(frames);
        frames->handlers.on_body(frames->user, body);
        return;
    }
    if (frames->got == 0)
        buf_reserve(&frames->body, (size_t)frames->length);
    struct str piece = take(rest, frames->length - frames->got);
    buf_append(&frames->body, piece);
    frames->got += piece.len;
    if (frames->got == frames->length)
        finish_body(frames);
}

static struct str last_bytes(struct str text, size_t count)
{
    return str_skip(text, text.len > count ? text.len - count : 0);
}

/* Trimmed at twice its size, so that single bytes cost little. */
static void keep_tail(struct buf *tail, struct str piece)
{
    buf_append(tail, last_bytes(piece, LIMIT_LSP_TAIL_BYTES));
    if (tail->len > 2 * LIMIT_LSP_TAIL_BYTES)
        buf_remove_front(tail, tail->len - LIMIT_LSP_TAIL_BYTES);
}

static void step_skip(struct jsonrpc_frames *frames, struct str *rest)
{
    struct str piece = take(rest, frames->length - frames->got);
    frames->got += piece.len;
    buf_append(&frames->body, str_slice(piece, 0, LIMIT_LSP_HEAD_BYTES - frames->body.len));
    keep_tail(&frames->tail, piece);
    if (frames->got < frames->length)
        return;
    begin_header(frames);
    frames->handlers.on_oversize(frames->user, buf_str(&frames->body),
                                 last_bytes(buf_str(&frames->tail), LIMIT_LSP_TAIL_BYTES),
                                 frames->length);
    buf_clear(&frames->body);
    buf_clear(&frames->tail);
}

void jsonrpc_frames_push(struct jsonrpc_frames *frames, struct str bytes)
{
    static void (*const steps[])(struct jsonrpc_frames *, struct str *) = {
        [FRAME_HEADER] = step_header,
        [FRAME_BODY] = step_body,
        [FRAME_SKIP] = step_skip,
        [FRAME_RESYNC] = step_resync,
    };
    frames->pushing = true;
    while (bytes.len > 0 && !frames->freed)
        steps[frames->state](frames, &bytes);
    frames->pushing = false;
    if (frames->freed)
        destroy(frames);
}
