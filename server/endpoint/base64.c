/* Base64 (RFC 4648, section 4) into bytes: of rank files and of images. */
#include <string.h>

#include "tokens-internal.h"

enum { BAD = 64, DIGITS = 64 };

static const unsigned char *digit_values(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static unsigned char values[256];
    if (values[0] == BAD)
        return values;
    memset(values, BAD, sizeof(values));
    for (unsigned char i = 0; i < DIGITS; i++)
        values[(unsigned char)digits[i]] = i;
    return values;
}

bool base64_decode(struct str text, struct buf *bytes)
{
    const unsigned char *values = digit_values(), *in = (const unsigned char *)text.ptr;
    size_t len = str_find_byte(text, '=', 0), i = 0;
    len = len == STR_NONE ? text.len : len;
    buf_reserve(bytes, len / 4 * 3 + 4);
    char *out = bytes->ptr + bytes->len;
    unsigned bad = 0;
    for (; i + 4 <= len; i += 4) {
        unsigned a = values[in[i]], b = values[in[i + 1]], c = values[in[i + 2]],
                 d = values[in[i + 3]];
        bad |= a | b | c | d;
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        *out++ = (char)(bits >> 16);
        *out++ = (char)(bits >> 8);
        *out++ = (char)bits;
    }
    uint32_t bits = 0;
    for (size_t j = i; j < len; j++) {
        bad |= values[in[j]];
        bits = bits << 6 | values[in[j]];
    }
    if (bad >= BAD || len - i == 1)
        return false;
    if (len - i == 2)
        *out++ = (char)(bits >> 4);
    if (len - i == 3) {
        *out++ = (char)(bits >> 10);
        *out++ = (char)(bits >> 2);
    }
    bytes->len = (size_t)(out - bytes->ptr);
    *out = '\0';
    return true;
}
