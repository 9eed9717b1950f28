#include "model-internal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct transport_timer {
    struct loop_timer *timer;
};

/* -- What an endpoint refuses ----------------------------------------------------------------- */

static char *member_of(const char *item, const char *key)
{
    struct str span;
    struct buf text = {0};
    if (json_raw_member(str_from(item), key, &span) == STATUS_OK)
        json_raw_decode(span, &text);
    return buf_take(&text);
}

static bool has_type(const char *item, const char *ending)
{
    char *type = member_of(item, "type");
    bool has = str_ends_with(str_from(type), str_from(ending));
    mem_free(type);
    return has;
}

static bool is_call(const char *item)
{
    return has_type(item, "_call");
}

static size_t count_outputs(const struct model_answer *answer, size_t from, const char *call_id)
{
    size_t count = 0;
    for (size_t i = from; i < answer->context.len; i++) {
        const char *item = answer->context.ptr[i];
        char *id = member_of(item, "call_id");
        count += has_type(item, "_call_output") && strcmp(id, call_id) == 0;
        mem_free(id);
    }
    return count;
}

static bool follows_from(const char *item)
{
    char *role = member_of(item, "role");
    bool follows = strcmp(role, "assistant") == 0 || is_call(item) || has_type(item, "reasoning");
    mem_free(role);
    return follows;
}

static void check_item(const struct model_answer *answer, size_t i)
{
    const char *item = answer->context.ptr[i];
    struct json_value *value = NULL;
    cr_assert_eq(json_parse(str_from(item), &value, NULL), STATUS_OK, "%s", item);
    json_free(value);
    if (has_type(item, "reasoning"))
        cr_assert(i + 1 < answer->context.len && follows_from(answer->context.ptr[i + 1]),
                  "an orphan: %s", item);
    if (!is_call(item) && !has_type(item, "_call_output"))
        return;
    char *id = member_of(item, "call_id");
    size_t calls = 0;
    for (size_t j = 0; j < answer->context.len; j++) {
        char *other = member_of(answer->context.ptr[j], "call_id");
        calls += is_call(answer->context.ptr[j]) && strcmp(other, id) == 0;
        mem_free(other);
    }
    cr_assert_eq(calls, 1, "%zu calls %s", calls, id);
    if (is_call(item))
        cr_assert_eq(count_outputs(answer, i + 1, id), 1, "%s has %zu outputs", id,
                     count_outputs(answer, i + 1, id));
    mem_free(id);
}

/* -- Requests --------------------------------------------------------------------------------- */

static struct model_answer *answer_find(struct model *model, const char *id)
{
    for (size_t i = 0; i < model->answers.len; i++)
        if (strcmp(model->answers.ptr[i]->id, id) == 0)
            return model->answers.ptr[i];
    return NULL;
}

static void take_context(struct model_answer *answer, const char *frame)
{
    struct json_raw_iter iter = {0};
    struct str key, item;
    char *previous = member_of(frame, "previous_response_id");
    if (previous[0]) {
        struct model_answer *parent = answer_find(answer->model, previous);
        cr_assert(parent && parent->is_over && parent->wire == answer->wire, "%s", frame);
        for (size_t i = 0; i < parent->context.len; i++)
            vec_push(&answer->context, mem_dup_c(parent->context.ptr[i]));
        for (size_t i = 0; i < parent->steers.len; i++)
            vec_push(&answer->context, parent->steers.ptr[i]);
        vec_clear(&parent->steers);
    }
    mem_free(previous);
    cr_assert_eq(json_raw_member(str_from(frame), "input", &iter.rest), STATUS_OK);
    while (json_raw_next(&iter, &key, &item))
        vec_push(&answer->context, str_dup_c(item));
    cr_assert_not(iter.failed);
    for (size_t i = 0; i < answer->context.len; i++)
        check_item(answer, i);
}

static void on_steer_turn(void *user);

static void play_next_step(struct model_answer *answer)
{
    struct model *model = answer->model;
    answer->rest = model->steps[model->step];
    if (model->steps[model->step + 1])
        model->step++;
}

