#include "units.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a header's line, which `name` begins ("\r\nupgrade:"). */
static struct str header_of(struct str head, struct str name)
{
    for (size_t i = 0; i + name.len <= head.len; i++) {
        if (strncasecmp(head.ptr + i, name.ptr, name.len) != 0)
            continue;
        struct str rest = str_skip(head, i + name.len);
        return str_trim(str_slice(rest, 0, str_find_byte(rest, '\r', 0)));
    }
    return (struct str){0};
}

static bool next_head(struct units *units, struct str bytes, struct unit *unit)
{
    size_t end = str_find(bytes, STR("\r\n\r\n"), 0);
    if (end == STR_NONE)
        return false;
    struct str head = str_slice(bytes, 0, end + 4);
    uint64_t length = 0;
    *unit = (struct unit){.header = head.len, .total = head.len, .is_counted = true};
    unit->is_post = str_starts_with(head, STR("POST "));
    bool is_request = unit->is_post || str_starts_with(head, STR("GET "));
    bool is_websocket = str_eq_nocase(header_of(head, STR("\r\nupgrade:")), STR("websocket"));
    unit->is_upgrade = is_request && is_websocket;
    str_to_uint64(header_of(head, STR("\r\ncontent-length:")), &length);
    units->body = (size_t)length;
    if (unit->is_upgrade || str_starts_with(head, STR("HTTP/1.1 101")))
        units->mode = UNIT_FRAMES;
    else if (str_eq_nocase(header_of(head, STR("\r\ntransfer-encoding:")), STR("chunked")))
        units->mode = UNIT_CHUNKS;
    else if (length > 0)
        units->mode = UNIT_BODY;
    return true;
}

static bool next_body(struct units *units, struct str bytes, struct unit *unit)
{
    if (bytes.len < units->body)
        return false;
    *unit = (struct unit){.total = units->body, .is_counted = true};
    units->mode = UNIT_HEAD;
    return true;
}

static bool next_chunk(struct units *units, struct str bytes, struct unit *unit)
{
    size_t line = str_find(bytes, STR("\r\n"), 0);
    if (line == STR_NONE)
        return false;
    size_t size = strtoul(bytes.ptr, NULL, 16);
    *unit = (struct unit){.header = line + 2, .total = line + 2 + size + 2, .is_counted = true};
    if (bytes.len < unit->total)
        return false;
    if (size == 0)
        units->mode = UNIT_HEAD;
    return true;
}

/* RFC 6455, 5.2 */
static bool next_frame(struct str bytes, struct unit *unit)
{
    const uint8_t *head = (const uint8_t *)bytes.ptr;
    if (bytes.len < 2)
        return false;
    size_t size = head[1] & 0x7f, extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    *unit = (struct unit){.header = 2 + extra + (head[1] & 0x80 ? 4 : 0),
                          .is_counted = (head[0] & 0x0f) < 8};
    if (bytes.len < unit->header)
        return false;
    if (extra)
        size = 0;
    for (size_t i = 0; i < extra; i++)
        size = size << 8 | head[2 + i];
    unit->total = unit->header + size;
    return bytes.len >= unit->total;
}

bool units_next(struct units *units, struct str bytes, struct unit *ret_unit)
{
    switch (units->mode) {
    case UNIT_HEAD:
        return next_head(units, bytes, ret_unit);
    case UNIT_BODY:
        return next_body(units, bytes, ret_unit);
    case UNIT_CHUNKS:
        return next_chunk(units, bytes, ret_unit);
    case UNIT_FRAMES:
        return next_frame(bytes, ret_unit);
    }
    return false;
}
