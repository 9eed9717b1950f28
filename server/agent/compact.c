/* Compaction: what the model is sent begins anew. By the endpoint, if it has a request for that;
 * else the model is asked for a summary, on the thread's own lane, and the last messages of the
 * user stay beside it. Until the new beginning is in the journal nothing has changed; then
 * everything has. */
#include "agent-internal.h"

#include <stdio.h>

enum {
    CUTS_COUNT = 3, /* a history that is too long to be summarized loses its older half so often */
    KEPT_BYTES = 64 * 1024, /* of the user's messages beside a summary */
};

static const char summary_prompt[] =
    "Your context is nearly full. Write a summary of this conversation for yourself: you will go "
    "on "
    "from it alone, with the user's last messages beside it. Keep what the user wants and what "
    "they "
    "have decided; what was found out, with names of files, functions and commands; what was "
    "changed, what was checked and how it went; what is left to do, and the next step. No "
    "introduction, no tool calls, no more than about 1,000 words.";
static const char summary_begin[] =
    "<conversation_summary>\nEarlier parts of this conversation were replaced by this summary, "
    "which "
    "you wrote. Files and results may have changed since: read again what you rely on.\n\n";
static const char summary_end[] = "\n</conversation_summary>";
static const char left_out_note[] =
    "<conversation_note>Older parts of this conversation did not fit and are left out."
    "</conversation_note>";

struct compaction {
    enum compact_reason reason;
    char id[ID_BYTES]; /* of the item people see */
    int64_t before_tokens;
    size_t tail; /* items from here on stay as they are: said, and not sent yet */
    unsigned cuts;
    struct responses_compact *request;
    VEC(struct str) view; /* what is to be made shorter; borrowed of the history and of `own` */
    struct history own;
    struct buf summary;
};

/* -- What there is ----------------------------------------------------------------------------- */

static bool is_user_message(struct str item)
{
    struct str role;
    return json_raw_member(item, "role", &role) == STATUS_OK && str_eq_c(role, "\"user\"");
}

/* Of a message that we wrote ourselves in the user's name. */
static bool is_note(struct str item)
{
    return str_find(item, STR("<conversation_summary>"), 0) != STR_NONE ||
           str_find(item, STR("<conversation_note>"), 0) != STR_NONE ||
           str_find(item, STR("<turn_interrupted>"), 0) != STR_NONE ||
           str_find(item, STR("<turn_undone>"), 0) != STR_NONE ||
           str_find(item, STR("<turn_redone>"), 0) != STR_NONE;
}

/* Behind what the model has had a chance to read. */
static size_t find_tail(const struct history *history)
{
    size_t tail = history->items.len;
    while (tail > PREAMBLE_COUNT && is_user_message(history->items.ptr[tail - 1]))
        tail--;
    return tail;
}

bool compact_is_due(const struct agent_turn *turn)
{
    const struct agent_thread *thread = turn->thread;
    const struct agent *agent = thread->agent;
    int64_t size = size_estimate(thread), limit = size_limit(thread);
    bool is_between = turn->timing.steps == 0;
    bool by_itself = responses_compaction_of(agent->env.responses, str_from(thread->model)) ==
                     COMPACTION_IN_RESPONSE;
    bool has_grown = size - thread->context.floor_tokens > limit / 10; /* else it would not help */
    if (thread->helper || by_itself || !has_grown || find_tail(&thread->history) <= PREAMBLE_COUNT)
        return false;
    return size > limit || (is_between && size > size_threshold(thread));
}

/* -- Telling ----------------------------------------------------------------------------------- */

static void append_tokens(struct buf *text, int64_t tokens)
{
    if (tokens < 1000)
        buf_append_fmt(text, "%lld", (long long)tokens);
    else
        buf_append_fmt(text, "%lld,%03lld", (long long)tokens / 1000, (long long)tokens % 1000);
}

void compact_append_text(struct buf *text, int64_t before, int64_t after)
{
    buf_append_c(text, "The conversation was compacted");
    if (before > 0) {
        buf_append_c(text, ": about ");
        append_tokens(text, before);
        buf_append_c(text, " tokens before, ");
        append_tokens(text, after);
        buf_append_c(text, " now");
    }
    buf_append_c(text, ".");
}

