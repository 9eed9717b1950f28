#include "link-internal.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

enum { HEADERS_COUNT = 64, HEADERS_BYTES = 56 * 1024 };

static const unsigned moves[] = {
    [LINK_CONNECTING] = 1U << LINK_ASKING | 1U << LINK_ENDED,
    [LINK_ASKING] = 1U << LINK_CONNECTING | 1U << LINK_OPEN | 1U << LINK_ENDED,
    [LINK_OPEN] = 1U << LINK_ENDED,
    [LINK_ENDED] = 0,
};

static void set_state(struct net_link *link, enum net_link_state state)
{
    assert(moves[link->state] & 1U << state);
    link->state = state;
}

/* -- Why it ended */

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
    {400, 499, STATUS_PROTOCOL, "the server refused this"},
    {500, 599, STATUS_IO, "the server has a problem of its own; try again later"},
};

enum status net_close_describe(const struct net_close *close, char *ret_text, size_t size)
{
    char wait[64] = "", id[sizeof(close->request_id) + 16] = "";
    if (close->retry_after_ms >= 0)
        snprintf(wait, sizeof(wait), ", retry after %.1f s", (double)close->retry_after_ms / 1000);
    if (close->request_id[0])
        snprintf(id, sizeof(id), ", request %s", close->request_id);
    for (size_t i = 0; i < array_count(answers); i++) {
        if (close->http_status >= answers[i].from && close->http_status <= answers[i].to) {
            snprintf(ret_text, size, "%s (HTTP %d%s%s)", answers[i].text, close->http_status, wait,
                     id);
            return answers[i].status;
        }
    }
    return STATUS_OK;
}

void net_link_note_refusal(struct net_link *link)
{
    char text[sizeof(link->close.text)];
    enum status status = net_close_describe(&link->close, text, sizeof(text));
    if (status < 0)
        net_link_note(link, status, "%s", text);
}

static const char *target_name(const struct net_link *link)
{
    return link->unix_path ? link->unix_path : link->url.host;
}

void net_link_note_lost(struct net_link *link, const struct net_ending *ending)
{
    link->close.http_status = ending->http_status ? ending->http_status : link->close.http_status;
    if (ending->text[0] && link->state != LINK_OPEN)
        net_link_note(link, ending->status, "%s", ending->text);
    else if (link->state == LINK_ASKING)
        net_link_note(link, STATUS_IO,
                      "cannot connect to %s port %u%s: the connection was closed before an answer "
                      "came; is it running, and the URL right?",
                      target_name(link), link->url.port, link->url.tls ? " with TLS" : "");
}

void net_link_end(struct net_link *link)
{
    if (link->state == LINK_ENDED)
        return;
    link->close.was_open = link->state == LINK_OPEN;
    set_state(link, LINK_ENDED);
    loop_timer_stop(link->deadline);
    loop_timer_stop(link->start);
    net_stream_free(link->stream);
    link->stream = NULL;
    net_link_note(link, STATUS_CLOSED, "the connection to %s was lost", target_name(link));
    link->ops->on_closed(link);
}

/* -- The request */

static void format_host(const struct net_link *link, char *out, size_t size)
{
    const struct net_url *url = &link->url;
    bool six = strchr(url->host, ':') != NULL;
    bool usual = url->port == (url->tls ? 443U : 80U);
    int used = snprintf(out, size, six ? "[%s]" : "%s", url->host);
    if (!usual && used > 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, ":%u", url->port);
}

void net_link_append_request(const struct net_link *link, const char *method, struct buf *out)
{
    char host[sizeof(link->url.host) + 16];
    format_host(link, host, sizeof(host));
    buf_append_fmt(out, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, link->url.path, host);
    for (size_t i = 0; i < link->headers.len; i++)
        buf_append_fmt(out, "%s: %s\r\n", link->headers.ptr[i].name, link->headers.ptr[i].value);
}

bool net_link_has_header(const struct net_link *link, const char *name)
{
    for (size_t i = 0; i < link->headers.len; i++) {
        if (strcmp(link->headers.ptr[i].name, name) == 0)
            return true;
    }
    return false;
}

void net_link_set_asking(struct net_link *link)
{
    set_state(link, LINK_ASKING);
}

/* -- The answer */

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

static void copy_text(struct str value, char *out, size_t size)
{
    snprintf(out, size, STR_FMT, STR_ARG(value));
}

