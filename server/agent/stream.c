/* What a running response brings: items, deltas, its end. */
#include "agent-internal.h"

static const struct {
    const char *type;
    enum agent_item_type shown_as;
} shown_items[] = {
    {"message", AGENT_MESSAGE},
    {"reasoning", AGENT_REASONING},
    {"compaction", AGENT_COMPACTION},
};

static bool is_call(struct str type)
{
    return str_eq_c(type, "function_call") || str_eq_c(type, "custom_tool_call");
}

static struct turn_item *item_find(struct agent_turn *turn, size_t output_index)
{
    for (size_t i = 0; i < turn->items.len; i++)
        if (turn->items.ptr[i]->output_index == output_index)
            return turn->items.ptr[i];
    return NULL;
}

static struct agent_event event_for(struct agent_turn *turn, struct turn_item *item,
                                    enum agent_event_type type)
{
    struct agent_event event = agent_event_for(turn, type);
    event.item_id = item->id;
    event.item_type = item->type;
    return event;
}

static struct turn_item *item_open(struct agent_turn *turn, size_t output_index,
                                   enum agent_item_type type, struct str id)
{
    struct turn_item *item = item_find(turn, output_index);
    if (item)
        return item;
    item = mem_new(struct turn_item);
    item->output_index = output_index;
    item->type = type;
    if (id.len > 0 && id.len < sizeof(item->id))
        memcpy(item->id, id.ptr, id.len);
    else
        id_make("item", item->id);
    vec_push(&turn->items, item);
    struct agent_event event = event_for(turn, item, AGENT_ITEM_STARTED);
    agent_emit(turn->thread->agent, &event);
    return item;
}

void turn_abandon_items(struct agent_turn *turn, bool is_void)
{
    for (size_t i = 0; i < turn->items.len; i++) {
        struct turn_item *item = turn->items.ptr[i];
        if (item->done)
            continue;
        item->done = true;
        struct agent_event event = event_for(turn, item, AGENT_ITEM_COMPLETED);
        event.text = buf_str(&item->text);
        event.ok = false;
        event.is_void = is_void;
        agent_emit(turn->thread->agent, &event);
    }
}

void turn_drop_items(struct agent_turn *turn)
{
    for (size_t i = 0; i < turn->items.len; i++) {
        buf_finish(&turn->items.ptr[i]->text);
        mem_free(turn->items.ptr[i]);
    }
    vec_clear(&turn->items);
}

static void on_item_added(void *user, const struct responses_item *added)
{
    for (size_t i = 0; i < array_count(shown_items); i++)
        if (str_eq_c(added->type, shown_items[i].type))
            item_open(user, added->output_index, shown_items[i].shown_as, added->id);
}

static void on_delta(void *user, enum responses_delta_kind kind, size_t output_index,
                     struct str item_id, struct str text)
{
    struct agent_turn *turn = user;
    if (kind == DELTA_ARGUMENTS || kind == DELTA_INPUT)
        return; /* a call is shown when it starts */
    bool is_answer = kind == DELTA_TEXT || kind == DELTA_REFUSAL;
    struct turn_item *item =
        item_open(turn, output_index, is_answer ? AGENT_MESSAGE : AGENT_REASONING, item_id);
    if (item->done)
        return;
    buf_append(&item->text, text);
    struct agent_event event = event_for(turn, item, AGENT_ITEM_DELTA);
    event.text = text;
    agent_emit(turn->thread->agent, &event);
}

/* The text people see of a message ("content") or a reasoning item ("summary"). */
void stream_append_text(struct buf *text, const struct json_value *parts)
{
    for (const struct json_value *part = json_first(parts); part; part = json_next(part)) {
        if (text->len > 0)
            buf_append_c(text, "\n\n");
        struct str said = json_get_str(part, "text");
        buf_append(text, said.len > 0 ? said : json_get_str(part, "refusal"));
    }
}

