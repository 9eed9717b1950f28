/* One response: from the queue to its end, event by event. */
#include "responses-internal.h"

#include <assert.h>
#include <string.h>

/* From a row to the columns: what may follow. */
static const unsigned moves[] = {
    [RESPONSE_QUEUED] = 1u << RESPONSE_SENT | 1u << RESPONSE_BACKOFF | 1u << RESPONSE_ENDING |
                        1u << RESPONSE_QUEUED,
    [RESPONSE_BACKOFF] = 1u << RESPONSE_QUEUED | 1u << RESPONSE_ENDING,
    [RESPONSE_SENT] = 1u << RESPONSE_RUNNING | 1u << RESPONSE_QUEUED | 1u << RESPONSE_BACKOFF |
                      1u << RESPONSE_ENDING,
    [RESPONSE_RUNNING] = 1u << RESPONSE_QUEUED | 1u << RESPONSE_BACKOFF | 1u << RESPONSE_ENDING |
                         1u << RESPONSE_STEERED,
    [RESPONSE_STEERED] = 1u << RESPONSE_RUNNING | 1u << RESPONSE_QUEUED | 1u << RESPONSE_BACKOFF |
                         1u << RESPONSE_ENDING,
    [RESPONSE_ENDING] = 1u << RESPONSE_ENDED,
    [RESPONSE_ENDED] = 0,
};

void response_set_state(struct response *response, enum response_state state)
{
    assert(moves[response->state] & 1u << state);
    response->state = state;
    response->client->is_unsettled = true;
}

struct response *response_new(struct responses_chain *chain,
                              const struct responses_request *request,
                              const struct responses_handlers *handlers, void *user)
{
    struct response *response = mem_new(struct response);
    response->client = chain->client;
    response->chain = chain;
    response->handlers = *handlers;
    response->user = user;
    response->order = ++chain->client->order;
    response->sequence = -1;
    response->result.queued_ms = responses_now(chain->client);
    responses_request_copy(&response->request, request);
    response->tools_hash = responses_client_hash_tools(chain->client, request->tools);
    chain->response = response;
    chain->client->is_unsettled = true;
    return response;
}

void response_free(struct response *response)
{
    assert(!response->lane);
    if (response->chain && response->chain->response == response)
        response->chain->response = NULL;
    response->chain = NULL;
    response->dead = true;
    buf_finish(&response->request.bytes);
    vec_finish(&response->done);
    responses_client_bury(response->client, response);
}

static void write_frame(const struct response *response, const struct lane *lane, size_t first,
                        struct buf *frame)
{
    const struct responses *client = response->client;
    char name[LANE_NAME_BYTES];
    struct request_shape shape = {
        .transport = lane->connection->kind,
        .lane = responses_lane_name(lane, name),
        .previous = first ? str_from(response->chain->hold.response_id) : (struct str){0},
        .first = first,
        .store = client->store,
        .additional_tools =
            responses_client_takes_tools_once(client, response->request.request.model),
        .refused = responses_refused(client, response->request.request.model),
    };
    responses_request_write(&response->request.request, &shape, frame);
}

static void tell_sent(const struct response *response, size_t first, size_t bytes, bool tools_once)
{
    const struct responses_request *request = &response->request.request;
    struct responses_sent sent = {
        .first = first,
        .count = request->history.count,
        .bytes = bytes,
        .tools_bytes = tools_once && first > 0 ? 0 : request->tools.len,
        .continued = first > 0,
    };
    if (response->handlers.on_sent)
        response->handlers.on_sent(response->user, &sent);
}

enum status response_send(struct response *response, struct lane *lane)
{
    struct responses *client = response->client;
    struct connection *connection = lane->connection;
    const struct responses_request *request = &response->request.request;
    size_t first = responses_chain_covered(response, lane);
    struct buf frame = {0};
    write_frame(response, lane, first, &frame);
    size_t length = frame.len;
    if (length > LIMIT_LANE_QUEUE_BYTES) {
        buf_finish(&frame);
        return STATUS_LIMIT;
    }
    enum status status = connection->transport->ops->send(connection->transport, &frame);
    buf_finish(&frame);
    if (status < 0)
        return status == STATUS_LIMIT ? STATUS_CONFLICT : status;

