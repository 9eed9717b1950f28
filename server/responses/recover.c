/* What to do when something went wrong: by the error's code, else its HTTP status, else because it
 * was the connection. A response with items done is never sent again: the caller adopts them. */
#include "responses-internal.h"

#include <stdio.h>
#include <string.h>

enum action {
    ACTION_FAIL,
    ACTION_AUTH,
    ACTION_RETRY,
    ACTION_WAIT,
    ACTION_FULL_INPUT,
    ACTION_DROP,
    ACTION_NEW_CONNECTION,
    ACTION_LANE_LIMIT,
};

static const struct {
    const char *code;
    enum action action;
} codes[] = {
    {"previous_response_not_found", ACTION_FULL_INPUT},
    {"invalid_stream_id", ACTION_DROP},
    {"websocket_stream_limit_reached", ACTION_LANE_LIMIT},
    {"websocket_connection_limit_reached", ACTION_NEW_CONNECTION},
    {"rate_limit_exceeded", ACTION_WAIT},
    {"rate_limit_error", ACTION_WAIT},
    {"server_is_overloaded", ACTION_WAIT},
    {"overloaded_error", ACTION_WAIT},
    {"slow_down", ACTION_WAIT},
    {"server_error", ACTION_RETRY},
    {"internal_error", ACTION_RETRY},
    {"internal_server_error", ACTION_RETRY},
    {"connection_lost", ACTION_RETRY},
    {"denied", ACTION_FAIL}, /* by what checks certificates, or by a proxy */
    {"no_key", ACTION_FAIL},
    {"auth", ACTION_AUTH},
    {"invalid_api_key", ACTION_AUTH},
    {"authentication_error", ACTION_AUTH},
    {"insufficient_quota", ACTION_FAIL},
    {"context_length_exceeded", ACTION_FAIL},
    {"invalid_prompt", ACTION_FAIL},
    {"too_large", ACTION_FAIL},
};

static enum action action_of_status(const struct failure *failure)
{
    switch (failure->status) {
    case 401:
        return ACTION_AUTH;
    case 408:
        return ACTION_RETRY;
    case 429:
    case 503:
    case 529:
        return ACTION_WAIT;
    default:
        return failure->status >= 500 || failure->is_lost ? ACTION_RETRY : ACTION_FAIL;
    }
}

static unsigned option_of(const struct failure *failure)
{
    if (str_eq_c(failure->code, "invalid_stream_id"))
        return OPTION_LANES;
    bool is_refusal = failure->status == 0 || failure->status == 400 || failure->status == 422;
    if (!is_refusal)
        return 0;
    bool is_tools_item = str_starts_with(failure->param, STR("input")) &&
                         str_find(failure->message, STR("additional_tools"), 0) != STR_NONE;
    return is_tools_item ? OPTION_ADDITIONAL_TOOLS : responses_option_find(failure->param);
}

static enum action choose(const struct failure *failure)
{
    if (option_of(failure))
        return ACTION_DROP;
    for (size_t i = 0; i < array_count(codes); i++) {
        if (str_eq_c(failure->code, codes[i].code))
            return codes[i].action;
    }
    return action_of_status(failure);
}

bool responses_is_vague(const struct failure *failure)
{
    for (size_t i = 0; i < array_count(codes); i++) {
        if (str_eq_c(failure->code, codes[i].code))
            return false;
    }
    return failure->param.len == 0 && choose(failure) == ACTION_FAIL;
}

uint64_t responses_backoff_ms(struct responses *client, unsigned attempt)
{
    const struct responses_deadlines *deadlines = &client->deadlines;
    uint64_t wait = deadlines->backoff_first;
    for (unsigned i = 1; i < attempt && wait < deadlines->backoff_max; i++)
        wait *= 2;
    if (wait > deadlines->backoff_max)
        wait = deadlines->backoff_max;
    return wait / 2 + client->env.random(client->env.user) % (wait / 2 + 1);
}

/* -- Ending ---------------------------------------------------------------------------------- */

static void end_failed(struct response *response, const struct failure *failure, const char *prefix)
{
    char text[sizeof(response->result.text)];
    struct str code = failure->code.len ? failure->code : STR("error");
    struct str message = failure->message.len ? failure->message : code;
    snprintf(text, sizeof(text), "%s" STR_FMT, prefix, STR_ARG(message));
    response_end(response, RESPONSE_FAILED, code, str_from(text));
}

