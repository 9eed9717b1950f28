/* Which thread is meant; and the agent's events on their way to progress, transcript and rich
 * layer. */
#include "lsp-internal.h"

struct agent_thread *threads_start(struct lsp_server *server, struct agent *agent,
                                   struct str root_path, struct err *err)
{
    struct agent_thread *thread = agent_thread_start(agent, root_path, err);
    if (thread && trust_is_given(server, root_path))
        agent_thread_warm(thread);
    return thread;
}

struct agent_thread *threads_pick(struct lsp_server *server, struct agent *agent,
                                  struct str thread_id, struct str root_path, struct err *err)
{
    if (thread_id.len > 0)
        return agent_thread_resume(agent, thread_id, err);
    struct agent_thread *last = agent_thread_last(agent, root_path);
    if (last) /* unless another editor has it by now */
        last = agent_thread_resume(agent, str_from(agent_thread_id(last)), NULL);
    return last ? last : threads_start(server, agent, root_path, err);
}

static void report_item(struct lsp_server *server, const struct agent_event *event)
{
    static const char *const words[] = {[AGENT_MESSAGE] = "answering",
                                        [AGENT_REASONING] = "thinking",
                                        [AGENT_PLAN] = "planning",
                                        [AGENT_COMPACTION] = "compacting the conversation"};
    struct str text = event->title;
    if (text.len == 0 && event->item_type < array_count(words) && words[event->item_type])
        text = str_from(words[event->item_type]);
    if (text.len > 0)
        progress_report(server, event->turn_id, text);
}

void threads_on_event(void *user, const struct agent_event *event)
{
    struct lsp_server *server = user;
    if (event->type == AGENT_REVIEW) {
        review_on_event(server, event);
        return;
    }
    switch (event->type) {
    case AGENT_TURN_STARTED:
        progress_begin(server, event);
        break;
    case AGENT_ITEM_STARTED:
        report_item(server, event);
        break;
    case AGENT_NOTICE:
        progress_report(server, event->turn_id, event->text);
        break;
    case AGENT_TURN_COMPLETED:
        progress_end(server, event);
        if (event->status == TURN_FAILED && !server->client.rich)
            server_show_message(server, 1, "Lanebridge: " STR_FMT, STR_ARG(event->text));
        break;
    default:
        break;
    }
    transcript_on_event(server, event);
    if (server->client.rich)
        rich_on_event(server, event);
}
