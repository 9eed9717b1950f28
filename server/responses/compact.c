/* A conversation made shorter by the endpoint: one POST beside the lanes, and its answer. */
#include "responses-internal.h"

#include <string.h>

enum { SENDS_COUNT = 2 }; /* who waits has another way */

struct responses_compact {
    struct responses *client;
    struct request_copy request;
    responses_compact_fn *on_done;
    void *user;
    struct transport *transport;
    struct transport_timer *timer;
    unsigned sends, refused_when_sent;
    bool is_waiting; /* for its second chance */
    uint64_t bytes_sent, bytes_received;
};

enum responses_compaction responses_compaction_of(const struct responses *responses,
                                                  struct str model)
{
    unsigned refused = responses_refused(responses, model);
    const struct responses_profile *profile = &responses->profile;
    bool by_request = profile->compact && !(refused & OPTION_COMPACT);
    bool in_response = profile->context_management && !(refused & OPTION_CONTEXT_MANAGEMENT);
    bool steers = profile->steer && !(refused & OPTION_STEER);
    if (by_request && (steers || !in_response))
        return COMPACTION_BY_REQUEST;
    return in_response ? COMPACTION_IN_RESPONSE : COMPACTION_NONE;
}

/* -- Ending ---------------------------------------------------------------------------------- */

static void close_transport(struct responses_compact *compact)
{
    if (compact->transport)
        compact->transport->ops->close(compact->transport, 1000, "");
    compact->transport = NULL;
}

void responses_compact_cancel(struct responses_compact *compact)
{
    if (!compact)
        return;
    close_transport(compact);
    compact->client->env.timer_free(compact->timer);
    buf_finish(&compact->request.bytes);
    mem_free(compact);
}

/* What it learned is told like everything else that is learned, by the client's own timer. */
static void end(struct responses_compact *compact, struct responses_compact_result *result)
{
    struct responses *client = compact->client;
    responses_compact_fn *on_done = compact->on_done;
    void *user = compact->user;
    result->bytes_sent = compact->bytes_sent;
    result->bytes_received = compact->bytes_received;
    responses_compact_cancel(compact);
    responses_client_defer(client);
    on_done(user, result);
}

static void end_with(struct responses_compact *compact, enum responses_compact_end how,
                     const struct failure *failure)
{
    struct responses_compact_result result = {.end = how};
    responses_copy_id(result.code, sizeof(result.code),
                      failure->code.len ? failure->code : STR("error"));
    responses_copy_text(compact->client, result.text, sizeof(result.text),
                        failure->message.len ? failure->message : failure->code);
    end(compact, &result);
}

/* -- Failures -------------------------------------------------------------------------------- */

static void send(struct responses_compact *compact, uint64_t after_ms);

static bool is_absent(const struct failure *failure)
{
    static const int64_t statuses[] = {404, 405, 410, 501};
    for (size_t i = 0; i < array_count(statuses); i++) {
        if (failure->status == statuses[i])
            return true;
    }
    return str_eq_c(failure->code, "unsupported_endpoint");
}

/* A member that it does not take, and that we have not left out yet. */
static unsigned refused_option(const struct responses_compact *compact,
                               const struct failure *failure)
{
    bool is_refusal = failure->status == 400 || failure->status == 422;
    unsigned option = is_refusal ? responses_option_find(failure->param) : 0;
    return option & ~compact->refused_when_sent;
}

static bool may_pass(const struct failure *failure)
{
    return failure->is_lost || failure->status == 408 || failure->status == 429 ||
           failure->status >= 500;
}

/* May free it. */
static void fail(struct responses_compact *compact, const struct failure *failure)
{
    struct responses *client = compact->client;
    uint64_t wait = responses_backoff_ms(client, compact->sends);
    bool is_told = failure->retry_after_ms >= 0;
    if (is_told)
        wait += (uint64_t)failure->retry_after_ms;
    if (is_absent(failure)) {
        responses_drop_option(client, OPTION_COMPACT);
        end_with(compact, COMPACT_REFUSED, failure);
    } else if (refused_option(compact, failure)) {
        responses_drop_option(client, refused_option(compact, failure));
        send(compact, 0);
    } else if (may_pass(failure) && compact->sends < SENDS_COUNT &&
               wait <= client->deadlines.backoff_max) {
        responses_learn_pause(client, failure, is_told ? wait : 0);
        send(compact, wait);
    } else {
        end_with(compact, COMPACT_FAILED, failure);
    }
}

static void fail_lost(struct responses_compact *compact, struct str code, struct str text,
                      int64_t status)
{
    const struct failure failure = {.code = code,
                                    .message = text,
                                    .status = status,
                                    .retry_after_ms = -1,
                                    .is_lost = status == 0};
    fail(compact, &failure);
}

/* -- The answer ------------------------------------------------------------------------------ */

