/* Errors: what kind, and one sentence a person can act on. */
#ifndef LANEBRIDGE_BASE_ERR_H
#define LANEBRIDGE_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* 0 is success, everything else is negative, so `if (s < 0)` reads naturally. */
enum status {
    STATUS_OK = 0,
    STATUS_INVALID = -1,     /* malformed input: syntax, missing or wrong field */
    STATUS_NOT_FOUND = -2,   /* the named thing does not exist */
    STATUS_DENIED = -3,      /* policy, permission or protection said no */
    STATUS_LIMIT = -4,       /* a maximum of limits.h would be exceeded */
    STATUS_CONFLICT = -5,    /* the world changed since the caller looked */
    STATUS_TIMEOUT = -6,     /* a deadline passed */
    STATUS_CANCELLED = -7,   /* the caller asked to stop */
    STATUS_CLOSED = -8,      /* the peer or the handle is gone */
    STATUS_IO = -9,          /* the operating system reported an error */
    STATUS_UNSUPPORTED = -10,/* understood, but this build, peer or platform cannot */
    STATUS_EXISTS = -11,     /* it is already there */
    STATUS_PROTOCOL = -12,   /* the peer broke its protocol */
    STATUS_AUTH = -13,       /* the key is missing or was refused */
    STATUS_LEASED = -14,     /* another process holds it, and says so; it can be taken over */
};

enum { ERR_TEXT_BYTES = 1024 };

/* Shape: `text` is one NUL-terminated sentence in the user's words: what is wrong, what to do. */
struct err {
    enum status status;
    char text[ERR_TEXT_BYTES];
};

/* "invalid", "not found", …: the one table of names, for logs and fallbacks. Never NULL. */
const char *status_name(enum status status);

/* Fills `err` (which may be NULL) and returns `status`, so callers write `return err_set(…)`.
 * Overlong text is cut at a character boundary. */
enum status err_set(struct err *err, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* err_set with ": strerror(errno_value)" appended and the status that fits the errno: NOT_FOUND,
 * DENIED, EXISTS, TIMEOUT, CLOSED, else IO. */
enum status err_set_errno(struct err *err, int errno_value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of what is there; keeps the status. */
void err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
