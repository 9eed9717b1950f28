/* The endpoint: who may come in, and the way to what was asked for. */
#include <string.h>

#include "endpoint-internal.h"

enum { AGE_LIMIT_MS = 60 * 60 * 1000 };

void endpoint_note(struct endpoint *endpoint, bool outgoing, struct str text)
{
    metrics_add(&endpoint->metrics, outgoing ? METRIC_BYTES_SENT : METRIC_BYTES_RECEIVED, text.len);
    if (endpoint->on_traffic)
        endpoint->on_traffic(endpoint->user, outgoing, text);
}

const char *endpoint_model(const struct endpoint *endpoint)
{
    return endpoint->replay ? "lanebridge-replay" : "lanebridge-rules";
}

/* -- Who may come in ------------------------------------------------------------------------------
 */

static struct str host_name(struct str host)
{
    if (host.len && host.ptr[0] == '[')
        return str_slice(host, 1, str_find_byte(host, ']', 0));
    return str_slice(host, 0, str_find_byte(host, ':', 0));
}

static bool is_loopback_name(struct str name)
{
    bool numeric = str_starts_with(name, STR("127."));
    for (size_t i = 0; numeric && i < name.len; i++)
        numeric = name.ptr[i] == '.' || (name.ptr[i] >= '0' && name.ptr[i] <= '9');
    return numeric || str_eq_nocase(name, STR("localhost")) || str_eq_c(name, "::1");
}

/* A page that made its own name point here would come with that name. Beyond loopback the token
 * decides, and through a socket file no page comes. */
static bool is_known_host(const struct endpoint *endpoint, struct str host)
{
    struct str name = host_name(host);
    if (endpoint->is_unix || !is_loopback_name(str_from(endpoint->address)))
        return true;
    return is_loopback_name(name) || str_eq_nocase(name, str_from(endpoint->address));
}

/* Compared as hashes, all of them to the end: time tells nothing about the token. */
static bool is_token(const char *token, struct str authorization)
{
    struct str bearer = STR("Bearer ");
    char wanted[SHA256_HEX_BYTES], got[SHA256_HEX_BYTES];
    unsigned char difference = 0;
    if (!str_eq_nocase(str_slice(authorization, 0, bearer.len), bearer))
        return false;
    hash_sha256_hex(str_from(token), wanted);
    hash_sha256_hex(str_trim(str_skip(authorization, bearer.len)), got);
    for (size_t i = 0; i < sizeof(wanted); i++)
        difference |= (unsigned char)(wanted[i] ^ got[i]);
    return difference == 0;
}

static enum status check_guest(const struct endpoint *endpoint, const struct net_request_info *info,
                               struct problem *problem)
{
    if (info->origin.len)
        return problem_set(problem, PROBLEM_FORBIDDEN, NULL,
                           "Requests of web pages are refused: they carry an Origin.");
    if (!is_known_host(endpoint, info->host))
        return problem_set(problem, PROBLEM_FORBIDDEN, NULL,
                           "This endpoint is not known by that Host: use 127.0.0.1.");
    return STATUS_OK;
}

static enum status check_token(const struct endpoint *endpoint, const struct net_request_info *info,
                               struct problem *problem)
{
    if (!endpoint->token || is_token(endpoint->token, info->authorization))
        return STATUS_OK;
    return problem_set(problem, PROBLEM_AUTH, NULL,
                       "The token is missing or wrong: send Authorization: Bearer TOKEN.");
}

/* -- Routes ---------------------------------------------------------------------------------------
 */

static void handle_models(struct endpoint *endpoint, struct net_server_request *request,
                          const struct net_request_info *info)
{
    struct buf body = {0};
    struct json_writer w;
    json_writer_init(&w, &body);
    json_write_begin_object(&w);
    json_write_field_c(&w, "object", "list");
    json_write_key(&w, "data");
    json_write_begin_array(&w);
    json_write_begin_object(&w);
    json_write_field_c(&w, "id", endpoint_model(endpoint));
    json_write_field_c(&w, "object", "model");
    json_write_field_int(&w, "created", 0);
    json_write_field_c(&w, "owned_by", "lanebridge");
    json_write_end_object(&w);
    json_write_end_array(&w);
    json_write_end_object(&w);
    endpoint_note(endpoint, true, buf_str(&body));
    net_request_reply(request, 200, "application/json", NULL, 0, buf_str(&body));
    buf_finish(&body);
}

