/* What is said to a proxy before the target hears anything: HTTP CONNECT (RFC 9110, 9.3.6) or
 * SOCKS5 (RFC 1928, 1929), which both get the target's name, so that they resolve it. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "path-internal.h"

enum step { STEP_HTTP, STEP_METHOD, STEP_PASSWORD, STEP_REPLY };

struct net_talk {
    struct net *net;
    int fd; /* borrowed */
    struct net_watch *watch;
    const struct net_proxy *proxy; /* the path's, which outlives this */
    const char *host;
    unsigned port;
    net_talk_fn *done;
    void *user;
    enum step step;
    struct buf in;
    struct err problem; /* of the start, told on the first readiness */
};

static void end_talk(struct net_talk *talk, const struct err *problem, int http_status)
{
    struct err copy;
    if (problem)
        copy = *problem;
    net_talk_fn *done = talk->done;
    void *user = talk->user;
    net_talk_cancel(talk);
    done(user, problem ? &copy : NULL, http_status);
}

/* "the proxy HOST port N ...", with the status of the proxy's answer if it gave one. */
static void fail(struct net_talk *talk, enum status status, int http_status, const char *what)
{
    struct err err;
    err_set(&err, status, "the proxy %s port %u (from %s) %s", talk->proxy->host, talk->proxy->port,
            talk->proxy->source, what);
    end_talk(talk, &err, http_status);
}

/* A fresh socket takes the few hundred bytes at once. */
static bool say(struct net_talk *talk, struct buf *text)
{
    ssize_t put = send(talk->fd, text->ptr, text->len, MSG_NOSIGNAL);
    bool whole = put == (ssize_t)text->len;
    explicit_bzero(text->ptr, text->len); /* it may hold a password */
    buf_finish(text);
    return whole;
}

/* -- HTTP */

static void append_target(const struct net_talk *talk, struct buf *out)
{
    bool six = strchr(talk->host, ':') != NULL;
    buf_append_fmt(out, six ? "[%s]:%u" : "%s:%u", talk->host, talk->port);
}

static void append_basic(const struct net_proxy *proxy, struct buf *out)
{
    char plain[sizeof(proxy->user) + sizeof(proxy->password) + 1];
    unsigned char coded[(sizeof(plain) / 3 + 1) * 4 + 1];
    int len = snprintf(plain, sizeof(plain), "%s:%s", proxy->user, proxy->password);
    EVP_EncodeBlock(coded, (unsigned char *)plain, len);
    buf_append_fmt(out, "Proxy-Authorization: Basic %s\r\n", coded);
    explicit_bzero(plain, sizeof(plain));
    explicit_bzero(coded, sizeof(coded));
}

static bool ask_http(struct net_talk *talk)
{
    struct buf text = {0};
    buf_append_c(&text, "CONNECT ");
    append_target(talk, &text);
    buf_append_c(&text, " HTTP/1.1\r\nHost: ");
    append_target(talk, &text);
    buf_append_c(&text, "\r\n");
    if (talk->proxy->has_user)
        append_basic(talk->proxy, &text);
    buf_append_c(&text, "\r\n");
    talk->step = STEP_HTTP;
    return say(talk, &text);
}

/* "HTTP/1.1 407 Proxy Authentication Required": 0 if it is no such line. */
static int parse_status(struct str line, struct str *ret_reason)
{
    int64_t status;
    if (!str_starts_with(line, STR("HTTP/1.")) || line.len < 12 || line.ptr[8] != ' ' ||
        !str_to_int64(str_slice(line, 9, 12), &status) || status < 100 ||
        (line.len > 12 && line.ptr[12] != ' '))
        return 0;
    *ret_reason = str_trim(str_skip(line, 12));
    return (int)status;
}

