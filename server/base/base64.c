#include <lanebridge/base/base64.h>

#include <string.h>

enum { BAD = 64, DIGITS = 64 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static const unsigned char *digit_values(void)
{
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

void base64_append(struct buf *text, struct str bytes)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    buf_reserve(text, (bytes.len + 2) / 3 * 4 + 1);
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                        (left > 2 ? (uint32_t)in[i + 2] : 0);
        const char four[] = {digits[bits >> 18], digits[bits >> 12 & 63],
                             left > 1 ? digits[bits >> 6 & 63] : '=',
                             left > 2 ? digits[bits & 63] : '='};
        buf_append(text, (struct str){four, sizeof(four)});
    }
}