    responses_lane_start(lane, response);
    response_set_state(response, RESPONSE_SENT);
    response->attempts++;
    response->refused_when_sent = responses_refused(client, request->model);
    bool tools_once = responses_client_takes_tools_once(client, request->model);
    response->sent_tools_hash = tools_once ? response->tools_hash : 0;
    response->event_ms = connection->used_ms = responses_now(client);
    response->result.sent_ms = response->event_ms;
    response->chain->is_left_behind = false;
    if (!request->warm_up)
        connection->wanted_ms = response->chain->used_ms = connection->used_ms;
    response->result.continued = first > 0;
    response->result.bytes_sent += length;
    client->told.requests++;
    client->told.full_inputs += first == 0;
    tell_sent(response, first, length, tools_once);
    return STATUS_OK;
}

void response_send_again(struct response *response, uint64_t not_before_ms)
{
    struct responses *client = response->client;
    bool waits = not_before_ms > responses_now(client);
    assert(!response->lane);
    client->told.retries++;
    client->told.abandoned_tokens += response->delta_bytes / BYTES_PER_TOKEN;
    vec_clear(&response->done);
    response->result.items_done = 0;
    response->result.response_id[0] = '\0';
    response->result.first_event_ms = response->result.first_output_ms = 0;
    response->produced_key = response->delta_bytes = 0;
    response->sequence = -1;
    response->had_started = response->had_output = response->is_counting = false;
    response->is_in_text = false;
    response->events = 0;
    response->received = 0;
    response->steer.count = 0;
    response->not_before_ms = not_before_ms;
    response_set_state(response, waits ? RESPONSE_BACKOFF : RESPONSE_QUEUED);
}

void response_end(struct response *response, enum responses_end end, struct str code,
                  struct str text)
{
    assert(!response->lane);
    response_set_state(response, RESPONSE_ENDING);
    response->has_note = false;
    response->steer.count = 0;
    response->result.context_tokens =
        response->result.usage.input_tokens + response->result.usage.output_tokens;
    response->result.usage = responses_usage_sum(&response->result.usage, &response->steer.usage);
    response->result.end = end;
    response->result.ended_ms = responses_now(response->client);
    responses_copy_id(response->result.code, sizeof(response->result.code), code);
    responses_copy_text(response->client, response->result.text, sizeof(response->result.text),
                        text);
}

static bool is_streaming(const struct response *response)
{
    return response->had_output &&
           responses_now(response->client) < response->event_ms + STREAMING_MS &&
           STREAMING_MS < response->client->deadlines.thinking;
}

bool response_is_streaming(const struct response *response)
{
    return response->state == RESPONSE_RUNNING && is_streaming(response);
}

/* Over HTTP comments come from whoever has the request, and count. */
static uint64_t first_event_due(const struct response *response)
{
    const struct responses_deadlines *deadlines = &response->client->deadlines;
    const struct connection *connection = response->lane->connection;
    uint64_t due = response->event_ms + deadlines->first_event;
    if (connection->kind != TRANSPORT_HTTP)
        return due;
    if (connection->transport->prepares)
        return connection->begun_ms + responses_prepare_ms(connection);
    if (connection->heard_ms > response->event_ms)
        due = connection->heard_ms + deadlines->first_event;
    uint64_t last = response->event_ms + deadlines->thinking;
    return due < last ? due : last;
}

uint64_t response_deadline(const struct response *response)
{
    const struct responses_deadlines *deadlines = &response->client->deadlines;
    switch (response->state) {
    case RESPONSE_BACKOFF:
        return response->not_before_ms;
    case RESPONSE_SENT:
        return first_event_due(response);
    case RESPONSE_STEERED:
        return response->event_ms + deadlines->first_event;
    case RESPONSE_RUNNING:
        return is_streaming(response) ? response->event_ms + STREAMING_MS
                                      : response->event_ms + deadlines->thinking;
    default:
        return NEVER;
    }
}

