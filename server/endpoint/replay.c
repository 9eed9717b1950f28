/* Reads a replay file. Every mistake in it is told with its line: a script that means something
 * else than its author thinks would make tests lie. */
#include <stddef.h>
#include <string.h>

#include "reader-internal.h"

/* -- Expectations, pace, faults -------------------------------------------------------------------
 */

struct expect_fields {
    struct str text, regex;
    const struct json_value *outputs;
};
static const struct json_field expect_fields[] = {
    {"text", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct expect_fields, text)},
    {"regex", JSON_FIELD_STR, JSON_OPTIONAL, offsetof(struct expect_fields, regex)},
    {"outputs", JSON_FIELD_OBJECT, JSON_OPTIONAL, offsetof(struct expect_fields, outputs)},
};

static enum status read_output_expect(struct reader *r, struct replay_step *step,
                                      const struct json_value *value)
{
    struct replay_output_expect expect = {.label = reader_label(r->replay, json_key(value))};
    enum status status = STATUS_OK;
    if (json_is(value, JSON_STRING))
        status = reader_make_matcher(r, &expect.matcher, MATCHER_TEXT, json_str(value));
    else if (!json_is(value, JSON_NULL))
        status =
            reader_matcher(r, "what an output is expected to be", true, value, &expect.matcher);
    if (status == STATUS_OK)
        vec_push(&step->outputs, expect);
    return status;
}

static enum status read_expect(struct reader *r, struct replay_step *step,
                               const struct json_value *value)
{
    struct expect_fields got = {0};
    if (reader_fields(r, "expect", value, expect_fields, array_count(expect_fields), &got) < 0)
        return STATUS_INVALID;
    if (got.text.len && reader_make_matcher(r, &step->user_text, MATCHER_TEXT, got.text) < 0)
        return STATUS_INVALID;
    if (got.regex.len && reader_make_matcher(r, &step->user_regex, MATCHER_REGEX, got.regex) < 0)
        return STATUS_INVALID;
    for (const struct json_value *v = json_first(got.outputs); v; v = json_next(v))
        if (read_output_expect(r, step, v) < 0)
            return STATUS_INVALID;
    return STATUS_OK;
}

static const struct json_field pace_fields[] = {
    {"first_ms", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct replay_pace, first_ms)},
    {"delta_ms", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct replay_pace, delta_ms)},
    {"chunk", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct replay_pace, chunk)},
};

static enum status read_pace(struct reader *r, struct replay_step *step,
                             const struct json_value *value)
{
    struct replay_pace *pace = &step->pace;
    if (reader_fields(r, "pace", value, pace_fields, array_count(pace_fields), pace) < 0)
        return STATUS_INVALID;
    if (pace->first_ms < 0 || pace->delta_ms < 0 || pace->chunk < 1)
        return reader_fail(r, "pace: first_ms and delta_ms must be 0 or more, chunk 1 or more");
    return STATUS_OK;
}

struct fault_fields {
    struct str kind, code, message, param, shape, reason;
    const struct json_value *any_code;
    int64_t after_event, times, status, retry_after_ms;
};
#define FAULT_FIELD(name, kind)                                                                    \
    {                                                                                              \
#name, kind, JSON_OPTIONAL, offsetof(struct fault_fields, name)                            \
    }
static const struct json_field fault_fields[] = {
    {"kind", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct fault_fields, kind)},
    {"code", JSON_FIELD_ANY, JSON_OPTIONAL, offsetof(struct fault_fields, any_code)},
    FAULT_FIELD(message, JSON_FIELD_STR),
    FAULT_FIELD(param, JSON_FIELD_STR),
    FAULT_FIELD(shape, JSON_FIELD_STR),
    FAULT_FIELD(reason, JSON_FIELD_STR),
    FAULT_FIELD(after_event, JSON_FIELD_INT),
    FAULT_FIELD(times, JSON_FIELD_INT),
    FAULT_FIELD(status, JSON_FIELD_INT),
    FAULT_FIELD(retry_after_ms, JSON_FIELD_INT),
};
static const char *const fault_names[FAULT_KIND_COUNT] = {
    [FAULT_CUT] = "cut",
    [FAULT_CLOSE] = "close",
    [FAULT_STALL] = "stall",
    [FAULT_ERROR] = "error",
    [FAULT_FAILED] = "failed",
    [FAULT_INCOMPLETE] = "incomplete",
    [FAULT_GARBAGE] = "garbage",
    [FAULT_UNKNOWN] = "unknown",
    [FAULT_DUPLICATE_TERMINAL] = "duplicate_terminal",
    [FAULT_SPARSE] = "sparse",
};

