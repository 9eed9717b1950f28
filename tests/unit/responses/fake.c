#include "fake.h"

#include <stdio.h>
#include <string.h>

const struct responses_deadlines fake_deadlines = {
    .prepare = 400,
    .connect = 100,
    .answer = 60,
    .proof = 250,
    .first_event = 300,
    .silence = 200,
    .pong = 100,
    .thinking = 5000,
    .http_stream = 1000,
    .http_quiet = 2000,
    .drain = 1000,
    .pin_short = 30000,
    .pin_middle = 120000,
    .pin_long = 600000,
    .backoff_first = 20,
    .backoff_max = 160,
    .attempts = 3,
};

/* -- Transport ------------------------------------------------------------------------------- */

static enum status wire_send(struct transport *transport, struct buf *message)
{
    struct fake_wire *wire = (struct fake_wire *)(void *)transport;
    cr_assert_not(wire->is_closed);
    if (wire->fake->refuse_send != STATUS_OK)
        return wire->fake->refuse_send;
    transport->counters.frames_sent++;
    transport->counters.bytes_sent += message->len;
    vec_push(&wire->sent, buf_take(message));
    return STATUS_OK;
}

static void wire_ping(struct transport *transport)
{
    ((struct fake_wire *)(void *)transport)->pings++;
}

static void wire_close(struct transport *transport, unsigned code, const char *reason)
{
    struct fake_wire *wire = (struct fake_wire *)(void *)transport;
    cr_assert_not(wire->is_closed, "closed twice");
    cr_assert_not_null(reason);
    wire->is_closed = true;
    wire->close_code = code;
}

static const struct transport_ops wire_ops = {wire_send, wire_ping, wire_close};

static struct transport *env_open(void *user, enum transport_kind kind,
                                  const struct transport_handlers *handlers, void *handlers_user,
                                  struct err *err)
{
    struct fake *fake = user;
    if (fake->refuse_open != STATUS_OK) {
        err_set(err, fake->refuse_open, "Set LANEBRIDGE_KEY to your key.");
        return NULL;
    }
    struct fake_wire *wire = mem_new(struct fake_wire);
    wire->transport.ops = &wire_ops;
    wire->fake = fake;
    wire->kind = kind;
    wire->transport.prepares = fake->prepares;
    wire->handlers = handlers;
    wire->user = handlers_user;
    vec_push(&fake->wires, wire);
    return &wire->transport;
}

/* -- Clock ----------------------------------------------------------------------------------- */

static uint64_t env_now(void *user)
{
    return ((struct fake *)user)->now;
}

static uint64_t env_slept(void *user)
{
    return ((struct fake *)user)->slept;
}

static uint32_t env_random(void *user)
{
    (void)user;
    return 0; /* every back-off is half of what it may be */
}

static struct transport_timer *env_timer_new(void *user, void (*on_fire)(void *fire_user),
                                             void *fire_user)
{
    struct fake *fake = user;
    struct transport_timer *timer = mem_new(struct transport_timer);
    *timer = (struct transport_timer){fake, on_fire, fire_user, 0};
    vec_push(&fake->timers, timer);
    return timer;
}

static void env_timer_start(struct transport_timer *timer, uint64_t after_ms)
{
    timer->due = timer->fake->now + after_ms;
}

static void env_timer_stop(struct transport_timer *timer)
{
    timer->due = 0;
}

static void env_timer_free(struct transport_timer *timer)
{
    struct fake *fake = timer->fake;
    for (size_t i = 0; i < fake->timers.len; i++) {
        if (fake->timers.ptr[i] == timer) {
            vec_remove(&fake->timers, i);
            break;
        }
    }
    mem_free(timer);
}

static struct transport_timer *next_timer(struct fake *fake)
{
    struct transport_timer *next = NULL;
    for (size_t i = 0; i < fake->timers.len; i++) {
        struct transport_timer *timer = fake->timers.ptr[i];
        if (timer->due && (!next || timer->due < next->due))
            next = timer;
    }
    return next;
}

void fake_advance(struct fake *fake, uint64_t ms)
{
    uint64_t end = fake->now + ms;
    unsigned fired = 0;
    for (struct transport_timer *timer; (timer = next_timer(fake)) && timer->due <= end;) {
        cr_assert_lt(fired++, 10000, "a timer that fires for ever");
        if (timer->due > fake->now)
            fake->now = timer->due;
        timer->due = 0;
        timer->on_fire(timer->user);
    }
    fake->now = end;
}

