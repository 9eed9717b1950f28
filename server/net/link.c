/* What the WebSocket and the HTTP client have in common: resolve, try the addresses one after the
 * other, watch the deadline, add the headers, find out why it failed. */
#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "path-internal.h"

enum { HEADERS_COUNT = 64 };

static const unsigned moves[] = {
    [LINK_FINDING] = 1U << LINK_CONNECTING | 1U << LINK_ENDED,
    [LINK_CONNECTING] = 1U << LINK_OPEN | 1U << LINK_ENDED,
    [LINK_OPEN] = 1U << LINK_ENDED,
    [LINK_ENDED] = 0,
};

static void set_state(struct net_link *link, enum net_link_state state)
{
    assert(moves[link->state] & 1U << state);
    link->state = state;
}

/* -- Why it ended
 * ---------------------------------------------------------------------------------- */

void net_link_note(struct net_link *link, enum status status, const char *format, ...)
{
    if (link->close.text[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(link->close.text, sizeof(link->close.text), format, args);
    va_end(args);
    link->close.text[utf8_floor(str_from(link->close.text), sizeof(link->close.text) - 1)] = '\0';
    link->close.status = status;
}

static const struct answer {
    int from, to;
    enum status status;
    const char *text;
} answers[] = {
    {401, 401, STATUS_AUTH,
     "the server refused the key; check it, and that it is for this endpoint"},
    {403, 403, STATUS_AUTH, "the server forbids this; check what the key may do"},
    {404, 405, STATUS_PROTOCOL, "there is no such service at this address; check the URL's path"},
    {407, 407, STATUS_AUTH, "a proxy wants credentials"},
    {429, 429, STATUS_LIMIT, "the server asks to wait: too many requests or connections"},
    {100, 299, STATUS_PROTOCOL,
     "the server answered instead of opening a WebSocket; check the URL"},
    {300, 399, STATUS_PROTOCOL,
     "the server redirects, which is refused; put the final address in "
     "the URL"},
    {400, 499, STATUS_PROTOCOL, "the server refused the connection"},
    {500, 599, STATUS_IO, "the server has a problem of its own; try again later"},
};

static void note_answer(struct net_link *link)
{
    const struct net_close *close = &link->close;
    char wait[64] = "", id[sizeof(close->request_id) + 16] = "";
    if (close->retry_after_ms >= 0)
        snprintf(wait, sizeof(wait), ", retry after %.1f s", (double)close->retry_after_ms / 1000);
    if (close->request_id[0])
        snprintf(id, sizeof(id), ", request %s", close->request_id);
    for (size_t i = 0; i < array_count(answers); i++) {
        if (close->http_status >= answers[i].from && close->http_status <= answers[i].to) {
            net_link_note(link, answers[i].status, "%s (HTTP %d%s%s)", answers[i].text,
                          close->http_status, wait, id);
            return;
        }
    }
}

static const char *phase(const struct net_link *link)
{
    if (link->path)
        return net_path_phase(link->path);
    if (!link->requested)
        return link->url.tls ? "no connection, or no TLS on it" : "no connection";
    return "connected, but no answer came";
}

static const char *target_name(const struct net_link *link)
{
    return link->unix_path ? link->unix_path : link->url.host;
}

/* Whatever the way to the server holds before the library has it. */
static void drop_way(struct net_link *link)
{
    net_path_cancel(link->path);
    link->path = NULL;
    if (link->wants_store)
        net_store_forget(link->net, link);
    link->wants_store = false;
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

void net_link_end(struct net_link *link, unsigned code)
{
    if (link->state == LINK_ENDED)
        return;
    link->close.was_open = link->state == LINK_OPEN;
    set_state(link, LINK_ENDED);
    loop_timer_stop(link->deadline);
    loop_timer_stop(link->start);
    drop_way(link);
    net_sock_kill(&link->sock, code, "");
    net_link_note(link, STATUS_CLOSED, "the connection to %s was lost", target_name(link));
    link->ops->on_closed(link);
}

/* -- The answer's headers
 * ---------------------------------------------------------------------------- */

static bool copy_custom(struct net_link *link, const char *name, char *out, int size)
{
    return lws_hdr_custom_copy(link->sock.wsi, out, size, name, (int)strlen(name)) > 0;
}

/* Seconds, or a date. */
static int64_t parse_retry_after(const char *text)
{
    int64_t seconds;
    if (str_to_int64(str_trim(str_from(text)), &seconds))
        return seconds >= 0 && seconds < 86400 * 365 ? seconds * 1000 : -1;
    struct tm date = {0};
    if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &date))
        return -1;
    int64_t wait = (int64_t)timegm(&date) * 1000 - (int64_t)time_wall_ms();
    return wait > 0 ? wait : 0;
}

void net_link_read_answer(struct net_link *link)
{
    struct lws *wsi = link->sock.wsi;
    struct net_close *close = &link->close;
    char text[128];
    int64_t ms;
    close->http_status = (int)lws_http_client_http_response(wsi);
    if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_RETRY_AFTER) > 0)
        close->retry_after_ms = parse_retry_after(text);
    if (copy_custom(link, "retry-after-ms:", text, sizeof(text)) &&
        str_to_int64(str_trim(str_from(text)), &ms) && ms >= 0)
        close->retry_after_ms = ms;
    if (!copy_custom(link, "x-request-id:", close->request_id, sizeof(close->request_id)))
        close->request_id[0] = '\0';
}