/* A lane that says nothing while its connection lives: neither is asked again. */
static void give_up_on_lane(struct response *response, uint64_t now_ms)
{
    bool was_sent = response->state == RESPONSE_SENT;
    struct connection *connection = response->lane->connection;
    struct failure failure = {
        .code = was_sent ? STR("first_event_timeout") : STR("thinking_timeout"),
        .message = was_sent ? STR("the server did not begin to answer in time")
                            : STR("the server has been silent for too long"),
        .retry_after_ms = -1,
        .is_lost = true,
    };
    connection->is_retiring = true;
    if (responses_lane_abandon(response->lane, now_ms))
        response->delta_bytes = 0; /* counted with what drains */
    responses_recover(response, &failure);
}

void response_tick(struct response *response, uint64_t now_ms)
{
    if (response_deadline(response) > now_ms)
        return;
    if (response->state == RESPONSE_BACKOFF)
        response_set_state(response, RESPONSE_QUEUED);
    else
        give_up_on_lane(response, now_ms);
}

/* -- Events ---------------------------------------------------------------------------------- */

/* Repeated events are told by their number, where the server counts (some send always 0). */
static bool is_repeated(struct response *response, int64_t sequence)
{
    if (sequence < 0)
        return false;
    if (sequence > response->sequence) {
        response->is_counting = response->sequence >= 0 || sequence > 0;
        response->sequence = sequence;
        return false;
    }
    return response->is_counting;
}

/* The first event of any kind: the response runs, and the caller learns its id. */
static bool note_started(struct response *response, const struct responses_event *event)
{
    if (response->state == RESPONSE_SENT) {
        response_set_state(response, RESPONSE_RUNNING);
        if (response->client->http_until_ms == 0) /* why there is no socket stays true */
            response->client->told.detail[0] = '\0';
        response->result.first_event_ms = response->event_ms;
    }
    if (response->had_started)
        return true;
    if (event->response_id.len > 0)
        responses_copy_id(response->result.response_id, sizeof(response->result.response_id),
                          event->response_id);
    else if (!event->item && event->delta.len == 0 && !event->is_terminal)
        return true; /* not yet: the id may follow */
    response->had_started = true;
    if (response->handlers.on_started)
        response->handlers.on_started(response->user, str_from(response->result.response_id));
    return !response->dead && response->state == RESPONSE_RUNNING;
}

static void note_output(struct response *response)
{
    response->client->is_unsettled |= response->client->told.state != RESPONSES_STREAMING;
    if (response->had_output)
        return;
    response->had_output = true;
    response->result.first_output_ms = response->event_ms;
    response->client->is_unsettled = true;
}

static size_t place_of(const struct response *response, const struct responses_event *event)
{
    if (event->output_index >= 0)
        return (size_t)event->output_index;
    return response->result.items_done;
}

static bool is_done(const struct response *response, const struct responses_event *event)
{
    if (event->output_index < 0)
        return false;
    for (size_t i = 0; i < response->done.len; i++) {
        if (response->done.ptr[i].index == event->output_index)
            return true;
    }
    return false;
}

static void handle_delta(struct response *response, const struct event_type *type,
                         const struct responses_event *event, struct str message)
{
    (void)message;
    response->delta_bytes += event->delta.len;
    response->is_in_text = true;
    if (response->request.request.warm_up || is_done(response, event))
        return;
    note_output(response);
    if (response->handlers.on_delta)
        response->handlers.on_delta(response->user, type->delta, place_of(response, event),
                                    event->item_id, event->delta);
}

static void handle_item_added(struct response *response, const struct event_type *type,
                              const struct responses_event *event, struct str message)
{
    (void)type;
    struct responses_item item;
    struct str raw = {0};
    if (!event->item || response->request.request.warm_up || is_done(response, event))
        return;
    note_output(response);
    if (!response->handlers.on_item_added || json_raw_member(message, "item", &raw) < 0)
        return;
    responses_item_fill(&item, event->item, raw, place_of(response, event));
    response->handlers.on_item_added(response->user, &item);
}

