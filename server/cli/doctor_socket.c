/* One WebSocket to the endpoint, and questions over it, one at a time. */
#include <stdio.h>
#include <string.h>

#include "doctor-internal.h"

/* -- The target -- */

struct ready_wait {
    struct doctor *doctor;
    enum status status;
    char text[512];
    bool done;
};

static void on_replay_ready(void *user, enum status status, const char *text)
{
    struct ready_wait *wait = user;
    wait->status = status;
    snprintf(wait->text, sizeof(wait->text), "%s", text);
    wait->done = true;
    loop_stop(wait->doctor->loop);
}

static bool start_replay(struct doctor *doctor, struct doctor_line *line)
{
    struct ready_wait *wait = mem_new(struct ready_wait);
    struct err err = {0};
    struct buf file = {0};
    wait->doctor = doctor;
    target_append_replay_file(doctor->config, &file);
    doctor->replay =
        replay_child_new(doctor->loop, buf_str(&file), &doctor->env, on_replay_ready, wait, &err);
    buf_finish(&file);
    bool good = doctor->replay && doctor_wait(doctor, &wait->done, doctor->deadlines.connect) &&
                wait->status == STATUS_OK;
    if (!good) {
        const char *why = !doctor->replay ? err.text
                          : wait->done    ? wait->text
                                          : "it does not start";
        doctor_tell_error(line, DOCTOR_FAIL, why, "correct the recording that endpoint.url names");
        replay_child_free(doctor->replay);
        doctor->replay = NULL;
    }
    mem_free(wait);
    return good;
}

static const char *path_or_null(const char *path)
{
    return path[0] ? path : NULL;
}

static bool need_net(struct doctor *doctor, struct doctor_line *line)
{
    const struct config *config = doctor->config;
    struct net_options options = {.ca_file = path_or_null(config->endpoint_ca_file),
                                  .client_cert = path_or_null(config->endpoint_client_cert),
                                  .client_key = path_or_null(config->endpoint_client_key),
                                  .connect_ms = doctor->deadlines.connect};
    struct err err = {0};
    if (!doctor->net)
        doctor->net = net_new(doctor->loop, &options, &err);
    if (!doctor->net)
        doctor_tell_error(line, DOCTOR_FAIL, err.text, "");
    return doctor->net != NULL;
}

bool doctor_target(struct doctor *doctor, struct target *target, enum transport_kind kind,
                   struct doctor_line *line)
{
    struct err err = {0};
    if (!need_net(doctor, line))
        return false;
    if (target_is_replay(doctor->config) && !doctor->replay && !start_replay(doctor, line))
        return false;
    const char *socket = doctor->replay ? replay_child_socket(doctor->replay) : NULL;
    struct buf *key = doctor->key.len > 0 ? &doctor->key : NULL;
    if (target_init(target, doctor->config, key, socket, kind, &err) == STATUS_OK) {
        if (kind == TRANSPORT_HTTP)
            target->net.url.websocket = false;
        return true;
    }
    target_finish(target);
    doctor_tell_error(line, DOCTOR_FAIL, err.text, "");
    return false;
}

/* -- The socket -- */

static void settle(struct doctor *doctor, enum doctor_answer_kind kind)
{
    struct doctor_socket *socket = &doctor->socket;
    if (!socket->waiting || socket->settled)
        return;
    socket->answer.kind = kind;
    socket->answer.ns = time_mono_ns() - socket->sent_ns;
    socket->settled = true;
    loop_stop(doctor->loop);
}

static void on_open(void *user)
{
    struct doctor *doctor = user;
    doctor->socket.opened = doctor->socket.decided = true;
    loop_stop(doctor->loop);
}

static void on_alive(void *user)
{
}

static void copy(char *to, size_t size, struct str text)
{
    size_t len = utf8_floor(text, size - 1);
    if (len > 0)
        memcpy(to, text.ptr, len);
    to[len] = '\0';
}

/* `error` holds code, param and message, or is an event that does. */
static void note_error(struct doctor_answer *answer, const struct json_value *error)
{
    copy(answer->code, sizeof(answer->code), json_get_str(error, "code"));
    copy(answer->param, sizeof(answer->param), json_get_str(error, "param"));
    copy(answer->text, sizeof(answer->text), json_get_str(error, "message"));
}

static bool is_output(struct str type)
{
    return str_starts_with(type, STR("response.output_item.")) ||
           str_ends_with(type, STR(".delta"));
}