/* -- Connecting
 * --------------------------------------------------------------------------------------- */

static void format_host(const struct net_link *link, char *out, size_t size)
{
    const struct net_url *url = &link->url;
    bool six = strchr(url->host, ':') != NULL;
    bool usual = url->port == (url->tls ? 443U : 80U);
    int used = snprintf(out, size, six ? "[%s]" : "%s", url->host);
    if (!usual && used > 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, ":%u", url->port);
}

static void on_gone(struct net_sock *sock);
static int on_event(struct net_sock *sock, enum lws_callback_reasons reason, void *in, size_t len);
static const struct net_sock_ops sock_ops = {.on_event = on_event, .on_gone = on_gone};

/* Our own liveness checks are above; the library's would ping at times nobody chose. */
static const lws_retry_bo_t no_pings = {.secs_since_valid_ping = 0};

/* The library connects its clients itself. So it is told to connect to port 0 of this machine,
 * where nobody can listen, and before it looks how that went, the descriptor is made to mean the
 * socket that we have connected: at the first look it finds a connection that is there. Whoever
 * watches the descriptor registers it when the loop polls next, which is later. */
static const char nowhere[] = "127.0.0.1";

static bool exchange_socket(struct net_link *link)
{
    bool good = dup3(link->fd, lws_get_socket_fd(link->sock.wsi), O_CLOEXEC) >= 0;
    close(link->fd);
    link->fd = -1;
    return good;
}

static bool connect_by_library(struct net_link *link, struct lws_context *context,
                               const char *address)
{
    char host[sizeof(link->url.host) + 16];
    format_host(link, host, sizeof(host));
    net_sock_register(link->net, &link->sock, &sock_ops);
    enum net_side side = link->url.tls ? NET_TLS : NET_PLAIN;
    struct lws_client_connect_info info = {
        .context = context,
        .vhost = link->net->clients[side],
        .address = address,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (link->url.tls ? LCCSCF_USE_SSL : 0),
        .path = link->url.path,
        .host = host,
        .local_protocol_name = net_protocols[0].name,
        .alpn = link->url.tls ? "http/1.1" : NULL,
        .opaque_user_data = (void *)link->sock.handle,
        .retry_and_idle_policy = &no_pings,
    };
    link->ops->prepare(link, &info);
    link->starting = true;
    struct lws *wsi = lws_client_connect_via_info(&info);
    link->starting = false;
    if (wsi && link->sock.handle) {
        link->sock.wsi = wsi;
        bool good = link->fd < 0 || exchange_socket(link);
        net_poke(context);
        return good; /* if not: killed with the link's end */
    }
    net_poke(context);
    link->sock.wsi = NULL;
    net_sock_unregister(&link->sock);
    return false;
}

/* Once there is a way, and the store if TLS needs it. */
static void hand_over(struct net_link *link)
{
    struct err err = {0};
    char unix_address[sizeof(((struct sockaddr_un *)0)->sun_path) + 2];
    struct lws_context *context = net_context(link->net, link->url.tls ? NET_TLS : NET_PLAIN, &err);
    set_state(link, LINK_CONNECTING);
    if (!context) {
        net_link_note(link, err.status, "%s", err.text);
        net_link_end(link, 0);
        return;
    }
    if (link->unix_path)
        snprintf(unix_address, sizeof(unix_address), "+%s", link->unix_path);
    if (!connect_by_library(link, context, link->unix_path ? unix_address : nowhere)) {
        net_link_note(link, STATUS_IO, "cannot connect to %s port %u; is it running?",
                      target_name(link), link->url.port);
        net_link_end(link, 0);
    }
}

static void go_on(struct net_link *link)
{
    if (!link->wants_store && (link->fd >= 0 || link->unix_path))
        hand_over(link);
}