/* False when the response is gone after it. */
static bool deliver_item(struct response *response, const struct json_value *value, struct str raw,
                         int64_t index)
{
    struct responses_item item;
    size_t place = index >= 0 ? (size_t)index : response->result.items_done;
    responses_item_fill(&item, value, raw, place);
    if (!response_take_item(response, item.id, index))
        return true;
    note_output(response);
    response->result.items_done++;
    response->produced_key =
        responses_item_fold_key(response->produced_key, item.type, item.call_id);
    if (response->handlers.on_item_done && !response->request.request.warm_up)
        response->handlers.on_item_done(response->user, &item);
    return !response->dead && response->state == RESPONSE_RUNNING;
}

static void handle_item_done(struct response *response, const struct event_type *type,
                             const struct responses_event *event, struct str message)
{
    (void)type;
    struct str raw;
    if (event->item && json_raw_member(message, "item", &raw) == STATUS_OK)
        deliver_item(response, event->item, raw, event->output_index);
}

static bool has_all_items(const struct response *response, const struct json_value *first)
{
    int64_t index = 0;
    for (const struct json_value *value = first; value; value = json_next(value))
        if (!response_has_item(response, json_get_str(value, "id"), index++))
            return false;
    return true;
}

/* A server that only lists its items in the terminal event has them delivered from there. */
static bool deliver_missing_items(struct response *response, const struct responses_event *event,
                                  struct str message)
{
    struct str object, output, key, raw;
    if (has_all_items(response, json_first(json_get(event->response, "output"))) ||
        json_raw_member(message, "response", &object) < 0 ||
        json_raw_member(object, "output", &output) < 0)
        return true;
    struct json_raw_iter iter = {.rest = output};
    bool is_there = true;
    for (int64_t index = 0; is_there && json_raw_next(&iter, &key, &raw); index++) {
        struct json_value *value = NULL;
        if (responses_parse(response->client, raw, &value, NULL) == STATUS_OK)
            is_there = deliver_item(response, value, raw, index);
        json_free(value);
    }
    return is_there;
}

static void take_result(struct response *response, const struct responses_event *event)
{
    responses_usage_read(event->response, &response->result.usage);
    responses_stages_read(event->response, &response->result.stages);
    response->delta_bytes = 0; /* the usage says it better */
    if (event->response_id.len > 0)
        responses_copy_id(response->result.response_id, sizeof(response->result.response_id),
                          event->response_id);
}

/* A warm-up that made output has put items into the chain that the caller does not know. */
static bool warm_up_generated(struct response *response)
{
    if (!response->request.request.warm_up || response->result.items_done == 0)
        return false;
    response->client->refused |= OPTION_GENERATE;
    response->client->told.abandoned_tokens += (uint64_t)response->result.usage.output_tokens;
    response->result.items_done = 0;
    return true;
}

static void handle_incomplete(struct response *response, const struct event_type *type,
                              const struct responses_event *event, struct str message)
{
    (void)type;
    (void)message;
    struct str reason = json_str(json_at(event->response, "incomplete_details", "reason", NULL));
    take_result(response, event);
    bool is_cut = str_eq_c(reason, "steered");
    if (response->steer.count > 0 && is_cut) {
        response_wait_for_steer(response, true);
        return;
    }
    if (reason.len == 0) /* "cancelled", say, which is no reason of the protocol's */
        reason = json_get_str(event->response, "status");
    responses_chain_lose_cache(response->chain);
    responses_lane_end(response->lane);
    response_end(response, RESPONSE_INCOMPLETE, STR("incomplete"),
                 reason.len ? reason : STR("unknown"));
}

static void fail(struct response *response, const struct failure *failure)
{
    responses_chain_lose_cache(response->chain);
    responses_lane_end(response->lane);
    responses_recover(response, failure);
}

static void handle_failed(struct response *response, const struct event_type *type,
                          const struct responses_event *event, struct str message)
{
    (void)type;
    (void)message;
    const struct json_value *error = json_get(event->response, "error");
    struct failure failure = {
        .code = json_get_str(error, "code"),
        .message = json_get_str(error, "message"),
        .param = json_get_str(error, "param"),
        .retry_after_ms = -1,
    };
    if (failure.code.len == 0)
        failure.code = STR("server_error");
    take_result(response, event);
    fail(response, &failure);
}

