#include "helper.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* -- Party ----------------------------------------------------------------------------------------
 */

static void on_guard(void *user)
{
    struct party *party = user;
    loop_stop(party->loop);
}

static void on_traffic(void *user, bool outgoing, struct str text)
{
    struct party *party = user;
    if (outgoing)
        party->out_count++;
    else
        party->in_count++;
}

void party_start_with(struct party *party, struct endpoint_options options)
{
    struct err err = {0};
    *party = (struct party){0};
    party->loop = loop_new(NULL);
    party->net = net_new(party->loop, &(struct net_options){0}, NULL);
    party->guard = loop_timer_new(party->loop, on_guard, party);
    options.replay_name = "demo.jsonl";
    options.on_traffic = on_traffic;
    options.user = party;
    party->endpoint = endpoint_new(party->loop, party->net, &options, &err);
    cr_assert(party->endpoint, "%s", err.text);
}

void party_start(struct party *party, const char *script)
{
    party_start_with(party, (struct endpoint_options){.replay = str_from(script)});
}

void party_end(struct party *party)
{
    endpoint_free(party->endpoint);
    loop_timer_free(party->guard);
    net_free(party->net);
    loop_free(party->loop);
}

void party_run_until(struct party *party, const bool *done, const char *what)
{
    loop_timer_start(party->guard, PATIENCE_MS, 0);
    while (!*done && loop_timer_is_active(party->guard))
        loop_run(party->loop);
    cr_assert(*done, "never came: %s", what);
    loop_timer_stop(party->guard);
}

void party_run_ms(struct party *party, uint64_t ms)
{
    loop_timer_start(party->guard, ms, 0);
    while (loop_timer_is_active(party->guard))
        loop_run(party->loop);
}

int party_connect(const struct party *party)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)endpoint_port(party->endpoint)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

ssize_t party_receive(struct party *party, int fd, char *bytes, size_t size)
{
    ssize_t got = -1;
    for (unsigned i = 0; got < 0 && i < PATIENCE_TURNS; i++) {
        party_run_ms(party, TURN_MS);
        got = recv(fd, bytes, size, MSG_DONTWAIT);
    }
    cr_assert_geq(got, 0, "the endpoint says nothing");
    return got;
}

/* -- Peer -----------------------------------------------------------------------------------------
 */

static void wake(struct peer *peer)
{
    peer->woken = true;
    loop_stop(peer->party->loop);
}

static void on_open(void *user)
{
    struct peer *peer = user;
    peer->opened = true;
    wake(peer);
}

static void on_message(void *user, struct str text)
{
    struct peer *peer = user;
    struct json_value *event = NULL;
    json_parse(text, &event, NULL);
    vec_push(&peer->events, event);
    wake(peer);
}

static void on_alive(void *user)
{
    struct peer *peer = user;
    peer->alives++;
    wake(peer);
}

static void on_closed(void *user, const struct net_close *close)
{
    struct peer *peer = user;
    peer->close = *close;
    peer->closed = true;
    wake(peer);
}

static const struct net_ws_handlers handlers = {on_open, on_message, on_alive, on_closed};

static void target_init(struct net_target *target, struct party *party, const char *scheme,
                        const char *path, const struct net_header *headers, size_t count)
{
    char url[1024];
    *target = (struct net_target){.headers = headers, .header_count = count};
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u%s", scheme, endpoint_port(party->endpoint), path);
    cr_assert_eq(net_url_parse(str_from(url), &target->url, NULL), STATUS_OK);
}

void peer_try(struct peer *peer, struct party *party, const char *path,
              const struct net_header *headers, size_t count)
{
    struct net_target target;
    *peer = (struct peer){.party = party};
    target_init(&target, party, "ws", path, headers, count);
    peer->ws = net_ws_open(party->net, &target, &handlers, peer, NULL);
    cr_assert(peer->ws);
    party_run_until(party, &peer->woken, "open or refusal");
}

void peer_open(struct peer *peer, struct party *party)
{
    peer_try(peer, party, "/v1/responses", NULL, 0);
    cr_assert(peer->opened, "%s", peer->close.text);
}

void peer_end(struct peer *peer)
{
    net_ws_free(peer->ws, 1000, NULL);
    for (size_t i = 0; i < peer->events.len; i++)
        json_free(peer->events.ptr[i]);
    vec_finish(&peer->events);
}

static void send_text(struct peer *peer, struct buf *text)
{
    cr_assert_eq(net_ws_send(peer->ws, text), STATUS_OK);
}

void peer_send(struct peer *peer, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    send_text(peer, &text);
}

void peer_create(struct peer *peer, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    buf_append_c(&text, "{\"type\":\"response.create\",\"model\":\"m\",");
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    buf_append_c(&text, "}");
    send_text(peer, &text);
}

