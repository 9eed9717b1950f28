/* What a client is told when it is refused. The codes are the documented ones, to the letter. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "endpoint-internal.h"

enum { RETRY_AFTER_MS = 1000 };

static const struct {
    int status;
    const char *type, *code;
} kinds[PROBLEM_KIND_COUNT] = {
    [PROBLEM_INVALID] = {400, "invalid_request_error", ""},
    [PROBLEM_NOT_JSON] = {400, "invalid_request_error", "invalid_json"},
    [PROBLEM_TYPE] = {400, "invalid_request_error", "invalid_type"},
    [PROBLEM_MISSING] = {400, "invalid_request_error", "missing_required_parameter"},
    [PROBLEM_VALUE] = {400, "invalid_request_error", "invalid_value"},
    [PROBLEM_IMAGE] = {400, "invalid_request_error", "image_parse_error"},
    [PROBLEM_UNKNOWN_PARAMETER] = {400, "invalid_request_error", "unknown_parameter"},
    [PROBLEM_UNSUPPORTED_PARAMETER] = {400, "invalid_request_error", "unsupported_parameter"},
    [PROBLEM_STREAM_ID] = {400, "invalid_request_error", "invalid_stream_id"},
    [PROBLEM_STREAM_LIMIT] = {400, "invalid_request_error", "websocket_stream_limit_reached"},
    [PROBLEM_AGE] = {400, "invalid_request_error", "websocket_connection_limit_reached"},
    [PROBLEM_PARENT] = {400, "invalid_request_error", "previous_response_not_found"},
    [PROBLEM_NOT_OPEN] = {400, "invalid_request_error", "response_not_active"},
    [PROBLEM_CHECK] = {400, "invalid_request_error", "invalid_prompt"},
    [PROBLEM_CHECK_FAILED] = {500, "server_error", "server_error"},
    [PROBLEM_QUEUE] = {429, "rate_limit_error", "rate_limit_exceeded"},
    [PROBLEM_MISMATCH] = {400, "invalid_request_error", "replay_mismatch"},
    [PROBLEM_AUTH] = {401, "authentication_error", "invalid_api_key"},
    [PROBLEM_FORBIDDEN] = {403, "permission_error", "forbidden"},
    [PROBLEM_ROUTE] = {404, "invalid_request_error", "not_found"},
    [PROBLEM_METHOD] = {405, "invalid_request_error", "method_not_allowed"},
    [PROBLEM_NO_RESPONSE] = {404, "invalid_request_error", ""},
    [PROBLEM_LENGTH] = {411, "invalid_request_error", "length_required"},
    [PROBLEM_TOO_LARGE] = {413, "invalid_request_error", "request_too_large"},
    [PROBLEM_OVERLOAD] = {429, "rate_limit_error", "server_is_overloaded"},
    [PROBLEM_NOT_STORED] = {500, "server_error", "server_error"},
    [PROBLEM_UNKNOWN_STATUS] = {400, "invalid_request_error", ""},
};

static void copy(char *to, size_t size, struct str text)
{
    size_t len = utf8_floor(text, size - 1);
    if (len > 0)
        memcpy(to, text.ptr, len);
    to[len] = '\0';
}

/* Who is told to wait is told how long. */
static int64_t wait_of(enum problem_kind kind)
{
    return kinds[kind].status == 429 ? RETRY_AFTER_MS : -1;
}

enum status problem_set(struct problem *problem, enum problem_kind kind, const char *param,
                        const char *format, ...)
{
    *problem = (struct problem){.status = kinds[kind].status, .retry_after_ms = wait_of(kind)};
    copy(problem->type, sizeof(problem->type), str_from(kinds[kind].type));
    copy(problem->code, sizeof(problem->code), str_from(kinds[kind].code));
    copy(problem->param, sizeof(problem->param), str_from(param));
    struct buf message = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&message, format, args);
    va_end(args);
    copy(problem->message, sizeof(problem->message), buf_str(&message));
    buf_finish(&message);
    return STATUS_INVALID;
}

enum status problem_set_parent(struct problem *problem, struct str id)
{
    return problem_set(problem, PROBLEM_PARENT, "previous_response_id",
                       "Previous response with id '" STR_FMT "' not found.", STR_ARG(id));
}

