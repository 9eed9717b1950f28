#include <lanebridge/base/log.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <lanebridge/base/mem.h>
#include <lanebridge/base/utf8.h>

enum { LINE_BYTES = 2048, REPORT_BYTES = 64, ESCAPE_BYTES = 4 };

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

/* Atomic because worker threads may log too. */
static _Atomic enum log_level current_level = LOG_INFO;
static atomic_uint dropped;

void log_set_level(enum log_level level)
{
    current_level = level;
}

enum log_level log_get_level(void)
{
    return current_level;
}

bool log_level_parse(struct str name, enum log_level *ret_level)
{
    for (size_t i = 0; i < array_count(level_names); i++) {
        if (str_eq_c(name, level_names[i])) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Copies text with control characters and ill-formed bytes as \xNN; gives the bytes written. */
static size_t copy_visible(char *out, size_t room, struct str text)
{
    size_t used = 0;
    while (text.len && used + ESCAPE_BYTES < room) {
        uint32_t code;
        size_t len = utf8_decode(text, &code);
        bool ill_formed = len == 1 && (unsigned char)text.ptr[0] >= 0x80;
        if (ill_formed || code < 0x20 || (code >= 0x7F && code < 0xA0)) {
            for (size_t i = 0; i < len && used + ESCAPE_BYTES < room; i++)
                used += (size_t)snprintf(out + used, room - used, "\\x%02x",
                                         (unsigned)(unsigned char)text.ptr[i]);
        } else {
            for (size_t i = 0; i < len; i++)
                out[used++] = text.ptr[i];
        }
        text = str_skip(text, len);
    }
    return used;
}

/* What is written is shorter than PIPE_BUF, so a pipe that polls writable takes it whole. */
static bool write_line(const char *line, size_t len)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
        return false;
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line, len);
    } while (written < 0 && errno == EINTR);
    return written >= 0;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > log_get_level())
        return;
    char text[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (wanted < 0)
        return;

    int errno_before = errno;
    char line[REPORT_BYTES + LINE_BYTES];
    size_t used = 0;
    unsigned before = atomic_exchange(&dropped, 0);
    if (before)
        used = (size_t)snprintf(line, REPORT_BYTES, "warn log.dropped lines=%u\n", before);
    size_t end = used + LINE_BYTES;
    used += (size_t)snprintf(line + used, end - used, "%s ", level_names[level]);
    used += copy_visible(line + used, end - used, str_from(text));
    line[used++] = '\n';
    if (!write_line(line, used))
        atomic_fetch_add(&dropped, before + 1);
    errno = errno_before;
}