static void on_event(struct doctor *doctor, const struct responses_event *event)
{
    struct doctor_answer *answer = &doctor->socket.answer;
    answer->names_lane |= event->lane.len > 0;
    if (str_starts_with(event->type, STR("response.steer"))) {
        note_error(answer, json_get(event->value, "error"));
        settle(doctor, ANSWER_STEER);
    } else if (event->is_error) {
        const struct json_value *error = json_get(event->value, "error");
        note_error(answer, json_is(error, JSON_OBJECT) ? error : event->value);
        settle(doctor, ANSWER_REFUSED);
    } else if (str_eq_c(event->type, "response.failed")) {
        note_error(answer, json_get(event->response, "error"));
        settle(doctor, ANSWER_REFUSED);
    } else if (event->is_terminal) {
        settle(doctor, ANSWER_COMPLETED);
    } else if (is_output(event->type) || doctor->socket.until_started) {
        settle(doctor, ANSWER_STARTED);
    }
}

static void on_message(void *user, struct str text)
{
    struct doctor *doctor = user;
    struct json_value *value = NULL;
    struct responses_event event;
    if (doctor->socket.waiting && json_parse(text, &value, NULL) == STATUS_OK &&
        json_is(value, JSON_OBJECT) && responses_event_read(value, &event, NULL) == STATUS_OK)
        on_event(doctor, &event);
    json_free(value);
}

static void on_closed(void *user, const struct net_close *close)
{
    struct doctor *doctor = user;
    doctor->socket.closed = doctor->socket.decided = true;
    doctor->socket.close = *close;
    copy(doctor->socket.answer.text, sizeof(doctor->socket.answer.text), str_from(close->text));
    settle(doctor, ANSWER_NONE);
    loop_stop(doctor->loop);
}

void doctor_socket_close(struct doctor *doctor)
{
    struct doctor_socket *socket = &doctor->socket;
    if (socket->ws)
        net_ws_free(socket->ws, socket->opened && !socket->closed ? 1000 : 0, "");
    socket->ws = NULL;
}

bool doctor_socket_open(struct doctor *doctor, struct doctor_line *line)
{
    static const struct net_ws_handlers handlers = {
        .on_open = on_open, .on_message = on_message, .on_alive = on_alive, .on_closed = on_closed};
    struct doctor_socket *socket = &doctor->socket;
    struct target target;
    struct err err = {0};
    if (socket->ws && socket->opened && !socket->closed)
        return true;
    doctor_socket_close(doctor);
    *socket = (struct doctor_socket){.close.retry_after_ms = -1};
    if (!doctor_target(doctor, &target, TRANSPORT_WEBSOCKET, line))
        return false;
    socket->ws = net_ws_open(doctor->net, &target.net, &handlers, doctor, &err);
    target_finish(&target);
    if (!socket->ws) {
        doctor_tell_error(line, DOCTOR_FAIL, err.text, "");
        return false;
    }
    doctor_wait(doctor, &socket->decided, doctor->deadlines.connect + 1000);
    return socket->opened && !socket->closed;
}

bool doctor_socket_try(struct doctor *doctor, struct net_way *way, struct doctor_line *line)
{
    if (!need_net(doctor, line))
        return false;
    net_set_way(doctor->net, way);
    doctor_socket_open(doctor, line);
    net_set_way(doctor->net, NULL);
    return line->outcome != DOCTOR_FAIL;
}

const struct doctor_answer *doctor_socket_ask(struct doctor *doctor, struct buf *frame,
                                              bool until_started)
{
    struct doctor_socket *socket = &doctor->socket;
    socket->answer = (struct doctor_answer){.kind = ANSWER_NONE};
    socket->until_started = until_started;
    socket->settled = false;
    socket->waiting = true;
    socket->sent_ns = time_mono_ns();
    enum status sent = net_ws_send(socket->ws, frame);
    if (sent < 0)
        copy(socket->answer.text, sizeof(socket->answer.text), str_from(status_name(sent)));
    else if (!doctor_wait(doctor, &socket->settled, doctor->deadlines.proof))
        snprintf(socket->answer.text, sizeof(socket->answer.text), "no answer in %llu ms",
                 (unsigned long long)doctor->deadlines.proof);
    socket->waiting = false;
    buf_finish(frame);
    /* What was not waited for must not be taken for the next answer. */
    if (socket->answer.kind == ANSWER_NONE || socket->answer.kind == ANSWER_STARTED)
        doctor_socket_close(doctor);
    return &socket->answer;
}
