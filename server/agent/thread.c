/* Threads: opened from nothing or from the journal, one turn at a time. */
#include "agent-internal.h"

void thread_append(struct agent_thread *thread, const char *turn_id, const char *kind,
                   struct str json)
{
    struct err err = {0};
    struct journal *journal = thread->agent->env.journal;
    bool kept = journal_item_append(journal, thread->id, turn_id, kind, json, &err) == STATUS_OK;
    if (!kept)
        log_line(LOG_WARN, "journal item not kept thread=%s why=\"%s\"", thread->id, err.text);
    thread->is_lost |= err.status == STATUS_LEASED || err.status == STATUS_CONFLICT;
    history_push(&thread->history, json, kept ? journal_item_last_seq(journal) : 0);
}

void thread_place(struct agent_thread *thread, const char *waiting_id, struct str json)
{
    struct err err = {0};
    struct journal *journal = thread->agent->env.journal;
    bool kept = journal_waiting_place(journal, thread->id, waiting_id, &err) == STATUS_OK;
    if (!kept)
        log_line(LOG_WARN, "journal message not placed thread=%s why=\"%s\"", thread->id, err.text);
    history_push(&thread->history, json, kept ? journal_item_last_seq(journal) : 0);
}

/* -- Advancing --------------------------------------------------------------------------------- */

static void on_warm_end(void *user, const struct responses_result *result)
{
    struct agent_thread *thread = user;
    thread->warming = NULL; /* one that failed costs nothing: the first turn sends the full input */
    audit_note_tokens(thread, result);
    thread_kick(thread);
}

/* Nobody waits for it, and a prompt must not wait behind its retries. */
static void on_warm_retry(void *user, const char *what, uint64_t wait_ms)
{
    struct agent_thread *thread = user;
    (void)what;
    if (wait_ms > 0) /* what is sent again at once, without what was refused, may go on */
        response_interrupt(thread->warming);
}

static void on_warm_sent(void *user, const struct responses_sent *sent)
{
    audit_on_sent(user, "", "warm-up", sent);
}

static const struct responses_handlers warm_handlers = {
    .on_retry = on_warm_retry, .on_sent = on_warm_sent, .on_end = on_warm_end};

static void warm_up(struct agent_thread *thread)
{
    thread->warm_wanted = thread->is_rewarm_wanted = false;
    if (foreign_has_reasoning(thread))
        return; /* the turn drops that, and says so */
    thread_take_model(thread);
    thread_need_preamble(thread);
    thread_need_tools(thread);
    struct responses_request request = {.model = str_from(thread->model),
                                        .effort = thread_effort(thread),
                                        .tools = buf_str(&thread->tools_json),
                                        .prompt_cache_key = str_from(thread->id),
                                        .parallel_tool_calls = true,
                                        .warm_up = true,
                                        .history = history_view(&thread->history)};
    thread->warming = responses_create(thread->chain, &request, &warm_handlers, thread, NULL);
}

/* A list of tools that is not complete yet would be another one with the first prompt. */
static bool wants_warm_up(const struct agent_thread *thread)
{
    bool is_left = thread->is_rewarm_wanted && responses_chain_is_left_behind(thread->chain);
    return (thread->warm_wanted || is_left) && tools_are_settled(thread->agent->env.tools);
}

static void tell_title(struct agent_thread *thread)
{
    bool is_wanted = thread->title_wanted && !thread->helper;
    thread->title_wanted = false;
    if (!is_wanted)
        return;
    struct agent_event event = {.type = AGENT_THREAD_UPDATED,
                                .thread_id = thread->id,
                                .turn_id = "",
                                .item_id = "",
                                .text = buf_str(&thread->title),
                                .name = thread_model(thread),
                                .effort = thread_effort(thread),
                                .mode = policy_mode_name(thread_mode(thread))};
    agent_emit(thread->agent, &event);
}

static void announce_waiting(struct agent_thread *thread)
{
    for (size_t i = 0; i < thread->queue.len; i++) {
        struct agent_turn *turn = thread->queue.ptr[i];
        if (!turn->announces_wait)
            continue;
        turn->announces_wait = false;
        turn->was_waiting = true;
        thread_tell_queue(thread, turn->id);
    }
}

static size_t next_in_queue(const struct agent_thread *thread)
{
    size_t next = 0;
    while (next < thread->queue.len && thread->queue.ptr[next]->is_held)
        next++;
    return next;
}

