/* Lanes: names of one connection, and what the server keeps under each. */
#include "responses-internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool responses_lane_name_is_valid(struct str name)
{
    if (name.len < 1 || name.len > 256)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && c != '_' && c != '.' && c != '-')
            return false;
    }
    return true;
}

unsigned responses_lane_number(const struct lane *lane)
{
    return (unsigned)(lane - lane->connection->lanes);
}

struct str responses_lane_name(const struct lane *lane, char buffer[LANE_NAME_BYTES])
{
    if (!lane->connection->is_named)
        return (struct str){0};
    int length = snprintf(buffer, LANE_NAME_BYTES, "l%u", responses_lane_number(lane));
    return (struct str){buffer, (size_t)length};
}

/* Ours are "l0" to "l31", without leading zeros. */
struct lane *responses_lane_find(struct connection *connection, struct str name)
{
    if (!connection->is_named || name.len < 2 || name.len > 3 || name.ptr[0] != 'l')
        return NULL;
    unsigned number = 0;
    for (size_t i = 1; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return NULL;
        number = number * 10 + (unsigned)(name.ptr[i] - '0');
    }
    if ((name.len == 3 && name.ptr[1] == '0') || number >= connection->lane_count)
        return NULL;
    struct lane *lane = &connection->lanes[number];
    return lane->was_used ? lane : NULL;
}

void responses_lane_forget_chain(struct lane *lane)
{
    struct responses_chain *chain = lane->chain;
    lane->chain = NULL;
    if (!chain)
        return;
    chain->lane = NULL;
    responses_chain_lose_cache(chain);
}

void responses_lane_give_up_names(struct connection *connection)
{
    for (unsigned i = 1; i < connection->lane_count; i++)
        responses_lane_forget_chain(&connection->lanes[i]);
    connection->is_named = false;
    connection->lane_count = 1;
}

void responses_lane_limit(const struct lane *lane)
{
    const struct connection *connection = lane->connection;
    unsigned names = 0;
    for (unsigned i = 0; i < connection->lane_count; i++)
        names += connection->lanes[i].was_used;
    unsigned *limit = &connection->client->lane_limit;
    if (names < *limit)
        *limit = names;
    if (*limit > 1)
        (*limit)--;
}

/* How much a lane is worth keeping: lower goes first. */
static uint64_t lane_rank(const struct lane *lane)
{
    if (lane->was_used && !lane->chain)
        return 0;
    return lane->was_used ? 1 + lane->used + 1 : 1;
}

static bool may_take(const struct lane *lane)
{
    const struct connection *connection = lane->connection;
    bool is_beyond =
        connection->is_named && responses_lane_number(lane) >= connection->client->lane_limit;
    return lane->state == LANE_FREE && !is_beyond;
}

struct lane *responses_lane_take(struct connection *connection, struct responses_chain *chain)
{
    if (responses_connection_active(connection) >= LIMIT_LANES_ACTIVE_COUNT)
        return NULL;
    if (chain->lane && chain->lane->connection == connection && may_take(chain->lane))
        return chain->lane;
    struct lane *best = NULL;
    for (unsigned i = 0; i < connection->lane_count; i++) {
        struct lane *lane = &connection->lanes[i];
        if (may_take(lane) && (!best || lane_rank(lane) < lane_rank(best)))
            best = lane;
    }
    return best;
}

void responses_lane_start(struct lane *lane, struct response *response)
{
    struct responses_chain *chain = response->chain;
    assert(lane->state == LANE_FREE);
    if (lane->chain != chain) {
        responses_lane_forget_chain(lane);
        if (chain->lane)
            responses_lane_forget_chain(chain->lane);
        lane->chain = chain;
        chain->lane = lane;
    }
    lane->state = LANE_BUSY;
    lane->was_used = true;
    lane->used = ++response->client->uses;
    lane->response = response;
    lane->response_id[0] = '\0';
    response->lane = lane;
}

static void take_response_off(struct lane *lane)
{
    if (lane->response)
        lane->response->lane = NULL;
    lane->response = NULL;
}

void responses_lane_forget_id(struct lane *lane)
{
    if (lane->response_id[0]) {
        memcpy(lane->ended[lane->ended_next], lane->response_id, RESPONSE_ID_BYTES);
        lane->ended_next = (lane->ended_next + 1) % LANE_ENDED_COUNT;
    }
    lane->response_id[0] = '\0';
}

void responses_lane_end(struct lane *lane)
{
    take_response_off(lane);
    responses_lane_forget_id(lane);
    lane->state = LANE_FREE;
    lane->connection->client->is_unsettled = true;
}

static void drain(struct lane *lane, uint64_t now_ms)
{
    assert(lane->state == LANE_BUSY);
    lane->before_bytes = lane->response->delta_bytes;
    take_response_off(lane);
    responses_lane_forget_chain(lane);
    lane->state = LANE_DRAINING;
    lane->was_cancelled = false;
    lane->drain_since_ms = now_ms;
    lane->drained_bytes = 0;
    lane->connection->client->is_unsettled = true;
}

bool responses_lane_abandon(struct lane *lane, uint64_t now_ms)
{
    bool can_drain = lane->connection->kind == TRANSPORT_WEBSOCKET;
    if (can_drain) {
        drain(lane, now_ms);
    } else { /* its connection carries nothing else, and closes with it */
        responses_lane_forget_chain(lane);
        responses_lane_end(lane);
    }
    return can_drain;
}

void responses_lane_count_abandoned(const struct lane *lane, int64_t output_tokens)
{
    uint64_t tokens = (lane->before_bytes + lane->drained_bytes) / BYTES_PER_TOKEN;
    if (output_tokens > 0)
        tokens = (uint64_t)output_tokens;
    lane->connection->client->told.abandoned_tokens += tokens;
}

bool responses_lane_has_ended(const struct lane *lane, struct str response_id)
{
    for (unsigned i = 0; i < LANE_ENDED_COUNT; i++) {
        if (lane->ended[i][0] && str_eq_c(response_id, lane->ended[i]))
            return true;
    }
    return false;
}
