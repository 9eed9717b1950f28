/* The thread as a Markdown file that grows: written to the state folder while nobody has it open,
 * edited through the editor while somebody has. What stands below the prompt heading is the
 * person's. */
#include "transcript-internal.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FLUSH_MS = 100,
    DISK_MS = 2000,     /* while a turn runs and nobody has it open: a write is milliseconds */
    DISK_APART_MS = 20, /* and other things have their turn between two of them */
    RETRIES_MAX = 5,
    SETTLE_MS = 1500, /* some editors tell a change half a second after their answer */
};

/* -- Finding ----------------------------------------------------------------------------------- */

static struct transcript *transcript_find(struct lsp_server *server, const char *thread_id)
{
    for (size_t i = 0; i < server->transcripts.len; i++)
        if (strcmp(server->transcripts.ptr[i]->thread_id, thread_id) == 0)
            return server->transcripts.ptr[i];
    return NULL;
}

struct str transcript_thread_of(const struct lsp_server *server, struct str path)
{
    for (size_t i = 0; i < server->transcripts.len; i++)
        if (str_eq_c(path, server->transcripts.ptr[i]->path))
            return str_from(server->transcripts.ptr[i]->thread_id);
    return STR("");
}

size_t transcript_prompt_offset(struct str text)
{
    size_t below = str_find_byte(text, '\n', transcript_heading(text));
    return below == STR_NONE ? text.len : below + 1;
}

bool transcript_is(const struct lsp_server *server, struct str path)
{
    struct buf folder = {0};
    struct str name = path_name(path);
    buf_append_fmt(&folder, "%s/threads", server->env.state_folder);
    bool is_it = str_eq(path_folder(path), buf_str(&folder)) &&
                 str_starts_with(name, STR("thread-")) && str_ends_with(name, STR(".md"));
    buf_finish(&folder);
    return is_it || transcript_thread_of(server, path).len > 0;
}

/* -- The editor's buffer ----------------------------------------------------------------------- */

static void flush_later(struct transcript *transcript)
{
    if (!loop_timer_is_active(transcript->timer))
        loop_timer_start(transcript->timer, FLUSH_MS, 0);
}

static void on_inserted(void *user, const struct jsonrpc_answer *answer)
{
    struct transcript *transcript = user;
    transcript->in_flight = false;
    transcript->answered_ms = loop_now_ms(transcript->server->env.loop);
    bool said_yes = answer->status == STATUS_OK && json_get_bool(answer->result, "applied", false);
    if (!said_yes)
        transcript->sent = 0; /* what was to be inserted is still to come */
    transcript->refusals = said_yes ? 0 : transcript->refusals + 1;
    if (transcript->refusals < RETRIES_MAX) /* else with the next event */
        flush_later(transcript);
    else
        transcript->refusals = 0;
}

static void send_edit(struct transcript *transcript, const struct document *document, size_t start,
                      size_t end, struct str with, jsonrpc_answer_fn *on_answer)
{
    struct lsp_server *server = transcript->server;
    struct buf params = {0};
    struct json_writer w;
    json_writer_init(&w, &params);
    json_write_begin_object(&w);
    json_write_field_c(&w, "label", "Lanebridge transcript");
    json_write_key(&w, "edit");
    json_write_begin_object(&w);
    if (server->client.document_changes) {
        json_write_key(&w, "documentChanges");
        json_write_begin_array(&w);
        json_write_begin_object(&w);
        json_write_key(&w, "textDocument");
        json_write_begin_object(&w);
        json_write_field_c(&w, "uri", document->uri);
        json_write_field_int(&w, "version", document->version);
        json_write_end_object(&w);
        json_write_key(&w, "edits");
    } else {
        json_write_key(&w, "changes");
        json_write_begin_object(&w);
        json_write_key(&w, document->uri);
    }
    json_write_begin_array(&w);
    json_write_begin_object(&w);
    json_write_key(&w, "range");
    convert_write_range(server, &w, document->text, start, end);
    json_write_field_str(&w, "newText", with);
    json_write_end_object(&w);
    json_write_end_array(&w);
    json_write_end_object(&w);
    if (server->client.document_changes)
        json_write_end_array(&w);
    json_write_end_object(&w);
    json_write_end_object(&w);
    jsonrpc_request(server->peer, "workspace/applyEdit", buf_str(&params), on_answer, transcript);
    buf_finish(&params);
}

/* Did the last insertion land? Some editors say so and skip it. False: it is too early to say. */
static bool verify_sent(struct transcript *transcript, const struct document *document,
                        struct str above)
{
    struct str piece =
        str_slice(transcript_log_from(transcript, transcript->shown), 0, transcript->sent);
    bool landed = str_ends_with(above, piece);
    uint64_t waited = loop_now_ms(transcript->server->env.loop) - transcript->answered_ms;
    if (!landed && document->revision == transcript->sent_revision && waited < SETTLE_MS)
        return false;
    if (landed || transcript->retries++ >= RETRIES_MAX) {
        transcript->shown += transcript->sent;
        transcript->retries = 0;
    }
    transcript->sent = 0;
    return true;
}

