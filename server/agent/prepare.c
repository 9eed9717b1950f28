/* What a turn waits for before it asks: tools that come from elsewhere (MCP servers). A thread
 * keeps the list that it began with: what comes later is for others. */
#include "agent-internal.h"

static void tell(struct agent_turn *turn, const struct buf *text)
{
    if (text->len == 0)
        return;
    struct agent_event event = agent_event_for(turn, AGENT_NOTICE);
    event.text = buf_str(text);
    agent_emit(turn->thread->agent, &event);
}

static void on_prepared(void *user)
{
    struct agent_thread *thread = user;
    if (thread->turn && thread->turn->state == TURN_PREPARING)
        turn_on_prepared(thread->turn);
}

bool turn_prepare(struct agent_turn *turn)
{
    struct tools *tools = turn->thread->agent->env.tools;
    struct buf text = {0};
    if (turn->thread->commit) /* needs none, and nobody would read what is said of them */
        return false;
    bool waits = tools_prepare(tools, on_prepared, turn->thread, &text);
    tell(turn, &text);
    buf_finish(&text);
    return waits;
}

void turn_tell_missing_tools(struct agent_turn *turn)
{
    struct buf text = {0};
    if (turn->thread->commit)
        return;
    tools_append_missing(turn->thread->agent->env.tools, &text);
    tell(turn, &text);
    buf_finish(&text);
}

/* Another version of the program may take other arguments, a model of another kind edits otherwise:
 * then the list is today's. */
static struct str made_by(const struct agent_thread *thread)
{
    static const char *const makers[][2] = {
        [TOOLS_EDIT_PATCH] = {LANEBRIDGE_VERSION "+patch", LANEBRIDGE_VERSION "+patch+web"},
        [TOOLS_EDIT_REPLACE] = {LANEBRIDGE_VERSION "+replace", LANEBRIDGE_VERSION "+replace+web"},
    };
    return str_from(makers[thread_edit_style(thread)][thread->agent->env.web_search]);
}

void thread_load_tools(struct agent_thread *thread)
{
    if (thread->tools_json.len == 0)
        (void)journal_thread_get_tools(thread->agent->env.journal, thread->id, made_by(thread),
                                       &thread->tools_json, NULL);
}

void thread_need_tools(struct agent_thread *thread)
{
    struct agent *agent = thread->agent;
    struct err err = {0};
    thread_load_tools(thread);
    if (thread->tools_json.len > 0)
        return;
    tools_append_schema(agent->env.tools, thread_edit_style(thread), &thread->tools_json);
    if (agent->env.web_search) { /* hosted: the endpoint runs it */
        buf_truncate(&thread->tools_json, thread->tools_json.len - 1);
        buf_append_c(&thread->tools_json, ",{\"type\":\"web_search\"}]");
    }
    if (journal_thread_set_tools(agent->env.journal, thread->id, made_by(thread),
                                 buf_str(&thread->tools_json), &err) < 0)
        log_line(LOG_WARN, "journal tools not kept thread=%s why=\"%s\"", thread->id, err.text);
}
