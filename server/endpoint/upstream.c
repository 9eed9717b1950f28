/* The engine `upstream:URL`: each answer is a job, one exchange with the other server. A job waits
 * until it is known what the server is, streams, and lives on for a moment behind its answer, so
 * that the connection can be used again. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "upstream-internal.h"

enum { LINGER_MS = 1000 };

/* ASKING: it is not known yet what the server is. ENDED: the plan is; the exchange may not be. */
enum job_state { JOB_NEW, JOB_ASKING, JOB_SENT, JOB_ENDED };
struct job {
    struct upstream *upstream;
    struct answer *answer; /* NULL: it is over, and the exchange ends by itself */
    enum job_state state;
    struct upstream_ask ask;
    struct upstream_body body;
    struct plan scratch; /* of a warm-up: what comes is not said */
    struct net_http *http;
    struct net_sse *sse;
    struct loop_timer *timer;
    bool is_chat;
    struct upstream_chunks chunks;
    struct upstream_events events;
    int status, slot;
    struct buf text; /* what is no stream */
};

static void set_state(struct job *job, enum job_state state)
{
    static const bool moves[JOB_ENDED + 1][JOB_ENDED + 1] = {
        [JOB_NEW] = {[JOB_ASKING] = true, [JOB_SENT] = true, [JOB_ENDED] = true},
        [JOB_ASKING] = {[JOB_SENT] = true, [JOB_ENDED] = true},
        [JOB_SENT] = {[JOB_ENDED] = true},
    };
    assert(moves[job->state][state]);
    job->state = state;
}

static void job_free(struct job *job)
{
    struct upstream *upstream = job->upstream;
    for (size_t i = 0; i < upstream->jobs.len; i++)
        if (upstream->jobs.ptr[i] == job)
            vec_remove(&upstream->jobs, i--);
    net_http_free(job->http);
    net_sse_free(job->sse);
    loop_timer_free(job->timer);
    upstream_chunks_finish(&job->chunks);
    upstream_events_finish(&job->events);
    upstream_ask_finish(&job->ask);
    upstream_body_finish(&job->body);
    plan_finish(&job->scratch);
    buf_finish(&job->text);
    mem_free(job);
}

/* -- How it ends ----------------------------------------------------------------------------------
 */

static struct plan *target(struct job *job)
{
    return job->ask.generate ? &job->answer->plan : &job->scratch;
}

/* What the warm-up was told is of no interest, but that it went well. */
static void pass_on_warm_up(struct job *job)
{
    struct plan *plan = &job->answer->plan;
    if (job->ask.generate || job->scratch.state == PLAN_OPEN || plan->state != PLAN_OPEN)
        return;
    plan->told = job->scratch.told;
    if (job->scratch.state == PLAN_FAILED)
        plan_fail(plan, &job->scratch.problem);
    else
        plan_complete(plan);
}

static void count(const struct job *job, enum metric metric, uint64_t amount)
{
    metrics_add(&job->upstream->endpoint->metrics, metric, amount);
}

/* Some servers quote a key that they refuse. */
static void hide_key(const struct upstream *upstream, char *message)
{
    const char *key = upstream->authorization ? upstream->authorization + strlen("Bearer ") : "";
    for (char *at = message; key[0] && (at = strstr(at, key)) != NULL;)
        memset(at, '*', strlen(key));
}

/* After everything that may have changed the plan. */
static void look(struct job *job)
{
    if (!job->answer)
        return;
    struct plan *plan = &job->answer->plan;
    pass_on_warm_up(job);
    if (plan->state != PLAN_OPEN && job->state != JOB_ENDED) {
        set_state(job, JOB_ENDED);
        count(job, METRIC_UPSTREAM_FAILED, plan->state == PLAN_FAILED);
        hide_key(job->upstream, plan->problem.message);
        if (job->chunks.reading.reasoning)
            job->upstream->reasoning = job->chunks.reading.reasoning;
        upstream_slots_give(&job->upstream->slots, job->slot,
                            plan->state == PLAN_FAILED ? NULL : job->answer->id);
        job->slot = -1;
    }
    answer_wake(job->answer);
}

static void fail(struct job *job, const struct problem *problem)
{
    if (job->answer && job->answer->plan.state == PLAN_OPEN)
        plan_fail(&job->answer->plan, problem);
    look(job);
}

/* -- What comes -----------------------------------------------------------------------------------
 */

static void take(struct job *job, struct str data)
{
    if (job->is_chat)
        upstream_chunks_take(&job->chunks, data);
    else
        upstream_events_take(&job->events, data);
}

