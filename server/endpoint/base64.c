/* Base64 (RFC 4648, section 4) into bytes: of rank files and of images. */
#include "tokens-internal.h"

enum { PAD = 64, BAD = 65 };

static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? PAD : BAD;
}

bool base64_decode(struct str text, struct buf *bytes)
{
    size_t start = bytes->len;
    uint32_t bits = 0;
    unsigned count = 0;
    text = str_slice(text, 0, str_find_byte(text, '=', 0));
    buf_reserve(bytes, text.len / 4 * 3 + 3);
    for (size_t i = 0; i < text.len; i++) {
        unsigned value = value_of(text.ptr[i]);
        if (value == BAD)
            break;
        bits = bits << 6 | value;
        if (++count % 4 == 0)
            buf_append(bytes, (struct str){
                                  (char[]){(char)(bits >> 16), (char)(bits >> 8), (char)bits}, 3});
    }
    if (count != text.len || count % 4 == 1) {
        buf_truncate(bytes, start);
        return false;
    }
    if (count % 4 == 2)
        buf_append_byte(bytes, (char)(bits >> 4));
    if (count % 4 == 3)
        buf_append(bytes, (struct str){(char[]){(char)(bits >> 10), (char)(bits >> 2)}, 2});
    return true;
}