void fake_settle(struct fake *fake)
{
    fake_advance(fake, 0);
}

/* -- Life ------------------------------------------------------------------------------------ */

static void on_status(void *user, const struct responses_status *status)
{
    struct fake *fake = user;
    buf_append_fmt(&fake->states, "%s%s", fake->states.len ? " " : "",
                   responses_state_name(status->state));
}

static void on_rotated(void *user)
{
    struct fake *fake = user;
    fake->rotations++;
}

void fake_start_options(struct fake *fake, const struct responses_options *options)
{
    *fake = (struct fake){.now = 1000};
    struct transport_env env = {
        .user = fake,
        .open = env_open,
        .now_ms = env_now,
        .slept_ms = env_slept,
        .random = env_random,
        .timer_new = env_timer_new,
        .timer_start = env_timer_start,
        .timer_stop = env_timer_stop,
        .timer_free = env_timer_free,
    };
    fake->client = responses_new(&env, options);
}

void fake_start_with(struct fake *fake, const struct responses_profile *profile,
                     enum responses_transport_choice choice, bool store)
{
    struct responses_options options = {
        .profile = profile,
        .deadlines = &fake_deadlines,
        .transport = choice,
        .store = store,
        .on_status = on_status,
        .on_rotated = on_rotated,
        .user = fake,
    };
    fake_start_options(fake, &options);
}

void fake_start(struct fake *fake, const char *profile, enum responses_transport_choice choice,
                bool store)
{
    const struct responses_profile *found =
        responses_profile_find(str_from(profile), (struct str){0});
    cr_assert_str_eq(found->name, profile);
    fake_start_with(fake, found, choice, store);
}

void fake_stop(struct fake *fake)
{
    responses_free(fake->client);
    cr_assert_eq(fake_open_count(fake), 0, "a transport was left open");
    cr_assert_eq(fake->timers.len, 0, "a timer was left");
    for (size_t i = 0; i < fake->wires.len; i++) {
        struct fake_wire *wire = fake->wires.ptr[i];
        for (size_t j = 0; j < wire->sent.len; j++)
            mem_free(wire->sent.ptr[j]);
        vec_finish(&wire->sent);
        mem_free(wire);
    }
    vec_finish(&fake->wires);
    vec_finish(&fake->timers);
    buf_finish(&fake->states);
}

/* -- The other end --------------------------------------------------------------------------- */

struct fake_wire *fake_wire(struct fake *fake, size_t index)
{
    cr_assert_lt(index, fake->wires.len, "only %zu connections were opened", fake->wires.len);
    return fake->wires.ptr[index];
}

struct fake_wire *fake_last(struct fake *fake)
{
    return fake_wire(fake, fake->wires.len - 1);
}

size_t fake_open_count(const struct fake *fake)
{
    size_t count = 0;
    for (size_t i = 0; i < fake->wires.len; i++)
        count += !fake->wires.ptr[i]->is_closed;
    return count;
}

void fake_accept(struct fake_wire *wire)
{
    cr_assert_not(wire->is_closed);
    wire->handlers->on_open(wire->user);
}

void fake_message(struct fake_wire *wire, struct str message)
{
    cr_assert_not(wire->is_closed, "the client has closed this connection");
    wire->transport.counters.frames_received++;
    wire->transport.counters.bytes_received += message.len;
    wire->handlers->on_message(wire->user, message);
}

static void to_quotes(char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            *text = '"';
    }
}

void fake_event(struct fake_wire *wire, const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_append_vfmt(&text, format, args);
    va_end(args);
    to_quotes(text.ptr);
    fake_message(wire, buf_str(&text));
    buf_finish(&text);
}

void fake_alive(struct fake_wire *wire)
{
    wire->handlers->on_alive(wire->user);
}

void fake_drop(struct fake_wire *wire)
{
    struct transport_close close = {
        .status = STATUS_CLOSED, .was_open = true, .retry_after_ms = -1, .text = "reset by peer"};
    wire->handlers->on_closed(wire->user, &close);
}

/* As net does. */
static enum status status_of_answer(int http_status)
{
    if (http_status == 401 || http_status == 403 || http_status == 407)
        return STATUS_AUTH;
    if (http_status == 429)
        return STATUS_LIMIT;
    return http_status >= 400 && http_status < 500 ? STATUS_PROTOCOL : STATUS_IO;
}

void fake_close(struct fake_wire *wire, unsigned code, enum status status)
{
    struct transport_close close = {.status = status,
                                    .was_open = true,
                                    .close_code = code,
                                    .retry_after_ms = -1,
                                    .text = "the server closed the connection"};
    wire->handlers->on_closed(wire->user, &close);
}

