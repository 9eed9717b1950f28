#include <lanebridge/base/mem.h>
#include <lanebridge/base/utf8.h>

#include <endian.h>
#include <string.h>

enum { REPLACEMENT = 0xFFFD };

/* 64 bytes at once, in a form that compilers make vectors of. */
enum { BLOCK_BYTES = 64 };

static bool is_ascii_block(const unsigned char *p)
{
    unsigned char any = 0;
    for (int i = 0; i < BLOCK_BYTES; i++)
        any |= p[i];
    return any < 0x80;
}

/* Of ASCII bytes at the front, by blocks and words. */
static size_t ascii_length(const unsigned char *p, size_t len)
{
    size_t i = 0;
    while (len - i >= BLOCK_BYTES && is_ascii_block(p + i))
        i += BLOCK_BYTES;
    for (; len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    while (i < len && p[i] < 0x80)
        i++;
    return i;
}

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Length of the well-formed character at p, 0 if there is none. Table 3-7 of the Unicode standard:
 * only the second byte has ranges narrower than 80..BF. */
static size_t char_length(const unsigned char *p, size_t len)
{
    unsigned char lead = p[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4 || len < 2)
        return 0;
    if (lead < 0xE0)
        return is_tail(p[1]) ? 2 : 0;
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    size_t need = lead < 0xF0 ? 3 : 4;
    if (len < need || !is_tail(p[2]) || !is_tail(p[need - 1]))
        return 0;
    return need;
}

/* Most text that is not ASCII is made of these, so they have a shorter way than char_length. */
static bool is_three_byte_char(const unsigned char *p, size_t len)
{
    if (len < 4)
        return false; /* a word is read */
    uint32_t word;
    memcpy(&word, p, 4);
    word = le32toh(word);
    /* These bits tell overlong forms (E0 80..9F: all clear) and surrogates (ED A0..BF). */
    uint32_t range = word & 0x200F;
    return (word & 0x00C0C0F0) == 0x008080E0 && range != 0 && range != 0x200D;
}

bool utf8_is_valid(struct str s, size_t *ret_offset)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        if (p[i] < 0x80) {
            i += ascii_length(p + i, s.len - i);
            continue;
        }
        if (is_three_byte_char(p + i, s.len - i)) {
            i += 3;
            continue;
        }
        size_t len = char_length(p + i, s.len - i);
        if (len == 0) {
            if (ret_offset)
                *ret_offset = i;
            return false;
        }
        i += len;
    }
    return true;
}

size_t utf8_decode(struct str s, uint32_t *ret_code_point)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t len = char_length(p, s.len);
    switch (len) {
    case 1:
        *ret_code_point = p[0];
        return 1;
    case 2:
        *ret_code_point = (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
        return 2;
    case 3:
        *ret_code_point = (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
        return 3;
    case 4:
        *ret_code_point =
            (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
        return 4;
    default:
        *ret_code_point = REPLACEMENT;
        return 1;
    }
}

void utf8_append(struct buf *buf, uint32_t code_point)
{
    uint32_t c = code_point;
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        c = REPLACEMENT;
    char bytes[4];
    size_t len = 0;
    if (c < 0x80) {
        bytes[len++] = (char)c;
    } else if (c < 0x800) {
        bytes[len++] = (char)(0xC0 | c >> 6);
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        bytes[len++] = (char)(0xE0 | c >> 12);
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    } else {
        bytes[len++] = (char)(0xF0 | c >> 18);
        bytes[len++] = (char)(0x80 | (c >> 12 & 0x3F));
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3F));
        bytes[len++] = (char)(0x80 | (c & 0x3F));
    }
    buf_append(buf, (struct str){bytes, len});
}

void utf8_append_repaired(struct buf *buf, struct str s)
{
    size_t bad;
    while (!utf8_is_valid(s, &bad)) {
        buf_append(buf, str_slice(s, 0, bad));
        utf8_append(buf, REPLACEMENT);
        s = str_skip(s, bad + 1);
    }
    buf_append(buf, s);
}

/* -- Terminal escape sequences (ECMA-48 section 5.4 and 5.6) -------------------------------------
 */

static size_t skip_range(struct str s, size_t i, unsigned char low, unsigned char high)
{
    while (i < s.len && (unsigned char)s.ptr[i] >= low && (unsigned char)s.ptr[i] <= high)
        i++;
    return i;
}

/* OSC, DCS, SOS, PM, APC: up to BEL or ESC \. One that is never closed ends with its line, so that
 * it cannot hide what follows. */
