/* What the endpoint can do, asked of it. Warm-ups (generate: false) cost nothing; where there are
 * none, a request is given up as soon as the endpoint has taken it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor-internal.h"

enum { WARM_UPS_COUNT = 10, TOKENS_COUNT = 16 };

/* One capability: how the request that shows it differs, and what Lanebridge does without it. */
struct probe {
    const char *name;    /* as remembered, and as a refusal names it */
    const char *members; /* more members of the request, or NULL */
    bool tools;          /* as the first item */
    bool (*expected)(const struct doctor *doctor);
    const char *without;
};

/* -- Requests -- */

static void write_input(struct json_writer *w, bool tools)
{
    json_write_key(w, "input");
    json_write_begin_array(w);
    if (tools)
        json_write_raw(w, STR("{\"type\":\"additional_tools\",\"role\":\"developer\",\"tools\":["
                              "{\"type\":\"function\",\"name\":\"nothing\",\"description\":"
                              "\"Does nothing.\",\"parameters\":{\"type\":\"object\","
                              "\"properties\":{},\"required\":[],\"additionalProperties\":false},"
                              "\"strict\":true}]}"));
    json_write_raw(w, STR("{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":"
                          "\"input_text\",\"text\":\"Say ok.\"}]}"));
    json_write_end_array(w);
}

static void write_request(const struct doctor *doctor, bool warm_up, const struct probe *probe,
                          struct buf *frame)
{
    struct json_writer w;
    json_writer_init(&w, frame);
    json_write_begin_object(&w);
    json_write_field_c(&w, "type", "response.create");
    json_write_field_c(&w, "model", doctor->config->model);
    json_write_field_bool(&w, "store", false);
    if (warm_up)
        json_write_field_bool(&w, "generate", false);
    else
        json_write_field_int(&w, "max_output_tokens", TOKENS_COUNT);
    write_input(&w, probe && probe->tools);
    json_write_end_object(&w);
    if (probe && probe->members) {
        buf_truncate(frame, frame->len - 1);
        buf_append_fmt(frame, ",%s}", probe->members);
    }
}

static const struct doctor_answer *ask(struct doctor *doctor, const struct probe *probe,
                                       struct doctor_line *line)
{
    static const struct doctor_answer none = {.text = "the connection could not be opened again"};
    struct buf frame = {0};
    if (!doctor_socket_open(doctor, line))
        return &none;
    write_request(doctor, doctor->has_warm_up, probe, &frame);
    return doctor_socket_ask(doctor, &frame, !doctor->has_warm_up);
}

/* -- What an answer says -- */

/* The refusal is about this member, and not about the request as such. */
static bool is_about(const struct doctor_answer *answer, const char *name)
{
    struct str param = str_from(answer->param), wanted = str_from(name);
    if (str_starts_with(param, wanted))
        return true;
    bool unknown = strstr(answer->code, "unknown") || strstr(answer->code, "unsupported") ||
                   strstr(answer->text, "nknown") || strstr(answer->text, "nsupported");
    return unknown && strstr(answer->text, name);
}

static void tell_answer(struct doctor_line *line, const struct doctor_answer *answer)
{
    if (answer->code[0])
        json_write_field_c(&line->w, "code", answer->code);
    if (answer->text[0])
        json_write_field_c(&line->w, "message", answer->text);
}

static bool is_remembered(const struct doctor *doctor, const char *name)
{
    struct str rest = str_from(doctor->known.refused), word;
    while (str_next(&rest, ' ', &word))
        if (str_eq_c(str_slice(word, 0, str_find_byte(word, '@', 0)), name))
            return true; /* "name" or "name@model" */
    return false;
}

static void tell_yes(struct doctor *doctor, const struct probe *probe, struct doctor_line *line)
{
    json_write_field_bool(&line->w, "supported", true);
    if (is_remembered(doctor, probe->name)) {
        struct buf fix = {0};
        buf_append_fmt(&fix, "delete %s/endpoints.json: it is forgotten by itself after 7 days",
                       doctor->env.state_folder);
        doctor_warn(line, fix.ptr, "yes, but remembered as refused, and so not used");
        buf_finish(&fix);
    } else if (probe->expected && !probe->expected(doctor)) {
        doctor_ok(line, "yes, but not used with the profile %s (endpoint.profile) and this model",
                  doctor->profile->name);
    } else {
        doctor_ok(line, "yes");
    }
}

/* What is not there is no failure; what the profile promises and is not there is worth a look. */
static void tell_no(struct doctor *doctor, const struct probe *probe, struct doctor_line *line,
                    const struct doctor_answer *answer)
{
    bool expected = probe->expected && probe->expected(doctor);
    const char *why = answer->text[0] ? answer->text : "it is ignored";
    json_write_field_bool(&line->w, "supported", false);
    tell_answer(line, answer);
    if (expected)
        doctor_warn(line, "nothing has to be done: it is left out after the first refusal",
                    "no, though the profile %s has it: %s; %s", doctor->profile->name, why,
                    probe->without);
    else
        doctor_ok(line, "no: %s; %s", why, probe->without);
}

