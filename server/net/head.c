/* Answers of HTTP/1.1 (RFC 9112), as a client reads them. */
#include <ctype.h>
#include <string.h>

#include "codec-internal.h"

enum {
    STATUS_LINE_BYTES = 12,    /* "HTTP/1.1 200" */
    CHUNK_LINE_BYTES = 1024,   /* a size and its extensions */
    TRAILER_BYTES = 16 * 1024, /* all of them; they are passed over */
    CHUNK_SIZE_DIGITS = 15,    /* more than any memory has */
};

/* -- Heads */

static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (!isalnum(c) && !strchr("!#$%&'*+-.^_`|~", c))
            return false;
    }
    return name.len > 0;
}

static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return false;
    }
    return true;
}

/* Takes one line with its CR LF off *rest. */
static struct str take_line(struct str *rest)
{
    size_t end = str_find(*rest, STR("\r\n"), 0);
    struct str line = str_slice(*rest, 0, end);
    *rest = str_skip(*rest, line.len + 2);
    return line;
}

static const char *read_status(struct net_head *head, struct str line)
{
    int64_t status;
    if (!str_starts_with(line, STR("HTTP/1.")) || line.len < STATUS_LINE_BYTES ||
        !isdigit((unsigned char)line.ptr[7]) || line.ptr[8] != ' ' ||
        !str_to_int64(str_slice(line, 9, 12), &status) || status < 100 || status > 999 ||
        (line.len > STATUS_LINE_BYTES && line.ptr[STATUS_LINE_BYTES] != ' '))
        return "the answer is not HTTP/1.1";
    head->status = (int)status;
    head->old = line.ptr[7] == '0';
    return NULL;
}

static const char *read_head(struct net_head *head)
{
    struct str rest = buf_str(&head->bytes);
    const char *problem = read_status(head, take_line(&rest));
    while (!problem && rest.len > 2) {
        struct str line = take_line(&rest);
        size_t colon = str_find_byte(line, ':', 0);
        if (colon == STR_NONE || !is_token(str_slice(line, 0, colon)) ||
            !is_value(str_skip(line, colon + 1)))
            problem = "the answer has a header that is none";
    }
    return problem;
}

enum net_head_result net_head_push(struct net_head *head, struct str *bytes,
                                   const char **ret_problem)
{
    struct str magic = STR("HTTP/1.");
    size_t before = head->bytes.len;
    struct str part = str_slice(*bytes, 0, NET_HEADER_BYTES - before);
    buf_append(&head->bytes, part);
    struct str all = buf_str(&head->bytes);
    size_t end = str_find(all, STR("\r\n\r\n"), before < 3 ? 0 : before - 3);
    size_t known = all.len < magic.len ? all.len : magic.len;
    if (known && memcmp(all.ptr, magic.ptr, known) != 0) {
        *ret_problem = "the answer is not HTTP/1.1";
        return NET_HEAD_BAD;
    }
    if (end == STR_NONE) {
        *bytes = str_skip(*bytes, part.len);
        *ret_problem = "the answer has more than 16 KiB of headers";
        return all.len < NET_HEADER_BYTES ? NET_HEAD_MORE : NET_HEAD_BAD;
    }
    *bytes = str_skip(*bytes, end + 4 - before);
    buf_truncate(&head->bytes, end + 4);
    *ret_problem = read_head(head);
    return *ret_problem ? NET_HEAD_BAD : NET_HEAD_DONE;
}

void net_head_clear(struct net_head *head)
{
    buf_clear(&head->bytes);
    head->status = 0;
}

void net_head_finish(struct net_head *head)
{
    buf_finish(&head->bytes);
}

bool net_head_next(const struct net_head *head, size_t *at, struct str *ret_name,
                   struct str *ret_value)
{
    struct str rest = str_skip(buf_str(&head->bytes), *at);
    if (*at == 0)
        take_line(&rest);
    struct str line = take_line(&rest);
    size_t colon = str_find_byte(line, ':', 0);
    *at = head->bytes.len - rest.len;
    if (colon == STR_NONE)
        return false;
    *ret_name = str_slice(line, 0, colon);
    *ret_value = str_trim(str_skip(line, colon + 1));
    return true;
}

struct str net_head_get(const struct net_head *head, const char *name)
{
    struct str one, value;
    for (size_t at = 0; net_head_next(head, &at, &one, &value);) {
        if (str_eq_nocase(one, str_from(name)))
            return value;
    }
    return (struct str){0};
}

bool net_head_has(const struct net_head *head, const char *name, const char *token)
{
    struct str one, value, item;
    for (size_t at = 0; net_head_next(head, &at, &one, &value);) {
        if (!str_eq_nocase(one, str_from(name)))
            continue;
        while (str_next(&value, ',', &item)) {
            if (str_eq_nocase(str_trim(item), str_from(token)))
                return true;
        }
    }
    return false;
}

/* -- Bodies */

enum step {
    STEP_SIZE,
    STEP_EXTENSION,
    STEP_SIZE_LF,
    STEP_DATA,
    STEP_DATA_CR,
    STEP_DATA_LF,
    STEP_TRAILER, /* at the beginning of a line */
    STEP_TRAILER_LINE,
    STEP_TRAILER_LF,
    STEP_LAST_LF,
    STEP_ENDED,
};

