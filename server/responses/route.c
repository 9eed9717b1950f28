/* A message of a connection: whose it is, by lane and response id. What belongs to nothing is
 * dropped and counted. */
#include "responses-internal.h"

#include <string.h>

enum { SLIM_BYTES = 4096 }; /* smaller ones are not worth it */

static void count_stray(struct connection *connection)
{
    connection->client->told.strays++;
}

static void handle_draining(struct lane *lane, const struct responses_event *event)
{
    if (event->is_terminal || event->is_error) {
        struct responses_usage usage = {0};
        responses_cancel_note_end(lane, event);
        responses_usage_read(event->response, &usage);
        responses_lane_count_abandoned(lane, usage.output_tokens);
        responses_lane_end(lane);
        return;
    }
    responses_cancel(lane); /* now that its id is known */
    lane->drained_bytes += event->delta.len;
    if (lane->drained_bytes > DRAIN_TOKENS_COUNT * BYTES_PER_TOKEN &&
        !lane->connection->drain_spent)
        responses_connection_spend_drain(lane->connection);
}

/* Whether the event belongs to what runs on the lane: by the response's id where one is told, else
 * by order, where the server is known to announce each response. */
static bool lane_accepts(struct lane *lane, const struct responses_event *event)
{
    if (lane->state == LANE_FREE)
        return false;
    if (event->response_id.len == 0) {
        bool is_early = lane->connection->sends_created && !lane->response_id[0];
        return event->is_error || !is_early;
    }
    if (lane->response_id[0])
        return str_eq_c(event->response_id, lane->response_id);
    if (responses_lane_has_ended(lane, event->response_id))
        return false;
    return responses_copy_id(lane->response_id, RESPONSE_ID_BYTES, event->response_id);
}

static void bring_to_lane(struct lane *lane, const struct event_type *type,
                          const struct responses_event *event, struct str message)
{
    struct connection *connection = lane->connection;
    if (!lane_accepts(lane, event)) {
        count_stray(connection);
        return;
    }
    if (type->kind == EVENT_CREATED && event->response_id.len > 0)
        connection->sends_created = true;
    if (lane->state == LANE_DRAINING)
        handle_draining(lane, event);
    else
        response_handle_event(lane->response, type, event, message);
}

/* An event without stream_id where we asked for one: whose can it be? */
static struct lane *find_unnamed(struct connection *connection, const struct responses_event *event)
{
    struct lane *oldest = NULL, *same = NULL, *running = NULL;
    for (unsigned i = 0; i < connection->lane_count; i++) {
        struct lane *lane = &connection->lanes[i];
        if (lane->state == LANE_FREE)
            continue;
        if (event->response_id.len > 0 && str_eq_c(event->response_id, lane->response_id))
            same = lane;
        if (lane->response_id[0] && (!running || lane->used < running->used))
            running = lane;
        if (!lane->response_id[0] && (!oldest || lane->used < oldest->used))
            oldest = lane;
    }
    if (same)
        return same;
    if (event->response_id.len > 0)
        return oldest ? oldest : running;
    return running ? running : oldest;
}

/* The server does not know lanes and did not say so. */
static void give_up_names(struct connection *connection, const struct lane *lane)
{
    struct responses *client = connection->client;
    client->refused |= OPTION_LANES;
    client->profile.lanes = false;
    if (lane == connection->lanes && responses_connection_active(connection) == 1) {
        responses_lane_give_up_names(connection);
        connection->chain = lane->chain;
    } else {
        connection->is_retiring = true;
    }
    client->is_unsettled = true;
}

static void handle_connection_error(struct connection *connection,
                                    const struct responses_event *event)
{
    struct failure failure = {.code = event->error_code,
                              .message = event->error_message,
                              .param = event->error_param,
                              .status = event->error_status,
                              .retry_after_ms = event->retry_after_ms};
    responses_recover_connection_error(connection, &failure);
}

static void handle_unnamed(struct connection *connection, const struct event_type *type,
                           const struct responses_event *event, struct str message)
{
    if (event->is_error && responses_connection_active(connection) != 1) {
        handle_connection_error(connection, event);
        return;
    }
    struct lane *lane = find_unnamed(connection, event);
    if (!lane) {
        count_stray(connection);
        return;
    }
    bool is_telling = type->kind != EVENT_UNKNOWN && !event->is_error;
    if (is_telling && !connection->names_lanes &&
        !responses_lane_has_ended(lane, event->response_id))
        give_up_names(connection, lane);
    bring_to_lane(lane, type, event, message);
}

