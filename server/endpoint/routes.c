/* The way to what was asked for over HTTP. */
#include <string.h>

#include "endpoint-internal.h"

static void write_own_model(struct json_writer *w, const struct endpoint *endpoint)
{
    json_write_begin_object(w);
    json_write_field_c(w, "id", endpoint_model(endpoint));
    json_write_field_c(w, "object", "model");
    json_write_field_int(w, "created", 0);
    json_write_field_c(w, "owned_by", "lanebridge");
    json_write_end_object(w);
}

static void handle_models(struct endpoint *endpoint, struct net_server_request *request,
                          const struct net_request_info *info, struct str id)
{
    struct buf body = {0};
    struct json_writer w;
    json_writer_init(&w, &body);
    json_write_begin_object(&w);
    json_write_field_c(&w, "object", "list");
    json_write_key(&w, "data");
    json_write_begin_array(&w);
    if (endpoint->engine->append_models)
        endpoint->engine->append_models(endpoint, &body);
    else
        write_own_model(&w, endpoint);
    json_write_end_array(&w);
    json_write_end_object(&w);
    endpoint_note(endpoint, true, buf_str(&body));
    net_request_reply(request, 200, "application/json", NULL, 0, buf_str(&body));
    buf_finish(&body);
}

static void handle_health(struct endpoint *endpoint, struct net_server_request *request,
                          const struct net_request_info *info, struct str id)
{
    net_request_reply(request, 200, "application/json", NULL, 0, STR("{\"status\":\"ok\"}"));
}

static void handle_metrics(struct endpoint *endpoint, struct net_server_request *request,
                           const struct net_request_info *info, struct str id)
{
    struct conn_counts now = {0};
    for (size_t i = 0; i < endpoint->conns.len; i++)
        conn_count(endpoint->conns.ptr[i], &now);
    const struct metric_gauge gauges[] = {
        {"connections", "open", endpoint->conns.len},
        {"requests", "in_hand", endpoint->request_count},
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
                             const struct net_request_info *info, struct str id)
{
    endpoint_note(endpoint, false, info->body);
    exchange_start(endpoint, request, info->body);
}

/* -- Routes ---------------------------------------------------------------------------------------
 */

/* "*" in a path stands for one piece of it, the id. */
static const struct route {
    const char *path, *method;
    bool open; /* without a token */
    void (*handle)(struct endpoint *endpoint, struct net_server_request *request,
                   const struct net_request_info *info, struct str id);
} routes[] = {
    {"/v1/responses", "POST", false, handle_responses},
    {"/v1/responses/compact", "POST", false, compact_handle},
    {"/v1/responses/input_tokens", "POST", false, stored_count_tokens},
    {"/v1/responses/*", "GET", false, stored_get},
    {"/v1/responses/*", "DELETE", false, stored_delete},
    {"/v1/responses/*/input_items", "GET", false, stored_list_items},
    {"/v1/models", "GET", false, handle_models},
    {"/healthz", "GET", true, handle_health},
    {"/metrics", "GET", false, handle_metrics},
};

static bool path_matches(struct str path, struct str pattern, struct str *ret_id)
{
    struct str piece, wanted;
    while (str_next(&pattern, '/', &wanted)) {
        if (!str_next(&path, '/', &piece))
            return false;
        if (str_eq_c(wanted, "*") && piece.len > 0)
            *ret_id = piece;
        else if (!str_eq(piece, wanted))
            return false;
    }
    return !str_next(&path, '/', &piece);
}

static bool method_matches(const struct route *route, struct str method)
{
    bool head = str_eq_c(method, "HEAD") && strcmp(route->method, "GET") == 0;
    return head || str_eq_c(method, route->method);
}

/* The route; or NULL, and what methods the path has: none if it is not there. A path that is
 * written out goes before one with an id: there is no response "input_tokens". */
static const struct route *find_route(const struct net_request_info *info, struct str *ret_id,
                                      struct buf *allowed)
{
    const char *path = NULL;
    for (size_t i = 0; i < array_count(routes); i++) {
        struct str id = {0};
        if (path && strcmp(path, routes[i].path) != 0)
            continue;
        if (!path_matches(info->path, str_from(routes[i].path), &id))
            continue;
        path = routes[i].path;
        *ret_id = id;
        if (method_matches(&routes[i], info->method))
            return &routes[i];
        buf_append_fmt(allowed, "%s%s", allowed->len ? ", " : "", routes[i].method);
    }
    return NULL;
}

static bool is_open(const struct route *route)
{
    return route && route->open;
}

static enum status check_request(const struct endpoint *endpoint, const struct route *route,
                                 const struct net_request_info *info, const struct buf *allowed,
                                 struct problem *problem)
{
    if (access_check_guest(endpoint, info, problem) < 0)
        return STATUS_INVALID;
    if (!is_open(route) && access_check_token(endpoint, info, problem) < 0)
        return STATUS_INVALID;
    if (route)
        return STATUS_OK;
    if (allowed->len)
        return problem_set(problem, PROBLEM_METHOD, NULL, "Use %s here.", allowed->ptr);
    return problem_set(problem, PROBLEM_ROUTE, NULL,
                       "There is nothing at that path; this endpoint has /v1/responses, "
                       "/v1/models, /metrics and /healthz.");
}

void routes_on_request(void *user, struct net_server_request *request,
                       const struct net_request_info *info)
{
    struct endpoint *endpoint = user;
    struct problem problem;
    struct buf allowed = {0};
    struct str id = {0};
    const struct route *route = find_route(info, &id, &allowed);
    if (check_request(endpoint, route, info, &allowed, &problem) == STATUS_OK)
        route->handle(endpoint, request, info, id);
    else
        problem_reply(request, &problem, allowed.len ? allowed.ptr : NULL);
    buf_finish(&allowed);
}

/* -- Upgrades, and who is refused before there is a request ---------------------------------------
 */

static enum status check_upgrade(const struct endpoint *endpoint,
                                 const struct net_request_info *info, struct problem *problem)
{
    if (access_check_guest(endpoint, info, problem) < 0 ||
        access_check_token(endpoint, info, problem) < 0)
        return STATUS_INVALID;
    if (!str_eq_c(info->path, "/v1/responses"))
        return problem_set(problem, PROBLEM_ROUTE, NULL, "WebSockets are at /v1/responses.");
    if (endpoint->conns.len < endpoint->limits.connections)
        return STATUS_OK;
    return problem_set(problem, PROBLEM_OVERLOAD, NULL,
                       "This endpoint has %zu connections, which is its limit; close one.",
                       endpoint->conns.len);
}

int routes_on_upgrade(void *user, const struct net_request_info *info)
{
    struct endpoint *endpoint = user;
    if (check_upgrade(endpoint, info, &endpoint->refusal) == STATUS_OK)
        return 0;
    metrics_add(&endpoint->metrics, METRIC_CONNECTIONS_REFUSED, 1);
    return endpoint->refusal.status;
}

unsigned routes_on_refuse(void *user, int status, struct buf *body)
{
    struct endpoint *endpoint = user;
    struct problem *problem = &endpoint->refusal;
    if (problem->status != status)
        problem_set_status(problem, status);
    problem_append_body(body, problem);
    int64_t wait_ms = problem->retry_after_ms;
    *problem = (struct problem){0};
    return wait_ms > 0 ? (unsigned)((wait_ms + 999) / 1000) : 0;
}
