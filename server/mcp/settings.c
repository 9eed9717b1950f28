/* The setting mcp.servers. A server that is not described as it should be is left out and said so;
 * the others count. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mcp-internal.h"

enum { STRINGS_COUNT = 256 };

struct raw {
    struct str type, cwd, url, token_env;
    const struct json_value *command, *args, *env, *pass_env, *headers, *token_command, *tools;
    bool enabled;
    int64_t start_seconds, call_seconds;
};
#define FIELD(name, kind, member)                                                                  \
    {                                                                                              \
        name, kind, JSON_OPTIONAL, offsetof(struct raw, member)                                    \
    }
static const struct json_field fields[] = {
    FIELD("type", JSON_FIELD_STR, type),
    FIELD("command", JSON_FIELD_ANY, command),
    FIELD("args", JSON_FIELD_ARRAY, args),
    FIELD("env", JSON_FIELD_OBJECT, env),
    FIELD("passEnv", JSON_FIELD_ARRAY, pass_env),
    FIELD("cwd", JSON_FIELD_STR, cwd),
    FIELD("url", JSON_FIELD_STR, url),
    FIELD("headers", JSON_FIELD_OBJECT, headers),
    FIELD("tokenEnv", JSON_FIELD_STR, token_env),
    FIELD("tokenCommand", JSON_FIELD_ARRAY, token_command),
    FIELD("tools", JSON_FIELD_ARRAY, tools),
    FIELD("enabled", JSON_FIELD_BOOL, enabled),
    FIELD("startSeconds", JSON_FIELD_INT, start_seconds),
    FIELD("callSeconds", JSON_FIELD_INT, call_seconds),
};

void texts_finish(struct texts *strings)
{
    for (size_t i = 0; i < strings->len; i++)
        mem_free(strings->ptr[i]);
    vec_finish(strings);
}

void definition_finish(struct definition *definition)
{
    struct texts *const lists[] = {&definition->argv,     &definition->env,
                                   &definition->pass_env, &definition->headers,
                                   &definition->only,     &definition->token_command};
    char *const texts[] = {definition->name, definition->cwd, definition->url,
                           definition->token_env};
    for (size_t i = 0; i < array_count(lists); i++)
        texts_finish(lists[i]);
    for (size_t i = 0; i < array_count(texts); i++)
        mem_free(texts[i]);
    *definition = (struct definition){0};
}

/* -- Values ---------------------------------------------------------------------------------- */

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F)
            return false;
    return true;
}

static enum status take_list(const struct json_value *list, const char *key, struct texts *out,
                             struct err *err)
{
    for (const struct json_value *one = json_first(list); one; one = json_next(one)) {
        if (!json_is(one, JSON_STRING) || !is_plain(json_str(one)) || out->len >= STRINGS_COUNT)
            return err_set(err, STATUS_INVALID,
                           "\"%s\" must be a list of at most %d texts without control characters",
                           key, STRINGS_COUNT);
        vec_push(out, str_dup_c(json_str(one)));
    }
    return STATUS_OK;
}

static bool is_variable_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '=' || (unsigned char)name.ptr[i] <= ' ')
            return false;
    return name.len > 0;
}

static enum status take_env(const struct json_value *env, struct texts *out, struct err *err)
{
    for (const struct json_value *one = json_first(env); one; one = json_next(one)) {
        struct buf pair = {0};
        if (!json_is(one, JSON_STRING) || !is_variable_name(json_key(one)) ||
            out->len >= STRINGS_COUNT)
            return err_set(err, STATUS_INVALID, "\"env\" must be an object of names and texts");
        buf_append_fmt(&pair, STR_FMT "=" STR_FMT, STR_ARG(json_key(one)), STR_ARG(json_str(one)));
        vec_push(out, buf_take(&pair));
    }
    return STATUS_OK;
}

static void append_lower(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        buf_append_byte(
            out, (char)(text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? text.ptr[i] + 32 : text.ptr[i]));
}

static bool is_header_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7F || strchr("\"(),/:;<=>?@[\\]{}", name.ptr[i]))
            return false;
    return name.len > 0;
}

static enum status take_headers(const struct json_value *headers, struct texts *out,
                                struct err *err)
{
    for (const struct json_value *one = json_first(headers); one; one = json_next(one)) {
        struct buf line = {0};
        if (!json_is(one, JSON_STRING) || !is_header_name(json_key(one)) ||
            !is_plain(json_str(one)) || out->len >= STRINGS_COUNT)
            return err_set(err, STATUS_INVALID,
                           "\"headers\" must be an object of header names and texts");
        append_lower(&line, json_key(one));
        buf_append_fmt(&line, ": " STR_FMT, STR_ARG(json_str(one)));
        vec_push(out, buf_take(&line));
    }
    return STATUS_OK;
}

/* "command": "npx" beside "args", as others have it, or all in one list. */
static enum status take_command(const struct raw *raw, struct definition *definition,
                                struct err *err)
{
    struct str command = json_str(raw->command);
    if (json_is(raw->command, JSON_STRING) && command.len > 0 && is_plain(command))
        vec_push(&definition->argv, str_dup_c(command));
    else if (!json_is(raw->command, JSON_ARRAY) || !json_first(raw->command) ||
             take_list(raw->command, "command", &definition->argv, NULL) < 0)
        return err_set(err, STATUS_INVALID,
                       "\"command\" must be a program's name, or a list of it and its arguments");
    return take_list(raw->args, "args", &definition->argv, err);
}

static enum status take_seconds(int64_t seconds, const char *key, uint64_t *ret_ms, struct err *err)
{
    if (seconds < 0 || seconds > LIMIT_MCP_SECONDS_COUNT)
        return err_set(err, STATUS_INVALID, "\"%s\" must be from 1 to %d", key,
                       LIMIT_MCP_SECONDS_COUNT);
    *ret_ms = (uint64_t)seconds * 1000;
    return STATUS_OK;
}