static size_t skip_control_string(struct str s, size_t i)
{
    for (; i < s.len && s.ptr[i] != '\n'; i++) {
        if (s.ptr[i] == '\a')
            return i + 1;
        if (s.ptr[i] == '\033')
            return i + 1 < s.len && s.ptr[i + 1] == '\\' ? i + 2 : i;
    }
    return i;
}

/* Bytes of the escape sequence at s.ptr[0], which is ESC. */
static size_t escape_length(struct str s)
{
    if (s.len < 2)
        return 1;
    char kind = s.ptr[1];
    if (kind == '[') {
        size_t i = skip_range(s, 2, 0x30, 0x3F);
        i = skip_range(s, i, 0x20, 0x2F);
        return i < s.len && s.ptr[i] >= 0x40 && s.ptr[i] <= 0x7E ? i + 1 : i;
    }
    if (kind == ']' || kind == 'P' || kind == 'X' || kind == '^' || kind == '_')
        return skip_control_string(s, 2);
    size_t i = skip_range(s, 1, 0x20, 0x2F);
    return i < s.len && s.ptr[i] >= 0x30 && s.ptr[i] <= 0x7E ? i + 1 : i;
}

/* Of the front that stays as it is: printable ASCII, tab, newline, characters from U+00A0 on. */
static size_t printable_length(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t i = 0;
    while (i < s.len) {
        if ((p[i] >= 0x20 && p[i] < 0x7F) || p[i] == '\n' || p[i] == '\t') {
            i++;
            continue;
        }
        size_t len = p[i] < 0x80 ? 0 : char_length(p + i, s.len - i);
        if (len == 0 || (p[i] == 0xC2 && p[i + 1] < 0xA0))
            break;
        i += len;
    }
    return i;
}

void utf8_append_printable(struct buf *buf, struct str s)
{
    while (s.len) {
        size_t plain = printable_length(s);
        buf_append(buf, str_slice(s, 0, plain));
        s = str_skip(s, plain);
        if (s.len == 0)
            break;
        if (s.ptr[0] == '\033') {
            s = str_skip(s, escape_length(s));
            continue;
        }
        /* A control character goes, an ill-formed byte is replaced. */
        uint32_t code;
        size_t len = utf8_decode(s, &code);
        if (code == REPLACEMENT)
            utf8_append(buf, REPLACEMENT);
        s = str_skip(s, len);
    }
}

/* Directions, joiners, fillers, tags, marks of order and separators: from, to. */
static const uint32_t shapeless[][2] = {
    {0x0000, 0x0008}, {0x000B, 0x001F},   {0x007F, 0x009F},   {0x00AD, 0x00AD},   {0x034F, 0x034F},
    {0x061C, 0x061C}, {0x115F, 0x1160},   {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x200B, 0x200F},
    {0x2028, 0x202E}, {0x2060, 0x206F},   {0x3164, 0x3164},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},
    {0xFFF0, 0xFFFB}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

static bool is_shapeless(uint32_t code)
{
    for (size_t i = 0; i < array_count(shapeless); i++)
        if (code >= shapeless[i][0] && code <= shapeless[i][1])
            return true;
    return false;
}

void utf8_append_visible(struct buf *buf, struct str s)
{
    while (s.len) {
        uint32_t code;
        size_t len = utf8_decode(s, &code);
        bool ends_line = code == '\r' && s.len > 1 && s.ptr[1] == '\n';
        if (is_shapeless(code) && !ends_line)
            buf_append_fmt(buf, "⟨U+%04X⟩", (unsigned)code);
        else
            utf8_append(buf, code);
        s = str_skip(s, len);
    }
}

void utf8_append_line(struct buf *buf, struct str s, size_t max_bytes)
{
    struct buf line = {0};
    utf8_append_visible(&line, s);
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] == '\n' || line.ptr[i] == '\t')
            line.ptr[i] = ' ';
    struct str all = buf_str(&line);
    buf_append(buf, str_slice(all, 0, utf8_floor(all, max_bytes)));
    if (all.len > max_bytes)
        buf_append_c(buf, "…");
    buf_finish(&line);
}

size_t utf8_floor(struct str s, size_t limit)
{
    if (limit >= s.len)
        return s.len;
    for (size_t back = 1; back <= 3 && back <= limit; back++) {
        size_t start = limit - back;
        if (is_tail((unsigned char)s.ptr[start]))
            continue;
        uint32_t code;
        return start + utf8_decode(str_skip(s, start), &code) > limit ? start : limit;
    }
    return limit;
}