static enum status check_fault(struct reader *r, const struct fault_fields *got,
                               enum fault_kind kind)
{
    if (kind == FAULT_KIND_COUNT)
        return reader_fail(r, "fault: there is no kind \"" STR_FMT "\"", STR_ARG(got->kind));
    bool number = json_is(got->any_code, JSON_NUMBER);
    if (got->any_code && (kind == FAULT_CLOSE ? !number : !json_is(got->any_code, JSON_STRING)))
        return reader_fail(r, "fault: the code of \"" STR_FMT "\" must be %s", STR_ARG(got->kind),
                           kind == FAULT_CLOSE ? "a number" : "a string");
    int64_t code = json_int(got->any_code, 1011);
    if (kind == FAULT_CLOSE && (code < 1000 || code > 4999))
        return reader_fail(r, "fault: a close code is 1000 to 4999");
    if (got->after_event < 0 || got->times < 1)
        return reader_fail(r, "fault: after_event must be 0 or more, times 1 or more");
    if (got->status < 400 || got->status > 599)
        return reader_fail(r, "fault: status must be 400 to 599");
    if (got->shape.len && !str_eq_c(got->shape, "flat") && !str_eq_c(got->shape, "nested"))
        return reader_fail(r, "fault: shape must be \"flat\" or \"nested\"");
    return STATUS_OK;
}

static struct str or_default(struct str text, const char *fallback)
{
    return text.len ? text : str_from(fallback);
}

static enum status read_fault(struct reader *r, struct replay_step *step,
                              const struct json_value *value)
{
    struct fault_fields got = {.times = 1, .status = 500, .retry_after_ms = -1};
    if (reader_fields(r, "fault", value, fault_fields, array_count(fault_fields), &got) < 0)
        return STATUS_INVALID;
    unsigned kind = 0;
    while (kind < FAULT_KIND_COUNT && !str_eq_c(got.kind, fault_names[kind]))
        kind++;
    if (check_fault(r, &got, (enum fault_kind)kind) < 0)
        return STATUS_INVALID;
    step->has_fault = true;
    step->fault = (struct replay_fault){
        .kind = (enum fault_kind)kind,
        .after_event = got.after_event,
        .times_left = got.times,
        .close_code = json_int(got.any_code, 1011),
        .status = got.status,
        .retry_after_ms = got.retry_after_ms,
        .code = or_default(json_str(got.any_code), "server_error"),
        .message = or_default(got.message, "The script of this replay says that this fails."),
        .param = got.param,
        .reason = or_default(got.reason, "max_output_tokens"),
        .flat = str_eq_c(got.shape, "flat"),
    };
    return STATUS_OK;
}

/* -- Lines ----------------------------------------------------------------------------------------
 */

struct step_fields {
    const struct json_value *expect, *emit, *pace, *fault, *usage;
    int64_t repeat, pad_bytes;
};
#define STEP_FIELD(name, kind)                                                                     \
    {                                                                                              \
#name, kind, JSON_OPTIONAL, offsetof(struct step_fields, name)                             \
    }
static const struct json_field step_fields[] = {
    STEP_FIELD(expect, JSON_FIELD_OBJECT), STEP_FIELD(emit, JSON_FIELD_ARRAY),
    STEP_FIELD(pace, JSON_FIELD_OBJECT),   STEP_FIELD(fault, JSON_FIELD_OBJECT),
    STEP_FIELD(usage, JSON_FIELD_OBJECT),  STEP_FIELD(repeat, JSON_FIELD_INT),
    STEP_FIELD(pad_bytes, JSON_FIELD_INT),
};

static enum status check_usage(struct reader *r, const struct json_value *usage)
{
    static const char *const known[] = {"input_tokens", "cached_tokens", "output_tokens",
                                        "reasoning_tokens"};
    for (const struct json_value *v = json_first(usage); v; v = json_next(v)) {
        size_t i = 0;
        while (i < array_count(known) && !str_eq_c(json_key(v), known[i]))
            i++;
        if (i == array_count(known) || json_int(v, -1) < 0)
            return reader_fail(r,
                               "usage: \"" STR_FMT "\" is not one of input_tokens, cached_tokens, "
                               "output_tokens, reasoning_tokens with a count",
                               STR_ARG(json_key(v)));
    }
    return STATUS_OK;
}

