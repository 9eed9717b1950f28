/* What another server says when it cannot, in the words and codes that our clients know. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "upstream-internal.h"

static void copy(char *to, size_t size, struct str text)
{
    size_t len = utf8_floor(text, size - 1);
    if (len > 0)
        memcpy(to, text.ptr, len);
    to[len] = '\0';
}

/* The first that fits. A refused key is the owner's of this endpoint, not its client's: no 401. */
static const struct {
    int from, to, status;
    const char *type, *code;
} statuses[] = {
    {400, 400, 400, "invalid_request_error", ""},
    {401, 401, 403, "permission_error", "upstream_auth"},
    {402, 402, 402, "invalid_request_error", "insufficient_quota"},
    {403, 403, 403, "permission_error", "upstream_auth"},
    {404, 404, 404, "invalid_request_error", "not_found"},
    {408, 408, 408, "server_error", "server_error"},
    {413, 413, 413, "invalid_request_error", "too_large"},
    {422, 422, 400, "invalid_request_error", ""},
    {429, 429, 429, "rate_limit_error", "rate_limit_exceeded"},
    {400, 499, 400, "invalid_request_error", ""},
    {503, 503, 503, "server_error", "server_is_overloaded"},
    {529, 529, 503, "server_error", "server_is_overloaded"},
    {0, 999, 500, "server_error", "server_error"},
};

/* What is meant where the server's own code or type is not the documented one. */
static const struct {
    const char *theirs, *code;
    int status;
} codes[] = {
    {"exceed_context_size_error", "context_length_exceeded", 400},
    {"context_length_exceeded", "context_length_exceeded", 400},
    {"model_not_found", "model_not_found", 404},
    {"insufficient_quota", "insufficient_quota", 429},
    {"rate_limit_exceeded", "rate_limit_exceeded", 429},
    {"rate_limit_error", "rate_limit_exceeded", 429},
    {"unavailable_error", "server_is_overloaded", 503},
    {"overloaded_error", "server_is_overloaded", 503},
    {"content_filter", "invalid_prompt", 400},
};

static void set_kind(struct problem *problem, int status)
{
    size_t i = 0;
    while (status < statuses[i].from || status > statuses[i].to)
        i++;
    *problem = (struct problem){.status = statuses[i].status, .retry_after_ms = -1};
    copy(problem->type, sizeof(problem->type), str_from(statuses[i].type));
    copy(problem->code, sizeof(problem->code), str_from(statuses[i].code));
}

static bool apply_code(struct problem *problem, struct str theirs)
{
    for (size_t i = 0; i < array_count(codes); i++) {
        if (!str_eq_c(theirs, codes[i].theirs))
            continue;
        set_kind(problem, codes[i].status);
        copy(problem->code, sizeof(problem->code), str_from(codes[i].code));
        return true;
    }
    return false;
}

static void set_message(struct problem *problem, struct str said)
{
    struct buf text = {0};
    buf_append_c(&text, "The server behind this endpoint says: ");
    utf8_append_printable(&text, said);
    copy(problem->message, sizeof(problem->message), buf_str(&text));
    buf_finish(&text);
}

static int status_in(const struct json_value *error)
{
    int64_t code = json_get_int(error, "code", 0), status = json_get_int(error, "status", code);
    return status >= 400 && status <= 599 ? (int)status : 0;
}

/* Its `param` is of another request than the client's, and is not passed on. */
void upstream_problem_value(struct problem *problem, const struct json_value *error)
{
    struct str message = json_is(error, JSON_STRING) ? json_str(error) : (struct str){0};
    if (message.len == 0)
        message = json_get_str(error, "message");
    int status = status_in(error);
    set_kind(problem, status ? status : 500);
    if (!apply_code(problem, json_get_str(error, "code")))
        apply_code(problem, json_get_str(error, "type"));
    set_message(problem, message.len > 0 ? message : STR("an error without a message"));
}

/* {"error":{…}}, {"error":"…"}, vLLM's older {"object":"error","message":…}, {"detail":…}. */
static const struct json_value *find_error(const struct json_value *value)
{
    const struct json_value *error = json_get(value, "error");
    if (!error && json_get(value, "message"))
        error = value;
    return error ? error : json_get(value, "detail");
}

static void add_advice(struct problem *problem, const char *advice)
{
    size_t len = strlen(problem->message);
    snprintf(problem->message + len, sizeof(problem->message) - len, "%s", advice);
}

void upstream_problem(struct problem *problem, int status, struct str body, int64_t retry_after_ms)
{
    struct json_value *value = NULL;
    struct problem said;
    const struct json_value *error = NULL;
    if (body.len > 0 && json_parse(body, &value, NULL) == STATUS_OK)
        error = find_error(value);
    set_kind(problem, status);
    if (error) {
        upstream_problem_value(&said, error);
        if (!apply_code(problem, json_get_str(error, "code")))
            apply_code(problem, json_get_str(error, "type"));
        memcpy(problem->message, said.message, sizeof(said.message));
    } else {
        snprintf(problem->message, sizeof(problem->message),
                 "The server behind this endpoint answered with status %d.", status);
    }
    json_free(value);
    if (status == 401 || status == 403)
        add_advice(problem, " Its key comes from the variable that --upstream-key-env names.");
    problem->retry_after_ms = retry_after_ms;
}

void upstream_problem_lost(struct problem *problem, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    set_kind(problem, 502);
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    copy(problem->message, sizeof(problem->message), buf_str(&text));
    buf_finish(&text);
}