void fake_refuse(struct fake_wire *wire, int http_status, int64_t retry_after_ms)
{
    struct transport_close close = {
        .status = status_of_answer(http_status),
        .http_status = http_status,
        .retry_after_ms = retry_after_ms,
        .text = "the server refused",
    };
    wire->handlers->on_closed(wire->user, &close);
}

const char *fake_sent(const struct fake_wire *wire, size_t index)
{
    cr_assert_lt(index, wire->sent.len, "only %zu frames were sent", wire->sent.len);
    return wire->sent.ptr[index];
}

const char *fake_last_sent(const struct fake_wire *wire)
{
    return fake_sent(wire, wire->sent.len - 1);
}

static bool contains(const char *text, const char *needle)
{
    char *quoted = mem_dup_c(needle);
    to_quotes(quoted);
    bool found = strstr(text, quoted) != NULL;
    mem_free(quoted);
    return found;
}

void fake_assert_sent(const struct fake_wire *wire, size_t index, const char *needle)
{
    const char *frame = fake_sent(wire, index);
    cr_assert(contains(frame, needle), "%s is not in %s", needle, frame);
}

void fake_assert_not_sent(const struct fake_wire *wire, size_t index, const char *needle)
{
    const char *frame = fake_sent(wire, index);
    cr_assert_not(contains(frame, needle), "%s is in %s", needle, frame);
}

struct str fake_lane_of(const char *frame)
{
    struct str span;
    if (json_raw_member(str_from(frame), "stream_id", &span) < 0)
        return (struct str){0};
    return str_slice(span, 1, span.len - 1);
}

struct responses_status fake_status(const struct fake *fake)
{
    struct responses_status status;
    responses_get_status(fake->client, &status);
    return status;
}

/* "" is the default lane: no stream_id. */
static const char *lane_member(const char *lane, char buffer[64])
{
    buffer[0] = '\0';
    if (lane[0])
        snprintf(buffer, 64, ",'stream_id':'%s'", lane);
    return buffer;
}

void fake_created(struct fake_wire *wire, const char *lane, const char *id)
{
    char member[64];
    fake_event(wire, "{'type':'response.created'%s,'response':{'id':'%s'}}",
               lane_member(lane, member), id);
}

void fake_item(struct fake_wire *wire, const char *lane, const char *item_id, const char *text)
{
    char member[64];
    fake_event(wire,
               "{'type':'response.output_item.done'%s,'item':{'type':'message','id':'%s',"
               "'role':'assistant','content':[{'type':'output_text','text':'%s'}]}}",
               lane_member(lane, member), item_id, text);
}

void fake_completed(struct fake_wire *wire, const char *lane, const char *id)
{
    char member[64];
    fake_event(wire,
               "{'type':'response.completed'%s,'response':{'id':'%s','usage':{'input_tokens':10,"
               "'input_tokens_details':{'cached_tokens':4},'output_tokens':7,"
               "'output_tokens_details':{'reasoning_tokens':2}}}}",
               lane_member(lane, member), id);
}

void fake_answer(struct fake_wire *wire, const char *lane, const char *id, const char *text)
{
    char item_id[64];
    snprintf(item_id, sizeof(item_id), "m-%s", id);
    fake_created(wire, lane, id);
    fake_item(wire, lane, item_id, text);
    fake_completed(wire, lane, id);
}

/* -- Caller ---------------------------------------------------------------------------------- */

static void put(struct caller *caller, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct caller *caller, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (caller->log.len > 0)
        buf_append_c(&caller->log, "; ");
    buf_append_vfmt(&caller->log, format, args);
    va_end(args);
}

static void on_started(void *user, struct str response_id)
{
    put(user, "started " STR_FMT, STR_ARG(response_id));
}

static void on_item_added(void *user, const struct responses_item *item)
{
    put(user, "added %zu " STR_FMT, item->output_index, STR_ARG(item->type));
}

static void on_delta(void *user, enum responses_delta_kind kind, size_t output_index,
                     struct str item_id, struct str text)
{
    static const char *const kinds[] = {"text", "refusal", "summary", "reasoning", "args", "input"};
    (void)item_id;
    put(user, "%s %zu " STR_FMT, kinds[kind], output_index, STR_ARG(text));
}

