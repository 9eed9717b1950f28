/* Rotation: before the server closes a connection for its age, another one takes over. */
#include "responses-internal.h"

#define MINUTE_MS ((uint64_t)60 * 1000)
#define LIFE_LEAST_MS ((uint64_t)1000) /* an endpoint that closes sooner is broken, not strict */

/* How long before the end to be gone: long enough for a turn's step that runs to end. */
static uint64_t margin_of(uint64_t life_ms)
{
    uint64_t margin = life_ms / 12;
    return margin < MINUTE_MS && life_ms >= 2 * MINUTE_MS ? MINUTE_MS : margin;
}

/* The server counts the time that we have slept, our clock does not. */
static uint64_t aged_by(const struct connection *connection, uint64_t age_ms)
{
    uint64_t slept = responses_client_slept_ms(connection->client) - connection->slept_open_ms;
    return connection->opened_ms + (age_ms > slept ? age_ms - slept : 0);
}

static uint64_t rotation_due(const struct connection *connection)
{
    uint64_t life = connection->client->life_ms;
    if (life == 0 || connection->kind != TRANSPORT_WEBSOCKET)
        return NEVER;
    return aged_by(connection, life - margin_of(life));
}

/* When also a turn that runs gets nothing more on it. */
uint64_t responses_rotate_leave_due(const struct connection *connection)
{
    uint64_t life = connection->client->life_ms;
    return connection->is_left ? aged_by(connection, life - margin_of(life) / 4) : NEVER;
}

void responses_rotate_learn_life(const struct connection *connection)
{
    struct responses *client = connection->client;
    uint64_t age = responses_now(client) - connection->opened_ms +
                   responses_client_slept_ms(client) - connection->slept_open_ms;
    if (age >= LIFE_LEAST_MS && (client->life_ms == 0 || age < client->life_ms))
        client->life_ms = age;
}

bool responses_rotate_is_aged(const struct connection *connection, uint64_t now_ms)
{
    return now_ms >= rotation_due(connection);
}

/* NEVER for a connection that is idle: it is left to close. */
uint64_t responses_rotate_due(const struct connection *connection)
{
    uint64_t due = rotation_due(connection);
    bool is_used = connection->wanted_ms && connection->wanted_ms + ROTATE_USED_MS >= due;
    bool can = !connection->is_retiring && !connection->is_rotating && !connection->is_left &&
               !connection->is_probe && !connection->has_no_successor;
    if (due == NEVER || !can || !is_used)
        return NEVER;
    uint64_t earliest = connection->client->connect_not_before_ms;
    return due > earliest ? due : earliest;
}

static void leave_chains(struct connection *connection)
{
    uint64_t now = responses_now(connection->client);
    for (unsigned i = 0; i < connection->lane_count; i++) {
        struct responses_chain *chain = connection->lanes[i].chain;
        if (chain && chain->hold.is_cached && chain->used_ms &&
            chain->used_ms + ROTATE_USED_MS >= now)
            chain->is_left_behind = true;
    }
}

/* Without lanes each has its own. */
static bool is_successor(const struct connection *connection, const struct connection *old)
{
    if (connection == old || !old->is_rotating)
        return false;
    return connection->is_named ||
           (connection->chain == old->chain && connection->is_short == old->is_short);
}

void responses_rotate_done(struct connection *successor)
{
    struct responses *client = successor->client;
    for (size_t i = 0; i < client->connections.len; i++) {
        struct connection *connection = client->connections.ptr[i];
        if (!is_successor(successor, connection))
            continue;
        connection->is_rotating = false;
        connection->is_left = true;
        if (connection->wanted_ms > successor->wanted_ms)
            successor->wanted_ms = connection->wanted_ms;
        leave_chains(connection);
        client->has_rotated = true;
    }
}

/* Without lanes there are so many sockets and no more; where none is idle it has to go on alone. */
static bool make_room(struct connection *connection)
{
    struct responses *client = connection->client;
    unsigned count = 0;
    for (size_t i = 0; i < client->connections.len; i++)
        count += client->connections.ptr[i]->kind == TRANSPORT_WEBSOCKET;
    if (connection->is_named || count < SOCKETS_WITHOUT_LANES_COUNT)
        return true;
    struct connection *spare = responses_schedule_find_spare(client);
    if (!spare)
        return false;
    if (spare == connection) { /* idle itself: left before its successor is there */
        leave_chains(connection);
        client->has_rotated = true;
    }
    responses_connection_close_idle(spare);
    return true;
}

void responses_rotate(struct connection *connection)
{
    struct responses *client = connection->client;
    struct responses_chain *chain = connection->chain;
    bool is_short = connection->is_short;
    uint64_t wanted_ms = connection->wanted_ms;
    if (!make_room(connection)) {
        connection->has_no_successor = true;
        return;
    }
    connection->is_rotating = true;
    struct connection *successor = responses_connection_open(client, TRANSPORT_WEBSOCKET, NULL);
    if (!successor) {
        connection->is_rotating = false;
        connection->has_no_successor = true;
        return;
    }
    if (successor->is_named)
        return;
    successor->chain = chain;
    successor->is_short = is_short;
    if (connection->dead)
        successor->wanted_ms = wanted_ms;
}