static void handle_health(struct endpoint *endpoint, struct net_server_request *request,
                          const struct net_request_info *info)
{
    net_request_reply(request, 200, "application/json", NULL, 0, STR("{\"status\":\"ok\"}"));
}

static void handle_metrics(struct endpoint *endpoint, struct net_server_request *request,
                           const struct net_request_info *info)
{
    struct conn_counts now = {0};
    for (size_t i = 0; i < endpoint->conns.len; i++)
        conn_count(endpoint->conns.ptr[i], &now);
    const struct metric_gauge gauges[] = {
        {"connections", "open", endpoint->conns.len},
        {"requests", "waiting", now.waiting},
        {"requests", "waiting_bytes", now.waiting_bytes},
        {"responses", "running", now.running + endpoint->exchanges.len},
        {"cache", "responses", now.cached},
        {"lanes", "open", now.lanes},
        {"lanes", "running", now.running},
        {"memory", "records", endpoint->held.records},
        {"memory", "bytes", endpoint->held.bytes},
        {"process", "uptime_seconds", (loop_now_ms(endpoint->loop) - endpoint->started_ms) / 1000},
    };
    struct buf body = {0};
    metrics_append(&body, &endpoint->metrics, gauges, array_count(gauges));
    net_request_reply(request, 200, "application/json", NULL, 0, buf_str(&body));
    buf_finish(&body);
}

static void handle_responses(struct endpoint *endpoint, struct net_server_request *request,
                             const struct net_request_info *info)
{
    endpoint_note(endpoint, false, info->body);
    exchange_start(endpoint, request, info->body);
}

static const struct route {
    const char *path, *method;
    bool open; /* without a token */
    void (*handle)(struct endpoint *endpoint, struct net_server_request *request,
                   const struct net_request_info *info);
} routes[] = {
    {"/v1/responses", "POST", false, handle_responses},
    {"/v1/models", "GET", false, handle_models},
    {"/healthz", "GET", true, handle_health},
    {"/metrics", "GET", false, handle_metrics},
};

static const struct route *find_route(struct str path)
{
    for (size_t i = 0; i < array_count(routes); i++)
        if (str_eq_c(path, routes[i].path))
            return &routes[i];
    return NULL;
}

static enum status check_request(const struct endpoint *endpoint, const struct route *route,
                                 const struct net_request_info *info, struct problem *problem)
{
    if (check_guest(endpoint, info, problem) < 0)
        return STATUS_INVALID;
    if (!route)
        return problem_set(problem, PROBLEM_ROUTE, NULL,
                           "There is nothing at that path; this endpoint has /v1/responses, "
                           "/v1/models, /metrics and /healthz.");
    if (!route->open && check_token(endpoint, info, problem) < 0)
        return STATUS_INVALID;
    if (!str_eq_c(info->method, route->method))
        return problem_set(problem, PROBLEM_METHOD, NULL, "Use %s here.", route->method);
    return STATUS_OK;
}

static void on_request(void *user, struct net_server_request *request,
                       const struct net_request_info *info)
{
    struct endpoint *endpoint = user;
    const struct route *route = find_route(info->path);
    struct problem problem;
    if (check_request(endpoint, route, info, &problem) < 0)
        problem_reply(request, &problem);
    else
        route->handle(endpoint, request, info);
}

static int on_upgrade(void *user, const struct net_request_info *info)
{
    struct endpoint *endpoint = user;
    struct problem problem;
    if (check_guest(endpoint, info, &problem) < 0 || check_token(endpoint, info, &problem) < 0)
        return problem.status;
    if (!str_eq_c(info->path, "/v1/responses"))
        return 404;
    return endpoint->conns.len < LIMIT_ENDPOINT_CONNS_COUNT ? 0 : 503;
}

