#include "server.h"

#include <stdio.h>
#include <string.h>

void server_start(struct server *server, struct fake *fake)
{
    *server = (struct server){.fake = fake};
}

void server_stop(struct server *server)
{
    for (size_t i = 0; i < server->lanes.len; i++) {
        buf_finish(&server->lanes.ptr[i]->input);
        mem_free(server->lanes.ptr[i]);
    }
    for (size_t i = 0; i < server->events.len; i++)
        mem_free(server->events.ptr[i].text);
    vec_finish(&server->lanes);
    vec_finish(&server->events);
    vec_finish(&server->seen);
}

static struct server_lane *find_lane(struct server *server, struct fake_wire *wire, struct str name)
{
    for (size_t i = 0; i < server->lanes.len; i++) {
        struct server_lane *lane = server->lanes.ptr[i];
        if (lane->wire == wire && str_eq_c(name, lane->name))
            return lane;
    }
    struct server_lane *lane = mem_new(struct server_lane);
    lane->wire = wire;
    snprintf(lane->name, sizeof(lane->name), STR_FMT, STR_ARG(name));
    vec_push(&server->lanes, lane);
    return lane;
}

static void emit(struct server *server, struct server_lane *lane, const char *type,
                 const char *members)
{
    struct buf text = {0};
    buf_append_fmt(&text, "{\"type\":\"%s\"", type);
    if (lane->name[0])
        buf_append_fmt(&text, ",\"stream_id\":\"%s\"", lane->name);
    buf_append_fmt(&text, ",%s}", members);
    vec_push(&server->events, ((struct server_event){lane->wire, buf_take(&text)}));
}

static void emit_response(struct server *server, struct server_lane *lane, const char *type,
                          const char *id)
{
    char members[128];
    snprintf(members, sizeof(members), "\"response\":{\"id\":\"%s\"}", id);
    emit(server, lane, type, members);
}

static void emit_item(struct server *server, struct server_lane *lane, const char *item)
{
    struct buf members = {0};
    buf_append_fmt(&members, "\"output_index\":0,\"item\":%s", item);
    emit(server, lane, "response.output_item.added", members.ptr);
    emit(server, lane, "response.output_text.delta", "\"output_index\":0,\"delta\":\"x\"");
    emit(server, lane, "response.output_item.done", members.ptr);
    buf_finish(&members);
}

/* The last user message that stands in the conversation. */
static void find_question(const struct buf *input, char question[32])
{
    const char *last = NULL;
    for (const char *at = input->ptr; (at = strstr(at, "\"content\":\"")); at++)
        last = at + strlen("\"content\":\"");
    cr_assert_not_null(last, "no question in %s", input->ptr);
    snprintf(question, 32, "%.*s", (int)strcspn(last, "\""), last);
}

/* A call after a question, an answer after an output. Both are a reasoning item's neighbours. */
static void answer(struct server *server, struct server_lane *lane)
{
    char id[32], question[32], item[256];
    snprintf(id, sizeof(id), "resp-%u", ++server->responses);
    find_question(&lane->input, question);
    size_t last = str_rfind_byte(str_slice(buf_str(&lane->input), 0, lane->input.len - 1), '\n');
    const char *last_item = lane->input.ptr + (last == STR_NONE ? 0 : last + 1);
    if (strstr(last_item, "function_call_output"))
        snprintf(item, sizeof(item), "{\"type\":\"message\",\"id\":\"m-%s\",\"answers\":\"%s\"}",
                 id, question);
    else
        snprintf(item, sizeof(item),
                 "{\"type\":\"function_call\",\"id\":\"f-%s\",\"call_id\":\"c-%s\"}", id, id);
    emit_response(server, lane, "response.created", id);
    emit_item(server, lane, item);
    emit_response(server, lane, "response.completed", id);
    buf_append_fmt(&lane->input, "%s\n", item);
    snprintf(lane->response_id, sizeof(lane->response_id), "%s", id);
}

/* Every call must have its output, as a real server demands. */
static void check_calls(const struct buf *input)
{
    unsigned calls = 0, outputs = 0;
    for (const char *at = input->ptr; (at = strstr(at, "\"function_call\"")); at++)
        calls++;
    for (const char *at = input->ptr; (at = strstr(at, "\"function_call_output\"")); at++)
        outputs++;
    cr_assert_eq(calls, outputs, "a call without output: %s", input->ptr);
}

