/* The truth about the connection, in one word and some numbers. */
#include "responses-internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [RESPONSES_IDLE] = "idle",         [RESPONSES_CONNECTING] = "connecting",
    [RESPONSES_READY] = "ready",       [RESPONSES_WAITING] = "waiting",
    [RESPONSES_THINKING] = "thinking", [RESPONSES_STREAMING] = "streaming",
    [RESPONSES_DRAINING] = "draining", [RESPONSES_ROTATING] = "rotating",
    [RESPONSES_HTTP] = "http",         [RESPONSES_OFFLINE] = "offline",
};

const char *responses_state_name(enum responses_state state)
{
    size_t index = (size_t)state;
    return index < array_count(names) ? names[index] : "unknown";
}

/* What there is of everything, counted in one walk. */
struct census {
    unsigned open, connecting, rotating, busy, draining;
    unsigned sent, running, streaming, queued, waiting;
};

static void count_connections(const struct responses *client, struct census *census)
{
    for (size_t i = 0; i < client->connections.len; i++) {
        const struct connection *connection = client->connections.ptr[i];
        bool is_socket = connection->kind == TRANSPORT_WEBSOCKET;
        unsigned busy = responses_connection_busy(connection);
        census->connecting += connection->state == CONNECTION_CONNECTING;
        census->open += connection->state == CONNECTION_OPEN;
        census->rotating += is_socket && (connection->is_rotating || connection->is_left ||
                                          connection->is_retiring);
        census->busy += busy;
        census->draining += responses_connection_active(connection) - busy;
    }
}

static void count_responses(const struct responses *client, struct census *census)
{
    for (size_t i = 0; i < client->chains.len; i++) {
        const struct response *response = client->chains.ptr[i]->response;
        if (!response)
            continue;
        census->queued += response->state == RESPONSE_QUEUED;
        census->waiting += response->state == RESPONSE_BACKOFF;
        census->sent += response->state == RESPONSE_SENT;
        census->running +=
            response->state == RESPONSE_RUNNING || response->state == RESPONSE_STEERED;
        census->streaming += response_is_streaming(response);
    }
}

/* The most telling thing first. */
static enum responses_state judge(const struct responses *client, const struct census *census)
{
    const struct {
        bool is_so;
        enum responses_state state;
    } judgements[] = {
        {client->http_failures > 0 && census->running == 0, RESPONSES_OFFLINE},
        {client->http_until_ms != 0, RESPONSES_HTTP},
        {client->choice == RESPONSES_HTTP_ONLY && census->open > 0, RESPONSES_HTTP},
        {census->streaming > 0, RESPONSES_STREAMING},
        {census->running > 0, RESPONSES_THINKING},
        {census->sent > 0, RESPONSES_WAITING},
        {census->waiting > 0 && client->connect_failures > 0, RESPONSES_OFFLINE},
        {census->connecting > 0 && census->open == 0, RESPONSES_CONNECTING},
        {census->queued + census->waiting > 0 && census->open > 0, RESPONSES_WAITING},
        {census->rotating > 0 && census->connecting > 0, RESPONSES_ROTATING},
        {census->draining > 0, RESPONSES_DRAINING},
        {census->rotating > 0, RESPONSES_ROTATING},
        {census->open > 0, RESPONSES_READY},
        {client->connect_failures > 0, RESPONSES_OFFLINE},
        {census->waiting > 0, RESPONSES_WAITING},
    };
    for (size_t i = 0; i < array_count(judgements); i++) {
        if (judgements[i].is_so)
            return judgements[i].state;
    }
    return RESPONSES_IDLE;
}

bool responses_status_refresh(struct responses *client)
{
    struct census census = {0};
    count_connections(client, &census);
    count_responses(client, &census);
    enum responses_state state = judge(client, &census);
    enum transport_kind transport =
        responses_client_uses_http(client) ? TRANSPORT_HTTP : TRANSPORT_WEBSOCKET;
    client->told.sockets = census.open + census.connecting;
    client->told.lanes_active = census.busy + census.draining;
    if (state == client->told.state && transport == client->told.transport)
        return false;
    client->told.state = state;
    client->told.transport = transport;
    client->told.since_ms = responses_now(client);
    return true;
}

void responses_status_detail(struct responses *client, const char *format, ...)
{
    char text[sizeof(client->told.detail)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    responses_copy_text(client, client->told.detail, sizeof(client->told.detail), str_from(text));
}

/* The sums of what was closed, and what is still open. */
void responses_get_status(const struct responses *responses, struct responses_status *ret_status)
{
    *ret_status = responses->told;
    for (size_t i = 0; i < responses->connections.len; i++) {
        const struct transport_counters *counters =
            &responses->connections.ptr[i]->transport->counters;
        ret_status->counters.frames_sent += counters->frames_sent;
        ret_status->counters.frames_received += counters->frames_received;
        ret_status->counters.bytes_sent += counters->bytes_sent;
        ret_status->counters.bytes_received += counters->bytes_received;
    }
}
