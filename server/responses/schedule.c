/* Which queued response goes where: by priority, then in order. */
#include "responses-internal.h"

static bool is_short(const struct response *response)
{
    return response->chain->priority <= PRIORITY_ACTION;
}

/* Another process may have been told to wait. */
static bool may_connect(struct responses *client)
{
    uint64_t now = responses_now(client);
    if (now < client->connect_not_before_ms)
        return false;
    uint64_t pause = client->pause_ms_of_others ? client->pause_ms_of_others(client->user) : 0;
    if (pause > RETRY_AFTER_MAX_MS)
        pause = RETRY_AFTER_MAX_MS;
    if (pause > 0)
        client->connect_not_before_ms = now + pause;
    return pause == 0;
}

/* On a connection that is open. One that takes nothing is lost, whether it knows or not. */
static void send_on(struct response *response, struct lane *lane)
{
    if (responses_connection_is_doubted(lane->connection) &&
        responses_request_has_effects(&response->request.request))
        return;
    enum status status = response_send(response, lane);
    if (status == STATUS_OK)
        return;
    if (status == STATUS_CONFLICT) { /* others' bytes are still on their way out */
        response->not_before_ms = responses_now(response->client) + QUEUE_WAIT_MS;
        response_set_state(response, RESPONSE_BACKOFF);
        return;
    }
    if (status == STATUS_LIMIT) {
        response_end(response, RESPONSE_FAILED, STR("too_large"),
                     STR("The request is larger than what may wait to be sent. Start a new thread "
                         "or compact this one."));
        return;
    }
    struct failure failure = {
        .code = STR("connection_lost"),
        .message = STR("the connection took no request"),
        .retry_after_ms = -1,
        .is_lost = true,
    };
    lane->connection->is_retiring = true;
    response->attempts++;
    responses_recover(response, &failure);
}

/* -- HTTP ------------------------------------------------------------------------------------ */

static unsigned count_connections(const struct responses *client, enum transport_kind kind)
{
    unsigned count = 0;
    for (size_t i = 0; i < client->connections.len; i++)
        count += client->connections.ptr[i]->kind == kind;
    return count;
}

/* Fallen back to HTTP: from time to time the socket is tried beside it. */
static void probe_socket(struct responses *client)
{
    if (client->http_until_ms == 0 || responses_now(client) < client->http_until_ms)
        return;
    if (count_connections(client, TRANSPORT_WEBSOCKET) == 0)
        responses_connection_probe(client);
}

static enum status place_http(struct response *response, struct err *err)
{
    struct responses *client = response->client;
    probe_socket(client);
    if (count_connections(client, TRANSPORT_HTTP) >= LIMIT_LANES_ACTIVE_COUNT)
        return STATUS_OK;
    struct connection *connection = responses_connection_open(client, TRANSPORT_HTTP, err);
    if (!connection)
        return err && err->status ? err->status : STATUS_IO;
    send_on(response, connection->lanes);
    return STATUS_OK;
}

/* -- With lanes: one connection for all ------------------------------------------------------ */

/* Too old to begin something on, unless its successor is on the way. */
static bool is_worn_out(const struct connection *connection)
{
    return responses_rotate_is_aged(connection, responses_now(connection->client)) &&
           !connection->is_rotating && responses_connection_active(connection) == 0;
}

/* The one to use, or the one that is coming; what is open goes before what is not. */
static struct connection *find_shared(struct responses *client)
{
    struct connection *best = NULL;
    for (size_t i = 0; i < client->connections.len; i++) {
        struct connection *connection = client->connections.ptr[i];
        if (!connection->is_named || connection->is_retiring || connection->is_left ||
            connection->is_probe)
            continue;
        if (is_worn_out(connection)) {
            connection->is_retiring = true;
            client->is_unsettled = true;
            continue;
        }
        if (!best || best->state == CONNECTION_CONNECTING)
            best = connection;
    }
    return best;
}

/* A turn that runs ends where it began, although a successor is there. */
static bool stays_on(const struct response *response, const struct lane *lane)
{
    const struct responses_chain *chain = response->chain;
    bool can = chain->in_turn && chain->lane == lane && lane->state == LANE_FREE &&
               lane->connection->is_left && !lane->connection->is_retiring;
    return can && responses_chain_covered(response, lane) > 0;
}

static struct connection *find_own(const struct response *response)
{
    const struct lane *lane = response->chain->lane;
    return lane && stays_on(response, lane) ? lane->connection : NULL;
}

/* Interrupted responses (of fast typing, say) must not keep the living waiting. */
static bool is_crowded_by_drains(const struct connection *connection)
{
    unsigned busy = responses_connection_busy(connection);
    return responses_connection_active(connection) - busy >= LIMIT_LANES_ACTIVE_COUNT / 2;
}

static enum status place_on_lane(struct response *response, struct err *err)
{
    struct responses *client = response->client;
    struct connection *connection = find_own(response);
    if (!connection)
        connection = find_shared(client);
    if (!connection) {
        if (may_connect(client) && !responses_connection_open(client, TRANSPORT_WEBSOCKET, err))
            return err && err->status ? err->status : STATUS_IO;
        return STATUS_OK;
    }
    if (connection->state == CONNECTION_CONNECTING)
        return STATUS_OK;
    struct lane *lane = responses_lane_take(connection, response->chain);
    if (lane)
        send_on(response, lane);
    else if (is_crowded_by_drains(connection))
        responses_connection_spend_drain(connection);
    return STATUS_OK;
}

/* -- Without lanes: a socket a chain --------------------------------------------------------- */

