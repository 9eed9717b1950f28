/* The key of the endpoint: from the environment, a command, or the person; asked for again when it
 * is refused. */
#include "wire-internal.h"

#include <stdlib.h>
#include <string.h>

enum { ASKS_MAX = 2 /* for a key, then for another one */ };

struct str wire_key(const struct wire *wire)
{
    return buf_str(&wire->key);
}

/* Is nothing else left that could give a key? */
bool wire_can_ask(const struct wire *wire)
{
    bool has_another = wire->key.len > 0 && !wire->is_asked;
    return !has_another && wire->asker.can && !target_is_replay(wire->config) &&
           !target_has_key_command(wire->config) && wire->asker.can(wire->asker.user);
}

bool link_may_retry_key(const struct link *link)
{
    return target_has_key_command(link->wire->config)
               ? !link->key_retried
               : link->key_asks < ASKS_MAX && wire_can_ask(link->wire);
}

void wire_forget_key(struct wire *wire)
{
    if (wire->key.len > 0)
        explicit_bzero(wire->key.ptr, wire->key.len);
    buf_clear(&wire->key);
}

static void take_key(struct wire *wire, struct buf *key, const struct err *problem)
{
    if (!problem) {
        wire_forget_key(wire);
        buf_finish(&wire->key);
        buf_move(&wire->key, key);
    }
    while (wire->wanting.len > 0) {
        struct link *link = vec_pop(&wire->wanting);
        if (problem)
            link_fail_later(link, problem->status, problem->text);
        else
            link_open(link);
    }
}

static void on_key(void *user, struct buf *key, const struct err *problem)
{
    struct wire *wire = user;
    wire->key_run = NULL;
    take_key(wire, key, problem);
}

static void on_asked_key(void *user, struct str given)
{
    struct wire *wire = user;
    struct err problem = {0};
    struct buf key = {0};
    struct str trimmed = str_trim(given);
    wire->is_asking = false;
    if (trimmed.len == 0)
        (void)config_key_take(wire->config, &key, &problem); /* says what can be done */
    else if (!config_key_is_valid(trimmed))
        err_set(&problem, STATUS_AUTH,
                "that is no API key: it holds blanks or control characters. Enter it again.");
    else
        buf_append(&key, trimmed);
    wire->is_asked = problem.status == STATUS_OK;
    take_key(wire, &key, problem.status < 0 ? &problem : NULL);
    if (key.ptr)
        explicit_bzero(key.ptr, key.len);
    buf_finish(&key);
}

static void ask_key(struct link *link)
{
    struct wire *wire = link->wire;
    bool was_refused = wire->is_asked && wire->key.len > 0;
    link->transport.asks = true;
    link->key_asks++;
    if (wire->is_asking)
        return;
    wire->is_asking = true;
    wire_forget_key(wire);
    wire->asker.ask(wire->asker.user, was_refused, on_asked_key, wire);
}

/* A link that gives up leaves the command running: whoever comes next has its key the sooner. */
static void want_key(struct link *link)
{
    struct wire *wire = link->wire;
    vec_push(&wire->wanting, link);
    link->transport.prepares = true;
    if (link->asks)
        ask_key(link);
    else if (!wire->key_run)
        wire->key_run = key_run_start(wire->loop, wire->config, on_key, wire);
}

/* A key that was good when it was printed may be refused a moment later: asked for once more. */
bool link_retries_key(struct link *link, int http_status)
{
    if (http_status != 401 || !link_may_retry_key(link))
        return false;
    link->key_retried = true;
    link->asks = !target_has_key_command(link->wire->config);
    if (link->ws)
        net_ws_free(link->ws, 0, NULL);
    if (link->http)
        net_http_free(link->http);
    link->ws = NULL;
    link->http = NULL;
    link->http_status = 0;
    buf_clear(&link->answer);
    want_key(link);
    return true;
}

void link_connect(struct link *link)
{
    if (target_has_key_command(link->wire->config) || link->asks)
        want_key(link);
    else
        link_open(link);
}

void wire_set_asker(struct wire *wire, const struct wire_asker *asker)
{
    wire->asker = *asker;
}

const char *wire_key_source(const struct wire *wire, const struct config *config)
{
    const char *value = *config->endpoint_api_key_env ? getenv(config->endpoint_api_key_env) : NULL;
    if (target_is_replay(config))
        return "none needed";
    if (target_has_key_command(config))
        return "command";
    if (wire && wire->key.len > 0)
        return wire->is_asked ? "editor" : "environment";
    if (value && *value)
        return "environment";
    return target_needs_no_key(config) ? "none needed" : "missing";
}

void wire_keep_key(struct wire *wire, struct buf *key)
{
    if (wire->key.len == 0)
        buf_append(&wire->key, buf_str(key));
    if (key->ptr)
        explicit_bzero(key->ptr, key->len);
    buf_finish(key);
}
