#include <string.h>

#include "target-internal.h"

bool target_is_replay(const struct config *config)
{
    return strncmp(config->endpoint_url, "replay:", 7) == 0;
}

static bool is_loopback(const struct net_url *url)
{
    return !url->tls; /* plain schemes go to loopback alone */
}

void wire_endpoint_host(const struct config *config, struct buf *host)
{
    struct net_url url;
    if (target_is_replay(config))
        buf_append_c(host, "localhost"); /* our own endpoint, in a child */
    else if (net_url_parse(str_from(config->endpoint_url), &url, NULL) == STATUS_OK)
        buf_append_c(host, url.host);
}

void target_append_replay_file(const struct config *config, struct buf *file)
{
    const char *named = config->endpoint_url + strlen("replay:");
    bool is_demo = strcmp(named, "demo") == 0 &&
                   path_append_beside_program(file, STR("../share/lanebridge/demo.jsonl"));
    if (!is_demo)
        buf_append_c(file, named);
}

bool target_needs_no_key(const struct config *config)
{
    struct net_url url;
    return net_url_parse(str_from(config->endpoint_url), &url, NULL) == STATUS_OK &&
           is_loopback(&url);
}

bool target_has_key_command(const struct config *config)
{
    return config->endpoint_api_key_command.count > 0 && !target_is_replay(config);
}

void target_finish(struct target *target)
{
    if (target->key_header.ptr)
        explicit_bzero(target->key_header.ptr, target->key_header.len);
    buf_finish(&target->key_header);
    for (size_t i = 0; i < TARGET_HEADERS_COUNT; i++)
        buf_finish(&target->texts[i]);
}

void target_add(struct target *target, const char *name, const char *value)
{
    if (target->net.header_count < TARGET_HEADERS_COUNT)
        target->headers[target->net.header_count++] = (struct net_header){name, value};
}

/* "name: value" of endpoint.headers. */
static void target_add_configured(struct target *target, const struct config *config)
{
    for (size_t i = 0; i < config->endpoint_headers.count && i + 4 < TARGET_HEADERS_COUNT; i++) {
        struct str line = str_from(config->endpoint_headers.ptr[i]);
        size_t colon = str_find_byte(line, ':', 0);
        if (colon == STR_NONE)
            continue;
        struct buf *text = &target->texts[i];
        buf_append(text, str_trim(str_slice(line, 0, colon)));
        buf_append_byte(text, '\0');
        size_t value = text->len;
        buf_append(text, str_trim(str_skip(line, colon + 1)));
        for (char *c = text->ptr; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c - 'A' + 'a');
        target_add(target, text->ptr, text->ptr + value);
    }
}

static enum status target_add_key(struct target *target, const struct config *config,
                                  struct buf *key, struct err *err)
{
    if (!key)
        return STATUS_OK;
    if (key->len == 0 && target_has_key_command(config))
        return STATUS_OK; /* a look at the settings: the command runs at the connect */
    if (key->len == 0) {
        enum status status = config_key_take(config, key, err);
        if (status < 0)
            return is_loopback(&target->net.url) ? STATUS_OK
                                                 : status; /* a local model needs none */
    }
    const struct responses_profile *profile =
        responses_profile_find(str_from(config->endpoint_profile), str_from(target->net.url.host));
    bool bearer = strcmp(profile->key_header, "authorization") == 0;
    buf_append_fmt(&target->key_header, "%s%s", bearer ? "Bearer " : "", key->ptr);
    target_add(target, profile->key_header, target->key_header.ptr);
    return STATUS_OK;
}

/* "/v1/responses?x=1" becomes "/v1/responses/compact?x=1". */
static enum status target_add_compact(struct net_url *url, struct err *err)
{
    static const char tail[] = "/compact";
    size_t len = strlen(url->path), end = strcspn(url->path, "?");
    if (len + sizeof(tail) > sizeof(url->path))
        return err_set(err, STATUS_INVALID, "endpoint.url is too long");
    while (end > 0 && url->path[end - 1] == '/')
        end--;
    memmove(url->path + end + strlen(tail), url->path + strcspn(url->path, "?"),
            len - strcspn(url->path, "?") + 1);
    memcpy(url->path + end, tail, strlen(tail));
    return STATUS_OK;
}

enum status target_init(struct target *target, const struct config *config, struct buf *key,
                        const char *replay_socket, enum transport_kind kind, struct err *err)
{
    *target = (struct target){.net.headers = NULL};
    target->net.headers = target->headers;
    target->net.max_message_bytes = (size_t)config->endpoint_max_event_bytes;
    target->net.proxy = config->endpoint_proxy;
    if (target_is_replay(config)) {
        net_url_parse(STR("ws://127.0.0.1/v1/responses"), &target->net.url, NULL);
        target->net.unix_path = replay_socket;
        target->net.url.websocket = kind == TRANSPORT_WEBSOCKET;
        return kind == TRANSPORT_COMPACT ? target_add_compact(&target->net.url, err) : STATUS_OK;
    }
    enum status status = net_url_parse(str_from(config->endpoint_url), &target->net.url, err);
    if (status < 0) {
        err_prefix(err, "endpoint.url");
        return status;
    }
    target_add_configured(target, config);
    status = target_add_key(target, config, key, err);
    target->net.url.websocket &= kind == TRANSPORT_WEBSOCKET;
    if (status == STATUS_OK && kind == TRANSPORT_COMPACT)
        status = target_add_compact(&target->net.url, err);
    return status;
}
