/* Lines of a server's messages, and of what else can happen ("!open", "!drop", "!wait", "!ask",
 * "!stop"), against a client with two conversations: nothing is called back that is over, and each
 * response ends exactly once. */
#include <lanebridge/responses.h>

#include "fuzz.h"

enum { TALKS = 2, WIRES = 64 };

struct wire {
    struct transport transport;
    const struct transport_handlers *handlers;
    void *user;
    bool is_closed, is_open, is_http;
};
struct transport_timer {
    void (*on_fire)(void *user);
    void *user;
    uint64_t due;
};
struct talk {
    struct responses_chain *chain;
    struct response *response;
    size_t count;
};
static struct {
    uint64_t now;
    struct wire wires[WIRES];
    size_t wire_count;
    struct transport_timer timer;
    struct talk talks[TALKS];
} world;

static enum status wire_send(struct transport *transport, struct buf *message)
{
    struct wire *wire = (struct wire *)(void *)transport;
    struct json_value *value = NULL;
    FUZZ_CHECK(!wire->is_closed);
    FUZZ_CHECK(json_parse(buf_str(message), &value, NULL) == STATUS_OK);
    json_free(value);
    buf_finish(message);
    return STATUS_OK;
}

static void wire_ping(struct transport *transport)
{
    FUZZ_CHECK(!((struct wire *)(void *)transport)->is_closed);
}

static void wire_close(struct transport *transport, unsigned code, const char *reason)
{
    struct wire *wire = (struct wire *)(void *)transport;
    (void)code;
    FUZZ_CHECK(!wire->is_closed && reason);
    wire->is_closed = true;
}

static const struct transport_ops wire_ops = {wire_send, wire_ping, wire_close};

static struct transport *env_open(void *user, enum transport_kind kind,
                                  const struct transport_handlers *handlers, void *handlers_user,
                                  struct err *err)
{
    (void)user;
    if (world.wire_count == WIRES) {
        err_set(err, STATUS_LIMIT, "enough");
        return NULL;
    }
    struct wire *wire = &world.wires[world.wire_count++];
    *wire = (struct wire){.handlers = handlers,
                          .user = handlers_user,
                          .transport.ops = &wire_ops,
                          .is_http = kind == TRANSPORT_HTTP,
                          .is_open = kind == TRANSPORT_HTTP};
    return &wire->transport;
}

static uint64_t env_now(void *user)
{
    (void)user;
    return world.now;
}

static uint32_t env_random(void *user)
{
    (void)user;
    return 12345;
}

static struct transport_timer *env_timer_new(void *user, void (*on_fire)(void *fire_user),
                                             void *fire_user)
{
    (void)user;
    world.timer = (struct transport_timer){on_fire, fire_user, 0};
    return &world.timer;
}

static void env_timer_start(struct transport_timer *timer, uint64_t after_ms)
{
    timer->due = world.now + after_ms;
}

static void env_timer_stop(struct transport_timer *timer)
{
    timer->due = 0;
}

static void advance(uint64_t ms)
{
    uint64_t end = world.now + ms;
    for (unsigned fired = 0; world.timer.due && world.timer.due <= end; fired++) {
        FUZZ_CHECK(fired < 100000);
        if (world.timer.due > world.now)
            world.now = world.timer.due;
        world.timer.due = 0;
        world.timer.on_fire(world.timer.user);
    }
    world.now = end;
}

/* -- The caller --------------------------------------------------------------------------------*/

static struct str history_item(void *user, size_t index)
{
    (void)user;
    (void)index;
    return STR("{\"type\":\"message\",\"role\":\"user\",\"content\":\"x\"}");
}

static void on_item_done(void *user, const struct responses_item *item)
{
    struct talk *talk = user;
    struct json_value *value = NULL;
    FUZZ_CHECK(talk->response);
    enum status status = json_parse(item->raw, &value, NULL);
    FUZZ_CHECK(status == STATUS_OK || status == STATUS_UNSUPPORTED);
    json_free(value);
    talk->count++;
}

