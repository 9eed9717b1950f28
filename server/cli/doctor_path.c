/* The way to the endpoint: address, key, proxy, name, connection, TLS, upgrade; and HTTP, which
 * stands in for the socket. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "doctor-internal.h"

enum { CERTIFICATE_SOON_S = 14 * 24 * 3600, CLOCK_OFF_S = 300 };
enum { ADDRESSES_COUNT = 4, KEY_COMMAND_MS = 35000 /* it has 30 s, and then says so */ };

static bool is_replay(const struct doctor *doctor)
{
    return target_is_replay(doctor->config);
}

/* -- Endpoint -- */

/* A query may hold what others should not read. */
static struct str shown_url(const struct doctor *doctor)
{
    struct str url = str_from(doctor->config->endpoint_url);
    return is_replay(doctor) ? url : str_slice(url, 0, str_find_byte(url, '?', 0));
}

static bool read_url(struct doctor *doctor, struct doctor_line *line)
{
    struct err err = {0};
    if (is_replay(doctor)) {
        struct buf file = {0};
        net_url_parse(STR("ws://127.0.0.1/v1/responses"), &doctor->url, NULL);
        target_append_replay_file(doctor->config, &file);
        bool can = access(file.ptr, R_OK) == 0;
        if (!can)
            doctor_fail(line, "name a recording that is there in endpoint.url",
                        "the recording %s cannot be read", file.ptr);
        buf_finish(&file);
        return can;
    }
    if (net_url_parse(str_from(doctor->config->endpoint_url), &doctor->url, &err) == STATUS_OK)
        return true;
    doctor_tell_error(line, DOCTOR_FAIL, err.text,
                      "correct endpoint.url: wss://HOST/v1/responses, or ws:// on this machine");
    return false;
}

static void tell_remembered(struct doctor *doctor, struct doctor_line *line)
{
    doctor->memory = memory_new(doctor->env.state_folder, doctor->config->endpoint_url);
    memory_get(doctor->memory, &doctor->known);
    json_write_field_c(&line->w, "remembered", doctor->known.refused);
    if (doctor->known.refused[0])
        doctor_ok(line, "remembered as refused: %s", doctor->known.refused);
    if (doctor->known.pause_ms > 0)
        doctor_warn(line, "wait for it to be over",
                    "it asked for a pause, of which %llu s are left",
                    (unsigned long long)(doctor->known.pause_ms / 1000 + 1));
}

void doctor_check_endpoint(struct doctor *doctor, struct doctor_line *line)
{
    struct str url = shown_url(doctor);
    const char *model = doctor->config->model;
    json_write_field_str(&line->w, "url", url);
    json_write_field_c(&line->w, "model", model);
    if (!read_url(doctor, line))
        return;
    doctor->profile =
        responses_profile_find(str_from(doctor->config->endpoint_profile),
                               str_from(is_replay(doctor) ? "localhost" : doctor->url.host));
    json_write_field_c(&line->w, "profile", doctor->profile->name);
    doctor_ok(line, STR_FMT ", profile %s, model %s", STR_ARG(url), doctor->profile->name, model);
    tell_remembered(doctor, line);
}

/* -- Key: where it comes from, and nothing of what it is -- */

struct key_wait {
    struct doctor *doctor;
    struct err problem;
    bool done;
};

static void on_key(void *user, struct buf *key, const struct err *problem)
{
    struct key_wait *wait = user;
    if (problem)
        wait->problem = *problem;
    else
        buf_move(&wait->doctor->key, key);
    wait->done = true;
    loop_stop(wait->doctor->loop);
}

static void run_key_command(struct doctor *doctor, struct doctor_line *line)
{
    struct key_wait wait = {.doctor = doctor};
    const char *program = doctor->config->endpoint_api_key_command.ptr[0];
    json_write_field_c(&line->w, "source", "command");
    struct key_run *run = key_run_start(doctor->loop, doctor->config, on_key, &wait);
    if (!doctor_wait(doctor, &wait.done, KEY_COMMAND_MS)) {
        key_run_cancel(run);
        doctor_fail(line, "try it in a shell", "endpoint.apiKeyCommand (%s) does not end", program);
    } else if (wait.problem.status < 0) {
        doctor_tell_error(line, DOCTOR_FAIL, wait.problem.text,
                          "try endpoint.apiKeyCommand in a shell");
    } else {
        doctor_ok(line, "printed by endpoint.apiKeyCommand (%s)", program);
    }
}