static void refuse_http(struct net_talk *talk, int status, struct str reason)
{
    struct buf printable = {0};
    char text[400];
    utf8_append_printable(&printable, str_slice(reason, 0, 80));
    snprintf(text, sizeof(text), "refused to connect to %s port %u (HTTP %d%s" STR_FMT "); %s",
             talk->host, talk->port, status, reason.len ? " " : "", STR_ARG(buf_str(&printable)),
             status != 407 ? "check what it allows, or add the host to no_proxy"
             : talk->proxy->has_user
                 ? "check the user name and password in its URL (percent-encoded)"
                 : "put the user name and password in its URL: http://user:password@host:port");
    buf_finish(&printable);
    fail(talk,
         status == 407   ? STATUS_AUTH
         : status >= 500 ? STATUS_IO
                         : STATUS_DENIED,
         status, text);
}

static void hear_http(struct net_talk *talk)
{
    struct str all = buf_str(&talk->in);
    struct str reason = {0};
    size_t end = str_find(all, STR("\r\n\r\n"), 0);
    size_t line_end = str_find(all, STR("\r\n"), 0);
    if (end == STR_NONE && all.len >= NET_HEADER_BYTES) {
        fail(talk, STATUS_PROTOCOL, 0, "sent more than 16 KiB of headers");
    } else if (all.len >= 7 && !str_starts_with(all, STR("HTTP/1."))) {
        fail(talk, STATUS_PROTOCOL, 0, "does not speak HTTP; is it a SOCKS proxy (socks5h://)?");
    } else if (end != STR_NONE) {
        int status = parse_status(str_slice(all, 0, line_end), &reason);
        if (status == 0)
            fail(talk, STATUS_PROTOCOL, 0, "answered with something that is no HTTP status");
        else if (status < 200 || status >= 300)
            refuse_http(talk, status, reason);
        else if (end + 4 < all.len)
            fail(talk, STATUS_PROTOCOL, 0, "sent bytes before the server was spoken to");
        else
            end_talk(talk, NULL, 0);
    }
}

/* -- SOCKS5 */

enum { SOCKS_VERSION = 5, METHOD_NONE = 0, METHOD_PASSWORD = 2 };

static bool ask_method(struct net_talk *talk)
{
    struct buf text = {0};
    buf_append(&text, talk->proxy->has_user ? STR("\5\2\0\2") : STR("\5\1\0"));
    talk->step = STEP_METHOD;
    return say(talk, &text);
}

static void append_counted(struct buf *out, const char *text)
{
    buf_append_byte(out, (char)strlen(text)); /* at most 255, by the size of the arrays */
    buf_append_c(out, text);
}

static bool ask_password(struct net_talk *talk)
{
    struct buf text = {0};
    buf_append_byte(&text, 1);
    append_counted(&text, talk->proxy->user);
    append_counted(&text, talk->proxy->password);
    talk->step = STEP_PASSWORD;
    return say(talk, &text);
}

static bool ask_connect(struct net_talk *talk)
{
    struct buf text = {0};
    unsigned char bytes[16];
    buf_append(&text, STR("\5\1\0"));
    if (inet_pton(AF_INET, talk->host, bytes) == 1) {
        buf_append_byte(&text, 1);
        buf_append(&text, (struct str){(char *)bytes, 4});
    } else if (inet_pton(AF_INET6, talk->host, bytes) == 1) {
        buf_append_byte(&text, 4);
        buf_append(&text, (struct str){(char *)bytes, 16});
    } else {
        buf_append_byte(&text, 3);
        append_counted(&text, talk->host);
    }
    buf_append_byte(&text, (char)(talk->port >> 8));
    buf_append_byte(&text, (char)talk->port);
    talk->step = STEP_REPLY;
    return say(talk, &text);
}

static void hear_method(struct net_talk *talk, unsigned version, unsigned method)
{
    bool sent = true;
    if (version != SOCKS_VERSION)
        fail(talk, STATUS_PROTOCOL, 0, "does not speak SOCKS5; is it an HTTP proxy (http://)?");
    else if (method == METHOD_NONE)
        sent = ask_connect(talk);
    else if (method == METHOD_PASSWORD && talk->proxy->has_user)
        sent = ask_password(talk);
    else
        fail(talk, STATUS_AUTH, 0,
             "wants credentials: put them in its URL, socks5h://user:password@host:port");
    if (!sent)
        fail(talk, STATUS_IO, 0, "closed the connection");
}

