/* The replay engine: where a conversation stands in the script, and what comes next. */
#include <string.h>

#include "endpoint-internal.h"

/* -- Position -------------------------------------------------------------------------------------
 */

static bool is_call(const struct replay_item *item)
{
    return item->label != REPLAY_NO_LABEL;
}

/* A response may have been torn: what had come back of it stands, and the rest of its calls is
 * asked for again, under new ids. With all calls answered (the request was refused otherwise) the
 * step is done, also when a message behind them was lost. */
struct position play_resume(const struct replay *replay, unsigned rollout, unsigned step,
                            uint64_t present)
{
    struct position next = {.known = true, .rollout = rollout, .step = step};
    const struct replay_step *played = replay_step_at(replay, rollout, step);
    if (!played)
        return next;
    bool has_calls = false, has_all_calls = true;
    unsigned behind = 0;
    for (unsigned i = 0; i < played->items.len; i++) {
        bool here = present >> i & 1;
        has_calls |= is_call(&played->items.ptr[i]);
        has_all_calls &= here || !is_call(&played->items.ptr[i]);
        if (here)
            behind = i + 1;
    }
    if ((has_calls && has_all_calls) || behind == played->items.len)
        next.step++;
    else
        next.item = behind;
    return next;
}

static enum status choose_rollout(struct endpoint *endpoint, struct str user, struct plan *plan,
                                  struct position *position, struct problem *problem)
{
    struct replay *replay = endpoint->replay;
    size_t first = replay->rollouts.len, chosen = first;
    for (size_t i = 0; i < replay->rollouts.len && chosen == replay->rollouts.len; i++) {
        if (!matcher_accepts(&replay->rollouts.ptr[i].match, user))
            continue;
        if (first == replay->rollouts.len)
            first = i;
        if (!replay->rollouts.ptr[i].used)
            chosen = i;
    }
    if (chosen == replay->rollouts.len)
        chosen = first;
    if (chosen == replay->rollouts.len)
        return problem_set(
            problem, PROBLEM_MISMATCH, "input",
            "%s: no rollout matches the last user message, which was \"" STR_FMT "\"",
            endpoint->replay_name, STR_ARG(str_slice(user, 0, utf8_floor(user, 160))));
    *position = (struct position){.known = true, .rollout = (unsigned)chosen};
    if (!replay->rollouts.ptr[chosen].used)
        plan->taken = &replay->rollouts.ptr[chosen];
    return STATUS_OK;
}

/* -- Outputs --------------------------------------------------------------------------------------
 */

static int label_of_call(const struct endpoint *endpoint, struct str call_id)
{
    struct id_place place;
    if (!endpoint_id_read(call_id, endpoint->fingerprint, &place))
        return REPLAY_NO_LABEL;
    const struct replay_step *step = replay_step_at(endpoint->replay, place.rollout, place.step);
    return step && place.item < step->items.len ? step->items.ptr[place.item].label
                                                : REPLAY_NO_LABEL;
}

/* Only outputs that the script speaks of are kept; of a label called twice the last. */
void play_remember_outputs(const struct endpoint *endpoint, const struct intake *intake,
                           struct record *record)
{
    for (size_t i = 0; i < intake->outputs.len; i++) {
        const struct intake_output *output = &intake->outputs.ptr[i];
        int label = label_of_call(endpoint, output->call_id);
        if (label == REPLAY_NO_LABEL || !endpoint->replay->kept[label])
            continue;
        struct buf text = {0};
        intake_append_output(output, &text);
        shared_unref(record->outputs[label]);
        record->outputs[label] = shared_new(buf_str(&text));
        buf_finish(&text);
    }
}

/* -- Items ----------------------------------------------------------------------------------------
 */

static void append_escaped(struct buf *buf, struct str text)
{
    struct buf quoted = {0};
    json_append_quoted(&quoted, text);
    buf_append(buf, str_slice(buf_str(&quoted), 1, quoted.len - 1));
    buf_finish(&quoted);
}

/* `text` with every ${output:LABEL} replaced. */
static void substitute(struct buf *buf, struct str text, bool is_json,
                       const struct endpoint *endpoint, const struct record *record)
{
    struct str mark = STR("${output:");
    size_t at;
    while ((at = str_find(text, mark, 0)) != STR_NONE) {
        size_t end = str_find_byte(text, '}', at);
        int label = replay_label_find(endpoint->replay, str_slice(text, at + mark.len, end));
        const struct shared *output = record->outputs[label];
        buf_append(buf, str_slice(text, 0, at));
        if (output && is_json)
            append_escaped(buf, output->text);
        else if (output)
            buf_append(buf, output->text);
        text = str_skip(text, end + 1);
    }
    buf_append(buf, text);
}

static const struct {
    const char *item, *call;
} prefixes[ITEM_KIND_COUNT] = {
    [ITEM_MESSAGE] = {"msg", NULL},        [ITEM_REASONING] = {"rs", NULL},
    [ITEM_FUNCTION_CALL] = {"fc", "call"}, [ITEM_CUSTOM_CALL] = {"ctc", "call"},
    [ITEM_OTHER] = {"item", "call"},       [ITEM_THOUGHT] = {"rs", NULL},
};

