/* The endpoint's models: GET …/v1/models, once a question. */
#include <stdio.h>
#include <string.h>

#include <lanebridge/json.h>

#include "target-internal.h"

enum {
    ANSWER_BYTES = 2 * 1024 * 1024, /* a gateway lists some hundreds, at 200 bytes each */
    MODELS_COUNT = 500,
    WAIT_MS = 10000, /* the key's command included */
    RUNS_COUNT = 8,  /* questions at once */
};

struct models_run {
    struct models *models;
    struct net_http *http;
    struct key_run *key_run;
    struct loop_timer *timer; /* until the answer is in; or what must come later */
    struct buf answer;
    struct err failure;
    int http_status;
    lsp_models_fn *done;
    void *user;
};

struct models {
    struct loop *loop;
    struct net *net;
    struct wire *wire;
    const struct config *config;
    VEC(struct models_run *) runs;
};

static void run_free(struct models_run *run)
{
    struct models *models = run->models;
    for (size_t i = 0; i < models->runs.len; i++)
        if (models->runs.ptr[i] == run)
            vec_remove(&models->runs, i--);
    if (run->http)
        net_http_free(run->http);
    key_run_cancel(run->key_run);
    loop_timer_free(run->timer);
    buf_finish(&run->answer);
    mem_free(run);
}

/* -- What there is ----------------------------------------------------------------------------- */

/* Those that cannot take a turn. */
static bool is_of_use(struct str id)
{
    static const char *const others[] = {"embedding",  "whisper", "tts",      "dall-e",
                                         "image",      "audio",   "realtime", "moderation",
                                         "transcribe", "sora"};
    for (size_t i = 0; i < array_count(others); i++)
        if (str_find(id, str_from(others[i]), 0) != STR_NONE)
            return false;
    return id.len > 0 && id.len <= 200;
}

struct listing {
    struct json_writer *w;
    struct map seen;
    const struct config *config;
};

static void write_efforts(struct json_writer *w, struct str model)
{
    struct str rest = responses_model_efforts(model), one;
    if (rest.len == 0)
        return;
    json_write_key(w, "efforts");
    json_write_begin_array(w);
    while (str_next(&rest, ' ', &one))
        json_write_str(w, one);
    json_write_end_array(w);
}

static void write_model(struct listing *listing, struct str id)
{
    if (id.len == 0 || map_has(&listing->seen, id) || map_count(&listing->seen) >= MODELS_COUNT)
        return;
    map_set(&listing->seen, id, listing);
    json_write_begin_object(listing->w);
    json_write_field_str(listing->w, "id", id);
    if (str_eq_c(id, listing->config->model))
        json_write_field_bool(listing->w, "isDefault", true);
    write_efforts(listing->w, id);
    json_write_end_object(listing->w);
}

/* The model of the settings first; then those with prices, and what the endpoint lists. */
static void write_all(const struct config *config, const struct json_value *listed,
                      struct json_writer *w)
{
    struct listing listing = {.w = w, .config = config};
    struct json_value *prices = NULL;
    write_model(&listing, str_from(config->model));
    if (json_parse(str_from(config->prices_json), &prices, NULL) == STATUS_OK)
        for (const struct json_value *one = json_first(prices); one; one = json_next(one))
            write_model(&listing, json_key(one));
    for (const struct json_value *one = json_first(listed); one; one = json_next(one))
        if (is_of_use(json_get_str(one, "id")))
            write_model(&listing, json_get_str(one, "id"));
    json_free(prices);
    map_finish(&listing.seen);
}

static void finish(struct models_run *run, const struct json_value *listed, bool is_endpoints)
{
    struct buf json = {0};
    struct json_writer w;
    struct err failure = run->failure;
    lsp_models_fn *done = run->done;
    void *user = run->user;
    json_writer_init(&w, &json);
    json_write_begin_object(&w);
    json_write_key(&w, "models");
    json_write_begin_array(&w);
    write_all(run->models->config, listed, &w);
    json_write_end_array(&w);
    json_write_field_c(&w, "source", is_endpoints ? "endpoint" : "settings");
    json_write_end_object(&w);
    run_free(run);
    done(user, failure.status < 0 ? &failure : NULL, buf_str(&json));
    buf_finish(&json);
}

/* -- Asking ------------------------------------------------------------------------------------ */

static void on_head(void *user, int status, struct str content_type)
{
    struct models_run *run = user;
    (void)content_type;
    run->http_status = status;
}

static void on_body(void *user, struct str bytes)
{
    struct models_run *run = user;
    if (run->answer.len + bytes.len <= ANSWER_BYTES)
        buf_append(&run->answer, bytes);
    else
        err_set(&run->failure, STATUS_LIMIT, "the endpoint's list of models is larger than 2 MiB");
}