static void on_kick(void *user)
{
    struct agent_thread *thread = user;
    tell_title(thread);
    announce_waiting(thread);
    if (thread->turn && thread->turn->state == TURN_SETTLING)
        turn_advance(thread->turn); /* nothing of it may run that would say so */
    if (thread->turn && turn_is_over(thread->turn)) {
        turn_free(thread->turn);
        thread->turn = NULL;
    }
    helpers_pump(thread);
    if (thread->helper && !agent_thread_is_busy(thread)) {
        helper_on_idle(thread->helper);
        return;
    }
    if (thread->commit && !agent_thread_is_busy(thread)) {
        commit_on_idle(thread->commit);
        return;
    }
    if (thread->turn || thread->warming || thread->undo)
        return;
    size_t next = next_in_queue(thread);
    if (next < thread->queue.len) {
        thread->turn = thread->queue.ptr[next];
        vec_remove(&thread->queue, next);
        thread->warm_wanted = false;
        if (thread->turn->was_waiting)
            thread_tell_queue(thread, "");
        turn_begin(thread->turn);
    } else if (wants_warm_up(thread)) {
        warm_up(thread);
    }
}

void thread_kick(struct agent_thread *thread)
{
    loop_timer_start(thread->kick, 0, 0);
}

/* -- Opening ----------------------------------------------------------------------------------- */

static struct agent_thread *thread_make(struct agent *agent, struct str id, struct str root)
{
    struct agent_thread *thread = mem_new(struct agent_thread);
    thread->agent = agent;
    memcpy(thread->id, id.ptr, id.len < ID_BYTES ? id.len : ID_BYTES - 1);
    thread->root = str_dup_c(root);
    thread->model = mem_dup_c(agent->model);
    thread_init_choice(thread);
    thread->chain = responses_chain_new(agent->env.responses, PRIORITY_TURN);
    thread->kick = loop_timer_new(agent->env.loop, on_kick, thread);
    return thread;
}

struct agent_thread *thread_new(struct agent *agent, struct str id, struct str root)
{
    struct agent_thread *thread = thread_make(agent, id, root);
    thread->tools = tools_thread_new(agent->env.tools, thread->id, root);
    vec_push(&agent->threads, thread);
    return thread;
}

struct agent_thread *thread_new_helper(struct helper *helper, const struct agent_thread *parent,
                                       const char *id)
{
    struct agent_thread *thread = thread_make(parent->agent, str_from(id), str_from(parent->root));
    thread->helper = helper;
    thread_copy_choice(thread, parent);
    thread->tools = helper_new_tools(helper, id);
    return thread;
}

struct agent_thread *thread_new_hidden(struct agent_commit *commit, struct agent *agent,
                                       const char *id, struct str root,
                                       const struct tools_thread *looks)
{
    struct agent_thread *thread = thread_make(agent, str_from(id), root);
    thread->commit = commit;
    thread->tools = tools_thread_new_helper(looks, id);
    return thread;
}

void thread_need_preamble(struct agent_thread *thread)
{
    struct buf text = {0}, json = {0};
    if (thread->history.items.len > 0)
        return;
    history_format_message(&json, "developer", context_instructions());
    thread_append(thread, "", "context", buf_str(&json));
    buf_clear(&json);
    context_append_environment(thread->agent, str_from(thread->root), &text);
    history_format_message(&json, "user", buf_str(&text));
    thread_append(thread, "", "context", buf_str(&json));
    buf_finish(&text);
    buf_finish(&json);
}

struct agent_thread *agent_thread_start(struct agent *agent, struct str root_path, struct err *err)
{
    char id[ID_BYTES];
    if (journal_thread_create(agent->env.journal, root_path, str_from(agent->model), id, err) < 0)
        return NULL;
    struct agent_thread *thread = thread_new(agent, str_from(id), root_path);
    return thread;
}

void agent_thread_warm(struct agent_thread *thread)
{
    if (!thread->agent->env.warm || agent_thread_is_busy(thread))
        return;
    thread->warm_wanted = true;
    thread_kick(thread);
}

/* -- Finding and closing ----------------------------------------------------------------------- */

struct agent_thread *agent_thread_find(struct agent *agent, struct str id)
{
    for (size_t i = 0; i < agent->threads.len; i++)
        if (str_eq_c(id, agent->threads.ptr[i]->id))
            return agent->threads.ptr[i];
    return NULL;
}

struct agent_thread *agent_thread_last(struct agent *agent, struct str root_path)
{
    for (size_t i = agent->threads.len; i > 0; i--)
        if (str_eq_c(root_path, agent->threads.ptr[i - 1]->root))
            return agent->threads.ptr[i - 1];
    return NULL;
}

bool agent_is_busy(const struct agent *agent)
{
    for (size_t i = 0; i < agent->threads.len; i++)
        if (agent_thread_is_busy(agent->threads.ptr[i]))
            return true;
    return agent->commits.len > 0;
}

