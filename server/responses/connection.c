/* One connection: opened, watched, its messages brought to the lane they belong to, closed. */
#include "responses-internal.h"

static const struct transport_handlers transport_handlers;

unsigned responses_connection_active(const struct connection *connection)
{
    unsigned count = 0;
    for (unsigned i = 0; i < connection->lane_count; i++)
        count += connection->lanes[i].state != LANE_FREE;
    return count;
}

unsigned responses_connection_busy(const struct connection *connection)
{
    unsigned count = 0;
    for (unsigned i = 0; i < connection->lane_count; i++)
        count += connection->lanes[i].state == LANE_BUSY;
    return count;
}

/* -- Opening and closing --------------------------------------------------------------------- */

struct connection *responses_connection_open(struct responses *client, enum transport_kind kind,
                                             struct err *err)
{
    bool is_socket = kind == TRANSPORT_WEBSOCKET;
    bool is_named = is_socket && client->profile.lanes;
    unsigned lane_count = is_named ? LIMIT_LANE_NAMES_COUNT : 1;
    struct connection *connection =
        mem_alloc(sizeof(*connection) + lane_count * sizeof(connection->lanes[0]));
    connection->client = client;
    connection->kind = kind;
    connection->state = is_socket ? CONNECTION_CONNECTING : CONNECTION_OPEN;
    connection->is_named = is_named;
    connection->is_retiring = !is_socket; /* carries one request */
    connection->lane_count = lane_count;
    for (unsigned i = 0; i < lane_count; i++)
        connection->lanes[i].connection = connection;
    connection->opened_ms = connection->heard_ms = connection->used_ms = responses_now(client);
    connection->begun_ms = connection->opened_ms;
    connection->slept_open_ms = responses_client_slept_ms(client);
    connection->transport =
        client->env.open(client->env.user, kind, &transport_handlers, connection, err);
    if (!connection->transport) {
        mem_free(connection);
        return NULL;
    }
    vec_push(&client->connections, connection);
    client->is_unsettled = true;
    return connection;
}

static void add_counters(struct transport_counters *sum, const struct transport_counters *counters)
{
    sum->frames_sent += counters->frames_sent;
    sum->frames_received += counters->frames_received;
    sum->bytes_sent += counters->bytes_sent;
    sum->bytes_received += counters->bytes_received;
}

/* Nothing is on its lanes any more but what drains. */
static void close_connection(struct connection *connection, unsigned code, const char *reason)
{
    struct responses *client = connection->client;
    for (unsigned i = 0; i < connection->lane_count; i++) {
        struct lane *lane = &connection->lanes[i];
        if (lane->state == LANE_DRAINING)
            responses_lane_count_abandoned(lane, 0);
        responses_lane_forget_chain(lane);
    }
    for (size_t i = 0; i < client->connections.len; i++) {
        if (client->connections.ptr[i] == connection) {
            vec_remove(&client->connections, i);
            break;
        }
    }
    add_counters(&client->told.counters, &connection->transport->counters);
    connection->transport->ops->close(connection->transport, code, reason);
    connection->transport = NULL;
    connection->dead = true;
    client->is_unsettled = true;
    responses_client_bury(client, connection);
}

void responses_connection_lose(struct connection *connection, const struct failure *failure)
{
    struct response *lost[LIMIT_LANE_NAMES_COUNT];
    unsigned count = 0;
    for (unsigned i = 0; i < connection->lane_count; i++) {
        struct lane *lane = &connection->lanes[i];
        if (lane->state != LANE_BUSY)
            continue;
        lost[count++] = lane->response;
        responses_lane_end(lane);
    }
    close_connection(connection, 1000, "");
    for (unsigned i = 0; i < count; i++)
        responses_recover(lost[i], failure);
}

/* Turns that began here and stay as long as they can. */
static bool has_turns(const struct connection *connection)
{
    for (unsigned i = 0; i < connection->lane_count; i++) {
        const struct responses_chain *chain = connection->lanes[i].chain;
        if (chain && chain->in_turn)
            return true;
    }
    return false;
}

void responses_connection_sweep(struct responses *client)
{
    for (size_t i = client->connections.len; i-- > 0;) {
        struct connection *connection = client->connections.ptr[i];
        if (connection->is_left && !has_turns(connection))
            connection->is_retiring = true;
        bool is_waited_for =
            connection->state == CONNECTION_CONNECTING ||
            responses_connection_busy(connection) > 0 ||
            (responses_connection_active(connection) > 0 && !connection->drain_spent);
        if (connection->is_retiring && !is_waited_for)
            close_connection(connection, 1000, "");
    }
}