static void on_closed(void *user, const struct net_close *closed)
{
    struct models_run *run = user;
    struct json_value *value = NULL;
    bool has_none = run->http_status == 404 || run->http_status == 405 || run->http_status == 501;
    if (closed->status < 0 && run->failure.status == STATUS_OK)
        err_set(&run->failure, closed->status, "the list of models could not be had: %s",
                closed->text);
    else if (run->http_status == 401 || run->http_status == 403)
        err_set(&run->failure, STATUS_AUTH,
                "the endpoint does not show its models with this key (HTTP %d)", run->http_status);
    else if (run->http_status != 200 && !has_none && run->failure.status == STATUS_OK)
        err_set(&run->failure, STATUS_IO, "the endpoint answered HTTP %d instead of its models",
                run->http_status);
    bool reads = run->failure.status == STATUS_OK && !has_none;
    if (reads && (json_parse(buf_str(&run->answer), &value, NULL) < 0 ||
                  !json_is(json_get(value, "data"), JSON_ARRAY)))
        err_set(&run->failure, STATUS_PROTOCOL, "the endpoint's list of models cannot be read");
    finish(run, json_get(value, "data"), reads);
    json_free(value);
}

static const struct net_http_handlers handlers = {
    .on_head = on_head, .on_body = on_body, .on_closed = on_closed};

static void on_time(void *user)
{
    struct models_run *run = user;
    if (run->http || run->key_run)
        err_set(&run->failure, STATUS_TIMEOUT,
                "the endpoint did not give its list of models within 10 seconds");
    finish(run, NULL, false);
}

/* "/v1/responses?x=1" becomes "/v1/models?x=1"; false: it does not end so. */
static bool set_path(struct net_url *url)
{
    static const char tail[] = "responses";
    size_t end = strcspn(url->path, "?");
    while (end > 0 && url->path[end - 1] == '/')
        end--;
    if (end < strlen(tail) || strncmp(url->path + end - strlen(tail), tail, strlen(tail)) != 0)
        return false;
    char rest[sizeof(url->path)];
    snprintf(rest, sizeof(rest), "%s", url->path + strcspn(url->path, "?"));
    snprintf(url->path + end - strlen(tail), sizeof(url->path) - end + strlen(tail), "models%s",
             rest);
    return true;
}

/* False: nothing was asked; failure says why, if that is one. */
static bool send(struct models_run *run)
{
    struct models *models = run->models;
    struct target target;
    struct buf key = {0};
    buf_append(&key, wire_key(models->wire));
    enum status status =
        target_init(&target, models->config, &key, NULL, TRANSPORT_HTTP, &run->failure);
    if (status == STATUS_OK && set_path(&target.net.url)) {
        target_add(&target, "accept", "application/json");
        run->http =
            net_http_open(models->net, "GET", &target.net, NULL, &handlers, run, &run->failure);
    }
    wire_keep_key(models->wire, &key);
    target_finish(&target);
    return run->http != NULL;
}

static void on_key(void *user, struct buf *key, const struct err *problem)
{
    struct models_run *run = user;
    run->key_run = NULL;
    if (problem)
        run->failure = *problem;
    else
        wire_keep_key(run->models->wire, key);
    if (problem || !send(run))
        finish(run, NULL, false);
}

static bool ask(struct models_run *run)
{
    struct models *models = run->models;
    if (target_is_replay(models->config))
        return false;
    if (!target_has_key_command(models->config) || wire_key(models->wire).len > 0)
        return send(run);
    run->key_run = key_run_start(models->loop, models->config, on_key, run);
    return true;
}

void models_ask(struct models *models, lsp_models_fn *done, void *user)
{
    struct models_run *run = mem_new(struct models_run);
    *run = (struct models_run){.models = models, .done = done, .user = user};
    run->timer = loop_timer_new(models->loop, on_time, run);
    bool is_full = models->runs.len >= RUNS_COUNT;
    vec_push(&models->runs, run);
    if (is_full)
        err_set(&run->failure, STATUS_LIMIT, "the list of models is being asked for already");
    loop_timer_start(run->timer, !is_full && ask(run) ? WAIT_MS : 0, 0);
}

struct models *models_new(struct loop *loop, struct net *net, struct wire *wire,
                          const struct config *config)
{
    struct models *models = mem_new(struct models);
    models->loop = loop;
    models->net = net;
    models->wire = wire;
    models->config = config;
    return models;
}

void models_free(struct models *models)
{
    if (!models)
        return;
    while (models->runs.len > 0)
        run_free(vec_last(&models->runs));
    vec_finish(&models->runs);
    mem_free(models);
}
