/* One WebSocket: lanes, first in first out inside, side by side across. */
#include <stdio.h>
#include <string.h>

#include <lanebridge/responses.h>

#include "conn-internal.h"

/* -- Out ------------------------------------------------------------------------------------------
 */

static void leave(struct conn *conn, unsigned code, const char *reason)
{
    if (conn->leaving)
        return;
    conn->leaving = true;
    net_server_close(conn->socket, code, reason);
}

static void send(struct conn *conn, struct buf *json)
{
    if (!conn->leaving) {
        endpoint_note(conn->endpoint, true, buf_str(json));
        if (net_server_send(conn->socket, json) == STATUS_LIMIT)
            leave(conn, 0, NULL); /* it reads nothing: no close frame would be read either */
    }
    buf_finish(json);
}

static void refuse(struct conn *conn, struct str lane, const struct problem *problem)
{
    struct buf json = {0};
    metrics_add(&conn->endpoint->metrics, METRIC_REQUESTS_REFUSED, 1);
    problem_append_event(&json, problem, lane, -1);
    send(conn, &json);
}

/* -- What an answer calls -------------------------------------------------------------------------
 */

static void on_event(void *user, const char *type, struct buf *json)
{
    struct lane *lane = user;
    send(lane->conn, json);
}

static void on_error(void *user, const struct problem *problem)
{
    struct lane *lane = user;
    struct buf json = {0};
    problem_append_event(&json, problem, lane->name, problem->flat ? lane->answer->sequence : -1);
    send(lane->conn, &json);
}

static size_t queued(void *user)
{
    const struct lane *lane = user;
    return lane->conn->leaving ? 0 : net_server_queued(lane->conn->socket);
}

static void on_leave(void *user, unsigned code)
{
    struct lane *lane = user;
    leave(lane->conn, code, "the script of this replay closes here");
}

static void pass_steers_on(struct lane *lane, struct answer *ended);

static void on_end(void *user, struct record *record)
{
    struct lane *lane = user;
    struct conn *conn = lane->conn;
    lane->latest = record_ref(record);
    lane->used_ms = conn->heard_ms = loop_now_ms(conn->endpoint->loop);
    struct answer *answer = lane->answer;
    lane->answer = NULL;
    conn->active--;
    conn->endpoint->request_count--;
    if (answer->steers.len > 0)
        pass_steers_on(lane, answer);
    answer_free(answer);
    if (conn->queue.len > 0)
        loop_timer_start(conn->pump_timer, 0, 0);
}

static const struct answer_ops ops = {.transport = "websocket",
                                      .on_event = on_event,
                                      .on_error = on_error,
                                      .queued = queued,
                                      .on_leave = on_leave,
                                      .on_end = on_end};

/* -- Starting -------------------------------------------------------------------------------------
 */

/* A continuation that is refused costs its own lane the parent; a fork leaves it where it is. */
static void start_from(struct lane *lane, struct request *request, struct record *parent,
                       struct problem *problem)
{
    struct conn *conn = lane->conn;
    if (parent && parent->steers.len > 0)
        steer_prepend(request, &parent->steers);
    request->saves = &conn->saves;
    struct answer *answer =
        answer_new(conn->endpoint, request, parent, lane->name, &ops, lane, problem);
    if (answer && parent)
        steers_finish(&parent->steers);
    if (answer || (parent && parent == lane->latest))
        lane_forget_latest(lane);
    if (!answer) {
        metrics_add(&conn->endpoint->metrics, METRIC_CACHE_EVICTIONS, parent && !lane->latest);
        return;
    }
    lane->answer = answer;
    conn->active++;
    conn->endpoint->request_count++;
    answer_start(answer);
}

static void start_successor(struct lane *lane, struct request *request, struct problem *problem)
{
    struct record *parent = record_ref(lane->latest);
    start_from(lane, request, parent, problem);
    record_unref(parent);
}