static void on_event(void *user, struct str event, struct str data)
{
    struct job *job = user;
    if (job->state == JOB_SENT)
        take(job, data);
}

static void on_head(void *user, int status, struct str content_type)
{
    struct job *job = user;
    job->status = status;
    if (status / 100 != 2 || str_find(content_type, STR("event-stream"), 0) == STR_NONE)
        return;
    job->sse = net_sse_new(LIMIT_UPSTREAM_OUTPUT_BYTES, on_event, job);
    if (job->answer && job->state == JOB_SENT) {
        job->answer->plan.held = false; /* it will not be refused any more */
        answer_wake(job->answer);
    }
}

static void on_body(void *user, struct str bytes)
{
    struct job *job = user;
    struct problem problem;
    size_t limit =
        job->status / 100 == 2 ? LIMIT_UPSTREAM_OUTPUT_BYTES : LIMIT_UPSTREAM_ERROR_BYTES;
    if (job->state != JOB_SENT)
        return;
    loop_timer_start(job->timer, LIMIT_UPSTREAM_SILENT_MS, 0);
    if (job->sse && net_sse_push(job->sse, bytes) < 0) {
        upstream_problem_lost(&problem, "The server behind this endpoint sent an event that is too "
                                        "big.");
        fail(job, &problem);
        return;
    }
    if (!job->sse && job->text.len + bytes.len <= limit)
        buf_append(&job->text, bytes);
    look(job);
}

/* A server that does not stream has said all at once. */
static void take_whole(struct job *job)
{
    struct buf event = {0};
    if (job->is_chat) {
        take(job, buf_str(&job->text));
        upstream_chunks_end(&job->chunks);
        return;
    }
    buf_append_c(&event, "{\"type\":\"response.completed\",\"response\":");
    buf_append(&event, job->text.len > 0 ? buf_str(&job->text) : STR("null"));
    buf_append_byte(&event, '}');
    take(job, buf_str(&event));
    buf_finish(&event);
}

static void on_closed(void *user, const struct net_close *close)
{
    struct job *job = user;
    struct problem problem;
    net_http_free(job->http);
    job->http = NULL;
    loop_timer_stop(job->timer);
    if (!job->answer) {
        job_free(job);
        return;
    }
    if (job->state != JOB_SENT)
        return;
    if (close->status < 0) {
        upstream_probe_forget(job->upstream); /* another may answer there next time */
        upstream_problem_lost(&problem, "The server behind this endpoint is lost: %s", close->text);
        fail(job, &problem);
    } else if (job->status / 100 != 2) {
        upstream_problem(&problem, job->status, buf_str(&job->text), close->retry_after_ms);
        fail(job, &problem);
    } else if (!job->sse) {
        take_whole(job);
    } else if (job->is_chat) {
        upstream_chunks_end(&job->chunks);
    } else {
        upstream_events_end(&job->events);
    }
    look(job);
}

static const struct net_http_handlers handlers = {
    .on_head = on_head, .on_body = on_body, .on_closed = on_closed};

static void on_timer(void *user)
{
    struct job *job = user;
    struct problem problem;
    if (!job->answer) {
        job_free(job);
        return;
    }
    upstream_problem_lost(&problem,
                          "The server behind this endpoint has sent nothing for %d minutes.",
                          LIMIT_UPSTREAM_SILENT_MS / 60000);
    fail(job, &problem);
}

/* -- What goes out --------------------------------------------------------------------------------
 */

struct net_http *upstream_open(struct upstream *upstream, const char *method, const char *path,
                               bool from_root, struct buf *body, const struct net_http_handlers *to,
                               void *user, struct err *err)
{
    const struct net_header headers[] = {{"accept", "text/event-stream, application/json"},
                                         {"authorization", upstream->authorization}};
    struct net_target target = {.url = upstream->url,
                                .proxy = upstream->url.tls ? NULL : "none", /* it is loopback */
                                .headers = headers,
                                .header_count = upstream->authorization ? 2 : 1};
    size_t base = strlen(upstream->url.path);
    if (from_root && str_ends_with(str_from(upstream->url.path), STR("/v1")))
        base -= 3;
    snprintf(target.url.path + base, sizeof(target.url.path) - base, "%s", path);
    return net_http_open(upstream->endpoint->net, method, &target, body, to, user, err);
}

