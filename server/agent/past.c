/* What was said and done in a thread, as the journal has it: nothing is opened for it. */
#include "agent-internal.h"

#include <stdio.h>

struct past_turn {
    char *id, *status, *usage, *error, *prompt;
    uint64_t started_ms, ended_ms;
};

struct past {
    struct agent *agent;
    const char *thread_id;
    const char *items_of;    /* the thread, or a helper in it … */
    const char *parent_item; /* … and the call that this is part of, else NULL */
    const struct agent_past_handlers *handlers;
    void *user;
    VEC(struct past_turn) turns;
    struct agent_past_page *page;
    size_t begun; /* how many of the turns were told of */
    size_t end;   /* of this page */
    bool has_prompt, has_compacted, is_full;
};

/* In the order they ran, which is that of their items; what waits comes last. */
static bool comes_before(const struct past_turn *a, const struct past_turn *b)
{
    bool a_waits = strcmp(a->status, "queued") == 0, b_waits = strcmp(b->status, "queued") == 0;
    return a_waits != b_waits ? b_waits : a->started_ms < b->started_ms;
}

static void put_in_order(struct past *past)
{
    for (size_t i = 1; i < past->turns.len; i++) {
        struct past_turn turn = past->turns.ptr[i];
        size_t place = i;
        for (; place > 0 && comes_before(&turn, &past->turns.ptr[place - 1]); place--)
            past->turns.ptr[place] = past->turns.ptr[place - 1];
        past->turns.ptr[place] = turn;
    }
}

static bool keep_turn(void *user, const struct journal_turn *turn)
{
    struct past *past = user;
    struct past_turn copy = {.id = str_dup_c(turn->id),
                             .status = str_dup_c(turn->status),
                             .usage = str_dup_c(turn->usage_json),
                             .error = str_dup_c(turn->error),
                             .prompt = str_dup_c(turn->prompt),
                             .started_ms = turn->started_ms,
                             .ended_ms = turn->ended_ms};
    vec_push(&past->turns, copy);
    return true;
}

static void drop_turns(struct past *past)
{
    for (size_t i = 0; i < past->turns.len; i++) {
        struct past_turn *turn = &past->turns.ptr[i];
        char *const texts[] = {turn->id, turn->status, turn->usage, turn->error, turn->prompt};
        for (size_t j = 0; j < array_count(texts); j++)
            mem_free(texts[j]);
    }
    vec_finish(&past->turns);
}

static const struct past_turn *turn_now(const struct past *past)
{
    return &past->turns.ptr[past->begun - 1];
}

static void tell_item(struct past *past, struct agent_event *event)
{
    event->type = AGENT_ITEM_COMPLETED;
    event->thread_id = past->thread_id;
    event->turn_id = turn_now(past)->id;
    event->parent_item_id = past->parent_item;
    past->handlers->on_item(past->user, event);
}

/* One that waits or never came to it has no item of its own. */
static void tell_prompt(struct past *past)
{
    const struct past_turn *turn = turn_now(past);
    struct agent_event event = {.item_id = turn->id,
                                .item_type = AGENT_USER_MESSAGE,
                                .text = str_from(turn->prompt),
                                .ok = true};
    past->has_prompt = event.text.len > 0;
    if (past->has_prompt)
        tell_item(past, &event);
}

static void begin_turn(struct past *past)
{
    const struct past_turn *kept = &past->turns.ptr[past->begun++];
    const struct journal_turn turn = {.id = str_from(kept->id),
                                      .status = str_from(kept->status),
                                      .usage_json = str_from(kept->usage),
                                      .error = str_from(kept->error),
                                      .prompt = str_from(kept->prompt),
                                      .started_ms = kept->started_ms,
                                      .ended_ms = kept->ended_ms};
    past->has_compacted = false;
    past->handlers->on_turn(past->user, &turn);
    tell_prompt(past);
}

/* What was asked before this version kept it, and what was said while the turn ran. */
static void show_user(struct past *past, const struct json_value *item, const char *id)
{
    struct buf text = {0};
    bool is_told = past->has_prompt;
    past->has_prompt = false;
    stream_append_text(&text, json_get(item, "content"));
    struct agent_event event = {
        .item_id = id, .item_type = AGENT_USER_MESSAGE, .text = buf_str(&text), .ok = true};
    if (!is_told)
        tell_item(past, &event);
    buf_finish(&text);
}

static bool show_call(void *user, const struct journal_call *call)
{
    struct past *past = user;
    struct buf title = {0};
    struct str output = call->output, plan;
    char *id = str_dup_c(call->call_id);
    tools_append_title(&title, call->name, call->arguments);
    if (tools_kind_of(call->name) == TOOL_PLAN &&
        json_raw_member(call->arguments, "plan", &plan) == STATUS_OK)
        output = plan;
    struct agent_event event = {.item_id = id,
                                .item_type = call_item_type(call->name),
                                .name = call->name,
                                .title = buf_str(&title),
                                .output = output,
                                .ok = call->ok};
    if (call->ended_ms > call->started_ms)
        event.ran_ms = call->ended_ms - call->started_ms;
    tell_item(past, &event);
    mem_free(id);
    buf_finish(&title);
    return false;
}