static bool refuses_lanes(const struct responses_event *event)
{
    return event->is_error && (str_eq_c(event->error_code, "invalid_stream_id") ||
                               responses_option_find(event->error_param) == OPTION_LANES);
}

/* Whatever lane such an error names. */
static bool concerns_connection(const struct connection *connection,
                                const struct responses_event *event)
{
    if (str_eq_c(event->error_code, "websocket_connection_limit_reached"))
        return true;
    return connection->is_named && refuses_lanes(event);
}

static void handle_event(struct connection *connection, const struct responses_event *event,
                         struct str message)
{
    const struct event_type *type = responses_event_type(event->type);
    if (event->is_error && concerns_connection(connection, event)) {
        handle_connection_error(connection, event);
        return;
    }
    if (event->is_error && responses_cancel_handle(connection, event))
        return;
    if (connection->refusals_due > 0 && refuses_lanes(event)) {
        connection->refusals_due--;
        count_stray(connection);
        return;
    }
    if ((type->kind == EVENT_STEER || event->is_error) &&
        responses_steer_handle(connection, type, event))
        return;
    if (!connection->is_named) {
        bring_to_lane(connection->lanes, type, event, message);
        return;
    }
    if (event->lane.len == 0) {
        handle_unnamed(connection, type, event, message);
        return;
    }
    struct lane *lane = responses_lane_find(connection, event->lane);
    connection->names_lanes |= lane != NULL;
    if (lane)
        bring_to_lane(lane, type, event, message);
    else
        count_stray(connection);
}

/* json refuses \u0000, which a model can well write: for the tree it becomes U+FFFD, the verbatim
 * text keeps it. */
static struct str replace_nul_escapes(struct str message, struct buf *buf)
{
    buf_clear(buf);
    buf_append(buf, message);
    for (size_t i = 0; i + 1 < buf->len; i++) {
        if (buf->ptr[i] != '\\')
            continue;
        if (i + 6 <= buf->len && memcmp(buf->ptr + i, "\\u0000", 6) == 0)
            memcpy(buf->ptr + i, "\\ufffd", 6);
        i++; /* the escaped character */
    }
    return buf_str(buf);
}

enum status responses_parse(struct responses *client, struct str text,
                            struct json_value **ret_value, struct err *err)
{
    enum status status = json_parse(text, ret_value, err);
    if (status != STATUS_UNSUPPORTED)
        return status;
    return json_parse(replace_nul_escapes(text, &client->scratch), ret_value, err);
}

static enum status parse_message(struct responses *client, struct str message,
                                 struct json_value **ret_value, struct err *err)
{
    if (message.len > SLIM_BYTES && responses_event_slim(message, &client->slim))
        message = buf_str(&client->slim);
    return responses_parse(client, message, ret_value, err);
}

static void lose_to_nonsense(struct connection *connection, struct err *err)
{
    err_prefix(err, "the server sent what is no event");
    struct failure failure = {
        .code = STR("protocol"),
        .message = str_from(err->text),
        .retry_after_ms = -1,
        .is_lost = true,
    };
    responses_connection_lose(connection, &failure);
}

void responses_route_message(struct connection *connection, struct str message)
{
    struct responses *client = connection->client;
    struct json_value *value = NULL;
    struct responses_event event;
    struct err err;
    if (responses_event_scan(message, &client->scratch, &event)) {
        handle_event(connection, &event, message);
        return;
    }
    err.text[0] = '\0';
    enum status status = parse_message(client, message, &value, &err);
    if (status == STATUS_OK && !json_is(value, JSON_OBJECT))
        status = err_set(&err, STATUS_PROTOCOL, "The server sent JSON that is no object.");
    if (status == STATUS_OK) {
        status = responses_event_read(value, &event, &err);
        if (status < 0 && responses_event_read_refusal(value, &event))
            status = STATUS_OK;
    }
    if (status == STATUS_OK)
        handle_event(connection, &event, message);
    else
        lose_to_nonsense(connection, &err);
    json_free(value);
}