static void say(struct answer *answer, const char *key, struct str value)
{
    struct json_writer w;
    json_writer_init(&w, &answer->metadata);
    w.need_comma = true;
    json_write_field_str(&w, key, value);
}

static void append_model(const struct upstream *upstream, struct str asked, struct buf *json)
{
    if (upstream->model)
        json_append_quoted(json, str_from(upstream->model));
    else if (asked.len > 0 && upstream->model_count != 1) /* of one there is no choice */
        buf_append(json, asked);
    else if (upstream->first_model.len > 0)
        buf_append(json, buf_str(&upstream->first_model));
    else
        buf_append_c(json, "\"default\"");
}

static enum status write_body(struct job *job, struct problem *problem)
{
    struct upstream *upstream = job->upstream;
    struct upstream_body *body = &job->body;
    struct buf model = {0};
    append_model(upstream, job->ask.span[FIELD_MODEL], &model);
    body->kind = upstream->kind;
    body->reasoning = upstream->reasoning ? upstream->reasoning : upstream->kind->reasoning;
    body->model = buf_str(&model);
    body->slot = job->slot;
    enum status status = job->is_chat
                             ? upstream_chat_write(body, &job->ask, job->answer->record, problem)
                             : upstream_native_write(body, &job->ask, job->answer->record, problem);
    buf_finish(&model);
    return status;
}

static void take_slot(struct job *job)
{
    const struct record *parent = job->answer->record->parent;
    if (job->upstream->kind->has_slots && job->is_chat)
        job->slot = upstream_slots_take(&job->upstream->slots, parent ? parent->id : NULL);
}

static void init_reader(struct job *job)
{
    const struct upstream_reading reading = {
        .plan = target(job), .tools = &job->body.tools, .call_ids = &job->body.call_ids};
    upstream_chunks_init(&job->chunks, &reading);
    upstream_events_init(&job->events, &reading);
}

static void send(struct job *job)
{
    struct upstream *upstream = job->upstream;
    struct problem problem;
    struct err err;
    if (!job->ask.generate && !upstream->kind->has_slots) {
        plan_complete(&job->answer->plan); /* nothing to be warmed */
        look(job);
        return;
    }
    job->is_chat = upstream->api == UPSTREAM_CHAT;
    take_slot(job);
    uint64_t begun_ns = time_mono_ns();
    enum status status = write_body(job, &problem);
    job->answer->spent_ns[METRIC_STAGE_RENDER] += time_mono_ns() - begun_ns;
    if (status < 0) {
        fail(job, &problem);
        return;
    }
    if (job->body.dropped.len > 0)
        say(job->answer, "lanebridge_left_out", buf_str(&job->body.dropped));
    init_reader(job);
    set_state(job, JOB_SENT);
    count(job, METRIC_UPSTREAM_ASKED, 1);
    count(job, METRIC_UPSTREAM_BYTES, job->body.json.len);
    job->http = upstream_open(upstream, "POST", job->is_chat ? "/chat/completions" : "/responses",
                              false, &job->body.json, &handlers, job, &err);
    if (!job->http) {
        upstream_problem_lost(&problem, "The server behind this endpoint cannot be asked: %s",
                              err.text);
        fail(job, &problem);
        return;
    }
    loop_timer_start(job->timer, LIMIT_UPSTREAM_SILENT_MS, 0);
}

void upstream_on_probed(struct upstream *upstream, const struct problem *problem)
{
    for (size_t i = 0; i < upstream->jobs.len; i++) {
        struct job *job = upstream->jobs.ptr[i];
        if (job->state == JOB_ASKING && problem)
            fail(job, problem);
        else if (job->state == JOB_ASKING)
            send(job);
    }
}

/* -- The engine -----------------------------------------------------------------------------------
 */

static enum status upstream_plan(struct answer *answer, const struct request *request,
                                 const struct intake *intake, const struct record *parent,
                                 struct problem *problem)
{
    struct upstream *upstream = answer->endpoint->upstream;
    struct job *job = mem_new(struct job);
    job->upstream = upstream;
    job->answer = answer;
    job->slot = -1;
    job->timer = loop_timer_new(answer->endpoint->loop, on_timer, job);
    upstream_ask_copy(&job->ask, request);
    plan_init(&job->scratch);
    vec_push(&upstream->jobs, job);
    if (intake->tools.len > 0) {
        shared_unref(answer->record->tools);
        answer->record->tools = shared_new(intake->tools);
    }
    answer->work = job;
    answer->plan.held = true;
    answer->plan.pace.chunk = INT64_MAX; /* as it comes */
    return STATUS_OK;
}

