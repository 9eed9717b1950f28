/* The endpoint: what it is made with, and its life. */
#include <string.h>

#include "saves-internal.h"
#include "upstream-internal.h"

enum { AGE_LIMIT_MS = 60 * 60 * 1000 };

void endpoint_note(struct endpoint *endpoint, bool outgoing, struct str text)
{
    metrics_add(&endpoint->metrics, outgoing ? METRIC_BYTES_SENT : METRIC_BYTES_RECEIVED, text.len);
    if (endpoint->on_traffic)
        endpoint->on_traffic(endpoint->user, outgoing, text);
}

const char *endpoint_model(const struct endpoint *endpoint)
{
    return endpoint->replay ? "lanebridge-replay" : "lanebridge-rules";
}

static void guest_on_closed(void *user)
{
    struct guest *guest = user;
    guest->on_closed(guest);
}

static void *on_conn(void *user, struct net_server_conn *socket)
{
    struct endpoint *endpoint = user;
    metrics_add(&endpoint->metrics, METRIC_CONNECTIONS_OPENED, 1);
    return conn_new(endpoint, socket);
}

static const struct net_server_handlers handlers = {
    .on_upgrade = routes_on_upgrade,
    .on_conn = on_conn,
    .on_message = conn_on_message,
    .on_conn_closed = conn_on_closed,
    .on_request = routes_on_request,
    .on_request_closed = guest_on_closed,
    .on_refuse = routes_on_refuse,
};

/* -- Life -----------------------------------------------------------------------------------------
 */

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

static void set_limits(struct endpoint *endpoint, const struct endpoint_limits *asked)
{
    struct endpoint_limits *limits = &endpoint->limits;
    *limits = *asked;
    limits->memory_bytes = or_default(asked->memory_bytes, LIMIT_ENDPOINT_MEMORY_BYTES);
    limits->store_bytes = or_default(asked->store_bytes, LIMIT_ENDPOINT_FILE_BYTES);
    limits->connections = or_default(asked->connections, LIMIT_ENDPOINT_CONNS_COUNT);
    limits->requests = or_default(asked->requests, LIMIT_ENDPOINT_REQUESTS_COUNT);
    if (limits->lanes == 0 || limits->lanes > LIMIT_LANES_ACTIVE_COUNT)
        limits->lanes = LIMIT_LANES_ACTIVE_COUNT;
}

static enum status check_options(const struct endpoint_options *options, struct err *err)
{
    const char *address = options->address ? options->address : "127.0.0.1";
    if (!options->unix_path && !options->token && !access_is_loopback(str_from(address)))
        return err_set(err, STATUS_INVALID,
                       "others could use an endpoint on %s: give it a token, or listen on "
                       "127.0.0.1",
                       address);
    if (options->without & (1u << ENDPOINT_RESPONSE_CACHE) && !options->store_path)
        return err_set(err, STATUS_INVALID,
                       "without the response cache a response is loaded from the store: give it a "
                       "store's file");
    return STATUS_OK;
}

static enum status load_engine(struct endpoint *endpoint, const struct endpoint_options *options,
                               struct err *err)
{
    endpoint->fingerprint = "rules0";
    endpoint->engine = &engine_rules;
    if (options->upstream_url) {
        endpoint->engine = &engine_upstream;
        endpoint->fingerprint = UPSTREAM_FINGERPRINT;
        endpoint->upstream = upstream_new(endpoint, options, err);
        return endpoint->upstream ? STATUS_OK : STATUS_INVALID;
    }
    if (options->replay.len == 0)
        return STATUS_OK;
    endpoint->replay = replay_parse(options->replay, endpoint->replay_name, err);
    if (!endpoint->replay)
        return STATUS_INVALID;
    endpoint->engine = &engine_replay;
    endpoint->fingerprint = endpoint->replay->fingerprint;
    return STATUS_OK;
}

const char *endpoint_saving_name(enum endpoint_saving saving)
{
    static const char *const names[ENDPOINT_SAVING_COUNT] = {
        [ENDPOINT_TOKENS] = "tokens",
        [ENDPOINT_VALIDATION] = "validation",
        [ENDPOINT_ROUTING] = "routing",
        [ENDPOINT_BOOKKEEPING] = "bookkeeping",
        [ENDPOINT_RESPONSE_CACHE] = "response-cache",
    };
    return names[saving];
}