/* Whose end has not been delivered. */
static struct server_lane *find_running(struct server *server, struct fake_wire *wire,
                                        struct str id)
{
    for (size_t i = 0; i < server->lanes.len; i++) {
        struct server_lane *lane = server->lanes.ptr[i];
        for (size_t j = 0; lane->wire == wire && j < server->events.len; j++)
            if (server->events.ptr[j].wire == wire && str_eq_c(id, lane->response_id) &&
                strstr(server->events.ptr[j].text, "response.completed") &&
                strstr(server->events.ptr[j].text, lane->response_id))
                return lane;
    }
    return NULL;
}

static void refuse_cancel(struct server *server, struct fake_wire *wire, const char *error)
{
    struct buf text = {0};
    buf_append_fmt(&text, "{\"type\":\"error\",\"status\":400,\"error\":{%s}}", error);
    vec_push(&server->events, ((struct server_event){wire, buf_take(&text)}));
}

static void handle_cancel(struct server *server, struct fake_wire *wire, const char *frame)
{
    struct str id = {0};
    cr_assert_eq(json_raw_member(str_from(frame), "response_id", &id), STATUS_OK);
    id = str_slice(id, 1, id.len - 1);
    struct server_lane *lane = find_running(server, wire, id);
    server->cancelled++;
    if (server->cancels == CANCELS_ARE_REFUSED) {
        refuse_cancel(server, wire,
                      "\"type\":\"invalid_request_error\",\"param\":\"type\","
                      "\"message\":\"Unknown event type 'response.cancel'.\"");
    } else if (server->cancels == CANCELS_ARE_OBEYED && !lane) {
        refuse_cancel(server, wire, "\"code\":\"response_not_active\"");
    } else if (server->cancels == CANCELS_ARE_OBEYED) {
        char name[32];
        snprintf(name, sizeof(name), "\"stream_id\":\"%s\"", lane->name);
        for (size_t i = server->events.len; i-- > 0;) {
            struct server_event *event = &server->events.ptr[i];
            if (event->wire != wire || (lane->name[0] && !strstr(event->text, name)))
                continue;
            mem_free(event->text);
            vec_remove(&server->events, i);
        }
        snprintf(name, sizeof(name), STR_FMT, STR_ARG(id));
        emit_response(server, lane, "response.cancelled", name);
        lane->response_id[0] = '\0';
    }
}

static void handle_frame(struct server *server, struct fake_wire *wire, const char *frame)
{
    struct str previous = {0}, input, key, item;
    if (strstr(frame, "\"response.cancel\"")) {
        handle_cancel(server, wire, frame);
        return;
    }
    struct server_lane *lane = find_lane(server, wire, fake_lane_of(frame));
    bool is_full = json_raw_member(str_from(frame), "previous_response_id", &previous) < 0;
    cr_assert_eq(json_raw_member(str_from(frame), "input", &input), STATUS_OK);
    if (!is_full && !str_eq_c(str_slice(previous, 1, previous.len - 1), lane->response_id)) {
        lane->response_id[0] = '\0';
        emit(server, lane, "error",
             "\"status\":400,\"error\":{\"code\":\"previous_response_not_found\"}");
        return;
    }
    if (is_full)
        buf_clear(&lane->input);
    server->full_inputs += is_full;
    server->continuations += !is_full;
    struct json_raw_iter iter = {.rest = input};
    while (json_raw_next(&iter, &key, &item))
        buf_append_fmt(&lane->input, STR_FMT "\n", STR_ARG(item));
    check_calls(&lane->input);
    answer(server, lane);
}

static size_t *read_mark(struct server *server, struct fake_wire *wire)
{
    for (size_t i = 0; i < server->seen.len; i++) {
        if (server->seen.ptr[i].wire == wire)
            return &server->seen.ptr[i].read;
    }
    vec_grow((void **)&server->seen.ptr, &server->seen.cap, server->seen.len + 1,
             sizeof(*server->seen.ptr));
    server->seen.ptr[server->seen.len].wire = wire;
    server->seen.ptr[server->seen.len].read = 0;
    server->seen.len++;
    if (wire->kind == TRANSPORT_WEBSOCKET)
        fake_accept(wire);
    return &vec_last(&server->seen).read;
}

