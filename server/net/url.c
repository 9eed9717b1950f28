#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include <lanebridge/net.h>

static const struct scheme {
    const char *name;
    bool tls, websocket;
    unsigned port;
} schemes[] = {
    {"ws", false, true, 80},
    {"wss", true, true, 443},
    {"http", false, false, 80},
    {"https", true, false, 443},
};

static const struct scheme *find_scheme(struct str name)
{
    for (size_t i = 0; i < array_count(schemes); i++) {
        if (str_eq_nocase(str_from(schemes[i].name), name))
            return &schemes[i];
    }
    return NULL;
}

/* The spellings that cannot be made to mean another machine; "127.1" and the like are not among
 * them, because only the resolver knows what they mean. */
static bool is_loopback(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool is_host_name(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        if (!isalnum(c) && c != '.' && c != '-' && c != '_')
            return false;
    }
    return host.len > 0;
}

static bool is_path(struct str path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c <= 0x20 || c >= 0x7F || strchr("\"<>\\^`{|}#", c))
            return false;
    }
    return true;
}

static enum status parse_port(struct str text, unsigned *ret_port, struct err *err)
{
    uint64_t port;
    if (!str_to_uint64(text, &port) || port == 0 || port > 65535)
        return err_set(err, STATUS_INVALID,
                       "the port \"" STR_FMT "\" is not a number from 1 to 65535", STR_ARG(text));
    *ret_port = (unsigned)port;
    return STATUS_OK;
}

static enum status parse_host(struct str host, bool bracketed, struct net_url *url, struct err *err)
{
    if (host.len >= sizeof(url->host))
        return err_set(err, STATUS_INVALID, "the host name is longer than %zu characters",
                       sizeof(url->host) - 1);
    for (size_t i = 0; i < host.len; i++)
        url->host[i] = (char)tolower((unsigned char)host.ptr[i]);
    url->host[host.len] = '\0';
    struct in6_addr six;
    bool good = bracketed ? inet_pton(AF_INET6, url->host, &six) == 1 : is_host_name(host);
    if (!good)
        return err_set(err, STATUS_INVALID, "\"" STR_FMT "\" is not a host name or address",
                       STR_ARG(host));
    return STATUS_OK;
}

/* host, host:port, [v6], [v6]:port */
static enum status parse_authority(struct str text, struct net_url *url, struct err *err)
{
    if (str_find_byte(text, '@', 0) != STR_NONE)
        return err_set(
            err, STATUS_INVALID,
            "a URL with a user name or password in it is refused; the key belongs in the "
            "configuration or the environment");
    bool bracketed = text.len && text.ptr[0] == '[';
    struct str host, rest;
    if (bracketed) {
        size_t end = str_find_byte(text, ']', 0);
        if (end == STR_NONE)
            return err_set(err, STATUS_INVALID, "the address in the URL lacks its \"]\"");
        host = str_slice(text, 1, end);
        rest = str_skip(text, end + 1);
    } else {
        size_t end = str_find_byte(text, ':', 0);
        host = str_slice(text, 0, end == STR_NONE ? text.len : end);
        rest = str_skip(text, host.len);
    }
    enum status status = parse_host(host, bracketed, url, err);
    if (status < 0 || rest.len == 0)
        return status;
    if (rest.ptr[0] != ':')
        return err_set(err, STATUS_INVALID, "unexpected text after the address in the URL");
    return parse_port(str_skip(rest, 1), &url->port, err);
}

static enum status parse_path(struct str path, struct net_url *url, struct err *err)
{
    if (str_find_byte(path, '#', 0) != STR_NONE)
        return err_set(err, STATUS_INVALID, "a URL with a fragment (#…) is refused; remove it");
    if (!is_path(path))
        return err_set(err, STATUS_INVALID,
                       "the path of the URL has characters that must be percent-encoded");
    bool slash = path.len && path.ptr[0] == '/';
    if (path.len + !slash >= sizeof(url->path))
        return err_set(err, STATUS_INVALID, "the path of the URL is longer than %zu characters",
                       sizeof(url->path) - 1);
    char *out = url->path;
    if (!slash)
        *out++ = '/';
    if (path.len)
        memcpy(out, path.ptr, path.len);
    out[path.len] = '\0';
    return STATUS_OK;
}

enum status net_url_parse(struct str text, struct net_url *ret_url, struct err *err)
{
    size_t colon = str_find(text, STR("://"), 0);
    const struct scheme *scheme = colon == STR_NONE ? NULL : find_scheme(str_slice(text, 0, colon));
    if (!scheme)
        return err_set(err, STATUS_INVALID,
                       "the URL must begin with wss://, https://, ws:// or http://");
    struct net_url url = {.tls = scheme->tls, .websocket = scheme->websocket, .port = scheme->port};
    struct str rest = str_skip(text, colon + 3);
    size_t end = 0;
    while (end < rest.len && !strchr("/?#\\", rest.ptr[end]))
        end++;
    enum status status = parse_authority(str_slice(rest, 0, end), &url, err);
    if (status == STATUS_OK)
        status = parse_path(str_skip(rest, end), &url, err);
    if (status < 0)
        return status;
    if (!url.tls && !is_loopback(url.host))
        return err_set(err, STATUS_DENIED,
                       "unencrypted connections go to this machine alone: use %s://%s",
                       url.websocket ? "wss" : "https", url.host);
    *ret_url = url;
    return STATUS_OK;
}