static void show_text(struct past *past, const struct json_value *item, const char *id,
                      enum agent_item_type type)
{
    struct buf text = {0};
    struct agent_event event = {.item_id = id, .item_type = type, .ok = true};
    stream_append_text(&text, json_get(item, type == AGENT_MESSAGE ? "content" : "summary"));
    event.text = buf_str(&text);
    if (text.len > 0)
        tell_item(past, &event);
    buf_finish(&text);
}

static void show_helper(struct past *past, struct str call_id);

static void show_output(struct past *past, const struct json_value *item, const char *id)
{
    struct str type = json_get_str(item, "type");
    if (str_eq_c(type, "message"))
        show_text(past, item, id, AGENT_MESSAGE);
    else if (str_eq_c(type, "reasoning"))
        show_text(past, item, id, AGENT_REASONING);
    else if (str_ends_with(type, STR("_call")))
        (void)journal_call_get(past->agent->env.journal, past->items_of,
                               json_get_str(item, "call_id"), show_call, past, NULL);
    if (tools_kind_of(json_get_str(item, "name")) == TOOL_HELPER && !past->parent_item)
        show_helper(past, json_get_str(item, "call_id"));
}

static bool on_helper_item(void *user, const struct journal_item *stored)
{
    struct json_value *item = NULL;
    char id[32];
    snprintf(id, sizeof(id), "item_%llu", (unsigned long long)stored->seq);
    if (str_eq_c(stored->kind, "output") && json_parse(stored->json, &item, NULL) == STATUS_OK)
        show_output(user, item, id);
    json_free(item);
    return true;
}

/* What it did, behind the call that asked for it. */
static void show_helper(struct past *past, struct str call_id)
{
    struct journal *journal = past->agent->env.journal;
    char id[ID_BYTES];
    if (journal_helper_find(journal, past->thread_id, call_id, id, NULL) < 0)
        return;
    char *parent_item = str_dup_c(call_id);
    past->items_of = id;
    past->parent_item = parent_item;
    (void)journal_item_each(journal, id, 1, on_helper_item, past, NULL);
    past->items_of = past->thread_id;
    past->parent_item = NULL;
    mem_free(parent_item);
}

static void show_compaction(struct past *past, const char *id)
{
    struct agent_event event = {.item_id = id,
                                .item_type = AGENT_COMPACTION,
                                .text = STR("The conversation was made shorter for the model."),
                                .ok = true};
    if (!past->has_compacted) /* it is several items */
        tell_item(past, &event);
    past->has_compacted = true;
}

static void show_item(struct past *past, const struct journal_item *stored)
{
    struct json_value *item = NULL;
    char id[32];
    snprintf(id, sizeof(id), "item_%llu", (unsigned long long)stored->seq);
    if (str_eq_c(stored->kind, "compacted")) {
        show_compaction(past, id);
        return;
    }
    bool is_user = str_eq_c(stored->kind, "user"), is_output = str_eq_c(stored->kind, "output");
    if ((!is_user && !is_output) || json_parse(stored->json, &item, NULL) < 0)
        return;
    if (is_user)
        show_user(past, item, id);
    else
        show_output(past, item, id);
    json_free(item);
}

/* Items come in the order of their turns, but for what belongs to none. */
static size_t place_of(const struct past *past, struct str turn_id)
{
    for (size_t i = past->begun; i < past->turns.len; i++)
        if (str_eq_c(turn_id, past->turns.ptr[i].id))
            return i;
    return past->turns.len;
}

static bool on_stored_item(void *user, const struct journal_item *item)
{
    struct past *past = user;
    size_t place = item->turn_id.len > 0 ? place_of(past, item->turn_id) : past->turns.len;
    if (place < past->turns.len) {
        past->is_full = place >= past->end;
        if (past->is_full) {
            past->page->turn = place;
            past->page->seq = item->seq;
            return false;
        }
        while (past->begun <= place)
            begin_turn(past);
    }
    if (past->begun > past->page->turn && str_eq_c(item->turn_id, turn_now(past)->id))
        show_item(past, item);
    return true;
}

enum status agent_thread_past(struct agent *agent, const char *id, struct agent_past_page *page,
                              const struct agent_past_handlers *handlers, void *user,
                              struct err *err)
{
    struct past past = {.agent = agent,
                        .thread_id = id,
                        .items_of = id,
                        .handlers = handlers,
                        .user = user,
                        .page = page};
    enum status status = journal_turn_each(agent->env.journal, id, keep_turn, &past, err);
    put_in_order(&past);
    past.begun = page->turn < past.turns.len ? page->turn : past.turns.len;
    past.end = page->limit > 0 ? past.begun + page->limit : past.turns.len;
    if (status == STATUS_OK)
        status = journal_item_each(agent->env.journal, id, page->seq ? page->seq : 1,
                                   on_stored_item, &past, err);
    while (status == STATUS_OK && !past.is_full && past.begun < past.turns.len &&
           past.begun < past.end)
        begin_turn(&past);
    if (status == STATUS_OK && !past.is_full) {
        page->turn = past.begun;
        page->seq = 0;
    }
    page->is_end = !past.is_full && past.begun == past.turns.len;
    drop_turns(&past);
    return status;
}
