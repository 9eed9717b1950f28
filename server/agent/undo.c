/* Taking back what a turn did to files, and putting it back. The model is told with the next turn,
 * so that it does not believe in texts that are gone. */
#include "agent-internal.h"

enum { TOLD_DIFF_BYTES = 8 * KIB }; /* of the diff, in the history; more is cut */

struct agent_undo {
    struct agent_thread *thread;
    struct tools_undo *work;
    enum tools_undo_way way;
    agent_undo_fn *on_done;
    void *user;
};

static const struct {
    const char *verb, *name, *title;
} words[] = {
    [TOOLS_UNDO] = {"undid", "undo", "Undone: what the turn changed"},
    [TOOLS_REDO] = {"redid", "redo", "Redone: what the turn had changed"},
};

static void tell_model(const struct agent_undo *undo, const struct tools_undo_result *result)
{
    struct buf text = {0}, json = {0};
    struct str diff = str_slice(result->diff, 0, utf8_floor(result->diff, TOLD_DIFF_BYTES));
    buf_append_fmt(&text,
                   "<turn_%s>The user %s file changes of an earlier turn. The files are now what "
                   "this diff made of them; do not make the changes again unless asked.\n" STR_FMT,
                   undo->way == TOOLS_UNDO ? "undone" : "redone", words[undo->way].verb,
                   STR_ARG(diff));
    if (diff.len < result->diff.len)
        buf_append_c(&text, "\n… (the rest of the diff is left out; read the files)");
    buf_append_fmt(&text, "</turn_%s>", undo->way == TOOLS_UNDO ? "undone" : "redone");
    history_format_message(&json, "user", buf_str(&text));
    thread_append(undo->thread, result->turn_id, "context", buf_str(&json));
    buf_finish(&text);
    buf_finish(&json);
}

static void append_notes(const struct tools_undo_result *result, struct buf *text)
{
    for (size_t i = 0; i < result->files.len; i++) {
        const struct tools_undo_file *file = &result->files.ptr[i];
        buf_append_fmt(text, "%s%s", text->len ? "\n" : "", file->path);
        if (file->note.len)
            buf_append_fmt(text, ": " STR_FMT, STR_ARG(file->note));
    }
}

static void tell_people(const struct agent_undo *undo, const struct tools_undo_result *result)
{
    struct agent *agent = undo->thread->agent;
    struct buf text = {0};
    char item_id[ID_BYTES];
    id_make(words[undo->way].name, item_id);
    append_notes(result, &text);
    struct agent_event event = {
        .type = AGENT_ITEM_STARTED,
        .thread_id = undo->thread->id,
        .turn_id = result->turn_id,
        .item_id = item_id,
        .item_type = AGENT_FILE_CHANGE,
        .name = str_from(words[undo->way].name),
        .title = str_from(words[undo->way].title),
    };
    agent_emit(agent, &event);
    event.type = AGENT_ITEM_COMPLETED;
    event.output = buf_str(&text);
    event.diff = result->diff;
    event.ok = true;
    agent_emit(agent, &event);
    buf_finish(&text);
}

static void on_done(void *user, const struct tools_undo_result *result)
{
    struct agent_undo *undo = user;
    struct agent_thread *thread = undo->thread;
    thread->undo = NULL;
    if (result->status == STATUS_OK && result->diff.len)
        tell_model(undo, result);
    if (result->status == STATUS_OK)
        tell_people(undo, result);
    thread_kick(thread); /* turns that were asked for meanwhile */
    undo->on_done(undo->user, result);
    mem_free(undo);
}

void thread_drop_undo(struct agent_thread *thread)
{
    struct agent_undo *undo = thread->undo;
    const struct tools_undo_result result = {
        .status = STATUS_CLOSED, .why = STR("the thread was closed"), .turn_id = ""};
    if (!undo)
        return;
    thread->undo = NULL;
    tools_undo_cancel(undo->work);
    undo->on_done(undo->user, &result);
    mem_free(undo);
}

enum status agent_turn_undo(struct agent_thread *thread, struct str turn_id,
                            enum tools_undo_way way, agent_undo_fn *fn, void *user, struct err *err)
{
    if (agent_thread_is_busy(thread))
        return err_set(err, STATUS_CONFLICT, "a turn is running: stop it or let it end, then %s",
                       words[way].name);
    if (thread->undo)
        return err_set(err, STATUS_CONFLICT, "an undo is under way: let it end first");
    struct agent_undo *undo = mem_new(struct agent_undo);
    *undo = (struct agent_undo){.thread = thread, .way = way, .on_done = fn, .user = user};
    undo->work = tools_undo_start(thread->tools, turn_id, way, on_done, undo, err);
    if (!undo->work) {
        mem_free(undo);
        return STATUS_NOT_FOUND;
    }
    thread->undo = undo;
    return STATUS_OK;
}
