/* One POST /v1/responses: a stream of server-sent events, or one whole answer. */
#include "saves-internal.h"

struct exchange {
    struct guest guest;
    struct endpoint *endpoint;
    struct saves saves; /* of this request alone */
    struct net_server_request *http;
    struct answer *answer;
    bool stream, begun;
    bool replied; /* an error was the answer */
    bool garbled; /* a fault: the body is to be no JSON */
    uint64_t begun_ns;
    struct buf last; /* without a stream: the last event that came */
};

static bool is_terminal(const char *type)
{
    static const char *const types[] = {"response.completed", "response.failed",
                                        "response.incomplete"};
    for (size_t i = 0; i < array_count(types); i++)
        if (str_eq_c(str_from(type), types[i]))
            return true;
    return false;
}

/* -- Streams --------------------------------------------------------------------------------------
 */

static void begin(struct exchange *exchange)
{
    static const struct net_header headers[] = {{"cache-control", "no-store"}};
    if (exchange->begun)
        return;
    exchange->begun = true;
    net_request_begin(exchange->http, 200, "text/event-stream", headers, array_count(headers));
}

static void write_event(struct exchange *exchange, const char *type, struct str data)
{
    struct buf text = {0};
    begin(exchange);
    if (type)
        buf_append_fmt(&text, "event: %s\n", type);
    buf_append_c(&text, "data: ");
    buf_append(&text, data);
    buf_append_c(&text, "\n\n");
    endpoint_note(exchange->endpoint, true, buf_str(&text));
    if (net_request_write(exchange->http, &text) < 0)
        buf_finish(&text); /* it reads nothing; its own end will end this */
}

/* -- What the answer calls ------------------------------------------------------------------------
 */

static void on_event(void *user, const char *type, struct buf *json)
{
    struct exchange *exchange = user;
    if (exchange->stream)
        write_event(exchange, type, buf_str(json));
    else if (!type)
        exchange->garbled = true;
    else if (is_terminal(type))
        buf_move(&exchange->last, json);
    buf_finish(json);
}

static void on_error(void *user, const struct problem *problem)
{
    struct exchange *exchange = user;
    if (exchange->begun) {
        struct buf json = {0};
        problem_append_event(&json, problem, (struct str){0}, exchange->answer->sequence);
        write_event(exchange, "error", buf_str(&json));
        buf_finish(&json);
        return;
    }
    exchange->replied = true;
    problem_reply(exchange->http, problem, NULL);
}

static size_t queued(void *user)
{
    const struct exchange *exchange = user;
    return net_request_queued(exchange->http);
}

static void discard(struct exchange *exchange)
{
    struct endpoint *endpoint = exchange->endpoint;
    for (size_t i = 0; i < endpoint->exchanges.len; i++)
        if (endpoint->exchanges.ptr[i] == exchange) {
            vec_remove(&endpoint->exchanges, i--);
            endpoint->request_count--;
        }
    exchange_free(exchange);
}

static void on_leave(void *user, unsigned code)
{
    struct exchange *exchange = user;
    net_request_end(exchange->http, true);
    discard(exchange);
}

static void reply_whole(struct exchange *exchange)
{
    struct str response = STR("{\"id\":\"resp");
    if (!exchange->garbled)
        json_raw_member(buf_str(&exchange->last), "response", &response);
    endpoint_note(exchange->endpoint, true, response);
    net_request_reply(exchange->http, 200, "application/json", NULL, 0, response);
}

static void on_end(void *user, struct record *record)
{
    struct exchange *exchange = user;
    if (exchange->begun) {
        write_event(exchange, NULL, STR("[DONE]"));
        net_request_end(exchange->http, false);
    } else if (!exchange->replied) {
        reply_whole(exchange);
    }
    discard(exchange);
}

static const struct answer_ops ops = {.transport = "http",
                                      .on_event = on_event,
                                      .on_error = on_error,
                                      .queued = queued,
                                      .on_leave = on_leave,
                                      .on_end = on_end};

/* -- Start ----------------------------------------------------------------------------------------
 */

/* Members that exist on WebSockets alone. */
static enum status check(const struct request *request, struct problem *problem)
{
    if (request->span[FIELD_STREAM_ID].len)
        return problem_set(problem, PROBLEM_UNKNOWN_PARAMETER, "stream_id",
                           "Unknown parameter: 'stream_id'.");
    if (request->span[FIELD_GENERATE].len)
        return problem_set(problem, PROBLEM_UNKNOWN_PARAMETER, "generate",
                           "Unknown parameter: 'generate'.");
    return STATUS_OK;
}

static struct answer *make_answer(struct exchange *exchange, struct str body,
                                  struct problem *problem)
{
    struct request request;
    struct record *parent = NULL;
    struct answer *answer = NULL;
    enum status status = request_read(&request, body, problem);
    struct str previous = request_inner(&request, FIELD_PREVIOUS);
    if (status == STATUS_OK)
        status = check(&request, problem);
    if (status == STATUS_OK) /* before a parent is looked for: it may be what is let go */
        status = admit_request(exchange->endpoint, body.len, problem);
    if (status == STATUS_OK && previous.len) {
        parent = store_find_parent(&exchange->endpoint->store, previous);
        metrics_add(&exchange->endpoint->metrics,
                    parent ? METRIC_CACHE_STORED_HITS : METRIC_CACHE_MISSES, 1);
        if (!parent)
            status = problem_set_parent(problem, previous);
    }
    exchange->stream = request.stream;
    request.saves = &exchange->saves;
    if (status == STATUS_OK)
        answer = answer_new(exchange->endpoint, &request, parent, (struct str){0}, &ops, exchange,
                            problem);
    if (answer)
        answer->patient = !request.stream;
    request_finish(&request);
    return answer;
}

static void on_closed(struct guest *guest)
{
    struct exchange *exchange = container_of(guest, struct exchange, guest);
    metrics_add(&exchange->endpoint->metrics, METRIC_RESPONSES_ABANDONED, 1);
    discard(exchange);
}

void exchange_start(struct endpoint *endpoint, struct net_server_request *http, struct str body)
{
    struct exchange *exchange = mem_new(struct exchange);
    struct problem problem;
    exchange->guest.on_closed = on_closed;
    exchange->endpoint = endpoint;
    exchange->http = http;
    exchange->begun_ns = time_mono_ns();
    saves_init(&exchange->saves, endpoint, false);
    metrics_add(&endpoint->metrics, METRIC_REQUESTS_HTTP, 1);
    exchange->answer = make_answer(exchange, body, &problem);
    if (!exchange->answer) {
        uint64_t begun = exchange->begun_ns;
        metrics_add(&endpoint->metrics, METRIC_REQUESTS_REFUSED, 1);
        problem_reply(http, &problem, NULL);
        stages_note_refusal(endpoint, begun);
        exchange_free(exchange);
        return;
    }
    vec_push(&endpoint->exchanges, exchange);
    endpoint->request_count++;
    net_request_set_user(http, &exchange->guest);
    answer_start(exchange->answer);
}

void exchange_free(struct exchange *exchange)
{
    answer_free(exchange->answer);
    saves_finish(&exchange->saves);
    buf_finish(&exchange->last);
    mem_free(exchange);
}