static void add_item(const struct endpoint *endpoint, const struct replay_item *from,
                     unsigned index, const struct record *record, struct plan *plan)
{
    struct plan_item *item = plan_add(plan, from->kind);
    struct id_place place = {plan->at.rollout, plan->at.step, index};
    item->index = index;
    item->name = from->name;
    item->phase = from->phase;
    item->text = from->text;
    item->body = from->body;
    endpoint_id_make(item->id, prefixes[from->kind].item, endpoint->fingerprint, place);
    if (is_call(from))
        endpoint_id_make(item->call_id, prefixes[from->kind].call, endpoint->fingerprint, place);
    if (!from->substitutes)
        return;
    struct str *holds = from->kind == ITEM_OTHER ? &item->body : &item->text;
    substitute(&item->owned, *holds, from->text_is_json, endpoint, record);
    *holds = buf_str(&item->owned);
}

static void add_ending(const struct endpoint *endpoint, struct plan *plan)
{
    struct plan_item *item = plan_add(plan, ITEM_MESSAGE);
    endpoint_id_make(item->id, "msg", endpoint->fingerprint,
                     (struct id_place){plan->at.rollout, plan->at.step, 0});
    buf_append_fmt(&item->owned,
                   "The replay is over: there are no more steps for this conversation in %s. (A "
                   "replay plays a script; no model is behind it.)",
                   endpoint->replay_name);
    item->text = buf_str(&item->owned);
}

/* -- Plan -----------------------------------------------------------------------------------------
 */

static struct position position_of(const struct endpoint *endpoint, const struct intake *intake,
                                   const struct record *parent)
{
    if (parent)
        return parent->next;
    if (intake->placed && intake->rollout < endpoint->replay->rollouts.len)
        return play_resume(endpoint->replay, intake->rollout, intake->step, intake->present);
    return (struct position){0};
}

/* The user has asked something else than what the script was about (after an interrupt, say). */
static void let_take_over(const struct endpoint *endpoint, const struct intake *intake,
                          struct str user, struct position *position)
{
    for (size_t i = 0; intake->ends_with_user && i < endpoint->replay->rollouts.len; i++) {
        const struct replay_rollout *rollout = &endpoint->replay->rollouts.ptr[i];
        if (rollout->takes_over && matcher_accepts(&rollout->match, user))
            *position = (struct position){.known = true, .rollout = (unsigned)i};
    }
}

static void fill_plan(struct endpoint *endpoint, struct replay_step *step,
                      const struct record *record, struct plan *plan)
{
    plan->step_items = (unsigned)step->items.len;
    plan->pace = step->pace;
    plan->pad_bytes = (size_t)step->pad_bytes;
    plan->told = (struct usage){.input = json_get_int(step->usage, "input_tokens", -1),
                                .cached = json_get_int(step->usage, "cached_tokens", -1),
                                .output = json_get_int(step->usage, "output_tokens", -1),
                                .reasoning = json_get_int(step->usage, "reasoning_tokens", -1)};
    plan->fault = step->has_fault && step->fault.times_left > 0 ? &step->fault : NULL;
    for (unsigned i = plan->at.item; i < step->items.len; i++)
        add_item(endpoint, &step->items.ptr[i], i, record, plan);
}

static enum status plan_step(struct endpoint *endpoint, struct str user, struct plan *plan,
                             struct record *record, struct problem *problem)
{
    struct position *next = &record->next;
    if (!next->known && choose_rollout(endpoint, user, plan, next, problem) < 0)
        return STATUS_INVALID;
    struct replay_step *step = replay_step_at(endpoint->replay, next->rollout, next->step);
    plan->at = *next;
    if (!step) {
        add_ending(endpoint, plan);
        return STATUS_OK;
    }
    if (next->item == 0 && expect_check(endpoint, step, user, record, problem) < 0)
        return STATUS_INVALID;
    fill_plan(endpoint, step, record, plan);
    if (plan->taken)
        plan->taken->used = true;
    return STATUS_OK;
}

static enum status replay_plan(struct answer *answer, const struct request *request,
                               const struct intake *intake, const struct record *parent,
                               struct problem *problem)
{
    struct endpoint *endpoint = answer->endpoint;
    struct plan *plan = &answer->plan;
    struct record *record = answer->record;
    struct buf user = {0};
    intake_append_user(intake, &user);
    struct str said = buf_str(&user);
    if (intake->user.len == 0 && parent && parent->user)
        said = parent->user->text;
    play_remember_outputs(endpoint, intake, record);
    record->next = position_of(endpoint, intake, parent);
    let_take_over(endpoint, intake, said, &record->next);
    plan->pace.chunk = 40;
    enum status status = STATUS_OK;
    if (request->generate)
        status = plan_step(endpoint, said, plan, record, problem);
    else if (said.len)
        record->user = shared_new(said);
    buf_finish(&user);
    if (status == STATUS_OK)
        plan_complete(plan);
    return status;
}

const struct engine engine_replay = {
    .about = "replay: plays a script, no model is behind it",
    .usage = "estimate: bytes / 4",
    .compacts = true,
    .plan = replay_plan,
};
