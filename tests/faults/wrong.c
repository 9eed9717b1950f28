#include <sys/socket.h>
#include <unistd.h>

#include "proxy-internal.h"

enum {
    DRIP_BYTES = 3000,   /* go out one by one */
    COALESCED_UNITS = 4, /* wait for each other */
    COALESCE_WAIT_MS = 40,
    COMMENT_MS = 200,
};

static void append_answer(struct buf *out, unsigned status)
{
    struct buf body = {0};
    buf_append_fmt(&body,
                   "{\"error\":{\"type\":\"proxy_error\",\"code\":null,\"param\":null,"
                   "\"message\":\"The proxy says %u.\"}}",
                   status);
    buf_append_fmt(out,
                   "HTTP/1.1 %u From the proxy\r\ncontent-type: application/json\r\n"
                   "retry-after: 1\r\ncontent-length: %zu\r\nconnection: close\r\n\r\n%s",
                   status, body.len, body.ptr);
    buf_finish(&body);
}

void wrong_answer(struct link *link, unsigned status)
{
    append_answer(&link->pump[TO_CLIENT].out, status);
    link->pump[TO_CLIENT].then = FAULT_HALF_CLOSE;
    link->pump[TO_SERVER].muted = true;
}

bool wrong_block_upgrade(struct proxy *proxy, struct link *link)
{
    if (!proxy->is_blocking)
        return false;
    switch (proxy->fault.kind) {
    case FAULT_BUSY:
        proxy->is_blocking = false;
        wrong_answer(link, proxy->fault.argument);
        return true;
    case FAULT_REFUSE:
        wrong_answer(link, proxy->fault.argument);
        return true;
    case FAULT_MUTE:
        link->pump[TO_SERVER].stalled = true;
        return true;
    case FAULT_DEAF:
        link->is_deaf = true;
        return false;
    default:
        link_end(link, true);
        return true;
    }
}

static void append_frame(struct buf *out, enum direction direction, unsigned opcode,
                         struct str payload)
{
    bool masks = direction == TO_SERVER;
    buf_append_byte(out, (char)(0x80 | opcode));
    buf_append_byte(out, (char)((masks ? 0x80 : 0) | payload.len));
    if (masks) /* by zeros */
        buf_append(out, STR("\0\0\0\0"));
    buf_append(out, payload);
}

static void append_garbage(const struct proxy *proxy, const struct pump *pump, struct buf *out)
{
    enum place place = proxy->fault.place;
    bool is_border = place == PLACE_BEFORE || place == PLACE_AFTER;
    if (pump->units.mode == UNIT_FRAMES && is_border)
        append_frame(out, proxy->fault.direction, 1, STR("this is no JSON"));
    else
        buf_append(out, STR("\xff\xfe\x00\x13garbage\r\n\xf1\xf2"));
}

static void append_close(struct buf *out, enum direction direction, unsigned code)
{
    char bytes[2] = {(char)(code >> 8), (char)code};
    append_frame(out, direction, 8, (struct str){bytes, code == 1005 ? 0 : 2});
}

static size_t offset_of(enum place place, const struct unit *unit)
{
    size_t payload = unit->total - unit->header;
    size_t header = unit->header ? unit->header : unit->total;
    switch (place) {
    case PLACE_HEADER:
        return header > 1 ? header / 2 : 0;
    case PLACE_PAYLOAD:
        return payload ? unit->header + payload / 2 : unit->total - 1;
    case PLACE_AFTER:
        return unit->total;
    default:
        return 0;
    }
}

void wrong_fire(struct proxy *proxy, struct pump *pump, const struct unit *unit)
{
    const struct fault *fault = &proxy->fault;
    size_t offset = offset_of(fault->place, unit);
    proxy->counts.fired = true;
    buf_append(&pump->out, str_slice(buf_str(&pump->in), 0, offset));
    buf_remove_front(&pump->in, offset);
    pump->raw_left = unit->total - offset;
    switch (fault->kind) {
    case FAULT_DELAY:
        pump->held_until = now_ms() + fault->argument;
        break;
    case FAULT_SPLIT:
        pump->drip = DRIP_BYTES;
        break;
    case FAULT_COALESCE:
        pump->held_until = now_ms() + COALESCE_WAIT_MS;
        pump->held_units = COALESCED_UNITS;
        break;
    case FAULT_STALL:
        pump->stalled = pump->muted = true;
        break;
    case FAULT_GARBAGE:
        append_garbage(proxy, pump, &pump->out);
        break;
    case FAULT_COMMENTS: /* they stand between chunks, not before a head */
        if (unit->header == unit->total)
            break;
        pump->held_until = now_ms() + fault->argument;
        pump->comment_at = now_ms();
        break;
    case FAULT_INTERRUPT:
        pump->is_kept = proxy->is_holding = true;
        break;
    case FAULT_CLOSE:
        append_close(&pump->out, fault->direction, fault->argument);
        pump->muted = true;
        break;
    default:
        pump->then = fault->kind;
    }
}

void wrong_go_through_with(struct proxy *proxy, struct link *link, enum direction direction)
{
    enum fault_kind kind = link->pump[direction].then;
    link->pump[direction].then = FAULT_NONE;
    switch (kind) {
    case FAULT_CUT:
        link_end(link, false);
        break;
    case FAULT_ORPHAN:
        link_reset_client(link);
        link->pump[TO_CLIENT].muted = true;
        link->pump[TO_SERVER].stalled = link->pump[TO_SERVER].muted = true;
        break;
    case FAULT_HALF_CLOSE:
        shutdown(link->fd[direction], SHUT_WR);
        link->pump[direction].muted = link->pump[direction].shut = true;
        break;
    case FAULT_REFUSE:
    case FAULT_BUSY:
    case FAULT_MUTE:
    case FAULT_DROP:
    case FAULT_DEAF:
        proxy->is_blocking = !proxy->is_calm;
        link_end(link, true);
        break;
    default:
        link_end(link, true);
    }
}

void wrong_comment(struct pump *pump)
{
    if (!pump->comment_at || now_ms() < pump->comment_at)
        return;
    buf_append_c(&pump->out, "e\r\n: keep-alive\n\n\r\n");
    pump->comment_at = now_ms() + COMMENT_MS;
}

bool wrong_is_due(const struct proxy *proxy, enum direction direction, unsigned index)
{
    const struct fault *fault = &proxy->fault;
    return fault->kind != FAULT_NONE && fault->kind != FAULT_DEAD && !proxy->counts.fired &&
           !proxy->is_calm && fault->direction == direction && fault->unit == index;
}

bool wrong_from_the_start(const struct fault *fault)
{
    return fault->kind >= FAULT_REFUSE && fault->kind <= FAULT_DEAF && fault->unit == 0 &&
           fault->place == PLACE_BEFORE && fault->direction == TO_SERVER;
}
