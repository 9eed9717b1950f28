/* The client as a whole: its life, its one timer, and the order in which things are called back. */
#include "responses-internal.h"

#include <string.h>

uint64_t responses_now(const struct responses *client)
{
    return client->env.now_ms(client->env.user);
}

uint64_t responses_client_slept_ms(const struct responses *client)
{
    return client->env.slept_ms ? client->env.slept_ms(client->env.user) : 0;
}

bool responses_client_has_stored_ids(const struct responses *client)
{
    return client->store && client->profile.stored_ids;
}

bool responses_client_uses_http(const struct responses *client)
{
    return client->choice == RESPONSES_HTTP_ONLY || client->http_until_ms != 0;
}

bool responses_client_takes_tools_once(const struct responses *client, struct str model)
{
    return responses_profile_takes_tools_once(&client->profile, model) &&
           !(responses_refused(client, model) & OPTION_ADDITIONAL_TOOLS);
}

bool responses_repeats_tools(const struct responses *responses, struct str model)
{
    return !responses_client_takes_tools_once(responses, model);
}

bool responses_runs_side_by_side(const struct responses *responses)
{
    return responses->profile.lanes || responses_client_uses_http(responses);
}

uint64_t responses_client_hash_tools(struct responses *client, struct str tools)
{
    if (client->tools_hash != 0 && str_eq(buf_str(&client->tools), tools))
        return client->tools_hash;
    buf_clear(&client->tools);
    buf_append(&client->tools, tools);
    client->tools_hash = hash_bytes(tools);
    return client->tools_hash;
}

bool responses_copy_id(char *to, size_t size, struct str from)
{
    bool fits = from.len < size;
    size_t length = fits ? from.len : 0;
    if (length > 0)
        memcpy(to, from.ptr, length);
    to[length] = '\0';
    return fits;
}

void responses_copy_text(const struct responses *client, char *to, size_t size, struct str from)
{
    struct buf clean = {0};
    if (client->clean)
        client->clean(client->user, from, &clean);
    struct str text = client->clean ? buf_str(&clean) : from;
    size_t length = utf8_floor(text, size - 1);
    if (length > 0)
        memcpy(to, text.ptr, length);
    to[length] = '\0';
    buf_finish(&clean);
}

/* -- The timer: one for all deadlines -------------------------------------------------------- */

static uint64_t next_deadline(const struct responses *client)
{
    uint64_t due = NEVER;
    bool is_waiting = false;
    for (size_t i = 0; i < client->connections.len; i++) {
        uint64_t own = responses_connection_deadline(client->connections.ptr[i]);
        due = own < due ? own : due;
    }
    for (size_t i = 0; i < client->chains.len; i++) {
        const struct response *response = client->chains.ptr[i]->response;
        if (!response)
            continue;
        uint64_t own = response_deadline(response);
        due = own < due ? own : due;
        is_waiting |= response->state == RESPONSE_QUEUED;
    }
    if (is_waiting && client->connect_not_before_ms > responses_now(client) &&
        client->connect_not_before_ms < due)
        due = client->connect_not_before_ms;
    return due;
}

static void arm_at(struct responses *client, uint64_t due)
{
    uint64_t now = responses_now(client);
    if (due == client->armed_ms)
        return;
    client->armed_ms = due;
    if (due == NEVER)
        client->env.timer_stop(client->timer);
    else
        client->env.timer_start(client->timer, due > now ? due - now : 0);
}

/* Deadlines only move away while events come, so the timer is set anew when it fires, not before.
 */
static void on_timer(void *user)
{
    struct responses *client = user;
    responses_client_enter(client);
    client->armed_ms = NEVER;
    client->is_unsettled = true;
    uint64_t now = responses_now(client);
    for (size_t i = client->connections.len; i-- > 0;) {
        if (i < client->connections.len)
            responses_connection_tick(client->connections.ptr[i], now);
    }
    for (size_t i = 0; i < client->chains.len; i++) {
        if (client->chains.ptr[i]->response)
            response_tick(client->chains.ptr[i]->response, now);
    }
    responses_client_leave(client);
}

/* -- Calling back ---------------------------------------------------------------------------- */

static bool call_retry(struct responses *client)
{
    for (size_t i = 0; i < client->chains.len; i++) {
        struct response *response = client->chains.ptr[i]->response;
        if (!response || !response->has_note)
            continue;
        response->has_note = false;
        if (response->handlers.on_retry)
            response->handlers.on_retry(response->user, response->note, response->note_wait_ms);
        return true;
    }
    return false;
}

static bool call_end(struct responses *client)
{
    for (size_t i = 0; i < client->chains.len; i++) {
        struct response *response = client->chains.ptr[i]->response;
        if (!response || response->state != RESPONSE_ENDING)
            continue;
        response_set_state(response, RESPONSE_ENDED);
        struct responses_handlers handlers = response->handlers;
        struct responses_result result = response->result;
        void *user = response->user;
        response_free(response);
        if (handlers.on_end)
            handlers.on_end(user, &result);
        return true;
    }
    return false;
}

static bool call_status(struct responses *client)
{
    if (!responses_status_refresh(client))
        return false;
    struct responses_status status;
    responses_get_status(client, &status);
    if (client->on_status)
        client->on_status(client->user, &status);
    return true;
}

