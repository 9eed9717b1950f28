/* Asks a server once what it is: its models name their owner, llama.cpp's properties its slots, and
 * an empty request to /v1/responses whether there is such a thing. */
#include <string.h>

#include "upstream-internal.h"

enum { PROBE_MS = 10000 };

static void go_on(struct upstream *upstream);

/* -- What was answered ----------------------------------------------------------------------------
 */

static void keep_model(struct upstream *upstream, const struct json_value *model)
{
    struct str id = json_get_str(model, "id");
    const struct upstream_kind *kind = upstream_kind_find(json_get_str(model, "owned_by"));
    if (id.len == 0)
        return;
    upstream->model_count++;
    if (upstream->models.len > 0)
        buf_append_byte(&upstream->models, ',');
    json_append(&upstream->models, model);
    if (upstream->first_model.len == 0)
        json_append_quoted(&upstream->first_model, id);
    if (upstream->kind == &upstream_generic)
        upstream->kind = kind;
}

static void take_models(struct upstream *upstream)
{
    struct json_value *value = NULL;
    if (upstream->probe.status == 200 &&
        json_parse(buf_str(&upstream->probe.body), &value, NULL) == STATUS_OK) {
        upstream->model_count = 0;
        buf_clear(&upstream->models);
        buf_clear(&upstream->first_model);
        for (const struct json_value *m = json_first(json_get(value, "data")); m; m = json_next(m))
            keep_model(upstream, m);
    }
    json_free(value);
}

static void take_props(struct upstream *upstream)
{
    struct json_value *value = NULL;
    int64_t count = 0;
    if (upstream->probe.status == 200 &&
        json_parse(buf_str(&upstream->probe.body), &value, NULL) == STATUS_OK)
        count = json_get_int(value, "total_slots", 0);
    upstream_slots_set_count(&upstream->slots, count > 0 ? (size_t)count : 0);
    json_free(value);
}

/* An empty request is refused by who would take a whole one. LM Studio answers 200 with an error
 * for what it does not have. */
static void take_responses(struct upstream *upstream)
{
    int status = upstream->probe.status;
    bool has_none = status == 404 || status == 405 || status == 501 || status / 100 == 2;
    upstream->api = has_none ? UPSTREAM_CHAT : UPSTREAM_RESPONSES;
}

/* -- Steps ----------------------------------------------------------------------------------------
 */

static void end(struct upstream *upstream, enum probe_step step, const struct problem *problem)
{
    upstream->probe.step = step;
    loop_timer_stop(upstream->probe.timer);
    upstream_on_probed(upstream, problem);
}

static void give_up(struct upstream *upstream, const char *why)
{
    struct problem problem;
    upstream_problem_lost(&problem, "The server behind this endpoint cannot be asked: %s", why);
    end(upstream, PROBE_IDLE, &problem);
}

static enum probe_step next_step(const struct upstream *upstream)
{
    enum probe_step step = upstream->probe.step;
    if (step == PROBE_MODELS && upstream->kind->has_slots)
        return PROBE_PROPS;
    return step != PROBE_RESPONSES && upstream->api == UPSTREAM_AUTO ? PROBE_RESPONSES : PROBE_OVER;
}

static void take(struct upstream *upstream)
{
    static void (*const takes[])(struct upstream * upstream) = {
        [PROBE_MODELS] = take_models,
        [PROBE_PROPS] = take_props,
        [PROBE_RESPONSES] = take_responses,
    };
    struct probe *probe = &upstream->probe;
    if (probe->step == PROBE_MODELS && probe->status >= 500) {
        struct problem problem; /* a model that is being loaded, for instance */
        upstream_problem(&problem, probe->status, buf_str(&probe->body), -1);
        end(upstream, PROBE_IDLE, &problem);
        return;
    }
    takes[probe->step](upstream);
    if (upstream->api == UPSTREAM_AUTO)
        upstream->api = upstream->kind->api;
    probe->step = next_step(upstream);
    if (probe->step == PROBE_OVER)
        end(upstream, PROBE_OVER, NULL);
    else
        go_on(upstream);
}

static void on_head(void *user, int status, struct str content_type)
{
    struct upstream *upstream = user;
    upstream->probe.status = status;
}

static void on_body(void *user, struct str bytes)
{
    struct upstream *upstream = user;
    if (upstream->probe.body.len + bytes.len <= LIMIT_UPSTREAM_ERROR_BYTES)
        buf_append(&upstream->probe.body, bytes);
}

static void on_closed(void *user, const struct net_close *close)
{
    struct upstream *upstream = user;
    net_http_free(upstream->probe.http);
    upstream->probe.http = NULL;
    if (close->status < 0)
        give_up(upstream, close->text);
    else
        take(upstream);
}

static const struct net_http_handlers handlers = {
    .on_head = on_head, .on_body = on_body, .on_closed = on_closed};

static void on_timer(void *user)
{
    struct upstream *upstream = user;
    net_http_free(upstream->probe.http);
    upstream->probe.http = NULL;
    give_up(upstream, "it accepts connections, but does not answer.");
}

static void go_on(struct upstream *upstream)
{
    static const struct {
        const char *method, *path, *body;
        bool from_root;
    } asks[] = {
        [PROBE_MODELS] = {"GET", "/models", NULL, false},
        [PROBE_PROPS] = {"GET", "/props", NULL, true},
        [PROBE_RESPONSES] = {"POST", "/responses", "{}", false},
    };
    struct probe *probe = &upstream->probe;
    struct buf body = {0};
    struct err err;
    bool has_body = asks[probe->step].body != NULL;
    if (has_body)
        buf_append_c(&body, asks[probe->step].body);
    buf_clear(&probe->body);
    probe->status = 0;
    probe->http = upstream_open(upstream, asks[probe->step].method, asks[probe->step].path,
                                asks[probe->step].from_root, has_body ? &body : NULL, &handlers,
                                upstream, &err);
    buf_finish(&body);
    if (!probe->http)
        give_up(upstream, err.text);
    else
        loop_timer_start(probe->timer, PROBE_MS, 0);
}

void upstream_probe_start(struct upstream *upstream)
{
    struct probe *probe = &upstream->probe;
    if (probe->step != PROBE_IDLE)
        return;
    if (!probe->timer)
        probe->timer = loop_timer_new(upstream->endpoint->loop, on_timer, upstream);
    probe->step = PROBE_MODELS;
    go_on(upstream);
}

void upstream_probe_forget(struct upstream *upstream)
{
    if (upstream->probe.step != PROBE_OVER)
        return;
    upstream->probe.step = PROBE_IDLE;
    upstream->api = upstream->wanted;
    upstream->kind = &upstream_generic;
    upstream->reasoning = NULL;
}