static void tell_unclear(struct doctor_line *line, const struct doctor_answer *answer)
{
    tell_answer(line, answer);
    doctor_warn(line, "run doctor again; if it stays so, tell who runs the endpoint",
                "not clear: %s%s%s", answer->text[0] ? answer->text : "no answer",
                answer->code[0] ? " " : "", answer->code);
}

static bool was_taken(const struct doctor_answer *answer)
{
    return answer->kind == ANSWER_COMPLETED || answer->kind == ANSWER_STARTED;
}

static void run_probe(struct doctor *doctor, const struct probe *probe, struct doctor_line *line)
{
    const struct doctor_answer *answer = ask(doctor, probe, line);
    if (was_taken(answer))
        tell_yes(doctor, probe, line);
    else if (answer->kind == ANSWER_REFUSED &&
             (is_about(answer, probe->name) || (probe->tools && is_about(answer, "input[0]"))))
        tell_no(doctor, probe, line, answer);
    else
        tell_unclear(line, answer);
}

/* -- The capabilities -- */

static bool expects_warm_up(const struct doctor *doctor)
{
    return doctor->profile->warm_up;
}

static bool expects_lanes(const struct doctor *doctor)
{
    return doctor->profile->lanes;
}

static bool expects_additional_tools(const struct doctor *doctor)
{
    return doctor->profile->additional_tools;
}

static bool expects_context_management(const struct doctor *doctor)
{
    return doctor->profile->context_management;
}

static bool expects_steer(const struct doctor *doctor)
{
    return doctor->profile->steer;
}

/* What a refusal of the plainest request is about. */
static const struct {
    const char *code, *fix;
} refusals[] = {
    {"model", "set `model` to one that the endpoint has"},
    {"invalid_api_key", "check the key: see the line \"key\""},
    {"insufficient_quota", "see the account: there is nothing left to pay with"},
    {"rate_limit", "try again later, or see your limits"},
    {"replay", "this recording answers what it was recorded for; that is as it should be"},
    {"", "the message is the endpoint's; check endpoint.url and `model`"},
};

static void tell_refused(struct doctor_line *line, const struct doctor_answer *answer)
{
    size_t i = 0;
    while (!strstr(answer->code, refusals[i].code) &&
           !(refusals[i].code[0] && strstr(answer->param, refusals[i].code)))
        i++;
    tell_answer(line, answer);
    doctor_fail(line, refusals[i].fix, "the endpoint refuses a plain request: %s%s%s%s",
                answer->text, answer->code[0] ? " (" : "", answer->code,
                answer->code[0] ? ")" : "");
}

/* The first request of all: with it, whether the endpoint takes requests. */
void doctor_check_generate(struct doctor *doctor, struct doctor_line *line)
{
    static const struct probe probe = {
        "generate", NULL, false, expects_warm_up,
        "a thread's first turn sends its history itself, and the checks below begin responses that "
        "are given up at once"};
    doctor->has_warm_up = true;
    const struct doctor_answer *answer = ask(doctor, NULL, line);
    bool refused = answer->kind == ANSWER_REFUSED && is_about(answer, "generate");
    if (answer->kind == ANSWER_COMPLETED) {
        tell_yes(doctor, &probe, line);
        return;
    }
    doctor->has_warm_up = false;
    if (answer->kind != ANSWER_STARTED && !refused) {
        if (answer->kind == ANSWER_REFUSED)
            tell_refused(line, answer);
        else
            doctor_fail(line, "try again; if it stays so, the endpoint takes no requests", "%s",
                        answer->text);
        return;
    }
    struct doctor_answer no = *answer;
    const struct doctor_answer *plain = ask(doctor, NULL, line);
    if (was_taken(plain))
        tell_no(doctor, &probe, line, &no);
    else
        tell_refused(line, plain);
}

void doctor_check_lanes(struct doctor *doctor, struct doctor_line *line)
{
    static const struct probe probe = {"stream_id", "\"stream_id\":\"doctor\"", false,
                                       expects_lanes,
                                       "each running thread gets a connection of its own"};
    const struct doctor_answer *answer = ask(doctor, &probe, line);
    if (was_taken(answer) && answer->names_lane)
        tell_yes(doctor, &probe, line);
    else if (was_taken(answer) || (answer->kind == ANSWER_REFUSED && is_about(answer, "stream_id")))
        tell_no(doctor, &probe, line, answer);
    else
        tell_unclear(line, answer);
}

void doctor_check_additional_tools(struct doctor *doctor, struct doctor_line *line)
{
    static const struct probe probe = {"additional_tools", NULL, true, expects_additional_tools,
                                       "tools are sent with every request"};
    run_probe(doctor, &probe, line);
}

