/* read_file: lines of a file, as they are on the screen. The whole becomes the thread's base. */
#include "tools-internal.h"

struct read_state {
    struct str path;
    int64_t start_line, end_line; /* 1-based, inclusive; 0: not given */
    struct now_file file;
    struct read_job *job;
};

static const struct json_field fields[] = {
    {"path", JSON_FIELD_STR, JSON_REQUIRED, offsetof(struct read_state, path)},
    {"start_line", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct read_state, start_line)},
    {"end_line", JSON_FIELD_INT, JSON_OPTIONAL, offsetof(struct read_state, end_line)},
};

static enum status prepare(struct tools_call *call, struct err *err)
{
    struct read_state *state = call->state;
    if (state->start_line < 0 || state->end_line < 0)
        return err_set(err, STATUS_INVALID,
                       "read_file: start_line and end_line count from 1; null reads from the start "
                       "or to the end");
    if (state->end_line && state->end_line < state->start_line)
        return err_set(err, STATUS_INVALID, "read_file: end_line %lld is before start_line %lld",
                       (long long)state->end_line, (long long)state->start_line);
    return now_resolve(call, state->path, &state->file, err);
}

/* -- Showing --------------------------------------------------------------------------------- */

static void append_line(struct buf *out, struct str line)
{
    size_t at = 0, chars = 0;
    uint32_t ignored;
    if (line.len <= LIMIT_READ_LINE_CHARS_COUNT) {
        buf_append(out, line);
        return;
    }
    for (; at < line.len && chars < LIMIT_READ_LINE_CHARS_COUNT; chars++)
        at += utf8_decode(str_skip(line, at), &ignored);
    buf_append(out, str_slice(line, 0, at));
    if (at < line.len)
        buf_append_fmt(out, "[… %zu more bytes on this line]", line.len - at);
}

/* A text that ends in a line ending has no line after it, for people and models. */
static size_t shown_line_count(const struct text *text)
{
    size_t count = text_line_count(text);
    return text_line(text, count - 1).len == 0 ? count - 1 : count;
}

static void append_header(struct buf *out, const struct now_file *file, size_t first, size_t end,
                          size_t count)
{
    buf_append_fmt(out, "%s (", file->path.display);
    if (file->is_open)
        buf_append_fmt(out, "open in the editor, version %lld, %s", (long long)file->version,
                       file->is_proposed   ? "as you proposed it, not applied"
                       : file->was_unsaved ? "unsaved"
                                           : "saved");
    else
        buf_append_c(out, "on disk");
    if (count == 0)
        buf_append_c(out, ", empty)\n");
    else
        buf_append_fmt(out, ", lines %zu-%zu of %zu)\n", first + 1, end, count);
}

static void show(struct tools_call *call, struct read_state *state)
{
    const struct now_file *file = &state->file;
    size_t count = shown_line_count(file->text);
    size_t first = state->start_line > 0 ? (size_t)state->start_line - 1 : 0;
    size_t wanted =
        state->end_line > 0 && (size_t)state->end_line < count ? (size_t)state->end_line : count;
    if (first >= count && count > 0) {
        call_fail(call, "%s has %zu lines; start_line %lld is beyond its end", file->path.display,
                  count, (long long)state->start_line);
        return;
    }
    struct buf lines = {0};
    size_t end = first;
    while (end < wanted && end - first < LIMIT_READ_LINES_COUNT && lines.len < LIMIT_READ_BYTES) {
        size_t before = lines.len;
        append_line(&lines, text_line_content(file->text, end));
        buf_append_byte(&lines, '\n');
        if (lines.len > LIMIT_READ_BYTES && end > first) {
            buf_truncate(&lines, before);
            break;
        }
        end++;
    }
    append_header(&call->text, file, first, end, count);
    buf_append(&call->text, buf_str(&lines));
    if (end < wanted)
        buf_append_fmt(&call->text, "[%zu more lines: go on with start_line %zu]\n", wanted - end,
                       end + 1);
    buf_append_fmt(&call->summary, "%s lines %zu-%zu of %zu", file->path.display, first + 1, end,
                   count);
    buf_finish(&lines);
    advice_append(call, file);
    bases_set(&call->thread->bases, now_key(file), file->text);
    call_end(call, true);
}

static void show_approved(struct tools_call *call, const struct host_ask_answer *answer)
{
    (void)answer;
    show(call, call->state);
}