/* -- One server ------------------------------------------------------------------------------ */

/* So that "mcp__SERVER__TOOL" can be read in one way only. */
static bool is_server_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool is_inner = (c == '_' || c == '-') && i > 0 && i + 1 < name.len;
        if (!is_letter && !is_inner)
            return false;
        if (c == '_' && name.ptr[i - 1] == '_')
            return false;
    }
    return name.len > 0 && name.len <= LIMIT_MCP_NAME_BYTES;
}

static enum status check_shape(const struct raw *raw, struct err *err)
{
    static const char *const types[] = {"stdio", "http", "streamable-http", "streamableHttp"};
    bool is_known = raw->type.len == 0;
    for (size_t i = 0; i < array_count(types); i++)
        is_known |= str_eq_c(raw->type, types[i]);
    if (!is_known)
        return err_set(err, STATUS_UNSUPPORTED, "\"type\" must be \"stdio\" or \"http\"");
    if (!raw->command == (raw->url.len == 0))
        return err_set(err, STATUS_INVALID,
                       "it needs either \"command\" (a program) or \"url\" (streamable HTTP)");
    if (raw->token_env.len > 0 && raw->token_command)
        return err_set(err, STATUS_INVALID, "give \"tokenEnv\" or \"tokenCommand\", not both");
    if (raw->url.len == 0 && (raw->headers || raw->token_env.len > 0 || raw->token_command))
        return err_set(err, STATUS_INVALID,
                       "headers and tokens are for a \"url\"; give a program \"env\" or "
                       "\"passEnv\"");
    if (raw->url.len > 0 && (raw->args || raw->env || raw->pass_env || raw->cwd.len > 0))
        return err_set(err, STATUS_INVALID, "args, env and cwd are for a \"command\"");
    if (raw->cwd.len > 0 && (raw->cwd.ptr[0] != '/' || !is_plain(raw->cwd)))
        return err_set(err, STATUS_INVALID, "\"cwd\" must be an absolute path");
    if (!is_plain(raw->url) || (raw->token_env.len > 0 && !is_variable_name(raw->token_env)))
        return err_set(err, STATUS_INVALID, "\"url\" and \"tokenEnv\" must be plain texts");
    return STATUS_OK;
}

static enum status take_lists(const struct raw *raw, struct definition *definition, struct err *err)
{
    if ((raw->command && take_command(raw, definition, err) < 0) ||
        take_env(raw->env, &definition->env, err) < 0 ||
        take_list(raw->pass_env, "passEnv", &definition->pass_env, err) < 0 ||
        take_headers(raw->headers, &definition->headers, err) < 0 ||
        take_list(raw->token_command, "tokenCommand", &definition->token_command, err) < 0 ||
        take_list(raw->tools, "tools", &definition->only, err) < 0 ||
        take_seconds(raw->start_seconds, "startSeconds", &definition->start_ms, err) < 0 ||
        take_seconds(raw->call_seconds, "callSeconds", &definition->call_ms, err) < 0)
        return STATUS_INVALID;
    return STATUS_OK;
}

static enum status read_server(const struct json_value *value, struct definition *definition,
                               struct err *err)
{
    struct raw raw = {.enabled = true};
    if (!is_server_name(json_key(value)))
        return err_set(err, STATUS_INVALID,
                       "a name is 1 to %d letters, digits, - and single _ within",
                       LIMIT_MCP_NAME_BYTES);
    if (!json_is(value, JSON_OBJECT))
        return err_set(err, STATUS_INVALID, "it must be an object");
    if (json_read_strict(value, fields, array_count(fields), &raw, err) < 0 ||
        check_shape(&raw, err) < 0 || take_lists(&raw, definition, err) < 0)
        return STATUS_INVALID;
    definition->name = str_dup_c(json_key(value));
    definition->cwd = raw.cwd.len > 0 ? str_dup_c(raw.cwd) : NULL;
    definition->url = raw.url.len > 0 ? str_dup_c(raw.url) : NULL;
    definition->token_env = raw.token_env.len > 0 ? str_dup_c(raw.token_env) : NULL;
    definition->is_off = !raw.enabled;
    return STATUS_OK;
}

static void warn(struct buf *warnings, struct str name, const char *text)
{
    struct buf shown = {0};
    utf8_append_printable(&shown, str_slice(name, 0, utf8_floor(name, 80)));
    if (warnings)
        buf_append_fmt(warnings, "mcp.servers: \"" STR_FMT "\" is left out: %s\n",
                       STR_ARG(buf_str(&shown)), text);
    buf_finish(&shown);
}

void settings_each(struct str servers, definition_fn *fn, void *user, struct buf *warnings)
{
    struct json_value *root = NULL;
    size_t count = 0;
    json_parse(servers, &root, NULL);
    for (const struct json_value *one = json_first(root); one; one = json_next(one)) {
        struct definition definition = {0};
        struct err err = {0};
        if (count >= LIMIT_MCP_SERVERS_COUNT)
            err_set(&err, STATUS_LIMIT, "there are more than %d", LIMIT_MCP_SERVERS_COUNT);
        else
            read_server(one, &definition, &err);
        if (err.status < 0) {
            warn(warnings, json_key(one), err.text);
        } else {
            count++;
            fn(user, &definition);
        }
        definition_finish(&definition);
    }
    json_free(root);
}

static void ignore(void *user, struct definition *definition)
{
    (void)user;
    (void)definition;
}

void mcp_check(struct str servers, struct buf *warnings)
{
    settings_each(servers, ignore, NULL, warnings);
}
