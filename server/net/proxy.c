/* Which proxy, if any: the setting, else the variables that other programs read as well. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "path-internal.h"

/* -- no_proxy: "example.com, .corp, *.corp, host:8080, 10.0.0.0/8, [fd00::]/8, *" */

struct address {
    unsigned char bytes[16];
    size_t len; /* 4 or 16 */
};

static bool parse_address(struct str text, struct address *ret_address)
{
    char copy[64];
    if (text.len > 1 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = str_slice(text, 1, text.len - 1);
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    bool six = strchr(copy, ':') != NULL;
    ret_address->len = six ? 16 : 4;
    return inet_pton(six ? AF_INET6 : AF_INET, copy, ret_address->bytes) == 1;
}

static bool in_network(const struct address *address, const struct address *network, uint64_t bits)
{
    if (address->len != network->len || bits > 8 * address->len)
        return false;
    size_t whole = bits / 8;
    if (memcmp(address->bytes, network->bytes, whole) != 0)
        return false;
    unsigned mask = 0xFFU << (8 - bits % 8) & 0xFFU;
    return bits % 8 == 0 || ((address->bytes[whole] ^ network->bytes[whole]) & mask) == 0;
}

static bool matches_network(struct str entry, size_t slash, const char *host)
{
    struct address address, network;
    uint64_t bits;
    return str_to_uint64(str_skip(entry, slash + 1), &bits) &&
           parse_address(str_slice(entry, 0, slash), &network) &&
           parse_address(str_from(host), &address) && in_network(&address, &network, bits);
}

static bool matches_name(struct str entry, const char *host)
{
    struct str name = str_from(host);
    if (str_starts_with(entry, STR("*.")))
        entry = str_skip(entry, 2);
    while (str_starts_with(entry, STR(".")))
        entry = str_skip(entry, 1);
    if (entry.len == 0 || entry.len > name.len)
        return false;
    size_t before = name.len - entry.len;
    return str_eq_nocase(str_skip(name, before), entry) &&
           (before == 0 || name.ptr[before - 1] == '.');
}

/* Takes ":port" off the end; false when it is another port than ours. A bare IPv6 address has more
 * than one colon and no port. */
static bool take_port(struct str *entry, unsigned port)
{
    size_t colon = str_rfind_byte(*entry, ':');
    bool bare_six =
        colon != STR_NONE && entry->ptr[0] != '[' && str_find_byte(*entry, ':', 0) != colon;
    uint64_t wanted;
    if (colon == STR_NONE || bare_six || !str_to_uint64(str_skip(*entry, colon + 1), &wanted))
        return true;
    *entry = str_slice(*entry, 0, colon);
    return wanted == port;
}

static bool matches_entry(struct str entry, const struct net_url *url)
{
    struct address address, wanted;
    if (entry.len == 0)
        return false;
    if (str_eq_c(entry, "*"))
        return true;
    size_t slash = str_find_byte(entry, '/', 0);
    if (slash != STR_NONE)
        return matches_network(entry, slash, url->host);
    if (!take_port(&entry, url->port))
        return false;
    if (parse_address(entry, &wanted))
        return parse_address(str_from(url->host), &address) &&
               in_network(&address, &wanted, 8 * wanted.len);
    return !parse_address(str_from(url->host), &address) && matches_name(entry, url->host);
}

static bool is_excepted(const struct net_url *url, const char *list)
{
    for (const char *at = list ? list : ""; *at;) {
        size_t len = strcspn(at, ", \t");
        if (matches_entry((struct str){at, len}, url))
            return true;
        at += len + (at[len] != '\0');
    }
    return false;
}

/* -- The proxy's URL: [scheme://][user[:password]@]host[:port][/] */

static const struct scheme {
    const char *name;
    enum net_proxy_kind kind;
    unsigned port;
} schemes[] = {
    {"http", PROXY_HTTP, 80},
    {"socks5h", PROXY_SOCKS, 1080},
    {"socks5", PROXY_SOCKS, 1080},
    {"socks", PROXY_SOCKS, 1080},
};

static int hex_digit(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* False when it is too long or would hold a NUL. Other rubbish after % stays as it is. */
static bool decode_percent(struct str text, char *out, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' && i + 2 < text.len && hex_digit(text.ptr[i + 1]) >= 0 &&
            hex_digit(text.ptr[i + 2]) >= 0) {
            c = (char)(hex_digit(text.ptr[i + 1]) * 16 + hex_digit(text.ptr[i + 2]));
            i += 2;
        }
        if (c == '\0' || len + 1 >= size)
            return false;
        out[len++] = c;
    }
    out[len] = '\0';
    return true;
}