static void start_request(struct lane *lane, struct request *request)
{
    struct conn *conn = lane->conn;
    struct str previous = request_inner(request, FIELD_PREVIOUS);
    struct record *parent = previous.len ? lane_take_parent(lane, previous) : NULL;
    struct problem problem = {0};
    if (previous.len && !parent) {
        problem_set_parent(&problem, previous);
        refuse(conn, lane->name, &problem);
        return;
    }
    record_ref(parent);
    start_from(lane, request, parent, &problem);
    record_unref(parent);
    if (problem.status) {
        refuse(conn, lane->name, &problem);
        stages_note_refusal(conn->endpoint, request->begun_ns);
    }
}

static bool can_start(const struct conn *conn, const struct lane *lane)
{
    return !lane->answer && conn->active < conn->endpoint->limits.lanes;
}

static void count_waiting(struct conn *conn, int more, size_t bytes)
{
    struct endpoint *endpoint = conn->endpoint;
    conn->queue_bytes = more > 0 ? conn->queue_bytes + bytes : conn->queue_bytes - bytes;
    endpoint->waiting_bytes =
        more > 0 ? endpoint->waiting_bytes + bytes : endpoint->waiting_bytes - bytes;
    endpoint->request_count = more > 0 ? endpoint->request_count + 1 : endpoint->request_count - 1;
}

static void on_pump(void *user)
{
    struct conn *conn = user;
    for (size_t i = 0; i < conn->queue.len && !conn->leaving;) {
        struct waiting waiting = conn->queue.ptr[i];
        if (!can_start(conn, waiting.lane)) {
            i++; /* another lane may go ahead; those behind it on this lane cannot */
            continue;
        }
        vec_remove(&conn->queue, i);
        count_waiting(conn, -1, waiting.request.text.len);
        start_request(waiting.lane, &waiting.request);
        request_finish(&waiting.request);
    }
}

static bool lane_waits(const struct conn *conn, const struct lane *lane)
{
    for (size_t i = 0; i < conn->queue.len; i++)
        if (conn->queue.ptr[i].lane == lane)
            return true;
    return false;
}

static void enqueue(struct lane *lane, struct request *request)
{
    struct conn *conn = lane->conn;
    if (conn->queue.len == LIMIT_ENDPOINT_QUEUE_COUNT ||
        conn->queue_bytes + request->text.len > LIMIT_HTTP_BODY_BYTES) {
        struct problem problem;
        problem_set(&problem, PROBLEM_QUEUE, NULL,
                    "Too many requests wait on this connection; send them when others have ended.");
        refuse(conn, lane->name, &problem);
        return;
    }
    request_own(request);
    metrics_add(&conn->endpoint->metrics, METRIC_REQUESTS_QUEUED, 1);
    count_waiting(conn, 1, request->text.len);
    vec_push(&conn->queue, ((struct waiting){lane, *request}));
    *request = (struct request){0};
}

/* -- In -------------------------------------------------------------------------------------------
 */

static struct lane *add_lane(struct conn *conn, struct str name)
{
    struct lane *lane = mem_new(struct lane);
    lane->conn = conn;
    lane->name_bytes = str_dup_c(name);
    lane->name = (struct str){lane->name_bytes, name.len};
    vec_push(&conn->lanes, lane);
    return lane;
}

static struct lane *find_named(struct conn *conn, struct str name, struct problem *problem)
{
    for (size_t i = 1; i < conn->lanes.len; i++)
        if (str_eq(conn->lanes.ptr[i]->name, name))
            return conn->lanes.ptr[i];
    if (conn->lanes.len - 1 < LIMIT_LANE_NAMES_COUNT)
        return add_lane(conn, name);
    problem_set(problem, PROBLEM_STREAM_LIMIT, "stream_id",
                "This connection has used %d stream ids, which is the limit: reuse one of them.",
                LIMIT_LANE_NAMES_COUNT);
    return NULL;
}

/* NULL: the problem, which is about the connection and not about a lane. */
static struct lane *find_lane(struct conn *conn, const struct request *request,
                              struct problem *problem)
{
    struct str span = request->span[FIELD_STREAM_ID];
    if (span.len == 0)
        return conn->lanes.ptr[0];
    if (conn->endpoint->without_lanes) {
        problem_set(problem, PROBLEM_UNKNOWN_PARAMETER, "stream_id",
                    "Unknown parameter: 'stream_id'.");
        return NULL;
    }
    struct str name = request_inner(request, FIELD_STREAM_ID);
    if (span.ptr[0] == '"' && responses_lane_name_is_valid(name))
        return find_named(conn, name, problem);
    problem_set(problem, PROBLEM_STREAM_ID, "stream_id",
                "Invalid stream_id: use 1 to 256 characters of letters, digits, '_', '.' and '-'.");
    return NULL;
}