static enum status fill_step(struct reader *r, struct replay_step *step,
                             const struct json_value *line)
{
    struct step_fields got = {.repeat = 1};
    if (reader_fields(r, "a step", line, step_fields, array_count(step_fields), &got) < 0)
        return STATUS_INVALID;
    if (!got.emit && !got.fault)
        return reader_fail(r, "a step needs \"emit\", an array of items (or a \"fault\")");
    if (got.repeat < 1 || got.repeat > LIMIT_REPLAY_REPEAT_COUNT)
        return reader_fail(r, "repeat must be 1 to %d", LIMIT_REPLAY_REPEAT_COUNT);
    if (got.pad_bytes < 0 || (size_t)got.pad_bytes > LIMIT_HTTP_BODY_BYTES)
        return reader_fail(r, "pad_bytes must be 0 to %zu", LIMIT_HTTP_BODY_BYTES);
    step->repeat = (unsigned)got.repeat;
    step->pad_bytes = got.pad_bytes;
    step->usage = got.usage;
    if ((got.expect && read_expect(r, step, got.expect) < 0) ||
        (got.emit && reader_emit(r, step, got.emit) < 0) ||
        (got.pace && read_pace(r, step, got.pace) < 0) ||
        (got.fault && read_fault(r, step, got.fault) < 0))
        return STATUS_INVALID;
    return check_usage(r, got.usage);
}

static struct replay_rollout *add_rollout(struct reader *r)
{
    vec_push(&r->replay->rollouts, ((struct replay_rollout){.line = r->line}));
    return &vec_last(&r->replay->rollouts);
}

static enum status read_step(struct reader *r, const struct json_value *line)
{
    struct replay_rollout *rollout =
        r->replay->rollouts.len ? &vec_last(&r->replay->rollouts) : add_rollout(r);
    struct replay_step step = {.line = r->line, .first = rollout->length, .pace = {.chunk = 40}};
    vec_push(&rollout->steps, step); /* also when it is broken: then it is freed with the rest */
    enum status status = fill_step(r, &vec_last(&rollout->steps), line);
    rollout->length += vec_last(&rollout->steps).repeat;
    return status;
}

struct rollout_fields {
    struct str rollout;
    const struct json_value *match;
    bool takes_over;
};
static const struct json_field rollout_fields[] = {
    {"rollout", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct rollout_fields, rollout)},
    {"match", JSON_FIELD_OBJECT, JSON_OPTIONAL, offsetof(struct rollout_fields, match)},
    {"takes_over", JSON_FIELD_BOOL, JSON_OPTIONAL, offsetof(struct rollout_fields, takes_over)},
};

static enum status read_rollout(struct reader *r, const struct json_value *line)
{
    struct rollout_fields got = {0};
    if (reader_fields(r, "a rollout", line, rollout_fields, array_count(rollout_fields), &got) < 0)
        return STATUS_INVALID;
    struct replay_rollout *rollout = add_rollout(r);
    rollout->name = got.rollout;
    rollout->takes_over = got.takes_over;
    if (got.takes_over && !got.match)
        return reader_fail(r, "a rollout that takes over needs a \"match\"");
    return got.match ? reader_matcher(r, "match", false, got.match, &rollout->match) : STATUS_OK;
}

static enum status read_line(struct reader *r, struct str text)
{
    struct err err = {0};
    struct json_value *line;
    text = str_trim(text);
    if (text.len == 0 || text.ptr[0] == '#')
        return STATUS_OK;
    if (json_parse(text, &line, &err) < 0)
        return reader_fail(r, "%s", err.text);
    vec_push(&r->replay->lines, line);
    if (!json_is(line, JSON_OBJECT))
        return reader_fail(r, "a line is one JSON object, a rollout or a step");
    return json_get(line, "rollout") ? read_rollout(r, line) : read_step(r, line);
}

/* -- The whole ------------------------------------------------------------------------------------
 */

/* The last call of that label before step `index`, or in it when it is repeated. */
static bool is_called_before(const struct replay_rollout *rollout, size_t index, int label)
{
    if (rollout->steps.ptr[index].repeat > 1 && reader_find_call(&rollout->steps.ptr[index], label))
        return true;
    for (size_t i = 0; i < index; i++)
        if (reader_find_call(&rollout->steps.ptr[i], label))
            return true;
    return false;
}