static void take_key(struct doctor *doctor, struct doctor_line *line)
{
    struct err err = {0};
    const char *name = doctor->config->endpoint_api_key_env;
    bool is_set = *name && getenv(name) && *getenv(name);
    bool here = !doctor->url.tls;
    if (config_key_take(doctor->config, &doctor->key, &err) == STATUS_OK) {
        json_write_field_c(&line->w, "source", "environment");
        doctor_ok(line, "from %s; an editor that was not started from here may not have it", name);
    } else if (is_set) {
        json_write_field_c(&line->w, "source", "none");
        doctor_tell_error(line, DOCTOR_FAIL, err.text, "set it again");
    } else if (!here) {
        json_write_field_c(&line->w, "source", "none");
        doctor_fail(line,
                    "set it where the editor is started, or name another variable in "
                    "endpoint.apiKeyEnv or a program in endpoint.apiKeyCommand",
                    "no key: %s is not set", *name ? name : "endpoint.apiKeyEnv");
    } else {
        json_write_field_c(&line->w, "source", "none");
        doctor_ok(line, "none (%s is not set); an endpoint on this machine may not need one", name);
    }
    json_write_field_c(&line->w, "variable", name);
}

void doctor_check_key(struct doctor *doctor, struct doctor_line *line)
{
    if (is_replay(doctor)) {
        json_write_field_c(&line->w, "source", "none");
        doctor_ok(line, "a recording needs none");
    } else if (target_has_key_command(doctor->config)) {
        run_key_command(doctor, line);
    } else {
        take_key(doctor, line);
    }
}

/* -- Proxy -- */

void doctor_check_proxy(struct doctor *doctor, struct doctor_line *line)
{
    struct net_proxy_facts *proxy = &doctor->proxy;
    struct err err = {0};
    if (net_proxy_describe(&doctor->url, doctor->config->endpoint_proxy, proxy, &err) < 0) {
        doctor_tell_error(line, DOCTOR_FAIL, err.text, "");
        return;
    }
    json_write_field_bool(&line->w, "used", proxy->used);
    json_write_field_c(&line->w, "why", proxy->why);
    if (!proxy->used) {
        doctor_ok(line, "none: %s", proxy->why);
        return;
    }
    json_write_field_c(&line->w, "host", proxy->host);
    json_write_field_int(&line->w, "port", proxy->port);
    json_write_field_c(&line->w, "kind", proxy->is_socks ? "socks5h" : "http");
    doctor_ok(line, "%s proxy %s port %u%s: %s", proxy->is_socks ? "SOCKS" : "HTTP", proxy->host,
              proxy->port, proxy->has_user ? ", with a user name" : "", proxy->why);
}

/* -- Name -- */

struct lookup {
    struct doctor *doctor; /* NULL: nobody waits any more */
    char host[256];
    int status;
    char addresses[ADDRESSES_COUNT][INET6_ADDRSTRLEN];
    size_t count, shown;
    bool done;
};

static void add_address(struct lookup *lookup, const struct sockaddr *address)
{
    bool six = address->sa_family == AF_INET6;
    const void *bytes = six ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    lookup->count++;
    if (lookup->shown < ADDRESSES_COUNT)
        inet_ntop(address->sa_family, bytes, lookup->addresses[lookup->shown++], INET6_ADDRSTRLEN);
}

/* In the pool: as net asks, so that it finds what net will. */
static void look_up(void *data)
{
    struct lookup *lookup = data;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    lookup->status = getaddrinfo(lookup->host, NULL, &hints, &found);
    for (const struct addrinfo *one = found; one; one = one->ai_next)
        add_address(lookup, one->ai_addr);
    if (found)
        freeaddrinfo(found);
}

static void on_looked_up(void *data, bool cancelled)
{
    struct lookup *lookup = data;
    lookup->done = true;
    if (lookup->doctor)
        loop_stop(lookup->doctor->loop);
    else
        mem_free(lookup);
}

static void tell_lookup(struct doctor_line *line, const struct lookup *lookup, uint64_t ms)
{
    struct buf list = {0};
    json_write_key(&line->w, "addresses");
    json_write_begin_array(&line->w);
    for (size_t i = 0; i < lookup->shown; i++) {
        json_write_c(&line->w, lookup->addresses[i]);
        buf_append_fmt(&list, "%s%s", i > 0 ? ", " : "", lookup->addresses[i]);
    }
    json_write_end_array(&line->w);
    if (lookup->status != 0 || lookup->count == 0)
        doctor_fail(line,
                    "check the name, the network, and /etc/resolv.conf; behind a proxy set "
                    "https_proxy or endpoint.proxy",
                    "%s: %s", lookup->host,
                    lookup->status ? gai_strerror(lookup->status) : "the name has no address");
    else
        doctor_ok(line, "%s is %s%s, found in %llu ms", lookup->host, list.ptr,
                  lookup->count > lookup->shown ? " and more" : "", (unsigned long long)ms);
    buf_finish(&list);
}