static void read_fields(struct net_link *link)
{
    struct net_close *close = &link->close;
    char text[128];
    int64_t ms;
    close->http_status = link->head.status;
    copy_text(net_head_get(&link->head, "retry-after"), text, sizeof(text));
    if (text[0])
        close->retry_after_ms = parse_retry_after(text);
    if (str_to_int64(net_head_get(&link->head, "retry-after-ms"), &ms) && ms >= 0)
        close->retry_after_ms = ms;
    copy_text(net_head_get(&link->head, "x-request-id"), close->request_id,
              sizeof(close->request_id));
}

enum net_head_result net_link_read_head(struct net_link *link, struct str *bytes)
{
    const char *problem;
    enum net_head_result result = net_head_push(&link->head, bytes, &problem);
    if (result == NET_HEAD_DONE) {
        net_way_answered(link->net, &link->head);
        read_fields(link);
    }
    if (result == NET_HEAD_BAD) {
        net_link_note(link, STATUS_IO,
                      "%s port %u does not speak as it should: %s; is the URL right?",
                      target_name(link), link->url.port, problem);
        net_link_end(link);
    }
    return result;
}

void net_link_set_open(struct net_link *link)
{
    set_state(link, LINK_OPEN);
    loop_timer_stop(link->deadline);
}

/* -- The stream's events */

static void on_open(void *user)
{
    struct net_link *link = user;
    link->ops->on_connected(link);
}

static void on_bytes(void *user, struct str bytes)
{
    struct net_link *link = user;
    link->ops->on_bytes(link, bytes);
}

static void on_drain(void *user)
{
    struct net_link *link = user;
    link->ops->on_drain(link);
}

static void on_end(void *user, const struct net_ending *ending)
{
    struct net_link *link = user;
    link->ops->on_lost(link, ending);
}

static const struct net_stream_handlers handlers = {
    .on_open = on_open, .on_bytes = on_bytes, .on_drain = on_drain, .on_end = on_end};

void net_link_connect(struct net_link *link)
{
    struct err err = {0};
    if (link->state == LINK_ASKING) /* once more */
        set_state(link, LINK_CONNECTING);
    loop_timer_start(link->deadline, link->net->connect_ms, 0);
    link->stream =
        net_stream_open(link->net, &link->url, link->unix_path, link->proxy, &handlers, link, &err);
    if (link->stream)
        return;
    net_link_note(link, err.status, "%s", err.text);
    net_link_end(link);
}

void net_link_adopt(struct net_link *link, struct net_stream *stream)
{
    link->stream = stream;
    net_stream_give(stream, &handlers, link);
    link->ops->on_connected(link);
}

/* -- Life */

/* A turn after open, which may not call back. */
static void on_start(void *user)
{
    struct net_link *link = user;
    link->ops->on_start(link);
}

static const char *phase(const struct net_link *link)
{
    return link->state == LINK_CONNECTING && link->stream ? net_stream_phase(link->stream)
                                                          : "connected, but no answer came";
}

static void on_deadline(void *user)
{
    struct net_link *link = user;
    link->close.text[0] = '\0'; /* whatever an earlier address said matters less */
    net_link_note(link, STATUS_TIMEOUT,
                  "%s did not open a connection within %llu ms (%s); check the "
                  "network, or a firewall or proxy in between",
                  target_name(link), (unsigned long long)link->net->connect_ms, phase(link));
    net_link_end(link);
}

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
    if (total > HEADERS_BYTES)
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
    link->close.retry_after_ms = -1;
    for (size_t i = 0; i < target->header_count; i++)
        vec_push(&link->headers, ((struct net_header){mem_dup_c(target->headers[i].name),
                                                      mem_dup_c(target->headers[i].value)}));
    link->deadline = loop_timer_new(net->loop, on_deadline, link);
    link->start = loop_timer_new(net->loop, on_start, link);
    loop_timer_start(link->start, 0, 0);
    net->object_count++;
    return STATUS_OK;
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
    net_head_finish(&link->head);
    mem_free(link->unix_path);
    wipe(link->proxy); /* it may hold a password */
}

/* What is on the stack above may still look at it. */
static void release(void *user)
{
    struct net_link *link = user;
    link->net->release_count--;
    link->ops->release(link);
}

void net_link_free(struct net_link *link)
{
    assert(!link->freed);
    link->freed = true;
    link->net->object_count--;
    link->net->release_count++;
    loop_timer_free(link->deadline);
    loop_timer_free(link->start);
    net_stream_free(link->stream);
    link->stream = NULL;
    if (link->state != LINK_ENDED)
        set_state(link, LINK_ENDED);
    loop_defer(link->net->loop, release, link);
}