static bool is_its_socket(const struct connection *connection, const struct response *response)
{
    if (connection->kind != TRANSPORT_WEBSOCKET || connection->is_named ||
        connection->is_retiring || connection->is_probe)
        return false;
    if (connection->is_left && !stays_on(response, connection->lanes))
        return false;
    if (is_short(response))
        return connection->is_short;
    bool is_nobodys = !connection->chain && connection->lanes[0].state == LANE_FREE;
    return !connection->is_short && (connection->chain == response->chain || is_nobodys);
}

/* How ready a socket is: where its turn began, an own and free one, one that is coming, one that is
 * taken. */
static int readiness(const struct connection *connection, const struct response *response)
{
    if (connection->is_left)
        return 4;
    if (connection->lanes[0].state == LANE_DRAINING)
        return -1;
    if (connection->lanes[0].state == LANE_BUSY)
        return 0;
    if (connection->state == CONNECTION_CONNECTING)
        return 1;
    return connection->lanes[0].chain == response->chain ? 3 : 2;
}

static struct connection *find_socket(const struct responses *client,
                                      const struct response *response)
{
    struct connection *best = NULL;
    for (size_t i = 0; i < client->connections.len; i++) {
        struct connection *connection = client->connections.ptr[i];
        if (!is_its_socket(connection, response) || readiness(connection, response) < 0)
            continue;
        if (!best || readiness(connection, response) > readiness(best, response))
            best = connection;
    }
    return best;
}

struct connection *responses_schedule_find_spare(const struct responses *client)
{
    struct connection *best = NULL;
    bool best_drains = false;
    for (size_t i = 0; i < client->connections.len; i++) {
        struct connection *connection = client->connections.ptr[i];
        bool drains = responses_connection_active(connection) > 0;
        if (connection->kind != TRANSPORT_WEBSOCKET || connection->state != CONNECTION_OPEN ||
            responses_connection_busy(connection) > 0)
            continue;
        if (best && (best_drains != drains ? drains : connection->used_ms >= best->used_ms))
            continue;
        best = connection;
        best_drains = drains;
    }
    return best;
}

static enum status open_socket(struct response *response, struct err *err)
{
    struct responses *client = response->client;
    if (!may_connect(client))
        return STATUS_OK;
    if (count_connections(client, TRANSPORT_WEBSOCKET) >= SOCKETS_WITHOUT_LANES_COUNT) {
        struct connection *spare = responses_schedule_find_spare(client);
        if (!spare)
            return STATUS_OK;
        responses_connection_close_idle(spare);
    }
    struct connection *connection = responses_connection_open(client, TRANSPORT_WEBSOCKET, err);
    if (!connection)
        return err && err->status ? err->status : STATUS_IO;
    connection->is_short = is_short(response);
    connection->chain = connection->is_short ? NULL : response->chain;
    return STATUS_OK;
}

static enum status place_on_socket(struct response *response, struct err *err)
{
    struct responses *client = response->client;
    struct connection *connection = find_socket(client, response);
    if (connection && !connection->is_left && is_worn_out(connection)) {
        connection->is_retiring = true;
        connection = NULL;
    }
    if (!connection)
        return open_socket(response, err);
    if (!connection->is_short)
        connection->chain = response->chain;
    if (connection->state == CONNECTION_OPEN && connection->lanes[0].state == LANE_FREE)
        send_on(response, connection->lanes);
    return STATUS_OK;
}

/* -- All ------------------------------------------------------------------------------------- */

static enum status place(struct response *response, struct err *err)
{
    struct responses *client = response->client;
    bool is_http = responses_client_uses_http(client);
    bool can_warm = client->profile.warm_up && !(client->refused & OPTION_GENERATE) && !is_http;
    if (response->request.request.warm_up && !can_warm) {
        response_end(response, RESPONSE_COMPLETED, (struct str){0}, (struct str){0});
        return STATUS_OK;
    }
    if (is_http)
        return place_http(response, err);
    return client->profile.lanes ? place_on_lane(response, err) : place_on_socket(response, err);
}

/* Who waits is lifted by one for every second, so that nobody waits for ever. */
static uint64_t rank_of(const struct response *response)
{
    uint64_t priority = response->chain->priority;
    uint64_t lifts = (responses_now(response->client) - response->result.queued_ms) / WAIT_LIFT_MS;
    return lifts < priority ? priority - lifts : 0;
}

static bool goes_before(const struct response *a, const struct response *b)
{
    uint64_t rank_a = rank_of(a), rank_b = rank_of(b);
    return rank_a != rank_b ? rank_a < rank_b : a->order < b->order;
}

/* The first in line behind `last`. */
static struct response *next_queued(const struct responses *client, const struct response *last)
{
    struct response *best = NULL;
    for (size_t i = 0; i < client->chains.len; i++) {
        struct response *response = client->chains.ptr[i]->response;
        if (!response || response->state != RESPONSE_QUEUED)
            continue;
        if (last && !goes_before(last, response))
            continue;
        if (!best || goes_before(response, best))
            best = response;
    }
    return best;
}

enum status responses_schedule(struct responses *client, struct response *asked, struct err *err)
{
    enum status result = STATUS_OK;
    struct response *response = NULL;
    while ((response = next_queued(client, response))) {
        struct err own = {0};
        enum status status = place(response, &own);
        if (status == STATUS_OK)
            continue;
        if (response == asked) {
            result = err_set(err, status, "%s", own.text);
            continue;
        }
        response_end(response, RESPONSE_FAILED,
                     status == STATUS_AUTH ? STR("no_key") : STR("connection_impossible"),
                     str_from(own.text));
    }
    return result;
}
