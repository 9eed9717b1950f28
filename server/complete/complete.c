/* Questions, the pause before somebody is asked, and the responses that run. */
#include "complete-internal.h"

#include <string.h>

enum {
    PAUSE_MIN_MS = 75,
    PAUSE_MAX_MS = 300,
    BLANK_LINES = 8, /* looked through for the next one that is not */
    REST_MS = 30000, /* after a failure nobody is asked for so long, unless by key */
};

/* A question that waits: for a pause in typing, for a response that runs, or for a free one. */
struct question {
    struct buf uri, shown_path, ahead;
    int64_t version;
    size_t offset;
    bool is_invoked;
    struct flight *flight; /* whose answer it waits for; NULL */
    complete_answer_fn *on_answer;
    void *user;
};

/* One response. */
struct flight {
    struct complete *complete;
    struct responses_chain *chain;
    struct response *response; /* NULL: free */
    bool is_settled;           /* what comes now is of no use */
    bool is_multi_line;
    bool is_ahead;    /* of the text: good for its question alone */
    uint64_t started; /* order */
    struct place place;
    struct buf item, answer;
    struct buf line_before, line_after, next_line, ending;
};

struct suggestion {
    struct place place;
    struct buf text;
};

struct complete {
    struct complete_env env;
    char *model;
    struct document_observer *observer;
    struct loop_timer *timer;
    struct question *question; /* the open one */
    struct flight flights[COMPLETE_FLIGHTS];
    struct suggestion cache[CACHE_COUNT]; /* the youngest first */
    size_t cache_count;
    struct recents recents;
    struct complete_counts counts;
    uint64_t rest_until_ms;
    bool effort_refused;
};

static void proceed(struct complete *complete);

/* -- Suggestions */

/* Appends what is left of a suggestion for this place, if there is any. */
static bool cache_find(struct complete *complete, const struct document *document, size_t offset,
                       struct buf *left)
{
    struct buf typed = {0};
    bool found = false;
    for (size_t i = 0; i < complete->cache_count && !found; i++) {
        const struct suggestion *suggestion = &complete->cache[i];
        buf_clear(&typed);
        if (!place_typed(&suggestion->place, document, offset, &typed) ||
            typed.len >= suggestion->text.len ||
            !str_starts_with(buf_str(&suggestion->text), buf_str(&typed)))
            continue;
        buf_append(left, str_skip(buf_str(&suggestion->text), typed.len));
        found = true;
    }
    buf_finish(&typed);
    return found;
}

static void suggestion_finish(struct suggestion *suggestion)
{
    place_finish(&suggestion->place);
    buf_finish(&suggestion->text);
}

/* Takes both. */
static void cache_put(struct complete *complete, struct place *place, struct buf *text)
{
    if (complete->cache_count == CACHE_COUNT)
        suggestion_finish(&complete->cache[--complete->cache_count]);
    memmove(complete->cache + 1, complete->cache,
            complete->cache_count++ * sizeof(complete->cache[0]));
    complete->cache[0] = (struct suggestion){.place = *place, .text = *text};
    *place = (struct place){0};
    *text = (struct buf){0};
}

/* -- Answers */

static void question_free(struct question *question)
{
    buf_finish(&question->uri);
    buf_finish(&question->shown_path);
    buf_finish(&question->ahead);
    mem_free(question);
}

static void answer(struct complete *complete, struct str text)
{
    struct question *question = complete->question;
    complete->question = NULL;
    loop_timer_stop(complete->timer);
    complete->counts.suggested_bytes += text.len;
    question->on_answer(question->user, text);
    question_free(question);
}

/* The document asked about, as it was then; else NULL. */
static const struct document *asked_document(struct complete *complete)
{
    const struct question *question = complete->question;
    const struct document *document =
        document_find_uri(complete->env.documents, buf_str(&question->uri));
    return document && document->text && document->version == question->version ? document : NULL;
}

/* From a suggestion, or with nothing. */
static void answer_from_cache(struct complete *complete)
{
    struct buf left = {0};
    const struct document *document = asked_document(complete);
    if (document)
        cache_find(complete, document, complete->question->offset, &left);
    answer(complete, buf_str(&left));
    buf_finish(&left);
}

/* People who type on were asked too early, people who take what they get could be asked sooner. */
static void adapt_pause(struct complete *complete, bool was_early)
{
    uint64_t pause = complete->counts.pause_ms;
    pause = was_early ? pause + pause / 4 : pause - pause / 5;
    complete->counts.pause_ms = pause < PAUSE_MIN_MS   ? PAUSE_MIN_MS
                                : pause > PAUSE_MAX_MS ? PAUSE_MAX_MS
                                                       : pause;
}