/* What a client can match an error by, even if the request is refused. */
static struct str lane_to_name(const struct conn *conn, const struct request *request)
{
    struct str name = request_inner(request, FIELD_STREAM_ID);
    bool usable = !conn->endpoint->without_lanes && responses_lane_name_is_valid(name);
    return usable ? name : (struct str){0};
}

/* A continuation that is refused costs its lane the parent that it named, whatever was wrong with
 * it; but not for want of room here, which it knew nothing of. */
static void refuse_request(struct conn *conn, const struct request *request,
                           const struct problem *problem)
{
    struct str name = lane_to_name(conn, request),
               previous = request_inner(request, FIELD_PREVIOUS);
    struct lane *source = previous.len ? lane_find_cached(conn, previous) : NULL;
    if (source && str_eq(source->name, name) && problem->status != 429) {
        lane_forget_latest(source);
        metrics_add(&conn->endpoint->metrics, METRIC_CACHE_EVICTIONS, 1);
    }
    refuse(conn, name, problem);
}

static void handle_create(struct conn *conn, struct request *request)
{
    struct problem problem;
    metrics_add(&conn->endpoint->metrics, METRIC_REQUESTS_WEBSOCKET, 1);
    struct lane *lane = find_lane(conn, request, &problem);
    if (lane && conn->endpoint->without_warm_up && request->span[FIELD_GENERATE].len) {
        problem_set(&problem, PROBLEM_UNKNOWN_PARAMETER, "generate",
                    "Unknown parameter: 'generate'.");
        refuse_request(conn, request, &problem);
    } else if (!lane || admit_request(conn->endpoint, request->text.len, &problem) < 0) {
        refuse_request(conn, request, &problem);
    } else if (can_start(conn, lane) && !lane_waits(conn, lane)) {
        start_request(lane, request);
    } else {
        enqueue(lane, request);
    }
}

/* -- Steering -------------------------------------------------------------------------------------
 */

static void fail_steer(struct lane *lane, enum steer_refusal why, const struct steer *steer,
                       const char *previous)
{
    struct buf json = {0}, input = {0};
    buf_append_fmt(&input, "[" STR_FMT "]", STR_ARG(buf_str(&steer->items)));
    steer_append_failed(&json, why, lane->name, 0, steer->id, str_from(previous), buf_str(&input));
    send(lane->conn, &json);
    buf_finish(&input);
}

/* The response has ended: a successor takes the input, or the request that answers its calls. */
static void pass_steers_on(struct lane *lane, struct answer *ended)
{
    struct record *record = lane->latest;
    struct steers *steers = &ended->steers;
    struct buf text = {0};
    struct request request;
    struct problem problem;
    if (record && record->pending.len > 0) {
        for (size_t i = 0; i < steers->len; i++) {
            struct buf json = {0};
            steer_append_pending(&json, &steers->ptr[i], record, lane->name, ended->sequence++);
            send(lane->conn, &json);
        }
        record->steers = *steers;
        *steers = (struct steers){0};
        return;
    }
    steer_append_successor(&text, ended->record->settings->text, ended->id, steers);
    if (record && request_read(&request, buf_str(&text), &problem) == STATUS_OK) {
        start_successor(lane, &request, &problem);
        request_finish(&request);
    }
    for (size_t i = 0; !lane->answer && i < steers->len; i++)
        fail_steer(lane, STEER_NO_SUCCESSOR, &steers->ptr[i], ended->id);
    buf_finish(&text);
}

static struct lane *find_running(const struct conn *conn, struct str id)
{
    for (size_t i = 0; i < conn->lanes.len; i++) {
        struct lane *lane = conn->lanes.ptr[i];
        if (lane->answer && str_eq_c(id, lane->answer->id))
            return lane;
    }
    return NULL;
}