static void end_unauthorized(struct response *response, const struct failure *failure)
{
    char text[sizeof(response->result.text)];
    if (failure->status == 407) {
        end_failed(response, failure, "");
        return;
    }
    struct str said = failure->message;
    bool is_whole = said.len == 0 || said.ptr[said.len - 1] == '.';
    snprintf(text, sizeof(text),
             "The server refused the API key (401)%s" STR_FMT
             "%s Check the key in the environment variable your configuration names.",
             said.len ? ": " : ".", STR_ARG(said), is_whole ? "" : ".");
    response_end(response, RESPONSE_FAILED, STR("auth"), str_from(text));
}

static void end_broken(struct response *response, const struct failure *failure)
{
    struct responses *client = response->client;
    client->told.abandoned_tokens += response->delta_bytes / BYTES_PER_TOKEN;
    response_end(response, RESPONSE_BROKEN, failure->code.len ? failure->code : STR("error"),
                 failure->message);
}

/* -- Sending again --------------------------------------------------------------------------- */

static void put_note(struct response *response, uint64_t wait_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void put_note(struct response *response, uint64_t wait_ms, const char *format, ...)
{
    char text[sizeof(response->note)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    responses_copy_text(response->client, response->note, sizeof(response->note), str_from(text));
    response->has_note = true;
    response->note_wait_ms = wait_ms;
    responses_status_detail(response->client, "%s", response->note);
}

static void note_http(struct response *response, const struct failure *failure)
{
    put_note(response, 0, "no WebSocket (" STR_FMT "): going on over HTTP",
             (int)(failure->message.len < 120 ? failure->message.len : 120), failure->message.ptr);
}

static void send_at_once(struct response *response, const char *what)
{
    response_send_again(response, 0);
    put_note(response, 0, "%s", what);
}

/* True if it ended instead: nothing may be done twice, and not forever. */
static bool ends_instead(struct response *response, const struct failure *failure)
{
    bool was_running = response->state == RESPONSE_RUNNING || response->state == RESPONSE_STEERED;
    bool may_have_run = was_running || (response->state == RESPONSE_SENT && failure->is_lost);
    if (response->result.items_done > 0)
        end_broken(response, failure);
    else if (may_have_run && responses_request_has_effects(&response->request.request))
        end_failed(response, failure,
                   "Not sent again, because a hosted tool may already have acted: ");
    else if (response->attempts >= response->client->deadlines.attempts)
        end_failed(response, failure, "Gave up after several attempts: ");
    else
        return false;
    return true;
}

static void retry(struct response *response, const struct failure *failure, const char *why)
{
    if (ends_instead(response, failure))
        return;
    struct responses *client = response->client;
    if (failure->is_bypassed) {
        response_send_again(response, 0);
        note_http(response, failure);
        return;
    }
    uint64_t wait = responses_backoff_ms(client, response->attempts);
    if (failure->retry_after_ms > (int64_t)RETRY_AFTER_MAX_MS) {
        end_failed(response, failure, "The server asks to wait for more than ten minutes: ");
        return;
    }
    if (failure->retry_after_ms >= 0) /* the jitter on top: everybody was told the same */
        wait = (uint64_t)failure->retry_after_ms + wait / 4;
    struct str message = failure->message.len ? failure->message : failure->code;
    responses_learn_pause(client, failure, wait);
    response_send_again(response, responses_now(client) + wait);
    put_note(response, wait, "%s (" STR_FMT "): retrying in %llu s", why,
             (int)(message.len < 120 ? message.len : 120), message.ptr ? message.ptr : "",
             (unsigned long long)((wait + 999) / 1000));
}

static void send_full(struct response *response, const struct failure *failure)
{
    if (!response->result.continued || response->result.items_done > 0) {
        end_failed(response, failure, "");
        return;
    }
    response->chain->hold.response_id[0] = '\0';
    send_at_once(response, "the server no longer holds the conversation: sending it in full");
}

/* "… is not supported with this model": another one may well take it. */
static bool refuse_for_model(struct response *response, const struct failure *failure,
                             unsigned option)
{
    bool is_of_endpoint = (option & (OPTION_LANES | OPTION_GENERATE)) != 0;
    bool is_about_model = str_find(failure->message, STR("model"), 0) != STR_NONE ||
                          str_find(failure->code, STR("model"), 0) != STR_NONE;
    return !is_of_endpoint && is_about_model &&
           responses_refuse_for_model(response->client, option, response->request.request.model);
}

/* Each option can be dropped once, so this ends. */
static void drop_and_send(struct response *response, const struct failure *failure)
{
    struct responses *client = response->client;
    unsigned option = option_of(failure);
    bool was_there = !(responses_refused(client, response->request.request.model) & option);
    if (option == 0 || response->result.items_done > 0 ||
        response->attempts >= client->deadlines.attempts + 16) {
        end_failed(response, failure, "");
        return;
    }
    if (!was_there && response->refused_when_sent & option) {
        end_failed(response, failure, "");
        return;
    }
    if (!refuse_for_model(response, failure, option))
        responses_drop_option(client, option);
    char what[160];
    struct str param = failure->param.len ? failure->param : failure->code;
    snprintf(what, sizeof(what), "the server does not take \"%.*s\": going on without it",
             (int)(param.len < 80 ? param.len : 80), param.ptr ? param.ptr : "");
    send_at_once(response, what);
}

void responses_drop_option(struct responses *client, unsigned option)
{
    client->refused |= option;
    if (option == OPTION_LANES)
        client->profile.lanes = false;
    if (option == OPTION_GENERATE)
        client->profile.warm_up = false;
    if (option == OPTION_CONTEXT_MANAGEMENT)
        client->profile.context_management = false;
    if (option == OPTION_ADDITIONAL_TOOLS)
        client->profile.additional_tools = false;
    if (option == OPTION_STEER)
        client->profile.steer = false;
    if (option == OPTION_CANCEL)
        client->cancels = false;
    if (option == OPTION_COMPACT)
        client->profile.compact = false;
    client->is_unsettled = true;
}

static void go_elsewhere(struct response *response, const struct failure *failure)
{
    if (!ends_instead(response, failure))
        send_at_once(response, "the connection has reached its age limit: sending on a new one");
}

void responses_recover(struct response *response, const struct failure *failure)
{
    switch (choose(failure)) {
    case ACTION_AUTH:
        end_unauthorized(response, failure);
        break;
    case ACTION_RETRY:
        retry(response, failure,
              failure->is_unmade ? "no connection"
              : failure->is_lost ? "connection lost"
                                 : "server error");
        break;
    case ACTION_WAIT:
        retry(response, failure, failure->status == 429 ? "rate limit" : "server busy");
        break;
    case ACTION_FULL_INPUT:
        send_full(response, failure);
        break;
    case ACTION_DROP:
        drop_and_send(response, failure);
        break;
    case ACTION_NEW_CONNECTION:
        go_elsewhere(response, failure);
        break;
    case ACTION_LANE_LIMIT:
        retry(response, failure, "too many lanes for the server");
        break;
    case ACTION_FAIL:
        if (failure->is_lost && response->result.items_done > 0)
            end_broken(response, failure);
        else
            end_failed(response, failure, "");
        break;
    }
}

/* -- Connections ----------------------------------------------------------------------------- */

/* The one that was to be replaced by this one goes on for a while. */
static bool keep_predecessor(const struct connection *connection)
{
    const struct responses *client = connection->client;
    for (size_t i = 0; i < client->connections.len; i++) {
        struct connection *other = client->connections.ptr[i];
        bool is_own =
            connection->is_named || (other->is_rotating && other->chain == connection->chain &&
                                     other->is_short == connection->is_short);
        if (other == connection || other->is_named != connection->is_named || !is_own ||
            other->is_retiring || other->is_left || other->state != CONNECTION_OPEN)
            continue;
        other->is_rotating = false;
        return true;
    }
    return false;
}

static bool waits_for(const struct response *response, const struct connection *connection)
{
    if (!response || response->state != RESPONSE_QUEUED)
        return false;
    if (connection->is_named)
        return true;
    bool is_short = response->chain->priority <= PRIORITY_ACTION;
    return is_short ? connection->is_short : connection->chain == response->chain;
}

/* For how long sockets are not tried again. */
static uint64_t pin_of(const struct responses_deadlines *deadlines, const struct failure *failure)
{
    switch (failure->status) {
    case 0:
        return failure->is_timeout ? deadlines->pin_middle : deadlines->pin_short;
    case 408:
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
    case 529:
        return deadlines->pin_short;
    default:
        return deadlines->pin_long;
    }
}

/* With a word of the server's (a close code) it may be no matter of the socket: once more. */
static bool should_fall_back(const struct responses *client, const struct failure *failure)
{
    bool is_stop = choose(failure) == ACTION_AUTH || str_eq_c(failure->code, "denied") ||
                   str_eq_c(failure->code, "no_key");
    if (client->choice != RESPONSES_AUTO || is_stop)
        return false;
    return failure->close_code == 0 || client->connect_failures >= CLOSES_COUNT;
}

static void fall_back(struct responses *client, uint64_t pin_ms)
{
    client->http_until_ms = responses_now(client) + pin_ms;
    client->is_unsettled = true;
}

void responses_recover_unreached(struct responses *client)
{
    client->http_failures++;
    client->http_until_ms = 0;
    client->is_unsettled = true;
}

static void recover_waiting(struct response *response, const struct failure *failure, bool is_http)
{
    if (is_http && failure->retry_after_ms <= 0) {
        note_http(response, failure);
        return;
    }
    response->attempts++;
    responses_recover(response, failure);
}

bool responses_recover_connect(struct connection *connection, const struct failure *failure)
{
    struct responses *client = connection->client;
    bool is_pinned = client->http_until_ms != 0;
    client->connect_failures++;
    client->connect_not_before_ms =
        responses_now(client) + responses_backoff_ms(client, client->connect_failures);
    uint64_t pause = client->connect_not_before_ms - responses_now(client);
    if (failure->retry_after_ms > (int64_t)pause)
        pause = (uint64_t)failure->retry_after_ms;
    responses_learn_pause(client, failure, pause);
    responses_status_detail(client, STR_FMT, STR_ARG(failure->message));
    if (keep_predecessor(connection))
        return false;
    bool is_http = is_pinned || should_fall_back(client, failure);
    if (is_http)
        fall_back(client, pin_of(&client->deadlines, failure));
    if (is_pinned)
        return true;
    struct failure lost = *failure;
    lost.is_lost = lost.is_unmade = true; /* whatever the status: nothing was asked yet */
    for (size_t i = 0; i < client->chains.len; i++) {
        struct response *response = client->chains.ptr[i]->response;
        if (waits_for(response, connection))
            recover_waiting(response, &lost, is_http);
    }
    return is_http;
}

bool responses_recover_by_http(struct responses *client)
{
    if (client->choice != RESPONSES_AUTO)
        return false;
    fall_back(client, client->deadlines.pin_middle);
    return true;
}

/* What was sent and not begun leaves the lane and goes out again; NULL when there is none. */
static struct response *take_unbegun(struct connection *connection)
{
    for (unsigned i = 0; i < connection->lane_count; i++) {
        struct response *response = connection->lanes[i].response;
        if (!response || response->state != RESPONSE_SENT)
            continue;
        responses_lane_end(&connection->lanes[i]);
        return response;
    }
    return NULL;
}

/* Each request that named a lane is refused, by an error that names none. */
static void give_up_lanes(struct connection *connection)
{
    unsigned sent = responses_connection_active(connection);
    connection->refusals_due = sent > 0 ? sent - 1 : 0;
    responses_drop_option(connection->client, OPTION_LANES);
    struct response *response;
    while ((response = take_unbegun(connection)))
        send_at_once(response, "the server has no lanes: one conversation a connection");
    if (responses_connection_active(connection) > 0) {
        connection->is_retiring = true;
        return;
    }
    responses_lane_forget_chain(connection->lanes); /* the default lane is another than "l0" */
    responses_lane_give_up_names(connection);
}

void responses_recover_connection_error(struct connection *connection,
                                        const struct failure *failure)
{
    enum action action = choose(failure);
    responses_status_detail(connection->client, STR_FMT, STR_ARG(failure->message));
    if (action == ACTION_DROP && option_of(failure) == OPTION_LANES) {
        give_up_lanes(connection);
    } else if (action == ACTION_NEW_CONNECTION) {
        connection->is_retiring = true;
        connection->client->is_unsettled = true;
        responses_rotate_learn_life(connection);
        struct response *response;
        while ((response = take_unbegun(connection)))
            go_elsewhere(response, failure); /* not for ever: an endpoint may always say so */
    } else if (responses_connection_active(connection) > 0) {
        responses_connection_lose(connection, failure);
    } else {
        connection->client->told.strays++;
    }
}