/* -- A response */

static struct shape shape_of(const struct flight *flight)
{
    return (struct shape){.line_before = buf_str(&flight->line_before),
                          .line_after = buf_str(&flight->line_after),
                          .next_line = buf_str(&flight->next_line),
                          .ending = buf_str(&flight->ending),
                          .is_multi_line = flight->is_multi_line};
}

/* What came is a suggestion now, and whoever waited for it is answered. */
static void settle(struct flight *flight)
{
    struct complete *complete = flight->complete;
    struct shape shape = shape_of(flight);
    struct buf text = {0};
    if (flight->is_settled)
        return;
    flight->is_settled = true;
    shape_answer(&shape, buf_str(&flight->answer), &text);
    bool is_waited_for = complete->question && complete->question->flight == flight;
    if (is_waited_for)
        adapt_pause(complete, false);
    if (is_waited_for && flight->is_ahead)
        answer(complete, asked_document(complete) ? buf_str(&text) : STR(""));
    else if (text.len > 0 && !flight->is_ahead)
        cache_put(complete, &flight->place, &text);
    if (is_waited_for && !flight->is_ahead)
        answer_from_cache(complete);
    buf_finish(&text);
}

static void flight_clear(struct flight *flight)
{
    struct buf *const texts[] = {&flight->item,       &flight->answer,    &flight->line_before,
                                 &flight->line_after, &flight->next_line, &flight->ending};
    for (size_t i = 0; i < array_count(texts); i++)
        buf_finish(texts[i]);
    place_finish(&flight->place);
}

/* A response that runs says, as far as it has come, what was typed since it was asked. */
static bool fits(const struct flight *flight, const struct document *document, size_t offset)
{
    struct buf typed = {0};
    struct shape shape = shape_of(flight);
    bool fits = false;
    if (flight->response && !flight->is_settled && !flight->is_ahead &&
        place_typed(&flight->place, document, offset, &typed)) {
        struct str front = shape_front(&shape, buf_str(&flight->answer));
        size_t len = front.len < typed.len ? front.len : typed.len;
        fits = str_eq(str_slice(front, 0, len), str_slice(buf_str(&typed), 0, len));
    }
    buf_finish(&typed);
    return fits;
}

/* Its place is free when it has ended (on_end). */
static void drop(struct flight *flight)
{
    flight->is_settled = true;
    flight->complete->counts.dropped++;
    response_interrupt(flight->response);
}

/* Somebody waits for it who has typed something else, as shows now. */
static bool is_waited_for_in_vain(const struct flight *flight)
{
    struct complete *complete = flight->complete;
    if (!complete->question || complete->question->flight != flight || flight->is_ahead)
        return false;
    const struct document *document = asked_document(complete);
    return document && !fits(flight, document, complete->question->offset);
}

static void on_delta(void *user, enum responses_delta_kind kind, size_t output_index,
                     struct str item_id, struct str text)
{
    struct flight *flight = user;
    struct shape shape = shape_of(flight);
    if (kind != DELTA_TEXT || flight->is_settled)
        return;
    buf_append(&flight->answer, text);
    if (is_waited_for_in_vain(flight)) {
        flight->complete->question->flight = NULL;
        drop(flight);
        proceed(flight->complete);
        return;
    }
    if (!shape_is_enough(&shape, buf_str(&flight->answer)))
        return;
    response_interrupt(flight->response);
    settle(flight);
}

/* What came of the request is void. */
static void on_retry(void *user, const char *what, uint64_t wait_ms)
{
    struct flight *flight = user;
    buf_clear(&flight->answer);
}

/* Not every model knows every effort; without one it is asked for its own. */
static void note_failure(struct complete *complete, const struct responses_result *result)
{
    bool is_effort = strstr(result->text, "effort") || strstr(result->text, "reasoning");
    log_line(LOG_INFO, "inline completion failed code=%s why=\"%s\"", result->code, result->text);
    if (is_effort && !complete->effort_refused)
        complete->effort_refused = true;
    else
        complete->rest_until_ms = time_mono_ns() / 1000000 + REST_MS;
}

static void on_end(void *user, const struct responses_result *result)
{
    struct flight *flight = user;
    struct complete *complete = flight->complete;
    flight->response = NULL;
    complete->counts.output_tokens += (uint64_t)result->usage.output_tokens;
    complete->counts.input_tokens += (uint64_t)result->usage.input_tokens;
    if (complete->env.spent)
        complete->env.spent(complete->env.user, str_from(complete->model), &result->usage);
    if (result->end == RESPONSE_FAILED)
        note_failure(complete, result);
    if (result->end == RESPONSE_BROKEN || result->end == RESPONSE_FAILED)
        buf_clear(&flight->answer); /* it may end in the middle of a word */
    settle(flight);
    flight_clear(flight);
    responses_chain_reset(flight->chain);
    if (complete->question && !complete->question->flight && !loop_timer_is_active(complete->timer))
        proceed(complete);
}

