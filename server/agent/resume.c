/* A thread as the journal has it: its items, what its calls came to, what was cut off. */
#include "agent-internal.h"

static const char unknown_output[] = "The editor or Lanebridge ended while this ran: whether it "
                                     "finished is not known, and it was not run "
                                     "again. Look at the files or run a check before you go on.";
static const char not_run_output[] = "Not run: the turn ended before this call was started.";

/* What open_calls holds. */
static char function_mark[] = "f", custom_mark[] = "c";

struct resume {
    struct agent_thread *thread;
    struct map open_calls; /* call_id -> one of the marks */
    VEC(char *) order;     /* their ids, as they came */
    char root[4096];
    uint64_t foreign_seq;
};

static void note_item(struct resume *resume, struct str json)
{
    struct str type, call_id;
    struct buf text = {0}, id = {0};
    if (json_raw_member(json, "type", &type) == STATUS_OK && json_raw_decode(type, &text) &&
        json_raw_member(json, "call_id", &call_id) == STATUS_OK && json_raw_decode(call_id, &id)) {
        struct str name = buf_str(&text);
        if (str_eq_c(name, "function_call") || str_eq_c(name, "custom_tool_call")) {
            map_set(&resume->open_calls, buf_str(&id),
                    str_eq_c(name, "function_call") ? function_mark : custom_mark);
            vec_push(&resume->order, str_dup_c(buf_str(&id)));
        } else if (str_ends_with(name, STR("_output"))) {
            map_remove(&resume->open_calls, buf_str(&id));
        }
    }
    buf_finish(&text);
    buf_finish(&id);
}

static bool on_stored_item(void *user, const struct journal_item *item)
{
    struct resume *resume = user;
    if (item->seq < resume->foreign_seq && foreign_is_reasoning(item->json))
        return true;
    history_push(&resume->thread->history, item->json, item->seq);
    note_item(resume, item->json);
    return true;
}

static void answer_open_call(struct resume *resume, struct str call_id, bool is_custom)
{
    struct agent_thread *thread = resume->thread;
    struct buf saved = {0}, json = {0};
    struct str text = str_from(not_run_output);
    enum journal_call_state state =
        journal_call_find(thread->agent->env.journal, thread->id, call_id, &saved);
    if (state == CALL_DONE)
        text = buf_str(&saved);
    else if (state == CALL_STARTED)
        text = str_from(unknown_output);
    history_format_output(&json, call_id, is_custom, text);
    thread_append(thread, "", "tool", buf_str(&json));
    buf_finish(&saved);
    buf_finish(&json);
}

static void answer_open_calls(struct resume *resume)
{
    for (size_t i = 0; i < resume->order.len; i++) {
        struct str call_id = str_from(resume->order.ptr[i]);
        const char *kind = map_remove(&resume->open_calls, call_id);
        if (kind)
            answer_open_call(resume, call_id, kind == custom_mark);
        mem_free(resume->order.ptr[i]);
    }
    vec_finish(&resume->order);
    map_finish(&resume->open_calls);
}

static bool on_stored_thread(void *user, const struct journal_thread *stored)
{
    struct resume *resume = user;
    buf_append(&resume->thread->title, stored->title);
    mem_free(resume->thread->model);
    resume->thread->model = str_dup_c(stored->model);
    thread_read_choice(resume->thread, stored);
    resume->foreign_seq = stored->foreign_seq;
    return true;
}

static bool on_root(void *user, const struct journal_thread *stored)
{
    struct resume *resume = user;
    size_t len = stored->root.len < sizeof(resume->root) ? stored->root.len : 0;
    if (len > 0) /* a thread may have no folder */
        memcpy(resume->root, stored->root.ptr, len);
    return true;
}

struct unplaced {
    VEC(char *) ids;
    VEC(char *) items;
};

static bool on_waiting(void *user, const struct journal_waiting *waiting)
{
    struct unplaced *unplaced = user;
    vec_push(&unplaced->ids, str_dup_c(waiting->id));
    vec_push(&unplaced->items, str_dup_c(waiting->json));
    return true;
}

