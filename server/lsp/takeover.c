/* Threads that another editor has open, for clients without a list of threads: they are shown to be
 * read, and it is offered, where the transcript is looked at, to take them over. */
#include "lsp-internal.h"

#include <string.h>
#include <unistd.h>

static const char title[] = "Lanebridge: Take this thread over from the other editor";
static const char command[] = "lanebridge.takeOver";

/* -- Which thread ------------------------------------------------------------------------------ */

/* By the name of the file, whoever has written it. */
static struct str thread_of(const struct lsp_server *server, struct str path)
{
    static const struct str begin = STR_INIT("thread-"), end = STR_INIT(".md");
    struct str name = path_name(path);
    if (path.len == 0 || !transcript_is(server, path) || name.len <= begin.len + end.len)
        return STR("");
    return str_slice(name, begin.len, name.len - end.len);
}

static bool note_lease(void *user, const struct journal_thread *thread)
{
    *(bool *)user = thread->leased_elsewhere;
    return false;
}

static bool is_elsewhere(struct lsp_server *server, struct str thread_id)
{
    struct err err = {0};
    bool elsewhere = false;
    struct agent *agent = thread_id.len > 0 ? server_agent(server, &err) : NULL;
    return agent &&
           agent_thread_look(agent, thread_id, note_lease, &elsewhere, &err) == STATUS_OK &&
           elsewhere;
}

/* That of the transcript that was used last. */
static struct str thread_in_use(const struct lsp_server *server)
{
    const struct document *last = NULL, *one;
    for (size_t i = 0; (one = document_at(server->env.documents, i)); i++)
        if (thread_of(server, str_from(one->path)).len > 0 &&
            (!last || one->sequence > last->sequence))
            last = one;
    return last ? thread_of(server, str_from(last->path)) : STR("");
}

/* -- The offer --------------------------------------------------------------------------------- */

bool takeover_append_action(struct lsp_server *server, struct str path, struct json_writer *w)
{
    struct str thread_id = thread_of(server, path);
    if (!is_elsewhere(server, thread_id))
        return false;
    actions_write_for_thread(w, title, command, thread_id);
    return true;
}

void takeover_append_lens(struct lsp_server *server, struct str path, struct json_writer *w)
{
    const struct document *document = document_find_path(server->env.documents, path);
    struct str thread_id = thread_of(server, path);
    if (server->client.rich || !document || !document->text || !is_elsewhere(server, thread_id))
        return;
    struct text *text = document->text;
    size_t offset = transcript_prompt_offset(text_bytes(text));
    size_t line = text_line_start(text, text_line_of(text, offset > 0 ? offset - 1 : 0));
    json_write_begin_object(w);
    json_write_key(w, "range");
    convert_write_range(server, w, text, line, line);
    actions_write_command(w, "open in another editor, here to be read: take it over", command,
                          thread_id);
    json_write_end_object(w);
}

const char *takeover_hint(const struct lsp_server *server, const struct err *err)
{
    if (err->status != STATUS_LEASED || server->client.rich)
        return "";
    return " (lanebridge.takeOver takes it over; in its transcript a code action does, too)";
}

/* -- Reading, taking over -----------------------------------------------------------------------
 */

bool takeover_show(struct lsp_server *server, struct str thread_id)
{
    struct buf path = {0}, params = {0}, uri = {0};
    struct json_writer w;
    buf_append_fmt(&path, "%s/threads/thread-" STR_FMT ".md", server->env.state_folder,
                   STR_ARG(thread_id));
    bool can = !server->client.rich && server->client.show_document &&
               is_elsewhere(server, thread_id) && access(path.ptr, R_OK) == 0;
    if (can) {
        uri_append_file(&uri, buf_str(&path));
        json_writer_init(&w, &params);
        json_write_begin_object(&w);
        json_write_field_str(&w, "uri", buf_str(&uri));
        json_write_field_bool(&w, "takeFocus", true);
        json_write_end_object(&w);
        jsonrpc_request(server->peer, "window/showDocument", buf_str(&params), server_ignore_answer,
                        server);
        server_show_message(
            server, 3,
            "Lanebridge: this thread is open in another editor, so here it can be read. To go on "
            "with it here, take it over: a code action in the transcript, or lanebridge.takeOver.");
    }
    buf_finish(&path);
    buf_finish(&params);
    buf_finish(&uri);
    return can;
}

struct agent_thread *takeover_take(struct lsp_server *server, struct str thread_id, struct err *err)
{
    struct agent *agent = server_agent(server, err);
    if (thread_id.len == 0)
        thread_id = thread_in_use(server);
    if (!agent)
        return NULL;
    if (thread_id.len == 0) {
        err_set(err, STATUS_NOT_FOUND,
                "say which thread: open its transcript, or give \"threadId\"");
        return NULL;
    }
    struct agent_thread *thread = agent_thread_take_over(agent, thread_id, err);
    if (thread)
        review_refresh_lenses(server);
    return thread;
}