static enum status load_vocab(struct endpoint *endpoint, const struct endpoint_options *options,
                              struct err *err)
{
    struct err why = {0};
    const char *name = options->vocab_name ? options->vocab_name : "the vocabulary";
    if (options->vocab.len == 0)
        return STATUS_OK;
    endpoint->tokenizer = tokenizer_new(options->vocab, &why);
    if (!endpoint->tokenizer)
        return err_set(err, STATUS_INVALID, "%s is no vocabulary (lines of BASE64 RANK): %s", name,
                       why.text);
    struct buf text = {0};
    buf_append_fmt(&text, "byte-pair tokens (%s, %zu), with this endpoint's own template",
                   tokenizer_split_name(endpoint->tokenizer),
                   tokenizer_token_count(endpoint->tokenizer));
    endpoint->usage_name = buf_take(&text);
    return STATUS_OK;
}

static enum status open_store(struct endpoint *endpoint, const struct endpoint_options *options,
                              struct err *err)
{
    struct keeper *keeper = NULL;
    if (options->store_path) {
        keeper = keeper_new(endpoint->loop, options->store_path, endpoint->limits.store_bytes,
                            &endpoint->metrics, err);
        if (!keeper)
            return STATUS_IO;
    }
    store_init(&endpoint->store, &endpoint->held, keeper, endpoint_restore, endpoint);
    endpoint->store.is_cold = options->without & (1u << ENDPOINT_RESPONSE_CACHE);
    endpoint->store.label_count = endpoint->replay ? endpoint->replay->labels.len : 0;
    return STATUS_OK;
}

struct endpoint *endpoint_new(struct loop *loop, struct net *net,
                              const struct endpoint_options *options, struct err *err)
{
    if (check_options(options, err) < 0)
        return NULL;
    struct endpoint *endpoint = mem_new(struct endpoint);
    endpoint->loop = loop;
    endpoint->net = net;
    endpoint->started_ms = loop_now_ms(loop);
    endpoint->token = mem_dup_c(options->token);
    endpoint->address = mem_dup_c(options->address ? options->address : "127.0.0.1");
    endpoint->replay_name = mem_dup_c(options->replay_name ? options->replay_name : "the replay");
    endpoint->is_unix = options->unix_path != NULL;
    endpoint->without_lanes = options->without_lanes;
    endpoint->without_warm_up = options->without_warm_up;
    endpoint->without_compact = options->without_compact;
    endpoint->without_context_management = options->without_context_management;
    endpoint->without_steering = options->without_steering;
    endpoint->without_additional_tools = options->without_additional_tools;
    endpoint->age_limit_ms = options->age_limit_ms ? options->age_limit_ms : AGE_LIMIT_MS;
    endpoint->on_traffic = options->on_traffic;
    endpoint->user = options->user;
    const struct net_server_options server = {.address = endpoint->address,
                                              .port = options->port,
                                              .unix_path = options->unix_path,
                                              .max_message_bytes = LIMIT_HTTP_BODY_BYTES,
                                              .max_incoming_bytes = LIMIT_ENDPOINT_INCOMING_BYTES};
    set_limits(endpoint, &options->limits);
    endpoint->without = options->without;
    if (options->check_command)
        endpoint->checker = checker_new(loop, &endpoint->metrics, options->check_command);
    endpoint->prototype_append = options->prototype_append;
    if (load_engine(endpoint, options, err) == STATUS_OK &&
        load_vocab(endpoint, options, err) == STATUS_OK &&
        open_store(endpoint, options, err) == STATUS_OK)
        endpoint->server = net_server_new(net, &server, &handlers, endpoint, err);
    if (!endpoint->server) {
        endpoint_free(endpoint);
        return NULL;
    }
    return endpoint;
}

unsigned endpoint_port(const struct endpoint *endpoint)
{
    return net_server_port(endpoint->server);
}

void endpoint_free(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    net_server_free(endpoint->server);
    while (endpoint->conns.len > 0)
        conn_free(vec_pop(&endpoint->conns));
    vec_finish(&endpoint->conns);
    while (endpoint->exchanges.len > 0)
        exchange_free(vec_pop(&endpoint->exchanges));
    vec_finish(&endpoint->exchanges);
    stored_forget_removals(endpoint);
    store_finish(&endpoint->store);
    replay_free(endpoint->replay);
    checker_free(endpoint->checker);
    tokenizer_free(endpoint->tokenizer);
    mem_free(endpoint->usage_name);
    upstream_free(endpoint->upstream);
    mem_free(endpoint->token);
    mem_free(endpoint->address);
    mem_free(endpoint->replay_name);
    mem_free(endpoint);
}