static void fail(struct net_link *link, const struct err *problem)
{
    link->close.text[0] = '\0';
    net_link_note(link, problem->status, "%s", problem->text);
    net_link_end(link, 0);
}

static void on_path(void *user, int fd, const struct err *problem, int http_status)
{
    struct net_link *link = user;
    link->path = NULL;
    link->fd = fd;
    if (!problem) {
        go_on(link);
        return;
    }
    link->close.http_status = http_status;
    net_link_note(link, problem->status, "%s", problem->text);
    if (!link->wants_store) /* a file that is missing there comes first: it is what to repair */
        net_link_end(link, 0);
}

static void on_store(void *user, const struct err *problem)
{
    struct net_link *link = user;
    link->wants_store = false;
    if (problem)
        fail(link, problem);
    else if (link->close.text[0])
        net_link_end(link, 0);
    else
        go_on(link);
}

/* A turn after open, which may not call back. */
static void on_start(void *user)
{
    struct net_link *link = user;
    struct err err = {0};
    link->wants_store = link->url.tls && !net_store_want(link->net, on_store, link);
    if (!link->unix_path) {
        link->path = net_path_start(link->net, &link->url, link->proxy, on_path, link, &err);
        if (!link->path) {
            fail(link, &err);
            return;
        }
    }
    go_on(link);
}

static void on_deadline(void *user)
{
    struct net_link *link = user;
    link->close.text[0] = '\0'; /* whatever an earlier address said matters less */
    net_link_note(link, STATUS_TIMEOUT,
                  "%s did not open a connection within %llu ms (%s); check the "
                  "network, or a firewall or proxy in between",
                  target_name(link), (unsigned long long)link->net->connect_ms, phase(link));
    net_link_end(link, 0);
}

/* -- Events
 * -----------------------------------------------------------------------------------------------
 */

static int add_headers(struct net_link *link, void *in, size_t len)
{
    unsigned char **position = in, *end = *position + len;
    for (size_t i = 0; i < link->headers.len; i++) {
        const struct net_header *header = &link->headers.ptr[i];
        char name[128];
        snprintf(name, sizeof(name), "%s:", header->name);
        if (lws_add_http_header_by_name(link->sock.wsi, (const unsigned char *)name,
                                        (const unsigned char *)header->value,
                                        (int)strlen(header->value), position, end)) {
            net_link_note(link, STATUS_LIMIT, "the request's headers are too long");
            return -1;
        }
    }
    return 0;
}

/* The library checks names with a rule that knows no addresses; what it refuses for that alone is
 * checked here by the rule that does. */
static bool address_matches(const struct net_link *link, X509_STORE_CTX *store)
{
    struct net_addresses unused;
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    return X509_STORE_CTX_get_error(store) == X509_V_ERR_HOSTNAME_MISMATCH && certificate &&
           strcmp(link->url.host, "localhost") != 0 && net_resolve_fast(link->url.host, &unused) &&
           X509_check_ip_asc(certificate, link->url.host, 0) == 1;
}

static int verify(struct net_link *link, X509_STORE_CTX *store)
{
    if (address_matches(link, store))
        X509_STORE_CTX_set_error(store, X509_V_OK);
    int error = X509_STORE_CTX_get_error(store);
    if (error != X509_V_OK) {
        char text[sizeof(link->close.text)];
        net_tls_explain(error, link->url.host, text, sizeof(text));
        net_link_note(link, STATUS_DENIED, "%s", text);
    }
    return 0;
}

void net_link_on_alert(struct net_link *link, int alert)
{
    char text[sizeof(link->close.text)];
    net_tls_explain_alert(alert, link->url.host, text, sizeof(text));
    if (link->state == LINK_CONNECTING)
        net_link_note(link, STATUS_DENIED, "%s", text);
}

/* What the system says, because the library says "closed before established" to everything. */
static const char *connect_problem(const struct net_link *link, const char *text)
{
    int problem = 0;
    socklen_t len = sizeof(problem);
    int fd = link->sock.wsi ? lws_get_socket_fd(link->sock.wsi) : -1;
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) == 0 && problem)
        return strerror(problem);
    return text;
}

static int on_connect_error(struct net_link *link, const char *text, size_t len)
{
    if (link->close.http_status && link->close.http_status != 101)
        note_answer(link);
    char own[128];
    snprintf(own, sizeof(own), STR_FMT, STR_ARG(((struct str){text, text ? len : 0})));
    net_link_note(link, STATUS_IO,
                  "cannot connect to %s port %u%s: %s; is it running, and the URL right?",
                  target_name(link), link->url.port, link->url.tls ? " with TLS" : "",
                  connect_problem(link, own));
    if (!link->starting)
        net_link_end(link, 0);
    return 0;
}