void server_read(struct server *server)
{
    for (size_t i = 0; i < server->fake->wires.len; i++) {
        struct fake_wire *wire = server->fake->wires.ptr[i];
        if (wire->is_closed)
            continue;
        read_mark(server, wire);
        while (*read_mark(server, wire) < wire->sent.len)
            handle_frame(server, wire, wire->sent.ptr[(*read_mark(server, wire))++]);
    }
}

bool server_deliver(struct server *server, size_t index)
{
    if (index >= server->events.len)
        return false;
    struct server_event event = server->events.ptr[index];
    vec_remove(&server->events, index);
    if (!event.wire->is_closed)
        fake_message(event.wire, str_from(event.text));
    mem_free(event.text);
    return true;
}

void server_lose(struct server *server, struct fake_wire *wire)
{
    for (size_t i = server->events.len; i-- > 0;) {
        if (server->events.ptr[i].wire != wire)
            continue;
        mem_free(server->events.ptr[i].text);
        vec_remove(&server->events, i);
    }
}

/* -- Asker ----------------------------------------------------------------------------------- */

static struct str history_item(void *user, size_t index)
{
    struct asker *asker = user;
    return str_from(asker->history.ptr[index]);
}

static void on_item_done(void *user, const struct responses_item *item)
{
    struct asker *asker = user;
    struct str answers = json_get_str(item->value, "answers");
    if (str_eq_c(item->type, "message")) {
        cr_assert(str_eq_c(answers, asker->question), "asked %s, answered " STR_FMT,
                  asker->question, STR_ARG(answers));
        asker->answers++;
        asker->is_idle = true;
    }
    for (size_t i = 0; i < asker->history.len; i++)
        cr_assert_not(str_eq_c(item->raw, asker->history.ptr[i]), "an item came twice");
    vec_push(&asker->history, str_dup_c(item->raw));
}

/* Runs the calls that have no output yet; they stand at the end. */
static void run_calls(struct asker *asker)
{
    struct json_value *value = NULL;
    struct str last = str_from(vec_last(&asker->history));
    cr_assert_eq(json_parse(last, &value, NULL), STATUS_OK);
    if (str_eq_c(json_get_str(value, "type"), "function_call")) {
        struct buf output = {0};
        buf_append_fmt(&output, "{\"type\":\"function_call_output\",\"call_id\":\"" STR_FMT "\"}",
                       STR_ARG(json_get_str(value, "call_id")));
        vec_push(&asker->history, buf_take(&output));
        asker->calls++;
    }
    json_free(value);
}

static void go_on(struct asker *asker);

static void on_end(void *user, const struct responses_result *result)
{
    struct asker *asker = user;
    asker->response = NULL;
    cr_assert(result->end != RESPONSE_FAILED || asker->may_fail, "%s", result->text);
    run_calls(asker);
    if (result->end == RESPONSE_FAILED)
        asker->is_idle = true;
    if (asker->stops && result->end == RESPONSE_INTERRUPTED)
        asker->is_idle = true;
    if (!asker->is_idle)
        go_on(asker);
}

static const struct responses_handlers asker_handlers = {.on_item_done = on_item_done,
                                                         .on_end = on_end};

static void go_on(struct asker *asker)
{
    struct err err;
    asker->request.history = (struct responses_history){history_item, asker, asker->history.len, 1};
    asker->response = responses_create(asker->chain, &asker->request, &asker_handlers, asker, &err);
    cr_assert_not_null(asker->response, "%s", err.text);
}

void asker_start(struct asker *asker, struct fake *fake)
{
    *asker = (struct asker){.fake = fake, .is_idle = true, .request = {.model = STR("m")}};
    asker->chain = responses_chain_new(fake->client, PRIORITY_TURN);
}

void asker_finish(struct asker *asker)
{
    responses_chain_free(asker->chain);
    for (size_t i = 0; i < asker->history.len; i++)
        mem_free(asker->history.ptr[i]);
    vec_finish(&asker->history);
}

void asker_ask(struct asker *asker, const char *question)
{
    cr_assert(asker->is_idle && !asker->response);
    struct buf item = {0};
    buf_append_fmt(&item, "{\"type\":\"message\",\"role\":\"user\",\"content\":\"%s\"}", question);
    vec_push(&asker->history, buf_take(&item));
    snprintf(asker->question, sizeof(asker->question), "%s", question);
    asker->is_idle = false;
    go_on(asker);
}