static enum status check_steer(const struct request *request, struct problem *problem)
{
    for (size_t i = 0; i < REQUEST_FIELD_COUNT; i++) {
        bool known = i == FIELD_TYPE || i == FIELD_PREVIOUS || i == FIELD_INPUT;
        const char *name = request_field_name((enum request_field)i);
        if (!known && request->span[i].len)
            return problem_set(problem, PROBLEM_UNKNOWN_PARAMETER, name,
                               "Unknown parameter: '%s'. response.steer has a response and input.",
                               name);
    }
    if (request->span[FIELD_PREVIOUS].len)
        return STATUS_OK;
    return problem_set(problem, PROBLEM_MISSING, "previous_response_id",
                       "Missing required parameter: 'previous_response_id'.");
}

static void handle_steer(struct conn *conn, struct request *request)
{
    struct problem problem;
    if (check_steer(request, &problem) < 0) {
        refuse(conn, (struct str){0}, &problem);
        return;
    }
    struct str previous = request_inner(request, FIELD_PREVIOUS);
    struct lane *lane = find_running(conn, previous);
    enum steer_refusal why = lane_find_parent(conn, previous) ? STEER_COMPLETED : STEER_NOT_FOUND;
    if (conn->endpoint->without_steering)
        why = STEER_NOT_SUPPORTED;
    if (lane && steer_take(lane->answer, request->span[FIELD_INPUT], &why))
        return;
    struct buf json = {0};
    steer_append_failed(&json, why, lane ? lane->name : (struct str){0},
                        lane ? lane->answer->sequence++ : 0, NULL, previous,
                        request->span[FIELD_INPUT]);
    send(conn, &json);
}

/* -- Appending ------------------------------------------------------------------------------------
 */

static void append_to(struct lane *lane, struct request *request)
{
    struct buf text = {0};
    struct request leg;
    struct problem problem = {0};
    struct record *open = record_ref(lane->latest);
    append_write_request(&text, open, request->span[FIELD_INPUT]);
    if (request_read(&leg, buf_str(&text), &problem) == STATUS_OK) {
        leg.open = open;
        start_from(lane, &leg, open, &problem);
    }
    if (problem.status)
        refuse(lane->conn, lane->name, &problem);
    request_finish(&leg);
    record_unref(open);
    buf_finish(&text);
}

static void handle_append(struct conn *conn, struct request *request)
{
    struct problem problem;
    struct str id = request_inner(request, FIELD_RESPONSE_ID);
    struct lane *lane = lane_find_cached(conn, id);
    if (!conn->endpoint->prototype_append) {
        problem_set(&problem, PROBLEM_INVALID, "type",
                    "Unknown event type 'response.append': send response.create.");
        refuse(conn, (struct str){0}, &problem);
        return;
    }
    if (append_find(lane ? lane->latest : NULL, id, &problem) < 0)
        refuse(conn, lane ? lane->name : (struct str){0}, &problem);
    else
        append_to(lane, request);
}

/* -- Cancelling -----------------------------------------------------------------------------------
 */

/* No part of the published protocol, but what it is for is not said otherwise: without it a lane
 * that was given up costs the model's time until its answer's end. */
static void handle_cancel(struct conn *conn, struct request *request)
{
    struct problem problem;
    struct lane *lane = find_running(conn, request_inner(request, FIELD_RESPONSE_ID));
    if (lane && answer_cancel(lane->answer))
        return;
    problem_set(&problem, PROBLEM_INVALID, "response_id",
                "There is no response to cancel by that 'response_id': it is not running here.");
    snprintf(problem.code, sizeof(problem.code), "response_not_active");
    refuse(conn, lane ? lane->name : (struct str){0}, &problem);
}

static const struct {
    const char *type;
    void (*handle)(struct conn *conn, struct request *request);
} client_events[] = {{"response.create", handle_create},
                     {"response.steer", handle_steer},
                     {"response.append", handle_append},
                     {"response.cancel", handle_cancel}};