/* How much of the log a buffer has that was just opened. */
static size_t shown_in(struct transcript *transcript, struct str above)
{
    if (above.len < transcript->base)
        transcript_load(transcript);
    size_t behind = above.len < transcript->base ? above.len : transcript->base;
    bool is_ours = above.len >= transcript->base &&
                   str_starts_with(buf_str(&transcript->log.text), str_skip(above, behind));
    return is_ours ? above.len : transcript->written;
}

static void show_in_buffer(struct transcript *transcript, const struct document *document)
{
    if (!document->text || transcript->in_flight)
        return;
    struct str text = text_bytes(document->text);
    size_t heading = transcript_heading(text);
    if (!transcript->is_open) {
        transcript->is_open = true;
        transcript->shown = shown_in(transcript, str_slice(text, 0, heading));
        transcript->sent = 0;
    }
    if (transcript->sent > 0 && !verify_sent(transcript, document, str_slice(text, 0, heading))) {
        flush_later(transcript);
        return;
    }
    struct str rest = transcript_log_from(transcript, transcript->shown);
    if (rest.len == 0)
        return;
    transcript->sent = rest.len;
    transcript->sent_revision = document->revision;
    transcript->in_flight = true;
    send_edit(transcript, document, heading, heading, rest, on_inserted);
}

static void write_when_due(struct transcript *transcript)
{
    uint64_t now = loop_now_ms(transcript->server->env.loop);
    if (now < transcript->server->transcript_ms + DISK_APART_MS)
        loop_timer_start(transcript->timer, DISK_APART_MS, 0);
    else if (transcript->is_at_rest || now >= transcript->disk_ms + DISK_MS)
        transcript_write(transcript, STR(""));
    else
        flush_later(transcript);
}

static void on_flush(void *user)
{
    struct transcript *transcript = user;
    const struct document *document =
        document_find_path(transcript->server->env.documents, str_from(transcript->path));
    if (document) {
        show_in_buffer(transcript, document);
        return;
    }
    transcript->is_open = false;
    if (transcript->written < transcript_end(transcript))
        write_when_due(transcript);
}

/* -- The object -------------------------------------------------------------------------------- */

/* What an earlier process wrote of the thread goes on; else a title. */
static void begin_log(struct transcript *transcript)
{
    if (transcript_find_begun(transcript))
        return;
    struct agent_thread *thread =
        agent_thread_find(transcript->server->agent, str_from(transcript->thread_id));
    markdown_add_title(&transcript->log, thread ? agent_thread_title(thread) : STR(""));
}

static struct transcript *transcript_open(struct lsp_server *server, const char *thread_id)
{
    struct transcript *transcript = transcript_find(server, thread_id);
    if (transcript)
        return transcript;
    transcript = mem_new(struct transcript);
    transcript->server = server;
    memcpy(transcript->thread_id, thread_id, strnlen(thread_id, ID_BYTES - 1));
    struct buf path = {0};
    buf_append_fmt(&path, "%s/threads", server->env.state_folder);
    mkdir(path.ptr, 0700);
    buf_append_fmt(&path, "/thread-%s.md", thread_id);
    transcript->path = buf_take(&path);
    transcript->timer = loop_timer_new(server->env.loop, on_flush, transcript);
    begin_log(transcript);
    vec_push(&server->transcripts, transcript);
    return transcript;
}

void transcript_on_closed(struct lsp_server *server, struct str path)
{
    for (size_t i = 0; i < server->transcripts.len; i++) {
        struct transcript *transcript = server->transcripts.ptr[i];
        if (!str_eq_c(path, transcript->path) ||
            document_find_path(server->env.documents, path) != NULL)
            continue;
        transcript->is_open = false;
        transcript_write(transcript, STR(""));
    }
}

void transcript_forget(struct lsp_server *server, struct str thread_id)
{
    struct buf path = {0};
    for (size_t i = server->transcripts.len; i-- > 0;) {
        struct transcript *transcript = server->transcripts.ptr[i];
        if (!str_eq_c(thread_id, transcript->thread_id))
            continue;
        vec_remove(&server->transcripts, i);
        loop_timer_free(transcript->timer);
        markdown_finish(&transcript->log);
        mem_free(transcript->path);
        mem_free(transcript);
    }
    buf_append_fmt(&path, "%s/threads/thread-" STR_FMT ".md", server->env.state_folder,
                   STR_ARG(thread_id));
    unlink(path.ptr);
    buf_finish(&path);
}

void transcripts_free(struct lsp_server *server)
{
    for (size_t i = 0; i < server->transcripts.len; i++) {
        struct transcript *transcript = server->transcripts.ptr[i];
        bool is_open =
            document_find_path(server->env.documents, str_from(transcript->path)) != NULL;
        if (!is_open && transcript->written < transcript_end(transcript))
            transcript_write(transcript, STR(""));
        loop_timer_free(transcript->timer);
        markdown_finish(&transcript->log);
        mem_free(transcript->path);
        mem_free(transcript);
    }
    vec_finish(&server->transcripts);
}