static void play_step_for(struct model_answer *answer, const char *frame)
{
    const struct model_route *route = answer->model->routes;
    while (route && route->part && !strstr(frame, route->part))
        route++;
    if (route && route->part)
        answer->rest = route->step;
    else
        play_next_step(answer);
}

/* -- Steering --------------------------------------------------------------------------------- */

static void say_steer(struct model_answer *answer, const char *what, const char *rest)
{
    struct buf type = {0};
    buf_append_fmt(&type, "response.steer.%s", what);
    model_deliver(answer, type.ptr, ",\"steer\":{\"id\":\"s\",\"previous_response_id\":\"%s\"}%s",
                  answer->id, rest);
    buf_finish(&type);
}

static void take_steer(struct model *model, char *frame)
{
    struct json_raw_iter iter = {0};
    struct str key, item;
    char *id = member_of(frame, "previous_response_id");
    struct model_answer *answer = answer_find(model, id);
    mem_free(id);
    vec_push(&model->steered, frame);
    cr_assert_not_null(answer, "%s", frame);
    answer->refuses = !model->steers || answer->is_over;
    loop_timer_start(answer->steer_timer, 0, 0); /* not before the call has returned */
    if (answer->refuses)
        return;
    cr_assert_eq(json_raw_member(str_from(frame), "input", &iter.rest), STATUS_OK);
    while (json_raw_next(&iter, &key, &item))
        vec_push(&answer->steers, str_dup_c(item));
}

static void on_steer_turn(void *user)
{
    struct model_answer *answer = user;
    if (!answer->refuses)
        say_steer(answer, "accepted", "");
    else if (answer->model->steers)
        say_steer(answer, "failed", ",\"error\":{\"code\":\"response_already_completed\"}");
    else
        say_steer(answer, "failed", ",\"error\":{\"code\":\"steering_not_supported\"}");
}

void model_pass_steers_on(struct model_answer *answer)
{
    struct model *model = answer->model;
    if (answer->steers.len == 0 || answer->wire->is_closed)
        return;
    if (answer->has_calls) {
        say_steer(answer, "pending", ",\"reason\":\"waiting_for_required_input\"");
        return;
    }
    struct model_answer *next = mem_new(struct model_answer);
    next->model = model;
    next->wire = answer->wire;
    snprintf(next->id, sizeof(next->id), "resp_%zu", model->answers.len + 1);
    memcpy(next->lane, answer->lane, sizeof(next->lane));
    for (size_t i = 0; i < answer->context.len; i++)
        vec_push(&next->context, mem_dup_c(answer->context.ptr[i]));
    for (size_t i = 0; i < answer->steers.len; i++)
        vec_push(&next->context, answer->steers.ptr[i]);
    vec_clear(&answer->steers);
    next->asked = next->context.len;
    next->timer = loop_timer_new(model->loop, model_play, next);
    next->steer_timer = loop_timer_new(model->loop, on_steer_turn, next);
    vec_push(&model->answers, next);
    play_next_step(next);
    loop_timer_start(next->timer, 0, 0);
}

/* -- Compaction by request --------------------------------------------------------------------- */

static void answer_compaction(struct model_wire *wire)
{
    struct model *model = wire->model;
    struct json_raw_iter iter = {0};
    struct str key, item;
    struct buf text = {0};
    if (model->compacts && strcmp(model->compacts, "hang") == 0)
        return;
    if (!model->compacts || strcmp(model->compacts, "ok") != 0) {
        buf_append_fmt(&text, "{\"type\":\"error\",\"status\":%d,\"error\":{\"code\":\"%s\"}}",
                       model->compacts ? 400 : 404, model->compacts ? model->compacts : "none");
    } else {
        buf_append_c(&text, "{\"object\":\"response.compaction\",\"usage\":{\"input_tokens\":5},"
                            "\"output\":[");
        json_raw_member(str_from(wire->body), "input", &iter.rest);
        while (json_raw_next(&iter, &key, &item))
            if (str_find(item, STR("\"role\":\"user\""), 0) != STR_NONE)
                buf_append_fmt(&text, STR_FMT ",", STR_ARG(item));
        buf_append_c(&text, "{\"type\":\"compaction\",\"encrypted_content\":\"SECRET\"}]}");
    }
    wire->handlers->on_message(wire->user, buf_str(&text));
    buf_finish(&text);
}