/* Of all fields of the name, which must agree. */
static bool read_length(const struct net_head *head, bool *ret_there, uint64_t *ret_length)
{
    struct str name, value, item;
    *ret_there = false;
    for (size_t at = 0; net_head_next(head, &at, &name, &value);) {
        if (!str_eq_nocase(name, STR("content-length")))
            continue;
        while (str_next(&value, ',', &item)) {
            uint64_t length;
            if (!str_to_uint64(str_trim(item), &length) || (*ret_there && length != *ret_length))
                return false;
            *ret_there = true;
            *ret_length = length;
        }
    }
    return true;
}

bool net_body_init(struct net_body *body, const struct net_head *head, bool asked_for_head,
                   const char **ret_problem)
{
    bool has_length;
    uint64_t length = 0;
    struct str coding = net_head_get(head, "transfer-encoding");
    *body = (struct net_body){.kind = BODY_TO_END};
    if (asked_for_head || head->status == 204 || head->status == 304) {
        body->kind = BODY_NONE;
        return true;
    }
    if (coding.len) {
        bool good = str_eq_nocase(coding, STR("chunked")) && !head->old;
        body->kind = BODY_CHUNKED;
        *ret_problem = good ? NULL : "the answer has a transfer coding other than chunked";
        return good;
    }
    if (!read_length(head, &has_length, &length)) {
        *ret_problem = "the answer has a content-length that is none";
        return false;
    }
    if (has_length) {
        body->kind = length ? BODY_LENGTH : BODY_NONE;
        body->left = length;
    }
    return true;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* At the end of a line with a size. */
static int after_size(const struct net_body *body)
{
    return body->left ? STEP_DATA : STEP_TRAILER;
}

static bool take_size_byte(struct net_body *body, char c)
{
    int digit = digit_of(c);
    if (digit >= 0 && body->line < CHUNK_SIZE_DIGITS) {
        body->left = body->left << 4 | (unsigned)digit;
        body->line++;
        return true;
    }
    body->step = c == '\r' ? STEP_SIZE_LF : STEP_EXTENSION;
    return body->line > 0 && (c == '\r' || c == ';' || c == ' ' || c == '\t');
}

/* One byte of what is around the data of chunks; false: it must not be there. */
static bool take_byte(struct net_body *body, char c)
{
    switch ((enum step)body->step) {
    case STEP_SIZE:
        return take_size_byte(body, c);
    case STEP_EXTENSION:
        body->step = c == '\r' ? STEP_SIZE_LF : STEP_EXTENSION;
        return c != '\n' && ++body->line < CHUNK_LINE_BYTES;
    case STEP_SIZE_LF:
        body->step = after_size(body);
        body->line = 0;
        return c == '\n';
    case STEP_DATA_CR:
        body->step = STEP_DATA_LF;
        return c == '\r';
    case STEP_DATA_LF:
        body->step = STEP_SIZE;
        return c == '\n';
    case STEP_TRAILER:
        body->step = c == '\r' ? STEP_LAST_LF : STEP_TRAILER_LINE;
        return c != '\n' && ++body->line < TRAILER_BYTES;
    case STEP_TRAILER_LINE:
        body->step = c == '\r' ? STEP_TRAILER_LF : STEP_TRAILER_LINE;
        return c != '\n' && ++body->line < TRAILER_BYTES;
    case STEP_TRAILER_LF:
        body->step = STEP_TRAILER;
        return c == '\n';
    case STEP_LAST_LF:
        body->step = STEP_ENDED;
        return c == '\n';
    default:
        return false;
    }
}

static enum net_body_result take_piece(struct net_body *body, struct str *bytes,
                                       struct str *ret_piece)
{
    if (bytes->len == 0)
        return NET_BODY_MORE;
    *ret_piece = str_slice(*bytes, 0, body->left < bytes->len ? (size_t)body->left : bytes->len);
    *bytes = str_skip(*bytes, ret_piece->len);
    body->left -= ret_piece->len;
    return NET_BODY_PIECE;
}

static enum net_body_result next_of_chunks(struct net_body *body, struct str *bytes,
                                           struct str *ret_piece)
{
    while (body->step != STEP_ENDED) {
        if (body->step == STEP_DATA && body->left == 0)
            body->step = STEP_DATA_CR;
        if (body->step == STEP_DATA)
            return take_piece(body, bytes, ret_piece);
        if (bytes->len == 0)
            return NET_BODY_MORE;
        char c = bytes->ptr[0];
        *bytes = str_skip(*bytes, 1);
        if (!take_byte(body, c))
            return NET_BODY_BAD;
    }
    return NET_BODY_END;
}

enum net_body_result net_body_next(struct net_body *body, struct str *bytes, struct str *ret_piece)
{
    switch (body->kind) {
    case BODY_NONE:
        return NET_BODY_END;
    case BODY_LENGTH:
        return body->left ? take_piece(body, bytes, ret_piece) : NET_BODY_END;
    case BODY_CHUNKED:
        return next_of_chunks(body, bytes, ret_piece);
    case BODY_TO_END:
        body->left = UINT64_MAX;
        return take_piece(body, bytes, ret_piece);
    }
    return NET_BODY_BAD;
}