void responses_connection_close_idle(struct connection *connection)
{
    close_connection(connection, 1000, "");
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* -- Time ------------------------------------------------------------------------------------ */

/* Nothing has come since the upgrade, no event and no pong: something on the way may have answered
 * for a server that never hears us. */
static bool is_unproven(const struct connection *connection)
{
    return connection->kind == TRANSPORT_WEBSOCKET && !connection->is_proven &&
           connection->client->deadlines.proof > 0 && responses_connection_busy(connection) > 0;
}

/* Over HTTP there is no ping; but bytes come in a text, and comments (": keep-alive") else. */
static uint64_t http_silence_due(const struct connection *connection)
{
    const struct responses_deadlines *deadlines = &connection->client->deadlines;
    const struct response *response = connection->lanes[0].response;
    if (!response || response->state != RESPONSE_RUNNING)
        return NEVER;
    uint64_t limit = response->is_in_text ? deadlines->http_stream : deadlines->http_quiet;
    return limit ? connection->heard_ms + limit : NEVER;
}

/* When the silence must be looked into; a pong or any frame moves it. */
static uint64_t silence_due(const struct connection *connection)
{
    const struct responses_deadlines *deadlines = &connection->client->deadlines;
    if (connection->kind != TRANSPORT_WEBSOCKET)
        return http_silence_due(connection);
    if (connection->is_probe)
        return connection->ping_ms + deadlines->proof;
    if (connection->is_doubted && connection->was_pinged)
        return connection->ping_ms + min_of(deadlines->pong, deadlines->proof);
    if (responses_connection_active(connection) == 0)
        return NEVER;
    if (is_unproven(connection))
        return connection->used_ms + deadlines->proof / (connection->was_pinged ? 1 : 5);
    if (connection->was_pinged)
        return connection->ping_ms + deadlines->pong;
    uint64_t since =
        connection->heard_ms > connection->used_ms ? connection->heard_ms : connection->used_ms;
    return since + deadlines->silence;
}

static uint64_t drain_due(const struct connection *connection)
{
    uint64_t due = NEVER;
    if (connection->drain_spent)
        return due;
    for (unsigned i = 0; i < connection->lane_count; i++) {
        const struct lane *lane = &connection->lanes[i];
        if (lane->state == LANE_DRAINING)
            due = min_of(due, lane->drain_since_ms + connection->client->deadlines.drain);
    }
    return due;
}

/* A turn waits for it that could as well go over HTTP. */
static bool is_urgent(const struct connection *connection)
{
    const struct responses *client = connection->client;
    for (size_t i = 0; i < client->connections.len; i++) {
        if (client->connections.ptr[i]->is_rotating)
            return false;
    }
    return client->choice == RESPONSES_AUTO && !connection->is_probe;
}

/* A person who is asked for the key has to look it up. */
uint64_t responses_prepare_ms(const struct connection *connection)
{
    const struct responses_deadlines *deadlines = &connection->client->deadlines;
    return connection->transport->asks ? deadlines->thinking : deadlines->prepare;
}

static uint64_t connect_due(const struct connection *connection)
{
    const struct responses_deadlines *deadlines = &connection->client->deadlines;
    if (connection->transport->prepares)
        return connection->begun_ms + responses_prepare_ms(connection);
    bool is_short = deadlines->answer && is_urgent(connection);
    return connection->begun_ms +
           (is_short ? min_of(deadlines->answer, deadlines->connect) : deadlines->connect);
}

uint64_t responses_connection_deadline(const struct connection *connection)
{
    if (connection->state == CONNECTION_CONNECTING)
        return connect_due(connection);
    uint64_t due = min_of(silence_due(connection), drain_due(connection));
    due = min_of(due, connection->is_retiring ? NEVER : responses_rotate_leave_due(connection));
    return min_of(due, responses_rotate_due(connection));
}

static void handle_connect_failure(struct connection *connection, const struct failure *failure)
{
    responses_recover_connect(connection, failure);
    close_connection(connection, 1000, "");
}

static void ask(struct connection *connection, uint64_t now_ms)
{
    connection->was_pinged = true;
    connection->ping_ms = now_ms;
    connection->transport->ops->ping(connection->transport);
}

bool responses_connection_is_doubted(struct connection *connection)
{
    struct responses *client = connection->client;
    uint64_t now = responses_now(client), slept = responses_client_slept_ms(client);
    bool has_slept = slept > client->slept_ms + WAKE_MS;
    client->slept_ms = slept;
    for (size_t i = 0; has_slept && i < client->connections.len; i++)
        client->connections.ptr[i]->is_doubted = true;
    if (connection->kind != TRANSPORT_WEBSOCKET || connection->is_probe)
        return false;
    if (now - connection->heard_ms >= client->deadlines.silence)
        connection->is_doubted = true;
    if (connection->is_doubted && !connection->was_pinged)
        ask(connection, now);
    return connection->is_doubted;
}

static void handle_silence(struct connection *connection, uint64_t now_ms)
{
    bool is_socket = connection->kind == TRANSPORT_WEBSOCKET;
    if (is_socket && !connection->was_pinged) {
        ask(connection, now_ms);
        return;
    }
    struct failure failure = {
        .code = STR("connection_lost"),
        .message = is_socket ? STR("the server did not answer a ping: the connection is dead")
                             : STR("nothing came any more: the connection is dead"),
        .retry_after_ms = -1,
        .is_lost = true,
        .is_timeout = true,
    };
    if (connection->is_probe || is_unproven(connection))
        failure.is_bypassed = responses_recover_connect(connection, &failure);
    responses_connection_lose(connection, &failure);
}

void responses_connection_spend_drain(struct connection *connection)
{
    responses_cancel_note_vain(connection);
    connection->drain_spent = true;
    connection->is_retiring = true;
    connection->client->is_unsettled = true;
}

void responses_connection_tick(struct connection *connection, uint64_t now_ms)
{
    if (responses_connection_deadline(connection) > now_ms)
        return;
    if (connection->state == CONNECTION_CONNECTING) {
        struct failure failure = {
            .code = STR("timeout"),
            .message = STR("the connection could not be made in time"),
            .retry_after_ms = -1,
            .is_lost = true,
            .is_timeout = true,
        };
        handle_connect_failure(connection, &failure);
        return;
    }
    if (drain_due(connection) <= now_ms)
        responses_connection_spend_drain(connection);
    if (responses_rotate_due(connection) <= now_ms)
        responses_rotate(connection);
    if (connection->dead)
        return;
    if (responses_rotate_leave_due(connection) <= now_ms)
        connection->is_retiring = true;
    if (silence_due(connection) <= now_ms)
        handle_silence(connection, now_ms);
}

/* -- Callbacks of the transport -------------------------------------------------------------- */

static void note_heard(struct connection *connection)
{
    connection->heard_ms = responses_now(connection->client);
    connection->was_pinged = connection->is_doubted = false;
}

void responses_connection_probe(struct responses *client)
{
    struct connection *probe = responses_connection_open(client, TRANSPORT_WEBSOCKET, NULL);
    if (probe)
        probe->is_probe = true;
}

/* It can be had, and used. */
static void note_stands(struct connection *connection)
{
    struct responses *client = connection->client;
    connection->is_probe = false;
    client->http_until_ms = 0;
    client->http_failures = 0;
    client->told.detail[0] = '\0';
    client->is_unsettled = true;
}

static void on_open(void *user)
{
    struct connection *connection = user;
    struct responses *client = connection->client;
    if (connection->kind != TRANSPORT_WEBSOCKET)
        return;
    responses_client_enter(client);
    connection->state = CONNECTION_OPEN;
    connection->opened_ms = responses_now(client);
    note_heard(connection);
    client->told.connects++;
    if (connection->is_probe) /* an upgrade alone proves nothing: something may have answered it */
        ask(connection, connection->opened_ms);
    else
        note_stands(connection);
    responses_rotate_done(connection);
    client->is_unsettled = true;
    responses_client_leave(client);
}

static void note_alive(struct connection *connection)
{
    connection->is_proven = true;
    note_heard(connection);
    if (connection->is_probe)
        note_stands(connection);
}

static void on_message(void *user, struct str message)
{
    struct connection *connection = user;
    struct responses *client = connection->client;
    responses_client_enter(client);
    note_alive(connection);
    if (connection->kind == TRANSPORT_HTTP)
        client->http_failures = 0;
    if (!connection->was_heard && connection->kind == TRANSPORT_WEBSOCKET) {
        connection->was_heard = true;
        client->connect_failures = 0;
        client->connect_not_before_ms = 0;
    }
    responses_route_message(connection, message);
    responses_client_leave(client);
}

static void note_begun(struct connection *connection)
{
    connection->begun_ms = responses_now(connection->client);
    connection->client->is_unsettled = true;
}

static void on_alive(void *user)
{
    struct connection *connection = user;
    struct responses *client = connection->client;
    responses_client_enter(client);
    client->is_unsettled |= connection->is_doubted; /* who waits for the answer can go */
    if (connection->state == CONNECTION_OPEN)
        note_alive(connection);
    else /* what it waited for on this machine has come, and only now it connects */
        note_begun(connection);
    responses_client_leave(client);
}

/* An HTTP status says more than what the transport makes of it. 403 is no word about the key alone:
 * what lets no WebSocket through may well take a POST. */
static struct str code_of_refusal(const struct transport_close *close)
{
    return close->http_status == 401 || close->http_status == 407 ? STR("auth") : STR("refused");
}

static struct str code_of_end(const struct transport_close *close)
{
    static const struct {
        enum status status;
        struct str code;
    } codes[] = {
        {STATUS_AUTH, STR_INIT("auth")},
        {STATUS_DENIED, STR_INIT("denied")}, /* a certificate, or a proxy that does not want */
        {STATUS_TIMEOUT, STR_INIT("timeout")},
        {STATUS_PROTOCOL, STR_INIT("protocol")},
        {STATUS_LIMIT, STR_INIT("too_large")},
    };
    /* With a key that was good enough a moment ago; a bad one is refused at the next upgrade. */
    if (close->was_open && close->status == STATUS_AUTH)
        return STR("connection_lost");
    for (size_t i = 0; i < array_count(codes); i++) {
        if (codes[i].status == close->status)
            return codes[i].code;
    }
    return STR("connection_lost");
}

/* What a transport's end means, before anything is known about the response. */
static struct failure failure_of_close(const struct transport_close *close)
{
    bool is_refusal = close->http_status >= 400 ||
                      (!close->was_open && close->http_status > 0 && close->http_status != 101);
    bool is_denied = close->status == STATUS_DENIED;
    struct failure failure = {
        .code = close->no_key              ? STR("no_key")
                : is_refusal && !is_denied ? code_of_refusal(close)
                                           : code_of_end(close),
        .message = str_from(close->text),
        .status = is_refusal ? close->http_status : 0,
        .retry_after_ms = close->retry_after_ms,
        .is_lost = !is_refusal,
        .is_unmade = !is_refusal && !close->was_open,
        .is_timeout = close->status == STATUS_TIMEOUT,
        .close_code = close->was_open ? close->close_code : 0,
    };
    if (failure.message.len == 0)
        failure.message = STR("the connection was closed before the answer was complete");
    return failure;
}

/* 1009 by the server: our message was too big for it. Our own 1009 is STATUS_LIMIT. */
static bool refused_our_size(const struct transport_close *close)
{
    return close->close_code == 1009 && close->status != STATUS_LIMIT;
}

/* Of a socket that was open: does it speak against sockets? */
static void handle_end(struct connection *connection, const struct transport_close *close,
                       struct failure *failure)
{
    bool was_busy = responses_connection_busy(connection) > 0;
    if (connection->kind != TRANSPORT_WEBSOCKET)
        return;
    if (was_busy && refused_our_size(close)) {
        failure->is_bypassed = responses_recover_by_http(connection->client);
        if (!failure->is_bypassed)
            failure->code = STR("too_large");
    } else if (connection->is_probe || (!connection->was_heard && was_busy)) {
        failure->is_bypassed = responses_recover_connect(connection, failure);
    }
}

static void on_closed(void *user, const struct transport_close *close)
{
    struct connection *connection = user;
    struct responses *client = connection->client;
    struct transport_close copy = *close;
    struct failure failure = failure_of_close(&copy);
    responses_client_enter(client);
    responses_cancel_note_vain(connection);
    if (connection->kind == TRANSPORT_HTTP && !copy.was_open && copy.http_status == 0)
        responses_recover_unreached(client);
    if (connection->state == CONNECTION_CONNECTING) {
        handle_connect_failure(connection, &failure);
    } else {
        handle_end(connection, &copy, &failure);
        responses_connection_lose(connection, &failure);
    }
    responses_client_leave(client);
}

static const struct transport_handlers transport_handlers = {
    .on_open = on_open,
    .on_message = on_message,
    .on_alive = on_alive,
    .on_closed = on_closed,
};