static enum status wire_send(struct transport *transport, struct buf *message)
{
    struct model_wire *wire = (struct model_wire *)(void *)transport;
    struct model *model = wire->model;
    cr_assert_not(wire->is_closed);
    transport->counters.frames_sent++;
    transport->counters.bytes_sent += message->len;
    if (str_find(buf_str(message), STR("\"type\":\"response.cancel\""), 0) != STR_NONE) {
        buf_finish(message); /* this model knows nothing of it and goes on */
        return STATUS_OK;
    }
    struct model_answer *answer = mem_new(struct model_answer);
    if (wire->kind == TRANSPORT_COMPACT) {
        wire->body = buf_take(message);
        vec_push(&model->bodies, mem_dup_c(wire->body));
        mem_free(answer);
        return STATUS_OK;
    }
    char *frame = buf_take(message), *lane = member_of(frame, "stream_id");
    if (strstr(frame, "\"type\":\"response.steer\"")) {
        mem_free(answer);
        mem_free(lane);
        take_steer(model, frame);
        return STATUS_OK;
    }
    answer->model = model;
    answer->wire = wire;
    answer->is_warm_up = strstr(frame, "\"generate\":false") != NULL;
    snprintf(answer->id, sizeof(answer->id), "resp_%zu", model->answers.len + 1);
    snprintf(answer->lane, sizeof(answer->lane), "%s", lane);
    take_context(answer, frame);
    answer->asked = answer->context.len;
    answer->timer = loop_timer_new(model->loop, model_play, answer);
    answer->steer_timer = loop_timer_new(model->loop, on_steer_turn, answer);
    vec_push(&model->answers, answer);
    mem_free(lane);
    if (answer->is_warm_up) {
        answer->rest = model->waits_for_warm_up ? "wait\ndone" : "done";
        model->warm_ups++;
        mem_free(frame);
    } else {
        vec_push(&model->frames, frame);
        play_step_for(answer, frame);
    }
    loop_timer_start(answer->timer, 0, 0);
    return STATUS_OK;
}

void model_go(struct model *model)
{
    for (size_t i = 0; i < model->answers.len; i++) {
        struct model_answer *answer = model->answers.ptr[i];
        if (!answer->is_waiting)
            continue;
        answer->is_waiting = false;
        loop_timer_start(answer->timer, 0, 0);
    }
}

bool model_is_waiting(const struct model *model)
{
    for (size_t i = 0; i < model->answers.len; i++)
        if (model->answers.ptr[i]->is_waiting)
            return true;
    return false;
}

void model_context(const struct model *model, struct buf *text)
{
    const struct model_answer *answer = vec_last(&model->answers);
    for (size_t i = 0; i < answer->asked; i++)
        buf_append_fmt(text, "%s\n", answer->context.ptr[i]);
}

/* -- The wire --------------------------------------------------------------------------------- */

static void wire_ping(struct transport *transport)
{
    struct model_wire *wire = (struct model_wire *)(void *)transport;
    cr_assert_not(wire->is_closed);
}

static void wire_close(struct transport *transport, unsigned code, const char *reason)
{
    struct model_wire *wire = (struct model_wire *)(void *)transport;
    (void)code;
    (void)reason;
    cr_assert_not(wire->is_closed, "closed twice");
    wire->is_closed = true;
}

static const struct transport_ops wire_ops = {wire_send, wire_ping, wire_close};

