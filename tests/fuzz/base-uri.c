/* file: URIs, beside the plainest reading of RFC 8089: cut into scheme, host and path, then decoded
 * byte by byte, once, and cleaned component by component. */
#include <string.h>

#include <lanebridge/base.h>

#include "fuzz.h"

enum { PARTS_MAX = 4096 };

static int digit(char c)
{
    const char *at = c ? strchr("0123456789abcdef", c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
    return at ? (int)(at - "0123456789abcdef") : -1;
}

static bool decode(struct str s, struct buf *out)
{
    for (; s.len > 0; s = str_skip(s, 1)) {
        if (strchr("?#", s.ptr[0]) && s.ptr[0])
            return false;
        if (s.ptr[0] != '%') {
            buf_append_byte(out, s.ptr[0]);
            continue;
        }
        if (s.len < 3 || digit(s.ptr[1]) < 0 || digit(s.ptr[2]) < 0)
            return false;
        buf_append_byte(out, (char)(digit(s.ptr[1]) * 16 + digit(s.ptr[2])));
        s = str_skip(s, 2);
    }
    return true;
}

static bool clean(struct str path, struct buf *out)
{
    struct str parts[PARTS_MAX], part;
    size_t count = 0;
    while (str_next(&path, '/', &part)) {
        if (str_eq_c(part, "..")) {
            count -= count > 0;
        } else if (part.len > 0 && !str_eq_c(part, ".")) {
            if (count == PARTS_MAX)
                return false;
            parts[count++] = part;
        }
    }
    for (size_t i = 0; i < count; i++) {
        buf_append_byte(out, '/');
        buf_append(out, parts[i]);
    }
    if (count == 0)
        buf_append_byte(out, '/');
    return true;
}

/* False for what is no URI of a file of this machine. */
static bool read_uri(struct str uri, struct buf *out)
{
    struct buf decoded = {0};
    if (!str_eq_nocase(str_slice(uri, 0, 5), STR("file:")))
        return false;
    uri = str_skip(uri, 5);
    if (str_starts_with(uri, STR("//"))) {
        uri = str_skip(uri, 2);
        size_t slash = str_find_byte(uri, '/', 0);
        struct str host = str_slice(uri, 0, slash == STR_NONE ? uri.len : slash);
        if (host.len > 0 && !str_eq_nocase(host, STR("localhost")))
            return false;
        uri = str_skip(uri, host.len);
    }
    bool good = uri.len > 0 && uri.ptr[0] == '/' && decode(uri, &decoded) &&
                path_check(buf_str(&decoded), NULL) == STATUS_OK && clean(buf_str(&decoded), out);
    buf_finish(&decoded);
    return good;
}

static void check_back(struct str path)
{
    struct buf formed = {0}, back = {0};
    uri_append_file(&formed, path);
    for (size_t i = 0; i < formed.len; i++)
        FUZZ_CHECK(formed.ptr[i] > ' ' && formed.ptr[i] < 0x7F);
    FUZZ_CHECK(read_uri(buf_str(&formed), &back) && str_eq(buf_str(&back), path));
    buf_finish(&formed);
    buf_finish(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str uri = {(const char *)data, size};
    struct buf path = {0}, wanted = {0};
    struct err err = {0};
    enum status status = uri_to_path(uri, &path, &err);
    if (size < PARTS_MAX)
        FUZZ_CHECK((status == STATUS_OK) == read_uri(uri, &wanted));
    if (status == STATUS_OK) {
        FUZZ_CHECK(size >= PARTS_MAX || str_eq(buf_str(&path), buf_str(&wanted)));
        check_back(buf_str(&path));
    } else {
        FUZZ_CHECK(path.len == 0 && err.text[0]);
    }
    buf_finish(&path);
    buf_finish(&wanted);
    return 0;
}
