/* What a turn has used: tokens, money, time, bytes; summed up for the journal and for people. */
#include "agent-internal.h"

#include <stdio.h>

void usage_add(struct responses_usage *sum, const struct responses_usage *more)
{
    sum->input_tokens += more->input_tokens;
    sum->cached_tokens += more->cached_tokens;
    sum->output_tokens += more->output_tokens;
    sum->reasoning_tokens += more->reasoning_tokens;
}

void turn_count(struct agent_turn *turn, const struct responses_result *result)
{
    usage_add(&turn->usage, &result->usage);
    turn_note_step(turn, result);
    if (turn->thread->helper)
        helper_count(turn->thread->helper, result);
    spent_note(turn->thread, &result->usage);
    turn->timing.bytes_sent += result->bytes_sent;
    turn->timing.bytes_received += result->bytes_received;
    turn->timing.full_inputs += !result->continued;
    responses_stages_add(&turn->timing.stages, &result->stages);
    uint64_t now = loop_now_ms(turn->thread->agent->env.loop);
    turn->timing.model_ms += now - turn->asked_ms;
    if (turn->timing.first_output_ms == 0 && result->first_output_ms > 0)
        turn->timing.first_output_ms = result->first_output_ms - result->queued_ms;
}

struct total {
    struct responses_usage usage;
    struct agent_cost cost;
};

static bool add_turn(void *user, const struct journal_turn *turn)
{
    struct total *total = user;
    struct json_value *kept = NULL;
    if (turn->usage_json.len == 0 || json_parse(turn->usage_json, &kept, NULL) < 0)
        return true;
    const struct json_value *cost = json_get(kept, "cost");
    struct str currency = json_get_str(cost, "currency");
    const struct responses_usage usage = {
        .input_tokens = json_get_int(kept, "inputTokens", 0),
        .cached_tokens = json_get_int(kept, "cachedTokens", 0),
        .output_tokens = json_get_int(kept, "outputTokens", 0),
        .reasoning_tokens = json_get_int(kept, "reasoningTokens", 0),
    };
    usage_add(&total->usage, &usage);
    if (currency.len > 0 && currency.len < sizeof(total->cost.currency)) {
        bool is_same = str_eq_c(currency, total->cost.currency);
        double before = is_same ? total->cost.amount : 0;
        total->cost.amount = before + json_number(json_get(cost, "amount"), 0);
        snprintf(total->cost.currency, sizeof(total->cost.currency), STR_FMT, STR_ARG(currency));
    }
    json_free(kept);
    return true;
}

enum status agent_thread_usage(struct agent *agent, const char *id,
                               struct responses_usage *ret_usage, struct agent_cost *ret_cost,
                               struct err *err)
{
    struct total total = {0};
    enum status status = journal_turn_each(agent->env.journal, id, add_turn, &total, err);
    *ret_usage = total.usage;
    *ret_cost = total.cost;
    return status;
}

/* For `lanebridge trace`. */
static void append_timing_json(const struct agent_timing *timing, struct json_writer *w)
{
    const struct {
        const char *name;
        uint64_t value;
    } members[] = {
        {"totalMs", timing->total_ms},
        {"modelMs", timing->model_ms},
        {"toolsMs", timing->tools_ms},
        {"firstOutputMs", timing->first_output_ms},
        {"calls", timing->calls},
        {"bytesSent", timing->bytes_sent},
        {"bytesReceived", timing->bytes_received},
        {"fullInputs", timing->full_inputs},
        {"retries", timing->retries},
    };
    json_write_key(w, "timing");
    json_write_begin_object(w);
    for (size_t i = 0; i < array_count(members); i++)
        json_write_field_int(w, members[i].name, (int64_t)members[i].value);
    json_write_end_object(w);
    json_write_key(w, "stagesUs");
    json_write_begin_object(w);
    for (size_t i = 0; i < timing->stages.count; i++)
        json_write_field_int(w, timing->stages.list[i].name, (int64_t)timing->stages.list[i].us);
    json_write_end_object(w);
}

struct agent_cost turn_cost(const struct agent_turn *turn)
{
    const struct agent_env *env = &turn->thread->agent->env;
    struct agent_cost cost = {0};
    if (env->cost)
        (void)env->cost(env->environment_user, str_from(turn->thread->model), &turn->usage, &cost);
    return cost;
}

void turn_append_usage(const struct agent_turn *turn, struct buf *json)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_write_begin_object(&w);
    json_write_field_int(&w, "inputTokens", turn->usage.input_tokens);
    json_write_field_int(&w, "cachedTokens", turn->usage.cached_tokens);
    json_write_field_int(&w, "outputTokens", turn->usage.output_tokens);
    json_write_field_int(&w, "reasoningTokens", turn->usage.reasoning_tokens);
    json_write_field_int(&w, "steps", (int64_t)turn->timing.steps);
    json_write_field_c(&w, "model", turn->thread->model);
    const struct agent_cost cost = turn_cost(turn);
    if (cost.currency[0]) {
        json_write_key(&w, "cost");
        json_write_begin_object(&w);
        json_write_key(&w, "amount");
        json_write_double(&w, cost.amount);
        json_write_field_c(&w, "currency", cost.currency);
        json_write_end_object(&w);
    }
    append_timing_json(&turn->timing, &w);
    turn_append_spans(turn, &w);
    json_write_end_object(&w);
}