const char *agent_thread_id(const struct agent_thread *thread)
{
    return thread->id;
}

struct str agent_thread_title(const struct agent_thread *thread)
{
    return buf_str(&thread->title);
}

bool agent_thread_is_busy(const struct agent_thread *thread)
{
    return next_in_queue(thread) < thread->queue.len ||
           (thread->turn && !turn_is_over(thread->turn));
}

static bool leave_list(struct agent_thread *thread)
{
    struct agent *agent = thread->agent;
    for (size_t i = 0; i < agent->threads.len; i++)
        if (agent->threads.ptr[i] == thread) {
            vec_remove(&agent->threads, i);
            return true;
        }
    return false;
}

void agent_thread_close(struct agent_thread *thread)
{
    struct journal *journal = thread->agent->env.journal;
    helpers_drop(thread);
    leave_list(thread);
    audit_free(thread);
    thread_drop_undo(thread);
    tools_prepare_drop(thread->agent->env.tools, thread);
    tools_thread_free(thread->tools);
    responses_chain_free(thread->chain);
    if (thread->turn && !thread->turn->announced_end)
        journal_turn_end(journal, thread->turn->id, "interrupted", STR(""), STR(JOURNAL_CUT_OFF),
                         NULL);
    turn_free(thread->turn);
    for (size_t i = 0; i < thread->queue.len; i++) {
        struct agent_turn *turn = thread->queue.ptr[i];
        if (turn->user_json.len == 0) /* the others wait in the journal, until it is opened again */
            journal_turn_end(journal, turn->id, "interrupted", STR(""), STR(""), NULL);
        turn_free(turn);
    }
    vec_finish(&thread->queue);
    loop_timer_free(thread->kick);
    journal_lease_drop(journal, thread->id, NULL);
    history_finish(&thread->history);
    buf_finish(&thread->hook_text);
    buf_finish(&thread->title);
    buf_finish(&thread->tools_json);
    mem_free(thread->root);
    mem_free(thread->model);
    thread_free_choice(thread);
    mem_free(thread);
}

/* -- Turns from outside ------------------------------------------------------------------------ */

static void set_title(struct agent_thread *thread, struct str prompt)
{
    struct str title = context_title(prompt);
    buf_append(&thread->title, title);
    journal_thread_set_title(thread->agent->env.journal, thread->id, title, NULL);
    thread->title_wanted = true;
}

/* With its own mode, if it has one: what waits as a plan is one after a crash, too. */
static enum status keep_queued(struct journal *journal, struct agent_turn *turn, struct err *err)
{
    journal_begin(journal);
    enum status status = journal_turn_queue(journal, turn->thread->id, buf_str(&turn->prompt),
                                            buf_str(&turn->user_json), turn->id, err);
    if (status == STATUS_OK && turn->has_mode)
        status =
            journal_turn_set_mode(journal, turn->id, str_from(policy_mode_name(turn->mode)), err);
    journal_commit(journal);
    return status;
}

enum status thread_queue_turn(struct agent_thread *thread, struct agent_turn *turn,
                              char ret_turn_id[ID_BYTES], bool *ret_queued, struct err *err)
{
    enum status status = STATUS_OK;
    struct journal *journal = thread->agent->env.journal;
    if (thread->queue.len >= LIMIT_TURN_QUEUE_COUNT)
        status =
            err_set(err, STATUS_LIMIT, "%d prompts wait already: let some finish, or stop the turn",
                    LIMIT_TURN_QUEUE_COUNT);
    if (status == STATUS_OK)
        status = keep_queued(journal, turn, err);
    if (status < 0) {
        turn_free(turn);
        return status;
    }
    thread->is_cut_off = false; /* it goes on, this way or another */
    *ret_queued = turn->announces_wait = agent_thread_is_busy(thread);
    memcpy(ret_turn_id, turn->id, ID_BYTES);
    if (leave_list(thread)) /* last used goes to the end */
        vec_push(&thread->agent->threads, thread);
    vec_push(&thread->queue, turn);
    if (thread->title.len == 0 && turn->prompt.len > 0 && !thread->helper)
        set_title(thread, buf_str(&turn->prompt));
    thread_kick(thread);
    return STATUS_OK;
}

/* Better to say it now than to ask for a refusal. */
static enum status check_images(const struct agent_thread *thread, const struct agent_input *input,
                                struct err *err)
{
    const char *why = agent_refuses_images(thread);
    for (size_t i = 0; why && i < input->context_count; i++)
        if (input->contexts[i].image.len > 0)
            return err_set(err, STATUS_UNSUPPORTED, "%s", why);
    return STATUS_OK;
}