static void *on_conn(void *user, struct net_server_conn *socket)
{
    struct endpoint *endpoint = user;
    metrics_add(&endpoint->metrics, METRIC_CONNECTIONS_OPENED, 1);
    return conn_new(endpoint, socket);
}

static const struct net_server_handlers handlers = {
    .on_upgrade = on_upgrade,
    .on_conn = on_conn,
    .on_message = conn_on_message,
    .on_conn_closed = conn_on_closed,
    .on_request = on_request,
    .on_request_closed = exchange_on_closed,
};

/* -- Life -----------------------------------------------------------------------------------------
 */

static enum status check_options(const struct endpoint_options *options, struct err *err)
{
    const char *address = options->address ? options->address : "127.0.0.1";
    if (!options->unix_path && !options->token && !is_loopback_name(str_from(address)))
        return err_set(err, STATUS_INVALID,
                       "others could use an endpoint on %s: give it a token, or listen on "
                       "127.0.0.1",
                       address);
    return STATUS_OK;
}

static enum status load_replay(struct endpoint *endpoint, const struct endpoint_options *options,
                               struct err *err)
{
    endpoint->fingerprint = "rules0";
    endpoint->engine = &engine_rules;
    if (options->replay.len == 0)
        return STATUS_OK;
    endpoint->replay = replay_parse(options->replay, endpoint->replay_name, err);
    if (!endpoint->replay)
        return STATUS_INVALID;
    endpoint->engine = &engine_replay;
    endpoint->fingerprint = endpoint->replay->fingerprint;
    return STATUS_OK;
}

struct endpoint *endpoint_new(struct loop *loop, struct net *net,
                              const struct endpoint_options *options, struct err *err)
{
    if (check_options(options, err) < 0)
        return NULL;
    struct endpoint *endpoint = mem_new(struct endpoint);
    endpoint->loop = loop;
    endpoint->net = net;
    endpoint->started_ms = loop_now_ms(loop);
    endpoint->token = mem_dup_c(options->token);
    endpoint->address = mem_dup_c(options->address ? options->address : "127.0.0.1");
    endpoint->replay_name = mem_dup_c(options->replay_name ? options->replay_name : "the replay");
    endpoint->is_unix = options->unix_path != NULL;
    endpoint->without_lanes = options->without_lanes;
    endpoint->without_warm_up = options->without_warm_up;
    endpoint->without_steering = options->without_steering;
    endpoint->without_additional_tools = options->without_additional_tools;
    endpoint->age_limit_ms = options->age_limit_ms ? options->age_limit_ms : AGE_LIMIT_MS;
    endpoint->on_traffic = options->on_traffic;
    endpoint->user = options->user;
    const struct net_server_options server = {.address = endpoint->address,
                                              .port = options->port,
                                              .unix_path = options->unix_path,
                                              .max_message_bytes = LIMIT_HTTP_BODY_BYTES};
    if (load_replay(endpoint, options, err) == STATUS_OK)
        endpoint->server = net_server_new(net, &server, &handlers, endpoint, err);
    if (!endpoint->server) {
        endpoint_free(endpoint);
        return NULL;
    }
    return endpoint;
}

unsigned endpoint_port(const struct endpoint *endpoint)
{
    return net_server_port(endpoint->server);
}

void endpoint_free(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    net_server_free(endpoint->server);
    while (endpoint->conns.len > 0)
        conn_free(vec_pop(&endpoint->conns));
    vec_finish(&endpoint->conns);
    while (endpoint->exchanges.len > 0)
        exchange_free(vec_pop(&endpoint->exchanges));
    vec_finish(&endpoint->exchanges);
    store_finish(&endpoint->store);
    replay_free(endpoint->replay);
    mem_free(endpoint->token);
    mem_free(endpoint->address);
    mem_free(endpoint->replay_name);
    mem_free(endpoint);
}