static void complete_shown(struct agent_turn *turn, const struct responses_item *done,
                           enum agent_item_type type)
{
    struct turn_item *item = item_open(turn, done->output_index, type, done->id);
    if (item->done)
        return;             /* who was told that it started has stopped the turn */
    buf_clear(&item->text); /* the item is the authority, deltas were provisional */
    if (type == AGENT_COMPACTION)
        compact_append_text(&item->text, 0, 0);
    else
        stream_append_text(&item->text,
                           json_get(done->value, type == AGENT_MESSAGE ? "content" : "summary"));
    item->done = true;
    struct agent_event event = event_for(turn, item, AGENT_ITEM_COMPLETED);
    event.text = buf_str(&item->text);
    agent_emit(turn->thread->agent, &event);
}

/* Endpoints refuse a reasoning item that nothing follows, as any response may leave one at its end:
 * it becomes history together with the item it led to. */
static void keep_held(struct agent_turn *turn)
{
    for (size_t i = 0; i < turn->held.len; i++)
        thread_append(turn->thread, turn->id, "output", buf_str(&turn->held.ptr[i]));
    turn_drop_held(turn);
}

void turn_drop_held(struct agent_turn *turn)
{
    for (size_t i = 0; i < turn->held.len; i++)
        buf_finish(&turn->held.ptr[i]);
    vec_clear(&turn->held);
}

static void keep(struct agent_turn *turn, const struct responses_item *done)
{
    struct journal *journal = turn->thread->agent->env.journal;
    if (str_eq_c(done->type, "reasoning")) {
        struct buf raw = {0};
        buf_append(&raw, done->raw);
        vec_push(&turn->held, raw);
        return;
    }
    if (str_eq_c(done->type, "compaction") && turn->calls.len == 0) {
        keep_held(turn);
        compact_on_item(turn, done->raw);
        return;
    }
    journal_join(journal); /* a crash in between would leave the reasoning alone */
    keep_held(turn);
    thread_append(turn->thread, turn->id, "output", done->raw);
    journal_commit_later(journal, turn->thread->agent->env.loop);
}

static void on_item_done(void *user, const struct responses_item *done)
{
    struct agent_turn *turn = user;
    if (turn->state == TURN_SETTLING)
        return; /* an interrupted response drains: what comes now was not seen by anybody */
    keep(turn, done);
    if (is_call(done->type)) {
        call_start(turn, done);
        return;
    }
    turn->is_answered |= str_eq_c(done->type, "message") &&
                         str_eq_c(json_get_str(done->value, "phase"), "final_answer");
    for (size_t i = 0; i < array_count(shown_items); i++)
        if (str_eq_c(done->type, shown_items[i].type))
            complete_shown(turn, done, shown_items[i].shown_as);
}

static void on_retry(void *user, const char *what, uint64_t wait_ms)
{
    struct agent_turn *turn = user;
    (void)wait_ms;
    turn_abandon_items(turn, true);
    turn_drop_items(turn);
    turn_take_steers_back(turn);
    turn->timing.retries++;
    struct agent_event event = agent_event_for(turn, AGENT_NOTICE);
    event.text = str_from(what);
    agent_emit(turn->thread->agent, &event);
}

/* What waited for a response to begin. */
static void on_started(void *user, struct str response_id)
{
    (void)response_id;
    turn_offer_steers(user);
}

static void on_steer(void *user, enum responses_steer_outcome outcome)
{
    turn_on_steer(user, outcome);
}

static void on_sent(void *user, const struct responses_sent *sent)
{
    struct agent_turn *turn = user;
    audit_on_sent(turn->thread, turn_public_id(turn), turn->thread->helper ? "helper" : "turn",
                  sent);
}

static void on_end(void *user, const struct responses_result *result)
{
    turn_on_response_end(user, result);
}

const struct responses_handlers turn_stream_handlers = {
    .on_started = on_started,
    .on_sent = on_sent,
    .on_steer = on_steer,
    .on_item_added = on_item_added,
    .on_delta = on_delta,
    .on_item_done = on_item_done,
    .on_retry = on_retry,
    .on_end = on_end,
};
