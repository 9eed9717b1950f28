#include <lanebridge/base/err.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lanebridge/base/mem.h>
#include <lanebridge/base/utf8.h>

static const char *const status_names[] = {
    [-STATUS_OK] = "ok",
    [-STATUS_INVALID] = "invalid",
    [-STATUS_NOT_FOUND] = "not found",
    [-STATUS_DENIED] = "denied",
    [-STATUS_LIMIT] = "limit exceeded",
    [-STATUS_CONFLICT] = "conflict",
    [-STATUS_TIMEOUT] = "timed out",
    [-STATUS_CANCELLED] = "cancelled",
    [-STATUS_CLOSED] = "closed",
    [-STATUS_IO] = "input/output error",
    [-STATUS_UNSUPPORTED] = "unsupported",
    [-STATUS_EXISTS] = "already exists",
    [-STATUS_PROTOCOL] = "protocol error",
    [-STATUS_AUTH] = "not authorized",
    [-STATUS_LEASED] = "held elsewhere",
};

const char *status_name(enum status status)
{
    int index = -(int)status;
    if (index < 0 || (size_t)index >= array_count(status_names))
        return "unknown status";
    return status_names[index];
}

/* What was written by snprintf into `text`, whose untruncated length is `wanted`. */
static void cut_at_character(char *text, size_t wanted)
{
    if (wanted < ERR_TEXT_BYTES)
        return;
    /* The last byte before the NUL may begin or continue a character that went on. */
    size_t len = strlen(text);
    size_t start = len;
    while (start > 0 && len - start < 3 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0) {
        unsigned char lead = (unsigned char)text[start - 1];
        size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (len - (start - 1) < need)
            text[start - 1] = '\0';
    }
}

/* Through a copy: callers may quote err->text in its own replacement. */
static void set_text(struct err *err, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void set_text(struct err *err, const char *format, va_list args)
{
    char text[ERR_TEXT_BYTES];
    int wanted = vsnprintf(text, sizeof(text), format, args);
    if (wanted < 0)
        text[0] = '\0';
    else
        cut_at_character(text, (size_t)wanted);
    memcpy(err->text, text, strlen(text) + 1);
}

static void append_text(struct err *err, const char *first, const char *second)
{
    char text[ERR_TEXT_BYTES];
    int wanted = snprintf(text, sizeof(text), "%s: %s", first, second);
    cut_at_character(text, (size_t)wanted);
    memcpy(err->text, text, strlen(text) + 1);
}

enum status err_set(struct err *err, enum status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    err->status = status;
    return status;
}

static enum status status_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
        return STATUS_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_DENIED;
    case EEXIST:
        return STATUS_EXISTS;
    case ETIMEDOUT:
        return STATUS_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
        return STATUS_CLOSED;
    default:
        return STATUS_IO;
    }
}

enum status err_set_errno(struct err *err, int errno_value, const char *format, ...)
{
    enum status status = status_of_errno(errno_value);
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    struct err before = *err;
    const char *reason = strerrordesc_np(errno_value);
    append_text(err, before.text, reason ? reason : "unknown error");
    err->status = status;
    return status;
}

void err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return;
    struct err before = *err;
    va_list args;
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    struct err prefix = *err;
    append_text(err, prefix.text, before.text);
}
