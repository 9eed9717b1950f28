/* Chains: what the server holds of a conversation, and whether what is asked next extends it. */
#include "responses-internal.h"

#include <string.h>

/* Forgets everything but what a store still knows. */
void responses_chain_lose_cache(struct responses_chain *chain)
{
    chain->hold.is_cached = false;
    if (!responses_client_has_stored_ids(chain->client))
        chain->hold.response_id[0] = '\0';
}

void responses_chain_keep(struct responses_chain *chain, const struct response *response)
{
    const struct responses_history *history = &response->request.request.history;
    memcpy(chain->hold.response_id, response->result.response_id, RESPONSE_ID_BYTES);
    chain->hold.sent = history->count;
    chain->hold.produced = response->result.items_done;
    chain->hold.steered = 0;
    chain->hold.produced_key = response->produced_key;
    chain->hold.generation = history->generation;
    chain->hold.tools_hash = response->sent_tools_hash;
    chain->hold.is_cached = response->lane && response->lane == chain->lane;
    chain->source = NULL;
}

/* What the server made must stand in the history just as it came: anything else (an output put
 * between two calls, an item left out) is no extension of what it holds. */
static bool produced_is_kept(const struct responses_chain *chain,
                             const struct responses_history *history)
{
    uint64_t key = 0;
    for (size_t i = 0; i < chain->hold.produced; i++) {
        struct str item = history->item(history->user, chain->hold.sent + i);
        key = responses_item_fold_raw_key(key, item);
    }
    return key == chain->hold.produced_key;
}

/* From its lane to another one of the same connection. */
static bool can_fork_from(const struct responses_chain *source)
{
    return source->hold.is_cached && source->lane && source->lane->connection->is_named;
}

static bool is_cached_for(const struct responses_chain *chain, const struct lane *lane)
{
    const struct connection *connection = lane->connection;
    if (connection->kind != TRANSPORT_WEBSOCKET)
        return false;
    if (!chain->source)
        return chain->hold.is_cached && chain->lane == lane;
    return can_fork_from(chain->source) && chain->source->lane->connection == connection &&
           strcmp(chain->source->hold.response_id, chain->hold.response_id) == 0;
}

size_t responses_chain_covered(const struct response *response, const struct lane *lane)
{
    const struct responses_chain *chain = response->chain;
    const struct responses_request *request = &response->request.request;
    const struct responses_history *history = &request->history;
    size_t covered = chain->hold.sent + chain->hold.produced + chain->hold.steered;
    if (!chain->hold.response_id[0] ||
        !(is_cached_for(chain, lane) || responses_client_has_stored_ids(chain->client)))
        return 0;
    if (chain->hold.generation != history->generation || covered >= history->count)
        return 0;
    if (responses_client_takes_tools_once(chain->client, request->model) &&
        chain->hold.tools_hash != response->tools_hash)
        return 0;
    return produced_is_kept(chain, history) ? covered : 0;
}

struct responses_chain *responses_chain_new(struct responses *responses,
                                            enum responses_priority priority)
{
    if (responses->chains.len >= CHAINS_COUNT)
        return NULL;
    struct responses_chain *chain = mem_new(struct responses_chain);
    chain->client = responses;
    chain->priority = priority;
    vec_push(&responses->chains, chain);
    return chain;
}

/* What steers came to is not known before the source goes on itself. */
bool responses_chain_fork(struct responses_chain *chain, struct responses_chain *source)
{
    if (!source->hold.response_id[0] || source->hold.steered > 0 || source->response ||
        !(can_fork_from(source) || responses_client_has_stored_ids(source->client)) ||
        responses_client_uses_http(source->client))
        return false;
    chain->hold = source->hold;
    chain->hold.is_cached = false;
    chain->source = source;
    return true;
}

static void forget_source(struct responses_chain *source)
{
    for (size_t i = 0; i < source->client->chains.len; i++)
        if (source->client->chains.ptr[i]->source == source)
            source->client->chains.ptr[i]->source = NULL;
}

void responses_chain_reset(struct responses_chain *chain)
{
    memset(&chain->hold, 0, sizeof(chain->hold));
    chain->source = NULL;
    chain->is_left_behind = false;
    if (chain->response)
        chain->response->must_be_forgotten = true;
}

void responses_chain_set_in_turn(struct responses_chain *chain, bool in_turn)
{
    chain->in_turn = in_turn;
    responses_client_defer(chain->client);
}

bool responses_chain_is_left_behind(const struct responses_chain *chain)
{
    return chain->is_left_behind;
}

static void forget_socket(struct responses_chain *chain)
{
    for (size_t i = 0; i < chain->client->connections.len; i++) {
        struct connection *connection = chain->client->connections.ptr[i];
        if (connection->chain == chain)
            connection->chain = NULL;
    }
}

void responses_chain_free(struct responses_chain *chain)
{
    if (!chain)
        return;
    struct responses *client = chain->client;
    struct response *response = chain->response;
    if (response) {
        response_interrupt(response);
        response_free(response);
    }
    if (chain->lane)
        responses_lane_forget_chain(chain->lane);
    forget_socket(chain);
    forget_source(chain);
    for (size_t i = 0; i < client->chains.len; i++) {
        if (client->chains.ptr[i] == chain) {
            vec_remove(&client->chains, i);
            break;
        }
    }
    mem_free(chain);
    responses_client_defer(client);
}