static void resolve(struct doctor *doctor, struct doctor_line *line, const char *host)
{
    struct lookup *lookup = mem_new(struct lookup);
    uint64_t began = doctor_elapsed_ms(doctor);
    lookup->doctor = doctor;
    snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    loop_work_start(doctor->loop, look_up, on_looked_up, lookup);
    if (doctor_wait(doctor, &lookup->done, doctor->deadlines.connect)) {
        tell_lookup(line, lookup, doctor_elapsed_ms(doctor) - began);
        mem_free(lookup);
        return;
    }
    lookup->doctor = NULL;
    doctor->lookup_hangs = true;
    doctor_fail(line, "check the network and the name servers in /etc/resolv.conf",
                "no answer about %s in %llu s", host,
                (unsigned long long)(doctor->deadlines.connect / 1000));
}

static bool is_address(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

void doctor_check_dns(struct doctor *doctor, struct doctor_line *line)
{
    const char *host = doctor->proxy.used ? doctor->proxy.host : doctor->url.host;
    json_write_field_c(&line->w, "host", host);
    if (is_replay(doctor))
        doctor_ok(line, "not needed: a recording plays on this machine");
    else if (is_address(host))
        doctor_ok(line, "not needed: %s is an address", host);
    else if (strcmp(host, "localhost") == 0)
        doctor_ok(line, "not needed: localhost is this machine");
    else
        resolve(doctor, line, host);
    if (doctor->proxy.used)
        doctor_ok(line, "the proxy looks up %s itself", doctor->url.host);
}

/* -- Connection, TLS, upgrade: one attempt, told on three lines -- */

void doctor_check_connect(struct doctor *doctor, struct doctor_line *line)
{
    const struct net_way *way = &doctor->way;
    bool tried = doctor_socket_try(doctor, &doctor->way, line);
    if (!tried)
        return;
    json_write_field_c(&line->w, "host", doctor->url.host);
    json_write_field_int(&line->w, "port", doctor->url.port);
    json_write_field_c(&line->w, "address", way->address);
    if (!way->connected)
        doctor_tell_error(line, DOCTOR_FAIL, doctor->socket.close.text,
                          "check that the endpoint runs, endpoint.url, the network and the proxy");
    else if (is_replay(doctor))
        doctor_ok(line, "the recording's own endpoint, on a socket of this machine");
    else
        doctor_ok(line, "%s port %u%s%s, open in %llu ms", doctor->url.host, doctor->url.port,
                  doctor->proxy.used ? " by the proxy " : " at ", way->address,
                  (unsigned long long)way->connected_ms);
}

static void append_day(struct buf *text, int64_t seconds)
{
    struct tm date;
    time_t at = (time_t)seconds;
    char day[32] = "";
    if (gmtime_r(&at, &date))
        strftime(day, sizeof(day), "%Y-%m-%d", &date);
    buf_append_c(text, day);
}

static void write_chain(struct json_writer *w, const struct net_way *way)
{
    json_write_key(w, "chain");
    json_write_begin_array(w);
    for (size_t i = 0; i < way->chain_count; i++) {
        const struct net_certificate *one = &way->chain[i];
        struct buf from = {0}, until = {0};
        append_day(&from, one->from_s);
        append_day(&until, one->until_s);
        json_write_begin_object(w);
        json_write_field_c(w, "subject", one->subject);
        json_write_field_c(w, "issuer", one->issuer);
        json_write_field_str(w, "from", buf_str(&from));
        json_write_field_str(w, "until", buf_str(&until));
        json_write_end_object(w);
        buf_finish(&from);
        buf_finish(&until);
    }
    json_write_end_array(w);
}

/* "api.example.com, until 2027-01-01, from CA One, from Root Two" */
static void append_chain(struct buf *text, const struct net_way *way)
{
    buf_append_fmt(text, "the certificate is %s, valid until ",
                   way->chain[0].subject[0] ? way->chain[0].subject : "without a name");
    append_day(text, way->chain[0].until_s);
    for (size_t i = 0; i < way->chain_count; i++)
        if (i == 0 || strcmp(way->chain[i].issuer, way->chain[i - 1].issuer) != 0)
            buf_append_fmt(text, ", issued by %s", way->chain[i].issuer);
}

static void look_at_expiry(struct doctor_line *line, const struct net_way *way)
{
    int64_t left_s = way->chain[0].until_s - (int64_t)(time_wall_ms() / 1000);
    if (way->secured && left_s < CERTIFICATE_SOON_S)
        doctor_warn(line, "have it renewed: connections fail from then on",
                    "the certificate ends in %lld hours", (long long)(left_s / 3600));
}

void doctor_check_tls(struct doctor *doctor, struct doctor_line *line)
{
    const struct net_way *way = &doctor->way;
    struct buf chain = {0}, trust = {0};
    json_write_field_bool(&line->w, "used", doctor->url.tls);
    if (!doctor->url.tls) {
        doctor_ok(line, "none: the endpoint is on this machine");
        return;
    }
    net_trust_describe(doctor->net, &trust);
    write_chain(&line->w, way);
    json_write_field_str(&line->w, "trust", buf_str(&trust));
    if (way->secured)
        json_write_field_c(&line->w, "protocol", way->protocol);
    if (way->secured)
        doctor_ok(line, "%s %s", way->protocol, way->cipher);
    else
        doctor_tell_error(line, DOCTOR_FAIL, doctor->socket.close.text,
                          "see endpoint.caFile, and the clock");
    if (way->chain_count > 0) {
        append_chain(&chain, way);
        doctor_ok(line, "%s", chain.ptr);
        look_at_expiry(line, way);
    }
    doctor_ok(line, "trusted: %s", trust.ptr);
    buf_finish(&chain);
    buf_finish(&trust);
}

/* "the server refused the key; … (HTTP 401, request R)": the status comes first here. */
static void append_refusal(struct buf *text, const struct net_close *close)
{
    struct str said = str_from(close->text);
    size_t end = str_find(said, STR(" (HTTP "), 0);
    if (close->http_status == 0) {
        buf_append(text, said);
        return;
    }
    buf_append_fmt(text, "HTTP %d", close->http_status);
    if (close->retry_after_ms >= 0)
        buf_append_fmt(text, ", retry after %.1f s", (double)close->retry_after_ms / 1000);
    if (close->request_id[0])
        buf_append_fmt(text, ", request %s", close->request_id);
    buf_append_fmt(text, ": " STR_FMT,
                   STR_ARG(str_slice(said, 0, end == STR_NONE ? said.len : end)));
}

static void tell_refusal(struct doctor_line *line, const struct net_close *close, bool wanted)
{
    struct buf text = {0};
    json_write_field_int(&line->w, "status", close->http_status);
    if (close->request_id[0])
        json_write_field_c(&line->w, "requestId", close->request_id);
    if (close->retry_after_ms >= 0)
        json_write_field_int(&line->w, "retryAfterMs", close->retry_after_ms);
    append_refusal(&text, close);
    if (wanted)
        doctor_tell_error(line, DOCTOR_FAIL, text.ptr,
                          "check endpoint.url; turns go over HTTP if that works (see below)");
    else
        doctor_ok(line, "not asked for (endpoint.transport is \"http\"): %s", text.ptr);
    buf_finish(&text);
}

static void write_headers(struct json_writer *w, const struct net_way *way)
{
    json_write_key(w, "headers");
    json_write_begin_object(w);
    json_write_field_c(w, "server", way->server);
    json_write_field_c(w, "via", way->via);
    json_write_field_c(w, "x-request-id", way->request_id);
    json_write_field_c(w, "date", way->date);
    json_write_end_object(w);
}

static void tell_headers(struct doctor_line *line, const struct net_way *way)
{
    const char *const headers[][2] = {
        {"server", way->server}, {"via", way->via}, {"x-request-id", way->request_id}};
    for (size_t i = 0; i < array_count(headers); i++)
        if (headers[i][1][0])
            doctor_ok(line, "%s: %s", headers[i][0], headers[i][1]);
}

/* A clock that is wrong makes certificates fail, and waits wrong. */
static void look_at_clock(struct doctor_line *line, const struct net_way *way)
{
    struct tm date = {0};
    if (!strptime(way->date, "%a, %d %b %Y %H:%M:%S GMT", &date))
        return;
    int64_t off_s = (int64_t)(time_wall_ms() / 1000) - (int64_t)timegm(&date);
    if (off_s > CLOCK_OFF_S || off_s < -CLOCK_OFF_S)
        doctor_warn(line, "set this machine's clock", "the server's clock is %lld minutes %s",
                    (long long)(off_s > 0 ? off_s / 60 : -off_s / 60),
                    off_s > 0 ? "behind ours" : "before ours");
}

void doctor_check_upgrade(struct doctor *doctor, struct doctor_line *line)
{
    bool wanted = doctor->config->endpoint_transport != TRANSPORT_CHOICE_HTTP;
    write_headers(&line->w, &doctor->way);
    if (!doctor->socket.opened) {
        tell_refusal(line, &doctor->socket.close, wanted);
    } else {
        json_write_field_int(&line->w, "status", 101);
        doctor_ok(line, "101, a WebSocket%s",
                  wanted ? "" : "; endpoint.transport is \"http\", so it is not used");
    }
    tell_headers(line, &doctor->way);
    look_at_clock(line, &doctor->way);
}

/* -- HTTP: a request that is no JSON costs nothing, and is refused by who understands it -- */

struct exchange {
    struct doctor *doctor;
    int status;
    char type[64];
    struct net_close close;
    bool done;
};

static void on_head(void *user, int status, struct str content_type)
{
    struct exchange *exchange = user;
    exchange->status = status;
    snprintf(exchange->type, sizeof(exchange->type), STR_FMT, STR_ARG(content_type));
}

static void on_body(void *user, struct str bytes)
{
}

static void on_closed(void *user, const struct net_close *close)
{
    struct exchange *exchange = user;
    exchange->close = *close;
    exchange->done = true;
    loop_stop(exchange->doctor->loop);
}

/* What an answer to that means. */
static const struct {
    int from, to;
    enum doctor_outcome outcome;
    const char *found, *fix;
} meanings[] = {
    {400, 400, DOCTOR_OK, "answers, and refuses what is no JSON, as it should", ""},
    {422, 422, DOCTOR_OK, "answers, and refuses what is no JSON, as it should", ""},
    {429, 429, DOCTOR_WARN, "answers, but asks to wait", "try again later, or see your limits"},
    {401, 401, DOCTOR_FAIL, "refuses the key", "check the key: see the line \"key\""},
    {403, 403, DOCTOR_FAIL, "forbids it", "check what the key may do, and the proxy"},
    {404, 405, DOCTOR_WARN, "has no such path, so there is no way out when the socket fails",
     "check the path in endpoint.url"},
    {407, 407, DOCTOR_FAIL, "the proxy wants a user name and a password",
     "put them into endpoint.proxy or https_proxy"},
    {500, 599, DOCTOR_WARN, "has trouble of its own", "try again later"},
    {0, 999, DOCTOR_WARN, "answers in an unknown way", "check endpoint.url"},
};

static void tell_http(struct doctor *doctor, struct doctor_line *line,
                      const struct exchange *exchange)
{
    size_t i = 0;
    json_write_field_int(&line->w, "status", exchange->status);
    if (exchange->close.request_id[0])
        json_write_field_c(&line->w, "requestId", exchange->close.request_id);
    if (exchange->status == 0) {
        doctor_tell_error(line, doctor->socket.opened ? DOCTOR_WARN : DOCTOR_FAIL,
                          exchange->close.text, "there is no way out when the socket fails");
        return;
    }
    while (exchange->status < meanings[i].from || exchange->status > meanings[i].to)
        i++;
    enum doctor_outcome outcome = meanings[i].outcome;
    if (outcome == DOCTOR_FAIL && doctor->socket.opened)
        outcome = DOCTOR_WARN; /* the socket is open: turns work */
    struct buf found = {0};
    buf_append_fmt(&found, "%d: %s", exchange->status, meanings[i].found);
    doctor_tell_error(line, outcome, found.ptr, meanings[i].fix);
    buf_finish(&found);
}

void doctor_check_http(struct doctor *doctor, struct doctor_line *line)
{
    static const struct net_http_handlers handlers = {
        .on_head = on_head, .on_body = on_body, .on_closed = on_closed};
    struct exchange exchange = {.doctor = doctor};
    struct target target;
    struct err err = {0};
    if (!doctor_target(doctor, &target, TRANSPORT_HTTP, line))
        return;
    struct buf body = {0};
    buf_append_byte(&body, '{');
    struct net_http *http =
        net_http_open(doctor->net, "POST", &target.net, &body, &handlers, &exchange, &err);
    target_finish(&target);
    buf_finish(&body);
    if (!http) {
        doctor_tell_error(line, DOCTOR_FAIL, err.text, "");
        return;
    }
    if (!doctor_wait(doctor, &exchange.done, doctor->deadlines.connect + 1000))
        snprintf(exchange.close.text, sizeof(exchange.close.text), "no answer in %llu s",
                 (unsigned long long)(doctor->deadlines.connect / 1000));
    net_http_free(http);
    tell_http(doctor, line, &exchange);
}
