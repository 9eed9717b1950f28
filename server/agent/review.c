/* What waits for the person's decision, and how the model learns of it: a line for each decision,
 * with the next request. */
#include "agent-internal.h"

void thread_tell_review(struct agent_thread *thread, const char *turn_id)
{
    struct buf lines = {0}, text = {0}, json = {0};
    tools_review_take_told(thread->agent->env.tools, thread->id, &lines);
    if (lines.len > 0) {
        buf_append_fmt(&text,
                       "<review>\n" STR_FMT "Do not make these changes again unless "
                       "asked.</review>",
                       STR_ARG(buf_str(&lines)));
        history_format_message(&json, "user", buf_str(&text));
        thread_append(thread, turn_id, "context", buf_str(&json));
    }
    buf_finish(&lines);
    buf_finish(&text);
    buf_finish(&json);
}

/* Between turns it is kept at once; while one runs, its next request takes it along. */
static void tell_model(struct agent *agent, const struct tools_review_news *news)
{
    struct str id = str_from(news->thread_id);
    struct agent_thread *thread = agent_thread_find(agent, id);
    if (!thread) /* what was decided after a restart, before the thread was used again */
        thread = agent_thread_resume(agent, id, NULL);
    if (thread && !agent_thread_is_busy(thread))
        thread_tell_review(thread, news->turn_id);
}

void agent_on_review(void *user, const struct tools_review_news *news)
{
    struct agent *agent = user;
    if (news->has_told)
        tell_model(agent, news);
    struct agent_event event = {
        .type = AGENT_REVIEW,
        .thread_id = news->thread_id,
        .turn_id = news->turn_id,
        .item_id = "",
        .text = news->notice,
        .pending = news->pending,
    };
    agent_emit(agent, &event);
}

void agent_review_each(struct agent *agent, const struct tools_review_filter *filter,
                       tools_review_fn *fn, void *user)
{
    tools_review_each(agent->env.tools, filter, fn, user);
}

enum status agent_review_decide(struct agent *agent, const struct tools_decision *decision,
                                tools_decided_fn *on_done, void *user, struct err *err)
{
    return tools_review_decide(agent->env.tools, decision, on_done, user, err);
}