/* Where the person goes on writing: the end of the text, behind what is on its way to it. */
static void write_end(struct transcript *transcript, const struct document *document,
                      struct str on_its_way, struct json_writer *w)
{
    struct buf bytes = {0};
    if (document && document->text)
        buf_append(&bytes, text_bytes(document->text));
    else
        transcript_read(transcript->path, 0, &bytes);
    buf_append(&bytes, on_its_way);
    struct text *text = text_new(buf_str(&bytes));
    json_write_key(w, "selection");
    convert_write_range(transcript->server, w, text, text_len(text), text_len(text));
    text_unref(text);
    buf_finish(&bytes);
}

static void show(struct lsp_server *server, const char *thread_id, bool take_focus,
                 struct str on_its_way)
{
    struct transcript *transcript = transcript_open(server, thread_id);
    const struct document *document =
        document_find_path(server->env.documents, str_from(transcript->path));
    if (document && !take_focus)
        return;
    if (!document)
        transcript_write(transcript, STR(""));
    struct buf uri = {0}, params = {0};
    struct json_writer w;
    uri_append_file(&uri, str_from(transcript->path));
    if (server->client.show_document) {
        json_writer_init(&w, &params);
        json_write_begin_object(&w);
        json_write_field_str(&w, "uri", buf_str(&uri));
        json_write_field_bool(&w, "takeFocus", take_focus);
        if (take_focus)
            write_end(transcript, document, on_its_way, &w);
        json_write_end_object(&w);
        jsonrpc_request(server->peer, "window/showDocument", buf_str(&params), server_ignore_answer,
                        server);
    } else {
        server_log_message(server, 3, "Lanebridge answers in %s", transcript->path);
    }
    buf_finish(&uri);
    buf_finish(&params);
}

void transcript_show(struct lsp_server *server, const char *thread_id, bool take_focus)
{
    show(server, thread_id, take_focus, STR(""));
}

void transcript_write_prompt(struct lsp_server *server, const char *thread_id, struct str line)
{
    struct transcript *transcript = transcript_open(server, thread_id);
    const struct document *document =
        document_find_path(server->env.documents, str_from(transcript->path));
    if (!document)
        transcript_write(transcript, line);
    else if (document->text)
        send_edit(transcript, document, text_len(document->text), text_len(document->text), line,
                  server_ignore_answer);
    show(server, thread_id, true, document ? line : STR(""));
}

/* What is written below the heading; "" if it is not open, or nothing is. */
static struct str find_prompt(const struct document *document)
{
    if (!document || !document->text)
        return STR("");
    struct str text = text_bytes(document->text);
    return str_trim(str_skip(text, transcript_prompt_offset(text)));
}

void transcript_peek_prompt(struct lsp_server *server, const char *thread_id, struct buf *prompt)
{
    struct transcript *transcript = transcript_find(server, thread_id);
    buf_append(prompt, find_prompt(transcript ? document_find_path(server->env.documents,
                                                                   str_from(transcript->path))
                                              : NULL));
}

void transcript_take_prompt(struct lsp_server *server, const char *thread_id, struct buf *prompt)
{
    struct transcript *transcript = transcript_find(server, thread_id);
    const struct document *document =
        transcript ? document_find_path(server->env.documents, str_from(transcript->path)) : NULL;
    struct str written = find_prompt(document);
    if (written.len == 0)
        return;
    buf_append(prompt, written);
    size_t start = (size_t)(written.ptr - text_bytes(document->text).ptr);
    send_edit(transcript, document, start, start + written.len, STR(""), server_ignore_answer);
}

/* -- What happens ------------------------------------------------------------------------------ */

void transcript_on_event(struct lsp_server *server, const struct agent_event *event)
{
    bool is_item = event->type == AGENT_ITEM_COMPLETED || event->type == AGENT_ITEM_DELTA;
    bool is_told = event->type == AGENT_TURN_COMPLETED || event->is_lasting;
    if (!event->thread_id[0] || event->parent_item_id || (!is_item && !is_told))
        return;
    struct transcript *transcript = transcript_open(server, event->thread_id);
    if (is_item)
        markdown_add_item(&transcript->log, event);
    else if (event->is_lasting)
        buf_append_fmt(&transcript->log.text, "*" STR_FMT "*\n\n", STR_ARG(event->text));
    else if (event->status == TURN_INTERRUPTED)
        buf_append_c(&transcript->log.text, "*Interrupted.*\n\n");
    if (event->type == AGENT_TURN_COMPLETED)
        markdown_add_usage(&transcript->log, &event->usage, &event->cost);
    transcript->is_at_rest = !is_item;
    flush_later(transcript);
}
