/* response.cancel: no part of the protocol, but some servers take it, and an interrupted response
 * then ends at once instead of costing tokens until its end. It is tried once, where nobody else
 * could be hurt by the answer; what came of it is learned. */
#include "responses-internal.h"

#include <string.h>

static bool may_try(const struct lane *lane)
{
    const struct connection *connection = lane->connection;
    const struct responses *client = connection->client;
    if (connection->kind != TRANSPORT_WEBSOCKET || lane->state != LANE_DRAINING ||
        lane->was_cancelled || !lane->response_id[0] || client->refused & OPTION_CANCEL)
        return false;
    return client->cancels || responses_connection_active(connection) == 1;
}

void responses_cancel(struct lane *lane)
{
    struct connection *connection = lane->connection;
    struct buf frame = {0};
    struct json_writer w;
    if (!may_try(lane))
        return;
    json_writer_init(&w, &frame);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "response.cancel");
    json_write_field_c(&w, "response_id", lane->response_id);
    json_write_end_object(&w);
    lane->was_cancelled =
        connection->transport->ops->send(connection->transport, &frame) == STATUS_OK;
    connection->cancels_due += lane->was_cancelled;
    buf_finish(&frame);
}

static bool speaks_of_cancel(struct str text)
{
    return str_find(text, STR("cancel"), 0) != STR_NONE;
}

/* The response was over before the cancel arrived: says nothing about cancelling. */
static bool is_too_late(const struct responses_event *event)
{
    static const char *const codes[] = {"response_not_active", "response_not_found",
                                        "response_already_completed"};
    for (size_t i = 0; i < array_count(codes); i++)
        if (str_eq_c(event->error_code, codes[i]))
            return true;
    return str_find(event->error_message, STR("already"), 0) != STR_NONE;
}

static bool is_answer(const struct connection *connection, const struct responses_event *event)
{
    if (speaks_of_cancel(event->error_message) || speaks_of_cancel(event->error_code) ||
        is_too_late(event))
        return true;
    bool is_refusal = event->error_status == 0 || event->error_status == 400 ||
                      event->error_status == 404 || event->error_status == 405 ||
                      event->error_status == 422 || event->error_status == 501;
    return is_refusal && responses_connection_busy(connection) == 0;
}

bool responses_cancel_handle(struct connection *connection, const struct responses_event *event)
{
    if (connection->cancels_due == 0 || !is_answer(connection, event))
        return false;
    connection->cancels_due--;
    if (!is_too_late(event))
        responses_drop_option(connection->client, OPTION_CANCEL);
    return true;
}

void responses_cancel_note_end(const struct lane *lane, const struct responses_event *event)
{
    struct connection *connection = lane->connection;
    struct str reason = json_str(json_at(event->response, "incomplete_details", "reason", NULL));
    bool is_cancelled = speaks_of_cancel(event->type) || speaks_of_cancel(reason) ||
                        speaks_of_cancel(json_get_str(event->response, "status"));
    if (!lane->was_cancelled || !is_cancelled)
        return;
    connection->cancels_due -= connection->cancels_due > 0;
    connection->client->cancels = true;
    connection->client->is_unsettled = true;
}

void responses_cancel_note_vain(struct connection *connection)
{
    for (unsigned i = 0; i < connection->lane_count; i++) {
        const struct lane *lane = &connection->lanes[i];
        if (lane->state == LANE_DRAINING && lane->was_cancelled && !connection->client->cancels)
            responses_drop_option(connection->client, OPTION_CANCEL);
    }
}
