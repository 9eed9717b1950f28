/* What a thread chooses for itself: model, effort and mode; what it does not choose is as in the
 * settings. Model and mode count from its next turn. */
#include "agent-internal.h"

#include <string.h>

enum { MODEL_BYTES = 200, EFFORT_BYTES = 32 };

struct str thread_model(const struct agent_thread *thread)
{
    return str_from(thread->own_model[0] ? thread->own_model : thread->agent->model);
}

struct str thread_effort(const struct agent_thread *thread)
{
    return str_from(thread->own_effort[0] ? thread->own_effort : thread->agent->effort);
}

enum config_mode thread_mode(const struct agent_thread *thread)
{
    enum config_mode mode = policy_get_mode(thread->agent->env.policy);
    (void)policy_mode_find(str_from(thread->own_mode), &mode);
    return mode;
}

bool agent_thread_plans(const struct agent_thread *thread)
{
    return thread_mode(thread) == MODE_PLAN;
}

enum tools_edit_style thread_edit_style(const struct agent_thread *thread)
{
    const struct agent *agent = thread->agent;
    if (str_eq_c(thread_model(thread), agent->model))
        return agent->env.edit_style;
    return responses_model_writes_patches(thread_model(thread)) ? TOOLS_EDIT_PATCH
                                                                : TOOLS_EDIT_REPLACE;
}

static void set_text(char **text, struct str value)
{
    mem_free(*text);
    *text = str_dup_c(value);
}

void thread_init_choice(struct agent_thread *thread)
{
    thread->own_model = mem_dup_c("");
    thread->own_effort = mem_dup_c("");
    thread->own_mode = mem_dup_c("");
}

void thread_read_choice(struct agent_thread *thread, const struct journal_thread *stored)
{
    set_text(&thread->own_model, stored->own_model);
    set_text(&thread->own_effort, stored->effort);
    set_text(&thread->own_mode, stored->mode);
}

void thread_copy_choice(struct agent_thread *thread, const struct agent_thread *from)
{
    set_text(&thread->model, str_from(from->model));
    set_text(&thread->own_model,
             str_from(from->model)); /* also when that is no longer the setting */
    set_text(&thread->own_effort, thread_effort(from));
    set_text(&thread->own_mode,
             str_from(policy_mode_name(from->turn ? from->turn->mode : thread_mode(from))));
}

void thread_free_choice(struct agent_thread *thread)
{
    mem_free(thread->own_model);
    mem_free(thread->own_effort);
    mem_free(thread->own_mode);
}

/* -- Choosing --------------------------------------------------------------------------------- */

static bool is_name(struct str text, size_t limit)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || (unsigned char)text.ptr[i] == 0x7F)
            return false;
    return text.len <= limit;
}

static enum status check(const struct agent_choice *choice, struct err *err)
{
    enum config_mode mode;
    if (choice->model && !is_name(*choice->model, MODEL_BYTES))
        return err_set(err, STATUS_INVALID,
                       "\"model\" is the name of a model, without blanks, or \"\" for the one of "
                       "the settings");
    if (choice->effort && !is_name(*choice->effort, EFFORT_BYTES))
        return err_set(
            err, STATUS_INVALID,
            "\"effort\" is one word such as \"low\", \"medium\" or \"high\", or \"\" for "
            "the one of the settings");
    if (choice->mode && choice->mode->len > 0 && !policy_mode_find(*choice->mode, &mode))
        return err_set(err, STATUS_INVALID,
                       "\"mode\" must be plan, ask or auto, or \"\" for the one of the settings");
    return STATUS_OK;
}

static enum status keep(struct journal *journal, const char *id, const struct agent_choice *choice,
                        struct err *err)
{
    enum status status = STATUS_OK;
    journal_begin(journal);
    if (choice->model)
        status = journal_thread_set_own_model(journal, id, *choice->model, err);
    if (status == STATUS_OK && choice->effort)
        status = journal_thread_set_effort(journal, id, *choice->effort, err);
    if (status == STATUS_OK && choice->mode)
        status = journal_thread_set_mode(journal, id, *choice->mode, err);
    journal_commit(journal);
    return status;
}

static void take(struct agent_thread *thread, const struct agent_choice *choice)
{
    if (choice->model)
        set_text(&thread->own_model, *choice->model);
    if (choice->effort)
        set_text(&thread->own_effort, *choice->effort);
    if (choice->mode)
        set_text(&thread->own_mode, *choice->mode);
    thread->title_wanted = true;
    thread_kick(thread);
}

enum status agent_thread_set(struct agent *agent, struct str id, const struct agent_choice *choice,
                             struct err *err)
{
    char own[ID_BYTES] = "";
    enum status status = check(choice, err);
    if (status == STATUS_OK && (id.len == 0 || id.len >= ID_BYTES))
        status = err_set(err, STATUS_NOT_FOUND, "there is no thread " STR_FMT, STR_ARG(id));
    if (status != STATUS_OK)
        return status;
    memcpy(own, id.ptr, id.len);
    status = keep(agent->env.journal, own, choice, err);
    struct agent_thread *thread = agent_thread_find(agent, id);
    if (status == STATUS_OK && thread)
        take(thread, choice);
    return status;
}

void agent_set_defaults(struct agent *agent, const char *model, const char *effort,
                        enum tools_edit_style edit_style)
{
    if (strcmp(agent->model, model) == 0 && strcmp(agent->effort, effort) == 0)
        return;
    set_text(&agent->model, str_from(model));
    set_text(&agent->effort, str_from(effort));
    agent->env.edit_style = edit_style;
    for (size_t i = 0; i < agent->threads.len; i++) {
        agent->threads.ptr[i]->title_wanted = agent->threads.ptr[i]->title.len > 0;
        thread_kick(agent->threads.ptr[i]);
    }
}

/* -- The mode of a turn ------------------------------------------------------------------------ */

static const char plan_note[] =
    "<mode>Plan mode: the user wants a plan, not changes. You can read and search; edits, commands "
    "and tools of MCP servers are refused. Find out what is needed, ask what only the user can "
    "decide, then call update_plan with the steps, all pending, each small enough to be checked "
    "when it is done. End with a few sentences on what the plan rests on.</mode>";
static const char plan_over_note[] =
    "<mode>Plan mode is over: edits and commands are possible again.</mode>";

void turn_settle_mode(struct agent_turn *turn)
{
    struct agent *agent = turn->thread->agent;
    if (!turn->has_mode)
        turn->mode = thread_mode(turn->thread);
    turn->has_mode = true;
    policy_set_turn_mode(agent->env.policy, turn->id, turn->mode);
    (void)journal_turn_set_mode(agent->env.journal, turn->id,
                                str_from(policy_mode_name(turn->mode)), NULL);
}

/* Each plan turn is told what it is, and the first one after it that it is none. */
void turn_tell_mode(struct agent_turn *turn)
{
    struct agent_thread *thread = turn->thread;
    struct buf json = {0};
    bool plans = turn->mode == MODE_PLAN;
    if (turn->is_compaction || thread->helper || (!plans && !thread->was_planning))
        return;
    thread->was_planning = plans;
    history_format_message(&json, "user", str_from(plans ? plan_note : plan_over_note));
    thread_append(thread, turn->id, "context", buf_str(&json));
    buf_finish(&json);
}
