/* file: URIs, declared in path.h. */
#include <lanebridge/base/path.h>

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static enum status decode_percent(struct str s, struct buf *buf, struct err *err)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '?' || s.ptr[i] == '#')
            return err_set(err, STATUS_INVALID,
                           "the file URI has a query or fragment; write '%c' in a name as %s",
                           s.ptr[i], s.ptr[i] == '?' ? "%3F" : "%23");
        if (s.ptr[i] != '%') {
            buf_append_byte(buf, s.ptr[i]);
            continue;
        }
        int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
        int low = i + 2 < s.len ? hex_digit(s.ptr[i + 2]) : -1;
        if (high < 0 || low < 0)
            return err_set(err, STATUS_INVALID,
                           "the file URI has a '%%' without two hex digits; write '%%' as %%25");
        buf_append_byte(buf, (char)(high << 4 | low));
        i += 2;
    }
    return STATUS_OK;
}

/* Takes "file:" and the authority off the front, so that *uri is the path. */
static enum status skip_scheme_and_host(struct str *uri, struct err *err)
{
    size_t colon = str_find_byte(*uri, ':', 0);
    if (colon == STR_NONE || colon == 0)
        return err_set(err, STATUS_INVALID, "not a URI: expected file:///path");
    struct str scheme = str_slice(*uri, 0, colon);
    if (!str_eq_nocase(scheme, STR("file")))
        return err_set(err, STATUS_UNSUPPORTED, "the URI scheme \"%.*s\" is not file:",
                       (int)(scheme.len > 64 ? 64 : scheme.len), scheme.ptr);
    *uri = str_skip(*uri, colon + 1);
    if (!str_starts_with(*uri, STR("//")))
        return STATUS_OK;
    *uri = str_skip(*uri, 2);
    size_t slash = str_find_byte(*uri, '/', 0);
    struct str host = str_slice(*uri, 0, slash == STR_NONE ? uri->len : slash);
    if (host.len && !str_eq_nocase(host, STR("localhost")))
        return err_set(
            err, STATUS_INVALID,
            "the file URI names the host \"%.*s\"; only files of this machine can be used",
            (int)(host.len > 255 ? 255 : host.len), host.ptr);
    *uri = str_skip(*uri, host.len);
    return STATUS_OK;
}

enum status uri_to_path(struct str uri, struct buf *path, struct err *err)
{
    enum status status = skip_scheme_and_host(&uri, err);
    if (status < 0)
        return status;
    if (uri.len == 0 || uri.ptr[0] != '/')
        return err_set(err, STATUS_INVALID,
                       "the file URI has no absolute path: expected file:///path");
    struct buf decoded = {0};
    status = decode_percent(uri, &decoded, err);
    if (status == STATUS_OK)
        status = path_check(buf_str(&decoded), err);
    if (status == STATUS_OK)
        path_append_clean(path, buf_str(&decoded));
    buf_finish(&decoded);
    return status;
}

static bool stays_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~/", c));
}

void uri_append_file(struct buf *buf, struct str absolute_path)
{
    static const char digits[] = "0123456789ABCDEF";
    buf_append_c(buf, "file://");
    for (size_t i = 0; i < absolute_path.len; i++) {
        unsigned char byte = (unsigned char)absolute_path.ptr[i];
        if (stays_plain((char)byte)) {
            buf_append_byte(buf, (char)byte);
            continue;
        }
        char escaped[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        buf_append(buf, (struct str){escaped, sizeof(escaped)});
    }
}