static void on_open(void *user)
{
    struct model_wire *wire = user;
    struct transport_close close = {
        .status = STATUS_IO, .retry_after_ms = -1, .text = "connection refused"};
    if (wire->is_closed)
        return;
    if (wire->kind == TRANSPORT_COMPACT)
        answer_compaction(wire);
    else if (wire->model->refuses)
        wire->handlers->on_closed(wire->user, &close);
    else
        wire->handlers->on_open(wire->user);
}

static struct transport *env_open(void *user, enum transport_kind kind,
                                  const struct transport_handlers *handlers, void *handlers_user,
                                  struct err *err)
{
    struct model *model = user;
    struct model_wire *wire = mem_new(struct model_wire);
    (void)err;
    *wire = (struct model_wire){.transport = {.ops = &wire_ops},
                                .model = model,
                                .kind = kind,
                                .handlers = handlers,
                                .user = handlers_user};
    wire->opener = loop_timer_new(model->loop, on_open, wire);
    loop_timer_start(wire->opener, 0, 0);
    vec_push(&model->wires, wire);
    model->opens += kind != TRANSPORT_COMPACT;
    return &wire->transport;
}

static uint64_t env_now(void *user)
{
    return loop_now_ms(((struct model *)user)->loop);
}

static uint32_t env_random(void *user)
{
    (void)user;
    return 0;
}

static struct transport_timer *env_timer_new(void *user, void (*on_fire)(void *fire_user),
                                             void *fire_user)
{
    struct transport_timer *timer = mem_new(struct transport_timer);
    timer->timer = loop_timer_new(((struct model *)user)->loop, on_fire, fire_user);
    return timer;
}

static void env_timer_start(struct transport_timer *timer, uint64_t after_ms)
{
    loop_timer_start(timer->timer, after_ms, 0);
}

static void env_timer_stop(struct transport_timer *timer)
{
    loop_timer_stop(timer->timer);
}

static void env_timer_free(struct transport_timer *timer)
{
    loop_timer_free(timer->timer);
    mem_free(timer);
}

struct transport_env model_env(struct model *model)
{
    return (struct transport_env){.user = model,
                                  .open = env_open,
                                  .now_ms = env_now,
                                  .random = env_random,
                                  .timer_new = env_timer_new,
                                  .timer_start = env_timer_start,
                                  .timer_stop = env_timer_stop,
                                  .timer_free = env_timer_free};
}

void model_init(struct model *model, struct loop *loop)
{
    static const char *const polite[] = {"say ok\ndone", NULL};
    *model = (struct model){.loop = loop, .steps = polite};
}

void model_script(struct model *model, const char *const *steps)
{
    model->steps = steps;
    model->step = 0;
}

void model_finish(struct model *model)
{
    for (size_t i = 0; i < model->answers.len; i++) {
        struct model_answer *answer = model->answers.ptr[i];
        for (size_t j = 0; j < answer->context.len; j++)
            mem_free(answer->context.ptr[j]);
        vec_finish(&answer->context);
        for (size_t j = 0; j < answer->steers.len; j++)
            mem_free(answer->steers.ptr[j]);
        vec_finish(&answer->steers);
        loop_timer_free(answer->timer);
        loop_timer_free(answer->steer_timer);
        mem_free(answer);
    }
    vec_finish(&model->answers);
    for (size_t i = 0; i < model->wires.len; i++) {
        cr_assert(model->wires.ptr[i]->is_closed, "a connection was left open");
        loop_timer_free(model->wires.ptr[i]->opener);
        mem_free(model->wires.ptr[i]->body);
        mem_free(model->wires.ptr[i]);
    }
    vec_finish(&model->wires);
    for (size_t i = 0; i < model->frames.len; i++)
        mem_free(model->frames.ptr[i]);
    vec_finish(&model->frames);
    for (size_t i = 0; i < model->steered.len; i++)
        mem_free(model->steered.ptr[i]);
    vec_finish(&model->steered);
    for (size_t i = 0; i < model->bodies.len; i++)
        mem_free(model->bodies.ptr[i]);
    vec_finish(&model->bodies);
}