static void tell(struct agent_turn *turn, enum agent_event_type type, struct str text, bool ok)
{
    struct agent_event event = agent_event_for(turn, type);
    event.item_id = turn->compaction->id;
    event.item_type = AGENT_COMPACTION;
    event.text = text;
    event.ok = ok;
    agent_emit(turn->thread->agent, &event);
}

/* -- Ending ------------------------------------------------------------------------------------ */

enum compact_reason compact_reason(const struct agent_turn *turn)
{
    return turn->compaction->reason;
}

static void cancel_request(struct compaction *compaction)
{
    responses_compact_cancel(compaction->request);
    compaction->request = NULL;
}

void compact_interrupt(struct agent_turn *turn)
{
    if (!turn->compaction)
        return;
    cancel_request(turn->compaction);
    tell(turn, AGENT_ITEM_COMPLETED, STR(""), false);
}

void compact_free(struct agent_turn *turn)
{
    struct compaction *compaction = turn->compaction;
    if (!compaction)
        return;
    cancel_request(compaction);
    vec_finish(&compaction->view);
    history_finish(&compaction->own);
    buf_finish(&compaction->summary);
    mem_free(compaction);
    turn->compaction = NULL;
}

static void give_up(struct agent_turn *turn, const char *why)
{
    struct compaction *compaction = turn->compaction;
    struct buf text = {0};
    buf_append_fmt(&text, "%s could not be compacted: %s",
                   compaction->reason == COMPACT_NEEDED
                       ? "The conversation is too long for the model and"
                       : "The conversation",
                   why);
    turn->thread->context.floor_tokens = compaction->before_tokens;
    bool is_error = compaction->reason != COMPACT_SIZE; /* then it is said as such */
    tell(turn, AGENT_ITEM_COMPLETED, is_error ? STR("") : buf_str(&text), false);
    turn_on_compacted(turn, text.ptr);
    buf_finish(&text);
}

/* The commit: `items` between the preamble and what was not sent yet. The journal takes all or
 * nothing; if it takes nothing, a restart finds the conversation as long as it was. */
static void begin_anew(struct agent_turn *turn, const struct str *items, size_t count)
{
    struct agent_thread *thread = turn->thread;
    struct compaction *compaction = turn->compaction;
    const struct history *history = &thread->history;
    struct err err = {0};
    VEC(struct str) fresh = {0};
    VEC(uint64_t) seqs = {0};
    for (size_t i = 0; i < PREAMBLE_COUNT; i++)
        vec_push(&fresh, history->items.ptr[i]);
    for (size_t i = 0; i < count; i++)
        vec_push(&fresh, items[i]);
    for (size_t i = compaction->tail; i < history->items.len; i++)
        vec_push(&fresh, history->items.ptr[i]);
    if (journal_compact(thread->agent->env.journal, thread->id, turn->id, fresh.ptr, fresh.len,
                        &err) < 0)
        log_line(LOG_WARN, "journal compaction not kept thread=%s why=\"%s\"", thread->id,
                 err.text);
    /* The journal has them one after the other, or not at all. */
    uint64_t last = journal_item_last_seq(thread->agent->env.journal);
    for (size_t i = 0; i < fresh.len; i++)
        vec_push(&seqs, last + i + 1 > fresh.len ? last + i + 1 - fresh.len : 0);
    history_replace(&thread->history, fresh.ptr, seqs.ptr, fresh.len);
    vec_finish(&fresh);
    vec_finish(&seqs);
    responses_chain_reset(thread->chain);
    tools_thread_forget_advice(thread->tools);
    size_forget(thread);
    thread->context.floor_tokens = size_estimate(thread);

    struct buf text = {0};
    compact_append_text(&text, compaction->before_tokens, thread->context.floor_tokens);
    tell(turn, AGENT_ITEM_COMPLETED, buf_str(&text), true);
    buf_finish(&text);
    turn_on_compacted(turn, NULL);
}

/* -- By a summary ------------------------------------------------------------------------------ */

static void ask_for_summary(struct agent_turn *turn);