static bool take_credentials(struct str *text, struct net_proxy *proxy)
{
    size_t at = str_rfind_byte(*text, '@');
    if (at == STR_NONE)
        return true;
    struct str both = str_slice(*text, 0, at);
    size_t colon = str_find_byte(both, ':', 0);
    *text = str_skip(*text, at + 1);
    proxy->has_user = true;
    return decode_percent(str_slice(both, 0, colon == STR_NONE ? both.len : colon), proxy->user,
                          sizeof(proxy->user)) &&
           decode_percent(colon == STR_NONE ? STR("") : str_skip(both, colon + 1), proxy->password,
                          sizeof(proxy->password));
}

static enum status refuse(const struct net_proxy *proxy, struct err *err, const char *why)
{
    return err_set(err, STATUS_INVALID,
                   "%s: %s; expected http://[user:password@]host:port or socks5h://…",
                   proxy->source, why);
}

/* Host and port go through the one parser of URLs, under a scheme that allows any host. */
static enum status parse_place(struct str text, unsigned usual_port, struct net_proxy *proxy,
                               struct err *err)
{
    struct net_url url;
    struct buf whole = {0};
    struct err why;
    while (str_ends_with(text, STR("/")))
        text = str_slice(text, 0, text.len - 1);
    buf_append_fmt(&whole, "https://" STR_FMT, STR_ARG(text));
    enum status status = net_url_parse(buf_str(&whole), &url, &why);
    buf_finish(&whole);
    if (status < 0)
        return refuse(proxy, err, "the host or port of the proxy is not one");
    bool has_port =
        text.len && text.ptr[text.len - 1] != ']' && str_rfind_byte(text, ':') != STR_NONE;
    memcpy(proxy->host, url.host, sizeof(proxy->host));
    proxy->port = has_port ? url.port : usual_port;
    return STATUS_OK;
}

static enum status parse_proxy(struct str text, struct net_proxy *proxy, struct err *err)
{
    size_t end = str_find(text, STR("://"), 0);
    struct str name = end == STR_NONE ? STR("http") : str_slice(text, 0, end);
    const struct scheme *scheme = NULL;
    for (size_t i = 0; i < array_count(schemes); i++) {
        if (str_eq_nocase(name, str_from(schemes[i].name)))
            scheme = &schemes[i];
    }
    if (!scheme)
        return refuse(proxy, err, "this kind of proxy is not supported");
    if (end != STR_NONE)
        text = str_skip(text, end + 3);
    if (!take_credentials(&text, proxy))
        return refuse(proxy, err, "the user name or password is too long or not readable");
    enum status status = parse_place(text, scheme->port, proxy, err);
    proxy->kind = scheme->kind;
    return status;
}

/* -- The choice */

static const char *first_set(const char *(*get)(const char *name), const char *const *names,
                             const char **ret_name)
{
    for (; *names; names++) {
        const char *value = get(*names);
        if (value && *value) {
            *ret_name = *names;
            return value;
        }
    }
    return NULL;
}

static bool is_here(const char *host)
{
    return strcmp(host, "localhost") == 0 || str_ends_with(str_from(host), STR(".localhost")) ||
           matches_network(STR("127.0.0.0/8"), 9, host) || strcmp(host, "::1") == 0;
}

enum status net_proxy_choose(const struct net_url *url, const char *setting,
                             const char *(*get)(const char *name), struct net_proxy *ret_proxy,
                             struct err *err)
{
    static const char *const proxy_names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy",
                                              "ALL_PROXY", NULL};
    static const char *const except_names[] = {"no_proxy", "NO_PROXY", NULL};
    const char *unused;
    *ret_proxy = (struct net_proxy){.source = "endpoint.proxy"};
    if (!url->tls) /* goes to this machine alone, and no further by a detour */
        return STATUS_OK;
    bool set = setting && *setting;
    if (set && strcmp(setting, "none") == 0)
        return STATUS_OK;
    if (!set) {
        setting = first_set(get, proxy_names, &ret_proxy->source);
        if (!setting || is_here(url->host) ||
            is_excepted(url, first_set(get, except_names, &unused)))
            return STATUS_OK;
    }
    return parse_proxy(str_trim(str_from(setting)), ret_proxy, err);
}