static bool call_rotated(struct responses *client)
{
    if (!client->has_rotated)
        return false;
    client->has_rotated = false;
    if (client->on_rotated)
        client->on_rotated(client->user);
    return true;
}

/* One callback at a time, since each may change everything. */
static void settle(struct responses *client)
{
    while (client->is_unsettled && !client->is_freed) {
        client->is_unsettled = false;
        responses_schedule(client, NULL, NULL);
        responses_connection_sweep(client);
        if (client->is_unsettled)
            continue;
        if (call_retry(client) || call_end(client) || call_rotated(client) ||
            responses_learn_tell(client) || call_status(client))
            client->is_unsettled = true;
        else
            arm_at(client, next_deadline(client));
    }
}

static bool has_callbacks(struct responses *client)
{
    for (size_t i = 0; i < client->chains.len; i++) {
        const struct response *response = client->chains.ptr[i]->response;
        if (response && (response->has_note || response->state == RESPONSE_ENDING))
            return true;
    }
    return client->on_status != NULL; /* the timer finds out whether it is told */
}

void responses_client_defer(struct responses *client)
{
    client->is_unsettled = true;
    if (client->depth > 0)
        return;
    responses_schedule(client, NULL, NULL);
    responses_connection_sweep(client);
    arm_at(client, has_callbacks(client) ? responses_now(client) : next_deadline(client));
}

/* -- Entering and leaving -------------------------------------------------------------------- */

static void free_client(struct responses *client)
{
    for (size_t i = 0; i < client->zombies.len; i++)
        mem_free(client->zombies.ptr[i]);
    vec_finish(&client->zombies);
    vec_finish(&client->connections);
    vec_finish(&client->chains);
    buf_finish(&client->scratch);
    buf_finish(&client->slim);
    buf_finish(&client->tools);
    mem_free(client);
}

void responses_client_bury(struct responses *client, void *memory)
{
    if (client->depth == 0)
        mem_free(memory);
    else
        vec_push(&client->zombies, memory);
}

void responses_client_enter(struct responses *client)
{
    client->depth++;
}

void responses_client_leave(struct responses *client)
{
    if (client->depth == 1 && client->is_unsettled)
        settle(client);
    if (--client->depth > 0)
        return;
    if (client->is_freed) {
        free_client(client);
        return;
    }
    for (size_t i = 0; i < client->zombies.len; i++)
        mem_free(client->zombies.ptr[i]);
    vec_clear(&client->zombies);
}

/* -- Life ------------------------------------------------------------------------------------ */

struct responses *responses_new(const struct transport_env *env,
                                const struct responses_options *options)
{
    struct responses *client = mem_new(struct responses);
    client->env = *env;
    client->profile = *options->profile;
    client->deadlines = options->deadlines ? *options->deadlines : responses_deadlines_default;
    client->choice = options->transport;
    client->store = options->store;
    client->on_status = options->on_status;
    client->on_rotated = options->on_rotated;
    client->on_learned = options->on_learned;
    client->pause_ms_of_others = options->pause_ms;
    client->clean = options->clean;
    client->life_ms = client->deadlines.life ? client->deadlines.life
                                             : (uint64_t)client->profile.life_minutes * 60 * 1000;
    client->user = options->user;
    client->armed_ms = NEVER;
    client->lane_limit = LIMIT_LANE_NAMES_COUNT;
    responses_learn_begin(client, options->known);
    client->timer = env->timer_new(env->user, on_timer, client);
    client->told.since_ms = responses_now(client);
    client->told.transport =
        responses_client_uses_http(client) ? TRANSPORT_HTTP : TRANSPORT_WEBSOCKET;
    return client;
}

void responses_free(struct responses *responses)
{
    if (!responses)
        return;
    responses->on_status = NULL;
    responses->on_rotated = NULL;
    responses->on_learned = NULL;
    while (responses->chains.len > 0)
        responses_chain_free(vec_last(&responses->chains));
    while (responses->connections.len > 0)
        responses_connection_close_idle(vec_last(&responses->connections));
    responses->env.timer_free(responses->timer);
    responses->is_freed = true;
    if (responses->depth == 0)
        free_client(responses);
}

struct response *responses_create(struct responses_chain *chain,
                                  const struct responses_request *request,
                                  const struct responses_handlers *handlers, void *user,
                                  struct err *err)
{
    struct responses *client = chain->client;
    if (chain->response) {
        err_set(err, STATUS_INVALID, "A response is already running in this conversation.");
        return NULL;
    }
    struct response *response = response_new(chain, request, handlers, user);
    if (responses_schedule(client, response, err) < 0) {
        response_free(response);
        response = NULL;
    }
    responses_client_defer(client);
    return response;
}

void response_interrupt(struct response *response)
{
    struct responses *client = response->client;
    struct lane *lane = response->lane;
    if (response->state >= RESPONSE_ENDING)
        return;
    if (lane && !responses_lane_abandon(lane, responses_now(client)))
        client->told.abandoned_tokens += response->delta_bytes / BYTES_PER_TOKEN;
    else if (lane)
        responses_cancel(lane);
    response_end(response, RESPONSE_INTERRUPTED, STR("interrupted"), (struct str){0});
    responses_client_defer(client);
}