/* Whole items, and at least one. */
static bool take_items(struct str output, struct str **ret_items, size_t *ret_count)
{
    struct json_raw_iter iter = {.rest = output};
    struct str key, item;
    VEC(struct str) items = {0};
    while (output.len > 0 && output.ptr[0] == '[' && json_raw_next(&iter, &key, &item)) {
        if (item.len == 0 || item.ptr[0] != '{')
            break;
        vec_push(&items, item);
    }
    bool good = !iter.failed && items.len > 0;
    if (good) {
        *ret_items = items.ptr;
        *ret_count = items.len;
    } else {
        vec_finish(&items);
    }
    return good;
}

static void take_answer(struct responses_compact *compact, const struct json_value *value,
                        struct str message)
{
    struct responses_compact_result result = {.end = COMPACT_DONE};
    struct str output = {0}, *items = NULL;
    json_raw_member(message, "output", &output);
    if (!take_items(output, &items, &result.count)) {
        fail_lost(compact, STR("protocol"), STR("the endpoint answered a compaction without items"),
                  200);
        return;
    }
    responses_usage_read(value, &result.usage);
    result.items = items;
    end(compact, &result);
    mem_free(items);
}

static void on_message(void *user, struct str message)
{
    struct responses_compact *compact = user;
    struct json_value *value = NULL;
    struct responses_event event;
    compact->bytes_received += message.len;
    struct buf kept = {0}; /* the message ends with the transport that brought it */
    buf_append(&kept, message);
    close_transport(compact);
    bool good = json_parse(buf_str(&kept), &value, NULL) == STATUS_OK;
    bool is_event = good && json_is(value, JSON_OBJECT) &&
                    (responses_event_read(value, &event, NULL) == STATUS_OK ||
                     responses_event_read_refusal(value, &event));
    if (is_event && event.is_error) {
        const struct failure failure = {.code = event.error_code,
                                        .message = event.error_message,
                                        .param = event.error_param,
                                        .status = event.error_status,
                                        .retry_after_ms = event.retry_after_ms};
        fail(compact, &failure);
    } else if (good && json_is(value, JSON_OBJECT)) {
        take_answer(compact, value, buf_str(&kept));
    } else {
        fail_lost(compact, STR("protocol"), STR("the endpoint's answer to a compaction is no JSON"),
                  200);
    }
    json_free(value);
    buf_finish(&kept);
}

static void on_closed(void *user, const struct transport_close *close)
{
    struct responses_compact *compact = user;
    struct failure failure = {.code = close->status == STATUS_AUTH ? STR("auth")
                                                                   : STR("connection_lost"),
                              .message = str_from(close->text),
                              .status = close->http_status,
                              .retry_after_ms = close->retry_after_ms,
                              .is_lost = close->http_status == 0 && close->status != STATUS_AUTH};
    close_transport(compact);
    fail(compact, &failure);
}

static void on_nothing(void *user)
{
    (void)user;
}

static const struct transport_handlers handlers = {.on_open = on_nothing,
                                                   .on_message = on_message,
                                                   .on_alive = on_nothing,
                                                   .on_closed = on_closed};

/* -- Sending --------------------------------------------------------------------------------- */

static enum status post(struct responses_compact *compact, struct err *err)
{
    struct responses *client = compact->client;
    struct buf body = {0};
    compact->transport =
        client->env.open(client->env.user, TRANSPORT_COMPACT, &handlers, compact, err);
    if (!compact->transport)
        return err && err->status ? err->status : STATUS_IO;
    responses_request_write_compact(&compact->request.request, client->refused, &body);
    compact->refused_when_sent = client->refused;
    compact->bytes_sent += body.len;
    compact->sends++;
    enum status status = compact->transport->ops->send(compact->transport, &body);
    buf_finish(&body);
    if (status < 0) {
        close_transport(compact);
        return err_set(err, status, "the request for a compaction could not be sent");
    }
    /* There is no sign of life on the way: it thinks, or it is gone. */
    client->env.timer_start(compact->timer, client->deadlines.thinking);
    return STATUS_OK;
}

static void on_timer(void *user)
{
    struct responses_compact *compact = user;
    struct err err = {0};
    if (compact->is_waiting) {
        compact->is_waiting = false;
        if (post(compact, &err) < 0)
            fail_lost(compact, STR("connection_impossible"), str_from(err.text), 400);
        return;
    }
    close_transport(compact);
    compact->sends = SENDS_COUNT;
    fail_lost(compact, STR("thinking_timeout"), STR("the endpoint took too long to compact"), 0);
}

static void send(struct responses_compact *compact, uint64_t after_ms)
{
    compact->is_waiting = true;
    compact->client->env.timer_start(compact->timer, after_ms);
}

struct responses_compact *responses_compact(struct responses *responses,
                                            const struct responses_request *request,
                                            responses_compact_fn *on_done, void *user,
                                            struct err *err)
{
    struct responses_compact *compact = mem_new(struct responses_compact);
    compact->client = responses;
    compact->on_done = on_done;
    compact->user = user;
    compact->timer = responses->env.timer_new(responses->env.user, on_timer, compact);
    responses_request_copy(&compact->request, request);
    if (post(compact, err) == STATUS_OK)
        return compact;
    responses_compact_cancel(compact);
    return NULL;
}
