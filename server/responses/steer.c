/* Steering: user messages for a response that runs. The server answers with accepted and then, once
 * the response has ended, with a successor (applied), pending (calls are open) or failed. Until one
 * of these has come the response is not over for the caller. */
#include "responses-internal.h"

#include <string.h>

static enum status refuse(struct err *err, enum status status, const char *why)
{
    return err_set(err, status, "%s", why);
}

static void write_frame(const struct response *response, const struct str *items, size_t count,
                        struct buf *frame)
{
    struct json_writer w;
    json_writer_init(&w, frame);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "response.steer");
    json_write_field_c(&w, "previous_response_id", response->result.response_id);
    json_write_key(&w, "input");
    json_write_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        json_write_raw(&w, items[i]);
    json_write_end_array(&w);
    json_write_end_object(&w);
}

enum status responses_steer(struct response *response, const struct str *items, size_t count,
                            struct err *err)
{
    struct responses *client = response->client;
    struct connection *connection = response->lane ? response->lane->connection : NULL;
    bool can = client->profile.steer && response->request.request.compact_threshold == 0 &&
               !(responses_refused(client, response->request.request.model) & OPTION_STEER);
    if (!can || (connection && connection->kind != TRANSPORT_WEBSOCKET))
        return refuse(err, STATUS_UNSUPPORTED, "The endpoint does not steer running responses.");
    if (!connection || response->state != RESPONSE_RUNNING || !response->result.response_id[0] ||
        response->steer.count > 0 || count == 0 || response->request.request.warm_up)
        return refuse(err, STATUS_CONFLICT, "The response cannot be steered right now.");
    struct buf frame = {0};
    write_frame(response, items, count, &frame);
    size_t length = frame.len;
    enum status status = connection->transport->ops->send(connection->transport, &frame);
    buf_finish(&frame);
    if (status < 0)
        return refuse(err, STATUS_CONFLICT, "The connection takes nothing right now.");
    response->steer.count = count;
    response->steer.is_cut = false;
    memcpy(response->steer.response_id, response->result.response_id, RESPONSE_ID_BYTES);
    response->result.bytes_sent += length;
    return STATUS_OK;
}

/* -- The end of what was steered ------------------------------------------------------------- */

void response_wait_for_steer(struct response *response, bool is_cut)
{
    response_set_state(response, RESPONSE_STEERED);
    response->steer.is_cut = is_cut;
    responses_lane_forget_id(response->lane);
}

/* Ends it as it had ended, had nobody steered. */
static void end_now(struct response *response)
{
    bool is_cut = response->steer.is_cut;
    if (is_cut)
        responses_chain_lose_cache(response->chain);
    responses_lane_end(response->lane);
    response_end(response, is_cut ? RESPONSE_INCOMPLETE : RESPONSE_COMPLETED,
                 is_cut ? STR("incomplete") : STR(""), is_cut ? STR("steered") : STR(""));
}

static void tell(struct response *response, enum responses_steer_outcome outcome)
{
    if (response->handlers.on_steer)
        response->handlers.on_steer(response->user, outcome);
}

/* The commit point: from here on the request stands for all that came before it. */
void response_take_successor(struct response *response, const struct responses_event *event)
{
    struct responses_result *result = &response->result;
    if (event->response_id.len == 0)
        return;
    response->request.request.history.count += result->items_done + response->steer.count;
    response->steer.count = 0;
    response->steer.usage = responses_usage_sum(&response->steer.usage, &result->usage);
    result->usage = (struct responses_usage){0};
    result->items_done = 0;
    result->response_id[0] = '\0';
    response->produced_key = response->delta_bytes = 0;
    response->sequence = -1;
    response->had_started = response->is_counting = false;
    vec_clear(&response->done);
    response_set_state(response, RESPONSE_RUNNING);
    tell(response, STEER_APPLIED);
}

/* -- Events ---------------------------------------------------------------------------------- */

static void handle_pending(struct response *response)
{
    struct responses_chain *chain = response->chain;
    size_t count = response->steer.count;
    bool has_ended = response->state == RESPONSE_STEERED;
    if (!has_ended || response->steer.is_cut)
        return; /* it comes after response.completed; else nothing is known of it */
    if (chain->hold.response_id[0])
        chain->hold.steered = count;
    response->steer.count = 0;
    tell(response, STEER_PENDING);
    if (!response->dead && response->state == RESPONSE_STEERED)
        end_now(response);
}

/* A server that knows the event and says no means the model; one that does not, itself. */
static void handle_failed(struct response *response, struct str code)
{
    bool is_refusal = str_eq_c(code, "steering_not_supported");
    if (is_refusal && !responses_refuse_for_model(response->client, OPTION_STEER,
                                                  response->request.request.model))
        responses_drop_option(response->client, OPTION_STEER);
    response->steer.count = 0;
    tell(response, STEER_RETURNED);
    if (!response->dead && response->state == RESPONSE_STEERED)
        end_now(response);
}

/* By the id of what was steered; where that is not told, whoever is. */
static struct response *find_steered(struct connection *connection, struct str response_id)
{
    struct response *only = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < connection->lane_count; i++) {
        struct response *response = connection->lanes[i].response;
        if (!response || response->steer.count == 0)
            continue;
        if (str_eq_c(response_id, response->steer.response_id))
            return response;
        only = response;
        count++;
    }
    return response_id.len == 0 && count == 1 ? only : NULL;
}

/* A server that has never heard of it says so in an error about the type. */
static bool refuses_steer(const struct responses_event *event)
{
    return event->is_error && str_find(event->error_message, STR("response.steer"), 0) != STR_NONE;
}

bool responses_steer_handle(struct connection *connection, const struct event_type *type,
                            const struct responses_event *event)
{
    const struct json_value *steer = json_get(event->value, "steer");
    bool is_refusal = type->kind != EVENT_STEER;
    if (is_refusal && !refuses_steer(event))
        return false;
    struct response *response =
        find_steered(connection, json_get_str(steer, "previous_response_id"));
    if (!response) {
        connection->client->told.strays += !is_refusal;
        return !is_refusal;
    }
    response->event_ms = connection->heard_ms;
    response->client->is_unsettled = true;
    if (is_refusal) {
        responses_drop_option(response->client, OPTION_STEER);
        handle_failed(response, event->error_code);
    } else if (str_eq_c(event->type, "response.steer.pending"))
        handle_pending(response);
    else if (str_eq_c(event->type, "response.steer.failed"))
        handle_failed(response, json_str(json_at(event->value, "error", "code", NULL)));
    return true;
}
