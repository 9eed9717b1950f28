/* update_plan: the model's list of steps, kept for whoever shows it. */
#include "tools-internal.h"

struct plan_state {
    const struct json_value *plan;
    struct str explanation;
};

static const struct json_field fields[] = {
    {"plan", JSON_FIELD_ARRAY, JSON_REQUIRED, offsetof(struct plan_state, plan)},
    {"explanation", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct plan_state, explanation)},
};

struct plan_step {
    struct str step, status;
};

static const struct json_field step_fields[] = {
    {"step", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct plan_step, step)},
    {"status", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct plan_step, status)},
};

static const char *const statuses[] = {"pending", "in_progress", "completed"};

static bool is_status(struct str status)
{
    for (size_t i = 0; i < array_count(statuses); i++) {
        if (str_eq_c(status, statuses[i]))
            return true;
    }
    return false;
}

static enum status read_step(const struct json_value *value, size_t number,
                             struct plan_step *ret_step, struct err *err)
{
    enum status status =
        json_read_strict(value, step_fields, array_count(step_fields), ret_step, err);
    if (status < 0) {
        err_prefix(err, "update_plan: step %zu", number);
        return status;
    }
    if (!is_status(ret_step->status))
        return err_set(err, STATUS_INVALID,
                       "update_plan: step %zu: status must be pending, in_progress or completed",
                       number);
    return STATUS_OK;
}

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct plan_state *state = call->state;
    size_t count = json_count(state->plan), number = 1;
    if (count > LIMIT_PLAN_STEPS_COUNT)
        return err_set(err, STATUS_LIMIT, "update_plan: a plan has at most %d steps, not %zu",
                       LIMIT_PLAN_STEPS_COUNT, count);
    for (const struct json_value *value = json_first(state->plan); value;
         value = json_next(value)) {
        struct plan_step step = {0};
        enum status status = read_step(value, number++, &step, err);
        if (status < 0)
            return status;
    }
    return STATUS_OK;
}

static void store(struct tools_thread *thread, const struct plan_state *state)
{
    struct json_writer w;
    buf_clear(&thread->plan);
    json_writer_init(&w, &thread->plan);
    json_write_begin_object(&w);
    json_write_field_str(&w, "explanation", state->explanation);
    json_write_key(&w, "plan");
    json_write_value(&w, state->plan);
    json_write_end_object(&w);
}

static void run(struct tools_call *call)
{
    const struct plan_state *state = call->state;
    size_t done = 0;
    if (!call_begin(call, "allowed"))
        return;
    store(call->thread, state);
    for (const struct json_value *step = json_first(state->plan); step; step = json_next(step))
        done += str_eq(json_get_str(step, "status"), STR("completed"));
    buf_append_fmt(&call->summary, "%zu of %zu steps done", done, json_count(state->plan));
    buf_append_c(&call->text, "The plan is updated.");
    call_end(call, true);
}

const struct tool tool_update_plan = {
    .name = "update_plan",
    .kind = TOOL_PLAN,
    .is_exclusive = true,
    .description =
        "Shows the user the steps of a longer task and how far they are. At most one step "
        "is in_progress.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"explanation\":{\"type\":[\"string\",\"null\"]},"
        "\"plan\":{\"type\":\"array\",\"description\":\"All steps, in order, at most "
        "50\",\"items\":{"
        "\"type\":\"object\",\"properties\":{\"step\":{\"type\":\"string\"},\"status\":{\"type\":"
        "\"string\",\"enum\":[\"pending\",\"in_progress\",\"completed\"]}},\"required\":[\"step\","
        "\"status\"],\"additionalProperties\":false}}},"
        "\"required\":[\"explanation\",\"plan\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct plan_state),
    .prepare = prepare,
    .run = run,
};