static enum status check_output_names(struct reader *r, const struct replay_rollout *rollout,
                                      size_t index, const struct replay_item *item)
{
    struct str text = item->kind == ITEM_OTHER ? item->body : item->text;
    struct str mark = STR("${output:");
    for (size_t at = 0; (at = str_find(text, mark, at)) != STR_NONE; at++) {
        size_t end = str_find_byte(text, '}', at);
        struct str label = str_slice(text, at + mark.len, end == STR_NONE ? at : end);
        int number = end == STR_NONE ? REPLAY_NO_LABEL : replay_label_find(r->replay, label);
        if (number < 0 || !is_called_before(rollout, index, number))
            return reader_fail(r, "${output:" STR_FMT "} names no call of an earlier step",
                               STR_ARG(label));
        r->replay->kept[number] = true;
    }
    return STATUS_OK;
}

static enum status check_step(struct reader *r, const struct replay_rollout *rollout, size_t index)
{
    const struct replay_step *step = &rollout->steps.ptr[index];
    r->line = step->line;
    for (size_t i = 0; i < step->outputs.len; i++) {
        int label = step->outputs.ptr[i].label;
        if (!is_called_before(rollout, index, label))
            return reader_fail(r,
                               "expect.outputs names \"" STR_FMT "\", which no earlier step calls",
                               STR_ARG(r->replay->labels.ptr[label]));
        r->replay->kept[label] = true;
    }
    for (size_t i = 0; i < step->items.len; i++)
        if (check_output_names(r, rollout, index, &step->items.ptr[i]) < 0)
            return STATUS_INVALID;
    return STATUS_OK;
}

static enum status check_all(struct reader *r)
{
    struct replay *replay = r->replay;
    replay->kept = mem_alloc_array(replay->labels.len + 1, sizeof(bool));
    if (replay->rollouts.len == 0)
        return reader_fail(r, "there is no step in the file");
    for (size_t i = 0; i < replay->rollouts.len; i++) {
        const struct replay_rollout *rollout = &replay->rollouts.ptr[i];
        r->line = rollout->line;
        if (rollout->steps.len == 0)
            return reader_fail(r, "the rollout \"" STR_FMT "\" has no steps",
                               STR_ARG(rollout->name));
        for (size_t k = 0; k < rollout->steps.len; k++)
            if (check_step(r, rollout, k) < 0)
                return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status read_all(struct reader *r, struct str text)
{
    struct str line;
    while (str_next(&text, '\n', &line)) {
        r->line++;
        if (read_line(r, line) < 0)
            return STATUS_INVALID;
    }
    return check_all(r);
}

struct replay *replay_parse(struct str text, const char *name, struct err *err)
{
    struct replay *replay = mem_new(struct replay);
    char hex[SHA256_HEX_BYTES];
    hash_sha256_hex(text, hex);
    memcpy(replay->fingerprint, hex, 6);
    struct reader r = {.replay = replay, .name = name, .err = err};
    if (read_all(&r, text) < 0) {
        replay_free(replay);
        return NULL;
    }
    return replay;
}

static void free_step(struct replay_step *step)
{
    reader_matcher_finish(&step->user_text);
    reader_matcher_finish(&step->user_regex);
    for (size_t i = 0; i < step->outputs.len; i++)
        reader_matcher_finish(&step->outputs.ptr[i].matcher);
    vec_finish(&step->outputs);
    for (size_t i = 0; i < step->items.len; i++)
        buf_finish(&step->items.ptr[i].json);
    vec_finish(&step->items);
}

void replay_free(struct replay *replay)
{
    if (!replay)
        return;
    for (size_t i = 0; i < replay->rollouts.len; i++) {
        struct replay_rollout *rollout = &replay->rollouts.ptr[i];
        reader_matcher_finish(&rollout->match);
        for (size_t k = 0; k < rollout->steps.len; k++)
            free_step(&rollout->steps.ptr[k]);
        vec_finish(&rollout->steps);
    }
    vec_finish(&replay->rollouts);
    for (size_t i = 0; i < replay->lines.len; i++)
        json_free(replay->lines.ptr[i]);
    vec_finish(&replay->lines);
    vec_finish(&replay->labels);
    map_finish(&replay->label_numbers);
    mem_free(replay->kept);
    mem_free(replay);
}

struct replay_step *replay_step_at(const struct replay *replay, unsigned rollout, unsigned step)
{
    if (rollout >= replay->rollouts.len || step >= replay->rollouts.ptr[rollout].length)
        return NULL;
    struct replay_rollout *played = &replay->rollouts.ptr[rollout];
    size_t low = 0, high = played->steps.len;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (played->steps.ptr[middle].first <= step)
            low = middle;
        else
            high = middle;
    }
    return &played->steps.ptr[low];
}