static const struct responses_handlers handlers = {
    .on_delta = on_delta, .on_retry = on_retry, .on_end = on_end};

static struct str item_at(void *user, size_t index)
{
    struct flight *flight = user;
    return buf_str(&flight->item);
}

/* -- Asking the model */

static struct flight *free_flight(struct complete *complete)
{
    for (size_t i = 0; i < COMPLETE_FLIGHTS; i++)
        if (!complete->flights[i].response)
            return &complete->flights[i];
    return NULL;
}

/* The oldest is of the least use, unless one is ending already. */
static void drop_oldest(struct complete *complete)
{
    struct flight *oldest = &complete->flights[0];
    for (size_t i = 0; i < COMPLETE_FLIGHTS; i++) {
        if (complete->flights[i].is_settled)
            return;
        if (complete->flights[i].started < oldest->started)
            oldest = &complete->flights[i];
    }
    drop(oldest);
}

static struct str next_line_of(const struct text *text, size_t line)
{
    size_t count = text_line_count(text);
    for (size_t last = line + BLANK_LINES; ++line < count && line <= last;) {
        struct str content = text_line_content(text, line);
        if (str_trim(content).len > 0)
            return content;
    }
    return STR("");
}

/* The ending of the line, or of the first one where it has none. */
static struct str ending_of(const struct text *text, size_t line)
{
    struct str content = text_line_content(text, line), whole = text_line(text, line);
    if (whole.len == content.len && line > 0)
        return ending_of(text, 0);
    return whole.len == content.len ? STR("\n") : str_skip(whole, content.len);
}

static void look_around(struct flight *flight, const struct document *document, size_t offset,
                        struct str ahead)
{
    const struct text *text = document->text;
    size_t line = text_line_of(text, offset), column = offset - text_line_start(text, line);
    struct str content = text_line_content(text, line);
    buf_append(&flight->line_before, str_slice(content, 0, column));
    buf_append(&flight->line_before, ahead);
    buf_append(&flight->line_after, str_skip(content, column));
    buf_append(&flight->next_line, next_line_of(text, line));
    buf_append(&flight->ending, ending_of(text, line));
}

static void launch(struct complete *complete, struct flight *flight,
                   const struct document *document)
{
    struct question *question = complete->question;
    struct err err = {0};
    flight->is_settled = false;
    flight->is_ahead = question->ahead.len > 0;
    flight->started = ++complete->counts.requests;
    place_init(&flight->place, document, question->offset);
    look_around(flight, document, question->offset, buf_str(&question->ahead));
    flight->is_multi_line = shape_fits_lines(buf_str(&flight->line_before),
                                             buf_str(&flight->line_after), question->is_invoked);
    prompt_write(&complete->env, &complete->recents,
                 &(struct prompt){.document = document,
                                  .offset = question->offset,
                                  .shown_path = buf_str(&question->shown_path),
                                  .ahead = buf_str(&question->ahead),
                                  .is_multi_line = flight->is_multi_line},
                 &flight->item);
    struct responses_request request = {
        .model = str_from(complete->model),
        .instructions = str_from(prompt_instructions),
        .effort = complete->effort_refused ? STR("") : STR("none"),
        .max_output_tokens = complete->env.max_tokens,
        .history = {.item = item_at, .user = flight, .count = 1, .generation = flight->started},
    };
    if (!flight->chain)
        flight->chain = responses_chain_new(complete->env.responses, PRIORITY_TYPING);
    question->flight = flight;
    flight->response = responses_create(flight->chain, &request, &handlers, flight, &err);
    if (flight->response)
        return;
    log_line(LOG_INFO, "inline completion not asked why=\"%s\"", err.text);
    complete->rest_until_ms = time_mono_ns() / 1000000 + REST_MS;
    flight_clear(flight);
    answer(complete, STR(""));
}

static bool attach(struct complete *complete, const struct document *document)
{
    struct question *question = complete->question;
    for (size_t i = 0; i < COMPLETE_FLIGHTS && question->ahead.len == 0; i++) {
        struct flight *flight = &complete->flights[i];
        if (!fits(flight, document, question->offset))
            continue;
        question->flight = flight;
        complete->counts.kept_running++;
        return true;
    }
    return false;
}