static void hear_password(struct net_talk *talk, unsigned result)
{
    if (result != 0)
        fail(talk, STATUS_AUTH, 0, "refused the user name or password in its URL");
    else if (!ask_connect(talk))
        fail(talk, STATUS_IO, 0, "closed the connection");
}

static const char *const replies[] = {
    [1] = "had a failure of its own",
    [2] = "is not allowed to connect there",
    [3] = "says the network is unreachable",
    [4] = "says the host is unreachable or unknown; check the URL",
    [5] = "says the connection was refused; is the server running?",
    [6] = "says that it took too long",
    [7] = "does not know how to connect",
    [8] = "does not know this kind of address",
};

static void hear_reply(struct net_talk *talk, unsigned version, unsigned reply)
{
    char text[160];
    if (version == SOCKS_VERSION && reply == 0) {
        end_talk(talk, NULL, 0);
        return;
    }
    snprintf(text, sizeof(text), "%s (SOCKS reply %u)",
             reply < array_count(replies) && replies[reply] ? replies[reply] : "refused", reply);
    fail(talk, reply == 2 ? STATUS_DENIED : STATUS_IO, 0, text);
}

/* How many bytes the answer of this step has; more than are there when that cannot be told yet. */
static size_t answer_size(const struct net_talk *talk)
{
    const unsigned char *in = (const unsigned char *)talk->in.ptr;
    if (talk->step != STEP_REPLY)
        return 2;
    if (talk->in.len < 5)
        return 5;
    return in[3] == 4 ? 22U : in[3] == 3 ? 7U + in[4] : 10U;
}

static void hear_socks(struct net_talk *talk)
{
    const unsigned char *in = (const unsigned char *)talk->in.ptr;
    if (talk->in.len < answer_size(talk) &&
        !(talk->step == STEP_REPLY && talk->in.len > 1 && in[1]))
        return; /* what refuses is not always whole */
    unsigned first = in[0], second = in[1];
    enum step step = talk->step;
    buf_clear(&talk->in);
    if (step == STEP_METHOD)
        hear_method(talk, first, second);
    else if (step == STEP_PASSWORD)
        hear_password(talk, second);
    else
        hear_reply(talk, first, second);
}

/* -- Both */

/* Never a byte more than belongs to the proxy, where that can be known. */
static size_t wanted(const struct net_talk *talk)
{
    return talk->step == STEP_HTTP ? NET_HEADER_BYTES - talk->in.len
                                   : answer_size(talk) - talk->in.len;
}

static void on_ready(void *user)
{
    struct net_talk *talk = user;
    char bytes[NET_HEADER_BYTES];
    if (talk->problem.status < 0) {
        end_talk(talk, &talk->problem, 0);
        return;
    }
    ssize_t got = recv(talk->fd, bytes, wanted(talk), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        fail(talk, STATUS_IO, 0, "closed the connection before it answered");
        return;
    }
    buf_append(&talk->in, (struct str){bytes, (size_t)got});
    if (talk->step == STEP_HTTP)
        hear_http(talk);
    else
        hear_socks(talk);
}

struct net_talk *net_talk_start(struct net *net, int fd, const struct net_proxy *proxy,
                                const char *host, unsigned port, net_talk_fn *done, void *user)
{
    struct net_talk *talk = mem_new(struct net_talk);
    *talk = (struct net_talk){.net = net,
                              .fd = fd,
                              .proxy = proxy,
                              .host = host,
                              .port = port,
                              .done = done,
                              .user = user};
    bool sent = proxy->kind == PROXY_HTTP ? ask_http(talk) : ask_method(talk);
    if (!sent) /* told when the loop turns, as everything else */
        err_set(&talk->problem, STATUS_IO, "the proxy %s port %u closed the connection",
                proxy->host, proxy->port);
    talk->watch = net_watch_start(net, fd, UV_READABLE | (sent ? 0 : UV_WRITABLE), on_ready, talk);
    return talk;
}

void net_talk_cancel(struct net_talk *talk)
{
    if (!talk)
        return;
    net_watch_stop(talk->watch);
    buf_finish(&talk->in);
    mem_free(talk);
}
