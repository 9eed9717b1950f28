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

/* -- What was cut off, for clients that have no list of threads ----------------------------------
 */

static const char goes_on[] = "Continue";

static void on_offer_answered(void *user, const struct jsonrpc_answer *answer)
{
    struct lsp_server *server = user;
    struct err err = {0};
    char turn_id[ID_BYTES];
    bool queued;
    if (answer->status != STATUS_OK || !str_eq_c(json_get_str(answer->result, "title"), goes_on) ||
        !server->agent)
        return;
    struct agent_thread *thread =
        agent_thread_resume(server->agent, str_from(server->offered_thread), &err);
    if (!thread || agent_thread_continue(thread, turn_id, &queued, &err) < 0)
        server_show_message(server, 1, "Lanebridge: %s", err.text);
    else
        transcript_show(server, agent_thread_id(thread), false);
}

static bool note_cut_off(void *user, const struct journal_thread *thread)
{
    struct lsp_server *server = user;
    struct buf params = {0}, text = {0};
    struct json_writer w;
    if (!thread->cut_off || thread->leased_elsewhere)
        return false;
    memcpy(server->offered_thread, thread->id, ID_BYTES);
    buf_append_fmt(&text,
                   "Lanebridge: the last turn here was cut off (\"" STR_FMT
                   "\"). It can go on from what was saved.",
                   STR_ARG(thread->title));
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_field_int(&w, "type", 3);
    json_write_field_str(&w, "message", buf_str(&text));
    json_write_field_raw(&w, "actions", STR("[{\"title\":\"Not now\"},{\"title\":\"Continue\"}]"));
    json_write_end_object(&w);
    jsonrpc_request(server->peer, "window/showMessageRequest", buf_str(&params), on_offer_answered,
                    server);
    buf_finish(&text);
    buf_finish(&params);
    return false;
}

/* Once, and only about the thread that was used last. */
static void offer_to_continue(struct lsp_server *server, struct agent *agent, struct str root_path)
{
    const struct journal_filter filter = {.root = root_path, .limit = 1};
    if (server->client.rich || server->has_offered)
        return;
    server->has_offered = true;
    (void)agent_threads_list(agent, &filter, note_cut_off, server, NULL);
}

struct agent_thread *threads_pick(struct lsp_server *server, struct agent *agent,
                                  struct str thread_id, struct str root_path, struct err *err)
{
    if (thread_id.len > 0)
        return agent_thread_resume(agent, thread_id, err);
    if (server->carried_thread[0])
        (void)agent_thread_resume(agent, str_from(server->carried_thread), NULL);
    server->carried_thread[0] = '\0';
    struct agent_thread *last = agent_thread_last(agent, root_path);
    if (last) /* unless another editor has it by now */
        last = agent_thread_resume(agent, str_from(agent_thread_id(last)), NULL);
    if (last)
        return last;
    offer_to_continue(server, agent, root_path);
    return threads_start(server, agent, root_path, err);
}

static void report_item(struct lsp_server *server, const struct agent_event *event)
{
    static const char *const words[] = {[AGENT_MESSAGE] = "answering",
                                        [AGENT_REASONING] = "thinking",
                                        [AGENT_PLAN] = "planning",
                                        [AGENT_COMPACTION] = "compacting the conversation"};
    struct str text = event->title;
    if (event->parent_item_id) /* four at once would hide each other */
        return;
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
        memcpy(server->last_thread, event->thread_id, strnlen(event->thread_id, ID_BYTES - 1) + 1);
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
        if (event->status == TURN_COMPLETED && !server->client.rich &&
            str_eq_c(str_from(event->mode), "plan"))
            accept_offer(server, event);
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