static void append_kept(const struct agent_turn *turn, struct history *kept)
{
    const struct compaction *compaction = turn->compaction;
    const struct history *history = &turn->thread->history;
    size_t first = compaction->tail, bytes = 0;
    for (size_t i = compaction->tail; i > PREAMBLE_COUNT; i--) {
        struct str item = history->items.ptr[i - 1];
        if (!is_user_message(item) || is_note(item))
            continue;
        if (bytes + item.len > KEPT_BYTES)
            break;
        bytes += item.len;
        first = i - 1;
    }
    for (size_t i = first; i < compaction->tail; i++)
        if (is_user_message(history->items.ptr[i]) && !is_note(history->items.ptr[i]))
            history_push(kept, history->items.ptr[i], 0);
}

static void take_summary(struct agent_turn *turn)
{
    struct compaction *compaction = turn->compaction;
    struct history kept = {0};
    struct buf text = {0}, json = {0};
    append_kept(turn, &kept);
    buf_append_c(&text, summary_begin);
    buf_append(&text, buf_str(&compaction->summary));
    buf_append_c(&text, summary_end);
    history_format_message(&json, "user", buf_str(&text));
    history_push(&kept, buf_str(&json), 0);
    buf_finish(&text);
    buf_finish(&json);
    begin_anew(turn, kept.items.ptr, kept.items.len);
    history_finish(&kept);
}

static void on_summary_item(void *user, const struct responses_item *item)
{
    struct agent_turn *turn = user;
    if (turn->state != TURN_COMPACTING || !str_eq_c(item->type, "message"))
        return;
    const struct json_value *part = json_first(json_get(item->value, "content"));
    for (; part; part = json_next(part))
        buf_append(&turn->compaction->summary, json_get_str(part, "text"));
}

static void on_summary_retry(void *user, const char *what, uint64_t wait_ms)
{
    struct agent_turn *turn = user;
    (void)wait_ms;
    if (turn->compaction)
        buf_clear(&turn->compaction->summary);
    turn->timing.retries++;
    struct agent_event event = agent_event_for(turn, AGENT_NOTICE);
    event.text = str_from(what);
    agent_emit(turn->thread->agent, &event);
}

static void on_summary_end(void *user, const struct responses_result *result)
{
    struct agent_turn *turn = user;
    struct compaction *compaction = turn->compaction;
    turn->response = NULL;
    turn_count(turn, result);
    audit_note_tokens(turn->thread, result);
    turn->thread->history.generation++; /* the server holds what is not in it */
    responses_chain_reset(turn->thread->chain);
    bool has_text = str_trim(buf_str(&compaction->summary)).len > 0;
    if (turn->state == TURN_SETTLING) {
        compact_free(turn);
        turn_advance(turn);
    } else if (has_text && result->end != RESPONSE_FAILED) {
        take_summary(turn);
    } else if (size_is_too_long(result) && compaction->cuts < CUTS_COUNT) {
        compaction->cuts++;
        ask_for_summary(turn);
    } else {
        char why[sizeof(result->text)];
        snprintf(why, sizeof(why), "%s",
                 result->text[0] ? result->text : "the model wrote no summary");
        give_up(turn, why);
    }
}

/* The view ends with words of ours that no journal has; before them it is the thread's own. */
static void note_sent(struct agent_turn *turn, size_t own, size_t bytes, size_t tools_bytes)
{
    size_t items = turn->compaction->view.len - own, tail = turn->compaction->tail;
    struct responses_sent sent = {.first = tail > items ? tail - items : 0,
                                  .count = tail,
                                  .bytes = bytes,
                                  .tools_bytes = tools_bytes};
    audit_on_sent(turn->thread, turn->id, "compaction", &sent);
}

static void on_summary_sent(void *user, const struct responses_sent *sent)
{
    struct agent_turn *turn = user;
    if (turn->compaction)
        note_sent(turn, turn->compaction->own.items.len, sent->bytes, sent->tools_bytes);
}

static const struct responses_handlers summary_handlers = {.on_item_done = on_summary_item,
                                                           .on_retry = on_summary_retry,
                                                           .on_sent = on_summary_sent,
                                                           .on_end = on_summary_end};

static bool is_output(struct str item)
{
    struct str type;
    return json_raw_member(item, "type", &type) == STATUS_OK &&
           str_ends_with(type, STR("_output\""));
}