static void on_item_done(void *user, const struct responses_item *item)
{
    struct caller *caller = user;
    put(caller, "item %zu " STR_FMT " " STR_FMT, item->output_index, STR_ARG(item->type),
        STR_ARG(item->id));
    snprintf(caller->last_type, 32, STR_FMT, STR_ARG(item->type));
    snprintf(caller->last_call_id, 32, STR_FMT, STR_ARG(item->call_id));
    snprintf(caller->last_name, 32, STR_FMT, STR_ARG(item->name));
    snprintf(caller->last_arguments, 32, STR_FMT, STR_ARG(item->arguments));
    if (caller->adopts)
        vec_push(&caller->history, str_dup_c(item->raw));
}

static void on_retry(void *user, const char *what, uint64_t wait_ms)
{
    struct caller *caller = user;
    cr_assert(what[0]);
    caller->retries++;
    put(caller, "retry %llu", (unsigned long long)wait_ms);
}

static void on_unknown(void *user, struct str type, struct str raw)
{
    cr_assert_gt(raw.len, 0);
    put(user, "unknown " STR_FMT, STR_ARG(type));
}

static void on_end(void *user, const struct responses_result *result)
{
    static const char *const ends[] = {"completed", "incomplete", "failed", "broken",
                                       "interrupted"};
    struct caller *caller = user;
    caller->response = NULL;
    caller->result = *result;
    caller->ends++;
    put(caller, "end %s%s%s", ends[result->end], result->code[0] ? " " : "", result->code);
}

static void on_steer(void *user, enum responses_steer_outcome outcome)
{
    static const char *const outcomes[] = {"applied", "pending", "returned"};
    struct caller *caller = user;
    put(caller, "steer %s", outcomes[outcome]);
    if (outcome != STEER_RETURNED)
        vec_push(&caller->history, mem_dup_c(caller->given));
}

static const struct responses_handlers handlers = {.on_started = on_started,
                                                   .on_item_added = on_item_added,
                                                   .on_delta = on_delta,
                                                   .on_item_done = on_item_done,
                                                   .on_retry = on_retry,
                                                   .on_unknown = on_unknown,
                                                   .on_steer = on_steer,
                                                   .on_end = on_end};

enum status caller_steer(struct caller *caller, const char *item)
{
    caller->given = item;
    struct str items = str_from(item);
    return responses_steer(caller->response, &items, 1, NULL);
}

static struct str history_item(void *user, size_t index)
{
    struct caller *caller = user;
    cr_assert_lt(index, caller->history.len);
    return str_from(caller->history.ptr[index]);
}

void caller_start(struct caller *caller, struct fake *fake, enum responses_priority priority)
{
    *caller = (struct caller){
        .fake = fake, .generation = 1, .adopts = true, .request = {.model = STR("m")}};
    caller->chain = responses_chain_new(fake->client, priority);
}

void caller_finish(struct caller *caller)
{
    responses_chain_free(caller->chain);
    for (size_t i = 0; i < caller->history.len; i++)
        mem_free(caller->history.ptr[i]);
    vec_finish(&caller->history);
    buf_finish(&caller->log);
}

void caller_push(struct caller *caller, const char *item)
{
    char *text = mem_dup_c(item);
    to_quotes(text);
    vec_push(&caller->history, text);
}

void caller_say(struct caller *caller, const char *text)
{
    char item[256];
    snprintf(item, sizeof(item), "{'type':'message','role':'user','content':'%s'}", text);
    caller_push(caller, item);
}

bool caller_create(struct caller *caller)
{
    struct err err = {0};
    caller->request.history =
        (struct responses_history){history_item, caller, caller->history.len, caller->generation};
    unsigned ends = caller->ends;
    caller->response = responses_create(caller->chain, &caller->request, &handlers, caller, &err);
    cr_assert_eq(caller->ends, ends, "called back before the call returned");
    return caller->response != NULL;
}

void caller_interrupt(struct caller *caller)
{
    unsigned ends = caller->ends;
    response_interrupt(caller->response);
    cr_assert_eq(caller->ends, ends, "called back before the call returned");
}

void caller_assert_log(struct caller *caller, const char *expected)
{
    cr_assert_str_eq(caller->log.ptr ? caller->log.ptr : "", expected);
    buf_clear(&caller->log);
    buf_append_c(&caller->log, "");
}

void caller_assert_ended(const struct caller *caller, enum responses_end end)
{
    cr_assert_gt(caller->ends, 0, "it has not ended: %s", caller->log.ptr ? caller->log.ptr : "");
    cr_assert_null(caller->response);
    cr_assert_eq(caller->result.end, end, "%s", caller->log.ptr ? caller->log.ptr : "");
}