/* The name was checked before; now the content may say that it is a key. */
static void finish_reading(struct tools_call *call, struct read_state *state)
{
    const struct now_file *file = &state->file;
    if (file->unreadable.len > 0) {
        call_fail(call, "%s cannot be read: " STR_FMT, file->path.display,
                  STR_ARG(buf_str(&file->unreadable)));
        return;
    }
    if (!file->text) {
        call_fail(call, "%s does not exist", file->path.display);
        return;
    }
    struct str head = str_slice(text_bytes(file->text), 0, 4096);
    if (!call->was_approved && policy_is_secret(now_key(file), head)) {
        struct host_ask ask = {
            .kind = HOST_ASK_READ,
            .title = "Let the model read this?",
            .show = file->path.absolute,
            .reason = "its content looks like a secret",
        };
        call_ask(call, &ask, show_approved);
        return;
    }
    show(call, state);
}

/* -- Reading --------------------------------------------------------------------------------- */

/* Owns the file while the pool reads it: the call may end meanwhile. */
struct read_job {
    struct tools_call *call;
    struct now_file file;
};

static void work(void *data)
{
    struct read_job *job = data;
    now_read(&job->file, LIMIT_EDIT_FILE_BYTES);
}

static void done(void *data)
{
    struct read_job *job = data;
    struct tools_call *call = job->call;
    struct read_state *state = call->state;
    call->job = NULL;
    state->file = job->file;
    job->file = (struct now_file){0};
    finish_reading(call, state);
}

static void release(void *data)
{
    struct read_job *job = data;
    now_finish(&job->file);
    mem_free(job);
}

static const struct job_ops job_ops = {work, done, release};

static void read_in_pool(struct tools_call *call)
{
    struct read_state *state = call->state;
    struct read_job *job = mem_new(struct read_job);
    job->call = call;
    job->file = state->file;
    state->file = (struct now_file){0};
    call->job = job_start(call->tools, &job_ops, job);
}

static bool is_small(const struct workspace_stat *stat)
{
    return !stat->exists || stat->is_folder ||
           (stat->is_file && stat->size <= LIMIT_READ_ON_LOOP_BYTES);
}

static void run_permitted(struct tools_call *call, const struct host_ask_answer *answer)
{
    (void)answer;
    struct read_state *state = call->state;
    struct journal *journal = call->tools->env.journal;
    bool is_here = now_look(call->tools, &state->file);
    is_here = now_overlay(call->thread, &state->file) || is_here || is_small(&state->file.stat);
    const char *decision = call->was_approved ? "approved by the user" : "allowed";
    if (!is_here && !call_begin(call, decision))
        return;
    if (!is_here) {
        read_in_pool(call);
        return;
    }
    now_read(&state->file, LIMIT_EDIT_FILE_BYTES);
    journal_join(journal); /* nothing outside hears of it yet */
    call_begin_harmless(call, decision);
    if (state->file.stat.is_folder)
        call_fail(call, "%s is a folder; use list_dir", state->file.path.display);
    else
        finish_reading(call, state);
    journal_commit_later(journal, call->tools->env.loop);
}

static void run(struct tools_call *call)
{
    struct read_state *state = call->state;
    path_permit(call, &state->file.real, POLICY_READ, run_permitted);
}

static void finish(struct tools_call *call)
{
    struct read_state *state = call->state;
    now_finish(&state->file);
}

const struct tool tool_read_file = {
    .name = "read_file",
    .kind = TOOL_READ,
    .title_key = "path",
    .description =
        "Reads lines of a text file of the workspace, as they are on the user's screen (unsaved "
        "changes included). At most 2000 lines and 48 KB at once. The first line of the answer is "
        "a "
        "header, the file's own text follows without line numbers.",
    .parameters =
        "{\"type\":\"object\",\"properties\":{"
        "\"path\":{\"type\":\"string\",\"description\":\"Path relative to the workspace\"},"
        "\"start_line\":{\"type\":[\"integer\",\"null\"],\"description\":\"First line, from 1; "
        "null: "
        "the first\"},"
        "\"end_line\":{\"type\":[\"integer\",\"null\"],\"description\":\"Last line, included; "
        "null: "
        "the end\"}},"
        "\"required\":[\"path\",\"start_line\",\"end_line\"],\"additionalProperties\":false}",
    .fields = fields,
    .field_count = array_count(fields),
    .state_size = sizeof(struct read_state),
    .prepare = prepare,
    .run = run,
    .finish = finish,
};