/* Where the later half, quarter, … begins: so that no output is without its call and no call
 * without the reasoning before it, behind an output that no other follows, or at a message of the
 * user. */
static size_t find_cut(const struct history *history, size_t tail, unsigned cuts)
{
    size_t bytes = 0, kept = 0, cut = tail;
    for (size_t i = PREAMBLE_COUNT; i < tail; i++)
        bytes += history->items.ptr[i].len;
    for (size_t i = tail; i > PREAMBLE_COUNT; i--) {
        struct str item = history->items.ptr[i - 1];
        bool can_begin =
            is_user_message(item) ||
            (i - 1 > PREAMBLE_COUNT && is_output(history->items.ptr[i - 2]) && !is_output(item));
        kept += item.len;
        if (kept > bytes >> cuts)
            break;
        if (can_begin)
            cut = i - 1;
    }
    return cut;
}

static void push_own(struct compaction *compaction, const char *role, const char *text)
{
    struct buf json = {0};
    history_format_message(&json, role, str_from(text));
    history_push(&compaction->own, buf_str(&json), 0);
    vec_push(&compaction->view, vec_last(&compaction->own.items));
    buf_finish(&json);
}

static void fill_summary_view(struct agent_turn *turn)
{
    struct compaction *compaction = turn->compaction;
    const struct history *history = &turn->thread->history;
    size_t first = PREAMBLE_COUNT;
    if (compaction->cuts > 0)
        first = find_cut(history, compaction->tail, compaction->cuts);
    vec_clear(&compaction->view);
    for (size_t i = 0; i < PREAMBLE_COUNT; i++)
        vec_push(&compaction->view, history->items.ptr[i]);
    if (compaction->cuts > 0)
        push_own(compaction, "user", left_out_note);
    for (size_t i = first; i < compaction->tail; i++)
        vec_push(&compaction->view, history->items.ptr[i]);
    push_own(compaction, "user", summary_prompt);
}

static struct str view_item(void *user, size_t index)
{
    const struct compaction *compaction = user;
    return compaction->view.ptr[index];
}

static struct responses_request request_for(struct agent_turn *turn)
{
    struct agent_thread *thread = turn->thread;
    struct compaction *compaction = turn->compaction;
    return (struct responses_request){.model = str_from(thread->model),
                                      .prompt_cache_key = str_from(thread->id),
                                      .history = {.item = view_item,
                                                  .user = compaction,
                                                  .count = compaction->view.len,
                                                  .generation = thread->history.generation}};
}

/* With the same tools as ever: they are part of what the server has cached. */
static void ask_for_summary(struct agent_turn *turn)
{
    struct agent *agent = turn->thread->agent;
    struct err err = {0};
    buf_clear(&turn->compaction->summary);
    fill_summary_view(turn);
    turn->asked_ms = loop_now_ms(agent->env.loop);
    struct responses_request request = request_for(turn);
    request.effort = thread_effort(turn->thread);
    request.tools = buf_str(&turn->thread->tools_json);
    request.parallel_tool_calls = true;
    request.extra = STR("\"tool_choice\":\"none\"");
    turn->response = responses_create(turn->thread->chain, &request, &summary_handlers, turn, &err);
    if (!turn->response)
        give_up(turn, err.text);
}

/* -- By the endpoint --------------------------------------------------------------------------- */

static void on_compacted(void *user, const struct responses_compact_result *result)
{
    struct agent_turn *turn = user;
    turn->compaction->request = NULL;
    note_sent(turn, 0, result->bytes_sent, 0);
    spent_note(turn->thread, &result->usage);
    turn->usage = (struct responses_usage){
        .input_tokens = turn->usage.input_tokens + result->usage.input_tokens,
        .cached_tokens = turn->usage.cached_tokens + result->usage.cached_tokens,
        .output_tokens = turn->usage.output_tokens + result->usage.output_tokens,
        .reasoning_tokens = turn->usage.reasoning_tokens + result->usage.reasoning_tokens};
    turn->timing.bytes_sent += result->bytes_sent;
    turn->timing.bytes_received += result->bytes_received;
    turn->timing.model_ms += loop_now_ms(turn->thread->agent->env.loop) - turn->asked_ms;
    if (result->end == COMPACT_DONE) {
        begin_anew(turn, result->items, result->count);
        return;
    }
    log_line(LOG_INFO, "compaction by the endpoint failed thread=%s code=%s", turn->thread->id,
             result->code);
    ask_for_summary(turn);
}