static void upstream_start(struct answer *answer)
{
    struct upstream *upstream = answer->endpoint->upstream;
    struct job *job = answer->work;
    if (upstream->probe.step == PROBE_OVER) {
        send(job);
        return;
    }
    set_state(job, JOB_ASKING);
    upstream_probe_start(upstream);
}

static void upstream_cancel(struct answer *answer)
{
    struct job *job = answer->work;
    answer->work = NULL;
    if (!job)
        return;
    job->answer = NULL;
    count(job, METRIC_UPSTREAM_DROPPED, job->state == JOB_SENT);
    upstream_slots_give(&job->upstream->slots, job->slot, NULL);
    job->slot = -1;
    if (job->state == JOB_ENDED && job->http)
        loop_timer_start(job->timer, LINGER_MS, 0);
    else
        job_free(job); /* drops the connection, which the server takes for a cancel */
}

static void upstream_append_model(const struct endpoint *endpoint, const struct request *request,
                                  struct buf *name)
{
    struct buf json = {0};
    append_model(endpoint->upstream, request->span[FIELD_MODEL], &json);
    json_raw_decode(buf_str(&json), name);
    buf_finish(&json);
}

static void upstream_append_models(const struct endpoint *endpoint, struct buf *list)
{
    upstream_probe_start(endpoint->upstream); /* for who asks later, if it was not there */
    buf_append(list, buf_str(&endpoint->upstream->models));
}

const struct engine engine_upstream = {
    .about = "upstream: another server's model, asked by HTTP",
    .usage = "as that server counts; what it does not say is estimated: bytes / 4",
    .plan = upstream_plan,
    .start = upstream_start,
    .cancel = upstream_cancel,
    .append_model = upstream_append_model,
    .append_models = upstream_append_models,
};

/* -- Life -----------------------------------------------------------------------------------------
 */

static enum status read_api(const char *name, enum upstream_api *ret_api, struct err *err)
{
    static const char *const names[] = {
        [UPSTREAM_AUTO] = "auto", [UPSTREAM_RESPONSES] = "responses", [UPSTREAM_CHAT] = "chat"};
    for (size_t i = 0; i < array_count(names); i++) {
        if (name && !str_eq_c(str_from(name), names[i]))
            continue;
        *ret_api = (enum upstream_api)i;
        return STATUS_OK;
    }
    return err_set(err, STATUS_INVALID, "--upstream-api is auto, responses or chat, not \"%s\"",
                   name);
}

static enum status read_url(struct upstream *upstream, const char *text, struct err *err)
{
    if (net_url_parse(str_from(text), &upstream->url, err) < 0)
        return STATUS_INVALID;
    if (upstream->url.websocket)
        return err_set(err, STATUS_INVALID,
                       "the upstream is asked by HTTP: use http:// or https://");
    char *path = upstream->url.path;
    if (strchr(path, '?'))
        return err_set(err, STATUS_INVALID, "the upstream's URL must not have a query: %s", text);
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        path[--len] = '\0';
    if (len == 0)
        snprintf(path, sizeof(upstream->url.path), "/v1");
    return STATUS_OK;
}

struct upstream *upstream_new(struct endpoint *endpoint, const struct endpoint_options *options,
                              struct err *err)
{
    struct upstream *upstream = mem_new(struct upstream);
    struct buf authorization = {0};
    upstream->endpoint = endpoint;
    upstream->kind = &upstream_generic;
    upstream->model = mem_dup_c(options->upstream_model);
    if (options->upstream_key) {
        buf_append_fmt(&authorization, "Bearer %s", options->upstream_key);
        upstream->authorization = buf_take(&authorization);
    }
    if (read_url(upstream, options->upstream_url, err) < 0 ||
        read_api(options->upstream_api, &upstream->wanted, err) < 0) {
        upstream_free(upstream);
        return NULL;
    }
    upstream->api = upstream->wanted;
    upstream_probe_start(upstream);
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (!upstream)
        return;
    while (upstream->jobs.len > 0)
        job_free(vec_last(&upstream->jobs));
    vec_finish(&upstream->jobs);
    net_http_free(upstream->probe.http);
    loop_timer_free(upstream->probe.timer);
    buf_finish(&upstream->probe.body);
    buf_finish(&upstream->models);
    buf_finish(&upstream->first_model);
    vec_finish(&upstream->slots.list);
    mem_free(upstream->authorization);
    mem_free(upstream->model);
    mem_free(upstream);
}