/* What was said to a turn that was cut off before the model got it. */
static void place_waiting(struct agent_thread *thread)
{
    struct unplaced unplaced = {0};
    journal_waiting_each(thread->agent->env.journal, thread->id, on_waiting, &unplaced, NULL);
    for (size_t i = 0; i < unplaced.ids.len; i++) {
        thread_place(thread, unplaced.ids.ptr[i], str_from(unplaced.items.ptr[i]));
        mem_free(unplaced.ids.ptr[i]);
        mem_free(unplaced.items.ptr[i]);
    }
    vec_finish(&unplaced.ids);
    vec_finish(&unplaced.items);
}

struct unended {
    struct agent_thread *thread;
    VEC(char *) cut_off;
};

static bool on_stored_turn(void *user, const struct journal_turn *turn)
{
    struct unended *unended = user;
    bool is_queued = str_eq_c(turn->status, "queued"), runs = str_eq_c(turn->status, "running");
    if (is_queued && turn->input_json.len > 0)
        vec_push(&unended->thread->queue, turn_restore(unended->thread, turn));
    else if (is_queued || runs)
        vec_push(&unended->cut_off, str_dup_c(turn->id));
    if (!is_queued) {
        enum config_mode *mode = &unended->thread->cut_off_mode;
        if (!policy_mode_find(turn->mode, mode))
            *mode = thread_mode(unended->thread);
        unended->thread->was_planning = *mode == MODE_PLAN;
    }
    if (!is_queued) /* of the last one it counts, also when that was found out before */
        unended->thread->is_cut_off = runs || str_eq_c(turn->error, JOURNAL_CUT_OFF);
    return true;
}

static void settle_turns(struct agent_thread *thread)
{
    struct unended unended = {.thread = thread};
    struct journal *journal = thread->agent->env.journal;
    journal_turn_each(journal, thread->id, on_stored_turn, &unended, NULL);
    for (size_t i = 0; i < unended.cut_off.len; i++) {
        journal_turn_end(journal, unended.cut_off.ptr[i], "interrupted", STR(""),
                         STR(JOURNAL_CUT_OFF), NULL);
        mem_free(unended.cut_off.ptr[i]);
    }
    vec_finish(&unended.cut_off);
}

/* False: another editor has taken it over, and what is open here is of no use. */
static bool is_still_ours(const struct agent_thread *thread)
{
    return agent_thread_is_busy(thread) ||
           journal_lease_is_ours(thread->agent->env.journal, thread->id);
}

static struct agent_thread *resume_thread(struct agent *agent, struct str id, bool by_force,
                                          struct err *err)
{
    struct agent_thread *open = agent_thread_find(agent, id);
    if (open && is_still_ours(open))
        return open;
    if (open)
        agent_thread_close(open);
    struct journal *journal = agent->env.journal;
    struct resume resume = {0};
    enum status status = STATUS_NOT_FOUND;
    if (id.len > 0 && id.len < ID_BYTES)
        status = journal_thread_get(journal, id, on_root, &resume, err);
    if (status == STATUS_NOT_FOUND)
        err_set(err, STATUS_NOT_FOUND, "there is no thread " STR_FMT, STR_ARG(id));
    if (status < 0)
        return NULL;
    char id_text[ID_BYTES] = "";
    memcpy(id_text, id.ptr, id.len);
    if (journal_lease_take(journal, id_text, by_force, err) < 0)
        return NULL;
    resume.thread = thread_new(agent, id, str_from(resume.root));
    journal_thread_get(journal, id, on_stored_thread, &resume, NULL);
    journal_begin(journal);
    journal_item_each(journal, id_text, 0, on_stored_item, &resume, NULL);
    answer_open_calls(&resume);
    place_waiting(resume.thread);
    settle_turns(resume.thread);
    thread_load_tools(resume.thread);
    journal_commit(journal);
    return resume.thread;
}

struct agent_thread *agent_thread_resume(struct agent *agent, struct str id, struct err *err)
{
    return resume_thread(agent, id, false, err);
}

struct agent_thread *agent_thread_take_over(struct agent *agent, struct str id, struct err *err)
{
    return resume_thread(agent, id, true, err);
}