void conn_on_message(void *user, struct str text)
{
    struct conn *conn = user;
    struct request request;
    struct problem problem;
    if (conn->leaving)
        return;
    conn->heard_ms = loop_now_ms(conn->endpoint->loop);
    endpoint_note(conn->endpoint, false, text);
    enum status status = request_read(&request, text, &problem);
    struct str type = request_inner(&request, FIELD_TYPE);
    size_t i = 0;
    while (i < array_count(client_events) && !str_eq_c(type, client_events[i].type))
        i++;
    if (status == STATUS_OK && i == array_count(client_events))
        status = problem_set(&problem, PROBLEM_INVALID, "type",
                             "Unknown event type '" STR_FMT "': send response.create.",
                             STR_ARG(str_slice(type, 0, utf8_floor(type, 80))));
    if (status == STATUS_OK)
        client_events[i].handle(conn, &request);
    else
        refuse_request(conn, &request, &problem);
    request_finish(&request);
}

/* -- Life -----------------------------------------------------------------------------------------
 */

static void on_age(void *user)
{
    struct conn *conn = user;
    struct problem problem;
    unsigned long long seconds = conn->endpoint->age_limit_ms / 1000;
    bool whole = seconds >= 60 && seconds % 60 == 0;
    problem_set(&problem, PROBLEM_AGE, NULL,
                "Responses websocket connection limit reached (%llu %s). Create a new websocket "
                "connection to continue.",
                whole ? seconds / 60 : seconds, whole ? "minutes" : "seconds");
    metrics_add(&conn->endpoint->metrics, METRIC_CONNECTIONS_AGED, 1);
    refuse(conn, (struct str){0}, &problem);
    leave(conn, 1000, "connection limit reached");
}

static void on_idle(void *user)
{
    struct conn *conn = user;
    uint64_t limit = conn->endpoint->limits.idle_ms,
             quiet = loop_now_ms(conn->endpoint->loop) - conn->heard_ms;
    bool busy = conn->active > 0 || conn->queue.len > 0;
    if (busy || quiet < limit) {
        loop_timer_start(conn->idle_timer, busy ? limit : limit - quiet, 0);
        return;
    }
    metrics_add(&conn->endpoint->metrics, METRIC_CONNECTIONS_IDLE, 1);
    leave(conn, 1000, "no request came for too long");
}

struct conn *conn_new(struct endpoint *endpoint, struct net_server_conn *socket)
{
    struct conn *conn = mem_new(struct conn);
    conn->endpoint = endpoint;
    conn->socket = socket;
    saves_init(&conn->saves, endpoint, true);
    conn->pump_timer = loop_timer_new(endpoint->loop, on_pump, conn);
    conn->age_timer = loop_timer_new(endpoint->loop, on_age, conn);
    conn->idle_timer = loop_timer_new(endpoint->loop, on_idle, conn);
    conn->heard_ms = loop_now_ms(endpoint->loop);
    loop_timer_start(conn->age_timer, endpoint->age_limit_ms, 0);
    if (endpoint->limits.idle_ms)
        loop_timer_start(conn->idle_timer, endpoint->limits.idle_ms, 0);
    add_lane(conn, (struct str){0});
    vec_push(&endpoint->conns, conn);
    return conn;
}

void conn_on_closed(void *user)
{
    struct conn *conn = user;
    struct endpoint *endpoint = conn->endpoint;
    for (size_t i = 0; i < endpoint->conns.len; i++)
        if (endpoint->conns.ptr[i] == conn)
            vec_remove(&endpoint->conns, i--);
    conn_free(conn);
}

void conn_free(struct conn *conn)
{
    while (conn->queue.len > 0) {
        struct waiting waiting = vec_pop(&conn->queue);
        count_waiting(conn, -1, waiting.request.text.len);
        request_finish(&waiting.request);
    }
    vec_finish(&conn->queue);
    conn->endpoint->request_count -= conn->active;
    for (size_t i = 0; i < conn->lanes.len; i++) {
        struct lane *lane = conn->lanes.ptr[i];
        if (lane->answer)
            metrics_add(&conn->endpoint->metrics, METRIC_RESPONSES_ABANDONED, 1);
        answer_free(lane->answer);
        lane_forget_latest(lane);
        mem_free(lane->name_bytes);
        mem_free(lane);
    }
    vec_finish(&conn->lanes);
    saves_finish(&conn->saves);
    loop_timer_free(conn->pump_timer);
    loop_timer_free(conn->age_timer);
    loop_timer_free(conn->idle_timer);
    mem_free(conn);
}
