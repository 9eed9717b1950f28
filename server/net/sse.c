#include <string.h>

#include <lanebridge/net.h>

/* Lines end in LF, CR or CRLF and may be torn anywhere. `line` holds a line's beginning when its
 * end has not come yet; whole lines are read where they stand. */
struct net_sse {
    size_t max;
    net_sse_fn *on_event;
    void *user;
    struct buf line, event, data;
    bool has_data;
    bool after_cr;       /* the next byte, if LF, belongs to the line that ended */
    size_t bom_seen;     /* bytes of a byte order mark at the start; SIZE_MAX: past the start */
    bool pushing, freed; /* freed by its own callback: released when push returns */
    enum status failed;
};

enum { FIELD_NAME_BYTES = 64 }; /* of a line, beside what counts against the limit */

static const char bom[] = "\xEF\xBB\xBF";

struct net_sse *net_sse_new(size_t max_event_bytes, net_sse_fn *on_event, void *user)
{
    struct net_sse *sse = mem_new(struct net_sse);
    sse->max = max_event_bytes;
    sse->on_event = on_event;
    sse->user = user;
    return sse;
}

static void release(struct net_sse *sse)
{
    buf_finish(&sse->line);
    buf_finish(&sse->event);
    buf_finish(&sse->data);
    mem_free(sse);
}

void net_sse_free(struct net_sse *sse)
{
    if (!sse)
        return;
    sse->freed = true;
    if (!sse->pushing)
        release(sse);
}

static void dispatch(struct net_sse *sse)
{
    if (sse->has_data) {
        struct str event = sse->event.len ? buf_str(&sse->event) : STR("message");
        sse->on_event(sse->user, event, buf_str(&sse->data));
    }
    sse->has_data = false;
    buf_clear(&sse->event);
    buf_clear(&sse->data);
}

static void take_field(struct net_sse *sse, struct str name, struct str value)
{
    if (str_eq_c(name, "data")) {
        if (sse->has_data)
            buf_append_byte(&sse->data, '\n');
        buf_append(&sse->data, value);
        sse->has_data = true;
    } else if (str_eq_c(name, "event")) {
        buf_clear(&sse->event);
        buf_append(&sse->event, value);
    } /* id and retry are about reconnecting, which is not done here */
}

static void take_line(struct net_sse *sse, struct str line)
{
    if (line.len == 0) {
        dispatch(sse);
        return;
    }
    size_t colon = str_find_byte(line, ':', 0);
    if (colon == 0)
        return; /* a comment: keeps the connection alive */
    struct str name = str_slice(line, 0, colon == STR_NONE ? line.len : colon);
    struct str value = colon == STR_NONE ? (struct str){0} : str_skip(line, colon + 1);
    if (value.len && value.ptr[0] == ' ')
        value = str_skip(value, 1);
    if (sse->data.len + sse->event.len + value.len > sse->max) {
        sse->failed = STATUS_LIMIT;
        return;
    }
    take_field(sse, name, value);
}

/* A byte order mark is dropped at the very start, also when it comes torn. */
static struct str skip_bom(struct net_sse *sse, struct str bytes)
{
    while (sse->bom_seen != SIZE_MAX && bytes.len) {
        if (bytes.ptr[0] != bom[sse->bom_seen]) {
            buf_append(&sse->line, (struct str){bom, sse->bom_seen});
            sse->bom_seen = SIZE_MAX;
            break;
        }
        bytes = str_skip(bytes, 1);
        if (++sse->bom_seen == sizeof(bom) - 1)
            sse->bom_seen = SIZE_MAX;
    }
    return bytes;
}

static size_t find_line_end(struct str bytes)
{
    size_t lf = str_find_byte(bytes, '\n', 0);
    size_t cr = str_find_byte(str_slice(bytes, 0, lf == STR_NONE ? bytes.len : lf), '\r', 0);
    return cr != STR_NONE ? cr : lf;
}

static struct str push_line(struct net_sse *sse, struct str bytes)
{
    size_t end = find_line_end(bytes);
    struct str line = str_slice(bytes, 0, end == STR_NONE ? bytes.len : end);
    if (sse->line.len + line.len > sse->max + FIELD_NAME_BYTES) {
        sse->failed = STATUS_LIMIT;
        return (struct str){0};
    }
    if (end == STR_NONE) {
        buf_append(&sse->line, line);
        return (struct str){0};
    }
    sse->after_cr = bytes.ptr[end] == '\r';
    if (sse->line.len == 0) {
        take_line(sse, line);
    } else {
        struct buf whole = {0};
        buf_append(&sse->line, line);
        buf_move(&whole, &sse->line);
        take_line(sse, buf_str(&whole));
        buf_clear(&whole);
        buf_move(&sse->line, &whole); /* keeps the memory for the next torn line */
    }
    return str_skip(bytes, end + 1);
}

enum status net_sse_push(struct net_sse *sse, struct str bytes)
{
    if (sse->failed < 0)
        return sse->failed;
    sse->pushing = true;
    bytes = skip_bom(sse, bytes);
    while (bytes.len && sse->failed == STATUS_OK && !sse->freed) {
        if (sse->after_cr && bytes.ptr[0] == '\n')
            bytes = str_skip(bytes, 1);
        sse->after_cr = false;
        if (bytes.len)
            bytes = push_line(sse, bytes);
    }
    sse->pushing = false;
    if (sse->freed) {
        release(sse);
        return STATUS_CLOSED;
    }
    return sse->failed;
}