static void on_delta(void *user, enum responses_delta_kind kind, size_t index, struct str item_id,
                     struct str text)
{
    struct talk *talk = user;
    (void)kind;
    (void)index;
    FUZZ_CHECK(talk->response);
    FUZZ_CHECK(item_id.len == 0 || item_id.ptr);
    FUZZ_CHECK(text.len == 0 || text.ptr);
}

static void on_retry(void *user, const char *what, uint64_t wait_ms)
{
    struct talk *talk = user;
    FUZZ_CHECK(talk->response && talk->count == 0 && what[0]);
    FUZZ_CHECK(wait_ms <= 20 * 60 * 1000);
}

static void on_end(void *user, const struct responses_result *result)
{
    struct talk *talk = user;
    FUZZ_CHECK(talk->response);
    FUZZ_CHECK(talk->count == result->items_done);
    FUZZ_CHECK(result->end != RESPONSE_BROKEN || result->items_done > 0);
    talk->response = NULL;
}

static const struct responses_handlers handlers = {
    .on_item_done = on_item_done, .on_delta = on_delta, .on_retry = on_retry, .on_end = on_end};

static void ask(struct talk *talk)
{
    struct responses_request request = {
        .model = STR("m"), .tools = STR("[]"), .history = {history_item, talk, 3, 1}};
    if (talk->response)
        return;
    talk->count = 0;
    talk->response = responses_create(talk->chain, &request, &handlers, talk, NULL);
}

/* -- What happens ------------------------------------------------------------------------------*/

static struct wire *last_wire(void)
{
    for (size_t i = world.wire_count; i-- > 0;) {
        if (!world.wires[i].is_closed)
            return &world.wires[i];
    }
    return NULL;
}

static void drop(struct wire *wire, int http_status)
{
    struct transport_close close = {.status = STATUS_CLOSED,
                                    .was_open = wire->is_open,
                                    .http_status = http_status,
                                    .retry_after_ms = -1,
                                    .text = "gone"};
    wire->handlers->on_closed(wire->user, &close);
    FUZZ_CHECK(wire->is_closed);
}

static void happen(struct str line)
{
    struct wire *wire = last_wire();
    if (str_eq_c(line, "!wait")) {
        advance(7000);
    } else if (str_eq_c(line, "!ask")) {
        ask(&world.talks[0]);
    } else if (str_eq_c(line, "!ask2")) {
        ask(&world.talks[1]);
    } else if (str_eq_c(line, "!stop") && world.talks[0].response) {
        response_interrupt(world.talks[0].response);
        advance(0);
    } else if (wire && str_eq_c(line, "!open") && !wire->is_open) {
        wire->is_open = true;
        wire->handlers->on_open(wire->user);
    } else if (wire && str_eq_c(line, "!drop")) {
        drop(wire, 0);
    } else if (wire && str_eq_c(line, "!refuse")) {
        drop(wire, 503);
    } else if (wire && wire->is_open && line.len > 0 && line.ptr[0] != '!') {
        wire->handlers->on_message(wire->user, line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct transport_env env = {
        .open = env_open,
        .now_ms = env_now,
        .random = env_random,
        .timer_new = env_timer_new,
        .timer_start = env_timer_start,
        .timer_stop = env_timer_stop,
        .timer_free = env_timer_stop,
    };
    world.now = 1000;
    world.wire_count = 0;
    struct str input = {(const char *)data, size}, line;
    bool has_lanes = size > 0 && data[0] != '#';
    struct responses_options options = {
        .profile = responses_profile_find(has_lanes ? STR("openai") : STR("azure"), STR(""))};
    struct responses *client = responses_new(&env, &options);
    for (size_t i = 0; i < TALKS; i++)
        world.talks[i] = (struct talk){.chain = responses_chain_new(client, PRIORITY_TURN)};
    while (str_next(&input, '\n', &line))
        happen(line);
    advance(30 * 60 * 1000);
    for (size_t i = 0; i < TALKS; i++)
        responses_chain_free(world.talks[i].chain);
    responses_free(client);
    FUZZ_CHECK(!last_wire());
    return 0;
}