void doctor_check_context_management(struct doctor *doctor, struct doctor_line *line)
{
    static const struct probe probe = {
        "context_management",
        "\"context_management\":[{\"type\":\"compaction\",\"compact_threshold\":200000}]", false,
        expects_context_management, "long threads are compacted in other ways"};
    run_probe(doctor, &probe, line);
}

/* -- Client events beside response.create: about a response that there is not -- */

static const struct doctor_answer *ask_event(struct doctor *doctor, const char *text,
                                             struct doctor_line *line)
{
    static const struct doctor_answer none = {.text = "the connection could not be opened again"};
    struct buf frame = {0};
    if (!doctor_socket_open(doctor, line))
        return &none;
    buf_append_c(&frame, text);
    return doctor_socket_ask(doctor, &frame, false);
}

static bool is_unknown_event(const struct doctor_answer *answer, const char *name)
{
    return str_eq_c(str_from(answer->param), "type") || is_about(answer, name) ||
           is_about(answer, "event");
}

void doctor_check_steer(struct doctor *doctor, struct doctor_line *line)
{
    static const struct probe probe = {"response.steer", NULL, false, expects_steer,
                                       "a message to a running turn waits for its next step"};
    const struct doctor_answer *answer = ask_event(
        doctor,
        "{\"type\":\"response.steer\",\"previous_response_id\":\"resp_doctor\",\"input\":[{"
        "\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"
        "\"Say ok.\"}]}]}",
        line);
    bool steers = answer->kind == ANSWER_STEER && !strstr(answer->code, "not_supported");
    if (steers || (answer->kind == ANSWER_REFUSED && strstr(answer->code, "response_not")))
        tell_yes(doctor, &probe, line);
    else if (answer->kind == ANSWER_STEER ||
             (answer->kind == ANSWER_REFUSED && is_unknown_event(answer, probe.name)))
        tell_no(doctor, &probe, line, answer);
    else
        tell_unclear(line, answer);
}

void doctor_check_cancel(struct doctor *doctor, struct doctor_line *line)
{
    static const struct probe probe = {
        "response.cancel", NULL, false, NULL,
        "as documented: an interrupted response is left to run out, and discarded"};
    const struct doctor_answer *answer =
        ask_event(doctor, "{\"type\":\"response.cancel\",\"response_id\":\"resp_doctor\"}", line);
    if (answer->kind == ANSWER_REFUSED && !is_unknown_event(answer, probe.name)) {
        json_write_field_bool(&line->w, "supported", true);
        doctor_ok(line, "yes: an interrupt ends what runs");
    } else if (answer->kind == ANSWER_REFUSED) {
        tell_no(doctor, &probe, line, answer);
    } else {
        tell_answer(line, answer);
        doctor_ok(line, "not clear (%s), and not needed",
                  answer->text[0] ? answer->text : "no answer");
    }
}

/* -- Latency -- */

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double to_ms(uint64_t ns)
{
    return (double)(ns / 1000) / 1000;
}

static void tell_latency(struct doctor_line *line, uint64_t *ns, size_t count)
{
    qsort(ns, count, sizeof(*ns), compare_ns);
    double median = (to_ms(ns[(count - 1) / 2]) + to_ms(ns[count / 2])) / 2;
    const struct {
        const char *name;
        double ms;
    } figures[] = {{"medianMs", median}, {"minMs", to_ms(ns[0])}, {"maxMs", to_ms(ns[count - 1])}};
    for (size_t i = 0; i < array_count(figures); i++) {
        json_write_key(&line->w, figures[i].name);
        json_write_double(&line->w, figures[i].ms);
    }
    doctor_ok(line, "%zu warm-ups: median %.1f ms, min %.1f, max %.1f", count, median, to_ms(ns[0]),
              to_ms(ns[count - 1]));
}

void doctor_check_latency(struct doctor *doctor, struct doctor_line *line)
{
    uint64_t ns[WARM_UPS_COUNT];
    size_t count = 0;
    if (!doctor->has_warm_up) {
        line->outcome = DOCTOR_SKIP;
        buf_append_c(&line->found, "skipped: because the endpoint has no warm-ups, and other "
                                   "requests cost");
        return;
    }
    const struct doctor_answer *answer = NULL;
    while (count < WARM_UPS_COUNT) {
        answer = ask(doctor, NULL, line);
        if (answer->kind != ANSWER_COMPLETED)
            break;
        ns[count++] = answer->ns;
    }
    json_write_field_int(&line->w, "count", (int64_t)count);
    if (count > 0)
        tell_latency(line, ns, count);
    if (count < WARM_UPS_COUNT)
        doctor_warn(line, "try again later", "warm-up %zu of %d was not answered: %s", count + 1,
                    WARM_UPS_COUNT, answer->text[0] ? answer->text : "no answer");
}