static bool is_type(const struct json_value *event, const char *type)
{
    return !type || str_eq_c(json_get_str(event, "type"), type);
}

static void wait_for_more(struct peer *peer, const char *what)
{
    while (peer->seen == peer->events.len) {
        cr_assert(!peer->closed, "closed while waiting for %s: %s", what, peer->close.text);
        peer->woken = false;
        party_run_until(peer->party, &peer->woken, what);
    }
}

const struct json_value *peer_next(struct peer *peer, const char *type)
{
    for (;;) {
        wait_for_more(peer, type ? type : "any event");
        const struct json_value *event = peer->events.ptr[peer->seen++];
        if (is_type(event, type))
            return event;
        cr_assert(!is_type(event, "error"), "an error instead of %s: %s", type,
                  error_message(event));
    }
}

static bool is_ending(const struct json_value *event)
{
    return is_type(event, "response.completed") || is_type(event, "response.failed") ||
           is_type(event, "response.incomplete") || is_type(event, "error");
}

const struct json_value *peer_ending(struct peer *peer, const char *lane)
{
    for (;;) {
        wait_for_more(peer, "the end of a response");
        const struct json_value *event = peer->events.ptr[peer->seen++];
        if (is_ending(event) && (!lane || str_eq_c(json_get_str(event, "stream_id"), lane)))
            return event;
    }
}

void peer_wait_closed(struct peer *peer)
{
    while (!peer->closed) {
        peer->woken = false;
        party_run_until(peer->party, &peer->woken, "close");
    }
}

size_t peer_count(const struct peer *peer, const char *type, const char *lane)
{
    size_t count = 0;
    for (size_t i = 0; i < peer->events.len; i++) {
        const struct json_value *event = peer->events.ptr[i];
        if (is_type(event, type) && (!lane || str_eq_c(json_get_str(event, "stream_id"), lane)))
            count++;
    }
    return count;
}

/* -- Events ---------------------------------------------------------------------------------------
 */

static const char *pointer(struct str text)
{
    return text.ptr ? text.ptr : "";
}

const char *event_id(const struct json_value *event)
{
    return pointer(json_str(json_at(event, "response", "id", NULL)));
}

static const struct json_value *output(const struct json_value *event, size_t nth)
{
    const struct json_value *item = json_first(json_at(event, "response", "output", NULL));
    while (nth-- > 0)
        item = json_next(item);
    return item;
}

const char *event_text(const struct json_value *event)
{
    const struct json_value *item = json_first(json_at(event, "response", "output", NULL));
    while (item && !is_type(item, "message"))
        item = json_next(item);
    return pointer(json_get_str(json_first(json_get(item, "content")), "text"));
}

const char *event_call(const struct json_value *event, size_t nth)
{
    return pointer(json_get_str(output(event, nth), "call_id"));
}

static struct str of_error(const struct json_value *event, const char *key)
{
    const struct json_value *nested = json_at(event, "error", key, NULL);
    return nested ? json_str(nested) : json_get_str(event, key);
}

const char *error_code(const struct json_value *event)
{
    return pointer(of_error(event, "code"));
}

const char *error_message(const struct json_value *event)
{
    return pointer(of_error(event, "message"));
}

/* -- HTTP -----------------------------------------------------------------------------------------
 */

static void on_head(void *user, int status, struct str content_type)
{
    struct fetch *fetch = user;
    fetch->status = status;
}

static void on_body(void *user, struct str bytes)
{
    struct fetch *fetch = user;
    buf_append(&fetch->body, bytes);
}

static void on_http_closed(void *user, const struct net_close *close)
{
    struct fetch *fetch = user;
    fetch->close = *close;
    fetch->status = fetch->status ? fetch->status : close->http_status;
    fetch->closed = true;
    loop_stop(fetch->party->loop);
}

static const struct net_http_handlers http_handlers = {on_head, on_body, on_http_closed};

void fetch_start(struct fetch *fetch, struct party *party, const char *method, const char *path,
                 const char *body, const struct net_header *headers, size_t count)
{
    struct net_target target;
    struct buf bytes = {0};
    *fetch = (struct fetch){.party = party};
    buf_append_c(&fetch->body, "");
    target_init(&target, party, "http", path, headers, count);
    if (body)
        buf_append_c(&bytes, body);
    fetch->http = net_http_open(party->net, method, &target, body ? &bytes : NULL, &http_handlers,
                                fetch, NULL);
    cr_assert(fetch->http);
}

void fetch_run(struct fetch *fetch, struct party *party, const char *method, const char *path,
               const char *body)
{
    fetch_start(fetch, party, method, path, body, NULL, 0);
    party_run_until(party, &fetch->closed, "HTTP answer");
}

void fetch_end(struct fetch *fetch)
{
    net_http_free(fetch->http);
    buf_finish(&fetch->body);
}