static void handle_completed(struct response *response, const struct event_type *type,
                             const struct responses_event *event, struct str message)
{
    struct str status = json_get_str(event->response, "status");
    if (str_eq_c(status, "failed") || str_eq_c(status, "incomplete") ||
        str_starts_with(status, STR("cancel"))) { /* gateways do that */
        (str_eq_c(status, "failed") ? handle_failed : handle_incomplete)(response, type, event,
                                                                         message);
        return;
    }
    if (!deliver_missing_items(response, event, message))
        return;
    take_result(response, event);
    if (warm_up_generated(response) || response->must_be_forgotten)
        memset(&response->chain->hold, 0, sizeof(response->chain->hold));
    else
        responses_chain_keep(response->chain, response);
    if (response->steer.count > 0) {
        response_wait_for_steer(response, false);
        return;
    }
    responses_lane_end(response->lane);
    response_end(response, RESPONSE_COMPLETED, (struct str){0}, (struct str){0});
}

static void handle_error(struct response *response, const struct event_type *type,
                         const struct responses_event *event, struct str message)
{
    (void)type;
    (void)message;
    struct failure failure = {.code = event->error_code,
                              .message = event->error_message,
                              .param = event->error_param,
                              .status = event->error_status,
                              .retry_after_ms = event->retry_after_ms};
    /* Whose error it is, is a guess: if it was not ours, our answer still comes on this lane, and
     * must not be taken for the next one's. */
    bool is_nobodys = event->lane.len == 0 && event->response_id.len == 0;
    if (is_nobodys && responses_is_vague(&failure))
        response->lane->connection->is_retiring = true;
    if (str_eq_c(failure.code, "websocket_stream_limit_reached"))
        responses_lane_limit(response->lane);
    fail(response, &failure);
}

static void handle_unknown(struct response *response, const struct event_type *type,
                           const struct responses_event *event, struct str message)
{
    (void)type;
    if (response->handlers.on_unknown)
        response->handlers.on_unknown(response->user, event->type, message);
}

typedef void handle_fn(struct response *response, const struct event_type *type,
                       const struct responses_event *event, struct str message);
static handle_fn *const handlers[] = {
    [EVENT_UNKNOWN] = handle_unknown,       [EVENT_ITEM_ADDED] = handle_item_added,
    [EVENT_ITEM_DONE] = handle_item_done,   [EVENT_DELTA] = handle_delta,
    [EVENT_COMPLETED] = handle_completed,   [EVENT_FAILED] = handle_failed,
    [EVENT_INCOMPLETE] = handle_incomplete, [EVENT_ERROR] = handle_error,
};

/* A lane that floods is not read any more. What it still sends is drained, and its connection gets
 * nothing new; who runs there beside it goes on. */
static void give_up_flood(struct response *response)
{
    struct connection *connection = response->lane->connection;
    struct lane *lane = response->lane;
    if (responses_lane_abandon(lane, connection->heard_ms)) {
        response->delta_bytes = 0; /* counted with what drains */
        responses_cancel(lane);
        responses_connection_spend_drain(connection);
    }
    response_end(response, RESPONSE_FAILED, STR("flooded"),
                 STR("The server sent more for this answer than is taken for one (256 MiB, or a "
                     "million events). Ask for it in smaller steps."));
}

void response_handle_event(struct response *response, const struct event_type *type,
                           const struct responses_event *event, struct str message)
{
    response->event_ms = response->lane->connection->heard_ms;
    response->result.bytes_received += message.len;
    response->received += message.len;
    if (++response->events > LIMIT_RESPONSE_EVENTS_COUNT ||
        response->received > LIMIT_RESPONSE_BYTES) {
        give_up_flood(response);
        return;
    }
    response->is_in_text = false;
    if (response->state == RESPONSE_STEERED && !event->is_error) {
        response_take_successor(response, event);
        if (response->dead || response->state != RESPONSE_RUNNING)
            return;
    }
    if (is_repeated(response, event->sequence) && !event->is_terminal && !event->is_error)
        return;
    if (!event->is_error && !note_started(response, event))
        return;
    if (type->kind < array_count(handlers) && handlers[type->kind])
        handlers[type->kind](response, type, event, message);
}