/* What is next for the open question. */
static void proceed(struct complete *complete)
{
    struct question *question = complete->question;
    struct buf left = {0};
    const struct document *document = asked_document(complete);
    struct flight *flight = free_flight(complete);
    bool is_plain = question->ahead.len == 0;
    if (!document || !complete->env.may_send(complete->env.user, str_from(document->path))) {
        answer(complete, STR(""));
    } else if (is_plain && cache_find(complete, document, question->offset, &left)) {
        complete->counts.from_cache++;
        adapt_pause(complete, false);
        answer(complete, buf_str(&left));
    } else if (attach(complete, document)) {
        log_line(LOG_DEBUG, "inline completion kept");
    } else if (!question->is_invoked && time_mono_ns() / 1000000 < complete->rest_until_ms) {
        answer(complete, STR(""));
    } else if (flight) {
        launch(complete, flight, document);
    } else {
        drop_oldest(complete);
    }
    buf_finish(&left);
}

static void on_timer(void *user)
{
    proceed(user);
}

/* -- Questions */

static bool is_known(struct complete *complete, const struct document *document, size_t offset)
{
    struct buf left = {0};
    bool known = cache_find(complete, document, offset, &left);
    for (size_t i = 0; i < COMPLETE_FLIGHTS && !known; i++)
        known = fits(&complete->flights[i], document, offset);
    buf_finish(&left);
    return known;
}

/* The open question is of yesterday, and a response that says something else than what was typed is
 * no longer worth its tokens, also when the editor has cancelled the question it was for. */
static void supersede(struct complete *complete, const struct document *document, size_t offset,
                      bool is_known)
{
    for (size_t i = 0; i < COMPLETE_FLIGHTS; i++) {
        struct flight *flight = &complete->flights[i];
        if (!flight->response || flight->is_settled || fits(flight, document, offset))
            continue;
        if (!is_known)
            adapt_pause(complete, true);
        drop(flight);
    }
    if (complete->question)
        answer(complete, STR(""));
}

void complete_ask(struct complete *complete, const struct complete_question *asked,
                  complete_answer_fn *on_answer, void *user)
{
    bool known = is_known(complete, asked->document, asked->offset);
    supersede(complete, asked->document, asked->offset, known);
    complete->counts.questions++;
    struct question *question = mem_new(struct question);
    buf_append_c(&question->uri, asked->document->uri);
    buf_append(&question->shown_path, asked->shown_path);
    buf_append(&question->ahead, asked->ahead);
    question->version = asked->document->version;
    question->offset = asked->offset;
    question->is_invoked = asked->is_invoked;
    question->on_answer = on_answer;
    question->user = user;
    complete->question = question;
    loop_timer_start(complete->timer, asked->is_invoked || known ? 0 : complete->counts.pause_ms,
                     0);
}

void complete_cancel(struct complete *complete)
{
    struct question *question = complete->question;
    if (!question)
        return;
    loop_timer_stop(complete->timer);
    complete->question = NULL;
    question_free(question);
}

/* -- Life */

static void on_change(void *user, const struct document_change *change, bool closed)
{
    struct complete *complete = user;
    if (!closed && change->before && change->document->text && change->with.len > 0)
        recents_note(&complete->recents, change->document,
                     text_line_of(change->document->text, change->start));
}

void complete_get_counts(const struct complete *complete, struct complete_counts *ret_counts)
{
    *ret_counts = complete->counts;
}

struct complete *complete_new(const struct complete_env *env)
{
    struct complete *complete = mem_new(struct complete);
    complete->env = *env;
    complete->model = mem_dup_c(env->model);
    complete->env.model = complete->model;
    complete->counts.pause_ms = PAUSE_MIN_MS;
    complete->timer = loop_timer_new(env->loop, on_timer, complete);
    complete->observer = document_observe(env->documents, on_change, complete);
    for (size_t i = 0; i < COMPLETE_FLIGHTS; i++)
        complete->flights[i].complete = complete;
    return complete;
}

void complete_free(struct complete *complete)
{
    if (!complete)
        return;
    document_unobserve(complete->observer);
    loop_timer_free(complete->timer);
    if (complete->question)
        question_free(complete->question);
    for (size_t i = 0; i < COMPLETE_FLIGHTS; i++) {
        responses_chain_free(complete->flights[i].chain);
        flight_clear(&complete->flights[i]);
    }
    for (size_t i = 0; i < complete->cache_count; i++)
        suggestion_finish(&complete->cache[i]);
    recents_finish(&complete->recents);
    mem_free(complete->model);
    mem_free(complete);
}
