#include "agent-internal.h"

enum { LEASE_RENEW_MS = LIMIT_LEASE_MS / 3 };

static const char *const item_names[] = {
    [AGENT_USER_MESSAGE] = "userMessage", [AGENT_MESSAGE] = "agentMessage",
    [AGENT_REASONING] = "reasoning",      [AGENT_PLAN] = "plan",
    [AGENT_TOOL_CALL] = "toolCall",       [AGENT_COMMAND] = "commandExecution",
    [AGENT_FILE_CHANGE] = "fileChange",   [AGENT_ERROR] = "error",
    [AGENT_COMPACTION] = "compaction",    [AGENT_SUBAGENT] = "subagent",
};

static const char *const status_names[] = {
    [TURN_COMPLETED] = "completed",
    [TURN_INTERRUPTED] = "interrupted",
    [TURN_FAILED] = "failed",
};

const char *agent_item_type_name(enum agent_item_type type)
{
    return item_names[type];
}

const char *agent_turn_status_name(enum agent_turn_status status)
{
    return status_names[status];
}

static void on_lease_timer(void *user)
{
    struct agent *agent = user;
    if (agent->threads.len > 0)
        journal_lease_renew(agent->env.journal, NULL);
}

struct agent *agent_new(const struct agent_env *env)
{
    struct agent *agent = mem_new(struct agent);
    agent->env = *env;
    agent->model = mem_dup_c(env->model);
    agent->effort = mem_dup_c(env->effort ? env->effort : "");
    agent->host = mem_dup_c(env->host ? env->host : "");
    tools_review_watch(env->tools, agent_on_review, agent);
    helpers_init(agent);
    agent->lease_timer = loop_timer_new(env->loop, on_lease_timer, agent);
    loop_timer_start(agent->lease_timer, LEASE_RENEW_MS, LEASE_RENEW_MS);
    return agent;
}

void agent_free(struct agent *agent)
{
    if (!agent)
        return;
    agent->env.on_event = NULL;
    commits_free(agent);
    tools_review_watch(agent->env.tools, NULL, NULL);
    while (agent->threads.len > 0)
        agent_thread_close(vec_last(&agent->threads));
    vec_finish(&agent->threads);
    loop_timer_free(agent->lease_timer);
    mem_free(agent->model);
    mem_free(agent->effort);
    mem_free(agent->host);
    mem_free(agent->blind_model);
    buf_finish(&agent->no_images);
    mem_free(agent);
}

void agent_on_connection(struct agent *agent, const struct responses_status *status)
{
    struct agent_event event = {.type = AGENT_CONNECTION,
                                .thread_id = "",
                                .turn_id = "",
                                .item_id = "",
                                .connection = status};
    agent_emit(agent, &event);
}

void agent_on_rotated(struct agent *agent)
{
    for (size_t i = 0; agent->env.warm && i < agent->threads.len; i++) {
        struct agent_thread *thread = agent->threads.ptr[i];
        thread->is_rewarm_wanted = responses_chain_is_left_behind(thread->chain);
        thread_kick(thread);
    }
}

struct agent_event agent_event_for(struct agent_turn *turn, enum agent_event_type type)
{
    struct agent_event event = {.type = type,
                                .thread_id = turn->thread->id,
                                .turn_id = turn->id,
                                .item_id = "",
                                .ok = true};
    if (turn->thread->helper)
        helper_mark_event(turn->thread->helper, &event);
    return event;
}

void agent_emit(struct agent *agent, const struct agent_event *event)
{
    struct agent_event told = *event;
    if (commit_takes_event(agent, &told) ||
        (told.parent_item_id && helper_takes_event(agent, &told)))
        return;
    if (agent->env.on_event)
        agent->env.on_event(agent->env.user, &told);
}
