#include <lanebridge/base/path.h>

#include <unistd.h>

#include <lanebridge/base/limits.h>
#include <lanebridge/base/utf8.h>

enum { PATH_BYTES = 4095 }; /* PATH_MAX without its NUL */

/* Takes the last component off what was appended from `start` on. */
static void drop_component(struct buf *buf, size_t start)
{
    struct str done = str_skip(buf_str(buf), start);
    size_t slash = str_rfind_byte(done, '/');
    if (slash == STR_NONE)
        buf_truncate(buf, start);
    else
        buf_truncate(buf, start + (slash == 0 ? 1 : slash));
}

static void append_component(struct buf *buf, size_t start, struct str part, bool absolute)
{
    struct str done = str_skip(buf_str(buf), start);
    if (str_eq_c(part, "..")) {
        bool climbs = done.len == 0 || str_eq_c(path_name(done), "..");
        if (absolute || !climbs) {
            drop_component(buf, start);
            return;
        }
    }
    if (done.len > (absolute ? 1 : 0))
        buf_append_byte(buf, '/');
    buf_append(buf, part);
}

void path_append_clean(struct buf *buf, struct str path)
{
    size_t start = buf->len;
    bool absolute = path.len && path.ptr[0] == '/';
    buf_reserve(buf, path.len + 1);
    if (absolute)
        buf_append_byte(buf, '/');
    for (struct str part; str_next(&path, '/', &part);)
        if (part.len && !str_eq_c(part, "."))
            append_component(buf, start, part, absolute);
    if (buf->len == start)
        buf_append_byte(buf, '.');
}

void path_append_join(struct buf *buf, struct str base, struct str path)
{
    if (path.len && path.ptr[0] == '/') {
        path_append_clean(buf, path);
        return;
    }
    struct buf joined = {0};
    buf_append(&joined, base);
    if (base.len)
        buf_append_byte(&joined, '/');
    buf_append(&joined, path);
    path_append_clean(buf, buf_str(&joined));
    buf_finish(&joined);
}

/* "." is the folder of every relative path that does not climb. */
static bool is_under_dot(struct str path)
{
    bool absolute = path.len && path.ptr[0] == '/';
    return !absolute && !str_eq_c(path, "..") && !str_starts_with(path, STR("../"));
}

bool path_is_under(struct str path, struct str folder)
{
    if (folder.len == 0)
        return false;
    if (str_eq_c(folder, "."))
        return is_under_dot(path);
    if (!str_starts_with(path, folder))
        return false;
    return path.len == folder.len || folder.ptr[folder.len - 1] == '/' ||
           path.ptr[folder.len] == '/';
}

struct str path_relative(struct str path, struct str folder)
{
    if (str_eq(path, folder))
        return str_skip(path, path.len);
    if (str_eq_c(folder, "."))
        return path;
    struct str rest = str_skip(path, folder.len);
    return rest.len && rest.ptr[0] == '/' ? str_skip(rest, 1) : rest;
}

struct str path_name(struct str path)
{
    size_t slash = str_rfind_byte(path, '/');
    return slash == STR_NONE ? path : str_skip(path, slash + 1);
}

struct str path_folder(struct str path)
{
    size_t slash = str_rfind_byte(path, '/');
    if (slash == STR_NONE)
        return str_slice(path, 0, 0);
    return str_slice(path, 0, slash == 0 ? 1 : slash);
}

enum status path_check(struct str path, struct err *err)
{
    if (path.len == 0)
        return err_set(err, STATUS_INVALID, "the path is empty; name a file or folder");
    if (path.len > PATH_BYTES)
        return err_set(err, STATUS_INVALID, "the path has %zu bytes; at most %d are possible",
                       path.len, PATH_BYTES);
    for (size_t i = 0; i < path.len; i++) {
        unsigned char byte = (unsigned char)path.ptr[i];
        if (byte < 0x20 || byte == 0x7F)
            return err_set(err, STATUS_INVALID,
                           "the path has the control character 0x%02x at byte %zu; remove it",
                           (unsigned)byte, i);
    }
    size_t bad;
    if (!utf8_is_valid(path, &bad))
        return err_set(err, STATUS_INVALID,
                       "the path is not valid UTF-8 at byte %zu; rename the file", bad);
    return STATUS_OK;
}

bool path_append_beside_program(struct buf *buf, struct str path)
{
    char program[PATH_BYTES + 1];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program));
    if (len <= 0 || len > PATH_BYTES)
        return false;
    path_append_join(buf, path_folder((struct str){program, (size_t)len}), path);
    return true;
}