static int on_event(struct net_sock *sock, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct net_link *link = container_of(sock, struct net_link, sock);
    if (link->state == LINK_ENDED)
        return 0; /* it will be closed in a moment, or is being closed */
    switch ((int)reason) {
    case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION:
        return verify(link, in);
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        link->requested = true;
        return add_headers(link, in, len) ? -1 : link->ops->on_event(link, reason, in, len);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        return on_connect_error(link, in, len);
    default:
        return link->ops->on_event(link, reason, in, len);
    }
}

static void on_gone(struct net_sock *sock)
{
    struct net_link *link = container_of(sock, struct net_link, sock);
    if (link->freed)
        link->ops->release(link);
    else if (link->state != LINK_ENDED && !link->starting)
        net_link_end(link, 0);
}

/* -- Life
 * ---------------------------------------------------------------------------------------------------
 */

static bool is_token(const char *name)
{
    for (const char *c = name; *c; c++) {
        if (!(islower((unsigned char)*c) || isdigit((unsigned char)*c) || strchr("-_.", *c)))
            return false;
    }
    return name[0] != '\0';
}

static enum status check_headers(const struct net_target *target, struct err *err)
{
    size_t total = 0;
    if (target->header_count > HEADERS_COUNT)
        return err_set(err, STATUS_LIMIT, "more than %d request headers", HEADERS_COUNT);
    for (size_t i = 0; i < target->header_count; i++) {
        const struct net_header *header = &target->headers[i];
        if (!is_token(header->name) || strlen(header->name) > 100)
            return err_set(err, STATUS_INVALID,
                           "\"%s\" is not a name of a header (lower case, digits, -)",
                           header->name);
        if (strpbrk(header->value, "\r\n"))
            return err_set(err, STATUS_INVALID, "the value of the header %s has a line break in it",
                           header->name); /* the value may be a key: not shown */
        total += strlen(header->name) + strlen(header->value) + 4;
    }
    if (total > NET_READ_BYTES - 8192) /* the library builds the request in one such buffer */
        return err_set(err, STATUS_LIMIT, "the request headers are larger than 56 KiB together");
    return STATUS_OK;
}

enum status net_link_init(struct net_link *link, struct net *net, const struct net_target *target,
                          const struct net_link_ops *ops, struct err *err)
{
    enum status status = check_headers(target, err);
    if (status < 0)
        return status;
    if (target->unix_path &&
        strlen(target->unix_path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return err_set(err, STATUS_LIMIT, "the socket path %s is too long", target->unix_path);
    link->net = net;
    link->ops = ops;
    link->url = target->url;
    link->unix_path = mem_dup_c(target->unix_path);
    link->proxy = mem_dup_c(target->proxy);
    link->fd = -1;
    link->close.retry_after_ms = -1;
    for (size_t i = 0; i < target->header_count; i++)
        vec_push(&link->headers, ((struct net_header){mem_dup_c(target->headers[i].name),
                                                      mem_dup_c(target->headers[i].value)}));
    link->deadline = loop_timer_new(net->loop, on_deadline, link);
    link->start = loop_timer_new(net->loop, on_start, link);
    loop_timer_start(link->deadline, net->connect_ms, 0);
    loop_timer_start(link->start, 0, 0);
    net->object_count++;
    return STATUS_OK;
}

void net_link_set_open(struct net_link *link)
{
    set_state(link, LINK_OPEN);
    loop_timer_stop(link->deadline);
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    mem_free(secret);
}

void net_link_finish(struct net_link *link)
{
    for (size_t i = 0; i < link->headers.len; i++) {
        mem_free((char *)(uintptr_t)link->headers.ptr[i].name);
        wipe((char *)(uintptr_t)link->headers.ptr[i].value); /* one of them is the key */
    }
    vec_finish(&link->headers);
    mem_free(link->unix_path);
    wipe(link->proxy); /* it may hold a password */
}

void net_link_free(struct net_link *link, unsigned code, const char *reason)
{
    assert(!link->freed);
    bool was_open = link->state == LINK_OPEN;
    link->freed = true;
    link->net->object_count--;
    loop_timer_free(link->deadline);
    loop_timer_free(link->start);
    drop_way(link);
    if (link->state != LINK_ENDED) {
        set_state(link, LINK_ENDED);
        net_sock_kill(&link->sock, was_open ? code : 0, reason);
    }
    if (!link->sock.handle)
        link->ops->release(link);
}