/* The preamble stands before its answer again, so it is not a part of what is compacted. */
static bool ask_endpoint(struct agent_turn *turn)
{
    struct compaction *compaction = turn->compaction;
    struct agent *agent = turn->thread->agent;
    vec_clear(&compaction->view);
    for (size_t i = PREAMBLE_COUNT; i < compaction->tail; i++)
        vec_push(&compaction->view, turn->thread->history.items.ptr[i]);
    turn->asked_ms = loop_now_ms(agent->env.loop);
    struct responses_request request = request_for(turn);
    request.instructions = context_instructions();
    compaction->request =
        responses_compact(agent->env.responses, &request, on_compacted, turn, NULL);
    return compaction->request != NULL;
}

void compact_start(struct agent_turn *turn, enum compact_reason reason)
{
    struct agent_thread *thread = turn->thread;
    struct compaction *compaction = mem_new(struct compaction);
    turn->compaction = compaction;
    compaction->reason = reason;
    compaction->before_tokens = size_estimate(thread);
    compaction->tail = find_tail(&thread->history);
    id_make("item", compaction->id);
    tell(turn, AGENT_ITEM_STARTED, STR(""), true);
    if (turn->state != TURN_COMPACTING) { /* who was told has stopped it */
        compact_free(turn);
        turn_advance(turn);
    } else if (compaction->tail <= PREAMBLE_COUNT) {
        give_up(turn, "there is nothing in it yet that could be left out.");
    } else if (responses_compaction_of(thread->agent->env.responses, str_from(thread->model)) !=
                   COMPACTION_BY_REQUEST ||
               !ask_endpoint(turn)) {
        ask_for_summary(turn);
    }
}

/* -- By a response itself ---------------------------------------------------------------------- */

/* In the journal at once; in memory when the response has ended, because until then its request may
 * be looked at. */
void compact_on_item(struct agent_turn *turn, struct str raw)
{
    struct agent_thread *thread = turn->thread;
    struct history *history = &thread->history;
    struct err err = {0};
    struct str fresh[PREAMBLE_COUNT + 1];
    for (size_t i = 0; i < PREAMBLE_COUNT; i++)
        fresh[i] = history->items.ptr[i];
    fresh[PREAMBLE_COUNT] = raw;
    if (journal_compact(thread->agent->env.journal, thread->id, turn->id, fresh, array_count(fresh),
                        &err) < 0)
        log_line(LOG_WARN, "journal compaction not kept thread=%s why=\"%s\"", thread->id,
                 err.text);
    turn->shortened_at = history->items.len;
    history_push(history, raw, journal_item_last_seq(thread->agent->env.journal));
}

void compact_settle_item(struct agent_turn *turn)
{
    struct agent_thread *thread = turn->thread;
    struct history *history = &thread->history;
    VEC(struct str) fresh = {0};
    VEC(uint64_t) seqs = {0};
    if (turn->shortened_at == 0)
        return;
    uint64_t first = history->seqs.ptr[turn->shortened_at];
    for (size_t i = 0; i < PREAMBLE_COUNT; i++) { /* they were journalled anew before it */
        vec_push(&fresh, history->items.ptr[i]);
        vec_push(&seqs, first > PREAMBLE_COUNT ? first - PREAMBLE_COUNT + i : 0);
    }
    for (size_t i = turn->shortened_at; i < history->items.len; i++) {
        vec_push(&fresh, history->items.ptr[i]);
        vec_push(&seqs, history->seqs.ptr[i]);
    }
    history_replace(history, fresh.ptr, seqs.ptr, fresh.len);
    vec_finish(&fresh);
    vec_finish(&seqs);
    turn->shortened_at = 0;
    responses_chain_reset(thread->chain);
    tools_thread_forget_advice(thread->tools);
    size_forget(thread);
    thread->context.floor_tokens = size_estimate(thread);
}