void problem_set_fault(struct problem *problem, const struct replay_fault *fault)
{
    *problem = (struct problem){
        .status = (int)fault->status, .retry_after_ms = fault->retry_after_ms, .flat = fault->flat};
    const char *type = fault->status == 429   ? "rate_limit_error"
                       : fault->status >= 500 ? "server_error"
                                              : "invalid_request_error";
    copy(problem->type, sizeof(problem->type), str_from(type));
    copy(problem->code, sizeof(problem->code), fault->code);
    copy(problem->param, sizeof(problem->param), fault->param);
    copy(problem->message, sizeof(problem->message), fault->message);
}

static void write_or_null(struct json_writer *w, const char *key, const char *text)
{
    json_write_field_c(w, key, text[0] ? text : NULL);
}

static void write_details(struct json_writer *w, const struct problem *problem)
{
    write_or_null(w, "code", problem->code);
    json_write_field_c(w, "message", problem->message);
    write_or_null(w, "param", problem->param);
}

static void write_error(struct json_writer *w, const struct problem *problem)
{
    json_write_key(w, "error");
    json_write_begin_object(w);
    json_write_field_c(w, "type", problem->type);
    write_details(w, problem);
    json_write_end_object(w);
}

static void append_seconds(char *text, size_t size, int64_t ms)
{
    snprintf(text, size, "%lld", (long long)((ms + 999) / 1000));
}

static void write_headers(struct json_writer *w, const struct problem *problem)
{
    if (problem->retry_after_ms < 0)
        return;
    char seconds[32], ms[32];
    append_seconds(seconds, sizeof(seconds), problem->retry_after_ms);
    snprintf(ms, sizeof(ms), "%lld", (long long)problem->retry_after_ms);
    json_write_key(w, "headers");
    json_write_begin_object(w);
    json_write_field_c(w, "retry-after", seconds);
    json_write_field_c(w, "retry-after-ms", ms);
    json_write_end_object(w);
}

void problem_append_event(struct buf *buf, const struct problem *problem, struct str lane,
                          int64_t sequence)
{
    struct json_writer w;
    json_writer_init(&w, buf);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "error");
    if (sequence >= 0)
        json_write_field_int(&w, "sequence_number", sequence);
    if (lane.len > 0)
        json_write_field_str(&w, "stream_id", lane);
    if (problem->flat) {
        write_details(&w, problem);
    } else {
        json_write_field_int(&w, "status", problem->status);
        write_error(&w, problem);
    }
    write_headers(&w, problem);
    json_write_end_object(&w);
}

void problem_append_body(struct buf *buf, const struct problem *problem)
{
    struct json_writer w;
    json_writer_init(&w, buf);
    json_write_begin_object(&w);
    write_error(&w, problem);
    json_write_end_object(&w);
}

void problem_reply(struct net_server_request *request, const struct problem *problem,
                   const char *allowed)
{
    char seconds[32], ms[32];
    struct net_header headers[3];
    size_t count = 0;
    append_seconds(seconds, sizeof(seconds), problem->retry_after_ms);
    snprintf(ms, sizeof(ms), "%lld", (long long)problem->retry_after_ms);
    if (problem->retry_after_ms >= 0) {
        headers[count++] = (struct net_header){"retry-after", seconds};
        headers[count++] = (struct net_header){"retry-after-ms", ms};
    }
    if (allowed)
        headers[count++] = (struct net_header){"allow", allowed};
    struct buf body = {0};
    problem_append_body(&body, problem);
    net_request_reply(request, problem->status, "application/json", headers, count, buf_str(&body));
    buf_finish(&body);
}

void problem_set_status(struct problem *problem, int status)
{
    static const struct {
        int status;
        enum problem_kind kind;
        const char *message;
    } rows[] = {
        {411, PROBLEM_LENGTH,
         "Bodies need a Content-Length: this endpoint reads no chunked requests."},
        {413, PROBLEM_TOO_LARGE, "The request is larger than this endpoint takes."},
        {429, PROBLEM_OVERLOAD, "Too much is being sent to this endpoint; try again."},
        {501, PROBLEM_METHOD, "This endpoint does not know that method."},
    };
    size_t i = 0;
    while (i < array_count(rows) && rows[i].status != status)
        i++;
    bool known = i < array_count(rows);
    problem_set(problem, known ? rows[i].kind : PROBLEM_UNKNOWN_STATUS, NULL, "%s",
                known ? rows[i].message : "The request is none that this endpoint understands.");
    problem->status = status;
}