enum status agent_turn_start(struct agent_thread *thread, const struct agent_input *input,
                             char ret_turn_id[ID_BYTES], bool *ret_queued, struct err *err)
{
    if (str_trim(input->prompt).len == 0)
        return err_set(err, STATUS_INVALID, "the prompt is empty: write what should be done");
    if (check_images(thread, input, err) < 0)
        return STATUS_UNSUPPORTED;
    enum config_mode mode = MODE_PLAN;
    bool has_mode = input->mode.len > 0;
    if (has_mode && !policy_mode_find(input->mode, &mode))
        return err_set(err, STATUS_INVALID, "\"mode\" must be plan, ask or auto");
    struct agent_turn *turn = turn_new(thread, input);
    turn->has_mode = has_mode;
    turn->mode = mode;
    return thread_queue_turn(thread, turn, ret_turn_id, ret_queued, err);
}

enum status agent_thread_compact(struct agent_thread *thread, char ret_turn_id[ID_BYTES],
                                 bool *ret_queued, struct err *err)
{
    struct agent_turn *turn = turn_new(thread, NULL);
    turn->is_compaction = true;
    return thread_queue_turn(thread, turn, ret_turn_id, ret_queued, err);
}

bool agent_thread_can_continue(const struct agent_thread *thread)
{
    return thread->is_cut_off || (thread->queue.len > 0 && thread->queue.ptr[0]->is_held);
}

/* What was cut off goes before what waited behind it. */
static void put_last_first(struct agent_thread *thread)
{
    struct agent_turn *last = vec_last(&thread->queue);
    memmove(thread->queue.ptr + 1, thread->queue.ptr,
            (thread->queue.len - 1) * sizeof(struct agent_turn *));
    thread->queue.ptr[0] = last;
}

enum status agent_thread_continue(struct agent_thread *thread, char ret_turn_id[ID_BYTES],
                                  bool *ret_queued, struct err *err)
{
    if (!agent_thread_can_continue(thread))
        return err_set(err, STATUS_NOT_FOUND, "nothing was cut off in this thread: ask instead");
    if (thread->is_cut_off) {
        struct agent_turn *turn = turn_new(thread, NULL);
        turn->is_continuation = turn->has_mode = true;
        turn->mode = thread->cut_off_mode;
        enum status status = thread_queue_turn(thread, turn, ret_turn_id, ret_queued, err);
        if (status < 0)
            return status;
        put_last_first(thread);
    }
    memcpy(ret_turn_id, thread->queue.ptr[0]->id, ID_BYTES);
    for (size_t i = 0; i < thread->queue.len; i++)
        thread->queue.ptr[i]->is_held = false;
    thread_kick(thread);
    return STATUS_OK;
}

enum status agent_turn_steer(struct agent_thread *thread, struct str turn_id,
                             const struct agent_input *input, struct err *err)
{
    struct agent_turn *turn = thread->turn;
    bool runs = turn && (turn->state == TURN_PREPARING || turn->state == TURN_COMPACTING ||
                         turn->state == TURN_ASKING || turn->state == TURN_LIMITED ||
                         turn->state == TURN_TOOLING);
    if (str_trim(input->prompt).len == 0)
        return err_set(err, STATUS_INVALID, "the message is empty: write what should be done");
    if (!runs || (turn_id.len > 0 && !str_eq_c(turn_id, turn->id)))
        return err_set(err, STATUS_NOT_FOUND,
                       "that turn is not running any more: start another one with the message");
    if (check_images(thread, input, err) < 0)
        return STATUS_UNSUPPORTED;
    if (turn->steers.len >= LIMIT_TURN_QUEUE_COUNT)
        return err_set(err, STATUS_LIMIT, "%d messages wait already: let the turn take them first",
                       LIMIT_TURN_QUEUE_COUNT);
    turn_steer(turn, input);
    return STATUS_OK;
}

enum status agent_turn_interrupt(struct agent_thread *thread, struct str turn_id, struct err *err)
{
    struct agent_turn *turn = thread->turn;
    bool runs = turn && !turn->announced_end;
    if (runs && (turn_id.len == 0 || str_eq_c(turn_id, turn->id))) {
        turn_interrupt(turn);
        return STATUS_OK;
    }
    for (size_t i = 0; i < thread->queue.len; i++) {
        turn = thread->queue.ptr[i];
        if (turn_id.len > 0 && !str_eq_c(turn_id, turn->id))
            continue;
        thread_unqueue(thread, i);
        return STATUS_OK;
    }
    return err_set(err, STATUS_NOT_FOUND, "no such turn is running in this thread");
}
